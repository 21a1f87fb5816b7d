/* commands/tests/model_rules.c: rules 1 to 7 of the domain, each by a walk over everything that there is. What a rule says of a
 * step and not of what it leaves (lead times, turns, what goes first) is what the other pages answer. */
#include "commands/tests/model_parts.h"

static const struct slot *slot_of(const struct model *model, const struct seat *seat)
{
    return &model->slots[slot_at(model, &seat->tenant, &seat->slot)];
}

static bool is_booked(const struct seat *seat)
{
    return seat->state == HELD || seat->state == BOOKED;
}

/* So that its student cannot be elsewhere. */
static bool is_busy(const struct seat *seat)
{
    return is_booked(seat) || seat->state == ATTENDED || seat->state == MISSED;
}

static const char *rules_of_slot(const struct model *model, const struct slot *slot, int64_t now_us)
{
    const struct exam *exam = &model->exams[exam_at(model, &slot->tenant, &slot->exam)];
    return taken(model, &slot->id) > slot->capacity ? "rule 1: no more seats than there are"
           : exam->is_gone && slot->starts_at > now_us && !slot->is_off
               ? "rule 7: a withdrawn exam has no sitting to come"
               : NULL;
}

static const char *rules_of_seat(const struct model *model, const struct seat *seat, int64_t now_us)
{
    const struct slot *slot = slot_of(model, seat);
    if (seat->state == OFFERED && seat->expires_at > offers_end_at(slot)) {
        return "rule 3: no offer outlives the lead time";
    }
    if (!is_booked(seat) || seat->replacement != PW_REPLACEMENT_NONE || slot->starts_at <= now_us) {
        return NULL;
    }
    return seat->more != minutes_granted(model, &seat->student, slot)
               ? "rule 6: a sitting is as long as is granted"
           : is_too_long(slot, seat->more) ? "rule 6: no sitting goes beyond the hard end"
                                           : NULL;
}

/* Of two of one student. */
static const char *rules_of_pair(const struct model *model, const struct seat *one,
                                 const struct seat *two)
{
    const struct slot *first = slot_of(model, one);
    const struct slot *second = slot_of(model, two);
    if (first == second && seat_is_open(one) && seat_is_open(two)) {
        return "rule 4: one reservation a slot";
    }
    if (is_booked(one) && is_booked(two) && pw_id_equal(&first->exam, &second->exam)) {
        return "rule 4: one seat an exam";
    }
    if (is_busy(one) && is_busy(two) && first->starts_at < free_again(second, two->more) &&
        second->starts_at < free_again(first, one->more)) {
        return "rule 4: no two sittings overlap";
    }
    bool waits = two->state == WAITING || two->state == OFFERED;
    return first == second && one->state == CANCELLED && one->by_offer && waits
               ? "rule 3: who gives an offered seat back waits for none there"
               : NULL;
}

const char *model_breaks(const struct model *model, const struct pw_id *tenant, int64_t now_us)
{
    const char *broken = NULL;
    for (uint32_t i = 0; broken == NULL && i < model->slot_count; i++) {
        const struct slot *slot = &model->slots[i];
        broken = pw_id_equal(&slot->tenant, tenant) ? rules_of_slot(model, slot, now_us) : NULL;
    }
    for (uint32_t i = 0; broken == NULL && i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        broken = pw_id_equal(&seat->tenant, tenant) ? rules_of_seat(model, seat, now_us) : NULL;
        for (uint32_t j = 0; broken == NULL && j < model->seat_count; j++) {
            const struct seat *other = &model->seats[j];
            bool same = j != i && pw_id_equal(&seat->tenant, tenant) &&
                        pw_id_equal(&other->tenant, tenant) &&
                        pw_id_equal(&seat->student, &other->student);
            broken = same ? rules_of_pair(model, seat, other) : NULL;
        }
    }
    return broken;
}
