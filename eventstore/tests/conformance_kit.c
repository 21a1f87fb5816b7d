/* eventstore/tests/conformance_kit.c: handles, waiting and reading, for the cases of the suite. */
#include "eventstore/tests/conformance.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* Not a speed limit: a guard against waiting for ever. */
#define PATIENCE_SECONDS 60

struct conformance_bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    uint64_t count;
    uint64_t heard;
};

static void ring(void *self)
{
    struct conformance_bell *bell = self;

    pthread_mutex_lock(&bell->lock);
    bell->count++;
    pthread_cond_signal(&bell->rung);
    pthread_mutex_unlock(&bell->lock);
}

void handle_open(const struct conformance_fixture *fixture, struct conformance_handle *ret_handle)
{
    struct conformance_bell *bell = calloc(1, sizeof *bell);

    CHECK(bell != NULL);
    pthread_mutex_init(&bell->lock, NULL);
    pthread_cond_init(&bell->rung, NULL);
    ret_handle->bell = bell;
    fixture->open(fixture->self, (struct pw_ledger_wake){bell, ring}, &ret_handle->ledger);
}

void handle_close(struct conformance_handle *handle)
{
    handle->ledger.close(handle->ledger.self);
    pthread_mutex_destroy(&handle->bell->lock);
    pthread_cond_destroy(&handle->bell->rung);
    free(handle->bell);
}

void handle_wait_for_wake(struct conformance_handle *handle)
{
    struct conformance_bell *bell = handle->bell;
    struct timespec deadline;
    int waited = 0;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_SECONDS;
    pthread_mutex_lock(&bell->lock);
    while (bell->count == bell->heard && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&bell->rung, &bell->lock, &deadline);
    }
    bool rung = bell->count != bell->heard;
    bell->heard = bell->count;
    pthread_mutex_unlock(&bell->lock);
    CHECK(rung);
}

struct pw_ledger_event next_event(struct conformance_handle *handle)
{
    struct pw_ledger_event event;
    struct timespec start;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        handle->ledger.next(handle->ledger.self, 1000, &event);
        if (event.kind != PW_LEDGER_NOTHING && event.kind != PW_LEDGER_DOWN) {
            return event;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec < PATIENCE_SECONDS);
    FAIL("nothing came for %d s", PATIENCE_SECONDS);
}

struct pw_ledger_event expect_event(struct conformance_handle *handle,
                                    enum pw_ledger_event_kind kind, uint32_t partition)
{
    struct pw_ledger_event event = next_event(handle);

    if (event.kind != kind || event.partition != partition) {
        FAIL("event of kind %d, partition %u, offset %lld came; kind %d, partition %u was due (%s)",
             event.kind, event.partition, (long long)event.offset, kind, partition,
             event.detail != NULL ? event.detail : "no detail");
    }
    return event;
}

void append(struct conformance_handle *handle, uint32_t partition, const void *value, size_t bytes,
            uint64_t tag)
{
    struct pw_err err = {0};

    if (handle->ledger.append(handle->ledger.self, partition, (struct pw_str){NULL, 0}, value,
                              bytes, tag, &err) != PW_OK) {
        FAIL("append: %s", err.detail);
    }
}

int64_t append_and_wait(struct conformance_handle *handle, uint32_t partition, const char *text)
{
    static _Atomic uint64_t last_tag = UINT64_C(1) << 40;
    uint64_t tag = ++last_tag;

    append(handle, partition, text, strlen(text), tag);
    struct pw_ledger_event event = expect_event(handle, PW_LEDGER_DELIVERED, partition);
    CHECK_EQ(event.tag, tag);
    CHECK(event.broker_at_us == -1 || event.broker_at_us > 0);
    return event.offset;
}

static void keep(struct conformance_records *records, const struct pw_ledger_event *event)
{
    CHECK(records->count < CONFORMANCE_RECORDS_MAX);
    struct conformance_record *record = &records->items[records->count++];

    CHECK(event->broker_at_us > 0);
    record->offset = event->offset;
    record->bytes = event->value_bytes;
    if (event->value != NULL) {
        record->value = malloc(event->value_bytes + 1);
        CHECK(record->value != NULL);
        memcpy(record->value, event->value, event->value_bytes);
    } else {
        CHECK_EQ(event->value_bytes, 0);
    }
}

struct conformance_records *read_all(struct conformance_handle *handle, uint32_t partition,
                                     int64_t from, int64_t end)
{
    struct conformance_records *records = calloc(1, sizeof *records);
    int64_t next_offset = from;

    CHECK(records != NULL);
    CHECK_EQ(handle->ledger.read_from(handle->ledger.self, partition, from, NULL), PW_OK);
    while (records->end < end || records->end == 0) {
        struct pw_ledger_event event = next_event(handle);
        CHECK_EQ(event.partition, partition);
        CHECK(event.offset >= next_offset);
        next_offset = event.offset;
        if (event.kind == PW_LEDGER_RECORD) {
            next_offset++;
            keep(records, &event);
        } else {
            CHECK_EQ(event.kind, PW_LEDGER_END);
            records->end = event.offset;
        }
    }
    handle->ledger.read_stop(handle->ledger.self, partition);
    return records;
}

void records_free(struct conformance_records *records)
{
    for (uint32_t i = 0; i < records->count; i++) {
        free(records->items[i].value);
    }
    free(records);
}

bool record_is(const struct conformance_record *record, const char *text)
{
    return record->value != NULL && record->bytes == strlen(text) &&
           memcmp(record->value, text, record->bytes) == 0;
}
