// Which operators take operands whose extents are known only at run time.
#include <string.h>

#include "import_extents.h"

// Operators whose bodies look at no extents, or know of symbols.
static const char *const any_dimension[] = {
    "Abs",
    "Acos",
    "Acosh",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "BitCast",
    "BitShift",
    "BitwiseAnd",
    "BitwiseNot",
    "BitwiseOr",
    "BitwiseXor",
    "Cast",
    "CastLike",
    "Ceil",
    "Celu",
    "Clip",
    "Compress",
    "Concat",
    "ConcatFromSequence",
    "ConstantOfShape",
    "Conv",
    "Cos",
    "Cosh",
    "CumProd",
    "CumSum",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "DynamicQuantizeLinear",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Floor",
    "GRU",
    "Gather",
    "Gelu",
    "Gemm",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "HardSwish",
    "Hardmax",
    "Identity",
    "If",
    "ImageDecoder",
    "IsInf",
    "IsNaN",
    "LSTM",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "Loop",
    "LpNormalization",
    "MatMul",
    "MatMulInteger",
    "Max",
    "Mean",
    "MeanVarianceNormalization",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "NonMaxSuppression",
    "Not",
    "Optional",
    "OptionalGetElement",
    "OptionalHasElement",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "QLinearMatMul",
    "QuantizeLinear",
    "RMSNormalization",
    "RNN",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "RegexFullMatch",
    "Relu",
    "Reshape",
    "Resize",
    "Round",
    "Scan",
    "Selu",
    "SequenceAt",
    "SequenceConstruct",
    "SequenceEmpty",
    "SequenceErase",
    "SequenceInsert",
    "SequenceLength",
    "SequenceMap",
    "Shape",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "Split",
    "SplitToSequence",
    "Sqrt",
    "Squeeze",
    "StringConcat",
    "StringNormalizer",
    "StringSplit",
    "Sub",
    "Sum",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "TopK",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Where",
    "Xor",
};
// Operators that look at the extents of channels alone, and of all dimensions but the first.
static const char *const but_channels[] = {
    "AveragePool",   "BatchNormalization",    "GlobalAveragePool",
    "GlobalMaxPool", "InstanceNormalization", "MaxPool",
};
static const char *const batch_alone[] = {
    "ConvInteger", "DepthToSpace", "Flatten", "LpPool", "QLinearConv", "SpaceToDepth",
};

static bool is_listed(const char *const *list, size_t num, const char *op)
{
    for (size_t i = 0; i < num; i++)
        if (strcmp(list[i], op) == 0)
            return true;
    return false;
}

bool node_takes_extents(struct import_node *n)
{
    const char *op = n->row->name;
    uint32_t allowed = 0;
    if (is_listed(any_dimension, sizeof(any_dimension) / sizeof(*any_dimension), op))
        return true;
    if (is_listed(but_channels, sizeof(but_channels) / sizeof(*but_channels), op))
        allowed = ~2u;
    if (is_listed(batch_alone, sizeof(batch_alone) / sizeof(*batch_alone), op))
        allowed = 1;
    for (int i = 0; i < n->num_in; i++)
        for (int k = 0; n->in[i] && k < n->in[i]->type.rank; k++)
            if (n->in[i]->type.sym[k] && !(i == 0 && (allowed >> k & 1)))
                return node_error(
                    n, DIAG_ONNX_DYNAMIC,
                    "dimension %d of input %d '%s', %s, must be known when compiling; "
                    "fix the extents of the model's inputs with --shape",
                    k, i, node_input_name(n, i), node_type_text(n, i));
    return true;
}
