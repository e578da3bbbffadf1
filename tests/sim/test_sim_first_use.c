// Which tiles of the weight buffer have been asked for before, against a note of every word.
#include "first_use.h"
#include "sim_case.h"

#define LANES_WORDS 512
#define BUFFER_WORDS 160

static int64_t origin[BUFFER_WORDS];         // word of .lanes plus 1; 0: elsewhere
static int64_t load_of[BUFFER_WORDS], loads; // which transfer brought a word
static bool taken[LANES_WORDS];

static void load(struct first_use *f, const uint8_t *wbuf)
{
    int64_t num = case_int(0, 40), first = case_int(0, BUFFER_WORDS - num);
    int64_t from = case_int(0, LANES_WORDS - num), misplaced = case_int(0, 9) == 0 ? 4 : 0;
    bool elsewhere = case_int(0, 5) == 0;
    first_use_loaded(f, wbuf + 8 * first,
                     elsewhere ? IMAGE_RODATA_BASE
                               : IMAGE_LANES_BASE + (uint64_t)(8 * from + misplaced),
                     (uint64_t)(8 * num));
    loads++;
    for (int64_t i = 0; i < num; i++) {
        origin[first + i] = elsewhere || misplaced ? 0 : from + i + 1;
        load_of[first + i] = loads;
    }
}

static void ask(struct first_use *f, const uint8_t *wbuf)
{
    int64_t words = case_int(1, 12), num = case_int(0, BUFFER_WORDS / words);
    int64_t at = case_int(0, BUFFER_WORDS - words * num);
    bool first[BUFFER_WORDS];
    first_use_take(f, wbuf + 8 * at, (size_t)(8 * words), (int)num, first);
    for (int64_t i = 0; i < num; i++) {
        int64_t from = origin[at + i * words];
        CHECK(first[i] == (from == 0 || !taken[from - 1]));
        if (from == 0 || !first[i])
            continue;
        for (int64_t w = at + i * words; w < at + (i + 1) * words; w++)
            if (load_of[w] == load_of[at + i * words] && origin[w] == from + w - at - i * words)
                taken[origin[w] - 1] = true;
            else
                break;
    }
}

static void ranges_equal_words(void)
{
    struct sim_case c;
    case_prepare(&c);
    case_load(&c, ".heap 4096\n halt\n.lanes\n .zero 4096");
    const uint8_t *wbuf = c.sim->region[SIM_REGION_WBUF].host;
    case_seed = 11;
    for (int round = 0; round < 40; round++) {
        struct first_use *f = first_use_create(c.sim);
        memset(origin, 0, sizeof origin);
        memset(taken, 0, sizeof taken);
        for (int i = 0; i < 200; i++) {
            if (case_int(0, 2))
                load(f, wbuf);
            else
                ask(f, wbuf);
            int64_t at = case_int(0, BUFFER_WORDS - 1);
            CHECK_INT((int64_t)first_use_origin(f, wbuf + 8 * at), origin[at]);
        }
        first_use_destroy(f);
    }
    case_end(&c);
}

int main(void)
{
    RUN(ranges_equal_words);
    return check_summary();
}
