/* commands/tests/exam.c: drafts and versions. */
#include "commands/tests/world.h"

#define DRAFT(exam)                                                                                \
    {                                                                                              \
        .type = PW_COMMAND_EXAM_DRAFT, .exam_draft = { ID(exam), TEXT("Algebra"), 90, 60, 15 }     \
    }
#define REVISE(exam, title_, minutes_)                                                             \
    {                                                                                              \
        .type = PW_COMMAND_EXAM_REVISE_DRAFT, .exam_revise_draft = {                               \
            ID(exam),                                                                              \
            TEXT(title_),                                                                          \
            minutes_,                                                                              \
            60,                                                                                    \
            15                                                                                     \
        }                                                                                          \
    }
#define PUBLISH(exam)                                                                              \
    {                                                                                              \
        .type = PW_COMMAND_EXAM_PUBLISH, .exam_publish = { ID(exam) }                              \
    }
#define WITHDRAW(exam, reason, cancel_slots)                                                       \
    {                                                                                              \
        .type = PW_COMMAND_EXAM_WITHDRAW, .exam_withdraw = {                                       \
            ID(exam),                                                                              \
            PW_REASON_##reason,                                                                    \
            cancel_slots                                                                           \
        }                                                                                          \
    }
#define GONE   WITHDRAWN(30, 0, STAFF_SCHEDULE, NINE)
#define BY_TEA AT(TEA, TEACHER, NINE)
#define BY_TOM AT(TOM, TEACHER, NINE)

static const struct row exam_draft_rows[] = {
    {"a draft is its teacher's", GIVEN(CREATED), DRAFT(30), BY_TEA, PW_OK, THEN(DRAFTED(30))},
    {"two may have one title", GIVEN(CREATED, DRAFTED(30)), DRAFT(31), BY_TEA, PW_OK,
     THEN(DRAFTED(31))},
    {"nowhere without a tenant", NEW, DRAFT(30), BY_TEA, PW_ERR_NO_SUCH_TENANT, NOTHING},
};
ROWS_OF(exam_draft);

static const struct row exam_revise_draft_rows[] = {
    {"the draft is replaced", GIVEN(CREATED, DRAFTED(30)), REVISE(30, "Algebra", 120), BY_TEA,
     PW_OK, THEN(REVISED(30, 2, "Algebra", 120))},
    {"the same content changes nothing", GIVEN(CREATED, DRAFTED(30)), REVISE(30, "Algebra", 90),
     BY_TEA, PW_OK, NOTHING},
    {"back to what is published is a change of the draft",
     GIVEN(CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), REVISED(30, 0, "Algebra II", 90)),
     REVISE(30, "Algebra", 90), BY_TEA, PW_OK, THEN(REVISED(30, 4, "Algebra", 90))},
    {"not once it is withdrawn", GIVEN(CREATED, DRAFTED(30), GONE), REVISE(30, "Algebra", 120),
     BY_TEA, PW_ERR_EXAM_WITHDRAWN, NOTHING},
    {"there is no such exam", GIVEN(CREATED), REVISE(30, "Algebra", 120), BY_TEA,
     PW_ERR_NO_SUCH_EXAM, NOTHING, "exam_id"},
    {"another teacher's does not exist", GIVEN(CREATED, DRAFTED(30)), REVISE(30, "Algebra", 120),
     BY_TOM, PW_ERR_NO_SUCH_EXAM, NOTHING},
    {"not even its version", GIVEN(CREATED, DRAFTED(30)), REVISE(30, "Algebra", 120), BY_TOM,
     PW_ERR_NO_SUCH_EXAM, NOTHING, IF_MATCH(9)},
    {"changed since it was read", GIVEN(CREATED, DRAFTED(30), REVISED(30, 0, "Algebra II", 90)),
     REVISE(30, "Algebra", 120), BY_TEA, PW_ERR_VERSION_MISMATCH, NOTHING, "version 2",
     IF_MATCH(1)},
    {"changed, though nothing would change", GIVEN(CREATED, DRAFTED(30)), REVISE(30, "Algebra", 90),
     BY_TEA, PW_ERR_VERSION_MISMATCH, NOTHING, IF_MATCH(7)},
};
ROWS_OF(exam_revise_draft);

static const struct row exam_publish_rows[] = {
    {"the first version", GIVEN(CREATED, DRAFTED(30)), PUBLISH(30), BY_TEA, PW_OK,
     THEN(PUBLISHED(30, 2, 1))},
    {"the same content once", GIVEN(CREATED, DRAFTED(30), PUBLISHED(30, 0, 1)), PUBLISH(30), BY_TEA,
     PW_OK, NOTHING},
    {"revised away and back is the same content",
     GIVEN(CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), REVISED(30, 0, "Algebra II", 90),
           REVISED(30, 0, "Algebra", 90)),
     PUBLISH(30), BY_TEA, PW_OK, NOTHING},
    {"the next version has the next number",
     GIVEN(CREATED, DRAFTED_BY(TEA, 30, "Algebra II", 90, 60, 15), PUBLISHED(30, 0, 1),
           REVISED(30, 0, "Algebra", 90)),
     PUBLISH(30), BY_TEA, PW_OK, THEN(PUBLISHED(30, 4, 2))},
    {"not once it is withdrawn", GIVEN(CREATED, DRAFTED(30), GONE), PUBLISH(30), BY_TEA,
     PW_ERR_EXAM_WITHDRAWN, NOTHING},
    {"there is no such exam", GIVEN(CREATED), PUBLISH(30), BY_TEA, PW_ERR_NO_SUCH_EXAM, NOTHING},
    {"another teacher's does not exist", GIVEN(CREATED, DRAFTED(30)), PUBLISH(30), BY_TOM,
     PW_ERR_NO_SUCH_EXAM, NOTHING},
    {"as it was read", GIVEN(CREATED, DRAFTED(30)), PUBLISH(30), BY_TEA, PW_OK,
     THEN(PUBLISHED(30, 2, 1)), IF_MATCH(1)},
    {"changed since it was read", GIVEN(CREATED, DRAFTED(30)), PUBLISH(30), BY_TEA,
     PW_ERR_VERSION_MISMATCH, NOTHING, IF_MATCH(2)},
};
ROWS_OF(exam_publish);

#define WITH_A_SLOT CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), OPENED(40, 30, NOON, 2)
#define IS_GONE     WITHDRAWN(30, 3, STAFF_SCHEDULE, NINE)

static const struct row exam_withdraw_rows[] = {
    {"a draft", GIVEN(CREATED, DRAFTED(30)), WITHDRAW(30, OTHER, 0), BY_TEA, PW_OK,
     THEN(WITHDRAWN(30, 2, OTHER, NINE))},
    {"with slots that nobody has booked", GIVEN(WITH_A_SLOT), WITHDRAW(30, STAFF_SCHEDULE, 0),
     BY_TEA, PW_OK, THEN(IS_GONE)},
    {"not where somebody has a seat", GIVEN(WITH_A_SLOT, RESERVED(50, ANN, 40, 30, NOON)),
     WITHDRAW(30, STAFF_SCHEDULE, 0), BY_TEA, PW_ERR_EXAM_IS_BOOKED, NOTHING,
     "70000000-0000-0000-0000-000000000028"},
    {"or waits for one", GIVEN(WITH_A_SLOT, JOINED(50, ANN, 40, 30)),
     WITHDRAW(30, STAFF_SCHEDULE, 0), BY_TEA, PW_ERR_EXAM_IS_BOOKED, NOTHING},
    {"unless these are cancelled, too", GIVEN(WITH_A_SLOT, RESERVED(50, ANN, 40, 30, NOON)),
     WITHDRAW(30, STAFF_SCHEDULE, 1), BY_TEA, PW_OK, THEN(IS_GONE)},
    {"what was given back is no seat",
     GIVEN(WITH_A_SLOT, RESERVED(50, ANN, 40, 30, NOON), CANCELLED(50, ANN, 40, 30)),
     WITHDRAW(30, STAFF_SCHEDULE, 0), BY_TEA, PW_OK, THEN(IS_GONE)},
    {"what is cancelled already is none",
     GIVEN(WITH_A_SLOT, RESERVED(50, ANN, 40, 30, NOON), SLOT_CANCELLED(40, 0, 30, OTHER)),
     WITHDRAW(30, STAFF_SCHEDULE, 0), BY_TEA, PW_OK, THEN(IS_GONE)},
    {"what is sat takes place", GIVEN(WITH_A_SLOT, RESERVED(50, ANN, 40, 30, NOON)),
     WITHDRAW(30, STAFF_SCHEDULE, 0), AT(TEA, TEACHER, NOON), PW_OK,
     THEN(WITHDRAWN(30, 3, STAFF_SCHEDULE, NOON))},
    {"another exam's seats do not count",
     GIVEN(WITH_A_SLOT, DRAFTED(31), PUBLISHED(31, 0, 1), OPENED(41, 31, NOON, 2),
           RESERVED(50, ANN, 41, 31, NOON)),
     WITHDRAW(30, STAFF_SCHEDULE, 0), BY_TEA, PW_OK, THEN(IS_GONE)},
    {"once", GIVEN(WITH_A_SLOT, IS_GONE), WITHDRAW(30, OTHER, 0), BY_TEA, PW_OK, NOTHING},
    {"there is no such exam", GIVEN(CREATED), WITHDRAW(30, OTHER, 0), BY_TEA, PW_ERR_NO_SUCH_EXAM,
     NOTHING},
    {"another teacher's does not exist", GIVEN(WITH_A_SLOT), WITHDRAW(30, OTHER, 0), BY_TOM,
     PW_ERR_NO_SUCH_EXAM, NOTHING},
};
ROWS_OF(exam_withdraw);
