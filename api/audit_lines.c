/* api/audit_lines.c: what an auditor is told, line by line. */
#include "api/audit_lines.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/audit_json.h"

/* --- Events and answers --- */

json_t *pw_audit_payload(const struct pw_event *event)
{
    const struct pw_message *message = &pw_event_info(event->type)->message;
    struct pw_event copy = *event;
    const char *body = pw_event_body(&copy);
    json_t *payload = json_object();
    for (uint32_t i = 0; i < message->field_count; i++) {
        json_object_set_new(payload, message->fields[i].name,
                            pw_audit_json_field(&message->fields[i], body));
    }
    return payload;
}

static json_t *record_json(const struct pw_audit_place *place, const struct pw_record *record)
{
    return json_pack("{s:i, s:I, s:I, s:o}", "partition", (int)place->partition, "offset",
                     (json_int_t)place->offset, "height", (json_int_t)record->height, "decided_at",
                     pw_audit_json_at(record->decided_at_us));
}

json_t *pw_audit_line_event(const struct pw_audit_place *place, const struct pw_record *record,
                            uint32_t index, const struct pw_event *event)
{
    const struct pw_commit *commit = &record->commit;
    const struct pw_raw_event *raw = &record->events[index];
    json_t *line = record_json(place, record);
    json_object_set_new(line, "tenant_id", pw_audit_json_id(&commit->tenant_id));
    json_object_set_new(line, "boundary_id", pw_audit_json_id(&commit->boundary_id));
    json_object_set_new(line, "command_id", pw_audit_json_id(&commit->command_id));
    json_object_set_new(line, "actor_id", pw_audit_json_id(&commit->actor_id));
    json_object_set_new(line, "role", json_string(pw_role_name(commit->role)));
    json_object_set_new(line, "correlation_id", pw_audit_json_id(&commit->correlation_id));
    json_object_set_new(line, "causation_id", pw_audit_json_id(&commit->causation_id));
    json_object_set_new(line, "stream_type", pw_audit_json_text(raw->stream_type));
    json_object_set_new(line, "stream_id", pw_audit_json_id(&raw->stream_id));
    json_object_set_new(line, "stream_version", json_integer(raw->stream_version));
    json_object_set_new(line, "event_type", pw_audit_json_text(raw->event_type));
    json_object_set_new(line, "event_version", json_integer(raw->event_version));
    json_object_set_new(line, "payload", pw_audit_payload(event));
    return line;
}

json_t *pw_audit_line_answer(const struct pw_audit_place *place, const struct pw_record *record,
                             const struct pw_answer *answer)
{
    bool is_refusal = answer->problem_name.ptr != NULL;
    json_t *line = record_json(place, record);
    json_object_set_new(line, "decided_at", pw_audit_json_at(answer->decided_at_us));
    json_object_set_new(line, "boundary_id", pw_audit_json_id(&answer->boundary_id));
    json_object_set_new(line, "command_id", pw_audit_json_id(&answer->command_id));
    json_object_set_new(line, "actor_id", pw_audit_json_id(&answer->actor_id));
    json_object_set_new(line, "command", pw_audit_json_text(answer->command_name));
    json_object_set_new(line, "stream_id", pw_audit_json_id(&answer->stream_id));
    json_object_set_new(line, "stream_version", json_integer(answer->stream_version));
    json_object_set_new(line, "problem",
                        is_refusal ? pw_audit_json_text(answer->problem_name) : json_null());
    json_object_set_new(line, "detail", pw_audit_json_text(answer->detail));
    return line;
}

/* --- Positions --- */

struct pw_position pw_audit_position(const struct pw_chain *chain)
{
    struct pw_position position = {.partition = chain->partition, .offset = chain->head_offset};
    memcpy(position.head, chain->head.bytes, sizeof position.head);
    return position;
}

json_t *pw_audit_position_json(const struct pw_position *position)
{
    char text[PW_POSITION_TEXT_BYTES_MAX];
    pw_position_format(position, text);
    return json_string(text);
}

/* --- Records --- */

/* A tenant is one boundary. What is of another one is not theirs, whatever the record's own tenant id says. */
static bool answers_are_of(const struct pw_record *record, const struct pw_id *tenant_id)
{
    for (uint32_t i = 0; i < record->answer_count; i++) {
        if (!pw_id_equal(&record->answers[i].boundary_id, tenant_id)) {
            return false;
        }
    }
    return true;
}

bool pw_audit_is_of(const struct pw_record *record, const struct pw_id *tenant_id)
{
    switch (record->kind) { /* No default: of a new kind it is to be said here. */
    case PW_RECORD_GENESIS: return true;
    case PW_RECORD_LEADER: return false;
    case PW_RECORD_ANSWERS:
        return pw_id_equal(&record->answers_tenant_id, tenant_id) &&
               answers_are_of(record, tenant_id);
    case PW_RECORD_COMMIT:
        return pw_id_equal(&record->commit.tenant_id, tenant_id) &&
               pw_id_equal(&record->commit.boundary_id, tenant_id) &&
               answers_are_of(record, tenant_id);
    }
    return false;
}

static int add_bytes(const char *bytes, size_t count, void *self)
{
    pw_buffer_append(self, bytes, count);
    return 0;
}

void pw_audit_add_line(struct pw_buffer *buffer, json_t *line)
{
    json_dump_callback(line, add_bytes, buffer, JSON_COMPACT);
    pw_buffer_append(buffer, "\n", 1);
    json_decref(line);
}

static void add_text(struct pw_buffer *buffer, const char *text)
{
    pw_buffer_append(buffer, text, strlen(text));
}

static void add_hash(struct pw_buffer *buffer, const char *name, const struct pw_hash *hash)
{
    char text[2 * sizeof hash->bytes + 1];
    pw_hex_format(hash->bytes, sizeof hash->bytes, text);
    add_text(buffer, name);
    add_text(buffer, "\"");
    add_text(buffer, text);
    add_text(buffer, "\"");
}

#define CHUNK_BYTES 3072 /* A multiple of three: chunks of base64url are its pieces. */

static void add_base64url(struct pw_buffer *buffer, const uint8_t *bytes, size_t count)
{
    char text[PW_BASE64URL_BYTES(CHUNK_BYTES) + 1];
    for (size_t at = 0; at < count; at += CHUNK_BYTES) {
        size_t more = count - at < CHUNK_BYTES ? count - at : CHUNK_BYTES;
        pw_base64url_format(bytes + at, more, text);
        pw_buffer_append(buffer, text, PW_BASE64URL_BYTES(more));
    }
}

void pw_audit_add_record(struct pw_buffer *buffer, const struct pw_chain *chain,
                         const struct pw_record *record, const void *value, size_t value_bytes,
                         const struct pw_id *tenant_id)
{
    const uint8_t *body = (const uint8_t *)value + PW_RECORD_HEAD_BYTES;
    size_t body_bytes = value_bytes - PW_RECORD_HEAD_BYTES;
    struct pw_hash prev = {{0}};
    char text[96];
    snprintf(text, sizeof text, "{\"offset\":%" PRId64 ",\"height\":%" PRIu64, chain->head_offset,
             record->height);
    pw_record_prev(value, value_bytes, &prev);
    add_text(buffer, text);
    add_hash(buffer, ",\"prev\":", &prev);
    add_hash(buffer, ",\"hash\":", &chain->head);
    if (pw_audit_is_of(record, tenant_id)) {
        add_text(buffer, ",\"body\":\"");
        add_base64url(buffer, body, body_bytes);
        add_text(buffer, "\"}\n");
    } else {
        struct pw_hash digest = pw_sha256(body, body_bytes, NULL, 0);
        add_hash(buffer, ",\"body_sha256\":", &digest);
        add_text(buffer, "}\n");
    }
}
