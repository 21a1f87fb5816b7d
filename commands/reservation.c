/* commands/reservation.c: one student's way to a seat in one slot, from the first ask to its end.
 *
 * The table below is its life. An open reservation is linked into its student's chain, so that a booking is checked against this student's
 * calendar alone, however many reservations the tenant has. */
#include "commands/decide.h"
#include "commands/tenant_state.h"

/* What a student's calendar says about a sitting. */
struct calendar {
    struct pw_id in_slot_id; /* The open reservation in the same slot, or nil. */
    struct pw_id in_exam_id; /* The one in another slot of the exam that blocks, or nil. */
    bool clashes;
    bool is_forfeited; /* An offered seat of the slot was given back. */
};

/* What a state is called, and what it means. An open one may still become something; a seat is one of its slot; and what blocks stands in
 * the student's calendar. */
static const struct meaning {
    const char *name;
    bool is_open;
    bool has_seat;
    bool blocks;
} meanings[PW_RESERVATION_STATE_COUNT] = {
    [PW_RESERVATION_CONFIRMED] = {"booked", true, true, true},
    [PW_RESERVATION_GIVEN_BACK] = {"cancelled", false, false, false},
    [PW_RESERVATION_ON_HOLD] = {"held", true, true, true},
    [PW_RESERVATION_RUN_OUT] = {"over: its hold ran out", false, false, false},
    [PW_RESERVATION_WAITING] = {"waiting", true, false, false},
    [PW_RESERVATION_LEFT] = {"over: it left the waiting list", false, false, false},
    [PW_RESERVATION_ON_OFFER] = {"offered", true, true, false},
    [PW_RESERVATION_TURNED_DOWN] = {"over: its offer was declined", false, false, false},
    [PW_RESERVATION_LAPSED] = {"over: its offer ran out", false, false, false},
};

bool pw_reservation_blocks_calendar(uint32_t state)
{
    return meanings[state].blocks;
}

bool pw_reservation_has_seat(const struct pw_reservation *reservation)
{
    return meanings[reservation->state].has_seat;
}

/* One whose seat was gained by an offer and was given back ends the student's entitlement to another one, so it stays. */
bool pw_reservation_is_chained(const struct pw_reservation *reservation)
{
    return meanings[reservation->state].is_open || reservation->by_offer;
}

/* What leads from where to where; a reservation begins in none. */
#define NONE 0
static const struct step {
    uint32_t from; /* enum pw_reservation_state, or NONE. */
    enum pw_command_type command;
    enum pw_event_type event;
    uint32_t to;
} life[] = {
#define STEP(from, COMMAND, EVENT, to)                                                             \
    {                                                                                              \
        from, PW_COMMAND_RESERVATION_##COMMAND, PW_EVENT_RESERVATION_##EVENT, PW_RESERVATION_##to  \
    }
    STEP(NONE, RESERVE, RESERVED, CONFIRMED),
    STEP(NONE, HOLD, HELD, ON_HOLD),
    STEP(PW_RESERVATION_ON_HOLD, CONFIRM_HOLD, HOLD_CONFIRMED, CONFIRMED),
    STEP(PW_RESERVATION_ON_HOLD, EXPIRE_HOLD, HOLD_EXPIRED, RUN_OUT),
    STEP(PW_RESERVATION_ON_HOLD, CANCEL, CANCELLED, GIVEN_BACK),
    STEP(PW_RESERVATION_CONFIRMED, CANCEL, CANCELLED, GIVEN_BACK),
    STEP(NONE, JOIN_WAITLIST, WAITLIST_JOINED, WAITING),
    STEP(PW_RESERVATION_WAITING, PRIORITISE, PRIORITISED, WAITING),
    STEP(PW_RESERVATION_WAITING, LEAVE_WAITLIST, WAITLIST_LEFT, LEFT),
    STEP(PW_RESERVATION_WAITING, OFFER, OFFERED, ON_OFFER),
    STEP(PW_RESERVATION_ON_OFFER, ACCEPT_OFFER, OFFER_ACCEPTED, CONFIRMED),
    STEP(PW_RESERVATION_ON_OFFER, DECLINE_OFFER, OFFER_DECLINED, TURNED_DOWN),
    STEP(PW_RESERVATION_ON_OFFER, EXPIRE_OFFER, OFFER_EXPIRED, LAPSED),
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

/* A refusal that tells the state. */
static enum pw_code fail_as_it_is(struct pw_err *err, enum pw_code code,
                                  const struct pw_reservation *reservation)
{
    return pw_fail(err, code, "it is %s", meanings[reservation->state].name);
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

/* What one of the student's chain has to say. */
static void calendar_take(struct calendar *calendar, const struct pw_reservation *other,
                          const struct pw_id *id, const struct pw_id *slot_id,
                          const struct pw_slot *slot)
{
    const struct meaning *meaning = &meanings[other->state];
    if (pw_id_equal(&other->slot_id, slot_id)) {
        calendar->is_forfeited |= !meaning->is_open;
        calendar->in_slot_id = meaning->is_open ? *id : calendar->in_slot_id;
        return;
    }
    if (meaning->blocks && pw_id_equal(&other->exam_id, &slot->exam_id)) {
        calendar->in_exam_id = *id;
    }
    /* Both are half-open: who is free again at ten can sit at ten. */
    calendar->clashes |= meaning->blocks && slot->starts_at_us < other->free_again_at_us &&
                         other->starts_at_us < free_again_at_us(slot);
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
        calendar_take(&found, other, &id, slot_id, slot);
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
    if (!pw_id_is_nil(&slot->waiting) && !slot->waitlist_closed) {
        return pw_fail(err, PW_ERR_SLOT_AWAITED, "%u of %u taken", slot->taken_count,
                       slot->capacity);
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
        return fail_as_it_is(err, PW_ERR_RESERVATION_NOT_LIVE, reservation);
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
        return fail_as_it_is(err, PW_ERR_RESERVATION_NOT_LIVE, reservation);
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

/* --- Waiting, and being offered a seat --- */

enum pw_code pw_reservation_join_waitlist_decide(const struct pw_tenant *tenant,
                                                 const struct pw_reservation_join_waitlist *command,
                                                 const struct pw_context *context,
                                                 struct pw_decision *out, struct pw_err *err)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, &command->slot_id);
    if (slot == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_SLOT, "slot_id");
    }
    if (slot->waitlist_closed || context->decided_at_us >= pw_slot_offers_end_at_us(slot)) {
        return pw_fail(err, PW_ERR_WAITLIST_CLOSED, "possible until %u minutes before the start",
                       slot->lead_time_minutes);
    }
    struct calendar calendar = calendar_look(tenant, &context->actor_id, &command->slot_id, slot);
    if (!pw_id_is_nil(&calendar.in_slot_id)) {
        return fail_naming(err, PW_ERR_ALREADY_BOOKED, &calendar.in_slot_id);
    }
    if (calendar.is_forfeited) {
        return pw_fail(err, PW_ERR_NOT_ENTITLED, "an offered seat was given back");
    }
    if (pw_id_is_nil(&slot->waiting) && slot->taken_count < slot->capacity) {
        return pw_fail(err, PW_ERR_SEATS_ARE_FREE, "%u of %u taken", slot->taken_count,
                       slot->capacity);
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_RESERVATION_WAITLIST_JOINED, &command->reservation_id);
    event->reservation_waitlist_joined = (struct pw_reservation_waitlist_joined){
        .slot_id = command->slot_id,
        .exam_id = slot->exam_id,
        .student_id = context->actor_id,
    };
    return PW_OK;
}

#define OF(reservation)                                                                            \
    .slot_id = (reservation)->slot_id, .exam_id = (reservation)->exam_id,                          \
    .student_id = (reservation)->student_id

enum pw_code pw_reservation_leave_waitlist_decide(
    const struct pw_tenant *tenant, const struct pw_reservation_leave_waitlist *command,
    const struct pw_context *context, struct pw_decision *out, struct pw_err *err)
{
    const struct pw_reservation *reservation = own(tenant, &command->reservation_id, context);
    if (reservation == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_RESERVATION, "reservation_id");
    }
    if (reservation->state == PW_RESERVATION_LEFT) {
        return PW_OK;
    }
    if (step_by_command(reservation->state, PW_COMMAND_RESERVATION_LEAVE_WAITLIST) == NULL) {
        return fail_as_it_is(err, PW_ERR_NOT_WAITING, reservation);
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_WAITLIST_LEFT, &command->reservation_id)
        ->reservation_waitlist_left = (struct pw_reservation_waitlist_left){OF(reservation)};
    return PW_OK;
}

enum pw_code pw_reservation_prioritise_decide(const struct pw_tenant *tenant,
                                              const struct pw_reservation_prioritise *command,
                                              const struct pw_context *context,
                                              struct pw_decision *out, struct pw_err *err)
{
    const struct pw_reservation *reservation =
        pw_tenant_reservation(tenant, &command->reservation_id);
    (void)context;
    if (reservation == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_RESERVATION, "reservation_id");
    }
    if (step_by_command(reservation->state, PW_COMMAND_RESERVATION_PRIORITISE) == NULL) {
        return fail_as_it_is(err, PW_ERR_NOT_WAITING, reservation);
    }
    if (reservation->priority != command->priority) {
        pw_decision_add(out, PW_EVENT_RESERVATION_PRIORITISED, &command->reservation_id)
            ->reservation_prioritised =
            (struct pw_reservation_prioritised){OF(reservation), .priority = command->priority};
    }
    return PW_OK;
}

/* Whether it was due: to the first who waits, while a seat is free and may be offered. */
enum pw_code pw_reservation_offer_decide(const struct pw_tenant *tenant,
                                         const struct pw_reservation_offer *command,
                                         const struct pw_context *context, struct pw_decision *out,
                                         struct pw_err *err)
{
    const struct pw_reservation *reservation =
        pw_tenant_reservation(tenant, &command->reservation_id);
    if (reservation == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_RESERVATION, "reservation_id");
    }
    const struct pw_slot *slot = pw_tenant_slot(tenant, &reservation->slot_id);
    struct pw_id first = pw_order_first(tenant->waiting, slot->waiting);
    int64_t end_at_us = pw_slot_offers_end_at_us(slot);
    if (!pw_id_equal(&first, &command->reservation_id) || slot->waitlist_closed ||
        slot->taken_count >= slot->capacity || context->decided_at_us >= end_at_us) {
        return PW_OK;
    }
    int64_t expires_at_us =
        context->decided_at_us + pw_tenant_offer_minutes(tenant) * PW_US_PER_MINUTE;
    pw_decision_add(out, PW_EVENT_RESERVATION_OFFERED, &command->reservation_id)
        ->reservation_offered = (struct pw_reservation_offered){
        OF(reservation), .expires_at = expires_at_us < end_at_us ? expires_at_us : end_at_us};
    return PW_OK;
}

enum pw_code pw_reservation_accept_offer_decide(const struct pw_tenant *tenant,
                                                const struct pw_reservation_accept_offer *command,
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
    if (step_by_command(reservation->state, PW_COMMAND_RESERVATION_ACCEPT_OFFER) == NULL) {
        return fail_as_it_is(err, PW_ERR_NOT_OFFERED, reservation);
    }
    struct calendar calendar = calendar_look(tenant, &context->actor_id, &reservation->slot_id,
                                             pw_tenant_slot(tenant, &reservation->slot_id));
    if (!pw_id_is_nil(&calendar.in_exam_id)) {
        return fail_naming(err, PW_ERR_EXAM_ALREADY_BOOKED, &calendar.in_exam_id);
    }
    if (calendar.clashes) {
        return pw_fail(err, PW_ERR_CALENDAR_CONFLICT, "another exam at that time");
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_OFFER_ACCEPTED, &command->reservation_id)
        ->reservation_offer_accepted = (struct pw_reservation_offer_accepted){OF(reservation)};
    return PW_OK;
}

enum pw_code pw_reservation_decline_offer_decide(const struct pw_tenant *tenant,
                                                 const struct pw_reservation_decline_offer *command,
                                                 const struct pw_context *context,
                                                 struct pw_decision *out, struct pw_err *err)
{
    const struct pw_reservation *reservation = own(tenant, &command->reservation_id, context);
    if (reservation == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_RESERVATION, "reservation_id");
    }
    if (reservation->state == PW_RESERVATION_TURNED_DOWN) {
        return PW_OK;
    }
    if (step_by_command(reservation->state, PW_COMMAND_RESERVATION_DECLINE_OFFER) == NULL) {
        return fail_as_it_is(err, PW_ERR_NOT_OFFERED, reservation);
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_OFFER_DECLINED, &command->reservation_id)
        ->reservation_offer_declined = (struct pw_reservation_offer_declined){OF(reservation)};
    return PW_OK;
}

/* Whether it was due. */
enum pw_code pw_reservation_expire_offer_decide(const struct pw_tenant *tenant,
                                                const struct pw_reservation_expire_offer *command,
                                                const struct pw_context *context,
                                                struct pw_decision *out, struct pw_err *err)
{
    const struct pw_reservation *reservation =
        pw_tenant_reservation(tenant, &command->reservation_id);
    if (reservation == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_RESERVATION, "reservation_id");
    }
    if (step_by_command(reservation->state, PW_COMMAND_RESERVATION_EXPIRE_OFFER) != NULL &&
        context->decided_at_us >= reservation->expires_at_us) {
        pw_decision_add(out, PW_EVENT_RESERVATION_OFFER_EXPIRED, &command->reservation_id)
            ->reservation_offer_expired = (struct pw_reservation_offer_expired){OF(reservation)};
    }
    return PW_OK;
}

/* --- What happened --- */

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

static const char *beginning_misfit(const struct pw_tenant *tenant, const struct pw_event *event,
                                    const struct beginning *begun)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, &begun->slot_id);
    if (pw_tenant_reservation(tenant, &event->stream_id) != NULL) {
        return "the reservation exists already";
    }
    if (slot == NULL || !pw_id_equal(&slot->exam_id, &begun->exam_id)) {
        return "there is no such slot of the exam";
    }
    if (meanings[step_by_event(NONE, event->type)->to].has_seat &&
        slot->taken_count >= slot->capacity) {
        return "no seat is free";
    }
    if (begun->starts_at < 0 || begun->ends_at <= begun->starts_at ||
        begun->free_again_at < begun->ends_at || begun->free_again_at > PW_AT_US_MAX) {
        return "the times are out of range";
    }
    return NULL;
}

static enum pw_code begin(struct pw_tenant *tenant, const struct pw_event *event,
                          const struct beginning *begun, struct pw_undo *undo, struct pw_err *err)
{
    const char *why = beginning_misfit(tenant, event, begun);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    uint32_t state = step_by_event(NONE, event->type)->to;
    struct pw_slot *slot = pw_map_put(tenant->slots, &begun->slot_id, undo);
    slot->taken_count += meanings[state].has_seat;
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
    };
    student->first_id = event->stream_id;
    student->first = reservation;
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
                              .free_again_at = free_again_at_us(slot)};
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

/* What changes with a step besides the state. */
struct change {
    const struct pw_id *slot_id; /* As the event names them. */
    const struct pw_id *exam_id;
    const struct pw_id *student_id;
    int64_t expires_at; /* 0: never. */
    uint32_t priority;
};

static const char *step_misfit(const struct pw_tenant *tenant, const struct pw_reservation *before,
                               const struct step *step, const struct change *change)
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
    if (meanings[step->to].has_seat && !meanings[step->from].has_seat &&
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
                              const struct step *step, struct pw_undo *undo)
{
    bool had = meanings[step->from].has_seat;
    bool has = meanings[step->to].has_seat;
    if (had != has) {
        struct pw_slot *slot = pw_map_put(tenant->slots, slot_id, undo);
        assert(has || slot->taken_count > 0); /* Each that has a seat was counted. */
        slot->taken_count = has ? slot->taken_count + 1 : slot->taken_count - 1;
    }
}

/* Takes a reservation from one state to the next. */
static enum pw_code step_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                const struct change *change, struct pw_undo *undo,
                                struct pw_err *err)
{
    const struct pw_reservation *before = pw_tenant_reservation(tenant, &event->stream_id);
    const struct step *step = before != NULL ? step_by_event(before->state, event->type) : NULL;
    const char *why = step_misfit(tenant, before, step, change);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    bool leaves_chain = !meanings[step->to].is_open && !before->by_offer;
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
    reservation->by_offer = event->type == PW_EVENT_RESERVATION_OFFER_ACCEPTED || before->by_offer;
    reservation->version = event->stream_version;
    pw_due_enter(tenant, &event->stream_id, undo);
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
STEP_EVOLVE(waitlist_left)
STEP_EVOLVE(prioritised, .priority = is->priority)
STEP_EVOLVE(offered, .expires_at = is->expires_at)
STEP_EVOLVE(offer_accepted)
STEP_EVOLVE(offer_declined)
STEP_EVOLVE(offer_expired)
