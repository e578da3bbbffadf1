// The bit-column engines: what a group of N weights against N activations gives, in value and in
// cycles.
//
// Two executions of the same rules. bce_rtl.c walks every RR-reg through every cycle, one group at
// a time. bce_plan.c and bce_vector.c make the same selections for many positions at once from a
// plan per stationary tile. They share the types here and the tiles, and no arithmetic: that is
// what makes comparing them worth something. Nothing here allocates; callers hand in all memory.
#ifndef BITLET_BCE_H
#define BITLET_BCE_H

#include "stats.h"

#define BCE_MAX_N SIM_MAX_GROUP
#define BCE_MAX_WORDS (BCE_MAX_N / 64)
#define BCE_LANES SIM_MAX_LANES
#define BCE_WINDOW 8
#define BCE_QUIET_NAN 0x7fc00000u

enum bce_walk {
    BCE_WALK_WINDOW, // the check window's rule
    BCE_WALK_IDEAL,  // a set bit every cycle
    BCE_WALK_ALL     // every lane visits all N positions
};

struct bce_config {
    int n;          // positions of a group, 1..BCE_MAX_N
    int mode;       // ISA_MODE_*
    uint32_t prune; // bit b set: lane b works
    enum bce_walk walk;
    bool compat; // the quirks of the authors' RTL
    bool fast;   // plans also hold whole weights
    bool whole;  // and nothing else: every tile's fit (bce_whole_fits), and rows are I8
    bool bound;  // lanes that cannot be the slowest are not walked: their cycles are a lower bound
    bool uncounted; // selections of floats and first uses of tiles need not be counted
    int regs;       // RR-regs of a PE whose tiles have lane maps (fixed point, not compat); else 0
};

static inline bool bce_is_float(const struct bce_config *c)
{
    return c->mode != ISA_MODE_fixed;
}

enum bce_code { BCE_CODE_MAGNITUDE, BCE_CODE_SIGNED_DIGITS, BCE_CODE_TWOS_COMPLEMENT };
// image.h gives the meaning.
struct bce_map {
    enum bce_code code;
    int regs, limit;
    uint32_t walked, marked, first;
    uint8_t start[BCE_LANES];
};
// What one RR-reg walks: positions [start, end) of a digit lane.
struct bce_range {
    int lane, start, end;
    bool sum; // begins with the sum of the group's activations
};

// The stationary weights of one (group, PE). Bits where `valid` is clear, and bits past N, are zero
// in sign and columns.
struct bce_tile {
    int n_calc; // the walk ends after this position; -1: the PE has no weights
    int macs;
    uint64_t valid[BCE_MAX_WORDS];
    uint64_t sign[BCE_MAX_WORDS];
    uint64_t col[BCE_LANES][BCE_MAX_WORDS];
    uint8_t exp[BCE_MAX_N]; // floats; 0 where the magnitude is 0
    // with a map
    int lanes, count; // of magnitudes; positions of the group
    struct bce_map map;
};

// Bytes of a tile in the layout of image.h.
size_t bce_tile_bytes(int n, int lanes, bool is_float);
// Positions at or past `limit` are taken as without weight, whatever the bytes say.
void bce_tile_load(const struct bce_config *c, int lanes, int limit, const uint8_t *bytes,
                   struct bce_tile *out);
// Writes n weights; lanes[b] bits come from mag[i], exponents from exp[i] (floats). Position i is
// valid for i < count.
void bce_tile_store(const struct bce_config *c, int lanes, int count, const uint32_t *mag,
                    const bool *neg, const uint8_t *exp, uint8_t *bytes);

size_t bce_map_bytes(int regs);
void bce_map_load(const uint8_t *bytes, int regs, struct bce_map *out);
void bce_map_store(const struct bce_map *m, int regs, uint8_t *bytes);
// NULL: the map is well-formed and needs no other extensions than those of `ext`.
const char *bce_map_fault(const struct bce_map *m, int regs, int lanes, uint32_t ext);
// Makes the map of a plain tile for c->regs RR-regs and the machine's extensions.
void bce_map_make(const struct bce_config *c, uint32_t ext, struct bce_tile *t);
// The ranges of a well-formed map's RR-regs.
void bce_map_ranges(const struct bce_map *m, int count, struct bce_range *out);

static inline bool bce_bit(const uint64_t *words, int i)
{
    return (words[i >> 6] >> (i & 63)) & 1;
}

// ---- Literal execution --------------------------------------------------------------------------

struct bce_trace {
    // A lane's emission in a cycle (0 = first of the distillation): the index selected, -1 for
    // "fill 0".
    void (*emit)(void *user, int cycle, int lane, int index);
    void *user;
};

struct bce_group {
    int64_t acc; // the 64-bit accumulator
    int emax;    // floats: largest exponent sum; 0 when no product counts
    int d;       // distillation cycles
    uint16_t selections[BCE_LANES];
    uint16_t cycles[BCE_LANES];
};

// a: N activations; fixed: 25-bit two's complement, sign-extended; floats: the bits of the f32 or
// f16. trace may be NULL.
void bce_rtl_group(const struct bce_config *c, const struct bce_tile *t, const uint32_t *a,
                   const struct bce_trace *trace, struct bce_group *out);
// A tile with a lane map; fixed point.
void bce_rtl_mapped(const struct bce_config *c, const struct bce_tile *t, const uint32_t *a,
                    struct bce_group *out);
// The final packager: fp32 bits of a float group's sum.
uint32_t bce_rtl_pack_float(const struct bce_config *c, int64_t acc, int emax);
// The same, or what IEEE gives when infinities or NaNs are among the operands (not in compat).
uint32_t bce_rtl_result(const struct bce_config *c, const struct bce_tile *t, const uint32_t *a,
                        const struct bce_group *g);
// fp32 addition of a group to a partial sum, round to nearest even, one NaN.
uint32_t bce_rtl_add(uint32_t a, uint32_t b);
// The RTL's fixed-point packager: shift, saturate to 25 bits; its word layout.
uint32_t bce_rtl_pack_fixed(int64_t acc, int quant);

// ---- Vector execution ---------------------------------------------------------------------------

// Parts of the memory that callers hand in are aligned to 64 bytes.
static inline size_t bce_round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

#define BCE_ROW_BYTES 512 // one row of a block: 128 words, or two halves of 256 bytes
#define BCE_HALF_ROW (BCE_ROW_BYTES / 2)
#define BCE_BLOCK_I8 BCE_HALF_ROW         // positions, a byte each
#define BCE_BLOCK_I32 (BCE_ROW_BYTES / 4) // a word each, or half a word of half a row
#define BCE_SUB                                                                                    \
    16 // positions of a float sub-block: decoded operands lie as [sub-block][k][BCE_SUB]
#define BCE_MAX_SPLIT 4 // steps of a lane
#define BCE_PLANES 24

// I8 and I16 are built: integers of 8 and of 16 bits, in the first half of the row. They are
// settled before they are selected from: I8 as U7, when all of a block are of 7 bits without sign,
// of which a byte holds the sum of two, or as U8; I16 as U15, of which a word holds the sum of two,
// or as U16. The second half of a settled row is what negative weights select.
enum bce_row {
    BCE_ROW_I8,
    BCE_ROW_U7,
    BCE_ROW_U8,
    BCE_ROW_I16,
    BCE_ROW_U15,
    BCE_ROW_U16,
    BCE_ROW_I32,
    BCE_ROW_F32,
    BCE_ROW_F16
};

// Positions of a block, and bytes of an element of its rows as they are built.
static inline int bce_row_block(enum bce_row r)
{
    return r <= BCE_ROW_U8 ? BCE_BLOCK_I8 : BCE_BLOCK_I32;
}
static inline int bce_row_elem(enum bce_row r)
{
    return r <= BCE_ROW_U8 ? 1 : r <= BCE_ROW_U16 ? 2 : 4;
}
// Bytes that kernels look at of a row of `len` positions, or of one of its halves.
static inline int bce_row_used(enum bce_row r, int len)
{
    return (int)bce_round_up((size_t)(len * bce_row_elem(r)));
}
// Of integers of 8 bits whose magnitudes are at most amax.
static inline int32_t bce_u8_bias(int32_t amax)
{
    return amax <= 128 ? 128 : 0;
}
// Elements of settled rows: the activation + bias, and in the second half most - that. [0] is for
// even positions, [1] for odd ones; words at odd ones have a sign, at even ones none.
struct bce_settled {
    int32_t bias[2], most[2];
};
// amax: bound of |activation|.
static inline struct bce_settled bce_settled_of(enum bce_row r, int32_t amax)
{
    int32_t byte = bce_u8_bias(amax);
    switch (r) {
    case BCE_ROW_U7: return (struct bce_settled){{0, 0}, {0x7f, 0x7f}};
    case BCE_ROW_U8: return (struct bce_settled){{byte, byte}, {0xff, 0xff}};
    case BCE_ROW_U15: return (struct bce_settled){{0, -0x4000}, {0x7fff, -1}};
    case BCE_ROW_U16: return (struct bce_settled){{0x8000, 0}, {0xffff, -1}};
    default: return (struct bce_settled){{0, 0}, {0, 0}};
    }
}

// A step of a fixed-point plan: the lane accumulator is doubled `dbl` times, then selected rows are
// added to it; unless shift is negative, accumulator << shift then goes to the group sum and the
// accumulator starts anew. It takes one lane, or, of rows I16, two neighbouring ones, each with an
// accumulator, so that a row which both select is loaded once; the upper one's is doubled once more
// in the end. num: of rows I8: selected rows; of rows I32: those that are added, those that are
// subtracted; of rows I16: those that the upper lane selects, both do, the lower one does.
#define BCE_PARTS 3
struct bce_segment {
    uint16_t num[BCE_PARTS];
    uint8_t dbl;
    int8_t shift;
};
#define BCE_BYTE_ROOM (UINT16_MAX / 0xff) // selections that accumulators of bytes have room for
// Accumulators of words have room for selections that weigh 2^15 in their lane. Gives the lane, an
// even one, at which they must be emptied when selections from there on upwards weigh so much in
// lane 0.
static inline int bce_pair_flush(int64_t weight)
{
    int lane = 64 - __builtin_clzll((unsigned long long)weight | 1) - 15;
    return lane <= 0 ? 0 : (lane + 1) & ~1;
}
// Entries of a part, filled up.
static inline int bce_part_entries(int num)
{
    return (num + 3) & ~3;
}

// What one tile asks of the kernels, decoded once. The arrays lie behind the struct, in the
// caller's memory.
struct bce_plan {
    int n_calc, macs;
    // fixed
    int d;                          // distillation cycles
    bool wide;                      // the group sum may leave 32 bits
    int64_t pos_weight, neg_weight; // what selections of either sign add up to, without it
    int32_t amax;                   // bound of |activation|
    int64_t sum_factor;             // of the sum of the group's activations
    int num_segments;
    struct bce_segment *segment;
    // Selected rows, part by part, each filled up to fours with the row of zeros behind the N:
    // where they begin, in BCE_ROW_UNIT bytes. Of settled rows, those of negative weights begin
    // with their second half.
    uint16_t *row;
    // datapath fast: what the selections of each position add up to, as `dot` reads it; NULL where
    // that may not fit
    int8_t *whole;
    bool whole_wide;          // beyond 8 bits
    int32_t whole_correction; // of a sum over the operands of `interleave`
    // floats, and fixed in compat
    bool special;                  // an infinity or NaN among the weights
    bool tail;                     // the last windows may reach bits past n_calc
    int32_t *exp;                  // BCE_NO_EXP where the weight cannot count
    uint32_t *mag;                 // fixed: of the selected bits
    int32_t *neg;                  // 0 or -1
    uint64_t valid[BCE_MAX_WORDS]; // floats
    // fixed, from bce_plan_make: of the lanes up to the highest that works
    uint16_t lane_selections[BCE_LANES], lane_cycles[BCE_LANES];
};
#define BCE_NO_EXP (-(1 << 20))
#define BCE_ROW_UNIT 8

// One column bit against the check window's rule; gives the next state. State: elements of the
// current window modulo 8, doubled, + whether one of them was set. With 0 elements the next one
// begins a window; so does a set bit in a window that has one already.
int bce_walk_bit(int state, bool x, bool *begun);

// The window's rule on 8 column bits at a time: [2 * offset in window + seen][bits] = windows begun
// << 8 | next state.
struct bce_tables {
    const struct bce_kernels *kernels; // the best ones; lists of selections are the same with all
    uint16_t walk[2 * BCE_WINDOW][256];
    uint8_t nibble[256]; // the same for 4 bits: [state << 4 | bits] = next state << 4 | windows
    uint8_t bit[32];     // for one: [state << 1 | bit]
    uint64_t index[256]; // positions of a byte's set bits, one to a byte from the lowest up
    uint8_t count[256];  // how many there are
};
void bce_tables_init(struct bce_tables *t);

size_t bce_plan_bytes(const struct bce_config *c);
// What the check window's rule gives on a tile's columns up to n_calc. A window selects one bit or
// none, and only one without ends after BCE_WINDOW positions and not before: of n positions with s
// bits there are at least max(s, n / BCE_WINDOW) windows and at most s + (n - s) / BCE_WINDOW, both
// rounded up. With c->bound, columns that cannot exceed another one's least are not walked.
struct bce_walked {
    uint16_t windows[BCE_LANES];
    uint8_t state[BCE_LANES]; // after them: 2 * offset in window + seen
};
void bce_walk_tiles(const struct bce_config *c, const struct bce_tables *tables,
                    const struct bce_tile *t, int num, struct bce_walked *out);
// Bits of a column that the lane selects, and its cycles.
int bce_select_bits(const struct bce_config *c, const struct bce_walked *walk,
                    const struct bce_tile *t, int lane, uint64_t *sel);
// amax: bound of |activation|; the plan keeps every accumulator inside its type for it. walked may
// be NULL.
void bce_plan_make(const struct bce_config *c, const struct bce_tables *tables,
                   const struct bce_tile *t, const struct bce_walked *walked, int32_t amax,
                   enum bce_row row, void *mem, struct bce_plan **out);
// Whether tiles of these and rows of that kind may be decoded side by side.
bool bce_words_apply(const struct bce_config *c, const struct bce_tables *tables, enum bce_row row);
// If so: plans of at most BCE_WORD_TILES tiles as they lie in the weight buffer, whose counts of
// lanes are added to *selections and *cycles. Gives how many of them, from the first on, there are
// plans of; 0: the first one takes bce_plan_make.
int bce_plan_words(const struct bce_config *c, const struct bce_tables *tables,
                   const uint8_t *const *tile, int num, int limit, int32_t amax, enum bce_row row,
                   struct bce_plan **plan, uint64_t *selections, uint64_t *cycles);
// Bits that are selected, by digit lane and sign.
struct bce_selected {
    uint64_t pos[BCE_LANES][BCE_MAX_WORDS], neg[BCE_LANES][BCE_MAX_WORDS];
};
// A tile's digits in the code of its map.
void bce_map_digits(const struct bce_tile *t, int words, struct bce_selected *out);
// What a mapped tile's RR-regs select; the lanes' counts and D go into the plan.
void bce_map_select(const struct bce_config *c, const struct bce_tables *tables,
                    const struct bce_tile *t, struct bce_plan *p, struct bce_selected *out);
// D of a tile, which in floats depends on the activations: there, what it is when their exponents
// are all the same.
int bce_tile_cycles(const struct bce_config *c, const struct bce_tables *tables,
                    const struct bce_tile *t);
int32_t bce_activation_bound(enum dtype t);
// amax up to 2^7 and up to 2^15 stand for what 8 and 16 bits with sign hold, else up to 255 for
// what 8 bits without sign hold.
static inline enum bce_row bce_fixed_row(int32_t amax)
{
    return amax <= 255 ? BCE_ROW_I8 : amax <= 1 << 15 ? BCE_ROW_I16 : BCE_ROW_I32;
}

// Float activations of one group and block, decoded for all PEs. BCE_FLOAT_SLACK bytes behind
// `mant` are readable.
#define BCE_FLOAT_SLACK 64
struct bce_float_block {
    int len;
    bool any_special;
    uint8_t special[BCE_BLOCK_I32];                                 // per position
    uint32_t lane_mask[BCE_BLOCK_I32] __attribute__((aligned(64))); // prune, 0 past len
    const uint32_t *raw;                                            // rows of BCE_ROW_BYTES
    int32_t *exp;  // [len / BCE_SUB][n][BCE_SUB], BCE_NO_EXP for zero
    int32_t *mant; // signed significands
};
// Bits selected, per lane: bit-sliced counters beside the words they count, emptied into `total`.
struct bce_lane_counter {
    uint32_t plane[BCE_PLANES][BCE_SUB] __attribute__((aligned(64)));
    int adds;
    uint64_t total[BCE_LANES];
};
struct bce_float_out {
    int64_t acc[BCE_BLOCK_I32] __attribute__((aligned(64)));
    int32_t emax[BCE_BLOCK_I32] __attribute__((aligned(64)));
    uint32_t d[BCE_BLOCK_I32] __attribute__((aligned(64)));
    uint32_t bits[BCE_BLOCK_I32] __attribute__((aligned(64)));
};

// Whole weights are of up to 127 * 256 + 127, so that they are the sum of two signed bytes.
#define BCE_WHOLE_MOST 32639
// Whether those of every tile are, inverted lanes included.
static inline bool bce_whole_fits(const struct bce_config *c)
{
    return c->prune < 1u << 13;
}
#define BCE_DOT_PLANS 4
// Plans of `num` PEs in `groups` groups against the groups' operands.
struct bce_dot {
    const struct bce_plan *const *plan; // of group g at g * plan_stride
    int num, groups;
    ptrdiff_t plan_stride;
    const int32_t *operand; // of group g at g * operand_stride
    ptrdiff_t operand_stride;
    int n;            // rows of a group but the last
    int64_t num_rows; // of all groups
};

#define BCE_LIST_SLACK 64
#define BCE_WALK_COLUMNS 64

// Tiles of one word that are decoded side by side: their positions below `n` and no others have
// weights.
#define BCE_WORD_LANES 16
#define BCE_WORD_TILES 16
struct bce_words {
    int num, n;
    int lanes;  // 8 or 16, of which `prune` work; num * lanes is at most 2 BCE_WALK_COLUMNS
    bool pairs; // of lanes are listed (rows I16)
    uint32_t prune;
    int32_t amax;
    uint16_t none[4]; // entries that select nothing
    uint64_t sign[BCE_WORD_TILES];
    const uint8_t *columns[BCE_WORD_TILES]; // in the layout of a tile
    struct bce_plan *plan[BCE_WORD_TILES];
    uint16_t ones[BCE_WORD_TILES][BCE_WORD_LANES];
    uint64_t *selections, *cycles; // by lane: those of the tiles are added
};

struct bce_kernels {
    const char *name;
    int dot_rows; // of a word of the operands of `dot`
    // Entries of a plan's list for the set bits of n, those with a sign to second halves; gives
    // their number. Writes up to BCE_LIST_SLACK elements past.
    int (*list)(const struct bce_tables *t, const uint64_t *bits, const uint64_t *sign, int n,
                uint16_t *out);
    // The next n elements of columns, at most 64, from `state` on; `windows` grows by those begun.
    void (*walk)(const struct bce_tables *t, const uint64_t *col, int n, uint8_t *state,
                 uint16_t *windows);
    // Bits that are set in columns of BCE_MAX_WORDS words each, of which `words` are looked at.
    void (*ones)(const uint64_t *col, int columns, int words, uint16_t *out);
    // How many of the bits of n positions are set, by lane.
    void (*count)(const struct bce_selected *sel, uint32_t lanes, int n, uint16_t *out);
    // Columns, BCE_MAX_WORDS words each, to n magnitudes; only those of `lanes` are looked at.
    void (*magnitudes)(const uint64_t *col, uint32_t lanes, int n, uint32_t *mag);
    // What the selections of each of n positions add up to, and p->sum_factor where a position is
    // below `count`, into p->whole and what belongs to it. False: a sum does not fit.
    bool (*whole)(const struct bce_selected *sel, uint32_t lanes, int n, int count, int32_t amax,
                  struct bce_plan *p);
    // D, and lists or whole weights of tiles that go into plans laid out, those with whole weights
    // of at most 7 lanes; their counts; and the steps. NULL: not on this level.
    void (*words)(const struct bce_tables *t, struct bce_words *x);
    // `num` rows I8 of `len` positions to operands of `dot`; those that a vector lacks are zero. At
    // most as many bytes as the rows and one row more.
    void (*interleave)(const uint8_t *rows, int num, int len, int32_t amax, int32_t *out);
    // Settles `num` rows of kind I8 or I16 and `len` positions.
    enum bce_row (*settle)(enum bce_row kind, int32_t amax, uint8_t *rows, int num, int len);
    // psum[0..len) = or += the group sums of `len` positions; rows 64-byte aligned, bce_row_used()
    // bytes of them readable; behind the N settled rows one of zeros.
    void (*u7)(const struct bce_plan *p, const void *rows, int len, int64_t *psum, bool add);
    void (*u8)(const struct bce_plan *p, const void *rows, int len, int64_t *psum, bool add);
    void (*u15)(const struct bce_plan *p, const void *rows, int len, int64_t *psum, bool add);
    void (*u16)(const struct bce_plan *p, const void *rows, int len, int64_t *psum, bool add);
    void (*i32)(const struct bce_plan *p, const void *rows, int len, int64_t *psum, bool add);
    // psum[i][0..len) = or += the sum of the groups' products of PE i's whole weights, of at most
    // BCE_DOT_PLANS PEs, with the operands.
    void (*dot)(const struct bce_dot *d, int len, int64_t *const *psum, bool add);
    void (*decode)(const struct bce_config *c, int rows, struct bce_float_block *b);
    // Sums, exponents and D of all positions of the block (a multiple of BCE_SUB of them is
    // written).
    void (*sum)(const struct bce_config *c, const struct bce_plan *p,
                const struct bce_float_block *b, struct bce_lane_counter *n,
                struct bce_float_out *out);
    void (*pack)(const struct bce_config *c, int len,
                 struct bce_float_out *out); // acc, emax -> bits
    void (*add)(int len, const uint32_t *bits, uint64_t *psum);
};
// Kernels that this processor can run, the best last; NULL past the end.
const struct bce_kernels *bce_kernels_at(int i);
const struct bce_kernels *bce_kernels_best(void);

void bce_vector_fixed(const struct bce_kernels *kn, const struct bce_config *c,
                      const struct bce_plan *p, enum bce_row row, const void *rows, int len,
                      int64_t *psum, bool add);
// out->bits: the results, IEEE specials included.
void bce_vector_float(const struct bce_kernels *kn, const struct bce_config *c,
                      const struct bce_plan *p, const struct bce_float_block *b,
                      struct bce_lane_counter *n, struct bce_float_out *out);
void bce_lane_counter_drain(struct bce_lane_counter *n);

#endif
