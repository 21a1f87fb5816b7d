/* api/audit_state.h: what the folded state says of a stream, or of a whole tenant, in JSON.
 *
 * Contract  Names and words are the API's where it shows the same thing. Nothing of it is personal, not even sealed. The state is what is
 *           on record: a hold whose time is over stays held until its expiry was written. A session that has ended is forgotten but
 *           for that.
 * Owner     A new object, the caller's. */
#ifndef PW_API_AUDIT_STATE_H
#define PW_API_AUDIT_STATE_H

#include <jansson.h>

#include "commands/state.h"

/* A stream that has had an event. */
json_t *pw_audit_state_stream(const struct pw_tenant *tenant, enum pw_aggregate aggregate,
                              const struct pw_id *stream_id);

/* How much there is of everything, and the SHA-256 of the tenant's canonical serialisation: two who have read the same history, with
 * programs of one state format, have the same. */
json_t *pw_audit_state_tenant(const struct pw_tenant *tenant);

#endif
