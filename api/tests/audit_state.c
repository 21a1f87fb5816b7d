/* api/tests/audit_state.c: what a folded state says of streams and tenants. */
#include "api/audit_state.h"
#include "commands/tests/people.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct pw_event events[] = {
    PEOPLE,
    DRAFTED(30),
    DRAFTED(31),
    PUBLISHED(30, 2, 1),
    REVISED(30, 3, "Algebra II", 91),
    OPENED(40, 30, NOON, 2),
    RESERVED(50, ANN, 40, 30, NOON),
    HELD(51, BOB, 40, 30, NOON, NINE + MINUTES(10)),
    JOINED(52, TOM, 40, 30),
    PRIORITISED(52, 2, TOM, 40, 30, 5),
    SIGNED_IN(60, 10, NINE),
    SIGNED_IN(61, 10, NINE),
    SIGNED_IN(62, 10, NINE),
    ENDED(61, 2, 10, "revoked"),
    REFRESHED(62, 2, 10, NINE + MINUTES(5), NINE + DAYS(7)),
    REGISTERED(11, PW_ROLE(TEACHER), PASSWORD_TWO),
    ERASED(11, 2),
    OPENED(41, 30, NOON + MINUTES(900), 2),
    RESERVED(53, TOM, 41, 30, NOON + MINUTES(900)),
    SLOT_CANCELLED(41, 2, 30, ENVIRONMENT_POWER),
};

static const struct pw_tenant *folded(struct pw_state *state)
{
    world_fold(state, events, PW_COUNT(events));
    return pw_state_tenant(state, &(struct pw_id)OUR_TENANT);
}

#define ID_TEXT(hex) "\"70000000-0000-0000-0000-0000000000" hex "\""

static const struct shown {
    const char *name;
    enum pw_aggregate aggregate;
    struct pw_id id;
    const char *said; /* Somewhere in it. */
} rows[] = {
    {"a tenant that set nothing has the defaults", PW_AGGREGATE_tenant, OUR_TENANT,
     "{\"hold_minutes\":10,\"offer_minutes\":1440,\"keeps_accounts\":true,\"issuers\":[]}"},
    {"a person, and where they are signed in, newest first", PW_AGGREGATE_user, ANN,
     "{\"state\":\"active\",\"roles\":[\"student\"],\"has_password\":true,\"reset_expires_at\":"
     "null,"
     "\"key_id\":" ID_TEXT("6e") ",\"session_ids\":[" ID_TEXT("3e") "," ID_TEXT("3c") "]}"},
    {"a person who was forgotten", PW_AGGREGATE_user, BOB,
     "{\"state\":\"erased\",\"roles\":[\"teacher\"],\"has_password\":false,"
     "\"reset_expires_at\":null,\"key_id\":" ID_TEXT("6f") ",\"session_ids\":[]}"},
    {"a session", PW_AGGREGATE_session, ID(62),
     "{\"state\":\"live\",\"user_id\":" ID_TEXT(
         "0a") ",\"refreshed_at\":\"2027-01-15T08:05:00Z\","
               "\"expires_at\":\"2027-01-22T08:00:00Z\",\"ends_at\":\"2027-02-14T08:00:00Z\"}"},
    {"a session that was never refreshed", PW_AGGREGATE_session, ID(60), "\"refreshed_at\":null"},
    {"a session that has ended", PW_AGGREGATE_session, ID(61), "{\"state\":\"ended\"}"},
    {"an exam and what was published of it", PW_AGGREGATE_exam, ID(30),
     "\"published_number\":1,\"published_title\":\"Algebra\",\"published_duration_minutes\":90,"
     "\"published_lead_time_minutes\":60,\"published_buffer_minutes\":15,"
     "\"published_item_count\":0,\"published_maximum_mark\":0,\"published_items_hash\":null,"
     "\"published_hash\":\""},
    {"and its draft since", PW_AGGREGATE_exam, ID(30), "\"draft_title\":\"Algebra II\""},
    {"an exam of which nothing is published", PW_AGGREGATE_exam, ID(31),
     "{\"owner_id\":" ID_TEXT("0c") ",\"draft_title\":\"Algebra\",\"draft_duration_minutes\":90,"
                                    "\"draft_lead_time_minutes\":60,\"draft_buffer_minutes\":15,"
                                    "\"draft_item_count\":0,\"draft_maximum_mark\":0,\"draft_items_"
                                    "hash\":null,\"draft_hash\":\""},
    {"and what would be", PW_AGGREGATE_exam, ID(31),
     "\"published_number\":null,\"published_title\":null,\"published_duration_minutes\":null,"
     "\"published_lead_time_minutes\":null,\"published_buffer_minutes\":null,"
     "\"published_item_count\":null,\"published_maximum_mark\":null,\"published_items_hash\":null,"
     "\"published_hash\":null,\"withdrawn\":false}"},
    {"a slot", PW_AGGREGATE_slot, ID(40),
     "{\"exam_id\":" ID_TEXT(
         "1e") ",\"exam_version\":1,\"starts_at\":\"2027-01-15T11:00:00Z\","
               "\"ends_at\":\"2027-01-15T12:30:00Z\",\"hard_end_at\":null,\"lead_time_minutes\":60,"
               "\"buffer_minutes\":"
               "15,"
               "\"capacity\":2,\"taken_count\":2,\"joined_count\":1,"
               "\"waiting_count\":1,\"waitlist_closed\":false,\"state\":\"open\","
               "\"cancel_reason\":null,\"left_count\":0,\"reminds_at\":null,\"reminded\":false}"},
    {"one that was cancelled, and what is left to do", PW_AGGREGATE_slot, ID(41),
     "\"state\":\"cancelled\",\"cancel_reason\":\"environment.power\",\"left_count\":1,"},
    {"a booked seat", PW_AGGREGATE_reservation, ID(50),
     "{\"slot_id\":" ID_TEXT("28") ",\"exam_id\":" ID_TEXT("1e") ",\"student_id\":" ID_TEXT(
         "0a") ","
               "\"state\":\"confirmed\",\"starts_at\":\"2027-01-15T11:00:00Z\","
               "\"ends_at\":\"2027-01-15T12:30:00Z\",\"free_again_at\":\"2027-01-15T12:45:00Z\","
               "\"expires_at\":null,\"priority\":0,\"turn\":null,\"by_offer\":\"no\",\"replacement_"
               "reason\":null}"},
    {"what a student was told", PW_AGGREGATE_inbox, ID(10), "{\"count\":1,\"unread_count\":1}"},
    {"a held one", PW_AGGREGATE_reservation, ID(51), "\"expires_at\":\"2027-01-15T08:10:00Z\""},
    {"a place on the waiting list", PW_AGGREGATE_reservation, ID(52),
     "\"expires_at\":null,\"priority\":5,\"turn\":1,\"by_offer\":\"no\",\"replacement_reason\":"
     "null}"},
};

Test(audit_state, streams)
{
    struct pw_state *state = pw_state_new();
    const struct pw_tenant *tenant = folded(state);
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        json_t *json = pw_audit_state_stream(tenant, rows[i].aggregate, &rows[i].id);
        char *text = json_dumps(json, JSON_COMPACT);
        cr_expect(strstr(text, rows[i].said) != NULL, "%s: %s", rows[i].name, text);
        cr_expect(strstr(text, "sealed") == NULL, "%s", text); /* As everything personal is here. */
        free(text);
        json_decref(json);
    }
    pw_state_free(state);
}

/* The hash is that of the tenant's bytes in the state's serialisation: with one tenant, all but the number of tenants. */
Test(audit_state, a_whole_tenant)
{
    struct pw_state *state = pw_state_new();
    const struct pw_tenant *tenant = folded(state);
    struct pw_buffer bytes;
    char text[65];
    pw_buffer_init(&bytes, 1 << 20);
    pw_state_serialise(state, &bytes);
    struct pw_hash hash = pw_sha256(bytes.data + 1, bytes.bytes - 1, NULL, 0);
    pw_hex_format(hash.bytes, sizeof hash.bytes, text);
    json_t *json = pw_audit_state_tenant(tenant);
    json_t *wanted =
        json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s}", "version", 2, "users",
                  3, "sessions", 2, "exams", 2, "slots", 2, "reservations", 4, "accommodations", 0,
                  "inboxes", 2, "items", 0, "state_format", PW_STATE_FORMAT, "state_sha256", text);
    char *said = json_dumps(json, JSON_COMPACT);
    cr_expect(json_equal(json, wanted), "%s", said);
    free(said);
    json_decref(json);
    json_decref(wanted);
    pw_buffer_close(&bytes);
    pw_state_free(state);
}
