#include "eventstore/kafka.h"

#include "eventstore/kafka_parts.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* librdkafka calls it under the queue's lock, whenever an empty queue gets something. */
static void ring(rd_kafka_t *client, void *opaque)
{
    (void)client;
    struct kafka_source *source = opaque;
    atomic_store(&source->ready, true);
    const uint64_t one = 1;
    ssize_t written = write(source->kafka->bell_fd, &one, sizeof one);
    (void)written; /* A full counter rings as well. */
    if (source->kafka->wake.wake != NULL) {
        source->kafka->wake.wake(source->kafka->wake.self);
    }
}

void kafka_source_open(struct kafka_source *source, struct pw_kafka *kafka, rd_kafka_queue_t *queue)
{
    source->queue = queue;
    source->kafka = kafka;
    source->event = NULL;
    atomic_store(&source->ready, true); /* Something may have come before the bell hung. */
    rd_kafka_queue_cb_event_enable(queue, ring, source);
}

void kafka_source_close(struct kafka_source *source)
{
    if (source->queue == NULL) {
        return;
    }
    rd_kafka_queue_cb_event_enable(source->queue, NULL, NULL); /* From here on it does not ring. */
    rd_kafka_event_destroy(source->event);
    rd_kafka_queue_destroy(source->queue);
    source->event = NULL;
    source->queue = NULL;
}

bool kafka_source_poll(struct kafka_source *source)
{
    rd_kafka_event_destroy(source->event);
    source->event = NULL;
    if (source->queue == NULL || !atomic_load_explicit(&source->ready, memory_order_relaxed)) {
        return false;
    }
    /* Cleared before looking: what comes after the look rings again. */
    atomic_store(&source->ready, false);
    source->event = rd_kafka_queue_poll(source->queue, 0);
    if (source->event == NULL) {
        return false;
    }
    atomic_store(&source->ready, true);
    return true;
}

bool kafka_tell_down(struct pw_kafka *kafka, const char *detail, struct pw_ledger_event *ret_event)
{
    if (kafka->down_told) {
        return false;
    }
    kafka->down_told = true;
    kafka->reader_was_idle = false;
    kafka->writer_was_idle = false;
    *ret_event = (struct pw_ledger_event){
        .kind = PW_LEDGER_DOWN,
        .offset = -1,
        .broker_at_us = -1,
        .code = PW_ERR_LEDGER_DOWN,
        .detail = detail,
    };
    return true;
}

bool kafka_client_error(struct pw_kafka *kafka, const struct kafka_source *source,
                        struct pw_ledger_event *ret_event)
{
    const char *text = rd_kafka_event_error_string(source->event);
    if (rd_kafka_event_error(source->event) != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        snprintf(kafka->last_error, sizeof kafka->last_error, "%s", text);
        return false;
    }
    snprintf(kafka->detail, sizeof kafka->detail, "%s%s%s", text,
             kafka->last_error[0] == '\0' ? "" : "; ", kafka->last_error);
    return kafka_tell_down(kafka, kafka->detail, ret_event);
}

int64_t kafka_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Each side's turn comes after the other's, so that neither starves. */
static bool take(struct pw_kafka *kafka, struct pw_ledger_event *ret_event)
{
    kafka->writer_first = !kafka->writer_first;
    if (kafka->writer_first) {
        return kafka_writer_take(kafka, ret_event) || kafka_reader_take(kafka, ret_event);
    }
    return kafka_reader_take(kafka, ret_event) || kafka_writer_take(kafka, ret_event);
}

/* Waits for the bell; false when the time is over. */
static bool wait_until(struct pw_kafka *kafka, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - kafka_now_ms();
    if (left_ms <= 0) {
        return false;
    }
    if (kafka->behind_count > 0 && left_ms > KAFKA_NUDGE_MS) {
        left_ms = KAFKA_NUDGE_MS;
    }
    struct pollfd bell = {.fd = kafka->bell_fd, .events = POLLIN};
    if (poll(&bell, 1, (int)left_ms) > 0) {
        uint64_t rings;
        ssize_t got = read(kafka->bell_fd, &rings, sizeof rings);
        (void)got; /* Nobody else reads it, and nothing hangs on the count. */
    }
    return true;
}

static void kafka_next(void *self, int timeout_ms, struct pw_ledger_event *ret_event)
{
    struct pw_kafka *kafka = self;
    kafka_flush(kafka);
    if (take(kafka, ret_event)) {
        return;
    }
    if (timeout_ms > 0) {
        int64_t deadline_ms = kafka_now_ms() + timeout_ms;
        while (wait_until(kafka, deadline_ms)) {
            if (take(kafka, ret_event)) {
                return;
            }
            kafka_nudge(kafka);
        }
    }
    *ret_event = (struct pw_ledger_event){
        .kind = PW_LEDGER_NOTHING,
        .offset = -1,
        .broker_at_us = -1,
    };
}

static void kafka_close(void *self)
{
    struct pw_kafka *kafka = self;
    if (kafka == NULL) {
        return;
    }
    kafka_writer_close(kafka);
    if (kafka->consumer != NULL) {
        kafka_reader_close(kafka);
        rd_kafka_destroy(kafka->consumer);
    }
    if (kafka->bell_fd >= 0) {
        close(kafka->bell_fd);
    }
    for (size_t i = 0; i < kafka->setting_count; i++) {
        free((char *)(uintptr_t)kafka->settings[i].name);
        free((char *)(uintptr_t)kafka->settings[i].value);
    }
    free(kafka->settings);
    free(kafka->readings);
    free(kafka->topic);
    free(kafka);
}

void *kafka_memory(void *memory)
{
    if (memory == NULL) {
        abort(); /* Without memory the process ends; nothing acknowledged is lost by that. */
    }
    return memory;
}

static struct pw_kafka *kafka_new(const struct pw_kafka_config *config, struct pw_ledger_wake wake)
{
    struct pw_kafka *kafka = kafka_memory(calloc(1, sizeof *kafka));
    kafka->topic = kafka_memory(strdup(config->topic));
    kafka->settings = kafka_memory(calloc(config->setting_count + 1, sizeof *kafka->settings));
    for (size_t i = 0; i < config->setting_count; i++) {
        kafka->settings[i].name = kafka_memory(strdup(config->settings[i].name));
        kafka->settings[i].value = kafka_memory(strdup(config->settings[i].value));
    }
    kafka->setting_count = config->setting_count;
    kafka->reads_only = config->reads_only;
    kafka->rules = &kafka_ledger_rules;
    kafka->wake = wake;
    kafka->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return kafka;
}

static enum pw_code open_parts(struct pw_kafka *kafka, const struct pw_kafka_config *config,
                               int timeout_ms, struct pw_err *err)
{
    if (kafka->bell_fd < 0) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "eventfd: errno %d", errno);
    }
    enum pw_code code = kafka_client_new(config, RD_KAFKA_CONSUMER, &kafka->consumer, err);
    if (code != PW_OK) {
        return code;
    }
    struct kafka_shape shape;
    code =
        kafka_shape_await(kafka->consumer, kafka->topic, timeout_ms, KAFKA_MISSING_MS, &shape, err);
    if (code != PW_OK) {
        return code;
    }
    if (shape.partition_count == 0) {
        return kafka_no_topic(kafka->topic, err);
    }
    if (shape.partition_count > PW_PARTITIONS_MAX) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "topic %s: partitions is %u, must be at most %d",
                       kafka->topic, shape.partition_count, PW_PARTITIONS_MAX);
    }
    kafka->partition_count = shape.partition_count;
    kafka->replica_count = shape.replica_count;
    kafka->readings = kafka_memory(calloc(kafka->partition_count, sizeof *kafka->readings));
    code = kafka_reader_open(kafka, err);
    if (code == PW_OK && !kafka->reads_only) {
        code = kafka_writer_open(kafka, err);
    }
    return code;
}

enum pw_code pw_kafka_open(const struct pw_kafka_config *config, struct pw_ledger_wake wake,
                           int timeout_ms, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    struct pw_kafka *kafka = kafka_new(config, wake);
    enum pw_code code = open_parts(kafka, config, timeout_ms, err);
    if (code != PW_OK) {
        kafka_close(kafka);
        return code;
    }
    *ret_ledger = (struct pw_ledger){
        .self = kafka,
        .partition_count = kafka->partition_count,
        .check = kafka_check,
        .append = kafka_append,
        .flush = kafka_flush,
        .read_from = kafka_read_from,
        .read_stop = kafka_read_stop,
        .saw = kafka_ledger_saw,
        .size = kafka_size,
        .next = kafka_next,
        .renew = kafka_renew,
        .close = kafka_close,
    };
    return PW_OK;
}
