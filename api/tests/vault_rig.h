/* api/tests/vault_rig.h: vaults of several nodes on one log of keys, whose clock is turned by hand, for plain programs.
 *
 * Contract  What a node's threads do is waited for by its moments. The first failed check ends the program. */
#ifndef PW_API_TESTS_VAULT_RIG_H
#define PW_API_TESTS_VAULT_RIG_H

#include <pthread.h>

#include "api/vault.h"
#include "eventstore/tests/cases.h"

#define RIG_HOUR_US      (3660 * PW_US_PER_SECOND) /* After which tombstones are repeated. */
#define RIG_SEALED_BYTES (12 + PW_PAYLOAD_EXTRA_BYTES)

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        struct pw_err err = {0};                                                                   \
        if ((call) != PW_OK) {                                                                     \
            FAIL("%s: %s", #call, err.detail);                                                     \
        }                                                                                          \
    } while (0)

/* Opens a handle on the log that all share. */
typedef enum pw_code rig_open_log(bool reads_only, struct pw_key_log *ret_log, struct pw_err *err);

struct node {
    struct pw_vault *vault;
    rig_open_log *open_log;
    pthread_mutex_t lock;
    pthread_cond_t came;
    uint64_t moments[3];
};

extern const struct pw_id rig_tenant;
extern const struct pw_str rig_plain; /* What seal encrypts, */
extern const struct pw_str rig_bound; /* and what it binds that to. */

struct pw_masters *rig_masters(void);
struct pw_vault_options rig_options(struct node *node, const struct pw_masters *masters);

/* Open, and its first look has ended. */
void node_open(struct node *node, rig_open_log *open_log, const struct pw_masters *masters);
void node_close(struct node *node);

/* How often that moment came, and waiting until it has come so often. */
uint64_t node_moments(struct node *node, enum pw_vault_moment moment);
void node_await(struct node *node, enum pw_vault_moment moment, uint64_t count);

/* A look that begins after this call has ended. */
void node_look(struct node *node);
void node_turn_clock(struct node *node, int64_t by_us); /* That of all nodes. */

struct pw_id node_make(struct node *node);
/* One that the reader has passed: a value that it finds of a key that is gone has tombstones follow at once. */
struct pw_id node_make_and_look(struct node *node);
enum pw_code node_seal(struct node *node, const struct pw_id *key_id, uint8_t *ret_sealed);
enum pw_code node_unseal(struct node *node, const struct pw_id *key_id, const uint8_t *sealed);
struct pw_vault_counts node_counts(struct node *node);

/* What lies in the log: of one key (NULL: of all), its values and its tombstones; and its first place. */
struct found {
    const struct pw_id *key_id;
    uint64_t values;
    uint64_t tombstones;
    uint64_t first;
};
struct found rig_find(rig_open_log *open_log, const struct pw_id *key_id);

/* create in a thread of its own. */
struct call {
    struct node *node;
    pthread_t thread;
    enum pw_code code;
    struct pw_id key_id;
};
void call_begin(struct call *call, struct node *node);
void call_end(struct call *call);

#endif
