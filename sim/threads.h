// A small pool of worker threads. Work is cut into numbered pieces; which thread runs a piece never
// changes a result.
#ifndef BITLET_SIM_THREADS_H
#define BITLET_SIM_THREADS_H

struct sim_pool;
struct sim_pool *sim_pool_create(int threads); // 0: one per processor
void sim_pool_destroy(struct sim_pool *p);     // NULL is fine
int sim_pool_size(const struct sim_pool *p);
// Calls body(user, piece, worker) for every piece in [0, pieces); worker in [0, size). Returns when
// all are done. The caller is worker 0. A body must not call sim_pool_run.
void sim_pool_run(struct sim_pool *p, int pieces, void (*body)(void *user, int piece, int worker),
                  void *user);

#endif
