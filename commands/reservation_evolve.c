/* commands/reservation_evolve.c: what happened to a reservation: its state, its seat, its place in the student's chain and among what is due. */
#include "commands/members.h"
#include "commands/reservation_parts.h"

/* How a reservation begins. That nothing overlaps is the decider's business; here the counts and links must stay right. */
struct beginning {
    struct pw_id slot_id;
    struct pw_id exam_id;
    struct pw_id student_id;
    int64_t starts_at;
    int64_t ends_at;
    int64_t free_again_at;
    int64_t expires_at; /* 0: never. */
};

const char *reservation_times_misfit(int64_t starts_at, int64_t ends_at, int64_t free_again_at)
{
    bool fit = starts_at >= 0 && ends_at > starts_at && free_again_at >= ends_at &&
               free_again_at <= PW_AT_US_MAX;
    return fit ? NULL : "the times are out of range";
}

static const char *beginning_misfit(const struct pw_tenant *tenant, const struct pw_event *event,
                                    uint32_t state, const struct beginning *begun)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, &begun->slot_id);
    if (pw_tenant_reservation(tenant, &event->stream_id) != NULL) {
        return "the reservation exists already";
    }
    if (slot == NULL || !pw_id_equal(&slot->exam_id, &begun->exam_id)) {
        return "there is no such slot of the exam";
    }
    if (pw_slot_is_off(slot)) {
        return "the slot is cancelled";
    }
    if (reservation_meanings[state].has_seat && slot->taken_count >= slot->capacity) {
        return "no seat is free";
    }
    return reservation_times_misfit(begun->starts_at, begun->ends_at, begun->free_again_at);
}

static enum pw_code begin(struct pw_tenant *tenant, const struct pw_event *event,
                          const struct beginning *begun, struct pw_undo *undo, struct pw_err *err)
{
    uint32_t state = reservation_step_by_event(RESERVATION_NONE, event->type)->to;
    const char *why = beginning_misfit(tenant, event, state, begun);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_slot *slot = pw_map_put(tenant->slots, &begun->slot_id, undo);
    slot->taken_count += reservation_meanings[state].has_seat;
    slot->joined_count += state == PW_RESERVATION_WAITING;
    struct pw_student *student = pw_map_put(tenant->students, &begun->student_id, undo);
    struct pw_reservation *reservation = pw_map_put(tenant->reservations, &event->stream_id, undo);
    *reservation = (struct pw_reservation){
        .slot_id = begun->slot_id,
        .exam_id = begun->exam_id,
        .student_id = begun->student_id,
        .next_id = student->first_id,
        .next = student->first,
        .version = event->stream_version,
        .state = state,
        .starts_at_us = begun->starts_at,
        .ends_at_us = begun->ends_at,
        .free_again_at_us = begun->free_again_at,
        .expires_at_us = begun->expires_at,
        .turn = state == PW_RESERVATION_WAITING ? slot->joined_count : 0,
        .is_told = slot->is_reminded,
    };
    student->first_id = event->stream_id;
    student->first = reservation;
    pw_members_begin(slot, &event->stream_id, reservation);
    if (state != PW_RESERVATION_CONFIRMED || !pw_id_is_nil(&slot->waiting)) {
        pw_due_enter(tenant, &event->stream_id, undo);
        pw_due_list_slot(tenant, &begun->slot_id, undo);
    }
    return PW_OK;
}

enum pw_code pw_reservation_reserved_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                            struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_reservation_reserved *reserved = &event->reservation_reserved;
    struct beginning begun = {.slot_id = reserved->slot_id,
                              .exam_id = reserved->exam_id,
                              .student_id = reserved->student_id,
                              .starts_at = reserved->starts_at,
                              .ends_at = reserved->ends_at,
                              .free_again_at = reserved->free_again_at};
    return begin(tenant, event, &begun, undo, err);
}

enum pw_code pw_reservation_held_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                        struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_reservation_held *held = &event->reservation_held;
    struct beginning begun = {.slot_id = held->slot_id,
                              .exam_id = held->exam_id,
                              .student_id = held->student_id,
                              .starts_at = held->starts_at,
                              .ends_at = held->ends_at,
                              .free_again_at = held->free_again_at,
                              .expires_at = held->expires_at};
    if (held->expires_at <= 0 || held->expires_at > held->starts_at) {
        return pw_misfit(err, event, "it does not run out by the start");
    }
    return begin(tenant, event, &begun, undo, err);
}

enum pw_code pw_reservation_waitlist_joined_evolve(struct pw_tenant *tenant,
                                                   const struct pw_event *event,
                                                   struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_reservation_waitlist_joined *joined = &event->reservation_waitlist_joined;
    const struct pw_slot *slot = pw_tenant_slot(tenant, &joined->slot_id);
    if (slot == NULL) {
        return pw_misfit(err, event, "there is no such slot of the exam");
    }
    struct beginning begun = {.slot_id = joined->slot_id,
                              .exam_id = joined->exam_id,
                              .student_id = joined->student_id,
                              .starts_at = slot->starts_at_us,
                              .ends_at = slot->ends_at_us,
                              .free_again_at = pw_sitting_of(slot, NULL).free_again_at_us};
    return begin(tenant, event, &begun, undo, err);
}

/* Takes a reservation out of its student's chain. */
static void unlink_reservation(struct pw_tenant *tenant, const struct pw_id *id,
                               const struct pw_reservation *reservation, struct pw_undo *undo)
{
    const struct pw_student *student = pw_map_get(tenant->students, &reservation->student_id);
    struct pw_id before_id = {0};
    struct pw_id at_id = student->first_id;
    const struct pw_reservation *at = student->first;
    while (!pw_id_equal(&at_id, id)) {
        at = reservation_chained(tenant, at, &at_id);
        before_id = at_id;
        at_id = at->next_id;
        at = at->next;
    }
    if (!pw_id_is_nil(&before_id)) {
        struct pw_reservation *before = pw_map_put(tenant->reservations, &before_id, undo);
        before->next_id = reservation->next_id;
        before->next = reservation->next;
    } else if (!pw_id_is_nil(&reservation->next_id)) {
        struct pw_student *changed = pw_map_put(tenant->students, &reservation->student_id, undo);
        changed->first_id = reservation->next_id;
        changed->first = reservation->next;
    } else {
        pw_map_remove(tenant->students, &reservation->student_id, undo);
    }
}

/* What changes with a step besides the state. */
struct change {
    const struct pw_id *slot_id; /* As the event names them. */
    const struct pw_id *exam_id;
    const struct pw_id *student_id;
    int64_t expires_at; /* 0: never. */
    uint32_t priority;
};

static const char *step_misfit(const struct pw_tenant *tenant, const struct pw_reservation *before,
                               const struct reservation_step *step, const struct change *change)
{
    if (before == NULL || step == NULL) {
        return "there is no such reservation in that state";
    }
    if (!pw_id_equal(&before->slot_id, change->slot_id) ||
        !pw_id_equal(&before->exam_id, change->exam_id) ||
        !pw_id_equal(&before->student_id, change->student_id)) {
        return "it names another slot, exam or student";
    }
    const struct pw_slot *slot = pw_tenant_slot(tenant, change->slot_id);
    if (reservation_meanings[step->to].has_seat && !reservation_meanings[step->from].has_seat &&
        slot->taken_count >= slot->capacity) {
        return "no seat is free";
    }
    if (step->to == PW_RESERVATION_ON_OFFER &&
        (change->expires_at <= 0 || change->expires_at > before->starts_at_us)) {
        return "it does not run out by the start";
    }
    return NULL;
}

static void take_or_give_seat(struct pw_tenant *tenant, const struct pw_id *slot_id,
                              const struct reservation_step *step, struct pw_undo *undo)
{
    bool had = reservation_meanings[step->from].has_seat;
    bool has = reservation_meanings[step->to].has_seat;
    if (had != has) {
        struct pw_slot *slot = pw_map_put(tenant->slots, slot_id, undo);
        assert(has || slot->taken_count > 0); /* Each that has a seat was counted. */
        slot->taken_count = has ? slot->taken_count + 1 : slot->taken_count - 1;
    }
}

/* Whether a seat was gained by an offer, after a step. Whom staff takes it from has not given it back; who moves away has. */
static uint32_t by_offer_after(const struct pw_reservation *before, enum pw_event_type type)
{
    if (type == PW_EVENT_RESERVATION_OFFER_ACCEPTED) {
        return PW_BY_OFFER_YES;
    }
    if (before->by_offer != PW_BY_OFFER_YES) {
        return before->by_offer;
    }
    bool is_taken = type == PW_EVENT_RESERVATION_CANCELLED_BY_STAFF ||
                    type == PW_EVENT_RESERVATION_CANCELLED_WITH_SLOT ||
                    type == PW_EVENT_RESERVATION_RESCHEDULED_BY_STAFF;
    return is_taken                                   ? PW_BY_OFFER_NO
           : type == PW_EVENT_RESERVATION_RESCHEDULED ? PW_BY_OFFER_MOVED
                                                      : PW_BY_OFFER_YES;
}

/* Whether one stays in its student's chain after a step: one whose seat was gained by an offer and is given back, since it ends the student's
 * entitlement to another one; and one that was sat, which may still block the calendar, or be marked anew. */
static bool stays_chained(uint32_t state, uint32_t by_offer)
{
    return reservation_meanings[state].is_open || by_offer != PW_BY_OFFER_NO ||
           state == PW_RESERVATION_ATTENDED || state == PW_RESERVATION_NO_SHOW;
}

/* Takes a reservation from one state to the next. */
static enum pw_code step_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                const struct change *change, struct pw_undo *undo,
                                struct pw_err *err)
{
    const struct pw_reservation *before = pw_tenant_reservation(tenant, &event->stream_id);
    const struct reservation_step *step =
        before != NULL ? reservation_step_by_event(before->state, event->type) : NULL;
    const char *why = step_misfit(tenant, before, step, change);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    uint32_t by_offer = by_offer_after(before, event->type);
    bool leaves_chain = !stays_chained(step->to, by_offer);
    pw_due_leave(tenant, &event->stream_id, undo);
    take_or_give_seat(tenant, change->slot_id, step, undo);
    if (leaves_chain) {
        unlink_reservation(tenant, &event->stream_id, before, undo);
    }
    struct pw_reservation *reservation = pw_map_put(tenant->reservations, &event->stream_id, undo);
    if (leaves_chain) {
        reservation->next_id = (struct pw_id){0};
        reservation->next = NULL;
    }
    reservation->state = step->to;
    reservation->expires_at_us = change->expires_at;
    reservation->priority = change->priority;
    reservation->by_offer = by_offer;
    if (step->from != step->to) {
        reservation->is_told = pw_tenant_slot(tenant, change->slot_id)->is_reminded;
    }
    if (!reservation_is_ahead(step->to)) {
        reservation->needs_replacement = PW_REPLACEMENT_NONE;
    }
    reservation->version = event->stream_version;
    pw_due_enter(tenant, &event->stream_id, undo);
    pw_members_step(tenant, &event->stream_id, step->from, undo);
    pw_due_list_slot(tenant, change->slot_id, undo);
    return PW_OK;
}

#define STEP_EVOLVE(lower, ...)                                                                    \
    enum pw_code pw_reservation_##lower##_evolve(struct pw_tenant *tenant,                         \
                                                 const struct pw_event *event,                     \
                                                 struct pw_undo *undo, struct pw_err *err)         \
    {                                                                                              \
        const struct pw_reservation_##lower *is = &event->reservation_##lower;                     \
        struct change change = {.slot_id = &is->slot_id,                                           \
                                .exam_id = &is->exam_id,                                           \
                                .student_id = &is->student_id,                                     \
                                __VA_ARGS__};                                                      \
        return step_evolve(tenant, event, &change, undo, err);                                     \
    }
STEP_EVOLVE(hold_confirmed)
STEP_EVOLVE(hold_expired)
STEP_EVOLVE(cancelled)
STEP_EVOLVE(cancelled_by_staff)
STEP_EVOLVE(cancelled_with_slot)
STEP_EVOLVE(marked_attended)
STEP_EVOLVE(marked_no_show)
STEP_EVOLVE(waitlist_left)
STEP_EVOLVE(prioritised, .priority = is->priority)
STEP_EVOLVE(offered, .expires_at = is->expires_at)
STEP_EVOLVE(offer_accepted)
STEP_EVOLVE(offer_declined)
STEP_EVOLVE(offer_expired)

/* Who is reminded keeps the seat; a slot has its students reminded once. */
enum pw_code pw_reservation_reminded_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                            struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_reservation_reminded *is = &event->reservation_reminded;
    const struct pw_reservation *before = pw_tenant_reservation(tenant, &event->stream_id);
    struct change change = {
        .slot_id = &is->slot_id, .exam_id = &is->exam_id, .student_id = &is->student_id};
    if (before != NULL &&
        (before->is_told || !pw_slot_is_telling(pw_tenant_slot(tenant, &before->slot_id)))) {
        return pw_misfit(err, event, "nobody is to be reminded");
    }
    enum pw_code code = step_evolve(tenant, event, &change, undo, err);
    if (code == PW_OK) {
        struct pw_reservation *reservation =
            pw_map_put(tenant->reservations, &event->stream_id, undo);
        reservation->is_told = 1;
        pw_members_told(tenant, &event->stream_id, undo);
        pw_due_list_slot(tenant, &is->slot_id, undo);
    }
    return code;
}

/* --- Moved to another slot --- */

static const char *move_misfit(const struct pw_tenant *tenant, const struct pw_event *event,
                               const struct pw_reservation_rescheduled *moved)
{
    const struct pw_reservation *before = pw_tenant_reservation(tenant, &event->stream_id);
    if (before == NULL || reservation_step_by_event(before->state, event->type) == NULL) {
        return "there is no such reservation in that state";
    }
    if (!pw_id_equal(&before->slot_id, &moved->from_slot_id) ||
        !pw_id_equal(&before->exam_id, &moved->exam_id) ||
        !pw_id_equal(&before->student_id, &moved->student_id)) {
        return "it names another slot, exam or student";
    }
    if (before->starts_at_us != moved->from_starts_at ||
        before->ends_at_us != moved->from_ends_at ||
        before->free_again_at_us != moved->from_free_again_at) {
        return "it names other times";
    }
    const struct pw_slot *to = pw_tenant_slot(tenant, &moved->slot_id);
    if (to == NULL || !pw_id_equal(&to->exam_id, &moved->exam_id) ||
        pw_id_equal(&moved->slot_id, &moved->from_slot_id)) {
        return "there is no such other slot of the exam";
    }
    if (pw_slot_is_off(to) || pw_slot_is_off(pw_tenant_slot(tenant, &moved->from_slot_id))) {
        return "the slot is cancelled";
    }
    if (to->taken_count >= to->capacity) {
        return "no seat is free";
    }
    return reservation_times_misfit(moved->starts_at, moved->ends_at, moved->free_again_at);
}

static enum pw_code move_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_reservation_rescheduled *moved = pw_reservation_move(event);
    const char *why = move_misfit(tenant, event, moved);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_slot *from = pw_map_put(tenant->slots, &moved->from_slot_id, undo);
    assert(from->taken_count > 0); /* Its own was counted. */
    from->taken_count--;
    struct pw_slot *to = pw_map_put(tenant->slots, &moved->slot_id, undo);
    to->taken_count++;
    struct pw_reservation *reservation = pw_map_put(tenant->reservations, &event->stream_id, undo);
    reservation->slot_id = moved->slot_id;
    reservation->starts_at_us = moved->starts_at;
    reservation->ends_at_us = moved->ends_at;
    reservation->free_again_at_us = moved->free_again_at;
    reservation->needs_replacement = PW_REPLACEMENT_NONE;
    reservation->is_told = to->is_reminded;
    reservation->by_offer = by_offer_after(reservation, event->type);
    reservation->version = event->stream_version;
    pw_members_move(tenant, &event->stream_id, &moved->from_slot_id, &moved->slot_id, undo);
    pw_due_list_slot(tenant, &moved->from_slot_id, undo);
    pw_due_list_slot(tenant, &moved->slot_id, undo);
    return PW_OK;
}

enum pw_code pw_reservation_rescheduled_evolve(struct pw_tenant *tenant,
                                               const struct pw_event *event, struct pw_undo *undo,
                                               struct pw_err *err)
{
    return move_evolve(tenant, event, undo, err);
}

enum pw_code pw_reservation_rescheduled_by_staff_evolve(struct pw_tenant *tenant,
                                                        const struct pw_event *event,
                                                        struct pw_undo *undo, struct pw_err *err)
{
    return move_evolve(tenant, event, undo, err);
}
