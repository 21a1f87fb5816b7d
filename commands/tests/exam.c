/* commands/tests/exam.c: drafts and versions. */
#include "commands/tests/items.h"

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
#define SET_RULES(exam, lead, buffer)                                                              \
    {                                                                                              \
        .type = PW_COMMAND_EXAM_SET_RULES, .exam_set_rules = { ID(exam), lead, buffer }            \
    }
#define EXAM_RULED(exam, version, lead, buffer)                                                    \
    {                                                                                              \
        .type = PW_EVENT_EXAM_RULES_SET, .stream_id = ID(exam), .stream_version = version,         \
        .exam_rules_set = {                                                                        \
            lead,                                                                                  \
            buffer                                                                                 \
        }                                                                                          \
    }
#define BIND(exam, items)                                                                          \
    {                                                                                              \
        .type = PW_COMMAND_EXAM_BIND_ITEMS, .exam_bind_items = { ID(exam), items }                 \
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

static const struct row exam_set_rules_rows[] = {
    {"the draft's rules, as a whole", GIVEN(CREATED, DRAFTED(30)), SET_RULES(30, 120, 0), BY_TEA,
     PW_OK, THEN(EXAM_RULED(30, 2, 120, 0))},
    {"the same rules change nothing", GIVEN(CREATED, DRAFTED(30)), SET_RULES(30, 60, 15), BY_TEA,
     PW_OK, NOTHING},
    {"nor those that were set", GIVEN(CREATED, DRAFTED(30), EXAM_RULED(30, 0, 120, 0)),
     SET_RULES(30, 120, 0), BY_TEA, PW_OK, NOTHING},
    {"a draft that is revised has what the revision says",
     GIVEN(CREATED, DRAFTED(30), EXAM_RULED(30, 0, 120, 0), REVISED(30, 0, "Algebra", 90)),
     SET_RULES(30, 60, 15), BY_TEA, PW_OK, NOTHING},
    {"not once it is withdrawn", GIVEN(CREATED, DRAFTED(30), GONE), SET_RULES(30, 120, 0), BY_TEA,
     PW_ERR_EXAM_WITHDRAWN, NOTHING},
    {"there is no such exam", GIVEN(CREATED), SET_RULES(30, 120, 0), BY_TEA, PW_ERR_NO_SUCH_EXAM,
     NOTHING},
    {"another teacher's does not exist", GIVEN(CREATED, DRAFTED(30)), SET_RULES(30, 120, 0), BY_TOM,
     PW_ERR_NO_SUCH_EXAM, NOTHING},
};
ROWS_OF(exam_set_rules);

#define WITH_ITEMS CREATED, IN_BANK(90), NEXT(90, 0, 2), IN_BANK(91), DRAFTED(30)

static const struct row exam_bind_items_rows[] = {
    {"an item's first version", GIVEN(WITH_ITEMS), BIND(30, FIRST_OF_90), BY_TEA, PW_OK,
     THEN(BOUND(30, 2, FIRST_OF_90, 2))},
    {"others instead, in their order", GIVEN(WITH_ITEMS, BOUND(30, 0, FIRST_OF_90, 2)),
     BIND(30, SECOND_AND_91), BY_TEA, PW_OK, THEN(BOUND(30, 3, SECOND_AND_91, 4))},
    {"none any more", GIVEN(WITH_ITEMS, BOUND(30, 0, FIRST_OF_90, 2)), BIND(30, NOTHING_ASKED),
     BY_TEA, PW_OK, THEN(BOUND(30, 3, NOTHING_ASKED, 0))},
    {"none where there was none changes nothing", GIVEN(WITH_ITEMS), BIND(30, NOTHING_ASKED),
     BY_TEA, PW_OK, NOTHING},
    {"what is bound already changes nothing, though it was retired since",
     GIVEN(WITH_ITEMS, BOUND(30, 0, FIRST_OF_90, 2), OUT_OF_USE(90, 0, 2)), BIND(30, FIRST_OF_90),
     BY_TEA, PW_OK, NOTHING},
    {"another draft keeps what it asks",
     GIVEN(WITH_ITEMS, BOUND(30, 0, FIRST_OF_90, 2), REVISED(30, 0, "Algebra II", 120)),
     BIND(30, FIRST_OF_90), BY_TEA, PW_OK, NOTHING},
    {"one that is retired is bound no more", GIVEN(WITH_ITEMS, OUT_OF_USE(91, 0, 1)),
     BIND(30, SECOND_AND_91), BY_TEA, PW_ERR_ITEM_RETIRED, NOTHING, "items/1"},
    {"each once, whatever the version", GIVEN(WITH_ITEMS), BIND(30, TWICE_90), BY_TEA,
     PW_ERR_ITEM_BOUND_TWICE, NOTHING, "items/1"},
    {"a version that there is not", GIVEN(CREATED, IN_BANK(90), IN_BANK(91), DRAFTED(30)),
     BIND(30, SECOND_AND_91), BY_TEA, PW_ERR_NO_SUCH_ITEM_VERSION, NOTHING,
     "items/0: the newest is 1"},
    {"an item that there is not", GIVEN(CREATED, DRAFTED(30)), BIND(30, FIRST_OF_90), BY_TEA,
     PW_ERR_NO_SUCH_ITEM, NOTHING, "items/0"},
    {"another teacher's item", GIVEN(WITH_ITEMS, DRAFTED_BY(TOM, 31, "Algebra", 90, 60, 15)),
     BIND(31, FIRST_OF_90), BY_TOM, PW_ERR_NO_SUCH_ITEM, NOTHING},
    {"not once it is withdrawn", GIVEN(WITH_ITEMS, GONE), BIND(30, FIRST_OF_90), BY_TEA,
     PW_ERR_EXAM_WITHDRAWN, NOTHING},
    {"there is no such exam", GIVEN(CREATED, IN_BANK(90)), BIND(30, FIRST_OF_90), BY_TEA,
     PW_ERR_NO_SUCH_EXAM, NOTHING},
    {"another teacher's does not exist", GIVEN(WITH_ITEMS), BIND(30, FIRST_OF_90), BY_TOM,
     PW_ERR_NO_SUCH_EXAM, NOTHING},
};
ROWS_OF(exam_bind_items);

/* SHA-256 of [2, "Algebra", 90, 60, 15, that of the items], as integration/reader makes it. */
#define PUBLISHED_WITH_FIRST_OF_90(exam, version, number)                                          \
    {                                                                                              \
        .type = PW_EVENT_EXAM_VERSION_PUBLISHED, .stream_id = ID(exam), .stream_version = version, \
        .exam_version_published = {                                                                \
            number,                                                                                \
            {{0x77, 0x90, 0x16, 0x76, 0xce, 0x22, 0x5f, 0x0e, 0x5a, 0x3c, 0x1f,                    \
              0xf3, 0x7d, 0x9b, 0x10, 0xac, 0x2d, 0x4f, 0x2d, 0x39, 0xb6, 0xe3,                    \
              0x81, 0x00, 0x16, 0x88, 0xb3, 0x09, 0xd8, 0x6c, 0x67, 0x3d}}                         \
        }                                                                                          \
    }

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
    {"other items are other content",
     GIVEN(WITH_ITEMS, PUBLISHED(30, 0, 1), BOUND(30, 0, FIRST_OF_90, 2)), PUBLISH(30), BY_TEA,
     PW_OK, THEN(PUBLISHED_WITH_FIRST_OF_90(30, 4, 2))},
    {"and none again is what is published",
     GIVEN(WITH_ITEMS, PUBLISHED(30, 0, 1), BOUND(30, 0, FIRST_OF_90, 2),
           BOUND(30, 0, NOTHING_ASKED, 0)),
     PUBLISH(30), BY_TEA, PW_OK, NOTHING},
    {"rules set and set back are the same content",
     GIVEN(CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), EXAM_RULED(30, 0, 120, 0),
           EXAM_RULED(30, 0, 60, 15)),
     PUBLISH(30), BY_TEA, PW_OK, NOTHING},
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
