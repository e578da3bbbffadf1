// The machine a program is compiled for and simulated on: rows of machine.def, and extensions,
// which are letters. A value is always within its row's range.
#ifndef BITLET_MACHINE_H
#define BITLET_MACHINE_H

#include "diag.h"

enum machine_ext { MACHINE_EXT_P = 1, MACHINE_EXT_G = 2, MACHINE_EXT_S = 4, MACHINE_EXT_B = 8 };

#define MACHINE_MAP_EXT (MACHINE_EXT_G | MACHINE_EXT_S | MACHINE_EXT_B) // take lane maps

struct machine {
    const char *name;
    uint32_t ext; // enum machine_ext
#define MACHINE_INT(name, def, min, max, unit, doc) int64_t name;
#define MACHINE_REAL(name, def, min, max, unit, doc) double name;
#include "machine.def"
};

// A preset's name (micro21, micro21-fpga, bitlet-x) or a JSON file: {"base": "micro21", "name":
// "mine", "pes": 16, "extensions": "PG", ...}. Keys that are left out keep the base's value; a file
// that changes something and gives no name is called "custom".
BITLET_MUST_USE bool machine_load(const char *name_or_path, struct machine *out, struct arena *a,
                                  struct diag *d);
// The same from JSON text; `where` names it in messages.
BITLET_MUST_USE bool machine_parse(const char *json, size_t len, const char *where,
                                   struct machine *out, struct arena *a, struct diag *d);
void machine_default(struct machine *out); // micro21
// Canonical: one line, every key, in the order of the table.
const char *machine_json(const struct machine *m, struct arena *a);
int machine_presets(const char *const **names);
// "PG": the letters in the order P G S B; "" for none.
const char *machine_ext_text(uint32_t ext, struct arena *a);
// Any order, no letter twice.
bool machine_ext_parse(const char *text, uint32_t *out);

// Bytes of one PE's stationary weights of one group: see image.h for the layout.
size_t machine_lane_tile_bytes(const struct machine *m, int lanes, bool is_float);
// Bytes of the lane map behind it, of tiles that have one (extensions G, S, B).
size_t machine_lane_map_bytes(const struct machine *m);
static inline int machine_group_words(const struct machine *m)
{
    return (int)((m->group + 63) / 64);
}

#endif
