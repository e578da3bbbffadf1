// clang-format off
// The binary: an ELF64 file. Instructions and data, no graph. Read through libelf, nothing in it believed before it is checked.
//
// Sections          content                                                   address in the machine
//   .text           instructions, 16 bytes each                               IMAGE_TEXT_BASE (fetched, never read as data)
//   .rodata         constants of the vector unit, scales, biases              IMAGE_RODATA_BASE
//   .lanes          stationary weights in bit-significance lanes              IMAGE_LANES_BASE (page-aligned in the file, mapped)
//   .bitlet.io      inputs and outputs: name, type, shape, address            -
//   .bitlet.loc     pc -> layer; layer = IR op, result name, ONNX node        -
//   .bitlet.machine the machine description (JSON), heap size, format version -
//   .bitlet.host    names of the host kernels that hcall refers to            -
//   .bitlet.time    cycles that the compiler predicts, per layer; or nothing  -
//   .bitlet.sum     CRC-32 of the file, its own four bytes taken as zero      -
// In the ELF header: e_machine IMAGE_ELF_MACHINE; e_flags = extensions (enum machine_ext, bits 0..7) and IMAGE_VERSION (bits
// 8..15). All sections are present, in this order; .shstrtab and the section headers end the file. Equal images give equal bytes.
// Records of the .bitlet sections are little-endian and unpadded; a string is a 32-bit length and its bytes, without NUL.
//
// A lane tile, the unit of .lanes and of the weight buffer: the weights of one PE for one group of N. Words are 64 bits,
// W = ceil(N / 64) words hold one bit per weight, weight i in bit i % 64 of word i / 64; bits past N are zero.
//   word 0..W-1            valid: the positions of the group that hold a weight of the layer (its popcount is the group's MACs)
//   W words                sign: 1 = negative
//   W words per lane       magnitude bit b of every weight, b = 0 lowest, `lanes` lanes
//   floats: N exponent bytes (fp32: biased 8 bits; fp16: biased 5 bits), padded with zeros to 8; magnitudes hold the hidden bit,
//           0 for a subnormal, whose exponent is stored as 1; infinities and NaNs keep exponent 255 / 31 and fraction.
//   map     (bce with flag `map`, fixed point) the lane map: how the PE writes the weights as digits, and which RR-reg walks what
//           word 0: bits 0..23 digit lanes that are walked; bits 32..55 those that are marked; bits 62..63 the code
//           word 1: bits 0..23 RR-regs that begin a lane; bits 24..31 RR-regs in use; bits 32..47 the most cycles that one walks
//           one byte for each RR-reg of the machine, padded to 8: the position where it begins
//           RR-regs in use lie on the walked lanes from the lowest up, those of one lane in rising position. One walks to the
//           next one's beginning or the group's end, and at most the given cycles.
//   codes   0: sign and magnitude, `lanes` digit lanes. 1 (extension S): signed digits of the magnitude, times the sign, one lane
//           more; canonical, but a marked lane gives a one and leaves the rest above it as it is. 2 (extension B): two's
//           complement, one lane more, which counts negative; a marked lane is inverted: it holds the complement of its bits up to
//           the group's end, counts with the opposite sign, and its first RR-reg adds the sum of the group's activations in
//           a cycle before its walk. More than one RR-reg on a lane or a beginning other than 0: extension G.
// A BCE instruction reads tiles in the order [group][PE].
// clang-format on
#ifndef BITLET_IMAGE_H
#define BITLET_IMAGE_H

#include "dtype.h"
#include "io.h"
#include "machine.h"
#include "tensor.h"

#define IMAGE_VERSION 4
#define IMAGE_TEXT_BASE 0x0ull
#define IMAGE_RODATA_BASE (1ull << 40)
#define IMAGE_LANES_BASE (2ull << 40)
#define IMAGE_HEAP_BASE (3ull << 40)
#define IMAGE_ABUF_BASE (4ull << 40)
#define IMAGE_WBUF_BASE (5ull << 40)
#define IMAGE_SPACE_BYTES (1ull << 40)
#define IMAGE_ELF_MACHINE 0xb17e       // not assigned by the ELF registry
#define IMAGE_SECTION_MAX (1ull << 33) // bytes of one section
#define IMAGE_LANES_ALIGN 4096

struct image_io {
    const char *name;
    enum dtype dtype;
    int rank;
    int64_t dim[BITLET_MAX_RANK];     // memory is laid out for these
    uint64_t extent[BITLET_MAX_RANK]; // 0, or where the i64 lies that says how much of dim is there
    uint64_t addr;
};
struct image_layer {
    const char *ir_op;    // "conv"
    const char *ir_value; // name of its (first) result
    int32_t node_index;   // -1: none
    const char *node_name, *op_type;
};
struct image_loc {
    uint64_t pc;    // byte offset in .text where the layer's instructions begin; sorted
    uint32_t layer; // index
};

enum image_effect {
#define IMAGE_EFFECT(NAME, text, doc) IMAGE_EFFECT_##NAME,
#include "effect.def"
    IMAGE_EFFECT_NUM
};
extern const char *const image_effect_text[IMAGE_EFFECT_NUM];
struct image_time {      // of a layer
    int64_t first, last; // cycle on the timeline; last = 0: no unit but the scalar core works
    int64_t array;       // cycles the array is busy
    uint32_t effects;    // bit e: enum image_effect e; 0: the prediction is exact, as far as
                         // other layers' effects do not move it
};
// What a run takes without --no-distill and --compat.
struct image_prediction {
    const char *timing;        // "micro21": the rules it holds for
    int64_t cycles;            // of the whole run
    struct image_time *layers; // those of the image, and at last what belongs to no layer
    size_t num_layers;         // 0: nothing is predicted
};

struct image_piece { // of a section's content
    uint64_t offset;
    const uint8_t *data;
    size_t bytes;
};

struct image {
    const uint8_t *text;
    size_t text_bytes;
    const uint8_t *rodata;
    size_t rodata_bytes;
    const uint8_t *lanes; // NULL where the content is given in pieces
    size_t lanes_bytes;
    const struct image_piece *lane_pieces; // ascending and apart; zeros between them
    size_t num_lane_pieces;
    uint64_t heap_bytes;
    struct image_io *inputs, *outputs;
    size_t num_inputs, num_outputs;
    struct image_layer *layers;
    size_t num_layers;
    struct image_loc *locs;
    size_t num_locs;
    const char **host; // kernel names
    size_t num_host;
    struct image_prediction time;
    struct machine machine;
    struct io_map map; // where a read image lives; zero for one being built
};

// Everything but the mapped sections lives in the arena. image_close unmaps.
BITLET_MUST_USE bool image_read(const char *path, struct image *out, struct arena *a,
                                struct diag *d);
BITLET_MUST_USE bool image_write(const char *path, const struct image *img, struct arena *a,
                                 struct diag *d);
void image_close(struct image *img);
// Puts lanes that are given in pieces into one array in the arena, as the text form needs them.
void image_join_lanes(struct image *img, struct arena *a);
// Layer that the instruction at pc belongs to, or -1. *near, 0 at first, is where it was found, and
// looked for first; may be NULL.
int image_layer_at(const struct image *img, uint64_t pc, size_t *near);
// "layer 3: conv %y  node 12 'conv1' (Conv)"
const char *image_layer_text(const struct image *img, uint32_t layer, struct arena *a);

// "float alignment, run-time branch"; "" for none.
const char *image_effects_text(uint32_t effects, struct arena *a);

// "f32[8@0x30000000000,3]": the type of an input or output; behind @ lies an extent at run time.
const char *image_io_text(const struct image_io *io, struct arena *a);

struct image_section {
    const char *name; // lives as long as the image
    uint64_t addr, offset, size, align;
    bool in_memory;
};
// The sections of an image that was read, in file order; gives their number.
size_t image_list_sections(const struct image *img, struct arena *a, struct image_section **out);

// Text form, equal to the binary: print -> parse -> write gives equal bytes.
BITLET_MUST_USE bool image_print_asm(const struct image *img, FILE *f, struct diag *d);
struct image_print {
    bool layers;    // a comment that names the layer where its instructions begin
    bool addresses; // a comment with address and word behind every instruction
    bool no_data;   // leave .rodata and .lanes out; the text is then no longer the whole image
};
BITLET_MUST_USE bool image_print_listing(const struct image *img, const struct image_print *how,
                                         FILE *f, struct diag *d);
BITLET_MUST_USE bool image_parse_asm(const char *path, struct image *out, struct arena *a,
                                     struct diag *d);

#endif
