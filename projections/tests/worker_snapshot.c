/* projections/tests/worker_snapshot.c: a worker that goes on from snapshots: its rows are those of one that read everything. */
#include "projections/tests/worker_rig.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/snapshot.h"
#include "eventstore/snapshot_file.h"

static struct rig *rig;
static char dir_path[64];

static void open_rig(void)
{
    rig = rig_new(9);
    snprintf(dir_path, sizeof dir_path, "/tmp/pw-worker-XXXXXX");
    cr_assert_not_null(mkdtemp(dir_path));
    rig->snapshots_dir = dir_path;
}

static void close_rig(void)
{
    DIR *dir = opendir(dir_path);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    rmdir(dir_path);
    rig_free(rig);
}

TestSuite(worker_snapshot, .init = open_rig, .fini = close_rig);

/* What was said before is another worker's. */
static struct pw_worker *worker_new(void)
{
    rig->said[0] = '\0';
    return rig_worker(rig);
}

static void run_until_done(struct pw_worker *worker)
{
    rig_run_until_done(rig, worker, &pw_reservations_projection);
    rig_check_rows(rig, &pw_reservations_projection, "at the end");
}

/* Reads everything so far, and ends without a word. */
static void fill(void)
{
    struct pw_worker *worker = worker_new();
    run_until_done(worker);
    pw_worker_free(worker);
}

/* Snapshots of all partitions as the scribe has them now. */
static void take_snapshots(void)
{
    static const struct pw_snapshot_leader nobody;
    struct pw_remembered *memory = pw_remembered_new();
    for (uint32_t p = 0; p < SCRIBE_PARTITIONS; p++) {
        struct pw_err err = {0};
        cr_assert_eq(pw_snapshot_write(dir_path, &rig->scribe->folds[p], memory, &nobody, &err),
                     PW_OK, "%s", err.detail);
    }
    pw_remembered_free(memory);
}

static int64_t head_of(uint32_t partition)
{
    return rig->scribe->folds[partition].chain.head_offset;
}

/* Whoever reads what lies before the heads as they are now finds that it is gone. */
static void forget_before_heads(void)
{
    for (uint32_t p = 0; p < SCRIBE_PARTITIONS; p++) {
        pw_sim_delete_before(rig->log, p, head_of(p));
    }
}

Test(worker_snapshot, it_goes_on_from_the_newest)
{
    scribe_write(rig->scribe, 200);
    take_snapshots();
    scribe_write(rig->scribe, 200);
    take_snapshots();
    forget_before_heads();
    int64_t newest = head_of(0);
    scribe_write(rig->scribe, 100);
    for (uint32_t p = 0; p < SCRIBE_PARTITIONS; p++) { /* As if all were written. */
        struct pw_stored_position position = {.ledger_id = rig->scribe->ledger_id,
                                              .partition_count = SCRIBE_PARTITIONS,
                                              .record_offset = head_of(p),
                                              .head = rig->scribe->folds[p].chain.head,
                                              .writer_epoch = -1};
        double_store_set_position(rig->store, "reservations", 1, p, &position);
    }
    struct pw_worker *worker = worker_new();
    for (uint32_t i = 0; i < 200 && rig_status(worker).state != PW_WORKER_LIVE; i++) {
        rig_tick(rig, worker);
    }
    cr_expect_eq(rig_status(worker).state, PW_WORKER_LIVE, "%s", rig->said);
    cr_expect_eq(rig_status(worker).counters.restores, SCRIBE_PARTITIONS);
    struct pw_worker_partition shown[SCRIBE_PARTITIONS];
    pw_worker_status(worker, &(struct pw_worker_status){0}, shown, SCRIBE_PARTITIONS);
    cr_expect(newest > 0 && shown[0].read_offset > newest);
    pw_worker_free(worker);
}

Test(worker_snapshot, rows_are_those_of_one_that_read_everything)
{
    scribe_write(rig->scribe, 300);
    take_snapshots();
    scribe_write(rig->scribe, 100);
    fill();
    scribe_write(rig->scribe, 200);
    struct pw_worker *worker = worker_new();
    run_until_done(worker);
    cr_expect_eq(rig_status(worker).counters.restores, SCRIBE_PARTITIONS);
    cr_expect_eq(rig_status(worker).counters.refolds, 0);
    scribe_write(rig->scribe, 100);
    run_until_done(worker);
    pw_worker_free(worker);
}

Test(worker_snapshot, one_at_the_stored_position_serves)
{
    scribe_write(rig->scribe, 300);
    fill();
    take_snapshots();
    forget_before_heads();
    scribe_write(rig->scribe, 100);
    struct pw_worker *worker = worker_new();
    run_until_done(worker);
    cr_expect_eq(rig_status(worker).counters.restores, SCRIBE_PARTITIONS);
    pw_worker_free(worker);
}

Test(worker_snapshot, one_beyond_the_stored_position_does_not)
{
    scribe_write(rig->scribe, 200);
    take_snapshots();
    scribe_write(rig->scribe, 50);
    fill();
    scribe_write(rig->scribe, 200);
    take_snapshots();
    struct pw_worker *worker = worker_new();
    run_until_done(worker);
    cr_expect_eq(rig_status(worker).counters.restores, SCRIBE_PARTITIONS, "the one before does");
    pw_worker_free(worker);

    scribe_write(rig->scribe, 200);
    take_snapshots();
    scribe_write(rig->scribe, 200);
    take_snapshots();
    worker = worker_new();
    run_until_done(worker);
    cr_expect_eq(rig_status(worker).counters.restores, 0, "both lie beyond");
    pw_worker_free(worker);
}

Test(worker_snapshot, without_positions_there_is_nothing_to_go_on_from)
{
    scribe_write(rig->scribe, 200);
    take_snapshots();
    struct pw_worker *worker = worker_new();
    run_until_done(worker);
    cr_expect_eq(rig_status(worker).counters.restores, 0);
    pw_worker_free(worker);
}

Test(worker_snapshot, torn_ones_are_told_and_passed_over)
{
    char name[PW_SNAPSHOT_NAME_BYTES];
    char path[200];
    scribe_write(rig->scribe, 200);
    take_snapshots();
    fill();
    pw_snapshot_file_name(1, head_of(1), name);
    snprintf(path, sizeof path, "%s/%s", dir_path, name);
    cr_assert_eq(truncate(path, 60), 0);
    scribe_write(rig->scribe, 50);
    struct pw_worker *worker = worker_new();
    run_until_done(worker);
    cr_expect_eq(rig_status(worker).counters.restores, SCRIBE_PARTITIONS - 1);
    cr_expect(strstr(rig->said, "! reservations: ignores the snapshot 0001-") != NULL, "%s",
              rig->said);
    pw_worker_free(worker);
}

static void expect_diverged(int64_t offset)
{
    char expected[80];
    struct pw_worker *worker = worker_new();
    for (uint32_t i = 0; i < 200 && rig_status(worker).state != PW_WORKER_STOPPED; i++) {
        rig_tick(rig, worker);
    }
    snprintf(expected, sizeof expected, "diverged at partition 0, offset %lld", (long long)offset);
    cr_expect_eq(rig_status(worker).state, PW_WORKER_STOPPED);
    cr_expect_str_eq(rig_status(worker).reason, expected);
    pw_worker_free(worker);
}

Test(worker_snapshot, a_log_that_lost_what_was_seen_stops_it)
{
    scribe_write(rig->scribe, 200);
    take_snapshots();
    int64_t snapshot = head_of(0);
    fill();
    pw_sim_truncate(rig->log, 0, snapshot);
    expect_diverged(snapshot); /* It ends before the snapshot's record. */
    pw_sim_put(rig->log, 0, "something else", 14);
    expect_diverged(snapshot); /* Another record lies there. */
}

/* Whatever the store forgets and whenever snapshots are taken, the rows come right. */
Test(worker_snapshot, faults_at_random_leave_the_rows_right)
{
    uint64_t restores = 0;
    uint64_t refolds = 0;
    for (uint32_t start = 0; start < 25; start++) {
        struct pw_worker *worker = worker_new();
        for (uint32_t i = 0; i < 12; i++) {
            scribe_write(rig->scribe, i % 7);
            if ((start + i) % 5 == 0) {
                take_snapshots();
            }
            double_store_fail(rig->store, 1 + i * 7 % 23,
                              (enum double_fault)(i % DOUBLE_FAULT_COUNT));
            for (uint32_t j = 0; j < 1 + i % 5; j++) {
                rig_tick(rig, worker);
            }
        }
        run_until_done(worker);
        restores += rig_status(worker).counters.restores;
        refolds += rig_status(worker).counters.refolds;
        pw_worker_free(worker);
    }
    cr_expect_gt(restores, 30, "%llu", (unsigned long long)restores);
    cr_expect_gt(refolds, 0);
}
