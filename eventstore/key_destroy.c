/* eventstore/key_destroy.c: tombstones, and the look whether they did it; docs/keys.md, section 5. */
#include "eventstore/key_parts.h"

#include <stdlib.h>

#define ROUNDS_MAX 8 /* Each of them means that somebody wrote a key again meanwhile. */

/* Of a key that is being destroyed, `found` is whether a read found a value, and `late` whether that was its last record. */
static enum pw_code look_at(void *self, const struct pw_key_entry *entry, struct pw_err *err)
{
    const struct key_table *table = self;
    struct pw_key_record record = {.key_id = {{0}}};
    enum pw_key_verdict verdict =
        pw_key_record_read(entry->log_key, entry->value, entry->value_bytes, &record);
    struct key *key = verdict == PW_KEY_FOREIGN ? NULL : key_table_find(table, &record.key_id);
    (void)err;
    if (key != NULL) {
        key->late = verdict != PW_KEY_DESTROYED;
        key->found = key->found || key->late;
    }
    return PW_OK;
}

static enum pw_code write_tombstones(const struct pw_key_log *log, const struct key_table *table,
                                     struct pw_err *err)
{
    enum pw_code code = PW_OK;
    for (uint32_t i = 0; code == PW_OK && i < table->count; i++) {
        if (table->keys[i].late) {
            code = log->destroy(log->self, &table->keys[i].record.key_id, err);
        }
    }
    return code;
}

/* *ret_late: so many are to be destroyed again. */
static enum pw_code look(const struct pw_key_log *log, struct key_table *table, uint32_t *ret_late,
                         struct pw_err *err)
{
    struct pw_key_sink sink = {.self = table, .entry = look_at};
    for (uint32_t i = 0; i < table->count; i++) {
        table->keys[i].found = table->keys[i].late = false;
    }
    enum pw_code code = log->read(log->self, &sink, err);
    *ret_late = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        *ret_late += table->keys[i].late;
    }
    return code;
}

static enum pw_code destroy_all(const struct pw_key_log *log, struct key_table *table,
                                struct pw_err *err)
{
    uint32_t late = table->count;
    for (int round = 0; late > 0; round++) {
        if (round == ROUNDS_MAX) {
            return pw_fail(err, PW_ERR_LEDGER_DOWN,
                           "a key that is being destroyed is written again and again");
        }
        enum pw_code code = write_tombstones(log, table, err);
        code = code != PW_OK ? code : look(log, table, &late, err);
        if (code != PW_OK) {
            return code;
        }
    }
    return PW_OK;
}

enum pw_code pw_key_log_destroy(const struct pw_key_log *log, const struct pw_id *key_ids,
                                size_t count, bool *ret_lingers, struct pw_err *err)
{
    struct key_table table;
    bool is_new = false;
    key_table_init(&table);
    for (size_t i = 0; i < count; i++) {
        key_table_take(&table, &key_ids[i], &is_new)->late = true;
    }
    enum pw_code code = destroy_all(log, &table, err);
    for (size_t i = 0; code == PW_OK && i < count; i++) {
        ret_lingers[i] = key_table_find(&table, &key_ids[i])->found;
    }
    key_table_close(&table);
    return code;
}
