/* commands/tests/reservation.c: seats. Exams 30 and 31 take 90 minutes, keep 15 free afterwards,
 * and may be given back until 60 before the start. */
#include "commands/tests/world.h"

#define RESERVE(reservation, slot)                                                                 \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_RESERVE, .reservation_reserve = {                           \
            ID(slot),                                                                              \
            ID(reservation)                                                                        \
        }                                                                                          \
    }
#define CANCEL(reservation)                                                                        \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_CANCEL, .reservation_cancel = { ID(reservation) }           \
    }
#define CANCEL_BY_STAFF(reservation, reason)                                                       \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_CANCEL_BY_STAFF, .reservation_cancel_by_staff = {           \
            ID(reservation),                                                                       \
            PW_REASON_##reason                                                                     \
        }                                                                                          \
    }
#define HOLD(reservation, slot)                                                                    \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_HOLD, .reservation_hold = { ID(slot), ID(reservation) }     \
    }
#define CONFIRM_HOLD(reservation)                                                                  \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_CONFIRM_HOLD, .reservation_confirm_hold = {                 \
            ID(reservation)                                                                        \
        }                                                                                          \
    }
#define EXPIRE_HOLD(reservation)                                                                   \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_EXPIRE_HOLD, .reservation_expire_hold = { ID(reservation) } \
    }
#define BY_ANN AT(ANN, STUDENT, NINE)
#define BY_BOB AT(BOB, STUDENT, NINE)

#define EXAMS CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), DRAFTED(31), PUBLISHED(31, 0, 1)
#define SLOT  EXAMS, OPENED(40, 30, NOON, 1)

#define ANNS RESERVED(50, ANN, 40, 30, NOON)
#define BOBS RESERVED(51, BOB, 40, 30, NOON)

#define NO_POWER SLOT_CANCELLED(40, 0, 30, ENVIRONMENT_POWER)

#define ANN_HOLDS HELD(50, ANN, 40, 30, NOON, NINE + MINUTES(10))

/* Ann sits exam 30 at noon; exam 31 has a slot at that start. */
#define ANN_SITS_AND(starts) SLOT, ANNS, OPENED(41, 31, starts, 1)

/* Bob waits for Ann's seat, and is offered it. */
#define LEAD              (NOON - MINUTES(60)) /* No offer outlives it. */
#define BOB_WAITS         SLOT, ANNS, JOINED(51, BOB, 40, 30)
#define ANN_GOES          CANCELLED(50, ANN, 40, 30)
#define BOBS_OFFER(at_us) OFFERED(51, 2, BOB, 40, 30, at_us)
#define BOB_CHOOSES       BOB_WAITS, ANN_GOES, BOBS_OFFER(LEAD)

/* Slot 41 is for the same exam, in the evening. */
#define LATER    (NOON + MINUTES(600))
#define TWO      SLOT, OPENED(41, 30, LATER, 1)
#define IS_MOVED MOVED(50, 2, ANN, 41, 30, LATER, 40, NOON)
#define BOB_GOT_IT                                                                                 \
    BOB_CHOOSES, OFFER_ACCEPTED(51, 0, BOB, 40, 30), OPENED(41, 30, LATER, 1),                     \
        MOVED(51, 0, BOB, 41, 30, LATER, 40, NOON)

/* Ann has half as much time again, rounded up to 45 minutes: she sits for 135, until 14:15, and is free at 14:30. */
#define EVER            0, PW_AT_US_MAX
#define ANN_HAS_MORE    MORE_TIME(70, ANN, 150, 0, 0, EVER)
#define BOB_HAS_MORE    MORE_TIME(71, BOB, 150, 0, 0, EVER)
#define ENDS_AFTER(min) HARD_END(40, 0, 30, NOON + MINUTES(min))
#define RESERVED_FOR(reservation, version, student, slot, exam, starts, minutes)                   \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_RESERVED, .stream_id = ID(reservation),                       \
        .stream_version = version, .reservation_reserved = {                                       \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            starts,                                                                                \
            (starts) + MINUTES(minutes),                                                           \
            (starts) + MINUTES(15 + (minutes))                                                     \
        }                                                                                          \
    }
#define FOR_135 NOON + MINUTES(135), NOON + MINUTES(150)

static const struct row reservation_reserve_rows[] = {
    {"who is granted more time sits longer", GIVEN(SLOT, ANN_HAS_MORE), RESERVE(50, 40), BY_ANN,
     PW_OK, THEN(RESERVED_FOR(50, 1, ANN, 40, 30, NOON, 135))},
    {"so do others as long as before", GIVEN(SLOT, ANN_HAS_MORE), RESERVE(51, 40), BY_BOB, PW_OK,
     THEN(BOBS)},
    {"minutes of work are rounded up, and fixed ones and breaks added",
     GIVEN(SLOT, MORE_TIME(70, ANN, 101, 10, 5, EVER)), RESERVE(50, 40), BY_ANN, PW_OK,
     THEN(RESERVED_FOR(50, 1, ANN, 40, 30, NOON, 106))},
    {"valid from the start on", GIVEN(SLOT, MORE_TIME(70, ANN, 150, 0, 0, NOON, NOON + 1)),
     RESERVE(50, 40), BY_ANN, PW_OK, THEN(RESERVED_FOR(50, 1, ANN, 40, 30, NOON, 135))},
    {"not for what starts when it ends", GIVEN(SLOT, MORE_TIME(70, ANN, 150, 0, 0, NINE, NOON)),
     RESERVE(50, 40), BY_ANN, PW_OK, THEN(ANNS)},
    {"what was revoked gives nothing", GIVEN(SLOT, ANN_HAS_MORE, MORE_TIME_REVOKED(70, 0, ANN)),
     RESERVE(50, 40), BY_ANN, PW_OK, THEN(ANNS)},
    {"each by its time",
     GIVEN(SLOT, MORE_TIME(70, ANN, 200, 0, 0, 0, NOON),
           MORE_TIME(71, ANN, 100, 16, 0, NOON, PW_AT_US_MAX)),
     RESERVE(50, 40), BY_ANN, PW_OK, THEN(RESERVED_FOR(50, 1, ANN, 40, 30, NOON, 106))},
    {"up to the hard end", GIVEN(SLOT, ENDS_AFTER(135), ANN_HAS_MORE), RESERVE(50, 40), BY_ANN,
     PW_OK, THEN(RESERVED_FOR(50, 1, ANN, 40, 30, NOON, 135))},
    {"not beyond it", GIVEN(SLOT, HARD_END(40, 0, 30, NOON + MINUTES(135) - 1), ANN_HAS_MORE),
     RESERVE(50, 40), BY_ANN, PW_ERR_ACCOMMODATION_DOES_NOT_FIT, NOTHING, "hard end: 1"},
    {"that is told before that it is full", GIVEN(SLOT, BOBS, ENDS_AFTER(100), ANN_HAS_MORE),
     RESERVE(50, 40), BY_ANN, PW_ERR_ACCOMMODATION_DOES_NOT_FIT, NOTHING, "hard end: 35"},
    {"whoever has no more time is in nobody's way", GIVEN(SLOT, ENDS_AFTER(90), ANN_HAS_MORE),
     RESERVE(51, 40), BY_BOB, PW_OK, THEN(BOBS)},
    {"the longer sitting clashes",
     GIVEN(SLOT, OPENED(41, 31, NOON + MINUTES(105), 1), ANN_HAS_MORE,
           RESERVED_FOR(50, 1, ANN, 40, 30, NOON, 135)),
     RESERVE(52, 41), BY_ANN, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"until she is free again",
     GIVEN(SLOT, OPENED(41, 31, NOON + MINUTES(150), 1), ANN_HAS_MORE,
           RESERVED_FOR(50, 1, ANN, 40, 30, NOON, 135)),
     RESERVE(52, 41), BY_ANN, PW_OK,
     THEN(RESERVED_FOR(52, 1, ANN, 41, 31, NOON + MINUTES(150), 135))},
    {"it would run into the next",
     GIVEN(SLOT, OPENED(41, 31, NOON + MINUTES(149), 1),
           RESERVED(52, ANN, 41, 31, NOON + MINUTES(149)), ANN_HAS_MORE),
     RESERVE(50, 40), BY_ANN, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"a free seat is given", GIVEN(SLOT), RESERVE(50, 40), BY_ANN, PW_OK, THEN(ANNS)},
    {"there is no such slot", GIVEN(EXAMS), RESERVE(50, 40), BY_ANN, PW_ERR_NO_SUCH_SLOT, NOTHING},
    {"until the very start", GIVEN(SLOT), RESERVE(50, 40), AT(ANN, STUDENT, NOON - 1), PW_OK,
     THEN(ANNS)},
    {"not at the start", GIVEN(SLOT), RESERVE(50, 40), AT(ANN, STUDENT, NOON), PW_ERR_SLOT_STARTED,
     NOTHING},
    {"who has a seat asks again", GIVEN(SLOT, ANNS), RESERVE(52, 40), BY_ANN, PW_ERR_ALREADY_BOOKED,
     NOTHING, "70000000-0000-0000-0000-000000000032"},
    {"one seat an exam", GIVEN(SLOT, ANNS, OPENED(41, 30, NOON + MINUTES(600), 1)), RESERVE(52, 41),
     BY_ANN, PW_ERR_EXAM_ALREADY_BOOKED, NOTHING, "70000000-0000-0000-0000-000000000032"},
    {"a full slot says so", GIVEN(SLOT, ANNS), RESERVE(51, 40), BY_BOB, PW_ERR_SLOT_FULL, NOTHING,
     "1 of 1 taken"},
    {"a seat that was given back is free", GIVEN(SLOT, ANNS, CANCELLED(50, ANN, 40, 30)),
     RESERVE(51, 40), BY_BOB, PW_OK, THEN(BOBS)},
    {"so is one that staff took", GIVEN(SLOT, ANNS, CANCELLED_BY_STAFF(50, 2, ANN, 40, 30, OTHER)),
     RESERVE(51, 40), BY_BOB, PW_OK, THEN(BOBS)},
    {"who gave it back may have another",
     GIVEN(SLOT, RESERVED(52, ANN, 40, 30, NOON), CANCELLED(52, ANN, 40, 30)), RESERVE(50, 40),
     BY_ANN, PW_OK, THEN(ANNS)},
    {"a seat that was added is free", GIVEN(SLOT, ANNS, CAPACITY(40, 0, 2)), RESERVE(51, 40),
     BY_BOB, PW_OK, THEN(BOBS)},
    {"two exams at one time", GIVEN(ANN_SITS_AND(NOON)), RESERVE(52, 41), BY_ANN,
     PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"inside the other's buffer", GIVEN(ANN_SITS_AND(NOON + MINUTES(105) - 1)), RESERVE(52, 41),
     BY_ANN, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"when the other's buffer ends", GIVEN(ANN_SITS_AND(NOON + MINUTES(105))), RESERVE(52, 41),
     BY_ANN, PW_OK, THEN(RESERVED(52, ANN, 41, 31, NOON + MINUTES(105)))},
    {"its own buffer reaches into the other", GIVEN(ANN_SITS_AND(NOON - MINUTES(105) + 1)),
     RESERVE(52, 41), BY_ANN, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"its own buffer ends as the other starts", GIVEN(ANN_SITS_AND(NOON - MINUTES(105))),
     RESERVE(52, 41), BY_ANN, PW_OK, THEN(RESERVED(52, ANN, 41, 31, NOON - MINUTES(105)))},
    {"what was given back is in nobody's way",
     GIVEN(ANN_SITS_AND(NOON), CANCELLED(50, ANN, 40, 30)), RESERVE(52, 41), BY_ANN, PW_OK,
     THEN(RESERVED(52, ANN, 41, 31, NOON))},
    {"another's calendar is not mine", GIVEN(ANN_SITS_AND(NOON)), RESERVE(52, 41), BY_BOB, PW_OK,
     THEN(RESERVED(52, BOB, 41, 31, NOON))},
    {"a closed slot gives no seat", GIVEN(SLOT, SLOT_CLOSED(40, 0, 30)), RESERVE(50, 40), BY_ANN,
     PW_ERR_SLOT_CLOSED, NOTHING},
    {"nor does one that is cancelled, and says why", GIVEN(SLOT, NO_POWER), RESERVE(50, 40), BY_ANN,
     PW_ERR_SLOT_CANCELLED, NOTHING, "environment.power"},
    {"who came may sit the exam again", GIVEN(TWO, ANNS, CAME(50, 2, ANN, 40, 30)), RESERVE(52, 41),
     BY_ANN, PW_OK, THEN(RESERVED(52, ANN, 41, 30, LATER))},
    {"not at the same time", GIVEN(ANN_SITS_AND(NOON), CAME(50, 2, ANN, 40, 30)), RESERVE(52, 41),
     BY_ANN, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"nor does who stayed away", GIVEN(ANN_SITS_AND(NOON), STAYED_AWAY(50, 2, ANN, 40, 30, OTHER)),
     RESERVE(52, 41), BY_ANN, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"nor in the same slot", GIVEN(EXAMS, OPENED(40, 30, NOON, 3), ANNS, CAME(50, 2, ANN, 40, 30)),
     RESERVE(52, 40), BY_ANN, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"a seat that was sat is taken", GIVEN(SLOT, ANNS, STAYED_AWAY(50, 2, ANN, 40, 30, OTHER)),
     RESERVE(51, 40), BY_BOB, PW_ERR_SLOT_FULL, NOTHING},
    {"nor one whose exam is withdrawn", GIVEN(SLOT, WITHDRAWN(30, 3, STAFF_ABSENT, NINE)),
     RESERVE(50, 40), BY_ANN, PW_ERR_SLOT_CANCELLED, NOTHING, "staff.absent"},
    {"begun goes before closed", GIVEN(SLOT, SLOT_CLOSED(40, 0, 30)), RESERVE(50, 40),
     AT(ANN, STUDENT, NOON), PW_ERR_SLOT_STARTED, NOTHING},
    {"cancelled goes before begun", GIVEN(SLOT, NO_POWER), RESERVE(50, 40), AT(ANN, STUDENT, NOON),
     PW_ERR_SLOT_CANCELLED, NOTHING},
    {"a seat that went with its slot is in nobody's way",
     GIVEN(ANN_SITS_AND(NOON), NO_POWER,
           CANCELLED_WITH_SLOT(50, 2, ANN, 40, 30, ENVIRONMENT_POWER)),
     RESERVE(52, 41), BY_ANN, PW_OK, THEN(RESERVED(52, ANN, 41, 31, NOON))},
    {"begun goes before booked", GIVEN(SLOT, ANNS), RESERVE(52, 40), AT(ANN, STUDENT, NOON),
     PW_ERR_SLOT_STARTED, NOTHING},
    {"booked goes before full", GIVEN(SLOT, ANNS), RESERVE(52, 40), BY_ANN, PW_ERR_ALREADY_BOOKED,
     NOTHING},
    {"the exam goes before full and conflict",
     GIVEN(SLOT, ANNS, OPENED(41, 30, NOON, 1), RESERVED(51, BOB, 41, 30, NOON)), RESERVE(52, 41),
     BY_ANN, PW_ERR_EXAM_ALREADY_BOOKED, NOTHING},
    {"full goes before conflict", GIVEN(ANN_SITS_AND(NOON), RESERVED(51, BOB, 41, 31, NOON)),
     RESERVE(52, 41), BY_ANN, PW_ERR_SLOT_FULL, NOTHING},
    {"a held seat is taken", GIVEN(SLOT, ANN_HOLDS), RESERVE(51, 40), BY_BOB, PW_ERR_SLOT_FULL,
     NOTHING, "1 of 1 taken"},
    {"who holds one has one", GIVEN(SLOT, ANN_HOLDS), RESERVE(52, 40), BY_ANN,
     PW_ERR_ALREADY_BOOKED, NOTHING},
    {"others wait for it", GIVEN(SLOT, ANNS, JOINED(51, BOB, 40, 30)), RESERVE(52, 40),
     AT(TOM, STUDENT, NINE), PW_ERR_SLOT_AWAITED, NOTHING, "1 of 1 taken"},
    {"be a seat free", GIVEN(SLOT, ANNS, JOINED(51, BOB, 40, 30), CANCELLED(50, ANN, 40, 30)),
     RESERVE(52, 40), AT(TOM, STUDENT, NINE), PW_ERR_SLOT_AWAITED, NOTHING},
    {"nobody is offered it any more",
     GIVEN(SLOT, ANNS, JOINED(51, BOB, 40, 30), CANCELLED(50, ANN, 40, 30),
           WAITLIST_CLOSED(40, 0, 30)),
     RESERVE(52, 40), AT(TOM, STUDENT, NINE), PW_OK, THEN(RESERVED(52, TOM, 40, 30, NOON))},
    {"an offered seat is taken, and in nobody's calendar",
     GIVEN(SLOT, ANNS, JOINED(51, BOB, 40, 30), CANCELLED(50, ANN, 40, 30),
           OFFERED(51, 2, BOB, 40, 30, NOON), OPENED(41, 31, NOON, 1)),
     RESERVE(52, 41), BY_BOB, PW_OK, THEN(RESERVED(52, BOB, 41, 31, NOON))},
    {"what is held is in the calendar", GIVEN(SLOT, ANN_HOLDS, OPENED(41, 31, NOON, 1)),
     RESERVE(52, 41), BY_ANN, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"a hold that ran out is in nobody's way",
     GIVEN(SLOT, ANN_HOLDS, HOLD_EXPIRED(50, ANN, 40, 30)), RESERVE(51, 40), BY_BOB, PW_OK,
     THEN(BOBS)},
    {"the seat that was left is free", GIVEN(TWO, ANNS, IS_MOVED), RESERVE(51, 40), BY_BOB, PW_OK,
     THEN(BOBS)},
    {"the one that was taken is not", GIVEN(TWO, ANNS, IS_MOVED), RESERVE(51, 41), BY_BOB,
     PW_ERR_SLOT_FULL, NOTHING, "1 of 1 taken"},
    {"the time that was left is free", GIVEN(TWO, ANNS, IS_MOVED, OPENED(42, 31, NOON, 1)),
     RESERVE(53, 42), BY_ANN, PW_OK, THEN(RESERVED(53, ANN, 42, 31, NOON))},
    {"the new one is not", GIVEN(TWO, ANNS, IS_MOVED, OPENED(42, 31, LATER, 1)), RESERVE(53, 42),
     BY_ANN, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"but may book what is free", GIVEN(BOB_GOT_IT, CANCELLED(51, BOB, 41, 30)), RESERVE(55, 40),
     BY_BOB, PW_OK, THEN(RESERVED(55, BOB, 40, 30, NOON))},
    {"If-Match speaks of the slot", GIVEN(SLOT, CAPACITY(40, 0, 2)), RESERVE(50, 40), BY_ANN, PW_OK,
     THEN(ANNS), IF_MATCH(2)},
    {"the slot has changed", GIVEN(SLOT, CAPACITY(40, 0, 2)), RESERVE(50, 40), BY_ANN,
     PW_ERR_VERSION_MISMATCH, NOTHING, "version 2", IF_MATCH(1)},
    {"changed goes before full", GIVEN(SLOT, ANNS), RESERVE(51, 40), BY_BOB,
     PW_ERR_VERSION_MISMATCH, NOTHING, IF_MATCH(2)},
};
ROWS_OF(reservation_reserve);

static const struct row reservation_hold_rows[] = {
    {"who is granted more time holds a longer sitting", GIVEN(SLOT, ANN_HAS_MORE), HOLD(50, 40),
     BY_ANN, PW_OK,
     THEN({.type = PW_EVENT_RESERVATION_HELD,
           .stream_id = ID(50),
           .stream_version = 1,
           .reservation_held = {ID(40), ID(30), ANN, NOON, FOR_135, NINE + MINUTES(10)}})},
    {"it does not fit", GIVEN(SLOT, ENDS_AFTER(134), ANN_HAS_MORE), HOLD(50, 40), BY_ANN,
     PW_ERR_ACCOMMODATION_DOES_NOT_FIT, NOTHING, "hard end: 1"},
    {"a free seat is held for ten minutes", GIVEN(SLOT), HOLD(50, 40), BY_ANN, PW_OK,
     THEN(ANN_HOLDS)},
    {"for as long as the tenant says", GIVEN(SLOT, RULES_SET(2, 30)), HOLD(50, 40), BY_ANN, PW_OK,
     THEN(HELD(50, ANN, 40, 30, NOON, NINE + MINUTES(30)))},
    {"not beyond the start", GIVEN(SLOT), HOLD(50, 40), AT(ANN, STUDENT, NOON - MINUTES(10) + 1),
     PW_OK, THEN(HELD(50, ANN, 40, 30, NOON, NOON))},
    {"there is no such slot", GIVEN(EXAMS), HOLD(50, 40), BY_ANN, PW_ERR_NO_SUCH_SLOT, NOTHING},
    {"not at the start", GIVEN(SLOT), HOLD(50, 40), AT(ANN, STUDENT, NOON), PW_ERR_SLOT_STARTED,
     NOTHING},
    {"who has a seat", GIVEN(SLOT, ANNS), HOLD(52, 40), BY_ANN, PW_ERR_ALREADY_BOOKED, NOTHING,
     "70000000-0000-0000-0000-000000000032"},
    {"who holds one", GIVEN(SLOT, ANN_HOLDS), HOLD(52, 40), BY_ANN, PW_ERR_ALREADY_BOOKED, NOTHING,
     "70000000-0000-0000-0000-000000000032"},
    {"one seat an exam", GIVEN(SLOT, ANN_HOLDS, OPENED(41, 30, NOON + MINUTES(600), 1)),
     HOLD(52, 41), BY_ANN, PW_ERR_EXAM_ALREADY_BOOKED, NOTHING,
     "70000000-0000-0000-0000-000000000032"},
    {"a full slot says so", GIVEN(SLOT, ANNS), HOLD(51, 40), BY_BOB, PW_ERR_SLOT_FULL, NOTHING},
    {"others wait for it", GIVEN(SLOT, ANNS, JOINED(51, BOB, 40, 30)), HOLD(52, 40),
     AT(TOM, STUDENT, NINE), PW_ERR_SLOT_AWAITED, NOTHING},
    {"two exams at one time", GIVEN(ANN_SITS_AND(NOON)), HOLD(52, 41), BY_ANN,
     PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"If-Match speaks of the slot", GIVEN(SLOT), HOLD(50, 40), BY_ANN, PW_ERR_VERSION_MISMATCH,
     NOTHING, IF_MATCH(2)},
    {"a closed slot gives no seat", GIVEN(SLOT, SLOT_CLOSED(40, 0, 30)), HOLD(50, 40), BY_ANN,
     PW_ERR_SLOT_CLOSED, NOTHING},
    {"nor does one that is cancelled", GIVEN(SLOT, NO_POWER), HOLD(50, 40), BY_ANN,
     PW_ERR_SLOT_CANCELLED, NOTHING, "environment.power"},
};
ROWS_OF(reservation_hold);

static const struct row reservation_confirm_hold_rows[] = {
    {"a held seat is booked", GIVEN(SLOT, ANN_HOLDS), CONFIRM_HOLD(50), BY_ANN, PW_OK,
     THEN(HOLD_CONFIRMED(50, ANN, 40, 30))},
    {"once is enough", GIVEN(SLOT, ANN_HOLDS, HOLD_CONFIRMED(50, ANN, 40, 30)), CONFIRM_HOLD(50),
     BY_ANN, PW_OK, NOTHING},
    {"what was booked at once is booked", GIVEN(SLOT, ANNS), CONFIRM_HOLD(50), BY_ANN, PW_OK,
     NOTHING},
    {"there is no such reservation", GIVEN(SLOT), CONFIRM_HOLD(50), BY_ANN,
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
    {"another student's does not exist", GIVEN(SLOT, ANN_HOLDS), CONFIRM_HOLD(50), BY_BOB,
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
    {"it ran out", GIVEN(SLOT, ANN_HOLDS, HOLD_EXPIRED(50, ANN, 40, 30)), CONFIRM_HOLD(50), BY_ANN,
     PW_ERR_RESERVATION_NOT_LIVE, NOTHING, "ran out"},
    {"it was given back", GIVEN(SLOT, ANN_HOLDS, CANCELLED(50, ANN, 40, 30)), CONFIRM_HOLD(50),
     BY_ANN, PW_ERR_RESERVATION_NOT_LIVE, NOTHING, "cancelled"},
    {"what is held in a closed slot was promised", GIVEN(SLOT, ANN_HOLDS, SLOT_CLOSED(40, 0, 30)),
     CONFIRM_HOLD(50), BY_ANN, PW_OK, THEN(HOLD_CONFIRMED(50, ANN, 40, 30))},
};
ROWS_OF(reservation_confirm_hold);

#define THE_SYSTEM(at_us) AT(OPS, SYSTEM, at_us)

static const struct row reservation_expire_hold_rows[] = {
    {"when its time has come", GIVEN(SLOT, ANN_HOLDS), EXPIRE_HOLD(50),
     THE_SYSTEM(NINE + MINUTES(10)), PW_OK, THEN(HOLD_EXPIRED(50, ANN, 40, 30))},
    {"not a moment before", GIVEN(SLOT, ANN_HOLDS), EXPIRE_HOLD(50),
     THE_SYSTEM(NINE + MINUTES(10) - 1), PW_OK, NOTHING},
    {"however much later", GIVEN(SLOT, ANN_HOLDS), EXPIRE_HOLD(50), THE_SYSTEM(NOON + MINUTES(600)),
     PW_OK, THEN(HOLD_EXPIRED(50, ANN, 40, 30))},
    {"only once", GIVEN(SLOT, ANN_HOLDS, HOLD_EXPIRED(50, ANN, 40, 30)), EXPIRE_HOLD(50),
     THE_SYSTEM(NOON), PW_OK, NOTHING},
    {"what was confirmed stays", GIVEN(SLOT, ANN_HOLDS, HOLD_CONFIRMED(50, ANN, 40, 30)),
     EXPIRE_HOLD(50), THE_SYSTEM(NOON), PW_OK, NOTHING},
    {"what was given back is gone", GIVEN(SLOT, ANN_HOLDS, CANCELLED(50, ANN, 40, 30)),
     EXPIRE_HOLD(50), THE_SYSTEM(NOON), PW_OK, NOTHING},
    {"there is no such reservation", GIVEN(SLOT), EXPIRE_HOLD(50), THE_SYSTEM(NOON),
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
};
ROWS_OF(reservation_expire_hold);

static const struct row reservation_cancel_rows[] = {
    {"a seat is given back", GIVEN(SLOT, ANNS), CANCEL(50), BY_ANN, PW_OK,
     THEN(CANCELLED(50, ANN, 40, 30))},
    {"there is no such reservation", GIVEN(SLOT), CANCEL(50), BY_ANN, PW_ERR_NO_SUCH_RESERVATION,
     NOTHING},
    {"another student's does not exist", GIVEN(SLOT, ANNS), CANCEL(50), BY_BOB,
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
    {"only once", GIVEN(SLOT, ANNS, CANCELLED(50, ANN, 40, 30)), CANCEL(50), BY_ANN,
     PW_ERR_RESERVATION_NOT_LIVE, NOTHING},
    {"until the lead time, inclusive", GIVEN(SLOT, ANNS), CANCEL(50),
     AT(ANN, STUDENT, NOON - MINUTES(60)), PW_OK, THEN(CANCELLED(50, ANN, 40, 30))},
    {"not a moment later", GIVEN(SLOT, ANNS), CANCEL(50), AT(ANN, STUDENT, NOON - MINUTES(60) + 1),
     PW_ERR_CANCEL_TOO_LATE, NOTHING, "60 minutes"},
    {"gone goes before late", GIVEN(SLOT, ANNS, CANCELLED(50, ANN, 40, 30)), CANCEL(50),
     AT(ANN, STUDENT, NOON), PW_ERR_RESERVATION_NOT_LIVE, NOTHING},
    {"a held seat at any time", GIVEN(SLOT, HELD(50, ANN, 40, 30, NOON, NOON)), CANCEL(50),
     AT(ANN, STUDENT, NOON - 1), PW_OK, THEN(CANCELLED(50, ANN, 40, 30))},
    {"a confirmed hold by the lead time", GIVEN(SLOT, ANN_HOLDS, HOLD_CONFIRMED(50, ANN, 40, 30)),
     CANCEL(50), AT(ANN, STUDENT, NOON - MINUTES(60) + 1), PW_ERR_CANCEL_TOO_LATE, NOTHING},
    {"a hold that ran out", GIVEN(SLOT, ANN_HOLDS, HOLD_EXPIRED(50, ANN, 40, 30)), CANCEL(50),
     BY_ANN, PW_ERR_RESERVATION_NOT_LIVE, NOTHING, "ran out"},
    {"as it was read", GIVEN(SLOT, ANNS), CANCEL(50), BY_ANN, PW_OK,
     THEN(CANCELLED(50, ANN, 40, 30)), IF_MATCH(1)},
    {"changed since it was read", GIVEN(SLOT, ANNS, CANCELLED(50, ANN, 40, 30)), CANCEL(50), BY_ANN,
     PW_ERR_VERSION_MISMATCH, NOTHING, "version 2", IF_MATCH(1)},
};
ROWS_OF(reservation_cancel);

/* --- Waiting, and being offered a seat: Ann has the one seat of slot 40, Bob waits for it. --- */

#define ONE_OF(UPPER, lower, reservation)                                                          \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_##UPPER, .reservation_##lower = { ID(reservation) }         \
    }
#define JOIN(reservation, slot)                                                                    \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_JOIN_WAITLIST, .reservation_join_waitlist = {               \
            ID(slot),                                                                              \
            ID(reservation)                                                                        \
        }                                                                                          \
    }
#define LEAVE(reservation)   ONE_OF(LEAVE_WAITLIST, leave_waitlist, reservation)
#define OFFER(reservation)   ONE_OF(OFFER, offer, reservation)
#define ACCEPT(reservation)  ONE_OF(ACCEPT_OFFER, accept_offer, reservation)
#define DECLINE(reservation) ONE_OF(DECLINE_OFFER, decline_offer, reservation)
#define LAPSE(reservation)   ONE_OF(EXPIRE_OFFER, expire_offer, reservation)
#define PRIORITISE(reservation, priority_)                                                         \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_PRIORITISE, .reservation_prioritise = {                     \
            ID(reservation),                                                                       \
            priority_                                                                              \
        }                                                                                          \
    }
#define BY_TOM AT(TOM, STUDENT, NINE)

static const struct row reservation_join_waitlist_rows[] = {
    {"for a sitting that fits", GIVEN(SLOT, ANNS, ENDS_AFTER(135), BOB_HAS_MORE), JOIN(51, 40),
     BY_BOB, PW_OK, THEN(JOINED(51, BOB, 40, 30))},
    {"not for one that never will", GIVEN(SLOT, ANNS, ENDS_AFTER(134), BOB_HAS_MORE), JOIN(51, 40),
     BY_BOB, PW_ERR_ACCOMMODATION_DOES_NOT_FIT, NOTHING},
    {"one waits for a full slot", GIVEN(SLOT, ANNS), JOIN(51, 40), BY_BOB, PW_OK,
     THEN(JOINED(51, BOB, 40, 30))},
    {"behind others", GIVEN(BOB_WAITS), JOIN(52, 40), BY_TOM, PW_OK, THEN(JOINED(52, TOM, 40, 30))},
    {"behind others, be a seat free", GIVEN(BOB_WAITS, ANN_GOES), JOIN(52, 40), BY_TOM, PW_OK,
     THEN(JOINED(52, TOM, 40, 30))},
    {"there is nothing to wait for", GIVEN(SLOT), JOIN(51, 40), BY_BOB, PW_ERR_SEATS_ARE_FREE,
     NOTHING, "0 of 1"},
    {"there is no such slot", GIVEN(EXAMS), JOIN(51, 40), BY_BOB, PW_ERR_NO_SUCH_SLOT, NOTHING},
    {"until the lead time", GIVEN(SLOT, ANNS), JOIN(51, 40), AT(BOB, STUDENT, LEAD - 1), PW_OK,
     THEN(JOINED(51, BOB, 40, 30))},
    {"exclusive", GIVEN(SLOT, ANNS), JOIN(51, 40), AT(BOB, STUDENT, LEAD), PW_ERR_WAITLIST_CLOSED,
     NOTHING, "60 minutes"},
    {"the list is closed", GIVEN(BOB_WAITS, WAITLIST_CLOSED(40, 0, 30)), JOIN(52, 40), BY_TOM,
     PW_ERR_WAITLIST_CLOSED, NOTHING},
    {"who has a seat waits for none", GIVEN(SLOT, ANNS), JOIN(51, 40), BY_ANN,
     PW_ERR_ALREADY_BOOKED, NOTHING},
    {"who waits waits", GIVEN(BOB_WAITS), JOIN(52, 40), BY_BOB, PW_ERR_ALREADY_BOOKED, NOTHING,
     "70000000-0000-0000-0000-000000000033"},
    {"who left may wait again, as the last", GIVEN(BOB_WAITS, LEFT(51, 0, BOB, 40, 30)),
     JOIN(52, 40), BY_BOB, PW_OK, THEN(JOINED(52, BOB, 40, 30))},
    {"who declined too",
     GIVEN(BOB_CHOOSES, JOINED(52, TOM, 40, 30), OFFER_DECLINED(51, 0, BOB, 40, 30)), JOIN(53, 40),
     BY_BOB, PW_OK, THEN(JOINED(53, BOB, 40, 30))},
    {"who gave an offered seat back is not entitled again",
     GIVEN(BOB_CHOOSES, OFFER_ACCEPTED(51, 0, BOB, 40, 30), CANCELLED(51, BOB, 40, 30),
           RESERVED(54, ANN, 40, 30, NOON)),
     JOIN(53, 40), BY_BOB, PW_ERR_NOT_ENTITLED, NOTHING},
    {"whom staff took it from is",
     GIVEN(BOB_CHOOSES, OFFER_ACCEPTED(51, 0, BOB, 40, 30),
           CANCELLED_BY_STAFF(51, 0, BOB, 40, 30, OTHER), RESERVED(54, ANN, 40, 30, NOON)),
     JOIN(53, 40), BY_BOB, PW_OK, THEN(JOINED(53, BOB, 40, 30))},
    {"who came by an offer has not given it back",
     GIVEN(BOB_CHOOSES, OFFER_ACCEPTED(51, 0, BOB, 40, 30), CAME(51, 0, BOB, 40, 30)), JOIN(53, 40),
     BY_BOB, PW_OK, THEN(JOINED(53, BOB, 40, 30))},
    {"unless they had left it before",
     GIVEN(BOB_GOT_IT, RESERVED(54, TOM, 40, 30, NOON),
           CANCELLED_BY_STAFF(51, 0, BOB, 41, 30, OTHER)),
     JOIN(55, 40), BY_BOB, PW_ERR_NOT_ENTITLED, NOTHING},
    {"who leaves an offered seat has had their turn",
     GIVEN(BOB_GOT_IT, RESERVED(54, TOM, 40, 30, NOON)), JOIN(55, 40), BY_BOB, PW_ERR_NOT_ENTITLED,
     NOTHING},
    {"once it is cancelled, too",
     GIVEN(BOB_GOT_IT, RESERVED(54, TOM, 40, 30, NOON), CANCELLED(51, BOB, 41, 30)), JOIN(55, 40),
     BY_BOB, PW_ERR_NOT_ENTITLED, NOTHING},
    {"who left a seat that they booked waits like anybody", GIVEN(TWO, ANNS, IS_MOVED, BOBS),
     JOIN(55, 40), BY_ANN, PW_OK, THEN(JOINED(55, ANN, 40, 30))},
    {"whoever else waits elsewhere",
     GIVEN(BOB_WAITS, OPENED(41, 31, NOON, 1), RESERVED(54, TOM, 41, 31, NOON)), JOIN(53, 41),
     BY_BOB, PW_OK, THEN(JOINED(53, BOB, 41, 31))},
    {"a closed slot has nothing to wait for", GIVEN(SLOT, ANNS, SLOT_CLOSED(40, 0, 30)),
     JOIN(51, 40), BY_BOB, PW_ERR_SLOT_CLOSED, NOTHING},
    {"nor has one that is cancelled", GIVEN(SLOT, ANNS, NO_POWER), JOIN(51, 40), BY_BOB,
     PW_ERR_SLOT_CANCELLED, NOTHING, "environment.power"},
};
ROWS_OF(reservation_join_waitlist);

static const struct row reservation_leave_waitlist_rows[] = {
    {"one waits no more", GIVEN(BOB_WAITS), LEAVE(51), BY_BOB, PW_OK,
     THEN(LEFT(51, 2, BOB, 40, 30))},
    {"once is enough", GIVEN(BOB_WAITS, LEFT(51, 0, BOB, 40, 30)), LEAVE(51), BY_BOB, PW_OK,
     NOTHING},
    {"there is no such reservation", GIVEN(SLOT), LEAVE(51), BY_BOB, PW_ERR_NO_SUCH_RESERVATION,
     NOTHING},
    {"another's does not exist", GIVEN(BOB_WAITS), LEAVE(51), BY_ANN, PW_ERR_NO_SUCH_RESERVATION,
     NOTHING},
    {"who was offered a seat declines", GIVEN(BOB_CHOOSES), LEAVE(51), BY_BOB, PW_ERR_NOT_WAITING,
     NOTHING, "it is offered"},
    {"who has a seat cancels", GIVEN(SLOT, ANNS), LEAVE(50), BY_ANN, PW_ERR_NOT_WAITING, NOTHING,
     "it is booked"},
};
ROWS_OF(reservation_leave_waitlist);

static const struct row reservation_prioritise_rows[] = {
    {"a place before others", GIVEN(BOB_WAITS), PRIORITISE(51, 5), AT(ADA, ADMIN, NINE), PW_OK,
     THEN(PRIORITISED(51, 2, BOB, 40, 30, 5))},
    {"the same again", GIVEN(BOB_WAITS, PRIORITISED(51, 0, BOB, 40, 30, 5)), PRIORITISE(51, 5),
     AT(ADA, ADMIN, NINE), PW_OK, NOTHING},
    {"back to none", GIVEN(BOB_WAITS, PRIORITISED(51, 0, BOB, 40, 30, 5)), PRIORITISE(51, 0),
     AT(ADA, ADMIN, NINE), PW_OK, THEN(PRIORITISED(51, 3, BOB, 40, 30, 0))},
    {"who waits no more", GIVEN(BOB_WAITS, LEFT(51, 0, BOB, 40, 30)), PRIORITISE(51, 5),
     AT(ADA, ADMIN, NINE), PW_ERR_NOT_WAITING, NOTHING, "left"},
    {"there is no such reservation", GIVEN(SLOT), PRIORITISE(51, 5), AT(ADA, ADMIN, NINE),
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
};
ROWS_OF(reservation_prioritise);

static const struct row reservation_offer_rows[] = {
    {"a free seat, until the lead time at most", GIVEN(BOB_WAITS, ANN_GOES), OFFER(51),
     THE_SYSTEM(NINE), PW_OK, THEN(BOBS_OFFER(LEAD))},
    {"for as long as the tenant says",
     GIVEN(BOB_WAITS, ANN_GOES,
           {.type = PW_EVENT_TENANT_RULES_SET,
            .stream_id = OUR_TENANT,
            .tenant_rules_set = {10, 30}}),
     OFFER(51), THE_SYSTEM(NINE), PW_OK, THEN(BOBS_OFFER(NINE + MINUTES(30)))},
    {"a seat that was added", GIVEN(BOB_WAITS, CAPACITY(40, 0, 2)), OFFER(51), THE_SYSTEM(NINE),
     PW_OK, THEN(BOBS_OFFER(LEAD))},
    {"no seat is free", GIVEN(BOB_WAITS), OFFER(51), THE_SYSTEM(NINE), PW_OK, NOTHING},
    {"not once the lead time has begun", GIVEN(BOB_WAITS, ANN_GOES), OFFER(51), THE_SYSTEM(LEAD),
     PW_OK, NOTHING},
    {"not to who came later", GIVEN(BOB_WAITS, JOINED(52, TOM, 40, 30), ANN_GOES), OFFER(52),
     THE_SYSTEM(NINE), PW_OK, NOTHING},
    {"but to who has priority",
     GIVEN(BOB_WAITS, JOINED(52, TOM, 40, 30), PRIORITISED(52, 0, TOM, 40, 30, 1), ANN_GOES),
     OFFER(52), THE_SYSTEM(NINE), PW_OK, THEN(OFFERED(52, 3, TOM, 40, 30, LEAD))},
    {"one seat is offered once", GIVEN(BOB_CHOOSES, JOINED(52, TOM, 40, 30)), OFFER(52),
     THE_SYSTEM(NINE), PW_OK, NOTHING},
    {"to the next when it was declined",
     GIVEN(BOB_CHOOSES, JOINED(52, TOM, 40, 30), OFFER_DECLINED(51, 0, BOB, 40, 30)), OFFER(52),
     THE_SYSTEM(NINE), PW_OK, THEN(OFFERED(52, 2, TOM, 40, 30, LEAD))},
    {"who left is offered nothing", GIVEN(BOB_WAITS, LEFT(51, 0, BOB, 40, 30), ANN_GOES), OFFER(51),
     THE_SYSTEM(NINE), PW_OK, NOTHING},
    {"nobody is once the list is closed", GIVEN(BOB_WAITS, ANN_GOES, WAITLIST_CLOSED(40, 0, 30)),
     OFFER(51), THE_SYSTEM(NINE), PW_OK, NOTHING},
    {"there is no such reservation", GIVEN(SLOT), OFFER(51), THE_SYSTEM(NINE),
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
    {"not of a closed slot", GIVEN(BOB_WAITS, ANN_GOES, SLOT_CLOSED(40, 0, 30)), OFFER(51),
     AT(OPS, SYSTEM, NINE), PW_OK, NOTHING},
};
ROWS_OF(reservation_offer);

static const struct row reservation_accept_offer_rows[] = {
    {"with the time that is granted by then", GIVEN(BOB_CHOOSES, BOB_HAS_MORE), ACCEPT(51), BY_BOB,
     PW_OK,
     THEN(OFFER_ACCEPTED(51, 3, BOB, 40, 30), SITTING_CHANGED(51, 4, BOB, 40, 30, NOON, 45))},
    {"which does not fit", GIVEN(BOB_CHOOSES, ENDS_AFTER(134), BOB_HAS_MORE), ACCEPT(51), BY_BOB,
     PW_ERR_ACCOMMODATION_DOES_NOT_FIT, NOTHING, "hard end: 1"},
    {"or runs into another exam",
     GIVEN(BOB_CHOOSES, OPENED(41, 31, NOON + MINUTES(149), 1),
           RESERVED(53, BOB, 41, 31, NOON + MINUTES(149)), BOB_HAS_MORE),
     ACCEPT(51), BY_BOB, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"the seat is booked", GIVEN(BOB_CHOOSES), ACCEPT(51), BY_BOB, PW_OK,
     THEN(OFFER_ACCEPTED(51, 3, BOB, 40, 30))},
    {"once is enough", GIVEN(BOB_CHOOSES, OFFER_ACCEPTED(51, 0, BOB, 40, 30)), ACCEPT(51), BY_BOB,
     PW_OK, NOTHING},
    {"nothing was offered", GIVEN(BOB_WAITS), ACCEPT(51), BY_BOB, PW_ERR_NOT_OFFERED, NOTHING,
     "it is waiting"},
    {"it ran out", GIVEN(BOB_CHOOSES, OFFER_EXPIRED(51, 0, BOB, 40, 30)), ACCEPT(51), BY_BOB,
     PW_ERR_NOT_OFFERED, NOTHING, "ran out"},
    {"another's does not exist", GIVEN(BOB_CHOOSES), ACCEPT(51), BY_ANN, PW_ERR_NO_SUCH_RESERVATION,
     NOTHING},
    {"who has a seat of the exam gives that back first",
     GIVEN(BOB_CHOOSES, OPENED(41, 30, NOON + MINUTES(600), 1),
           RESERVED(53, BOB, 41, 30, NOON + MINUTES(600))),
     ACCEPT(51), BY_BOB, PW_ERR_EXAM_ALREADY_BOOKED, NOTHING,
     "70000000-0000-0000-0000-000000000035"},
    {"who sits another exam then",
     GIVEN(BOB_CHOOSES, OPENED(41, 31, NOON, 1), RESERVED(53, BOB, 41, 31, NOON)), ACCEPT(51),
     BY_BOB, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"what is offered in a closed slot was promised", GIVEN(BOB_CHOOSES, SLOT_CLOSED(40, 0, 30)),
     ACCEPT(51), BY_BOB, PW_OK, THEN(OFFER_ACCEPTED(51, 3, BOB, 40, 30))},
};
ROWS_OF(reservation_accept_offer);

static const struct row reservation_decline_offer_rows[] = {
    {"the seat is free", GIVEN(BOB_CHOOSES), DECLINE(51), BY_BOB, PW_OK,
     THEN(OFFER_DECLINED(51, 3, BOB, 40, 30))},
    {"once is enough", GIVEN(BOB_CHOOSES, OFFER_DECLINED(51, 0, BOB, 40, 30)), DECLINE(51), BY_BOB,
     PW_OK, NOTHING},
    {"nothing was offered", GIVEN(BOB_WAITS), DECLINE(51), BY_BOB, PW_ERR_NOT_OFFERED, NOTHING},
    {"what was accepted is cancelled", GIVEN(BOB_CHOOSES, OFFER_ACCEPTED(51, 0, BOB, 40, 30)),
     DECLINE(51), BY_BOB, PW_ERR_NOT_OFFERED, NOTHING, "it is booked"},
    {"another's does not exist", GIVEN(BOB_CHOOSES), DECLINE(51), BY_ANN,
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
};
ROWS_OF(reservation_decline_offer);

static const struct row reservation_expire_offer_rows[] = {
    {"when its time has come", GIVEN(BOB_CHOOSES), LAPSE(51), THE_SYSTEM(LEAD), PW_OK,
     THEN(OFFER_EXPIRED(51, 3, BOB, 40, 30))},
    {"not a moment before", GIVEN(BOB_CHOOSES), LAPSE(51), THE_SYSTEM(LEAD - 1), PW_OK, NOTHING},
    {"what was accepted stays", GIVEN(BOB_CHOOSES, OFFER_ACCEPTED(51, 0, BOB, 40, 30)), LAPSE(51),
     THE_SYSTEM(LEAD), PW_OK, NOTHING},
    {"there is no such reservation", GIVEN(SLOT), LAPSE(51), THE_SYSTEM(LEAD),
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
};
ROWS_OF(reservation_expire_offer);

/* --- Moving to another slot of the exam --- */

#define RESCHEDULE(reservation, slot)                                                              \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_RESCHEDULE, .reservation_reschedule = {                     \
            ID(reservation),                                                                       \
            ID(slot)                                                                               \
        }                                                                                          \
    }

static const struct row reservation_reschedule_rows[] = {
    {"into a sitting as long as is granted", GIVEN(TWO, ANNS, ANN_HAS_MORE), RESCHEDULE(50, 41),
     BY_ANN, PW_OK,
     THEN({.type = PW_EVENT_RESERVATION_RESCHEDULED,
           .stream_id = ID(50),
           .stream_version = 2,
           .reservation_rescheduled = {ID(41), ID(30), ANN, LATER, LATER + MINUTES(135),
                                       LATER + MINUTES(150), ID(40), NOON, NOON + MINUTES(90),
                                       NOON + MINUTES(105)}})},
    {"which does not fit",
     GIVEN(TWO, HARD_END(41, 0, 30, LATER + MINUTES(100)), ANNS, ANN_HAS_MORE), RESCHEDULE(50, 41),
     BY_ANN, PW_ERR_ACCOMMODATION_DOES_NOT_FIT, NOTHING, "hard end: 35"},
    {"what needed a replacement has it", GIVEN(TWO, ANNS, MARKED(50, 0, ANN, 40, 30, "hard-end")),
     RESCHEDULE(50, 41), BY_ANN, PW_OK, THEN(MOVED(50, 3, ANN, 41, 30, LATER, 40, NOON))},
    {"one seat for the other", GIVEN(TWO, ANNS), RESCHEDULE(50, 41), BY_ANN, PW_OK, THEN(IS_MOVED)},
    {"who sits there already", GIVEN(TWO, ANNS, IS_MOVED), RESCHEDULE(50, 41), BY_ANN, PW_OK,
     NOTHING},
    {"even too late for another", GIVEN(TWO, ANNS), RESCHEDULE(50, 40), AT(ANN, STUDENT, NOON),
     PW_OK, NOTHING},
    {"and back", GIVEN(TWO, ANNS, IS_MOVED), RESCHEDULE(50, 40), BY_ANN, PW_OK,
     THEN(MOVED(50, 3, ANN, 40, 30, NOON, 41, LATER))},
    {"to another of the same time", GIVEN(SLOT, ANNS, OPENED(41, 30, NOON, 1)), RESCHEDULE(50, 41),
     BY_ANN, PW_OK, THEN(MOVED(50, 2, ANN, 41, 30, NOON, 40, NOON))},
    {"there is no such reservation", GIVEN(TWO), RESCHEDULE(50, 41), BY_ANN,
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
    {"another's does not exist", GIVEN(TWO, ANNS), RESCHEDULE(50, 41), BY_BOB,
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
    {"a held one is not booked", GIVEN(TWO, ANN_HOLDS), RESCHEDULE(50, 41), BY_ANN,
     PW_ERR_RESERVATION_NOT_BOOKED, NOTHING, "it is held"},
    {"nor one that was cancelled", GIVEN(TWO, ANNS, CANCELLED(50, ANN, 40, 30)), RESCHEDULE(50, 41),
     BY_ANN, PW_ERR_RESERVATION_NOT_BOOKED, NOTHING, "it is cancelled"},
    {"there is no such slot", GIVEN(SLOT, ANNS), RESCHEDULE(50, 41), BY_ANN, PW_ERR_NO_SUCH_SLOT,
     NOTHING},
    {"it is another exam's", GIVEN(SLOT, ANNS, OPENED(41, 31, LATER, 1)), RESCHEDULE(50, 41),
     BY_ANN, PW_ERR_SLOT_OF_OTHER_EXAM, NOTHING},
    {"until the lead time, inclusive", GIVEN(TWO, ANNS), RESCHEDULE(50, 41), AT(ANN, STUDENT, LEAD),
     PW_OK, THEN(IS_MOVED)},
    {"not after it", GIVEN(TWO, ANNS), RESCHEDULE(50, 41), AT(ANN, STUDENT, LEAD + 1),
     PW_ERR_CANCEL_TOO_LATE, NOTHING, "60 minutes"},
    {"into what has begun", GIVEN(SLOT, ANNS, OPENED(41, 30, NINE + MINUTES(1), 1)),
     RESCHEDULE(50, 41), AT(ANN, STUDENT, NINE + MINUTES(1)), PW_ERR_SLOT_STARTED, NOTHING},
    {"a full one", GIVEN(TWO, ANNS, RESERVED(51, BOB, 41, 30, LATER)), RESCHEDULE(50, 41), BY_ANN,
     PW_ERR_SLOT_FULL, NOTHING, "1 of 1 taken"},
    {"others wait for it",
     GIVEN(TWO, ANNS, RESERVED(51, BOB, 41, 30, LATER), JOINED(52, TOM, 41, 30),
           CANCELLED(51, BOB, 41, 30)),
     RESCHEDULE(50, 41), BY_ANN, PW_ERR_SLOT_AWAITED, NOTHING},
    {"they wait for it themselves",
     GIVEN(TWO, ANNS, RESERVED(51, BOB, 41, 30, LATER), JOINED(52, ANN, 41, 30)),
     RESCHEDULE(50, 41), BY_ANN, PW_ERR_ALREADY_BOOKED, NOTHING,
     "70000000-0000-0000-0000-000000000034"},
    {"another exam at that time",
     GIVEN(TWO, ANNS, OPENED(42, 31, LATER, 1), RESERVED(53, ANN, 42, 31, LATER)),
     RESCHEDULE(50, 41), BY_ANN, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"its own time is in nobody's way", GIVEN(SLOT, ANNS, OPENED(41, 30, NOON + MINUTES(30), 1)),
     RESCHEDULE(50, 41), BY_ANN, PW_OK,
     THEN(MOVED(50, 2, ANN, 41, 30, NOON + MINUTES(30), 40, NOON))},
    {"If-Match speaks of the reservation", GIVEN(TWO, ANNS), RESCHEDULE(50, 41), BY_ANN,
     PW_ERR_VERSION_MISMATCH, NOTHING, IF_MATCH(2)},
    {"into a closed one", GIVEN(TWO, ANNS, SLOT_CLOSED(41, 0, 30)), RESCHEDULE(50, 41), BY_ANN,
     PW_ERR_SLOT_CLOSED, NOTHING},
    {"out of a closed one", GIVEN(TWO, ANNS, SLOT_CLOSED(40, 0, 30)), RESCHEDULE(50, 41), BY_ANN,
     PW_OK, THEN(IS_MOVED)},
    {"into a cancelled one", GIVEN(TWO, ANNS, SLOT_CANCELLED(41, 0, 30, ENVIRONMENT_ROOM)),
     RESCHEDULE(50, 41), BY_ANN, PW_ERR_SLOT_CANCELLED, NOTHING, "environment.room"},
};
ROWS_OF(reservation_reschedule);

#define BY_OFFICE  AT(TEA, ADMIN, NINE)
#define ANNS_TAKEN CANCELLED_BY_STAFF(50, 2, ANN, 40, 30, ENVIRONMENT_ROOM)

static const struct row reservation_cancel_by_staff_rows[] = {
    {"a booked seat, for a reason", GIVEN(SLOT, ANNS), CANCEL_BY_STAFF(50, ENVIRONMENT_ROOM),
     BY_OFFICE, PW_OK, THEN(ANNS_TAKEN)},
    {"another reason", GIVEN(SLOT, ANNS), CANCEL_BY_STAFF(50, OTHER), BY_OFFICE, PW_OK,
     THEN(CANCELLED_BY_STAFF(50, 2, ANN, 40, 30, OTHER))},
    {"after the lead time, and after the start", GIVEN(SLOT, ANNS),
     CANCEL_BY_STAFF(50, ENVIRONMENT_ROOM), AT(TEA, ADMIN, NOON + MINUTES(1)), PW_OK,
     THEN(ANNS_TAKEN)},
    {"a held one", GIVEN(SLOT, ANN_HOLDS), CANCEL_BY_STAFF(50, ENVIRONMENT_ROOM), BY_OFFICE, PW_OK,
     THEN(ANNS_TAKEN)},
    {"one who waits", GIVEN(BOB_WAITS), CANCEL_BY_STAFF(51, ENVIRONMENT_ROOM), BY_OFFICE, PW_OK,
     THEN(CANCELLED_BY_STAFF(51, 2, BOB, 40, 30, ENVIRONMENT_ROOM))},
    {"one who was offered a seat", GIVEN(BOB_CHOOSES), CANCEL_BY_STAFF(51, ENVIRONMENT_ROOM),
     BY_OFFICE, PW_OK, THEN(CANCELLED_BY_STAFF(51, 3, BOB, 40, 30, ENVIRONMENT_ROOM))},
    {"it is cancelled already", GIVEN(SLOT, ANNS, ANNS_TAKEN), CANCEL_BY_STAFF(50, OTHER),
     BY_OFFICE, PW_OK, NOTHING},
    {"by the student, too", GIVEN(SLOT, ANNS, CANCELLED(50, ANN, 40, 30)),
     CANCEL_BY_STAFF(50, OTHER), BY_OFFICE, PW_OK, NOTHING},
    {"who has left has left", GIVEN(BOB_WAITS, LEFT(51, 2, BOB, 40, 30)),
     CANCEL_BY_STAFF(51, OTHER), BY_OFFICE, PW_ERR_RESERVATION_OVER, NOTHING,
     "it is over: it left the waiting list"},
    {"there is no such reservation", GIVEN(SLOT), CANCEL_BY_STAFF(50, OTHER), BY_OFFICE,
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
    {"If-Match speaks of the reservation", GIVEN(SLOT, ANNS), CANCEL_BY_STAFF(50, OTHER), BY_OFFICE,
     PW_ERR_VERSION_MISMATCH, NOTHING, IF_MATCH(2)},
};
ROWS_OF(reservation_cancel_by_staff);

#define CANCEL_WITH_SLOT(reservation)                                                              \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_CANCEL_WITH_SLOT, .reservation_cancel_with_slot = {         \
            ID(reservation)                                                                        \
        }                                                                                          \
    }
#define BY_SYSTEM AT(OPS, SYSTEM, NINE)
#define ANNS_WENT CANCELLED_WITH_SLOT(50, 2, ANN, 40, 30, ENVIRONMENT_POWER)

static const struct row reservation_cancel_with_slot_rows[] = {
    {"a booked seat", GIVEN(SLOT, ANNS, NO_POWER), CANCEL_WITH_SLOT(50), BY_SYSTEM, PW_OK,
     THEN(ANNS_WENT)},
    {"a held one", GIVEN(SLOT, ANN_HOLDS, NO_POWER), CANCEL_WITH_SLOT(50), BY_SYSTEM, PW_OK,
     THEN(ANNS_WENT)},
    {"one who waits", GIVEN(BOB_WAITS, NO_POWER), CANCEL_WITH_SLOT(51), BY_SYSTEM, PW_OK,
     THEN(CANCELLED_WITH_SLOT(51, 2, BOB, 40, 30, ENVIRONMENT_POWER))},
    {"one who was offered a seat", GIVEN(BOB_CHOOSES, NO_POWER), CANCEL_WITH_SLOT(51), BY_SYSTEM,
     PW_OK, THEN(CANCELLED_WITH_SLOT(51, 3, BOB, 40, 30, ENVIRONMENT_POWER))},
    {"before the slot's own record, too",
     GIVEN(SLOT, ANNS, WITHDRAWN(30, 3, ENVIRONMENT_POWER, NINE)), CANCEL_WITH_SLOT(50), BY_SYSTEM,
     PW_OK, THEN(ANNS_WENT)},
    {"once", GIVEN(SLOT, ANNS, NO_POWER, ANNS_WENT), CANCEL_WITH_SLOT(50), BY_SYSTEM, PW_OK,
     NOTHING},
    {"not before its slot", GIVEN(SLOT, ANNS, SLOT_CLOSED(40, 0, 30)), CANCEL_WITH_SLOT(50),
     BY_SYSTEM, PW_OK, NOTHING},
    {"nor with a slot that it was moved away from", GIVEN(TWO, ANNS, IS_MOVED, NO_POWER),
     CANCEL_WITH_SLOT(50), BY_SYSTEM, PW_OK, NOTHING},
    {"there is no such reservation", GIVEN(SLOT), CANCEL_WITH_SLOT(50), BY_SYSTEM,
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
};
ROWS_OF(reservation_cancel_with_slot);

#define MARK_CAME(reservation)                                                                     \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_MARK_ATTENDED, .reservation_mark_attended = {               \
            ID(reservation)                                                                        \
        }                                                                                          \
    }
#define MARK_AWAY(reservation, reason)                                                             \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_MARK_NO_SHOW, .reservation_mark_no_show = {                 \
            ID(reservation),                                                                       \
            PW_REASON_##reason                                                                     \
        }                                                                                          \
    }
#define TOM_PROCTORS     SLOT, ANNS, ASSIGNED(40, 2, 30, TOM)
#define BY_TOM_AT(at_us) AT(TOM, PROCTOR, at_us)
#define ANN_CAME         CAME(50, 2, ANN, 40, 30)
#define ANN_STAYED_AWAY  STAYED_AWAY(50, 2, ANN, 40, 30, EXAMINEE_ABSENT)

static const struct row reservation_mark_attended_rows[] = {
    {"by who proctors the slot", GIVEN(TOM_PROCTORS), MARK_CAME(50), BY_TOM_AT(NOON), PW_OK,
     THEN(ANN_CAME)},
    {"by an admin", GIVEN(SLOT, ANNS), MARK_CAME(50), AT(TEA, ADMIN, NOON), PW_OK, THEN(ANN_CAME)},
    {"not before the start", GIVEN(TOM_PROCTORS), MARK_CAME(50), BY_TOM_AT(NOON - 1),
     PW_ERR_SITTING_NOT_BEGUN, NOTHING},
    {"once", GIVEN(TOM_PROCTORS, ANN_CAME), MARK_CAME(50), BY_TOM_AT(NOON), PW_OK, NOTHING},
    {"who was not seen at first", GIVEN(TOM_PROCTORS, ANN_STAYED_AWAY), MARK_CAME(50),
     BY_TOM_AT(NOON), PW_OK, THEN(CAME(50, 3, ANN, 40, 30))},
    {"not who holds a seat only", GIVEN(SLOT, ANN_HOLDS, ASSIGNED(40, 2, 30, TOM)), MARK_CAME(50),
     BY_TOM_AT(NOON), PW_ERR_RESERVATION_NOT_BOOKED, NOTHING, "it is held"},
    {"nor who gave it back", GIVEN(TOM_PROCTORS, CANCELLED(50, ANN, 40, 30)), MARK_CAME(50),
     BY_TOM_AT(NOON), PW_ERR_RESERVATION_NOT_BOOKED, NOTHING, "it is cancelled"},
    {"of a slot that they do not proctor it does not exist", GIVEN(SLOT, ANNS), MARK_CAME(50),
     BY_TOM_AT(NOON), PW_ERR_NO_SUCH_RESERVATION, NOTHING},
    {"nor once they are released", GIVEN(TOM_PROCTORS, RELEASED(40, 3, 30, TOM)), MARK_CAME(50),
     BY_TOM_AT(NOON), PW_ERR_NO_SUCH_RESERVATION, NOTHING},
    {"there is no such reservation", GIVEN(TOM_PROCTORS), MARK_CAME(51), BY_TOM_AT(NOON),
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
};
ROWS_OF(reservation_mark_attended);

static const struct row reservation_mark_no_show_rows[] = {
    {"by who proctors the slot", GIVEN(TOM_PROCTORS), MARK_AWAY(50, EXAMINEE_ABSENT),
     BY_TOM_AT(NOON), PW_OK, THEN(ANN_STAYED_AWAY)},
    {"by an admin, later", GIVEN(SLOT, ANNS), MARK_AWAY(50, EXAMINEE_EXCUSED),
     AT(TEA, ADMIN, NOON + MINUTES(9000)), PW_OK,
     THEN(STAYED_AWAY(50, 2, ANN, 40, 30, EXAMINEE_EXCUSED))},
    {"not before the start", GIVEN(TOM_PROCTORS), MARK_AWAY(50, EXAMINEE_ABSENT),
     BY_TOM_AT(NOON - 1), PW_ERR_SITTING_NOT_BEGUN, NOTHING},
    {"once", GIVEN(TOM_PROCTORS, ANN_STAYED_AWAY), MARK_AWAY(50, EXAMINEE_LATE), BY_TOM_AT(NOON),
     PW_OK, NOTHING},
    {"who was taken for another", GIVEN(TOM_PROCTORS, ANN_CAME), MARK_AWAY(50, EXAMINEE_ABSENT),
     BY_TOM_AT(NOON), PW_OK, THEN(STAYED_AWAY(50, 3, ANN, 40, 30, EXAMINEE_ABSENT))},
    {"not who waits only", GIVEN(BOB_WAITS, ASSIGNED(40, 2, 30, TOM)),
     MARK_AWAY(51, EXAMINEE_ABSENT), BY_TOM_AT(NOON), PW_ERR_RESERVATION_NOT_BOOKED, NOTHING,
     "it is waiting"},
    {"of a slot that they do not proctor it does not exist", GIVEN(SLOT, ANNS),
     MARK_AWAY(50, EXAMINEE_ABSENT), BY_TOM_AT(NOON), PW_ERR_NO_SUCH_RESERVATION, NOTHING},
};
ROWS_OF(reservation_mark_no_show);
