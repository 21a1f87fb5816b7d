/* projections/tests/cluster.h: a database of its own in the cluster that the tests are given.
 *
 * Contract  PW_TEST_GALERA=host:port,host:port,host:port and PW_TEST_GALERA_PASSWORD_FILE name the
 *           cluster; its user `proctorwise` may make databases that begin with that name. A missing
 *           variable ends the test with a clear failure. */
#ifndef PW_PROJECTIONS_TESTS_CLUSTER_H
#define PW_PROJECTIONS_TESTS_CLUSTER_H

#include "projections/galera.h"

struct test_cluster {
    const char *nodes;
    const char *password_file;
    char database[64];
    uint32_t node_count;
};

/* Makes the database and waits until every node knows it. */
struct test_cluster test_cluster_open(void);
void test_cluster_close(struct test_cluster *cluster);

/* A handle that tries this node first (0 is the first). */
struct pw_galera *test_cluster_handle(const struct test_cluster *cluster, uint32_t first_node);

/* Fails the test, with the error's detail, unless the call gave PW_SQL_OK. */
void test_sql_ok(enum pw_sql sql, const struct pw_err *err, const char *what);
#define RUN(galera, sql)                                                                           \
    do {                                                                                           \
        struct pw_err run_err = {0};                                                               \
        test_sql_ok(pw_galera_run(galera, sql, &run_err), &run_err, sql);                          \
    } while (0)

/* The one integer that a SELECT gives. */
int64_t test_integer(struct pw_galera *galera, const char *sql);

#endif
