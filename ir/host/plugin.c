// Loading of plugins. Everything a plugin says is checked here, so that compiler and simulator can
// trust it.
#include "plugin.h"

#include <dlfcn.h>
#include <string.h>

struct loaded {
    const struct bitlet_operator *op;
    struct host_kernel kernel;
};
enum { OPERATORS_MAX = 1024 };

// Shared libraries are the process's, and so is this list of what they hold.
static struct loaded loaded[OPERATORS_MAX];
static size_t num_loaded;

const struct bitlet_operator *plugin_operator(size_t i)
{
    return i < num_loaded ? loaded[i].op : NULL;
}

const struct host_kernel *plugin_kernel_find(const char *name)
{
    for (size_t i = 0; i < num_loaded; i++)
        if (strcmp(loaded[i].kernel.name, name) == 0)
            return &loaded[i].kernel;
    return NULL;
}

static bool bad_row(const char *path, const struct bitlet_operator *op, struct diag *d,
                    const char *what)
{
    return diag_report(d, LOC_NONE, DIAG_PLUGIN, "%s: operator '%s' of domain '%s': %s", path,
                       op->name ? op->name : "", op->domain ? op->domain : "", what);
}

static bool is_plain_type(enum dtype t)
{
    return dtype_info[t].kind != DTK_H && dtype_info[t].kind != DTK_X &&
           dtype_info[t].kind != DTK_C;
}

static bool check_word(const struct host_word *w, int *results, int *tensors, const char **what)
{
    bool attribute = strchr("ifsIF", w->kind) != NULL;
    if (strchr("RWV", w->kind))
        *what = "R, W and V are not for plugins";
    else if (attribute && w->name_len == 0)
        *what = "a scalar, string or list in the signature has no name";
    else if ((w->kind == 'r' || w->kind == 'w') && !is_plain_type(w->dtype))
        *what = "a type in the signature is none that plugins can have";
    else if ((w->kind == 'n' || w->kind == 'd') && *tensors == 0)
        *what = "n and d need a tensor before them";
    else if (w->as_many && *tensors == 0)
        *what = "/= needs a tensor before it";
    else if ((w->kind == 'I' || w->kind == 'F') && w->dflt)
        *what = "a list has no default; a node without it passes none";
    *tensors += w->kind == 'r' || w->kind == 'w';
    *results += w->kind == 'w';
    return *what == NULL;
}

static bool check_signature(const char *path, const struct bitlet_operator *op, struct diag *d)
{
    struct host_word w;
    const char *bad = NULL, *what = NULL;
    int results = 0, tensors = 0, words = 0;
    for (const char *p = op->signature; host_next_word(&p, &w, &bad); words++)
        if (!check_word(&w, &results, &tensors, &what))
            return bad_row(path, op, d, what);
    if (bad)
        return bad_row(path, op, d, "the signature has a word that means nothing");
    if (results == 0)
        return bad_row(path, op, d, "the signature has no w:TYPE, so the operator has no output");
    if (words > HOST_MAX_PARAMS / 2)
        return bad_row(path, op, d, "the signature is too long");
    return true;
}

static bool check_row(const char *path, const struct bitlet_operator *op, struct diag *d)
{
    if (!op->domain || !op->name || !*op->name || !op->kernel || !*op->kernel || !op->signature ||
        !op->function)
        return bad_row(path, op, d, "domain, name, kernel, signature or function is missing");
    if (!*op->domain || strcmp(op->domain, "ai.onnx") == 0)
        return bad_row(path, op, d, "the default domain is ONNX's own; choose another");
    if (host_kernel_find(op->kernel))
        return bad_row(path, op, d, "there is another kernel of that name");
    if (num_loaded == OPERATORS_MAX)
        return bad_row(path, op, d, "too many operators are loaded");
    return check_signature(path, op, d);
}

bool plugin_load(const char *path, struct diag *d)
{
    const char *slash = strchr(path, '/');
    char file[4096];
    // Without a slash dlopen would search the system's folders.
    int len = snprintf(file, sizeof file, "%s%s", slash ? "" : "./", path);
    void *lib = len > 0 && (size_t)len < sizeof file ? dlopen(file, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!lib) {
        const char *why = dlerror();
        return diag_report(d, LOC_NONE, DIAG_PLUGIN, "%s cannot be loaded: %s", path,
                           why ? why : "the path is too long");
    }
    const struct bitlet_plugin *p = dlsym(lib, "bitlet_plugin");
    if (!p)
        return diag_report(d, LOC_NONE, DIAG_PLUGIN, "%s exports no bitlet_plugin", path);
    if (p->version != BITLET_PLUGIN_VERSION)
        return diag_report(d, LOC_NONE, DIAG_PLUGIN, "%s is made for version %d, this is %d", path,
                           (int)p->version, BITLET_PLUGIN_VERSION);
    for (int32_t i = 0; i < p->num_operators; i++) {
        const struct bitlet_operator *op = &p->operators[i];
        if (!check_row(path, op, d))
            return false;
        loaded[num_loaded++] = (struct loaded){
            op, {op->kernel, op->signature, op->doc ? op->doc : "", (host_fn *)op->function, true}};
    }
    return true;
}
