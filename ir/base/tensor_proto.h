// Inside of base: pieces of writing ONNX messages that tensors and lists of tensors share.
#ifndef BITLET_TENSOR_PROTO_H
#define BITLET_TENSOR_PROTO_H

#include "tensor.h"

struct ProtobufCMessage;
// Initialises the message; it borrows the tensor's elements and the scratch arena.
void tensor_fill_proto(struct Onnx__TensorProto *p, const struct tensor *t, struct arena *scratch);
BITLET_MUST_USE bool tensor_write_message(const char *path, const struct ProtobufCMessage *m,
                                          struct arena *scratch, struct diag *d);

#endif
