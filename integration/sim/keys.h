/* integration/sim/keys.h: what keys.c and keys_judge.c share: what the ledger says of keys, as a node has heard it, or the judge. */
#ifndef PW_INTEGRATION_SIM_KEYS_H
#define PW_INTEGRATION_SIM_KEYS_H

#include "eventstore/key_adapters.h"
#include "eventstore/key_store.h"
#include "integration/sim/sim.h"

#define CLAIMS_MAX 2048

/* A key that the ledger speaks of, and what it says. */
struct claim {
    struct pw_id tenant_id;
    struct pw_id user_id; /* Nil: the tenant's, for equal addresses. */
    struct pw_id key_id;
    bool destroyed;
    struct pw_str email; /* What the last sealed address must open to. */
    uint8_t sealed[SEALED_MAX];
    size_t sealed_bytes;
};

struct claims {
    struct claim list[CLAIMS_MAX];
    uint32_t count;
};

struct keys {
    struct pw_key_sim *log;
    bool is_down;
    int64_t down_until_us;
    uint32_t current_master;
    struct claims claims; /* The judge's. */
};

struct claim *claim_of(struct claims *claims, const struct pw_id *tenant_id,
                       const struct pw_id *user_id); /* NULL: none. */
/* The same; where there is none, a new one. */
struct claim *claim_take(struct claims *claims, const struct pw_id *tenant_id,
                         const struct pw_id *user_id, const struct pw_id *key_id);

struct pw_key_store *keys_store_open(struct keys *keys);

#endif
