/* commands/tests/reservation_wait.c: waiting, and being offered a seat: Ann has the one seat of slot 40, Bob waits for it. */
#include "commands/tests/seats.h"

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
    {"whom staff moves away from one has not", GIVEN(BOB_IS_MOVED), JOIN(55, 40), BY_BOB, PW_OK,
     THEN(JOINED(55, BOB, 40, 30))},
    {"nor who then cancels what they got instead",
     GIVEN(BOB_IS_MOVED, CANCELLED(51, BOB, 41, 30), RESERVED(56, ANN, 41, 30, LATER)),
     JOIN(55, 41), BY_BOB, PW_OK, THEN(JOINED(55, BOB, 41, 30))},
    {"unless they had left it themselves before",
     GIVEN(BOB_GOT_IT, OPENED(42, 30, LATER, 1), RESERVED(54, TOM, 40, 30, NOON),
           MOVED_BY_STAFF(51, 0, BOB, 42, 30, LATER, 41, LATER, OTHER)),
     JOIN(55, 40), BY_BOB, PW_ERR_NOT_ENTITLED, NOTHING},
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
