/* api/tests/rig.c: the doors of a node, between a simulated log and a real HTTP client. */
#include "api/tests/rig.h"

#include <criterion/criterion.h>
#include <curl/curl.h>
#include <sodium.h>
#include <stdio.h>
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

static void on_event(void *self, const struct pw_id *boundary_id, const struct pw_event *event)
{
    const struct pw_tenant_issuer_trusted *trusted = &event->tenant_issuer_trusted;
    pw_trust_add(self, boundary_id, trusted->issuer, &trusted->public_key);
}

/* The broker's clock is the wall's, as the engine asks for. */
static void *step(void *self)
{
    struct rig *rig = self;
    while (!atomic_load(&rig->stopping)) {
        int64_t ahead_us = pw_http_wall_us() - pw_sim_now_us(rig->log);
        pw_sim_advance(rig->log, ahead_us > 0 ? ahead_us : 0);
        int64_t wait_us = pw_engine_step(rig->engine);
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
        .observer = {.self = rig->service.trust,
                     .event_types = UINT64_C(1) << PW_EVENT_TENANT_ISSUER_TRUSTED,
                     .event = on_event},
    };
    rig->engine = pw_engine_new(&config, &err);
    cr_assert(rig->engine != NULL);
    rig->engines[0] = rig->engine;
    rig->service.engines = rig->engines;
    rig->service.engine_count = 1;
    rig->service.partition_count = PW_COUNT(partitions);
    pthread_create(&rig->stepper, NULL, step, rig);
}

static struct pw_http_server *
listen_on(struct rig *rig, void (*handle)(void *, struct pw_http_request *), char ret_url[64])
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
        .handler = {.self = &rig->service, .handle = handle},
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

static void open_service(struct rig *rig)
{
    struct pw_err err = {0};
    struct pw_galera_options galera = {
        .nodes = "127.0.0.1:1", .user = "x", .database = "x", .password_file = "/dev/null"};
    rig->service.trust = pw_trust_new();
    rig->service.tokens = pw_tokens_new(rig->service.trust, "");
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
    rig->service.public_server = listen_on(rig, pw_public_door, rig->public_url);
    rig->service.admin_server = listen_on(rig, pw_internal_door, rig->internal_url);
}

void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    cr_assert(sodium_init() >= 0);
    crypto_sign_keypair(rig->public_key.bytes, rig->secret_key);
    rig->service.node_id = "rig";
    rig->service.incarnation = (struct pw_id){{9}};
    rig->service.peers = (struct pw_peers){.leads = nobody};
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

void rig_open_beside(struct rig *rig, struct rig *first)
{
    char nodes[160];
    memset(rig, 0, sizeof *rig);
    snprintf(nodes, sizeof nodes, "beside=127.0.0.1:1,rig=%s", first->internal_url + 7);
    rig->is_second = true;
    rig->log = first->log;
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

void rig_close(struct rig *rig)
{
    pw_http_halt(rig->service.public_server);
    pw_http_halt(rig->service.admin_server);
    atomic_store(&rig->stopping, true);
    pthread_join(rig->stepper, NULL);
    pw_query_pool_free(rig->service.queries);
    pw_forwarder_stop(rig->service.forwarder);
    pw_engine_free(rig->engine);
    pw_http_stop(rig->service.public_server);
    pw_http_stop(rig->service.admin_server);
    pw_openapi_free(rig->openapi);
    pw_tokens_free(rig->service.tokens);
    pw_trust_free(rig->service.trust);
    pw_forwarder_free(rig->service.forwarder);
    pw_peers_free(rig->probe);
    if (!rig->is_second) {
        pw_sim_log_free(rig->log);
    }
}

void rig_token(const struct rig *rig, const char *sub, uint32_t roles, int ttl_seconds,
               char ret_token[2048])
{
    struct pw_actor actor = {.tenant_id = rig->tenant_id, .roles = roles};
    cr_assert(pw_id_parse(pw_str_of(sub), &actor.id));
    int64_t now_us = pw_http_wall_us();
    size_t len =
        pw_token_sign(&actor, PW_STR(RIG_ISSUER), now_us, now_us + ttl_seconds * PW_US_PER_SECOND,
                      rig->secret_key, ret_token, 2048);
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
