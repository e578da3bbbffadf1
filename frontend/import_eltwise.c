// Element-wise operators that are one or two functions of the IR: arithmetic, functions,
// comparisons, logic.
#include <string.h>

#include "import_string.h"

// ---- One operand

#define UNARY(op, fn)                                                                              \
    bool import_##op(struct import_node *n)                                                        \
    {                                                                                              \
        return node_bind(n, 0, irb_unary(&n->b, UFN_##fn, n->in[0]));                              \
    }
// clang-format off
UNARY(Abs, abs)
UNARY(Acos, acos)
UNARY(Acosh, acosh)
UNARY(Asin, asin)
UNARY(Asinh, asinh)
UNARY(Atan, atan)
UNARY(Atanh, atanh)
UNARY(BitwiseNot, bitnot)
UNARY(Ceil, ceil)
UNARY(Cos, cos)
UNARY(Cosh, cosh)
UNARY(Exp, exp)
UNARY(Floor, floor)
UNARY(IsNaN, isnan)
UNARY(Log, log)
UNARY(Neg, neg)
UNARY(Not, not)
UNARY(Reciprocal, reciprocal)
UNARY(Round, round)
UNARY(Sigmoid, sigmoid)
UNARY(Sign, sign)
UNARY(Sin, sin)
UNARY(Sinh, sinh)
UNARY(Softplus, softplus)
UNARY(Sqrt, sqrt)
UNARY(Tan, tan)
UNARY(Tanh, tanh)
// clang-format on

// Integers get the function's value truncated.
bool import_Erf(struct import_node *n)
{
    enum dtype t = n->in[0]->type.dtype;
    struct ir_value *x = node_convert(n, n->in[0], dtype_is_float(t) ? t : DT_F64);
    return node_bind(n, 0, node_convert(n, irb_unary(&n->b, UFN_erf, x), t));
}

bool import_IsInf(struct import_node *n)
{
    bool negative = node_int(n, "detect_negative", 1) != 0,
         positive = node_int(n, "detect_positive", 1) != 0;
    struct ir_value *inf = irb_unary(&n->b, UFN_isinf, n->in[0]);
    if (negative && positive)
        return node_bind(n, 0, inf);
    struct ir_value *below = node_with_scalar(n, BFN_lt, n->in[0], 0);
    if (positive)
        below = irb_unary(&n->b, UFN_not, below);
    struct ir_value *y = irb_binary(&n->b, BFN_and, inf, below);
    if (!negative && !positive)
        y = y ? irb_binary(&n->b, BFN_xor, inf, inf) : NULL;
    return node_bind(n, 0, y);
}

// ---- Two operands

#define BINARY(op, fn)                                                                             \
    bool import_##op(struct import_node *n)                                                        \
    {                                                                                              \
        return node_bind(n, 0, irb_binary(&n->b, BFN_##fn, n->in[0], n->in[1]));                   \
    }
#define SWAPPED(op, fn)                                                                            \
    bool import_##op(struct import_node *n)                                                        \
    {                                                                                              \
        return node_bind(n, 0, irb_binary(&n->b, BFN_##fn, n->in[1], n->in[0]));                   \
    }
// clang-format off
BINARY(Add, add)
BINARY(And, and)
BINARY(BitwiseAnd, bitand)
BINARY(BitwiseOr, bitor)
BINARY(BitwiseXor, bitxor)
BINARY(Div, div)
SWAPPED(Greater, lt)
SWAPPED(GreaterOrEqual, le)
BINARY(Less, lt)
BINARY(LessOrEqual, le)
BINARY(Mul, mul)
BINARY(Or, or)
BINARY(Sub, sub)
BINARY(Xor, xor)
// clang-format on

bool import_BitShift(struct import_node *n)
{
    const char *s = node_str(n, "direction", "");
    bool left = strcmp(s, "LEFT") == 0;
    if (!left && strcmp(s, "RIGHT") != 0)
        return node_error(n, DIAG_ONNX_ATTR, "direction is '%s'; LEFT and RIGHT exist", s);
    return node_bind(n, 0, irb_binary(&n->b, left ? BFN_shl : BFN_shr, n->in[0], n->in[1]));
}

bool import_Mod(struct import_node *n)
{
    bool fmod = node_int(n, "fmod", 0) != 0;
    if (!fmod && dtype_is_float(n->in[0]->type.dtype))
        return node_error(n, DIAG_ONNX_ATTR, "fmod must be 1 for operands %s",
                          node_type_text(n, 0));
    return node_bind(n, 0, irb_binary(&n->b, fmod ? BFN_fmod : BFN_mod, n->in[0], n->in[1]));
}

// The operands' types may differ; the result has the base's. An integer base with a float exponent
// goes through f64.
bool import_Pow(struct import_node *n)
{
    struct ir_value *x = n->in[0], *e = n->in[1];
    enum dtype t = x->type.dtype;
    double power;
    bool scalar = e->type.rank <= x->type.rank && node_scalar_value(e, &power);
    if (scalar && power == 2)
        return node_bind(n, 0, irb_binary(&n->b, BFN_mul, x, x));
    if (scalar && power == 0.5 && dtype_is_float(t))
        return node_bind(n, 0, irb_unary(&n->b, UFN_sqrt, x));
    enum dtype in = !dtype_is_float(t) && dtype_is_float(e->type.dtype) ? DT_F64 : t;
    struct ir_value *y = irb_binary(&n->b, BFN_pow, node_convert(n, x, in), node_convert(n, e, in));
    return node_bind(n, 0, node_convert(n, y, t));
}

// ---- Any number of operands

static struct ir_value *chain(struct import_node *n, enum binary_fn fn)
{
    struct ir_value *y = n->in[0];
    for (int i = 1; i < n->num_in; i++)
        y = irb_binary(&n->b, fn, y, n->in[i]);
    return y;
}

bool import_Max(struct import_node *n)
{
    return node_bind(n, 0, chain(n, BFN_max));
}
bool import_Min(struct import_node *n)
{
    return node_bind(n, 0, chain(n, BFN_min));
}
bool import_Sum(struct import_node *n)
{
    return node_bind(n, 0, chain(n, BFN_add));
}
bool import_Mean(struct import_node *n)
{
    return node_bind(n, 0, node_with_scalar(n, BFN_div, chain(n, BFN_add), n->num_in));
}

bool import_Equal(struct import_node *n)
{
    if (n->in[0]->type.dtype == DT_STR)
        return node_bind(n, 0, string_equal(n));
    return node_bind(n, 0, irb_binary(&n->b, BFN_eq, n->in[0], n->in[1]));
}
