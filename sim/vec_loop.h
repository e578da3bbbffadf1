// Streams of a view's elements in index order: the loops of the vector unit.
//
// A stream gives (or takes) the elements of one operand as an array in a working form. It merges
// dimensions that are contiguous, broadcasts stride 0, and handles borders run by run along its
// last dimension: outside elements read the fill value and are not written. Several streams over
// views of equal extents, advanced by equal counts, walk one iteration space. A stream is plain
// data: copies of it walk on their own, each on its thread.
//
// Source and destination of an instruction may overlap. When they do, and are not the same elements
// in the same order, the instruction runs on one thread, reading VEC_BLOCK elements of each source
// before it writes their results.
#ifndef BITLET_VEC_LOOP_H
#define BITLET_VEC_LOOP_H

#include "state.h"
#include "vec_form.h"

struct vec_stream {
    uint8_t *host; // of offset 0; only inside elements are touched
    enum dtype dtype;
    enum vec_form form;
    vec_load *load;
    vec_store *store;
    unsigned mode; // of the store
    int64_t bytes; // of an element in memory
    bool dense;    // runs of memory serve as arrays of the form

    int rank; // merged dimensions, at least 1; strides in bytes
    int64_t extent[ISA_MAX_RANK], stride[ISA_MAX_RANK], step[ISA_MAX_RANK];
    int8_t axis[ISA_MAX_RANK];
    unsigned axes; // bit mask of the axes that can lead outside
    int64_t limit[ISA_MAX_AXES];

    int64_t first, origin[ISA_MAX_AXES]; // offset and coordinates at index 0
    int64_t idx[ISA_MAX_RANK];           // of the current row; the last dimension's is pos
    int64_t offset, coord[ISA_MAX_AXES]; // at the start of the row
    int64_t pos, in_lo, in_hi;           // next element of the row; its inside part
    bool ranged; // range_lo, range_hi: inside part for coordinate range_at of the last
    int64_t range_at, range_lo, range_hi; //   dimension's axis, which most rows share
    _Alignas(16) uint8_t fill[VEC_MAX_FORM_BYTES];
};

// Part of a row: `lead` outside elements, `inside` elements at `at`, then outside ones up to n.
struct vec_run {
    int64_t n, lead, inside;
    uint8_t *at;
};

// Maps the view, counts its traffic, and sets the stream to its first element. False: a fault. TYPE
// when the form does not hold the view's type.
BITLET_MUST_USE bool vec_open(struct sim *s, struct vec_stream *st, const struct sim_view *v,
                              enum vec_form form, bool write);
// The same of a view already mapped to `host` (or of some dimensions of one, to be shifted:
// vec_space); the form must hold the type. `axes`: those that can lead outside.
void vec_stream_init(struct vec_stream *st, const struct sim_view *v, uint8_t *host,
                     enum vec_form form, unsigned axes);
// Bit mask of the axes with a coordinate outside their limits; the view must be mapped.
unsigned vec_bounding_axes(const struct sim_view *v);
// Element number `index` of the view becomes the next one.
void vec_seek(struct vec_stream *st, int64_t index);
// The next run of at most `max` elements of one row.
struct vec_run vec_next_run(struct vec_stream *st, int64_t max);
// The next n elements: in buf, or in place where memory is already such an array.
const void *vec_read(struct vec_stream *st, void *buf, int64_t n);
void vec_read_into(struct vec_stream *st, void *buf, int64_t n);
// Whether all elements are one, inside.
bool vec_is_one(const struct vec_stream *st);
// One byte an element: 1 inside, 0 outside.
void vec_read_inside(struct vec_stream *st, uint8_t *mask, int64_t n);
// Where the next n elements are to be put: in place if possible, else buf. vec_write then stores
// them if need be.
void *vec_room(struct vec_stream *st, void *buf, int64_t n);
void vec_write(struct vec_stream *st, const void *from, int64_t n);

// A point of the dimensions that a stream does not run over: what it adds to offset and
// coordinates.
struct vec_space {
    int rank;
    int64_t count;
    int64_t extent[ISA_MAX_RANK], stride[ISA_MAX_RANK], step[ISA_MAX_RANK];
    int8_t axis[ISA_MAX_RANK];
};
struct vec_point {
    int64_t idx[ISA_MAX_RANK];
    int64_t offset, coord[ISA_MAX_AXES];
};
void vec_space_init(struct vec_space *sp, const struct sim_view *v);
void vec_point_seek(const struct vec_space *sp, struct vec_point *p, int64_t index);
void vec_point_next(const struct vec_space *sp, struct vec_point *p);
void vec_shift(struct vec_stream *st, const struct vec_point *p);

// VIEW fault unless both have the same rank and extents.
BITLET_MUST_USE bool vec_same_extents(struct sim *s, const struct sim_view *a,
                                      const struct sim_view *b);
// TYPE fault.
bool vec_refuse_type(struct sim *s, const struct sim_view *v, const char *what);

// Whether a mapped source's bytes overlap those of a mapped destination.
bool vec_operands_overlap(const struct sim *s);
// Whether the order of the elements matters: two elements written share memory, or a source
// overlaps the destination otherwise than element by element.
bool vec_is_ordered(const struct sim *s, const struct vec_stream *out, const struct vec_stream *in,
                    int num_in);
// Calls body for ranges that cover [0, total); with `serial` for the whole at once, else on all
// threads where there are more than `grain` elements, cut at multiples of 64 or of `grain`.
void vec_parallel(struct sim *s, int64_t total, int64_t grain, bool serial,
                  void (*body)(void *user, int64_t lo, int64_t hi), void *user);

#endif
