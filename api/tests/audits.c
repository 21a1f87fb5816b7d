/* api/tests/audits.c: what an auditor asks by HTTP: who may, what is refused, and that a tenant's records are one chain in which nothing
 * is said of others. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/directory.h"
#include "api/tests/rig.h"

#define ANN  "01890a5d-ac96-774b-bcce-b302099a8057"
#define NAME "Universitaet Linz"

static struct rig rig;
static char auditor[2048];
static char teacher[2048];
static char other_id[37]; /* A tenant in the same partition. */
static struct answer answer;
static char exam_id[37];

static void command(const char *token, const char *path, const char *body, long status)
{
    rig_ask_as(&rig, token, "POST", path, NULL, body, &answer);
    cr_assert_eq(answer.status, status, "%s: %s", path, answer.body);
}

/* Tenants, until one lies where ours does. */
static void create_neighbour(void)
{
    static const char *const headers[] = {"Authorization: Bearer " RIG_CLUSTER_KEY,
                                          "Content-Type: application/json", NULL};
    char url[160];
    struct pw_id id;
    snprintf(url, sizeof url, "%s/internal/tenants", rig.internal_url);
    do {
        rig_ask("POST", url, headers,
                "{\"name\":\"" NAME "\",\"time_zone\":\"Europe/Vienna\",\"language\":\"de\"}",
                &answer);
        cr_assert_eq(answer.status, 201, "%s", answer.body);
        cr_assert(answer_text(&answer, "id", other_id, sizeof other_id));
        pw_id_parse(pw_str_of(other_id), &id);
    } while (pw_partition_of(&id, 2) != pw_partition_of(&rig.tenant_id, 2));
}

static void open_house(void)
{
    rig_open(&rig);
    rig_token(&rig, ANN, PW_ROLE(AUDITOR), 600, auditor);
    rig_token(&rig, ANN, PW_ROLE(TEACHER), 600, teacher);
    create_neighbour();
    command(teacher, "/exams", "{\"title\":\"Algebra\",\"duration_minutes\":90}", 201);
    cr_assert(answer_text(&answer, "id", exam_id, sizeof exam_id));
    char path[80];
    snprintf(path, sizeof path, "/exams/%s/publish", exam_id);
    command(teacher, path, "{}", 200);
    command(teacher, "/slots",
            "{\"exam_id\":\"" ANN "\",\"starts_at\":\"2036-02-01T09:00:00Z\",\"capacity\":1}", 404);
}

static void close_house(void)
{
    rig_close(&rig);
}

static void get(const char *path)
{
    rig_ask_as(&rig, auditor, "GET", path, NULL, NULL, &answer);
}

/* The answer's next line; NULL after the last. */
static json_t *next_line(const char **at)
{
    const char *end = strchr(*at, '\n');
    if (end == NULL) {
        cr_assert_eq(**at, '\0', "a line without an end: %s", *at);
        return NULL;
    }
    json_t *line = json_loadb(*at, (size_t)(end - *at), 0, NULL);
    cr_assert(line != NULL, "%.*s", (int)(end - *at), *at);
    *at = end + 1;
    return line;
}

static const char *text_of(json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text != NULL ? text : "";
}

TestSuite(audits, .init = open_house, .fini = close_house);

/* --- Records --- */

struct seen {
    uint32_t count;
    uint32_t shown;
    json_int_t first_offset;
    char hash[65]; /* Of the last one. */
    json_int_t next;
};

/* Follows the chain through an answer. */
static struct seen follow(const char *prev)
{
    struct seen seen = {.first_offset = -1, .next = -2};
    const char *at = answer.body;
    json_t *line = next_line(&at);
    cr_assert_eq(answer.status, 200, "%s", answer.body);
    cr_assert(json_object_get(line, "begin") != NULL, "%s", answer.body);
    cr_expect_str_eq(text_of(json_object_get(line, "begin"), "tenant_id"), rig.tenant);
    json_decref(line);
    snprintf(seen.hash, sizeof seen.hash, "%s", prev);
    while ((line = next_line(&at)) != NULL) {
        json_t *end = json_object_get(line, "end");
        if (end != NULL) {
            cr_expect(seen.count == 0 || strcmp(text_of(end, "hash"), seen.hash) == 0);
            cr_expect(*at == '\0', "the end is the last line");
            json_t *next = json_object_get(end, "next");
            seen.next = json_is_null(next) ? -1 : json_integer_value(next);
        } else {
            cr_expect_str_eq(text_of(line, "prev"), seen.hash);
            snprintf(seen.hash, sizeof seen.hash, "%s", text_of(line, "hash"));
            seen.first_offset = seen.count++ == 0
                                    ? json_integer_value(json_object_get(line, "offset"))
                                    : seen.first_offset;
            seen.shown += json_object_get(line, "body") != NULL;
        }
        json_decref(line);
    }
    cr_expect(seen.next > -2, "it has its end");
    return seen;
}

#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"

Test(audits, records_are_one_chain_and_tell_nothing_of_others)
{
    char position[9];
    get("/audit/records");
    struct seen seen = follow(ZERO);
    cr_expect(answer_has(&answer, "Content-Type", "application/x-ndjson"));
    cr_expect(answer_has(&answer, "Cache-Control", "private, no-store"));
    cr_expect_eq(seen.next, -1);
    /* Genesis, tenant, issuer, exam, published, what was refused; a leader, and the neighbour. */
    cr_expect_eq(seen.shown, 6);
    cr_expect_geq(seen.count, 8);
    cr_expect(strstr(answer.body, other_id) == NULL);
    snprintf(position, sizeof position, "%.8s", seen.hash);
    cr_expect(strstr(strstr(answer.headers, "Pw-Position"), position) != NULL);
}

Test(audits, records_go_on_where_they_ended)
{
    char path[80];
    get("/audit/records");
    struct seen whole = follow(ZERO);
    struct seen part = {.next = 0};
    uint32_t count = 0;
    char prev[65] = ZERO;
    while (part.next >= 0) {
        snprintf(path, sizeof path, "/audit/records?from=%lld&limit=2", (long long)part.next);
        get(path);
        part = follow(prev);
        cr_expect(part.count == 2 || part.next == -1);
        snprintf(prev, sizeof prev, "%s", part.hash);
        count += part.count;
    }
    cr_expect_eq(count, whole.count);
    cr_expect_str_eq(prev, whole.hash);
    get("/audit/records?from_height=3&limit=1");
    cr_expect(strstr(answer.body, "\"height\":3") != NULL);
    get("/audit/records?from=1000000");
    cr_expect_eq(follow(ZERO).count, 0);
}

/* --- Events --- */

static uint32_t count_lines(const char *path, const char *each)
{
    uint32_t count = 0;
    const char *at = answer.body;
    bool has_end = false;
    json_t *line;
    get(path);
    cr_assert_eq(answer.status, 200, "%s: %s", path, answer.body);
    while ((line = next_line(&at)) != NULL) {
        if (json_object_get(line, "end") != NULL) {
            has_end = true;
        } else {
            char *text = json_dumps(line, JSON_COMPACT);
            cr_expect(strstr(text, each) != NULL, "%s: %s lacks %s", path, text, each);
            free(text);
            count++;
        }
        json_decref(line);
    }
    cr_expect(has_end, "%s", path);
    return count;
}

Test(audits, events_are_those_that_were_asked_for)
{
    char exam[160];
    char stream[160];
    char both[160];
    snprintf(exam, sizeof exam, "/audit/events?exam_id=%s", exam_id);
    snprintf(stream, sizeof stream, "/audit/events?stream_id=%s", rig.tenant);
    snprintf(both, sizeof both, "/audit/events?exam_id=%s&stream_id=%s", exam_id, rig.tenant);
    const struct {
        const char *path;
        uint32_t count;
        const char *each;
    } rows[] = {
        {"/audit/events", 4, rig.tenant},
        {"/audit/events?answers=false&refused=false", 4, rig.tenant},
        {"/audit/events?answers=true", 5, ""},
        {"/audit/events?refused=true", 1, "\"problem\":\"no-such-exam\""},
        {exam, 2, exam_id},
        {stream, 2, "\"stream_type\":\"tenant\""},
        {both, 0, ""},
        {"/audit/events?student_id=" ANN, 0, ""},
        {"/audit/events?student_id=" ANN "&refused=true", 1, ANN},
        {"/audit/events?since=2020-01-01T00:00:00Z&until=2020-01-01T00:00:00Z", 0, ""},
        {"/audit/events?since=2020-01-01T00:00:00Z", 4, ""},
        {"/audit/events?to=0", 0, ""},
        {"/audit/events?from=1000000", 0, ""},
    };
    for (int again = 0; again < 2; again++) { /* The second time there are marks. */
        for (size_t i = 0; i < PW_COUNT(rows); i++) {
            cr_expect_eq(count_lines(rows[i].path, rows[i].each), rows[i].count, "%s: %s",
                         rows[i].path, answer.body);
        }
    }
}

/* --- A state --- */

Test(audits, a_state_is_that_of_its_place)
{
    char path[160];
    char text[80];
    snprintf(path, sizeof path, "/audit/state?stream_id=%s", exam_id);
    get(path);
    cr_assert_eq(answer.status, 200, "%s", answer.body);
    cr_expect(answer_text(&answer, "last_event", text, sizeof text));
    cr_expect_str_eq(text, "exam_version_published");
    cr_expect(answer_text(&answer, "changed_position", text, sizeof text));
    snprintf(path, sizeof path, "/audit/state?stream_id=%s&at=%s", exam_id, text);
    get(path);
    cr_assert_eq(answer.status, 200, "%s", answer.body);
    cr_expect(answer_has(&answer, "Pw-Position", text));
    get("/audit/state?time=9999-12-31T23:59:59Z");
    cr_assert_eq(answer.status, 200, "%s", answer.body);
    cr_expect(strstr(answer.body, "\"state_sha256\":") != NULL);
}

/* What was decided last by then is the tenant's own: others decide later. */
Test(audits, a_moment_tells_nothing_of_others)
{
    char before[80];
    char after[80];
    char place[80];
    get("/audit/state?time=9999-12-31T23:59:59Z");
    cr_assert(answer_text(&answer, "position", place, sizeof place));
    cr_assert(answer_text(&answer, "decided_at", before, sizeof before));
    create_neighbour();
    get("/audit/state?time=9999-12-31T23:59:59Z");
    cr_assert(answer_text(&answer, "position", after, sizeof after));
    cr_expect_str_eq(place, after);
    get("/audit/state");
    cr_assert(answer_text(&answer, "decided_at", after, sizeof after));
    cr_expect_str_eq(before, after);
}

/* --- What is refused --- */

Test(audits, what_cannot_be_asked)
{
    static const struct {
        const char *path;
        long status;
        const char *problem;
        const char *pointer;
    } rows[] = {
        {"/audit/records?from=x", 400, "invalid", "/from"},
        {"/audit/records?from=", 400, "invalid", "/from"},
        {"/audit/records?from=-1", 400, "invalid", "/from"},
        {"/audit/records?from=9223372036854775808", 400, "invalid", "/from"},
        {"/audit/records?limit=0", 400, "invalid", "/limit"},
        {"/audit/records?from=1&from=2", 400, "invalid", "/from"},
        {"/audit/records?exam_id=" ANN, 400, "invalid", "/exam_id"},
        {"/audit/events?exam_id=x", 400, "invalid", "/exam_id"},
        {"/audit/events?answers=1", 400, "invalid", "/answers"},
        {"/audit/events?since=yesterday", 400, "invalid", "/since"},
        {"/audit/events?limit=3", 400, "invalid", "/limit"},
        {"/audit/state?at=x", 400, "invalid", "/at"},
        {"/audit/state?at=9:1", 400, "invalid", "/at"},
        {"/audit/state?time=9999-12-31T23:59:59Z&at=0:1", 400, "invalid", "/at"},
        {"/audit/state?stream_id=" ANN, 404, "not-found", NULL},
        {"/audit/state?time=2020-01-01T00:00:00Z", 404, "not-found", NULL},
        {"/audit", 404, "not-found", NULL},
    };
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        char problem[64];
        char pointer[80];
        get(rows[i].path);
        cr_expect_eq(answer.status, rows[i].status, "%s: %s", rows[i].path, answer.body);
        cr_expect_str_eq(answer_problem(&answer, problem), rows[i].problem, "%s", rows[i].path);
        snprintf(pointer, sizeof pointer, "\"pointer\":\"%s\"",
                 rows[i].pointer != NULL ? rows[i].pointer : "");
        cr_expect(rows[i].pointer == NULL || strstr(answer.body, pointer) != NULL, "%s",
                  answer.body);
    }
}

Test(audits, a_position_of_another_history_is_none)
{
    char path[96];
    char problem[64];
    uint32_t partition = pw_partition_of(&rig.tenant_id, 2);
    snprintf(path, sizeof path, "/audit/state?at=%u:2:00000000", partition);
    get(path);
    cr_expect_eq(answer.status, 409, "%s", answer.body);
    cr_expect_str_eq(answer_problem(&answer, problem), "position-diverged");
    snprintf(path, sizeof path, "/audit/state?at=%u:2000000", partition);
    get(path);
    cr_expect_eq(answer.status, 409, "%s", answer.body);
}

Test(audits, only_who_is_an_auditor)
{
    static const char *const paths[] = {"/audit/records", "/audit/events", "/audit/state"};
    for (size_t i = 0; i < PW_COUNT(paths); i++) {
        for (int role = 0; role < PW_ROLE_COUNT; role++) {
            char token[2048];
            if ((PW_EVERYONE >> role & 1) == 0) {
                continue;
            }
            rig_token(&rig, ANN, UINT32_C(1) << role, 600, token);
            rig_ask_as(&rig, token, "GET", paths[i], NULL, NULL, &answer);
            cr_expect_eq(answer.status, role == PW_ROLE_AUDITOR ? 200 : 403, "%s as %s: %ld",
                         paths[i], pw_role_name((enum pw_role)role), answer.status);
        }
        rig_ask_as(&rig, auditor, "GET", paths[i], "Accept: text/html", NULL, &answer);
        cr_expect_eq(answer.status, 406, "%s", paths[i]);
        rig_ask_as(&rig, auditor, "HEAD", paths[i], NULL, NULL, &answer);
        cr_expect_eq(answer.status, 200, "%s", paths[i]);
        cr_expect(answer_has(&answer, "Pw-Position", NULL), "%s", paths[i]);
    }
}

/* --- How much at once --- */

static void on_left(struct pw_audit_turns *turns)
{
    (void)turns;
}

/* Places come free a moment after their answers have ended. */
static void wait_until_free(void)
{
    struct pw_auditor_counts counts;
    do {
        pw_auditor_count(rig.service.auditor, &counts);
    } while (counts.open > 0);
}

Test(audits, more_than_there_are_places_for_are_told_so)
{
    char problem[64];
    static const char missing[] = "/audit/state?stream_id=" ANN;
    static const char *const paths[] = {"/audit/records", missing, "/audit/events?since=x",
                                        "/audit/records?limit=1"};
    struct pw_auditor_counts counts;
    struct pw_audit_turns turns[RIG_AUDITS_MAX] = {0};
    for (size_t i = 0; i < RIG_AUDITS_MAX; i++) {
        struct pw_id tenant_id = {{(uint8_t)(1 + i)}};
        turns[i].left = on_left;
        cr_assert_eq(pw_auditor_enter(rig.service.auditor, &tenant_id, &turns[i]), PW_OK);
    }
    get("/audit/records");
    cr_expect_eq(answer.status, 503, "%s", answer.body);
    cr_expect_str_eq(answer_problem(&answer, problem), "queue-full");
    cr_expect(answer_has(&answer, "Retry-After", "1"));
    for (size_t i = 0; i < RIG_AUDITS_MAX; i++) {
        pw_auditor_leave(&turns[i]);
    }
    wait_until_free();
    for (int i = 0; i < 20; i++) { /* Whatever becomes of an audit, its place comes free. */
        get(paths[i % 4]);
        cr_expect_neq(answer.status, 503);
        wait_until_free();
    }
    pw_auditor_count(rig.service.auditor, &counts);
    cr_expect_eq(counts.refused, 1);
    cr_expect_gt(counts.records, 0);
}

/* Without knowing how far the log goes nothing is said of it. */
Test(audits, a_node_that_has_not_read_to_the_end_says_so)
{
    char problem[64];
    atomic_store(&rig.is_standing, true);
    atomic_store(&rig.is_hurried, true);
    pw_sim_put(rig.log, pw_partition_of(&rig.tenant_id, 2), "junk", 4);
    get("/audit/records");
    cr_expect_eq(answer.status, 503, "%s", answer.body);
    cr_expect_str_eq(answer_problem(&answer, problem), "ledger-down");
    atomic_store(&rig.is_standing, false);
    atomic_store(&rig.is_hurried, false);
}

/* --- A long answer: some twenty megabytes, of which the sockets' buffers hold a part --- */

#define LONG_RECORDS 40
#define LONG_ANSWERS 4000 /* Of a record. */

/* The chain as it lies in the log. */
static void read_chain(struct pw_chain *chain, uint32_t partition)
{
    pw_chain_init(chain, partition);
    for (int64_t offset = 0; offset < pw_sim_end(rig.log, partition); offset++) {
        uint8_t *value = NULL;
        size_t bytes = 0;
        struct pw_record record;
        if (pw_sim_get(rig.log, partition, offset, &value, &bytes)) {
            pw_chain_take(chain, offset, value, bytes, &record);
        }
        free(value);
    }
}

static void put_record(struct pw_chain *chain, struct pw_buffer *buffer,
                       const struct pw_answer *answers)
{
    struct pw_record record;
    struct pw_chain_point point = pw_chain_next(chain);
    cr_assert_eq(pw_record_write_answers(buffer, &point, &rig.tenant_id, answers, LONG_ANSWERS),
                 PW_OK);
    int64_t offset = pw_sim_put(rig.log, chain->partition, buffer->data, buffer->bytes);
    cr_assert_eq(pw_chain_take(chain, offset, buffer->data, buffer->bytes, &record),
                 PW_CHAIN_ACCEPTED);
}

/* Another node writes a great many refusals. */
static void put_many(void)
{
    static struct pw_answer answers[LONG_ANSWERS];
    struct pw_chain chain;
    struct pw_buffer buffer;
    uint32_t partition = pw_partition_of(&rig.tenant_id, 2);
    atomic_store(&rig.is_standing, true);
    read_chain(&chain, partition);
    for (size_t i = 0; i < LONG_ANSWERS; i++) {
        answers[i] = (struct pw_answer){.boundary_id = rig.tenant_id,
                                        .actor_id = rig.tenant_id,
                                        .command_id = rig.tenant_id,
                                        .command_name = PW_STR("slot.open"),
                                        .decided_at_us = chain.decided_at_us,
                                        .problem_name = PW_STR("no-such-exam")};
    }
    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
    for (int i = 0; i < LONG_RECORDS; i++) {
        put_record(&chain, &buffer, answers);
    }
    pw_buffer_close(&buffer);
    pw_chain_close(&chain);
    atomic_store(&rig.is_standing, false);
}

/* Asks, and reads the head of the answer. */
static int begin_long(const char *path)
{
    char text[4096];
    int room = 65536;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port =
                                      htons((uint16_t)pw_http_port(rig.service.public_server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    cr_assert(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    int len = snprintf(text, sizeof text,
                       "GET /v1/tenants/%s%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                       "%s\r\n\r\n",
                       rig.tenant, path, auditor);
    cr_assert(send(fd, text, (size_t)len, MSG_NOSIGNAL) == len);
    cr_assert(recv(fd, text, 16, MSG_WAITALL) == 16);
    cr_assert(memcmp(text, "HTTP/1.1 200 OK\r", 16) == 0, "%.16s", text);
    return fd;
}

/* The last bytes of what comes until the connection ends. */
static void hear_end(int fd, char ret_tail[1024])
{
    static char bytes[1 << 20];
    size_t kept = 0;
    ssize_t got;
    while ((got = recv(fd, bytes + kept, sizeof bytes - kept, 0)) > 0) {
        size_t all = kept + (size_t)got;
        kept = all < 1023 ? all : 1023;
        memmove(bytes, bytes + all - kept, kept);
    }
    memcpy(ret_tail, bytes, kept);
    ret_tail[kept] = '\0';
    close(fd);
}

static const char *const long_paths[] = {"/audit/records", "/audit/events?refused=true"};

/* It is answered in turns, each once the piece before it is with the kernel. */
Test(audits, who_does_not_read_and_goes_away_makes_nobody_work)
{
    put_many();
    for (size_t i = 0; i < PW_COUNT(long_paths); i++) {
        struct pw_auditor_counts before;
        struct pw_auditor_counts after;
        wait_until_free();
        pw_auditor_count(rig.service.auditor, &before);
        close(begin_long(long_paths[i]));
        wait_until_free();
        pw_auditor_count(rig.service.auditor, &after);
        cr_expect(after.records - before.records < LONG_RECORDS, "%s: %llu", long_paths[i],
                  (unsigned long long)(after.records - before.records));
    }
}

Test(audits, who_is_shut_out_meanwhile_is_told_no_more)
{
    char tail[1024];
    struct pw_event registered = {.type = PW_EVENT_USER_REGISTERED,
                                  .stream_version = 1,
                                  .user_registered = {.roles = PW_ROLE(AUDITOR)}};
    struct pw_event deactivated = {.type = PW_EVENT_USER_DEACTIVATED, .stream_version = 2};
    pw_id_parse(PW_STR(ANN), &registered.stream_id);
    deactivated.stream_id = registered.stream_id;
    put_many();
    pw_directory_event(rig.service.directory, &rig.tenant_id, &registered);
    int fd = begin_long("/audit/records");
    pw_directory_event(rig.service.directory, &rig.tenant_id, &deactivated);
    hear_end(fd, tail);
    cr_expect(strstr(tail, "{\"problem\":{\"type\":\"/problems/unauthenticated\"") != NULL, "%s",
              tail);
    cr_expect(strstr(tail, "\r\n0\r\n") == NULL, "it looks whole: %s", tail);
}

Test(audits, a_node_that_stops_says_so)
{
    char tail[1024];
    put_many();
    int fd = begin_long("/audit/records");
    atomic_store(&rig.service.stopping, true);
    hear_end(fd, tail);
    cr_expect(strstr(tail, "/problems/stopping") != NULL, "%s", tail);
    cr_expect(strstr(tail, "\r\n0\r\n") == NULL, "it looks whole: %s", tail);
}
