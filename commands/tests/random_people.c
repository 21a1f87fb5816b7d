/* commands/tests/random_people.c: accounts and sessions in random sequences; random.h says what for. */
#include "commands/tests/random.h"

#include <criterion/criterion.h>

#define PEOPLE    24
#define ADDRESSES 9
#define TOKENS    5
#define DAY_US    (INT64_C(86400) * PW_US_PER_SECOND)

static const struct pw_str passwords[] = {TEXT("sealed one"), TEXT("sealed two"),
                                          TEXT("sealed three")};
static const uint32_t roles[] = {PW_ROLE(ADMIN), PW_ROLE(STUDENT),
                                 PW_ROLE(STUDENT) | PW_ROLE(ADMIN), PW_ROLE(GRADER), PW_EVERYONE};

/* --- The model: what the kept events say of a person, and of a session --- */

struct person {
    bool known;
    bool shut_out;
    bool forgotten;
    uint32_t roles;
    struct pw_hash address;
    struct pw_str password; /* Empty: none. */
    struct pw_hash token;
    int64_t token_until_us; /* 0: there is none. */
};

struct sitting {
    bool live;
    struct pw_id user_id;
    int64_t refreshed_at_us;
    int64_t expires_at_us;
    int64_t ends_at_us;
    uint32_t version;
};

static struct person person_of(const struct run *run, uint32_t tenant, const struct pw_id *id)
{
    struct person person = {.known = false};
    for (uint32_t i = 0; i < run->event_count; i++) {
        const struct pw_event *event = &run->kept[i].event;
        if (run->kept[i].tenant != tenant || !pw_id_equal(&event->stream_id, id)) {
            continue;
        }
        switch (event->type) {
        case PW_EVENT_USER_REGISTERED:
            person = (struct person){.known = true,
                                     .roles = event->user_registered.roles,
                                     .address = event->user_registered.email_tag,
                                     .password = event->user_registered.password};
            break;
        case PW_EVENT_USER_PROFILE_UPDATED:
            person.address = event->user_profile_updated.email_tag;
            break;
        case PW_EVENT_USER_ROLES_GRANTED: person.roles |= event->user_roles_granted.roles; break;
        case PW_EVENT_USER_ROLES_REVOKED: person.roles &= ~event->user_roles_revoked.roles; break;
        case PW_EVENT_USER_DEACTIVATED: person.shut_out = true; break;
        case PW_EVENT_USER_REACTIVATED: person.shut_out = false; break;
        case PW_EVENT_USER_PASSWORD_SET:
            person.password = event->user_password_set.password;
            person.token_until_us = 0;
            break;
        case PW_EVENT_USER_RESET_TOKEN_ISSUED:
            person.token = event->user_reset_token_issued.token_hash;
            person.token_until_us = event->user_reset_token_issued.expires_at;
            break;
        case PW_EVENT_USER_KEY_DESTROYED: person.forgotten = true; break;
        default: break;
        }
    }
    return person;
}

static struct sitting sitting_of(const struct run *run, uint32_t tenant, const struct pw_id *id)
{
    struct sitting sitting = {.live = false};
    for (uint32_t i = 0; i < run->event_count; i++) {
        const struct pw_event *event = &run->kept[i].event;
        if (run->kept[i].tenant != tenant || !pw_id_equal(&event->stream_id, id)) {
            continue;
        }
        if (event->type == PW_EVENT_SESSION_OPENED) {
            sitting = (struct sitting){.live = true,
                                       .user_id = event->session_opened.user_id,
                                       .expires_at_us = event->session_opened.expires_at,
                                       .ends_at_us = event->session_opened.ends_at,
                                       .version = 1};
        } else if (event->type == PW_EVENT_SESSION_REFRESHED) {
            sitting.refreshed_at_us = event->session_refreshed.refreshed_at;
            sitting.expires_at_us = event->session_refreshed.expires_at;
            sitting.version++;
        } else if (event->type == PW_EVENT_SESSION_REVOKED) {
            sitting.live = false;
        }
    }
    return sitting;
}

static bool is_active(const struct person *person)
{
    return person->known && !person->shut_out && !person->forgotten;
}

static bool is_admin(const struct person *person)
{
    return is_active(person) && (person->roles & PW_ROLE(ADMIN)) != 0;
}

static uint32_t admins_of(const struct run *run, uint32_t tenant)
{
    uint32_t count = 0;
    for (uint32_t number = 0; number < PEOPLE; number++) {
        struct pw_id id = random_id_of(KIND_USER, number);
        struct person person = person_of(run, tenant, &id);
        count += is_admin(&person);
    }
    return count;
}

/* The person's live sessions; of these, *ret_fresh have not expired. */
static uint32_t sittings_of(const struct run *run, uint32_t tenant, const struct pw_id *user_id,
                            uint32_t *ret_fresh)
{
    uint32_t count = 0;
    *ret_fresh = 0;
    for (uint32_t i = 0; i < run->event_count; i++) {
        const struct pw_event *event = &run->kept[i].event;
        if (run->kept[i].tenant == tenant && event->type == PW_EVENT_SESSION_OPENED &&
            pw_id_equal(&event->session_opened.user_id, user_id)) {
            struct sitting sitting = sitting_of(run, tenant, &event->stream_id);
            count += sitting.live;
            *ret_fresh += sitting.live && run->now_us < sitting.expires_at_us;
        }
    }
    return count;
}

/* Whether somebody else has the address. */
static bool is_taken(const struct run *run, uint32_t tenant, const struct pw_hash *address,
                     const struct pw_id *asker)
{
    bool taken = false;
    for (uint32_t number = 0; number < PEOPLE; number++) {
        struct pw_id id = random_id_of(KIND_USER, number);
        struct person person = person_of(run, tenant, &id);
        taken |= person.known && !person.forgotten && !pw_id_equal(&id, asker) &&
                 pw_hash_equal(&person.address, address);
    }
    return taken;
}

/* The tenant's key, nil where none was chosen. */
static struct pw_id equality_key_of(const struct run *run, uint32_t tenant)
{
    struct pw_id key_id = {{0}};
    for (uint32_t i = 0; i < run->event_count; i++) {
        const struct kept *kept = &run->kept[i];
        if (kept->tenant == tenant && kept->event.type == PW_EVENT_TENANT_EQUALITY_KEY_CHOSEN) {
            key_id = kept->event.tenant_equality_key_chosen.key_id;
        }
    }
    return key_id;
}

/* --- What must be answered --- */

static enum pw_code foretell_address(const struct run *run, uint32_t tenant,
                                     const struct pw_hash *address, const struct pw_id *key_id,
                                     const struct pw_id *asker)
{
    struct pw_id chosen = equality_key_of(run, tenant);
    return pw_id_is_nil(&chosen) || !pw_id_equal(&chosen, key_id) ? PW_ERR_ACCOUNTS_OFF
           : is_taken(run, tenant, address, asker)                ? PW_ERR_EMAIL_TAKEN
                                                                  : PW_OK;
}

/* What an admin does to somebody. */
static enum pw_code foretell_about(const struct run *run, uint32_t tenant,
                                   const struct pw_command *command, const struct pw_id *user_id,
                                   uint32_t *count)
{
    struct person person = person_of(run, tenant, user_id);
    uint32_t fresh;
    if (!person.known) {
        return PW_ERR_NO_SUCH_USER;
    }
    if (person.forgotten) {
        *count = 0;
        return command->type == PW_COMMAND_USER_ERASE ? PW_OK : PW_ERR_USER_ERASED;
    }
    bool needed = is_admin(&person) && admins_of(run, tenant) == 1;
    uint32_t gone = command->user_revoke_roles.roles & person.roles;
    switch (command->type) {
    case PW_COMMAND_USER_UPDATE_PROFILE:
        return foretell_address(run, tenant, &command->user_update_profile.email_tag,
                                &command->user_update_profile.equality_key_id, user_id);
    case PW_COMMAND_USER_GRANT_ROLES:
        *count = (command->user_grant_roles.roles & ~person.roles) != 0;
        return person.shut_out ? PW_ERR_USER_NOT_ACTIVE : PW_OK;
    case PW_COMMAND_USER_REVOKE_ROLES:
        *count = gone != 0;
        return gone == person.roles                     ? PW_ERR_LAST_ROLE
               : (gone & PW_ROLE(ADMIN)) != 0 && needed ? PW_ERR_LAST_ADMIN
                                                        : PW_OK;
    case PW_COMMAND_USER_REACTIVATE: *count = person.shut_out; return PW_OK;
    case PW_COMMAND_USER_ISSUE_RESET_TOKEN: return person.shut_out ? PW_ERR_USER_NOT_ACTIVE : PW_OK;
    default:
        *count = command->type == PW_COMMAND_USER_DEACTIVATE && person.shut_out
                     ? 0
                     : 1 + sittings_of(run, tenant, user_id, &fresh);
        return *count > 0 && needed ? PW_ERR_LAST_ADMIN : PW_OK;
    }
}

static bool is_password(const struct person *person, const struct pw_hash *verified)
{
    struct pw_hash hash = pw_sha256(person->password.ptr, person->password.len, NULL, 0);
    return person->password.len > 0 && pw_hash_equal(&hash, verified);
}

/* What people do themselves. */
static enum pw_code foretell_own(const struct run *run, uint32_t tenant,
                                 const struct pw_command *command, const struct pw_id *user_id,
                                 uint32_t *count)
{
    struct person person = person_of(run, tenant, user_id);
    uint32_t fresh;
    uint32_t live = sittings_of(run, tenant, user_id, &fresh);
    if (!is_active(&person)) {
        return person.known ? PW_ERR_USER_NOT_ACTIVE : PW_ERR_NO_SUCH_USER;
    }
    switch (command->type) {
    case PW_COMMAND_USER_CHANGE_PASSWORD: {
        struct sitting kept =
            sitting_of(run, tenant, &command->user_change_password.kept_session_id);
        *count = 1 + live - (kept.live && pw_id_equal(&kept.user_id, user_id));
        return is_password(&person, &command->user_change_password.verified)
                   ? PW_OK
                   : PW_ERR_PASSWORD_WRONG;
    }
    case PW_COMMAND_USER_RESET_PASSWORD:
        *count = 1 + live;
        return run->now_us < person.token_until_us &&
                       pw_hash_equal(&person.token, &command->user_reset_password.token_hash)
                   ? PW_OK
                   : PW_ERR_RESET_TOKEN_INVALID;
    case PW_COMMAND_SESSION_OPEN:
        *count = 1 + live - fresh + (fresh == PW_SESSIONS_MAX);
        return is_password(&person, &command->session_open.verified) ? PW_OK
                                                                     : PW_ERR_PASSWORD_WRONG;
    default: return PW_OK; /* Preferences. */
    }
}

static enum pw_code foretell_refresh(const struct run *run, const struct sitting *sitting,
                                     uint32_t token, uint32_t *count)
{
    if (!sitting->live || run->now_us >= sitting->expires_at_us || token > sitting->version) {
        return PW_ERR_SESSION_ENDED;
    }
    *count = token == sitting->version;
    return *count == 1 || (token + 1 == sitting->version &&
                           run->now_us - sitting->refreshed_at_us < 10 * PW_US_PER_SECOND)
               ? PW_OK
               : PW_ERR_SESSION_TOKEN_REUSED;
}

enum pw_code people_foretell(const struct run *run, uint32_t tenant,
                             const struct pw_command *command, const struct pw_context *by,
                             uint32_t *ret_event_count)
{
    const struct pw_id *target = pw_command_target(command);
    struct sitting sitting = sitting_of(run, tenant, target);
    struct pw_id chosen = equality_key_of(run, tenant);
    *ret_event_count = 1;
    switch (command->type) {
    case PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY:
        *ret_event_count = pw_id_is_nil(&chosen);
        return PW_OK;
    case PW_COMMAND_USER_REGISTER:
        return foretell_address(run, tenant, &command->user_register.email_tag,
                                &command->user_register.equality_key_id, target);
    case PW_COMMAND_USER_CHANGE_PASSWORD:
    case PW_COMMAND_USER_RESET_PASSWORD:
    case PW_COMMAND_USER_SET_PREFERENCES:
        return foretell_own(run, tenant, command, target, ret_event_count);
    case PW_COMMAND_SESSION_OPEN:
        return foretell_own(run, tenant, command, &command->session_open.user_id, ret_event_count);
    case PW_COMMAND_SESSION_REFRESH:
        return foretell_refresh(run, &sitting, command->session_refresh.token_version,
                                ret_event_count);
    case PW_COMMAND_SESSION_REVOKE:
        return sitting.live &&
                       (by->role == PW_ROLE_ADMIN || pw_id_equal(&sitting.user_id, &by->actor_id))
                   ? PW_OK
                   : PW_ERR_NO_SUCH_SESSION;
    default: return foretell_about(run, tenant, command, target, ret_event_count);
    }
}

/* An address is one person's, an admin stays where there was one, and nobody has more than eight sessions, or one while shut out. */
void people_check_rules(const struct run *run, uint32_t tenant)
{
    bool had_admin = false;
    for (uint32_t i = 0; i < run->event_count; i++) {
        const struct pw_event *event = &run->kept[i].event;
        had_admin |= run->kept[i].tenant == tenant &&
                     ((event->type == PW_EVENT_USER_REGISTERED &&
                       (event->user_registered.roles & PW_ROLE(ADMIN)) != 0) ||
                      (event->type == PW_EVENT_USER_ROLES_GRANTED &&
                       (event->user_roles_granted.roles & PW_ROLE(ADMIN)) != 0));
    }
    cr_assert(!had_admin || admins_of(run, tenant) > 0, "no admin is left");
    for (uint32_t number = 0; number < PEOPLE; number++) {
        struct pw_id id = random_id_of(KIND_USER, number);
        struct person person = person_of(run, tenant, &id);
        uint32_t fresh;
        uint32_t live = sittings_of(run, tenant, &id, &fresh);
        cr_assert(person.roles != 0 || !person.known, "a person without a role");
        cr_assert(live == 0 || is_active(&person), "a session of somebody who is not active");
        cr_assert_leq(live, PW_SESSIONS_MAX);
        cr_assert(!person.known || person.forgotten || !is_taken(run, tenant, &person.address, &id),
                  "two people with one address");
    }
}

/* --- Random commands --- */

static struct pw_str any_password(struct run *run)
{
    return passwords[random_draw(run, PW_COUNT(passwords))];
}

static struct pw_hash any_address(struct run *run)
{
    return (struct pw_hash){{1, (uint8_t)random_draw(run, ADDRESSES)}};
}

static struct pw_hash any_token(struct run *run)
{
    return (struct pw_hash){{2, (uint8_t)random_draw(run, TOKENS)}};
}

/* The person's password as a shell finds it, or now and then another. */
static struct pw_hash verified(struct run *run, uint32_t tenant, const struct pw_id *user_id)
{
    struct pw_str password = person_of(run, tenant, user_id).password;
    if (password.len == 0 || random_draw(run, 6) == 0) {
        password = any_password(run);
    }
    return pw_sha256(password.ptr, password.len, NULL, 0);
}

static uint32_t registered_count(const struct run *run, uint32_t tenant)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < run->event_count; i++) {
        count +=
            run->kept[i].tenant == tenant && run->kept[i].event.type == PW_EVENT_USER_REGISTERED;
    }
    return count;
}

static struct pw_command draw_register(struct run *run, uint32_t tenant, uint32_t number)
{
    bool stale = random_draw(run, 20) == 0;
    return (struct pw_command){
        .type = PW_COMMAND_USER_REGISTER,
        .user_register = {
            .user_id = random_id_of(KIND_USER, number),
            .email = PW_STR("sealed address"),
            .name = PW_STR("sealed name"),
            .roles = roles[random_draw(run, PW_COUNT(roles))],
            .password = random_draw(run, 4) == 0 ? PW_STR("") : any_password(run),
            .email_tag = any_address(run),
            .key_id = random_id_of(KIND_KEY, 100 + number),
            .equality_key_id = random_id_of(KIND_KEY, stale ? 50 : tenant),
        }};
}

static struct pw_command draw_about(struct run *run, uint32_t tenant, const struct pw_id *user_id)
{
    uint32_t given = roles[random_draw(run, PW_COUNT(roles))];
    switch (random_draw(run, 8)) {
    case 0:
        return (struct pw_command){.type = PW_COMMAND_USER_UPDATE_PROFILE,
                                   .user_update_profile = {*user_id, PW_STR("another"),
                                                           PW_STR("name"), any_address(run),
                                                           random_id_of(KIND_KEY, tenant)}};
    case 1:
        return (struct pw_command){.type = PW_COMMAND_USER_GRANT_ROLES,
                                   .user_grant_roles = {*user_id, given}};
    case 2:
        return (struct pw_command){.type = PW_COMMAND_USER_REVOKE_ROLES,
                                   .user_revoke_roles = {*user_id, given}};
    case 3:
        return (struct pw_command){.type = PW_COMMAND_USER_DEACTIVATE,
                                   .user_deactivate = {*user_id, PW_STR("sealed why")}};
    case 4:
    case 5:
        return (struct pw_command){.type = PW_COMMAND_USER_REACTIVATE,
                                   .user_reactivate = {*user_id, PW_STR("")}};
    case 6:
        return (struct pw_command){.type = PW_COMMAND_USER_ISSUE_RESET_TOKEN,
                                   .user_issue_reset_token = {*user_id, any_token(run)}};
    default: return (struct pw_command){.type = PW_COMMAND_USER_ERASE, .user_erase = {*user_id}};
    }
}

static struct pw_id any_session(struct run *run)
{
    uint32_t back = random_draw(run, 12);
    return random_id_of(KIND_SESSION, run->session_count < back ? 0 : run->session_count - back);
}

static struct pw_command draw_own(struct run *run, uint32_t tenant, const struct pw_id *user_id)
{
    struct pw_command command = {.type = PW_COMMAND_SESSION_OPEN};
    struct pw_hash hash = verified(run, tenant, user_id);
    switch (random_draw(run, 12)) {
    case 0:
        command.type = PW_COMMAND_USER_CHANGE_PASSWORD;
        command.user_change_password = (struct pw_user_change_password){
            *user_id, PW_STR("old"), any_password(run), hash, any_session(run)};
        break;
    case 1:
    case 2:
        command.type = PW_COMMAND_USER_RESET_PASSWORD;
        command.user_reset_password = (struct pw_user_reset_password){
            *user_id, PW_STR("once"), any_password(run), any_token(run)};
        break;
    case 3:
        command.type = PW_COMMAND_USER_SET_PREFERENCES;
        command.user_set_preferences =
            (struct pw_user_set_preferences){*user_id, PW_STR("en"), PW_STR("Europe/Vienna")};
        break;
    default:
        command.session_open =
            (struct pw_session_open){random_id_of(KIND_SESSION, ++run->session_count),
                                     PW_STR("whose"),
                                     PW_STR("secret"),
                                     PW_STR("sealed label"),
                                     *user_id,
                                     hash};
        break;
    }
    return command;
}

static struct pw_command draw_session(struct run *run, uint32_t tenant, struct pw_context *by)
{
    struct pw_id session_id = any_session(run);
    struct sitting sitting = sitting_of(run, tenant, &session_id);
    uint32_t older = random_draw(run, 4) == 0 ? random_draw(run, 3) : 0;
    if (random_draw(run, 3) != 0) {
        uint32_t token = sitting.version + (random_draw(run, 20) == 0);
        return (struct pw_command){
            .type = PW_COMMAND_SESSION_REFRESH,
            .session_refresh = {session_id, PW_STR("last"), token < older ? 0 : token - older}};
    }
    if (by->role != PW_ROLE_ADMIN) {
        by->actor_id = random_draw(run, 6) == 0 ? random_id_of(KIND_USER, 0) : sitting.user_id;
    }
    return (struct pw_command){.type = PW_COMMAND_SESSION_REVOKE, .session_revoke = {session_id}};
}

struct pw_command people_draw(struct run *run, uint32_t tenant, struct pw_context *by)
{
    uint32_t count = registered_count(run, tenant);
    /* Few of them sign in, so that they have many sessions. */
    struct pw_id anybody = random_id_of(KIND_USER, random_draw(run, count + 1));
    struct pw_id regular = random_id_of(KIND_USER, random_draw(run, count < 3 ? count + 1 : 4));
    uint32_t what = random_draw(run, 100);
    *by = (struct pw_context){.decided_at_us = run->now_us,
                              .actor_id = anybody,
                              .role = random_draw(run, 4) == 0 ? PW_ROLE_ADMIN : PW_ROLE_STUDENT};
    if (what < 2) {
        return (struct pw_command){.type = PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY,
                                   .tenant_choose_equality_key = {random_id_of(KIND_TENANT, tenant),
                                                                  random_id_of(KIND_KEY, tenant)}};
    }
    return what < 8 && count < PEOPLE ? draw_register(run, tenant, count)
           : what < 36                ? draw_about(run, tenant, &anybody)
           : what < 76                ? draw_own(run, tenant, &regular)
                                      : draw_session(run, tenant, by);
}

/* Seconds, so that the moments after a refresh are met; now and then days, for what expires. */
void people_pass_time(struct run *run)
{
    uint32_t dice = random_draw(run, 300);
    run->now_us += dice == 0   ? (int64_t)(1 + random_draw(run, 8)) * DAY_US
                   : dice < 60 ? (int64_t)random_draw(run, 8) * PW_US_PER_SECOND
                               : 0;
}
