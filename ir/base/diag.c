#include "diag.h"

#include <string.h>

const struct diag_info diag_info[DIAG_NUM] = {
#define DIAG(ENUM, name, sev, text)                                                                \
    [DIAG_##ENUM] = {.id = (name), .severity = DIAG_SEV_##sev, .doc = (text)},
#include "diag.def"
};

struct diag {
    struct loc_table *locs;
    struct arena *scratch;
    diag_sink *sink;
    void *user;
    enum diag_id last_id; // a note belongs to it
    int error_limit;
    int errors;
    bool muted; // the last message was over the limit, and so are its notes
};

static void print_to_stderr(void *user, enum diag_severity sev, enum diag_id id,
                            const char *message)
{
    (void)user, (void)sev, (void)id;
    fprintf(stderr, "%s\n", message);
}

struct diag *diag_create(struct arena *a, struct loc_table *locs)
{
    struct diag *d = ARENA_NEW(a, struct diag);
    d->locs = locs;
    d->scratch = a;
    d->sink = print_to_stderr;
    d->error_limit = 20;
    return d;
}

void diag_set_sink(struct diag *d, diag_sink *sink, void *user)
{
    d->sink = sink ? sink : print_to_stderr;
    d->user = user;
}

void diag_set_error_limit(struct diag *d, int limit)
{
    d->error_limit = limit;
}

struct loc_table *diag_locs(const struct diag *d)
{
    return d->locs;
}

int diag_errors(const struct diag *d)
{
    return d->errors;
}

loc_id diag_file(struct diag *d, const char *path)
{
    return d->locs ? loc_text(d->locs, path, 0, 0) : LOC_NONE;
}

// Text may quote an input: control characters other than line ends and tabs would reach the user's
// terminal.
static void blank_controls(char *s)
{
    for (; *s; s++)
        if (((unsigned char)*s < 0x20 && *s != '\n' && *s != '\t') || *s == 0x7f)
            *s = '?';
}

static void emit(struct diag *d, loc_id loc, enum diag_severity sev, const char *head,
                 const char *fmt, va_list ap)
{
    const char *where = d->locs ? loc_describe(d->locs, loc, d->scratch) : "";
    char *text = arena_vprintf(d->scratch, fmt, ap);
    char *message = arena_printf(d->scratch, "%s%s%s: %s", where, where[0] ? ": " : "", head, text);
    blank_controls(message);
    d->sink(d->user, sev, d->last_id, message);
}

bool diag_report(struct diag *d, loc_id loc, enum diag_id id, const char *fmt, ...)
{
    enum diag_severity sev = diag_info[id].severity;
    d->last_id = id;
    if (sev == DIAG_SEV_ERROR)
        d->errors++;
    d->muted = sev == DIAG_SEV_ERROR && d->errors > d->error_limit;
    if (d->muted) {
        if (d->errors == d->error_limit + 1)
            d->sink(d->user, DIAG_SEV_NOTE, id, "note: further errors are not shown");
        return false;
    }
    const char *kind = sev == DIAG_SEV_ERROR ? "error" : "warning";
    va_list ap;
    va_start(ap, fmt);
    emit(d, loc, sev, arena_printf(d->scratch, "%s[%s]", kind, diag_info[id].id), fmt, ap);
    va_end(ap);
    return false;
}

void diag_note(struct diag *d, loc_id loc, const char *fmt, ...)
{
    if (d->muted)
        return;
    va_list ap;
    va_start(ap, fmt);
    emit(d, loc, DIAG_SEV_NOTE, "note", fmt, ap);
    va_end(ap);
}
