/* api/jwt.h: bearer tokens: JSON web tokens (RFC 7519) signed with Ed25519 (RFC 8037).
 *
 * Contract  `alg` must be EdDSA and `crit` absent; claims: iss (text), sub and tenant (UUIDs),
 *           roles (1 or more names, neither system nor operator), exp, and where present nbf, iat
 *           and aud. Base64url is strict, JSON has no duplicate names. The key is one of our own
 *           where `iss` is our name (api/issuer.h), for every tenant; else one that the tenant of
 *           the token trusts for `iss`. What is not trusted is not looked at further: a claim's
 *           value decides nothing before the signature was verified, except which keys to try.
 *           `sid` names a session of ours, and `offset` the record that gave the token, in our own
 *           tokens only: what others mean by them is theirs.
 *           Our tokens are of `typ` JWT, not at+jwt: they have neither the client_id nor the jti
 *           that RFC 9068 asks of those.
 * Units     *_at_us: microseconds since the Unix epoch.
 * Threads   pw_tokens: any. Verdicts on signatures are kept until `exp`, in a bounded table with a
 *           lock per stripe.
 * Errors    UNAUTHENTICATED with what is wrong, which names no secret. */
#ifndef PW_API_JWT_H
#define PW_API_JWT_H

#include "api/trust.h"
#include "schemas/errors.h"
#include "schemas/schema.h"

#define PW_TOKEN_BYTES_MAX 8192

/* UUIDs that begin with these bytes are ours (operator, system): no token's `sub` may. */
#define PW_RESERVED_ID_BYTES 8
extern const uint8_t pw_reserved_id[PW_RESERVED_ID_BYTES];

/* Who is asking. */
struct pw_actor {
    struct pw_id id;
    struct pw_id tenant_id;
    struct pw_id session_id; /* `sid` of a token of our own; nil: none. */
    int64_t session_offset;  /* `offset` beside `sid`: where the record that gave the token lies in
                                its tenant's partition; -1: it does not say. */
    uint32_t roles;          /* Bits, PW_ROLE(...). */
    int64_t issued_at_us;    /* `iat`; INT64_MIN: the token does not say. */
};

/* What a token says, and where its parts lie. */
struct pw_token {
    struct pw_actor actor;
    char issuer[PW_TEXT_BYTES_MAX];
    size_t issuer_bytes;
    int64_t expires_at_us;
    int64_t not_before_at_us;  /* INT64_MIN: none. */
    struct pw_str signed_part; /* Of the token's text. */
    uint8_t signature[64];
};

/* Reads a token without verifying it. `audience` is what `aud` must name, or empty. */
enum pw_code pw_token_read(struct pw_str text, struct pw_str audience, struct pw_token *ret_token,
                           struct pw_err *err);

bool pw_token_signed_by(const struct pw_token *token, const struct pw_hash *public_key);

/* What a token says besides who it is for. */
struct pw_token_plan {
    struct pw_str issuer;
    struct pw_str key_id; /* `kid` of its header; empty: none. */
    int64_t issued_at_us;
    int64_t expires_at_us;
};

/* Signs a token. secret_key: libsodium's 64 bytes. Gives the length of the text in ret_text; 0 when
 * it has no room. */
size_t pw_token_sign(const struct pw_actor *actor, const struct pw_token_plan *plan,
                     const uint8_t secret_key[64], char *ret_text, size_t room);

/* Verification with memory. */
struct pw_tokens;
struct pw_token_issuer;

/* issuer: ours, or NULL where there is none. Everything is borrowed. */
struct pw_tokens *pw_tokens_new(struct pw_trust *trust, const struct pw_token_issuer *issuer,
                                const char *audience);
void pw_tokens_free(struct pw_tokens *tokens);

/* Who the bearer is. *ret_unknown_key (where not NULL) tells that no key fits which this
 * node knows the tenant to trust for `iss`: another node may have read further. (Our own keys are
 * not read, but set: no other node knows better.) */
enum pw_code pw_tokens_verify(struct pw_tokens *tokens, struct pw_str text, int64_t now_us,
                              struct pw_actor *ret_actor, bool *ret_unknown_key,
                              struct pw_err *err);

/* How many verdicts came from memory, and how many signatures were verified. */
void pw_tokens_counts(const struct pw_tokens *tokens, uint64_t *ret_known, uint64_t *ret_verified);

#endif
