/* commands/engine_decide.c: decide on the speculative state, append, and let the state follow the
 * very bytes that were appended. */
#include <stdlib.h>

#include "commands/engine_internal.h"
#include "commands/memory.h"

struct flight *flight_push(struct partition *partition, struct pw_str key_text, uint64_t undo_mark,
                           int64_t decided_at_us)
{
    struct pw_engine *engine = partition->engine;
    const struct pw_buffer *value = &engine->value;
    struct pw_err err = {0};
    assert(flight_count(partition) < PW_IN_FLIGHT_MAX);
    if (partition->read_mode == READ_TAIL) {
        read_stop(partition); /* What it would give now are records of our own. */
    }
    if (engine->ledger.append(engine->ledger.self, partition->number, key_text, value->data,
                              value->bytes, partition->next_seq, &err) != PW_OK) {
        engine_log(partition, "warning", "append was not taken: %s", err.detail);
        engine->renew_wanted = true;
        return NULL;
    }
    struct flight *flight = flight_at(partition, partition->next_seq++);
    *flight = (struct flight){
        .hash = pw_record_hash(value->data, value->bytes),
        .height = partition->tip.height,
        .decided_at_us = decided_at_us,
        .undo_mark = undo_mark,
        .sent_boot_us = engine->boot_us,
    };
    partition->tip.prev = flight->hash;
    partition->tip.height++;
    partition->tip.decided_at_us = decided_at_us;
    return flight;
}

/* The turn's answers as records have them; *ret_jobs are their jobs, in order. */
static uint32_t collect_answers(struct partition *partition)
{
    uint32_t count = 0;
    for (struct pw_job *job = partition->answers.first; job != NULL; job = job->next) {
        const struct pw_error_info *info = pw_error_info(job->err.code);
        partition->engine->answers_scratch[count++] = (struct pw_answer){
            .boundary_id = job->boundary_id,
            .actor_id = job->actor_id,
            .command_id = job->command_id,
            .fingerprint = job->fingerprint,
            .command_name = pw_str_of(pw_command_info(job->command.type)->name),
            .decided_at_us = job->decided_at_us,
            .stream_id = job->stream_id,
            .stream_version = job->stream_version,
            .problem_name = job->err.code == PW_OK ? (struct pw_str){0} : pw_str_of(info->name),
            .detail = pw_str_of(job->err.detail),
        };
    }
    return count;
}

static void answers_fly(struct partition *partition, struct flight *flight)
{
    struct pw_job *job;
    while ((job = list_pop(&partition->answers)) != NULL) {
        list_push(&flight->jobs, job);
    }
    partition->answer_count = 0;
    partition->answer_bytes = 0;
}

/* Puts the turn's answers on a record of their own. They speak of one tenant: a turn is one
 * boundary's. */
static bool flush_answers(struct partition *partition)
{
    if (partition->answer_count == 0) {
        return true;
    }
    struct pw_engine *engine = partition->engine;
    uint32_t count = collect_answers(partition);
    struct pw_chain_point at = partition->tip;
    at.decided_at_us = partition->answers.last->decided_at_us;
    enum pw_code code =
        pw_record_write_answers(&engine->value, &at, &partition->answers.first->boundary_id,
                                engine->answers_scratch, count);
    assert(code == PW_OK); /* note_answer keeps them below the limits. */
    (void)code;
    struct flight *flight =
        flight_push(partition, (struct pw_str){0}, pw_undo_mark(partition->undo), at.decided_at_us);
    if (flight == NULL) {
        return false;
    }
    answers_fly(partition, flight);
    return true;
}

static void remember_pending(struct partition *partition, struct pw_job *job)
{
    memcpy(pw_map_put(partition->pending, &job->memory_key, NULL), &job, sizeof job);
}

/* A decision without events waits for the next record of the turn. */
static bool note_answer(struct partition *partition, struct pw_job *job)
{
    const struct pw_id *target = pw_command_target(&job->command);
    const struct pw_tenant *tenant = pw_state_tenant(partition->fold.state, &job->boundary_id);
    enum pw_aggregate aggregate = pw_command_info(job->command.type)->aggregate;
    job->stream_version = pw_stream_version(tenant, aggregate, target);
    job->stream_id = job->stream_version == 0 ? (struct pw_id){0} : *target;
    struct pw_answer answer = {
        .command_name = pw_str_of(pw_command_info(job->command.type)->name),
        .problem_name = pw_str_of(pw_error_info(job->err.code)->name),
        .detail = pw_str_of(job->err.detail),
    };
    remember_pending(partition, job);
    list_push(&partition->answers, job);
    partition->answer_count++;
    partition->answer_bytes += pw_answer_bytes_max(&answer);
    return partition->answer_bytes < PW_RECORD_BYTES_MAX / 4 || flush_answers(partition);
}

/* Evolves from the bytes in the value buffer, as every reader will. */
static enum pw_code evolve_value(struct partition *partition, struct pw_event_set *ret_event_types,
                                 struct pw_err *err)
{
    struct pw_engine *engine = partition->engine;
    struct pw_record record;
    pw_arena_reset(&engine->arena);
    enum pw_code code =
        pw_record_parse(engine->value.data, engine->value.bytes, &engine->arena, &record, err);
    *ret_event_types = (struct pw_event_set){{0}};
    for (uint32_t i = 0; code == PW_OK && i < record.event_count; i++) {
        struct pw_event event;
        code = pw_raw_event_read(&record.events[i], &event, err);
        if (code == PW_OK) {
            pw_event_set_add(ret_event_types, event.type);
            code = pw_state_evolve(partition->fold.state, &record.commit.boundary_id, &event,
                                   partition->undo, err);
        }
    }
    return code;
}

static enum pw_code write_commit(struct partition *partition, const struct pw_job *job,
                                 int64_t at_us)
{
    struct pw_engine *engine = partition->engine;
    struct pw_commit commit = {
        .tenant_id = job->boundary_id,
        .boundary_id = job->boundary_id,
        .command_id = job->command_id,
        .fingerprint = job->fingerprint,
        .actor_id = job->actor_id,
        .role = job->role,
        .correlation_id = job->correlation_id,
    };
    struct pw_chain_point at = partition->tip;
    at.decided_at_us = at_us;
    return pw_record_write_commit(&engine->value, &at, &commit, engine->decision.events,
                                  engine->decision.event_count, engine->answers_scratch,
                                  collect_answers(partition));
}

static void keep_for_observer(struct flight *flight, const struct pw_buffer *value)
{
    flight->kept_value = pw_memory_new(1, value->bytes);
    memcpy(flight->kept_value, value->data, value->bytes);
    flight->kept_bytes = value->bytes;
}

/* Appends the decision's events as one commit, the turn's answers with it. COMMAND_TOO_LARGE: a
 * refusal. Any other failure is no decision. */
static enum pw_code append_commit(struct partition *partition, struct pw_job *job, int64_t at_us)
{
    struct pw_engine *engine = partition->engine;
    char key_text[PW_ID_TEXT_BYTES + 1];
    struct pw_event_set event_types;
    enum pw_code code = write_commit(partition, job, at_us);
    if (code == PW_ERR_COMMAND_TOO_LARGE && partition->answer_count > 0) {
        if (!flush_answers(partition)) {
            return PW_ERR_LEDGER_DOWN;
        }
        code = write_commit(partition, job, at_us);
    }
    if (code != PW_OK) {
        return code;
    }
    uint64_t mark = pw_undo_mark(partition->undo);
    struct pw_err err = {0};
    code = evolve_value(partition, &event_types, &err);
    if (code != PW_OK) {
        pw_undo_to(partition->undo, mark);
        engine_log(partition, "error", "own events do not fit the state: %s", err.detail);
        return PW_ERR_INTERNAL;
    }
    pw_id_format(&job->boundary_id, key_text);
    struct flight *flight =
        flight_push(partition, (struct pw_str){key_text, PW_ID_TEXT_BYTES}, mark, at_us);
    if (flight == NULL) {
        pw_undo_to(partition->undo, mark);
        return PW_ERR_LEDGER_DOWN;
    }
    if (pw_event_set_meets(&event_types, &engine->config.observer.event_types)) {
        keep_for_observer(flight, &engine->value);
    }
    job->stream_id = engine->decision.events[0].stream_id;
    job->stream_version = pw_decision_version(&engine->decision);
    remember_pending(partition, job);
    list_push(&flight->jobs, job);
    answers_fly(partition, flight);
    return PW_OK;
}

/* True when the id's own time forbids a decision at that time: the job is turned away. */
static bool outside_window(struct partition *partition, struct pw_job *job, int64_t at_us)
{
    int64_t made_at_us;
    if (!pw_id_v7_time(&job->command_id, &made_at_us)) {
        return false;
    }
    if (at_us >= made_at_us + partition->fold.chain.horizon_us) {
        job_turn_away(partition, job, PW_ERR_COMMAND_ID_TOO_OLD, "");
        return true;
    }
    if (made_at_us > at_us + PW_KEY_AHEAD_MAX_US) {
        job_turn_away(partition, job, PW_ERR_COMMAND_ID_FROM_FUTURE, "");
        return true;
    }
    return false;
}

/* True when the id has a decision, or is about to have one: the job waits for that. */
static bool is_repeat(struct partition *partition, struct pw_job *job)
{
    const void *found = pw_map_get(partition->pending, &job->memory_key);
    if (found != NULL) {
        struct pw_job *first;
        memcpy(&first, found, sizeof first);
        job->replayed = true;
        job->next = first->waiters;
        first->waiters = job;
        return true;
    }
    int64_t offset = pw_remembered_find(partition->remembered, &job->memory_key,
                                        partition->fold.chain.decided_at_us);
    if (offset < 0) {
        return false;
    }
    job->position.offset = offset;
    job->replayed = job->replayed || !job->was_in_flight; /* Else the decision is its own. */
    list_push(&partition->lookups, job);
    return true;
}

int64_t decide_at_us(const struct partition *partition)
{
    int64_t wall_us = partition->engine->wall_us;
    int64_t next_us = partition->last_decided_at_us + 1;
    return wall_us < next_us ? next_us : wall_us;
}

bool decide_job(struct partition *partition, struct pw_job *job, int64_t at_us)
{
    struct pw_engine *engine = partition->engine;
    const struct pw_tenant *tenant = pw_state_tenant(partition->fold.state, &job->boundary_id);
    struct pw_context context = {at_us, job->actor_id, job->role};
    job->err = (struct pw_err){0};
    engine->decision.event_count = 0;
    job->err.code =
        pw_decide(tenant, &job->command, job->if_match, &context, &engine->decision, &job->err);
    if (job->err.code == PW_OK && engine->decision.event_count > 0) {
        enum pw_code code = append_commit(partition, job, at_us);
        if (code == PW_ERR_INTERNAL) {
            job_turn_away(partition, job, code, "");
            return true;
        }
        if (code == PW_ERR_LEDGER_DOWN) {
            job_put_back(partition, job);
            return false;
        }
        if (code == PW_OK) {
            partition->last_decided_at_us = at_us;
            job->decided_at_us = at_us;
            return true;
        }
        pw_fail(&job->err, code, "more than one record holds");
    }
    if (job->is_due) { /* It was not, after all: nobody is to be told. */
        job_turn_away(partition, job, PW_ERR_INTERNAL, "");
        return true;
    }
    partition->last_decided_at_us = at_us;
    job->decided_at_us = at_us;
    return note_answer(partition, job);
}

/* False when the turn is over: the job is back in its queue. */
static bool decide_one(struct partition *partition, struct pw_job *job)
{
    if (outside_window(partition, job, decide_at_us(partition)) || is_repeat(partition, job)) {
        return true;
    }
    if (job->is_question) {
        job_turn_away(partition, job, PW_ERR_NOT_FOUND, "");
        return true;
    }
    if (!due_before(partition, job)) {
        queue_push_front(partition, job);
        return false;
    }
    /* What was due has taken some microseconds. */
    return outside_window(partition, job, decide_at_us(partition)) ||
           decide_job(partition, job, decide_at_us(partition));
}

/* Two places stay free: one for answers that a commit pushes out, one for those at a turn's end. */
bool decide_fits(const struct partition *partition, uint32_t records)
{
    return flight_count(partition) + records + 2 <= PW_IN_FLIGHT_MAX;
}

bool decide_has_room(const struct partition *partition)
{
    return partition->first_seq >= partition->burst_end && decide_fits(partition, TURN_JOBS_MAX);
}

/* Some jobs of one boundary. */
static uint32_t lane_turn(struct partition *partition, struct lane *lane)
{
    struct pw_job *job;
    uint32_t decided = 0;
    bool goes_on = true;
    while (goes_on && decided < TURN_JOBS_MAX && decide_fits(partition, 1) &&
           (job = list_pop(&lane->jobs)) != NULL) {
        goes_on = decide_one(partition, job);
        decided++;
    }
    if (!partition->engine->renew_wanted) {
        flush_answers(partition);
    }
    return decided;
}

/* Group commit: commits are decided one on another, but while a burst of them is under way, jobs gather for the next. A record
 * that travels alone costs client and broker a round of their own. */
void decide_turns(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    uint32_t decided = 0;
    if (!decide_has_room(partition)) {
        return;
    }
    due_turn(partition);
    while (decided < STEP_JOBS_MAX && partition->first_lane != NULL && !engine->renew_wanted &&
           decide_fits(partition, TURN_JOBS_MAX)) {
        struct lane *lane = queue_next_lane(partition);
        decided += lane_turn(partition, lane);
        queue_give_back(partition, lane);
    }
    partition->turn_jobs = decided;
    partition->burst_end = partition->next_seq;
    partition->dirty = true;
}
