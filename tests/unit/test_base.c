// Arenas, tables, locations, diagnostics and files.
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "check.h"
#include "diag.h"
#include "dtype.h"
#include "fn.h"
#include "io.h"
#include "loc.h"
#include "threads.h"

static bool all_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

static void arena_gives_zeroed_aligned_memory(void)
{
    struct arena *a = arena_create();
    for (int round = 0; round < 3; round++) {
        for (size_t n = 0; n < 600000; n = n * 3 + 7) {
            unsigned char *p = arena_alloc(a, n);
            CHECK(((uintptr_t)p & 15) == 0);
            CHECK(all_zero(p, n));
            memset(p, 0xa5, n);
        }
        for (size_t align = 1; align <= 4096; align *= 2)
            CHECK(((uintptr_t)arena_alloc_aligned(a, 5, align) & (align - 1)) == 0);
        arena_reset(a);
        CHECK_INT(arena_used(a), 0);
    }
    arena_destroy(a);
    arena_destroy(NULL);
}

static void data_that_nobody_holds_goes_early(void)
{
    enum { BYTES = 3 << 20 };
    struct arena *a = arena_create();
    unsigned char *p[4];
    for (int i = 0; i < 4; i++) {
        p[i] = i < 3 ? arena_alloc_data(a, BYTES) : arena_alloc(a, BYTES);
        CHECK(all_zero(p[i], BYTES));
        memset(p[i], i + 1, BYTES);
    }
    unsigned char *small = arena_alloc_data(a, 100);
    memset(small, 9, 100);
    CHECK(arena_has_data(a));
    // An address inside is enough, the one just behind is not.
    const void *live[] = {p[1] + BYTES / 2, p[2] + BYTES};
    if (p[1] > p[2]) {
        live[0] = p[2] + BYTES;
        live[1] = p[1] + BYTES / 2;
    }
    size_t swept = arena_sweep_data(a, live, 2);
    CHECK(swept == 2 * (size_t)BYTES || live[0] == p[0] || live[1] == p[0]);
    CHECK(p[1][0] == 2 && p[1][BYTES - 1] == 2 && p[3][BYTES - 1] == 4 && small[99] == 9);
    CHECK_INT(arena_sweep_data(a, (const void *[]){p[1]}, 1),
              swept == 2 * (size_t)BYTES ? 0 : BYTES);
    CHECK_INT(arena_sweep_data(a, NULL, 0), BYTES);
    CHECK(!arena_has_data(a));
    CHECK(p[3][0] == 4 && small[0] == 9);
    arena_destroy(a);
}

static void released_pages_are_read_again(void)
{
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, NULL);
    unsigned char bytes[10000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7);
    CHECK(io_write_file("pages.bin", bytes, sizeof bytes, d));
    struct io_map m;
    if (CHECK(io_map_file(&m, "pages.bin", 0, d))) {
        CHECK(memcmp(m.data, bytes, sizeof bytes) == 0);
        io_map_release(&m);
        CHECK(memcmp(m.data, bytes, sizeof bytes) == 0);
        io_unmap(&m);
        io_map_release(&m); // nothing is mapped
    }
    arena_destroy(a);
}

static void add_piece(void *user, int piece, int worker)
{
    int64_t *sum = user;
    CHECK_INT(worker, 0);
    *sum += piece;
}

static void without_a_pool_the_caller_works(void)
{
    int64_t sum = 0;
    CHECK_INT(thread_pool_size(NULL), 1);
    thread_pool_run(NULL, 100, add_piece, &sum);
    CHECK_INT(sum, 4950);
    thread_pool_destroy(NULL);
}

static void arena_vectors_grow(void)
{
    struct arena *a = arena_create();
    int *v = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < 100000; i++) {
        v = arena_grow(a, v, i, i + 1, sizeof *v, &cap);
        v[i] = (int)i;
    }
    bool same = true;
    for (int i = 0; i < 100000; i++)
        same = same && v[i] == i;
    CHECK(same);
    CHECK_STR(arena_printf(a, "%d-%s", 7, "x"), "7-x");
    CHECK_STR(arena_strndup(a, "abcdef", 3), "abc");
    arena_destroy(a);
}

static void tables_are_found_by_name_and_number(void)
{
    enum dtype t;
    CHECK(dtype_by_text("f8e4m3fn", 8, &t) && t == DT_F8E4M3FN);
    CHECK(!dtype_by_text("f8", 2, &t));
    CHECK(dtype_by_onnx(1, &t) && t == DT_F32);
    CHECK(!dtype_by_onnx(0, &t));
    CHECK(!dtype_by_onnx(99, &t));
    for (int i = 0; i < DT_NUM; i++) {
        CHECK(dtype_by_text(dtype_info[i].text, strlen(dtype_info[i].text), &t) && (int)t == i);
        CHECK(dtype_info[i].onnx == 0 || dtype_info[i].kind == DTK_H ||
              (dtype_by_onnx(dtype_info[i].onnx, &t) && (int)t == i));
    }
    CHECK_INT(fn_by_name(unary_fn_info, UFN_NUM, "tanh", 4), UFN_tanh);
    CHECK_INT(fn_by_name(binary_fn_info, BFN_NUM, "atan2", 5), BFN_atan2);
    CHECK_INT(fn_by_name(reduce_fn_info, RFN_NUM, "mean", 4), -1);
    CHECK(binary_fn_gives_bool(BFN_lt) && binary_fn_gives_bool(BFN_xor) &&
          !binary_fn_gives_bool(BFN_bitand));
    CHECK(unary_fn_gives_bool(UFN_isnan) && !unary_fn_gives_bool(UFN_bitnot));
}

static void locations_are_shared_and_described(void)
{
    struct arena *a = arena_create();
    struct loc_table *t = loc_table_create(a);
    loc_id conv = loc_node(t, "net.onnx", 12, "conv1/Conv", "Conv", 11);
    loc_id text = loc_text(t, "a.bir", 3, 7);
    CHECK_INT(loc_node(t, "net.onnx", 12, "conv1/Conv", "Conv", 11), conv);
    CHECK_STR(loc_describe(t, conv, a), "net.onnx: node 12 'conv1/Conv' (Conv, opset 11)");
    CHECK_STR(loc_describe(t, text, a), "a.bir:3:7");
    CHECK_STR(loc_describe(t, LOC_NONE, a), "");
    CHECK_STR(loc_describe(t, 12345, a), "");
    loc_id tensor = loc_tensor(t, conv, "conv1.weight");
    CHECK_STR(loc_describe(t, tensor, a),
              "net.onnx: node 12 'conv1/Conv' (Conv, opset 11), tensor 'conv1.weight'");
    CHECK_STR(loc_describe(t, loc_node(t, "m", 0, "a\n\033[1m", "Add", 0), a),
              "m: node 0 'a\\x0a\\x1b[1m' (Add)");
    CHECK_INT(loc_fused(t, conv, conv), conv);
    CHECK_INT(loc_fused(t, LOC_NONE, conv), conv);
    loc_id relu = loc_node(t, "net.onnx", 13, "", "Relu", 11);
    loc_id fused = loc_fused(t, text, loc_fused(t, conv, relu));
    CHECK_INT(loc_primary_node(t, fused), conv);
    CHECK_INT(loc_primary_node(t, text), LOC_NONE);
    CHECK_STR(loc_describe(t, relu, a), "net.onnx: node 13 (Relu, opset 11)");
    for (int i = 0; i < 1000; i++) // the index grows
        CHECK_INT(loc_text(t, "b.s", (uint32_t)i + 1, 1), fused + 1 + (loc_id)i);
    CHECK_INT(loc_text(t, "b.s", 500, 1), fused + 500);
    arena_destroy(a);
}

struct log {
    int messages;
    enum diag_id last_id;
    char last[256];
};

static void keep(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    struct log *log = user;
    (void)sev;
    log->messages++;
    log->last_id = id;
    snprintf(log->last, sizeof log->last, "%s", message);
}

static void diagnostics_are_counted_and_limited(void)
{
    struct arena *a = arena_create();
    struct loc_table *t = loc_table_create(a);
    struct diag *d = diag_create(a, t);
    struct log log = {0};
    diag_set_sink(d, keep, &log);
    diag_set_error_limit(d, 2);
    CHECK(!diag_report(d, loc_text(t, "x.s", 4, 2), DIAG_ASM_SYNTAX, "no '%s'", "foo"));
    CHECK_STR(log.last, "x.s:4:2: error[asm-syntax]: no 'foo'");
    diag_note(d, LOC_NONE, "see %d", 3);
    CHECK_STR(log.last, "note: see 3");
    CHECK_INT(log.last_id, DIAG_ASM_SYNTAX);
    diag_report(d, LOC_NONE, DIAG_RANDOM_INPUT, "seed 1");
    CHECK_STR(log.last, "warning[random-input]: seed 1");
    CHECK_INT(diag_errors(d), 1);
    for (int i = 0; i < 5; i++) {
        diag_report(d, LOC_NONE, DIAG_USAGE, "bad\033");
        diag_note(d, LOC_NONE, "why");
    }
    CHECK_INT(diag_errors(d), 6);
    CHECK_INT(log.messages, 6); // error, note, warning; error, note; "further errors are not shown"
    arena_destroy(a);
}

static void files_appear_on_commit_only(void)
{
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, loc_table_create(a));
    struct log log = {0};
    diag_set_sink(d, keep, &log);
    unlink("out.txt");
    struct io_out *o = io_create("out.txt", a, d);
    CHECK(o);
    fputs("hello", io_file(o));
    CHECK(!io_exists("out.txt"));
    CHECK(io_commit(o, d));
    struct io_map m;
    CHECK(io_map_file(&m, "out.txt", 0, d) && m.size == 5 && memcmp(m.data, "hello", 5) == 0);
    io_unmap(&m);
    o = io_create("out.txt", a, d);
    fputs("never seen", io_file(o));
    io_abandon(o);
    CHECK(io_map_file(&m, "out.txt", 5, d) && m.size == 5);
    io_unmap(&m);
    CHECK(!io_map_file(&m, "out.txt", 4, d) && log.last_id == DIAG_LIMIT);
    io_unmap(&m);
    CHECK(!io_map_file(&m, "absent", 0, d) && log.last_id == DIAG_IO_READ);
    CHECK(!io_map_file(&m, ".", 0, d) && log.last_id == DIAG_IO_READ);
    CHECK(!io_create("absent/x", a, d) && log.last_id == DIAG_IO_WRITE);
    CHECK(io_write_file("empty", NULL, 0, d) && io_map_file(&m, "empty", 0, d) && m.size == 0 &&
          m.data);
    CHECK(io_make_dir("p/q/r", d) && io_make_dir("p/q/r/", d) && io_is_dir("p/q/r"));
    CHECK(!io_make_dir("out.txt/x", d));
    arena_destroy(a);
}

static void devices_and_links_are_written_through(void)
{
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, NULL);
    struct stat st;
    CHECK(io_write_file("/dev/null", "x", 1, d));
    CHECK(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
    unlink("link");
    CHECK(io_write_file("target", "old", 3, d) && symlink("target", "link") == 0);
    CHECK(io_write_file("link", "newer", 5, d));
    CHECK(lstat("link", &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(stat("target", &st) == 0 && st.st_size == 5);
    if (stat("/dev/full", &st) == 0) {
        struct log log = {0};
        diag_set_sink(d, keep, &log);
        CHECK(!io_write_file("/dev/full", "x", 1, d) && log.last_id == DIAG_IO_WRITE);
    }
    struct io_map m;
    CHECK(io_map_file(&m, "/proc/self/status", 0, d) && m.size > 10);
    io_unmap(&m);
    arena_destroy(a);
}

static void sizes_and_checksums(void)
{
    uint64_t v;
    CHECK(io_mul_ok(UINT64_MAX, 1, &v) && !io_mul_ok(UINT64_MAX, 2, &v) && io_mul_ok(5, 0, &v) &&
          v == 0);
    CHECK(io_add_ok(1, 2, &v) && v == 3 && !io_add_ok(UINT64_MAX, 1, &v));
    CHECK_INT(io_crc32("123456789", 9), 0xcbf43926);
}

int main(void)
{
    RUN(arena_gives_zeroed_aligned_memory);
    RUN(data_that_nobody_holds_goes_early);
    RUN(released_pages_are_read_again);
    RUN(without_a_pool_the_caller_works);
    RUN(arena_vectors_grow);
    RUN(tables_are_found_by_name_and_number);
    RUN(locations_are_shared_and_described);
    RUN(diagnostics_are_counted_and_limited);
    RUN(files_appear_on_commit_only);
    RUN(devices_and_links_are_written_through);
    RUN(sizes_and_checksums);
    return check_summary();
}
