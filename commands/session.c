/* commands/session.c: who is signed in where. A person's live sessions are a chain, newest first; one that has ended is taken out of
 * the state, since nothing is decided on it any more. */
#include "commands/tenant_state.h"

#define DAY_US INT64_C(86400) * PW_US_PER_SECOND

/* A session that is not used ends after a week, any other after a month. */
#define IDLE_US   (7 * DAY_US)
#define LENGTH_US (30 * DAY_US)

/* Two windows of one browser, or a request whose answer was lost, may come with the token that was used a moment ago: they get what
 * the first one got. */
#define REPEAT_US (10 * PW_US_PER_SECOND)

static_assert(PW_SESSIONS_MAX + 1 <= PW_DECISION_EVENTS_MAX,
              "all of a person's sessions end at once");

static void end_session(const struct pw_id *session_id, const struct pw_session *session,
                        struct pw_str reason, struct pw_decision *out)
{
    struct pw_event *event = pw_decision_add(out, PW_EVENT_SESSION_REVOKED, session_id);
    event->session_revoked =
        (struct pw_session_revoked){.user_id = session->user_id, .reason = reason};
}

void pw_session_end_all(const struct pw_tenant *tenant, const struct pw_user *user,
                        const struct pw_id *kept_id, struct pw_str reason, struct pw_decision *out)
{
    const struct pw_session *session = NULL;
    for (struct pw_id id = user->first_session_id;
         !pw_id_is_nil(&id) && out->event_count < PW_DECISION_EVENTS_MAX; id = session->next_id) {
        session = pw_tenant_session(tenant, &id);
        if (kept_id == NULL || !pw_id_equal(&id, kept_id)) {
            end_session(&id, session, reason, out);
        }
    }
}

/* Ends what has expired, and the oldest if there would be too many. */
static void make_room(const struct pw_tenant *tenant, const struct pw_user *user,
                      int64_t decided_at_us, struct pw_decision *out)
{
    const struct pw_session *session = NULL;
    uint32_t live_count = 1; /* The one that is opened. */
    for (struct pw_id id = user->first_session_id;
         !pw_id_is_nil(&id) && out->event_count < PW_DECISION_EVENTS_MAX; id = session->next_id) {
        session = pw_tenant_session(tenant, &id);
        if (decided_at_us >= session->expires_at_us) {
            end_session(&id, session, PW_STR("expired"), out);
        } else if (live_count == PW_SESSIONS_MAX) {
            end_session(&id, session, PW_STR("replaced"), out);
        } else {
            live_count++;
        }
    }
}

static int64_t expiry(int64_t decided_at_us, int64_t ends_at_us)
{
    return decided_at_us + IDLE_US < ends_at_us ? decided_at_us + IDLE_US : ends_at_us;
}

enum pw_code pw_session_open_decide(const struct pw_tenant *tenant,
                                    const struct pw_session_open *command,
                                    const struct pw_context *context, struct pw_decision *out,
                                    struct pw_err *err)
{
    const struct pw_user *user = pw_tenant_user(tenant, &command->user_id);
    if (user == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_USER, "email");
    }
    if (user->state != PW_USER_ACTIVE) {
        return pw_fail(err, PW_ERR_USER_NOT_ACTIVE, "email");
    }
    if (!pw_user_has_password(tenant, &command->user_id, &command->verified)) {
        return pw_fail(err, PW_ERR_PASSWORD_WRONG, "password");
    }
    int64_t ends_at_us = context->decided_at_us + LENGTH_US;
    struct pw_event *event = pw_decision_add(out, PW_EVENT_SESSION_OPENED, &command->session_id);
    event->session_opened = (struct pw_session_opened){
        .user_id = command->user_id,
        .label = command->label,
        .expires_at = expiry(context->decided_at_us, ends_at_us),
        .ends_at = ends_at_us,
    };
    make_room(tenant, user, context->decided_at_us, out);
    return PW_OK;
}

enum pw_code pw_session_refresh_decide(const struct pw_tenant *tenant,
                                       const struct pw_session_refresh *command,
                                       const struct pw_context *context, struct pw_decision *out,
                                       struct pw_err *err)
{
    const struct pw_session *session = pw_tenant_session(tenant, &command->session_id);
    if (session == NULL || context->decided_at_us >= session->expires_at_us) {
        return pw_fail(err, PW_ERR_SESSION_ENDED, "refresh_token");
    }
    const struct pw_user *user = pw_tenant_user(tenant, &session->user_id);
    if (user == NULL || user->state != PW_USER_ACTIVE ||
        command->token_version > session->version) {
        return pw_fail(err, PW_ERR_SESSION_ENDED, "refresh_token");
    }
    if (command->token_version < session->version) {
        bool is_repeat = command->token_version == session->version - 1 &&
                         context->decided_at_us < session->refreshed_at_us + REPEAT_US;
        return is_repeat ? PW_OK : pw_fail(err, PW_ERR_SESSION_TOKEN_REUSED, "refresh_token");
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_SESSION_REFRESHED, &command->session_id);
    event->session_refreshed = (struct pw_session_refreshed){
        .user_id = session->user_id,
        .refreshed_at = context->decided_at_us,
        .expires_at = expiry(context->decided_at_us, session->ends_at_us),
    };
    return PW_OK;
}

enum pw_code pw_session_revoke_decide(const struct pw_tenant *tenant,
                                      const struct pw_session_revoke *command,
                                      const struct pw_context *context, struct pw_decision *out,
                                      struct pw_err *err)
{
    const struct pw_session *session = pw_tenant_session(tenant, &command->session_id);
    bool is_own = session != NULL && pw_id_equal(&session->user_id, &context->actor_id);
    bool may_any = context->role == PW_ROLE_ADMIN || context->role == PW_ROLE_SYSTEM;
    if (session == NULL || (!is_own && !may_any)) {
        return pw_fail(err, PW_ERR_NO_SUCH_SESSION, "session_id");
    }
    end_session(&command->session_id, session,
                context->role == PW_ROLE_SYSTEM ? PW_STR("reused") : PW_STR("revoked"), out);
    return PW_OK;
}

/* --- What happened --- */

enum pw_code pw_session_opened_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                      struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_session_opened *opened = &event->session_opened;
    const struct pw_user *known = pw_tenant_user(tenant, &opened->user_id);
    if (pw_tenant_session(tenant, &event->stream_id) != NULL) {
        return pw_misfit(err, event, "the session is open already");
    }
    if (known == NULL || known->state != PW_USER_ACTIVE) {
        return pw_misfit(err, event, "its person cannot sign in");
    }
    struct pw_user *user = pw_map_put(tenant->users, &opened->user_id, undo);
    struct pw_session *session = pw_map_put(tenant->sessions, &event->stream_id, undo);
    session->user_id = opened->user_id;
    session->next_id = user->first_session_id;
    session->expires_at_us = opened->expires_at;
    session->ends_at_us = opened->ends_at;
    session->version = event->stream_version;
    user->first_session_id = event->stream_id;
    return PW_OK;
}

enum pw_code pw_session_refreshed_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                         struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_session_refreshed *refreshed = &event->session_refreshed;
    const struct pw_session *known = pw_tenant_session(tenant, &event->stream_id);
    if (known == NULL || !pw_id_equal(&known->user_id, &refreshed->user_id)) {
        return pw_misfit(err, event, "the person has no such session");
    }
    struct pw_session *session = pw_map_put(tenant->sessions, &event->stream_id, undo);
    session->version = event->stream_version;
    session->refreshed_at_us = refreshed->refreshed_at;
    session->expires_at_us = refreshed->expires_at;
    return PW_OK;
}

/* Takes the session out of its person's chain. */
static void unlink_session(struct pw_tenant *tenant, struct pw_user *user, const struct pw_id *id,
                           const struct pw_id *next_id, struct pw_undo *undo)
{
    struct pw_id before = user->first_session_id;
    if (pw_id_equal(&before, id)) {
        user->first_session_id = *next_id;
        return;
    }
    const struct pw_session *at = pw_tenant_session(tenant, &before);
    while (!pw_id_equal(&at->next_id, id)) {
        before = at->next_id;
        at = pw_tenant_session(tenant, &before);
    }
    ((struct pw_session *)pw_map_put(tenant->sessions, &before, undo))->next_id = *next_id;
}

enum pw_code pw_session_revoked_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                       struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_session *session = pw_tenant_session(tenant, &event->stream_id);
    if (session == NULL || !pw_id_equal(&session->user_id, &event->session_revoked.user_id)) {
        return pw_misfit(err, event, "the person has no such session");
    }
    struct pw_user *user = pw_map_put(tenant->users, &session->user_id, undo);
    unlink_session(tenant, user, &event->stream_id, &session->next_id, undo);
    pw_map_remove(tenant->sessions, &event->stream_id, undo);
    return PW_OK;
}
