/* commands/tests/reservation_staff.c: what others make of a reservation: the office, its slot's end, and who marks who came. */
#include "commands/tests/seats.h"

#define CANCEL_BY_STAFF(reservation, reason)                                                       \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_CANCEL_BY_STAFF, .reservation_cancel_by_staff = {           \
            ID(reservation),                                                                       \
            PW_REASON_##reason                                                                     \
        }                                                                                          \
    }
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

#define REMIND(reservation)                                                                        \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_REMIND, .reservation_remind = { ID(reservation) }           \
    }
#define TEN       (NINE + MINUTES(60)) /* When students are reminded here. */
#define TO_REMIND REMINDER_SET(40, 0, 30, TEN)
#define IS_TIME   SLOT_REMINDED(40, 0, 30, 1)
#define AT_TEN    AT(OPS, SYSTEM, TEN)

static const struct row reservation_remind_rows[] = {
    {"who has a seat", GIVEN(SLOT, TO_REMIND, ANNS, IS_TIME), REMIND(50), AT_TEN, PW_OK,
     THEN(REMINDED(50, 2, ANN, 40, 30))},
    {"who has had it from a hold",
     GIVEN(SLOT, TO_REMIND, ANN_HOLDS, HOLD_CONFIRMED(50, ANN, 40, 30), IS_TIME), REMIND(50),
     AT_TEN, PW_OK, THEN(REMINDED(50, 3, ANN, 40, 30))},
    {"who was moved there",
     GIVEN(TWO, REMINDER_SET(41, 0, 30, TEN), ANNS, IS_MOVED, SLOT_REMINDED(41, 0, 30, 1)),
     REMIND(50), AT_TEN, PW_OK, THEN(REMINDED(50, 3, ANN, 41, 30))},
    {"once", GIVEN(SLOT, TO_REMIND, ANNS, IS_TIME, REMINDED(50, 0, ANN, 40, 30)), REMIND(50),
     AT_TEN, PW_OK, NOTHING},
    {"not before the slot's moment", GIVEN(SLOT, TO_REMIND, ANNS), REMIND(50), AT_TEN, PW_OK,
     NOTHING},
    {"not who has booked since", GIVEN(SLOT, TO_REMIND, IS_TIME, ANNS), REMIND(50), AT_TEN, PW_OK,
     NOTHING},
    {"nor who was moved there since",
     GIVEN(TWO, REMINDER_SET(41, 0, 30, TEN), ANNS, SLOT_REMINDED(41, 0, 30, 1), IS_MOVED),
     REMIND(50), AT_TEN, PW_OK, NOTHING},
    {"not who holds a seat only", GIVEN(SLOT, TO_REMIND, ANN_HOLDS, IS_TIME), REMIND(50), AT_TEN,
     PW_OK, NOTHING},
    {"not who gave it back", GIVEN(SLOT, TO_REMIND, ANNS, IS_TIME, CANCELLED(50, ANN, 40, 30)),
     REMIND(50), AT_TEN, PW_OK, NOTHING},
    {"not of a sitting that does not take place", GIVEN(SLOT, TO_REMIND, ANNS, IS_TIME, NO_POWER),
     REMIND(50), AT_TEN, PW_OK, NOTHING},
    {"there is no such reservation", GIVEN(SLOT), REMIND(50), AT_TEN, PW_ERR_NO_SUCH_RESERVATION,
     NOTHING},
};
ROWS_OF(reservation_remind);
