/* projections/batch.h: the rows of one transaction, the last one per key.
 *
 * Contract  Rows come in the order of their records; of two with one key the later replaces the
 *           earlier, which no reader could ever have seen: the batch shows as a whole or not at all.
 * Owner     Texts are copied. Rows live until the reset.
 * Threads   One owner. */
#ifndef PW_PROJECTIONS_BATCH_H
#define PW_PROJECTIONS_BATCH_H

#include "projections/projection.h"

struct pw_batch_row {
    struct pw_id tenant_id;
    struct pw_row row;
    int64_t changed_at_us;
    int64_t record_offset;
};

/* Whether the later of the two replaces the other. */
bool pw_batch_row_same_key(const struct pw_batch_row *a, const struct pw_batch_row *b);

struct pw_batch;

struct pw_batch *pw_batch_new(void);
void pw_batch_free(struct pw_batch *batch);

void pw_batch_put(struct pw_batch *batch, const struct pw_batch_row *row);
uint32_t pw_batch_count(const struct pw_batch *batch);
size_t pw_batch_bytes(const struct pw_batch *batch); /* About what they take on the wire. */

/* The rows of one table, in the order in which their keys first came: an array that lives until the
 * next call. */
const struct pw_batch_row *const *pw_batch_rows(struct pw_batch *batch,
                                                const struct pw_table *table, uint32_t *ret_count);
void pw_batch_reset(struct pw_batch *batch);

#endif
