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
    {"there is no such exam", GIVEN(CREATED), PUBLISH(30), BY_TEA, PW_ERR_NO_SUCH_EXAM, NOTHING},
    {"another teacher's does not exist", GIVEN(CREATED, DRAFTED(30)), PUBLISH(30), BY_TOM,
     PW_ERR_NO_SUCH_EXAM, NOTHING},
    {"as it was read", GIVEN(CREATED, DRAFTED(30)), PUBLISH(30), BY_TEA, PW_OK,
     THEN(PUBLISHED(30, 2, 1)), IF_MATCH(1)},
    {"changed since it was read", GIVEN(CREATED, DRAFTED(30)), PUBLISH(30), BY_TEA,
     PW_ERR_VERSION_MISMATCH, NOTHING, IF_MATCH(2)},
};
ROWS_OF(exam_publish);
