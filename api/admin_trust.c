/* api/admin_trust.c: whom a tenant trusts, and no more. */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/jwks.h"
#include "api/verbs.h"

#define PATH_BYTES 128

static bool path_of(const char *tenant, const char *tail, char ret_path[PATH_BYTES])
{
    struct pw_id tenant_id;
    if (!pw_id_parse(pw_str_of(tenant), &tenant_id)) {
        fputs("proctorwise: --tenant must be a UUID\n", stderr);
        return false;
    }
    snprintf(ret_path, PATH_BYTES, "/internal/tenants/%s/%s", tenant, tail);
    return true;
}

/* --- One key --- */

struct key_request {
    struct pw_verb_text tenant;
    struct pw_verb_text issuer;
    struct pw_verb_text public_key;
    struct pw_verb_text key_file;
    bool as_json;
};

static bool read_key(struct key_request *request, char ret_x[PW_BASE64URL_BYTES(32) + 1])
{
    uint8_t secret_key[64];
    struct pw_hash key;
    struct pw_err err = {0};
    enum pw_code code = pw_key_read(request->key_file.text, secret_key, &key, &err);
    sodium_memzero(secret_key, sizeof secret_key);
    if (code != PW_OK) {
        pw_verb_fail(code, err.detail);
        return false;
    }
    pw_base64url_format(key.bytes, sizeof key.bytes, ret_x);
    request->public_key.text = ret_x;
    return true;
}

static int send_key(const struct pw_config *config, struct key_request *request, const char *tail)
{
    char path[PATH_BYTES];
    char x[PW_BASE64URL_BYTES(32) + 1];
    if (!pw_verb_needs(&request->tenant, "tenant") || !pw_verb_needs(&request->issuer, "issuer") ||
        (request->key_file.text == NULL && !pw_verb_needs(&request->public_key, "public-key"))) {
        return PW_EXIT_USAGE;
    }
    if (request->key_file.text != NULL && request->public_key.text != NULL) {
        fputs("proctorwise: say --public-key or --key-file, not both\n", stderr);
        return PW_EXIT_USAGE;
    }
    if ((request->key_file.text != NULL && !read_key(request, x)) ||
        !path_of(request->tenant.text, tail, path)) {
        return PW_EXIT_USAGE;
    }
    json_t *body = json_pack("{s:s, s:s}", "issuer", request->issuer.text, "public_key",
                             request->public_key.text);
    return pw_internal_command(config, path, body, NULL, request->as_json);
}

static int run_with_key(int argc, char **argv, const char *tail)
{
    struct pw_config config;
    struct key_request request = {.as_json = false};
    struct pw_flag flags[] = {
        PW_FLAG_TEXT("tenant", request.tenant), PW_FLAG_TEXT("issuer", request.issuer),
        PW_FLAG_TEXT("public-key", request.public_key), PW_FLAG_TEXT("key-file", request.key_file),
        PW_FLAG_SWITCH("json", request.as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = send_key(&config, &request, tail);
    }
    pw_config_close(&config);
    return result;
}

int pw_verb_admin_trust_issuer(int argc, char **argv)
{
    return run_with_key(argc, argv, "issuers");
}

int pw_verb_admin_tenant_distrust(int argc, char **argv)
{
    return run_with_key(argc, argv, "distrust-issuer");
}

/* --- A key set --- */

struct set_request {
    struct pw_verb_text tenant;
    struct pw_verb_text issuer;
    struct pw_verb_text jwks;
    bool insecure_http;
    bool as_json;
};

static int trust_key(const struct pw_config *config, const char *path, const char *issuer,
                     const char *public_key)
{
    struct pw_internal_request command = {
        .path = path, .body = json_pack("{s:s, s:s}", "issuer", issuer, "public_key", public_key)};
    struct pw_reply answer;
    return pw_internal_post(config, &command, &answer);
}

/* Trusts one key after the other, up to the first that is refused. */
static int trust_keys(const struct pw_config *config, const struct set_request *request,
                      const char *path, const struct pw_jwks *set)
{
    json_t *trusted = json_array();
    json_t *skipped = json_array();
    int result = PW_EXIT_GOOD;
    for (size_t i = 0; i < set->count && result == PW_EXIT_GOOD; i++) {
        const struct pw_jwk *key = &set->keys[i];
        char x[PW_BASE64URL_BYTES(32) + 1];
        if (key->why_skipped != NULL) {
            fprintf(stderr, "skipped %s: %s\n", key->name, key->why_skipped);
            json_array_append_new(
                skipped, json_pack("{s:s, s:s}", "kid", key->name, "reason", key->why_skipped));
            continue;
        }
        pw_base64url_format(key->public_key.bytes, sizeof key->public_key.bytes, x);
        result = trust_key(config, path, request->issuer.text, x);
        if (result == PW_EXIT_GOOD) {
            json_array_append_new(trusted,
                                  json_pack("{s:s, s:s}", "kid", key->name, "public_key", x));
            if (!request->as_json) {
                puts(x);
            }
        }
    }
    if (result == PW_EXIT_GOOD && json_array_size(trusted) == 0) {
        fputs("proctorwise: no key of the set can be trusted\n", stderr);
        result = PW_EXIT_WRONG;
    }
    json_t *all = json_pack("{s:o, s:o}", "trusted", trusted, "skipped", skipped);
    if (request->as_json) {
        json_dumpf(all, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(all);
    return result;
}

static int trust_set(const struct pw_config *config, const struct set_request *request)
{
    static struct pw_jwks set;
    char path[PATH_BYTES];
    struct pw_err err = {0};
    if (!pw_verb_needs(&request->tenant, "tenant") || !pw_verb_needs(&request->issuer, "issuer") ||
        !pw_verb_needs(&request->jwks, "jwks") || !path_of(request->tenant.text, "issuers", path)) {
        return PW_EXIT_USAGE;
    }
    enum pw_code code = pw_jwks_get(request->jwks.text, request->insecure_http, &set, &err);
    return code != PW_OK ? pw_verb_fail(code, err.detail) : trust_keys(config, request, path, &set);
}

int pw_verb_admin_tenant_trust(int argc, char **argv)
{
    struct pw_config config;
    struct set_request request = {.as_json = false};
    struct pw_flag flags[] = {
        PW_FLAG_TEXT("tenant", request.tenant), PW_FLAG_TEXT("issuer", request.issuer),
        PW_FLAG_TEXT("jwks", request.jwks), PW_FLAG_SWITCH("insecure-http", request.insecure_http),
        PW_FLAG_SWITCH("json", request.as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = trust_set(&config, &request);
    }
    pw_config_close(&config);
    return result;
}
