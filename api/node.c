/* api/node.c: all parts of one running node, built and taken down in order. */
#include "api/node.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "api/auditor.h"
#include "api/door.h"
#include "api/ledger_watch.h"
#include "api/log.h"
#include "api/openapi.h"
#include "api/peers.h"
#include "api/prepare.h"
#include "api/read_index.h"
#include "api/tls.h"
#include "api/vault.h"
#include "commands/memory.h"

#define DESCRIPTORS_KEPT 512 /* For everything but clients' connections. */

struct pw_node {
    const struct pw_config *config;
    struct pw_service service;
    struct pw_peers_probe *peers;
    struct pw_ranks ranks;
    struct pw_ledger_watch *watch;
    struct pw_masters *masters;
    struct pw_engine_threads *engines;
    struct pw_openapi *openapi;
    char *secret;
    struct pw_passwords *passwords;
    struct pw_news news;
    char *cluster_key;
    char *tls_certificate;
    char *tls_key;
    size_t tls_key_bytes;
    struct pw_networks trusted;
    struct pw_cors cors;
};

static int64_t boot_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

void pw_service_kick(void *self)
{
    struct pw_service *service = self;
    for (uint32_t i = 0; i < service->engine_count; i++) {
        pw_engine_kick(service->engines[i]);
    }
}

void pw_service_status(struct pw_service *service, uint32_t partition,
                       struct pw_partition_status *ret_status)
{
    struct pw_engine *engine = service->engines[partition % service->engine_count];
    pw_engine_status(engine, partition / service->engine_count, ret_status);
}

struct pw_galera_options pw_node_galera(const struct pw_config *config)
{
    return (struct pw_galera_options){
        .nodes = pw_config_text(config, PW_CONFIG_GALERA_NODES),
        .user = pw_config_text(config, PW_CONFIG_GALERA_USER),
        .database = pw_config_text(config, PW_CONFIG_GALERA_DATABASE),
        .password_file = pw_config_text(config, PW_CONFIG_GALERA_PASSWORD_FILE),
    };
}

const char *pw_node_snapshots_dir(const struct pw_config *config)
{
    const char *dir = pw_config_text(config, PW_CONFIG_SNAPSHOTS_DIR);
    return dir[0] == '\0' ? NULL : dir;
}

/* Without it a node starts all the same, only later. */
static void make_snapshots_dir(const struct pw_config *config)
{
    const char *dir = pw_node_snapshots_dir(config);
    if (dir != NULL && mkdir(dir, 0700) != 0 && errno != EEXIST) {
        pw_log(PW_LOG_WARNING, "node", PW_LOG_NO_PARTITION, NULL, "snapshots.dir: %s: %s", dir,
               strerror(errno));
    }
}

/* A connection each needs a descriptor; the soft limit is often too low. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Kafka and Galera must never find that clients have taken every descriptor. */
static uint32_t connections_max(const struct pw_config *config)
{
    uint32_t asked = pw_config_count(config, PW_CONFIG_HTTP_CONNECTIONS_MAX);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return asked;
    }
    uint64_t room =
        limit.rlim_cur - limit.rlim_cur / 8; /* The server itself takes a sixteenth more. */
    room = room > DESCRIPTORS_KEPT ? room - DESCRIPTORS_KEPT : 1;
    if (asked <= room) {
        return asked;
    }
    pw_log(PW_LOG_WARNING, "node", PW_LOG_NO_PARTITION, NULL,
           "http.connections_max is %u, but %llu open files leave room for %llu", asked,
           (unsigned long long)limit.rlim_cur, (unsigned long long)room);
    return (uint32_t)room;
}

static bool is_key_text(struct pw_str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char letter = key.ptr[i];
        bool alphanumeric = (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                            (letter >= 'A' && letter <= 'Z');
        if (!alphanumeric && strchr("-._~+/=", letter) == NULL) {
            return false;
        }
    }
    return true;
}

static enum pw_code read_secrets(struct pw_node *node, struct pw_err *err)
{
    struct pw_service *service = &node->service;
    enum pw_code code = pw_config_read_file(node->config, PW_CONFIG_LEDGER_SECRET_FILE, 32, 4096,
                                            &node->secret, &service->secret_bytes, err);
    if (code != PW_OK) {
        return code;
    }
    service->secret = (const uint8_t *)node->secret;
    if (pw_config_text(node->config, PW_CONFIG_CLUSTER_KEY_FILE)[0] != '\0') {
        size_t bytes = 0;
        code = pw_config_read_file(node->config, PW_CONFIG_CLUSTER_KEY_FILE, 32, 256,
                                   &node->cluster_key, &bytes, err);
        if (code != PW_OK) {
            return code;
        }
        service->cluster_key = (struct pw_str){node->cluster_key, bytes};
        if (!is_key_text(service->cluster_key)) {
            return pw_fail(err, PW_ERR_SETTING_WRONG,
                           "cluster.key_file: may hold letters, digits and -._~+/= only");
        }
    }
    if (pw_config_text(node->config, PW_CONFIG_TLS_CERT_FILE)[0] != '\0') {
        size_t bytes = 0;
        code = pw_config_read_file(node->config, PW_CONFIG_TLS_CERT_FILE, 1, 1 << 20,
                                   &node->tls_certificate, &bytes, err);
        code = code != PW_OK ? code
                             : pw_config_read_file(node->config, PW_CONFIG_TLS_KEY_FILE, 1, 1 << 20,
                                                   &node->tls_key, &node->tls_key_bytes, err);
        code = code != PW_OK ? code : pw_tls_check(node->tls_certificate, node->tls_key, err);
    }
    return code;
}

/* A node that was started twice by mistake must find that out before it takes the lead from the
 * first. */
static enum pw_code probe_listeners(const struct pw_config *config, struct pw_err *err)
{
    enum pw_code code = pw_http_probe(pw_config_text(config, PW_CONFIG_HTTP_LISTEN), err);
    return code != PW_OK ? code
                         : pw_http_probe(pw_config_text(config, PW_CONFIG_ADMIN_LISTEN), err);
}

static enum pw_code open_key_log(void *self, bool reads_only, struct pw_key_log *ret_log,
                                 struct pw_err *err)
{
    return pw_node_open_keys(self, reads_only, ret_log, err);
}

static enum pw_code start_vault(struct pw_node *node, struct pw_err *err)
{
    struct pw_vault_options options = {
        .self = (void *)(uintptr_t)node->config,
        .open_log = open_key_log,
        .clock = pw_clock_system(),
    };
    if (!pw_node_has_keys(node->config)) {
        return PW_OK;
    }
    enum pw_code code = pw_node_load_masters(node->config, &node->masters, err);
    options.masters = node->masters;
    return code != PW_OK ? code : pw_vault_open(&options, &node->service.vault, err);
}

/* Our own keys. */
static enum pw_code load_issuer(struct pw_node *node, struct pw_err *err)
{
    struct pw_config_files *files = NULL;
    struct pw_err why = {0};
    enum pw_code code = pw_config_files(node->config, PW_CONFIG_TOKENS_KEY_FILES, &files, err);
    if (code != PW_OK) {
        return code;
    }
    struct pw_issuer_options options = {
        .name = pw_config_text(node->config, PW_CONFIG_TOKENS_ISSUER),
        .access_minutes = pw_config_count(node->config, PW_CONFIG_TOKENS_ACCESS_MINUTES),
        .key_files = files->paths,
        .key_file_count = files->count,
    };
    code = pw_issuer_load(&options, &node->service.issuer, &why);
    free(files);
    return code == PW_OK ? PW_OK
                         : pw_fail(err, code, "%s: %s", pw_config_name(PW_CONFIG_TOKENS_KEY_FILES),
                                   why.detail);
}

/* Sealing waits for keys to be written, as many in one write as threads wait for: so many threads are so many people at a time, and
 * one that waits costs nothing. */
#define SEALING_THREADS 64

static enum pw_code start_preparer(struct pw_node *node, struct pw_err *err)
{
    const struct pw_config *config = node->config;
    struct pw_service *service = &node->service;
    service->directory = pw_directory_new();
    service->bell = pw_bell_new();
    if (service->bell == NULL) {
        return pw_fail(err, PW_ERR_INTERNAL, "no more threads");
    }
    enum pw_code code = pw_passwords_new(pw_config_count(config, PW_CONFIG_PASSWORDS_MEMORY_KIB),
                                         pw_config_count(config, PW_CONFIG_PASSWORDS_PASSES),
                                         &node->passwords, err);
    struct pw_preparer_options options = {
        .vault = service->vault,
        .directory = service->directory,
        .passwords = node->passwords,
        .issuer = service->issuer,
        .secret = {(const char *)service->secret, service->secret_bytes},
        .hashing = {.threads = pw_config_count(config, PW_CONFIG_PASSWORDS_THREADS),
                    .queue_max = pw_config_count(config, PW_CONFIG_PASSWORDS_QUEUE_MAX),
                    .niceness = PW_POOL_NICENESS,
                    .clock = pw_clock_system()},
        .sealing = {.threads = SEALING_THREADS,
                    .queue_max = pw_config_count(config, PW_CONFIG_PASSWORDS_QUEUE_MAX),
                    .clock = pw_clock_system()},
    };
    return code != PW_OK ? code : pw_preparer_new(&options, &service->preparer, err);
}

static enum pw_code open_to_read(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    struct pw_node *node = self;
    return pw_node_open_to_read(node->config, NULL, ret_ledger, err);
}

static int64_t next_offset(void *self, uint32_t partition)
{
    struct pw_node *node = self;
    struct pw_partition_status status;
    pw_service_status(&node->service, partition, &status);
    return status.next_offset;
}

static enum pw_code start_read_index(struct pw_node *node, struct pw_err *err)
{
    struct pw_read_index_options options = {
        .self = node,
        .open = open_to_read,
        .next_offset = next_offset,
        .partition_count = node->service.partition_count,
        .clock = pw_clock_system(),
    };
    return pw_read_index_new(&options, &node->service.read_index, err);
}

static enum pw_code start_auditor(struct pw_node *node, struct pw_err *err)
{
    struct pw_auditor_options options = {
        .self = node,
        .open = open_to_read,
        .places = pw_config_count(node->config, PW_CONFIG_AUDITS_MAX),
        .partition_count = node->service.partition_count,
        .clock = pw_clock_system(),
    };
    return pw_auditor_new(&options, &node->service.auditor, err);
}

static enum pw_code start_commands(struct pw_node *node, const volatile sig_atomic_t *stop,
                                   struct pw_err *err)
{
    struct pw_service *service = &node->service;
    struct pw_peers_options peers = {
        .nodes = pw_config_text(node->config, PW_CONFIG_CLUSTER_NODES),
        .node_id = service->node_id,
        .incarnation = service->incarnation,
        .cluster_key = service->cluster_key,
    };
    enum pw_code code = pw_peers_ranks(peers.nodes, &node->ranks, err);
    if (code != PW_OK) {
        return code;
    }
    node->peers = pw_peers_new(&peers);
    service->probe = node->peers;
    service->peers = pw_peers_port(node->peers);
    if (node->ranks.count > 1) {
        service->forwarder = pw_forwarder_new(node->peers, service->cluster_key);
    }
    node->watch = pw_ledger_watch_new(node->config);
    if (node->watch == NULL) {
        return pw_fail(err, PW_ERR_INTERNAL, "no more threads");
    }
    service->trust = pw_trust_new();
    service->tokens = pw_tokens_new(service->trust, service->issuer,
                                    pw_config_text(node->config, PW_CONFIG_AUTH_AUDIENCE));
    node->news = (struct pw_news){.trust = service->trust,
                                  .directory = service->directory,
                                  .vault = service->vault,
                                  .bell = service->bell};
    struct pw_engine_threads_options engines = {
        .config = node->config,
        .node_id = service->node_id,
        .incarnation = service->incarnation,
        .nodes = node->ranks.count > 0 ? &node->ranks : NULL,
        .peers = service->peers,
        .checks = pw_ledger_watch_checks(node->watch),
        .news = &node->news,
        .never_leads = service->never_leads,
        .stop = stop,
    };
    code = pw_engine_threads_start(&engines, &node->engines, err);
    if (code == PW_OK) {
        service->engines = pw_engine_threads_engines(node->engines, &service->engine_count);
        service->partition_count = pw_engine_threads_partition_count(node->engines);
        code = start_read_index(node, err);
    }
    return code;
}

static enum pw_code start_queries(struct pw_node *node, struct pw_err *err)
{
    struct pw_galera_options galera = pw_node_galera(node->config);
    node->service.workers = pw_node_workers_start(node->config, err);
    if (node->service.workers == NULL) {
        return err->code;
    }
    if (!pw_config_runs(node->config, "queries")) {
        return PW_OK;
    }
    enum pw_code code =
        pw_query_pool_new(&galera, pw_config_count(node->config, PW_CONFIG_QUERIES_THREADS),
                          node->service.vault, &node->service.queries, err);
    return code != PW_OK ? code : start_auditor(node, err);
}

static struct pw_rate rate_of(const struct pw_config *config, enum pw_config_key per_second,
                              enum pw_config_key burst)
{
    return (struct pw_rate){pw_config_count(config, per_second), pw_config_count(config, burst)};
}

static enum pw_code start_limits(struct pw_node *node, struct pw_err *err)
{
    const struct pw_config *config = node->config;
    enum pw_code code = pw_networks_parse(pw_config_text(config, PW_CONFIG_HTTP_TRUSTED_PROXIES),
                                          &node->trusted, err);
    code = code != PW_OK ? code
                         : pw_cors_parse(pw_config_text(config, PW_CONFIG_HTTP_CORS_ORIGINS),
                                         &node->cors, err);
    struct pw_limits_options limits = {
        .rates =
            {
                [PW_LIMIT_CONNECTION] = rate_of(config, PW_CONFIG_LIMITS_CONNECTION_PER_SECOND,
                                                PW_CONFIG_LIMITS_CONNECTION_BURST),
                [PW_LIMIT_ADDRESS] = rate_of(config, PW_CONFIG_LIMITS_ADDRESS_PER_SECOND,
                                             PW_CONFIG_LIMITS_ADDRESS_BURST),
                [PW_LIMIT_TOKEN] = rate_of(config, PW_CONFIG_LIMITS_TOKEN_PER_SECOND,
                                           PW_CONFIG_LIMITS_TOKEN_BURST),
                [PW_LIMIT_LOGIN] = rate_of(config, PW_CONFIG_LIMITS_LOGIN_PER_MINUTE,
                                           PW_CONFIG_LIMITS_LOGIN_BURST),
            },
        .trusted = &node->trusted,
        .clock = pw_clock_system(),
    };
    node->service.limits = pw_limits_new(&limits);
    node->service.cors = &node->cors;
    return code;
}

static enum pw_code start_listeners(struct pw_node *node, struct pw_err *err)
{
    struct pw_service *service = &node->service;
    const struct pw_config *config = node->config;
    pw_routes_build(&service->public_routes, PW_DOOR_PUBLIC);
    pw_routes_build(&service->internal_routes, PW_DOOR_INTERNAL);
    struct pw_http_options internal = {
        .address = pw_config_text(config, PW_CONFIG_ADMIN_LISTEN),
        .threads = 1,
        .connections_max = 4096, /* Other nodes have 64 each. */
        .stage_seconds =
            {
                [PW_STAGE_IDLE] = pw_config_count(config, PW_CONFIG_HTTP_IDLE_SECONDS),
                [PW_STAGE_HEAD] = pw_config_count(config, PW_CONFIG_HTTP_HEAD_SECONDS),
                [PW_STAGE_BODY] = pw_config_count(config, PW_CONFIG_HTTP_BODY_SECONDS),
                [PW_STAGE_SEND] = pw_config_count(config, PW_CONFIG_HTTP_SEND_SECONDS),
            },
        .head_bytes_max = pw_config_count(config, PW_CONFIG_HTTP_HEAD_BYTES_MAX),
        .body_bytes_max = pw_config_count(config, PW_CONFIG_HTTP_BODY_BYTES_MAX),
        .handler = {.self = service,
                    .admit = pw_internal_admit,
                    .handle = pw_internal_door,
                    .turn_over = pw_service_kick},
    };
    struct pw_http_options open = internal;
    open.address = pw_config_text(config, PW_CONFIG_HTTP_LISTEN);
    open.threads = pw_config_count(config, PW_CONFIG_HTTP_THREADS);
    open.connections_max = connections_max(config);
    open.connections_per_address = pw_config_count(config, PW_CONFIG_HTTP_CONNECTIONS_PER_ADDRESS);
    open.trusted = &node->trusted;
    open.tls_certificate = node->tls_certificate;
    open.tls_key = node->tls_key;
    open.handler.admit = pw_public_admit;
    open.handler.handle = pw_public_door;
    enum pw_code code = pw_http_start(&open, &service->public_server, err);
    return code != PW_OK ? code : pw_http_start(&internal, &service->admin_server, err);
}

enum pw_code pw_node_start(const struct pw_config *config, const volatile sig_atomic_t *stop,
                           struct pw_node **ret_node, struct pw_err *err)
{
    struct pw_node *node = pw_memory_new(1, sizeof *node);
    node->config = config;
    node->service.node_id = pw_config_text(config, PW_CONFIG_CLUSTER_NODE_ID);
    node->service.started_boot_us = boot_us();
    node->service.never_leads = !pw_config_runs(config, "commands");
    randombytes_buf(node->service.incarnation.bytes, 16);
    raise_descriptor_limit();
    make_snapshots_dir(config);
    node->service.openapi = node->openapi = pw_openapi_new();
    enum pw_code code = read_secrets(node, err);
    code = code != PW_OK ? code : load_issuer(node, err);
    code = code != PW_OK ? code : probe_listeners(config, err);
    code = code != PW_OK ? code : start_vault(node, err);
    code = code != PW_OK ? code : start_preparer(node, err);
    code = code != PW_OK ? code : start_limits(node, err);
    /* From here on this node may lead: others look at once whether it answers, so nothing slow stands between. */
    code = code != PW_OK ? code : start_commands(node, stop, err);
    code = code != PW_OK ? code : start_queries(node, err);
    code = code != PW_OK ? code : start_listeners(node, err);
    if (code != PW_OK) {
        pw_node_stop(node);
        return code;
    }
    *ret_node = node;
    return PW_OK;
}

const struct pw_service *pw_node_service(const struct pw_node *node)
{
    return &node->service;
}

static void wait_until_answered(struct pw_http_server *server, int64_t until_boot_us)
{
    struct timespec pause = {.tv_nsec = 5000000};
    while (server != NULL && pw_http_waiting(server) > 0 && boot_us() < until_boot_us) {
        nanosleep(&pause, NULL);
    }
}

void pw_node_stop(struct pw_node *node)
{
    struct pw_service *service = &node->service;
    int64_t until_boot_us = boot_us() + PW_DRAIN_SECONDS * PW_US_PER_SECOND;
    atomic_store(&service->stopping, true);
    if (service->public_server != NULL) {
        pw_http_drain(service->public_server);
    }
    if (node->engines != NULL) {
        pw_engine_threads_drain(node->engines, until_boot_us);
    }
    if (service->bell != NULL) {
        pw_bell_stop(service->bell); /* Who listens hears no more. */
    }
    wait_until_answered(service->public_server, until_boot_us);
    if (service->vault != NULL) {
        pw_vault_stop(service->vault); /* Nobody is left to wait for a key. */
    }
    /* Once the loops have ended nobody asks pools or engines any more. */
    pw_http_halt(service->public_server);
    pw_http_halt(service->admin_server);
    pw_query_pool_free(service->queries);    /* Answers every ask that is left, */
    pw_read_index_stop(service->read_index); /* every question of how far to have read, */
    pw_auditor_stop(service->auditor);       /* every audit, */
    pw_preparer_stop(service->preparer);     /* every command that is prepared, */
    pw_forwarder_stop(service->forwarder);   /* every forward, */
    pw_engine_threads_free(node->engines);   /* and every job. */
    pw_http_ring();
    pw_http_stop(service->public_server);
    pw_http_stop(service->admin_server);
    pw_node_workers_stop(service->workers);
    pw_ledger_watch_free(node->watch);
    pw_read_index_free(service->read_index);
    pw_auditor_free(service->auditor);
    pw_preparer_free(service->preparer);
    pw_passwords_free(node->passwords);
    pw_forwarder_free(service->forwarder);
    pw_peers_free(node->peers);
    pw_limits_free(service->limits);
    pw_openapi_free(node->openapi);
    pw_tokens_free(service->tokens);
    pw_directory_free(service->directory);
    pw_bell_free(service->bell);
    pw_trust_free(service->trust);
    pw_vault_close(service->vault);
    pw_masters_free(node->masters);
    pw_issuer_free(service->issuer);
    pw_secret_free(node->secret, service->secret_bytes);
    pw_secret_free(node->cluster_key, service->cluster_key.len);
    pw_secret_free(node->tls_key, node->tls_key_bytes);
    free(node->tls_certificate);
    free(node);
}

static enum pw_code check_keys(const struct pw_config *config, struct pw_err *err)
{
    struct pw_masters *masters = NULL;
    struct pw_key_log log;
    if (!pw_node_has_keys(config)) {
        return PW_OK;
    }
    enum pw_code code = pw_node_load_masters(config, &masters, err);
    pw_masters_free(masters);
    code = code != PW_OK ? code : pw_node_open_keys(config, true, &log, err);
    if (code == PW_OK) {
        code = log.check(log.self, err);
        log.close(log.self);
    }
    return code;
}

/* A node that runs neither of these parts never asks the cluster. */
static enum pw_code check_galera(const struct pw_config *config, struct pw_err *err)
{
    struct pw_galera *galera = NULL;
    struct pw_galera_options options = pw_node_galera(config);
    if (!pw_config_runs(config, "projections") && !pw_config_runs(config, "queries")) {
        return PW_OK;
    }
    enum pw_code code = pw_galera_new(&options, &galera, err);
    if (code == PW_OK && pw_galera_connect(galera, err) != PW_SQL_OK) {
        code = PW_ERR_READ_MODEL_DOWN;
    }
    pw_galera_free(galera);
    return code;
}

enum pw_code pw_node_check(const struct pw_config *config, struct pw_err *err)
{
    struct pw_node node = {.config = config};
    struct pw_ledger ledger;
    enum pw_code code = read_secrets(&node, err);
    code = code != PW_OK ? code : load_issuer(&node, err);
    pw_issuer_free(node.service.issuer);
    pw_secret_free(node.secret, node.service.secret_bytes);
    pw_secret_free(node.cluster_key, node.service.cluster_key.len);
    pw_secret_free(node.tls_key, node.tls_key_bytes);
    free(node.tls_certificate);
    if (code == PW_OK) {
        code = pw_node_open_ledger(config, true, (struct pw_ledger_wake){0}, &ledger, err);
    }
    if (code == PW_OK) {
        code = ledger.check(ledger.self, err);
        ledger.close(ledger.self);
    }
    code = code != PW_OK ? code : check_keys(config, err);
    return code != PW_OK ? code : check_galera(config, err);
}
