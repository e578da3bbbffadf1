// Words: encode and decode are inverse, words that are no instruction are refused, and text holds
// all of a word.
#include "check.h"
#include "image.h"
#include "isa_random.h"

enum { WORDS = 2000000, TEXT_WORDS = 200000 };

// Random bits, or an instruction with one bit flipped; most of the former have reserved bits set.
static void random_word(uint8_t word[ISA_WORD_BYTES], uint64_t *state, bool near)
{
    io_put64(word, next_random(state));
    io_put64(word + 8, next_random(state));
    if (!near)
        return;
    struct isa_insn in = random_insn(state);
    CHECK(isa_encode(&in, word, NULL));
    uint64_t bit = next_random(state) % (8 * ISA_WORD_BYTES);
    word[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void random_words_decode_or_are_refused(void)
{
    uint64_t state = 1;
    int legal = 0;
    for (int i = 0; i < WORDS; i++) {
        uint8_t word[ISA_WORD_BYTES], again[ISA_WORD_BYTES];
        random_word(word, &state, i % 2);
        struct isa_insn in;
        if (!isa_decode(word, &in))
            continue;
        legal++;
        if (!CHECK(isa_encode(&in, again, NULL) && memcmp(word, again, sizeof word) == 0))
            return;
    }
    CHECK(legal > WORDS / 10 && legal < WORDS / 2);
}

static void random_instructions_encode_and_decode(void)
{
    uint64_t state = 2;
    for (int i = 0; i < WORDS; i++) {
        struct isa_insn in = random_insn(&state), back;
        uint8_t word[ISA_WORD_BYTES];
        bool ok = isa_encode(&in, word, NULL) && isa_decode(word, &back);
        if (!CHECK(ok && in.op == back.op && memcmp(in.f, back.f, sizeof in.f) == 0))
            return;
    }
}

static void a_field_out_of_range_is_named(void)
{
    uint8_t word[ISA_WORD_BYTES];
    int bad = -1;
    struct isa_insn in = {.op = ISA_BCE};
    in.BCE.npe = 1024;
    CHECK(!isa_encode(&in, word, &bad));
    CHECK_STR(isa_format_info[ISA_FMT_BCE].fields[bad].name, "npe");
    in.BCE.npe = 1023;
    CHECK(isa_encode(&in, word, &bad));
    in.BCE.mode = 3;
    CHECK(!isa_encode(&in, word, &bad));
    CHECK_STR(isa_format_info[ISA_FMT_BCE].fields[bad].name, "mode");
    in = (struct isa_insn){.op = ISA_BEQ};
    in.BR.off = INT64_C(1) << 47;
    CHECK(!isa_encode(&in, word, NULL));
    in.BR.off = -(INT64_C(1) << 47);
    CHECK(isa_encode(&in, word, NULL));
}

static void canonical_text(void)
{
    char text[ISA_TEXT_MAX];
    struct isa_insn in = {.op = ISA_BCE};
    in.BCE.ta = 3;
    in.BCE.nk = 2;
    in.BCE.acc = 1;
    in.BCE.xp = 5;
    in.BCE.wbuf = 64;
    size_t len = isa_print(&in, NULL, text, sizeof text);
    CHECK_INT(len, strlen(text));
    CHECK_STR(text, "bce t3, x0, x5, nk=2, mode=fixed, acc, wbuf=64");
    in = (struct isa_insn){.op = ISA_BNE};
    in.BR.ra = 1;
    in.BR.off = -32;
    isa_print(&in, NULL, text, sizeof text);
    CHECK_STR(text, "bne x1, x0, .-32");
    isa_print(&in, "loop", text, sizeof text);
    CHECK_STR(text, "bne x1, x0, loop");
    in = (struct isa_insn){.op = ISA_LI};
    in.LI.imm = INT64_MIN;
    isa_print(&in, NULL, text, sizeof text);
    CHECK_STR(text, "li x0, imm=-0x8000000000000000");
    CHECK_INT(isa_print(&in, NULL, text, 5), strlen("li x0, imm=-0x8000000000000000"));
    CHECK_STR(text, "li x");
}

static void write_listing(const char *path, const uint8_t *words)
{
    FILE *f = fopen(path, "w");
    for (size_t i = 0; f && i < TEXT_WORDS; i++) {
        struct isa_insn in;
        char text[ISA_TEXT_MAX];
        if (!isa_decode(words + i * ISA_WORD_BYTES, &in))
            break;
        CHECK(isa_print(&in, NULL, text, sizeof text) < sizeof text);
        fprintf(f, "%s\n", text);
    }
    CHECK(f && fclose(f) == 0);
}

// print, parse, encode: the same words.
static void text_holds_all_of_a_word(void)
{
    struct arena *a = arena_create();
    struct diag *d = diag_create(a, loc_table_create(a));
    uint64_t state = 3;
    uint8_t *words = arena_alloc(a, (size_t)TEXT_WORDS * ISA_WORD_BYTES);
    for (size_t i = 0; i < TEXT_WORDS; i++) {
        struct isa_insn in = random_insn(&state);
        CHECK(isa_encode(&in, words + i * ISA_WORD_BYTES, NULL));
    }
    write_listing("words.s", words);
    struct image img;
    if (CHECK(image_parse_asm("words.s", &img, a, d))) {
        CHECK_INT(img.text_bytes, TEXT_WORDS * ISA_WORD_BYTES);
        CHECK(memcmp(img.text, words, img.text_bytes) == 0);
    }
    arena_destroy(a);
}

int main(void)
{
    RUN(random_words_decode_or_are_refused);
    RUN(random_instructions_encode_and_decode);
    RUN(a_field_out_of_range_is_named);
    RUN(canonical_text);
    RUN(text_holds_all_of_a_word);
    return check_summary();
}
