/* eventstore/key_store.h: the keys of a ledger: made, used, re-wrapped, destroyed. docs/keys.md says what is promised.
 *
 * Contract  All wrapped keys are in memory, as the last read found them and as this store wrote them since. Opened keys lie in a
 *           bounded piece of locked memory, the oldest giving way; no function hands one out. A key that create gave is durable. One
 *           that was destroyed is not used again by this store, whatever lands later.
 * Owner     The store takes the log and closes it; the masters are borrowed, and outlive it.
 * Threads   One store per thread; stores share nothing.
 * Errors    NOT_FOUND: there is no such key of that tenant and purpose, or not any more. SETTING_WRONG: its master key is in no file.
 *           LEDGER_DAMAGED: it does not open, or a newer program wrote to the log. LEDGER_DOWN: try later. */
#ifndef PW_EVENTSTORE_KEY_STORE_H
#define PW_EVENTSTORE_KEY_STORE_H

#include "eventstore/key_ring.h"

struct pw_key_store;

struct pw_key_store_config {
    struct pw_key_log log;
    const struct pw_masters *masters;
    uint32_t opened_max; /* As pw_key_ring_new has it. */
};

/* SETTING_WRONG: so much memory cannot be locked. The log is taken in any case. Nothing is read yet. */
enum pw_code pw_key_store_open(const struct pw_key_store_config *config,
                               struct pw_key_store **ret_store, struct pw_err *err);
void pw_key_store_close(struct pw_key_store *store);

/* Told now and then: so many of roughly so many are done. */
struct pw_key_progress {
    void *self;
    void (*told)(void *self, uint64_t done, uint64_t count);
};

/* What a read from the start found, by the verdicts of docs/keys.md. */
struct pw_key_counts {
    uint64_t keys;      /* That can be used now. */
    uint64_t rewraps;   /* Values behind an earlier one of the same key. */
    uint64_t destroyed; /* Keys whose last word is a tombstone; */
    uint64_t lingering; /* and of these, such as still have a value somewhere in the log. */
    uint64_t late;      /* Keys with a value behind their tombstone: to be destroyed again. */
    uint64_t old; /* Values under another master key than the current one, superseded ones too. */
    uint64_t foreign;   /* Records. */
    uint64_t damaged;   /* Records. */
    uint64_t conflicts; /* Records. */
};

/* Reads from the start and takes the result in place of what was in memory. progress may be NULL. */
enum pw_code pw_key_store_read(struct pw_key_store *store, const struct pw_key_progress *progress,
                               struct pw_key_counts *ret_counts, struct pw_err *err);

/* --- Using --- */

/* Makes a key with an id of its own. LEDGER_DOWN: it must not be used, though it may land. */
enum pw_code pw_key_store_create(struct pw_key_store *store, const struct pw_id *tenant_id,
                                 enum pw_key_purpose purpose, struct pw_id *ret_key_id,
                                 struct pw_err *err);

/* pw_payload_seal and pw_payload_open under a personal key, with a random nonce. */
enum pw_code pw_key_store_seal(struct pw_key_store *store, const struct pw_id *tenant_id,
                               const struct pw_id *key_id, struct pw_str associated,
                               struct pw_str plain, uint8_t *ret_sealed, struct pw_err *err);
enum pw_code pw_key_store_unseal(struct pw_key_store *store, const struct pw_id *tenant_id,
                                 const struct pw_id *key_id, struct pw_str associated,
                                 struct pw_str sealed, uint8_t *ret_plain, size_t *ret_plain_bytes,
                                 struct pw_err *err);

/* pw_equality_tag under an equality key. */
enum pw_code pw_key_store_tag(struct pw_key_store *store, const struct pw_id *tenant_id,
                              const struct pw_id *key_id, struct pw_str context,
                              struct pw_str value, struct pw_hash *ret_tag, struct pw_err *err);

/* --- Looking --- */

/* The keys in memory are those below this number; it grows, and is counted anew by a read. */
uint32_t pw_key_store_count(const struct pw_key_store *store);

/* False where that key was destroyed; one whose only record is damaged has a purpose of 0. */
bool pw_key_store_at(const struct pw_key_store *store, uint32_t number,
                     struct pw_key_record *ret_record);

/* Whether it opens; nothing of it is kept. */
enum pw_code pw_key_store_try(struct pw_key_store *store, const struct pw_id *key_id,
                              struct pw_err *err);

/* --- Re-wrapping and destroying --- */

struct pw_rewrap_counts {
    uint64_t rewrapped;
    uint64_t current; /* Were under the current master key already. */
    uint64_t
        unopened; /* Their master key is in no file, or they are damaged: they stay as they are. */
    uint64_t destroyed; /* Meanwhile; they stay so. */
    uint64_t lingering; /* Values under another master key that still lie in the log. */
};

/* Reads, wraps every key that is not under the current master key anew, reads again, and destroys again what was destroyed meanwhile.
 * After a failure part of it is done; repeat it. Repeat it also, an hour apart, while something lingers: where there is nothing to
 * wrap anew it writes one key once more, for Kafka compacts only what lies before a later write. */
enum pw_code pw_key_store_rewrap(struct pw_key_store *store, const struct pw_key_progress *progress,
                                 struct pw_rewrap_counts *ret_counts, struct pw_err *err);

/* Destroys keys; of ids that are not there, too. When it returns PW_OK none of them can be used any more by who reads the log. A value
 * of so many of them (*ret_lingering) still lies in it, before a tombstone: repeat the call, an hour apart, until it is 0. */
enum pw_code pw_key_store_destroy(struct pw_key_store *store, const struct pw_id *key_ids,
                                  size_t count, size_t *ret_lingering, struct pw_err *err);

/* The same on a log alone, for who keeps the keys elsewhere (eventstore/key_destroy.c): ret_lingers[i] tells it of key i. */
enum pw_code pw_key_log_destroy(const struct pw_key_log *log, const struct pw_id *key_ids,
                                size_t count, bool *ret_lingers, struct pw_err *err);

#endif
