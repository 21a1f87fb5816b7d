/* eventstore/kafka.h: the ledger on Kafka.
 *
 * Contract  As eventstore/ledger.h. Settings that the ledger rests on (acks=all, idempotence,
 *           time-outs, read_uncommitted, check.crcs) are set here and cannot be overridden; other
 *           `kafka.*` settings go to librdkafka as they are.
 * Errors    SETTING_WRONG for an unknown librdkafka setting or one of ours. LEDGER_DOWN when no
 *           broker answers. */
#ifndef PW_EVENTSTORE_KAFKA_H
#define PW_EVENTSTORE_KAFKA_H

#include "eventstore/genesis.h"

struct pw_kafka_setting {
    const char *name; /* librdkafka's name: `bootstrap.servers`, `sasl.username`, ... */
    const char *value;
};

struct pw_kafka_config {
    const char *topic; /* `proctorwise.ledger` */
    const struct pw_kafka_setting *settings;
    size_t setting_count;
    bool reads_only; /* No producer: append and renew give LEDGER_DOWN. */
};

/* Opens a handle. The partition count is asked for, for up to timeout_ms, so a broker must answer:
 * LEDGER_DOWN otherwise, and the caller tries again later. SETTING_WRONG where there is no such
 * topic. wake.wake may be NULL. From then on the handle finds its way back to the brokers by
 * itself. check() knows a broker before 4.0 by `inter.broker.protocol.version`, which 4.0 took away;
 * it must be allowed DescribeConfigs on the topic and on the cluster. With several replicas LOST comes
 * only after 5 s: a broker that hung and woke up answers from an older log until it knows that
 * another leads. */
enum pw_code pw_kafka_open(const struct pw_kafka_config *config, struct pw_ledger_wake wake,
                           int timeout_ms, struct pw_ledger *ret_ledger, struct pw_err *err);

/* `admin ledger create`: the topic with its settings where there is none, then a genesis at offset
 * 0 of every partition that has none. Safe to repeat, and after a kill at any moment: partitions
 * without a genesis get the ledger id of those that have one. replication_factor 3 brings
 * min.insync.replicas=2. *ret_created is false when everything was there. */
enum pw_code pw_kafka_create(const struct pw_kafka_config *config,
                             const struct pw_ledger_plan *plan, bool *ret_created,
                             struct pw_id *ret_ledger_id, struct pw_err *err);

#endif
