/* integration/sim/model.c: the rules of the domain once more, written from the page of rules: lists, and loops over
 * them. It shares no code with the deciders, and trusts no event: what a request changes follows from the request. */
#include "integration/sim/sim.h"

#include <stdlib.h>

#define EXAMS_MAX 512
#define SLOTS_MAX 512
#define SEATS_MAX 4096
#define MINUTE(n) ((n)*PW_US_PER_MINUTE)

struct content {
    struct pw_str title;
    uint32_t duration;
    uint32_t lead_time;
    uint32_t buffer;
};

struct exam {
    struct pw_id tenant;
    struct pw_id id;
    struct pw_id owner;
    struct content draft;
    struct content published;
    uint32_t published_number;
    uint32_t version;
};

struct slot {
    struct pw_id tenant;
    struct pw_id id;
    struct pw_id exam;
    struct content content;
    int64_t starts_at;
    uint32_t capacity;
    bool is_closed; /* Its waiting list. */
    uint32_t version;
};

struct seat {
    struct pw_id tenant;
    struct pw_id id;
    struct pw_id slot;
    struct pw_id student;
    enum { HELD, BOOKED, CANCELLED, RUN_OUT, WAITING, LEFT, OFFERED, DECLINED, LAPSED } state;
    int64_t expires_at; /* While it is held or offered. */
    uint32_t priority;
    bool by_offer;
    bool was_left; /* The slot of its offered seat, for another one of the exam. */
    uint32_t version;
};

struct tenant {
    struct pw_id id;
    struct pw_tenant_trust_issuer issuers[PW_ISSUERS_MAX];
    uint32_t issuer_count;
    bool keeps_accounts;
    uint32_t hold_minutes;
    uint32_t offer_minutes;
    uint32_t version;
};

struct model {
    struct tenant tenants[TENANTS_MAX];
    struct exam exams[EXAMS_MAX];
    struct slot slots[SLOTS_MAX];
    struct seat seats[SEATS_MAX];
    uint32_t tenant_count;
    uint32_t exam_count;
    uint32_t slot_count;
    uint32_t seat_count;
    struct people *people;
};

struct model *model_new(void)
{
    struct model *model = calloc(1, sizeof *model);
    if (model == NULL) {
        abort();
    }
    model->people = people_new();
    return model;
}

void model_free(struct model *model)
{
    people_free(model->people);
    free(model);
}

#define FIND(list, count, tenant_id, wanted)                                                       \
    for (uint32_t i = 0; i < (count); i++) {                                                       \
        if (pw_id_equal(&(list)[i].tenant, (tenant_id)) && pw_id_equal(&(list)[i].id, (wanted))) { \
            return (uint32_t)i;                                                                    \
        }                                                                                          \
    }                                                                                              \
    return UINT32_MAX

static uint32_t exam_at(const struct model *model, const struct pw_id *tenant,
                        const struct pw_id *id)
{
    FIND(model->exams, model->exam_count, tenant, id);
}

static uint32_t slot_at(const struct model *model, const struct pw_id *tenant,
                        const struct pw_id *id)
{
    FIND(model->slots, model->slot_count, tenant, id);
}

static uint32_t seat_at(const struct model *model, const struct pw_id *tenant,
                        const struct pw_id *id)
{
    FIND(model->seats, model->seat_count, tenant, id);
}

static uint32_t tenant_at(const struct model *model, const struct pw_id *id)
{
    for (uint32_t i = 0; i < model->tenant_count; i++) {
        if (pw_id_equal(&model->tenants[i].id, id)) {
            return i;
        }
    }
    return UINT32_MAX;
}

static bool same_content(const struct content *a, const struct content *b)
{
    return pw_str_equal(a->title, b->title) && a->duration == b->duration &&
           a->lead_time == b->lead_time && a->buffer == b->buffer;
}

/* In the student's calendar. */
static bool is_live(const struct seat *seat)
{
    return seat->state == HELD || seat->state == BOOKED;
}

static bool has_seat(const struct seat *seat)
{
    return is_live(seat) || seat->state == OFFERED;
}

static bool is_open(const struct seat *seat)
{
    return has_seat(seat) || seat->state == WAITING;
}

static uint32_t taken(const struct model *model, const struct pw_id *slot)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->seat_count; i++) {
        count += has_seat(&model->seats[i]) && pw_id_equal(&model->seats[i].slot, slot);
    }
    return count;
}

static int64_t free_again(const struct slot *slot)
{
    return slot->starts_at + MINUTE((int64_t)slot->content.duration + slot->content.buffer);
}

/* Those of people and their sessions, which model_people.c knows. */
#define PEOPLES_COMMANDS                                                                           \
    case PW_COMMAND_USER_REGISTER:                                                                 \
    case PW_COMMAND_USER_UPDATE_PROFILE:                                                           \
    case PW_COMMAND_USER_GRANT_ROLES:                                                              \
    case PW_COMMAND_USER_REVOKE_ROLES:                                                             \
    case PW_COMMAND_USER_DEACTIVATE:                                                               \
    case PW_COMMAND_USER_REACTIVATE:                                                               \
    case PW_COMMAND_USER_CHANGE_PASSWORD:                                                          \
    case PW_COMMAND_USER_ISSUE_RESET_TOKEN:                                                        \
    case PW_COMMAND_USER_RESET_PASSWORD:                                                           \
    case PW_COMMAND_USER_SET_PREFERENCES:                                                          \
    case PW_COMMAND_USER_ERASE:                                                                    \
    case PW_COMMAND_SESSION_OPEN:                                                                  \
    case PW_COMMAND_SESSION_REFRESH:                                                               \
    case PW_COMMAND_SESSION_REVOKE

/* --- What must be answered --- */

/* The reservation that a command is about; NULL: it is about none that there may be. */
static const struct pw_id *reservation_asked(const struct pw_command *command)
{
    switch (command->type) {
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD:
    case PW_COMMAND_RESERVATION_CANCEL:
    case PW_COMMAND_RESERVATION_RESCHEDULE:
    case PW_COMMAND_RESERVATION_LEAVE_WAITLIST:
    case PW_COMMAND_RESERVATION_PRIORITISE:
    case PW_COMMAND_RESERVATION_ACCEPT_OFFER:
    case PW_COMMAND_RESERVATION_DECLINE_OFFER: return pw_command_target(command);
    default: return NULL;
    }
}

/* The slot that a command is about a seat of; NULL: it is about none. */
static const struct pw_id *slot_asked(const struct model *model, const struct pw_job *request)
{
    const struct pw_command *command = &request->command;
    const struct pw_id *seat = reservation_asked(command);
    uint32_t at = seat != NULL ? seat_at(model, &request->boundary_id, seat) : UINT32_MAX;
    return at != UINT32_MAX                                  ? &model->seats[at].slot
           : command->type == PW_COMMAND_RESERVATION_RESERVE ? &command->reservation_reserve.slot_id
           : command->type == PW_COMMAND_RESERVATION_HOLD    ? &command->reservation_hold.slot_id
           : command->type == PW_COMMAND_RESERVATION_JOIN_WAITLIST
               ? &command->reservation_join_waitlist.slot_id
           : command->type == PW_COMMAND_SLOT_CHANGE_CAPACITY
               ? &command->slot_change_capacity.slot_id
               : NULL;
}

/* Who is next to be offered a seat of the slot; SEATS_MAX: nobody waits. */
static uint32_t first_waiting(const struct model *model, const struct slot *slot)
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

static int64_t offers_end_at(const struct slot *slot)
{
    return slot->starts_at - MINUTE(slot->content.lead_time);
}

/* What a student has to do with a slot, and with what is at its time. */
struct stake {
    bool same_slot;
    bool same_exam;
    bool clashes;
    bool is_forfeited;
};

/* But for what they have as `except`, or NULL. */
static struct stake stake_of(const struct model *model, const struct pw_job *request,
                             const struct slot *slot, const struct seat *except)
{
    struct stake stake = {false, false, false, false};
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        if (seat == except || !pw_id_equal(&seat->tenant, &request->boundary_id) ||
            !pw_id_equal(&seat->student, &request->actor_id)) {
            continue;
        }
        const struct slot *other = &model->slots[slot_at(model, &seat->tenant, &seat->slot)];
        stake.same_slot |= is_open(seat) && other == slot;
        stake.is_forfeited |= seat->state == CANCELLED && seat->by_offer && other == slot;
        stake.is_forfeited |= seat->was_left && pw_id_equal(&other->exam, &slot->exam);
        if (is_live(seat) && other != slot) {
            stake.same_exam |= pw_id_equal(&other->exam, &slot->exam);
            stake.clashes |=
                slot->starts_at < free_again(other) && other->starts_at < free_again(slot);
        }
    }
    return stake;
}

static enum pw_code seat_for(const struct model *model, struct stake stake, const struct slot *slot)
{
    bool is_awaited = !slot->is_closed && first_waiting(model, slot) != SEATS_MAX;
    return stake.same_slot                             ? PW_ERR_ALREADY_BOOKED
           : stake.same_exam                           ? PW_ERR_EXAM_ALREADY_BOOKED
           : is_awaited                                ? PW_ERR_SLOT_AWAITED
           : taken(model, &slot->id) >= slot->capacity ? PW_ERR_SLOT_FULL
           : stake.clashes                             ? PW_ERR_CALENDAR_CONFLICT
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
    if (now_us >= slot->starts_at) {
        return PW_ERR_SLOT_STARTED;
    }
    return seat_for(model, stake_of(model, request, slot, NULL), slot);
}

/* To another slot of the exam. */
static enum pw_code move(const struct model *model, const struct pw_job *request, int64_t now_us,
                         bool *ret_changes)
{
    const struct pw_id *tenant = &request->boundary_id;
    const struct pw_reservation_reschedule *command = &request->command.reservation_reschedule;
    uint32_t at = seat_at(model, tenant, &command->reservation_id);
    uint32_t to_at = slot_at(model, tenant, &command->slot_id);
    if (at == UINT32_MAX || !pw_id_equal(&model->seats[at].student, &request->actor_id)) {
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
    *ret_changes = from != to;
    return from == to                             ? PW_OK
           : !pw_id_equal(&from->exam, &to->exam) ? PW_ERR_SLOT_OF_OTHER_EXAM
           : now_us > offers_end_at(from)         ? PW_ERR_CANCEL_TOO_LATE
           : now_us >= to->starts_at              ? PW_ERR_SLOT_STARTED
                                     : seat_for(model, stake_of(model, request, to, seat), to);
}

static enum pw_code join(const struct model *model, const struct pw_job *request, int64_t now_us)
{
    uint32_t at = slot_at(model, &request->boundary_id, slot_asked(model, request));
    if (at == UINT32_MAX) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    const struct slot *slot = &model->slots[at];
    struct stake stake = stake_of(model, request, slot, NULL);
    bool is_free =
        taken(model, &slot->id) < slot->capacity && first_waiting(model, slot) == SEATS_MAX;
    return slot->is_closed || now_us >= offers_end_at(slot) ? PW_ERR_WAITLIST_CLOSED
           : stake.same_slot                                ? PW_ERR_ALREADY_BOOKED
           : stake.is_forfeited                             ? PW_ERR_NOT_ENTITLED
           : is_free                                        ? PW_ERR_SEATS_ARE_FREE
                                                            : PW_OK;
}

/* The others who change what they have, or had asked for. */
static enum pw_code change(const struct model *model, const struct pw_job *request,
                           bool *ret_changes)
{
    uint32_t at = seat_at(model, &request->boundary_id, pw_command_target(&request->command));
    bool by_office = request->command.type == PW_COMMAND_RESERVATION_PRIORITISE;
    if (at == UINT32_MAX ||
        (!by_office && !pw_id_equal(&model->seats[at].student, &request->actor_id))) {
        return PW_ERR_NO_SUCH_RESERVATION;
    }
    const struct seat *seat = &model->seats[at];
    const struct slot *slot = &model->slots[slot_at(model, &seat->tenant, &seat->slot)];
    struct stake stake = stake_of(model, request, slot, NULL);
    switch (request->command.type) {
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD:
        *ret_changes = seat->state == HELD;
        return is_live(seat) ? PW_OK : PW_ERR_RESERVATION_NOT_LIVE;
    case PW_COMMAND_RESERVATION_PRIORITISE:
        *ret_changes = request->command.reservation_prioritise.priority != seat->priority;
        return seat->state == WAITING ? PW_OK : PW_ERR_NOT_WAITING;
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

static enum pw_code open_slot(const struct model *model, const struct pw_job *request,
                              int64_t now_us)
{
    const struct pw_slot_open *command = &request->command.slot_open;
    uint32_t at = exam_at(model, &request->boundary_id, &command->exam_id);
    if (at == UINT32_MAX || !pw_id_equal(&model->exams[at].owner, &request->actor_id)) {
        return PW_ERR_NO_SUCH_EXAM;
    }
    return model->exams[at].published_number == 0 ? PW_ERR_EXAM_NOT_PUBLISHED
           : command->starts_at <= now_us         ? PW_ERR_SLOT_IN_PAST
                                                  : PW_OK;
}

static enum pw_code capacity(const struct model *model, const struct pw_job *request,
                             bool *ret_changes)
{
    const struct pw_slot_change_capacity *command = &request->command.slot_change_capacity;
    uint32_t at = slot_at(model, &request->boundary_id, &command->slot_id);
    if (at == UINT32_MAX) { /* Every exam of a tenant is its one teacher's. */
        return PW_ERR_NO_SUCH_SLOT;
    }
    const struct slot *slot = &model->slots[at];
    *ret_changes = command->capacity != slot->capacity;
    return command->capacity < taken(model, &slot->id) ? PW_ERR_CAPACITY_BELOW_TAKEN : PW_OK;
}

static struct content revised(const struct pw_exam_revise_draft *command)
{
    return (struct content){command->title, command->duration_minutes, command->lead_time_minutes,
                            command->buffer_minutes};
}

/* The place of the issuer among those that the tenant trusts; issuer_count: it is none of them. */
static uint32_t issuer_at(const struct tenant *tenant, struct pw_str issuer,
                          const struct pw_hash *public_key)
{
    uint32_t i = 0;
    while (i < tenant->issuer_count &&
           !(pw_str_equal(tenant->issuers[i].issuer, issuer) &&
             pw_hash_equal(&tenant->issuers[i].public_key, public_key))) {
        i++;
    }
    return i;
}

static enum pw_code trust(const struct model *model, const struct pw_job *request,
                          bool *ret_changes)
{
    const struct tenant *tenant = &model->tenants[tenant_at(model, &request->boundary_id)];
    const struct pw_tenant_trust_issuer *command = &request->command.tenant_trust_issuer;
    if (issuer_at(tenant, command->issuer, &command->public_key) < tenant->issuer_count) {
        *ret_changes = false;
        return PW_OK;
    }
    return tenant->issuer_count == PW_ISSUERS_MAX ? PW_ERR_TOO_MANY_ISSUERS : PW_OK;
}

static enum pw_code distrust(const struct model *model, const struct pw_job *request,
                             bool *ret_changes)
{
    const struct tenant *tenant = &model->tenants[tenant_at(model, &request->boundary_id)];
    const struct pw_tenant_distrust_issuer *command = &request->command.tenant_distrust_issuer;
    *ret_changes = issuer_at(tenant, command->issuer, &command->public_key) < tenant->issuer_count;
    return PW_OK;
}

static bool rules_differ(const struct tenant *tenant, const struct pw_tenant_set_rules *rules)
{
    return tenant->hold_minutes != rules->hold_minutes ||
           tenant->offer_minutes != rules->offer_minutes;
}

static enum pw_code decide(const struct model *model, const struct pw_job *request, int64_t now_us,
                           bool *ret_changes)
{
    switch (request->command.type) {
    case PW_COMMAND_TENANT_CREATE:
        return tenant_at(model, &request->boundary_id) == UINT32_MAX ? PW_OK : PW_ERR_TENANT_EXISTS;
    case PW_COMMAND_TENANT_TRUST_ISSUER: return trust(model, request, ret_changes);
    case PW_COMMAND_TENANT_DISTRUST_ISSUER: return distrust(model, request, ret_changes);
    case PW_COMMAND_EXAM_DRAFT: return PW_OK;
    case PW_COMMAND_EXAM_REVISE_DRAFT: {
        struct content content = revised(&request->command.exam_revise_draft);
        uint32_t at =
            exam_at(model, &request->boundary_id, &request->command.exam_revise_draft.exam_id);
        *ret_changes = at != UINT32_MAX && !same_content(&content, &model->exams[at].draft);
        return at == UINT32_MAX ? PW_ERR_NO_SUCH_EXAM : PW_OK;
    }
    case PW_COMMAND_EXAM_PUBLISH: {
        uint32_t at = exam_at(model, &request->boundary_id, &request->command.exam_publish.exam_id);
        *ret_changes = at != UINT32_MAX &&
                       (model->exams[at].published_number == 0 ||
                        !same_content(&model->exams[at].draft, &model->exams[at].published));
        return at == UINT32_MAX ? PW_ERR_NO_SUCH_EXAM : PW_OK;
    }
    case PW_COMMAND_SLOT_OPEN: return open_slot(model, request, now_us);
    case PW_COMMAND_SLOT_CHANGE_CAPACITY: return capacity(model, request, ret_changes);
    case PW_COMMAND_RESERVATION_RESERVE:
    case PW_COMMAND_RESERVATION_HOLD: return reserve(model, request, now_us);
    case PW_COMMAND_RESERVATION_JOIN_WAITLIST: return join(model, request, now_us);
    case PW_COMMAND_RESERVATION_CANCEL: return cancel(model, request, now_us);
    case PW_COMMAND_RESERVATION_RESCHEDULE: return move(model, request, now_us, ret_changes);
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD:
    case PW_COMMAND_RESERVATION_PRIORITISE:
    case PW_COMMAND_RESERVATION_LEAVE_WAITLIST:
    case PW_COMMAND_RESERVATION_ACCEPT_OFFER:
    case PW_COMMAND_RESERVATION_DECLINE_OFFER: return change(model, request, ret_changes);
    case PW_COMMAND_RESERVATION_EXPIRE_HOLD:
    case PW_COMMAND_RESERVATION_EXPIRE_OFFER:
    case PW_COMMAND_RESERVATION_OFFER:
    case PW_COMMAND_SLOT_CLOSE_WAITLIST: return PW_ERR_FORBIDDEN; /* No client may. */
    case PW_COMMAND_TENANT_SET_RULES:
        *ret_changes = rules_differ(&model->tenants[tenant_at(model, &request->boundary_id)],
                                    &request->command.tenant_set_rules);
        return PW_OK;
    case PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY:
        *ret_changes = !model->tenants[tenant_at(model, &request->boundary_id)].keeps_accounts;
        return PW_OK;
    PEOPLES_COMMANDS:
        return people_decide(model->people, request, now_us, ret_changes);
    case PW_COMMAND_COUNT: break;
    }
    abort();
}

/* Of the slot, which is all that clients name a version of here. */
static uint32_t matched_version(const struct model *model, const struct pw_job *request)
{
    return model->slots[slot_at(model, &request->boundary_id, slot_asked(model, request))].version;
}

enum pw_code model_decide(const struct model *model, const struct pw_job *request,
                          int64_t decided_at_us, bool *ret_changes)
{
    *ret_changes = true;
    enum pw_code code = decide(model, request, decided_at_us, ret_changes);
    if (request->if_match >= 0 && code != PW_ERR_NO_SUCH_SLOT &&
        matched_version(model, request) != request->if_match) {
        code = PW_ERR_VERSION_MISMATCH;
    }
    *ret_changes = *ret_changes && code == PW_OK;
    return code;
}

/* --- What it changes --- */

static uint32_t draft(struct model *model, const struct pw_job *request, const struct pw_id *id)
{
    const struct pw_exam_draft *command = &request->command.exam_draft;
    assert(model->exam_count < EXAMS_MAX);
    model->exams[model->exam_count++] = (struct exam){
        .tenant = request->boundary_id,
        .id = *id,
        .owner = request->actor_id,
        .draft = {command->title, command->duration_minutes, command->lead_time_minutes,
                  command->buffer_minutes},
        .version = 1,
    };
    return 1;
}

static uint32_t open_apply(struct model *model, const struct pw_job *request,
                           const struct pw_id *id)
{
    const struct pw_slot_open *command = &request->command.slot_open;
    const struct exam *exam =
        &model->exams[exam_at(model, &request->boundary_id, &command->exam_id)];
    assert(model->slot_count < SLOTS_MAX);
    model->slots[model->slot_count++] = (struct slot){
        .tenant = request->boundary_id,
        .id = *id,
        .exam = command->exam_id,
        .content = exam->published,
        .starts_at = command->starts_at,
        .capacity = command->capacity,
        .version = 1,
    };
    return 1;
}

static uint32_t tenant_apply(struct model *model, const struct pw_job *request)
{
    if (request->command.type == PW_COMMAND_TENANT_CREATE) {
        assert(model->tenant_count < TENANTS_MAX);
        model->tenants[model->tenant_count++] = (struct tenant){
            .id = request->boundary_id, .hold_minutes = 10, .offer_minutes = 1440, .version = 1};
        return 1;
    }
    struct tenant *tenant = &model->tenants[tenant_at(model, &request->boundary_id)];
    if (request->command.type == PW_COMMAND_TENANT_TRUST_ISSUER) {
        tenant->issuers[tenant->issuer_count++] = request->command.tenant_trust_issuer;
    } else if (request->command.type == PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY) {
        tenant->keeps_accounts = true;
    } else if (request->command.type == PW_COMMAND_TENANT_SET_RULES) {
        tenant->hold_minutes = request->command.tenant_set_rules.hold_minutes;
        tenant->offer_minutes = request->command.tenant_set_rules.offer_minutes;
    } else {
        const struct pw_tenant_distrust_issuer *command = &request->command.tenant_distrust_issuer;
        uint32_t at = issuer_at(tenant, command->issuer, &command->public_key);
        tenant->issuers[at] = tenant->issuers[--tenant->issuer_count];
    }
    return ++tenant->version;
}

static uint32_t exam_apply(struct model *model, const struct pw_job *request,
                           const struct pw_id *id)
{
    struct exam *exam = &model->exams[exam_at(model, &request->boundary_id, id)];
    if (request->command.type == PW_COMMAND_EXAM_PUBLISH) {
        exam->published = exam->draft;
        exam->published_number++;
    } else {
        exam->draft = revised(&request->command.exam_revise_draft);
    }
    return ++exam->version;
}

static uint32_t reserve_apply(struct model *model, const struct pw_job *request, int64_t now_us,
                              const struct pw_id *id)
{
    const struct pw_id *slot_id = slot_asked(model, request);
    enum pw_command_type type = request->command.type;
    int64_t starts_at = model->slots[slot_at(model, &request->boundary_id, slot_id)].starts_at;
    int64_t expires_at =
        now_us + MINUTE(model->tenants[tenant_at(model, &request->boundary_id)].hold_minutes);
    assert(model->seat_count < SEATS_MAX);
    model->seats[model->seat_count++] = (struct seat){
        .tenant = request->boundary_id,
        .id = *id,
        .slot = *slot_id,
        .student = request->actor_id,
        .state = type == PW_COMMAND_RESERVATION_HOLD            ? HELD
                 : type == PW_COMMAND_RESERVATION_JOIN_WAITLIST ? WAITING
                                                                : BOOKED,
        .expires_at = expires_at < starts_at ? expires_at : starts_at,
        .version = 1,
    };
    return 1;
}

static uint32_t change_apply(struct model *model, const struct pw_job *request)
{
    const struct pw_id *id = pw_command_target(&request->command);
    struct seat *seat = &model->seats[seat_at(model, &request->boundary_id, id)];
    switch (request->command.type) {
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD: seat->state = BOOKED; break;
    case PW_COMMAND_RESERVATION_CANCEL: seat->state = CANCELLED; break;
    case PW_COMMAND_RESERVATION_RESCHEDULE:
        seat->slot = request->command.reservation_reschedule.slot_id;
        seat->was_left = seat->by_offer;
        break;
    case PW_COMMAND_RESERVATION_LEAVE_WAITLIST: seat->state = LEFT; break;
    case PW_COMMAND_RESERVATION_DECLINE_OFFER: seat->state = DECLINED; break;
    case PW_COMMAND_RESERVATION_PRIORITISE:
        seat->priority = request->command.reservation_prioritise.priority;
        break;
    default: /* An offer is accepted. */
        seat->state = BOOKED;
        seat->by_offer = true;
        break;
    }
    return ++seat->version;
}

uint32_t model_apply(struct model *model, const struct pw_job *request, int64_t decided_at_us,
                     const struct pw_id *stream_id)
{
    const struct pw_id *tenant = &request->boundary_id;
    switch (request->command.type) {
    case PW_COMMAND_TENANT_CREATE:
    case PW_COMMAND_TENANT_TRUST_ISSUER:
    case PW_COMMAND_TENANT_DISTRUST_ISSUER:
    case PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY:
    case PW_COMMAND_TENANT_SET_RULES: return tenant_apply(model, request);
    case PW_COMMAND_EXAM_DRAFT: return draft(model, request, stream_id);
    case PW_COMMAND_EXAM_REVISE_DRAFT:
        return exam_apply(model, request, &request->command.exam_revise_draft.exam_id);
    case PW_COMMAND_EXAM_PUBLISH:
        return exam_apply(model, request, &request->command.exam_publish.exam_id);
    case PW_COMMAND_SLOT_OPEN: return open_apply(model, request, stream_id);
    case PW_COMMAND_SLOT_CHANGE_CAPACITY: {
        const struct pw_slot_change_capacity *command = &request->command.slot_change_capacity;
        struct slot *slot = &model->slots[slot_at(model, tenant, &command->slot_id)];
        slot->capacity = command->capacity;
        return ++slot->version;
    }
    case PW_COMMAND_RESERVATION_RESERVE:
    case PW_COMMAND_RESERVATION_HOLD:
    case PW_COMMAND_RESERVATION_JOIN_WAITLIST:
        return reserve_apply(model, request, decided_at_us, stream_id);
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD:
    case PW_COMMAND_RESERVATION_CANCEL:
    case PW_COMMAND_RESERVATION_RESCHEDULE:
    case PW_COMMAND_RESERVATION_PRIORITISE:
    case PW_COMMAND_RESERVATION_LEAVE_WAITLIST:
    case PW_COMMAND_RESERVATION_ACCEPT_OFFER:
    case PW_COMMAND_RESERVATION_DECLINE_OFFER: return change_apply(model, request);
    case PW_COMMAND_RESERVATION_EXPIRE_HOLD:
    case PW_COMMAND_RESERVATION_EXPIRE_OFFER:
    case PW_COMMAND_RESERVATION_OFFER:
    case PW_COMMAND_SLOT_CLOSE_WAITLIST:
        break;
    PEOPLES_COMMANDS:
        return people_apply(model->people, request, decided_at_us, stream_id);
    case PW_COMMAND_COUNT: break;
    }
    abort();
}

/* --- What time alone brings about --- */

/* One that is held or offered, and has run out by then. */
static bool is_overdue(const struct seat *seat, const struct pw_id *tenant, int64_t now_us)
{
    return (seat->state == HELD || seat->state == OFFERED) && seat->expires_at <= now_us &&
           pw_id_equal(&seat->tenant, tenant);
}

/* Whether a seat of the slot is to be offered, or its waiting list to be closed. */
static bool is_awaited(const struct model *model, const struct slot *slot, int64_t now_us)
{
    return !slot->is_closed && first_waiting(model, slot) != SEATS_MAX &&
           (now_us >= offers_end_at(slot) || taken(model, &slot->id) < slot->capacity);
}

/* Whether anything of a slot is due that is to be written first. */
static bool slot_waits(const struct model *model, const struct pw_id *tenant,
                       const struct pw_id *slot_id, int64_t now_us)
{
    uint32_t at = slot_at(model, tenant, slot_id);
    for (uint32_t i = 0; i < model->seat_count; i++) {
        if (is_overdue(&model->seats[i], tenant, now_us) &&
            pw_id_equal(&model->seats[i].slot, slot_id)) {
            return true;
        }
    }
    return at != UINT32_MAX && is_awaited(model, &model->slots[at], now_us);
}

/* Whether anybody's calendar has a hold that has run out. */
static bool calendar_waits(const struct model *model, const struct pw_job *request, int64_t now_us)
{
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        if (is_overdue(seat, &request->boundary_id, now_us) && seat->state == HELD &&
            pw_id_equal(&seat->student, &request->actor_id)) {
            return true;
        }
    }
    return false;
}

bool model_waits(const struct model *model, const struct pw_job *request, int64_t decided_at_us)
{
    const struct pw_id *tenant = &request->boundary_id;
    const struct pw_id *slot = slot_asked(model, request);
    if (slot == NULL) {
        return false;
    }
    switch (request->command.type) {
    case PW_COMMAND_RESERVATION_RESCHEDULE:
        return slot_waits(model, tenant, slot, decided_at_us) ||
               slot_waits(model, tenant, &request->command.reservation_reschedule.slot_id,
                          decided_at_us) ||
               calendar_waits(model, request, decided_at_us);
    case PW_COMMAND_RESERVATION_RESERVE:
    case PW_COMMAND_RESERVATION_HOLD:
    case PW_COMMAND_RESERVATION_ACCEPT_OFFER:
        return slot_waits(model, tenant, slot, decided_at_us) ||
               calendar_waits(model, request, decided_at_us);
    default: return slot_waits(model, tenant, slot, decided_at_us);
    }
}

static bool expire(struct model *model, const struct pw_id *tenant, const struct pw_event *event,
                   int64_t decided_at_us)
{
    uint32_t at = seat_at(model, tenant, &event->stream_id);
    bool is_hold = event->type == PW_EVENT_RESERVATION_HOLD_EXPIRED;
    if (at == UINT32_MAX || !is_overdue(&model->seats[at], tenant, decided_at_us) ||
        is_hold != (model->seats[at].state == HELD)) {
        return false;
    }
    model->seats[at].state = is_hold ? RUN_OUT : LAPSED;
    return ++model->seats[at].version == event->stream_version;
}

/* To who is next, while a seat is free: nothing of the slot has run out that was not given back before. */
static bool offer(struct model *model, const struct pw_id *tenant, const struct pw_event *event,
                  int64_t decided_at_us)
{
    uint32_t at = seat_at(model, tenant, &event->stream_id);
    uint32_t slot_index = at != UINT32_MAX ? slot_at(model, tenant, &model->seats[at].slot) : 0;
    const struct slot *slot = &model->slots[slot_index];
    if (at == UINT32_MAX || slot->is_closed || first_waiting(model, slot) != at ||
        taken(model, &slot->id) >= slot->capacity || decided_at_us >= offers_end_at(slot)) {
        return false;
    }
    struct seat *seat = &model->seats[at];
    int64_t expires_at =
        decided_at_us + MINUTE(model->tenants[tenant_at(model, tenant)].offer_minutes);
    seat->state = OFFERED;
    seat->expires_at = expires_at < offers_end_at(slot) ? expires_at : offers_end_at(slot);
    return ++seat->version == event->stream_version &&
           seat->expires_at == event->reservation_offered.expires_at;
}

static bool close_list(struct model *model, const struct pw_id *tenant,
                       const struct pw_event *event, int64_t decided_at_us)
{
    uint32_t at = slot_at(model, tenant, &event->stream_id);
    if (at == UINT32_MAX || model->slots[at].is_closed ||
        first_waiting(model, &model->slots[at]) == SEATS_MAX ||
        decided_at_us < offers_end_at(&model->slots[at])) {
        return false;
    }
    model->slots[at].is_closed = true;
    return ++model->slots[at].version == event->stream_version;
}

bool model_fall_due(struct model *model, const struct pw_id *tenant, const struct pw_event *event,
                    int64_t decided_at_us)
{
    switch (event->type) {
    case PW_EVENT_RESERVATION_HOLD_EXPIRED:
    case PW_EVENT_RESERVATION_OFFER_EXPIRED: return expire(model, tenant, event, decided_at_us);
    case PW_EVENT_RESERVATION_OFFERED: return offer(model, tenant, event, decided_at_us);
    case PW_EVENT_SLOT_WAITLIST_CLOSED: return close_list(model, tenant, event, decided_at_us);
    default: return false;
    }
}

bool model_is_late(const struct model *model, const struct pw_id *tenant, int64_t now_us)
{
    for (uint32_t i = 0; i < model->seat_count; i++) {
        if (is_overdue(&model->seats[i], tenant, now_us)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < model->slot_count; i++) {
        if (pw_id_equal(&model->slots[i].tenant, tenant) &&
            is_awaited(model, &model->slots[i], now_us)) {
            return true;
        }
    }
    return false;
}

/* --- Against the fold --- */

static bool slot_differs(const struct slot *slot, const struct pw_slot *folded, uint32_t seats)
{
    return folded == NULL || folded->capacity != slot->capacity || folded->taken_count != seats ||
           folded->version != slot->version || folded->starts_at_us != slot->starts_at ||
           folded->ends_at_us != slot->starts_at + MINUTE((int64_t)slot->content.duration) ||
           folded->lead_time_minutes != slot->content.lead_time ||
           folded->buffer_minutes != slot->content.buffer;
}

static bool exam_differs(const struct exam *exam, const struct pw_exam *folded)
{
    return folded == NULL || folded->version != exam->version ||
           folded->published_number != exam->published_number ||
           folded->draft_duration_minutes != exam->draft.duration ||
           folded->published_duration_minutes != exam->published.duration;
}

static const uint32_t folded_states[] = {
    [HELD] = PW_RESERVATION_ON_HOLD,         [BOOKED] = PW_RESERVATION_CONFIRMED,
    [CANCELLED] = PW_RESERVATION_GIVEN_BACK, [RUN_OUT] = PW_RESERVATION_RUN_OUT,
    [WAITING] = PW_RESERVATION_WAITING,      [LEFT] = PW_RESERVATION_LEFT,
    [OFFERED] = PW_RESERVATION_ON_OFFER,     [DECLINED] = PW_RESERVATION_TURNED_DOWN,
    [LAPSED] = PW_RESERVATION_LAPSED};

const char *model_differs(const struct model *model, const struct pw_tenant *tenant,
                          const struct pw_id *tenant_id)
{
    uint32_t at = tenant_at(model, tenant_id);
    if ((at == UINT32_MAX) != (tenant == NULL)) {
        return "the tenant";
    }
    if (tenant != NULL && pw_tenant_version(tenant) != model->tenants[at].version) {
        return "the tenant's version";
    }
    for (uint32_t i = 0; i < model->exam_count; i++) {
        if (pw_id_equal(&model->exams[i].tenant, tenant_id) &&
            exam_differs(&model->exams[i], pw_tenant_exam(tenant, &model->exams[i].id))) {
            return "an exam";
        }
    }
    for (uint32_t i = 0; i < model->slot_count; i++) {
        const struct slot *slot = &model->slots[i];
        if (pw_id_equal(&slot->tenant, tenant_id) &&
            slot_differs(slot, pw_tenant_slot(tenant, &slot->id), taken(model, &slot->id))) {
            return "a slot";
        }
    }
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        const struct pw_reservation *folded =
            pw_id_equal(&seat->tenant, tenant_id) ? pw_tenant_reservation(tenant, &seat->id) : NULL;
        if (pw_id_equal(&seat->tenant, tenant_id) &&
            (folded == NULL || folded->state != folded_states[seat->state] ||
             !pw_id_equal(&folded->slot_id, &seat->slot) || folded->version != seat->version)) {
            return "a reservation";
        }
    }
    return tenant == NULL ? NULL : people_differ(model->people, tenant, tenant_id);
}
