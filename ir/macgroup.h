// Element-wise ops that run on the tiles of the op before them, while these are in the activation
// buffer: what the pass fuse-tiles, allocation and instruction selection must agree on.
//
// A group is its head and the ops with the attribute `fused` that follow it; constants may stand
// between them. Every one makes a tensor of the shape of the head's result from at least one value
// of the group. Values that only the group uses are never in DRAM.
//
// The head is a MAC op: tiles are its tiles. Other operands have the same shape and lie in DRAM,
// from where their part is loaded for each tile, or have one element. Or the head is a pool or an
// element-wise op: tiles are ranges of the outermost extent above 1, and other operands are read
// where they lie. Nothing here owns memory.
#ifndef BITLET_MACGROUP_H
#define BITLET_MACGROUP_H

#include "mactile.h"

#define MAC_GROUP_OPS 8
#define MAC_GROUP_SLOTS (2 * MAC_GROUP_OPS + 1)

// A value of which there is a tile in the activation buffer.
struct mac_slot {
    const struct ir_value *value;
    bool loaded;   // from DRAM, before the tile is computed
    bool stored;   // to DRAM: others use it
    int place;     // slots of one place share memory, one after the other
    int last_use;  // op of the group, -1: none
    int64_t bytes; // of an element
};
struct mac_group {
    const struct ir_op *head;
    const struct ir_op *op[MAC_GROUP_OPS];
    int num_ops;
    struct mac_slot slot[MAC_GROUP_SLOTS]; // 0: the MAC op's result
    int num_slots, num_places;
    int64_t place_bytes[MAC_GROUP_SLOTS]; // of an element
};
static inline bool mac_is_fused(const struct ir_op *op)
{
    return ir_has_attr(op, IR_A_fused) && ir_int(op, IR_A_fused, 0) != 0;
}
// The op before or after in its list, constants left out.
const struct ir_op *mac_group_next(const struct ir_op *op);
bool mac_can_head(const struct ir_op *op);
// Starts a group of its head alone, and adds an op; false: it cannot run on the tiles. Whether its
// other operands are there before the head is the caller's to know.
void mac_group_begin(struct mac_group *g, const struct ir_op *head);
bool mac_group_add(struct mac_group *g, const struct ir_op *op);
// The group as it stands in the list; false: an op that is marked does not fit into it.
bool mac_group_of(const struct ir_op *head, struct mac_group *out);
int mac_group_slot(const struct mac_group *g, const struct ir_value *v); // -1: none
// Whether only the group of the op that makes it uses a value.
bool mac_stays_in_group(const struct ir_value *v);
// Bytes of an element of a tile, besides the result's, that a group may come to take that begins
// with the MAC op; an upper bound where only direct users and theirs join.
int64_t mac_group_guess(const struct ir_op *mac);

// What lies where in the activation buffer: everything twice.
struct mac_layout {
    bool keeps_x;
    int64_t y, raw;                  // offsets of the first instance
    int64_t place[MAC_GROUP_SLOTS];  // place 0 is y
    int64_t stride[MAC_GROUP_SLOTS]; // from the first instance to the second
    int64_t bytes;                   // of all
};
void mac_layout_of(const struct mac_space *s, const struct mac_group *g, int64_t act_buffer,
                   struct mac_layout *out);

// The same for a head that is no MAC op: extents along dimension `dim` that a tile has, and the
// bytes of each place, which are there twice and begin at `start`. False: a tile of extent 1 takes
// more than a quarter of the buffer.
struct mac_strips {
    int dim;
    int64_t extent, count;           // of a tile, number of tiles
    int64_t start;                   // byte of the activation buffer
    int64_t place[MAC_GROUP_SLOTS];  // from start
    int64_t stride[MAC_GROUP_SLOTS]; // from the first instance to the second
};
// The MAC op behind a group between whose steps the group's strips can run, for it needs nothing of
// the group; NULL: there is none. That both fit into the buffer is another matter.
const struct ir_op *mac_beside(const struct mac_group *g);
// Whether the op is the last of a group that is marked to run so.
bool mac_ends_beside(const struct ir_op *op);
bool mac_strips_of(const struct mac_group *g, int64_t act_buffer, struct mac_strips *out);

#endif
