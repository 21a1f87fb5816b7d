/* projections/worker_internal.h: what the parts of the worker share: worker.c (life and status),
 * worker_read.c (the ledger in), worker_store.c (rows and positions out). Nobody else includes it. */
#ifndef PW_PROJECTIONS_WORKER_INTERNAL_H
#define PW_PROJECTIONS_WORKER_INTERNAL_H

#include "commands/fold.h"
#include "projections/worker.h"

#include <pthread.h>

#define BATCH_ROWS_MAX  1000
#define BATCH_BYTES_MAX (4U << 20)
#define BATCH_PACE_US   (10 * PW_US_PER_MS) /* Between batches that are not full. */
#define BATCH_AGE_US    (50 * PW_US_PER_MS) /* No row waits longer; positions alone move this often. */
#define LOOK_US         (250 * PW_US_PER_MS) /* Between looks of a worker that stands by. */
#define IDLE_US         PW_US_PER_SECOND     /* The same of one that has nothing to write. */
#define PASS_US         (20 * PW_US_PER_MS)  /* Between looks of one that waits to be passed. */
#define GRACE_US        PW_US_PER_SECOND     /* A writer that does not write for so long is gone. */
#define SLICE_US        (100 * PW_US_PER_MS) /* A step reads no longer than this. */
#define PAUSE_US_MIN    (50 * PW_US_PER_MS)
#define PAUSE_US_MAX    PW_US_PER_SECOND

enum phase { OPENING, READING_POSITIONS, READING, STOPPED };

struct partition {
    struct pw_fold fold;
    struct pw_stored_position stored;
    bool reading;    /* read_from was asked for. */
    bool check_head; /* The first record read must be that of the snapshot. */
    bool verified;   /* The stored record was met and has the stored hash; or none is stored. */
    bool caught_up;  /* Was told that it has everything, since it began to read. */
    bool
        end_is_new; /* It began to read after the stored position was read: what its log's end leaves out is gone. */
    int64_t end_offset;
    int64_t void_checked_at; /* The head that was read again because a void record came after it. */
};

/* What is in memory beyond the stored positions is the batch: the rows of records from
 * stored.record_offset + 1 to fold.chain.head_offset of each partition. Only a writer has any. */
struct pw_worker {
    struct pw_worker_options options;
    struct pw_ledger ledger; /* Open in every phase but OPENING, unless that phase was the last. */
    bool ledger_open;
    bool ledger_down;
    enum phase phase;
    struct partition *partitions;
    struct pw_stored_position *read; /* The positions as last read: one per partition. */
    uint32_t partition_count;
    struct pw_id ledger_id;   /* Nil until known. */
    uint32_t generation;      /* Whose rows it writes; 0 until the first look. */
    uint32_t read_generation; /* Of the positions as last read. */

    bool is_writer;
    int64_t epoch;
    int64_t still_since_us; /* Standing by: when the stored positions last moved. */
    int64_t next_look_us;
    struct pw_ledger_event in_hand; /* Standing by: a record that the writer has not written yet. */
    bool has_in_hand;

    struct pw_batch *batch;
    uint32_t attempts; /* To write this batch. */
    int64_t
        batch_since_us; /* When the first record came that is beyond the stored ones; 0: none. */
    int64_t last_batch_us;

    int64_t paused_until_us;
    int64_t pause_us;
    bool galera_down;

    struct pw_worker_counters counters;
    int64_t taking_offset; /* The record that is being folded. */
    struct pw_err row_err;

    pthread_mutex_t lock; /* Guards what follows. */
    pthread_cond_t wake;
    bool stopping;
    struct pw_worker_status status;
    struct pw_worker_partition *shown;
    pthread_t thread;
    bool has_thread;
};

/* worker.c */
int64_t worker_now_us(const struct pw_worker *worker);
void worker_say(struct pw_worker *worker, bool is_error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Stops it for good, saying why. */
void worker_halt(struct pw_worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Waits before the next try, longer each time; worker_works ends that. */
void worker_pause(struct pw_worker *worker, const struct pw_err *why);
void worker_works(struct pw_worker *worker);
/* Tells why it cannot go on just now; worker_works ends that too. */
void worker_waits(struct pw_worker *worker, const char *why);
/* Sleeps until a stop is asked for, or this long at most. */
void worker_nap(struct pw_worker *worker, int64_t us);

/* worker_read.c */
void worker_read(struct pw_worker *worker, int timeout_ms);
/* Folds the partition again, from its beginning. */
void worker_refold(struct pw_worker *worker, struct partition *partition);
/* Puts a fold that has not begun to where the newest snapshot stands that is not beyond the stored
 * position; without one it begins at offset 0. */
void worker_restore(struct pw_worker *worker, struct partition *partition);

/* worker_store.c */
void worker_read_positions(struct pw_worker *worker);
void worker_take_epoch(struct pw_worker *worker);
void worker_give_back_epoch(struct pw_worker *worker);
void worker_write(struct pw_worker *worker);
bool worker_has_batch(const struct pw_worker *worker);

#endif
