// Tiles of random layers on random small machines: every step of the loop nest fits the buffers,
// twice each; when nothing fits, the smallest step does not. Then packing to lanes of the same
// layers.
#include "graph_random.h"
#include "mactile.h"

struct usage { // largest over all steps, in bytes (psum: entries)
    int64_t x, y, raw, w, w_all, psum;
};

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

// What one step needs, found by walking over it.
static void measure_step(const struct mac_problem *p, const struct mac_tile *whole,
                         const struct mac_tiling *g, int64_t chunk, bool keep_x,
                         const struct mac_demand *m, struct usage *u)
{
    struct mac_tile part = *whole;
    struct mac_box box;
    part.k0 = chunk * g->kchunk;
    part.kn = p->k[0].extent - part.k0 < g->kchunk ? p->k[0].extent - part.k0 : g->kchunk;
    int64_t npe = p->noc < m->pes ? p->noc : m->pes, positions = 1, K = part.kn;
    for (int i = 0; i < p->np; i++)
        positions *= whole->extent[i];
    for (int i = 1; i < p->nk; i++)
        K *= p->k[i].extent;
    mac_box_make(p, keep_x ? whole : &part, &part, &box);
    u->x = max64(u->x, box.elems * m->x_bytes);
    u->y = max64(u->y, npe * positions * m->y_bytes);
    u->raw = max64(u->raw, npe * K * m->raw_bytes);
    u->w = max64(u->w, (K + m->group - 1) / m->group * npe * m->tile_bytes);
    u->psum = max64(u->psum, npe * positions);
}

static struct mac_demand demand_for(const struct fixture *f, const struct ir_op *op,
                                    struct mac_plan *plan)
{
    struct mac_demand m;
    enum ir_mode mode = (enum ir_mode)ir_int(op, IR_A_mode, 0);
    CHECK(mac_plan_make(op, f->machine.group, f->machine.pes, f->a, f->diag, plan));
    int lanes = mac_lanes(mode, (int)ir_int(op, IR_A_wbits, 8));
    mac_demand_of(plan, f->machine.group, f->machine.pes,
                  (int64_t)machine_lane_tile_bytes(&f->machine, lanes, mode != IR_MODE_FIXED), &m);
    return m;
}

static bool fits(const struct fixture *f, const struct usage *u, bool resident)
{
    const struct machine *m = &f->machine;
    return 2 * (u->x + u->y + u->raw) <= m->act_buffer && 2 * u->psum * 8 <= m->psum_buffer &&
           2 * (resident ? u->w_all : u->w) <= m->weight_buffer;
}

static void check_fit(const struct fixture *f, const struct ir_op *op)
{
    struct mac_plan plan;
    struct mac_tiling g;
    struct mac_demand m = demand_for(f, op, &plan);
    struct mac_space all = {0}, s;
    struct usage u = {0};
    CHECK(mac_tiling_of(op, &g));
    for (int i = 0; i < plan.num_problems; i++) {
        mac_space_of(&plan.problem[i], &g, &m, &s);
        mac_space_max(&all, &s);
    }
    for (int i = 0; i < plan.num_problems; i++) {
        const struct mac_problem *p = &plan.problem[i];
        u.w_all = max64(u.w_all, mac_lanes_bytes(p, g.kchunk, &m));
        for (int64_t t = 0; t < mac_tile_count(p, g.tile); t++) {
            struct mac_tile whole;
            mac_tile_at(p, g.tile, t, &whole);
            for (int64_t c = 0; c < mac_chunks(p, g.kchunk); c++)
                measure_step(p, &whole, &g, c, mac_keeps_x(&all, f->machine.act_buffer), &m, &u);
        }
    }
    CHECK(fits(f, &u, g.resident));
    CHECK(u.y <= all.y && u.raw <= all.raw && u.w <= all.w && u.w_all <= all.w_all &&
          u.psum <= all.psum);
}

// The smallest step there is: one position, one index of k[0].
static bool smallest_fits(const struct fixture *f, const struct ir_op *op)
{
    struct mac_plan plan;
    struct mac_tiling g = {.tile = {1, 1, 1, 1, 1}, .kchunk = 1};
    struct mac_demand m = demand_for(f, op, &plan);
    struct mac_space all = {0}, s;
    for (int i = 0; i < plan.num_problems; i++) {
        mac_space_of(&plan.problem[i], &g, &m, &s);
        mac_space_max(&all, &s);
    }
    struct usage u = {all.x, all.y, all.raw, all.w, all.w_all, all.psum};
    return fits(f, &u, false);
}

static void set_mode(struct ir_op *op, struct rng *r, enum dtype t)
{
    ir_set_int(op, IR_A_mode,
               t == DT_F32   ? IR_MODE_FP32
               : t == DT_F16 ? IR_MODE_FP16
                             : IR_MODE_FIXED);
    if (t == DT_I8 || t == DT_I16) {
        ir_set_int(op, IR_A_wbits, t == DT_I8 ? 8 : rng_range(r, 9, 16));
        ir_set_int(op, IR_A_abits, 8);
    }
}

static void random_machine(struct machine *m, struct rng *r)
{
    static const int64_t groups[] = {2, 8, 16, 64, 64};
    m->group = groups[rng_range(r, 0, 4)];
    m->pes = rng_range(r, 1, 48);
    m->act_buffer = (int64_t)4096 << rng_range(r, 0, 6);
    m->weight_buffer = (int64_t)4096 << rng_range(r, 0, 6);
    m->psum_buffer = (int64_t)4096 << rng_range(r, 0, 4);
}

static void random_layers_fit(void)
{
    static const enum dtype types[] = {DT_F32, DT_F16, DT_I8, DT_I16};
    struct rng r = {11};
    int tiled = 0, refused = 0;
    for (int i = 0; i < 300; i++) {
        struct fixture f;
        fixture_start(&f);
        enum dtype t = types[rng_range(&r, 0, 3)];
        struct ir_value *y = random_mac(&f, &r, t);
        if (y != NULL) {
            ir_graph_add_output(f.b.graph, y, "y");
            random_machine(&f.machine, &r);
            set_mode(y->def, &r, t);
            CHECK(ir_infer(y->def, f.diag));
            bool ok = pass_tile(&f.ctx);
            CHECK(ok == (f.reported[DIAG_TILE_FIT] == 0));
            CHECK(ok || !smallest_fits(&f, y->def));
            if (ok) {
                check_fit(&f, y->def);
                CHECK(pass_pack(&f.ctx));
                f.ctx.module->level |= IR_L_QUANTISED | IR_L_TILED | IR_L_PACKED;
                CHECK(ir_verify(f.ctx.module, f.diag));
            }
            ok ? tiled++ : refused++;
        }
        fixture_end(&f);
    }
    CHECK(tiled > 150);
    CHECK(refused > 5);
}

static struct ir_value *conv(struct fixture *f, int64_t c, int64_t oc, int64_t size, int64_t kernel,
                             enum dtype t)
{
    struct ir_value *x = add_input(f, t, (int64_t[]){1, c, size, size}, 4);
    struct ir_value *w = add_const(f, t, (int64_t[]){oc, c, kernel, kernel}, 4, 1);
    int64_t p = kernel / 2;
    struct ir_value *y = irb_conv(&f->b, x, w, NULL, 2, (int64_t[]){1, 1}, (int64_t[]){1, 1},
                                  (int64_t[]){p, p, p, p}, 1);
    struct rng r = {1};
    ir_graph_add_output(f->b.graph, y, "y");
    set_mode(y->def, &r, t);
    CHECK(ir_infer(y->def, f->diag));
    return y;
}

// A layer that fits whole and is short is cut along rows, so that its first results leave early;
// one that computes long is left whole; one of many positions is cut along rows; deep weights are
// cut along K at groups.
static void known_layers(void)
{
    struct fixture f;
    struct mac_tiling g;
    fixture_start(&f);
    struct ir_op *op = conv(&f, 16, 32, 16, 3, DT_I8)->def;
    CHECK(pass_tile(&f.ctx) && mac_tiling_of(op, &g));
    CHECK(g.tile[1] < 16 && g.tile[2] == 16 && g.kchunk == 16 && g.resident);
    fixture_end(&f);

    fixture_start(&f);
    op = conv(&f, 256, 256, 14, 3, DT_I8)->def;
    CHECK(pass_tile(&f.ctx) && mac_tiling_of(op, &g));
    CHECK(g.tile[1] == 14 && g.tile[2] == 14 && g.kchunk == 256);
    fixture_end(&f);

    fixture_start(&f);
    op = conv(&f, 64, 64, 112, 3, DT_I8)->def;
    CHECK(pass_tile(&f.ctx) && mac_tiling_of(op, &g));
    CHECK(g.tile[1] * g.tile[2] <= 1024 && g.tile[1] * g.tile[2] > 700);
    CHECK(g.kchunk == 64 && g.resident);
    fixture_end(&f);

    fixture_start(&f);
    op = conv(&f, 512, 512, 7, 3, DT_F32)->def;
    CHECK(pass_tile(&f.ctx) && mac_tiling_of(op, &g));
    CHECK(g.tile[1] == 7 && g.tile[2] == 7 && !g.resident);
    CHECK(g.kchunk < 512 && g.kchunk * 9 % 64 == 0);
    fixture_end(&f);
}

// Ops that hold the same weights in the same tiling share their lanes; the unpacked ones go.
static void shared_weights_are_packed_once(void)
{
    struct fixture f;
    fixture_start(&f);
    struct ir_value *w = add_const(&f, DT_F32, (int64_t[]){10, 20}, 2, 1), *y[2];
    for (int i = 0; i < 2; i++) {
        y[i] = irb_matmul(&f.b, add_input(&f, DT_F32, (int64_t[]){5, 10}, 2), w, NULL);
        ir_set_int(y[i]->def, IR_A_mode, IR_MODE_FP32);
        ir_graph_add_output(f.b.graph, y[i], "y");
    }
    CHECK(pass_tile(&f.ctx) && pass_pack(&f.ctx));
    CHECK(y[0]->def->in[1] == y[1]->def->in[1]);
    CHECK(y[0]->def->in[1]->type.dtype == DT_LANES);
    CHECK_INT(f.b.graph->first->num_in, 0);
    CHECK(f.b.graph->first->next == y[0]->def);
    fixture_end(&f);
}

static void weights_too_wide_are_reported(void)
{
    struct fixture f;
    fixture_start(&f);
    struct ir_op *op = conv(&f, 4, 4, 4, 1, DT_I8)->def;
    ir_set_int(op, IR_A_wbits, 3);
    CHECK(pass_tile(&f.ctx));
    CHECK(!pass_pack(&f.ctx));
    CHECK_INT(f.reported[DIAG_IR_DATA], 1);
    f.machine.lanes = 2;
    ir_set_int(op, IR_A_wbits, 8);
    CHECK(!pass_tile(&f.ctx));
    CHECK_INT(f.reported[DIAG_MACHINE_LACKS], 1);
    fixture_end(&f);
}

int main(void)
{
    RUN(random_layers_fit);
    RUN(known_layers);
    RUN(shared_weights_are_packed_once);
    RUN(weights_too_wide_are_reported);
    return check_summary();
}
