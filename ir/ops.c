// The tables of ops.def.
#include "ir_priv.h"

#include <string.h>

enum {
    MAC = IR_T_MAC,
    ELT = IR_T_ELT,
    MOVE = IR_T_MOVE,
    PURE = IR_T_PURE,
    ALIAS = IR_T_ALIAS,
    OPEN = IR_T_OPEN,
    CLOSE = IR_T_CLOSE
};

const struct ir_op_info ir_op_info[IR_OP_NUM] = {
#define IR_OP(ENUM, name, least, most, results, TRAITS, what)                                      \
    [IR_OP_##ENUM] = {.text = (name),                                                              \
                      .in_min = (least),                                                           \
                      .in_max = (most),                                                            \
                      .outs = (results),                                                           \
                      .traits = (TRAITS),                                                          \
                      .doc = (what)},
#include "ops.def"
};

const struct ir_attr_info ir_attr_info[IR_A_NUM] = {
#define IR_ATTR(attr, KIND, what)                                                                  \
    [IR_A_##attr] = {.name = #attr, .kind = IR_AK_##KIND, .doc = (what)},
#include "ops.def"
};

// Rows that give an op the same attribute twice do not compile: they make one case twice.
bool ir_op_has_attr(enum ir_opcode op, enum ir_attr_id id, bool *required)
{
    enum { OPT = 0, REQ = 1 };
    int need;
    switch ((int)op * IR_A_NUM + (int)id) {
#define IR_HAS(ENUM, attr, NEED)                                                                   \
    case (int)IR_OP_##ENUM *IR_A_NUM + (int)IR_A_##attr:                                           \
        need = NEED;                                                                               \
        break;
#include "ops.def"
    default: return false;
    }
    if (required)
        *required = need == REQ;
    return true;
}

const char *ir_attr_text(enum ir_attr_id id)
{
    enum ir_attr_kind kind = ir_attr_info[id].kind;
    return kind == IR_AK_U || kind == IR_AK_B || kind == IR_AK_R ? "fn" : ir_attr_info[id].name;
}

int ir_op_by_text(const char *text, size_t len)
{
    for (int i = 0; i < IR_OP_NUM; i++)
        if (strlen(ir_op_info[i].text) == len && memcmp(ir_op_info[i].text, text, len) == 0)
            return i;
    return -1;
}

int ir_attr_by_text(enum ir_opcode op, const char *text, size_t len)
{
    for (int i = 0; i < IR_A_NUM; i++) {
        const char *name = ir_attr_text((enum ir_attr_id)i);
        if (strlen(name) == len && memcmp(name, text, len) == 0 &&
            ir_op_has_attr(op, (enum ir_attr_id)i, NULL))
            return i;
    }
    return -1;
}

static const struct {
    const char *text;
    enum ir_level level;
} LEVELS[] = {
    {"imported", IR_L_IMPORTED},   {"shaped", IR_L_SHAPED}, {"quantised", IR_L_QUANTISED},
    {"tiled", IR_L_TILED},         {"packed", IR_L_PACKED}, {"scheduled", IR_L_SCHEDULED},
    {"allocated", IR_L_ALLOCATED},
};
enum { LEVEL_NUM = sizeof LEVELS / sizeof *LEVELS };

const char *ir_level_text(int index, uint32_t *bit)
{
    if (index >= LEVEL_NUM)
        return NULL;
    *bit = LEVELS[index].level;
    return LEVELS[index].text;
}

static const char *const MODES[] = {
    [IR_MODE_FIXED] = "fixed", [IR_MODE_FP32] = "fp32", [IR_MODE_FP16] = "fp16"};

const char *ir_mode_text(int64_t mode)
{
    return mode >= 0 && mode <= IR_MODE_FP16 ? MODES[mode] : NULL;
}

bool ir_mode_by_text(const char *text, size_t len, int64_t *mode)
{
    for (int i = 0; i <= IR_MODE_FP16; i++)
        if (strlen(MODES[i]) == len && memcmp(MODES[i], text, len) == 0) {
            *mode = i;
            return true;
        }
    return false;
}
