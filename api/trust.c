/* api/trust.c: a map of (tenant, number) to issuers. */
#include "api/trust.h"

#include <pthread.h>
#include <stdatomic.h>
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
    atomic_uint_fast64_t epoch;
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

/* The entry of that issuer and key. NULL: there is none, and key is past the tenant's last one. */
static const struct pw_issuer *find(const struct pw_trust *trust, struct trust_key *key,
                                    struct pw_str issuer, const struct pw_hash *public_key)
{
    const struct pw_issuer *known = pw_map_get(trust->issuers, key);
    while (known != NULL &&
           !(is_named(known, issuer) && pw_hash_equal(&known->public_key, public_key))) {
        key->number++;
        known = pw_map_get(trust->issuers, key);
    }
    return known;
}

void pw_trust_add(struct pw_trust *trust, const struct pw_id *tenant_id, struct pw_str issuer,
                  const struct pw_hash *public_key)
{
    assert(issuer.len <= PW_TEXT_BYTES_MAX);
    struct trust_key key = {.tenant_id = *tenant_id};
    pthread_rwlock_wrlock(&trust->lock);
    if (find(trust, &key, issuer, public_key) == NULL && key.number < PW_ISSUERS_MAX) {
        struct pw_issuer *added = pw_map_put(trust->issuers, &key, NULL);
        memcpy(added->name, issuer.ptr, issuer.len);
        added->name_bytes = (uint32_t)issuer.len;
        added->public_key = *public_key;
    }
    pthread_rwlock_unlock(&trust->lock);
}

void pw_trust_remove(struct pw_trust *trust, const struct pw_id *tenant_id, struct pw_str issuer,
                     const struct pw_hash *public_key)
{
    struct trust_key key = {.tenant_id = *tenant_id};
    pthread_rwlock_wrlock(&trust->lock);
    if (find(trust, &key, issuer, public_key) != NULL) {
        struct trust_key last = key;
        struct trust_key next = {*tenant_id, key.number + 1};
        while (pw_map_get(trust->issuers, &next) != NULL) {
            last = next;
            next.number++;
        }
        struct pw_issuer moved = *(const struct pw_issuer *)pw_map_get(trust->issuers, &last);
        memcpy(pw_map_put(trust->issuers, &key, NULL), &moved, sizeof moved);
        pw_map_remove(trust->issuers, &last, NULL);
        atomic_fetch_add(&trust->epoch, 1);
    }
    pthread_rwlock_unlock(&trust->lock);
}

struct pw_event_set pw_trust_event_types(void)
{
    struct pw_event_set types = {{0}};
    pw_event_set_add(&types, PW_EVENT_TENANT_ISSUER_TRUSTED);
    pw_event_set_add(&types, PW_EVENT_TENANT_ISSUER_DISTRUSTED);
    return types;
}

void pw_trust_take(struct pw_trust *trust, const struct pw_id *tenant_id,
                   const struct pw_event *event)
{
    if (event->type == PW_EVENT_TENANT_ISSUER_TRUSTED) {
        const struct pw_tenant_issuer_trusted *trusted = &event->tenant_issuer_trusted;
        pw_trust_add(trust, tenant_id, trusted->issuer, &trusted->public_key);
    } else if (event->type == PW_EVENT_TENANT_ISSUER_DISTRUSTED) {
        const struct pw_tenant_issuer_distrusted *distrusted = &event->tenant_issuer_distrusted;
        pw_trust_remove(trust, tenant_id, distrusted->issuer, &distrusted->public_key);
    }
}

uint64_t pw_trust_epoch(const struct pw_trust *trust)
{
    return atomic_load(&trust->epoch);
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
