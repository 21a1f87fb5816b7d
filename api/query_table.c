/* api/query_table.c: what can be asked of the read models. */
#include "api/query_table.h"

#include "commands/inbox.h"

#define EVERYBODY (PW_ROLE(STUDENT) | PW_ROLE(TEACHER) | PW_ROLE(ADMIN))
#define STAFF     (PW_ROLE(TEACHER) | PW_ROLE(ADMIN))
#define PRESENT   (EVERYBODY | PW_ROLE(PROCTOR)) /* In a slot. */
#define COUNTING  (STAFF | PW_ROLE(ANALYST))     /* What is no person's. */

#define OF_OWN_EXAM                                                                                \
    "EXISTS (SELECT 1 FROM exams e WHERE e.generation = " PW_GENERATION_OF(                        \
        "exams") " AND "                                                                           \
                 "e.tenant_id = t.tenant_id AND e.exam_id = t.exam_id AND e.owner_id = ?)"

#define OF_PROCTORED_SLOT                                                                          \
    "EXISTS (SELECT 1 FROM slot_proctors a WHERE a.generation = " PW_GENERATION_OF(                \
        "slots") " AND "                                                                           \
                 "a.tenant_id = t.tenant_id AND a.slot_id = t.slot_id AND a.proctor_id = ? AND "   \
                 "a.live = 1)"

/* Who sits in such a slot, and not who waited for a seat of it or gave one back: confirmed, attended, no-show. */
#define SITS_IN_PROCTORED_SLOT "(t.state IN (1, 10, 11) AND " OF_PROCTORED_SLOT ")"

/* What an answer shows: its name, what that is, and where it is from. MAYBE: it can be null. */
#define COLUMN(name, doc, sql, kind, maybe, words)                                                 \
    {                                                                                              \
        (name), (doc), (sql), (kind), (maybe), (words), NULL, NULL                                 \
    }
#define ID(name, doc, sql)          COLUMN(name, doc, sql, PW_ANSWER_ID, false, NULL)
#define TEXT(name, doc, sql)        COLUMN(name, doc, sql, PW_ANSWER_TEXT, false, NULL)
#define COUNT(name, doc, sql)       COLUMN(name, doc, sql, PW_ANSWER_COUNT, false, NULL)
#define AT(name, doc, sql)          COLUMN(name, doc, sql, PW_ANSWER_AT, false, NULL)
#define DAY(name, doc, sql)         COLUMN(name, doc, sql, PW_ANSWER_DAY, false, NULL)
#define WORD(name, doc, sql, words) COLUMN(name, doc, sql, PW_ANSWER_WORD, false, words)
#define MAYBE_ID(name, doc, sql)    COLUMN(name, doc, sql, PW_ANSWER_ID, true, NULL)
#define MAYBE_TEXT(name, doc, sql)  COLUMN(name, doc, sql, PW_ANSWER_TEXT, true, NULL)
#define MAYBE_COUNT(name, doc, sql) COLUMN(name, doc, sql, PW_ANSWER_COUNT, true, NULL)
#define MAYBE_HASH(name, doc, sql)  COLUMN(name, doc, sql, PW_ANSWER_HASH, true, NULL)
#define MAYBE_AT(name, doc, sql)    COLUMN(name, doc, sql, PW_ANSWER_AT, true, NULL)
#define FLAG(name, doc, sql)        COLUMN(name, doc, sql, PW_ANSWER_FLAG, false, NULL)
#define HASH(name, doc, sql)        COLUMN(name, doc, sql, PW_ANSWER_HASH, false, NULL)
#define RECORDS_COLUMN(name, doc, sql, maybe, record)                                              \
    {                                                                                              \
        (name), (doc), (sql), PW_ANSWER_RECORDS, (maybe), NULL, NULL, pw_##record##_record         \
    }
#define RECORDS(name, doc, sql, record)       RECORDS_COLUMN(name, doc, sql, false, record)
#define MAYBE_RECORDS(name, doc, sql, record) RECORDS_COLUMN(name, doc, sql, true, record)
#define ROLES(name, doc, sql)                 COLUMN(name, doc, sql, PW_ANSWER_ROLES, false, NULL)
/* of: where the columns user_id, key_id and `sql` are. The whole is NULL where one of them is. */
#define SEALED(name, doc, of, sql, field)                                                          \
    {                                                                                              \
        (name), (doc), "CONCAT(" of ".user_id, " of ".key_id, " of "." sql ")", PW_ANSWER_SEALED,  \
            true, NULL, (field), NULL                                                              \
    }

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

#define BY_ROLE(name, doc, sql)                                                                    \
    {                                                                                              \
        (name), (doc), (sql), PW_ANSWER_ROLES, 0, NULL                                             \
    }
#define BY_ADDRESS(name, doc, sql)                                                                 \
    {                                                                                              \
        (name), (doc), (sql), PW_ANSWER_SEALED, 0, NULL                                            \
    }

static const char *const no_or_yes[] = {"false", "true", NULL};
static const char *const accommodation_states[] = {"", "granted", "revoked", NULL};
static const char *const replacement_reasons[] = {"", "hard-end", "calendar", NULL};
static const char *const user_states[] = {"", "active", "deactivated", "erased", NULL};
static const char *const slot_states[] = {"", "open", "closed", "cancelled", NULL};
static const char *const notification_kinds[] = {"",
#define NAME_OF(UPPER, name, doc) name,
                                                 PW_NOTIFICATIONS(NAME_OF)
#undef NAME_OF
                                                     NULL};
static const char *const reservation_states[] = {
    "",        "confirmed", "cancelled", "held",     "expired", "waiting", "left",
    "offered", "declined",  "lapsed",    "attended", "no-show", NULL};

const char *pw_query_user_state(uint32_t state)
{
    assert(state < PW_COUNT(user_states) - 1);
    return user_states[state];
}

const char *pw_query_slot_state(uint32_t state)
{
    return slot_states[state == PW_SLOT_WITHDRAWN ? PW_SLOT_CANCELLED : state];
}

const char *pw_query_reservation_state(uint32_t state)
{
    assert(state < PW_COUNT(reservation_states) - 1);
    return reservation_states[state];
}

static const char *const item_kinds[] = {
#define PW_ITEM_KIND(UPPER, name, doc) name,
#include "schemas/item_names.def"
    NULL};
static const char *const scorings[] = {
#define PW_SCORING(UPPER, name, doc) name,
#include "schemas/item_names.def"
    NULL};

#define SAME(alias, key)                                                                           \
    alias ".generation = t.generation AND " alias ".tenant_id = t.tenant_id AND " alias "." key    \
          " = t." key
#define WITH_PROFILE                                                                               \
    " JOIN user_profiles f ON " SAME("f", "user_id") " LEFT JOIN user_preferences w ON " SAME(     \
        "w", "user_id")

/* The newest version, `v`; and the key that counts of the version that is in `of`, `k`. */
#define WITH_NEWEST                                                                                \
    " JOIN item_versions v ON " SAME("v", "item_id") " AND v.version_number = t.newest_number"
#define WITH_KEY_OF(of)                                                                            \
    " JOIN item_keys k ON " SAME(                                                                  \
        "k",                                                                                       \
        "item_id") " AND k.version_number = " of ".version_number "                                \
                   "AND k.key_number = (SELECT MAX(n.key_number) FROM item_keys n WHERE " SAME(    \
                       "n", "item_id") " AND n.version_number = " of ".version_number)"

/* What the draft, `d`, and the published version, `p`, ask. */
#define ASKED_BY(alias, hash)                                                                      \
    " LEFT JOIN exam_items " alias " ON " SAME(alias, "exam_id") " AND " alias                     \
                                                                 ".items_hash = t." hash
#define ASKED_BY_VERSION                                                                           \
    " LEFT JOIN exam_items p ON " SAME("p", "exam_id") " AND p.items_hash = t.items_hash"
#define WITH_ITEMS ASKED_BY("d", "draft_items_hash") ASKED_BY("p", "published_items_hash")

#define CONTENT_OF(of)                                                                             \
    TEXT("title", "What staff call it", of ".title"),                                              \
        WORD("kind", "What the candidate does", of ".kind", item_kinds),                           \
        TEXT("prompt", "What the candidate reads", of ".prompt"),                                  \
        RECORDS("choices", "What is chosen from", of ".choices", item_choice),                     \
        WORD("scoring", "How an answer gets its mark", of ".scoring", scorings),                   \
        RECORDS("answers", "The key as it is now", "k.answers", item_answer),                      \
        COUNT("key_number", "The key's number: 1 is what the version came with", "k.key_number"),  \
        COUNT("maximum_mark", "The most that it gives", of ".maximum_mark"),                       \
        COUNT("penalty_max", "The most that it takes away", of ".penalty_max"),                    \
        HASH("content_hash", "SHA-256 of the content, with the key that it came with",             \
             of ".content_hash")

static const struct pw_query_column item_columns[] = {
    ID("id", "The item", "t.item_id"),
    ID("owner_id", "The teacher who drafted it", "t.owner_id"),
    COUNT("newest_number", "Number of the newest version, which is shown here", "t.newest_number"),
    FLAG("retired", "Whether it is out of use", "t.retired"),
    CONTENT_OF("v"),
    COUNT("version", "Version of its stream: the ETag of the single thing", "t.version"),
    AT("changed_at", "When the record was decided that changed it last", "t.changed_at_us"),
};

static const struct pw_query_column item_version_columns[] = {
    ID("id", "The item", "t.item_id"),
    COUNT("version_number", "The version's number", "t.version_number"),
    CONTENT_OF("t"),
    AT("changed_at", "When it was made", "t.changed_at_us"),
};

static const struct pw_query_column exam_columns[] = {
    ID("id", "The exam", "t.exam_id"),
    ID("owner_id", "The teacher who drafted it", "t.owner_id"),
    TEXT("draft_title", "Title of the draft", "t.draft_title"),
    COUNT("draft_duration_minutes", "Working time of the draft", "t.draft_duration_minutes"),
    COUNT("draft_lead_time_minutes", "Cancelling would end this long before the start",
          "t.draft_lead_time_minutes"),
    COUNT("draft_buffer_minutes", "Would be kept free after the end", "t.draft_buffer_minutes"),
    RECORDS("draft_items", "What it would ask", "IF(t.draft_items_hash IS NULL, X'90', d.items)",
            exam_item),
    COUNT("draft_maximum_mark", "The sum of what these give at most",
          "COALESCE(d.maximum_mark, 0)"),
    MAYBE_COUNT("published_number", "Number of the version published last; null before the first",
                "NULLIF(t.published_number, 0)"),
    MAYBE_TEXT("published_title", "Title of that version", "t.published_title"),
    MAYBE_COUNT("published_duration_minutes", "Working time of that version",
                "t.published_duration_minutes"),
    MAYBE_COUNT("published_lead_time_minutes", "Cancelling ends this long before the start",
                "t.published_lead_time_minutes"),
    MAYBE_COUNT("published_buffer_minutes", "Kept free after the end",
                "t.published_buffer_minutes"),
    MAYBE_RECORDS(
        "published_items", "What that version asks",
        "IF(t.published_items_hash IS NULL, IF(t.published_number = 0, NULL, X'90'), p.items)",
        exam_item),
    MAYBE_COUNT("published_maximum_mark", "The sum of what these give at most",
                "IF(t.published_number = 0, NULL, COALESCE(p.maximum_mark, 0))"),
    MAYBE_HASH("published_hash", "SHA-256 of that version's content", "t.published_hash"),
    FLAG("withdrawn", "Whether the exam is at its end", "t.withdrawn"),
    COUNT("version", "Version of its stream: the ETag of the single thing", "t.version"),
    AT("changed_at", "When the record was decided that changed it last", "t.changed_at_us"),
};

static const struct pw_query_column exam_version_columns[] = {
    ID("id", "The exam", "t.exam_id"),
    COUNT("version_number", "The version's number", "t.version_number"),
    TEXT("title", "Its title", "t.title"),
    COUNT("duration_minutes", "Working time", "t.duration_minutes"),
    COUNT("lead_time_minutes", "Cancelling ends this long before the start", "t.lead_time_minutes"),
    COUNT("buffer_minutes", "Kept free after the end", "t.buffer_minutes"),
    RECORDS("items", "What it asks", "IF(t.items_hash IS NULL, X'90', p.items)", exam_item),
    COUNT("maximum_mark", "The sum of what these give at most", "COALESCE(p.maximum_mark, 0)"),
    HASH("content_hash", "SHA-256 of its content", "t.content_hash"),
    AT("changed_at", "When it was published", "t.changed_at_us"),
};

static const struct pw_query_column slot_columns[] = {
    ID("id", "The slot", "t.slot_id"),
    ID("exam_id", "Its exam", "t.exam_id"),
    COUNT("exam_version", "Number of the published version that is sat", "t.exam_version"),
    AT("starts_at", "Start", "t.starts_at_us"),
    AT("ends_at", "Start plus the version's duration", "t.ends_at_us"),
    MAYBE_AT("hard_end_at",
             "Nobody sits longer than this, however much time they are granted; null: there is no "
             "such end",
             "t.hard_end_at_us"),
    COUNT("lead_time_minutes", "Cancelling ends this long before the start", "t.lead_time_minutes"),
    COUNT("buffer_minutes", "Kept free in a student's calendar after the end", "t.buffer_minutes"),
    COUNT("capacity", "Seats", "t.capacity"),
    COUNT("taken_count", "Seats that are taken", "t.taken_count"),
    COUNT("free_count", "Seats that are free; given only while `state` is open",
          "CAST(t.capacity AS SIGNED) - CAST(t.taken_count AS SIGNED)"),
    COUNT("waiting_count", "How many wait for a seat", "t.waiting_count"),
    WORD("state", "Whether seats are given; of a cancelled one nothing is left", "t.state",
         slot_states),
    COUNT("left_count", "Of a cancelled one: reservations whose own record of that is to come",
          "t.left_count"),
    COUNT("version", "Version of its stream: the ETag of the single thing", "t.version"),
    AT("changed_at", "When the record was decided that changed it last", "t.changed_at_us"),
};

/* Of an open slot, what is not taken: nothing more is given of the others. */
#define CAN_BE_GIVEN                                                                               \
    "IF(t.state = 1, CAST(t.capacity AS SIGNED) - CAST(t.taken_count AS SIGNED), 0)"

static const struct pw_query_column slot_fill_columns[] = {
    ID("slot_id", "The slot", "t.slot_id"),
    ID("exam_id", "Its exam", "t.exam_id"),
    AT("starts_at", "Start", "t.starts_at_us"),
    WORD("state", "Whether seats are given; of a cancelled one nothing is left", "t.state",
         slot_states),
    COUNT("capacity", "Seats", "t.capacity"),
    COUNT("taken_count", "Seats that are taken, those that are held or offered included",
          "t.taken_count"),
    COUNT("free_count", "Seats that can still be given: none unless it is open", CAN_BE_GIVEN),
    COUNT("held_count", "Of the seats that are taken: held, not booked", "t.held_count"),
    COUNT("offered_count", "Of the seats that are taken: offered to who waited", "t.offered_count"),
    COUNT("waiting_count", "How many wait for a seat", "t.waiting_count"),
    COUNT("attended_count", "Of the seats that are taken: who had it came", "t.attended_count"),
    COUNT("no_show_count", "Of the seats that are taken: who had it did not come",
          "t.no_show_count"),
};

/* Sums over slots. A sum of whole numbers is a decimal to SQL. */
#define SUM_OF(sql)      "CAST(SUM(" sql ") AS SIGNED)"
#define TAKES_PLACE(sql) SUM_OF("IF(t.state = 3, 0, " sql ")")
#define SUMS                                                                                       \
    COUNT("slot_count", "Slots that are counted here, cancelled ones included", "COUNT(*)"),       \
        COUNT("cancelled_slot_count", "How many of them are cancelled", SUM_OF("t.state = 3")),    \
        COUNT("capacity", "Seats of those that are not cancelled", TAKES_PLACE("t.capacity")),     \
        COUNT("taken_count", "How many of these are taken, held or offered ones included",         \
              TAKES_PLACE("t.taken_count")),                                                       \
        COUNT("free_count", "Seats that can still be given: those of open slots",                  \
              SUM_OF(CAN_BE_GIVEN)),                                                               \
        COUNT("held_count", "Seats that are held, not booked", TAKES_PLACE("t.held_count")),       \
        COUNT("offered_count", "Seats that are offered to who waited",                             \
              TAKES_PLACE("t.offered_count")),                                                     \
        COUNT("waiting_count", "How many wait for a seat; who waits for two is counted twice",     \
              TAKES_PLACE("t.waiting_count")),                                                     \
        COUNT("attended_count", "How many sittings were attended", SUM_OF("t.attended_count")),    \
        COUNT("no_show_count", "To how many sittings the student did not come",                    \
              SUM_OF("t.no_show_count"))

static const struct pw_query_column exam_fill_columns[] = {
    ID("exam_id", "The exam", "t.exam_id"),
    SUMS,
};

static const struct pw_query_column day_fill_columns[] = {
    DAY("day", "The UTC day on which the slots start", "t.day_us"),
    SUMS,
};

static const struct pw_query_column proctor_columns[] = {
    ID("proctor_id", "Who proctors the slot", "a.proctor_id"),
    AT("assigned_at", "When they were assigned", "a.changed_at_us"),
};

static const struct pw_query_column reservation_columns[] = {
    ID("id", "The reservation", "t.reservation_id"),
    ID("slot_id", "Its slot", "t.slot_id"),
    ID("exam_id", "The slot's exam", "t.exam_id"),
    ID("student_id", "Whose seat it is", "t.student_id"),
    WORD("state", "What has become of it; confirmed, held and offered ones have a seat", "t.state",
         reservation_states),
    AT("starts_at", "Start of the sitting", "t.starts_at_us"),
    AT("ends_at", "End of the sitting, accommodations included", "t.ends_at_us"),
    AT("free_again_at", "End plus buffer: until then the calendar is blocked",
       "t.free_again_at_us"),
    MAYBE_AT("expires_at",
             "When the hold or the offer runs out, unless it is taken before; null: it is neither",
             "t.expires_at_us"),
    FLAG("needs_replacement",
         "Whether the time that the student is granted cannot be had in this slot, so that another "
         "one is needed",
         "t.needs_replacement > 0"),
    COLUMN("replacement_reason",
           "What is in its way: the slot's hard end, or another sitting; null: nothing is",
           "NULLIF(t.needs_replacement, 0)", PW_ANSWER_WORD, true, replacement_reasons),
    COUNT("version", "Version of its stream: the ETag of the single thing", "t.version"),
    AT("changed_at", "When the record was decided that changed it last", "t.changed_at_us"),
};

static const struct pw_query_column step_columns[] = {
    COUNT("version", "Version of the reservation's stream after the step: 1 for the first",
          "h.version"),
    TEXT("event", "What happened: the name of an event of docs/EVENTS.md", "h.event"),
    AT("at", "When it was decided", "h.changed_at_us"),
    WORD("state", "What had become of the reservation then", "h.state", reservation_states),
    ID("slot_id", "Its slot then", "h.slot_id"),
    MAYBE_ID("from_slot_id", "The slot that was left; null: it was not moved", "h.from_slot_id"),
    AT("starts_at", "Start of the sitting, as it was then", "h.starts_at_us"),
    AT("ends_at", "End of the sitting, as it was then", "h.ends_at_us"),
    MAYBE_AT("expires_at", "When the hold or the offer would run out; null: it was neither",
             "h.expires_at_us"),
    MAYBE_TEXT("reason",
               "Why: staff's reason, or what is in the way of the time that is granted; null: it "
               "needs none",
               "h.reason"),
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

#define IS_UNREAD "(i.unread >> (i.notification_count - t.number) & 1)"
static const struct pw_query_column notification_columns[] = {
    ID("reservation_id", "What it is about", "t.reservation_id"),
    COUNT("number", "1 for the student's first one", "t.number"),
    WORD("kind", "What has happened", "t.kind", notification_kinds),
    FLAG("unread", "Whether the student has not read it; only the newest 63 can be unread",
         IS_UNREAD),
    ID("slot_id", "The slot, as it was then", "t.slot_id"),
    ID("exam_id", "The slot's exam", "t.exam_id"),
    AT("starts_at", "Start of the sitting, as it was then", "t.starts_at_us"),
    AT("ends_at", "End of the sitting, likewise", "t.ends_at_us"),
    MAYBE_AT("expires_at", "Of an offer: until when it waits to be accepted", "t.expires_at_us"),
    MAYBE_TEXT("reason", "Why staff did it, the slot was cancelled, or another one is needed",
               "t.reason"),
    AT("told_at", "When it happened", "t.changed_at_us"),
};

static const struct pw_query_column inbox_columns[] = {
    ID("student_id", "Whose it is", "t.student_id"),
    COUNT("notification_count", "How many notifications there are: the number of the newest",
          "t.notification_count"),
    COUNT("unread_count", "How many of the newest 63 are unread", "t.unread_count"),
    COUNT("version", "Version of the stream that says what was read: for `If-Match`", "t.version"),
};

static const struct pw_query_column accommodation_columns[] = {
    ID("id", "The accommodation", "t.accommodation_id"),
    ID("student_id", "Who has more time", "t.student_id"),
    WORD("state", "What was revoked counts for nothing", "t.state", accommodation_states),
    COUNT("factor_percent", "The working time is multiplied by this, rounded up to whole minutes",
          "t.factor_percent"),
    COUNT("fixed_minutes", "Added to that, whatever the exam", "t.fixed_minutes"),
    COUNT("rest_break_minutes", "Added for breaks", "t.rest_break_minutes"),
    AT("valid_from", "For sittings that start then", "t.valid_from_us"),
    AT("valid_until", "For no sitting that starts then or later", "t.valid_until_us"),
    COUNT("version", "Version of its stream: the ETag of the single thing", "t.version"),
    AT("changed_at", "When the record was decided that changed it last", "t.changed_at_us"),
};

static const struct pw_query_column user_columns[] = {
    ID("id", "The person: the `sub` of their tokens", "t.user_id"),
    WORD("state", "Whether they are let in; of one who was erased nothing personal is left",
         "t.state", user_states),
    ROLES("roles", "What they may do", "t.roles"),
    SEALED("email", "E-mail address; null once the person was erased", "f", "email", "user.email"),
    SEALED("name", "The name, as people read it; null once the person was erased", "f", "name",
           "user.name"),
    FLAG("has_password", "Whether they can sign in by a password", "t.has_password"),
    MAYBE_TEXT(
        "language",
        "BCP 47 tag of the language that they want to be written to in; null: they never said",
        "w.language"),
    MAYBE_TEXT("time_zone", "IANA time zone that times are shown in; null: they never said",
               "w.time_zone"),
    COUNT("version", "Version of its stream: the ETag of the single thing", "t.version"),
    AT("changed_at", "When the record was decided that changed it last", "t.changed_at_us"),
};

static const struct pw_query_column session_columns[] = {
    ID("id", "The session", "t.session_id"),
    ID("user_id", "Whose it is", "t.user_id"),
    SEALED("label", "What they know the device by; null: nothing", "o", "label", "session.label"),
    AT("opened_at", "When they signed in", "o.changed_at_us"),
    MAYBE_AT("refreshed_at", "When it was refreshed last; null: never", "t.refreshed_at_us"),
    AT("expires_at", "It ends then, unless it is refreshed before", "t.expires_at_us"),
    AT("ends_at", "It ends by then, refreshed or not", "o.ends_at_us"),
    COUNT("version", "Version of its stream", "t.version"),
};

#define WITH_INBOX " JOIN inboxes i ON " SAME("i", "student_id")
#define BY_KIND_AND_UNREAD                                                                         \
    BY_WORD("kind", "Only of this kind", "t.kind = ?", notification_kinds),                        \
        BY_WORD("unread", "Only what is unread; or only the rest", IS_UNREAD " = ?", no_or_yes)

#define COLUMNS(array) .columns = (array), .column_count = PW_COUNT(array)
#define FROM_TO                                                                                    \
    BY_AT("from", "Only what starts then or later", "t.starts_at_us >= ?"),                        \
        BY_AT("to", "Only what starts before then", "t.starts_at_us < ?")

#define OF_DAYS_FROM_TO                                                                            \
    BY_AT("from", "Only days that begin then or later", "t.day_us >= ?"),                          \
        BY_AT("to", "Only days that begin before then", "t.day_us < ?")
#define OF_SLOTS(...)                                                                              \
    .filters = {BY_ID("exam_id", "Only slots of this exam", "t.exam_id = ?", 0),                   \
                BY_WORD("state", "Only slots in this state", "t.state = ?", slot_states),          \
                __VA_ARGS__},                                                                      \
    .scopes = {{PW_ROLE(ADMIN) | PW_ROLE(ANALYST), NULL, NULL},                                    \
               {PW_ROLE(TEACHER), OF_OWN_EXAM, "exams"}}

const struct pw_query_info pw_queries[] = {
    {.name = "exams",
     .path = "/exams",
     .doc = "Exams: a teacher's own, for an admin all.",
     .roles = STAFF,
     .is_list = true,
     .page_max = 200,
     .projection = "exams",
     .joined = WITH_ITEMS,
     .key_column = "t.exam_id",
     COLUMNS(exam_columns),
     .filters = {BY_ID("owner_id", "Only exams of this teacher", "t.owner_id = ?", PW_ROLE(ADMIN))},
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL}, {PW_ROLE(TEACHER), "t.owner_id = ?", NULL}}},
    {.name = "exam",
     .path = "/exams/{exam_id}",
     .path_doc = "The exam",
     .doc = "One exam: its draft, and the version that was published last.",
     .roles = STAFF,
     .projection = "exams",
     .joined = WITH_ITEMS,
     .key_column = "t.exam_id",
     COLUMNS(exam_columns),
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL}, {PW_ROLE(TEACHER), "t.owner_id = ?", NULL}}},
    {.name = "slots",
     .path = "/slots",
     .doc = "Slots with their free seats, by start; for a proctor those that they are assigned to.",
     .roles = PRESENT,
     .is_list = true,
     .projection = "slots",
     .key_column = "t.slot_id",
     .order_column = "t.starts_at_us",
     COLUMNS(slot_columns),
     .filters = {BY_ID("exam_id", "Only of this exam", "t.exam_id = ?", 0),
                 BY_ID("proctor_id", "Only those that this person proctors", OF_PROCTORED_SLOT,
                       PW_ROLE(ADMIN)),
                 BY_WORD("state", "Only in this state", "t.state = ?", slot_states), FROM_TO},
     .scopes = {{EVERYBODY, NULL, NULL}, {PW_ROLE(PROCTOR), OF_PROCTORED_SLOT, NULL}}},
    {.name = "slot",
     .path = "/slots/{slot_id}",
     .path_doc = "The slot",
     .counts_others = true,
     .doc = "One slot with its free seats.",
     .roles = PRESENT,
     .projection = "slots",
     .key_column = "t.slot_id",
     COLUMNS(slot_columns),
     .scopes = {{EVERYBODY, NULL, NULL}, {PW_ROLE(PROCTOR), OF_PROCTORED_SLOT, NULL}}},
    {.name = "slot_proctors",
     .path = "/slots/{slot_id}/proctors",
     .doc = "Who proctors a slot, by id.",
     .roles = STAFF,
     .is_list = true,
     .projection = "slots",
     .key_column = "a.proctor_id",
     .joined = " JOIN slot_proctors a ON " SAME("a", "slot_id"),
     .fixed = "a.live = 1",
     .path_doc = "The slot",
     .param_name = "slot_id",
     .param_column = "t.slot_id",
     COLUMNS(proctor_columns),
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL}, {PW_ROLE(TEACHER), OF_OWN_EXAM, "exams"}}},
    {.name = "slot_fill",
     .path = "/fill/slots",
     .doc = "How full slots are, by start: for a teacher those of their own exams, for an admin or "
            "an analyst all.",
     .roles = COUNTING,
     .is_list = true,
     .projection = "slots",
     .key_column = "t.slot_id",
     .order_column = "t.starts_at_us",
     COLUMNS(slot_fill_columns),
     OF_SLOTS(FROM_TO)},
    {.name = "exam_fill",
     .path = "/fill/exams",
     .doc = "How full exams are, by id: sums over their slots, for a teacher of their own exams, "
            "for an admin or an analyst of all.",
     .roles = COUNTING,
     .is_list = true,
     .projection = "slots",
     .key_column = "t.exam_id",
     .grouped_by = "t.exam_id",
     COLUMNS(exam_fill_columns),
     OF_SLOTS(FROM_TO)},
    {.name = "day_fill",
     .path = "/fill/days",
     .doc = "How full days are, in order: sums over the slots that start on one, for a teacher "
            "those of their own exams, for an admin or an analyst all. A day without a slot is not "
            "there.",
     .roles = COUNTING,
     .is_list = true,
     .projection = "slots",
     .order_column = "t.day_us",
     .grouped_by = "t.day_us",
     COLUMNS(day_fill_columns),
     OF_SLOTS(OF_DAYS_FROM_TO)},
    {.name = "reservations",
     .path = "/reservations",
     .doc = "Reservations, by start: a student's own, a teacher's own exams', those of the slots "
            "that a proctor is assigned to, for an admin all.",
     .roles = PRESENT,
     .is_list = true,
     .projection = "reservations",
     .key_column = "t.reservation_id",
     .order_column = "t.starts_at_us",
     COLUMNS(reservation_columns),
     .filters = {BY_ID("slot_id", "Only of this slot", "t.slot_id = ?", 0),
                 BY_ID("exam_id", "Only of this exam", "t.exam_id = ?", 0),
                 BY_ID("student_id", "Only of this student", "t.student_id = ?",
                       STAFF | PW_ROLE(PROCTOR)),
                 BY_WORD("state", "Only in this state", "t.state = ?", reservation_states),
                 BY_WORD("needs_replacement",
                         "Only those that need a replacement, as they have not the time that is "
                         "granted; or only the others",
                         "(t.needs_replacement > 0) = ?", no_or_yes),
                 FROM_TO},
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL},
                {PW_ROLE(STUDENT), "t.student_id = ?", NULL},
                {PW_ROLE(TEACHER), OF_OWN_EXAM, "exams"},
                {PW_ROLE(PROCTOR), SITS_IN_PROCTORED_SLOT, "slots"}}},
    {.name = "reservation",
     .path = "/reservations/{reservation_id}",
     .path_doc = "The reservation",
     .doc = "One reservation.",
     .roles = PRESENT,
     .projection = "reservations",
     .key_column = "t.reservation_id",
     COLUMNS(reservation_columns),
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL},
                {PW_ROLE(STUDENT), "t.student_id = ?", NULL},
                {PW_ROLE(TEACHER), OF_OWN_EXAM, "exams"},
                {PW_ROLE(PROCTOR), SITS_IN_PROCTORED_SLOT, "slots"}}},
    {.name = "reservation_history",
     .path = "/reservations/{reservation_id}/history",
     .path_doc = "The reservation",
     .doc = "What happened to a reservation, step by step: a student's own, one that is sat in a "
            "slot that a proctor is assigned to, for an admin or an auditor any.",
     .roles = PW_ROLE(STUDENT) | PW_ROLE(PROCTOR) | PW_ROLE(ADMIN) | PW_ROLE(AUDITOR),
     .is_list = true,
     .projection = "reservations",
     .order_column = "h.version",
     .joined = " JOIN reservation_steps h ON " SAME("h", "reservation_id"),
     .param_name = "reservation_id",
     .param_column = "t.reservation_id",
     COLUMNS(step_columns),
     .scopes = {{PW_ROLE(ADMIN) | PW_ROLE(AUDITOR), NULL, NULL},
                {PW_ROLE(STUDENT), "t.student_id = ?", NULL},
                {PW_ROLE(PROCTOR), SITS_IN_PROCTORED_SLOT, "slots"}}},
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
     .scopes = {{PW_ROLE(STUDENT), "t.student_id = ?", NULL}}},
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
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL}}},
    {.name = "inbox",
     .path = "/inbox",
     .doc = "What the asking student was told, newest first.",
     .roles = PW_ROLE(STUDENT),
     .is_list = true,
     .is_flowing = true,
     .newest_first = true,
     .projection = "reservations",
     .table = "notifications",
     .joined = WITH_INBOX,
     .key_column = "t.reservation_id",
     .order_column = "t.number",
     COLUMNS(notification_columns),
     .filters = {BY_KIND_AND_UNREAD},
     .scopes = {{PW_ROLE(STUDENT), "t.student_id = ?", NULL}}},
    {.name = "inbox_counts",
     .path = "/inbox/counts",
     .doc = "How many notifications the asking student has, and how many of them are unread.",
     .roles = PW_ROLE(STUDENT),
     .projection = "reservations",
     .table = "inboxes",
     .key_column = "t.student_id",
     .counts_others = true,
     .of_actor = true,
     .none_yet = "\"notification_count\":0,\"unread_count\":0,\"version\":0",
     COLUMNS(inbox_columns),
     .scopes = {{PW_ROLE(STUDENT), "t.student_id = ?", NULL}}},
    {.name = "student_inbox",
     .path = "/students/{student_id}/inbox",
     .doc = "What a student was told, newest first.",
     .roles = PW_ROLE(ADMIN),
     .is_list = true,
     .newest_first = true,
     .projection = "reservations",
     .table = "notifications",
     .joined = WITH_INBOX,
     .key_column = "t.reservation_id",
     .order_column = "t.number",
     .path_doc = "The student",
     .param_name = "student_id",
     .param_column = "t.student_id",
     COLUMNS(notification_columns),
     .filters = {BY_KIND_AND_UNREAD},
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL}}},
    {.name = "accommodations",
     .path = "/accommodations",
     .doc = "Who has how much more time, by id: a student's own, for an admin all.",
     .roles = PW_ROLE(STUDENT) | PW_ROLE(ADMIN),
     .is_list = true,
     .projection = "accommodations",
     .key_column = "t.accommodation_id",
     COLUMNS(accommodation_columns),
     .filters = {BY_ID("student_id", "Only of this student", "t.student_id = ?", PW_ROLE(ADMIN)),
                 BY_WORD("state", "Only in this state", "t.state = ?", accommodation_states),
                 BY_AT("valid_at", "Only what is valid for a sitting that starts then",
                       "? BETWEEN t.valid_from_us AND t.valid_until_us - 1")},
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL}, {PW_ROLE(STUDENT), "t.student_id = ?", NULL}}},
    {.name = "accommodation",
     .path = "/accommodations/{accommodation_id}",
     .path_doc = "The accommodation",
     .doc = "One accommodation.",
     .roles = PW_ROLE(STUDENT) | PW_ROLE(ADMIN),
     .projection = "accommodations",
     .key_column = "t.accommodation_id",
     COLUMNS(accommodation_columns),
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL}, {PW_ROLE(STUDENT), "t.student_id = ?", NULL}}},
    {.name = "users",
     .path = "/users",
     .doc = "People with an account, by id.",
     .roles = PW_ROLE(ADMIN),
     .is_list = true,
     .projection = "users",
     .key_column = "t.user_id",
     .joined = WITH_PROFILE,
     COLUMNS(user_columns),
     .filters = {BY_ROLE("role", "Only who has this role", "t.roles"),
                 BY_WORD("state", "Only in this state", "t.state = ?", user_states),
                 BY_ADDRESS("email", "Only who has this address, whatever the case of its letters",
                            "f.email_tag = ?")},
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL}}},
    {.name = "user",
     .path = "/users/{user_id}",
     .path_doc = "The person",
     .doc = "One person.",
     .roles = PW_ROLE(ADMIN),
     .projection = "users",
     .key_column = "t.user_id",
     .joined = WITH_PROFILE,
     COLUMNS(user_columns),
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL}}},
    {.name = "me",
     .path = "/me",
     .doc = "One's own account.",
     .roles = PW_EVERYONE,
     .projection = "users",
     .key_column = "t.user_id",
     .joined = WITH_PROFILE,
     .of_actor = true,
     COLUMNS(user_columns),
     .scopes = {{PW_EVERYONE, "t.user_id = ?", NULL}}},
    {.name = "sessions",
     .path = "/sessions",
     .doc = "Who is signed in, by id: one's own live sessions, for an admin all.",
     .roles = PW_EVERYONE,
     .is_list = true,
     .projection = "sessions",
     .key_column = "t.session_id",
     .joined = " JOIN session_openings o ON " SAME("o", "session_id"),
     .fixed = "t.live = 1 AND t.expires_at_us > UNIX_TIMESTAMP() * 1000000",
     COLUMNS(session_columns),
     .filters = {BY_ID("user_id", "Only of this person", "t.user_id = ?", PW_ROLE(ADMIN))},
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL},
                {PW_EVERYONE & ~PW_ROLE(ADMIN), "t.user_id = ?", NULL}}},
    {.name = "exam_versions",
     .path = "/exams/{exam_id}/versions",
     .path_doc = "The exam",
     .doc = "What was published of an exam, by number. A slot names the version that is sat in it.",
     .roles = STAFF,
     .is_list = true,
     .page_max = 50,
     .projection = "exams",
     .table = "exam_versions",
     .joined = ASKED_BY_VERSION,
     .key_column = "t.exam_id",
     .order_column = "t.version_number",
     .param_name = "exam_id",
     .param_column = "t.exam_id",
     COLUMNS(exam_version_columns),
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL},
                {PW_ROLE(TEACHER),
                 "EXISTS (SELECT 1 FROM exams e WHERE " SAME("e", "exam_id") " AND e.owner_id = ?)",
                 NULL}}},
    {.name = "items",
     .path = "/items",
     .doc =
         "Items of the bank, by id, each in its newest version: a teacher's own, for an admin all.",
     .roles = STAFF,
     .is_list = true,
     .page_max = 50,
     .projection = "exams",
     .table = "items",
     .joined = WITH_NEWEST WITH_KEY_OF("v"),
     .key_column = "t.item_id",
     COLUMNS(item_columns),
     .filters = {BY_ID("owner_id", "Only items of this teacher", "t.owner_id = ?", PW_ROLE(ADMIN)),
                 BY_WORD("kind", "Only of this kind", "v.kind = ?", item_kinds),
                 BY_WORD("retired", "Whether they are out of use", "t.retired = ?", no_or_yes)},
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL}, {PW_ROLE(TEACHER), "t.owner_id = ?", NULL}}},
    {.name = "item",
     .path = "/items/{item_id}",
     .path_doc = "The item",
     .doc = "One item in its newest version.",
     .roles = STAFF,
     .projection = "exams",
     .table = "items",
     .joined = WITH_NEWEST WITH_KEY_OF("v"),
     .key_column = "t.item_id",
     COLUMNS(item_columns),
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL}, {PW_ROLE(TEACHER), "t.owner_id = ?", NULL}}},
    {.name = "item_versions",
     .path = "/items/{item_id}/versions",
     .path_doc = "The item",
     .doc = "The versions of an item, by number, each with its key as it is now.",
     .roles = STAFF,
     .is_list = true,
     .page_max = 50,
     .projection = "exams",
     .table = "item_versions",
     .joined = WITH_KEY_OF("t"),
     .key_column = "t.item_id",
     .order_column = "t.version_number",
     .param_name = "item_id",
     .param_column = "t.item_id",
     COLUMNS(item_version_columns),
     .scopes = {{PW_ROLE(ADMIN), NULL, NULL},
                {PW_ROLE(TEACHER),
                 "EXISTS (SELECT 1 FROM items i WHERE " SAME("i", "item_id") " AND i.owner_id = ?)",
                 NULL}}},
};

const uint32_t pw_query_count = PW_COUNT(pw_queries);

bool pw_query_needs_keys(const struct pw_query_info *info)
{
    bool needs = false;
    for (uint32_t i = 0; i < info->column_count; i++) {
        needs = needs || info->columns[i].kind == PW_ANSWER_SEALED;
    }
    for (uint32_t i = 0; i < PW_QUERY_FILTERS_MAX && info->filters[i].name != NULL; i++) {
        needs = needs || info->filters[i].kind == PW_ANSWER_SEALED;
    }
    return needs;
}
