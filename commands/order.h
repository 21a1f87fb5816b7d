/* commands/order.h: things kept in an order, many orders side by side in one map.
 *
 * Contract  An order is sorted by (rank, id). One map holds the places of all orders of a kind: a thing, by its id, is in one of them at
 *           most. An order is known by its root, which whoever has the order keeps, and which may change with each call; nil: it is
 *           empty. Adding, removing, the first and the next one take a number of steps that grows with the logarithm of the order's
 *           length, whatever ids are chosen: it is a treap (R. Seidel, C. R. Aragon: Randomized Search Trees, 1996) whose heights come
 *           from ids under a seed that each process draws. What it looks like follows from who is in it, so it is no part of a state's
 *           serialisation: whoever reads one adds everything again.
 * Owner     The map is the caller's. Changes are saved in the undo log where there is one.
 * Threads   One owner. */
#ifndef PW_COMMANDS_ORDER_H
#define PW_COMMANDS_ORDER_H

#include "commands/map.h"

/* Lower ones come first. */
struct pw_rank {
    int64_t first;
    int64_t second;
};

struct pw_place {
    struct pw_rank rank;
    struct pw_id before; /* The root of those that come before this one, below it; or nil. */
    struct pw_id after;
};

/* A map for places: id -> struct pw_place. */
struct pw_map *pw_order_map_new(void);

/* Gives the new root. The thing must be in no order of this map. */
struct pw_id pw_order_add(struct pw_map *places, struct pw_id root, const struct pw_id *id,
                          struct pw_rank rank, struct pw_undo *undo);

/* Gives the new root. The thing must be in this order. */
struct pw_id pw_order_remove(struct pw_map *places, struct pw_id root, const struct pw_id *id,
                             struct pw_undo *undo);

/* The place of a thing; NULL: it is in no order. */
const struct pw_place *pw_order_place(const struct pw_map *places, const struct pw_id *id);

/* The first one, and the one that comes after one of the order; nil: there is none. */
struct pw_id pw_order_first(const struct pw_map *places, struct pw_id root);
struct pw_id pw_order_next(const struct pw_map *places, struct pw_id root, const struct pw_id *id);

#endif
