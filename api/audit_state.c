/* api/audit_state.c: what the folded state says, in JSON. */
#include "api/audit_state.h"

#include <sodium.h>
#include <stdio.h>

#include "api/audit_json.h"
#include "api/query_table.h"
#include "commands/inbox.h"

#define HASHED_BYTES 65536 /* At a time. */

/* --- One stream --- */

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *number_or_null(uint64_t value)
{
    return value == 0 ? json_null() : number(value);
}

static json_t *at_or_null(int64_t at_us)
{
    return at_us == 0 ? json_null() : pw_audit_json_at(at_us);
}

static json_t *issuers_json(const struct pw_tenant *tenant)
{
    uint32_t count = 0;
    const struct pw_issuer *issuers = pw_tenant_issuers(tenant, &count);
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        struct pw_str name = {issuers[i].name, issuers[i].name_bytes};
        json_t *issuer = json_object();
        json_object_set_new(issuer, "issuer", pw_audit_json_text(name));
        json_object_set_new(issuer, "public_key", pw_audit_json_key(&issuers[i].public_key));
        json_array_append_new(list, issuer);
    }
    return list;
}

static json_t *tenant_json(const struct pw_tenant *tenant)
{
    json_t *json = json_object();
    json_object_set_new(json, "hold_minutes", number(pw_tenant_hold_minutes(tenant)));
    json_object_set_new(json, "offer_minutes", number(pw_tenant_offer_minutes(tenant)));
    json_object_set_new(json, "keeps_accounts",
                        json_boolean(!pw_id_is_nil(pw_tenant_equality_key(tenant))));
    json_object_set_new(json, "issuers", issuers_json(tenant));
    return json;
}

static json_t *sessions_json(const struct pw_tenant *tenant, const struct pw_user *user)
{
    json_t *ids = json_array();
    struct pw_id id = user->first_session_id;
    while (!pw_id_is_nil(&id)) {
        json_array_append_new(ids, pw_audit_json_id(&id));
        id = pw_tenant_session(tenant, &id)->next_id;
    }
    return ids;
}

static json_t *user_json(const struct pw_tenant *tenant, const struct pw_id *id)
{
    const struct pw_user *user = pw_tenant_user(tenant, id);
    bool has_password = pw_tenant_password(tenant, id).len > 0;
    json_t *json = json_object();
    json_object_set_new(json, "state", json_string(pw_query_user_state(user->state)));
    json_object_set_new(json, "roles", pw_audit_json_roles(user->roles));
    json_object_set_new(json, "has_password", json_boolean(has_password));
    json_object_set_new(json, "reset_expires_at", at_or_null(user->reset_expires_at_us));
    json_object_set_new(json, "key_id", pw_audit_json_id(&user->key_id));
    json_object_set_new(json, "session_ids", sessions_json(tenant, user));
    return json;
}

static json_t *session_json(const struct pw_tenant *tenant, const struct pw_id *id)
{
    const struct pw_session *session = pw_tenant_session(tenant, id);
    json_t *json = json_object();
    json_object_set_new(json, "state", json_string(session != NULL ? "live" : "ended"));
    if (session != NULL) {
        json_object_set_new(json, "user_id", pw_audit_json_id(&session->user_id));
        json_object_set_new(json, "refreshed_at", at_or_null(session->refreshed_at_us));
        json_object_set_new(json, "expires_at", pw_audit_json_at(session->expires_at_us));
        json_object_set_new(json, "ends_at", pw_audit_json_at(session->ends_at_us));
    }
    return json;
}

static json_t *name_json(enum pw_field_kind kind, uint32_t value)
{
    return json_string(pw_names_of(kind).names[value].name);
}

static json_t *item_version_json(const struct pw_item_version *version)
{
    json_t *json = json_object();
    json_object_set_new(json, "version_number", number(version->number));
    json_object_set_new(json, "kind", name_json(PW_FIELD_KIND_item_kind, version->kind));
    json_object_set_new(json, "choice_count", number(version->choice_count));
    json_object_set_new(json, "scoring", name_json(PW_FIELD_KIND_scoring, version->scoring));
    json_object_set_new(json, "maximum_mark", number(version->maximum_mark));
    json_object_set_new(json, "penalty_max", number(version->penalty_max));
    json_object_set_new(json, "content_hash", pw_audit_json_hash(&version->content_hash));
    json_object_set_new(json, "key_number", number(version->key_number));
    json_object_set_new(json, "answers_hash", pw_audit_json_hash(&version->answers_hash));
    return json;
}

static json_t *item_json(const struct pw_tenant *tenant, const struct pw_id *id)
{
    const struct pw_item *item = pw_tenant_item(tenant, id);
    json_t *json = json_object();
    json_t *versions = json_array();
    json_object_set_new(json, "owner_id", pw_audit_json_id(&item->owner_id));
    json_object_set_new(json, "retired", json_boolean(item->is_retired != 0));
    for (uint32_t version = 1; version <= item->newest_number; version++) {
        json_array_append_new(versions,
                              item_version_json(pw_tenant_item_version(tenant, id, version)));
    }
    json_object_set_new(json, "versions", versions);
    return json;
}

/* What stands under a name, which is new; null, and gone, unless there is something. */
static void add_maybe(json_t *json, const char *prefix, const char *name, bool is, json_t *value)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s_%s", prefix, name);
    json_object_set_new(json, whole, is ? value : json_null());
    if (!is) {
        json_decref(value);
    }
}

static void add_content(json_t *json, const char *prefix, bool is,
                        const struct pw_exam_content *content)
{
    struct pw_str title = {content->title, content->title_bytes};
    add_maybe(json, prefix, "title", is, pw_audit_json_text(title));
    add_maybe(json, prefix, "duration_minutes", is, number(content->duration_minutes));
    add_maybe(json, prefix, "lead_time_minutes", is, number(content->lead_time_minutes));
    add_maybe(json, prefix, "buffer_minutes", is, number(content->buffer_minutes));
    add_maybe(json, prefix, "item_count", is, number(content->item_count));
    add_maybe(json, prefix, "maximum_mark", is, number(content->maximum_mark));
    add_maybe(json, prefix, "items_hash", is && content->item_count > 0,
              pw_audit_json_hash(&content->items_hash));
    add_maybe(json, prefix, "hash", is, pw_audit_json_hash(&content->hash));
}

static json_t *exam_json(const struct pw_exam *exam)
{
    json_t *json = json_object();
    json_object_set_new(json, "owner_id", pw_audit_json_id(&exam->owner_id));
    add_content(json, "draft", true, &exam->draft);
    json_object_set_new(json, "published_number", number_or_null(exam->published_number));
    add_content(json, "published", exam->published_number != 0, &exam->published);
    json_object_set_new(json, "withdrawn", json_boolean(exam->is_withdrawn != 0));
    return json;
}

static json_t *slot_json(const struct pw_slot *slot)
{
    json_t *json = json_object();
    json_object_set_new(json, "exam_id", pw_audit_json_id(&slot->exam_id));
    json_object_set_new(json, "exam_version", number(slot->exam_version));
    json_object_set_new(json, "starts_at", pw_audit_json_at(slot->starts_at_us));
    json_object_set_new(json, "ends_at", pw_audit_json_at(slot->ends_at_us));
    json_object_set_new(json, "hard_end_at", at_or_null(slot->hard_end_at_us));
    json_object_set_new(json, "lead_time_minutes", number(slot->lead_time_minutes));
    json_object_set_new(json, "buffer_minutes", number(slot->buffer_minutes));
    json_object_set_new(json, "capacity", number(slot->capacity));
    json_object_set_new(json, "taken_count", number(slot->taken_count));
    json_object_set_new(json, "joined_count", number(slot->joined_count));
    json_object_set_new(json, "waiting_count", number(slot->waiting_count));
    json_object_set_new(json, "waitlist_closed", json_boolean(slot->waitlist_closed != 0));
    json_object_set_new(json, "state", json_string(pw_query_slot_state(slot->state)));
    bool is_off = slot->state == PW_SLOT_CANCELLED || slot->state == PW_SLOT_WITHDRAWN;
    json_object_set_new(json, "cancel_reason",
                        is_off ? json_string(pw_reason_name((enum pw_reason)slot->cancel_reason))
                               : json_null());
    json_object_set_new(json, "left_count", number(pw_slot_left_count(slot)));
    json_object_set_new(json, "reminds_at", at_or_null(slot->reminds_at_us));
    json_object_set_new(json, "reminded", json_boolean(slot->is_reminded != 0));
    return json;
}

static json_t *reservation_json(const struct pw_reservation *reservation)
{
    static const char *const by_offer[] = {
        [PW_BY_OFFER_NO] = "no", [PW_BY_OFFER_YES] = "yes", [PW_BY_OFFER_MOVED] = "moved"};
    static const char *const replacement[] = {
        [PW_REPLACEMENT_HARD_END] = "hard-end", [PW_REPLACEMENT_CALENDAR] = "calendar"};
    json_t *json = json_object();
    json_object_set_new(json, "slot_id", pw_audit_json_id(&reservation->slot_id));
    json_object_set_new(json, "exam_id", pw_audit_json_id(&reservation->exam_id));
    json_object_set_new(json, "student_id", pw_audit_json_id(&reservation->student_id));
    json_object_set_new(json, "state", json_string(pw_query_reservation_state(reservation->state)));
    json_object_set_new(json, "starts_at", pw_audit_json_at(reservation->starts_at_us));
    json_object_set_new(json, "ends_at", pw_audit_json_at(reservation->ends_at_us));
    json_object_set_new(json, "free_again_at", pw_audit_json_at(reservation->free_again_at_us));
    json_object_set_new(json, "expires_at", at_or_null(reservation->expires_at_us));
    json_object_set_new(json, "priority", number(reservation->priority));
    json_object_set_new(json, "turn", number_or_null(reservation->turn));
    json_object_set_new(json, "by_offer", json_string(by_offer[reservation->by_offer]));
    json_object_set_new(json, "replacement_reason",
                        reservation->needs_replacement == PW_REPLACEMENT_NONE
                            ? json_null()
                            : json_string(replacement[reservation->needs_replacement]));
    return json;
}

static json_t *accommodation_json(const struct pw_accommodation *accommodation)
{
    json_t *json = json_object();
    json_object_set_new(json, "student_id", pw_audit_json_id(&accommodation->student_id));
    json_object_set_new(json, "state",
                        json_string(accommodation->is_revoked ? "revoked" : "granted"));
    json_object_set_new(json, "factor_percent", number(accommodation->factor_percent));
    json_object_set_new(json, "fixed_minutes", number(accommodation->fixed_minutes));
    json_object_set_new(json, "rest_break_minutes", number(accommodation->rest_break_minutes));
    json_object_set_new(json, "valid_from", pw_audit_json_at(accommodation->valid_from_us));
    json_object_set_new(json, "valid_until", pw_audit_json_at(accommodation->valid_until_us));
    return json;
}

static json_t *inbox_json(const struct pw_inbox *inbox)
{
    json_t *json = json_object();
    json_object_set_new(json, "count", number(inbox->count));
    json_object_set_new(json, "unread_count", number(pw_inbox_unread_count(inbox)));
    return json;
}

json_t *pw_audit_state_stream(const struct pw_tenant *tenant, enum pw_aggregate aggregate,
                              const struct pw_id *stream_id)
{
    switch (aggregate) { /* No default: what is new is to be shown here. */
    case PW_AGGREGATE_tenant: return tenant_json(tenant);
    case PW_AGGREGATE_user: return user_json(tenant, stream_id);
    case PW_AGGREGATE_session: return session_json(tenant, stream_id);
    case PW_AGGREGATE_item: return item_json(tenant, stream_id);
    case PW_AGGREGATE_exam: return exam_json(pw_tenant_exam(tenant, stream_id));
    case PW_AGGREGATE_slot: return slot_json(pw_tenant_slot(tenant, stream_id));
    case PW_AGGREGATE_reservation:
        return reservation_json(pw_tenant_reservation(tenant, stream_id));
    case PW_AGGREGATE_accommodation:
        return accommodation_json(pw_tenant_accommodation(tenant, stream_id));
    case PW_AGGREGATE_inbox: return inbox_json(pw_tenant_inbox(tenant, stream_id));
    case PW_AGGREGATE_COUNT: break;
    }
    return NULL;
}

/* --- A whole tenant --- */

static void take_bytes(void *self, const void *data, size_t bytes)
{
    crypto_hash_sha256_update(self, data, bytes);
}

static struct pw_hash hash_of(const struct pw_tenant *tenant)
{
    struct pw_hash hash;
    struct pw_buffer buffer;
    crypto_hash_sha256_state sha256;
    crypto_hash_sha256_init(&sha256);
    pw_buffer_init(&buffer, HASHED_BYTES);
    buffer.drain = take_bytes;
    buffer.drain_self = &sha256;
    pw_tenant_serialise(tenant, &buffer);
    pw_buffer_flush(&buffer);
    pw_buffer_close(&buffer);
    crypto_hash_sha256_final(&sha256, hash.bytes);
    return hash;
}

json_t *pw_audit_state_tenant(const struct pw_tenant *tenant)
{
    struct pw_hash hash = hash_of(tenant);
    json_t *json = json_object();
    json_object_set_new(json, "version", number(pw_tenant_version(tenant)));
    for (int i = PW_AGGREGATE_tenant + 1; i < PW_AGGREGATE_COUNT; i++) {
        enum pw_aggregate aggregate = (enum pw_aggregate)i;
        char name[32];
        const char *one = pw_aggregate_name(aggregate);
        bool hisses = one[strlen(one) - 1] == 'x';
        snprintf(name, sizeof name, "%s%s", one, hisses ? "es" : "s");
        json_object_set_new(json, name, number(pw_tenant_stream_count(tenant, aggregate)));
    }
    json_object_set_new(json, "state_format", number(PW_STATE_FORMAT));
    json_object_set_new(json, "state_sha256", pw_audit_json_hash(&hash));
    return json;
}
