/* eventstore/tests/conformance_keys_kafka.c: the suite on a real broker, PW_TEST_KAFKA=host:port, and what is its own: the topic and its
 * settings. Each case has a topic of its own, whose segments end after a moment, so that the broker's cleaner has something to do. */
#include "eventstore/key_adapters.h"
#include "eventstore/tests/conformance_keys.h"
#include "eventstore/tests/kafka_rig.h"

#include <stdio.h>
#include <time.h>

#define PATIENCE_MS 30000

static const struct {
    const char *name;
    const char *value;
    const char *wrong; /* And what the check says of that. */
    const char *told;
} settings[] = {
    {"cleanup.policy", "compact", "delete", "cleanup.policy is delete, must be compact"},
    {"segment.ms", "300", "3600001", "segment.ms is 3600001, must be at most 3600000"},
    {"max.compaction.lag.ms", "300", "9223372036854775807", "must be at most 3600000"},
    {"min.compaction.lag.ms", "0", "1", "min.compaction.lag.ms is 1, must be 0"},
    {"message.timestamp.type", "LogAppendTime", "CreateTime", "must be LogAppendTime"},
    {"unclean.leader.election.enable", "false", "true", "must be false"},
    {"min.insync.replicas", "1", NULL, NULL},
};

static void answered(rd_kafka_queue_t *queue, const char *what)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, PATIENCE_MS);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        FAIL("%s: %s", what, event == NULL ? "no answer" : rd_kafka_event_error_string(event));
    }
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
}

static void make_topic(struct kafka_rig *rig, int partition_count)
{
    char text[256] = "";
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(rig->topic, partition_count,
                                                       (int)rig->replica_count, text, sizeof text);
    CHECK(topic != NULL);
    for (size_t i = 0; i < PW_COUNT(settings); i++) {
        rd_kafka_NewTopic_set_config(topic, settings[i].name, settings[i].value);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rig->client);
    rd_kafka_CreateTopics(rig->client, &topic, 1, NULL, queue);
    answered(queue, "create topic");
    rd_kafka_NewTopic_destroy(topic);
}

/* All as they should be, but for one. */
static void alter_topic(struct kafka_rig *rig, size_t wrong)
{
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, rig->topic);
    for (size_t i = 0; i < PW_COUNT(settings); i++) {
        rd_kafka_ConfigResource_set_config(resource, settings[i].name,
                                           i == wrong ? settings[i].wrong : settings[i].value);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rig->client);
    rd_kafka_AlterConfigs(rig->client, &resource, 1, NULL, queue);
    answered(queue, "alter topic");
    rd_kafka_ConfigResource_destroy(resource);
}

/* --- The fixture --- */

static void begin(void *self)
{
    struct kafka_rig *rig = self;
    struct pw_err err = {0};
    bool created = true;
    kafka_rig_open(rig);
    make_topic(rig, 1);
    if (pw_key_kafka_create(&rig->config, rig->replica_count, &created, &err) != PW_OK) {
        FAIL("pw_key_kafka_create: %s", err.detail);
    }
    CHECK(!created);
}

static void end(void *self)
{
    kafka_rig_close(self);
}

static struct pw_key_log open_log(void *self)
{
    struct kafka_rig *rig = self;
    struct pw_key_log log = {0};
    struct pw_err err = {0};
    if (pw_key_kafka_open(&rig->config, PATIENCE_MS, &log, &err) != PW_OK) {
        FAIL("pw_key_kafka_open: %s", err.detail);
    }
    return log;
}

static void put(void *self, struct pw_str log_key, const void *value, size_t value_bytes)
{
    struct kafka_rig *rig = self;
    rd_kafka_resp_err_t failed = rd_kafka_producev(
        rig->client, RD_KAFKA_V_TOPIC(rig->topic), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(log_key.ptr, log_key.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value_bytes), RD_KAFKA_V_END);
    CHECK_EQ(failed, RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_queue_t *queue =
        rd_kafka_queue_get_main(rig->client); /* Where reports come, as events. */
    bool reported = false;
    while (!reported) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, PATIENCE_MS);
        CHECK(event != NULL);
        reported = rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR;
        if (reported) {
            CHECK_EQ(rd_kafka_event_message_next(event)->err, RD_KAFKA_RESP_ERR_NO_ERROR);
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
}

/* The cleaner comes when it comes. */
static void settle(void *self)
{
    const struct timespec second = {.tv_sec = 1};
    (void)self;
    nanosleep(&second, NULL);
}

/* --- What is Kafka's own --- */

static void check_created(void)
{
    struct kafka_rig rig;
    struct pw_key_log log;
    struct pw_err err = {0};
    bool created = false;
    kafka_rig_open(&rig);
    CHECK_EQ(pw_key_kafka_open(&rig.config, PATIENCE_MS, &log, &err), PW_ERR_SETTING_WRONG);
    CHECK(strstr(err.detail, "admin ledger create") != NULL);
    CHECK_EQ(pw_key_kafka_create(&rig.config, rig.replica_count, &created, &err), PW_OK);
    CHECK(created);
    CHECK_EQ(pw_key_kafka_create(&rig.config, rig.replica_count, &created, &err), PW_OK);
    CHECK(!created);
    CHECK_EQ(pw_key_kafka_open(&rig.config, PATIENCE_MS, &log, &err), PW_OK);
    CHECK_EQ(log.check(log.self, &err), PW_OK);
    log.close(log.self);
    kafka_rig_close(&rig);
    puts("kafka: created");
}

static void check_settings(void)
{
    struct kafka_rig rig;
    struct pw_err err = {0};
    begin(&rig);
    struct pw_key_log log = open_log(&rig);
    for (size_t i = 0; i < PW_COUNT(settings); i++) {
        if (settings[i].wrong == NULL) {
            continue;
        }
        alter_topic(&rig, i);
        enum pw_code code = PW_OK;
        for (int tries = 0; code == PW_OK && tries < 100;
             tries++) { /* Brokers hear of it in a moment. */
            const struct timespec step = {.tv_nsec = 50 * 1000 * 1000};
            nanosleep(&step, NULL);
            code = log.check(log.self, &err);
        }
        CHECK_EQ(code, PW_ERR_SETTING_WRONG);
        if (strstr(err.detail, settings[i].told) == NULL) {
            FAIL("%s: %s", settings[i].name, err.detail);
        }
    }
    log.close(log.self);
    kafka_rig_close(&rig);
    puts("kafka: settings");
}

static void check_one_partition(void)
{
    struct kafka_rig rig;
    struct pw_key_log log;
    struct pw_err err = {0};
    kafka_rig_open(&rig);
    make_topic(&rig, 2);
    CHECK_EQ(pw_key_kafka_open(&rig.config, PATIENCE_MS, &log, &err), PW_ERR_SETTING_WRONG);
    CHECK(strstr(err.detail, "partitions is 2, must be 1") != NULL);
    kafka_rig_close(&rig);
    puts("kafka: one_partition");
}

static enum pw_code take(void *self, const struct pw_key_entry *entry, struct pw_err *err)
{
    (void)self;
    (void)entry;
    (void)err;
    return PW_OK;
}

static void check_lost_start(void)
{
    struct kafka_rig rig;
    struct pw_key_sink sink = {.self = NULL, .entry = take};
    struct pw_err err = {0};
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL); /* Records are deleted of such topics only. */
    put(&rig, PW_STR("a"), "1", 1);
    put(&rig, PW_STR("b"), "2", 1);
    struct pw_key_log log = open_log(&rig);
    CHECK_EQ(log.read(log.self, &sink, &err), PW_OK);
    kafka_rig_delete_records(&rig, 0, 1);
    CHECK_EQ(log.follow(log.self, &sink, &err), PW_OK); /* It stands behind that. */
    CHECK_EQ(log.read(log.self, &sink, &err), PW_ERR_LEDGER_DAMAGED);
    CHECK(strstr(err.detail, "the start was deleted") != NULL);
    log.close(log.self);
    kafka_rig_close(&rig);
    puts("kafka: lost_start");
}

static void check_reads_only(void)
{
    struct kafka_rig rig;
    struct pw_err err = {0};
    static const struct pw_id key_id = {{1}};
    begin(&rig);
    rig.config.reads_only = true;
    struct pw_key_log log = open_log(&rig);
    CHECK_EQ(log.destroy(log.self, &key_id, &err), PW_ERR_LEDGER_DOWN);
    CHECK(strstr(err.detail, "only reads") != NULL);
    log.close(log.self);
    kafka_rig_close(&rig);
    puts("kafka: reads_only");
}

static void check_interrupted(void)
{
    struct kafka_rig rig;
    struct pw_key_sink sink = {.self = NULL, .entry = take};
    static const struct pw_id key_id = {{1}};
    begin(&rig);
    struct pw_key_log log = open_log(&rig);
    CHECK_EQ(log.destroy(log.self, &key_id, NULL), PW_OK);
    CHECK_EQ(log.follow(log.self, &sink, NULL), PW_OK);
    log.interrupt(log.self);
    CHECK_EQ(log.destroy(log.self, &key_id, NULL), PW_ERR_LEDGER_DOWN);
    CHECK_EQ(log.follow(log.self, &sink, NULL), PW_ERR_LEDGER_DOWN);
    log.close(log.self);
    kafka_rig_close(&rig);
    puts("kafka: interrupted");
}

int main(int argc, char **argv)
{
    struct kafka_rig rig;
    const struct keys_fixture fixture = {
        .name = "kafka",
        .self = &rig,
        .begin = begin,
        .end = end,
        .open = open_log,
        .put = put,
        .settle = settle,
    };
    if (argc <= 1) {
        check_created();
        check_settings();
        check_one_partition();
        check_lost_start();
        check_reads_only();
        check_interrupted();
    }
    return keys_conformance_run(&fixture, argc, argv);
}
