/* api/tests/accounts.c: people, passwords and sessions at the door: a real HTTP client in front, a simulated log and simulated keys
 * behind. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/credentials.h"
#include "api/tests/people_rig.h"

Test(accounts, one_signs_in_by_address_and_password, .init = people_open, .fini = people_close)
{
    struct tokens tokens;
    people_log_in(&tokens);
    cr_expect(answer_has(&people.answer, "Cache-Control", "private, no-store"));
    cr_expect(strstr(people.answer.body, "\"token_type\":\"Bearer\",\"expires_in\":600,") != NULL,
              "%s", people.answer.body);
    cr_expect(people_let_in(tokens.access), "%s", people.answer.body);
    people_ask(NULL, "/sessions", LOGIN("ann@uni-graz.example", "wrong horse"));
    cr_expect(people.answer.status == 401 && strcmp(people_problem(), "login-failed") == 0, "%s",
              people.answer.body);
    cr_expect(answer_has(&people.answer, "WWW-Authenticate", NULL));
    people_ask(NULL, "/sessions", LOGIN("bob@uni-graz.example", "correct horse"));
    cr_expect(people.answer.status == 401 && strcmp(people_problem(), "login-failed") == 0);
    cr_expect(strstr(people.answer.body, "horse") == NULL, "no answer repeats a password");
}

Test(accounts, an_admin_with_other_roles_is_an_admin, .init = people_open, .fini = people_close)
{
    struct tokens tokens;
    char both[2048];
    char path[128];
    people_log_in(&tokens);
    rig_token(&people.rig, STRANGER, PW_ROLE(ADMIN) | PW_ROLE(AUDITOR) | PW_ROLE(ANALYST), 600,
              both);
    snprintf(path, sizeof path, "/sessions/%s/revoke", tokens.session);
    people_ask(both, path, "{}");
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
}

Test(accounts, a_refresh_token_is_good_once, .init = people_open, .fini = people_close)
{
    struct tokens first;
    struct tokens second;
    struct tokens third;
    people_log_in(&first);
    people_refresh(first.refresh);
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    people_take_tokens(&second);
    cr_expect_str_neq(first.refresh, second.refresh);
    cr_expect_str_eq(first.session, second.session);
    people_refresh(first.refresh); /* At once: the second window of a browser. */
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    people_take_tokens(&third);
    cr_expect_str_eq(third.refresh, second.refresh);
    people_refresh(second.refresh);
    cr_assert_eq(people.answer.status, 200);
    people_refresh(first.refresh); /* Of the version before the last: a thief's. */
    cr_expect(people.answer.status == 409 && strcmp(people_problem(), "session-token-reused") == 0,
              "%s", people.answer.body);
    cr_expect_not(people_let_in(third.access), "the session is over for everybody");
    cr_expect_eq(people.answer.status, 401);
    people_refresh(second.refresh);
    cr_expect(people.answer.status == 409 && strcmp(people_problem(), "session-ended") == 0);
}

Test(accounts, a_forged_refresh_token_is_none, .init = people_open, .fini = people_close)
{
    struct tokens tokens;
    people_log_in(&tokens);
    for (size_t at = 0; at < strlen(tokens.refresh); at += 7) {
        char forged[128];
        memcpy(forged, tokens.refresh, sizeof forged);
        forged[at] = forged[at] == 'A' ? 'B' : 'A';
        people_refresh(forged);
        cr_expect(people.answer.status == 409 && strcmp(people_problem(), "session-ended") == 0,
                  "%zu: %s", at, people.answer.body);
    }
    people_refresh(tokens.refresh);
    cr_expect_eq(people.answer.status, 200);
}

Test(accounts, one_signs_out, .init = people_open, .fini = people_close)
{
    struct tokens tokens;
    struct tokens others;
    char path[128];
    people_log_in(&tokens);
    people_log_in(&others);
    snprintf(path, sizeof path, "/sessions/%s/revoke", others.session);
    people_ask(tokens.access, path, "{}");
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect_not(people_let_in(others.access));
    cr_expect(people_let_in(tokens.access));
    char stranger[2048];
    rig_token(&people.rig, STRANGER, PW_ROLE(STUDENT), 600, stranger);
    snprintf(path, sizeof path, "/sessions/%s/revoke", tokens.session);
    people_ask(stranger, path, "{}");
    cr_expect_eq(people.answer.status, 404);
    people_ask(people.admin, path, "{}");
    cr_expect_eq(people.answer.status, 200);
    cr_expect_not(people_let_in(tokens.access));
}

Test(accounts, who_is_shut_out_is_out_at_once, .init = people_open, .fini = people_close)
{
    struct tokens tokens;
    char outside[2048];
    people_log_in(&tokens);
    rig_token(&people.rig, people.ann, PW_ROLE(STUDENT) | PW_ROLE(TEACHER), 600, outside);
    cr_expect(people_let_in(outside), "who signs in elsewhere, too");
    people_about_ann("deactivate", "{\"reason\": \"Left\"}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect_not(people_let_in(tokens.access));
    cr_expect_not(people_let_in(outside));
    people_ask(NULL, "/sessions", ANN_LOGIN);
    cr_expect(people.answer.status == 409 && strcmp(people_problem(), "user-not-active") == 0);
    people_about_ann("reactivate", "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect(people_let_in(outside));
    cr_expect_not(people_let_in(tokens.access), "its session has ended");
}

Test(accounts, roles_are_those_of_the_account, .init = people_open, .fini = people_close)
{
    static const char exam[] = "{\"title\": \"Algebra\", \"duration_minutes\": 90}";
    struct tokens tokens;
    char outside[2048];
    people_log_in(&tokens);
    rig_token(&people.rig, people.ann, PW_ROLE(STUDENT) | PW_ROLE(TEACHER), 600, outside);
    people_ask(outside, "/exams", exam);
    cr_expect_eq(people.answer.status, 403, "an issuer gives no role that the account has not");
    people_ask(tokens.access, "/exams", exam);
    cr_expect_eq(people.answer.status, 403);
    people_about_ann("grant-roles", "{\"roles\": [\"teacher\"]}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    people_ask(outside, "/exams", exam);
    cr_expect_eq(people.answer.status, 201);
    people_ask(tokens.access, "/exams", exam);
    cr_expect_eq(people.answer.status, 201, "a token of ours has the roles of now");
    people_about_ann("revoke-roles", "{\"roles\": [\"teacher\"]}");
    people_ask(tokens.access, "/exams", exam);
    cr_expect_eq(people.answer.status, 403);
    people_ask(outside, "/exams", exam);
    cr_expect_eq(people.answer.status, 403);
}

Test(accounts, a_password_is_changed_by_who_knows_it, .init = people_open, .fini = people_close)
{
    struct tokens tokens;
    struct tokens others;
    people_log_in(&tokens);
    people_log_in(&others);
    people_ask(tokens.access, "/me/change-password",
               "{\"password\": \"wrong horse\", \"new_password\": \"staple of my own\"}");
    cr_expect(people.answer.status == 401 && strcmp(people_problem(), "login-failed") == 0, "%s",
              people.answer.body);
    people_ask(tokens.access, "/me/change-password",
               "{\"password\": \"correct horse\", \"new_password\": \"password\"}");
    cr_expect(people.answer.status == 400 && strstr(people.answer.body, "/new_password") != NULL,
              "%s", people.answer.body);
    people_ask(tokens.access, "/me/change-password",
               "{\"password\": \"correct horse\", \"new_password\": \"staple of my own\"}");
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect(people_let_in(tokens.access), "the session that asked goes on");
    cr_expect_not(people_let_in(others.access), "every other one ends");
    people_ask(NULL, "/sessions", ANN_LOGIN);
    cr_expect_eq(people.answer.status, 401);
    people_ask(NULL, "/sessions", LOGIN("ann@uni-graz.example", "staple of my own"));
    cr_expect_eq(people.answer.status, 201);
}

Test(accounts, a_token_sets_a_password_once, .init = people_open, .fini = people_close)
{
    char token[128];
    char body[256];
    people_about_ann("issue-reset-token", "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    people_take_text("reset_token", token, sizeof token);
    snprintf(body, sizeof body, "{\"reset_token\": \"%s\", \"new_password\": \"staple of my own\"}",
             token);
    people_ask(NULL, "/reset-password", body);
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    people_ask(NULL, "/reset-password", body);
    cr_expect(people.answer.status == 409 && strcmp(people_problem(), "reset-token-invalid") == 0);
    people_ask(NULL, "/sessions", LOGIN("ann@uni-graz.example", "staple of my own"));
    cr_expect_eq(people.answer.status, 201);
    token[30] = token[30] == 'A' ? 'B' : 'A';
    snprintf(body, sizeof body, "{\"reset_token\": \"%s\", \"new_password\": \"another one yet\"}",
             token);
    people_ask(NULL, "/reset-password", body);
    cr_expect(people.answer.status == 409 && strcmp(people_problem(), "reset-token-invalid") == 0);
}

Test(accounts, an_address_is_one_person_s, .init = people_open, .fini = people_close)
{
    people_ask(
        people.admin, "/users",
        "{\"email\": \"aNN@uni-graz.example\", \"name\": \"Anna\", \"roles\": [\"student\"]}");
    cr_expect(people.answer.status == 409 && strcmp(people_problem(), "email-taken") == 0, "%s",
              people.answer.body);
    cr_expect(strstr(people.answer.body, people.ann) != NULL, "it names whose");
    cr_expect(strstr(people.answer.body, "uni-graz") == NULL, "by id");
}

static uint64_t keys_made(void)
{
    struct pw_vault_counts counts;
    pw_vault_count(people.rig.service.vault, &counts);
    return counts.created;
}

/* Else an import that is repeated would leave a key behind for each of its people, for ever. */
Test(accounts, no_key_is_made_that_nobody_uses, .init = people_open, .fini = people_close)
{
    char key[128];
    char bob[64];
    char again[64];
    static const char body[] = "{\"email\": \"bob@uni-graz.example\", \"name\": \"Bob\", "
                               "\"roles\": [\"student\"], \"password\": \"correct horse\"}";
    people_make_key(1, key);
    rig_ask_as(&people.rig, people.admin, "POST", "/users", key, body, &people.answer);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    people_take_text("id", bob, sizeof bob);
    uint64_t made = keys_made();
    rig_ask_as(&people.rig, people.admin, "POST", "/users", key, body, &people.answer);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    people_take_text("id", again, sizeof again);
    cr_expect_str_eq(bob, again);
    people_ask(people.admin, "/users", body);
    cr_expect(people.answer.status == 409 && strcmp(people_problem(), "email-taken") == 0, "%s",
              people.answer.body);
    cr_expect_eq(keys_made(), made);
    people_ask(NULL, "/sessions", LOGIN("bob@uni-graz.example", "correct horse"));
    cr_expect_eq(people.answer.status, 201, "%s", people.answer.body);
}

Test(accounts, an_operator_makes_the_first_admin, .init = people_open, .fini = people_close)
{
    char location[160];
    char id[64];
    people_ask_as_operator("/users",
                           "{\"email\": \"ada@uni-graz.example\", \"name\": \"Ada\", \"roles\": "
                           "[\"admin\"], \"password\": \"correct horse\"}");
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    cr_expect(!answer_has(&people.answer, "Location", NULL), "operators cannot get it");
    struct tokens tokens;
    people_ask(NULL, "/sessions", LOGIN("ada@uni-graz.example", "correct horse"));
    cr_expect(!answer_has(&people.answer, "Location", NULL), "no GET shows one session");
    people_take_tokens(&tokens);
    people_ask(tokens.access, "/users",
               "{\"email\": \"bob@uni-graz.example\", \"name\": \"Bob\", "
               "\"roles\": [\"student\"]}");
    cr_expect_eq(people.answer.status, 201, "%s", people.answer.body);
    people_take_text("id", id, sizeof id);
    snprintf(location, sizeof location, "/v1/tenants/%s/users/%s", people.rig.tenant, id);
    cr_expect(answer_has(&people.answer, "Location", location), "%s", people.answer.headers);
}

Test(accounts, who_is_forgotten_is_gone, .init = people_open, .fini = people_close)
{
    struct tokens tokens;
    people_log_in(&tokens);
    people_about_ann("erase", "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect_not(people_let_in(tokens.access));
    people_ask(NULL, "/sessions", ANN_LOGIN);
    cr_expect_eq(people.answer.status, 401, "%s", people.answer.body);
    people_refresh(tokens.refresh);
    cr_expect(people.answer.status == 409 && strcmp(people_problem(), "session-ended") == 0);
    cr_expect(answer_has(&people.answer, "Pw-Position", NULL), "it is on record");
    people_about_ann("update-profile", "{\"email\": \"ann@uni-graz.example\", \"name\": \"Ann\"}");
    cr_expect(people.answer.status == 409 && strcmp(people_problem(), "user-erased") == 0);
    people_ask(people.admin, "/users", ANN);
    cr_expect_eq(people.answer.status, 201, "the address is free again");
}

/* What is on record: nothing of what was said. */
Test(accounts, nothing_personal_is_on_record, .init = people_open, .fini = people_close)
{
    static const char *const said[] = {"Ann Auer", "uni-graz", "correct horse", "argon2id",
                                       "Firefox",  "Left",     "staple of"};
    struct tokens tokens;
    people_log_in(&tokens);
    people_ask(tokens.access, "/me/change-password",
               "{\"password\": \"correct horse\", \"new_password\": \"staple of my own\"}");
    people_about_ann("update-profile",
                     "{\"email\": \"auer@uni-graz.example\", \"name\": \"Ann Auer\"}");
    people_about_ann("deactivate", "{\"reason\": \"Left the university\"}");
    cr_assert_eq(people.answer.status, 200);
    uint32_t seen = 0;
    for (uint32_t partition = 0; partition < 2; partition++) {
        for (int64_t offset = 0; offset < pw_sim_end(people.rig.log, partition); offset++) {
            uint8_t *value = NULL;
            size_t bytes = 0;
            cr_assert(pw_sim_get(people.rig.log, partition, offset, &value, &bytes));
            for (size_t i = 0; i < PW_COUNT(said); i++) {
                cr_expect(memmem(value, bytes, said[i], strlen(said[i])) == NULL,
                          "%s at offset %lld", said[i], (long long)offset);
            }
            free(value);
            seen++;
        }
    }
    cr_expect_gt(seen, 8, "%u records", seen);
}

static int64_t stand_still(void *self)
{
    (void)self;
    return PW_US_PER_SECOND;
}

/* Whoever tries passwords is told to wait, by signing in and by changing one; nobody else is. */
Test(accounts, passwords_are_tried_at_a_bounded_rate, .init = people_open, .fini = people_close)
{
    static const char change[] =
        "{\"password\": \"wrong horse\", \"new_password\": \"staple of my own\"}";
    struct tokens tokens;
    struct pw_limits_options options = {.rates = {[PW_LIMIT_LOGIN] = {10, 2}},
                                        .clock = {.boot_us = stand_still}};
    people_log_in(&tokens);
    struct pw_limits *limits = pw_limits_new(&options);
    people.rig.service.limits = limits;
    for (int i = 0; i < 3; i++) {
        people_ask(NULL, "/sessions", LOGIN("ann@uni-graz.example", "wrong horse"));
        cr_expect_eq(people.answer.status, i < 2 ? 401 : 429, "%d: %s", i, people.answer.body);
    }
    cr_expect(strcmp(people_problem(), "too-many-requests") == 0 &&
              answer_has(&people.answer, "Retry-After", "6"));
    people_ask(NULL, "/sessions", LOGIN("bob@uni-graz.example", "wrong horse"));
    cr_expect_eq(people.answer.status, 401, "another account is another count");
    for (int i = 0; i < 3; i++) {
        people_ask(tokens.access, "/me/change-password", change);
        cr_expect_eq(people.answer.status, i < 2 ? 401 : 429, "%d: %s", i, people.answer.body);
    }
    cr_expect(people_let_in(tokens.access), "what tries no password is not counted");
    char token[128];
    char body[256];
    people_about_ann("issue-reset-token", "{}");
    people_take_text("reset_token", token, sizeof token);
    token[60] = token[60] == 'A' ? 'B' : 'A';
    snprintf(body, sizeof body, "{\"reset_token\": \"%s\", \"new_password\": \"staple of my own\"}",
             token);
    people_ask(NULL, "/reset-password", body);
    cr_expect_eq(people.answer.status, 429, "nor is anybody's token guessed: %s",
                 people.answer.body);
    people.rig.service.limits = NULL;
    pw_limits_free(limits);
}
