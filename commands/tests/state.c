/* commands/tests/state.c: what does not fit is damage, and two equal states have equal bytes. */
#include "commands/tenant_state.h"
#include "commands/tests/items.h"
#include "commands/tests/world.h"

#include <criterion/criterion.h>

#define KEY(n)                                                                                     \
    {                                                                                              \
        {                                                                                          \
            [0] = (n)                                                                              \
        }                                                                                          \
    }
#define TRUSTED(version, name, key)                                                                \
    {                                                                                              \
        .type = PW_EVENT_TENANT_ISSUER_TRUSTED, .stream_id = OUR_TENANT,                           \
        .stream_version = version, .tenant_issuer_trusted = {                                      \
            TEXT(name),                                                                            \
            KEY(key)                                                                               \
        }                                                                                          \
    }
#define EIGHT_KEYS(name)                                                                           \
    TRUSTED(0, name, 1), TRUSTED(0, name, 2), TRUSTED(0, name, 3), TRUSTED(0, name, 4),            \
        TRUSTED(0, name, 5), TRUSTED(0, name, 6), TRUSTED(0, name, 7), TRUSTED(0, name, 8)
#define DRAFT_EVENT(id, version, bytes, minutes_, lead, buffer)                                    \
    {                                                                                              \
        .type = PW_EVENT_EXAM_DRAFTED, .stream_id = id, .stream_version = version,                 \
        .exam_drafted = {                                                                          \
            {two_hundred_and_one, bytes},                                                          \
            minutes_,                                                                              \
            lead,                                                                                  \
            buffer,                                                                                \
            TEA                                                                                    \
        }                                                                                          \
    }
#define SLOT_EVENT(exam, number, starts, ends, lead, buffer)                                       \
    {                                                                                              \
        .type = PW_EVENT_SLOT_OPENED, .stream_id = ID(41), .stream_version = 1, .slot_opened = {   \
            ID(exam),                                                                              \
            number,                                                                                \
            starts,                                                                                \
            ends,                                                                                  \
            lead,                                                                                  \
            buffer,                                                                                \
            1                                                                                      \
        }                                                                                          \
    }
#define SEAT_EVENT(reservation, slot, exam, starts, ends, free_again)                              \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_RESERVED, .stream_id = ID(reservation), .stream_version = 1,  \
        .reservation_reserved = {                                                                  \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            ANN,                                                                                   \
            starts,                                                                                \
            ends,                                                                                  \
            free_again                                                                             \
        }                                                                                          \
    }
#define BACK_EVENT(version, slot, exam, student)                                                   \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_CANCELLED, .stream_id = ID(50), .stream_version = version,    \
        .reservation_cancelled = {                                                                 \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }
#define ALGEBRA      CREATED, DRAFTED(30), PUBLISHED(30, 0, 1)
#define SLOT         ALGEBRA, OPENED(40, 30, NOON, 2)
#define TWO_SLOTS    SLOT, OPENED(41, 30, NOON, 1)
#define ANNS         RESERVED(50, ANN, 40, 30, NOON)
#define ANN_HAS_MORE MORE_TIME(70, ANN, 150, 0, 0, NINE, NOON)

static const char two_hundred_and_one[201] = "A title longer than any state keeps";

struct damage {
    const char *why; /* What the detail must contain. */
    const struct pw_event *given;
    uint32_t given_count;
    struct pw_event event;
};

#define YES_NO  LIST(2, "\x92\x91\xa1Y\x91\xa1N")
#define KEY_YES LIST(1, "\x91\x94\x01\xa0\x00\x00")
#define ITEM(title_, prompt_, choices_, answers_, marks, penalty)                                  \
    {                                                                                              \
        .type = PW_EVENT_ITEM_DRAFTED, .stream_id = ID(90), .stream_version = 1, .item_drafted = { \
            TEXT(title_),                                                                          \
            PW_ITEM_KIND_TRUE_FALSE,                                                               \
            TEXT(prompt_),                                                                         \
            choices_,                                                                              \
            PW_SCORING_MATCH_CORRECT,                                                              \
            answers_,                                                                              \
            marks,                                                                                 \
            penalty,                                                                               \
            TEA,                                                                                   \
            {{0}}                                                                                  \
        }                                                                                          \
    }
#define TOO_MANY         ASKED(201, "\x90")
#define HASH_OF_TOO_MANY HASH_OF_NOTHING_ASKED

static const struct damage damages[] = {
    {"there is no such tenant", NEW, DRAFTED(30)},
    {"another tenant's",
     NEW,
     {.type = PW_EVENT_TENANT_CREATED, .stream_id = OTHER_TENANT, .stream_version = 1}},
    {"next version", NEW, {.type = PW_EVENT_TENANT_CREATED, .stream_id = OUR_TENANT}},
    {"next version", GIVEN(CREATED), CREATED},
    {"exists already",
     GIVEN(CREATED),
     {.type = PW_EVENT_TENANT_CREATED, .stream_id = OUR_TENANT, .stream_version = 2}},
    {"next version", GIVEN(CREATED), TRUSTED(3, "sso", 1)},
    {"trusted already", GIVEN(CREATED, TRUSTED(0, "sso", 1)), TRUSTED(3, "sso", 1)},
    {"as many issuers", GIVEN(CREATED, EIGHT_KEYS("a"), EIGHT_KEYS("b")), TRUSTED(18, "c", 1)},
    {"is not trusted",
     GIVEN(CREATED, TRUSTED(0, "sso", 1)),
     {.type = PW_EVENT_TENANT_ISSUER_DISTRUSTED,
      .stream_id = OUR_TENANT,
      .stream_version = 3,
      .tenant_issuer_distrusted = {TEXT("sso"), KEY(2)}}},
    {"too long",
     GIVEN(CREATED),
     {.type = PW_EVENT_TENANT_ISSUER_TRUSTED,
      .stream_id = OUR_TENANT,
      .stream_version = 2,
      .tenant_issuer_trusted = {{two_hundred_and_one, 201}, KEY(1)}}},

    {"nil", GIVEN(CREATED), DRAFT_EVENT({{0}}, 1, 7, 90, 60, 15)},
    {"title", GIVEN(CREATED), DRAFT_EVENT(ID(30), 1, 0, 90, 60, 15)},
    {"title", GIVEN(CREATED), DRAFT_EVENT(ID(30), 1, 201, 90, 60, 15)},
    {"minutes", GIVEN(CREATED), DRAFT_EVENT(ID(30), 1, 7, 0, 60, 15)},
    {"minutes", GIVEN(CREATED), DRAFT_EVENT(ID(30), 1, 7, PW_MINUTES_MAX + 1, 60, 15)},
    {"minutes", GIVEN(CREATED), DRAFT_EVENT(ID(30), 1, 7, 90, UINT32_MAX, 15)},
    {"minutes", GIVEN(CREATED), DRAFT_EVENT(ID(30), 1, 7, 90, 60, UINT32_MAX)},
    {"exists already", GIVEN(CREATED, DRAFTED(30)), DRAFT_EVENT(ID(30), 2, 7, 90, 60, 15)},
    {"next version", GIVEN(CREATED, DRAFTED(30)), DRAFTED(30)},
    {"no such exam", GIVEN(CREATED), REVISED(30, 1, "Algebra", 90)},
    {"next version", GIVEN(CREATED, DRAFTED(30)), REVISED(30, 3, "Algebra", 90)},
    {"minutes", GIVEN(CREATED, DRAFTED(30)), REVISED(30, 2, "Algebra", 0)},
    {"no such exam", GIVEN(CREATED), PUBLISHED(30, 1, 1)},
    {"exam's next version", GIVEN(CREATED, DRAFTED(30)), PUBLISHED(30, 2, 2)},
    {"exam's next version", GIVEN(CREATED, DRAFTED(30)), PUBLISHED(30, 2, 0)},
    {"hash", GIVEN(CREATED, DRAFTED(30), REVISED(30, 0, "Algebra", 91)), PUBLISHED(30, 3, 1)},

    {"no such version of the exam", GIVEN(CREATED), OPENED(41, 30, NOON, 1)},
    {"no such version of the exam", GIVEN(CREATED, DRAFTED(30)), OPENED(41, 30, NOON, 1)},
    {"no such version of the exam", GIVEN(ALGEBRA), SLOT_EVENT(30, 0, NOON, NOON + 1, 0, 0)},
    {"no such version of the exam", GIVEN(ALGEBRA), SLOT_EVENT(30, 2, NOON, NOON + 1, 0, 0)},
    {"next version", GIVEN(SLOT), OPENED(40, 30, NOON, 1)},
    {"times", GIVEN(ALGEBRA), SLOT_EVENT(30, 1, NOON, NOON, 0, 0)},
    {"times", GIVEN(ALGEBRA), SLOT_EVENT(30, 1, -1, NOON, 0, 0)},
    {"times", GIVEN(ALGEBRA), SLOT_EVENT(30, 1, NOON, PW_AT_US_MAX + 1, 0, 0)},
    {"times", GIVEN(ALGEBRA), SLOT_EVENT(30, 1, NOON, PW_AT_US_MAX, 0, 1)},
    {"times", GIVEN(ALGEBRA), SLOT_EVENT(30, 1, NOON, INT64_MAX, 0, PW_MINUTES_MAX)},
    {"minutes", GIVEN(ALGEBRA), SLOT_EVENT(30, 1, NOON, NOON + 1, UINT32_MAX, 0)},
    {"minutes", GIVEN(ALGEBRA), SLOT_EVENT(30, 1, NOON, NOON + 1, 0, UINT32_MAX)},
    {"no such slot", GIVEN(ALGEBRA), CAPACITY(40, 1, 3)},
    {"next version", GIVEN(SLOT), CAPACITY(40, 1, 3)},
    {"more seats", GIVEN(SLOT, ANNS), CAPACITY(40, 2, 0)},

    {"no such slot", GIVEN(ALGEBRA), ANNS},
    {"no such slot", GIVEN(SLOT, DRAFTED(31)), SEAT_EVENT(50, 40, 31, NOON, NOON + 1, NOON + 2)},
    {"no seat", GIVEN(SLOT, CAPACITY(40, 0, 1), ANNS), RESERVED(51, BOB, 40, 30, NOON)},
    {"no seat", GIVEN(SLOT, CAPACITY(40, 0, 0)), ANNS},
    {"next version", GIVEN(SLOT, ANNS), ANNS},
    {"times", GIVEN(SLOT), SEAT_EVENT(50, 40, 30, -1, NOON, NOON)},
    {"times", GIVEN(SLOT), SEAT_EVENT(50, 40, 30, NOON, NOON, NOON)},
    {"times", GIVEN(SLOT), SEAT_EVENT(50, 40, 30, NOON, NOON + 2, NOON + 1)},
    {"times", GIVEN(SLOT), SEAT_EVENT(50, 40, 30, NOON, NOON + 2, INT64_MAX)},
    {"in that state", GIVEN(SLOT), BACK_EVENT(1, 40, 30, ANN)},
    {"in that state", GIVEN(SLOT, ANNS, CANCELLED(50, ANN, 40, 30)), BACK_EVENT(3, 40, 30, ANN)},
    {"another slot", GIVEN(SLOT, ANNS), BACK_EVENT(2, 41, 30, ANN)},
    {"another slot", GIVEN(SLOT, ANNS), BACK_EVENT(2, 40, 31, ANN)},
    {"another slot", GIVEN(SLOT, ANNS), BACK_EVENT(2, 40, 30, BOB)},
    {"next version", GIVEN(SLOT, ANNS), BACK_EVENT(1, 40, 30, ANN)},
    {"no seat", GIVEN(SLOT, CAPACITY(40, 0, 1), ANNS), HELD(51, BOB, 40, 30, NOON, NINE)},
    {"by the start", GIVEN(SLOT), HELD(50, ANN, 40, 30, NOON, NOON + 1)},
    {"by the start", GIVEN(SLOT), HELD(50, ANN, 40, 30, NOON, 0)},
    {"in that state", GIVEN(SLOT, ANNS), HOLD_CONFIRMED(50, ANN, 40, 30)},
    {"in that state", GIVEN(SLOT, ANNS), HOLD_EXPIRED(50, ANN, 40, 30)},
    {"another slot", GIVEN(SLOT, HELD(50, ANN, 40, 30, NOON, NINE)), HOLD_EXPIRED(50, BOB, 40, 30)},
    {"no seat", GIVEN(SLOT, CAPACITY(40, 0, 1), ANNS, JOINED(51, BOB, 40, 30)),
     OFFERED(51, 2, BOB, 40, 30, NINE)},
    {"by the start", GIVEN(SLOT, JOINED(51, BOB, 40, 30)), OFFERED(51, 2, BOB, 40, 30, NOON + 1)},
    {"in that state", GIVEN(SLOT, ANNS), OFFERED(50, 2, ANN, 40, 30, NINE)},
    {"in that state", GIVEN(SLOT, JOINED(51, BOB, 40, 30)), OFFER_ACCEPTED(51, 2, BOB, 40, 30)},
    {"in that state", GIVEN(SLOT, ANNS, CANCELLED_BY_STAFF(50, 2, ANN, 40, 30, OTHER)),
     CANCELLED_BY_STAFF(50, 3, ANN, 40, 30, OTHER)},
    {"another slot", GIVEN(SLOT, ANNS), CANCELLED_BY_STAFF(50, 2, BOB, 40, 30, OTHER)},
    {"in that state", GIVEN(SLOT, ANNS, CANCELLED(50, ANN, 40, 30)),
     CANCELLED_WITH_SLOT(50, 3, ANN, 40, 30, OTHER)},
    {"no such slot of the exam", GIVEN(SLOT), SLOT_CLOSED(41, 1, 30)},
    {"no such slot of the exam", GIVEN(SLOT), SLOT_CLOSED(40, 2, 31)},
    {"cancelled already", GIVEN(SLOT, SLOT_CLOSED(40, 0, 30)), SLOT_CLOSED(40, 3, 30)},
    {"cancelled already", GIVEN(SLOT, SLOT_CANCELLED(40, 0, 30, OTHER)), SLOT_CLOSED(40, 3, 30)},
    {"no such slot of the exam", GIVEN(SLOT), SLOT_CANCELLED(40, 2, 31, OTHER)},
    {"cancelled already", GIVEN(SLOT, SLOT_CANCELLED(40, 0, 30, OTHER)),
     SLOT_CANCELLED(40, 3, 30, OTHER)},
    {"in that state", GIVEN(SLOT, HELD(50, ANN, 40, 30, NOON, NINE)), CAME(50, 2, ANN, 40, 30)},
    {"in that state", GIVEN(SLOT, HELD(50, ANN, 40, 30, NOON, NINE)),
     STAYED_AWAY(50, 2, ANN, 40, 30, OTHER)},
    {"no such slot of the exam", GIVEN(SLOT), ASSIGNED(41, 1, 30, TOM)},
    {"no such slot of the exam", GIVEN(SLOT), ASSIGNED(40, 2, 31, TOM)},
    {"assigned already", GIVEN(SLOT, ASSIGNED(40, 2, 30, TOM)), ASSIGNED(40, 3, 30, TOM)},
    {"no such slot of the exam", GIVEN(SLOT, ASSIGNED(40, 2, 30, TOM)), RELEASED(40, 3, 31, TOM)},
    {"not assigned", GIVEN(SLOT, ASSIGNED(40, 2, 30, TOM)), RELEASED(40, 3, 30, BOB)},
    {"that is not withdrawn", GIVEN(SLOT), WITHDRAWN(31, 1, OTHER, NINE)},
    {"that is not withdrawn", GIVEN(SLOT, WITHDRAWN(30, 3, OTHER, NINE)),
     WITHDRAWN(30, 4, OTHER, NINE)},
    {"closed or cancelled already", GIVEN(SLOT, WITHDRAWN(30, 3, OTHER, NINE)),
     SLOT_CLOSED(40, 2, 30)},
    {"slot is cancelled", GIVEN(SLOT, SLOT_CANCELLED(40, 0, 30, OTHER)), ANNS},
    {"slot is cancelled", GIVEN(TWO_SLOTS, ANNS, SLOT_CANCELLED(40, 0, 30, OTHER)),
     MOVED(50, 2, ANN, 41, 30, NOON, 40, NOON)},
    {"slot is cancelled", GIVEN(TWO_SLOTS, ANNS, SLOT_CANCELLED(41, 0, 30, OTHER)),
     MOVED(50, 2, ANN, 41, 30, NOON, 40, NOON)},
    {"not withdrawn", GIVEN(SLOT, WITHDRAWN(30, 3, OTHER, NINE)), REVISED(30, 4, "Algebra II", 90)},
    {"not withdrawn", GIVEN(SLOT, WITHDRAWN(30, 3, OTHER, NINE)), PUBLISHED(30, 4, 2)},
    {"no such version", GIVEN(SLOT, WITHDRAWN(30, 3, OTHER, NINE)), OPENED(41, 30, NOON, 1)},
    {"in that state", GIVEN(TWO_SLOTS), MOVED(50, 1, ANN, 41, 30, NOON, 40, NOON)},
    {"in that state", GIVEN(TWO_SLOTS, HELD(50, ANN, 40, 30, NOON, NINE)),
     MOVED(50, 2, ANN, 41, 30, NOON, 40, NOON)},
    {"another slot", GIVEN(TWO_SLOTS, ANNS), MOVED(50, 2, ANN, 40, 30, NOON, 41, NOON)},
    {"another slot", GIVEN(TWO_SLOTS, ANNS), MOVED(50, 2, BOB, 41, 30, NOON, 40, NOON)},
    {"another slot", GIVEN(TWO_SLOTS, ANNS), MOVED(50, 2, ANN, 41, 31, NOON, 40, NOON)},
    {"other times", GIVEN(TWO_SLOTS, ANNS), MOVED(50, 2, ANN, 41, 30, NOON, 40, NOON + 1)},
    {"other slot", GIVEN(TWO_SLOTS, ANNS), MOVED(50, 2, ANN, 40, 30, NOON, 40, NOON)},
    {"other slot", GIVEN(TWO_SLOTS, ANNS), MOVED(50, 2, ANN, 42, 30, NOON, 40, NOON)},
    {"no seat", GIVEN(TWO_SLOTS, ANNS, RESERVED(51, BOB, 41, 30, NOON)),
     MOVED(50, 2, ANN, 41, 30, NOON, 40, NOON)},
    {"no seat", GIVEN(TWO_SLOTS, ANNS, RESERVED(51, BOB, 41, 30, NOON)),
     MOVED_BY_STAFF(50, 2, ANN, 41, 30, NOON, 40, NOON, OTHER)},
    {"in that state", GIVEN(TWO_SLOTS, ANNS, CAME(50, 2, ANN, 40, 30)),
     MOVED_BY_STAFF(50, 3, ANN, 41, 30, NOON, 40, NOON, OTHER)},
    {"another slot", GIVEN(TWO_SLOTS, ANNS),
     MOVED_BY_STAFF(50, 2, BOB, 41, 30, NOON, 40, NOON, OTHER)},
    {"times", GIVEN(TWO_SLOTS, ANNS), MOVED(50, 2, ANN, 41, 30, -1, 40, NOON)},
    {"next version", GIVEN(TWO_SLOTS, ANNS), MOVED(50, 3, ANN, 41, 30, NOON, 40, NOON)},
    {"next version", GIVEN(SLOT, ANNS), JOINED(50, ANN, 40, 30)},
    {"no such slot", GIVEN(ALGEBRA), JOINED(51, BOB, 40, 30)},
    {"closed already", GIVEN(SLOT, WAITLIST_CLOSED(40, 0, 30)), WAITLIST_CLOSED(40, 3, 30)},
    {"no such slot", GIVEN(SLOT), WAITLIST_CLOSED(40, 2, 31)},
    {"minutes", GIVEN(CREATED), RULES_SET(2, 0)},
    {"minutes", GIVEN(CREATED), RULES_SET(2, UINT32_MAX)},
    {"no such slot", GIVEN(ALGEBRA), HARD_END(40, 1, 30, NOON + MINUTES(90))},
    {"no such slot", GIVEN(SLOT), HARD_END(40, 2, 31, NOON + MINUTES(90))},
    {"would not be over", GIVEN(SLOT), HARD_END(40, 2, 30, NOON + MINUTES(90) - 1)},
    {"in that state", GIVEN(SLOT), SITTING_CHANGED(50, 1, ANN, 40, 30, NOON, 1)},
    {"in that state", GIVEN(SLOT, JOINED(50, ANN, 40, 30)),
     SITTING_CHANGED(50, 2, ANN, 40, 30, NOON, 1)},
    {"in that state", GIVEN(SLOT, ANNS, CANCELLED(50, ANN, 40, 30)),
     SITTING_CHANGED(50, 3, ANN, 40, 30, NOON, 1)},
    {"another slot", GIVEN(SLOT, ANNS), SITTING_CHANGED(50, 2, BOB, 40, 30, NOON, 1)},
    {"another slot", GIVEN(SLOT, ANNS), SITTING_CHANGED(50, 2, ANN, 41, 30, NOON, 1)},
    {"another slot", GIVEN(SLOT, ANNS), SITTING_CHANGED(50, 2, ANN, 40, 31, NOON, 1)},
    {"another time", GIVEN(SLOT, ANNS), SITTING_CHANGED(50, 2, ANN, 40, 30, NOON + 1, 1)},
    {"times", GIVEN(SLOT, ANNS), SITTING_CHANGED(50, 2, ANN, 40, 30, NOON, -90)},
    {"in that state", GIVEN(SLOT), MARKED(50, 1, ANN, 40, 30, "calendar")},
    {"another slot", GIVEN(SLOT, ANNS), MARKED(50, 2, BOB, 40, 30, "calendar")},
    {"such a reason", GIVEN(SLOT, ANNS), MARKED(50, 2, ANN, 40, 30, "weather")},
    {"in that state", GIVEN(SLOT), CLEARED(50, 1, ANN, 40, 30)},
    {"another slot", GIVEN(SLOT, ANNS, MARKED(50, 0, ANN, 40, 30, "hard-end")),
     CLEARED(50, 3, BOB, 40, 30)},
    {"no replacement", GIVEN(SLOT, ANNS), CLEARED(50, 2, ANN, 40, 30)},
    {"next version", GIVEN(CREATED, ANN_HAS_MORE), ANN_HAS_MORE},
    {"factor", GIVEN(CREATED), MORE_TIME(70, ANN, 99, 0, 0, NINE, NOON)},
    {"factor", GIVEN(CREATED), MORE_TIME(70, ANN, 401, 0, 0, NINE, NOON)},
    {"minutes", GIVEN(CREATED), MORE_TIME(70, ANN, 100, UINT32_MAX, 0, NINE, NOON)},
    {"minutes", GIVEN(CREATED), MORE_TIME(70, ANN, 100, 0, UINT32_MAX, NINE, NOON)},
    {"times", GIVEN(CREATED), MORE_TIME(70, ANN, 100, 0, 0, -1, NOON)},
    {"times", GIVEN(CREATED), MORE_TIME(70, ANN, 100, 0, 0, NINE, INT64_MAX)},
    {"never valid", GIVEN(CREATED), MORE_TIME(70, ANN, 100, 0, 0, NOON, NOON)},
    {"another is", GIVEN(CREATED, ANN_HAS_MORE), MORE_TIME(71, ANN, 100, 0, 0, NOON - 1, NOON + 1)},
    {"no such accommodation", GIVEN(CREATED), MORE_TIME_REVISED(70, 1, ANN, 100, 0, 0, NINE, NOON)},
    {"another student's", GIVEN(CREATED, ANN_HAS_MORE),
     MORE_TIME_REVISED(70, 2, BOB, 100, 0, 0, NINE, NOON)},
    {"factor", GIVEN(CREATED, ANN_HAS_MORE), MORE_TIME_REVISED(70, 2, ANN, 0, 0, 0, NINE, NOON)},
    {"another is", GIVEN(CREATED, ANN_HAS_MORE, MORE_TIME(71, ANN, 100, 0, 0, NOON, NOON + 1)),
     MORE_TIME_REVISED(70, 2, ANN, 100, 0, 0, NINE, NOON + 1)},
    {"is revoked", GIVEN(CREATED, ANN_HAS_MORE, MORE_TIME_REVOKED(70, 0, ANN)),
     MORE_TIME_REVISED(70, 3, ANN, 100, 0, 0, NINE, NOON)},
    {"is revoked", GIVEN(CREATED, ANN_HAS_MORE, MORE_TIME_REVOKED(70, 0, ANN)),
     MORE_TIME_REVOKED(70, 3, ANN)},
    {"another student's", GIVEN(CREATED, ANN_HAS_MORE), MORE_TIME_REVOKED(70, 2, BOB)},
    {"no such accommodation", GIVEN(CREATED), MORE_TIME_REVOKED(70, 1, ANN)},
    {"such slot of the exam", GIVEN(SLOT), REMINDER_SET(40, 2, 31, NINE)},
    {"not before the start", GIVEN(SLOT), REMINDER_SET(40, 2, 30, NOON)},
    {"set already", GIVEN(SLOT, REMINDER_SET(40, 0, 30, NINE)), REMINDER_SET(40, 3, 30, NINE)},
    {"set already", GIVEN(SLOT, REMINDER_SET(40, 0, 30, NINE), SLOT_REMINDED(40, 0, 30, 0)),
     REMINDER_SET(40, 4, 30, NINE)},
    {"nobody is to be reminded",
     GIVEN(SLOT, REMINDER_SET(40, 0, 30, NINE), ANNS, SLOT_REMINDED(40, 0, 30, 0)),
     REMINDED(50, 2, ANN, 40, 30)},
    {"nobody is to be reminded",
     GIVEN(SLOT, REMINDER_SET(40, 0, 30, NINE), SLOT_REMINDED(40, 0, 30, 0)),
     SLOT_REMINDED(40, 4, 30, 0)},
    {"such slot of the exam", GIVEN(SLOT, REMINDER_SET(40, 0, 30, NINE)),
     SLOT_REMINDED(40, 3, 31, 1)},
    {"nobody is to be reminded", GIVEN(SLOT), SLOT_REMINDED(40, 2, 30, 1)},
    {"nobody is to be reminded",
     GIVEN(SLOT, REMINDER_SET(40, 0, 30, NINE), SLOT_REMINDED(40, 0, 30, 1)),
     SLOT_REMINDED(40, 4, 30, 1)},
    {"nobody is to be reminded", GIVEN(SLOT, REMINDER_SET(40, 0, 30, NINE), ANNS),
     REMINDED(50, 2, ANN, 40, 30)},
    {"nobody is to be reminded",
     GIVEN(SLOT, REMINDER_SET(40, 0, 30, NINE), SLOT_REMINDED(40, 0, 30, 1), ANNS),
     REMINDED(50, 2, ANN, 40, 30)},
    {"in that state", GIVEN(SLOT), REMINDED(50, 1, ANN, 40, 30)},
    {"another slot", GIVEN(SLOT, REMINDER_SET(40, 0, 30, NINE), ANNS, SLOT_REMINDED(40, 0, 30, 1)),
     REMINDED(50, 2, BOB, 40, 30)},
    {"no such notification", GIVEN(SLOT), READ(ANN, 1, 1, 0)},
    {"no such notification", GIVEN(SLOT, ANNS), READ(ANN, 1, 2, 0)},
    {"no such notification", GIVEN(SLOT, ANNS), READ(ANN, 1, 0, 1)},
    {"read already", GIVEN(SLOT, ANNS, READ(ANN, 0, 1, 0)), READ(ANN, 2, 1, 1)},
    {"empty, too long", GIVEN(CREATED), ITEM("", "P", YES_NO, KEY_YES, 1, 0)},
    {"empty, too long", GIVEN(CREATED), ITEM("T", "", YES_NO, KEY_YES, 1, 0)},
    {"empty, too long", GIVEN(CREATED), ITEM("T", "P", LIST(1, "\x91\x91\xa0"), KEY_YES, 1, 0)},
    {"empty, too long", GIVEN(CREATED), ITEM("T", "P", LIST(21, "\x90"), KEY_YES, 1, 0)},
    {"empty, too long", GIVEN(CREATED), ITEM("T", "P", YES_NO, LIST(41, "\x90"), 1, 0)},
    {"empty, too long", GIVEN(CREATED), ITEM("T", "P", YES_NO, KEY_YES, 0, 0)},
    {"too large", GIVEN(CREATED), ITEM("T", "P", YES_NO, KEY_YES, 10001, 0)},
    {"too large", GIVEN(CREATED), ITEM("T", "P", YES_NO, KEY_YES, 1, 10001)},
    {"the hash is not", GIVEN(CREATED), ITEM("T", "P", YES_NO, KEY_YES, 1, 0)},
    {"no such item", GIVEN(CREATED), NEXT(90, 1, 2)},
    {"not retired", GIVEN(CREATED, IN_BANK(90), OUT_OF_USE(90, 0, 1)), NEXT(90, 3, 2)},
    {"the item's next version", GIVEN(CREATED, IN_BANK(90)), NEXT(90, 2, 3)},
    {"no such item", GIVEN(CREATED), OUT_OF_USE(90, 1, 1)},
    {"the item's last version", GIVEN(CREATED, IN_BANK(90)), OUT_OF_USE(90, 2, 2)},
    {"the next key", GIVEN(CREATED), CORRECTED(90, 1, 1, 2)},
    {"the next key", GIVEN(CREATED, IN_BANK(90)), CORRECTED(90, 2, 2, 2)},
    {"the next key", GIVEN(CREATED, IN_BANK(90)), CORRECTED(90, 2, 1, 3)},
    {"no such exam", GIVEN(CREATED, IN_BANK(90)), BOUND(30, 1, FIRST_OF_90, 2)},
    {"not withdrawn", GIVEN(CREATED, IN_BANK(90), DRAFTED(30), WITHDRAWN(30, 0, OTHER, NINE)),
     BOUND(30, 3, FIRST_OF_90, 2)},
    {"no such version", GIVEN(CREATED, DRAFTED(30)), BOUND(30, 2, FIRST_OF_90, 2)},
    {"no such version", GIVEN(CREATED, IN_BANK(90), IN_BANK(91), DRAFTED(30)),
     BOUND(30, 2, SECOND_AND_91, 4)},
    {"the sum", GIVEN(CREATED, IN_BANK(90), DRAFTED(30)), BOUND(30, 2, FIRST_OF_90, 3)},
    {"there twice", GIVEN(CREATED, IN_BANK(90), NEXT(90, 0, 2), DRAFTED(30)),
     BOUND(30, 2, TWICE_90, 4)},
    {"too many items", GIVEN(CREATED, IN_BANK(90), DRAFTED(30)), BOUND(30, 2, TOO_MANY, 0)},
    {"unknown", GIVEN(SLOT), {.type = PW_EVENT_COUNT, .stream_id = ID(50), .stream_version = 1}},
};

Test(state, what_does_not_fit_is_damage)
{
    for (size_t i = 0; i < PW_COUNT(damages); i++) {
        const struct damage *damage = &damages[i];
        struct pw_state *state = pw_state_new();
        struct pw_err err = {0};
        world_fold(state, damage->given, damage->given_count);
        enum pw_code code = pw_state_evolve(state, &world_tenant_id, &damage->event, NULL, &err);
        cr_expect_eq(code, PW_ERR_LEDGER_DAMAGED, "damage %zu, %s: %s", i, damage->why,
                     pw_error_info(code)->name);
        cr_expect(strstr(err.detail, damage->why) != NULL, "damage %zu, %s: %s", i, damage->why,
                  err.detail);
        pw_state_free(state);
    }
}

static struct pw_hash bytes_of(const struct pw_state *state)
{
    struct pw_buffer buffer;
    pw_buffer_init(&buffer, 1 << 20);
    pw_state_serialise(state, &buffer);
    cr_assert(!buffer.full);
    struct pw_hash hash = pw_sha256(buffer.data, buffer.bytes, NULL, 0);
    pw_buffer_close(&buffer);
    return hash;
}

/* Each event more makes other bytes: nothing of the state is left out of them. */
Test(state, every_event_shows_in_the_bytes)
{
    static const struct pw_event events[] = {
        SLOT,
        TRUSTED(0, "sso", 1),
        REVISED(30, 0, "Algebra", 91),
        PUBLISHED(30, 0, 2),
        CAPACITY(40, 0, 3),
        ANNS,
        RESERVED(51, BOB, 40, 30, NOON),
        HARD_END(40, 0, 30, NOON + MINUTES(100)),
        SITTING_CHANGED(50, 0, ANN, 40, 30, NOON, 1),
        MARKED(50, 0, ANN, 40, 30, "hard-end"),
        MARKED(50, 0, ANN, 40, 30, "calendar"),
        CLEARED(50, 0, ANN, 40, 30),
        CANCELLED(50, ANN, 40, 30),
        ANN_HAS_MORE,
        MORE_TIME(71, ANN, 100, 0, 0, 0, NINE),
        MORE_TIME_REVISED(70, 0, ANN, 150, 0, 0, NINE, NOON),
        MORE_TIME_REVOKED(71, 0, ANN),
        MORE_TIME_REVOKED(70, 0, ANN),
    };
    struct pw_hash seen[PW_COUNT(events) + 1];
    struct pw_state *state = pw_state_new();
    seen[0] = bytes_of(state);
    for (uint32_t i = 0; i < PW_COUNT(events); i++) {
        world_fold(state, &events[i], 1);
        seen[i + 1] = bytes_of(state);
        for (uint32_t j = 0; j <= i; j++) {
            cr_expect(!pw_hash_equal(&seen[j], &seen[i + 1]), "events %u and %u", j, i + 1);
        }
    }
    pw_state_free(state);
    pw_state_free(NULL);
}

Test(state, reads_what_was_folded)
{
    static const struct pw_event events[] = {
        SLOT, REVISED(30, 0, "Analysis", 120), TRUSTED(0, "sso", 9),
        ANNS, RESERVED(51, BOB, 40, 30, NOON), CANCELLED(50, ANN, 40, 30)};
    struct pw_state *state = pw_state_new();
    world_fold(state, events, PW_COUNT(events));
    const struct pw_tenant *tenant = pw_state_tenant(state, &world_tenant_id);
    cr_assert_not_null(tenant);
    cr_expect_null(pw_state_tenant(state, &(struct pw_id)OTHER_TENANT));
    cr_expect_eq(pw_tenant_version(tenant), 2);

    const struct pw_exam *exam = pw_tenant_exam(tenant, &(struct pw_id)ID(30));
    cr_expect(memcmp(exam->draft.title, "Analysis", exam->draft.title_bytes) == 0 &&
              memcmp(exam->published.title, "Algebra", exam->published.title_bytes) == 0);
    cr_expect(exam->draft.duration_minutes == 120 && exam->published.duration_minutes == 90 &&
              exam->published_number == 1 && exam->version == 3);
    const struct pw_slot *slot = pw_tenant_slot(tenant, &(struct pw_id)ID(40));
    cr_expect(slot->taken_count == 1 && slot->capacity == 2 && slot->version == 1 &&
              slot->ends_at_us == NOON + MINUTES(90));
    const struct pw_reservation *anns = pw_tenant_reservation(tenant, &(struct pw_id)ID(50));
    cr_expect(anns->state == PW_RESERVATION_GIVEN_BACK && anns->version == 2 &&
              anns->free_again_at_us == NOON + MINUTES(105));
    cr_expect_null(pw_tenant_reservation(tenant, &(struct pw_id)ID(52)));

    uint32_t count;
    const struct pw_issuer *issuers = pw_tenant_issuers(tenant, &count);
    cr_expect(count == 1 && issuers[0].name_bytes == 3 && issuers[0].public_key.bytes[0] == 9);
    cr_expect_eq(pw_stream_version(tenant, PW_AGGREGATE_reservation, &(struct pw_id)ID(51)), 1);
    cr_expect_eq(pw_stream_version(tenant, PW_AGGREGATE_tenant, &(struct pw_id)ID(51)), 0);
    cr_expect_eq(pw_stream_version(NULL, PW_AGGREGATE_slot, &(struct pw_id)ID(40)), 0);
    cr_expect_gt(pw_state_memory_bytes(state), 1000);
    pw_state_free(state);
}

Test(state, a_cancelled_reservation_is_out_of_the_chain)
{
    static const struct pw_event events[] = {
        SLOT,
        ANNS,
        DRAFTED(31),
        PUBLISHED(31, 0, 1),
        OPENED(41, 31, NOON + MINUTES(600), 1),
        RESERVED(51, ANN, 41, 31, NOON + MINUTES(600)),
    };
    static const struct pw_event newest_back[] = {CANCELLED(51, ANN, 41, 31)};
    struct pw_state *state = pw_state_new();
    world_fold(state, events, PW_COUNT(events));
    const struct pw_tenant *tenant = pw_state_tenant(state, &world_tenant_id);
    const struct pw_reservation *newest = pw_tenant_reservation(tenant, &(struct pw_id)ID(51));
    cr_expect(pw_id_equal(&newest->next_id, &(struct pw_id)ID(50)));
    world_fold(state, newest_back, 1);
    newest = pw_tenant_reservation(tenant, &(struct pw_id)ID(51));
    cr_expect(pw_id_is_nil(&newest->next_id));
    const struct pw_student *ann = pw_map_get(tenant->students, &(struct pw_id)ANN);
    cr_expect(ann != NULL && pw_id_equal(&ann->first_id, &(struct pw_id)ID(50)));
    pw_state_free(state);
}

/* Waiting, held, offered, came, stayed away; and all that are taken. */
static void expect_counts(const struct pw_state *state, uint8_t id, const uint32_t counts[6])
{
    const struct pw_slot *slot =
        pw_tenant_slot(pw_state_tenant(state, &world_tenant_id), &(struct pw_id)ID(id));
    const uint32_t got[] = {slot->waiting_count,  slot->held_count,    slot->offered_count,
                            slot->attended_count, slot->no_show_count, slot->taken_count};
    for (size_t i = 0; i < PW_COUNT(got); i++) {
        cr_expect_eq(got[i], counts[i], "slot %u, count %zu: %u", id, i, got[i]);
    }
}

/* What they are after each event; and they are the same of a state that was read. */
Test(state, a_slot_counts_what_became_of_its_reservations)
{
    static const struct {
        struct pw_event event;
        uint32_t counts[6];
    } steps[] = {
        {RESERVED(50, ANN, 40, 30, NOON), {0, 0, 0, 0, 0, 1}},
        {HELD(51, BOB, 40, 30, NOON, NOON - 1), {0, 1, 0, 0, 0, 2}},
        {JOINED(52, TOM, 40, 30), {1, 1, 0, 0, 0, 2}},
        {JOINED(53, TEA, 40, 30), {2, 1, 0, 0, 0, 2}},
        {PRIORITISED(53, 0, TEA, 40, 30, 7), {2, 1, 0, 0, 0, 2}},
        {HOLD_EXPIRED(51, BOB, 40, 30), {2, 0, 0, 0, 0, 1}},
        {OFFERED(53, 0, TEA, 40, 30, NOON), {1, 0, 1, 0, 0, 2}},
        {OFFER_ACCEPTED(53, 0, TEA, 40, 30), {1, 0, 0, 0, 0, 2}},
        {CANCELLED(53, TEA, 40, 30), {1, 0, 0, 0, 0, 1}},
        {CAME(50, 0, ANN, 40, 30), {1, 0, 0, 1, 0, 1}},
        {STAYED_AWAY(50, 0, ANN, 40, 30, OTHER), {1, 0, 0, 0, 1, 1}},
        {HELD(54, ANN, 40, 30, NOON, NOON - 1), {1, 1, 0, 0, 1, 2}},
    };
    static const struct pw_event given[] = {SLOT};
    struct pw_state *state = pw_state_new();
    world_fold(state, given, PW_COUNT(given));
    for (size_t i = 0; i < PW_COUNT(steps); i++) {
        struct pw_buffer bytes;
        struct pw_state *read = pw_state_new();
        world_fold(state, &steps[i].event, 1);
        expect_counts(state, 40, steps[i].counts);
        pw_buffer_init(&bytes, 1 << 20);
        pw_state_serialise(state, &bytes);
        struct pw_cursor cursor = pw_cursor_of(bytes.data, bytes.bytes);
        pw_state_read(read, &cursor);
        cr_expect(pw_cursor_done(&cursor));
        expect_counts(read, 40, steps[i].counts);
        pw_state_free(read);
        pw_buffer_close(&bytes);
    }
    pw_state_free(state);
}

Test(state, only_students_with_a_seat_have_a_chain)
{
    static const struct pw_event events[] = {SLOT, ANNS, CANCELLED(50, ANN, 40, 30)};
    struct pw_state *state = pw_state_new();
    world_fold(state, events, PW_COUNT(events));
    cr_expect_eq(pw_map_count(pw_state_tenant(state, &world_tenant_id)->students), 0);
    pw_state_free(state);
}

/* The factors that count for Ann before nine, from nine on and from noon on; 0: none does. */
static void expect_factors(const struct pw_state *state, uint32_t before, uint32_t from_nine,
                           uint32_t from_noon)
{
    static const struct pw_id ann = ANN;
    static const int64_t moments[] = {NINE - 1, NINE, NOON};
    const uint32_t factors[] = {before, from_nine, from_noon};
    const struct pw_tenant *tenant = pw_state_tenant(state, &world_tenant_id);
    for (size_t i = 0; i < PW_COUNT(moments); i++) {
        const struct pw_accommodation *found = pw_accommodation_at(tenant, &ann, moments[i], NULL);
        cr_expect_eq(found != NULL ? found->factor_percent : 0, factors[i], "moment %zu", i);
    }
    cr_expect_null(pw_accommodation_at(tenant, &ann, NOON + 1, NULL));
}

/* Whichever is taken out of it, and put back by undo. */
Test(state, a_students_accommodations_are_a_chain)
{
    static const struct pw_event events[] = {
        CREATED, MORE_TIME(71, ANN, 125, 0, 0, 0, NINE), ANN_HAS_MORE,
        MORE_TIME(72, ANN, 200, 0, 0, NOON, NOON + 1), MORE_TIME(73, BOB, 300, 0, 0, 0, NOON)};
    static const struct {
        struct pw_event revoked;
        uint32_t factors[3];
    } ways[] = {
        {MORE_TIME_REVOKED(71, 2, ANN), {0, 150, 200}},
        {MORE_TIME_REVOKED(70, 2, ANN), {125, 0, 200}},
        {MORE_TIME_REVOKED(72, 2, ANN), {125, 150, 0}},
        {MORE_TIME_REVOKED(73, 2, BOB), {125, 150, 200}},
    };
    for (size_t i = 0; i < PW_COUNT(ways); i++) {
        struct pw_state *state = pw_state_new();
        struct pw_undo *undo = pw_undo_new();
        world_fold(state, events, PW_COUNT(events));
        expect_factors(state, 125, 150, 200);
        cr_assert_eq(pw_state_evolve(state, &world_tenant_id, &ways[i].revoked, undo, NULL), PW_OK);
        expect_factors(state, ways[i].factors[0], ways[i].factors[1], ways[i].factors[2]);
        pw_undo_to(undo, 0);
        expect_factors(state, 125, 150, 200);
        pw_undo_free(undo);
        pw_state_free(state);
    }
}

Test(state, a_tenant_that_was_undone_can_be_made_again)
{
    static const struct pw_event events[] = {SLOT, TRUSTED(0, "sso", 1), ANNS, ANN_HAS_MORE};
    struct pw_state *state = pw_state_new();
    struct pw_undo *undo = pw_undo_new();
    struct pw_hash empty = bytes_of(state);
    struct pw_hash full;
    uint64_t memory_bytes = 0;
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < PW_COUNT(events); i++) {
            struct pw_event event = events[i];
            const struct pw_tenant *tenant = pw_state_tenant(state, &world_tenant_id);
            event.stream_version =
                pw_stream_version(tenant, pw_event_info(event.type)->aggregate, &event.stream_id) +
                1;
            cr_assert_eq(pw_state_evolve(state, &world_tenant_id, &event, undo, NULL), PW_OK);
        }
        struct pw_hash bytes = bytes_of(state);
        cr_expect(round == 0 || pw_hash_equal(&bytes, &full));
        cr_expect(round == 0 || pw_state_memory_bytes(state) == memory_bytes, "its memory serves");
        full = bytes;
        memory_bytes = pw_state_memory_bytes(state);
        pw_undo_to(undo, 0);
        cr_expect_null(pw_state_tenant(state, &world_tenant_id));
        bytes = bytes_of(state);
        cr_expect(pw_hash_equal(&bytes, &empty));
    }
    pw_undo_free(undo);
    pw_state_free(state);
}

/* The place that a distrusted issuer leaves is written over by the next one that is trusted. */
Test(state, issuers_come_back_as_they_were)
{
    static const struct pw_event before[] = {CREATED, TRUSTED(0, "a", 1), TRUSTED(0, "b", 2),
                                             TRUSTED(0, "c", 3)};
    for (uint8_t gone = 0; gone < 3; gone++) {
        struct pw_state *state = pw_state_new();
        struct pw_undo *undo = pw_undo_new();
        world_fold(state, before, PW_COUNT(before));
        struct pw_hash bytes = bytes_of(state);
        const struct pw_tenant_issuer_trusted *issuer = &before[1 + gone].tenant_issuer_trusted;
        struct pw_event distrusted = {
            .type = PW_EVENT_TENANT_ISSUER_DISTRUSTED,
            .stream_id = OUR_TENANT,
            .stream_version = 5,
            .tenant_issuer_distrusted = {issuer->issuer, issuer->public_key}};
        struct pw_event trusted = TRUSTED(6, "d", 4);
        cr_assert_eq(pw_state_evolve(state, &world_tenant_id, &distrusted, undo, NULL), PW_OK);
        cr_assert_eq(pw_state_evolve(state, &world_tenant_id, &trusted, undo, NULL), PW_OK);
        pw_undo_to(undo, 0);
        struct pw_hash again = bytes_of(state);
        cr_expect(pw_hash_equal(&bytes, &again), "without the issuer %u", gone);
        pw_undo_free(undo);
        pw_state_free(state);
    }
}
