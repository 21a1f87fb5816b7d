/* commands/tests/model.h: the rules of the domain, written again as simply as possible: lists, and loops over them.
 *
 * Contract  The model shares no code with the deciders, and no idea with the state. What a request must come to, and what it
 *           changes, follows from the request and from the moment of its decision; no event is believed. Held against it are the
 *           booking office under random commands (office.c) and whatever the simulation's log says (integration/sim/judge.c).
 * Owner     Texts of requests are borrowed for as long as the model lives.
 * Units     *_us: microseconds since 1970, as decisions have them.
 * Errors    What there is no room for, or is about a tenant that there is not, is the caller's mistake: it aborts. */
#ifndef PW_COMMANDS_TESTS_MODEL_H
#define PW_COMMANDS_TESTS_MODEL_H

#include "commands/engine.h"

#define MODEL_TENANTS_MAX 4

struct people;

struct model *model_new(void);
void model_free(struct model *model);

/* What a request must come to at that place in the log; *ret_changes: whether a yes changes something. */
enum pw_code model_decide(const struct model *model, const struct pw_job *request,
                          int64_t decided_at_us, bool *ret_changes);

/* The request was carried out; stream_id is what it made or changed first. Gives that stream's version. */
uint32_t model_apply(struct model *model, const struct pw_job *request, int64_t decided_at_us,
                     const struct pw_id *stream_id);

/* Whether something is due that bears on the request, and was to be written before it is decided. */
bool model_waits(const struct model *model, const struct pw_job *request, int64_t decided_at_us);

/* Takes what the leader wrote by itself; false: that was not to be. */
bool model_fall_due(struct model *model, const struct pw_id *tenant, const struct pw_event *event,
                    int64_t decided_at_us);

/* Whether something of the tenant was due by then, and is not written. */
bool model_is_late(const struct model *model, const struct pw_id *tenant, int64_t now_us);

/* What differs between the model and a tenant as it was folded; NULL: nothing. */
const char *model_differs(const struct model *model, const struct pw_tenant *tenant,
                          const struct pw_id *tenant_id);

/* model_rules.c: which of the domain's rules 1 to 7 what the tenant has does not keep; NULL: it keeps them. */
const char *model_breaks(const struct model *model, const struct pw_id *tenant, int64_t now_us);

/* model_people.c: the same of users and sessions. */
struct people *people_new(void);
void people_free(struct people *people);
enum pw_code people_decide(const struct people *people, const struct pw_job *request,
                           int64_t now_us, bool *ret_changes);
uint32_t people_apply(struct people *people, const struct pw_job *request, int64_t now_us,
                      const struct pw_id *stream_id);
/* Whether somebody has an account, and may proctor by it. */
bool people_know(const struct people *people, const struct pw_id *tenant, const struct pw_id *id);
bool people_may_proctor(const struct people *people, const struct pw_id *tenant,
                        const struct pw_id *id);
const char *people_differ(const struct people *people, const struct pw_tenant *tenant,
                          const struct pw_id *tenant_id);

#endif
