/* commands/due.c: orders of what is due: reservations in a slot, slots in a tenant, tenants. */
#include "commands/due.h"

#include "commands/tenant_state.h"

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

static void list_slot(struct pw_tenant *tenant, const struct pw_id *slot_id, struct pw_undo *undo)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, slot_id);
    const struct pw_place *place = pw_order_place(tenant->due, slot_id);
    int64_t due_at_us = first_at_us(tenant->holds, slot->holds);
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

void pw_due_add_hold(struct pw_tenant *tenant, const struct pw_id *slot_id,
                     const struct pw_id *reservation_id, int64_t expires_at_us,
                     struct pw_undo *undo)
{
    struct pw_slot *slot = pw_map_put(tenant->slots, slot_id, undo);
    struct pw_rank rank = {.first = expires_at_us};
    slot->holds = pw_order_add(tenant->holds, slot->holds, reservation_id, rank, undo);
    list_slot(tenant, slot_id, undo);
}

void pw_due_drop_hold(struct pw_tenant *tenant, const struct pw_id *slot_id,
                      const struct pw_id *reservation_id, struct pw_undo *undo)
{
    struct pw_slot *slot = pw_map_put(tenant->slots, slot_id, undo);
    slot->holds = pw_order_remove(tenant->holds, slot->holds, reservation_id, undo);
    list_slot(tenant, slot_id, undo);
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

static void expire_hold(const struct pw_tenant *tenant, const struct pw_id *reservation_id,
                        int64_t due_at_us, struct pw_due *ret_due)
{
    ret_due->tenant_id = *pw_tenant_id(tenant);
    ret_due->command =
        (struct pw_command){.type = PW_COMMAND_RESERVATION_EXPIRE_HOLD,
                            .reservation_expire_hold = {.reservation_id = *reservation_id}};
    ret_due->command_id = id_of(&ret_due->command, due_at_us);
}

static bool due_in_slot(const struct pw_tenant *tenant, const struct pw_id *slot_id, int64_t now_us,
                        struct pw_due *ret_due)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, slot_id);
    if (slot == NULL || pw_id_is_nil(&slot->holds)) {
        return false;
    }
    struct pw_id first = pw_order_first(tenant->holds, slot->holds);
    int64_t due_at_us = pw_order_place(tenant->holds, &first)->rank.first;
    if (due_at_us > now_us) {
        return false;
    }
    expire_hold(tenant, &first, due_at_us, ret_due);
    return true;
}

static bool due_in_calendar(const struct pw_tenant *tenant, const struct pw_id *student_id,
                            int64_t now_us, struct pw_due *ret_due)
{
    const struct pw_student *student = pw_map_get(tenant->students, student_id);
    struct pw_id id = student != NULL ? student->first_id : (struct pw_id){{0}};
    while (!pw_id_is_nil(&id)) {
        const struct pw_reservation *reservation = pw_tenant_reservation(tenant, &id);
        if (reservation->state == PW_RESERVATION_ON_HOLD && reservation->expires_at_us <= now_us) {
            expire_hold(tenant, &id, reservation->expires_at_us, ret_due);
            return true;
        }
        id = reservation->next_id;
    }
    return false;
}

static bool due_in_slot_of(const struct pw_tenant *tenant, const struct pw_id *reservation_id,
                           int64_t now_us, struct pw_due *ret_due)
{
    const struct pw_reservation *reservation = pw_tenant_reservation(tenant, reservation_id);
    return reservation != NULL && due_in_slot(tenant, &reservation->slot_id, now_us, ret_due);
}

bool pw_due_before(const struct pw_tenant *tenant, const struct pw_command *command,
                   const struct pw_id *actor_id, int64_t now_us, struct pw_due *ret_due)
{
    if (tenant == NULL || tenant->due_at_us == 0 || tenant->due_at_us > now_us) {
        return false;
    }
    switch (command->type) {
    case PW_COMMAND_SLOT_CHANGE_CAPACITY:
        return due_in_slot(tenant, &command->slot_change_capacity.slot_id, now_us, ret_due);
    case PW_COMMAND_RESERVATION_RESERVE:
        return due_in_slot(tenant, &command->reservation_reserve.slot_id, now_us, ret_due) ||
               due_in_calendar(tenant, actor_id, now_us, ret_due);
    case PW_COMMAND_RESERVATION_HOLD:
        return due_in_slot(tenant, &command->reservation_hold.slot_id, now_us, ret_due) ||
               due_in_calendar(tenant, actor_id, now_us, ret_due);
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD:
        return due_in_slot_of(tenant, &command->reservation_confirm_hold.reservation_id, now_us,
                              ret_due);
    case PW_COMMAND_RESERVATION_CANCEL:
        return due_in_slot_of(tenant, &command->reservation_cancel.reservation_id, now_us, ret_due);
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
    return due_in_slot(tenant, &slot_id, now_us, ret_due);
}
