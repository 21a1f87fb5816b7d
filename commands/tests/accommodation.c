/* commands/tests/accommodation.c: more time, and what becomes of what is booked. Exams 30 and 31 take 90 minutes and keep 15 free
 * afterwards. Ann sits exam 30 at noon, in slot 40. */
#include "commands/tests/world.h"

#define GRANT(id, student, factor, fixed, breaks, ...)                                             \
    {                                                                                              \
        .type = PW_COMMAND_ACCOMMODATION_GRANT, .accommodation_grant = {                           \
            student,                                                                               \
            ID(id),                                                                                \
            factor,                                                                                \
            fixed,                                                                                 \
            breaks,                                                                                \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define REVISE(id, factor, fixed, breaks, ...)                                                     \
    {                                                                                              \
        .type = PW_COMMAND_ACCOMMODATION_REVISE, .accommodation_revise = {                         \
            ID(id),                                                                                \
            factor,                                                                                \
            fixed,                                                                                 \
            breaks,                                                                                \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define REVOKE(id)                                                                                 \
    {                                                                                              \
        .type = PW_COMMAND_ACCOMMODATION_REVOKE, .accommodation_revoke = { ID(id) }                \
    }
#define BY_ADA AT(ADA, ADMIN, NINE)

#define EVER 0, PW_AT_US_MAX
#define SLOT                                                                                       \
    CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), DRAFTED(31), PUBLISHED(31, 0, 1),                   \
        OPENED(40, 30, NOON, 2)
#define ANNS         RESERVED(50, ANN, 40, 30, NOON)
#define BOOKED       SLOT, ANNS
#define NARROW       BOOKED, HARD_END(40, 0, 30, NOON + MINUTES(100))
#define HALF_MORE    MORE_TIME(70, ANN, 150, 0, 0, EVER)
#define ANNS_LONGER  SITTING_CHANGED(50, 2, ANN, 40, 30, NOON, 45)
#define ANNS_MARKED  MARKED(50, 2, ANN, 40, 30, "hard-end")
#define LONGER       BOOKED, HALF_MORE, ANNS_LONGER
#define MARKED_THERE NARROW, HALF_MORE, ANNS_MARKED

/* Another exam of Ann's starts when she is free again, as things are. */
#define NEXT          (NOON + MINUTES(105))
#define AND_SITS_NEXT OPENED(41, 31, NEXT, 2), RESERVED(51, ANN, 41, 31, NEXT)
#define CROWDED       BOOKED, AND_SITS_NEXT

/* More reservations than one decision has room for; exam n has slot n + 100, a day after the one before. */
#define DAY(n) (NOON + MINUTES(1440 * (n)))
#define SITS(n, minutes)                                                                           \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_RESERVED, .stream_id = ID((n) + 50), .stream_version = 1,     \
        .reservation_reserved = {                                                                  \
            ID((n) + 100),                                                                         \
            ID(n),                                                                                 \
            ANN,                                                                                   \
            DAY(n),                                                                                \
            DAY(n) + MINUTES(minutes),                                                             \
            DAY(n) + MINUTES(15 + (minutes))                                                       \
        }                                                                                          \
    }
#define MANY(n, minutes)                                                                           \
    DRAFTED(n), PUBLISHED(n, 0, 1), OPENED((n) + 100, n, DAY(n), 1), SITS(n, minutes)
#define EIGHT(n, minutes)                                                                          \
    MANY(n, minutes), MANY((n) + 1, minutes), MANY((n) + 2, minutes), MANY((n) + 3, minutes),      \
        MANY((n) + 4, minutes), MANY((n) + 5, minutes), MANY((n) + 6, minutes),                    \
        MANY((n) + 7, minutes)
#define THIRTY_TWO_OF(minutes)                                                                     \
    CREATED, EIGHT(100, minutes), EIGHT(108, minutes), EIGHT(116, minutes), EIGHT(124, minutes)
#define THIRTY_TWO THIRTY_TWO_OF(90)

static const struct row accommodation_grant_rows[] = {
    {"to somebody who has booked nothing", GIVEN(SLOT), GRANT(70, ANN, 125, 5, 10, NINE, NOON),
     BY_ADA, PW_OK, THEN(MORE_TIME(70, ANN, 125, 5, 10, NINE, NOON))},
    {"what is booked becomes longer", GIVEN(BOOKED), GRANT(70, ANN, 150, 0, 0, EVER), BY_ADA, PW_OK,
     THEN(HALF_MORE, ANNS_LONGER)},
    {"what is held, too", GIVEN(SLOT, HELD(50, ANN, 40, 30, NOON, NINE + MINUTES(10))),
     GRANT(70, ANN, 150, 0, 0, EVER), BY_ADA, PW_OK, THEN(HALF_MORE, ANNS_LONGER)},
    {"others' do not", GIVEN(BOOKED), GRANT(70, BOB, 150, 0, 0, EVER), BY_ADA, PW_OK,
     THEN(MORE_TIME(70, BOB, 150, 0, 0, EVER))},
    {"nor what was given back", GIVEN(BOOKED, CANCELLED(50, ANN, 40, 30)),
     GRANT(70, ANN, 150, 0, 0, EVER), BY_ADA, PW_OK, THEN(HALF_MORE)},
    {"nor what has begun", GIVEN(BOOKED), GRANT(70, ANN, 150, 0, 0, EVER), AT(ADA, ADMIN, NOON),
     PW_OK, THEN(HALF_MORE)},
    {"but what begins in a moment", GIVEN(BOOKED), GRANT(70, ANN, 150, 0, 0, EVER),
     AT(ADA, ADMIN, NOON - 1), PW_OK, THEN(HALF_MORE, ANNS_LONGER)},
    {"nor what starts when it is not valid", GIVEN(BOOKED), GRANT(70, ANN, 150, 0, 0, NINE, NOON),
     BY_ADA, PW_OK, THEN(MORE_TIME(70, ANN, 150, 0, 0, NINE, NOON))},
    {"it is valid from the start on", GIVEN(BOOKED), GRANT(70, ANN, 150, 0, 0, NOON, NOON + 1),
     BY_ADA, PW_OK, THEN(MORE_TIME(70, ANN, 150, 0, 0, NOON, NOON + 1), ANNS_LONGER)},
    {"no more time is a grant", GIVEN(BOOKED), GRANT(70, ANN, 100, 0, 0, EVER), BY_ADA, PW_OK,
     THEN(MORE_TIME(70, ANN, 100, 0, 0, EVER))},
    {"who waits has no time of their own yet",
     GIVEN(CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), OPENED(40, 30, NOON, 1),
           RESERVED(51, BOB, 40, 30, NOON), JOINED(50, ANN, 40, 30)),
     GRANT(70, ANN, 150, 0, 0, EVER), BY_ADA, PW_OK, THEN(HALF_MORE)},
    {"beyond the hard end a replacement is needed", GIVEN(NARROW), GRANT(70, ANN, 150, 0, 0, EVER),
     BY_ADA, PW_OK, THEN(HALF_MORE, ANNS_MARKED)},
    {"up to it none is", GIVEN(NARROW), GRANT(70, ANN, 100, 0, 10, EVER), BY_ADA, PW_OK,
     THEN(MORE_TIME(70, ANN, 100, 0, 10, EVER), SITTING_CHANGED(50, 2, ANN, 40, 30, NOON, 10))},
    {"nobody sits in two exams at once", GIVEN(CROWDED), GRANT(70, ANN, 100, 1, 0, EVER), BY_ADA,
     PW_OK,
     THEN(MORE_TIME(70, ANN, 100, 1, 0, EVER), SITTING_CHANGED(51, 2, ANN, 41, 31, NEXT, 1),
          MARKED(50, 2, ANN, 40, 30, "calendar"))},
    {"one after the other is no clash",
     GIVEN(BOOKED, OPENED(41, 31, NOON + MINUTES(150), 2),
           RESERVED(51, ANN, 41, 31, NOON + MINUTES(150))),
     GRANT(70, ANN, 150, 0, 0, EVER), BY_ADA, PW_OK,
     THEN(HALF_MORE, SITTING_CHANGED(51, 2, ANN, 41, 31, NOON + MINUTES(150), 45), ANNS_LONGER)},
    {"never valid", GIVEN(SLOT), GRANT(70, ANN, 150, 0, 0, NOON, NOON), BY_ADA,
     PW_ERR_ACCOMMODATION_NEVER_VALID, NOTHING},
    {"the student has another one", GIVEN(SLOT, MORE_TIME(71, ANN, 150, 0, 0, NINE, NOON)),
     GRANT(70, ANN, 150, 0, 0, NOON - 1, NOON + 1), BY_ADA, PW_ERR_ACCOMMODATION_OVERLAPS, NOTHING,
     "70000000-0000-0000-0000-000000000047"},
    {"the first of several is named",
     GIVEN(SLOT, MORE_TIME(71, ANN, 150, 0, 0, NINE, NOON), MORE_TIME(72, ANN, 150, 0, 0, 0, NINE)),
     GRANT(70, ANN, 150, 0, 0, EVER), BY_ADA, PW_ERR_ACCOMMODATION_OVERLAPS, NOTHING,
     "70000000-0000-0000-0000-000000000048"},
    {"one after another", GIVEN(SLOT, MORE_TIME(71, ANN, 150, 0, 0, NINE, NOON)),
     GRANT(70, ANN, 150, 0, 0, NOON, NOON + 1), BY_ADA, PW_OK,
     THEN(MORE_TIME(70, ANN, 150, 0, 0, NOON, NOON + 1))},
    {"one before another", GIVEN(SLOT, MORE_TIME(71, ANN, 150, 0, 0, NINE, NOON)),
     GRANT(70, ANN, 150, 0, 0, NINE - 1, NINE), BY_ADA, PW_OK,
     THEN(MORE_TIME(70, ANN, 150, 0, 0, NINE - 1, NINE))},
    {"what is revoked is in nobody's way",
     GIVEN(SLOT, MORE_TIME(71, ANN, 150, 0, 0, EVER), MORE_TIME_REVOKED(71, 0, ANN)),
     GRANT(70, ANN, 150, 0, 0, EVER), BY_ADA, PW_OK, THEN(HALF_MORE)},
    {"nor is what another student has", GIVEN(SLOT, MORE_TIME(71, BOB, 150, 0, 0, EVER)),
     GRANT(70, ANN, 150, 0, 0, EVER), BY_ADA, PW_OK, THEN(HALF_MORE)},
    {"more reservations than one decision has room for", GIVEN(THIRTY_TWO),
     GRANT(70, ANN, 150, 0, 0, EVER), BY_ADA, PW_ERR_ACCOMMODATION_AFFECTS_TOO_MANY, NOTHING,
     "at most 31"},
    {"for a shorter time there is room", GIVEN(THIRTY_TWO),
     GRANT(70, ANN, 150, 0, 0, DAY(131), DAY(131) + 1), BY_ADA, PW_OK,
     THEN(MORE_TIME(70, ANN, 150, 0, 0, DAY(131), DAY(131) + 1),
          SITTING_CHANGED(181, 2, ANN, 231, 131, DAY(131), 45))},
    {"If-Match speaks of what is new", GIVEN(SLOT), GRANT(70, ANN, 150, 0, 0, EVER), BY_ADA,
     PW_ERR_VERSION_MISMATCH, NOTHING, IF_MATCH(1)},
    {"which has no version yet", GIVEN(SLOT), GRANT(70, ANN, 150, 0, 0, EVER), BY_ADA, PW_OK,
     THEN(HALF_MORE), IF_MATCH(0)},
};
ROWS_OF(accommodation_grant);

static const struct row accommodation_revise_rows[] = {
    {"the whole of it", GIVEN(SLOT, HALF_MORE), REVISE(70, 125, 5, 10, NINE, NOON), BY_ADA, PW_OK,
     THEN(MORE_TIME_REVISED(70, 2, ANN, 125, 5, 10, NINE, NOON))},
    {"what is booked follows", GIVEN(LONGER), REVISE(70, 200, 0, 0, EVER), BY_ADA, PW_OK,
     THEN(MORE_TIME_REVISED(70, 2, ANN, 200, 0, 0, EVER),
          SITTING_CHANGED(50, 3, ANN, 40, 30, NOON, 90))},
    {"when it is not valid any more, too", GIVEN(LONGER), REVISE(70, 150, 0, 0, NINE, NOON), BY_ADA,
     PW_OK,
     THEN(MORE_TIME_REVISED(70, 2, ANN, 150, 0, 0, NINE, NOON),
          SITTING_CHANGED(50, 3, ANN, 40, 30, NOON, 0))},
    {"then another one counts",
     GIVEN(BOOKED, MORE_TIME(71, ANN, 100, 7, 0, NOON, NOON + 9),
           SITTING_CHANGED(50, 0, ANN, 40, 30, NOON, 7), MORE_TIME(70, ANN, 150, 0, 0, NINE, NOON)),
     REVISE(70, 200, 0, 0, NINE, NOON - 5), BY_ADA, PW_OK,
     THEN(MORE_TIME_REVISED(70, 2, ANN, 200, 0, 0, NINE, NOON - 5))},
    {"the same again changes nothing", GIVEN(LONGER), REVISE(70, 150, 0, 0, EVER), BY_ADA, PW_OK,
     NOTHING},
    {"a replacement is needed by now",
     GIVEN(NARROW, MORE_TIME(70, ANN, 100, 10, 0, EVER),
           SITTING_CHANGED(50, 0, ANN, 40, 30, NOON, 10)),
     REVISE(70, 100, 11, 0, EVER), BY_ADA, PW_OK,
     THEN(MORE_TIME_REVISED(70, 2, ANN, 100, 11, 0, EVER), MARKED(50, 3, ANN, 40, 30, "hard-end"))},
    {"it is still needed", GIVEN(MARKED_THERE), REVISE(70, 175, 0, 0, EVER), BY_ADA, PW_OK,
     THEN(MORE_TIME_REVISED(70, 2, ANN, 175, 0, 0, EVER))},
    {"it fits again", GIVEN(MARKED_THERE), REVISE(70, 100, 0, 10, EVER), BY_ADA, PW_OK,
     THEN(MORE_TIME_REVISED(70, 2, ANN, 100, 0, 10, EVER),
          SITTING_CHANGED(50, 3, ANN, 40, 30, NOON, 10))},
    {"into the very time that it has", GIVEN(MARKED_THERE), REVISE(70, 100, 0, 0, EVER), BY_ADA,
     PW_OK, THEN(MORE_TIME_REVISED(70, 2, ANN, 100, 0, 0, EVER), CLEARED(50, 3, ANN, 40, 30))},
    {"the same again, when what was in its way has gone",
     GIVEN(CROWDED, MORE_TIME(70, ANN, 100, 1, 0, EVER), MARKED(50, 0, ANN, 40, 30, "calendar"),
           CANCELLED(51, ANN, 41, 31)),
     REVISE(70, 100, 1, 0, EVER), BY_ADA, PW_OK,
     THEN(MORE_TIME_REVISED(70, 2, ANN, 100, 1, 0, EVER),
          SITTING_CHANGED(50, 3, ANN, 40, 30, NOON, 1))},
    {"for another reason than before",
     GIVEN(NARROW, AND_SITS_NEXT, MORE_TIME(70, ANN, 100, 20, 0, EVER), ANNS_MARKED,
           SITTING_CHANGED(51, 0, ANN, 41, 31, NEXT, 20)),
     REVISE(70, 100, 1, 0, EVER), BY_ADA, PW_OK,
     THEN(MORE_TIME_REVISED(70, 2, ANN, 100, 1, 0, EVER),
          SITTING_CHANGED(51, 3, ANN, 41, 31, NEXT, 1), MARKED(50, 3, ANN, 40, 30, "calendar"))},
    {"there is no such accommodation", GIVEN(SLOT), REVISE(70, 150, 0, 0, EVER), BY_ADA,
     PW_ERR_NO_SUCH_ACCOMMODATION, NOTHING},
    {"it is revoked", GIVEN(SLOT, HALF_MORE, MORE_TIME_REVOKED(70, 0, ANN)),
     REVISE(70, 150, 0, 0, EVER), BY_ADA, PW_ERR_ACCOMMODATION_OVER, NOTHING},
    {"never valid", GIVEN(SLOT, HALF_MORE), REVISE(70, 150, 0, 0, NOON, NINE), BY_ADA,
     PW_ERR_ACCOMMODATION_NEVER_VALID, NOTHING},
    {"into another one's time",
     GIVEN(SLOT, MORE_TIME(70, ANN, 150, 0, 0, NINE, NOON),
           MORE_TIME(71, ANN, 150, 0, 0, NOON, NOON + 9)),
     REVISE(70, 150, 0, 0, NINE, NOON + 1), BY_ADA, PW_ERR_ACCOMMODATION_OVERLAPS, NOTHING,
     "70000000-0000-0000-0000-000000000047"},
    {"more than one decision has room for",
     GIVEN(THIRTY_TWO, MORE_TIME(70, ANN, 150, 0, 0, NINE, NOON)), REVISE(70, 150, 0, 0, EVER),
     BY_ADA, PW_ERR_ACCOMMODATION_AFFECTS_TOO_MANY, NOTHING, "at most 31"},
    {"If-Match speaks of it", GIVEN(LONGER), REVISE(70, 200, 0, 0, EVER), BY_ADA,
     PW_ERR_VERSION_MISMATCH, NOTHING, IF_MATCH(2)},
};
ROWS_OF(accommodation_revise);

static const struct row accommodation_revoke_rows[] = {
    {"it is no more", GIVEN(SLOT, HALF_MORE), REVOKE(70), BY_ADA, PW_OK,
     THEN(MORE_TIME_REVOKED(70, 2, ANN))},
    {"what is booked is as long as for anybody", GIVEN(LONGER), REVOKE(70), BY_ADA, PW_OK,
     THEN(MORE_TIME_REVOKED(70, 2, ANN), SITTING_CHANGED(50, 3, ANN, 40, 30, NOON, 0))},
    {"what has begun is not", GIVEN(LONGER), REVOKE(70), AT(ADA, ADMIN, NOON), PW_OK,
     THEN(MORE_TIME_REVOKED(70, 2, ANN))},
    {"no replacement is needed any more", GIVEN(MARKED_THERE), REVOKE(70), BY_ADA, PW_OK,
     THEN(MORE_TIME_REVOKED(70, 2, ANN), CLEARED(50, 3, ANN, 40, 30))},
    {"once is enough", GIVEN(LONGER, MORE_TIME_REVOKED(70, 0, ANN)), REVOKE(70), BY_ADA, PW_OK,
     NOTHING},
    {"one of several",
     GIVEN(SLOT, MORE_TIME(71, ANN, 150, 0, 0, NINE, NOON),
           MORE_TIME(70, ANN, 150, 0, 0, NOON, NOON + 9), MORE_TIME(72, ANN, 150, 0, 0, 0, NINE)),
     REVOKE(70), BY_ADA, PW_OK, THEN(MORE_TIME_REVOKED(70, 2, ANN))},
    {"there is no such accommodation", GIVEN(SLOT), REVOKE(70), BY_ADA,
     PW_ERR_NO_SUCH_ACCOMMODATION, NOTHING},
    {"more than one decision has room for", GIVEN(THIRTY_TWO_OF(135), HALF_MORE), REVOKE(70),
     BY_ADA, PW_ERR_ACCOMMODATION_AFFECTS_TOO_MANY, NOTHING, "at most 31"},
    {"If-Match speaks of it", GIVEN(LONGER), REVOKE(70), BY_ADA, PW_ERR_VERSION_MISMATCH, NOTHING,
     IF_MATCH(3)},
};
ROWS_OF(accommodation_revoke);
