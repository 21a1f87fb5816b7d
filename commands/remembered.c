/* commands/remembered.c: 16 bytes of key, then offset and minute of expiry in 8. */
#include "commands/remembered.h"

#include <endian.h>
#include <stdlib.h>

#include "commands/map.h"
#include "commands/memory.h"

#define MINUTE_BITS     26 /* Minutes since 1970: until the year 2097. */
#define MINUTE_MASK     ((UINT64_C(1) << MINUTE_BITS) - 1)
#define OFFSET_MAX      (INT64_C(1) << (64 - MINUTE_BITS))
#define SWEEP_EVERY_US  (60 * PW_US_PER_MINUTE)
#define ENTRY_FIELDS    3
#define ENTRY_BYTES_MIN 21 /* Serialised. */

struct pw_remembered {
    struct pw_map *map;
    int64_t swept_at_us;
};

struct pw_remembered *pw_remembered_new(void)
{
    struct pw_remembered *memory = pw_memory_new(1, sizeof *memory);
    memory->map = pw_map_new(sizeof(struct pw_id), sizeof(uint64_t));
    return memory;
}

void pw_remembered_free(struct pw_remembered *memory)
{
    if (memory != NULL) {
        pw_map_free(memory->map);
        free(memory);
    }
}

struct pw_id pw_remembered_key(const struct pw_id *boundary_id, const struct pw_id *actor_id,
                               const struct pw_id *command_id)
{
    struct pw_id parts[3] = {*boundary_id, *actor_id, *command_id};
    struct pw_hash hash = pw_sha256(parts, sizeof parts, NULL, 0);
    struct pw_id key;
    memcpy(key.bytes, hash.bytes, sizeof key.bytes);
    return key;
}

int64_t pw_remembered_expires_at(const struct pw_id *command_id, int64_t decided_at_us,
                                 int64_t horizon_us)
{
    int64_t made_at_us;
    return (pw_id_v7_time(command_id, &made_at_us) ? made_at_us : decided_at_us) + horizon_us;
}

void pw_remembered_add(struct pw_remembered *memory, const struct pw_id *key, int64_t offset,
                       int64_t expires_at_us)
{
    assert(offset >= 0 && offset < OFFSET_MAX);
    uint64_t minute =
        (uint64_t)(expires_at_us / PW_US_PER_MINUTE) + 1; /* Rounded up: never too early. */
    uint64_t entry =
        (uint64_t)offset << MINUTE_BITS | (minute < MINUTE_MASK ? minute : MINUTE_MASK);
    memcpy(pw_map_put(memory->map, key, NULL), &entry, sizeof entry);
}

static bool lives(uint64_t entry, int64_t now_us)
{
    return (int64_t)(entry & MINUTE_MASK) * PW_US_PER_MINUTE > now_us;
}

int64_t pw_remembered_find(const struct pw_remembered *memory, const struct pw_id *key,
                           int64_t now_us)
{
    uint64_t entry;
    const void *value = pw_map_get(memory->map, key);
    if (value == NULL) {
        return -1;
    }
    memcpy(&entry, value, sizeof entry);
    return lives(entry, now_us) ? (int64_t)(entry >> MINUTE_BITS) : -1;
}

static bool keep_living(void *self, const void *key, const void *value)
{
    uint64_t entry;
    (void)key;
    memcpy(&entry, value, sizeof entry);
    return lives(entry, *(const int64_t *)self);
}

void pw_remembered_expire(struct pw_remembered *memory, int64_t now_us)
{
    if (now_us - memory->swept_at_us >= SWEEP_EVERY_US) {
        memory->swept_at_us = now_us;
        pw_map_sweep(memory->map, keep_living, &now_us);
    }
}

uint64_t pw_remembered_count(const struct pw_remembered *memory)
{
    return pw_map_count(memory->map);
}

uint64_t pw_remembered_memory_bytes(const struct pw_remembered *memory)
{
    return sizeof *memory + pw_map_memory_bytes(memory->map);
}

/* --- Serialising --- */

/* The key as two numbers, in the order of its bytes. */
struct sorted {
    uint64_t key[2];
    uint64_t entry;
};

static int by_key(const void *a, const void *b)
{
    const struct sorted *first = a;
    const struct sorted *second = b;
    size_t i = first->key[0] == second->key[0];
    return first->key[i] < second->key[i] ? -1 : first->key[i] > second->key[i];
}

void pw_remembered_serialise(const struct pw_remembered *memory, int64_t now_us,
                             struct pw_buffer *buffer)
{
    struct sorted *entries = pw_memory_new((size_t)pw_map_count(memory->map) + 1, sizeof *entries);
    uint32_t count = 0;
    uint64_t cursor = 0;
    const void *key;
    const void *value;
    while (pw_map_next(memory->map, &cursor, &key, &value)) {
        struct sorted *at = &entries[count];
        memcpy(at->key, key, sizeof at->key);
        at->key[0] = be64toh(at->key[0]);
        at->key[1] = be64toh(at->key[1]);
        memcpy(&at->entry, value, sizeof at->entry);
        count += lives(at->entry, now_us);
    }
    qsort(entries, count, sizeof *entries, by_key);
    pw_write_array(buffer, count);
    for (uint32_t i = 0; i < count; i++) {
        pw_write_array(buffer, ENTRY_FIELDS);
        uint64_t key_bytes[2] = {htobe64(entries[i].key[0]), htobe64(entries[i].key[1])};
        pw_write_bin(buffer, key_bytes, sizeof key_bytes);
        pw_write_uint(buffer, entries[i].entry >> MINUTE_BITS);
        pw_write_uint(buffer, entries[i].entry & MINUTE_MASK);
    }
    free(entries);
}

void pw_remembered_read(struct pw_remembered *memory, int64_t now_us, int64_t offset_max,
                        struct pw_cursor *cursor)
{
    uint32_t count = pw_read_array(cursor);
    int64_t max = offset_max < OFFSET_MAX ? offset_max : OFFSET_MAX - 1;
    struct pw_id before = {{0}};
    if (count > (size_t)(cursor->end - cursor->at) / ENTRY_BYTES_MIN) {
        cursor->bad = true; /* Before room is made for what cannot be there. */
        return;
    }
    for (uint32_t i = 0; i < count && !cursor->bad; i++) {
        cursor->bad = pw_read_array(cursor) != ENTRY_FIELDS;
        const void *key = pw_read_bin(cursor, sizeof(struct pw_id));
        uint64_t offset = pw_read_uint(cursor, (uint64_t)max);
        uint64_t entry = offset << MINUTE_BITS | pw_read_uint(cursor, MINUTE_MASK);
        if (cursor->bad || !lives(entry, now_us) ||
            (i > 0 && memcmp(before.bytes, key, sizeof before.bytes) >= 0)) {
            cursor->bad = true;
            return;
        }
        memcpy(before.bytes, key, sizeof before.bytes);
        memcpy(pw_map_append(memory->map, key), &entry, sizeof entry);
    }
    pw_map_index(memory->map);
}

void pw_remembered_share(const struct pw_remembered *memory, bool shared)
{
    pw_map_share(memory->map, shared);
}
