/* api/tests/audit_filter.c: which events and answers belong to an exam, a person, a stream, a time. */
#include "api/audit_filter.h"
#include "commands/tests/people.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define AT_US(i) (NINE + (int64_t)(i)*PW_US_PER_SECOND)

/* A history of two exams, 30 and 31, told as an event a record: record i stands at offset i and was decided at AT_US(i). */
static const struct pw_event events[] = {
    CREATED,                                        /* 0 */
    DRAFTED(30),                                    /* 1 */
    DRAFTED(31),                                    /* 2 */
    PUBLISHED(30, 2, 1),                            /* 3 */
    PUBLISHED(31, 2, 1),                            /* 4 */
    OPENED(40, 30, NOON, 2),                        /* 5 */
    OPENED(41, 31, NOON, 2),                        /* 6 */
    RESERVED(50, ANN, 40, 30, NOON),                /* 7 */
    RESERVED(51, BOB, 41, 31, NOON),                /* 8 */
    CAPACITY(40, 2, 3),                             /* 9: names no exam */
    CAPACITY(41, 2, 3),                             /* 10 */
    CANCELLED(50, ANN, 40, 30),                     /* 11 */
    REVISED(30, 3, "Algebra II", 91),               /* 12 */
    REGISTERED(10, PW_ROLE(STUDENT), PASSWORD_ONE), /* 13: Ann */
    SIGNED_IN(60, 10, NINE),                        /* 14 */
    SIGNED_IN(61, 11, NINE),                        /* 15: Bob */
    PREFERS(10, 2),                                 /* 16: names nobody */
    ENDED(60, 2, 10, "revoked"),                    /* 17 */
    HELD(52, ANN, 41, 31, NOON, NINE + MINUTES(9)), /* 18 */
};

static struct pw_record record_at(size_t i, const struct pw_id *tenant_id)
{
    return (struct pw_record){
        .kind = PW_RECORD_COMMIT,
        .decided_at_us = AT_US(i),
        .commit = {.tenant_id = *tenant_id, .boundary_id = *tenant_id},
    };
}

/* The offsets of all that is wanted, such as `1 3 5`. */
static const char *wanted(struct pw_audit_filter *filter, const struct pw_id *tenant_id)
{
    static char text[256];
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < PW_COUNT(events); i++) {
        struct pw_record record = record_at(i, tenant_id);
        if (pw_audit_filter_event(filter, (int64_t)i, &record, &events[i])) {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%zu", at > 0 ? " " : "", i);
        }
    }
    return text;
}

static const struct question {
    const char *name;
    struct pw_id exam_id;
    struct pw_id person_id;
    struct pw_id stream_id;
    int64_t from;
    int64_t to; /* 0: to the end */
    int64_t since_us;
    int64_t until_us; /* 0: to the end */
    const char *offsets;
} rows[] = {
    {.name = "everything", .offsets = "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"},
    {.name = "an exam, its slots, their reservations",
     .exam_id = ID(30),
     .offsets = "1 3 5 7 9 11 12"},
    {.name = "another exam", .exam_id = ID(31), .offsets = "2 4 6 8 10 18"},
    {.name = "no such exam", .exam_id = ID(39), .offsets = ""},
    {.name = "a slot is no exam", .exam_id = ID(40), .offsets = ""},
    {.name = "a person: account, sessions, reservations",
     .person_id = ANN,
     .offsets = "7 11 13 14 16 17 18"},
    {.name = "a person without an account", .person_id = BOB, .offsets = "8 15"},
    {.name = "a person in an exam", .person_id = ANN, .exam_id = ID(31), .offsets = "18"},
    {.name = "a stream", .stream_id = ID(40), .offsets = "5 9"},
    {.name = "a stream of another exam", .stream_id = ID(40), .exam_id = ID(31), .offsets = ""},
    {.name = "what is learnt before the first offset counts",
     .exam_id = ID(30),
     .from = 9,
     .offsets = "9 11 12"},
    {.name = "up to an offset, inclusive", .exam_id = ID(30), .to = 7, .offsets = "1 3 5 7"},
    {.name = "since a moment, inclusive",
     .person_id = ANN,
     .since_us = AT_US(16),
     .offsets = "16 17 18"},
    {.name = "until a moment, inclusive",
     .person_id = ANN,
     .until_us = AT_US(11),
     .offsets = "7 11"},
    {.name = "what is learnt before a stream is shown counts",
     .exam_id = ID(30),
     .stream_id = ID(40),
     .since_us = AT_US(6),
     .offsets = "9"},
};

static struct pw_audit_filter filter_of(const struct question *asked)
{
    struct pw_audit_filter filter;
    pw_audit_filter_init(&filter);
    filter.exam_id = asked->exam_id;
    filter.person_id = asked->person_id;
    filter.stream_id = asked->stream_id;
    filter.from = asked->from;
    filter.since_us = asked->since_us;
    filter.to = asked->to > 0 ? asked->to : filter.to;
    filter.until_us = asked->until_us > 0 ? asked->until_us : filter.until_us;
    return filter;
}

Test(audit_filter, events)
{
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct pw_audit_filter filter = filter_of(&rows[i]);
        const char *offsets = wanted(&filter, &(struct pw_id)OUR_TENANT);
        cr_expect_str_eq(offsets, rows[i].offsets, "%s: %s", rows[i].name, offsets);
        pw_audit_filter_close(&filter);
    }
}

Test(audit_filter, tenants)
{
    struct pw_audit_filter filter = filter_of(&(struct question){.exam_id = ID(30)});
    filter.tenant_id = (struct pw_id)OTHER_TENANT;
    cr_expect_str_eq(wanted(&filter, &(struct pw_id)OUR_TENANT), "");
    cr_expect_str_eq(wanted(&filter, &(struct pw_id)OTHER_TENANT), "1 3 5 7 9 11 12");
    pw_audit_filter_close(&filter);
}

/* A stream of the same id in another boundary is another stream. */
Test(audit_filter, what_one_tenant_taught_is_not_believed_of_another)
{
    struct pw_audit_filter filter = filter_of(&(struct question){.exam_id = ID(30)});
    wanted(&filter, &(struct pw_id)OUR_TENANT);
    struct pw_record theirs = record_at(9, &(struct pw_id)OTHER_TENANT);
    struct pw_record ours = record_at(9, &(struct pw_id)OUR_TENANT);
    cr_expect_not(pw_audit_filter_event(&filter, 9, &theirs, &events[9]));
    cr_expect(pw_audit_filter_event(&filter, 9, &ours, &events[9]));
    pw_audit_filter_close(&filter);
}

/* --- Answers --- */

#define REFUSED TEXT("slot-full")
#define CHANGED_NOTHING                                                                            \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

static const struct answer_row {
    const char *name;
    bool with_answers;
    bool refused_only;
    struct pw_id exam_id;
    struct pw_id person_id;
    struct pw_id stream_id; /* Of the question; */
    struct pw_id of;        /* and of the answer. */
    struct pw_str problem;
    bool is_wanted;
} answer_rows[] = {
    {.name = "none unless asked for", .of = ID(40), .problem = REFUSED},
    {.name = "a refusal", .with_answers = true, .problem = REFUSED, .is_wanted = true},
    {.name = "a yes that changed nothing",
     .with_answers = true,
     .problem = CHANGED_NOTHING,
     .is_wanted = true},
    {.name = "only what was refused", .refused_only = true, .problem = REFUSED, .is_wanted = true},
    {.name = "which a yes is not", .refused_only = true, .problem = CHANGED_NOTHING},
    {.name = "nor where both are asked for",
     .refused_only = true,
     .with_answers = true,
     .problem = CHANGED_NOTHING},
    {.name = "about an exam",
     .refused_only = true,
     .exam_id = ID(30),
     .of = ID(30),
     .problem = REFUSED,
     .is_wanted = true},
    {.name = "about its slot",
     .with_answers = true,
     .exam_id = ID(30),
     .of = ID(40),
     .problem = REFUSED,
     .is_wanted = true},
    {.name = "about a reservation of it",
     .with_answers = true,
     .exam_id = ID(30),
     .of = ID(50),
     .problem = REFUSED,
     .is_wanted = true},
    {.name = "about one of another exam",
     .with_answers = true,
     .exam_id = ID(30),
     .of = ID(51),
     .problem = REFUSED},
    {.name = "about nothing that there is",
     .with_answers = true,
     .exam_id = ID(30),
     .problem = REFUSED},
    {.name = "to a person",
     .with_answers = true,
     .person_id = BOB,
     .of = ID(40),
     .problem = REFUSED,
     .is_wanted = true},
    {.name = "about their reservation, to another person",
     .with_answers = true,
     .person_id = ANN,
     .of = ID(50),
     .problem = REFUSED,
     .is_wanted = true},
    {.name = "of no concern to them",
     .with_answers = true,
     .person_id = ANN,
     .of = ID(40),
     .problem = REFUSED},
    {.name = "about a stream",
     .with_answers = true,
     .stream_id = ID(50),
     .of = ID(50),
     .problem = REFUSED,
     .is_wanted = true},
    {.name = "about another stream",
     .with_answers = true,
     .stream_id = ID(50),
     .of = ID(51),
     .problem = REFUSED},
};

/* All are Bob's, and are asked about when the whole history is known. */
Test(audit_filter, answers)
{
    static const struct pw_id tenant_id = OUR_TENANT;
    for (size_t i = 0; i < PW_COUNT(answer_rows); i++) {
        const struct answer_row *row = &answer_rows[i];
        struct pw_audit_filter filter = filter_of(&(struct question){
            .exam_id = row->exam_id, .person_id = row->person_id, .stream_id = row->stream_id});
        filter.with_answers = row->with_answers;
        filter.refused_only = row->refused_only;
        const char *offsets = wanted(&filter, &tenant_id);
        cr_expect_eq(offsets[0] == '\0', row->refused_only, "%s", row->name);
        struct pw_answer answer = {.boundary_id = tenant_id,
                                   .actor_id = BOB,
                                   .decided_at_us = AT_US(20),
                                   .stream_id = row->of,
                                   .problem_name = row->problem};
        struct pw_record commit = record_at(21, &tenant_id);
        struct pw_record alone = {.kind = PW_RECORD_ANSWERS, .answers_tenant_id = tenant_id};
        cr_expect_eq(pw_audit_filter_answer(&filter, 21, &commit, &answer), row->is_wanted, "%s",
                     row->name);
        cr_expect_eq(pw_audit_filter_answer(&filter, 21, &alone, &answer), row->is_wanted, "%s",
                     row->name);
        filter.tenant_id = (struct pw_id)OTHER_TENANT;
        cr_expect_not(pw_audit_filter_answer(&filter, 21, &commit, &answer), "%s", row->name);
        cr_expect_not(pw_audit_filter_answer(&filter, 21, &alone, &answer), "%s", row->name);
        pw_audit_filter_close(&filter);
    }
}

/* What rides along on a record was decided before it: an answer's own time counts. */
Test(audit_filter, the_time_of_an_answer_is_its_own)
{
    struct pw_audit_filter filter = filter_of(&(struct question){.until_us = AT_US(20)});
    struct pw_answer answer = {.decided_at_us = AT_US(20), .problem_name = REFUSED};
    struct pw_record record = record_at(21, &(struct pw_id)OUR_TENANT);
    filter.with_answers = true;
    cr_expect(pw_audit_filter_answer(&filter, 21, &record, &answer));
    answer.decided_at_us++;
    cr_expect_not(pw_audit_filter_answer(&filter, 21, &record, &answer));
    filter.until_us = INT64_MAX;
    filter.since_us = AT_US(20) + 2;
    cr_expect_not(pw_audit_filter_answer(&filter, 21, &record, &answer));
    filter.since_us--;
    cr_expect(pw_audit_filter_answer(&filter, 21, &record, &answer));
    filter.to = 20;
    cr_expect_not(pw_audit_filter_answer(&filter, 21, &record, &answer));
    pw_audit_filter_close(&filter);
}

Test(audit_filter, where_nothing_more_is_wanted)
{
    struct pw_audit_filter filter = filter_of(&(struct question){.to = 7, .until_us = AT_US(5)});
    cr_expect_not(pw_audit_filter_is_over(&filter, 7, AT_US(5)));
    cr_expect(pw_audit_filter_is_over(&filter, 8, AT_US(5)));
    cr_expect(pw_audit_filter_is_over(&filter, 7, AT_US(5) + 1));
    pw_audit_filter_close(&filter);
}
