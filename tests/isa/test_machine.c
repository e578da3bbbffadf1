// Machine descriptions: presets, files, and a message of its own for every kind of mistake.
#include "check.h"
#include "machine.h"

struct seen {
    int errors;
    char text[4096];
};

static void gather(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    struct seen *s = user;
    s->errors += sev == DIAG_SEV_ERROR && id == DIAG_MACHINE_FORMAT;
    size_t len = strlen(s->text);
    snprintf(s->text + len, sizeof s->text - len, "%s\n", message);
}

static struct seen parse(const char *json, struct machine *m, bool *ok)
{
    static struct arena *a;
    if (a)
        arena_destroy(a);
    a = arena_create();
    struct seen s = {0};
    struct diag *d = diag_create(a, loc_table_create(a));
    diag_set_sink(d, gather, &s);
    *ok = machine_parse(json, strlen(json), "m.json", m, a, d);
    return s;
}

static void presets(void)
{
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, NULL);
    struct machine m;
    CHECK(machine_load("micro21", &m, a, d));
    CHECK_INT(m.pes, 32);
    CHECK_INT(m.ext, 0);
    CHECK(machine_load("micro21-fpga", &m, a, d));
    CHECK(m.clock_ghz == 0.5);
    CHECK_STR(m.name, "micro21-fpga");
    CHECK(machine_load("bitlet-x", &m, a, d));
    CHECK_STR(machine_ext_text(m.ext, a), "PGSB");
    const char *const *names;
    CHECK_INT(machine_presets(&names), 3);
    arena_destroy(a);
}

static void files_change_a_base(void)
{
    struct machine m;
    bool ok;
    parse("{\"base\": \"micro21-fpga\", \"pes\": 16, \"name\": \"mine\", \"extensions\": \"GP\", "
          "\"dma_act_gbs\": 5}",
          &m, &ok);
    CHECK(ok);
    CHECK_STR(m.name, "mine");
    CHECK_INT(m.pes, 16);
    CHECK_INT(m.ext, MACHINE_EXT_P | MACHINE_EXT_G);
    CHECK(m.clock_ghz == 0.5 && m.dma_act_gbs == 5.0);
    parse("{\"pes\": 1}", &m, &ok);
    CHECK(ok);
    CHECK_STR(m.name, "custom");
}

static void json_gives_the_same_machine(void)
{
    struct arena *a = arena_create();
    struct machine m, back;
    bool ok;
    parse("{\"name\": \"x\", \"clock_ghz\": 0.1, \"dram_pj_byte\": 0.3333333333333333, "
          "\"extensions\": \"B\"}",
          &m, &ok);
    CHECK(ok);
    const char *json = machine_json(&m, a);
    struct arena *b = arena_create();
    struct diag *d = diag_create(b, NULL);
    CHECK(machine_parse(json, strlen(json), "j", &back, b, d));
    CHECK_STR(machine_json(&back, b), json);
    CHECK(back.dram_pj_byte == 0.3333333333333333);
    CHECK(strchr(json, '\n') == NULL);
    arena_destroy(a);
    arena_destroy(b);
}

static void group_sizes(void)
{
    static const struct {
        int group;
        bool fine;
    } CASES[] = {{2, true},   {3, false}, {4, true},   {6, false},   {8, true},
                 {12, false}, {24, true}, {256, true}, {257, false}, {1, false}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct machine m;
        char json[40];
        bool ok;
        snprintf(json, sizeof json, "{\"group\": %d}", CASES[i].group);
        struct seen s = parse(json, &m, &ok);
        CHECK_INT(ok, CASES[i].fine);
        CHECK_INT(s.errors, !CASES[i].fine);
    }
}

static void every_mistake_is_reported(void)
{
    struct machine m;
    bool ok;
    struct seen s = parse("{\"pez\": 3, \"pes\": 4096, \"group\": \"64\", \"clock_ghz\": 0, "
                          "\"lanes\": 1.5, \"name\": \"a b\", "
                          "\"extensions\": \"PX\", \"base\": \"micro22\"}",
                          &m, &ok);
    CHECK(!ok);
    CHECK_INT(s.errors, 8);
    CHECK(strstr(s.text, "'pez'") != NULL);
    CHECK(strstr(s.text, "4096; it takes 1 .. 512") != NULL);
    CHECK(strstr(s.text, "'group' is a string") != NULL);
    CHECK(strstr(s.text, "0.001 .. 10.0 GHz") != NULL);
    CHECK(strstr(s.text, "'micro22'") != NULL);
    s = parse("{\"pes\": 1, \"pes\": 2}", &m, &ok);
    CHECK(!ok && s.errors == 1);
    s = parse("[1]", &m, &ok);
    CHECK(!ok && strstr(s.text, "an array"));
    s = parse("{\n\"pes\": }", &m, &ok);
    CHECK(!ok && strstr(s.text, "m.json:2"));
    s = parse("", &m, &ok);
    CHECK(!ok && s.errors == 1);
}

static void lane_tiles(void)
{
    struct machine m;
    machine_default(&m);
    CHECK_INT(machine_lane_tile_bytes(&m, 7, false), 9 * 8);
    CHECK_INT(machine_lane_map_bytes(&m), 2 * 8 + 24);
    CHECK_INT(machine_lane_tile_bytes(&m, 24, true), 26 * 8 + 64);
    m.group = 72;
    CHECK_INT(machine_lane_tile_bytes(&m, 1, false), 2 * 3 * 8);
    m.group = 4;
    CHECK_INT(machine_lane_tile_bytes(&m, 24, true), 26 * 8 + 8);
}

int main(void)
{
    RUN(presets);
    RUN(files_change_a_base);
    RUN(json_gives_the_same_machine);
    RUN(group_sizes);
    RUN(every_mistake_is_reported);
    RUN(lane_tiles);
    return check_summary();
}
