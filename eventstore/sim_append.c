/* eventstore/sim_append.c: the network: what becomes of an append, and when. */
#include "eventstore/sim_parts.h"

#include <stdlib.h>

/* --- The agenda --- */

static bool is_before(const struct sim_step *a, const struct sim_step *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->number < b->number;
}

static void agenda_add(struct pw_sim_log *log, struct sim_op *op, enum sim_step_kind kind,
                       int64_t due_us)
{
    struct sim_step step = {due_us, log->step_number++, op, kind};

    if (log->step_count == log->step_room) {
        log->step_room = log->step_room == 0 ? 64 : 2 * log->step_room;
        log->agenda = sim_must(realloc(log->agenda, log->step_room * sizeof *log->agenda));
    }
    size_t i = log->step_count++;
    for (; i > 0 && is_before(&step, &log->agenda[(i - 1) / 2]); i = (i - 1) / 2) {
        log->agenda[i] = log->agenda[(i - 1) / 2];
    }
    log->agenda[i] = step;
    op->steps++;
}

static struct sim_step agenda_take(struct pw_sim_log *log)
{
    struct sim_step first = log->agenda[0];
    struct sim_step last = log->agenda[--log->step_count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < log->step_count &&
            is_before(&log->agenda[child + 1], &log->agenda[child])) {
            child++;
        }
        if (child >= log->step_count || !is_before(&log->agenda[child], &last)) {
            break;
        }
        log->agenda[i] = log->agenda[child];
        i = child;
    }
    if (log->step_count > 0) {
        log->agenda[i] = last;
    }
    return first;
}

/* --- What becomes of an append --- */

static void add_report(struct sim_handle *handle, const struct pw_ledger_event *event)
{
    struct sim_report *report = sim_must(malloc(sizeof *report));

    *report = (struct sim_report){NULL, *event};
    *handle->reports_end = report;
    handle->reports_end = &report->next;
    sim_notify(handle);
}

/* The op's handle hears no more of it. */
static void detach(struct sim_op *op)
{
    struct sim_handle *handle = op->handle;

    if (handle->lanes[op->partition].held == op) {
        handle->lanes[op->partition].held = NULL;
    }
    if (op->previous != NULL) {
        op->previous->next = op->next;
    } else {
        handle->ops = op->next;
    }
    if (op->next != NULL) {
        op->next->previous = op->previous;
    }
    op->handle = NULL;
}

static int64_t claimed_offset(struct pw_sim_log *log, const struct sim_op *op)
{
    if (op->offset_unknown) {
        return -1;
    }
    if (op->offset_falsified) {
        int64_t too_high = op->offset + 1 + sim_random_upto(log, 2);
        return sim_random_upto(log, 1) == 0 ? too_high : 0;
    }
    return op->offset;
}

static void report(struct pw_sim_log *log, struct sim_op *op)
{
    struct sim_handle *handle = op->handle;

    if (handle == NULL) {
        return;
    }
    struct pw_ledger_event event = {
        .kind = PW_LEDGER_FAILED,
        .partition = op->partition,
        .tag = op->tag,
        .offset = -1,
        .broker_at_us = -1,
        .code = PW_ERR_LEDGER_DOWN,
        .detail = "the append was not acknowledged",
    };
    if (op->offset >= 0 && !op->ack_lost && !log->down) {
        event.kind = PW_LEDGER_DELIVERED;
        event.offset = claimed_offset(log, op);
        event.broker_at_us = op->landed_at_us;
        event.code = PW_OK;
        event.detail = NULL;
    }
    detach(op);
    add_report(handle, &event);
}

static struct sim_op *op_new(uint32_t partition, const void *value, size_t bytes)
{
    struct sim_op *op = sim_must(calloc(1, sizeof *op));

    op->partition = partition;
    op->value = sim_copy_of(value, bytes);
    op->bytes = bytes;
    op->offset = -1;
    return op;
}

static void op_free(struct sim_op *op)
{
    free(op->value);
    free(op);
}

static void land(struct pw_sim_log *log, struct sim_op *op);

/* Whatever was held back in this lane before the op was sent lands right behind it. */
static void release_held(struct pw_sim_log *log, const struct sim_op *op)
{
    struct sim_lane *lane = op->handle != NULL ? &op->handle->lanes[op->partition] : NULL;

    if (lane != NULL && lane->held != NULL && lane->held->number < op->number) {
        struct sim_op *held = lane->held;
        lane->held = NULL;
        land(log, held);
    }
}

static void land(struct pw_sim_log *log, struct sim_op *op)
{
    if (op->offset >= 0) {
        return; /* It was held back, and has landed behind its successor. */
    }
    op->lost = op->lost || log->down;
    if (!op->lost) {
        op->offset = sim_put_entry(log, op->partition, SIM_ENTRY_RECORD, op->value, op->bytes);
        op->landed_at_us = log->now_us;
    }
    if (op->handle != NULL) {
        agenda_add(log, op, SIM_STEP_REPORT,
                   log->now_us + sim_random_upto(log, log->faults.delay_us_max));
    }
    if (op->repeated && !op->lost) {
        struct sim_op *copy = op_new(op->partition, op->value, op->bytes);
        agenda_add(log, copy, SIM_STEP_LAND,
                   log->now_us + sim_random_upto(log, log->faults.delay_us_max));
    }
    release_held(log, op);
}

static void take_step(struct pw_sim_log *log)
{
    struct sim_step step = agenda_take(log);

    if (step.due_us > log->now_us) {
        log->now_us = step.due_us;
    }
    if (step.kind == SIM_STEP_LAND) {
        land(log, step.op);
    } else {
        report(log, step.op);
    }
    if (--step.op->steps == 0) {
        op_free(step.op);
    }
}

/* Time alone shows a slow reader more. */
static void wake_slow_readers(struct pw_sim_log *log)
{
    for (struct sim_handle *handle = log->handles; handle != NULL; handle = handle->next) {
        for (uint32_t i = 0; i < log->partition_count; i++) {
            int64_t before = handle->readers[i].seen_end;
            if (handle->readers[i].on && before < log->partitions[i].end &&
                sim_seen_end(handle, i) > before) {
                sim_notify(handle);
            }
        }
    }
}

void sim_run_until(struct pw_sim_log *log, int64_t now_us)
{
    while (log->step_count > 0 && log->agenda[0].due_us <= now_us) {
        take_step(log);
    }
    log->now_us = now_us;
    wake_slow_readers(log);
}

/* Everything that the handle has in flight fails; each may have landed, land yet, or be lost. */
static void fail_all(struct pw_sim_log *log, struct sim_handle *handle)
{
    handle->fatal = true;
    while (handle->ops != NULL) {
        struct sim_op *op = handle->ops;
        op->ack_lost = true;
        op->lost = op->lost || sim_random_upto(log, 1) == 0;
        report(log, op);
    }
}

/* When and whether it lands. */
static void schedule(struct pw_sim_log *log, struct sim_handle *handle, struct sim_op *op)
{
    const struct pw_sim_faults *faults = &log->faults;
    struct sim_lane *lane = &handle->lanes[op->partition];
    int64_t land_us = log->now_us + sim_random_upto(log, faults->delay_us_max);

    op->lost = sim_happens(log, faults->lose);
    op->ack_lost = sim_happens(log, faults->lose_ack);
    op->repeated = sim_happens(log, faults->repeat);
    op->offset_unknown = sim_happens(log, faults->offset_unknown);
    op->offset_falsified = sim_happens(log, faults->offset_falsified);
    if (sim_happens(log, faults->late)) {
        agenda_add(log, op, SIM_STEP_REPORT, land_us);
        agenda_add(log, op, SIM_STEP_LAND,
                   land_us + 1 + sim_random_upto(log, faults->late_us_max - 1));
        return;
    }
    land_us = land_us > lane->last_land_us ? land_us : lane->last_land_us;
    lane->last_land_us = land_us;
    if (sim_happens(log, faults->reorder) && lane->held == NULL) {
        lane->held = op; /* Where no successor comes, it lands by itself a little later. */
        land_us += faults->delay_us_max + 1;
    }
    agenda_add(log, op, SIM_STEP_LAND, land_us);
}

void sim_send(struct sim_handle *handle, uint32_t partition, const void *value, size_t bytes,
              uint64_t tag)
{
    struct pw_sim_log *log = handle->log;
    struct sim_op *op = op_new(partition, value, bytes);

    op->number = ++handle->op_number;
    op->handle = handle;
    op->tag = tag;
    op->next = handle->ops;
    if (op->next != NULL) {
        op->next->previous = op;
    }
    handle->ops = op;
    schedule(log, handle, op);
    if (sim_happens(log, log->faults.fatal)) {
        fail_all(log, handle);
    }
    sim_run_until(log, log->now_us);
}

void sim_forget_sent(struct sim_handle *handle)
{
    while (handle->ops != NULL) {
        detach(handle->ops);
    }
    memset(handle->lanes, 0, handle->log->partition_count * sizeof *handle->lanes);
}

void sim_agenda_clear(struct pw_sim_log *log)
{
    while (log->step_count > 0) {
        struct sim_op *op = agenda_take(log).op;
        if (--op->steps == 0) {
            op_free(op);
        }
    }
    free(log->agenda);
    log->agenda = NULL;
    log->step_room = 0;
}
