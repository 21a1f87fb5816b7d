/* projections/tests/galera_rebuild.c: generations in the real cluster: which one is shown, what may be
 * deleted, and a rebuild on one node while a worker writes on another. */
#include "projections/galera_storage.h"
#include "projections/migrate.h"
#include "projections/rebuild.h"
#include "projections/tests/cluster.h"
#include "projections/tests/scribe.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define RECORDS 300

static const struct pw_projection *const model = &pw_calendar_projection;
static struct test_cluster cluster;
static struct pw_sim_log *simulated;
static struct scribe *scribe;
static struct pw_galera *observer; /* On node 3, behind everything that the cluster has taken. */

static void open_all(void)
{
    struct pw_err err = {0};
    cluster = test_cluster_open();
    observer = test_cluster_handle(&cluster, 2);
    cr_assert_eq(pw_migrate(observer, NULL, &err), PW_OK, "%s", err.detail);
    RUN(observer, "SET SESSION wsrep_sync_wait = 15");
    simulated = pw_sim_log_new(SCRIBE_PARTITIONS, 1, 0);
    scribe = scribe_new(simulated, 1);
    scribe_write(scribe, RECORDS);
}

static void close_all(void)
{
    pw_galera_free(observer);
    test_cluster_close(&cluster);
    scribe_free(scribe);
    pw_sim_log_free(simulated);
}

TestSuite(galera_rebuild, .init = open_all, .fini = close_all);

static struct pw_storage storage_on(uint32_t first_node)
{
    struct pw_galera_options options = {.nodes = cluster.nodes,
                                        .user = "proctorwise",
                                        .database = cluster.database,
                                        .password_file = cluster.password_file,
                                        .first_node = first_node};
    struct pw_storage storage;
    struct pw_err err = {0};
    cr_assert_eq(pw_galera_storage_open(&options, &storage, &err), PW_OK, "%s", err.detail);
    return storage;
}

static enum pw_code open_ledger(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    (void)self;
    (void)err;
    return pw_sim_open(simulated, (struct pw_ledger_wake){0}, ret_ledger);
}

static struct pw_worker *worker_on(uint32_t first_node)
{
    struct pw_worker_options options = {.projection = model,
                                        .open_ledger = open_ledger,
                                        .storage = storage_on(first_node),
                                        .batch_rows_max = 20};
    return pw_worker_new(&options);
}

static int64_t position_of(uint32_t generation, uint32_t partition)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT record_offset FROM pw_positions WHERE projection = '%s' AND generation = %u "
             "AND partition_number = %u",
             model->name, generation, partition);
    return test_integer(observer, sql);
}

static bool is_current(uint32_t generation)
{
    bool current = true;
    for (uint32_t i = 0; i < SCRIBE_PARTITIONS; i++) {
        current = current && position_of(generation, i) == scribe->folds[i].chain.head_offset;
    }
    return current;
}

/* The test's own time limit ends a wait in vain. */
static void run_until_current(struct pw_worker *worker, uint32_t generation)
{
    while (!is_current(generation)) {
        pw_worker_step(worker, 10);
    }
}

static void fill(void)
{
    struct pw_worker *worker = worker_on(0);
    run_until_current(worker, 1);
    pw_worker_drain(worker);
    pw_worker_free(worker);
}

static int64_t row_count(uint32_t generation)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM calendar WHERE generation = %u", generation);
    return test_integer(observer, sql);
}

#define COLUMNS                                                                                    \
    "tenant_id, student_id, starts_at_us, reservation_id, slot_id, exam_id, ends_at_us, "          \
    "free_again_at_us, live, changed_at_us, record_offset"

static void copy_rows(uint32_t to)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "INSERT INTO calendar (generation, " COLUMNS ") SELECT %u, " COLUMNS
             " FROM calendar WHERE generation = 1",
             to);
    RUN(observer, sql);
}

/* --- The storage alone --- */

Test(galera_rebuild, which_generation_is_shown_comes_with_its_positions)
{
    struct pw_storage storage = storage_on(0);
    struct pw_stored_position positions[SCRIBE_PARTITIONS];
    struct pw_generations generations;
    struct pw_err err = {0};
    uint32_t generation = 0;
    cr_assert_eq(storage.read_positions(storage.self, model->name, PW_GENERATION_SHOWN,
                                        SCRIBE_PARTITIONS, &generation, positions, &err),
                 PW_STORED, "%s", err.detail);
    cr_expect_eq(generation, 1, "also where there are no positions yet");
    cr_expect_eq(positions[0].record_offset, -1);
    fill();
    cr_assert_eq(storage.read_positions(storage.self, model->name, PW_GENERATION_SHOWN,
                                        SCRIBE_PARTITIONS, &generation, positions, &err),
                 PW_STORED, "%s", err.detail);
    cr_expect_eq(generation, 1);
    cr_expect_eq(positions[1].record_offset, scribe->folds[1].chain.head_offset);
    RUN(observer, "UPDATE pw_projections SET generation = 4, building = 6, built_by = '1.2' "
                  "WHERE name = 'calendar'");
    cr_assert_eq(storage.read_positions(storage.self, model->name, PW_GENERATION_SHOWN,
                                        SCRIBE_PARTITIONS, &generation, positions, &err),
                 PW_STORED, "%s", err.detail);
    cr_expect_eq(generation, 4);
    cr_expect_eq(positions[1].record_offset, -1);
    cr_assert_eq(storage.read_positions(storage.self, model->name, 1, SCRIBE_PARTITIONS,
                                        &generation, positions, &err),
                 PW_STORED, "%s", err.detail);
    cr_expect_eq(generation, 1);
    cr_expect_eq(positions[1].record_offset, scribe->folds[1].chain.head_offset);
    cr_assert_eq(storage.read_generations(storage.self, model->name, &generations, &err), PW_STORED,
                 "%s", err.detail);
    cr_expect_eq(generations.shown, 4);
    cr_expect_eq(generations.building, 6);
    cr_expect_str_eq(generations.built_by, "1.2");
    cr_expect_eq(storage.read_generations(storage.self, "nonsense", &generations, &err),
                 PW_STORED_FAULT);
    cr_expect_str_eq(err.detail, "pw_projections has no nonsense: migrate first");
    storage.close(storage.self);
}

Test(galera_rebuild, of_two_who_show_another_generation_one_wins)
{
    struct pw_storage first = storage_on(0);
    struct pw_storage second = storage_on(1);
    struct pw_generations now;
    const struct pw_generations to = {.shown = 1, .building = 2, .built_by = "a"};
    struct pw_err err = {0};
    bool hit = false;
    cr_assert_eq(first.read_generations(first.self, model->name, &now, &err), PW_STORED);
    cr_assert_eq(second.read_generations(second.self, model->name, &now, &err), PW_STORED);
    cr_assert_eq(first.begin(first.self, &err), PW_STORED);
    cr_assert_eq(second.begin(second.self, &err), PW_STORED);
    cr_assert_eq(first.move_generations(first.self, model->name, &now, &to, &hit, &err), PW_STORED);
    cr_expect(hit);
    cr_assert_eq(second.move_generations(second.self, model->name, &now, &to, &hit, &err),
                 PW_STORED);
    cr_expect(hit, "it cannot know yet");
    cr_expect_eq(first.commit(first.self, &err), PW_STORED, "%s", err.detail);
    cr_expect_eq(second.commit(second.self, &err), PW_STORED_REDO);
    second.rollback(second.self);
    cr_assert_eq(second.begin(second.self, &err), PW_STORED);
    cr_assert_eq(second.move_generations(second.self, model->name, &now, &to, &hit, &err),
                 PW_STORED);
    cr_expect(!hit);
    second.rollback(second.self);
    first.close(first.self);
    second.close(second.self);
}

Test(galera_rebuild, what_is_neither_shown_nor_built_is_deleted_bit_by_bit)
{
    struct pw_storage storage = storage_on(0);
    struct pw_err err = {0};
    uint32_t count = 0;
    fill();
    int64_t rows = row_count(1);
    cr_assert_gt(rows, 10);
    for (uint32_t generation = 2; generation <= 6; generation++) {
        copy_rows(generation);
    }
    RUN(observer, "UPDATE pw_projections SET generation = 3, building = 5 WHERE name = 'calendar'");
    RUN(observer, "INSERT INTO pw_positions SELECT projection, 3, partition_number, ledger_id, "
                  "partition_count, record_offset, head, writer_epoch FROM pw_positions "
                  "WHERE projection = 'calendar'");
    int64_t deleted = 0;
    do {
        cr_assert_eq(
            storage.delete_rows(storage.self, model->name, model->tables[0], 7, &count, &err),
            PW_STORED, "%s", err.detail);
        cr_assert_leq(count, 7);
        deleted += count;
    } while (count == 7);
    cr_expect_eq(deleted, 4 * rows, "of generations 1, 2, 4 and 6");
    cr_expect_eq(row_count(3), rows);
    cr_expect_eq(row_count(5), rows);
    cr_assert_eq(storage.delete_positions(storage.self, model->name, &err), PW_STORED, "%s",
                 err.detail);
    cr_expect_eq(position_of(1, 0), -1);
    cr_expect_eq(position_of(3, 0), scribe->folds[0].chain.head_offset);
    storage.close(storage.self);
}

/* --- A rebuild --- */

static struct pw_rebuild *rebuild_on(uint32_t first_node)
{
    struct pw_rebuild_options options = {.projection = model,
                                         .version = "1.0",
                                         .open_ledger = open_ledger,
                                         .rows = storage_on(first_node),
                                         .generations = storage_on(first_node),
                                         .batch_rows_max = 5};
    return pw_rebuild_new(&options);
}

Test(galera_rebuild, rows_are_made_anew_beside_a_worker_on_another_node)
{
    struct pw_rebuild_status status = {0};
    struct pw_worker_status follower;
    fill();
    RUN(observer, "UPDATE calendar SET live = 1 - live");
    struct pw_worker *worker = worker_on(0);
    cr_assert(pw_worker_start(worker));
    struct pw_rebuild *rebuild = rebuild_on(1);
    for (uint32_t i = 0; status.state != PW_REBUILD_DONE; i++) {
        scribe_write(scribe, 1);
        pw_rebuild_step(rebuild, 10);
        pw_rebuild_status(rebuild, &status, NULL, 0);
        cr_assert_neq(status.state, PW_REBUILD_FAILED, "%s", status.err.detail);
    }
    cr_expect_gt(status.rows_deleted, 10, "in several transactions");
    pw_rebuild_free(rebuild);
    scribe_write(scribe, 40);
    while (!is_current(2)) {
    }
    pw_worker_status(worker, &follower, NULL, 0);
    cr_expect_eq(follower.generation, 2);
    cr_expect_eq(follower.counters.refolds, 0);
    pw_worker_stop(worker);
    pw_worker_free(worker);
    cr_expect_eq(row_count(1), 0);
    cr_expect_eq(position_of(1, 0), -1);

    /* Another worker makes the same rows, where nothing was. */
    RUN(observer, "CREATE TABLE rebuilt AS SELECT * FROM calendar");
    RUN(observer, "DELETE FROM calendar");
    RUN(observer, "DELETE FROM pw_positions");
    worker = worker_on(2);
    run_until_current(worker, 2);
    pw_worker_free(worker);
    cr_expect_gt(row_count(2), 10);
    cr_expect_eq(test_integer(observer, "SELECT COUNT(*) FROM (SELECT * FROM calendar EXCEPT "
                                        "SELECT * FROM rebuilt) missing"),
                 0);
    cr_expect_eq(test_integer(observer, "SELECT COUNT(*) FROM (SELECT * FROM rebuilt EXCEPT "
                                        "SELECT * FROM calendar) surplus"),
                 0);
}
