/* integration/sim/commands_people.c: what clients ask for about accounts. Few addresses, so that they are often taken; and passwords,
 * tokens and sessions as a client knows them, which another one may have changed meanwhile.
 *
 * What a shell makes of a password or of a one-time token is known here beforehand: the sealed hash is a text that names the command
 * which set it. Names, addresses and their keys are the business of keys.c. */
#include "integration/sim/sim.h"

#include <stdio.h>

static const char *const emails[] = {
    "ada@uni.example", "bea@uni.example",  "cem@uni.example",  "dua@uni.example",
    "eva@uni.example", "finn@uni.example", "gita@uni.example", "hugo@uni.example",
    "ida@uni.example", "jan@uni.example",  "kim@uni.example",  "lea@uni.example",
};
static const uint32_t roles[] = {PW_ROLE(STUDENT), PW_ROLE(TEACHER), PW_ROLE(ADMIN),
                                 PW_ROLE(STUDENT) | PW_ROLE(PROCTOR)};

static uint64_t draw(struct world *world, uint64_t below)
{
    return sim_draw(&world->random_commands, below);
}

static struct pw_str any_email(struct world *world)
{
    return pw_str_of(emails[draw(world, PW_COUNT(emails))]);
}

static uint32_t any_roles(struct world *world)
{
    return roles[draw(world, PW_COUNT(roles))];
}

/* An account that is known, or now and then one that nobody has. */
static struct account any_account(struct world *world, uint32_t tenant)
{
    const struct accounts *accounts = &world->accounts[tenant];
    if (accounts->count == 0 || draw(world, 60) == 0) {
        return (struct account){.id = sim_id(world, &world->random_commands)};
    }
    return accounts->list[draw(world, accounts->count)];
}

static struct device any_device(struct world *world, uint32_t tenant)
{
    const struct devices *devices = &world->devices[tenant];
    if (devices->count == 0 || draw(world, 60) == 0) {
        return (struct device){.id = sim_id(world, &world->random_commands),
                               .user_id = sim_id(world, &world->random_commands)};
    }
    uint64_t recent = devices->count < 12 ? devices->count : 12;
    return devices->list[devices->count - 1 - draw(world, recent)];
}

/* Who signs in has often done so before, on another device. */
static struct account any_signing_in(struct world *world, uint32_t tenant)
{
    const struct accounts *accounts = &world->accounts[tenant];
    struct device device = any_device(world, tenant);
    bool again = draw(world, 4) != 0;
    for (uint32_t i = 0; again && i < accounts->count; i++) {
        if (pw_id_equal(&accounts->list[i].id, &device.user_id)) {
            return accounts->list[i];
        }
    }
    return any_account(world, tenant);
}

/* What a password that this command sets comes to once it is hashed and sealed. */
static struct pw_str password_of(struct op *op)
{
    snprintf(op->password, sizeof op->password, "sealed by %u", op->number);
    return pw_str_of(op->password);
}

/* As the shell finds it: that of the account as far as the client knows, or seldom a wrong one. */
static struct pw_hash verified(struct world *world, const struct account *account)
{
    const char *password = account->password_by == NULL || draw(world, 12) == 0
                               ? "another one"
                               : account->password_by->password;
    return pw_sha256(password, strlen(password), NULL, 0);
}

static struct pw_hash token_of(uint32_t number)
{
    struct pw_hash hash = {{1}};
    memcpy(&hash.bytes[4], &number, sizeof number);
    return hash;
}

struct op *op_accounts(struct world *world, uint32_t tenant)
{
    struct op *op = op_new(world, tenant, PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY,
                           world->teachers[tenant], PW_ROLE_OPERATOR);
    op->request.command.tenant_choose_equality_key.tenant_id = world->tenants[tenant];
    return op_seal(op);
}

struct op *op_register(struct world *world, uint32_t tenant, bool is_first)
{
    struct op *op = op_new(world, tenant, PW_COMMAND_USER_REGISTER, world->teachers[tenant],
                           is_first ? PW_ROLE_OPERATOR : PW_ROLE_ADMIN);
    op->request.command.user_register = (struct pw_user_register){
        .email = any_email(world),
        .name = PW_STR("A Person"),
        .roles = is_first ? PW_ROLE(ADMIN) : any_roles(world),
        .password = draw(world, 4) == 0 ? (struct pw_str){"", 0} : password_of(op),
    };
    return op_seal(op);
}

/* By an admin, about somebody. */
static struct op *op_about(struct world *world, uint32_t tenant, enum pw_command_type type)
{
    struct op *op = op_new(world, tenant, type, world->teachers[tenant], PW_ROLE_ADMIN);
    struct pw_id user_id = any_account(world, tenant).id;
    struct pw_command *command = &op->request.command;
    switch (type) {
    case PW_COMMAND_USER_UPDATE_PROFILE:
        command->user_update_profile = (struct pw_user_update_profile){
            .user_id = user_id, .email = any_email(world), .name = PW_STR("Another Name")};
        break;
    case PW_COMMAND_USER_GRANT_ROLES:
        command->user_grant_roles = (struct pw_user_grant_roles){user_id, any_roles(world)};
        break;
    case PW_COMMAND_USER_REVOKE_ROLES:
        command->user_revoke_roles = (struct pw_user_revoke_roles){user_id, any_roles(world)};
        break;
    case PW_COMMAND_USER_DEACTIVATE:
        command->user_deactivate = (struct pw_user_deactivate){user_id, PW_STR("")};
        break;
    case PW_COMMAND_USER_REACTIVATE:
        command->user_reactivate = (struct pw_user_reactivate){user_id, PW_STR("")};
        break;
    case PW_COMMAND_USER_ISSUE_RESET_TOKEN:
        command->user_issue_reset_token =
            (struct pw_user_issue_reset_token){user_id, token_of(op->number)};
        break;
    default: command->user_erase.user_id = user_id; break;
    }
    return op_seal(op);
}

/* By somebody, about themselves. */
static struct op *op_own(struct world *world, uint32_t tenant, enum pw_command_type type)
{
    struct account account = type == PW_COMMAND_SESSION_OPEN ? any_signing_in(world, tenant)
                                                             : any_account(world, tenant);
    struct op *op = op_new(world, tenant, type, account.id, PW_ROLE_STUDENT);
    struct pw_command *command = &op->request.command;
    switch (type) {
    case PW_COMMAND_USER_CHANGE_PASSWORD:
        command->user_change_password = (struct pw_user_change_password){
            .user_id = account.id,
            .password = PW_STR("until now"),
            .new_password = password_of(op),
            .verified = verified(world, &account),
            .kept_session_id = any_device(world, tenant).id,
        };
        break;
    case PW_COMMAND_USER_RESET_PASSWORD:
        command->user_reset_password = (struct pw_user_reset_password){
            .user_id = account.id,
            .reset_token = PW_STR("once"),
            .new_password = password_of(op),
            .token_hash = token_of(account.token_by),
        };
        break;
    case PW_COMMAND_USER_SET_PREFERENCES:
        command->user_set_preferences =
            (struct pw_user_set_preferences){account.id, PW_STR("en-GB"), PW_STR("Europe/Vienna")};
        break;
    default:
        command->session_open = (struct pw_session_open){
            .email = PW_STR("whose"),
            .password = PW_STR("until now"),
            .label = PW_STR(""),
            .user_id = account.id,
            .verified = verified(world, &account),
        };
        break;
    }
    return op_seal(op);
}

static struct op *op_refresh(struct world *world, uint32_t tenant)
{
    struct device device = any_device(world, tenant);
    uint32_t older = draw(world, 4) == 0 ? (uint32_t)draw(world, 3) : 0;
    struct op *op =
        op_new(world, tenant, PW_COMMAND_SESSION_REFRESH, device.user_id, PW_ROLE_STUDENT);
    op->request.command.session_refresh = (struct pw_session_refresh){
        .session_id = device.id,
        .refresh_token = PW_STR("the last one"),
        .token_version = device.version < older ? 0 : device.version - older,
    };
    return op_seal(op);
}

static struct op *op_revoke(struct world *world, uint32_t tenant)
{
    struct device device = any_device(world, tenant);
    bool by_admin = draw(world, 3) == 0;
    struct pw_id actor = by_admin              ? world->teachers[tenant]
                         : draw(world, 8) == 0 ? any_account(world, tenant).id
                                               : device.user_id;
    struct op *op = op_new(world, tenant, PW_COMMAND_SESSION_REVOKE, actor,
                           by_admin ? PW_ROLE_ADMIN : PW_ROLE_STUDENT);
    op->request.command.session_revoke.session_id = device.id;
    return op_seal(op);
}

struct op *op_people(struct world *world, uint32_t tenant)
{
    uint64_t dice = draw(world, 100);
    return dice < 14   ? op_register(world, tenant, false)
           : dice < 22 ? op_about(world, tenant, PW_COMMAND_USER_UPDATE_PROFILE)
           : dice < 28 ? op_about(world, tenant, PW_COMMAND_USER_GRANT_ROLES)
           : dice < 34 ? op_about(world, tenant, PW_COMMAND_USER_REVOKE_ROLES)
           : dice < 40 ? op_about(world, tenant, PW_COMMAND_USER_DEACTIVATE)
           : dice < 47 ? op_about(world, tenant, PW_COMMAND_USER_REACTIVATE)
           : dice < 52 ? op_about(world, tenant, PW_COMMAND_USER_ISSUE_RESET_TOKEN)
           : dice < 58 ? op_about(world, tenant, PW_COMMAND_USER_ERASE)
           : dice < 63 ? op_own(world, tenant, PW_COMMAND_USER_CHANGE_PASSWORD)
           : dice < 68 ? op_own(world, tenant, PW_COMMAND_USER_RESET_PASSWORD)
           : dice < 71 ? op_own(world, tenant, PW_COMMAND_USER_SET_PREFERENCES)
           : dice < 85 ? op_own(world, tenant, PW_COMMAND_SESSION_OPEN)
           : dice < 94 ? op_refresh(world, tenant)
           : dice < 99 ? op_revoke(world, tenant)
                       : op_accounts(world, tenant);
}

/* --- What a client knows from its answers --- */

static struct account *account_of(struct world *world, uint32_t tenant, const struct pw_id *id)
{
    struct accounts *accounts = &world->accounts[tenant];
    for (uint32_t i = 0; i < accounts->count; i++) {
        if (pw_id_equal(&accounts->list[i].id, id)) {
            return &accounts->list[i];
        }
    }
    return NULL;
}

static void learn_account(struct world *world, const struct op *op)
{
    struct accounts *accounts = &world->accounts[op->tenant];
    bool has_password = op->request.command.user_register.password.len > 0;
    if (accounts->count < ACCOUNTS_MAX) {
        accounts->list[accounts->count++] =
            (struct account){.id = op->stream_id, .password_by = has_password ? op : NULL};
    }
}

static void learn_device(struct world *world, const struct op *op)
{
    struct devices *devices = &world->devices[op->tenant];
    if (op->request.command.type == PW_COMMAND_SESSION_OPEN && devices->count < DEVICES_MAX) {
        devices->list[devices->count++] =
            (struct device){op->stream_id, op->request.command.session_open.user_id, 1};
        return;
    }
    for (uint32_t i = 0; i < devices->count; i++) {
        if (pw_id_equal(&devices->list[i].id, &op->stream_id)) {
            devices->list[i].version = op->stream_version;
        }
    }
}

void op_learn_people(struct world *world, const struct op *op)
{
    struct account *account = account_of(world, op->tenant, &op->stream_id);
    switch (op->request.command.type) {
    case PW_COMMAND_USER_REGISTER: learn_account(world, op); break;
    case PW_COMMAND_USER_CHANGE_PASSWORD:
    case PW_COMMAND_USER_RESET_PASSWORD:
        if (account != NULL) {
            account->password_by = op;
        }
        break;
    case PW_COMMAND_USER_ISSUE_RESET_TOKEN:
        if (account != NULL) {
            account->token_by = op->number;
        }
        break;
    case PW_COMMAND_SESSION_OPEN:
    case PW_COMMAND_SESSION_REFRESH: learn_device(world, op); break;
    default: break;
    }
}
