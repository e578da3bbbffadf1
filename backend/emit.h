// The instruction stream under construction, and tensor views as the selector thinks of them.
// Private to backend/.
//
// A view is described once as a struct and written into a t register by emit_view, which leaves out
// what the register already holds; so a loop over tiles costs a `tbase` per tile and not a whole
// description.
#ifndef BITLET_BACKEND_EMIT_H
#define BITLET_BACKEND_EMIT_H

#include "backend.h"
#include "isa.h"

struct emit_view {
    uint64_t base;
    enum dtype dtype;
    int rank;
    int64_t extent[ISA_MAX_RANK], stride[ISA_MAX_RANK]; // elements
    const struct ir_value *sym[ISA_MAX_RANK]; // NULL, or where the extent lies at run time
    bool part[ISA_MAX_RANK];     // with a symbol: of those indices the view has at most `extent`,
    int64_t first[ISA_MAX_RANK]; // from this one on
    int axis[ISA_MAX_RANK];      // -1: none
    int64_t step[ISA_MAX_RANK];
    int64_t origin[ISA_MAX_AXES], limit[ISA_MAX_AXES];
    // NULL, or a limit at run time: of the coordinates grain apart from `coord` on, at most `limit`
    const struct ir_value *limit_sym[ISA_MAX_AXES];
    int64_t coord[ISA_MAX_AXES], grain[ISA_MAX_AXES];
    int num_axes;
    uint64_t fill;
};

struct emit_strips;

struct emit {
    const struct ir_module *module;
    const struct machine *machine;
    struct arena *arena;
    struct diag *diag;
    uint8_t *text;
    size_t text_bytes, text_cap;
    struct image_layer *layers;
    size_t num_layers, layers_cap;
    struct image_loc *locs;
    size_t num_locs, locs_cap;
    const char **host;
    size_t num_host, host_cap;
    struct emit_view held[ISA_TREGS]; // what each register holds
    bool holds[ISA_TREGS];
    uint64_t asked[ISA_TREGS], asks; // when emit_view_any last gave a register; how often it did
    char *messages;                  // of traps, behind the constants of the module
    size_t messages_bytes, messages_cap;
    bool has_pcfg;
    struct isa_args_PCFG pcfg;    // what the packagers are set to
    struct emit_region {          // of control flow, that is open
        size_t body;              // first instruction of a loop's body
        size_t exit[2], num_exit; // branches that leave, without their target
    } * regions;
    size_t num_regions, regions_cap;
    // Weights that lie in front of the weight buffer while a loop runs.
    const struct ir_op *pin_loop; // NULL: none
    struct emit_pin {
        const struct ir_op *op;
        int64_t base; // of its lanes
        uint32_t layer;
    } * pins;
    size_t num_pins, pins_cap;
    // Strips that wait for a MAC op between whose steps they run.
    struct emit_strips *beside;     // NULL: none
    int64_t pin_bytes;              // behind them is the ring of the others
    int64_t wbuf_end;               // of the last weights, from the ring's start
    int wslot, aslot, oslot, pslot; // halves of the buffers that the next tile uses
};

void emit_insn(struct emit *e, struct isa_insn in);
#define EMIT(e, OP, FMT, ...)                                                                      \
    emit_insn((e), (struct isa_insn){.op = ISA_##OP, .FMT = {__VA_ARGS__}})

// A view without dimensions; dimensions are then added outermost first.
struct emit_view view_at(uint64_t base, enum dtype t);
void view_add(struct emit_view *v, int64_t extent, int64_t stride);
// The extent of the dimension added last is that of dimension d of the type.
void view_same_extent(struct emit_view *v, const struct ir_type *t, int d);
// The dimension added last has those of the indices first .. first + its extent - 1 that are there.
void view_part_of(struct emit_view *v, const struct ir_value *sym, int64_t first);
void view_add_axis(struct emit_view *v, int64_t extent, int64_t stride, int axis, int64_t step);
void view_set_axis(struct emit_view *v, int axis, int64_t origin, int64_t limit);
// The limit of an axis is the extent d of the type.
void view_limit(struct emit_view *v, int axis, const struct ir_type *t, int d);
// The dense view of a value's memory in its own shape.
struct emit_view view_of(const struct ir_value *v);
// Views of equal extents: drops dimensions of extent 1 and joins neighbours that all n views walk
// alike, so that ranks shrink. Views without axes only. At least one dimension remains.
void views_merge(struct emit_view *v, int n);

// The place of the next instruction becomes a target of branches: registers hold nothing known
// there.
size_t emit_label(struct emit *e);
// A branch emitted at `at` without its target goes to `target`.
void emit_patch(struct emit *e, size_t at, size_t target);

void emit_view(struct emit *e, int treg, const struct emit_view *v);
// The view in one of the registers T_ANY .. that are not in *taken, which it joins: in one that
// holds it, else in one whose description it shares, else in the one not asked for the longest.
enum { T_ANY = 16 };
int emit_view_any(struct emit *e, const struct emit_view *v, uint32_t *taken);
// A view without gaps over the extents of a type, strides computed at run time.
void emit_dense_view(struct emit *e, int treg, uint64_t base, const struct ir_type *t);
// xreg = extent d of the type. Uses no other register.
void emit_extent(struct emit *e, int xreg, const struct ir_type *t, int d);
// Opens the layer of an op: what follows is attributed to it.
void emit_layer(struct emit *e, const struct ir_op *op);
// What follows is attributed to a layer that was opened before, e->num_layers - 1 then.
void emit_layer_again(struct emit *e, uint32_t layer);
// One element-wise instruction: the result's view, then the operands', all of equal extents.
void emit_element_op(struct emit *e, const struct ir_op *op, const struct emit_view *v);
// Takes the group of an op that is marked to run beside the MAC op behind it; false: it is not.
bool emit_put_beside(struct emit *e, const struct ir_op *op);
// Emits the share of the waiting strips that falls on one of the `steps` steps that are left; with
// 0 steps all of them, if their place begins within the first `bytes` of the activation buffer.
void emit_beside(struct emit *e, int64_t steps, int64_t bytes);
// The bits of a number as the f32 that an instruction field holds.
int64_t emit_float_bits(double v);
// Places the text of a trap; gives its address.
uint64_t emit_message(struct emit *e, const char *text, size_t len);
// Row of the host table for a kernel.
int emit_host(struct emit *e, const char *kernel);

// Brings weights of MAC ops inside a loop that the loop does not change into the weight buffer, as
// many as fit beside what the others need; emit_unpin ends that. For the outermost loop only.
bool emit_pin_weights(struct emit *e, const struct ir_op *loop);
void emit_unpin(struct emit *e, const struct ir_op *loop);

#define IR_OP(ENUM, text, in_min, in_max, outs, TRAITS, doc)                                       \
    bool select_##ENUM(struct emit *e, const struct ir_op *op);
#include "ops.def"

#endif
