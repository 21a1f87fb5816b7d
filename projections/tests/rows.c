/* projections/tests/rows.c: given events, the rows that the last of them changes; and how a batch
 * keeps rows. A row is written as text: ids by their last byte, NULL as a dash. */
#include "commands/tests/items.h"
#include "commands/tests/people.h"
#include "projections/batch.h"
#include "projections/galera.h"
#include "projections/inbox.h"

#include <criterion/criterion.h>
#include <stdio.h>

struct rows_row {
    const char *name;
    const struct pw_projection *projection;
    const struct pw_event *given;
    uint32_t given_count;
    const char *then; /* But for what a student is told. */
};

#define VERSION_1                                                                                  \
    "exam_versions: exam_id=#30 version_number=1 title=Algebra duration_minutes=90 "               \
    "lead_time_minutes=60 buffer_minutes=15 "
#define UNBOUND             "draft_items_hash=- published_items_hash=-\n"
#define LIST_OF_FIRST_OF_90 "\x91\x92\xc4\x10\x70~~~~~~~~~~~~~~\x5a\x01"
#define TEN                 (NINE + MINUTES(60))
#define ELEVEN              (NINE + MINUTES(120))
#define ALGEBRA                                                                                    \
    "exam_id=#30 owner_id=#12 draft_title=Algebra draft_duration_minutes=90 "                      \
    "draft_lead_time_minutes=60 draft_buffer_minutes=15 "
#define TOLD(number, kind)                                                                         \
    "notifications: student_id=#10 number=" number " kind=" kind                                   \
    " reservation_id=#50 slot_id=#40 "                                                             \
    "exam_id=#30 starts_at_us=1800003600000000 ends_at_us=1800009000000000 "
#define INBOX(count, unread, unread_count, version)                                                \
    "inboxes: student_id=#10 notification_count=" count " unread=" unread                          \
    " unread_count=" unread_count " version=" version "\n"
#define SLOT_AT_TEN                                                                                \
    "slots: slot_id=#40 exam_id=#30 exam_version=1 starts_at_us=1800003600000000 "                 \
    "ends_at_us=1800009000000000 hard_end_at_us=- lead_time_minutes=60 buffer_minutes=15 "
#define LIVE     "sessions: session_id=#60 user_id=#10 live=1 "
#define UNMARKED "held_count=0 offered_count=0 attended_count=0 no_show_count=0\n"
/* Of the reservation 50 in the slot 40, at ten. */
#define STEP(version, event, state)                                                                \
    "reservation_steps: reservation_id=#50 version=" version " event=reservation_" event           \
    " state=" state " slot_id=#40 from_slot_id=- starts_at_us=1800003600000000 "
#define AS_LONG "ends_at_us=1800009000000000 expires_at_us=- "
#define IS_MOVED                                                                                   \
    OPEN, OPENED(41, 30, ELEVEN, 3), RESERVED(50, ANN, 40, 30, TEN),                               \
        MOVED(50, 0, ANN, 41, 30, ELEVEN, 40, TEN)
#define IS_MOVED_BY_STAFF                                                                          \
    OPEN, OPENED(41, 30, ELEVEN, 3), RESERVED(50, ANN, 40, 30, TEN),                               \
        MOVED_BY_STAFF(50, 0, ANN, 41, 30, ELEVEN, 40, TEN, OTHER)
#define OPEN CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), OPENED(40, 30, TEN, 2)
#define SITS_AT_ELEVEN                                                                             \
    "reservations: reservation_id=#50 slot_id=#41 exam_id=#30 student_id=#10 state=1 "             \
    "starts_at_us=1800007200000000 ends_at_us=1800012600000000 "                                   \
    "free_again_at_us=1800013500000000 expires_at_us=- needs_replacement=0 version=2\n"
#define ONE_SEAT_AT_ELEVEN                                                                         \
    "slots: slot_id=#41 exam_id=#30 exam_version=1 starts_at_us=1800007200000000 "                 \
    "ends_at_us=1800012600000000 hard_end_at_us=- lead_time_minutes=60 buffer_minutes=15 "         \
    "capacity=3 taken_count=1 version=1 state=1 waiting_count=0 left_count=0 " UNMARKED            \
        SLOT_AT_TEN                                                                                \
    "capacity=2 taken_count=0 version=1 state=1 waiting_count=0 left_count=0 " UNMARKED
#define FREE_AT_TEN_NOT_AT_ELEVEN                                                                  \
    "calendar: student_id=#10 starts_at_us=1800007200000000 reservation_id=#50 slot_id=#41 "       \
    "exam_id=#30 ends_at_us=1800012600000000 free_again_at_us=1800013500000000 live=1\n"           \
    "calendar: student_id=#10 starts_at_us=1800003600000000 reservation_id=#50 slot_id=#40 "       \
    "exam_id=#30 ends_at_us=1800009000000000 free_again_at_us=1800009900000000 live=0\n"

static const struct rows_row rows[] = {
    {"a draft has no published part", &pw_exams_projection, GIVEN(CREATED, DRAFTED(30)),
     "exams: " ALGEBRA "published_number=0 published_title=- published_duration_minutes=- "
     "published_lead_time_minutes=- published_buffer_minutes=- published_hash=- version=1 "
     "withdrawn=0 " UNBOUND},
    {"a published exam shows what was published", &pw_exams_projection,
     GIVEN(CREATED, DRAFTED(30), PUBLISHED(30, 0, 1)),
     "exams: " ALGEBRA "published_number=1 published_title=Algebra published_duration_minutes=90 "
     "published_lead_time_minutes=60 published_buffer_minutes=15 published_hash=0078 version=2 "
     "withdrawn=0 " UNBOUND VERSION_1 "items_hash=- content_hash=0078\n"},
    {"a later draft changes the draft alone", &pw_exams_projection,
     GIVEN(CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), REVISED(30, 0, "Algebra II", 120)),
     "exams: exam_id=#30 owner_id=#12 draft_title=Algebra II draft_duration_minutes=120 "
     "draft_lead_time_minutes=60 draft_buffer_minutes=15 "
     "published_number=1 published_title=Algebra published_duration_minutes=90 "
     "published_lead_time_minutes=60 published_buffer_minutes=15 published_hash=0078 version=3 "
     "withdrawn=0 " UNBOUND},
    {"a tenant is no exam", &pw_exams_projection, GIVEN(CREATED), ""},
    {"one that is withdrawn", &pw_exams_projection,
     GIVEN(CREATED, DRAFTED(30), WITHDRAWN(30, 2, OTHER, NINE)),
     "exams: " ALGEBRA "published_number=0 published_title=- published_duration_minutes=- "
     "published_lead_time_minutes=- published_buffer_minutes=- published_hash=- version=2 "
     "withdrawn=1 " UNBOUND},
    {"what a draft asks, and the list", &pw_exams_projection,
     GIVEN(CREATED, IN_BANK(90), DRAFTED(30), BOUND(30, 0, FIRST_OF_90, 2)),
     "exams: " ALGEBRA "published_number=0 published_title=- published_duration_minutes=- "
     "published_lead_time_minutes=- published_buffer_minutes=- published_hash=- version=2 "
     "withdrawn=0 draft_items_hash=c3b9 published_items_hash=-\n"
     "exam_items: exam_id=#30 items_hash=c3b9 items=" LIST_OF_FIRST_OF_90
     " item_count=1 maximum_mark=2\n"},
    {"what a version asks, and its hash", &pw_exams_projection,
     GIVEN(CREATED, IN_BANK(90), DRAFTED(30), BOUND(30, 0, FIRST_OF_90, 2), PUBLISHED(30, 0, 1)),
     "exams: " ALGEBRA "published_number=1 published_title=Algebra published_duration_minutes=90 "
     "published_lead_time_minutes=60 published_buffer_minutes=15 published_hash=7790 version=3 "
     "withdrawn=0 draft_items_hash=c3b9 published_items_hash=c3b9\n" VERSION_1
     "items_hash=c3b9 content_hash=7790\n"},
    {"none any more", &pw_exams_projection,
     GIVEN(CREATED, IN_BANK(90), DRAFTED(30), BOUND(30, 0, FIRST_OF_90, 2), PUBLISHED(30, 0, 1),
           BOUND(30, 0, NOTHING_ASKED, 0)),
     "exams: " ALGEBRA "published_number=1 published_title=Algebra published_duration_minutes=90 "
     "published_lead_time_minutes=60 published_buffer_minutes=15 published_hash=7790 version=4 "
     "withdrawn=0 draft_items_hash=- published_items_hash=c3b9\n"
     "exam_items: exam_id=#30 items_hash=9e07 items=\x90 item_count=0 maximum_mark=0\n"},
    {"its slot is off before it says so itself", &pw_slots_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), WITHDRAWN(30, 3, OTHER, NINE),
           CANCELLED_WITH_SLOT(50, 0, ANN, 40, 30, OTHER)),
     SLOT_AT_TEN
     "capacity=2 taken_count=0 version=1 state=3 waiting_count=0 left_count=0 " UNMARKED},
    {"a new slot is free", &pw_slots_projection, GIVEN(OPEN),
     SLOT_AT_TEN
     "capacity=2 taken_count=0 version=1 state=1 waiting_count=0 left_count=0 " UNMARKED},
    {"a booking takes a seat of its slot", &pw_slots_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN)),
     SLOT_AT_TEN
     "capacity=2 taken_count=1 version=1 state=1 waiting_count=0 left_count=0 " UNMARKED},
    {"a cancelled one gives it back", &pw_slots_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), CANCELLED(50, ANN, 40, 30)),
     SLOT_AT_TEN
     "capacity=2 taken_count=0 version=1 state=1 waiting_count=0 left_count=0 " UNMARKED},
    {"a slot's size", &pw_slots_projection, GIVEN(OPEN, CAPACITY(40, 0, 9)),
     SLOT_AT_TEN
     "capacity=9 taken_count=0 version=2 state=1 waiting_count=0 left_count=0 " UNMARKED},
    {"a closed one says so", &pw_slots_projection, GIVEN(OPEN, SLOT_CLOSED(40, 0, 30)),
     SLOT_AT_TEN
     "capacity=2 taken_count=0 version=2 state=2 waiting_count=0 left_count=0 " UNMARKED},
    {"who waits is counted", &pw_slots_projection,
     GIVEN(OPEN, CAPACITY(40, 0, 1), RESERVED(50, ANN, 40, 30, TEN), JOINED(51, BOB, 40, 30)),
     SLOT_AT_TEN
     "capacity=1 taken_count=1 version=2 state=1 waiting_count=1 left_count=0 " UNMARKED},
    {"no more once they are offered a seat", &pw_slots_projection,
     GIVEN(OPEN, JOINED(51, BOB, 40, 30), OFFERED(51, 0, BOB, 40, 30, TEN)),
     SLOT_AT_TEN "capacity=2 taken_count=1 version=1 state=1 waiting_count=0 left_count=0 "
                 "held_count=0 offered_count=1 attended_count=0 no_show_count=0\n"},
    {"a cancelled one tells how many are to follow", &pw_slots_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), RESERVED(51, BOB, 40, 30, TEN),
           SLOT_CANCELLED(40, 0, 30, OTHER)),
     SLOT_AT_TEN
     "capacity=2 taken_count=2 version=2 state=3 waiting_count=0 left_count=2 " UNMARKED},
    {"and how many still", &pw_slots_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), RESERVED(51, BOB, 40, 30, TEN),
           SLOT_CANCELLED(40, 0, 30, OTHER), CANCELLED_WITH_SLOT(51, 0, BOB, 40, 30, OTHER)),
     SLOT_AT_TEN
     "capacity=2 taken_count=1 version=2 state=3 waiting_count=0 left_count=1 " UNMARKED},
    {"a proctor is assigned", &pw_slots_projection, GIVEN(OPEN, ASSIGNED(40, 0, 30, TOM)),
     "slot_proctors: slot_id=#40 proctor_id=#13 live=1\n" SLOT_AT_TEN
     "capacity=2 taken_count=0 version=2 state=1 waiting_count=0 left_count=0 " UNMARKED},
    {"and released", &pw_slots_projection,
     GIVEN(OPEN, ASSIGNED(40, 0, 30, TOM), RELEASED(40, 0, 30, TOM)),
     "slot_proctors: slot_id=#40 proctor_id=#13 live=0\n" SLOT_AT_TEN
     "capacity=2 taken_count=0 version=3 state=1 waiting_count=0 left_count=0 " UNMARKED},
    {"who came had a seat", &pw_slots_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), CAME(50, 0, ANN, 40, 30)),
     SLOT_AT_TEN "capacity=2 taken_count=1 version=1 state=1 waiting_count=0 left_count=0 "
                 "held_count=0 offered_count=0 attended_count=1 no_show_count=0\n"},
    {"an exam is no slot", &pw_slots_projection, GIVEN(CREATED, DRAFTED(30)), ""},
    {"a reservation is confirmed", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN)),
     "reservations: reservation_id=#50 slot_id=#40 exam_id=#30 student_id=#10 state=1 "
     "starts_at_us=1800003600000000 ends_at_us=1800009000000000 "
     "free_again_at_us=1800009900000000 expires_at_us=- needs_replacement=0 version=1\n" STEP(
         "1", "reserved", "1") AS_LONG "reason=-\n"},
    {"a cancelled one stays", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), CANCELLED(50, ANN, 40, 30)),
     "reservations: reservation_id=#50 slot_id=#40 exam_id=#30 student_id=#10 state=2 "
     "starts_at_us=1800003600000000 ends_at_us=1800009000000000 "
     "free_again_at_us=1800009900000000 expires_at_us=- needs_replacement=0 version=2\n" STEP(
         "2", "cancelled", "2") AS_LONG "reason=-\n"},
    {"a held one runs out", &pw_reservations_projection,
     GIVEN(OPEN, HELD(50, ANN, 40, 30, TEN, NINE + 7)),
     "reservations: reservation_id=#50 slot_id=#40 exam_id=#30 student_id=#10 state=3 "
     "starts_at_us=1800003600000000 ends_at_us=1800009000000000 "
     "free_again_at_us=1800009900000000 expires_at_us=1800000000000007 needs_replacement=0 "
     "version=1\n" STEP(
         "1", "held", "3") "ends_at_us=1800009000000000 expires_at_us=1800000000000007 reason=-\n"},
    {"not once it is confirmed", &pw_reservations_projection,
     GIVEN(OPEN, HELD(50, ANN, 40, 30, TEN, NINE + 7), HOLD_CONFIRMED(50, ANN, 40, 30)),
     "reservations: reservation_id=#50 slot_id=#40 exam_id=#30 student_id=#10 state=1 "
     "starts_at_us=1800003600000000 ends_at_us=1800009000000000 "
     "free_again_at_us=1800009900000000 expires_at_us=- needs_replacement=0 version=2\n" STEP(
         "2", "hold_confirmed", "1") AS_LONG "reason=-\n"},
    {"nor once it has", &pw_reservations_projection,
     GIVEN(OPEN, HELD(50, ANN, 40, 30, TEN, NINE + 7), HOLD_EXPIRED(50, ANN, 40, 30)),
     "reservations: reservation_id=#50 slot_id=#40 exam_id=#30 student_id=#10 state=4 "
     "starts_at_us=1800003600000000 ends_at_us=1800009000000000 "
     "free_again_at_us=1800009900000000 expires_at_us=- needs_replacement=0 version=2\n" STEP(
         "2", "hold_expired", "4") AS_LONG "reason=-\n"},
    {"a step says why staff ended it", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN),
           CANCELLED_BY_STAFF(50, 2, ANN, 40, 30, ENVIRONMENT_ROOM)),
     "reservations: reservation_id=#50 slot_id=#40 exam_id=#30 student_id=#10 state=2 "
     "starts_at_us=1800003600000000 ends_at_us=1800009000000000 "
     "free_again_at_us=1800009900000000 expires_at_us=- needs_replacement=0 version=2\n" STEP(
         "2", "cancelled_by_staff", "2") AS_LONG "reason=environment.room\n"},
    {"and why nobody came", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), STAYED_AWAY(50, 0, ANN, 40, 30, EXAMINEE_ABSENT)),
     "reservations: reservation_id=#50 slot_id=#40 exam_id=#30 student_id=#10 state=11 "
     "starts_at_us=1800003600000000 ends_at_us=1800009000000000 "
     "free_again_at_us=1800009900000000 expires_at_us=- needs_replacement=0 version=2\n" STEP(
         "2", "marked_no_show", "11") AS_LONG "reason=examinee.absent\n"},
    {"and why the slot was cancelled", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), SLOT_CANCELLED(40, 0, 30, OTHER),
           CANCELLED_WITH_SLOT(50, 0, ANN, 40, 30, OTHER)),
     "reservations: reservation_id=#50 slot_id=#40 exam_id=#30 student_id=#10 state=2 "
     "starts_at_us=1800003600000000 ends_at_us=1800009000000000 "
     "free_again_at_us=1800009900000000 expires_at_us=- needs_replacement=0 version=2\n" STEP(
         "2", "cancelled_with_slot", "2") AS_LONG "reason=other\n"},
    {"who did not come is counted", &pw_slots_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), CAME(50, 0, ANN, 40, 30),
           STAYED_AWAY(50, 0, ANN, 40, 30, OTHER)),
     SLOT_AT_TEN "capacity=2 taken_count=1 version=1 state=1 waiting_count=0 left_count=0 "
                 "held_count=0 offered_count=0 attended_count=0 no_show_count=1\n"},
    {"a slot is no reservation", &pw_reservations_projection, GIVEN(OPEN), ""},
    {"a booking blocks the calendar", &pw_calendar_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN)),
     "calendar: student_id=#10 starts_at_us=1800003600000000 reservation_id=#50 slot_id=#40 "
     "exam_id=#30 ends_at_us=1800009000000000 free_again_at_us=1800009900000000 live=1\n"},
    {"a sitting that is sat blocks it", &pw_calendar_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), CAME(50, 0, ANN, 40, 30)),
     "calendar: student_id=#10 starts_at_us=1800003600000000 reservation_id=#50 slot_id=#40 "
     "exam_id=#30 ends_at_us=1800009000000000 free_again_at_us=1800009900000000 live=1\n"},
    {"one that was missed, too", &pw_calendar_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), STAYED_AWAY(50, 0, ANN, 40, 30, OTHER)),
     "calendar: student_id=#10 starts_at_us=1800003600000000 reservation_id=#50 slot_id=#40 "
     "exam_id=#30 ends_at_us=1800009000000000 free_again_at_us=1800009900000000 live=1\n"},
    {"one that staff took blocks it no more", &pw_calendar_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), CANCELLED_BY_STAFF(50, 2, ANN, 40, 30, OTHER)),
     "calendar: student_id=#10 starts_at_us=1800003600000000 reservation_id=#50 slot_id=#40 "
     "exam_id=#30 ends_at_us=1800009000000000 free_again_at_us=1800009900000000 live=0\n"},
    {"a cancelled one blocks it no more", &pw_calendar_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), CANCELLED(50, ANN, 40, 30)),
     "calendar: student_id=#10 starts_at_us=1800003600000000 reservation_id=#50 slot_id=#40 "
     "exam_id=#30 ends_at_us=1800009000000000 free_again_at_us=1800009900000000 live=0\n"},
    {"a held seat blocks it", &pw_calendar_projection,
     GIVEN(OPEN, HELD(50, ANN, 40, 30, TEN, NINE + 7)),
     "calendar: student_id=#10 starts_at_us=1800003600000000 reservation_id=#50 slot_id=#40 "
     "exam_id=#30 ends_at_us=1800009000000000 free_again_at_us=1800009900000000 live=1\n"},
    {"until it runs out", &pw_calendar_projection,
     GIVEN(OPEN, HELD(50, ANN, 40, 30, TEN, NINE + 7), HOLD_EXPIRED(50, ANN, 40, 30)),
     "calendar: student_id=#10 starts_at_us=1800003600000000 reservation_id=#50 slot_id=#40 "
     "exam_id=#30 ends_at_us=1800009000000000 free_again_at_us=1800009900000000 live=0\n"},
    {"a held seat is taken", &pw_slots_projection,
     GIVEN(OPEN, HELD(50, ANN, 40, 30, TEN, NINE + 7)),
     SLOT_AT_TEN "capacity=2 taken_count=1 version=1 state=1 waiting_count=0 left_count=0 "
                 "held_count=1 offered_count=0 attended_count=0 no_show_count=0\n"},
    {"one that ran out is free", &pw_slots_projection,
     GIVEN(OPEN, HELD(50, ANN, 40, 30, TEN, NINE + 7), HOLD_EXPIRED(50, ANN, 40, 30)),
     SLOT_AT_TEN
     "capacity=2 taken_count=0 version=1 state=1 waiting_count=0 left_count=0 " UNMARKED},
    {"one that was moved is in the other slot", &pw_reservations_projection, GIVEN(IS_MOVED),
     SITS_AT_ELEVEN "reservation_steps: reservation_id=#50 version=2 event=reservation_rescheduled "
                    "state=1 slot_id=#41 from_slot_id=#40 starts_at_us=1800007200000000 "
                    "ends_at_us=1800012600000000 expires_at_us=- reason=-\n"},
    {"by staff, too", &pw_reservations_projection, GIVEN(IS_MOVED_BY_STAFF),
     SITS_AT_ELEVEN
     "reservation_steps: reservation_id=#50 version=2 event=reservation_rescheduled_by_staff "
     "state=1 slot_id=#41 from_slot_id=#40 starts_at_us=1800007200000000 "
     "ends_at_us=1800012600000000 expires_at_us=- reason=other\n"},
    {"a seat is left, and one is taken", &pw_slots_projection, GIVEN(IS_MOVED), ONE_SEAT_AT_ELEVEN},
    {"by staff likewise", &pw_slots_projection, GIVEN(IS_MOVED_BY_STAFF), ONE_SEAT_AT_ELEVEN},
    {"one time is free, the other is not", &pw_calendar_projection, GIVEN(IS_MOVED),
     FREE_AT_TEN_NOT_AT_ELEVEN},
    {"so it is by staff", &pw_calendar_projection, GIVEN(IS_MOVED_BY_STAFF),
     FREE_AT_TEN_NOT_AT_ELEVEN},
    {"of one time there is one row", &pw_calendar_projection,
     GIVEN(OPEN, OPENED(41, 30, TEN, 3), RESERVED(50, ANN, 40, 30, TEN),
           MOVED(50, 0, ANN, 41, 30, TEN, 40, TEN)),
     "calendar: student_id=#10 starts_at_us=1800003600000000 reservation_id=#50 slot_id=#41 "
     "exam_id=#30 ends_at_us=1800009000000000 free_again_at_us=1800009900000000 live=1\n"},
    {"a person is shown, and apart from that what is sealed", &pw_users_projection, GIVEN(PEOPLE),
     "users: user_id=#10 state=1 roles=1 has_password=1 version=1\n"
     "user_profiles: user_id=#10 key_id=#110 email=sealed address email_tag=0a00 "
     "name=sealed name\n"},
    {"some have no password", &pw_users_projection, GIVEN(ACCOUNTS, ADA_IS_ADMIN),
     "users: user_id=#14 state=1 roles=16 has_password=0 version=1\n"
     "user_profiles: user_id=#14 key_id=#114 email=sealed address email_tag=0e00 "
     "name=sealed name\n"},
    {"another name is all of the profile", &pw_users_projection, GIVEN(PEOPLE, RENAMED(10, 2)),
     "users: user_id=#10 state=1 roles=1 has_password=1 version=2\n"
     "user_profiles: user_id=#10 key_id=#110 email=another address email_tag=0700 "
     "name=another name\n"},
    {"roles and state leave the profile alone", &pw_users_projection,
     GIVEN(PEOPLE, DEACTIVATED(10, 2)),
     "users: user_id=#10 state=2 roles=1 has_password=1 version=2\n"},
    {"a wish is a row of its own", &pw_users_projection, GIVEN(PEOPLE, PREFERS(10, 2)),
     "users: user_id=#10 state=1 roles=1 has_password=1 version=2\n"
     "user_preferences: user_id=#10 language=en-GB time_zone=Europe/London\n"},
    {"of one who was erased only the id is left", &pw_users_projection,
     GIVEN(PEOPLE, PREFERS(10, 2), ERASED(10, 3)),
     "users: user_id=#10 state=3 roles=1 has_password=0 version=3\n"
     "user_profiles: user_id=#10 key_id=- email=- email_tag=- name=-\n"
     "user_preferences: user_id=#10 language=- time_zone=-\n"},
    {"the tenant's key is known", &pw_users_projection, GIVEN(ACCOUNTS),
     "equality_keys: key_id=#200\n"},
    {"a session is no person", &pw_users_projection, GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE)), ""},
    {"who signs in has a session", &pw_sessions_projection, GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE)),
     LIVE "refreshed_at_us=- expires_at_us=1800604800000000 end_reason=- version=1\n"
          "session_openings: session_id=#60 user_id=#10 key_id=#110 label=sealed label "
          "ends_at_us=1802592000000000\n"},
    {"it is refreshed", &pw_sessions_projection,
     GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), REFRESHED(60, 2, 10, NINE + 5, NINE + DAYS(8))),
     LIVE "refreshed_at_us=1800000000000005 expires_at_us=1800691200000000 end_reason=- "
          "version=2\n"},
    {"it ends, and stays as a row", &pw_sessions_projection,
     GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), ENDED(60, 2, 10, "erased")),
     "sessions: session_id=#60 user_id=#10 live=0 refreshed_at_us=- expires_at_us=- "
     "end_reason=erased version=2\n"},
    {"a slot has a hard end", &pw_slots_projection,
     GIVEN(OPEN, HARD_END(40, 0, 30, ELEVEN + MINUTES(60))),
     "slots: slot_id=#40 exam_id=#30 exam_version=1 starts_at_us=1800003600000000 "
     "ends_at_us=1800009000000000 hard_end_at_us=1800010800000000 lead_time_minutes=60 "
     "buffer_minutes=15 capacity=2 taken_count=0 version=2 state=1 waiting_count=0 "
     "left_count=0 " UNMARKED},
    {"a student has more time", &pw_accommodations_projection,
     GIVEN(CREATED, MORE_TIME(70, ANN, 125, 5, 10, NINE, TEN)),
     "accommodations: accommodation_id=#70 student_id=#10 state=1 factor_percent=125 "
     "fixed_minutes=5 rest_break_minutes=10 valid_from_us=1800000000000000 "
     "valid_until_us=1800003600000000 version=1\n"},
    {"it is another one", &pw_accommodations_projection,
     GIVEN(CREATED, MORE_TIME(70, ANN, 125, 5, 10, NINE, TEN),
           MORE_TIME_REVISED(70, 0, ANN, 200, 0, 0, TEN, ELEVEN)),
     "accommodations: accommodation_id=#70 student_id=#10 state=1 factor_percent=200 "
     "fixed_minutes=0 rest_break_minutes=0 valid_from_us=1800003600000000 "
     "valid_until_us=1800007200000000 version=2\n"},
    {"it is revoked, and stays as a row", &pw_accommodations_projection,
     GIVEN(CREATED, MORE_TIME(70, ANN, 125, 5, 10, NINE, TEN), MORE_TIME_REVOKED(70, 0, ANN)),
     "accommodations: accommodation_id=#70 student_id=#10 state=2 factor_percent=125 "
     "fixed_minutes=5 rest_break_minutes=10 valid_from_us=1800000000000000 "
     "valid_until_us=1800003600000000 version=2\n"},
    {"an item, its first version and key", &pw_exams_projection, GIVEN(CREATED, IN_BANK(90)),
     "item_versions: item_id=#90 version_number=1 title=Capitals kind=0 prompt=Capital of Styria? "
     "choices=\x94\x91\xa4Graz\x91\xa6Leoben\x91\xa4Linz\x91\xa4Wels scoring=1 maximum_mark=2 "
     "penalty_max=0 content_hash=a0ef\n"
     "item_keys: item_id=#90 version_number=1 key_number=1 answers=\x91\x94\x01\xa0~~ reason=-\n"
     "items: item_id=#90 owner_id=#12 newest_number=1 retired=0 version=1\n"},
    {"its next version", &pw_exams_projection, GIVEN(CREATED, IN_BANK(90), NEXT(90, 0, 2)),
     "item_versions: item_id=#90 version_number=2 title=Capitals II kind=0 prompt=Capital of "
     "Styria? choices=\x94\x91\xa4Graz\x91\xa6Leoben\x91\xa4Linz\x91\xa4Wels scoring=1 "
     "maximum_mark=2 penalty_max=0 content_hash=2c42\n"
     "item_keys: item_id=#90 version_number=2 key_number=1 answers=\x91\x94\x01\xa0~~ reason=-\n"
     "items: item_id=#90 owner_id=#12 newest_number=2 retired=0 version=2\n"},
    {"the key of the first one is corrected", &pw_exams_projection,
     GIVEN(CREATED, IN_BANK(90), NEXT(90, 0, 2), CORRECTED(90, 0, 1, 2)),
     "item_keys: item_id=#90 version_number=1 key_number=2 answers=\x91\x94\x02\xa0~~ "
     "reason=staff.mistake\n"
     "items: item_id=#90 owner_id=#12 newest_number=2 retired=0 version=3\n"},
    {"it is retired, and stays as a row", &pw_exams_projection,
     GIVEN(CREATED, IN_BANK(90), OUT_OF_USE(90, 0, 1)),
     "items: item_id=#90 owner_id=#12 newest_number=1 retired=1 version=2\n"},
    {"a sitting is no accommodation", &pw_accommodations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN)), ""},
    {"a sitting is longer", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), SITTING_CHANGED(50, 0, ANN, 40, 30, TEN, 10)),
     "reservations: reservation_id=#50 slot_id=#40 exam_id=#30 student_id=#10 state=1 "
     "starts_at_us=1800003600000000 ends_at_us=1800009600000000 "
     "free_again_at_us=1800010500000000 expires_at_us=- needs_replacement=0 version=2\n" STEP(
         "2", "sitting_changed", "1") "ends_at_us=1800009600000000 expires_at_us=- reason=-\n"},
    {"the calendar is blocked longer", &pw_calendar_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), SITTING_CHANGED(50, 0, ANN, 40, 30, TEN, 10)),
     "calendar: student_id=#10 starts_at_us=1800003600000000 reservation_id=#50 slot_id=#40 "
     "exam_id=#30 ends_at_us=1800009600000000 free_again_at_us=1800010500000000 live=1\n"},
    {"a replacement is needed", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), MARKED(50, 0, ANN, 40, 30, "calendar")),
     "reservations: reservation_id=#50 slot_id=#40 exam_id=#30 student_id=#10 state=1 "
     "starts_at_us=1800003600000000 ends_at_us=1800009000000000 "
     "free_again_at_us=1800009900000000 expires_at_us=- needs_replacement=2 version=2\n" STEP(
         "2", "needs_replacement_marked", "1") AS_LONG "reason=calendar\n"},
    {"not of what was given back", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), MARKED(50, 0, ANN, 40, 30, "hard-end"),
           CANCELLED(50, ANN, 40, 30)),
     "reservations: reservation_id=#50 slot_id=#40 exam_id=#30 student_id=#10 state=2 "
     "starts_at_us=1800003600000000 ends_at_us=1800009000000000 "
     "free_again_at_us=1800009900000000 expires_at_us=- needs_replacement=0 version=3\n" STEP(
         "3", "cancelled", "2") AS_LONG "reason=-\n"},
    {"a person is no session", &pw_sessions_projection, GIVEN(PEOPLE), ""},
};

/* What students are told, apart. */
static const struct rows_row told_rows[] = {
    {"of a seat its student is told", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN)),
     TOLD("1", "1") "expires_at_us=- reason=-\n" INBOX("1", "1", "1", "0")},
    {"of its end, too", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN),
           CANCELLED_BY_STAFF(50, 2, ANN, 40, 30, ENVIRONMENT_ROOM)),
     TOLD("2", "3") "expires_at_us=- reason=environment.room\n" INBOX("2", "3", "2", "0")},
    {"until when an offer waits", &pw_reservations_projection,
     GIVEN(OPEN, JOINED(50, ANN, 40, 30), OFFERED(50, 0, ANN, 40, 30, NINE + 7)),
     TOLD("1", "6") "expires_at_us=1800000000000007 reason=-\n" INBOX("1", "1", "1", "0")},
    {"but not that of a hold whose times change", &pw_reservations_projection,
     GIVEN(OPEN, HELD(50, ANN, 40, 30, TEN, NINE + 7), MORE_TIME(70, ANN, 100, 0, 0, 0, NINE),
           SITTING_CHANGED(50, 0, ANN, 40, 30, TEN, 0)),
     TOLD("1", "9") "expires_at_us=- reason=-\n" INBOX("1", "1", "1", "0")},
    {"why another slot is needed", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), MARKED(50, 0, ANN, 40, 30, "hard-end")),
     TOLD("2", "10") "expires_at_us=- reason=hard-end\n" INBOX("2", "3", "2", "0")},
    {"not of what the student only asked for", &pw_reservations_projection,
     GIVEN(OPEN, JOINED(50, ANN, 40, 30)), ""},
    {"what was read is read", &pw_reservations_projection,
     GIVEN(OPEN, RESERVED(50, ANN, 40, 30, TEN), CANCELLED(50, ANN, 40, 30), READ(ANN, 0, 1, 0)),
     INBOX("2", "1", "1", "1")},
};

/* A zero as `~`. */
static int bytes_text(struct pw_str bytes, char *text, size_t room)
{
    for (size_t i = 0; i < bytes.len && i < room; i++) {
        text[i] = bytes.ptr[i] == '\0' ? '~' : bytes.ptr[i];
    }
    return (int)bytes.len;
}

static int cell_print(char *text, size_t room, const struct pw_cell *cell)
{
    if (cell->is_null) {
        return snprintf(text, room, "-");
    }
    switch (cell->kind) {
    case PW_COLUMN_ID: return snprintf(text, room, "#%u", cell->id.bytes[15]);
    case PW_COLUMN_HASH:
        return snprintf(text, room, "%02x%02x", cell->hash.bytes[0], cell->hash.bytes[1]);
    case PW_COLUMN_INTEGER: return snprintf(text, room, "%lld", (long long)cell->integer);
    case PW_COLUMN_TEXT:
    case PW_COLUMN_BYTES: return bytes_text(cell->text, text, room);
    }
    return 0;
}

static bool is_told(const struct pw_table *table)
{
    return table == &pw_notifications_table || table == &pw_inboxes_table;
}

static void rows_print(const struct pw_rows *got, bool told, char *text, size_t room)
{
    size_t at = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < got->count; i++) {
        const struct pw_table *table = got->rows[i].table;
        if (is_told(table) != told) {
            continue;
        }
        at += (size_t)snprintf(text + at, room - at, "%s:", table->name);
        for (uint32_t j = 0; j < table->column_count; j++) {
            cr_assert_eq(got->rows[i].cells[j].kind, table->columns[j].kind, "%s.%s", table->name,
                         table->columns[j].name);
            at += (size_t)snprintf(text + at, room - at, " %s=", table->columns[j].name);
            at += (size_t)cell_print(text + at, room - at, &got->rows[i].cells[j]);
        }
        at += (size_t)snprintf(text + at, room - at, "\n");
    }
}

static void check_rows(const struct rows_row *wanted, size_t count, bool told)
{
    for (size_t i = 0; i < count; i++) {
        struct pw_state *state = pw_state_new();
        world_fold(state, wanted[i].given, wanted[i].given_count);
        struct pw_rows got = {0};
        struct pw_err err = {0};
        enum pw_code code =
            wanted[i].projection->rows(&wanted[i].given[wanted[i].given_count - 1],
                                       pw_state_tenant(state, &world_tenant_id), &got, &err);
        char text[2048];
        rows_print(&got, told, text, sizeof text);
        cr_expect_eq(code, PW_OK, "%s: %s", wanted[i].name, err.detail);
        cr_expect_str_eq(text, wanted[i].then, "%s", wanted[i].name);
        pw_state_free(state);
    }
}

Test(rows, of_every_read_model)
{
    check_rows(rows, PW_COUNT(rows), false);
}

Test(rows, of_what_students_are_told)
{
    check_rows(told_rows, PW_COUNT(told_rows), true);
}

Test(rows, of_what_does_not_exist_are_an_error)
{
    static const struct pw_event strangers[] = {DRAFTED(99),
                                                OPENED(99, 30, TEN, 1),
                                                RESERVED(99, ANN, 40, 30, TEN),
                                                REGISTERED(99, PW_ROLE(STUDENT), TEXT("")),
                                                SIGNED_IN(98, 99, NINE),
                                                MORE_TIME(99, ANN, 125, 0, 0, NINE, TEN)};
    struct pw_state *state = pw_state_new();
    world_fold(state, GIVEN(OPEN));
    for (size_t i = 0; i < PW_COUNT(strangers); i++) {
        uint32_t concerned = 0;
        for (uint32_t j = 0; j < pw_projection_count; j++) {
            struct pw_rows got = {0};
            struct pw_err err = {0};
            enum pw_code code = pw_projections[j]->rows(
                &strangers[i], pw_state_tenant(state, &world_tenant_id), &got, &err);
            cr_expect_eq(got.count, 0);
            cr_expect(code == PW_OK || code == PW_ERR_LEDGER_DAMAGED);
            concerned += code != PW_OK;
        }
        cr_expect_gt(concerned, 0);
    }
    pw_state_free(state);
}

/* --- Batches --- */

static struct pw_batch_row exam_row(uint8_t id, const char *title, int64_t record_offset)
{
    struct pw_batch_row row = {.record_offset = record_offset};
    row.row.table = pw_exams_projection.tables[0];
    for (uint32_t i = 0; i < row.row.table->column_count; i++) {
        row.row.cells[i] = pw_cell_null(row.row.table->columns[i].kind);
    }
    row.row.cells[0] = pw_cell_id((struct pw_id)ID(id));
    row.row.cells[2] = pw_cell_text(pw_str_of(title));
    return row;
}

Test(batch, the_last_row_of_a_key_wins)
{
    struct pw_batch *batch = pw_batch_new();
    char title[] = "first";
    struct pw_batch_row row = exam_row(1, title, 10);
    pw_batch_put(batch, &row);
    memset(title, 'x', 5); /* Texts are copied. */
    row = exam_row(2, "second", 11);
    pw_batch_put(batch, &row);
    row = exam_row(1, "third", 12);
    pw_batch_put(batch, &row);
    row.tenant_id = (struct pw_id)OTHER_TENANT;
    pw_batch_put(batch, &row);
    uint32_t count = 0;
    const struct pw_batch_row *const *got =
        pw_batch_rows(batch, pw_exams_projection.tables[0], &count);
    cr_assert_eq(count, 3);
    cr_expect(pw_str_equal(got[0]->row.cells[2].text, PW_STR("third")));
    cr_expect_eq(got[0]->record_offset, 12);
    cr_expect(pw_str_equal(got[1]->row.cells[2].text, PW_STR("second")));
    cr_expect_eq(pw_batch_count(batch), 3);
    (void)pw_batch_rows(batch, pw_slots_projection.tables[0], &count);
    cr_expect_eq(count, 0);
    pw_batch_reset(batch);
    cr_expect_eq(pw_batch_count(batch), 0);
    cr_expect_eq(pw_batch_bytes(batch), 0);
    pw_batch_free(batch);
}

Test(batch, grows_and_still_knows_every_key)
{
    struct pw_batch *batch = pw_batch_new();
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            struct pw_batch_row row = exam_row(3, "t", (int64_t)i + round * 5000);
            memcpy(row.row.cells[0].id.bytes, &i, sizeof i);
            pw_batch_put(batch, &row);
        }
    }
    uint32_t count = 0;
    const struct pw_batch_row *const *got =
        pw_batch_rows(batch, pw_exams_projection.tables[0], &count);
    cr_assert_eq(count, 5000);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(got[i]->record_offset, 5000 + (int64_t)i);
    }
    pw_batch_free(batch);
}

/* --- What errors of the cluster mean --- */

Test(galera_errors, are_told_apart)
{
    static const struct {
        unsigned int number;
        enum pw_sql sql;
    } errors[] = {
        {0, PW_SQL_OK},       {1213, PW_SQL_REDO},  {1205, PW_SQL_REDO},  {1020, PW_SQL_REDO},
        {1047, PW_SQL_MOVE},  {2002, PW_SQL_MOVE},  {2003, PW_SQL_MOVE},  {2006, PW_SQL_MOVE},
        {2013, PW_SQL_MOVE},  {2026, PW_SQL_MOVE},  {1053, PW_SQL_MOVE},  {1927, PW_SQL_MOVE},
        {1040, PW_SQL_MOVE},  {1290, PW_SQL_MOVE},  {1021, PW_SQL_MOVE},  {1146, PW_SQL_FAULT},
        {1064, PW_SQL_FAULT}, {1406, PW_SQL_FAULT}, {1062, PW_SQL_FAULT}, {2036, PW_SQL_FAULT},
    };
    for (size_t i = 0; i < PW_COUNT(errors); i++) {
        cr_expect_eq(pw_sql_of(errors[i].number), errors[i].sql, "%u", errors[i].number);
    }
}
