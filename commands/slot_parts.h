/* commands/slot_parts.h: what the pages of a slot share. Nobody else includes it.
 *
 *   slot.c           its seats, and its end
 *   slot_proctors.c  who proctors it */
#ifndef PW_COMMANDS_SLOT_PARTS_H
#define PW_COMMANDS_SLOT_PARTS_H

#include "commands/members.h"

/* The slot where whoever asks may run it: admins all of the tenant's, teachers those of their own exams. NULL: NO_SUCH_SLOT. */
const struct pw_slot *slot_to_run(const struct pw_tenant *tenant, const struct pw_id *slot_id,
                                  const struct pw_context *context, struct pw_err *err);

/* The slot of an event, to be changed, its version counted; NULL, and the misfit: there is no such slot of the exam. */
struct pw_slot *slot_of_event(struct pw_tenant *tenant, const struct pw_event *event,
                              const struct pw_id *exam_id, struct pw_undo *undo,
                              struct pw_err *err);

#endif
