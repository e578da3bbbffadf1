// Weights to bit-significance lanes, at compile time. The layout is the one of image.h inside a
// lane tile and of mactile.h around it. Pure: writes `out`, remembers nothing.
#ifndef BITLET_LANES_H
#define BITLET_LANES_H

#include "lanemap.h"
#include "mactile.h"
#include "threads.h"

struct lanes_source {
    const struct tensor *w; // integers (fixed), f32 (fp32) or f16 (fp16)
    enum ir_mode mode;
    int lanes;                 // magnitude bits, 1..24
    const struct machine *map; // the machine to make lane maps for; NULL: none
    struct thread_pool *pool;  // shares the work; NULL: nobody
};
// Packs the weights of every problem i to out + offset[i]; offsets and size from mac_lanes_layout,
// out zeroed. False when a weight needs more lanes than there are: *bad is then its element in w.
BITLET_MUST_USE bool lanes_pack(const struct mac_plan *plan, int64_t kchunk,
                                const struct mac_demand *m, const struct lanes_source *src,
                                const int64_t *offset, struct arena *scratch, uint8_t *out,
                                int64_t *bad);
// Whether weights of this element type can be packed in the mode.
bool lanes_takes(enum ir_mode mode, enum dtype t);

#endif
