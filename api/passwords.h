/* api/passwords.h: passwords, hashed by Argon2id in a pool of their own (api/pool.h).
 *
 * Contract  A hash is libsodium's text: it names algorithm, cost and salt, so that it can be verified
 *           after the settings have changed; needs_rehash tells that they have. Whoever is not there
 *           is verified against a hash of nobody's, of the settings' cost: how long it takes does not
 *           tell who has an account. (After the settings were changed it does, until that person's
 *           next sign-in.) A password is bytes of UTF-8, compared as they are: nothing is normalised.
 * Owner     A job belongs to the pool until `done` is called, on a thread of the pool. The bytes of
 *           the password are borrowed and zeroed: before `done` is called, or before a refusal is
 *           returned. Copies that the caller has are the caller's to zero: pw_password_forget.
 * Threads   Any.
 * Errors    Of a submit: QUEUE_FULL, STOPPING. Of a job: STOPPING; INTERNAL, no memory to hash in.
 *           Without that memory no password fits either: libsodium does not tell these two apart. */
#ifndef PW_API_PASSWORDS_H
#define PW_API_PASSWORDS_H

#include "api/pool.h"

#define PW_PASSWORD_BYTES_MIN      8
#define PW_PASSWORD_BYTES_MAX      128
#define PW_PASSWORD_HASH_BYTES_MAX 127

/* What is wrong with a password that somebody wants to have, as a violation says it; NULL: nothing. */
const char *pw_password_fault(struct pw_str password);

/* Zeroes a text that holds a password, such as a request's body. */
void pw_password_forget(struct pw_str text);

struct pw_password_job {
    struct pw_pool_job job; /* First: `done` of the pool finds the rest by it. */

    /* The question. */
    char *password;
    size_t password_bytes;
    char hash[PW_PASSWORD_HASH_BYTES_MAX + 1]; /* To verify: what is on record; "" for nobody. */
    void (*done)(struct pw_password_job *job);

    /* The answer: job.code, and where it is PW_OK, of a hash `hash`, of a verification these. */
    bool fits;
    bool needs_rehash; /* Where it fits: it was hashed at another cost. */

    const struct pw_passwords *passwords; /* The module's own. */
};

struct pw_password_options {
    struct pw_pool_options pool;
    uint32_t memory_kib;
    uint32_t passes;
};

struct pw_passwords;

enum pw_code pw_passwords_new(const struct pw_password_options *options,
                              struct pw_passwords **ret_passwords, struct pw_err *err);

/* PW_OK: `done` will be called. */
enum pw_code pw_passwords_hash(struct pw_passwords *passwords, struct pw_password_job *job);
enum pw_code pw_passwords_verify(struct pw_passwords *passwords, struct pw_password_job *job);

/* As pw_pool_stop: answers what waits. */
void pw_passwords_stop(struct pw_passwords *passwords);
void pw_passwords_free(struct pw_passwords *passwords);

void pw_passwords_count(struct pw_passwords *passwords, struct pw_pool_counts *ret_counts);

#endif
