/* api/verdicts.c: verification with memory.
 *
 * An Ed25519 check costs 37 us, a look into this table one. Each set holds a few verdicts, found by
 * the SHA-256 of the whole token; a new one takes the place of the one that expires first. Only
 * good verdicts are kept: so forged tokens cannot push them out. None outlives a trust that it may
 * rest on: one from before the newest distrust, whoever's it was, is made anew. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "api/issuer.h"
#include "api/jwt.h"
#include "commands/memory.h"
#include "commands/state.h"

/* With their ways a quarter of a million verdicts, for a national exam begins for everybody in the same minute: 32 MB, where so many are kept. */
#define SETS     32768
#define WAYS     8
#define STRIPES  64
#define EARLY_US (60 * PW_US_PER_SECOND) /* Clocks of issuers and ours differ a little: for nbf. */

struct verdict {
    struct pw_hash hash;
    struct pw_actor actor;
    uint64_t epoch;        /* Of the trust, from before its keys were read. */
    int64_t expires_at_us; /* 0: free. */
    int64_t not_before_at_us;
};

struct pw_tokens {
    struct pw_trust *trust;
    const struct pw_token_issuer *issuer;
    struct pw_str audience;
    pthread_mutex_t locks[STRIPES];
    struct verdict (*sets)[WAYS];
    atomic_uint_fast64_t known_count;
    atomic_uint_fast64_t verified_count;
};

struct pw_tokens *pw_tokens_new(struct pw_trust *trust, const struct pw_token_issuer *issuer,
                                const char *audience)
{
    struct pw_tokens *tokens = pw_memory_new(1, sizeof *tokens);
    tokens->trust = trust;
    tokens->issuer = issuer;
    tokens->audience = pw_str_of(audience);
    tokens->sets =
        pw_region_new(SETS * sizeof *tokens->sets); /* No child of a snapshot needs it. */
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&tokens->locks[i], NULL);
    }
    return tokens;
}

void pw_tokens_free(struct pw_tokens *tokens)
{
    if (tokens == NULL) {
        return;
    }
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&tokens->locks[i]);
    }
    pw_region_free(tokens->sets, SETS * sizeof *tokens->sets);
    free(tokens);
}

static size_t set_of(const struct pw_hash *hash)
{
    size_t number;
    memcpy(&number, hash->bytes, sizeof number);
    return number % SETS;
}

static bool recall(struct pw_tokens *tokens, const struct pw_hash *hash,
                   struct verdict *ret_verdict)
{
    size_t set = set_of(hash);
    uint64_t epoch = pw_trust_epoch(tokens->trust);
    bool found = false;
    pthread_mutex_lock(&tokens->locks[set % STRIPES]);
    for (size_t way = 0; way < WAYS && !found; way++) {
        const struct verdict *verdict = &tokens->sets[set][way];
        if (verdict->expires_at_us != 0 && verdict->epoch == epoch &&
            pw_hash_equal(&verdict->hash, hash)) {
            *ret_verdict = *verdict;
            found = true;
        }
    }
    pthread_mutex_unlock(&tokens->locks[set % STRIPES]);
    return found;
}

/* Whether `a` is of less use than `b`. */
static bool goes_before(const struct verdict *a, const struct verdict *b, uint64_t epoch)
{
    bool a_counts = a->epoch == epoch;
    bool b_counts = b->epoch == epoch;
    return a_counts != b_counts ? b_counts : a->expires_at_us < b->expires_at_us;
}

static void keep(struct pw_tokens *tokens, const struct verdict *verdict)
{
    size_t set = set_of(&verdict->hash);
    pthread_mutex_lock(&tokens->locks[set % STRIPES]);
    struct verdict *first = &tokens->sets[set][0];
    for (size_t way = 1; way < WAYS; way++) {
        struct verdict *other = &tokens->sets[set][way];
        first = goes_before(other, first, verdict->epoch) ? other : first;
    }
    *first = *verdict;
    pthread_mutex_unlock(&tokens->locks[set % STRIPES]);
}

static enum pw_code check_times(const struct verdict *verdict, int64_t now_us, struct pw_err *err)
{
    if (now_us >= verdict->expires_at_us) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token has expired");
    }
    if (verdict->not_before_at_us != INT64_MIN && now_us < verdict->not_before_at_us - EARLY_US) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token is not valid yet");
    }
    return PW_OK;
}

static bool is_signed_by_any(const struct pw_token *token, const struct pw_hash *keys,
                             uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (pw_token_signed_by(token, &keys[i])) {
            return true;
        }
    }
    return false;
}

static enum pw_code judge_signature(struct pw_tokens *tokens, struct pw_token *token,
                                    bool *ret_unknown_key, struct pw_err *err)
{
    struct pw_hash keys[PW_ISSUERS_MAX];
    struct pw_str issuer = {token->issuer, token->issuer_bytes};
    if (pw_issuer_is(tokens->issuer, issuer)) {
        return pw_issuer_signed(tokens->issuer, token)
                   ? PW_OK
                   : pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token's signature is not valid");
    }
    token->actor.session_id = (struct pw_id){{0}};
    uint32_t count = pw_trust_keys(tokens->trust, &token->actor.tenant_id, issuer, keys);
    if (is_signed_by_any(token, keys, count)) {
        return PW_OK;
    }
    *ret_unknown_key = true;
    return pw_fail(err, PW_ERR_UNAUTHENTICATED,
                   count == 0 ? "the token's issuer is not trusted by its tenant"
                              : "the token's signature is not valid");
}

static enum pw_code judge(struct pw_tokens *tokens, struct pw_str text, struct verdict *verdict,
                          bool *ret_unknown_key, struct pw_err *err)
{
    struct pw_token token;
    verdict->epoch = pw_trust_epoch(tokens->trust);
    enum pw_code code = pw_token_read(text, tokens->audience, &token, err);
    code = code != PW_OK ? code : judge_signature(tokens, &token, ret_unknown_key, err);
    if (code == PW_OK) {
        verdict->actor = token.actor;
        verdict->expires_at_us = token.expires_at_us;
        verdict->not_before_at_us = token.not_before_at_us;
    }
    return code;
}

enum pw_code pw_tokens_verify(struct pw_tokens *tokens, struct pw_str text, int64_t now_us,
                              struct pw_actor *ret_actor, bool *ret_unknown_key, struct pw_err *err)
{
    struct verdict verdict = {.hash = pw_sha256(text.ptr, text.len, NULL, 0)};
    bool unknown_key = false;
    enum pw_code code = PW_OK;
    bool known = recall(tokens, &verdict.hash, &verdict);
    if (!known) {
        code = judge(tokens, text, &verdict, &unknown_key, err);
    }
    if (ret_unknown_key != NULL) {
        *ret_unknown_key = unknown_key;
    }
    if (code == PW_OK) {
        code = check_times(&verdict, now_us, err);
    }
    if (code != PW_OK) {
        return code;
    }
    atomic_fetch_add_explicit(known ? &tokens->known_count : &tokens->verified_count, 1,
                              memory_order_relaxed);
    if (!known) {
        keep(tokens, &verdict);
    }
    *ret_actor = verdict.actor;
    return PW_OK;
}

void pw_tokens_counts(const struct pw_tokens *tokens, uint64_t *ret_known, uint64_t *ret_verified)
{
    *ret_known = atomic_load_explicit(&tokens->known_count, memory_order_relaxed);
    *ret_verified = atomic_load_explicit(&tokens->verified_count, memory_order_relaxed);
}
