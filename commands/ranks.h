/* commands/ranks.h: whose turn it is to lead a partition.
 *
 * Contract  Every node computes the same order from the same list of nodes, and asks nobody: rank 0
 *           of partition p is node p mod N of the list sorted by id, so that load spreads evenly;
 *           the others follow in turn, so that a dead node's partitions spread evenly as well (a
 *           hash would spread a handful of them by luck).
 * Owner     pw_ranks_add copies the id.
 * Threads   Read-only after building. */
#ifndef PW_COMMANDS_RANKS_H
#define PW_COMMANDS_RANKS_H

#include "schemas/types.h"

#define PW_NODES_MAX         32
#define PW_NODE_ID_BYTES_MAX 64

struct pw_ranks {
    char node_ids[PW_NODES_MAX][PW_NODE_ID_BYTES_MAX + 1]; /* Sorted. */
    uint32_t count;
};

/* False where there is no room, or the id is there already, or is empty or too long. */
bool pw_ranks_add(struct pw_ranks *ranks, struct pw_str node_id);

/* Fills ret_order with numbers of node_ids, rank 0 first. */
void pw_ranks_order(const struct pw_ranks *ranks, uint32_t partition,
                    uint8_t ret_order[PW_NODES_MAX]);

#endif
