// The operator table: order, ranges, lookup.
#include "check.h"
#include "import.h"
#include "onnx_table.h"

static void rows_are_sorted_and_disjoint(void)
{
    for (size_t i = 1; i < onnx_op_count; i++) {
        const struct onnx_op *a = &onnx_op[i - 1], *b = &onnx_op[i];
        int order = strcmp(a->name, b->name);
        bool follows = order < 0 || (order == 0 && a->until != 0 && a->until <= b->since);
        if (!CHECK(follows))
            fprintf(stderr, "row %s %d after %s %d\n", b->name, b->since, a->name, a->since);
    }
}

static void ranges_make_sense(void)
{
    for (size_t i = 0; i < onnx_op_count; i++) {
        const struct onnx_op *r = &onnx_op[i];
        CHECK(r->since >= 1 && r->since <= ONNX_OPSET_MAX);
        CHECK(r->until == 0 ||
              (r->until > r->since && r->until > ONNX_OPSET_MIN && r->until <= ONNX_OPSET_MAX));
        CHECK(r->in_min >= 0 && (r->in_max < 0 || r->in_max >= r->in_min));
        CHECK(r->out_min >= 1 && (r->out_max < 0 || r->out_max >= r->out_min));
        CHECK(*r->doc != '\0');
    }
}

// Every attribute is of an operator that exists in the attribute's opsets, and no two rows give the
// same one.
static void attributes_belong_to_operators(void)
{
    for (size_t i = 0; i < onnx_attr_count; i++) {
        const struct onnx_attr *a = &onnx_attr[i];
        int first = a->since > ONNX_OPSET_MIN ? a->since : ONNX_OPSET_MIN;
        const struct onnx_op *op = onnx_op_find(a->op, first);
        if (!CHECK(op != NULL))
            fprintf(stderr, "attribute %s of %s from opset %d\n", a->name, a->op, first);
        for (int opset = first; opset <= ONNX_OPSET_MAX && (a->until == 0 || opset < a->until);
             opset++)
            CHECK(onnx_attr_find(a->op, opset, a->name) == a);
        CHECK(!a->required || *a->dflt == '\0' || strcmp(a->name, "kernel_shape") == 0);
    }
}

static void lookup_respects_opsets(void)
{
    int first = 0, last = 0;
    const struct onnx_op *old = onnx_op_find("Softmax", 12), *new = onnx_op_find("Softmax", 13);
    CHECK(old && new &&old != new && old->import != new->import);
    CHECK(!onnx_op_find("Upsample", 10) && onnx_op_range("Upsample", &first, &last));
    CHECK(first == 7 && last == 9);
    CHECK(!onnx_op_find("LayerNormalization", 16) &&
          onnx_op_range("LayerNormalization", &first, &last));
    CHECK(first == 17 && last == ONNX_OPSET_MAX);
    CHECK(!onnx_op_find("Conv ", 13) && !onnx_op_range("Conv ", &first, &last));
    CHECK(!onnx_op_find("", 13) && !onnx_op_range("", &first, &last));
    CHECK(!onnx_op_range("Zzz", &first, &last));
    CHECK(onnx_op_find("Abs", 7) == &onnx_op[0]);
    CHECK(onnx_op_find("Xor", ONNX_OPSET_MAX) == &onnx_op[onnx_op_count - 1]);
    CHECK(onnx_attr_find("Clip", 10, "min") != NULL);
    CHECK(onnx_attr_find("Clip", 11, "min") == NULL);
    CHECK(onnx_attr_find("Conv", 13, "strides") != NULL);
    CHECK(onnx_attr_find("Conv", 13, "stride") == NULL);
}

int main(void)
{
    RUN(rows_are_sorted_and_disjoint);
    RUN(ranges_make_sense);
    RUN(attributes_belong_to_operators);
    RUN(lookup_respects_opsets);
    return check_summary();
}
