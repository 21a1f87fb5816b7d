/* commands/engine.c: the turn of the loop: reports in, jobs in, decide, answer; and the doors to
 * other threads. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "commands/engine_internal.h"
#include "commands/memory.h"

void engine_log(struct partition *partition, const char *level, const char *format, ...)
{
    const struct pw_engine_config *config = &partition->engine->config;
    if (config->log != NULL) {
        char text[400];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        config->log(config->log_self, level, partition->number, text);
    }
}

static int64_t clock_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

static int64_t system_wall_us(void *self)
{
    (void)self;
    return clock_us(CLOCK_REALTIME);
}

static int64_t system_boot_us(void *self)
{
    (void)self;
    return clock_us(CLOCK_BOOTTIME);
}

struct pw_clock pw_clock_system(void)
{
    return (struct pw_clock){NULL, system_wall_us, system_boot_us};
}

/* --- Coming and going --- */

static void partition_init(struct pw_engine *engine, struct partition *partition, uint32_t number)
{
    *partition = (struct partition){
        .engine = engine,
        .number = number,
        .phase = PW_PHASE_FOLLOWING,
        .undo = pw_undo_new(),
        .remembered = pw_remembered_new(),
        .pending = pw_map_new(sizeof(struct pw_id), sizeof(struct pw_job *)),
        .lanes = pw_map_new(sizeof(struct pw_id), sizeof(struct lane *)),
        .flights = pw_memory_new(PW_IN_FLIGHT_MAX, sizeof(struct flight)),
        .resolve_target = -1,
        .void_checked_at = -1,
        .dirty = true,
        .counters = {.restored_offset = -1, .snapshot_offset = -1},
    };
    lead_init(partition);
    pw_fold_init(&partition->fold, number);
    partition->fold.chain.partition_count = engine->ledger.partition_count;
}

static void partition_close(struct partition *partition)
{
    pw_fold_close(&partition->fold);
    pw_undo_free(partition->undo);
    pw_remembered_free(partition->remembered);
    pw_map_free(partition->pending);
    pw_map_free(partition->lanes);
    free(partition->flights);
}

static void publish(struct pw_engine *engine, bool idle)
{
    pthread_mutex_lock(&engine->lock);
    engine->idle = idle;
    for (uint32_t i = 0; i < engine->partition_count; i++) {
        struct partition *partition = &engine->partitions[i];
        if (!partition->dirty) {
            continue;
        }
        const struct pw_chain *chain = &partition->fold.chain;
        struct pw_partition_status status = partition->counters;
        status.partition = partition->number;
        status.phase = partition->phase;
        status.leads = partition->led_since_boot_us != NEVER;
        status.caught_up = partition->caught_up;
        status.position =
            (struct pw_position){.partition = partition->number, .offset = chain->head_offset};
        memcpy(status.position.head, chain->head.bytes, sizeof status.position.head);
        status.next_offset =
            chain->next_offset > partition->told_end ? chain->next_offset : partition->told_end;
        status.height = chain->height;
        memcpy(status.leader_node_id, partition->leader_node_id, sizeof status.leader_node_id);
        status.leader_incarnation = partition->leader_incarnation;
        status.problem = partition->problem;
        status.void_count = chain->void_count;
        status.in_flight_count = (uint32_t)flight_count(partition);
        engine->statuses[i] = status;
        partition->dirty = false;
    }
    pthread_mutex_unlock(&engine->lock);
}

struct pw_engine *pw_engine_new(const struct pw_engine_config *config, struct pw_err *err)
{
    (void)err;
    struct pw_engine *engine = pw_memory_new(1, sizeof *engine);
    engine->config = *config;
    engine->config.queue_max = config->queue_max == 0 ? PW_QUEUE_MAX : config->queue_max;
    engine->config.due_max = config->due_max == 0 ? PW_DUE_MAX : config->due_max;
    engine->ledger = config->ledger;
    snprintf(engine->node_id, sizeof engine->node_id, "%s", config->node_id);
    engine->partition_count = config->partition_count;
    engine->partitions = pw_memory_new(config->partition_count, sizeof *engine->partitions);
    engine->statuses = pw_memory_new(config->partition_count, sizeof *engine->statuses);
    engine->answers_scratch = pw_memory_new(TURN_JOBS_MAX + 1, sizeof *engine->answers_scratch);
    engine->checked_boot_us = NEVER;
    pthread_mutex_init(&engine->lock, NULL);
    pw_buffer_init(&engine->value, PW_RECORD_BYTES_MAX);
    pw_arena_init(&engine->arena, 4 * PW_RECORD_BYTES_MAX);
    memset(engine->index_of, -1, sizeof engine->index_of);
    engine->wall_us = config->clock.wall_us(config->clock.self);
    engine->boot_us = config->clock.boot_us(config->clock.self);
    for (uint32_t i = 0; i < config->partition_count; i++) {
        assert(config->partitions[i] < PW_PARTITIONS_MAX);
        engine->index_of[config->partitions[i]] = (int32_t)i;
        partition_init(engine, &engine->partitions[i], config->partitions[i]);
        read_start(&engine->partitions[i], READ_FOLLOW);
    }
    publish(engine, true);
    return engine;
}

void pw_engine_free(struct pw_engine *engine)
{
    if (engine == NULL) {
        return;
    }
    pw_engine_step(engine); /* Takes in what was submitted last. */
    snapshot_close(engine);
    for (uint32_t i = 0; i < engine->partition_count; i++) {
        struct partition *partition = &engine->partitions[i];
        if (partition->phase != PW_PHASE_FOLLOWING && partition->phase != PW_PHASE_STOPPED) {
            step_down(partition, DOWN_FAILED, "the engine stops");
        }
        read_stop(partition);
        queue_expire(partition, true);
        partition_close(partition);
    }
    engine->ledger.close(engine->ledger.self);
    while (engine->free_lanes != NULL) {
        struct lane *next = engine->free_lanes->next;
        free(engine->free_lanes);
        engine->free_lanes = next;
    }
    pw_buffer_close(&engine->value);
    pw_arena_close(&engine->arena);
    pthread_mutex_destroy(&engine->lock);
    free(engine->answers_scratch);
    free(engine->statuses);
    free(engine->partitions);
    free(engine);
}

/* --- The turn --- */

static struct partition *partition_of(struct pw_engine *engine, uint32_t number)
{
    int32_t index = number < PW_PARTITIONS_MAX ? engine->index_of[number] : -1;
    return index < 0 ? NULL : &engine->partitions[index];
}

/* An append failed: whatever else is in flight on this handle is given up with it, by everybody,
 * and a new producer is made. */
static void fail_all(struct pw_engine *engine)
{
    struct pw_err err = {0};
    for (uint32_t i = 0; i < engine->partition_count; i++) {
        struct partition *partition = &engine->partitions[i];
        if (flight_count(partition) > 0 || partition->answer_count > 0) {
            step_down(partition, DOWN_FAILED, "an append failed");
        }
    }
    if (engine->ledger.renew(engine->ledger.self, &err) == PW_OK) {
        engine->renew_wanted = false;
    }
}

static void take_event(struct pw_engine *engine, const struct pw_ledger_event *event)
{
    if (event->kind == PW_LEDGER_DOWN) {
        engine->down = true;
        engine_log(&engine->partitions[0], "warning", "the log is out of reach: %s",
                   event->detail == NULL ? "" : event->detail);
        return;
    }
    struct partition *partition = partition_of(engine, event->partition);
    if (partition == NULL) {
        return;
    }
    if (event->kind != PW_LEDGER_FAILED) {
        engine->down = false;
    }
    partition->dirty = true;
    switch (event->kind) {
    case PW_LEDGER_DELIVERED: confirm_delivered(partition, event); break;
    case PW_LEDGER_FAILED:
        if (event->tag >= partition->first_seq && event->tag < partition->next_seq) {
            engine_log(partition, "warning", "append failed: %s",
                       event->detail == NULL ? "" : event->detail);
            engine->renew_wanted = true;
        }
        break;
    case PW_LEDGER_RECORD: read_record(partition, event); break;
    case PW_LEDGER_END: read_end(partition, event); break;
    case PW_LEDGER_LOST: read_lost(partition, event); break;
    case PW_LEDGER_NOTHING:
    case PW_LEDGER_DOWN: break;
    }
}

static bool take_events(struct pw_engine *engine)
{
    for (uint32_t i = 0; i < STEP_EVENTS_MAX; i++) {
        struct pw_ledger_event event = {0};
        engine->ledger.next(engine->ledger.self, 0, &event);
        if (event.kind == PW_LEDGER_NOTHING) {
            return false;
        }
        take_event(engine, &event);
        if (engine->renew_wanted) {
            fail_all(engine);
        }
    }
    return true;
}

static void take_submitted(struct pw_engine *engine)
{
    struct pw_job *job;
    pthread_mutex_lock(&engine->lock);
    struct job_list list = engine->submitted;
    engine->submitted = (struct job_list){0};
    engine->bids_no_more = engine->stopping || engine->config.never_leads;
    pthread_mutex_unlock(&engine->lock);
    while ((job = list_pop(&list)) != NULL) {
        uint32_t number = pw_partition_of(&job->boundary_id, engine->ledger.partition_count);
        struct partition *partition = partition_of(engine, number);
        job->submitted_boot_us = engine->boot_us;
        job->give_up_boot_us = engine->boot_us + PATIENCE_US;
        if (partition == NULL) {
            job_turn_away(&engine->partitions[0], job, PW_ERR_NO_LEADER,
                          "this node does not stand by for the partition");
            continue;
        }
        queue_push(partition, job);
    }
}

static bool decides(const struct partition *partition)
{
    return partition->phase == PW_PHASE_LEADING && !partition->has_heir && !partition->engine->down;
}

static void partition_turn(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    lead_timers(partition);
    bool hushed = snapshot_turn(partition);
    bool has_work = partition->first_lane != NULL || due_boot_us(partition) <= engine->boot_us;
    if (decides(partition) && has_work && !hushed) {
        if (lead_clock_good(engine)) {
            decide_turns(partition);
            lookup_next(partition); /* Nothing else need wake the engine for a repeat. */
        } else {
            step_down(partition, DOWN_CLOCK,
                      "the clock disagrees with the broker's by more than a second");
        }
    }
    if (engine->down) {
        lookups_give_back(partition);
    }
    if (partition->phase != PW_PHASE_LEADING || engine->down) {
        queue_expire(partition, false);
    }
}

static bool partition_idle(const struct partition *partition)
{
    return flight_count(partition) == 0 && partition->first_lane == NULL &&
           partition->lookups.first == NULL && !partition->has_heir;
}

/* What can be decided at once, or has to be looked at again soon. */
static int64_t partition_due(const struct partition *partition)
{
    const struct pw_engine *engine = partition->engine;
    int64_t due = lead_due_boot_us(partition);
    int64_t work = partition->first_lane != NULL ? engine->boot_us
                   : decides(partition)          ? due_boot_us(partition)
                                                 : NEVER;
    if (work <= engine->boot_us && !(decides(partition) && decide_has_room(partition))) {
        work = engine->boot_us + RETRY_MIN_US;
    }
    due = work < due ? work : due;
    return due;
}

int64_t pw_engine_step(struct pw_engine *engine)
{
    engine->wall_us = engine->config.clock.wall_us(engine->config.clock.self);
    engine->boot_us = engine->config.clock.boot_us(engine->config.clock.self);
    bool more = take_events(engine);
    take_submitted(engine);
    snapshot_reap(engine);
    bool idle = true;
    int64_t due = snapshot_due_boot_us(engine);
    for (uint32_t i = 0; i < engine->partition_count; i++) {
        partition_turn(&engine->partitions[i]);
    }
    engine->ledger.flush(engine->ledger.self);
    if (engine->renew_wanted) {
        fail_all(engine);
    }
    for (uint32_t i = 0; i < engine->partition_count; i++) {
        int64_t partition_due_us = partition_due(&engine->partitions[i]);
        due = partition_due_us < due ? partition_due_us : due;
        idle = idle && partition_idle(&engine->partitions[i]);
    }
    publish(engine, idle);
    if (more || due <= engine->boot_us) {
        return 0;
    }
    return due == NEVER ? PW_US_PER_SECOND : due - engine->boot_us;
}

/* --- Other threads --- */

enum pw_code pw_engine_submit(struct pw_engine *engine, struct pw_job *job)
{
    assert(!pw_id_is_nil(&job->actor_id)); /* No reader takes a record that nobody made. */
    enum pw_code code = PW_OK;
    job->memory_key = pw_remembered_key(&job->boundary_id, &job->actor_id, &job->command_id);
    job->waiters = NULL;
    job->was_in_flight = false;
    job->replayed = false;
    job->led_by[0] = '\0';
    pthread_mutex_lock(&engine->lock);
    if (engine->stopping) {
        code = PW_ERR_STOPPING;
    } else if (atomic_load_explicit(&engine->queued_count, memory_order_relaxed) >=
               engine->config.queue_max) {
        code = PW_ERR_QUEUE_FULL;
    } else {
        list_push(&engine->submitted, job);
        atomic_fetch_add_explicit(&engine->queued_count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&engine->lock);
    if (code == PW_OK) {
        atomic_store_explicit(&engine->kick_wanted, true, memory_order_release);
    }
    return code;
}

void pw_engine_kick(struct pw_engine *engine)
{
    if (atomic_load_explicit(&engine->kick_wanted, memory_order_relaxed) &&
        atomic_exchange(&engine->kick_wanted, false)) {
        engine->config.wake.wake(engine->config.wake.self);
    }
}

void pw_engine_stop(struct pw_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->stopping = true;
    pthread_mutex_unlock(&engine->lock);
    engine->config.wake.wake(engine->config.wake.self);
}

bool pw_engine_idle(struct pw_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    bool idle = engine->idle && atomic_load(&engine->queued_count) == 0;
    pthread_mutex_unlock(&engine->lock);
    return idle;
}

void pw_engine_status(struct pw_engine *engine, uint32_t i, struct pw_partition_status *ret_status)
{
    assert(i < engine->partition_count);
    pthread_mutex_lock(&engine->lock);
    *ret_status = engine->statuses[i];
    pthread_mutex_unlock(&engine->lock);
}

bool pw_engine_serialise(struct pw_engine *engine, uint32_t i, struct pw_buffer *buffer)
{
    struct partition *partition = &engine->partitions[i];
    if (flight_count(partition) > 0) {
        return false;
    }
    pw_state_serialise(partition->fold.state, buffer);
    return true;
}

struct pw_fingerprint pw_fingerprint_of(const uint8_t *secret, size_t secret_bytes,
                                        const struct pw_job *job)
{
    struct pw_buffer buffer;
    struct pw_fingerprint fingerprint;
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_bytes = 0;
    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
    pw_write_array(&buffer, 5);
    pw_write_text(&buffer, pw_str_of(pw_command_info(job->command.type)->path));
    pw_write_id(&buffer, &job->boundary_id);
    pw_write_id(&buffer, &job->actor_id);
    pw_write_uint(&buffer, (uint64_t)(job->if_match + 1));
    pw_command_write_client_fields(&buffer, &job->command);
    HMAC(EVP_sha256(), secret, (int)secret_bytes, buffer.data, buffer.bytes, digest, &digest_bytes);
    memcpy(fingerprint.bytes, digest, sizeof fingerprint.bytes);
    explicit_bzero(buffer.data, buffer.bytes); /* Names and addresses stood there. */
    pw_buffer_close(&buffer);
    return fingerprint;
}
