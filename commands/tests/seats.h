/* commands/tests/seats.h: what the rows of reservations stand on. Exams 30 and 31 take 90 minutes, keep 15 free afterwards,
 * and may be given back until 60 before the start. */
#ifndef PW_COMMANDS_TESTS_SEATS_H
#define PW_COMMANDS_TESTS_SEATS_H

#include "commands/tests/world.h"

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
/* The same, but that staff has moved him. */
#define BOB_IS_MOVED                                                                               \
    BOB_CHOOSES, OFFER_ACCEPTED(51, 0, BOB, 40, 30), OPENED(41, 30, LATER, 1),                     \
        MOVED_BY_STAFF(51, 0, BOB, 41, 30, LATER, 40, NOON, OTHER),                                \
        RESERVED(54, TOM, 40, 30, NOON)

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
#define FOR_135           NOON + MINUTES(135), NOON + MINUTES(150)
#define THE_SYSTEM(at_us) AT(OPS, SYSTEM, at_us)

#endif
