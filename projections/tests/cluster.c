/* projections/tests/cluster.c: a database of its own for each test. */
#include "projections/tests/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL || value[0] == '\0') {
        fprintf(stderr, "%s is not set: these tests need a Galera cluster of three nodes\n", name);
        exit(1);
    }
    return value;
}

static struct pw_galera *handle_on(const struct test_cluster *cluster, const char *database,
                                   uint32_t first_node)
{
    struct pw_galera_options options = {.nodes = cluster->nodes,
                                        .user = "proctorwise",
                                        .database = database,
                                        .password_file = cluster->password_file,
                                        .first_node = first_node,
                                        .timeout_s = 30};
    struct pw_galera *galera = NULL;
    struct pw_err err = {0};
    if (pw_galera_new(&options, &galera, &err) != PW_OK) {
        fprintf(stderr, "%s\n", err.detail);
        exit(1);
    }
    return galera;
}

struct test_cluster test_cluster_open(void)
{
    struct test_cluster cluster = {.nodes = variable("PW_TEST_GALERA"),
                                   .password_file = variable("PW_TEST_GALERA_PASSWORD_FILE"),
                                   .node_count = 1};
    for (const char *at = cluster.nodes; *at != '\0'; at++) {
        cluster.node_count += *at == ',';
    }
    uint64_t unique = 0;
    if (getrandom(&unique, sizeof unique, 0) != sizeof unique) {
        abort();
    }
    snprintf(cluster.database, sizeof cluster.database, "proctorwise_test_%016llx",
             (unsigned long long)unique);
    char sql[128];
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", cluster.database);
    for (uint32_t node = 0; node < cluster.node_count; node++) {
        struct pw_galera *galera = handle_on(&cluster, "proctorwise", node);
        if (node == 0) {
            RUN(galera, sql);
        }
        (void)test_integer(galera, "SET STATEMENT wsrep_sync_wait = 7 FOR SELECT 1");
        pw_galera_free(galera);
    }
    return cluster;
}

void test_cluster_close(struct test_cluster *cluster)
{
    struct pw_galera *galera = handle_on(cluster, "proctorwise", 0);
    char sql[128];
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s", cluster->database);
    RUN(galera, sql);
    pw_galera_free(galera);
}

struct pw_galera *test_cluster_handle(const struct test_cluster *cluster, uint32_t first_node)
{
    return handle_on(cluster, cluster->database, first_node);
}

void test_sql_ok(enum pw_sql sql, const struct pw_err *err, const char *what)
{
    if (sql != PW_SQL_OK) {
        fprintf(stderr, "%s: %s\n", what, err->detail);
        abort();
    }
}

int64_t test_integer(struct pw_galera *galera, const char *sql)
{
    struct pw_err err = {0};
    struct pw_query *query = pw_galera_prepare(galera, sql);
    test_sql_ok(pw_query_open(query, &err), &err, sql);
    int64_t value = pw_query_next(query) ? pw_query_integer(query, 0) : -1;
    pw_query_free(query);
    return value;
}
