/* api/prepare.c: what is slow, random or secret about a command, done before it is queued. */
#include "api/prepare.h"

#include <sodium.h>
#include <stdlib.h>

#include "api/credentials.h"
#include "api/sealing.h"
#include "commands/memory.h"

struct pw_preparer {
    struct pw_preparer_options options;
    struct pw_pool *hashing;
    struct pw_pool *sealing;
};

static bool is_secret(const struct pw_field *field)
{
    return field->kind == PW_FIELD_KIND_password || field->kind == PW_FIELD_KIND_secret;
}

static bool is_personal(const struct pw_field *field)
{
    return field->kind == PW_FIELD_KIND_personal || field->kind == PW_FIELD_KIND_email;
}

bool pw_prepare_is_needed(const struct pw_command_info *info)
{
    for (uint32_t i = 0; i < info->message.field_count; i++) {
        const struct pw_field *field = &info->message.fields[i];
        if (is_secret(field) || is_personal(field) || field->source == PW_PREPARED_BY_SHELL) {
            return true;
        }
    }
    return false;
}

bool pw_prepare_has_secrets(enum pw_command_type type)
{
    const struct pw_message *message = &pw_command_info(type)->message;
    for (uint32_t i = 0; i < message->field_count; i++) {
        if (is_secret(&message->fields[i])) {
            return true;
        }
    }
    return type == PW_COMMAND_USER_ISSUE_RESET_TOKEN;
}

/* --- Parts of a preparation, each PW_OK or why not, with err set --- */

static enum pw_code invalid(struct pw_preparation *preparation, const char *pointer,
                            const char *detail)
{
    preparation->pointer = pointer;
    return pw_fail(&preparation->err, PW_ERR_INVALID, "%s", detail);
}

static enum pw_code login_failed(struct pw_preparation *preparation)
{
    return pw_fail(&preparation->err, PW_ERR_LOGIN_FAILED,
                   "the address or the password is not right");
}

static enum pw_code check_keys(struct pw_preparation *preparation)
{
    return preparation->preparer->options.vault != NULL
               ? PW_OK
               : pw_fail(&preparation->err, PW_ERR_ACCOUNTS_OFF, "keys.master_files is not set");
}

static enum pw_code tag_email(struct pw_preparation *preparation, struct pw_str email,
                              struct pw_hash *ret_tag, struct pw_id *ret_key_id)
{
    const struct pw_preparer_options *options = &preparation->preparer->options;
    const struct pw_id *tenant_id = &preparation->job->boundary_id;
    if (!pw_directory_equality_key(options->directory, tenant_id, ret_key_id)) {
        return pw_fail(&preparation->err, PW_ERR_ACCOUNTS_OFF, "tenant");
    }
    return pw_sealing_email_tag(options->vault, tenant_id, ret_key_id, email, ret_tag,
                                &preparation->err);
}

/* Puts ciphertext in the place of a text; nothing stays nothing. */
static enum pw_code seal(struct pw_preparation *preparation, const struct pw_id *key_id,
                         const char *name, struct pw_str plain, struct pw_str *ret_sealed)
{
    char buffer[PW_SEALING_BYTES_MAX];
    struct pw_str associated = pw_sealing_associated(&preparation->account.user_id, name, buffer);
    *ret_sealed = PW_STR("");
    if (plain.len == 0) {
        return PW_OK;
    }
    uint8_t *sealed = pw_arena_take(preparation->arena, plain.len + PW_PAYLOAD_EXTRA_BYTES);
    if (sealed == NULL) {
        return pw_fail(&preparation->err, PW_ERR_INTERNAL, "no room in the request");
    }
    enum pw_code code =
        pw_vault_seal(preparation->preparer->options.vault, &preparation->job->boundary_id, key_id,
                      associated, plain, sealed, &preparation->err);
    if (code == PW_OK) {
        *ret_sealed = (struct pw_str){(char *)sealed, plain.len + PW_PAYLOAD_EXTRA_BYTES};
    }
    return code;
}

/* Hashes a password that somebody wants to have, and seals the hash in its place. */
static enum pw_code seal_password(struct pw_preparation *preparation, const struct pw_id *key_id,
                                  const char *pointer, struct pw_str *password)
{
    char hash[PW_PASSWORD_HASH_BYTES_MAX + 1];
    if (password->len == 0) {
        return PW_OK;
    }
    const char *fault = pw_password_fault(*password);
    if (fault != NULL) {
        return invalid(preparation, pointer, fault);
    }
    enum pw_code code = pw_password_hash(preparation->preparer->options.passwords, *password, hash,
                                         &preparation->err);
    pw_password_forget(*password);
    if (code == PW_OK) {
        code = seal(preparation, key_id, "user.password", pw_str_of(hash), password);
    }
    sodium_memzero(hash, sizeof hash);
    return code;
}

/* Seals every field that is personal, under the person's key. */
static enum pw_code seal_fields(struct pw_preparation *preparation, const struct pw_id *key_id)
{
    struct pw_command *command = &preparation->job->command;
    const struct pw_command_info *info = pw_command_info(command->type);
    enum pw_code code = PW_OK;
    for (uint32_t i = 0; i < info->message.field_count && code == PW_OK; i++) {
        const struct pw_field *field = &info->message.fields[i];
        if (is_personal(field)) {
            struct pw_str *text =
                (struct pw_str *)(void *)((char *)pw_command_body(command) + field->offset);
            const char *name = pw_text_format(preparation->arena, "%s.%s",
                                              pw_aggregate_name(info->aggregate), field->name);
            code = name != NULL ? seal(preparation, key_id, name, *text, text)
                                : pw_fail(&preparation->err, PW_ERR_INTERNAL, "no room");
        }
    }
    return code;
}

/* The account of a person whom the command names. */
static enum pw_code find_person(struct pw_preparation *preparation, const struct pw_id *user_id)
{
    struct pw_account *account = &preparation->account;
    if (!pw_directory_account(preparation->preparer->options.directory,
                              &preparation->job->boundary_id, user_id, account)) {
        return pw_fail(&preparation->err, PW_ERR_NO_SUCH_USER, "user_id");
    }
    return account->state == PW_USER_ERASED
               ? pw_fail(&preparation->err, PW_ERR_USER_ERASED, "user_id")
               : PW_OK;
}

/* What the ledger has of an account's password: nothing, where there is none. */
static enum pw_code unseal_password(struct pw_preparation *preparation,
                                    char ret_hash[PW_PASSWORD_HASH_BYTES_MAX + 1])
{
    const struct pw_account *account = &preparation->account;
    char buffer[PW_SEALING_BYTES_MAX];
    size_t bytes = 0;
    struct pw_str sealed = {(const char *)account->password.sealed, account->password.bytes};
    ret_hash[0] = '\0';
    if (sealed.len == 0) {
        return PW_OK;
    }
    uint8_t plain[PW_SEALED_PASSWORD_BYTES_MAX];
    enum pw_code code = pw_vault_unseal(
        preparation->preparer->options.vault, &preparation->job->boundary_id, &account->key_id,
        pw_sealing_associated(&account->user_id, "user.password", buffer), sealed, plain, &bytes,
        &preparation->err);
    if (code == PW_OK && bytes <= PW_PASSWORD_HASH_BYTES_MAX) {
        memcpy(ret_hash, plain, bytes);
        ret_hash[bytes] = '\0';
    }
    sodium_memzero(plain, sizeof plain);
    return code;
}

/* Judges a password that somebody has shown. The decider holds `verified` against what stands then. */
static enum pw_code verify(struct pw_preparation *preparation, struct pw_str password,
                           struct pw_hash *ret_verified)
{
    const struct pw_password *known = &preparation->account.password;
    char hash[PW_PASSWORD_HASH_BYTES_MAX + 1];
    enum pw_code code = unseal_password(preparation, hash);
    if (code != PW_OK) {
        return code;
    }
    bool fits = pw_password_fits(preparation->preparer->options.passwords, password, hash);
    sodium_memzero(hash, sizeof hash);
    *ret_verified = pw_sha256(known->sealed, known->bytes, NULL, 0);
    return fits ? PW_OK : login_failed(preparation);
}

/* Who a credential speaks for. In which of their roles means nothing: it is for themselves. */
static void act_as_account(struct pw_preparation *preparation)
{
    const struct pw_account *account = &preparation->account;
    preparation->job->actor_id = account->user_id;
    preparation->job->role = (enum pw_role)(31 - __builtin_clz(account->roles | 1));
}

static void set_fingerprint(struct pw_preparation *preparation)
{
    struct pw_str secret = preparation->preparer->options.secret;
    preparation->job->fingerprint =
        pw_fingerprint_of((const uint8_t *)secret.ptr, secret.len, preparation->job);
    preparation->is_fingerprinted = true;
}

/* Takes out whatever secret is still in it. */
static void forget_secrets(struct pw_command *command)
{
    const struct pw_message *message = &pw_command_info(command->type)->message;
    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pw_field *field = &message->fields[i];
        if (is_secret(field) || is_personal(field)) {
            struct pw_str *text =
                (struct pw_str *)(void *)((char *)pw_command_body(command) + field->offset);
            pw_password_forget(*text);
            *text = PW_STR("");
        }
    }
}

void pw_prepare_question(struct pw_str secret, struct pw_job *job)
{
    job->fingerprint = pw_fingerprint_of((const uint8_t *)secret.ptr, secret.len, job);
    forget_secrets(&job->command);
}

/* --- Commands --- */

static enum pw_code prepare_equality_key(struct pw_preparation *preparation)
{
    struct pw_job *job = preparation->job;
    set_fingerprint(preparation);
    return pw_vault_create(preparation->preparer->options.vault, &job->boundary_id, PW_KEY_EQUALITY,
                           &job->command.tenant_choose_equality_key.key_id, &preparation->err);
}

/* Where the address is somebody's, the command is refused or a repeat: no key is made that nobody would
 * ever use, and the decider refuses what comes without one. */
static bool is_taken(struct pw_preparation *preparation, const struct pw_hash *email_tag)
{
    struct pw_account owner;
    return pw_directory_by_email(preparation->preparer->options.directory,
                                 &preparation->job->boundary_id, email_tag, &owner);
}

static enum pw_code prepare_register(struct pw_preparation *preparation)
{
    struct pw_user_register *command = &preparation->job->command.user_register;
    set_fingerprint(preparation);
    preparation->account.user_id = command->user_id;
    enum pw_code code =
        tag_email(preparation, command->email, &command->email_tag, &command->equality_key_id);
    if (code == PW_OK && is_taken(preparation, &command->email_tag)) {
        forget_secrets(&preparation->job->command);
        return PW_OK;
    }
    if (code == PW_OK) {
        code = pw_vault_create(preparation->preparer->options.vault, &preparation->job->boundary_id,
                               PW_KEY_PERSONAL, &command->key_id, &preparation->err);
    }
    if (code == PW_OK) {
        code = seal_password(preparation, &command->key_id, "/password", &command->password);
    }
    return code != PW_OK ? code : seal_fields(preparation, &command->key_id);
}

static enum pw_code prepare_update_profile(struct pw_preparation *preparation)
{
    struct pw_user_update_profile *command = &preparation->job->command.user_update_profile;
    set_fingerprint(preparation);
    enum pw_code code = find_person(preparation, &command->user_id);
    if (code == PW_OK) {
        code =
            tag_email(preparation, command->email, &command->email_tag, &command->equality_key_id);
    }
    return code != PW_OK ? code : seal_fields(preparation, &preparation->account.key_id);
}

static enum pw_code prepare_reason(struct pw_preparation *preparation, const struct pw_id *user_id)
{
    set_fingerprint(preparation);
    enum pw_code code = find_person(preparation, user_id);
    return code != PW_OK ? code : seal_fields(preparation, &preparation->account.key_id);
}

static enum pw_code prepare_change_password(struct pw_preparation *preparation)
{
    struct pw_user_change_password *command = &preparation->job->command.user_change_password;
    set_fingerprint(preparation);
    enum pw_code code = find_person(preparation, &command->user_id);
    if (code == PW_OK) {
        code = verify(preparation, command->password, &command->verified);
    }
    pw_password_forget(command->password);
    command->password = PW_STR("");
    command->kept_session_id = preparation->session_id;
    return code != PW_OK ? code
                         : seal_password(preparation, &preparation->account.key_id, "/new_password",
                                         &command->new_password);
}

static enum pw_code prepare_reset_token(struct pw_preparation *preparation)
{
    struct pw_job *job = preparation->job;
    struct pw_user_issue_reset_token *command = &job->command.user_issue_reset_token;
    char text[PW_RESET_TEXT_BYTES + 1];
    struct pw_id user_id;
    set_fingerprint(preparation);
    pw_reset_format(preparation->preparer->options.secret, &job->boundary_id, &command->user_id,
                    &job->command_id, text);
    pw_reset_parse(pw_str_of(text), &user_id, &command->token_hash);
    sodium_memzero(text, sizeof text);
    return PW_OK;
}

static enum pw_code prepare_reset_password(struct pw_preparation *preparation)
{
    struct pw_user_reset_password *command = &preparation->job->command.user_reset_password;
    if (!pw_reset_parse(command->reset_token, &command->user_id, &command->token_hash) ||
        find_person(preparation, &command->user_id) != PW_OK) {
        return pw_fail(&preparation->err, PW_ERR_RESET_TOKEN_INVALID, "reset_token");
    }
    pw_password_forget(command->reset_token);
    command->reset_token = PW_STR("");
    act_as_account(preparation);
    set_fingerprint(preparation);
    return seal_password(preparation, &preparation->account.key_id, "/new_password",
                         &command->new_password);
}

static enum pw_code check_signing(struct pw_preparation *preparation)
{
    return pw_issuer_can_sign(preparation->preparer->options.issuer)
               ? PW_OK
               : pw_fail(&preparation->err, PW_ERR_LOGIN_OFF, "tokens.key_files is not set");
}

static enum pw_code prepare_open(struct pw_preparation *preparation)
{
    struct pw_job *job = preparation->job;
    struct pw_session_open *command = &job->command.session_open;
    struct pw_hash tag;
    struct pw_id key_id;
    enum pw_code code = check_signing(preparation);
    code = code != PW_OK ? code : tag_email(preparation, command->email, &tag, &key_id);
    if (code != PW_OK) {
        return code;
    }
    bool is_known = pw_directory_by_email(preparation->preparer->options.directory,
                                          &job->boundary_id, &tag, &preparation->account);
    code = verify(preparation, command->password, &command->verified);
    pw_password_forget(command->email);
    pw_password_forget(command->password);
    command->email = PW_STR("");
    command->password = PW_STR("");
    if (code != PW_OK || !is_known) {
        return code != PW_OK ? code : login_failed(preparation);
    }
    command->user_id = preparation->account.user_id;
    act_as_account(preparation);
    set_fingerprint(preparation);
    return seal_fields(preparation, &preparation->account.key_id);
}

static enum pw_code prepare_refresh(struct pw_preparation *preparation)
{
    struct pw_job *job = preparation->job;
    struct pw_session_refresh *command = &job->command.session_refresh;
    struct pw_refresh refresh;
    enum pw_code code = check_signing(preparation);
    if (code != PW_OK) {
        return code;
    }
    if (!pw_refresh_parse(preparation->preparer->options.secret, &job->boundary_id,
                          command->refresh_token, &refresh)) {
        return pw_fail(&preparation->err, PW_ERR_SESSION_ENDED, "refresh_token");
    }
    /* We made that token. This node may be behind, or take itself for the leader still: whether the
     * session goes on is for the ledger to say, for whoever is told that it ended signs out. */
    if (find_person(preparation, &refresh.user_id) != PW_OK) {
        preparation->account =
            (struct pw_account){.user_id = refresh.user_id, .roles = PW_ROLE(STUDENT)};
    }
    command->session_id = refresh.session_id;
    command->token_version = refresh.version;
    pw_password_forget(command->refresh_token);
    command->refresh_token = PW_STR("");
    act_as_account(preparation);
    set_fingerprint(preparation);
    return PW_OK;
}

static enum pw_code prepare_command(struct pw_preparation *preparation)
{
    struct pw_command *command = &preparation->job->command;
    enum pw_code code = check_keys(preparation);
    if (code != PW_OK) {
        return code;
    }
    switch (command->type) {
    case PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY: return prepare_equality_key(preparation);
    case PW_COMMAND_USER_REGISTER: return prepare_register(preparation);
    case PW_COMMAND_USER_UPDATE_PROFILE: return prepare_update_profile(preparation);
    case PW_COMMAND_USER_DEACTIVATE:
        return prepare_reason(preparation, &command->user_deactivate.user_id);
    case PW_COMMAND_USER_REACTIVATE:
        return prepare_reason(preparation, &command->user_reactivate.user_id);
    case PW_COMMAND_USER_CHANGE_PASSWORD: return prepare_change_password(preparation);
    case PW_COMMAND_USER_ISSUE_RESET_TOKEN: return prepare_reset_token(preparation);
    case PW_COMMAND_USER_RESET_PASSWORD: return prepare_reset_password(preparation);
    case PW_COMMAND_SESSION_OPEN: return prepare_open(preparation);
    case PW_COMMAND_SESSION_REFRESH: return prepare_refresh(preparation);
    default: return pw_fail(&preparation->err, PW_ERR_INTERNAL, "nobody prepares this command");
    }
}

/* --- In a pool --- */

static void run(struct pw_pool_job *pool_job)
{
    struct pw_preparation *preparation = (struct pw_preparation *)pool_job;
    pool_job->code = prepare_command(preparation);
    if (pool_job->code == PW_ERR_NOT_FOUND) { /* A key that is not there: no word to a client. */
        pool_job->code = PW_ERR_INTERNAL;
    }
}

/* One hash of some bytes: not worth a queue, and to wait for nobody's keys. */
static bool is_quick(enum pw_command_type type)
{
    return type == PW_COMMAND_SESSION_REFRESH || type == PW_COMMAND_USER_ISSUE_RESET_TOKEN;
}

static void on_done(struct pw_pool_job *pool_job)
{
    struct pw_preparation *preparation = (struct pw_preparation *)pool_job;
    preparation->err.code = pool_job->code;
    if (pool_job->code != PW_OK) {
        forget_secrets(&preparation->job->command);
    }
    preparation->done(preparation);
}

static bool hashes(const struct pw_command_info *info)
{
    for (uint32_t i = 0; i < info->message.field_count; i++) {
        if (info->message.fields[i].kind == PW_FIELD_KIND_password) {
            return true;
        }
    }
    return false;
}

/* Where a preparation waits: a register without a password has nothing to hash. */
static struct pw_pool *pool_of(struct pw_preparer *preparer, const struct pw_command *command)
{
    bool is_slow =
        command->type == PW_COMMAND_SESSION_OPEN ||
        (command->type == PW_COMMAND_USER_REGISTER ? command->user_register.password.len > 0
                                                   : hashes(pw_command_info(command->type)));
    return is_slow ? preparer->hashing : preparer->sealing;
}

enum pw_code pw_prepare(struct pw_preparer *preparer, struct pw_preparation *preparation)
{
    preparation->preparer = preparer;
    preparation->pool_job.run = run;
    preparation->pool_job.done = on_done;
    if (is_quick(preparation->job->command.type)) {
        run(&preparation->pool_job);
        on_done(&preparation->pool_job);
        return PW_OK;
    }
    enum pw_code code =
        pw_pool_submit(pool_of(preparer, &preparation->job->command), &preparation->pool_job);
    if (code != PW_OK) {
        forget_secrets(&preparation->job->command);
    }
    return code;
}

/* --- The answer --- */

static bool answer_session(struct pw_preparer *preparer, const struct pw_job *job,
                           struct pw_text *text)
{
    const struct pw_preparer_options *options = &preparer->options;
    int64_t now_us = pw_http_wall_us();
    int64_t expires_at_us;
    char access[PW_SIGNED_TEXT_BYTES_MAX];
    char refresh_text[PW_REFRESH_TEXT_BYTES + 1];
    struct pw_account account = {.roles = PW_ROLE(STUDENT)};
    struct pw_refresh refresh = {job->stream_id, job->actor_id, job->stream_version};
    pw_directory_account(options->directory, &job->boundary_id, &job->actor_id, &account);
    struct pw_actor actor = {.id = job->actor_id,
                             .tenant_id = job->boundary_id,
                             .session_id = job->stream_id,
                             .session_offset = job->position.offset,
                             .roles = account.roles};
    if (!pw_directory_has_session(options->directory, &job->boundary_id, &job->stream_id) ||
        !pw_issuer_sign(options->issuer, &actor, now_us, access, &expires_at_us)) {
        return false;
    }
    pw_refresh_format(options->secret, &job->boundary_id, &refresh, refresh_text);
    pw_text_addf(text,
                 ",\"token_type\":\"Bearer\",\"expires_in\":%lld,\"access_token\":\"%s\","
                 "\"refresh_token\":\"%s\"",
                 (long long)((expires_at_us - now_us) / PW_US_PER_SECOND), access, refresh_text);
    return true;
}

static void answer_reset_token(struct pw_preparer *preparer, const struct pw_job *job,
                               struct pw_text *text)
{
    char token[PW_RESET_TEXT_BYTES + 1];
    pw_reset_format(preparer->options.secret, &job->boundary_id, &job->stream_id, &job->command_id,
                    token);
    pw_text_addf(text, ",\"reset_token\":\"%s\"", token);
}

bool pw_prepare_answer(struct pw_preparer *preparer, const struct pw_job *job, struct pw_text *text)
{
    switch (job->command.type) {
    case PW_COMMAND_SESSION_OPEN:
    case PW_COMMAND_SESSION_REFRESH: return answer_session(preparer, job, text);
    case PW_COMMAND_USER_ISSUE_RESET_TOKEN: answer_reset_token(preparer, job, text); return true;
    default: return true;
    }
}

/* --- The whole --- */

enum pw_code pw_preparer_new(const struct pw_preparer_options *options,
                             struct pw_preparer **ret_preparer, struct pw_err *err)
{
    struct pw_preparer *preparer = pw_memory_new(1, sizeof *preparer);
    preparer->options = *options;
    enum pw_code code = pw_pool_new(&options->hashing, &preparer->hashing, err);
    code = code != PW_OK ? code : pw_pool_new(&options->sealing, &preparer->sealing, err);
    if (code != PW_OK) {
        pw_preparer_free(preparer);
        return code;
    }
    *ret_preparer = preparer;
    return PW_OK;
}

void pw_preparer_stop(struct pw_preparer *preparer)
{
    if (preparer != NULL) {
        pw_pool_stop(preparer->hashing);
        pw_pool_stop(preparer->sealing);
    }
}

void pw_preparer_free(struct pw_preparer *preparer)
{
    if (preparer != NULL) {
        pw_pool_free(preparer->hashing);
        pw_pool_free(preparer->sealing);
        free(preparer);
    }
}

void pw_prepare_count(struct pw_preparer *preparer, struct pw_pool_counts *ret_hashing,
                      struct pw_pool_counts *ret_sealing)
{
    pw_pool_count(preparer != NULL ? preparer->hashing : NULL, ret_hashing);
    pw_pool_count(preparer != NULL ? preparer->sealing : NULL, ret_sealing);
}
