/* api/admin_tenant.c: the operator's verbs for tenants, which go through a running node. */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>

#include "api/verbs.h"

/* --- Whether it keeps accounts --- */

/* Where a key was chosen before, nothing changes. */
static int choose_equality_key(const struct pw_config *config, const char *tenant,
                               const char *pardoned, struct pw_reply *answer)
{
    char path[128];
    struct pw_internal_request request = {
        .path = path, .body = json_object(), .pardoned = pardoned};
    snprintf(path, sizeof path, "/internal/tenants/%s/choose-equality-key", tenant);
    return pw_internal_post(config, &request, answer);
}

/* A house without keys has tenants all the same. */
static int offer_accounts(const struct pw_config *config, const char *tenant)
{
    static const char off[] = "accounts-off";
    struct pw_reply answer;
    int result = choose_equality_key(config, tenant, off, &answer);
    if (strcmp(answer.problem, off) == 0) {
        fprintf(stderr,
                "proctorwise: the tenant keeps no accounts, since the node has no "
                "keys.master_files; once it has: admin tenant accounts --tenant %s\n",
                tenant);
        return PW_EXIT_GOOD;
    }
    return result;
}

int pw_verb_admin_tenant_accounts(int argc, char **argv)
{
    struct pw_config config;
    struct pw_reply answer;
    struct pw_verb_text tenant = {0};
    bool as_json = false;
    struct pw_flag flags[] = {PW_FLAG_TEXT("tenant", tenant), PW_FLAG_SWITCH("json", as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = pw_verb_needs_id(&tenant, "tenant")
                     ? choose_equality_key(&config, tenant.text, NULL, &answer)
                     : PW_EXIT_USAGE;
    }
    if (result == PW_EXIT_GOOD) {
        pw_internal_print(&answer, as_json);
    }
    pw_config_close(&config);
    return result;
}

/* --- A new one --- */

static int create(const struct pw_config *config, json_t *body, const char *key, bool as_json)
{
    struct pw_reply answer;
    struct pw_internal_request request = {.path = "/internal/tenants", .body = body, .key = key};
    int result = pw_internal_post(config, &request, &answer);
    if (result != PW_EXIT_GOOD) {
        return result;
    }
    pw_internal_print(&answer, as_json);
    return offer_accounts(config, answer.id);
}

int pw_verb_admin_tenant_create(int argc, char **argv)
{
    struct pw_config config;
    struct pw_verb_text name = {0};
    struct pw_verb_text zone = {0};
    struct pw_verb_text language = {0};
    struct pw_verb_text key = {0};
    bool as_json = false;
    struct pw_flag flags[] = {PW_FLAG_TEXT("name", name), PW_FLAG_TEXT("time-zone", zone),
                              PW_FLAG_TEXT("language", language),
                              PW_FLAG_TEXT("idempotency-key", key),
                              PW_FLAG_SWITCH("json", as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        bool complete = pw_verb_needs(&name, "name") && pw_verb_needs(&zone, "time-zone") &&
                        pw_verb_needs(&language, "language");
        result = PW_EXIT_USAGE;
        if (complete) {
            json_t *body = json_pack("{s:s, s:s, s:s}", "name", name.text, "time_zone", zone.text,
                                     "language", language.text);
            result = create(&config, body, key.text, as_json);
        }
    }
    pw_config_close(&config);
    return result;
}

/* --- Whom it trusts --- */

static int trust(const struct pw_config *config, const char *tenant, const char *issuer,
                 const char *public_key, bool as_json)
{
    char path[128];
    snprintf(path, sizeof path, "/internal/tenants/%s/issuers", tenant);
    json_t *body = json_pack("{s:s, s:s}", "issuer", issuer, "public_key", public_key);
    return pw_internal_command(config, path, body, NULL, as_json);
}

int pw_verb_admin_trust_issuer(int argc, char **argv)
{
    struct pw_config config;
    struct pw_verb_text tenant = {0};
    struct pw_verb_text issuer = {0};
    struct pw_verb_text public_key = {0};
    struct pw_verb_text key_file = {0};
    bool as_json = false;
    char x[PW_BASE64URL_BYTES(32) + 1];
    struct pw_flag flags[] = {PW_FLAG_TEXT("tenant", tenant), PW_FLAG_TEXT("issuer", issuer),
                              PW_FLAG_TEXT("public-key", public_key),
                              PW_FLAG_TEXT("key-file", key_file), PW_FLAG_SWITCH("json", as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    bool complete = result == PW_EXIT_GOOD && pw_verb_needs_id(&tenant, "tenant") &&
                    pw_verb_needs(&issuer, "issuer") &&
                    (key_file.text != NULL || pw_verb_needs(&public_key, "public-key"));
    if (complete && key_file.text != NULL && public_key.text != NULL) {
        fputs("proctorwise: say --public-key or --key-file, not both\n", stderr);
        complete = false;
    }
    if (complete && key_file.text != NULL) {
        uint8_t secret_key[64];
        struct pw_hash key;
        struct pw_err err = {0};
        enum pw_code code = pw_key_read(key_file.text, secret_key, &key, &err);
        sodium_memzero(secret_key, sizeof secret_key);
        pw_base64url_format(key.bytes, 32, x);
        public_key.text = x;
        complete = code == PW_OK || pw_verb_fail(code, err.detail) == PW_EXIT_GOOD;
    }
    if (complete) {
        result = trust(&config, tenant.text, issuer.text, public_key.text, as_json);
    } else if (result == PW_EXIT_GOOD) {
        result = PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}
