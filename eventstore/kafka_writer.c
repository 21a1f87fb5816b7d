#include "eventstore/kafka_parts.h"

#include <stdlib.h>

/* Below message.max.bytes by more than key and framing take. */
#define VALUE_BYTES_MAX 1000000

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
    if (kafka->outbox.messages == NULL) {
        kafka->outbox.messages =
            kafka_memory(calloc(KAFKA_OUTBOX_RECORDS, sizeof *kafka->outbox.messages));
        kafka->outbox.bytes = kafka_memory(malloc(KAFKA_OUTBOX_BYTES));
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
    kafka->outbox.count = 0;
    kafka->outbox.bytes_used = 0;
    kafka->untaken_told = kafka->untaken_count = 0;
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
    free(kafka->outbox.messages);
    free(kafka->outbox.bytes);
    free(kafka->untaken);
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

static enum pw_code code_of(rd_kafka_resp_err_t error)
{
    switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: /* These two are the record's own making. */
    case RD_KAFKA_RESP_ERR_INVALID_RECORD: return PW_ERR_COMMAND_TOO_LARGE;
    default: return PW_ERR_LEDGER_DOWN;
    }
}

/* Appends that the client did not take, until next() has told of them. */
static void untaken_add(struct pw_kafka *kafka, uint32_t partition, void *tag,
                        rd_kafka_resp_err_t error)
{
    if (kafka->untaken_count == kafka->untaken_room) {
        kafka->untaken_room = kafka->untaken_room == 0 ? 64 : kafka->untaken_room * 2;
        kafka->untaken =
            kafka_memory(realloc(kafka->untaken, kafka->untaken_room * sizeof *kafka->untaken));
    }
    kafka->untaken[kafka->untaken_count++] =
        (struct kafka_untaken){partition, (uint64_t)(uintptr_t)tag, error};
}

static bool untaken_give(struct pw_kafka *kafka, struct pw_ledger_event *ret_event)
{
    if (kafka->untaken_told == kafka->untaken_count) {
        kafka->untaken_told = kafka->untaken_count = 0;
        return false;
    }
    const struct kafka_untaken *untaken = &kafka->untaken[kafka->untaken_told++];
    *ret_event = (struct pw_ledger_event){
        .kind = PW_LEDGER_FAILED,
        .partition = untaken->partition,
        .offset = -1,
        .tag = untaken->tag,
        .broker_at_us = -1,
        .code = code_of(untaken->error),
        .detail = rd_kafka_err2str(untaken->error),
    };
    return true;
}

static uint8_t *outbox_copy(struct kafka_outbox *outbox, const void *data, size_t bytes)
{
    uint8_t *copy = outbox->bytes + outbox->bytes_used;
    memcpy(copy, data, bytes);
    outbox->bytes_used += bytes;
    return copy;
}

enum pw_code kafka_append(void *self, uint32_t partition, struct pw_str key_text, const void *value,
                          size_t value_bytes, uint64_t tag, struct pw_err *err)
{
    struct pw_kafka *kafka = self;
    struct kafka_outbox *outbox = &kafka->outbox;
    if (kafka->producer == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "there is no producer");
    }
    assert(partition < kafka->partition_count);
    if (value_bytes > VALUE_BYTES_MAX) {
        return pw_fail(err, PW_ERR_COMMAND_TOO_LARGE, "%zu bytes, at most %d may be", value_bytes,
                       VALUE_BYTES_MAX);
    }
    if (outbox->count == KAFKA_OUTBOX_RECORDS ||
        outbox->bytes_used + key_text.len + value_bytes > KAFKA_OUTBOX_BYTES) {
        kafka_flush(kafka);
    }
    rd_kafka_message_t *message = &outbox->messages[outbox->count++];
    *message = (rd_kafka_message_t){
        .partition = (int32_t)partition,
        .payload = value == NULL ? NULL : outbox_copy(outbox, value, value_bytes),
        .len = value_bytes,
        ._private = (void *)(uintptr_t)tag,
    };
    if (key_text.len > 0) {
        message->key = outbox_copy(outbox, key_text.ptr, key_text.len);
        message->key_len = key_text.len;
    }
    return PW_OK;
}

void kafka_flush(void *self)
{
    struct pw_kafka *kafka = self;
    struct kafka_outbox *outbox = &kafka->outbox;
    if (outbox->count == 0) {
        return;
    }
    int taken = rd_kafka_produce_batch(kafka->write_topic, RD_KAFKA_PARTITION_UA,
                                       RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION,
                                       outbox->messages, (int)outbox->count);
    for (uint32_t i = 0; taken < (int)outbox->count && i < outbox->count; i++) {
        const rd_kafka_message_t *message = &outbox->messages[i];
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            untaken_add(kafka, (uint32_t)message->partition, message->_private, message->err);
        }
    }
    outbox->count = 0;
    outbox->bytes_used = 0;
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
    if (kafka->writer_was_idle) { /* Else the broker may have sent it before it was gone. */
        kafka->down_told = false;
    }
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
    if (untaken_give(kafka, ret_event)) {
        return true;
    }
    for (;;) {
        if (kafka->writer.event != NULL) {
            const rd_kafka_message_t *message = rd_kafka_event_message_next(kafka->writer.event);
            if (message != NULL) {
                report(kafka, message, ret_event);
                return true;
            }
        }
        if (!kafka_source_poll(&kafka->writer)) {
            kafka->writer_was_idle = kafka->down_told;
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
