/* projections/storage.h: the port to where rows and positions are kept. projections/galera_storage.h
 * is the real one; tests have one in memory that fails on demand.
 *
 * Contract  Between begin and commit everything shows as a whole or not at all. A row replaces the
 *           one that is there unless that one has a higher record_offset. move_position hits only
 *           where both offset and epoch are still what `from` says. After REDO nothing of the
 *           transaction took place; after AWAY it may have (a COMMIT whose answer was lost) or not,
 *           and what an earlier one wrote may be gone as well: read the positions before anything
 *           else. After either: rollback.
 * Owner     Arguments are borrowed for the call.
 * Threads   One handle per thread.
 * Errors    enum pw_stored, with err. */
#ifndef PW_PROJECTIONS_STORAGE_H
#define PW_PROJECTIONS_STORAGE_H

#include "projections/batch.h"

enum pw_stored {
    PW_STORED,
    PW_STORED_REDO,
    PW_STORED_AWAY,
    PW_STORED_FAULT /* It would fail again: the rows or the tables are wrong. */
};

/* A row of pw_positions. */
struct pw_stored_position {
    struct pw_id ledger_id;
    uint32_t partition_count;
    int64_t record_offset; /* -1: none yet; also where there is no row. */
    struct pw_hash head;   /* Zeros where record_offset is -1. */
    int64_t writer_epoch;  /* 0: there is no row. Below 0: given back by its writer. */
};

/* A row of pw_projections: which rows of a read model queries show, and which are being made. */
#define PW_BUILT_BY_BYTES 32
struct pw_generations {
    uint32_t shown;
    uint32_t building;                    /* Above `shown`; 0: none. */
    char built_by[PW_BUILT_BY_BYTES + 1]; /* The version of the program whose rows these are. */
};

#define PW_GENERATION_SHOWN 0

struct pw_storage {
    void *self;

    /* The positions of partitions 0 to partition_count - 1, as the whole cluster has them, outside
     * of any transaction; with PW_GENERATION_SHOWN those of the generation that queries show.
     * Which generation it is comes out of the same snapshot. FAULT when there are positions of
     * further partitions. */
    enum pw_stored (*read_positions)(void *self, const char *projection, uint32_t generation,
                                     uint32_t partition_count, uint32_t *ret_generation,
                                     struct pw_stored_position *ret_positions, struct pw_err *err);

    enum pw_stored (*begin)(void *self, struct pw_err *err);
    enum pw_stored (*upsert)(void *self, uint32_t generation, const struct pw_table *table,
                             const struct pw_batch_row *const *rows, uint32_t row_count,
                             struct pw_err *err);

    /* Makes the position's row where there is none, with record_offset -1 and epoch 0. */
    enum pw_stored (*create_position)(void *self, const char *projection, uint32_t generation,
                                      uint32_t partition, const struct pw_id *ledger_id,
                                      uint32_t partition_count, struct pw_err *err);
    enum pw_stored (*move_position)(void *self, const char *projection, uint32_t generation,
                                    uint32_t partition, const struct pw_stored_position *from,
                                    const struct pw_stored_position *to, bool *ret_hit,
                                    struct pw_err *err);

    /* As the whole cluster has them, outside of any transaction. */
    enum pw_stored (*read_generations)(void *self, const char *projection,
                                       struct pw_generations *ret_generations, struct pw_err *err);
    /* Inside a transaction; hits only where both numbers are still what `from` says. */
    enum pw_stored (*move_generations)(void *self, const char *projection,
                                       const struct pw_generations *from,
                                       const struct pw_generations *to, bool *ret_hit,
                                       struct pw_err *err);

    /* Deletes rows, up to row_count_max of them and as a transaction of its own, that belong to a
     * generation which is neither shown nor being built in the same snapshot. */
    enum pw_stored (*delete_rows)(void *self, const char *projection, const struct pw_table *table,
                                  uint32_t row_count_max, uint32_t *ret_row_count,
                                  struct pw_err *err);
    /* The same of positions: all of them. */
    enum pw_stored (*delete_positions)(void *self, const char *projection, struct pw_err *err);

    enum pw_stored (*commit)(void *self, struct pw_err *err);
    void (*rollback)(void *self);

    /* How often it has connected, and to what it is connected: for people. */
    uint64_t (*connections)(void *self);
    const char *(*node)(void *self);
    void (*close)(void *self);
};

#endif
