/* commands/user.c: people and what they may do. What is personal comes sealed and goes on record as it came. */
#include "commands/tenant_state.h"

#define RESET_TOKEN_US (3 * INT64_C(86400) * PW_US_PER_SECOND)

static bool is_active_admin(const struct pw_user *user)
{
    return user->state == PW_USER_ACTIVE && (user->roles & PW_ROLE(ADMIN)) != 0;
}

static bool is_last_admin(const struct pw_tenant *tenant, const struct pw_user *user)
{
    return is_active_admin(user) && tenant->admin_count == 1;
}

/* The person, as one who was not forgotten; else NULL and why. */
static const struct pw_user *known_user(const struct pw_tenant *tenant, const struct pw_id *id,
                                        enum pw_code *ret_code, struct pw_err *err)
{
    const struct pw_user *user = pw_tenant_user(tenant, id);
    if (user == NULL) {
        *ret_code = pw_fail(err, PW_ERR_NO_SUCH_USER, "user_id");
        return NULL;
    }
    if (user->state == PW_USER_ERASED) {
        *ret_code = pw_fail(err, PW_ERR_USER_ERASED, "user_id");
        return NULL;
    }
    return user;
}

/* For what people do themselves, or what is of use to them only while they are let in. */
static const struct pw_user *active_user(const struct pw_tenant *tenant, const struct pw_id *id,
                                         enum pw_code *ret_code, struct pw_err *err)
{
    const struct pw_user *user = pw_tenant_user(tenant, id);
    if (user == NULL) {
        *ret_code = pw_fail(err, PW_ERR_NO_SUCH_USER, "user_id");
        return NULL;
    }
    if (user->state != PW_USER_ACTIVE) {
        *ret_code = pw_fail(err, PW_ERR_USER_NOT_ACTIVE, "user_id");
        return NULL;
    }
    return user;
}

/* Whether the address may be `user_id`'s. */
static enum pw_code check_email(const struct pw_tenant *tenant, const struct pw_hash *email_tag,
                                const struct pw_id *equality_key_id, const struct pw_id *user_id,
                                struct pw_err *err)
{
    if (pw_id_is_nil(&tenant->equality_key_id) ||
        !pw_id_equal(&tenant->equality_key_id, equality_key_id)) {
        return pw_fail(err, PW_ERR_ACCOUNTS_OFF, "tenant");
    }
    const struct pw_id *owner_id = pw_map_get(tenant->emails, email_tag);
    if (owner_id != NULL && !pw_id_equal(owner_id, user_id)) {
        char text[PW_ID_TEXT_BYTES + 1];
        pw_id_format(owner_id, text);
        return pw_fail(err, PW_ERR_EMAIL_TAKEN, "account %s", text);
    }
    return PW_OK;
}

bool pw_user_has_password(const struct pw_tenant *tenant, const struct pw_id *user_id,
                          const struct pw_hash *sealed_hash)
{
    struct pw_str sealed = pw_tenant_password(tenant, user_id);
    struct pw_hash hash = pw_sha256(sealed.ptr, sealed.len, NULL, 0);
    return sealed.len > 0 && pw_hash_equal(&hash, sealed_hash);
}

/* --- Decisions --- */

enum pw_code pw_user_register_decide(const struct pw_tenant *tenant,
                                     const struct pw_user_register *command,
                                     const struct pw_context *context, struct pw_decision *out,
                                     struct pw_err *err)
{
    (void)context;
    enum pw_code code =
        check_email(tenant, &command->email_tag, &command->equality_key_id, &command->user_id, err);
    if (code != PW_OK) {
        return code;
    }
    if (pw_id_is_nil(&command->key_id)) {
        return pw_fail(err, PW_ERR_EMAIL_TAKEN, "it was given up a moment ago: register anew");
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_USER_REGISTERED, &command->user_id);
    event->user_registered = (struct pw_user_registered){
        .key_id = command->key_id,
        .email = command->email,
        .email_tag = command->email_tag,
        .name = command->name,
        .roles = command->roles,
        .password = command->password,
    };
    return PW_OK;
}

enum pw_code pw_user_update_profile_decide(const struct pw_tenant *tenant,
                                           const struct pw_user_update_profile *command,
                                           const struct pw_context *context,
                                           struct pw_decision *out, struct pw_err *err)
{
    (void)context;
    enum pw_code code = PW_OK;
    const struct pw_user *user = known_user(tenant, &command->user_id, &code, err);
    if (user == NULL) {
        return code;
    }
    code =
        check_email(tenant, &command->email_tag, &command->equality_key_id, &command->user_id, err);
    if (code != PW_OK) {
        return code;
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_USER_PROFILE_UPDATED, &command->user_id);
    event->user_profile_updated = (struct pw_user_profile_updated){
        .key_id = user->key_id,
        .email = command->email,
        .email_tag = command->email_tag,
        .name = command->name,
    };
    return PW_OK;
}

enum pw_code pw_user_grant_roles_decide(const struct pw_tenant *tenant,
                                        const struct pw_user_grant_roles *command,
                                        const struct pw_context *context, struct pw_decision *out,
                                        struct pw_err *err)
{
    (void)context;
    enum pw_code code = PW_OK;
    const struct pw_user *user = known_user(tenant, &command->user_id, &code, err);
    if (user == NULL) {
        return code;
    }
    if (user->state != PW_USER_ACTIVE) {
        return pw_fail(err, PW_ERR_USER_NOT_ACTIVE, "user_id");
    }
    uint32_t added = command->roles & ~user->roles;
    if (added != 0) {
        struct pw_event *event =
            pw_decision_add(out, PW_EVENT_USER_ROLES_GRANTED, &command->user_id);
        event->user_roles_granted.roles = added;
    }
    return PW_OK;
}

enum pw_code pw_user_revoke_roles_decide(const struct pw_tenant *tenant,
                                         const struct pw_user_revoke_roles *command,
                                         const struct pw_context *context, struct pw_decision *out,
                                         struct pw_err *err)
{
    (void)context;
    enum pw_code code = PW_OK;
    const struct pw_user *user = known_user(tenant, &command->user_id, &code, err);
    if (user == NULL) {
        return code;
    }
    uint32_t gone = command->roles & user->roles;
    if (gone == 0) {
        return PW_OK;
    }
    if (gone == user->roles) {
        return pw_fail(err, PW_ERR_LAST_ROLE, "roles");
    }
    if ((gone & PW_ROLE(ADMIN)) != 0 && is_last_admin(tenant, user)) {
        return pw_fail(err, PW_ERR_LAST_ADMIN, "roles");
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_USER_ROLES_REVOKED, &command->user_id);
    event->user_roles_revoked.roles = gone;
    return PW_OK;
}

enum pw_code pw_user_deactivate_decide(const struct pw_tenant *tenant,
                                       const struct pw_user_deactivate *command,
                                       const struct pw_context *context, struct pw_decision *out,
                                       struct pw_err *err)
{
    (void)context;
    enum pw_code code = PW_OK;
    const struct pw_user *user = known_user(tenant, &command->user_id, &code, err);
    if (user == NULL || user->state == PW_USER_DEACTIVATED) {
        return code;
    }
    if (is_last_admin(tenant, user)) {
        return pw_fail(err, PW_ERR_LAST_ADMIN, "user_id");
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_USER_DEACTIVATED, &command->user_id);
    event->user_deactivated.reason = command->reason;
    pw_session_end_all(tenant, user, NULL, PW_STR("deactivated"), out);
    return PW_OK;
}

enum pw_code pw_user_reactivate_decide(const struct pw_tenant *tenant,
                                       const struct pw_user_reactivate *command,
                                       const struct pw_context *context, struct pw_decision *out,
                                       struct pw_err *err)
{
    (void)context;
    enum pw_code code = PW_OK;
    const struct pw_user *user = known_user(tenant, &command->user_id, &code, err);
    if (user == NULL || user->state == PW_USER_ACTIVE) {
        return code;
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_USER_REACTIVATED, &command->user_id);
    event->user_reactivated.reason = command->reason;
    return PW_OK;
}

static void set_password(const struct pw_tenant *tenant, const struct pw_user *user,
                         const struct pw_id *user_id, struct pw_str sealed,
                         const struct pw_id *kept_session_id, struct pw_decision *out)
{
    struct pw_event *event = pw_decision_add(out, PW_EVENT_USER_PASSWORD_SET, user_id);
    event->user_password_set.password = sealed;
    pw_session_end_all(tenant, user, kept_session_id, PW_STR("password"), out);
}

enum pw_code pw_user_change_password_decide(const struct pw_tenant *tenant,
                                            const struct pw_user_change_password *command,
                                            const struct pw_context *context,
                                            struct pw_decision *out, struct pw_err *err)
{
    (void)context;
    enum pw_code code = PW_OK;
    const struct pw_user *user = active_user(tenant, &command->user_id, &code, err);
    if (user == NULL) {
        return code;
    }
    if (!pw_user_has_password(tenant, &command->user_id, &command->verified)) {
        return pw_fail(err, PW_ERR_PASSWORD_WRONG, "password");
    }
    set_password(tenant, user, &command->user_id, command->new_password, &command->kept_session_id,
                 out);
    return PW_OK;
}

enum pw_code pw_user_issue_reset_token_decide(const struct pw_tenant *tenant,
                                              const struct pw_user_issue_reset_token *command,
                                              const struct pw_context *context,
                                              struct pw_decision *out, struct pw_err *err)
{
    enum pw_code code = PW_OK;
    const struct pw_user *user = known_user(tenant, &command->user_id, &code, err);
    if (user == NULL) {
        return code;
    }
    if (user->state != PW_USER_ACTIVE) {
        return pw_fail(err, PW_ERR_USER_NOT_ACTIVE, "user_id");
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_USER_RESET_TOKEN_ISSUED, &command->user_id);
    event->user_reset_token_issued = (struct pw_user_reset_token_issued){
        .token_hash = command->token_hash, .expires_at = context->decided_at_us + RESET_TOKEN_US};
    return PW_OK;
}

enum pw_code pw_user_reset_password_decide(const struct pw_tenant *tenant,
                                           const struct pw_user_reset_password *command,
                                           const struct pw_context *context,
                                           struct pw_decision *out, struct pw_err *err)
{
    enum pw_code code = PW_OK;
    const struct pw_user *user = active_user(tenant, &command->user_id, &code, err);
    if (user == NULL) {
        return code;
    }
    if (context->decided_at_us >= user->reset_expires_at_us ||
        !pw_hash_equal(&user->reset_token_hash, &command->token_hash)) {
        return pw_fail(err, PW_ERR_RESET_TOKEN_INVALID, "reset_token");
    }
    set_password(tenant, user, &command->user_id, command->new_password, NULL, out);
    return PW_OK;
}

enum pw_code pw_user_set_preferences_decide(const struct pw_tenant *tenant,
                                            const struct pw_user_set_preferences *command,
                                            const struct pw_context *context,
                                            struct pw_decision *out, struct pw_err *err)
{
    (void)context;
    enum pw_code code = PW_OK;
    if (active_user(tenant, &command->user_id, &code, err) == NULL) {
        return code;
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_USER_PREFERENCES_SET, &command->user_id);
    event->user_preferences_set = (struct pw_user_preferences_set){.language = command->language,
                                                                   .time_zone = command->time_zone};
    return PW_OK;
}

enum pw_code pw_user_erase_decide(const struct pw_tenant *tenant,
                                  const struct pw_user_erase *command,
                                  const struct pw_context *context, struct pw_decision *out,
                                  struct pw_err *err)
{
    (void)context;
    const struct pw_user *user = pw_tenant_user(tenant, &command->user_id);
    if (user == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_USER, "user_id");
    }
    if (user->state == PW_USER_ERASED) {
        return PW_OK;
    }
    if (is_last_admin(tenant, user)) {
        return pw_fail(err, PW_ERR_LAST_ADMIN, "user_id");
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_USER_KEY_DESTROYED, &command->user_id);
    event->user_key_destroyed.key_id = user->key_id;
    pw_session_end_all(tenant, user, NULL, PW_STR("erased"), out);
    return PW_OK;
}

/* --- What happened --- */

static bool are_roles(uint32_t roles)
{
    return roles != 0 && (roles & ~PW_EVERYONE) == 0;
}

/* The person, changed by this event; roles or state may follow from it, and the number of admins with them. */
static struct pw_user *change(struct pw_tenant *tenant, const struct pw_event *event,
                              struct pw_undo *undo)
{
    struct pw_user *user = pw_map_put(tenant->users, &event->stream_id, undo);
    user->version = event->stream_version;
    return user;
}

static void set_standing(struct pw_tenant *tenant, struct pw_user *user, uint32_t state,
                         uint32_t roles, struct pw_undo *undo)
{
    uint32_t before = is_active_admin(user) ? 1 : 0;
    user->state = state;
    user->roles = roles;
    uint32_t after = is_active_admin(user) ? 1 : 0;
    if (before != after) {
        pw_undo_save(undo, &tenant->admin_count, sizeof tenant->admin_count);
        tenant->admin_count += after - before;
    }
}

static void set_email(struct pw_tenant *tenant, const struct pw_id *user_id,
                      const struct pw_hash *email_tag, struct pw_undo *undo)
{
    memcpy(pw_map_put(tenant->emails, email_tag, undo), user_id, sizeof *user_id);
}

static void keep_password(struct pw_tenant *tenant, const struct pw_id *user_id,
                          struct pw_str sealed, struct pw_undo *undo)
{
    struct pw_password *password = pw_map_put(tenant->passwords, user_id, undo);
    *password = (struct pw_password){.bytes = (uint32_t)sealed.len};
    memcpy(password->sealed, sealed.ptr, sealed.len);
}

/* Whether another person has this address. */
static bool is_taken(const struct pw_tenant *tenant, const struct pw_hash *email_tag,
                     const struct pw_id *user_id)
{
    const struct pw_id *owner_id = pw_map_get(tenant->emails, email_tag);
    return owner_id != NULL && !pw_id_equal(owner_id, user_id);
}

enum pw_code pw_user_registered_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                       struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_user_registered *registered = &event->user_registered;
    if (pw_tenant_user(tenant, &event->stream_id) != NULL) {
        return pw_misfit(err, event, "the person has an account already");
    }
    if (pw_id_is_nil(&tenant->equality_key_id)) {
        return pw_misfit(err, event, "the tenant keeps no accounts");
    }
    if (is_taken(tenant, &registered->email_tag, &event->stream_id)) {
        return pw_misfit(err, event, "another person has the address");
    }
    if (!are_roles(registered->roles) || registered->password.len > PW_SEALED_PASSWORD_BYTES_MAX) {
        return pw_misfit(err, event, "the roles or the password cannot be");
    }
    struct pw_user *user = change(tenant, event, undo);
    user->key_id = registered->key_id;
    user->email_tag = registered->email_tag;
    set_standing(tenant, user, PW_USER_ACTIVE, registered->roles, undo);
    set_email(tenant, &event->stream_id, &registered->email_tag, undo);
    if (registered->password.len > 0) {
        keep_password(tenant, &event->stream_id, registered->password, undo);
    }
    return PW_OK;
}

/* NULL, and why, where the event speaks of nobody who can still change. */
static const struct pw_user *subject(const struct pw_tenant *tenant, const struct pw_event *event,
                                     struct pw_err *err)
{
    const struct pw_user *user = pw_tenant_user(tenant, &event->stream_id);
    if (user == NULL || user->state == PW_USER_ERASED) {
        pw_misfit(err, event, user == NULL ? "there is no such person" : "the person was erased");
        return NULL;
    }
    return user;
}

enum pw_code pw_user_profile_updated_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                            struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_user_profile_updated *updated = &event->user_profile_updated;
    const struct pw_user *user = subject(tenant, event, err);
    if (user == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (is_taken(tenant, &updated->email_tag, &event->stream_id)) {
        return pw_misfit(err, event, "another person has the address");
    }
    if (!pw_hash_equal(&user->email_tag, &updated->email_tag)) {
        pw_map_remove(tenant->emails, &user->email_tag, undo);
        set_email(tenant, &event->stream_id, &updated->email_tag, undo);
    }
    change(tenant, event, undo)->email_tag = updated->email_tag;
    return PW_OK;
}

enum pw_code pw_user_roles_granted_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                          struct pw_undo *undo, struct pw_err *err)
{
    uint32_t roles = event->user_roles_granted.roles;
    const struct pw_user *known = subject(tenant, event, err);
    if (known == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (!are_roles(roles) || (roles & known->roles) != 0) {
        return pw_misfit(err, event, "these are not roles that the person lacks");
    }
    struct pw_user *user = change(tenant, event, undo);
    set_standing(tenant, user, user->state, user->roles | roles, undo);
    return PW_OK;
}

enum pw_code pw_user_roles_revoked_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                          struct pw_undo *undo, struct pw_err *err)
{
    uint32_t roles = event->user_roles_revoked.roles;
    const struct pw_user *known = subject(tenant, event, err);
    if (known == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (!are_roles(roles) || (roles & ~known->roles) != 0 || roles == known->roles) {
        return pw_misfit(err, event, "these are not roles that the person has beside another");
    }
    struct pw_user *user = change(tenant, event, undo);
    set_standing(tenant, user, user->state, user->roles & ~roles, undo);
    return PW_OK;
}

static enum pw_code set_state(struct pw_tenant *tenant, const struct pw_event *event,
                              enum pw_user_state state, struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_user *known = subject(tenant, event, err);
    if (known == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (known->state == state) {
        return pw_misfit(err, event, "the account is so already");
    }
    struct pw_user *user = change(tenant, event, undo);
    set_standing(tenant, user, state, user->roles, undo);
    return PW_OK;
}

enum pw_code pw_user_deactivated_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                        struct pw_undo *undo, struct pw_err *err)
{
    return set_state(tenant, event, PW_USER_DEACTIVATED, undo, err);
}

enum pw_code pw_user_reactivated_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                        struct pw_undo *undo, struct pw_err *err)
{
    return set_state(tenant, event, PW_USER_ACTIVE, undo, err);
}

enum pw_code pw_user_password_set_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                         struct pw_undo *undo, struct pw_err *err)
{
    struct pw_str sealed = event->user_password_set.password;
    if (subject(tenant, event, err) == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (sealed.len == 0 || sealed.len > PW_SEALED_PASSWORD_BYTES_MAX) {
        return pw_misfit(err, event, "the password cannot be");
    }
    struct pw_user *user = change(tenant, event, undo);
    user->reset_token_hash = (struct pw_hash){{0}};
    user->reset_expires_at_us = 0;
    keep_password(tenant, &event->stream_id, sealed, undo);
    return PW_OK;
}

enum pw_code pw_user_reset_token_issued_evolve(struct pw_tenant *tenant,
                                               const struct pw_event *event, struct pw_undo *undo,
                                               struct pw_err *err)
{
    if (subject(tenant, event, err) == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    struct pw_user *user = change(tenant, event, undo);
    user->reset_token_hash = event->user_reset_token_issued.token_hash;
    user->reset_expires_at_us = event->user_reset_token_issued.expires_at;
    return PW_OK;
}

enum pw_code pw_user_preferences_set_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                            struct pw_undo *undo, struct pw_err *err)
{
    if (subject(tenant, event, err) == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    change(tenant, event, undo); /* Decisions do not need them. */
    return PW_OK;
}

enum pw_code pw_user_key_destroyed_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                          struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_user *known = subject(tenant, event, err);
    if (known == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (!pw_id_equal(&known->key_id, &event->user_key_destroyed.key_id)) {
        return pw_misfit(err, event, "it is not the person's key");
    }
    pw_map_remove(tenant->emails, &known->email_tag, undo);
    pw_map_remove(tenant->passwords, &event->stream_id, undo);
    struct pw_user *user = change(tenant, event, undo);
    set_standing(tenant, user, PW_USER_ERASED, user->roles, undo);
    user->email_tag = (struct pw_hash){{0}};
    user->reset_token_hash = (struct pw_hash){{0}};
    user->reset_expires_at_us = 0;
    return PW_OK;
}
