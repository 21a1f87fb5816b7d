/* commands/tests/engine_rig.h: engines on one simulated log, one thread, a clock turned by hand. */
#ifndef PW_COMMANDS_TESTS_ENGINE_RIG_H
#define PW_COMMANDS_TESTS_ENGINE_RIG_H

#include "commands/engine.h"
#include "commands/fold.h"
#include "commands/tests/check.h"
#include "eventstore/sim.h"

#define RIG_NODES_MAX      4
#define RIG_PARTITIONS_MAX 16
#define RIG_MISSES_US      (400 * PW_US_PER_MS) /* Two answers without the partition. */
#define RIG_START_US       INT64_C(1800000000000000)
#define RIG_HORIZON_US     (24 * 60 * PW_US_PER_MINUTE)

struct rig;

struct rig_node {
    struct rig *rig;
    struct pw_engine *engine; /* NULL: not running. */
    char name[8];
    struct pw_id incarnation;
    bool never_leads;
    int64_t skew_us; /* Of its wall clock from the log's time. */
    uint64_t observed_count;
    uint64_t restored_tenants; /* Told of in place of events. */
    char snapshots_dir[64];    /* Empty: none. */
    uint64_t snapshots_every;
    bool with_children; /* Snapshots are written by forked ones. */
    char warned[400];   /* The last warning. */
    bool stopping;
    bool cut_from[RIG_NODES_MAX];               /* It gets no answers of that node. */
    int64_t missed_at_us[RIG_PARTITIONS_MAX];   /* Since when the leader says nothing of it, */
    struct pw_id missed_of[RIG_PARTITIONS_MAX]; /* that process. */
};

struct rig {
    struct pw_sim_log *log;
    uint64_t random;
    int64_t started_us;
    struct rig_node nodes[RIG_NODES_MAX];
    enum pw_liveness peer; /* What every node is told of any other, unless they know each other. */
    struct pw_ranks ranks; /* Those that know each other; none: nobody does. */
    bool quiet;
};

/* One command as a client sends it: kept by the client, copied into a job at each try. */
struct ask {
    struct pw_job job;
    struct rig *rig;
    bool answered; /* done was called since the last send. */
    uint32_t tries;
};

void rig_open(struct rig *rig, uint64_t seed, uint32_t partition_count);
void rig_close(struct rig *rig);
uint64_t rig_random(struct rig *rig, uint64_t below);
struct pw_id rig_id(struct rig *rig); /* A UUIDv7 of now. */

/* Before any node runs: so many of them know each other, as by `cluster.nodes`, and ask each other. */
void rig_introduce(struct rig *rig, uint32_t node_count);

void rig_start(struct rig *rig, uint32_t node);
void rig_stop(struct rig *rig, uint32_t node); /* As SIGTERM; rig_crash ends it. */
void rig_crash(struct rig *rig,
               uint32_t node); /* Answers to jobs still come: a test ignores them as lost. */

/* Gives a node a directory of its own for snapshots, from its next start on. rig_close removes it. */
void rig_keep_snapshots(struct rig *rig, uint32_t node, uint64_t every);

/* The i-th newest snapshot's path; false where there is none. */
#define RIG_PATH_BYTES 200
bool rig_snapshot(struct rig *rig, uint32_t node, uint32_t partition, uint32_t i,
                  char ret_path[RIG_PATH_BYTES]);

/* Steps all engines and moves time by a millisecond, so often. */
void rig_run(struct rig *rig, uint32_t milliseconds);

/* The node that says that it leads the partition, or RIG_NODES_MAX for none or several. */
uint32_t rig_leader(struct rig *rig, uint32_t partition);

/* Runs until the ask is answered; fails after 60 simulated seconds. */
enum pw_code rig_ask(struct rig *rig, uint32_t node, struct ask *ask);
void rig_send(struct rig *rig, uint32_t node, struct ask *ask);

/* Asks, all with fresh ids. */
struct ask ask_tenant(struct rig *rig, struct pw_id *ret_tenant);
struct ask ask_draft(struct rig *rig, struct pw_id tenant, struct pw_id teacher,
                     struct pw_id *ret_exam);
struct ask ask_publish(struct rig *rig, struct pw_id tenant, struct pw_id teacher,
                       struct pw_id exam);
struct ask ask_open(struct rig *rig, struct pw_id tenant, struct pw_id teacher, struct pw_id exam,
                    int64_t starts_at_us, uint32_t capacity, struct pw_id *ret_slot);
struct ask ask_reserve(struct rig *rig, struct pw_id tenant, struct pw_id student,
                       struct pw_id slot);
struct ask ask_hold(struct rig *rig, struct pw_id tenant, struct pw_id student, struct pw_id slot);
struct ask ask_confirm(struct rig *rig, struct pw_id tenant, struct pw_id student,
                       struct pw_id reservation);
struct ask ask_cancel(struct rig *rig, struct pw_id tenant, struct pw_id student,
                      struct pw_id reservation);
struct ask ask_capacity(struct rig *rig, struct pw_id tenant, struct pw_id teacher,
                        struct pw_id slot, uint32_t capacity);

/* Runs until one that was sent is answered; fails after 60 simulated seconds. */
enum pw_code rig_answer(struct rig *rig, struct ask *ask);

/* A tenant with a published exam and a slot in two days, as the node decides them. */
struct rig_office {
    struct pw_id tenant;
    struct pw_id teacher;
    struct pw_id exam;
    struct pw_id slot;
};
void rig_furnish(struct rig *rig, uint32_t node, uint32_t capacity, struct rig_office *ret_office);

/* Opens one more such slot. */
struct pw_id rig_open_slot(struct rig *rig, uint32_t node, const struct rig_office *office,
                           uint32_t capacity);

/* Folds a partition from the log alone. */
void rig_fold_observed(struct rig *rig, uint32_t partition, const struct pw_fold_observer *observer,
                       struct pw_fold *ret_fold);
void rig_fold(struct rig *rig, uint32_t partition, struct pw_fold *ret_fold);

#endif
