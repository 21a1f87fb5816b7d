/* eventstore/tests/conformance_keys.c: the cases. Each begins with an empty store. */
#include "eventstore/tests/conformance_keys.h"

#include "eventstore/key_store.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SETTLE_MAX 120
#define MANY       300

static const struct pw_id tenant = {{0x7e}};
static const struct pw_id other_tenant = {{0x7f}};

typedef const struct keys_fixture fixture_of;

struct pw_masters *keys_masters(uint8_t first, uint8_t second)
{
    char paths[2][32];
    const char *named[] = {paths[0], paths[1]};
    uint8_t bytes[] = {first, second};
    size_t count = second == 0 ? 1 : 2;
    struct pw_masters *masters = NULL;
    struct pw_err err = {0};
    for (size_t i = 0; i < count; i++) {
        snprintf(paths[i], sizeof paths[i], "/tmp/pw-master-XXXXXX");
        int fd = mkstemp(paths[i]);
        CHECK(fd >= 0);
        for (int j = 0; j < PW_KEY_BYTES; j++) {
            CHECK_EQ(dprintf(fd, "%02x", bytes[i]), 2);
        }
        close(fd);
    }
    if (pw_masters_load(named, count, &masters, &err) != PW_OK) {
        FAIL("pw_masters_load: %s", err.detail);
    }
    for (size_t i = 0; i < count; i++) {
        unlink(paths[i]);
    }
    return masters;
}

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        struct pw_err err = {0};                                                                   \
        if ((call) != PW_OK) {                                                                     \
            FAIL("%s: %s", #call, err.detail);                                                     \
        }                                                                                          \
    } while (0)

/* --- The port --- */

struct seen {
    struct {
        struct pw_id key_id;
        uint8_t first_byte; /* Of what is not a tombstone: byte 100. */
        bool is_tombstone;
    } items[MANY + 16];
    uint64_t count;
};

static enum pw_code see(void *self, const struct pw_key_entry *entry, struct pw_err *err)
{
    struct seen *seen = self;
    (void)err;
    CHECK(seen->count < PW_COUNT(seen->items));
    CHECK_EQ(entry->number, seen->count);
    CHECK(entry->count > entry->number);
    CHECK(pw_id_parse(entry->log_key, &seen->items[seen->count].key_id));
    seen->items[seen->count].is_tombstone = entry->value == NULL;
    if (entry->value != NULL) {
        CHECK_EQ(entry->value_bytes, PW_KEY_RECORD_BYTES);
        seen->items[seen->count].first_byte = entry->value[100];
    }
    seen->count++;
    return PW_OK;
}

static struct seen *read_port(struct pw_key_log *log)
{
    static struct seen seen;
    struct pw_key_sink sink = {.self = &seen, .entry = see};
    seen.count = 0;
    GOOD(log->read(log->self, &sink, &err));
    return &seen;
}

static struct seen *follow_port(struct pw_key_log *log)
{
    static struct seen seen;
    struct pw_key_sink sink = {.self = &seen, .entry = see};
    seen.count = 0;
    GOOD(log->follow(log->self, &sink, &err));
    return &seen;
}

static bool was_given(const struct seen *seen, const struct pw_id *key_id)
{
    for (uint64_t i = 0; i < seen->count; i++) {
        if (pw_id_equal(&seen->items[i].key_id, key_id)) {
            return true;
        }
    }
    return false;
}

/* What the last entry of that key is: -1 for a tombstone or none, else its byte. */
static int last_of(const struct seen *seen, const struct pw_id *key_id)
{
    int last = -1;
    for (uint64_t i = 0; i < seen->count; i++) {
        if (pw_id_equal(&seen->items[i].key_id, key_id)) {
            last = seen->items[i].is_tombstone ? -1 : seen->items[i].first_byte;
        }
    }
    return last;
}

static struct pw_id id_of(unsigned number)
{
    return (struct pw_id){{0x11, (uint8_t)(number >> 8), (uint8_t)number, 0x40, 0x80}};
}

/* To the port, any 144 bytes are a record. */
static void put_port(struct pw_key_log *log, unsigned number, uint8_t byte, bool again)
{
    uint8_t value[PW_KEY_RECORD_BYTES] = {0};
    struct pw_id key_id = id_of(number);
    value[100] = byte;
    GOOD(log->put(log->self, &key_id, value, again, &err));
}

static void case_empty(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_key_log log = fixture->open(fixture->self);
    GOOD(log.check(log.self, &err));
    CHECK_EQ(read_port(&log)->count, 0);
    log.close(log.self);
    fixture->end(fixture->self);
}

static void case_put_is_read(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_key_log writer = fixture->open(fixture->self);
    struct pw_key_log reader = fixture->open(fixture->self);
    struct pw_id one = id_of(1);
    struct pw_id two = id_of(2);
    put_port(&writer, 1, 41, false);
    CHECK_EQ(last_of(read_port(&reader), &one), 41);
    put_port(&writer, 2, 42, false);
    put_port(&writer, 1, 43, true);
    CHECK_EQ(last_of(read_port(&reader), &one), 43);
    CHECK_EQ(last_of(read_port(&writer), &two), 42);
    reader.close(reader.self);
    writer.close(writer.self);
    reader = fixture->open(fixture->self);
    CHECK_EQ(last_of(read_port(&reader), &one), 43);
    reader.close(reader.self);
    fixture->end(fixture->self);
}

static void case_destroyed(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_key_log log = fixture->open(fixture->self);
    struct pw_key_log reader = fixture->open(fixture->self);
    struct pw_id one = id_of(1);
    struct pw_id two = id_of(2);
    struct pw_id never = id_of(3);
    put_port(&log, 1, 41, false);
    put_port(&log, 2, 42, false);
    GOOD(log.destroy(log.self, &one, &err));
    CHECK_EQ(last_of(read_port(&reader), &one), -1);
    CHECK_EQ(last_of(read_port(&reader), &two), 42);
    GOOD(log.destroy(log.self, &one, &err));
    GOOD(log.destroy(log.self, &never, &err));
    CHECK_EQ(last_of(read_port(&reader), &one), -1);
    uint8_t value[PW_KEY_RECORD_BYTES] = {0};
    CHECK_EQ(log.put(log.self, &one, value, true, NULL),
             fixture->knows_gone ? PW_ERR_NOT_FOUND : PW_OK);
    reader.close(reader.self);
    log.close(log.self);
    fixture->end(fixture->self);
}

static void case_many(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_key_log log = fixture->open(fixture->self);
    for (unsigned i = 0; i < MANY; i++) {
        put_port(&log, i, (uint8_t)i, false);
    }
    struct seen *seen = read_port(&log);
    CHECK_EQ(seen->count, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        struct pw_id key_id = id_of(i);
        CHECK_EQ(last_of(seen, &key_id), (uint8_t)i);
    }
    log.close(log.self);
    fixture->end(fixture->self);
}

static enum pw_code refuse(void *self, const struct pw_key_entry *entry, struct pw_err *err)
{
    ++*(int *)self;
    return pw_fail(err, PW_ERR_INTERNAL, "record %llu", (unsigned long long)entry->number);
}

static void case_sink_ends_a_read(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_key_log log = fixture->open(fixture->self);
    int told = 0;
    struct pw_key_sink sink = {.self = &told, .entry = refuse};
    struct pw_err err = {0};
    put_port(&log, 1, 1, false);
    put_port(&log, 2, 2, false);
    CHECK_EQ(log.read(log.self, &sink, &err), PW_ERR_INTERNAL);
    CHECK_EQ(told, 1);
    CHECK(strcmp(err.detail, "record 0") == 0);
    CHECK_EQ(read_port(&log)->count, 2);
    log.close(log.self);
    fixture->end(fixture->self);
}

/* What two handles write one after the other, in what a third one is given bit by bit. */
static void case_follow(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_key_log writer = fixture->open(fixture->self);
    struct pw_key_log other = fixture->open(fixture->self);
    struct pw_key_log reader = fixture->open(fixture->self);
    struct pw_id ids[] = {id_of(0), id_of(1), id_of(2), id_of(3)};
    CHECK_EQ(follow_port(&reader)->count, 0);
    put_port(&writer, 1, 41, false);
    CHECK_EQ(last_of(follow_port(&reader), &ids[1]), 41);
    CHECK_EQ(follow_port(&reader)->count, 0);
    put_port(&other, 2, 42, false);
    put_port(&writer, 1, 51, true);
    struct seen *seen = follow_port(&reader);
    CHECK_EQ(last_of(seen, &ids[1]), 51);
    CHECK_EQ(last_of(seen, &ids[2]), 42);
    GOOD(other.destroy(other.self, &ids[1], &err));
    put_port(&other, 3, 43, false);
    seen = follow_port(&reader);
    CHECK(was_given(seen, &ids[1]));
    CHECK_EQ(last_of(seen, &ids[1]), -1);
    CHECK_EQ(last_of(seen, &ids[3]), 43);
    CHECK_EQ(follow_port(&reader)->count, 0);
    CHECK_EQ(last_of(read_port(&reader), &ids[2]), 42);
    CHECK_EQ(follow_port(&reader)->count, 0);
    put_port(&reader, 0, 40, false); /* Its own as well. */
    CHECK_EQ(last_of(follow_port(&reader), &ids[0]), 40);
    reader.close(reader.self);
    other.close(other.self);
    writer.close(writer.self);
    fixture->end(fixture->self);
}

static void case_put_many(fixture_of *fixture)
{
    static struct pw_key_put puts[MANY];
    fixture->begin(fixture->self);
    struct pw_key_log writer = fixture->open(fixture->self);
    struct pw_key_log reader = fixture->open(fixture->self);
    for (unsigned i = 0; i < MANY; i++) {
        puts[i] = (struct pw_key_put){.key_id = id_of(i)};
        puts[i].value[100] = (uint8_t)i;
    }
    GOOD(writer.put_many(writer.self, puts, 1, &err));
    GOOD(writer.put_many(writer.self, puts + 1, MANY - 1, &err));
    struct seen *seen = follow_port(&reader);
    CHECK_EQ(seen->count, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        CHECK_EQ(last_of(seen, &puts[i].key_id), (uint8_t)i);
    }
    reader.close(reader.self);
    writer.close(writer.self);
    fixture->end(fixture->self);
}

/* What a sink refused is not passed over. */
static void case_sink_ends_a_follow(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_key_log log = fixture->open(fixture->self);
    struct pw_id one = id_of(1);
    int told = 0;
    struct pw_key_sink sink = {.self = &told, .entry = refuse};
    put_port(&log, 1, 41, false);
    CHECK_EQ(log.follow(log.self, &sink, NULL), PW_ERR_INTERNAL);
    CHECK_EQ(told, 1);
    put_port(&log, 2, 42, false);
    struct seen *seen = follow_port(&log);
    CHECK_EQ(seen->count, 2);
    CHECK_EQ(last_of(seen, &one), 41);
    log.close(log.self);
    fixture->end(fixture->self);
}

/* --- The store --- */

static struct pw_key_store *store_open(fixture_of *fixture, const struct pw_masters *masters,
                                       uint32_t opened_max)
{
    struct pw_key_store_config config = {
        .log = fixture->open(fixture->self),
        .masters = masters,
        .opened_max = opened_max,
    };
    struct pw_key_store *store = NULL;
    GOOD(pw_key_store_open(&config, &store, &err));
    return store;
}

static struct pw_key_counts store_read(struct pw_key_store *store)
{
    struct pw_key_counts counts;
    GOOD(pw_key_store_read(store, NULL, &counts, &err));
    return counts;
}

static struct pw_id make(struct pw_key_store *store, enum pw_key_purpose purpose)
{
    struct pw_id key_id;
    GOOD(pw_key_store_create(store, &tenant, purpose, &key_id, &err));
    return key_id;
}

static const struct pw_str plain = {"Ada Lovelace", 12};
#define SEALED_BYTES (12 + PW_PAYLOAD_EXTRA_BYTES)

static void seal(struct pw_key_store *store, const struct pw_id *key_id, uint8_t *ret_sealed)
{
    GOOD(pw_key_store_seal(store, &tenant, key_id, PW_STR("name"), plain, ret_sealed, &err));
}

static enum pw_code unseal(struct pw_key_store *store, const struct pw_id *key_id,
                           const uint8_t *sealed)
{
    uint8_t got[SEALED_BYTES];
    size_t bytes = 0;
    enum pw_code code =
        pw_key_store_unseal(store, &tenant, key_id, PW_STR("name"),
                            (struct pw_str){(const char *)sealed, SEALED_BYTES}, got, &bytes, NULL);
    CHECK(code != PW_OK || (bytes == plain.len && memcmp(got, plain.ptr, bytes) == 0));
    return code;
}

static void case_life(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_masters *masters = keys_masters(1, 0);
    struct pw_key_store *store = store_open(fixture, masters, 2);
    struct pw_key_store *other = store_open(fixture, masters, 2);
    struct pw_hash tag;
    struct pw_hash same;
    uint8_t sealed[5][SEALED_BYTES];
    struct pw_id ids[5];
    for (int i = 0; i < 5; i++) { /* More than lie open at once. */
        ids[i] = make(store, PW_KEY_PERSONAL);
        seal(store, &ids[i], sealed[i]);
    }
    struct pw_id secret = make(store, PW_KEY_EQUALITY);
    GOOD(pw_key_store_tag(store, &tenant, &secret, PW_STR("email"), plain, &tag, &err));
    CHECK_EQ(unseal(other, &ids[0], sealed[0]), PW_ERR_NOT_FOUND);
    struct pw_key_counts counts = store_read(other);
    CHECK_EQ(counts.keys, 6);
    CHECK_EQ(counts.foreign + counts.damaged + counts.conflicts + counts.rewraps, 0);
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 5; i++) {
            CHECK_EQ(unseal(other, &ids[i], sealed[i]), PW_OK);
            CHECK_EQ(unseal(other, &ids[i], sealed[(i + 1) % 5]), PW_ERR_LEDGER_DAMAGED);
        }
    }
    GOOD(pw_key_store_tag(other, &tenant, &secret, PW_STR("email"), plain, &same, &err));
    CHECK(pw_equality_same(&tag, &same));
    pw_key_store_close(other);
    pw_key_store_close(store);
    pw_masters_free(masters);
    fixture->end(fixture->self);
}

static void case_a_key_is_for_one_tenant_and_purpose(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_masters *masters = keys_masters(1, 0);
    struct pw_key_store *store = store_open(fixture, masters, 4);
    struct pw_id personal = make(store, PW_KEY_PERSONAL);
    struct pw_id secret = make(store, PW_KEY_EQUALITY);
    struct pw_key_record record;
    struct pw_hash tag;
    uint8_t sealed[SEALED_BYTES];
    CHECK_EQ(pw_key_store_seal(store, &other_tenant, &personal, plain, plain, sealed, NULL),
             PW_ERR_NOT_FOUND);
    CHECK_EQ(pw_key_store_seal(store, &tenant, &secret, plain, plain, sealed, NULL),
             PW_ERR_NOT_FOUND);
    CHECK_EQ(pw_key_store_tag(store, &tenant, &personal, plain, plain, &tag, NULL),
             PW_ERR_NOT_FOUND);
    CHECK_EQ(pw_key_store_tag(store, &other_tenant, &secret, plain, plain, &tag, NULL),
             PW_ERR_NOT_FOUND);
    CHECK_EQ(pw_key_store_count(store), 2);
    CHECK(pw_key_store_at(store, 0, &record));
    CHECK(pw_id_equal(&record.key_id, &personal) && pw_id_equal(&record.tenant_id, &tenant));
    CHECK_EQ(record.purpose, PW_KEY_PERSONAL);
    CHECK(pw_id_equal(&record.master_id, pw_masters_id(masters, 0)));
    GOOD(pw_key_store_try(store, &secret, &err));
    pw_key_store_close(store);
    pw_masters_free(masters);
    fixture->end(fixture->self);
}

static void case_two_make_keys_at_once(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_masters *masters = keys_masters(1, 0);
    struct pw_key_store *stores[2] = {store_open(fixture, masters, 4),
                                      store_open(fixture, masters, 4)};
    uint8_t sealed[20][SEALED_BYTES];
    struct pw_id ids[20];
    for (int i = 0; i < 20; i++) {
        ids[i] = make(stores[i % 2], PW_KEY_PERSONAL);
        seal(stores[i % 2], &ids[i], sealed[i]);
    }
    for (int s = 0; s < 2; s++) {
        CHECK_EQ(store_read(stores[s]).keys, 20);
        for (int i = 0; i < 20; i++) {
            CHECK_EQ(unseal(stores[s], &ids[i], sealed[i]), PW_OK);
        }
        pw_key_store_close(stores[s]);
    }
    pw_masters_free(masters);
    fixture->end(fixture->self);
}

static void case_rewrap(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_masters *old = keys_masters(1, 0);
    struct pw_masters *both = keys_masters(2, 1);
    struct pw_masters *new = keys_masters(2, 0);
    struct pw_key_store *store = store_open(fixture, old, 4);
    struct pw_rewrap_counts counts;
    uint8_t sealed[SEALED_BYTES];
    struct pw_id key_id = make(store, PW_KEY_PERSONAL);
    struct pw_id secret = make(store, PW_KEY_EQUALITY);
    int turn = 0;
    seal(store, &key_id, sealed);

    struct pw_key_store *unknowing = store_open(fixture, new, 4);
    CHECK_EQ(store_read(unknowing).keys, 2);
    CHECK_EQ(unseal(unknowing, &key_id, sealed), PW_ERR_SETTING_WRONG);
    CHECK_EQ(pw_key_store_try(unknowing, &secret, NULL), PW_ERR_SETTING_WRONG);
    GOOD(pw_key_store_rewrap(unknowing, NULL, &counts, &err));
    CHECK(counts.unopened == 2 && counts.rewrapped == 0);

    struct pw_key_store *rotating = store_open(fixture, both, 4);
    GOOD(pw_key_store_rewrap(rotating, NULL, &counts, &err));
    CHECK(counts.rewrapped == 2 && counts.current == 0 && counts.destroyed == 0);
    CHECK_EQ(unseal(rotating, &key_id, sealed), PW_OK);
    do { /* Until the old master key opens nothing any more that lies there. */
        GOOD(pw_key_store_rewrap(rotating, NULL, &counts, &err));
        CHECK(counts.rewrapped == 0 && counts.current == 2 && counts.unopened == 0);
        CHECK(turn++ < SETTLE_MAX);
        if (counts.lingering > 0) {
            fixture->settle(fixture->self);
        }
    } while (counts.lingering > 0);

    CHECK_EQ(store_read(unknowing).keys, 2); /* Now the old master key is not needed any more. */
    CHECK_EQ(unseal(unknowing, &key_id, sealed), PW_OK);
    GOOD(pw_key_store_try(unknowing, &secret, &err));
    CHECK_EQ(unseal(store, &key_id, sealed), PW_OK); /* Out of its memory. */
    store_read(store);
    CHECK_EQ(unseal(store, &key_id, sealed), PW_ERR_SETTING_WRONG);
    pw_key_store_close(store);
    pw_key_store_close(unknowing);
    pw_key_store_close(rotating);
    pw_masters_free(old);
    pw_masters_free(both);
    pw_masters_free(new);
    fixture->end(fixture->self);
}

static void case_destroy_until_it_is_gone(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_masters *masters = keys_masters(1, 0);
    struct pw_key_store *store = store_open(fixture, masters, 4);
    struct pw_key_store *other = store_open(fixture, masters, 4);
    uint8_t sealed[SEALED_BYTES];
    uint8_t kept_sealed[SEALED_BYTES];
    size_t lingering = 99;
    struct pw_id kept = make(store, PW_KEY_PERSONAL);
    struct pw_id ids[] = {make(store, PW_KEY_PERSONAL), id_of(77)}; /* The second never was. */
    seal(store, &kept, kept_sealed);
    seal(store, &ids[0], sealed);
    store_read(other);
    GOOD(pw_key_store_destroy(store, ids, 2, &lingering, &err));
    CHECK_EQ(unseal(store, &ids[0], sealed), PW_ERR_NOT_FOUND);
    CHECK_EQ(pw_key_store_try(store, &ids[0], NULL), PW_ERR_NOT_FOUND);
    struct pw_key_counts counts = store_read(other);
    CHECK(counts.keys == 1 && counts.late == 0 && counts.lingering == lingering);
    CHECK_EQ(unseal(other, &ids[0], sealed), PW_ERR_NOT_FOUND);
    for (int turn = 0; lingering > 0; turn++) {
        CHECK(turn < SETTLE_MAX);
        fixture->settle(fixture->self);
        GOOD(pw_key_store_destroy(store, ids, 2, &lingering, &err));
    }
    struct pw_key_log log = fixture->open(fixture->self);
    struct seen *seen = read_port(&log);
    for (uint64_t i = 0; i < seen->count; i++) {
        CHECK(seen->items[i].is_tombstone || pw_id_equal(&seen->items[i].key_id, &kept));
    }
    log.close(log.self);
    CHECK_EQ(store_read(other).keys, 1);
    CHECK_EQ(unseal(other, &kept, kept_sealed), PW_OK);
    pw_key_store_close(other);
    pw_key_store_close(store);
    pw_masters_free(masters);
    fixture->end(fixture->self);
}

/* A re-wrap that lands behind the tombstone, in the name of a store that did not see it. */
static void case_a_rewrap_brings_nothing_back(fixture_of *fixture)
{
    fixture->begin(fixture->self);
    struct pw_masters *old = keys_masters(1, 0);
    struct pw_masters *both = keys_masters(2, 1);
    struct pw_key_store *store = store_open(fixture, old, 4);
    struct pw_id ids[] = {make(store, PW_KEY_PERSONAL)};
    uint8_t sealed[SEALED_BYTES];
    static const uint8_t zeros[PW_KEY_BYTES]; /* As key and nonce: nobody opens it. */
    uint8_t value[PW_KEY_RECORD_BYTES];
    struct pw_rewrap_counts counts;
    struct pw_key_record record;
    size_t lingering;
    seal(store, &ids[0], sealed);
    CHECK(pw_key_store_at(store, 0, &record));
    pw_key_wrap(both, &record, zeros, zeros, value);
    GOOD(pw_key_store_destroy(store, ids, 1, &lingering, &err));

    struct pw_key_log log = fixture->open(fixture->self);
    memcpy(value + 56, record.check, sizeof record.check);
    enum pw_code late = log.put(log.self, &ids[0], value, true, NULL);
    CHECK_EQ(late, fixture->knows_gone ? PW_ERR_NOT_FOUND : PW_OK);
    CHECK_EQ(store_read(store).late, late == PW_OK);
    CHECK_EQ(unseal(store, &ids[0], sealed), PW_ERR_NOT_FOUND);
    struct pw_key_store *rotating = store_open(fixture, both, 4);
    GOOD(pw_key_store_rewrap(rotating, NULL, &counts, &err));
    CHECK_EQ(counts.destroyed, late == PW_OK);
    struct pw_key_counts read = store_read(store);
    CHECK(read.late == 0 && read.keys == 0);
    log.close(log.self);
    pw_key_store_close(rotating);
    pw_key_store_close(store);
    pw_masters_free(old);
    pw_masters_free(both);
    fixture->end(fixture->self);
}

static void case_strangers(fixture_of *fixture)
{
    if (fixture->put == NULL) {
        return;
    }
    fixture->begin(fixture->self);
    struct pw_masters *masters = keys_masters(1, 0);
    struct pw_masters *foreign = keys_masters(9, 0);
    struct pw_key_store *store = store_open(fixture, masters, 4);
    struct pw_id key_id = make(store, PW_KEY_PERSONAL);
    struct pw_key_record record;
    uint8_t sealed[SEALED_BYTES];
    static const uint8_t zeros[PW_KEY_BYTES];
    uint8_t value[PW_KEY_RECORD_BYTES];
    char text[PW_ID_TEXT_BYTES + 1];
    seal(store, &key_id, sealed);
    CHECK(pw_key_store_at(store, 0, &record));
    pw_id_format(&key_id, text);
    fixture->put(fixture->self, PW_STR("junk"), "junk", 4);
    fixture->put(fixture->self, PW_STR("junk"), NULL, 0);
    fixture->put(fixture->self, PW_STR(""), "PWK", 3);
    fixture->put(fixture->self, pw_str_of(text), "", 0);
    fixture->put(fixture->self, pw_str_of(text), "PWK\1 cut off", 12);
    pw_key_wrap(foreign, &record, zeros, zeros, value); /* A key of their own in its place. */
    fixture->put(fixture->self, pw_str_of(text), value, sizeof value);
    memcpy(value + 40, record.master_id.bytes, sizeof record.master_id); /* As if it were ours. */
    memcpy(value + 56, record.check, sizeof record.check);
    fixture->put(fixture->self, pw_str_of(text), value, sizeof value);
    struct pw_key_counts counts = store_read(store);
    CHECK_EQ(counts.keys, 1);
    CHECK_EQ(counts.foreign, 4);
    CHECK_EQ(counts.damaged, 2);
    CHECK_EQ(counts.conflicts, 1);
    CHECK_EQ(unseal(store, &key_id, sealed), PW_OK);
    pw_key_store_close(store);
    pw_masters_free(masters);
    pw_masters_free(foreign);
    fixture->end(fixture->self);
}

static const struct {
    const char *name;
    void (*run)(fixture_of *fixture);
} cases[] = {
    {"empty", case_empty},
    {"put_is_read", case_put_is_read},
    {"destroyed", case_destroyed},
    {"many", case_many},
    {"sink_ends_a_read", case_sink_ends_a_read},
    {"follow", case_follow},
    {"put_many", case_put_many},
    {"sink_ends_a_follow", case_sink_ends_a_follow},
    {"life", case_life},
    {"a_key_is_for_one_tenant_and_purpose", case_a_key_is_for_one_tenant_and_purpose},
    {"two_make_keys_at_once", case_two_make_keys_at_once},
    {"rewrap", case_rewrap},
    {"destroy_until_it_is_gone", case_destroy_until_it_is_gone},
    {"a_rewrap_brings_nothing_back", case_a_rewrap_brings_nothing_back},
    {"strangers", case_strangers},
};

int keys_conformance_run(const struct keys_fixture *fixture, int argc, char **argv)
{
    CHECK(sodium_init() >= 0);
    for (size_t i = 0; i < PW_COUNT(cases); i++) {
        if (case_begins(fixture->name, cases[i].name, argc, argv)) {
            cases[i].run(fixture);
        }
    }
    return cases_end(fixture->name);
}
