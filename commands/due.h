/* commands/due.h: what follows by itself: holds and offers that run out, seats that are offered.
 *
 * Contract  A deadline is a command of the system, issued by the leader once its time has come, and before any decision that it bears on:
 *           so what is decided does not depend on when deadlines fire. Its id follows from what is due (a UUIDv5 of stream, command and
 *           moment), and it changes nothing where it was done already. What is due is found in the state alone.
 * Units     *_at_us: wall time, as decisions have it. A thing is due from that moment on, inclusive.
 * Threads   Pure; the state is its owner's. */
#ifndef PW_COMMANDS_DUE_H
#define PW_COMMANDS_DUE_H

#include "commands/decide.h"

/* The system, as an actor: 70770000-0000-8000-8000-000000000003. No token can name it. */
extern const struct pw_id pw_system_id;

struct pw_due {
    struct pw_id tenant_id;
    struct pw_id command_id;
    struct pw_command command;
};

/* When the first thing of all tenants is due; INT64_MAX: never, as things are. */
int64_t pw_due_at(const struct pw_state *state);

/* What has been due longest of all; false: nothing is due by now_us. */
bool pw_due_next(const struct pw_state *state, int64_t now_us, struct pw_due *ret_due);

/* The same of what bears on a decision: on the slots that the command speaks of, and on the calendar of the actor. */
bool pw_due_before(const struct pw_tenant *tenant, const struct pw_command *command,
                   const struct pw_id *actor_id, int64_t now_us, struct pw_due *ret_due);

#endif
