/* eventstore/sim_log.c: the broker: partitions, time, and what an operator does to them. */
#include "eventstore/record.h"
#include "eventstore/sim_parts.h"

#include <stdio.h>
#include <stdlib.h>

void *sim_must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "out of memory: the simulated log\n");
        abort();
    }
    return memory;
}

/* splitmix64. */
uint64_t sim_random_next(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A number of 0 to max. */
int64_t sim_random_upto(struct pw_sim_log *log, int64_t max)
{
    return max <= 0 ? 0 : (int64_t)(sim_random_next(&log->random) % ((uint64_t)max + 1));
}

bool sim_happens(struct pw_sim_log *log, uint32_t per_mille)
{
    return per_mille > 0 && sim_random_next(&log->random) % 1000 < per_mille;
}

int64_t sim_seen_end(struct sim_handle *handle, uint32_t partition)
{
    const struct sim_partition *of = &handle->log->partitions[partition];
    struct sim_reader *reader = &handle->readers[partition];

    while (reader->seen_end < of->end &&
           of->entries[reader->seen_end].at_us + reader->lag_us <= handle->log->now_us) {
        reader->seen_end++;
    }
    reader->seen_end = reader->seen_end < of->end ? reader->seen_end : of->end;
    return reader->seen_end;
}

uint8_t *sim_copy_of(const void *value, size_t bytes)
{
    uint8_t *copy = NULL;

    if (value != NULL) {
        copy = sim_must(malloc(bytes + 1)); /* An empty value is not a tombstone. */
        memcpy(copy, value, bytes);
    }
    return copy;
}

void sim_notify(struct sim_handle *handle)
{
    handle->wake_due = true;
    pthread_cond_signal(&handle->changed);
}

void sim_lock(struct pw_sim_log *log)
{
    pthread_mutex_lock(&log->lock);
}

void sim_unlock(struct pw_sim_log *log)
{
    struct sim_handle *handle = log->handles;

    while (handle != NULL) {
        if (!handle->wake_due) {
            handle = handle->next;
            continue;
        }
        handle->wake_due = false;
        if (handle->wake.wake != NULL) {
            handle->waking++;
            pthread_mutex_unlock(&log->lock);
            handle->wake.wake(handle->wake.self);
            pthread_mutex_lock(&log->lock);
            handle->waking--;
            pthread_cond_broadcast(&log->woken);
            handle = log->handles; /* The list may have changed. */
        }
    }
    pthread_mutex_unlock(&log->lock);
}

int64_t sim_put_entry(struct pw_sim_log *log, uint32_t partition, enum sim_entry_kind kind,
                      const void *value, size_t bytes)
{
    assert(partition < log->partition_count);
    struct sim_partition *to = &log->partitions[partition];

    if (to->end == to->room) {
        to->room = to->room == 0 ? 64 : 2 * to->room;
        to->entries = sim_must(realloc(to->entries, (size_t)to->room * sizeof *to->entries));
    }
    to->entries[to->end] = (struct sim_entry){sim_copy_of(value, bytes), bytes, log->now_us, kind};
    for (struct sim_handle *handle = log->handles; handle != NULL; handle = handle->next) {
        if (handle->readers[partition].on) {
            sim_notify(handle);
        }
    }
    return to->end++;
}

static void drop_entries(struct sim_partition *from, int64_t first, int64_t past_last)
{
    for (int64_t offset = first; offset < past_last; offset++) {
        free(from->entries[offset].value);
        from->entries[offset] = (struct sim_entry){.kind = SIM_ENTRY_DELETED};
    }
}

static void notify_all(struct pw_sim_log *log)
{
    for (struct sim_handle *handle = log->handles; handle != NULL; handle = handle->next) {
        sim_notify(handle);
    }
}

struct pw_sim_log *pw_sim_log_new(uint32_t partition_count, uint64_t seed, int64_t now_us)
{
    struct pw_sim_log *log = sim_must(calloc(1, sizeof *log));

    assert(partition_count > 0 && partition_count <= PW_PARTITIONS_MAX);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->woken, NULL);
    log->partitions = sim_must(calloc(partition_count, sizeof *log->partitions));
    log->partition_count = partition_count;
    log->random = seed;
    log->handle_number = sim_random_next(&log->random);
    log->now_us = now_us;
    return log;
}

void pw_sim_log_free(struct pw_sim_log *log)
{
    if (log == NULL) {
        return;
    }
    assert(log->handles == NULL);
    sim_agenda_clear(log);
    for (uint32_t i = 0; i < log->partition_count; i++) {
        drop_entries(&log->partitions[i], log->partitions[i].start, log->partitions[i].end);
        free(log->partitions[i].entries);
    }
    free(log->partitions);
    pthread_cond_destroy(&log->woken);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void pw_sim_set_faults(struct pw_sim_log *log, const struct pw_sim_faults *faults)
{
    sim_lock(log);
    log->faults = *faults;
    sim_unlock(log);
}

void pw_sim_advance(struct pw_sim_log *log, int64_t us)
{
    sim_lock(log);
    sim_run_until(log, log->now_us + us);
    sim_unlock(log);
}

int64_t pw_sim_now_us(struct pw_sim_log *log)
{
    sim_lock(log);
    int64_t now_us = log->now_us;
    sim_unlock(log);
    return now_us;
}

void pw_sim_set_down(struct pw_sim_log *log, bool down)
{
    sim_lock(log);
    log->down = down;
    for (struct sim_handle *handle = log->handles; handle != NULL; handle = handle->next) {
        handle->down_told = handle->down_told && down;
    }
    notify_all(log);
    sim_unlock(log);
}

void pw_sim_set_lag(struct pw_sim_log *log, uint32_t partition, int64_t count)
{
    sim_lock(log);
    assert(count >= 0 && count <= log->partitions[partition].end);
    log->partitions[partition].lag = count;
    notify_all(log);
    sim_unlock(log);
}

uint64_t pw_sim_doubt_count(struct pw_sim_log *log)
{
    sim_lock(log);
    uint64_t count = log->doubt_count;
    sim_unlock(log);
    return count;
}

int64_t pw_sim_put(struct pw_sim_log *log, uint32_t partition, const void *value,
                   size_t value_bytes)
{
    sim_lock(log);
    int64_t offset = sim_put_entry(log, partition, SIM_ENTRY_RECORD, value, value_bytes);
    sim_unlock(log);
    return offset;
}

void pw_sim_skip_offset(struct pw_sim_log *log, uint32_t partition)
{
    sim_lock(log);
    sim_put_entry(log, partition, SIM_ENTRY_GAP, NULL, 0);
    sim_unlock(log);
}

void pw_sim_truncate(struct pw_sim_log *log, uint32_t partition, int64_t end_offset)
{
    sim_lock(log);
    struct sim_partition *of = &log->partitions[partition];
    assert(end_offset >= of->start && end_offset <= of->end);
    drop_entries(of, end_offset, of->end);
    of->end = end_offset;
    notify_all(log);
    sim_unlock(log);
}

void pw_sim_delete_before(struct pw_sim_log *log, uint32_t partition, int64_t start_offset)
{
    sim_lock(log);
    struct sim_partition *of = &log->partitions[partition];
    assert(start_offset >= of->start && start_offset <= of->end);
    drop_entries(of, of->start, start_offset);
    of->start = start_offset;
    notify_all(log);
    sim_unlock(log);
}

enum pw_code pw_sim_create(struct pw_sim_log *log, const struct pw_id *ledger_id,
                           int64_t horizon_us)
{
    struct pw_buffer buffer;

    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
    sim_lock(log);
    for (uint32_t i = 0; i < log->partition_count; i++) {
        struct pw_genesis genesis = {*ledger_id, i, log->partition_count, horizon_us};
        if (log->partitions[i].end == 0) {
            pw_record_write_genesis(&buffer, &genesis);
            sim_put_entry(log, i, SIM_ENTRY_RECORD, buffer.data, buffer.bytes);
        }
    }
    sim_unlock(log);
    pw_buffer_close(&buffer);
    return PW_OK;
}

bool pw_sim_get(struct pw_sim_log *log, uint32_t partition, int64_t offset, uint8_t **ret_value,
                size_t *ret_value_bytes)
{
    bool found = false;

    sim_lock(log);
    const struct sim_partition *from = &log->partitions[partition];
    if (offset >= from->start && offset < from->end &&
        from->entries[offset].kind == SIM_ENTRY_RECORD) {
        *ret_value = sim_copy_of(from->entries[offset].value, from->entries[offset].bytes);
        *ret_value_bytes = from->entries[offset].bytes;
        found = true;
    }
    sim_unlock(log);
    return found;
}

int64_t pw_sim_end(struct pw_sim_log *log, uint32_t partition)
{
    sim_lock(log);
    int64_t end = log->partitions[partition].end;
    sim_unlock(log);
    return end;
}
