// A program in assembler text, assembled and run: what the tests of the simulator start from.
#ifndef BITLET_SIM_CASE_H
#define BITLET_SIM_CASE_H

#include "check.h"
#include "state.h"

struct sim_case {
    struct arena *arena;
    struct diag *diag;
    struct image img;
    struct sim_options opt;
    struct sim *sim;
    char messages[4096];
};

static inline void case_sink(void *user, enum diag_severity sev, enum diag_id id,
                             const char *message)
{
    struct sim_case *c = user;
    (void)sev;
    (void)id;
    size_t len = strlen(c->messages);
    snprintf(c->messages + len, sizeof c->messages - len, "%s\n", message);
}

// Everything before sim_create; options can then be changed.
static inline void case_prepare(struct sim_case *c)
{
    *c = (struct sim_case){.arena = arena_create()};
    c->diag = diag_create(c->arena, loc_table_create(c->arena));
    diag_set_sink(c->diag, case_sink, c);
    sim_options_default(&c->opt);
    c->opt.threads = 1;
}

static inline bool case_load(struct sim_case *c, const char *program)
{
    char *text = arena_printf(c->arena, "%s\n", program);
    const char *path = "case.s";
    bool ok = io_write_file(path, text, strlen(text), c->diag) &&
              image_parse_asm(path, &c->img, c->arena, c->diag);
    c->sim = ok ? sim_create(&c->img, &c->opt, c->arena, c->diag) : NULL;
    if (!CHECK(c->sim != NULL))
        fprintf(stderr, "%s", c->messages);
    return c->sim != NULL;
}

// Runs a program from a prepared case to its end, whatever that is.
static inline bool case_run(struct sim_case *c, const char *program)
{
    return case_load(c, program) && sim_run(c->sim, c->diag);
}

static inline bool case_start(struct sim_case *c, const char *program)
{
    case_prepare(c);
    return case_run(c, program);
}

static inline void case_end(struct sim_case *c)
{
    sim_destroy(c->sim);
    arena_destroy(c->arena);
}

static inline enum sim_fault_kind case_fault(const struct sim_case *c)
{
    return c->sim ? sim_last_fault(c->sim)->kind : SIM_FAULT_NUM;
}

// Numbers for random cases: splitmix64.
static uint64_t case_seed;

static inline uint64_t case_bits(void)
{
    uint64_t z = (case_seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline int64_t case_int(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(case_bits() % (uint64_t)(hi - lo + 1));
}

#endif
