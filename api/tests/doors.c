/* api/tests/doors.c: requests and their answers, through the doors to an engine on a simulated
 * log. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "api/tests/rig.h"

#define ANN   "01890a5d-ac96-774b-bcce-b302099a8001"
#define TINA  "01890a5d-ac96-774b-bcce-b302099a8002"
#define ADA   "01890a5d-ac96-774b-bcce-b302099a8003"
#define OTHER "01890a5d-ac96-774b-bcce-b302099a8009"

static const char exam_body[] = "{\"title\":\"Algebra\",\"duration_minutes\":90}";

/* An exam that Tina published, and a slot with one seat. */
struct world {
    struct rig rig;
    char tina[2048];
    char ann[2048];
    char ada[2048];
    char exam[37];
    char slot[37];
};

static void world_open(struct world *world)
{
    struct answer answer;
    char path[128];
    char body[256];
    rig_open(&world->rig);
    rig_token(&world->rig, TINA, PW_ROLE(TEACHER), 600, world->tina);
    rig_token(&world->rig, ANN, PW_ROLE(STUDENT), 600, world->ann);
    rig_token(&world->rig, ADA, PW_ROLE(ADMIN), 600, world->ada);
    rig_ask_as(&world->rig, world->tina, "POST", "/exams", NULL, exam_body, &answer);
    cr_assert_eq(answer.status, 201, "%s", answer.body);
    cr_assert(answer_text(&answer, "id", world->exam, sizeof world->exam));
    snprintf(path, sizeof path, "/exams/%s/publish", world->exam);
    rig_ask_as(&world->rig, world->tina, "POST", path, NULL, "{}", &answer);
    cr_assert_eq(answer.status, 200, "%s", answer.body);
    snprintf(body, sizeof body,
             "{\"exam_id\":\"%s\",\"starts_at\":\"2099-02-01T09:00:00Z\",\"capacity\":1}",
             world->exam);
    rig_ask_as(&world->rig, world->tina, "POST", "/slots", NULL, body, &answer);
    cr_assert_eq(answer.status, 201, "%s", answer.body);
    cr_assert(answer_text(&answer, "id", world->slot, sizeof world->slot));
}

static void world_close(struct world *world)
{
    rig_close(&world->rig);
}

static const char *token_of(const struct world *world, char who)
{
    return who == 't' ? world->tina : who == 'a' ? world->ann : who == 'A' ? world->ada : NULL;
}

/* --- One request a row --- */
struct row {
    const char *name;
    char who; /* t: teacher, a: student, A: admin, -: nobody. */
    const char *method;
    const char *path; /* %s: the slot. */
    const char *header;
    const char *body;
    long status;
    const char *problem;
};

static const struct row rows[] = {
    {"no address", 't', "GET", "/nothing", NULL, NULL, 404, "not-found"},
    {"no such tail", 't', "POST", "/exams/", NULL, "{}", 404, "not-found"},
    {"no token", '-', "POST", "/exams", NULL, exam_body, 401, "unauthenticated"},
    {"wrong role", 'a', "POST", "/exams", NULL, exam_body, 403, "forbidden"},
    {"role before path", 't', "POST", "/slots/x/reservations", NULL, NULL, 403, "forbidden"},
    {"path is no id", 'a', "POST", "/slots/x/reservations", NULL, NULL, 404, "not-found"},
    {"wrong method", 't', "DELETE", "/exams", NULL, NULL, 405, "method-not-allowed"},
    {"not acceptable", 't', "POST", "/exams", "Accept: text/html", exam_body, 406,
     "not-acceptable"},
    {"compressed", 't', "POST", "/exams", "Content-Encoding: gzip", exam_body, 415,
     "unsupported-media-type"},
    {"key is no v7", 't', "POST", "/exams", "Idempotency-Key: 6ba7b810-9dad-41d1-80b4-00c04fd430c8",
     exam_body, 400, "idempotency-key-invalid"},
    {"key is too old", 't', "POST", "/exams",
     "Idempotency-Key: 01890a5d-ac96-774b-bcce-b302099a8057", exam_body, 409, "command-id-too-old"},
    {"two tags", 't', "POST", "/exams", "If-Match: \"1\", \"2\"", exam_body, 400, "malformed"},
    {"bare tag", 't', "POST", "/exams", "If-Match: 1", exam_body, 400, "malformed"},
    {"no JSON", 't', "POST", "/exams", NULL, "{", 400, "malformed"},
    {"an array", 't', "POST", "/exams", NULL, "[]", 400, "malformed"},
    {"duplicate names", 't', "POST", "/exams", NULL, "{\"title\":\"a\",\"title\":\"b\"}", 400,
     "malformed"},
    {"unknown field", 't', "POST", "/exams", NULL,
     "{\"title\":\"a\",\"duration_minutes\":9,\"x\":1}", 400, "invalid"},
    {"no fields", 't', "POST", "/exams", NULL, "{}", 400, "invalid"},
    {"old version", 'A', "POST", "/slots/%s/change-capacity", "If-Match: \"7\"", "{\"capacity\":5}",
     412, "version-mismatch"},
    {"weak tag", 'A', "POST", "/slots/%s/change-capacity", "If-Match: W/\"1\"", "{\"capacity\":5}",
     412, "version-mismatch"},
    {"any version", 'A', "POST", "/slots/%s/change-capacity", "If-Match: *", "{\"capacity\":5}",
     200, ""},
    {"that version", 'A', "POST", "/slots/%s/change-capacity", "If-Match: \"3\"",
     "{\"capacity\":6}", 200, ""},
    {"no such slot", 'a', "POST", "/slots/" OTHER "/reservations", NULL, NULL, 404, "no-such-slot"},
    {"a seat", 'a', "POST", "/slots/%s/reservations", NULL, NULL, 201, ""},
    {"one seat each", 'a', "POST", "/slots/%s/reservations", NULL, "{}", 409, "already-booked"},
    {"unknown parameter", 'a', "GET", "/slots?x=1", NULL, NULL, 400, "invalid"},
    {"limit too high", 'a', "GET", "/slots?limit=501", NULL, NULL, 400, "invalid"},
    {"limit twice", 'a', "GET", "/slots?limit=5&limit=5", NULL, NULL, 400, "invalid"},
    {"filter is no id", 'a', "GET", "/slots?exam_id=5", NULL, NULL, 400, "invalid"},
    {"bad cursor", 'a', "GET", "/slots?after=abc", NULL, NULL, 400, "invalid"},
    {"bad escape", 'a', "GET", "/slots?limit=%%zz", NULL, NULL, 400, "malformed"},
    {"a NUL", 'a', "GET", "/slots?limit=%%00", NULL, NULL, 400, "malformed"},
    {"others' filter", 'a', "GET", "/reservations?student_id=" OTHER, NULL, NULL, 400, "invalid"},
    {"bad position", 'a', "GET", "/slots", "Pw-Min-Position: x", NULL, 400, "malformed"},
    {"no such partition", 'a', "GET", "/slots", "Pw-Min-Position: 7:1", NULL, 400, "malformed"},
    {"no read model", 'a', "GET", "/slots", NULL, NULL, 503, "read-model-down"},
    {"not a student", 't', "GET", "/calendar", NULL, NULL, 403, "forbidden"},
};

/* The route that a row asks; NULL where there is none. */
static const struct pw_route *route_of(const struct rig *rig, const struct row *row,
                                       const char *path)
{
    static char text[512];
    static struct pw_http_request request;
    uint32_t methods;
    request = (struct pw_http_request){.method = strcmp(row->method, "POST") == 0  ? PW_HTTP_POST
                                                 : strcmp(row->method, "GET") == 0 ? PW_HTTP_GET
                                                                                   : PW_HTTP_OTHER};
    int len = snprintf(text, sizeof text, "v1/tenants/%s%s", rig->tenant, path);
    for (const char *at = text; *at != '\0' && *at != '?';) {
        size_t bytes = strcspn(at, "/?");
        request.segments[request.segment_count++] = (struct pw_str){at, bytes};
        at += bytes + (at[bytes] == '/');
    }
    cr_assert(len < (int)sizeof text);
    return pw_route_match(&rig->service.public_routes, &request, &methods);
}

/* The document lists whatever is answered. */
static void check_is_described(const struct rig *rig, const struct row *row, const char *path)
{
    const struct pw_route *route = route_of(rig, row, path);
    enum pw_code code = PW_OK;
    if (row->problem[0] == '\0') {
        return;
    }
    cr_assert(pw_error_by_name(pw_str_of(row->problem), &code));
    cr_expect(route != NULL ? pw_route_answers(route, code)
                            : (pw_error_info(code)->to & PW_TO_OTHERS) != 0,
              "%s: %s is not described", row->name, row->problem);
}

Test(doors, answer)
{
    static struct world world;
    struct answer answer;
    char path[256];
    char name[64];
    world_open(&world);
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        const struct row *row = &rows[i];
        snprintf(path, sizeof path, row->path, world.slot);
        rig_ask_as(&world.rig, token_of(&world, row->who), row->method, path, row->header,
                   row->body, &answer);
        cr_expect_eq(answer.status, row->status, "%s: %ld %s", row->name, answer.status,
                     answer.body);
        cr_expect_str_eq(answer_problem(&answer, name), row->problem, "%s: %s", row->name,
                         answer.body);
        check_is_described(&world.rig, row, path);
        cr_expect(answer.status != 503 || answer_has(&answer, "Retry-After", "1"), "%s", row->name);
        cr_expect(answer_has(&answer, "X-Content-Type-Options", "nosniff"), "%s", row->name);
    }
    world_close(&world);
}

Test(doors, repeat_gives_the_first_answer)
{
    static struct world world;
    struct answer first;
    struct answer second;
    char path[128];
    char key[128];
    char id[37];
    char bad[64];
    struct pw_id key_id = pw_id_v7(pw_http_wall_us(), (const uint8_t[16]){1});
    world_open(&world);
    pw_id_format(&key_id, id);
    snprintf(key, sizeof key, "Idempotency-Key: \"%s\"", id);
    snprintf(path, sizeof path, "/slots/%s/reservations", world.slot);
    rig_ask_as(&world.rig, world.ann, "POST", path, key, NULL, &first);
    rig_ask_as(&world.rig, world.ann, "POST", path, key, NULL, &second);
    cr_expect_eq(first.status, 201, "%s", first.body);
    cr_expect_eq(second.status, 201, "%s", second.body);
    cr_expect_str_eq(first.body, second.body);
    cr_expect(answer_has(&first, "Idempotency-Key", id));
    cr_expect(!answer_has(&first, "Idempotency-Replayed", NULL));
    cr_expect(answer_has(&second, "Idempotency-Replayed", "true"));
    cr_expect(answer_has(&first, "ETag", "\"1\""));
    cr_expect(answer_has(&first, "Pw-Position", NULL));
    cr_expect(answer_has(&first, "Cache-Control", "private, no-store"));
    cr_expect(answer_has(&first, "Location", NULL));
    rig_ask_as(&world.rig, world.ann, "POST", "/slots/" OTHER "/reservations", key, NULL, &second);
    cr_expect_eq(second.status, 422, "%s", second.body);
    cr_expect_str_eq(answer_problem(&second, bad), "idempotency-key-reused");
    world_close(&world);
}

/* --- The key of a command --- */

#define TOO_OLD "01890a5d-ac96-774b-bcce-b302099a8057"

/* What is answered before a decision, or without one. */
struct key_row {
    const char *name;
    char who;
    const char *path;
    const char *header;
    const char *body;
    long status;
    bool has_made; /* An answer to who sent no key has one that was made. */
};

static const struct key_row key_rows[] = {
    {"no token", '-', "/exams", NULL, exam_body, 401, false},
    {"wrong role", 'a', "/exams", NULL, exam_body, 403, false},
    {"not acceptable", 't', "/exams", "Accept: text/html", exam_body, 406, true},
    {"compressed", 't', "/exams", "Content-Encoding: gzip", exam_body, 415, true},
    {"bare tag", 't', "/exams", "If-Match: 1", exam_body, 400, true},
    {"no JSON", 't', "/exams", NULL, "{", 400, true},
    {"no fields", 't', "/exams", NULL, "{}", 400, true},
    {"a parameter", 't', "/exams?x=1", NULL, exam_body, 400, true},
    {"path is no id", 't', "/exams/x/publish", NULL, "{}", 404, true},
    {"no such exam", 't', "/exams/" OTHER "/publish", NULL, "{}", 404, true},
    {"no accounts", '-', "/sessions", NULL, "{\"email\":\"a@b.example\",\"password\":\"correct\"}",
     409, true},
};

static void ask_with_key(const struct world *world, const struct key_row *row, const char *key,
                         struct answer *answer)
{
    char url[512];
    char authorization[2200] = "X-Nothing: x";
    char key_line[128] = "X-Nothing: x";
    const char *token = token_of(world, row->who);
    const char *headers[] = {authorization, key_line, "Content-Type: application/json", row->header,
                             NULL};
    snprintf(url, sizeof url, "%s/v1/tenants/%s%s", world->rig.public_url, world->rig.tenant,
             row->path);
    if (token != NULL) {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", token);
    }
    if (key != NULL) {
        snprintf(key_line, sizeof key_line, "Idempotency-Key: \"%s\"", key);
    }
    rig_ask("POST", url, headers, row->body, answer);
}

static void check_key(const struct world *world, const struct key_row *row, long status)
{
    struct answer answer;
    char id[37];
    struct pw_id key = pw_id_v7(pw_http_wall_us(), (const uint8_t[16]){7});
    pw_id_format(&key, id);
    ask_with_key(world, row, id, &answer);
    cr_expect_eq(answer.status, status, "%s: %ld %s", row->name, answer.status, answer.body);
    cr_expect(answer_has(&answer, "Idempotency-Key", id), "%s", row->name);
    ask_with_key(world, row, NULL, &answer);
    cr_expect_eq(answer.status, status, "%s: %ld %s", row->name, answer.status, answer.body);
    cr_expect_eq(answer_has(&answer, "Idempotency-Key", NULL), row->has_made, "%s", row->name);
}

Test(doors, every_answer_to_a_command_has_its_key)
{
    static struct world world;
    static char large[80000];
    const struct key_row plain = {"stopping", 't', "/exams", NULL, exam_body, 503, false};
    const struct key_row too_large = {"too large", 't', "/exams", NULL, large, 413, false};
    struct answer answer;
    world_open(&world);
    for (size_t i = 0; i < PW_COUNT(key_rows); i++) {
        check_key(&world, &key_rows[i], key_rows[i].status);
    }
    memset(large, ' ', sizeof large - 1);
    check_key(&world, &too_large, too_large.status);
    ask_with_key(&world, &plain, TOO_OLD, &answer);
    cr_expect_eq(answer.status, 409, "%s", answer.body);
    cr_expect(answer_has(&answer, "Idempotency-Key", TOO_OLD));
    ask_with_key(&world, &plain, "x", &answer);
    cr_expect_eq(answer.status, 400, "%s", answer.body);
    cr_expect(!answer_has(&answer, "Idempotency-Key", NULL), "it is none");
    atomic_store(&world.rig.service.stopping, true);
    check_key(&world, &plain, plain.status);
    world_close(&world);
}

Test(doors, too_large_a_body_is_read_and_refused)
{
    static struct world world;
    static char body[80000];
    struct answer answer;
    char name[64];
    world_open(&world);
    memset(body, ' ', sizeof body - 1);
    rig_ask_as(&world.rig, world.tina, "POST", "/exams", NULL, body, &answer);
    cr_expect_eq(answer.status, 413, "%ld", answer.status);
    cr_expect_str_eq(answer_problem(&answer, name), "content-too-large");
    world_close(&world);
}

/* RFC 9110, 12.5.3: so the client knows that it was the coding, not the type. */
Test(doors, who_sends_a_coding_is_told_which_is_taken)
{
    static struct world world;
    struct answer answer;
    world_open(&world);
    rig_ask_as(&world.rig, world.tina, "POST", "/exams", "Content-Encoding: gzip", exam_body,
               &answer);
    cr_expect_eq(answer.status, 415);
    cr_expect(answer_has(&answer, "Accept-Encoding", "identity"));
    rig_ask_as(&world.rig, world.tina, "POST", "/exams", "Content-Type: text/plain", NULL, &answer);
    cr_expect_eq(answer.status, 415);
    cr_expect(!answer_has(&answer, "Accept-Encoding", NULL));
    world_close(&world);
}

Test(doors, another_tenant_is_not_there)
{
    static struct world world;
    struct answer answer;
    char url[256];
    char authorization[2200];
    char name[64];
    const char *headers[] = {authorization, NULL};
    world_open(&world);
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", world.ann);
    snprintf(url, sizeof url, "%s/v1/tenants/" OTHER "/slots", world.rig.public_url);
    rig_ask("GET", url, headers, NULL, &answer);
    cr_expect_eq(answer.status, 404);
    cr_expect_str_eq(answer_problem(&answer, name), "not-found");
    world_close(&world);
}

Test(doors, expired_and_forged_tokens)
{
    static struct world world;
    struct answer answer;
    char token[2048];
    world_open(&world);
    rig_token(&world.rig, ANN, PW_ROLE(STUDENT), -1, token);
    rig_ask_as(&world.rig, token, "GET", "/slots", NULL, NULL, &answer);
    cr_expect_eq(answer.status, 401);
    cr_expect(answer_has(&answer, "WWW-Authenticate", NULL));
    rig_token(&world.rig, ANN, PW_ROLE(STUDENT), 600, token);
    char *last = token + strlen(token) - 2;
    *last = *last == 'A' ? 'B' : 'A';
    rig_ask_as(&world.rig, token, "GET", "/slots", NULL, NULL, &answer);
    cr_expect_eq(answer.status, 401);
    world_close(&world);
}

/* --- Every route, every role --- */

static void fill_path(const struct pw_route *route, char *ret_path, size_t room)
{
    size_t at = 0;
    for (uint32_t i = 3; i < route->segment_count; i++) {
        struct pw_str segment = route->segments[i];
        bool is_param = segment.ptr[0] == '{';
        at += (size_t)snprintf(ret_path + at, room - at, "/%.*s",
                               is_param ? (int)sizeof OTHER - 1 : (int)segment.len,
                               is_param ? OTHER : segment.ptr);
    }
}

/* Whoever has one of the table's roles passes the door, to whatever lies behind it; nobody else
 * does. */
static void walk_route(const struct rig *rig, const struct pw_route *route, enum pw_role role)
{
    struct answer answer;
    char token[2048];
    char path[256] = "";
    char name[64];
    bool is_command = route->kind == PW_ROUTE_COMMAND;
    const char *body =
        is_command ? pw_command_info((enum pw_command_type)route->number)->example : NULL;
    bool may = (route->roles & (UINT32_C(1) << role)) != 0;
    bool no_token_has_it = role == PW_ROLE_SYSTEM || role == PW_ROLE_OPERATOR;
    fill_path(route, path, sizeof path);
    rig_token(rig, ANN, UINT32_C(1) << role, 600, token);
    rig_ask_as(rig, token, is_command ? "POST" : "GET", path, NULL, body, &answer);
    answer_problem(&answer, name);
    if (no_token_has_it) {
        cr_expect_eq(answer.status, 401, "%s as %s: %ld", route->name, pw_role_name(role),
                     answer.status);
    } else if (!may) {
        cr_expect_eq(answer.status, 403, "%s as %s: %ld", route->name, pw_role_name(role),
                     answer.status);
    } else {
        cr_expect(answer.status != 401 && answer.status != 403 && answer.status != 400,
                  "%s as %s: %ld %s", route->name, pw_role_name(role), answer.status, answer.body);
    }
}

Test(doors, every_route_and_role, .timeout = 120)
{
    static struct rig rig;
    rig_open(&rig);
    for (uint32_t i = 1; i < rig.service.public_routes.count; i++) {
        const struct pw_route *route = &rig.service.public_routes.routes[i];
        bool by_token = route->roles != 0 && !route->by_credential;
        for (int role = 0; role < PW_ROLE_COUNT && by_token; role++) {
            walk_route(&rig, route, (enum pw_role)role);
        }
    }
    rig_close(&rig);
}

/* --- The admin listener --- */

static void ask_internal(const struct rig *rig, const char *path, const char *key,
                         struct answer *answer)
{
    char url[160];
    char authorization[160];
    const char *headers[] = {authorization, NULL};
    snprintf(url, sizeof url, "%s%s", rig->internal_url, path);
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", key);
    rig_ask("GET", url, headers, NULL, answer);
}

Test(doors, internal_asks_for_the_cluster_key)
{
    static struct rig rig;
    struct answer answer;
    char url[160];
    rig_open(&rig);
    ask_internal(&rig, "/internal/leads", RIG_CLUSTER_KEY, &answer);
    cr_expect_eq(answer.status, 200);
    cr_expect(strstr(answer.body, "\"partitions\":[0,1]") != NULL, "%s", answer.body);
    ask_internal(&rig, "/internal/leads", RIG_CLUSTER_KEY "x", &answer);
    cr_expect_eq(answer.status, 401);
    snprintf(url, sizeof url, "%s/internal/leads", rig.public_url);
    rig_ask("GET", url, NULL, NULL, &answer);
    cr_expect_eq(answer.status, 404, "never on the public listener");
    ask_internal(&rig, "/healthz", "", &answer);
    cr_expect_eq(answer.status, 200);
    ask_internal(&rig, "/readyz", "", &answer);
    cr_expect_eq(answer.status, 200, "%s", answer.body);
    ask_internal(&rig, "/metrics", "", &answer);
    cr_expect(strstr(answer.body, "pw_partition_leading{partition=\"1\"} 1") != NULL);
    rig_close(&rig);
}

Test(doors, a_node_that_still_reads_takes_nobody_s_word)
{
    static struct rig first;
    static struct rig second;
    struct answer answer;
    char token[2048];
    char name[64];
    rig_open(&first);
    rig_open_unread(&second, &first);
    rig_token(&first, TINA, PW_ROLE(TEACHER), 600, token);
    rig_ask_as(&second, token, "GET", "/exams", NULL, NULL, &answer);
    cr_expect_eq(answer.status, 503, "not trusted as far as it has read");
    cr_expect_str_eq(answer_problem(&answer, name), "no-leader");
    pw_trust_add(second.service.trust, &second.tenant_id, PW_STR(RIG_ISSUER), &first.public_key);
    rig_ask_as(&second, token, "GET", "/exams", NULL, NULL, &answer);
    cr_expect_eq(answer.status, 503, "trusted as far as it has read");
    cr_expect_str_eq(answer_problem(&answer, name), "no-leader");
    rig_ask_as(&second, "e30.e30.AA", "GET", "/exams", NULL, NULL, &answer);
    cr_expect_eq(answer.status, 401);
    rig_close(&second);
    rig_close(&first);
}

/* By way of the internal door; gives the answer's status. */
static long tell_trust(const struct rig *rig, const char *tail)
{
    static const char *const headers[] = {"Authorization: Bearer " RIG_CLUSTER_KEY,
                                          "Content-Type: application/json", NULL};
    struct answer answer;
    char url[160];
    char body[256];
    char key[PW_BASE64URL_BYTES(32) + 1];
    pw_base64url_format(rig->public_key.bytes, 32, key);
    snprintf(url, sizeof url, "%s/internal/tenants/%s/%s", rig->internal_url, rig->tenant, tail);
    snprintf(body, sizeof body, "{\"issuer\":\"" RIG_ISSUER "\",\"public_key\":\"%s\"}", key);
    rig_ask("POST", url, headers, body, &answer);
    return answer.status;
}

Test(doors, trust_ends_when_it_is_taken_back)
{
    static struct rig rig;
    struct answer answer;
    char token[2048];
    rig_open(&rig);
    rig_token(&rig, TINA, PW_ROLE(TEACHER), 600, token);
    rig_ask_as(&rig, token, "POST", "/exams", NULL, exam_body, &answer);
    cr_expect_eq(answer.status, 201);
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(tell_trust(&rig, "distrust-issuer"), 200);
        rig_ask_as(&rig, token, "POST", "/exams", NULL, exam_body, &answer);
        cr_expect_eq(answer.status, 401);
    }
    cr_expect_eq(tell_trust(&rig, "issuers"), 200);
    rig_ask_as(&rig, token, "POST", "/exams", NULL, exam_body, &answer);
    cr_expect_eq(answer.status, 201, "%s", answer.body);
    rig_close(&rig);
}

Test(doors, nobody_is_trusted_under_our_own_name)
{
    static struct rig rig;
    struct answer answer;
    char url[160];
    char name[64];
    static const char *const headers[] = {"Authorization: Bearer " RIG_CLUSTER_KEY,
                                          "Content-Type: application/json", NULL};
    static const char key[] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    char body[256];
    rig_open(&rig);
    snprintf(url, sizeof url, "%s/internal/tenants/%s/issuers", rig.internal_url, rig.tenant);
    snprintf(body, sizeof body, "{\"issuer\":\"" RIG_OWN_NAME "\",\"public_key\":\"%s\"}", key);
    rig_ask("POST", url, headers, body, &answer);
    cr_expect_eq(answer.status, 400);
    cr_expect_str_eq(answer_problem(&answer, name), "invalid");
    cr_expect(strstr(answer.body, "\"/issuer\"") != NULL, "%s", answer.body);
    snprintf(body, sizeof body, "{\"issuer\":\"" RIG_OWN_NAME "/\",\"public_key\":\"%s\"}", key);
    rig_ask("POST", url, headers, body, &answer);
    cr_expect_eq(answer.status, 200, "%s", answer.body);
    rig_close(&rig);
}

Test(doors, a_node_that_stops_says_so)
{
    static struct world world;
    struct answer answer;
    char name[64];
    world_open(&world);
    atomic_store(&world.rig.service.stopping, true);
    rig_ask_as(&world.rig, world.tina, "POST", "/exams", NULL, exam_body, &answer);
    cr_expect_str_eq(answer_problem(&answer, name), "stopping");
    ask_internal(&world.rig, "/readyz", "", &answer);
    cr_expect_eq(answer.status, 503);
    world_close(&world);
}
