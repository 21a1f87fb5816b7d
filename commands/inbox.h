/* commands/inbox.h: what students are told.
 *
 * Contract  A notification is an event of the ledger, seen by the student whom it concerns; no record says it again. So there is exactly one for
 *           each such event, in the order in which things happened, on every node, after any fall: what there is to lose or to repeat is
 *           the event itself. Each has a number, 1 for the student's first. An inbox keeps how many there are, and which of the newest
 *           PW_UNREAD_MAX are unread; older ones count as read.
 * Threads   As the state. */
#ifndef PW_COMMANDS_INBOX_H
#define PW_COMMANDS_INBOX_H

#include "commands/state.h"

/* What a notification is about. Their numbers are for ever: read models have them.
 *
 *   X(UPPER, "name", "doc") */
#define PW_NOTIFICATIONS(X)                                                                        \
    X(BOOKED, "booked", "A seat is booked: asked for, or held or offered before")                  \
    X(CANCELLED, "cancelled", "The student gave the seat back")                                    \
    X(CANCELLED_BY_STAFF, "cancelled-by-staff", "Staff ended it, for `reason`")                    \
    X(CANCELLED_WITH_SLOT, "cancelled-with-slot", "The sitting does not take place, for `reason`") \
    X(HOLD_EXPIRED, "hold-expired", "A held seat was not confirmed in time")                       \
    X(OFFERED, "offered", "A seat is kept until `expires_at`")                                     \
    X(OFFER_EXPIRED, "offer-expired", "An offered seat was not accepted in time")                  \
    X(MOVED, "moved", "The seat is in another slot; by staff for `reason`")                        \
    X(TIMES_CHANGED, "times-changed", "The sitting ends at another time")                          \
    X(NEEDS_REPLACEMENT, "needs-replacement",                                                      \
      "The granted time cannot be had in this slot: another one is needed")                        \
    X(FITS_AGAIN, "fits-again", "No other slot is needed after all")                               \
    X(NO_SHOW, "no-show", "The student was marked as not having come, for `reason`")               \
    X(EXAM_NEAR, "exam-near", "The exam begins in 24 hours")

enum pw_notification {
    PW_NOTIFICATION_NONE,
#define PW_NOTIFICATION_MEMBER(UPPER, name, doc) PW_NOTIFICATION_##UPPER,
    PW_NOTIFICATIONS(PW_NOTIFICATION_MEMBER)
#undef PW_NOTIFICATION_MEMBER
        PW_NOTIFICATION_COUNT
};

#define PW_UNREAD_MAX 63 /* So that which they are is one positive number. */

struct pw_inbox {
    uint32_t version; /* Of its stream, which tells what was read. */
    uint32_t count;
    uint64_t unread; /* Bit 0: the newest one is unread, bit 1: the one before it, ... */
};

/* NONE: the event is not told to anybody. */
enum pw_notification pw_notification_of(enum pw_event_type type);

/* NULL: the student was told nothing yet. */
const struct pw_inbox *pw_tenant_inbox(const struct pw_tenant *tenant,
                                       const struct pw_id *student_id);

/* How many are unread. */
uint32_t pw_inbox_unread_count(const struct pw_inbox *inbox);

#endif
