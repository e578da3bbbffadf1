// Type inference by table: a statement, and the type it gives or what is said about it.
#include <string.h>

#include "check.h"
#include "ir.h"

static const char HEAD[] =
    "graph @main(%x: f32[1,4,8,8], %y: f32[4,8,8], %v: f32[6], %m: f32[5,6], %b3: f32[3,6,7],"
    " %b2: f32[2,1,6,7], %c: bool[8], %i: i64[2,3], %q: i8[1,4,8,8], %h: f16[1,4,8,8],"
    " %e: f32[1,0,8], %d: f64[5,6], %s: str[2], %bias8: f32[8], %x1: f32[1,2,10], %x3: "
    "f32[1,2,4,5,6],"
    " %i32: i32[2,4], %half8: f16[8]) {\n"
    "  %w = const : f32[8,2,3,3] = splat(1)\n"
    "  %wq = const : i8[8,4,1,1] = splat(1)\n"
    "  %wh = const : f16[8,4,1,1] = splat(1)\n"
    "  %wt = const : f32[4,3,2,2] = splat(1)\n"
    "  %w1 = const : f32[3,2,4] = splat(1)\n"
    "  %w3 = const : f32[3,2,1,2,3] = splat(1)\n"
    "  %p = const : lanes[20] = splat(1)\n"
    "  %r = ";
#define CONV "strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0]"

// clang-format off
static const struct {
    const char *statement, *type; // type NULL: fails, and message holds `why`
    enum diag_id id;
    const char *why;
} cases[] = {
    {"conv(%x, %w) {" CONV ", group = 2}", "f32[1,8,6,6]", 0, ""},
    {"conv(%x, %w, %bias8) {strides = [2, 3], dilations = [1, 2], pads = [1, 2, 0, -1], group = 2}", "f32[1,8,4,2]", 0, ""},
    {"conv(%x1, %w1) {strides = [1], dilations = [1], pads = [0, 0], group = 1}", "f32[1,3,7]", 0, ""},
    {"conv(%x3, %w3) {strides = [1, 1, 1], dilations = [1, 1, 1], pads = [0, 0, 0, 0, 0, 0], group = 1}", "f32[1,3,4,4,4]", 0, ""},
    {"conv(%x, %w) {" CONV ", group = 1}", NULL, DIAG_IR_TYPE, "x has 4 channels, w f32[8,2,3,3] with group 1 needs 2"},
    {"conv(%x, %w) {" CONV ", group = 0}", NULL, DIAG_IR_ATTR, "group is 0"},
    {"conv(%x, %w) {" CONV "}", NULL, DIAG_IR_ATTR, "group is missing"},
    {"conv(%x, %w) {strides = [1], dilations = [1, 1], pads = [0, 0, 0, 0], group = 2}", NULL, DIAG_IR_ATTR, "strides has 1 numbers, 2 are needed"},
    {"conv(%x, %w) {strides = [1, 0], dilations = [1, 1], pads = [0, 0, 0, 0], group = 2}", NULL, DIAG_IR_ATTR, "strides[1] is 0"},
    {"conv(%x, %w) {strides = [1, 1], dilations = [1, 4], pads = [0, 0, 0, 0], group = 2}", NULL, DIAG_IR_TYPE, "hold no window of 3 with dilation 4"},
    {"conv(%x, %w, %v) {" CONV ", group = 2}", NULL, DIAG_IR_TYPE, "the bias is f32[6], one number for each of 8 output channels"},
    {"conv(%v, %w) {" CONV ", group = 2}", NULL, DIAG_IR_TYPE, "x is f32[6]"},
    {"conv(%x, %w1) {" CONV ", group = 2}", NULL, DIAG_IR_TYPE, "their ranks differ"},
    {"conv(%h, %w) {" CONV ", group = 2}", NULL, DIAG_IR_TYPE, "f16[1,4,8,8] and f32[8,2,3,3]"},
    {"conv(%q, %wq) {" CONV ", group = 1}", "i32[1,8,8,8]", 0, ""},
    {"conv(%q, %wq) {" CONV ", group = 1, mode = fixed, wbits = 8, abits = 8}", "i32[1,8,8,8]", 0, ""},
    {"conv(%q, %wq, %bias8, %bias8) {" CONV ", group = 1, mode = fixed, wbits = 8, abits = 8}", "f32[1,8,8,8]", 0, ""},
    {"conv(%q, %wq, _, %bias8) {" CONV ", group = 1, mode = fixed, wbits = 8, abits = 8, q = 2, qbits = 9, min = 0}", "i16[1,8,8,8]", 0, ""},
    {"conv(%q, %wq, _, %bias8) {" CONV ", group = 1, mode = fixed, wbits = 8, abits = 8, to = f64}", "f64[1,8,8,8]", 0, ""},
    {"conv(%q, %p, _, %bias8) {" CONV ", group = 1, mode = fixed, wbits = 8, abits = 8, wshape = [8, 4, 1, 1]}", "f32[1,8,8,8]", 0, ""},
    {"conv(%q, %p, _, %bias8) {" CONV ", group = 1, mode = fixed, wbits = 8, abits = 8}", NULL, DIAG_IR_ATTR, "wshape is missing"},
    {"conv(%q, %p) {" CONV ", group = 1, wshape = [8, 4, 1, 1]}", NULL, DIAG_IR_ATTR, "packed weights need a mode"},
    {"conv(%q, %wq, %bias8) {" CONV ", group = 1, mode = fixed, wbits = 8, abits = 8}", NULL, DIAG_IR_ATTR, "needs a scale"},
    {"conv(%q, %wq) {" CONV ", group = 1, mode = fixed, wbits = 25, abits = 8}", NULL, DIAG_IR_ATTR, "wbits is 25"},
    {"conv(%q, %wq) {" CONV ", group = 1, mode = fixed, wbits = 8}", NULL, DIAG_IR_ATTR, "abits is 0"},
    {"conv(%q, %wq) {" CONV ", group = 1, mode = fixed, wbits = 8, abits = 8, min = 0}", NULL, DIAG_IR_ATTR, "neither clamped nor quantised"},
    {"conv(%q, %wq) {" CONV ", group = 1, mode = fp32}", NULL, DIAG_IR_TYPE, "mode fp32 needs f32 operands"},
    {"conv(%x, %w) {" CONV ", group = 2, mode = fixed, wbits = 8, abits = 8}", NULL, DIAG_IR_TYPE, "mode fixed needs integers"},
    {"conv(%h, %wh, %half8) {" CONV ", group = 1, mode = fp16}", "f16[1,8,8,8]", 0, ""},
    {"conv(%h, %wh, %bias8) {" CONV ", group = 1, mode = fp16, to = f32}", "f32[1,8,8,8]", 0, ""},
    {"conv(%x, %w) {" CONV ", group = 2, q = 1}", NULL, DIAG_IR_ATTR, "q and qbits go together"},
    {"conv(%x, %w) {" CONV ", group = 2, min = 2, max = 1}", NULL, DIAG_IR_ATTR, "min 2 is above max 1"},
    {"conv_transpose(%x, %wt) {strides = [3, 2], dilations = [1, 2], pads = [0, 1, 1, 0], group = 1, outpad = [2, 0]}", "f32[1,3,24,16]", 0, ""},
    {"conv_transpose(%x, %wt) {" CONV ", group = 2, outpad = [0, 0]}", "f32[1,6,9,9]", 0, ""},
    {"conv_transpose(%x, %w) {" CONV ", group = 1, outpad = [0, 0]}", NULL, DIAG_IR_TYPE, "needs 8"},
    {"conv_transpose(%x, %wt) {strides = [1, 1], dilations = [1, 1], pads = [5, 0, 5, 0], group = 1, outpad = [0, 0]}", NULL, DIAG_IR_TYPE, "would have -1 elements"},
    {"matmul(%m, %b3)", "f32[3,5,7]", 0, ""},
    {"matmul(%m, %b2)", "f32[2,1,5,7]", 0, ""},
    {"matmul(%m, %m)", NULL, DIAG_IR_TYPE, "f32[5,6] has 6 columns, f32[5,6] has 5 rows"},
    {"matmul(%m, %v)", NULL, DIAG_IR_TYPE, "matrices are needed"},
    {"matmul(%m, %b3, %v)", NULL, DIAG_IR_TYPE, "each of 7 output channels"},
    {"matmul(%m, %b3) {stationary = 2}", NULL, DIAG_IR_ATTR, "stationary is 2"},
    {"unary(%x) {fn = isnan}", "bool[1,4,8,8]", 0, ""},
    {"unary(%i) {fn = neg}", "i64[2,3]", 0, ""},
    {"unary(%i) {fn = exp}", NULL, DIAG_IR_TYPE, "exp takes a float, operand 0 is i64[2,3]"},
    {"unary(%c) {fn = not}", "bool[8]", 0, ""},
    {"binary(%x, %y) {fn = add}", "f32[1,4,8,8]", 0, ""},
    {"binary(%x, %y) {fn = le}", "bool[1,4,8,8]", 0, ""},
    {"binary(%x, %v) {fn = add}", NULL, DIAG_IR_TYPE, "f32[1,4,8,8] and f32[6] do not broadcast"},
    {"binary(%x, %h) {fn = add}", NULL, DIAG_IR_TYPE, "operand types differ"},
    {"binary(%x, %x) {fn = shl}", NULL, DIAG_IR_TYPE, "shl takes an integer"},
    {"binary(%c, %c) {fn = eq}", "bool[8]", 0, ""},
    {"select(%c, %x, %y)", "f32[1,4,8,8]", 0, ""},
    {"select(%x, %x, %y)", NULL, DIAG_IR_TYPE, "a bool is needed"},
    {"select(%c, %v, %v)", NULL, DIAG_IR_TYPE, "do not broadcast"},
    {"convert(%d) {to = bf16}", "bf16[5,6]", 0, ""},
    {"convert(%s) {to = f32}", NULL, DIAG_IR_TYPE, "str[2] cannot become f32"},
    {"convert(%d) {to = i8, round = 4}", NULL, DIAG_IR_ATTR, "round is 4"},
    {"quantize(%x) {q = 3, bits = 1}", "i8[1,4,8,8]", 0, ""},
    {"quantize(%x) {q = 3, bits = 17}", "i32[1,4,8,8]", 0, ""},
    {"quantize(%x) {q = 0, bits = 8}", NULL, DIAG_IR_ATTR, "q is 0"},
    {"quantize(%q) {q = 1, bits = 8}", NULL, DIAG_IR_TYPE, "a float is needed"},
    {"reduce(%x) {fn = sum, axes = [1, 3], keep = 0}", "f32[1,8]", 0, ""},
    {"reduce(%x) {fn = argmax, axes = [3], keep = 1}", "i64[1,4,8,1]", 0, ""},
    {"reduce(%x) {fn = sum, axes = [], keep = 0}", "f32[1,4,8,8]", 0, ""},
    {"reduce(%x) {fn = sum, axes = [3, 1], keep = 0}", NULL, DIAG_IR_ATTR, "axes[1] is 1"},
    {"reduce(%x) {fn = sum, axes = [1, 1], keep = 0}", NULL, DIAG_IR_ATTR, "axes[1] is 1"},
    {"reduce(%x) {fn = sum, axes = [4], keep = 0}", NULL, DIAG_IR_ATTR, "axes[0] is 4"},
    {"reduce(%x) {fn = and, axes = [1], keep = 0}", NULL, DIAG_IR_TYPE, "and takes a bool"},
    {"reduce(%e) {fn = argmin, axes = [1], keep = 0}", NULL, DIAG_IR_TYPE, "which is empty"},
    {"pool(%x) {fn = max, kernel = [3, 2], " CONV "}", "f32[1,4,6,7]", 0, ""},
    {"pool(%x) {fn = argmax, kernel = [3, 2], " CONV "}", "i64[1,4,6,7]", 0, ""},
    {"pool(%x) {fn = max, kernel = [9, 2], " CONV "}", NULL, DIAG_IR_TYPE, "hold no window of 9"},
    {"reshape(%x) {shape = [4, 64]}", "f32[4,64]", 0, ""},
    {"reshape(%x) {shape = [4, 63]}", NULL, DIAG_IR_TYPE, "f32[1,4,8,8] has 256 elements, the shape f32[4,63] has 252"},
    {"reshape(%x) {shape = [-1]}", NULL, DIAG_IR_ATTR, "shape[0] is -1"},
    {"reshape(%x) {shape = [4, 64, 1, 1, 1, 1, 1, 1, 1]}", NULL, DIAG_IR_ATTR, "9 extents"},
    {"transpose(%x) {perm = [3, 0, 2, 1]}", "f32[8,1,8,4]", 0, ""},
    {"transpose(%x) {perm = [3, 0, 2, 3]}", NULL, DIAG_IR_ATTR, "dimension 3 twice"},
    {"slice(%m) {starts = [4, 0], steps = [-2, 5], sizes = [3, 2]}", "f32[3,2]", 0, ""},
    {"slice(%m) {starts = [4, 0], steps = [-2, 5], sizes = [4, 2]}", NULL, DIAG_IR_TYPE, "dimension 0: 4 elements from 4 by -2 leave 0..4"},
    {"slice(%m) {starts = [9, 0], steps = [1, 1], sizes = [0, 6]}", "f32[0,6]", 0, ""},
    {"slice(%m) {starts = [0, 0], steps = [0, 1], sizes = [1, 6]}", NULL, DIAG_IR_ATTR, "steps[0] is 0"},
    {"slice(%m) {starts = [0, 0], steps = [1099511627776, 1], sizes = [1099511627776, 0]}", NULL, DIAG_IR_TYPE, "leave 0..4"},
    {"concat(%i, %i, %i) {axis = 1}", "i64[2,9]", 0, ""},
    {"concat(%m, %d) {axis = 1}", NULL, DIAG_IR_TYPE, "f32[5,6] and f64[5,6]"},
    {"concat(%m, %v) {axis = 1}", NULL, DIAG_IR_TYPE, "differ outside axis 1"},
    {"concat(%m) {axis = 2}", NULL, DIAG_IR_ATTR, "axis is 2, not in 0..1"},
    {"pad(%m) {before = [1, 0], after = [0, 2], value = 0}", "f32[6,8]", 0, ""},
    {"pad(%m) {before = [-1, 0], after = [0, 2], value = 0}", NULL, DIAG_IR_ATTR, "before[0] is -1"},
    {"pad(%m) {before = [1099511627776, 0], after = [0, 0], value = 0}", NULL, DIAG_IR_TYPE, "more than 2^40"},
    {"broadcast(%v) {shape = [2, 1, 6]}", "f32[2,1,6]", 0, ""},
    {"broadcast(%m) {shape = [5, 7]}", NULL, DIAG_IR_TYPE, "does not broadcast to f32[5,7]"},
    {"gather(%x, %i) {axis = 1}", "f32[1,2,3,8,8]", 0, ""},
    {"gather(%v, %i32) {axis = 0}", "f32[2,4]", 0, ""},
    {"gather(%v, %m) {axis = 0}", NULL, DIAG_IR_TYPE, "i32 or i64 are needed"},
    {"gather(%e, %i) {axis = 1}", NULL, DIAG_IR_TYPE, "nothing to gather"},
    {"host(%x) {kernel_name = \"k\"}", NULL, DIAG_IR_TYPE, "needs a type"},
    {"host(%x, _) {kernel_name = \"k\"} : str[2]", "str[2]", 0, ""},
};
// clang-format on

struct report {
    struct arena *a;
    int errors;
    enum diag_id id;
    const char *message;
};

static void keep(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    struct report *r = user;
    if (sev != DIAG_SEV_ERROR)
        return;
    r->errors++;
    r->id = id;
    r->message = arena_strdup(r->a, message);
}

static void check_case(size_t i)
{
    struct report r = {.a = arena_create(), .message = ""};
    struct loc_table *locs = loc_table_create(r.a);
    struct diag *d = diag_create(r.a, locs);
    diag_set_sink(d, keep, &r);
    const char *text = arena_printf(r.a, "%s%s\n  return %%r\n}\n", HEAD, cases[i].statement);
    struct ir_module *m = ir_parse_text(text, strlen(text), "t.bir", r.a, locs, d);
    bool ok;
    if (cases[i].type) {
        ok = CHECK(m != NULL) &&
             CHECK_STR(ir_type_text(&m->main->last->out[0]->type, r.a), cases[i].type);
    } else {
        ok = CHECK(!m) && CHECK_INT(r.errors, 1);
        ok = CHECK_STR(diag_info[r.id].id, diag_info[cases[i].id].id) && ok;
        ok = CHECK(strstr(r.message, cases[i].why) != NULL) && ok;
    }
    if (!ok)
        fprintf(stderr, "  %s\n  %s\n", cases[i].statement, r.message);
    arena_destroy(r.a);
}

static void statements(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(i);
}

int main(void)
{
    RUN(statements);
    return check_summary();
}
