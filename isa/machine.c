// Machine descriptions: JSON read with jansson, checked key by key against machine.def. Every
// mistake of a file is reported, not only the first. Presets are JSON too, and hold what differs
// from the defaults.
#include "machine.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"

enum { MACHINE_TEXT_MAX = 1 << 20, NAME_MAX_LEN = 64 };

static const char EXT_LETTERS[] = "PGSB"; // in the order of the bits of enum machine_ext

struct preset {
    const char *name, *differences;
};
static const struct preset PRESETS[] = {
    {"micro21", "{}"},
    {"micro21-fpga",
     "{\"clock_ghz\": 0.5}"}, // 32 PEs at 500 MHz give the frames per second of the paper's Table 8
    {"bitlet-x", "{\"extensions\": \"PGSB\"}"},
};
enum { NUM_PRESETS = sizeof PRESETS / sizeof PRESETS[0] };
static const char *const PRESET_NAMES[] = {"micro21", "micro21-fpga", "bitlet-x"};
_Static_assert(sizeof PRESET_NAMES / sizeof PRESET_NAMES[0] == NUM_PRESETS, "one name a preset");

struct param {
    const char *name;
    size_t offset;
    bool real;
    int64_t imin, imax;
    double rmin, rmax;
    const char *unit;
};
static const struct param PARAMS[] = {
#define MACHINE_INT(key, def, min, max, units, doc)                                                \
    {.name = #key,                                                                                 \
     .offset = offsetof(struct machine, key),                                                      \
     .imin = (min),                                                                                \
     .imax = (max),                                                                                \
     .unit = (units)},
#define MACHINE_REAL(key, def, min, max, units, doc)                                               \
    {.name = #key,                                                                                 \
     .offset = offsetof(struct machine, key),                                                      \
     .real = true,                                                                                 \
     .rmin = (min),                                                                                \
     .rmax = (max),                                                                                \
     .unit = (units)},
#include "machine.def"
};
enum { NUM_PARAMS = sizeof PARAMS / sizeof PARAMS[0] };

void machine_default(struct machine *out)
{
    *out = (struct machine){.name = "micro21"};
#define MACHINE_INT(key, def, min, max, unit, doc) out->key = (def);
#define MACHINE_REAL(key, def, min, max, unit, doc) out->key = (def);
#include "machine.def"
}

int machine_presets(const char *const **names)
{
    *names = PRESET_NAMES;
    return NUM_PRESETS;
}

// ---- Reading
// ---------------------------------------------------------------------------------------

struct reader {
    struct machine *out;
    const char *where;
    loc_id loc;
    struct arena *arena;
    struct diag *diag;
    bool ok;
};

__attribute__((format(printf, 2, 3))) static void complain(struct reader *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vprintf(r->arena, fmt, ap);
    va_end(ap);
    r->ok = diag_report(r->diag, r->loc, DIAG_MACHINE_FORMAT, "%s", text);
}

static const char *type_text(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number with a fraction";
    case JSON_NULL: return "null";
    default: return "a boolean";
    }
}

// The shortest text that reads back as the same number.
static const char *real_text(double v, struct arena *a)
{
    char s[40];
    if (floor(v) == v && fabs(v) < 1e15)
        return arena_printf(a, "%.1f", v);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (strtod(s, NULL) == v)
            break;
    }
    return arena_strdup(a, s);
}

static const char *range_text(const struct param *p, struct arena *a)
{
    const char *gap = p->unit[0] ? " " : "";
    if (p->real)
        return arena_printf(a, "%s .. %s%s%s", real_text(p->rmin, a), real_text(p->rmax, a), gap,
                            p->unit);
    return arena_printf(a, "%" PRId64 " .. %" PRId64 "%s%s", p->imin, p->imax, gap, p->unit);
}

static void read_int(struct reader *r, const struct param *p, const json_t *v)
{
    if (!json_is_integer(v)) {
        complain(r, "machine key '%s' is %s; it takes an integer in %s", p->name, type_text(v),
                 range_text(p, r->arena));
        return;
    }
    int64_t n = json_integer_value(v);
    if (n < p->imin || n > p->imax) {
        complain(r, "machine key '%s' is %" PRId64 "; it takes %s", p->name, n,
                 range_text(p, r->arena));
        return;
    }
    memcpy((char *)r->out + p->offset, &n, sizeof n);
}

static void read_real(struct reader *r, const struct param *p, const json_t *v)
{
    if (!json_is_number(v)) {
        complain(r, "machine key '%s' is %s; it takes a number in %s", p->name, type_text(v),
                 range_text(p, r->arena));
        return;
    }
    double n = json_number_value(v);
    if (!(n >= p->rmin && n <= p->rmax)) {
        complain(r, "machine key '%s' is %s; it takes %s", p->name, real_text(n, r->arena),
                 range_text(p, r->arena));
        return;
    }
    memcpy((char *)r->out + p->offset, &n, sizeof n);
}

static bool name_is_plain(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+");
    return n > 0 && n <= NAME_MAX_LEN && s[n] == '\0';
}

static void read_name(struct reader *r, const json_t *v)
{
    const char *s = json_string_value(v);
    if (!s)
        complain(r, "machine key 'name' is %s; it takes a string", type_text(v));
    else if (!name_is_plain(s))
        complain(r, "machine key 'name' is '%s'; it takes 1 .. %d letters, digits and -_.+", s,
                 NAME_MAX_LEN);
    else
        r->out->name = arena_strdup(r->arena, s);
}

static void read_extensions(struct reader *r, const json_t *v)
{
    const char *s = json_string_value(v);
    if (!s)
        complain(r, "machine key 'extensions' is %s; it takes a string of the letters %s",
                 type_text(v), EXT_LETTERS);
    else if (!machine_ext_parse(s, &r->out->ext))
        complain(r, "machine key 'extensions' is '%s'; it takes the letters %s, each at most once",
                 s, EXT_LETTERS);
}

static const struct param *find_param(const char *key)
{
    for (int i = 0; i < NUM_PARAMS; i++)
        if (strcmp(PARAMS[i].name, key) == 0)
            return &PARAMS[i];
    return NULL;
}

static const char *key_list(struct arena *a)
{
    const char *list = "base, name, extensions";
    for (int i = 0; i < NUM_PARAMS; i++)
        list = arena_printf(a, "%s, %s", list, PARAMS[i].name);
    return list;
}

static void read_key(struct reader *r, const char *key, const json_t *v)
{
    const struct param *p = find_param(key);
    if (p && p->real)
        read_real(r, p, v);
    else if (p)
        read_int(r, p, v);
    else if (strcmp(key, "name") == 0)
        read_name(r, v);
    else if (strcmp(key, "extensions") == 0)
        read_extensions(r, v);
    else if (strcmp(key, "base") != 0) {
        complain(r, "unknown machine key '%s'", key);
        diag_note(r->diag, r->loc, "the keys are %s", key_list(r->arena));
    }
}

static void check_group(struct reader *r)
{
    int64_t n = r->out->group;
    if (n != 2 && n != 4 && n % 8 != 0)
        complain(
            r, "machine key 'group' is %" PRId64 "; it takes 2, 4 or a multiple of 8 up to 256", n);
}

static void apply_object(struct reader *r, json_t *root)
{
    const char *key;
    json_t *v;
    json_object_foreach(root, key, v) read_key(r, key, v);
    check_group(r);
}

static json_t *load_object(struct reader *r, const char *json, size_t len)
{
    json_error_t e;
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &e);
    if (!root) {
        struct loc_table *t = diag_locs(r->diag);
        loc_id loc =
            t && e.line > 0 ? loc_text(t, r->where, (uint32_t)e.line, (uint32_t)e.column) : r->loc;
        r->ok = diag_report(r->diag, loc, DIAG_MACHINE_FORMAT, "not JSON: %s", e.text);
        return NULL;
    }
    if (json_is_object(root))
        return root;
    complain(r, "a machine description is %s; it must be an object of keys", type_text(root));
    json_decref(root);
    return NULL;
}

static const char *preset_list(struct arena *a)
{
    const char *list = PRESETS[0].name;
    for (int i = 1; i < NUM_PRESETS; i++)
        list = arena_printf(a, "%s, %s", list, PRESETS[i].name);
    return list;
}

static bool load_preset(struct reader *r, const char *name)
{
    for (int i = 0; i < NUM_PRESETS; i++) {
        if (strcmp(PRESETS[i].name, name) != 0)
            continue;
        machine_default(r->out);
        r->out->name = PRESETS[i].name;
        json_t *root = load_object(r, PRESETS[i].differences, strlen(PRESETS[i].differences));
        if (!root)
            bitlet_bug("preset %s is not JSON", name);
        apply_object(r, root);
        json_decref(root);
        return true;
    }
    return false;
}

// The machine that the keys change: `base`, or the default.
static void load_base(struct reader *r, json_t *root)
{
    json_t *base = json_object_get(root, "base");
    machine_default(r->out);
    if (!base)
        return;
    const char *name = json_string_value(base);
    if (!name)
        complain(r, "machine key 'base' is %s; it takes the name of a preset: %s", type_text(base),
                 preset_list(r->arena));
    else if (!load_preset(r, name))
        complain(r, "machine key 'base' is '%s'; it takes the name of a preset: %s", name,
                 preset_list(r->arena));
}

bool machine_parse(const char *json, size_t len, const char *where, struct machine *out,
                   struct arena *a, struct diag *d)
{
    struct reader r = {
        .out = out, .where = where, .loc = diag_file(d, where), .arena = a, .diag = d, .ok = true};
    machine_default(out);
    json_t *root = load_object(&r, json, len);
    if (!root)
        return false;
    load_base(&r, root);
    bool changes = json_object_size(root) > (json_object_get(root, "base") ? 1 : 0);
    if (changes && !json_object_get(root, "name"))
        out->name = "custom";
    apply_object(&r, root);
    json_decref(root);
    return r.ok;
}

bool machine_load(const char *name_or_path, struct machine *out, struct arena *a, struct diag *d)
{
    struct reader r = {.out = out, .where = name_or_path, .arena = a, .diag = d, .ok = true};
    if (load_preset(&r, name_or_path))
        return r.ok;
    if (!io_exists(name_or_path))
        return diag_report(d, LOC_NONE, DIAG_MACHINE_FORMAT,
                           "no machine '%s': neither a preset (%s) nor a file", name_or_path,
                           preset_list(a));
    struct io_map m;
    if (!io_map_file(&m, name_or_path, MACHINE_TEXT_MAX, d))
        return false;
    bool ok = machine_parse((const char *)m.data, m.size, name_or_path, out, a, d);
    io_unmap(&m);
    return ok;
}

// ---- Writing
// ---------------------------------------------------------------------------------------

static const char *param_text(const struct machine *m, const struct param *p, struct arena *a)
{
    const char *at = (const char *)m + p->offset;
    int64_t n;
    double v;
    if (p->real) {
        memcpy(&v, at, sizeof v);
        return real_text(v, a);
    }
    memcpy(&n, at, sizeof n);
    return arena_printf(a, "%" PRId64, n);
}

// One line, so that it fits behind a directive; a name needs no escapes.
const char *machine_json(const struct machine *m, struct arena *a)
{
    const char *s = arena_printf(a, "{\"name\": \"%s\", \"extensions\": \"%s\"", m->name,
                                 machine_ext_text(m->ext, a));
    for (int i = 0; i < NUM_PARAMS; i++)
        s = arena_printf(a, "%s, \"%s\": %s", s, PARAMS[i].name, param_text(m, &PARAMS[i], a));
    return arena_printf(a, "%s}", s);
}

const char *machine_ext_text(uint32_t ext, struct arena *a)
{
    char *s = arena_alloc(a, sizeof EXT_LETTERS);
    size_t n = 0;
    for (size_t i = 0; EXT_LETTERS[i]; i++)
        if (ext >> i & 1)
            s[n++] = EXT_LETTERS[i];
    return s;
}

bool machine_ext_parse(const char *text, uint32_t *out)
{
    uint32_t ext = 0;
    for (; *text; text++) {
        const char *at = strchr(EXT_LETTERS, *text);
        uint32_t bit = at ? UINT32_C(1) << (at - EXT_LETTERS) : 0;
        if (bit == 0 || (ext & bit))
            return false;
        ext |= bit;
    }
    *out = ext;
    return true;
}

size_t machine_lane_tile_bytes(const struct machine *m, int lanes, bool is_float)
{
    size_t words = (size_t)machine_group_words(m) * (size_t)(2 + lanes);
    size_t exponents = is_float ? ((size_t)m->group + 7) / 8 * 8 : 0;
    return words * 8 + exponents;
}

size_t machine_lane_map_bytes(const struct machine *m)
{
    return 16 + ((size_t)m->lanes + 7) / 8 * 8;
}
