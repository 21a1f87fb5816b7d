/* commands/tests/model_seats.c: seats, by the page of rules: who may have one, who waits, and what becomes of it. */
#include "commands/tests/model_parts.h"

#include <stdlib.h>

/* One that may be given back. */
static bool is_live(const struct seat *seat)
{
    return seat->state == HELD || seat->state == BOOKED;
}

static bool has_seat(const struct seat *seat)
{
    return is_live(seat) || seat->state == OFFERED || seat->state == ATTENDED ||
           seat->state == MISSED;
}

static bool is_open(const struct seat *seat)
{
    return is_live(seat) || seat->state == OFFERED || seat->state == WAITING;
}

bool seat_is_open(const struct seat *seat)
{
    return is_open(seat);
}

bool seat_is_off(const struct model *model, const struct seat *seat)
{
    return is_open(seat) && model->slots[slot_at(model, &seat->tenant, &seat->slot)].is_off;
}

uint32_t taken(const struct model *model, const struct pw_id *slot)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->seat_count; i++) {
        count += has_seat(&model->seats[i]) && pw_id_equal(&model->seats[i].slot, slot);
    }
    return count;
}

int64_t free_again(const struct slot *slot, int64_t more)
{
    return slot->starts_at + MINUTE((int64_t)slot->content.duration + more + slot->content.buffer);
}

/* --- What must be answered --- */

/* The reservation that a command is about; NULL: it is about none that there may be. */
static const struct pw_id *reservation_asked(const struct pw_command *command)
{
    switch (command->type) {
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD:
    case PW_COMMAND_RESERVATION_CANCEL:
    case PW_COMMAND_RESERVATION_CANCEL_BY_STAFF:
    case PW_COMMAND_RESERVATION_MARK_ATTENDED:
    case PW_COMMAND_RESERVATION_MARK_NO_SHOW:
    case PW_COMMAND_RESERVATION_RESCHEDULE:
    case PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF:
    case PW_COMMAND_RESERVATION_LEAVE_WAITLIST:
    case PW_COMMAND_RESERVATION_PRIORITISE:
    case PW_COMMAND_RESERVATION_ACCEPT_OFFER:
    case PW_COMMAND_RESERVATION_DECLINE_OFFER: return pw_command_target(command);
    default: return NULL;
    }
}

const struct pw_id *slot_asked(const struct model *model, const struct pw_job *request)
{
    const struct pw_command *command = &request->command;
    const struct pw_id *seat = reservation_asked(command);
    uint32_t at = seat != NULL ? seat_at(model, &request->boundary_id, seat) : UINT32_MAX;
    return at != UINT32_MAX                                  ? &model->seats[at].slot
           : command->type == PW_COMMAND_RESERVATION_RESERVE ? &command->reservation_reserve.slot_id
           : command->type == PW_COMMAND_RESERVATION_HOLD    ? &command->reservation_hold.slot_id
           : command->type == PW_COMMAND_RESERVATION_JOIN_WAITLIST
               ? &command->reservation_join_waitlist.slot_id
           : command->type == PW_COMMAND_SLOT_CHANGE_CAPACITY ||
                   command->type == PW_COMMAND_SLOT_CLOSE || command->type == PW_COMMAND_SLOT_CANCEL
               ? pw_command_target(command)
               : NULL;
}

const struct pw_id *slot_moved_to(const struct pw_command *command)
{
    return command->type == PW_COMMAND_RESERVATION_RESCHEDULE
               ? &command->reservation_reschedule.slot_id
           : command->type == PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF
               ? &command->reservation_reschedule_by_staff.slot_id
               : NULL;
}

uint32_t first_waiting(const struct model *model, const struct slot *slot)
{
    uint32_t first = SEATS_MAX;
    for (uint32_t i = 0; i < model->seat_count; i++) { /* In the order in which they came. */
        const struct seat *seat = &model->seats[i];
        if (seat->state == WAITING && pw_id_equal(&seat->slot, &slot->id) &&
            (first == SEATS_MAX || seat->priority > model->seats[first].priority)) {
            first = i;
        }
    }
    return first;
}

int64_t offers_end_at(const struct slot *slot)
{
    return slot->starts_at - MINUTE(slot->content.lead_time);
}

/* What a student has to do with a slot, and with what is at its time. */
struct stake {
    bool same_slot;
    bool same_exam;
    bool is_too_long;
    bool clashes;
    bool is_forfeited;
};

/* But for what they have as `except`, or NULL. */
static struct stake stake_of(const struct model *model, const struct pw_id *student,
                             const struct slot *slot, const struct seat *except)
{
    int64_t more = minutes_granted(model, student, slot);
    struct stake stake = {.is_too_long = is_too_long(slot, more)};
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        if (seat == except || !pw_id_equal(&seat->tenant, &slot->tenant) ||
            !pw_id_equal(&seat->student, student)) {
            continue;
        }
        const struct slot *other = &model->slots[slot_at(model, &seat->tenant, &seat->slot)];
        stake.same_slot |= is_open(seat) && other == slot;
        stake.is_forfeited |= seat->state == CANCELLED && seat->by_offer && other == slot;
        stake.is_forfeited |= seat->was_left && pw_id_equal(&other->exam, &slot->exam);
        bool was_marked = seat->state == ATTENDED || seat->state == MISSED;
        if (was_marked || (is_live(seat) && other != slot)) {
            stake.same_exam |= is_live(seat) && pw_id_equal(&other->exam, &slot->exam);
            stake.clashes |= slot->starts_at < free_again(other, seat->more) &&
                             other->starts_at < free_again(slot, more);
        }
    }
    return stake;
}

static enum pw_code seat_for(const struct model *model, struct stake stake, const struct slot *slot)
{
    bool is_awaited = !slot->is_closed && first_waiting(model, slot) != SEATS_MAX;
    return stake.same_slot                             ? PW_ERR_ALREADY_BOOKED
           : stake.same_exam                           ? PW_ERR_EXAM_ALREADY_BOOKED
           : stake.is_too_long                         ? PW_ERR_ACCOMMODATION_DOES_NOT_FIT
           : is_awaited                                ? PW_ERR_SLOT_AWAITED
           : taken(model, &slot->id) >= slot->capacity ? PW_ERR_SLOT_FULL
           : stake.clashes                             ? PW_ERR_CALENDAR_CONFLICT
                                                       : PW_OK;
}

/* Whether the slot gives any seats. */
static enum pw_code slot_given(const struct slot *slot, int64_t now_us)
{
    return slot->is_off                ? PW_ERR_SLOT_CANCELLED
           : now_us >= slot->starts_at ? PW_ERR_SLOT_STARTED
           : slot->is_shut             ? PW_ERR_SLOT_CLOSED
                                       : PW_OK;
}

static enum pw_code reserve(const struct model *model, const struct pw_job *request, int64_t now_us)
{
    const struct pw_id *tenant = &request->boundary_id;
    uint32_t at = slot_at(model, tenant, slot_asked(model, request));
    if (at == UINT32_MAX) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    const struct slot *slot = &model->slots[at];
    return slot_given(slot, now_us) != PW_OK
               ? slot_given(slot, now_us)
               : seat_for(model, stake_of(model, &request->actor_id, slot, NULL), slot);
}

/* To another slot of the exam. The office minds neither the lead time nor that the slot is closed. */
static enum pw_code move(const struct model *model, const struct pw_job *request, int64_t now_us,
                         bool *ret_changes)
{
    const struct pw_id *tenant = &request->boundary_id;
    bool by_office = request->command.type == PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF;
    uint32_t at = seat_at(model, tenant, pw_command_target(&request->command));
    uint32_t to_at = slot_at(model, tenant, slot_moved_to(&request->command));
    if (at == UINT32_MAX ||
        (!by_office && !pw_id_equal(&model->seats[at].student, &request->actor_id))) {
        return PW_ERR_NO_SUCH_RESERVATION;
    }
    const struct seat *seat = &model->seats[at];
    if (seat->state != BOOKED) {
        return PW_ERR_RESERVATION_NOT_BOOKED;
    }
    if (to_at == UINT32_MAX) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    const struct slot *from = &model->slots[slot_at(model, tenant, &seat->slot)];
    const struct slot *to = &model->slots[to_at];
    struct stake stake = stake_of(model, &seat->student, to, seat);
    enum pw_code given = slot_given(to, now_us);
    bool is_let_in = by_office && given == PW_ERR_SLOT_CLOSED;
    *ret_changes = from != to;
    return from == to                                   ? PW_OK
           : !pw_id_equal(&from->exam, &to->exam)       ? PW_ERR_SLOT_OF_OTHER_EXAM
           : !by_office && now_us > offers_end_at(from) ? PW_ERR_CANCEL_TOO_LATE
           : given != PW_OK && !is_let_in               ? given
                                                        : seat_for(model, stake, to);
}

static enum pw_code join(const struct model *model, const struct pw_job *request, int64_t now_us)
{
    uint32_t at = slot_at(model, &request->boundary_id, slot_asked(model, request));
    if (at == UINT32_MAX) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    const struct slot *slot = &model->slots[at];
    struct stake stake = stake_of(model, &request->actor_id, slot, NULL);
    bool is_free =
        taken(model, &slot->id) < slot->capacity && first_waiting(model, slot) == SEATS_MAX;
    return slot->is_off                                       ? PW_ERR_SLOT_CANCELLED
           : slot->is_shut                                    ? PW_ERR_SLOT_CLOSED
           : slot->is_closed || now_us >= offers_end_at(slot) ? PW_ERR_WAITLIST_CLOSED
           : stake.same_slot                                  ? PW_ERR_ALREADY_BOOKED
           : stake.is_forfeited                               ? PW_ERR_NOT_ENTITLED
           : stake.is_too_long                                ? PW_ERR_ACCOMMODATION_DOES_NOT_FIT
           : is_free                                          ? PW_ERR_SEATS_ARE_FREE
                                                              : PW_OK;
}

/* The others who change what they have, or had asked for. */
static enum pw_code change(const struct model *model, const struct pw_job *request,
                           bool *ret_changes)
{
    uint32_t at = seat_at(model, &request->boundary_id, pw_command_target(&request->command));
    bool by_office = request->command.type == PW_COMMAND_RESERVATION_PRIORITISE ||
                     request->command.type == PW_COMMAND_RESERVATION_CANCEL_BY_STAFF;
    if (at == UINT32_MAX ||
        (!by_office && !pw_id_equal(&model->seats[at].student, &request->actor_id))) {
        return PW_ERR_NO_SUCH_RESERVATION;
    }
    const struct seat *seat = &model->seats[at];
    const struct slot *slot = &model->slots[slot_at(model, &seat->tenant, &seat->slot)];
    struct stake stake = stake_of(model, &request->actor_id, slot, NULL);
    switch (request->command.type) {
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD:
        *ret_changes = seat->state == HELD;
        return is_live(seat) ? PW_OK : PW_ERR_RESERVATION_NOT_LIVE;
    case PW_COMMAND_RESERVATION_PRIORITISE:
        *ret_changes = request->command.reservation_prioritise.priority != seat->priority;
        return seat->state == WAITING ? PW_OK : PW_ERR_NOT_WAITING;
    case PW_COMMAND_RESERVATION_CANCEL_BY_STAFF:
        *ret_changes = is_open(seat);
        return is_open(seat) || seat->state == CANCELLED ? PW_OK : PW_ERR_RESERVATION_OVER;
    case PW_COMMAND_RESERVATION_LEAVE_WAITLIST:
        *ret_changes = seat->state == WAITING;
        return seat->state == WAITING || seat->state == LEFT ? PW_OK : PW_ERR_NOT_WAITING;
    case PW_COMMAND_RESERVATION_DECLINE_OFFER:
        *ret_changes = seat->state == OFFERED;
        return seat->state == OFFERED || seat->state == DECLINED ? PW_OK : PW_ERR_NOT_OFFERED;
    default:
        *ret_changes = seat->state == OFFERED;
        return seat->state == BOOKED    ? PW_OK
               : seat->state != OFFERED ? PW_ERR_NOT_OFFERED
               : stake.same_exam        ? PW_ERR_EXAM_ALREADY_BOOKED
               : stake.is_too_long      ? PW_ERR_ACCOMMODATION_DOES_NOT_FIT
               : stake.clashes          ? PW_ERR_CALENDAR_CONFLICT
                                        : PW_OK;
    }
}

static enum pw_code cancel(const struct model *model, const struct pw_job *request, int64_t now_us)
{
    const struct pw_id *tenant = &request->boundary_id;
    uint32_t at = seat_at(model, tenant, &request->command.reservation_cancel.reservation_id);
    if (at == UINT32_MAX || !pw_id_equal(&model->seats[at].student, &request->actor_id)) {
        return PW_ERR_NO_SUCH_RESERVATION;
    }
    const struct seat *seat = &model->seats[at];
    const struct slot *slot = &model->slots[slot_at(model, tenant, &seat->slot)];
    return !is_live(seat)        ? PW_ERR_RESERVATION_NOT_LIVE
           : seat->state == HELD ? PW_OK
           : now_us > slot->starts_at - MINUTE(slot->content.lead_time) ? PW_ERR_CANCEL_TOO_LATE
                                                                        : PW_OK;
}

/* By the office, or by somebody who proctors the slot. */
static enum pw_code mark(const struct model *model, const struct pw_job *request, int64_t now_us,
                         bool *ret_changes)
{
    uint32_t at = seat_at(model, &request->boundary_id, pw_command_target(&request->command));
    if (at == UINT32_MAX) {
        return PW_ERR_NO_SUCH_RESERVATION;
    }
    const struct seat *seat = &model->seats[at];
    const struct slot *slot = &model->slots[slot_at(model, &seat->tenant, &seat->slot)];
    bool came = request->command.type == PW_COMMAND_RESERVATION_MARK_ATTENDED;
    if (request->role != PW_ROLE_ADMIN &&
        proctor_at(slot, &request->actor_id) == slot->proctor_count) {
        return PW_ERR_NO_SUCH_RESERVATION;
    }
    *ret_changes = seat->state != (came ? ATTENDED : MISSED);
    return !*ret_changes ? PW_OK
           : seat->state != BOOKED && seat->state != ATTENDED && seat->state != MISSED
               ? PW_ERR_RESERVATION_NOT_BOOKED
           : now_us < slot->starts_at ? PW_ERR_SITTING_NOT_BEGUN
                                      : PW_OK;
}

enum pw_code seat_decide(const struct model *model, const struct pw_job *request, int64_t now_us,
                         bool *ret_changes)
{
    switch (request->command.type) {
    case PW_COMMAND_RESERVATION_RESERVE:
    case PW_COMMAND_RESERVATION_HOLD: return reserve(model, request, now_us);
    case PW_COMMAND_RESERVATION_JOIN_WAITLIST: return join(model, request, now_us);
    case PW_COMMAND_RESERVATION_CANCEL: return cancel(model, request, now_us);
    case PW_COMMAND_RESERVATION_RESCHEDULE:
    case PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF:
        return move(model, request, now_us, ret_changes);
    case PW_COMMAND_RESERVATION_MARK_ATTENDED:
    case PW_COMMAND_RESERVATION_MARK_NO_SHOW: return mark(model, request, now_us, ret_changes);
    default: return change(model, request, ret_changes);
    }
}

/* --- What it changes --- */

void seat_book(struct model *model, struct seat *seat)
{
    seat->state = BOOKED;
    seat->is_told = model->slots[slot_at(model, &seat->tenant, &seat->slot)].is_reminded;
    inbox_tell(model, seat);
}

static uint32_t reserve_apply(struct model *model, const struct pw_job *request, int64_t now_us,
                              const struct pw_id *id)
{
    const struct pw_id *slot_id = slot_asked(model, request);
    enum pw_command_type type = request->command.type;
    const struct slot *slot = &model->slots[slot_at(model, &request->boundary_id, slot_id)];
    bool waits = type == PW_COMMAND_RESERVATION_JOIN_WAITLIST;
    int64_t expires_at =
        now_us + MINUTE(model->tenants[tenant_at(model, &request->boundary_id)].hold_minutes);
    assert(model->seat_count < SEATS_MAX);
    model->seats[model->seat_count++] = (struct seat){
        .tenant = request->boundary_id,
        .id = *id,
        .slot = *slot_id,
        .student = request->actor_id,
        .state = type == PW_COMMAND_RESERVATION_HOLD ? HELD
                 : waits                             ? WAITING
                                                     : BOOKED,
        .expires_at = expires_at < slot->starts_at ? expires_at : slot->starts_at,
        .more = waits ? 0 : minutes_granted(model, &request->actor_id, slot),
        .version = 1,
    };
    if (type == PW_COMMAND_RESERVATION_RESERVE) {
        seat_book(model, &model->seats[model->seat_count - 1]);
    }
    return 1;
}

static uint32_t change_apply(struct model *model, const struct pw_job *request)
{
    const struct pw_id *id = pw_command_target(&request->command);
    struct seat *seat = &model->seats[seat_at(model, &request->boundary_id, id)];
    const struct slot *slot = &model->slots[slot_at(model, &seat->tenant, &seat->slot)];
    switch (request->command.type) {
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD: seat_book(model, seat); break;
    case PW_COMMAND_RESERVATION_CANCEL:
        seat->state = CANCELLED;
        inbox_tell(model, seat);
        break;
    case PW_COMMAND_RESERVATION_CANCEL_BY_STAFF:
        seat->state = CANCELLED;
        inbox_tell(model, seat);
        seat->by_offer = false;
        break;
    case PW_COMMAND_RESERVATION_RESCHEDULE: seat->was_left |= seat->by_offer; break;
    case PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF: seat->by_offer = false; break;
    case PW_COMMAND_RESERVATION_MARK_ATTENDED: seat->state = ATTENDED; break;
    case PW_COMMAND_RESERVATION_MARK_NO_SHOW:
        seat->state = MISSED;
        inbox_tell(model, seat);
        break;
    case PW_COMMAND_RESERVATION_LEAVE_WAITLIST: seat->state = LEFT; break;
    case PW_COMMAND_RESERVATION_DECLINE_OFFER: seat->state = DECLINED; break;
    case PW_COMMAND_RESERVATION_PRIORITISE:
        seat->priority = request->command.reservation_prioritise.priority;
        break;
    default: /* An offer is accepted. */
        seat_book(model, seat);
        seat->by_offer = true;
        seat->more = minutes_granted(model, &seat->student, slot);
        if (seat->more != 0) { /* Which is told apart. */
            seat->version++;
            inbox_tell(model, seat);
        }
        break;
    }
    if (slot_moved_to(&request->command) != NULL) {
        seat->slot = *slot_moved_to(&request->command);
        slot = &model->slots[slot_at(model, &seat->tenant, &seat->slot)];
        seat->more = minutes_granted(model, &seat->student, slot);
        seat->replacement = PW_REPLACEMENT_NONE;
        seat_book(model, seat);
    }
    return ++seat->version;
}

uint32_t seat_apply(struct model *model, const struct pw_job *request, int64_t now_us,
                    const struct pw_id *stream_id)
{
    switch (request->command.type) {
    case PW_COMMAND_RESERVATION_RESERVE:
    case PW_COMMAND_RESERVATION_HOLD:
    case PW_COMMAND_RESERVATION_JOIN_WAITLIST:
        return reserve_apply(model, request, now_us, stream_id);
    default: return change_apply(model, request);
    }
}
