/* What only the Kafka adapter does at its start: settings and creation. That it is a
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
    struct pw_ledger ledger = kafka_rig_ledger(&rig.config);
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
    struct pw_ledger ledger = kafka_rig_ledger(config);
    struct pw_id wanted = LEDGER(ledger_number);
    cr_assert_eq(ledger.partition_count, partition_count);
    for (uint32_t i = 0; i < partition_count; i++) {
        cr_assert_eq(ledger.read_from(ledger.self, i, 0, NULL), PW_OK);
        struct pw_ledger_event event = kafka_rig_next(&ledger);
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
    enum pw_code code = PW_OK;
    static const char says[] = "cleanup.policy is compact, must be delete";
    for (int tries = 0; tries < 100 && strstr(err.detail, says) == NULL; tries++) {
        err = (struct pw_err){0}; /* Brokers hear of a change one after the other. */
        code = create(&rig, 3, 1, &created, &id, &err);
    }
    cr_expect_eq(code, PW_ERR_SETTING_WRONG);
    detail_has(&err, says);
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
