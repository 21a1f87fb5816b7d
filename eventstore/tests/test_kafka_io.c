/* What only the Kafka adapter does while it writes and reads: what its reports carry, what librdkafka
 * does behind it. Needs PW_TEST_KAFKA=host:port. */
#include "eventstore/kafka.h"

#include "eventstore/tests/kafka_rig.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WAIT_MS 20000

Test(kafka_writer, reports_offset_tag_and_the_brokers_time)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 2, NULL, NULL);
    struct pw_ledger ledger = kafka_rig_ledger(&rig.config);
    struct timespec before;
    clock_gettime(CLOCK_REALTIME, &before);
    struct pw_str key = PW_STR("0192f0c5-7a3b-7000-8000-000000000001");
    for (uint64_t i = 0; i < 100; i++) {
        cr_assert_eq(ledger.append(ledger.self, 1, key, "value", 5, UINT64_MAX - i, NULL), PW_OK);
    }
    for (int64_t i = 0; i < 100; i++) {
        struct pw_ledger_event event = kafka_rig_next(&ledger);
        cr_assert_eq(event.kind, PW_LEDGER_DELIVERED);
        cr_expect_eq(event.partition, 1);
        cr_expect_eq(event.offset, i);
        cr_expect_eq(event.tag, UINT64_MAX - (uint64_t)i);
        int64_t since_us = event.broker_at_us - before.tv_sec * PW_US_PER_SECOND;
        cr_expect(since_us >= 0 && since_us < 60 * PW_US_PER_SECOND, "%lld",
                  (long long)event.broker_at_us);
    }
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}

Test(kafka_writer, says_that_a_value_is_too_large)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, "max.message.bytes", "2000");
    struct pw_ledger ledger = kafka_rig_ledger(&rig.config);
    size_t bytes = 2 * 1024 * 1024;
    char *value = calloc(1, bytes);
    struct pw_err err = {0};
    cr_expect_eq(ledger.append(ledger.self, 0, PW_STR(""), value, bytes, 1, &err),
                 PW_ERR_COMMAND_TOO_LARGE);
    cr_assert_eq(ledger.append(ledger.self, 0, PW_STR(""), value, 4000, 2, &err), PW_OK);
    struct pw_ledger_event event = kafka_rig_next(&ledger);
    cr_expect_eq(event.kind, PW_LEDGER_FAILED);
    cr_expect_eq(event.tag, 2);
    cr_expect_eq(event.code, PW_ERR_COMMAND_TOO_LARGE);
    free(value);
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}

Test(kafka_writer, tells_what_the_client_does_not_take)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    struct pw_kafka_setting settings[] = {rig.settings[0], {"queue.buffering.max.messages", "100"}};
    rig.config.settings = settings;
    rig.config.setting_count = 2;
    struct pw_ledger ledger = kafka_rig_ledger(&rig.config);
    for (uint64_t i = 0; i < 150; i++) {
        cr_assert_eq(ledger.append(ledger.self, 0, PW_STR(""), "x", 1, i, NULL), PW_OK);
    }
    ledger.flush(ledger.self);
    uint32_t delivered = 0;
    uint32_t failed = 0;
    bool told[150] = {false};
    while (delivered + failed < 150) {
        struct pw_ledger_event event = kafka_rig_next(&ledger);
        cr_assert(event.tag < 150 && !told[event.tag]);
        told[event.tag] = true;
        delivered += event.kind == PW_LEDGER_DELIVERED;
        failed += event.kind == PW_LEDGER_FAILED && event.code == PW_ERR_LEDGER_DOWN;
    }
    cr_expect_eq(delivered, 100);
    cr_expect_eq(failed, 50);
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}

Test(kafka_writer, is_silent_about_what_was_in_flight_before_renew)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    struct pw_ledger ledger = kafka_rig_ledger(&rig.config);
    for (int round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < 1000; i++) {
            cr_assert_eq(ledger.append(ledger.self, 0, PW_STR(""), "old", 3, 1, NULL), PW_OK);
        }
        struct pw_err err = {0};
        cr_assert_eq(ledger.renew(ledger.self, &err), PW_OK, "%s", err.detail);
        cr_assert_eq(ledger.append(ledger.self, 0, PW_STR(""), "new", 3, 2, NULL), PW_OK);
        struct pw_ledger_event event = kafka_rig_next(&ledger);
        cr_expect_eq(event.kind, PW_LEDGER_DELIVERED);
        cr_expect_eq(event.tag, 2);
    }
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}

Test(kafka_writer, is_not_there_for_who_only_reads)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    rig.config.reads_only = true;
    struct pw_ledger ledger = kafka_rig_ledger(&rig.config);
    struct pw_err err = {0};
    cr_expect_eq(ledger.append(ledger.self, 0, PW_STR(""), "value", 5, 1, &err),
                 PW_ERR_LEDGER_DOWN);
    cr_expect_eq(ledger.renew(ledger.self, &err), PW_ERR_LEDGER_DOWN);
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}

Test(kafka_reader, gives_the_brokers_time_and_tombstones)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    kafka_rig_put(&rig, 0, "first", 5);
    kafka_rig_put(&rig, 0, NULL, 0);
    struct pw_ledger ledger = kafka_rig_ledger(&rig.config);
    cr_assert_eq(ledger.read_from(ledger.self, 0, 0, NULL), PW_OK);
    struct pw_ledger_event event = kafka_rig_next(&ledger);
    cr_expect_eq(event.kind, PW_LEDGER_RECORD);
    cr_expect_eq(event.value_bytes, 5);
    cr_expect(event.broker_at_us > 0);
    event = kafka_rig_next(&ledger);
    cr_expect_eq(event.kind, PW_LEDGER_RECORD);
    cr_expect_null(event.value);
    event = kafka_rig_next(&ledger);
    cr_expect_eq(event.kind, PW_LEDGER_END);
    cr_expect_eq(event.offset, 2);
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}

/* Reads that start and stop in the middle of a stream of records: none is out of place. */
Test(kafka_reader, gives_nothing_of_an_earlier_read, .timeout = 120)
{
    enum { COUNT = 20000, ROUNDS = 300 };
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 2, NULL, NULL);
    struct pw_ledger ledger = kafka_rig_ledger(&rig.config);
    for (uint64_t i = 0; i < COUNT; i++) {
        cr_assert_eq(ledger.append(ledger.self, i % 2, PW_STR(""), "value", 5, i, NULL), PW_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(kafka_rig_next(&ledger).kind, PW_LEDGER_DELIVERED);
    }
    int64_t wanted[2] = {0, 0};
    uint32_t random = 1;
    int record_count = 0;
    int end_count = 0;
    cr_assert_eq(ledger.read_from(ledger.self, 0, 0, NULL), PW_OK);
    cr_assert_eq(ledger.read_from(ledger.self, 1, 0, NULL), PW_OK);
    for (int round = 0; round < ROUNDS; round++) {
        random = random * 1103515245u + 12345u;
        uint32_t partition = (random >> 16) % 2;
        wanted[partition] = round % 10 == 0 ? COUNT / 2 : (random >> 8) % (COUNT / 2);
        cr_assert_eq(ledger.read_from(ledger.self, partition, wanted[partition], NULL), PW_OK);
        for (uint32_t i = 0; i < random % 500; i++) {
            struct pw_ledger_event event;
            ledger.next(ledger.self, (int)(random >> 24) % 64, &event);
            if (event.kind == PW_LEDGER_RECORD) {
                cr_assert_eq(event.offset, wanted[event.partition]);
                wanted[event.partition]++;
                record_count++;
            } else if (event.kind == PW_LEDGER_END) {
                cr_assert_eq(event.offset, COUNT / 2);
                cr_assert_eq(wanted[event.partition], COUNT / 2);
                end_count++;
            } else {
                cr_assert_eq(event.kind, PW_LEDGER_NOTHING);
                break;
            }
        }
    }
    cr_expect(record_count > 1000 && end_count > 0, "%d records, %d ends", record_count, end_count);
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}

struct busy_writer {
    struct pw_ledger ledger;
    atomic_bool stop;
};

/* Goes on so steadily that a fetch finds news before it would come back empty. */
static void *busy_run(void *argument)
{
    struct busy_writer *writer = argument;
    uint32_t under_way = 0;
    while (!atomic_load(&writer->stop)) {
        while (under_way < 2) {
            enum pw_code code =
                writer->ledger.append(writer->ledger.self, 0, PW_STR(""), "x", 1, 1, NULL);
            cr_assert_eq(code, PW_OK);
            under_way++;
        }
        struct pw_ledger_event event = kafka_rig_next(&writer->ledger);
        cr_assert_eq(event.kind, PW_LEDGER_DELIVERED);
        under_way--;
    }
    return NULL;
}

Test(kafka_reader, tells_the_end_although_records_keep_coming, .timeout = 120)
{
    struct kafka_rig rig;
    struct busy_writer writer = {0};
    pthread_t thread;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    writer.ledger = kafka_rig_ledger(&rig.config);
    struct pw_ledger reader = kafka_rig_ledger(&rig.config);
    pthread_create(&thread, NULL, busy_run, &writer);
    cr_assert_eq(reader.read_from(reader.self, 0, 0, NULL), PW_OK);
    uint32_t end_count = 0;
    int64_t next_offset = 0;
    while (end_count < 20 && next_offset < 20000) {
        struct pw_ledger_event event = kafka_rig_next(&reader);
        if (event.kind == PW_LEDGER_END) {
            cr_expect(event.offset == next_offset, "it tells its own place");
            end_count++;
        } else {
            cr_assert(event.kind == PW_LEDGER_RECORD && event.offset == next_offset);
            next_offset++;
        }
    }
    cr_expect_eq(end_count, 20, "%u ends in %lld records", end_count, (long long)next_offset);
    atomic_store(&writer.stop, true);
    pthread_join(thread, NULL);
    writer.ledger.close(writer.ledger.self);
    reader.close(reader.self);
    kafka_rig_close(&rig);
}

/* Without a nudge librdkafka goes on a second after each hundred: for five minutes. */
Test(kafka_reader, goes_on_when_the_clients_queue_was_full, .timeout = 120)
{
    enum { RECORDS = 30000 };
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    struct pw_kafka_setting small[] = {rig.settings[0], {"batch.num.messages", "50"}};
    rig.config.settings = small;
    rig.config.setting_count = PW_COUNT(small);
    struct pw_ledger writer = kafka_rig_ledger(&rig.config);
    for (uint32_t i = 0; i < RECORDS; i++) {
        cr_assert_eq(writer.append(writer.self, 0, PW_STR(""), "x", 1, i, NULL), PW_OK);
    }
    for (uint32_t i = 0; i < RECORDS; i++) {
        cr_assert_eq(kafka_rig_next(&writer).kind, PW_LEDGER_DELIVERED);
    }
    struct pw_kafka_setting settings[] = {
        rig.settings[0], {"queued.min.messages", "100"}, {"fetch.message.max.bytes", "1000"}};
    rig.config.settings = settings;
    rig.config.setting_count = PW_COUNT(settings);
    rig.config.reads_only = true;
    struct pw_ledger reader = kafka_rig_ledger(&rig.config);
    cr_assert_eq(reader.read_from(reader.self, 0, 0, NULL), PW_OK);
    for (int64_t next_offset = 0; next_offset < RECORDS;) {
        struct pw_ledger_event event = kafka_rig_next(&reader);
        if (event.kind == PW_LEDGER_RECORD) {
            cr_assert_eq(event.offset, next_offset);
            next_offset++;
        }
    }
    reader.close(reader.self);
    writer.close(writer.self);
    kafka_rig_close(&rig);
}

Test(kafka_reader, says_that_an_offset_is_lost)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 2, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        kafka_rig_put(&rig, 0, "value", 5);
    }
    struct pw_ledger ledger = kafka_rig_ledger(&rig.config);
    cr_assert_eq(ledger.read_from(ledger.self, 0, 7, NULL), PW_OK);
    struct pw_ledger_event event = kafka_rig_next(&ledger);
    cr_expect_eq(event.kind, PW_LEDGER_LOST);
    cr_expect_eq(event.partition, 0);
    cr_expect_eq(event.offset, 7);
    cr_expect_not_null(event.detail);
    kafka_rig_delete_records(&rig, 0, 2);
    cr_assert_eq(ledger.read_from(ledger.self, 0, 1, NULL), PW_OK);
    event = kafka_rig_next(&ledger);
    cr_expect_eq(event.kind, PW_LEDGER_LOST);
    cr_expect_eq(event.offset, 1);
    cr_assert_eq(ledger.read_from(ledger.self, 0, 4, NULL), PW_OK); /* It can go on elsewhere. */
    event = kafka_rig_next(&ledger);
    cr_expect_eq(event.kind, PW_LEDGER_RECORD);
    cr_expect_eq(event.offset, 4);
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}

Test(kafka_reader, sees_that_the_topic_was_made_anew, .timeout = 120)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        kafka_rig_put(&rig, 0, "value", 5);
    }
    struct pw_ledger ledger = kafka_rig_ledger(&rig.config);
    cr_assert_eq(ledger.read_from(ledger.self, 0, 0, NULL), PW_OK);
    while (kafka_rig_next(&ledger).kind != PW_LEDGER_END) {
    }
    kafka_rig_delete_topic(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    kafka_rig_put(&rig, 0, "other", 5);
    struct pw_ledger_event event = kafka_rig_next(&ledger);
    if (event.kind == PW_LEDGER_DOWN) { /* While there was no topic. */
        event = kafka_rig_next(&ledger);
    }
    cr_expect_eq(event.kind, PW_LEDGER_LOST);
    cr_expect_eq(event.offset, 5);
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}

struct bell {
    atomic_int count;
};

static void bell_ring(void *self)
{
    atomic_fetch_add(&((struct bell *)self)->count, 1);
}

Test(kafka_wake, is_called_when_there_is_something)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    struct bell bell = {0};
    struct pw_ledger_wake wake = {&bell, bell_ring};
    struct pw_ledger ledger;
    cr_assert_eq(pw_kafka_open(&rig.config, wake, WAIT_MS, &ledger, NULL), PW_OK);
    struct pw_ledger_event event;
    for (int round = 0; round < 200; round++) {
        do {
            ledger.next(ledger.self, 0, &event);
        } while (event.kind != PW_LEDGER_NOTHING);
        int before = atomic_load(&bell.count);
        cr_assert_eq(ledger.append(ledger.self, 0, PW_STR(""), "value", 5, 1, NULL), PW_OK);
        ledger.flush(ledger.self);
        while (atomic_load(&bell.count) == before) { /* The test's time-out bounds this. */
        }
        ledger.next(ledger.self, 0, &event);
        cr_assert_eq(event.kind, PW_LEDGER_DELIVERED);
    }
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}
