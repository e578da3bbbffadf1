// The scalar core: integer registers, branches, scalar memory accesses, and the instructions that
// build tensor views.
#include <string.h>

#include "state.h"

// Registers are two's complement and wrap; C's signed arithmetic must not be asked to.
static uint64_t rb_plus_imm(const struct sim *s, const struct isa_args_ALU *in)
{
    return (uint64_t)s->x[in->rb] + (uint64_t)in->imm;
}

#define ALU_BODY(NAME, expr)                                                                       \
    bool sim_exec_##NAME(struct sim *s, const struct isa_args_ALU *in)                             \
    {                                                                                              \
        uint64_t a = (uint64_t)s->x[in->ra], b = rb_plus_imm(s, in);                               \
        sim_write_x(s, in->rd, (int64_t)(expr));                                                   \
        return true;                                                                               \
    }

ALU_BODY(ADD, a + b)
ALU_BODY(SUB, a - b)
ALU_BODY(MUL, (a * b))
ALU_BODY(MIN, (int64_t)a < (int64_t)b ? a : b)
ALU_BODY(MAX, (int64_t)a > (int64_t)b ? a : b)
ALU_BODY(AND, (a & b))
ALU_BODY(OR, a | b)
ALU_BODY(XOR, a ^ b)
ALU_BODY(SLL, a << (b & 63))
ALU_BODY(SRA, (int64_t)a >> (b & 63))
ALU_BODY(SLT, (int64_t)a < (int64_t)b)
ALU_BODY(SEQ, a == b)

static bool divide_operands(struct sim *s, const struct isa_args_ALU *in, int64_t *a, int64_t *b)
{
    *a = s->x[in->ra];
    *b = (int64_t)rb_plus_imm(s, in);
    return *b != 0 || sim_fault_at(s, SIM_FAULT_DIVIDE, 0, "%lld divided by zero", (long long)*a);
}

bool sim_exec_DIV(struct sim *s, const struct isa_args_ALU *in)
{
    int64_t a, b;
    if (!divide_operands(s, in, &a, &b))
        return false;
    sim_write_x(s, in->rd, b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b);
    return true;
}

bool sim_exec_REM(struct sim *s, const struct isa_args_ALU *in)
{
    int64_t a, b;
    if (!divide_operands(s, in, &a, &b))
        return false;
    sim_write_x(s, in->rd, b == -1 ? 0 : a % b);
    return true;
}

bool sim_exec_LI(struct sim *s, const struct isa_args_LI *in)
{
    sim_write_x(s, in->rd, in->imm);
    return true;
}

bool sim_exec_NOP(struct sim *s, const struct isa_args_NONE *in)
{
    (void)s;
    (void)in;
    return true;
}

bool sim_exec_HALT(struct sim *s, const struct isa_args_NONE *in)
{
    (void)in;
    s->halted = true;
    return true;
}

// What it waits for is the timeline's business.
bool sim_exec_FENCE(struct sim *s, const struct isa_args_FENCE *in)
{
    (void)s;
    (void)in;
    return true;
}

// Bytes that do not print are shown as dots.
bool sim_exec_TRAP(struct sim *s, const struct isa_args_TRAP *in)
{
    uint64_t addr = (uint64_t)s->x[in->ra] + (uint64_t)in->imm;
    char text[sizeof s->fault.detail];
    size_t len = (size_t)in->len < sizeof text ? (size_t)in->len : sizeof text - 1;
    uint8_t *p = NULL;
    if (len > 0 && !sim_bytes_map(s, addr, len, false, &p))
        return false;
    for (size_t i = 0; i < len; i++)
        text[i] = p[i] < 0x20 || p[i] == 0x7f ? '.' : (char)p[i];
    text[len] = '\0';
    return sim_fault_at(s, SIM_FAULT_TRAP, addr, "%s", text);
}

// ---- Branches
// ----------------------------------------------------------------------------------------

static void branch_if(struct sim *s, const struct isa_args_BR *in, bool taken)
{
    if (taken)
        s->next_pc = s->pc + (uint64_t)in->off;
}

#define BR_BODY(NAME, op)                                                                          \
    bool sim_exec_##NAME(struct sim *s, const struct isa_args_BR *in)                              \
    {                                                                                              \
        branch_if(s, in, s->x[in->ra] op s->x[in->rb]);                                            \
        return true;                                                                               \
    }

BR_BODY(BEQ, ==)
BR_BODY(BNE, !=)
BR_BODY(BLT, <)
BR_BODY(BGE, >=)

bool sim_exec_JAL(struct sim *s, const struct isa_args_JAL *in)
{
    s->next_pc = s->pc + (uint64_t)in->off;
    sim_write_x(s, in->rd, (int64_t)(s->pc + ISA_WORD_BYTES));
    return true;
}

bool sim_exec_JR(struct sim *s, const struct isa_args_JR *in)
{
    s->next_pc = (uint64_t)s->x[in->ra];
    return true;
}

// ---- Scalar memory accesses
// --------------------------------------------------------------------------

static bool scalar_map(struct sim *s, const struct isa_args_MEM *in, bool write, uint8_t **host)
{
    enum dtype t = (enum dtype)in->type;
    uint64_t addr = (uint64_t)s->x[in->ra] + (uint64_t)in->imm;
    if (!dtype_is_int(t))
        return sim_fault_at(s, SIM_FAULT_TYPE, addr, "a scalar access of type %s", dtype_text(t));
    if (!sim_bytes_map(s, addr, dtype_bytes(t), write, host))
        return false;
    int64_t bytes = (int64_t)dtype_bytes(t);
    if (addr < IMAGE_ABUF_BASE)
        *(write ? &s->cost.dram_write : &s->cost.dram_read) = bytes;
    else
        *(write ? &s->cost.buffer_write : &s->cost.buffer_read) = bytes;
    return true;
}

bool sim_exec_LD(struct sim *s, const struct isa_args_MEM *in)
{
    uint8_t *p;
    if (!scalar_map(s, in, false, &p))
        return false;
    uint64_t v = 0;
    size_t bytes = dtype_bytes((enum dtype)in->type);
    memcpy(&v, p, bytes);
    int unused = 64 - 8 * (int)bytes;
    bool is_signed = dtype_info[in->type].kind == DTK_I;
    sim_write_x(s, in->rd, is_signed ? (int64_t)(v << unused) >> unused : (int64_t)v);
    return true;
}

bool sim_exec_ST(struct sim *s, const struct isa_args_MEM *in)
{
    uint8_t *p;
    if (!scalar_map(s, in, true, &p))
        return false;
    memcpy(p, &s->x[in->rd], dtype_bytes((enum dtype)in->type));
    return true;
}

// ---- Tensor registers
// --------------------------------------------------------------------------------

static bool set(struct sim *s, int64_t td)
{
    sim_log_t(s, td);
    return true;
}

static bool check_dim(struct sim *s, int64_t td, int64_t dim)
{
    return dim < s->t[td].rank ||
           sim_fault_at(s, SIM_FAULT_OPERAND, 0, "dimension %lld of t%lld, a view of rank %d",
                        (long long)dim, (long long)td, s->t[td].rank);
}

bool sim_exec_TNEW(struct sim *s, const struct isa_args_TNEW *in)
{
    if (in->rank > ISA_MAX_RANK)
        return sim_fault_at(s, SIM_FAULT_OPERAND, 0, "rank %lld is more than %d",
                            (long long)in->rank, ISA_MAX_RANK);
    struct sim_view *v = &s->t[in->td];
    *v = (struct sim_view){.base = (uint64_t)s->x[in->ra] + (uint64_t)in->imm,
                           .dtype = (enum dtype)in->type,
                           .rank = (int)in->rank};
    for (int d = 0; d < ISA_MAX_RANK; d++) {
        v->extent[d] = 1;
        v->axis[d] = -1;
    }
    return set(s, in->td);
}

bool sim_exec_TBASE(struct sim *s, const struct isa_args_TBASE *in)
{
    s->t[in->td].base = (uint64_t)s->x[in->ra] + (uint64_t)in->imm;
    return set(s, in->td);
}

bool sim_exec_TDIM(struct sim *s, const struct isa_args_TDIM *in)
{
    if (!check_dim(s, in->td, in->dim))
        return false;
    s->t[in->td].extent[in->dim] = in->extent;
    s->t[in->td].stride[in->dim] = in->stride;
    return set(s, in->td);
}

bool sim_exec_TDIMX(struct sim *s, const struct isa_args_TDIMX *in)
{
    if (!check_dim(s, in->td, in->dim))
        return false;
    if (s->x[in->ra] < 0)
        return sim_fault_at(s, SIM_FAULT_OPERAND, 0, "extent %lld", (long long)s->x[in->ra]);
    s->t[in->td].extent[in->dim] = s->x[in->ra];
    s->t[in->td].stride[in->dim] = s->x[in->rb];
    return set(s, in->td);
}

bool sim_exec_TSTEP(struct sim *s, const struct isa_args_TSTEP *in)
{
    if (!check_dim(s, in->td, in->dim))
        return false;
    s->t[in->td].axis[in->dim] = (int8_t)in->axis;
    s->t[in->td].step[in->dim] = in->step;
    return set(s, in->td);
}

// Coordinates are signed: a limit past the largest of them lets all through, a negative one none.
bool sim_exec_TAXIS(struct sim *s, const struct isa_args_TAXIS *in)
{
    s->t[in->td].origin[in->axis] = in->origin;
    s->t[in->td].limit[in->axis] = in->limit < 0 ? INT64_MAX : in->limit;
    return set(s, in->td);
}

bool sim_exec_TAXISX(struct sim *s, const struct isa_args_TAXISX *in)
{
    s->t[in->td].origin[in->axis] = s->x[in->ra];
    s->t[in->td].limit[in->axis] = s->x[in->rb] < 0 ? 0 : s->x[in->rb];
    return set(s, in->td);
}

bool sim_exec_TFILL(struct sim *s, const struct isa_args_TFILL *in)
{
    s->t[in->td].fill = (uint64_t)in->bits;
    return set(s, in->td);
}
