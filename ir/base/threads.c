// Every worker has a range of a job's pieces, the same for jobs of as many pieces, so that it finds
// in its cache what it worked on before; when its own are done it takes those of others. Pieces of
// a range are claimed through an atomic counter. Between jobs a worker looks out for the next one
// for a while before it sleeps, and so does the caller for the end of one: to be woken takes longer
// than most jobs. Whoever else wants the processor gets it in the meantime. A worker that comes
// after all pieces are claimed finds the job closed; nobody waits for it.
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "arena.h"

#define MAX_THREADS 256
#define LOOKS 2048  // some tens of microseconds
#define YIELDS 1024 // less than a millisecond
#define OPEN (1ull << 16)
#define AT_WORK (OPEN - 1)

struct worker {
    struct thread_pool *pool;
    int id;
    pthread_t thread;
    // Pieces of its range that nobody has claimed; apart from those of others.
    _Alignas(64) atomic_int next;
    int end;
};

struct thread_pool {
    struct arena *arena;
    int size;
    struct worker *workers; // [0] is the caller and has no thread
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    atomic_ullong state; // number of the current job << 32 | OPEN | workers at it
    bool stop;
    void (*body)(void *user, int piece, int worker);
    void *user;
};

static void run_pieces(struct thread_pool *p, int worker)
{
    for (int i = 0; i < p->size; i++) {
        struct worker *of = &p->workers[(worker + i) % p->size];
        for (;;) {
            int piece = atomic_fetch_add_explicit(&of->next, 1, memory_order_relaxed);
            if (piece >= of->end)
                break;
            p->body(p->user, piece, worker);
        }
    }
}

static inline void breathe(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Whether something is so, looking for a while.
static bool seen_soon(struct thread_pool *p, bool (*so)(struct thread_pool *p, unsigned job),
                      unsigned job)
{
    for (int i = 0; i < LOOKS + YIELDS; i++) {
        if (so(p, job))
            return true;
        if (i < LOOKS)
            breathe();
        else
            sched_yield();
    }
    return false;
}

static bool is_after(struct thread_pool *p, unsigned job)
{
    return (unsigned)(atomic_load_explicit(&p->state, memory_order_acquire) >> 32) != job;
}

static void wait_for_job(struct thread_pool *p, unsigned seen)
{
    if (seen_soon(p, is_after, seen))
        return;
    pthread_mutex_lock(&p->lock);
    while (!is_after(p, seen))
        pthread_cond_wait(&p->start, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

// Takes part in the current job, whose number goes to *seen. What the job is was written before it
// was opened, and stays until it is closed and left.
static bool enter_job(struct thread_pool *p, unsigned *seen)
{
    unsigned long long s = atomic_load_explicit(&p->state, memory_order_acquire);
    while ((s & OPEN) && !atomic_compare_exchange_weak_explicit(
                             &p->state, &s, s + 1, memory_order_acq_rel, memory_order_acquire)) {
    }
    *seen = (unsigned)(s >> 32);
    return (s & OPEN) != 0;
}

static void leave_job(struct thread_pool *p)
{
    unsigned long long s = atomic_fetch_sub_explicit(&p->state, 1, memory_order_acq_rel);
    if ((s & OPEN) || (s & AT_WORK) > 1)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct thread_pool *p = w->pool;
    for (unsigned seen = 0;;) {
        wait_for_job(p, seen);
        if (!enter_job(p, &seen))
            continue;
        if (p->stop) {
            leave_job(p);
            return NULL;
        }
        run_pieces(p, w->id);
        leave_job(p);
    }
}

static bool all_left(struct thread_pool *p, unsigned job)
{
    (void)job;
    return (atomic_load_explicit(&p->state, memory_order_acquire) & AT_WORK) == 0;
}

static void close_job(struct thread_pool *p)
{
    atomic_fetch_and_explicit(&p->state, ~OPEN, memory_order_acq_rel);
    if (seen_soon(p, all_left, 0))
        return;
    pthread_mutex_lock(&p->lock);
    while (!all_left(p, 0))
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void open_job(struct thread_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add_explicit(&p->state, (1ull << 32) + OPEN, memory_order_acq_rel);
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
}

static int wanted_threads(int threads)
{
    if (threads <= 0)
        threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
}

struct thread_pool *thread_pool_create(int threads)
{
    struct arena *a = arena_create();
    struct thread_pool *p = ARENA_NEW(a, struct thread_pool);
    p->arena = a;
    int want = wanted_threads(threads);
    p->workers = arena_alloc_aligned(a, (size_t)want * sizeof *p->workers, 64);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->start, NULL);
    pthread_cond_init(&p->done, NULL);
    // Fewer threads than asked for change the speed and nothing else.
    for (p->size = 1; p->size < want; p->size++) {
        struct worker *w = &p->workers[p->size];
        *w = (struct worker){.pool = p, .id = p->size};
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
            break;
    }
    return p;
}

void thread_pool_destroy(struct thread_pool *p)
{
    if (!p)
        return;
    p->stop = true;
    open_job(p); // stays open
    for (int i = 1; i < p->size; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->start);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    arena_destroy(p->arena);
}

int thread_pool_size(const struct thread_pool *p)
{
    return p ? p->size : 1;
}

void thread_pool_run(struct thread_pool *p, int pieces,
                     void (*body)(void *user, int piece, int worker), void *user)
{
    if (!p || p->size == 1 || pieces <= 1) {
        for (int i = 0; i < pieces; i++)
            body(user, i, 0);
        return;
    }
    p->body = body;
    p->user = user;
    for (int i = 0; i < p->size; i++) {
        int64_t n = pieces;
        atomic_store_explicit(&p->workers[i].next, (int)(n * i / p->size), memory_order_relaxed);
        p->workers[i].end = (int)(n * (i + 1) / p->size);
    }
    open_job(p);
    run_pieces(p, 0);
    close_job(p);
}
