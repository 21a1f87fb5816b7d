/* commands/reservation.c: one student's seat in one slot, from the first ask to its end.
 *
 * The table below is its life. A live reservation, held or confirmed, has a seat and is linked into its student's chain, so that a booking
 * is checked against this student's calendar alone, however many reservations the tenant has. */
#include "commands/decide.h"
#include "commands/tenant_state.h"

/* What a student's calendar says about a sitting. */
struct calendar {
    struct pw_id in_slot_id; /* The live reservation in the same slot, or nil. */
    struct pw_id in_exam_id; /* The one in another slot of the exam, or nil. */
    bool clashes;
};

/* What leads from where to where; a reservation begins in none. */
#define NONE 0
static const struct step {
    uint32_t from; /* enum pw_reservation_state, or NONE. */
    enum pw_command_type command;
    enum pw_event_type event;
    uint32_t to;
} life[] = {
    {NONE, PW_COMMAND_RESERVATION_RESERVE, PW_EVENT_RESERVATION_RESERVED, PW_RESERVATION_CONFIRMED},
    {NONE, PW_COMMAND_RESERVATION_HOLD, PW_EVENT_RESERVATION_HELD, PW_RESERVATION_ON_HOLD},
    {PW_RESERVATION_ON_HOLD, PW_COMMAND_RESERVATION_CONFIRM_HOLD,
     PW_EVENT_RESERVATION_HOLD_CONFIRMED, PW_RESERVATION_CONFIRMED},
    {PW_RESERVATION_ON_HOLD, PW_COMMAND_RESERVATION_EXPIRE_HOLD, PW_EVENT_RESERVATION_HOLD_EXPIRED,
     PW_RESERVATION_RUN_OUT},
    {PW_RESERVATION_ON_HOLD, PW_COMMAND_RESERVATION_CANCEL, PW_EVENT_RESERVATION_CANCELLED,
     PW_RESERVATION_GIVEN_BACK},
    {PW_RESERVATION_CONFIRMED, PW_COMMAND_RESERVATION_CANCEL, PW_EVENT_RESERVATION_CANCELLED,
     PW_RESERVATION_GIVEN_BACK},
};

static const struct step *step_by_command(uint32_t from, enum pw_command_type command)
{
    for (size_t i = 0; i < PW_COUNT(life); i++) {
        if (life[i].from == from && life[i].command == command) {
            return &life[i];
        }
    }
    return NULL;
}

static const struct step *step_by_event(uint32_t from, enum pw_event_type event)
{
    for (size_t i = 0; i < PW_COUNT(life); i++) {
        if (life[i].from == from && life[i].event == event) {
            return &life[i];
        }
    }
    return NULL;
}

bool pw_reservation_is_live(uint32_t state)
{
    return state == PW_RESERVATION_CONFIRMED || state == PW_RESERVATION_ON_HOLD;
}

/* A refusal for one that was live. */
static enum pw_code fail_not_live(struct pw_err *err, const struct pw_reservation *reservation)
{
    return pw_fail(err, PW_ERR_RESERVATION_NOT_LIVE, "%s",
                   reservation->state == PW_RESERVATION_RUN_OUT ? "its hold ran out"
                                                                : "it was cancelled");
}

static int64_t free_again_at_us(const struct pw_slot *slot)
{
    return slot->ends_at_us + slot->buffer_minutes * PW_US_PER_MINUTE;
}

/* Entries stay where they are, so that a chain is walked without a look-up a step; only what came out
 * of a snapshot is not found yet. */
static const struct pw_reservation *
chained(const struct pw_tenant *tenant, const struct pw_reservation *found, const struct pw_id *id)
{
    return found != NULL || pw_id_is_nil(id) ? found : pw_tenant_reservation(tenant, id);
}

static struct calendar calendar_look(const struct pw_tenant *tenant, const struct pw_id *student_id,
                                     const struct pw_id *slot_id, const struct pw_slot *slot)
{
    struct calendar found = {0};
    const struct pw_student *student = pw_map_get(tenant->students, student_id);
    if (student == NULL) {
        return found;
    }
    struct pw_id id = student->first_id;
    const struct pw_reservation *other = chained(tenant, student->first, &id);
    while (other != NULL) {
        if (pw_id_equal(&other->slot_id, slot_id)) {
            found.in_slot_id = id;
        } else if (pw_id_equal(&other->exam_id, &slot->exam_id)) {
            found.in_exam_id = id;
        }
        /* Both are half-open: who is free again at ten can sit at ten. */
        found.clashes |= slot->starts_at_us < other->free_again_at_us &&
                         other->starts_at_us < free_again_at_us(slot);
        id = other->next_id;
        other = chained(tenant, other->next, &id);
    }
    return found;
}

static enum pw_code fail_naming(struct pw_err *err, enum pw_code code, const struct pw_id *id)
{
    char text[PW_ID_TEXT_BYTES + 1];
    pw_id_format(id, text);
    return pw_fail(err, code, "reservation %s", text);
}

/* Whether the student may have a seat in the slot now. */
static enum pw_code seat_decide(const struct pw_tenant *tenant, const struct pw_id *slot_id,
                                const struct pw_context *context, struct pw_err *err)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, slot_id);
    if (slot == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_SLOT, "slot_id");
    }
    if (context->decided_at_us >= slot->starts_at_us) {
        return pw_fail(err, PW_ERR_SLOT_STARTED, "the exam has begun");
    }
    struct calendar calendar = calendar_look(tenant, &context->actor_id, slot_id, slot);
    if (!pw_id_is_nil(&calendar.in_slot_id)) {
        return fail_naming(err, PW_ERR_ALREADY_BOOKED, &calendar.in_slot_id);
    }
    if (!pw_id_is_nil(&calendar.in_exam_id)) {
        return fail_naming(err, PW_ERR_EXAM_ALREADY_BOOKED, &calendar.in_exam_id);
    }
    if (slot->taken_count >= slot->capacity) {
        return pw_fail(err, PW_ERR_SLOT_FULL, "%u of %u taken", slot->taken_count, slot->capacity);
    }
    if (calendar.clashes) {
        return pw_fail(err, PW_ERR_CALENDAR_CONFLICT, "another exam at that time");
    }
    return PW_OK;
}

enum pw_code pw_reservation_reserve_decide(const struct pw_tenant *tenant,
                                           const struct pw_reservation_reserve *command,
                                           const struct pw_context *context,
                                           struct pw_decision *out, struct pw_err *err)
{
    enum pw_code code = seat_decide(tenant, &command->slot_id, context, err);
    if (code != PW_OK) {
        return code;
    }
    const struct pw_slot *slot = pw_tenant_slot(tenant, &command->slot_id);
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_RESERVATION_RESERVED, &command->reservation_id);
    event->reservation_reserved = (struct pw_reservation_reserved){
        .slot_id = command->slot_id,
        .exam_id = slot->exam_id,
        .student_id = context->actor_id,
        .starts_at = slot->starts_at_us,
        .ends_at = slot->ends_at_us,
        .free_again_at = free_again_at_us(slot),
    };
    return PW_OK;
}

enum pw_code pw_reservation_hold_decide(const struct pw_tenant *tenant,
                                        const struct pw_reservation_hold *command,
                                        const struct pw_context *context, struct pw_decision *out,
                                        struct pw_err *err)
{
    enum pw_code code = seat_decide(tenant, &command->slot_id, context, err);
    if (code != PW_OK) {
        return code;
    }
    const struct pw_slot *slot = pw_tenant_slot(tenant, &command->slot_id);
    int64_t expires_at_us =
        context->decided_at_us + pw_tenant_hold_minutes(tenant) * PW_US_PER_MINUTE;
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_RESERVATION_HELD, &command->reservation_id);
    event->reservation_held = (struct pw_reservation_held){
        .slot_id = command->slot_id,
        .exam_id = slot->exam_id,
        .student_id = context->actor_id,
        .starts_at = slot->starts_at_us,
        .ends_at = slot->ends_at_us,
        .free_again_at = free_again_at_us(slot),
        .expires_at = expires_at_us < slot->starts_at_us ? expires_at_us : slot->starts_at_us,
    };
    return PW_OK;
}

/* The student's own reservation, or NULL. */
static const struct pw_reservation *own(const struct pw_tenant *tenant, const struct pw_id *id,
                                        const struct pw_context *context)
{
    const struct pw_reservation *reservation = pw_tenant_reservation(tenant, id);
    bool is_own = reservation != NULL && pw_id_equal(&reservation->student_id, &context->actor_id);
    return is_own ? reservation : NULL;
}

enum pw_code pw_reservation_confirm_hold_decide(const struct pw_tenant *tenant,
                                                const struct pw_reservation_confirm_hold *command,
                                                const struct pw_context *context,
                                                struct pw_decision *out, struct pw_err *err)
{
    const struct pw_reservation *reservation = own(tenant, &command->reservation_id, context);
    if (reservation == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_RESERVATION, "reservation_id");
    }
    if (reservation->state == PW_RESERVATION_CONFIRMED) {
        return PW_OK;
    }
    if (step_by_command(reservation->state, PW_COMMAND_RESERVATION_CONFIRM_HOLD) == NULL) {
        return fail_not_live(err, reservation);
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_RESERVATION_HOLD_CONFIRMED, &command->reservation_id);
    event->reservation_hold_confirmed = (struct pw_reservation_hold_confirmed){
        .slot_id = reservation->slot_id,
        .exam_id = reservation->exam_id,
        .student_id = reservation->student_id,
    };
    return PW_OK;
}

/* Whether it was due: one that was confirmed or given back meanwhile stays so. */
enum pw_code pw_reservation_expire_hold_decide(const struct pw_tenant *tenant,
                                               const struct pw_reservation_expire_hold *command,
                                               const struct pw_context *context,
                                               struct pw_decision *out, struct pw_err *err)
{
    const struct pw_reservation *reservation =
        pw_tenant_reservation(tenant, &command->reservation_id);
    if (reservation == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_RESERVATION, "reservation_id");
    }
    if (step_by_command(reservation->state, PW_COMMAND_RESERVATION_EXPIRE_HOLD) == NULL ||
        context->decided_at_us < reservation->expires_at_us) {
        return PW_OK;
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_RESERVATION_HOLD_EXPIRED, &command->reservation_id);
    event->reservation_hold_expired = (struct pw_reservation_hold_expired){
        .slot_id = reservation->slot_id,
        .exam_id = reservation->exam_id,
        .student_id = reservation->student_id,
    };
    return PW_OK;
}

/* One that is only held may be given back at any time: it was no promise yet. */
enum pw_code pw_reservation_cancel_decide(const struct pw_tenant *tenant,
                                          const struct pw_reservation_cancel *command,
                                          const struct pw_context *context, struct pw_decision *out,
                                          struct pw_err *err)
{
    const struct pw_reservation *reservation = own(tenant, &command->reservation_id, context);
    if (reservation == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_RESERVATION, "reservation_id");
    }
    if (step_by_command(reservation->state, PW_COMMAND_RESERVATION_CANCEL) == NULL) {
        return fail_not_live(err, reservation);
    }
    const struct pw_slot *slot = pw_tenant_slot(tenant, &reservation->slot_id);
    int64_t lead_time_us = slot->lead_time_minutes * PW_US_PER_MINUTE;
    if (reservation->state == PW_RESERVATION_CONFIRMED &&
        context->decided_at_us > reservation->starts_at_us - lead_time_us) {
        return pw_fail(err, PW_ERR_CANCEL_TOO_LATE, "possible until %u minutes before the start",
                       slot->lead_time_minutes);
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_RESERVATION_CANCELLED, &command->reservation_id);
    event->reservation_cancelled = (struct pw_reservation_cancelled){
        .slot_id = reservation->slot_id,
        .exam_id = reservation->exam_id,
        .student_id = reservation->student_id,
    };
    return PW_OK;
}

/* --- What happened --- */

/* A seat, as `reserved` and `held` give it. That nothing overlaps is the decider's business; here the counts and links must stay right. */
struct seat {
    struct pw_id slot_id;
    struct pw_id exam_id;
    struct pw_id student_id;
    int64_t starts_at;
    int64_t ends_at;
    int64_t free_again_at;
    int64_t expires_at; /* 0: never. */
};

static const char *seat_misfit(const struct pw_tenant *tenant, const struct pw_event *event,
                               const struct seat *seat)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, &seat->slot_id);
    if (pw_tenant_reservation(tenant, &event->stream_id) != NULL) {
        return "the reservation exists already";
    }
    if (slot == NULL || !pw_id_equal(&slot->exam_id, &seat->exam_id)) {
        return "there is no such slot of the exam";
    }
    if (slot->taken_count >= slot->capacity) {
        return "no seat is free";
    }
    if (seat->starts_at < 0 || seat->ends_at <= seat->starts_at ||
        seat->free_again_at < seat->ends_at || seat->free_again_at > PW_AT_US_MAX) {
        return "the times are out of range";
    }
    return NULL;
}

static enum pw_code seat_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                const struct seat *seat, struct pw_undo *undo, struct pw_err *err)
{
    const char *why = seat_misfit(tenant, event, seat);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_slot *slot = pw_map_put(tenant->slots, &seat->slot_id, undo);
    slot->taken_count++;
    struct pw_student *student = pw_map_put(tenant->students, &seat->student_id, undo);
    struct pw_reservation *reservation = pw_map_put(tenant->reservations, &event->stream_id, undo);
    *reservation = (struct pw_reservation){
        .slot_id = seat->slot_id,
        .exam_id = seat->exam_id,
        .student_id = seat->student_id,
        .next_id = student->first_id,
        .next = student->first,
        .version = event->stream_version,
        .state = step_by_event(NONE, event->type)->to,
        .starts_at_us = seat->starts_at,
        .ends_at_us = seat->ends_at,
        .free_again_at_us = seat->free_again_at,
        .expires_at_us = seat->expires_at,
    };
    student->first_id = event->stream_id;
    student->first = reservation;
    return PW_OK;
}

enum pw_code pw_reservation_reserved_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                            struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_reservation_reserved *reserved = &event->reservation_reserved;
    struct seat seat = {.slot_id = reserved->slot_id,
                        .exam_id = reserved->exam_id,
                        .student_id = reserved->student_id,
                        .starts_at = reserved->starts_at,
                        .ends_at = reserved->ends_at,
                        .free_again_at = reserved->free_again_at};
    return seat_evolve(tenant, event, &seat, undo, err);
}

enum pw_code pw_reservation_held_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                        struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_reservation_held *held = &event->reservation_held;
    struct seat seat = {.slot_id = held->slot_id,
                        .exam_id = held->exam_id,
                        .student_id = held->student_id,
                        .starts_at = held->starts_at,
                        .ends_at = held->ends_at,
                        .free_again_at = held->free_again_at,
                        .expires_at = held->expires_at};
    if (held->expires_at <= 0 || held->expires_at > held->starts_at) {
        return pw_misfit(err, event, "it does not run out by the start");
    }
    enum pw_code code = seat_evolve(tenant, event, &seat, undo, err);
    if (code == PW_OK) {
        pw_due_add_hold(tenant, &held->slot_id, &event->stream_id, held->expires_at, undo);
    }
    return code;
}

/* Takes a live reservation out of its student's chain. */
static void unlink_reservation(struct pw_tenant *tenant, const struct pw_id *id,
                               const struct pw_reservation *reservation, struct pw_undo *undo)
{
    const struct pw_student *student = pw_map_get(tenant->students, &reservation->student_id);
    struct pw_id before_id = {0};
    struct pw_id at_id = student->first_id;
    const struct pw_reservation *at = student->first;
    while (!pw_id_equal(&at_id, id)) {
        at = chained(tenant, at, &at_id);
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

/* Takes a reservation from one state to the next; whoever had a seat and has none any more gives it back. */
static enum pw_code step_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                const struct pw_id *slot_id, const struct pw_id *exam_id,
                                const struct pw_id *student_id, struct pw_undo *undo,
                                struct pw_err *err)
{
    const struct pw_reservation *before = pw_tenant_reservation(tenant, &event->stream_id);
    const struct step *step = before != NULL ? step_by_event(before->state, event->type) : NULL;
    if (step == NULL) {
        return pw_misfit(err, event, "there is no such reservation in that state");
    }
    if (!pw_id_equal(&before->slot_id, slot_id) || !pw_id_equal(&before->exam_id, exam_id) ||
        !pw_id_equal(&before->student_id, student_id)) {
        return pw_misfit(err, event, "it names another slot, exam or student");
    }
    if (step->from == PW_RESERVATION_ON_HOLD) {
        pw_due_drop_hold(tenant, slot_id, &event->stream_id, undo);
    }
    bool gives_back = pw_reservation_is_live(step->from) && !pw_reservation_is_live(step->to);
    if (gives_back) {
        struct pw_slot *slot = pw_map_put(tenant->slots, slot_id, undo);
        assert(slot->taken_count > 0); /* Each live reservation was counted. */
        slot->taken_count--;
        unlink_reservation(tenant, &event->stream_id, before, undo);
    }
    struct pw_reservation *reservation = pw_map_put(tenant->reservations, &event->stream_id, undo);
    if (gives_back) {
        reservation->next_id = (struct pw_id){0};
        reservation->next = NULL;
    }
    reservation->state = step->to;
    reservation->expires_at_us = 0;
    reservation->version = event->stream_version;
    return PW_OK;
}

#define STEP_EVOLVE(lower)                                                                         \
    enum pw_code pw_reservation_##lower##_evolve(struct pw_tenant *tenant,                         \
                                                 const struct pw_event *event,                     \
                                                 struct pw_undo *undo, struct pw_err *err)         \
    {                                                                                              \
        return step_evolve(tenant, event, &event->reservation_##lower.slot_id,                     \
                           &event->reservation_##lower.exam_id,                                    \
                           &event->reservation_##lower.student_id, undo, err);                     \
    }
STEP_EVOLVE(hold_confirmed)
STEP_EVOLVE(hold_expired)
STEP_EVOLVE(cancelled)
