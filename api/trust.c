/* api/trust.c: a map of (tenant, number) to issuers. */
#include "api/trust.h"

#include <pthread.h>
#include <stdlib.h>

#include "commands/map.h"
#include "commands/memory.h"
#include "commands/state.h"

struct trust_key {
    struct pw_id tenant_id;
    uint32_t number; /* From 0, without holes. */
};

struct pw_trust {
    pthread_rwlock_t lock;
    struct pw_map *issuers; /* struct trust_key -> struct pw_issuer */
};

struct pw_trust *pw_trust_new(void)
{
    struct pw_trust *trust = pw_memory_new(1, sizeof *trust);
    pthread_rwlock_init(&trust->lock, NULL);
    trust->issuers = pw_map_new(sizeof(struct trust_key), sizeof(struct pw_issuer));
    return trust;
}

void pw_trust_free(struct pw_trust *trust)
{
    if (trust != NULL) {
        pw_map_free(trust->issuers);
        pthread_rwlock_destroy(&trust->lock);
        free(trust);
    }
}

static bool is_named(const struct pw_issuer *issuer, struct pw_str name)
{
    return pw_str_equal((struct pw_str){issuer->name, issuer->name_bytes}, name);
}

void pw_trust_add(struct pw_trust *trust, const struct pw_id *tenant_id, struct pw_str issuer,
                  const struct pw_hash *public_key)
{
    assert(issuer.len <= PW_TEXT_BYTES_MAX);
    struct trust_key key = {.tenant_id = *tenant_id};
    pthread_rwlock_wrlock(&trust->lock);
    const struct pw_issuer *known = pw_map_get(trust->issuers, &key);
    while (known != NULL &&
           !(is_named(known, issuer) && pw_hash_equal(&known->public_key, public_key))) {
        key.number++;
        known = pw_map_get(trust->issuers, &key);
    }
    if (known == NULL && key.number < PW_ISSUERS_MAX) {
        struct pw_issuer *added = pw_map_put(trust->issuers, &key, NULL);
        memcpy(added->name, issuer.ptr, issuer.len);
        added->name_bytes = (uint32_t)issuer.len;
        added->public_key = *public_key;
    }
    pthread_rwlock_unlock(&trust->lock);
}

uint32_t pw_trust_keys(struct pw_trust *trust, const struct pw_id *tenant_id, struct pw_str issuer,
                       struct pw_hash *ret_keys)
{
    struct trust_key key = {.tenant_id = *tenant_id};
    uint32_t count = 0;
    pthread_rwlock_rdlock(&trust->lock);
    const struct pw_issuer *known = pw_map_get(trust->issuers, &key);
    while (known != NULL && count < PW_ISSUERS_MAX) {
        if (is_named(known, issuer)) {
            ret_keys[count++] = known->public_key;
        }
        key.number++;
        known = pw_map_get(trust->issuers, &key);
    }
    pthread_rwlock_unlock(&trust->lock);
    return count;
}
