// protobuf-c unpacks by recursion, so nesting is measured first by a walk over tags and lengths
// that goes no deeper than it allows. Memory is bounded in the allocator: every byte of a message
// can make unpack ask for a structure of a hundred, which honest files come nowhere near.
#include "proto_alloc.h"

enum {
    MEMORY_FACTOR = 64, // bytes of tree a byte of message may cost; models take up to 16, a list of
                        // small integers 44
    MEMORY_FLOOR = 256 * 1024, // ... and what the smallest message may take
};

static void *alloc_from_arena(void *user, size_t bytes)
{
    return arena_alloc(user, bytes);
}

static void free_nothing(void *user, void *p)
{
    (void)user, (void)p;
}

void arena_protobuf_allocator(struct arena *a, struct ProtobufCAllocator *out)
{
    *out =
        (ProtobufCAllocator){.alloc = alloc_from_arena, .free = free_nothing, .allocator_data = a};
}

struct bounded {
    struct arena *arena;
    size_t left;
};

static void *alloc_bounded(void *user, size_t bytes)
{
    struct bounded *b = user;
    if (bytes > b->left)
        return NULL;
    b->left -= bytes;
    return arena_alloc(b->arena, bytes);
}

struct cursor {
    const uint8_t *at, *end;
};

static bool take_varint(struct cursor *c, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool skip_bytes(struct cursor *c, uint64_t n)
{
    if (n > (uint64_t)(c->end - c->at))
        return false;
    c->at += n;
    return true;
}

enum { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_LENGTH = 2, WIRE_32BIT = 5 };

// The structure a length-delimited field holds, or NULL when it holds none.
static const ProtobufCMessageDescriptor *submessage(const ProtobufCMessageDescriptor *type,
                                                    uint64_t number)
{
    const ProtobufCFieldDescriptor *f =
        number <= UINT32_MAX ? protobuf_c_message_descriptor_get_field(type, (unsigned)number)
                             : NULL;
    return f && f->type == PROTOBUF_C_TYPE_MESSAGE ? f->descriptor : NULL;
}

static bool walk(const ProtobufCMessageDescriptor *type, struct cursor c, int depth,
                 const char **why)
{
    if (depth > PROTO_DEPTH_MAX) {
        *why = "its messages are nested too deeply";
        return false;
    }
    *why = "it is not a well-formed protobuf message";
    while (c.at < c.end) {
        uint64_t tag, v;
        if (!take_varint(&c, &tag))
            return false;
        switch (tag & 7) {
        case WIRE_VARINT:
            if (!take_varint(&c, &v))
                return false;
            break;
        case WIRE_64BIT:
            if (!skip_bytes(&c, 8))
                return false;
            break;
        case WIRE_32BIT:
            if (!skip_bytes(&c, 4))
                return false;
            break;
        case WIRE_LENGTH: {
            if (!take_varint(&c, &v))
                return false;
            const ProtobufCMessageDescriptor *inner = submessage(type, tag >> 3);
            const uint8_t *start = c.at;
            if (!skip_bytes(&c, v))
                return false;
            if (inner && !walk(inner, (struct cursor){.at = start, .end = c.at}, depth + 1, why))
                return false;
            break;
        }
        default: return false;
        }
    }
    return true;
}

struct ProtobufCMessage *proto_unpack(const struct ProtobufCMessageDescriptor *type,
                                      const uint8_t *bytes, size_t len, struct arena *a,
                                      const char **why)
{
    if (!walk(type, (struct cursor){.at = bytes, .end = bytes + len}, 0, why))
        return NULL;
    size_t left = len > (SIZE_MAX - MEMORY_FLOOR) / MEMORY_FACTOR
                      ? SIZE_MAX
                      : len * MEMORY_FACTOR + MEMORY_FLOOR;
    struct bounded bound = {.arena = a, .left = left};
    ProtobufCAllocator allocator = {
        .alloc = alloc_bounded, .free = free_nothing, .allocator_data = &bound};
    ProtobufCMessage *m = protobuf_c_message_unpack(type, &allocator, len, bytes);
    if (!m)
        *why = "it is not a well-formed protobuf message of the expected kind";
    return m;
}
