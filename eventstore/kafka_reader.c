/* The reading half. librdkafka's per-partition interface is used, not its groups: a start or stop
 * raises the partition's version, and what was fetched under an older one is dropped on its way out
 * of the queue. Its one gap is the report of an offset out of range, which has no version; so such
 * a report is never taken at its word, and the read starts again where it stood. */
#include "eventstore/kafka_parts.h"

/* A broker that hung and woke up believes for a moment that it still leads, and answers from a log
 * that may end before our offset (librdkafka sends no leader epoch that would tell it); and a new
 * leader's high watermark lags until a follower has asked it. Where other replicas may lead, only an
 * offset that stays out of range so long is lost. (With five seconds a node once stopped for that, at a
 * load of 75 on two cores.) librdkafka asks again each fetch.error.backoff.ms. */
#define DOUBT_MS 20000

#define SIZE_TIMEOUT_MS 1000

#define ASK_TIMEOUT_MS 1000

#define REFILL_EVERY 512
#define REFILL_BELOW 7000 /* Below queued.min.messages, kafka_conf.c. */

enum pw_code kafka_reader_open(struct pw_kafka *kafka, struct pw_err *err)
{
    kafka->read_topic = rd_kafka_topic_new(kafka->consumer, kafka->topic, NULL);
    if (kafka->read_topic == NULL) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "topic %s: %s", kafka->topic,
                       rd_kafka_err2str(rd_kafka_last_error()));
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->consumer);
    rd_kafka_queue_t *main_queue = rd_kafka_queue_get_main(kafka->consumer);
    rd_kafka_queue_forward(main_queue, queue); /* So that errors come the same way as records. */
    rd_kafka_queue_destroy(main_queue);
    kafka_source_open(&kafka->reader, kafka, queue);
    kafka->answers = rd_kafka_queue_new(kafka->consumer);
    return PW_OK;
}

static void behind_set(struct pw_kafka *kafka, uint32_t partition, bool is_behind)
{
    struct kafka_reading *reading = &kafka->readings[partition];
    kafka->behind_count += is_behind;
    kafka->behind_count -= reading->is_behind;
    reading->is_behind = is_behind;
}

static void fetch_stop(struct pw_kafka *kafka, uint32_t partition)
{
    if (kafka->readings[partition].on) {
        rd_kafka_consume_stop(kafka->read_topic, (int32_t)partition);
        kafka->readings[partition].on = false;
        behind_set(kafka, partition, false);
    }
}

static rd_kafka_resp_err_t fetch_start(struct pw_kafka *kafka, uint32_t partition)
{
    struct kafka_reading *reading = &kafka->readings[partition];
    if (rd_kafka_consume_start_queue(kafka->read_topic, (int32_t)partition, reading->next_offset,
                                     kafka->reader.queue) != 0) {
        return rd_kafka_last_error();
    }
    reading->on = true;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void kafka_reader_close(struct pw_kafka *kafka)
{
    if (kafka->read_topic == NULL) {
        return;
    }
    for (uint32_t i = 0; kafka->readings != NULL && i < kafka->partition_count; i++) {
        fetch_stop(kafka, i);
    }
    kafka_source_close(&kafka->reader);
    rd_kafka_queue_destroy(kafka->answers);
    rd_kafka_topic_destroy(kafka->read_topic);
    kafka->read_topic = NULL;
}

enum pw_code kafka_read_from(void *self, uint32_t partition, int64_t offset, struct pw_err *err)
{
    struct pw_kafka *kafka = self;
    assert(partition < kafka->partition_count && offset >= 0);
    fetch_stop(kafka, partition);
    struct kafka_reading *reading = &kafka->readings[partition];
    *reading = (struct kafka_reading){
        .next_offset = offset,
        .seen_end = reading->seen_end,
        .told_end = -1,
    };
    rd_kafka_resp_err_t error = fetch_start(kafka, partition);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "partition %u: %s", partition,
                       rd_kafka_err2str(error));
    }
    return PW_OK;
}

void kafka_read_stop(void *self, uint32_t partition)
{
    struct pw_kafka *kafka = self;
    assert(partition < kafka->partition_count);
    fetch_stop(kafka, partition);
}

void kafka_ledger_saw(void *self, uint32_t partition, int64_t offset)
{
    struct pw_kafka *kafka = self;
    assert(partition < kafka->partition_count && offset >= 0);
    kafka_saw(kafka, partition, offset);
}

/* Not rd_kafka_query_watermark_offsets: it waits without end for a broker that hangs. */
uint64_t kafka_size(void *self, uint32_t partition)
{
    struct pw_kafka *kafka = self;
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *end =
        rd_kafka_topic_partition_list_add(ends, kafka->topic, (int32_t)partition);
    end->offset = RD_KAFKA_OFFSET_END; /* In place of a time. */
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(kafka->consumer, ends, SIZE_TIMEOUT_MS);
    bool is_known = error == RD_KAFKA_RESP_ERR_NO_ERROR && end->err == RD_KAFKA_RESP_ERR_NO_ERROR &&
                    end->offset > 0;
    uint64_t size = is_known ? (uint64_t)end->offset : 0;
    rd_kafka_topic_partition_list_destroy(ends);
    return size;
}

static void sign_of_life(struct pw_kafka *kafka)
{
    if (kafka->reader_was_idle) {
        kafka->down_told = false;
    }
}

static bool record_give(struct pw_kafka *kafka, const rd_kafka_message_t *message,
                        struct pw_ledger_event *ret_event)
{
    struct kafka_reading *reading = &kafka->readings[message->partition];
    if (!reading->on || message->offset < reading->next_offset) {
        return false;
    }
    sign_of_life(kafka);
    /* A doubt that outlived records would take two fail-overs, one after the other, for one end that
     * stays, and stop who reads for nothing. To doubt for longer is the cheaper mistake: nobody goes
     * past an offset that it knows without comparing the hash there. */
    reading->doubted = false;
    reading->next_offset = message->offset + 1;
    behind_set(kafka, (uint32_t)message->partition, false);
    kafka->open_end_count += !reading->end_is_open;
    reading->end_is_open = true;
    kafka_saw(kafka, (uint32_t)message->partition, message->offset);
    kafka->given_key = (struct pw_str){message->key, message->key_len};
    rd_kafka_timestamp_type_t type;
    int64_t at_ms = rd_kafka_message_timestamp(message, &type);
    *ret_event = (struct pw_ledger_event){
        .kind = PW_LEDGER_RECORD,
        .partition = (uint32_t)message->partition,
        .offset = message->offset,
        .broker_at_us = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? at_ms * PW_US_PER_MS : -1,
        .value = message->payload,
        .value_bytes = message->len,
    };
    return true;
}

void kafka_saw(struct pw_kafka *kafka, uint32_t partition, int64_t offset)
{
    struct kafka_reading *reading = &kafka->readings[partition];
    if (offset >= reading->seen_end) {
        reading->seen_end = offset + 1;
    }
}

/* True while a report that the log is shorter than we know is not to be believed yet: the read
 * starts again where it stood. *ret_failed: it cannot. */
static bool doubt(struct pw_kafka *kafka, uint32_t partition, bool *ret_failed)
{
    struct kafka_reading *reading = &kafka->readings[partition];
    int64_t doubt_ms = kafka->replica_count > 1 ? DOUBT_MS : 0;
    if (reading->doubted && kafka_now_ms() - reading->doubted_at_ms >= doubt_ms) {
        return false;
    }
    if (!reading->doubted) {
        reading->doubted = true;
        reading->doubted_at_ms = kafka_now_ms();
    }
    fetch_stop(kafka, partition);
    *ret_failed = fetch_start(kafka, partition) != RD_KAFKA_RESP_ERR_NO_ERROR;
    return !*ret_failed;
}

static bool end_give(struct pw_kafka *kafka, uint32_t partition, int64_t offset,
                     struct pw_ledger_event *ret_event)
{
    struct kafka_reading *reading = &kafka->readings[partition];
    bool failed = false;
    if (offset < reading->next_offset) {
        return false;
    }
    /* Right after a fail-over the new leader's high watermark may lag behind what was acknowledged. */
    if (offset < reading->seen_end && (doubt(kafka, partition, &failed) || failed)) {
        return false;
    }
    reading->seen_end = offset;
    sign_of_life(kafka);
    reading->doubted = false;
    reading->end_is_open = false;
    if (reading->told_end == offset) {
        return false;
    }
    reading->told_end = offset;
    behind_set(kafka, partition, false);
    reading->next_offset = offset; /* Past the markers of transactions, which nobody is shown. */
    *ret_event = (struct pw_ledger_event){
        .kind = PW_LEDGER_END,
        .partition = partition,
        .offset = offset,
        .broker_at_us = -1,
    };
    return true;
}

static bool out_of_range(struct pw_kafka *kafka, uint32_t partition, const char *text,
                         struct pw_ledger_event *ret_event)
{
    struct kafka_reading *reading = &kafka->readings[partition];
    bool failed = false;
    if (doubt(kafka, partition, &failed)) {
        return false;
    }
    fetch_stop(kafka, partition);
    *ret_event = (struct pw_ledger_event){
        .kind = PW_LEDGER_LOST,
        .partition = partition,
        .offset = reading->next_offset,
        .broker_at_us = -1,
        .code = PW_ERR_LEDGER_DIVERGED,
        .detail = text,
    };
    return true;
}

/* An error of one partition: its end is one, for librdkafka. */
static bool partition_error(struct pw_kafka *kafka, const rd_kafka_topic_partition_t *at,
                            struct pw_ledger_event *ret_event)
{
    rd_kafka_event_t *event = kafka->reader.event;
    uint32_t partition = (uint32_t)at->partition;
    if (partition >= kafka->partition_count || !kafka->readings[partition].on) {
        return false;
    }
    switch ((int)rd_kafka_event_error(event)) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: return end_give(kafka, partition, at->offset, ret_event);
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return out_of_range(kafka, partition, rd_kafka_event_error_string(event), ret_event);
    default: /* librdkafka tries again by itself: a topic that is away, a batch that was torn. */
        return kafka_tell_down(kafka, rd_kafka_event_error_string(event), ret_event);
    }
}

/* librdkafka tells an end only where a fetch came back empty, which never happens while others keep
 * appending. So once all that was fetched is given, what the last fetch said of the high watermark is
 * looked at: where it is our next offset, the reader had caught up when the broker answered. */
static bool open_end_give(struct pw_kafka *kafka, struct pw_ledger_event *ret_event)
{
    for (uint32_t i = 0; kafka->open_end_count > 0 && i < kafka->partition_count; i++) {
        struct kafka_reading *reading = &kafka->readings[i];
        int64_t low;
        int64_t high = -1;
        if (!reading->end_is_open) {
            continue;
        }
        reading->end_is_open = false; /* Until its next record. */
        kafka->open_end_count--;
        if (!reading->on ||
            rd_kafka_get_watermark_offsets(kafka->consumer, kafka->topic, (int32_t)i, &low,
                                           &high) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            continue;
        }
        if (high > reading->next_offset) {
            behind_set(kafka, i, true);
        } else if (high == reading->next_offset && high >= reading->seen_end &&
                   end_give(kafka, i, high, ret_event)) {
            return true;
        }
    }
    kafka->open_end_count = 0;
    return false;
}

/* Once its queue is full librdkafka (before 2.2) stops fetching, and looks whether it may go on only
 * when its thread wakes for something else: up to a second after the queue was emptied. A question
 * to the brokers wakes it; the answer is of no interest. Questions that wait for theirs will not do:
 * librdkafka waits without end for a broker that hangs, and with it whoever reads would. */
static void wake_fetchers(struct pw_kafka *kafka)
{
    char text[KAFKA_ERROR_BYTES];
    rd_kafka_event_t *answer = rd_kafka_queue_poll(kafka->answers, 0);
    if (kafka->has_asked && answer == NULL) {
        return; /* One question at a time. */
    }
    rd_kafka_event_destroy(answer);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(kafka->consumer, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS);
    rd_kafka_AdminOptions_set_request_timeout(options, ASK_TIMEOUT_MS, text, sizeof text);
    rd_kafka_ListConsumerGroups(kafka->consumer, options, kafka->answers);
    rd_kafka_AdminOptions_destroy(options);
    kafka->has_asked = true;
}

void kafka_nudge(struct pw_kafka *kafka)
{
    int64_t now_ms = kafka_now_ms();
    if (kafka->behind_count > 0 && !kafka->down_told &&
        now_ms - kafka->nudged_at_ms >= KAFKA_NUDGE_MS) {
        kafka->nudged_at_ms = now_ms;
        wake_fetchers(kafka);
    }
}

static int64_t left_of(struct pw_kafka *kafka, uint32_t partition)
{
    const struct kafka_reading *reading = &kafka->readings[partition];
    int64_t low;
    int64_t high;
    if (!reading->on ||
        rd_kafka_get_watermark_offsets(kafka->consumer, kafka->topic, (int32_t)partition, &low,
                                       &high) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return 0;
    }
    return high > reading->next_offset ? high - reading->next_offset : 0;
}

/* The queue is kept short, so that what lies in it is still in the processor's cache when it is
 * given; so the fetcher is woken before it is empty, where the log has more than the queue. It is
 * woken again at the earliest when all that was queued then has been given. */
static void refill(struct pw_kafka *kafka)
{
    if (++kafka->given_count % REFILL_EVERY != 0 || kafka->down_told ||
        kafka->given_count < kafka->next_refill) {
        return;
    }
    size_t queued = rd_kafka_queue_length(kafka->reader.queue);
    if (queued >= REFILL_BELOW) {
        return;
    }
    int64_t left = 0;
    for (uint32_t i = 0; i < kafka->partition_count; i++) {
        left += left_of(kafka, i);
    }
    if (left > (int64_t)queued) {
        kafka->next_refill = kafka->given_count + queued;
        wake_fetchers(kafka);
    }
}

bool kafka_reader_take(struct pw_kafka *kafka, struct pw_ledger_event *ret_event)
{
    while (kafka_source_poll(&kafka->reader)) {
        rd_kafka_event_t *event = kafka->reader.event;
        bool given = false;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_FETCH) {
            const rd_kafka_message_t *message = rd_kafka_event_message_next(event);
            given = message != NULL && record_give(kafka, message, ret_event);
            if (given) {
                refill(kafka);
            }
        } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) {
            rd_kafka_topic_partition_t *at = rd_kafka_event_topic_partition(event);
            given = at != NULL ? partition_error(kafka, at, ret_event)
                               : kafka_client_error(kafka, &kafka->reader, ret_event);
            if (at != NULL) {
                rd_kafka_topic_partition_destroy(at);
            }
        }
        if (given) {
            return true;
        }
    }
    if (open_end_give(kafka, ret_event)) { /* Of what was fetched before: no sign of life. */
        return true;
    }
    kafka->reader_was_idle = kafka->down_told;
    return false;
}
