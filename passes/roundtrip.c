// print(parse(print(m))) == print(m), checked through files as a user's editor would see them.
#include "pass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"

// Both prints go by the same name, in a folder each, because the text names its blob file.
struct places {
    char dir[64];
    const char *first, *second; // the .bir files
    const char *folder;         // of the second
};

static bool make_places(struct places *p, struct arena *a, struct diag *d)
{
    const char *tmp = getenv("TMPDIR");
    if (tmp == NULL || strlen(tmp) > 32)
        tmp = "/tmp";
    snprintf(p->dir, sizeof p->dir, "%s/bitlet-XXXXXX", tmp);
    if (mkdtemp(p->dir) == NULL)
        return diag_report(d, LOC_NONE, DIAG_IO_WRITE, "cannot make a temporary folder in %s", tmp);
    p->folder = arena_printf(a, "%s/again", p->dir);
    p->first = arena_printf(a, "%s/module.bir", p->dir);
    p->second = arena_printf(a, "%s/module.bir", p->folder);
    return io_make_dir(p->folder, d);
}

static void remove_places(const struct places *p, struct arena *a)
{
    unlink(p->first);
    unlink(arena_printf(a, "%s.bin", p->first));
    unlink(p->second);
    unlink(arena_printf(a, "%s.bin", p->second));
    rmdir(p->folder);
    rmdir(p->dir);
}

// The first line where two texts differ, 0 when they are equal.
static int first_difference(const struct io_map *a, const struct io_map *b)
{
    int line = 1;
    size_t n = a->size < b->size ? a->size : b->size;
    for (size_t i = 0; i < n; i++) {
        if (a->data[i] != b->data[i])
            return line;
        line += a->data[i] == '\n';
    }
    return a->size == b->size ? 0 : line;
}

static void show_line(const char *what, const struct io_map *m, int line)
{
    const uint8_t *s = m->data, *end = m->data + m->size;
    while (line > 1 && s < end)
        line -= *s++ == '\n';
    const uint8_t *stop = s < end ? memchr(s, '\n', (size_t)(end - s)) : s;
    fprintf(stderr, "%s: %.*s\n", what, (int)((stop != NULL ? stop : end) - s), (const char *)s);
}

static bool compare(const struct places *p, const char *after, struct diag *d)
{
    struct io_map x = {0}, y = {0};
    bool ok = io_map_file(&x, p->first, 0, d) && io_map_file(&y, p->second, 0, d);
    int line = ok ? first_difference(&x, &y) : 0;
    if (line != 0) {
        show_line("printed", &x, line);
        show_line("again  ", &y, line);
        bitlet_bug(
            "the text of the module after '%s' does not come back equal: line %d, see %s and %s",
            after, line, p->first, p->second);
    }
    io_unmap(&x);
    io_unmap(&y);
    return ok;
}

bool pass_check_roundtrip(const struct ir_module *m, const char *after, struct diag *d)
{
    struct arena *a = arena_create();
    struct places p;
    bool ok = make_places(&p, a, d);
    if (ok && ir_print_file(m, p.first, d)) {
        struct loc_table *locs = loc_table_create(a);
        struct ir_module *back = ir_parse_file(p.first, a, locs, d);
        if (back == NULL)
            bitlet_bug("the text of the module after '%s' does not parse: %s", after, p.first);
        ok = ir_print_file(back, p.second, d) && compare(&p, after, d);
    } else {
        ok = false;
    }
    remove_places(&p, a);
    arena_destroy(a);
    return ok;
}
