/* api/trust.h: which keys may sign tokens for which tenant, as confirmed in the ledger.
 *
 * Contract  Fed by the engines' observer from `issuer_trusted` events, in replay and live; a tenant
 *           has at most PW_ISSUERS_MAX. It only grows: no command takes trust back yet.
 * Threads   Any; a read-write lock guards it. */
#ifndef PW_API_TRUST_H
#define PW_API_TRUST_H

#include "schemas/types.h"

struct pw_trust;

struct pw_trust *pw_trust_new(void);
void pw_trust_free(struct pw_trust *trust);

/* The same issuer and key a second time changes nothing. */
void pw_trust_add(struct pw_trust *trust, const struct pw_id *tenant_id, struct pw_str issuer,
                  const struct pw_hash *public_key);

/* The issuer's keys; gives how many were written to ret_keys (room for PW_ISSUERS_MAX). */
uint32_t pw_trust_keys(struct pw_trust *trust, const struct pw_id *tenant_id, struct pw_str issuer,
                       struct pw_hash *ret_keys);

#endif
