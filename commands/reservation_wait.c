/* commands/reservation_wait.c: the waiting list of a slot, and seats that are offered. */
#include "commands/reservation_parts.h"

enum pw_code pw_reservation_join_waitlist_decide(const struct pw_tenant *tenant,
                                                 const struct pw_reservation_join_waitlist *command,
                                                 const struct pw_context *context,
                                                 struct pw_decision *out, struct pw_err *err)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, &command->slot_id);
    if (slot == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_SLOT, "slot_id");
    }
    if (pw_slot_is_off(slot)) {
        return pw_slot_fail_cancelled(err, slot);
    }
    if (slot->state == PW_SLOT_CLOSED) {
        return pw_fail(err, PW_ERR_SLOT_CLOSED, "slot_id");
    }
    if (slot->waitlist_closed || context->decided_at_us >= pw_slot_lead_at_us(slot)) {
        return pw_fail(err, PW_ERR_WAITLIST_CLOSED, "possible until %u minutes before the start",
                       slot->lead_time_minutes);
    }
    struct reservation_calendar calendar =
        reservation_calendar(tenant, &context->actor_id, &command->slot_id, slot, NULL);
    if (!pw_id_is_nil(&calendar.in_slot_id)) {
        return reservation_fail_naming(err, PW_ERR_ALREADY_BOOKED, &calendar.in_slot_id);
    }
    if (calendar.is_forfeited) {
        return pw_fail(err, PW_ERR_NOT_ENTITLED, "an offered seat was given back");
    }
    if (calendar.sitting.over_minutes > 0) {
        return reservation_check_end(&calendar.sitting, err);
    }
    if (pw_id_is_nil(&slot->waiting) && slot->taken_count < slot->capacity) {
        return pw_fail(err, PW_ERR_SEATS_ARE_FREE, "%u of %u taken", slot->taken_count,
                       slot->capacity);
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_RESERVATION_WAITLIST_JOINED, &command->reservation_id);
    event->reservation_waitlist_joined = (struct pw_reservation_waitlist_joined){
        .slot_id = command->slot_id,
        .exam_id = slot->exam_id,
        .student_id = context->actor_id,
    };
    return PW_OK;
}

enum pw_code pw_reservation_leave_waitlist_decide(
    const struct pw_tenant *tenant, const struct pw_reservation_leave_waitlist *command,
    const struct pw_context *context, struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_LEAVE_WAITLIST,
                                        .done = PW_RESERVATION_LEFT,
                                        .wrong = PW_ERR_NOT_WAITING};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_WAITLIST_LEFT, &command->reservation_id)
        ->reservation_waitlist_left =
        (struct pw_reservation_waitlist_left){RESERVATION_OF(reservation)};
    return PW_OK;
}

enum pw_code pw_reservation_prioritise_decide(const struct pw_tenant *tenant,
                                              const struct pw_reservation_prioritise *command,
                                              const struct pw_context *context,
                                              struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_PRIORITISE,
                                        .wrong = PW_ERR_NOT_WAITING,
                                        .by_anybody = true};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL || reservation->priority == command->priority) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_PRIORITISED, &command->reservation_id)
        ->reservation_prioritised = (struct pw_reservation_prioritised){
        RESERVATION_OF(reservation), .priority = command->priority};
    return PW_OK;
}

/* Whether it was due: to the first who waits, while a seat is free and may be offered. */
enum pw_code pw_reservation_offer_decide(const struct pw_tenant *tenant,
                                         const struct pw_reservation_offer *command,
                                         const struct pw_context *context, struct pw_decision *out,
                                         struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_OFFER,
                                        .by_anybody = true};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL) {
        return code;
    }
    const struct pw_slot *slot = pw_tenant_slot(tenant, &reservation->slot_id);
    struct pw_id first = pw_order_first(tenant->waiting, slot->waiting);
    int64_t end_at_us = pw_slot_lead_at_us(slot);
    if (!pw_id_equal(&first, &command->reservation_id) || !pw_slot_offers(slot) ||
        slot->taken_count >= slot->capacity || context->decided_at_us >= end_at_us) {
        return PW_OK;
    }
    int64_t expires_at_us =
        context->decided_at_us + pw_tenant_offer_minutes(tenant) * PW_US_PER_MINUTE;
    pw_decision_add(out, PW_EVENT_RESERVATION_OFFERED, &command->reservation_id)
        ->reservation_offered = (struct pw_reservation_offered){
        RESERVATION_OF(reservation),
        .expires_at = expires_at_us < end_at_us ? expires_at_us : end_at_us};
    return PW_OK;
}

/* Who waited has no times of their own yet but the slot's: those with their accommodation are written down with the seat. */
enum pw_code pw_reservation_accept_offer_decide(const struct pw_tenant *tenant,
                                                const struct pw_reservation_accept_offer *command,
                                                const struct pw_context *context,
                                                struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_ACCEPT_OFFER,
                                        .done = PW_RESERVATION_CONFIRMED,
                                        .wrong = PW_ERR_NOT_OFFERED};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL) {
        return code;
    }
    struct reservation_calendar calendar =
        reservation_calendar(tenant, &context->actor_id, &reservation->slot_id,
                             pw_tenant_slot(tenant, &reservation->slot_id), NULL);
    if (!pw_id_is_nil(&calendar.in_exam_id)) {
        return reservation_fail_naming(err, PW_ERR_EXAM_ALREADY_BOOKED, &calendar.in_exam_id);
    }
    if (calendar.sitting.over_minutes > 0) {
        return reservation_check_end(&calendar.sitting, err);
    }
    if (calendar.clashes) {
        return pw_fail(err, PW_ERR_CALENDAR_CONFLICT, "another exam at that time");
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_OFFER_ACCEPTED, &command->reservation_id)
        ->reservation_offer_accepted =
        (struct pw_reservation_offer_accepted){RESERVATION_OF(reservation)};
    reservation_fit(&command->reservation_id, reservation, &calendar.sitting, out);
    return PW_OK;
}

enum pw_code pw_reservation_decline_offer_decide(const struct pw_tenant *tenant,
                                                 const struct pw_reservation_decline_offer *command,
                                                 const struct pw_context *context,
                                                 struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_DECLINE_OFFER,
                                        .done = PW_RESERVATION_TURNED_DOWN,
                                        .wrong = PW_ERR_NOT_OFFERED};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_OFFER_DECLINED, &command->reservation_id)
        ->reservation_offer_declined =
        (struct pw_reservation_offer_declined){RESERVATION_OF(reservation)};
    return PW_OK;
}

/* Whether it was due. */
enum pw_code pw_reservation_expire_offer_decide(const struct pw_tenant *tenant,
                                                const struct pw_reservation_expire_offer *command,
                                                const struct pw_context *context,
                                                struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_EXPIRE_OFFER,
                                        .by_anybody = true};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL || context->decided_at_us < reservation->expires_at_us) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_OFFER_EXPIRED, &command->reservation_id)
        ->reservation_offer_expired =
        (struct pw_reservation_offer_expired){RESERVATION_OF(reservation)};
    return PW_OK;
}
