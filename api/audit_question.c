/* api/audit_question.c: how things stood at a position of the ledger, or at a moment. */
#include "api/audit_question.h"

#include "api/audit_json.h"
#include "api/audit_lines.h"
#include "api/audit_state.h"

/* --- Reading up to there --- */

/* Whether the chain will accept a value that was decided after the moment. What cannot be told here is left to the fold. */
static bool is_later(const struct pw_chain *chain, const void *value, size_t value_bytes,
                     int64_t moment_us)
{
    struct pw_hash prev;
    if (!pw_record_prev(value, value_bytes, &prev) || !pw_hash_equal(&prev, &chain->head)) {
        return false;
    }
    struct pw_cursor cursor = pw_cursor_of((const uint8_t *)value + PW_RECORD_HEAD_BYTES,
                                           value_bytes - PW_RECORD_HEAD_BYTES);
    pw_read_array(&cursor); /* Every kind of record begins with kind, height, decided_at_us. */
    pw_read_uint(&cursor, INT64_MAX);
    pw_read_uint(&cursor, INT64_MAX);
    int64_t decided_at_us = (int64_t)pw_read_uint(&cursor, INT64_MAX);
    return !cursor.bad && decided_at_us > moment_us;
}

bool pw_audit_question_wants(struct pw_audit_question *question, const struct pw_chain *chain,
                             int64_t offset, const void *value, size_t value_bytes)
{
    bool is_wanted = question->has_at
                         ? offset <= question->at.position.offset
                         : question->until_us == INT64_MAX ||
                               !is_later(chain, value, value_bytes, question->until_us);
    question->goes_on = !is_wanted;
    return is_wanted;
}

void pw_audit_question_record(struct pw_audit_question *question, const struct pw_chain *chain,
                              const struct pw_record *record)
{
    if (pw_audit_is_of(record, &question->tenant_id)) {
        question->own_position = pw_audit_position(chain);
        question->own_at_us = record->decided_at_us;
    }
}

void pw_audit_question_event(struct pw_audit_question *question, const struct pw_chain *chain,
                             const struct pw_record *record, const struct pw_event *event)
{
    /* An inbox has its student's id: where that is an account too, it came first, and is meant. */
    enum pw_aggregate aggregate = pw_event_info(event->type)->aggregate;
    bool is_meant = question->last.event == NULL || question->last.event->aggregate == aggregate;
    if (is_meant && pw_id_equal(&event->stream_id, &question->stream_id) &&
        pw_id_equal(&record->commit.boundary_id, &question->tenant_id)) {
        question->last = (struct pw_audit_change){
            .event = pw_event_info(event->type),
            .version = event->stream_version,
            .at_us = record->decided_at_us,
            .position = pw_audit_position(chain),
        };
    }
}

/* Whether the fold stands where it was asked to. */
static enum pw_code check_place(const struct pw_audit_question *question,
                                const struct pw_chain *chain, struct pw_err *err)
{
    const struct pw_position *wanted = &question->at.position;
    struct pw_position found = pw_audit_position(chain);
    char text[PW_POSITION_TEXT_BYTES_MAX];
    pw_position_format(&found, text);
    if (chain->stopped.code != PW_OK) {
        return pw_fail(err, chain->stopped.code, "%s", chain->stopped.detail);
    }
    if (question->has_at && found.offset != wanted->offset) {
        return pw_fail(err, PW_ERR_POSITION_DIVERGED,
                       "no accepted record stands at partition %u, offset %lld; %s %s",
                       wanted->partition, (long long)wanted->offset,
                       question->goes_on ? "the last one before is" : "the ledger ends at", text);
    }
    if (question->has_at && question->at.has_head &&
        memcmp(found.head, wanted->head, sizeof found.head) != 0) {
        return pw_fail(err, PW_ERR_POSITION_DIVERGED, "there stands %s", text);
    }
    return PW_OK;
}

/* --- The answer --- */

static json_t *stream_head_json(const struct pw_audit_question *question)
{
    const struct pw_audit_change *last = &question->last;
    json_t *json = json_object();
    json_object_set_new(json, "stream_type",
                        json_string(pw_aggregate_name(last->event->aggregate)));
    json_object_set_new(json, "stream_id", pw_audit_json_id(&question->stream_id));
    json_object_set_new(json, "version", json_integer(last->version));
    json_object_set_new(json, "last_event", json_string(last->event->name));
    json_object_set_new(json, "changed_at", pw_audit_json_at(last->at_us));
    json_object_set_new(json, "changed_position", pw_audit_position_json(&last->position));
    return json;
}

/* Moves the members of an object, in their order. */
static void add_all(json_t *json, json_t *more)
{
    json_object_update(json, more);
    json_decref(more);
}

/* What the answer says of when it is. */
static void add_place(json_t *json, const struct pw_audit_question *question,
                      const struct pw_chain *chain)
{
    bool is_own = question->is_for_tenant && question->until_us != INT64_MAX;
    struct pw_position position = is_own ? question->own_position : pw_audit_position(chain);
    int64_t at_us = question->is_for_tenant ? question->own_at_us : chain->decided_at_us;
    json_object_set_new(json, "position", pw_audit_position_json(&position));
    json_object_set_new(json, "decided_at", pw_audit_json_at(at_us));
    json_object_set_new(json, "tenant_id", pw_audit_json_id(&question->tenant_id));
}

/* Whether there is anything to show. */
static enum pw_code check_subject(const struct pw_audit_question *question,
                                  const struct pw_fold *fold, struct pw_err *err)
{
    struct pw_position position = pw_audit_position(&fold->chain);
    char text[PW_POSITION_TEXT_BYTES_MAX] = "then";
    if (!question->is_for_tenant) {
        pw_position_format(&position, text);
    }
    if (pw_state_tenant(fold->state, &question->tenant_id) == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_TENANT, "none by %s", text);
    }
    return pw_id_is_nil(&question->stream_id) || question->last.event != NULL
               ? PW_OK
               : pw_fail(err, PW_ERR_NOT_FOUND, "the stream has no event by %s", text);
}

enum pw_code pw_audit_question_answer(const struct pw_audit_question *question,
                                      const struct pw_fold *fold, json_t **ret_json,
                                      struct pw_err *err)
{
    enum pw_code code = check_place(question, &fold->chain, err);
    code = code != PW_OK ? code : check_subject(question, fold, err);
    if (code != PW_OK) {
        return code;
    }
    const struct pw_tenant *tenant = pw_state_tenant(fold->state, &question->tenant_id);
    json_t *json = json_object();
    add_place(json, question, &fold->chain);
    if (pw_id_is_nil(&question->stream_id)) {
        add_all(json, pw_audit_state_tenant(tenant));
    } else {
        add_all(json, stream_head_json(question));
        add_all(json, pw_audit_state_stream(tenant, question->last.event->aggregate,
                                            &question->stream_id));
    }
    *ret_json = json;
    return PW_OK;
}
