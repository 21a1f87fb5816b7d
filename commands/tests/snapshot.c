/* commands/tests/snapshot.c: a fold into a file and back, and every file that is not to be believed. */
#include "commands/snapshot.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/tests/world.h"
#include "eventstore/snapshot_file.h"

#define PARTITION 3
#define COUNT     16
#define BYTES_MAX (1 << 20)
#define LEDGER    ID(90)

static char dir[64];
static char warned[8][400];
static uint32_t warned_count;

static void open_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/pw-snapshot-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    warned_count = 0;
}

static void close_dir(void)
{
    DIR *listed = opendir(dir);
    for (struct dirent *entry; (entry = readdir(listed)) != NULL;) {
        unlinkat(dirfd(listed), entry->d_name, 0);
    }
    closedir(listed);
    rmdir(dir);
}

TestSuite(snapshot, .init = open_dir, .fini = close_dir);

static const struct pw_event events[] = {CREATED, DRAFTED(30), PUBLISHED(30, 0, 1),
                                         OPENED(40, 30, NOON, 2), RESERVED(50, ANN, 40, 30, NOON)};
static const struct pw_snapshot_leader leader = {"node-1", ID(77), true};

static void warn(void *self, const char *text)
{
    (void)self;
    cr_assert_lt(warned_count, PW_COUNT(warned));
    snprintf(warned[warned_count++], sizeof warned[0], "%s", text);
}

static bool was_warned(const char *part)
{
    return warned_count == 1 && strstr(warned[0], part) != NULL;
}

/* A fold that stands at this offset, with ids that are remembered and one that is not any more. */
static void fold_at(int64_t offset, struct pw_fold *ret_fold, struct pw_remembered **ret_memory)
{
    pw_fold_init(ret_fold, PARTITION);
    world_fold(ret_fold->state, events, PW_COUNT(events));
    struct pw_chain *chain = &ret_fold->chain;
    chain->ledger_id = (struct pw_id)LEDGER;
    chain->partition_count = COUNT;
    chain->horizon_us = MINUTES(60);
    chain->height = (uint64_t)offset - 2;
    chain->head_offset = offset;
    chain->next_offset = offset + 1;
    chain->head = (struct pw_hash){{9, 8, 7}};
    chain->decided_at_us = NINE;
    *ret_memory = pw_remembered_new();
    for (uint8_t i = 0; i < 20; i++) {
        struct pw_id key = {{(uint8_t)(i * 77)}};
        pw_remembered_add(*ret_memory, &key, i % 7, NINE + MINUTES(i - 1));
    }
}

static void write_at(int64_t offset)
{
    struct pw_fold fold;
    struct pw_remembered *memory;
    struct pw_err err = {0};
    fold_at(offset, &fold, &memory);
    cr_assert_eq(pw_snapshot_write(dir, &fold, memory, &leader, &err), PW_OK, "%s", err.detail);
    pw_fold_close(&fold);
    pw_remembered_free(memory);
}

static void expect_fold(struct pw_fold *ret_fold)
{
    pw_fold_init(ret_fold, PARTITION);
    ret_fold->chain.ledger_id = (struct pw_id)LEDGER;
    ret_fold->chain.partition_count = COUNT;
}

/* The offset that a fold is put to; -1 where none is good. */
static int64_t restored(int64_t offset_max)
{
    struct pw_snapshot_source source = {dir, offset_max, warn, NULL};
    struct pw_fold fold;
    struct pw_remembered *memory = pw_remembered_new();
    struct pw_snapshot_leader found = {0};
    warned_count = 0;
    expect_fold(&fold);
    bool did = pw_snapshot_restore(&source, &fold, &memory, &found);
    int64_t offset = fold.chain.head_offset;
    cr_expect_eq(did, offset >= 0);
    cr_expect_eq(found.known, did);
    pw_fold_close(&fold);
    pw_remembered_free(memory);
    return offset;
}

static void whole_of(const struct pw_fold *fold, const struct pw_remembered *memory,
                     struct pw_buffer *ret_bytes)
{
    pw_buffer_init(ret_bytes, BYTES_MAX);
    pw_state_serialise(fold->state, ret_bytes);
    pw_remembered_serialise(memory, fold->chain.decided_at_us, ret_bytes);
}

Test(snapshot, everything_comes_back)
{
    struct pw_snapshot_source source = {dir, INT64_MAX, warn, NULL};
    struct pw_fold before;
    struct pw_fold after;
    struct pw_remembered *memory_before;
    struct pw_remembered *memory_after = pw_remembered_new();
    struct pw_snapshot_leader found;
    struct pw_buffer bytes_before;
    struct pw_buffer bytes_after;
    fold_at(100, &before, &memory_before);
    write_at(100);
    expect_fold(&after);
    cr_assert(pw_snapshot_restore(&source, &after, &memory_after, &found), "%s", warned[0]);
    whole_of(&before, memory_before, &bytes_before);
    whole_of(&after, memory_after, &bytes_after);
    cr_expect(bytes_before.bytes == bytes_after.bytes &&
              memcmp(bytes_before.data, bytes_after.data, bytes_after.bytes) == 0);
    cr_expect_eq(pw_remembered_count(memory_after), 20 - 1, "what is expired does not come back");
    struct pw_id key = {{2 * 77}};
    cr_expect_eq(pw_remembered_find(memory_after, &key, NINE), 2);
    const struct pw_chain *chain = &after.chain;
    cr_expect(chain->head_offset == 100 && chain->next_offset == 101 && chain->height == 98 &&
              chain->decided_at_us == NINE && chain->horizon_us == MINUTES(60) &&
              pw_hash_equal(&chain->head, &before.chain.head));
    cr_expect(found.known && strcmp(found.node_id, "node-1") == 0 &&
              pw_id_equal(&found.incarnation, &leader.incarnation));
    pw_buffer_close(&bytes_before);
    pw_buffer_close(&bytes_after);
    pw_fold_close(&before);
    pw_fold_close(&after);
    pw_remembered_free(memory_before);
    pw_remembered_free(memory_after);
}

Test(snapshot, the_newest_up_to_an_offset_serves)
{
    cr_expect_eq(restored(INT64_MAX), -1, "there is none");
    write_at(100);
    write_at(200);
    write_at(300);
    cr_expect_eq(restored(INT64_MAX), 300);
    cr_expect_eq(restored(299), 200);
    cr_expect_eq(restored(199), -1, "two are kept");
    cr_expect_eq(warned_count, 0);
}

static void path_of(int64_t offset, char ret_path[PW_SNAPSHOT_PATH_BYTES])
{
    char name[PW_SNAPSHOT_NAME_BYTES];
    pw_snapshot_file_name(PARTITION, offset, name);
    snprintf(ret_path, PW_SNAPSHOT_PATH_BYTES, "%s/%s", dir, name);
}

static size_t read_bytes(int64_t offset, uint8_t *ret_bytes)
{
    char path[PW_SNAPSHOT_PATH_BYTES];
    path_of(offset, path);
    FILE *file = fopen(path, "rb");
    size_t count = fread(ret_bytes, 1, BYTES_MAX, file);
    fclose(file);
    return count;
}

static void put_bytes(int64_t offset, const uint8_t *bytes, size_t count)
{
    char path[PW_SNAPSHOT_PATH_BYTES];
    path_of(offset, path);
    FILE *file = fopen(path, "wb");
    cr_assert_eq(fwrite(bytes, 1, count, file), count);
    fclose(file);
}

/* As its writer would have signed it. */
static void seal(uint8_t *bytes, size_t count)
{
    struct pw_hash sha = pw_sha256(bytes, count - sizeof sha, NULL, 0);
    memcpy(bytes + count - sizeof sha, sha.bytes, sizeof sha);
}

Test(snapshot, torn_or_spoilt_anywhere_the_one_before_serves)
{
    static uint8_t bytes[BYTES_MAX];
    write_at(100);
    write_at(200);
    size_t count = read_bytes(200, bytes);
    for (size_t cut = 0; cut < count; cut++) {
        put_bytes(200, bytes, cut);
        cr_assert_eq(restored(INT64_MAX), 100, "cut after %zu bytes", cut);
        cr_assert(was_warned("ignores the snapshot 0003-00000000000000000200.snapshot: it is torn"),
                  "%s", warned[0]);
    }
    for (size_t at = 0; at < count; at++) {
        bytes[at] ^= 0x10;
        put_bytes(200, bytes, count);
        bytes[at] ^= 0x10;
        cr_assert_eq(restored(INT64_MAX), 100, "byte %zu flipped", at);
        cr_assert(was_warned(at < 3   ? "it is no snapshot"
                             : at < 4 ? "it is of format 17, this program reads format 1"
                                      : "it is torn"),
                  "%s", warned[0]);
    }
    put_bytes(200, bytes, count);
    cr_expect_eq(restored(INT64_MAX), 200);
}

Test(snapshot, one_of_other_tables_is_left_alone)
{
    static uint8_t bytes[BYTES_MAX];
    write_at(100);
    size_t count = read_bytes(100, bytes);
    bytes[4] ^= 1;
    seal(bytes, count);
    put_bytes(100, bytes, count);
    cr_expect_eq(restored(INT64_MAX), -1);
    cr_expect(was_warned("other tables"), "%s", warned[0]);
    struct pw_hash schema = pw_snapshot_schema();
    cr_expect(memcmp(bytes + 5, schema.bytes + 1, sizeof schema - 1) == 0);
}

Test(snapshot, sealed_nonsense_is_left_alone)
{
    static uint8_t bytes[BYTES_MAX];
    write_at(100);
    size_t count = read_bytes(100, bytes);
    for (size_t at = 36; at < count - 32; at++) {
        bytes[at] ^= 0x91;
        seal(bytes, count);
        put_bytes(100, bytes, count);
        bytes[at] ^= 0x91;
        restored(INT64_MAX); /* Another state, or none; never a crash. */
    }
    seal(bytes, count);
    put_bytes(100, bytes, count);
    put_bytes(150, bytes, count);
    cr_expect_eq(restored(INT64_MAX), 100);
    cr_expect(was_warned("its name does not tell its offset, 100"), "%s", warned[0]);
}

/* What a chain expects, other than the snapshot says. */
Test(snapshot, foreign_ones_are_left_alone)
{
    static const struct {
        const char *why;
        struct pw_chain chain;
    } foreign[] = {
        {"another ledger, 7000", {.partition = 3, .partition_count = COUNT, .ledger_id = ID(91)}},
        {"of partition 3 of 16", {.partition = 3, .partition_count = 8, .ledger_id = LEDGER}},
        {"a horizon of 3600000000 us",
         {.partition = 3, .partition_count = COUNT, .ledger_id = LEDGER, .horizon_us = 1}},
    };
    write_at(100);
    for (size_t i = 0; i < PW_COUNT(foreign); i++) {
        struct pw_snapshot_source source = {dir, INT64_MAX, warn, NULL};
        struct pw_fold fold;
        pw_fold_init(&fold, foreign[i].chain.partition);
        fold.chain.partition_count = foreign[i].chain.partition_count;
        fold.chain.ledger_id = foreign[i].chain.ledger_id;
        fold.chain.horizon_us = foreign[i].chain.horizon_us;
        warned_count = 0;
        cr_expect(!pw_snapshot_restore(&source, &fold, NULL, NULL), "%s", foreign[i].why);
        cr_expect(was_warned(foreign[i].why), "%s", warned[0]);
        pw_fold_close(&fold);
    }
}

Test(snapshot, a_reader_of_rows_needs_no_ids)
{
    struct pw_snapshot_source source = {dir, INT64_MAX, warn, NULL};
    struct pw_fold fold;
    write_at(100);
    expect_fold(&fold);
    cr_assert(pw_snapshot_restore(&source, &fold, NULL, NULL));
    cr_expect_eq(fold.chain.head_offset, 100);
    cr_expect_not_null(pw_state_tenant(fold.state, &world_tenant_id));
    pw_fold_close(&fold);
}

Test(snapshot, a_disk_that_refuses_is_told)
{
    struct pw_fold fold;
    struct pw_remembered *memory;
    struct pw_err err = {0};
    fold_at(100, &fold, &memory);
    cr_expect_eq(pw_snapshot_write("/nonexistent", &fold, memory, &leader, &err), PW_ERR_INTERNAL);
    cr_expect(strstr(err.detail, "/nonexistent/") != NULL, "%s", err.detail);
    pw_fold_close(&fold);
    pw_remembered_free(memory);
}
