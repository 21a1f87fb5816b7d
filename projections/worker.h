/* projections/worker.h: one read model's writer: the ledger in, rows out.
 *
 * Contract  A worker folds every partition, from offset 0 or from the newest snapshot that is not
 *           beyond the stored position, and writes the rows of what lies beyond the stored positions,
 *           in batches; a batch's rows and positions show together. Positions move
 *           over records without rows too. One worker of a read model writes at a time, the one
 *           whose epoch stands in the positions; others fold along and stand by, and take the epoch
 *           when there is something to write and the positions have not moved for a second. Whatever
 *           became of a COMMIT, the stored positions say where to go on: what a cluster forgot is
 *           folded and written again. Ledger or cluster out of reach: it waits, and goes on by
 *           itself. It stops for good, and says why, when the ledger is not the one it has read
 *           before (`diverged at partition p, offset o`), when a record cannot be taken further, or
 *           when the tables refuse a row; the other workers go on.
 *           It writes the generation that queries show: whoever has them show another one takes the
 *           old one's epoch in the same transaction (projections/rebuild.h), so that its next write
 *           misses, and it goes on in the new one.
 *
 *               OPENING -> READING_POSITIONS -> STANDBY <-> WRITING
 *                  any of them -> STOPPED, and back to READING_POSITIONS when an answer was lost
 *
 * Owner     The worker owns its ledger handle, its storage (taken at pw_worker_new) and its state.
 * Units     *_ms: durations. Counters count from the worker's start;
 *           what was committed without an answer is not among them.
 * Threads   step, drain and free from one thread; or pw_worker_start, which makes that thread, and
 *           pw_worker_stop. pw_worker_status from any.
 * Errors    In the status; pw_worker_new cannot fail. */
#ifndef PW_PROJECTIONS_WORKER_H
#define PW_PROJECTIONS_WORKER_H

#include "eventstore/ledger.h"
#include "projections/storage.h"

enum pw_worker_state {
    PW_WORKER_OPENING,        /* The ledger cannot be opened yet. */
    PW_WORKER_CATCHING_UP,    /* Reads what was there before it. */
    PW_WORKER_LIVE,           /* Has read all that there is. */
    PW_WORKER_WAITING_LEDGER, /* The ledger is out of reach. */
    PW_WORKER_WAITING_GALERA, /* The read models are. */
    PW_WORKER_STANDBY,        /* Another process writes. */
    PW_WORKER_STOPPED,        /* For good: see the reason. */
    PW_WORKER_STATE_COUNT
};
const char *pw_worker_state_name(enum pw_worker_state state); /* `catching_up` */

/* A line for the log: plain words, no personal data. */
struct pw_worker_log {
    void *self;
    void (*line)(void *self, bool is_error, const char *projection, const char *message);
};

struct pw_worker_options {
    const struct pw_projection *projection;
    uint32_t generation;    /* PW_GENERATION_SHOWN: whichever queries show. */
    struct pw_id ledger_id; /* Nil: that of the stored positions, or else of the ledger. */

    /* Opens the worker's own handle; called again, with pauses, until it succeeds. */
    enum pw_code (*open_ledger)(void *self, struct pw_ledger *ret_ledger, struct pw_err *err);
    void *open_ledger_self;

    struct pw_storage storage;
    const char *snapshots_dir;           /* NULL: it reads none. Outlives the worker. */
    struct pw_worker_log log;            /* line NULL: nothing is told. */
    int64_t (*monotonic_us)(void *self); /* NULL: CLOCK_MONOTONIC. */
    void *monotonic_self;
    uint32_t batch_rows_max; /* 0: 1,000. */
};

struct pw_worker_partition {
    int64_t stored_offset; /* What the rows show; -1: nothing yet. */
    int64_t read_offset;   /* The next one to fold. */
    int64_t end_offset;    /* The log's end as last told; -1: not yet. */
    int64_t decided_at_us; /* Of the last record folded. */
    uint64_t void_count;
};

struct pw_worker_counters {
    uint64_t batches;        /* Committed, with rows. */
    uint64_t position_moves; /* Committed, without. */
    uint64_t rows;           /* Written in these. */
    uint64_t redone;         /* Batches that were written more than once. */
    uint64_t connections;    /* To the cluster; each beyond the first is a reconnect. */
    uint64_t epochs_taken;
    uint64_t epochs_lost; /* To another writer. */
    uint64_t refolds;     /* Partitions folded again. */
    uint64_t restores;    /* Partitions that went on from a snapshot. */
};

struct pw_worker_status {
    enum pw_worker_state state;
    char reason[240]; /* Why it waits or stopped, else empty. */
    char node[272];   /* The cluster's node that it writes through, or wrote last. */
    uint32_t generation;
    uint32_t partition_count; /* 0 until the ledger was opened. */
    bool writes;              /* It has the epoch. */
    struct pw_worker_counters counters;
};

struct pw_worker;

/* Takes the storage. */
struct pw_worker *pw_worker_new(const struct pw_worker_options *options);

/* Of a worker whose thread, if any, was stopped. NULL is nothing. */
void pw_worker_free(struct pw_worker *worker);

/* Does what there is to do, waiting up to timeout_ms for something. */
void pw_worker_step(struct pw_worker *worker, int timeout_ms);

/* Finishes the batch under way, and gives the epoch back so that another need not wait for it.
 * False when the batch could not be finished; nothing is lost by that. */
bool pw_worker_drain(struct pw_worker *worker);

/* The thread that steps until it is stopped, then drains. False when no thread can be made. */
bool pw_worker_start(struct pw_worker *worker);
void pw_worker_stop(struct pw_worker *worker); /* Returns when the thread has ended. */

/* A snapshot; the partitions, up to partition_room of them, into ret_partitions (may be NULL). */
void pw_worker_status(struct pw_worker *worker, struct pw_worker_status *ret_status,
                      struct pw_worker_partition *ret_partitions, uint32_t partition_room);

#endif
