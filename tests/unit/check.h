// Checks for unit tests: a test is a function, a failing check prints its place and the test goes
// on.
//
//   static void adds(void) { CHECK_INT(1 + 1, 2); }
//   int main(void) { RUN(adds); return check_summary(); }
#ifndef BITLET_CHECK_H
#define BITLET_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int check_tests, check_failed_tests, check_failures;

#define CHECK(cond) check_true((cond), #cond, __FILE__, __LINE__)
#define CHECK_INT(got, want)                                                                       \
    check_int((long long)(got), (long long)(want), #got, __FILE__, __LINE__)
#define CHECK_STR(got, want) check_str((got), (want), #got, __FILE__, __LINE__)
#define RUN(test)                                                                                  \
    do {                                                                                           \
        int check_before = check_failures;                                                         \
        test();                                                                                    \
        check_tests++;                                                                             \
        check_failed_tests += check_failures != check_before;                                      \
    } while (0)

static inline bool check_true(bool ok, const char *what, const char *file, int line)
{
    if (!ok) {
        fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
        check_failures++;
    }
    return ok;
}

static inline bool check_int(long long got, long long want, const char *what, const char *file,
                             int line)
{
    if (got != want)
        fprintf(stderr, "%s:%d: got %lld, want %lld\n", file, line, got, want);
    return check_true(got == want, what, file, line);
}

static inline bool check_str(const char *got, const char *want, const char *what, const char *file,
                             int line)
{
    bool ok = got && want && strcmp(got, want) == 0;
    if (!ok)
        fprintf(stderr, "%s:%d: got '%s', want '%s'\n", file, line, got ? got : "(null)",
                want ? want : "(null)");
    return check_true(ok, what, file, line);
}

static inline int check_summary(void)
{
    printf("%d passed, %d failed\n", check_tests - check_failed_tests, check_failed_tests);
    return check_failed_tests != 0;
}

#endif
