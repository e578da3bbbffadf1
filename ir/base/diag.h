// Diagnostics: the user's mistakes, collected and reported, several a run. Ids come from diag.def.
//
// A function that reports returns false or NULL; the caller goes on where that makes sense. Nothing
// below a main exits.
#ifndef BITLET_DIAG_H
#define BITLET_DIAG_H

#include <stdbool.h>
#include <stdio.h>

#include "arena.h"
#include "loc.h"

#define BITLET_MUST_USE __attribute__((warn_unused_result))

enum diag_id {
#define DIAG(ENUM, id, severity, doc) DIAG_##ENUM,
#include "diag.def"
    DIAG_NUM
};
enum diag_severity { DIAG_SEV_ERROR, DIAG_SEV_WARNING, DIAG_SEV_NOTE };

struct diag_info {
    const char *id;
    enum diag_severity severity;
    const char *doc;
};
extern const struct diag_info diag_info[DIAG_NUM];

struct diag;
// Called with every finished message ("net.onnx: node 3 'x' (Conv, opset 11): error[onnx-attr]:
// text").
typedef void diag_sink(void *user, enum diag_severity sev, enum diag_id id, const char *message);

// The table of locations is borrowed and may be NULL (then locations print as nothing). Default
// sink: stderr.
struct diag *diag_create(struct arena *a, struct loc_table *locs);
void diag_set_sink(struct diag *d, diag_sink *sink, void *user);
void diag_set_error_limit(struct diag *d,
                          int limit); // default 20; further ones are counted, not shown
struct loc_table *diag_locs(const struct diag *d);
int diag_errors(const struct diag *d);
// A location that stands for a file as a whole.
loc_id diag_file(struct diag *d, const char *path);

// Reports; the severity is the row's. Returns false, so that `return diag_report(...)` reads well.
bool diag_report(struct diag *d, loc_id loc, enum diag_id id, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
// A line that belongs to the message before it.
void diag_note(struct diag *d, loc_id loc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
