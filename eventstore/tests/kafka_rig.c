#include "eventstore/tests/kafka_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define RIG_TIMEOUT_MS 30000

static const struct {
    const char *name;
    const char *value;
} good_settings[] = {
    {"cleanup.policy", "delete"},     {"retention.ms", "-1"},
    {"retention.bytes", "-1"},        {"message.timestamp.type", "LogAppendTime"},
    {"max.message.bytes", "2097152"}, {"unclean.leader.election.enable", "false"},
    {"min.insync.replicas", NULL}, /* By the replicas. */
};

static void must(bool good, const char *what, const char *detail)
{
    if (!good) {
        fprintf(stderr, "kafka_rig: %s: %s\n", what, detail);
        abort();
    }
}

const char *kafka_rig_servers(void)
{
    const char *servers = getenv("PW_TEST_KAFKA");
    must(servers != NULL && servers[0] != '\0', "PW_TEST_KAFKA",
         "is not set; it names the broker to test with as host:port");
    return servers;
}

/* Waits for an admin request's answer, and gives the error of its one topic or resource. */
static void answer_check(rd_kafka_event_t *event, const char *what)
{
    must(event != NULL, what, "no answer");
    must(rd_kafka_event_error(event) == 0, what, rd_kafka_event_error_string(event));
    size_t count = 0;
    rd_kafka_resp_err_t error = 0;
    if (rd_kafka_event_CreateTopics_result(event) != NULL) {
        error = rd_kafka_topic_result_error(rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event), &count)[0]);
    } else if (rd_kafka_event_DeleteTopics_result(event) != NULL) {
        error = rd_kafka_topic_result_error(rd_kafka_DeleteTopics_result_topics(
            rd_kafka_event_DeleteTopics_result(event), &count)[0]);
    } else if (rd_kafka_event_AlterConfigs_result(event) != NULL) {
        error = rd_kafka_ConfigResource_error(rd_kafka_AlterConfigs_result_resources(
            rd_kafka_event_AlterConfigs_result(event), &count)[0]);
    } else if (rd_kafka_event_DeleteRecords_result(event) != NULL) {
        error = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event))
                    ->elems[0]
                    .err;
    }
    must(error == 0, what, rd_kafka_err2str(error));
    rd_kafka_event_destroy(event);
}

static void answer_await(struct kafka_rig *rig, rd_kafka_queue_t *queue, const char *what)
{
    (void)rig;
    answer_check(rd_kafka_queue_poll(queue, RIG_TIMEOUT_MS), what);
    rd_kafka_queue_destroy(queue);
}

static void pause_ms(long ms)
{
    const struct timespec step = {.tv_nsec = ms * 1000 * 1000};
    nanosleep(&step, NULL);
}

static const char *setting_value(const struct kafka_rig *rig, size_t i, const char *name,
                                 const char *value)
{
    if (name != NULL && strcmp(name, good_settings[i].name) == 0) {
        return value;
    }
    if (good_settings[i].value == NULL) {
        return rig->replica_count >= 3 ? "2" : "1";
    }
    return good_settings[i].value;
}

static const struct rd_kafka_metadata *metadata_of(struct kafka_rig *rig)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rig->client, rig->topic, NULL);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(rig->client, 0, topic, &metadata, RIG_TIMEOUT_MS);
    rd_kafka_topic_destroy(topic);
    must(error == 0, "metadata", rd_kafka_err2str(error));
    return metadata;
}

int kafka_rig_leader(struct kafka_rig *rig, uint32_t partition)
{
    int leader =
        -1; /* A broker that knows the topic told of it, the next one may not know it yet. */
    for (int tries = 0; leader < 0 && tries < RIG_TIMEOUT_MS / 20; tries++) {
        const struct rd_kafka_metadata *metadata = metadata_of(rig);
        if ((uint32_t)metadata->topics[0].partition_cnt > partition) {
            leader = metadata->topics[0].partitions[partition].leader;
        }
        rd_kafka_metadata_destroy(metadata);
        if (leader < 0) {
            pause_ms(20);
        }
    }
    must(leader >= 0, "leader", "the partition has none");
    return leader;
}

/* Counts the brokers, once all that were named are there: one that hung in the test before may still
 * be on its way back, and a topic made meanwhile would have too few replicas. */
static void brokers_await(struct kafka_rig *rig)
{
    int named_count = 1;
    for (const char *at = kafka_rig_servers(); *at != '\0'; at++) {
        named_count += *at == ',';
    }
    for (int tries = 0; tries < RIG_TIMEOUT_MS / 20; tries++) {
        const struct rd_kafka_metadata *metadata = metadata_of(rig);
        int there_count = metadata->broker_cnt;
        rd_kafka_metadata_destroy(metadata);
        if (there_count >= named_count) {
            rig->replica_count = there_count >= 3 ? 3 : 1;
            return;
        }
        usleep(20000);
    }
    must(false, "brokers", "not all of PW_TEST_KAFKA are there");
}

void kafka_rig_open(struct kafka_rig *rig)
{
    static unsigned rig_count;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *rig = (struct kafka_rig){0};
    snprintf(rig->topic, sizeof rig->topic, "pw-test-%lld-%ld-%d-%u", (long long)now.tv_sec,
             now.tv_nsec, (int)getpid(), rig_count++);
    rig->settings[0] = (struct pw_kafka_setting){"bootstrap.servers", kafka_rig_servers()};
    rig->config = (struct pw_kafka_config){
        .topic = rig->topic,
        .settings = rig->settings,
        .setting_count = 1,
    };
    char text[200] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_rig_servers(), text, sizeof text);
    rd_kafka_conf_set(conf, "allow.auto.create.topics", "false", text, sizeof text);
    rd_kafka_conf_set(conf, "linger.ms", "0", text, sizeof text);
    rd_kafka_conf_set(conf, "message.max.bytes", "2000000", text, sizeof text);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    rig->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    must(rig->client != NULL, "rd_kafka_new", text);
    brokers_await(rig);
}

/* Every broker knows a topic, or that it is gone, only a moment later. */
static void topic_await(struct kafka_rig *rig, bool present)
{
    for (int tries = 0; tries < RIG_TIMEOUT_MS / 20; tries++) {
        const struct rd_kafka_metadata *metadata = metadata_of(rig);
        bool there = metadata->topics[0].err == 0 && metadata->topics[0].partition_cnt > 0;
        for (int i = 0; i < metadata->topics[0].partition_cnt; i++) {
            there = there && metadata->topics[0].partitions[i].leader >= 0;
        }
        rd_kafka_metadata_destroy(metadata);
        if (there == present) {
            return;
        }
        pause_ms(20);
    }
    must(false, "topic", present ? "does not come" : "does not go");
}

void kafka_rig_make_topic(struct kafka_rig *rig, uint32_t partition_count, const char *name,
                          const char *value)
{
    char text[200] = "";
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(rig->topic, (int)partition_count,
                                                       (int)rig->replica_count, text, sizeof text);
    must(topic != NULL, "new topic", text);
    for (size_t i = 0; i < PW_COUNT(good_settings); i++) {
        rd_kafka_NewTopic_set_config(topic, good_settings[i].name,
                                     setting_value(rig, i, name, value));
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rig->client);
    rd_kafka_CreateTopics(rig->client, &topic, 1, NULL, queue);
    answer_await(rig, queue, "create topic");
    rd_kafka_NewTopic_destroy(topic);
    topic_await(rig, true);
}

void kafka_rig_alter_topic(struct kafka_rig *rig, const char *name, const char *value)
{
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, rig->topic);
    for (size_t i = 0; i < PW_COUNT(good_settings); i++) {
        rd_kafka_ConfigResource_set_config(resource, good_settings[i].name,
                                           setting_value(rig, i, name, value));
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rig->client);
    rd_kafka_AlterConfigs(rig->client, &resource, 1, NULL, queue);
    answer_await(rig, queue, "alter topic");
    rd_kafka_ConfigResource_destroy(resource);
}

void kafka_rig_delete_topic(struct kafka_rig *rig)
{
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(rig->topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rig->client);
    rd_kafka_DeleteTopics(rig->client, &topic, 1, NULL, queue);
    answer_await(rig, queue, "delete topic");
    rd_kafka_DeleteTopic_destroy(topic);
    topic_await(rig, false);
}

void kafka_rig_delete_records(struct kafka_rig *rig, uint32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, rig->topic, (int32_t)partition)->offset = offset;
    rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rig->client);
    rd_kafka_event_t *event = NULL;
    for (int tries = 0; tries < RIG_TIMEOUT_MS / 50; tries++) {
        rd_kafka_DeleteRecords(rig->client, &request, 1, NULL, queue);
        event = rd_kafka_queue_poll(queue, RIG_TIMEOUT_MS);
        /* The client may not have heard yet who leads a topic that was just made. */
        if (event == NULL ||
            strstr(rd_kafka_event_error_string(event), "partition leaders") == NULL) {
            break;
        }
        rd_kafka_event_destroy(event);
        event = NULL;
        pause_ms(50);
    }
    answer_check(event, "delete records");
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteRecords_destroy(request);
}

int64_t kafka_rig_put(struct kafka_rig *rig, uint32_t partition, const void *value,
                      size_t value_bytes)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rig->client, rig->topic, NULL);
    int failed = rd_kafka_produce(topic, (int32_t)partition, RD_KAFKA_MSG_F_COPY,
                                  (void *)(uintptr_t)value, value_bytes, NULL, 0, NULL);
    must(failed == 0, "put", rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(rig->client);
    rd_kafka_event_t *event;
    do {
        event = rd_kafka_queue_poll(queue, RIG_TIMEOUT_MS);
        must(event != NULL, "put", "no report");
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
            break;
        }
        rd_kafka_event_destroy(event);
    } while (true);
    const rd_kafka_message_t *message = rd_kafka_event_message_next(event);
    must(message->err == 0, "put", rd_kafka_err2str(message->err));
    int64_t offset = message->offset;
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(topic);
    return offset;
}

void kafka_rig_close(struct kafka_rig *rig)
{
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(rig->topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rig->client);
    rd_kafka_DeleteTopics(rig->client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, RIG_TIMEOUT_MS);
    rd_kafka_event_destroy(event); /* It may be gone already: that is as good. */
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteTopic_destroy(topic);
    rd_kafka_destroy(rig->client);
}

struct pw_ledger kafka_rig_ledger(const struct pw_kafka_config *config)
{
    static const struct pw_ledger_wake no_wake = {NULL, NULL};
    struct pw_ledger ledger = {0};
    struct pw_err err = {0};
    must(pw_kafka_open(config, no_wake, RIG_TIMEOUT_MS, &ledger, &err) == PW_OK, "open",
         err.detail);
    return ledger;
}

struct pw_ledger_event kafka_rig_next(struct pw_ledger *ledger)
{
    struct pw_ledger_event event;
    ledger->next(ledger->self, RIG_TIMEOUT_MS, &event);
    must(event.kind != PW_LEDGER_NOTHING, "next", "nothing came");
    return event;
}
