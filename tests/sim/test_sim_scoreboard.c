// Times of granules by blocks against times kept one by one.
#include "scoreboard.h"
#include "sim_case.h"

#define GRANULES 300

static void blocks_equal_granules(void)
{
    case_seed = 7;
    for (int round = 0; round < 60; round++) {
        struct scoreboard b;
        int64_t time[GRANULES] = {0};
        CHECK(scoreboard_open(&b, GRANULES));
        for (int i = 0; i < 300; i++) {
            int64_t num = case_int(0, case_int(0, 1) ? 20 : GRANULES);
            int64_t first = case_int(0, GRANULES - num), raise = case_int(1, 1000), want = 0;
            for (int64_t g = first; g < first + num; g++)
                want = time[g] > want ? time[g] : want;
            CHECK_INT(scoreboard_latest(&b, (size_t)first, (size_t)num, 0), want);
            CHECK_INT(scoreboard_latest(&b, (size_t)first, (size_t)num, 2000), 2000);
            if (case_int(0, 1))
                continue;
            scoreboard_raise(&b, (size_t)first, (size_t)num, raise);
            for (int64_t g = first; g < first + num; g++)
                time[g] = raise > time[g] ? raise : time[g];
        }
        scoreboard_close(&b);
    }
}

int main(void)
{
    RUN(blocks_equal_granules);
    return check_summary();
}
