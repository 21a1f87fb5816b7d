/* projections/worker_read.c: the ledger in. Folds records, gathers the rows of those that are not
 * stored yet, and holds the first such record in hand while another process writes. */
#include "projections/worker_internal.h"

#include <inttypes.h>

#include "commands/snapshot.h"

static void start_reading(struct pw_worker *worker)
{
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        struct partition *partition = &worker->partitions[i];
        if (partition->reading) {
            continue;
        }
        struct pw_err err = {0};
        const struct pw_chain *chain = &partition->fold.chain;
        int64_t from = partition->check_head ? chain->head_offset : chain->next_offset;
        enum pw_code code = worker->ledger.read_from(worker->ledger.self, i, from, &err);
        if (code != PW_OK) {
            worker->ledger_down = true;
            worker_pause(worker, &err);
            return;
        }
        partition->reading = true;
        partition->end_is_new = true;
    }
}

void worker_refold(struct pw_worker *worker, struct partition *partition)
{
    uint32_t number = partition->fold.chain.partition;
    if (partition->reading) {
        worker->ledger.read_stop(worker->ledger.self, number);
        partition->reading = false;
    }
    if (worker->has_in_hand && worker->in_hand.partition == number) {
        worker->has_in_hand = false;
    }
    pw_fold_close(&partition->fold);
    pw_fold_init(&partition->fold, number);
    partition->fold.chain.partition_count = worker->partition_count;
    partition->fold.chain.ledger_id = worker->ledger_id;
    partition->caught_up = false;
    partition->void_checked_at = -1;
    worker_restore(worker, partition);
}

static void say_warning(void *self, const char *text)
{
    worker_say(self, true, "%s", text);
}

void worker_restore(struct pw_worker *worker, struct partition *partition)
{
    const struct pw_snapshot_source source = {.dir = worker->options.snapshots_dir,
                                              .offset_max = partition->stored.record_offset,
                                              .warn = say_warning,
                                              .warn_self = worker};
    partition->check_head = source.dir != NULL && source.offset_max >= 0 &&
                            pw_snapshot_restore(&source, &partition->fold, NULL, NULL);
    worker->counters.restores += partition->check_head;
}

/* --- One record --- */

static void gather_rows(void *self, const struct pw_record *record, uint32_t index,
                        const struct pw_event *event, const struct pw_tenant *after)
{
    (void)index;
    struct pw_worker *worker = self;
    struct pw_rows rows = {0};
    if (worker->row_err.code != PW_OK || after == NULL) {
        return;
    }
    enum pw_code code = worker->options.projection->rows(event, after, &rows, &worker->row_err);
    if (code != PW_OK) {
        worker->row_err.code = code;
        return;
    }
    for (uint32_t i = 0; i < rows.count; i++) {
        const struct pw_batch_row row = {.tenant_id = record->commit.tenant_id,
                                         .row = rows.rows[i],
                                         .changed_at_us = record->decided_at_us,
                                         .record_offset = worker->taking_offset};
        pw_batch_put(worker->batch, &row);
    }
}

static void diverged(struct pw_worker *worker, const struct partition *partition)
{
    worker_halt(worker, "diverged at partition %" PRIu32 ", offset %" PRId64,
                partition->fold.chain.partition, partition->stored.record_offset);
}

/* The record that the rows came from last must be there, and be the same. */
static bool check_stored(struct pw_worker *worker, struct partition *partition,
                         enum pw_verdict verdict, int64_t offset)
{
    if (partition->verified || offset < partition->stored.record_offset) {
        return true;
    }
    partition->verified = verdict == PW_CHAIN_ACCEPTED &&
                          offset == partition->stored.record_offset &&
                          pw_hash_equal(&partition->fold.chain.head, &partition->stored.head);
    if (!partition->verified) {
        diverged(worker, partition);
    }
    return partition->verified;
}

static void take_record(struct pw_worker *worker, const struct pw_ledger_event *event)
{
    struct partition *partition = &worker->partitions[event->partition];
    bool is_stored = event->offset <= partition->stored.record_offset;
    const struct pw_fold_observer observer = {.self = worker, .event = gather_rows};
    struct pw_record record;
    worker->taking_offset = event->offset;
    worker->row_err = (struct pw_err){0};
    enum pw_verdict verdict =
        pw_fold_take(&partition->fold, event->offset, event->value, event->value_bytes,
                     is_stored ? NULL : &observer, &record);
    if (verdict == PW_CHAIN_STOPPED) {
        worker_halt(worker, "%s", partition->fold.chain.stopped.detail);
        return;
    }
    if (worker->row_err.code != PW_OK) {
        worker_halt(worker, "partition %" PRIu32 ", offset %" PRId64 ": %s", event->partition,
                    event->offset, worker->row_err.detail);
        return;
    }
    if (!check_stored(worker, partition, verdict, event->offset)) {
        return;
    }
    if (verdict == PW_CHAIN_ACCEPTED && !is_stored && worker->batch_since_us == 0) {
        worker->batch_since_us = worker_now_us(worker);
    }
}

/* --- Standing by --- */

/* The ledger's id out of a genesis, for the rows of the positions. */
static void learn_ledger_id(struct pw_worker *worker, const struct pw_ledger_event *event)
{
    struct pw_arena arena;
    struct pw_record record;
    pw_arena_init(&arena, PW_RECORD_ARENA_BYTES);
    if (pw_record_parse(event->value, event->value_bytes, &arena, &record, NULL) == PW_OK &&
        record.kind == PW_RECORD_GENESIS) {
        worker->ledger_id = record.genesis.ledger_id;
        for (uint32_t i = 0; i < worker->partition_count; i++) {
            worker->partitions[i].fold.chain.ledger_id = worker->ledger_id;
        }
    }
    pw_arena_close(&arena);
}

/* True when only the writer may take it: it would be accepted, and nothing of it is stored yet. */
static bool is_to_be_held(const struct pw_worker *worker, const struct partition *partition,
                          const struct pw_ledger_event *event)
{
    struct pw_hash prev;
    return !worker->is_writer && event->offset > partition->stored.record_offset &&
           partition->verified && event->value != NULL &&
           pw_record_prev(event->value, event->value_bytes, &prev) &&
           pw_hash_equal(&prev, &partition->fold.chain.head);
}

/* The record that the snapshot stands on was folded with it; it must be there, and be the same. */
static void check_head(struct pw_worker *worker, struct partition *partition,
                       const struct pw_ledger_event *event)
{
    const struct pw_chain *chain = &partition->fold.chain;
    bool same = event->kind == PW_LEDGER_RECORD && event->offset == chain->head_offset &&
                event->value_bytes >= PW_RECORD_HEAD_BYTES;
    if (same) {
        struct pw_hash hash = pw_record_hash(event->value, event->value_bytes);
        same = pw_hash_equal(&hash, &chain->head);
    }
    partition->check_head = false;
    if (!same) {
        worker_halt(worker, "diverged at partition %" PRIu32 ", offset %" PRId64, chain->partition,
                    chain->head_offset);
    }
}

/* A void record after the head may be a stranger's, or show that the head is not in this log any more:
 * reading begins at the head again, once between two ends. True: it does. */
static bool reads_head_again(struct pw_worker *worker, struct partition *partition,
                             const struct pw_ledger_event *event)
{
    const struct pw_chain *chain = &partition->fold.chain;
    struct pw_hash prev;
    if (chain->head_offset < 0 || partition->void_checked_at == chain->head_offset ||
        (pw_record_prev(event->value, event->value_bytes, &prev) &&
         pw_hash_equal(&prev, &chain->head))) {
        return false;
    }
    worker->ledger.read_stop(worker->ledger.self, event->partition);
    partition->reading = false;
    partition->check_head = true;
    partition->void_checked_at = chain->head_offset;
    return true;
}

static void record_came(struct pw_worker *worker, const struct pw_ledger_event *event)
{
    struct partition *partition = &worker->partitions[event->partition];
    if (partition->check_head) {
        check_head(worker, partition, event);
        return;
    }
    if (event->offset < partition->fold.chain.next_offset) {
        return; /* A void record that was counted before. */
    }
    if (reads_head_again(worker, partition, event)) {
        return;
    }
    if (!is_to_be_held(worker, partition, event)) {
        worker->has_in_hand = false;
        take_record(worker, event);
        return;
    }
    if (pw_id_is_nil(&worker->ledger_id)) {
        learn_ledger_id(worker, event);
        if (pw_id_is_nil(&worker->ledger_id)) { /* A damaged genesis: the fold says so. */
            take_record(worker, event);
            return;
        }
    }
    if (!worker->has_in_hand) {
        worker->still_since_us = worker_now_us(worker);
        worker->next_look_us = worker->still_since_us;
    }
    worker->in_hand = *event;
    worker->has_in_hand = true;
}

/* True when no other process can be writing. */
static bool epoch_is_free(const struct pw_worker *worker)
{
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        if (worker->partitions[i].stored.writer_epoch > 0) {
            return worker_now_us(worker) - worker->still_since_us >= GRACE_US;
        }
    }
    return true;
}

static void stand_by(struct pw_worker *worker, int timeout_ms)
{
    int64_t now_us = worker_now_us(worker);
    if (epoch_is_free(worker)) {
        worker_take_epoch(worker);
    } else if (now_us >= worker->next_look_us) {
        worker->next_look_us = now_us + LOOK_US;
        worker->phase = READING_POSITIONS;
    } else if (timeout_ms > 0) {
        int64_t left_us = worker->next_look_us - now_us;
        int64_t timeout_us = timeout_ms * PW_US_PER_MS;
        worker_nap(worker, left_us < timeout_us ? left_us : timeout_us);
    }
}

/* --- Reading --- */

static void end_came(struct pw_worker *worker, const struct pw_ledger_event *event)
{
    struct partition *partition = &worker->partitions[event->partition];
    partition->void_checked_at = -1; /* What comes after this end may be another log's. */
    if (partition->check_head) {
        check_head(worker, partition, event);
        return;
    }
    if (!partition->verified && !partition->end_is_new) {
        /* The positions were read after this end was told, and the log may well have grown: ask for its end again. */
        worker->ledger.read_stop(worker->ledger.self, event->partition);
        partition->reading = false;
        return;
    }
    partition->end_offset = event->offset;
    partition->caught_up = true;
    if (!partition->verified) { /* The log ends before what was read of it once. */
        diverged(worker, partition);
    }
}

static void ledger_works(struct pw_worker *worker)
{
    if (worker->ledger_down) {
        worker->ledger_down = false;
        worker_works(worker);
    }
}

/* Reading is asked for anew: a log in which nothing has happened meanwhile would otherwise say nothing
 * when it is back, and this worker would wait until the next record. */
static void ledger_lost(struct pw_worker *worker, const char *detail)
{
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        if (worker->partitions[i].reading) {
            worker->ledger.read_stop(worker->ledger.self, i);
            worker->partitions[i].reading = false;
        }
    }
    worker->ledger_down = true;
    worker_waits(worker, detail == NULL ? "the ledger does not answer" : detail);
}

static void event_came(struct pw_worker *worker, const struct pw_ledger_event *event)
{
    switch (event->kind) {
    case PW_LEDGER_RECORD:
        ledger_works(worker);
        record_came(worker, event);
        break;
    case PW_LEDGER_END:
        ledger_works(worker);
        end_came(worker, event);
        break;
    case PW_LEDGER_LOST:
        worker_halt(worker, "diverged at partition %" PRIu32 ", offset %" PRId64 "%s%s",
                    event->partition, event->offset, event->detail == NULL ? "" : ": ",
                    event->detail == NULL ? "" : event->detail);
        break;
    case PW_LEDGER_DOWN: ledger_lost(worker, event->detail); break;
    case PW_LEDGER_NOTHING:
    case PW_LEDGER_DELIVERED:
    case PW_LEDGER_FAILED: /* Of appends, which a worker never asks for. */ break;
    }
}

static bool batch_is_full(const struct pw_worker *worker)
{
    uint32_t rows_max = worker->options.batch_rows_max;
    return pw_batch_count(worker->batch) >= (rows_max == 0 ? BATCH_ROWS_MAX : rows_max) ||
           pw_batch_bytes(worker->batch) >= BATCH_BYTES_MAX;
}

/* When the batch is to be written if nothing more comes. Rows wait for the pace of batches alone;
 * positions without rows move at their own, slower one. */
static int64_t batch_due_us(const struct pw_worker *worker)
{
    return pw_batch_count(worker->batch) > 0 ? worker->last_batch_us + BATCH_PACE_US
                                             : worker->batch_since_us + BATCH_AGE_US;
}

static int wait_ms(const struct pw_worker *worker, int64_t now_us, int64_t deadline_us)
{
    int64_t until_us = deadline_us;
    if (worker_has_batch(worker) && batch_due_us(worker) < until_us) {
        until_us = batch_due_us(worker);
    }
    return until_us <= now_us ? 0 : (int)((until_us - now_us + PW_US_PER_MS - 1) / PW_US_PER_MS);
}

/* Reads until the batch is to be written, a record is in hand, or nothing came in time. */
static void read_events(struct pw_worker *worker, int64_t deadline_us)
{
    int64_t slice_end_us = worker_now_us(worker) + SLICE_US;
    while (worker->phase == READING && !worker->has_in_hand && !batch_is_full(worker)) {
        int64_t now_us = worker_now_us(worker);
        if (now_us >= slice_end_us ||
            (worker->batch_since_us != 0 && now_us - worker->batch_since_us >= BATCH_AGE_US)) {
            return;
        }
        struct pw_ledger_event event;
        int timeout_ms = wait_ms(worker, now_us, deadline_us);
        worker->ledger.next(worker->ledger.self, timeout_ms, &event);
        if (event.kind == PW_LEDGER_NOTHING) {
            return;
        }
        event_came(worker, &event);
    }
}

void worker_read(struct pw_worker *worker, int timeout_ms)
{
    start_reading(worker);
    if (worker->paused_until_us != 0) {
        return;
    }
    if (worker->has_in_hand) { /* The positions may have passed it by now. */
        record_came(worker, &worker->in_hand);
    }
    read_events(worker, worker_now_us(worker) + timeout_ms * PW_US_PER_MS);
    if (worker->phase != READING) {
        return;
    }
    if (worker->has_in_hand) {
        stand_by(worker, timeout_ms);
    } else if (worker_has_batch(worker) &&
               (batch_is_full(worker) || worker_now_us(worker) >= batch_due_us(worker) ||
                worker_now_us(worker) - worker->batch_since_us >= BATCH_AGE_US)) {
        worker_write(worker);
    } else if (!worker_has_batch(worker) && worker_now_us(worker) >= worker->next_look_us) {
        worker->next_look_us = worker_now_us(worker) + IDLE_US;
        worker->phase = READING_POSITIONS; /* A cluster may have lost what it had acknowledged. */
    }
}
