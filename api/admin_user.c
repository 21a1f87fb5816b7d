/* api/admin_user.c: the operator's verbs for one person: the first admin of a tenant, and whoever has lost a password. */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>

#include "api/verbs.h"
#include "schemas/schema.h"

#define PASSWORD_ROOM 256 /* More than the table allows: the door says what is too long. */

/* --- A reset token --- */

static void tell_token(const char *tenant)
{
    fprintf(stderr,
            "The token is good once, for three days: whoever has it sets the password by POST "
            "/v1/tenants/%s/reset-password {\"reset_token\": ..., \"new_password\": ...}\n",
            tenant);
}

static int issue_token(const struct pw_config *config, const char *tenant, const char *user,
                       struct pw_reply *answer)
{
    char path[160];
    struct pw_internal_request request = {.path = path, .body = json_object()};
    snprintf(path, sizeof path, "/internal/tenants/%s/users/%s/issue-reset-token", tenant, user);
    return pw_internal_post(config, &request, answer);
}

static void forget(struct pw_reply *answer)
{
    sodium_memzero(answer, sizeof *answer);
}

static int reset(const struct pw_config *config, const char *tenant, const char *user, bool as_json)
{
    struct pw_reply answer;
    int result = issue_token(config, tenant, user, &answer);
    if (result == PW_EXIT_GOOD) {
        printf("%s\n", as_json ? answer.text : answer.reset_token);
        tell_token(tenant);
    }
    forget(&answer);
    return result;
}

int pw_verb_admin_user_reset(int argc, char **argv)
{
    struct pw_config config;
    struct pw_verb_text tenant = {0};
    struct pw_verb_text user = {0};
    bool as_json = false;
    struct pw_flag flags[] = {PW_FLAG_TEXT("tenant", tenant), PW_FLAG_TEXT("user", user),
                              PW_FLAG_SWITCH("json", as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        bool complete = pw_verb_needs_id(&tenant, "tenant") && pw_verb_needs_id(&user, "user");
        result = complete ? reset(&config, tenant.text, user.text, as_json) : PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}

/* --- A new person --- */

struct create {
    struct pw_verb_text tenant;
    struct pw_verb_text email;
    struct pw_verb_text name;
    struct pw_verb_text password_file;
    const char *roles[PW_ROLE_COUNT];
    size_t role_count;
    bool asks_password;
    bool as_json;
    char password[PASSWORD_ROOM]; /* Empty: none. */
};

static bool read_password_file(struct create *create)
{
    char *text = NULL;
    size_t bytes = 0;
    struct pw_err err = {0};
    if (pw_file_read(create->password_file.text, PASSWORD_ROOM - 1, &text, &bytes, &err) != PW_OK) {
        fprintf(stderr, "proctorwise: %s\n", err.detail);
        return false;
    }
    size_t len = strcspn(text, "\r\n");
    bool is_line = len > 0 && len == strlen(text) - strspn(text + len, "\r\n");
    if (is_line) {
        memcpy(create->password, text, len);
        create->password[len] = '\0';
    } else {
        fprintf(stderr, "proctorwise: %s must hold the password, in one line\n",
                create->password_file.text);
    }
    pw_secret_free(text, bytes);
    return is_line;
}

static bool ask_password(struct create *create)
{
    char again[PASSWORD_ROOM];
    bool is_read = pw_verb_ask_secret("Password: ", create->password, sizeof create->password) &&
                   pw_verb_ask_secret("The same again: ", again, sizeof again);
    if (is_read && (create->password[0] == '\0' || strcmp(create->password, again) != 0)) {
        fputs("proctorwise: these are not the same, or nothing\n", stderr);
        is_read = false;
    }
    sodium_memzero(again, sizeof again);
    return is_read;
}

static bool take_password(struct create *create)
{
    if (create->password_file.text != NULL && create->asks_password) {
        fputs("proctorwise: say --password-file or --ask-password, not both\n", stderr);
        return false;
    }
    if (create->password_file.text != NULL) {
        return read_password_file(create);
    }
    return !create->asks_password || ask_password(create);
}

static bool is_complete(const struct create *create)
{
    if (!pw_verb_needs_id(&create->tenant, "tenant") || !pw_verb_needs(&create->email, "email") ||
        !pw_verb_needs(&create->name, "name")) {
        return false;
    }
    if (create->role_count == 0) {
        fputs("proctorwise: --role is needed; see --help\n", stderr);
    }
    return create->role_count > 0;
}

static json_t *body_of(const struct create *create)
{
    json_t *roles = json_array();
    for (size_t i = 0; i < create->role_count; i++) {
        json_array_append_new(roles, json_string(create->roles[i]));
    }
    return json_pack("{s:s, s:s, s:o, s:s*}", "email", create->email.text, "name",
                     create->name.text, "roles", roles, "password",
                     create->password[0] != '\0' ? create->password : NULL);
}

static void print_person(const char *id, const char *token, bool as_json)
{
    if (as_json && token != NULL) {
        printf("{\"id\":\"%s\",\"reset_token\":\"%s\"}\n", id, token);
    } else if (as_json) {
        printf("{\"id\":\"%s\"}\n", id);
    } else {
        printf("%s%s%s\n", id, token != NULL ? "\n" : "", token != NULL ? token : "");
    }
}

/* The person is there, whatever becomes of the token: so its id is printed in any case. */
static int give_token(const struct pw_config *config, const struct create *create, const char *id)
{
    struct pw_reply answer;
    int result = issue_token(config, create->tenant.text, id, &answer);
    if (result == PW_EXIT_GOOD) {
        print_person(id, answer.reset_token, create->as_json);
        tell_token(create->tenant.text);
    } else {
        print_person(id, NULL, create->as_json);
        fprintf(stderr, "proctorwise: for a token: admin user reset --tenant %s --user %s\n",
                create->tenant.text, id);
    }
    forget(&answer);
    return result;
}

static int create_person(const struct pw_config *config, const struct create *create)
{
    char path[128];
    struct pw_reply answer;
    struct pw_internal_request request = {.path = path, .body = body_of(create)};
    snprintf(path, sizeof path, "/internal/tenants/%s/users", create->tenant.text);
    int result = pw_internal_post(config, &request, &answer);
    if (result != PW_EXIT_GOOD) {
        return result;
    }
    if (create->password[0] == '\0') {
        return give_token(config, create, answer.id);
    }
    print_person(answer.id, NULL, create->as_json);
    return PW_EXIT_GOOD;
}

int pw_verb_admin_user_create(int argc, char **argv)
{
    struct pw_config config;
    struct create create = {.role_count = 0};
    struct pw_flag flags[] = {PW_FLAG_TEXT("tenant", create.tenant),
                              PW_FLAG_TEXT("email", create.email),
                              PW_FLAG_TEXT("name", create.name),
                              PW_FLAG_TEXT("password-file", create.password_file),
                              {"role", NULL, create.roles, &create.role_count, PW_ROLE_COUNT},
                              PW_FLAG_SWITCH("ask-password", create.asks_password),
                              PW_FLAG_SWITCH("json", create.as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        bool is_ready = is_complete(&create) && take_password(&create);
        result = is_ready ? create_person(&config, &create) : PW_EXIT_USAGE;
    }
    sodium_memzero(create.password, sizeof create.password);
    pw_config_close(&config);
    return result;
}
