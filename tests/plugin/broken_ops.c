// A plugin whose signature says something impossible.
#include "bitlet_plugin.h"

static const char *nothing(void)
{
    return NULL;
}

static const struct bitlet_operator operators[] = {
    {"com.example.broken", "Nothing", 1, "broken_nothing", "r:f32 q w:f32", (void (*)(void))nothing,
     NULL, ""},
};
const struct bitlet_plugin bitlet_plugin = {BITLET_PLUGIN_VERSION, 1, operators};
