/* api/passwords.h: passwords, hashed by Argon2id.
 *
 * Contract  A hash is libsodium's text: it names algorithm, cost and salt, so that it can be verified
 *           after the settings have changed. Whoever is not there is verified against a hash of
 *           nobody's, of the settings' cost: how long it takes does not tell who has an account.
 *           (After the settings were changed it does, until that person's next password.) A password
 *           is bytes of UTF-8, compared as they are: nothing is normalised.
 * Owner     Arguments are borrowed. Copies of a password are the caller's to zero:
 *           pw_password_forget.
 * Threads   Any; but a hash takes the settings' cost, milliseconds of a processor: it belongs in a
 *           pool (api/pool.h), never on a loop or an engine's thread.
 * Errors    INTERNAL: no memory to hash in. Without that memory no password fits either: libsodium
 *           does not tell these two apart. */
#ifndef PW_API_PASSWORDS_H
#define PW_API_PASSWORDS_H

#include "schemas/errors.h"
#include "schemas/types.h"

#define PW_PASSWORD_BYTES_MIN      8
#define PW_PASSWORD_BYTES_MAX      128
#define PW_PASSWORD_HASH_BYTES_MAX 127

/* What is wrong with a password that somebody wants to have, as a violation says it; NULL: nothing. */
const char *pw_password_fault(struct pw_str password);

/* Zeroes a text that holds a password, such as a request's body. */
void pw_password_forget(struct pw_str text);

struct pw_passwords;

/* SETTING_WRONG: there is not so much memory. */
enum pw_code pw_passwords_new(uint32_t memory_kib, uint32_t passes,
                              struct pw_passwords **ret_passwords, struct pw_err *err);
void pw_passwords_free(struct pw_passwords *passwords);

enum pw_code pw_password_hash(const struct pw_passwords *passwords, struct pw_str password,
                              char ret_hash[PW_PASSWORD_HASH_BYTES_MAX + 1], struct pw_err *err);

/* hash: what is on record; "" for nobody. */
bool pw_password_fits(const struct pw_passwords *passwords, struct pw_str password,
                      const char *hash);

#endif
