/* projections/tests/galera.c: the way to the cluster, on a real one. */
#include "projections/galera.h"
#include "projections/migrate.h"
#include "projections/tests/cluster.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>

static struct test_cluster cluster;

static void open_cluster(void)
{
    cluster = test_cluster_open();
}

static void close_cluster(void)
{
    test_cluster_close(&cluster);
}

TestSuite(galera, .init = open_cluster, .fini = close_cluster);

static const struct pw_id ID_A = {{0xa1, 0, 0xff, 0x80, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

Test(galera, values_come_back_as_they_were_bound)
{
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    struct pw_err err = {0};
    RUN(galera, "CREATE TABLE t (id BINARY(16) PRIMARY KEY, number BIGINT, small INT UNSIGNED, "
                "label VARCHAR(200)) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
    struct pw_query *insert = pw_galera_prepare(galera, "INSERT INTO t VALUES (?, ?, ?, ?)");
    pw_query_bind_id(insert, 0, &ID_A);
    pw_query_bind_integer(insert, 1, INT64_MIN);
    pw_query_bind_integer(insert, 2, UINT32_MAX);
    pw_query_bind_text(insert, 3, PW_STR("Gödel 𝛼"));
    test_sql_ok(pw_query_run(insert, NULL, &err), &err, "insert");
    struct pw_id nil = {0};
    pw_query_bind_id(insert, 0, &nil);
    pw_query_bind_null(insert, 1);
    pw_query_bind_null(insert, 3);
    test_sql_ok(pw_query_run(insert, NULL, &err), &err, "insert");
    struct pw_query *select =
        pw_galera_prepare(galera, "SELECT id, number, small, label FROM t ORDER BY id DESC");
    for (int run = 0; run < 2; run++) {
        test_sql_ok(pw_query_open(select, &err), &err, "select");
        cr_assert(pw_query_next(select));
        struct pw_id id = pw_query_id(select, 0);
        cr_expect(pw_id_equal(&id, &ID_A));
        cr_expect_eq(pw_query_integer(select, 1), INT64_MIN);
        cr_expect_eq(pw_query_integer(select, 2), UINT32_MAX);
        cr_expect(pw_str_equal(pw_query_text(select, 3), PW_STR("Gödel 𝛼")));
        cr_assert(pw_query_next(select));
        cr_expect(pw_query_is_null(select, 1));
        cr_expect(pw_query_is_null(select, 3));
        cr_expect_eq(pw_query_text(select, 3).len, 0);
        cr_expect_not(pw_query_next(select));
    }
    pw_galera_free(galera);
}

Test(galera, a_bulk_writes_every_row)
{
    enum { ROWS = 3 };
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    struct pw_err err = {0};
    RUN(galera, "CREATE TABLE t (id BINARY(4) PRIMARY KEY, number BIGINT NULL, label VARCHAR(20))");
    struct pw_query *insert = pw_galera_prepare(
        galera, "INSERT INTO t VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE number = VALUES(number)");
    char ids[ROWS][4] = {{1, 0, (char)0xff, 2}, {2, 2, 2, 2}, {1, 0, (char)0xff, 2}};
    char *id_pointers[ROWS] = {ids[0], ids[1], ids[2]};
    unsigned long id_lengths[ROWS] = {4, 4, 4};
    int64_t numbers[ROWS] = {7, 0, -9};
    char *labels[ROWS] = {"one", "", "three"};
    unsigned long label_lengths[ROWS] = {3, 0, 5};
    char none[ROWS] = {0, 0, 0};
    char number_nulls[ROWS] = {0, 1, 0};
    struct pw_bulk_column columns[] = {{PW_BULK_BYTES, NULL, id_pointers, id_lengths, none},
                                       {PW_BULK_INTEGER, numbers, NULL, NULL, number_nulls},
                                       {PW_BULK_TEXT, NULL, labels, label_lengths, none}};
    test_sql_ok(pw_query_run_bulk(insert, columns, 3, ROWS, &err), &err, "bulk");
    cr_expect_eq(test_integer(galera, "SELECT COUNT(*) FROM t"), 2);
    cr_expect_eq(test_integer(galera, "SELECT number FROM t WHERE id = x'0100ff02'"), -9);
    cr_expect_eq(test_integer(galera, "SELECT number IS NULL FROM t WHERE id = x'02020202'"), 1);
    cr_expect_eq(test_integer(galera, "SELECT label = 'one' FROM t WHERE id = x'0100ff02'"), 1);
    cr_expect_eq(test_integer(galera, "SELECT CAST(SUM(number) AS SIGNED) FROM t"), -9);
    cr_expect_eq(test_integer(galera, "SELECT SUM(number) FROM t"), -9);
    test_sql_ok(pw_query_run_bulk(insert, columns, 3, 1, &err), &err, "a bulk of one row");
    pw_galera_free(galera);
}

Test(galera, an_update_counts_what_it_matches)
{
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    struct pw_err err = {0};
    RUN(galera, "CREATE TABLE t (id INT PRIMARY KEY, number INT)");
    RUN(galera, "INSERT INTO t VALUES (1, 5)");
    struct pw_query *update = pw_galera_prepare(galera, "UPDATE t SET number = 5 WHERE id = ?");
    uint64_t matched = 99;
    pw_query_bind_integer(update, 0, 1);
    test_sql_ok(pw_query_run(update, &matched, &err), &err, "update");
    cr_expect_eq(matched, 1, "an unchanged row counts");
    pw_query_bind_integer(update, 0, 2);
    test_sql_ok(pw_query_run(update, &matched, &err), &err, "update");
    cr_expect_eq(matched, 0);
    pw_galera_free(galera);
}

/* The killer must be on the same node: each numbers its own connections. */
static void kill_connection(struct pw_galera *killer, struct pw_galera *victim)
{
    char sql[64];
    snprintf(sql, sizeof sql, "KILL CONNECTION %lld",
             (long long)test_integer(victim, "SELECT CONNECTION_ID()"));
    RUN(killer, sql);
}

Test(galera, a_lost_connection_is_made_again_elsewhere)
{
    struct pw_galera *killer = test_cluster_handle(&cluster, 0);
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    struct pw_err err = {0};
    struct pw_query *query = pw_galera_prepare(galera, "SELECT 42");
    test_sql_ok(pw_query_open(query, &err), &err, "select");
    char first[64];
    snprintf(first, sizeof first, "%s", pw_galera_node(galera));
    kill_connection(killer, galera);
    cr_expect_eq(pw_query_open(query, &err), PW_SQL_MOVE);
    cr_expect_eq(err.code, PW_ERR_READ_MODEL_DOWN);
    test_sql_ok(pw_query_open(query, &err), &err, "the same query, prepared again");
    cr_expect(pw_query_next(query));
    cr_expect_eq(pw_query_integer(query, 0), 42);
    cr_expect_eq(pw_galera_connections(galera), 2);
    cr_expect_str_neq(pw_galera_node(galera), first);
    pw_galera_free(galera);
    pw_galera_free(killer);
}

Test(galera, begin_finds_a_node_by_itself_but_a_transaction_never_moves)
{
    struct pw_galera *killer = test_cluster_handle(&cluster, 1);
    struct pw_galera *galera = test_cluster_handle(&cluster, 1);
    struct pw_err err = {0};
    test_sql_ok(pw_galera_connect(galera, &err), &err, "connect");
    kill_connection(killer, galera);
    test_sql_ok(pw_galera_begin(galera, &err), &err, "begin on another node");
    cr_expect_eq(pw_galera_connections(galera), 2);

    struct pw_galera *second_killer = test_cluster_handle(&cluster, 2);
    kill_connection(second_killer, galera);
    cr_expect_eq(pw_galera_run(galera, "SELECT 1", &err), PW_SQL_MOVE);
    cr_expect_eq(pw_galera_run(galera, "SELECT 1", &err), PW_SQL_MOVE, "still that transaction");
    cr_expect_eq(pw_galera_commit(galera, &err), PW_SQL_MOVE);
    cr_expect_eq(pw_galera_connections(galera), 2);
    pw_galera_rollback(galera);
    test_sql_ok(pw_galera_begin_read(galera, &err), &err, "begin anew");
    cr_expect_eq(pw_galera_connections(galera), 3);
    test_sql_ok(pw_galera_commit(galera, &err), &err, "commit");
    pw_galera_free(galera);
    pw_galera_free(killer);
    pw_galera_free(second_killer);
}

Test(galera, the_second_writer_of_a_row_redoes)
{
    struct pw_galera *first = test_cluster_handle(&cluster, 0);
    struct pw_galera *second = test_cluster_handle(&cluster, 1);
    struct pw_err err = {0};
    RUN(first, "CREATE TABLE t (id INT PRIMARY KEY, number INT)");
    RUN(first, "INSERT INTO t VALUES (1, 0)");
    (void)test_integer(second, "SET STATEMENT wsrep_sync_wait = 7 FOR SELECT number FROM t");
    test_sql_ok(pw_galera_begin(first, &err), &err, "begin");
    RUN(first, "UPDATE t SET number = 1");
    RUN(second, "UPDATE t SET number = 2");
    enum pw_sql sql = pw_galera_commit(first, &err);
    cr_expect_eq(sql, PW_SQL_REDO, "certification: %s", err.detail);
    pw_galera_rollback(first);
    cr_expect_eq(test_integer(first, "SET STATEMENT wsrep_sync_wait = 7 FOR SELECT number FROM t"),
                 2);
    pw_galera_free(first);
    pw_galera_free(second);
}

Test(galera, a_wrong_statement_is_a_fault_and_keeps_the_connection)
{
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    struct pw_err err = {0};
    cr_expect_eq(pw_galera_run(galera, "SELECT * FROM no_such_table", &err), PW_SQL_FAULT);
    cr_expect_eq(err.code, PW_ERR_INTERNAL);
    struct pw_query *query = pw_galera_prepare(galera, "SELECT no_such_column");
    cr_expect_eq(pw_query_open(query, &err), PW_SQL_FAULT);
    cr_expect_eq(test_integer(galera, "SELECT 1"), 1);
    cr_expect_eq(pw_galera_connections(galera), 1);
    pw_galera_free(galera);
}

Test(galera, a_dead_node_is_passed_over_and_none_at_all_pauses)
{
    char nodes[512];
    snprintf(nodes, sizeof nodes, "127.0.0.1:1,%s", cluster.nodes);
    struct pw_galera_options options = {.nodes = nodes,
                                        .user = "proctorwise",
                                        .database = cluster.database,
                                        .password_file = cluster.password_file};
    struct pw_galera *galera = NULL;
    struct pw_err err = {0};
    cr_assert_eq(pw_galera_new(&options, &galera, &err), PW_OK);
    test_sql_ok(pw_galera_connect(galera, &err), &err, "connect");
    cr_expect_str_neq(pw_galera_node(galera), "127.0.0.1:1");
    pw_galera_free(galera);

    options.nodes = "127.0.0.1:1,127.0.0.1:2";
    cr_assert_eq(pw_galera_new(&options, &galera, &err), PW_OK);
    cr_expect_eq(pw_galera_pause_us(galera), 0);
    cr_expect_eq(pw_galera_connect(galera, &err), PW_SQL_MOVE);
    cr_expect_eq(err.code, PW_ERR_READ_MODEL_DOWN);
    cr_expect_gt(pw_galera_pause_us(galera), 0);
    cr_expect_eq(pw_galera_connect(galera, &err), PW_SQL_MOVE, "at once, in the pause");
    pw_galera_free(galera);
}

Test(galera, settings_that_cannot_be_read_are_named)
{
    struct pw_galera_options options = {
        .nodes = "127.0.0.1", .user = "u", .database = "d", .password_file = cluster.password_file};
    struct pw_galera *galera = NULL;
    struct pw_err err = {0};
    cr_expect_eq(pw_galera_new(&options, &galera, &err), PW_ERR_USAGE);
    options.nodes = "[::1]:3306,a:70000";
    cr_expect_eq(pw_galera_new(&options, &galera, &err), PW_ERR_USAGE);
    options.nodes = "[::1]:3306";
    options.password_file = "/nowhere/password";
    cr_expect_eq(pw_galera_new(&options, &galera, &err), PW_ERR_USAGE);
}

Test(galera, sessions_are_strict_and_read_snapshots)
{
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    cr_expect_eq(test_integer(galera, "SELECT @@SESSION.innodb_snapshot_isolation"), 1);
    cr_expect_eq(test_integer(galera, "SELECT @@SESSION.autocommit"), 1);
    cr_expect_eq(test_integer(galera, "SELECT @@SESSION.wsrep_sync_wait"), 0);
    cr_expect_eq(test_integer(galera, "SELECT @@SESSION.sql_mode LIKE '%STRICT_ALL_TABLES%'"), 1);
    pw_galera_free(galera);
}

/* --- Migrations --- */

static void count_applied(void *self, const char *name)
{
    (void)name;
    ++*(uint32_t *)self;
}

Test(galera, migrations_run_once)
{
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    struct pw_err err = {0};
    uint32_t applied = 0;
    struct pw_migrate_progress progress = {&applied, count_applied};
    cr_assert_eq(pw_migrate(galera, &progress, &err), PW_OK, "%s", err.detail);
    cr_expect_eq(applied, pw_migration_count);
    applied = 0;
    cr_assert_eq(pw_migrate(galera, &progress, &err), PW_OK, "%s", err.detail);
    cr_expect_eq(applied, 0);
    cr_expect_eq(test_integer(galera, "SELECT generation FROM pw_projections WHERE name = 'slots'"),
                 1);
    pw_galera_free(galera);
}

Test(galera, migrations_go_on_after_a_kill_anywhere)
{
    /* Killed after a statement, before the file was remembered: the file runs again as a whole. */
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    struct pw_err err = {0};
    for (uint32_t killed_in = 0; killed_in < pw_migration_count; killed_in++) {
        cr_assert_eq(pw_migrate_list(galera, pw_migrations, killed_in + 1, NULL, &err), PW_OK);
        char sql[128];
        snprintf(sql, sizeof sql, "DELETE FROM pw_migrations WHERE name = '%s'",
                 pw_migrations[killed_in].name);
        RUN(galera, sql);
        if (killed_in % 2 == 1) {
            RUN(galera, "DELETE FROM pw_projections");
        }
        cr_assert_eq(pw_migrate_list(galera, pw_migrations, killed_in + 1, NULL, &err), PW_OK, "%s",
                     err.detail);
    }
    cr_expect_eq(test_integer(galera, "SELECT COUNT(*) FROM pw_migrations"), pw_migration_count);
    pw_galera_free(galera);
}

static void *migrate_thread(void *self)
{
    struct pw_galera *galera = test_cluster_handle(&cluster, *(uint32_t *)self);
    struct pw_err err = {0};
    enum pw_code code = pw_migrate(galera, NULL, &err);
    if (code != PW_OK) {
        fprintf(stderr, "%s\n", err.detail);
    }
    pw_galera_free(galera);
    return (void *)(uintptr_t)code;
}

Test(galera, migrators_may_run_at_once)
{
    pthread_t threads[3];
    uint32_t nodes[3] = {0, 1, 2};
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, migrate_thread, &nodes[i]), 0);
    }
    for (uint32_t i = 0; i < 3; i++) {
        void *code = NULL;
        pthread_join(threads[i], &code);
        cr_expect_eq((uintptr_t)code, PW_OK);
    }
    struct pw_galera *galera = test_cluster_handle(&cluster, 2);
    cr_expect_eq(test_integer(galera, "SELECT COUNT(*) FROM pw_migrations"), pw_migration_count);
    pw_galera_free(galera);
}

Test(galera, an_edited_migration_is_named)
{
    static const char first[] = "CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY);\n";
    static const char edited[] = "CREATE TABLE IF NOT EXISTS t (id BIGINT PRIMARY KEY);\n";
    struct pw_migration migration = {"001-t", first, sizeof first - 1};
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    struct pw_err err = {0};
    cr_assert_eq(pw_migrate_list(galera, &migration, 1, NULL, &err), PW_OK);
    migration.sql = edited;
    migration.sql_bytes = sizeof edited - 1;
    cr_expect_eq(pw_migrate_list(galera, &migration, 1, NULL, &err), PW_ERR_SETTING_WRONG);
    cr_expect(strstr(err.detail, "001-t") != NULL);
    pw_galera_free(galera);
}

Test(galera, a_wrong_migration_stops_and_is_not_remembered)
{
    static const char sql[] = "CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY);\nNONSENSE;\n";
    struct pw_migration migration = {"001-t", sql, sizeof sql - 1};
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    struct pw_err err = {0};
    cr_expect_eq(pw_migrate_list(galera, &migration, 1, NULL, &err), PW_ERR_INTERNAL);
    cr_expect_eq(test_integer(galera, "SELECT COUNT(*) FROM pw_migrations"), 0);
    pw_galera_free(galera);
}
