// IR text: names and numbers survive, blob files, size, random modules.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "io.h"
#include "ir.h"

struct setup {
    struct arena *a;
    struct loc_table *locs;
    struct diag *d;
    struct ir_module *m;
    struct ir_builder b;
    int reports;
};

static void count(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    struct setup *s = user;
    (void)id, (void)message;
    s->reports += sev == DIAG_SEV_ERROR;
}

static void begin(struct setup *s)
{
    *s = (struct setup){.a = arena_create()};
    s->locs = loc_table_create(s->a);
    s->d = diag_create(s->a, s->locs);
    diag_set_sink(s->d, count, s);
    s->m = ir_module_create(s->a);
    s->m->locs = s->locs;
    s->m->level = IR_L_IMPORTED | IR_L_SHAPED;
    s->m->main = ir_graph_create(s->m, "main");
    s->b = (struct ir_builder){.graph = s->m->main, .diag = s->d};
}

static bool roundtrips(struct setup *s)
{
    const char *why;
    bool ok = ir_roundtrips(s->m, s->a, &why);
    if (!ok)
        fprintf(stderr, "%s\n", why);
    return ok;
}

static struct ir_value *input(struct setup *s, const char *name)
{
    struct ir_type t = ir_type_make(DT_F32, (int64_t[]){4}, 1);
    return ir_graph_add_input(s->m->main, name, &t);
}

static void odd_names(void)
{
    static const char *const names[] = {"plain",
                                        "/layer.0/Conv_output_0",
                                        "a:0",
                                        "trailing:",
                                        ":leading",
                                        "1digit",
                                        "-",
                                        "_",
                                        "two words",
                                        "q\"uote",
                                        "back\\slash",
                                        "tab\tline\n",
                                        "\x01\x1f\x7f",
                                        "\xc3\xa9",
                                        "%",
                                        "@",
                                        "//",
                                        "return",
                                        "module",
                                        "inf",
                                        "nan",
                                        "0x1",
                                        ",",
                                        "a,b",
                                        "#",
                                        "{",
                                        "\\x41"};
    struct setup s;
    begin(&s);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ir_value *v = input(&s, names[i]);
        ir_graph_add_output(s.m->main, irb_unary(&s.b, UFN_abs, v), names[i]);
        ir_value_rename(s.m->main->last->out[0], s.m->main, names[i]);
    }
    CHECK(roundtrips(&s));
    arena_destroy(s.a);
}

// A double of random bits: every exponent, subnormals, infinities.
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static struct ir_module *reread(struct setup *s, const char *path)
{
    struct ir_module *back = NULL;
    if (CHECK(ir_print_file(s->m, path, s->d)))
        back = ir_parse_file(path, s->a, s->locs, s->d);
    CHECK(back != NULL);
    return back;
}

static bool same_bits(const struct tensor *a, const struct tensor *b)
{
    return a->dtype == b->dtype && tensor_bytes(a) == tensor_bytes(b) &&
           (tensor_bytes(a) == 0 || memcmp(a->data, b->data, tensor_bytes(a)) == 0);
}

static void constants_keep_their_bits(void)
{
    static const enum dtype types[] = {
        DT_F32, DT_F64, DT_F16, DT_BF16, DT_F8E4M3FN, DT_F8E5M2, DT_F8E8M0, DT_F4E2M1, DT_I2,
        DT_I4,  DT_I8,  DT_I64, DT_U2,   DT_U64,      DT_BOOL,   DT_C64,    DT_LANES};
    struct setup s;
    begin(&s);
    uint64_t seed = 3;
    for (int round = 0; round < 30; round++)
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            int64_t n = (int64_t)(next(&seed) % 40);
            irb_const(&s.b, tensor_random(s.a, types[i], &n, 1, next(&seed)), NULL);
        }
    for (int round = 0; round < 200; round++) { // floats of random bits; NaNs keep being NaNs only
        struct tensor *t = tensor_create(s.a, round % 2 ? DT_F32 : DT_F64, (int64_t[]){8}, 1);
        for (int k = 0; k < 8; k++) {
            uint64_t bits = next(&seed);
            float f = 0;
            double v = 0;
            memcpy(&f, &bits, sizeof f);
            memcpy(&v, &bits, sizeof v);
            if (round % 2)
                ((float *)t->data)[k] = isnan(f) ? 1 : f;
            else
                ((double *)t->data)[k] = isnan(v) ? 1 : v;
        }
        irb_const(&s.b, t, NULL);
    }
    CHECK(roundtrips(&s));
    struct ir_module *back = reread(&s, "bits.bir");
    const struct ir_op *x = s.m->main->first, *y = back ? back->main->first : NULL;
    for (; x && y; x = x->next, y = y->next)
        if (!CHECK(same_bits(x->data, y->data)))
            fprintf(stderr, "%s of %s\n", x->out[0]->name, dtype_text(x->data->dtype));
    CHECK(!x && !y);
    arena_destroy(s.a);
}

static void floats_in_attributes(void)
{
    struct setup s;
    begin(&s);
    struct ir_value *x = input(&s, "x");
    uint64_t seed = 9;
    for (int i = 0; i < 500; i++) {
        uint64_t bits = next(&seed);
        double v;
        memcpy(&v, &bits, sizeof v);
        irb_pad(&s.b, x, (int64_t[]){0}, (int64_t[]){1}, v);
        struct ir_value *q = irb_convert(&s.b, x, DT_F16, true);
        struct ir_op *op = ir_op_create(s.m->main, NULL, IR_OP_QUANTIZE, LOC_NONE, &q, 1, 1, NULL);
        ir_set_float(op, IR_A_q,
                     fabs(v) > 0 && fabs(v) < 1e30 ? fabs((double)(float)v) + 1e-30 : 1);
        ir_set_int(op, IR_A_bits, 8);
        CHECK(ir_infer(op, s.d));
    }
    CHECK(roundtrips(&s));
    arena_destroy(s.a);
}

static void locations_survive(void)
{
    struct setup s;
    begin(&s);
    s.m->source = "net.onnx";
    struct ir_value *x = input(&s, "x");
    loc_id a = loc_node(s.locs, "net.onnx", 1, "conv \"1\"", "Conv", 11),
           b = loc_node(s.locs, "net.onnx", 2, "", "Relu", 0);
    loc_id c = loc_node(s.locs, "else.onnx", -1, "n", "ai.x::Op", 1),
           t = loc_text(s.locs, "f.bir", 1, 2);
    loc_id many = a;
    for (int i = 0; i < 40; i++)
        many = loc_fused(s.locs, many, loc_node(s.locs, "net.onnx", i, "n", "Op", 1));
    for (int i = 0; i < 40; i++) // shared parts: the tree has 2^40 leaves
        b = loc_fused(s.locs, b, loc_fused(s.locs, a, b));
    const loc_id locs[] = {a,
                           b,
                           loc_fused(s.locs, a, b),
                           loc_fused(s.locs, loc_fused(s.locs, b, c), a),
                           t,
                           loc_fused(s.locs, t, a),
                           many,
                           LOC_NONE};
    for (size_t i = 0; i < sizeof locs / sizeof *locs; i++) {
        s.b.loc = locs[i];
        irb_unary(&s.b, UFN_abs, x);
    }
    CHECK(roundtrips(&s));
    struct ir_module *back = reread(&s, "locs.bir");
    CHECK(back && back->main->first->loc == a);
    arena_destroy(s.a);
}

static void blobs_are_shared(void)
{
    struct setup s;
    begin(&s);
    const struct tensor *t = tensor_random(s.a, DT_F32, (int64_t[]){100}, 1, 1);
    const struct tensor *u = tensor_random(s.a, DT_I8, (int64_t[]){65}, 1, 2);
    irb_const(&s.b, t, "t");
    irb_const(&s.b, u, "u");
    irb_const(&s.b, t, "again");
    struct ir_blobs *blobs = ir_blobs_create("shared.bin", s.a, s.d);
    FILE *one = fopen("one.bir", "w"), *two = fopen("two.bir", "w");
    ir_print(s.m, one, blobs);
    ir_print(s.m, two, blobs);
    fclose(one);
    fclose(two);
    CHECK(ir_blobs_commit(blobs, s.d));
    struct io_map m1, m2, bin;
    CHECK(io_map_file(&m1, "one.bir", 0, s.d) && io_map_file(&m2, "two.bir", 0, s.d) &&
          io_map_file(&bin, "shared.bin", 0, s.d));
    CHECK(m1.size == m2.size && memcmp(m1.data, m2.data, m1.size) == 0);
    CHECK_INT(bin.size, 448 + 65);
    io_unmap(&m1);
    io_unmap(&m2);
    io_unmap(&bin);
    struct ir_module *back = ir_parse_file("two.bir", s.a, s.locs, s.d);
    CHECK(back && same_bits(back->main->last->data, t));
    // A module that was read keeps naming the file it came from.
    FILE *f = fopen("three.bir", "w");
    ir_print(back, f, NULL);
    fclose(f);
    CHECK(io_map_file(&m1, "two.bir", 0, s.d) && io_map_file(&m2, "three.bir", 0, s.d));
    CHECK(m1.size == m2.size && memcmp(m1.data, m2.data, m1.size) == 0);
    io_unmap(&m1);
    io_unmap(&m2);
    arena_destroy(s.a);
}

static void damaged_blobs_are_refused(void)
{
    struct setup s;
    begin(&s);
    irb_const(&s.b, tensor_random(s.a, DT_F32, (int64_t[]){100}, 1, 1), "t");
    CHECK(ir_print_file(s.m, "damaged.bir", s.d));
    FILE *f = fopen("damaged.bir.bin", "r+b");
    fseek(f, 17, SEEK_SET);
    fputc(0x55, f);
    fclose(f);
    CHECK(!ir_parse_file("damaged.bir", s.a, s.locs, s.d));
    CHECK_INT(s.reports, 1);
    CHECK_INT(remove("damaged.bir.bin"), 0);
    CHECK(!ir_parse_file("damaged.bir", s.a, s.locs, s.d));
    CHECK_INT(s.reports, 2);
    arena_destroy(s.a);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// A quadratic reader, printer or verifier would take minutes.
static void twenty_thousand_ops(void)
{
    struct setup s;
    begin(&s);
    struct ir_value *x = input(&s, "x"), *y = x;
    for (int i = 0; i < 20000; i++) {
        s.b.loc = loc_node(s.locs, "net.onnx", i, "node", "Add", 13);
        y = irb_binary(&s.b, i % 2 ? BFN_add : BFN_mul, y, x);
    }
    ir_graph_add_output(s.m->main, y, "y");
    double start = seconds();
    CHECK(roundtrips(&s));
    CHECK(ir_verify(s.m, s.d));
    CHECK(seconds() - start < 30);
    arena_destroy(s.a);
}

static void hostile_texts(void)
{
    struct setup s;
    begin(&s);
    enum { LONG = 200000 };
    char *text = arena_alloc(s.a, LONG + 1);
    static const char *const fill[] = {"\"",  "%a",  "((((", "[", "-", "0x", "1e", "\\", "\"\\",
                                       "%\"", "// ", "\n\n", "0", "a", "{",  ",",  "@0x"};
    for (size_t i = 0; i < sizeof fill / sizeof *fill; i++) {
        size_t len = strlen(fill[i]);
        for (size_t k = 0; k < LONG; k++)
            text[k] = fill[i][k % len];
        CHECK(!ir_parse_text(text, LONG, "hostile.bir", s.a, s.locs, s.d));
    }
    static const char nul[] = "graph @main() {\n  return\n}\n\0graph";
    CHECK(!ir_parse_text(nul, sizeof nul, "nul.bir", s.a, s.locs, s.d));
    CHECK(!ir_parse_text("", 0, "empty.bir", s.a, s.locs, s.d));
    CHECK(ir_parse_text(nul, strlen(nul), "good.bir", s.a, s.locs, s.d) != NULL);
    arena_destroy(s.a);
}

// ---- Random modules ----------------------------------------------------------------------------

static struct ir_value *random_op(struct setup *s, uint64_t *seed, struct ir_value *x)
{
    int64_t zero[IR_MAX_RANK] = {0}, ones[IR_MAX_RANK], perm[IR_MAX_RANK];
    for (int i = 0; i < IR_MAX_RANK; i++) {
        ones[i] = 1;
        perm[i] = x->type.rank - 1 - i;
    }
    switch (next(seed) % 9) {
    case 0: return irb_unary(&s->b, (enum unary_fn)(next(seed) % UFN_NUM), x);
    case 1: return irb_binary(&s->b, (enum binary_fn)(next(seed) % BFN_NUM), x, x);
    case 2:
        return irb_reduce(&s->b, (enum reduce_fn)(next(seed) % RFN_NUM), x, zero, x->type.rank > 0,
                          next(seed) % 2);
    case 3: return irb_transpose(&s->b, x, perm);
    case 4: return irb_concat(&s->b, (struct ir_value *[]){x, x}, 2, 0);
    case 5: return irb_pad(&s->b, x, ones, zero, (double)(int64_t)next(seed) * 1e-3);
    case 6: return irb_reshape(&s->b, x, (int64_t[]){ir_type_elems(&x->type), 1}, 2);
    case 7: return irb_slice(&s->b, x, zero, x->type.dim, ones);
    default: return irb_convert(&s->b, x, (enum dtype)(next(seed) % DT_NUM), next(seed) % 2);
    }
}

static void random_modules(void)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct setup s;
        begin(&s);
        uint64_t state = seed;
        struct ir_value *values[64] = {input(&s, "x")};
        int n = 1;
        for (int i = 0; i < 60; i++) {
            struct ir_value *v = random_op(&s, &state, values[next(&state) % (uint64_t)n]);
            if (v && ir_type_elems(&v->type) < 100000)
                values[n++] = v;
        }
        ir_graph_add_output(s.m->main, values[n - 1], "out");
        if (!CHECK(ir_verify(s.m, s.d)) || !CHECK(roundtrips(&s)))
            fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        arena_destroy(s.a);
    }
}

int main(void)
{
    RUN(odd_names);
    RUN(constants_keep_their_bits);
    RUN(floats_in_attributes);
    RUN(locations_survive);
    RUN(blobs_are_shared);
    RUN(damaged_blobs_are_refused);
    RUN(twenty_thousand_ops);
    RUN(hostile_texts);
    RUN(random_modules);
    return check_summary();
}
