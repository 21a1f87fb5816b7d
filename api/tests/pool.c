/* api/tests/pool.c: slow jobs wait, are run, refused and answered. A plain program, so that
 * ThreadSanitizer can run it. */
#include "api/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>

#include "commands/tests/check.h"

#define HOLDS(condition) CHECK(condition, "in %s", __func__)

/* --- A clock that is turned by hand, and jobs that can be held --- */

static _Atomic int64_t now_us = 1000000;

static int64_t boot_us(void *self)
{
    (void)self;
    return atomic_load(&now_us);
}

static struct pw_pool *pool_of(uint32_t threads, uint32_t queue_max)
{
    struct pw_pool *pool = NULL;
    struct pw_pool_options options = {threads, queue_max, PW_POOL_NICENESS, {.boot_us = boot_us}};
    HOLDS(pw_pool_new(&options, &pool, NULL) == PW_OK);
    return pool;
}

struct job {
    struct pw_pool_job job; /* First. */
    struct pw_pool *pool;
    atomic_bool begun;
    atomic_bool may_end;
    atomic_uint answers;
    uint32_t number; /* The how-manieth was run. */
    int niceness;
};

static atomic_uint runs;

static void run(struct pw_pool_job *self)
{
    struct job *job = (struct job *)self;
    job->number = atomic_fetch_add(&runs, 1);
    job->niceness = getpriority(PRIO_PROCESS, 0);
}

static void wait_for(atomic_bool *flag)
{
    while (!atomic_load(flag)) {
        sched_yield();
    }
}

static void run_held(struct pw_pool_job *self)
{
    struct job *job = (struct job *)self;
    atomic_store(&job->begun, true);
    wait_for(&job->may_end);
    run(self);
}

/* Once it may, until the pool takes nothing more; the queue is full by then. */
static void run_until_stopping(struct pw_pool_job *self)
{
    struct job *job = (struct job *)self;
    struct job extra = {.job = {.run = run}};
    atomic_store(&job->begun, true);
    wait_for(&job->may_end);
    while (pw_pool_submit(job->pool, &extra.job) != PW_ERR_STOPPING) {
        sched_yield();
    }
    run(self);
}

static void done(struct pw_pool_job *self)
{
    atomic_fetch_add(&((struct job *)self)->answers, 1);
}

static void wait_for_answer(struct job *job)
{
    while (atomic_load(&job->answers) == 0) {
        sched_yield();
    }
}

static enum pw_code submit(struct pw_pool *pool, struct job *job, void (*how)(struct pw_pool_job *))
{
    *job = (struct job){.job = {.run = how, .done = done, .code = PW_ERR_INTERNAL}, .pool = pool};
    return pw_pool_submit(pool, &job->job);
}

/* A pool of one thread, which that job keeps. */
static struct pw_pool *held_pool(uint32_t queue_max, struct job *holder,
                                 void (*how)(struct pw_pool_job *))
{
    struct pw_pool *pool = pool_of(1, queue_max);
    atomic_store(&runs, 0);
    HOLDS(submit(pool, holder, how) == PW_OK);
    wait_for(&holder->begun);
    return pool;
}

/* --- What holds --- */

static void runs_jobs_in_order_and_answers_each_once(void)
{
    struct job holder;
    struct job jobs[5];
    struct pw_pool *pool = held_pool(5, &holder, run_held);
    for (size_t i = 0; i < PW_COUNT(jobs); i++) {
        HOLDS(submit(pool, &jobs[i], run) == PW_OK);
    }
    atomic_store(&holder.may_end, true);
    wait_for_answer(&jobs[PW_COUNT(jobs) - 1]);
    pw_pool_free(pool);
    for (size_t i = 0; i < PW_COUNT(jobs); i++) {
        HOLDS(atomic_load(&jobs[i].answers) == 1 && jobs[i].job.code == PW_OK);
        HOLDS(jobs[i].number == i + 1);
    }
}

static void refuses_at_once_what_it_has_no_room_for(void)
{
    struct job holder;
    struct job jobs[3];
    struct pw_pool_counts counts;
    struct pw_pool *pool = held_pool(2, &holder, run_held);
    HOLDS(submit(pool, &jobs[0], run) == PW_OK);
    HOLDS(submit(pool, &jobs[1], run) == PW_OK);
    HOLDS(submit(pool, &jobs[2], run) == PW_ERR_QUEUE_FULL);
    pw_pool_count(pool, &counts);
    HOLDS(counts.waiting == 2 && counts.begun == 1 && counts.refused == 1);
    atomic_store(&holder.may_end, true);
    wait_for_answer(&jobs[1]);
    HOLDS(submit(pool, &jobs[2], run) == PW_OK);
    wait_for_answer(&jobs[2]);
    pw_pool_count(pool, &counts);
    HOLDS(counts.waiting == 0 && counts.begun == 4 && counts.refused == 1);
    pw_pool_free(pool);
}

static void a_stop_finishes_what_runs_and_answers_what_waits(void)
{
    struct job holder;
    struct job jobs[3];
    struct job late;
    struct pw_pool *pool = held_pool(3, &holder, run_until_stopping);
    for (size_t i = 0; i < PW_COUNT(jobs); i++) {
        HOLDS(submit(pool, &jobs[i], run) == PW_OK);
    }
    atomic_store(&holder.may_end, true);
    pw_pool_stop(pool);
    HOLDS(atomic_load(&holder.answers) == 1 && holder.job.code == PW_OK);
    for (size_t i = 0; i < PW_COUNT(jobs); i++) {
        HOLDS(atomic_load(&jobs[i].answers) == 1 && jobs[i].job.code == PW_ERR_STOPPING);
    }
    HOLDS(atomic_load(&runs) == 1);
    HOLDS(submit(pool, &late, run) == PW_ERR_STOPPING);
    HOLDS(atomic_load(&late.answers) == 0);
    pw_pool_stop(pool);
    pw_pool_free(pool);
}

static void tells_how_long_jobs_waited(void)
{
    struct job holder;
    struct job job;
    struct pw_pool_counts counts;
    struct pw_pool *pool = held_pool(1, &holder, run_held);
    HOLDS(submit(pool, &job, run) == PW_OK);
    atomic_fetch_add(&now_us, 4000);
    atomic_store(&holder.may_end, true);
    wait_for_answer(&job);
    pw_pool_count(pool, &counts);
    HOLDS(counts.begun == 2 && counts.wait_us == 4000);
    pw_pool_free(pool);
    pw_pool_count(NULL, &counts);
    HOLDS(counts.begun == 0 && counts.wait_us == 0);
}

static void its_threads_yield_to_all_others(void)
{
    struct job job;
    struct pw_pool *pool = pool_of(1, 1);
    int ours = getpriority(PRIO_PROCESS, 0);
    int wanted = ours + PW_POOL_NICENESS < 19 ? ours + PW_POOL_NICENESS : 19;
    HOLDS(submit(pool, &job, run) == PW_OK);
    wait_for_answer(&job);
    HOLDS(job.niceness == wanted);
    HOLDS(getpriority(PRIO_PROCESS, 0) == ours);
    pw_pool_free(pool);
}

#define SUBMITTERS 4
#define EACH       500
static struct job many[SUBMITTERS][EACH];
static struct pw_pool *shared;

static void *submit_many(void *self)
{
    struct job *jobs = self;
    for (size_t i = 0; i < EACH; i++) {
        while (submit(shared, &jobs[i], run) == PW_ERR_QUEUE_FULL) {
            sched_yield();
        }
    }
    return NULL;
}

static void many_threads_meet_at_it(void)
{
    pthread_t threads[SUBMITTERS];
    shared = pool_of(3, 7);
    for (size_t i = 0; i < SUBMITTERS; i++) {
        HOLDS(pthread_create(&threads[i], NULL, submit_many, many[i]) == 0);
    }
    for (size_t i = 0; i < SUBMITTERS; i++) {
        pthread_join(threads[i], NULL);
    }
    pw_pool_free(shared);
    for (size_t i = 0; i < SUBMITTERS; i++) {
        for (size_t j = 0; j < EACH; j++) {
            HOLDS(atomic_load(&many[i][j].answers) == 1);
        }
    }
}

int main(void)
{
    runs_jobs_in_order_and_answers_each_once();
    refuses_at_once_what_it_has_no_room_for();
    a_stop_finishes_what_runs_and_answers_what_waits();
    tells_how_long_jobs_waited();
    its_threads_yield_to_all_others();
    many_threads_meet_at_it();
    return 0;
}
