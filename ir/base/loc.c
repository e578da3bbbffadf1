// Locations are appended to an array; an open-addressing index over their contents makes equal ones
// share an id.
#include "loc.h"

#include <stdbool.h>
#include <string.h>

struct loc_table {
    struct arena *arena;
    struct loc *locs; // [0] is LOC_NONE
    size_t count, cap;
    uint32_t *index; // ids, 0 = empty; num_slots is a power of two, at most half full
    size_t num_slots;
};

static const char NONE_TEXT[] = "";

struct loc_table *loc_table_create(struct arena *a)
{
    struct loc_table *t = ARENA_NEW(a, struct loc_table);
    t->arena = a;
    t->num_slots = 64;
    t->index = ARENA_ARRAY(a, t->num_slots, uint32_t);
    t->locs = arena_grow(a, NULL, 0, 1, sizeof *t->locs, &t->cap);
    t->locs[0] = (struct loc){.file = NONE_TEXT, .node_name = NONE_TEXT, .op_type = NONE_TEXT};
    t->count = 1;
    return t;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 29);
}

static uint64_t mix_text(uint64_t h, const char *s)
{
    for (; s && *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
    return mix(h, 0xff);
}

static uint64_t hash_loc(const struct loc *l)
{
    uint64_t h = mix_text((uint64_t)l->kind + 1, l->file);
    h = mix(mix(h, l->line), l->col);
    h = mix(mix(h, (uint32_t)l->node_index), (uint32_t)l->opset);
    h = mix_text(mix_text(mix_text(h, l->node_name), l->op_type), l->tensor);
    return mix(mix(h, l->a), l->b);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_loc(const struct loc *x, const struct loc *y)
{
    return x->kind == y->kind && x->line == y->line && x->col == y->col &&
           x->node_index == y->node_index && x->opset == y->opset && x->a == y->a && x->b == y->b &&
           same_text(x->file, y->file) && same_text(x->node_name, y->node_name) &&
           same_text(x->op_type, y->op_type) && same_text(x->tensor, y->tensor);
}

static size_t find_slot(const struct loc_table *t, const struct loc *l)
{
    size_t at = (size_t)hash_loc(l) & (t->num_slots - 1);
    while (t->index[at] && !same_loc(&t->locs[t->index[at]], l))
        at = (at + 1) & (t->num_slots - 1);
    return at;
}

static void rebuild_index(struct loc_table *t)
{
    t->num_slots *= 2;
    t->index = ARENA_ARRAY(t->arena, t->num_slots, uint32_t);
    for (size_t i = 1; i < t->count; i++)
        t->index[find_slot(t, &t->locs[i])] = (uint32_t)i;
}

// A copy in the table's arena; the previous location's string serves when it is the same.
static const char *keep_text(struct loc_table *t, const char *s, const char *previous)
{
    if (!s)
        return NULL;
    return same_text(s, previous) ? previous : arena_strdup(t->arena, s);
}

static loc_id intern(struct loc_table *t, struct loc l)
{
    size_t at = find_slot(t, &l);
    if (t->index[at])
        return t->index[at];
    const struct loc last = t->locs[t->count - 1];
    l.file = keep_text(t, l.file, last.file);
    l.node_name = keep_text(t, l.node_name, last.node_name);
    l.op_type = keep_text(t, l.op_type, last.op_type);
    l.tensor = keep_text(t, l.tensor, last.tensor);
    t->locs = arena_grow(t->arena, t->locs, t->count, t->count + 1, sizeof *t->locs, &t->cap);
    loc_id id = (loc_id)t->count++;
    t->locs[id] = l;
    t->index[at] = id;
    if (t->count * 2 > t->num_slots)
        rebuild_index(t);
    return id;
}

static const char *or_empty(const char *s)
{
    return s ? s : NONE_TEXT;
}

loc_id loc_text(struct loc_table *t, const char *file, uint32_t line, uint32_t col)
{
    return intern(t, (struct loc){.kind = LOC_KIND_TEXT,
                                  .file = or_empty(file),
                                  .line = line,
                                  .col = col,
                                  .node_name = NONE_TEXT,
                                  .op_type = NONE_TEXT});
}

loc_id loc_node(struct loc_table *t, const char *file, int32_t index, const char *name,
                const char *op_type, int32_t opset)
{
    return intern(t, (struct loc){.kind = LOC_KIND_NODE,
                                  .file = or_empty(file),
                                  .node_index = index,
                                  .node_name = or_empty(name),
                                  .op_type = or_empty(op_type),
                                  .opset = opset});
}

loc_id loc_tensor(struct loc_table *t, loc_id node, const char *tensor)
{
    struct loc l = *loc_get(t, loc_primary_node(t, node));
    if (l.kind != LOC_KIND_NODE)
        return node;
    l.tensor = tensor;
    return intern(t, l);
}

loc_id loc_fused(struct loc_table *t, loc_id a, loc_id b)
{
    if (a == b || b == LOC_NONE)
        return a;
    if (a == LOC_NONE)
        return b;
    return intern(t, (struct loc){.kind = LOC_KIND_FUSED,
                                  .file = NONE_TEXT,
                                  .node_name = NONE_TEXT,
                                  .op_type = NONE_TEXT,
                                  .a = a,
                                  .b = b});
}

const struct loc *loc_get(const struct loc_table *t, loc_id id)
{
    return &t->locs[id < t->count ? id : 0];
}

// Depth-first, first part first. The parts of a fused location are older than it, so the walk ends;
// each step either descends into `a` or, when a subtree held no node, goes on with the nearest `b`
// still to be looked at.
loc_id loc_primary_node(const struct loc_table *t, loc_id id)
{
    enum { PENDING_MAX = 64 };
    loc_id pending[PENDING_MAX];
    int n = 0;
    for (;;) {
        const struct loc *l = loc_get(t, id);
        if (l->kind == LOC_KIND_NODE)
            return id;
        if (l->kind == LOC_KIND_FUSED) {
            if (n < PENDING_MAX)
                pending[n++] = l->b;
            id = l->a;
        } else if (n > 0) {
            id = pending[--n];
        } else {
            return LOC_NONE;
        }
    }
}

// Names come from files: control characters would reach the user's terminal.
static const char *printable(const char *s, struct arena *scratch)
{
    size_t extra = 0;
    for (const char *p = s; *p; p++)
        extra += (unsigned char)*p < 0x20 || *p == 0x7f ? 3 : 0;
    if (extra == 0)
        return s;
    static const char hex[] = "0123456789abcdef";
    char *text = arena_alloc(scratch, strlen(s) + extra + 1), *q = text;
    for (const char *p = s; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c != 0x7f) {
            *q++ = *p;
            continue;
        }
        *q++ = '\\';
        *q++ = 'x';
        *q++ = hex[c >> 4];
        *q++ = hex[c & 15];
    }
    return text;
}

static const char *describe_text(const struct loc *l, struct arena *scratch)
{
    const char *file = printable(l->file, scratch);
    if (l->line == 0)
        return file;
    if (l->col == 0)
        return arena_printf(scratch, "%s:%u", file, l->line);
    return arena_printf(scratch, "%s:%u:%u", file, l->line, l->col);
}

static const char *describe_node(const struct loc *l, struct arena *scratch)
{
    const char *s = l->file[0] ? arena_printf(scratch, "%s: ", printable(l->file, scratch)) : "";
    if (l->node_index < 0)
        s = arena_printf(scratch, "%sgraph", s);
    else
        s = arena_printf(scratch, "%snode %d", s, (int)l->node_index);
    if (l->node_name[0])
        s = arena_printf(scratch, "%s '%s'", s, printable(l->node_name, scratch));
    if (l->op_type[0] && l->opset > 0)
        s = arena_printf(scratch, "%s (%s, opset %d)", s, printable(l->op_type, scratch),
                         (int)l->opset);
    else if (l->op_type[0])
        s = arena_printf(scratch, "%s (%s)", s, printable(l->op_type, scratch));
    if (l->tensor)
        s = arena_printf(scratch, "%s, tensor '%s'", s, printable(l->tensor, scratch));
    return s;
}

const char *loc_describe(const struct loc_table *t, loc_id id, struct arena *scratch)
{
    const struct loc *l = loc_get(t, id);
    if (l->kind == LOC_KIND_FUSED) {
        loc_id node = loc_primary_node(t, id);
        if (node != LOC_NONE)
            l = loc_get(t, node);
        while (l->kind == LOC_KIND_FUSED)
            l = loc_get(t, l->a);
    }
    switch (l->kind) {
    case LOC_KIND_TEXT: return describe_text(l, scratch);
    case LOC_KIND_NODE: return describe_node(l, scratch);
    default: return "";
    }
}
