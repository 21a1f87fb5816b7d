/* bench_ledger_append: what the ledger's port costs beside bare librdkafka on the same settings, topic
 * and machine, in one run: the acknowledgement of one record at a time, records a second with
 * many in flight, and records a second read back. The two take turns, so that a drift of the
 * machine falls on both.
 *
 * PW_TEST_KAFKA=host:port names the broker. Prints a table; the last column is port / bare. */
#include "eventstore/tests/kafka_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define VALUE_BYTES   400
#define ROUNDS        10
#define SINGLES       300 /* Of one round and side. */
#define PIPELINED     100000
#define IN_FLIGHT_MAX 8192
#define READS         1000000
#define READ_ROUNDS   3
#define WAIT_MS       30000

/* One side of the comparison. */
struct side {
    void *self;
    void (*append)(void *self, const void *value, size_t value_bytes);
    uint32_t (*take)(void *self); /* Waits; gives how many were confirmed. */
    double latency_us[ROUNDS * SINGLES];
    uint32_t latency_count;
    double rates[ROUNDS];
};

struct bare {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
};

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_ledger_append: %s\n", what);
        exit(1);
    }
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void bare_append(void *self, const void *value, size_t value_bytes)
{
    struct bare *bare = self;
    must(rd_kafka_produce(bare->topic, 0, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)value,
                          value_bytes, NULL, 0, NULL) == 0,
         "bare append");
}

static uint32_t bare_take(void *self)
{
    struct bare *bare = self;
    rd_kafka_event_t *event = rd_kafka_queue_poll(bare->queue, WAIT_MS);
    must(event != NULL && rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR, "bare report");
    uint32_t count = 0;
    for (const rd_kafka_message_t *message; (message = rd_kafka_event_message_next(event));) {
        must(message->err == 0, "bare delivery");
        count++;
    }
    rd_kafka_event_destroy(event);
    return count;
}

static void port_append(void *self, const void *value, size_t value_bytes)
{
    struct pw_ledger *ledger = self;
    must(ledger->append(ledger->self, 0, PW_STR(""), value, value_bytes, 1, NULL) == PW_OK,
         "port append");
}

static uint32_t port_take(void *self)
{
    struct pw_ledger *ledger = self;
    struct pw_ledger_event event;
    ledger->next(ledger->self, WAIT_MS, &event);
    must(event.kind == PW_LEDGER_DELIVERED, "port delivery");
    return 1;
}

static void bare_open(struct bare *bare, const struct kafka_rig *rig)
{
    static const char *const settings[][2] = {
        {"acks", "all"},
        {"enable.idempotence", "true"},
        {"linger.ms", "0"},
        {"socket.nagle.disable", "true"},
        {"queue.buffering.max.messages", "1000000"},
    };
    char text[200] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_rig_servers(), text, sizeof text);
    for (size_t i = 0; i < PW_COUNT(settings); i++) {
        must(rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof text) == 0, text);
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    bare->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    must(bare->client != NULL, text);
    bare->topic = rd_kafka_topic_new(bare->client, rig->topic, NULL);
    bare->queue = rd_kafka_queue_get_main(bare->client);
}

static void bare_close(struct bare *bare)
{
    rd_kafka_queue_destroy(bare->queue);
    rd_kafka_topic_destroy(bare->topic);
    rd_kafka_destroy(bare->client);
}

static void run_singles(struct side *side, const void *value)
{
    for (int i = 0; i < SINGLES; i++) {
        double begin_us = now_us();
        side->append(side->self, value, VALUE_BYTES);
        side->take(side->self);
        side->latency_us[side->latency_count++] = now_us() - begin_us;
    }
}

static void run_pipelined(struct side *side, const void *value, int round)
{
    double begin_us = now_us();
    uint32_t sent = 0;
    uint32_t done = 0;
    while (done < PIPELINED) {
        while (sent < PIPELINED && sent - done < IN_FLIGHT_MAX) {
            side->append(side->self, value, VALUE_BYTES);
            sent++;
        }
        done += side->take(side->self);
    }
    side->rates[round] = PIPELINED / ((now_us() - begin_us) / 1e6);
}

static double bare_read_rate(const struct kafka_rig *rig)
{
    static const char *const settings[][2] = {
        {"isolation.level", "read_uncommitted"},
        {"check.crcs", "true"},
        {"enable.partition.eof", "true"},
    };
    char text[200] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_rig_servers(), text, sizeof text);
    for (size_t i = 0; i < PW_COUNT(settings); i++) {
        must(rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof text) == 0, text);
    }
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    must(client != NULL, text);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, rig->topic, NULL);
    double begin_us = now_us();
    must(rd_kafka_consume_start(topic, 0, 0) == 0, "bare read");
    for (uint32_t i = 0; i < READS; i++) {
        rd_kafka_message_t *message = rd_kafka_consume(topic, 0, WAIT_MS);
        must(message != NULL && message->err == 0, "bare record");
        rd_kafka_message_destroy(message);
    }
    double rate = READS / ((now_us() - begin_us) / 1e6);
    rd_kafka_consume_stop(topic, 0);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
    return rate;
}

static double port_read_rate(const struct kafka_rig *rig)
{
    struct pw_kafka_config config = rig->config;
    config.reads_only = true;
    struct pw_ledger ledger;
    struct pw_ledger_wake no_wake = {NULL, NULL};
    must(pw_kafka_open(&config, no_wake, WAIT_MS, &ledger, NULL) == PW_OK, "open");
    double begin_us = now_us();
    must(ledger.read_from(ledger.self, 0, 0, NULL) == PW_OK, "port read");
    for (uint32_t i = 0; i < READS; i++) {
        struct pw_ledger_event event;
        ledger.next(ledger.self, WAIT_MS, &event);
        must(event.kind == PW_LEDGER_RECORD && event.offset == i, "port record");
    }
    double rate = READS / ((now_us() - begin_us) / 1e6);
    ledger.close(ledger.self);
    return rate;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void row(const char *what, double bare, double port)
{
    printf("%-34s %12.0f %12.0f %8.2f\n", what, bare, port, port / bare);
}

/* Fills the sides' figures, turn by turn. */
static void measure_appends(struct side sides[2])
{
    static uint8_t value[VALUE_BYTES];
    for (int i = 0; i < 2; i++) { /* Connections and the broker warm up, uncounted. */
        run_singles(&sides[i], value);
        run_pipelined(&sides[i], value, 0);
        sides[i].latency_count = 0;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 2; i++) {
            run_singles(&sides[(round + i) % 2], value);
            run_pipelined(&sides[(round + i) % 2], value, round);
        }
    }
    for (int i = 0; i < 2; i++) {
        qsort(sides[i].latency_us, sides[i].latency_count, sizeof(double), by_size);
        qsort(sides[i].rates, ROUNDS, sizeof(double), by_size);
    }
}

int main(void)
{
    static struct side sides[2];
    struct kafka_rig rig;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    struct bare bare;
    bare_open(&bare, &rig);
    struct pw_ledger ledger;
    struct pw_ledger_wake no_wake = {NULL, NULL};
    must(pw_kafka_open(&rig.config, no_wake, WAIT_MS, &ledger, NULL) == PW_OK, "open");
    sides[0] = (struct side){.self = &bare, .append = bare_append, .take = bare_take};
    sides[1] = (struct side){.self = &ledger, .append = port_append, .take = port_take};
    measure_appends(sides);
    ledger.close(ledger.self);
    bare_close(&bare);
    double reads[2][READ_ROUNDS];
    for (int round = 0; round < READ_ROUNDS; round++) {
        reads[0][round] = bare_read_rate(&rig);
        reads[1][round] = port_read_rate(&rig);
    }
    for (int i = 0; i < 2; i++) {
        qsort(reads[i], READ_ROUNDS, sizeof(double), by_size);
    }
    kafka_rig_close(&rig);
    uint32_t count = sides[0].latency_count;
    printf("%-34s %12s %12s %8s\n", "", "librdkafka", "port", "ratio");
    row("one at a time, median, us", sides[0].latency_us[count / 2],
        sides[1].latency_us[count / 2]);
    row("one at a time, p99, us", sides[0].latency_us[count * 99 / 100],
        sides[1].latency_us[count * 99 / 100]);
    row("8192 in flight, median, records/s", sides[0].rates[ROUNDS / 2],
        sides[1].rates[ROUNDS / 2]);
    row("read back, median, records/s", reads[0][READ_ROUNDS / 2], reads[1][READ_ROUNDS / 2]);
    return 0;
}
