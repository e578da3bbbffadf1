// The IR: modules, graphs, ops, values, attributes. One IR from import to instruction selection;
// its level is a property.
//
// Everything lives in the module's arena. Ops form a doubly linked list in execution order; every
// value knows its uses. Only build.c edits lists and uses. Types are element type and extents,
// always known once inference has run over an op. An extent known only at run time has a bound,
// which sizes memory, and a symbol: the i64 scalar that holds the extent. Two extents are equal
// when their symbols are one value.
#ifndef BITLET_IR_H
#define BITLET_IR_H

#include "diag.h"
#include "dtype.h"
#include "fn.h"
#include "tensor.h"

#define IR_MAX_RANK BITLET_MAX_RANK

enum ir_opcode {
#define IR_OP(ENUM, text, in_min, in_max, outs, TRAITS, doc) IR_OP_##ENUM,
#include "ops.def"
    IR_OP_NUM
};
enum ir_attr_id {
#define IR_ATTR(name, KIND, doc) IR_A_##name,
#include "ops.def"
    IR_A_NUM
};
// clang-format off
enum ir_attr_kind { IR_AK_I, IR_AK_IS, IR_AK_F, IR_AK_D, IR_AK_FS, IR_AK_T, IR_AK_U, IR_AK_B, IR_AK_R, IR_AK_M, IR_AK_S };
// clang-format on
enum ir_mode { IR_MODE_FIXED = 0, IR_MODE_FP32 = 1, IR_MODE_FP16 = 2 }; // as ISA_MODE_*
enum ir_trait {
    IR_T_MAC = 1,
    IR_T_ELT = 2,
    IR_T_MOVE = 4,
    IR_T_PURE = 8,
    IR_T_ALIAS = 16,
    IR_T_OPEN = 32,
    IR_T_CLOSE = 64
};
// Properties of a module; passes need, give and break them (passes.def).
enum ir_level {
    IR_L_IMPORTED = 1,   // straight from the frontend
    IR_L_SHAPED = 2,     // every type known and checked
    IR_L_QUANTISED = 4,  // every MAC op has a mode
    IR_L_TILED = 8,      // every MAC op has its tile
    IR_L_PACKED = 16,    // constant weights are lanes
    IR_L_SCHEDULED = 32, // ops in final order
    IR_L_ALLOCATED = 64, // every value has an address
};

struct ir_type {
    bool known;
    enum dtype dtype;
    int rank;
    int64_t dim[IR_MAX_RANK];          // with a symbol: the most that it can be
    struct ir_value *sym[IR_MAX_RANK]; // NULL: the extent is dim
};

struct ir_use { // one operand slot
    struct ir_op *op;
    int index;
    struct ir_use *next, *prev; // in the value's list, whose order no result may depend on
};
struct ir_value {
    const char *name; // unique in its graph, without the %
    struct ir_type type;
    struct ir_graph *graph;
    struct ir_op *def; // NULL: graph input
    int def_index;
    struct ir_use *uses;
    int num_uses;   // operand slots, graph outputs not counted
    bool is_output; // a graph output
    bool is_extent; // the symbol of some type; counts as a use
    bool has_addr;  // allocated
    uint64_t addr;  // machine address (image.h spaces)
};
struct ir_attr {
    enum ir_attr_id id;
    int64_t i;         // I, T (enum dtype), U, B, R, M
    double f;          // F (a value of single precision), D
    const int64_t *is; // IS
    const double *fs;  // FS
    int n;             // of IS, FS
    const char *s;     // S
};
struct ir_op {
    enum ir_opcode op;
    loc_id loc;
    int num_in, num_out, num_attrs;
    struct ir_value **in; // NULL entries: absent optional operands
    struct ir_use *in_uses;
    struct ir_value **out;
    struct ir_attr *attrs;     // ascending id
    const struct tensor *data; // CONST only; may point into a mapped file that outlives the module
    const struct ir_blob_ref *blob; // where the data lies in a file, private to blobs.c and print.c
    struct ir_op *prev, *next;
    struct ir_graph *graph;
};
struct ir_graph {
    const char *name;
    struct ir_module *module;
    struct ir_value **inputs, **outputs;
    const char **output_names; // interface names of the outputs (the values may be named otherwise)
    int num_inputs, num_outputs;
    struct ir_op *first, *last;
    struct ir_names *names; // taken value names, private to build.c
};
struct ir_module {
    struct arena *arena;
    struct loc_table *locs;
    const char *source;                             // the ONNX file, or ""
    const char *machine;                            // name or file the module was tiled for, or ""
    uint32_t level;                                 // enum ir_level bits
    uint64_t heap_bytes, rodata_bytes, lanes_bytes; // once ALLOCATED
    struct ir_graph *main;
};

struct ir_op_info {
    const char *text;
    int in_min, in_max, outs;
    uint32_t traits;
    const char *doc;
};
struct ir_attr_info {
    const char *name; // as printed: fn_unary, fn_binary and fn_reduce all print as "fn"
    enum ir_attr_kind kind;
    const char *doc;
};
extern const struct ir_op_info ir_op_info[IR_OP_NUM];
extern const struct ir_attr_info ir_attr_info[IR_A_NUM];
bool ir_op_has_attr(enum ir_opcode op, enum ir_attr_id id, bool *required);
int ir_op_by_text(const char *text, size_t len);

// ---- build.c
struct ir_module *ir_module_create(struct arena *a);
struct ir_graph *ir_graph_create(struct ir_module *m, const char *name);
struct ir_value *ir_graph_add_input(struct ir_graph *g, const char *name,
                                    const struct ir_type *type);
void ir_graph_add_output(struct ir_graph *g, struct ir_value *v, const char *interface_name);
// A new op before `before` (NULL: at the end), results of unknown type. Result names: `name` (may
// be NULL) made unique and legal.
struct ir_op *ir_op_create(struct ir_graph *g, struct ir_op *before, enum ir_opcode op, loc_id loc,
                           struct ir_value *const *in, int num_in, int num_out, const char *name);
// The value of that name, or NULL.
struct ir_value *ir_graph_find(const struct ir_graph *g, const char *name, size_t len);
void ir_value_rename(struct ir_value *v, struct ir_graph *g, const char *name); // made unique
void ir_op_set_operand(struct ir_op *op, int index, struct ir_value *v);
void ir_op_add_operands(struct ir_op *op, int num_in); // grows to num_in, new ones absent
// All uses of `old` (graph outputs too) become `with`; locations of the users stay.
void ir_value_replace(struct ir_value *old, struct ir_value *with);
void ir_op_erase(struct ir_op *op); // its results must be unused
void ir_op_move_before(struct ir_op *op, struct ir_op *before);

// Values of the attribute `round`.
enum ir_rounding { IR_ROUND_ZERO, IR_ROUND_EVEN, IR_ROUND_FLOOR, IR_ROUND_CEIL };

void ir_set_int(struct ir_op *op, enum ir_attr_id id, int64_t v);  // I, T, U, B, R, M
void ir_set_float(struct ir_op *op, enum ir_attr_id id, double v); // F: rounded to float; D
void ir_set_ints(struct ir_op *op, enum ir_attr_id id, const int64_t *v, int n);  // copied
void ir_set_floats(struct ir_op *op, enum ir_attr_id id, const double *v, int n); // copied
void ir_set_str(struct ir_op *op, enum ir_attr_id id, const char *s);             // copied
void ir_attr_remove(struct ir_op *op, enum ir_attr_id id);
const struct ir_attr *ir_attr_find(const struct ir_op *op, enum ir_attr_id id); // NULL: absent
bool ir_has_attr(const struct ir_op *op, enum ir_attr_id id);
int64_t ir_int(const struct ir_op *op, enum ir_attr_id id, int64_t dflt);
double ir_float(const struct ir_op *op, enum ir_attr_id id, double dflt);
const int64_t *ir_ints(const struct ir_op *op, enum ir_attr_id id, int *n); // NULL and 0: absent

static inline struct ir_value *ir_operand(const struct ir_op *op, int i)
{
    return i < op->num_in ? op->in[i] : NULL;
}
// No effect beyond its results, which follow from operands and attributes: PURE ops, and host calls
// that say so.
bool ir_is_pure(const struct ir_op *op);
// The data of a value that a const op defines, else NULL.
const struct tensor *ir_const_data(const struct ir_value *v);
// Bytes of a const op's data in a binary: elements, and of strings the text behind them.
size_t ir_const_bytes(const struct ir_op *op);
static inline bool ir_is_mac(const struct ir_op *op)
{
    return (ir_op_info[op->op].traits & IR_T_MAC) != 0;
}
static inline bool ir_opens(const struct ir_op *op)
{
    return (ir_op_info[op->op].traits & IR_T_OPEN) != 0;
}
static inline bool ir_closes(const struct ir_op *op)
{
    return (ir_op_info[op->op].traits & IR_T_CLOSE) != 0;
}
static inline bool ir_is_marker(const struct ir_op *op)
{
    return ir_opens(op) || ir_closes(op);
}

// ---- region.c: regions that markers delimit (ops.def). The graph is one that verifies.
// The marker that ends the region which op opens, and the one that begins what op closes.
struct ir_op *ir_region_close(const struct ir_op *open);
struct ir_op *ir_region_open(const struct ir_op *close);
// The op before which an op on v alone can stand so that it serves `user` and every other user that
// follows: user itself, or the begin marker of the outermost loop or if that holds user but not v.
struct ir_op *ir_place_for(const struct ir_value *v, struct ir_op *user);

// ---- type.c
int64_t ir_type_elems(const struct ir_type *t);
size_t ir_type_bytes(const struct ir_type *t);
bool ir_type_equal(const struct ir_type *a, const struct ir_type *b);
struct ir_type ir_type_make(enum dtype t, const int64_t *dim, int rank);
const char *ir_type_text(const struct ir_type *t, struct arena *a); // "f32[1,3,8,8]"
bool ir_type_is_dynamic(const struct ir_type *t);                   // some extent has a symbol
bool ir_op_is_dynamic(const struct ir_op *op); // an operand's or result's type is
// Whether the result lies where operand 0 does, element by element.
bool ir_op_is_alias(const struct ir_op *op);
// NumPy broadcasting with symbols: an extent known only at run time goes with one of the same
// symbol and with 1. False: does not fit, or cannot be known to.
bool ir_broadcast_types(const struct ir_type *a, const struct ir_type *b, struct ir_type *out);
// NumPy broadcasting of two shapes; false when they do not fit.
bool ir_broadcast_dims(const struct ir_type *a, const struct ir_type *b, int64_t *dim, int *rank);
// The storage type of an integer of so many bits: i8, i16, i32.
enum dtype ir_int_storage(int bits);

// ---- infer.c: result types from operand types and attributes; reports ir-type (or, with a NODE
// location, onnx-shape / onnx-type) with the numbers.
BITLET_MUST_USE bool ir_infer(struct ir_op *op, struct diag *d);

// ---- verify.c: structure, attributes, types of every op, order of definitions, level properties.
// Reports; false if anything is wrong.
BITLET_MUST_USE bool ir_verify(const struct ir_module *m, struct diag *d);

// ---- blobs.c: the file beside a text that holds the data of its larger constants.
// Placing records where data will lie; commit writes the file (none when nothing was placed), and
// until then the data must stay. Data is known by its address: several modules and dumps may share
// one blob file, and what they share is stored once. path NULL: never written (ir_roundtrips).
struct ir_blobs;
BITLET_MUST_USE struct ir_blobs *ir_blobs_create(const char *path, struct arena *a, struct diag *d);
// May be called again after more was placed.
BITLET_MUST_USE bool ir_blobs_commit(struct ir_blobs *b, struct diag *d);

// ---- print.c
// Canonical text. Constants of more than 16 elements are placed in the blob file. blobs NULL: those
// of a parsed module keep naming the file they came from, others print as `external` (readable, not
// parseable back).
void ir_print(const struct ir_module *m, FILE *f, struct ir_blobs *blobs);
// With its blob file path.bin beside it.
BITLET_MUST_USE bool ir_print_file(const struct ir_module *m, const char *path, struct diag *d);

// ---- ir_lex.l, ir_parse.y, ir_reader.c: text -> module in arena a (blob files are looked up
// beside the text and mapped for good). Reports several errors; NULL if any. What is returned has
// passed ir_verify.
BITLET_MUST_USE struct ir_module *ir_parse_file(const char *path, struct arena *a,
                                                struct loc_table *locs, struct diag *d);
BITLET_MUST_USE struct ir_module *ir_parse_text(const char *text, size_t len, const char *name,
                                                struct arena *a, struct loc_table *locs,
                                                struct diag *d);
// Whether print(parse(print(m))) == print(m). Nothing is written to files. If not, *why says where
// the texts differ or what does not parse.
bool ir_roundtrips(const struct ir_module *m, struct arena *scratch, const char **why);

// ---- builder.c: ops with attributes set and types inferred; NULL operand or failed inference
// gives NULL (already reported), and NULL passes through, so a chain of calls needs one check at
// its end.
struct ir_builder {
    struct ir_graph *graph;
    struct ir_op *before; // NULL: append
    loc_id loc;
    struct diag *diag;
};
// The data is borrowed and must outlive the module.
struct ir_value *irb_const(struct ir_builder *b, const struct tensor *t, const char *name);
struct ir_value *irb_const_f32(struct ir_builder *b, double v);                 // rank 0
struct ir_value *irb_const_like(struct ir_builder *b, enum dtype t, double v);  // rank 0, of type t
struct ir_value *irb_const_i64s(struct ir_builder *b, const int64_t *v, int n); // rank 1
struct ir_value *irb_unary(struct ir_builder *b, enum unary_fn fn, struct ir_value *x);
struct ir_value *irb_binary(struct ir_builder *b, enum binary_fn fn, struct ir_value *x,
                            struct ir_value *y);
struct ir_value *irb_select(struct ir_builder *b, struct ir_value *c, struct ir_value *x,
                            struct ir_value *y);
struct ir_value *irb_convert(struct ir_builder *b, struct ir_value *x, enum dtype to,
                             bool saturate);
struct ir_value *irb_bitcast(struct ir_builder *b, struct ir_value *x, enum dtype to);
struct ir_value *irb_reduce(struct ir_builder *b, enum reduce_fn fn, struct ir_value *x,
                            const int64_t *axes, int n, bool keep);
struct ir_value *irb_pool(struct ir_builder *b, enum reduce_fn fn, struct ir_value *x, int spatial,
                          const int64_t *kernel, const int64_t *strides, const int64_t *dilations,
                          const int64_t *pads);
struct ir_value *irb_reshape(struct ir_builder *b, struct ir_value *x, const int64_t *dim,
                             int rank);
struct ir_value *irb_transpose(struct ir_builder *b, struct ir_value *x, const int64_t *perm);
struct ir_value *irb_slice(struct ir_builder *b, struct ir_value *x, const int64_t *starts,
                           const int64_t *sizes, const int64_t *steps);
struct ir_value *irb_concat(struct ir_builder *b, struct ir_value *const *x, int n, int64_t axis);
struct ir_value *irb_pad(struct ir_builder *b, struct ir_value *x, const int64_t *before,
                         const int64_t *after, double value);
struct ir_value *irb_broadcast(struct ir_builder *b, struct ir_value *x, const int64_t *dim,
                               int rank);
// x, of which only the first n elements along axis are there; n, an i64 scalar, is at most the
// extent of x (the caller's care).
struct ir_value *irb_extent(struct ir_builder *b, struct ir_value *x, struct ir_value *n,
                            int64_t axis);
// x at the extents dim: zeros behind its elements, or without those past them.
struct ir_value *irb_fit(struct ir_builder *b, struct ir_value *x, const int64_t *dim);
// The extent that graph input x has in this run.
struct ir_value *irb_input_extent(struct ir_builder *b, struct ir_value *x, int64_t axis);
// reshape and broadcast to extents known only at run time: sym[i] NULL, or the extent, at most
// dim[i]. That the elements are as many is the caller's care.
struct ir_value *irb_reshape_to(struct ir_builder *b, struct ir_value *x, const struct ir_type *t);
struct ir_value *irb_broadcast_to(struct ir_builder *b, struct ir_value *x,
                                  const struct ir_type *t);
// The extent of a dimension as i64 scalar.
struct ir_value *irb_extent_of(struct ir_builder *b, const struct ir_value *x, int dim);
struct ir_value *irb_gather(struct ir_builder *b, struct ir_value *x, struct ir_value *idx,
                            int64_t axis);
struct ir_value *irb_gather_elements(struct ir_builder *b, struct ir_value *x, struct ir_value *idx,
                                     int64_t axis);
// fn: -1 replaces, else an enum reduce_fn combines.
struct ir_value *irb_scatter(struct ir_builder *b, struct ir_value *x, struct ir_value *idx,
                             struct ir_value *updates, int64_t axis, int fn);
struct ir_value *irb_scan(struct ir_builder *b, enum reduce_fn fn, struct ir_value *x, int64_t axis,
                          bool exclusive, bool reverse);
// The sorted values; *where: whence they come.
struct ir_value *irb_sort(struct ir_builder *b, struct ir_value *x, int64_t axis, bool descending,
                          struct ir_value **where);
// A call of a kernel that fills one tensor from scalars alone.
struct ir_value *irb_host_fill(struct ir_builder *b, const char *kernel, const struct ir_type *type,
                               const int64_t *ints, int num_ints, const double *floats,
                               int num_floats);
// A check that every element of cond, a bool, is true. False: cond is NULL or no bool (reported).
bool irb_check(struct ir_builder *b, struct ir_value *cond, const char *message);
struct ir_value *irb_conv(struct ir_builder *b, struct ir_value *x, struct ir_value *w,
                          struct ir_value *bias, int spatial, const int64_t *strides,
                          const int64_t *dilations, const int64_t *pads, int64_t group);
// Result extents known only at run time: one for each spatial dimension, NULL where it is known.
struct ir_value *irb_conv_to(struct ir_builder *b, struct ir_value *x, struct ir_value *w,
                             struct ir_value *bias, int spatial, const int64_t *strides,
                             const int64_t *dilations, const int64_t *pads, int64_t group,
                             struct ir_value *const *extent);
struct ir_value *irb_pool_to(struct ir_builder *b, enum reduce_fn fn, struct ir_value *x,
                             int spatial, const int64_t *kernel, const int64_t *strides,
                             const int64_t *dilations, const int64_t *pads,
                             struct ir_value *const *extent);
struct ir_value *irb_conv_transpose(struct ir_builder *b, struct ir_value *x, struct ir_value *w,
                                    struct ir_value *bias, int spatial, const int64_t *strides,
                                    const int64_t *dilations, const int64_t *pads,
                                    const int64_t *outpad, int64_t group);
struct ir_value *irb_matmul(struct ir_builder *b, struct ir_value *x, struct ir_value *y,
                            struct ir_value *bias);
// Markers; NULL when a needed operand is NULL or inference fails. Results: the iteration number and
// carried values; carried values and stacked elements; none; none; the values.
struct ir_op *irb_loop_begin(struct ir_builder *b, struct ir_value *trip, struct ir_value *cond,
                             struct ir_value *const *init, int n);
// next: carried values, then the elements; trips: the most iterations, < 0: there are no elements.
struct ir_op *irb_loop_end(struct ir_builder *b, struct ir_value *cond,
                           struct ir_value *const *next, int n, int carried, int64_t trips);
struct ir_op *irb_if_begin(struct ir_builder *b, struct ir_value *cond);
struct ir_op *irb_else_begin(struct ir_builder *b, struct ir_value *const *v, int n);
struct ir_op *irb_if_end(struct ir_builder *b, struct ir_value *const *v, int n);

#endif
