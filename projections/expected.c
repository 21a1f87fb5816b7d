/* projections/expected.c: rows packed into maps, one for each partition and table, so that a ledger
 * of millions of rows fits into memory; then sorted, and merged with what a table shows. */
#include "projections/expected.h"

#include "commands/map.h"
#include "commands/memory.h"

#include <stdlib.h>

struct sorted_row {
    const uint8_t *key;
    const uint8_t *value;
};

struct expected_table {
    const struct pw_table *table;
    uint32_t key_bytes;
    uint32_t value_bytes;
    struct pw_map **maps; /* One a partition. */
    struct sorted_row *rows;
    uint64_t row_count;
    uint64_t next; /* The row that is to be checked next. */
};

struct pw_expected {
    const struct pw_projection *projection;
    uint32_t partition_count;
    struct expected_table *tables;
};

/* --- Packing ---
 * A key is the tenant and the key's cells, so that memcmp sorts as SQL does: ids by their bytes,
 * integers with the highest byte first and the sign turned round. A value is changed_at_us,
 * record_offset, and of each other cell a byte that says NULL and the cell's bytes. */

static uint32_t cell_bytes(enum pw_column_kind kind)
{
    switch (kind) {
    case PW_COLUMN_ID: return sizeof(struct pw_id);
    case PW_COLUMN_HASH: return sizeof(struct pw_hash);
    case PW_COLUMN_INTEGER: return sizeof(int64_t);
    case PW_COLUMN_TEXT:
    case PW_COLUMN_BYTES: return sizeof(struct pw_str);
    }
    return 0;
}

static void key_pack(const struct pw_table *table, const struct pw_batch_row *row, uint8_t *at)
{
    memcpy(at, row->tenant_id.bytes, sizeof row->tenant_id.bytes);
    at += sizeof row->tenant_id.bytes;
    for (uint32_t i = 0; i < table->key_count; i++) {
        const struct pw_cell *cell = &row->row.cells[i];
        uint32_t bytes = cell_bytes(cell->kind);
        /* Texts are in no key: their order would hang on a collation. */
        assert(!cell->is_null && !pw_column_is_view(cell->kind));
        if (cell->kind == PW_COLUMN_INTEGER) {
            uint64_t number = (uint64_t)cell->integer ^ UINT64_C(1) << 63;
            for (uint32_t byte = 0; byte < bytes; byte++) {
                at[byte] = (uint8_t)(number >> (56 - 8 * byte));
            }
        } else {
            memcpy(at, &cell->id, bytes); /* The union's beginning. */
        }
        at += bytes;
    }
}

static void key_unpack(const struct pw_table *table, const uint8_t *at, struct pw_id *ret_tenant_id,
                       struct pw_cell *ret_cells)
{
    memcpy(ret_tenant_id->bytes, at, sizeof ret_tenant_id->bytes);
    at += sizeof ret_tenant_id->bytes;
    for (uint32_t i = 0; i < table->key_count; i++) {
        struct pw_cell *cell = &ret_cells[i];
        *cell = (struct pw_cell){.kind = table->columns[i].kind};
        uint32_t bytes = cell_bytes(cell->kind);
        if (cell->kind == PW_COLUMN_INTEGER) {
            uint64_t number = 0;
            for (uint32_t byte = 0; byte < bytes; byte++) {
                number = number << 8 | at[byte];
            }
            cell->integer = (int64_t)(number ^ UINT64_C(1) << 63);
        } else {
            memcpy(&cell->id, at, bytes);
        }
        at += bytes;
    }
}

/* Texts that the value owned before are given back. */
static void value_pack(const struct pw_table *table, const struct pw_batch_row *row, uint8_t *at)
{
    memcpy(at, &row->changed_at_us, sizeof row->changed_at_us);
    memcpy(at + sizeof(int64_t), &row->record_offset, sizeof row->record_offset);
    at += 2 * sizeof(int64_t);
    for (uint32_t i = table->key_count; i < table->column_count; i++) {
        const struct pw_cell *cell = &row->row.cells[i];
        uint32_t bytes = cell_bytes(cell->kind);
        *at++ = cell->is_null;
        if (pw_column_is_view(cell->kind)) {
            struct pw_str text;
            memcpy(&text, at, bytes);
            free((void *)(uintptr_t)text.ptr);
            text = cell->is_null ? (struct pw_str){0} : cell->text;
            char *copy = text.len > 0 ? pw_memory_new(text.len, 1) : NULL;
            if (copy != NULL) {
                memcpy(copy, text.ptr, text.len);
            }
            text.ptr = copy;
            memcpy(at, &text, bytes);
        } else if (cell->is_null) {
            memset(at, 0, bytes);
        } else {
            memcpy(at, &cell->id, bytes);
        }
        at += bytes;
    }
}

static void value_unpack(const struct pw_table *table, const uint8_t *at,
                         struct pw_batch_row *ret_row)
{
    memcpy(&ret_row->changed_at_us, at, sizeof ret_row->changed_at_us);
    memcpy(&ret_row->record_offset, at + sizeof(int64_t), sizeof ret_row->record_offset);
    at += 2 * sizeof(int64_t);
    for (uint32_t i = table->key_count; i < table->column_count; i++) {
        struct pw_cell *cell = &ret_row->row.cells[i];
        *cell = (struct pw_cell){.kind = table->columns[i].kind, .is_null = *at++ != 0};
        uint32_t bytes = cell_bytes(cell->kind);
        memcpy(&cell->id, at, bytes);
        at += bytes;
    }
}

static void texts_free(const struct expected_table *of, const struct pw_map *map)
{
    uint64_t cursor = 0;
    const void *key = NULL;
    const void *value = NULL;
    while (pw_map_next(map, &cursor, &key, &value)) {
        struct pw_batch_row row = {0};
        value_unpack(of->table, value, &row);
        for (uint32_t i = of->table->key_count; i < of->table->column_count; i++) {
            if (pw_column_is_view(of->table->columns[i].kind)) {
                free((void *)(uintptr_t)row.row.cells[i].text.ptr);
            }
        }
    }
}

/* --- Making, taking, sealing --- */

static void table_init(struct expected_table *of, const struct pw_table *table,
                       uint32_t partition_count)
{
    *of = (struct expected_table){
        .table = table, .key_bytes = sizeof(struct pw_id), .value_bytes = 2 * sizeof(int64_t)};
    for (uint32_t i = 0; i < table->column_count; i++) {
        uint32_t bytes = cell_bytes(table->columns[i].kind);
        *(i < table->key_count ? &of->key_bytes : &of->value_bytes) +=
            i < table->key_count ? bytes : bytes + 1;
    }
    assert(of->key_bytes <= PW_MAP_KEY_BYTES_MAX);
    of->maps = pw_memory_new(partition_count, sizeof(struct pw_map *));
    for (uint32_t p = 0; p < partition_count; p++) {
        of->maps[p] = pw_map_new(of->key_bytes, of->value_bytes);
    }
}

struct pw_expected *pw_expected_new(const struct pw_projection *projection,
                                    uint32_t partition_count)
{
    struct pw_expected *expected = pw_memory_new(1, sizeof *expected);
    expected->projection = projection;
    expected->partition_count = partition_count;
    expected->tables = pw_memory_new(projection->table_count, sizeof *expected->tables);
    for (uint32_t i = 0; i < projection->table_count; i++) {
        table_init(&expected->tables[i], projection->tables[i], partition_count);
    }
    return expected;
}

void pw_expected_free(struct pw_expected *expected)
{
    if (expected == NULL) {
        return;
    }
    for (uint32_t i = 0; i < expected->projection->table_count; i++) {
        struct expected_table *of = &expected->tables[i];
        for (uint32_t p = 0; p < expected->partition_count; p++) {
            texts_free(of, of->maps[p]);
            pw_map_free(of->maps[p]);
        }
        free(of->maps);
        free(of->rows);
    }
    free(expected->tables);
    free(expected);
}

static struct expected_table *table_of(struct pw_expected *expected, const struct pw_table *table)
{
    uint32_t i = 0;
    while (expected->tables[i].table != table) {
        i++;
        assert(i < expected->projection->table_count);
    }
    return &expected->tables[i];
}

enum pw_code pw_expected_take(struct pw_expected *expected, uint32_t partition, int64_t offset,
                              const struct pw_record *record, const struct pw_event *event,
                              const struct pw_tenant *after, struct pw_err *err)
{
    struct pw_rows rows = {0};
    if (after == NULL) {
        return PW_OK;
    }
    enum pw_code code = expected->projection->rows(event, after, &rows, err);
    for (uint32_t i = 0; code == PW_OK && i < rows.count; i++) {
        const struct pw_batch_row row = {.tenant_id = record->commit.tenant_id,
                                         .row = rows.rows[i],
                                         .changed_at_us = record->decided_at_us,
                                         .record_offset = offset};
        struct expected_table *of = table_of(expected, row.row.table);
        uint8_t key[PW_MAP_KEY_BYTES_MAX];
        key_pack(of->table, &row, key);
        value_pack(of->table, &row, pw_map_put(of->maps[partition], key, NULL));
    }
    return code;
}

static int compare_rows(const void *a, const void *b, void *key_bytes)
{
    return memcmp(((const struct sorted_row *)a)->key, ((const struct sorted_row *)b)->key,
                  *(const uint32_t *)key_bytes);
}

void pw_expected_seal(struct pw_expected *expected)
{
    for (uint32_t i = 0; i < expected->projection->table_count; i++) {
        struct expected_table *of = &expected->tables[i];
        uint64_t count = 0;
        for (uint32_t p = 0; p < expected->partition_count; p++) {
            count += pw_map_count(of->maps[p]);
        }
        of->rows = pw_memory_new(count + 1, sizeof *of->rows);
        for (uint32_t p = 0; p < expected->partition_count; p++) {
            uint64_t cursor = 0;
            const void *key = NULL;
            const void *value = NULL;
            while (pw_map_next(of->maps[p], &cursor, &key, &value)) {
                of->rows[of->row_count++] = (struct sorted_row){key, value};
            }
        }
        qsort_r(of->rows, of->row_count, sizeof *of->rows, compare_rows, &of->key_bytes);
    }
}

uint64_t pw_expected_count(const struct pw_expected *expected, uint32_t table)
{
    return expected->tables[table].row_count;
}

/* --- Checking --- */

static bool missing(const struct expected_table *of, struct pw_difference *ret_difference)
{
    *ret_difference = (struct pw_difference){.kind = PW_DIFFERENCE_MISSING, .table = of->table};
    key_unpack(of->table, of->rows[of->next].key, &ret_difference->tenant_id, ret_difference->key);
    return false;
}

static void difference_at(const struct expected_table *of, enum pw_difference_kind kind,
                          const struct pw_batch_row *row, struct pw_difference *ret_difference)
{
    *ret_difference =
        (struct pw_difference){.kind = kind, .table = of->table, .tenant_id = row->tenant_id};
    memcpy(ret_difference->key, row->row.cells, of->table->key_count * sizeof(struct pw_cell));
}

static bool column_differs(struct pw_difference *difference, const char *column,
                           struct pw_cell shown, struct pw_cell expected)
{
    difference->column = column;
    difference->shown = shown;
    difference->expected = expected;
    return false;
}

static bool same_values(const struct expected_table *of, const struct pw_batch_row *row,
                        struct pw_difference *ret_difference)
{
    struct pw_batch_row expected = {0};
    value_unpack(of->table, of->rows[of->next].value, &expected);
    difference_at(of, PW_DIFFERENCE_COLUMN, row, ret_difference);
    for (uint32_t i = of->table->key_count; i < of->table->column_count; i++) {
        if (!pw_cell_equal(&row->row.cells[i], &expected.row.cells[i])) {
            return column_differs(ret_difference, of->table->columns[i].name, row->row.cells[i],
                                  expected.row.cells[i]);
        }
    }
    if (row->changed_at_us != expected.changed_at_us) {
        return column_differs(ret_difference, "changed_at_us", pw_cell_integer(row->changed_at_us),
                              pw_cell_integer(expected.changed_at_us));
    }
    if (row->record_offset != expected.record_offset) {
        return column_differs(ret_difference, "record_offset", pw_cell_integer(row->record_offset),
                              pw_cell_integer(expected.record_offset));
    }
    return true;
}

bool pw_expected_check(struct pw_expected *expected, uint32_t table, const struct pw_batch_row *row,
                       struct pw_difference *ret_difference)
{
    struct expected_table *of = &expected->tables[table];
    uint8_t key[PW_MAP_KEY_BYTES_MAX];
    key_pack(of->table, row, key);
    int order = of->next == of->row_count ? -1 : memcmp(key, of->rows[of->next].key, of->key_bytes);
    if (order > 0) {
        return missing(of, ret_difference);
    }
    if (order < 0) {
        difference_at(of, PW_DIFFERENCE_SURPLUS, row, ret_difference);
        return false;
    }
    bool same = same_values(of, row, ret_difference);
    of->next++;
    return same;
}

bool pw_expected_finish(struct pw_expected *expected, uint32_t table,
                        struct pw_difference *ret_difference)
{
    struct expected_table *of = &expected->tables[table];
    return of->next == of->row_count || missing(of, ret_difference);
}
