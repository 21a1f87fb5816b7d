/* api/audit_print.c: records as lines: JSON for machines, words for people. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "api/audit.h"

static json_t *id_json(const struct pw_id *id)
{
    char text[PW_ID_TEXT_BYTES + 1];
    if (pw_id_is_nil(id)) {
        return json_null();
    }
    pw_id_format(id, text);
    return json_string(text);
}

static json_t *at_json(int64_t at_us)
{
    char text[PW_AT_TEXT_BYTES_MAX];
    return json_stringn(text, pw_at_format(at_us, text));
}

static json_t *str_json(struct pw_str text)
{
    return json_stringn(text.ptr == NULL ? "" : text.ptr, text.len);
}

static json_t *field_json(const struct pw_field *field, const void *value)
{
    char text[2 * sizeof(struct pw_hash) + 1];
    struct pw_str str;
    uint32_t number;
    int64_t at_us;
    switch (field->kind) {
    case PW_FIELD_KIND_id: return id_json(value);
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language: memcpy(&str, value, sizeof str); return str_json(str);
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_minutes: memcpy(&number, value, sizeof number); return json_integer(number);
    case PW_FIELD_KIND_at: memcpy(&at_us, value, sizeof at_us); return at_json(at_us);
    case PW_FIELD_KIND_hash:
        pw_hex_format(value, sizeof(struct pw_hash), text);
        return json_string(text);
    case PW_FIELD_KIND_key:
        pw_base64url_format(value, sizeof(struct pw_hash), text);
        return json_string(text);
    }
    return NULL;
}

static json_t *payload_json(const struct pw_raw_event *raw)
{
    struct pw_event event;
    json_t *data = json_object();
    if (pw_raw_event_read(raw, &event, NULL) == PW_OK) {
        const struct pw_message *message = &pw_event_info(event.type)->message;
        const char *body = pw_event_body(&event);
        for (uint32_t i = 0; i < message->field_count; i++) {
            const struct pw_field *field = &message->fields[i];
            json_object_set_new(data, field->name, field_json(field, body + field->offset));
        }
    }
    return data;
}

/* What every line of a record begins with. */
static json_t *line_json(uint32_t partition, int64_t offset, const struct pw_hash *hash,
                         const struct pw_record *record, const char *kind)
{
    char text[PW_POSITION_TEXT_BYTES_MAX];
    struct pw_position position = {.partition = partition, .offset = offset};
    json_t *line = json_object();
    memcpy(position.head, hash->bytes, sizeof position.head);
    pw_position_format(&position, text);
    json_object_set_new(line, "position", json_string(text));
    json_object_set_new(line, "height", json_integer((json_int_t)record->height));
    json_object_set_new(line, "decided_at", at_json(record->decided_at_us));
    json_object_set_new(line, "kind", json_string(kind));
    return line;
}

static void print_words(FILE *out, const json_t *line)
{
    const char *name;
    json_t *value;
    bool first = true;
    json_object_foreach((json_t *)line, name, value)
    {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        const char *shown = json_is_string(value) ? json_string_value(value) : text;
        bool plain = strcmp(name, "position") == 0 || strcmp(name, "decided_at") == 0 ||
                     strcmp(name, "kind") == 0;
        if (!json_is_null(value)) {
            fprintf(out, "%s%s%s%s", first ? "" : " ", plain ? "" : name, plain ? "" : "=", shown);
        }
        first = false;
        free(text);
    }
    fputc('\n', out);
}

static void print_line(FILE *out, bool as_json, json_t *line)
{
    if (as_json) {
        json_dumpf(line, out, JSON_COMPACT);
        fputc('\n', out);
    } else {
        print_words(out, line);
    }
    json_decref(line);
}

static void add_answer(json_t *line, const struct pw_answer *answer)
{
    json_object_set_new(line, "boundary_id", id_json(&answer->boundary_id));
    json_object_set_new(line, "actor_id", id_json(&answer->actor_id));
    json_object_set_new(line, "command_id", id_json(&answer->command_id));
    json_object_set_new(line, "command", str_json(answer->command_name));
    json_object_set_new(line, "decided_at", at_json(answer->decided_at_us));
    json_object_set_new(line, "stream_id", id_json(&answer->stream_id));
    json_object_set_new(line, "stream_version", json_integer(answer->stream_version));
    json_object_set_new(line, "problem",
                        answer->problem_name.len == 0 ? json_null()
                                                      : str_json(answer->problem_name));
    json_object_set_new(line, "detail", str_json(answer->detail));
}

static void add_commit(json_t *line, const struct pw_commit *commit)
{
    const char *role = commit->role < PW_ROLE_COUNT ? pw_role_name(commit->role) : "unknown";
    json_object_set_new(line, "tenant_id", id_json(&commit->tenant_id));
    json_object_set_new(line, "actor_id", id_json(&commit->actor_id));
    json_object_set_new(line, "role", json_string(role));
    json_object_set_new(line, "command_id", id_json(&commit->command_id));
    json_object_set_new(line, "correlation_id", id_json(&commit->correlation_id));
    json_object_set_new(line, "causation_id", id_json(&commit->causation_id));
}

static void add_event(json_t *line, const struct pw_raw_event *raw)
{
    json_object_set_new(line, "event", str_json(raw->event_type));
    json_object_set_new(line, "event_version", json_integer(raw->event_version));
    json_object_set_new(line, "stream_type", str_json(raw->stream_type));
    json_object_set_new(line, "stream_id", id_json(&raw->stream_id));
    json_object_set_new(line, "stream_version", json_integer(raw->stream_version));
    json_object_set_new(line, "data", payload_json(raw));
}

void pw_audit_print_record(FILE *out, bool as_json, uint32_t partition, int64_t offset,
                           const struct pw_hash *hash, const struct pw_record *record)
{
    for (uint32_t i = 0; i < record->answer_count; i++) {
        json_t *line = line_json(partition, offset, hash, record, "answer");
        add_answer(line, &record->answers[i]);
        print_line(out, as_json, line);
    }
    for (uint32_t i = 0; i < record->event_count; i++) {
        json_t *line = line_json(partition, offset, hash, record, "event");
        add_event(line, &record->events[i]);
        add_commit(line, &record->commit);
        print_line(out, as_json, line);
    }
    if (record->kind == PW_RECORD_GENESIS) {
        json_t *line = line_json(partition, offset, hash, record, "genesis");
        json_object_set_new(line, "ledger_id", id_json(&record->genesis.ledger_id));
        json_object_set_new(line, "partition_count", json_integer(record->genesis.partition_count));
        json_object_set_new(
            line, "horizon_hours",
            json_real((double)record->genesis.horizon_us / (60.0 * (double)PW_US_PER_MINUTE)));
        print_line(out, as_json, line);
    } else if (record->kind == PW_RECORD_LEADER) {
        json_t *line = line_json(partition, offset, hash, record, "leader");
        json_object_set_new(line, "node_id", str_json(record->leader.node_id));
        json_object_set_new(line, "incarnation", id_json(&record->leader.incarnation));
        print_line(out, as_json, line);
    }
}
