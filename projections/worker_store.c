/* projections/worker_store.c: rows and positions out. What is stored says where to go on, whatever
 * became of the last COMMIT; who writes is decided by the epoch in the positions. */
#include "projections/worker_internal.h"

#include <inttypes.h>

#define REDO_WITHOUT_PAUSE_MAX 8 /* Then others are given time to finish. */

static const char *name_of(const struct pw_worker *worker)
{
    return worker->options.projection->name;
}

bool worker_has_batch(const struct pw_worker *worker)
{
    return worker->is_writer && worker->batch_since_us != 0;
}

static bool is_ahead(const struct partition *partition)
{
    return partition->fold.chain.head_offset > partition->stored.record_offset;
}

static void forget_batch(struct pw_worker *worker)
{
    pw_batch_reset(worker->batch);
    worker->attempts = 0;
    worker->batch_since_us = 0;
}

/* What a failed use of the storage means for the worker. */
static void storage_failed(struct pw_worker *worker, enum pw_stored stored,
                           const struct pw_err *err)
{
    switch (stored) {
    case PW_STORED: break;
    case PW_STORED_REDO:
        if (worker->attempts > REDO_WITHOUT_PAUSE_MAX) {
            worker_pause(worker, NULL);
        }
        break;
    case PW_STORED_AWAY: worker->phase = READING_POSITIONS; break;
    case PW_STORED_FAULT: worker_halt(worker, "%s", err->detail); break;
    }
}

/* --- The stored positions --- */

/* True where the rows are of this ledger. */
static bool check_ledger(struct pw_worker *worker)
{
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        const struct pw_stored_position *read = &worker->read[i];
        if (read->writer_epoch == 0) {
            continue;
        }
        if (pw_id_is_nil(&worker->ledger_id)) {
            worker->ledger_id = read->ledger_id;
        }
        if (!pw_id_equal(&read->ledger_id, &worker->ledger_id) ||
            read->partition_count != worker->partition_count) {
            char id[PW_ID_TEXT_BYTES + 1];
            pw_id_format(&read->ledger_id, id);
            worker_halt(worker,
                        "diverged at partition %" PRIu32 ", offset %" PRId64
                        ": its rows are of ledger %s with %" PRIu32 " partitions",
                        i, read->record_offset, id, read->partition_count);
            return false;
        }
    }
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        worker->partitions[i].fold.chain.ledger_id = worker->ledger_id;
        worker->partitions[i].fold.chain.partition_count = worker->partition_count;
    }
    return true;
}

static void check_epoch(struct pw_worker *worker)
{
    bool is_ours = worker->is_writer && worker->generation == worker->read_generation;
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        is_ours = is_ours && worker->read[i].writer_epoch == worker->epoch;
    }
    if (worker->is_writer && !is_ours) {
        worker->is_writer = false;
        worker->counters.epochs_lost++;
        worker_say(worker, false, "another process writes now: standing by");
    }
}

/* True when nothing came of the last batch, nor of anybody else's. */
static bool nothing_moved(const struct pw_worker *worker)
{
    bool same = true;
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        same = same && worker->read[i].record_offset == worker->partitions[i].stored.record_offset;
    }
    return same;
}

/* The rows are those of another generation now. */
static void change_generation(struct pw_worker *worker)
{
    if (worker->generation != 0) {
        worker_say(worker, false, "queries show generation %" PRIu32 " now: leaving %" PRIu32,
                   worker->read_generation, worker->generation);
    }
    worker->generation = worker->read_generation;
    worker->still_since_us = worker_now_us(worker);
}

static void adopt_positions(struct pw_worker *worker)
{
    forget_batch(worker);
    if (worker->generation != worker->read_generation) {
        change_generation(worker);
    }
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        struct partition *partition = &worker->partitions[i];
        if (partition->stored.record_offset != worker->read[i].record_offset ||
            partition->stored.writer_epoch != worker->read[i].writer_epoch) {
            worker->still_since_us = worker_now_us(worker);
            partition->end_is_new = false;
        }
        partition->stored = worker->read[i];
        if (partition->stored.record_offset >= 0) {
            worker->ledger.saw(worker->ledger.self, i, partition->stored.record_offset);
        }
    }
}

/* One that lost the epoch has folded what the new writer, or the next generation's, is about to write.
 * Folding again takes longer than to wait for that, so it folds and reads nothing until they have
 * passed it, or stood still for a while. */
static bool waits_to_be_passed(const struct pw_worker *worker)
{
    bool ahead = false;
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        ahead = ahead || is_ahead(&worker->partitions[i]);
    }
    return ahead && !worker->is_writer && worker_now_us(worker) - worker->still_since_us < GRACE_US;
}

/* Goes on from the positions. Mostly the last batch is in them, and only its answer was lost; what was
 * folded beyond them is folded again. */
static void adopt_folds(struct pw_worker *worker)
{
    for (uint32_t i = 0; i < worker->partition_count && worker->phase != STOPPED; i++) {
        struct partition *partition = &worker->partitions[i];
        int64_t head_offset = partition->fold.chain.head_offset;
        if (head_offset > partition->stored.record_offset) {
            worker->counters.refolds++;
            worker_say(worker, false,
                       "partition %" PRIu32 " is folded again: its rows stand at offset %" PRId64
                       ", not %" PRId64,
                       i, partition->stored.record_offset, head_offset);
            worker_refold(worker, partition);
        } else if (head_offset < 0 && !partition->reading) {
            worker_restore(worker, partition);
        }
        const struct pw_chain *chain = &partition->fold.chain;
        partition->verified = chain->head_offset == partition->stored.record_offset;
        if (chain->head_offset >= 0 && partition->verified &&
            !pw_hash_equal(&chain->head, &partition->stored.head)) {
            worker_halt(worker, "diverged at partition %" PRIu32 ", offset %" PRId64, i,
                        chain->head_offset);
        }
    }
}

static void batch_written(struct pw_worker *worker)
{
    struct pw_worker_counters *counters = &worker->counters;
    uint32_t row_count = pw_batch_count(worker->batch);
    counters->rows += row_count;
    counters->batches += row_count > 0;
    counters->position_moves += row_count == 0;
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        struct partition *partition = &worker->partitions[i];
        if (is_ahead(partition)) {
            partition->stored.record_offset = partition->fold.chain.head_offset;
            partition->stored.head = partition->fold.chain.head;
        }
    }
    forget_batch(worker);
    worker->last_batch_us = worker_now_us(worker);
    worker_works(worker);
}

void worker_read_positions(struct pw_worker *worker)
{
    struct pw_storage *storage = &worker->options.storage;
    struct pw_err err = {0};
    enum pw_stored stored = storage->read_positions(
        storage->self, name_of(worker), worker->options.generation, worker->partition_count,
        &worker->read_generation, worker->read, &err);
    if (stored != PW_STORED) { /* A table that is not there may still be made: no reason to stop. */
        worker_pause(worker, &err);
        return;
    }
    worker_works(worker);
    if (!check_ledger(worker)) {
        return;
    }
    check_epoch(worker);
    if (worker->is_writer && nothing_moved(worker)) {
        worker->phase = READING;
        return;
    }
    adopt_positions(worker);
    if (waits_to_be_passed(worker)) {
        worker->paused_until_us = worker_now_us(worker) + PASS_US;
        return;
    }
    worker->phase = READING;
    adopt_folds(worker);
}

/* --- The epoch --- */

static enum pw_stored move_epochs(struct pw_worker *worker, int64_t epoch, bool *ret_hit,
                                  struct pw_err *err)
{
    struct pw_storage *storage = &worker->options.storage;
    enum pw_stored stored = storage->begin(storage->self, err);
    *ret_hit = true;
    for (uint32_t i = 0; stored == PW_STORED && *ret_hit && i < worker->partition_count; i++) {
        const struct pw_stored_position *from = &worker->partitions[i].stored;
        struct pw_stored_position to = *from;
        to.writer_epoch = epoch;
        if (from->writer_epoch == 0) {
            stored = storage->create_position(storage->self, name_of(worker), worker->generation, i,
                                              &worker->ledger_id, worker->partition_count, err);
        }
        if (stored == PW_STORED) {
            stored = storage->move_position(storage->self, name_of(worker), worker->generation, i,
                                            from, &to, ret_hit, err);
        }
    }
    if (stored == PW_STORED && *ret_hit) {
        stored = storage->commit(storage->self, err);
    }
    if (stored != PW_STORED || !*ret_hit) {
        storage->rollback(storage->self);
    }
    return stored;
}

void worker_take_epoch(struct pw_worker *worker)
{
    int64_t epoch = 0;
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        int64_t stored_epoch = worker->partitions[i].stored.writer_epoch;
        stored_epoch = stored_epoch < 0 ? -stored_epoch : stored_epoch;
        epoch = stored_epoch > epoch ? stored_epoch : epoch;
    }
    epoch++;
    struct pw_err err = {0};
    bool hit = false;
    enum pw_stored stored = move_epochs(worker, epoch, &hit, &err);
    if (stored == PW_STORED_FAULT) {
        worker_halt(worker, "%s", err.detail);
    } else if (stored != PW_STORED || !hit) { /* Somebody else was first, or it is not known who. */
        worker->phase = READING_POSITIONS;
    } else {
        worker->is_writer = true;
        worker->epoch = epoch;
        for (uint32_t i = 0; i < worker->partition_count; i++) {
            struct pw_stored_position *position = &worker->partitions[i].stored;
            position->writer_epoch = epoch;
            position->ledger_id = worker->ledger_id;
            position->partition_count = worker->partition_count;
        }
        worker->counters.epochs_taken++;
        /* Now nobody can have queries show another generation unnoticed; before, they could. */
        worker->phase = READING_POSITIONS;
        worker_say(worker, false, "writes now, with epoch %" PRId64, epoch);
    }
}

void worker_give_back_epoch(struct pw_worker *worker)
{
    struct pw_err err = {0};
    bool hit = false;
    (void)move_epochs(worker, -worker->epoch, &hit, &err);
    worker->is_writer = false; /* Where it failed, the next writer waits a second longer. */
}

/* --- The batch --- */

static enum pw_stored write_rows(struct pw_worker *worker, struct pw_err *err)
{
    struct pw_storage *storage = &worker->options.storage;
    const struct pw_projection *projection = worker->options.projection;
    enum pw_stored stored = PW_STORED;
    for (uint32_t i = 0; stored == PW_STORED && i < projection->table_count; i++) {
        uint32_t row_count = 0;
        const struct pw_batch_row *const *rows =
            pw_batch_rows(worker->batch, projection->tables[i], &row_count);
        if (row_count > 0) {
            stored = storage->upsert(storage->self, worker->generation, projection->tables[i], rows,
                                     row_count, err);
        }
    }
    return stored;
}

static enum pw_stored write_positions(struct pw_worker *worker, bool *ret_hit, struct pw_err *err)
{
    struct pw_storage *storage = &worker->options.storage;
    enum pw_stored stored = PW_STORED;
    *ret_hit = true;
    for (uint32_t i = 0; stored == PW_STORED && *ret_hit && i < worker->partition_count; i++) {
        const struct partition *partition = &worker->partitions[i];
        if (!is_ahead(partition)) {
            continue;
        }
        struct pw_stored_position to = partition->stored;
        to.record_offset = partition->fold.chain.head_offset;
        to.head = partition->fold.chain.head;
        stored = storage->move_position(storage->self, name_of(worker), worker->generation, i,
                                        &partition->stored, &to, ret_hit, err);
    }
    return stored;
}

void worker_write(struct pw_worker *worker)
{
    struct pw_storage *storage = &worker->options.storage;
    struct pw_err err = {0};
    bool hit = true;
    if (++worker->attempts == 2) {
        worker->counters.redone++;
    }
    enum pw_stored stored = storage->begin(storage->self, &err);
    if (stored == PW_STORED) {
        stored = write_rows(worker, &err);
    }
    if (stored == PW_STORED) {
        stored = write_positions(worker, &hit, &err);
    }
    if (stored == PW_STORED && hit) {
        stored = storage->commit(storage->self, &err);
    }
    if (stored == PW_STORED && hit) {
        batch_written(worker);
        return;
    }
    storage->rollback(storage->self);
    if (!hit) { /* The positions are not where this worker left them: they say what to do. */
        worker->phase = READING_POSITIONS;
        return;
    }
    storage_failed(worker, stored, &err);
}
