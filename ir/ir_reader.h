// The state between lexer, grammar and module while IR text is read. Private to ir/.
//
// The grammar collects the pieces of one statement in vectors; at its end ir_reader.c makes the op
// of them and empties the vectors. Texts point into the lexer's copy of the input or into the
// reader's scratch arena, never into the module.
#ifndef BITLET_IR_READER_H
#define BITLET_IR_READER_H

#include "ir_priv.h"

struct reader_pos {
    uint32_t line, col;
};
struct reader_text {
    const char *s; // NUL-terminated, escapes undone
    struct reader_pos pos;
};
struct reader_num {
    double f;           // the value, whatever the form
    uint64_t magnitude; // of an integer
    bool is_int, negative;
    struct reader_pos pos;
};
enum reader_item_kind { READER_NUM, READER_WORD, READER_STR, READER_EXTENT };
struct reader_item {
    enum reader_item_kind kind;
    struct reader_num num;
    struct reader_text text;
};
struct reader_attr {
    struct reader_text name;
    size_t first, count; // of the items
    bool list;
};
struct reader_type {
    struct ir_type type;
    bool bad; // reported already
    bool has_addr;
    uint64_t addr;
};
struct reader_operand {
    struct reader_text name; // name.s NULL: absent
};
enum reader_data_form { READER_NO_DATA, READER_DATA_WORD, READER_DATA_CALL, READER_DATA_LIST };

struct reader_pending; // constants that are filled when the whole text is known to be good
struct reader_file;    // blob files mapped so far

struct ir_reader {
    struct ir_module *m;
    struct ir_graph *poison; // names whose definition failed: using them is no further error
    struct arena *arena, *scratch;
    struct diag *diag;
    const char *name;             // of the text
    const struct ir_blobs *blobs; // NULL: files beside the text
    bool has_header, failed;
    uint64_t filled_bytes; // of seed and splat constants
    struct reader_pending *pending;
    struct reader_file *files;

    // the lexer's
    struct reader_pos at;
    bool continued; // the last token lets the statement go on in the next line
    bool bad_token; // reported already

    // the pieces of the current statement
    struct reader_text *results;
    struct reader_operand *operands;
    struct reader_item *items;
    struct reader_attr *attrs;
    struct reader_type *types;
    size_t num_results, num_operands, num_items, num_attrs, num_types;
    size_t cap_results, cap_operands, cap_items, cap_attrs, cap_types;
    enum reader_data_form data_form;
    struct reader_text data_word;
    size_t data_first, data_count;
    loc_id loc;
};

bool reader_error(struct ir_reader *r, struct reader_pos at, enum diag_id id, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

// ---- collecting
void reader_add_result(struct ir_reader *r, struct reader_text name);
void reader_add_operand(struct ir_reader *r, struct reader_text name);
void reader_add_item(struct ir_reader *r, enum reader_item_kind kind, const struct reader_num *num,
                     const struct reader_text *text);
void reader_add_attr(struct ir_reader *r, struct reader_text name, size_t first, bool list);
void reader_add_type(struct ir_reader *r, const struct reader_text *dtype, size_t first);
void reader_set_addr(struct ir_reader *r, uint64_t addr);
void reader_set_data(struct ir_reader *r, enum reader_data_form form, struct reader_text word,
                     size_t first);
void reader_add_loc(struct ir_reader *r, struct reader_num index, struct reader_text node,
                    struct reader_text op_type, struct reader_num opset, const char *file);

// ---- what a statement ends with
void reader_header(struct ir_reader *r);
void reader_graph(struct ir_reader *r, struct reader_text name); // results and types are the inputs
void reader_op(struct ir_reader *r, struct reader_text op);
void reader_return(struct ir_reader *r,
                   struct reader_pos at); // operands, and items for their interface names
void reader_drop(struct ir_reader *r);    // the statement did not parse

// ---- reader_attr.c: checks name, kind and value, and sets it; false: reported.
bool reader_set_attr(struct ir_reader *r, struct ir_op *op, const struct reader_attr *a);
// False: no integer, or not one of 64 bits with sign.
bool reader_num_to_int(const struct reader_num *n, int64_t *v);

// ---- reader_data.c
// Data of a const op of known type from the pieces of the statement; false: reported.
bool reader_const_data(struct ir_reader *r, struct ir_op *op, const struct ir_type *type,
                       struct reader_pos at);
bool reader_fill_pending(struct ir_reader *r);

#endif
