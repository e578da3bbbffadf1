// What bitletc knows, from its tables: operators with their opsets, passes with what they need and
// give.
#include "bitletc_driver.h"
#include "onnx_table.h"

void driver_list_ops(void)
{
    for (size_t i = 0; i < onnx_op_count; i++) {
        const struct onnx_op *op = &onnx_op[i];
        // Rows of one operator follow each other; the first one's range begins the operator's.
        int last = op->until ? op->until - 1 : ONNX_OPSET_MAX,
            first = op->since > ONNX_OPSET_MIN ? op->since : ONNX_OPSET_MIN;
        printf("%-26s opset %2d to %2d  %s\n", op->name, first, last, op->doc);
    }
}

void driver_list_passes(void)
{
    struct arena *a = arena_create();
    for (int i = 0; i < pass_count; i++) {
        const struct pass_info *p = &pass_info[i];
        printf("%-14s -O%d  %s\n%20sneeds %s; gives %s\n", p->text, p->opt_level, p->doc, "",
               pass_levels_text(p->needs, a),
               p->gives ? pass_levels_text(p->gives, a) : "nothing new");
    }
    arena_destroy(a);
}
