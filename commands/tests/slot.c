/* commands/tests/slot.c: slots of published exams. Algebra (exam 30) takes 90 minutes. */
#include "commands/tests/people.h"

#define OPEN(slot, exam, starts, seats)                                                            \
    {                                                                                              \
        .type = PW_COMMAND_SLOT_OPEN, .slot_open = { ID(slot), ID(exam), starts, seats, 0 }        \
    }
#define OPEN_UNTIL(slot, exam, starts, seats, hard_end)                                            \
    {                                                                                              \
        .type = PW_COMMAND_SLOT_OPEN, .slot_open = { ID(slot), ID(exam), starts, seats, hard_end } \
    }
#define CHANGE(slot, seats)                                                                        \
    {                                                                                              \
        .type = PW_COMMAND_SLOT_CHANGE_CAPACITY, .slot_change_capacity = { ID(slot), seats }       \
    }
#define GONE   WITHDRAWN(30, 3, STAFF_ABSENT, NINE)
#define BY_TEA AT(TEA, TEACHER, NINE)
#define BY_TOM AT(TOM, TEACHER, NINE)
#define BY_ADA AT(ADA, ADMIN, NINE)

#define ALGEBRA      CREATED, DRAFTED(30), PUBLISHED(30, 0, 1)
#define ALGEBRA_NOON ALGEBRA, OPENED(40, 30, NOON, 2)

/* What a slot of the last start that a client may ask for looks like. */
#define LAST_START PW_STARTS_AT_US_MAX
#define A_DAY      MINUTES(24 * 60)

static const struct row slot_open_rows[] = {
    {"a slot of one's own exam", GIVEN(ALGEBRA), OPEN(40, 30, NOON, 2), BY_TEA, PW_OK,
     THEN(OPENED(40, 30, NOON, 2))},
    {"an admin opens any", GIVEN(ALGEBRA), OPEN(40, 30, NOON, 2), BY_ADA, PW_OK,
     THEN(OPENED(40, 30, NOON, 2))},
    {"two slots at one time", GIVEN(ALGEBRA_NOON), OPEN(41, 30, NOON, 1), BY_TEA, PW_OK,
     THEN(OPENED(41, 30, NOON, 1))},
    {"it has what is published, not what is drafted",
     GIVEN(ALGEBRA, REVISED(30, 0, "Algebra II", 240)), OPEN(40, 30, NOON, 2), BY_TEA, PW_OK,
     THEN(OPENED(40, 30, NOON, 2))},
    {"there is no such exam", GIVEN(CREATED), OPEN(40, 30, NOON, 2), BY_ADA, PW_ERR_NO_SUCH_EXAM,
     NOTHING},
    {"another teacher's does not exist", GIVEN(ALGEBRA), OPEN(40, 30, NOON, 2), BY_TOM,
     PW_ERR_NO_SUCH_EXAM, NOTHING},
    {"not of an exam that is withdrawn", GIVEN(ALGEBRA, WITHDRAWN(30, 3, OTHER, NINE)),
     OPEN(40, 30, NOON, 2), BY_TEA, PW_ERR_EXAM_WITHDRAWN, NOTHING},
    {"a draft is not sat", GIVEN(CREATED, DRAFTED(30)), OPEN(40, 30, NOON, 2), BY_TEA,
     PW_ERR_EXAM_NOT_PUBLISHED, NOTHING},
    {"not in the past", GIVEN(ALGEBRA), OPEN(40, 30, NINE - 1, 2), BY_TEA, PW_ERR_SLOT_IN_PAST,
     NOTHING},
    {"not at this moment", GIVEN(ALGEBRA), OPEN(40, 30, NINE, 2), BY_TEA, PW_ERR_SLOT_IN_PAST,
     NOTHING},
    {"a moment later", GIVEN(ALGEBRA), OPEN(40, 30, NINE + 1, 2), BY_TEA, PW_OK,
     THEN(OPENED(40, 30, NINE + 1, 2))},
    {"as late as may be asked for", GIVEN(ALGEBRA), OPEN(40, 30, LAST_START, 65535), BY_TEA, PW_OK,
     THEN(OPENED(40, 30, LAST_START, 65535), REMINDER_SET(40, 2, 30, LAST_START - A_DAY))},
    {"who has a seat is reminded a day before", GIVEN(ALGEBRA), OPEN(40, 30, NINE + A_DAY + 1, 2),
     BY_TEA, PW_OK, THEN(OPENED(40, 30, NINE + A_DAY + 1, 2), REMINDER_SET(40, 2, 30, NINE + 1))},
    {"but not where that is now", GIVEN(ALGEBRA), OPEN(40, 30, NINE + A_DAY, 2), BY_TEA, PW_OK,
     THEN(OPENED(40, 30, NINE + A_DAY, 2))},
    {"one that nobody sits in for longer", GIVEN(ALGEBRA),
     OPEN_UNTIL(40, 30, NOON, 2, NOON + MINUTES(120)), BY_TEA, PW_OK,
     THEN(OPENED(40, 30, NOON, 2), HARD_END(40, 2, 30, NOON + MINUTES(120)))},
    {"not even longer than the exam", GIVEN(ALGEBRA),
     OPEN_UNTIL(40, 30, NOON, 2, NOON + MINUTES(90)), BY_TEA, PW_OK,
     THEN(OPENED(40, 30, NOON, 2), HARD_END(40, 2, 30, NOON + MINUTES(90)))},
    {"but as long as that", GIVEN(ALGEBRA), OPEN_UNTIL(40, 30, NOON, 2, NOON + MINUTES(90) - 1),
     BY_TEA, PW_ERR_HARD_END_TOO_EARLY, NOTHING},
};
ROWS_OF(slot_open);

static const struct row slot_change_capacity_rows[] = {
    {"more seats", GIVEN(ALGEBRA_NOON), CHANGE(40, 3), BY_TEA, PW_OK, THEN(CAPACITY(40, 2, 3))},
    {"an admin changes any", GIVEN(ALGEBRA_NOON), CHANGE(40, 1), BY_ADA, PW_OK,
     THEN(CAPACITY(40, 2, 1))},
    {"as many as there are changes nothing", GIVEN(ALGEBRA_NOON), CHANGE(40, 2), BY_TEA, PW_OK,
     NOTHING},
    {"down to those taken", GIVEN(ALGEBRA_NOON, RESERVED(50, ANN, 40, 30, NOON)), CHANGE(40, 1),
     BY_TEA, PW_OK, THEN(CAPACITY(40, 2, 1))},
    {"not below those taken",
     GIVEN(ALGEBRA_NOON, RESERVED(50, ANN, 40, 30, NOON), RESERVED(51, BOB, 40, 30, NOON)),
     CHANGE(40, 1), BY_TEA, PW_ERR_CAPACITY_BELOW_TAKEN, NOTHING, "2 taken"},
    {"a seat given back is not taken",
     GIVEN(ALGEBRA_NOON, RESERVED(50, ANN, 40, 30, NOON), RESERVED(51, BOB, 40, 30, NOON),
           CANCELLED(50, ANN, 40, 30)),
     CHANGE(40, 1), BY_TEA, PW_OK, THEN(CAPACITY(40, 2, 1))},
    {"a closed one, too", GIVEN(ALGEBRA_NOON, SLOT_CLOSED(40, 0, 30)), CHANGE(40, 3), BY_TEA, PW_OK,
     THEN(CAPACITY(40, 3, 3))},
    {"not a cancelled one", GIVEN(ALGEBRA_NOON, SLOT_CANCELLED(40, 0, 30, STAFF_SCHEDULE)),
     CHANGE(40, 3), BY_TEA, PW_ERR_SLOT_CANCELLED, NOTHING, "staff.schedule"},
    {"nor one that is so by its exam", GIVEN(ALGEBRA_NOON, GONE), CHANGE(40, 3), BY_TEA,
     PW_ERR_SLOT_CANCELLED, NOTHING, "staff.absent"},
    {"there is no such slot", GIVEN(ALGEBRA), CHANGE(40, 3), BY_ADA, PW_ERR_NO_SUCH_SLOT, NOTHING},
    {"another teacher's does not exist", GIVEN(ALGEBRA_NOON), CHANGE(40, 3), BY_TOM,
     PW_ERR_NO_SUCH_SLOT, NOTHING},
    {"changed since it was read", GIVEN(ALGEBRA_NOON, CAPACITY(40, 0, 5)), CHANGE(40, 3), BY_TEA,
     PW_ERR_VERSION_MISMATCH, NOTHING, "version 2", IF_MATCH(1)},
    {"as it was read", GIVEN(ALGEBRA_NOON, CAPACITY(40, 0, 5)), CHANGE(40, 3), BY_TEA, PW_OK,
     THEN(CAPACITY(40, 3, 3)), IF_MATCH(2)},
};
ROWS_OF(slot_change_capacity);

#define CLOSE_WAITLIST(slot)                                                                       \
    {                                                                                              \
        .type = PW_COMMAND_SLOT_CLOSE_WAITLIST, .slot_close_waitlist = { ID(slot) }                \
    }
#define WAITED_FOR                                                                                 \
    CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), OPENED(40, 30, NOON, 1),                            \
        RESERVED(50, ANN, 40, 30, NOON), JOINED(51, BOB, 40, 30)

static const struct row slot_close_waitlist_rows[] = {
    {"when the lead time begins", GIVEN(WAITED_FOR), CLOSE_WAITLIST(40),
     AT(OPS, SYSTEM, NOON - MINUTES(60)), PW_OK, THEN(WAITLIST_CLOSED(40, 2, 30))},
    {"not a moment before", GIVEN(WAITED_FOR), CLOSE_WAITLIST(40),
     AT(OPS, SYSTEM, NOON - MINUTES(60) - 1), PW_OK, NOTHING},
    {"only once", GIVEN(WAITED_FOR, WAITLIST_CLOSED(40, 0, 30)), CLOSE_WAITLIST(40),
     AT(OPS, SYSTEM, NOON), PW_OK, NOTHING},
    {"there is no such slot", GIVEN(CREATED), CLOSE_WAITLIST(40), AT(OPS, SYSTEM, NOON),
     PW_ERR_NO_SUCH_SLOT, NOTHING},
};
ROWS_OF(slot_close_waitlist);

#define REMIND(slot)                                                                               \
    {                                                                                              \
        .type = PW_COMMAND_SLOT_REMIND, .slot_remind = { ID(slot) }                                \
    }
#define TEN            (NINE + MINUTES(60)) /* When students are reminded here. */
#define TO_BE_REMINDED WAITED_FOR, REMINDER_SET(40, 0, 30, TEN)

static const struct row slot_remind_rows[] = {
    {"once its time has come", GIVEN(TO_BE_REMINDED), REMIND(40), AT(OPS, SYSTEM, TEN), PW_OK,
     THEN(SLOT_REMINDED(40, 3, 30, 1))},
    {"late, but before the start", GIVEN(TO_BE_REMINDED), REMIND(40), AT(OPS, SYSTEM, NOON - 1),
     PW_OK, THEN(SLOT_REMINDED(40, 3, 30, 1))},
    {"nobody is, once it has begun", GIVEN(TO_BE_REMINDED), REMIND(40), AT(OPS, SYSTEM, NOON),
     PW_OK, THEN(SLOT_REMINDED(40, 3, 30, 0))},
    {"not a moment before", GIVEN(TO_BE_REMINDED), REMIND(40), AT(OPS, SYSTEM, TEN - 1), PW_OK,
     NOTHING},
    {"only once", GIVEN(TO_BE_REMINDED, SLOT_REMINDED(40, 0, 30, 1)), REMIND(40),
     AT(OPS, SYSTEM, TEN), PW_OK, NOTHING},
    {"who was not told before the start is not any more",
     GIVEN(TO_BE_REMINDED, SLOT_REMINDED(40, 0, 30, 1)), REMIND(40), AT(OPS, SYSTEM, NOON), PW_OK,
     THEN(SLOT_REMINDED(40, 4, 30, 0))},
    {"which ends it",
     GIVEN(TO_BE_REMINDED, SLOT_REMINDED(40, 0, 30, 1), SLOT_REMINDED(40, 0, 30, 0)), REMIND(40),
     AT(OPS, SYSTEM, NOON), PW_OK, NOTHING},
    {"not where that was never said", GIVEN(WAITED_FOR), REMIND(40), AT(OPS, SYSTEM, TEN), PW_OK,
     NOTHING},
    {"not of a sitting that does not take place",
     GIVEN(TO_BE_REMINDED, SLOT_CANCELLED(40, 0, 30, OTHER)), REMIND(40), AT(OPS, SYSTEM, TEN),
     PW_OK, NOTHING},
    {"there is no such slot", GIVEN(CREATED), REMIND(40), AT(OPS, SYSTEM, TEN), PW_ERR_NO_SUCH_SLOT,
     NOTHING},
};
ROWS_OF(slot_remind);

#define CLOSE(slot)                                                                                \
    {                                                                                              \
        .type = PW_COMMAND_SLOT_CLOSE, .slot_close = { ID(slot) }                                  \
    }
#define CANCEL(slot, reason)                                                                       \
    {                                                                                              \
        .type = PW_COMMAND_SLOT_CANCEL, .slot_cancel = { ID(slot), PW_REASON_##reason }            \
    }
#define IS_CANCELLED SLOT_CANCELLED(40, 2, 30, ENVIRONMENT_POWER)

static const struct row slot_close_rows[] = {
    {"no further seats", GIVEN(ALGEBRA_NOON), CLOSE(40), BY_TEA, PW_OK,
     THEN(SLOT_CLOSED(40, 2, 30))},
    {"an admin closes any", GIVEN(ALGEBRA_NOON), CLOSE(40), BY_ADA, PW_OK,
     THEN(SLOT_CLOSED(40, 2, 30))},
    {"once", GIVEN(ALGEBRA_NOON, SLOT_CLOSED(40, 2, 30)), CLOSE(40), BY_TEA, PW_OK, NOTHING},
    {"a cancelled one is none", GIVEN(ALGEBRA_NOON, IS_CANCELLED), CLOSE(40), BY_TEA,
     PW_ERR_SLOT_CANCELLED, NOTHING, "environment.power"},
    {"there is no such slot", GIVEN(ALGEBRA), CLOSE(40), BY_ADA, PW_ERR_NO_SUCH_SLOT, NOTHING},
    {"another teacher's does not exist", GIVEN(ALGEBRA_NOON), CLOSE(40), BY_TOM,
     PW_ERR_NO_SUCH_SLOT, NOTHING},
    {"changed since it was read", GIVEN(ALGEBRA_NOON), CLOSE(40), BY_TEA, PW_ERR_VERSION_MISMATCH,
     NOTHING, IF_MATCH(2)},
};
ROWS_OF(slot_close);

static const struct row slot_cancel_rows[] = {
    {"one fact, whoever has a seat", GIVEN(ALGEBRA_NOON, RESERVED(50, ANN, 40, 30, NOON)),
     CANCEL(40, ENVIRONMENT_POWER), BY_TEA, PW_OK, THEN(IS_CANCELLED)},
    {"an admin cancels any", GIVEN(ALGEBRA_NOON), CANCEL(40, ENVIRONMENT_POWER), BY_ADA, PW_OK,
     THEN(IS_CANCELLED)},
    {"a closed one", GIVEN(ALGEBRA_NOON, SLOT_CLOSED(40, 2, 30)), CANCEL(40, OTHER), BY_TEA, PW_OK,
     THEN(SLOT_CANCELLED(40, 3, 30, OTHER))},
    {"once, for the first reason", GIVEN(ALGEBRA_NOON, IS_CANCELLED), CANCEL(40, OTHER), BY_TEA,
     PW_OK, NOTHING},
    {"one that is so by its exam", GIVEN(ALGEBRA_NOON, GONE), CANCEL(40, OTHER), BY_TEA, PW_OK,
     NOTHING},
    {"while it is sat", GIVEN(ALGEBRA_NOON), CANCEL(40, ENVIRONMENT_POWER),
     AT(TEA, TEACHER, NOON + MINUTES(90) - 1), PW_OK, THEN(IS_CANCELLED)},
    {"not when it is over", GIVEN(ALGEBRA_NOON), CANCEL(40, OTHER),
     AT(TEA, TEACHER, NOON + MINUTES(90)), PW_ERR_SLOT_OVER, NOTHING},
    {"once, be it over", GIVEN(ALGEBRA_NOON, IS_CANCELLED), CANCEL(40, OTHER),
     AT(TEA, TEACHER, NOON + MINUTES(90)), PW_OK, NOTHING},
    {"there is no such slot", GIVEN(ALGEBRA), CANCEL(40, OTHER), BY_ADA, PW_ERR_NO_SUCH_SLOT,
     NOTHING},
    {"another teacher's does not exist", GIVEN(ALGEBRA_NOON), CANCEL(40, OTHER), BY_TOM,
     PW_ERR_NO_SUCH_SLOT, NOTHING},
};
ROWS_OF(slot_cancel);

#define ASSIGN(slot, proctor)                                                                      \
    {                                                                                              \
        .type = PW_COMMAND_SLOT_ASSIGN_PROCTOR, .slot_assign_proctor = { ID(slot), proctor }       \
    }
#define RELEASE(slot, proctor)                                                                     \
    {                                                                                              \
        .type = PW_COMMAND_SLOT_RELEASE_PROCTOR, .slot_release_proctor = { ID(slot), proctor }     \
    }
#define WITH_ACCOUNTS                                                                              \
    ALGEBRA_NOON, EQUALITY_CHOSEN, REGISTERED(11, PW_ROLE(STUDENT) | PW_ROLE(PROCTOR), TEXT(""))
#define WITH_AN_OUTSIDER ALGEBRA_NOON, TRUSTED
#define TRUSTED          TRUSTED_AS(2)
#define TRUSTED_AS(version)                                                                        \
    {                                                                                              \
        .type = PW_EVENT_TENANT_ISSUER_TRUSTED, .stream_id = OUR_TENANT,                           \
        .stream_version = version, .tenant_issuer_trusted = {                                      \
            TEXT("sso"),                                                                           \
            {{7}}                                                                                  \
        }                                                                                          \
    }

static const struct row slot_assign_proctor_rows[] = {
    {"somebody whose account says so", GIVEN(WITH_ACCOUNTS), ASSIGN(40, BOB), BY_TEA, PW_OK,
     THEN(ASSIGNED(40, 2, 30, BOB))},
    {"an admin assigns to any slot", GIVEN(WITH_ACCOUNTS), ASSIGN(40, BOB), BY_ADA, PW_OK,
     THEN(ASSIGNED(40, 2, 30, BOB))},
    {"somebody whom only an outside issuer knows", GIVEN(WITH_AN_OUTSIDER), ASSIGN(40, TOM), BY_TEA,
     PW_OK, THEN(ASSIGNED(40, 2, 30, TOM))},
    {"nobody whom nobody knows", GIVEN(WITH_ACCOUNTS), ASSIGN(40, TOM), BY_TEA,
     PW_ERR_NOT_A_PROCTOR, NOTHING},
    {"not somebody of another role",
     GIVEN(ALGEBRA_NOON, EQUALITY_CHOSEN, REGISTERED(11, PW_ROLE(STUDENT), TEXT(""))),
     ASSIGN(40, BOB), BY_TEA, PW_ERR_NOT_A_PROCTOR, NOTHING},
    {"nor whose account is shut", GIVEN(WITH_ACCOUNTS, DEACTIVATED(11, 0)), ASSIGN(40, BOB), BY_TEA,
     PW_ERR_NOT_A_PROCTOR, NOTHING},
    {"once", GIVEN(WITH_ACCOUNTS, ASSIGNED(40, 2, 30, BOB)), ASSIGN(40, BOB), BY_TEA, PW_OK,
     NOTHING},
    {"a second one", GIVEN(WITH_ACCOUNTS, TRUSTED_AS(3), ASSIGNED(40, 2, 30, TOM)), ASSIGN(40, BOB),
     BY_TEA, PW_OK, THEN(ASSIGNED(40, 3, 30, BOB))},
    {"not to a slot that is cancelled",
     GIVEN(WITH_ACCOUNTS, SLOT_CANCELLED(40, 2, 30, STAFF_ABSENT)), ASSIGN(40, BOB), BY_TEA,
     PW_ERR_SLOT_CANCELLED, NOTHING, "staff.absent"},
    {"there is no such slot", GIVEN(ALGEBRA), ASSIGN(40, BOB), BY_ADA, PW_ERR_NO_SUCH_SLOT,
     NOTHING},
    {"another teacher's does not exist", GIVEN(WITH_ACCOUNTS), ASSIGN(40, BOB), BY_TOM,
     PW_ERR_NO_SUCH_SLOT, NOTHING},
};
ROWS_OF(slot_assign_proctor);

static const struct row slot_release_proctor_rows[] = {
    {"who was assigned", GIVEN(WITH_ACCOUNTS, ASSIGNED(40, 2, 30, BOB)), RELEASE(40, BOB), BY_TEA,
     PW_OK, THEN(RELEASED(40, 3, 30, BOB))},
    {"and may be again",
     GIVEN(WITH_ACCOUNTS, ASSIGNED(40, 2, 30, BOB), RELEASED(40, 3, 30, BOB),
           ASSIGNED(40, 4, 30, BOB)),
     RELEASE(40, BOB), BY_ADA, PW_OK, THEN(RELEASED(40, 5, 30, BOB))},
    {"who is not changes nothing", GIVEN(WITH_ACCOUNTS, ASSIGNED(40, 2, 30, BOB)), RELEASE(40, TOM),
     BY_TEA, PW_OK, NOTHING},
    {"of another slot", GIVEN(WITH_ACCOUNTS, OPENED(41, 30, NOON, 2), ASSIGNED(40, 2, 30, BOB)),
     RELEASE(41, BOB), BY_TEA, PW_OK, NOTHING},
    {"there is no such slot", GIVEN(ALGEBRA), RELEASE(40, BOB), BY_ADA, PW_ERR_NO_SUCH_SLOT,
     NOTHING},
    {"another teacher's does not exist", GIVEN(WITH_ACCOUNTS, ASSIGNED(40, 2, 30, BOB)),
     RELEASE(40, BOB), BY_TOM, PW_ERR_NO_SUCH_SLOT, NOTHING},
};
ROWS_OF(slot_release_proctor);

#define CANCEL_WITH_EXAM(slot)                                                                     \
    {                                                                                              \
        .type = PW_COMMAND_SLOT_CANCEL_WITH_EXAM, .slot_cancel_with_exam = { ID(slot) }            \
    }
#define BY_SYSTEM AT(OPS, SYSTEM, NINE)

static const struct row slot_cancel_with_exam_rows[] = {
    {"one that starts later", GIVEN(ALGEBRA_NOON, GONE), CANCEL_WITH_EXAM(40), BY_SYSTEM, PW_OK,
     THEN(SLOT_CANCELLED(40, 2, 30, STAFF_ABSENT))},
    {"a closed one", GIVEN(ALGEBRA_NOON, SLOT_CLOSED(40, 2, 30), GONE), CANCEL_WITH_EXAM(40),
     BY_SYSTEM, PW_OK, THEN(SLOT_CANCELLED(40, 3, 30, STAFF_ABSENT))},
    {"not one that has begun", GIVEN(ALGEBRA_NOON, WITHDRAWN(30, 3, STAFF_ABSENT, NOON)),
     CANCEL_WITH_EXAM(40), BY_SYSTEM, PW_OK, NOTHING},
    {"once", GIVEN(ALGEBRA_NOON, GONE, SLOT_CANCELLED(40, 2, 30, STAFF_ABSENT)),
     CANCEL_WITH_EXAM(40), BY_SYSTEM, PW_OK, NOTHING},
    {"not one that is cancelled already",
     GIVEN(ALGEBRA_NOON, SLOT_CANCELLED(40, 2, 30, OTHER), GONE), CANCEL_WITH_EXAM(40), BY_SYSTEM,
     PW_OK, NOTHING},
    {"there is no such slot", GIVEN(ALGEBRA, GONE), CANCEL_WITH_EXAM(40), BY_SYSTEM,
     PW_ERR_NO_SUCH_SLOT, NOTHING},
};
ROWS_OF(slot_cancel_with_exam);
