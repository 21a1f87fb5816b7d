/* projections/tests/threads.c: two workers of every read model in threads, on a simulated ledger that
 * grows meanwhile and a store in memory that fails now and then. A plain program, for
 * ThreadSanitizer. Ends with 0 when all rows are what evolve folds. */
#include "projections/tests/scribe.h"
#include "projections/tests/storage_double.h"
#include "projections/worker.h"

#include <stdio.h>
#include <time.h>

#define WORKERS_EACH 2
#define WORKERS_MAX  16
#define ROUNDS       40

static enum pw_code open_ledger(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    (void)err;
    return pw_sim_open(self, (struct pw_ledger_wake){0}, ret_ledger);
}

static struct pw_worker *start(struct pw_sim_log *log, struct double_store *store,
                               const struct pw_projection *projection)
{
    struct pw_worker_options options = {.projection = projection,
                                        .open_ledger = open_ledger,
                                        .open_ledger_self = log,
                                        .storage = double_store_session(store),
                                        .batch_rows_max = 20};
    struct pw_worker *worker = pw_worker_new(&options);
    MUST(pw_worker_start(worker));
    return worker;
}

static void stop(struct pw_worker *worker)
{
    pw_worker_stop(worker);
    pw_worker_free(worker);
}

/* Until every read model is where the ledger is; the test's own time limit ends a wait in vain. */
static void wait_until_current(struct double_store *store, const struct scribe *scribe)
{
    const struct timespec pause = {0, 2000000};
    for (uint32_t i = 0; i < pw_projection_count; i++) {
        while (!double_store_is_current(store, 1, scribe, pw_projections[i])) {
            nanosleep(&pause, NULL);
        }
    }
}

int main(void)
{
    struct pw_sim_log *log = pw_sim_log_new(SCRIBE_PARTITIONS, 1, 0);
    struct scribe *scribe = scribe_new(log, 1);
    struct double_store *store = double_store_new();
    struct pw_worker *workers[WORKERS_MAX];
    uint32_t count = pw_projection_count * WORKERS_EACH;
    MUST(count <= WORKERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        workers[i] = start(log, store, pw_projections[i / WORKERS_EACH]);
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        scribe_write(scribe, 25);
        double_store_fail(store, 1 + round * 5 % 17,
                          (enum double_fault)(round % DOUBLE_FAULT_COUNT));
        struct pw_worker_status status;
        struct pw_worker_partition partitions[SCRIBE_PARTITIONS];
        pw_worker_status(workers[round % count], &status, partitions, SCRIBE_PARTITIONS);
        MUST(status.state != PW_WORKER_STOPPED);
        if (round % 10 == 9) { /* One is stopped, and another starts: in good order. */
            uint32_t one = round / 10 % count;
            stop(workers[one]);
            workers[one] = start(log, store, pw_projections[one / WORKERS_EACH]);
            wait_until_current(store, scribe);
        }
    }
    wait_until_current(store, scribe);
    for (uint32_t i = 0; i < count; i++) {
        stop(workers[i]);
    }
    for (uint32_t i = 0; i < pw_projection_count; i++) {
        MUST(double_store_differences(store, 1, scribe, pw_projections[i]) == 0);
    }
    printf("%llu commits, every row as evolve folds it\n",
           (unsigned long long)scribe->commit_count);
    double_store_free(store);
    scribe_free(scribe);
    pw_sim_log_free(log);
    return 0;
}
