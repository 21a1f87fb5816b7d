/* api/tests/repeats.c: what somebody is told who asks again, by then perhaps without the right to; and what a node says that may not have
 * read all that others were told. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "api/tests/people_rig.h"

Test(repeats, a_repeat_of_signing_in_is_given_the_same_session, .init = people_open,
     .fini = people_close)
{
    struct tokens first;
    struct tokens second;
    char header[128];
    uint8_t random[16] = {7};
    char text[PW_ID_TEXT_BYTES + 1];
    struct pw_id id = pw_id_v7(pw_http_wall_us(), random);
    pw_id_format(&id, text);
    snprintf(header, sizeof header, "Idempotency-Key: %s", text);
    rig_ask_as(&people.rig, NULL, "POST", "/sessions", header, ANN_LOGIN, &people.answer);
    people_take_tokens(&first);
    rig_ask_as(&people.rig, NULL, "POST", "/sessions", header, ANN_LOGIN, &people.answer);
    people_take_tokens(&second);
    cr_expect(answer_has(&people.answer, "Idempotency-Replayed", "true"));
    cr_expect_str_eq(first.session, second.session);
    cr_expect_str_eq(first.refresh, second.refresh);
    rig_ask_as(&people.rig, NULL, "POST", "/sessions", header,
               LOGIN("ann@uni-graz.example", "wrong horse"), &people.answer);
    cr_expect_eq(people.answer.status, 401, "the key alone opens nothing");
}

static void log_in_under(const char *key, struct tokens *ret_tokens)
{
    rig_ask_as(&people.rig, NULL, "POST", "/sessions", key, ANN_LOGIN, &people.answer);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    people_take_tokens(ret_tokens);
}

static void expect_session_ended(void)
{
    cr_expect(people.answer.status == 409 && strcmp(people_problem(), "session-ended") == 0, "%s",
              people.answer.body);
    cr_expect(strstr(people.answer.body, "access_token") == NULL);
}

Test(repeats, a_repeat_opens_no_session_again, .init = people_open, .fini = people_close)
{
    struct tokens tokens;
    char opened[128];
    char refreshed[128];
    char body[256];
    char path[128];
    people_make_key(1, opened);
    people_make_key(2, refreshed);
    log_in_under(opened, &tokens);
    snprintf(body, sizeof body, "{\"refresh_token\": \"%s\"}", tokens.refresh);
    rig_ask_as(&people.rig, NULL, "POST", "/refresh-session", refreshed, body, &people.answer);
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    snprintf(path, sizeof path, "/sessions/%s/revoke", tokens.session);
    people_ask(people.admin, path, "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    rig_ask_as(&people.rig, NULL, "POST", "/refresh-session", refreshed, body, &people.answer);
    expect_session_ended();
    rig_ask_as(&people.rig, NULL, "POST", "/sessions", opened, ANN_LOGIN, &people.answer);
    expect_session_ended();
}

/* A lost answer is asked for again under the same key, whatever has become of password and person since. */
Test(repeats, a_repeat_is_known_before_it_is_judged, .init = people_open, .fini = people_close)
{
    static const char change[] =
        "{\"password\": \"correct horse\", \"new_password\": \"staple of my own\"}";
    struct tokens tokens;
    char key[128];
    char path[128];
    people_log_in(&tokens);
    people_make_key(40, key);
    for (int i = 0; i < 2; i++) {
        rig_ask_as(&people.rig, tokens.access, "POST", "/me/change-password", key, change,
                   &people.answer);
        cr_expect_eq(people.answer.status, 200, "%d: %s", i, people.answer.body);
        cr_expect_eq(answer_has(&people.answer, "Idempotency-Replayed", "true"), i == 1);
    }
    people_make_key(41, key);
    rig_ask_as(&people.rig, tokens.access, "POST", "/me/change-password", key, change,
               &people.answer);
    cr_expect_eq(people.answer.status, 401, "under another key it is another attempt");
    people_make_key(42, key);
    snprintf(path, sizeof path, "/users/%s/deactivate", people.ann);
    rig_ask_as(&people.rig, people.admin, "POST", path, key, "{}", &people.answer);
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    people_about_ann("erase", "{}");
    rig_ask_as(&people.rig, people.admin, "POST", path, key, "{}", &people.answer);
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect(answer_has(&people.answer, "Idempotency-Replayed", "true"));
}

/* Who signs out is signed out by the answer that gets lost. */
Test(repeats, who_may_act_no_more_is_told_what_became_of_a_command, .init = people_open,
     .fini = people_close)
{
    static const char language[] = "{\"language\": \"de\", \"time_zone\": \"Europe/Vienna\"}";
    struct tokens tokens;
    char path[128];
    people_log_in(&tokens);
    people_ask_under(50, tokens.access, "/me/set-preferences", language);
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    snprintf(path, sizeof path, "/sessions/%s/revoke", tokens.session);
    for (int i = 0; i < 3; i++) {
        people_ask_under(51, tokens.access, path, "{}");
        cr_expect_eq(people.answer.status, 200, "%d: %s", i, people.answer.body);
        cr_expect_eq(people_were_told_again(), i > 0);
    }
    people_ask_under(50, tokens.access, "/me/set-preferences", language);
    cr_expect(people_were_told_again(), "%s", people.answer.body);

    people_ask_under(52, tokens.access, path, "{}");
    cr_expect(people_were_refused(401, "unauthenticated"), "another attempt: %s",
              people.answer.body);
    cr_expect_not_null(strstr(people.answer.headers, "error=\"invalid_token\""));
    people_ask_under(51, tokens.access, "/me/set-preferences", language);
    cr_expect(people_were_refused(401, "unauthenticated"), "another command: %s",
              people.answer.body);
    people_ask_under(53, tokens.access, "/me/set-preferences", "{\"language\": 1}");
    cr_expect(people_were_refused(401, "unauthenticated"), "not even that: %s", people.answer.body);
    people_ask(tokens.access, path, "{}");
    cr_expect(people_were_refused(401, "unauthenticated"), "%s", people.answer.body);
}

/* Passwords are no matter of who may not act: that would be a way to guess them. */
Test(repeats, who_may_act_no_more_guesses_no_password, .init = people_open, .fini = people_close)
{
    static const char change[] =
        "{\"password\": \"correct horse\", \"new_password\": \"staple of my own\"}";
    struct tokens tokens;
    people_log_in(&tokens);
    people_ask_under(54, tokens.access, "/me/change-password", change);
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    people_about_ann("deactivate", "{}");
    people_ask_under(54, tokens.access, "/me/change-password", change);
    cr_expect(people_were_refused(401, "unauthenticated"), "%s", people.answer.body);
}

/* An admin who gives up their office, or leaves, is told so once more. */
Test(repeats, who_gave_up_a_role_is_told_so_again, .init = people_open, .fini = people_close)
{
    struct tokens tokens;
    char path[128];
    people_about_ann("grant-roles", "{\"roles\": [\"admin\"]}");
    people_ask(people.admin, "/users", BOB);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    people_log_in(&tokens);
    snprintf(path, sizeof path, "/users/%s/revoke-roles", people.ann);
    for (int i = 0; i < 2; i++) {
        people_ask_under(55, tokens.access, path, "{\"roles\": [\"admin\"]}");
        cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
        cr_expect_eq(people_were_told_again(), i > 0);
    }
    people_ask_under(56, tokens.access, path, "{\"roles\": [\"student\"]}");
    cr_expect(people_were_refused(403, "forbidden"), "%s", people.answer.body);
    people_ask_under(57, tokens.access, path, "{\"roles\": 7}");
    cr_expect(people_were_refused(403, "forbidden"), "%s", people.answer.body);

    people_about_ann("grant-roles", "{\"roles\": [\"admin\"]}");
    snprintf(path, sizeof path, "/users/%s/deactivate", people.ann);
    for (int i = 0; i < 2; i++) {
        people_ask_under(58, tokens.access, path, "{\"reason\": \"I leave\"}");
        cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
        cr_expect_eq(people_were_told_again(), i > 0);
    }
}

static int64_t stand_still(void *self)
{
    (void)self;
    return PW_US_PER_SECOND;
}

/* A thief whose session was ended has a signed token for some minutes yet, and may repeat commands. */
Test(repeats, who_was_signed_out_uses_up_nothing_of_the_owner_s, .init = people_open,
     .fini = people_close)
{
    struct tokens stolen;
    struct tokens own;
    char path[128];
    struct pw_limits_options options = {.rates = {[PW_LIMIT_TOKEN] = {10, 2}},
                                        .clock = {.boot_us = stand_still}};
    people_log_in(&stolen);
    people_log_in(&own);
    snprintf(path, sizeof path, "/sessions/%s/revoke", stolen.session);
    people_ask(own.access, path, "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    people.rig.service.limits = pw_limits_new(&options);
    for (uint8_t i = 0; i < 3; i++) {
        people_ask_under(i, stolen.access, path, "{}");
        cr_expect_eq(people.answer.status, i < 2 ? 401 : 429, "%u: %s", i, people.answer.body);
    }
    cr_expect(people_let_in(own.access));
    pw_limits_free(people.rig.service.limits);
    people.rig.service.limits = NULL;
}

/* It knows nobody yet: no right password is wrong for that. */
Test(repeats, a_node_that_still_reads_judges_nobody, .init = people_open, .fini = people_close)
{
    static struct rig second;
    rig_open_unread(&second, &people.rig);
    rig_ask_as(&second, NULL, "POST", "/sessions", NULL, ANN_LOGIN, &people.answer);
    cr_expect(people.answer.status == 503 && strcmp(people_problem(), "no-leader") == 0, "%s",
              people.answer.body);
    rig_close(&second);
}

/* What it has read may not be all: who was registered a moment ago is not to be told that the password is wrong. That a node leads, as
 * far as it knows, says nothing: it may have been succeeded. */
Test(repeats, who_has_not_read_all_refuses_nobody, .init = people_open, .fini = people_close)
{
    static struct rig second;
    rig_open_beside(&second, &people.rig);
    struct pw_forwarder *forwarder = second.service.forwarder;
    struct pw_partition_status status = {0};
    second.service.forwarder = NULL; /* There is nobody whom it could ask. */
    while (!status.caught_up) {
        pw_engine_status(second.engine, pw_partition_of(&second.tenant_id, 2), &status);
        usleep(1000);
    }
    rig_ask_as(&second, NULL, "POST", "/sessions", NULL, LOGIN("ann@uni-graz.example", "wrong"),
               &people.answer);
    cr_expect(people_were_refused(401, "login-failed"), "it has: %s", people.answer.body);
    atomic_store(&second.is_standing, true);
    people_ask(people.admin, "/users", BOB);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    atomic_store(&second.is_hurried, true);
    rig_ask_as(&second, NULL, "POST", "/sessions", NULL, BOB_LOGIN, &people.answer);
    cr_expect(people_were_refused(503, "no-leader"), "%s", people.answer.body);
    atomic_store(&second.is_hurried, false);
    atomic_store(&second.is_standing, false);
    rig_ask_as(&second, NULL, "POST", "/sessions", NULL, LOGIN("bob@uni-graz.example", "wrong"),
               &people.answer);
    cr_expect(people_were_refused(401, "login-failed"), "%s", people.answer.body);
    second.service.forwarder = forwarder;
    rig_close(&second);
}

/* It is no record, and nothing that anybody was told. */
Test(repeats, a_marker_of_a_transaction_is_read_past, .init = people_open, .fini = people_close)
{
    pw_sim_skip_offset(people.rig.log, pw_partition_of(&people.rig.tenant_id, 2));
    people_ask(NULL, "/sessions", LOGIN("ann@uni-graz.example", "wrong"));
    cr_expect(people_were_refused(401, "login-failed"), "%s", people.answer.body);
}
