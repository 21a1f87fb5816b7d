/* api/tests/jwks.c: which keys of a set can be trusted, and who may be asked for one. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "api/jwks.h"

#define X    "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define GOOD "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X "\""

static const struct {
    const char *name;
    const char *key;
    const char *why; /* What the reason contains; NULL: it can be trusted. */
} rows[] = {
    {"all that is needed", "{" GOOD "}", NULL},
    {"all that is usual", "{" GOOD ",\"use\":\"sig\",\"alg\":\"EdDSA\",\"kid\":\"k\"}", NULL},
    {"the algorithm's newer name", "{" GOOD ",\"alg\":\"Ed25519\"}", NULL},
    {"for encryption", "{" GOOD ",\"use\":\"enc\"}", "signatures"},
    {"use is no text", "{" GOOD ",\"use\":1}", "signatures"},
    {"another algorithm", "{" GOOD ",\"alg\":\"ES256\"}", "alg"},
    {"with its secret half", "{" GOOD ",\"d\":\"" X "\"}", "secret half"},
    {"RSA", "{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\"}", "no Ed25519 key"},
    {"another curve", "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" X "\"}", "no Ed25519 key"},
    {"an elliptic curve of that name", "{\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"" X "\"}",
     "no Ed25519 key"},
    {"no x", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", "its x"},
    {"x is short", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQ\"}", "its x"},
    {"x is padded", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X "=\"}", "its x"},
    {"no object", "[]", "no Ed25519 key"},
};

Test(jwks, only_what_can_be_trusted_is_taken_and_the_rest_is_named)
{
    static struct pw_jwks set;
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        char json[512];
        snprintf(json, sizeof json, "{\"keys\":[{\"kid\":\"first\"},%s]}", rows[i].key);
        cr_assert_eq(pw_jwks_read(pw_str_of(json), &set, NULL), PW_OK, "%s", rows[i].name);
        cr_assert_eq(set.count, 2);
        const char *why = set.keys[1].why_skipped;
        if (rows[i].why == NULL) {
            char x[PW_BASE64URL_BYTES(32) + 1];
            cr_expect_null(why, "%s: %s", rows[i].name, why);
            pw_base64url_format(set.keys[1].public_key.bytes, 32, x);
            cr_expect_str_eq(x, X);
        } else {
            cr_expect(why != NULL && strstr(why, rows[i].why) != NULL, "%s: %s", rows[i].name,
                      why != NULL ? why : "taken");
        }
    }
}

Test(jwks, a_name_goes_to_a_terminal)
{
    static struct pw_jwks set;
    static const char json[] =
        "{\"keys\":[{\"kid\":\"a\\u001b[2J b\"},{},{\"kid\":\"\"},{\"kid\":"
        "\"0123456789012345678901234567890123456789012345678901234567890123456789\"}]}";
    cr_assert_eq(pw_jwks_read(PW_STR(json), &set, NULL), PW_OK);
    cr_expect_str_eq(set.keys[0].name, "a?[2J?b");
    cr_expect_str_eq(set.keys[1].name, "number 2");
    cr_expect_str_eq(set.keys[2].name, "number 3");
    cr_expect_eq(strlen(set.keys[3].name), 47);
}

Test(jwks, what_is_no_set)
{
    static struct pw_jwks set;
    static const char *const texts[] = {
        "", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]", "\xff", "{\"keys\":[],\"keys\":[]}"};
    char many[PW_JWKS_KEYS_MAX * 3 + 16] = "{\"keys\":[{}";
    for (size_t i = 0; i < PW_COUNT(texts); i++) {
        cr_expect_eq(pw_jwks_read(pw_str_of(texts[i]), &set, NULL), PW_ERR_MALFORMED, "%s",
                     texts[i]);
    }
    for (size_t i = 1; i < PW_JWKS_KEYS_MAX; i++) {
        strcat(many, ",{}");
    }
    char more[sizeof many + 8];
    snprintf(more, sizeof more, "%s,{}]}", many);
    strcat(many, "]}");
    cr_expect_eq(pw_jwks_read(pw_str_of(many), &set, NULL), PW_OK);
    cr_expect_eq(pw_jwks_read(pw_str_of(more), &set, NULL), PW_ERR_MALFORMED);
    cr_expect_eq(pw_jwks_read(PW_STR("{\"keys\":[]}"), &set, NULL), PW_OK);
    cr_expect_eq(set.count, 0);
}

static const struct {
    const char *url;
    bool secure;   /* May be asked as it is. */
    bool insecure; /* With --insecure-http. */
} urls[] = {
    {"https://sso.example/jwks", true, true},
    {"http://sso.example/jwks", false, false},
    {"http://127.0.0.1:8080/jwks", false, true},
    {"http://127.9.9.9/jwks", false, true},
    {"http://[::1]:8080/jwks", false, true},
    {"http://localhost/jwks", false, true},
    {"http://127.0.0.1.example/jwks", false, false},
    {"http://localhost.example/jwks", false, false},
    {"http://127.0.0.1@sso.example/jwks", false, false},
    {"http://sso.example/?http://127.0.0.1/", false, false},
    {"ftp://127.0.0.1/jwks", false, false},
    {"file:///etc/passwd", false, false},
    {"https://", false, false},
    {"", false, false},
};

Test(jwks, only_https_is_asked_or_this_very_machine)
{
    for (size_t i = 0; i < PW_COUNT(urls); i++) {
        cr_expect_eq(pw_jwks_may_ask(urls[i].url, false), urls[i].secure, "%s", urls[i].url);
        cr_expect_eq(pw_jwks_may_ask(urls[i].url, true), urls[i].insecure, "%s", urls[i].url);
    }
}
