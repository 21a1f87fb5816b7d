/* eventstore/key_parts.h: what the files of the store of keys share with one another, and with nobody else. */
#ifndef PW_EVENTSTORE_KEY_PARTS_H
#define PW_EVENTSTORE_KEY_PARTS_H

#include "eventstore/key_store.h"

#include <pthread.h>
#include <sodium.h>

#define KEY_NO_SLOT    UINT32_MAX
#define KEY_TELL_EVERY 1024 /* Of progress. */

enum key_state { KEY_GOOD, KEY_BROKEN, KEY_GONE };

struct key {
    struct pw_key_record record; /* Of KEY_BROKEN and KEY_GONE only key_id. */
    uint8_t value[PW_KEY_RECORD_BYTES];
    enum key_state state;
    bool found;    /* A value of it lies in the log. */
    bool late;     /* Of KEY_GONE: one behind its last tombstone. */
    bool owed;     /* Of KEY_GONE: who forgot it was told that tombstones are due. */
    uint32_t slot; /* Where it lies open, or KEY_NO_SLOT. */
};

/* Keys in the order of their first record, and an index by id: open addressing, 0 for a free place, else number + 1. The hash has a key of
 * its own, so that nobody can choose ids that meet in one place. */
struct key_table {
    struct key *keys;
    uint32_t count;
    uint32_t room;
    uint32_t *index; /* 2 * room places. */
    uint8_t hash_key[crypto_shorthash_KEYBYTES];
};

/* key_table.c */
void key_table_init(struct key_table *table);
void key_table_close(struct key_table *table);
struct key *key_table_find(const struct key_table *table, const struct pw_id *key_id);

/* The key of that id; where there is none, a new one, KEY_BROKEN. Keys move when one is new. */
struct key *key_table_take(struct key_table *table, const struct pw_id *key_id, bool *ret_is_new);

/* What a record, and a tombstone, make of a key. */
void key_set(struct key *key, const struct pw_key_record *record, const uint8_t *value);
void key_end(struct key *key);

/* key_read.c: what records make of a table. scratch: locked memory of a data key, left zeroed. */
struct key_reading {
    struct key_table *table;
    const struct pw_masters *masters;
    const struct pw_key_progress *progress;
    uint8_t *scratch;
    struct pw_key_counts counts;
};
struct key_told {
    enum pw_key_verdict verdict; /* Not PW_KEY_NEWER. */
    struct pw_key_record record;
    const uint8_t *value;
};
enum pw_code key_tell(const struct pw_key_entry *entry, struct key_told *ret_told,
                      struct pw_err *err);
struct key *key_take(struct key_reading *reading, const struct key_told *told); /* Not a foreign. */

/* The log from its start, into a fresh table. `before` is the table until now: what is gone there stays gone. */
enum pw_code key_read(const struct pw_key_log *log, const struct pw_masters *masters,
                      const struct key_table *before, const struct pw_key_progress *progress,
                      uint8_t scratch[PW_KEY_BYTES], struct key_table *ret_table,
                      struct pw_key_counts *ret_counts, struct pw_err *err);

/* key_ring.c */
struct slot {
    uint8_t data_key[PW_KEY_BYTES];
};
struct pw_key_ring {
    const struct pw_masters *masters;
    pthread_rwlock_t
        lock; /* Guards all that follows; the store, which is one thread's, looks without it. */
    struct key_table table;
    struct slot *slots; /* In locked memory: opened_max of them, and one as scratch. */
    uint32_t *owners;   /* Of each slot: the key's number, or KEY_NO_SLOT. */
    uint32_t opened_max;
    uint32_t next_slot;
    struct pw_key_ring_counts counts; /* Not after key_ring_swap. */
};
uint8_t *key_scratch(struct pw_key_ring *ring);
void key_scratch_clear(struct pw_key_ring *ring);
enum pw_code key_open(const struct pw_key_ring *ring, const struct key *key, uint8_t *data_key,
                      struct pw_err *err);
/* Wraps what lies in the scratch under the current master key, and clears it. */
void key_wrap_scratch(struct pw_key_ring *ring, struct pw_key_record *record, uint8_t *ret_value);
void key_ring_swap(struct pw_key_ring *ring, struct key_table *table); /* Takes it. */
enum pw_code key_not_there(const struct pw_id *key_id, struct pw_err *err);

void *key_memory(void *memory); /* The same; ends the process where there is none. */

#endif
