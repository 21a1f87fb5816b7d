/* api/peers.c: whether the other nodes are up, and what they lead. */
#include "api/peers.h"

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "api/gather.h"
#include "commands/memory.h"
#include "schemas/condition.h"

#define EVERY_MS         200
#define TIMEOUT_MS       500
#define TIMED_OUT_MAX    3
#define MISSING_MAX      2
#define ANSWER_BYTES_MAX (64 * 1024)

struct peer {
    struct pw_peers_probe *probe;
    char node_id[PW_NODE_ID_BYTES_MAX + 1];
    char address[PW_PEER_ADDRESS_BYTES_MAX];
    pthread_t thread;
    bool started;

    /* Guarded by the probe's lock. */
    enum pw_liveness liveness;
    uint32_t timed_out_count;
    uint64_t death_count;
    struct pw_id incarnation;
    bool stands_by;
    uint64_t answer_count;
    uint8_t leads[PW_PARTITIONS_MAX];
    uint64_t asked_at[PW_PARTITIONS_MAX];  /* answer_count when it was last asked for. */
    uint64_t missed_at[PW_PARTITIONS_MAX]; /* The same when first in vain; 0: not. */
};

struct pw_peers_probe {
    char node_id[PW_NODE_ID_BYTES_MAX + 1];
    struct pw_id incarnation;
    char authorization[320];
    struct peer *peers;
    uint32_t peer_count;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
};

/* --- What answers mean --- */

static bool read_answer(struct peer *peer, struct pw_str body)
{
    json_t *json = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
    const char *node_id = json_string_value(json_object_get(json, "node_id"));
    const char *incarnation = json_string_value(json_object_get(json, "incarnation"));
    const json_t *partitions = json_object_get(json, "partitions");
    bool good = node_id != NULL && strcmp(node_id, peer->node_id) == 0 && incarnation != NULL &&
                json_is_array(partitions) &&
                pw_id_parse(pw_str_of(incarnation), &peer->incarnation);
    peer->stands_by = good && json_is_true(json_object_get(json, "stands_by"));
    memset(peer->leads, 0, sizeof peer->leads);
    for (size_t i = 0; good && i < json_array_size(partitions); i++) {
        json_int_t number = json_integer_value(json_array_get(partitions, i));
        if (number >= 0 && number < PW_PARTITIONS_MAX) {
            peer->leads[number] = 1;
            peer->missed_at[number] = 0;
        }
    }
    json_decref(json);
    return good;
}

static void tell(struct peer *peer, enum pw_probe_result result, struct pw_str body)
{
    pthread_mutex_lock(&peer->probe->lock);
    if (result == PW_PROBE_ANSWERED && read_answer(peer, body)) {
        peer->liveness = PW_PEER_ALIVE;
        peer->timed_out_count = 0;
        peer->answer_count++;
    } else if (result != PW_PROBE_TIMED_OUT || ++peer->timed_out_count >= TIMED_OUT_MAX) {
        peer->death_count += peer->liveness == PW_PEER_ALIVE;
        peer->liveness = PW_PEER_DEAD;
    }
    pthread_mutex_unlock(&peer->probe->lock);
}

bool pw_peers_is_dead(struct pw_peers_probe *probe, const char *node_id)
{
    bool dead = true;
    pthread_mutex_lock(&probe->lock);
    for (uint32_t i = 0; i < probe->peer_count; i++) {
        if (strcmp(probe->peers[i].node_id, node_id) == 0) {
            dead = probe->peers[i].liveness == PW_PEER_DEAD;
        }
    }
    pthread_mutex_unlock(&probe->lock);
    return dead;
}

bool pw_peers_deaths(struct pw_peers_probe *probe, uint32_t i, const char **ret_node_id,
                     uint64_t *ret_count)
{
    if (i >= probe->peer_count) {
        return false;
    }
    pthread_mutex_lock(&probe->lock);
    *ret_node_id = probe->peers[i].node_id;
    *ret_count = probe->peers[i].death_count;
    pthread_mutex_unlock(&probe->lock);
    return true;
}

void pw_peers_tell(struct pw_peers_probe *probe, const char *node_id, enum pw_probe_result result,
                   struct pw_str body)
{
    for (uint32_t i = 0; i < probe->peer_count; i++) {
        if (strcmp(probe->peers[i].node_id, node_id) == 0) {
            tell(&probe->peers[i], result, body);
        }
    }
}

/* An answer may be older than the leader record that made us ask: only what two later answers do
 * not name is not led. Who has not asked for some answers asks because of another record. */
static enum pw_liveness judge_partition(struct peer *peer, uint32_t partition)
{
    if (peer->answer_count > peer->asked_at[partition] + MISSING_MAX) {
        peer->missed_at[partition] = 0;
    }
    peer->asked_at[partition] = peer->answer_count;
    if (peer->leads[partition] != 0) {
        return PW_PEER_ALIVE;
    }
    if (peer->missed_at[partition] == 0) {
        peer->missed_at[partition] = peer->answer_count;
    }
    bool for_good = peer->answer_count >= peer->missed_at[partition] + MISSING_MAX;
    return for_good ? PW_PEER_DEAD : PW_PEER_UNKNOWN;
}

static enum pw_liveness leads(void *self, struct pw_str node_id, const struct pw_id *incarnation,
                              uint32_t partition)
{
    struct pw_peers_probe *probe = self;
    enum pw_liveness liveness = PW_PEER_DEAD;
    if (pw_str_equal(node_id, pw_str_of(probe->node_id))) {
        return pw_id_equal(incarnation, &probe->incarnation) ? PW_PEER_ALIVE : PW_PEER_DEAD;
    }
    pthread_mutex_lock(&probe->lock);
    for (uint32_t i = 0; i < probe->peer_count && partition < PW_PARTITIONS_MAX; i++) {
        struct peer *peer = &probe->peers[i];
        if (!pw_str_equal(node_id, pw_str_of(peer->node_id))) {
            continue;
        }
        liveness = peer->liveness;
        if (liveness == PW_PEER_ALIVE) {
            liveness = pw_id_equal(incarnation, &peer->incarnation)
                           ? judge_partition(peer, partition)
                           : PW_PEER_DEAD;
        }
    }
    pthread_mutex_unlock(&probe->lock);
    return liveness;
}

static bool stands_by(void *self, struct pw_str node_id, struct pw_id *ret_incarnation)
{
    struct pw_peers_probe *probe = self;
    bool stands = false;
    pthread_mutex_lock(&probe->lock);
    for (uint32_t i = 0; i < probe->peer_count; i++) {
        struct peer *peer = &probe->peers[i];
        if (pw_str_equal(node_id, pw_str_of(peer->node_id)) && peer->liveness == PW_PEER_ALIVE &&
            peer->stands_by) {
            *ret_incarnation = peer->incarnation;
            stands = true;
        }
    }
    pthread_mutex_unlock(&probe->lock);
    return stands;
}

struct pw_peers pw_peers_port(struct pw_peers_probe *probe)
{
    return (struct pw_peers){.self = probe, .leads = leads, .stands_by = stands_by};
}

bool pw_peers_address(struct pw_peers_probe *probe, const char *node_id,
                      char ret_address[PW_PEER_ADDRESS_BYTES_MAX])
{
    for (uint32_t i = 0; i < probe->peer_count; i++) { /* Addresses never change. */
        if (strcmp(probe->peers[i].node_id, node_id) == 0) {
            memcpy(ret_address, probe->peers[i].address, PW_PEER_ADDRESS_BYTES_MAX);
            return true;
        }
    }
    return false;
}

enum pw_code pw_peers_ranks(const char *nodes, struct pw_ranks *ret_ranks, struct pw_err *err)
{
    *ret_ranks = (struct pw_ranks){.count = 0};
    for (const char *at = nodes; *at != '\0';) {
        size_t len = strcspn(at, ",");
        size_t id_len = strcspn(at, "=");
        if (!pw_ranks_add(ret_ranks, (struct pw_str){at, id_len})) {
            return pw_fail(err, PW_ERR_USAGE,
                           "cluster.nodes: %.*s stands there twice, or is more than %d nodes",
                           (int)id_len, at, PW_NODES_MAX);
        }
        at += len + (at[len] == ',');
    }
    return PW_OK;
}

/* --- Asking --- */

static void ask(struct peer *peer, CURL *curl, struct pw_gather *answer)
{
    long status = 0;
    answer->bytes = 0;
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OPERATION_TIMEDOUT) {
        tell(peer, PW_PROBE_TIMED_OUT, (struct pw_str){NULL, 0});
    } else if (code != CURLE_OK || status != 200) {
        tell(peer, PW_PROBE_REFUSED, (struct pw_str){NULL, 0});
    } else {
        tell(peer, PW_PROBE_ANSWERED, (struct pw_str){answer->text, answer->bytes});
    }
}

/* Waits for the next turn; false at the end. */
static bool pause_until_next(struct pw_peers_probe *probe)
{
    struct timespec until = pw_condition_deadline(EVERY_MS * PW_US_PER_MS);
    pthread_mutex_lock(&probe->lock);
    if (!probe->stopping) {
        pthread_cond_timedwait(&probe->changed, &probe->lock, &until);
    }
    bool goes_on = !probe->stopping;
    pthread_mutex_unlock(&probe->lock);
    return goes_on;
}

static void *run(void *self)
{
    struct peer *peer = self;
    char url[PW_PEER_ADDRESS_BYTES_MAX + 32];
    struct pw_gather answer = {.text = pw_memory_new(1, ANSWER_BYTES_MAX),
                               .room = ANSWER_BYTES_MAX};
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, peer->probe->authorization);
    snprintf(url, sizeof url, "http://%s/internal/leads", peer->address);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, pw_gather_on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    do {
        ask(peer, curl, &answer);
    } while (pause_until_next(peer->probe));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    free(answer.text);
    return NULL;
}

static void add_peer(struct pw_peers_probe *probe, const char *entry, size_t len)
{
    const char *equals = memchr(entry, '=', len);
    size_t id_len = equals != NULL ? (size_t)(equals - entry) : 0;
    bool is_self = id_len == strlen(probe->node_id) && memcmp(entry, probe->node_id, id_len) == 0;
    if (equals == NULL || id_len > PW_NODE_ID_BYTES_MAX || is_self ||
        probe->peer_count == PW_NODES_MAX) {
        return;
    }
    struct peer *peer = &probe->peers[probe->peer_count++];
    peer->probe = probe;
    memcpy(peer->node_id, entry, id_len);
    snprintf(peer->address, sizeof peer->address, "%.*s", (int)(len - id_len - 1), equals + 1);
    peer->liveness = probe->authorization[0] != '\0' ? PW_PEER_UNKNOWN : PW_PEER_DEAD;
}

struct pw_peers_probe *pw_peers_new_idle(const struct pw_peers_options *options)
{
    struct pw_peers_probe *probe = pw_memory_new(1, sizeof *probe);
    snprintf(probe->node_id, sizeof probe->node_id, "%s", options->node_id);
    probe->incarnation = options->incarnation;
    probe->peers = pw_memory_new(PW_NODES_MAX, sizeof *probe->peers);
    pthread_mutex_init(&probe->lock, NULL);
    pw_condition_init(&probe->changed);
    if (options->cluster_key.len > 0) {
        snprintf(probe->authorization, sizeof probe->authorization, "Authorization: Bearer %.*s",
                 (int)options->cluster_key.len, options->cluster_key.ptr);
    }
    for (const char *at = options->nodes; *at != '\0';) {
        size_t len = strcspn(at, ",");
        add_peer(probe, at, len);
        at += len + (at[len] == ',');
    }
    return probe;
}

struct pw_peers_probe *pw_peers_new(const struct pw_peers_options *options)
{
    struct pw_peers_probe *probe = pw_peers_new_idle(options);
    for (uint32_t i = 0; i < probe->peer_count && probe->authorization[0] != '\0'; i++) {
        struct peer *peer = &probe->peers[i];
        peer->started = pthread_create(&peer->thread, NULL, run, peer) == 0;
    }
    return probe;
}

void pw_peers_free(struct pw_peers_probe *probe)
{
    if (probe == NULL) {
        return;
    }
    pthread_mutex_lock(&probe->lock);
    probe->stopping = true;
    pthread_cond_broadcast(&probe->changed);
    pthread_mutex_unlock(&probe->lock);
    for (uint32_t i = 0; i < probe->peer_count; i++) {
        if (probe->peers[i].started) {
            pthread_join(probe->peers[i].thread, NULL);
        }
    }
    pthread_cond_destroy(&probe->changed);
    pthread_mutex_destroy(&probe->lock);
    free(probe->peers);
    free(probe);
}
