/* api/tests/roster.c: which rows of a roster are good, and what an import does, answer by answer, with the clock turned by hand. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/roster_plan.h"

#define SECOND PW_US_PER_SECOND
#define WHO    "01890a5d-ac96-774b-bcce-b302099a0001"

static struct pw_roster *roster_of(const char *text)
{
    char *copy = strdup(text);
    struct pw_roster *roster = NULL;
    struct pw_err err = {0};
    enum pw_code code = pw_roster_read(copy, strlen(copy), &roster, &err);
    cr_assert_eq(code, PW_OK, "%s: %s", text, err.detail);
    free(copy);
    return roster;
}

/* --- The roster --- */

Test(roster, good_rows_become_requests)
{
    struct pw_roster *roster =
        roster_of("\xef\xbb\xbfroles,email,name\r\n"
                  "student,ann@uni-graz.example,Ann Auer\r\n"
                  "\"student;proctor  admin\",bob@uni-graz.example,\"Bob \"\"B\"\", jr.\"\r\n");
    cr_assert_eq(pw_roster_count(roster), 2);
    cr_expect_eq(pw_roster_fault_count(roster), 0);
    cr_expect_eq(pw_roster_row(roster, 0)->line, 2);
    cr_expect_str_eq(
        pw_roster_row(roster, 0)->body,
        "{\"email\":\"ann@uni-graz.example\",\"name\":\"Ann Auer\",\"roles\":[\"student\"]}");
    cr_expect_str_eq(pw_roster_row(roster, 1)->body,
                     "{\"email\":\"bob@uni-graz.example\",\"name\":\"Bob \\\"B\\\", jr.\","
                     "\"roles\":[\"student\",\"proctor\",\"admin\"]}");
    cr_expect_str_eq(pw_roster_row(roster, 1)->roles,
                     "{\"roles\":[\"student\",\"proctor\",\"admin\"]}");
    pw_roster_free(roster);
}

Test(roster, every_bad_row_is_named_at_once)
{
    static const struct {
        const char *row;
        const char *fault; /* The part that matters; NULL: none. */
    } rows[] = {
        {"ann@uni-graz.example,Ann,student", NULL},
        {"ANN@Uni-Graz.example,Ann,student", "email is that of line 2"},
        {"\xc3\x84nn@uni-graz.example,Ann,student", NULL},
        {"ann,Ann,student", "email must be an e-mail address"},
        {",,", "name"},
        {"c@x.example,,student", "name must"},
        {"d@x.example,D,", "roles must hold at least one role"},
        {"e@x.example,E,student student", "roles must hold each role once"},
        {"f@x.example,F,dean", "roles must hold only student"},
        {"g@x.example,G,operator", "roles must hold only student"},
        {"h@x.example,H", "has 2 fields in place of 3"},
        {"i@x.example,I,student,", "has 4 fields in place of 3"},
        {"j@x.example,\"J\x1b[2J\",student", "control character"},
        {"k@x.example,\"K\nL\",student", "name must"},
        {"l@x.example,L,student", NULL},
    };
    char text[2048] = "email,name,roles\n";
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        strcat(text, rows[i].row);
        strcat(text, "\n");
    }
    struct pw_roster *roster = roster_of(text);
    cr_assert_eq(pw_roster_count(roster), PW_COUNT(rows));
    for (uint32_t i = 0; i < PW_COUNT(rows); i++) {
        const struct pw_roster_row *row = pw_roster_row(roster, i);
        bool fits = rows[i].fault == NULL
                        ? row->fault == NULL
                        : row->fault != NULL && strstr(row->fault, rows[i].fault) != NULL;
        cr_expect(fits, "%s: %s", rows[i].row, row->fault != NULL ? row->fault : "no fault");
        cr_expect((row->fault == NULL) == (row->body != NULL && row->roles != NULL));
    }
    cr_expect_eq(pw_roster_fault_count(roster), PW_COUNT(rows) - 3);
    pw_roster_free(roster);
}

Test(roster, what_is_no_roster)
{
    static const char *const texts[] = {
        "",
        "\n\n",
        "email,name,roles\n",
        "email,name\na@x.example,A\n",
        "email;name;roles\na@x.example;A;student\n",
        "email,name,roles,email\na@x.example,A,student,b@x.example\n",
        "email,name,roles,password\na@x.example,A,student,secret\n",
        "email,name,roles,\na@x.example,A,student,\n",
        "Email,name,roles\na@x.example,A,student\n",
        "\"email,name,roles\na@x.example,A,student\n",
    };
    for (size_t i = 0; i < PW_COUNT(texts); i++) {
        char *copy = strdup(texts[i]);
        struct pw_roster *roster = NULL;
        struct pw_err err = {0};
        cr_expect_eq(pw_roster_read(copy, strlen(copy), &roster, &err), PW_ERR_USAGE, "%s",
                     texts[i]);
        cr_expect(err.detail[0] != '\0' && strstr(err.detail, "secret") == NULL);
        free(copy);
    }
}

Test(roster, ten_thousand_and_no_more)
{
    for (int more = 0; more <= 1; more++) {
        char *text = NULL;
        size_t bytes = 0;
        struct pw_roster *roster = NULL;
        FILE *out = open_memstream(&text, &bytes);
        fputs("email,name,roles\n", out);
        for (int i = 0; i < PW_ROSTER_ROWS_MAX + more; i++) {
            fprintf(out, "p%d@x.example,P,student\n", i);
        }
        fclose(out);
        cr_expect_eq(pw_roster_read(text, bytes, &roster, NULL), more ? PW_ERR_USAGE : PW_OK);
        pw_roster_free(roster);
        free(text);
    }
}

/* --- The plan --- */

struct made {
    struct pw_roster *roster;
    struct pw_plan *plan;
    uint8_t keys;
    int64_t now_us;
};

static struct pw_id make_key(void *self)
{
    struct made *made = self;
    return (struct pw_id){.bytes = {++made->keys}};
}

static void plan_open(struct made *made, uint32_t in_flight, bool grants)
{
    struct pw_plan_options options = {
        .in_flight = in_flight, .grants = grants, .make_key = make_key, .self = made};
    *made = (struct made){.roster = roster_of("email,name,roles\n"
                                              "a@x.example,A,student\n"
                                              "b@x.example,B,student\n"
                                              "c@x.example,C,student\n"
                                              "d@x.example,D,student\n"),
                          .now_us = 1000 * SECOND};
    made->plan = pw_plan_new(made->roster, &options);
}

static void plan_close(struct made *made)
{
    pw_plan_free(made->plan);
    pw_roster_free(made->roster);
}

static struct pw_plan_request sent(struct made *made)
{
    struct pw_plan_request request;
    cr_assert(pw_plan_next(made->plan, made->now_us, &request));
    return request;
}

static bool sends(struct made *made)
{
    struct pw_plan_request request;
    return pw_plan_next(made->plan, made->now_us, &request);
}

static void answered(struct made *made, const struct pw_plan_request *request, long status,
                     const char *problem, const char *detail)
{
    struct pw_plan_answer answer = {.status = status,
                                    .retry_after_us = status == 503 || status == 429 ? SECOND : 0,
                                    .problem = problem,
                                    .detail = detail,
                                    .id = status < 300 && status > 0 ? WHO : ""};
    pw_plan_answered(made->plan, request->slot, &answer, made->now_us);
}

static void expect_report(struct made *made, enum pw_plan_result result, const char *id,
                          const char *detail)
{
    struct pw_plan_report report;
    cr_assert(pw_plan_report(made->plan, &report));
    cr_expect_eq(report.result, result, "row %u: %s, not %s", report.row,
                 pw_plan_result_name(report.result), pw_plan_result_name(result));
    cr_expect_str_eq(report.id, id);
    cr_expect_str_eq(report.detail, detail);
}

static bool same_key(const struct pw_plan_request *a, const struct pw_plan_request *b)
{
    return pw_id_equal(&a->key, &b->key);
}

#define TAKEN "email-taken", "Another account has this e-mail address: account " WHO

Test(plan, each_row_once_and_told_in_order)
{
    struct made made;
    plan_open(&made, 2, false);
    struct pw_plan_request a = sent(&made);
    struct pw_plan_request b = sent(&made);
    cr_expect_not(sends(&made), "two at once");
    cr_expect_neq(a.slot, b.slot);
    cr_expect_not(same_key(&a, &b));
    answered(&made, &b, 201, "", "");
    struct pw_plan_report report;
    cr_expect_not(pw_plan_report(made.plan, &report), "the first is not known yet");
    answered(&made, &a, 201, "", "");
    expect_report(&made, PW_PLAN_CREATED, WHO, "");
    expect_report(&made, PW_PLAN_CREATED, WHO, "");
    struct pw_plan_request c = sent(&made);
    struct pw_plan_request d = sent(&made);
    answered(&made, &c, 400, "invalid", "no");
    answered(&made, &d, 409, TAKEN);
    cr_expect(pw_plan_is_over(made.plan));
    expect_report(&made, PW_PLAN_REFUSED, "", "no");
    expect_report(&made, PW_PLAN_EXISTS, WHO, "");
    cr_expect_not(pw_plan_report(made.plan, &report));
    cr_expect_eq(pw_plan_count(made.plan, PW_PLAN_CREATED), 2);
    cr_expect_eq(pw_plan_count(made.plan, PW_PLAN_PLANNED), 0);
    cr_expect_null(pw_plan_reason(made.plan));
    plan_close(&made);
}

Test(plan, what_is_no_answer_is_repeated_under_its_key)
{
    static const long statuses[] = {0, 429, 502, 503, 504};
    for (size_t i = 0; i < PW_COUNT(statuses); i++) {
        struct made made;
        plan_open(&made, 2, false);
        struct pw_plan_request first = sent(&made);
        struct pw_plan_request other = sent(&made);
        answered(&made, &first, statuses[i], "", "not now");
        cr_expect_not(sends(&made), "%ld: everybody waits", statuses[i]);
        answered(&made, &other, 201, "", "");
        cr_expect_not(sends(&made));
        cr_expect_gt(pw_plan_wait_us(made.plan, made.now_us), 0);
        made.now_us += pw_plan_wait_us(made.plan, made.now_us) - 1;
        cr_expect_not(sends(&made));
        made.now_us++;
        struct pw_plan_request again = sent(&made);
        cr_expect(same_key(&first, &again) && strcmp(first.body, again.body) == 0, "%ld",
                  statuses[i]);
        answered(&made, &again, 201, "", "");
        expect_report(&made, PW_PLAN_CREATED, WHO, "");
        plan_close(&made);
    }
}

Test(plan, a_server_that_stays_away_ends_it)
{
    struct made made;
    plan_open(&made, 2, false);
    struct pw_plan_request a = sent(&made);
    struct pw_plan_request b = sent(&made);
    answered(&made, &b, 201, "", "");
    for (int64_t begun_us = made.now_us; made.now_us - begun_us < PW_PLAN_PATIENCE_US;) {
        answered(&made, &a, 503, "no-leader", "Nobody leads");
        cr_assert(!pw_plan_is_over(made.plan));
        made.now_us += SECOND;
        a = sent(&made);
    }
    answered(&made, &a, 503, "no-leader", "Nobody leads");
    cr_expect(pw_plan_is_over(made.plan) && pw_plan_is_unreachable(made.plan));
    cr_expect_str_eq(pw_plan_reason(made.plan), "Nobody leads");
    expect_report(&made, PW_PLAN_UNKNOWN, "", "");
    expect_report(&made, PW_PLAN_CREATED, WHO, "");
    expect_report(&made, PW_PLAN_NOT_SENT, "", "");
    expect_report(&made, PW_PLAN_NOT_SENT, "", "");
    plan_close(&made);
}

Test(plan, a_server_that_comes_back_in_between_does_not)
{
    struct made made;
    plan_open(&made, 2, false);
    struct pw_plan_request a = sent(&made);
    struct pw_plan_request b = sent(&made);
    answered(&made, &a, 503, "no-leader", "");
    made.now_us += PW_PLAN_PATIENCE_US;
    answered(&made, &b, 201, "", "");
    a = sent(&made);
    answered(&made, &a, 503, "no-leader", "");
    cr_expect_null(pw_plan_reason(made.plan));
    made.now_us += PW_PLAN_PATIENCE_US;
    a = sent(&made);
    answered(&made, &a, 503, "no-leader", "");
    cr_expect_not_null(pw_plan_reason(made.plan));
    plan_close(&made);
}

Test(plan, a_server_that_is_only_slow_does_not)
{
    struct made made;
    plan_open(&made, 1, false);
    struct pw_plan_request a = sent(&made);
    for (int i = 0; i < 200; i++) {
        answered(&made, &a, 429, "too-many-requests", "");
        made.now_us += SECOND;
        a = sent(&made);
    }
    cr_expect_null(pw_plan_reason(made.plan));
    plan_close(&made);
}

Test(plan, who_exists_is_granted_the_row_s_roles)
{
    struct made made;
    plan_open(&made, 1, true);
    struct pw_plan_request a = sent(&made);
    answered(&made, &a, 409, TAKEN);
    struct pw_plan_request grant = sent(&made);
    struct pw_id who;
    pw_id_parse(PW_STR(WHO), &who);
    cr_expect(grant.is_grant && pw_id_equal(&grant.user_id, &who) && !same_key(&a, &grant));
    cr_expect_str_eq(grant.body, "{\"roles\":[\"student\"]}");
    answered(&made, &grant, 503, "no-leader", "");
    made.now_us += SECOND;
    struct pw_plan_request again = sent(&made);
    cr_expect(again.is_grant && same_key(&grant, &again));
    answered(&made, &again, 200, "", "");
    expect_report(&made, PW_PLAN_EXISTS, WHO, "has the roles of this row");
    struct pw_plan_request b = sent(&made);
    answered(&made, &b, 409, TAKEN);
    grant = sent(&made);
    answered(&made, &grant, 409, "user-not-active", "shut out");
    expect_report(&made, PW_PLAN_REFUSED, WHO, "shut out");
    cr_expect(sends(&made), "which is no matter of the others");
    plan_close(&made);
}

Test(plan, what_all_rows_would_meet_ends_it)
{
    static const struct {
        long status;
        const char *problem;
    } rows[] = {
        {401, "token-missing"}, {403, "forbidden"}, {404, "not-found"}, {409, "accounts-off"}};
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct made made;
        plan_open(&made, 2, false);
        struct pw_plan_request a = sent(&made);
        struct pw_plan_request b = sent(&made);
        answered(&made, &a, rows[i].status, rows[i].problem, "why");
        cr_expect_not(sends(&made));
        cr_expect_not(pw_plan_is_over(made.plan), "what is under way is waited for");
        answered(&made, &b, 201, "", "");
        cr_expect(pw_plan_is_over(made.plan) && !pw_plan_is_unreachable(made.plan));
        cr_expect_str_eq(pw_plan_reason(made.plan), "why");
        expect_report(&made, PW_PLAN_REFUSED, "", "why");
        expect_report(&made, PW_PLAN_CREATED, WHO, "");
        expect_report(&made, PW_PLAN_NOT_SENT, "", "");
        plan_close(&made);
    }
}

Test(plan, a_stop_begins_nothing_more)
{
    struct made made;
    plan_open(&made, 3, true);
    struct pw_plan_request a = sent(&made);
    struct pw_plan_request b = sent(&made);
    struct pw_plan_request c = sent(&made);
    answered(&made, &a, 503, "no-leader", "");
    pw_plan_stop(made.plan);
    made.now_us += 10 * SECOND;
    cr_expect_not(sends(&made));
    answered(&made, &b, 0, "", "");
    answered(&made, &c, 409, TAKEN);
    cr_expect(pw_plan_is_over(made.plan));
    expect_report(&made, PW_PLAN_UNKNOWN, "", "");
    expect_report(&made, PW_PLAN_UNKNOWN, "", "");
    expect_report(&made, PW_PLAN_EXISTS, WHO, "");
    expect_report(&made, PW_PLAN_NOT_SENT, "", "");
    plan_close(&made);
}
