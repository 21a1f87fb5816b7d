/* bench_consume: the limit that a replay is measured against: librdkafka reads every partition of a
 * topic from its beginning to its end as of the start, and looks at nothing.
 *
 *   bench_consume HOST:PORT TOPIC
 *
 * Prints the records and bytes of their values. */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 10000

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_consume: %s\n", what);
        exit(1);
    }
}

static rd_kafka_t *consumer_new(const char *servers)
{
    static const char *const settings[][2] = {
        {"isolation.level", "read_uncommitted"},
        {"check.crcs", "true"},
        {"enable.partition.eof", "true"},
        {"fetch.wait.max.ms", "10"},
    };
    char text[200] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    must(rd_kafka_conf_set(conf, "bootstrap.servers", servers, text, sizeof text) == 0, text);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        must(rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof text) == 0, text);
    }
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    must(client != NULL, text);
    return client;
}

int main(int argc, char **argv)
{
    must(argc == 3, "HOST:PORT TOPIC");
    rd_kafka_t *client = consumer_new(argv[1]);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, argv[2], NULL);
    const struct rd_kafka_metadata *metadata;
    must(rd_kafka_metadata(client, 0, topic, &metadata, WAIT_MS) == 0, "no broker answers");
    int open_count = metadata->topics[0].partition_cnt;
    must(open_count > 0, "there is no such topic");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    for (int i = 0; i < open_count; i++) {
        must(rd_kafka_consume_start_queue(topic, i, 0, queue) == 0, "read");
    }
    uint64_t records = 0;
    uint64_t bytes = 0;
    while (open_count > 0) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(queue, WAIT_MS);
        must(message != NULL, "nothing came");
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            open_count--;
        } else {
            must(message->err == 0, rd_kafka_message_errstr(message));
            records++;
            bytes += message->len;
        }
        rd_kafka_message_destroy(message);
    }
    printf("{\"records\": %llu, \"bytes\": %llu}\n", (unsigned long long)records,
           (unsigned long long)bytes);
    fflush(stdout);
    _Exit(0); /* The client's own end takes its time, and belongs to nobody's figure. */
}
