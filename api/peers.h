/* api/peers.h: whether the other nodes are up, and what they lead.
 *
 * Contract  A thread per other node of `cluster.nodes` asks its `/internal/leads` every 200 ms,
 *           under the cluster key. Three time-outs, one refused connection or failed forward, an
 *           answer that is none, another incarnation, or two answers in a row without the
 *           partition: it is dead for that partition. A node that `cluster.nodes` does not name is
 *           dead, and so is an earlier incarnation of this one. Without a cluster key nobody can be
 *           asked: every other node counts as dead. A node stands by, that is, may be handed a
 *           partition, while it says so: it has read the ledger and is not stopping.
 * Owner     pw_peers_free ends the threads.
 * Threads   All but new and free: any. */
#ifndef PW_API_PEERS_H
#define PW_API_PEERS_H

#include "commands/engine.h"

#define PW_PEER_ADDRESS_BYTES_MAX 300

struct pw_peers_probe;

struct pw_peers_options {
    const char *nodes; /* id=host:port,... */
    const char *node_id;
    struct pw_id incarnation;
    struct pw_str cluster_key;
};

struct pw_peers_probe *pw_peers_new(const struct pw_peers_options *options);
void pw_peers_free(struct pw_peers_probe *probe);

/* What an engine asks. */
struct pw_peers pw_peers_port(struct pw_peers_probe *probe);

/* host:port of the node's admin listener; false where `cluster.nodes` does not name it. */
bool pw_peers_address(struct pw_peers_probe *probe, const char *node_id,
                      char ret_address[PW_PEER_ADDRESS_BYTES_MAX]);

/* What one answer, or its absence, means: told by whoever talks to other nodes. */
enum pw_probe_result { PW_PROBE_ANSWERED, PW_PROBE_TIMED_OUT, PW_PROBE_REFUSED };
void pw_peers_tell(struct pw_peers_probe *probe, const char *node_id, enum pw_probe_result result,
                   struct pw_str body);

/* Whether that node counts as dead now, whatever it leads. */
bool pw_peers_is_dead(struct pw_peers_probe *probe, const char *node_id);

/* How often the i-th other node was alive and then dead; false where there is no such node. */
bool pw_peers_deaths(struct pw_peers_probe *probe, uint32_t i, const char **ret_node_id,
                     uint64_t *ret_count);

/* The ids of `cluster.nodes`, as ranks; USAGE names what is wrong. Empty without nodes. */
enum pw_code pw_peers_ranks(const char *nodes, struct pw_ranks *ret_ranks, struct pw_err *err);

/* As pw_peers_new, but asks nobody by itself: for tests. */
struct pw_peers_probe *pw_peers_new_idle(const struct pw_peers_options *options);

#endif
