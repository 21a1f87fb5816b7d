/* projections/tests/worker_rig.c: see worker_rig.h. */
#include "projections/tests/worker_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

int64_t rig_now_us(void *self)
{
    return ((struct rig *)self)->now_us;
}

void rig_say(void *self, bool is_error, const char *projection, const char *message)
{
    struct rig *rig = self;
    size_t at = strlen(rig->said);
    if (at + 512 < sizeof rig->said) {
        snprintf(rig->said + at, sizeof rig->said - at, "%s%s: %s\n", is_error ? "! " : "",
                 projection, message);
    }
}

enum pw_code rig_open_ledger(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    (void)err;
    return pw_sim_open(((struct rig *)self)->log, (struct pw_ledger_wake){0}, ret_ledger);
}

struct rig *rig_new(uint64_t seed)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig->log = pw_sim_log_new(SCRIBE_PARTITIONS, seed, 0);
    rig->scribe = scribe_new(rig->log, seed);
    rig->store = double_store_new();
    rig->now_us = PW_US_PER_SECOND;
    return rig;
}

void rig_free(struct rig *rig)
{
    scribe_free(rig->scribe);
    double_store_free(rig->store);
    pw_sim_log_free(rig->log);
    free(rig);
}

struct pw_worker *rig_worker_of(struct rig *rig, const struct pw_projection *projection,
                                uint32_t batch_rows_max)
{
    struct pw_worker_options options = {.projection = projection,
                                        .open_ledger = rig_open_ledger,
                                        .open_ledger_self = rig,
                                        .storage = double_store_session(rig->store),
                                        .snapshots_dir = rig->snapshots_dir,
                                        .log = {rig, rig_say},
                                        .monotonic_us = rig_now_us,
                                        .monotonic_self = rig,
                                        .batch_rows_max = batch_rows_max};
    return pw_worker_new(&options);
}

struct pw_worker *rig_worker(struct rig *rig)
{
    return rig_worker_of(rig, &pw_reservations_projection, 0);
}

void rig_tick(struct rig *rig, struct pw_worker *worker)
{
    rig->now_us += RIG_TICK_US;
    pw_worker_step(worker, 0);
}

struct pw_worker_status rig_status(struct pw_worker *worker)
{
    struct pw_worker_status status;
    pw_worker_status(worker, &status, NULL, 0);
    return status;
}

bool rig_is_done(struct rig *rig, const struct pw_projection *projection)
{
    return double_store_is_current(rig->store, 1, rig->scribe, projection);
}

void rig_run_until_done(struct rig *rig, struct pw_worker *worker,
                        const struct pw_projection *projection)
{
    for (uint32_t i = 0; i < 2000 && !rig_is_done(rig, projection); i++) {
        rig_tick(rig, worker);
    }
    cr_assert(rig_is_done(rig, projection), "it never came to the end:\n%s%s", rig->said,
              rig_status(worker).reason);
}

void rig_check_rows(struct rig *rig, const struct pw_projection *projection, const char *when)
{
    uint32_t differences = double_store_differences(rig->store, 1, rig->scribe, projection);
    cr_expect_eq(differences, 0, "%s: %u rows of %s differ", when, differences, projection->name);
}
