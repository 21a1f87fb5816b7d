/* eventstore/tests/test_key_store.c: the store under faults and races, on the simulated log; and what is the files' own. */
#include "eventstore/key_adapters.h"
#include "eventstore/key_store.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct pw_id tenant = {{0x7e}};
static const struct pw_str plain = {"Ada Lovelace", 12};
#define SEALED_BYTES (12 + PW_PAYLOAD_EXTRA_BYTES)

static char dir[64];
static struct pw_key_sim *sim;
static struct pw_masters *old;
static struct pw_masters *both;
static struct pw_masters *new;

static void write_file(const char *path, const void *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    close(fd);
}

static struct pw_masters *masters_of(const char *first, const char *second)
{
    char paths[2][96];
    const char *named[] = {paths[0], paths[1]};
    const char *digits[] = {first, second};
    struct pw_masters *masters = NULL;
    struct pw_err err = {0};
    size_t count = second == NULL ? 1 : 2;
    for (size_t i = 0; i < count; i++) {
        char text[64];
        memset(text, digits[i][0], sizeof text);
        snprintf(paths[i], sizeof paths[i], "%s/master-%zu", dir, i);
        write_file(paths[i], text, sizeof text);
    }
    cr_assert_eq(pw_masters_load(named, count, &masters, &err), PW_OK, "%s", err.detail);
    return masters;
}

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    snprintf(dir, sizeof dir, "/tmp/pw-key-store-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    sim = pw_key_sim_new();
    old = masters_of("1", NULL);
    both = masters_of("2", "1");
    new = masters_of("2", NULL);
}

static void teardown(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
    pw_key_sim_free(sim);
    pw_masters_free(old);
    pw_masters_free(both);
    pw_masters_free(new);
}

TestSuite(key_store, .init = setup, .fini = teardown);

static struct pw_key_store *store_on(struct pw_key_log log, const struct pw_masters *masters)
{
    struct pw_key_store_config config = {.log = log, .masters = masters, .opened_max = 3};
    struct pw_key_store *store = NULL;
    struct pw_err err = {0};
    cr_assert_eq(pw_key_store_open(&config, &store, &err), PW_OK, "%s", err.detail);
    return store;
}

static struct pw_key_store *open_store(const struct pw_masters *masters)
{
    return store_on(pw_key_sim_open(sim), masters);
}

static struct pw_key_counts reread(struct pw_key_store *store)
{
    struct pw_key_counts counts;
    struct pw_err err = {0};
    cr_assert_eq(pw_key_store_read(store, NULL, &counts, &err), PW_OK, "%s", err.detail);
    return counts;
}

static struct pw_id make(struct pw_key_store *store)
{
    struct pw_id key_id;
    struct pw_err err = {0};
    cr_assert_eq(pw_key_store_create(store, &tenant, PW_KEY_PERSONAL, &key_id, &err), PW_OK, "%s",
                 err.detail);
    return key_id;
}

static enum pw_code use(struct pw_key_store *store, const struct pw_id *key_id)
{
    uint8_t sealed[SEALED_BYTES];
    return pw_key_store_seal(store, &tenant, key_id, plain, plain, sealed, NULL);
}

static size_t destroy(struct pw_key_store *store, struct pw_id key_id)
{
    size_t lingering = 99;
    struct pw_err err = {0};
    cr_assert_eq(pw_key_store_destroy(store, &key_id, 1, &lingering, &err), PW_OK, "%s",
                 err.detail);
    return lingering;
}

static void write_again(void *self)
{
    struct pw_key_record record = {.purpose = PW_KEY_PERSONAL, .tenant_id = tenant};
    static const uint8_t zeros[PW_KEY_BYTES];
    uint8_t value[PW_KEY_RECORD_BYTES];
    char text[PW_ID_TEXT_BYTES + 1];
    const struct pw_id *key_id = self;
    record.key_id = *key_id;
    pw_key_wrap(old, &record, zeros, zeros, value);
    pw_id_format(key_id, text);
    pw_key_sim_put(sim, pw_str_of(text), value, sizeof value);
}

Test(key_store, a_key_that_is_not_confirmed_is_not_used)
{
    static const enum pw_key_sim_fault faults[] = {PW_KEY_SIM_LOSE, PW_KEY_SIM_LOSE_ACK,
                                                   PW_KEY_SIM_LATE};
    struct pw_key_store *store = open_store(old);
    for (size_t i = 0; i < PW_COUNT(faults); i++) {
        struct pw_id key_id = {{0}};
        pw_key_sim_fail(sim, 0, faults[i]);
        cr_expect_eq(pw_key_store_create(store, &tenant, PW_KEY_PERSONAL, &key_id, NULL),
                     PW_ERR_LEDGER_DOWN);
        cr_expect(pw_id_is_nil(&key_id), "an id was given");
        cr_expect_eq(pw_key_store_count(store), 0);
    }
    pw_key_sim_land(sim);
    cr_expect_eq(reread(store).keys, 2, "what landed is an orphan, and good");
    pw_key_store_close(store);
}

Test(key_store, a_read_that_fails_changes_nothing)
{
    struct pw_key_store *store = open_store(old);
    struct pw_key_counts counts = {.keys = 77};
    struct pw_id key_id = make(store);
    pw_key_sim_set_down(sim, true);
    cr_expect_eq(pw_key_store_read(store, NULL, &counts, NULL), PW_ERR_LEDGER_DOWN);
    cr_expect_eq(counts.keys, 77);
    cr_expect_eq(use(store, &key_id), PW_OK, "keys in memory go on being used");
    pw_key_store_close(store);
}

Test(key_store, a_newer_format_stops_a_read)
{
    struct pw_key_store *store = open_store(old);
    struct pw_key_counts counts;
    struct pw_err err = {0};
    char text[PW_ID_TEXT_BYTES + 1];
    struct pw_id key_id = make(store);
    pw_id_format(&key_id, text);
    pw_key_sim_put(sim, pw_str_of(text), "PWK\2", 4);
    cr_expect_eq(pw_key_store_read(store, NULL, &counts, &err), PW_ERR_LEDGER_DAMAGED);
    cr_expect_eq(strncmp(err.detail, "newer-format: record 1 ", 23), 0, "%s", err.detail);
    pw_key_store_close(store);
}

/* The compacted log keeps only the damaged record, so that is all that is known of the key. */
Test(key_store, a_damaged_key_says_so_and_takes_nothing_from_others)
{
    struct pw_key_store *store = open_store(old);
    struct pw_key_record record;
    char text[PW_ID_TEXT_BYTES + 1];
    struct pw_id broken = make(store);
    struct pw_id good = make(store);
    pw_id_format(&broken, text);
    pw_key_sim_put(sim, pw_str_of(text), "PWK\1 cut off", 12);
    pw_key_sim_compact(sim, 0, false);
    struct pw_key_counts counts = reread(store);
    cr_expect(counts.keys == 1 && counts.damaged == 1);
    cr_expect_eq(use(store, &broken), PW_ERR_LEDGER_DAMAGED);
    cr_expect_eq(pw_key_store_try(store, &broken, NULL), PW_ERR_LEDGER_DAMAGED);
    cr_expect_eq(use(store, &good), PW_OK);
    for (uint32_t i = 0; i < pw_key_store_count(store); i++) {
        cr_expect(pw_key_store_at(store, i, &record));
        cr_expect_eq(record.purpose == 0, pw_id_equal(&record.key_id, &broken));
    }
    destroy(store, broken);
    pw_key_sim_compact(sim, 0, true);
    cr_expect_eq(destroy(store, broken), 0);
    pw_key_store_close(store);
}

Test(key_store, rewrap_goes_on_where_it_failed)
{
    struct pw_key_store *store = open_store(old);
    struct pw_key_store *rotating = open_store(both);
    struct pw_rewrap_counts counts = {.rewrapped = 77};
    struct pw_id ids[5];
    for (size_t i = 0; i < PW_COUNT(ids); i++) {
        ids[i] = make(store);
    }
    for (uint32_t nth = 0; nth < PW_COUNT(ids); nth++) { /* Each time one more gets through. */
        pw_key_sim_fail(sim, 1, PW_KEY_SIM_LOSE);
        enum pw_code code = pw_key_store_rewrap(rotating, NULL, &counts, NULL);
        cr_expect_eq(code, nth < PW_COUNT(ids) - 1 ? PW_ERR_LEDGER_DOWN : PW_OK, "%u", nth);
    }
    cr_expect(counts.rewrapped == 1 && counts.current == 4);
    struct pw_key_store *later = open_store(new);
    cr_expect_eq(reread(later).keys, PW_COUNT(ids));
    for (size_t i = 0; i < PW_COUNT(ids); i++) {
        cr_expect_eq(use(later, &ids[i]), PW_OK);
        cr_expect_eq(use(store, &ids[i]), PW_OK, "who has not heard of it goes on");
    }
    /* Beside the new wraps the old ones still lie there: a node that has only the old master key keeps those. */
    cr_expect_eq(reread(store).rewraps, PW_COUNT(ids));
    cr_expect_eq(use(store, &ids[0]), PW_OK);
    pw_key_sim_compact(sim, 0, false);
    reread(store);
    cr_expect_eq(use(store, &ids[0]), PW_ERR_SETTING_WRONG);
    pw_key_store_close(later);
    pw_key_store_close(rotating);
    pw_key_store_close(store);
}

Test(key_store, what_is_gone_from_the_log_may_come_late_all_the_same)
{
    struct pw_key_store *store = open_store(old);
    struct pw_id key_id = make(store);
    destroy(store, key_id);
    pw_key_sim_compact(sim, 0, true); /* Value and tombstone. */
    struct pw_key_counts counts = reread(store);
    cr_expect(counts.keys == 0 && counts.destroyed == 0);
    write_again(&key_id);
    cr_expect_eq(reread(store).late, 1);
    cr_expect_eq(use(store, &key_id), PW_ERR_NOT_FOUND);
    pw_key_store_close(store);
}

struct race {
    struct pw_key_store *destroyer;
    struct pw_id key_id;
};

static void destroy_meanwhile(void *self)
{
    struct race *race = self;
    cr_assert_eq(destroy(race->destroyer, race->key_id), 1);
}

Test(key_store, a_key_destroyed_while_it_is_rewrapped_stays_destroyed)
{
    struct pw_key_store *destroyer = open_store(old);
    struct pw_key_store *rotating = open_store(both);
    struct race race = {destroyer, make(destroyer)};
    struct pw_rewrap_counts counts;
    pw_key_sim_before_write(sim, destroy_meanwhile, &race);
    cr_expect_eq(pw_key_store_rewrap(rotating, NULL, &counts, NULL), PW_OK);
    cr_expect(counts.rewrapped == 1 && counts.destroyed == 1);
    pw_key_sim_compact(sim, 0, false);
    struct pw_key_store *fresh = open_store(both);
    cr_expect_eq(reread(fresh).keys, 0);
    cr_expect_eq(use(rotating, &race.key_id), PW_ERR_NOT_FOUND);
    cr_expect_eq(destroy(destroyer, race.key_id), 0);
    pw_key_store_close(fresh);
    pw_key_store_close(rotating);
    pw_key_store_close(destroyer);
}

/* The re-wrapper was killed, and its packet came late: only the destroyer, or the ledger, can mend that. */
Test(key_store, a_late_rewrap_is_found_and_destroyed_again)
{
    struct pw_key_store *destroyer = open_store(old);
    struct pw_key_store *rotating = open_store(both);
    struct pw_key_store *fresh;
    struct pw_rewrap_counts counts;
    struct pw_id key_id = make(destroyer);
    pw_key_sim_fail(sim, 0, PW_KEY_SIM_LATE);
    cr_expect_eq(pw_key_store_rewrap(rotating, NULL, &counts, NULL), PW_ERR_LEDGER_DOWN);
    pw_key_store_close(rotating);
    cr_expect_eq(destroy(destroyer, key_id), 1);
    pw_key_sim_land(sim);
    cr_expect_eq(use(destroyer, &key_id), PW_ERR_NOT_FOUND);
    pw_key_sim_compact(sim, 0, true); /* The tombstone lay before it, and is gone. */
    fresh = open_store(both);
    cr_expect_eq(reread(fresh).keys, 1, "to who never saw the tombstone it is a key");
    cr_expect_eq(reread(destroyer).late, 1, "not to who did");
    cr_expect_eq(use(destroyer, &key_id), PW_ERR_NOT_FOUND);
    pw_key_store_close(fresh);
    pw_key_store_close(destroyer);

    fresh = open_store(both); /* A node starts, and the ledger calls the key destroyed. */
    reread(fresh);
    cr_expect_eq(destroy(fresh, key_id), 1);
    pw_key_sim_compact(sim, 0, true);
    cr_expect_eq(destroy(fresh, key_id), 0);
    struct pw_key_counts read = reread(fresh);
    cr_expect(read.keys == 0 && read.late == 0 && read.lingering == 0);
    pw_key_store_close(fresh);
}

Test(key_store, a_destroyed_key_is_not_used_though_its_tombstone_was_not_confirmed)
{
    struct pw_key_store *store = open_store(old);
    struct pw_id key_id = make(store);
    size_t lingering = 99;
    cr_expect_eq(use(store, &key_id), PW_OK);
    pw_key_sim_fail(sim, 0, PW_KEY_SIM_LOSE);
    cr_expect_eq(pw_key_store_destroy(store, &key_id, 1, &lingering, NULL), PW_ERR_LEDGER_DOWN);
    cr_expect_eq(lingering, 99);
    cr_expect_eq(use(store, &key_id), PW_ERR_NOT_FOUND);
    cr_expect_eq(reread(store).late, 1, "it is still to be destroyed");
    cr_expect_eq(use(store, &key_id), PW_ERR_NOT_FOUND);
    cr_expect_eq(destroy(store, key_id), 1);
    pw_key_store_close(store);
}

/* What is written between tombstone and look is a value behind a tombstone. */
static void tombstone_and_write_again(void *self)
{
    char text[PW_ID_TEXT_BYTES + 1];
    pw_id_format(self, text);
    pw_key_sim_put(sim, pw_str_of(text), NULL, 0);
    write_again(self);
}

Test(key_store, a_value_behind_a_tombstone_is_late)
{
    struct pw_key_store *store = open_store(old);
    struct pw_id key_id = make(store);
    tombstone_and_write_again(&key_id);
    struct pw_key_counts counts = reread(store);
    cr_expect(counts.late == 1 && counts.keys == 0 && counts.destroyed == 0);
    cr_expect_eq(destroy(store, key_id), 1);
    counts = reread(store);
    cr_expect(counts.late == 0 && counts.destroyed == 1 && counts.lingering == 1);
    pw_key_store_close(store);
}

/* Lets pass the first tombstone, of the first key, and writes that key again before the second. */
static void write_again_next(void *self)
{
    pw_key_sim_before_write(sim, write_again, self);
}

Test(key_store, destroying_is_repeated_while_a_value_follows_the_tombstone)
{
    struct pw_key_store *store = open_store(old);
    struct pw_id ids[] = {make(store), make(store)};
    size_t lingering = 0;
    pw_key_sim_before_write(sim, write_again_next, &ids[0]);
    cr_expect_eq(pw_key_store_destroy(store, ids, 2, &lingering, NULL), PW_OK);
    cr_expect_eq(lingering, 2);
    pw_key_sim_compact(sim, 0, false);
    struct pw_key_store *fresh = open_store(old);
    struct pw_key_counts counts = reread(fresh);
    cr_expect(counts.destroyed == 2 && counts.keys == 0 && counts.late == 0);
    pw_key_store_close(fresh);
    pw_key_store_close(store);
}

struct told {
    uint64_t calls;
    uint64_t last;
    uint64_t count;
};

static void tell(void *self, uint64_t done, uint64_t count)
{
    struct told *told = self;
    cr_expect(done < count && (told->calls == 0 || done > told->last));
    *told = (struct told){told->calls + 1, done, count};
}

Test(key_store, many_keys_are_found_again_and_progress_is_told)
{
    struct pw_key_store *store = open_store(old);
    struct pw_key_store *rotating = open_store(both);
    struct told told = {0};
    struct pw_key_progress progress = {.self = &told, .told = tell};
    struct pw_key_counts counts;
    struct pw_rewrap_counts rewrapped;
    static struct pw_id ids[3000];
    for (size_t i = 0; i < PW_COUNT(ids); i++) {
        ids[i] = make(store);
    }
    cr_assert_eq(pw_key_store_read(rotating, &progress, &counts, NULL), PW_OK);
    cr_expect(counts.keys == PW_COUNT(ids) && told.calls == 3 && told.count == PW_COUNT(ids));
    for (size_t i = 0; i < PW_COUNT(ids); i++) {
        cr_assert_eq(use(rotating, &ids[i]), PW_OK);
    }
    told = (struct told){0};
    cr_assert_eq(pw_key_store_rewrap(rotating, &progress, &rewrapped, NULL), PW_OK);
    cr_expect(rewrapped.rewrapped == PW_COUNT(ids) && told.calls == 3);
    pw_key_store_close(rotating);
    pw_key_store_close(store);
}

/* Of the kernel's flags of a mapping: locked, not copied by fork, not in a core dump. */
Test(key_store, opened_keys_lie_in_memory_of_their_own)
{
    struct pw_key_store *store = open_store(old);
    char line[512];
    bool is_found = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    cr_assert_not_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        is_found = is_found || (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " lo") != NULL &&
                                strstr(line, " dc") != NULL && strstr(line, " dd") != NULL);
    }
    fclose(maps);
    cr_expect(is_found);
    pw_key_store_close(store);
}

/* --- Files --- */

static struct pw_key_log open_files(const char *path)
{
    struct pw_key_log log = {0};
    struct pw_err err = {0};
    bool created = false;
    cr_assert_eq(pw_key_file_create(path, &created, &err), PW_OK, "%s", err.detail);
    cr_assert_eq(pw_key_file_open(path, &log, &err), PW_OK, "%s", err.detail);
    return log;
}

Test(key_store, files_a_directory_is_made_once_and_for_its_owner)
{
    char path[96];
    struct pw_key_log log;
    struct pw_err err = {0};
    struct stat status;
    bool created = false;
    snprintf(path, sizeof path, "%s/keys", dir);
    cr_expect_eq(pw_key_file_open(path, &log, &err), PW_ERR_SETTING_WRONG);
    cr_expect_not_null(strstr(err.detail, "admin ledger create"), "%s", err.detail);
    cr_expect_eq(pw_key_file_create(path, &created, &err), PW_OK, "%s", err.detail);
    cr_expect(created && stat(path, &status) == 0 && (status.st_mode & 07777) == 0700);
    cr_expect_eq(pw_key_file_create(path, &created, &err), PW_OK);
    cr_expect_not(created);
    log = open_files(path);
    cr_expect_eq(log.check(log.self, &err), PW_OK);
    chmod(path, 0750);
    cr_expect_eq(log.check(log.self, &err), PW_ERR_SETTING_WRONG);
    cr_expect_not_null(strstr(err.detail, "must be 0700"), "%s", err.detail);
    cr_expect_eq(rmdir(path), 0);
    cr_expect_eq(log.check(log.self, &err), PW_ERR_LEDGER_DOWN);
    log.close(log.self);
}

Test(key_store, files_of_others_and_of_a_crash_are_in_nobodys_way)
{
    char path[160];
    char text[PW_ID_TEXT_BYTES + 1];
    struct pw_key_store *store = store_on(open_files(dir), old);
    struct pw_id key_id = make(store);
    snprintf(path, sizeof path, "%s/new", dir);
    write_file(path, "half a rec", 10);
    snprintf(path, sizeof path, "%s/00000000-0000-4000-8000-000000000001.key", dir);
    write_file(path, "PWK\1 short", 10);
    snprintf(path, sizeof path, "%s/00000000-0000-4000-8000-000000000002.key", dir);
    static const char zeros[PW_KEY_RECORD_BYTES + 1];
    write_file(path, zeros, PW_KEY_RECORD_BYTES); /* Overwritten, not yet unlinked. */
    struct pw_key_counts counts = reread(store);
    cr_expect(counts.keys == 1 && counts.damaged == 1 && counts.foreign == 1);
    cr_expect_eq(use(store, &key_id), PW_OK);
    make(store);
    cr_expect_eq(reread(store).keys, 2);

    pw_id_format(&key_id, text); /* A byte more is no record any more. */
    snprintf(path, sizeof path, "%s/%s.key", dir, text);
    int fd = open(path, O_WRONLY | O_APPEND);
    cr_assert(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
    counts = reread(store);
    cr_expect(counts.keys == 1 && counts.damaged == 2);
    cr_expect_eq(use(store, &key_id), PW_ERR_LEDGER_DAMAGED);
    pw_key_store_close(store);
}

static enum pw_code count_entry(void *self, const struct pw_key_entry *entry, struct pw_err *err)
{
    (void)entry;
    (void)err;
    ++*(int *)self;
    return PW_OK;
}

static int follow(struct pw_key_log *log)
{
    int count = 0;
    struct pw_key_sink sink = {.self = &count, .entry = count_entry};
    cr_assert_eq(log->follow(log->self, &sink, NULL), PW_OK);
    return count;
}

/* A change leaves no trace in the directory's time where the clock has not ticked since the one before; where it has, it does. */
Test(key_store, files_a_change_is_seen_though_the_clock_has_not_ticked)
{
    char path[96];
    snprintf(path, sizeof path, "%s/keys", dir);
    struct pw_key_store *store = store_on(open_files(path), old);
    struct pw_key_log log = open_files(path);
    struct stat before;
    make(store);
    cr_assert_eq(stat(path, &before), 0);
    cr_expect_eq(follow(&log), 1);
    make(store);
    const struct timespec times[] = {before.st_atim, before.st_mtim};
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    cr_expect_eq(follow(&log), 1);
    const struct timespec long_ago[] = {{.tv_sec = 1}, {.tv_sec = 1}};
    cr_assert_eq(utimensat(AT_FDCWD, path, long_ago, 0), 0);
    cr_expect_eq(follow(&log), 0);
    make(store);
    cr_expect_eq(follow(&log), 1);
    log.close(log.self);
    pw_key_store_close(store);
}
