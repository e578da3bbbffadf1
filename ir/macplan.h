// Geometry of MAC ops: one description from which tiling, lane packing, evaluation of cost and
// instruction selection follow.
//
// A MAC op is a list of independent problems   out[oc][p] = sum over k of W[oc][k] * X[k][p].   k
// and p run over boxes of dimensions (row-major, outermost first); every dimension moves the
// element offset in x (and in w, or in the result) by its stride and may move a coordinate along a
// spatial axis, which must stay inside [0, limit) or the activation is zero.
//   conv: one problem per block of channel groups (small groups share a problem, their weights on
//     the diagonal, see `diag`, when those are constant). Several outputs of a small K cannot share
//     a group of one PE: its adder tree has no tap before the sum of all lanes. They share the
//     group's activations, each on a PE of its own whose other weights are not valid: outputs of
//     several channel groups, and with the attribute `patch` those of neighbouring positions, which
//     read overlapping windows. K is then the window of the patch;
//   conv_transpose: one problem per stride phase and block of groups, an ordinary convolution with
//     part of the kernel, written with stride;
//   matmul: one problem per batch element; one for all when the stationary operand is the same for
//     every one.
// Extents known only at run time are there with their bounds, and with their symbols.
//
// An op with the attribute `distill` has operands exchanged: x is stationary, w moves. A problem is
// then out[position][oc]: its `noc` rows are the positions, its positions the output channels, and
// `held` is the problem that it was, whose x coordinates say where the rows lie. Leading position
// dimensions that the result does not lay out one after the other make problems of their own.
//
// All problems of an op have the same dimensions in the same order, nothing dropped: positions are
// n and the spatial ones (conv), rows (matmul; with a shared stationary operand 0: batch, columns);
// K is channels and taps, with the diagonal of groups before them if there is one.
#ifndef BITLET_MACPLAN_H
#define BITLET_MACPLAN_H

#include "ir.h"

#define MAC_MAX_DIMS 5
#define MAC_MAX_AXES 3

struct mac_dim {
    int64_t extent;
    int64_t xstride; // elements of x (of the moving operand)
    int64_t wstride; // K dimensions: elements of w; position dimensions: 0
    int64_t ostride; // position dimensions: elements of the result; K dimensions: 0
    int axis;        // -1: none
    int64_t step;    // along the axis
    // Where only the first indices are there at run time: how many; else NULL.
    const struct ir_value *sym;
};
// Outputs side by side along one axis. Place i takes, at coordinate c of the window, tap c - shift
// * i where there is one. Its results lie i * ostride further; positions are `extent` outputs
// apart.
struct mac_places {
    int64_t extent, shift, taps, ostride;
};
struct mac_problem {
    int64_t noc; // output channels = rows of W
    struct mac_dim k[MAC_MAX_DIMS], p[MAC_MAX_DIMS];
    int nk, np;                   // at least 1 each
    int64_t origin[MAC_MAX_AXES]; // coordinate at k = 0, p = 0
    int64_t limit[MAC_MAX_AXES];
    const struct ir_value *limit_sym[MAC_MAX_AXES]; // the limit at run time, or NULL
    const struct ir_value *noc_sym;                 // the channels at run time, or NULL
    int num_axes;
    int64_t batch; // matmul with a problem for each batch element: its number
    // Element offsets at index 0. xbase may be negative or past the end: coordinates are outside.
    int64_t xbase, wbase, obase;
    int64_t w_oc, o_oc; // strides of the output channel in w and in the result
    int64_t channel0;   // first output channel, for scale and bias; channel of oc = channel0 + oc
    // No weight takes part, there may not even be one: every activation is zero, all K extents
    // are 1.
    bool empty;
    // 1, or: k[0] has extent diag, and channel oc uses only k[0] index oc / (noc / diag); then
    // w offset = wbase + oc * w_oc + sum over the other K dims (k[0].wstride is 0).
    int64_t diag;
    // Rows of an output channel, one after the other: 1, or the product of the places along the
    // axes, row-major. w_oc and o_oc are those of a channel; channel of row = channel0 + row /
    // patch.
    int64_t patch;
    struct mac_places place[MAC_MAX_AXES];
    // NULL, or the problem before operands were exchanged, restricted to the rows of this one: row
    // i is position i of it. w_oc and the wstride of K are not used then.
    const struct mac_problem *held;
};
struct mac_plan {
    const struct ir_op *op;
    struct ir_value *moving, *stationary; // x and w; exchanged for matmul with stationary = 0, or
                                          // by `distill`
    struct mac_problem *problem;
    int num_problems;
    int64_t channels; // length of bias and scale
    // Multiplications of the layer arithmetic, padding taps of conv included; those of
    // conv_transpose are x elements * kernel. INT64_MAX: more than that.
    int64_t macs;
};
// group: N of the machine (decides how many small channel groups share a problem), pes: its PEs.
// Weight and result shapes come from types, or from `wshape` once packed.
BITLET_MUST_USE bool mac_plan_make(const struct ir_op *op, int64_t group, int64_t pes,
                                   struct arena *a, struct diag *d, struct mac_plan *out);
// The same without `distill` and `patch`: the products and sums that values follow from.
BITLET_MUST_USE bool mac_plan_values(const struct ir_op *op, int64_t group, int64_t pes,
                                     struct arena *a, struct diag *d, struct mac_plan *out);
// Element of w, from wbase, that row `row` has at index k; -1: none, the weight is not valid.
int64_t mac_weight_offset(const struct mac_problem *p, int64_t row, int64_t k);
int64_t mac_extent_k(const struct mac_problem *p); // product of the K extents
int64_t mac_extent_p(const struct mac_problem *p);
// Lanes that a mode and weight width take: fixed bits - 1 (1 for int1), fp32 24, fp16 11.
int mac_lanes(enum ir_mode mode, int wbits);
// Whether the op can take the attribute `patch` with more than one output along a dimension, as far
// as its kind goes: a convolution whose extents are known, dilation 1 there.
bool mac_can_patch(const struct ir_op *op);
// Index of the operand that is stationary without `distill`.
int mac_weights_index(const struct ir_op *op);
// Lanes of the operand that the op holds: activations, which have a lowest number, take one more.
int mac_op_lanes(const struct ir_op *op);
// Whether the op can take the attribute `distill`: fixed point, extents known, every problem has
// weights.
bool mac_can_hold_activations(const struct ir_op *op);

#endif
