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

#define RESCHEDULE_BY_STAFF(reservation, slot, reason)                                             \
    {                                                                                              \
        .type = PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF, .reservation_reschedule_by_staff = {   \
            ID(reservation),                                                                       \
            ID(slot),                                                                              \
            PW_REASON_##reason                                                                     \
        }                                                                                          \
    }
#define TO_THE_EVENING RESCHEDULE_BY_STAFF(50, 41, EXAMINEE_EXCUSED)
#define ANN_IS_MOVED   MOVED_BY_STAFF(50, 2, ANN, 41, 30, LATER, 40, NOON, EXAMINEE_EXCUSED)
#define BOB_SITS_LATER RESERVED(51, BOB, 41, 30, LATER)

static const struct row reservation_reschedule_by_staff_rows[] = {
    {"one seat for the other, for a reason", GIVEN(TWO, ANNS), TO_THE_EVENING, BY_OFFICE, PW_OK,
     THEN(ANN_IS_MOVED)},
    {"another reason", GIVEN(TWO, ANNS), RESCHEDULE_BY_STAFF(50, 41, STAFF_SCHEDULE), BY_OFFICE,
     PW_OK, THEN(MOVED_BY_STAFF(50, 2, ANN, 41, 30, LATER, 40, NOON, STAFF_SCHEDULE))},
    {"after the lead time", GIVEN(TWO, ANNS), TO_THE_EVENING, AT(TEA, ADMIN, LEAD + 1), PW_OK,
     THEN(ANN_IS_MOVED)},
    {"after the start, too", GIVEN(TWO, ANNS), TO_THE_EVENING, AT(TEA, ADMIN, NOON + MINUTES(200)),
     PW_OK, THEN(ANN_IS_MOVED)},
    {"not who came", GIVEN(TWO, ANNS, CAME(50, 2, ANN, 40, 30)), TO_THE_EVENING,
     AT(TEA, ADMIN, NOON), PW_ERR_RESERVATION_NOT_BOOKED, NOTHING, "the student came"},
    {"nor who did not: they book anew",
     GIVEN(TWO, ANNS, STAYED_AWAY(50, 2, ANN, 40, 30, EXAMINEE_EXCUSED)), TO_THE_EVENING,
     AT(TEA, ADMIN, NOON), PW_ERR_RESERVATION_NOT_BOOKED, NOTHING, "did not come"},
    {"who is there already", GIVEN(TWO, ANNS, ANN_IS_MOVED), TO_THE_EVENING, BY_OFFICE, PW_OK,
     NOTHING},
    {"even when that has begun", GIVEN(TWO, ANNS), RESCHEDULE_BY_STAFF(50, 40, OTHER),
     AT(TEA, ADMIN, NOON), PW_OK, NOTHING},
    {"there is no such reservation", GIVEN(TWO), TO_THE_EVENING, BY_OFFICE,
     PW_ERR_NO_SUCH_RESERVATION, NOTHING},
    {"a held one is not booked", GIVEN(TWO, ANN_HOLDS), TO_THE_EVENING, BY_OFFICE,
     PW_ERR_RESERVATION_NOT_BOOKED, NOTHING, "it is held"},
    {"nor is one that waits", GIVEN(BOB_WAITS, OPENED(41, 30, LATER, 1)),
     RESCHEDULE_BY_STAFF(51, 41, OTHER), BY_OFFICE, PW_ERR_RESERVATION_NOT_BOOKED, NOTHING,
     "it is waiting"},
    {"nor one that is offered", GIVEN(BOB_CHOOSES, OPENED(41, 30, LATER, 1)),
     RESCHEDULE_BY_STAFF(51, 41, OTHER), BY_OFFICE, PW_ERR_RESERVATION_NOT_BOOKED, NOTHING,
     "it is offered"},
    {"nor one that was cancelled", GIVEN(TWO, ANNS, ANNS_TAKEN), TO_THE_EVENING, BY_OFFICE,
     PW_ERR_RESERVATION_NOT_BOOKED, NOTHING, "it is cancelled"},
    {"there is no such slot", GIVEN(SLOT, ANNS), TO_THE_EVENING, BY_OFFICE, PW_ERR_NO_SUCH_SLOT,
     NOTHING},
    {"it is another exam's", GIVEN(SLOT, ANNS, OPENED(41, 31, LATER, 1)), TO_THE_EVENING, BY_OFFICE,
     PW_ERR_SLOT_OF_OTHER_EXAM, NOTHING},
    {"into what has begun", GIVEN(SLOT, ANNS, OPENED(41, 30, NINE + MINUTES(1), 1)), TO_THE_EVENING,
     AT(TEA, ADMIN, NINE + MINUTES(1)), PW_ERR_SLOT_STARTED, NOTHING},
    {"into a cancelled one", GIVEN(TWO, ANNS, SLOT_CANCELLED(41, 0, 30, ENVIRONMENT_ROOM)),
     TO_THE_EVENING, BY_OFFICE, PW_ERR_SLOT_CANCELLED, NOTHING, "environment.room"},
    {"into a closed one", GIVEN(TWO, ANNS, SLOT_CLOSED(41, 0, 30)), TO_THE_EVENING, BY_OFFICE,
     PW_OK, THEN(ANN_IS_MOVED)},
    {"while it has a seat", GIVEN(TWO, ANNS, BOB_SITS_LATER, SLOT_CLOSED(41, 0, 30)),
     TO_THE_EVENING, BY_OFFICE, PW_ERR_SLOT_FULL, NOTHING, "1 of 1 taken"},
    {"and nobody waits", GIVEN(TWO, ANNS, JOINED(51, BOB, 41, 30), SLOT_CLOSED(41, 0, 30)),
     TO_THE_EVENING, BY_OFFICE, PW_ERR_SLOT_AWAITED, NOTHING},
    {"out of a closed one", GIVEN(TWO, ANNS, SLOT_CLOSED(40, 0, 30)), TO_THE_EVENING, BY_OFFICE,
     PW_OK, THEN(ANN_IS_MOVED)},
    {"a full one", GIVEN(TWO, ANNS, BOB_SITS_LATER), TO_THE_EVENING, BY_OFFICE, PW_ERR_SLOT_FULL,
     NOTHING, "1 of 1 taken"},
    {"others wait for it, be a seat free",
     GIVEN(TWO, ANNS, BOB_SITS_LATER, JOINED(52, TOM, 41, 30), CANCELLED(51, BOB, 41, 30)),
     TO_THE_EVENING, BY_OFFICE, PW_ERR_SLOT_AWAITED, NOTHING},
    {"until its list is closed",
     GIVEN(TWO, ANNS, BOB_SITS_LATER, JOINED(52, TOM, 41, 30), CANCELLED(51, BOB, 41, 30),
           WAITLIST_CLOSED(41, 0, 30)),
     TO_THE_EVENING, BY_OFFICE, PW_OK, THEN(ANN_IS_MOVED)},
    {"the student waits for it", GIVEN(TWO, ANNS, BOB_SITS_LATER, JOINED(52, ANN, 41, 30)),
     TO_THE_EVENING, BY_OFFICE, PW_ERR_ALREADY_BOOKED, NOTHING,
     "70000000-0000-0000-0000-000000000034"},
    {"the student's other exam at that time",
     GIVEN(TWO, ANNS, OPENED(42, 31, LATER, 1), RESERVED(53, ANN, 42, 31, LATER)), TO_THE_EVENING,
     BY_OFFICE, PW_ERR_CALENDAR_CONFLICT, NOTHING},
    {"the office's own is nobody's business",
     GIVEN(TWO, ANNS, OPENED(42, 31, LATER, 1), RESERVED(53, TEA, 42, 31, LATER)), TO_THE_EVENING,
     BY_OFFICE, PW_OK, THEN(ANN_IS_MOVED)},
    {"into a sitting as long as the student is granted", GIVEN(TWO, ANNS, ANN_HAS_MORE),
     TO_THE_EVENING, BY_OFFICE, PW_OK,
     THEN({.type = PW_EVENT_RESERVATION_RESCHEDULED_BY_STAFF,
           .stream_id = ID(50),
           .stream_version = 2,
           .reservation_rescheduled_by_staff = {ID(41), ID(30), ANN, LATER, LATER + MINUTES(135),
                                                LATER + MINUTES(150), ID(40), NOON,
                                                NOON + MINUTES(90), NOON + MINUTES(105),
                                                PW_REASON_EXAMINEE_EXCUSED}})},
    {"which does not fit",
     GIVEN(TWO, HARD_END(41, 0, 30, LATER + MINUTES(100)), ANNS, ANN_HAS_MORE), TO_THE_EVENING,
     BY_OFFICE, PW_ERR_ACCOMMODATION_DOES_NOT_FIT, NOTHING, "hard end: 35"},
    {"what needed a replacement has it", GIVEN(TWO, ANNS, MARKED(50, 0, ANN, 40, 30, "hard-end")),
     TO_THE_EVENING, BY_OFFICE, PW_OK,
     THEN(MOVED_BY_STAFF(50, 3, ANN, 41, 30, LATER, 40, NOON, EXAMINEE_EXCUSED))},
    {"If-Match speaks of the reservation", GIVEN(TWO, ANNS), TO_THE_EVENING, BY_OFFICE,
     PW_ERR_VERSION_MISMATCH, NOTHING, IF_MATCH(2)},
};
ROWS_OF(reservation_reschedule_by_staff);

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
    {"not once the exam has begun", GIVEN(SLOT, TO_REMIND, ANNS, IS_TIME), REMIND(50),
     AT(OPS, SYSTEM, NOON), PW_OK, NOTHING},
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
