/* commands/tests/map.c: the map, alone and against the fuzzer's model. */
#include "commands/map.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); /* commands/fuzz/fuzz_map.c */

struct key {
    uint64_t words[2];
};

static struct key key_of(uint64_t number)
{
    return (struct key){{number, 7}};
}

Test(map, holds_what_was_put)
{
    struct pw_map *map = pw_map_new(sizeof(struct key), sizeof(uint64_t));
    struct key key = key_of(1);
    cr_expect_null(pw_map_get(map, &key));
    pw_map_remove(map, &key, NULL);
    uint64_t *value = pw_map_put(map, &key, NULL);
    cr_expect_eq(*value, 0, "a new value is zeroed");
    *value = 42;
    cr_expect_eq(*(const uint64_t *)pw_map_get(map, &key), 42);
    cr_expect_eq(*(uint64_t *)pw_map_put(map, &key, NULL), 42, "putting again finds it");
    cr_expect_eq(pw_map_count(map), 1);
    pw_map_remove(map, &key, NULL);
    cr_expect_null(pw_map_get(map, &key));
    cr_expect_eq(*(uint64_t *)pw_map_put(map, &key, NULL), 0, "zeroed where one was removed");
    pw_map_free(map);
}

Test(map, pointers_outlive_growth_and_the_removal_of_others)
{
    enum { COUNT = 100000 };
    struct pw_map *map = pw_map_new(sizeof(struct key), sizeof(uint64_t));
    static uint64_t *values[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        struct key key = key_of(i);
        values[i] = pw_map_put(map, &key, NULL);
        *values[i] = i;
    }
    for (uint64_t i = 0; i < COUNT; i += 2) {
        struct key key = key_of(i);
        pw_map_remove(map, &key, NULL);
    }
    cr_expect_eq(pw_map_count(map), COUNT / 2);
    for (uint64_t i = 1; i < COUNT; i += 2) {
        struct key key = key_of(i);
        cr_assert_eq(pw_map_get(map, &key), values[i]);
        cr_assert_eq(*values[i], i);
    }
    uint64_t bytes = pw_map_memory_bytes(map);
    for (uint64_t i = COUNT; i < COUNT + COUNT / 2; i++) {
        struct key key = key_of(i);
        pw_map_put(map, &key, NULL);
    }
    cr_expect_eq(pw_map_memory_bytes(map), bytes, "freed entries are used again");
    pw_map_free(map);
}

static bool is_odd(void *self, const void *key, const void *value)
{
    (void)value;
    ++*(uint64_t *)self;
    return ((const struct key *)key)->words[0] % 2 == 1;
}

Test(map, sweeps_what_is_not_kept)
{
    struct pw_map *map = pw_map_new(sizeof(struct key), 0); /* A set. */
    for (uint64_t i = 0; i < 1000; i++) {
        struct key key = key_of(i);
        cr_assert_not_null(pw_map_put(map, &key, NULL));
    }
    uint64_t asked = 0;
    pw_map_sweep(map, is_odd, &asked);
    cr_expect_geq(asked, 1000);
    cr_expect_eq(pw_map_count(map), 500);
    for (uint64_t i = 0; i < 1000; i++) {
        struct key key = key_of(i);
        cr_assert_eq(pw_map_get(map, &key) != NULL, i % 2 == 1);
    }
    pw_map_free(map);
    pw_map_free(NULL);
}

Test(map, walks_every_entry_once)
{
    struct pw_map *map = pw_map_new(sizeof(struct key), sizeof(uint64_t));
    uint64_t cursor = 0;
    const void *key;
    const void *value;
    cr_expect(!pw_map_next(map, &cursor, &key, &value), "an empty map has nothing to walk");
    for (uint64_t i = 1; i <= 100; i++) {
        struct key at = key_of(i);
        *(uint64_t *)pw_map_put(map, &at, NULL) = i;
    }
    uint64_t sum = 0;
    for (cursor = 0; pw_map_next(map, &cursor, &key, &value);) {
        cr_expect_eq(((const struct key *)key)->words[0], *(const uint64_t *)value);
        sum += *(const uint64_t *)value;
    }
    cr_expect_eq(sum, 5050);
    pw_map_free(map);
}

/* Of every size, so that some are as full as a map may be before it grows. */
Test(map, what_is_there_may_be_put_while_it_is_walked)
{
    for (uint64_t count = 1; count <= 200; count++) {
        struct pw_map *map = pw_map_new(sizeof(struct key), sizeof(uint64_t));
        uint64_t cursor = 0;
        uint64_t walked = 0;
        const void *key;
        const void *value;
        for (uint64_t i = 0; i < count; i++) {
            struct key added = key_of(i);
            pw_map_put(map, &added, NULL);
        }
        while (pw_map_next(map, &cursor, &key, &value)) {
            ++*(uint64_t *)pw_map_put(map, key, NULL);
            walked++;
        }
        cr_expect_eq(walked, count);
        for (uint64_t i = 0; i < count; i++) {
            struct key added = key_of(i);
            cr_expect_eq(*(const uint64_t *)pw_map_get(map, &added), 1);
        }
        pw_map_free(map);
    }
}

Test(map, what_was_appended_is_found_once_it_is_indexed)
{
    static const uint64_t counts[] = {0, 1, 12, 13, 1000, 100000};
    for (size_t i = 0; i < PW_COUNT(counts); i++) {
        struct pw_map *map = pw_map_new(sizeof(struct key), sizeof(uint64_t));
        for (uint64_t j = 0; j < counts[i]; j++) {
            struct key key = key_of(j);
            uint64_t *value = pw_map_append(map, &key);
            cr_assert_eq(*value, 0);
            *value = j + 1;
        }
        pw_map_index(map);
        cr_assert_eq(pw_map_count(map), counts[i]);
        for (uint64_t j = 0; j < counts[i]; j++) {
            struct key key = key_of(j);
            const uint64_t *value = pw_map_get(map, &key);
            cr_assert(value != NULL && *value == j + 1, "%llu of %llu", (unsigned long long)j,
                      (unsigned long long)counts[i]);
        }
        struct key other = key_of(counts[i]);
        cr_expect_null(pw_map_get(map, &other));
        *(uint64_t *)pw_map_put(map, &other, NULL) = 7;
        cr_expect_eq(*(const uint64_t *)pw_map_get(map, &other), 7, "it goes on as any other map");
        pw_map_remove(map, &other, NULL);
        cr_expect_eq(pw_map_count(map), counts[i]);
        pw_map_free(map);
    }
}

/* The child reads every entry; it would die of the first that it does not have. */
static int read_in_a_child(const struct pw_map *map, uint64_t count)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGSEGV, SIG_DFL);
        uint64_t cursor = 0;
        const void *key;
        const void *value;
        uint64_t found = 0;
        while (pw_map_next(map, &cursor, &key, &value)) {
            found += ((const struct key *)key)->words[1] == 7;
        }
        _exit(found == count ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    return status;
}

Test(map, a_child_has_what_is_shared_with_it)
{
    enum { COUNT = 200000 };
    struct pw_map *map = pw_map_new(sizeof(struct key), 64);
    for (uint64_t i = 0; i < COUNT; i++) {
        struct key key = key_of(i);
        pw_map_put(map, &key, NULL);
    }
    pw_map_share(map, true);
    cr_expect_eq(read_in_a_child(map, COUNT), 0);
    pw_map_share(map, false);
    cr_expect_neq(read_in_a_child(map, COUNT), 0, "and costs its fork nothing when it is not");
    pw_map_free(map);
}

/* A fixed sequence of pseudo-random bytes (xorshift64*), so that a failure can be repeated. */
static void fill(uint8_t *bytes, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        bytes[i] = (uint8_t)((seed * UINT64_C(2685821657736338717)) >> 56);
    }
}

Test(map, agrees_with_a_plain_model_under_undo)
{
    static uint8_t operations[20000];
    for (uint64_t seed = 1; seed <= 40; seed++) {
        fill(operations, sizeof operations, seed * UINT64_C(0x9e3779b97f4a7c15));
        LLVMFuzzerTestOneInput(operations,
                               sizeof operations); /* Ends the process where they differ. */
    }
}
