/* commands/tests/model.c: the rules of the domain once more, written from the page of rules: lists, and loops over
 * them. It shares no code with the deciders, and trusts no event: what a request changes follows from the request. */
#include "commands/tests/model_parts.h"

#include <stdlib.h>

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

uint32_t exam_at(const struct model *model, const struct pw_id *tenant, const struct pw_id *id)
{
    FIND(model->exams, model->exam_count, tenant, id);
}

uint32_t slot_at(const struct model *model, const struct pw_id *tenant, const struct pw_id *id)
{
    FIND(model->slots, model->slot_count, tenant, id);
}

uint32_t seat_at(const struct model *model, const struct pw_id *tenant, const struct pw_id *id)
{
    FIND(model->seats, model->seat_count, tenant, id);
}

uint32_t tenant_at(const struct model *model, const struct pw_id *id)
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
    bool is = pw_str_equal(a->title, b->title) && a->duration == b->duration &&
              a->lead_time == b->lead_time && a->buffer == b->buffer &&
              a->item_count == b->item_count;
    for (uint32_t i = 0; is && i < a->item_count; i++) {
        is = pw_id_equal(&a->items[i].item_id, &b->items[i].item_id) &&
             a->items[i].version_number == b->items[i].version_number;
    }
    return is;
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

/* Those of students about their seats, which model_seats.c knows. */
#define SEATS_COMMANDS                                                                             \
    case PW_COMMAND_RESERVATION_RESERVE:                                                           \
    case PW_COMMAND_RESERVATION_HOLD:                                                              \
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD:                                                      \
    case PW_COMMAND_RESERVATION_CANCEL:                                                            \
    case PW_COMMAND_RESERVATION_CANCEL_BY_STAFF:                                                   \
    case PW_COMMAND_RESERVATION_MARK_ATTENDED:                                                     \
    case PW_COMMAND_RESERVATION_MARK_NO_SHOW:                                                      \
    case PW_COMMAND_RESERVATION_RESCHEDULE:                                                        \
    case PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF:                                               \
    case PW_COMMAND_RESERVATION_JOIN_WAITLIST:                                                     \
    case PW_COMMAND_RESERVATION_LEAVE_WAITLIST:                                                    \
    case PW_COMMAND_RESERVATION_PRIORITISE:                                                        \
    case PW_COMMAND_RESERVATION_ACCEPT_OFFER:                                                      \
    case PW_COMMAND_RESERVATION_DECLINE_OFFER

/* Those of the office about how long somebody sits, which model_accommodations.c knows. */
#define ACCOMMODATIONS_COMMANDS                                                                    \
    case PW_COMMAND_ACCOMMODATION_GRANT:                                                           \
    case PW_COMMAND_ACCOMMODATION_REVISE:                                                          \
    case PW_COMMAND_ACCOMMODATION_REVOKE

/* Those of items, which model_items.c knows. */
#define ITEMS_COMMANDS                                                                             \
    case PW_COMMAND_ITEM_DRAFT:                                                                    \
    case PW_COMMAND_ITEM_REVISE:                                                                   \
    case PW_COMMAND_ITEM_RETIRE:                                                                   \
    case PW_COMMAND_ITEM_CORRECT_KEY

/* --- What must be answered --- */

/* As exam_at and slot_at, for who may run them: admins all slots, teachers what is of their own exams. */
static uint32_t own_exam_at(const struct model *model, const struct pw_job *request,
                            const struct pw_id *id)
{
    uint32_t at = exam_at(model, &request->boundary_id, id);
    return at != UINT32_MAX && pw_id_equal(&model->exams[at].owner, &request->actor_id)
               ? at
               : UINT32_MAX;
}

static uint32_t slot_to_run_at(const struct model *model, const struct pw_job *request,
                               const struct pw_id *id)
{
    uint32_t at = slot_at(model, &request->boundary_id, id);
    bool may =
        at != UINT32_MAX && (request->role == PW_ROLE_ADMIN ||
                             own_exam_at(model, request, &model->slots[at].exam) != UINT32_MAX);
    return may ? at : UINT32_MAX;
}

static enum pw_code open_slot(const struct model *model, const struct pw_job *request,
                              int64_t now_us)
{
    const struct pw_slot_open *command = &request->command.slot_open;
    uint32_t at = request->role == PW_ROLE_ADMIN
                      ? exam_at(model, &request->boundary_id, &command->exam_id)
                      : own_exam_at(model, request, &command->exam_id);
    if (at == UINT32_MAX) {
        return PW_ERR_NO_SUCH_EXAM;
    }
    int64_t end = command->starts_at + MINUTE((int64_t)model->exams[at].published.duration);
    bool is_cut = command->hard_end_at != 0 && command->hard_end_at < end;
    return model->exams[at].is_gone                 ? PW_ERR_EXAM_WITHDRAWN
           : model->exams[at].published_number == 0 ? PW_ERR_EXAM_NOT_PUBLISHED
           : command->starts_at <= now_us           ? PW_ERR_SLOT_IN_PAST
           : is_cut                                 ? PW_ERR_HARD_END_TOO_EARLY
                                                    : PW_OK;
}

static enum pw_code capacity(const struct model *model, const struct pw_job *request,
                             bool *ret_changes)
{
    const struct pw_slot_change_capacity *command = &request->command.slot_change_capacity;
    uint32_t at = slot_to_run_at(model, request, &command->slot_id);
    if (at == UINT32_MAX) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    const struct slot *slot = &model->slots[at];
    *ret_changes = command->capacity != slot->capacity;
    return slot->is_off                                  ? PW_ERR_SLOT_CANCELLED
           : command->capacity < taken(model, &slot->id) ? PW_ERR_CAPACITY_BELOW_TAKEN
                                                         : PW_OK;
}

static enum pw_code close_slot(const struct model *model, const struct pw_job *request,
                               bool *ret_changes)
{
    uint32_t at = slot_to_run_at(model, request, &request->command.slot_close.slot_id);
    if (at == UINT32_MAX) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    *ret_changes = !model->slots[at].is_shut;
    return model->slots[at].is_off ? PW_ERR_SLOT_CANCELLED : PW_OK;
}

static enum pw_code call_off(const struct model *model, const struct pw_job *request,
                             int64_t now_us, bool *ret_changes)
{
    uint32_t at = slot_to_run_at(model, request, &request->command.slot_cancel.slot_id);
    if (at == UINT32_MAX) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    const struct slot *slot = &model->slots[at];
    *ret_changes = !slot->is_off;
    return !slot->is_off && now_us >= slot->starts_at + MINUTE((int64_t)slot->content.duration)
               ? PW_ERR_SLOT_OVER
               : PW_OK;
}

uint32_t proctor_at(const struct slot *slot, const struct pw_id *id)
{
    uint32_t i = 0;
    while (i < slot->proctor_count && !pw_id_equal(&slot->proctors[i], id)) {
        i++;
    }
    return i;
}

static enum pw_code assign(const struct model *model, const struct pw_job *request,
                           bool *ret_changes)
{
    const struct pw_id *tenant = &request->boundary_id;
    const struct pw_slot_assign_proctor *command = &request->command.slot_assign_proctor;
    uint32_t at = slot_to_run_at(model, request, &command->slot_id);
    if (at == UINT32_MAX) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    const struct slot *slot = &model->slots[at];
    bool may = people_know(model->people, tenant, &command->proctor_id)
                   ? people_may_proctor(model->people, tenant, &command->proctor_id)
                   : model->tenants[tenant_at(model, tenant)].issuer_count > 0;
    *ret_changes = proctor_at(slot, &command->proctor_id) == slot->proctor_count;
    return slot->is_off ? PW_ERR_SLOT_CANCELLED : may ? PW_OK : PW_ERR_NOT_A_PROCTOR;
}

static enum pw_code release(const struct model *model, const struct pw_job *request,
                            bool *ret_changes)
{
    const struct pw_slot_release_proctor *command = &request->command.slot_release_proctor;
    uint32_t at = slot_to_run_at(model, request, &command->slot_id);
    *ret_changes = at != UINT32_MAX && proctor_at(&model->slots[at], &command->proctor_id) <
                                           model->slots[at].proctor_count;
    return at == UINT32_MAX ? PW_ERR_NO_SUCH_SLOT : PW_OK;
}

static bool starts_later(const struct slot *slot, const struct pw_job *request, int64_t now_us)
{
    return pw_id_equal(&slot->tenant, &request->boundary_id) &&
           pw_id_equal(&slot->exam, &request->command.exam_withdraw.exam_id) &&
           slot->starts_at > now_us && !slot->is_off;
}

static enum pw_code withdraw(const struct model *model, const struct pw_job *request,
                             int64_t now_us, bool *ret_changes)
{
    const struct pw_exam_withdraw *command = &request->command.exam_withdraw;
    uint32_t at = own_exam_at(model, request, &command->exam_id);
    bool is_booked = false;
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        is_booked |= pw_id_equal(&seat->tenant, &request->boundary_id) && seat_is_open(seat) &&
                     starts_later(&model->slots[slot_at(model, &seat->tenant, &seat->slot)],
                                  request, now_us);
    }
    *ret_changes = at != UINT32_MAX && !model->exams[at].is_gone;
    return at == UINT32_MAX                                      ? PW_ERR_NO_SUCH_EXAM
           : *ret_changes && is_booked && !command->cancel_slots ? PW_ERR_EXAM_IS_BOOKED
                                                                 : PW_OK;
}

/* What a draft becomes. */
static struct content revised(struct content draft, const struct pw_command *command)
{
    const struct pw_exam_revise_draft *revise = &command->exam_revise_draft;
    const struct pw_exam_set_rules *rules = &command->exam_set_rules;
    if (command->type == PW_COMMAND_EXAM_REVISE_DRAFT) {
        draft.title = revise->title;
        draft.duration = revise->duration_minutes;
        draft.lead_time = revise->lead_time_minutes;
        draft.buffer = revise->buffer_minutes;
    } else if (command->type == PW_COMMAND_EXAM_SET_RULES) {
        draft.lead_time = rules->lead_time_minutes;
        draft.buffer = rules->buffer_minutes;
    } else if (command->type == PW_COMMAND_EXAM_BIND_ITEMS) {
        items_read(&command->exam_bind_items.items, &draft);
    }
    return draft;
}

static enum pw_code revise(const struct model *model, const struct pw_job *request,
                           bool *ret_changes)
{
    uint32_t at = own_exam_at(model, request, pw_command_target(&request->command));
    if (at == UINT32_MAX || model->exams[at].is_gone) {
        return at == UINT32_MAX ? PW_ERR_NO_SUCH_EXAM : PW_ERR_EXAM_WITHDRAWN;
    }
    struct content content = revised(model->exams[at].draft, &request->command);
    *ret_changes = !same_content(&content, &model->exams[at].draft);
    return *ret_changes && request->command.type == PW_COMMAND_EXAM_BIND_ITEMS
               ? items_bind(model, request, &content)
               : PW_OK;
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
    case PW_COMMAND_TENANT_DISTRUST_ISSUER:
        return distrust(model, request, ret_changes);
    ITEMS_COMMANDS:
        return items_decide(model, request, ret_changes);
    case PW_COMMAND_EXAM_DRAFT: return PW_OK;
    case PW_COMMAND_EXAM_WITHDRAW: return withdraw(model, request, now_us, ret_changes);
    case PW_COMMAND_EXAM_REVISE_DRAFT:
    case PW_COMMAND_EXAM_SET_RULES:
    case PW_COMMAND_EXAM_BIND_ITEMS: return revise(model, request, ret_changes);
    case PW_COMMAND_EXAM_PUBLISH: {
        uint32_t at = own_exam_at(model, request, &request->command.exam_publish.exam_id);
        *ret_changes = at != UINT32_MAX &&
                       (model->exams[at].published_number == 0 ||
                        !same_content(&model->exams[at].draft, &model->exams[at].published));
        return at == UINT32_MAX           ? PW_ERR_NO_SUCH_EXAM
               : model->exams[at].is_gone ? PW_ERR_EXAM_WITHDRAWN
                                          : PW_OK;
    }
    case PW_COMMAND_SLOT_OPEN: return open_slot(model, request, now_us);
    case PW_COMMAND_SLOT_CHANGE_CAPACITY: return capacity(model, request, ret_changes);
    case PW_COMMAND_SLOT_ASSIGN_PROCTOR: return assign(model, request, ret_changes);
    case PW_COMMAND_SLOT_RELEASE_PROCTOR: return release(model, request, ret_changes);
    case PW_COMMAND_SLOT_CLOSE: return close_slot(model, request, ret_changes);
    case PW_COMMAND_SLOT_CANCEL:
        return call_off(model, request, now_us, ret_changes);
    SEATS_COMMANDS:
        return seat_decide(model, request, now_us, ret_changes);
    case PW_COMMAND_RESERVATION_EXPIRE_HOLD:
    case PW_COMMAND_RESERVATION_EXPIRE_OFFER:
    case PW_COMMAND_RESERVATION_OFFER:
    case PW_COMMAND_RESERVATION_CANCEL_WITH_SLOT:
    case PW_COMMAND_SLOT_CANCEL_WITH_EXAM:
    case PW_COMMAND_SLOT_REMIND:
    case PW_COMMAND_RESERVATION_REMIND:
    case PW_COMMAND_SLOT_CLOSE_WAITLIST: return PW_ERR_FORBIDDEN; /* No client may. */
    case PW_COMMAND_INBOX_MARK_READ: return inbox_decide(model, request, ret_changes);
    case PW_COMMAND_TENANT_SET_RULES:
        *ret_changes = rules_differ(&model->tenants[tenant_at(model, &request->boundary_id)],
                                    &request->command.tenant_set_rules);
        return PW_OK;
    case PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY:
        *ret_changes = !model->tenants[tenant_at(model, &request->boundary_id)].keeps_accounts;
        return PW_OK;
    ACCOMMODATIONS_COMMANDS:
        return accommodation_decide(model, request, now_us, ret_changes);
    PEOPLES_COMMANDS:
        return people_decide(model->people, request, now_us, ret_changes);
    case PW_COMMAND_COUNT: break;
    }
    abort();
}

/* Of the item or the slot, which is all that clients name a version of here. */
static uint32_t matched_version(const struct model *model, const struct pw_job *request)
{
    if (pw_command_info(request->command.type)->aggregate == PW_AGGREGATE_item) {
        return items_version(model, request);
    }
    return model->slots[slot_at(model, &request->boundary_id, slot_asked(model, request))].version;
}

enum pw_code model_decide(const struct model *model, const struct pw_job *request,
                          int64_t decided_at_us, bool *ret_changes)
{
    *ret_changes = true;
    enum pw_code code = decide(model, request, decided_at_us, ret_changes);
    if (request->if_match >= 0 && pw_error_info(code)->kind != PW_KIND_NOT_FOUND &&
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
        .draft = {.title = command->title,
                  .duration = command->duration_minutes,
                  .lead_time = command->lead_time_minutes,
                  .buffer = command->buffer_minutes},
        .version = 1,
    };
    return 1;
}

static uint32_t open_apply(struct model *model, const struct pw_job *request, int64_t now_us,
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
        .hard_end = command->hard_end_at,
        .capacity = command->capacity,
        .version = command->hard_end_at != 0 ? 2 : 1, /* Which is told apart. */
    };
    struct slot *slot = &model->slots[model->slot_count - 1];
    if (slot->starts_at - MINUTE(24 * 60) > now_us) { /* So is this. */
        slot->reminds_at = slot->starts_at - MINUTE(24 * 60);
        slot->version++;
    }
    return slot->version;
}

static uint32_t withdraw_apply(struct model *model, const struct pw_job *request, int64_t now_us)
{
    const struct pw_exam_withdraw *command = &request->command.exam_withdraw;
    struct exam *exam = &model->exams[exam_at(model, &request->boundary_id, &command->exam_id)];
    for (uint32_t i = 0; i < model->slot_count; i++) {
        struct slot *slot = &model->slots[i];
        if (starts_later(slot, request, now_us)) {
            slot->is_off = true;
            slot->by_exam = true;
            slot->why = command->reason;
        }
    }
    exam->is_gone = true;
    return ++exam->version;
}

static uint32_t tenant_apply(struct model *model, const struct pw_job *request)
{
    if (request->command.type == PW_COMMAND_TENANT_CREATE) {
        assert(model->tenant_count < MODEL_TENANTS_MAX);
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

static uint32_t exam_apply(struct model *model, const struct pw_job *request)
{
    const struct pw_id *id = pw_command_target(&request->command);
    struct exam *exam = &model->exams[exam_at(model, &request->boundary_id, id)];
    if (request->command.type == PW_COMMAND_EXAM_PUBLISH) {
        exam->published = exam->draft;
        exam->published_number++;
    } else {
        exam->draft = revised(exam->draft, &request->command);
    }
    return ++exam->version;
}

static uint32_t proctor_apply(struct model *model, const struct pw_job *request)
{
    const struct pw_id *id = pw_command_target(&request->command);
    struct slot *slot = &model->slots[slot_at(model, &request->boundary_id, id)];
    if (request->command.type == PW_COMMAND_SLOT_ASSIGN_PROCTOR) {
        assert(slot->proctor_count < PROCTORS_MAX);
        slot->proctors[slot->proctor_count++] = request->command.slot_assign_proctor.proctor_id;
    } else {
        uint32_t at = proctor_at(slot, &request->command.slot_release_proctor.proctor_id);
        slot->proctors[at] = slot->proctors[--slot->proctor_count];
    }
    return ++slot->version;
}

static uint32_t end_slot(struct model *model, const struct pw_job *request)
{
    const struct pw_id *id = pw_command_target(&request->command);
    struct slot *slot = &model->slots[slot_at(model, &request->boundary_id, id)];
    if (request->command.type == PW_COMMAND_SLOT_CANCEL) {
        slot->is_off = true;
        slot->why = request->command.slot_cancel.reason;
    } else {
        slot->is_shut = true;
    }
    return ++slot->version;
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
    case PW_COMMAND_TENANT_SET_RULES:
        return tenant_apply(model, request);
    ITEMS_COMMANDS:
        return items_apply(model, request, stream_id);
    case PW_COMMAND_EXAM_DRAFT: return draft(model, request, stream_id);
    case PW_COMMAND_EXAM_WITHDRAW: return withdraw_apply(model, request, decided_at_us);
    case PW_COMMAND_EXAM_REVISE_DRAFT:
    case PW_COMMAND_EXAM_SET_RULES:
    case PW_COMMAND_EXAM_BIND_ITEMS:
    case PW_COMMAND_EXAM_PUBLISH: return exam_apply(model, request);
    case PW_COMMAND_SLOT_OPEN: return open_apply(model, request, decided_at_us, stream_id);
    case PW_COMMAND_SLOT_CHANGE_CAPACITY: {
        const struct pw_slot_change_capacity *command = &request->command.slot_change_capacity;
        struct slot *slot = &model->slots[slot_at(model, tenant, &command->slot_id)];
        slot->capacity = command->capacity;
        return ++slot->version;
    }
    case PW_COMMAND_SLOT_ASSIGN_PROCTOR:
    case PW_COMMAND_SLOT_RELEASE_PROCTOR: return proctor_apply(model, request);
    case PW_COMMAND_SLOT_CLOSE:
    case PW_COMMAND_SLOT_CANCEL:
        return end_slot(model, request);
    SEATS_COMMANDS:
        return seat_apply(model, request, decided_at_us, stream_id);
    case PW_COMMAND_RESERVATION_EXPIRE_HOLD:
    case PW_COMMAND_RESERVATION_EXPIRE_OFFER:
    case PW_COMMAND_RESERVATION_OFFER:
    case PW_COMMAND_RESERVATION_CANCEL_WITH_SLOT:
    case PW_COMMAND_SLOT_CANCEL_WITH_EXAM:
    case PW_COMMAND_SLOT_REMIND:
    case PW_COMMAND_RESERVATION_REMIND:
    case PW_COMMAND_SLOT_CLOSE_WAITLIST: break;
    case PW_COMMAND_INBOX_MARK_READ:
        return inbox_apply(model, request);
    ACCOMMODATIONS_COMMANDS:
        return accommodation_apply(model, request, decided_at_us, stream_id);
    PEOPLES_COMMANDS:
        return people_apply(model->people, request, decided_at_us, stream_id);
    case PW_COMMAND_COUNT: break;
    }
    abort();
}

/* --- Against the fold --- */

/* The open reservations of a slot; of a cancelled one: which have no record yet that says so. */
static uint32_t open_in(const struct model *model, const struct slot *slot)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        count += seat_is_open(seat) && pw_id_equal(&seat->slot, &slot->id);
    }
    return count;
}

static uint32_t in_state(const struct model *model, const struct slot *slot, uint32_t state)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        count += seat->state == state && pw_id_equal(&seat->slot, &slot->id);
    }
    return count;
}

static bool counts_differ(const struct model *model, const struct slot *slot,
                          const struct pw_slot *folded)
{
    return folded->waiting_count != in_state(model, slot, WAITING) ||
           folded->held_count != in_state(model, slot, HELD) ||
           folded->offered_count != in_state(model, slot, OFFERED) ||
           folded->attended_count != in_state(model, slot, ATTENDED) ||
           folded->no_show_count != in_state(model, slot, MISSED);
}

static bool slot_differs(const struct slot *slot, const struct pw_slot *folded, uint32_t seats,
                         uint32_t open)
{
    uint32_t state = slot->by_exam   ? PW_SLOT_WITHDRAWN
                     : slot->is_off  ? PW_SLOT_CANCELLED
                     : slot->is_shut ? PW_SLOT_CLOSED
                                     : PW_SLOT_OPEN;
    return folded == NULL || folded->state != state || folded->open_count != open ||
           folded->cancel_reason != slot->why || folded->capacity != slot->capacity ||
           folded->taken_count != seats || folded->version != slot->version ||
           folded->starts_at_us != slot->starts_at ||
           folded->ends_at_us != slot->starts_at + MINUTE((int64_t)slot->content.duration) ||
           folded->lead_time_minutes != slot->content.lead_time ||
           folded->buffer_minutes != slot->content.buffer ||
           folded->hard_end_at_us != slot->hard_end || folded->reminds_at_us != slot->reminds_at ||
           (folded->is_reminded != 0) != slot->is_reminded;
}

static bool content_differs(const struct model *model, const struct pw_id *tenant,
                            const struct content *content, const struct pw_exam_content *folded)
{
    struct pw_str title = {folded->title, folded->title_bytes};
    return !pw_str_equal(title, content->title) || folded->duration_minutes != content->duration ||
           folded->lead_time_minutes != content->lead_time ||
           folded->buffer_minutes != content->buffer || folded->item_count != content->item_count ||
           folded->maximum_mark != items_sum(model, tenant, content);
}

static bool exam_differs(const struct model *model, const struct exam *exam,
                         const struct pw_exam *folded)
{
    return folded == NULL || folded->version != exam->version ||
           folded->published_number != exam->published_number ||
           folded->is_withdrawn != exam->is_gone ||
           content_differs(model, &exam->tenant, &exam->draft, &folded->draft) ||
           content_differs(model, &exam->tenant, &exam->published, &folded->published);
}

static const uint32_t folded_states[] = {
    [HELD] = PW_RESERVATION_ON_HOLD,         [BOOKED] = PW_RESERVATION_CONFIRMED,
    [CANCELLED] = PW_RESERVATION_GIVEN_BACK, [RUN_OUT] = PW_RESERVATION_RUN_OUT,
    [WAITING] = PW_RESERVATION_WAITING,      [LEFT] = PW_RESERVATION_LEFT,
    [OFFERED] = PW_RESERVATION_ON_OFFER,     [DECLINED] = PW_RESERVATION_TURNED_DOWN,
    [LAPSED] = PW_RESERVATION_LAPSED,        [ATTENDED] = PW_RESERVATION_ATTENDED,
    [MISSED] = PW_RESERVATION_NO_SHOW};

static bool seat_differs(const struct model *model, const struct seat *seat,
                         const struct pw_reservation *folded)
{
    const struct slot *slot = &model->slots[slot_at(model, &seat->tenant, &seat->slot)];
    bool is_live = seat->state == HELD || seat->state == BOOKED;
    if (folded == NULL || folded->state != folded_states[seat->state] ||
        (seat->state == BOOKED && (folded->is_told != 0) != seat->is_told) ||
        !pw_id_equal(&folded->slot_id, &seat->slot) || folded->version != seat->version) {
        return true;
    }
    return is_live ? folded->free_again_at_us != free_again(slot, seat->more) ||
                         folded->ends_at_us !=
                             free_again(slot, seat->more) - MINUTE((int64_t)slot->content.buffer) ||
                         folded->needs_replacement != seat->replacement
                   : folded->needs_replacement != PW_REPLACEMENT_NONE;
}

const char *model_differs(const struct model *model, const struct pw_tenant *tenant,
                          const struct pw_id *tenant_id)
{
    uint32_t at = tenant_at(model, tenant_id);
    if ((at == UINT32_MAX) != (tenant == NULL)) {
        return "the tenant";
    }
    if (tenant == NULL) {
        return NULL;
    }
    if (pw_tenant_version(tenant) != model->tenants[at].version) {
        return "the tenant's version";
    }
    for (uint32_t i = 0; i < model->exam_count; i++) {
        if (pw_id_equal(&model->exams[i].tenant, tenant_id) &&
            exam_differs(model, &model->exams[i], pw_tenant_exam(tenant, &model->exams[i].id))) {
            return "an exam";
        }
    }
    if (items_differ(model, tenant, tenant_id)) {
        return "an item";
    }
    for (uint32_t i = 0; i < model->slot_count; i++) {
        const struct slot *slot = &model->slots[i];
        for (uint32_t j = 0; pw_id_equal(&slot->tenant, tenant_id) && j < slot->proctor_count;
             j++) {
            if (!pw_slot_is_proctored_by(tenant, &slot->id, &slot->proctors[j])) {
                return "a slot's proctors";
            }
        }
        const struct pw_slot *folded = pw_tenant_slot(tenant, &slot->id);
        if (pw_id_equal(&slot->tenant, tenant_id) &&
            (slot_differs(slot, folded, taken(model, &slot->id), open_in(model, slot)) ||
             counts_differ(model, slot, folded))) {
            return "a slot";
        }
    }
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        if (pw_id_equal(&seat->tenant, tenant_id) &&
            seat_differs(model, seat, pw_tenant_reservation(tenant, &seat->id))) {
            return "a reservation";
        }
    }
    for (uint32_t i = 0; i < model->accommodation_count; i++) {
        const struct accommodation *granted = &model->accommodations[i];
        if (pw_id_equal(&granted->tenant, tenant_id) &&
            accommodation_differs(granted, pw_tenant_accommodation(tenant, &granted->id))) {
            return "an accommodation";
        }
    }
    uint64_t inbox_count = 0;
    for (uint32_t i = 0; i < model->inbox_count; i++) {
        const struct inbox *inbox = &model->inboxes[i];
        bool is_here = pw_id_equal(&inbox->tenant, tenant_id);
        inbox_count += is_here;
        if (is_here && inbox_differs(inbox, pw_tenant_inbox(tenant, &inbox->student))) {
            return "an inbox";
        }
    }
    if (tenant != NULL && pw_tenant_stream_count(tenant, PW_AGGREGATE_inbox) != inbox_count) {
        return "the number of inboxes";
    }
    return tenant == NULL ? NULL : people_differ(model->people, tenant, tenant_id);
}
