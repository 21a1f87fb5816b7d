/* api/forward.h: commands to the node that leads their partition, and its answers back.
 *
 * Contract  One thread and libcurl's multi interface, with connections that are kept, to the admin
 *           listeners that `cluster.nodes` names. A forward carries the client's own headers and
 *           body, and the cluster key in `Pw-Cluster-Key`; the other node looks at the client's
 *           token itself, and sends nothing on. What was sent is not sent again: ANSWERED has the
 *           other node's answer, NOT_SENT did not reach it, LOST may have been carried out. A node
 *           that cannot be reached, or hangs up, is told to the peers' probe; where the probe finds
 *           a node dead, what was sent to it is LOST at once.
 * Owner     The forward and its request belong to the forwarder from pw_forward_send until `done`.
 *           What comes back lies in the request's arena.
 * Bounds    PW_FORWARDS_MAX under way, 64 connections to each node, five seconds each.
 * Threads   pw_forward_send from any thread; `done` is called on the forwarder's. */
#ifndef PW_API_FORWARD_H
#define PW_API_FORWARD_H

#include "api/http.h"
#include "api/peers.h"

#define PW_FORWARDS_MAX        4096
#define PW_FORWARD_HEADERS_MAX 12

enum pw_forward_result { PW_FORWARD_ANSWERED, PW_FORWARD_NOT_SENT, PW_FORWARD_LOST };

struct pw_forward {
    /* The request. */
    struct pw_http_request *request;
    const char *node_id;
    struct pw_str path; /* `/v1/...`: nothing in it needs to be encoded. */
    const char *key;    /* Idempotency-Key. */
    void (*done)(struct pw_forward *forward);

    /* The answer. */
    enum pw_forward_result result;
    uint32_t status;
    const char *header_names[PW_FORWARD_HEADERS_MAX];
    const char *header_values[PW_FORWARD_HEADERS_MAX];
    uint32_t header_count;
    const char *content_type;
    struct pw_str body;

    /* The forwarder's own. */
    struct pw_forwarder *forwarder;
    struct pw_forward *next;
    char *body_buffer;
    size_t body_room;
    void *handle;
    bool sent;
};

struct pw_forwarder;

/* NULL where no thread can be made. The probe outlives it. */
struct pw_forwarder *pw_forwarder_new(struct pw_peers_probe *probe, struct pw_str cluster_key);

/* False when too many are under way or it has stopped: nothing is done. */
bool pw_forward_send(struct pw_forwarder *forwarder, struct pw_forward *forward);

struct pw_forward_counts {
    uint64_t answered;
    uint64_t not_sent;
    uint64_t lost;
};
void pw_forward_count(struct pw_forwarder *forwarder, struct pw_forward_counts *ret_counts);

/* Ends the thread; what is under way is done, as LOST. pw_forward_send may still be called. */
void pw_forwarder_stop(struct pw_forwarder *forwarder);
void pw_forwarder_free(struct pw_forwarder *forwarder);

#endif
