/* eventstore/tests/kafka_rig.h: what tests do to a real Kafka behind the adapter's back.
 *
 * Contract  Each rig has one topic of its own with a name that no other run has, and deletes it at
 *           its close. The broker is the one of PW_TEST_KAFKA=host:port; without it the test fails
 *           and says so.
 * Errors    Every function ends the test when the broker does not do as asked. */
#ifndef PW_EVENTSTORE_TESTS_KAFKA_RIG_H
#define PW_EVENTSTORE_TESTS_KAFKA_RIG_H

#include "eventstore/kafka.h"

#include <librdkafka/rdkafka.h>

struct kafka_rig {
    char topic[64];
    uint32_t replica_count; /* 3 where there are as many brokers, else 1. */
    rd_kafka_t *client;     /* A producer without any setting of ours. */
    struct pw_kafka_setting settings[1];
    struct pw_kafka_config config; /* For pw_kafka_open and pw_kafka_create. */
};

const char *kafka_rig_servers(void);

void kafka_rig_open(struct kafka_rig *rig);
void kafka_rig_close(struct kafka_rig *rig);

/* Makes the topic; settings are those of a ledger, but for `name`, which gets `value` (NULL: all as
 * they should be). */
void kafka_rig_make_topic(struct kafka_rig *rig, uint32_t partition_count, const char *name,
                          const char *value);

/* Sets the topic's settings to those of a ledger, but for that one. */
void kafka_rig_alter_topic(struct kafka_rig *rig, const char *name, const char *value);
void kafka_rig_delete_topic(struct kafka_rig *rig);

/* The node number of the broker that leads the partition. */
int kafka_rig_leader(struct kafka_rig *rig, uint32_t partition);

/* Deletes the records before that offset. */
void kafka_rig_delete_records(struct kafka_rig *rig, uint32_t partition, int64_t offset);

/* Appends a stranger's record (NULL: a tombstone) and gives its offset. */
int64_t kafka_rig_put(struct kafka_rig *rig, uint32_t partition, const void *value,
                      size_t value_bytes);

/* A handle on a ledger that is there. */
struct pw_ledger kafka_rig_ledger(const struct pw_kafka_config *config);

/* The next event that is there, of any kind but NOTHING. */
struct pw_ledger_event kafka_rig_next(struct pw_ledger *ledger);

#endif
