/* api/prepare.h: what is slow, random or secret about a command, done before it is queued (docs/accounts.md).
 *
 * Contract  A command with fields of the kinds personal, email, password or secret, or with PW_PREPARED ones, goes through here: whom
 *           it speaks for is found, passwords and tokens are judged, keys are made, and what is personal is sealed. Afterwards the
 *           command holds nothing that could not stand in the ledger, and `fingerprint` is set. What is turned away here was not
 *           decided, and is not on record.
 *           Commands whose passwords are hashed or verified wait in a pool of few threads that yield to all others; those that wait
 *           for keys to be written, in one of its own, so that neither holds up the other. What takes no time is done at once.
 * Owner     A preparation belongs to the preparer from pw_prepare until `done`; the arena and the texts of the command too. Passwords and
 *           tokens in the command are zeroed by then; the request's body is its owner's to overwrite.
 * Threads   pw_prepare, pw_prepare_count: any. `done` is called on a pool's thread, or before pw_prepare returns.
 * Errors    Of a preparation: INVALID with a violation; LOGIN_FAILED, RESET_TOKEN_INVALID, SESSION_ENDED: what was shown proves nothing;
 *           NO_SUCH_USER, USER_ERASED, ACCOUNTS_OFF; LOGIN_OFF: this house signs no tokens; LEDGER_DOWN: a key cannot be written now;
 *           QUEUE_FULL, STOPPING, INTERNAL. */
#ifndef PW_API_PREPARE_H
#define PW_API_PREPARE_H

#include "api/directory.h"
#include "api/issuer.h"
#include "api/passwords.h"
#include "api/pool.h"
#include "api/text.h"
#include "api/vault.h"

struct pw_preparer;

struct pw_preparer_options {
    struct pw_vault *vault; /* NULL: this house keeps no keys. */
    struct pw_directory *directory;
    const struct pw_passwords *passwords;
    const struct pw_token_issuer *issuer;
    struct pw_str secret; /* The ledger's. */
    struct pw_pool_options hashing;
    struct pw_pool_options sealing;
};

/* Everything in the options is borrowed. */
enum pw_code pw_preparer_new(const struct pw_preparer_options *options,
                             struct pw_preparer **ret_preparer, struct pw_err *err);
void pw_preparer_stop(struct pw_preparer *preparer); /* Answers what waits. */
void pw_preparer_free(struct pw_preparer *preparer);

/* Whether a command is to be prepared. */
bool pw_prepare_is_needed(const struct pw_command_info *info);

/* Whether passwords or tokens come with a command, or with its answer. */
bool pw_prepare_has_secrets(enum pw_command_type type);

/* Of a command without secrets that is not to be decided: its fingerprint, so that the engine can be asked whether it is a repeat.
 * Nothing personal is left in it. */
void pw_prepare_question(struct pw_str secret, struct pw_job *job);

struct pw_preparation {
    struct pw_pool_job pool_job; /* First. */

    /* The question. */
    struct pw_job *
        job; /* Command, boundary_id, command_id, if_match; of tokens' commands actor_id and role. */
    struct pw_arena *arena;
    struct pw_id session_id; /* Of the actor's token. */
    void *exchange;          /* The caller's own. */
    void (*done)(struct pw_preparation *preparation);

    /* The answer; of a credential's command, actor_id and role of the job as well. */
    struct pw_err err;
    const char *pointer;   /* With INVALID: what is wrong; err.detail says how. */
    bool is_fingerprinted; /* So that the engine can be asked whether it is a repeat. */

    struct pw_preparer *preparer; /* The module's own. */
    struct pw_account account;
};

/* Anything but PW_OK: `done` will not be called. */
enum pw_code pw_prepare(struct pw_preparer *preparer, struct pw_preparation *preparation);

/* Adds to the answer of a command that was accepted what nobody but its sender may see: members of a JSON object, each after a comma.
 * They are made of what is on record, so that a repeat gets them again. False, and nothing: what they are for is over meanwhile, as the
 * session of somebody who repeats a sign-in. */
bool pw_prepare_answer(struct pw_preparer *preparer, const struct pw_job *job,
                       struct pw_text *text);

void pw_prepare_count(struct pw_preparer *preparer, struct pw_pool_counts *ret_hashing,
                      struct pw_pool_counts *ret_sealing);

#endif
