// A small pool of worker threads. Work is cut into numbered pieces; which thread runs a piece never
// changes a result.
#ifndef BITLET_THREADS_H
#define BITLET_THREADS_H

struct thread_pool;
struct thread_pool *thread_pool_create(int threads); // 0: one per processor
void thread_pool_destroy(struct thread_pool *p);     // NULL is fine
int thread_pool_size(const struct thread_pool *p);   // of NULL: 1
// Calls body(user, piece, worker) for every piece in [0, pieces); worker in [0, size). Returns when
// all are done. The caller is worker 0, and does everything where p is NULL. A body must not call
// thread_pool_run.
void thread_pool_run(struct thread_pool *p, int pieces,
                     void (*body)(void *user, int piece, int worker), void *user);

#endif
