/* commands/decide.h: what a decider is given, and what it gives.
 *
 * Contract  decide is pure: (state, command, context) -> events or a refusal; the same arguments
 *           give the same answer, and nothing is allocated. PW_OK with events: they happened.
 *           PW_OK without: a yes that changes nothing. Any other code: a refusal out of the
 *           command's list, with a detail that names no person. Each command of the tables has
 *           one decider, pw_<aggregate>_<lower>_decide, declared here from the tables: a command
 *           without one does not link. A decider trusts that the command's fields are inside
 *           their table's limits and that the tenant exists (tenant.create and exam.draft
 *           excepted): callers go through pw_decide. Who may ask is settled before; the deciders
 *           add whose things they are.
 * Owner     Texts in the events are views into the command.
 * Threads   Pure; the state is its owner's.
 */
#ifndef PW_COMMANDS_DECIDE_H
#define PW_COMMANDS_DECIDE_H

#include "commands/state.h"

struct pw_context {
    int64_t decided_at_us;
    struct pw_id actor_id;
    enum pw_role role;
};

/* The most that any decider of the tables gives: an accommodation that changes, and the sittings that change with it. */
#define PW_DECISION_EVENTS_MAX 32

struct pw_decision {
    struct pw_event events[PW_DECISION_EVENTS_MAX]; /* pw_decide sets their stream versions. */
    uint32_t event_count;
};

/* Adds an event and gives it, zeroed, to fill its payload. */
struct pw_event *pw_decision_add(struct pw_decision *decision, enum pw_event_type type,
                                 const struct pw_id *stream_id);

/* What a yes is answered with besides the stream of its first event: the version that this has after the decision. */
uint32_t pw_decision_version(const struct pw_decision *decision);

#define PW_COMMAND(aggregate, lower, ...)                                                          \
    enum pw_code pw_##aggregate##_##lower##_decide(                                                \
        const struct pw_tenant *tenant, const struct pw_##aggregate##_##lower *command,            \
        const struct pw_context *context, struct pw_decision *out, struct pw_err *err);
#include "schemas/all.def"

/* Decides any command on a boundary's state (NULL: the tenant does not exist; only tenant.create
 * takes that) and fills the events' stream versions; out needs no preparation and has no events
 * unless PW_OK is given.
 *
 * if_match is -1, or the version that the stream must have which the route's last id names (the
 * slot's for reservation.reserve; the new thing's, 0, where a route has no id, or a student's). VERSION_MISMATCH
 * otherwise, before any other refusal but that something does not exist: who may not see a thing
 * learns nothing of its version.
 *
 * Besides the command's own refusals: NO_SUCH_TENANT, VERSION_MISMATCH, and INTERNAL when the
 * shell made an id that is in use. */
enum pw_code pw_decide(const struct pw_tenant *tenant, const struct pw_command *command,
                       int64_t if_match, const struct pw_context *context, struct pw_decision *out,
                       struct pw_err *err);

#endif
