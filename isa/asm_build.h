// Inside the ISA library: what the assembler's grammar calls. A context gathers one image; every
// mistake is reported at its line and column and the parse goes on, so that one run shows several.
// Texts point into the mapped source.
#ifndef BITLET_ASM_BUILD_H
#define BITLET_ASM_BUILD_H

#include "image.h"
#include "isa.h"

struct asm_text {
    const char *s;
    size_t len;
};
struct asm_pos {
    int line, col;
};
struct asm_number {
    struct asm_text text;
    bool negative, hex, fraction, too_large;
    uint64_t magnitude; // of a number without fraction
};
enum asm_operand_kind {
    ASM_BARE_NAME,
    ASM_BARE_NUMBER,
    ASM_DISTANCE,
    ASM_NAMED_NAME,
    ASM_NAMED_NUMBER
};
struct asm_operand {
    enum asm_operand_kind kind;
    struct asm_text name;  // BARE_NAME, and the field of NAMED_*
    struct asm_text value; // NAMED_NAME
    struct asm_number number;
    struct asm_pos pos;
};
enum asm_section { ASM_TEXT, ASM_RODATA, ASM_LANES, ASM_SECTION_NUM };

struct asm_bytes {
    uint8_t *data;
    size_t size, cap;
};
struct asm_label {
    struct asm_text name;
    uint64_t pc;
    struct asm_pos pos;
};
struct asm_fixup {
    uint64_t pc; // the branch
    int field;
    struct asm_text name;
    struct asm_pos pos;
};

enum { ASM_OPERANDS_MAX = 16 };

struct asm_ctx {
    const char *path;
    const char *source;
    size_t source_size, read_at; // read_at: what the scanner's buffer has taken
    size_t token_at, next_at;    // where the token and the one behind it begin
    int line, col;               // of next_at
    bool at_line_start;          // the last token was the end of a line
    bool scan_failed;            // the scanner has reported something on this line

    struct arena *arena;   // of the image
    struct arena *scratch; // of labels, fixups and messages
    struct diag *diag;
    struct image *image;
    int errors;

    enum asm_section section;
    struct asm_bytes bytes[ASM_SECTION_NUM];
    struct asm_operand operands[ASM_OPERANDS_MAX];
    int num_operands;
    enum dtype data_type;
    int64_t dims[BITLET_MAX_RANK];
    uint64_t extents[BITLET_MAX_RANK];
    int rank;

    struct asm_label *labels;
    size_t num_labels, cap_labels;
    struct asm_fixup *fixups;
    size_t num_fixups, cap_fixups;
    struct asm_pos *input_pos, *output_pos;
    size_t cap_input_pos, cap_output_pos, cap_inputs, cap_outputs, cap_layers, cap_locs, cap_host,
        cap_times;
    struct asm_pos machine_pos, heap_pos, predict_pos, loc_pos; // line 0: not seen
    uint32_t loc_layer; // waits for its instruction while loc_pos.line != 0
};

__attribute__((format(printf, 4, 5))) void asm_error(struct asm_ctx *c, struct asm_pos pos,
                                                     enum diag_id id, const char *fmt, ...);
bool asm_gives_up(const struct asm_ctx *c); // too many errors to go on

// The scanner and the parser over c->source.
BITLET_MUST_USE bool asm_parse_source(struct asm_ctx *c);

struct asm_number asm_scan_number(struct asm_text text);
bool asm_text_is(struct asm_text t, const char *s);

void asm_add_label(struct asm_ctx *c, struct asm_text name, struct asm_pos pos);
void asm_add_operand(struct asm_ctx *c, struct asm_operand op);
void asm_add_insn(struct asm_ctx *c, struct asm_text op,
                  struct asm_pos pos); // takes the operands gathered
void asm_drop_operands(struct asm_ctx *c);

void asm_set_section(struct asm_ctx *c, enum asm_section section);
void asm_add_hex(struct asm_ctx *c, struct asm_text digits, struct asm_pos pos);
void asm_add_zeros(struct asm_ctx *c, struct asm_number n, struct asm_pos pos);
void asm_add_number(struct asm_ctx *c, struct asm_number n, struct asm_pos pos); // of c->data_type
void asm_add_named_number(struct asm_ctx *c, struct asm_text name, struct asm_pos pos);

void asm_set_machine(struct asm_ctx *c, struct asm_text json, struct asm_pos pos);
void asm_set_preset(struct asm_ctx *c, struct asm_text quoted, struct asm_pos pos);
void asm_set_heap(struct asm_ctx *c, struct asm_number n, struct asm_pos pos);
void asm_add_dim(struct asm_ctx *c, struct asm_number n, struct asm_pos pos);
void asm_set_extent(struct asm_ctx *c, struct asm_number addr, struct asm_pos pos);
void asm_add_io(struct asm_ctx *c, bool is_input, struct asm_text quoted, struct asm_text type,
                struct asm_number addr, struct asm_pos pos);
void asm_add_host(struct asm_ctx *c, struct asm_text quoted, struct asm_pos pos);
void asm_add_layer(struct asm_ctx *c, struct asm_text op, struct asm_text value,
                   struct asm_pos pos);
// The node of the layer added last.
void asm_set_node(struct asm_ctx *c, struct asm_text word, struct asm_number index,
                  struct asm_text name, struct asm_text op_type, struct asm_pos pos);
void asm_set_prediction(struct asm_ctx *c, struct asm_text timing, struct asm_number cycles,
                        struct asm_pos pos);
// First and last cycle, cycles of the array, effects of the next layer.
void asm_add_time(struct asm_ctx *c, const struct asm_number field[4], struct asm_pos pos);
void asm_set_loc(struct asm_ctx *c, struct asm_number layer, struct asm_pos pos);

// An unsigned number up to max, or false and a message that says what it is for.
BITLET_MUST_USE bool asm_unsigned(struct asm_ctx *c, struct asm_number n, uint64_t max,
                                  const char *what, struct asm_pos pos, uint64_t *out);
BITLET_MUST_USE bool asm_float_bits(struct asm_ctx *c, struct asm_number n, struct asm_pos pos,
                                    uint32_t *out);
uint8_t *asm_append(struct asm_ctx *c, enum asm_section section, size_t len,
                    struct asm_pos pos); // zeroed; NULL past the bound
void asm_resolve_labels(struct asm_ctx *c);

#endif
