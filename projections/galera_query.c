/* projections/galera_query.c: prepared statements that outlive connections. */
#include "projections/galera_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* The value of one `?`. */
struct parameter {
    int64_t integer;
    char *bytes;
    unsigned long length;
    unsigned long room;
};

/* One column of the current row. */
struct column {
    int64_t integer;
    char *bytes;
    unsigned long length;
    unsigned long room;
    my_bool is_null;
    bool is_integer;
};

struct pw_query {
    struct pw_galera *galera;
    struct pw_query *next;
    char *sql;
    MYSQL_STMT *stmt; /* Of the connection with that number, or NULL. */
    uint64_t connection;
    bool has_row;
    uint32_t column_count;
    struct parameter parameters[PW_QUERY_PARAMETERS_MAX];
    MYSQL_BIND parameter_binds[PW_QUERY_PARAMETERS_MAX];
    struct column columns[PW_QUERY_COLUMNS_MAX];
    MYSQL_BIND column_binds[PW_QUERY_COLUMNS_MAX];
};

static void *grown(void *memory, size_t bytes)
{
    void *got = realloc(memory, bytes);
    if (got == NULL) {
        abort();
    }
    return got;
}

struct pw_query *pw_galera_prepare(struct pw_galera *galera, const char *sql)
{
    struct pw_query *query = grown(NULL, sizeof *query);
    *query = (struct pw_query){.galera = galera, .next = galera->queries, .sql = strdup(sql)};
    if (query->sql == NULL) {
        abort();
    }
    galera->queries = query;
    return query;
}

static void stmt_close(struct pw_query *query)
{
    if (query->stmt != NULL) {
        mysql_stmt_close(query->stmt);
        query->stmt = NULL;
    }
    query->has_row = false;
}

void pw_query_free(struct pw_query *query)
{
    if (query == NULL) {
        return;
    }
    struct pw_query **at = &query->galera->queries;
    while (*at != query) {
        at = &(*at)->next;
    }
    *at = query->next;
    stmt_close(query);
    for (uint32_t i = 0; i < PW_QUERY_PARAMETERS_MAX; i++) {
        free(query->parameters[i].bytes);
    }
    for (uint32_t i = 0; i < PW_QUERY_COLUMNS_MAX; i++) {
        free(query->columns[i].bytes);
    }
    free(query->sql);
    free(query);
}

/* --- Binding --- */

void pw_query_bind_null(struct pw_query *query, uint32_t parameter)
{
    assert(parameter < PW_QUERY_PARAMETERS_MAX);
    query->parameter_binds[parameter] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_NULL};
}

void pw_query_bind_integer(struct pw_query *query, uint32_t parameter, int64_t value)
{
    assert(parameter < PW_QUERY_PARAMETERS_MAX);
    query->parameters[parameter].integer = value;
    query->parameter_binds[parameter] = (MYSQL_BIND){
        .buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &query->parameters[parameter].integer};
}

static void bind_string(struct pw_query *query, uint32_t index, enum enum_field_types type,
                        const void *data, size_t bytes)
{
    assert(index < PW_QUERY_PARAMETERS_MAX);
    struct parameter *parameter = &query->parameters[index];
    if (bytes > parameter->room || parameter->bytes == NULL) {
        parameter->room = bytes < 64 ? 64 : bytes;
        parameter->bytes = grown(parameter->bytes, parameter->room);
    }
    if (bytes > 0) {
        memcpy(parameter->bytes, data, bytes);
    }
    parameter->length = bytes;
    query->parameter_binds[index] = (MYSQL_BIND){.buffer_type = type,
                                                 .buffer = parameter->bytes,
                                                 .buffer_length = bytes,
                                                 .length = &parameter->length};
}

void pw_query_bind_text(struct pw_query *query, uint32_t parameter, struct pw_str text)
{
    bind_string(query, parameter, MYSQL_TYPE_STRING, text.ptr, text.len);
}

void pw_query_bind_bytes(struct pw_query *query, uint32_t parameter, const void *data, size_t bytes)
{
    bind_string(query, parameter, MYSQL_TYPE_BLOB, data, bytes);
}

void pw_query_bind_id(struct pw_query *query, uint32_t parameter, const struct pw_id *id)
{
    bind_string(query, parameter, MYSQL_TYPE_BLOB, id->bytes, sizeof id->bytes);
}

/* --- Running --- */

static enum pw_sql query_failed(struct pw_query *query, struct pw_err *err)
{
    unsigned int error_number = mysql_stmt_errno(query->stmt);
    char text[160];
    snprintf(text, sizeof text, "%s", mysql_stmt_error(query->stmt));
    stmt_close(query);
    return pw_galera_failed(query->galera, error_number, text, err);
}

void pw_query_close(struct pw_query *query)
{
    if (query->stmt != NULL && query->galera->mysql != NULL &&
        query->connection == query->galera->connections) {
        mysql_stmt_free_result(query->stmt);
    }
    query->has_row = false;
}

/* Connects, and prepares where this connection does not know the statement yet. */
static enum pw_sql query_ready(struct pw_query *query, struct pw_err *err)
{
    struct pw_galera *galera = query->galera;
    enum pw_sql sql = pw_galera_ready(galera, err);
    if (sql != PW_SQL_OK) {
        return sql;
    }
    if (query->stmt != NULL && query->connection == galera->connections) {
        pw_query_close(query); /* What was left unread of the last run. */
        return PW_SQL_OK;
    }
    stmt_close(query);
    query->stmt = mysql_stmt_init(galera->mysql);
    if (query->stmt == NULL) {
        abort();
    }
    query->connection = galera->connections;
    if (mysql_stmt_prepare(query->stmt, query->sql, strlen(query->sql)) != 0) {
        return query_failed(query, err);
    }
    assert(mysql_stmt_param_count(query->stmt) <= PW_QUERY_PARAMETERS_MAX);
    my_bool on = 1;
    mysql_stmt_attr_set(query->stmt, STMT_ATTR_UPDATE_MAX_LENGTH, &on);
    return PW_SQL_OK;
}

enum pw_sql pw_query_run(struct pw_query *query, uint64_t *ret_matched, struct pw_err *err)
{
    enum pw_sql sql = query_ready(query, err);
    if (sql != PW_SQL_OK) {
        return sql;
    }
    unsigned int row_count = 0;
    mysql_stmt_attr_set(query->stmt, STMT_ATTR_ARRAY_SIZE, &row_count);
    if ((mysql_stmt_param_count(query->stmt) > 0 &&
         mysql_stmt_bind_param(query->stmt, query->parameter_binds) != 0) ||
        mysql_stmt_execute(query->stmt) != 0) {
        return query_failed(query, err);
    }
    if (ret_matched != NULL) {
        *ret_matched = mysql_stmt_affected_rows(query->stmt);
    }
    return PW_SQL_OK;
}

static enum enum_field_types bulk_type(enum pw_bulk_kind kind)
{
    return kind == PW_BULK_INTEGER ? MYSQL_TYPE_LONGLONG
           : kind == PW_BULK_TEXT  ? MYSQL_TYPE_STRING
                                   : MYSQL_TYPE_BLOB;
}

enum pw_sql pw_query_run_bulk(struct pw_query *query, const struct pw_bulk_column *columns,
                              uint32_t column_count, uint32_t row_count, struct pw_err *err)
{
    assert(column_count <= PW_QUERY_PARAMETERS_MAX && row_count > 0);
    enum pw_sql sql = query_ready(query, err);
    if (sql != PW_SQL_OK) {
        return sql;
    }
    assert(mysql_stmt_param_count(query->stmt) == column_count);
    MYSQL_BIND binds[PW_QUERY_PARAMETERS_MAX] = {0};
    for (uint32_t i = 0; i < column_count; i++) {
        binds[i].buffer_type = bulk_type(columns[i].kind);
        binds[i].buffer = columns[i].kind == PW_BULK_INTEGER ? (void *)columns[i].integers
                                                             : (void *)columns[i].pointers;
        binds[i].length = columns[i].lengths;
        binds[i].u.indicator = columns[i].nulls;
    }
    mysql_stmt_attr_set(query->stmt, STMT_ATTR_ARRAY_SIZE, &row_count);
    if (mysql_stmt_bind_param(query->stmt, binds) != 0 || mysql_stmt_execute(query->stmt) != 0) {
        return query_failed(query, err);
    }
    return PW_SQL_OK;
}

/* --- Reading rows --- */

static bool type_is_integer(enum enum_field_types type)
{
    switch (type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
    case MYSQL_TYPE_NEWDECIMAL: /* SUM() of integers. */ return true;
    default: return false;
    }
}

/* Gives every column room for its longest value in this result. */
static enum pw_sql columns_bind(struct pw_query *query, struct pw_err *err)
{
    MYSQL_RES *metadata = mysql_stmt_result_metadata(query->stmt);
    if (metadata == NULL) {
        return query_failed(query, err);
    }
    query->column_count = mysql_num_fields(metadata);
    assert(query->column_count <= PW_QUERY_COLUMNS_MAX);
    const MYSQL_FIELD *fields = mysql_fetch_fields(metadata);
    for (uint32_t i = 0; i < query->column_count; i++) {
        struct column *column = &query->columns[i];
        column->is_integer = type_is_integer(fields[i].type);
        if (column->bytes == NULL || fields[i].max_length > column->room) {
            column->room = fields[i].max_length < 64 ? 64 : fields[i].max_length;
            column->bytes = grown(column->bytes, column->room);
        }
        query->column_binds[i] = (MYSQL_BIND){
            .buffer_type = column->is_integer ? MYSQL_TYPE_LONGLONG : MYSQL_TYPE_BLOB,
            .buffer = column->is_integer ? (void *)&column->integer : (void *)column->bytes,
            .buffer_length = column->is_integer ? sizeof column->integer : column->room,
            .length = &column->length,
            .is_null = &column->is_null};
    }
    mysql_free_result(metadata);
    return mysql_stmt_bind_result(query->stmt, query->column_binds) == 0 ? PW_SQL_OK
                                                                         : query_failed(query, err);
}

enum pw_sql pw_query_open(struct pw_query *query, struct pw_err *err)
{
    enum pw_sql sql = pw_query_run(query, NULL, err);
    if (sql != PW_SQL_OK) {
        return sql;
    }
    if (mysql_stmt_store_result(query->stmt) != 0) {
        return query_failed(query, err);
    }
    return columns_bind(query, err);
}

bool pw_query_next(struct pw_query *query)
{
    const struct pw_galera *galera = query->galera;
    query->has_row = query->stmt != NULL && galera->mysql != NULL &&
                     query->connection == galera->connections && mysql_stmt_fetch(query->stmt) == 0;
    return query->has_row;
}

static const struct column *column_of(const struct pw_query *query, uint32_t index)
{
    assert(query->has_row && index < query->column_count);
    return &query->columns[index];
}

bool pw_query_is_null(const struct pw_query *query, uint32_t column)
{
    return column_of(query, column)->is_null;
}

int64_t pw_query_integer(const struct pw_query *query, uint32_t column)
{
    const struct column *at = column_of(query, column);
    return at->is_null || !at->is_integer ? 0 : at->integer;
}

struct pw_str pw_query_text(const struct pw_query *query, uint32_t column)
{
    const struct column *at = column_of(query, column);
    return at->is_null || at->is_integer ? (struct pw_str){"", 0}
                                         : (struct pw_str){at->bytes, at->length};
}

struct pw_id pw_query_id(const struct pw_query *query, uint32_t column)
{
    struct pw_id id = {0};
    struct pw_str bytes = pw_query_text(query, column);
    if (bytes.len == sizeof id.bytes) {
        memcpy(id.bytes, bytes.ptr, sizeof id.bytes);
    }
    return id;
}
