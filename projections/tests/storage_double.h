/* projections/tests/storage_double.h: rows and positions in memory, failing on demand.
 *
 * Contract  As projections/storage.h; the first of two transactions that move one position wins, and
 *           the other must redo, as in a cluster. Any number of sessions, from any threads.
 * Threads   One lock over the store. */
#ifndef PW_PROJECTIONS_TESTS_STORAGE_DOUBLE_H
#define PW_PROJECTIONS_TESTS_STORAGE_DOUBLE_H

#include "projections/storage.h"
#include "projections/tests/scribe.h"

enum double_fault {
    DOUBLE_REDO,      /* Lost against another transaction. */
    DOUBLE_AWAY,      /* The node is lost; nothing took place. */
    DOUBLE_AWAY_DONE, /* The same, but a COMMIT took place. */
    DOUBLE_AWAY_LOST, /* The same, and so were the last two that had taken place before. */
    DOUBLE_FAULT_COUNT
};

struct double_store;

struct double_store *double_store_new(void);
void double_store_free(struct double_store *store);
struct pw_storage double_store_session(struct double_store *store);

/* The n-th operation from now on (1: the next) fails like this, once. */
void double_store_fail(struct double_store *store, uint64_t nth, enum double_fault fault);
bool double_store_failed(struct double_store *store); /* Since the last call of the above. */
void double_store_set_down(struct double_store *store, bool down);
void double_store_lose(struct double_store *store); /* The last two COMMITs are gone, in silence. */
void double_store_refuse_rows(struct double_store *store); /* Upserts are FAULTs from now on. */

uint32_t double_store_row_count(struct double_store *store, uint32_t generation,
                                const struct pw_table *table);
/* How many rows differ from those that the scribe's ledger asks for, missing and surplus ones
 * included. */
uint32_t double_store_differences(struct double_store *store, uint32_t generation,
                                  const struct scribe *scribe,
                                  const struct pw_projection *projection);
/* True where the positions are those of the scribe's heads. */
bool double_store_is_current(struct double_store *store, uint32_t generation,
                             const struct scribe *scribe, const struct pw_projection *projection);
struct pw_generations double_store_generations(struct double_store *store, const char *projection);
struct pw_stored_position double_store_position(struct double_store *store, const char *projection,
                                                uint32_t generation, uint32_t partition);
/* As another process would. */
void double_store_set_position(struct double_store *store, const char *projection,
                               uint32_t generation, uint32_t partition,
                               const struct pw_stored_position *position);

#endif
