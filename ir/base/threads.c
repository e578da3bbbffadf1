// Workers sleep between jobs; pieces of a job are claimed through one atomic counter.
#include "threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "arena.h"

#define MAX_THREADS 256

struct worker {
    struct thread_pool *pool;
    int id;
    pthread_t thread;
};

struct thread_pool {
    struct arena *arena;
    int size;
    struct worker *workers; // [0] is the caller and has no thread
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    unsigned job; // number of the current job; a change starts the workers
    int running;  // workers still at it
    bool stop;
    void (*body)(void *user, int piece, int worker);
    void *user;
    int pieces;
    atomic_int next;
};

static void run_pieces(struct thread_pool *p, int worker)
{
    for (;;) {
        int piece = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (piece >= p->pieces)
            return;
        p->body(p->user, piece, worker);
    }
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct thread_pool *p = w->pool;
    unsigned seen = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && p->job == seen)
            pthread_cond_wait(&p->start, &p->lock);
        if (p->stop)
            break;
        seen = p->job;
        pthread_mutex_unlock(&p->lock);
        run_pieces(p, w->id);
        pthread_mutex_lock(&p->lock);
        if (--p->running == 0)
            pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
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
    p->workers = ARENA_ARRAY(a, (size_t)want, struct worker);
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
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
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
    pthread_mutex_lock(&p->lock);
    p->body = body;
    p->user = user;
    p->pieces = pieces;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    p->running = p->size - 1;
    p->job++;
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
    run_pieces(p, 0);
    pthread_mutex_lock(&p->lock);
    while (p->running > 0)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}
