#include "refs.h"

#include <string.h>

#define REFS_BASE (6ull << 40)

struct ref {
    const void *value;
    enum dtype dtype;
};
struct sim_refs {
    struct arena *arena;
    struct ref *ref;
    size_t num, cap;
};

struct sim_refs *sim_refs_create(struct arena *a)
{
    struct sim_refs *r = ARENA_NEW(a, struct sim_refs);
    r->arena = a;
    return r;
}

static bool text_in_rodata(struct sim *s, uint64_t at, const void **out)
{
    const struct sim_region *r = &s->region[SIM_REGION_RODATA];
    uint64_t offset = at - r->base;
    if (at < r->base || offset >= r->bytes ||
        !memchr(r->host + offset, 0, (size_t)(r->bytes - offset)))
        return false;
    *out = r->host + offset;
    return true;
}

bool sim_ref_get(struct sim *s, enum dtype t, uint64_t handle, const void **out)
{
    static const char *const empty = "";
    const struct sim_refs *r = s->refs;
    if (handle == 0) {
        *out = t == DT_STR ? empty : NULL;
        return true;
    }
    if (t == DT_STR && text_in_rodata(s, handle, out))
        return true;
    uint64_t i = handle - REFS_BASE;
    if (handle < REFS_BASE || i >= r->num || r->ref[i].dtype != t)
        return sim_fault_at(s, SIM_FAULT_HOST, handle, "a handle that is no %s", dtype_text(t));
    *out = r->ref[i].value;
    return true;
}

uint64_t sim_ref_make(struct sim *s, enum dtype t, const void *value)
{
    struct sim_refs *r = s->refs;
    if (!value || (t == DT_STR && *(const char *)value == '\0'))
        return 0;
    r->ref = arena_grow(r->arena, r->ref, r->num, r->num + 1, sizeof *r->ref, &r->cap);
    r->ref[r->num] = (struct ref){value, t};
    return REFS_BASE + r->num++;
}
