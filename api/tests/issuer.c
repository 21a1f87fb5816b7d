/* api/tests/issuer.c: our own keys: from files, published, and signed with. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/issuer.h"

#define NAME   "https://house.example"
#define NOW_US INT64_C(1800000000000000)

/* Heads of what stands before 32 bytes of key, in DER. */
#define ED25519_HEAD "302e020100300506032b657004220420"
#define X25519_HEAD  "302e020100300506032b656e04220420"
#define PUBLIC_HEAD  "302a300506032b6570032100"

/* The key of RFC 8037, appendix A. */
#define RFC_SEED  "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define RFC_X     "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define RFC_PRINT "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
#define OTHER     "1111111111111111111111111111111111111111111111111111111111111111"

static char dir[64];

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    snprintf(dir, sizeof dir, "/tmp/pw-issuer-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(issuer, .init = setup, .fini = teardown);

/* --- Files --- */

/* A file of the test's directory; the path is its own for up to twelve files. */
static const char *file_of(const char *text, mode_t mode)
{
    static char paths[12][96];
    static unsigned number;
    char *path = paths[number++ % PW_COUNT(paths)];
    snprintf(path, sizeof paths[0], "%s/%u.pem", dir, number);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

static const char *pem_of(const char *label, const char *head, const char *key)
{
    static char text[512];
    char hex[256];
    char base64[256];
    unsigned char der[96];
    size_t bytes = 0;
    snprintf(hex, sizeof hex, "%s%s", head, key);
    cr_assert_eq(sodium_hex2bin(der, sizeof der, hex, strlen(hex), NULL, &bytes, NULL), 0);
    sodium_bin2base64(base64, sizeof base64, der, bytes, sodium_base64_VARIANT_ORIGINAL);
    snprintf(text, sizeof text, "-----BEGIN %s-----\n%s\n-----END %s-----\n", label, base64, label);
    return text;
}

static const char *key_file(const char *seed)
{
    return file_of(pem_of("PRIVATE KEY", ED25519_HEAD, seed), 0600);
}

static struct pw_issuer_options options_of(const char *const *paths, size_t count)
{
    return (struct pw_issuer_options){NAME, 7, paths, count};
}

static struct pw_token_issuer *issuer_of(const char *const *paths, size_t count)
{
    struct pw_token_issuer *issuer = NULL;
    struct pw_err err = {0};
    struct pw_issuer_options options = options_of(paths, count);
    cr_assert_eq(pw_issuer_load(&options, &issuer, &err), PW_OK, "%s", err.detail);
    return issuer;
}

static void expect_refused(const char *path, const char *why)
{
    struct pw_token_issuer *issuer = NULL;
    struct pw_err err = {0};
    struct pw_issuer_options options = options_of(&path, 1);
    cr_expect_eq(pw_issuer_load(&options, &issuer, &err), PW_ERR_SETTING_WRONG, "%s", why);
    cr_expect(strstr(err.detail, why) != NULL, "%s: %s", why, err.detail);
    cr_expect_null(issuer);
}

static const char encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                                "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjpzyBUdMnPPQICCAAw\n"
                                "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJcu8gztSQB/dEvGLI/LOqUEQBU/\n"
                                "MjK7bMvTB41TnEokR1pqNHJJXF0jHrEyoqFxnLOmdt3ir88fou7h5NEeeKP1Mzzo\n"
                                "qFNZA/XF/50OU7Hxn7c=\n"
                                "-----END ENCRYPTED PRIVATE KEY-----\n";

Test(issuer, a_file_that_is_none_is_refused)
{
    static const char what[] = "must hold an Ed25519 key";
    expect_refused("/nothing/here.pem", "No such file");
    expect_refused(file_of(pem_of("PRIVATE KEY", ED25519_HEAD, RFC_SEED), 0644), "mode 0644");
    expect_refused(file_of("", 0600), what);
    expect_refused(file_of("{\"kty\":\"OKP\"}\n", 0600), what);
    expect_refused(file_of(encrypted, 0600), what);
    expect_refused(file_of(pem_of("PRIVATE KEY", X25519_HEAD, RFC_SEED), 0600), what);
    expect_refused(file_of(pem_of("PUBLIC KEY", PUBLIC_HEAD, RFC_SEED), 0600), what);
}

Test(issuer, a_key_stands_in_one_file_only)
{
    struct pw_token_issuer *issuer = NULL;
    struct pw_err err = {0};
    const char *const paths[] = {key_file(RFC_SEED), key_file(OTHER), key_file(RFC_SEED)};
    struct pw_issuer_options options = options_of(paths, 3);
    cr_expect_eq(pw_issuer_load(&options, &issuer, &err), PW_ERR_SETTING_WRONG);
    cr_expect(strstr(err.detail, "the same key") != NULL, "%s", err.detail);
    const char *many[PW_ISSUER_KEYS_MAX + 1];
    for (size_t i = 0; i < PW_COUNT(many); i++) {
        char seed[65];
        snprintf(seed, sizeof seed, "%064zu", i);
        many[i] = key_file(seed);
    }
    options = options_of(many, PW_COUNT(many));
    cr_expect_eq(pw_issuer_load(&options, &issuer, &err), PW_ERR_SETTING_WRONG);
    pw_issuer_free(issuer_of(many, PW_ISSUER_KEYS_MAX));
}

/* --- What is published --- */

Test(issuer, the_thumbprint_is_that_of_the_rfc)
{
    struct pw_hash key;
    char text[PW_THUMBPRINT_BYTES + 1];
    cr_assert(pw_base64url_parse(PW_STR(RFC_X), key.bytes, sizeof key.bytes));
    pw_issuer_thumbprint(&key, text);
    cr_expect_str_eq(text, RFC_PRINT);
}

static const char *member(const json_t *key, const char *name)
{
    const char *text = json_string_value(json_object_get(key, name));
    return text != NULL ? text : "";
}

Test(issuer, every_public_key_is_published_and_no_secret_one)
{
    const char *const paths[] = {key_file(OTHER), key_file(RFC_SEED)};
    struct pw_token_issuer *issuer = issuer_of(paths, 2);
    struct pw_str text = pw_issuer_key_set(issuer);
    json_t *set = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    json_t *keys = json_object_get(set, "keys");
    cr_assert_eq(json_array_size(keys), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *key = json_array_get(keys, i);
        cr_expect_str_eq(member(key, "kty"), "OKP");
        cr_expect_str_eq(member(key, "crv"), "Ed25519");
        cr_expect_str_eq(member(key, "alg"), "EdDSA");
        cr_expect_str_eq(member(key, "use"), "sig");
        cr_expect_eq(json_object_size(key), 6, "nothing else, and no d");
    }
    cr_expect_str_eq(member(json_array_get(keys, 1), "x"), RFC_X);
    cr_expect_str_eq(member(json_array_get(keys, 1), "kid"), RFC_PRINT);
    json_decref(set);
    pw_issuer_free(issuer);
}

Test(issuer, without_keys_the_set_is_empty_and_nothing_is_signed)
{
    struct pw_token_issuer *issuer = issuer_of(NULL, 0);
    struct pw_actor actor = {.roles = PW_ROLE(STUDENT)};
    char text[PW_SIGNED_TEXT_BYTES_MAX];
    cr_expect(pw_str_equal(pw_issuer_key_set(issuer), PW_STR("{\"keys\":[]}")));
    cr_expect(!pw_issuer_can_sign(issuer));
    int64_t expires_at_us;
    cr_expect(!pw_issuer_sign(issuer, &actor, NOW_US, text, &expires_at_us));
    cr_expect(pw_issuer_is(issuer, PW_STR(NAME)), "the name is ours all the same");
    pw_issuer_free(issuer);
}

/* --- Tokens --- */

static const struct pw_actor ann = {.id = {{1, 2, 3}},
                                    .tenant_id = {{4, 5, 6}},
                                    .session_id = {{7, 8, 9}},
                                    .session_offset = 10,
                                    .roles = 1};

/* What the header of a token says. */
static json_t *header_of(const char *token)
{
    char text[512];
    size_t bytes = 0;
    cr_assert_eq(sodium_base642bin((unsigned char *)text, sizeof text, token, strcspn(token, "."),
                                   NULL, &bytes, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                 0);
    json_t *header = json_loadb(text, bytes, 0, NULL);
    cr_assert_not_null(header);
    return header;
}

static enum pw_code verify_at(int64_t now_us, const struct pw_token_issuer *issuer,
                              struct pw_trust *trust, const char *token, struct pw_actor *ret_actor,
                              bool *ret_unknown_key)
{
    struct pw_tokens *tokens = pw_tokens_new(trust, issuer, "");
    enum pw_code code =
        pw_tokens_verify(tokens, pw_str_of(token), now_us, ret_actor, ret_unknown_key, NULL);
    pw_tokens_free(tokens);
    return code;
}

static enum pw_code verify(const struct pw_token_issuer *issuer, struct pw_trust *trust,
                           const char *token, struct pw_actor *ret_actor, bool *ret_unknown_key)
{
    return verify_at(NOW_US, issuer, trust, token, ret_actor, ret_unknown_key);
}

static void sign(const struct pw_token_issuer *issuer, char ret_text[PW_SIGNED_TEXT_BYTES_MAX])
{
    int64_t expires_at_us = 0;
    cr_assert(pw_issuer_sign(issuer, &ann, NOW_US, ret_text, &expires_at_us));
    cr_expect_eq(expires_at_us, NOW_US + 7 * PW_US_PER_MINUTE);
}

Test(issuer, the_first_key_signs_and_names_itself)
{
    const char *const paths[] = {key_file(RFC_SEED), key_file(OTHER)};
    struct pw_token_issuer *issuer = issuer_of(paths, 2);
    struct pw_trust *trust = pw_trust_new();
    struct pw_actor got;
    char text[PW_SIGNED_TEXT_BYTES_MAX];
    sign(issuer, text);
    json_t *header = header_of(text);
    cr_expect_str_eq(member(header, "alg"), "EdDSA");
    cr_expect_str_eq(member(header, "typ"), "JWT");
    cr_expect_str_eq(member(header, "kid"), RFC_PRINT);
    json_decref(header);
    cr_expect_eq(verify(issuer, trust, text, &got, NULL), PW_OK);
    cr_expect(pw_id_equal(&got.id, &ann.id) && pw_id_equal(&got.tenant_id, &ann.tenant_id) &&
              pw_id_equal(&got.session_id, &ann.session_id) &&
              got.session_offset == ann.session_offset && got.roles == ann.roles);
    int64_t last_us = NOW_US + 7 * PW_US_PER_MINUTE;
    cr_expect_eq(verify_at(last_us - 1, issuer, trust, text, &got, NULL), PW_OK);
    cr_expect_eq(verify_at(last_us, issuer, trust, text, &got, NULL), PW_ERR_UNAUTHENTICATED);
    pw_trust_free(trust);
    pw_issuer_free(issuer);
}

Test(issuer, a_key_is_changed_without_interruption)
{
    const char *old_key = key_file(OTHER);
    const char *new_key = key_file(RFC_SEED);
    const char *const both[] = {new_key, old_key};
    struct pw_trust *trust = pw_trust_new();
    struct pw_token_issuer *before = issuer_of(&old_key, 1);
    struct pw_token_issuer *between = issuer_of(both, 2);
    struct pw_token_issuer *after = issuer_of(&new_key, 1);
    struct pw_actor got;
    bool unknown_key = true;
    char text[PW_SIGNED_TEXT_BYTES_MAX];
    sign(before, text);
    cr_expect_eq(verify(between, trust, text, &got, NULL), PW_OK);
    cr_expect_eq(verify(after, trust, text, &got, &unknown_key), PW_ERR_UNAUTHENTICATED);
    cr_expect(!unknown_key, "no other node knows more of our own keys");
    sign(between, text);
    cr_expect_eq(verify(after, trust, text, &got, NULL), PW_OK);
    pw_issuer_free(before);
    pw_issuer_free(between);
    pw_issuer_free(after);
    pw_trust_free(trust);
}

/* Whoever got a tenant to trust a key under our name still signs nothing that is taken for ours. */
Test(issuer, our_name_is_ours_alone)
{
    const char *path = key_file(RFC_SEED);
    struct pw_token_issuer *issuer = issuer_of(&path, 1);
    struct pw_token_issuer *keyless = issuer_of(NULL, 0);
    struct pw_trust *trust = pw_trust_new();
    struct pw_actor got;
    struct pw_hash public_key;
    uint8_t secret_key[64];
    char text[PW_SIGNED_TEXT_BYTES_MAX] = "";
    struct pw_token_plan plan = {.issuer = PW_STR(NAME),
                                 .key_id = PW_STR(RFC_PRINT),
                                 .issued_at_us = NOW_US,
                                 .expires_at_us = NOW_US + PW_US_PER_MINUTE};
    crypto_sign_keypair(public_key.bytes, secret_key);
    pw_trust_add(trust, &ann.tenant_id, PW_STR(NAME), &public_key);
    cr_assert_gt(pw_token_sign(&ann, &plan, secret_key, text, sizeof text), 0);
    cr_expect_eq(verify(issuer, trust, text, &got, NULL), PW_ERR_UNAUTHENTICATED);
    cr_expect_eq(verify(keyless, trust, text, &got, NULL), PW_ERR_UNAUTHENTICATED);
    cr_expect_eq(verify(NULL, trust, text, &got, NULL), PW_OK, "it is good but for the name");
    pw_trust_free(trust);
    pw_issuer_free(issuer);
    pw_issuer_free(keyless);
}

Test(issuer, a_session_is_ours_to_name)
{
    const char *path = key_file(RFC_SEED);
    struct pw_token_issuer *issuer = issuer_of(&path, 1);
    struct pw_trust *trust = pw_trust_new();
    struct pw_actor got = {.roles = 0};
    struct pw_hash public_key;
    uint8_t secret_key[64];
    char text[PW_SIGNED_TEXT_BYTES_MAX] = "";
    struct pw_token_plan plan = {.issuer = PW_STR("https://sso.example"),
                                 .issued_at_us = NOW_US,
                                 .expires_at_us = NOW_US + PW_US_PER_MINUTE};
    crypto_sign_keypair(public_key.bytes, secret_key);
    pw_trust_add(trust, &ann.tenant_id, plan.issuer, &public_key);
    cr_assert_gt(pw_token_sign(&ann, &plan, secret_key, text, sizeof text), 0);
    cr_expect_eq(verify(issuer, trust, text, &got, NULL), PW_OK);
    cr_expect(pw_id_is_nil(&got.session_id) && pw_id_equal(&got.id, &ann.id));
    pw_trust_free(trust);
    pw_issuer_free(issuer);
}
