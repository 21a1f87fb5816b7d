/* commands/tests/model_accommodations.c: more time, by the page of rules: how long somebody sits, and what becomes of what they have
 * booked when that changes. */
#include "commands/tests/model_parts.h"

uint32_t accommodation_at(const struct model *model, const struct pw_id *tenant,
                          const struct pw_id *id)
{
    for (uint32_t i = 0; i < model->accommodation_count; i++) {
        const struct accommodation *accommodation = &model->accommodations[i];
        if (pw_id_equal(&accommodation->tenant, tenant) && pw_id_equal(&accommodation->id, id)) {
            return i;
        }
    }
    return UINT32_MAX;
}

int64_t minutes_granted(const struct model *model, const struct pw_id *student,
                        const struct slot *slot)
{
    int64_t duration = slot->content.duration;
    for (uint32_t i = 0; i < model->accommodation_count; i++) {
        const struct accommodation *granted = &model->accommodations[i];
        if (!granted->is_revoked && pw_id_equal(&granted->tenant, &slot->tenant) &&
            pw_id_equal(&granted->student, student) && granted->from <= slot->starts_at &&
            slot->starts_at < granted->until) {
            int64_t hundredths = duration * granted->factor;
            int64_t work = hundredths / 100 + (hundredths % 100 != 0);
            return work + granted->fixed + granted->breaks - duration;
        }
    }
    return 0;
}

bool is_too_long(const struct slot *slot, int64_t more)
{
    return slot->hard_end != 0 &&
           slot->starts_at + MINUTE(slot->content.duration + more) > slot->hard_end;
}

static struct accommodation as_asked(const struct model *model, const struct pw_job *request)
{
    const struct pw_accommodation_grant *grant = &request->command.accommodation_grant;
    const struct pw_accommodation_revise *revise = &request->command.accommodation_revise;
    if (request->command.type == PW_COMMAND_ACCOMMODATION_GRANT) {
        return (struct accommodation){.tenant = request->boundary_id,
                                      .student = grant->student_id,
                                      .factor = grant->factor_percent,
                                      .fixed = grant->fixed_minutes,
                                      .breaks = grant->rest_break_minutes,
                                      .from = grant->valid_from,
                                      .until = grant->valid_until};
    }
    struct accommodation asked = model->accommodations[accommodation_at(
        model, &request->boundary_id, &revise->accommodation_id)];
    asked.factor = revise->factor_percent;
    asked.fixed = revise->fixed_minutes;
    asked.breaks = revise->rest_break_minutes;
    asked.from = revise->valid_from;
    asked.until = revise->valid_until;
    return asked;
}

static bool same(const struct accommodation *a, const struct accommodation *b)
{
    return a->factor == b->factor && a->fixed == b->fixed && a->breaks == b->breaks &&
           a->from == b->from && a->until == b->until;
}

/* What is, or will be, of a live seat that has not begun. */
static struct seat refitted(const struct model *model, const struct seat *seat)
{
    struct seat after = *seat;
    const struct slot *slot = &model->slots[slot_at(model, &seat->tenant, &seat->slot)];
    int64_t more = minutes_granted(model, &seat->student, slot);
    bool runs_into_another = false;
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *other = &model->seats[i];
        bool blocks = other->state == HELD || other->state == BOOKED || other->state == ATTENDED ||
                      other->state == MISSED;
        if (other != seat && blocks && pw_id_equal(&other->tenant, &seat->tenant) &&
            pw_id_equal(&other->student, &seat->student)) {
            const struct slot *others = &model->slots[slot_at(model, &other->tenant, &other->slot)];
            runs_into_another |=
                slot->starts_at < others->starts_at && others->starts_at < free_again(slot, more);
        }
    }
    after.replacement = is_too_long(slot, more) ? PW_REPLACEMENT_HARD_END
                        : runs_into_another     ? PW_REPLACEMENT_CALENDAR
                                                : PW_REPLACEMENT_NONE;
    after.more = after.replacement == PW_REPLACEMENT_NONE ? more : seat->more;
    return after;
}

/* Refits what the student has booked, or only counts what that would change. */
static uint32_t refit(struct model *model, const struct pw_id *tenant, const struct pw_id *student,
                      int64_t now_us, bool counts_only)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->seat_count; i++) {
        struct seat *seat = &model->seats[i];
        if ((seat->state != HELD && seat->state != BOOKED) || !pw_id_equal(&seat->tenant, tenant) ||
            !pw_id_equal(&seat->student, student) ||
            model->slots[slot_at(model, tenant, &seat->slot)].starts_at <= now_us) {
            continue;
        }
        struct seat after = refitted(model, seat);
        if (after.more != seat->more || after.replacement != seat->replacement) {
            count++;
            after.version++;
            if (!counts_only) {
                *seat = after;
                inbox_tell(model, seat);
            }
        }
    }
    return count;
}

enum pw_code accommodation_decide(const struct model *model, const struct pw_job *request,
                                  int64_t now_us, bool *ret_changes)
{
    const struct pw_id *id = pw_command_target(&request->command);
    bool is_new = request->command.type == PW_COMMAND_ACCOMMODATION_GRANT;
    uint32_t at = accommodation_at(model, &request->boundary_id, id);
    if (!is_new && at == UINT32_MAX) {
        return PW_ERR_NO_SUCH_ACCOMMODATION;
    }
    if (request->command.type == PW_COMMAND_ACCOMMODATION_REVOKE) {
        *ret_changes = !model->accommodations[at].is_revoked;
        return PW_OK;
    }
    if (!is_new && model->accommodations[at].is_revoked) {
        return PW_ERR_ACCOMMODATION_OVER;
    }
    struct accommodation asked = as_asked(model, request);
    if (asked.until <= asked.from) {
        return PW_ERR_ACCOMMODATION_NEVER_VALID;
    }
    for (uint32_t i = 0; i < model->accommodation_count; i++) {
        const struct accommodation *other = &model->accommodations[i];
        if (i != at && !other->is_revoked && pw_id_equal(&other->tenant, &asked.tenant) &&
            pw_id_equal(&other->student, &asked.student) && other->from < asked.until &&
            asked.from < other->until) {
            return PW_ERR_ACCOMMODATION_OVERLAPS;
        }
    }
    *ret_changes =
        is_new || !same(&asked, &model->accommodations[at]) ||
        refit((struct model *)(uintptr_t)model, &asked.tenant, &asked.student, now_us, true) > 0;
    return PW_OK;
}

uint32_t accommodation_apply(struct model *model, const struct pw_job *request, int64_t now_us,
                             const struct pw_id *id)
{
    bool is_new = request->command.type == PW_COMMAND_ACCOMMODATION_GRANT;
    uint32_t at =
        is_new ? model->accommodation_count++ : accommodation_at(model, &request->boundary_id, id);
    assert(model->accommodation_count <= ACCOMMODATIONS_MAX);
    struct accommodation *accommodation = &model->accommodations[at];
    if (request->command.type == PW_COMMAND_ACCOMMODATION_REVOKE) {
        accommodation->is_revoked = true;
    } else {
        uint32_t version = accommodation->version;
        *accommodation = as_asked(model, request);
        accommodation->id = *id;
        accommodation->version = version;
    }
    accommodation->version++;
    refit(model, &accommodation->tenant, &accommodation->student, now_us, false);
    return accommodation->version;
}

bool accommodation_differs(const struct accommodation *accommodation,
                           const struct pw_accommodation *folded)
{
    return folded == NULL || folded->version != accommodation->version ||
           (folded->is_revoked != 0) != accommodation->is_revoked ||
           folded->factor_percent != accommodation->factor ||
           folded->fixed_minutes != accommodation->fixed ||
           folded->rest_break_minutes != accommodation->breaks ||
           folded->valid_from_us != accommodation->from ||
           folded->valid_until_us != accommodation->until ||
           !pw_id_equal(&folded->student_id, &accommodation->student);
}
