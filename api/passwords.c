/* api/passwords.c: passwords, hashed and verified by Argon2id. */
#include "api/passwords.h"

#include <sodium.h>
#include <stdlib.h>
#include <strings.h>

#include "commands/memory.h"

static_assert(PW_PASSWORD_HASH_BYTES_MAX + 1 == crypto_pwhash_argon2id_STRBYTES, "a hash");

struct pw_passwords {
    struct pw_pool *pool;
    unsigned long long passes;
    size_t memory_bytes;
    char nobody[crypto_pwhash_argon2id_STRBYTES]; /* A hash that no password fits. */
};

/* --- What may be had --- */

/* NIST SP 800-63B asks for a look at such a list, and for no rules of composition. This one is short
 * on purpose: the rate of attempts is what stops guessing, and these are what an attempt or two would
 * find. In lower case; those shorter than a password may be are left out. */
static const char *const worst[] = {
    "12345678",   "123456789",     "1234567890", "01234567",    "87654321",    "987654321",
    "0987654321", "12341234",      "11223344",   "12121212",    "123123123",   "147258369",
    "password",   "password1",     "password12", "password123", "passw0rd",    "p@ssword",
    "p@ssw0rd",   "passwort",      "passwort1",  "kennwort",    "motdepasse",  "qwertyui",
    "qwertyuiop", "qwerty12",      "qwerty123",  "qwertz123",   "azertyuiop",  "asdfghjk",
    "asdfghjkl",  "asdfasdf",      "1q2w3e4r",   "1q2w3e4r5t",  "1qaz2wsx",    "q1w2e3r4",
    "zaq12wsx",   "abcd1234",      "abcdefgh",   "abc12345",    "a1b2c3d4",    "iloveyou",
    "sunshine",   "princess",      "football",   "baseball",    "superman",    "starwars",
    "trustno1",   "whatever",      "computer",   "internet",    "welcome1",    "letmein1",
    "changeme",   "administrator", "admin123",   "university",  "proctorwise", "student1",
};

static bool is_one_letter(struct pw_str password)
{
    size_t i = 1;
    while (i < password.len && password.ptr[i] == password.ptr[0]) {
        i++;
    }
    return i == password.len;
}

static bool is_among_the_worst(struct pw_str password)
{
    for (size_t i = 0; i < PW_COUNT(worst); i++) {
        if (strlen(worst[i]) == password.len &&
            strncasecmp(worst[i], password.ptr, password.len) == 0) {
            return true;
        }
    }
    return is_one_letter(password);
}

const char *pw_password_fault(struct pw_str password)
{
    if (password.len < PW_PASSWORD_BYTES_MIN || password.len > PW_PASSWORD_BYTES_MAX ||
        !pw_utf8_valid(password)) {
        return "must have 8 to 128 bytes of UTF-8";
    }
    return is_among_the_worst(password) ? "is one of those that are tried first" : NULL;
}
static_assert(PW_PASSWORD_BYTES_MIN == 8 && PW_PASSWORD_BYTES_MAX == 128, "as the fault says");

void pw_password_forget(struct pw_str text)
{
    sodium_memzero((void *)(uintptr_t)text.ptr, text.len);
}

/* --- On a thread of the pool --- */

static bool make_hash(const struct pw_passwords *passwords, const char *password, size_t bytes,
                      char ret_hash[crypto_pwhash_argon2id_STRBYTES])
{
    return crypto_pwhash_argon2id_str(ret_hash, password, bytes, passwords->passes,
                                      passwords->memory_bytes) == 0;
}

static void run_hash(struct pw_pool_job *self)
{
    struct pw_password_job *job = (struct pw_password_job *)self;
    if (!make_hash(job->passwords, job->password, job->password_bytes, job->hash)) {
        self->code = PW_ERR_INTERNAL;
    }
}

static void run_verify(struct pw_pool_job *self)
{
    struct pw_password_job *job = (struct pw_password_job *)self;
    const struct pw_passwords *passwords = job->passwords;
    bool is_nobody = job->hash[0] == '\0';
    bool fits = crypto_pwhash_argon2id_str_verify(is_nobody ? passwords->nobody : job->hash,
                                                  job->password, job->password_bytes) == 0;
    job->fits = fits && !is_nobody;
    job->needs_rehash =
        job->fits && crypto_pwhash_argon2id_str_needs_rehash(job->hash, passwords->passes,
                                                             passwords->memory_bytes) != 0;
}

static void on_done(struct pw_pool_job *self)
{
    struct pw_password_job *job = (struct pw_password_job *)self;
    sodium_memzero(job->password, job->password_bytes);
    job->done(job);
}

static enum pw_code submit(struct pw_passwords *passwords, struct pw_password_job *job,
                           void (*run)(struct pw_pool_job *))
{
    job->passwords = passwords;
    job->job.run = run;
    job->job.done = on_done;
    job->fits = false;
    job->needs_rehash = false;
    enum pw_code code = pw_pool_submit(passwords->pool, &job->job);
    if (code != PW_OK) {
        sodium_memzero(job->password, job->password_bytes);
    }
    return code;
}

enum pw_code pw_passwords_hash(struct pw_passwords *passwords, struct pw_password_job *job)
{
    return submit(passwords, job, run_hash);
}

enum pw_code pw_passwords_verify(struct pw_passwords *passwords, struct pw_password_job *job)
{
    return submit(passwords, job, run_verify);
}

/* --- The whole --- */

enum pw_code pw_passwords_new(const struct pw_password_options *options,
                              struct pw_passwords **ret_passwords, struct pw_err *err)
{
    struct pw_passwords *passwords = pw_memory_new(1, sizeof *passwords);
    char nobody_s[32];
    passwords->passes = options->passes;
    passwords->memory_bytes = (size_t)options->memory_kib * 1024;
    randombytes_buf(nobody_s, sizeof nobody_s);
    enum pw_code code = make_hash(passwords, nobody_s, sizeof nobody_s, passwords->nobody)
                            ? pw_pool_new(&options->pool, &passwords->pool, err)
                            : pw_fail(err, PW_ERR_SETTING_WRONG,
                                      "no password can be hashed in %u KiB", options->memory_kib);
    if (code != PW_OK) {
        free(passwords);
        return code;
    }
    *ret_passwords = passwords;
    return PW_OK;
}

void pw_passwords_stop(struct pw_passwords *passwords)
{
    if (passwords != NULL) {
        pw_pool_stop(passwords->pool);
    }
}

void pw_passwords_free(struct pw_passwords *passwords)
{
    if (passwords != NULL) {
        pw_pool_free(passwords->pool);
        free(passwords);
    }
}

void pw_passwords_count(struct pw_passwords *passwords, struct pw_pool_counts *ret_counts)
{
    pw_pool_count(passwords != NULL ? passwords->pool : NULL, ret_counts);
}
