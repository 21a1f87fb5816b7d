/* projections/rebuild.h: makes a read model's rows anew, beside those that queries show, and then has
 * queries show the new ones.
 *
 * Contract  A rebuild takes a new generation, fills it by a worker of its own until that has come as
 *           far as the rows that are shown, and has queries show it, in one transaction. For that it
 *           takes the shown generation's epoch, so that those rows stand still, and writes what is
 *           missing; queries go from one generation to the other at the same positions or later
 *           ones. Its worker writes on until the rows that are not shown any more are deleted, in
 *           small transactions; who wrote the old generation meets the lost epoch at its next write,
 *           and goes on in the new one. It may be killed at any moment: what was begun stays, and
 *           the next rebuild by the same version of the program goes on there. Of two at once one
 *           writes and the other stands by; if the second begins anew, the first ends.
 *
 *               CHOOSING -> FILLING <-> CLOSING -> CLEANING -> SETTLING -> DONE
 *                  any of them -> FAILED
 *
 * Owner     It owns its ledger handle and its two storages (taken at pw_rebuild_new).
 * Threads   One.
 * Errors    In the status, when it is FAILED. READ_MODEL_DOWN and LEDGER_DOWN where it has not begun;
 *           later it waits. SETTING_WRONG: the tables are not migrated. INTERNAL: its worker stopped,
 *           or another rebuild began anew. */
#ifndef PW_PROJECTIONS_REBUILD_H
#define PW_PROJECTIONS_REBUILD_H

#include "projections/worker.h"

enum pw_rebuild_state {
    PW_REBUILD_CHOOSING, /* A generation. */
    PW_REBUILD_FILLING,
    PW_REBUILD_CLOSING,  /* The shown rows stand still; what they have more is being written. */
    PW_REBUILD_CLEANING, /* Queries show the new generation. */
    PW_REBUILD_SETTLING, /* It writes on until the nodes' workers must have noticed. */
    PW_REBUILD_DONE,
    PW_REBUILD_FAILED
};

struct pw_rebuild_options {
    const struct pw_projection *projection;
    const char *version; /* Of this program: it goes on only with rows that the same one made. */
    bool anew;           /* Not even with those. */
    bool only_cleans;    /* Deletes what earlier rebuilds have left, and makes nothing. */

    /* As a worker's. */
    enum pw_code (*open_ledger)(void *self, struct pw_ledger *ret_ledger, struct pw_err *err);
    void *open_ledger_self;
    struct pw_storage rows;        /* Its worker's. */
    struct pw_storage generations; /* Its own. */
    const char *snapshots_dir;
    struct pw_worker_log log;
    int64_t (*monotonic_us)(void *self); /* NULL: CLOCK_MONOTONIC. */
    void *monotonic_self;
    uint32_t
        batch_rows_max; /* Of the worker's batches, and of what is deleted at once; 0: 1,000. */
};

struct pw_rebuild_partition {
    int64_t stored_offset; /* What the new rows show; -1: nothing yet. */
    int64_t shown_offset;  /* What the shown ones did when they were looked at last; -1: nothing. */
    int64_t read_offset;   /* The next one to fold. */
};

struct pw_rebuild_status {
    enum pw_rebuild_state state;
    struct pw_err err;        /* FAILED: why. */
    uint32_t generation;      /* The new one; 0: not chosen yet. */
    bool is_continued;        /* An earlier rebuild had begun it. */
    uint64_t rows_deleted;    /* Of generations that are not shown. */
    uint32_t partition_count; /* 0 until its worker has opened the ledger. */
};

struct pw_rebuild;

/* Takes the storages. */
struct pw_rebuild *pw_rebuild_new(const struct pw_rebuild_options *options);

/* Does what there is to do, waiting up to timeout_ms for something. */
void pw_rebuild_step(struct pw_rebuild *rebuild, int timeout_ms);

/* The partitions, up to partition_room of them, into ret_partitions (may be NULL). */
void pw_rebuild_status(const struct pw_rebuild *rebuild, struct pw_rebuild_status *ret_status,
                       struct pw_rebuild_partition *ret_partitions, uint32_t partition_room);

/* At any time: ends it in good order, so that another writer need not wait. NULL is nothing. */
void pw_rebuild_free(struct pw_rebuild *rebuild);

#endif
