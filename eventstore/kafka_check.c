/* What a topic rests on, asked of the brokers: its settings, the partition count, the replicas, and
 * the brokers' version. */
#include "eventstore/kafka_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ASK_TIMEOUT_MS  5000
#define IN_SYNC_DEFAULT 2
#define STEP_MS         50

static const struct kafka_rule ledger_rules[] = {
    {"cleanup.policy", "delete", KAFKA_EXACTLY},
    {"retention.ms", "-1", KAFKA_EXACTLY},
    {"retention.bytes", "-1", KAFKA_EXACTLY},
    {"message.timestamp.type", "LogAppendTime", KAFKA_EXACTLY},
    {"max.message.bytes", "2097152", KAFKA_AT_LEAST},
    {"unclean.leader.election.enable", "false", KAFKA_EXACTLY},
};
const struct kafka_rules kafka_ledger_rules = {ledger_rules, PW_COUNT(ledger_rules)};

/* Kafka 4.0 took this setting away; every broker from 0.9 to 3.9 tells it. librdkafka 2.0 has no
 * request that gives a broker's version, so that is how an old one is known. */
#define OLD_BROKER_SETTING "inter.broker.protocol.version"

uint32_t kafka_in_sync_wanted(uint32_t replica_count)
{
    return replica_count >= 3 ? IN_SYNC_DEFAULT : 1;
}

enum pw_code kafka_no_topic(const char *topic, struct pw_err *err)
{
    return pw_fail(err, PW_ERR_SETTING_WRONG,
                   "topic %s does not exist: run `proctorwise admin ledger create`", topic);
}

/* Several wrong settings in one detail. */
struct complaint {
    char text[200];
    size_t bytes;
};

__attribute__((format(printf, 2, 3))) static void complain(struct complaint *complaint,
                                                           const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char one[160];
    vsnprintf(one, sizeof one, format, arguments);
    va_end(arguments);
    int written =
        snprintf(complaint->text + complaint->bytes, sizeof complaint->text - complaint->bytes,
                 "%s%s", complaint->bytes == 0 ? "" : "; ", one);
    complaint->bytes += (size_t)written;
    if (complaint->bytes >= sizeof complaint->text) {
        complaint->bytes = sizeof complaint->text - 1;
    }
}

static void step(void)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    nanosleep(&step, NULL);
}

static void shape_fill(const struct rd_kafka_metadata_topic *topic, struct kafka_shape *ret_shape)
{
    *ret_shape = (struct kafka_shape){
        .partition_count = (uint32_t)topic->partition_cnt,
        .replica_count = UINT32_MAX,
        .is_led = true,
    };
    for (int i = 0; i < topic->partition_cnt; i++) {
        const struct rd_kafka_metadata_partition *partition = &topic->partitions[i];
        if ((uint32_t)partition->replica_cnt < ret_shape->replica_count) {
            ret_shape->replica_count = (uint32_t)partition->replica_cnt;
        }
        ret_shape->is_led = ret_shape->is_led && partition->leader >= 0;
    }
}

static enum pw_code unreachable(rd_kafka_resp_err_t error, struct pw_err *err)
{
    return pw_fail(err, PW_ERR_LEDGER_DOWN, "no broker answers: %s", rd_kafka_err2str(error));
}

static enum pw_code metadata_of(rd_kafka_t *client, const char *topic, int timeout_ms,
                                const struct rd_kafka_metadata **ret_metadata, struct pw_err *err)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    if (handle == NULL) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "topic %s: %s", topic,
                       rd_kafka_err2str(rd_kafka_last_error()));
    }
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, handle, ret_metadata, timeout_ms);
    rd_kafka_topic_destroy(handle);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? PW_OK : unreachable(error, err);
}

enum pw_code kafka_shape_of(rd_kafka_t *client, const char *topic, int timeout_ms,
                            struct kafka_shape *ret_shape, struct pw_err *err)
{
    const struct rd_kafka_metadata *metadata;
    enum pw_code code = metadata_of(client, topic, timeout_ms, &metadata, err);
    if (code != PW_OK) {
        return code;
    }
    rd_kafka_resp_err_t error = metadata->topic_cnt == 1 ? metadata->topics[0].err
                                                         : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        *ret_shape = (struct kafka_shape){0};
    } else if (error == RD_KAFKA_RESP_ERR_NO_ERROR ||
               error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
        shape_fill(&metadata->topics[0], ret_shape);
    } else {
        code = pw_fail(err, PW_ERR_LEDGER_DOWN, "topic %s: %s", topic, rd_kafka_err2str(error));
    }
    rd_kafka_metadata_destroy(metadata);
    return code;
}

enum pw_code kafka_shape_await(rd_kafka_t *client, const char *topic, int timeout_ms,
                               int missing_ms, struct kafka_shape *ret_shape, struct pw_err *err)
{
    int64_t deadline_ms = kafka_now_ms() + missing_ms;
    for (;;) {
        enum pw_code code = kafka_shape_of(client, topic, timeout_ms, ret_shape, err);
        if (code != PW_OK || (ret_shape->partition_count > 0 && ret_shape->is_led) ||
            kafka_now_ms() >= deadline_ms) {
            return code;
        }
        step();
    }
}

/* Asks for all settings of one topic or broker; NOT_FOUND where there is none. *ret_event owns the
 * entries. */
static enum pw_code describe(rd_kafka_t *client, rd_kafka_ResourceType_t type, const char *name,
                             rd_kafka_event_t **ret_event,
                             const rd_kafka_ConfigEntry_t ***ret_entries, size_t *ret_count,
                             struct pw_err *err)
{
    const char *kind = type == RD_KAFKA_RESOURCE_TOPIC ? "topic" : "broker";
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(type, name);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    char text[KAFKA_ERROR_BYTES];
    rd_kafka_AdminOptions_set_request_timeout(options, ASK_TIMEOUT_MS, text, sizeof text);
    rd_kafka_DescribeConfigs(client, &resource, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * ASK_TIMEOUT_MS);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(resource);
    if (event == NULL) {
        return unreachable(RD_KAFKA_RESP_ERR__TIMED_OUT, err);
    }
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    const rd_kafka_ConfigResource_t **answers = NULL;
    size_t count = 0;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        answers = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &count);
        error = count == 1 ? rd_kafka_ConfigResource_error(answers[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_event_destroy(event);
        if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
            return PW_ERR_NOT_FOUND;
        }
        bool refused = error == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE ||
                       error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
                       error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
        return pw_fail(err, refused ? PW_ERR_SETTING_WRONG : PW_ERR_LEDGER_DOWN,
                       "the settings of %s %s cannot be read (DescribeConfigs): %s", kind, name,
                       rd_kafka_err2str(error));
    }
    *ret_event = event;
    *ret_entries = rd_kafka_ConfigResource_configs(answers[0], ret_count);
    return PW_OK;
}

static const char *value_of(const rd_kafka_ConfigEntry_t **entries, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0) {
            return rd_kafka_ConfigEntry_value(entries[i]);
        }
    }
    return NULL;
}

static void rule_check(const struct kafka_rule *rule, const char *value,
                       struct complaint *complaint)
{
    static const char *const words[] = {"", "at least ", "at most "};
    bool good = value != NULL;
    switch (rule->relation) {
    case KAFKA_EXACTLY: good = good && strcmp(value, rule->wanted) == 0; break;
    case KAFKA_AT_LEAST: good = good && atoll(value) >= atoll(rule->wanted); break;
    case KAFKA_AT_MOST: good = good && atoll(value) <= atoll(rule->wanted); break;
    }
    if (!good) {
        complain(complaint, "%s is %s, must be %s%s", rule->name,
                 value == NULL ? "not told" : value, words[rule->relation], rule->wanted);
    }
}

static void in_sync_check(const char *value, uint32_t replica_count, struct complaint *complaint)
{
    long long in_sync = value == NULL ? 0 : atoll(value);
    uint32_t wanted = kafka_in_sync_wanted(replica_count);
    if (in_sync < wanted) {
        complain(complaint, KAFKA_IN_SYNC_SETTING " is %lld, must be %u with %u replicas", in_sync,
                 wanted, replica_count);
    } else if (in_sync > replica_count) {
        complain(complaint, KAFKA_IN_SYNC_SETTING " is %lld, must be at most the %u replicas",
                 in_sync, replica_count);
    }
}

enum pw_code kafka_topic_check(rd_kafka_t *client, const char *topic,
                               const struct kafka_rules *rules, uint32_t replica_count,
                               struct pw_err *err)
{
    rd_kafka_event_t *event;
    const rd_kafka_ConfigEntry_t **entries;
    size_t count;
    int64_t deadline_ms = kafka_now_ms() + KAFKA_MISSING_MS;
    enum pw_code code;
    while ((code = describe(client, RD_KAFKA_RESOURCE_TOPIC, topic, &event, &entries, &count,
                            err)) == PW_ERR_NOT_FOUND) {
        if (kafka_now_ms() >= deadline_ms) {
            return kafka_no_topic(topic, err);
        }
        step();
    }
    if (code != PW_OK) {
        return code;
    }
    struct complaint complaint = {.bytes = 0};
    for (size_t i = 0; i < rules->count; i++) {
        const struct kafka_rule *rule = &rules->items[i];
        rule_check(rule, value_of(entries, count, rule->name), &complaint);
    }
    in_sync_check(value_of(entries, count, KAFKA_IN_SYNC_SETTING), replica_count, &complaint);
    rd_kafka_event_destroy(event);
    if (complaint.bytes > 0) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "topic %s: %s", topic, complaint.text);
    }
    return PW_OK;
}

static enum pw_code broker_check(rd_kafka_t *client, int32_t id, struct pw_err *err)
{
    char name[16];
    snprintf(name, sizeof name, "%d", (int)id);
    rd_kafka_event_t *event;
    const rd_kafka_ConfigEntry_t **entries;
    size_t count;
    enum pw_code code =
        describe(client, RD_KAFKA_RESOURCE_BROKER, name, &event, &entries, &count, err);
    if (code != PW_OK) {
        return code;
    }
    const char *old = value_of(entries, count, OLD_BROKER_SETTING);
    if (old != NULL) {
        code = pw_fail(err, PW_ERR_SETTING_WRONG,
                       "broker %s: the version is before 4.0 (" OLD_BROKER_SETTING
                       " is %s), must be 4.0 or later",
                       name, old);
    }
    rd_kafka_event_destroy(event);
    return code;
}

enum pw_code kafka_brokers_check(rd_kafka_t *client, const char *topic, struct pw_err *err)
{
    const struct rd_kafka_metadata *metadata;
    enum pw_code code = metadata_of(client, topic, ASK_TIMEOUT_MS, &metadata, err);
    if (code != PW_OK) {
        return code;
    }
    for (int i = 0; code == PW_OK && i < metadata->broker_cnt; i++) {
        code = broker_check(client, metadata->brokers[i].id, err);
    }
    rd_kafka_metadata_destroy(metadata);
    return code;
}

enum pw_code kafka_check(void *self, struct pw_err *err)
{
    struct pw_kafka *kafka = self;
    struct kafka_shape shape;
    enum pw_code code = kafka_shape_await(kafka->consumer, kafka->topic, ASK_TIMEOUT_MS,
                                          KAFKA_MISSING_MS, &shape, err);
    if (code != PW_OK) {
        return code;
    }
    if (shape.partition_count == 0) {
        return kafka_no_topic(kafka->topic, err);
    }
    if (shape.partition_count != kafka->partition_count) {
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "topic %s: partitions is %u, must be %u as it was when it was opened",
                       kafka->topic, shape.partition_count, kafka->partition_count);
    }
    kafka->replica_count = shape.replica_count;
    code = kafka_topic_check(kafka->consumer, kafka->topic, kafka->rules, shape.replica_count, err);
    if (code == PW_OK) {
        code = kafka_brokers_check(kafka->consumer, kafka->topic, err);
    }
    return code;
}
