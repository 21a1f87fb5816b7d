/* api/trust.h: which keys may sign tokens for which tenant, as confirmed in the ledger.
 *
 * Contract  Fed by the engines' observer from `issuer_trusted` and `issuer_distrusted` events, in
 *           replay and live; a tenant has at most PW_ISSUERS_MAX. The epoch grows with everything
 *           that is taken back. Whoever remembers what came of a key asks for the epoch before the
 *           key, and forgets it once the epoch is another one.
 * Threads   Any; a read-write lock guards it. */
#ifndef PW_API_TRUST_H
#define PW_API_TRUST_H

#include "schemas/schema.h"

struct pw_trust;

struct pw_trust *pw_trust_new(void);
void pw_trust_free(struct pw_trust *trust);

/* Takes an event of one of these types. */
struct pw_event_set pw_trust_event_types(void);
void pw_trust_take(struct pw_trust *trust, const struct pw_id *tenant_id,
                   const struct pw_event *event);

/* The same issuer and key a second time changes nothing. */
void pw_trust_add(struct pw_trust *trust, const struct pw_id *tenant_id, struct pw_str issuer,
                  const struct pw_hash *public_key);

/* An issuer and key that are not there change nothing. */
void pw_trust_remove(struct pw_trust *trust, const struct pw_id *tenant_id, struct pw_str issuer,
                     const struct pw_hash *public_key);

uint64_t pw_trust_epoch(const struct pw_trust *trust);

/* The issuer's keys; gives how many were written to ret_keys (room for PW_ISSUERS_MAX). */
uint32_t pw_trust_keys(struct pw_trust *trust, const struct pw_id *tenant_id, struct pw_str issuer,
                       struct pw_hash *ret_keys);

#endif
