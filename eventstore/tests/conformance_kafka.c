/* eventstore/tests/conformance_kafka.c: the suite on a real broker, PW_TEST_KAFKA=host:port. Each
 * case has a topic of its own. Strangers write through librdkafka itself. */
#include "eventstore/tests/conformance.h"
#include "eventstore/tests/kafka_rig.h"

#include <stdio.h>
#include <time.h>

#define HORIZON_US   (24 * 60 * PW_US_PER_MINUTE)
#define PATIENCE_MS  30000
#define STRANGER_MAX 8

struct kafka_fixture {
    struct kafka_rig rig;
    rd_kafka_t *watcher;                 /* A consumer without any setting of ours. */
    rd_kafka_t *strangers[STRANGER_MAX]; /* Transactional producers, kept until the end. */
    uint32_t stranger_count;
    char key[64];
};

static void create(struct kafka_fixture *fixture, uint32_t partition_count,
                   const struct pw_id *ledger_id)
{
    const struct pw_ledger_plan plan = {
        .partition_count = partition_count,
        .replication_factor = 1,
        .horizon_us = HORIZON_US,
        .ledger_id = *ledger_id,
    };
    struct pw_id created_id;
    struct pw_err err = {0};
    bool created = false;

    if (pw_kafka_create(&fixture->rig.config, &plan, &created, &created_id, &err) != PW_OK) {
        FAIL("pw_kafka_create: %s", err.detail);
    }
    CHECK(created);
    CHECK(pw_id_equal(&created_id, ledger_id));
}

static void watcher_open(struct kafka_fixture *fixture)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256] = "";

    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_rig_servers(), text, sizeof text);
    rd_kafka_conf_set(conf, "isolation.level", "read_uncommitted", text, sizeof text);
    fixture->watcher = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (fixture->watcher == NULL) {
        FAIL("a consumer: %s", text);
    }
}

static void begin(void *self, uint32_t partition_count, const struct pw_id *ledger_id)
{
    struct kafka_fixture *fixture = self;

    kafka_rig_open(&fixture->rig);
    watcher_open(fixture);
    create(fixture, partition_count, ledger_id);
}

static void end(void *self)
{
    struct kafka_fixture *fixture = self;

    while (fixture->stranger_count > 0) {
        rd_kafka_destroy(fixture->strangers[--fixture->stranger_count]);
    }
    rd_kafka_destroy(fixture->watcher);
    kafka_rig_close(&fixture->rig);
}

static void open_handle(void *self, struct pw_ledger_wake wake, struct pw_ledger *ret_ledger)
{
    struct kafka_fixture *fixture = self;
    struct pw_err err = {0};

    if (pw_kafka_open(&fixture->rig.config, wake, PATIENCE_MS, ret_ledger, &err) != PW_OK) {
        FAIL("pw_kafka_open: %s", err.detail);
    }
}

static int64_t put(void *self, uint32_t partition, const void *value, size_t value_bytes)
{
    struct kafka_fixture *fixture = self;

    return kafka_rig_put(&fixture->rig, partition, value, value_bytes);
}

static void good(rd_kafka_error_t *error, const char *what)
{
    if (error != NULL) {
        FAIL("%s: %s", what, rd_kafka_error_string(error));
    }
}

static rd_kafka_t *stranger_new(struct kafka_fixture *fixture)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256] = "";
    char id[sizeof fixture->rig.topic + 16];

    snprintf(id, sizeof id, "%s-%u", fixture->rig.topic, fixture->stranger_count);
    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_rig_servers(), text, sizeof text);
    rd_kafka_conf_set(conf, "transactional.id", id, text, sizeof text);
    rd_kafka_t *stranger = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (stranger == NULL) {
        FAIL("a transactional producer: %s", text);
    }
    CHECK(fixture->stranger_count < STRANGER_MAX);
    fixture->strangers[fixture->stranger_count++] = stranger;
    good(rd_kafka_init_transactions(stranger, PATIENCE_MS), "init_transactions");
    return stranger;
}

static int64_t high_watermark(struct kafka_fixture *fixture, uint32_t partition)
{
    int64_t low;
    int64_t high;

    CHECK_EQ(rd_kafka_query_watermark_offsets(fixture->watcher, fixture->rig.topic,
                                              (int32_t)partition, &low, &high, PATIENCE_MS),
             RD_KAFKA_RESP_ERR_NO_ERROR);
    return high;
}

/* The coordinator answers a commit or abort before the marker stands in the partition. */
static void await_marker(struct kafka_fixture *fixture, uint32_t partition, int64_t end_before)
{
    const struct timespec step = {.tv_nsec = 5 * 1000 * 1000};

    for (int i = 0; i < PATIENCE_MS / 5; i++) {
        if (high_watermark(fixture, partition) == end_before + 2) {
            return;
        }
        nanosleep(&step, NULL);
    }
    FAIL("no marker came");
}

static void put_in_transaction(void *self, uint32_t partition, const void *value,
                               size_t value_bytes, enum conformance_transaction outcome)
{
    struct kafka_fixture *fixture = self;
    rd_kafka_t *stranger = stranger_new(fixture);
    int64_t end_before = high_watermark(fixture, partition);

    good(rd_kafka_begin_transaction(stranger), "begin_transaction");
    rd_kafka_resp_err_t failed = rd_kafka_producev(
        stranger, RD_KAFKA_V_TOPIC(fixture->rig.topic), RD_KAFKA_V_PARTITION((int32_t)partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value_bytes), RD_KAFKA_V_END);
    CHECK_EQ(failed, RD_KAFKA_RESP_ERR_NO_ERROR);
    CHECK_EQ(rd_kafka_flush(stranger, PATIENCE_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    if (outcome == TRANSACTION_COMMITTED) {
        good(rd_kafka_commit_transaction(stranger, PATIENCE_MS), "commit_transaction");
    } else if (outcome == TRANSACTION_ABORTED) {
        good(rd_kafka_abort_transaction(stranger, PATIENCE_MS), "abort_transaction");
    }
    if (outcome != TRANSACTION_OPEN) {
        await_marker(fixture, partition, end_before);
    }
}

static void delete_before(void *self, uint32_t partition, int64_t offset)
{
    struct kafka_fixture *fixture = self;

    kafka_rig_delete_records(&fixture->rig, partition, offset);
}

static void replace(void *self, uint32_t partition_count, const struct pw_id *ledger_id)
{
    struct kafka_fixture *fixture = self;

    kafka_rig_delete_topic(&fixture->rig);
    create(fixture, partition_count, ledger_id);
}

static uint32_t partition_of(void *self, struct pw_str key_text, uint32_t partition_count)
{
    (void)self;
    return (uint32_t)rd_kafka_msg_partitioner_murmur2(NULL, key_text.ptr, key_text.len,
                                                      (int32_t)partition_count, NULL, NULL);
}

static struct pw_str key_at(void *self, uint32_t partition, int64_t offset)
{
    struct kafka_fixture *fixture = self;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(fixture->watcher, fixture->rig.topic, NULL);
    CHECK_EQ(rd_kafka_consume_start(topic, (int32_t)partition, offset), 0);
    rd_kafka_message_t *message = rd_kafka_consume(topic, (int32_t)partition, PATIENCE_MS);
    CHECK(message != NULL && message->err == RD_KAFKA_RESP_ERR_NO_ERROR);
    CHECK_EQ(message->offset, offset);
    CHECK(message->key_len <= sizeof fixture->key);
    struct pw_str key = {fixture->key, message->key_len};
    if (key.len > 0) {
        memcpy(fixture->key, message->key, key.len);
    }
    rd_kafka_message_destroy(message);
    rd_kafka_consume_stop(topic, (int32_t)partition);
    rd_kafka_topic_destroy(topic);
    return key;
}

int main(int argc, char **argv)
{
    struct kafka_fixture self = {.stranger_count = 0};
    const struct conformance_fixture fixture = {
        .name = "kafka",
        .self = &self,
        .begin = begin,
        .end = end,
        .open = open_handle,
        .put = put,
        .put_in_transaction = put_in_transaction,
        .delete_before = delete_before,
        .replace = replace,
        .partition_of = partition_of,
        .key_at = key_at,
    };

    return conformance_run(&fixture, argc, argv);
}
