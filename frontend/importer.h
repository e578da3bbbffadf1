// The importer's state: names of the graph being imported. Private to frontend/.
#ifndef BITLET_IMPORTER_H
#define BITLET_IMPORTER_H

#include "import.h"
#include "onnx.pb-c.h"

struct name_slot {
    const char *name;
    struct ir_value *value;
};
struct param { // a dimension parameter and its extent at run time
    const char *name;
    struct ir_value *extent;
};
struct importer {
    struct arena *arena;
    struct diag *diag;
    struct loc_table *locs;
    const char *path, *base_dir;
    const struct onnx_import_options *opt;
    const Onnx__ModelProto *model;
    struct ir_module *module;
    struct ir_graph *graph;
    int opset;               // of the default domain
    struct name_slot *slots; // open addressing, a power of two
    size_t num_slots, num_names;
    struct param *params;
    size_t num_params, cap_params;
};

// The value of a tensor name, or NULL.
struct ir_value *importer_find(const struct importer *imp, const char *name);
// False when the name is taken.
bool importer_define(struct importer *imp, const char *name, struct ir_value *v);

#endif
