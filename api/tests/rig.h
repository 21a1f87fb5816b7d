/* api/tests/rig.h: the doors of a node, with a real engine on a simulated log behind them and a
 * real HTTP client in front.
 *
 * Contract  rig_open gives a tenant that trusts `https://issuer.example`, whose key signs the
 *           tokens. The read models are not there: what reaches them is answered
 *           read-model-down. */
#ifndef PW_API_TESTS_RIG_H
#define PW_API_TESTS_RIG_H

#include <jansson.h>
#include <pthread.h>

#include "api/auditor.h"
#include "api/door.h"
#include "api/issuer.h"
#include "api/news.h"
#include "api/openapi.h"
#include "api/prepare.h"
#include "api/read_index.h"
#include "api/workers.h"
#include "eventstore/key_adapters.h"
#include "eventstore/sim.h"

#define RIG_ISSUER      "https://issuer.example"
#define RIG_OWN_NAME    "https://house.example"
#define RIG_AUDITS_MAX  4
#define RIG_CLUSTER_KEY "0123456789abcdef0123456789abcdef"

struct rig {
    struct pw_sim_log *log;
    struct pw_key_sim *key_log;
    char dir[32]; /* Of secret keys. */
    struct pw_masters *masters;
    struct pw_passwords *passwords;
    struct pw_news news;
    bool is_second; /* The log is the first one's. */
    bool is_unread; /* Nobody steps the engine. */
    struct pw_peers_probe *probe;
    struct pw_engine *engine;
    struct pw_engine *engines[1];
    struct pw_service service;
    struct pw_openapi *openapi;
    struct pw_node_workers workers;
    pthread_t stepper;
    atomic_bool stopping;
    atomic_bool is_standing; /* The engine takes no step, and reads nothing. */
    atomic_bool
        is_hurried; /* The patience of who asks how far to have read ends a hundred times as soon. */
    uint8_t secret_key[64];
    struct pw_hash public_key;
    struct pw_id tenant_id;
    char tenant[37];
    char public_url[64];
    char internal_url[64];
};

void rig_open(struct rig *rig);

/* A second node on the log of the first, which it takes for alive and the leader until told
 * otherwise by its probe: it forwards. Closed before the first. */
void rig_open_beside(struct rig *rig, struct rig *first);

/* The same, but it never gets to read the log. */
void rig_open_unread(struct rig *rig, struct rig *first);
void rig_close(struct rig *rig);

/* A token for this tenant. ttl_seconds may be negative. */
void rig_token(const struct rig *rig, const char *sub, uint32_t roles, int ttl_seconds,
               char ret_token[2048]);

struct answer {
    long status;
    char headers[4096];
    char body[8192];
    size_t header_bytes;
    size_t body_bytes;
};

/* Asks; `headers` are lines, NULL at the end (or NULL); body NULL: none. */
void rig_ask(const char *method, const char *url, const char *const *headers, const char *body,
             struct answer *answer);

/* The same for the tenant's address, with a token (NULL: none) and one further header (or NULL). */
void rig_ask_as(const struct rig *rig, const char *token, const char *method, const char *path,
                const char *header, const char *body, struct answer *answer);

/* The last part of the problem's type; "" where the body is no problem. */
const char *answer_problem(const struct answer *answer, char ret_name[64]);

/* True when the header stands there with that value; value NULL: with any. */
bool answer_has(const struct answer *answer, const char *name, const char *value);

/* A text member of the JSON body, copied. */
bool answer_text(const struct answer *answer, const char *name, char *ret_text, size_t room);

#endif
