/* commands/ranks.c: whose turn it is to lead a partition. */
#include "commands/ranks.h"

bool pw_ranks_add(struct pw_ranks *ranks, struct pw_str node_id)
{
    char id[PW_NODE_ID_BYTES_MAX + 1] = {0};
    uint32_t at = ranks->count;
    if (node_id.len == 0 || node_id.len > PW_NODE_ID_BYTES_MAX || ranks->count == PW_NODES_MAX) {
        return false;
    }
    memcpy(id, node_id.ptr, node_id.len);
    for (uint32_t i = 0; i < ranks->count; i++) {
        if (strcmp(ranks->node_ids[i], id) == 0) {
            return false;
        }
    }
    for (; at > 0 && strcmp(ranks->node_ids[at - 1], id) > 0; at--) {
        memcpy(ranks->node_ids[at], ranks->node_ids[at - 1], sizeof id);
    }
    memcpy(ranks->node_ids[at], id, sizeof id);
    ranks->count++;
    return true;
}

/* Partitions with the same rank 0 are p, p + N, p + 2N, ...: each begins its row of the others one
 * further on. */
void pw_ranks_order(const struct pw_ranks *ranks, uint32_t partition,
                    uint8_t ret_order[PW_NODES_MAX])
{
    uint32_t first = partition % ranks->count;
    uint32_t turn = partition / ranks->count;
    ret_order[0] = (uint8_t)first;
    for (uint32_t rank = 1; rank < ranks->count; rank++) {
        uint32_t further = 1 + (turn + rank - 1) % (ranks->count - 1);
        ret_order[rank] = (uint8_t)((first + further) % ranks->count);
    }
}
