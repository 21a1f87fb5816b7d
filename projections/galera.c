/* projections/galera.c: nodes, connections and transactions of the read models' cluster. */
#include "projections/galera_internal.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIMEOUT_S_DEFAULT          5
#define CONNECT_TIMEOUT_S          2
#define PAUSE_US_MIN               (50 * PW_US_PER_MS)
#define PAUSE_US_MAX               PW_US_PER_SECOND
#define PASSWORD_BYTES_MAX         1024
#define ER_CONNECTION_WAS_KILLED   1927 /* Not in every version's mysqld_error.h. */
#define ER_STATEMENT_TOOK_TOO_LONG 1969

static const char SESSION_SETTINGS[] =
    "SET SESSION autocommit = 1, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
    "time_zone = '+00:00', tx_isolation = 'REPEATABLE-READ', innodb_snapshot_isolation = ON, "
    "innodb_lock_wait_timeout = 3, wsrep_sync_wait = 0";

static const char NODE_STATE[] =
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_local_state')";
#define WSREP_SYNCED "4"

enum pw_sql pw_sql_of(unsigned int error_number)
{
    switch (error_number) {
    case 0: return PW_SQL_OK;
    case ER_LOCK_DEADLOCK: /* Galera's answer to a lost certification, also at COMMIT. */
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_CHECKREAD: /* innodb_snapshot_isolation: the row changed since the snapshot. */
    case ER_NEED_REPREPARE:
    case ER_UNKNOWN_STMT_HANDLER:
    case ER_QUERY_INTERRUPTED: return PW_SQL_REDO;
    case ER_UNKNOWN_COM_ERROR: /* 1047: this node has no quorum, or is not prepared yet. */
    case ER_SERVER_SHUTDOWN:
    case ER_NORMAL_SHUTDOWN:
    case ER_CON_COUNT_ERROR:
    case ER_OUT_OF_RESOURCES:
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
    case ER_ERROR_DURING_COMMIT:
    case ER_ERROR_DURING_ROLLBACK:
    case ER_ABORTING_CONNECTION:
    case ER_NEW_ABORTING_CONNECTION:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case ER_OPTION_PREVENTS_STATEMENT: /* --read-only */
    case ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION:
    case ER_CONNECTION_WAS_KILLED:
    case ER_STATEMENT_TOOK_TOO_LONG: return PW_SQL_MOVE;
    case CR_NO_PREPARE_STMT:
    case CR_PARAMS_NOT_BOUND:
    case CR_INVALID_PARAMETER_NO:
    case CR_INVALID_BUFFER_USE:
    case CR_UNSUPPORTED_PARAM_TYPE: return PW_SQL_FAULT;
    default:
        /* The client library's other errors are about the connection. */
        return error_number >= CR_MIN_ERROR && error_number <= CR_MAX_ERROR ? PW_SQL_MOVE
                                                                            : PW_SQL_FAULT;
    }
}

static int64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

/* --- Making a handle --- */

static bool node_parse(struct pw_str text, struct pw_galera_node *ret_node)
{
    const char *colon = memrchr(text.ptr, ':', text.len);
    if (colon == NULL || colon == text.ptr || text.len >= sizeof ret_node->text) {
        return false;
    }
    struct pw_str host = {text.ptr, (size_t)(colon - text.ptr)};
    if (host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') { /* An IPv6 address. */
        host = (struct pw_str){host.ptr + 1, host.len - 2};
    }
    char *end = NULL;
    char port_text[8] = {0};
    size_t port_bytes = text.len - (size_t)(colon - text.ptr) - 1;
    if (host.len == 0 || host.len >= sizeof ret_node->host || port_bytes == 0 || port_bytes > 5) {
        return false;
    }
    memcpy(port_text, colon + 1, port_bytes);
    unsigned long port = strtoul(port_text, &end, 10);
    if (end != port_text + port_bytes || port == 0 || port > UINT16_MAX) {
        return false;
    }
    *ret_node = (struct pw_galera_node){.port = (unsigned int)port};
    memcpy(ret_node->host, host.ptr, host.len);
    memcpy(ret_node->text, text.ptr, text.len);
    return true;
}

static enum pw_code nodes_parse(struct pw_galera *galera, const char *list, struct pw_err *err)
{
    const char *at = list;
    for (;;) {
        size_t bytes = strcspn(at, ",");
        if (galera->node_count == PW_GALERA_NODES_MAX) {
            return pw_fail(err, PW_ERR_USAGE, "more than %d Galera nodes", PW_GALERA_NODES_MAX);
        }
        struct pw_galera_node *node = &galera->nodes[galera->node_count];
        if (!node_parse((struct pw_str){at, bytes}, node)) {
            return pw_fail(err, PW_ERR_USAGE, "Galera node %u is not host:port: %.*s",
                           galera->node_count + 1, (int)(bytes < 100 ? bytes : 100), at);
        }
        galera->node_count++;
        if (at[bytes] == '\0') {
            return PW_OK;
        }
        at += bytes + 1;
    }
}

/* Reads the password's one line; the caller wipes it. */
static enum pw_code password_read(const char *path, char ret_password[PASSWORD_BYTES_MAX],
                                  struct pw_err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return pw_fail(err, PW_ERR_USAGE, "the password file %s cannot be read: %m", path);
    }
    setvbuf(file, NULL, _IONBF, 0); /* No second copy of it stays in memory. */
    size_t bytes = fread(ret_password, 1, PASSWORD_BYTES_MAX - 1, file);
    fclose(file);
    ret_password[bytes] = '\0';
    ret_password[strcspn(ret_password, "\r\n")] = '\0';
    return PW_OK;
}

static void library_init(void)
{
    if (mysql_library_init(0, NULL, NULL) != 0) {
        fputs("proctorwise: the MariaDB client library cannot be started\n", stderr);
        abort();
    }
}

static enum pw_code options_copy(struct pw_galera *galera, const struct pw_galera_options *options,
                                 struct pw_err *err)
{
    if (strlen(options->user) >= sizeof galera->user ||
        strlen(options->database) >= sizeof galera->database ||
        strlen(options->password_file) >= sizeof galera->password_file) {
        return pw_fail(err, PW_ERR_USAGE, "a name of the Galera settings is too long");
    }
    strcpy(galera->user, options->user);
    strcpy(galera->database, options->database);
    strcpy(galera->password_file, options->password_file);
    galera->timeout_s = options->timeout_s == 0 ? TIMEOUT_S_DEFAULT : options->timeout_s;
    galera->pause_us = PAUSE_US_MIN;
    char password[PASSWORD_BYTES_MAX];
    enum pw_code code = password_read(galera->password_file, password, err);
    explicit_bzero(password, sizeof password);
    return code == PW_OK ? nodes_parse(galera, options->nodes, err) : code;
}

enum pw_code pw_galera_new(const struct pw_galera_options *options, struct pw_galera **ret_galera,
                           struct pw_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, library_init);
    struct pw_galera *galera = calloc(1, sizeof *galera);
    if (galera == NULL) {
        abort();
    }
    enum pw_code code = options_copy(galera, options, err);
    if (code != PW_OK) {
        free(galera);
        return code;
    }
    galera->node = options->first_node % galera->node_count;
    *ret_galera = galera;
    return PW_OK;
}

void pw_galera_free(struct pw_galera *galera)
{
    if (galera == NULL) {
        return;
    }
    while (galera->queries != NULL) {
        pw_query_free(galera->queries);
    }
    if (galera->mysql != NULL) {
        mysql_close(galera->mysql);
    }
    free(galera);
}

/* --- Connecting --- */

static enum pw_sql node_is_synced(MYSQL *mysql, struct pw_err *err)
{
    bool ready = false;
    bool synced = false;
    MYSQL_RES *result = mysql_query(mysql, NODE_STATE) == 0 ? mysql_store_result(mysql) : NULL;
    if (result == NULL) {
        pw_fail(err, PW_ERR_READ_MODEL_DOWN, "its state cannot be asked: %s", mysql_error(mysql));
        return PW_SQL_MOVE;
    }
    for (MYSQL_ROW row = mysql_fetch_row(result); row != NULL; row = mysql_fetch_row(result)) {
        ready = ready || (strcmp(row[0], "wsrep_ready") == 0 && strcmp(row[1], "ON") == 0);
        synced = synced ||
                 (strcmp(row[0], "wsrep_local_state") == 0 && strcmp(row[1], WSREP_SYNCED) == 0);
    }
    mysql_free_result(result);
    if (ready && synced) {
        return PW_SQL_OK;
    }
    pw_fail(err, PW_ERR_READ_MODEL_DOWN, "it is not in step with its cluster (%s)",
            ready ? "wsrep_local_state is not Synced" : "wsrep_ready is not ON");
    return PW_SQL_MOVE;
}

static void connection_options(MYSQL *mysql, unsigned int timeout_s)
{
    unsigned int connect_timeout_s = timeout_s < CONNECT_TIMEOUT_S ? timeout_s : CONNECT_TIMEOUT_S;
    unsigned int protocol = MYSQL_PROTOCOL_TCP; /* `localhost` must not mean a unix socket. */
    unsigned int off = 0;
    mysql_optionsv(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_timeout_s);
    mysql_optionsv(mysql, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
    mysql_optionsv(mysql, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
    mysql_optionsv(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_optionsv(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_optionsv(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
}

static enum pw_sql node_connect(struct pw_galera *galera, struct pw_err *err)
{
    const struct pw_galera_node *node = &galera->nodes[galera->node];
    char password[PASSWORD_BYTES_MAX];
    if (password_read(galera->password_file, password, err) != PW_OK) {
        return PW_SQL_MOVE;
    }
    MYSQL *mysql = mysql_init(NULL);
    if (mysql == NULL) {
        abort();
    }
    connection_options(mysql, galera->timeout_s);
    bool connected = mysql_real_connect(mysql, node->host, galera->user, password, galera->database,
                                        node->port, NULL, CLIENT_FOUND_ROWS) != NULL;
    explicit_bzero(password, sizeof password);
    enum pw_sql sql = PW_SQL_OK;
    if (!connected || mysql_query(mysql, SESSION_SETTINGS) != 0) {
        pw_fail(err, PW_ERR_READ_MODEL_DOWN, "%s", mysql_error(mysql));
        sql = PW_SQL_MOVE;
    } else {
        sql = node_is_synced(mysql, err);
    }
    if (sql != PW_SQL_OK) {
        mysql_close(mysql);
        return sql;
    }
    galera->mysql = mysql;
    galera->last_node = galera->node;
    galera->connections++;
    return PW_SQL_OK;
}

static enum pw_sql round_failed(struct pw_galera *galera, const struct pw_err *why,
                                struct pw_err *err)
{
    galera->paused_until_us = monotonic_us() + galera->pause_us;
    galera->pause_us = galera->pause_us * 2 < PAUSE_US_MAX ? galera->pause_us * 2 : PAUSE_US_MAX;
    galera->last_err = *why;
    pw_fail(err, why->code, "%s", why->detail);
    return PW_SQL_MOVE;
}

enum pw_sql pw_galera_connect(struct pw_galera *galera, struct pw_err *err)
{
    if (galera->mysql != NULL) {
        return PW_SQL_OK;
    }
    if (pw_galera_pause_us(galera) > 0) {
        pw_fail(err, PW_ERR_READ_MODEL_DOWN, "%s", galera->last_err.detail);
        return PW_SQL_MOVE;
    }
    struct pw_err why = {0};
    for (uint32_t i = 0; i < galera->node_count; i++) {
        struct pw_err last = {0};
        if (node_connect(galera, &last) == PW_SQL_OK) {
            galera->pause_us = PAUSE_US_MIN;
            galera->paused_until_us = 0;
            return PW_SQL_OK;
        }
        pw_fail(&why, PW_ERR_READ_MODEL_DOWN, "no Galera node works; %s: %s",
                galera->nodes[galera->node].text, last.detail);
        galera->node = (galera->node + 1) % galera->node_count;
    }
    return round_failed(galera, &why, err);
}

void pw_galera_leave(struct pw_galera *galera)
{
    if (galera->mysql != NULL) {
        mysql_close(galera->mysql);
        galera->mysql = NULL;
        galera->node = (galera->node + 1) % galera->node_count;
    }
}

const char *pw_galera_node(const struct pw_galera *galera)
{
    return galera->connections == 0 ? "" : galera->nodes[galera->last_node].text;
}

uint64_t pw_galera_connections(const struct pw_galera *galera)
{
    return galera->connections;
}

int64_t pw_galera_pause_us(const struct pw_galera *galera)
{
    if (galera->mysql != NULL || galera->paused_until_us == 0) {
        return 0;
    }
    int64_t left_us = galera->paused_until_us - monotonic_us();
    return left_us > 0 ? left_us : 0;
}

enum pw_sql pw_galera_ready(struct pw_galera *galera, struct pw_err *err)
{
    if (galera->in_transaction && galera->mysql == NULL) {
        pw_fail(err, PW_ERR_READ_MODEL_DOWN, "the connection was lost inside the transaction");
        return PW_SQL_MOVE;
    }
    return pw_galera_connect(galera, err);
}

enum pw_sql pw_galera_failed(struct pw_galera *galera, unsigned int error_number, const char *text,
                             struct pw_err *err)
{
    enum pw_sql sql = pw_sql_of(error_number);
    pw_fail(err, sql == PW_SQL_MOVE ? PW_ERR_READ_MODEL_DOWN : PW_ERR_INTERNAL, "%s: %s (%u)",
            galera->nodes[galera->last_node].text, text, error_number);
    if (sql == PW_SQL_MOVE) {
        pw_galera_leave(galera);
    }
    return sql;
}

/* --- Statements without parameters, and transactions --- */

enum pw_sql pw_galera_run(struct pw_galera *galera, const char *sql, struct pw_err *err)
{
    enum pw_sql ready = pw_galera_ready(galera, err);
    if (ready != PW_SQL_OK) {
        return ready;
    }
    if (mysql_query(galera->mysql, sql) != 0) {
        unsigned int error_number = mysql_errno(galera->mysql);
        char text[200];
        snprintf(text, sizeof text, "%s", mysql_error(galera->mysql));
        return pw_galera_failed(galera, error_number, text, err);
    }
    return PW_SQL_OK;
}

static enum pw_sql begin(struct pw_galera *galera, const char *sql, struct pw_err *err)
{
    assert(!galera->in_transaction);
    enum pw_sql got = PW_SQL_MOVE;
    for (uint32_t i = 0; got == PW_SQL_MOVE && i <= galera->node_count; i++) {
        got = pw_galera_connect(galera, err);
        if (got != PW_SQL_OK) {
            return got;
        }
        got = pw_galera_run(galera, sql, err);
    }
    galera->in_transaction = got == PW_SQL_OK;
    return got;
}

enum pw_sql pw_galera_begin(struct pw_galera *galera, struct pw_err *err)
{
    return begin(galera, "START TRANSACTION", err);
}

enum pw_sql pw_galera_begin_read(struct pw_galera *galera, struct pw_err *err)
{
    return begin(galera, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", err);
}

enum pw_sql pw_galera_commit(struct pw_galera *galera, struct pw_err *err)
{
    assert(galera->in_transaction);
    enum pw_sql sql = pw_galera_run(galera, "COMMIT", err);
    if (sql == PW_SQL_OK) {
        galera->in_transaction = false;
    }
    return sql;
}

void pw_galera_rollback(struct pw_galera *galera)
{
    if (galera->in_transaction && galera->mysql != NULL) {
        if (mysql_query(galera->mysql, "ROLLBACK") != 0) {
            pw_galera_leave(galera);
        }
    }
    galera->in_transaction = false;
}
