/* projections/galera_internal.h: what galera.c and galera_query.c share. Nobody else includes it. */
#ifndef PW_PROJECTIONS_GALERA_INTERNAL_H
#define PW_PROJECTIONS_GALERA_INTERNAL_H

#include "projections/galera.h"

#include <limits.h>
#include <mysql.h>

struct pw_galera_node {
    char host[256];
    unsigned int port;
    char text[272]; /* host:port, as it was given. */
};

struct pw_galera {
    struct pw_galera_node nodes[PW_GALERA_NODES_MAX];
    uint32_t node_count;
    uint32_t node;      /* Connected to, or to be tried next. */
    uint32_t last_node; /* Connected to, now or last. */
    char user[128];
    char database[128];
    char password_file[PATH_MAX];
    unsigned int timeout_s;
    MYSQL *mysql; /* NULL: not connected. */
    bool in_transaction;
    uint64_t connections;
    int64_t pause_us; /* Of the next failed round. */
    int64_t paused_until_us;
    struct pw_err last_err; /* Why the last round over the nodes failed. */
    struct pw_query *queries;
};

/* Where a use of the handle begins: connected, unless the transaction's connection was lost. */
enum pw_sql pw_galera_ready(struct pw_galera *galera, struct pw_err *err);

/* Fills err from an error of library or server, leaves the node where that is what it means. */
enum pw_sql pw_galera_failed(struct pw_galera *galera, unsigned int error_number, const char *text,
                             struct pw_err *err);

#endif
