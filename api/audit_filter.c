/* api/audit_filter.c: which events and answers of a ledger somebody asked for. */
#include "api/audit_filter.h"

/* A stream, whatever its type: ids of one boundary differ. */
struct stream {
    struct pw_id boundary_id;
    struct pw_id id;
};

void pw_audit_filter_init(struct pw_audit_filter *filter)
{
    *filter = (struct pw_audit_filter){
        .to = INT64_MAX,
        .until_us = INT64_MAX,
        .of_exam = pw_map_new(sizeof(struct stream), 0),
        .of_person = pw_map_new(sizeof(struct stream), 0),
    };
}

void pw_audit_filter_close(struct pw_audit_filter *filter)
{
    pw_map_free(filter->of_exam);
    pw_map_free(filter->of_person);
}

static bool is_any_or(const struct pw_id *asked, const struct pw_id *id)
{
    return pw_id_is_nil(asked) || pw_id_equal(asked, id);
}

static bool names(const struct pw_event *event, const char *field_name, const struct pw_id *id)
{
    const struct pw_message *message = &pw_event_info(event->type)->message;
    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pw_field *field = &message->fields[i];
        if (field->kind == PW_FIELD_KIND_id && strcmp(field->name, field_name) == 0) {
            struct pw_event copy = *event;
            const char *body = pw_event_body(&copy);
            return pw_id_equal((const struct pw_id *)(const void *)(body + field->offset), id);
        }
    }
    return false;
}

static bool is_stream(const struct pw_event *event, enum pw_aggregate aggregate,
                      const struct pw_id *id)
{
    return pw_event_info(event->type)->aggregate == aggregate && pw_id_equal(&event->stream_id, id);
}

/* Whether the event's stream belongs; what says so itself is learnt. */
static bool belongs(struct pw_map *streams, const struct pw_id *boundary_id,
                    const struct pw_event *event, bool says_so)
{
    struct stream stream = {*boundary_id, event->stream_id};
    if (says_so) {
        pw_map_put(streams, &stream, NULL);
    }
    return says_so || pw_map_get(streams, &stream) != NULL;
}

static bool is_of_exam(struct pw_audit_filter *filter, const struct pw_id *boundary_id,
                       const struct pw_event *event)
{
    const struct pw_id *id = &filter->exam_id;
    bool says_so = is_stream(event, PW_AGGREGATE_exam, id) || names(event, "exam_id", id);
    return belongs(filter->of_exam, boundary_id, event, says_so);
}

static bool is_about_person(struct pw_audit_filter *filter, const struct pw_id *boundary_id,
                            const struct pw_event *event)
{
    const struct pw_id *id = &filter->person_id;
    bool says_so = is_stream(event, PW_AGGREGATE_user, id) || names(event, "student_id", id) ||
                   names(event, "user_id", id);
    return belongs(filter->of_person, boundary_id, event, says_so);
}

/* Offset and time. */
static bool is_in_range(const struct pw_audit_filter *filter, int64_t offset, int64_t decided_at_us)
{
    return offset >= filter->from && offset <= filter->to && decided_at_us >= filter->since_us &&
           decided_at_us <= filter->until_us;
}

bool pw_audit_filter_event(struct pw_audit_filter *filter, int64_t offset,
                           const struct pw_record *record, const struct pw_event *event)
{
    const struct pw_commit *commit = &record->commit;
    if (!is_any_or(&filter->tenant_id, &commit->tenant_id)) {
        return false;
    }
    bool is_wanted = is_any_or(&filter->stream_id, &event->stream_id); /* First what is learnt. */
    if (!pw_id_is_nil(&filter->exam_id)) {
        is_wanted = is_of_exam(filter, &commit->boundary_id, event) && is_wanted;
    }
    if (!pw_id_is_nil(&filter->person_id)) {
        is_wanted = is_about_person(filter, &commit->boundary_id, event) && is_wanted;
    }
    return is_wanted && !filter->refused_only && is_in_range(filter, offset, record->decided_at_us);
}

bool pw_audit_filter_answer(const struct pw_audit_filter *filter, int64_t offset,
                            const struct pw_record *record, const struct pw_answer *answer)
{
    const struct pw_id *tenant_id =
        record->kind == PW_RECORD_COMMIT ? &record->commit.tenant_id : &record->answers_tenant_id;
    struct stream stream = {answer->boundary_id, answer->stream_id};
    bool is_refusal = answer->problem_name.ptr != NULL;
    bool is_shown = filter->refused_only ? is_refusal : filter->with_answers;
    return is_shown && is_any_or(&filter->tenant_id, tenant_id) &&
           is_any_or(&filter->stream_id, &answer->stream_id) &&
           (pw_id_is_nil(&filter->exam_id) || pw_map_get(filter->of_exam, &stream) != NULL) &&
           (is_any_or(&filter->person_id, &answer->actor_id) ||
            pw_map_get(filter->of_person, &stream) != NULL) &&
           is_in_range(filter, offset, answer->decided_at_us);
}

bool pw_audit_filter_is_over(const struct pw_audit_filter *filter, int64_t offset,
                             int64_t last_decided_at_us)
{
    return offset > filter->to || last_decided_at_us > filter->until_us;
}
