/* projections/galera.h: the one way to the read models' cluster, for the workers and for queries.
 *
 * Contract  A handle knows every node and is connected to one of them, or to none. It connects when
 *           it is used; a node that dies, or is not in step with its cluster (wsrep_ready, Synced),
 *           is left at once for the next one, and where none works the handle backs off: until the
 *           pause is over every use fails at once. Sessions find what they match (CLIENT_FOUND_ROWS),
 *           read from snapshots (innodb_snapshot_isolation) and are strict about values. Inside a
 *           transaction a handle never connects again: what was begun on one node is not finished on
 *           another. So REDO and MOVE mean alike: pw_galera_rollback, and all of it again from
 *           pw_galera_begin.
 * Owner     Nodes, names and SQL texts are copied. The password is read from its file at every
 *           connect, kept nowhere and logged nowhere. A row's texts live until the next row.
 * Units     *_ms, *_us: durations. Moments in columns: BIGINT microseconds since the Unix epoch.
 * Threads   One handle and its queries per thread; handles share nothing.
 * Errors    enum pw_sql, with err: READ_MODEL_DOWN for MOVE, INTERNAL for REDO and FAULT. A COMMIT
 *           that gives MOVE may have taken place or not. */
#ifndef PW_PROJECTIONS_GALERA_H
#define PW_PROJECTIONS_GALERA_H

#include "schemas/errors.h"

enum pw_sql {
    PW_SQL_OK,
    PW_SQL_REDO, /* Another transaction was first: nothing of this one took place. */
    PW_SQL_MOVE, /* The node is lost, or none works; what was under way may or may not have taken
                    place. */
    PW_SQL_FAULT /* The statement or its values are wrong: it would fail again, anywhere. */
};

/* What an error number of server or client library means. */
enum pw_sql pw_sql_of(unsigned int error_number);

struct pw_galera_options {
    const char *nodes; /* "host:port,host:port,..."; at most PW_GALERA_NODES_MAX. */
    const char *user;
    const char *database;
    const char *password_file; /* One line. */
    uint32_t first_node;       /* Where to try first, modulo their number: spreads the handles. */
    uint32_t timeout_s;        /* For one statement, and for making a connection; 0: 5 s. */
};

#define PW_GALERA_NODES_MAX 32

struct pw_galera;

/* Makes a handle and connects nowhere yet. USAGE for a list that cannot be read or a password file
 * that is not there. */
enum pw_code pw_galera_new(const struct pw_galera_options *options, struct pw_galera **ret_galera,
                           struct pw_err *err);

/* Ends the connection; frees the handle and all its queries. */
void pw_galera_free(struct pw_galera *galera);

/* Connects where it is not connected. Other calls do this by themselves. */
enum pw_sql pw_galera_connect(struct pw_galera *galera, struct pw_err *err);

/* Gives the node up, for one that a caller has found wanting: the next use connects elsewhere. */
void pw_galera_leave(struct pw_galera *galera);

/* "host:port" of the node that it is connected to, or was last; "" before the first. */
const char *pw_galera_node(const struct pw_galera *galera);

/* How many connections were made so far. A number that has grown means that others may have written
 * in between. */
uint64_t pw_galera_connections(const struct pw_galera *galera);

/* How long until the pause after a failed round over all nodes ends; 0 when there is none. */
int64_t pw_galera_pause_us(const struct pw_galera *galera);

/* Transactions. begin tries every node before it says MOVE. begin_read takes the snapshot at once:
 * all that is read until the commit is from one moment. */
enum pw_sql pw_galera_begin(struct pw_galera *galera, struct pw_err *err);
enum pw_sql pw_galera_begin_read(struct pw_galera *galera, struct pw_err *err);
enum pw_sql pw_galera_commit(struct pw_galera *galera, struct pw_err *err);
void pw_galera_rollback(struct pw_galera *galera); /* Nothing where no transaction is open. */

/* Runs one statement without parameters or rows. */
enum pw_sql pw_galera_run(struct pw_galera *galera, const char *sql, struct pw_err *err);

/* --- Prepared statements: made once, they outlive every connection. --- */
struct pw_query;

/* Nothing is sent before the first use. The query belongs to the handle; pw_query_free gives it back
 * early. */
struct pw_query *pw_galera_prepare(struct pw_galera *galera, const char *sql);
void pw_query_free(struct pw_query *query);

/* Values of the `?`s, from 0; they stay bound until bound anew. Texts and bytes are copied. */
#define PW_QUERY_PARAMETERS_MAX 32
void pw_query_bind_null(struct pw_query *query, uint32_t parameter);
void pw_query_bind_integer(struct pw_query *query, uint32_t parameter, int64_t value);
void pw_query_bind_text(struct pw_query *query, uint32_t parameter, struct pw_str text);
void pw_query_bind_bytes(struct pw_query *query, uint32_t parameter, const void *data,
                         size_t bytes);
void pw_query_bind_id(struct pw_query *query, uint32_t parameter, const struct pw_id *id);

/* Runs it. ret_matched (NULL: not of interest) is how many rows an UPDATE or DELETE matched, changed
 * or not. */
enum pw_sql pw_query_run(struct pw_query *query, uint64_t *ret_matched, struct pw_err *err);

/* Runs a SELECT and takes in all its rows; then pw_query_next gives one after the other, false at
 * the end. Other queries may be used meanwhile, but when one gives MOVE the rows are gone. */
enum pw_sql pw_query_open(struct pw_query *query, struct pw_err *err);
bool pw_query_next(struct pw_query *query);

/* Lets the rows go; the next run does, too, but may be long in coming. */
void pw_query_close(struct pw_query *query);

/* The row's columns, from 0. NULL reads as 0, a nil id, an empty text; so does what is not of the
 * asked kind. */
#define PW_QUERY_COLUMNS_MAX 64
bool pw_query_is_null(const struct pw_query *query, uint32_t column);
int64_t pw_query_integer(const struct pw_query *query, uint32_t column);
struct pw_str pw_query_text(const struct pw_query *query, uint32_t column);
struct pw_id pw_query_id(const struct pw_query *query, uint32_t column);

/* Runs it once per row of values, in one message: column-wise arrays. */
enum pw_bulk_kind { PW_BULK_INTEGER, PW_BULK_BYTES, PW_BULK_TEXT };
struct pw_bulk_column {
    enum pw_bulk_kind kind;
    int64_t *integers;      /* INTEGER */
    char **pointers;        /* BYTES, TEXT */
    unsigned long *lengths; /* BYTES, TEXT */
    char *nulls;            /* 1 where the value is NULL, else 0. */
};
enum pw_sql pw_query_run_bulk(struct pw_query *query, const struct pw_bulk_column *columns,
                              uint32_t column_count, uint32_t row_count, struct pw_err *err);

#endif
