/* commands/fuzz/fuzz_map.c: random operations on a map under undo, against two plain arrays.
 *
 * Each operation is two bytes of the input: what, and a key or number. The model keeps a whole
 * copy of itself for every mark, so it knows nothing of pre-images. */
#include "commands/map.h"

#include <stdlib.h>

#define KEYS      256
#define MARKS_MAX 8
#define KEY_BYTES 5 /* Not a multiple of 8: padding is on the way, too. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct value {
    uint64_t number;
    uint32_t again; /* Told apart from `number` by its own copy of the key. */
};

struct model {
    bool there[KEYS];
    uint64_t number[KEYS];
    uint64_t counter;
};

struct run {
    struct pw_map *map;
    struct pw_undo *undo;
    uint64_t counter; /* Fixed memory under undo: the last number that was written. */
    struct model model;
    struct model at_mark[MARKS_MAX];
    uint64_t marks[MARKS_MAX];
    size_t mark_count;
};

static void must(bool held)
{
    if (!held) {
        abort();
    }
}

static void key_of(uint8_t number, uint8_t ret_key[KEY_BYTES])
{
    memset(ret_key, 0x5a, KEY_BYTES);
    ret_key[number % KEY_BYTES] ^= number;
    ret_key[0] = number;
}

static void put(struct run *run, uint8_t number)
{
    uint8_t key[KEY_BYTES];
    key_of(number, key);
    struct value *value = pw_map_put(run->map, key, run->undo);
    must(run->model.there[number] ? value->number == run->model.number[number]
                                  : value->number == 0 && value->again == 0);
    pw_undo_save(run->undo, &run->counter, sizeof run->counter);
    *value = (struct value){++run->counter, number};
    run->model.there[number] = true;
    run->model.number[number] = ++run->model.counter;
}

static void remove_key(struct run *run, uint8_t number)
{
    uint8_t key[KEY_BYTES];
    key_of(number, key);
    pw_map_remove(run->map, key, run->undo);
    run->model.there[number] = false;
}

static void check(const struct run *run)
{
    uint64_t count = 0;
    for (size_t number = 0; number < KEYS; number++) {
        uint8_t key[KEY_BYTES];
        key_of((uint8_t)number, key);
        const struct value *value = pw_map_get(run->map, key);
        must((value != NULL) == run->model.there[number]);
        must(value == NULL ||
             (value->number == run->model.number[number] && value->again == number));
        count += run->model.there[number];
    }
    must(pw_map_count(run->map) == count && run->counter == run->model.counter);
    uint64_t cursor = 0;
    const void *key;
    const void *value;
    while (pw_map_next(run->map, &cursor, &key, &value)) {
        must(run->model.there[*(const uint8_t *)key] && count-- > 0);
    }
    must(count == 0);
}

static void mark(struct run *run)
{
    if (run->mark_count < MARKS_MAX) {
        run->marks[run->mark_count] = pw_undo_mark(run->undo);
        run->at_mark[run->mark_count++] = run->model;
    }
}

static void undo_to(struct run *run, uint8_t number)
{
    if (run->mark_count > 0) {
        size_t i = number % run->mark_count;
        pw_undo_to(run->undo, run->marks[i]);
        run->model = run->at_mark[i];
        run->mark_count = i + 1;
    }
}

static void forget(struct run *run, uint8_t number)
{
    if (run->mark_count > 0) {
        size_t i = number % run->mark_count;
        pw_undo_forget(run->undo, run->marks[i]);
        run->mark_count -= i;
        memmove(run->marks, run->marks + i, run->mark_count * sizeof run->marks[0]);
        memmove(run->at_mark, run->at_mark + i, run->mark_count * sizeof run->at_mark[0]);
    }
}

static bool differs(void *self, const void *key, const void *value)
{
    (void)value;
    return (*(const uint8_t *)key & 3) != *(const uint8_t *)self;
}

static void sweep(struct run *run, uint8_t number)
{
    uint8_t rest = number & 3;
    pw_undo_forget(run->undo, pw_undo_mark(run->undo));
    run->mark_count = 0;
    pw_map_sweep(run->map, differs, &rest);
    for (size_t i = rest; i < KEYS; i += 4) {
        run->model.there[i] = false;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run *run = calloc(1, sizeof *run);
    must(run != NULL);
    run->map = pw_map_new(KEY_BYTES, sizeof(struct value));
    run->undo = pw_undo_new();
    for (size_t i = 0; i + 1 < size; i += 2) {
        uint8_t number = data[i + 1];
        switch (data[i] % 16) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
        case 5:
        case 6: put(run, number); break;
        case 7:
        case 8:
        case 9:
        case 10: remove_key(run, number); break;
        case 11:
        case 12: mark(run); break;
        case 13: undo_to(run, number); break;
        case 14: forget(run, number); break;
        default: number < 16 ? sweep(run, number) : check(run);
        }
    }
    check(run);
    undo_to(run, 0);
    check(run);
    pw_undo_free(run->undo);
    pw_map_free(run->map);
    free(run);
    return 0;
}
