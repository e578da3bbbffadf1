// Precisions as text: fp32, fp16, int8, w4a8.
#include "pass.h"

#include <string.h>

// A decimal number of at most two digits at *s; moves past it. 0 when there is none.
static int small_number(const char **s)
{
    int v = 0;
    for (int n = 0; n < 2 && **s >= '0' && **s <= '9'; n++)
        v = v * 10 + *(*s)++ - '0';
    return v;
}

static bool width_ok(int bits)
{
    return bits >= 1 && bits <= 24;
}

bool pass_parse_precision(const char *text, struct pass_precision *out, struct diag *d)
{
    const char *s = text;
    if (strcmp(text, "fp32") == 0) {
        *out = (struct pass_precision){IR_MODE_FP32, 32, 32};
        return true;
    }
    if (strcmp(text, "fp16") == 0) {
        *out = (struct pass_precision){IR_MODE_FP16, 16, 16};
        return true;
    }
    int wbits = 0, abits = 0;
    if (strncmp(s, "int", 3) == 0) {
        s += 3;
        wbits = abits = small_number(&s);
    } else if (*s == 'w') {
        s++;
        wbits = small_number(&s);
        if (*s == 'a') {
            s++;
            abits = small_number(&s);
        }
    }
    if (*s != '\0' || !width_ok(wbits) || !width_ok(abits))
        return diag_report(d, LOC_NONE, DIAG_PRECISION,
                           "precision '%s' is none of fp32, fp16, int1 .. int24, w1a1 .. w24a24",
                           text);
    *out = (struct pass_precision){IR_MODE_FIXED, wbits, abits};
    return true;
}

const char *const pass_distill_text[PASS_DISTILLS] = {"weights", "activations", "auto"};

// Number of the word, or -1.
static int find_word(const char *text, const char *const *words, int num)
{
    for (int i = 0; i < num; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    return -1;
}

bool pass_parse_distill(const char *text, enum pass_distill *out)
{
    int i = find_word(text, pass_distill_text, PASS_DISTILLS);
    if (i >= 0)
        *out = (enum pass_distill)i;
    return i >= 0;
}

bool pass_parse_patches(const char *text, enum pass_patches *out)
{
    static const char *const words[PASS_PATCHES] = {"auto", "on", "off"};
    int i = find_word(text, words, PASS_PATCHES);
    if (i >= 0)
        *out = (enum pass_patches)i;
    return i >= 0;
}
