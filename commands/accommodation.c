/* commands/accommodation.c: more time for a student: what is granted, when it is valid, and what that makes of a sitting.
 *
 * The accommodations of a student that are not revoked are a chain; at any moment one of them is valid at most, so its order means
 * nothing. What has been booked follows in the same decision (reservation_refit.c). */
#include "commands/tenant_state.h"

/* --- What a sitting becomes --- */

static bool is_valid_at(const struct pw_accommodation *accommodation, int64_t at_us)
{
    return accommodation->valid_from_us <= at_us && at_us < accommodation->valid_until_us;
}

/* The next of the student's chain from *id on, which is moved past it; NULL: there is none. */
static const struct pw_accommodation *walk(const struct pw_tenant *tenant, struct pw_id *id,
                                           struct pw_id *ret_id)
{
    const struct pw_accommodation *found =
        pw_id_is_nil(id) ? NULL : pw_tenant_accommodation(tenant, id);
    *ret_id = *id;
    *id = found != NULL ? found->next_id : *id;
    return found;
}

static struct pw_id first_of(const struct pw_tenant *tenant, const struct pw_id *student_id)
{
    const struct pw_accommodated *accommodated = pw_map_get(tenant->accommodated, student_id);
    return accommodated != NULL ? accommodated->first_id : (struct pw_id){{0}};
}

const struct pw_accommodation *pw_accommodation_at(const struct pw_tenant *tenant,
                                                   const struct pw_id *student_id, int64_t at_us,
                                                   const struct pw_accommodation_change *change)
{
    struct pw_id id = {{0}};
    struct pw_id next_id = first_of(tenant, student_id);
    const struct pw_accommodation *found;
    if (change != NULL && change->after != NULL && is_valid_at(change->after, at_us)) {
        return change->after;
    }
    while ((found = walk(tenant, &next_id, &id)) != NULL) {
        if (is_valid_at(found, at_us) && (change == NULL || !pw_id_equal(&id, change->id))) {
            return found;
        }
    }
    return NULL;
}

/* Minutes beyond the working time, which are rounded up to whole ones. */
static int64_t extra_minutes(const struct pw_slot *slot,
                             const struct pw_accommodation *accommodation)
{
    int64_t minutes =
        (slot->ends_at_us - slot->starts_at_us + PW_US_PER_MINUTE - 1) / PW_US_PER_MINUTE;
    int64_t more = minutes * ((int64_t)accommodation->factor_percent - 100);
    return (more + 99) / 100 + accommodation->fixed_minutes + accommodation->rest_break_minutes;
}

/* A record's moments have an end, whatever hard end was set. */
struct pw_sitting pw_sitting_of(const struct pw_slot *slot,
                                const struct pw_accommodation *accommodation)
{
    int64_t buffer_us = slot->buffer_minutes * PW_US_PER_MINUTE;
    int64_t last_us = PW_AT_US_MAX - buffer_us;
    bool is_bounded = slot->hard_end_at_us > 0 && slot->hard_end_at_us < last_us;
    int64_t hard_end_at_us = is_bounded ? slot->hard_end_at_us : last_us;
    int64_t ends_at_us = slot->ends_at_us;
    if (accommodation != NULL) {
        ends_at_us += extra_minutes(slot, accommodation) * PW_US_PER_MINUTE;
    }
    int64_t over_us = ends_at_us - hard_end_at_us;
    return (struct pw_sitting){
        .starts_at_us = slot->starts_at_us,
        .ends_at_us = ends_at_us,
        .free_again_at_us = ends_at_us + buffer_us,
        .over_minutes = over_us <= 0 ? 0 : (over_us + PW_US_PER_MINUTE - 1) / PW_US_PER_MINUTE};
}

/* --- Decisions --- */

/* Whether that may stand beside what else the student has, but for what they have as `id`. Where several are in the way, the first in
 * time is named. */
static enum pw_code check_validity(const struct pw_tenant *tenant, const struct pw_id *id,
                                   const struct pw_accommodation *wanted, struct pw_err *err)
{
    struct pw_id other_id = {{0}};
    struct pw_id next_id = first_of(tenant, &wanted->student_id);
    struct pw_id first_id = {{0}};
    int64_t first_at_us = INT64_MAX;
    const struct pw_accommodation *other;
    if (wanted->valid_until_us <= wanted->valid_from_us) {
        return pw_fail(err, PW_ERR_ACCOMMODATION_NEVER_VALID, "valid_until");
    }
    while ((other = walk(tenant, &next_id, &other_id)) != NULL) {
        if (!pw_id_equal(&other_id, id) && other->valid_from_us < wanted->valid_until_us &&
            wanted->valid_from_us < other->valid_until_us && other->valid_from_us < first_at_us) {
            first_id = other_id;
            first_at_us = other->valid_from_us;
        }
    }
    if (pw_id_is_nil(&first_id)) {
        return PW_OK;
    }
    char text[PW_ID_TEXT_BYTES + 1];
    pw_id_format(&first_id, text);
    return pw_fail(err, PW_ERR_ACCOMMODATION_OVERLAPS, "accommodation %s", text);
}

enum pw_code pw_accommodation_grant_decide(const struct pw_tenant *tenant,
                                           const struct pw_accommodation_grant *command,
                                           const struct pw_context *context,
                                           struct pw_decision *out, struct pw_err *err)
{
    const struct pw_accommodation granted = {.student_id = command->student_id,
                                             .factor_percent = command->factor_percent,
                                             .fixed_minutes = command->fixed_minutes,
                                             .rest_break_minutes = command->rest_break_minutes,
                                             .valid_from_us = command->valid_from,
                                             .valid_until_us = command->valid_until};
    const struct pw_accommodation_change change = {&command->accommodation_id, &granted};
    enum pw_code code = check_validity(tenant, &command->accommodation_id, &granted, err);
    if (code != PW_OK) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_ACCOMMODATION_GRANTED, &command->accommodation_id)
        ->accommodation_granted =
        (struct pw_accommodation_granted){.student_id = command->student_id,
                                          .factor_percent = command->factor_percent,
                                          .fixed_minutes = command->fixed_minutes,
                                          .rest_break_minutes = command->rest_break_minutes,
                                          .valid_from = command->valid_from,
                                          .valid_until = command->valid_until};
    return pw_reservations_refit(tenant, &command->student_id, &change, context, out, err);
}

static bool same_content(const struct pw_accommodation *a, const struct pw_accommodation *b)
{
    return a->factor_percent == b->factor_percent && a->fixed_minutes == b->fixed_minutes &&
           a->rest_break_minutes == b->rest_break_minutes && a->valid_from_us == b->valid_from_us &&
           a->valid_until_us == b->valid_until_us;
}

/* The same content again changes something where a reservation does: what kept it from its time may be gone. */
enum pw_code pw_accommodation_revise_decide(const struct pw_tenant *tenant,
                                            const struct pw_accommodation_revise *command,
                                            const struct pw_context *context,
                                            struct pw_decision *out, struct pw_err *err)
{
    const struct pw_accommodation *before =
        pw_tenant_accommodation(tenant, &command->accommodation_id);
    if (before == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_ACCOMMODATION, "accommodation_id");
    }
    if (before->is_revoked) {
        return pw_fail(err, PW_ERR_ACCOMMODATION_OVER, "it was revoked");
    }
    const struct pw_accommodation revised = {.student_id = before->student_id,
                                             .factor_percent = command->factor_percent,
                                             .fixed_minutes = command->fixed_minutes,
                                             .rest_break_minutes = command->rest_break_minutes,
                                             .valid_from_us = command->valid_from,
                                             .valid_until_us = command->valid_until};
    const struct pw_accommodation_change change = {&command->accommodation_id, &revised};
    enum pw_code code = check_validity(tenant, &command->accommodation_id, &revised, err);
    if (code != PW_OK) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_ACCOMMODATION_REVISED, &command->accommodation_id)
        ->accommodation_revised =
        (struct pw_accommodation_revised){.student_id = before->student_id,
                                          .factor_percent = command->factor_percent,
                                          .fixed_minutes = command->fixed_minutes,
                                          .rest_break_minutes = command->rest_break_minutes,
                                          .valid_from = command->valid_from,
                                          .valid_until = command->valid_until};
    code = pw_reservations_refit(tenant, &before->student_id, &change, context, out, err);
    if (code == PW_OK && out->event_count == 1 && same_content(before, &revised)) {
        out->event_count = 0;
    }
    return code;
}

enum pw_code pw_accommodation_revoke_decide(const struct pw_tenant *tenant,
                                            const struct pw_accommodation_revoke *command,
                                            const struct pw_context *context,
                                            struct pw_decision *out, struct pw_err *err)
{
    const struct pw_accommodation *before =
        pw_tenant_accommodation(tenant, &command->accommodation_id);
    const struct pw_accommodation_change change = {&command->accommodation_id, NULL};
    if (before == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_ACCOMMODATION, "accommodation_id");
    }
    if (before->is_revoked) {
        return PW_OK;
    }
    pw_decision_add(out, PW_EVENT_ACCOMMODATION_REVOKED, &command->accommodation_id)
        ->accommodation_revoked.student_id = before->student_id;
    return pw_reservations_refit(tenant, &before->student_id, &change, context, out, err);
}

/* --- What happened --- */

/* One that overlaps another would leave open which of them counts. */
static const char *content_misfit(const struct pw_tenant *tenant, const struct pw_id *id,
                                  const struct pw_accommodation *content)
{
    if (content->factor_percent < 100 || content->factor_percent > PW_FACTOR_PERCENT_MAX) {
        return "the factor is out of range";
    }
    if (content->fixed_minutes > PW_MINUTES_MAX || content->rest_break_minutes > PW_MINUTES_MAX) {
        return "the minutes are out of range";
    }
    if (content->valid_from_us < 0 || content->valid_until_us > PW_AT_US_MAX) {
        return "the times are out of range";
    }
    return check_validity(tenant, id, content, NULL) != PW_OK ? "it is never valid, or another is"
                                                              : NULL;
}

void pw_accommodation_link(struct pw_tenant *tenant, const struct pw_id *id, struct pw_undo *undo)
{
    struct pw_accommodation *accommodation = pw_map_put(tenant->accommodations, id, undo);
    struct pw_accommodated *accommodated =
        pw_map_put(tenant->accommodated, &accommodation->student_id, undo);
    accommodation->next_id = accommodated->first_id;
    accommodated->first_id = *id;
}

static void unlink_accommodation(struct pw_tenant *tenant, const struct pw_id *id,
                                 struct pw_undo *undo)
{
    const struct pw_accommodation *gone = pw_tenant_accommodation(tenant, id);
    struct pw_id before_id = {{0}};
    struct pw_id at_id = first_of(tenant, &gone->student_id);
    while (!pw_id_equal(&at_id, id)) {
        before_id = at_id;
        at_id = pw_tenant_accommodation(tenant, &at_id)->next_id;
    }
    if (!pw_id_is_nil(&before_id)) {
        struct pw_accommodation *before = pw_map_put(tenant->accommodations, &before_id, undo);
        before->next_id = gone->next_id;
    } else if (!pw_id_is_nil(&gone->next_id)) {
        struct pw_accommodated *accommodated =
            pw_map_put(tenant->accommodated, &gone->student_id, undo);
        accommodated->first_id = gone->next_id;
    } else {
        pw_map_remove(tenant->accommodated, &gone->student_id, undo);
    }
}

enum pw_code pw_accommodation_granted_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                             struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_accommodation_granted *granted = &event->accommodation_granted;
    const struct pw_accommodation made = {.student_id = granted->student_id,
                                          .version = event->stream_version,
                                          .factor_percent = granted->factor_percent,
                                          .fixed_minutes = granted->fixed_minutes,
                                          .rest_break_minutes = granted->rest_break_minutes,
                                          .valid_from_us = granted->valid_from,
                                          .valid_until_us = granted->valid_until};
    const char *why = pw_tenant_accommodation(tenant, &event->stream_id) != NULL
                          ? "the accommodation exists already"
                          : content_misfit(tenant, &event->stream_id, &made);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_accommodation *accommodation =
        pw_map_put(tenant->accommodations, &event->stream_id, undo);
    *accommodation = made;
    pw_accommodation_link(tenant, &event->stream_id, undo);
    return PW_OK;
}

static const char *change_misfit(const struct pw_accommodation *before,
                                 const struct pw_id *student_id)
{
    return before == NULL                                  ? "there is no such accommodation"
           : before->is_revoked                            ? "it is revoked"
           : !pw_id_equal(&before->student_id, student_id) ? "it is another student's"
                                                           : NULL;
}

enum pw_code pw_accommodation_revised_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                             struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_accommodation_revised *revised = &event->accommodation_revised;
    const struct pw_accommodation *before = pw_tenant_accommodation(tenant, &event->stream_id);
    const char *why = change_misfit(before, &revised->student_id);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    const struct pw_accommodation after = {.student_id = before->student_id,
                                           .next_id = before->next_id,
                                           .version = event->stream_version,
                                           .factor_percent = revised->factor_percent,
                                           .fixed_minutes = revised->fixed_minutes,
                                           .rest_break_minutes = revised->rest_break_minutes,
                                           .valid_from_us = revised->valid_from,
                                           .valid_until_us = revised->valid_until};
    why = content_misfit(tenant, &event->stream_id, &after);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_accommodation *accommodation =
        pw_map_put(tenant->accommodations, &event->stream_id, undo);
    *accommodation = after;
    return PW_OK;
}

enum pw_code pw_accommodation_revoked_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                             struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_accommodation *before = pw_tenant_accommodation(tenant, &event->stream_id);
    const char *why = change_misfit(before, &event->accommodation_revoked.student_id);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    unlink_accommodation(tenant, &event->stream_id, undo);
    struct pw_accommodation *accommodation =
        pw_map_put(tenant->accommodations, &event->stream_id, undo);
    accommodation->version = event->stream_version;
    accommodation->is_revoked = 1;
    accommodation->next_id = (struct pw_id){{0}};
    return PW_OK;
}
