/* eventstore/key_ring.c: keys in memory, many readers and one writer at a time. */
#include "eventstore/key_parts.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is locked here would not be in a child, such as the one that writes a snapshot. The memory ends where a page ends. */
static void keep_from_children(void *memory, size_t bytes)
{
    uintptr_t end = (uintptr_t)memory + bytes;
    uintptr_t begin = (uintptr_t)memory & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    madvise((void *)begin, end - begin, MADV_DONTFORK);
}

enum pw_code pw_key_ring_new(const struct pw_masters *masters, uint32_t opened_max,
                             struct pw_key_ring **ret_ring, struct pw_err *err)
{
    assert(opened_max >= 1 && opened_max <= PW_KEYS_OPENED_MAX);
    struct pw_key_ring *ring = key_memory(calloc(1, sizeof *ring));
    pthread_rwlockattr_t attributes;
    size_t bytes = (opened_max + 1) * sizeof *ring->slots;
    ring->masters = masters;
    ring->opened_max = opened_max;
    ring->owners = key_memory(malloc(opened_max * sizeof *ring->owners));
    memset(ring->owners, 0xff, opened_max * sizeof *ring->owners);
    key_table_init(&ring->table);
    pthread_rwlockattr_init(&attributes);
    /* Else a crowd of readers would keep out a key's end for as long as it likes. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&ring->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    ring->slots = sodium_malloc(bytes);
    if (ring->slots == NULL || sodium_mlock(ring->slots, bytes) != 0) {
        pw_key_ring_free(ring);
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "%zu bytes of memory for keys cannot be locked: raise RLIMIT_MEMLOCK",
                       bytes);
    }
    keep_from_children(ring->slots, bytes);
    *ret_ring = ring;
    return PW_OK;
}

void pw_key_ring_free(struct pw_key_ring *ring)
{
    if (ring == NULL) {
        return;
    }
    sodium_free(ring->slots); /* It zeroes them. */
    free(ring->owners);
    key_table_close(&ring->table);
    pthread_rwlock_destroy(&ring->lock);
    free(ring);
}

uint8_t *key_scratch(struct pw_key_ring *ring)
{
    return ring->slots[ring->opened_max].data_key;
}

void key_scratch_clear(struct pw_key_ring *ring)
{
    sodium_memzero(key_scratch(ring), PW_KEY_BYTES);
}

/* --- Opened keys --- */

enum pw_code key_open(const struct pw_key_ring *ring, const struct key *key, uint8_t *data_key,
                      struct pw_err *err)
{
    char text[PW_ID_TEXT_BYTES + 1];
    if (key->state == KEY_BROKEN) {
        pw_id_format(&key->record.key_id, text);
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "the record of key %s is damaged", text);
    }
    return pw_key_unwrap(ring->masters, key->value, data_key, err);
}

static void shut(struct pw_key_ring *ring, struct key *key)
{
    if (key->slot != KEY_NO_SLOT) {
        sodium_memzero(&ring->slots[key->slot], sizeof ring->slots[key->slot]);
        ring->owners[key->slot] = KEY_NO_SLOT;
        key->slot = KEY_NO_SLOT;
    }
}

static uint32_t slot_free(struct pw_key_ring *ring)
{
    uint32_t slot = ring->next_slot;
    ring->next_slot = (slot + 1) % ring->opened_max;
    if (ring->owners[slot] != KEY_NO_SLOT) {
        shut(ring, &ring->table.keys[ring->owners[slot]]);
    }
    return slot;
}

void key_ring_swap(struct pw_key_ring *ring, struct key_table *table)
{
    pthread_rwlock_wrlock(&ring->lock);
    sodium_memzero(ring->slots, ring->opened_max * sizeof *ring->slots);
    memset(ring->owners, 0xff, ring->opened_max * sizeof *ring->owners);
    ring->next_slot = 0;
    key_table_close(&ring->table);
    ring->table = *table;
    pthread_rwlock_unlock(&ring->lock);
}

/* --- What the log says --- */

static void tally(struct pw_key_ring *ring, const struct key *key, int by)
{
    struct pw_key_ring_counts *counts = &ring->counts;
    if (key->state == KEY_GONE) {
        counts->destroyed += (uint64_t)by;
    } else if (key->state == KEY_BROKEN ||
               !pw_masters_have(ring->masters, &key->record.master_id)) {
        counts->unopened += (uint64_t)by;
    } else {
        counts->keys += (uint64_t)by;
    }
}

/* A key is changed between these two, and its share of the counts with it. */
static void change_begin(struct pw_key_ring *ring, const struct pw_id *key_id)
{
    pthread_rwlock_wrlock(&ring->lock);
    const struct key *key = key_table_find(&ring->table, key_id);
    if (key != NULL) {
        tally(ring, key, -1);
    }
}

static void change_end(struct pw_key_ring *ring, struct key *key)
{
    tally(ring, key, 1);
    if (key->state == KEY_GONE) {
        shut(ring, key);
    }
    pthread_rwlock_unlock(&ring->lock);
}

enum pw_code pw_key_ring_take(struct pw_key_ring *ring, const struct pw_key_entry *entry,
                              bool *ret_owes, struct pw_err *err)
{
    struct key_reading reading = {
        .table = &ring->table,
        .masters = ring->masters,
        .scratch = key_scratch(ring),
    };
    struct key_told told;
    enum pw_code code = key_tell(entry, &told, err);
    *ret_owes = false;
    if (code != PW_OK || told.verdict == PW_KEY_FOREIGN) {
        return code;
    }
    change_begin(ring, &told.record.key_id);
    struct key *key = key_take(&reading, &told);
    *ret_owes = key->late;
    key->owed = key->owed || key->late;
    bool is_full = ring->table.count > PW_KEYS_MAX;
    change_end(ring, key);
    return is_full ? pw_fail(err, PW_ERR_LEDGER_DAMAGED, "more than %d keys", PW_KEYS_MAX) : PW_OK;
}

void pw_key_ring_add(struct pw_key_ring *ring, const struct pw_key_put *put)
{
    char text[PW_ID_TEXT_BYTES + 1];
    bool owes = false;
    struct pw_key_entry entry = {
        .log_key = {text, PW_ID_TEXT_BYTES},
        .value = put->value,
        .value_bytes = sizeof put->value,
        .count = 1,
    };
    pw_id_format(&put->key_id, text);
    pw_key_ring_take(ring, &entry, &owes, NULL); /* What it owes is seen when the log is read on. */
}

bool pw_key_ring_forget(struct pw_key_ring *ring, const struct pw_id *key_id)
{
    bool is_new = false;
    change_begin(ring, key_id);
    struct key *key = key_table_take(&ring->table, key_id, &is_new);
    key_end(key);
    bool owes = key->found && !key->owed;
    key->owed = key->owed || owes;
    change_end(ring, key);
    return owes;
}

void pw_key_ring_clear(struct pw_key_ring *ring, const struct pw_id *key_id)
{
    pthread_rwlock_wrlock(&ring->lock);
    struct key *key = key_table_find(&ring->table, key_id);
    if (key != NULL && key->state == KEY_GONE) {
        key->found = key->late = key->owed = false;
    }
    pthread_rwlock_unlock(&ring->lock);
}

bool pw_key_ring_knows(struct pw_key_ring *ring, const struct pw_id *key_id)
{
    pthread_rwlock_rdlock(&ring->lock);
    bool is_known = key_table_find(&ring->table, key_id) != NULL;
    pthread_rwlock_unlock(&ring->lock);
    return is_known;
}

void pw_key_ring_count(struct pw_key_ring *ring, struct pw_key_ring_counts *ret_counts)
{
    pthread_rwlock_rdlock(&ring->lock);
    *ret_counts = ring->counts;
    pthread_rwlock_unlock(&ring->lock);
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

void key_wrap_scratch(struct pw_key_ring *ring, struct pw_key_record *record, uint8_t *ret_value)
{
    uint8_t nonce[PW_KEY_NONCE_BYTES];
    char text[PW_ID_TEXT_BYTES + 1];
    randombytes_buf(nonce, sizeof nonce);
    pw_key_wrap(ring->masters, record, key_scratch(ring), nonce, ret_value);
    key_scratch_clear(ring);
    pw_id_format(&record->key_id, text);
    enum pw_key_verdict verdict =
        pw_key_record_read(pw_str_of(text), ret_value, PW_KEY_RECORD_BYTES, record);
    assert(verdict == PW_KEY_GOOD); /* What is written is read by our own reader first. */
    (void)verdict;
}

void pw_key_ring_make(struct pw_key_ring *ring, const struct pw_id *tenant_id,
                      enum pw_key_purpose purpose, struct pw_key_put *ret_put)
{
    struct pw_key_record record = {
        .purpose = purpose,
        .key_id = random_id(),
        .tenant_id = *tenant_id,
    };
    pthread_rwlock_wrlock(&ring->lock); /* For the scratch. */
    randombytes_buf(key_scratch(ring), PW_KEY_BYTES);
    key_wrap_scratch(ring, &record, ret_put->value);
    pthread_rwlock_unlock(&ring->lock);
    ret_put->key_id = record.key_id;
}

/* --- Using --- */

enum pw_code key_not_there(const struct pw_id *key_id, struct pw_err *err)
{
    char text[PW_ID_TEXT_BYTES + 1];
    pw_id_format(key_id, text);
    return pw_fail(err, PW_ERR_NOT_FOUND, "there is no key %s here", text);
}

static struct key *find_meant(const struct pw_key_ring *ring, const struct pw_id *tenant_id,
                              const struct pw_id *key_id, enum pw_key_purpose purpose)
{
    struct key *key = key_table_find(&ring->table, key_id);
    bool is_meant = key != NULL && (key->state == KEY_BROKEN ||
                                    (key->state == KEY_GOOD && key->record.purpose == purpose &&
                                     pw_id_equal(&key->record.tenant_id, tenant_id)));
    return is_meant ? key : NULL;
}

/* Under the lock for writing. */
static enum pw_code open_slot(struct pw_key_ring *ring, struct key *key, struct pw_err *err)
{
    if (key->slot != KEY_NO_SLOT) {
        return PW_OK; /* Somebody was faster. */
    }
    uint32_t slot = slot_free(ring);
    enum pw_code code = key_open(ring, key, ring->slots[slot].data_key, err);
    if (code == PW_OK) {
        ring->owners[slot] = (uint32_t)(key - ring->table.keys);
        key->slot = slot;
    }
    return code;
}

/* Holds the lock where it gives PW_OK, so that the data key stays where it is until use_end. */
static enum pw_code use_begin(struct pw_key_ring *ring, const struct pw_id *tenant_id,
                              const struct pw_id *key_id, enum pw_key_purpose purpose,
                              const uint8_t **ret_data_key, struct pw_err *err)
{
    pthread_rwlock_rdlock(&ring->lock);
    struct key *key = find_meant(ring, tenant_id, key_id, purpose);
    enum pw_code code = PW_OK;
    if (key != NULL && key->slot == KEY_NO_SLOT) {
        pthread_rwlock_unlock(&ring->lock);
        pthread_rwlock_wrlock(&ring->lock);
        key = find_meant(ring, tenant_id, key_id, purpose);
        code = key == NULL ? PW_OK : open_slot(ring, key, err);
    }
    code = key == NULL ? key_not_there(key_id, err) : code;
    if (code != PW_OK) {
        pthread_rwlock_unlock(&ring->lock);
        return code;
    }
    *ret_data_key = ring->slots[key->slot].data_key;
    return PW_OK;
}

static void use_end(struct pw_key_ring *ring)
{
    pthread_rwlock_unlock(&ring->lock);
}

enum pw_code pw_key_ring_seal(struct pw_key_ring *ring, const struct pw_id *tenant_id,
                              const struct pw_id *key_id, struct pw_str associated,
                              struct pw_str plain, uint8_t *ret_sealed, struct pw_err *err)
{
    const uint8_t *data_key;
    uint8_t nonce[PW_KEY_NONCE_BYTES];
    randombytes_buf(nonce, sizeof nonce);
    enum pw_code code = use_begin(ring, tenant_id, key_id, PW_KEY_PERSONAL, &data_key, err);
    if (code == PW_OK) {
        pw_payload_seal(data_key, key_id, nonce, associated, plain, ret_sealed);
        use_end(ring);
    }
    return code;
}

enum pw_code pw_key_ring_unseal(struct pw_key_ring *ring, const struct pw_id *tenant_id,
                                const struct pw_id *key_id, struct pw_str associated,
                                struct pw_str sealed, uint8_t *ret_plain, size_t *ret_plain_bytes,
                                struct pw_err *err)
{
    const uint8_t *data_key;
    enum pw_code code = use_begin(ring, tenant_id, key_id, PW_KEY_PERSONAL, &data_key, err);
    if (code == PW_OK) {
        code =
            pw_payload_open(data_key, key_id, associated, sealed, ret_plain, ret_plain_bytes, err);
        use_end(ring);
    }
    return code;
}

enum pw_code pw_key_ring_tag(struct pw_key_ring *ring, const struct pw_id *tenant_id,
                             const struct pw_id *key_id, struct pw_str context, struct pw_str value,
                             struct pw_hash *ret_tag, struct pw_err *err)
{
    const uint8_t *data_key;
    enum pw_code code = use_begin(ring, tenant_id, key_id, PW_KEY_EQUALITY, &data_key, err);
    if (code == PW_OK) {
        *ret_tag = pw_equality_tag(data_key, context, value);
        use_end(ring);
    }
    return code;
}
