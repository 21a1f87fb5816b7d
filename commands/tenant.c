/* commands/tenant.c: an institution and the issuers whose tokens are good for it. */
#include "commands/decide.h"
#include "commands/tenant_state.h"

int pw_tenant_issuer_index(const struct pw_tenant *tenant, struct pw_str name,
                           const struct pw_hash *public_key)
{
    for (uint32_t i = 0; i < tenant->issuer_count; i++) {
        const struct pw_issuer *issuer = &tenant->issuers[i];
        struct pw_str trusted = {issuer->name, issuer->name_bytes};
        if (pw_str_equal(trusted, name) && pw_hash_equal(&issuer->public_key, public_key)) {
            return (int)i;
        }
    }
    return -1;
}

enum pw_code pw_tenant_create_decide(const struct pw_tenant *tenant,
                                     const struct pw_tenant_create *command,
                                     const struct pw_context *context, struct pw_decision *out,
                                     struct pw_err *err)
{
    (void)context;
    if (tenant != NULL) {
        return pw_fail(err, PW_ERR_TENANT_EXISTS, "it is at version %u", tenant->version);
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_TENANT_CREATED, &command->tenant_id);
    event->tenant_created = (struct pw_tenant_created){
        .name = command->name, .time_zone = command->time_zone, .language = command->language};
    return PW_OK;
}

enum pw_code pw_tenant_trust_issuer_decide(const struct pw_tenant *tenant,
                                           const struct pw_tenant_trust_issuer *command,
                                           const struct pw_context *context,
                                           struct pw_decision *out, struct pw_err *err)
{
    (void)context;
    if (!pw_id_equal(&tenant->id, &command->tenant_id)) {
        return pw_fail(err, PW_ERR_NO_SUCH_TENANT, "tenant_id");
    }
    if (pw_tenant_issuer_index(tenant, command->issuer, &command->public_key) >= 0) {
        return PW_OK;
    }
    if (tenant->issuer_count == PW_ISSUERS_MAX) {
        return pw_fail(err, PW_ERR_TOO_MANY_ISSUERS, "%u of %u", tenant->issuer_count,
                       PW_ISSUERS_MAX);
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_TENANT_ISSUER_TRUSTED, &command->tenant_id);
    event->tenant_issuer_trusted = (struct pw_tenant_issuer_trusted){
        .issuer = command->issuer, .public_key = command->public_key};
    return PW_OK;
}

enum pw_code pw_tenant_distrust_issuer_decide(const struct pw_tenant *tenant,
                                              const struct pw_tenant_distrust_issuer *command,
                                              const struct pw_context *context,
                                              struct pw_decision *out, struct pw_err *err)
{
    (void)context;
    if (!pw_id_equal(&tenant->id, &command->tenant_id)) {
        return pw_fail(err, PW_ERR_NO_SUCH_TENANT, "tenant_id");
    }
    if (pw_tenant_issuer_index(tenant, command->issuer, &command->public_key) < 0) {
        return PW_OK;
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_TENANT_ISSUER_DISTRUSTED, &command->tenant_id);
    event->tenant_issuer_distrusted = (struct pw_tenant_issuer_distrusted){
        .issuer = command->issuer, .public_key = command->public_key};
    return PW_OK;
}

enum pw_code pw_tenant_choose_equality_key_decide(
    const struct pw_tenant *tenant, const struct pw_tenant_choose_equality_key *command,
    const struct pw_context *context, struct pw_decision *out, struct pw_err *err)
{
    (void)context;
    if (!pw_id_equal(&tenant->id, &command->tenant_id)) {
        return pw_fail(err, PW_ERR_NO_SUCH_TENANT, "tenant_id");
    }
    if (pw_id_is_nil(&tenant->equality_key_id)) {
        struct pw_event *event =
            pw_decision_add(out, PW_EVENT_TENANT_EQUALITY_KEY_CHOSEN, &command->tenant_id);
        event->tenant_equality_key_chosen.key_id = command->key_id;
    }
    return PW_OK;
}

enum pw_code pw_tenant_set_rules_decide(const struct pw_tenant *tenant,
                                        const struct pw_tenant_set_rules *command,
                                        const struct pw_context *context, struct pw_decision *out,
                                        struct pw_err *err)
{
    (void)context;
    if (!pw_id_equal(&tenant->id, &command->tenant_id)) {
        return pw_fail(err, PW_ERR_NO_SUCH_TENANT, "tenant_id");
    }
    if (command->hold_minutes != pw_tenant_hold_minutes(tenant) ||
        command->offer_minutes != pw_tenant_offer_minutes(tenant)) {
        struct pw_event *event =
            pw_decision_add(out, PW_EVENT_TENANT_RULES_SET, &command->tenant_id);
        event->tenant_rules_set = (struct pw_tenant_rules_set){
            .hold_minutes = command->hold_minutes, .offer_minutes = command->offer_minutes};
    }
    return PW_OK;
}

enum pw_code pw_tenant_created_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                      struct pw_undo *undo, struct pw_err *err)
{
    if (tenant->version != 0) {
        return pw_misfit(err, event, "the tenant exists already");
    }
    pw_undo_save(undo, &tenant->version, sizeof tenant->version);
    tenant->version = event->stream_version;
    return PW_OK;
}

enum pw_code pw_tenant_issuer_trusted_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                             struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_tenant_issuer_trusted *trusted = &event->tenant_issuer_trusted;
    if (tenant->issuer_count == PW_ISSUERS_MAX) {
        return pw_misfit(err, event, "there are as many issuers as there may be");
    }
    if (trusted->issuer.len > PW_TEXT_BYTES_MAX) {
        return pw_misfit(err, event, "the issuer's name is too long");
    }
    if (pw_tenant_issuer_index(tenant, trusted->issuer, &trusted->public_key) >= 0) {
        return pw_misfit(err, event, "the issuer is trusted already");
    }
    pw_undo_save(undo, &tenant->version, sizeof tenant->version);
    pw_undo_save(undo, &tenant->issuer_count, sizeof tenant->issuer_count);
    struct pw_issuer *issuer = &tenant->issuers[tenant->issuer_count++];
    memcpy(issuer->name, trusted->issuer.ptr, trusted->issuer.len);
    issuer->name_bytes = (uint32_t)trusted->issuer.len;
    issuer->public_key = trusted->public_key;
    tenant->version = event->stream_version;
    return PW_OK;
}

/* The last one takes the place of the one that goes. Both are saved: what is trusted next is written
 * over the last one's place. */
enum pw_code pw_tenant_issuer_distrusted_evolve(struct pw_tenant *tenant,
                                                const struct pw_event *event, struct pw_undo *undo,
                                                struct pw_err *err)
{
    const struct pw_tenant_issuer_distrusted *distrusted = &event->tenant_issuer_distrusted;
    int index = pw_tenant_issuer_index(tenant, distrusted->issuer, &distrusted->public_key);
    if (index < 0) {
        return pw_misfit(err, event, "the issuer is not trusted");
    }
    struct pw_issuer *last = &tenant->issuers[tenant->issuer_count - 1];
    pw_undo_save(undo, &tenant->version, sizeof tenant->version);
    pw_undo_save(undo, &tenant->issuer_count, sizeof tenant->issuer_count);
    pw_undo_save(undo, &tenant->issuers[index], sizeof tenant->issuers[index]);
    pw_undo_save(undo, last, sizeof *last);
    tenant->issuers[index] = *last;
    tenant->issuer_count--;
    tenant->version = event->stream_version;
    return PW_OK;
}

enum pw_code pw_tenant_equality_key_chosen_evolve(struct pw_tenant *tenant,
                                                  const struct pw_event *event,
                                                  struct pw_undo *undo, struct pw_err *err)
{
    if (!pw_id_is_nil(&tenant->equality_key_id)) {
        return pw_misfit(err, event, "the tenant has an equality key already");
    }
    pw_undo_save(undo, &tenant->version, sizeof tenant->version);
    pw_undo_save(undo, &tenant->equality_key_id, sizeof tenant->equality_key_id);
    tenant->equality_key_id = event->tenant_equality_key_chosen.key_id;
    tenant->version = event->stream_version;
    return PW_OK;
}

uint32_t pw_tenant_hold_minutes(const struct pw_tenant *tenant)
{
    return tenant->hold_minutes == 0 ? PW_HOLD_MINUTES : tenant->hold_minutes;
}

uint32_t pw_tenant_offer_minutes(const struct pw_tenant *tenant)
{
    return tenant->offer_minutes == 0 ? PW_OFFER_MINUTES : tenant->offer_minutes;
}

enum pw_code pw_tenant_rules_set_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                        struct pw_undo *undo, struct pw_err *err)
{
    uint32_t hold_minutes = event->tenant_rules_set.hold_minutes;
    uint32_t offer_minutes = event->tenant_rules_set.offer_minutes;
    if (hold_minutes == 0 || hold_minutes > PW_MINUTES_MAX || offer_minutes == 0 ||
        offer_minutes > PW_MINUTES_MAX) {
        return pw_misfit(err, event, "the minutes are out of range");
    }
    pw_undo_save(undo, &tenant->version, sizeof tenant->version);
    pw_undo_save(undo, &tenant->hold_minutes, sizeof tenant->hold_minutes);
    pw_undo_save(undo, &tenant->offer_minutes, sizeof tenant->offer_minutes);
    tenant->hold_minutes = hold_minutes;
    tenant->offer_minutes = offer_minutes;
    tenant->version = event->stream_version;
    return PW_OK;
}
