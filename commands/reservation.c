/* commands/reservation.c: one student's way to a seat in one slot, from the first ask to its end.
 *
 * The table below is its life. An open reservation, or one whose sitting was attended or missed, is linked into its student's chain, so that a booking is checked against this student's
 * calendar alone, however many reservations the tenant has. */
#include "commands/reservation_parts.h"

const struct reservation_meaning reservation_meanings[PW_RESERVATION_STATE_COUNT] = {
    [PW_RESERVATION_CONFIRMED] = {"booked", true, true, true},
    [PW_RESERVATION_GIVEN_BACK] = {"cancelled", false, false, false},
    [PW_RESERVATION_ON_HOLD] = {"held", true, true, true},
    [PW_RESERVATION_RUN_OUT] = {"over: its hold ran out", false, false, false},
    [PW_RESERVATION_WAITING] = {"waiting", true, false, false},
    [PW_RESERVATION_LEFT] = {"over: it left the waiting list", false, false, false},
    [PW_RESERVATION_ON_OFFER] = {"offered", true, true, false},
    [PW_RESERVATION_TURNED_DOWN] = {"over: its offer was declined", false, false, false},
    [PW_RESERVATION_LAPSED] = {"over: its offer ran out", false, false, false},
    [PW_RESERVATION_ATTENDED] = {"over: the student came", false, true, true},
    [PW_RESERVATION_NO_SHOW] = {"over: the student did not come", false, true, true},
};

bool pw_reservation_blocks_calendar(uint32_t state)
{
    return reservation_meanings[state].blocks;
}

bool pw_reservation_is_open(uint32_t state)
{
    return reservation_meanings[state].is_open;
}

static_assert(offsetof(struct pw_reservation_rescheduled_by_staff, from_free_again_at) ==
                  offsetof(struct pw_reservation_rescheduled, from_free_again_at),
              "a move by staff begins with the fields of one by the student");

const struct pw_reservation_rescheduled *pw_reservation_move(const struct pw_event *event)
{
    bool moves = event->type == PW_EVENT_RESERVATION_RESCHEDULED ||
                 event->type == PW_EVENT_RESERVATION_RESCHEDULED_BY_STAFF;
    return moves ? &event->reservation_rescheduled : NULL;
}

static const struct reservation_step life[] = {
#define STEP(from, COMMAND, EVENT, to)                                                             \
    {                                                                                              \
        from, PW_COMMAND_RESERVATION_##COMMAND, PW_EVENT_RESERVATION_##EVENT, PW_RESERVATION_##to  \
    }
    STEP(RESERVATION_NONE, RESERVE, RESERVED, CONFIRMED),
    STEP(RESERVATION_NONE, HOLD, HELD, ON_HOLD),
    STEP(PW_RESERVATION_ON_HOLD, CONFIRM_HOLD, HOLD_CONFIRMED, CONFIRMED),
    STEP(PW_RESERVATION_ON_HOLD, EXPIRE_HOLD, HOLD_EXPIRED, RUN_OUT),
    STEP(PW_RESERVATION_ON_HOLD, CANCEL, CANCELLED, GIVEN_BACK),
    STEP(PW_RESERVATION_CONFIRMED, CANCEL, CANCELLED, GIVEN_BACK),
    STEP(PW_RESERVATION_ON_HOLD, CANCEL_BY_STAFF, CANCELLED_BY_STAFF, GIVEN_BACK),
    STEP(PW_RESERVATION_CONFIRMED, CANCEL_BY_STAFF, CANCELLED_BY_STAFF, GIVEN_BACK),
    STEP(PW_RESERVATION_WAITING, CANCEL_BY_STAFF, CANCELLED_BY_STAFF, GIVEN_BACK),
    STEP(PW_RESERVATION_ON_OFFER, CANCEL_BY_STAFF, CANCELLED_BY_STAFF, GIVEN_BACK),
    STEP(PW_RESERVATION_ON_HOLD, CANCEL_WITH_SLOT, CANCELLED_WITH_SLOT, GIVEN_BACK),
    STEP(PW_RESERVATION_CONFIRMED, CANCEL_WITH_SLOT, CANCELLED_WITH_SLOT, GIVEN_BACK),
    STEP(PW_RESERVATION_WAITING, CANCEL_WITH_SLOT, CANCELLED_WITH_SLOT, GIVEN_BACK),
    STEP(PW_RESERVATION_ON_OFFER, CANCEL_WITH_SLOT, CANCELLED_WITH_SLOT, GIVEN_BACK),
    STEP(PW_RESERVATION_CONFIRMED, MARK_ATTENDED, MARKED_ATTENDED, ATTENDED),
    STEP(PW_RESERVATION_NO_SHOW, MARK_ATTENDED, MARKED_ATTENDED, ATTENDED),
    STEP(PW_RESERVATION_CONFIRMED, MARK_NO_SHOW, MARKED_NO_SHOW, NO_SHOW),
    STEP(PW_RESERVATION_ATTENDED, MARK_NO_SHOW, MARKED_NO_SHOW, NO_SHOW),
    STEP(PW_RESERVATION_CONFIRMED, REMIND, REMINDED, CONFIRMED),
    STEP(PW_RESERVATION_CONFIRMED, RESCHEDULE, RESCHEDULED, CONFIRMED),
    STEP(PW_RESERVATION_CONFIRMED, RESCHEDULE_BY_STAFF, RESCHEDULED_BY_STAFF, CONFIRMED),
    STEP(RESERVATION_NONE, JOIN_WAITLIST, WAITLIST_JOINED, WAITING),
    STEP(PW_RESERVATION_WAITING, PRIORITISE, PRIORITISED, WAITING),
    STEP(PW_RESERVATION_WAITING, LEAVE_WAITLIST, WAITLIST_LEFT, LEFT),
    STEP(PW_RESERVATION_WAITING, OFFER, OFFERED, ON_OFFER),
    STEP(PW_RESERVATION_ON_OFFER, ACCEPT_OFFER, OFFER_ACCEPTED, CONFIRMED),
    STEP(PW_RESERVATION_ON_OFFER, DECLINE_OFFER, OFFER_DECLINED, TURNED_DOWN),
    STEP(PW_RESERVATION_ON_OFFER, EXPIRE_OFFER, OFFER_EXPIRED, LAPSED),
};

const struct reservation_step *reservation_step_by_command(uint32_t from,
                                                           enum pw_command_type command)
{
    for (size_t i = 0; i < PW_COUNT(life); i++) {
        if (life[i].from == from && life[i].command == command) {
            return &life[i];
        }
    }
    return NULL;
}

const struct reservation_step *reservation_step_by_event(uint32_t from, enum pw_event_type event)
{
    for (size_t i = 0; i < PW_COUNT(life); i++) {
        if (life[i].from == from && life[i].event == event) {
            return &life[i];
        }
    }
    return NULL;
}

enum pw_code reservation_find(const struct pw_tenant *tenant, const struct reservation_ask *ask,
                              const struct pw_context *context,
                              const struct pw_reservation **ret_reservation, struct pw_err *err)
{
    const struct pw_reservation *reservation = pw_tenant_reservation(tenant, ask->id);
    *ret_reservation = NULL;
    if (reservation == NULL ||
        (!ask->by_anybody && !pw_id_equal(&reservation->student_id, &context->actor_id))) {
        return pw_fail(err, PW_ERR_NO_SUCH_RESERVATION, "reservation_id");
    }
    if (reservation_step_by_command(reservation->state, ask->command) != NULL) {
        *ret_reservation = reservation;
        return PW_OK;
    }
    return reservation->state == ask->done || ask->wrong == PW_OK
               ? PW_OK
               : pw_fail(err, ask->wrong, "it is %s",
                         reservation_meanings[reservation->state].name);
}

/* --- The calendar --- */

/* What one of the student's chain has to say. */
static void calendar_take(struct reservation_calendar *calendar, const struct pw_reservation *other,
                          const struct pw_id *id, const struct pw_id *slot_id,
                          const struct pw_slot *slot)
{
    const struct pw_sitting *sitting = &calendar->sitting;
    const struct reservation_meaning *meaning = &reservation_meanings[other->state];
    calendar->is_forfeited |=
        other->by_offer == PW_BY_OFFER_MOVED && pw_id_equal(&other->exam_id, &slot->exam_id);
    if (pw_id_equal(&other->slot_id, slot_id)) {
        calendar->is_forfeited |= other->state == PW_RESERVATION_GIVEN_BACK;
        calendar->in_slot_id = meaning->is_open ? *id : calendar->in_slot_id;
    } else if (meaning->blocks && meaning->is_open &&
               pw_id_equal(&other->exam_id, &slot->exam_id)) {
        calendar->in_exam_id = *id;
    }
    /* Both are half-open: who is free again at ten can sit at ten. */
    calendar->clashes |= meaning->blocks && sitting->starts_at_us < other->free_again_at_us &&
                         other->starts_at_us < sitting->free_again_at_us;
}

struct reservation_calendar reservation_calendar(const struct pw_tenant *tenant,
                                                 const struct pw_id *student_id,
                                                 const struct pw_id *slot_id,
                                                 const struct pw_slot *slot,
                                                 const struct pw_id *except_id)
{
    struct reservation_calendar found = {
        .sitting =
            pw_sitting_of(slot, pw_accommodation_at(tenant, student_id, slot->starts_at_us, NULL))};
    const struct pw_student *student = pw_map_get(tenant->students, student_id);
    if (student == NULL) {
        return found;
    }
    struct pw_id id = student->first_id;
    const struct pw_reservation *other = reservation_chained(tenant, student->first, &id);
    while (other != NULL) {
        if (except_id == NULL || !pw_id_equal(&id, except_id)) {
            calendar_take(&found, other, &id, slot_id, slot);
        }
        id = other->next_id;
        other = reservation_chained(tenant, other->next, &id);
    }
    return found;
}

enum pw_code reservation_fail_naming(struct pw_err *err, enum pw_code code, const struct pw_id *id)
{
    char text[PW_ID_TEXT_BYTES + 1];
    pw_id_format(id, text);
    return pw_fail(err, code, "reservation %s", text);
}

enum pw_code reservation_check_end(const struct pw_sitting *sitting, struct pw_err *err)
{
    return sitting->over_minutes == 0 ? PW_OK
                                      : pw_fail(err, PW_ERR_ACCOMMODATION_DOES_NOT_FIT,
                                                "minutes beyond the slot's hard end: %lld",
                                                (long long)sitting->over_minutes);
}
