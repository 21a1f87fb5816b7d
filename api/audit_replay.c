/* api/audit_replay.c: `audit replay`: the events of the ledger, in its order. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/audit.h"
#include "api/verbs.h"

struct replay {
    struct pw_audit audit;
    bool as_json;
    bool has_tenant;
    bool shows_answers;
    struct pw_id tenant_id;
    int64_t from;
    int64_t to;
    const struct pw_fold *fold; /* The one that is being read. */
    int64_t offset;
};

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

static json_t *roles_json(uint32_t roles)
{
    json_t *names = json_array();
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if ((roles >> role & 1) != 0) {
            json_array_append_new(names, json_string(pw_role_name((enum pw_role)role)));
        }
    }
    return names;
}

static json_t *text_json(struct pw_str text)
{
    return json_stringn_nocheck(text.ptr != NULL ? text.ptr : "", text.len);
}

/* A field, as the tables' kinds are written in JSON. */
static json_t *field_json(const struct pw_field *field, const char *body)
{
    const void *value = body + field->offset;
    char text[PW_SEALED_BYTES_MAX * 4 / 3 + 4];
    switch (field->kind) {
    case PW_FIELD_KIND_id: return id_json(value);
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language: return text_json(*(const struct pw_str *)value);
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_minutes: return json_integer(*(const uint32_t *)value);
    case PW_FIELD_KIND_at: return at_json(*(const int64_t *)value);
    case PW_FIELD_KIND_hash:
        pw_hex_format(((const struct pw_hash *)value)->bytes, 32, text);
        return json_string(text);
    case PW_FIELD_KIND_key:
        pw_base64url_format(((const struct pw_hash *)value)->bytes, 32, text);
        return json_string(text);
    case PW_FIELD_KIND_roles: return roles_json(*(const uint32_t *)value);
    case PW_FIELD_KIND_flag: return json_boolean(*(const uint32_t *)value != 0);
    case PW_FIELD_KIND_reason:
        return json_string(pw_reason_name((enum pw_reason) * (const uint32_t *)value));
    case PW_FIELD_KIND_sealed: {
        const struct pw_str *sealed = value;
        pw_base64url_format((const uint8_t *)sealed->ptr, sealed->len, text);
        return json_string(text);
    }
    case PW_FIELD_KIND_personal: /* No event has these. */
    case PW_FIELD_KIND_email:
    case PW_FIELD_KIND_password:
    case PW_FIELD_KIND_secret: break;
    }
    return json_null();
}

static json_t *payload_json(struct pw_event *event)
{
    const struct pw_message *message = &pw_event_info(event->type)->message;
    const char *body = pw_event_body(event);
    json_t *payload = json_object();
    for (uint32_t i = 0; i < message->field_count; i++) {
        json_object_set_new(payload, message->fields[i].name,
                            field_json(&message->fields[i], body));
    }
    return payload;
}

static json_t *record_json(const struct replay *replay, const struct pw_record *record)
{
    return json_pack("{s:i, s:I, s:I, s:o}", "partition", (int)replay->fold->chain.partition,
                     "offset", (json_int_t)replay->offset, "height", (json_int_t)record->height,
                     "decided_at", at_json(record->decided_at_us));
}

static void print_json_line(json_t *line)
{
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

static void print_event_json(const struct replay *replay, const struct pw_record *record,
                             const struct pw_raw_event *raw, const struct pw_event *event)
{
    const struct pw_commit *commit = &record->commit;
    struct pw_event copy = *event;
    json_t *line = record_json(replay, record);
    json_object_set_new(line, "tenant_id", id_json(&commit->tenant_id));
    json_object_set_new(line, "boundary_id", id_json(&commit->boundary_id));
    json_object_set_new(line, "command_id", id_json(&commit->command_id));
    json_object_set_new(line, "actor_id", id_json(&commit->actor_id));
    json_object_set_new(line, "role", json_string(pw_role_name(commit->role)));
    json_object_set_new(line, "correlation_id", id_json(&commit->correlation_id));
    json_object_set_new(line, "causation_id", id_json(&commit->causation_id));
    json_object_set_new(line, "stream_type", text_json(raw->stream_type));
    json_object_set_new(line, "stream_id", id_json(&raw->stream_id));
    json_object_set_new(line, "stream_version", json_integer(raw->stream_version));
    json_object_set_new(line, "event_type", text_json(raw->event_type));
    json_object_set_new(line, "event_version", json_integer(raw->event_version));
    json_object_set_new(line, "payload", payload_json(&copy));
    print_json_line(line);
}

static void print_place(const struct replay *replay, const struct pw_record *record)
{
    char moment[PW_AT_TEXT_BYTES_MAX];
    size_t len = pw_at_format(record->decided_at_us, moment);
    printf("%u:%lld %.*s ", replay->fold->chain.partition, (long long)replay->offset, (int)len,
           moment);
}

static void print_event_text(const struct replay *replay, const struct pw_record *record,
                             const struct pw_raw_event *raw, const struct pw_event *event)
{
    struct pw_event copy = *event;
    char stream[PW_ID_TEXT_BYTES + 1];
    char actor[PW_ID_TEXT_BYTES + 1];
    char *payload = NULL;
    json_t *json = payload_json(&copy);
    pw_id_format(&raw->stream_id, stream);
    pw_id_format(&record->commit.actor_id, actor);
    payload = json_dumps(json, JSON_COMPACT);
    print_place(replay, record);
    printf("%.*s %s#%u by %s %s %s\n", (int)raw->event_type.len, raw->event_type.ptr, stream,
           raw->stream_version, pw_role_name(record->commit.role), actor, payload);
    free(payload);
    json_decref(json);
}

static bool is_wanted(const struct replay *replay, const struct pw_id *tenant_id)
{
    return replay->offset >= replay->from && replay->offset <= replay->to &&
           (!replay->has_tenant || pw_id_equal(tenant_id, &replay->tenant_id));
}

static void on_event(void *self, const struct pw_record *record, uint32_t index,
                     const struct pw_event *event, const struct pw_tenant *after)
{
    struct replay *replay = self;
    (void)after;
    replay->offset = replay->fold->chain.head_offset;
    if (!is_wanted(replay, &record->commit.tenant_id)) {
        return;
    }
    if (replay->as_json) {
        print_event_json(replay, record, &record->events[index], event);
    } else {
        print_event_text(replay, record, &record->events[index], event);
    }
}

static void print_answer(const struct replay *replay, const struct pw_record *record,
                         const struct pw_answer *answer)
{
    if (!replay->as_json) {
        char actor[PW_ID_TEXT_BYTES + 1];
        pw_id_format(&answer->actor_id, actor);
        print_place(replay, record);
        printf("%.*s %.*s for %s %.*s\n", (int)answer->command_name.len, answer->command_name.ptr,
               answer->problem_name.ptr != NULL ? (int)answer->problem_name.len : 15,
               answer->problem_name.ptr != NULL ? answer->problem_name.ptr : "changes-nothing",
               actor, (int)answer->detail.len, answer->detail.ptr);
        return;
    }
    json_t *line = record_json(replay, record);
    json_object_set_new(line, "decided_at", at_json(answer->decided_at_us));
    json_object_set_new(line, "boundary_id", id_json(&answer->boundary_id));
    json_object_set_new(line, "command_id", id_json(&answer->command_id));
    json_object_set_new(line, "actor_id", id_json(&answer->actor_id));
    json_object_set_new(line, "command", text_json(answer->command_name));
    json_object_set_new(line, "stream_id", id_json(&answer->stream_id));
    json_object_set_new(line, "stream_version", json_integer(answer->stream_version));
    json_object_set_new(line, "problem",
                        answer->problem_name.ptr != NULL ? text_json(answer->problem_name)
                                                         : json_null());
    json_object_set_new(line, "detail", text_json(answer->detail));
    print_json_line(line);
}

static void on_record(void *self, const struct pw_fold *fold, const struct pw_record *record)
{
    struct replay *replay = self;
    const struct pw_id *tenant_id =
        record->kind == PW_RECORD_COMMIT ? &record->commit.tenant_id : &record->answers_tenant_id;
    replay->offset = fold->chain.head_offset;
    for (uint32_t i = 0; i < record->answer_count; i++) {
        if (replay->shows_answers && is_wanted(replay, tenant_id)) {
            print_answer(replay, record, &record->answers[i]);
        }
    }
}

/* One partition after the other, so that the lines of each stand together and a run repeats
 * itself. */
static int read_all(struct replay *replay, uint32_t first, uint32_t last)
{
    struct pw_err err = {0};
    int result = PW_EXIT_GOOD;
    struct pw_audit_reader reader = {
        .self = replay, .observer = {.self = replay, .event = on_event}, .record = on_record};
    for (uint32_t p = first; p <= last; p++) {
        replay->fold = &replay->audit.folds[p];
        enum pw_code code = pw_audit_read(&replay->audit, p, p, &reader, &err);
        if (code != PW_OK) {
            return pw_verb_fail(code, err.detail);
        }
        if (replay->fold->chain.stopped.code != PW_OK) {
            result =
                pw_verb_fail(replay->fold->chain.stopped.code, replay->fold->chain.stopped.detail);
        }
    }
    return fflush(stdout) == 0 ? result : PW_EXIT_WRONG;
}

static int replay_ledger(const struct pw_config *config, struct replay *replay, const char *dir,
                         const struct pw_verb_text *partition)
{
    struct pw_err err = {0};
    int64_t only = -1;
    enum pw_code code = pw_audit_open(&replay->audit, config, dir, &err);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    uint32_t count = replay->audit.partition_count;
    int result = PW_EXIT_USAGE;
    if (pw_verb_number(partition, count - 1, &only)) {
        result = only >= 0 ? read_all(replay, (uint32_t)only, (uint32_t)only)
                           : read_all(replay, 0, count - 1);
    }
    pw_audit_close(&replay->audit);
    return result;
}

int pw_verb_audit_replay(int argc, char **argv)
{
    struct pw_config config;
    struct replay replay = {.to = INT64_MAX};
    struct pw_verb_text tenant = {0};
    struct pw_verb_text partition = {0};
    struct pw_verb_text from = {0};
    struct pw_verb_text to = {0};
    struct pw_verb_text in = {0};
    struct pw_flag flags[] = {
        PW_FLAG_TEXT("tenant", tenant),
        PW_FLAG_TEXT("partition", partition),
        PW_FLAG_TEXT("from", from),
        PW_FLAG_TEXT("to", to),
        PW_FLAG_TEXT("in", in),
        PW_FLAG_SWITCH("json", replay.as_json),
        PW_FLAG_SWITCH("answers", replay.shows_answers),
    };
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        replay.has_tenant = tenant.text != NULL;
        bool good = pw_verb_number(&from, INT64_MAX, &replay.from) &&
                    pw_verb_number(&to, INT64_MAX, &replay.to);
        if (replay.has_tenant && !pw_id_parse(pw_str_of(tenant.text), &replay.tenant_id)) {
            fputs("proctorwise: --tenant must be a UUID\n", stderr);
            good = false;
        }
        result = good ? replay_ledger(&config, &replay, in.text, &partition) : PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}
