/* api/auditor.c: scans of the ledger in turns. */
#include "api/auditor.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "commands/memory.h"

#define THREADS 2

struct pw_auditor {
    struct pw_auditor_options options;
    struct pw_pool *pool;
    struct pw_audit_marks *marks;
    atomic_uint open;
    atomic_uint_fast64_t entered;
    atomic_uint_fast64_t refused;
    atomic_uint_fast64_t records;
};

enum pw_code pw_auditor_new(const struct pw_auditor_options *options,
                            struct pw_auditor **ret_auditor, struct pw_err *err)
{
    struct pw_auditor *auditor = pw_memory_new(1, sizeof *auditor);
    struct pw_pool_options pool = {
        .threads = THREADS,
        .queue_max = options->places, /* One job each, so that none ever finds it full. */
        .niceness = PW_POOL_NICENESS,
        .clock = options->clock,
    };
    auditor->options = *options;
    auditor->marks = pw_audit_marks_new(options->partition_count);
    enum pw_code code = pw_pool_new(&pool, &auditor->pool, err);
    if (code != PW_OK) {
        pw_auditor_free(auditor);
        return code;
    }
    *ret_auditor = auditor;
    return PW_OK;
}

enum pw_code pw_auditor_enter(struct pw_auditor *auditor, struct pw_audit_turns *turns)
{
    unsigned int open = atomic_load(&auditor->open);
    do {
        if (open == auditor->options.places) {
            atomic_fetch_add(&auditor->refused, 1);
            return PW_ERR_QUEUE_FULL;
        }
    } while (!atomic_compare_exchange_weak(&auditor->open, &open, open + 1));
    atomic_fetch_add(&auditor->entered, 1);
    turns->auditor = auditor;
    return PW_OK;
}

static void run_turn(struct pw_pool_job *job)
{
    struct pw_audit_turns *turns = (struct pw_audit_turns *)job;
    const struct pw_clock *clock = &turns->auditor->options.clock;
    if (!turns->was_begun) {
        turns->was_begun = true;
        pw_audit_scan_init(&turns->scan, &turns->plan);
    }
    pw_audit_scan_step(&turns->scan, clock->boot_us(clock->self) + PW_AUDITOR_TURN_US);
}

static void turn_done(struct pw_pool_job *job)
{
    struct pw_audit_turns *turns = (struct pw_audit_turns *)job;
    turns->done(turns);
}

enum pw_code pw_auditor_turn(struct pw_audit_turns *turns)
{
    const struct pw_auditor *auditor = turns->auditor;
    turns->plan.self = auditor->options.self;
    turns->plan.open = auditor->options.open;
    turns->plan.clock = auditor->options.clock;
    turns->plan.marks = auditor->marks;
    turns->job = (struct pw_pool_job){.run = run_turn, .done = turn_done};
    return pw_pool_submit(auditor->pool, &turns->job);
}

static void run_nothing(struct pw_pool_job *job)
{
    (void)job;
}

static void leave(struct pw_pool_job *job)
{
    struct pw_audit_turns *turns = (struct pw_audit_turns *)job;
    struct pw_auditor *auditor = turns->auditor;
    if (turns->was_begun) {
        atomic_fetch_add(&auditor->records, turns->scan.record_count);
        pw_audit_scan_close(&turns->scan);
    }
    turns->left(turns);
    atomic_fetch_sub(&auditor->open, 1);
}

/* To close a ledger may take a while, so it is not done here, unless there is no pool any more. One whose scan came to its end is closed. */
void pw_auditor_leave(struct pw_audit_turns *turns)
{
    turns->job = (struct pw_pool_job){.run = run_nothing, .done = leave};
    bool must_close = turns->was_begun && turns->scan.is_open;
    if (!must_close || pw_pool_submit(turns->auditor->pool, &turns->job) != PW_OK) {
        leave(&turns->job);
    }
}

void pw_auditor_stop(struct pw_auditor *auditor)
{
    if (auditor != NULL && auditor->pool != NULL) {
        pw_pool_stop(auditor->pool);
    }
}

void pw_auditor_free(struct pw_auditor *auditor)
{
    if (auditor != NULL) {
        pw_pool_free(auditor->pool);
        pw_audit_marks_free(auditor->marks);
        free(auditor);
    }
}

struct pw_audit_marks *pw_auditor_marks(struct pw_auditor *auditor)
{
    return auditor->marks;
}

void pw_auditor_count(struct pw_auditor *auditor, struct pw_auditor_counts *ret_counts)
{
    *ret_counts = (struct pw_auditor_counts){0};
    if (auditor != NULL) {
        ret_counts->open = atomic_load(&auditor->open);
        ret_counts->entered = atomic_load(&auditor->entered);
        ret_counts->refused = atomic_load(&auditor->refused);
        ret_counts->records = atomic_load(&auditor->records);
    }
}
