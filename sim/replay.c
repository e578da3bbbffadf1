// Reads vector files, runs every row, compares. The vector datapath runs a row with the kernels of
// every level that the processor has, as a block of one position.
#include "replay.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "bce.h"

#define LINE_MAX_BYTES (1 << 20)

// clang-format off
enum column {
    COL_ID, COL_CLASS, COL_DIST, COL_MODE, COL_N, COL_N_IN, COL_N_CALC, COL_PRUNE, COL_QUANT,
    COL_W, COL_A, COL_RES, COL_LAT, COL_D, COL_ACC, COL_EMAX, COL_TRACE, COL_NUM
};
static const char *const column_name[COL_NUM] = {
    "id", "class", "dist", "mode", "n", "n_in", "n_calc", "prune", "quant",
    "w", "a", "res", "lat", "d", "acc", "emax", "trace"
};
// clang-format on

struct outcome {
    uint32_t res;
    int lat, d, emax;
    int64_t acc;
};
struct row {
    const char *id, *class_name, *dist, *trace;
    struct bce_config cfg;
    int n_in, quant;
    uint32_t w[BCE_MAX_N], a[BCE_MAX_N];
    struct bce_tile tile;
    struct outcome want;
};

#define MAX_CLASSES 16
struct tally {
    char name[32];
    long rows, bad;
};
struct replay {
    struct arena *arena;
    struct diag *diag;
    FILE *out;
    enum sim_datapath dp;
    const char *path;
    loc_id loc;
    long line;
    struct bce_tables tables;
    struct tally tally[MAX_CLASSES];
    int num_tally;
    long rows, bad, traces;
    bool malformed;
};

// ---- Reading ------------------------------------------------------------------------------------

static bool bad_row(struct replay *r, enum column c, const char *what)
{
    r->malformed = true;
    return diag_report(r->diag, r->loc, DIAG_VECTOR_FORMAT, "line %ld, column %s: %s", r->line,
                       column_name[c], what);
}

static bool parse_number(struct replay *r, char **cell, enum column c, int base, uint64_t max,
                         uint64_t *out)
{
    char *end;
    const char *text = cell[c];
    bool digit = (*text >= '0' && *text <= '9') || (base == 16 && *text >= 'a' && *text <= 'f');
    *out = strtoull(text, &end, base);
    if (!digit || *end != '\0' || strlen(text) > (base == 16 ? 16 : 19))
        return bad_row(r, c, base == 16 ? "not a hexadecimal number" : "not a decimal number");
    return *out <= max ? true : bad_row(r, c, "out of range");
}

static bool parse_words(struct replay *r, char **cell, enum column c, int n, uint32_t *out)
{
    if (strlen(cell[c]) != 8 * (size_t)n)
        return bad_row(r, c, "not n words of 8 hexadecimal digits");
    for (int i = 0; i < n; i++) {
        char word[9], *end;
        memcpy(word, cell[c] + 8 * i, 8);
        word[8] = '\0';
        out[i] = (uint32_t)strtoul(word, &end, 16);
        if (*end != '\0' || strspn(word, "0123456789abcdefABCDEF") != 8)
            return bad_row(r, c, "not n words of 8 hexadecimal digits");
    }
    return true;
}

static bool parse_mode(struct replay *r, char **cell, struct row *row)
{
    if (strcmp(cell[COL_MODE], "fix") == 0)
        row->cfg.mode = ISA_MODE_fixed;
    else if (strcmp(cell[COL_MODE], "flt") == 0)
        row->cfg.mode = ISA_MODE_fp32;
    else
        return bad_row(r, COL_MODE, "neither fix nor flt");
    return true;
}

static bool parse_row(struct replay *r, char **cell, struct row *row)
{
    uint64_t n, n_in, n_calc, prune, quant, res, lat, d, acc, emax;
    row->id = cell[COL_ID];
    row->class_name = cell[COL_CLASS];
    row->dist = cell[COL_DIST];
    row->trace = cell[COL_TRACE];
    if (!parse_mode(r, cell, row) || !parse_number(r, cell, COL_N, 10, BCE_MAX_N, &n) ||
        !parse_number(r, cell, COL_N_IN, 10, BCE_MAX_N, &n_in) ||
        !parse_number(r, cell, COL_N_CALC, 10, BCE_MAX_N - 1, &n_calc) ||
        !parse_number(r, cell, COL_PRUNE, 16, 0xffffff, &prune) ||
        !parse_number(r, cell, COL_QUANT, 10, 24, &quant) ||
        !parse_number(r, cell, COL_RES, 16, UINT32_MAX, &res) ||
        !parse_number(r, cell, COL_LAT, 10, 1 << 20, &lat) ||
        !parse_number(r, cell, COL_D, 10, BCE_MAX_N, &d) ||
        !parse_number(r, cell, COL_ACC, 16, UINT64_MAX, &acc) ||
        !parse_number(r, cell, COL_EMAX, 10, 511, &emax))
        return false;
    if (n == 0 || n_in == 0 || n % n_in != 0 || (n_in & (n_in - 1)) != 0)
        return bad_row(r, COL_N_IN, "n must be a multiple of n_in, and n_in a power of two");
    if (n_calc >= n)
        return bad_row(r, COL_N_CALC, "not below n");
    if (prune == 0)
        return bad_row(r, COL_PRUNE, "no lane is enabled: the PE never answers");
    row->cfg.n = (int)n;
    row->cfg.prune = (uint32_t)prune;
    row->cfg.compat = true;
    row->n_in = (int)n_in;
    row->quant = (int)quant;
    row->tile.n_calc = (int)n_calc;
    row->want = (struct outcome){(uint32_t)res, (int)lat, (int)d, (int)emax, (int64_t)acc};
    return parse_words(r, cell, COL_W, (int)n, row->w) &&
           parse_words(r, cell, COL_A, (int)n, row->a);
}

// Word layouts of the vectors: weights as sign and 24-bit magnitude, activations with their sign in
// bit 31 above 24 low bits; floats as binary32, the hidden bit of a weight set by its exponent
// field alone.
static void make_operands(struct row *row)
{
    bool is_float = bce_is_float(&row->cfg);
    struct bce_tile *t = &row->tile;
    for (int i = 0; i < row->cfg.n; i++) {
        uint32_t w = row->w[i], mag = w & 0xffffff;
        if (is_float) {
            t->exp[i] = (uint8_t)(w >> 23);
            mag = (w & 0x7fffff) | (t->exp[i] != 0 ? 0x800000u : 0);
        } else
            row->a[i] = (row->a[i] & 0xffffffu) | (row->a[i] >> 31 ? 0xff000000u : 0);
        t->valid[i >> 6] |= 1ull << (i & 63);
        t->sign[i >> 6] |= (uint64_t)(w >> 31) << (i & 63);
        for (int b = 0; b < BCE_LANES; b++)
            t->col[b][i >> 6] |= (uint64_t)(mag >> b & 1) << (i & 63);
    }
    t->macs = row->cfg.n;
}

// ---- Datapaths ----------------------------------------------------------------------------------

struct lane_trace {
    uint16_t index[BCE_LANES][BCE_MAX_N + 1]; // 0: fill, else index + 1
    int len[BCE_LANES];
};

static void record(void *user, int cycle, int lane, int index)
{
    struct lane_trace *t = user;
    if (cycle == t->len[lane] && cycle <= BCE_MAX_N)
        t->index[lane][t->len[lane]++] = (uint16_t)(index + 1);
}

static void run_rtl(const struct row *row, struct lane_trace *trace, struct outcome *got)
{
    struct bce_group g;
    struct bce_trace hook = {record, trace};
    bce_rtl_group(&row->cfg, &row->tile, row->a, trace ? &hook : NULL, &g);
    got->acc = g.acc;
    got->d = g.d;
    got->emax = g.emax;
    got->res = bce_is_float(&row->cfg) ? bce_rtl_result(&row->cfg, &row->tile, row->a, &g)
                                       : bce_rtl_pack_fixed(g.acc, row->quant);
}

static int32_t bound_of(const struct row *row)
{
    int32_t bound = 1;
    for (int i = 0; i < row->cfg.n; i++) {
        int32_t v = (int32_t)row->a[i] < 0 ? -(int32_t)row->a[i] : (int32_t)row->a[i];
        bound = v > bound ? v : bound;
    }
    return bound;
}

static uint8_t *block_rows(struct replay *r, const struct row *row, enum bce_row kind)
{
    uint8_t *rows = arena_alloc_aligned(r->arena, (size_t)(row->cfg.n + 1) * BCE_ROW_BYTES, 64);
    for (int i = 0; i < row->cfg.n; i++) {
        if (kind == BCE_ROW_I8)
            rows[i * BCE_ROW_BYTES] = (uint8_t)row->a[i];
        else
            memcpy(rows + i * BCE_ROW_BYTES, &row->a[i], sizeof row->a[i]);
    }
    return rows;
}

static void run_fixed(struct replay *r, const struct bce_kernels *kn, const struct row *row,
                      struct outcome *got)
{
    int32_t bound = bound_of(row);
    enum bce_row kind = bound < 128 ? BCE_ROW_I8 : BCE_ROW_I32;
    uint8_t *rows = block_rows(r, row, kind);
    struct bce_plan *plan;
    bce_plan_make(&row->cfg, &r->tables, &row->tile, NULL, bound, kind,
                  arena_alloc_aligned(r->arena, bce_plan_bytes(&row->cfg), 64), &plan);
    if (kind == BCE_ROW_I8)
        kind = kn->settle(kind, bound, rows, row->cfg.n, 1);
    bce_vector_fixed(kn, &row->cfg, plan, kind, rows, 1, &got->acc, false);
    got->d = plan->d;
    got->emax = 0;
    got->res = bce_rtl_pack_fixed(got->acc, row->quant);
}

static void run_float(struct replay *r, const struct bce_kernels *kn, const struct row *row,
                      struct outcome *got)
{
    size_t operands = (size_t)row->cfg.n * BCE_SUB * sizeof(int32_t);
    struct bce_plan *plan;
    struct bce_float_block b = {.len = 1};
    struct bce_lane_counter *n = arena_alloc_aligned(r->arena, (sizeof *n + 63) / 64 * 64, 64);
    struct bce_float_out *o = arena_alloc_aligned(r->arena, sizeof *o, 64);
    b.raw = (const uint32_t *)(const void *)block_rows(r, row, BCE_ROW_F32);
    b.exp = arena_alloc_aligned(r->arena, operands, 64);
    b.mant = arena_alloc_aligned(r->arena, operands + BCE_FLOAT_SLACK, 64);
    bce_plan_make(&row->cfg, &r->tables, &row->tile, NULL, 0, BCE_ROW_F32,
                  arena_alloc_aligned(r->arena, bce_plan_bytes(&row->cfg), 64), &plan);
    kn->decode(&row->cfg, row->cfg.n, &b);
    bce_vector_float(kn, &row->cfg, plan, &b, n, o);
    got->acc = o->acc[0];
    got->emax = o->emax[0];
    got->d = (int)o->d[0];
    got->res = o->bits[0];
}

// n / n_in beats, a tree of log2 n_in levels, and 13 (fixed) or 16 stages around the distillation.
static int latency(const struct row *row, int d)
{
    return row->cfg.n / row->n_in + __builtin_ctz((unsigned)row->n_in) +
           (bce_is_float(&row->cfg) ? 16 : 13) + d;
}

// ---- Comparison ---------------------------------------------------------------------------------

static struct tally *tally_of(struct replay *r, const char *name)
{
    int i = 0;
    while (i < r->num_tally && strncmp(r->tally[i].name, name, sizeof r->tally[i].name - 1) != 0)
        i++;
    if (i == MAX_CLASSES)
        return &r->tally[MAX_CLASSES - 1];
    if (i == r->num_tally) {
        r->num_tally++;
        strncpy(r->tally[i].name, name, sizeof r->tally[i].name - 1);
    }
    return &r->tally[i];
}

// The trace column's text of what was recorded.
static const char *trace_text(struct replay *r, const struct lane_trace *t)
{
    size_t cap = BCE_LANES * (BCE_MAX_N + 1) * 4 + BCE_LANES, at = 0;
    char *text = arena_alloc(r->arena, cap + 1);
    for (int b = 0; b < BCE_LANES; b++) {
        if (b > 0)
            text[at++] = ';';
        for (int i = 0; i < t->len[b]; i++) {
            const char *comma = i > 0 ? "," : "";
            int len = t->index[b][i]
                          ? snprintf(text + at, cap - at, "%s%d", comma, t->index[b][i] - 1)
                          : snprintf(text + at, cap - at, "%sz", comma);
            at += (size_t)len;
        }
    }
    text[at] = '\0';
    return text;
}

static void print_outcome(FILE *out, const char *who, const struct outcome *o)
{
    fprintf(out, "  %-8s res %08x  d %d  lat %d  acc %016llx  emax %d\n", who, (unsigned)o->res,
            o->d, o->lat, (unsigned long long)o->acc, o->emax);
}

static void print_words(FILE *out, const char *name, const uint32_t *words, int n)
{
    fprintf(out, "  %-8s", name);
    for (int i = 0; i < n; i++)
        fprintf(out, "%s%08x", i > 0 && i % 8 == 0 ? "\n          " : " ", (unsigned)words[i]);
    fputc('\n', out);
}

static void print_mismatch(struct replay *r, const struct row *row, const char *who,
                           const struct outcome *got, const char *trace)
{
    const struct bce_config *c = &row->cfg;
    fprintf(r->out, "%s: line %ld: first mismatch: row %s, class %s, dist %s (%s)\n", r->path,
            r->line, row->id, row->class_name, row->dist, who);
    fprintf(r->out, "  mode %s  n %d  n_in %d  n_calc %d  prune %06x  quant %d\n",
            bce_is_float(c) ? "flt" : "fix", c->n, row->n_in, row->tile.n_calc, (unsigned)c->prune,
            row->quant);
    print_outcome(r->out, "expected", &row->want);
    print_outcome(r->out, "got", got);
    if (trace)
        fprintf(r->out, "  trace expected %s\n  trace got      %s\n", row->trace, trace);
    print_words(r->out, "w", row->w, c->n);
    print_words(r->out, "a", row->a, c->n);
}

// False, and the first time in full, when the outcome is not the recorded one.
static bool check(struct replay *r, const struct row *row, const char *who, struct outcome *got,
                  const struct lane_trace *t)
{
    const char *trace = t ? trace_text(r, t) : NULL;
    const struct outcome *want = &row->want;
    got->lat = latency(row, got->d);
    if (got->res == want->res && got->d == want->d && got->lat == want->lat &&
        got->acc == want->acc && got->emax == want->emax && (!t || strcmp(trace, row->trace) == 0))
        return true;
    if (r->bad == 0)
        print_mismatch(r, row, who, got, trace);
    return false;
}

static bool run_row(struct replay *r, const struct row *row)
{
    struct outcome got;
    if (r->dp == SIM_DATAPATH_RTL) {
        struct lane_trace *t = row->trace ? ARENA_NEW(r->arena, struct lane_trace) : NULL;
        run_rtl(row, t, &got);
        r->traces += t != NULL;
        return check(r, row, "rtl", &got, t);
    }
    for (int i = 0; bce_kernels_at(i); i++) {
        const struct bce_kernels *kn = bce_kernels_at(i);
        if (bce_is_float(&row->cfg))
            run_float(r, kn, row, &got);
        else
            run_fixed(r, kn, row, &got);
        if (!check(r, row, kn->name, &got, NULL))
            return false;
    }
    return true;
}

// ---- Files --------------------------------------------------------------------------------------

// Cuts a line at its tabs; the number of cells, at most COL_NUM + 1.
static int split(char *line, char **cell)
{
    int n = 0;
    memset(cell, 0, sizeof *cell * COL_NUM);
    for (char *at = line; at; n++) {
        char *tab = strchr(at, '\t');
        if (tab)
            *tab++ = '\0';
        if (n == COL_NUM)
            return n + 1;
        cell[n] = at;
        at = tab;
    }
    return n;
}

static void read_line(struct replay *r, char *line)
{
    char *cell[COL_NUM];
    int n = split(line, cell);
    if (n != COL_NUM && n != COL_NUM - 1) {
        r->malformed = true;
        diag_report(r->diag, r->loc, DIAG_VECTOR_FORMAT,
                    "line %ld: %d columns; %d or %d are needed", r->line, n, COL_NUM - 1, COL_NUM);
        return;
    }
    if (r->line == 1) {
        for (int i = 0; i < n; i++)
            if (strcmp(cell[i], column_name[i]) != 0)
                bad_row(r, (enum column)i, "expected in the header line");
        return;
    }
    struct row *row = ARENA_NEW(r->arena, struct row);
    if (!parse_row(r, cell, row))
        return;
    make_operands(row);
    struct tally *t = tally_of(r, row->class_name);
    bool good = run_row(r, row);
    t->rows++;
    t->bad += !good;
    r->rows++;
    r->bad += !good;
}

// A line without its end, or NULL at the end of the file or where something is wrong.
static char *next_line(struct replay *r, gzFile f, char *buf)
{
    if (!gzgets(f, buf, LINE_MAX_BYTES)) {
        int err;
        const char *text = gzerror(f, &err);
        if (err != Z_OK && err != Z_STREAM_END) {
            r->malformed = true;
            diag_report(r->diag, r->loc, DIAG_VECTOR_FORMAT, "after line %ld: %s", r->line, text);
        }
        return NULL;
    }
    size_t len = strlen(buf);
    r->line++;
    if (len == LINE_MAX_BYTES - 1) {
        r->malformed = true;
        diag_report(r->diag, r->loc, DIAG_VECTOR_FORMAT, "line %ld is longer than %d bytes",
                    r->line, LINE_MAX_BYTES);
        return NULL;
    }
    buf[strcspn(buf, "\r\n")] = '\0';
    return buf;
}

static void print_counts(const struct replay *r)
{
    fprintf(r->out, "%s: %ld rows, %ld mismatches", r->path, r->rows, r->bad);
    for (int i = 0; i < r->num_tally; i++)
        fprintf(r->out, "%s%s %ld/%ld", i == 0 ? " (equal: " : ", ", r->tally[i].name,
                r->tally[i].rows - r->tally[i].bad, r->tally[i].rows);
    fputs(r->num_tally ? ")" : "", r->out);
    if (r->traces)
        fprintf(r->out, ", %ld traces", r->traces);
    fputc('\n', r->out);
}

static bool replay_file(struct replay *r, struct arena *lines, const char *path)
{
    r->path = path;
    r->loc = diag_file(r->diag, path);
    gzFile f = gzopen(path, "rb");
    if (!f)
        return diag_report(r->diag, r->loc, DIAG_IO_READ, "cannot be opened");
    char *buf = arena_alloc(lines, LINE_MAX_BYTES), *line;
    while ((line = next_line(r, f, buf)) != NULL) {
        read_line(r, line);
        arena_reset(r->arena);
    }
    gzclose(f);
    if (r->line == 0 && !r->malformed) {
        r->malformed = true;
        diag_report(r->diag, r->loc, DIAG_VECTOR_FORMAT, "empty");
    }
    print_counts(r);
    return r->bad == 0 && !r->malformed;
}

int bce_replay_main(char **files, int num, enum sim_datapath dp, FILE *out, struct diag *d)
{
    struct arena *lines = arena_create();
    struct replay *r = ARENA_NEW(lines, struct replay);
    long rows = 0, bad = 0;
    bool good = true;
    for (int i = 0; i < num; i++) {
        memset(r, 0, sizeof *r);
        r->arena = arena_create();
        r->diag = d;
        r->out = out;
        r->dp = dp;
        bce_tables_init(&r->tables);
        good &= replay_file(r, lines, files[i]);
        rows += r->rows;
        bad += r->bad;
        arena_destroy(r->arena);
    }
    fprintf(out, "%s: %ld rows, %ld mismatches\n",
            dp == SIM_DATAPATH_RTL ? "datapath rtl" : "datapath vector", rows, bad);
    arena_destroy(lines);
    return good ? 0 : 1;
}
