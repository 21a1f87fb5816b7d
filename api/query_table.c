/* api/query_table.c: what can be asked of the read models. */
#include "api/query_table.h"

#define EVERYBODY (PW_ROLE(STUDENT) | PW_ROLE(TEACHER) | PW_ROLE(ADMIN))
#define STAFF     (PW_ROLE(TEACHER) | PW_ROLE(ADMIN))

#define OF_OWN_EXAM                                                                                \
    "EXISTS (SELECT 1 FROM exams e WHERE e.generation = " PW_GENERATION_OF(                        \
        "exams") " AND "                                                                           \
                 "e.tenant_id = t.tenant_id AND e.exam_id = t.exam_id AND e.owner_id = ?)"

static const char *const reservation_states[] = {"", "confirmed", "cancelled", NULL};

static const struct pw_query_column exam_columns[] = {
    {"id", "t.exam_id", PW_ANSWER_ID, NULL},
    {"owner_id", "t.owner_id", PW_ANSWER_ID, NULL},
    {"draft_title", "t.draft_title", PW_ANSWER_TEXT, NULL},
    {"draft_duration_minutes", "t.draft_duration_minutes", PW_ANSWER_COUNT, NULL},
    {"draft_lead_time_minutes", "t.draft_lead_time_minutes", PW_ANSWER_COUNT, NULL},
    {"draft_buffer_minutes", "t.draft_buffer_minutes", PW_ANSWER_COUNT, NULL},
    {"published_number", "NULLIF(t.published_number, 0)", PW_ANSWER_COUNT, NULL},
    {"published_title", "t.published_title", PW_ANSWER_TEXT, NULL},
    {"published_duration_minutes", "t.published_duration_minutes", PW_ANSWER_COUNT, NULL},
    {"published_lead_time_minutes", "t.published_lead_time_minutes", PW_ANSWER_COUNT, NULL},
    {"published_buffer_minutes", "t.published_buffer_minutes", PW_ANSWER_COUNT, NULL},
    {"published_hash", "t.published_hash", PW_ANSWER_HASH, NULL},
    {"version", "t.version", PW_ANSWER_COUNT, NULL},
    {"changed_at", "t.changed_at_us", PW_ANSWER_AT, NULL},
};

static const struct pw_query_column slot_columns[] = {
    {"id", "t.slot_id", PW_ANSWER_ID, NULL},
    {"exam_id", "t.exam_id", PW_ANSWER_ID, NULL},
    {"exam_version", "t.exam_version", PW_ANSWER_COUNT, NULL},
    {"starts_at", "t.starts_at_us", PW_ANSWER_AT, NULL},
    {"ends_at", "t.ends_at_us", PW_ANSWER_AT, NULL},
    {"lead_time_minutes", "t.lead_time_minutes", PW_ANSWER_COUNT, NULL},
    {"buffer_minutes", "t.buffer_minutes", PW_ANSWER_COUNT, NULL},
    {"capacity", "t.capacity", PW_ANSWER_COUNT, NULL},
    {"taken_count", "t.taken_count", PW_ANSWER_COUNT, NULL},
    {"free_count", "CAST(t.capacity AS SIGNED) - CAST(t.taken_count AS SIGNED)", PW_ANSWER_COUNT,
     NULL},
    {"version", "t.version", PW_ANSWER_COUNT, NULL},
    {"changed_at", "t.changed_at_us", PW_ANSWER_AT, NULL},
};

static const struct pw_query_column reservation_columns[] = {
    {"id", "t.reservation_id", PW_ANSWER_ID, NULL},
    {"slot_id", "t.slot_id", PW_ANSWER_ID, NULL},
    {"exam_id", "t.exam_id", PW_ANSWER_ID, NULL},
    {"student_id", "t.student_id", PW_ANSWER_ID, NULL},
    {"state", "t.state", PW_ANSWER_WORD, reservation_states},
    {"starts_at", "t.starts_at_us", PW_ANSWER_AT, NULL},
    {"ends_at", "t.ends_at_us", PW_ANSWER_AT, NULL},
    {"free_again_at", "t.free_again_at_us", PW_ANSWER_AT, NULL},
    {"version", "t.version", PW_ANSWER_COUNT, NULL},
    {"changed_at", "t.changed_at_us", PW_ANSWER_AT, NULL},
};

static const struct pw_query_column calendar_columns[] = {
    {"reservation_id", "t.reservation_id", PW_ANSWER_ID, NULL},
    {"slot_id", "t.slot_id", PW_ANSWER_ID, NULL},
    {"exam_id", "t.exam_id", PW_ANSWER_ID, NULL},
    {"starts_at", "t.starts_at_us", PW_ANSWER_AT, NULL},
    {"ends_at", "t.ends_at_us", PW_ANSWER_AT, NULL},
    {"free_again_at", "t.free_again_at_us", PW_ANSWER_AT, NULL},
};

#define COLUMNS(array) .columns = (array), .column_count = PW_COUNT(array)
#define FROM_TO                                                                                    \
    {"from", "t.starts_at_us >= ?", PW_ANSWER_AT, 0, NULL},                                        \
    {                                                                                              \
        "to", "t.starts_at_us < ?", PW_ANSWER_AT, 0, NULL                                          \
    }

const struct pw_query_info pw_queries[] = {
    {.name = "exams",
     .path = "/exams",
     .doc = "Exams: a teacher's own, for an admin all.",
     .roles = STAFF,
     .is_list = true,
     .projection = "exams",
     .key_column = "t.exam_id",
     COLUMNS(exam_columns),
     .filters = {{"owner_id", "t.owner_id = ?", PW_ANSWER_ID, PW_ROLE(ADMIN), NULL}},
     .scopes = {{PW_ROLE(ADMIN), NULL, false}, {PW_ROLE(TEACHER), "t.owner_id = ?", false}}},
    {.name = "exam",
     .path = "/exams/{exam_id}",
     .doc = "One exam: its draft, and the version that was published last.",
     .roles = STAFF,
     .projection = "exams",
     .key_column = "t.exam_id",
     COLUMNS(exam_columns),
     .scopes = {{PW_ROLE(ADMIN), NULL, false}, {PW_ROLE(TEACHER), "t.owner_id = ?", false}}},
    {.name = "slots",
     .path = "/slots",
     .doc = "Slots with their free seats, by start.",
     .roles = EVERYBODY,
     .is_list = true,
     .projection = "slots",
     .key_column = "t.slot_id",
     .order_column = "t.starts_at_us",
     COLUMNS(slot_columns),
     .filters = {{"exam_id", "t.exam_id = ?", PW_ANSWER_ID, 0, NULL}, FROM_TO},
     .scopes = {{EVERYBODY, NULL, false}}},
    {.name = "slot",
     .path = "/slots/{slot_id}",
     .counts_others = true,
     .doc = "One slot with its free seats.",
     .roles = EVERYBODY,
     .projection = "slots",
     .key_column = "t.slot_id",
     COLUMNS(slot_columns),
     .scopes = {{EVERYBODY, NULL, false}}},
    {.name = "reservations",
     .path = "/reservations",
     .doc = "Reservations, by start: a student's own, a teacher's own exams', for an admin all.",
     .roles = EVERYBODY,
     .is_list = true,
     .projection = "reservations",
     .key_column = "t.reservation_id",
     .order_column = "t.starts_at_us",
     COLUMNS(reservation_columns),
     .filters = {{"slot_id", "t.slot_id = ?", PW_ANSWER_ID, 0, NULL},
                 {"exam_id", "t.exam_id = ?", PW_ANSWER_ID, 0, NULL},
                 {"student_id", "t.student_id = ?", PW_ANSWER_ID, STAFF, NULL},
                 {"state", "t.state = ?", PW_ANSWER_WORD, 0, reservation_states},
                 FROM_TO},
     .scopes = {{PW_ROLE(ADMIN), NULL, false},
                {PW_ROLE(STUDENT), "t.student_id = ?", false},
                {PW_ROLE(TEACHER), OF_OWN_EXAM, true}}},
    {.name = "reservation",
     .path = "/reservations/{reservation_id}",
     .doc = "One reservation.",
     .roles = EVERYBODY,
     .projection = "reservations",
     .key_column = "t.reservation_id",
     COLUMNS(reservation_columns),
     .scopes = {{PW_ROLE(ADMIN), NULL, false},
                {PW_ROLE(STUDENT), "t.student_id = ?", false},
                {PW_ROLE(TEACHER), OF_OWN_EXAM, true}}},
    {.name = "calendar",
     .path = "/calendar",
     .doc = "What blocks the asking student's calendar, by start.",
     .roles = PW_ROLE(STUDENT),
     .is_list = true,
     .projection = "calendar",
     .key_column = "t.reservation_id",
     .order_column = "t.starts_at_us",
     .fixed = "t.live = 1",
     COLUMNS(calendar_columns),
     .filters = {FROM_TO},
     .scopes = {{PW_ROLE(STUDENT), "t.student_id = ?", false}}},
    {.name = "student_calendar",
     .path = "/students/{student_id}/calendar",
     .doc = "What blocks a student's calendar, by start.",
     .roles = PW_ROLE(ADMIN),
     .is_list = true,
     .projection = "calendar",
     .key_column = "t.reservation_id",
     .order_column = "t.starts_at_us",
     .fixed = "t.live = 1",
     .param_name = "student_id",
     .param_column = "t.student_id",
     COLUMNS(calendar_columns),
     .filters = {FROM_TO},
     .scopes = {{PW_ROLE(ADMIN), NULL, false}}},
};

const uint32_t pw_query_count = PW_COUNT(pw_queries);
