/* eventstore/key_read.c: what the records make of a table of keys, by the verdicts of docs/keys.md. */
#include "eventstore/key_parts.h"

#include <stdlib.h>

static bool is_same_key(const struct pw_key_record *a, const struct pw_key_record *b)
{
    return a->purpose == b->purpose && pw_id_equal(&a->tenant_id, &b->tenant_id) &&
           sodium_memcmp(a->check, b->check, sizeof a->check) == 0;
}

/* It is taken if it opens, so that a damaged one takes nothing away; or if neither it nor the one before can be opened here. */
static void take_rewrap(struct key_reading *reading, struct key *key,
                        const struct pw_key_record *record, const uint8_t *value)
{
    enum pw_code code = pw_key_unwrap(reading->masters, value, reading->scratch, NULL);
    sodium_memzero(reading->scratch, PW_KEY_BYTES);
    reading->counts.rewraps++;
    reading->counts.damaged += code == PW_ERR_LEDGER_DAMAGED;
    if (code == PW_OK || (code == PW_ERR_SETTING_WRONG &&
                          !pw_masters_have(reading->masters, &key->record.master_id))) {
        key_set(key, record, value);
    }
}

static void take_value(struct key_reading *reading, struct key *key, bool is_new,
                       const struct pw_key_record *record, const uint8_t *value)
{
    key->found = true;
    reading->counts.old += !pw_id_equal(&record->master_id, pw_masters_id(reading->masters, 0));
    if (key->state == KEY_GONE) {
        key->late = true;
    } else if (is_new || key->state == KEY_BROKEN) {
        key_set(key, record, value);
    } else if (!is_same_key(&key->record, record)) {
        reading->counts.conflicts++;
    } else {
        take_rewrap(reading, key, record, value);
    }
}

static void take_damaged(struct key_reading *reading, struct key *key)
{
    reading->counts.damaged++;
    key->found = true;
    key->late = key->late || key->state == KEY_GONE;
}

enum pw_code key_tell(const struct pw_key_entry *entry, struct key_told *ret_told,
                      struct pw_err *err)
{
    struct key_told told = {.value = entry->value};
    told.verdict =
        pw_key_record_read(entry->log_key, entry->value, entry->value_bytes, &told.record);
    if (told.verdict == PW_KEY_NEWER) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED,
                       "newer-format: record %llu of the keys was written by a newer program",
                       (unsigned long long)entry->number);
    }
    *ret_told = told;
    return PW_OK;
}

struct key *key_take(struct key_reading *reading, const struct key_told *told)
{
    bool is_new = false;
    struct key *key = key_table_take(reading->table, &told->record.key_id, &is_new);
    switch (told->verdict) {
    case PW_KEY_DESTROYED: key_end(key); break;
    case PW_KEY_DAMAGED: take_damaged(reading, key); break;
    default: take_value(reading, key, is_new, &told->record, told->value); break;
    }
    return key;
}

static enum pw_code take_entry(void *self, const struct pw_key_entry *entry, struct pw_err *err)
{
    struct key_reading *reading = self;
    struct key_told told;
    if (reading->progress != NULL && entry->number % KEY_TELL_EVERY == 0) {
        reading->progress->told(reading->progress->self, entry->number, entry->count);
    }
    enum pw_code code = key_tell(entry, &told, err);
    if (code != PW_OK || told.verdict == PW_KEY_FOREIGN) {
        reading->counts.foreign += code == PW_OK;
        return code;
    }
    key_take(reading, &told);
    return reading->table->count <= PW_KEYS_MAX
               ? PW_OK
               : pw_fail(err, PW_ERR_LEDGER_DAMAGED, "more than %d keys", PW_KEYS_MAX);
}

static void count_keys(struct key_reading *reading)
{
    for (uint32_t i = 0; i < reading->table->count; i++) {
        const struct key *key = &reading->table->keys[i];
        bool is_gone = key->state == KEY_GONE;
        reading->counts.keys += key->state == KEY_GOOD;
        reading->counts.destroyed += is_gone && !key->late;
        reading->counts.lingering += is_gone && !key->late && key->found;
        reading->counts.late += is_gone && key->late;
    }
}

/* What this store saw destroyed stays so, whatever the log shows: a late re-wrap may stand there for a while, its tombstone compacted
 * away. */
static void keep_gone(const struct key_table *old, struct key_table *table)
{
    for (uint32_t i = 0; i < old->count; i++) {
        struct key *key = old->keys[i].state == KEY_GONE
                              ? key_table_find(table, &old->keys[i].record.key_id)
                              : NULL;
        if (key != NULL && key->state != KEY_GONE) {
            key_end(key);
            key->late = key->found;
        }
    }
}

/* The same of those of which the log shows nothing any more, and may again. */
static void carry_gone(const struct key_table *old, struct key_table *table)
{
    bool is_new = false;
    for (uint32_t i = 0; i < old->count; i++) {
        if (old->keys[i].state == KEY_GONE) {
            key_table_take(table, &old->keys[i].record.key_id, &is_new)->state = KEY_GONE;
        }
    }
}

enum pw_code key_read(const struct pw_key_log *log, const struct pw_masters *masters,
                      const struct key_table *before, const struct pw_key_progress *progress,
                      uint8_t scratch[PW_KEY_BYTES], struct key_table *ret_table,
                      struct pw_key_counts *ret_counts, struct pw_err *err)
{
    struct key_table table;
    struct key_reading reading = {
        .table = &table, .masters = masters, .progress = progress, .scratch = scratch};
    struct pw_key_sink sink = {.self = &reading, .entry = take_entry};
    key_table_init(&table);
    enum pw_code code = log->read(log->self, &sink, err);
    if (code != PW_OK) {
        key_table_close(&table);
        return code;
    }
    keep_gone(before, &table);
    count_keys(&reading);
    carry_gone(before, &table);
    *ret_table = table;
    *ret_counts = reading.counts;
    return PW_OK;
}
