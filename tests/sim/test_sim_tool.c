// The tool's parts: command line, finding tensors, comparison.
#include <math.h>

#include "sim_case.h"
#include "sim_tool.h"

static struct tensor *vector_of(struct arena *a, const float *v, int64_t n)
{
    struct tensor *t = tensor_create(a, DT_F32, &n, 1);
    memcpy(t->data, v, (size_t)n * sizeof *v);
    t->name = "y";
    return t;
}

static bool same(struct sim_case *c, const float *a, const float *b, int64_t n)
{
    struct tensor *x = vector_of(c->arena, a, n), *y = vector_of(c->arena, b, n);
    c->messages[0] = '\0';
    return tool_compare(&x, &y, 1, 1e-3, 1e-5, NULL, c->diag);
}

static void comparison(void)
{
    struct sim_case c;
    case_prepare(&c);
    CHECK(same(&c, (float[]){1, 2, NAN, INFINITY}, (float[]){1.0009f, 2, NAN, INFINITY}, 4));
    CHECK(same(&c, (float[]){1e-5f}, (float[]){0}, 1));
    CHECK(!same(&c, (float[]){1, 5, 3}, (float[]){1, 2, 3}, 3));
    CHECK(strstr(c.messages, "mismatch") && strstr(c.messages, "1 of 3") &&
          strstr(c.messages, "[1]: 5, expected 2"));
    CHECK(!same(&c, (float[]){NAN}, (float[]){0}, 1));
    CHECK(!same(&c, (float[]){INFINITY}, (float[]){-INFINITY}, 1));
    CHECK(!same(&c, (float[]){1}, (float[]){INFINITY}, 1));
    struct tensor *x = vector_of(c.arena, (float[]){1, 2}, 2),
                  *y = vector_of(c.arena, (float[]){1, 2, 3}, 3);
    CHECK(!tool_compare(&x, &y, 1, 0, 0, NULL, c.diag) && strstr(c.messages, "tensor-mismatch"));
    case_end(&c);
}

static void finding(void)
{
    struct sim_case c;
    case_prepare(&c);
    struct image_io slots[2] = {{.name = "a/b", .dtype = DT_F32, .rank = 1, .dim = {2}},
                                {.name = "c", .dtype = DT_F32, .rank = 1, .dim = {1}}};
    struct tensor *x = vector_of(c.arena, (float[]){1, 2}, 2),
                  *y = vector_of(c.arena, (float[]){3}, 1), *out[2] = {0};
    CHECK(io_make_dir("set/test_data_set_0", c.diag) && io_make_dir("named", c.diag));
    CHECK(tensor_write_pb("set/test_data_set_0/input_0.pb", x, c.diag) &&
          tensor_write_npy("set/test_data_set_0/input_1.npy", y, c.diag) &&
          tensor_write_npy("named/a_b.npy", x, c.diag));
    char *set[] = {(char[]){"set"}}, *named[] = {(char[]){"named"}},
         *files[] = {(char[]){"named/a_b.npy"}, (char[]){"named/a_b.npy"},
                     (char[]){"named/a_b.npy"}};
    CHECK(tool_find_tensors(&(struct path_list){set, 1}, "input", slots, 2, out, c.arena, c.diag));
    CHECK(out[0] && out[1] && ((float *)out[1]->data)[0] == 3.0f);
    out[0] = out[1] = NULL;
    CHECK(
        !tool_find_tensors(&(struct path_list){named, 1}, "input", slots, 2, out, c.arena, c.diag));
    CHECK(out[0] && !out[1] && strstr(c.messages, "input 1 'c'"));
    out[0] = out[1] = NULL;
    CHECK(
        tool_find_tensors(&(struct path_list){files, 2}, "input", slots, 2, out, c.arena, c.diag));
    CHECK(
        !tool_find_tensors(&(struct path_list){files, 3}, "input", slots, 2, out, c.arena, c.diag));
    case_end(&c);
}

static bool parse(struct sim_case *c, int argc, const char *const *argv, struct tool_args *out)
{
    char **words = ARENA_ARRAY(c->arena, (size_t)argc, char *);
    for (int i = 0; i < argc; i++)
        words[i] = arena_strdup(c->arena, argv[i]);
    return tool_parse_args(argc, words, out, c->arena, c->diag);
}

#define PARSE(...)                                                                                 \
    parse(&c, (int)(sizeof(const char *[]){"sim", __VA_ARGS__} / sizeof(char *)),                  \
          (const char *[]){"sim", __VA_ARGS__}, &args)

static void command_lines(void)
{
    struct sim_case c;
    struct tool_args args;
    case_prepare(&c);
    CHECK(PARSE("--inputs", "a.pb", "b.npy", "m.blt", "--seed=7", "-v"));
    CHECK(args.inputs.num == 2 && args.seed == 7 && args.verbose);
    CHECK_STR(args.model, "m.blt");
    CHECK(PARSE("m", "--timing", "rtl", "--datapath=rtl", "--log-commits", "--expect", "dir"));
    CHECK(args.sim.timing == SIM_TIMING_RTL && args.sim.datapath == SIM_DATAPATH_RTL &&
          args.expect.num == 1);
    CHECK_STR(args.commit_log, "-");
    CHECK(PARSE("--replay-vectors", "x.tsv", "y.tsv.gz") && args.replay.num == 2);
    CHECK(PARSE("-q", "--", "-odd.blt") && args.quiet);
    CHECK_STR(args.model, "-odd.blt");
    CHECK(PARSE("--help") && args.help);
    CHECK(!PARSE("m.blt", "n.blt"));
    CHECK(!PARSE("-v"));
    CHECK(!PARSE("m.blt", "--no-such"));
    CHECK(!PARSE("m.blt", "--timing", "fast"));
    CHECK(!PARSE("m.blt", "--max-cycles", "-3"));
    CHECK(!PARSE("m.blt", "--rtol", "nan"));
    CHECK(!PARSE("m.blt", "--quiet=1"));
    CHECK(!PARSE("m.blt", "--stats"));
    case_end(&c);
}

int main(void)
{
    RUN(comparison);
    RUN(finding);
    RUN(command_lines);
    return check_summary();
}
