/* api/tests/accounts.c: people, passwords and sessions at the door: a real HTTP client in front, a simulated log and simulated keys
 * behind. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/credentials.h"
#include "api/tests/rig.h"

#define ADMIN    "01890a5d-ac96-774b-bcce-b302099a0001"
#define STRANGER "01890a5d-ac96-774b-bcce-b302099a0002"
#define ANN                                                                                        \
    "{\"email\": \"Ann@uni-graz.example\", \"name\": \"Ann Auer\", \"roles\": [\"student\"], "     \
    "\"password\": \"correct horse\"}"
#define BOB                                                                                        \
    "{\"email\": \"Bob@uni-graz.example\", \"name\": \"Bob Bauer\", \"roles\": [\"admin\"], "      \
    "\"password\": \"correct horse\"}"
#define LOGIN(address, password)                                                                   \
    "{\"email\": \"" address "\", \"password\": \"" password "\", \"label\": \"Firefox\"}"
#define BOB_LOGIN LOGIN("bob@uni-graz.example", "correct horse")
#define ANN_LOGIN LOGIN("ann@UNI-graz.example", "correct horse")

struct people {
    struct rig rig;
    char admin[2048];   /* An outside issuer's token: the admin is no account of ours. */
    char ann[64];       /* Ids. */
    char keys[64][128]; /* Idempotency-Keys that ask_under has made. */
    struct answer answer;
};

static struct people people;

static const char *problem(void)
{
    static char name[64];
    return answer_problem(&people.answer, name);
}

static void ask(const char *token, const char *path, const char *body)
{
    rig_ask_as(&people.rig, token, "POST", path, NULL, body, &people.answer);
}

static void as_operator(const char *path, const char *body)
{
    static const char *const headers[] = {"Authorization: Bearer " RIG_CLUSTER_KEY,
                                          "Content-Type: application/json", NULL};
    char url[256];
    snprintf(url, sizeof url, "%s/internal/tenants/%s%s", people.rig.internal_url,
             people.rig.tenant, path);
    rig_ask("POST", url, headers, body, &people.answer);
}

static void text_of(const char *name, char *ret_text, size_t room)
{
    cr_assert(answer_text(&people.answer, name, ret_text, room), "%s: %s", name,
              people.answer.body);
}

static void open_people(void)
{
    memset(&people, 0, sizeof people);
    rig_open(&people.rig);
    rig_token(&people.rig, ADMIN, PW_ROLE(ADMIN), 600, people.admin);
    as_operator("/choose-equality-key", "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    ask(people.admin, "/users", ANN);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    text_of("id", people.ann, sizeof people.ann);
}

static void close_people(void)
{
    rig_close(&people.rig);
}

struct tokens {
    char access[2048];
    char refresh[128];
    char session[64];
};

static void take_tokens(struct tokens *ret_tokens)
{
    text_of("access_token", ret_tokens->access, sizeof ret_tokens->access);
    text_of("refresh_token", ret_tokens->refresh, sizeof ret_tokens->refresh);
    text_of("id", ret_tokens->session, sizeof ret_tokens->session);
}

static void log_in(struct tokens *ret_tokens)
{
    ask(NULL, "/sessions", ANN_LOGIN);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    take_tokens(ret_tokens);
}

static void refresh(const char *token)
{
    char body[256];
    snprintf(body, sizeof body, "{\"refresh_token\": \"%s\"}", token);
    ask(NULL, "/refresh-session", body);
}

/* What a good token may do whoever has it: the read models are not there, but the door lets it by. */
static bool is_let_in(const char *token)
{
    ask(token, "/me/set-preferences", "{\"language\": \"de\", \"time_zone\": \"Europe/Vienna\"}");
    return people.answer.status == 200;
}

static void about_ann(const char *verb, const char *body)
{
    char path[128];
    snprintf(path, sizeof path, "/users/%s/%s", people.ann, verb);
    ask(people.admin, path, body);
}

Test(accounts, one_signs_in_by_address_and_password, .init = open_people, .fini = close_people)
{
    struct tokens tokens;
    log_in(&tokens);
    cr_expect(answer_has(&people.answer, "Cache-Control", "private, no-store"));
    cr_expect(strstr(people.answer.body, "\"token_type\":\"Bearer\",\"expires_in\":600,") != NULL,
              "%s", people.answer.body);
    cr_expect(is_let_in(tokens.access), "%s", people.answer.body);
    ask(NULL, "/sessions", LOGIN("ann@uni-graz.example", "wrong horse"));
    cr_expect(people.answer.status == 401 && strcmp(problem(), "login-failed") == 0, "%s",
              people.answer.body);
    cr_expect(answer_has(&people.answer, "WWW-Authenticate", NULL));
    ask(NULL, "/sessions", LOGIN("bob@uni-graz.example", "correct horse"));
    cr_expect(people.answer.status == 401 && strcmp(problem(), "login-failed") == 0);
    cr_expect(strstr(people.answer.body, "horse") == NULL, "no answer repeats a password");
}

Test(accounts, a_repeat_of_signing_in_is_given_the_same_session, .init = open_people,
     .fini = close_people)
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
    take_tokens(&first);
    rig_ask_as(&people.rig, NULL, "POST", "/sessions", header, ANN_LOGIN, &people.answer);
    take_tokens(&second);
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
    take_tokens(ret_tokens);
}

static void make_key(uint8_t number, char ret_header[128])
{
    uint8_t random[16];
    char text[PW_ID_TEXT_BYTES + 1];
    memset(random, number, sizeof random);
    struct pw_id id = pw_id_v7(pw_http_wall_us(), random);
    pw_id_format(&id, text);
    snprintf(ret_header, 128, "Idempotency-Key: %s", text);
}

static void expect_session_ended(void)
{
    cr_expect(people.answer.status == 409 && strcmp(problem(), "session-ended") == 0, "%s",
              people.answer.body);
    cr_expect(strstr(people.answer.body, "access_token") == NULL);
}

Test(accounts, a_repeat_opens_no_session_again, .init = open_people, .fini = close_people)
{
    struct tokens tokens;
    char opened[128];
    char refreshed[128];
    char body[256];
    char path[128];
    make_key(1, opened);
    make_key(2, refreshed);
    log_in_under(opened, &tokens);
    snprintf(body, sizeof body, "{\"refresh_token\": \"%s\"}", tokens.refresh);
    rig_ask_as(&people.rig, NULL, "POST", "/refresh-session", refreshed, body, &people.answer);
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    snprintf(path, sizeof path, "/sessions/%s/revoke", tokens.session);
    ask(people.admin, path, "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    rig_ask_as(&people.rig, NULL, "POST", "/refresh-session", refreshed, body, &people.answer);
    expect_session_ended();
    rig_ask_as(&people.rig, NULL, "POST", "/sessions", opened, ANN_LOGIN, &people.answer);
    expect_session_ended();
}

Test(accounts, an_admin_with_other_roles_is_an_admin, .init = open_people, .fini = close_people)
{
    struct tokens tokens;
    char both[2048];
    char path[128];
    log_in(&tokens);
    rig_token(&people.rig, STRANGER, PW_ROLE(ADMIN) | PW_ROLE(AUDITOR) | PW_ROLE(ANALYST), 600,
              both);
    snprintf(path, sizeof path, "/sessions/%s/revoke", tokens.session);
    ask(both, path, "{}");
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
}

Test(accounts, a_refresh_token_is_good_once, .init = open_people, .fini = close_people)
{
    struct tokens first;
    struct tokens second;
    struct tokens third;
    log_in(&first);
    refresh(first.refresh);
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    take_tokens(&second);
    cr_expect_str_neq(first.refresh, second.refresh);
    cr_expect_str_eq(first.session, second.session);
    refresh(first.refresh); /* At once: the second window of a browser. */
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    take_tokens(&third);
    cr_expect_str_eq(third.refresh, second.refresh);
    refresh(second.refresh);
    cr_assert_eq(people.answer.status, 200);
    refresh(first.refresh); /* Of the version before the last: a thief's. */
    cr_expect(people.answer.status == 409 && strcmp(problem(), "session-token-reused") == 0, "%s",
              people.answer.body);
    cr_expect_not(is_let_in(third.access), "the session is over for everybody");
    cr_expect_eq(people.answer.status, 401);
    refresh(second.refresh);
    cr_expect(people.answer.status == 409 && strcmp(problem(), "session-ended") == 0);
}

Test(accounts, a_forged_refresh_token_is_none, .init = open_people, .fini = close_people)
{
    struct tokens tokens;
    log_in(&tokens);
    for (size_t at = 0; at < strlen(tokens.refresh); at += 7) {
        char forged[128];
        memcpy(forged, tokens.refresh, sizeof forged);
        forged[at] = forged[at] == 'A' ? 'B' : 'A';
        refresh(forged);
        cr_expect(people.answer.status == 409 && strcmp(problem(), "session-ended") == 0, "%zu: %s",
                  at, people.answer.body);
    }
    refresh(tokens.refresh);
    cr_expect_eq(people.answer.status, 200);
}

Test(accounts, one_signs_out, .init = open_people, .fini = close_people)
{
    struct tokens tokens;
    struct tokens others;
    char path[128];
    log_in(&tokens);
    log_in(&others);
    snprintf(path, sizeof path, "/sessions/%s/revoke", others.session);
    ask(tokens.access, path, "{}");
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect_not(is_let_in(others.access));
    cr_expect(is_let_in(tokens.access));
    char stranger[2048];
    rig_token(&people.rig, STRANGER, PW_ROLE(STUDENT), 600, stranger);
    snprintf(path, sizeof path, "/sessions/%s/revoke", tokens.session);
    ask(stranger, path, "{}");
    cr_expect_eq(people.answer.status, 404);
    ask(people.admin, path, "{}");
    cr_expect_eq(people.answer.status, 200);
    cr_expect_not(is_let_in(tokens.access));
}

Test(accounts, who_is_shut_out_is_out_at_once, .init = open_people, .fini = close_people)
{
    struct tokens tokens;
    char outside[2048];
    log_in(&tokens);
    rig_token(&people.rig, people.ann, PW_ROLE(STUDENT) | PW_ROLE(TEACHER), 600, outside);
    cr_expect(is_let_in(outside), "who signs in elsewhere, too");
    about_ann("deactivate", "{\"reason\": \"Left\"}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect_not(is_let_in(tokens.access));
    cr_expect_not(is_let_in(outside));
    ask(NULL, "/sessions", ANN_LOGIN);
    cr_expect(people.answer.status == 409 && strcmp(problem(), "user-not-active") == 0);
    about_ann("reactivate", "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect(is_let_in(outside));
    cr_expect_not(is_let_in(tokens.access), "its session has ended");
}

Test(accounts, roles_are_those_of_the_account, .init = open_people, .fini = close_people)
{
    static const char exam[] = "{\"title\": \"Algebra\", \"duration_minutes\": 90}";
    struct tokens tokens;
    char outside[2048];
    log_in(&tokens);
    rig_token(&people.rig, people.ann, PW_ROLE(STUDENT) | PW_ROLE(TEACHER), 600, outside);
    ask(outside, "/exams", exam);
    cr_expect_eq(people.answer.status, 403, "an issuer gives no role that the account has not");
    ask(tokens.access, "/exams", exam);
    cr_expect_eq(people.answer.status, 403);
    about_ann("grant-roles", "{\"roles\": [\"teacher\"]}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    ask(outside, "/exams", exam);
    cr_expect_eq(people.answer.status, 201);
    ask(tokens.access, "/exams", exam);
    cr_expect_eq(people.answer.status, 201, "a token of ours has the roles of now");
    about_ann("revoke-roles", "{\"roles\": [\"teacher\"]}");
    ask(tokens.access, "/exams", exam);
    cr_expect_eq(people.answer.status, 403);
    ask(outside, "/exams", exam);
    cr_expect_eq(people.answer.status, 403);
}

Test(accounts, a_password_is_changed_by_who_knows_it, .init = open_people, .fini = close_people)
{
    struct tokens tokens;
    struct tokens others;
    log_in(&tokens);
    log_in(&others);
    ask(tokens.access, "/me/change-password",
        "{\"password\": \"wrong horse\", \"new_password\": \"staple of my own\"}");
    cr_expect(people.answer.status == 401 && strcmp(problem(), "login-failed") == 0, "%s",
              people.answer.body);
    ask(tokens.access, "/me/change-password",
        "{\"password\": \"correct horse\", \"new_password\": \"password\"}");
    cr_expect(people.answer.status == 400 && strstr(people.answer.body, "/new_password") != NULL,
              "%s", people.answer.body);
    ask(tokens.access, "/me/change-password",
        "{\"password\": \"correct horse\", \"new_password\": \"staple of my own\"}");
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect(is_let_in(tokens.access), "the session that asked goes on");
    cr_expect_not(is_let_in(others.access), "every other one ends");
    ask(NULL, "/sessions", ANN_LOGIN);
    cr_expect_eq(people.answer.status, 401);
    ask(NULL, "/sessions", LOGIN("ann@uni-graz.example", "staple of my own"));
    cr_expect_eq(people.answer.status, 201);
}

Test(accounts, a_token_sets_a_password_once, .init = open_people, .fini = close_people)
{
    char token[128];
    char body[256];
    about_ann("issue-reset-token", "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    text_of("reset_token", token, sizeof token);
    snprintf(body, sizeof body, "{\"reset_token\": \"%s\", \"new_password\": \"staple of my own\"}",
             token);
    ask(NULL, "/reset-password", body);
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    ask(NULL, "/reset-password", body);
    cr_expect(people.answer.status == 409 && strcmp(problem(), "reset-token-invalid") == 0);
    ask(NULL, "/sessions", LOGIN("ann@uni-graz.example", "staple of my own"));
    cr_expect_eq(people.answer.status, 201);
    token[30] = token[30] == 'A' ? 'B' : 'A';
    snprintf(body, sizeof body, "{\"reset_token\": \"%s\", \"new_password\": \"another one yet\"}",
             token);
    ask(NULL, "/reset-password", body);
    cr_expect(people.answer.status == 409 && strcmp(problem(), "reset-token-invalid") == 0);
}

Test(accounts, an_address_is_one_person_s, .init = open_people, .fini = close_people)
{
    ask(people.admin, "/users",
        "{\"email\": \"aNN@uni-graz.example\", \"name\": \"Anna\", \"roles\": [\"student\"]}");
    cr_expect(people.answer.status == 409 && strcmp(problem(), "email-taken") == 0, "%s",
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
Test(accounts, no_key_is_made_that_nobody_uses, .init = open_people, .fini = close_people)
{
    char key[128];
    char bob[64];
    char again[64];
    static const char body[] = "{\"email\": \"bob@uni-graz.example\", \"name\": \"Bob\", "
                               "\"roles\": [\"student\"], \"password\": \"correct horse\"}";
    make_key(1, key);
    rig_ask_as(&people.rig, people.admin, "POST", "/users", key, body, &people.answer);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    text_of("id", bob, sizeof bob);
    uint64_t made = keys_made();
    rig_ask_as(&people.rig, people.admin, "POST", "/users", key, body, &people.answer);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    text_of("id", again, sizeof again);
    cr_expect_str_eq(bob, again);
    ask(people.admin, "/users", body);
    cr_expect(people.answer.status == 409 && strcmp(problem(), "email-taken") == 0, "%s",
              people.answer.body);
    cr_expect_eq(keys_made(), made);
    ask(NULL, "/sessions", LOGIN("bob@uni-graz.example", "correct horse"));
    cr_expect_eq(people.answer.status, 201, "%s", people.answer.body);
}

Test(accounts, an_operator_makes_the_first_admin, .init = open_people, .fini = close_people)
{
    char location[160];
    char id[64];
    as_operator("/users", "{\"email\": \"ada@uni-graz.example\", \"name\": \"Ada\", \"roles\": "
                          "[\"admin\"], \"password\": \"correct horse\"}");
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    cr_expect(!answer_has(&people.answer, "Location", NULL), "operators cannot get it");
    struct tokens tokens;
    ask(NULL, "/sessions", LOGIN("ada@uni-graz.example", "correct horse"));
    cr_expect(!answer_has(&people.answer, "Location", NULL), "no GET shows one session");
    take_tokens(&tokens);
    ask(tokens.access, "/users",
        "{\"email\": \"bob@uni-graz.example\", \"name\": \"Bob\", "
        "\"roles\": [\"student\"]}");
    cr_expect_eq(people.answer.status, 201, "%s", people.answer.body);
    text_of("id", id, sizeof id);
    snprintf(location, sizeof location, "/v1/tenants/%s/users/%s", people.rig.tenant, id);
    cr_expect(answer_has(&people.answer, "Location", location), "%s", people.answer.headers);
}

Test(accounts, who_is_forgotten_is_gone, .init = open_people, .fini = close_people)
{
    struct tokens tokens;
    log_in(&tokens);
    about_ann("erase", "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect_not(is_let_in(tokens.access));
    ask(NULL, "/sessions", ANN_LOGIN);
    cr_expect_eq(people.answer.status, 401, "%s", people.answer.body);
    refresh(tokens.refresh);
    cr_expect(people.answer.status == 409 && strcmp(problem(), "session-ended") == 0);
    cr_expect(answer_has(&people.answer, "Pw-Position", NULL), "it is on record");
    about_ann("update-profile", "{\"email\": \"ann@uni-graz.example\", \"name\": \"Ann\"}");
    cr_expect(people.answer.status == 409 && strcmp(problem(), "user-erased") == 0);
    ask(people.admin, "/users", ANN);
    cr_expect_eq(people.answer.status, 201, "the address is free again");
}

/* What is on record: nothing of what was said. */
Test(accounts, nothing_personal_is_on_record, .init = open_people, .fini = close_people)
{
    static const char *const said[] = {"Ann Auer", "uni-graz", "correct horse", "argon2id",
                                       "Firefox",  "Left",     "staple of"};
    struct tokens tokens;
    log_in(&tokens);
    ask(tokens.access, "/me/change-password",
        "{\"password\": \"correct horse\", \"new_password\": \"staple of my own\"}");
    about_ann("update-profile", "{\"email\": \"auer@uni-graz.example\", \"name\": \"Ann Auer\"}");
    about_ann("deactivate", "{\"reason\": \"Left the university\"}");
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

/* A lost answer is asked for again under the same key, whatever has become of password and person since. */
Test(accounts, a_repeat_is_known_before_it_is_judged, .init = open_people, .fini = close_people)
{
    static const char change[] =
        "{\"password\": \"correct horse\", \"new_password\": \"staple of my own\"}";
    struct tokens tokens;
    char key[128];
    char path[128];
    log_in(&tokens);
    make_key(40, key);
    for (int i = 0; i < 2; i++) {
        rig_ask_as(&people.rig, tokens.access, "POST", "/me/change-password", key, change,
                   &people.answer);
        cr_expect_eq(people.answer.status, 200, "%d: %s", i, people.answer.body);
        cr_expect_eq(answer_has(&people.answer, "Idempotency-Replayed", "true"), i == 1);
    }
    make_key(41, key);
    rig_ask_as(&people.rig, tokens.access, "POST", "/me/change-password", key, change,
               &people.answer);
    cr_expect_eq(people.answer.status, 401, "under another key it is another attempt");
    make_key(42, key);
    snprintf(path, sizeof path, "/users/%s/deactivate", people.ann);
    rig_ask_as(&people.rig, people.admin, "POST", path, key, "{}", &people.answer);
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    about_ann("erase", "{}");
    rig_ask_as(&people.rig, people.admin, "POST", path, key, "{}", &people.answer);
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    cr_expect(answer_has(&people.answer, "Idempotency-Replayed", "true"));
}

static void ask_under(uint8_t key_number, const char *token, const char *path, const char *body)
{
    char *key = people.keys[key_number];
    if (key[0] == '\0') {
        make_key(key_number, key);
    }
    rig_ask_as(&people.rig, token, "POST", path, key, body, &people.answer);
}

static bool is_repeat_of_yes(void)
{
    return people.answer.status == 200 &&
           answer_has(&people.answer, "Idempotency-Replayed", "true");
}

static bool is_refused(unsigned status, const char *name)
{
    return people.answer.status == status && strcmp(problem(), name) == 0 &&
           !answer_has(&people.answer, "Idempotency-Replayed", "true");
}

/* Who signs out is signed out by the answer that gets lost. */
Test(accounts, who_may_act_no_more_is_told_what_became_of_a_command, .init = open_people,
     .fini = close_people)
{
    static const char language[] = "{\"language\": \"de\", \"time_zone\": \"Europe/Vienna\"}";
    struct tokens tokens;
    char path[128];
    log_in(&tokens);
    ask_under(50, tokens.access, "/me/set-preferences", language);
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    snprintf(path, sizeof path, "/sessions/%s/revoke", tokens.session);
    for (int i = 0; i < 3; i++) {
        ask_under(51, tokens.access, path, "{}");
        cr_expect_eq(people.answer.status, 200, "%d: %s", i, people.answer.body);
        cr_expect_eq(is_repeat_of_yes(), i > 0);
    }
    ask_under(50, tokens.access, "/me/set-preferences", language);
    cr_expect(is_repeat_of_yes(), "%s", people.answer.body);

    ask_under(52, tokens.access, path, "{}");
    cr_expect(is_refused(401, "unauthenticated"), "another attempt: %s", people.answer.body);
    cr_expect_not_null(strstr(people.answer.headers, "error=\"invalid_token\""));
    ask_under(51, tokens.access, "/me/set-preferences", language);
    cr_expect(is_refused(401, "unauthenticated"), "another command: %s", people.answer.body);
    ask_under(53, tokens.access, "/me/set-preferences", "{\"language\": 1}");
    cr_expect(is_refused(401, "unauthenticated"), "not even that: %s", people.answer.body);
    ask(tokens.access, path, "{}");
    cr_expect(is_refused(401, "unauthenticated"), "%s", people.answer.body);
}

/* Passwords are no matter of who may not act: that would be a way to guess them. */
Test(accounts, who_may_act_no_more_guesses_no_password, .init = open_people, .fini = close_people)
{
    static const char change[] =
        "{\"password\": \"correct horse\", \"new_password\": \"staple of my own\"}";
    struct tokens tokens;
    log_in(&tokens);
    ask_under(54, tokens.access, "/me/change-password", change);
    cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
    about_ann("deactivate", "{}");
    ask_under(54, tokens.access, "/me/change-password", change);
    cr_expect(is_refused(401, "unauthenticated"), "%s", people.answer.body);
}

/* An admin who gives up their office, or leaves, is told so once more. */
Test(accounts, who_gave_up_a_role_is_told_so_again, .init = open_people, .fini = close_people)
{
    struct tokens tokens;
    char path[128];
    about_ann("grant-roles", "{\"roles\": [\"admin\"]}");
    ask(people.admin, "/users", BOB);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    log_in(&tokens);
    snprintf(path, sizeof path, "/users/%s/revoke-roles", people.ann);
    for (int i = 0; i < 2; i++) {
        ask_under(55, tokens.access, path, "{\"roles\": [\"admin\"]}");
        cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
        cr_expect_eq(is_repeat_of_yes(), i > 0);
    }
    ask_under(56, tokens.access, path, "{\"roles\": [\"student\"]}");
    cr_expect(is_refused(403, "forbidden"), "%s", people.answer.body);
    ask_under(57, tokens.access, path, "{\"roles\": 7}");
    cr_expect(is_refused(403, "forbidden"), "%s", people.answer.body);

    about_ann("grant-roles", "{\"roles\": [\"admin\"]}");
    snprintf(path, sizeof path, "/users/%s/deactivate", people.ann);
    for (int i = 0; i < 2; i++) {
        ask_under(58, tokens.access, path, "{\"reason\": \"I leave\"}");
        cr_expect_eq(people.answer.status, 200, "%s", people.answer.body);
        cr_expect_eq(is_repeat_of_yes(), i > 0);
    }
}

static int64_t stand_still(void *self)
{
    (void)self;
    return PW_US_PER_SECOND;
}

/* Whoever tries passwords is told to wait, by signing in and by changing one; nobody else is. */
Test(accounts, passwords_are_tried_at_a_bounded_rate, .init = open_people, .fini = close_people)
{
    static const char change[] =
        "{\"password\": \"wrong horse\", \"new_password\": \"staple of my own\"}";
    struct tokens tokens;
    struct pw_limits_options options = {.rates = {[PW_LIMIT_LOGIN] = {10, 2}},
                                        .clock = {.boot_us = stand_still}};
    log_in(&tokens);
    struct pw_limits *limits = pw_limits_new(&options);
    people.rig.service.limits = limits;
    for (int i = 0; i < 3; i++) {
        ask(NULL, "/sessions", LOGIN("ann@uni-graz.example", "wrong horse"));
        cr_expect_eq(people.answer.status, i < 2 ? 401 : 429, "%d: %s", i, people.answer.body);
    }
    cr_expect(strcmp(problem(), "too-many-requests") == 0 &&
              answer_has(&people.answer, "Retry-After", "6"));
    ask(NULL, "/sessions", LOGIN("bob@uni-graz.example", "wrong horse"));
    cr_expect_eq(people.answer.status, 401, "another account is another count");
    for (int i = 0; i < 3; i++) {
        ask(tokens.access, "/me/change-password", change);
        cr_expect_eq(people.answer.status, i < 2 ? 401 : 429, "%d: %s", i, people.answer.body);
    }
    cr_expect(is_let_in(tokens.access), "what tries no password is not counted");
    char token[128];
    char body[256];
    about_ann("issue-reset-token", "{}");
    text_of("reset_token", token, sizeof token);
    token[60] = token[60] == 'A' ? 'B' : 'A';
    snprintf(body, sizeof body, "{\"reset_token\": \"%s\", \"new_password\": \"staple of my own\"}",
             token);
    ask(NULL, "/reset-password", body);
    cr_expect_eq(people.answer.status, 429, "nor is anybody's token guessed: %s",
                 people.answer.body);
    people.rig.service.limits = NULL;
    pw_limits_free(limits);
}

/* A thief whose session was ended has a signed token for some minutes yet, and may repeat commands. */
Test(accounts, who_was_signed_out_uses_up_nothing_of_the_owner_s, .init = open_people,
     .fini = close_people)
{
    struct tokens stolen;
    struct tokens own;
    char path[128];
    struct pw_limits_options options = {.rates = {[PW_LIMIT_TOKEN] = {10, 2}},
                                        .clock = {.boot_us = stand_still}};
    log_in(&stolen);
    log_in(&own);
    snprintf(path, sizeof path, "/sessions/%s/revoke", stolen.session);
    ask(own.access, path, "{}");
    cr_assert_eq(people.answer.status, 200, "%s", people.answer.body);
    people.rig.service.limits = pw_limits_new(&options);
    for (uint8_t i = 0; i < 3; i++) {
        ask_under(i, stolen.access, path, "{}");
        cr_expect_eq(people.answer.status, i < 2 ? 401 : 429, "%u: %s", i, people.answer.body);
    }
    cr_expect(is_let_in(own.access));
    pw_limits_free(people.rig.service.limits);
    people.rig.service.limits = NULL;
}

/* It knows nobody yet: no right password is wrong for that. */
Test(accounts, a_node_that_still_reads_judges_nobody, .init = open_people, .fini = close_people)
{
    static struct rig second;
    rig_open_unread(&second, &people.rig);
    rig_ask_as(&second, NULL, "POST", "/sessions", NULL, ANN_LOGIN, &people.answer);
    cr_expect(people.answer.status == 503 && strcmp(problem(), "no-leader") == 0, "%s",
              people.answer.body);
    rig_close(&second);
}

/* What it has read may not be all: who was registered a moment ago is not to be told that the password is wrong. That a node leads, as
 * far as it knows, says nothing: it may have been succeeded. */
Test(accounts, who_has_not_read_all_refuses_nobody, .init = open_people, .fini = close_people)
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
    cr_expect(is_refused(401, "login-failed"), "it has: %s", people.answer.body);
    atomic_store(&second.is_standing, true);
    ask(people.admin, "/users", BOB);
    cr_assert_eq(people.answer.status, 201, "%s", people.answer.body);
    atomic_store(&second.is_hurried, true);
    rig_ask_as(&second, NULL, "POST", "/sessions", NULL, BOB_LOGIN, &people.answer);
    cr_expect(is_refused(503, "no-leader"), "%s", people.answer.body);
    atomic_store(&second.is_hurried, false);
    atomic_store(&second.is_standing, false);
    rig_ask_as(&second, NULL, "POST", "/sessions", NULL, LOGIN("bob@uni-graz.example", "wrong"),
               &people.answer);
    cr_expect(is_refused(401, "login-failed"), "%s", people.answer.body);
    second.service.forwarder = forwarder;
    rig_close(&second);
}

/* It is no record, and nothing that anybody was told. */
Test(accounts, a_marker_of_a_transaction_is_read_past, .init = open_people, .fini = close_people)
{
    pw_sim_skip_offset(people.rig.log, pw_partition_of(&people.rig.tenant_id, 2));
    ask(NULL, "/sessions", LOGIN("ann@uni-graz.example", "wrong"));
    cr_expect(is_refused(401, "login-failed"), "%s", people.answer.body);
}
