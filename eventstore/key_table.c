/* eventstore/key_table.c: keys by their ids. */
#include "eventstore/key_parts.h"

#include <stdlib.h>

#define ROOM_MIN 64

void *key_memory(void *memory)
{
    if (memory == NULL) {
        abort(); /* Without memory the process ends. */
    }
    return memory;
}

void key_table_init(struct key_table *table)
{
    *table = (struct key_table){.room = ROOM_MIN};
    table->keys = key_memory(calloc(table->room, sizeof *table->keys));
    table->index = key_memory(calloc(2 * table->room, sizeof *table->index));
    randombytes_buf(table->hash_key, sizeof table->hash_key);
}

void key_table_close(struct key_table *table)
{
    free(table->keys);
    free(table->index);
}

/* The place of the index where the id stands, or where it would. */
static uint32_t *place_of(const struct key_table *table, const struct pw_id *key_id)
{
    uint64_t hash;
    static_assert(sizeof hash == crypto_shorthash_BYTES, "a hash");
    crypto_shorthash((uint8_t *)&hash, key_id->bytes, sizeof key_id->bytes, table->hash_key);
    uint32_t mask = 2 * table->room - 1;
    uint32_t at = (uint32_t)hash & mask;
    while (table->index[at] != 0 &&
           !pw_id_equal(&table->keys[table->index[at] - 1].record.key_id, key_id)) {
        at = (at + 1) & mask;
    }
    return &table->index[at];
}

struct key *key_table_find(const struct key_table *table, const struct pw_id *key_id)
{
    uint32_t number = *place_of(table, key_id);
    return number == 0 ? NULL : &table->keys[number - 1];
}

static void table_grow(struct key_table *table)
{
    table->room *= 2;
    table->keys = key_memory(realloc(table->keys, table->room * sizeof *table->keys));
    free(table->index);
    table->index = key_memory(calloc(2 * (size_t)table->room, sizeof *table->index));
    for (uint32_t i = 0; i < table->count; i++) {
        *place_of(table, &table->keys[i].record.key_id) = i + 1;
    }
}

struct key *key_table_take(struct key_table *table, const struct pw_id *key_id, bool *ret_is_new)
{
    struct key *key = key_table_find(table, key_id);
    *ret_is_new = key == NULL;
    if (key != NULL) {
        return key;
    }
    if (table->count == table->room) {
        table_grow(table);
    }
    key = &table->keys[table->count];
    *key = (struct key){.slot = KEY_NO_SLOT, .state = KEY_BROKEN};
    key->record.key_id = *key_id;
    *place_of(table, key_id) = ++table->count;
    return key;
}

void key_set(struct key *key, const struct pw_key_record *record, const uint8_t *value)
{
    key->record = *record;
    memcpy(key->value, value, PW_KEY_RECORD_BYTES);
    key->state = KEY_GOOD;
}

void key_end(struct key *key)
{
    sodium_memzero(key->value, sizeof key->value);
    key->state = KEY_GONE;
    key->late = false;
}
