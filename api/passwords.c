/* api/passwords.c: passwords, hashed and verified by Argon2id. */
#include "api/passwords.h"

#include <sodium.h>
#include <stdlib.h>
#include <strings.h>

#include "commands/memory.h"

static_assert(PW_PASSWORD_HASH_BYTES_MAX + 1 == crypto_pwhash_argon2id_STRBYTES, "a hash");

struct pw_passwords {
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

enum pw_code pw_password_hash(const struct pw_passwords *passwords, struct pw_str password,
                              char ret_hash[PW_PASSWORD_HASH_BYTES_MAX + 1], struct pw_err *err)
{
    char hash[crypto_pwhash_argon2id_STRBYTES];
    if (crypto_pwhash_argon2id_str(hash, password.ptr, password.len, passwords->passes,
                                   passwords->memory_bytes) != 0) {
        return pw_fail(err, PW_ERR_INTERNAL, "there is no memory to hash a password in");
    }
    memcpy(ret_hash, hash, sizeof hash);
    return PW_OK;
}

bool pw_password_fits(const struct pw_passwords *passwords, struct pw_str password,
                      const char *hash)
{
    bool is_nobody = hash[0] == '\0';
    bool fits = crypto_pwhash_argon2id_str_verify(is_nobody ? passwords->nobody : hash,
                                                  password.ptr, password.len) == 0;
    return fits && !is_nobody;
}

enum pw_code pw_passwords_new(uint32_t memory_kib, uint32_t passes,
                              struct pw_passwords **ret_passwords, struct pw_err *err)
{
    struct pw_passwords *passwords = pw_memory_new(1, sizeof *passwords);
    char nobody_s[32];
    passwords->passes = passes;
    passwords->memory_bytes = (size_t)memory_kib * 1024;
    randombytes_buf(nobody_s, sizeof nobody_s);
    struct pw_str password = {nobody_s, sizeof nobody_s};
    if (pw_password_hash(passwords, password, passwords->nobody, NULL) != PW_OK) {
        free(passwords);
        return pw_fail(err, PW_ERR_SETTING_WRONG, "no password can be hashed in %u KiB",
                       memory_kib);
    }
    *ret_passwords = passwords;
    return PW_OK;
}

void pw_passwords_free(struct pw_passwords *passwords)
{
    free(passwords);
}
