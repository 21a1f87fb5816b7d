/* api/peers.h: whether the other nodes are up, and what they lead.
 *
 * Contract  A thread per other node of `cluster.nodes` asks its `/internal/leads` every 200 ms,
 *           under the cluster key. Three time-outs, one refused connection, an answer that is none,
 *           another incarnation, or two answers in a row without the partition: it is dead for that
 *           partition. A node that `cluster.nodes` does not name is dead, and so is an earlier
 *           incarnation of this one. Without a cluster key nobody can be asked: every other node
 *           counts as dead.
 * Owner     pw_peers_free ends the threads.
 * Threads   `leads` of pw_peers_port: any. */
#ifndef PW_API_PEERS_H
#define PW_API_PEERS_H

#include "commands/engine.h"

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

/* --- For its tests: what one answer, or its absence, means. --- */
enum pw_probe_result { PW_PROBE_ANSWERED, PW_PROBE_TIMED_OUT, PW_PROBE_REFUSED };
void pw_peers_tell(struct pw_peers_probe *probe, const char *node_id, enum pw_probe_result result,
                   struct pw_str body);

/* As pw_peers_new, but asks nobody by itself. */
struct pw_peers_probe *pw_peers_new_idle(const struct pw_peers_options *options);

#endif
