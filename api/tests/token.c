/* api/tests/token.c: tokens, good and bad, and what is remembered of them. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/jwt.h"
#include "commands/state.h"

#define NOW_US INT64_C(1800000000000000)
#define HEADER "{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}"
#define SUB    "\"sub\":\"01890a5d-ac96-774b-bcce-b302099a8057\""
#define TENANT "\"tenant\":\"01890a5d-ac96-774b-bcce-b302099a8058\""
#define ISS    "\"iss\":\"i\""
#define ROLES  "\"roles\":[\"student\"]"
#define EXP    "\"exp\":1800000600"
#define ALL    ISS "," SUB "," TENANT "," ROLES "," EXP

static uint8_t secret_key[64];
static struct pw_hash public_key;

static void make_key(void)
{
    cr_assert(sodium_init() >= 0);
    crypto_sign_keypair(public_key.bytes, secret_key);
}

/* Any header and payload, signed. */
static struct pw_str sign(const char *header, const char *payload, char ret_text[16384])
{
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    unsigned char signature[64];
    sodium_bin2base64(ret_text, 4096, (const unsigned char *)header, strlen(header), variant);
    strcat(ret_text, ".");
    size_t at = strlen(ret_text);
    sodium_bin2base64(ret_text + at, 12000, (const unsigned char *)payload, strlen(payload),
                      variant);
    crypto_sign_detached(signature, NULL, (unsigned char *)ret_text, strlen(ret_text), secret_key);
    strcat(ret_text, ".");
    at = strlen(ret_text);
    sodium_bin2base64(ret_text + at, 128, signature, 64, variant);
    return pw_str_of(ret_text);
}

static struct pw_tokens *tokens_for(struct pw_trust **ret_trust, const char *audience)
{
    struct pw_id tenant_id;
    pw_id_parse(PW_STR("01890a5d-ac96-774b-bcce-b302099a8058"), &tenant_id);
    *ret_trust = pw_trust_new();
    pw_trust_add(*ret_trust, &tenant_id, PW_STR("i"), &public_key);
    return pw_tokens_new(*ret_trust, NULL, audience);
}

static const struct row {
    const char *name;
    const char *header;
    const char *payload;
    bool good;
} rows[] = {
    {"all that is needed", HEADER, "{" ALL "}", true},
    {"type left out", "{\"alg\":\"EdDSA\"}", "{" ALL "}", true},
    {"further claims", HEADER, "{" ALL ",\"jti\":\"x\",\"iat\":1799999999,\"nbf\":1}", true},
    {"a fraction of a second", HEADER,
     "{" ISS "," SUB "," TENANT "," ROLES ",\"exp\":1800000600.5}", true},
    {"alg none", "{\"alg\":\"none\"}", "{" ALL "}", false},
    {"alg HS256", "{\"alg\":\"HS256\"}", "{" ALL "}", false},
    {"alg ES256, another curve", "{\"alg\":\"ES256\"}", "{" ALL "}", false},
    {"alg in small letters", "{\"alg\":\"eddsa\"}", "{" ALL "}", false},
    {"no alg", "{}", "{" ALL "}", false},
    {"alg twice", "{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\"}", "{" ALL "}", false},
    {"crit", "{\"alg\":\"EdDSA\",\"crit\":[\"b64\"],\"b64\":false}", "{" ALL "}", false},
    {"header is no object", "[]", "{" ALL "}", false},
    {"payload is no object", HEADER, "[]", false},
    {"payload is no JSON", HEADER, "{", false},
    {"a claim twice", HEADER, "{" ALL "," EXP "}", false},
    {"no iss", HEADER, "{" SUB "," TENANT "," ROLES "," EXP "}", false},
    {"another iss", HEADER, "{\"iss\":\"j\"," SUB "," TENANT "," ROLES "," EXP "}", false},
    {"no sub", HEADER, "{" ISS "," TENANT "," ROLES "," EXP "}", false},
    {"sub is no UUID", HEADER, "{" ISS ",\"sub\":\"ann\"," TENANT "," ROLES "," EXP "}", false},
    {"sub is the operator", HEADER,
     "{" ISS ",\"sub\":\"70770000-0000-8000-8000-000000000001\"," TENANT "," ROLES "," EXP "}",
     false},
    {"sub is nil", HEADER,
     "{" ISS ",\"sub\":\"00000000-0000-0000-0000-000000000000\"," TENANT "," ROLES "," EXP "}",
     false},
    {"no tenant", HEADER, "{" ISS "," SUB "," ROLES "," EXP "}", false},
    {"another tenant, which trusts nobody", HEADER,
     "{" ISS "," SUB ",\"tenant\":\"01890a5d-ac96-774b-bcce-b302099a8059\"," ROLES "," EXP "}",
     false},
    {"no roles", HEADER, "{" ISS "," SUB "," TENANT "," EXP "}", false},
    {"empty roles", HEADER, "{" ISS "," SUB "," TENANT ",\"roles\":[]," EXP "}", false},
    {"roles is a text", HEADER, "{" ISS "," SUB "," TENANT ",\"roles\":\"student\"," EXP "}",
     false},
    {"unknown role", HEADER, "{" ISS "," SUB "," TENANT ",\"roles\":[\"king\"]," EXP "}", false},
    {"operator", HEADER, "{" ISS "," SUB "," TENANT ",\"roles\":[\"operator\"]," EXP "}", false},
    {"system", HEADER, "{" ISS "," SUB "," TENANT ",\"roles\":[\"system\"]," EXP "}", false},
    {"no exp", HEADER, "{" ISS "," SUB "," TENANT "," ROLES "}", false},
    {"exp is a text", HEADER, "{" ISS "," SUB "," TENANT "," ROLES ",\"exp\":\"1\"}", false},
    {"exp is huge", HEADER, "{" ISS "," SUB "," TENANT "," ROLES ",\"exp\":1e300}", false},
    {"exp is negative", HEADER, "{" ISS "," SUB "," TENANT "," ROLES ",\"exp\":-5}", false},
    {"expired", HEADER, "{" ISS "," SUB "," TENANT "," ROLES ",\"exp\":1800000000}", false},
    {"not yet", HEADER, "{" ALL ",\"nbf\":1800000300}", false},
    {"nbf is a text", HEADER, "{" ALL ",\"nbf\":\"now\"}", false},
    {"sid of a session", HEADER, "{" ALL ",\"sid\":\"01890a5d-ac96-774b-bcce-b302099a8057\"}",
     true},
    {"sid that is something else to its issuer", HEADER, "{" ALL ",\"sid\":\"08a5019c\"}", true},
    {"for somebody else", HEADER, "{" ALL ",\"aud\":\"somebody\"}", false},
};

Test(token, table, .init = make_key)
{
    struct pw_trust *trust;
    struct pw_tokens *tokens = tokens_for(&trust, "");
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        char text[16384];
        struct pw_actor actor;
        struct pw_err err = {0};
        struct pw_str token = sign(rows[i].header, rows[i].payload, text);
        enum pw_code code = pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, &err);
        cr_expect_eq(code == PW_OK, rows[i].good, "%s: %s", rows[i].name, err.detail);
        cr_expect(code == PW_OK || code == PW_ERR_UNAUTHENTICATED, "%s", rows[i].name);
    }
    pw_tokens_free(tokens);
    pw_trust_free(trust);
}

Test(token, every_flipped_bit_is_noticed, .init = make_key)
{
    struct pw_trust *trust;
    struct pw_tokens *tokens = tokens_for(&trust, "");
    char text[16384];
    struct pw_str token = sign(HEADER, "{" ALL "}", text);
    for (size_t i = 0; i < token.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct pw_actor actor;
            text[i] ^= (char)(1 << bit);
            cr_expect_neq(pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, NULL), PW_OK,
                          "byte %zu, bit %d", i, bit);
            text[i] ^= (char)(1 << bit);
        }
    }
    pw_tokens_free(tokens);
    pw_trust_free(trust);
}

Test(token, shapes_that_are_none, .init = make_key)
{
    static const char *const texts[] = {"", ".", "..", "...", "a.b.c", "e30.e30.", "e30.e30.AA"};
    struct pw_trust *trust;
    struct pw_tokens *tokens = tokens_for(&trust, "");
    struct pw_actor actor;
    for (size_t i = 0; i < PW_COUNT(texts); i++) {
        cr_expect_neq(pw_tokens_verify(tokens, pw_str_of(texts[i]), NOW_US, &actor, NULL, NULL),
                      PW_OK, "%s", texts[i]);
    }
    char *large = calloc(1, PW_TOKEN_BYTES_MAX + 2);
    memset(large, 'a', PW_TOKEN_BYTES_MAX + 1);
    cr_expect_neq(pw_tokens_verify(tokens, pw_str_of(large), NOW_US, &actor, NULL, NULL), PW_OK);
    free(large);
    pw_tokens_free(tokens);
    pw_trust_free(trust);
}

Test(token, is_remembered_until_it_expires, .init = make_key)
{
    struct pw_trust *trust;
    struct pw_tokens *tokens = tokens_for(&trust, "");
    char text[16384];
    uint64_t known;
    uint64_t verified;
    struct pw_actor actor = {.roles = 0};
    struct pw_str token = sign(HEADER, "{" ALL "}", text);
    cr_expect_eq(pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, NULL), PW_OK);
    cr_expect_eq(pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, NULL), PW_OK);
    pw_tokens_counts(tokens, &known, &verified);
    cr_expect_eq(known, 1);
    cr_expect_eq(verified, 1);
    cr_expect_eq(actor.roles, PW_ROLE(STUDENT));
    int64_t late_us = NOW_US + 600 * PW_US_PER_SECOND;
    cr_expect_eq(pw_tokens_verify(tokens, token, late_us, &actor, NULL, NULL),
                 PW_ERR_UNAUTHENTICATED);
    pw_tokens_free(tokens);
    pw_trust_free(trust);
}

Test(token, audience_that_is_ours, .init = make_key)
{
    struct pw_trust *trust;
    struct pw_tokens *tokens = tokens_for(&trust, "us");
    char text[16384];
    struct pw_actor actor;
    struct pw_str token = sign(HEADER, "{" ALL ",\"aud\":[\"them\",\"us\"]}", text);
    cr_expect_eq(pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, NULL), PW_OK);
    token = sign(HEADER, "{" ALL ",\"aud\":\"us\"}", text);
    cr_expect_eq(pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, NULL), PW_OK);
    token = sign(HEADER, "{" ALL ",\"aud\":\"them\"}", text);
    cr_expect_neq(pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, NULL), PW_OK);
    pw_tokens_free(tokens);
    pw_trust_free(trust);
}

Test(token, either_key_of_an_issuer, .init = make_key)
{
    struct pw_trust *trust;
    struct pw_tokens *tokens = tokens_for(&trust, "");
    struct pw_actor actor;
    struct pw_id tenant_id;
    char text[16384];
    bool unknown = false;
    make_key(); /* The next key of the rotation. */
    struct pw_str token = sign(HEADER, "{" ALL "}", text);
    cr_expect_neq(pw_tokens_verify(tokens, token, NOW_US, &actor, &unknown, NULL), PW_OK);
    cr_expect(unknown, "another node may have read of that key");
    unknown = true;
    pw_id_parse(PW_STR("01890a5d-ac96-774b-bcce-b302099a8058"), &tenant_id);
    pw_trust_add(trust, &tenant_id, PW_STR("i"), &public_key);
    pw_trust_add(trust, &tenant_id, PW_STR("i"), &public_key);
    cr_expect_eq(pw_tokens_verify(tokens, token, NOW_US, &actor, &unknown, NULL), PW_OK);
    pw_tokens_free(tokens);
    pw_trust_free(trust);
}

Test(token, what_is_signed_can_be_read, .init = make_key)
{
    struct pw_trust *trust;
    struct pw_tokens *tokens = tokens_for(&trust, "");
    struct pw_actor actor = {.roles = PW_ROLE(TEACHER) | PW_ROLE(ADMIN)};
    struct pw_actor got = {.roles = 0};
    char text[PW_TOKEN_BYTES_MAX];
    pw_id_parse(PW_STR("01890a5d-ac96-774b-bcce-b302099a8057"), &actor.id);
    pw_id_parse(PW_STR("01890a5d-ac96-774b-bcce-b302099a8058"), &actor.tenant_id);
    struct pw_token_plan plan = {.issuer = PW_STR("i"),
                                 .key_id = PW_STR("k"),
                                 .issued_at_us = NOW_US,
                                 .expires_at_us = NOW_US + PW_US_PER_SECOND};
    size_t len = pw_token_sign(&actor, &plan, secret_key, text, sizeof text);
    cr_assert_gt(len, 0);
    cr_expect_eq(pw_tokens_verify(tokens, (struct pw_str){text, len}, NOW_US, &got, NULL, NULL),
                 PW_OK);
    cr_expect(pw_id_equal(&got.id, &actor.id) && got.roles == actor.roles);
    for (size_t room = 1; room <= len; room++) {
        char *small = malloc(room);
        cr_expect_eq(pw_token_sign(&actor, &plan, secret_key, small, room), 0, "%zu", room);
        free(small);
    }
    cr_expect_eq(pw_token_sign(&actor, &plan, secret_key, text, len + 1), len);
    pw_tokens_free(tokens);
    pw_trust_free(trust);
}

/* --- Trust that is taken back --- */

Test(token, a_verdict_does_not_outlive_the_trust, .init = make_key)
{
    struct pw_trust *trust;
    struct pw_tokens *tokens = tokens_for(&trust, "");
    struct pw_actor actor;
    struct pw_id tenant_id;
    struct pw_id other_id = {{1}};
    struct pw_hash other_key = {{2}};
    char text[16384];
    uint64_t known = 0;
    uint64_t verified = 0;
    bool unknown = false;
    struct pw_str token = sign(HEADER, "{" ALL "}", text);
    pw_id_parse(PW_STR("01890a5d-ac96-774b-bcce-b302099a8058"), &tenant_id);
    cr_expect_eq(pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, NULL), PW_OK);
    cr_expect_eq(pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, NULL), PW_OK);
    pw_trust_add(trust, &other_id, PW_STR("i"), &other_key);
    pw_trust_remove(trust, &other_id, PW_STR("i"), &other_key);
    cr_expect_eq(pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, NULL), PW_OK);
    cr_expect_eq(pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, NULL), PW_OK);
    pw_tokens_counts(tokens, &known, &verified);
    cr_expect(known == 2 && verified == 2, "made anew once, and kept again");
    pw_trust_remove(trust, &tenant_id, PW_STR("i"), &public_key);
    cr_expect_eq(pw_tokens_verify(tokens, token, NOW_US, &actor, &unknown, NULL),
                 PW_ERR_UNAUTHENTICATED);
    cr_expect(unknown, "another node may have read that it is trusted again");
    pw_trust_add(trust, &tenant_id, PW_STR("i"), &public_key);
    cr_expect_eq(pw_tokens_verify(tokens, token, NOW_US, &actor, NULL, NULL), PW_OK);
    pw_tokens_free(tokens);
    pw_trust_free(trust);
}

Test(token, trust_is_taken_back_in_one_key_of_one_issuer_of_one_tenant, .init = make_key)
{
    struct pw_trust *trust = pw_trust_new();
    struct pw_id tenants[2] = {{{1}}, {{2}}};
    struct pw_hash keys[PW_ISSUERS_MAX];
    for (uint8_t i = 1; i <= 4; i++) {
        struct pw_hash key = {{i}};
        pw_trust_add(trust, &tenants[0], i < 4 ? PW_STR("i") : PW_STR("j"), &key);
        pw_trust_add(trust, &tenants[1], PW_STR("i"), &key);
    }
    uint64_t epoch = pw_trust_epoch(trust);
    pw_trust_remove(trust, &tenants[0], PW_STR("i"), &(struct pw_hash){{4}});
    pw_trust_remove(trust, &tenants[0], PW_STR("k"), &(struct pw_hash){{1}});
    cr_expect_eq(pw_trust_epoch(trust), epoch, "nothing was taken back");
    pw_trust_remove(trust, &tenants[0], PW_STR("i"), &(struct pw_hash){{1}});
    cr_expect_neq(pw_trust_epoch(trust), epoch);
    cr_expect_eq(pw_trust_keys(trust, &tenants[0], PW_STR("i"), keys), 2);
    cr_expect_eq(keys[0].bytes[0] + keys[1].bytes[0], 2 + 3);
    cr_expect_eq(pw_trust_keys(trust, &tenants[0], PW_STR("j"), keys), 1);
    cr_expect_eq(pw_trust_keys(trust, &tenants[1], PW_STR("i"), keys), 4);
    pw_trust_remove(trust, &tenants[0], PW_STR("i"), &(struct pw_hash){{3}});
    pw_trust_remove(trust, &tenants[0], PW_STR("i"), &(struct pw_hash){{2}});
    pw_trust_remove(trust, &tenants[0], PW_STR("j"), &(struct pw_hash){{4}});
    cr_expect_eq(pw_trust_keys(trust, &tenants[0], PW_STR("i"), keys), 0);
    pw_trust_add(trust, &tenants[0], PW_STR("i"), &(struct pw_hash){{9}});
    cr_expect_eq(pw_trust_keys(trust, &tenants[0], PW_STR("i"), keys), 1);
    pw_trust_free(trust);
}
