/* api/vault_parts.h: what the files of the vault share with one another, and with nobody else.
 *
 * Three threads stand beside a ring of keys (eventstore/key_ring.h), each with a handle of its own on the log: the reader looks at what was
 * written since, the writer writes what is asked for, the destroyer writes tombstones. They and their callers meet under one lock, which
 * is never held while a server is waited for, and wake each other by one condition. */
#ifndef PW_API_VAULT_PARTS_H
#define PW_API_VAULT_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/vault.h"
#include "eventstore/key_ring.h"

/* A new key, on its caller's stack while that waits. */
struct vault_write {
    struct pw_key_put put;
    bool has_ended;
    struct pw_err result;
    struct vault_write *next;
};

/* A key of which a value lies in the log, or did. */
struct vault_debt {
    struct pw_id key_id;
    int64_t due_us; /* Of the options' clock, since boot. */
};

struct vault_handle {
    struct pw_key_log log;
    bool is_open; /* Changed by its thread alone, under the lock. */
};

struct pw_vault {
    struct pw_vault_options options;
    struct pw_key_ring *ring;
    atomic_uint_least64_t created;
    atomic_uint_least64_t seals;
    atomic_uint_least64_t unseals;
    atomic_uint_least64_t failures;
    atomic_uint_least64_t creates;
    atomic_uint_least64_t create_us;
    pthread_t threads[3];
    size_t thread_count;

    pthread_mutex_t lock; /* Guards what follows. */
    pthread_cond_t changed;
    bool stopping;
    uint64_t kicks;
    struct vault_handle reader;
    struct vault_handle writer;
    struct vault_handle destroyer;

    bool has_read;         /* All keys, once. */
    uint64_t looks_wanted; /* The reader does not pause before it has begun so many. */
    uint64_t looks_begun;
    uint64_t looks_ended;
    struct pw_err look_result; /* Of the last one. */

    struct vault_write *writes; /* Those that wait, in the order in which they came. */

    struct vault_debt *debts; /* In no order; a key that was found again stands there twice. */
    size_t debt_count;
    size_t debt_room;
    size_t round_count; /* Of those that the destroyer has taken out and is at. */
};

/* vault.c */
int64_t vault_now_us(void); /* Of a clock that only measures. */
int64_t vault_now_ms(void);

/* Under the lock. Waits for a change, until that moment of it at most; INT64_MAX: for as long as it takes. */
void vault_wait(struct pw_vault *vault, int64_t until_ms);

/* Opens the handle where it is not, and checks the log. The lock is not held. */
enum pw_code vault_handle_open(struct pw_vault *vault, struct vault_handle *handle, bool reads_only,
                               struct pw_err *err);
void vault_handle_close(struct pw_vault *vault, struct vault_handle *handle);
void vault_tell(struct pw_vault *vault, enum pw_vault_moment moment);

/* vault_look.c: the reader, and who waits for it. */
void *vault_reader(void *vault);
/* Has the log looked at from now on; PW_OK when that has been done. */
enum pw_code vault_look(struct pw_vault *vault, struct pw_err *err);

/* vault_write.c: the writer. */
void *vault_writer(void *vault);

/* vault_destroy.c: the destroyer. */
void *vault_destroyer(void *vault);
void vault_owe(struct pw_vault *vault, const struct pw_id *key_id); /* Takes the lock. */

#endif
