// Transfers that have been placed on the timeline but not carried out yet: until something else
// touches what they read or write, or beside the next work of the array. Private to sim/.
#ifndef BITLET_SIM_EXEC_DMA_H
#define BITLET_SIM_EXEC_DMA_H

#include "state.h"

// In the simulator's arena; without one nothing can be in the way.
struct dma_queue;
void dma_create(struct sim *s);
// Carries out what waits.
void dma_settle(struct sim *s);
// The same, when something of it is in the way of an access to memory.
void dma_settle_for(struct sim *s, uint64_t lo, uint64_t hi, bool write);
// What waits, for whoever has threads at work: pieces 0 .. dma_pieces() - 1 of dma_piece, with the
// simulator as `user`, in any order on any thread; dma_done() when all have been carried out.
int dma_pieces(const struct sim *s);
void dma_piece(void *user, int piece, int worker);
void dma_done(struct sim *s);

#endif
