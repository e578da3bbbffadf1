// What bitletc knows, from its tables: operators with their opsets, passes with what they need and
// give.
#include "bitletc_driver.h"
#include "onnx_table.h"
#include "plugin.h"

static void list_domain(const struct onnx_domain *d)
{
    for (size_t i = 0; i < d->num_ops; i++) {
        const struct onnx_op *op = &d->ops[i];
        // Rows of one operator follow each other; the first one's range begins the operator's.
        int last = op->until ? op->until - 1 : d->newest,
            first = op->since > ONNX_OPSET_MIN ? op->since : ONNX_OPSET_MIN;
        int width = printf("%s%s%s", d->name, *d->name ? "." : "", op->name);
        printf("%*s opset %2d to %2d  %s\n", width < 26 ? 26 - width : 0, "", first, last, op->doc);
    }
}

void driver_list_ops(void)
{
    for (size_t i = 0; i < onnx_domain_count; i++)
        list_domain(&onnx_domain[i]);
    const struct bitlet_operator *op;
    for (size_t i = 0; (op = plugin_operator(i)); i++)
        printf("%s.%s  since version %d  %s\n", op->domain, op->name, (int)op->since,
               op->doc ? op->doc : "");
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
