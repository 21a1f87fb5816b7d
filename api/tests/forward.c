/* api/tests/forward.c: two nodes on one simulated log: what the one that does not lead sends on. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <semaphore.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/tests/rig.h"
#include "api/trust.h"

#define ANN  "01890a5d-ac96-774b-bcce-b302099a8001"
#define TINA "01890a5d-ac96-774b-bcce-b302099a8002"
#define ADA  "01890a5d-ac96-774b-bcce-b302099a8003"

static const char exam_body[] = "{\"title\":\"Algebra\",\"duration_minutes\":90}";

struct world {
    struct rig leader;
    struct rig other;
    char tina[2048];
    char ann[2048];
    char ada[2048];
};

static void world_open(struct world *world)
{
    rig_open(&world->leader);
    rig_open_beside(&world->other, &world->leader);
    rig_token(&world->leader, TINA, PW_ROLE(TEACHER), 600, world->tina);
    rig_token(&world->leader, ANN, PW_ROLE(STUDENT), 600, world->ann);
    rig_token(&world->leader, ADA, PW_ROLE(ADMIN), 600, world->ada);
}

static void world_close(struct world *world)
{
    rig_close(&world->other);
    rig_close(&world->leader);
}

/* The second node reads on for a moment before it knows of the tenant and its leader. */
static void ask_other(struct world *world, const char *token, const char *path, const char *header,
                      const char *body, struct answer *answer)
{
    do {
        rig_ask_as(&world->other, token, "POST", path, header, body, answer);
    } while (answer->status == 503 || answer->status == 401);
}

static struct pw_forward_counts counts_of(const struct world *world)
{
    struct pw_forward_counts counts;
    pw_forward_count(world->other.service.forwarder, &counts);
    return counts;
}

static void make_key(char ret_header[80])
{
    char id[PW_ID_TEXT_BYTES + 1];
    struct pw_id key = pw_id_v7(pw_http_wall_us(), (const uint8_t[16]){3});
    pw_id_format(&key, id);
    snprintf(ret_header, 80, "Idempotency-Key: %s", id);
}

/* How often the key stands in the answer. */
static uint32_t keys_in(const struct answer *answer)
{
    uint32_t count = 0;
    for (const char *at = answer->headers; (at = strcasestr(at, "\nIdempotency-Key:")) != NULL;
         at++) {
        count++;
    }
    return count;
}

Test(forward, a_yes_comes_back_as_it_was_given)
{
    static struct world world;
    struct answer first;
    struct answer second;
    char key[80];
    world_open(&world);
    make_key(key);
    ask_other(&world, world.tina, "/exams", key, exam_body, &first);
    cr_expect_eq(first.status, 201, "%s", first.body);
    cr_expect_eq(counts_of(&world).answered, 1);
    rig_ask_as(&world.leader, world.tina, "POST", "/exams", key, exam_body, &second);
    cr_expect_str_eq(first.body, second.body, "%s and %s", first.body, second.body);
    static const char *const names[] = {"Location",     "ETag",          "Pw-Position",
                                        "Content-Type", "Cache-Control", "Idempotency-Key"};
    for (size_t i = 0; i < PW_COUNT(names); i++) {
        cr_expect(answer_has(&first, names[i], NULL), "no %s", names[i]);
    }
    cr_expect(answer_has(&first, "Idempotency-Key", key + strlen("Idempotency-Key: ")));
    cr_expect_eq(keys_in(&first), 1);
    cr_expect(!answer_has(&first, "Idempotency-Replayed", NULL));
    rig_ask_as(&world.other, world.tina, "POST", "/exams", key, exam_body, &second);
    cr_expect(answer_has(&second, "Idempotency-Replayed", "true"));
    cr_expect_str_eq(first.body, second.body);
    world_close(&world);
}

Test(forward, headers_and_refusals_pass)
{
    static struct world world;
    struct answer answer;
    char exam[37];
    char path[128];
    char name[64];
    world_open(&world);
    ask_other(&world, world.tina, "/exams", NULL, exam_body, &answer);
    cr_assert(answer_text(&answer, "id", exam, sizeof exam));
    snprintf(path, sizeof path, "/exams/%s/publish", exam);
    ask_other(&world, world.tina, path, "If-Match: \"7\"", "{}", &answer);
    cr_expect_eq(answer.status, 412, "%s", answer.body);
    cr_expect_str_eq(answer_problem(&answer, name), "version-mismatch");
    cr_expect(answer_has(&answer, "Pw-Position", NULL), "a refusal is on record");
    ask_other(&world, world.tina, path,
              "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", NULL,
              &answer);
    cr_expect_eq(answer.status, 200, "no body, no type: %s", answer.body);
    ask_other(&world, world.tina, "/exams/" TINA "/publish",
              "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "{}",
              &answer);
    cr_expect_eq(answer.status, 404, "%s", answer.body);
    cr_expect(strstr(answer.body, "0af7651916cd43dd8448eb211c80319c") != NULL, "%s", answer.body);
    uint64_t answered = counts_of(&world).answered;
    ask_other(&world, world.ann, "/exams", NULL, exam_body, &answer);
    cr_expect_eq(answer.status, 403);
    ask_other(&world, world.tina, "/exams", NULL, "{}", &answer);
    cr_expect_eq(answer.status, 400);
    cr_expect_eq(counts_of(&world).answered, answered, "what the door refuses is not sent on");
    world_close(&world);
}

/* The leader trusts a key that the other has not read of yet. */
Test(forward, a_token_of_a_new_key_is_judged_by_the_leader)
{
    static struct world world;
    static struct rig stranger;
    struct answer answer;
    struct pw_hash new_key;
    char token[2048];
    world_open(&world);
    ask_other(&world, world.tina, "/exams", NULL, exam_body, &answer); /* It has read. */
    stranger = world.leader;
    crypto_sign_keypair(new_key.bytes, stranger.secret_key);
    rig_token(&stranger, TINA, PW_ROLE(TEACHER), 600, token);
    rig_ask_as(&world.other, token, "POST", "/exams", NULL, exam_body, &answer);
    cr_expect_eq(answer.status, 401, "the leader says no: %s", answer.body);
    cr_expect_eq(keys_in(&answer), 1, "the one that was made for it");
    cr_expect(answer_has(&answer, "WWW-Authenticate", NULL));
    pw_trust_add(world.leader.service.trust, &world.leader.tenant_id, PW_STR(RIG_ISSUER), &new_key);
    rig_ask_as(&world.other, token, "POST", "/exams", NULL, exam_body, &answer);
    cr_expect_eq(answer.status, 201, "%s", answer.body);
    world_close(&world);
}

/* A token of a key that the leader trusts, and the other has not read of yet. */
static void new_token(struct world *world, char ret_token[2048])
{
    static struct rig stranger;
    struct pw_hash new_key;
    stranger = world->leader;
    crypto_sign_keypair(new_key.bytes, stranger.secret_key);
    rig_token(&stranger, TINA, PW_ROLE(TEACHER), 600, ret_token);
    pw_trust_add(world->leader.service.trust, &world->leader.tenant_id, PW_STR(RIG_ISSUER),
                 &new_key);
}

/* Less goes to the leader than came: it sees neither these headers nor parameters, nor more of a body
 * than was kept. */
struct unfit_row {
    const char *name;
    const char *path;
    const char *header;
    const char *body;
    long status;
    const char *problem;
};

static const struct unfit_row unfit_rows[] = {
    {"a parameter", "/exams?x=1", NULL, exam_body, 400, "invalid"},
    {"a header that is repeated", "/exams", "Content-Type: application/json", exam_body, 400,
     "malformed"},
    {"another form", "/exams", "Accept: text/html", exam_body, 406, "not-acceptable"},
    {"compressed", "/exams", "Content-Encoding: gzip", exam_body, 415, "unsupported-media-type"},
    {"no field", "/exams", NULL, "{}", 400, "invalid"},
    {"no JSON", "/exams", NULL, "{", 400, "malformed"},
    {"no key", "/exams", "Idempotency-Key: x", exam_body, 400, "idempotency-key-invalid"},
    {"no id", "/exams/x/publish", NULL, "{}", 404, "not-found"},
};

Test(forward, what_is_wrong_whoever_asks_is_not_sent_on)
{
    static struct world world;
    static char large[80000];
    struct answer answer;
    char token[2048];
    char name[64];
    world_open(&world);
    ask_other(&world, world.tina, "/exams", NULL, exam_body, &answer); /* It has read. */
    uint64_t answered = counts_of(&world).answered;
    new_token(&world, token);
    for (size_t i = 0; i < PW_COUNT(unfit_rows); i++) {
        const struct unfit_row *row = &unfit_rows[i];
        rig_ask_as(&world.other, token, "POST", row->path, row->header, row->body, &answer);
        cr_expect_eq(answer.status, row->status, "%s: %ld %s", row->name, answer.status,
                     answer.body);
        cr_expect_str_eq(answer_problem(&answer, name), row->problem, "%s", row->name);
    }
    memset(large, ' ', sizeof large - 1);
    memcpy(large, exam_body, strlen(exam_body));
    rig_ask_as(&world.other, token, "POST", "/exams", NULL, large, &answer);
    cr_expect_eq(answer.status, 413, "%ld %s", answer.status, answer.body);
    cr_expect_eq(counts_of(&world).answered, answered, "something was sent on");
    rig_ask_as(&world.other, token, "POST", "/exams", NULL, exam_body, &answer);
    cr_expect_eq(answer.status, 201, "%s", answer.body);
    world_close(&world);
}

/* The leader knows at once; the other keeps its verdict until it reads of it, and forgets it then. */
Test(forward, trust_that_is_taken_back_ends_on_every_node)
{
    static const char *const headers[] = {"Authorization: Bearer " RIG_CLUSTER_KEY,
                                          "Content-Type: application/json", NULL};
    static struct world world;
    struct answer answer;
    char url[160];
    char body[256];
    char key[PW_BASE64URL_BYTES(32) + 1];
    world_open(&world);
    ask_other(&world, world.tina, "/exams", NULL, exam_body, &answer);
    cr_expect_eq(answer.status, 201);
    pw_base64url_format(world.leader.public_key.bytes, 32, key);
    snprintf(url, sizeof url, "%s/internal/tenants/%s/distrust-issuer", world.other.internal_url,
             world.leader.tenant);
    snprintf(body, sizeof body, "{\"issuer\":\"" RIG_ISSUER "\",\"public_key\":\"%s\"}", key);
    rig_ask("POST", url, headers, body, &answer);
    cr_expect_eq(answer.status, 200, "%s", answer.body);
    rig_ask_as(&world.leader, world.tina, "GET", "/exams", NULL, NULL, &answer);
    cr_expect_eq(answer.status, 401);
    rig_ask_as(&world.other, world.tina, "POST", "/exams", NULL, exam_body, &answer);
    cr_expect_eq(answer.status, 401, "whichever of the two checks it");
    do {
        rig_ask_as(&world.other, world.tina, "GET", "/exams", NULL, NULL, &answer);
    } while (answer.status != 401);
    world_close(&world);
}

Test(forward, the_operators_commands_too)
{
    static const char *const headers[] = {"Authorization: Bearer " RIG_CLUSTER_KEY,
                                          "Content-Type: application/json", NULL};
    static struct world world;
    struct answer answer;
    char url[160];
    world_open(&world);
    snprintf(url, sizeof url, "%s/internal/tenants", world.other.internal_url);
    do {
        rig_ask("POST", url, headers,
                "{\"name\":\"Linz\",\"time_zone\":\"Europe/Vienna\",\"language\":\"de\"}", &answer);
    } while (answer.status == 503);
    cr_expect_eq(answer.status, 201, "%s", answer.body);
    cr_expect_eq(counts_of(&world).answered, 1);
    world_close(&world);
}

/* As another node would, but to one that does not lead either. */
static void send_as_node(const struct world *world, const char *key_line, struct answer *answer)
{
    char authorization[2200];
    char url[256];
    const char *headers[] = {authorization, "Content-Type: application/json", key_line, NULL};
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", world->tina);
    snprintf(url, sizeof url, "%s/v1/tenants/%s/exams", world->other.internal_url,
             world->other.tenant);
    rig_ask("POST", url, headers, exam_body, answer);
}

Test(forward, never_twice_and_never_without_the_key)
{
    static struct world world;
    struct answer answer;
    char name[64];
    world_open(&world);
    ask_other(&world, world.tina, "/exams", NULL, exam_body, &answer); /* It has read. */
    uint64_t answered = counts_of(&world).answered;
    send_as_node(&world, "Pw-Cluster-Key: " RIG_CLUSTER_KEY, &answer);
    cr_expect_eq(answer.status, 503, "%s", answer.body);
    cr_expect_str_eq(answer_problem(&answer, name), "no-leader");
    cr_expect(answer_has(&answer, "Retry-After", "1"));
    cr_expect_eq(counts_of(&world).answered, answered, "it was sent on");
    send_as_node(&world, "Pw-Cluster-Key: another", &answer);
    cr_expect_eq(answer.status, 401, "%s", answer.body);
    send_as_node(&world, "X-Nothing: x", &answer);
    cr_expect_eq(answer.status, 404, "the admin listener has no such address: %s", answer.body);
    world_close(&world);
}

/* The leader cannot be reached: its place is taken, and the same request is decided here. */
Test(forward, a_leader_that_is_gone_is_followed)
{
    static struct world world;
    struct answer answer;
    struct answer again;
    char key[80];
    world_open(&world);
    make_key(key);
    ask_other(&world, world.tina, "/exams", key, exam_body, &answer);
    pw_http_stop(world.leader.service.admin_server);
    world.leader.service.admin_server = NULL;
    ask_other(&world, world.tina, "/exams", key, exam_body, &again);
    cr_expect_eq(again.status, 201, "%s", again.body);
    cr_expect_str_eq(again.body, answer.body);
    cr_expect(answer_has(&again, "Idempotency-Replayed", "true"));
    cr_expect(counts_of(&world).not_sent + counts_of(&world).lost > 0, "nothing was tried");
    world_close(&world);
}

/* How often a text stands in the log, in clear. */
static uint32_t found_in_log(const struct world *world, const char *text)
{
    uint32_t found = 0;
    for (uint32_t partition = 0; partition < 2; partition++) {
        for (int64_t at = 0; at < pw_sim_end(world->leader.log, partition); at++) {
            uint8_t *value = NULL;
            size_t bytes = 0;
            cr_assert(pw_sim_get(world->leader.log, partition, at, &value, &bytes));
            found += memmem(value, bytes, text, strlen(text)) != NULL ? 1 : 0;
            free(value);
        }
    }
    return found;
}

static void keep_accounts(struct world *world)
{
    static const char *const headers[] = {"Authorization: Bearer " RIG_CLUSTER_KEY,
                                          "Content-Type: application/json", NULL};
    struct answer answer;
    char url[160];
    snprintf(url, sizeof url, "%s/internal/tenants/%s/choose-equality-key",
             world->leader.internal_url, world->leader.tenant);
    rig_ask("POST", url, headers, "{}", &answer);
    cr_assert_eq(answer.status, 200, "%s", answer.body);
}

/* A command that was to be prepared by the leader, and could not be sent to it, is prepared here. */
Test(forward, what_could_not_be_sent_is_prepared_here)
{
    static const char bob[] = "{\"email\": \"bob@uni-graz.example\", \"name\": \"Bob\", "
                              "\"roles\": [\"student\"], \"password\": \"correct horse\"}";
    static struct world world;
    struct answer answer;
    char id[64];
    char path[128];
    world_open(&world);
    keep_accounts(&world);
    ask_other(&world, world.ada, "/users", NULL, bob, &answer);
    cr_assert(answer.status == 201 && answer_text(&answer, "id", id, sizeof id), "%s", answer.body);
    pw_http_stop(world.leader.service.admin_server);
    world.leader.service.admin_server = NULL;
    snprintf(path, sizeof path, "/users/%s/deactivate", id);
    ask_other(&world, world.ada, path, NULL, "{\"reason\": \"Left the university\"}", &answer);
    cr_expect_eq(answer.status, 200, "%s", answer.body);
    cr_expect(counts_of(&world).not_sent + counts_of(&world).lost > 0, "nothing was tried");
    cr_expect_eq(found_in_log(&world, "Left the university"), 0);
    cr_expect_eq(found_in_log(&world, "user_deactivated"), 1, "there is nothing to look at");
    world_close(&world);
}

/* --- A node that hangs --- */

/* It takes connections, by its kernel's grace, and says nothing. */
static uint16_t mute_listener(int *ret_fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof at;
    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(*ret_fd >= 0 && bind(*ret_fd, (struct sockaddr *)&at, bytes) == 0 &&
              listen(*ret_fd, 8) == 0 && getsockname(*ret_fd, (struct sockaddr *)&at, &bytes) == 0);
    return ntohs(at.sin_port);
}

static sem_t forward_done;

static void on_done(struct pw_forward *forward)
{
    (void)forward;
    sem_post(&forward_done);
}

/* The forward's own patience is five seconds; that the node counts as dead ends it at once. */
Test(forward, what_a_node_that_is_found_dead_was_sent_is_lost_at_once)
{
    int fd;
    char nodes[64];
    snprintf(nodes, sizeof nodes, "a=127.0.0.1:1,b=127.0.0.1:%u", mute_listener(&fd));
    struct pw_peers_options options = {
        .nodes = nodes, .node_id = "a", .incarnation = {{1}}, .cluster_key = PW_STR("k")};
    struct pw_peers_probe *probe = pw_peers_new_idle(&options);
    struct pw_forwarder *forwarder = pw_forwarder_new(probe, options.cluster_key);
    struct pw_http_request request = {.body = PW_STR("{}")};
    struct pw_forward forward = {
        .request = &request, .node_id = "b", .path = PW_STR("/v1/x"), .key = "k", .done = on_done};
    pw_arena_init(&request.arena, 65536);
    sem_init(&forward_done, 0, 0);
    int64_t began_us = pw_http_wall_us();
    cr_assert(pw_forward_send(forwarder, &forward));
    int taken = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    char byte;
    cr_assert(taken >= 0 && read(taken, &byte, 1) == 1, "the request is sent");
    pw_peers_tell(probe, "b", PW_PROBE_REFUSED, PW_STR(""));
    while (sem_wait(&forward_done) != 0) {
    }
    cr_expect_eq(forward.result, PW_FORWARD_LOST);
    cr_expect_lt(pw_http_wall_us() - began_us, 4 * PW_US_PER_SECOND, "it waited for its time-out");
    pw_forwarder_free(forwarder);
    pw_peers_free(probe);
    pw_arena_close(&request.arena);
    close(taken);
    close(fd);
}
