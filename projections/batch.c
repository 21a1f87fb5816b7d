/* projections/batch.c: an array of rows with an index of their keys. */
#include "projections/batch.h"

#include "commands/memory.h"
#include "schemas/arena.h"

#include <stdlib.h>

#define ARENA_BYTES_MAX (64U << 20)

struct pw_batch {
    struct pw_batch_row *rows;
    uint32_t count;
    uint32_t room;
    uint32_t *index; /* Row number + 1 by hash of the key; 0: free. A power of two, half full. */
    uint32_t index_room;
    const struct pw_batch_row **listed;
    size_t bytes;
    struct pw_arena texts;
};

struct pw_batch *pw_batch_new(void)
{
    struct pw_batch *batch = pw_memory_new(1, sizeof *batch);
    pw_arena_init(&batch->texts, ARENA_BYTES_MAX);
    return batch;
}

void pw_batch_free(struct pw_batch *batch)
{
    if (batch == NULL) {
        return;
    }
    free(batch->rows);
    free(batch->index);
    free(batch->listed);
    pw_arena_close(&batch->texts);
    free(batch);
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    for (size_t i = 0; i < bytes; i++) { /* FNV-1a. */
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static uint64_t hash_cell(uint64_t hash, const struct pw_cell *cell)
{
    switch (cell->kind) {
    case PW_COLUMN_ID: return hash_bytes(hash, cell->id.bytes, sizeof cell->id.bytes);
    case PW_COLUMN_HASH: return hash_bytes(hash, cell->hash.bytes, sizeof cell->hash.bytes);
    case PW_COLUMN_INTEGER: return hash_bytes(hash, &cell->integer, sizeof cell->integer);
    case PW_COLUMN_TEXT:
    case PW_COLUMN_BYTES: return hash_bytes(hash, cell->text.ptr, cell->text.len);
    }
    return hash;
}

static uint64_t hash_of(const struct pw_batch_row *row)
{
    uint64_t hash =
        hash_bytes(UINT64_C(0xcbf29ce484222325), row->tenant_id.bytes, sizeof row->tenant_id.bytes);
    for (uint32_t i = 0; i < row->row.table->key_count; i++) {
        hash = hash_cell(hash, &row->row.cells[i]);
    }
    return hash ^ hash >> 32;
}

bool pw_batch_row_same_key(const struct pw_batch_row *a, const struct pw_batch_row *b)
{
    bool same = a->row.table == b->row.table && pw_id_equal(&a->tenant_id, &b->tenant_id);
    for (uint32_t i = 0; same && i < a->row.table->key_count; i++) {
        same = pw_cell_equal(&a->row.cells[i], &b->row.cells[i]);
    }
    return same;
}

/* The place in the index of this key, or of the free place where it would go. */
static uint32_t *index_place(struct pw_batch *batch, const struct pw_batch_row *row)
{
    uint32_t mask = batch->index_room - 1;
    uint32_t at = (uint32_t)hash_of(row) & mask;
    while (batch->index[at] != 0 &&
           !pw_batch_row_same_key(&batch->rows[batch->index[at] - 1], row)) {
        at = (at + 1) & mask;
    }
    return &batch->index[at];
}

static void grow(struct pw_batch *batch)
{
    batch->room = batch->room == 0 ? 256 : batch->room * 2;
    batch->rows = pw_memory_grow(batch->rows, batch->room * sizeof *batch->rows);
    batch->listed = pw_memory_grow(batch->listed, batch->room * sizeof *batch->listed);
    batch->index_room = batch->room * 2;
    free(batch->index);
    batch->index = pw_memory_new(batch->index_room, sizeof *batch->index);
    for (uint32_t i = 0; i < batch->count; i++) {
        *index_place(batch, &batch->rows[i]) = i + 1;
    }
}

static size_t wire_bytes(const struct pw_batch_row *row)
{
    size_t bytes = sizeof row->tenant_id + 3 * sizeof(int64_t);
    for (uint32_t i = 0; i < row->row.table->column_count; i++) {
        const struct pw_cell *cell = &row->row.cells[i];
        bytes += pw_column_is_view(cell->kind) ? cell->text.len + 4 : sizeof cell->hash;
    }
    return bytes;
}

void pw_batch_put(struct pw_batch *batch, const struct pw_batch_row *row)
{
    if (batch->count == batch->room) {
        grow(batch);
    }
    uint32_t *place = index_place(batch, row);
    if (*place == 0) {
        *place = ++batch->count;
    }
    struct pw_batch_row *kept = &batch->rows[*place - 1];
    *kept = *row;
    for (uint32_t i = 0; i < row->row.table->column_count; i++) {
        struct pw_cell *cell = &kept->row.cells[i];
        if (pw_column_is_view(cell->kind) && !cell->is_null && cell->text.len > 0) {
            cell->text = pw_arena_copy(&batch->texts, cell->text);
            assert(cell->text.ptr != NULL); /* The worker ends a batch long before the ceiling. */
        }
    }
    batch->bytes += wire_bytes(kept);
}

uint32_t pw_batch_count(const struct pw_batch *batch)
{
    return batch->count;
}

size_t pw_batch_bytes(const struct pw_batch *batch)
{
    return batch->bytes;
}

const struct pw_batch_row *const *pw_batch_rows(struct pw_batch *batch,
                                                const struct pw_table *table, uint32_t *ret_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->rows[i].row.table == table) {
            batch->listed[count++] = &batch->rows[i];
        }
    }
    *ret_count = count;
    return batch->listed;
}

void pw_batch_reset(struct pw_batch *batch)
{
    if (batch->count > 0) {
        memset(batch->index, 0, batch->index_room * sizeof *batch->index);
    }
    batch->count = 0;
    batch->bytes = 0;
    pw_arena_reset(&batch->texts);
}
