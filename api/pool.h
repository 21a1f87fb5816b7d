/* api/pool.h: threads for work that is too slow for a loop or an engine, such as passwords' hashes.
 *
 * Contract  A job that was taken is answered exactly once, by `done`, on a thread of the pool, after
 *           `run` or, where the pool is stopping, without it. Jobs are begun in the order in which
 *           they came. With PW_POOL_NICENESS the threads yield to all others: five hundred jobs at once
 *           make these jobs wait, and nobody else. `done` of a request calls pw_http_complete:
 *           nobody rings for a pool's thread.
 * Owner     A job lies where its owner has it, a request's arena say, and belongs to the pool until
 *           `done` is called. The pool allocates nothing for it.
 * Threads   pw_pool_submit and pw_pool_count: any. pw_pool_stop and pw_pool_free: the owner.
 * Errors    QUEUE_FULL, STOPPING: the job is still the caller's, and `done` is not called. */
#ifndef PW_API_POOL_H
#define PW_API_POOL_H

#include "commands/engine.h"

#define PW_POOL_NICENESS                                                                           \
    10 /* Added to the process's own: about a tenth of another thread's time. */

struct pw_pool_job {
    void (*run)(struct pw_pool_job *job);
    void (*done)(struct pw_pool_job *job);
    enum pw_code code; /* PW_OK when run begins; run may set it. STOPPING: it was not run. */

    /* The pool's own. */
    struct pw_pool_job *next;
    int64_t submitted_boot_us;
};

struct pw_pool_options {
    uint32_t threads;
    uint32_t queue_max; /* Jobs that wait; those that run are not among them. */
    int niceness;       /* 0, or PW_POOL_NICENESS: work that is to hold up nobody. */
    struct pw_clock clock;
};

struct pw_pool;

enum pw_code pw_pool_new(const struct pw_pool_options *options, struct pw_pool **ret_pool,
                         struct pw_err *err);

enum pw_code pw_pool_submit(struct pw_pool *pool, struct pw_pool_job *job);

/* Finishes what runs, answers what waits (STOPPING), and ends the threads; submit refuses from here
 * on. May be repeated. */
void pw_pool_stop(struct pw_pool *pool);
void pw_pool_free(struct pw_pool *pool); /* Stops it first. */

struct pw_pool_counts {
    uint32_t waiting;
    uint64_t begun;
    uint64_t refused; /* The queue was full. */
    int64_t wait_us;  /* From submit to begin, of all that were begun. */
};

/* Zeros for NULL. */
void pw_pool_count(struct pw_pool *pool, struct pw_pool_counts *ret_counts);

#endif
