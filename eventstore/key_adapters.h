/* eventstore/key_adapters.h: where wrapped keys can lie: in a compacted topic of Kafka, in files, or, for tests, in memory.
 *
 * Contract  As eventstore/key_log.h. pw_key_kafka_* are in the library of the Kafka adapter. */
#ifndef PW_EVENTSTORE_KEY_ADAPTERS_H
#define PW_EVENTSTORE_KEY_ADAPTERS_H

#include "eventstore/kafka.h"
#include "eventstore/key_log.h"

/* --- Kafka: a topic of one partition, docs/keys.md, section 4 --- */

/* config->topic is the topic of the keys. A broker must answer within timeout_ms. A write waits for its confirmation up to 30 s, and is
 * written again meanwhile where its fate is unknown; a read waits up to 10 s for the next record. */
enum pw_code pw_key_kafka_open(const struct pw_kafka_config *config, int timeout_ms,
                               struct pw_key_log *ret_log, struct pw_err *err);

/* The topic with its settings, where there is none; checked where there is one. Safe to repeat. */
enum pw_code pw_key_kafka_create(const struct pw_kafka_config *config, uint32_t replication_factor,
                                 bool *ret_created, struct pw_err *err);

/* --- Files: a directory with a file for each key --- */

/* SETTING_WRONG: there is no such directory, or others have a right to it. */
enum pw_code pw_key_file_open(const char *dir, struct pw_key_log *ret_log, struct pw_err *err);
enum pw_code pw_key_file_create(const char *dir, bool *ret_created, struct pw_err *err);

/* --- Memory: what Kafka does, with the faults of a network and by hand the moments of its cleaner --- */

struct pw_key_sim;

enum pw_key_sim_fault {
    PW_KEY_SIM_LOSE,     /* The write never lands, and LEDGER_DOWN is reported. */
    PW_KEY_SIM_LOSE_ACK, /* It lands, but LEDGER_DOWN is reported. */
    PW_KEY_SIM_LATE      /* LEDGER_DOWN is reported, and it lands at pw_key_sim_land. */
};

struct pw_key_sim *pw_key_sim_new(void);
void pw_key_sim_free(struct pw_key_sim *sim); /* After its handles. */
struct pw_key_log pw_key_sim_open(struct pw_key_sim *sim);

/* The write after `writes` others goes wrong. */
void pw_key_sim_fail(struct pw_key_sim *sim, uint32_t writes, enum pw_key_sim_fault fault);
void pw_key_sim_land(struct pw_key_sim *sim);
void pw_key_sim_set_down(struct pw_key_sim *sim, bool down);

/* Called once, before the next write is carried out: what another process does meanwhile. */
void pw_key_sim_before_write(struct pw_key_sim *sim, void (*hook)(void *self), void *self);

/* The cleaner: of each key only the last record stays, and of tombstones none if they are old. The last open_count records lie in the
 * segment that is written to, which it neither touches nor looks at. */
void pw_key_sim_compact(struct pw_key_sim *sim, size_t open_count, bool tombstones_are_old);

/* A stranger's record; value NULL: a tombstone. */
void pw_key_sim_put(struct pw_key_sim *sim, struct pw_str log_key, const void *value,
                    size_t value_bytes);

#endif
