#include "eventstore/kafka_parts.h"

static struct pw_kafka_config config_of(const struct pw_kafka *kafka)
{
    return (struct pw_kafka_config){
        .topic = kafka->topic,
        .settings = kafka->settings,
        .setting_count = kafka->setting_count,
    };
}

enum pw_code kafka_writer_open(struct pw_kafka *kafka, struct pw_err *err)
{
    struct pw_kafka_config config = config_of(kafka);
    rd_kafka_t *producer;
    enum pw_code code = kafka_client_new(&config, RD_KAFKA_PRODUCER, &producer, err);
    if (code != PW_OK) {
        return code;
    }
    kafka->write_topic = rd_kafka_topic_new(producer, kafka->topic, NULL);
    if (kafka->write_topic == NULL) {
        code = pw_fail(err, PW_ERR_SETTING_WRONG, "topic %s: %s", kafka->topic,
                       rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_destroy(producer);
        return code;
    }
    kafka->producer = producer;
    kafka_source_open(&kafka->writer, kafka, rd_kafka_queue_get_main(producer));
    return PW_OK;
}

/* Destroying a producer waits for its threads, which may be in the middle of a connection. */
static void *reap(void *producer)
{
    rd_kafka_destroy(producer);
    return NULL;
}

static void reaper_join(struct pw_kafka *kafka)
{
    if (kafka->reaping) {
        pthread_join(kafka->reaper, NULL);
        kafka->reaping = false;
    }
}

/* Lets go of the producer with all that is in flight; nothing of it is heard again. */
static void retire(struct pw_kafka *kafka)
{
    if (kafka->producer == NULL) {
        return;
    }
    kafka_source_close(&kafka->writer);
    rd_kafka_topic_destroy(kafka->write_topic);
    rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                        RD_KAFKA_PURGE_F_NON_BLOCKING);
    reaper_join(kafka); /* At most one is kept: its end is seconds away at worst. */
    if (pthread_create(&kafka->reaper, NULL, reap, kafka->producer) == 0) {
        kafka->reaping = true;
    } else {
        rd_kafka_destroy(kafka->producer);
    }
    kafka->producer = NULL;
    kafka->write_topic = NULL;
}

void kafka_writer_close(struct pw_kafka *kafka)
{
    retire(kafka);
    reaper_join(kafka);
}

enum pw_code kafka_renew(void *self, struct pw_err *err)
{
    struct pw_kafka *kafka = self;
    if (kafka->reads_only) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "this handle only reads");
    }
    retire(kafka);
    enum pw_code code = kafka_writer_open(kafka, err);
    if (code !=
        PW_OK) { /* The settings were good before, so it is a matter of threads or memory. */
        code = PW_ERR_LEDGER_DOWN;
        if (err != NULL) {
            err->code = code;
        }
    }
    return code;
}

enum pw_code kafka_append(void *self, uint32_t partition, struct pw_str key_text, const void *value,
                          size_t value_bytes, uint64_t tag, struct pw_err *err)
{
    struct pw_kafka *kafka = self;
    if (kafka->producer == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "there is no producer");
    }
    assert(partition < kafka->partition_count);
    /* F_COPY only reads the value; librdkafka's parameter is not const for the sake of F_FREE. */
    if (rd_kafka_produce(kafka->write_topic, (int32_t)partition, RD_KAFKA_MSG_F_COPY,
                         (void *)(uintptr_t)value, value_bytes,
                         key_text.len == 0 ? NULL : key_text.ptr, key_text.len,
                         (void *)(uintptr_t)tag) == 0) {
        return PW_OK;
    }
    rd_kafka_resp_err_t error = rd_kafka_last_error();
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        return pw_fail(err, PW_ERR_COMMAND_TOO_LARGE, "%zu bytes: %s", value_bytes,
                       rd_kafka_err2str(error));
    }
    return pw_fail(err, PW_ERR_LEDGER_DOWN, "%s", rd_kafka_err2str(error));
}

static enum pw_code code_of(rd_kafka_resp_err_t error)
{
    switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: /* These two are the record's own making. */
    case RD_KAFKA_RESP_ERR_INVALID_RECORD: return PW_ERR_COMMAND_TOO_LARGE;
    default: return PW_ERR_LEDGER_DOWN;
    }
}

static void report(struct pw_kafka *kafka, const rd_kafka_message_t *message,
                   struct pw_ledger_event *ret_event)
{
    *ret_event = (struct pw_ledger_event){
        .kind = PW_LEDGER_FAILED,
        .partition = (uint32_t)message->partition,
        .offset = -1,
        .tag = (uint64_t)(uintptr_t)message->_private,
        .broker_at_us = -1,
        .code = code_of(message->err),
    };
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        ret_event->detail = rd_kafka_err2str(message->err);
        return;
    }
    kafka->down_told = false;
    ret_event->kind = PW_LEDGER_DELIVERED;
    ret_event->code = PW_OK;
    ret_event->offset = message->offset;
    kafka_saw(kafka, (uint32_t)message->partition, message->offset);
    rd_kafka_timestamp_type_t type;
    int64_t at_ms = rd_kafka_message_timestamp(message, &type);
    if (type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME) {
        ret_event->broker_at_us = at_ms * PW_US_PER_MS;
    }
}

bool kafka_writer_take(struct pw_kafka *kafka, struct pw_ledger_event *ret_event)
{
    for (;;) {
        if (kafka->writer.event != NULL) {
            const rd_kafka_message_t *message = rd_kafka_event_message_next(kafka->writer.event);
            if (message != NULL) {
                report(kafka, message, ret_event);
                return true;
            }
        }
        if (!kafka_source_poll(&kafka->writer)) {
            return false;
        }
        if (rd_kafka_event_type(kafka->writer.event) != RD_KAFKA_EVENT_ERROR) {
            continue;
        }
        if (rd_kafka_event_error_is_fatal(kafka->writer.event)) {
            /* Nothing in flight has hope of a report from the broker any more: report it now. */
            rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                                RD_KAFKA_PURGE_F_NON_BLOCKING);
        }
        if (kafka_client_error(kafka, &kafka->writer, ret_event)) {
            return true;
        }
    }
}
