// alloc: an address for every value. Constants lie in .rodata or .lanes in the order of the ops.
// Graph inputs and outputs have heap memory of their own for the whole run, so that a caller finds
// inputs unharmed and outputs complete; values in between share what is left according to their
// lifetimes (plan.h). A value and its reshapes are one piece of memory.
//
// An output that would share memory with an input, a constant or another output is copied: the copy
// is a broadcast to the same shape.
//
// What is joined by a concat along its outermost extent above 1 lies in the result from the start:
// then nothing is moved.
//
// A loop's carried values have the same memory before, in and after the body; what begins outside
// and is used in the body lives until the loop ends.
#include "image.h"
#include "index.h"
#include "macgroup.h"
#include "pass.h"
#include "plan.h"

enum { PAGE = 4096, LINE = 64 };

enum place { PLACE_HEAP, PLACE_OWN, PLACE_CONST };

// A value and its reshapes.
struct memory {
    enum place place;
    bool is_output;
    uint64_t bytes, addr;
    int first, last; // steps
    int whole;       // what it is a part of, -1: nothing
    uint64_t at;     // byte of the whole where it begins
};
struct alloc {
    struct pass_ctx *ctx;
    struct ir_graph *g;
    struct index index; // value -> memory
    struct memory *mem;
    int num_mem;
    struct loop { // that is open
        int begin, end;
    } * loop;
    int num_loops;
    size_t loops_cap;
    uint64_t heap, rodata, lanes; // bytes taken
};

static uint64_t align_of(uint64_t bytes)
{
    return bytes >= PAGE ? PAGE : LINE;
}

static uint64_t bump(uint64_t *top, uint64_t bytes, uint64_t align)
{
    uint64_t at = (*top + align - 1) & ~(align - 1);
    *top = at + bytes;
    return at;
}

static uint64_t bump_heap(struct alloc *s, uint64_t bytes)
{
    return IMAGE_HEAP_BASE + bump(&s->heap, bytes, align_of(bytes));
}

static struct memory *memory_of(struct alloc *s, const struct ir_value *v)
{
    int n = index_get(&s->index, v);
    if (n < 0)
        bitlet_bug("%%%s has no memory", v->name);
    return &s->mem[n];
}

static void new_memory(struct alloc *s, const struct ir_value *v, enum place place, int step)
{
    s->mem[s->num_mem] = (struct memory){
        .place = place,
        .bytes = ir_type_bytes(&v->type),
        .first = step,
        .last = step,
        .whole = -1,
    };
    index_set(&s->index, v, s->num_mem++);
}

// ---- Which values share memory, and for how long

// The caller writes and reads these extents beside inputs and outputs.
static void keep_extents(struct alloc *s, const struct ir_value *v)
{
    for (int k = 0; k < v->type.rank; k++)
        if (v->type.sym[k]) {
            struct memory *m = memory_of(s, v->type.sym[k]);
            m->place = m->place == PLACE_HEAP ? PLACE_OWN : m->place;
        }
}

static enum place place_of(const struct ir_op *op)
{
    return op->op == IR_OP_CONST          ? PLACE_CONST
           : op->op == IR_OP_INPUT_EXTENT ? PLACE_OWN
                                          : PLACE_HEAP;
}

// Ops of one group (macgroup.h) share a step: the first tile of the last one is written before the
// last tile of the first one is read. So do a group and the one beside which it runs.
static int step_after(const struct ir_op *op, int step)
{
    if (op->op == IR_OP_CONST) // takes no heap, and may stand within a group
        return step;
    const struct ir_op *next = mac_group_next(op);
    return step + !((next != NULL && mac_is_fused(next)) || mac_ends_beside(op));
}

// The step of the marker that ends the region of op, which stands at `step`.
static int step_of_close(const struct ir_op *op, int step)
{
    const struct ir_op *close = ir_region_close(op);
    for (; op != close; op = op->next)
        step = step_after(op, step);
    return step;
}

static void use_memory(struct alloc *s, const struct ir_value *v, int step)
{
    struct memory *m = memory_of(s, v);
    for (int i = 0; i < s->num_loops; i++)
        if (m->first < s->loop[i].begin) { // the outermost loop that it enters
            step = s->loop[i].end;
            break;
        }
    if (m->last < step)
        m->last = step;
}

// The extents of a value are read wherever the value is.
static void use_extents(struct alloc *s, const struct ir_value *v, int step)
{
    for (int k = 0; k < v->type.rank; k++)
        if (v->type.sym[k])
            use_memory(s, v->type.sym[k], step);
}

// The results of a loop: carried values where the body keeps them; stacked elements from the start,
// because the body fills them one by one.
static void begin_loop(struct alloc *s, const struct ir_op *op, int step)
{
    const struct ir_op *end = ir_region_close(op);
    int last = step_of_close(op, step), carried = op->num_in - 2;
    s->loop = arena_grow(s->ctx->scratch, s->loop, (size_t)s->num_loops, (size_t)s->num_loops + 1,
                         sizeof *s->loop, &s->loops_cap);
    s->loop[s->num_loops++] = (struct loop){step, last};
    for (int i = 0; i < op->num_out; i++) {
        new_memory(s, op->out[i], PLACE_HEAP, step);
        memory_of(s, op->out[i])->last = last;
    }
    for (int i = 0; i < end->num_out; i++) {
        if (i < carried) {
            index_set(&s->index, end->out[i], index_get(&s->index, op->out[i + 1]));
            continue;
        }
        new_memory(s, end->out[i], PLACE_HEAP, step);
        memory_of(s, end->out[i])->last = last;
    }
    if (op->in[0])
        use_memory(s, op->in[0], last); // compared after every iteration
}

static void classify_marker(struct alloc *s, const struct ir_op *op, int step)
{
    if (op->op == IR_OP_LOOP_BEGIN)
        begin_loop(s, op, step);
    if (op->op == IR_OP_LOOP_END)
        s->num_loops--;
    if (op->op == IR_OP_ELSE_BEGIN) { // both regions give these
        const struct ir_op *end = ir_region_close(op);
        for (int i = 0; i < end->num_out; i++)
            new_memory(s, end->out[i], PLACE_HEAP, step);
    }
    if (op->op == IR_OP_IF_END)
        for (int i = 0; i < op->num_out; i++)
            use_memory(s, op->out[i], step);
}

static struct ir_value *copy_of(struct alloc *s, struct ir_value *v, struct ir_op *before)
{
    struct ir_builder b = {s->g, before, v->def != NULL ? v->def->loc : LOC_NONE, s->ctx->diag};
    return irb_broadcast_to(&b, v, &v->type);
}

// Where the next carried value is another one of this iteration, it is copied: they are overwritten
// one after the other.
static bool separate_carried(struct alloc *s, struct ir_op *end)
{
    const struct ir_op *begin = ir_region_open(end);
    for (int i = 0; i < begin->num_in - 2; i++) {
        const struct ir_value *root = end->in[i + 1];
        while (root->def != NULL && ir_op_is_alias(root->def))
            root = root->def->in[0];
        if (root->def != begin || root->def_index == i + 1)
            continue;
        struct ir_value *copy = copy_of(s, end->in[i + 1], end);
        if (copy == NULL)
            return false;
        ir_op_set_operand(end, i + 1, copy);
    }
    return true;
}

static bool separate_loops(struct alloc *s)
{
    for (struct ir_op *op = s->g->first; op != NULL; op = op->next)
        if (op->op == IR_OP_LOOP_END && !separate_carried(s, op))
            return false;
    return true;
}

static void classify(struct alloc *s)
{
    size_t values =
        (size_t)s->g->num_inputs + (size_t)s->g->num_outputs; // copies of outputs may come
    for (const struct ir_op *op = s->g->first; op != NULL; op = op->next)
        values += (size_t)op->num_out;
    index_create(&s->index, values, s->ctx->scratch);
    s->mem = ARENA_ARRAY(s->ctx->scratch, values, struct memory);
    for (int i = 0; i < s->g->num_inputs; i++)
        new_memory(s, s->g->inputs[i], PLACE_OWN, 0);
    int step = 0;
    for (const struct ir_op *op = s->g->first; op != NULL;
         step = step_after(op, step), op = op->next) {
        for (int i = 0; i < op->num_in; i++)
            if (op->in[i] != NULL) {
                use_memory(s, op->in[i], step);
                use_extents(s, op->in[i], step);
            }
        if (ir_is_marker(op)) {
            classify_marker(s, op, step);
            continue;
        }
        for (int i = 0; i < op->num_out; i++)
            if (ir_op_is_alias(op))
                index_set(&s->index, op->out[i], index_get(&s->index, op->in[0]));
            else
                new_memory(s, op->out[i], place_of(op), step);
        for (int i = 0; i < op->num_out; i++)
            use_extents(s, op->out[i], step);
        if ((mac_can_head(op) || mac_is_fused(op)) && mac_stays_in_group(op->out[0]))
            memory_of(s, op->out[0])->bytes = 0;
    }
}

// ---- Parts of a concatenation

// Whether the operands follow each other in the result's memory.
static bool joins_blocks(const struct ir_op *op)
{
    int64_t axis = ir_int(op, IR_A_axis, 0);
    for (int i = 0; i < axis; i++)
        if (op->out[0]->type.dim[i] != 1)
            return false;
    return !ir_op_is_dynamic(op);
}

static void join_part(struct alloc *s, const struct ir_value *v, int whole, uint64_t at)
{
    int n = index_get(&s->index, v);
    struct memory *m = &s->mem[n], *w = &s->mem[whole];
    bool is_own = v->def != NULL && !ir_is_marker(v->def) && !v->is_output &&
                  m->bytes == ir_type_bytes(&v->type);
    if (!is_own || m->place != PLACE_HEAP || m->whole >= 0 || n == whole)
        return;
    m->whole = whole;
    m->at = at;
    w->first = m->first < w->first ? m->first : w->first;
    w->last = m->last > w->last ? m->last : w->last;
}

// Backwards, so that parts of parts come after what they are part of, and lifetimes reach the
// outermost: an operand's part is then looked at before its own operands. Inside of regions values
// may be overwritten from one iteration to the next: nothing is joined there.
static void join_concats(struct alloc *s)
{
    int depth = 0;
    for (const struct ir_op *op = s->g->last; op != NULL; op = op->prev) {
        depth += (int)ir_closes(op) - (int)ir_opens(op);
        if (op->op != IR_OP_CONCAT || depth != 0 || !joins_blocks(op))
            continue;
        uint64_t at = 0;
        for (int i = 0; i < op->num_in; i++) {
            join_part(s, op->in[i], index_get(&s->index, op->out[0]), at);
            at += ir_type_bytes(&op->in[i]->type);
        }
    }
    for (int i = s->num_mem - 1; i >= 0; i--)
        for (int w = s->mem[i].whole; w >= 0; w = s->mem[w].whole) {
            struct memory *m = &s->mem[w];
            m->first = s->mem[i].first < m->first ? s->mem[i].first : m->first;
            m->last = s->mem[i].last > m->last ? s->mem[i].last : m->last;
        }
}

// Gives output i a copy of its value.
static bool copy_output(struct alloc *s, int i)
{
    struct ir_value *v = s->g->outputs[i];
    struct ir_value *copy = copy_of(s, v, NULL);
    if (copy == NULL)
        return false;
    s->g->outputs[i] = copy;
    copy->is_output = true;
    v->is_output = false;
    for (int j = 0; j < s->g->num_outputs; j++)
        v->is_output |= s->g->outputs[j] == v;
    return true;
}

static bool separate_outputs(struct alloc *s)
{
    int step = 0;
    for (const struct ir_op *op = s->g->first; op != NULL; op = op->next)
        step = step_after(op, step);
    for (int i = 0; i < s->g->num_outputs; i++) {
        struct memory *m = memory_of(s, s->g->outputs[i]);
        if (m->place == PLACE_HEAP && !m->is_output && m->whole < 0) {
            m->is_output = true;
            continue;
        }
        m->last = step;
        if (!copy_output(s, i))
            return false;
        new_memory(s, s->g->outputs[i], PLACE_HEAP, step++);
        s->mem[s->num_mem - 1].is_output = true;
    }
    for (int i = 0; i < s->num_mem; i++)
        if (s->mem[i].is_output)
            s->mem[i].place = PLACE_OWN;
    for (int i = 0; i < s->g->num_outputs; i++)
        keep_extents(s, s->g->outputs[i]);
    return true;
}

// ---- Addresses

static void place_constants(struct alloc *s)
{
    for (const struct ir_op *op = s->g->first; op != NULL; op = op->next) {
        if (op->op != IR_OP_CONST)
            continue;
        struct memory *m = memory_of(s, op->out[0]);
        m->bytes = ir_const_bytes(op);
        m->addr = op->out[0]->type.dtype == DT_LANES
                      ? IMAGE_LANES_BASE + bump(&s->lanes, m->bytes, LINE)
                      : IMAGE_RODATA_BASE + bump(&s->rodata, m->bytes, LINE);
    }
}

static void place_interface(struct alloc *s)
{
    for (int i = 0; i < s->g->num_inputs; i++) {
        struct memory *m = memory_of(s, s->g->inputs[i]);
        m->addr = bump_heap(s, m->bytes);
    }
    for (int i = 0; i < s->g->num_outputs; i++) {
        struct memory *m = memory_of(s, s->g->outputs[i]);
        m->addr = bump_heap(s, m->bytes);
    }
    for (int i = 0; i < s->num_mem; i++)
        if (s->mem[i].place == PLACE_OWN && s->mem[i].addr == 0)
            s->mem[i].addr = bump_heap(s, s->mem[i].bytes);
}

static void place_intermediates(struct alloc *s)
{
    struct plan_usage *u = ARENA_ARRAY(s->ctx->scratch, (size_t)s->num_mem, struct plan_usage);
    int n = 0;
    for (int i = 0; i < s->num_mem; i++)
        if (s->mem[i].place == PLACE_HEAP && s->mem[i].whole < 0)
            u[n++] = (struct plan_usage){s->mem[i].bytes, align_of(s->mem[i].bytes),
                                         s->mem[i].first, s->mem[i].last, 0};
    uint64_t bytes = plan_offsets(u, n, s->ctx->scratch),
             base = IMAGE_HEAP_BASE + bump(&s->heap, bytes, PAGE);
    n = 0;
    for (int i = 0; i < s->num_mem; i++)
        if (s->mem[i].place == PLACE_HEAP && s->mem[i].whole < 0)
            s->mem[i].addr = base + u[n++].offset;
}

static uint64_t address_of(const struct alloc *s, const struct memory *m)
{
    uint64_t at = 0;
    for (; m->whole >= 0; m = &s->mem[m->whole])
        at += m->at;
    return m->addr + at;
}

static void set_address(struct alloc *s, struct ir_value *v)
{
    v->has_addr = true;
    v->addr = address_of(s, memory_of(s, v));
}

static void set_addresses(struct alloc *s)
{
    for (int i = 0; i < s->g->num_inputs; i++)
        set_address(s, s->g->inputs[i]);
    for (struct ir_op *op = s->g->first; op != NULL; op = op->next)
        for (int i = 0; i < op->num_out; i++)
            set_address(s, op->out[i]);
}

static bool check_sizes(struct alloc *s)
{
    struct diag *d = s->ctx->diag;
    const struct machine *m = s->ctx->machine;
    bool ok = true;
    if (s->heap > (uint64_t)m->dram_bytes)
        ok = diag_report(d, LOC_NONE, DIAG_MACHINE_LACKS,
                         "inputs, outputs and intermediates need %llu bytes, machine %s has %lld",
                         (unsigned long long)s->heap, m->name, (long long)m->dram_bytes);
    if (s->rodata > IMAGE_SECTION_MAX)
        ok = diag_report(d, LOC_NONE, DIAG_LIMIT, "constants take %llu bytes, a binary holds %llu",
                         (unsigned long long)s->rodata, (unsigned long long)IMAGE_SECTION_MAX);
    if (s->lanes > IMAGE_SECTION_MAX)
        ok = diag_report(d, LOC_NONE, DIAG_LIMIT, "lanes take %llu bytes, a binary holds %llu",
                         (unsigned long long)s->lanes, (unsigned long long)IMAGE_SECTION_MAX);
    return ok;
}

bool pass_alloc(struct pass_ctx *ctx)
{
    struct ir_module *m = ctx->module;
    struct alloc s = {.ctx = ctx, .g = m->main};
    if (!separate_loops(&s))
        return false;
    classify(&s);
    join_concats(&s);
    if (!separate_outputs(&s))
        return false;
    place_constants(&s);
    place_interface(&s);
    place_intermediates(&s);
    set_addresses(&s);
    m->heap_bytes = s.heap;
    m->rodata_bytes = s.rodata;
    m->lanes_bytes = s.lanes;
    return check_sizes(&s);
}
