/* eventstore/tests/conformance_writers.c: two writers at once, each sure that the partition is its
 * own. Whatever the log makes of it, all readers must come to one history. */
#include "eventstore/chain.h"
#include "eventstore/tests/conformance.h"

#include <pthread.h>
#include <stdio.h>

#define WRITER_COUNT    2
#define ROUND_COUNT     40
#define RECORDS_A_ROUND 4 /* Pipelined, each on the one before. */

struct writer {
    const struct conformance_fixture *fixture;
    pthread_barrier_t *barrier;
    struct pw_id incarnation;
    struct conformance_handle handle;
    struct pw_chain chain;
    struct pw_buffer buffer;
    uint64_t accepted; /* Of its own records, as it read them back. */
    uint64_t reported;
    uint64_t appended;
};

static void take_record(struct writer *writer, const struct pw_ledger_event *event)
{
    struct pw_record record;
    enum pw_verdict verdict =
        pw_chain_take(&writer->chain, event->offset, event->value, event->value_bytes, &record);

    CHECK(verdict != PW_CHAIN_STOPPED);
    if (verdict == PW_CHAIN_ACCEPTED && record.kind == PW_RECORD_LEADER &&
        pw_id_equal(&record.leader.incarnation, &writer->incarnation)) {
        writer->accepted++;
    }
}

/* Reads on until all of its own appends are reported and read. */
static void catch_up(struct writer *writer, int64_t *own_offset)
{
    for (;;) {
        struct pw_ledger_event event = next_event(&writer->handle);
        switch (event.kind) {
        case PW_LEDGER_RECORD: take_record(writer, &event); break;
        case PW_LEDGER_DELIVERED:
            writer->reported++;
            *own_offset = event.offset > *own_offset ? event.offset : *own_offset;
            break;
        case PW_LEDGER_END: break;
        default: FAIL("event of kind %d (%s)", event.kind, event.detail);
        }
        if (writer->reported == writer->appended && writer->chain.next_offset > *own_offset) {
            return;
        }
    }
}

static void append_round(struct writer *writer)
{
    struct pw_leader leader = {PW_STR("node"), writer->incarnation};
    struct pw_chain_point at = pw_chain_next(&writer->chain);

    for (int i = 0; i < RECORDS_A_ROUND; i++) {
        CHECK_EQ(pw_record_write_leader(&writer->buffer, &at, &leader), PW_OK);
        append(&writer->handle, 0, writer->buffer.data, writer->buffer.bytes, writer->appended++);
        at.prev = pw_record_hash(writer->buffer.data, writer->buffer.bytes);
        at.height++;
    }
}

static void *write_rounds(void *self)
{
    struct writer *writer = self;
    int64_t own_offset = 0; /* The genesis is to be read first. */

    CHECK_EQ(writer->handle.ledger.read_from(writer->handle.ledger.self, 0, 0, NULL), PW_OK);
    catch_up(writer, &own_offset);
    for (int round = 0; round < ROUND_COUNT; round++) {
        pthread_barrier_wait(writer->barrier); /* The first begins on the genesis for both. */
        append_round(writer);
        catch_up(writer, &own_offset);
    }
    return NULL;
}

static void check_history(const struct conformance_fixture *fixture, const struct writer *writers)
{
    struct conformance_handle handle;
    struct pw_chain chain;
    struct pw_record record;
    uint64_t accepted_of[WRITER_COUNT] = {0};
    int64_t end = 1 + WRITER_COUNT * ROUND_COUNT * RECORDS_A_ROUND;

    handle_open(fixture, &handle);
    pw_chain_init(&chain, 0);
    struct conformance_records *records = read_all(&handle, 0, 0, end);
    CHECK_EQ(records->count, end);
    for (uint32_t i = 0; i < records->count; i++) {
        enum pw_verdict verdict =
            pw_chain_take(&chain, records->items[i].offset, records->items[i].value,
                          records->items[i].bytes, &record);
        CHECK(verdict != PW_CHAIN_STOPPED);
        for (int w = 0; w < WRITER_COUNT && i > 0 && verdict == PW_CHAIN_ACCEPTED; w++) {
            accepted_of[w] +=
                pw_id_equal(&record.leader.incarnation, &writers[w].incarnation) ? 1 : 0;
        }
    }
    CHECK(chain.void_count >= RECORDS_A_ROUND); /* Of the first round, one writer's. */
    for (int w = 0; w < WRITER_COUNT; w++) {
        CHECK_EQ(accepted_of[w], writers[w].accepted);
    }
    CHECK_EQ(chain.accepted_count, 1 + accepted_of[0] + accepted_of[1]);
    printf("    %llu accepted, %llu void\n", (unsigned long long)chain.accepted_count,
           (unsigned long long)chain.void_count);
    records_free(records);
    pw_chain_close(&chain);
    handle_close(&handle);
}

void case_two_writers(const struct conformance_fixture *fixture)
{
    static const struct pw_id ledger_id = {{0x1e, 0xd6}};
    struct writer writers[WRITER_COUNT] = {{0}};
    pthread_t threads[WRITER_COUNT];
    pthread_barrier_t barrier;

    fixture->begin(fixture->self, 1, &ledger_id);
    pthread_barrier_init(&barrier, NULL, WRITER_COUNT);
    for (int i = 0; i < WRITER_COUNT; i++) {
        writers[i].fixture = fixture;
        writers[i].barrier = &barrier;
        writers[i].incarnation.bytes[0] = (uint8_t)(i + 1);
        handle_open(fixture, &writers[i].handle);
        pw_chain_init(&writers[i].chain, 0);
        pw_buffer_init(&writers[i].buffer, PW_RECORD_BYTES_MAX);
        CHECK_EQ(pthread_create(&threads[i], NULL, write_rounds, &writers[i]), 0);
    }
    for (int i = 0; i < WRITER_COUNT; i++) {
        pthread_join(threads[i], NULL);
        pw_buffer_close(&writers[i].buffer);
        handle_close(&writers[i].handle);
    }
    check_history(fixture, writers);
    for (int i = 0; i < WRITER_COUNT; i++) {
        pw_chain_close(&writers[i].chain);
    }
    pthread_barrier_destroy(&barrier);
    fixture->end(fixture->self);
}
