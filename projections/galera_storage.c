/* projections/galera_storage.c: rows by array-bound upserts, positions by compare-and-swap. */
#include "projections/galera_storage.h"

#include "commands/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS_PER_MESSAGE_MAX 1000
#define TABLES_MAX           8
#define SQL_BYTES_MAX        4096
#define COLUMNS_MAX          (PW_ROW_CELLS_MAX + 4) /* generation, tenant_id, changed_at_us, offset. */

static_assert(COLUMNS_MAX <= PW_QUERY_PARAMETERS_MAX, "every column is a parameter");

struct table_query {
    const struct pw_table *table;
    struct pw_query *query;
};

/* The values of one column of a message. */
struct column_values {
    int64_t integers[ROWS_PER_MESSAGE_MAX];
    char *pointers[ROWS_PER_MESSAGE_MAX];
    unsigned long lengths[ROWS_PER_MESSAGE_MAX];
    char nulls[ROWS_PER_MESSAGE_MAX];
};

struct galera_storage {
    struct pw_galera *galera;
    struct pw_query *positions;
    struct pw_query *generations;
    struct pw_query *move_generations;
    struct pw_query *delete_positions;
    struct pw_query *create_position;
    struct pw_query *move_position;
    struct table_query tables[TABLES_MAX];
    uint32_t table_count;
    struct column_values *values; /* COLUMNS_MAX of them. */
    struct pw_bulk_column columns[COLUMNS_MAX];
};

static enum pw_stored stored_of(enum pw_sql sql)
{
    switch (sql) {
    case PW_SQL_OK: return PW_STORED;
    case PW_SQL_REDO: return PW_STORED_REDO;
    case PW_SQL_MOVE: return PW_STORED_AWAY;
    case PW_SQL_FAULT: return PW_STORED_FAULT;
    }
    return PW_STORED_FAULT;
}

/* --- The upsert of a table --- */

struct text {
    char *at;
    size_t room;
    bool full;
};

static void add(struct text *text, const char *before, const char *name, const char *after)
{
    int bytes = snprintf(text->at, text->room, "%s%s%s", before, name, after);
    text->full = text->full || (size_t)bytes >= text->room;
    if (!text->full) {
        text->at += bytes;
        text->room -= (size_t)bytes;
    }
}

/* Assignments run from left to right and see what earlier ones set: record_offset must be the last. */
static void add_assignment(struct text *text, const char *name)
{
    add(text, "", name, " = IF(VALUES(record_offset) < record_offset, ");
    add(text, "", name, ", VALUES(");
    add(text, "", name, ")), ");
}

bool pw_upsert_sql(const struct pw_table *table, char *ret_sql, size_t room)
{
    struct text text = {ret_sql, room, false};
    add(&text, "INSERT INTO ", table->name, " (generation, tenant_id");
    for (uint32_t i = 0; i < table->column_count; i++) {
        add(&text, ", ", table->columns[i].name, "");
    }
    add(&text, "", ", changed_at_us, record_offset) VALUES (?, ?", "");
    for (uint32_t i = 0; i < table->column_count + 2; i++) {
        add(&text, ", ?", "", "");
    }
    add(&text, "", ") ON DUPLICATE KEY UPDATE ", "");
    for (uint32_t i = table->key_count; i < table->column_count; i++) {
        add_assignment(&text, table->columns[i].name);
    }
    add_assignment(&text, "changed_at_us");
    add(&text, "", "record_offset = GREATEST(record_offset, VALUES(record_offset))", "");
    return !text.full;
}

static struct pw_query *upsert_of(struct galera_storage *storage, const struct pw_table *table)
{
    for (uint32_t i = 0; i < storage->table_count; i++) {
        if (storage->tables[i].table == table) {
            return storage->tables[i].query;
        }
    }
    char sql[SQL_BYTES_MAX];
    bool fits = pw_upsert_sql(table, sql, sizeof sql);
    assert(fits && storage->table_count < TABLES_MAX);
    (void)fits;
    struct table_query *made = &storage->tables[storage->table_count++];
    *made = (struct table_query){table, pw_galera_prepare(storage->galera, sql)};
    return made->query;
}

static enum pw_bulk_kind bulk_kind(enum pw_column_kind kind)
{
    return kind == PW_COLUMN_INTEGER ? PW_BULK_INTEGER
           : kind == PW_COLUMN_TEXT  ? PW_BULK_TEXT
                                     : PW_BULK_BYTES;
}

static void bytes_set(struct column_values *values, uint32_t row, const void *data, size_t bytes)
{
    values->pointers[row] = (char *)data; /* The library only reads it. */
    values->lengths[row] = bytes;
}

static void cell_set(struct column_values *values, uint32_t row, const struct pw_cell *cell)
{
    static const char nothing[1] = "";
    values->nulls[row] = cell->is_null;
    bytes_set(values, row, nothing, 0);
    switch (cell->kind) {
    case PW_COLUMN_ID: bytes_set(values, row, cell->id.bytes, sizeof cell->id.bytes); break;
    case PW_COLUMN_HASH: bytes_set(values, row, cell->hash.bytes, sizeof cell->hash.bytes); break;
    case PW_COLUMN_INTEGER: values->integers[row] = cell->integer; break;
    case PW_COLUMN_TEXT:
    case PW_COLUMN_BYTES:
        if (cell->text.len > 0) {
            bytes_set(values, row, cell->text.ptr, cell->text.len);
        }
        break;
    }
}

static void integer_set(struct column_values *values, uint32_t row, int64_t integer)
{
    values->nulls[row] = 0;
    values->integers[row] = integer;
}

static void row_set(struct galera_storage *storage, uint32_t generation, uint32_t at,
                    const struct pw_batch_row *row)
{
    uint32_t column_count = row->row.table->column_count;
    integer_set(&storage->values[0], at, generation);
    storage->values[1].nulls[at] = 0;
    bytes_set(&storage->values[1], at, row->tenant_id.bytes, sizeof row->tenant_id.bytes);
    for (uint32_t i = 0; i < column_count; i++) {
        cell_set(&storage->values[2 + i], at, &row->row.cells[i]);
    }
    integer_set(&storage->values[2 + column_count], at, row->changed_at_us);
    integer_set(&storage->values[3 + column_count], at, row->record_offset);
}

static void columns_set(struct galera_storage *storage, const struct pw_table *table)
{
    uint32_t column_count = table->column_count + 4;
    for (uint32_t i = 0; i < column_count; i++) {
        struct column_values *values = &storage->values[i];
        enum pw_bulk_kind kind = PW_BULK_INTEGER;
        if (i == 1) {
            kind = PW_BULK_BYTES;
        } else if (i >= 2 && i < 2 + table->column_count) {
            kind = bulk_kind(table->columns[i - 2].kind);
        }
        storage->columns[i] = (struct pw_bulk_column){kind, values->integers, values->pointers,
                                                      values->lengths, values->nulls};
    }
}

static enum pw_stored upsert(void *self, uint32_t generation, const struct pw_table *table,
                             const struct pw_batch_row *const *rows, uint32_t row_count,
                             struct pw_err *err)
{
    struct galera_storage *storage = self;
    struct pw_query *query = upsert_of(storage, table);
    columns_set(storage, table);
    for (uint32_t done = 0; done < row_count;) {
        uint32_t count = row_count - done;
        count = count < ROWS_PER_MESSAGE_MAX ? count : ROWS_PER_MESSAGE_MAX;
        for (uint32_t i = 0; i < count; i++) {
            row_set(storage, generation, i, rows[done + i]);
        }
        enum pw_sql sql =
            pw_query_run_bulk(query, storage->columns, table->column_count + 4, count, err);
        if (sql != PW_SQL_OK) {
            return stored_of(sql);
        }
        done += count;
    }
    return PW_STORED;
}

/* --- Positions --- */

static enum pw_stored not_migrated(const char *projection, struct pw_err *err)
{
    pw_fail(err, PW_ERR_SETTING_WRONG, "pw_projections has no %s: migrate first", projection);
    return PW_STORED_FAULT;
}

static void hash_of_text(struct pw_str text, struct pw_hash *ret_hash)
{
    *ret_hash = (struct pw_hash){0};
    if (text.len == sizeof ret_hash->bytes) {
        memcpy(ret_hash->bytes, text.ptr, text.len);
    }
}

static enum pw_stored read_positions(void *self, const char *projection, uint32_t generation_,
                                     uint32_t partition_count, uint32_t *ret_generation,
                                     struct pw_stored_position *ret_positions, struct pw_err *err)
{
    struct galera_storage *storage = self;
    struct pw_query *query = storage->positions;
    bool is_known = false;
    pw_query_bind_integer(query, 0, generation_);
    pw_query_bind_text(query, 1, pw_str_of(projection));
    enum pw_sql sql = pw_query_open(query, err);
    if (sql != PW_SQL_OK) {
        return stored_of(sql);
    }
    for (uint32_t i = 0; i < partition_count; i++) {
        ret_positions[i] = (struct pw_stored_position){.record_offset = -1};
    }
    while (pw_query_next(query)) {
        is_known = true;
        *ret_generation = (uint32_t)pw_query_integer(query, 6);
        if (pw_query_is_null(query, 0)) {
            break; /* It has no positions yet. */
        }
        int64_t partition = pw_query_integer(query, 0);
        if (partition >= partition_count) {
            pw_fail(err, PW_ERR_SETTING_WRONG,
                    "%s has a position of partition %lld, but the ledger has %u partitions",
                    projection, (long long)partition, partition_count);
            return PW_STORED_FAULT;
        }
        struct pw_stored_position *position = &ret_positions[partition];
        position->ledger_id = pw_query_id(query, 1);
        position->partition_count = (uint32_t)pw_query_integer(query, 2);
        position->record_offset = pw_query_integer(query, 3);
        hash_of_text(pw_query_text(query, 4), &position->head);
        position->writer_epoch = pw_query_integer(query, 5);
    }
    return is_known ? PW_STORED : not_migrated(projection, err);
}

static enum pw_stored create_position(void *self, const char *projection, uint32_t generation_,
                                      uint32_t partition, const struct pw_id *ledger_id,
                                      uint32_t partition_count, struct pw_err *err)
{
    static const struct pw_hash no_head;
    struct galera_storage *storage = self;
    struct pw_query *query = storage->create_position;
    pw_query_bind_text(query, 0, pw_str_of(projection));
    pw_query_bind_integer(query, 1, generation_);
    pw_query_bind_integer(query, 2, partition);
    pw_query_bind_id(query, 3, ledger_id);
    pw_query_bind_integer(query, 4, partition_count);
    pw_query_bind_bytes(query, 5, no_head.bytes, sizeof no_head.bytes);
    return stored_of(pw_query_run(query, NULL, err));
}

static enum pw_stored move_position(void *self, const char *projection, uint32_t generation_,
                                    uint32_t partition, const struct pw_stored_position *from,
                                    const struct pw_stored_position *to, bool *ret_hit,
                                    struct pw_err *err)
{
    struct galera_storage *storage = self;
    struct pw_query *query = storage->move_position;
    pw_query_bind_integer(query, 0, to->record_offset);
    pw_query_bind_bytes(query, 1, to->head.bytes, sizeof to->head.bytes);
    pw_query_bind_integer(query, 2, to->writer_epoch);
    pw_query_bind_text(query, 3, pw_str_of(projection));
    pw_query_bind_integer(query, 4, generation_);
    pw_query_bind_integer(query, 5, partition);
    pw_query_bind_integer(query, 6, from->record_offset);
    pw_query_bind_integer(query, 7, from->writer_epoch);
    uint64_t matched = 0;
    enum pw_sql sql = pw_query_run(query, &matched, err);
    *ret_hit = sql == PW_SQL_OK && matched == 1;
    return stored_of(sql);
}

/* --- Generations --- */

static enum pw_stored read_generations(void *self, const char *projection,
                                       struct pw_generations *ret_generations, struct pw_err *err)
{
    struct galera_storage *storage = self;
    struct pw_query *query = storage->generations;
    pw_query_bind_text(query, 0, pw_str_of(projection));
    enum pw_sql sql = pw_query_open(query, err);
    if (sql != PW_SQL_OK) {
        return stored_of(sql);
    }
    if (!pw_query_next(query)) {
        return not_migrated(projection, err);
    }
    struct pw_str built_by = pw_query_text(query, 2);
    ret_generations->shown = (uint32_t)pw_query_integer(query, 0);
    ret_generations->building = (uint32_t)pw_query_integer(query, 1);
    snprintf(ret_generations->built_by, sizeof ret_generations->built_by, "%.*s", (int)built_by.len,
             built_by.len > 0 ? built_by.ptr : "");
    return PW_STORED;
}

static enum pw_stored move_generations(void *self, const char *projection,
                                       const struct pw_generations *from,
                                       const struct pw_generations *to, bool *ret_hit,
                                       struct pw_err *err)
{
    struct galera_storage *storage = self;
    struct pw_query *query = storage->move_generations;
    pw_query_bind_integer(query, 0, to->shown);
    pw_query_bind_integer(query, 1, to->building);
    pw_query_bind_text(query, 2, pw_str_of(to->built_by));
    pw_query_bind_text(query, 3, pw_str_of(projection));
    pw_query_bind_integer(query, 4, from->shown);
    pw_query_bind_integer(query, 5, from->building);
    uint64_t matched = 0;
    enum pw_sql sql = pw_query_run(query, &matched, err);
    *ret_hit = sql == PW_SQL_OK && matched == 1;
    return stored_of(sql);
}

/* The statement itself looks which generations there are: what it deletes cannot have become the one
 * that queries show meanwhile, nor become it again when a cluster forgets what it acknowledged. */
#define OF_PROJECTION(column) "(SELECT " column " FROM pw_projections WHERE name = ?)"
#define NEITHER_SHOWN_NOR_BUILDING                                                                 \
    "(generation < " OF_PROJECTION("generation") " OR (generation > " OF_PROJECTION(               \
        "generation") " AND generation <> " OF_PROJECTION("building") "))"

static enum pw_stored delete_from(struct pw_query *query, const char *projection,
                                  uint64_t *ret_count, struct pw_err *err)
{
    for (uint32_t i = 0; i < 3; i++) {
        pw_query_bind_text(query, i, pw_str_of(projection));
    }
    return stored_of(pw_query_run(query, ret_count, err));
}

static enum pw_stored delete_rows(void *self, const char *projection, const struct pw_table *table,
                                  uint32_t row_count_max, uint32_t *ret_row_count,
                                  struct pw_err *err)
{
    struct galera_storage *storage = self;
    char sql[SQL_BYTES_MAX];
    uint64_t count = 0;
    snprintf(sql, sizeof sql, "DELETE FROM %s WHERE " NEITHER_SHOWN_NOR_BUILDING " LIMIT %u",
             table->name, row_count_max);
    struct pw_query *query = pw_galera_prepare(storage->galera, sql);
    enum pw_stored stored = delete_from(query, projection, &count, err);
    pw_query_free(query);
    *ret_row_count = (uint32_t)count;
    return stored;
}

static enum pw_stored delete_positions(void *self, const char *projection, struct pw_err *err)
{
    struct galera_storage *storage = self;
    pw_query_bind_text(storage->delete_positions, 3, pw_str_of(projection));
    return delete_from(storage->delete_positions, projection, NULL, err);
}

/* --- Transactions --- */

static enum pw_stored begin(void *self, struct pw_err *err)
{
    struct galera_storage *storage = self;
    return stored_of(pw_galera_begin(storage->galera, err));
}

static enum pw_stored commit(void *self, struct pw_err *err)
{
    struct galera_storage *storage = self;
    return stored_of(pw_galera_commit(storage->galera, err));
}

static void rollback(void *self)
{
    struct galera_storage *storage = self;
    pw_galera_rollback(storage->galera);
}

static uint64_t connections(void *self)
{
    struct galera_storage *storage = self;
    return pw_galera_connections(storage->galera);
}

static const char *node(void *self)
{
    struct galera_storage *storage = self;
    return pw_galera_node(storage->galera);
}

static void close_storage(void *self)
{
    struct galera_storage *storage = self;
    pw_galera_free(storage->galera);
    free(storage->values);
    free(storage);
}

enum pw_code pw_galera_storage_open(const struct pw_galera_options *options,
                                    struct pw_storage *ret_storage, struct pw_err *err)
{
    struct pw_galera *galera = NULL;
    enum pw_code code = pw_galera_new(options, &galera, err);
    if (code != PW_OK) {
        return code;
    }
    struct galera_storage *storage = pw_memory_new(1, sizeof *storage);
    storage->galera = galera;
    storage->values = pw_memory_new(COLUMNS_MAX, sizeof *storage->values);
    storage->positions = pw_galera_prepare(
        galera, "SET STATEMENT wsrep_sync_wait = 7 FOR "
                "SELECT p.partition_number, p.ledger_id, p.partition_count, p.record_offset, "
                "p.head, p.writer_epoch, g.generation "
                "FROM (SELECT name, COALESCE(NULLIF(?, 0), generation) AS generation "
                "FROM pw_projections WHERE name = ?) g LEFT JOIN pw_positions p "
                "ON p.projection = g.name AND p.generation = g.generation");
    storage->generations = pw_galera_prepare(
        galera, "SET STATEMENT wsrep_sync_wait = 7 FOR "
                "SELECT generation, building, built_by FROM pw_projections WHERE name = ?");
    storage->move_generations = pw_galera_prepare(
        galera, "UPDATE pw_projections SET generation = ?, building = ?, built_by = ? "
                "WHERE name = ? AND generation = ? AND building = ?");
    storage->delete_positions = pw_galera_prepare(
        galera, "DELETE FROM pw_positions WHERE " NEITHER_SHOWN_NOR_BUILDING " AND projection = ?");
    storage->create_position = pw_galera_prepare(
        galera, "INSERT IGNORE INTO pw_positions (projection, generation, partition_number, "
                "ledger_id, partition_count, record_offset, head, writer_epoch) "
                "VALUES (?, ?, ?, ?, ?, -1, ?, 0)");
    storage->move_position = pw_galera_prepare(
        galera, "UPDATE pw_positions SET record_offset = ?, head = ?, writer_epoch = ? "
                "WHERE projection = ? AND generation = ? AND partition_number = ? "
                "AND record_offset = ? AND writer_epoch = ?");
    *ret_storage = (struct pw_storage){.self = storage,
                                       .read_positions = read_positions,
                                       .begin = begin,
                                       .upsert = upsert,
                                       .create_position = create_position,
                                       .move_position = move_position,
                                       .read_generations = read_generations,
                                       .move_generations = move_generations,
                                       .delete_rows = delete_rows,
                                       .delete_positions = delete_positions,
                                       .commit = commit,
                                       .rollback = rollback,
                                       .connections = connections,
                                       .node = node,
                                       .close = close_storage};
    return PW_OK;
}
