/* api/service.h: what the doors of a running node need: built by api/node.c, passed by hand.
 *
 * Owner     Everything is borrowed; it outlives the listeners.
 * Threads   Read-only, or with locks of its own. */
#ifndef PW_API_SERVICE_H
#define PW_API_SERVICE_H

#include <stdatomic.h>

#include "api/cors.h"
#include "api/forward.h"
#include "api/http.h"
#include "api/issuer.h"
#include "api/jwt.h"
#include "api/limits.h"
#include "api/query.h"
#include "api/route.h"
#include "commands/engine.h"

struct pw_auditor;
struct pw_directory;
struct pw_node_workers;
struct pw_preparer;
struct pw_read_index;
struct pw_openapi;
struct pw_vault;
struct pw_bell;

struct pw_service {
    const char *node_id;
    struct pw_id incarnation;
    struct pw_trust *trust;
    struct pw_token_issuer *issuer;
    struct pw_tokens *tokens;
    struct pw_directory *directory;
    struct pw_preparer *preparer;
    struct pw_read_index *read_index;
    struct pw_auditor *auditor; /* NULL: this node answers no audits. */
    struct pw_engine *
        *engines; /* Partition p belongs to engine p % engine_count, as its p / engine_count-th. */
    uint32_t engine_count;
    uint32_t partition_count;
    const uint8_t *secret; /* The ledger's. */
    size_t secret_bytes;
    struct pw_str cluster_key;      /* Empty: /internal/ is shut. */
    struct pw_peers peers;          /* Whether another node that leads is up. */
    struct pw_peers_probe *probe;   /* The same, for metrics; NULL: there is none. */
    struct pw_forwarder *forwarder; /* NULL: this node is alone. */
    struct pw_limits *limits;       /* NULL: none. */
    const struct pw_cors *cors;     /* NULL: no browser's scripts from elsewhere. */
    struct pw_vault *vault;         /* NULL: no keys are kept. */
    struct pw_query_pool *queries;
    struct pw_bell *bell;
    struct pw_node_workers *workers;
    struct pw_http_server *public_server;
    struct pw_http_server *admin_server;
    struct pw_routes public_routes;
    struct pw_routes internal_routes;
    const struct pw_openapi *openapi;
    int64_t started_boot_us;
    atomic_bool has_read[PW_PARTITIONS_MAX]; /* The door's: which were read to their end once. */
    bool never_leads;                        /* It runs without the part `commands`. */
    atomic_bool stopping;
};

/* Wakes the engines that got jobs: what a listener's loop does at the end of its turn. */
void pw_service_kick(void *self);

/* The engine's view of one partition. */
void pw_service_status(struct pw_service *service, uint32_t partition,
                       struct pw_partition_status *ret_status);

#endif
