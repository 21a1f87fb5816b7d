/* What only the Kafka adapter does: settings, creation, and what its reports carry. That it is a
 * ledger at all is the conformance suite's to say. Needs PW_TEST_KAFKA=host:port. */
#include "eventstore/kafka.h"

#include "eventstore/chain.h"
#include "eventstore/tests/kafka_rig.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WAIT_MS   20000
#define HORIZON   (24 * 60 * PW_US_PER_MINUTE)
#define LEDGER(n) ((struct pw_id){{0x01, 0x92, (n), 0, 0, 0, 0x70, 0, 0x80, 1}})

static const struct pw_ledger_wake no_wake = {NULL, NULL};

static struct pw_ledger_plan plan_of(const struct kafka_rig *rig, uint32_t partition_count,
                                     uint8_t ledger)
{
    return (struct pw_ledger_plan){
        .partition_count = partition_count,
        .replication_factor = rig->replica_count,
        .horizon_us = HORIZON,
        .ledger_id = LEDGER(ledger),
    };
}

static struct pw_ledger ledger_open(const struct pw_kafka_config *config)
{
    struct pw_ledger ledger = {0};
    struct pw_err err = {0};
    enum pw_code code = pw_kafka_open(config, no_wake, WAIT_MS, &ledger, &err);
    cr_assert_eq(code, PW_OK, "%s", err.detail);
    return ledger;
}

/* The next event that is there, of any kind but NOTHING. */
static struct pw_ledger_event next_of(struct pw_ledger *ledger)
{
    struct pw_ledger_event event;
    ledger->next(ledger->self, WAIT_MS, &event);
    cr_assert_neq(event.kind, PW_LEDGER_NOTHING, "nothing came");
    return event;
}

static void detail_has(const struct pw_err *err, const char *part)
{
    cr_expect(strstr(err->detail, part) != NULL, "\"%s\" does not say \"%s\"", err->detail, part);
}

Test(kafka_open, names_the_setting_that_is_not_yours)
{
    static const struct {
        const char *name;
        const char *value;
        const char *says;
    } rows[] = {
        {"acks", "1", "kafka.acks is 1, must be left out: the ledger rests on all"},
        {"enable.idempotence", "false", "kafka.enable.idempotence is false"},
        {"isolation.level", "read_committed", "the ledger rests on read_uncommitted"},
        {"delivery.timeout.ms", "1", "kafka.delivery.timeout.ms"},
        {"group.id", "x", "kafka.group.id is x"},
        {"no.such.setting", "1", "kafka.no.such.setting is 1: No such configuration property"},
        {"socket.send.buffer.bytes", "many", "kafka.socket.send.buffer.bytes is many"},
        {"max.in.flight", "77", "max.in.flight"},
    };
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct pw_kafka_setting settings[] = {
            {"bootstrap.servers", "127.0.0.1:1"},
            {rows[i].name, rows[i].value},
        };
        struct pw_kafka_config config = {.topic = "t", .settings = settings, .setting_count = 2};
        struct pw_ledger ledger;
        struct pw_err err = {0};
        /* The producer's own are found when it is made, so a topic must be there for that. */
        struct kafka_rig rig;
        kafka_rig_open(&rig);
        kafka_rig_make_topic(&rig, 1, NULL, NULL);
        config.topic = rig.topic;
        settings[0].value = kafka_rig_servers();
        enum pw_code code = pw_kafka_open(&config, no_wake, WAIT_MS, &ledger, &err);
        kafka_rig_close(&rig);
        cr_expect_eq(code, PW_ERR_SETTING_WRONG, "%s", rows[i].name);
        detail_has(&err, rows[i].says);
    }
}

Test(kafka_open, wants_a_server)
{
    struct pw_kafka_config config = {.topic = "t"};
    struct pw_ledger ledger;
    struct pw_err err = {0};
    cr_expect_eq(pw_kafka_open(&config, no_wake, 0, &ledger, &err), PW_ERR_SETTING_WRONG);
    detail_has(&err, "kafka.bootstrap.servers is not set");
}

Test(kafka_open, says_that_no_broker_answers)
{
    struct pw_kafka_setting settings[] = {{"bootstrap.servers", "127.0.0.1:1"}};
    struct pw_kafka_config config = {.topic = "t", .settings = settings, .setting_count = 1};
    struct pw_ledger ledger;
    struct pw_err err = {0};
    cr_expect_eq(pw_kafka_open(&config, no_wake, 300, &ledger, &err), PW_ERR_LEDGER_DOWN);
    detail_has(&err, "no broker answers");
}

Test(kafka_open, says_how_to_create_a_ledger)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    struct pw_ledger ledger;
    struct pw_err err = {0};
    cr_expect_eq(pw_kafka_open(&rig.config, no_wake, WAIT_MS, &ledger, &err), PW_ERR_SETTING_WRONG);
    detail_has(&err, "does not exist: run `proctorwise admin ledger create`");
    kafka_rig_close(&rig);
}

/* Checks until it says so (NULL: nothing): brokers hear of a change one after the other. */
static enum pw_code check_until(struct pw_ledger *ledger, const char *says, struct pw_err *err)
{
    enum pw_code code = PW_OK;
    for (int tries = 0; tries < 100; tries++) {
        *err = (struct pw_err){0};
        code = ledger->check(ledger->self, err);
        if (says == NULL ? code == PW_OK : strstr(err->detail, says) != NULL) {
            break;
        }
    }
    return code;
}

Test(kafka_check, names_each_wrong_setting, .timeout = 120)
{
    static const struct {
        const char *name;
        const char *value;
        const char *says; /* NULL: it is good. */
    } rows[] = {
        {NULL, NULL, NULL},
        {"cleanup.policy", "compact", "cleanup.policy is compact, must be delete"},
        {"retention.ms", "604800000", "retention.ms is 604800000, must be -1"},
        {"retention.bytes", "1000000", "retention.bytes is 1000000, must be -1"},
        {"message.timestamp.type", "CreateTime",
         "message.timestamp.type is CreateTime, must be LogAppendTime"},
        {"max.message.bytes", "1048588", "max.message.bytes is 1048588, must be at least 2097152"},
        {"max.message.bytes", "4194304", NULL},
        {"unclean.leader.election.enable", "true",
         "unclean.leader.election.enable is true, must be false"},
        {"min.insync.replicas", "4", "min.insync.replicas is 4, must be at most the"},
        {"min.insync.replicas", "1", "min.insync.replicas is 1, must be 2 with 3 replicas"},
    };
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 2, NULL, NULL);
    struct pw_ledger ledger = ledger_open(&rig.config);
    size_t row_count = PW_COUNT(rows) - (rig.replica_count == 1); /* Where 1 is good. */
    for (size_t i = 0; i < row_count; i++) {
        kafka_rig_alter_topic(&rig, rows[i].name, rows[i].value);
        struct pw_err err = {0};
        enum pw_code code = check_until(&ledger, rows[i].says, &err);
        cr_expect_eq(code, rows[i].says == NULL ? PW_OK : PW_ERR_SETTING_WRONG, "%s: %s",
                     rows[i].name, err.detail);
        if (rows[i].says != NULL) {
            detail_has(&err, rows[i].says);
            detail_has(&err, rig.topic);
        }
    }
    kafka_rig_delete_topic(&rig);
    struct pw_err err = {0};
    cr_expect_eq(check_until(&ledger, "admin ledger create", &err), PW_ERR_SETTING_WRONG);
    detail_has(&err, "run `proctorwise admin ledger create`");
    kafka_rig_make_topic(&rig, 3, NULL, NULL);
    cr_expect_eq(check_until(&ledger, "partitions is 3, must be 2", &err), PW_ERR_SETTING_WRONG);
    detail_has(&err, "partitions is 3, must be 2");
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}

static void ledger_has_genesis(const struct pw_kafka_config *config, uint32_t partition_count,
                               uint8_t ledger_number)
{
    struct pw_ledger ledger = ledger_open(config);
    struct pw_id wanted = LEDGER(ledger_number);
    cr_assert_eq(ledger.partition_count, partition_count);
    for (uint32_t i = 0; i < partition_count; i++) {
        cr_assert_eq(ledger.read_from(ledger.self, i, 0, NULL), PW_OK);
        struct pw_ledger_event event = next_of(&ledger);
        cr_assert_eq(event.kind, PW_LEDGER_RECORD);
        struct pw_chain chain;
        pw_chain_init(&chain, i);
        chain.partition_count = partition_count;
        struct pw_record record;
        cr_assert_eq(pw_chain_take(&chain, event.offset, event.value, event.value_bytes, &record),
                     PW_CHAIN_ACCEPTED);
        cr_expect(pw_id_equal(&chain.ledger_id, &wanted), "partition %u", i);
        cr_expect_eq(chain.horizon_us, HORIZON);
        pw_chain_close(&chain);
        ledger.read_stop(ledger.self, i);
    }
    ledger.close(ledger.self);
}

static enum pw_code create(struct kafka_rig *rig, uint32_t partition_count, uint8_t ledger,
                           bool *ret_created, struct pw_id *ret_id, struct pw_err *err)
{
    struct pw_ledger_plan plan = plan_of(rig, partition_count, ledger);
    return pw_kafka_create(&rig->config, &plan, ret_created, ret_id, err);
}

Test(kafka_create, makes_a_ledger_once)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    bool created = false;
    struct pw_id id;
    struct pw_err err = {0};
    struct pw_id one = LEDGER(1);
    cr_assert_eq(create(&rig, 4, 1, &created, &id, &err), PW_OK, "%s", err.detail);
    cr_expect(created);
    cr_expect(pw_id_equal(&id, &one));
    ledger_has_genesis(&rig.config, 4, 1);
    cr_assert_eq(create(&rig, 4, 2, &created, &id, &err), PW_OK, "%s", err.detail);
    cr_expect_not(created);
    cr_expect(pw_id_equal(&id, &one));
    ledger_has_genesis(&rig.config, 4, 1);
    kafka_rig_close(&rig);
}

Test(kafka_create, refuses_another_shape)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 3, NULL, NULL);
    bool created;
    struct pw_id id;
    struct pw_err err = {0};
    cr_expect_eq(create(&rig, 4, 1, &created, &id, &err), PW_ERR_SETTING_WRONG);
    detail_has(&err, "partitions is 3, must be 4");
    struct pw_ledger_plan plan = plan_of(&rig, 3, 1);
    plan.replication_factor = rig.replica_count == 1 ? 3 : 1;
    cr_expect_eq(pw_kafka_create(&rig.config, &plan, &created, &id, &err), PW_ERR_SETTING_WRONG);
    detail_has(&err, rig.replica_count == 1 ? "replication factor is 1, must be 3"
                                            : "replication factor is 3, must be 1");
    kafka_rig_alter_topic(&rig, "cleanup.policy", "compact");
    cr_expect_eq(create(&rig, 3, 1, &created, &id, &err), PW_ERR_SETTING_WRONG);
    detail_has(&err, "cleanup.policy is compact, must be delete");
    kafka_rig_close(&rig);
}

static void put_genesis(struct kafka_rig *rig, uint32_t partition, uint32_t partition_count,
                        uint8_t ledger)
{
    struct pw_genesis genesis = {LEDGER(ledger), partition, partition_count, HORIZON};
    struct pw_buffer buffer;
    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
    cr_assert_eq(pw_record_write_genesis(&buffer, &genesis), PW_OK);
    kafka_rig_put(rig, partition, buffer.data, buffer.bytes);
    pw_buffer_close(&buffer);
}

/* Killed after the topic, or after so many of its geneses, whichever they are: the next one ends it. */
Test(kafka_create, goes_on_where_another_was_killed, .timeout = 120)
{
    for (uint32_t there = 0; there < 8; there++) {
        struct kafka_rig rig;
        kafka_rig_open(&rig);
        kafka_rig_make_topic(&rig, 3, NULL, NULL);
        for (uint32_t i = 0; i < 3; i++) {
            if ((there & (1u << i)) != 0) {
                put_genesis(&rig, i, 3, 7);
            }
        }
        bool created = false;
        struct pw_id id;
        struct pw_err err = {0};
        cr_assert_eq(create(&rig, 3, 1, &created, &id, &err), PW_OK, "%s", err.detail);
        cr_expect_eq(created, there != 7);
        ledger_has_genesis(&rig.config, 3, there == 0 ? 1 : 7);
        kafka_rig_close(&rig);
    }
}

struct creator {
    pthread_t thread;
    struct kafka_rig *rig;
    uint8_t ledger;
    enum pw_code code;
    struct pw_id id;
    struct pw_err err;
};

static void *creator_run(void *argument)
{
    struct creator *creator = argument;
    bool created;
    creator->code = create(creator->rig, 4, creator->ledger, &created, &creator->id, &creator->err);
    return NULL;
}

Test(kafka_create, makes_one_ledger_when_two_create_at_once, .timeout = 120)
{
    for (int round = 0; round < 5; round++) {
        struct kafka_rig rig;
        kafka_rig_open(&rig);
        struct creator creators[3];
        for (size_t i = 0; i < PW_COUNT(creators); i++) {
            creators[i] = (struct creator){.rig = &rig, .ledger = (uint8_t)(i + 1)};
            cr_assert_eq(pthread_create(&creators[i].thread, NULL, creator_run, &creators[i]), 0);
        }
        for (size_t i = 0; i < PW_COUNT(creators); i++) {
            pthread_join(creators[i].thread, NULL);
            cr_assert_eq(creators[i].code, PW_OK, "%s", creators[i].err.detail);
            cr_expect(pw_id_equal(&creators[i].id, &creators[0].id));
        }
        ledger_has_genesis(&rig.config, 4, creators[0].id.bytes[2]);
        kafka_rig_close(&rig);
    }
}

Test(kafka_create, names_the_partition_that_holds_junk)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 3, NULL, NULL);
    kafka_rig_put(&rig, 1, "junk", 4);
    bool created;
    struct pw_id id;
    struct pw_err err = {0};
    cr_expect_eq(create(&rig, 3, 1, &created, &id, &err), PW_ERR_LEDGER_DAMAGED);
    detail_has(&err, "partition 1 offset 0: no genesis stands there");
    kafka_rig_close(&rig);

    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 3, NULL, NULL);
    put_genesis(&rig, 2, 4, 1); /* Of a ledger with another partition count. */
    cr_expect_eq(create(&rig, 3, 1, &created, &id, &err), PW_ERR_LEDGER_DAMAGED);
    detail_has(&err, "partition 2 offset 0: no genesis of this partition stands there");
    kafka_rig_close(&rig);

    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 2, NULL, NULL);
    put_genesis(&rig, 0, 2, 1);
    put_genesis(&rig, 0, 2, 1);
    kafka_rig_delete_records(&rig, 0, 1);
    cr_expect_eq(create(&rig, 2, 1, &created, &id, &err), PW_ERR_LEDGER_DAMAGED);
    detail_has(&err, "partition 0 offset 0: the log does not start there");
    kafka_rig_close(&rig);
}

Test(kafka_create, stops_at_two_ledgers_in_one_topic)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 3, NULL, NULL);
    put_genesis(&rig, 0, 3, 1);
    put_genesis(&rig, 2, 3, 2);
    bool created;
    struct pw_id id;
    struct pw_err err = {0};
    cr_expect_eq(create(&rig, 3, 1, &created, &id, &err), PW_ERR_LEDGER_DIVERGED);
    detail_has(&err, "partition 0 is of ledger 01920100");
    detail_has(&err, "partition 2 of 01920200");
    kafka_rig_close(&rig);
}

Test(kafka_writer, reports_offset_tag_and_the_brokers_time)
{
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 2, NULL, NULL);
    struct pw_ledger ledger = ledger_open(&rig.config);
    struct timespec before;
    clock_gettime(CLOCK_REALTIME, &before);
    struct pw_str key = PW_STR("0192f0c5-7a3b-7000-8000-000000000001");
    for (uint64_t i = 0; i < 100; i++) {
        cr_assert_eq(ledger.append(ledger.self, 1, key, "value", 5, UINT64_MAX - i, NULL), PW_OK);
    }
    for (int64_t i = 0; i < 100; i++) {
        struct pw_ledger_event event = next_of(&ledger);
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
    struct pw_ledger ledger = ledger_open(&rig.config);
    size_t bytes = 2 * 1024 * 1024;
    char *value = calloc(1, bytes);
    struct pw_err err = {0};
    cr_expect_eq(ledger.append(ledger.self, 0, PW_STR(""), value, bytes, 1, &err),
                 PW_ERR_COMMAND_TOO_LARGE);
    cr_assert_eq(ledger.append(ledger.self, 0, PW_STR(""), value, 4000, 2, &err), PW_OK);
    struct pw_ledger_event event = next_of(&ledger);
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
    struct pw_ledger ledger = ledger_open(&rig.config);
    for (uint64_t i = 0; i < 150; i++) {
        cr_assert_eq(ledger.append(ledger.self, 0, PW_STR(""), "x", 1, i, NULL), PW_OK);
    }
    ledger.flush(ledger.self);
    uint32_t delivered = 0;
    uint32_t failed = 0;
    bool told[150] = {false};
    while (delivered + failed < 150) {
        struct pw_ledger_event event = next_of(&ledger);
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
    struct pw_ledger ledger = ledger_open(&rig.config);
    for (int round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < 1000; i++) {
            cr_assert_eq(ledger.append(ledger.self, 0, PW_STR(""), "old", 3, 1, NULL), PW_OK);
        }
        struct pw_err err = {0};
        cr_assert_eq(ledger.renew(ledger.self, &err), PW_OK, "%s", err.detail);
        cr_assert_eq(ledger.append(ledger.self, 0, PW_STR(""), "new", 3, 2, NULL), PW_OK);
        struct pw_ledger_event event = next_of(&ledger);
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
    struct pw_ledger ledger = ledger_open(&rig.config);
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
    struct pw_ledger ledger = ledger_open(&rig.config);
    cr_assert_eq(ledger.read_from(ledger.self, 0, 0, NULL), PW_OK);
    struct pw_ledger_event event = next_of(&ledger);
    cr_expect_eq(event.kind, PW_LEDGER_RECORD);
    cr_expect_eq(event.value_bytes, 5);
    cr_expect(event.broker_at_us > 0);
    event = next_of(&ledger);
    cr_expect_eq(event.kind, PW_LEDGER_RECORD);
    cr_expect_null(event.value);
    event = next_of(&ledger);
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
    struct pw_ledger ledger = ledger_open(&rig.config);
    for (uint64_t i = 0; i < COUNT; i++) {
        cr_assert_eq(ledger.append(ledger.self, i % 2, PW_STR(""), "value", 5, i, NULL), PW_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(next_of(&ledger).kind, PW_LEDGER_DELIVERED);
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

/* Keeps so many records under way that a fetch finds news each time. */
static void *busy_run(void *argument)
{
    struct busy_writer *writer = argument;
    uint32_t under_way = 0;
    while (!atomic_load(&writer->stop)) {
        while (under_way < 64) {
            enum pw_code code =
                writer->ledger.append(writer->ledger.self, 0, PW_STR(""), "x", 1, 1, NULL);
            cr_assert_eq(code, PW_OK);
            under_way++;
        }
        struct pw_ledger_event event = next_of(&writer->ledger);
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
    writer.ledger = ledger_open(&rig.config);
    struct pw_ledger reader = ledger_open(&rig.config);
    pthread_create(&thread, NULL, busy_run, &writer);
    cr_assert_eq(reader.read_from(reader.self, 0, 0, NULL), PW_OK);
    uint32_t end_count = 0;
    int64_t next_offset = 0;
    while (end_count < 20 && next_offset < 100000) {
        struct pw_ledger_event event = next_of(&reader);
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
    struct pw_ledger writer = ledger_open(&rig.config);
    for (uint32_t i = 0; i < RECORDS; i++) {
        cr_assert_eq(writer.append(writer.self, 0, PW_STR(""), "x", 1, i, NULL), PW_OK);
    }
    for (uint32_t i = 0; i < RECORDS; i++) {
        cr_assert_eq(next_of(&writer).kind, PW_LEDGER_DELIVERED);
    }
    struct pw_kafka_setting settings[] = {
        rig.settings[0], {"queued.min.messages", "100"}, {"fetch.message.max.bytes", "1000"}};
    rig.config.settings = settings;
    rig.config.setting_count = PW_COUNT(settings);
    rig.config.reads_only = true;
    struct pw_ledger reader = ledger_open(&rig.config);
    cr_assert_eq(reader.read_from(reader.self, 0, 0, NULL), PW_OK);
    for (int64_t next_offset = 0; next_offset < RECORDS;) {
        struct pw_ledger_event event = next_of(&reader);
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
    struct pw_ledger ledger = ledger_open(&rig.config);
    cr_assert_eq(ledger.read_from(ledger.self, 0, 7, NULL), PW_OK);
    struct pw_ledger_event event = next_of(&ledger);
    cr_expect_eq(event.kind, PW_LEDGER_LOST);
    cr_expect_eq(event.partition, 0);
    cr_expect_eq(event.offset, 7);
    cr_expect_not_null(event.detail);
    kafka_rig_delete_records(&rig, 0, 2);
    cr_assert_eq(ledger.read_from(ledger.self, 0, 1, NULL), PW_OK);
    event = next_of(&ledger);
    cr_expect_eq(event.kind, PW_LEDGER_LOST);
    cr_expect_eq(event.offset, 1);
    cr_assert_eq(ledger.read_from(ledger.self, 0, 4, NULL), PW_OK); /* It can go on elsewhere. */
    event = next_of(&ledger);
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
    struct pw_ledger ledger = ledger_open(&rig.config);
    cr_assert_eq(ledger.read_from(ledger.self, 0, 0, NULL), PW_OK);
    while (next_of(&ledger).kind != PW_LEDGER_END) {
    }
    kafka_rig_delete_topic(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    kafka_rig_put(&rig, 0, "other", 5);
    struct pw_ledger_event event = next_of(&ledger);
    if (event.kind == PW_LEDGER_DOWN) { /* While there was no topic. */
        event = next_of(&ledger);
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
        while (atomic_load(&bell.count) == before) { /* The test's time-out bounds this. */
        }
        ledger.next(ledger.self, 0, &event);
        cr_assert_eq(event.kind, PW_LEDGER_DELIVERED);
    }
    ledger.close(ledger.self);
    kafka_rig_close(&rig);
}
