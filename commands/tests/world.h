/* commands/tests/world.h: a small world for tests of deciders: given events, when a command, then
 * events or a refusal.
 *
 * Each command of the tables has a list of rows, rows_of_<aggregate>_<lower>, declared here from
 * the tables and read by tests/decide.c: a command without rows does not link. Stream versions of
 * given events are counted by the harness; those of `then` events are written out where they are
 * not 1.
 */
#ifndef PW_COMMANDS_TESTS_WORLD_H
#define PW_COMMANDS_TESTS_WORLD_H

#include "commands/decide.h"

#define ID(n)                                                                                      \
    {                                                                                              \
        {                                                                                          \
            [0] = 0x70, [15] = (n)                                                                 \
        }                                                                                          \
    }

/* Who and what there is. Ids of different kinds differ in their last byte. */
#define OUR_TENANT   ID(1)
#define OTHER_TENANT ID(2)
#define ANN          ID(10) /* Students. */
#define BOB          ID(11)
#define TEA          ID(12) /* The teacher whose exams these are, and another one. */
#define TOM          ID(13)
#define ADA          ID(14) /* An admin. */
#define OPS          ID(15) /* An operator. */

#define MINUTES(n) ((n)*PW_US_PER_MINUTE)
#define NINE       INT64_C(1800000000000000) /* When most commands are decided, on a clock of the test. */
#define NOON       (NINE + MINUTES(180))

struct row {
    const char *name;
    const struct pw_event *given;
    uint32_t given_count;
    struct pw_command when;
    struct pw_context by;
    enum pw_code code;
    const struct pw_event *then;
    uint32_t then_count;
    const char *detail; /* What a refusal's detail must contain, or NULL. */
    int64_t if_match;   /* Plus one; 0: none. */
};

struct rows {
    const struct row *rows;
    uint32_t count;
};

#define PW_COMMAND(aggregate, lower, ...) extern const struct rows rows_of_##aggregate##_##lower;
#include "schemas/all.def"

#define ROWS_OF(name) const struct rows rows_of_##name = {name##_rows, PW_COUNT(name##_rows)}

#define GIVEN(...)                                                                                 \
    (const struct pw_event[]){__VA_ARGS__}, PW_COUNT(((const struct pw_event[]){__VA_ARGS__}))
#define THEN(...)                                                                                  \
    .then = (const struct pw_event[]){__VA_ARGS__},                                                \
    .then_count = PW_COUNT(((const struct pw_event[]){__VA_ARGS__}))
#define NOTHING .then = NULL, .then_count = 0
#define NEW     NULL, 0 /* Nothing is given: the tenant does not exist. */

/* If-Match; a row without it has none. */
#define IF_MATCH(version) .if_match = (version) + 1

#define AT(actor, role_, at_us)                                                                    \
    {                                                                                              \
        .actor_id = actor, .role = PW_ROLE_##role_, .decided_at_us = (at_us)                       \
    }

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

/* Events, as rows write them down. */
#define CREATED                                                                                    \
    {                                                                                              \
        .type = PW_EVENT_TENANT_CREATED, .stream_id = OUR_TENANT, .stream_version = 1,             \
        .tenant_created = {                                                                        \
            TEXT("Graz"),                                                                          \
            TEXT("Europe/Vienna"),                                                                 \
            TEXT("de")                                                                             \
        }                                                                                          \
    }
#define DRAFTED_BY(teacher, exam, title_, minutes_, lead, buffer)                                  \
    {                                                                                              \
        .type = PW_EVENT_EXAM_DRAFTED, .stream_id = ID(exam), .stream_version = 1,                 \
        .exam_drafted = {                                                                          \
            TEXT(title_),                                                                          \
            minutes_,                                                                              \
            lead,                                                                                  \
            buffer,                                                                                \
            teacher                                                                                \
        }                                                                                          \
    }
#define DRAFTED(exam) DRAFTED_BY(TEA, exam, "Algebra", 90, 60, 15)
#define REVISED(exam, version, title_, minutes_)                                                   \
    {                                                                                              \
        .type = PW_EVENT_EXAM_DRAFT_REVISED, .stream_id = ID(exam), .stream_version = version,     \
        .exam_draft_revised = {                                                                    \
            TEXT(title_),                                                                          \
            minutes_,                                                                              \
            60,                                                                                    \
            15                                                                                     \
        }                                                                                          \
    }
/* The harness fills the hash of given ones; hash_of_algebra is that of DRAFTED. */
#define PUBLISHED(exam, version, number)                                                           \
    {                                                                                              \
        .type = PW_EVENT_EXAM_VERSION_PUBLISHED, .stream_id = ID(exam), .stream_version = version, \
        .exam_version_published = {                                                                \
            number,                                                                                \
            HASH_OF_ALGEBRA                                                                        \
        }                                                                                          \
    }
#define OPENED(slot, exam, starts, seats)                                                          \
    {                                                                                              \
        .type = PW_EVENT_SLOT_OPENED, .stream_id = ID(slot), .stream_version = 1, .slot_opened = { \
            ID(exam),                                                                              \
            1,                                                                                     \
            starts,                                                                                \
            (starts) + MINUTES(90),                                                                \
            60,                                                                                    \
            15,                                                                                    \
            seats                                                                                  \
        }                                                                                          \
    }
#define CAPACITY(slot, version, seats)                                                             \
    {                                                                                              \
        .type = PW_EVENT_SLOT_CAPACITY_CHANGED, .stream_id = ID(slot), .stream_version = version,  \
        .slot_capacity_changed = {                                                                 \
            seats                                                                                  \
        }                                                                                          \
    }
#define RESERVED(reservation, student, slot, exam, starts)                                         \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_RESERVED, .stream_id = ID(reservation), .stream_version = 1,  \
        .reservation_reserved = {                                                                  \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            starts,                                                                                \
            (starts) + MINUTES(90),                                                                \
            (starts) + MINUTES(105)                                                                \
        }                                                                                          \
    }
#define CANCELLED(reservation, student, slot, exam)                                                \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_CANCELLED, .stream_id = ID(reservation), .stream_version = 2, \
        .reservation_cancelled = {                                                                 \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }

#define CANCELLED_BY_STAFF(reservation, version, student, slot, exam, reason_)                     \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_CANCELLED_BY_STAFF, .stream_id = ID(reservation),             \
        .stream_version = version, .reservation_cancelled_by_staff = {                             \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            PW_REASON_##reason_                                                                    \
        }                                                                                          \
    }
#define HELD(reservation, student, slot, exam, starts, expires)                                    \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_HELD, .stream_id = ID(reservation), .stream_version = 1,      \
        .reservation_held = {                                                                      \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            starts,                                                                                \
            (starts) + MINUTES(90),                                                                \
            (starts) + MINUTES(105),                                                               \
            expires                                                                                \
        }                                                                                          \
    }
#define HOLD_CONFIRMED(reservation, student, slot, exam)                                           \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_HOLD_CONFIRMED, .stream_id = ID(reservation),                 \
        .stream_version = 2, .reservation_hold_confirmed = {                                       \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }
#define HOLD_EXPIRED(reservation, student, slot, exam)                                             \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_HOLD_EXPIRED, .stream_id = ID(reservation),                   \
        .stream_version = 2, .reservation_hold_expired = {                                         \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }
#define RULES_SET(version, minutes)                                                                \
    {                                                                                              \
        .type = PW_EVENT_TENANT_RULES_SET, .stream_id = OUR_TENANT, .stream_version = version,     \
        .tenant_rules_set = {                                                                      \
            minutes,                                                                               \
            PW_OFFER_MINUTES                                                                       \
        }                                                                                          \
    }
#define MOVED(reservation, version, student, slot, exam, starts, from_slot, from_starts)           \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_RESCHEDULED, .stream_id = ID(reservation),                    \
        .stream_version = version, .reservation_rescheduled = {                                    \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            starts,                                                                                \
            (starts) + MINUTES(90),                                                                \
            (starts) + MINUTES(105),                                                               \
            ID(from_slot),                                                                         \
            from_starts,                                                                           \
            (from_starts) + MINUTES(90),                                                           \
            (from_starts) + MINUTES(105)                                                           \
        }                                                                                          \
    }
#define MOVED_BY_STAFF(reservation, version, student, slot, exam, starts, from_slot, from_starts,  \
                       reason_)                                                                    \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_RESCHEDULED_BY_STAFF, .stream_id = ID(reservation),           \
        .stream_version = version, .reservation_rescheduled_by_staff = {                           \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            starts,                                                                                \
            (starts) + MINUTES(90),                                                                \
            (starts) + MINUTES(105),                                                               \
            ID(from_slot),                                                                         \
            from_starts,                                                                           \
            (from_starts) + MINUTES(90),                                                           \
            (from_starts) + MINUTES(105),                                                          \
            PW_REASON_##reason_                                                                    \
        }                                                                                          \
    }
#define JOINED(reservation, student, slot, exam)                                                   \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_WAITLIST_JOINED, .stream_id = ID(reservation),                \
        .stream_version = 1, .reservation_waitlist_joined = {                                      \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }
#define LEFT(reservation, version, student, slot, exam)                                            \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_WAITLIST_LEFT, .stream_id = ID(reservation),                  \
        .stream_version = version, .reservation_waitlist_left = {                                  \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }
#define OFFER_ACCEPTED(reservation, version, student, slot, exam)                                  \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_OFFER_ACCEPTED, .stream_id = ID(reservation),                 \
        .stream_version = version, .reservation_offer_accepted = {                                 \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }
#define OFFER_DECLINED(reservation, version, student, slot, exam)                                  \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_OFFER_DECLINED, .stream_id = ID(reservation),                 \
        .stream_version = version, .reservation_offer_declined = {                                 \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }
#define OFFER_EXPIRED(reservation, version, student, slot, exam)                                   \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_OFFER_EXPIRED, .stream_id = ID(reservation),                  \
        .stream_version = version, .reservation_offer_expired = {                                  \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }
#define PRIORITISED(reservation, version, student, slot, exam, priority_)                          \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_PRIORITISED, .stream_id = ID(reservation),                    \
        .stream_version = version, .reservation_prioritised = {                                    \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            priority_                                                                              \
        }                                                                                          \
    }
#define OFFERED(reservation, version, student, slot, exam, expires)                                \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_OFFERED, .stream_id = ID(reservation),                        \
        .stream_version = version, .reservation_offered = {                                        \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            expires                                                                                \
        }                                                                                          \
    }
#define CANCELLED_WITH_SLOT(reservation, version, student, slot, exam, reason_)                    \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_CANCELLED_WITH_SLOT, .stream_id = ID(reservation),            \
        .stream_version = version, .reservation_cancelled_with_slot = {                            \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            PW_REASON_##reason_                                                                    \
        }                                                                                          \
    }
#define SLOT_CLOSED(slot, version, exam)                                                           \
    {                                                                                              \
        .type = PW_EVENT_SLOT_CLOSED, .stream_id = ID(slot), .stream_version = version,            \
        .slot_closed = {                                                                           \
            ID(exam)                                                                               \
        }                                                                                          \
    }
#define SLOT_CANCELLED(slot, version, exam, reason_)                                               \
    {                                                                                              \
        .type = PW_EVENT_SLOT_CANCELLED, .stream_id = ID(slot), .stream_version = version,         \
        .slot_cancelled = {                                                                        \
            ID(exam),                                                                              \
            PW_REASON_##reason_                                                                    \
        }                                                                                          \
    }
#define ASSIGNED(slot, version, exam, proctor)                                                     \
    {                                                                                              \
        .type = PW_EVENT_SLOT_PROCTOR_ASSIGNED, .stream_id = ID(slot), .stream_version = version,  \
        .slot_proctor_assigned = {                                                                 \
            ID(exam),                                                                              \
            proctor                                                                                \
        }                                                                                          \
    }
#define RELEASED(slot, version, exam, proctor)                                                     \
    {                                                                                              \
        .type = PW_EVENT_SLOT_PROCTOR_RELEASED, .stream_id = ID(slot), .stream_version = version,  \
        .slot_proctor_released = {                                                                 \
            ID(exam),                                                                              \
            proctor                                                                                \
        }                                                                                          \
    }
#define CAME(reservation, version, student, slot, exam)                                            \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_MARKED_ATTENDED, .stream_id = ID(reservation),                \
        .stream_version = version, .reservation_marked_attended = {                                \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }
#define STAYED_AWAY(reservation, version, student, slot, exam, reason_)                            \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_MARKED_NO_SHOW, .stream_id = ID(reservation),                 \
        .stream_version = version, .reservation_marked_no_show = {                                 \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            PW_REASON_##reason_                                                                    \
        }                                                                                          \
    }
#define WITHDRAWN(exam, version, reason_, at_us)                                                   \
    {                                                                                              \
        .type = PW_EVENT_EXAM_WITHDRAWN, .stream_id = ID(exam), .stream_version = version,         \
        .exam_withdrawn = {                                                                        \
            PW_REASON_##reason_,                                                                   \
            at_us                                                                                  \
        }                                                                                          \
    }
#define WAITLIST_CLOSED(slot, version, exam)                                                       \
    {                                                                                              \
        .type = PW_EVENT_SLOT_WAITLIST_CLOSED, .stream_id = ID(slot), .stream_version = version,   \
        .slot_waitlist_closed = {                                                                  \
            ID(exam)                                                                               \
        }                                                                                          \
    }

#define HARD_END(slot, version, exam, at_us)                                                       \
    {                                                                                              \
        .type = PW_EVENT_SLOT_HARD_END_SET, .stream_id = ID(slot), .stream_version = version,      \
        .slot_hard_end_set = {                                                                     \
            ID(exam),                                                                              \
            at_us                                                                                  \
        }                                                                                          \
    }
#define REMINDER_SET(slot, version, exam, at_us)                                                   \
    {                                                                                              \
        .type = PW_EVENT_SLOT_REMINDER_SET, .stream_id = ID(slot), .stream_version = version,      \
        .slot_reminder_set = {                                                                     \
            ID(exam),                                                                              \
            at_us                                                                                  \
        }                                                                                          \
    }
#define SLOT_REMINDED(slot, version, exam, in_time)                                                \
    {                                                                                              \
        .type = PW_EVENT_SLOT_REMINDED, .stream_id = ID(slot), .stream_version = version,          \
        .slot_reminded = {                                                                         \
            ID(exam),                                                                              \
            in_time                                                                                \
        }                                                                                          \
    }
#define REMINDED(reservation, version, student, slot, exam)                                        \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_REMINDED, .stream_id = ID(reservation),                       \
        .stream_version = version, .reservation_reminded = {                                       \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }
#define READ(student, version, number, older)                                                      \
    {                                                                                              \
        .type = PW_EVENT_INBOX_READ, .stream_id = student, .stream_version = version,              \
        .inbox_read = {                                                                            \
            number,                                                                                \
            older                                                                                  \
        }                                                                                          \
    }
/* So many minutes more than the 90 of Algebra, which a factor or fixed minutes make. */
#define SITTING_CHANGED(reservation, version, student, slot, exam, starts, more)                   \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_SITTING_CHANGED, .stream_id = ID(reservation),                \
        .stream_version = version, .reservation_sitting_changed = {                                \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            starts,                                                                                \
            (starts) + MINUTES(90 + (more)),                                                       \
            (starts) + MINUTES(105 + (more))                                                       \
        }                                                                                          \
    }
#define MARKED(reservation, version, student, slot, exam, why_)                                    \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_NEEDS_REPLACEMENT_MARKED, .stream_id = ID(reservation),       \
        .stream_version = version, .reservation_needs_replacement_marked = {                       \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student,                                                                               \
            TEXT(why_)                                                                             \
        }                                                                                          \
    }
#define CLEARED(reservation, version, student, slot, exam)                                         \
    {                                                                                              \
        .type = PW_EVENT_RESERVATION_REPLACEMENT_CLEARED, .stream_id = ID(reservation),            \
        .stream_version = version, .reservation_replacement_cleared = {                            \
            ID(slot),                                                                              \
            ID(exam),                                                                              \
            student                                                                                \
        }                                                                                          \
    }
/* The last two arguments: from when on it is valid, and until when. */
#define MORE_TIME(id, student, factor, fixed, breaks, ...)                                         \
    {                                                                                              \
        .type = PW_EVENT_ACCOMMODATION_GRANTED, .stream_id = ID(id), .stream_version = 1,          \
        .accommodation_granted = {                                                                 \
            student,                                                                               \
            factor,                                                                                \
            fixed,                                                                                 \
            breaks,                                                                                \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define MORE_TIME_REVISED(id, version, student, factor, fixed, breaks, ...)                        \
    {                                                                                              \
        .type = PW_EVENT_ACCOMMODATION_REVISED, .stream_id = ID(id), .stream_version = version,    \
        .accommodation_revised = {                                                                 \
            student,                                                                               \
            factor,                                                                                \
            fixed,                                                                                 \
            breaks,                                                                                \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define MORE_TIME_REVOKED(id, version, student)                                                    \
    {                                                                                              \
        .type = PW_EVENT_ACCOMMODATION_REVOKED, .stream_id = ID(id), .stream_version = version,    \
        .accommodation_revoked = {                                                                 \
            student                                                                                \
        }                                                                                          \
    }

/* SHA-256 of 95 01 a7 "Algebra" 5a 3c 0f, computed apart from this code. */
#define HASH_OF_ALGEBRA                                                                            \
    {                                                                                              \
        {                                                                                          \
            0x00, 0x78, 0xe6, 0x57, 0xf0, 0x4c, 0x24, 0x5c, 0x46, 0x67, 0x1e, 0x82, 0x71, 0xe2,    \
                0x65, 0x4a, 0xf7, 0x06, 0xbd, 0x5b, 0xb1, 0x0f, 0xc6, 0x76, 0x82, 0xc6, 0xe6,      \
                0x78, 0x73, 0x10, 0xfd, 0x98                                                       \
        }                                                                                          \
    }

/* Folds events (stream versions counted here) onto a state; fails the test if one does not fit. */
void world_fold(struct pw_state *state, const struct pw_event *events, uint32_t event_count);

/* True when both are the same event, texts compared by content. */
bool world_same(const struct pw_event *a, const struct pw_event *b);

/* Whether a code is PW_OK, or one that the command's table entry lists. */
bool world_may_answer(enum pw_command_type type, enum pw_code code);

extern const struct pw_id world_tenant_id;

#endif
