// Damaged models: 10,000 seeded mutations of files and 10,000 of model texts, which stay
// well-formed and hit deeper. Each is refused with a message or gives a module that verifies and,
// when it is small, evaluates; the sanitizers look on.
#include <stdlib.h>

#include "check.h"
#include "eval.h"
#include "import_rig.h"

enum { MUTANTS = 10000, ROOM = 1 << 16 };

static const char *const models[] = {
    "in x f32 1,2,5; init w f32 2,1,3; init b f32 2; node Conv x w b -> c group=2 pads=1,1 "
    "strides=2, dilations=1,; node Relu c -> y; out y",
    "in x f32 1,2,4; init w f32 2,1,3; node ConvTranspose x w -> c strides=2, output_padding=1, "
    "output_shape=9,; node LeakyRelu c -> y alpha=0.1f; out y",
    "in x f32 1,2,4,4; node AveragePool x -> a kernel_shape=3,3 strides=2,2 pads=1,1,0,0 "
    "ceil_mode=1; node MaxPool a -> m kernel_shape=2,2 auto_pad=SAME_LOWER; "
    "node GlobalAveragePool m -> g; node Flatten g -> y axis=1; out y",
    "opset 11; in x f32 2,6; init s i64 3 = 2,-1,3; node Reshape x s -> r; node Transpose r -> t "
    "perm=2,0,1; node Softmax t -> y axis=1; out y",
    "in x f32 2,3; init w f32 4,3; init c f32 4; node Gemm x w c -> g transB=1 alpha=0.5f; node "
    "Clip g _ c0 -> k; init c0 f32 -; node LRN k -> y size=3; out y",
    "in x f32 1,4,2; init p f32 4; node BatchNormalization x p p p p -> b; node "
    "InstanceNormalization b p p -> i; node ReduceMean i -> y axes=1,2 keepdims=0; out y",
    "opset 18; in x f32 1,1,3,3; init r f32 0; init s f32 4 = 1,1,2,2; node Resize x r s -> z "
    "mode=cubic coordinate_transformation_mode=align_corners; "
    "init q i64 8 = 0,0,1,1,0,0,1,1; node Pad z q -> y mode=reflect; out y",
    "in x f32 2,8; init a i64 2 = 0,1; init b i64 2 = 2,7; init i i64 2 = 1,-1; node Slice x a b _ "
    "i -> s; node Split x -> u v axis=1; node Concat u v s -> y axis=1; out y",
    "opset 21; in x f32 2,4; init s f32 2,2; node QuantizeLinear x s -> q block_size=2 axis=1 "
    "output_dtype=3; node DequantizeLinear q s -> y block_size=2; out y",
    "in x f32 2,4,4; init i i64 2 = 0,-1; node Gather x i -> g axis=2; node Shape g -> h; node "
    "ConstantOfShape h -> k value=t:f32:1:2; node Expand g h -> e; node Where_ e -> n; "
    "node Add e k -> y; out y",
    "in x f32 1,8,2,2; node DepthToSpace x -> d blocksize=2 mode=CRD; node SpaceToDepth d -> p "
    "blocksize=2; init t i64 4 = 1,1,2,1; node Tile p t -> q; "
    "node ArgMax q -> a axis=1; node Cast a -> y to=1; out y",
};
enum { MODELS = sizeof(models) / sizeof(models[0]) };

static uint64_t state = 1;

static uint64_t next_random(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t below(size_t n)
{
    return (size_t)(next_random() % n);
}

// Whether the reference evaluator is done with the module in no time.
static bool is_small(const struct ir_module *m)
{
    double work = 0;
    for (const struct ir_op *op = m->main->first; op; op = op->next)
        for (int i = 0; i < op->num_out; i++) {
            double elems = (double)ir_type_elems(&op->out[i]->type), inner = 1;
            for (int k = 0; k < op->num_in && op->op != IR_OP_CONST; k++)
                inner += op->in[k] ? (double)ir_type_elems(&op->in[k]->type) : 0;
            int num;
            const int64_t *kernel = ir_ints(op, IR_A_kernel, &num);
            for (int k = 0; k < num; k++)
                elems *= (double)kernel[k];
            work += elems * (ir_is_mac(op) ? inner : 1) + inner;
        }
    for (int i = 0; i < m->main->num_inputs; i++)
        work += (double)ir_type_elems(&m->main->inputs[i]->type);
    return work < 1e6;
}

static void import_mutant(struct onnx_bytes b, int *accepted)
{
    struct import_rig r;
    rig_import_bytes(&r, b, NULL);
    CHECK_INT(r.module != NULL, r.errors == 0);
    if (r.module) {
        (*accepted)++;
        CHECK(ir_verify(r.module, r.diag));
        if (is_small(r.module) && r.module->main->num_outputs > 0)
            (void)rig_evaluate(&r);
    }
    rig_end(&r);
}

// ---- Bytes

static size_t mutate_bytes(uint8_t *bytes, size_t len)
{
    for (uint64_t edits = 1 + next_random() % 3; edits > 0 && len > 0; edits--) {
        size_t at = below(len);
        switch (next_random() % 8) {
        case 0: len = at; break;
        case 1:
            if (len * 2 - at <= ROOM) {
                memmove(bytes + len, bytes + at, len - at);
                len += len - at;
            }
            break;
        case 2: bytes[at] = 0xff; break;
        case 3: bytes[at] = (uint8_t)next_random(); break;
        case 4: bytes[at]++; break;
        case 5: bytes[at]--; break;
        default: bytes[at] ^= (uint8_t)(1u << (next_random() & 7)); break;
        }
    }
    return len;
}

static void damaged_files(void)
{
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, NULL);
    struct onnx_bytes seeds[MODELS + 1];
    const char *why;
    struct io_map demo;
    int accepted = 0;
    for (int i = 0; i < MODELS; i++)
        seeds[i] = onnx_text_build(models[i], a, &why);
    if (!CHECK(io_map_file(&demo, DEMO_MODEL, ROOM / 2, d)))
        return;
    seeds[MODELS] = (struct onnx_bytes){arena_memdup(a, demo.data, demo.size), demo.size};
    io_unmap(&demo);
    uint8_t *bytes = arena_alloc(a, ROOM);
    for (int i = 0; i < MUTANTS; i++) {
        struct onnx_bytes from = seeds[i % (MODELS + 1)];
        memcpy(bytes, from.data, from.size);
        import_mutant((struct onnx_bytes){bytes, mutate_bytes(bytes, from.size)}, &accepted);
    }
    CHECK(accepted > 0 && accepted < MUTANTS);
    arena_destroy(a);
}

// ---- Texts

static const char *const words[] = {"0",    "1",          "-1",          "2",
                                    "7",    "2147483647", "-2147483648", "9223372036854775807",
                                    "0.5f", "f32",        "i64",         "u8",
                                    "x",    "w",          "s",           "_",
                                    "0,0",  "1,2,3",      "-",           "1,",
                                    ",",    "Add",        "Conv",        "Reshape",
                                    "Pad",  "Mul",        "axis",        "N",
                                    "bool", "SAME_UPPER", "i8",          "inf",
                                    "1,1",  "Gemm",       "Resize",      "t:f32:1:0"};

// The edges of the words and numbers of a text.
static size_t find_tokens(const char *s, size_t *begin, size_t *end, size_t max)
{
    size_t n = 0;
    for (const char *p = s; *p && n < max; n++) {
        p += strspn(p, " ;,=");
        begin[n] = (size_t)(p - s);
        p += strcspn(p, " ;,=");
        end[n] = (size_t)(p - s);
    }
    return n;
}

static const char *mutate_text(const char *s, struct arena *a)
{
    enum { TOKENS = 256 };
    size_t begin[TOKENS], end[TOKENS];
    for (uint64_t edits = 1 + next_random() % 3; edits > 0; edits--) {
        size_t n = find_tokens(s, begin, end, TOKENS), i = below(n), k = below(n);
        const char *with = words[below(sizeof(words) / sizeof(words[0]))];
        if (next_random() % 2)
            with = arena_strndup(a, s + begin[k], end[k] - begin[k]);
        s = arena_printf(a, "%.*s%s%s", (int)begin[i], s, next_random() % 8 ? with : "",
                         s + end[i]);
    }
    return s;
}

static void damaged_texts(void)
{
    struct arena *a = arena_create();
    const char *why;
    int accepted = 0;
    for (int i = 0; i < MUTANTS; i++) {
        struct onnx_bytes b = onnx_text_build(mutate_text(models[i % MODELS], a), a, &why);
        if (b.data)
            import_mutant(b, &accepted);
        arena_reset(a);
    }
    CHECK(accepted > 100);
    arena_destroy(a);
}

int main(void)
{
    RUN(damaged_files);
    RUN(damaged_texts);
    return check_summary();
}
