// Time of a group's steps on PEs that share the broadcast of activations.
#include <string.h>

#include "bce_array.h"

#define CHUNK 256

static int64_t in_step(const struct bce_timing *t, const uint16_t *d, int num_pe, int64_t positions,
                       int64_t pe_stride, int64_t pos_stride, uint64_t *step_sum)
{
    uint64_t sum = 0, entry = 0; // entry: cycles that PEs wait for activations
    for (int64_t p0 = 0; p0 < positions; p0 += CHUNK) {
        int n = positions - p0 < CHUNK ? (int)(positions - p0) : CHUNK;
        uint16_t max[CHUNK] = {0};
        for (int pe = 0; pe < num_pe; pe++) {
            const uint16_t *row = d + pe * pe_stride + p0 * pos_stride;
            for (int i = 0; i < n; i++)
                max[i] = row[i * pos_stride] > max[i] ? row[i * pos_stride] : max[i];
        }
        for (int i = 0; i < n; i++) {
            sum += max[i];
            entry += max[i] < t->least ? (uint64_t)(t->least - max[i]) : 0;
        }
    }
    *step_sum += sum;
    return (int64_t)(sum + entry) + positions * t->overhead;
}

// D that does not depend on the position.
static int64_t in_step_constant(const struct bce_timing *t, const uint16_t *d, int num_pe,
                                int64_t positions, int64_t pe_stride, uint64_t *step_sum)
{
    int max = 0;
    for (int pe = 0; pe < num_pe; pe++)
        max = d[pe * pe_stride] > max ? d[pe * pe_stride] : max;
    *step_sum += (uint64_t)(positions * max);
    return positions * ((max > t->least ? max : t->least) + t->overhead);
}

// With FIFOs a step is broadcast once the slowest PE has begun the step `fifo` before it; a PE
// begins a step when it has been broadcast and the PE's previous one is done. Groups do not
// overlap: the weights change together.
static int64_t with_fifo(const struct bce_timing *t, const uint16_t *d, int num_pe,
                         int64_t positions, int64_t pe_stride, int64_t pos_stride, int64_t *work,
                         uint64_t *step_sum)
{
    int64_t *done = work, *begun = work + num_pe; // per PE; per step modulo fifo: by the last PE
    int64_t broadcast = 0, end = 0;
    memset(work, 0, sizeof *work * (size_t)(num_pe + t->fifo));
    for (int64_t p = 0; p < positions; p++) {
        int64_t *slot = &begun[p % t->fifo], last = 0;
        int max = 0;
        broadcast = *slot > broadcast ? *slot : broadcast;
        for (int pe = 0; pe < num_pe; pe++) {
            int cycles = d[pe * pe_stride + p * pos_stride];
            int64_t start = done[pe] > broadcast ? done[pe] : broadcast;
            done[pe] = start + t->overhead + (cycles > t->least ? cycles : t->least);
            last = start > last ? start : last;
            end = done[pe] > end ? done[pe] : end;
            max = cycles > max ? cycles : max;
        }
        *slot = last;
        *step_sum += (uint64_t)max;
    }
    return end;
}

int64_t bce_group_time(const struct bce_timing *t, const uint16_t *d, int num_pe, int64_t positions,
                       int64_t pe_stride, int64_t pos_stride, int64_t *work, uint64_t *step_sum)
{
    if (t->fifo > 0)
        return with_fifo(t, d, num_pe, positions, pe_stride, pos_stride, work, step_sum);
    if (pos_stride == 0)
        return in_step_constant(t, d, num_pe, positions, pe_stride, step_sum);
    return in_step(t, d, num_pe, positions, pe_stride, pos_stride, step_sum);
}

int bce_least_cycles(const struct bce_timing *t, int rows)
{
    return t->beat ? (rows + t->beat - 1) / t->beat : 0;
}

void bce_time_begin(const struct bce_timing *t, struct bce_time *time)
{
    *time = (struct bce_time){.cycles = t->weight_load + t->once, .load = t->weight_load};
}

int64_t bce_time_add(const struct bce_timing *t, int64_t busy, bool last, struct bce_time *time)
{
    int64_t wait = last || t->weight_load < busy ? 0 : t->weight_load - busy;
    time->cycles += busy + wait;
    time->tail = t->once + busy;
    return wait;
}
