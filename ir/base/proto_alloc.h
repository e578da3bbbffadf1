// Unpacking of protobuf messages into an arena.
//
// What unpack makes belongs to the arena and is never freed on its own (no free_unpacked). A file
// is hostile until shown otherwise: messages nested deeper than PROTO_DEPTH_MAX, and messages whose
// tree would take more than a fixed multiple of their size, are refused.
#ifndef BITLET_PROTO_ALLOC_H
#define BITLET_PROTO_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "arena.h"

enum { PROTO_DEPTH_MAX = 200 };

// An allocator whose alloc asks the arena and whose free does nothing.
void arena_protobuf_allocator(struct arena *a, struct ProtobufCAllocator *out);

// The message, or NULL with *why set to the reason in words.
struct ProtobufCMessage *proto_unpack(const struct ProtobufCMessageDescriptor *type,
                                      const uint8_t *bytes, size_t len, struct arena *a,
                                      const char **why);

// The same, but large byte fields are not copied: they point into `bytes`, which must live as long
// as the message.
struct ProtobufCMessage *proto_unpack_mapped(const struct ProtobufCMessageDescriptor *type,
                                             const uint8_t *bytes, size_t len, struct arena *a,
                                             const char **why);

#endif
