/* eventstore/sim_parts.h: what the files of the simulated log share with one another, and with
 * nobody else.
 *
 * An append is an `op` with steps on the log's agenda: it lands, and it is reported. Steps are
 * taken in the order of their moments, and within a moment in the order in which they were put
 * down, so that one seed gives one run. Everything here is guarded by the log's lock. */
#ifndef PW_EVENTSTORE_SIM_PARTS_H
#define PW_EVENTSTORE_SIM_PARTS_H

#include "eventstore/sim.h"

#include <pthread.h>

enum sim_entry_kind { SIM_ENTRY_RECORD, SIM_ENTRY_GAP, SIM_ENTRY_DELETED };

struct sim_entry {
    uint8_t *value; /* NULL: a tombstone, or no record. */
    size_t bytes;
    int64_t at_us;
    enum sim_entry_kind kind;
};

struct sim_partition {
    struct sim_entry *entries; /* Their index is their offset. */
    int64_t start;
    int64_t end;
    int64_t room;
    int64_t lag; /* So many of the last are not shown. */
};

struct sim_op {
    struct sim_handle *handle; /* NULL when nobody waits for a report any more. */
    struct sim_op *next;       /* In the handle's list. */
    struct sim_op *previous;
    uint8_t *value;
    size_t bytes;
    uint64_t tag;
    uint64_t number; /* In the order of its handle's appends. */
    int64_t offset;  /* Where it landed, -1 before. */
    int64_t landed_at_us;
    uint32_t partition;
    uint32_t steps; /* On the agenda. */
    bool lost;
    bool ack_lost;
    bool repeated;
    bool offset_unknown;
    bool offset_falsified;
};

enum sim_step_kind { SIM_STEP_LAND, SIM_STEP_REPORT };

struct sim_step {
    int64_t due_us;
    uint64_t number;
    struct sim_op *op;
    enum sim_step_kind kind;
};

struct sim_report {
    struct sim_report *next;
    struct pw_ledger_event event;
};

/* A handle's order in one partition: what it appends later lands later, unless it was held back. */
struct sim_lane {
    int64_t last_land_us;
    struct sim_op *held;
};

struct sim_reader {
    bool on;
    bool end_due;
    int64_t next;
    int64_t seen_end;  /* What it can see by now. */
    int64_t known_end; /* One past what it was given or told of. */
    int64_t lag_us;
    bool doubts; /* The end that it was shown lagged behind what its handle knows. */
};

struct sim_handle {
    struct pw_sim_log *log;
    struct sim_handle *next;
    struct pw_ledger_wake wake;
    pthread_cond_t changed;
    struct sim_reader *readers;
    struct sim_lane *lanes;
    struct sim_op *ops; /* Not reported yet. */
    struct sim_report *reports;
    struct sim_report **reports_end;
    uint8_t *lent; /* The value that next() gave last. */
    uint64_t random;
    uint64_t op_number;
    uint32_t turn; /* The partition that is asked first. */
    uint32_t waking;
    bool wake_due;
    bool fatal;
    bool down_told;
};

struct pw_sim_log {
    pthread_mutex_t lock;
    pthread_cond_t woken; /* A wake has returned. */
    struct sim_partition *partitions;
    uint32_t partition_count;
    struct sim_handle *handles;
    struct sim_step *agenda; /* A binary heap. */
    size_t step_count;
    size_t step_room;
    uint64_t step_number;
    uint64_t random;
    uint64_t handle_number;
    int64_t now_us;
    struct pw_sim_faults faults;
    uint64_t doubt_count;
    bool down;
};

/* sim_log.c */
void *sim_must(void *memory); /* Ends the process where there is none. */
uint64_t sim_random_next(uint64_t *state);
int64_t sim_random_upto(struct pw_sim_log *log, int64_t max); /* 0 to max. */
bool sim_happens(struct pw_sim_log *log, uint32_t per_mille);

/* The end of the partition as this reader sees it. */
int64_t sim_seen_end(struct sim_handle *handle, uint32_t partition);
uint8_t *sim_copy_of(const void *value, size_t bytes);
void sim_lock(struct pw_sim_log *log);

/* Gives the lock back and wakes whom this call gave something; close waits for a wake under way. */
void sim_unlock(struct pw_sim_log *log);

/* The handle may have something to give. */
void sim_notify(struct sim_handle *handle);
int64_t sim_put_entry(struct pw_sim_log *log, uint32_t partition, enum sim_entry_kind kind,
                      const void *value, size_t bytes);

/* sim_append.c */
void sim_send(struct sim_handle *handle, uint32_t partition, const void *value, size_t bytes,
              uint64_t tag);
void sim_forget_sent(struct sim_handle *handle); /* It may still land; nothing is reported. */
void sim_run_until(struct pw_sim_log *log, int64_t now_us);
void sim_agenda_clear(struct pw_sim_log *log);

#endif
