/* commands/members.c: whose reservations a slot has, so that each can be found when the slot is cancelled.
 *
 * Those that began in a slot are a chain, newest first, which nobody leaves: one that is over, or was moved away, is passed over when the chain
 * is walked, and a booking costs nothing but two links. Those that were moved to a slot are an order of their own, for they are few. Both
 * follow from the reservations, so neither is part of a state's serialisation. */
#include "commands/members.h"

static bool is_open_in(const struct pw_reservation *reservation, const struct pw_id *slot_id)
{
    return pw_reservation_is_open(reservation->state) &&
           pw_id_equal(&reservation->slot_id, slot_id);
}

/* Where a slot counts those in that state; NULL: they are not counted apart. */
static uint32_t *count_of(struct pw_slot *slot, uint32_t state)
{
    switch (state) {
    case PW_RESERVATION_WAITING: return &slot->waiting_count;
    case PW_RESERVATION_ON_HOLD: return &slot->held_count;
    case PW_RESERVATION_ON_OFFER: return &slot->offered_count;
    case PW_RESERVATION_ATTENDED: return &slot->attended_count;
    case PW_RESERVATION_NO_SHOW: return &slot->no_show_count;
    default: return NULL;
    }
}

bool pw_members_knows(uint32_t state)
{
    return pw_reservation_is_open(state) || state == PW_RESERVATION_ATTENDED ||
           state == PW_RESERVATION_NO_SHOW;
}

void pw_members_count(struct pw_slot *slot, uint32_t state)
{
    uint32_t *count = count_of(slot, state);
    if (count != NULL) {
        ++*count;
    }
}

static void discount(struct pw_slot *slot, uint32_t state)
{
    uint32_t *count = count_of(slot, state);
    if (count != NULL) {
        assert(*count > 0); /* Each was counted when it came into that state. */
        --*count;
    }
}

void pw_members_begin(struct pw_slot *slot, const struct pw_id *reservation_id,
                      struct pw_reservation *reservation)
{
    reservation->of_slot_next_id = slot->newest_id;
    slot->newest_id = *reservation_id;
    slot->open_count++;
    pw_members_count(slot, reservation->state);
}

/* --- Who is to be told that the exam is near --- */

static bool is_untold_in(const struct pw_tenant *tenant, const struct pw_id *reservation_id,
                         const struct pw_id *slot_id)
{
    const struct pw_reservation *reservation = pw_tenant_reservation(tenant, reservation_id);
    return reservation->state == PW_RESERVATION_CONFIRMED && !reservation->is_told &&
           pw_id_equal(&reservation->slot_id, slot_id);
}

/* Those found first are such ones, or there are none. */
static void pass_told(struct pw_tenant *tenant, const struct pw_id *slot_id, struct pw_undo *undo)
{
    struct pw_slot *slot = pw_map_put(tenant->slots, slot_id, undo);
    while (!pw_id_is_nil(&slot->untold_id) && !is_untold_in(tenant, &slot->untold_id, slot_id)) {
        slot->untold_id = pw_tenant_reservation(tenant, &slot->untold_id)->of_slot_next_id;
    }
    while (!pw_id_is_nil(&slot->untold_moved_id) &&
           !is_untold_in(tenant, &slot->untold_moved_id, slot_id)) {
        slot->untold_moved_id = pw_order_next(tenant->moved, slot->moved, &slot->untold_moved_id);
    }
}

void pw_members_tell(struct pw_tenant *tenant, const struct pw_id *slot_id, struct pw_undo *undo)
{
    struct pw_slot *slot = pw_map_put(tenant->slots, slot_id, undo);
    slot->untold_id = slot->newest_id;
    slot->untold_moved_id = pw_order_first(tenant->moved, slot->moved);
    pass_told(tenant, slot_id, undo);
}

/* Before it leaves the order of those that were moved here: the next one is found from it. */
static void pass_if_first(struct pw_tenant *tenant, const struct pw_id *reservation_id,
                          const struct pw_id *slot_id, struct pw_undo *undo)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, slot_id);
    if (pw_id_equal(&slot->untold_id, reservation_id) ||
        pw_id_equal(&slot->untold_moved_id, reservation_id)) {
        pass_told(tenant, slot_id, undo);
    }
}

void pw_members_told(struct pw_tenant *tenant, const struct pw_id *reservation_id,
                     struct pw_undo *undo)
{
    const struct pw_reservation *reservation = pw_tenant_reservation(tenant, reservation_id);
    pass_if_first(tenant, reservation_id, &reservation->slot_id, undo);
}

struct pw_id pw_members_first_untold(const struct pw_slot *slot)
{
    return pw_id_is_nil(&slot->untold_id) ? slot->untold_moved_id : slot->untold_id;
}

/* --- Who has something --- */

void pw_members_pass_ended(struct pw_tenant *tenant, const struct pw_id *slot_id,
                           struct pw_undo *undo)
{
    struct pw_slot *slot = pw_map_put(tenant->slots, slot_id, undo);
    while (!pw_id_is_nil(&slot->newest_id)) {
        const struct pw_reservation *newest = pw_tenant_reservation(tenant, &slot->newest_id);
        if (is_open_in(newest, slot_id)) {
            return;
        }
        slot->newest_id = newest->of_slot_next_id;
    }
}

void pw_members_step(struct pw_tenant *tenant, const struct pw_id *reservation_id,
                     uint32_t from_state, struct pw_undo *undo)
{
    const struct pw_reservation *reservation = pw_tenant_reservation(tenant, reservation_id);
    bool ends = pw_reservation_is_open(from_state) && !pw_reservation_is_open(reservation->state);
    if (reservation->state == from_state) {
        return;
    }
    struct pw_slot *slot = pw_map_put(tenant->slots, &reservation->slot_id, undo);
    discount(slot, from_state);
    pw_members_count(slot, reservation->state);
    slot->open_count -= ends;
    pass_if_first(tenant, reservation_id, &reservation->slot_id, undo);
    if (ends && pw_order_place(tenant->moved, reservation_id) != NULL) {
        slot->moved = pw_order_remove(tenant->moved, slot->moved, reservation_id, undo);
    }
    if (ends && slot->state == PW_SLOT_CANCELLED) {
        pw_members_pass_ended(tenant, &reservation->slot_id, undo);
    }
}

void pw_members_move(struct pw_tenant *tenant, const struct pw_id *reservation_id,
                     const struct pw_id *from_slot_id, const struct pw_id *to_slot_id,
                     struct pw_undo *undo)
{
    struct pw_slot *from = pw_map_put(tenant->slots, from_slot_id, undo);
    struct pw_slot *to = pw_map_put(tenant->slots, to_slot_id, undo);
    pass_if_first(tenant, reservation_id, from_slot_id, undo);
    uint32_t state = pw_tenant_reservation(tenant, reservation_id)->state;
    from->open_count--;
    to->open_count++;
    discount(from, state);
    pw_members_count(to, state);
    if (pw_order_place(tenant->moved, reservation_id) != NULL) {
        from->moved = pw_order_remove(tenant->moved, from->moved, reservation_id, undo);
    }
    to->moved =
        pw_order_add(tenant->moved, to->moved, reservation_id, (struct pw_rank){0, 0}, undo);
}

struct pw_id pw_members_first_open(const struct pw_tenant *tenant, const struct pw_id *slot_id)
{
    const struct pw_slot *slot = pw_tenant_slot(tenant, slot_id);
    return pw_id_is_nil(&slot->newest_id) ? pw_order_first(tenant->moved, slot->moved)
                                          : slot->newest_id;
}
