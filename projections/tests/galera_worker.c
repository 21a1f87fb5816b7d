/* projections/tests/galera_worker.c: workers on a simulated ledger and the real cluster: positions,
 * absolute rows, lost certifications, lost connections and lost commits. */
#include "projections/galera_storage.h"
#include "projections/migrate.h"
#include "projections/tests/cluster.h"
#include "projections/tests/scribe.h"
#include "projections/worker.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define RECORDS 400

static struct test_cluster cluster;
static struct pw_sim_log *simulated;
static struct scribe *scribe;
static struct pw_galera *observer; /* On node 3. */

/* Whoever migrated has its tables; the others make them a moment later. */
static void await_tables(void)
{
    for (uint32_t node = 0; node < cluster.node_count; node++) {
        struct pw_galera *galera = test_cluster_handle(&cluster, node);
        (void)test_integer(galera, "SET STATEMENT wsrep_sync_wait = 7 FOR SELECT 1");
        pw_galera_free(galera);
    }
}

static void open_all(void)
{
    struct pw_err err = {0};
    cluster = test_cluster_open();
    observer = test_cluster_handle(&cluster, 2);
    cr_assert_eq(pw_migrate(observer, NULL, &err), PW_OK, "%s", err.detail);
    await_tables();
    simulated = pw_sim_log_new(SCRIBE_PARTITIONS, 1, 0);
    scribe = scribe_new(simulated, 7);
    scribe_write(scribe, RECORDS);
}

static void close_all(void)
{
    pw_galera_free(observer);
    test_cluster_close(&cluster);
    scribe_free(scribe);
    pw_sim_log_free(simulated);
}

TestSuite(galera_worker, .init = open_all, .fini = close_all);

/* --- A storage that does something of the test's own just before it commits --- */

struct wrapped {
    struct pw_storage inner;
    enum pw_stored (*before_commit)(struct wrapped *wrapped, struct pw_err *err);
    uint32_t commit_count;
    uint32_t provoked;
    struct pw_galera *other; /* A connection of the test's. */
};

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

static enum pw_stored wrapped_read(void *self, const char *projection, uint32_t generation,
                                   uint32_t partition_count, uint32_t *ret_generation,
                                   struct pw_stored_position *ret_positions, struct pw_err *err)
{
    struct wrapped *wrapped = self;
    return wrapped->inner.read_positions(wrapped->inner.self, projection, generation,
                                         partition_count, ret_generation, ret_positions, err);
}

static enum pw_stored wrapped_begin(void *self, struct pw_err *err)
{
    struct wrapped *wrapped = self;
    return wrapped->inner.begin(wrapped->inner.self, err);
}

static enum pw_stored wrapped_upsert(void *self, uint32_t generation, const struct pw_table *table,
                                     const struct pw_batch_row *const *rows, uint32_t row_count,
                                     struct pw_err *err)
{
    struct wrapped *wrapped = self;
    return wrapped->inner.upsert(wrapped->inner.self, generation, table, rows, row_count, err);
}

static enum pw_stored wrapped_create(void *self, const char *projection, uint32_t generation,
                                     uint32_t partition, const struct pw_id *ledger_id,
                                     uint32_t partition_count, struct pw_err *err)
{
    struct wrapped *wrapped = self;
    return wrapped->inner.create_position(wrapped->inner.self, projection, generation, partition,
                                          ledger_id, partition_count, err);
}

static enum pw_stored wrapped_move(void *self, const char *projection, uint32_t generation,
                                   uint32_t partition, const struct pw_stored_position *from,
                                   const struct pw_stored_position *to, bool *ret_hit,
                                   struct pw_err *err)
{
    struct wrapped *wrapped = self;
    return wrapped->inner.move_position(wrapped->inner.self, projection, generation, partition,
                                        from, to, ret_hit, err);
}

static enum pw_stored wrapped_commit(void *self, struct pw_err *err)
{
    struct wrapped *wrapped = self;
    wrapped->commit_count++;
    enum pw_stored stored = wrapped->before_commit(wrapped, err);
    return stored == PW_STORED ? wrapped->inner.commit(wrapped->inner.self, err) : stored;
}

static void wrapped_rollback(void *self)
{
    struct wrapped *wrapped = self;
    wrapped->inner.rollback(wrapped->inner.self);
}

static uint64_t wrapped_connections(void *self)
{
    struct wrapped *wrapped = self;
    return wrapped->inner.connections(wrapped->inner.self);
}

static const char *wrapped_node(void *self)
{
    struct wrapped *wrapped = self;
    return wrapped->inner.node(wrapped->inner.self);
}

static void wrapped_close(void *self)
{
    struct wrapped *wrapped = self;
    wrapped->inner.close(wrapped->inner.self);
}

static struct pw_storage storage_wrapped(struct wrapped *wrapped)
{
    return (struct pw_storage){.self = wrapped,
                               .read_positions = wrapped_read,
                               .begin = wrapped_begin,
                               .upsert = wrapped_upsert,
                               .create_position = wrapped_create,
                               .move_position = wrapped_move,
                               .commit = wrapped_commit,
                               .rollback = wrapped_rollback,
                               .connections = wrapped_connections,
                               .node = wrapped_node,
                               .close = wrapped_close};
}

/* --- Workers --- */

static enum pw_code open_ledger(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    (void)self;
    (void)err;
    return pw_sim_open(simulated, (struct pw_ledger_wake){0}, ret_ledger);
}

static struct pw_worker *worker_on(struct pw_storage storage,
                                   const struct pw_projection *projection, uint32_t batch_rows_max)
{
    struct pw_worker_options options = {.projection = projection,
                                        .open_ledger = open_ledger,
                                        .storage = storage,
                                        .batch_rows_max = batch_rows_max};
    return pw_worker_new(&options);
}

static bool is_current(const struct pw_projection *projection)
{
    char sql[256];
    bool current = true;
    for (uint32_t i = 0; i < SCRIBE_PARTITIONS; i++) {
        snprintf(sql, sizeof sql,
                 "SET STATEMENT wsrep_sync_wait = 7 FOR SELECT record_offset FROM pw_positions "
                 "WHERE projection = '%s' AND generation = 1 AND partition_number = %u",
                 projection->name, i);
        current = current && test_integer(observer, sql) == scribe->folds[i].chain.head_offset;
    }
    return current;
}

/* The test's own time limit ends a wait in vain. */
static void run_until_current(struct pw_worker *worker, const struct pw_projection *projection)
{
    while (!is_current(projection)) {
        pw_worker_step(worker, 10);
        struct pw_worker_status status;
        pw_worker_status(worker, &status, NULL, 0);
        cr_assert_neq(status.state, PW_WORKER_STOPPED, "%s", status.reason);
    }
}

static struct pw_worker_counters counters_of(struct pw_worker *worker)
{
    struct pw_worker_status status;
    pw_worker_status(worker, &status, NULL, 0);
    return status.counters;
}

/* --- Comparing --- */

struct comparison {
    const struct pw_table *table;
    struct pw_query *query;
    uint32_t expected;
    uint32_t differences;
};

static bool same_cell(const struct pw_query *query, uint32_t column, const struct pw_cell *cell)
{
    if (cell->is_null || pw_query_is_null(query, column)) {
        return cell->is_null && pw_query_is_null(query, column);
    }
    switch (cell->kind) {
    case PW_COLUMN_ID: {
        struct pw_id id = pw_query_id(query, column);
        return pw_id_equal(&id, &cell->id);
    }
    case PW_COLUMN_HASH: {
        struct pw_str text = pw_query_text(query, column);
        return text.len == sizeof cell->hash.bytes &&
               memcmp(text.ptr, cell->hash.bytes, text.len) == 0;
    }
    case PW_COLUMN_INTEGER: return pw_query_integer(query, column) == cell->integer;
    case PW_COLUMN_TEXT:
    case PW_COLUMN_BYTES: return pw_str_equal(pw_query_text(query, column), cell->text);
    }
    return false;
}

static void bind_cell(struct pw_query *query, uint32_t parameter, const struct pw_cell *cell)
{
    if (cell->kind == PW_COLUMN_INTEGER) {
        pw_query_bind_integer(query, parameter, cell->integer);
    } else if (cell->kind == PW_COLUMN_HASH) {
        pw_query_bind_bytes(query, parameter, cell->hash.bytes, sizeof cell->hash.bytes);
    } else {
        pw_query_bind_id(query, parameter, &cell->id);
    }
}

static void compare_row(void *self, const struct pw_id *tenant_id, const struct pw_row *row)
{
    struct comparison *comparison = self;
    struct pw_query *query = comparison->query;
    struct pw_err err = {0};
    if (row->table != comparison->table) {
        return;
    }
    pw_query_bind_id(query, 0, tenant_id);
    for (uint32_t i = 0; i < row->table->key_count; i++) {
        bind_cell(query, 1 + i, &row->cells[i]);
    }
    test_sql_ok(pw_query_open(query, &err), &err, row->table->name);
    bool same = pw_query_next(query);
    for (uint32_t i = 0; same && i < row->table->column_count; i++) {
        same = same_cell(query, i, &row->cells[i]);
    }
    comparison->expected++;
    comparison->differences += !same;
}

static void check_table(const struct pw_projection *projection, const struct pw_table *table)
{
    char sql[1024] = "SELECT ";
    for (uint32_t i = 0; i < table->column_count; i++) {
        snprintf(sql + strlen(sql), sizeof sql - strlen(sql), "%s%s", i == 0 ? "" : ", ",
                 table->columns[i].name);
    }
    snprintf(sql + strlen(sql), sizeof sql - strlen(sql),
             " FROM %s WHERE generation = 1 AND tenant_id = ?", table->name);
    for (uint32_t i = 0; i < table->key_count; i++) {
        snprintf(sql + strlen(sql), sizeof sql - strlen(sql), " AND %s = ?",
                 table->columns[i].name);
    }
    struct comparison comparison = {table, pw_galera_prepare(observer, sql), 0, 0};
    scribe_expect(scribe, projection, compare_row, &comparison);
    cr_expect_gt(comparison.expected, 0, "%s", table->name);
    cr_expect_eq(comparison.differences, 0, "%u of %u rows of %s differ", comparison.differences,
                 comparison.expected, table->name);
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM %s", table->name);
    cr_expect_eq(test_integer(observer, sql), comparison.expected);
    pw_query_free(comparison.query);
}

/* Every row on node 3 is what evolve folds, and there are no others. */
static void check_rows(const struct pw_projection *projection)
{
    for (uint32_t i = 0; i < projection->table_count; i++) {
        check_table(projection, projection->tables[i]);
    }
}

Test(galera_worker, rows_are_what_evolve_folds)
{
    for (uint32_t i = 0; i < pw_projection_count; i++) {
        struct pw_worker *worker = worker_on(storage_on(0), pw_projections[i], 11);
        run_until_current(worker, pw_projections[i]);
        check_rows(pw_projections[i]);
        scribe_write(scribe, 40);
        run_until_current(worker, pw_projections[i]);
        check_rows(pw_projections[i]);
        cr_expect_eq(counters_of(worker).connections, 1);
        cr_expect_eq(counters_of(worker).refolds, 0);
        pw_worker_free(worker);
    }
}

/* --- The storage alone --- */

Test(galera_worker, a_position_moves_only_from_where_it_is)
{
    struct pw_storage first = storage_on(0);
    struct pw_storage second = storage_on(1);
    struct pw_err err = {0};
    bool hit = false;
    uint32_t generation = 0;
    RUN(observer, "INSERT INTO pw_projections (name, generation) VALUES ('p', 1)");
    struct pw_stored_position new = {.record_offset = -1};
    struct pw_stored_position taken = {.record_offset = -1, .writer_epoch = 1};
    struct pw_stored_position moved = {.record_offset = 7, .writer_epoch = 1, .head = {{9}}};
    cr_assert_eq(first.begin(first.self, &err), PW_STORED, "%s", err.detail);
    cr_assert_eq(first.create_position(first.self, "p", 3, 0, &scribe->ledger_id, 3, &err),
                 PW_STORED, "%s", err.detail);
    cr_assert_eq(first.move_position(first.self, "p", 3, 0, &new, &taken, &hit, &err), PW_STORED);
    cr_expect(hit);
    cr_assert_eq(first.move_position(first.self, "p", 3, 0, &taken, &taken, &hit, &err), PW_STORED);
    cr_expect(hit, "an unchanged position is a hit too");
    cr_assert_eq(first.commit(first.self, &err), PW_STORED);

    struct pw_stored_position read[SCRIBE_PARTITIONS];
    cr_assert_eq(second.read_positions(second.self, "p", 3, 3, &generation, read, &err), PW_STORED);
    cr_expect(pw_id_equal(&read[0].ledger_id, &scribe->ledger_id));
    cr_expect_eq(read[0].writer_epoch, 1);
    cr_expect_eq(read[1].record_offset, -1);
    cr_expect_eq(read[1].writer_epoch, 0);
    cr_assert_eq(second.begin(second.self, &err), PW_STORED);
    cr_assert_eq(second.create_position(second.self, "p", 3, 0, &scribe->ledger_id, 3, &err),
                 PW_STORED, "a row that is there stays");
    cr_assert_eq(second.move_position(second.self, "p", 3, 0, &new, &moved, &hit, &err), PW_STORED);
    cr_expect_not(hit);
    cr_assert_eq(second.move_position(second.self, "p", 3, 0, &taken, &moved, &hit, &err),
                 PW_STORED);
    cr_expect(hit);
    cr_assert_eq(second.commit(second.self, &err), PW_STORED);
    cr_assert_eq(first.read_positions(first.self, "p", 3, 3, &generation, read, &err), PW_STORED);
    cr_expect_eq(read[0].record_offset, 7);
    cr_expect_eq(read[0].head.bytes[0], 9);
    cr_expect_eq(first.read_positions(first.self, "p", 3, 0, &generation, read, &err),
                 PW_STORED_FAULT);
    first.close(first.self);
    second.close(second.self);
}

static struct pw_batch_row slot_row(int64_t record_offset, int64_t taken_count)
{
    struct pw_batch_row row = {.record_offset = record_offset, .tenant_id = {{1}}};
    row.row.table = pw_slots_projection.tables[0];
    for (uint32_t i = 0; i < row.row.table->column_count; i++) {
        row.row.cells[i] = row.row.table->columns[i].kind == PW_COLUMN_ID
                               ? pw_cell_id((struct pw_id){{2}})
                               : pw_cell_integer(taken_count);
    }
    return row;
}

Test(galera_worker, a_lower_offset_changes_nothing)
{
    struct pw_storage storage = storage_on(0);
    struct pw_err err = {0};
    static const struct {
        int64_t offset, taken, then_offset, then_taken;
    } steps[] = {{5, 50, 5, 50}, {4, 40, 5, 50}, {5, 51, 5, 51}, {9, 90, 9, 90}, {0, 1, 9, 90}};
    for (size_t i = 0; i < PW_COUNT(steps); i++) {
        struct pw_batch_row row = slot_row(steps[i].offset, steps[i].taken);
        const struct pw_batch_row *rows[] = {&row};
        cr_assert_eq(storage.begin(storage.self, &err), PW_STORED);
        cr_assert_eq(storage.upsert(storage.self, 1, row.row.table, rows, 1, &err), PW_STORED, "%s",
                     err.detail);
        cr_assert_eq(storage.commit(storage.self, &err), PW_STORED);
        cr_expect_eq(test_integer(observer, "SET STATEMENT wsrep_sync_wait = 7 FOR "
                                            "SELECT taken_count FROM slots"),
                     steps[i].then_taken);
        cr_expect_eq(test_integer(observer, "SELECT capacity FROM slots"), steps[i].then_taken);
        cr_expect_eq(test_integer(observer, "SELECT record_offset FROM slots"),
                     steps[i].then_offset);
    }
    storage.close(storage.self);
}

/* --- What a cluster does to a worker --- */

static enum pw_stored touch_rows(struct wrapped *wrapped, struct pw_err *err)
{
    (void)err;
    if (wrapped->commit_count % 3 == 2) { /* Commits first, on another node, on the same rows. */
        static const char touch[] =
            "SET STATEMENT wsrep_sync_wait = 7 FOR " /* Or it may find no rows yet. */
            "UPDATE pw_positions SET head = REVERSE(head)";
        RUN(wrapped->other, touch);
        RUN(wrapped->other, touch);
        wrapped->provoked++;
    }
    return PW_STORED;
}

Test(galera_worker, a_lost_certification_is_redone)
{
    struct wrapped wrapped = {storage_on(0), touch_rows, 0, 0, test_cluster_handle(&cluster, 1)};
    struct pw_worker *worker = worker_on(storage_wrapped(&wrapped), &pw_reservations_projection, 5);
    run_until_current(worker, &pw_reservations_projection);
    check_rows(&pw_reservations_projection);
    cr_expect_gt(wrapped.provoked, 2);
    cr_expect_gt(counters_of(worker).redone, 0);
    cr_expect_eq(counters_of(worker).connections, 1);
    cr_expect_eq(counters_of(worker).refolds, 0);
    pw_worker_free(worker);
    pw_galera_free(wrapped.other);
}

/* Ends all connections to this database, but for the observer's, on the worker's node. */
static void kill_all_on(const char *node)
{
    for (uint32_t i = 0; i < cluster.node_count; i++) {
        struct pw_galera *killer = test_cluster_handle(&cluster, i);
        struct pw_err err = {0};
        test_sql_ok(pw_galera_connect(killer, &err), &err, "connect");
        bool is_there = strcmp(pw_galera_node(killer), node) == 0;
        bool is_observers = strcmp(pw_galera_node(observer), node) == 0;
        char find[200];
        char kill[64];
        snprintf(find, sizeof find,
                 "SELECT id FROM information_schema.processlist WHERE db = DATABASE() "
                 "AND command <> 'Killed' AND id NOT IN (CONNECTION_ID(), %lld)",
                 is_observers ? (long long)test_integer(observer, "SELECT CONNECTION_ID()") : 0);
        int64_t id = is_there ? test_integer(killer, find) : -1;
        for (; id > 0; id = test_integer(killer, find)) {
            snprintf(kill, sizeof kill, "KILL CONNECTION %lld", (long long)id);
            (void)pw_galera_run(killer, kill, &err);
        }
        pw_galera_free(killer);
    }
}

static enum pw_stored kill_connections(struct wrapped *wrapped, struct pw_err *err)
{
    (void)err;
    if (wrapped->commit_count % 4 == 3) {
        kill_all_on(wrapped->inner.node(wrapped->inner.self));
        wrapped->provoked++;
    }
    return PW_STORED;
}

Test(galera_worker, a_lost_connection_is_made_again_and_the_batch_redone)
{
    struct wrapped wrapped = {storage_on(0), kill_connections, 0, 0, NULL};
    struct pw_worker *worker = worker_on(storage_wrapped(&wrapped), &pw_slots_projection, 10);
    run_until_current(worker, &pw_slots_projection);
    check_rows(&pw_slots_projection);
    cr_expect_gt(wrapped.provoked, 1);
    cr_expect_gt(counters_of(worker).connections, 2);
    cr_expect_gt(counters_of(worker).redone, 0);
    pw_worker_free(worker);
}

static enum pw_stored commit_and_say_nothing(struct wrapped *wrapped, struct pw_err *err)
{
    if (wrapped->commit_count % 3 != 0) {
        return PW_STORED;
    }
    cr_assert_eq(wrapped->inner.commit(wrapped->inner.self, err), PW_STORED);
    wrapped->provoked++;
    return PW_STORED_AWAY;
}

Test(galera_worker, a_commit_whose_answer_was_lost_is_not_written_twice)
{
    struct wrapped wrapped = {storage_on(0), commit_and_say_nothing, 0, 0, NULL};
    struct pw_worker *worker = worker_on(storage_wrapped(&wrapped), &pw_calendar_projection, 10);
    run_until_current(worker, &pw_calendar_projection);
    check_rows(&pw_calendar_projection);
    cr_expect_gt(wrapped.provoked, 1);
    cr_expect_eq(counters_of(worker).redone, 0);
    cr_expect_eq(counters_of(worker).refolds, 0);
    pw_worker_free(worker);
}

/* The cluster is put back to an earlier state, rows and positions, as after a crash that lost
 * commits; the worker notices when it has to connect again. */
static enum pw_stored lose_commits(struct wrapped *wrapped, struct pw_err *err)
{
    switch (++wrapped->provoked) {
    case 3: /* CREATE TABLE does not wait for what other nodes have committed; SELECT does. */
        (void)test_integer(wrapped->other, "SELECT COUNT(*) FROM pw_positions");
        RUN(wrapped->other, "CREATE TABLE old_positions AS SELECT * FROM pw_positions");
        RUN(wrapped->other, "CREATE TABLE old_rows AS SELECT * FROM reservations");
        return PW_STORED;
    case 7:
        wrapped->inner.rollback(wrapped->inner.self);
        RUN(wrapped->other, "REPLACE INTO pw_positions SELECT * FROM old_positions");
        RUN(wrapped->other, "DELETE FROM reservations");
        RUN(wrapped->other, "INSERT INTO reservations SELECT * FROM old_rows");
        pw_fail(err, PW_ERR_READ_MODEL_DOWN, "the node is gone");
        return PW_STORED_AWAY;
    default: return PW_STORED;
    }
}

Test(galera_worker, commits_that_the_cluster_lost_are_written_again)
{
    struct wrapped wrapped = {storage_on(0), lose_commits, 0, 0, test_cluster_handle(&cluster, 1)};
    struct pw_err err = {0};
    test_sql_ok(pw_galera_run(wrapped.other, "SET SESSION wsrep_sync_wait = 7", &err), &err, "SET");
    struct pw_worker *worker = worker_on(storage_wrapped(&wrapped), &pw_reservations_projection, 5);
    run_until_current(worker, &pw_reservations_projection);
    check_rows(&pw_reservations_projection);
    cr_expect_geq(wrapped.provoked, 7);
    cr_expect_gt(counters_of(worker).refolds, 0);
    pw_worker_free(worker);
    pw_galera_free(wrapped.other);
}

Test(galera_worker, two_on_two_nodes_leave_the_rows_right)
{
    struct pw_worker *workers[] = {worker_on(storage_on(0), &pw_slots_projection, 10),
                                   worker_on(storage_on(1), &pw_slots_projection, 10)};
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert(pw_worker_start(workers[i]));
    }
    for (uint32_t round = 0; round < 4; round++) {
        scribe_write(scribe, 100);
        while (!is_current(&pw_slots_projection)) {
        }
        pw_worker_stop(workers[round % 2]); /* The other takes over, this one comes back. */
        scribe_write(scribe, 50);
        while (!is_current(&pw_slots_projection)) {
        }
        cr_assert(pw_worker_start(workers[round % 2]));
    }
    for (uint32_t i = 0; i < 2; i++) {
        pw_worker_stop(workers[i]);
    }
    check_rows(&pw_slots_projection);
    cr_expect_gt(counters_of(workers[0]).epochs_taken, 0);
    cr_expect_gt(counters_of(workers[1]).epochs_taken, 0);
    for (uint32_t i = 0; i < 2; i++) {
        pw_worker_free(workers[i]);
    }
}
