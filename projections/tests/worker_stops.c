/* projections/tests/worker_stops.c: what a worker takes for another history, or cannot take at all, and
 * stops at with a clear word; and what looks like that and is not. */
#include "projections/tests/worker_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void expect_stopped(struct rig *rig, struct pw_worker *worker, const char *why)
{
    for (uint32_t i = 0; i < 200; i++) {
        rig_tick(rig, worker);
    }
    struct pw_worker_status status = rig_status(worker);
    cr_expect_eq(status.state, PW_WORKER_STOPPED, "%s", pw_worker_state_name(status.state));
    cr_expect(strstr(status.reason, why) != NULL, "says: %s", status.reason);
    cr_expect(strstr(rig->said, why) != NULL);
    struct pw_stored_position before = double_store_position(rig->store, "reservations", 1, 0);
    scribe_leader(rig->scribe, 0);
    rig_tick(rig, worker);
    struct pw_stored_position after = double_store_position(rig->store, "reservations", 1, 0);
    cr_expect_eq(before.record_offset, after.record_offset);
}

/* Another history under the same rows: as after a restore of the wrong backup. */
Test(worker_stops, a_ledger_with_another_history_stops_it)
{
    struct rig *rig = rig_new(13);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    pw_worker_free(worker);
    struct pw_stored_position position = double_store_position(rig->store, "reservations", 1, 1);
    position.head.bytes[0] ^= 1;
    double_store_set_position(rig->store, "reservations", 1, 1, &position);
    scribe_write(rig->scribe, 300);
    worker = rig_worker_of(rig, &pw_reservations_projection, 1);
    char why[64];
    snprintf(why, sizeof why, "diverged at partition 1, offset %lld",
             (long long)position.record_offset);
    expect_stopped(rig, worker, why);
    cr_expect_eq(double_store_position(rig->store, "reservations", 1, 1).record_offset,
                 position.record_offset, "nothing of another history was written");
    pw_worker_free(worker);
    rig_free(rig);
}

Test(worker_stops, a_shorter_ledger_stops_it)
{
    struct rig *rig = rig_new(14);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    pw_worker_free(worker);
    struct pw_stored_position position = double_store_position(rig->store, "reservations", 1, 0);
    position.record_offset += 10;
    double_store_set_position(rig->store, "reservations", 1, 0, &position);
    worker = rig_worker(rig);
    char why[64];
    snprintf(why, sizeof why, "diverged at partition 0, offset %lld",
             (long long)position.record_offset);
    expect_stopped(rig, worker, why);
    pw_worker_free(worker);
    rig_free(rig);
}

/* Kafka's high watermark lags for a moment after a fail-over: an end before what the rows came from is no other history. */
Test(worker_stops, an_end_that_lags_behind_the_rows_does_not_stop_it)
{
    struct rig *rig = rig_new(19);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    pw_worker_free(worker);
    pw_sim_set_lag(rig->log, 0, 3);
    worker = rig_worker(rig);
    for (int i = 0; i < 100; i++) {
        rig_tick(rig, worker);
    }
    struct pw_worker_status status = rig_status(worker);
    cr_expect_neq(status.state, PW_WORKER_STOPPED, "%s", status.reason);
    pw_sim_set_lag(rig->log, 0, 0);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    pw_worker_free(worker);
    rig_free(rig);
}

/* The ledger lost its end, and has grown past what was read of it, with other records. */
Test(worker_stops, a_ledger_that_was_replaced_behind_it_stops_it)
{
    struct rig *rig = rig_new(18);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    int64_t head_offset = rig->scribe->folds[0].chain.head_offset;
    scribe_junk(rig->scribe, 0); /* It was read, and is nothing new. */
    int64_t end = pw_sim_end(rig->log, 0);
    for (int i = 0; i < 20; i++) {
        rig_tick(rig, worker);
    }
    pw_sim_truncate(rig->log, 0, head_offset - 3);
    while (pw_sim_end(rig->log, 0) < end + 2) {
        pw_sim_put(rig->log, 0, "of another history", 18);
    }
    for (int i = 0; i < 20; i++) {
        rig_tick(rig, worker);
    }
    char why[64];
    snprintf(why, sizeof why, "diverged at partition 0, offset %lld", (long long)head_offset);
    cr_expect_eq(rig_status(worker).state, PW_WORKER_STOPPED);
    cr_expect_str_eq(rig_status(worker).reason, why);
    pw_worker_free(worker);
    rig_free(rig);
}

/* A ledger whose reader tells the end of the log late. */
struct late_end {
    struct rig *rig;
    struct pw_ledger sim;
    bool holds;
    bool held;
    struct pw_ledger_event end;
};

static enum pw_code late_read_from(void *self, uint32_t partition, int64_t offset,
                                   struct pw_err *err)
{
    struct late_end *late = self;
    late->held = late->held && late->end.partition != partition;
    return late->sim.read_from(late->sim.self, partition, offset, err);
}

static void late_read_stop(void *self, uint32_t partition)
{
    struct late_end *late = self;
    late->held = late->held && late->end.partition != partition;
    late->sim.read_stop(late->sim.self, partition);
}

static void late_next(void *self, int timeout_ms, struct pw_ledger_event *ret_event)
{
    struct late_end *late = self;
    if (late->held && !late->holds) {
        late->held = false;
        *ret_event = late->end;
        return;
    }
    late->sim.next(late->sim.self, timeout_ms, ret_event);
    if (late->holds && ret_event->kind == PW_LEDGER_END) {
        late->held = true;
        late->end = *ret_event;
        *ret_event = (struct pw_ledger_event){.kind = PW_LEDGER_NOTHING};
    }
}

static void late_saw(void *self, uint32_t partition, int64_t offset)
{
    struct late_end *late = self;
    late->sim.saw(late->sim.self, partition, offset);
}

static void late_close(void *self)
{
    struct late_end *late = self;
    late->sim.close(late->sim.self);
}

static enum pw_code late_open(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    struct late_end *late = self;
    enum pw_code code = rig_open_ledger(late->rig, &late->sim, err);
    *ret_ledger = late->sim;
    ret_ledger->self = late;
    ret_ledger->read_from = late_read_from;
    ret_ledger->read_stop = late_read_stop;
    ret_ledger->saw = late_saw;
    ret_ledger->next = late_next;
    ret_ledger->close = late_close;
    return code;
}

/* While it stands by it reads positions that another worker has moved: an end of the log that was
 * told before may lie below them. */
Test(worker_stops, an_end_told_before_the_positions_moved_does_not_stop_it)
{
    struct rig *rig = rig_new(17);
    scribe_write(rig->scribe, 100);
    struct pw_worker *writer = rig_worker(rig);
    rig_run_until_done(rig, writer, &pw_reservations_projection);
    struct late_end late = {.rig = rig};
    struct pw_worker_options options = {.projection = &pw_reservations_projection,
                                        .open_ledger = late_open,
                                        .open_ledger_self = &late,
                                        .storage = double_store_session(rig->store),
                                        .log = {rig, rig_say},
                                        .monotonic_us = rig_now_us,
                                        .monotonic_self = rig};
    struct pw_worker *standby = pw_worker_new(&options);
    for (int i = 0; i < 20; i++) {
        rig_tick(rig, standby);
    }
    late.holds = true;
    scribe_junk(rig->scribe, 1);
    rig_tick(rig, standby); /* The head is read again, */
    rig_tick(rig, standby); /* and then the rest. */
    cr_assert(late.held && late.end.partition == 1);
    scribe_leader(rig->scribe, 0); /* In hand, and nothing else is read until it is stored. */
    rig_tick(rig, standby);
    for (int i = 0; i < 3; i++) {
        scribe_leader(rig->scribe, 1);
    }
    rig_run_until_done(rig, writer, &pw_reservations_projection);
    late.holds = false;
    for (int i = 0; i < 20; i++) {
        rig_tick(rig, standby);
    }
    struct pw_worker_status status = rig_status(standby);
    cr_expect_eq(status.state, PW_WORKER_LIVE, "%s: %s", pw_worker_state_name(status.state),
                 status.reason);
    pw_worker_free(standby);
    pw_worker_free(writer);
    rig_free(rig);
}

Test(worker_stops, another_ledger_stops_it)
{
    struct rig *rig = rig_new(15);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    pw_worker_free(worker);
    struct pw_stored_position position;
    for (uint32_t i = 0; i < SCRIBE_PARTITIONS; i++) {
        position = double_store_position(rig->store, "reservations", 1, i);
        position.ledger_id.bytes[3] ^= 1;
        double_store_set_position(rig->store, "reservations", 1, i, &position);
    }
    worker = rig_worker(rig);
    expect_stopped(rig, worker, "foreign-ledger");
    pw_worker_free(worker);
    rig_free(rig);
}

Test(worker_stops, a_record_that_cannot_be_taken_stops_it)
{
    struct rig *rig = rig_new(16);
    scribe_write(rig->scribe, 50);
    struct pw_worker *worker = rig_worker(rig);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    struct pw_chain_point at = pw_chain_next(&rig->scribe->folds[2].chain);
    uint8_t value[PW_RECORD_HEAD_BYTES + 3] = {'P', 'W', 'L', 9}; /* Of a later format. */
    memcpy(value + 4, at.prev.bytes, sizeof at.prev.bytes);
    (void)pw_sim_put(rig->log, 2, value, sizeof value);
    char where[64];
    snprintf(where, sizeof where, "at partition 2, offset %lld",
             (long long)pw_sim_end(rig->log, 2) - 1);
    expect_stopped(rig, worker, where);
    pw_worker_free(worker);
    rig_free(rig);
}

Test(worker_stops, rows_that_the_tables_refuse_stop_it)
{
    struct rig *rig = rig_new(17);
    scribe_write(rig->scribe, 400);
    double_store_refuse_rows(rig->store);
    struct pw_worker *worker = rig_worker(rig);
    expect_stopped(rig, worker, "the double takes no rows");
    pw_worker_free(worker);
    rig_free(rig);
}
