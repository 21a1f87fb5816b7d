/* api/vault.h: the keys of personal data in a running node: made, used and forgotten by any of its threads. docs/keys.md says what is
 * promised, and in its section 7 what a node does.
 *
 * Contract  All wrapped keys are in memory, as the log of keys has them; three threads of the vault's own see to that: one reads on what
 *           other nodes write, one writes new keys, all at once that are asked for by then, one writes the tombstones of what is forgotten.
 *           What this node made is usable here at once, elsewhere as soon as it is asked for there; what the log calls destroyed, or
 *           was forgotten here, is not used again by this node, whatever lands later.
 * Owner     The masters are borrowed, and outlive the vault, as does what the options' functions work on. Arguments are borrowed for the
 *           call; what `ret_` points to is not touched on failure.
 * Threads   Any thread may call any function but close. seal, unseal, tag and forget take microseconds and wait for no server, but for a
 *           key that this node does not know: that one is looked for in the log, PW_VAULT_LOOK_MS at most. create waits for the
 *           log, up to half a minute where Kafka is away: it belongs in a pool, never in an engine's or a listener's thread.
 * Errors    NOT_FOUND: there is no such key of that tenant and purpose, or not any more. LEDGER_DOWN: try later; of seal, unseal and tag:
 *           the key is not in memory, and the log of keys could not be looked at. SETTING_WRONG: its master key is in no file.
 *           LEDGER_DAMAGED: it does not open. */
#ifndef PW_API_VAULT_H
#define PW_API_VAULT_H

#include "commands/engine.h"
#include "eventstore/key_log.h"

#define PW_VAULT_LOOK_MS 2000

struct pw_vault;

/* What a test waits for. */
enum pw_vault_moment {
    PW_VAULT_LOOKED,   /* A look at the log has ended, well or not. */
    PW_VAULT_WRITTEN,  /* A write of new keys has ended, well or not. */
    PW_VAULT_DESTROYED /* A round of tombstones has ended, well or not. */
};

struct pw_vault_options {
    void *self;
    /* Called by each of the vault's threads for a handle of its own, and again after a failure. */
    enum pw_code (*open_log)(void *self, bool reads_only, struct pw_key_log *ret_log,
                             struct pw_err *err);
    const struct pw_masters *masters;
    struct pw_clock clock;                                   /* By which tombstones are repeated. */
    void (*moment)(void *self, enum pw_vault_moment moment); /* NULL, but for tests. */
};

/* Looks whether the log of keys is as it must be, then starts to read it. SETTING_WRONG: it is not, or memory cannot be locked. A log
 * that is out of reach is no failure: it is waited for. */
enum pw_code pw_vault_open(const struct pw_vault_options *options, struct pw_vault **ret_vault,
                           struct pw_err *err);

/* Ends its threads; who waits for them is answered LEDGER_DOWN, now and later. Keys in memory go on being used. */
void pw_vault_stop(struct pw_vault *vault);
void pw_vault_close(struct pw_vault *vault); /* Nobody is in a call any more. NULL is nothing. */

/* PW_OK once all keys have been read. Before, and where the log cannot be taken further, err says why not. */
enum pw_code pw_vault_ready(struct pw_vault *vault, struct pw_err *err);

/* --- Making --- */

/* A key of its own id, on record before this returns. LEDGER_DOWN: it is not to be used, though it may land. */
enum pw_code pw_vault_create(struct pw_vault *vault, const struct pw_id *tenant_id,
                             enum pw_key_purpose purpose, struct pw_id *ret_key_id,
                             struct pw_err *err);

/* --- Using --- */

/* pw_payload_seal and pw_payload_open under a personal key, with a random nonce. */
enum pw_code pw_vault_seal(struct pw_vault *vault, const struct pw_id *tenant_id,
                           const struct pw_id *key_id, struct pw_str associated,
                           struct pw_str plain, uint8_t *ret_sealed, struct pw_err *err);
enum pw_code pw_vault_unseal(struct pw_vault *vault, const struct pw_id *tenant_id,
                             const struct pw_id *key_id, struct pw_str associated,
                             struct pw_str sealed, uint8_t *ret_plain, size_t *ret_plain_bytes,
                             struct pw_err *err);

/* pw_equality_tag under an equality key. */
enum pw_code pw_vault_tag(struct pw_vault *vault, const struct pw_id *tenant_id,
                          const struct pw_id *key_id, struct pw_str context, struct pw_str value,
                          struct pw_hash *ret_tag, struct pw_err *err);

/* --- Forgetting --- */

/* The ledger says that this key is destroyed. From now on it neither seals nor opens here, and where a value of it lies in the log,
 * tombstones follow until a read from the start finds none. Called for every destroyed key at each start, and as often as one likes:
 * for what is gone already it writes nothing. */
void pw_vault_forget(struct pw_vault *vault, const struct pw_id *key_id);

/* --- Looking on --- */

struct pw_vault_counts {
    uint64_t keys;      /* That can be used, as far as is known without opening them. */
    uint64_t unopened;  /* Whose master key is in no file, or whose record is damaged. */
    uint64_t destroyed; /* Known to be. */
    uint64_t lingering; /* Of these, such as tombstones are still written for. */
    uint64_t created;   /* By this process. */
    uint64_t seals;     /* Tags too. */
    uint64_t unseals;
    uint64_t failures;  /* Calls of create, seal, unseal and tag that gave anything but PW_OK. */
    uint64_t waiting;   /* Calls of create that have not returned yet, */
    uint64_t creates;   /* those that have, */
    uint64_t create_us; /* and how long they took in all. */
};
void pw_vault_count(struct pw_vault *vault, struct pw_vault_counts *ret_counts);

/* Has the threads look at the clock and at the log now: for who has turned the one or written to the other. */
void pw_vault_kick(struct pw_vault *vault);

#endif
