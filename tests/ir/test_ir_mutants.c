// IR text is untrusted: whatever bytes come, the reader ends with a module that verifies and
// prints, or with a report.
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ir.h"

static const char *const seeds[] = {
    "module {source = \"n.onnx\", machine = \"m\", level = [imported, shaped], heap = 0x10}\n"
    "graph @main(%x: f32[1,2,4,4] @0x30000000000, %\"a b\": i8[3]) {\n"
    "  %w = const : f32[2,2,3,3] = splat(0.5)\n"
    "  %s = const : f32[] = dense[-0.0]\n"
    "  %y = conv(%x, %w) {strides = [1, 1], dilations = [1, 1], pads = [1, 1, 1, 1], group = 1} : "
    "f32[1,2,4,4] loc(12 \"conv1\" Conv 11)\n"
    "  %z = binary(%y, %s) {fn = max} : f32[1,2,4,4] loc(1 \"a\" A 1, 2 \"b\" B 2)\n"
    "  return %z as \"out\"\n"
    "}\n",
    "graph @g(%x: f32[2,3], %i: i64[2]) {\n"
    "  %c = const : i64[3] = dense[1, -2, 0x7f]\n"
    "  %k = const : u8[40] = seed(7)\n"
    "  %t = transpose(%x) {perm = [1, 0]} : f32[3,2]\n"
    "  %g = gather(%t, %i) {axis = 0}\n"
    "  %p = pad(%x) {before = [1, 0], after = [0, 2], value = inf}\n"
    "  %l = slice(%x) {starts = [1, 0], steps = [-1, 2], sizes = [2, 2]}\n"
    "  %r = reduce(%x) {fn = argmax, axes = [1], keep = 1} : i64[2,1]\n"
    "  %q = quantize(%x) {q = 12.5, bits = 8} // comment\n"
    "  %h, %j = host(%x, _) {kernel_name = \"f\", ints = [1, 2], floats = [1e-3, 0x1p4]} : f32[2], "
    "str[1]\n"
    "  return %r, %g, %h\n"
    "}\n",
    "graph @m(%a: f32[4,5], %b: f32[5,6], %c: bool[6]) {\n"
    "  %m = matmul(%a, %b) {mode = fp32, min = 0.0, stationary = 0, tile = [4], kchunk = 5, "
    "resident = 1, order = 3} : f32[4,6]\n"
    "  %v = broadcast(%c) {shape = [4, 6]}\n"
    "  %s = select(%v, %m, %m)\n"
    "  %o = concat(%s, %m) {axis = 1}\n"
    "  %t = conv_transpose(%u, %u) {strides = [1], dilations = [1], pads = [0, 0], group = 1, "
    "outpad = [0]}\n"
    "  %u = reshape(%o) {shape = [4, 3, 4]} : f32[4,3,4]\n"
    "  return %o\n"
    "}\n",
};
enum { SEEDS = sizeof seeds / sizeof *seeds, MUTANTS = 10000, GROWTH_MAX = 4096 };

static uint64_t state;

static uint64_t next(uint64_t bound)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % bound;
}

static size_t insert(char *text, size_t len, const char *bytes, size_t n)
{
    if (len + n > GROWTH_MAX)
        return len;
    size_t at = next(len + 1);
    memmove(text + at + n, text + at, len - at);
    memcpy(text + at, bytes, n);
    return len + n;
}

static size_t mutate_once(char *text, size_t len)
{
    static const char *const words[] = {"%x",
                                        "-1",
                                        "9223372036854775808",
                                        "4294967296",
                                        "1e400",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        "(",
                                        ")",
                                        ",",
                                        "=",
                                        "\n",
                                        "\"",
                                        "\\x00",
                                        "@0xffffffffffffffff",
                                        "nan",
                                        "const",
                                        "f32[0]",
                                        "f32[1048576]",
                                        "?",
                                        "_",
                                        "return",
                                        "loc(",
                                        "lanes",
                                        "0x1p99999",
                                        "group = 3",
                                        "str",
                                        "//"};
    if (len == 0)
        return insert(text, len, "\n", 1);
    size_t at = next(len), n = 1 + next(12);
    char byte = (char)next(256);
    const char *word = words[next(sizeof words / sizeof *words)];
    switch (next(6)) {
    case 0: text[at] = (char)(text[at] ^ 1 << next(8)); return len;
    case 1: text[at] = (char)('0' + next(10)); return len;
    case 2:
        n = n < len - at ? n : len - at;
        memmove(text + at, text + at + n, len - at - n);
        return len - n;
    case 3: return insert(text, len, &byte, 1);
    case 4: return insert(text, len, word, strlen(word));
    default: {
        char copy[16];
        n = n < len - at ? n : len - at;
        memcpy(copy, text + at, n);
        return insert(text, len, copy, n);
    }
    }
}

static void count(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    (void)id, (void)message;
    *(int *)user += sev == DIAG_SEV_ERROR;
}

static void mutants(void)
{
    char text[GROWTH_MAX + 1];
    int good = 0;
    struct arena *a = arena_create();
    for (int i = 0; i < MUTANTS; i++) {
        state = (uint64_t)i;
        const char *seed = seeds[next(SEEDS)];
        size_t len = strlen(seed);
        memcpy(text, seed, len);
        for (uint64_t k = next(4); k > 0 || len == 0; k--)
            len = mutate_once(text, len);
        int errors = 0;
        struct loc_table *locs = loc_table_create(a);
        struct diag *d = diag_create(a, locs);
        diag_set_sink(d, count, &errors);
        struct ir_module *m = ir_parse_text(text, len, "mutant.bir", a, locs, d);
        const char *why = "";
        if (!CHECK((m != NULL) == (errors == 0)) || (m && !CHECK(ir_roundtrips(m, a, &why))))
            fprintf(stderr, "mutant %d: %s\n%.*s\n", i, why, (int)len, text);
        good += m != NULL;
        arena_reset(a);
    }
    arena_destroy(a);
    CHECK(good > MUTANTS / 10 && good < MUTANTS);
}

int main(void)
{
    RUN(mutants);
    return check_summary();
}
