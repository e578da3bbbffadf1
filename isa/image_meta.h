// Inside the ISA library: the .bitlet sections as bytes, and what must hold between the parts of an
// image. The reader of ELF files, their writer and the assembler share the checks, so that what one
// accepts no other refuses.
#ifndef BITLET_IMAGE_META_H
#define BITLET_IMAGE_META_H

#include "image.h"
#include "isa.h"

struct image_bytes {
    const uint8_t *data;
    size_t size;
};
enum image_meta {
    IMAGE_META_IO,
    IMAGE_META_LOC,
    IMAGE_META_MACHINE,
    IMAGE_META_HOST,
    IMAGE_META_TIME,
    IMAGE_META_NUM
};

// The bytes live in the arena.
struct image_bytes image_meta_encode(enum image_meta which, const struct image *img,
                                     struct arena *a);
// Fills the section's members of img with copies in the arena. Counts are bounded by the bytes that
// are there.
BITLET_MUST_USE bool image_meta_decode(enum image_meta which, struct image_bytes b,
                                       const char *path, struct image *img, struct arena *a,
                                       struct diag *d);

// One input or output: its type, and that its bytes lie in the heap (an output may be a constant).
// `id` is reported.
BITLET_MUST_USE bool image_check_io(const struct image *img, const struct image_io *io,
                                    bool is_input, enum diag_id id, loc_id loc, struct diag *d);
// Sizes, the heap against the machine, the order of the locs. Not the inputs and outputs.
BITLET_MUST_USE bool image_check_layout(const struct image *img, enum diag_id id, loc_id loc,
                                        struct diag *d);

#endif
