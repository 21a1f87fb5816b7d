/* eventstore/tests/conformance.c: the cases. Each begins with a fresh ledger. */
#include "eventstore/tests/conformance.h"

#include "eventstore/chain.h"

#include <stdio.h>
#include <stdlib.h>

#define PARTITIONS 3

static const struct pw_id ledger_id = {{0x01, 0x92, 0xf0}};

typedef const struct conformance_fixture fixture_of;

static void begin(fixture_of *fixture, struct conformance_handle *ret_handle)
{
    fixture->begin(fixture->self, PARTITIONS, &ledger_id);
    handle_open(fixture, ret_handle);
}

static void end(fixture_of *fixture, struct conformance_handle *handle)
{
    handle_close(handle);
    fixture->end(fixture->self);
}

static void read_from(struct conformance_handle *handle, uint32_t partition, int64_t offset)
{
    CHECK_EQ(handle->ledger.read_from(handle->ledger.self, partition, offset, NULL), PW_OK);
}

static void read_stop(struct conformance_handle *handle, uint32_t partition)
{
    handle->ledger.read_stop(handle->ledger.self, partition);
}

/* A text of its own for each number. */
static const char *numbered(int number)
{
    static _Thread_local char text[32];

    snprintf(text, sizeof text, "record %d", number);
    return text;
}

static void append_many(struct conformance_handle *handle, uint32_t partition, int count)
{
    for (int i = 0; i < count; i++) {
        CHECK_EQ(append_and_wait(handle, partition, numbered(i)), 1 + i);
    }
}

static void case_created(fixture_of *fixture)
{
    struct conformance_handle handle;
    struct pw_err err = {0};

    begin(fixture, &handle);
    if (handle.ledger.check(handle.ledger.self, &err) != PW_OK) {
        FAIL("check: %s", err.detail);
    }
    CHECK_EQ(handle.ledger.partition_count, PARTITIONS);
    for (uint32_t partition = 0; partition < PARTITIONS; partition++) {
        struct pw_chain chain;
        struct pw_record record;
        struct conformance_records *records = read_all(&handle, partition, 0, 1);
        CHECK_EQ(records->count, 1);
        CHECK_EQ(records->end, 1);
        pw_chain_init(&chain, partition);
        chain.partition_count = PARTITIONS;
        chain.ledger_id = ledger_id;
        CHECK_EQ(pw_chain_take(&chain, records->items[0].offset, records->items[0].value,
                               records->items[0].bytes, &record),
                 PW_CHAIN_ACCEPTED);
        pw_chain_close(&chain);
        records_free(records);
    }
    end(fixture, &handle);
}

static void case_append_is_read(fixture_of *fixture)
{
    struct conformance_handle handle;

    begin(fixture, &handle);
    append_many(&handle, 1, 5);
    struct conformance_records *records = read_all(&handle, 1, 1, 6);
    CHECK_EQ(records->count, 5);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(records->items[i].offset, 1 + i);
        CHECK(record_is(&records->items[i], numbered(i)));
    }
    records_free(records);
    end(fixture, &handle);
}

static void case_append_copies(fixture_of *fixture)
{
    struct conformance_handle handle;
    char *text = strdup("what was appended");

    begin(fixture, &handle);
    append(&handle, 0, text, strlen(text), 1);
    memset(text, 'x', strlen(text));
    free(text);
    expect_event(&handle, PW_LEDGER_DELIVERED, 0);
    struct conformance_records *records = read_all(&handle, 0, 1, 2);
    CHECK(record_is(&records->items[0], "what was appended"));
    records_free(records);
    end(fixture, &handle);
}

/* Many in flight over all partitions: each reported once, and read in the order of the appends. */
static void case_order(fixture_of *fixture)
{
    enum { COUNT = 600 };
    struct conformance_handle handle;
    static int64_t offset_of[COUNT];

    begin(fixture, &handle);
    memset(offset_of, 0, sizeof offset_of);
    for (int i = 0; i < COUNT; i++) {
        append(&handle, (uint32_t)i % PARTITIONS, numbered(i), strlen(numbered(i)), (uint64_t)i);
    }
    for (int i = 0; i < COUNT; i++) {
        struct pw_ledger_event event = next_event(&handle);
        CHECK_EQ(event.kind, PW_LEDGER_DELIVERED);
        CHECK(event.tag < COUNT);
        CHECK_EQ(event.partition, event.tag % PARTITIONS);
        CHECK_EQ(offset_of[event.tag], 0);
        offset_of[event.tag] = event.offset;
    }
    for (uint32_t partition = 0; partition < PARTITIONS; partition++) {
        struct conformance_records *records =
            read_all(&handle, partition, 1, 1 + COUNT / PARTITIONS);
        CHECK_EQ(records->count, COUNT / PARTITIONS);
        for (uint32_t i = 0; i < records->count; i++) {
            uint32_t number = i * PARTITIONS + partition;
            CHECK(record_is(&records->items[i], numbered((int)number)));
            CHECK_EQ(records->items[i].offset, offset_of[number]);
        }
        records_free(records);
    }
    end(fixture, &handle);
}

static void case_all_partitions_at_once(fixture_of *fixture)
{
    struct conformance_handle handle;
    int64_t next_offset[PARTITIONS] = {0};
    int ends = 0;

    begin(fixture, &handle);
    for (uint32_t partition = 0; partition < PARTITIONS; partition++) {
        append_many(&handle, partition, 20);
    }
    for (uint32_t partition = 0; partition < PARTITIONS; partition++) {
        read_from(&handle, partition, 0);
    }
    while (ends < PARTITIONS) {
        struct pw_ledger_event event = next_event(&handle);
        CHECK(event.partition < PARTITIONS);
        CHECK_EQ(event.offset, next_offset[event.partition]);
        if (event.kind == PW_LEDGER_RECORD) {
            next_offset[event.partition]++;
        } else {
            CHECK_EQ(event.kind, PW_LEDGER_END);
            CHECK_EQ(event.offset, 21);
            ends++;
        }
    }
    end(fixture, &handle);
}

static void case_end(fixture_of *fixture)
{
    struct conformance_handle handle;

    begin(fixture, &handle);
    read_from(&handle, 0, 1);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_END, 0).offset, 1); /* Nothing to read: at once. */
    for (int i = 1; i <= 3; i++) {
        fixture->put(fixture->self, 0, "x", 1);
        CHECK_EQ(expect_event(&handle, PW_LEDGER_RECORD, 0).offset, i);
        CHECK_EQ(expect_event(&handle, PW_LEDGER_END, 0).offset, i + 1);
    }
    read_from(&handle, 0, 4);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_END, 0).offset, 4);
    end(fixture, &handle);
}

/* Only to compare partitions: the fuller one is the larger one. */
static void case_size(fixture_of *fixture)
{
    struct conformance_handle handle;

    begin(fixture, &handle);
    for (int i = 0; i < 20; i++) {
        fixture->put(fixture->self, 1, "a stranger's record", 19);
    }
    uint64_t small = handle.ledger.size(handle.ledger.self, 0);
    uint64_t large = handle.ledger.size(handle.ledger.self, 1);
    CHECK(small > 0);
    CHECK(large > small);
    end(fixture, &handle);
}

/* A leader that looks for its own records must be able to trust the END after read_from. */
static void case_end_is_fresh(fixture_of *fixture)
{
    struct conformance_handle handle;

    begin(fixture, &handle);
    read_from(&handle, 0, 1);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_END, 0).offset, 1);
    for (int round = 0; round < 30; round++) {
        int64_t offset = fixture->put(fixture->self, 0, "x", 1);
        read_from(&handle, 0, offset);
        CHECK_EQ(expect_event(&handle, PW_LEDGER_RECORD, 0).offset, offset);
        CHECK_EQ(expect_event(&handle, PW_LEDGER_END, 0).offset, offset + 1);
        read_from(&handle, 0, offset + 1);
        CHECK_EQ(expect_event(&handle, PW_LEDGER_END, 0).offset, offset + 1);
    }
    end(fixture, &handle);
}

static void case_read_again_replaces(fixture_of *fixture)
{
    struct conformance_handle handle;

    begin(fixture, &handle);
    append_many(&handle, 0, 100);
    for (int round = 0; round < 20; round++) {
        int64_t from = round % 2 == 0 ? 0 : 50 + round;
        read_from(&handle, 0, from);
        for (int64_t offset = from; offset < from + round % 5; offset++) {
            CHECK_EQ(expect_event(&handle, PW_LEDGER_RECORD, 0).offset, offset);
        }
    }
    end(fixture, &handle);
}

static void case_read_stop(fixture_of *fixture)
{
    struct conformance_handle handle;

    begin(fixture, &handle);
    append_many(&handle, 0, 50);
    for (int taken = 0; taken < 10; taken++) {
        read_from(&handle, 0, 0);
        for (int64_t offset = 0; offset < taken; offset++) {
            CHECK_EQ(expect_event(&handle, PW_LEDGER_RECORD, 0).offset, offset);
        }
        read_stop(&handle, 0);
        /* What comes now is of another partition. */
        read_from(&handle, 1, 0);
        expect_event(&handle, PW_LEDGER_RECORD, 1);
        expect_event(&handle, PW_LEDGER_END, 1);
        read_stop(&handle, 1);
    }
    read_stop(&handle, 2); /* One that was never read. */
    end(fixture, &handle);
}

static void case_values_of_strangers(fixture_of *fixture)
{
    static const struct {
        const char *value;
        size_t bytes;
    } rows[] = {{NULL, 0}, {"", 0}, {"PWL", 3}, {"hello", 5}, {NULL, 0}, {"\0\0\0", 3}};
    struct conformance_handle handle;
    uint8_t zeros[80] = {'P', 'W', 'L', 1};

    begin(fixture, &handle);
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        CHECK_EQ(fixture->put(fixture->self, 0, rows[i].value, rows[i].bytes), 1 + i);
    }
    fixture->put(fixture->self, 0, zeros, sizeof zeros);
    struct conformance_records *records = read_all(&handle, 0, 1, 2 + PW_COUNT(rows));
    CHECK_EQ(records->count, PW_COUNT(rows) + 1);
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        CHECK_EQ(records->items[i].value == NULL, rows[i].value == NULL);
        CHECK_EQ(records->items[i].bytes, rows[i].bytes);
        CHECK(rows[i].bytes == 0 ||
              memcmp(records->items[i].value, rows[i].value, rows[i].bytes) == 0);
    }
    CHECK_EQ(records->items[PW_COUNT(rows)].bytes, sizeof zeros);
    records_free(records);
    end(fixture, &handle);
}

static void case_sizes(fixture_of *fixture)
{
    enum { TOO_LARGE = 4 * 1024 * 1024, LARGE_STRANGER = 1500000 };
    struct conformance_handle handle;
    uint8_t *value = malloc(TOO_LARGE);

    CHECK(value != NULL);
    for (size_t i = 0; i < TOO_LARGE; i++) {
        value[i] = (uint8_t)(i * 31 + (i >> 8));
    }
    begin(fixture, &handle);
    append(&handle, 0, value, PW_RECORD_BYTES_MAX, 1);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_DELIVERED, 0).offset, 1);

    enum pw_code code = handle.ledger.append(handle.ledger.self, 0, (struct pw_str){NULL, 0}, value,
                                             TOO_LARGE, 2, NULL);
    if (code == PW_OK) {
        struct pw_ledger_event event = expect_event(&handle, PW_LEDGER_FAILED, 0);
        CHECK_EQ(event.tag, 2);
        code = event.code;
    }
    CHECK_EQ(code, PW_ERR_COMMAND_TOO_LARGE);
    CHECK_EQ(append_and_wait(&handle, 0, "after it"), 2); /* Nothing of it landed. */

    fixture->put(fixture->self, 0, value, LARGE_STRANGER);
    struct conformance_records *records = read_all(&handle, 0, 1, 4);
    CHECK_EQ(records->count, 3);
    CHECK_EQ(records->items[0].bytes, PW_RECORD_BYTES_MAX);
    CHECK(memcmp(records->items[0].value, value, PW_RECORD_BYTES_MAX) == 0);
    CHECK(record_is(&records->items[1], "after it"));
    CHECK_EQ(records->items[2].bytes, LARGE_STRANGER);
    CHECK(memcmp(records->items[2].value, value, LARGE_STRANGER) == 0);
    records_free(records);
    free(value);
    end(fixture, &handle);
}

/* Nobody's transaction hides a record, holds one up, or takes one back. */
static void case_transactions(fixture_of *fixture)
{
    static const char *const expected[] = {"open",   "ours 1",    "aborted",
                                           "ours 2", "committed", "ours 3"};
    struct conformance_handle handle;

    begin(fixture, &handle);
    fixture->put_in_transaction(fixture->self, 0, "open", 4, TRANSACTION_OPEN);
    append_and_wait(&handle, 0, "ours 1");
    fixture->put_in_transaction(fixture->self, 0, "aborted", 7, TRANSACTION_ABORTED);
    append_and_wait(&handle, 0, "ours 2");
    fixture->put_in_transaction(fixture->self, 0, "committed", 9, TRANSACTION_COMMITTED);
    int64_t last = append_and_wait(&handle, 0, "ours 3");
    CHECK_EQ(last, 8); /* Two markers lie between. */

    struct conformance_records *records = read_all(&handle, 0, 1, last + 1);
    CHECK_EQ(records->count, PW_COUNT(expected));
    for (size_t i = 0; i < PW_COUNT(expected); i++) {
        CHECK(record_is(&records->items[i], expected[i]));
    }
    CHECK_EQ(records->items[5].offset, last);
    CHECK_EQ(records->end, last + 1);
    records_free(records);

    /* A marker at the very end, and a read that begins in a gap. */
    fixture->put_in_transaction(fixture->self, 0, "aborted", 7, TRANSACTION_ABORTED);
    records = read_all(&handle, 0, last + 1, last + 3);
    CHECK_EQ(records->count, 1);
    records_free(records);
    records = read_all(&handle, 0, last + 2, last + 3);
    CHECK_EQ(records->count, 0);
    records_free(records);
    end(fixture, &handle);
}

static void case_lost_start(fixture_of *fixture)
{
    struct conformance_handle handle;

    begin(fixture, &handle);
    append_many(&handle, 0, 5);
    fixture->delete_before(fixture->self, 0, 3);
    read_from(&handle, 0, 0);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_LOST, 0).offset, 0);
    CHECK_EQ(append_and_wait(&handle, 0, "later"), 6); /* And reading has stopped. */
    struct conformance_records *records = read_all(&handle, 0, 3, 7);
    CHECK_EQ(records->count, 4);
    CHECK_EQ(records->items[0].offset, 3);
    records_free(records);
    end(fixture, &handle);
}

static void case_lost_end(fixture_of *fixture)
{
    struct conformance_handle handle;

    begin(fixture, &handle);
    append_many(&handle, 0, 2);
    read_from(&handle, 0, 4); /* The log ends at 3. */
    CHECK_EQ(expect_event(&handle, PW_LEDGER_LOST, 0).offset, 4);
    read_from(&handle, 1, 1);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_END, 1).offset, 1);
    end(fixture, &handle);
}

static void case_lost_to_another_log(fixture_of *fixture)
{
    static const struct pw_id other_ledger_id = {{0x02, 0x92, 0xf0}};
    struct conformance_handle handle;

    begin(fixture, &handle);
    append_many(&handle, 0, 10);
    read_from(&handle, 0, 11);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_END, 0).offset, 11);
    fixture->replace(fixture->self, PARTITIONS, &other_ledger_id);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_LOST, 0).offset, 11);
    end(fixture, &handle);
}

static void case_renew(fixture_of *fixture)
{
    enum { COUNT = 50, LATER = 1000 };
    struct conformance_handle handle;

    begin(fixture, &handle);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            append(&handle, 0, "given up", 8, (uint64_t)i);
        }
        CHECK_EQ(handle.ledger.renew(handle.ledger.self, NULL), PW_OK);
        append(&handle, 0, "kept", 4, LATER);
        CHECK_EQ(expect_event(&handle, PW_LEDGER_DELIVERED, 0).tag, LATER);
    }
    read_from(&handle, 0, 0); /* Reading knows nothing of it. */
    CHECK_EQ(expect_event(&handle, PW_LEDGER_RECORD, 0).offset, 0);
    CHECK_EQ(handle.ledger.renew(handle.ledger.self, NULL), PW_OK);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_RECORD, 0).offset, 1);
    end(fixture, &handle);
}

static void case_close_in_flight(fixture_of *fixture)
{
    struct conformance_handle handle;

    begin(fixture, &handle);
    read_from(&handle, 0, 0);
    for (uint64_t i = 0; i < 100; i++) {
        append(&handle, 0, "in flight", 9, i);
    }
    end(fixture, &handle);
}

static void case_handles_share_nothing(fixture_of *fixture)
{
    struct conformance_handle one;
    struct conformance_handle other;

    begin(fixture, &one);
    handle_open(fixture, &other);
    CHECK_EQ(append_and_wait(&one, 0, "of one"), 1);
    CHECK_EQ(append_and_wait(&other, 0, "of the other"), 2);
    read_from(&other, 0, 2);
    CHECK_EQ(expect_event(&other, PW_LEDGER_RECORD, 0).offset, 2);
    CHECK_EQ(expect_event(&other, PW_LEDGER_END, 0).offset, 3);
    read_from(&one, 0, 1); /* No END nor report of the other's comes here. */
    CHECK_EQ(expect_event(&one, PW_LEDGER_RECORD, 0).offset, 1);
    CHECK_EQ(one.ledger.renew(one.ledger.self, NULL), PW_OK);
    CHECK_EQ(append_and_wait(&other, 1, "still there"), 1);
    handle_close(&one);
    CHECK_EQ(append_and_wait(&other, 1, "and still"), 2);
    handle_close(&other);
    fixture->end(fixture->self);
}

/* Takes what is there; without a wake, nothing may come later. */
static struct pw_ledger_event next_when_woken(struct conformance_handle *handle)
{
    struct pw_ledger_event event;

    handle->ledger.next(handle->ledger.self, 0, &event);
    while (event.kind == PW_LEDGER_NOTHING) {
        handle_wait_for_wake(handle);
        handle->ledger.next(handle->ledger.self, 0, &event);
    }
    return event;
}

static void case_wake(fixture_of *fixture)
{
    struct conformance_handle handle;

    begin(fixture, &handle);
    read_from(&handle, 0, 1);
    CHECK_EQ(next_when_woken(&handle).kind, PW_LEDGER_END);
    for (int i = 0; i < 20; i++) {
        fixture->put(fixture->self, 0, "x", 1);
        CHECK_EQ(next_when_woken(&handle).kind, PW_LEDGER_RECORD);
        CHECK_EQ(next_when_woken(&handle).kind, PW_LEDGER_END);
    }
    read_stop(&handle, 0);
    for (uint64_t i = 0; i < 20; i++) {
        append(&handle, 1, "x", 1, i);
        CHECK_EQ(next_when_woken(&handle).tag, i);
    }
    end(fixture, &handle);
}

static void case_down(fixture_of *fixture)
{
    struct conformance_handle handle;
    struct pw_ledger_event event;

    if (fixture->set_down == NULL) {
        printf("    (not shown by this fixture)\n");
        return;
    }
    begin(fixture, &handle);
    read_from(&handle, 0, 1);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_END, 0).offset, 1);
    fixture->set_down(fixture->self, true);
    handle.ledger.next(handle.ledger.self, 0, &event);
    CHECK_EQ(event.kind, PW_LEDGER_DOWN);
    handle.ledger.next(handle.ledger.self, 0, &event);
    CHECK_EQ(event.kind, PW_LEDGER_NOTHING);
    CHECK_EQ(handle.ledger.check(handle.ledger.self, NULL), PW_ERR_LEDGER_DOWN);
    append(&handle, 0, "x", 1, 7);
    event = expect_event(&handle, PW_LEDGER_FAILED, 0);
    CHECK_EQ(event.tag, 7);
    CHECK_EQ(event.code, PW_ERR_LEDGER_DOWN);
    fixture->set_down(fixture->self, false);
    fixture->put(fixture->self, 0, "x", 1);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_RECORD, 0).offset, 1);
    end(fixture, &handle);
}

static void case_routing(fixture_of *fixture)
{
    static const struct {
        const char *text;
        int32_t murmur2; /* As Kafka's Java client has it. */
    } rows[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    static const uint32_t counts[] = {1, 3, 16, 1024};

    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        CHECK_EQ((int32_t)pw_murmur2(rows[i].text, strlen(rows[i].text)), rows[i].murmur2);
    }
    for (uint8_t i = 1; fixture->partition_of != NULL && i < 200; i++) {
        struct pw_id id = {{i, 2, 3, (uint8_t)(i * 7)}};
        char text[PW_ID_TEXT_BYTES + 1];
        pw_id_format(&id, text);
        for (size_t c = 0; c < PW_COUNT(counts); c++) {
            CHECK_EQ(pw_partition_of(&id, counts[c]),
                     fixture->partition_of(fixture->self, pw_str_of(text), counts[c]));
        }
    }
}

static void case_keys(fixture_of *fixture)
{
    static const struct pw_id boundary_id = {{0xb0}};
    struct conformance_handle handle;
    char text[PW_ID_TEXT_BYTES + 1];

    begin(fixture, &handle);
    pw_id_format(&boundary_id, text);
    uint32_t partition = pw_partition_of(&boundary_id, PARTITIONS);
    CHECK_EQ(handle.ledger.append(handle.ledger.self, partition, pw_str_of(text), "x", 1, 1, NULL),
             PW_OK);
    CHECK_EQ(expect_event(&handle, PW_LEDGER_DELIVERED, partition).offset, 1);
    CHECK_EQ(append_and_wait(&handle, partition, "without a key"), 2);
    if (fixture->key_at != NULL) {
        CHECK(pw_str_equal(fixture->key_at(fixture->self, partition, 1), pw_str_of(text)));
        CHECK_EQ(fixture->key_at(fixture->self, partition, 2).len, 0);
    }
    end(fixture, &handle);
}

static const struct {
    const char *name;
    void (*run)(fixture_of *fixture);
} cases[] = {
    {"created", case_created},
    {"append_is_read", case_append_is_read},
    {"append_copies", case_append_copies},
    {"order", case_order},
    {"all_partitions_at_once", case_all_partitions_at_once},
    {"end", case_end},
    {"size", case_size},
    {"end_is_fresh", case_end_is_fresh},
    {"read_again_replaces", case_read_again_replaces},
    {"read_stop", case_read_stop},
    {"values_of_strangers", case_values_of_strangers},
    {"sizes", case_sizes},
    {"transactions", case_transactions},
    {"two_writers", case_two_writers},
    {"lost_start", case_lost_start},
    {"lost_end", case_lost_end},
    {"lost_to_another_log", case_lost_to_another_log},
    {"renew", case_renew},
    {"close_in_flight", case_close_in_flight},
    {"handles_share_nothing", case_handles_share_nothing},
    {"wake", case_wake},
    {"down", case_down},
    {"routing", case_routing},
    {"keys", case_keys},
};

int conformance_run(const struct conformance_fixture *fixture, int argc, char **argv)
{
    for (size_t i = 0; i < PW_COUNT(cases); i++) {
        if (case_begins(fixture->name, cases[i].name, argc, argv)) {
            cases[i].run(fixture);
        }
    }
    return cases_end(fixture->name);
}
