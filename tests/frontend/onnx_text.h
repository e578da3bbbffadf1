// ONNX models from a line of text, so that a test shows the model it is about.
//
// Statements end with ';' or a new line; a line that begins with '//' is a comment.
//   opset 13                     version of the default domain (default 13); "opset ai.foo 2" of
//   another domain ir 8                         IR version (default 8) in x f32 1,3,N,8 graph
//   input; a dimension may be a name; `-` a scalar, `?` no shape init w f32 4,3 = 1,2.5,-3
//   initializer; the values repeat to the end; without them 1, 2, 3 .. node Conv x w _ -> y k=v ..
//   node; `_` an absent operand; "Conv:name" gives it a name, "ai.foo/Op" a domain out y graph
//   output
// Attribute values: 3 integer, 0.5f float, 1,2 integers (`1,` one, `,` none), f:1,2 floats,
// t:f32:2,3:1,2 tensor with values, else a string.
#ifndef BITLET_TEST_ONNX_TEXT_H
#define BITLET_TEST_ONNX_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

struct onnx_bytes {
    uint8_t *data;
    size_t size;
};
// The file's bytes, in the arena. NULL data and *why set: the text is malformed.
struct onnx_bytes onnx_text_build(const char *text, struct arena *a, const char **why);

#endif
