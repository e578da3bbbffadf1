// The operator table: order, ranges, lookup.
#include "check.h"
#include "import.h"
#include "onnx_table.h"

static void rows_are_sorted_and_disjoint(void)
{
    for (size_t k = 0; k < onnx_domain_count; k++)
        for (size_t i = 1; i < onnx_domain[k].num_ops; i++) {
            const struct onnx_op *a = &onnx_domain[k].ops[i - 1], *b = &onnx_domain[k].ops[i];
            int order = strcmp(a->name, b->name);
            bool follows = order < 0 || (order == 0 && a->until != 0 && a->until <= b->since);
            if (!CHECK(follows))
                fprintf(stderr, "row %s %d after %s %d\n", b->name, b->since, a->name, a->since);
        }
}

static void check_range(const struct onnx_op *r, int newest)
{
    CHECK(r->since >= 1 && r->since <= newest);
    CHECK(r->until == 0 ||
          (r->until > r->since && r->until > ONNX_OPSET_MIN && r->until <= newest));
    CHECK(r->in_min >= 0 && (r->in_max < 0 || r->in_max >= r->in_min));
    CHECK(r->out_min >= 0 && r->out_max != 0 && (r->out_max < 0 || r->out_max >= r->out_min));
    CHECK(*r->doc != '\0');
}

static void ranges_make_sense(void)
{
    for (size_t k = 0; k < onnx_domain_count; k++)
        for (size_t i = 0; i < onnx_domain[k].num_ops; i++)
            check_range(&onnx_domain[k].ops[i], onnx_domain[k].newest);
}

static void check_attr(const struct onnx_domain *d, const struct onnx_attr *a)
{
    int first = a->since > ONNX_OPSET_MIN ? a->since : ONNX_OPSET_MIN;
    const struct onnx_op *op = onnx_op_find(d, a->op, first);
    if (!CHECK(op != NULL))
        fprintf(stderr, "attribute %s of %s from opset %d\n", a->name, a->op, first);
    for (int opset = first; opset <= d->newest && (a->until == 0 || opset < a->until); opset++)
        CHECK(onnx_attr_find(d, a->op, opset, a->name) == a);
    CHECK(!a->required || *a->dflt == '\0' || strcmp(a->name, "kernel_shape") == 0);
}

// Every attribute is of an operator that exists in the attribute's opsets, and no two rows give the
// same one.
static void attributes_belong_to_operators(void)
{
    for (size_t k = 0; k < onnx_domain_count; k++)
        for (size_t i = 0; i < onnx_domain[k].num_attrs; i++)
            check_attr(&onnx_domain[k], &onnx_domain[k].attrs[i]);
}

static void domains_have_names(void)
{
    CHECK(onnx_domain_find("") == &onnx_domain[0]);
    CHECK(onnx_domain_find("ai.onnx") == &onnx_domain[0]);
    CHECK(onnx_domain_find("com.example") == NULL);
    for (size_t k = 0; k < onnx_domain_count; k++)
        CHECK_STR(onnx_domain_find(onnx_domain[k].name)->name, onnx_domain[k].name);
}

static void lookup_respects_opsets(void)
{
    int first = 0, last = 0;
    const struct onnx_domain *d = &onnx_domain[0];
    const struct onnx_op *old = onnx_op_find(d, "Softmax", 12);
    const struct onnx_op *new = onnx_op_find(d, "Softmax", 13);
    CHECK(old && new &&old != new && old->import != new->import);
    CHECK(!onnx_op_find(d, "Upsample", 10) && onnx_op_range(d, "Upsample", &first, &last));
    CHECK(first == 7 && last == 9);
    CHECK(!onnx_op_find(d, "LayerNormalization", 16) &&
          onnx_op_range(d, "LayerNormalization", &first, &last));
    CHECK(first == 17 && last == ONNX_OPSET_MAX);
    CHECK(!onnx_op_find(d, "Conv ", 13) && !onnx_op_range(d, "Conv ", &first, &last));
    CHECK(!onnx_op_find(d, "", 13) && !onnx_op_range(d, "", &first, &last));
    CHECK(!onnx_op_range(d, "Zzz", &first, &last));
    CHECK(onnx_op_find(d, "Abs", 7) == &d->ops[0]);
    CHECK(onnx_op_find(d, "Xor", ONNX_OPSET_MAX) == &d->ops[d->num_ops - 1]);
    CHECK(onnx_attr_find(d, "Clip", 10, "min") != NULL);
    CHECK(onnx_attr_find(d, "Clip", 11, "min") == NULL);
    CHECK(onnx_attr_find(d, "Conv", 13, "strides") != NULL);
    CHECK(onnx_attr_find(d, "Conv", 13, "stride") == NULL);
}

int main(void)
{
    RUN(rows_are_sorted_and_disjoint);
    RUN(ranges_make_sense);
    RUN(attributes_belong_to_operators);
    RUN(domains_have_names);
    RUN(lookup_respects_opsets);
    return check_summary();
}
