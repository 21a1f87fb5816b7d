/* eventstore/kafka_parts.h: what the files of the Kafka adapter share with one another, and with
 * nobody else.
 *
 * A handle has two clients of librdkafka: one reads and asks, one (unless reads_only) appends. Each
 * has one queue that all its events come through, a `source`; librdkafka's threads ring the
 * handle's bell when a queue that was empty holds something. So no thread of ours polls, and nobody
 * polls an empty queue. */
#ifndef PW_EVENTSTORE_KAFKA_PARTS_H
#define PW_EVENTSTORE_KAFKA_PARTS_H

#include "eventstore/kafka.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#define KAFKA_ERROR_BYTES 160

struct pw_kafka;
struct kafka_rules;

struct kafka_source {
    rd_kafka_queue_t *queue; /* NULL while there is no client. */
    struct pw_kafka *kafka;
    atomic_bool ready;       /* The queue may hold something. */
    rd_kafka_event_t *event; /* Whose messages and texts next() lends out, or NULL. */
};

/* What is being read of one partition. */
struct kafka_reading {
    bool on;
    bool doubted; /* The offset was out of range, and nothing has come since. */
    int64_t doubted_at_ms;
    int64_t next_offset;
    int64_t seen_end; /* Kept over reads: one past the highest offset that was read or reported. */
    int64_t told_end; /* The last END of this read; -1: none yet. */
    bool end_is_open; /* Records were given since, and no END after them. */
    bool is_behind;   /* All that was fetched is given, and the log has more. */
};

/* What was appended since the last flush: one record at a time would be one request each, since the
 * client's thread takes what it finds at once. */
struct kafka_outbox {
    rd_kafka_message_t
        *messages; /* KAFKA_OUTBOX_RECORDS of them; payloads and keys lie in bytes. */
    uint32_t count;
    uint8_t *bytes;
    size_t bytes_used;
};
#define KAFKA_OUTBOX_RECORDS 512
#define KAFKA_OUTBOX_BYTES   (1024 * 1024)

/* An append that the client did not take: told by next(). */
struct kafka_untaken {
    uint32_t partition;
    uint64_t tag;
    rd_kafka_resp_err_t error;
};

struct pw_kafka {
    char *topic;
    struct pw_kafka_setting *settings; /* Copies, for the producers that renew makes. */
    size_t setting_count;
    bool reads_only;
    const struct kafka_rules *rules; /* Of its topic. */
    uint32_t partition_count;
    uint32_t replica_count; /* As last heard. */
    struct pw_ledger_wake wake;
    int bell_fd; /* An eventfd, for next() with a time-out. */

    rd_kafka_t *consumer;
    rd_kafka_topic_t *read_topic;
    struct kafka_source reader;
    struct kafka_reading *readings; /* partition_count of them. */
    uint32_t open_end_count;        /* Of readings whose end_is_open, at least. */
    uint32_t behind_count;          /* Of readings that are behind. */
    int64_t nudged_at_ms;
    uint64_t given_count;      /* Records. */
    uint64_t next_refill;      /* Of given_count: no question before. */
    rd_kafka_queue_t *answers; /* To questions that only wake librdkafka's threads. */
    bool has_asked;            /* And the answer has not come. */

    rd_kafka_t *producer; /* NULL when reads_only, or when renew could not make one. */
    rd_kafka_topic_t *write_topic;
    struct kafka_source writer;
    struct kafka_outbox outbox;
    struct kafka_untaken *untaken;
    uint32_t untaken_count;
    uint32_t untaken_room;
    uint32_t untaken_told; /* So many of them. */
    pthread_t reaper;      /* Destroys the producer before this one. */
    bool reaping;

    bool writer_first;    /* Whose turn it is in next(). */
    bool down_told;       /* DOWN was given, and no sign of life has come since. */
    bool reader_was_idle; /* Since DOWN: what comes now was not fetched before it. */
    bool writer_was_idle; /* Likewise: what is reported now was not on its way before it. */
    struct pw_str
        given_key; /* Of the RECORD that was given last. The ledger's rules do not read it. */
    char last_error[KAFKA_ERROR_BYTES];
    char detail[2 * KAFKA_ERROR_BYTES]; /* Of the event that was given last. */
};

/* kafka_conf.c: a client with our settings and the caller's. SETTING_WRONG for a setting that is ours
 * or nobody's. */
enum pw_code kafka_client_new(const struct pw_kafka_config *config, rd_kafka_type_t type,
                              rd_kafka_t **ret_client, struct pw_err *err);

/* kafka.c */
int64_t kafka_now_ms(void);       /* Of a clock that only measures. */
void *kafka_memory(void *memory); /* The same; ends the process where there is none. */

void kafka_source_open(struct kafka_source *source, struct pw_kafka *kafka,
                       rd_kafka_queue_t *queue);
void kafka_source_close(struct kafka_source *source);

/* The next event of librdkafka, kept in source->event; false when there is none. */
bool kafka_source_poll(struct kafka_source *source);

/* A client's error (not a partition's), in source->event. True when it is an event for the caller
 * of next(). */
bool kafka_client_error(struct pw_kafka *kafka, const struct kafka_source *source,
                        struct pw_ledger_event *ret_event);

/* Tells DOWN, unless it was told already. */
bool kafka_tell_down(struct pw_kafka *kafka, const char *detail, struct pw_ledger_event *ret_event);

/* kafka_writer.c */
enum pw_code kafka_writer_open(struct pw_kafka *kafka, struct pw_err *err);
void kafka_writer_close(struct pw_kafka *kafka);
bool kafka_writer_take(struct pw_kafka *kafka, struct pw_ledger_event *ret_event);
enum pw_code kafka_append(void *self, uint32_t partition, struct pw_str key_text, const void *value,
                          size_t value_bytes, uint64_t tag, struct pw_err *err);
void kafka_flush(void *self);
enum pw_code kafka_renew(void *self, struct pw_err *err);

/* kafka_reader.c */
enum pw_code kafka_reader_open(struct pw_kafka *kafka, struct pw_err *err);
void kafka_reader_close(struct pw_kafka *kafka);
/* An offset that exists: an end below it is doubted for a while. */
void kafka_saw(struct pw_kafka *kafka, uint32_t partition, int64_t offset);
bool kafka_reader_take(struct pw_kafka *kafka, struct pw_ledger_event *ret_event);
/* Sees to it that a reader that is behind is fetched for. Never waits. */
void kafka_nudge(struct pw_kafka *kafka);
#define KAFKA_NUDGE_MS 10
enum pw_code kafka_read_from(void *self, uint32_t partition, int64_t offset, struct pw_err *err);
void kafka_read_stop(void *self, uint32_t partition);
void kafka_ledger_saw(void *self, uint32_t partition, int64_t offset);
uint64_t kafka_size(void *self, uint32_t partition);

/* What a topic must be set to. */
enum kafka_relation { KAFKA_EXACTLY, KAFKA_AT_LEAST, KAFKA_AT_MOST };
struct kafka_rule {
    const char *name;
    const char *wanted; /* A number, but for KAFKA_EXACTLY. */
    enum kafka_relation relation;
};
struct kafka_rules {
    const struct kafka_rule *items;
    size_t count;
};

/* kafka_create.c: the topic as the plan wants it and with these settings, made where there is none. */
enum pw_code kafka_topic_ensure(const struct pw_kafka_config *config,
                                const struct pw_ledger_plan *plan, const struct kafka_rules *rules,
                                bool *ret_created, struct pw_err *err);

/* kafka_check.c. A topic that was just made is not known to every broker yet; so one that is not
 * there is asked for again, for that long. */
#define KAFKA_MISSING_MS 1000

enum pw_code kafka_check(void *self, struct pw_err *err);
enum pw_code kafka_topic_check(rd_kafka_t *client, const char *topic,
                               const struct kafka_rules *rules, uint32_t replica_count,
                               struct pw_err *err);
enum pw_code kafka_brokers_check(rd_kafka_t *client, const char *topic, struct pw_err *err);
/* SETTING_WRONG. */
enum pw_code kafka_no_topic(const char *topic, struct pw_err *err);

/* The partitions and replicas (the fewest of any partition) of a topic; a topic that does not exist
 * has 0 partitions and is PW_OK. */
struct kafka_shape {
    uint32_t partition_count;
    uint32_t replica_count;
    bool is_led; /* Every partition has a leader. */
};
enum pw_code kafka_shape_of(rd_kafka_t *client, const char *topic, int timeout_ms,
                            struct kafka_shape *ret_shape, struct pw_err *err);

/* The same, but waits up to missing_ms until the topic is there and every partition is led. */
enum pw_code kafka_shape_await(rd_kafka_t *client, const char *topic, int timeout_ms,
                               int missing_ms, struct kafka_shape *ret_shape, struct pw_err *err);

extern const struct kafka_rules kafka_ledger_rules;
#define KAFKA_IN_SYNC_SETTING "min.insync.replicas"

/* min.insync.replicas for so many replicas. */
uint32_t kafka_in_sync_wanted(uint32_t replica_count);

#endif
