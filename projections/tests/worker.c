/* projections/tests/worker.c: a worker over a simulated ledger and a store in memory: whatever fails,
 * its rows are in the end what evolve folds. */
#include "projections/tests/worker_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(worker, rows_are_what_evolve_folds)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct rig *rig = rig_new(seed);
        scribe_write(rig->scribe, 800);
        for (uint32_t i = 0; i < pw_projection_count; i++) {
            struct pw_worker *worker = rig_worker_of(rig, pw_projections[i], 7);
            rig_run_until_done(rig, worker, pw_projections[i]);
            rig_check_rows(rig, pw_projections[i], "catching up");
            scribe_write(rig->scribe, 60);
            rig_run_until_done(rig, worker, pw_projections[i]);
            rig_check_rows(rig, pw_projections[i], "following");
            struct pw_worker_status status = rig_status(worker);
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
    rig_run_until_done(rig, first, &pw_reservations_projection);
    pw_worker_free(first); /* As after a kill: the epoch was not given back. */
    scribe_write(rig->scribe, 100);
    struct pw_worker *second = rig_worker(rig);
    rig_run_until_done(rig, second, &pw_reservations_projection);
    rig_check_rows(rig, &pw_reservations_projection, "the second");
    struct pw_worker_status status = rig_status(second);
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
            struct rig *rig = rig_new(6);
            scribe_write(rig->scribe, 90);
            double_store_fail(rig->store, nth, (enum double_fault)fault);
            struct pw_worker *worker = rig_worker_of(rig, &pw_calendar_projection, 3);
            rig_run_until_done(rig, worker, &pw_calendar_projection);
            scribe_write(rig->scribe, 90);
            rig_run_until_done(rig, worker, &pw_calendar_projection);
            char when[64];
            snprintf(when, sizeof when, "fault %d at operation %llu", fault,
                     (unsigned long long)nth);
            rig_check_rows(rig, &pw_calendar_projection, when);
            failed = double_store_failed(rig->store);
            rig_tick(rig, worker); /* Where the last answer was lost, it asks what became of it. */
            redone += rig_status(worker).counters.redone;
            refolds += rig_status(worker).counters.refolds;
            cr_expect(fault == DOUBLE_AWAY_LOST || rig_status(worker).counters.refolds == 0,
                      "%s: folded again for nothing", when);
            cr_expect(!failed || fault == DOUBLE_REDO ||
                          rig_status(worker).counters.connections > 1,
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
            rig_tick(rig, worker);
        }
    }
    double_store_fail(rig->store, 0, DOUBLE_REDO);
    rig_run_until_done(rig, worker, &pw_slots_projection);
    rig_check_rows(rig, &pw_slots_projection, "after many faults");
    pw_worker_free(worker);
    rig_free(rig);
}

/* --- Several workers on one read model --- */

Test(worker, another_stands_by_and_takes_over_when_the_first_is_gone)
{
    struct rig *rig = rig_new(7);
    scribe_write(rig->scribe, 100);
    struct pw_worker *first = rig_worker(rig);
    rig_run_until_done(rig, first, &pw_reservations_projection);
    struct pw_worker *second = rig_worker(rig);
    for (uint32_t i = 0; i < 300; i++) { /* 6 s of both, under load. */
        scribe_write(rig->scribe, 1);
        rig_tick(rig, first);
        pw_worker_step(second, 0);
    }
    cr_expect(rig_status(first).writes);
    cr_expect_not(rig_status(second).writes, "%s", rig->said);
    cr_expect_eq(rig_status(first).counters.epochs_lost, 0);
    scribe_write(rig->scribe, 20); /* The first is never stepped again. */
    int64_t gone_at_us = rig->now_us;
    rig_run_until_done(rig, second, &pw_reservations_projection);
    cr_expect_lt(rig->now_us - gone_at_us, 3 * PW_US_PER_SECOND);
    rig_check_rows(rig, &pw_reservations_projection, "the second");
    cr_expect_eq(rig_status(second).counters.refolds, 0, "it was at the stored positions");

    scribe_write(rig->scribe, 20); /* The first wakes up, and finds that it writes no more. */
    for (uint32_t i = 0; i < 10; i++) {
        pw_worker_step(first, 0);
        rig_tick(rig, first);
    }
    cr_expect_not(rig_status(first).writes);
    cr_expect_eq(rig_status(first).counters.epochs_lost, 1);
    rig_run_until_done(rig, second, &pw_reservations_projection);
    for (uint32_t i = 0; i < 100; i++) {
        rig_tick(rig, first);
    }
    rig_check_rows(rig, &pw_reservations_projection, "both");
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
        rig_tick(rig, workers[i / 97 % 2]);
        if ((random >> 20 & 3) == 0) {
            pw_worker_step(workers[(i / 97 + 1) % 2], 0);
        }
        if (i % 211 == 0) {
            rig->now_us += 2 * PW_US_PER_SECOND;
        }
    }
    for (uint32_t i = 0; i < 300; i++) {
        rig_tick(rig, workers[i % 2]);
    }
    cr_assert(rig_is_done(rig, &pw_reservations_projection), "%s", rig->said);
    rig_check_rows(rig, &pw_reservations_projection, "in turns");
    pw_worker_free(workers[0]);
    pw_worker_free(workers[1]);
    rig_free(rig);
}

Test(worker, a_drained_worker_finishes_its_batch_and_gives_the_epoch_back)
{
    struct rig *rig = rig_new(13); /* Rows come in every partition, each time. */
    scribe_write(rig->scribe, 50);
    struct pw_worker *first = rig_worker(rig);
    rig_run_until_done(rig, first, &pw_reservations_projection);
    scribe_write(rig->scribe, 20);
    pw_worker_step(first, 0); /* No time has passed since the last batch: this one waits. */
    cr_expect_not(rig_is_done(rig, &pw_reservations_projection));
    cr_expect(pw_worker_drain(first));
    cr_expect(rig_is_done(rig, &pw_reservations_projection));
    pw_worker_free(first);

    scribe_write(rig->scribe, 20);
    struct pw_worker *second = rig_worker(rig);
    int64_t began_at_us = rig->now_us;
    rig_run_until_done(rig, second, &pw_reservations_projection);
    cr_expect_leq(rig->now_us - began_at_us, 5 * RIG_TICK_US, "nobody needed to be waited for");
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
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    uint64_t before = rig_status(worker).counters.position_moves;
    for (uint32_t i = 0; i < 100; i++) { /* 1 s, a record each 10 ms. */
        scribe_leader(rig->scribe, 0);
        rig->now_us += 10 * PW_US_PER_MS;
        pw_worker_step(worker, 0);
    }
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    uint64_t moves = rig_status(worker).counters.position_moves - before;
    cr_expect(moves >= 10 && moves <= 21, "%llu moves", (unsigned long long)moves);
    pw_worker_free(worker);
    rig_free(rig);
}

Test(worker, void_records_move_nothing_and_take_no_epoch)
{
    struct rig *rig = rig_new(11);
    scribe_write(rig->scribe, 50);
    struct pw_worker *first = rig_worker(rig);
    rig_run_until_done(rig, first, &pw_reservations_projection);
    struct pw_worker *second = rig_worker(rig);
    scribe_junk(rig->scribe, 1);
    scribe_junk(rig->scribe, 1); /* Of the other kind. */
    for (uint32_t i = 0; i < 200; i++) {
        rig_tick(rig, first);
        pw_worker_step(second, 0);
    }
    cr_expect(rig_is_done(rig, &pw_reservations_projection));
    cr_expect_not(rig_status(second).writes);
    cr_expect_eq(rig_status(second).state, PW_WORKER_LIVE);
    pw_worker_free(first);
    pw_worker_free(second);
    rig_free(rig);
}

Test(worker, heals_when_ledger_or_store_come_back)
{
    struct rig *rig = rig_new(13); /* Rows come in every partition, each time. */
    scribe_write(rig->scribe, 50);
    pw_sim_set_down(rig->log, true);
    double_store_set_down(rig->store, true);
    struct pw_worker *worker = rig_worker(rig);
    for (uint32_t i = 0; i < 50; i++) {
        rig_tick(rig, worker);
    }
    cr_expect_eq(rig_status(worker).state, PW_WORKER_WAITING_GALERA);
    cr_expect_str_eq(rig_status(worker).reason, "the double is down");
    double_store_set_down(rig->store, false);
    for (uint32_t i = 0; i < 100; i++) {
        rig_tick(rig, worker);
    }
    cr_expect_eq(rig_status(worker).state, PW_WORKER_WAITING_LEDGER);
    pw_sim_set_down(rig->log, false);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    cr_expect_eq(rig_status(worker).state, PW_WORKER_LIVE);
    cr_expect_str_eq(rig_status(worker).reason, "");

    double_store_set_down(rig->store, true);
    scribe_write(rig->scribe, 50);
    for (uint32_t i = 0; i < 100; i++) {
        rig_tick(rig, worker);
    }
    cr_expect_eq(rig_status(worker).state, PW_WORKER_WAITING_GALERA);
    double_store_set_down(rig->store, false);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    rig_check_rows(rig, &pw_reservations_projection, "after an outage");
    cr_expect_eq(rig_status(worker).counters.refolds, 0);
    pw_worker_free(worker);
    rig_free(rig);
}

/* Nothing is written any more, and no connection breaks: only a look at the positions can tell. */
Test(worker, heals_what_the_store_lost_while_nothing_comes)
{
    struct rig *rig = rig_new(19);
    scribe_write(rig->scribe, 200);
    struct pw_worker *worker = rig_worker(rig);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    scribe_write(rig->scribe, 60);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    double_store_lose(rig->store);
    cr_assert(!rig_is_done(rig, &pw_reservations_projection), "something was lost");
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    rig_check_rows(rig, &pw_reservations_projection, "after a loss");
    pw_worker_free(worker);
    rig_free(rig);
}

Test(worker, generations_are_apart)
{
    struct rig *rig = rig_new(18);
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = rig_worker(rig);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    struct pw_worker_options options = {.projection = &pw_reservations_projection,
                                        .generation = 2,
                                        .open_ledger = rig_open_ledger,
                                        .open_ledger_self = rig,
                                        .storage = double_store_session(rig->store),
                                        .monotonic_us = rig_now_us,
                                        .monotonic_self = rig};
    struct pw_worker *rebuild = pw_worker_new(&options);
    for (uint32_t i = 0; i < 20; i++) {
        rig_tick(rig, rebuild);
    }
    const struct pw_table *table = pw_reservations_projection.tables[0];
    cr_expect_gt(double_store_row_count(rig->store, 1, table), 0);
    cr_expect_eq(double_store_row_count(rig->store, 1, table),
                 double_store_row_count(rig->store, 2, table));
    cr_expect_eq(rig_status(rebuild).generation, 2);
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
    cr_expect_eq(rig_status(worker).state, PW_WORKER_OPENING);
    scribe_write(rig->scribe, 100);
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    rig_tick(rig, worker);
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
