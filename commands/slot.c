/* commands/slot.c: a time and a number of seats in which an exam is sat. */
#include "commands/slot_parts.h"

/* Admins run all of the tenant's slots, teachers those of their own exams. */
static bool may_run(const struct pw_exam *exam, const struct pw_context *context)
{
    return context->role == PW_ROLE_ADMIN || pw_id_equal(&exam->owner_id, &context->actor_id);
}

const struct pw_slot *slot_to_run(const struct pw_tenant *tenant, const struct pw_id *slot_id,
                                  const struct pw_context *context, struct pw_err *err)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, slot_id);
    if (slot == NULL || !may_run(pw_tenant_exam(tenant, &slot->exam_id), context)) {
        pw_fail(err, PW_ERR_NO_SUCH_SLOT, "slot_id");
        return NULL;
    }
    return slot;
}

enum pw_code pw_slot_open_decide(const struct pw_tenant *tenant, const struct pw_slot_open *command,
                                 const struct pw_context *context, struct pw_decision *out,
                                 struct pw_err *err)
{
    const struct pw_exam *exam = pw_tenant_exam(tenant, &command->exam_id);
    if (exam == NULL || !may_run(exam, context)) {
        return pw_fail(err, PW_ERR_NO_SUCH_EXAM, "exam_id");
    }
    if (exam->is_withdrawn) {
        return pw_fail(err, PW_ERR_EXAM_WITHDRAWN, "exam_id");
    }
    if (exam->published_number == 0) {
        return pw_fail(err, PW_ERR_EXAM_NOT_PUBLISHED, "it is a draft");
    }
    if (command->starts_at <= context->decided_at_us) {
        return pw_fail(err, PW_ERR_SLOT_IN_PAST, "starts_at");
    }
    int64_t ends_at_us = command->starts_at + exam->published.duration_minutes * PW_US_PER_MINUTE;
    if (command->hard_end_at > 0 && command->hard_end_at < ends_at_us) {
        return pw_fail(err, PW_ERR_HARD_END_TOO_EARLY, "hard_end_at");
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_SLOT_OPENED, &command->slot_id);
    event->slot_opened = (struct pw_slot_opened){
        .exam_id = command->exam_id,
        .exam_version = exam->published_number,
        .starts_at = command->starts_at,
        .ends_at = ends_at_us,
        .lead_time_minutes = exam->published.lead_time_minutes,
        .buffer_minutes = exam->published.buffer_minutes,
        .capacity = command->capacity,
    };
    if (command->hard_end_at > 0) {
        pw_decision_add(out, PW_EVENT_SLOT_HARD_END_SET, &command->slot_id)->slot_hard_end_set =
            (struct pw_slot_hard_end_set){command->exam_id, command->hard_end_at};
    }
    if (command->starts_at - PW_REMINDER_US > context->decided_at_us) {
        pw_decision_add(out, PW_EVENT_SLOT_REMINDER_SET, &command->slot_id)->slot_reminder_set =
            (struct pw_slot_reminder_set){command->exam_id, command->starts_at - PW_REMINDER_US};
    }
    return PW_OK;
}

enum pw_code pw_slot_change_capacity_decide(const struct pw_tenant *tenant,
                                            const struct pw_slot_change_capacity *command,
                                            const struct pw_context *context,
                                            struct pw_decision *out, struct pw_err *err)
{
    const struct pw_slot *slot = slot_to_run(tenant, &command->slot_id, context, err);
    if (slot == NULL) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    if (pw_slot_is_off(slot)) {
        return pw_slot_fail_cancelled(err, slot);
    }
    if (command->capacity < slot->taken_count) {
        return pw_fail(err, PW_ERR_CAPACITY_BELOW_TAKEN, "%u taken", slot->taken_count);
    }
    if (command->capacity == slot->capacity) {
        return PW_OK;
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_SLOT_CAPACITY_CHANGED, &command->slot_id);
    event->slot_capacity_changed.capacity = command->capacity;
    return PW_OK;
}

enum pw_code pw_slot_fail_cancelled(struct pw_err *err, const struct pw_slot *slot)
{
    return pw_fail(err, PW_ERR_SLOT_CANCELLED, "%s",
                   pw_reason_name((enum pw_reason)slot->cancel_reason));
}

uint32_t pw_slot_left_count(const struct pw_slot *slot)
{
    return pw_slot_is_off(slot) ? slot->open_count : 0;
}

enum pw_code pw_slot_close_decide(const struct pw_tenant *tenant,
                                  const struct pw_slot_close *command,
                                  const struct pw_context *context, struct pw_decision *out,
                                  struct pw_err *err)
{
    const struct pw_slot *slot = slot_to_run(tenant, &command->slot_id, context, err);
    if (slot == NULL) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    if (pw_slot_is_off(slot)) {
        return pw_slot_fail_cancelled(err, slot);
    }
    if (slot->state == PW_SLOT_OPEN) {
        pw_decision_add(out, PW_EVENT_SLOT_CLOSED, &command->slot_id)->slot_closed.exam_id =
            slot->exam_id;
    }
    return PW_OK;
}

/* One fact, however many have a seat: what they had is ended one by one, by the system (due.c). */
enum pw_code pw_slot_cancel_decide(const struct pw_tenant *tenant,
                                   const struct pw_slot_cancel *command,
                                   const struct pw_context *context, struct pw_decision *out,
                                   struct pw_err *err)
{
    const struct pw_slot *slot = slot_to_run(tenant, &command->slot_id, context, err);
    if (slot == NULL) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    if (pw_slot_is_off(slot)) {
        return PW_OK;
    }
    if (context->decided_at_us >= slot->ends_at_us) {
        return pw_fail(err, PW_ERR_SLOT_OVER, "slot_id");
    }
    pw_decision_add(out, PW_EVENT_SLOT_CANCELLED, &command->slot_id)->slot_cancelled =
        (struct pw_slot_cancelled){.exam_id = slot->exam_id, .reason = command->reason};
    return PW_OK;
}

/* Whether it was due: its exam is withdrawn, and it has no record of that yet. */
enum pw_code pw_slot_cancel_with_exam_decide(const struct pw_tenant *tenant,
                                             const struct pw_slot_cancel_with_exam *command,
                                             const struct pw_context *context,
                                             struct pw_decision *out, struct pw_err *err)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, &command->slot_id);
    (void)context;
    if (slot == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_SLOT, "slot_id");
    }
    if (slot->state == PW_SLOT_WITHDRAWN) {
        pw_decision_add(out, PW_EVENT_SLOT_CANCELLED, &command->slot_id)->slot_cancelled =
            (struct pw_slot_cancelled){.exam_id = slot->exam_id, .reason = slot->cancel_reason};
    }
    return PW_OK;
}

/* Whether it was due: who joined after all is offered what is free. */
enum pw_code pw_slot_close_waitlist_decide(const struct pw_tenant *tenant,
                                           const struct pw_slot_close_waitlist *command,
                                           const struct pw_context *context,
                                           struct pw_decision *out, struct pw_err *err)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, &command->slot_id);
    if (slot == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_SLOT, "slot_id");
    }
    if (!slot->waitlist_closed && context->decided_at_us >= pw_slot_lead_at_us(slot)) {
        pw_decision_add(out, PW_EVENT_SLOT_WAITLIST_CLOSED, &command->slot_id)
            ->slot_waitlist_closed.exam_id = slot->exam_id;
    }
    return PW_OK;
}

/* Whether somebody is still to be told of a sitting that has begun: the rest of it is let be. */
static bool is_too_late(const struct pw_slot *slot, int64_t now_us)
{
    struct pw_id untold = pw_members_first_untold(slot);
    return slot->is_reminded && !pw_id_is_nil(&untold) && now_us >= slot->starts_at_us;
}

/* Whether it was due. One fact, however many have a seat: they are told one by one (due.c). */
enum pw_code pw_slot_remind_decide(const struct pw_tenant *tenant,
                                   const struct pw_slot_remind *command,
                                   const struct pw_context *context, struct pw_decision *out,
                                   struct pw_err *err)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, &command->slot_id);
    if (slot == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_SLOT, "slot_id");
    }
    bool is_time = pw_slot_is_to_remind(slot) && context->decided_at_us >= slot->reminds_at_us;
    if (!pw_slot_is_off(slot) && (is_time || is_too_late(slot, context->decided_at_us))) {
        pw_decision_add(out, PW_EVENT_SLOT_REMINDED, &command->slot_id)->slot_reminded =
            (struct pw_slot_reminded){.exam_id = slot->exam_id,
                                      .in_time = context->decided_at_us < slot->starts_at_us};
    }
    return PW_OK;
}

/* Slots keep their exam for ever, and what is booked from a slot stays a moment that a record can
 * hold. */
static const char *opened_misfit(const struct pw_tenant *tenant, const struct pw_event *event)
{
    const struct pw_slot_opened *opened = &event->slot_opened;
    const struct pw_exam *exam = pw_tenant_exam(tenant, &opened->exam_id);
    if (pw_tenant_slot(tenant, &event->stream_id) != NULL) {
        return "the slot exists already";
    }
    if (exam == NULL || exam->is_withdrawn || opened->exam_version == 0 ||
        opened->exam_version > exam->published_number) {
        return "there is no such version of the exam";
    }
    if (opened->lead_time_minutes > PW_MINUTES_MAX || opened->buffer_minutes > PW_MINUTES_MAX) {
        return "the minutes are out of range";
    }
    if (opened->starts_at < 0 || opened->ends_at <= opened->starts_at ||
        opened->ends_at > PW_AT_US_MAX - opened->buffer_minutes * PW_US_PER_MINUTE) {
        return "the times are out of range";
    }
    return NULL;
}

enum pw_code pw_slot_opened_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                   struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_slot_opened *opened = &event->slot_opened;
    const char *why = opened_misfit(tenant, event);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_slot *slot = pw_map_put(tenant->slots, &event->stream_id, undo);
    *slot = (struct pw_slot){
        .exam_id = opened->exam_id,
        .version = event->stream_version,
        .state = PW_SLOT_OPEN,
        .exam_version = opened->exam_version,
        .starts_at_us = opened->starts_at,
        .ends_at_us = opened->ends_at,
        .lead_time_minutes = opened->lead_time_minutes,
        .buffer_minutes = opened->buffer_minutes,
        .capacity = opened->capacity,
    };
    return PW_OK;
}

enum pw_code pw_slot_capacity_changed_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                             struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_slot *before = pw_tenant_slot(tenant, &event->stream_id);
    if (before == NULL) {
        return pw_misfit(err, event, "there is no such slot");
    }
    if (event->slot_capacity_changed.capacity < before->taken_count) {
        return pw_misfit(err, event, "more seats are taken");
    }
    struct pw_slot *slot = pw_map_put(tenant->slots, &event->stream_id, undo);
    slot->version = event->stream_version;
    slot->capacity = event->slot_capacity_changed.capacity;
    pw_due_list_slot(tenant, &event->stream_id, undo);
    return PW_OK;
}

struct pw_slot *slot_of_event(struct pw_tenant *tenant, const struct pw_event *event,
                              const struct pw_id *exam_id, struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_slot *before = pw_tenant_slot(tenant, &event->stream_id);
    if (before == NULL || !pw_id_equal(&before->exam_id, exam_id)) {
        pw_misfit(err, event, "there is no such slot of the exam");
        return NULL;
    }
    struct pw_slot *slot = pw_map_put(tenant->slots, &event->stream_id, undo);
    slot->version = event->stream_version;
    return slot;
}

enum pw_code pw_slot_closed_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                   struct pw_undo *undo, struct pw_err *err)
{
    struct pw_slot *slot = slot_of_event(tenant, event, &event->slot_closed.exam_id, undo, err);
    if (slot == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (slot->state != PW_SLOT_OPEN) {
        return pw_misfit(err, event, "it is closed or cancelled already");
    }
    slot->state = PW_SLOT_CLOSED;
    pw_due_list_slot(tenant, &event->stream_id, undo);
    return PW_OK;
}

enum pw_code pw_slot_cancelled_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                      struct pw_undo *undo, struct pw_err *err)
{
    struct pw_slot *slot = slot_of_event(tenant, event, &event->slot_cancelled.exam_id, undo, err);
    if (slot == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (slot->state == PW_SLOT_CANCELLED) {
        return pw_misfit(err, event, "it is cancelled already");
    }
    slot->state = PW_SLOT_CANCELLED;
    slot->cancel_reason = event->slot_cancelled.reason;
    pw_members_pass_ended(tenant, &event->stream_id, undo);
    pw_due_list_slot(tenant, &event->stream_id, undo);
    return PW_OK;
}

enum pw_code pw_slot_waitlist_closed_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                            struct pw_undo *undo, struct pw_err *err)
{
    struct pw_slot *slot =
        slot_of_event(tenant, event, &event->slot_waitlist_closed.exam_id, undo, err);
    if (slot == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (slot->waitlist_closed) {
        return pw_misfit(err, event, "its waiting list is closed already");
    }
    slot->waitlist_closed = 1;
    pw_due_list_slot(tenant, &event->stream_id, undo);
    return PW_OK;
}

enum pw_code pw_slot_hard_end_set_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                         struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_slot_hard_end_set *set = &event->slot_hard_end_set;
    struct pw_slot *slot = slot_of_event(tenant, event, &set->exam_id, undo, err);
    if (slot == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (set->hard_end_at < slot->ends_at_us) {
        return pw_misfit(err, event, "the exam would not be over");
    }
    slot->hard_end_at_us = set->hard_end_at;
    return PW_OK;
}

enum pw_code pw_slot_reminder_set_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                         struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_slot_reminder_set *set = &event->slot_reminder_set;
    struct pw_slot *slot = slot_of_event(tenant, event, &set->exam_id, undo, err);
    if (slot == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (slot->reminds_at_us > 0 || slot->is_reminded || set->reminds_at <= 0 ||
        set->reminds_at >= slot->starts_at_us) {
        return pw_misfit(err, event, "it is set already, or not before the start");
    }
    slot->reminds_at_us = set->reminds_at;
    pw_due_list_slot(tenant, &event->stream_id, undo);
    return PW_OK;
}

enum pw_code pw_slot_reminded_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                     struct pw_undo *undo, struct pw_err *err)
{
    struct pw_slot *slot = slot_of_event(tenant, event, &event->slot_reminded.exam_id, undo, err);
    if (slot == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    bool in_time = event->slot_reminded.in_time != 0;
    if (!pw_slot_is_to_remind(slot) && (in_time || slot->reminds_at_us == 0)) {
        return pw_misfit(err, event, "nobody is to be reminded");
    }
    slot->is_reminded = 1;
    if (in_time) {
        pw_members_tell(tenant, &event->stream_id, undo);
    } else {
        slot->reminds_at_us = 0;
        slot->untold_id = slot->untold_moved_id = (struct pw_id){{0}};
    }
    pw_due_list_slot(tenant, &event->stream_id, undo);
    return PW_OK;
}
