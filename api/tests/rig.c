/* api/tests/rig.c: the doors of a node, between a simulated log and a real HTTP client. */
#include "api/tests/rig.h"

#include <criterion/criterion.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

static const uint8_t ledger_secret[32] = "a secret of thirty-two bytes....";

static enum pw_liveness nobody(void *self, struct pw_str node_id, const struct pw_id *incarnation,
                               uint32_t partition)
{
    (void)self;
    (void)node_id;
    (void)incarnation;
    (void)partition;
    return PW_PEER_DEAD;
}

static void on_wake(void *self)
{
    (void)self; /* The stepper looks by itself. */
}

/* The broker's clock is the wall's, as the engine asks for. */
static void *step(void *self)
{
    struct rig *rig = self;
    while (!atomic_load(&rig->stopping)) {
        int64_t ahead_us = pw_http_wall_us() - pw_sim_now_us(rig->log);
        pw_sim_advance(rig->log, ahead_us > 0 ? ahead_us : 0);
        int64_t wait_us = atomic_load(&rig->is_standing) ? INT64_MAX : pw_engine_step(rig->engine);
        pw_http_ring();
        if (wait_us > 100) {
            usleep(100);
        }
    }
    return NULL;
}

static void create_log(struct rig *rig)
{
    struct pw_id ledger_id = {{1, 2, 3}};
    rig->log = pw_sim_log_new(2, 1, pw_http_wall_us());
    cr_assert(pw_sim_create(rig->log, &ledger_id, 24 * 60 * PW_US_PER_MINUTE) == PW_OK);
}

static void open_engine(struct rig *rig)
{
    struct pw_ledger ledger;
    struct pw_err err = {0};
    static const uint32_t partitions[] = {0, 1};
    cr_assert(pw_sim_open(rig->log, (struct pw_ledger_wake){.wake = on_wake}, &ledger) == PW_OK);
    struct pw_engine_config config = {
        .ledger = ledger,
        .partitions = partitions,
        .partition_count = PW_COUNT(partitions),
        .node_id = rig->service.node_id,
        .incarnation = rig->service.incarnation,
        .clock = pw_clock_system(),
        .peers = rig->service.peers,
        .wake = {.wake = on_wake},
        .observer = pw_news_observer(&rig->news),
    };
    rig->engine = pw_engine_new(&config, &err);
    cr_assert(rig->engine != NULL);
    rig->engines[0] = rig->engine;
    rig->service.engines = rig->engines;
    rig->service.engine_count = 1;
    rig->service.partition_count = PW_COUNT(partitions);
    if (!rig->is_unread) {
        pthread_create(&rig->stepper, NULL, step, rig);
    }
}

static struct pw_http_server *listen_on(struct pw_http_handler handler, char ret_url[64])
{
    struct pw_http_server *server = NULL;
    struct pw_err err = {0};
    struct pw_http_options options = {
        .address = "127.0.0.1:0",
        .threads = 1,
        .connections_max = 64,
        .stage_seconds = {30, 30, 30, 30},
        .head_bytes_max = 20480,
        .body_bytes_max = 65536,
        .handler = handler,
    };
    cr_assert(pw_http_start(&options, &server, &err) == PW_OK, "%s", err.detail);
    snprintf(ret_url, 64, "http://127.0.0.1:%u", pw_http_port(server));
    return server;
}

/* A tenant, and the issuer that it trusts, by way of the internal door. */
static void create_tenant(struct rig *rig)
{
    static const char *const headers[] = {"Authorization: Bearer " RIG_CLUSTER_KEY,
                                          "Content-Type: application/json", NULL};
    char url[160];
    char body[256];
    char key[PW_BASE64URL_BYTES(32) + 1];
    struct answer answer = {0};
    snprintf(url, sizeof url, "%s/internal/tenants", rig->internal_url);
    do { /* Until the engine leads. */
        rig_ask("POST", url, headers,
                "{\"name\":\"Graz\",\"time_zone\":\"Europe/Vienna\",\"language\":\"de\"}", &answer);
    } while (answer.status == 503);
    cr_assert_eq(answer.status, 201, "%s", answer.body);
    cr_assert(answer_text(&answer, "id", rig->tenant, sizeof rig->tenant));
    pw_id_parse(pw_str_of(rig->tenant), &rig->tenant_id);
    pw_base64url_format(rig->public_key.bytes, 32, key);
    snprintf(url, sizeof url, "%s/internal/tenants/%s/issuers", rig->internal_url, rig->tenant);
    snprintf(body, sizeof body, "{\"issuer\":\"" RIG_ISSUER "\",\"public_key\":\"%s\"}", key);
    rig_ask("POST", url, headers, body, &answer);
    cr_assert_eq(answer.status, 200, "%s", answer.body);
}

/* --- What accounts stand on: files of secret keys, keys in memory, cheap passwords --- */

static void write_secret(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

/* PKCS#8 (RFC 8410) of an Ed25519 key: sixteen bytes that are always the same, then the seed. */
static void write_signing_key(const char *path)
{
    uint8_t der[48] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                       0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
    char base64[80];
    char pem[160];
    randombytes_buf(der + 16, 32);
    sodium_bin2base64(base64, sizeof base64, der, sizeof der, sodium_base64_VARIANT_ORIGINAL);
    snprintf(pem, sizeof pem, "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n",
             base64);
    write_secret(path, pem);
}

/* The first one makes the files. */
static void make_files(struct rig *rig)
{
    char path[80];
    snprintf(rig->dir, sizeof rig->dir, "/tmp/pw_rig.XXXXXX");
    cr_assert(mkdtemp(rig->dir) != NULL);
    snprintf(path, sizeof path, "%s/signing.pem", rig->dir);
    write_signing_key(path);
    snprintf(path, sizeof path, "%s/master.key", rig->dir);
    write_secret(path, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
}

static void remove_files(struct rig *rig)
{
    char path[80];
    snprintf(path, sizeof path, "%s/signing.pem", rig->dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/master.key", rig->dir);
    unlink(path);
    rmdir(rig->dir);
}

static enum pw_code open_key_log(void *self, bool reads_only, struct pw_key_log *ret_log,
                                 struct pw_err *err)
{
    struct rig *rig = self;
    (void)reads_only;
    (void)err;
    *ret_log = pw_key_sim_open(rig->key_log);
    return PW_OK;
}

static void open_accounts(struct rig *rig)
{
    struct pw_err err = {0};
    char master[80];
    char signing[80];
    const char *masters[] = {master};
    const char *keys[] = {signing};
    snprintf(master, sizeof master, "%s/master.key", rig->dir);
    snprintf(signing, sizeof signing, "%s/signing.pem", rig->dir);
    cr_assert(pw_masters_load(masters, 1, &rig->masters, &err) == PW_OK, "%s", err.detail);
    struct pw_vault_options vault = {
        .self = rig, .open_log = open_key_log, .masters = rig->masters, .clock = pw_clock_system()};
    cr_assert(pw_vault_open(&vault, &rig->service.vault, &err) == PW_OK, "%s", err.detail);
    struct pw_issuer_options issuer = {
        .name = RIG_OWN_NAME, .access_minutes = 10, .key_files = keys, .key_file_count = 1};
    cr_assert(pw_issuer_load(&issuer, &rig->service.issuer, &err) == PW_OK, "%s", err.detail);
    cr_assert(pw_passwords_new(64, 1, &rig->passwords, &err) == PW_OK, "%s", err.detail);
    rig->service.directory = pw_directory_new();
    rig->service.bell = pw_bell_new();
    struct pw_preparer_options preparer = {
        .vault = rig->service.vault,
        .directory = rig->service.directory,
        .passwords = rig->passwords,
        .issuer = rig->service.issuer,
        .secret = {(const char *)ledger_secret, sizeof ledger_secret},
        .hashing = {.threads = 1, .queue_max = 64, .clock = pw_clock_system()},
        .sealing = {.threads = 2, .queue_max = 64, .clock = pw_clock_system()},
    };
    cr_assert(pw_preparer_new(&preparer, &rig->service.preparer, &err) == PW_OK, "%s", err.detail);
}

static enum pw_code open_log_to_read(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    struct rig *rig = self;
    (void)err;
    return pw_sim_open(rig->log, (struct pw_ledger_wake){.wake = on_wake}, ret_ledger);
}

static int64_t next_offset(void *self, uint32_t partition)
{
    struct rig *rig = self;
    struct pw_partition_status status;
    pw_engine_status(rig->engine, partition, &status);
    return status.next_offset;
}

static int64_t hurried_us(void *self)
{
    struct rig *rig = self;
    return (atomic_load(&rig->is_hurried) ? 100 : 1) * pw_clock_system().boot_us(NULL);
}

static void open_read_index(struct rig *rig)
{
    struct pw_err err = {0};
    struct pw_read_index_options options = {
        .self = rig,
        .open = open_log_to_read,
        .next_offset = next_offset,
        .partition_count = rig->service.partition_count,
        .clock = {.self = rig, .boot_us = hurried_us},
    };
    cr_assert(pw_read_index_new(&options, &rig->service.read_index, &err) == PW_OK);
}

static void open_auditor(struct rig *rig)
{
    struct pw_err err = {0};
    struct pw_auditor_options options = {
        .self = rig,
        .open = open_log_to_read,
        .places = RIG_AUDITS_MAX,
        .partition_count = rig->service.partition_count,
        .clock = pw_clock_system(),
    };
    cr_assert(pw_auditor_new(&options, &rig->service.auditor, &err) == PW_OK);
}

static void open_service(struct rig *rig)
{
    struct pw_err err = {0};
    struct pw_galera_options galera = {
        .nodes = "127.0.0.1:1", .user = "x", .database = "x", .password_file = "/dev/null"};
    rig->service.trust = pw_trust_new();
    open_accounts(rig);
    rig->news = (struct pw_news){.trust = rig->service.trust,
                                 .bell = rig->service.bell,
                                 .directory = rig->service.directory,
                                 .vault = rig->service.vault};
    rig->service.tokens = pw_tokens_new(rig->service.trust, rig->service.issuer, "");
    rig->service.secret = ledger_secret;
    rig->service.secret_bytes = sizeof ledger_secret;
    rig->service.cluster_key = PW_STR(RIG_CLUSTER_KEY);
    rig->service.workers = &rig->workers;
    cr_assert(pw_query_pool_new(&galera, 1, NULL, &rig->service.queries, &err) == PW_OK, "%s",
              err.detail);
    rig->service.openapi = rig->openapi = pw_openapi_new();
    pw_routes_build(&rig->service.public_routes, PW_DOOR_PUBLIC);
    pw_routes_build(&rig->service.internal_routes, PW_DOOR_INTERNAL);
    open_engine(rig);
    open_read_index(rig);
    open_auditor(rig);
    struct pw_http_handler public = {&rig->service, pw_public_admit, pw_public_door, NULL};
    struct pw_http_handler internal = {&rig->service, pw_internal_admit, pw_internal_door, NULL};
    rig->service.public_server = listen_on(public, rig->public_url);
    rig->service.admin_server = listen_on(internal, rig->internal_url);
}

void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    cr_assert(sodium_init() >= 0);
    crypto_sign_keypair(rig->public_key.bytes, rig->secret_key);
    rig->service.node_id = "rig";
    rig->service.incarnation = (struct pw_id){{9}};
    rig->service.peers = (struct pw_peers){.leads = nobody};
    rig->key_log = pw_key_sim_new();
    make_files(rig);
    create_log(rig);
    open_service(rig);
    create_tenant(rig);
}

/* What the first one's /internal/leads says. */
static void tell_of_first(struct rig *rig, const struct rig *first)
{
    static const char *const headers[] = {"Authorization: Bearer " RIG_CLUSTER_KEY, NULL};
    struct answer answer;
    char url[160];
    snprintf(url, sizeof url, "%s/internal/leads", first->internal_url);
    rig_ask("GET", url, headers, NULL, &answer);
    cr_assert_eq(answer.status, 200);
    pw_peers_tell(rig->probe, "rig", PW_PROBE_ANSWERED, pw_str_of(answer.body));
}

static void open_second(struct rig *rig, struct rig *first, bool is_unread)
{
    char nodes[160];
    memset(rig, 0, sizeof *rig);
    snprintf(nodes, sizeof nodes, "beside=127.0.0.1:1,rig=%s", first->internal_url + 7);
    rig->is_second = true;
    rig->is_unread = is_unread;
    rig->log = first->log;
    rig->key_log = first->key_log;
    memcpy(rig->dir, first->dir, sizeof rig->dir);
    memcpy(rig->secret_key, first->secret_key, sizeof rig->secret_key);
    memcpy(rig->tenant, first->tenant, sizeof rig->tenant);
    rig->tenant_id = first->tenant_id;
    rig->service.node_id = "beside";
    rig->service.incarnation = (struct pw_id){{10}};
    struct pw_peers_options peers = {.nodes = nodes,
                                     .node_id = rig->service.node_id,
                                     .incarnation = rig->service.incarnation,
                                     .cluster_key = PW_STR(RIG_CLUSTER_KEY)};
    rig->probe = pw_peers_new_idle(&peers);
    rig->service.peers = pw_peers_port(rig->probe);
    rig->service.forwarder = pw_forwarder_new(rig->probe, peers.cluster_key);
    tell_of_first(rig, first);
    open_service(rig);
}

void rig_open_beside(struct rig *rig, struct rig *first)
{
    open_second(rig, first, false);
}

void rig_open_unread(struct rig *rig, struct rig *first)
{
    open_second(rig, first, true);
}

void rig_close(struct rig *rig)
{
    pw_http_halt(rig->service.public_server);
    pw_http_halt(rig->service.admin_server);
    atomic_store(&rig->stopping, true);
    if (!rig->is_unread) {
        pthread_join(rig->stepper, NULL);
    }
    pw_vault_stop(rig->service.vault);
    pw_query_pool_free(rig->service.queries);
    pw_read_index_stop(rig->service.read_index);
    pw_auditor_stop(rig->service.auditor);
    pw_preparer_stop(rig->service.preparer);
    pw_forwarder_stop(rig->service.forwarder);
    pw_engine_free(rig->engine);
    pw_http_stop(rig->service.public_server);
    pw_http_stop(rig->service.admin_server);
    pw_openapi_free(rig->openapi);
    pw_read_index_free(rig->service.read_index);
    pw_auditor_free(rig->service.auditor);
    pw_preparer_free(rig->service.preparer);
    pw_passwords_free(rig->passwords);
    pw_tokens_free(rig->service.tokens);
    pw_directory_free(rig->service.directory);
    pw_vault_close(rig->service.vault);
    pw_masters_free(rig->masters);
    pw_trust_free(rig->service.trust);
    pw_issuer_free(rig->service.issuer);
    pw_forwarder_free(rig->service.forwarder);
    pw_peers_free(rig->probe);
    if (!rig->is_second) {
        pw_sim_log_free(rig->log);
        pw_key_sim_free(rig->key_log);
        remove_files(rig);
    }
}

void rig_token(const struct rig *rig, const char *sub, uint32_t roles, int ttl_seconds,
               char ret_token[2048])
{
    struct pw_actor actor = {.tenant_id = rig->tenant_id, .roles = roles};
    cr_assert(pw_id_parse(pw_str_of(sub), &actor.id));
    int64_t now_us = pw_http_wall_us();
    struct pw_token_plan plan = {
        .issuer = PW_STR(RIG_ISSUER),
        .issued_at_us = now_us,
        .expires_at_us = now_us + ttl_seconds * PW_US_PER_SECOND,
    };
    size_t len = pw_token_sign(&actor, &plan, rig->secret_key, ret_token, 2048);
    ret_token[len] = '\0';
}

static size_t on_body(char *data, size_t size, size_t count, void *self)
{
    struct answer *answer = self;
    size_t bytes = size * count;
    size_t room = sizeof answer->body - 1 - answer->body_bytes;
    memcpy(answer->body + answer->body_bytes, data, bytes < room ? bytes : room);
    answer->body_bytes += bytes < room ? bytes : room;
    return bytes;
}

static size_t on_header(char *data, size_t size, size_t count, void *self)
{
    struct answer *answer = self;
    size_t bytes = size * count;
    size_t room = sizeof answer->headers - 1 - answer->header_bytes;
    memcpy(answer->headers + answer->header_bytes, data, bytes < room ? bytes : room);
    answer->header_bytes += bytes < room ? bytes : room;
    return bytes;
}

void rig_ask(const char *method, const char *url, const char *const *headers, const char *body,
             struct answer *answer)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    memset(answer, 0, sizeof *answer);
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i++) {
        list = curl_slist_append(list, headers[i]);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body != NULL ? body : "");
        list = body == NULL ? curl_slist_append(list, "Content-Type:") : list;
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    if (curl_easy_perform(curl) == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    }
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
}

void rig_ask_as(const struct rig *rig, const char *token, const char *method, const char *path,
                const char *header, const char *body, struct answer *answer)
{
    char url[512];
    char authorization[2200];
    const char *headers[5] = {0};
    size_t count = 0;
    snprintf(url, sizeof url, "%s/v1/tenants/%s%s", rig->public_url, rig->tenant, path);
    if (token != NULL) {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", token);
        headers[count++] = authorization;
    }
    if (body != NULL) {
        headers[count++] = "Content-Type: application/json";
    }
    if (header != NULL) {
        headers[count++] = header;
    }
    rig_ask(method, url, headers, body, answer);
}

const char *answer_problem(const struct answer *answer, char ret_name[64])
{
    json_t *json = json_loadb(answer->body, answer->body_bytes, 0, NULL);
    const char *type = json_string_value(json_object_get(json, "type"));
    bool is_problem = type != NULL && strncmp(type, "/problems/", 10) == 0 &&
                      answer_has(answer, "Content-Type", "application/problem+json");
    snprintf(ret_name, 64, "%s", is_problem ? type + 10 : "");
    json_decref(json);
    return ret_name;
}

bool answer_has(const struct answer *answer, const char *name, const char *value)
{
    size_t name_len = strlen(name);
    for (const char *line = answer->headers; line != NULL && *line != '\0';) {
        const char *end = strstr(line, "\r\n");
        if (end == NULL) {
            return false;
        }
        if (strncasecmp(line, name, name_len) == 0 && strncmp(line + name_len, ": ", 2) == 0) {
            const char *found = line + name_len + 2;
            return value == NULL || (strlen(value) == (size_t)(end - found) &&
                                     memcmp(found, value, strlen(value)) == 0);
        }
        line = end + 2;
    }
    return false;
}

bool answer_text(const struct answer *answer, const char *name, char *ret_text, size_t room)
{
    json_t *json = json_loadb(answer->body, answer->body_bytes, 0, NULL);
    const char *text = json_string_value(json_object_get(json, name));
    snprintf(ret_text, room, "%s", text != NULL ? text : "");
    json_decref(json);
    return ret_text[0] != '\0';
}
