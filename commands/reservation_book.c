/* commands/reservation_book.c: seats that are booked, held, given back and moved. */
#include "commands/reservation_parts.h"

/* A seat that is wanted. */
struct seat_ask {
    const struct pw_id *slot_id;
    const struct pw_slot *slot;
    const struct pw_id *student_id;
    const struct pw_id *except_id; /* In place of the one that they have as this; NULL: of none. */
    bool by_staff;                 /* Then the slot may be closed: it was staff who closed it. */
};

/* Whether the student may have the seat now, and when they sit then. */
static enum pw_code check_seat(const struct pw_tenant *tenant, const struct seat_ask *ask,
                               const struct pw_context *context, struct pw_sitting *ret_sitting,
                               struct pw_err *err)
{
    const struct pw_slot *slot = ask->slot;
    if (pw_slot_is_off(slot)) {
        return pw_slot_fail_cancelled(err, slot);
    }
    if (context->decided_at_us >= slot->starts_at_us) {
        return pw_fail(err, PW_ERR_SLOT_STARTED, "the exam has begun");
    }
    if (slot->state == PW_SLOT_CLOSED && !ask->by_staff) {
        return pw_fail(err, PW_ERR_SLOT_CLOSED, "slot_id");
    }
    struct reservation_calendar calendar =
        reservation_calendar(tenant, ask->student_id, ask->slot_id, slot, ask->except_id);
    *ret_sitting = calendar.sitting;
    if (!pw_id_is_nil(&calendar.in_slot_id)) {
        return reservation_fail_naming(err, PW_ERR_ALREADY_BOOKED, &calendar.in_slot_id);
    }
    if (!pw_id_is_nil(&calendar.in_exam_id)) {
        return reservation_fail_naming(err, PW_ERR_EXAM_ALREADY_BOOKED, &calendar.in_exam_id);
    }
    if (calendar.sitting.over_minutes > 0) {
        return reservation_check_end(&calendar.sitting, err);
    }
    if (!pw_id_is_nil(&slot->waiting) && !slot->waitlist_closed) {
        return pw_fail(err, PW_ERR_SLOT_AWAITED, "%u of %u taken", slot->taken_count,
                       slot->capacity);
    }
    if (slot->taken_count >= slot->capacity) {
        return pw_fail(err, PW_ERR_SLOT_FULL, "%u of %u taken", slot->taken_count, slot->capacity);
    }
    return calendar.clashes ? pw_fail(err, PW_ERR_CALENDAR_CONFLICT, "another exam at that time")
                            : PW_OK;
}

static enum pw_code find_seat(const struct pw_tenant *tenant, const struct pw_id *slot_id,
                              const struct pw_context *context, const struct pw_slot **ret_slot,
                              struct pw_sitting *ret_sitting, struct pw_err *err)
{
    const struct seat_ask ask = {.slot_id = slot_id,
                                 .slot = pw_tenant_slot(tenant, slot_id),
                                 .student_id = &context->actor_id};
    *ret_slot = ask.slot;
    return ask.slot == NULL ? pw_fail(err, PW_ERR_NO_SUCH_SLOT, "slot_id")
                            : check_seat(tenant, &ask, context, ret_sitting, err);
}

enum pw_code pw_reservation_reserve_decide(const struct pw_tenant *tenant,
                                           const struct pw_reservation_reserve *command,
                                           const struct pw_context *context,
                                           struct pw_decision *out, struct pw_err *err)
{
    const struct pw_slot *slot;
    struct pw_sitting sitting;
    enum pw_code code = find_seat(tenant, &command->slot_id, context, &slot, &sitting, err);
    if (code != PW_OK) {
        return code;
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_RESERVATION_RESERVED, &command->reservation_id);
    event->reservation_reserved = (struct pw_reservation_reserved){
        .slot_id = command->slot_id,
        .exam_id = slot->exam_id,
        .student_id = context->actor_id,
        .starts_at = sitting.starts_at_us,
        .ends_at = sitting.ends_at_us,
        .free_again_at = sitting.free_again_at_us,
    };
    return PW_OK;
}

enum pw_code pw_reservation_hold_decide(const struct pw_tenant *tenant,
                                        const struct pw_reservation_hold *command,
                                        const struct pw_context *context, struct pw_decision *out,
                                        struct pw_err *err)
{
    const struct pw_slot *slot;
    struct pw_sitting sitting;
    enum pw_code code = find_seat(tenant, &command->slot_id, context, &slot, &sitting, err);
    if (code != PW_OK) {
        return code;
    }
    int64_t expires_at_us =
        context->decided_at_us + pw_tenant_hold_minutes(tenant) * PW_US_PER_MINUTE;
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_RESERVATION_HELD, &command->reservation_id);
    event->reservation_held = (struct pw_reservation_held){
        .slot_id = command->slot_id,
        .exam_id = slot->exam_id,
        .student_id = context->actor_id,
        .starts_at = sitting.starts_at_us,
        .ends_at = sitting.ends_at_us,
        .free_again_at = sitting.free_again_at_us,
        .expires_at = expires_at_us < slot->starts_at_us ? expires_at_us : slot->starts_at_us,
    };
    return PW_OK;
}

enum pw_code pw_reservation_confirm_hold_decide(const struct pw_tenant *tenant,
                                                const struct pw_reservation_confirm_hold *command,
                                                const struct pw_context *context,
                                                struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_CONFIRM_HOLD,
                                        .done = PW_RESERVATION_CONFIRMED,
                                        .wrong = PW_ERR_RESERVATION_NOT_LIVE};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_HOLD_CONFIRMED, &command->reservation_id)
        ->reservation_hold_confirmed =
        (struct pw_reservation_hold_confirmed){RESERVATION_OF(reservation)};
    return PW_OK;
}

/* Whether it was due: one that was confirmed or given back meanwhile stays so. */
enum pw_code pw_reservation_expire_hold_decide(const struct pw_tenant *tenant,
                                               const struct pw_reservation_expire_hold *command,
                                               const struct pw_context *context,
                                               struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_EXPIRE_HOLD,
                                        .by_anybody = true};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL || context->decided_at_us < reservation->expires_at_us) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_HOLD_EXPIRED, &command->reservation_id)
        ->reservation_hold_expired =
        (struct pw_reservation_hold_expired){RESERVATION_OF(reservation)};
    return PW_OK;
}

static enum pw_code check_lead_time(const struct pw_slot *slot, const struct pw_context *context,
                                    struct pw_err *err)
{
    return context->decided_at_us > pw_slot_lead_at_us(slot)
               ? pw_fail(err, PW_ERR_CANCEL_TOO_LATE, "possible until %u minutes before the start",
                         slot->lead_time_minutes)
               : PW_OK;
}

/* One that is only held may be given back at any time: it was no promise yet. */
enum pw_code pw_reservation_cancel_decide(const struct pw_tenant *tenant,
                                          const struct pw_reservation_cancel *command,
                                          const struct pw_context *context, struct pw_decision *out,
                                          struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_CANCEL,
                                        .wrong = PW_ERR_RESERVATION_NOT_LIVE};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL) {
        return code;
    }
    if (reservation->state == PW_RESERVATION_CONFIRMED) {
        code = check_lead_time(pw_tenant_slot(tenant, &reservation->slot_id), context, err);
    }
    if (code != PW_OK) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_CANCELLED, &command->reservation_id)
        ->reservation_cancelled = (struct pw_reservation_cancelled){RESERVATION_OF(reservation)};
    return PW_OK;
}

enum pw_code pw_reservation_cancel_by_staff_decide(
    const struct pw_tenant *tenant, const struct pw_reservation_cancel_by_staff *command,
    const struct pw_context *context, struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_CANCEL_BY_STAFF,
                                        .done = PW_RESERVATION_GIVEN_BACK,
                                        .wrong = PW_ERR_RESERVATION_OVER,
                                        .by_anybody = true};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_CANCELLED_BY_STAFF, &command->reservation_id)
        ->reservation_cancelled_by_staff = (struct pw_reservation_cancelled_by_staff){
        RESERVATION_OF(reservation), .reason = command->reason};
    return PW_OK;
}

/* Whether it was due: before its slot is cancelled, nothing is. */
enum pw_code pw_reservation_cancel_with_slot_decide(
    const struct pw_tenant *tenant, const struct pw_reservation_cancel_with_slot *command,
    const struct pw_context *context, struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_CANCEL_WITH_SLOT,
                                        .by_anybody = true};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL) {
        return code;
    }
    const struct pw_slot *slot = pw_tenant_slot(tenant, &reservation->slot_id);
    if (pw_slot_is_off(slot)) {
        pw_decision_add(out, PW_EVENT_RESERVATION_CANCELLED_WITH_SLOT, &command->reservation_id)
            ->reservation_cancelled_with_slot = (struct pw_reservation_cancelled_with_slot){
            RESERVATION_OF(reservation), .reason = slot->cancel_reason};
    }
    return PW_OK;
}

/* --- Moved to another slot --- */

/* Whether the seat may be moved, and when the student sits then. The student may do so until the lead time, staff as long as nobody has
 * marked what came of the sitting. */
static enum pw_code find_move(const struct pw_tenant *tenant, const struct reservation_ask *ask,
                              const struct pw_reservation *reservation, const struct pw_id *slot_id,
                              const struct pw_context *context, struct pw_sitting *ret_sitting,
                              struct pw_err *err)
{
    const struct seat_ask seat = {.slot_id = slot_id,
                                  .slot = pw_tenant_slot(tenant, slot_id),
                                  .student_id = &reservation->student_id,
                                  .except_id = ask->id,
                                  .by_staff = ask->by_anybody};
    if (seat.slot == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_SLOT, "slot_id");
    }
    if (!pw_id_equal(&seat.slot->exam_id, &reservation->exam_id)) {
        return pw_fail(err, PW_ERR_SLOT_OF_OTHER_EXAM, "slot_id");
    }
    enum pw_code code =
        seat.by_staff
            ? PW_OK
            : check_lead_time(pw_tenant_slot(tenant, &reservation->slot_id), context, err);
    return code != PW_OK ? code : check_seat(tenant, &seat, context, ret_sitting, err);
}

/* Gives the reservation where it is to be moved; else NULL, and the code is the answer. */
static enum pw_code move(const struct pw_tenant *tenant, const struct reservation_ask *ask,
                         const struct pw_id *slot_id, const struct pw_context *context,
                         const struct pw_reservation **ret_reservation,
                         struct pw_sitting *ret_sitting, struct pw_err *err)
{
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, ask, context, &reservation, err);
    *ret_reservation = NULL;
    if (reservation == NULL || pw_id_equal(&reservation->slot_id, slot_id)) {
        return code;
    }
    code = find_move(tenant, ask, reservation, slot_id, context, ret_sitting, err);
    *ret_reservation = code == PW_OK ? reservation : NULL;
    return code;
}

/* The fields that every event of a move begins with. */
#define MOVE_OF(reservation, to_slot_id, sitting)                                                  \
    .slot_id = (to_slot_id), .exam_id = (reservation)->exam_id,                                    \
    .student_id = (reservation)->student_id, .starts_at = (sitting).starts_at_us,                  \
    .ends_at = (sitting).ends_at_us, .free_again_at = (sitting).free_again_at_us,                  \
    .from_slot_id = (reservation)->slot_id, .from_starts_at = (reservation)->starts_at_us,         \
    .from_ends_at = (reservation)->ends_at_us,                                                     \
    .from_free_again_at = (reservation)->free_again_at_us

enum pw_code pw_reservation_reschedule_decide(const struct pw_tenant *tenant,
                                              const struct pw_reservation_reschedule *command,
                                              const struct pw_context *context,
                                              struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_RESCHEDULE,
                                        .wrong = PW_ERR_RESERVATION_NOT_BOOKED};
    const struct pw_reservation *reservation;
    struct pw_sitting sitting;
    enum pw_code code = move(tenant, &ask, &command->slot_id, context, &reservation, &sitting, err);
    if (reservation == NULL) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_RESCHEDULED, &command->reservation_id)
        ->reservation_rescheduled =
        (struct pw_reservation_rescheduled){MOVE_OF(reservation, command->slot_id, sitting)};
    return PW_OK;
}

enum pw_code pw_reservation_reschedule_by_staff_decide(
    const struct pw_tenant *tenant, const struct pw_reservation_reschedule_by_staff *command,
    const struct pw_context *context, struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF,
                                        .wrong = PW_ERR_RESERVATION_NOT_BOOKED,
                                        .by_anybody = true};
    const struct pw_reservation *reservation;
    struct pw_sitting sitting;
    enum pw_code code = move(tenant, &ask, &command->slot_id, context, &reservation, &sitting, err);
    if (reservation == NULL) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_RESCHEDULED_BY_STAFF, &command->reservation_id)
        ->reservation_rescheduled_by_staff = (struct pw_reservation_rescheduled_by_staff){
        MOVE_OF(reservation, command->slot_id, sitting), .reason = command->reason};
    return PW_OK;
}
