/* eventstore/sim.h: the ledger in one process, with every fault of a network and a broker, out of
 * one seed.
 *
 * Contract  As eventstore/ledger.h. A pw_sim_log is the broker: any number of handles (writers,
 * readers) share it, from any thread. Time is the log's own: it moves only by pw_sim_advance, so a
 * run with one seed and one thread is the same each time. Faults are chances in 1/1000 per append,
 * 0 by default: then it is a plain, honest log.
 *
 * No falsified report names the next unread offset: a reader that trusts a fitting report could not
 * see that, and no client is known to lie so.
 *
 * Owner     A log outlives its handles; values are copied in and out.
 *
 * Threads   The log is guarded by one lock. `wake` is called when that was given back, but still
 * inside the call that gave it reason, so also inside the handle's own append: it must not call
 * back into the log. */
#ifndef PW_EVENTSTORE_SIM_H
#define PW_EVENTSTORE_SIM_H

#include "eventstore/ledger.h"

struct pw_sim_log;

struct pw_sim_faults {
    uint32_t lose;             /* It never lands, and is reported FAILED. */
    uint32_t lose_ack;         /* It lands, but is reported FAILED. */
    uint32_t repeat;           /* It lands twice. */
    uint32_t late;             /* Reported FAILED, and lands up to late_us_max later. */
    uint32_t reorder;          /* Lands after its successor. */
    uint32_t offset_unknown;   /* Reported with offset -1. */
    uint32_t offset_falsified; /* Reported 1 to 3 too high, or as 0. */
    uint32_t fatal;            /* All in flight fail; appends are not taken until renew. */
    int64_t
        delay_us_max; /* Landing and report each take 0 to this long. 0: they are there at once. */
    int64_t late_us_max;
    int64_t read_lag_us_max; /* A reader sees what lands after its read_from up to so much later. */
};

struct pw_sim_log *pw_sim_log_new(uint32_t partition_count, uint64_t seed, int64_t now_us);
void pw_sim_log_free(struct pw_sim_log *log);
void pw_sim_set_faults(struct pw_sim_log *log, const struct pw_sim_faults *faults);

/* Moves the log's time: what falls due lands and is reported, each at its own moment. */
void pw_sim_advance(struct pw_sim_log *log, int64_t us);
int64_t pw_sim_now_us(struct pw_sim_log *log);

/* Down: what would land or be reported meanwhile is reported FAILED, and what would land is lost;
 * reads get nothing, until up again. */
void pw_sim_set_down(struct pw_sim_log *log, bool down);

/* As after a fail-over of the log's own: readers are not shown the last `count` records of a partition,
 * until 0 is set again. Who knows of more, as readers of a log with several replicas may, is told no end
 * meanwhile. */
void pw_sim_set_lag(struct pw_sim_log *log, uint32_t partition, int64_t count);

/* How many reads were told no end because it lagged behind what their handle knew. */
uint64_t pw_sim_doubt_count(struct pw_sim_log *log);

/* What a stranger or an operator may do to a real log. */
int64_t pw_sim_put(struct pw_sim_log *log, uint32_t partition, const void *value,
                   size_t value_bytes); /* Gives its offset. value NULL: a tombstone. */
void pw_sim_skip_offset(struct pw_sim_log *log,
                        uint32_t partition); /* A transaction marker's gap. */
void pw_sim_truncate(struct pw_sim_log *log, uint32_t partition, int64_t end_offset);
void pw_sim_delete_before(struct pw_sim_log *log, uint32_t partition, int64_t start_offset);

/* Writes the genesis of every partition that is empty. */
enum pw_code pw_sim_create(struct pw_sim_log *log, const struct pw_id *ledger_id,
                           int64_t horizon_us);

/* A handle on the log. */
enum pw_code pw_sim_open(struct pw_sim_log *log, struct pw_ledger_wake wake,
                         struct pw_ledger *ret_ledger);

/* Reads a value as it lies in the log: false past the end, in a gap, or where it was deleted. The value is a copy in
 * *ret_value (malloc; NULL for a tombstone); free it. */
bool pw_sim_get(struct pw_sim_log *log, uint32_t partition, int64_t offset, uint8_t **ret_value,
                size_t *ret_value_bytes);
int64_t pw_sim_end(struct pw_sim_log *log, uint32_t partition);

#endif
