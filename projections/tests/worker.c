/* projections/tests/worker.c: a worker over a simulated ledger and a store in memory: whatever fails,
 * its rows are in the end what evolve folds. Time stands still but for the tests' own ticks. */
#include "projections/worker.h"
#include "projections/tests/scribe.h"
#include "projections/tests/storage_double.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define TICK_US (20 * PW_US_PER_MS)

struct rig {
    struct pw_sim_log *log;
    struct scribe *scribe;
    struct double_store *store;
    int64_t now_us;
    char said[4096];
};

static int64_t rig_now_us(void *self)
{
    return ((struct rig *)self)->now_us;
}

static void rig_say(void *self, bool is_error, const char *projection, const char *message)
{
    struct rig *rig = self;
    size_t at = strlen(rig->said);
    if (at + 512 < sizeof rig->said) {
        snprintf(rig->said + at, sizeof rig->said - at, "%s%s: %s\n", is_error ? "! " : "",
                 projection, message);
    }
}

static enum pw_code rig_open_ledger(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    (void)err;
    return pw_sim_open(((struct rig *)self)->log, (struct pw_ledger_wake){0}, ret_ledger);
}

static struct rig *rig_new(uint64_t seed)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig->log = pw_sim_log_new(SCRIBE_PARTITIONS, seed, 0);
    rig->scribe = scribe_new(rig->log, seed);
    rig->store = double_store_new();
    rig->now_us = PW_US_PER_SECOND;
    return rig;
}

static void rig_free(struct rig *rig)
{
    scribe_free(rig->scribe);
    double_store_free(rig->store);
    pw_sim_log_free(rig->log);
    free(rig);
}

static struct pw_worker *rig_worker_of(struct rig *rig, const struct pw_projection *projection,
                                       uint32_t batch_rows_max)
{
    struct pw_worker_options options = {.projection = projection,
                                        .open_ledger = rig_open_ledger,
                                        .open_ledger_self = rig,
                                        .storage = double_store_session(rig->store),
                                        .log = {rig, rig_say},
                                        .monotonic_us = rig_now_us,
                                        .monotonic_self = rig,
                                        .batch_rows_max = batch_rows_max};
    return pw_worker_new(&options);
}

static struct pw_worker *rig_worker(struct rig *rig)
{
    return rig_worker_of(rig, &pw_reservations_projection, 0);
}

static void tick(struct rig *rig, struct pw_worker *worker)
{
    rig->now_us += TICK_US;
    pw_worker_step(worker, 0);
}

static struct pw_worker_status status_of(struct pw_worker *worker)
{
    struct pw_worker_status status;
    pw_worker_status(worker, &status, NULL, 0);
    return status;
}

static bool is_done(struct rig *rig, const struct pw_projection *projection)
{
    return double_store_is_current(rig->store, 1, rig->scribe, projection);
}

/* Steps until the positions are those of the ledger; bounded, so that a worker that hangs fails. */
static void run_until_done(struct rig *rig, struct pw_worker *worker,
                           const struct pw_projection *projection)
{
    for (uint32_t i = 0; i < 2000 && !is_done(rig, projection); i++) {
        tick(rig, worker);
    }
    cr_assert(is_done(rig, projection), "it never came to the end:\n%s%s", rig->said,
              status_of(worker).reason);
}

static void check_rows(struct rig *rig, const struct pw_projection *projection, const char *when)
{
    uint32_t differences = double_store_differences(rig->store, 1, rig->scribe, projection);
    cr_expect_eq(differences, 0, "%s: %u rows of %s differ", when, differences, projection->name);
}

Test(worker, rows_are_what_evolve_folds)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct rig *rig = rig_new(seed);
        scribe_write(rig->scribe, 800);
        for (uint32_t i = 0; i < pw_projection_count; i++) {
            struct pw_worker *worker = rig_worker_of(rig, pw_projections[i], 7);
            run_until_done(rig, worker, pw_projections[i]);
            check_rows(rig, pw_projections[i], "catching up");
            scribe_write(rig->scribe, 60);
            run_until_done(rig, worker, pw_projections[i]);
            check_rows(rig, pw_projections[i], "following");
            struct pw_worker_status status = status_of(worker);
            cr_expect_eq(status.state, PW_WORKER_LIVE, "%s", pw_worker_state_name(status.state));
            cr_expect(status.writes);
            cr_expect_eq(status.counters.redone, 0);
            cr_expect_eq(status.counters.refolds, 0);
            cr_expect_gt(status.counters.batches, 3);
            pw_worker_free(worker);
        }
        rig_free(rig);
    }
}

Test(worker, goes_on_where_another_left_off)
{
    struct rig *rig = rig_new(4);
    scribe_write(rig->scribe, 300);
    struct pw_worker *first = rig_worker(rig);
    run_until_done(rig, first, &pw_reservations_projection);
    pw_worker_free(first); /* As after a kill: the epoch was not given back. */
    scribe_write(rig->scribe, 100);
    struct pw_worker *second = rig_worker(rig);
    run_until_done(rig, second, &pw_reservations_projection);
    check_rows(rig, &pw_reservations_projection, "the second");
    struct pw_worker_status status = status_of(second);
    cr_expect_eq(status.counters.refolds, 0);
    cr_expect_lt(status.counters.rows, 60, "what was stored is not written again");
    cr_expect_eq(double_store_position(rig->store, "reservations", 1, 0).writer_epoch, 2);
    pw_worker_free(second);
    rig_free(rig);
}

Test(worker, whatever_fails_once_the_rows_are_right)
{
    uint64_t redone = 0;
    uint64_t refolds = 0;
    for (int fault = 0; fault < DOUBLE_FAULT_COUNT; fault++) {
        bool failed = true;
        uint64_t nth = 1;
        for (; failed; nth++) {
            struct rig *rig = rig_new(5);
            scribe_write(rig->scribe, 60);
            double_store_fail(rig->store, nth, (enum double_fault)fault);
            struct pw_worker *worker = rig_worker_of(rig, &pw_calendar_projection, 3);
            run_until_done(rig, worker, &pw_calendar_projection);
            scribe_write(rig->scribe, 60);
            run_until_done(rig, worker, &pw_calendar_projection);
            char when[64];
            snprintf(when, sizeof when, "fault %d at operation %llu", fault,
                     (unsigned long long)nth);
            check_rows(rig, &pw_calendar_projection, when);
            failed = double_store_failed(rig->store);
            tick(rig, worker); /* Where the last answer was lost, it asks what became of it. */
            redone += status_of(worker).counters.redone;
            refolds += status_of(worker).counters.refolds;
            cr_expect(fault == DOUBLE_AWAY_LOST || status_of(worker).counters.refolds == 0,
                      "%s: folded again for nothing", when);
            cr_expect(!failed || fault == DOUBLE_REDO || status_of(worker).counters.connections > 1,
                      "%s: it did not connect again", when);
            pw_worker_free(worker);
            rig_free(rig);
        }
        cr_expect_gt(nth, 30, "fault %d was hardly tried", fault);
    }
    cr_expect_gt(redone, 0);
    cr_expect_gt(refolds, 0);
}

Test(worker, faults_at_random_leave_the_rows_right)
{
    struct rig *rig = rig_new(6);
    struct pw_worker *worker = rig_worker_of(rig, &pw_slots_projection, 5);
    for (uint32_t i = 0; i < 300; i++) {
        scribe_write(rig->scribe, i % 7);
        double_store_fail(rig->store, 1 + i * 7 % 23, (enum double_fault)(i % DOUBLE_FAULT_COUNT));
        for (uint32_t j = 0; j < 1 + i % 5; j++) {
            tick(rig, worker);
        }
    }
    double_store_fail(rig->store, 0, DOUBLE_REDO);
    run_until_done(rig, worker, &pw_slots_projection);
    check_rows(rig, &pw_slots_projection, "after many faults");
    pw_worker_free(worker);
    rig_free(rig);
}

/* --- Several workers on one read model --- */

Test(worker, another_stands_by_and_takes_over_when_the_first_is_gone)
{
    struct rig *rig = rig_new(7);
    scribe_write(rig->scribe, 100);
    struct pw_worker *first = rig_worker(rig);
    run_until_done(rig, first, &pw_reservations_projection);
    struct pw_worker *second = rig_worker(rig);
    for (uint32_t i = 0; i < 300; i++) { /* 6 s of both, under load. */
        scribe_write(rig->scribe, 1);
        tick(rig, first);
        pw_worker_step(second, 0);
    }
    cr_expect(status_of(first).writes);
    cr_expect_not(status_of(second).writes, "%s", rig->said);
    cr_expect_eq(status_of(first).counters.epochs_lost, 0);
    scribe_write(rig->scribe, 20); /* The first is never stepped again. */
    int64_t gone_at_us = rig->now_us;
    run_until_done(rig, second, &pw_reservations_projection);
    cr_expect_lt(rig->now_us - gone_at_us, 3 * PW_US_PER_SECOND);
    check_rows(rig, &pw_reservations_projection, "the second");
    cr_expect_eq(status_of(second).counters.refolds, 0, "it was at the stored positions");

    scribe_write(rig->scribe, 20); /* The first wakes up, and finds that it writes no more. */
    for (uint32_t i = 0; i < 10; i++) {
        pw_worker_step(first, 0);
        tick(rig, first);
    }
    cr_expect_not(status_of(first).writes);
    cr_expect_eq(status_of(first).counters.epochs_lost, 1);
    run_until_done(rig, second, &pw_reservations_projection);
    for (uint32_t i = 0; i < 100; i++) {
        tick(rig, first);
    }
    check_rows(rig, &pw_reservations_projection, "both");
    cr_expect_eq(double_store_position(rig->store, "reservations", 1, 0).writer_epoch, 2);
    pw_worker_free(first);
    pw_worker_free(second);
    rig_free(rig);
}

Test(worker, two_that_take_turns_at_random_leave_the_rows_right)
{
    struct rig *rig = rig_new(8);
    struct pw_worker *workers[2] = {rig_worker(rig), rig_worker(rig)};
    uint32_t random = 1;
    for (uint32_t i = 0; i < 1500; i++) {
        random = random * 1103515245 + 12345;
        scribe_write(rig->scribe, random >> 16 & 1);
        /* Each sleeps for up to seconds in turn, as a process that is paused. */
        tick(rig, workers[i / 97 % 2]);
        if ((random >> 20 & 3) == 0) {
            pw_worker_step(workers[(i / 97 + 1) % 2], 0);
        }
        if (i % 211 == 0) {
            rig->now_us += 2 * PW_US_PER_SECOND;
        }
    }
    for (uint32_t i = 0; i < 300; i++) {
        tick(rig, workers[i % 2]);
    }
    cr_assert(is_done(rig, &pw_reservations_projection), "%s", rig->said);
    check_rows(rig, &pw_reservations_projection, "in turns");
    pw_worker_free(workers[0]);
    pw_worker_free(workers[1]);
    rig_free(rig);
}

Test(worker, a_drained_worker_finishes_its_batch_and_gives_the_epoch_back)
{
    struct rig *rig = rig_new(9);
    scribe_write(rig->scribe, 50);
    struct pw_worker *first = rig_worker(rig);
    run_until_done(rig, first, &pw_reservations_projection);
    scribe_write(rig->scribe, 20);
    pw_worker_step(first, 0); /* No time has passed since the last batch: this one waits. */
    cr_expect_not(is_done(rig, &pw_reservations_projection));
    cr_expect(pw_worker_drain(first));
    cr_expect(is_done(rig, &pw_reservations_projection));
    pw_worker_free(first);

    scribe_write(rig->scribe, 20);
    struct pw_worker *second = rig_worker(rig);
    int64_t began_at_us = rig->now_us;
    run_until_done(rig, second, &pw_reservations_projection);
    cr_expect_leq(rig->now_us - began_at_us, 5 * TICK_US, "nobody needed to be waited for");
    cr_expect_eq(double_store_position(rig->store, "reservations", 1, 2).writer_epoch, 2);
    pw_worker_free(second);
    rig_free(rig);
}

/* --- What stops it, and what does not --- */

Test(worker, positions_move_over_records_without_rows_at_a_measured_pace)
{
    struct rig *rig = rig_new(10);
    scribe_write(rig->scribe, 50);
    struct pw_worker *worker = rig_worker(rig);
    run_until_done(rig, worker, &pw_reservations_projection);
    uint64_t before = status_of(worker).counters.position_moves;
    for (uint32_t i = 0; i < 100; i++) { /* 1 s, a record each 10 ms. */
        scribe_leader(rig->scribe, 0);
        rig->now_us += 10 * PW_US_PER_MS;
        pw_worker_step(worker, 0);
    }
    run_until_done(rig, worker, &pw_reservations_projection);
    uint64_t moves = status_of(worker).counters.position_moves - before;
    cr_expect(moves >= 10 && moves <= 21, "%llu moves", (unsigned long long)moves);
    pw_worker_free(worker);
    rig_free(rig);
}

Test(worker, void_records_move_nothing_and_take_no_epoch)
{
    struct rig *rig = rig_new(11);
    scribe_write(rig->scribe, 50);
    struct pw_worker *first = rig_worker(rig);
    run_until_done(rig, first, &pw_reservations_projection);
    struct pw_worker *second = rig_worker(rig);
    scribe_junk(rig->scribe, 1);
    scribe_junk(rig->scribe, 1); /* Of the other kind. */
    for (uint32_t i = 0; i < 200; i++) {
        tick(rig, first);
        pw_worker_step(second, 0);
    }
    cr_expect(is_done(rig, &pw_reservations_projection));
    cr_expect_not(status_of(second).writes);
    cr_expect_eq(status_of(second).state, PW_WORKER_LIVE);
    pw_worker_free(first);
    pw_worker_free(second);
    rig_free(rig);
}

Test(worker, heals_when_ledger_or_store_come_back)
{
    struct rig *rig = rig_new(12);
    scribe_write(rig->scribe, 50);
    pw_sim_set_down(rig->log, true);
    double_store_set_down(rig->store, true);
    struct pw_worker *worker = rig_worker(rig);
    for (uint32_t i = 0; i < 50; i++) {
        tick(rig, worker);
    }
    cr_expect_eq(status_of(worker).state, PW_WORKER_WAITING_GALERA);
    cr_expect_str_eq(status_of(worker).reason, "the double is down");
    double_store_set_down(rig->store, false);
    for (uint32_t i = 0; i < 100; i++) {
        tick(rig, worker);
    }
    cr_expect_eq(status_of(worker).state, PW_WORKER_WAITING_LEDGER);
    pw_sim_set_down(rig->log, false);
    run_until_done(rig, worker, &pw_reservations_projection);
    cr_expect_eq(status_of(worker).state, PW_WORKER_LIVE);
    cr_expect_str_eq(status_of(worker).reason, "");

    double_store_set_down(rig->store, true);
    scribe_write(rig->scribe, 50);
    for (uint32_t i = 0; i < 100; i++) {
        tick(rig, worker);
    }
    cr_expect_eq(status_of(worker).state, PW_WORKER_WAITING_GALERA);
    double_store_set_down(rig->store, false);
    run_until_done(rig, worker, &pw_reservations_projection);
    check_rows(rig, &pw_reservations_projection, "after an outage");
    cr_expect_eq(status_of(worker).counters.refolds, 0);
    pw_worker_free(worker);
    rig_free(rig);
}

/* Nothing is written any more, and no connection breaks: only a look at the positions can tell. */
Test(worker, heals_what_the_store_lost_while_nothing_comes)
{
    struct rig *rig = rig_new(19);
    scribe_write(rig->scribe, 200);
    struct pw_worker *worker = rig_worker(rig);
    run_until_done(rig, worker, &pw_reservations_projection);
    scribe_write(rig->scribe, 60);
    run_until_done(rig, worker, &pw_reservations_projection);
    double_store_lose(rig->store);
    cr_assert(!is_done(rig, &pw_reservations_projection), "something was lost");
    run_until_done(rig, worker, &pw_reservations_projection);
    check_rows(rig, &pw_reservations_projection, "after a loss");
    pw_worker_free(worker);
    rig_free(rig);
}

static void expect_stopped(struct rig *rig, struct pw_worker *worker, const char *why)
{
    for (uint32_t i = 0; i < 200; i++) {
        tick(rig, worker);
    }
    struct pw_worker_status status = status_of(worker);
    cr_expect_eq(status.state, PW_WORKER_STOPPED, "%s", pw_worker_state_name(status.state));
    cr_expect(strstr(status.reason, why) != NULL, "says: %s", status.reason);
    cr_expect(strstr(rig->said, why) != NULL);
    struct pw_stored_position before = double_store_position(rig->store, "reservations", 1, 0);
    scribe_leader(rig->scribe, 0);
    tick(rig, worker);
    struct pw_stored_position after = double_store_position(rig->store, "reservations", 1, 0);
    cr_expect_eq(before.record_offset, after.record_offset);
}

/* Another history under the same rows: as after a restore of the wrong backup. */
Test(worker, a_ledger_with_another_history_stops_it)
{
    struct rig *rig = rig_new(13);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    run_until_done(rig, worker, &pw_reservations_projection);
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

Test(worker, a_shorter_ledger_stops_it)
{
    struct rig *rig = rig_new(14);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    run_until_done(rig, worker, &pw_reservations_projection);
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
Test(worker, an_end_that_lags_behind_the_rows_does_not_stop_it)
{
    struct rig *rig = rig_new(19);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    run_until_done(rig, worker, &pw_reservations_projection);
    pw_worker_free(worker);
    pw_sim_set_lag(rig->log, 0, 3);
    worker = rig_worker(rig);
    for (int i = 0; i < 100; i++) {
        tick(rig, worker);
    }
    struct pw_worker_status status = status_of(worker);
    cr_expect_neq(status.state, PW_WORKER_STOPPED, "%s", status.reason);
    pw_sim_set_lag(rig->log, 0, 0);
    run_until_done(rig, worker, &pw_reservations_projection);
    pw_worker_free(worker);
    rig_free(rig);
}

/* The ledger lost its end, and has grown past what was read of it, with other records. */
Test(worker, a_ledger_that_was_replaced_behind_it_stops_it)
{
    struct rig *rig = rig_new(18);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    run_until_done(rig, worker, &pw_reservations_projection);
    int64_t head_offset = rig->scribe->folds[0].chain.head_offset;
    scribe_junk(rig->scribe, 0); /* It was read, and is nothing new. */
    int64_t end = pw_sim_end(rig->log, 0);
    for (int i = 0; i < 20; i++) {
        tick(rig, worker);
    }
    pw_sim_truncate(rig->log, 0, head_offset - 3);
    while (pw_sim_end(rig->log, 0) < end + 2) {
        pw_sim_put(rig->log, 0, "of another history", 18);
    }
    for (int i = 0; i < 20; i++) {
        tick(rig, worker);
    }
    char why[64];
    snprintf(why, sizeof why, "diverged at partition 0, offset %lld", (long long)head_offset);
    cr_expect_eq(status_of(worker).state, PW_WORKER_STOPPED);
    cr_expect_str_eq(status_of(worker).reason, why);
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
Test(worker, an_end_told_before_the_positions_moved_does_not_stop_it)
{
    struct rig *rig = rig_new(17);
    scribe_write(rig->scribe, 100);
    struct pw_worker *writer = rig_worker(rig);
    run_until_done(rig, writer, &pw_reservations_projection);
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
        tick(rig, standby);
    }
    late.holds = true;
    scribe_junk(rig->scribe, 1);
    tick(rig, standby); /* The head is read again, */
    tick(rig, standby); /* and then the rest. */
    cr_assert(late.held && late.end.partition == 1);
    scribe_leader(rig->scribe, 0); /* In hand, and nothing else is read until it is stored. */
    tick(rig, standby);
    for (int i = 0; i < 3; i++) {
        scribe_leader(rig->scribe, 1);
    }
    run_until_done(rig, writer, &pw_reservations_projection);
    late.holds = false;
    for (int i = 0; i < 20; i++) {
        tick(rig, standby);
    }
    struct pw_worker_status status = status_of(standby);
    cr_expect_eq(status.state, PW_WORKER_LIVE, "%s: %s", pw_worker_state_name(status.state),
                 status.reason);
    pw_worker_free(standby);
    pw_worker_free(writer);
    rig_free(rig);
}

Test(worker, another_ledger_stops_it)
{
    struct rig *rig = rig_new(15);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    run_until_done(rig, worker, &pw_reservations_projection);
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

Test(worker, a_record_that_cannot_be_taken_stops_it)
{
    struct rig *rig = rig_new(16);
    scribe_write(rig->scribe, 50);
    struct pw_worker *worker = rig_worker(rig);
    run_until_done(rig, worker, &pw_reservations_projection);
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

Test(worker, rows_that_the_tables_refuse_stop_it)
{
    struct rig *rig = rig_new(17);
    scribe_write(rig->scribe, 400);
    double_store_refuse_rows(rig->store);
    struct pw_worker *worker = rig_worker(rig);
    expect_stopped(rig, worker, "the double takes no rows");
    pw_worker_free(worker);
    rig_free(rig);
}

Test(worker, generations_are_apart)
{
    struct rig *rig = rig_new(18);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    run_until_done(rig, worker, &pw_reservations_projection);
    struct pw_worker_options options = {.projection = &pw_reservations_projection,
                                        .generation = 2,
                                        .open_ledger = rig_open_ledger,
                                        .open_ledger_self = rig,
                                        .storage = double_store_session(rig->store),
                                        .monotonic_us = rig_now_us,
                                        .monotonic_self = rig};
    struct pw_worker *rebuild = pw_worker_new(&options);
    for (uint32_t i = 0; i < 20; i++) {
        tick(rig, rebuild);
    }
    const struct pw_table *table = pw_reservations_projection.tables[0];
    cr_expect_gt(double_store_row_count(rig->store, 1, table), 0);
    cr_expect_eq(double_store_row_count(rig->store, 1, table),
                 double_store_row_count(rig->store, 2, table));
    cr_expect_eq(status_of(rebuild).generation, 2);
    pw_worker_free(worker);
    pw_worker_free(rebuild);
    rig_free(rig);
}

Test(worker, says_where_it_stands)
{
    struct rig *rig = rig_new(19);
    struct pw_worker_status status;
    struct pw_worker_partition partitions[SCRIBE_PARTITIONS];
    struct pw_worker *worker = rig_worker(rig);
    cr_expect_eq(status_of(worker).state, PW_WORKER_OPENING);
    scribe_write(rig->scribe, 100);
    run_until_done(rig, worker, &pw_reservations_projection);
    tick(rig, worker);
    pw_worker_status(worker, &status, partitions, SCRIBE_PARTITIONS);
    cr_assert_eq(status.partition_count, SCRIBE_PARTITIONS);
    cr_expect_str_eq(status.node, "double");
    for (uint32_t i = 0; i < SCRIBE_PARTITIONS; i++) {
        const struct pw_chain *chain = &rig->scribe->folds[i].chain;
        cr_expect_eq(partitions[i].stored_offset, chain->head_offset);
        cr_expect_eq(partitions[i].read_offset, chain->next_offset);
        cr_expect_eq(partitions[i].end_offset, pw_sim_end(rig->log, i));
        cr_expect_eq(partitions[i].decided_at_us, chain->decided_at_us);
        cr_expect_eq(partitions[i].void_count, chain->void_count);
    }
    pw_worker_free(worker);
    rig_free(rig);
}
