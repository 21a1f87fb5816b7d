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
