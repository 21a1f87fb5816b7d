/* commands/engine_read.c: a partition's one reader: it follows, reads on for a report that did not
 * fit, or looks one record up. */
#include <stdio.h>

#include "commands/engine_internal.h"

void partition_stop(struct partition *partition, enum pw_code code, const char *detail)
{
    engine_log(partition, "error", "stopped: %s", detail);
    if (flight_count(partition) > 0 || partition->phase != PW_PHASE_FOLLOWING) {
        step_down(partition, DOWN_FAILED, "the partition is stopped");
    }
    read_stop(partition);
    partition->phase = PW_PHASE_STOPPED;
    partition->problem = (struct pw_err){0};
    pw_fail(&partition->problem, code, "%s", detail);
    partition->dirty = true;
}

static void diverged(struct partition *partition, int64_t offset)
{
    char detail[120];
    snprintf(detail, sizeof detail, "diverged at partition %u, offset %lld", partition->number,
             (long long)offset);
    partition_stop(partition, PW_ERR_LEDGER_DIVERGED, detail);
}

/* Every read but a look-up begins at the head that we know, and compares it: a log that was
 * replaced is seen before it is believed. */
void read_start(struct partition *partition, enum read_mode mode)
{
    struct pw_engine *engine = partition->engine;
    const struct pw_chain *chain = &partition->fold.chain;
    struct pw_err err = {0};
    int64_t from = chain->head_offset < 0 ? 0 : chain->head_offset;
    partition->check_head = mode != READ_LOOKUP && chain->head_offset >= 0;
    if (mode == READ_LOOKUP) {
        from = partition->lookups.first->position.offset;
    }
    partition->expected_offset = from;
    partition->expected_head = chain->head;
    partition->at_end = false;
    partition->read_mode = mode;
    if (engine->ledger.read_from(engine->ledger.self, partition->number, from, &err) != PW_OK) {
        engine_log(partition, "warning", "cannot read from offset %lld: %s", (long long)from,
                   err.detail);
        partition->read_mode = READ_NOTHING; /* lead_timers and the next report try again. */
    }
}

void read_stop(struct partition *partition)
{
    if (partition->read_mode != READ_NOTHING) {
        partition->engine->ledger.read_stop(partition->engine->ledger.self, partition->number);
        partition->read_mode = READ_NOTHING;
    }
}

/* --- Following --- */

static void remember_folded(struct partition *partition, const struct pw_record *record,
                            int64_t offset)
{
    const struct pw_chain *chain = &partition->fold.chain;
    for (uint32_t i = 0; i < record->answer_count; i++) {
        const struct pw_answer *answer = &record->answers[i];
        struct pw_id key =
            pw_remembered_key(&answer->boundary_id, &answer->actor_id, &answer->command_id);
        pw_remembered_add(partition->remembered, &key, offset,
                          pw_remembered_expires_at(&answer->command_id, answer->decided_at_us,
                                                   chain->horizon_us));
    }
    if (record->kind == PW_RECORD_COMMIT && !pw_id_is_nil(&record->commit.boundary_id)) {
        const struct pw_commit *commit = &record->commit;
        struct pw_id key =
            pw_remembered_key(&commit->boundary_id, &commit->actor_id, &commit->command_id);
        pw_remembered_add(partition->remembered, &key, offset,
                          pw_remembered_expires_at(&commit->command_id, record->decided_at_us,
                                                   chain->horizon_us));
    }
    pw_remembered_expire(partition->remembered, chain->decided_at_us);
}

static void observe_event(void *self, const struct pw_record *record, uint32_t index,
                          const struct pw_event *event, const struct pw_tenant *after)
{
    struct partition *partition = self;
    const struct pw_engine_observer *observer = &partition->engine->config.observer;
    (void)index;
    (void)after;
    if (pw_event_set_has(&observer->event_types, event->type)) {
        const struct pw_position at = {.partition = partition->number,
                                       .offset = partition->fold.chain.head_offset};
        observer->event(observer->self, &at, &record->commit.boundary_id, event);
    }
}

void observe_value(struct partition *partition, const uint8_t *value, size_t bytes)
{
    struct pw_engine *engine = partition->engine;
    struct pw_record record;
    pw_arena_reset(&engine->arena);
    if (pw_record_parse(value, bytes, &engine->arena, &record, NULL) != PW_OK) {
        return; /* Cannot be: the same bytes were parsed when they were appended. */
    }
    for (uint32_t i = 0; i < record.event_count; i++) {
        struct pw_event event;
        if (pw_raw_event_read(&record.events[i], &event, NULL) == PW_OK) {
            observe_event(partition, &record, i, &event, NULL);
        }
    }
}

/* A void record after the head may be a stranger's, or show that the head is not in this log any
 * more. */
static bool head_is_to_be_checked(struct partition *partition, const struct pw_ledger_event *event)
{
    const struct pw_chain *chain = &partition->fold.chain;
    struct pw_hash prev;
    if (chain->head_offset < 0 || partition->void_checked_at == chain->head_offset) {
        return false;
    }
    return !pw_record_prev(event->value, event->value_bytes, &prev) ||
           !pw_hash_equal(&prev, &chain->head);
}

void read_follow_record(struct partition *partition, const struct pw_ledger_event *event)
{
    struct pw_fold_observer observer = {.self = partition, .event = observe_event};
    struct pw_record record;
    if (head_is_to_be_checked(partition, event)) {
        partition->void_checked_at = partition->fold.chain.head_offset;
        read_start(partition, READ_FOLLOW);
        return;
    }
    partition->at_end = false;
    partition->dirty = true;
    switch (pw_fold_take(&partition->fold, event->offset, event->value, event->value_bytes,
                         &observer, &record)) {
    case PW_CHAIN_ACCEPTED:
        partition->tip = pw_chain_next(&partition->fold.chain);
        partition->last_decided_at_us = partition->fold.chain.decided_at_us;
        remember_folded(partition, &record, event->offset);
        if (record.kind == PW_RECORD_LEADER) {
            lead_folded(partition, &record.leader);
        }
        if (record.kind == PW_RECORD_GENESIS && snapshot_restore(partition)) {
            read_start(partition, READ_FOLLOW); /* It begins at the head, and compares it. */
        }
        break;
    case PW_CHAIN_VOID: break;
    case PW_CHAIN_STOPPED: {
        struct pw_err why = partition->fold.chain.stopped;
        partition_stop(partition, why.code, why.detail);
        break;
    }
    }
}

/* --- One record --- */

static bool same_ids(const struct pw_job *job, const struct pw_id *boundary,
                     const struct pw_id *actor, const struct pw_id *command)
{
    return pw_id_equal(&job->boundary_id, boundary) && pw_id_equal(&job->actor_id, actor) &&
           pw_id_equal(&job->command_id, command);
}

static void answer_again(struct pw_job *job, const struct pw_fingerprint *fingerprint,
                         const struct pw_id *stream_id, uint32_t stream_version,
                         struct pw_str problem, struct pw_str detail)
{
    enum pw_code code = PW_OK;
    if (memcmp(fingerprint, &job->fingerprint, sizeof *fingerprint) != 0) {
        job->err.code = PW_ERR_KEY_REUSED;
        return;
    }
    job->stream_id = *stream_id;
    job->stream_version = stream_version;
    if (problem.len > 0) {
        if (!pw_error_by_name(problem, &code)) {
            code = PW_ERR_INTERNAL; /* A newer version's refusal: this node cannot say it. */
        }
        pw_fail(&job->err, code, "%.*s", (int)detail.len, detail.ptr);
    }
}

/* Of the stream of its first event, after the commit. */
static uint32_t version_after(const struct pw_record *record)
{
    const struct pw_raw_event *first = &record->events[0];
    uint32_t version = first->stream_version;
    for (uint32_t i = 1; i < record->event_count; i++) {
        const struct pw_raw_event *event = &record->events[i];
        if (pw_id_equal(&event->stream_id, &first->stream_id) &&
            pw_str_equal(event->stream_type, first->stream_type)) {
            version = event->stream_version;
        }
    }
    return version;
}

/* The first decision of the job's id, rebuilt from its record. */
static bool answer_from(struct pw_job *job, const struct pw_record *record)
{
    if (record->kind == PW_RECORD_COMMIT &&
        same_ids(job, &record->commit.boundary_id, &record->commit.actor_id,
                 &record->commit.command_id)) {
        answer_again(job, &record->commit.fingerprint, &record->events[0].stream_id,
                     version_after(record), (struct pw_str){0}, (struct pw_str){0});
        return true;
    }
    for (uint32_t i = 0; i < record->answer_count; i++) {
        const struct pw_answer *answer = &record->answers[i];
        if (same_ids(job, &answer->boundary_id, &answer->actor_id, &answer->command_id)) {
            answer_again(job, &answer->fingerprint, &answer->stream_id, answer->stream_version,
                         answer->problem_name, answer->detail);
            return true;
        }
    }
    return false;
}

static void lookup_record(struct partition *partition, const struct pw_ledger_event *event)
{
    struct pw_engine *engine = partition->engine;
    struct pw_record record;
    if (event->offset != partition->expected_offset) {
        diverged(partition, partition->expected_offset);
        return;
    }
    read_stop(partition);
    struct pw_job *job = list_pop(&partition->lookups);
    struct pw_err err = {0};
    pw_arena_reset(&engine->arena);
    job->err = (struct pw_err){0};
    bool found =
        event->value_bytes >= PW_RECORD_HEAD_BYTES &&
        pw_record_parse(event->value, event->value_bytes, &engine->arena, &record, &err) == PW_OK &&
        answer_from(job, &record);
    if (!found) {
        queue_push_front(partition, job);
        diverged(partition, event->offset); /* What was folded there is not there any more. */
        return;
    }
    partition->counters.replayed_count++;
    if (job->err.code == PW_ERR_KEY_REUSED) {
        job_refuse_key(partition, job);
    } else {
        struct pw_hash hash = pw_record_hash(event->value, event->value_bytes);
        job->position =
            (struct pw_position){.partition = partition->number, .offset = event->offset};
        memcpy(job->position.head, hash.bytes, sizeof job->position.head);
        job_finish(partition, job);
    }
    lookup_next(partition);
}

/* The log is out of reach: repeats go back to where patience ends. */
void lookups_give_back(struct partition *partition)
{
    struct job_list list = partition->lookups;
    struct pw_job *job;
    if (list.first != NULL && partition->read_mode == READ_LOOKUP) {
        read_stop(partition);
    }
    partition->lookups = (struct job_list){0};
    while ((job = list_pop(&list)) != NULL) {
        queue_push(partition, job);
    }
}

/* While it leads and reads nothing else: repeats get their answers, and the own head is compared
 * once a second while it moves. Where nothing was written for so long, that read goes on at the
 * tail. */
void lookup_next(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    bool reads = partition->read_mode != READ_NOTHING && partition->read_mode != READ_TAIL;
    if (partition->phase != PW_PHASE_LEADING || reads) {
        return;
    }
    if (partition->lookups.first != NULL) {
        read_start(partition, READ_LOOKUP);
        return;
    }
    if ((partition->read_mode == READ_NOTHING || engine->down) &&
        engine->boot_us >= partition->next_verify_boot_us) {
        partition->next_verify_boot_us = engine->boot_us + VERIFY_EVERY_US;
        read_start(partition, READ_VERIFY);
    }
}

/* --- What the reader gives --- */

static bool is_expected(const struct partition *partition, const struct pw_ledger_event *event)
{
    if (event->offset != partition->expected_offset || event->value_bytes < PW_RECORD_HEAD_BYTES) {
        return false;
    }
    struct pw_hash hash = pw_record_hash(event->value, event->value_bytes);
    return pw_hash_equal(&hash, &partition->expected_head);
}

/* The head is where it was. */
static void verified(struct partition *partition)
{
    const struct flight *last = flight_at(partition, partition->next_seq - 1);
    if (flight_count(partition) == 0 && partition->lookups.first == NULL &&
        partition->engine->boot_us - last->sent_boot_us >= VERIFY_EVERY_US) {
        partition->read_mode = READ_TAIL;
        return;
    }
    read_stop(partition);
    lookup_next(partition);
}

void read_record(struct partition *partition, const struct pw_ledger_event *event)
{
    if (partition->check_head) {
        partition->check_head = false;
        if (!is_expected(partition, event)) {
            diverged(partition, partition->expected_offset);
        } else if (partition->read_mode == READ_VERIFY) {
            verified(partition);
        }
        return;
    }
    if (partition->read_mode == READ_LOOKUP) {
        lookup_record(partition, event);
        return;
    }
    if (event->offset < partition->fold.chain.next_offset) {
        return; /* A void record that was counted before. */
    }
    if (partition->read_mode == READ_TAIL && head_is_to_be_checked(partition, event)) {
        partition->void_checked_at = partition->fold.chain.head_offset;
        read_start(partition, READ_VERIFY); /* It goes on at the tail. */
    } else if (partition->read_mode == READ_FOLLOW) {
        read_follow_record(partition, event);
    } else if (partition->read_mode == READ_RESOLVE || partition->read_mode == READ_TAIL) {
        resolve_record(partition, event);
    }
}

void read_end(struct partition *partition, const struct pw_ledger_event *event)
{
    partition->void_checked_at = -1; /* What comes after this end may be another log's. */
    if (partition->check_head || partition->read_mode == READ_LOOKUP ||
        (partition->read_mode != READ_NOTHING &&
         event->offset < partition->fold.chain.next_offset &&
         partition->read_mode != READ_VERIFY)) {
        diverged(partition, event->offset); /* The log ends before what we have read of it. */
        return;
    }
    if (partition->read_mode == READ_RESOLVE) {
        resolve_end(partition);
    }
    if (partition->read_mode == READ_FOLLOW || partition->read_mode == READ_TAIL) {
        partition->told_end = event->offset;
        partition->dirty = true;
    }
    if (partition->read_mode == READ_FOLLOW) {
        partition->at_end = true;
        partition->caught_up = true;
    }
}

void read_lost(struct partition *partition, const struct pw_ledger_event *event)
{
    (void)event;
    partition->read_mode = READ_NOTHING; /* Reading has stopped by itself. */
    diverged(partition, partition->expected_offset);
}
