// onnx-text FILE -o MODEL.onnx: writes the model that a text describes (onnx_text.h), for golden
// tests.
#include <string.h>

#include "cli.h"
#include "io.h"
#include "onnx_text.h"

#define TOOL "onnx-text"

static bool convert(const char *in, const char *out, struct arena *a, struct diag *d)
{
    struct io_map m;
    const char *why = "";
    if (!io_map_file(&m, in, 1 << 20, d))
        return false;
    struct onnx_bytes b = onnx_text_build(arena_strndup(a, (const char *)m.data, m.size), a, &why);
    io_unmap(&m);
    if (!b.data)
        return diag_report(d, LOC_NONE, DIAG_ONNX_FORMAT, "%s: %s", in, why);
    return io_write_file(out, b.data, b.size, d);
}

int main(int argc, char **argv)
{
    if (argc != 4 || strcmp(argv[2], "-o") != 0)
        return cli_usage(TOOL, "expected FILE -o MODEL.onnx");
    struct arena *a = arena_create();
    bool ok = convert(argv[1], argv[3], a, diag_create(a, NULL));
    arena_destroy(a);
    return ok ? CLI_OK : CLI_INPUT;
}
