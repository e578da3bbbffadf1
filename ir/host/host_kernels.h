// The functions of host.def, as C sees them. What a parameter means is at the function.
#ifndef BITLET_HOST_KERNELS_H
#define BITLET_HOST_KERNELS_H

#include "host.h"

const char *host_expect_extents(const int64_t *real, int64_t n, const int64_t *want,
                                int64_t num_want, const char *what);

const char *host_sequence_at_within(struct host_memory *m, struct tensor *y, int64_t *extent,
                                    int64_t num, const struct tensor_list *s,
                                    const int64_t *position);
const char *host_sequence_concat_within(struct host_memory *m, struct tensor *y, int64_t *extent,
                                        int64_t num, const struct tensor_list *s, int64_t axis,
                                        int64_t new_axis);
const char *host_optional_get_within(struct host_memory *m, struct tensor *y, int64_t *extent,
                                     int64_t num, const struct tensor_list *o);

const char *host_random_uniform_f32(float *out, int64_t n, double low, double high, int64_t seed);
const char *host_random_uniform_f64(double *out, int64_t n, double low, double high, int64_t seed);
const char *host_random_normal_f32(float *out, int64_t n, double mean, double scale, int64_t seed);
const char *host_random_normal_f64(double *out, int64_t n, double mean, double scale, int64_t seed);

const char *host_string_concat(struct host_memory *m, const char **out, int64_t n,
                               const char *const *a, const char *const *b);
const char *host_string_equal(uint8_t *out, int64_t n, const char *const *a, const char *const *b);
const char *host_string_regex(uint8_t *out, int64_t n, const char *const *x, const char *pattern);
const char *host_string_split(struct host_memory *m, const char **out, const int64_t *out_dim,
                              int64_t out_rank, int64_t *counts, int64_t num_counts, int64_t *most,
                              const char *const *x, int64_t n, const char *delimiter,
                              int64_t max_split);
const char *host_string_normalize(struct host_memory *m, const char **out, int64_t capacity,
                                  int64_t *kept, const char *const *x, int64_t n,
                                  const char *const *stop, int64_t num_stop, int64_t change,
                                  int64_t sensitive, const char *locale);

const char *host_string_format(struct host_memory *m, const char **out, int64_t n,
                               const struct tensor *x);
const char *host_string_parse_f32(float *out, int64_t n, const char *const *x);
const char *host_string_parse_f64(double *out, int64_t n, const char *const *x);
const char *host_string_parse_i64(int64_t *out, int64_t n, const char *const *x);
const char *host_string_parse_u64(uint64_t *out, int64_t n, const char *const *x);

const char *host_label_encode(struct tensor *y, const struct tensor *x, const struct tensor *keys,
                              const struct tensor *values, const struct tensor *dflt);
const char *host_tfidf(float *out, const int64_t *out_dim, int64_t out_rank, const int64_t *x,
                       int64_t n, int64_t mode, const int64_t *pool, int64_t num_pool,
                       const int64_t *starts, int64_t num_starts, const int64_t *indexes,
                       int64_t num_indexes, const int64_t *lengths, int64_t num_lengths,
                       const double *weights, int64_t num_weights, int64_t columns);
const char *host_tfidf_strings(float *out, const int64_t *out_dim, int64_t out_rank,
                               const char *const *x, int64_t n, const char *const *pool,
                               int64_t num_pool, int64_t mode, const int64_t *starts,
                               int64_t num_starts, const int64_t *indexes, int64_t num_indexes,
                               const int64_t *lengths, int64_t num_lengths, const double *weights,
                               int64_t num_weights, int64_t columns);
const char *host_unique(struct tensor *y, int64_t *first, int64_t capacity, int64_t *counts,
                        int64_t *inverse, int64_t extent, int64_t *number, const struct tensor *x,
                        int64_t axis, int64_t sorted);

const char *host_sequence_at(struct host_memory *m, struct tensor *y, const struct tensor_list *s,
                             const int64_t *position);
const char *host_sequence_concat(struct tensor *y, const struct tensor_list *s, int64_t axis,
                                 int64_t new_axis);
const char *host_sequence_erase(struct host_memory *m, const struct tensor_list **y,
                                const struct tensor_list *s, const int64_t *position);
const char *host_sequence_extend(struct host_memory *m, const struct tensor_list **y,
                                 const struct tensor_list *s, const struct tensor *const *x,
                                 int64_t n);
const char *host_sequence_insert(struct host_memory *m, const struct tensor_list **y,
                                 const struct tensor_list *s, const struct tensor *x,
                                 const int64_t *position);
const char *host_sequence_length(int64_t *y, const struct tensor_list *s);
const char *host_sequence_split(struct host_memory *m, const struct tensor_list **y,
                                const struct tensor *x, const int64_t *lengths, int64_t num,
                                int64_t chunk, int64_t axis, int64_t keep);
const char *host_optional_get(struct host_memory *m, struct tensor *y, const struct tensor_list *o);
const char *host_optional_has(uint8_t *y, const struct tensor_list *o);
const char *host_optional_make(struct host_memory *m, const struct tensor_list **y,
                               const struct tensor *const *x, int64_t n);

const char *host_nonmax_suppression(int64_t *out, int64_t capacity, int64_t *selected,
                                    const float *boxes, const int64_t *box_dim, int64_t box_rank,
                                    const float *scores, const int64_t *dim, int64_t rank,
                                    const int64_t *most, const float *iou, const float *score,
                                    int64_t centre);
const char *host_image_decode(uint8_t *out, const int64_t *dim, int64_t rank, const uint8_t *file,
                              int64_t bytes, int64_t format, int64_t *real);

#endif
