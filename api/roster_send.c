/* api/roster_send.c: a plan's requests over HTTP, many at once. */
#include "api/roster_send.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/reply.h"
#include "commands/engine.h"
#include "commands/memory.h"

#define ANSWER_SECONDS 30 /* Then it is silence. A node itself gives up a command after five. */
#define TURN_MS        100

struct line {
    CURL *curl;
    struct curl_slist *headers;
    uint32_t slot;
    struct pw_reply answer;
};

struct sender {
    struct pw_plan *plan;
    const struct pw_roster_target *target;
    CURLM *multi;
    struct line *lines; /* One a slot. */
    struct pw_clock clock;
};

static int64_t now_us(const struct sender *sender)
{
    return sender->clock.boot_us(sender->clock.self);
}

/* --- Coming and going --- */

static bool line_open(struct line *line, const struct pw_roster_target *target)
{
    line->curl = curl_easy_init();
    if (line->curl == NULL) {
        return false;
    }
    curl_easy_setopt(line->curl, CURLOPT_TIMEOUT, (long)ANSWER_SECONDS);
    curl_easy_setopt(line->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(line->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(line->curl, CURLOPT_WRITEFUNCTION, pw_gather_on_data);
    curl_easy_setopt(line->curl, CURLOPT_WRITEDATA, &line->answer.gathered);
    curl_easy_setopt(line->curl, CURLOPT_PRIVATE, line);
    if (target->is_internal) {
        curl_easy_setopt(line->curl, CURLOPT_NOPROXY, "*");
    }
    return true;
}

static bool sender_open(struct sender *sender)
{
    uint32_t count = sender->target->in_flight;
    sender->clock = pw_clock_system();
    sender->multi = curl_multi_init();
    sender->lines = pw_memory_new(count, sizeof *sender->lines);
    bool opened = sender->multi != NULL;
    for (uint32_t i = 0; i < count; i++) {
        sender->lines[i].slot = i;
        opened = line_open(&sender->lines[i], sender->target) && opened;
    }
    if (opened) {
        curl_multi_setopt(sender->multi, CURLMOPT_MAXCONNECTS, (long)count);
    }
    return opened;
}

static void sender_close(struct sender *sender)
{
    for (uint32_t i = 0; i < sender->target->in_flight; i++) {
        curl_easy_cleanup(sender->lines[i].curl);
        curl_slist_free_all(sender->lines[i].headers);
    }
    curl_multi_cleanup(sender->multi);
    free(sender->lines);
}

/* --- One request --- */

static struct curl_slist *headers_of(const struct sender *sender, const struct pw_id *key)
{
    char id[PW_ID_TEXT_BYTES + 1];
    pw_id_format(key, id);
    return pw_command_headers(sender->target->bearer, id);
}

static void set_url(CURL *curl, const struct pw_roster_target *target,
                    const struct pw_plan_request *request)
{
    char url[1024];
    char id[PW_ID_TEXT_BYTES + 1];
    snprintf(url, sizeof url, "%s", target->users_url);
    if (request->is_grant) {
        pw_id_format(&request->user_id, id);
        snprintf(url, sizeof url, "%s/%s/grant-roles", target->users_url, id);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
}

static void start(struct sender *sender, const struct pw_plan_request *request)
{
    struct line *line = &sender->lines[request->slot];
    curl_slist_free_all(line->headers);
    line->headers = headers_of(sender, &request->key);
    pw_reply_begin(&line->answer);
    set_url(line->curl, sender->target, request);
    curl_easy_setopt(line->curl, CURLOPT_HTTPHEADER, line->headers);
    curl_easy_setopt(line->curl, CURLOPT_POSTFIELDS, request->body);
    curl_multi_add_handle(sender->multi, line->curl);
}

static void finish(struct sender *sender, CURL *curl, CURLcode result)
{
    struct line *line = NULL;
    long status = 0;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(curl, CURLINFO_PRIVATE, &line);
    if (result == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
    }
    curl_multi_remove_handle(sender->multi, curl);
    pw_reply_read(&line->answer, status);
    struct pw_plan_answer answer = {.status = status,
                                    .retry_after_us = (int64_t)retry_after * PW_US_PER_SECOND,
                                    .problem = line->answer.problem,
                                    .detail = line->answer.detail,
                                    .id = line->answer.id};
    pw_plan_answered(sender->plan, line->slot, &answer, now_us(sender));
}

/* --- All of them --- */

/* Gives whether something came back. */
static bool take_turn(struct sender *sender)
{
    struct pw_plan_request request;
    int running = 0;
    int left = 0;
    bool came_back = false;
    while (pw_plan_next(sender->plan, now_us(sender), &request)) {
        start(sender, &request);
    }
    curl_multi_perform(sender->multi, &running);
    for (CURLMsg *message = curl_multi_info_read(sender->multi, &left); message != NULL;
         message = curl_multi_info_read(sender->multi, &left)) {
        finish(sender, message->easy_handle, message->data.result);
        came_back = true;
    }
    return came_back;
}

/* Until there is news, or a pause is over. */
static void await_news(struct sender *sender)
{
    int64_t wait_ms = pw_plan_wait_us(sender->plan, now_us(sender)) / 1000 + 1;
    bool is_pause = wait_ms > 1 && wait_ms < TURN_MS;
    curl_multi_poll(sender->multi, NULL, 0, is_pause ? (int)wait_ms : TURN_MS, NULL);
}

enum pw_code pw_roster_send(struct pw_plan *plan, const struct pw_roster_target *target,
                            const struct pw_roster_watch *watch, struct pw_err *err)
{
    struct sender sender = {.plan = plan, .target = target};
    enum pw_code code = PW_OK;
    if (!sender_open(&sender)) {
        code = pw_fail(err, PW_ERR_INTERNAL, "libcurl does not start");
    }
    while (code == PW_OK && !pw_plan_is_over(plan)) {
        if (*watch->stop != 0) {
            pw_plan_stop(plan);
        }
        bool came_back = take_turn(&sender);
        watch->told(watch->self);
        if (!came_back) {
            await_news(&sender);
        }
    }
    sender_close(&sender);
    return code;
}
