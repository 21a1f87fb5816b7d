/* commands/due.c: orders of what is due: reservations in a slot, slots in a tenant, tenants. */
#include "commands/due.h"

#include "commands/members.h"

const struct pw_id pw_system_id = {{0x70, 0x77, 0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, 3}};

/* Of ids that deadlines derive. */
static const struct pw_id name_space = {{0x8f, 0x0b, 0x6c, 0x1e, 0x5a, 0x41, 0x5d, 0x92, 0x9d, 0x27,
                                         0x31, 0xc4, 0xe8, 0x70, 0x5b, 0x16}};

/* --- Keeping the orders --- */

static int64_t first_at_us(const struct pw_map *places, struct pw_id root)
{
    struct pw_id first = pw_order_first(places, root);
    return pw_id_is_nil(&first) ? 0 : pw_order_place(places, &first)->rank.first;
}

/* Those of higher priority come first, then those who came first. */
static struct pw_rank rank_of(const struct pw_reservation *reservation)
{
    return reservation->state == PW_RESERVATION_WAITING
               ? (struct pw_rank){-(int64_t)reservation->priority, reservation->turn}
               : (struct pw_rank){.first = reservation->expires_at_us};
}

/* The order of its slot that a reservation is in by its state, to be changed; NULL: it is in none. */
static struct pw_id *order_of(struct pw_tenant *tenant, const struct pw_reservation *reservation,
                              struct pw_undo *undo, struct pw_map **ret_places)
{
    bool waits = reservation->state == PW_RESERVATION_WAITING;
    if (!waits && reservation->expires_at_us == 0) {
        return NULL;
    }
    struct pw_slot *slot = pw_map_put(tenant->slots, &reservation->slot_id, undo);
    *ret_places = waits ? tenant->waiting : tenant->expiring;
    return waits ? &slot->waiting : &slot->expiring;
}

void pw_due_enter(struct pw_tenant *tenant, const struct pw_id *reservation_id,
                  struct pw_undo *undo)
{
    const struct pw_reservation *reservation = pw_tenant_reservation(tenant, reservation_id);
    struct pw_map *places;
    struct pw_id *root = order_of(tenant, reservation, undo, &places);
    if (root != NULL) {
        *root = pw_order_add(places, *root, reservation_id, rank_of(reservation), undo);
    }
}

void pw_due_leave(struct pw_tenant *tenant, const struct pw_id *reservation_id,
                  struct pw_undo *undo)
{
    struct pw_map *places;
    struct pw_id *root =
        order_of(tenant, pw_tenant_reservation(tenant, reservation_id), undo, &places);
    if (root != NULL) {
        *root = pw_order_remove(places, *root, reservation_id, undo);
    }
}

int64_t pw_slot_lead_at_us(const struct pw_slot *slot)
{
    return slot->starts_at_us - slot->lead_time_minutes * PW_US_PER_MINUTE;
}

/* What is due as soon as somebody looks. */
#define AT_ONCE_US 1

/* Of two moments; 0: never. */
static int64_t sooner(int64_t a_us, int64_t b_us)
{
    return a_us == 0 || (b_us != 0 && b_us < a_us) ? b_us : a_us;
}

/* When the slot's students are reminded, until all are. */
static int64_t reminder_at_us(const struct pw_slot *slot)
{
    struct pw_id untold = pw_members_first_untold(slot);
    return slot->is_reminded && pw_id_is_nil(&untold) ? 0 : slot->reminds_at_us;
}

static int64_t slot_due_at_us(const struct pw_tenant *tenant, const struct pw_slot *slot)
{
    if (pw_slot_is_off(slot)) {
        return slot->open_count > 0 || slot->state == PW_SLOT_WITHDRAWN ? AT_ONCE_US : 0;
    }
    int64_t due_at_us = sooner(first_at_us(tenant->expiring, slot->expiring), reminder_at_us(slot));
    if (pw_id_is_nil(&slot->waiting) || !pw_slot_offers(slot)) {
        return due_at_us;
    }
    int64_t end_at_us = pw_slot_lead_at_us(slot);
    return sooner(due_at_us, slot->taken_count < slot->capacity || end_at_us < AT_ONCE_US
                                 ? AT_ONCE_US
                                 : end_at_us);
}

void pw_due_list_slot(struct pw_tenant *tenant, const struct pw_id *slot_id, struct pw_undo *undo)
{
    const struct pw_place *place = pw_order_place(tenant->due, slot_id);
    int64_t due_at_us = slot_due_at_us(tenant, pw_tenant_slot(tenant, slot_id));
    if (due_at_us == (place != NULL ? place->rank.first : 0)) {
        return;
    }
    pw_undo_save(undo, &tenant->due_slots, sizeof tenant->due_slots);
    pw_undo_save(undo, &tenant->due_at_us, sizeof tenant->due_at_us);
    if (place != NULL) {
        tenant->due_slots = pw_order_remove(tenant->due, tenant->due_slots, slot_id, undo);
    }
    if (due_at_us != 0) {
        struct pw_rank rank = {.first = due_at_us};
        tenant->due_slots = pw_order_add(tenant->due, tenant->due_slots, slot_id, rank, undo);
    }
    tenant->due_at_us = first_at_us(tenant->due, tenant->due_slots);
}

void pw_due_list_tenant(struct pw_state *state, struct pw_tenant *tenant, struct pw_undo *undo)
{
    if (tenant->due_at_us == tenant->listed_due_at_us) {
        return;
    }
    pw_undo_save(undo, &state->due_tenants, sizeof state->due_tenants);
    pw_undo_save(undo, &tenant->listed_due_at_us, sizeof tenant->listed_due_at_us);
    if (tenant->listed_due_at_us != 0) {
        state->due_tenants = pw_order_remove(state->due, state->due_tenants, &tenant->id, undo);
    }
    if (tenant->due_at_us != 0) {
        struct pw_rank rank = {.first = tenant->due_at_us};
        state->due_tenants = pw_order_add(state->due, state->due_tenants, &tenant->id, rank, undo);
    }
    tenant->listed_due_at_us = tenant->due_at_us;
}

/* --- What is due --- */

static struct pw_id id_of(const struct pw_command *command, int64_t due_at_us)
{
    struct pw_buffer buffer;
    pw_buffer_init(&buffer, 256);
    pw_write_array(&buffer, 3);
    pw_write_id(&buffer, pw_command_target(command));
    pw_write_text(&buffer, pw_str_of(pw_command_info(command->type)->name));
    pw_write_uint(&buffer, (uint64_t)due_at_us);
    struct pw_id id = pw_id_v5(&name_space, buffer.data, buffer.bytes);
    pw_buffer_close(&buffer);
    return id;
}

static bool is_due(const struct pw_tenant *tenant, struct pw_command command, int64_t due_at_us,
                   struct pw_due *ret_due)
{
    *ret_due = (struct pw_due){.tenant_id = *pw_tenant_id(tenant),
                               .command_id = id_of(&command, due_at_us),
                               .command = command};
    return true;
}

static bool expires(const struct pw_tenant *tenant, const struct pw_id *id, struct pw_due *ret_due)
{
    const struct pw_reservation *reservation = pw_tenant_reservation(tenant, id);
    struct pw_command command = {.type = PW_COMMAND_RESERVATION_EXPIRE_HOLD,
                                 .reservation_expire_hold = {.reservation_id = *id}};
    if (reservation->state == PW_RESERVATION_ON_OFFER) {
        command = (struct pw_command){.type = PW_COMMAND_RESERVATION_EXPIRE_OFFER,
                                      .reservation_expire_offer = {.reservation_id = *id}};
    }
    return is_due(tenant, command, reservation->expires_at_us, ret_due);
}

/* Nobody is offered a seat twice for one reservation, so no moment is needed to tell offers apart. */
static bool offers(const struct pw_tenant *tenant, const struct pw_slot *slot,
                   struct pw_due *ret_due)
{
    struct pw_id first = pw_order_first(tenant->waiting, slot->waiting);
    struct pw_command command = {.type = PW_COMMAND_RESERVATION_OFFER,
                                 .reservation_offer = {.reservation_id = first}};
    return is_due(tenant, command, 0, ret_due);
}

/* Whatever somebody has in a slot that is cancelled; once, so that no moment is needed. */
static bool ends_with_slot(const struct pw_tenant *tenant, const struct pw_id *id,
                           struct pw_due *ret_due)
{
    struct pw_command command = {.type = PW_COMMAND_RESERVATION_CANCEL_WITH_SLOT,
                                 .reservation_cancel_with_slot = {.reservation_id = *id}};
    return is_due(tenant, command, 0, ret_due);
}

/* A slot's moment comes before any decision on it, so that who has a seat then does not depend on when it is written. */
static bool reminds(const struct pw_tenant *tenant, const struct pw_id *slot_id, int64_t due_at_us,
                    struct pw_due *ret_due)
{
    struct pw_command command = {.type = PW_COMMAND_SLOT_REMIND,
                                 .slot_remind = {.slot_id = *slot_id}};
    return is_due(tenant, command, due_at_us, ret_due);
}

/* Nothing is decided by who was told already, so nobody waits for it. */
static bool tells(const struct pw_tenant *tenant, const struct pw_id *slot_id,
                  const struct pw_slot *slot, int64_t now_us, struct pw_due *ret_due)
{
    struct pw_id first = pw_members_first_untold(slot);
    if (!pw_id_is_nil(&first) && now_us >= slot->starts_at_us) { /* Nobody is told any more. */
        return reminds(tenant, slot_id, slot->starts_at_us, ret_due);
    }
    struct pw_command command = {.type = PW_COMMAND_RESERVATION_REMIND,
                                 .reservation_remind = {.reservation_id = first}};
    return !pw_id_is_nil(&first) && is_due(tenant, command, slot->reminds_at_us, ret_due);
}

/* Of a slot that is not cancelled: seats come back first, then they are offered. Nothing that is decided later on a cancelled slot
 * depends on who else has a seat there, so nobody waits until all have their record. */
static bool due_in_slot(const struct pw_tenant *tenant, const struct pw_id *slot_id, int64_t now_us,
                        struct pw_due *ret_due)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, slot_id);
    if (slot == NULL || pw_slot_is_off(slot)) {
        return false;
    }
    if (pw_slot_is_to_remind(slot) && slot->reminds_at_us <= now_us) {
        return reminds(tenant, slot_id, slot->reminds_at_us, ret_due);
    }
    struct pw_id first = pw_order_first(tenant->expiring, slot->expiring);
    if (!pw_id_is_nil(&first) && pw_order_place(tenant->expiring, &first)->rank.first <= now_us) {
        return expires(tenant, &first, ret_due);
    }
    if (pw_id_is_nil(&slot->waiting) || !pw_slot_offers(slot)) {
        return false;
    }
    int64_t end_at_us = pw_slot_lead_at_us(slot);
    if (now_us >= end_at_us) {
        struct pw_command command = {.type = PW_COMMAND_SLOT_CLOSE_WAITLIST,
                                     .slot_close_waitlist = {.slot_id = *slot_id}};
        return is_due(tenant, command, end_at_us < 0 ? 0 : end_at_us, ret_due);
    }
    return slot->taken_count < slot->capacity && offers(tenant, slot, ret_due);
}

/* It counts as such, and has no record yet that says so. */
static bool is_cancelled_with_slot(const struct pw_tenant *tenant,
                                   const struct pw_reservation *reservation)
{
    return pw_reservation_is_open(reservation->state) &&
           pw_slot_is_off(pw_tenant_slot(tenant, &reservation->slot_id));
}

static bool due_in_calendar(const struct pw_tenant *tenant, const struct pw_id *student_id,
                            int64_t now_us, struct pw_due *ret_due)
{
    const struct pw_student *student = pw_map_get(tenant->students, student_id);
    struct pw_id id = student != NULL ? student->first_id : (struct pw_id){{0}};
    while (!pw_id_is_nil(&id)) {
        const struct pw_reservation *reservation = pw_tenant_reservation(tenant, &id);
        if (is_cancelled_with_slot(tenant, reservation)) {
            return ends_with_slot(tenant, &id, ret_due);
        }
        if (reservation->state == PW_RESERVATION_ON_HOLD && reservation->expires_at_us <= now_us) {
            return expires(tenant, &id, ret_due);
        }
        id = reservation->next_id;
    }
    return false;
}

static bool due_in_slot_of(const struct pw_tenant *tenant, const struct pw_id *reservation_id,
                           int64_t now_us, struct pw_due *ret_due)
{
    const struct pw_reservation *reservation = pw_tenant_reservation(tenant, reservation_id);
    if (reservation != NULL && is_cancelled_with_slot(tenant, reservation)) {
        return ends_with_slot(tenant, reservation_id, ret_due);
    }
    return reservation != NULL && due_in_slot(tenant, &reservation->slot_id, now_us, ret_due);
}

/* Whether anybody still has something there is asked of every slot of the exam. */
static bool due_in_exam(const struct pw_tenant *tenant, const struct pw_id *exam_id, int64_t now_us,
                        struct pw_due *ret_due)
{
    struct pw_id id = pw_order_first(tenant->due, tenant->due_slots);
    while (!pw_id_is_nil(&id) && pw_order_place(tenant->due, &id)->rank.first <= now_us) {
        const struct pw_slot *slot = pw_tenant_slot(tenant, &id);
        if (pw_id_equal(&slot->exam_id, exam_id) && due_in_slot(tenant, &id, now_us, ret_due)) {
            return true;
        }
        id = pw_order_next(tenant->due, tenant->due_slots, &id);
    }
    return false;
}

static bool due_for_accommodated(const struct pw_tenant *tenant,
                                 const struct pw_id *accommodation_id, int64_t now_us,
                                 struct pw_due *ret_due)
{
    const struct pw_accommodation *accommodation =
        pw_tenant_accommodation(tenant, accommodation_id);
    return accommodation != NULL &&
           due_in_calendar(tenant, &accommodation->student_id, now_us, ret_due);
}

/* In the slot that is left, in the one that it goes to, and in the calendar of whoever sits there. */
static bool due_in_move_by_staff(const struct pw_tenant *tenant,
                                 const struct pw_reservation_reschedule_by_staff *command,
                                 int64_t now_us, struct pw_due *ret_due)
{
    const struct pw_reservation *reservation =
        pw_tenant_reservation(tenant, &command->reservation_id);
    return reservation != NULL &&
           (due_in_slot_of(tenant, &command->reservation_id, now_us, ret_due) ||
            due_in_slot(tenant, &command->slot_id, now_us, ret_due) ||
            due_in_calendar(tenant, &reservation->student_id, now_us, ret_due));
}

bool pw_due_before(const struct pw_tenant *tenant, const struct pw_command *command,
                   const struct pw_id *actor_id, int64_t now_us, struct pw_due *ret_due)
{
    if (tenant == NULL || tenant->due_at_us == 0 || tenant->due_at_us > now_us) {
        return false;
    }
    switch (command->type) {
    case PW_COMMAND_EXAM_WITHDRAW:
        return due_in_exam(tenant, &command->exam_withdraw.exam_id, now_us, ret_due);
    case PW_COMMAND_SLOT_CHANGE_CAPACITY:
        return due_in_slot(tenant, &command->slot_change_capacity.slot_id, now_us, ret_due);
    case PW_COMMAND_SLOT_CLOSE:
    case PW_COMMAND_SLOT_CANCEL:
        return due_in_slot(tenant, pw_command_target(command), now_us, ret_due);
    case PW_COMMAND_RESERVATION_RESERVE:
        return due_in_slot(tenant, &command->reservation_reserve.slot_id, now_us, ret_due) ||
               due_in_calendar(tenant, actor_id, now_us, ret_due);
    case PW_COMMAND_RESERVATION_HOLD:
        return due_in_slot(tenant, &command->reservation_hold.slot_id, now_us, ret_due) ||
               due_in_calendar(tenant, actor_id, now_us, ret_due);
    case PW_COMMAND_RESERVATION_JOIN_WAITLIST:
        return due_in_slot(tenant, &command->reservation_join_waitlist.slot_id, now_us, ret_due);
    case PW_COMMAND_RESERVATION_ACCEPT_OFFER:
        return due_in_slot_of(tenant, pw_command_target(command), now_us, ret_due) ||
               due_in_calendar(tenant, actor_id, now_us, ret_due);
    case PW_COMMAND_RESERVATION_RESCHEDULE:
        return due_in_slot_of(tenant, pw_command_target(command), now_us, ret_due) ||
               due_in_slot(tenant, &command->reservation_reschedule.slot_id, now_us, ret_due) ||
               due_in_calendar(tenant, actor_id, now_us, ret_due);
    case PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF:
        return due_in_move_by_staff(tenant, &command->reservation_reschedule_by_staff, now_us,
                                    ret_due);
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD:
    case PW_COMMAND_RESERVATION_CANCEL:
    case PW_COMMAND_RESERVATION_CANCEL_BY_STAFF:
    case PW_COMMAND_RESERVATION_MARK_ATTENDED:
    case PW_COMMAND_RESERVATION_MARK_NO_SHOW:
    case PW_COMMAND_RESERVATION_LEAVE_WAITLIST:
    case PW_COMMAND_RESERVATION_PRIORITISE:
    case PW_COMMAND_RESERVATION_DECLINE_OFFER:
        return due_in_slot_of(tenant, pw_command_target(command), now_us, ret_due);
    case PW_COMMAND_ACCOMMODATION_GRANT:
        return due_in_calendar(tenant, &command->accommodation_grant.student_id, now_us, ret_due);
    case PW_COMMAND_ACCOMMODATION_REVISE:
    case PW_COMMAND_ACCOMMODATION_REVOKE:
        return due_for_accommodated(tenant, pw_command_target(command), now_us, ret_due);
    default: return false;
    }
}

int64_t pw_due_at(const struct pw_state *state)
{
    int64_t due_at_us = first_at_us(state->due, state->due_tenants);
    return due_at_us == 0 ? INT64_MAX : due_at_us;
}

bool pw_due_next(const struct pw_state *state, int64_t now_us, struct pw_due *ret_due)
{
    int64_t due_at_us = first_at_us(state->due, state->due_tenants);
    if (due_at_us == 0 || due_at_us > now_us) {
        return false;
    }
    struct pw_id tenant_id = pw_order_first(state->due, state->due_tenants);
    const struct pw_tenant *tenant = pw_state_tenant(state, &tenant_id);
    struct pw_id slot_id = pw_order_first(tenant->due, tenant->due_slots);
    const struct pw_slot *slot = pw_tenant_slot(tenant, &slot_id);
    if (slot->state == PW_SLOT_WITHDRAWN) {
        struct pw_command command = {.type = PW_COMMAND_SLOT_CANCEL_WITH_EXAM,
                                     .slot_cancel_with_exam = {.slot_id = slot_id}};
        return is_due(tenant, command, 0, ret_due);
    }
    if (slot->state == PW_SLOT_CANCELLED) {
        struct pw_id id = pw_members_first_open(tenant, &slot_id);
        return ends_with_slot(tenant, &id, ret_due);
    }
    return due_in_slot(tenant, &slot_id, now_us, ret_due) ||
           tells(tenant, &slot_id, slot, now_us, ret_due);
}
