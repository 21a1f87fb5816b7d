#include "eventstore/key_parts.h"

#include <stdlib.h>

#define DESTROY_ROUNDS 8 /* Each of them means that somebody wrote the key again meanwhile. */

struct slot {
    uint8_t data_key[PW_KEY_BYTES];
};

struct pw_key_store {
    struct pw_key_log log;
    const struct pw_masters *masters;
    struct key_table table;
    struct slot *slots; /* In locked memory: opened_max of them, and one as scratch. */
    uint32_t *owners;   /* Of each slot: the key's number, or KEY_NO_SLOT. */
    uint32_t opened_max;
    uint32_t next_slot;
};

/* --- Open and close --- */

enum pw_code pw_key_store_open(const struct pw_key_store_config *config,
                               struct pw_key_store **ret_store, struct pw_err *err)
{
    assert(config->opened_max >= 1 && config->opened_max <= PW_KEY_STORE_OPENED_MAX);
    struct pw_key_store *store = key_memory(calloc(1, sizeof *store));
    size_t bytes = (config->opened_max + 1) * sizeof *store->slots;
    store->log = config->log;
    store->masters = config->masters;
    store->opened_max = config->opened_max;
    store->owners = key_memory(malloc(config->opened_max * sizeof *store->owners));
    memset(store->owners, 0xff, config->opened_max * sizeof *store->owners);
    key_table_init(&store->table);
    store->slots = sodium_malloc(bytes);
    if (store->slots == NULL || sodium_mlock(store->slots, bytes) != 0) {
        pw_key_store_close(store);
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "%zu bytes of memory for keys cannot be locked: raise RLIMIT_MEMLOCK",
                       bytes);
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
    sodium_free(store->slots); /* It zeroes them. */
    free(store->owners);
    key_table_close(&store->table);
    free(store);
}

static uint8_t *scratch_of(struct pw_key_store *store)
{
    return store->slots[store->opened_max].data_key;
}

static void scratch_clear(struct pw_key_store *store)
{
    sodium_memzero(scratch_of(store), PW_KEY_BYTES);
}

/* --- Reading --- */

static void close_all(struct pw_key_store *store)
{
    sodium_memzero(store->slots, store->opened_max * sizeof *store->slots);
    memset(store->owners, 0xff, store->opened_max * sizeof *store->owners);
    store->next_slot = 0;
}

enum pw_code pw_key_store_read(struct pw_key_store *store, const struct pw_key_progress *progress,
                               struct pw_key_counts *ret_counts, struct pw_err *err)
{
    struct key_table table;
    enum pw_code code = key_read(&store->log, store->masters, &store->table, progress,
                                 scratch_of(store), &table, ret_counts, err);
    if (code != PW_OK) {
        return code;
    }
    close_all(store);
    key_table_close(&store->table);
    store->table = table;
    return PW_OK;
}

/* --- Using --- */

static enum pw_code not_there(const struct pw_id *key_id, struct pw_err *err)
{
    char text[PW_ID_TEXT_BYTES + 1];
    pw_id_format(key_id, text);
    return pw_fail(err, PW_ERR_NOT_FOUND, "there is no key %s here", text);
}

static enum pw_code open_into(struct pw_key_store *store, const struct key *key, uint8_t *data_key,
                              struct pw_err *err)
{
    char text[PW_ID_TEXT_BYTES + 1];
    if (key->state == KEY_BROKEN) {
        pw_id_format(&key->record.key_id, text);
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "the record of key %s is damaged", text);
    }
    return pw_key_unwrap(store->masters, key->value, data_key, err);
}

static uint32_t slot_free(struct pw_key_store *store)
{
    uint32_t slot = store->next_slot;
    store->next_slot = (slot + 1) % store->opened_max;
    if (store->owners[slot] != KEY_NO_SLOT) {
        store->table.keys[store->owners[slot]].slot = KEY_NO_SLOT;
        store->owners[slot] = KEY_NO_SLOT;
    }
    sodium_memzero(&store->slots[slot], sizeof store->slots[slot]);
    return slot;
}

static enum pw_code data_key_of(struct pw_key_store *store, const struct pw_id *tenant_id,
                                const struct pw_id *key_id, enum pw_key_purpose purpose,
                                const uint8_t **ret_data_key, struct pw_err *err)
{
    struct key *key = key_table_find(&store->table, key_id);
    bool is_there = key != NULL && key->state != KEY_GONE;
    bool is_meant =
        is_there && (key->state == KEY_BROKEN || (key->record.purpose == purpose &&
                                                  pw_id_equal(&key->record.tenant_id, tenant_id)));
    if (!is_meant) {
        return not_there(key_id, err);
    }
    if (key->slot == KEY_NO_SLOT) {
        uint32_t slot = slot_free(store);
        enum pw_code code = open_into(store, key, store->slots[slot].data_key, err);
        if (code != PW_OK) {
            return code;
        }
        store->owners[slot] = (uint32_t)(key - store->table.keys);
        key->slot = slot;
    }
    *ret_data_key = store->slots[key->slot].data_key;
    return PW_OK;
}

enum pw_code pw_key_store_seal(struct pw_key_store *store, const struct pw_id *tenant_id,
                               const struct pw_id *key_id, struct pw_str associated,
                               struct pw_str plain, uint8_t *ret_sealed, struct pw_err *err)
{
    const uint8_t *data_key;
    uint8_t nonce[PW_KEY_NONCE_BYTES];
    enum pw_code code = data_key_of(store, tenant_id, key_id, PW_KEY_PERSONAL, &data_key, err);
    if (code == PW_OK) {
        randombytes_buf(nonce, sizeof nonce);
        pw_payload_seal(data_key, key_id, nonce, associated, plain, ret_sealed);
    }
    return code;
}

enum pw_code pw_key_store_unseal(struct pw_key_store *store, const struct pw_id *tenant_id,
                                 const struct pw_id *key_id, struct pw_str associated,
                                 struct pw_str sealed, uint8_t *ret_plain, size_t *ret_plain_bytes,
                                 struct pw_err *err)
{
    const uint8_t *data_key;
    enum pw_code code = data_key_of(store, tenant_id, key_id, PW_KEY_PERSONAL, &data_key, err);
    return code != PW_OK ? code
                         : pw_payload_open(data_key, key_id, associated, sealed, ret_plain,
                                           ret_plain_bytes, err);
}

enum pw_code pw_key_store_tag(struct pw_key_store *store, const struct pw_id *tenant_id,
                              const struct pw_id *key_id, struct pw_str context,
                              struct pw_str value, struct pw_hash *ret_tag, struct pw_err *err)
{
    const uint8_t *data_key;
    enum pw_code code = data_key_of(store, tenant_id, key_id, PW_KEY_EQUALITY, &data_key, err);
    if (code == PW_OK) {
        *ret_tag = pw_equality_tag(data_key, context, value);
    }
    return code;
}

/* --- Making --- */

/* A UUIDv4: random, so that two who make a key at once never meet. */
static struct pw_id random_id(void)
{
    struct pw_id id;
    randombytes_buf(id.bytes, sizeof id.bytes);
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

/* Wraps what lies in the scratch under the current master key. */
static void wrap(struct pw_key_store *store, struct pw_key_record *record, uint8_t *ret_value)
{
    uint8_t nonce[PW_KEY_NONCE_BYTES];
    char text[PW_ID_TEXT_BYTES + 1];
    randombytes_buf(nonce, sizeof nonce);
    pw_key_wrap(store->masters, record, scratch_of(store), nonce, ret_value);
    pw_id_format(&record->key_id, text);
    enum pw_key_verdict verdict =
        pw_key_record_read(pw_str_of(text), ret_value, PW_KEY_RECORD_BYTES, record);
    assert(verdict == PW_KEY_GOOD); /* What is written is read by our own reader first. */
    (void)verdict;
}

enum pw_code pw_key_store_create(struct pw_key_store *store, const struct pw_id *tenant_id,
                                 enum pw_key_purpose purpose, struct pw_id *ret_key_id,
                                 struct pw_err *err)
{
    struct pw_key_record record = {
        .purpose = purpose,
        .key_id = random_id(),
        .tenant_id = *tenant_id,
    };
    uint8_t value[PW_KEY_RECORD_BYTES];
    bool is_new = false;
    randombytes_buf(scratch_of(store), PW_KEY_BYTES);
    wrap(store, &record, value);
    scratch_clear(store);
    enum pw_code code = store->log.put(store->log.self, &record.key_id, value, false, err);
    if (code == PW_OK) {
        struct key *key = key_table_take(&store->table, &record.key_id, &is_new);
        key_set(key, &record, value);
        key->found = true;
        *ret_key_id = record.key_id;
    }
    return code;
}

/* --- Looking --- */

uint32_t pw_key_store_count(const struct pw_key_store *store)
{
    return store->table.count;
}

bool pw_key_store_at(const struct pw_key_store *store, uint32_t number,
                     struct pw_key_record *ret_record)
{
    assert(number < store->table.count);
    const struct key *key = &store->table.keys[number];
    if (key->state != KEY_GONE) {
        *ret_record = key->record;
    }
    return key->state != KEY_GONE;
}

enum pw_code pw_key_store_try(struct pw_key_store *store, const struct pw_id *key_id,
                              struct pw_err *err)
{
    const struct key *key = key_table_find(&store->table, key_id);
    if (key == NULL || key->state == KEY_GONE) {
        return not_there(key_id, err);
    }
    enum pw_code code = open_into(store, key, scratch_of(store), err);
    scratch_clear(store);
    return code;
}

/* --- Destroying --- */

static void forget(struct pw_key_store *store, const struct pw_id *key_id)
{
    bool is_new = false;
    struct key *key = key_table_take(&store->table, key_id, &is_new);
    if (key->slot != KEY_NO_SLOT) {
        sodium_memzero(&store->slots[key->slot], sizeof store->slots[key->slot]);
        store->owners[key->slot] = KEY_NO_SLOT;
        key->slot = KEY_NO_SLOT;
    }
    key_end(key);
}

/* So many of these ids have a value behind their tombstone, and so many one before it. */
static size_t count_late(const struct pw_key_store *store, const struct pw_id *key_ids,
                         size_t count, size_t *ret_lingering)
{
    size_t late = 0;
    *ret_lingering = 0;
    for (size_t i = 0; i < count; i++) {
        const struct key *key = key_table_find(&store->table, &key_ids[i]);
        late += key != NULL && key->late;
        *ret_lingering += key != NULL && !key->late && key->found;
    }
    return late;
}

enum pw_code pw_key_store_destroy(struct pw_key_store *store, const struct pw_id *key_ids,
                                  size_t count, size_t *ret_lingering, struct pw_err *err)
{
    struct pw_key_counts counts;
    size_t lingering = 0;
    for (int round = 0; round < DESTROY_ROUNDS; round++) {
        for (size_t i = 0; i < count; i++) {
            const struct key *key = key_table_find(&store->table, &key_ids[i]);
            if (round > 0 && (key == NULL || !key->late)) {
                continue;
            }
            forget(store, &key_ids[i]); /* Before the log: it must not be used from now on. */
            enum pw_code code = store->log.destroy(store->log.self, &key_ids[i], err);
            if (code != PW_OK) {
                return code;
            }
        }
        enum pw_code code = pw_key_store_read(store, NULL, &counts, err);
        if (code != PW_OK) {
            return code;
        }
        if (count_late(store, key_ids, count, &lingering) == 0) {
            *ret_lingering = lingering;
            return PW_OK;
        }
    }
    return pw_fail(err, PW_ERR_LEDGER_DOWN,
                   "a key that is being destroyed is written again and again");
}

/* --- Re-wrapping --- */

static enum pw_code rewrap_one(struct pw_key_store *store, uint32_t number,
                               struct pw_rewrap_counts *counts, struct pw_err *err)
{
    struct key *key = &store->table.keys[number];
    uint8_t value[PW_KEY_RECORD_BYTES];
    if (key->state == KEY_GONE) {
        return PW_OK;
    }
    if (key->state == KEY_GOOD &&
        pw_id_equal(&key->record.master_id, pw_masters_id(store->masters, 0))) {
        counts->current++;
        return PW_OK;
    }
    if (open_into(store, key, scratch_of(store), NULL) != PW_OK) {
        counts->unopened++;
        return PW_OK;
    }
    struct pw_key_record record = key->record;
    wrap(store, &record, value);
    scratch_clear(store);
    enum pw_code code = store->log.put(store->log.self, &record.key_id, value, true, err);
    if (code == PW_ERR_NOT_FOUND) {
        forget(store, &record.key_id);
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
    for (uint32_t i = 0; i < store->table.count && count < late_count; i++) {
        if (store->table.keys[i].late) {
            ids[count++] = store->table.keys[i].record.key_id;
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
    for (uint32_t i = 0; i < store->table.count; i++) {
        const struct key *key = &store->table.keys[i];
        if (key->state == KEY_GOOD &&
            pw_id_equal(&key->record.master_id, pw_masters_id(store->masters, 0))) {
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
    uint32_t count = store->table.count; /* What is made meanwhile is under the current one. */
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
