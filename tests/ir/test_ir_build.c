// Lists, uses and names; what the verifier finds when they are broken.
#include <string.h>

#include "check.h"
#include "ir.h"

struct setup {
    struct arena *a;
    struct diag *d;
    struct ir_module *m;
    struct ir_graph *g;
    struct ir_builder b;
    int reports;
    enum diag_id last;
};

static void keep(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    struct setup *s = user;
    (void)sev, (void)message;
    s->reports++;
    s->last = id;
}

static void begin(struct setup *s)
{
    *s = (struct setup){.a = arena_create()};
    s->d = diag_create(s->a, NULL);
    diag_set_sink(s->d, keep, s);
    s->m = ir_module_create(s->a);
    s->m->level = IR_L_IMPORTED | IR_L_SHAPED;
    s->g = s->m->main = ir_graph_create(s->m, "main");
    s->b = (struct ir_builder){.graph = s->g, .diag = s->d};
}

static struct ir_value *input(struct setup *s, const char *name)
{
    struct ir_type t = ir_type_make(DT_F32, (int64_t[]){2, 3}, 2);
    return ir_graph_add_input(s->g, name, &t);
}

static void names_are_unique(void)
{
    struct setup s;
    begin(&s);
    struct ir_value *x = input(&s, "x"), *x1 = input(&s, "x"), *none = input(&s, "");
    CHECK_STR(x->name, "x");
    CHECK_STR(x1->name, "x.1");
    CHECK_STR(none->name, "input");
    struct ir_value *y = irb_unary(&s.b, UFN_abs, x);
    CHECK_STR(y->name, "unary");
    ir_value_rename(y, s.g, "x");
    CHECK_STR(y->name, "x.2");
    CHECK(!ir_graph_find(s.g, "unary", 5));
    CHECK(ir_graph_find(s.g, "x.2", 3) == y);
    ir_value_rename(y, s.g, "");
    CHECK_STR(y->name, "unary");
    ir_value_rename(x1, s.g, "x.2");
    CHECK_STR(x1->name, "x.2");
    for (int i = 0; i < 5000; i++)
        irb_unary(&s.b, UFN_abs, x);
    CHECK_STR(s.g->last->out[0]->name, "unary.5000");
    CHECK(ir_verify(s.m, s.d));
    arena_destroy(s.a);
}

static void an_erased_name_serves_again(void)
{
    struct setup s;
    begin(&s);
    struct ir_value *x = input(&s, "x"), *y = irb_unary(&s.b, UFN_abs, x);
    ir_value_rename(y, s.g, "y");
    ir_op_erase(y->def);
    struct ir_value *z = irb_unary(&s.b, UFN_neg, x);
    ir_value_rename(z, s.g, "y");
    CHECK_STR(z->name, "y");
    CHECK_INT(x->num_uses, 1);
    CHECK(ir_verify(s.m, s.d));
    arena_destroy(s.a);
}

static void uses_follow_edits(void)
{
    struct setup s;
    begin(&s);
    struct ir_value *x = input(&s, "x"), *z = input(&s, "z");
    struct ir_value *y = irb_binary(&s.b, BFN_add, x, x), *w = irb_unary(&s.b, UFN_abs, y);
    ir_graph_add_output(s.g, y, "out");
    CHECK_INT(x->num_uses, 2);
    CHECK_INT(y->num_uses, 1);
    ir_value_replace(x, z);
    CHECK_INT(x->num_uses, 0);
    CHECK_INT(z->num_uses, 2);
    struct ir_value *v = irb_unary(&s.b, UFN_neg, z);
    ir_op_move_before(v->def, y->def);
    ir_value_replace(y, v);
    CHECK(!y->is_output && v->is_output && s.g->outputs[0] == v);
    CHECK_STR(s.g->output_names[0], "out");
    CHECK(w->def->in[0] == v);
    ir_op_erase(y->def);
    CHECK_INT(z->num_uses, 1);
    CHECK(s.g->first == v->def && s.g->last == w->def && v->def->next == w->def);
    CHECK(ir_verify(s.m, s.d));
    arena_destroy(s.a);
}

static void operands_grow(void)
{
    struct setup s;
    begin(&s);
    struct ir_value *x = input(&s, "x"), *w = input(&s, "w"), *b = NULL;
    struct ir_op *op =
        ir_op_create(s.g, NULL, IR_OP_MATMUL, LOC_NONE, (struct ir_value *[]){x, w}, 2, 1, "y");
    ir_op_add_operands(op, 4);
    CHECK_INT(op->num_in, 4);
    CHECK(op->in[0] == x && op->in[1] == w && !op->in[2] && !op->in[3]);
    CHECK_INT(x->num_uses, 1);
    CHECK(x->uses == &op->in_uses[0] && !ir_operand(op, 2) && !ir_operand(op, 7));
    ir_op_set_operand(op, 2, b);
    ir_op_set_operand(op, 3, x);
    CHECK_INT(x->num_uses, 2);
    arena_destroy(s.a);
}

static void attributes(void)
{
    struct setup s;
    begin(&s);
    struct ir_value *x = input(&s, "x");
    struct ir_op *op =
        ir_op_create(s.g, NULL, IR_OP_CONV, LOC_NONE, (struct ir_value *[]){x, x}, 2, 1, NULL);
    ir_set_int(op, IR_A_group, 2);
    ir_set_ints(op, IR_A_strides, (int64_t[]){1, 2}, 2);
    ir_set_float(op, IR_A_min, 0.1);
    ir_set_int(op, IR_A_group, 3);
    CHECK_INT(op->num_attrs, 3);
    for (int i = 1; i < op->num_attrs; i++)
        CHECK(op->attrs[i - 1].id < op->attrs[i].id);
    CHECK_INT(ir_int(op, IR_A_group, 0), 3);
    CHECK(ir_float(op, IR_A_min, 0) == (double)0.1f);
    int n;
    CHECK(ir_ints(op, IR_A_strides, &n)[1] == 2 && n == 2);
    CHECK(!ir_ints(op, IR_A_pads, &n) && n == 0);
    ir_attr_remove(op, IR_A_min);
    CHECK(!ir_has_attr(op, IR_A_min) && op->num_attrs == 2);
    arena_destroy(s.a);
}

static void a_failed_op_leaves_nothing(void)
{
    struct setup s;
    begin(&s);
    struct ir_value *x = input(&s, "x");
    CHECK(!irb_reshape(&s.b, x, (int64_t[]){7}, 1));
    CHECK_INT(s.reports, 1);
    CHECK(!irb_unary(&s.b, UFN_abs, irb_unary(&s.b, UFN_abs, NULL)));
    CHECK_INT(s.reports, 1);
    CHECK(!s.g->first && x->num_uses == 0);
    CHECK(!irb_const_like(&s.b, DT_I8, 300) && s.last == DIAG_IR_DATA);
    CHECK(irb_const_like(&s.b, DT_F16, 300));
    CHECK(ir_verify(s.m, s.d));
    arena_destroy(s.a);
}

static void check_found(struct setup *s, enum diag_id id)
{
    s->reports = 0;
    CHECK(!ir_verify(s->m, s->d));
    CHECK(s->reports > 0);
    CHECK_STR(diag_info[s->last].id, diag_info[id].id);
    arena_destroy(s->a);
}

static void the_verifier_finds(void)
{
    struct setup s;
    struct ir_value *x, *y;
#define FRESH() (begin(&s), x = input(&s, "x"), y = irb_unary(&s.b, UFN_abs, x))
    FRESH();
    y->type.dim[0] = 9;
    check_found(&s, DIAG_IR_TYPE);
    FRESH();
    y->def->attrs[0].i = 99;
    check_found(&s, DIAG_IR_ATTR);
    FRESH();
    ir_set_int(y->def, IR_A_axis, 1);
    check_found(&s, DIAG_IR_ATTR);
    FRESH();
    ir_attr_remove(y->def, IR_A_fn_unary);
    check_found(&s, DIAG_IR_ATTR);
    FRESH();
    x->num_uses++;
    check_found(&s, DIAG_IR_NAME);
    FRESH();
    irb_unary(&s.b, UFN_neg, y);
    ir_op_move_before(s.g->last, s.g->first);
    check_found(&s, DIAG_IR_NAME);
    FRESH();
    y->name = "x";
    check_found(&s, DIAG_IR_NAME);
    FRESH();
    s.g->last = NULL;
    check_found(&s, DIAG_IR_OP);
    FRESH();
    s.m->level |= IR_L_ALLOCATED;
    check_found(&s, DIAG_IR_LEVEL);
    FRESH();
    y->type.known = false;
    check_found(&s, DIAG_IR_LEVEL);
    FRESH();
    ir_graph_add_output(s.g, y, "y");
    y->is_output = false;
    check_found(&s, DIAG_IR_NAME);
}

int main(void)
{
    RUN(names_are_unique);
    RUN(an_erased_name_serves_again);
    RUN(uses_follow_edits);
    RUN(operands_grow);
    RUN(attributes);
    RUN(a_failed_op_leaves_nothing);
    RUN(the_verifier_finds);
    return check_summary();
}
