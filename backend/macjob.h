// What the steps of a MAC op share while they are selected: the tile loop of mactile.h (ir), the
// places of its operands in the buffers, and what was loaded last. Private to this folder.
#ifndef BITLET_MACJOB_H
#define BITLET_MACJOB_H

#include "emit.h"
#include "macgroup.h"

enum { T_X = 10, T_Y = 11, T_SCALE = 12, T_BIAS = 13, T_RAW = 14 };

struct mac_job {
    struct emit *e;
    const struct ir_op *op;
    struct mac_plan plan;
    struct mac_tiling tiling;
    struct mac_demand demand;
    struct mac_space space;     // largest over the problems
    int64_t *lanes_offset;      // per problem; NULL when weights are packed at run time
    const struct emit_pin *pin; // NULL: weights are loaded where they are needed
    int64_t *pin_offset;        // per problem, from the pin's base
    enum ir_mode mode;
    int lanes;
    bool map;     // lane maps follow the weights
    bool dynamic; // some extent is known only at run time
    struct mac_group group;
    struct mac_layout at;                    // bytes in the activation buffer; x begins at 0
    uint32_t layer, op_layer[MAC_GROUP_OPS]; // opened layers
    bool op_opened[MAC_GROUP_OPS];
    int group_slot; // half of each place of the group that was loaded last
    // What was loaded last, so that a step loads only what changed.
    int64_t x_problem, x_tile, x_chunk, w_problem, w_oc, w_chunk;
    // The weight buffer as a ring: load n lies in slot (w_first + n) % w_slots.
    int64_t w_slots, w_first, w_slot_bytes, w_loads;
};

struct mac_step {
    int64_t problem, tile, oc, chunk;
    int xslot, group_slot;
    int64_t w_load; // number of the load that brings the step's weights
    int64_t wbuf;   // byte offset of the step's lanes in the weight buffer
};

// Steps whose weights are on their way, in order.
enum { AHEAD_MAX = 32, RING_MAX = 16 };
struct mac_ahead {
    struct mac_step next; // the first that is not in the queue
    bool more;
    struct mac_step queue[AHEAD_MAX];
    int first, count;
};

// ---- The loop nest

// Reports what does not fit or has no tile.
BITLET_MUST_USE bool job_begin(struct mac_job *j, struct emit *e, const struct ir_op *op);
const struct mac_problem *job_problem(const struct mac_job *j, const struct mac_step *s);
int64_t job_oc_tiles(const struct mac_job *j, const struct mac_problem *p);
int64_t job_step_pes(const struct mac_job *j, const struct mac_step *s);
// The positions and the part of K that a step takes; all_k: all of K.
struct mac_tile job_step_tile(const struct mac_job *j, const struct mac_step *s, bool all_k);
// The step behind it; false: it was the last.
bool job_next_step(const struct mac_job *j, struct mac_step *s);
// Whether the step is the last chunk of its tile.
bool job_ends_tile(const struct mac_job *j, const struct mac_step *s);
// Address of an element of a value, and a transfer between views of equal extents.
uint64_t job_element_addr(const struct ir_value *v, int64_t element);
void job_dma(struct emit *e, enum isa_op op, struct emit_view to, struct emit_view from);

// ---- Loads (macload.c)

uint64_t job_x_addr(const struct mac_job *j, int slot);
// Bring what the step needs unless it is there, and note in the step where it lies.
void job_load_x(struct mac_job *j, struct mac_step *s);
void job_load_w(struct mac_job *j, struct mac_step *s);
// Before the first load of weights.
void job_open_ring(struct mac_job *j);
void job_load_lanes(struct mac_job *j, int64_t wbuf, int64_t offset, int64_t bytes);
void job_pack_weights(struct mac_job *j, const struct mac_step *s, int slot, int64_t wbuf);
// Brings the rows of x that the step's PEs hold, where operands are exchanged (macheld.c), to
// `raw`: index k of row i is element k * pes + i.
void job_load_rows(struct mac_job *j, const struct mac_step *s, int64_t pes, uint64_t raw);
int64_t job_chunk_bytes(const struct mac_job *j, const struct mac_step *s);
// Weights of the steps behind the one whose load is `now_load`, as far as slots are free; then
// those of the first of them.
void job_load_ahead(struct mac_job *j, struct mac_ahead *a, int64_t now_load);
void job_take_weights(struct mac_ahead *a, struct mac_step *s);

// ---- Results (macstore.c)

// Brings what the group's ops take besides the tile.
void job_load_group(struct mac_job *j, struct mac_step *s);
void job_configure_pack(struct emit *e, const struct ir_op *op);
void job_pack_and_store(struct mac_job *j, const struct mac_step *s, int64_t psum);

// ---- Weights that stay over a loop (macpin.c)

// NULL: the op's weights do not stay.
struct emit_pin *job_find_pin(const struct emit *e, const struct ir_op *op);

#endif
