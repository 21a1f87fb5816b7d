/* eventstore/key_ring.h: the keys of a log in memory, for use by any number of threads.
 *
 * Contract  Holds what it is told of the log, by the verdicts of docs/keys.md, and writes nothing. All wrapped keys are there; opened
 *           ones lie in a bounded piece of locked memory, the oldest giving way; no function hands one out. What is gone stays gone,
 *           whatever is told later.
 * Owner     The masters are borrowed, and outlive the ring.
 * Threads   Any thread may call any function but free. Nothing waits for a server: uses of keys that lie open go on beside each other,
 *           everything else has a moment alone.
 * Errors    As eventstore/key_store.h. */
#ifndef PW_EVENTSTORE_KEY_RING_H
#define PW_EVENTSTORE_KEY_RING_H

#include "eventstore/key_log.h"

#define PW_KEYS_MAX        (16 * 1024 * 1024) /* More stop a read. */
#define PW_KEYS_OPENED_MAX 65536

struct pw_key_ring;

/* opened_max: keys in locked memory, 32 bytes each, 1 to PW_KEYS_OPENED_MAX. SETTING_WRONG: so much cannot be locked. */
enum pw_code pw_key_ring_new(const struct pw_masters *masters, uint32_t opened_max,
                             struct pw_key_ring **ret_ring, struct pw_err *err);
void pw_key_ring_free(struct pw_key_ring *ring);

/* --- What the log says --- */

/* Takes a record of the log, in the log's order. *ret_owes: a value of a key that is gone, so tombstones are due. */
enum pw_code pw_key_ring_take(struct pw_key_ring *ring, const struct pw_key_entry *entry,
                              bool *ret_owes, struct pw_err *err);

/* The same of a record that this process wrote. */
void pw_key_ring_add(struct pw_key_ring *ring, const struct pw_key_put *put);

/* The key is gone from now on, known or not. True where a value of it lies in the log and nobody was told yet that tombstones are due. */
bool pw_key_ring_forget(struct pw_key_ring *ring, const struct pw_id *key_id);

/* No value of that key, which is gone, lies in the log any more. */
void pw_key_ring_clear(struct pw_key_ring *ring, const struct pw_id *key_id);

/* Whether anything was ever said of that key. */
bool pw_key_ring_knows(struct pw_key_ring *ring, const struct pw_id *key_id);

struct pw_key_ring_counts {
    uint64_t keys;      /* That can be used, as far as is known without opening them. */
    uint64_t unopened;  /* Whose master key is in no file, or whose only record is damaged. */
    uint64_t destroyed; /* That are gone. */
};
void pw_key_ring_count(struct pw_key_ring *ring, struct pw_key_ring_counts *ret_counts);

/* --- Making --- */

/* A new key as it is to be written; it can be used once it was added. */
void pw_key_ring_make(struct pw_key_ring *ring, const struct pw_id *tenant_id,
                      enum pw_key_purpose purpose, struct pw_key_put *ret_put);

/* --- Using --- */

/* pw_payload_seal and pw_payload_open under a personal key, with a random nonce. */
enum pw_code pw_key_ring_seal(struct pw_key_ring *ring, const struct pw_id *tenant_id,
                              const struct pw_id *key_id, struct pw_str associated,
                              struct pw_str plain, uint8_t *ret_sealed, struct pw_err *err);
enum pw_code pw_key_ring_unseal(struct pw_key_ring *ring, const struct pw_id *tenant_id,
                                const struct pw_id *key_id, struct pw_str associated,
                                struct pw_str sealed, uint8_t *ret_plain, size_t *ret_plain_bytes,
                                struct pw_err *err);

/* pw_equality_tag under an equality key. */
enum pw_code pw_key_ring_tag(struct pw_key_ring *ring, const struct pw_id *tenant_id,
                             const struct pw_id *key_id, struct pw_str context, struct pw_str value,
                             struct pw_hash *ret_tag, struct pw_err *err);

#endif
