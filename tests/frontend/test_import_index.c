// What indexing, sorting, signal, attention and algebra operators make of a model: a row a case.
#include "check.h"
#include "import_rig.h"

// The first output for inputs 1, 2, 3 ..
static const struct {
    const char *model, *want;
} values[] = {
    // Gathers and scatters
    {"in x f32 2,2; init i i64 2,2 = 0,0,-1,0; node GatherElements x i -> y axis=1; out y",
     "f32[2,2] 1 1 4 3"},
    {"opset 12; in x f32 2,2,2; init i i64 2,1 = 1,-2; node GatherND x i -> y batch_dims=1; out y",
     "f32[2,2] 3 4 5 6"},
    {"in x f32 2,2; init i i64 2,2 = 1,1,0,-1; node GatherND x i -> y; out y", "f32[2] 4 2"},
    {"opset 18; in x f32 3; init i i64 4 = 1,1,2,-3; init u f32 4 = 10,5,2,7; node ScatterElements "
     "x i u -> y reduction=add; out y",
     "f32[3] 8 17 5"},
    {"opset 18; in x f32 3; init i i64 2 = 0,0; init u f32 2 = 4,2; node ScatterElements x i u -> "
     "y reduction=max; out y",
     "f32[3] 4 2 3"},
    {"opset 10; in x f32 2,2; init i i64 1,2 = 1,0; init u f32 1,2 = 9,8; node Scatter x i u -> y; "
     "out y",
     "f32[2,2] 1 8 9 4"},
    {"opset 16; in x f32 2,2; init i i64 1,1 = -1; init u f32 1,2 = 10,20; node ScatterND x i u -> "
     "y reduction=mul; out y",
     "f32[2,2] 1 2 30 80"},
    {"opset 24; in x f32 1,3,1; init u f32 1,2,1 = 8,9; init w i64 1 = 2; node TensorScatter x u w "
     "-> y mode=circular; out y",
     "f32[1,3,1] 9 2 8"},
    {"in x f32 3,2; init l i64 2 = 2,3; node ReverseSequence x l -> y; out y",
     "f32[3,2] 3 6 1 4 5 2"},
    {"opset 14; in x i32 2,3; init k i64 - = -1; node Trilu x k -> y upper=0; out y",
     "i32[2,3] 0 0 0 4 0 0"},
    {"in x f32 2,2; init c bool 3 = 1,0,1; node Compress x c -> y; out y", "f32[2] 1 3"},
    {"opset 18; in x f32 1,2,4; init i i64 2 = 2,2; init b i64 2 = 1,2; node Col2Im x i b -> y "
     "pads=0,0,0,1 dilations=1,1; out y",
     "f32[1,1,2,2] 1 7 3 11"},
    {"in x f32 1,1,2; init i i64 1,1,2 = 1,2; node MaxUnpool x i -> y kernel_shape=2, strides=2,; "
     "out y",
     "f32[1,1,4] 0 1 2 0"},
    {"in x f32 1,1,2,2; node MaxPool x -> _ y kernel_shape=1,2 storage_order=1; out y",
     "i64[1,1,2,1] 2 3"},
    {"in x f32 1,1,4; node MaxPool x -> _ y kernel_shape=2, pads=1,0 strides=2,; out y",
     "i64[1,1,2] 0 2"},
    // Orders and running results
    {"in x f32 2,2; init k i64 1 = 1; node TopK x k -> v y axis=0 largest=0; out y",
     "i64[1,2] 0 0"},
    {"in x i8 4; init k i64 1 = 2; node TopK x k -> y i; out y", "i8[2] 4 3"},
    {"opset 9; in x f32 3; node TopK x -> y i k=2; out y", "f32[2] 3 2"},
    {"in x f32 4; init a i64 - = -1; node CumSum x a -> y exclusive=1 reverse=1; out y",
     "f32[4] 9 7 4 0"},
    {"opset 26; in x i32 4; init a i64 - = 0; node CumProd x a -> y; out y", "i32[4] 1 2 6 24"},
    // Algebra
    {"in x f32 2,2; node Einsum x -> y equation=ii->i; out y", "f32[2] 1 4"},
    {"in x f32 2,2; in z f32 2,2; node Einsum x z -> y equation=ij,jk; out y",
     "f32[2,2] 7 10 15 22"},
    {"in x f32 2,1,2; in z f32 2; node Einsum x z -> y equation=...i,i->...; out y",
     "f32[2,1] 5 11"},
    {"in x i32 2; in z i32 3; node Einsum x z -> y equation=i,j->ji; out y",
     "i32[3,2] 1 2 2 4 3 6"},
    {"in x f32 2,2,2; node Det x -> y; out y", "f32[2] -2 -2"},
    // Signals
    {"opset 17; in x f32 1,4,1; node DFT x -> y onesided=1; out y", "f32[1,3,2] 10 0 -2 2 -2 0"},
    {"opset 20; in x f32 1,2,2; init l i64 - = 2; init a i64 - = 1; node DFT x l a -> y inverse=1; "
     "out y",
     "f32[1,2,2] 2 3 -1 -1"},
    {"opset 17; in x f32 1,4,1; init s i64 - = 2; init w f32 2 = 1,0; node STFT x s w -> y; out y",
     "f32[1,2,2,2] 1 0 1 0 3 0 3 0"},
    {"opset 17; init s i64 - = 4; in x f32 1; node HannWindow s -> h; node Identity h -> y; out y",
     "f32[4] 0 0.5 1 0.5"},
    // Pictures
    {"opset 16; in x f32 1,1,1,3; init g f32 1,1,2,2 = 0,0,3,0; node GridSample x g -> y "
     "padding_mode=border align_corners=1; out y",
     "f32[1,1,1,2] 2 3"},
    {"opset 20; in x f32 1,1,3; init g f32 1,1,1 = 0.5; node GridSample x g -> y mode=linear "
     "align_corners=1; out y",
     "f32[1,1,1] 2.5"},
    {"opset 20; in x f32 1,2,3; init s i64 4 = 1,1,1,2; node AffineGrid x s -> y align_corners=1; "
     "out y",
     "f32[1,1,2,2] 2 2 4 10"},
    {"in x f32 1,1,2,2; init r f32 1,5 = 0,0,0,1,1; node MaxRoiPool x r -> y pooled_shape=1,1; out "
     "y",
     "f32[1,1,1,1] 4"},
    // Losses
    {"in x f32 2,2; init t i64 2 = 1,0; node NegativeLogLikelihoodLoss x t -> y; out y",
     "f32[] -2.5"},
    {"in x f32 2,2; init t i64 2 = 1,-7; node NegativeLogLikelihoodLoss x t -> y ignore_index=-7 "
     "reduction=none; out y",
     "f32[2] -2 0"},
    {"in x f32 1,2; init t i64 1 = 0; node SoftmaxCrossEntropyLoss x t -> y; out y",
     "f32[] 1.3133"},
    // Attention
    {"opset 23; in q f32 1,1,2,1; in k f32 1,1,2,1; in v f32 1,1,2,1; node Attention q k v -> y "
     "is_causal=1; out y",
     "f32[1,1,2,1] 1 1.8808"},
    {"opset 23; in q f32 1,1,1,1; in k f32 1,1,2,1; in v f32 1,1,2,1; init m bool 1,2 = 1,0; node "
     "Attention q k v m -> y; out y",
     "f32[1,1,1,1] 1"},
    {"opset 23; in x f32 1,1,1,2; init c f32 1,1 = 0; init s f32 1,1 = 1; init p i64 1,1 = 0; node "
     "RotaryEmbedding x c s p -> y; out y",
     "f32[1,1,1,2] -2 1"},
};

static void models_have_values(void)
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

// Refusals: the id, and words that the message must hold.
static const struct {
    const char *model;
    enum diag_id id;
    const char *words[2];
} refusals[] = {
    {"in x f32 2; init i i64 2; node GatherElements x i -> y axis=1; out y",
     DIAG_ONNX_ATTR,
     {"axis"}},
    {"in x f32 2,2; init i i64 1,3 = 0; node GatherND x i -> y; out y",
     DIAG_ONNX_SHAPE,
     {"i64[1,3]", "f32[2,2]"}},
    {"opset 18; in x f32 3; init i i64 2; init u f32 2; node ScatterElements x i u -> y "
     "reduction=mean; out y",
     DIAG_ONNX_ATTR,
     {"'mean'"}},
    {"opset 16; in x f32 2,2; init i i64 1,1; init u f32 1,3; node ScatterND x i u -> y; out y",
     DIAG_ONNX_SHAPE,
     {"f32[1,3]", "f32[2,2]"}},
    {"in x f32 3; init k i64 1 = 4; node TopK x k -> y i; out y",
     DIAG_ONNX_VALUE,
     {"k is 4", "3 elements"}},
    {"in x f32 2,3; in z f32 2,3; node Einsum x z -> y equation=ij,jk->ik; out y",
     DIAG_ONNX_SHAPE,
     {"'j'", "3 and 2"}},
    {"in x f32 2,3; node Einsum x -> y equation=ij,jk; out y", DIAG_ONNX_ATTR, {"1 inputs"}},
    {"opset 20; in x f32 1,4,3; node DFT x -> y; out y", DIAG_ONNX_SHAPE, {"f32[1,4,3]"}},
    {"opset 16; in x f32 1,1,2,2; init g f32 1,1,2,3; node GridSample x g -> y; out y",
     DIAG_ONNX_SHAPE,
     {"f32[1,1,2,3]"}},
    {"in x f32 2,2; init t i64 3; node NegativeLogLikelihoodLoss x t -> y; out y",
     DIAG_ONNX_SHAPE,
     {"i64[3]"}},
    {"opset 23; in q f32 1,2,3; in k f32 1,2,3; in v f32 1,2,3; node Attention q k v -> y "
     "q_num_heads=2 kv_num_heads=1; out y",
     DIAG_ONNX_ATTR,
     {"2 heads"}},
};

static void models_are_refused(void)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct import_rig r;
        rig_import_text(&r, refusals[i].model, NULL);
        bool ok = CHECK(r.module == NULL) &&
                  CHECK_STR(diag_info[r.first].id, diag_info[refusals[i].id].id);
        for (int k = 0; k < 2 && refusals[i].words[k]; k++)
            ok = CHECK(strstr(r.text, refusals[i].words[k]) != NULL) && ok;
        if (!ok)
            fprintf(stderr, "  in: %s\n  got: %s", refusals[i].model, r.text);
        rig_end(&r);
    }
}

// Tuples out of range do not read another row.
static void tuples_are_in_range(void)
{
    static const char *const models[] = {
        "in x f32 2,3; init i i64 1,2 = 0,3; node GatherND x i -> y; out y",
        "in x f32 2,3; init i i64 1,2 = 1,-4; node GatherND x i -> y; out y",
        "opset 12; in x f32 2,3; init i i64 2,1 = 0,-4; node GatherND x i -> y batch_dims=1; out y",
        "opset 16; in x f32 2,3; init i i64 1,2 = 0,3; init u f32 1; node ScatterND x i u -> y; "
        "out y",
    };
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        struct import_rig r;
        rig_import_text(&r, models[i], NULL);
        if (!CHECK(r.module && !rig_evaluate(&r)))
            fprintf(stderr, "  in: %s\n", models[i]);
        rig_end(&r);
    }
}

int main(void)
{
    RUN(models_have_values);
    RUN(models_are_refused);
    RUN(tuples_are_in_range);
    return check_summary();
}
