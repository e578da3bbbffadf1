// Order and addresses of random graphs: definitions before uses, nothing that is alive is
// overwritten, inputs and outputs have memory of their own.
#include <stdlib.h>
#include <time.h>

#include "graph_random.h"
#include "image.h"

enum { VALUES_MAX = 400 };

// A value and from when to when its bytes must stay.
struct live {
    const struct ir_value *v;
    uint64_t lo, hi;
    int first, last;
    int root; // of the memory class
};

static struct ir_value *random_op(struct fixture *f, struct rng *r, struct ir_value **v, int n)
{
    struct ir_value *x = v[rng_range(r, 0, n - 1)], *y = v[rng_range(r, 0, n - 1)];
    int64_t elems = ir_type_elems(&x->type);
    switch (rng_range(r, 0, 5)) {
    case 0: return irb_unary(&f->b, UFN_abs, x);
    case 1: return irb_reshape(&f->b, x, (int64_t[]){1, elems}, 2);
    case 2: return irb_reshape(&f->b, x, &elems, 1);
    case 3:
        return ir_type_equal(&x->type, &y->type) ? irb_binary(&f->b, BFN_add, x, y)
                                                 : irb_unary(&f->b, UFN_exp, x);
    case 4: {
        int64_t start = 0, size = 1 + elems / 2, step = 1;
        struct ir_value *flat = irb_reshape(&f->b, x, &elems, 1);
        return irb_slice(&f->b, flat, &start, &size, &step);
    }
    default: {
        int64_t en = ir_type_elems(&y->type);
        struct ir_value *parts[] = {irb_reshape(&f->b, x, &elems, 1),
                                    irb_reshape(&f->b, y, &en, 1)};
        return elems + en < 4000 ? irb_concat(&f->b, parts, 2, 0) : parts[0];
    }
    }
}

static void random_graph(struct fixture *f, struct rng *r)
{
    struct ir_value *v[VALUES_MAX];
    int n = 0, inputs = (int)rng_range(r, 1, 3), ops = (int)rng_range(r, 1, 60);
    for (int i = 0; i < inputs; i++) {
        int64_t d = rng_range(r, 1, 1500);
        v[n++] = add_input(f, DT_F32, &d, 1);
    }
    int64_t d = rng_range(r, 1, 50);
    v[n++] = add_const(f, DT_F32, &d, 1, 1);
    for (int i = 0; i < ops; i++, n++)
        v[n] = random_op(f, r, v, n);
    int outputs = (int)rng_range(r, 1, 5);
    for (int i = 0; i < outputs; i++)
        ir_graph_add_output(
            f->b.graph, v[rng_range(r, 0, 3) == 0 ? rng_range(r, 0, n - 1) : n - 1 - i % n], "y");
}

static int find(const struct live *l, int n, const struct ir_value *v)
{
    for (int i = 0; i < n; i++)
        if (l[i].v == v)
            return i;
    return -1;
}

// Lifetimes by the definition: of a value's class from its first definition to the last use of any
// of its members.
static int collect(const struct ir_graph *g, struct live *l)
{
    int n = 0, step = 0;
    for (int i = 0; i < g->num_inputs; i++, n++)
        l[n] = (struct live){g->inputs[i], 0, 0, -1, INT32_MAX, n};
    for (const struct ir_op *op = g->first; op != NULL; op = op->next, step++) {
        for (int i = 0; i < op->num_in; i++) {
            struct live *x = &l[l[find(l, n, op->in[i])].root];
            x->last = x->last > step ? x->last : step;
        }
        int root = op->op == IR_OP_RESHAPE ? l[find(l, n, op->in[0])].root : n;
        l[n] = (struct live){op->out[0], 0, 0, step, step, root};
        n++;
    }
    for (int i = 0; i < g->num_outputs; i++) {
        struct live *x = &l[l[find(l, n, g->outputs[i])].root];
        x->first = -1;
        x->last = INT32_MAX;
    }
    for (int i = 0; i < n; i++) {
        l[i].lo = l[i].v->addr;
        l[i].hi = l[i].lo + ir_type_bytes(&l[i].v->type);
    }
    return n;
}

// The concat in whose memory a value lies as its operand, -1: none.
static int whole_of(const struct ir_graph *g, const struct live *l, int n, int i)
{
    for (const struct ir_op *op = g->first; op != NULL; op = op->next) {
        if (op->op != IR_OP_CONCAT)
            continue;
        int whole = find(l, n, op->out[0]);
        uint64_t at = l[whole].lo;
        for (int k = 0; k < op->num_in; k++) {
            if (l[find(l, n, op->in[k])].root == l[i].root && l[i].lo == at)
                return l[whole].root;
            at += ir_type_bytes(&op->in[k]->type);
        }
    }
    return -1;
}

static bool is_part(const int *whole, int part, int of)
{
    for (int i = whole[part]; i >= 0; i = whole[i])
        if (i == of)
            return true;
    return false;
}

static void check_addresses(const struct fixture *f)
{
    const struct ir_module *m = f->ctx.module;
    const struct ir_graph *g = m->main;
    struct live l[VALUES_MAX * 3];
    int n = collect(g, l), whole[VALUES_MAX * 3];
    for (int i = 0; i < n; i++)
        whole[i] = whole_of(g, l, n, i);
    for (int i = 0; i < n; i++) {
        bool constant = ir_const_data(l[l[i].root].v) != NULL;
        uint64_t base = constant ? IMAGE_RODATA_BASE : IMAGE_HEAP_BASE;
        CHECK(l[i].v->has_addr && (whole[i] >= 0 || l[i].lo % 64 == 0));
        CHECK(l[i].hi - l[i].lo < 4096 || constant || whole[i] >= 0 || l[i].lo % 4096 == 0);
        CHECK(l[i].lo >= base && l[i].hi <= base + (constant ? m->rodata_bytes : m->heap_bytes));
        CHECK_INT(l[i].lo, l[l[i].root].lo);
        for (int j = 0; j < i; j++) {
            if (l[i].root != i || l[j].root != j || is_part(whole, i, j) || is_part(whole, j, i))
                continue;
            bool in_time = l[i].first <= l[j].last && l[j].first <= l[i].last;
            CHECK(!in_time || l[i].hi <= l[j].lo || l[j].hi <= l[i].lo);
        }
    }
    for (int i = 0; i < g->num_outputs; i++) {
        int root = l[find(l, n, g->outputs[i])].root;
        CHECK(ir_const_data(l[root].v) == NULL);
        for (int j = 0; j < g->num_inputs; j++)
            CHECK(root != find(l, n, g->inputs[j]));
        for (int j = 0; j < i; j++)
            CHECK(root != l[find(l, n, g->outputs[j])].root);
    }
}

static void random_graphs(void)
{
    struct rng r = {21};
    for (int i = 0; i < 150; i++) {
        struct fixture f;
        fixture_start(&f);
        random_graph(&f, &r);
        f.ctx.module->level |= IR_L_QUANTISED | IR_L_TILED | IR_L_PACKED;
        CHECK(ir_verify(f.ctx.module, f.diag));
        CHECK(pass_schedule(&f.ctx));
        CHECK(ir_verify(f.ctx.module, f.diag));
        CHECK(pass_alloc(&f.ctx));
        f.ctx.module->level |= IR_L_SCHEDULED | IR_L_ALLOCATED;
        CHECK(ir_verify(f.ctx.module, f.diag));
        check_addresses(&f);
        fixture_end(&f);
    }
}

// Large values that are made early and used late move to their user.
static void schedule_lowers_the_peak(void)
{
    struct fixture f;
    fixture_start(&f);
    int64_t one = 1, many = 10000;
    struct ir_value *x = add_input(&f, DT_F32, &one, 1), *wide[4], *sum = NULL;
    for (int i = 0; i < 4; i++)
        wide[i] = irb_broadcast(&f.b, x, &many, 1);
    for (int i = 0; i < 4; i++) {
        struct ir_value *s = irb_reduce(&f.b, RFN_sum, wide[i], (int64_t[]){0}, 1, true);
        sum = sum != NULL ? irb_binary(&f.b, BFN_add, sum, s) : s;
    }
    ir_graph_add_output(f.b.graph, sum, "y");
    CHECK(pass_schedule(&f.ctx) && pass_alloc(&f.ctx));
    CHECK(f.ctx.module->heap_bytes < 2 * 40000);
    fixture_end(&f);
}

// A chain of many ops takes no time to speak of and two buffers.
static void a_long_chain(void)
{
    struct fixture f;
    fixture_start(&f);
    enum { OPS = 20000 };
    int64_t n = 1024;
    struct ir_value *x = add_input(&f, DT_F32, &n, 1), *y = x;
    for (int i = 0; i < OPS; i++)
        y = irb_unary(&f.b, UFN_abs, y);
    ir_graph_add_output(f.b.graph, y, "y");
    clock_t start = clock();
    CHECK(pass_schedule(&f.ctx) && pass_alloc(&f.ctx));
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 5);
    CHECK_INT(f.ctx.module->heap_bytes, 4 * 4096);
    fixture_end(&f);
}

static void too_much_for_the_dram(void)
{
    struct fixture f;
    fixture_start(&f);
    f.machine.dram_bytes = 1 << 20;
    int64_t n = 1 << 20;
    ir_graph_add_output(f.b.graph, irb_unary(&f.b, UFN_abs, add_input(&f, DT_F32, &n, 1)), "y");
    CHECK(!pass_alloc(&f.ctx));
    CHECK_INT(f.reported[DIAG_MACHINE_LACKS], 1);
    fixture_end(&f);
}

int main(void)
{
    RUN(random_graphs);
    RUN(schedule_lowers_the_peak);
    RUN(a_long_chain);
    RUN(too_much_for_the_dram);
    return check_summary();
}
