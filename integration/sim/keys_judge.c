/* integration/sim/keys_judge.c: whether the log of keys holds to what the ledger says: a key that counts is there, is one person's and
 * opens what was sealed; of one that was destroyed nothing is left. */
#include "integration/sim/keys.h"

#include <stdlib.h>

/* What a read from the start finds of one key. */
struct found {
    struct pw_id key_id;
    uint32_t value_count;
    bool stands; /* Its last word is a value. */
};

struct findings {
    struct found list[2 * CLAIMS_MAX];
    uint32_t count;
};

void keys_begin(struct world *world)
{
    world->keys->claims.count = 0;
}

static void keep_sealed(struct claim *claim, struct pw_str sealed, struct pw_str email)
{
    assert(sealed.len <= SEALED_MAX);
    memcpy(claim->sealed, sealed.ptr, sealed.len);
    claim->sealed_bytes = sealed.len;
    claim->email = email;
}

void keys_saw(struct world *world, const struct pw_id *tenant_id, const struct pw_event *event,
              const struct op *op)
{
    static const struct pw_id nobody;
    struct claims *claims = &world->keys->claims;
    const struct pw_command *command = &op->request.command;
    bool is_tenants = event->type == PW_EVENT_TENANT_EQUALITY_KEY_CHOSEN;
    if (is_tenants || event->type == PW_EVENT_USER_REGISTERED) {
        const struct pw_id *key_id =
            is_tenants ? &event->tenant_equality_key_chosen.key_id : &event->user_registered.key_id;
        for (uint32_t i = 0; i < claims->count; i++) {
            if (pw_id_equal(&claims->list[i].key_id, key_id)) {
                sim_fail(world, "a key is one person's", "op %u uses another one's", op->number);
            }
        }
        struct claim *claim =
            claim_take(claims, tenant_id, is_tenants ? &nobody : &event->stream_id, key_id);
        if (!is_tenants) {
            keep_sealed(claim, event->user_registered.email, command->user_register.email);
        }
    } else if (event->type == PW_EVENT_USER_PROFILE_UPDATED) {
        keep_sealed(claim_of(claims, tenant_id, &event->stream_id),
                    event->user_profile_updated.email, command->user_update_profile.email);
    } else if (event->type == PW_EVENT_USER_KEY_DESTROYED) {
        claim_of(claims, tenant_id, &event->stream_id)->destroyed = true;
    }
}

static struct found *found_of(struct findings *findings, const struct pw_id *key_id)
{
    for (uint32_t i = 0; i < findings->count; i++) {
        if (pw_id_equal(&findings->list[i].key_id, key_id)) {
            return &findings->list[i];
        }
    }
    return NULL;
}

static enum pw_code find(void *self, const struct pw_key_entry *entry, struct pw_err *err)
{
    struct findings *findings = self;
    struct pw_key_record record;
    (void)err;
    pw_key_record_read(entry->log_key, entry->value, entry->value_bytes, &record);
    struct found *found = found_of(findings, &record.key_id);
    if (found == NULL) {
        assert(findings->count < PW_COUNT(findings->list));
        found = &findings->list[findings->count++];
        *found = (struct found){.key_id = record.key_id};
    }
    found->value_count += entry->value != NULL;
    found->stands = entry->value != NULL;
    return PW_OK;
}

/* What was sealed last opens to what the client sent. */
static void check_opens(struct world *world, struct pw_key_store *store, const struct claim *claim)
{
    uint8_t plain[SEALED_MAX];
    size_t plain_bytes = 0;
    struct pw_str bound = {(const char *)claim->user_id.bytes, sizeof claim->user_id.bytes};
    struct pw_str sealed = {(const char *)claim->sealed, claim->sealed_bytes};
    enum pw_code code = pw_key_store_unseal(store, &claim->tenant_id, &claim->key_id, bound, sealed,
                                            plain, &plain_bytes, NULL);
    if (code != PW_OK || !pw_str_equal((struct pw_str){(char *)plain, plain_bytes}, claim->email)) {
        sim_fail(world, "what was sealed opens", "an address of %zu bytes: %s", claim->email.len,
                 pw_error_info(code)->name);
    }
}

/* Only after every node has started once more is nothing left of what was destroyed. */
static void check_claim(struct world *world, struct findings *findings, struct pw_key_store *store,
                        const struct claim *claim, bool is_last_look)
{
    struct found *found = found_of(findings, &claim->key_id);
    if (claim->destroyed && is_last_look && found != NULL && found->value_count > 0) {
        sim_fail(world, "what is destroyed is gone", "%u values of a key, the last word %s",
                 found->value_count, found->stands ? "among them" : "is a tombstone");
    }
    if (!claim->destroyed && (found == NULL || !found->stands)) {
        sim_fail(world, "a key that counts is there", "that of %s is %s",
                 pw_id_is_nil(&claim->user_id) ? "a tenant" : "a person",
                 found == NULL ? "in no record" : "destroyed");
    }
    if (!claim->destroyed && claim->sealed_bytes > 0) {
        check_opens(world, store, claim);
    }
}

void keys_judge(struct world *world, bool counts)
{
    struct keys *keys = world->keys;
    struct findings *findings = calloc(1, sizeof *findings);
    struct pw_key_counts ignored;
    struct pw_key_log log = pw_key_sim_open(keys->log);
    struct pw_key_store *store = keys_store_open(keys);
    struct pw_key_sink sink = {findings, find};
    if (findings == NULL || log.read(log.self, &sink, NULL) != PW_OK ||
        pw_key_store_read(store, NULL, &ignored, NULL) != PW_OK) {
        abort();
    }
    for (uint32_t i = 0; i < keys->claims.count; i++) {
        check_claim(world, findings, store, &keys->claims.list[i], counts);
        sim_effect(world, EFFECT_KEY_DESTROYED, counts && keys->claims.list[i].destroyed);
    }
    for (uint32_t i = 0; i < findings->count; i++) {
        bool is_claimed = false;
        for (uint32_t j = 0; j < keys->claims.count && !is_claimed; j++) {
            is_claimed = pw_id_equal(&keys->claims.list[j].key_id, &findings->list[i].key_id);
        }
        sim_effect(world, EFFECT_KEY_ORPHAN, counts && !is_claimed);
    }
    pw_key_store_close(store);
    log.close(log.self);
    free(findings);
}
