// Host kernels as their callers reach them: by name, through their signatures.
#include <math.h>

#include "check.h"
#include "host.h"

static struct arena *arena;
static const char *why; // of the last call that failed

#define DIMS(...) (const int64_t[]){__VA_ARGS__}, (int)(sizeof((int64_t[]){__VA_ARGS__}) / 8)

static struct tensor *zeros(enum dtype t, const int64_t *dim, int rank)
{
    return tensor_create(arena, t, dim, rank);
}

static struct tensor *ints(const int64_t *v, int64_t n)
{
    struct tensor *t = zeros(DT_I64, &n, 1);
    if (n)
        memcpy(t->data, v, (size_t)n * sizeof *v);
    return t;
}
#define INTS(...)                                                                                  \
    ints((const int64_t[]){__VA_ARGS__}, (int64_t)(sizeof((int64_t[]){__VA_ARGS__}) / 8))

static struct tensor *floats(const float *v, const int64_t *dim, int rank)
{
    struct tensor *t = zeros(DT_F32, dim, rank);
    memcpy(t->data, v, tensor_bytes(t));
    return t;
}

static struct tensor *words(const char *const *v, int64_t n)
{
    struct tensor *t = zeros(DT_STR, &n, 1);
    if (n)
        memcpy(t->data, v, (size_t)n * sizeof *v);
    return t;
}
#define WORDS(...)                                                                                 \
    words((const char *const[]){__VA_ARGS__},                                                      \
          (int64_t)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))

struct args {
    struct tensor *result[4];
    const struct tensor *operand[8];
    int64_t scalar[4];
    int results, operands, scalars;
};

static bool call(const char *name, const struct args *a)
{
    struct host_call c = {.kernel = host_kernel_find(name),
                          .results = a->result,
                          .operands = a->operand,
                          .scalars = a->scalar,
                          .num_results = a->results,
                          .num_operands = a->operands,
                          .num_scalars = a->scalars,
                          .arena = arena};
    why = "";
    return CHECK(c.kernel != NULL) && host_invoke(&c, &why);
}

static const char *text(const struct tensor *t, int64_t i)
{
    return ((const char *const *)t->data)[i];
}

static int64_t number(const struct tensor *t, int64_t i)
{
    return tensor_get_int(t, i);
}

// ---- The table and the call

static void every_signature_reads(void)
{
    const struct host_kernel *k;
    for (size_t i = 0; (k = host_kernel_row(i)); i++) {
        struct host_word w;
        const char *bad = NULL;
        int n = 0;
        for (const char *p = k->signature; host_next_word(&p, &w, &bad);)
            n++;
        if (!CHECK(!bad && n > 0) || !CHECK(host_kernel_find(k->name) == k))
            fprintf(stderr, "  %s\n", k->name);
    }
    CHECK(host_kernel_find("none of that name") == NULL);
}

static void operands_are_checked(void)
{
    struct tensor *y = zeros(DT_BOOL, DIMS(2));
    CHECK(!call("string_equal", &(struct args){{y}, {WORDS("a", "b")}, {0}, 1, 1, 0}));
    CHECK(strstr(why, "more operands"));
    CHECK(!call("string_equal", &(struct args){{y}, {WORDS("a", "b"), INTS(1, 2)}, {0}, 1, 2, 0}));
    CHECK(strstr(why, "takes str"));
    CHECK(!call("string_equal", &(struct args){{y}, {WORDS("a"), WORDS("a"), y}, {0}, 1, 3, 0}));
    CHECK(!call("string_equal", &(struct args){{y}, {WORDS("a"), WORDS("a")}, {7}, 1, 2, 1}));
}

// What a kernel relies on, a call is checked for.
static void sizes_are_checked(void)
{
    struct tensor *y = zeros(DT_BOOL, DIMS(2)), *none = zeros(DT_I64, DIMS(0));
    struct tensor *s = zeros(DT_SEQ, NULL, 0);
    CHECK(!call("string_equal", &(struct args){{y}, {WORDS("a", "b"), WORDS("a")}, {0}, 1, 2, 0}));
    CHECK(strstr(why, "as many"));
    CHECK(!call("string_equal", &(struct args){{y}, {WORDS("a", "b"), NULL}, {0}, 1, 2, 0}));
    CHECK(strstr(why, "absent"));
    CHECK(!call("sequence_length", &(struct args){{none}, {s}, {0}, 1, 1, 0}));
    CHECK(!call("sequence_at", &(struct args){{y}, {s, none}, {0}, 1, 2, 0}));
    CHECK(
        !call("sequence_at", &(struct args){{y}, {zeros(DT_SEQ, DIMS(0)), INTS(0)}, {0}, 1, 2, 0}));
    CHECK(!call("string_format", &(struct args){{zeros(DT_STR, DIMS(3))}, {y}, {0}, 1, 1, 0}));
}

// ---- Strings

static void strings_split(void)
{
    struct tensor *y = zeros(DT_STR, DIMS(3, 3)), *n = zeros(DT_I64, DIMS(3)),
                  *most = zeros(DT_I64, DIMS(1));
    struct args a = {{y, n, most}, {WORDS("a,b,,c", "", "x"), WORDS(",")}, {-1}, 3, 2, 1};
    CHECK(call("string_split", &a));
    CHECK_STR(text(y, 0), "a");
    CHECK_STR(text(y, 2), "");
    CHECK_STR(text(y, 7), "");
    CHECK_INT(number(n, 0), 4);
    CHECK_INT(number(n, 1), 1);
    CHECK_INT(number(most, 0), 4);
    y = zeros(DT_STR, DIMS(2, 2));
    n = zeros(DT_I64, DIMS(2));
    a = (struct args){{y, n, most}, {WORDS("  one two  three ", " \t"), WORDS("")}, {1}, 3, 2, 1};
    CHECK(call("string_split", &a));
    CHECK_STR(text(y, 0), "one");
    CHECK_STR(text(y, 1), "two  three ");
    CHECK_INT(number(n, 1), 0);
}

static void strings_normalise(void)
{
    struct tensor *y = zeros(DT_STR, DIMS(3)), *kept = zeros(DT_I64, DIMS(1));
    struct args a = {
        {y, kept}, {WORDS("Montag", "\xc3\x84pfel", "dienstag"), WORDS("MONTAG"), WORDS("de_DE")},
        {1, 0},    2,
        3,         2};
    CHECK(call("string_normalize", &a));
    CHECK_INT(number(kept, 0), 2);
    CHECK_STR(text(y, 0), "\xc3\xa4pfel");
    CHECK_STR(text(y, 1), "dienstag");
    a.scalar[0] = 2;
    a.scalar[1] = 1; // sensitive: the stop word is another word
    CHECK(call("string_normalize", &a));
    CHECK_INT(number(kept, 0), 3);
    CHECK_STR(text(y, 1), "\xc3\x84PFEL");
    a.operand[0] = WORDS("MONTAG");
    CHECK(call("string_normalize", &a));
    CHECK_INT(number(kept, 0), 1);
    CHECK_STR(text(y, 0), "");
}

static bool matches(const char *s, const char *pattern)
{
    struct tensor *y = zeros(DT_BOOL, DIMS(1));
    return CHECK(call("string_regex",
                      &(struct args){{y}, {WORDS(s), WORDS(pattern)}, {0}, 1, 2, 0})) &&
           number(y, 0);
}

static void strings_match(void)
{
    CHECK(matches("www.google.com", "www\\.[\\w.-]+\\.\\w+"));
    CHECK(!matches("www.google.com/", "www\\.[\\w.-]+\\.\\w+"));
    CHECK(matches("ab", "a|ab"));   // the whole string, not the first alternative
    CHECK(!matches("ab\n", "ab$")); // the end is the end
    CHECK(matches("", "x*"));
    CHECK(matches("a+b", "[(?=+a]+[+]*b"));
    CHECK(matches("\v", "\\v") && !matches("\f", "\\v")); // not: any vertical blank
    CHECK(matches("\v\n", "[\\v\\s]+") && !matches("\v", "\\s") && matches("\v", "\\S"));
    CHECK(matches("A8", "\\101\\x38") && matches("\n", "\\12") && matches("\t", "[\\011]"));
    CHECK(matches("a\rb", "a.b") && !matches("a\nb", "a.b") && matches("a\nb", "(?s)a.b"));
    CHECK(matches("AB\nb", "(?i:ab)(?P<n>\n)(?m-s:^b$)"));
    CHECK(matches("]-a", "[]]-[[:alpha:]]") && matches("(?=x", "\\Q(?=\\Ex"));
    CHECK(matches("\xc3\xa4", ".") && matches("\xc3\xa4", "\\p{L}") && !matches("\xc3\xa4", "\\w"));
    struct tensor *y = zeros(DT_BOOL, DIMS(1));
    static const char *const refused[] = {
        "(a)\\1",         "a(?=b)", "a(?<!b)", "a++",    "(",       "[z-a]", "a\\h",    "\\Z",
        "(?P<n>a)(?P=n)", "(?x)a",  "(?#a)",   "(?R)a?", "(*UTF)a", "a\\Kb", "(?1)(a)", "\\R"};
    for (int i = 0; i < 16; i++)
        CHECK(!call("string_regex",
                    &(struct args){{y}, {WORDS("a"), words(&refused[i], 1)}, {0}, 1, 2, 0}));
}

static void numbers_as_text(void)
{
    static const float v[] = {0.1f, 1e-5f, 16777216.0f, 1e20f, -0.0f, INFINITY, NAN, 100.5f};
    static const char *const want[] = {"0.1",  "1e-05", "16777216.0", "1e+20",
                                       "-0.0", "INF",   "NaN",        "100.5"};
    struct tensor *y = zeros(DT_STR, DIMS(8)), *back = zeros(DT_F32, DIMS(8));
    CHECK(call("string_format", &(struct args){{y}, {floats(v, DIMS(8))}, {0}, 1, 1, 0}));
    for (int i = 0; i < 8; i++)
        CHECK_STR(text(y, i), want[i]);
    CHECK(call("string_parse_f32", &(struct args){{back}, {y}, {0}, 1, 1, 0}));
    for (int i = 0; i < 6; i++)
        CHECK(((float *)back->data)[i] == v[i]);
    CHECK(isnan(((float *)back->data)[6]));
    struct tensor *n = zeros(DT_I64, DIMS(3));
    CHECK(call("string_parse_i64",
               &(struct args){{n}, {WORDS("-9223372036854775808", " 7 ", "100.9")}, {0}, 1, 1, 0}));
    CHECK(number(n, 0) == INT64_MIN && number(n, 1) == 7 && number(n, 2) == 100);
    static const char *const bad[] = {"", "x1", "0x10", "1 2", "nan(3)", "1e"};
    for (int i = 0; i < 6; i++)
        CHECK(!call("string_parse_f32",
                    &(struct args){{zeros(DT_F32, DIMS(1))}, {words(&bad[i], 1)}, {0}, 1, 1, 0}));
    struct tensor *u = zeros(DT_U64, DIMS(1));
    CHECK(call("string_parse_u64",
               &(struct args){{u}, {WORDS("18446744073709551615")}, {0}, 1, 1, 0}));
    CHECK(((uint64_t *)u->data)[0] == UINT64_MAX);
    CHECK(!call("string_parse_u64", &(struct args){{u}, {WORDS("-1")}, {0}, 1, 1, 0}));
}

// ---- Order

static void distinct_slices(void)
{
    static const float x[] = {1, 0, 0, 1, 0, 0, 2, 3, 4};
    struct tensor *y = zeros(DT_F32, DIMS(2, 3)), *first = zeros(DT_I64, DIMS(2)),
                  *inverse = zeros(DT_I64, DIMS(3)), *counts = zeros(DT_I64, DIMS(2)),
                  *num = zeros(DT_I64, DIMS(1));
    struct tensor *all[] = {y, first, counts, inverse, num};
    const struct tensor *in[] = {floats(x, DIMS(3, 3))};
    int64_t scalars[] = {0, 1};
    struct host_call c = {host_kernel_find("unique"), all, in, scalars, 5, 1, 2, arena};
    CHECK(host_invoke(&c, &why));
    CHECK_INT(number(num, 0), 2);
    CHECK(((float *)y->data)[0] == 1 && ((float *)y->data)[3] == 2);
    CHECK(number(counts, 0) == 2 && number(counts, 1) == 1 && number(first, 1) == 2);
    CHECK(number(inverse, 0) == 0 && number(inverse, 1) == 0 && number(inverse, 2) == 1);
    // Of strings, in the order of their first places; more of them than there is room for.
    struct tensor *s[] = {zeros(DT_STR, DIMS(2)), zeros(DT_I64, DIMS(2)), zeros(DT_I64, DIMS(2)),
                          zeros(DT_I64, DIMS(4)), num};
    const struct tensor *names[] = {WORDS("z", "b", "z", "a")};
    c.results = s;
    c.operands = names;
    scalars[0] = -1;
    scalars[1] = 0;
    CHECK(host_invoke(&c, &why));
    CHECK_INT(number(num, 0), 3);
    CHECK_STR(text(s[0], 0), "z");
    CHECK_STR(text(s[0], 1), "b");
    CHECK_INT(number(s[3], 3), 2);
}

static void labels(void)
{
    struct tensor *y = zeros(DT_I64, DIMS(4));
    struct args a = {
        {y}, {WORDS("b", "a", "q", "c"), WORDS("c", "a", "b"), INTS(3, 1, 2), INTS(-1)}, {0}, 1, 4,
        0};
    CHECK(call("label_encode", &a));
    CHECK(number(y, 0) == 2 && number(y, 1) == 1 && number(y, 2) == -1 && number(y, 3) == 3);
    static const float keys[] = {NAN, 1}, x[] = {1, NAN, 2};
    struct tensor *s = zeros(DT_STR, DIMS(3));
    a = (struct args){
        {s}, {floats(x, DIMS(3)), floats(keys, DIMS(2)), WORDS("none", "one"), WORDS("?")},
        {0}, 1,
        4,   0};
    CHECK(call("label_encode", &a));
    CHECK_STR(text(s, 0), "one");
    CHECK_STR(text(s, 1), "none");
    CHECK_STR(text(s, 2), "?");
    a.operand[2] = WORDS("one");
    CHECK(!call("label_encode", &a));
}

static void overlapping_boxes(void)
{
    static const float boxes[] = {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, 10, 1, 11};
    static const float scores[] = {0.5f, 0.9f, 0.75f};
    float iou = 0.5f, least = 0.6f;
    struct tensor *y = zeros(DT_I64, DIMS(2, 3)), *num = zeros(DT_I64, DIMS(1));
    struct args a = {{y, num},
                     {floats(boxes, DIMS(1, 3, 4)), floats(scores, DIMS(1, 1, 3)), INTS(3),
                      floats(&iou, DIMS(1)), NULL},
                     {0},
                     2,
                     5,
                     1};
    CHECK(call("nonmax_suppression", &a));
    CHECK(number(num, 0) == 2 && number(y, 2) == 1 && number(y, 5) == 2);
    a.operand[4] = floats(&least, DIMS(1));
    a.operand[3] = NULL; // any overlap suppresses
    CHECK(call("nonmax_suppression", &a));
    CHECK_INT(number(num, 0), 2);
    a.operand[2] = NULL; // none asked for
    CHECK(call("nonmax_suppression", &a));
    CHECK_INT(number(num, 0), 0);
}

// ---- Lists

static void sequences(void)
{
    struct tensor *s = zeros(DT_SEQ, NULL, 0), *t = zeros(DT_SEQ, NULL, 0),
                  *n = zeros(DT_I64, NULL, 0);
    struct args a = {{s}, {NULL, INTS(1), INTS(2, 3)}, {0}, 1, 3, 0};
    CHECK(call("sequence_extend", &a));
    a = (struct args){{t}, {s, WORDS("x"), INTS(-2)}, {0}, 1, 3, 0};
    CHECK(call("sequence_insert", &a));
    CHECK_STR(tensor_text(t, arena), "seq(str[1], i64[1], i64[2])");
    CHECK_STR(tensor_text(s, arena), "seq(i64[1], i64[2])"); // a list never changes
    CHECK(call("sequence_erase", &(struct args){{s}, {t, NULL}, {0}, 1, 2, 0}));
    CHECK_STR(tensor_text(s, arena), "seq(str[1], i64[1])");
    CHECK(call("sequence_length", &(struct args){{n}, {t}, {0}, 1, 1, 0}));
    CHECK_INT(number(n, 0), 3);
    struct tensor *x = zeros(DT_I64, DIMS(2));
    CHECK(call("sequence_at", &(struct args){{x}, {t, INTS(2)}, {0}, 1, 2, 0}));
    CHECK_INT(number(x, 1), 3);
    CHECK(!call("sequence_at", &(struct args){{x}, {t, INTS(1)}, {0}, 1, 2, 0}));
    CHECK(strstr(why, "i64[1]") && strstr(why, "i64[2]"));
    CHECK(!call("sequence_at", &(struct args){{x}, {t, INTS(-4)}, {0}, 1, 2, 0}));
    CHECK(!call("sequence_insert", &(struct args){{s}, {t, x, INTS(4)}, {0}, 1, 3, 0}));
}

static void parts_join_again(void)
{
    float v[12];
    for (int i = 0; i < 12; i++)
        v[i] = (float)i;
    struct tensor *x = floats(v, DIMS(2, 3, 2)), *s = zeros(DT_SEQ, NULL, 0),
                  *y = zeros(DT_F32, DIMS(2, 3, 2));
    CHECK(call("sequence_split", &(struct args){{s}, {x, INTS(2)}, {-1, 1, 1}, 1, 2, 3}));
    CHECK_STR(tensor_text(s, arena), "seq(f32[2,2,2], f32[2,1,2])");
    CHECK(call("sequence_concat", &(struct args){{y}, {s}, {1, 0}, 1, 1, 2}));
    CHECK(memcmp(y->data, v, sizeof v) == 0);
    CHECK(call("sequence_split", &(struct args){{s}, {x, INTS(1, 1)}, {0, 0, 0}, 1, 2, 3}));
    CHECK(call("sequence_concat", &(struct args){{y}, {s}, {0, 1}, 1, 1, 2}));
    CHECK(memcmp(y->data, v, sizeof v) == 0);
    CHECK(!call("sequence_concat", &(struct args){{y}, {s}, {1, 1}, 1, 1, 2}));
    CHECK(!call("sequence_split", &(struct args){{s}, {x, INTS(1, 2)}, {0, 1, 0}, 1, 2, 3}));
    CHECK(!call("sequence_split", &(struct args){{s}, {x, INTS(1, 1)}, {0, 1, 1}, 1, 2, 3}));
}

static void optionals_hold_one(void)
{
    struct tensor *o = zeros(DT_OPT, NULL, 0), *has = zeros(DT_BOOL, NULL, 0),
                  *x = zeros(DT_I64, DIMS(1));
    CHECK(call("optional_make", &(struct args){{o}, {0}, {0}, 1, 0, 0}));
    CHECK(call("optional_has", &(struct args){{has}, {o}, {0}, 1, 1, 0}));
    CHECK_INT(number(has, 0), 0);
    CHECK(!call("optional_get", &(struct args){{x}, {o}, {0}, 1, 1, 0}));
    CHECK(call("optional_make", &(struct args){{o}, {INTS(5)}, {0}, 1, 1, 0}));
    CHECK(call("optional_get", &(struct args){{x}, {o}, {0}, 1, 1, 0}));
    CHECK_INT(number(x, 0), 5);
}

// ---- Images

static struct tensor *bytes(const void *p, size_t n)
{
    int64_t dim = (int64_t)n;
    struct tensor *t = zeros(DT_U8, &dim, 1);
    memcpy(t->data, p, n);
    return t;
}

static bool decode(const void *file, size_t n, struct tensor *out, int64_t format, int64_t *real)
{
    struct tensor *extents = zeros(DT_I64, DIMS(3));
    bool ok =
        call("image_decode", &(struct args){{out, extents}, {bytes(file, n)}, {format}, 2, 1, 1});
    memcpy(real, extents->data, 3 * sizeof *real);
    return ok;
}

static void plain_images(void)
{
    static const char ppm[] = "P3 # a comment\n2 1 15\n15 0 0  0 15 5\n";
    static const uint8_t want[] = {255, 0, 0, 0, 255, 85};
    struct tensor *out = zeros(DT_U8, DIMS(1, 2, 3)), *grey = zeros(DT_U8, DIMS(1, 2, 1));
    int64_t real[3];
    CHECK(decode(ppm, sizeof ppm - 1, out, 0, real) && memcmp(out->data, want, 6) == 0);
    CHECK(decode(ppm, sizeof ppm - 1, out, 1, real) && number(out, 0) == 0 &&
          number(out, 2) == 255);
    CHECK(decode(ppm, sizeof ppm - 1, grey, 2, real) && number(grey, 0) == 76 && real[2] == 1);
    CHECK(!decode(ppm, sizeof ppm - 5, out, 0, real));
    static const uint8_t pbm[] = "P4 2 2\n\x40\x80"; // 0 1 / 1 0, 1 is black
    struct tensor *square = zeros(DT_U8, DIMS(2, 2, 1));
    CHECK(decode(pbm, 9, square, 2, real) && number(square, 0) == 255 && number(square, 1) == 0 &&
          number(square, 2) == 0 && number(square, 3) == 255);
    CHECK(decode(pbm, 9, grey, 2, real) && real[0] == 2); // of other extents: told, not written
    CHECK_INT(number(grey, 0), 76);
}

// Two by two pixels, 4 bits each in runs: the lower row is colour 1 twice, the upper one 2 and 1.
static void bitmap_of_runs(void)
{
    uint8_t f[80] = {'B',      'M',      [10] = 66, [14] = 40, [18] = 2,   [22] = 2,
                     [26] = 1, [28] = 4, [30] = 2,  [46] = 3,  [58] = 255, [62] = 1,
                     2,        3,        [66] = 2,  0x11,      0,          0,
                     2,        0x21,     0,         1};
    struct tensor *out = zeros(DT_U8, DIMS(2, 2, 3));
    int64_t real[3];
    static const uint8_t want[] = {3, 2, 1, 0, 0, 255, 0, 0, 255, 0, 0, 255};
    CHECK(decode(f, 74, out, 0, real));
    CHECK(memcmp(out->data, want, sizeof want) == 0);
    CHECK(!decode(f, 70, out, 0, real));
    f[22] = 0;
    CHECK(!decode(f, 74, out, 0, real));
}

// No cut or flipped byte of a file may do more than fail.
static void damaged_images(void)
{
    static const char *const heads[] = {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
                                        "\xff\xd8\xff\xe0\0\x10JFIF",
                                        "II*\0\x08\0\0\0\1\0",
                                        "RIFF\x20\0\0\0WEBPVP8 ",
                                        "\0\0\0\x0cjP  \r\n\x87\n",
                                        "\xff\x4f\xff\x51\0\x2f",
                                        "P6 9 9 255\n",
                                        "BM"};
    static const size_t sizes[] = {16, 10, 10, 16, 12, 6, 11, 2};
    struct tensor *out = zeros(DT_U8, DIMS(1, 1, 3));
    int64_t real[3];
    for (int k = 0; k < 8; k++)
        for (unsigned seed = 0; seed < 16; seed++) {
            uint8_t f[64];
            memcpy(f, heads[k], sizes[k]);
            for (size_t i = sizes[k]; i < sizeof f; i++)
                f[i] = (uint8_t)(seed * 37 + i * seed);
            CHECK(!decode(f, sizeof f - seed, out, 0, real));
        }
    CHECK(!decode("hello", 5, out, 0, real));
}

// ---- n-grams

static void grams(void)
{
    // Pool: 2, 3 | (2 3); one skip allowed between neighbours.
    struct tensor *y = zeros(DT_F32, DIMS(1, 3));
    double weights[] = {1, 10, 0.5};
    struct tensor *w = zeros(DT_F64, DIMS(3));
    memcpy(w->data, weights, sizeof weights);
    struct args a = {
        {y},    {INTS(2, 2, 3), INTS(2, 3, 2, 3), INTS(0, 2), INTS(2, 1, 0), INTS(1, 2, 1), w},
        {0, 3}, 1,
        6,      2};
    CHECK(call("tfidf", &a));
    const float *f = y->data;
    CHECK(f[2] == 2 && f[1] == 1 && f[0] == 2); // (2 3) next to each other and over one
    a.result[0] = y = zeros(DT_F32, DIMS(1, 3));
    a.scalar[0] = 2;
    CHECK(call("tfidf", &a));
    f = y->data;
    CHECK(f[2] == 2 && f[1] == 10 && f[0] == 1);
    a.operand[3] = INTS(2, 1, 3);
    CHECK(!call("tfidf", &a));
}

int main(void)
{
    arena = arena_create();
    RUN(every_signature_reads);
    RUN(operands_are_checked);
    RUN(sizes_are_checked);
    RUN(strings_split);
    RUN(strings_normalise);
    RUN(strings_match);
    RUN(numbers_as_text);
    RUN(distinct_slices);
    RUN(labels);
    RUN(overlapping_boxes);
    RUN(sequences);
    RUN(parts_join_again);
    RUN(optionals_hold_one);
    RUN(plain_images);
    RUN(bitmap_of_runs);
    RUN(damaged_images);
    RUN(grams);
    arena_destroy(arena);
    return check_summary();
}
