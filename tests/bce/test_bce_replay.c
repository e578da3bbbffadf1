// Recorded vectors through --replay-vectors' entry: the files named, on both datapaths. With
// --damaged: that wrong rows and malformed files are found. Files that are not there: skipped (77).
#include <stdlib.h>

#include "check.h"
#include "io.h"
#include "replay.h"

#define SKIPPED 77

static struct arena *arena;
static struct diag *diag;
static char messages[4096];

static void sink(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    size_t len = strlen(messages);
    (void)user;
    (void)sev;
    snprintf(messages + len, sizeof messages - len, "%s %s\n", diag_info[id].id, message);
}

static int replay(const char *path, enum sim_datapath dp, char **printed)
{
    size_t len = 0;
    char *files[] = {arena_strdup(arena, path)};
    FILE *out = open_memstream(printed, &len);
    int status = bce_replay_main(files, 1, dp, out, diag);
    fclose(out);
    return status;
}

// The golden file with cell `column` of its third line replaced.
static const char *damage(const char *golden, int column, const char *with)
{
    struct io_map m;
    const char *path = "damaged.tsv";
    if (!CHECK(io_map_file(&m, golden, 0, diag)))
        return path;
    const char *text = (const char *)m.data, *at = text, *end = text + m.size;
    for (int line = 0; line < 2; line++)
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
    for (int i = 0; i < column; i++)
        at = (const char *)memchr(at, '\t', (size_t)(end - at)) + 1;
    const char *rest = at + strcspn(at, "\t\n");
    char *copy =
        arena_printf(arena, "%.*s%s%.*s", (int)(at - text), text, with, (int)(end - rest), rest);
    CHECK(io_write_file(path, copy, strlen(copy), diag));
    io_unmap(&m);
    return path;
}

static void check_damage(const char *golden, int column, const char *with, enum sim_datapath dp,
                         const char *expect)
{
    char *printed = NULL;
    messages[0] = '\0';
    CHECK_INT(replay(damage(golden, column, with), dp, &printed), 1);
    if (!CHECK(strstr(printed, expect) || strstr(messages, expect)))
        fprintf(stderr, "column %d '%s': %s%s", column, with, printed, messages);
    (free)(printed);
}

static const char *golden_file;

static void wrong_rows_are_found(void)
{
    const struct {
        int column;
        const char *with;
    } rows[] = {{11, "00000001"}, {12, "1"}, {13, "200"}, {14, "0000000000000001"}, {15, "77"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_damage(golden_file, rows[i].column, rows[i].with, SIM_DATAPATH_RTL,
                     "80 rows, 1 mismatches");
        check_damage(golden_file, rows[i].column, rows[i].with, SIM_DATAPATH_VECTOR,
                     "line 3: first mismatch: row 1");
    }
    check_damage(golden_file, 16, "1,2,3", SIM_DATAPATH_RTL, "trace expected 1,2,3");
}

static void malformed_files_are_refused(void)
{
    const struct {
        int column;
        const char *with;
    } rows[] = {{3, "int"}, {4, "0"},
                {4, "257"}, {4, "-1"},
                {5, "3"},   {6, "64"},
                {7, "0"},   {7, "1000000"},
                {8, "25"},  {9, "12"},
                {9, ""},    {11, "xyz"},
                {13, ""},   {14, "1ffffffffffffffff"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_damage(golden_file, rows[i].column, rows[i].with, SIM_DATAPATH_VECTOR,
                     "vector-format");
    check_damage(golden_file, 0, "1\t1", SIM_DATAPATH_VECTOR, "vector-format");
    char *printed = NULL;
    messages[0] = '\0';
    CHECK_INT(replay("no-such-file", SIM_DATAPATH_VECTOR, &printed), 1);
    CHECK(strstr(messages, "io-read") != NULL);
    (free)(printed);
}

int main(int argc, char **argv)
{
    arena = arena_create();
    diag = diag_create(arena, NULL);
    diag_set_sink(diag, sink, NULL);
    diag_set_error_limit(diag, 100);
    if (argc == 3 && strcmp(argv[1], "--damaged") == 0) {
        golden_file = argv[2];
        RUN(wrong_rows_are_found);
        RUN(malformed_files_are_refused);
        return check_summary();
    }
    for (int i = 1; i < argc; i++)
        if (!io_exists(argv[i])) {
            printf("skipped: there is no %s\n", argv[i]);
            return SKIPPED;
        }
    int status = bce_replay_main(argv + 1, argc - 1, SIM_DATAPATH_RTL, stdout, diag) |
                 bce_replay_main(argv + 1, argc - 1, SIM_DATAPATH_VECTOR, stdout, diag);
    fputs(messages, stdout);
    arena_destroy(arena);
    return status;
}
