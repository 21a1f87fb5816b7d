/* commands/engine_confirm.c: what is confirmed, strictly in order, and the way back when something
 * does not fit. */
#include <stdlib.h>

#include "commands/engine_internal.h"

static void remember(struct partition *partition, const struct pw_job *job, int64_t offset)
{
    struct pw_chain *chain = &partition->fold.chain;
    pw_map_remove(partition->pending, &job->memory_key, NULL);
    pw_remembered_add(
        partition->remembered, &job->memory_key, offset,
        pw_remembered_expires_at(&job->command_id, job->decided_at_us, chain->horizon_us));
}

static void answer_jobs(struct partition *partition, struct flight *flight)
{
    const struct pw_chain *chain = &partition->fold.chain;
    struct pw_position position = {.partition = partition->number, .offset = chain->head_offset};
    struct pw_job *job;
    memcpy(position.head, chain->head.bytes, sizeof position.head);
    while ((job = list_pop(&flight->jobs)) != NULL) {
        remember(partition, job, chain->head_offset);
        job->position = position;
        job->replayed = false;
        if (job->err.code == PW_OK) {
            partition->counters.decided_yes_count++;
        } else {
            partition->counters.decided_no_count++;
        }
        job_finish(partition, job);
    }
}

/* The oldest record in flight lies at this offset, right after the head: it counts. */
static void confirm_first(struct partition *partition, int64_t offset)
{
    struct flight *flight = flight_at(partition, partition->first_seq);
    struct pw_chain *chain = &partition->fold.chain;
    partition->first_seq++;
    chain->head = flight->hash;
    chain->head_offset = offset;
    chain->next_offset = offset + 1;
    chain->height = flight->height;
    chain->decided_at_us = flight->decided_at_us;
    chain->accepted_count++;
    bool last = partition->first_seq == partition->next_seq;
    pw_undo_forget(partition->undo, last ? pw_undo_mark(partition->undo)
                                         : flight_at(partition, partition->first_seq)->undo_mark);
    if (flight->kept_value != NULL) {
        observe_value(partition, flight->kept_value, flight->kept_bytes);
        free(flight->kept_value);
        flight->kept_value = NULL;
    }
    if (flight->kind == FLIGHT_BID) {
        lead_confirmed(partition);
    }
    answer_jobs(partition, flight);
    pw_remembered_expire(partition->remembered, chain->decided_at_us);
    partition->dirty = true;
    if (flight->kind == FLIGHT_HAND_OVER) {
        lead_handed_over(partition);
    }
}

/* An offset that is not the next unread one proves nothing, whether higher, lower or none at all:
 * the log itself is asked. */
static void resolve(struct partition *partition, int64_t reported_offset)
{
    struct pw_chain *chain = &partition->fold.chain;
    partition->phase = PW_PHASE_RESOLVING;
    partition->resolve_seq = partition->first_seq;
    partition->resolve_until_boot_us = lead_flight_due_boot_us(partition);
    if (partition->resolve_until_boot_us < partition->engine->boot_us + READ_PATIENCE_US) {
        partition->resolve_until_boot_us = partition->engine->boot_us + READ_PATIENCE_US;
    }
    partition->resolve_target = reported_offset > chain->next_offset ? reported_offset : -1;
    partition->dirty = true;
    engine_log(partition, "info", "a report names offset %lld where %lld is next: reading on",
               (long long)reported_offset, (long long)chain->next_offset);
    read_start(partition, READ_RESOLVE);
}

void confirm_reports(struct partition *partition)
{
    while (partition->phase == PW_PHASE_LEADING || partition->phase == PW_PHASE_BIDDING) {
        if (flight_count(partition) == 0) {
            return;
        }
        struct flight *first = flight_at(partition, partition->first_seq);
        if (!first->reported) {
            return;
        }
        if (first->reported_offset != partition->fold.chain.next_offset) {
            resolve(partition, first->reported_offset);
            return;
        }
        confirm_first(partition, first->reported_offset);
    }
}

void confirm_delivered(struct partition *partition, const struct pw_ledger_event *event)
{
    struct pw_engine *engine = partition->engine;
    if (event->tag < partition->first_seq || event->tag >= partition->next_seq) {
        return; /* Found by reading already, or given up by a step-down. */
    }
    struct flight *flight = flight_at(partition, event->tag);
    flight->reported = true;
    flight->reported_offset = event->offset;
    if (event->broker_at_us >= 0) {
        engine->broker_known = true;
        engine->broker_at_us = event->broker_at_us;
        engine->broker_sent_boot_us = flight->sent_boot_us;
        engine->broker_reported_boot_us = engine->boot_us;
    }
    confirm_reports(partition);
}

static bool is_in_flight(struct partition *partition, const struct pw_hash *hash)
{
    for (uint64_t seq = partition->first_seq; seq < partition->next_seq; seq++) {
        if (pw_hash_equal(&flight_at(partition, seq)->hash, hash)) {
            return true;
        }
    }
    return false;
}

/* The log shows what the report left open: go on where we were. */
static void resolved(struct partition *partition)
{
    read_stop(partition);
    partition->phase = partition->led_since_boot_us != NEVER ? PW_PHASE_LEADING : PW_PHASE_BIDDING;
    partition->dirty = true;
    confirm_reports(partition);
}

void resolve_record(struct partition *partition, const struct pw_ledger_event *event)
{
    struct pw_chain *chain = &partition->fold.chain;
    struct pw_hash prev;
    struct pw_hash hash = {{0}};
    bool is_record = pw_record_prev(event->value, event->value_bytes, &prev);
    if (is_record) {
        hash = pw_record_hash(event->value, event->value_bytes);
    }
    if (is_record && pw_hash_equal(&prev, &chain->head)) {
        if (flight_count(partition) == 0 ||
            !pw_hash_equal(&hash, &flight_at(partition, partition->first_seq)->hash)) {
            bool goes_on = partition->read_mode == READ_RESOLVE; /* Else it begins at the head. */
            step_down(partition, DOWN_DEPOSED, "another node's record counts");
            if (goes_on) {
                read_follow_record(partition, event);
            }
            return;
        }
        confirm_first(partition, event->offset);
    } else {
        chain->void_count++;
        chain->next_offset = event->offset + 1;
        partition->dirty = true;
        if (is_record && is_in_flight(partition, &hash)) {
            step_down(partition, DOWN_DEPOSED, "a record of ours is void");
            return;
        }
        lead_saw_void(partition, event);
    }
    if (partition->phase != PW_PHASE_RESOLVING) {
        return; /* It follows the tail, or has handed over. */
    }
    if (partition->first_seq > partition->resolve_seq) {
        resolved(partition);
    } else if (partition->resolve_target >= 0 && event->offset >= partition->resolve_target) {
        step_down(partition, DOWN_FAILED, "our record is not where its report says");
    }
}

void resolve_end(struct partition *partition)
{
    step_down(partition, DOWN_FAILED, "our record is not in the log, and may still land");
}

/* Who waited for the log waits less for another leader. */
static int64_t give_up_after_flight(const struct partition *partition, const struct pw_job *job)
{
    int64_t patience = partition->engine->boot_us + PATIENCE_US;
    int64_t in_all = job->submitted_boot_us + ANSWER_US;
    return patience < in_all ? patience : in_all;
}

/* Back into its queue, undecided, with the repeats that waited for it. */
static void requeue(struct partition *partition, struct pw_job *job)
{
    struct pw_job *waiter = job->waiters;
    pw_map_remove(partition->pending, &job->memory_key, NULL);
    job->waiters = NULL;
    while (waiter != NULL) {
        struct pw_job *next = waiter->next;
        waiter->give_up_boot_us = give_up_after_flight(partition, waiter);
        waiter->was_in_flight = true;
        queue_push_front(partition, waiter);
        waiter = next;
    }
    job->give_up_boot_us = give_up_after_flight(partition, job);
    job->was_in_flight = true;
    job_put_back(partition, job);
}

/* Moves a list's jobs to the front of `to`, in order. */
static void list_prepend(struct job_list *to, struct job_list *list)
{
    if (list->last == NULL) {
        return;
    }
    list->last->next = to->first;
    to->first = list->first;
    if (to->last == NULL) {
        to->last = list->last;
    }
    *list = (struct job_list){0};
}

/* Everything undecided again, oldest first. */
static struct job_list take_flights(struct partition *partition)
{
    struct job_list undecided = {0};
    list_prepend(&undecided, &partition->answers);
    partition->answer_count = 0;
    partition->answer_bytes = 0;
    while (partition->next_seq > partition->first_seq) {
        struct flight *flight = flight_at(partition, --partition->next_seq);
        list_prepend(&undecided, &flight->jobs);
        free(flight->kept_value);
        flight->kept_value = NULL;
        partition->counters.undone_count++;
    }
    return undecided;
}

void step_down(struct partition *partition, enum step_down_why why, const char *text)
{
    bool led = partition->led_since_boot_us != NEVER;
    engine_log(partition, led && why != DOWN_HANDED_OVER ? "warning" : "info",
               "%s with %llu in flight: %s", led ? "steps down" : "bids in vain",
               (unsigned long long)flight_count(partition), text);
    lead_back_off(partition, why);
    uint64_t last_seq = partition->next_seq;
    if (flight_count(partition) > 0) {
        pw_undo_to(partition->undo, flight_at(partition, partition->first_seq)->undo_mark);
    }
    struct job_list undecided = take_flights(partition);
    partition->first_seq = last_seq; /* Tags are never used twice: a late report finds nothing. */
    partition->next_seq = last_seq;
    partition->tip = pw_chain_next(&partition->fold.chain);
    partition->last_decided_at_us = partition->fold.chain.decided_at_us;
    partition->phase = PW_PHASE_FOLLOWING;
    partition->led_since_boot_us = NEVER;
    partition->has_heir = false;
    partition->at_end = false;
    partition->counters.step_down_count += led;
    partition->dirty = true;
    if (why == DOWN_CLOCK) {
        pw_fail(&partition->problem, PW_ERR_CLOCK_OFF, "%s", text);
    }

    /* Pushed in front newest first, so that the oldest stands first again. */
    struct pw_job *reversed = NULL;
    struct pw_job *job;
    while ((job = list_pop(&partition->lookups)) != NULL) {
        list_push(&undecided, job);
    }
    while ((job = list_pop(&undecided)) != NULL) {
        job->next = reversed;
        reversed = job;
    }
    while (reversed != NULL) {
        struct pw_job *next = reversed->next;
        requeue(partition, reversed);
        reversed = next;
    }
    if (partition->read_mode == READ_RESOLVE) {
        partition->read_mode = READ_FOLLOW; /* The same read goes on. */
    } else {
        read_start(partition, READ_FOLLOW);
    }
}
