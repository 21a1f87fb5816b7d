/* commands/tests/order.c: orders beside a sorted list, and undone. */
#include "commands/order.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { ROUNDS = 20000, THINGS = 300, ORDERS = 3 };

/* What is in an order by the plainest of means. */
struct model {
    struct pw_rank ranks[THINGS];
    int order_of[THINGS]; /* -1: in none. */
};

static struct pw_id id_of(uint32_t number)
{
    struct pw_id id = {{1}};
    memcpy(id.bytes + 12, &number, sizeof number);
    return id;
}

static bool precedes(const struct model *model, uint32_t a, uint32_t b)
{
    const struct pw_rank *rank_a = &model->ranks[a];
    const struct pw_rank *rank_b = &model->ranks[b];
    if (rank_a->first != rank_b->first) {
        return rank_a->first < rank_b->first;
    }
    if (rank_a->second != rank_b->second) {
        return rank_a->second < rank_b->second;
    }
    struct pw_id id_a = id_of(a);
    struct pw_id id_b = id_of(b);
    return memcmp(&id_a, &id_b, sizeof id_a) < 0;
}

/* The things of an order, sorted; their number. */
static uint32_t sorted(const struct model *model, int order, uint32_t *ret_numbers)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < THINGS; i++) {
        if (model->order_of[i] != order) {
            continue;
        }
        uint32_t at = count++;
        while (at > 0 && precedes(model, i, ret_numbers[at - 1])) {
            ret_numbers[at] = ret_numbers[at - 1];
            at--;
        }
        ret_numbers[at] = i;
    }
    return count;
}

static void check(const struct pw_map *places, const struct pw_id roots[ORDERS],
                  const struct model *model)
{
    uint32_t numbers[THINGS];
    for (int order = 0; order < ORDERS; order++) {
        uint32_t count = sorted(model, order, numbers);
        struct pw_id at = pw_order_first(places, roots[order]);
        for (uint32_t i = 0; i < count; i++) {
            struct pw_id wanted = id_of(numbers[i]);
            cr_assert(pw_id_equal(&at, &wanted), "order %d, place %u of %u", order, i, count);
            at = pw_order_next(places, roots[order], &at);
        }
        cr_assert(pw_id_is_nil(&at));
    }
}

static void change(struct pw_map *places, struct pw_id roots[ORDERS], struct model *model,
                   uint32_t number, struct pw_undo *undo)
{
    struct pw_id id = id_of(number);
    int order = model->order_of[number];
    cr_assert_eq(pw_order_place(places, &id) != NULL, order >= 0);
    if (order >= 0) {
        roots[order] = pw_order_remove(places, roots[order], &id, undo);
        model->order_of[number] = -1;
        return;
    }
    order = rand() % ORDERS;
    model->ranks[number] = (struct pw_rank){rand() % 7 - 3, rand() % 3}; /* Many are alike. */
    model->order_of[number] = order;
    roots[order] = pw_order_add(places, roots[order], &id, model->ranks[number], undo);
    cr_assert_eq(pw_order_place(places, &id)->rank.first, model->ranks[number].first);
}

Test(order, is_what_sorting_gives)
{
    struct pw_map *places = pw_order_map_new();
    struct pw_id roots[ORDERS] = {{{0}}};
    static struct model model;
    memset(model.order_of, -1, sizeof model.order_of);
    check(places, roots, &model);
    srand(20261126);
    for (int round = 0; round < ROUNDS; round++) {
        change(places, roots, &model, (uint32_t)rand() % THINGS, NULL);
        if (round % 64 == 0) {
            check(places, roots, &model);
        }
    }
    check(places, roots, &model);
    pw_map_free(places);
}

Test(order, is_undone)
{
    struct pw_map *places = pw_order_map_new();
    struct pw_undo *undo = pw_undo_new();
    struct pw_id roots[ORDERS] = {{{0}}};
    static struct model model;
    memset(model.order_of, -1, sizeof model.order_of);
    srand(7);
    for (int round = 0; round < 300; round++) {
        struct model before = model;
        uint64_t mark = pw_undo_mark(undo);
        pw_undo_save(undo, roots, sizeof roots);
        for (int i = rand() % 20; i > 0; i--) {
            change(places, roots, &model, (uint32_t)rand() % THINGS, undo);
        }
        if (rand() % 2 == 0) {
            pw_undo_to(undo, mark);
            model = before;
        } else {
            pw_undo_forget(undo, pw_undo_mark(undo));
        }
        check(places, roots, &model);
    }
    pw_undo_free(undo);
    pw_map_free(places);
}

static uint32_t depth(const struct pw_map *places, const struct pw_id *root)
{
    if (pw_id_is_nil(root)) {
        return 0;
    }
    const struct pw_place *place = pw_order_place(places, root);
    uint32_t before = depth(places, &place->before);
    uint32_t after = depth(places, &place->after);
    return 1 + (before > after ? before : after);
}

/* 100,000 in the worst of orders: the expected depth is about 2 ln n, here 23. */
Test(order, stays_flat_when_all_come_sorted)
{
    enum { COUNT = 100000 };
    struct pw_map *places = pw_order_map_new();
    struct pw_id root = {{0}};
    for (uint32_t i = 0; i < COUNT; i++) {
        struct pw_id id = id_of(i);
        root = pw_order_add(places, root, &id, (struct pw_rank){i, 0}, NULL);
    }
    cr_expect_lt(depth(places, &root), 80);
    pw_map_free(places);
}
