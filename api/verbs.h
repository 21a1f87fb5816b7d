/* api/verbs.h: the verbs of the command line, each a function in a file of its own.
 *
 * Contract  argv[0] is the first argument after the verb. Results go to standard output, all else
 *           to standard error. The value is the exit code: 0 good, 1 found something wrong, 2 bad
 *           usage or configuration, 3 a server cannot be reached. main answers --help from the
 *           table. */
#ifndef PW_API_VERBS_H
#define PW_API_VERBS_H

#include <jansson.h>

#include "api/config.h"
#include "api/reply.h"
#include "projections/projection.h"

enum pw_exit { PW_EXIT_GOOD, PW_EXIT_WRONG, PW_EXIT_USAGE, PW_EXIT_UNREACHABLE };

int pw_verb_serve(int argc, char **argv);
int pw_verb_admin_ledger_create(int argc, char **argv);
int pw_verb_admin_migrate(int argc, char **argv);
int pw_verb_admin_rebuild(int argc, char **argv);
int pw_verb_admin_tenant_create(int argc, char **argv);
int pw_verb_admin_tenant_accounts(int argc, char **argv);
int pw_verb_admin_tenant_trust(int argc, char **argv);
int pw_verb_admin_tenant_distrust(int argc, char **argv);
int pw_verb_admin_user_create(int argc, char **argv);
int pw_verb_admin_user_reset(int argc, char **argv);
int pw_verb_admin_users_import(int argc, char **argv);
int pw_verb_admin_trust_issuer(int argc, char **argv);
int pw_verb_admin_keygen(int argc, char **argv);
int pw_verb_admin_token(int argc, char **argv);
int pw_verb_admin_keys_create(int argc, char **argv);
int pw_verb_admin_keys_list(int argc, char **argv);
int pw_verb_admin_keys_rotate(int argc, char **argv);
int pw_verb_admin_keys_destroy(int argc, char **argv);
int pw_verb_admin_import(int argc, char **argv);
int pw_verb_audit_verify(int argc, char **argv);
int pw_verb_audit_verify_projection(int argc, char **argv);
int pw_verb_audit_replay(int argc, char **argv);
int pw_verb_audit_as_of(int argc, char **argv);
int pw_verb_audit_export(int argc, char **argv);
int pw_verb_config(int argc, char **argv);
int pw_verb_openapi(int argc, char **argv);
int pw_verb_version(int argc, char **argv);

/* --- What verbs share (api/verb_common.c) --- */

/* Loads the settings and the verb's own flags; on failure tells why and gives PW_EXIT_USAGE. */
int pw_verb_load(struct pw_config *config, int argc, char **argv, const struct pw_flag *flags,
                 size_t flag_count);

/* Tells an error; gives the exit code that it means. */
int pw_verb_fail(enum pw_code code, const char *detail);

/* A flag that takes one text. */
struct pw_verb_text {
    const char *text; /* NULL: not given. */
    size_t count;
};
#define PW_FLAG_TEXT(name, into)                                                                   \
    {                                                                                              \
        name, NULL, &(into).text, &(into).count, 1                                                 \
    }
#define PW_FLAG_SWITCH(name, into)                                                                 \
    {                                                                                              \
        name, &(into), NULL, NULL, 0                                                               \
    }

/* True where the flag was given; else tells that it is needed. */
bool pw_verb_needs(const struct pw_verb_text *text, const char *name);

/* The same, where it must be an id. */
bool pw_verb_needs_id(const struct pw_verb_text *text, const char *name);

/* A flag's id, or moment (RFC 3339); untouched where the flag was not given. Tells where it is none, and gives false. */
bool pw_verb_id(const struct pw_verb_text *text, const char *name, struct pw_id *ret_id);
bool pw_verb_at(const struct pw_verb_text *text, const char *name, int64_t *ret_at_us);

/* A flag's number from 0 to max; untouched where the flag was not given. Tells where it is none, and gives false. */
bool pw_verb_number(const struct pw_verb_text *text, int64_t max, int64_t *ret_number);

/* The read models of these names, at most PW_VERB_PROJECTIONS_MAX; without names, all. Tells where there is none of a name, and
 * gives false. */
#define PW_VERB_PROJECTIONS_MAX 32
bool pw_verb_projections(const char *const *names, size_t name_count,
                         const struct pw_projection **ret_projections, uint32_t *ret_count);

/* A key file is a JSON Web Key (RFC 8037) with `d`. libsodium's 64-byte secret key and its public
 * key. */
enum pw_code pw_key_read(const char *path, uint8_t ret_secret_key[64], struct pw_hash *ret_public,
                         struct pw_err *err);

/* Asks the person at the terminal, who does not see what they type. False where there is no terminal, or it does not fit. */
bool pw_verb_ask_secret(const char *question, char *ret_text, size_t room);

/* A fresh Idempotency-Key; self is nothing. */
struct pw_id pw_verb_make_key(void *self);

struct pw_internal_request {
    const char *path;     /* `/internal/tenants` */
    json_t *body;         /* Taken. */
    const char *key;      /* Idempotency-Key; NULL: one is made. */
    const char *pardoned; /* A problem that is not told; or NULL. */
};

/* POSTs a command to this node's /internal/, and again under the same key while nobody leads, for
 * up to 30 s. Gives the exit code, and tells what went wrong; the answer is read, whatever it was. */
int pw_internal_post(const struct pw_config *config, const struct pw_internal_request *request,
                     struct pw_reply *answer);

/* Prints a yes: whole, or only its id. */
void pw_internal_print(const struct pw_reply *answer, bool as_json);

/* The two after one another. */
int pw_internal_command(const struct pw_config *config, const char *path, json_t *body,
                        const char *key, bool as_json);

#endif
