// Operators of one's own for Bitlet: all that a plugin includes.
//
// A plugin is a shared library that exports `bitlet_plugin`. bitletc and bitlet-isa-sim load it
// with
// --plugin libNAME.so: the compiler takes from it which operators exist and what shapes they give,
// the simulator calls their functions through libffi. An operator's function is plain C; its
// signature is a list of words, one for each parameter (I and F: two, d: two):
//
//   r:TYPE  the next input, const T *, dense, row-major; r:TYPE? may be left out by the node and is
//           NULL then. A binary is checked against the signature alone, so say what you rely on:
//           r:TYPE/3 at least 3 elements (1 to 9), r:TYPE/= as many as the tensor before.
//           TYPE: f32 f64 i8 i16 i32 i64 u8 u16 u32 u64 bool (uint8_t) str (const char *), and
//           f16 bf16 (uint16_t, the bits)
//   w:TYPE  the next output, T *, zeroed; an output that the node does not name is given too
//   n       int64_t, the number of elements of the input or output before it
//   d       const int64_t *, int64_t: its extents, and how many there are
//   i:NAME=DEFAULT  int64_t attribute       f:NAME=DEFAULT  double, from a float attribute
//   s:NAME=DEFAULT  const char *, a string attribute
//   I:NAME, F:NAME  const int64_t *, int64_t and const double *, int64_t: a list and its length
//   m       struct bitlet_memory *, where strings that become outputs are allocated
//
// Without =DEFAULT a node must give the attribute; a default ends at the next space.
// The function returns NULL, or in words why it failed, which stops the simulated program.
#ifndef BITLET_PLUGIN_H
#define BITLET_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define BITLET_PLUGIN_VERSION 1
#define BITLET_PLUGIN_RANK 8

struct bitlet_memory {
    void *(*alloc)(struct bitlet_memory *m, size_t bytes); // zeroed, never NULL, never freed
};

struct bitlet_type {
    int32_t element; // ONNX's number: 1 float, 7 int64, 8 string ..; 0: an input that is left out
    int32_t rank;
    int64_t dim[BITLET_PLUGIN_RANK];
};

struct bitlet_attribute { // in the order of the signature's words, defaults filled in
    const char *name;
    int64_t i;
    double f;
    const char *s;
    const int64_t *ints;
    const double *floats;
    int64_t num; // of ints or floats
};

// Fills in the shapes of the outputs (their element types are set already, from the signature).
// Returns NULL, or in words what is wrong, which becomes the compiler's message about the node.
typedef const char *bitlet_shape_fn(const struct bitlet_type *in, int64_t num_in,
                                    const struct bitlet_attribute *attributes,
                                    struct bitlet_type *out, int64_t num_out);

struct bitlet_operator {
    const char *domain, *name; // "com.example", "Haversine"
    int32_t since;             // first version of the domain's operator set that has it
    const char *kernel;        // names the function in binaries; no two alike
    const char *signature;
    void (*function)(void); // cast to this type
    bitlet_shape_fn *shape; // NULL: every output has the shape of the first input
    const char *doc;
};

struct bitlet_plugin {
    int32_t version; // BITLET_PLUGIN_VERSION
    int32_t num_operators;
    const struct bitlet_operator *operators; // several rows for an operator: the first that fits
};

#if defined(__cplusplus)
extern "C" {
#endif
extern const struct bitlet_plugin bitlet_plugin;
#if defined(__cplusplus)
}
#endif

#endif
