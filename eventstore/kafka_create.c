/* `admin ledger create`: the topic. What stands in it is made by eventstore/genesis.h. */
#include "eventstore/kafka_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ANSWER_TIMEOUT_MS 30000

/* The topic's settings, as kafka_check() will want to find them. */
static void topic_set(rd_kafka_NewTopic_t *topic, const struct kafka_rules *rules,
                      uint32_t replica_count)
{
    for (size_t i = 0; i < rules->count; i++) {
        rd_kafka_NewTopic_set_config(topic, rules->items[i].name, rules->items[i].wanted);
    }
    char in_sync[12];
    snprintf(in_sync, sizeof in_sync, "%u", kafka_in_sync_wanted(replica_count));
    rd_kafka_NewTopic_set_config(topic, KAFKA_IN_SYNC_SETTING, in_sync);
}

/* PW_OK, but not *ret_created, where another creator was first. */
static enum pw_code topic_result(rd_kafka_event_t *event, bool *ret_created, struct pw_err *err)
{
    if (event == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN,
                       "no broker answers: the topic was not made in time");
    }
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "the topic cannot be made: %s",
                       rd_kafka_event_error_string(event));
    }
    size_t count;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    assert(count == 1);
    rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[0]);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        *ret_created = true;
        return PW_OK;
    }
    if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        return PW_OK; /* Another creator was first. */
    }
    const char *text = rd_kafka_topic_result_error_string(results[0]);
    bool refused = error == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR ||
                   error == RD_KAFKA_RESP_ERR_POLICY_VIOLATION ||
                   error == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION ||
                   error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    return pw_fail(err, refused ? PW_ERR_SETTING_WRONG : PW_ERR_LEDGER_DOWN,
                   "topic %s cannot be made: %s", rd_kafka_topic_result_name(results[0]),
                   text == NULL ? rd_kafka_err2str(error) : text);
}

static enum pw_code topic_make(rd_kafka_t *client, const char *name,
                               const struct pw_ledger_plan *plan, const struct kafka_rules *rules,
                               bool *ret_created, struct pw_err *err)
{
    char text[KAFKA_ERROR_BYTES];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        name, (int)plan->partition_count, (int)plan->replication_factor, text, sizeof text);
    if (topic == NULL) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "topic %s: %s", name, text);
    }
    topic_set(topic, rules, plan->replication_factor);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_TIMEOUT_MS, text, sizeof text);
    rd_kafka_AdminOptions_set_operation_timeout(options, ANSWER_TIMEOUT_MS, text, sizeof text);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &topic, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_TIMEOUT_MS);
    enum pw_code code = topic_result(event, ret_created, err);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    return code;
}

static enum pw_code shape_check(const char *name, const struct kafka_shape *shape,
                                const struct pw_ledger_plan *plan, struct pw_err *err)
{
    if (shape->partition_count != plan->partition_count) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "topic %s: partitions is %u, must be %u", name,
                       shape->partition_count, plan->partition_count);
    }
    if (shape->replica_count != plan->replication_factor) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "topic %s: replication factor is %u, must be %u",
                       name, shape->replica_count, plan->replication_factor);
    }
    return PW_OK;
}

enum pw_code kafka_topic_ensure(const struct pw_kafka_config *config,
                                const struct pw_ledger_plan *plan, const struct kafka_rules *rules,
                                bool *ret_created, struct pw_err *err)
{
    rd_kafka_t *client;
    enum pw_code code = kafka_client_new(config, RD_KAFKA_CONSUMER, &client, err);
    if (code != PW_OK) {
        return code;
    }
    struct kafka_shape shape;
    code = kafka_shape_of(client, config->topic, ANSWER_TIMEOUT_MS, &shape, err);
    if (code == PW_OK && shape.partition_count == 0) {
        code = kafka_brokers_check(client, config->topic, err);
        if (code == PW_OK) {
            code = topic_make(client, config->topic, plan, rules, ret_created, err);
        }
    }
    if (code == PW_OK) {
        code = kafka_shape_await(client, config->topic, ANSWER_TIMEOUT_MS, ANSWER_TIMEOUT_MS,
                                 &shape, err);
    }
    if (code == PW_OK) {
        code = shape_check(config->topic, &shape, plan, err);
    }
    rd_kafka_destroy(client);
    return code;
}

enum pw_code pw_kafka_create(const struct pw_kafka_config *config,
                             const struct pw_ledger_plan *plan, bool *ret_created,
                             struct pw_id *ret_ledger_id, struct pw_err *err)
{
    assert(plan->partition_count > 0 && plan->partition_count <= PW_PARTITIONS_MAX);
    bool made = false;
    bool written = false;
    struct pw_ledger ledger;
    enum pw_code code = kafka_topic_ensure(config, plan, &kafka_ledger_rules, &made, err);
    if (code != PW_OK) {
        return code;
    }
    struct pw_ledger_wake no_wake = {NULL, NULL};
    code = pw_kafka_open(config, no_wake, ANSWER_TIMEOUT_MS, &ledger, err);
    if (code != PW_OK) {
        return code;
    }
    code = ledger.check(ledger.self, err);
    if (code == PW_OK) {
        code = pw_genesis_ensure(&ledger, plan, &written, ret_ledger_id, err);
    }
    if (code == PW_OK) {
        *ret_created = made || written;
    }
    ledger.close(ledger.self);
    return code;
}
