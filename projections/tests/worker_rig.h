/* projections/tests/worker_rig.h: a worker over a simulated ledger and a store in memory. Time stands
 * still but for the tests' own ticks. */
#ifndef PW_PROJECTIONS_TESTS_WORKER_RIG_H
#define PW_PROJECTIONS_TESTS_WORKER_RIG_H

#include "projections/tests/scribe.h"
#include "projections/tests/storage_double.h"
#include "projections/worker.h"

#define RIG_TICK_US (20 * PW_US_PER_MS)

struct rig {
    struct pw_sim_log *log;
    struct scribe *scribe;
    struct double_store *store;
    int64_t now_us;
    const char *snapshots_dir; /* Where its workers look for snapshots; NULL at first: nowhere. */
    char said[4096];           /* What its workers logged, a line each; errors begin with "! ". */
};

struct rig *rig_new(uint64_t seed);
void rig_free(struct rig *rig);

/* A worker of the rig; batch_rows_max 0: the worker's own. */
struct pw_worker *rig_worker_of(struct rig *rig, const struct pw_projection *projection,
                                uint32_t batch_rows_max);
struct pw_worker *rig_worker(struct rig *rig); /* Of reservations. */

/* For workers that a test makes by itself: self is the rig. */
int64_t rig_now_us(void *self);
void rig_say(void *self, bool is_error, const char *projection, const char *message);
enum pw_code rig_open_ledger(void *self, struct pw_ledger *ret_ledger, struct pw_err *err);

void rig_tick(struct rig *rig, struct pw_worker *worker); /* Some time passes; the worker steps. */
struct pw_worker_status rig_status(struct pw_worker *worker);

/* The stored positions are those of the ledger. */
bool rig_is_done(struct rig *rig, const struct pw_projection *projection);

/* Ticks until it is; bounded, so that a worker that hangs fails. */
void rig_run_until_done(struct rig *rig, struct pw_worker *worker,
                        const struct pw_projection *projection);

/* Expects every row to be what evolve folds. */
void rig_check_rows(struct rig *rig, const struct pw_projection *projection, const char *when);

#endif
