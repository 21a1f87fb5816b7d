/* commands/tests/slot.c: slots of published exams. Algebra (exam 30) takes 90 minutes. */
#include "commands/tests/world.h"

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
#define BY_TEA AT(TEA, TEACHER, NINE)
#define BY_TOM AT(TOM, TEACHER, NINE)
#define BY_ADA AT(ADA, ADMIN, NINE)

#define ALGEBRA      CREATED, DRAFTED(30), PUBLISHED(30, 0, 1)
#define ALGEBRA_NOON ALGEBRA, OPENED(40, 30, NOON, 2)

/* What a slot of the last start that a client may ask for looks like. */
#define LAST_START PW_STARTS_AT_US_MAX

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
    {"a draft is not sat", GIVEN(CREATED, DRAFTED(30)), OPEN(40, 30, NOON, 2), BY_TEA,
     PW_ERR_EXAM_NOT_PUBLISHED, NOTHING},
    {"not in the past", GIVEN(ALGEBRA), OPEN(40, 30, NINE - 1, 2), BY_TEA, PW_ERR_SLOT_IN_PAST,
     NOTHING},
    {"not at this moment", GIVEN(ALGEBRA), OPEN(40, 30, NINE, 2), BY_TEA, PW_ERR_SLOT_IN_PAST,
     NOTHING},
    {"a moment later", GIVEN(ALGEBRA), OPEN(40, 30, NINE + 1, 2), BY_TEA, PW_OK,
     THEN(OPENED(40, 30, NINE + 1, 2))},
    {"as late as may be asked for", GIVEN(ALGEBRA), OPEN(40, 30, LAST_START, 65535), BY_TEA, PW_OK,
     THEN(OPENED(40, 30, LAST_START, 65535))},
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
