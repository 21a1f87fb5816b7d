/* api/tests/admission.c: who is let in at all: not who asks too fast, browsers by the page that they show, and nobody once it is over. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/tests/rig.h"

#define ANN  "01890a5d-ac96-774b-bcce-b302099a8001"
#define TINA "01890a5d-ac96-774b-bcce-b302099a8002"

/* --- Limits --- */

static int64_t hand_us(void *self)
{
    return atomic_load((_Atomic int64_t *)self);
}

Test(admission, who_asks_too_fast_is_told_when_to_come_again)
{
    static struct rig rig;
    static _Atomic int64_t now_us;
    struct answer answer;
    char name[64];
    char ann[2048];
    char tina[2048];
    rig_open(&rig);
    rig_token(&rig, ANN, PW_ROLE(STUDENT), 600, ann);
    rig_token(&rig, TINA, PW_ROLE(TEACHER), 600, tina);
    struct pw_limits_options options = {
        .rates = {[PW_LIMIT_TOKEN] = {1, 2}},
        .clock = {.self = &now_us, .boot_us = hand_us},
    };
    struct pw_limits *limits = pw_limits_new(&options);
    rig.service.limits = limits;
    for (int i = 0; i < 2; i++) {
        rig_ask_as(&rig, ann, "GET", "/nothing", NULL, NULL, &answer);
        cr_expect_eq(answer.status, 404, "no route, and nobody was asked for a token");
        rig_ask_as(&rig, ann, "GET", "/slots", NULL, NULL, &answer);
        cr_expect_eq(answer.status, 503, "%s", answer.body);
    }
    rig_ask_as(&rig, ann, "GET", "/slots", NULL, NULL, &answer);
    cr_expect_eq(answer.status, 429, "%s", answer.body);
    cr_expect_str_eq(answer_problem(&answer, name), "too-many-requests");
    cr_expect(answer_has(&answer, "Retry-After", "1"));
    cr_expect(strstr(answer.body, "one token may send 1 requests a second, and 2 at once") != NULL,
              "%s", answer.body);
    rig_ask_as(&rig, tina, "GET", "/slots", NULL, NULL, &answer);
    cr_expect_eq(answer.status, 503, "others are not touched by it");
    atomic_store(&now_us, PW_US_PER_SECOND);
    rig_ask_as(&rig, ann, "GET", "/slots", NULL, NULL, &answer);
    cr_expect_eq(answer.status, 503);
    rig_ask_as(&rig, ann, "GET", "/slots", NULL, NULL, &answer);
    cr_expect_eq(answer.status, 429);
    rig_close(&rig);
    pw_limits_free(limits);
}

Test(admission, an_address_that_asks_too_fast_is_not_asked_for_a_token)
{
    static struct rig rig;
    static _Atomic int64_t now_us;
    struct answer answer;
    char url[160];
    rig_open(&rig);
    struct pw_limits_options options = {
        .rates = {[PW_LIMIT_ADDRESS] = {1, 1}},
        .clock = {.self = &now_us, .boot_us = hand_us},
    };
    struct pw_networks nobody = {.count = 0};
    options.trusted = &nobody;
    struct pw_limits *limits = pw_limits_new(&options);
    rig.service.limits = limits;
    rig_ask_as(&rig, NULL, "GET", "/slots", "X-Forwarded-For: 192.0.2.1", NULL, &answer);
    cr_expect_eq(answer.status, 401);
    rig_ask_as(&rig, NULL, "GET", "/slots", "X-Forwarded-For: 192.0.2.2", NULL, &answer);
    cr_expect_eq(answer.status, 429, "%s", answer.body);
    snprintf(url, sizeof url, "%s/healthz", rig.internal_url);
    rig_ask("GET", url, NULL, NULL, &answer);
    cr_expect_eq(answer.status, 200, "the admin listener has no rates");
    rig_close(&rig);
    pw_limits_free(limits);
}

/* --- Browsers --- */

#define PAGE "https://booking.example"

static void ask_from(const struct rig *rig, const char *method, const char *path,
                     const char *const *headers, struct answer *answer)
{
    char url[256];
    snprintf(url, sizeof url, "%s/v1/tenants/%s%s", rig->public_url, rig->tenant, path);
    rig_ask(method, url, headers, NULL, answer);
}

Test(admission, a_listed_page_may_use_the_api_from_a_browser)
{
    static struct rig rig;
    static struct pw_cors cors;
    static const char *const plain[] = {"Origin: " PAGE, NULL};
    static const char *const preflight[] = {"Origin: " PAGE, "Access-Control-Request-Method: POST",
                                            NULL};
    static const char *const stranger[] = {"Origin: https://evil.example",
                                           "Access-Control-Request-Method: POST", NULL};
    struct answer answer;
    rig_open(&rig);
    ask_from(&rig, "OPTIONS", "/slots", preflight, &answer);
    cr_expect_eq(answer.status, 204);
    cr_expect(!answer_has(&answer, "Access-Control-Allow-Origin", NULL), "off unless it is set");
    cr_expect(!answer_has(&answer, "Vary", NULL));
    cr_assert_eq(pw_cors_parse("https://lms.example," PAGE, &cors, NULL), PW_OK);
    rig.service.cors = &cors;
    ask_from(&rig, "OPTIONS", "/slots", preflight, &answer);
    cr_expect_eq(answer.status, 204);
    cr_expect(answer_has(&answer, "Access-Control-Allow-Origin", PAGE));
    cr_expect(answer_has(&answer, "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS"));
    cr_expect(answer_has(&answer, "Access-Control-Allow-Headers", NULL));
    cr_expect(answer_has(&answer, "Access-Control-Max-Age", NULL));
    cr_expect(!answer_has(&answer, "Access-Control-Allow-Credentials", NULL), "there is no cookie");
    cr_expect(answer_has(&answer, "Allow", "GET, HEAD, POST, OPTIONS"));
    cr_expect(answer_has(&answer, "Vary", "Origin"));
    ask_from(&rig, "GET", "/slots", plain, &answer);
    cr_expect_eq(answer.status, 401, "a script may read why");
    cr_expect(answer_has(&answer, "Access-Control-Allow-Origin", PAGE));
    cr_expect(answer_has(&answer, "Access-Control-Expose-Headers",
                         "Pw-Position, ETag, Location, Retry-After, Idempotency-Key, "
                         "Idempotency-Replayed, Link"));
    ask_from(&rig, "OPTIONS", "/slots", stranger, &answer);
    cr_expect_eq(answer.status, 204);
    cr_expect(!answer_has(&answer, "Access-Control-Allow-Origin", NULL));
    cr_expect(!answer_has(&answer, "Access-Control-Allow-Methods", NULL));
    cr_expect(answer_has(&answer, "Vary", "Origin"));
    ask_from(&rig, "GET", "/slots", NULL, &answer);
    cr_expect(!answer_has(&answer, "Access-Control-Allow-Origin", NULL));
    cr_expect(answer_has(&answer, "Vary", "Origin"), "caches keep the two apart");
    cr_assert_eq(pw_cors_parse("*", &cors, NULL), PW_OK);
    ask_from(&rig, "GET", "/slots", stranger, &answer);
    cr_expect(answer_has(&answer, "Access-Control-Allow-Origin", "*"));
    cr_expect(!answer_has(&answer, "Vary", NULL));
    rig_close(&rig);
}

static void count_request(void *self, struct pw_http_request *request)
{
    ++*(int *)self;
    pw_http_answer(request, 200, NULL, (struct pw_str){"", 0});
}

/* What comes between halt and stop would be answered out of what is gone by then. */
Test(admission, a_server_that_has_halted_asks_nobody)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct pw_http_server *server = NULL;
    struct pw_err err = {0};
    int request_count = 0;
    struct pw_http_options options = {
        .address = "127.0.0.1:0",
        .threads = 1,
        .connections_max = 4,
        .stage_seconds = {30, 30, 30, 30},
        .head_bytes_max = 20480,
        .body_bytes_max = 65536,
        .handler = {.self = &request_count, .handle = count_request},
    };
    cr_assert(pw_http_start(&options, &server, &err) == PW_OK, "%s", err.detail);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)pw_http_port(server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char answer[512];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    cr_assert(send(fd, request, sizeof request - 1, 0) == (ssize_t)sizeof request - 1);
    cr_assert(recv(fd, answer, sizeof answer, 0) > 0);
    cr_assert_eq(request_count, 1);
    pw_http_halt(server);
    cr_assert(send(fd, request, sizeof request - 1, 0) == (ssize_t)sizeof request - 1);
    pw_http_stop(server);
    cr_assert_eq(request_count, 1);
    cr_assert(recv(fd, answer, sizeof answer, 0) <= 0, "the connection is closed");
    close(fd);
}
