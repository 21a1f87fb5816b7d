/* api/audit_tables.c: the read models' tables, read in one snapshot, against what the ledger says. */
#include "api/audit_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/node.h"
#include "commands/memory.h"

#define TIMEOUT_S      60 /* A tenant's rows are read at once, and there may be many. */
#define SQL_BYTES_MAX  2048
#define PROGRESS_EVERY 65536

static enum pw_code code_of(enum pw_sql sql, const struct pw_err *err)
{
    if (sql == PW_SQL_OK) {
        return PW_OK;
    }
    return sql == PW_SQL_FAULT ? PW_ERR_SETTING_WRONG : err->code;
}

/* --- Where the tables have come --- */

static enum pw_code read_generation(struct pw_audit_tables *tables, struct pw_audited_model *model,
                                    struct pw_err *err)
{
    const char *name = model->projection->name;
    struct pw_query *query =
        pw_galera_prepare(tables->galera, "SELECT generation FROM pw_projections WHERE name = ?");
    pw_query_bind_text(query, 0, pw_str_of(name));
    enum pw_code code = code_of(pw_query_open(query, err), err);
    if (code == PW_OK && !pw_query_next(query)) {
        code = pw_fail(err, PW_ERR_SETTING_WRONG, "pw_projections has no %s: migrate first", name);
    }
    if (code == PW_OK) {
        model->generation = (uint32_t)pw_query_integer(query, 0);
    }
    pw_query_free(query);
    return code;
}

static enum pw_code take_position(const struct pw_audit_tables *tables,
                                  struct pw_audited_model *model, const struct pw_query *query,
                                  struct pw_err *err)
{
    int64_t partition = pw_query_integer(query, 0);
    struct pw_str head = pw_query_text(query, 4);
    if (partition >= tables->partition_count ||
        pw_query_integer(query, 2) != tables->partition_count) {
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "%s has a position of partition %lld of %lld; the ledger has %u partitions",
                       model->projection->name, (long long)partition,
                       (long long)pw_query_integer(query, 2), tables->partition_count);
    }
    struct pw_stored_position *position = &model->positions[partition];
    position->ledger_id = pw_query_id(query, 1);
    position->record_offset = pw_query_integer(query, 3);
    if (head.len == sizeof position->head.bytes) {
        memcpy(position->head.bytes, head.ptr, head.len);
    }
    return PW_OK;
}

/* Of one that somebody names there must be something. */
static enum pw_code check_generation(const struct pw_audited_model *model, uint32_t partition_count,
                                     struct pw_err *err)
{
    for (uint32_t p = 0; p < partition_count; p++) {
        if (!pw_id_is_nil(&model->positions[p].ledger_id)) {
            return PW_OK;
        }
    }
    return pw_fail(err, PW_ERR_USAGE, "%s has no generation %u", model->projection->name,
                   model->generation);
}

static enum pw_code read_positions(struct pw_audit_tables *tables, struct pw_audited_model *model,
                                   struct pw_err *err)
{
    struct pw_query *query = pw_galera_prepare(
        tables->galera, "SELECT partition_number, ledger_id, partition_count, record_offset, head "
                        "FROM pw_positions WHERE projection = ? AND generation = ?");
    pw_query_bind_text(query, 0, pw_str_of(model->projection->name));
    pw_query_bind_integer(query, 1, model->generation);
    enum pw_code code = code_of(pw_query_open(query, err), err);
    while (code == PW_OK && pw_query_next(query)) {
        code = take_position(tables, model, query, err);
    }
    pw_query_free(query);
    return code;
}

static void model_init(struct pw_audited_model *model, const struct pw_projection *projection,
                       uint32_t partition_count)
{
    *model = (struct pw_audited_model){.projection = projection};
    model->expected = pw_expected_new(projection, partition_count);
    model->positions = pw_memory_new(partition_count, sizeof *model->positions);
    model->is_met = pw_memory_new(partition_count, sizeof *model->is_met);
    for (uint32_t p = 0; p < partition_count; p++) {
        model->positions[p].record_offset = -1;
    }
}

enum pw_code pw_audit_tables_begin(struct pw_audit_tables *tables, const struct pw_config *config,
                                   const struct pw_projection *const *projections,
                                   uint32_t projection_count, uint32_t generation,
                                   uint32_t partition_count, struct pw_err *err)
{
    struct pw_galera_options options = pw_node_galera(config);
    options.timeout_s = TIMEOUT_S;
    *tables = (struct pw_audit_tables){.config = config,
                                       .partition_count = partition_count,
                                       .shows_progress = isatty(STDERR_FILENO) != 0};
    tables->models = pw_memory_new(projection_count, sizeof *tables->models);
    tables->model_count = projection_count;
    for (uint32_t i = 0; i < projection_count; i++) {
        model_init(&tables->models[i], projections[i], partition_count);
    }
    enum pw_code code = pw_galera_new(&options, &tables->galera, err);
    if (code == PW_OK) {
        code = code_of(pw_galera_begin_read(tables->galera, err), err);
    }
    for (uint32_t i = 0; code == PW_OK && i < projection_count; i++) {
        struct pw_audited_model *model = &tables->models[i];
        model->generation = generation;
        code = generation == PW_GENERATION_SHOWN ? read_generation(tables, model, err) : PW_OK;
        code = code != PW_OK ? code : read_positions(tables, model, err);
        if (code == PW_OK && generation != PW_GENERATION_SHOWN) {
            code = check_generation(model, partition_count, err);
        }
    }
    return code;
}

void pw_audit_tables_end(struct pw_audit_tables *tables)
{
    for (uint32_t i = 0; i < tables->model_count; i++) {
        pw_expected_free(tables->models[i].expected);
        free(tables->models[i].positions);
        free(tables->models[i].is_met);
    }
    free(tables->models);
    pw_galera_free(tables->galera);
    *tables = (struct pw_audit_tables){0};
}

/* --- What the ledger says --- */

enum pw_code pw_audit_tables_event(struct pw_audit_tables *tables, const struct pw_chain *chain,
                                   const struct pw_record *record, const struct pw_event *event,
                                   const struct pw_tenant *after, struct pw_err *err)
{
    enum pw_code code = PW_OK;
    for (uint32_t i = 0; code == PW_OK && i < tables->model_count; i++) {
        struct pw_audited_model *model = &tables->models[i];
        if (chain->head_offset <= model->positions[chain->partition].record_offset) {
            code = pw_expected_take(model->expected, chain->partition, chain->head_offset, record,
                                    event, after, err);
        }
    }
    return code;
}

void pw_audit_tables_record(struct pw_audit_tables *tables, const struct pw_chain *chain)
{
    for (uint32_t i = 0; i < tables->model_count; i++) {
        struct pw_audited_model *model = &tables->models[i];
        const struct pw_stored_position *position = &model->positions[chain->partition];
        if (position->record_offset == chain->head_offset) {
            model->is_met[chain->partition] = pw_hash_equal(&position->head, &chain->head) &&
                                              pw_id_equal(&position->ledger_id, &chain->ledger_id);
        }
    }
}

static enum pw_code check_met(const struct pw_audit_tables *tables,
                              const struct pw_audited_model *model, struct pw_err *err)
{
    for (uint32_t p = 0; p < tables->partition_count; p++) {
        if (model->positions[p].record_offset >= 0 && !model->is_met[p]) {
            return pw_fail(
                err, PW_ERR_LEDGER_DAMAGED,
                "%s was not read from this ledger: diverged at partition %u, offset %lld",
                model->projection->name, p, (long long)model->positions[p].record_offset);
        }
    }
    return PW_OK;
}

/* --- What the tables say --- */

/* SELECT of a tenant's rows, in the order of the primary key. */
static void rows_sql(const struct pw_table *table, char sql[SQL_BYTES_MAX])
{
    int at = snprintf(sql, SQL_BYTES_MAX, "SELECT ");
    for (uint32_t i = 0; i < table->column_count; i++) {
        at += snprintf(sql + at, (size_t)(SQL_BYTES_MAX - at), "%s, ", table->columns[i].name);
    }
    at += snprintf(sql + at, (size_t)(SQL_BYTES_MAX - at),
                   "changed_at_us, record_offset FROM %s WHERE generation = ? AND tenant_id = ? "
                   "ORDER BY ",
                   table->name);
    for (uint32_t i = 0; i < table->key_count; i++) {
        at += snprintf(sql + at, (size_t)(SQL_BYTES_MAX - at), "%s%s", i == 0 ? "" : ", ",
                       table->columns[i].name);
    }
    assert(at < SQL_BYTES_MAX);
}

static struct pw_cell cell_of(const struct pw_query *query, uint32_t column,
                              enum pw_column_kind kind)
{
    struct pw_str bytes = pw_query_text(query, column);
    struct pw_hash hash = {0};
    if (pw_query_is_null(query, column)) {
        return pw_cell_null(kind);
    }
    switch (kind) {
    case PW_COLUMN_ID: return pw_cell_id(pw_query_id(query, column));
    case PW_COLUMN_INTEGER: return pw_cell_integer(pw_query_integer(query, column));
    case PW_COLUMN_TEXT: return pw_cell_text(bytes);
    case PW_COLUMN_BYTES: return pw_cell_bytes(bytes);
    case PW_COLUMN_HASH: break;
    }
    if (bytes.len == sizeof hash.bytes) {
        memcpy(hash.bytes, bytes.ptr, bytes.len);
    }
    return pw_cell_hash(hash);
}

static void take_row(const struct pw_query *query, const struct pw_table *table,
                     struct pw_batch_row *ret_row)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        ret_row->row.cells[i] = cell_of(query, i, table->columns[i].kind);
    }
    ret_row->row.table = table;
    ret_row->changed_at_us = pw_query_integer(query, table->column_count);
    ret_row->record_offset = pw_query_integer(query, table->column_count + 1);
}

static void show_progress(const struct pw_audit_tables *tables,
                          const struct pw_audited_model *model)
{
    if (tables->shows_progress && model->row_count % PROGRESS_EVERY == 0) {
        fprintf(stderr, "\r%s: %llu rows", model->projection->name,
                (unsigned long long)model->row_count);
    }
}

static enum pw_code compare_tenant(struct pw_audit_tables *tables, struct pw_audited_model *model,
                                   uint32_t number, struct pw_query *rows, struct pw_id tenant_id,
                                   struct pw_err *err)
{
    struct pw_batch_row row = {.tenant_id = tenant_id};
    pw_query_bind_integer(rows, 0, model->generation);
    pw_query_bind_id(rows, 1, &tenant_id);
    enum pw_code code = code_of(pw_query_open(rows, err), err);
    while (code == PW_OK && model->difference.kind == PW_DIFFERENCE_NONE && pw_query_next(rows)) {
        struct pw_difference difference;
        take_row(rows, model->projection->tables[number], &row);
        if (!pw_expected_check(model->expected, number, &row, &difference)) {
            model->difference = difference;
        }
        model->row_count++;
        show_progress(tables, model);
    }
    return code;
}

/* A table's rows in the order of its key; in memory at one time are those of one tenant. */
static enum pw_code compare_table(struct pw_audit_tables *tables, struct pw_audited_model *model,
                                  uint32_t number, struct pw_err *err)
{
    char sql[SQL_BYTES_MAX];
    const struct pw_table *table = model->projection->tables[number];
    snprintf(sql, sizeof sql,
             "SELECT DISTINCT tenant_id FROM %s WHERE generation = ? ORDER BY tenant_id",
             table->name);
    struct pw_query *tenants = pw_galera_prepare(tables->galera, sql);
    rows_sql(table, sql);
    struct pw_query *rows = pw_galera_prepare(tables->galera, sql);
    pw_query_bind_integer(tenants, 0, model->generation);
    enum pw_code code = code_of(pw_query_open(tenants, err), err);
    while (code == PW_OK && model->difference.kind == PW_DIFFERENCE_NONE &&
           pw_query_next(tenants)) {
        code = compare_tenant(tables, model, number, rows, pw_query_id(tenants, 0), err);
    }
    struct pw_difference difference;
    if (code == PW_OK && model->difference.kind == PW_DIFFERENCE_NONE &&
        !pw_expected_finish(model->expected, number, &difference)) {
        model->difference = difference;
    }
    return code;
}

enum pw_code pw_audit_tables_compare(struct pw_audit_tables *tables, struct pw_err *err)
{
    enum pw_code code = PW_OK;
    for (uint32_t i = 0; code == PW_OK && i < tables->model_count; i++) {
        struct pw_audited_model *model = &tables->models[i];
        code = check_met(tables, model, err);
        pw_expected_seal(model->expected);
        for (uint32_t table = 0; code == PW_OK && model->difference.kind == PW_DIFFERENCE_NONE &&
                                 table < model->projection->table_count;
             table++) {
            code = compare_table(tables, model, table, err);
        }
    }
    if (tables->shows_progress) {
        fputs("\r                              \r", stderr);
    }
    return code;
}
