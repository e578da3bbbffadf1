#include "emit.h"

void emit_insn(struct emit *e, struct isa_insn in)
{
    int bad = 0;
    e->text = arena_grow(e->arena, e->text, e->text_bytes, e->text_bytes + ISA_WORD_BYTES, 1,
                         &e->text_cap);
    if (!isa_encode(&in, e->text + e->text_bytes, &bad)) {
        const struct isa_format_info *f = &isa_format_info[isa_op_info[in.op].format];
        bitlet_bug("%s: field %s = %lld does not fit", isa_op_info[in.op].text, f->fields[bad].name,
                   (long long)in.f[bad]);
    }
    e->text_bytes += ISA_WORD_BYTES;
}

size_t emit_label(struct emit *e)
{
    memset(e->holds, 0, sizeof e->holds);
    e->has_pcfg = false;
    return e->text_bytes;
}

void emit_patch(struct emit *e, size_t at, size_t target)
{
    struct isa_insn in;
    int bad = 0;
    if (!isa_decode(e->text + at, &in))
        bitlet_bug("no branch at %zu", at);
    int64_t off = (int64_t)target - (int64_t)at;
    if (in.op == ISA_JAL)
        in.JAL.off = off;
    else
        in.BR.off = off;
    if (!isa_encode(&in, e->text + at, &bad))
        bitlet_bug("a branch over %lld bytes", (long long)off);
}

struct emit_view view_at(uint64_t base, enum dtype t)
{
    // Strings and lists move as handles.
    struct emit_view v = {.base = base, .dtype = dtype_is_reference(t) ? DT_U64 : t};
    for (int i = 0; i < ISA_MAX_RANK; i++) {
        v.extent[i] = 1;
        v.axis[i] = -1;
    }
    return v;
}

void view_add(struct emit_view *v, int64_t extent, int64_t stride)
{
    if (v->rank == ISA_MAX_RANK)
        bitlet_bug("a view of more than %d dimensions", ISA_MAX_RANK);
    v->extent[v->rank] = extent;
    v->stride[v->rank] = stride;
    v->rank++;
}

void view_same_extent(struct emit_view *v, const struct ir_type *t, int d)
{
    v->sym[v->rank - 1] = t->sym[d];
}

void view_part_of(struct emit_view *v, const struct ir_value *sym, int64_t first)
{
    int d = v->rank - 1;
    v->sym[d] = sym;
    v->part[d] = sym != NULL;
    v->first[d] = sym ? first : 0;
}

void view_limit(struct emit_view *v, int axis, const struct ir_type *t, int d)
{
    v->limit_sym[axis] = t->sym[d];
    v->grain[axis] = 1;
}

void view_add_axis(struct emit_view *v, int64_t extent, int64_t stride, int axis, int64_t step)
{
    view_add(v, extent, stride);
    v->axis[v->rank - 1] = axis;
    v->step[v->rank - 1] = step;
}

void view_set_axis(struct emit_view *v, int axis, int64_t origin, int64_t limit)
{
    v->origin[axis] = origin;
    v->limit[axis] = limit;
    if (v->num_axes <= axis)
        v->num_axes = axis + 1;
}

struct emit_view view_of(const struct ir_value *val)
{
    struct emit_view v = view_at(val->addr, val->type.dtype);
    int64_t stride[IR_MAX_RANK], run = 1;
    for (int i = val->type.rank - 1; i >= 0; i--) {
        stride[i] = run;
        run *= val->type.dim[i];
    }
    for (int i = 0; i < val->type.rank; i++) {
        view_add(&v, val->type.dim[i], stride[i]);
        view_same_extent(&v, &val->type, i);
    }
    return v;
}

// Whether dimension i of every view continues dimension j > i without a gap.
static bool joins(const struct emit_view *v, int n, int i, int j)
{
    for (int k = 0; k < n; k++)
        if (v[k].sym[i] || v[k].sym[j] || v[k].stride[i] != v[k].stride[j] * v[k].extent[j])
            return false;
    return true;
}

void views_merge(struct emit_view *v, int n)
{
    int rank = 0;
    for (int i = 0; i < v[0].rank; i++) {
        if (v[0].extent[i] == 1 && !v[0].sym[i])
            continue;
        for (int k = 0; k < n; k++) {
            v[k].sym[rank] = v[k].sym[i];
            v[k].part[rank] = v[k].part[i];
            v[k].first[rank] = v[k].first[i];
            v[k].extent[rank] = v[k].extent[i];
            v[k].stride[rank] = v[k].stride[i];
        }
        rank++;
        if (rank > 1 && joins(v, n, rank - 2, rank - 1)) {
            for (int k = 0; k < n; k++) {
                v[k].extent[rank - 2] *= v[k].extent[rank - 1];
                v[k].stride[rank - 2] = v[k].stride[rank - 1];
            }
            rank--;
        }
    }
    for (int k = 0; k < n; k++) {
        if (rank == 0) {
            v[k].extent[0] = 1;
            v[k].stride[0] = 1;
            v[k].sym[0] = NULL;
            v[k].part[0] = false;
        }
        v[k].rank = rank == 0 ? 1 : rank;
    }
}

// But for the base and where the axes begin and end.
static bool same_dims(const struct emit_view *a, const struct emit_view *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank || a->num_axes != b->num_axes ||
        a->fill != b->fill)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->extent[i] != b->extent[i] || a->stride[i] != b->stride[i] ||
            a->sym[i] != b->sym[i] || a->part[i] != b->part[i] || a->first[i] != b->first[i] ||
            a->axis[i] != b->axis[i] || a->step[i] != b->step[i])
            return false;
    return true;
}

static bool same_axes(const struct emit_view *a, const struct emit_view *b)
{
    for (int i = 0; i < a->num_axes; i++)
        if (a->origin[i] != b->origin[i] || a->limit[i] != b->limit[i] ||
            a->limit_sym[i] != b->limit_sym[i] || a->coord[i] != b->coord[i] ||
            a->grain[i] != b->grain[i])
            return false;
    return true;
}

enum { X_EXTENT = 3, X_STRIDE = 4 }; // registers of this file alone

static void load_extent(struct emit *e, int xreg, const struct ir_value *sym, int64_t extent)
{
    EMIT(e, LI, LI, .rd = xreg, .imm = sym ? (int64_t)sym->addr : extent);
    if (sym)
        EMIT(e, LD, MEM, .rd = xreg, .ra = xreg, .type = DT_I64);
}

// x[X_EXTENT] = how many there are of n things, `step` apart, when what is counted ends at the
// symbol and they begin at `first`.
static void emit_count(struct emit *e, const struct ir_value *sym, int64_t first, int64_t step,
                       int64_t n)
{
    load_extent(e, X_EXTENT, sym, n);
    if (first != step - 1)
        EMIT(e, SUB, ALU, .rd = X_EXTENT, .ra = X_EXTENT, .rb = 0, .imm = first - (step - 1));
    if (step > 1)
        EMIT(e, DIV, ALU, .rd = X_EXTENT, .ra = X_EXTENT, .rb = 0, .imm = step);
    EMIT(e, MAX, ALU, .rd = X_EXTENT, .ra = X_EXTENT, .rb = 0, .imm = 0);
    EMIT(e, MIN, ALU, .rd = X_EXTENT, .ra = X_EXTENT, .rb = 0, .imm = n);
}

static void emit_axes(struct emit *e, int t, const struct emit_view *v)
{
    for (int i = 0; i < v->num_axes; i++) {
        if (!v->limit_sym[i]) {
            EMIT(e, TAXIS, TAXIS, .td = t, .axis = i, .origin = v->origin[i], .limit = v->limit[i]);
            continue;
        }
        emit_count(e, v->limit_sym[i], v->coord[i], v->grain[i], v->limit[i]);
        EMIT(e, LI, LI, .rd = X_STRIDE, .imm = v->origin[i]);
        EMIT(e, TAXISX, TAXISX, .td = t, .axis = i, .ra = X_STRIDE, .rb = X_EXTENT);
    }
}

void emit_extent(struct emit *e, int xreg, const struct ir_type *t, int d)
{
    load_extent(e, xreg, t->sym[d], t->dim[d]);
}

static void emit_dim(struct emit *e, int t, const struct emit_view *v, int i)
{
    if (!v->sym[i]) {
        EMIT(e, TDIM, TDIM, .td = t, .dim = i, .extent = v->extent[i], .stride = v->stride[i]);
        return;
    }
    if (v->part[i])
        emit_count(e, v->sym[i], v->first[i], 1, v->extent[i]);
    else
        load_extent(e, X_EXTENT, v->sym[i], v->extent[i]);
    EMIT(e, LI, LI, .rd = X_STRIDE, .imm = v->stride[i]);
    EMIT(e, TDIMX, TDIMX, .td = t, .dim = i, .ra = X_EXTENT, .rb = X_STRIDE);
}

void emit_dense_view(struct emit *e, int treg, uint64_t base, const struct ir_type *t)
{
    EMIT(e, TNEW, TNEW, .td = treg, .type = (int64_t)t->dtype, .rank = t->rank,
         .imm = (int64_t)base);
    EMIT(e, LI, LI, .rd = X_STRIDE, .imm = 1);
    for (int i = t->rank - 1; i >= 0; i--) {
        load_extent(e, X_EXTENT, t->sym[i], t->dim[i]);
        EMIT(e, TDIMX, TDIMX, .td = treg, .dim = i, .ra = X_EXTENT, .rb = X_STRIDE);
        EMIT(e, MUL, ALU, .rd = X_STRIDE, .ra = X_STRIDE, .rb = X_EXTENT);
    }
    e->holds[treg] = false;
}

void emit_view(struct emit *e, int t, const struct emit_view *v)
{
    struct emit_view *h = &e->held[t];
    if (e->holds[t] && same_dims(h, v)) {
        if (h->base != v->base)
            EMIT(e, TBASE, TBASE, .td = t, .imm = (int64_t)v->base);
        if (!same_axes(h, v))
            emit_axes(e, t, v);
    } else {
        EMIT(e, TNEW, TNEW, .td = t, .type = (int64_t)v->dtype, .rank = v->rank,
             .imm = (int64_t)v->base);
        for (int i = 0; i < v->rank; i++) {
            emit_dim(e, t, v, i);
            if (v->axis[i] >= 0)
                EMIT(e, TSTEP, TSTEP, .td = t, .dim = i, .axis = v->axis[i], .step = v->step[i]);
        }
        emit_axes(e, t, v);
        if (v->fill)
            EMIT(e, TFILL, TFILL, .td = t, .bits = (int64_t)v->fill);
    }
    *h = *v;
    e->holds[t] = true;
}

int emit_view_any(struct emit *e, const struct emit_view *v, uint32_t *taken)
{
    int best = -1, best_fit = -1;
    for (int t = T_ANY; t < ISA_TREGS; t++) {
        if (*taken >> t & 1)
            continue;
        bool shares = e->holds[t] && same_dims(&e->held[t], v);
        int fit = !shares ? 0 : e->held[t].base != v->base ? 1 : 2;
        if (fit > best_fit || (fit == best_fit && e->asked[t] < e->asked[best])) {
            best = t;
            best_fit = fit;
        }
    }
    *taken |= 1u << best;
    e->asked[best] = ++e->asks;
    emit_view(e, best, v);
    return best;
}

void emit_layer(struct emit *e, const struct ir_op *op)
{
    const struct loc *l = loc_get(e->module->locs, loc_primary_node(e->module->locs, op->loc));
    bool node = l->kind == LOC_KIND_NODE;
    e->layers = arena_grow(e->arena, e->layers, e->num_layers, e->num_layers + 1,
                           sizeof(*e->layers), &e->layers_cap);
    e->layers[e->num_layers] = (struct image_layer){
        .ir_op = ir_op_info[op->op].text,
        .ir_value = op->num_out > 0 ? op->out[0]->name : "",
        .node_index = node ? l->node_index : -1,
        .node_name = node ? l->node_name : "",
        .op_type = node ? l->op_type : "",
    };
    emit_layer_again(e, (uint32_t)e->num_layers++);
}

void emit_layer_again(struct emit *e, uint32_t layer)
{
    if (e->num_locs > 0 && e->locs[e->num_locs - 1].pc == e->text_bytes)
        e->num_locs--; // nothing was emitted for that one
    e->locs =
        arena_grow(e->arena, e->locs, e->num_locs, e->num_locs + 1, sizeof(*e->locs), &e->locs_cap);
    e->locs[e->num_locs++] = (struct image_loc){.pc = e->text_bytes, .layer = layer};
}

uint64_t emit_message(struct emit *e, const char *text, size_t len)
{
    size_t at = e->messages_bytes;
    e->messages = arena_grow(e->arena, e->messages, at, at + len, 1, &e->messages_cap);
    if (len > 0)
        memcpy(e->messages + at, text, len);
    e->messages_bytes += len;
    return IMAGE_RODATA_BASE + e->module->rodata_bytes + at;
}

int emit_host(struct emit *e, const char *kernel)
{
    for (size_t i = 0; i < e->num_host; i++)
        if (strcmp(e->host[i], kernel) == 0)
            return (int)i;
    e->host =
        arena_grow(e->arena, e->host, e->num_host, e->num_host + 1, sizeof(*e->host), &e->host_cap);
    e->host[e->num_host] = arena_strdup(e->arena, kernel);
    return (int)e->num_host++;
}

int64_t emit_float_bits(double v)
{
    float f = (float)v;
    return (int64_t)io_get32(&f);
}
