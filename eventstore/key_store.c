#include "eventstore/key_parts.h"

#include <stdlib.h>

struct pw_key_store {
    struct pw_key_log log;
    struct pw_key_ring *ring;
};

/* --- Open and close --- */

enum pw_code pw_key_store_open(const struct pw_key_store_config *config,
                               struct pw_key_store **ret_store, struct pw_err *err)
{
    struct pw_key_store *store = key_memory(calloc(1, sizeof *store));
    store->log = config->log;
    enum pw_code code = pw_key_ring_new(config->masters, config->opened_max, &store->ring, err);
    if (code != PW_OK) {
        pw_key_store_close(store);
        return code;
    }
    *ret_store = store;
    return PW_OK;
}

void pw_key_store_close(struct pw_key_store *store)
{
    if (store == NULL) {
        return;
    }
    store->log.close(store->log.self);
    pw_key_ring_free(store->ring);
    free(store);
}

enum pw_code pw_key_store_read(struct pw_key_store *store, const struct pw_key_progress *progress,
                               struct pw_key_counts *ret_counts, struct pw_err *err)
{
    struct pw_key_ring *ring = store->ring;
    struct key_table table;
    enum pw_code code = key_read(&store->log, ring->masters, &ring->table, progress,
                                 key_scratch(ring), &table, ret_counts, err);
    if (code == PW_OK) {
        key_ring_swap(ring, &table);
    }
    return code;
}

/* --- Using and making --- */

enum pw_code pw_key_store_seal(struct pw_key_store *store, const struct pw_id *tenant_id,
                               const struct pw_id *key_id, struct pw_str associated,
                               struct pw_str plain, uint8_t *ret_sealed, struct pw_err *err)
{
    return pw_key_ring_seal(store->ring, tenant_id, key_id, associated, plain, ret_sealed, err);
}

enum pw_code pw_key_store_unseal(struct pw_key_store *store, const struct pw_id *tenant_id,
                                 const struct pw_id *key_id, struct pw_str associated,
                                 struct pw_str sealed, uint8_t *ret_plain, size_t *ret_plain_bytes,
                                 struct pw_err *err)
{
    return pw_key_ring_unseal(store->ring, tenant_id, key_id, associated, sealed, ret_plain,
                              ret_plain_bytes, err);
}

enum pw_code pw_key_store_tag(struct pw_key_store *store, const struct pw_id *tenant_id,
                              const struct pw_id *key_id, struct pw_str context,
                              struct pw_str value, struct pw_hash *ret_tag, struct pw_err *err)
{
    return pw_key_ring_tag(store->ring, tenant_id, key_id, context, value, ret_tag, err);
}

enum pw_code pw_key_store_create(struct pw_key_store *store, const struct pw_id *tenant_id,
                                 enum pw_key_purpose purpose, struct pw_id *ret_key_id,
                                 struct pw_err *err)
{
    struct pw_key_put put;
    pw_key_ring_make(store->ring, tenant_id, purpose, &put);
    enum pw_code code = store->log.put(store->log.self, &put.key_id, put.value, false, err);
    if (code == PW_OK) {
        pw_key_ring_add(store->ring, &put);
        *ret_key_id = put.key_id;
    }
    return code;
}

/* --- Looking --- */

uint32_t pw_key_store_count(const struct pw_key_store *store)
{
    return store->ring->table.count;
}

bool pw_key_store_at(const struct pw_key_store *store, uint32_t number,
                     struct pw_key_record *ret_record)
{
    assert(number < store->ring->table.count);
    const struct key *key = &store->ring->table.keys[number];
    if (key->state != KEY_GONE) {
        *ret_record = key->record;
    }
    return key->state != KEY_GONE;
}

enum pw_code pw_key_store_try(struct pw_key_store *store, const struct pw_id *key_id,
                              struct pw_err *err)
{
    const struct key *key = key_table_find(&store->ring->table, key_id);
    if (key == NULL || key->state == KEY_GONE) {
        return key_not_there(key_id, err);
    }
    enum pw_code code = key_open(store->ring, key, key_scratch(store->ring), err);
    key_scratch_clear(store->ring);
    return code;
}

/* --- Destroying --- */

enum pw_code pw_key_store_destroy(struct pw_key_store *store, const struct pw_id *key_ids,
                                  size_t count, size_t *ret_lingering, struct pw_err *err)
{
    bool *lingers = key_memory(calloc(count + 1, sizeof *lingers));
    for (size_t i = 0; i < count; i++) { /* Before the log: they must not be used from now on. */
        pw_key_ring_forget(store->ring, &key_ids[i]);
    }
    enum pw_code code = pw_key_log_destroy(&store->log, key_ids, count, lingers, err);
    if (code == PW_OK) {
        *ret_lingering = 0;
        for (size_t i = 0; i < count; i++) {
            *ret_lingering += lingers[i];
        }
    }
    free(lingers);
    return code;
}

/* --- Re-wrapping --- */

static enum pw_code rewrap_one(struct pw_key_store *store, uint32_t number,
                               struct pw_rewrap_counts *counts, struct pw_err *err)
{
    struct pw_key_ring *ring = store->ring;
    struct key *key = &ring->table.keys[number];
    uint8_t value[PW_KEY_RECORD_BYTES];
    if (key->state == KEY_GONE) {
        return PW_OK;
    }
    if (key->state == KEY_GOOD &&
        pw_id_equal(&key->record.master_id, pw_masters_id(store->ring->masters, 0))) {
        counts->current++;
        return PW_OK;
    }
    if (key_open(ring, key, key_scratch(ring), NULL) != PW_OK) {
        counts->unopened++;
        return PW_OK;
    }
    struct pw_key_record record = key->record;
    key_wrap_scratch(ring, &record, value);
    enum pw_code code = store->log.put(store->log.self, &record.key_id, value, true, err);
    if (code == PW_ERR_NOT_FOUND) {
        pw_key_ring_forget(ring, &record.key_id);
        counts->destroyed++;
        return PW_OK;
    }
    if (code == PW_OK) {
        key_set(key, &record, value);
        counts->rewrapped++;
    }
    return code;
}

/* What has a value behind its tombstone is destroyed again. */
static enum pw_code destroy_late(struct pw_key_store *store, uint64_t late_count,
                                 uint64_t *ret_count, struct pw_err *err)
{
    size_t count = 0;
    size_t lingering = 0;
    struct pw_id *ids = key_memory(calloc(late_count + 1, sizeof *ids));
    for (uint32_t i = 0; i < store->ring->table.count && count < late_count; i++) {
        if (store->ring->table.keys[i].late) {
            ids[count++] = store->ring->table.keys[i].record.key_id;
        }
    }
    enum pw_code code =
        count == 0 ? PW_OK : pw_key_store_destroy(store, ids, count, &lingering, err);
    *ret_count = count;
    free(ids);
    return code;
}

/* Writes a key that is under the current master key once more. */
static enum pw_code push(struct pw_key_store *store, struct pw_err *err)
{
    for (uint32_t i = 0; i < store->ring->table.count; i++) {
        const struct key *key = &store->ring->table.keys[i];
        if (key->state == KEY_GOOD &&
            pw_id_equal(&key->record.master_id, pw_masters_id(store->ring->masters, 0))) {
            enum pw_code code =
                store->log.put(store->log.self, &key->record.key_id, key->value, true, err);
            return code == PW_ERR_NOT_FOUND ? PW_OK : code;
        }
    }
    return PW_OK;
}

enum pw_code pw_key_store_rewrap(struct pw_key_store *store, const struct pw_key_progress *progress,
                                 struct pw_rewrap_counts *ret_counts, struct pw_err *err)
{
    struct pw_key_counts read = {.keys = 0};
    struct pw_rewrap_counts counts = {.rewrapped = 0};
    uint64_t late = 0;
    enum pw_code code = pw_key_store_read(store, NULL, &read, err);
    uint32_t count =
        store->ring->table.count; /* What is made meanwhile is under the current one. */
    for (uint32_t i = 0; code == PW_OK && i < count; i++) {
        code = rewrap_one(store, i, &counts, err);
        if (progress != NULL && i % KEY_TELL_EVERY == 0) {
            progress->told(progress->self, i, count);
        }
    }
    if (code == PW_OK && counts.rewrapped == 0 && read.old > 0) {
        code = push(store, err);
    }
    code = code != PW_OK ? code : pw_key_store_read(store, NULL, &read, err);
    code = code != PW_OK ? code : destroy_late(store, read.late, &late, err);
    if (code == PW_OK) {
        counts.destroyed += late;
        counts.lingering = read.old;
        *ret_counts = counts;
    }
    return code;
}
