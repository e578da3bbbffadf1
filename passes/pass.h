// Passes and their manager. A pass is bool pass_<name>(struct pass_ctx *): true, or false with
// diagnostics reported.
//
// The manager checks needs and gives as data (passes.def), verifies the module after every pass
// (always when BITLET_CHECK is set or the build is a debug one), resets the scratch arena, dumps
// and times.
#ifndef BITLET_PASS_H
#define BITLET_PASS_H

#include "ir.h"
#include "machine.h"

struct pass_precision {
    enum ir_mode mode;
    int wbits, abits;
};

// Which operand of a fixed-point MAC op with constant weights the PEs hold and distil.
enum pass_distill {
    PASS_DISTILL_WEIGHTS,
    PASS_DISTILL_ACTIVATIONS, // where the op can
    PASS_DISTILL_AUTO,        // the one of fewer predicted cycles, from measured content
    PASS_DISTILLS
};
extern const char *const pass_distill_text[PASS_DISTILLS];

// Whether PEs without a channel compute neighbouring positions of a convolution.
enum pass_patches {
    PASS_PATCHES_AUTO, // on machines with extensions; without them the mapping is the paper's
    PASS_PATCHES_ON,
    PASS_PATCHES_OFF,
    PASS_PATCHES
};

struct pass_options {
    struct pass_precision precision; // uniform
    enum pass_distill distill;
    enum pass_patches patches;
    bool per_tensor_scales; // one weight scale a tensor instead of one an output channel
    const char *calibrate;  // directory or file, NULL: seeded inputs
    uint64_t seed;
    int opt_level;            // 0..2
    struct thread_pool *pool; // shares work, never changes a result; NULL: none
    void (*step)(void *user, int done, int count); // of a pass that takes long; may be NULL
    void *step_user;
    bool release; // pass_release does something; only where nobody but ops holds
                  // constants of the module's arena
};
struct pass_ctx {
    struct ir_module *module;
    struct arena *scratch; // emptied after the pass
    struct diag *diag;
    const struct machine *machine;
    const struct pass_options *opt;
};

struct pass_info {
    const char *text;
    uint32_t needs, gives, breaks;
    int opt_level;
    const char *doc;
    bool (*run)(struct pass_ctx *);
};
extern const struct pass_info pass_info[];
extern const int pass_count;
#define PASS(name, text, needs, gives, breaks, level, doc) bool pass_##name(struct pass_ctx *ctx);
#include "passes.def"

// "fp32", "fp16", "int1".."int24", "w4a8"; reports precision.
BITLET_MUST_USE bool pass_parse_precision(const char *text, struct pass_precision *out,
                                          struct diag *d);

// "auto", "on" or "off"; false: another word.
BITLET_MUST_USE bool pass_parse_patches(const char *text, enum pass_patches *out);
// "weights", "activations" or "auto"; false: another word.
BITLET_MUST_USE bool pass_parse_distill(const char *text, enum pass_distill *out);

// Tells how far a pass is.
static inline void pass_step(const struct pass_ctx *ctx, int done, int count)
{
    if (ctx->opt && ctx->opt->step)
        ctx->opt->step(ctx->opt->step_user, done, count);
}
// Tells that constants of so many bytes were read for good or erased. From time to time, and after
// every pass, the memory of constants that no op holds and of file pages goes back to the system.
// *pending: 0 at first.
void pass_release(struct pass_ctx *ctx, size_t *pending, size_t bytes);

int pass_by_name(const char *text, size_t len); // row, or -1
// Erases the pure ops whose results nobody uses; the end of dce, for passes that leave such ops
// behind.
void pass_sweep(struct ir_graph *g);
// The names of the levels in a mask, "shaped, tiled"; "none" for 0.
const char *pass_levels_text(uint32_t levels, struct arena *a);
// print(parse(print(m))) == print(m), through temporary files; a difference ends the process as a
// bug of ours.
BITLET_MUST_USE bool pass_check_roundtrip(const struct ir_module *m, const char *after,
                                          struct diag *d);

struct pass_run_options {
    const char *passes;     // "a,b,c"; NULL: the default pipeline for opt_level
    const char *stop_after; // pass name or NULL
    const char *dump;       // "all" or pass names, comma separated; NULL: none
    const char *dump_dir;   // for dumps: NN-pass.bir, one blob file for all
    bool time_passes;       // a table on stderr
    bool verify_roundtrip;  // print(parse(print(m))) == print(m) after every pass; a difference is
                            // our bug
    void (*progress)(void *user, const char *pass, int index, int count); // may be NULL
    void *progress_user;
};
// Runs a pipeline over ctx->module. False with diagnostics reported; the module is then somewhere
// between two passes.
BITLET_MUST_USE bool pass_run(struct pass_ctx *ctx, const struct pass_run_options *o);

#endif
