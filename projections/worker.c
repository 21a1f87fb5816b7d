/* projections/worker.c: a worker's life: opening, stepping, stopping, and what it tells about
 * itself. */
#include "projections/worker_internal.h"

#include "commands/memory.h"
#include "schemas/condition.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STEP_MS            100
#define DRAIN_ATTEMPTS_MAX 20

const char *pw_worker_state_name(enum pw_worker_state state)
{
    static const char *const names[PW_WORKER_STATE_COUNT] = {
        [PW_WORKER_OPENING] = "opening",
        [PW_WORKER_CATCHING_UP] = "catching_up",
        [PW_WORKER_LIVE] = "live",
        [PW_WORKER_WAITING_LEDGER] = "waiting_ledger",
        [PW_WORKER_WAITING_GALERA] = "waiting_galera",
        [PW_WORKER_STANDBY] = "standby",
        [PW_WORKER_STOPPED] = "stopped",
    };
    return names[state];
}

int64_t worker_now_us(const struct pw_worker *worker)
{
    if (worker->options.monotonic_us != NULL) {
        return worker->options.monotonic_us(worker->options.monotonic_self);
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

static void say(struct pw_worker *worker, bool is_error, const char *message)
{
    const struct pw_worker_log *log = &worker->options.log;
    if (log->line != NULL) {
        log->line(log->self, is_error, worker->options.projection->name, message);
    }
}

void worker_say(struct pw_worker *worker, bool is_error, const char *format, ...)
{
    char message[320];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    say(worker, is_error, message);
}

/* The reason is read by other threads. */
static void set_reason(struct pw_worker *worker, const char *reason)
{
    pthread_mutex_lock(&worker->lock);
    snprintf(worker->status.reason, sizeof worker->status.reason, "%s", reason);
    pthread_mutex_unlock(&worker->lock);
}

void worker_halt(struct pw_worker *worker, const char *format, ...)
{
    char reason[sizeof worker->status.reason];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    worker->phase = STOPPED;
    worker->is_writer = false;
    set_reason(worker, reason);
    worker_say(worker, true, "stopped: %s", reason);
}

void worker_pause(struct pw_worker *worker, const struct pw_err *why)
{
    worker->pause_us = worker->pause_us == 0 ? PAUSE_US_MIN : worker->pause_us * 2;
    worker->pause_us = worker->pause_us < PAUSE_US_MAX ? worker->pause_us : PAUSE_US_MAX;
    worker->paused_until_us = worker_now_us(worker) + worker->pause_us;
    if (why == NULL) {
        return;
    }
    worker->galera_down = worker->phase == READING_POSITIONS;
    worker_waits(worker, why->detail);
}

void worker_waits(struct pw_worker *worker, const char *why)
{
    bool is_new = worker->status.reason[0] == '\0'; /* Only this thread writes it. */
    set_reason(worker, why);
    if (is_new) {
        worker_say(worker, true, "waits: %s", why);
    }
}

void worker_works(struct pw_worker *worker)
{
    worker->pause_us = 0;
    worker->paused_until_us = 0;
    worker->galera_down = false;
    if (worker->status.reason[0] != '\0') {
        set_reason(worker, "");
        worker_say(worker, false, "goes on");
    }
}

void worker_nap(struct pw_worker *worker, int64_t us)
{
    if (us <= 0) {
        return; /* To wait until now takes a timer's slack: most of the time of a simulation. */
    }
    struct timespec until = pw_condition_deadline(us);
    pthread_mutex_lock(&worker->lock);
    while (!worker->stopping && pthread_cond_timedwait(&worker->wake, &worker->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&worker->lock);
}

/* --- Making and freeing --- */

struct pw_worker *pw_worker_new(const struct pw_worker_options *options)
{
    struct pw_worker *worker = pw_memory_new(1, sizeof *worker);
    worker->options = *options;
    worker->ledger_id = options->ledger_id;
    worker->batch = pw_batch_new();
    pw_condition_init(&worker->wake);
    pthread_mutex_init(&worker->lock, NULL);
    return worker;
}

void pw_worker_free(struct pw_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    assert(!worker->has_thread);
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        pw_fold_close(&worker->partitions[i].fold);
    }
    if (worker->ledger_open) {
        worker->ledger.close(worker->ledger.self);
    }
    worker->options.storage.close(worker->options.storage.self);
    pw_batch_free(worker->batch);
    pthread_cond_destroy(&worker->wake);
    pthread_mutex_destroy(&worker->lock);
    free(worker->partitions);
    free(worker->read);
    free(worker->shown);
    free(worker);
}

static void open_ledger(struct pw_worker *worker)
{
    struct pw_err err = {0};
    enum pw_code code =
        worker->options.open_ledger(worker->options.open_ledger_self, &worker->ledger, &err);
    if (code != PW_OK) {
        worker_pause(worker, &err);
        return;
    }
    worker_works(worker);
    worker->ledger_open = true;
    uint32_t count = worker->ledger.partition_count;
    worker->partitions = pw_memory_new(count, sizeof *worker->partitions);
    worker->read = pw_memory_new(count, sizeof *worker->read);
    for (uint32_t i = 0; i < count; i++) {
        pw_fold_init(&worker->partitions[i].fold, i);
        worker->partitions[i].stored.record_offset = -1;
        worker->partitions[i].end_offset = -1;
        worker->partitions[i].void_checked_at = -1;
    }
    pthread_mutex_lock(&worker->lock);
    worker->shown = pw_memory_new(count, sizeof *worker->shown);
    worker->partition_count = count;
    pthread_mutex_unlock(&worker->lock);
    worker->phase = READING_POSITIONS;
}

/* --- Status --- */

static enum pw_worker_state state_of(const struct pw_worker *worker)
{
    switch (worker->phase) {
    case STOPPED: return PW_WORKER_STOPPED;
    case OPENING: return PW_WORKER_OPENING;
    case READING_POSITIONS:
    case READING: break;
    }
    if (worker->galera_down) {
        return PW_WORKER_WAITING_GALERA;
    }
    if (worker->ledger_down) {
        return PW_WORKER_WAITING_LEDGER;
    }
    if (worker->has_in_hand && !worker->is_writer) {
        return PW_WORKER_STANDBY;
    }
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        if (!worker->partitions[i].caught_up) {
            return PW_WORKER_CATCHING_UP;
        }
    }
    return PW_WORKER_LIVE;
}

static void publish(struct pw_worker *worker)
{
    struct pw_storage *storage = &worker->options.storage;
    struct pw_worker_status *status = &worker->status;
    pthread_mutex_lock(&worker->lock);
    status->state = state_of(worker);
    status->generation = worker->generation;
    status->partition_count = worker->partition_count;
    status->writes = worker->is_writer;
    status->counters = worker->counters;
    status->counters.connections = storage->connections(storage->self);
    snprintf(status->node, sizeof status->node, "%s", storage->node(storage->self));
    for (uint32_t i = 0; i < worker->partition_count; i++) {
        const struct partition *partition = &worker->partitions[i];
        worker->shown[i] =
            (struct pw_worker_partition){.stored_offset = partition->stored.record_offset,
                                         .read_offset = partition->fold.chain.next_offset,
                                         .end_offset = partition->end_offset,
                                         .decided_at_us = partition->fold.chain.decided_at_us,
                                         .void_count = partition->fold.chain.void_count};
    }
    pthread_mutex_unlock(&worker->lock);
}

void pw_worker_status(struct pw_worker *worker, struct pw_worker_status *ret_status,
                      struct pw_worker_partition *ret_partitions, uint32_t partition_room)
{
    pthread_mutex_lock(&worker->lock);
    *ret_status = worker->status;
    for (uint32_t i = 0;
         ret_partitions != NULL && i < worker->status.partition_count && i < partition_room; i++) {
        ret_partitions[i] = worker->shown[i];
    }
    pthread_mutex_unlock(&worker->lock);
}

/* --- Stepping --- */

static bool is_paused(struct pw_worker *worker, int timeout_ms)
{
    int64_t left_us = worker->paused_until_us - worker_now_us(worker);
    if (worker->paused_until_us != 0 && left_us > 0) {
        int64_t timeout_us = timeout_ms * PW_US_PER_MS;
        worker_nap(worker, left_us < timeout_us ? left_us : timeout_us);
        return worker->paused_until_us > worker_now_us(worker);
    }
    return false;
}

static void step(struct pw_worker *worker, int timeout_ms)
{
    if (worker->phase == STOPPED) {
        worker_nap(worker, timeout_ms * PW_US_PER_MS);
        return;
    }
    if (is_paused(worker, timeout_ms)) {
        return;
    }
    worker->paused_until_us = 0;
    switch (worker->phase) {
    case OPENING: open_ledger(worker); break;
    case READING_POSITIONS: worker_read_positions(worker); break;
    case READING: worker_read(worker, timeout_ms); break;
    case STOPPED: break;
    }
}

void pw_worker_step(struct pw_worker *worker, int timeout_ms)
{
    step(worker, timeout_ms);
    publish(worker);
}

static bool has_to_finish(const struct pw_worker *worker)
{
    return worker_has_batch(worker) || (worker->is_writer && worker->phase == READING_POSITIONS);
}

bool pw_worker_drain(struct pw_worker *worker)
{
    for (uint32_t i = 0; i < DRAIN_ATTEMPTS_MAX && has_to_finish(worker); i++) {
        if (worker->phase == READING_POSITIONS) {
            worker_read_positions(worker);
        } else {
            worker_write(worker);
        }
    }
    bool done = !worker_has_batch(worker);
    if (done && worker->is_writer && worker->phase == READING) {
        worker_give_back_epoch(worker);
    }
    publish(worker);
    return done;
}

/* --- The thread --- */

static bool is_stopping(struct pw_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool stopping = worker->stopping;
    pthread_mutex_unlock(&worker->lock);
    return stopping;
}

static void *run(void *self)
{
    struct pw_worker *worker = self;
    while (!is_stopping(worker)) {
        pw_worker_step(worker, STEP_MS);
    }
    if (!pw_worker_drain(worker)) {
        worker_say(worker, true, "ends with a batch unwritten: the next start writes it");
    }
    return NULL;
}

bool pw_worker_start(struct pw_worker *worker)
{
    assert(!worker->has_thread);
    worker->stopping = false;
    worker->has_thread = pthread_create(&worker->thread, NULL, run, worker) == 0;
    return worker->has_thread;
}

void pw_worker_stop(struct pw_worker *worker)
{
    if (!worker->has_thread) {
        return;
    }
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_cond_broadcast(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    worker->has_thread = false;
}
