/* commands/reservation.c: one student's seat in one slot.
 *
 * confirmed -> cancelled. A live reservation is linked into its student's chain, so that a
 * booking is checked against this student's calendar alone, however many reservations the tenant
 * has. */
#include "commands/decide.h"
#include "commands/tenant_state.h"

/* What a student's calendar says about a sitting. */
struct calendar {
    struct pw_id in_slot_id; /* The live reservation in the same slot, or nil. */
    struct pw_id in_exam_id; /* The one in another slot of the exam, or nil. */
    bool clashes;
};

static bool is_live(const struct pw_reservation *reservation)
{
    return reservation->state == PW_RESERVATION_CONFIRMED;
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

enum pw_code pw_reservation_reserve_decide(const struct pw_tenant *tenant,
                                           const struct pw_reservation_reserve *command,
                                           const struct pw_context *context,
                                           struct pw_decision *out, struct pw_err *err)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, &command->slot_id);
    if (slot == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_SLOT, "slot_id");
    }
    if (context->decided_at_us >= slot->starts_at_us) {
        return pw_fail(err, PW_ERR_SLOT_STARTED, "the exam has begun");
    }
    struct calendar calendar = calendar_look(tenant, &context->actor_id, &command->slot_id, slot);
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

enum pw_code pw_reservation_cancel_decide(const struct pw_tenant *tenant,
                                          const struct pw_reservation_cancel *command,
                                          const struct pw_context *context, struct pw_decision *out,
                                          struct pw_err *err)
{
    const struct pw_reservation *reservation =
        pw_tenant_reservation(tenant, &command->reservation_id);
    if (reservation == NULL || !pw_id_equal(&reservation->student_id, &context->actor_id)) {
        return pw_fail(err, PW_ERR_NO_SUCH_RESERVATION, "reservation_id");
    }
    if (!is_live(reservation)) {
        return pw_fail(err, PW_ERR_RESERVATION_NOT_LIVE, "it was cancelled");
    }
    const struct pw_slot *slot = pw_tenant_slot(tenant, &reservation->slot_id);
    int64_t lead_time_us = slot->lead_time_minutes * PW_US_PER_MINUTE;
    if (context->decided_at_us > reservation->starts_at_us - lead_time_us) {
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

/* That nothing overlaps is the decider's business; here the counts and links must stay right. */
static const char *reserved_misfit(const struct pw_tenant *tenant, const struct pw_event *event)
{
    const struct pw_reservation_reserved *reserved = &event->reservation_reserved;
    const struct pw_slot *slot = pw_tenant_slot(tenant, &reserved->slot_id);
    if (pw_tenant_reservation(tenant, &event->stream_id) != NULL) {
        return "the reservation exists already";
    }
    if (slot == NULL || !pw_id_equal(&slot->exam_id, &reserved->exam_id)) {
        return "there is no such slot of the exam";
    }
    if (slot->taken_count >= slot->capacity) {
        return "no seat is free";
    }
    if (reserved->starts_at < 0 || reserved->ends_at <= reserved->starts_at ||
        reserved->free_again_at < reserved->ends_at || reserved->free_again_at > PW_AT_US_MAX) {
        return "the times are out of range";
    }
    return NULL;
}

enum pw_code pw_reservation_reserved_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                            struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_reservation_reserved *reserved = &event->reservation_reserved;
    const char *why = reserved_misfit(tenant, event);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_slot *slot = pw_map_put(tenant->slots, &reserved->slot_id, undo);
    slot->taken_count++;
    struct pw_student *student = pw_map_put(tenant->students, &reserved->student_id, undo);
    struct pw_reservation *reservation = pw_map_put(tenant->reservations, &event->stream_id, undo);
    *reservation = (struct pw_reservation){
        .slot_id = reserved->slot_id,
        .exam_id = reserved->exam_id,
        .student_id = reserved->student_id,
        .next_id = student->first_id,
        .next = student->first,
        .version = event->stream_version,
        .state = PW_RESERVATION_CONFIRMED,
        .starts_at_us = reserved->starts_at,
        .ends_at_us = reserved->ends_at,
        .free_again_at_us = reserved->free_again_at,
    };
    student->first_id = event->stream_id;
    student->first = reservation;
    return PW_OK;
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

enum pw_code pw_reservation_cancelled_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                             struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_reservation_cancelled *cancelled = &event->reservation_cancelled;
    const struct pw_reservation *before = pw_tenant_reservation(tenant, &event->stream_id);
    if (before == NULL || !is_live(before)) {
        return pw_misfit(err, event, "there is no such live reservation");
    }
    if (!pw_id_equal(&before->slot_id, &cancelled->slot_id) ||
        !pw_id_equal(&before->exam_id, &cancelled->exam_id) ||
        !pw_id_equal(&before->student_id, &cancelled->student_id)) {
        return pw_misfit(err, event, "it names another slot, exam or student");
    }
    struct pw_slot *slot = pw_map_put(tenant->slots, &before->slot_id, undo);
    assert(slot->taken_count > 0); /* Each live reservation was counted. */
    slot->taken_count--;
    unlink_reservation(tenant, &event->stream_id, before, undo);
    struct pw_reservation *reservation = pw_map_put(tenant->reservations, &event->stream_id, undo);
    reservation->state = PW_RESERVATION_CANCELLED_STATE;
    reservation->next_id = (struct pw_id){0};
    reservation->next = NULL;
    reservation->version = event->stream_version;
    return PW_OK;
}
