/* api/tests/people_rig.c: a tenant that keeps accounts. */
#include "api/tests/people_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

struct people people;

const char *people_problem(void)
{
    static char name[64];
    return answer_problem(&people.answer, name);
}

void people_ask(const char *token, const char *path, const char *body)
{
    rig_ask_as(&people.rig, token, "POST", path, NULL, body, &people.answer);
}

void people_ask_as_operator(const char *path, const char *body)
{
    static const char *const headers[] = {"Authorization: Bearer " RIG_CLUSTER_KEY,
                                          "Content-Type: application/json", NULL};
    char url[256];
    snprintf(url, sizeof url, "%s/internal/tenants/%s%s", people.rig.internal_url,
             people.rig.tenant, path);
    rig_ask("POST", url, headers, body, &people.answer);
}

void people_take_text(const char *name, char *ret_text, size_t room)
{
    cr_assert(answer_text(&people.answer, name, ret_text, room), "%s: %s", name,
              people.answer.body);
}

void people_open(void)
{
    memset(&people, 0, sizeof people);
    rig_open(&people.rig);
    rig_token(&people.rig, ADMIN, PW_ROLE(ADMIN), 600, people.admin);
    people_ask_as_operator("/choose-equality-key", "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    people_ask(people.admin, "/users", ANN);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    people_take_text("id", people.ann, sizeof people.ann);
}

void people_close(void)
{
    rig_close(&people.rig);
}

void people_take_tokens(struct tokens *ret_tokens)
{
    people_take_text("access_token", ret_tokens->access, sizeof ret_tokens->access);
    people_take_text("refresh_token", ret_tokens->refresh, sizeof ret_tokens->refresh);
    people_take_text("id", ret_tokens->session, sizeof ret_tokens->session);
}

void people_log_in(struct tokens *ret_tokens)
{
    people_ask(NULL, "/sessions", ANN_LOGIN);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    people_take_tokens(ret_tokens);
}

void people_refresh(const char *token)
{
    char body[256];
    snprintf(body, sizeof body, "{\"refresh_token\": \"%s\"}", token);
    people_ask(NULL, "/refresh-session", body);
}

bool people_let_in(const char *token)
{
    people_ask(token, "/me/set-preferences",
               "{\"language\": \"de\", \"time_zone\": \"Europe/Vienna\"}");
    return people.answer.status == 200;
}

void people_about_ann(const char *verb, const char *body)
{
    char path[128];
    snprintf(path, sizeof path, "/users/%s/%s", people.ann, verb);
    people_ask(people.admin, path, body);
}

void people_make_key(uint8_t number, char ret_header[128])
{
    uint8_t random[16];
    char text[PW_ID_TEXT_BYTES + 1];
    memset(random, number, sizeof random);
    struct pw_id id = pw_id_v7(pw_http_wall_us(), random);
    pw_id_format(&id, text);
    snprintf(ret_header, 128, "Idempotency-Key: %s", text);
}

void people_ask_under(uint8_t key_number, const char *token, const char *path, const char *body)
{
    char *key = people.keys[key_number];
    if (key[0] == '\0') {
        people_make_key(key_number, key);
    }
    rig_ask_as(&people.rig, token, "POST", path, key, body, &people.answer);
}

bool people_were_told_again(void)
{
    return people.answer.status == 200 &&
           answer_has(&people.answer, "Idempotency-Replayed", "true");
}

bool people_were_refused(unsigned status, const char *name)
{
    return people.answer.status == status && strcmp(people_problem(), name) == 0 &&
           !answer_has(&people.answer, "Idempotency-Replayed", "true");
}
