/* commands/tests/undo.c: pre-images put back, forgotten, and bounded. */
#include "commands/undo.h"
#include "commands/map.h"

#include <criterion/criterion.h>
#include <signal.h>

static uint64_t get(const struct pw_map *map, uint64_t key)
{
    const uint64_t *value = pw_map_get(map, &key);
    return value == NULL ? 0 : *value;
}

static void set(struct pw_map *map, uint64_t key, uint64_t number, struct pw_undo *undo)
{
    *(uint64_t *)pw_map_put(map, &key, undo) = number;
}

Test(undo, puts_back_newest_first)
{
    struct pw_map *map = pw_map_new(sizeof(uint64_t), sizeof(uint64_t));
    struct pw_undo *undo = pw_undo_new();
    uint32_t counter = 1;
    uint64_t key = 1;
    set(map, 1, 10, undo);
    uint64_t first = pw_undo_mark(undo);
    set(map, 1, 11, undo);
    set(map, 2, 20, undo);
    pw_undo_save(undo, &counter, sizeof counter);
    counter = 2;
    uint64_t second = pw_undo_mark(undo);
    cr_expect_gt(second, first);
    pw_map_remove(map, &key, undo);
    pw_undo_save(undo, &counter, sizeof counter);
    counter = 3;

    pw_undo_to(undo, second);
    cr_expect(get(map, 1) == 11 && get(map, 2) == 20 && counter == 2);
    cr_expect_eq(pw_undo_mark(undo), second);
    pw_undo_to(undo, first);
    cr_expect(get(map, 1) == 10 && pw_map_count(map) == 1 && counter == 1);
    pw_undo_to(undo, 0);
    cr_expect_eq(pw_map_count(map), 0);
    pw_undo_free(undo);
    pw_map_free(map);
}

Test(undo, saves_an_entry_before_it_is_changed_in_place)
{
    struct pw_map *map = pw_map_new(sizeof(uint64_t), sizeof(uint64_t));
    struct pw_undo *undo = pw_undo_new();
    uint64_t *value = pw_map_put(map, &(uint64_t){1}, NULL);
    *value = 5;
    pw_undo_save_entry(undo, map, &(uint64_t){1});
    *value = 6;
    pw_undo_save_entry(undo, map, &(uint64_t){2});
    set(map, 2, 7, NULL);
    pw_undo_to(undo, 0);
    cr_expect(get(map, 1) == 5 && pw_map_count(map) == 1);
    pw_undo_free(undo);
    pw_map_free(map);
}

Test(undo, what_is_forgotten_stays)
{
    struct pw_map *map = pw_map_new(sizeof(uint64_t), sizeof(uint64_t));
    struct pw_undo *undo = pw_undo_new();
    set(map, 1, 10, undo);
    uint64_t confirmed = pw_undo_mark(undo);
    set(map, 1, 11, undo);
    set(map, 2, 20, undo);
    pw_undo_forget(undo, confirmed);
    pw_undo_to(undo, confirmed);
    cr_expect(get(map, 1) == 10 && pw_map_count(map) == 1);
    pw_undo_free(undo);
    pw_map_free(map);
}

Test(undo, a_long_flight_moves_through_a_bounded_log)
{
    enum { FLIGHT = 1000, ROUNDS = 200000 };
    struct pw_map *map = pw_map_new(sizeof(uint64_t), sizeof(uint64_t));
    struct pw_undo *undo = pw_undo_new();
    static uint64_t marks[ROUNDS];
    for (uint64_t i = 0; i < ROUNDS; i++) {
        marks[i] = pw_undo_mark(undo);
        set(map, i % 97, i, undo);
        if (i >= FLIGHT) {
            pw_undo_forget(undo, marks[i - FLIGHT + 1]);
        }
    }
    pw_undo_to(undo, marks[ROUNDS - 500]);
    for (uint64_t i = ROUNDS - 500 - 97; i < ROUNDS - 500; i++) {
        cr_assert_eq(get(map, i % 97), i);
    }
    pw_undo_free(undo);
    pw_map_free(map);
}

Test(undo, no_log_saves_nothing)
{
    struct pw_map *map = pw_map_new(sizeof(uint64_t), sizeof(uint64_t));
    uint32_t counter = 0;
    pw_undo_save(NULL, &counter, sizeof counter);
    pw_undo_save_entry(NULL, map, &(uint64_t){1});
    set(map, 1, 1, NULL);
    cr_expect_eq(get(map, 1), 1);
    pw_undo_free(NULL);
    pw_map_free(map);
}

Test(undo, a_mark_that_was_dropped_ends_the_process, .signal = SIGABRT)
{
    struct pw_undo *undo = pw_undo_new();
    uint32_t counter = 0;
    uint64_t mark = pw_undo_mark(undo);
    pw_undo_save(undo, &counter, sizeof counter);
    pw_undo_forget(undo, pw_undo_mark(undo));
    pw_undo_to(undo, mark);
}
