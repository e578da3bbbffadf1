// Checks at run time: a trap that the program jumps over where the condition holds.
#include "emit.h"

enum { X_OK = 5, MESSAGE_MAX = 240 };

bool select_CHECK(struct emit *e, const struct ir_op *op)
{
    const struct ir_value *v = op->in[0];
    const char *text = ir_attr_find(op, IR_A_message)->s;
    size_t len = strnlen(text, MESSAGE_MAX);
    emit_layer(e, op);
    EMIT(e, LI, LI, .rd = X_OK, .imm = (int64_t)v->addr);
    EMIT(e, LD, MEM, .rd = X_OK, .ra = X_OK, .type = DT_BOOL);
    EMIT(e, BNE, BR, .ra = X_OK, .rb = 0, .off = 2 * ISA_WORD_BYTES);
    EMIT(e, TRAP, TRAP, .len = (int64_t)len, .imm = (int64_t)emit_message(e, text, len));
    return true;
}
