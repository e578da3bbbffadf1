// Machine state and the accessors through which every instruction changes it: bounds checks, the
// commit log and the statistics live here and in no instruction. Private to sim/.
#ifndef BITLET_SIM_STATE_H
#define BITLET_SIM_STATE_H

#include "isa.h"
#include "sim.h"
#include "stats.h"
#include "threads.h"

struct sim_view {
    uint64_t base;
    enum dtype dtype;
    int rank;
    int64_t extent[ISA_MAX_RANK];
    int64_t stride[ISA_MAX_RANK]; // elements
    int8_t axis[ISA_MAX_RANK];    // -1: none
    int64_t step[ISA_MAX_RANK];
    int64_t origin[ISA_MAX_AXES];
    int64_t limit[ISA_MAX_AXES]; // meaningful for axes some dimension is on
    uint64_t fill;               // the element's bits
};

struct sim_region { // one segment of the address space
    uint64_t base, bytes;
    uint8_t *host;
    bool writable;
};
enum sim_region_id {
    SIM_REGION_RODATA,
    SIM_REGION_LANES,
    SIM_REGION_HEAP,
    SIM_REGION_ABUF,
    SIM_REGION_WBUF,
    SIM_REGION_NUM
};

// Time of an instruction as its unit sees it, filled by the body; the run loop places it on the
// timeline.
struct sim_cost {
    int64_t cycles;     // unit busy
    int64_t load, tail; // array: of them the first and the last, see struct bce_time
    int64_t dram_read, dram_write, buffer_read, buffer_write; // bytes
};
#define SIM_MAX_TOUCH 40 // hcall: 31 tensors
struct sim_touch { // a byte range (address space) or psum range that an instruction reads or writes
    uint64_t lo, hi; // [lo, hi)
    bool write, psum;
};

struct sim_pack_config {
    bool quant, clamp;
    int bits;
    float min, max, q;
};

#define SIM_KEPT 2
struct sim_kept {
    uint64_t lo, hi;
};

struct sim_decoded; // exec.c
struct sim_timeline;
struct first_use;
struct sim_refs;
struct predict;
struct dma_queue;

struct sim {
    const struct image *img;
    struct machine machine;
    struct sim_options opt;
    struct arena *arena;
    int64_t x[ISA_XREGS];
    struct sim_view t[ISA_TREGS];
    uint64_t pc;      // of the instruction being executed
    uint64_t next_pc; // of the one after it; branches change it
    bool halted;
    struct sim_region region[SIM_REGION_NUM];
    uint64_t *psum; // entries: int64, or the bits of an fp32 in the low half
    int64_t psum_entries;
    struct sim_pack_config pcfg;
    struct sim_fault fault;
    struct sim_cost cost; // of the instruction being executed
    struct sim_touch touch[SIM_MAX_TOUCH];
    int num_touch;
    struct sim_stats stats;
    struct sim_layer_stats *layer;  // statistics the current instruction counts into, never NULL
    size_t near_layer;              // of image_layer_at
    struct thread_pool *pool;       // worker threads
    void *bce;                      // working memory of the datapath (exec_bce.c)
    struct sim_kept kept[SIM_KEPT]; // bytes it keeps copies of; a write to them sets hi to 0
    struct sim_timeline *timeline;
    struct first_use *first_use; // of lane tiles, for statistics
    struct predict *predict;     // NULL: the run makes values
    struct dma_queue *dma;       // transfers that wait (exec_dma.h)
    struct sim_refs *refs;       // values behind the handles of strings and lists
    struct sim_decoded *decoded; // cache of decoded instructions, by pc
    uint8_t *scratch;            // see sim_scratch
    size_t scratch_bytes;
};

// Records the first fault and returns false.
bool sim_fault_at(struct sim *s, enum sim_fault_kind kind, uint64_t addr, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

// Number of elements. False: a VIEW fault when an extent is negative or there are more than
// SIM_MAX_ELEMS; a LIMIT fault when the run's bound on cycles cannot hold that many (so that no
// single instruction outlives the bound by much).
#define SIM_MAX_ELEMS (1ll << 40)
BITLET_MUST_USE bool sim_view_elems(struct sim *s, const struct sim_view *v, int64_t *out);
// Checks once that every element the view can touch lies in one region (dimension by dimension,
// clipped by the axes' bounds), records the touch for the timeline and gives the host address of
// `base + offset 0` (which may itself lie outside; only in-bounds elements are to be used). False:
// a LOAD, STORE or VIEW fault. A view without elements inside (an extent 0, or nothing but border)
// gives true and *host NULL. After success: the element count is at most SIM_MAX_ELEMS; the byte
// offset of every index, inside or not, is below 2^44 in size and every coordinate below 2^60, so
// that sums of them do not overflow; every element is aligned to its size (else VIEW).
BITLET_MUST_USE bool sim_view_map(struct sim *s, const struct sim_view *v, bool write,
                                  uint8_t **host);
// The same for plain bytes.
BITLET_MUST_USE bool sim_bytes_map(struct sim *s, uint64_t addr, uint64_t bytes, bool write,
                                   uint8_t **host);
BITLET_MUST_USE bool sim_psum_map(struct sim *s, int64_t first, int64_t entries, bool write,
                                  uint64_t **out);
// Bytes of the view's elements, counted into cost as DRAM or buffer traffic according to its
// region. Borders count nothing, elements repeated by stride 0 count once, and DRAM bytes that
// overlapping windows share count once.
void sim_count_view(struct sim *s, const struct sim_view *v, bool write);
// The region that holds the view's elements; SIM_REGION_NUM when there are none or they lie in
// none.
enum sim_region_id sim_view_region(const struct sim_view *v);
// Whether some of its dimensions count along a bounded axis.
bool sim_view_has_axes(const struct sim_view *v);
// Whether that is DRAM (rodata, lanes, heap) and not an on-chip buffer.
bool sim_view_in_dram(const struct sim_view *v);
// Number of elements inside the borders, of a view that sim_view_map has accepted.
int64_t sim_view_inside(const struct sim_view *v);
// Whether no two elements can lie in the same place: every stride steps over all that smaller ones
// reach. Only then does the order of writes not matter.
bool sim_view_disjoint(const struct sim_view *v);
// Working memory of one instruction, at least `bytes`, 64-byte aligned; valid until the next call.
void *sim_scratch(struct sim *s, size_t bytes);

// Register writes, entered in the commit log where there is one. A write to x0 does nothing.
void sim_write_x(struct sim *s, int64_t reg, int64_t value);
void sim_log_t(struct sim *s, int64_t reg); // after td was changed
// Zeroed memory of the simulated machine, page-aligned, taken from the system as it is touched, or,
// when little is asked for, ahead of that. NULL: the system refuses.
void *sim_reserve(size_t bytes, bool ahead);
void sim_release(void *p, size_t bytes);

// One body per instruction; false: s->fault is set. Table in exec.c.
#define ISA_INSN(name, text, opcode, fmt, unit, doc)                                               \
    bool sim_exec_##name(struct sim *s, const struct isa_args_##fmt *in);
#include "isa.def"

#endif
