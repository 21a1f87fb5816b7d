/* commands/members.h: whose reservations a slot has. Private to commands/.
 *
 * Contract  Every reservation that is open (it may still become something) is found from the slot that it is for, and counted there; those
 *           that wait, are held or offered are counted apart, and so are those that came and those that did not, which are not open any more.
 *           Each step of a reservation is told here once, after its state was changed.
 * Threads   The state's owner. */
#ifndef PW_COMMANDS_MEMBERS_H
#define PW_COMMANDS_MEMBERS_H

#include "commands/tenant_state.h"

/* Whether the slot has to be told of one that was read in that state. */
bool pw_members_knows(uint32_t state);

/* One that was read, and is not open, is counted in its slot. */
void pw_members_count(struct pw_slot *slot, uint32_t state);

/* One has begun in its slot, or was read as an open one; both may be written to. */
void pw_members_begin(struct pw_slot *slot, const struct pw_id *reservation_id,
                      struct pw_reservation *reservation);

/* One is in another state than before, in the same slot. */
void pw_members_step(struct pw_tenant *tenant, const struct pw_id *reservation_id,
                     uint32_t from_state, struct pw_undo *undo);

/* An open one is for another slot now. */
void pw_members_move(struct pw_tenant *tenant, const struct pw_id *reservation_id,
                     const struct pw_id *from_slot_id, const struct pw_id *to_slot_id,
                     struct pw_undo *undo);

/* A slot is cancelled: from now on its chain begins with an open one, or is empty. */
void pw_members_pass_ended(struct pw_tenant *tenant, const struct pw_id *slot_id,
                           struct pw_undo *undo);

/* Who has a booked seat in the slot is to be told that the exam is near: from now on the first of them is known. */
void pw_members_tell(struct pw_tenant *tenant, const struct pw_id *slot_id, struct pw_undo *undo);

/* One of them was told. */
void pw_members_told(struct pw_tenant *tenant, const struct pw_id *reservation_id,
                     struct pw_undo *undo);

/* Who is to be told next; nil: nobody. */
struct pw_id pw_members_first_untold(const struct pw_slot *slot);

/* An open one of a cancelled slot; nil: there is none. */
struct pw_id pw_members_first_open(const struct pw_tenant *tenant, const struct pw_id *slot_id);

#endif
