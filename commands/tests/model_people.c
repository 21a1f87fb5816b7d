/* commands/tests/model_people.c: what model.c is for seats, for accounts: the rules once more, as lists and loops over them. It shares
 * no code with the deciders, and trusts no event: what a request changes follows from the request, and from when it was decided. */
#include "commands/tests/model.h"

#include <stdlib.h>

#define PEOPLE_MAX 2048
#define SIGNED_MAX 4096
#define DAY        (24 * 60 * PW_US_PER_MINUTE)

enum standing { ACTIVE = 1, SHUT_OUT, FORGOTTEN }; /* Numbered as the fold numbers them. */

struct person {
    struct pw_id tenant;
    struct pw_id id;
    struct pw_str email;
    uint32_t roles;
    enum standing standing;
    bool has_password;
    struct pw_hash password; /* SHA-256 of what stands for it. */
    struct pw_hash token;
    int64_t token_until; /* 0: there is none. */
    uint32_t version;
};

/* In the order in which they were opened. */
struct signed_in {
    struct pw_id tenant;
    struct pw_id id;
    struct pw_id person;
    bool live;
    int64_t refreshed_at;
    int64_t expires_at;
    int64_t ends_at;
    uint32_t version;
};

struct people {
    struct person people[PEOPLE_MAX];
    struct signed_in sessions[SIGNED_MAX];
    uint32_t count;
    uint32_t session_count;
};

struct people *people_new(void)
{
    struct people *people = calloc(1, sizeof *people);
    if (people == NULL) {
        abort();
    }
    return people;
}

void people_free(struct people *people)
{
    free(people);
}

static struct person *person_of(const struct people *people, const struct pw_id *tenant,
                                const struct pw_id *id)
{
    for (uint32_t i = 0; i < people->count; i++) {
        const struct person *person = &people->people[i];
        if (pw_id_equal(&person->id, id) && pw_id_equal(&person->tenant, tenant)) {
            return (struct person *)person;
        }
    }
    return NULL;
}

/* NULL: there is none that lives. */
static struct signed_in *session_of(const struct people *people, const struct pw_id *tenant,
                                    const struct pw_id *id)
{
    for (uint32_t i = 0; i < people->session_count; i++) {
        const struct signed_in *session = &people->sessions[i];
        if (session->live && pw_id_equal(&session->id, id) &&
            pw_id_equal(&session->tenant, tenant)) {
            return (struct signed_in *)session;
        }
    }
    return NULL;
}

bool people_know(const struct people *people, const struct pw_id *tenant, const struct pw_id *id)
{
    return person_of(people, tenant, id) != NULL;
}

bool people_may_proctor(const struct people *people, const struct pw_id *tenant,
                        const struct pw_id *id)
{
    const struct person *person = person_of(people, tenant, id);
    return person != NULL && person->standing == ACTIVE && (person->roles & PW_ROLE(PROCTOR)) != 0;
}

static bool is_admin(const struct person *person)
{
    return person->standing == ACTIVE && (person->roles & PW_ROLE(ADMIN)) != 0;
}

/* Nobody but this person could give roles. */
static bool is_needed(const struct people *people, const struct person *person)
{
    bool others = false;
    for (uint32_t i = 0; i < people->count; i++) {
        const struct person *other = &people->people[i];
        others = others || (other != person && is_admin(other) &&
                            pw_id_equal(&other->tenant, &person->tenant));
    }
    return is_admin(person) && !others;
}

/* An address is one person's; what was forgotten is nobody's. */
static bool is_free(const struct people *people, const struct pw_id *tenant, struct pw_str email,
                    const struct person *asker)
{
    for (uint32_t i = 0; i < people->count; i++) {
        const struct person *person = &people->people[i];
        if (person != asker && person->standing != FORGOTTEN &&
            pw_str_equal(person->email, email) && pw_id_equal(&person->tenant, tenant)) {
            return false;
        }
    }
    return true;
}

/* --- What must be answered --- */

/* Of those in a route: who is not there, and who is not any more. */
static enum pw_code known(const struct person *person)
{
    return person == NULL                  ? PW_ERR_NO_SUCH_USER
           : person->standing == FORGOTTEN ? PW_ERR_USER_ERASED
                                           : PW_OK;
}

static enum pw_code known_and_active(const struct person *person)
{
    enum pw_code code = known(person);
    return code == PW_OK && person->standing != ACTIVE ? PW_ERR_USER_NOT_ACTIVE : code;
}

/* Of those who ask for themselves: forgotten or shut out is all one to them. */
static enum pw_code may_ask(const struct person *person)
{
    return person == NULL               ? PW_ERR_NO_SUCH_USER
           : person->standing != ACTIVE ? PW_ERR_USER_NOT_ACTIVE
                                        : PW_OK;
}

static enum pw_code with_password(const struct person *person, const struct pw_hash *verified)
{
    enum pw_code code = may_ask(person);
    bool right =
        code == PW_OK && person->has_password && pw_hash_equal(&person->password, verified);
    return code != PW_OK || right ? code : PW_ERR_PASSWORD_WRONG;
}

static enum pw_code revoke_roles(const struct people *people, const struct person *person,
                                 uint32_t roles, bool *ret_changes)
{
    enum pw_code code = known(person);
    if (code != PW_OK) {
        return code;
    }
    *ret_changes = (person->roles & roles) != 0;
    uint32_t left = person->roles & ~roles;
    return left == 0                                                    ? PW_ERR_LAST_ROLE
           : (roles & PW_ROLE(ADMIN)) != 0 && is_needed(people, person) ? PW_ERR_LAST_ADMIN
                                                                        : PW_OK;
}

/* Shuts out, or forgets: whoever is that already stays so. */
static enum pw_code take_leave(const struct people *people, const struct person *person,
                               enum standing standing, bool *ret_changes)
{
    enum pw_code code = person == NULL || standing != FORGOTTEN ? known(person) : PW_OK;
    *ret_changes = code == PW_OK && person->standing != standing;
    return *ret_changes && is_needed(people, person) ? PW_ERR_LAST_ADMIN : code;
}

static enum pw_code reset(const struct person *person, const struct pw_hash *token, int64_t now_us)
{
    enum pw_code code = may_ask(person);
    bool good =
        code == PW_OK && now_us < person->token_until && pw_hash_equal(&person->token, token);
    return code != PW_OK || good ? code : PW_ERR_RESET_TOKEN_INVALID;
}

/* The token before the last one is good for ten seconds more, and gets nothing new. */
static enum pw_code refresh(const struct signed_in *session, uint32_t token, int64_t now_us,
                            bool *ret_changes)
{
    if (session == NULL || now_us >= session->expires_at || token > session->version) {
        return PW_ERR_SESSION_ENDED;
    }
    *ret_changes = token == session->version;
    bool again =
        token + 1 == session->version && now_us < session->refreshed_at + 10 * PW_US_PER_SECOND;
    return *ret_changes || again ? PW_OK : PW_ERR_SESSION_TOKEN_REUSED;
}

enum pw_code people_decide(const struct people *people, const struct pw_job *request,
                           int64_t now_us, bool *ret_changes)
{
    const struct pw_id *tenant = &request->boundary_id;
    const struct pw_command *command = &request->command;
    const struct person *person = person_of(people, tenant, pw_command_target(command));
    enum pw_code code = known(person);
    switch (command->type) {
    case PW_COMMAND_USER_REGISTER:
        return is_free(people, tenant, command->user_register.email, NULL) ? PW_OK
                                                                           : PW_ERR_EMAIL_TAKEN;
    case PW_COMMAND_USER_UPDATE_PROFILE:
        return code != PW_OK || is_free(people, tenant, command->user_update_profile.email, person)
                   ? code
                   : PW_ERR_EMAIL_TAKEN;
    case PW_COMMAND_USER_GRANT_ROLES:
        code = known_and_active(person);
        *ret_changes = code == PW_OK && (command->user_grant_roles.roles & ~person->roles) != 0;
        return code;
    case PW_COMMAND_USER_REVOKE_ROLES:
        return revoke_roles(people, person, command->user_revoke_roles.roles, ret_changes);
    case PW_COMMAND_USER_DEACTIVATE: return take_leave(people, person, SHUT_OUT, ret_changes);
    case PW_COMMAND_USER_REACTIVATE:
        *ret_changes = code == PW_OK && person->standing != ACTIVE;
        return code;
    case PW_COMMAND_USER_CHANGE_PASSWORD:
        return with_password(person, &command->user_change_password.verified);
    case PW_COMMAND_USER_ISSUE_RESET_TOKEN: return known_and_active(person);
    case PW_COMMAND_USER_RESET_PASSWORD:
        return reset(person, &command->user_reset_password.token_hash, now_us);
    case PW_COMMAND_USER_SET_PREFERENCES: return may_ask(person);
    case PW_COMMAND_USER_ERASE: return take_leave(people, person, FORGOTTEN, ret_changes);
    case PW_COMMAND_SESSION_OPEN:
        return with_password(person_of(people, tenant, &command->session_open.user_id),
                             &command->session_open.verified);
    case PW_COMMAND_SESSION_REFRESH:
        return refresh(session_of(people, tenant, &command->session_refresh.session_id),
                       command->session_refresh.token_version, now_us, ret_changes);
    case PW_COMMAND_SESSION_REVOKE: {
        const struct signed_in *session =
            session_of(people, tenant, &command->session_revoke.session_id);
        bool may = session != NULL && (request->role == PW_ROLE_ADMIN ||
                                       pw_id_equal(&session->person, &request->actor_id));
        return may ? PW_OK : PW_ERR_NO_SUCH_SESSION;
    }
    default: abort();
    }
}

/* --- What it changes --- */

/* Ends the person's sessions, but for one that may be kept. */
static void end_sessions(struct people *people, const struct person *person,
                         const struct pw_id *kept)
{
    for (uint32_t i = 0; i < people->session_count; i++) {
        struct signed_in *session = &people->sessions[i];
        if (pw_id_equal(&session->person, &person->id) &&
            pw_id_equal(&session->tenant, &person->tenant) &&
            (kept == NULL || !pw_id_equal(&session->id, kept))) {
            session->live = false;
        }
    }
}

static void set_password(struct person *person, struct pw_str password)
{
    person->has_password = password.len > 0;
    person->password = pw_sha256(password.ptr, password.len, NULL, 0);
    person->token_until = 0;
}

static uint32_t register_apply(struct people *people, const struct pw_job *request,
                               const struct pw_id *id)
{
    const struct pw_user_register *command = &request->command.user_register;
    assert(people->count < PEOPLE_MAX);
    struct person *person = &people->people[people->count++];
    *person = (struct person){
        .tenant = request->boundary_id,
        .id = *id,
        .email = command->email,
        .roles = command->roles,
        .standing = ACTIVE,
        .version = 1,
    };
    set_password(person, command->password);
    return 1;
}

/* The ninth ends the oldest; those that have expired go first, and do not count. */
static uint32_t open_apply(struct people *people, const struct pw_job *request, int64_t now_us,
                           const struct pw_id *id)
{
    uint32_t live_count = 0;
    assert(people->session_count < SIGNED_MAX);
    people->sessions[people->session_count++] = (struct signed_in){
        .tenant = request->boundary_id,
        .id = *id,
        .person = request->command.session_open.user_id,
        .live = true,
        .expires_at = now_us + 7 * DAY,
        .ends_at = now_us + 30 * DAY,
        .version = 1,
    };
    for (uint32_t i = people->session_count; i-- > 0;) {
        struct signed_in *session = &people->sessions[i];
        if (session->live && pw_id_equal(&session->tenant, &request->boundary_id) &&
            pw_id_equal(&session->person, &request->command.session_open.user_id)) {
            session->live = now_us < session->expires_at && live_count < 8;
            live_count += session->live;
        }
    }
    return 1;
}

static uint32_t session_apply(struct people *people, const struct pw_job *request, int64_t now_us,
                              const struct pw_id *id)
{
    if (request->command.type == PW_COMMAND_SESSION_OPEN) {
        return open_apply(people, request, now_us, id);
    }
    struct signed_in *session = session_of(people, &request->boundary_id, id);
    if (request->command.type == PW_COMMAND_SESSION_REVOKE) {
        session->live = false;
    } else {
        int64_t week_us = now_us + 7 * DAY;
        session->refreshed_at = now_us;
        session->expires_at = week_us < session->ends_at ? week_us : session->ends_at;
    }
    return ++session->version;
}

static uint32_t person_apply(struct people *people, struct person *person,
                             const struct pw_command *command, int64_t now_us)
{
    switch (command->type) {
    case PW_COMMAND_USER_UPDATE_PROFILE: person->email = command->user_update_profile.email; break;
    case PW_COMMAND_USER_GRANT_ROLES: person->roles |= command->user_grant_roles.roles; break;
    case PW_COMMAND_USER_REVOKE_ROLES: person->roles &= ~command->user_revoke_roles.roles; break;
    case PW_COMMAND_USER_DEACTIVATE:
        person->standing = SHUT_OUT;
        end_sessions(people, person, NULL);
        break;
    case PW_COMMAND_USER_REACTIVATE: person->standing = ACTIVE; break;
    case PW_COMMAND_USER_CHANGE_PASSWORD:
        set_password(person, command->user_change_password.new_password);
        end_sessions(people, person, &command->user_change_password.kept_session_id);
        break;
    case PW_COMMAND_USER_ISSUE_RESET_TOKEN:
        person->token = command->user_issue_reset_token.token_hash;
        person->token_until = now_us + 3 * DAY;
        break;
    case PW_COMMAND_USER_RESET_PASSWORD:
        set_password(person, command->user_reset_password.new_password);
        end_sessions(people, person, NULL);
        break;
    case PW_COMMAND_USER_ERASE:
        person->standing = FORGOTTEN;
        set_password(person, (struct pw_str){NULL, 0});
        end_sessions(people, person, NULL);
        break;
    default: break; /* Preferences are for read models only. */
    }
    return ++person->version;
}

uint32_t people_apply(struct people *people, const struct pw_job *request, int64_t now_us,
                      const struct pw_id *stream_id)
{
    switch (request->command.type) {
    case PW_COMMAND_USER_REGISTER: return register_apply(people, request, stream_id);
    case PW_COMMAND_SESSION_OPEN:
    case PW_COMMAND_SESSION_REFRESH:
    case PW_COMMAND_SESSION_REVOKE: return session_apply(people, request, now_us, stream_id);
    default:
        return person_apply(people, person_of(people, &request->boundary_id, stream_id),
                            &request->command, now_us);
    }
}

/* --- Against the fold --- */

static bool person_differs(const struct person *person, const struct pw_tenant *tenant)
{
    const struct pw_user *folded = pw_tenant_user(tenant, &person->id);
    struct pw_str password = pw_tenant_password(tenant, &person->id);
    struct pw_hash hash = pw_sha256(password.ptr, password.len, NULL, 0);
    return folded == NULL || folded->version != person->version || folded->roles != person->roles ||
           folded->state != (uint32_t)person->standing ||
           folded->reset_expires_at_us != person->token_until ||
           (password.len > 0) != person->has_password ||
           (password.len > 0 && !pw_hash_equal(&hash, &person->password));
}

static bool session_differs(const struct signed_in *session, const struct pw_tenant *tenant)
{
    const struct pw_session *folded = pw_tenant_session(tenant, &session->id);
    return folded == NULL || folded->version != session->version ||
           !pw_id_equal(&folded->user_id, &session->person) ||
           folded->expires_at_us != session->expires_at || folded->ends_at_us != session->ends_at;
}

const char *people_differ(const struct people *people, const struct pw_tenant *tenant,
                          const struct pw_id *tenant_id)
{
    uint32_t people_left = 0;
    uint32_t sessions_left = 0;
    const struct pw_id *id;
    const struct pw_user *user;
    const struct pw_session *session;
    for (uint64_t cursor = 0; pw_tenant_next_user(tenant, &cursor, &id, &user);) {
        people_left++;
    }
    for (uint64_t cursor = 0; pw_tenant_next_session(tenant, &cursor, &id, &session);) {
        sessions_left++;
    }
    for (uint32_t i = 0; i < people->count; i++) {
        if (pw_id_equal(&people->people[i].tenant, tenant_id)) {
            if (person_differs(&people->people[i], tenant)) {
                return "a person";
            }
            people_left--;
        }
    }
    for (uint32_t i = 0; i < people->session_count; i++) {
        if (people->sessions[i].live && pw_id_equal(&people->sessions[i].tenant, tenant_id)) {
            if (session_differs(&people->sessions[i], tenant)) {
                return "a session";
            }
            sessions_left--;
        }
    }
    return people_left != 0     ? "the number of people"
           : sessions_left != 0 ? "the number of sessions"
                                : NULL;
}
