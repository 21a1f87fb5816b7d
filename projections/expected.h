/* projections/expected.h: the rows that a read model must have, recomputed from the ledger, and the
 * first one in which its tables differ.
 *
 * Contract  Give it the events of every partition, in order, up to where the tables have come; seal
 *           it; then check every row of each table, in the order of its primary key, and finish the
 *           table. The first call that finds a difference names it and ends the check of that table.
 *           A row is equal when every column is, changed_at_us and record_offset included.
 * Owner     Texts are copied. Cells of a difference are views into the row that was given and into
 *           what is expected, good until either is gone.
 * Threads   pw_expected_take of different partitions may run at once; all else from one thread. */
#ifndef PW_PROJECTIONS_EXPECTED_H
#define PW_PROJECTIONS_EXPECTED_H

#include "eventstore/record.h"
#include "projections/batch.h"

struct pw_expected;

enum pw_difference_kind {
    PW_DIFFERENCE_NONE,
    PW_DIFFERENCE_MISSING, /* The table lacks the row. */
    PW_DIFFERENCE_SURPLUS, /* The ledger knows no such row. */
    PW_DIFFERENCE_COLUMN
};

struct pw_difference {
    enum pw_difference_kind kind;
    const struct pw_table *table;
    struct pw_id tenant_id;
    struct pw_cell key[PW_ROW_CELLS_MAX]; /* The first table->key_count of them. */
    const char *column;                   /* COLUMN: which one, and its values. */
    struct pw_cell shown;
    struct pw_cell expected;
};

struct pw_expected *pw_expected_new(const struct pw_projection *projection,
                                    uint32_t partition_count);
void pw_expected_free(struct pw_expected *expected);

/* What the projection makes of one event of the record at that offset. */
enum pw_code pw_expected_take(struct pw_expected *expected, uint32_t partition, int64_t offset,
                              const struct pw_record *record, const struct pw_event *event,
                              const struct pw_tenant *after, struct pw_err *err);

/* After the last event: brings the rows into the order of the primary keys. */
void pw_expected_seal(struct pw_expected *expected);

/* How many rows a table of the projection must have. */
uint64_t pw_expected_count(const struct pw_expected *expected, uint32_t table);

/* True where the row is the next one that is expected, and equal. */
bool pw_expected_check(struct pw_expected *expected, uint32_t table, const struct pw_batch_row *row,
                       struct pw_difference *ret_difference);

/* True where no row is left that was not checked. */
bool pw_expected_finish(struct pw_expected *expected, uint32_t table,
                        struct pw_difference *ret_difference);

#endif
