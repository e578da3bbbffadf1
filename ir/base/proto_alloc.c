// protobuf-c unpacks by recursion, so nesting is measured first by a walk over tags and lengths
// that goes no deeper than it allows. Memory is bounded in the allocator: every byte of a message
// can make unpack ask for a structure of a hundred, which honest files come nowhere near.
#include "proto_alloc.h"

#include <string.h>

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
#define FIELD_NUMBER_MAX ((UINT64_C(1) << 29) - 1)

// Byte fields of so many bytes are worth to be left where they are.
#ifdef BITLET_CHECK
enum { KEPT_MIN_BYTES = 16 };
#else
enum { KEPT_MIN_BYTES = 4096 };
#endif

// The structure a length-delimited field holds, or NULL when it holds none.
static const ProtobufCMessageDescriptor *submessage(const ProtobufCMessageDescriptor *type,
                                                    uint64_t number)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field(type, (unsigned)number);
    return f && f->type == PROTOBUF_C_TYPE_MESSAGE ? f->descriptor : NULL;
}

static bool is_singular_bytes(const ProtobufCMessageDescriptor *type, uint64_t number)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field(type, (unsigned)number);
    return f && f->type == PROTOBUF_C_TYPE_BYTES && f->label != PROTOBUF_C_LABEL_REPEATED;
}

// *kept: bytes in byte fields that can stay where they are.
static bool walk(const ProtobufCMessageDescriptor *type, struct cursor c, int depth, uint64_t *kept,
                 const char **why)
{
    if (depth > PROTO_DEPTH_MAX) {
        *why = "its messages are nested too deeply";
        return false;
    }
    *why = "it is not a well-formed protobuf message";
    while (c.at < c.end) {
        uint64_t tag, v;
        if (!take_varint(&c, &tag) || tag >> 3 > FIELD_NUMBER_MAX)
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
            if (inner &&
                !walk(inner, (struct cursor){.at = start, .end = c.at}, depth + 1, kept, why))
                return false;
            if (v >= KEPT_MIN_BYTES && is_singular_bytes(type, tag >> 3))
                *kept += v;
            break;
        }
        default: return false;
        }
    }
    return true;
}

// What was walked and is known to be well-formed and not too deep. A message of `weight` bytes
// asked for it.
static struct ProtobufCMessage *unpack(const struct ProtobufCMessageDescriptor *type,
                                       const uint8_t *bytes, size_t len, size_t weight,
                                       struct arena *a, const char **why)
{
    size_t left = weight > (SIZE_MAX - MEMORY_FLOOR) / MEMORY_FACTOR
                      ? SIZE_MAX
                      : weight * MEMORY_FACTOR + MEMORY_FLOOR;
    struct bounded bound = {.arena = a, .left = left};
    ProtobufCAllocator allocator = {
        .alloc = alloc_bounded, .free = free_nothing, .allocator_data = &bound};
    ProtobufCMessage *m = protobuf_c_message_unpack(type, &allocator, len, bytes);
    if (!m)
        *why = "it is not a well-formed protobuf message of the expected kind";
    return m;
}

struct ProtobufCMessage *proto_unpack(const struct ProtobufCMessageDescriptor *type,
                                      const uint8_t *bytes, size_t len, struct arena *a,
                                      const char **why)
{
    uint64_t kept = 0;
    return walk(type, (struct cursor){.at = bytes, .end = bytes + len}, 0, &kept, why)
               ? unpack(type, bytes, len, len, a, why)
               : NULL;
}

// ---- Byte fields that stay where they are
//
// protobuf-c copies every byte field. So it is given a copy of the message in which each singular
// byte field is a mark and, where it is small, its bytes; large ones are a mark and their place.
// Afterwards a walk over the tree takes the marks off again.

enum {
    MARK_COPIED = 0,
    MARK_KEPT = 1,
    KEPT_BYTES = 1 + 2 * sizeof(uint64_t), // mark, offset, length
    LENGTH_BYTES = 5, // of a length that is written before it is known; enough for 2^35
};

struct skeleton {
    struct arena *arena;
    struct cursor whole;
    uint8_t *bytes;
    size_t len, cap;
};

static uint8_t *skeleton_add(struct skeleton *s, size_t n)
{
    s->bytes = arena_grow(s->arena, s->bytes, s->len, s->len + n, 1, &s->cap);
    s->len += n;
    return s->bytes + s->len - n;
}

static void skeleton_copy(struct skeleton *s, const void *from, size_t n)
{
    if (n)
        memcpy(skeleton_add(s, n), from, n);
}

static void put_length(uint8_t *to, uint64_t v)
{
    for (int i = 0; i < LENGTH_BYTES; i++, v >>= 7)
        to[i] = (uint8_t)((v & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80u : 0));
}

static void skeleton_field(struct skeleton *s, const uint8_t *from, size_t n)
{
    bool kept = n >= KEPT_MIN_BYTES;
    put_length(skeleton_add(s, LENGTH_BYTES), kept ? KEPT_BYTES : 1 + n);
    *skeleton_add(s, 1) = kept ? MARK_KEPT : MARK_COPIED;
    uint64_t where[2] = {(uint64_t)(from - s->whole.at), n};
    if (kept)
        skeleton_copy(s, where, sizeof where);
    else
        skeleton_copy(s, from, n);
}

// Past the tag and the value of a field of a message that was walked; of a length-delimited one
// only past the length, which is returned, and -1 of others.
static int64_t next_field(struct cursor *c, uint64_t *number)
{
    uint64_t tag = 0, v = 0;
    bool ok = take_varint(c, &tag);
    *number = tag >> 3;
    switch (tag & 7) {
    case WIRE_64BIT: ok = ok && skip_bytes(c, 8); break;
    case WIRE_32BIT: ok = ok && skip_bytes(c, 4); break;
    default: ok = ok && take_varint(c, &v); break;
    }
    if (!ok)
        bitlet_bug("a message that was walked ends too early");
    return (tag & 7) == WIRE_LENGTH ? (int64_t)v : -1;
}

static void skeleton_message(struct skeleton *s, const ProtobufCMessageDescriptor *type,
                             struct cursor c)
{
    const uint8_t *copied = c.at; // what lies before it is done
    while (c.at < c.end) {
        const uint8_t *tag = c.at;
        uint64_t number;
        int64_t n = next_field(&c, &number);
        const ProtobufCMessageDescriptor *inner = n >= 0 ? submessage(type, number) : NULL;
        bool field = n >= 0 && is_singular_bytes(type, number);
        const uint8_t *start = c.at;
        c.at += n > 0 ? n : 0;
        if (!inner && !field)
            continue;
        struct cursor past_tag = {.at = tag, .end = c.end};
        uint64_t ignored;
        (void)take_varint(&past_tag, &ignored);
        skeleton_copy(s, copied, (size_t)(past_tag.at - copied));
        copied = c.at;
        if (field) {
            skeleton_field(s, start, (size_t)n);
            continue;
        }
        size_t length_at = s->len;
        skeleton_add(s, LENGTH_BYTES);
        skeleton_message(s, inner, (struct cursor){start, c.at});
        put_length(s->bytes + length_at, s->len - length_at - LENGTH_BYTES);
    }
    skeleton_copy(s, copied, (size_t)(c.end - copied));
}

static void unmark_bytes(ProtobufCBinaryData *b, const struct cursor *whole)
{
    uint64_t where[2], size = (uint64_t)(whole->end - whole->at);
    if (!b->data || b->len == 0)
        return; // absent
    if (b->data[0] != MARK_KEPT) {
        b->data++;
        b->len--;
        return;
    }
    if (b->len != KEPT_BYTES)
        bitlet_bug("a mark of %zu bytes", b->len);
    memcpy(where, b->data + 1, sizeof where);
    if (where[0] > size || where[1] > size - where[0])
        bitlet_bug("a mark that points outside its message");
    *b = (ProtobufCBinaryData){(size_t)where[1], (uint8_t *)(uintptr_t)(whole->at + where[0])};
}

static void unmark(ProtobufCMessage *m, const struct cursor *whole)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        void *field = (uint8_t *)m + f->offset;
        bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
        if (f->type == PROTOBUF_C_TYPE_BYTES && !repeated)
            unmark_bytes(field, whole);
        if (f->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        size_t n = 1;
        ProtobufCMessage **inner = field;
        if (repeated) {
            memcpy(&n, (uint8_t *)m + f->quantifier_offset, sizeof n);
            inner = *(ProtobufCMessage ***)field;
        }
        for (size_t k = 0; k < n; k++)
            if (inner[k])
                unmark(inner[k], whole);
    }
}

struct ProtobufCMessage *proto_unpack_mapped(const struct ProtobufCMessageDescriptor *type,
                                             const uint8_t *bytes, size_t len, struct arena *a,
                                             const char **why)
{
    struct cursor whole = {.at = bytes, .end = bytes + len};
    uint64_t kept = 0;
    if (!walk(type, whole, 0, &kept, why))
        return NULL;
    if (kept == 0)
        return unpack(type, bytes, len, len, a, why);
    struct skeleton s = {.arena = arena_create(), .whole = whole};
    s.cap = len - (size_t)kept + KEPT_BYTES; // grows by the marks
    s.bytes = arena_alloc(s.arena, s.cap);
    skeleton_message(&s, type, whole);
    ProtobufCMessage *m = unpack(type, s.bytes, s.len, len, a, why);
    if (m)
        unmark(m, &whole);
    arena_destroy(s.arena);
    return m;
}
