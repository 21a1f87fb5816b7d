/* api/news.c: what the doors learn from the ledger. */
#include "api/news.h"

static void on_event(void *self, const struct pw_position *at, const struct pw_id *boundary_id,
                     const struct pw_event *event)
{
    const struct pw_news *news = self;
    pw_trust_take(news->trust, boundary_id, event);
    pw_directory_event(news->directory, boundary_id, event);
    pw_bell_event(news->bell, at, boundary_id, event);
    if (event->type == PW_EVENT_USER_KEY_DESTROYED && news->vault != NULL) {
        pw_vault_forget(news->vault, &event->user_key_destroyed.key_id);
    }
}

/* What the ledger calls destroyed is destroyed again, at each start. */
static void forget_erased(struct pw_vault *vault, const struct pw_tenant *tenant)
{
    const struct pw_id *id;
    const struct pw_user *user;
    uint64_t walk = 0;
    while (pw_tenant_next_user(tenant, &walk, &id, &user)) {
        if (user->state == PW_USER_ERASED) {
            pw_vault_forget(vault, &user->key_id);
        }
    }
}

static void on_restored(void *self, const struct pw_state *state)
{
    const struct pw_news *news = self;
    const struct pw_tenant *tenant;
    pw_directory_restored(news->directory, state);
    for (uint32_t i = 0; (tenant = pw_state_tenant_at(state, i)) != NULL; i++) {
        uint32_t count;
        if (news->vault != NULL) {
            forget_erased(news->vault, tenant);
        }
        const struct pw_issuer *issuers = pw_tenant_issuers(tenant, &count);
        for (uint32_t j = 0; j < count; j++) {
            struct pw_str name = {issuers[j].name, issuers[j].name_bytes};
            pw_trust_add(news->trust, pw_tenant_id(tenant), name, &issuers[j].public_key);
        }
    }
}

struct pw_engine_observer pw_news_observer(const struct pw_news *news)
{
    struct pw_event_set types = pw_trust_event_types();
    pw_event_set_join(&types, pw_directory_event_types());
    pw_event_set_join(&types, pw_bell_event_types());
    return (struct pw_engine_observer){.self = (void *)(uintptr_t)news,
                                       .event_types = types,
                                       .event = on_event,
                                       .restored = on_restored};
}
