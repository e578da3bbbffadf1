// What the files of ir/ share among themselves. Nothing outside includes it.
#ifndef BITLET_IR_PRIV_H
#define BITLET_IR_PRIV_H

#include "ir.h"

enum {
    IR_TEXT_ELEMS = 16,     // constants up to this many elements are written out
    IR_ELEMS_LOG2_MAX = 40, // no value has more than 2^40 elements
};
#define IR_ELEMS_MAX (INT64_C(1) << IR_ELEMS_LOG2_MAX)

// ---- ops.c
const char *ir_attr_text(enum ir_attr_id id);                         // the printed name
int ir_attr_by_text(enum ir_opcode op, const char *text, size_t len); // -1: the op has none such
// Levels in order of their bits; NULL past the last.
const char *ir_level_text(int index, uint32_t *bit);
const char *ir_mode_text(int64_t mode); // NULL: no such mode
bool ir_mode_by_text(const char *text, size_t len, int64_t *mode);

// ---- infer.c
// Types of all results of op into out (op->num_out entries); those of a host op are the ones it
// already has. Operand counts and the presence of attributes are checked, their kinds are not.
BITLET_MUST_USE bool ir_infer_types(const struct ir_op *op, struct ir_type *out, struct diag *d);

// ---- verify_flow.c: whether markers nest and fit their partners, op by op in order of execution.
struct ir_regions {
    struct arena *scratch;
    struct ir_region {
        const struct ir_op *open;
        unsigned id; // of the definitions in it; 0 is the graph
    } * stack;
    size_t depth, cap;
    unsigned num;
    bool *ended; // by id
    size_t ended_cap;
};
BITLET_MUST_USE bool ir_regions_leave(struct ir_regions *r, const struct ir_op *op, struct diag *d);
void ir_regions_enter(struct ir_regions *r, const struct ir_op *op);
static inline unsigned ir_regions_id(const struct ir_regions *r)
{
    return r->depth ? r->stack[r->depth - 1].id : 0;
}

// ---- constdata.c: elements of constants from numbers. Conversion of file text, not execution.
// False when the value does not fit the type (integers only; floats round to nearest even).
bool ir_put_double(struct tensor *t, int64_t i, double v);
bool ir_put_int(struct tensor *t, int64_t i, bool negative, uint64_t magnitude);

// ---- blobs.c
struct ir_blob_ref {           // where a constant's data lies in a file
    const struct tensor *data; // the reference holds for this data only
    const char *file;          // as written in the text
    uint64_t offset;
    uint32_t crc;
};
// The place of t's data in the blob file, appended when it is not there yet.
struct ir_blob_ref ir_blobs_place(struct ir_blobs *b, const struct tensor *t);
// What was placed at exactly that offset with so many bytes, or NULL.
const void *ir_blobs_at(const struct ir_blobs *b, uint64_t offset, uint64_t bytes);

// ---- textbuf.c: text that grows in an arena.
struct textbuf {
    struct arena *arena;
    char *text; // always NUL-terminated once something was written
    size_t len, cap;
};
void textbuf_add(struct textbuf *t, const char *s, size_t len);
void textbuf_puts(struct textbuf *t, const char *s);
void textbuf_printf(struct textbuf *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void textbuf_quote(struct textbuf *t, const char *s); // "..." with escapes that the lexer undoes
void textbuf_double(struct textbuf *t,
                    double v); // shortest text that reads back as v, never like an integer
void textbuf_float(struct textbuf *t, float v); // the same for a value of single precision

// ---- print.c
void ir_print_text(const struct ir_module *m, struct ir_blobs *blobs, struct textbuf *t);
bool ir_name_is_plain(const char *name); // needs no quotes after % or @

#endif
