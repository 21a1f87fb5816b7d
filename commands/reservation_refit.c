/* commands/reservation_refit.c: what another accommodation makes of what a student has booked.
 *
 * Each sitting that has not begun gets the time that it would get if it were booked now. Where that does not fit, the reservation keeps
 * its seat and its times, and is marked: it needs a replacement. */
#include "commands/reservation_parts.h"

#define WHY_HARD_END "hard-end"
#define WHY_CALENDAR "calendar"

/* Starts never change, and what blocks the calendar does not overlap: so whether a longer sitting runs into another one depends on when
 * that one starts, and not on how long it is going to be. The order in which they are looked at does not matter. */
static bool runs_into_another(const struct pw_tenant *tenant, const struct pw_id *own_id,
                              const struct pw_id *student_id, const struct pw_sitting *sitting)
{
    const struct pw_student *student = pw_map_get(tenant->students, student_id);
    struct pw_id id = student->first_id;
    const struct pw_reservation *other = reservation_chained(tenant, student->first, &id);
    while (other != NULL) {
        if (!pw_id_equal(&id, own_id) && reservation_meanings[other->state].blocks &&
            sitting->starts_at_us < other->free_again_at_us &&
            other->starts_at_us < sitting->free_again_at_us) {
            return true;
        }
        id = other->next_id;
        other = reservation_chained(tenant, other->next, &id);
    }
    return false;
}

static void add_changed(const struct pw_id *id, const struct pw_reservation *reservation,
                        const struct pw_sitting *sitting, struct pw_decision *out)
{
    pw_decision_add(out, PW_EVENT_RESERVATION_SITTING_CHANGED, id)->reservation_sitting_changed =
        (struct pw_reservation_sitting_changed){
            RESERVATION_OF(reservation), .starts_at = sitting->starts_at_us,
            .ends_at = sitting->ends_at_us, .free_again_at = sitting->free_again_at_us};
}

void reservation_fit(const struct pw_id *id, const struct pw_reservation *reservation,
                     const struct pw_sitting *sitting, struct pw_decision *out)
{
    if (reservation->ends_at_us != sitting->ends_at_us ||
        reservation->free_again_at_us != sitting->free_again_at_us) {
        add_changed(id, reservation, sitting, out);
    } else if (reservation->needs_replacement != PW_REPLACEMENT_NONE) {
        pw_decision_add(out, PW_EVENT_RESERVATION_REPLACEMENT_CLEARED, id)
            ->reservation_replacement_cleared =
            (struct pw_reservation_replacement_cleared){RESERVATION_OF(reservation)};
    }
}

/* What becomes of one; nothing where all is as it should be. */
static void refit(const struct pw_tenant *tenant, const struct pw_id *id,
                  const struct pw_reservation *reservation, const struct pw_sitting *sitting,
                  struct pw_decision *out)
{
    uint32_t why = sitting->over_minutes > 0 ? PW_REPLACEMENT_HARD_END
                   : runs_into_another(tenant, id, &reservation->student_id, sitting)
                       ? PW_REPLACEMENT_CALENDAR
                       : PW_REPLACEMENT_NONE;
    if (why == PW_REPLACEMENT_NONE) {
        reservation_fit(id, reservation, sitting, out);
    } else if (why != reservation->needs_replacement) {
        pw_decision_add(out, PW_EVENT_RESERVATION_NEEDS_REPLACEMENT_MARKED, id)
            ->reservation_needs_replacement_marked =
            (struct pw_reservation_needs_replacement_marked){RESERVATION_OF(reservation),
                                                             .why = why == PW_REPLACEMENT_HARD_END
                                                                        ? PW_STR(WHY_HARD_END)
                                                                        : PW_STR(WHY_CALENDAR)};
    }
}

enum pw_code pw_reservations_refit(const struct pw_tenant *tenant, const struct pw_id *student_id,
                                   const struct pw_accommodation_change *change,
                                   const struct pw_context *context, struct pw_decision *out,
                                   struct pw_err *err)
{
    const struct pw_student *student = pw_map_get(tenant->students, student_id);
    struct pw_id id = student != NULL ? student->first_id : (struct pw_id){{0}};
    const struct pw_reservation *reservation =
        student != NULL ? reservation_chained(tenant, student->first, &id) : NULL;
    struct pw_decision one; /* Room for one more than there is, to see that it is one too many. */
    while (reservation != NULL) {
        if (reservation_is_ahead(reservation->state) &&
            reservation->starts_at_us > context->decided_at_us) {
            const struct pw_sitting sitting = pw_sitting_of(
                pw_tenant_slot(tenant, &reservation->slot_id),
                pw_accommodation_at(tenant, student_id, reservation->starts_at_us, change));
            bool is_full = out->event_count == PW_DECISION_EVENTS_MAX;
            one.event_count = 0;
            refit(tenant, &id, reservation, &sitting, is_full ? &one : out);
            if (is_full && one.event_count > 0) {
                return pw_fail(err, PW_ERR_ACCOMMODATION_AFFECTS_TOO_MANY, "at most %d at once",
                               PW_DECISION_EVENTS_MAX - 1);
            }
        }
        id = reservation->next_id;
        reservation = reservation_chained(tenant, reservation->next, &id);
    }
    return PW_OK;
}

/* --- What happened --- */

static const char *refit_misfit(const struct pw_reservation *before, const struct pw_id *slot_id,
                                const struct pw_id *exam_id, const struct pw_id *student_id)
{
    if (before == NULL || !reservation_is_ahead(before->state)) {
        return "there is no such reservation in that state";
    }
    return pw_id_equal(&before->slot_id, slot_id) && pw_id_equal(&before->exam_id, exam_id) &&
                   pw_id_equal(&before->student_id, student_id)
               ? NULL
               : "it names another slot, exam or student";
}

enum pw_code pw_reservation_sitting_changed_evolve(struct pw_tenant *tenant,
                                                   const struct pw_event *event,
                                                   struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_reservation_sitting_changed *changed = &event->reservation_sitting_changed;
    const struct pw_reservation *before = pw_tenant_reservation(tenant, &event->stream_id);
    const char *why =
        refit_misfit(before, &changed->slot_id, &changed->exam_id, &changed->student_id);
    if (why == NULL && changed->starts_at != before->starts_at_us) {
        why = "it starts at another time";
    }
    if (why == NULL) {
        why =
            reservation_times_misfit(changed->starts_at, changed->ends_at, changed->free_again_at);
    }
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_reservation *reservation = pw_map_put(tenant->reservations, &event->stream_id, undo);
    reservation->ends_at_us = changed->ends_at;
    reservation->free_again_at_us = changed->free_again_at;
    reservation->needs_replacement = PW_REPLACEMENT_NONE;
    reservation->version = event->stream_version;
    return PW_OK;
}

enum pw_code pw_reservation_needs_replacement_marked_evolve(struct pw_tenant *tenant,
                                                            const struct pw_event *event,
                                                            struct pw_undo *undo,
                                                            struct pw_err *err)
{
    const struct pw_reservation_needs_replacement_marked *marked =
        &event->reservation_needs_replacement_marked;
    const struct pw_reservation *before = pw_tenant_reservation(tenant, &event->stream_id);
    bool by_calendar = pw_str_equal(marked->why, PW_STR(WHY_CALENDAR));
    const char *why = refit_misfit(before, &marked->slot_id, &marked->exam_id, &marked->student_id);
    if (why == NULL && !by_calendar && !pw_str_equal(marked->why, PW_STR(WHY_HARD_END))) {
        why = "nobody knows such a reason";
    }
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_reservation *reservation = pw_map_put(tenant->reservations, &event->stream_id, undo);
    reservation->needs_replacement =
        by_calendar ? PW_REPLACEMENT_CALENDAR : PW_REPLACEMENT_HARD_END;
    reservation->version = event->stream_version;
    return PW_OK;
}

enum pw_code pw_reservation_replacement_cleared_evolve(struct pw_tenant *tenant,
                                                       const struct pw_event *event,
                                                       struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_reservation_replacement_cleared *cleared =
        &event->reservation_replacement_cleared;
    const struct pw_reservation *before = pw_tenant_reservation(tenant, &event->stream_id);
    const char *why =
        refit_misfit(before, &cleared->slot_id, &cleared->exam_id, &cleared->student_id);
    if (why == NULL && before->needs_replacement == PW_REPLACEMENT_NONE) {
        why = "it needs no replacement";
    }
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_reservation *reservation = pw_map_put(tenant->reservations, &event->stream_id, undo);
    reservation->needs_replacement = PW_REPLACEMENT_NONE;
    reservation->version = event->stream_version;
    return PW_OK;
}
