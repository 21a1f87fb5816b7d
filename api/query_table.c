/* api/query_table.c: what can be asked of the read models. */
#include "api/query_table.h"

#define EVERYBODY (PW_ROLE(STUDENT) | PW_ROLE(TEACHER) | PW_ROLE(ADMIN))
#define STAFF     (PW_ROLE(TEACHER) | PW_ROLE(ADMIN))

#define OF_OWN_EXAM                                                                                \
    "EXISTS (SELECT 1 FROM exams e WHERE e.generation = " PW_GENERATION_OF(                        \
        "exams") " AND "                                                                           \
                 "e.tenant_id = t.tenant_id AND e.exam_id = t.exam_id AND e.owner_id = ?)"

/* What an answer shows: its name, what that is, and where it is from. MAYBE: it can be null. */
#define COLUMN(name, doc, sql, kind, maybe, words)                                                 \
    {                                                                                              \
        (name), (doc), (sql), (kind), (maybe), (words)                                             \
    }
#define ID(name, doc, sql)          COLUMN(name, doc, sql, PW_ANSWER_ID, false, NULL)
#define TEXT(name, doc, sql)        COLUMN(name, doc, sql, PW_ANSWER_TEXT, false, NULL)
#define COUNT(name, doc, sql)       COLUMN(name, doc, sql, PW_ANSWER_COUNT, false, NULL)
#define AT(name, doc, sql)          COLUMN(name, doc, sql, PW_ANSWER_AT, false, NULL)
#define WORD(name, doc, sql, words) COLUMN(name, doc, sql, PW_ANSWER_WORD, false, words)
#define MAYBE_TEXT(name, doc, sql)  COLUMN(name, doc, sql, PW_ANSWER_TEXT, true, NULL)
#define MAYBE_COUNT(name, doc, sql) COLUMN(name, doc, sql, PW_ANSWER_COUNT, true, NULL)
#define MAYBE_HASH(name, doc, sql)  COLUMN(name, doc, sql, PW_ANSWER_HASH, true, NULL)

/* What a list is narrowed by; `roles`: 0, or who may. */
#define BY_ID(name, doc, sql, roles)                                                               \
    {                                                                                              \
        (name), (doc), (sql), PW_ANSWER_ID, (roles), NULL                                          \
    }
#define BY_AT(name, doc, sql)                                                                      \
    {                                                                                              \
        (name), (doc), (sql), PW_ANSWER_AT, 0, NULL                                                \
    }
#define BY_WORD(name, doc, sql, words)                                                             \
    {                                                                                              \
        (name), (doc), (sql), PW_ANSWER_WORD, 0, (words)                                           \
    }

static const char *const reservation_states[] = {"", "confirmed", "cancelled", NULL};

static const struct pw_query_column exam_columns[] = {
    ID("id", "The exam", "t.exam_id"),
    ID("owner_id", "The teacher who drafted it", "t.owner_id"),
    TEXT("draft_title", "Title of the draft", "t.draft_title"),
    COUNT("draft_duration_minutes", "Working time of the draft", "t.draft_duration_minutes"),
    COUNT("draft_lead_time_minutes", "Cancelling would end this long before the start",
          "t.draft_lead_time_minutes"),
    COUNT("draft_buffer_minutes", "Would be kept free after the end", "t.draft_buffer_minutes"),
    MAYBE_COUNT("published_number", "Number of the version published last; null before the first",
                "NULLIF(t.published_number, 0)"),
    MAYBE_TEXT("published_title", "Title of that version", "t.published_title"),
    MAYBE_COUNT("published_duration_minutes", "Working time of that version",
                "t.published_duration_minutes"),
    MAYBE_COUNT("published_lead_time_minutes", "Cancelling ends this long before the start",
                "t.published_lead_time_minutes"),
    MAYBE_COUNT("published_buffer_minutes", "Kept free after the end",
                "t.published_buffer_minutes"),
    MAYBE_HASH("published_hash", "SHA-256 of that version's content", "t.published_hash"),
    COUNT("version", "Version of its stream: the ETag of the single thing", "t.version"),
    AT("changed_at", "When the record was decided that changed it last", "t.changed_at_us"),
};

static const struct pw_query_column slot_columns[] = {
    ID("id", "The slot", "t.slot_id"),
    ID("exam_id", "Its exam", "t.exam_id"),
    COUNT("exam_version", "Number of the published version that is sat", "t.exam_version"),
    AT("starts_at", "Start", "t.starts_at_us"),
    AT("ends_at", "Start plus the version's duration", "t.ends_at_us"),
    COUNT("lead_time_minutes", "Cancelling ends this long before the start", "t.lead_time_minutes"),
    COUNT("buffer_minutes", "Kept free in a student's calendar after the end", "t.buffer_minutes"),
    COUNT("capacity", "Seats", "t.capacity"),
    COUNT("taken_count", "Seats that are taken", "t.taken_count"),
    COUNT("free_count", "Seats that are free",
          "CAST(t.capacity AS SIGNED) - CAST(t.taken_count AS SIGNED)"),
    COUNT("version", "Version of its stream: the ETag of the single thing", "t.version"),
    AT("changed_at", "When the record was decided that changed it last", "t.changed_at_us"),
};

static const struct pw_query_column reservation_columns[] = {
    ID("id", "The reservation", "t.reservation_id"),
    ID("slot_id", "Its slot", "t.slot_id"),
    ID("exam_id", "The slot's exam", "t.exam_id"),
    ID("student_id", "Whose seat it is", "t.student_id"),
    WORD("state", "Whether the seat is still held", "t.state", reservation_states),
    AT("starts_at", "Start of the sitting", "t.starts_at_us"),
    AT("ends_at", "End of the sitting, accommodations included", "t.ends_at_us"),
    AT("free_again_at", "End plus buffer: until then the calendar is blocked",
       "t.free_again_at_us"),
    COUNT("version", "Version of its stream: the ETag of the single thing", "t.version"),
    AT("changed_at", "When the record was decided that changed it last", "t.changed_at_us"),
};

static const struct pw_query_column calendar_columns[] = {
    ID("reservation_id", "The reservation that blocks the calendar", "t.reservation_id"),
    ID("slot_id", "Its slot", "t.slot_id"),
    ID("exam_id", "The slot's exam", "t.exam_id"),
    AT("starts_at", "Start of the sitting", "t.starts_at_us"),
    AT("ends_at", "End of the sitting, accommodations included", "t.ends_at_us"),
    AT("free_again_at", "End plus buffer: until then the calendar is blocked",
       "t.free_again_at_us"),
};

#define COLUMNS(array) .columns = (array), .column_count = PW_COUNT(array)
#define FROM_TO                                                                                    \
    BY_AT("from", "Only what starts then or later", "t.starts_at_us >= ?"),                        \
        BY_AT("to", "Only what starts before then", "t.starts_at_us < ?")

const struct pw_query_info pw_queries[] = {
    {.name = "exams",
     .path = "/exams",
     .doc = "Exams: a teacher's own, for an admin all.",
     .roles = STAFF,
     .is_list = true,
     .projection = "exams",
     .key_column = "t.exam_id",
     COLUMNS(exam_columns),
     .filters = {BY_ID("owner_id", "Only exams of this teacher", "t.owner_id = ?", PW_ROLE(ADMIN))},
     .scopes = {{PW_ROLE(ADMIN), NULL, false}, {PW_ROLE(TEACHER), "t.owner_id = ?", false}}},
    {.name = "exam",
     .path = "/exams/{exam_id}",
     .path_doc = "The exam",
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
     .filters = {BY_ID("exam_id", "Only of this exam", "t.exam_id = ?", 0), FROM_TO},
     .scopes = {{EVERYBODY, NULL, false}}},
    {.name = "slot",
     .path = "/slots/{slot_id}",
     .path_doc = "The slot",
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
     .filters = {BY_ID("slot_id", "Only of this slot", "t.slot_id = ?", 0),
                 BY_ID("exam_id", "Only of this exam", "t.exam_id = ?", 0),
                 BY_ID("student_id", "Only of this student", "t.student_id = ?", STAFF),
                 BY_WORD("state", "Only in this state", "t.state = ?", reservation_states),
                 FROM_TO},
     .scopes = {{PW_ROLE(ADMIN), NULL, false},
                {PW_ROLE(STUDENT), "t.student_id = ?", false},
                {PW_ROLE(TEACHER), OF_OWN_EXAM, true}}},
    {.name = "reservation",
     .path = "/reservations/{reservation_id}",
     .path_doc = "The reservation",
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
     .path_doc = "The student",
     .param_name = "student_id",
     .param_column = "t.student_id",
     COLUMNS(calendar_columns),
     .filters = {FROM_TO},
     .scopes = {{PW_ROLE(ADMIN), NULL, false}}},
};

const uint32_t pw_query_count = PW_COUNT(pw_queries);
