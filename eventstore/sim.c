/* eventstore/sim.c: a handle on the simulated log, behind the port. */
#include "eventstore/record.h"
#include "eventstore/sim_parts.h"
#include "schemas/condition.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define VALUE_BYTES_MAX (1024 * 1024) /* As the kafka adapter has it. */

static enum pw_code sim_check(void *self, struct pw_err *err)
{
    struct sim_handle *handle = self;

    sim_lock(handle->log);
    bool down = handle->log->down;
    sim_unlock(handle->log);
    return down ? pw_fail(err, PW_ERR_LEDGER_DOWN, "the simulated log is down") : PW_OK;
}

static enum pw_code sim_append(void *self, uint32_t partition, struct pw_str key_text,
                               const void *value, size_t value_bytes, uint64_t tag,
                               struct pw_err *err)
{
    struct sim_handle *handle = self;
    struct pw_sim_log *log = handle->log;
    enum pw_code code = PW_OK;

    assert(partition < log->partition_count);
    (void)key_text; /* Only tools look at it. */
    assert(key_text.len == 0 || key_text.len == PW_ID_TEXT_BYTES);
    if (value_bytes > VALUE_BYTES_MAX) {
        return pw_fail(err, PW_ERR_COMMAND_TOO_LARGE, "%zu bytes, at most %d may be", value_bytes,
                       VALUE_BYTES_MAX);
    }
    sim_lock(log);
    if (handle->fatal) {
        code = pw_fail(err, PW_ERR_LEDGER_DOWN, "a fatal error; renew the handle");
    } else {
        sim_send(handle, partition, value, value_bytes, tag);
    }
    sim_unlock(log);
    return code;
}

static enum pw_code sim_read_from(void *self, uint32_t partition, int64_t offset,
                                  struct pw_err *err)
{
    struct sim_handle *handle = self;

    (void)err;
    assert(partition < handle->log->partition_count && offset >= 0);
    sim_lock(handle->log);
    handle->readers[partition] = (struct sim_reader){
        .on = true,
        .end_due = true,
        .next = offset,
        .seen_end = handle->log->partitions[partition].end,
        .known_end = handle->readers[partition].known_end,
        .lag_us = sim_random_upto(handle->log, handle->log->faults.read_lag_us_max)};
    sim_notify(handle);
    sim_unlock(handle->log);
    return PW_OK;
}

static void sim_read_stop(void *self, uint32_t partition)
{
    struct sim_handle *handle = self;

    assert(partition < handle->log->partition_count);
    sim_lock(handle->log);
    handle->readers[partition].on = false;
    sim_unlock(handle->log);
}

static void saw(struct sim_handle *handle, uint32_t partition, int64_t offset)
{
    struct sim_reader *reader = &handle->readers[partition];
    reader->known_end = offset < reader->known_end ? reader->known_end : offset + 1;
}

static bool take_report(struct sim_handle *handle, struct pw_ledger_event *ret_event)
{
    struct sim_report *first = handle->reports;

    if (first == NULL) {
        return false;
    }
    *ret_event = first->event;
    saw(handle, ret_event->partition, ret_event->offset);
    handle->reports = first->next;
    if (first->next == NULL) {
        handle->reports_end = &handle->reports;
    }
    free(first);
    return true;
}

static bool take_from_partition(struct sim_handle *handle, uint32_t number,
                                struct pw_ledger_event *ret_event)
{
    const struct sim_partition *from = &handle->log->partitions[number];
    struct sim_reader *reader = &handle->readers[number];

    if (!reader->on) {
        return false;
    }
    *ret_event = (struct pw_ledger_event){.partition = number, .broker_at_us = -1};
    if (reader->next > from->end || reader->next < from->start) {
        reader->on = false;
        ret_event->kind = PW_LEDGER_LOST;
        ret_event->offset = reader->next;
        ret_event->code = PW_ERR_LEDGER_DIVERGED;
        ret_event->detail = "the log has no such offset";
        return true;
    }
    int64_t end = sim_seen_end(handle, number);
    end = end < from->end - from->lag ? end : from->end - from->lag;
    for (; reader->next < end && from->entries[reader->next].kind == SIM_ENTRY_GAP;
         reader->next++) {
        reader->end_due = true;
    }
    ret_event->offset = reader->next;
    if (reader->next < end) {
        const struct sim_entry *entry = &from->entries[reader->next++];
        handle->lent = sim_copy_of(entry->value, entry->bytes);
        ret_event->kind = PW_LEDGER_RECORD;
        ret_event->value = handle->lent;
        ret_event->value_bytes = entry->bytes;
        ret_event->broker_at_us = entry->at_us;
        reader->end_due = true;
        saw(handle, number, ret_event->offset);
        return true;
    }
    if (from->lag > 0 && (reader->next > end || reader->next < reader->known_end)) {
        handle->log->doubt_count += !reader->doubts;
        reader->doubts = true;
        return false; /* It waits, or the end is doubted. */
    }
    ret_event->kind = PW_LEDGER_END;
    bool end_due = reader->end_due;
    reader->end_due = false;
    return end_due;
}

static bool take_read(struct sim_handle *handle, struct pw_ledger_event *ret_event)
{
    uint32_t partition_count = handle->log->partition_count;

    for (uint32_t i = 0; i < partition_count; i++) {
        uint32_t number = (handle->turn + i) % partition_count;
        if (take_from_partition(handle, number, ret_event)) {
            handle->turn = (number + 1) % partition_count;
            return true;
        }
    }
    return false;
}

static bool take_event(struct sim_handle *handle, struct pw_ledger_event *ret_event)
{
    bool down = handle->log->down;

    if (down && !handle->down_told) {
        handle->down_told = true;
        *ret_event = (struct pw_ledger_event){.kind = PW_LEDGER_DOWN,
                                              .offset = -1,
                                              .broker_at_us = -1,
                                              .code = PW_ERR_LEDGER_DOWN,
                                              .detail = "the simulated log is down"};
        return true;
    }
    /* Reports and records come over two connections: neither waits for the other. */
    bool reads_first = handle->reports != NULL && sim_random_next(&handle->random) % 2 == 0;
    if (!down && reads_first && take_read(handle, ret_event)) {
        return true;
    }
    return take_report(handle, ret_event) || (!down && take_read(handle, ret_event));
}

static void sim_flush(void *self)
{
    (void)self; /* Its appends are under way at once. */
}

static void sim_saw(void *self, uint32_t partition, int64_t offset)
{
    struct sim_handle *handle = self;
    sim_lock(handle->log);
    saw(handle, partition, offset);
    sim_unlock(handle->log);
}

static uint64_t sim_size(void *self, uint32_t partition)
{
    struct sim_handle *handle = self;
    return (uint64_t)pw_sim_end(handle->log, partition);
}

static void sim_next(void *self, int timeout_ms, struct pw_ledger_event *ret_event)
{
    struct sim_handle *handle = self;
    struct timespec deadline = {0};
    int waited = 0;

    free(handle->lent);
    handle->lent = NULL;
    if (timeout_ms > 0) {
        deadline = pw_condition_deadline(timeout_ms * PW_US_PER_MS);
    }
    sim_lock(handle->log);
    bool given = take_event(handle, ret_event);
    while (!given && timeout_ms > 0 && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&handle->changed, &handle->log->lock, &deadline);
        given = take_event(handle, ret_event);
    }
    sim_unlock(handle->log);
    if (!given) {
        *ret_event =
            (struct pw_ledger_event){.kind = PW_LEDGER_NOTHING, .offset = -1, .broker_at_us = -1};
    }
}

static void forget_appends(struct sim_handle *handle)
{
    struct pw_ledger_event event;

    sim_forget_sent(handle);
    while (take_report(handle, &event)) {
    }
}

static enum pw_code sim_renew(void *self, struct pw_err *err)
{
    struct sim_handle *handle = self;

    (void)err;
    sim_lock(handle->log);
    forget_appends(handle);
    handle->fatal = false;
    sim_unlock(handle->log);
    return PW_OK;
}

static void sim_close(void *self)
{
    struct sim_handle *handle = self;
    struct pw_sim_log *log = handle->log;
    struct sim_handle **link = &log->handles;

    sim_lock(log);
    while (*link != handle) {
        link = &(*link)->next;
    }
    *link = handle->next;
    while (handle->waking > 0) {
        pthread_cond_wait(&log->woken, &log->lock);
    }
    forget_appends(handle);
    sim_unlock(log);
    pthread_cond_destroy(&handle->changed);
    free(handle->lent);
    free(handle->readers);
    free(handle->lanes);
    free(handle);
}

enum pw_code pw_sim_open(struct pw_sim_log *log, struct pw_ledger_wake wake,
                         struct pw_ledger *ret_ledger)
{
    struct sim_handle *handle = sim_must(calloc(1, sizeof *handle));

    handle->log = log;
    handle->wake = wake;
    handle->reports_end = &handle->reports;
    handle->readers = sim_must(calloc(log->partition_count, sizeof *handle->readers));
    handle->lanes = sim_must(calloc(log->partition_count, sizeof *handle->lanes));
    pw_condition_init(&handle->changed);
    sim_lock(log);
    handle->random = log->handle_number++;
    handle->next = log->handles;
    log->handles = handle;
    sim_unlock(log);
    *ret_ledger = (struct pw_ledger){
        .self = handle,
        .partition_count = log->partition_count,
        .check = sim_check,
        .append = sim_append,
        .flush = sim_flush,
        .read_from = sim_read_from,
        .read_stop = sim_read_stop,
        .saw = sim_saw,
        .size = sim_size,
        .next = sim_next,
        .renew = sim_renew,
        .close = sim_close,
    };
    return PW_OK;
}
