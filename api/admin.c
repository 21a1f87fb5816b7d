/* api/admin.c: the operator's verbs that speak to the ledger, Galera or nobody. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/http.h"
#include "api/issuer.h"
#include "api/jwt.h"
#include "api/node.h"
#include "api/openapi.h"
#include "api/verbs.h"
#include "projections/migrate.h"

#define ROLES_MAX         8
#define MIGRATE_TIMEOUT_S 120
#define TOKEN_TTL_DEFAULT 3600
#define TOKEN_TTL_MAX     31622400

/* Before anything is made, so that a file that is not as it must be is told first. */
static enum pw_code try_masters(const struct pw_config *config, struct pw_err *err)
{
    struct pw_masters *masters = NULL;
    enum pw_code code = pw_node_load_masters(config, &masters, err);
    pw_masters_free(masters);
    return code;
}

static int create_ledger(const struct pw_config *config, bool as_json)
{
    struct pw_ledger_plan plan = {
        .partition_count = pw_config_count(config, PW_CONFIG_LEDGER_PARTITIONS),
        .replication_factor = pw_config_count(config, PW_CONFIG_LEDGER_REPLICATION_FACTOR),
        .horizon_us =
            pw_config_count(config, PW_CONFIG_LEDGER_HORIZON_HOURS) * 60 * PW_US_PER_MINUTE,
    };
    uint8_t random[16];
    bool created = false;
    bool keys_created = false;
    bool has_keys = pw_node_has_keys(config);
    struct pw_id ledger_id;
    struct pw_err err = {0};
    char text[PW_ID_TEXT_BYTES + 1];
    randombytes_buf(random, sizeof random);
    plan.ledger_id = pw_id_v7(pw_http_wall_us(), random);
    enum pw_code code = has_keys ? try_masters(config, &err) : PW_OK;
    if (code == PW_OK) {
        code = pw_node_create_ledger(config, &plan, &created, &ledger_id, &err);
    }
    if (code == PW_OK && has_keys) {
        code = pw_node_create_keys(config, &keys_created, &err);
    }
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    pw_id_format(&ledger_id, text);
    if (as_json) {
        printf("{\"ledger_id\":\"%s\",\"created\":%s%s}\n", text, created ? "true" : "false",
               !has_keys      ? ""
               : keys_created ? ",\"keys_created\":true"
                              : ",\"keys_created\":false");
    } else {
        printf("%s\n", text);
        fprintf(stderr, "%s%s\n", created ? "created" : "it was there already",
                keys_created ? "; keys created" : "");
    }
    return PW_EXIT_GOOD;
}

int pw_verb_admin_ledger_create(int argc, char **argv)
{
    struct pw_config config;
    bool as_json = false;
    struct pw_flag flags[] = {PW_FLAG_SWITCH("json", as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = create_ledger(&config, as_json);
    }
    pw_config_close(&config);
    return result;
}

static void on_applied(void *self, const char *name)
{
    (void)self;
    fprintf(stderr, "applied %s\n", name);
}

int pw_verb_admin_migrate(int argc, char **argv)
{
    struct pw_config config;
    struct pw_galera *galera = NULL;
    struct pw_err err = {0};
    struct pw_migrate_progress progress = {.applied = on_applied};
    int result = pw_verb_load(&config, argc, argv, NULL, 0);
    if (result == PW_EXIT_GOOD) {
        struct pw_galera_options options = pw_node_galera(&config);
        options.timeout_s = MIGRATE_TIMEOUT_S;
        enum pw_code code = pw_galera_new(&options, &galera, &err);
        code = code != PW_OK ? code : pw_migrate(galera, &progress, &err);
        result = code == PW_OK ? PW_EXIT_GOOD : pw_verb_fail(code, err.detail);
        pw_galera_free(galera);
    }
    pw_config_close(&config);
    return result;
}

/* The file is made new and for its owner only: a key that others could read is none. */
static int write_key(const char *path)
{
    uint8_t public_key[32];
    uint8_t secret_key[64];
    char x[PW_BASE64URL_BYTES(32) + 1];
    char d[PW_BASE64URL_BYTES(32) + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        fprintf(stderr, "proctorwise: %s: %s\n", path, strerror(errno));
        return PW_EXIT_USAGE;
    }
    crypto_sign_keypair(public_key, secret_key);
    pw_base64url_format(public_key, 32, x);
    pw_base64url_format(secret_key, 32, d);
    int written = dprintf(
        fd, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"EdDSA\",\"x\":\"%s\",\"d\":\"%s\"}\n",
        x, d);
    sodium_memzero(secret_key, sizeof secret_key);
    sodium_memzero(d, sizeof d);
    if (written < 0 || fsync(fd) != 0 || close(fd) != 0) {
        fprintf(stderr, "proctorwise: %s: %s\n", path, strerror(errno));
        return PW_EXIT_WRONG;
    }
    printf("%s\n", x);
    return PW_EXIT_GOOD;
}

int pw_verb_admin_keygen(int argc, char **argv)
{
    struct pw_config config;
    struct pw_verb_text key_file = {0};
    struct pw_flag flags[] = {PW_FLAG_TEXT("key-file", key_file)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = pw_verb_needs(&key_file, "key-file") ? write_key(key_file.text) : PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}

struct token_request {
    struct pw_verb_text tenant;
    struct pw_verb_text issuer;
    struct pw_verb_text key_file;
    struct pw_verb_text sub;
    struct pw_verb_text ttl;
    const char *roles[ROLES_MAX];
    size_t role_count;
};

static bool take_roles(const struct token_request *request, struct pw_actor *actor)
{
    for (size_t i = 0; i < request->role_count; i++) {
        enum pw_role role;
        if (!pw_role_by_name(pw_str_of(request->roles[i]), &role) || role == PW_ROLE_SYSTEM ||
            role == PW_ROLE_OPERATOR) {
            fprintf(stderr, "proctorwise: no token can have the role %s\n", request->roles[i]);
            return false;
        }
        actor->roles |= UINT32_C(1) << role;
    }
    if (actor->roles == 0) {
        fputs("proctorwise: --role is needed; see --help\n", stderr);
    }
    return actor->roles != 0;
}

static bool take_ttl(const struct token_request *request, int64_t *ret_seconds)
{
    char *end = NULL;
    long long seconds = TOKEN_TTL_DEFAULT;
    if (request->ttl.text != NULL) {
        seconds = strtoll(request->ttl.text, &end, 10);
        if (end == request->ttl.text || *end != '\0' || seconds < -TOKEN_TTL_MAX ||
            seconds > TOKEN_TTL_MAX) {
            fprintf(stderr, "proctorwise: --ttl must be seconds, at most %d\n", TOKEN_TTL_MAX);
            return false;
        }
    }
    *ret_seconds = seconds;
    return true;
}

static int print_token(const struct token_request *request)
{
    struct pw_actor actor = {.roles = 0};
    struct pw_err err = {0};
    struct pw_hash public_key;
    uint8_t secret_key[64];
    char text[PW_TOKEN_BYTES_MAX];
    int64_t ttl_seconds = 0;
    if (!pw_verb_needs(&request->tenant, "tenant") || !pw_verb_needs(&request->issuer, "issuer") ||
        !pw_verb_needs(&request->key_file, "key-file") || !pw_verb_needs(&request->sub, "sub") ||
        !take_roles(request, &actor) || !take_ttl(request, &ttl_seconds)) {
        return PW_EXIT_USAGE;
    }
    if (!pw_id_parse(pw_str_of(request->tenant.text), &actor.tenant_id) ||
        !pw_id_parse(pw_str_of(request->sub.text), &actor.id)) {
        fputs("proctorwise: --tenant and --sub must be UUIDs\n", stderr);
        return PW_EXIT_USAGE;
    }
    enum pw_code code = pw_key_read(request->key_file.text, secret_key, &public_key, &err);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    char key_id[PW_THUMBPRINT_BYTES + 1];
    int64_t now_us = pw_http_wall_us();
    pw_issuer_thumbprint(&public_key, key_id);
    struct pw_token_plan plan = {
        .issuer = pw_str_of(request->issuer.text),
        .key_id = pw_str_of(key_id),
        .issued_at_us = now_us,
        .expires_at_us = now_us + ttl_seconds * PW_US_PER_SECOND,
    };
    size_t len = pw_token_sign(&actor, &plan, secret_key, text, sizeof text);
    sodium_memzero(secret_key, sizeof secret_key);
    printf("%.*s\n", (int)len, text);
    return len > 0 ? PW_EXIT_GOOD : PW_EXIT_USAGE;
}

int pw_verb_admin_token(int argc, char **argv)
{
    struct pw_config config;
    struct token_request request = {.role_count = 0};
    struct pw_flag flags[] = {
        PW_FLAG_TEXT("tenant", request.tenant),
        PW_FLAG_TEXT("issuer", request.issuer),
        PW_FLAG_TEXT("key-file", request.key_file),
        PW_FLAG_TEXT("sub", request.sub),
        PW_FLAG_TEXT("ttl", request.ttl),
        {"role", NULL, request.roles, &request.role_count, ROLES_MAX},
    };
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = print_token(&request);
    }
    pw_config_close(&config);
    return result;
}

int pw_verb_config(int argc, char **argv)
{
    struct pw_config config;
    bool as_json = false;
    struct pw_flag flags[] = {PW_FLAG_SWITCH("json", as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        pw_config_print(&config, as_json, stdout);
    }
    pw_config_close(&config);
    return result;
}

int pw_verb_version(int argc, char **argv)
{
    (void)argv;
    if (argc > 0) {
        fputs("proctorwise: version takes no arguments\n", stderr);
        return PW_EXIT_USAGE;
    }
    puts("proctorwise " PW_VERSION);
    return PW_EXIT_GOOD;
}

int pw_verb_openapi(int argc, char **argv)
{
    bool internal = argc == 1 && strcmp(argv[0], "--internal") == 0;
    if (argc > 0 && !internal) {
        fputs("proctorwise: openapi takes --internal or nothing\n", stderr);
        return PW_EXIT_USAGE;
    }
    char *text = pw_openapi_text(internal ? PW_DOOR_INTERNAL : PW_DOOR_PUBLIC, true);
    puts(text);
    free(text);
    return PW_EXIT_GOOD;
}
