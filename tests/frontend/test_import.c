// What the importer accepts, refuses and makes of a model: a row a case.
#include "check.h"
#include "import_rig.h"

// ---- Values: the first output for inputs 1, 2, 3 ..

static const struct {
    const char *model, *want;
} values[] = {
    // Before opset 13 softmax runs over all axes from axis 1 on.
    {"opset 11; in x f32 1,2,2; node Softmax x -> s; node ReduceSum s -> y axes=2, keepdims=0; out "
     "y",
     "f32[1,2] 0.1192 0.8808"},
    {"opset 13; in x f32 1,2,2; node Softmax x -> s; init a i64 1 = 2; node ReduceSum s a -> y "
     "keepdims=0; out y",
     "f32[1,2] 1 1"},
    {"opset 11; in x f32 1,2; node LogSoftmax x -> y; out y", "f32[1,2] -1.3133 -0.31326"},
    {"opset 13; in x f32 2,2; node Hardmax x -> y axis=0; out y", "f32[2,2] 0 0 1 1"},
    {"opset 11; in x f32 2,2; node Hardmax x -> y axis=0; out y", "f32[2,2] 0 0 0 1"},
    {"opset 10; in x f32 4; node Clip x -> y min=2f max=3f; out y", "f32[4] 2 2 3 3"},
    {"opset 11; in x f32 4; init m f32 - = 3; node Clip x _ m -> y; out y", "f32[4] 1 2 3 3"},
    {"opset 12; in x i8 4; init m i8 - = 3; node Clip x m -> y; out y", "i8[4] 3 3 3 4"},
    // BatchNormalization: (x - mean) * scale / sqrt(var + eps) + B
    {"in x f32 1,2,2; init s f32 2 = 2,1; init b f32 2 = 1,0; init m f32 2 = 1,3; init v f32 2 = "
     "4,1; "
     "node BatchNormalization x s b m v -> y epsilon=0f; out y",
     "f32[1,2,2] 1 2 0 1"},
    {"opset 8; in x f32 1,2,2; init s f32 2,2 = 1; init b f32 2,2 = 0; init m f32 2,2 = 1,1,1,2; "
     "init v f32 2,2 = 1; "
     "node BatchNormalization x s b m v -> y epsilon=0f spatial=0; out y",
     "f32[1,2,2] 0 1 2 2"},
    {"in x f32 2,2; init s f32 2 = 1; init b f32 2 = 0; init m f32 2 = 1,2; init v f32 2 = 1; "
     "node BatchNormalization x s b m v -> y epsilon=0f; out y",
     "f32[2,2] 0 0 2 2"},
    // Scale and bias per group before opset 21, then per channel.
    {"opset 18; in x f32 1,2,2; init s f32 1 = 2; init b f32 1 = 1; node GroupNormalization x s b "
     "-> y num_groups=1 epsilon=0f; out y",
     "f32[1,2,2] -1.6833 0.10557 1.8944 3.6833"},
    {"opset 21; in x f32 1,2,2; init s f32 2 = 2,0; init b f32 2 = 1,5; node GroupNormalization x "
     "s b -> y num_groups=1 epsilon=0f; out y",
     "f32[1,2,2] -1.6833 0.10557 5 5"},
    {"opset 17; in x f32 1,2; init s f32 2 = 1,2; node LayerNormalization x s -> _ m i epsilon=0f; "
     "node Concat m i -> y axis=1; out y",
     "f32[1,2] 1.5 2"},
    {"opset 23; in x f32 1,2; init s f32 2 = 1; node RMSNormalization x s -> y epsilon=0f; out y",
     "f32[1,2] 0.63246 1.2649"},
    {"in x f32 1,1,4; init s f32 1 = 1; init b f32 1 = 10; node InstanceNormalization x s b -> y "
     "epsilon=0f; out y",
     "f32[1,1,4] 8.6584 9.5528 10.447 11.342"},
    {"in x f32 1,3,1; node LRN x -> y size=2 alpha=2f beta=1f bias=1f; out y",
     "f32[1,3,1] 0.16667 0.14286 0.3"},
    {"in x f32 1,2; node LpNormalization x -> y p=1; out y", "f32[1,2] 0.33333 0.66667"},
    {"in x f32 2; init z f32 2 = 0; node Mul x z -> n; node LpNormalization n -> y axis=0; out y",
     "f32[2] 0 0"},
    // Convolutions
    {"in x f32 1,1,4; init w f32 1,1,3 = 1; node Conv x w -> y; out y", "f32[1,1,2] 6 9"},
    {"in x f32 1,1,4; init w f32 1,1,3 = 1; node Conv x w -> y auto_pad=SAME_UPPER strides=2,; out "
     "y",
     "f32[1,1,2] 6 7"},
    {"in x f32 1,1,4; init w f32 1,1,3 = 1; node Conv x w -> y auto_pad=SAME_LOWER strides=2,; out "
     "y",
     "f32[1,1,2] 3 9"},
    {"in x f32 1,1,4; init w f32 1,1,3 = 1; node Conv x w -> y auto_pad=VALID pads=9,9; out y",
     "f32[1,1,2] 6 9"},
    {"in x f32 1,1,5; init w f32 1,1,2 = 1,10; init b f32 1 = 100; node Conv x w b -> y "
     "dilations=2, pads=1,1 strides=2,; out y",
     "f32[1,1,3] 120 142 104"},
    {"in x f32 1,2,2; init w f32 2,1,1 = 1,10; node Conv x w -> y group=2; out y",
     "f32[1,2,2] 1 2 30 40"},
    {"in x f32 1,1,2; init w f32 1,1,2 = 1,10; node ConvTranspose x w -> y strides=2, "
     "output_padding=1,; out y",
     "f32[1,1,5] 1 10 2 20 0"},
    {"in x f32 1,1,2; init w f32 1,1,3 = 1; node ConvTranspose x w -> y strides=2, "
     "output_shape=4,; out y",
     "f32[1,1,4] 1 3 2 2"},
    {"in x f32 1,1,2; init w f32 1,1,3 = 1; node ConvTranspose x w -> y strides=2, output_shape=4, "
     "auto_pad=SAME_UPPER; out y",
     "f32[1,1,4] 1 1 3 2"},
    {"in x f32 1,1,2; init w f32 1,1,2 = 1; node ConvTranspose x w -> y output_shape=5,; out y",
     "f32[1,1,5] 1 3 2 0 0"},
    // Matrices
    {"in x f32 2,2; init w f32 2,3 = 1; init c f32 2,1 = 10,20; node Gemm x w c -> y alpha=2f "
     "beta=0.5f; out y",
     "f32[2,3] 11 11 11 24 24 24"},
    {"in x f32 2,1; init w f32 3,2 = 1; init c f32 3 = 1,2,3; node Gemm x w c -> y transA=1 "
     "transB=1; out y",
     "f32[1,3] 4 5 6"},
    {"in x f32 2,2; init w f32 2,2 = 1,0,0,1; node Gemm x w -> y; out y", "f32[2,2] 1 2 3 4"},
    {"in x f32 2,2; init w f32 2,2 = 1,0,0,1; init c f32 - = 1; node Gemm x w c -> y; out y",
     "f32[2,2] 2 3 4 5"},
    {"in x f32 3; in z f32 3; node MatMul x z -> y; out y", "f32[] 14"},
    {"in x f32 2; init w f32 3,2,2 = 1; node MatMul x w -> y; out y", "f32[3,2] 3 3 3 3 3 3"},
    {"in x f32 1,2,2; init w f32 2 = 1,10; node MatMul x w -> y; out y", "f32[1,2] 21 43"},
    {"in x i32 2,2; in z i32 2,2; node MatMul x z -> y; out y", "i32[2,2] 7 10 15 22"},
    // Pools: the padding counts or not; ceil_mode's overhang never counts.
    {"in x f32 1,1,3; node AveragePool x -> y kernel_shape=2, pads=1,1; out y",
     "f32[1,1,4] 1 1.5 2.5 3"},
    {"in x f32 1,1,3; node AveragePool x -> y kernel_shape=2, pads=1,1 count_include_pad=1; out y",
     "f32[1,1,4] 0.5 1.5 2.5 1.5"},
    {"in x f32 1,1,4; node AveragePool x -> y kernel_shape=3, strides=2, ceil_mode=1 "
     "count_include_pad=1; out y",
     "f32[1,1,2] 2 3.5"},
    {"in x f32 1,1,4; node MaxPool x -> y kernel_shape=3, strides=2, ceil_mode=1; out y",
     "f32[1,1,2] 3 4"},
    {"in x f32 1,1,2; node MaxPool x -> y kernel_shape=1, strides=2, ceil_mode=1 pads=0,1; out y",
     "f32[1,1,1] 1"},
    {"in x i8 1,1,4; node MaxPool x -> y kernel_shape=2, pads=1,0; out y", "i8[1,1,4] 1 2 3 4"},
    {"opset 18; in x f32 1,1,2; node LpPool x -> y kernel_shape=2, p=3; out y",
     "f32[1,1,1] 2.0801"},
    {"in x f32 1,2,1,2; node GlobalAveragePool x -> y; out y", "f32[1,2,1,1] 1.5 3.5"},
    {"in x f32 1,2,1,2; node GlobalLpPool x -> y; out y", "f32[1,2,1,1] 2.2361 5"},
    // Activations, at negative values too.
    {"in x f32 3; init two f32 - = 2; node Sub x two -> n; node LeakyRelu n -> y alpha=0.5f; out y",
     "f32[3] -0.5 0 1"},
    {"in x f32 3; init two f32 - = 2; node Sub x two -> n; node LeakyRelu n -> y alpha=-2f; out y",
     "f32[3] 2 0 1"},
    {"in x f32 1,2,2,1; init s f32 2,1,1 = 5,-1; init k f32 - = -1; node Mul x k -> n; node PRelu "
     "n s -> y; out y",
     "f32[1,2,2,1] -5 -10 3 4"},
    {"in x f32 3; init two f32 - = 2; node Sub x two -> n; node Elu n -> y alpha=2f; out y",
     "f32[3] -1.2642 0 1"},
    {"in x f32 3; init two f32 - = 2; node Sub x two -> n; node Selu n -> y; out y",
     "f32[3] -1.1113 0 1.0507"},
    {"in x f32 3; init two f32 - = 2; node Sub x two -> n; node Celu n -> y alpha=2f; out y",
     "f32[3] -0.78694 0 1"},
    {"in x f32 3; node HardSigmoid x -> y; out y", "f32[3] 0.7 0.9 1"},
    {"opset 14; in x f32 3; node HardSwish x -> y; out y", "f32[3] 0.66667 1.6667 3"},
    {"opset 20; in x f32 2; node Gelu x -> y; out y", "f32[2] 0.84134 1.9545"},
    {"opset 20; in x f32 2; node Gelu x -> y approximate=tanh; out y", "f32[2] 0.84119 1.9546"},
    {"in x f32 3; node ThresholdedRelu x -> y alpha=2f; out y", "f32[3] 0 0 3"},
    {"in x f32 3; init two f32 - = 2; node Sub x two -> n; node Shrink n -> y bias=0.25f; out y",
     "f32[3] -0.75 0 0.75"},
    {"in x f32 2; node Softsign x -> y; out y", "f32[2] 0.5 0.66667"},
    {"opset 18; in x f32 1; node Mish x -> y; out y", "f32[1] 0.8651"},
    {"opset 24; in x f32 1; node Swish x -> y alpha=2f; out y", "f32[1] 0.8808"},
    // Arithmetic
    {"in x i32 3; init e f32 - = 0.5; node Pow x e -> y; out y", "i32[3] 1 1 1"},
    {"in x f32 3; init e i64 - = 3; node Pow x e -> y; out y", "f32[3] 1 8 27"},
    {"in x i64 3; init e i64 1 = 2; node Pow x e -> y; out y", "i64[3] 1 4 9"},
    {"in x i32 3; init d i32 - = -2; node Mod x d -> y; out y", "i32[3] -1 0 -1"},
    {"in x f32 3; init d f32 - = 2; node Mod x d -> y fmod=1; out y", "f32[3] 1 0 1"},
    {"in x u8 3; init d u8 - = 1; node BitShift x d -> y direction=LEFT; out y", "u8[3] 2 4 6"},
    {"in x f32 2; in z f32 2; in u f32 2,1; node Mean x z u -> y; out y",
     "f32[2,2] 1 1.6667 1.3333 2"},
    {"in x f32 2; in u f32 2,1; node Max x u -> y; out y", "f32[2,2] 1 2 2 2"},
    {"in x f32 2; init i f32 2 = 0,-0; node Div x i -> d; node IsInf d -> y detect_positive=0; out "
     "y",
     "bool[2] 0 1"},
    {"in x f32 3; init t f32 - = 2; node GreaterOrEqual x t -> y; out y", "bool[3] 0 1 1"},
    // Quantised tensors
    {"in x i8 2,2; init s f32 2 = 1,0.5; init z i8 2 = 1,2; node DequantizeLinear x s z -> y; out "
     "y",
     "f32[2,2] 0 0 2 1"},
    {"in x f32 3; init s f32 - = 0.4; init z u8 - = 250; node QuantizeLinear x s z -> y; out y",
     "u8[3] 252 255 255"},
    {"opset 21; in x i8 1,4; init s f32 1,2 = 1,10; node DequantizeLinear x s -> y block_size=2; "
     "out y",
     "f32[1,4] 1 2 30 40"},
    // Old models list initializers as inputs; constants may stand in nodes.
    {"ir 3; in x f32 2; in w f32 2; init w f32 2 = 1,1; node Add x w -> y; out y", "f32[2] 2 3"},
    {"in x f32 2; node Constant -> w value=t:f32:2:5,6; node Add x w -> y; out y", "f32[2] 6 8"},
    {"in x f32 2; node Identity x -> y; out y", "f32[2] 1 2"},
};

static void gives_values(void)
{
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct import_rig r;
        rig_import_text(&r, values[i].model, NULL);
        const struct tensor *y = r.module && ir_verify(r.module, r.diag) ? rig_evaluate(&r) : NULL;
        if (!CHECK_STR(y ? rig_tensor_text(&r, y) : r.text, values[i].want))
            fprintf(stderr, "  in: %s\n", values[i].model);
        rig_end(&r);
    }
}

// ---- Refusals: the id, and words that the message must hold

static const struct {
    const char *model;
    enum diag_id id;
    const char *words[4];
} refusals[] = {
    {"opset 0; in x f32 1; node Abs x -> y; out y", DIAG_ONNX_VERSION, {"opset 0"}},
    {"opset 3; in x f32 1; node Acos x -> y; out y",
     DIAG_ONNX_OP_UNSUPPORTED,
     {"opsets 7 to", "3"}},
    {"opset 99; in x f32 1; node Abs x -> y; out y", DIAG_ONNX_VERSION, {"opset 99"}},
    {"opset -1; in x f32 1; node Abs x -> y; out y", DIAG_ONNX_VERSION, {"no opset"}},
    {"ir 2; in x f32 1; node Abs x -> y; out y", DIAG_ONNX_VERSION, {"IR version 2"}},
    {"in x f32 1; node Foo:top x -> y; out y",
     DIAG_ONNX_OP_UNKNOWN,
     {"model.onnx", "node 0 'top'", "(Foo, opset 13)", "--list-ops"}},
    {"in x f32 1; node ai.foo/Abs x -> y; out y", DIAG_ONNX_DOMAIN, {"ai.foo"}},
    {"in x f32 1; node Upsample x -> y scales=f:1, ; out y",
     DIAG_ONNX_OP_UNSUPPORTED,
     {"opsets 7 to 9", "13"}},
    {"in x f32 1; node Abs x x -> y; out y", DIAG_ONNX_ARITY, {"2 inputs", "takes 1"}},
    {"in x f32 1; node Abs _ -> y; out y", DIAG_ONNX_ARITY, {"input 0"}},
    {"in x f32 1; node Abs x -> y z; out y", DIAG_ONNX_ARITY, {"2 outputs"}},
    {"in x f32 1; node Abs x -> y alpha=1f; out y", DIAG_ONNX_ATTR, {"'alpha'", "unknown"}},
    {"in x f32 1; node Elu x -> y alpha=1; out y", DIAG_ONNX_ATTR, {"'alpha'", "float"}},
    {"in x f32 1; node Concat x -> y; out y", DIAG_ONNX_ATTR, {"'axis'", "missing"}},
    {"in x f32 1; node Concat x -> y axis=1; out y", DIAG_ONNX_ATTR, {"axis"}},
    {"in x f32 1; node Softmax x -> y axis=-2; out y", DIAG_ONNX_ATTR, {"-2", "[-1, 1)"}},
    {"in x f32 1,2,4; init w f32 1,3,1; node Conv x w -> y; out y",
     DIAG_ONNX_SHAPE,
     {"2 channels", "3"}},
    {"in x f32 1,2,4; init w f32 1,2,1,1; node Conv x w -> y; out y",
     DIAG_ONNX_SHAPE,
     {"f32[1,2,4]", "f32[1,2,1,1]"}},
    {"in x f32 1,2; init w f32 1,2; node Conv x w -> y; out y", DIAG_ONNX_SHAPE, {"f32[1,2]"}},
    {"in x f32 1,1,1,1,1,1; init w f32 1,1,1,1,1,1; node Conv x w -> y; out y",
     DIAG_ONNX_SHAPE,
     {"rank 3 to 5"}},
    {"in x f32 1,1,4; init w f32 1,1,9; node Conv x w -> y; out y", DIAG_ONNX_SHAPE, {"4", "9"}},
    {"in x f32 1,1,4; init w f32 1,1,3; node Conv x w -> y kernel_shape=2,; out y",
     DIAG_ONNX_SHAPE,
     {"2", "3"}},
    {"in x f32 1,1,4; init w f32 1,1,3; node Conv x w -> y strides=0,; out y",
     DIAG_ONNX_ATTR,
     {"strides", "0"}},
    {"in x f32 1,1,4; init w f32 1,1,3; node Conv x w -> y strides=1,1; out y",
     DIAG_ONNX_ATTR,
     {"strides", "2 numbers"}},
    {"in x f32 1,1,4; init w f32 1,1,3; node Conv x w -> y pads=1,; out y",
     DIAG_ONNX_ATTR,
     {"pads"}},
    {"in x f32 1,1,4; init w f32 1,1,3; node Conv x w -> y auto_pad=SAME; out y",
     DIAG_ONNX_ATTR,
     {"'SAME'"}},
    {"in x f32 1,1,4; init w f32 1,1,3; node Conv x w -> y group=0; out y",
     DIAG_ONNX_ATTR,
     {"group"}},
    {"in x f32 1,1,4; init w i8 1,1,3; node Conv x w -> y; out y", DIAG_ONNX_TYPE, {"f32", "i8"}},
    {"in x f32 2,3; init w f32 2,3; node Gemm x w -> y; out y",
     DIAG_ONNX_SHAPE,
     {"3 columns", "2 rows"}},
    {"in x f32 2,3; init w f32 3,2; init c f32 3; node Gemm x w c -> y; out y",
     DIAG_ONNX_SHAPE,
     {"f32[3]", "[2,2]"}},
    {"in x f32 2,3; in z f32 2,2; node Add x z -> y; out y",
     DIAG_ONNX_SHAPE,
     {"f32[2,3]", "f32[2,2]"}},
    {"in x f32 2; in z i32 2; node Add x z -> y; out y", DIAG_ONNX_TYPE, {"f32[2]", "i32[2]"}},
    {"in x i32 2; node Exp x -> y; out y", DIAG_ONNX_TYPE, {"i32[2]"}},
    {"in x f32 2; node Mod x x -> y; out y", DIAG_ONNX_ATTR, {"fmod"}},
    {"in x f32 1,2; init s f32 3; init p f32 2; node BatchNormalization x s p p p -> y; out y",
     DIAG_ONNX_SHAPE,
     {"f32[3]", "2 channels"}},
    {"opset 14; in x f32 1,2; init p f32 2; node BatchNormalization x p p p p -> y m; out y",
     DIAG_ONNX_OP_UNSUPPORTED,
     {"training"}},
    {"opset 18; in x f32 1,3,2; init p f32 2; node GroupNormalization x p p -> y num_groups=2; out "
     "y",
     DIAG_ONNX_ATTR,
     {"num_groups is 2", "3 channels"}},
    {"opset 18; in x f32 1,4,4; in s i64 2; in k i64 2; node Col2Im x s k -> y; out y",
     DIAG_ONNX_DYNAMIC,
     {"'s'", "--fix"}},
    {"in x f32 2; node Abs z -> y; out y", DIAG_ONNX_VALUE, {"'z'", "not defined"}},
    {"in x f32 2; node Abs y -> z; node Abs x -> y; out z", DIAG_ONNX_VALUE, {"'y'", "before"}},
    {"in x f32 2; node Abs x -> y; node Neg x -> y; out y", DIAG_ONNX_VALUE, {"twice", "node 1"}},
    {"in x f32 2; in x f32 2; node Abs x -> y; out y", DIAG_ONNX_VALUE, {"twice", "x"}},
    {"in x f32 2; node Abs x -> y; out z", DIAG_ONNX_VALUE, {"'z'"}},
    {"in x f32 N,M; node Det x -> y; out y", DIAG_ONNX_DYNAMIC, {"2 of the 2", "--shape"}},
    {"in x f32 ?; node Abs x -> y; out y", DIAG_ONNX_SYMBOLIC, {"--shape x="}},
    {"in x f32 1,1,1,1,1,1,1,1,1; node Abs x -> y; out y", DIAG_LIMIT, {"rank 9"}},
    {"in x f32 9000000000,9000000000,9000000000; node Abs x -> y; out y",
     DIAG_LIMIT,
     {"too large"}},
    {"in x f32 2; init w f32 2 = 1; node Constant -> w value=t:f32:2:1; node Add x w -> y; out y",
     DIAG_ONNX_VALUE,
     {"twice"}},
    {"in x i8 1,4; init s f32 1,3; node DequantizeLinear x s -> y block_size=2; opset 21; out y",
     DIAG_ONNX_SHAPE,
     {"block_size 2", "f32[1,3]"}},
};

static void refuses(void)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct import_rig r;
        rig_import_text(&r, refusals[i].model, NULL);
        bool ok = CHECK(r.module == NULL) &&
                  CHECK_STR(diag_info[r.first].id, diag_info[refusals[i].id].id);
        for (int k = 0; k < 4 && refusals[i].words[k]; k++)
            ok = CHECK(strstr(r.text, refusals[i].words[k]) != NULL) && ok;
        if (!ok)
            fprintf(stderr, "  in: %s\n  got: %s", refusals[i].model, r.text);
        rig_end(&r);
    }
}

// Mistakes are collected, and what follows from one is not reported again.
static void reports_several(void)
{
    struct import_rig r;
    rig_import_text(&r,
                    "in x f32 2; node Foo x -> a; node Abs a -> b; node Elu x -> c alpha=1; node "
                    "Bar c -> d; node Concat x -> y; out y; out d",
                    NULL);
    CHECK(!r.module);
    CHECK_INT(r.errors, 3);
    CHECK(strstr(r.text, "Foo") && strstr(r.text, "Elu") && strstr(r.text, "'axis'"));
    CHECK(!strstr(r.text, "Bar") && !strstr(r.text, "Abs"));
    rig_end(&r);
}

// ---- Options

static void import_with_shape(struct import_rig *r, const char *model, const char *shape)
{
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, NULL);
    struct onnx_shape_override o;
    CHECK(onnx_parse_shape(shape, &o, a, d));
    rig_import_text(r, model, &(struct onnx_import_options){.shapes = &o, .num_shapes = 1});
    arena_destroy(a);
}

static void shapes_are_given(void)
{
    static const struct {
        const char *model, *shape, *type; // type NULL: refused
    } cases[] = {
        {"in x f32 N,C,4; node Abs x -> y; out y", "x=2x3x4", "f32[2,3,4]"},
        {"in x f32 2,C,C; node Abs x -> y; out y", "C=5", "f32[2,5,5]"},
        {"in x f32 N,C; node Abs x -> y; out y", "C=5", "f32[%input_extent<=16,5]"},
        {"in x f32 ?; node Abs x -> y; out y", "x=7", "f32[7]"},
        {"in x f32 2,3; node Abs x -> y; out y", "x=2x4", NULL},
        {"in x f32 2,3; node Abs x -> y; out y", "x=2", NULL},
        {"in x f32 2,3; node Abs x -> y; out y", "z=2", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct import_rig r;
        import_with_shape(&r, cases[i].model, cases[i].shape);
        if (cases[i].type && CHECK(r.module != NULL))
            CHECK_STR(ir_type_text(&r.module->main->outputs[0]->type, r.arena), cases[i].type);
        else
            CHECK(!r.module && r.errors > 0);
        rig_end(&r);
    }
}

static void quiet(void *user, enum diag_severity sev, enum diag_id id, const char *message)
{
    (void)user, (void)sev, (void)id, (void)message;
}

static void shape_texts_are_checked(void)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "=1",
                                      "x=",
                                      "x=1x",
                                      "x=x1",
                                      "x=-1",
                                      "x=1,2",
                                      "x=99999999999",
                                      "x=1x1x1x1x1x1x1x1x1"};
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, NULL);
    diag_set_sink(d, quiet, NULL);
    struct onnx_shape_override o;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!onnx_parse_shape(bad[i], &o, a, d));
    CHECK(onnx_parse_shape("a=b=1x20", &o, a, d));
    CHECK_STR(o.name, "a=b");
    CHECK(o.rank == 2 && o.dim[0] == 1 && o.dim[1] == 20);
    arena_destroy(a);
}

static void inputs_are_fixed(void)
{
    struct tensor shape = {.dtype = DT_I64, .rank = 1, .dim = {2}, .data = (int64_t[]){3, 2}};
    struct onnx_fixed_input f = {"s", &shape, false};
    struct onnx_import_options o = {.fixed = &f, .num_fixed = 1};
    struct import_rig r;
    rig_import_text(&r, "in x f32 6; in s i64 2; node Reshape x s -> y; out y", &o);
    if (CHECK(r.module != NULL)) {
        CHECK_INT(r.module->main->num_inputs, 1);
        CHECK_STR(ir_type_text(&r.module->main->outputs[0]->type, r.arena), "f32[3,2]");
    }
    rig_end(&r);
    rig_import_text(&r, "in x f32 6; in s i32 2; node Abs x -> y; out y", &o);
    CHECK(!r.module && r.first == DIAG_TENSOR_MISMATCH);
    rig_end(&r);
    f.used = false;
    rig_import_text(&r, "in x f32 6; node Abs x -> y; out y", &o);
    CHECK(!r.module && r.first == DIAG_USAGE);
    rig_end(&r);
}

// Every op keeps the place of its node; outputs keep their names.
static void places_and_names_stay(void)
{
    struct import_rig r;
    rig_import_text(
        &r, "in x f32 1,4; node Relu:first x -> a; node Softmax:second a -> out/put; out out/put",
        NULL);
    if (!CHECK(r.module != NULL))
        return;
    for (const struct ir_op *op = r.module->main->first; op; op = op->next) {
        const struct loc *l = loc_get(r.locs, op->loc);
        CHECK(l->kind == LOC_KIND_NODE && (l->node_index == 0 || l->node_index == 1));
        CHECK_STR(l->node_name, l->node_index ? "second" : "first");
    }
    CHECK_STR(r.module->main->output_names[0], "out/put");
    rig_end(&r);
}

int main(void)
{
    RUN(gives_values);
    RUN(refuses);
    RUN(reports_several);
    RUN(shapes_are_given);
    RUN(shape_texts_are_checked);
    RUN(inputs_are_fixed);
    RUN(places_and_names_stay);
    return check_summary();
}
