/* commands/order.c: a treap through the entries of a map. */
#include "commands/order.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t seed;

static void draw_seed(void)
{
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        abort(); /* Without randomness clients could choose the shape. */
    }
}

/* Whichever thread makes the first map draws the seed of all. */
struct pw_map *pw_order_map_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, draw_seed);
    return pw_map_new(sizeof(struct pw_id), sizeof(struct pw_place));
}

/* The finaliser of MurmurHash3 (A. Appleby, public domain). */
static uint64_t mix(uint64_t word)
{
    word = (word ^ word >> 33) * UINT64_C(0xff51afd7ed558ccd);
    word = (word ^ word >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return word ^ word >> 33;
}

static uint64_t height_of(const struct pw_id *id)
{
    uint64_t words[2];
    memcpy(words, id->bytes, sizeof words);
    return mix(mix(words[0] ^ seed) ^ words[1]);
}

/* Of two that are equally high, the one whose id is greater. */
static bool is_higher(const struct pw_id *a, const struct pw_id *b)
{
    uint64_t height_a = height_of(a);
    uint64_t height_b = height_of(b);
    return height_a != height_b ? height_a > height_b : memcmp(a, b, sizeof *a) > 0;
}

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Whether (rank, id) comes before this one. */
static bool comes_before(struct pw_rank rank, const struct pw_id *id, const struct pw_place *place,
                         const struct pw_id *place_id)
{
    int by_rank = compare(rank.first, place->rank.first);
    by_rank = by_rank != 0 ? by_rank : compare(rank.second, place->rank.second);
    return by_rank != 0 ? by_rank < 0 : memcmp(id, place_id, sizeof *id) < 0;
}

static const struct pw_place *get(const struct pw_map *places, const struct pw_id *id)
{
    return pw_map_get(places, id);
}

static struct pw_place *put(struct pw_map *places, const struct pw_id *id, struct pw_undo *undo)
{
    return pw_map_put(places, id, undo);
}

/* Parts a tree into those before (rank, id) and those after. */
static void split(struct pw_map *places, struct pw_id root, struct pw_rank rank,
                  const struct pw_id *id, struct pw_id *ret_before, struct pw_id *ret_after,
                  struct pw_undo *undo)
{
    if (pw_id_is_nil(&root)) {
        *ret_before = *ret_after = root;
        return;
    }
    struct pw_place *place = put(places, &root, undo);
    if (comes_before(rank, id, place, &root)) {
        split(places, place->before, rank, id, ret_before, &place->before, undo);
        *ret_after = root;
    } else {
        split(places, place->after, rank, id, &place->after, ret_after, undo);
        *ret_before = root;
    }
}

/* Joins two trees, all of the one before all of the other. */
static struct pw_id join(struct pw_map *places, struct pw_id before, struct pw_id after,
                         struct pw_undo *undo)
{
    if (pw_id_is_nil(&before)) {
        return after;
    }
    if (pw_id_is_nil(&after)) {
        return before;
    }
    if (is_higher(&before, &after)) {
        struct pw_place *place = put(places, &before, undo);
        place->after = join(places, place->after, after, undo);
        return before;
    }
    struct pw_place *place = put(places, &after, undo);
    place->before = join(places, before, place->before, undo);
    return after;
}

struct pw_id pw_order_add(struct pw_map *places, struct pw_id root, const struct pw_id *id,
                          struct pw_rank rank, struct pw_undo *undo)
{
    if (!pw_id_is_nil(&root) && is_higher(&root, id)) {
        struct pw_place *place = put(places, &root, undo);
        struct pw_id *side = comes_before(rank, id, place, &root) ? &place->before : &place->after;
        *side = pw_order_add(places, *side, id, rank, undo);
        return root;
    }
    assert(get(places, id) == NULL);
    struct pw_place *place = put(places, id, undo);
    place->rank = rank;
    split(places, root, rank, id, &place->before, &place->after, undo);
    return *id;
}

struct pw_id pw_order_remove(struct pw_map *places, struct pw_id root, const struct pw_id *id,
                             struct pw_undo *undo)
{
    if (pw_id_equal(&root, id)) {
        const struct pw_place *place = get(places, id);
        struct pw_id joined = join(places, place->before, place->after, undo);
        pw_map_remove(places, id, undo);
        return joined;
    }
    assert(!pw_id_is_nil(&root)); /* It is in this order. */
    struct pw_place *place = put(places, &root, undo);
    struct pw_id *side =
        comes_before(get(places, id)->rank, id, place, &root) ? &place->before : &place->after;
    *side = pw_order_remove(places, *side, id, undo);
    return root;
}

const struct pw_place *pw_order_place(const struct pw_map *places, const struct pw_id *id)
{
    return get(places, id);
}

struct pw_id pw_order_first(const struct pw_map *places, struct pw_id root)
{
    struct pw_id first = root;
    while (!pw_id_is_nil(&root)) {
        first = root;
        root = get(places, &root)->before;
    }
    return first;
}

struct pw_id pw_order_next(const struct pw_map *places, struct pw_id root, const struct pw_id *id)
{
    struct pw_id next = {{0}};
    const struct pw_place *own = get(places, id);
    while (!pw_id_is_nil(&root)) {
        const struct pw_place *place = get(places, &root);
        bool is_after = comes_before(own->rank, id, place, &root);
        next = is_after ? root : next;
        root = is_after ? place->before : place->after;
    }
    return next;
}
