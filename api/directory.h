/* api/directory.h: who has an account with which tenant, and who is signed in, as confirmed in the ledger: what the doors ask before a
 * command is queued or a query is run.
 *
 * Contract  Fed by the engines' observer, in replay and live, like api/trust.h; so every node knows within moments what was confirmed
 *           anywhere. Passwords and keys' ids stand here as in the ledger: sealed.
 *           A token speaks for a person as they are now: one with an account here has at most the roles that the account has, and none
 *           once it is shut; a token of ours is good as long as its session lives.
 * Owner     What is given is a copy.
 * Threads   Any; a read-write lock guards it. */
#ifndef PW_API_DIRECTORY_H
#define PW_API_DIRECTORY_H

#include "api/jwt.h"
#include "commands/state.h"

/* So long after it was issued, a token of a session that is not known is believed where the ledger was not read as far as to the record that
 * gave it: the node that signed it is ahead of us. Where it was read, a session that is not known is over. */
#define PW_SESSION_NEWS_US (5 * PW_US_PER_SECOND)

struct pw_directory;

struct pw_account {
    struct pw_id user_id;
    struct pw_id key_id;
    struct pw_hash email_tag;
    uint32_t roles;
    enum pw_user_state state;
    struct pw_password password; /* 0 bytes: none. */
};

struct pw_directory *pw_directory_new(void);
void pw_directory_free(struct pw_directory *directory);

/* The types of events that it is fed with, as bits of 1 << enum pw_event_type. */
struct pw_event_set pw_directory_event_types(void);

/* A confirmed event. Of other types nothing is made. */
void pw_directory_event(struct pw_directory *directory, const struct pw_id *tenant_id,
                        const struct pw_event *event);

/* In place of the events that made it. */
void pw_directory_restored(struct pw_directory *directory, const struct pw_state *state);

/* False, and nothing, where there is no such person. */
bool pw_directory_account(struct pw_directory *directory, const struct pw_id *tenant_id,
                          const struct pw_id *user_id, struct pw_account *ret_account);
bool pw_directory_by_email(struct pw_directory *directory, const struct pw_id *tenant_id,
                           const struct pw_hash *email_tag, struct pw_account *ret_account);

/* False: the tenant keeps no accounts. */
bool pw_directory_equality_key(struct pw_directory *directory, const struct pw_id *tenant_id,
                               struct pw_id *ret_key_id);

/* Whether the session is known, and has not ended. */
bool pw_directory_has_session(struct pw_directory *directory, const struct pw_id *tenant_id,
                              const struct pw_id *session_id);

/* Whether the bearer of a verified token may still act, and with which roles: *actor's are made those. read_offset: up to which offset of the
 * tenant's partition the directory has been told, asked for before the call; INT64_MAX believes nobody. now_us: wall time. */
bool pw_directory_admits(struct pw_directory *directory, struct pw_actor *actor,
                         int64_t read_offset, int64_t now_us);

struct pw_directory_counts {
    uint64_t accounts;
    uint64_t sessions;
};
void pw_directory_count(struct pw_directory *directory, struct pw_directory_counts *ret_counts);

#endif
