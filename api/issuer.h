/* api/issuer.h: the tokens that this house signs itself, and the keys that others check them by.
 *
 * Contract  tokens.key_files names Ed25519 private keys: the first signs, all are published and
 *           accepted. So a key is changed without interruption: it comes last on every node, then
 *           first on every node, and the old one goes once the last token that it signed has
 *           expired. Without a key nothing is signed, nothing of ours is accepted, and the published
 *           set is empty. A key's name (`kid`) is its thumbprint (RFC 7638): who has the key has it.
 *           Our name (tokens.issuer) is ours alone, with and without keys: a token that carries it is
 *           checked by these keys only, whatever a tenant trusts.
 * Owner     Secret keys lie in memory that is locked and zeroed at its end.
 * Threads   Read-only once loaded.
 * Errors    SETTING_WRONG: a file is not as it must be; no detail holds a key. */
#ifndef PW_API_ISSUER_H
#define PW_API_ISSUER_H

#include "api/http.h"
#include "api/jwt.h"

#define PW_ISSUER_KEYS_MAX       8
#define PW_THUMBPRINT_BYTES      43
#define PW_SIGNED_TEXT_BYTES_MAX 2048 /* A token of ours, and a NUL. */

struct pw_token_issuer;

struct pw_issuer_options {
    const char *name; /* Copied. */
    uint32_t access_minutes;
    const char *const *key_files; /* The first one's key signs. */
    size_t key_file_count;
};

/* Refuses a file that others could read or write, that is no PEM of an unencrypted Ed25519 key, or
 * that holds the key of another one. */
enum pw_code pw_issuer_load(const struct pw_issuer_options *options,
                            struct pw_token_issuer **ret_issuer, struct pw_err *err);
void pw_issuer_free(struct pw_token_issuer *issuer);

/* Whether there is a key to sign with: without one there are no accounts of ours (LOGIN_OFF). */
bool pw_issuer_can_sign(const struct pw_token_issuer *issuer);

/* Signs a token for the actor, with its session_id and session_offset as `sid` and `offset`, good for access_minutes from now_us on.
 * False where there is no key. */
bool pw_issuer_sign(const struct pw_token_issuer *issuer, const struct pw_actor *actor,
                    int64_t now_us, char ret_text[PW_SIGNED_TEXT_BYTES_MAX],
                    int64_t *ret_expires_at_us);

/* Whether that is our name. False for NULL. */
bool pw_issuer_is(const struct pw_token_issuer *issuer, struct pw_str name);

/* Whether one of our keys signed the token. */
bool pw_issuer_signed(const struct pw_token_issuer *issuer, const struct pw_token *token);

/* The thumbprint of a key, and a NUL. */
void pw_issuer_thumbprint(const struct pw_hash *public_key, char ret_text[PW_THUMBPRINT_BYTES + 1]);

/* The published set (RFC 7517, RFC 8037), as JSON. */
struct pw_str pw_issuer_key_set(const struct pw_token_issuer *issuer);

/* GET /v1/jwks.json */
void pw_issuer_answer(const struct pw_token_issuer *issuer, struct pw_http_request *request);

#endif
