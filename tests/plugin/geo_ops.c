// An example of a plugin: distances and nearest places on the globe, which ONNX has no operators
// for.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bitlet_plugin.h"

static double radians(double degrees)
{
    return degrees * (3.14159265358979323846 / 180);
}

static double haversine(double lat1, double lon1, double lat2, double lon2, double radius)
{
    double a = sin(radians(lat2 - lat1) / 2), b = sin(radians(lon2 - lon1) / 2);
    double h = a * a + cos(radians(lat1)) * cos(radians(lat2)) * b * b;
    return 2 * radius * asin(sqrt(h < 1 ? h : 1));
}

// ---- Haversine: from every point [M, 2] (latitude, longitude) to every place [N, 2]

static const char *distances(const float *from, const int64_t *m, int64_t from_rank,
                             const float *to, const int64_t *n, int64_t to_rank, float *out,
                             double radius)
{
    (void)from_rank; // the shape function has checked the ranks
    (void)to_rank;
    for (int64_t i = 0; i < m[0]; i++)
        for (int64_t k = 0; k < n[0]; k++) {
            const float *a = from + 2 * i, *b = to + 2 * k;
            if (fabsf(a[0]) > 90 || fabsf(b[0]) > 90)
                return "a latitude beyond 90 degrees";
            out[i * n[0] + k] =
                (float)haversine((double)a[0], (double)a[1], (double)b[0], (double)b[1], radius);
        }
    return NULL;
}

static const char *distances_shape(const struct bitlet_type *in, int64_t num_in,
                                   const struct bitlet_attribute *attributes,
                                   struct bitlet_type *out, int64_t num_out)
{
    (void)num_in;
    (void)num_out;
    if (attributes[0].f <= 0)
        return "the radius must be positive";
    for (int i = 0; i < 2; i++)
        if (in[i].rank != 2 || in[i].dim[1] != 2)
            return "both inputs must be [N, 2]: latitudes and longitudes in degrees";
    out[0].rank = 2;
    out[0].dim[0] = in[0].dim[0];
    out[0].dim[1] = in[1].dim[0];
    return NULL;
}

// ---- NearestName: the name of the nearest place of each row of distances, or a text for too far

static const char *nearest(struct bitlet_memory *m, const float *distance, const int64_t *dim,
                           int64_t rank, const char *const *name, int64_t num, const char **out,
                           const char *far, double limit)
{
    (void)rank;
    (void)num;
    for (int64_t i = 0; i < dim[0]; i++) {
        const float *row = distance + i * dim[1];
        int64_t best = 0;
        for (int64_t k = 1; k < dim[1]; k++)
            best = row[k] < row[best] ? k : best;
        if (dim[1] == 0 || (double)row[best] > limit) {
            out[i] = far;
            continue;
        }
        size_t size = strlen(name[best]) + 16;
        char *text = m->alloc(m, size);
        snprintf(text, size, "%s %.0f", name[best], (double)row[best]);
        out[i] = text;
    }
    return NULL;
}

static const char *nearest_shape(const struct bitlet_type *in, int64_t num_in,
                                 const struct bitlet_attribute *attributes, struct bitlet_type *out,
                                 int64_t num_out)
{
    (void)num_in;
    (void)attributes;
    (void)num_out;
    if (in[0].rank != 2 || in[1].rank != 1 || in[1].dim[0] != in[0].dim[1])
        return "takes distances [M, N] and names [N]";
    out[0].rank = 1;
    out[0].dim[0] = in[0].dim[0];
    return NULL;
}

static const struct bitlet_operator operators[] = {
    {"com.example.geo", "Haversine", 1, "geo_haversine", "r:f32 d r:f32 d w:f32 f:radius=6371.0088",
     (void (*)(void))distances, distances_shape,
     "great-circle distances in the unit of the radius"},
    {"com.example.geo", "NearestName", 1, "geo_nearest_name",
     "m r:f32 d r:str n w:str s:far=nowhere f:limit=1e9", (void (*)(void))nearest, nearest_shape,
     "name of the nearest place and its distance"},
};
const struct bitlet_plugin bitlet_plugin = {BITLET_PLUGIN_VERSION,
                                            sizeof operators / sizeof *operators, operators};
