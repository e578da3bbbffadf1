// Machine state: memory and its bounds, faults, partial sums, the registers' commit log.
#include "state.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "exec_dma.h"
#include "pages.h"

const char *const sim_fault_name[SIM_FAULT_NUM] = {
#define SIM_FAULT(ENUM, id, doc) [SIM_FAULT_##ENUM] = id,
#include "fault.def"
};

bool sim_fault_at(struct sim *s, enum sim_fault_kind kind, uint64_t addr, const char *fmt, ...)
{
    if (s->fault.kind != SIM_FAULT_NONE)
        return false;
    s->fault.kind = kind;
    s->fault.pc = s->pc;
    s->fault.addr = addr;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->fault.detail, sizeof s->fault.detail, fmt, ap);
    va_end(ap);
    return false;
}

// ---- Memory
// ------------------------------------------------------------------------------------------

void *sim_reserve(size_t bytes, bool ahead)
{
    return pages_map(bytes ? bytes : 1, ahead);
}

void sim_release(void *p, size_t bytes)
{
    if (p)
        munmap(p, bytes ? bytes : 1);
}

void *sim_scratch(struct sim *s, size_t bytes)
{
    if (bytes <= s->scratch_bytes)
        return s->scratch;
    sim_release(s->scratch, s->scratch_bytes);
    if (bytes > SIZE_MAX / 4)
        bitlet_fatal("an instruction asks for %zu bytes of working memory", bytes);
    size_t want = bytes + bytes / 2;
    s->scratch = sim_reserve(want, true);
    if (!s->scratch)
        bitlet_fatal("out of memory: %zu bytes for one instruction", want);
    s->scratch_bytes = want;
    return s->scratch;
}

// A range already recorded is not recorded again. What no instruction writes needs no record.
static void record_touch(struct sim *s, uint64_t lo, uint64_t hi, bool write, bool psum)
{
    if (!psum)
        dma_settle_for(s, lo, hi, write);
    for (int i = 0; i < s->num_touch; i++) {
        const struct sim_touch *t = &s->touch[i];
        if (t->lo == lo && t->hi == hi && t->write == write && t->psum == psum)
            return;
    }
    if (s->num_touch == SIM_MAX_TOUCH)
        bitlet_bug("one instruction maps more than %d ranges", SIM_MAX_TOUCH);
    s->touch[s->num_touch++] = (struct sim_touch){lo, hi, write, psum};
}

static bool outside(struct sim *s, uint64_t addr, uint64_t bytes, bool write, const char *why)
{
    return sim_fault_at(s, write ? SIM_FAULT_STORE : SIM_FAULT_LOAD, addr, "%s of %llu bytes %s",
                        write ? "a write" : "a read", (unsigned long long)bytes, why);
}

bool sim_bytes_map(struct sim *s, uint64_t addr, uint64_t bytes, bool write, uint8_t **host)
{
    *host = NULL;
    if (bytes == 0)
        return true;
    for (int i = 0; i < SIM_REGION_NUM; i++) {
        const struct sim_region *r = &s->region[i];
        uint64_t at = addr - r->base;
        if (addr < r->base || at >= r->bytes)
            continue;
        if (bytes > r->bytes - at)
            return outside(s, addr, bytes, write, "runs past the end of its region");
        if (write && !r->writable)
            return outside(s, addr, bytes, write, "into read-only memory");
        if (r->writable)
            record_touch(s, addr, addr + bytes, write, false);
        for (int k = 0; k < SIM_KEPT && write; k++)
            if (addr < s->kept[k].hi && addr + bytes > s->kept[k].lo)
                s->kept[k].hi = 0;
        *host = r->host + at;
        return true;
    }
    return outside(s, addr, bytes, write, "lies in no region");
}

bool sim_psum_map(struct sim *s, int64_t first, int64_t entries, bool write, uint64_t **out)
{
    *out = NULL;
    if (first < 0 || entries < 0 || first > s->psum_entries || entries > s->psum_entries - first)
        return sim_fault_at(s, SIM_FAULT_PSUM, (uint64_t)first,
                            "entries %lld to %lld of a partial-sum buffer of %lld",
                            (long long)first, (long long)((uint64_t)first + (uint64_t)entries) - 1,
                            (long long)s->psum_entries);
    if (entries > 0)
        record_touch(s, (uint64_t)first, (uint64_t)(first + entries), write, true);
    *out = s->psum + first;
    return true;
}

// ---- Registers
// ---------------------------------------------------------------------------------------

void sim_write_x(struct sim *s, int64_t reg, int64_t value)
{
    if (reg == 0)
        return;
    s->x[reg] = value;
    if (s->opt.commit_log)
        fprintf(s->opt.commit_log, " x%lld=0x%llx", (long long)reg, (unsigned long long)value);
}

void sim_log_t(struct sim *s, int64_t reg)
{
    FILE *f = s->opt.commit_log;
    if (!f)
        return;
    const struct sim_view *v = &s->t[reg];
    fprintf(f, " t%lld=%s@0x%llx[", (long long)reg, dtype_text(v->dtype),
            (unsigned long long)v->base);
    for (int d = 0; d < v->rank; d++) {
        fprintf(f, "%s%lld:%lld", d ? "," : "", (long long)v->extent[d], (long long)v->stride[d]);
        if (v->axis[d] >= 0)
            fprintf(f, "/%d:%lld", v->axis[d], (long long)v->step[d]);
    }
    fputc(']', f);
}
