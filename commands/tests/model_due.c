/* commands/tests/model_due.c: what time alone brings about: holds and offers that run out, seats that are offered. */
#include "commands/tests/model_parts.h"

/* One that is held or offered, and has run out by then. */
static bool is_overdue(const struct seat *seat, const struct pw_id *tenant, int64_t now_us)
{
    return (seat->state == HELD || seat->state == OFFERED) && seat->expires_at <= now_us &&
           pw_id_equal(&seat->tenant, tenant);
}

/* Whether a seat of the slot is to be offered, or its waiting list to be closed. */
static bool is_awaited(const struct model *model, const struct slot *slot, int64_t now_us)
{
    return !slot->is_closed && !slot->is_shut && !slot->is_off &&
           first_waiting(model, slot) != SEATS_MAX &&
           (now_us >= offers_end_at(slot) || taken(model, &slot->id) < slot->capacity);
}

/* Whether everybody in a slot is to be reminded. */
static bool is_to_remind(const struct slot *slot, int64_t now_us)
{
    return !slot->is_off && !slot->is_reminded && slot->reminds_at != 0 &&
           slot->reminds_at <= now_us;
}

/* Whether somebody is to be reminded, for whose slot it is time. */
static bool is_untold(const struct model *model, const struct seat *seat, int64_t now_us)
{
    const struct slot *slot = &model->slots[slot_at(model, &seat->tenant, &seat->slot)];
    return seat->state == BOOKED && !seat->is_told && slot->is_reminded && !slot->is_off &&
           slot->reminds_at != 0 && slot->reminds_at <= now_us;
}

/* Whether anything of a slot is due that is to be written first. */
static bool slot_waits(const struct model *model, const struct pw_id *tenant,
                       const struct pw_id *slot_id, int64_t now_us)
{
    uint32_t at = slot_at(model, tenant, slot_id);
    if (at != UINT32_MAX && model->slots[at].is_off) {
        return false; /* Whoever else had a seat there is nobody's business. */
    }
    for (uint32_t i = 0; i < model->seat_count; i++) {
        if (is_overdue(&model->seats[i], tenant, now_us) &&
            pw_id_equal(&model->seats[i].slot, slot_id)) {
            return true;
        }
    }
    return at != UINT32_MAX && (is_awaited(model, &model->slots[at], now_us) ||
                                is_to_remind(&model->slots[at], now_us));
}

/* Whether a student has a hold that has run out, or something in a slot that was cancelled. */
static bool calendar_waits(const struct model *model, const struct pw_id *tenant,
                           const struct pw_id *student, int64_t now_us)
{
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        bool is_own = pw_id_equal(&seat->tenant, tenant) && pw_id_equal(&seat->student, student);
        bool ran_out = is_overdue(seat, tenant, now_us) && seat->state == HELD;
        if (is_own && (ran_out || seat_is_off(model, seat))) {
            return true;
        }
    }
    return false;
}

/* Whether anything is due in any slot of the exam. */
static bool exam_waits(const struct model *model, const struct pw_job *request, int64_t now_us)
{
    for (uint32_t i = 0; i < model->slot_count; i++) {
        const struct slot *slot = &model->slots[i];
        if (pw_id_equal(&slot->tenant, &request->boundary_id) &&
            pw_id_equal(&slot->exam, &request->command.exam_withdraw.exam_id) &&
            slot_waits(model, &slot->tenant, &slot->id, now_us)) {
            return true;
        }
    }
    return false;
}

/* The student whose time a command of the office is about, or NULL. */
static const struct pw_id *student_asked(const struct model *model, const struct pw_job *request)
{
    uint32_t at =
        accommodation_at(model, &request->boundary_id, pw_command_target(&request->command));
    switch (request->command.type) {
    case PW_COMMAND_ACCOMMODATION_GRANT: return &request->command.accommodation_grant.student_id;
    case PW_COMMAND_ACCOMMODATION_REVISE:
    case PW_COMMAND_ACCOMMODATION_REVOKE:
        return at != UINT32_MAX ? &model->accommodations[at].student : NULL;
    default: return NULL;
    }
}

bool model_waits(const struct model *model, const struct pw_job *request, int64_t decided_at_us)
{
    const struct pw_id *tenant = &request->boundary_id;
    const struct pw_id *slot = slot_asked(model, request);
    uint32_t at = seat_at(model, tenant, pw_command_target(&request->command));
    bool by_office = request->command.type == PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF;
    if (request->command.type == PW_COMMAND_EXAM_WITHDRAW) {
        return exam_waits(model, request, decided_at_us);
    }
    const struct pw_id *student = student_asked(model, request);
    if (slot == NULL) {
        return student != NULL && calendar_waits(model, tenant, student, decided_at_us);
    }
    if (at != UINT32_MAX && seat_is_off(model, &model->seats[at])) {
        return true;
    }
    switch (request->command.type) {
    case PW_COMMAND_RESERVATION_RESCHEDULE:
    case PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF:
        return slot_waits(model, tenant, slot, decided_at_us) ||
               slot_waits(model, tenant, slot_moved_to(&request->command), decided_at_us) ||
               calendar_waits(model, tenant,
                              by_office ? &model->seats[at].student : &request->actor_id,
                              decided_at_us);
    case PW_COMMAND_RESERVATION_RESERVE:
    case PW_COMMAND_RESERVATION_HOLD:
    case PW_COMMAND_RESERVATION_ACCEPT_OFFER:
        return slot_waits(model, tenant, slot, decided_at_us) ||
               calendar_waits(model, tenant, &request->actor_id, decided_at_us);
    default: return slot_waits(model, tenant, slot, decided_at_us);
    }
}

static bool expire(struct model *model, const struct pw_id *tenant, const struct pw_event *event,
                   int64_t decided_at_us)
{
    uint32_t at = seat_at(model, tenant, &event->stream_id);
    bool is_hold = event->type == PW_EVENT_RESERVATION_HOLD_EXPIRED;
    if (at == UINT32_MAX || !is_overdue(&model->seats[at], tenant, decided_at_us) ||
        is_hold != (model->seats[at].state == HELD)) {
        return false;
    }
    model->seats[at].state = is_hold ? RUN_OUT : LAPSED;
    inbox_tell(model, &model->seats[at]);
    return ++model->seats[at].version == event->stream_version;
}

/* To who is next, while a seat is free: nothing of the slot has run out that was not given back before. */
static bool offer(struct model *model, const struct pw_id *tenant, const struct pw_event *event,
                  int64_t decided_at_us)
{
    uint32_t at = seat_at(model, tenant, &event->stream_id);
    uint32_t slot_index = at != UINT32_MAX ? slot_at(model, tenant, &model->seats[at].slot) : 0;
    const struct slot *slot = &model->slots[slot_index];
    if (at == UINT32_MAX || slot->is_closed || slot->is_shut || slot->is_off ||
        first_waiting(model, slot) != at || taken(model, &slot->id) >= slot->capacity ||
        decided_at_us >= offers_end_at(slot)) {
        return false;
    }
    struct seat *seat = &model->seats[at];
    int64_t expires_at =
        decided_at_us + MINUTE(model->tenants[tenant_at(model, tenant)].offer_minutes);
    seat->state = OFFERED;
    inbox_tell(model, seat);
    seat->expires_at = expires_at < offers_end_at(slot) ? expires_at : offers_end_at(slot);
    return ++seat->version == event->stream_version &&
           seat->expires_at == event->reservation_offered.expires_at;
}

static bool close_list(struct model *model, const struct pw_id *tenant,
                       const struct pw_event *event, int64_t decided_at_us)
{
    uint32_t at = slot_at(model, tenant, &event->stream_id);
    if (at == UINT32_MAX || model->slots[at].is_closed ||
        first_waiting(model, &model->slots[at]) == SEATS_MAX ||
        decided_at_us < offers_end_at(&model->slots[at])) {
        return false;
    }
    model->slots[at].is_closed = true;
    return ++model->slots[at].version == event->stream_version;
}

static bool end_with_slot(struct model *model, const struct pw_id *tenant,
                          const struct pw_event *event)
{
    uint32_t at = seat_at(model, tenant, &event->stream_id);
    if (at == UINT32_MAX || !seat_is_off(model, &model->seats[at])) {
        return false;
    }
    struct seat *seat = &model->seats[at];
    const struct slot *slot = &model->slots[slot_at(model, tenant, &seat->slot)];
    seat->state = CANCELLED;
    seat->by_offer = false;
    inbox_tell(model, seat);
    return ++seat->version == event->stream_version &&
           event->reservation_cancelled_with_slot.reason == slot->why;
}

static bool cancel_with_exam(struct model *model, const struct pw_id *tenant,
                             const struct pw_event *event)
{
    uint32_t at = slot_at(model, tenant, &event->stream_id);
    if (at == UINT32_MAX || !model->slots[at].by_exam) {
        return false;
    }
    model->slots[at].by_exam = false;
    return ++model->slots[at].version == event->stream_version &&
           event->slot_cancelled.reason == model->slots[at].why;
}

static bool remind(struct model *model, const struct pw_id *tenant, const struct pw_event *event,
                   int64_t decided_at_us)
{
    uint32_t at = slot_at(model, tenant, &event->stream_id);
    if (at == UINT32_MAX || !is_to_remind(&model->slots[at], decided_at_us)) {
        return false;
    }
    struct slot *slot = &model->slots[at];
    bool in_time = decided_at_us < slot->starts_at;
    slot->is_reminded = true;
    slot->reminds_at = in_time ? slot->reminds_at : 0;
    return ++slot->version == event->stream_version &&
           (event->slot_reminded.in_time != 0) == in_time;
}

/* What is left to be told of a sitting that has begun is let be. */
static bool stop_telling(struct model *model, const struct pw_id *tenant,
                         const struct pw_event *event, int64_t decided_at_us)
{
    uint32_t at = slot_at(model, tenant, &event->stream_id);
    bool is_left = false;
    for (uint32_t i = 0; at != UINT32_MAX && i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        is_left |=
            pw_id_equal(&seat->slot, &event->stream_id) && is_untold(model, seat, decided_at_us);
    }
    if (!is_left || decided_at_us < model->slots[at].starts_at) {
        return false;
    }
    model->slots[at].reminds_at = 0;
    return ++model->slots[at].version == event->stream_version && !event->slot_reminded.in_time;
}

static bool tell(struct model *model, const struct pw_id *tenant, const struct pw_event *event,
                 int64_t decided_at_us)
{
    uint32_t at = seat_at(model, tenant, &event->stream_id);
    if (at == UINT32_MAX || !is_untold(model, &model->seats[at], decided_at_us) ||
        decided_at_us >= model->slots[slot_at(model, tenant, &model->seats[at].slot)].starts_at) {
        return false;
    }
    model->seats[at].is_told = true;
    inbox_tell(model, &model->seats[at]);
    return ++model->seats[at].version == event->stream_version;
}

bool model_fall_due(struct model *model, const struct pw_id *tenant, const struct pw_event *event,
                    int64_t decided_at_us)
{
    switch (event->type) {
    case PW_EVENT_RESERVATION_HOLD_EXPIRED:
    case PW_EVENT_RESERVATION_OFFER_EXPIRED: return expire(model, tenant, event, decided_at_us);
    case PW_EVENT_SLOT_CANCELLED: return cancel_with_exam(model, tenant, event);
    case PW_EVENT_RESERVATION_CANCELLED_WITH_SLOT: return end_with_slot(model, tenant, event);
    case PW_EVENT_RESERVATION_OFFERED: return offer(model, tenant, event, decided_at_us);
    case PW_EVENT_SLOT_REMINDED:
        return remind(model, tenant, event, decided_at_us) ||
               stop_telling(model, tenant, event, decided_at_us);
    case PW_EVENT_RESERVATION_REMINDED: return tell(model, tenant, event, decided_at_us);
    case PW_EVENT_SLOT_WAITLIST_CLOSED: return close_list(model, tenant, event, decided_at_us);
    default: return false;
    }
}

bool model_is_late(const struct model *model, const struct pw_id *tenant, int64_t now_us)
{
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        if (is_overdue(seat, tenant, now_us) ||
            (pw_id_equal(&seat->tenant, tenant) &&
             (seat_is_off(model, seat) || is_untold(model, seat, now_us)))) {
            return true;
        }
    }
    for (uint32_t i = 0; i < model->slot_count; i++) {
        if (pw_id_equal(&model->slots[i].tenant, tenant) &&
            (is_awaited(model, &model->slots[i], now_us) || model->slots[i].by_exam ||
             is_to_remind(&model->slots[i], now_us))) {
            return true;
        }
    }
    return false;
}
