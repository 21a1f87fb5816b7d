/* api/pool.c: a bounded queue of slow jobs, and the threads that work it off. */
#include "api/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "commands/memory.h"

struct pw_pool {
    struct pw_clock clock;
    pthread_t *threads;
    uint32_t thread_count;
    uint32_t queue_max;
    int niceness;
    pthread_mutex_t lock; /* Guards what follows. */
    pthread_cond_t changed;
    struct pw_pool_job *first;
    struct pw_pool_job *last;
    struct pw_pool_counts counts;
    bool stopping;
};

/* The next job, or NULL at the end. */
static struct pw_pool_job *take(struct pw_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->first == NULL && !pool->stopping) {
        pthread_cond_wait(&pool->changed, &pool->lock);
    }
    struct pw_pool_job *job = pool->first;
    if (job != NULL) {
        pool->first = job->next;
        pool->last = pool->first == NULL ? NULL : pool->last;
        pool->counts.waiting--;
        job->code = pool->stopping ? PW_ERR_STOPPING : PW_OK;
        pool->counts.begun += job->code == PW_OK;
        pool->counts.wait_us +=
            job->code == PW_OK ? pool->clock.boot_us(pool->clock.self) - job->submitted_boot_us : 0;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *run(void *self)
{
    struct pw_pool *pool = self;
    struct pw_pool_job *job;
    /* On Linux a thread has a niceness of its own, which is what 0 names here; raising it needs no
     * right. */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + pool->niceness);
    while ((job = take(pool)) != NULL) {
        if (job->code == PW_OK) {
            job->run(job);
        }
        job->done(job);
    }
    return NULL;
}

enum pw_code pw_pool_new(const struct pw_pool_options *options, struct pw_pool **ret_pool,
                         struct pw_err *err)
{
    struct pw_pool *pool = pw_memory_new(1, sizeof *pool);
    pool->clock = options->clock;
    pool->queue_max = options->queue_max;
    pool->niceness = options->niceness;
    pool->threads = pw_memory_new(options->threads, sizeof *pool->threads);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    for (uint32_t i = 0; i < options->threads; i++) {
        if (pthread_create(&pool->threads[i], NULL, run, pool) != 0) {
            pw_pool_free(pool);
            return pw_fail(err, PW_ERR_INTERNAL, "no more threads");
        }
        pool->thread_count = i + 1;
    }
    *ret_pool = pool;
    return PW_OK;
}

enum pw_code pw_pool_submit(struct pw_pool *pool, struct pw_pool_job *job)
{
    enum pw_code code = PW_OK;
    pthread_mutex_lock(&pool->lock);
    if (pool->stopping) {
        code = PW_ERR_STOPPING;
    } else if (pool->counts.waiting == pool->queue_max) {
        pool->counts.refused++;
        code = PW_ERR_QUEUE_FULL;
    } else {
        job->next = NULL;
        job->submitted_boot_us = pool->clock.boot_us(pool->clock.self);
        *(pool->last != NULL ? &pool->last->next : &pool->first) = job;
        pool->last = job;
        pool->counts.waiting++;
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
    return code;
}

void pw_pool_stop(struct pw_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pool->thread_count = 0;
}

void pw_pool_free(struct pw_pool *pool)
{
    if (pool != NULL) {
        pw_pool_stop(pool);
        pthread_cond_destroy(&pool->changed);
        pthread_mutex_destroy(&pool->lock);
        free(pool->threads);
        free(pool);
    }
}

void pw_pool_count(struct pw_pool *pool, struct pw_pool_counts *ret_counts)
{
    *ret_counts = (struct pw_pool_counts){0};
    if (pool != NULL) {
        pthread_mutex_lock(&pool->lock);
        *ret_counts = pool->counts;
        pthread_mutex_unlock(&pool->lock);
    }
}
