// Graphs: order, outputs, watching, and the folding of values.
#include "graph_maker.h"

struct seen {
    int values;
    double last;
};

static void watch(void *user, const struct ir_value *v, const struct tensor *t)
{
    struct seen *s = user;
    (void)v;
    s->values++;
    s->last = tensor_get_double(t, 0);
}

static void a_graph_runs(void)
{
    struct maker *m = maker_create();
    struct ir_type type = ir_type_make(DT_F32, DIMS(2), 1);
    struct ir_value *x = ir_graph_add_input(m->module->main, "x", &type);
    struct ir_value *y = irb_binary(&m->b, BFN_mul, x, irb_const_f32(&m->b, 3));
    struct ir_value *z = irb_binary(&m->b, BFN_add, y, y);
    ir_graph_add_output(m->module->main, z, "z");
    ir_graph_add_output(m->module->main, y, "y");
    ir_graph_add_output(m->module->main, x, "same");
    struct tensor *in = tensor_create(m->arena, DT_F32, DIMS(2), 1), *out[3];
    ((float *)in->data)[0] = 1;
    ((float *)in->data)[1] = 2;
    struct seen seen = {0};
    struct ir_eval_options o = {.watch = watch, .user = &seen};
    CHECK(ir_eval(m->module, (const struct tensor *const[]){in}, &o, out, m->arena, m->diag));
    maker_is(out[0], 2, VALUES(6, 12));
    maker_is(out[1], 2, VALUES(3, 6));
    maker_is(out[2], 2, VALUES(1, 2));
    CHECK_STR(out[0]->name, "z");
    CHECK_INT(seen.values, 4);
    CHECK(seen.last == 6);
    maker_destroy(m);
}

static void a_wrong_input_is_reported(void)
{
    struct maker *m = maker_create();
    struct ir_type type = ir_type_make(DT_F32, DIMS(2), 1);
    ir_graph_add_output(m->module->main, ir_graph_add_input(m->module->main, "x", &type), "y");
    struct tensor *in = tensor_create(m->arena, DT_F64, DIMS(2), 1), *out[1];
    CHECK(!ir_eval(m->module, (const struct tensor *const[]){in}, NULL, out, m->arena, m->diag));
    CHECK_INT(m->reports, 1);
    CHECK_INT(m->last, DIAG_TENSOR_MISMATCH);
    maker_destroy(m);
}

// Evaluated without memory of what is known, a chain of doublings takes 2^60 steps.
static void folding_is_linear(void)
{
    struct maker *m = maker_create();
    struct ir_value *v = irb_const_i64s(&m->b, DIMS(1, 3), 2);
    for (int i = 0; i < 60; i++)
        v = irb_binary(&m->b, BFN_add, v, v);
    const struct tensor *t = ir_fold_value(v, 2, m->arena, m->diag);
    if (CHECK(t != NULL))
        CHECK_INT(tensor_get_int(t, 1), INT64_C(3) << 60);
    maker_destroy(m);
}

static void folding_knows_its_limits(void)
{
    struct maker *m = maker_create();
    struct ir_type type = ir_type_make(DT_F32, DIMS(2), 1);
    struct ir_value *x = ir_graph_add_input(m->module->main, "x", &type);
    struct ir_value *one = irb_const_f32(&m->b, 1);
    CHECK(ir_fold_value(irb_binary(&m->b, BFN_add, x, one), 100, m->arena, m->diag) == NULL);
    struct ir_value *wide = irb_broadcast(&m->b, one, DIMS(101), 1);
    CHECK(ir_fold_value(wide, 100, m->arena, m->diag) == NULL);
    CHECK(ir_fold_value(wide, 101, m->arena, m->diag) != NULL);
    CHECK(ir_fold_value(one, 1, m->arena, m->diag) == ir_const_data(one));
    CHECK_INT(m->reports, 0);
    maker_destroy(m);
}

static bool fills(void *user, const struct ir_op *op, const struct tensor *const *in,
                  struct tensor **out)
{
    (void)user;
    ((float *)out[0]->data)[0] = ((const float *)in[0]->data)[0] + (float)op->num_in;
    return true;
}

static void host_ops_need_a_host(void)
{
    struct maker *m = maker_create();
    struct ir_value *in[] = {irb_const_f32(&m->b, 5)};
    struct ir_op *op = ir_op_create(m->module->main, NULL, IR_OP_HOST, LOC_NONE, in, 1, 1, "h");
    ir_set_str(op, IR_A_kernel_name, "k");
    op->out[0]->type = ir_type_make(DT_F32, NULL, 0);
    ir_graph_add_output(m->module->main, op->out[0], "h");
    struct tensor *out[1];
    CHECK(!ir_eval(m->module, NULL, NULL, out, m->arena, m->diag));
    CHECK_INT(m->reports, 1);
    struct ir_eval_options o = {.host = fills};
    CHECK(ir_eval(m->module, NULL, &o, out, m->arena, m->diag));
    maker_is(out[0], 1, VALUES(6));
    maker_destroy(m);
}

int main(void)
{
    RUN(a_graph_runs);
    RUN(a_wrong_input_is_reported);
    RUN(folding_is_linear);
    RUN(folding_knows_its_limits);
    RUN(host_ops_need_a_host);
    return check_summary();
}
