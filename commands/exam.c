/* commands/exam.c: what is examined. A draft changes; a published version never does. */
#include "commands/decide.h"
#include "commands/tenant_state.h"

#define CONTENT_BYTES_MAX (PW_TEXT_BYTES_MAX + 32) /* The text, and what frames it in msgpack. */
#define CONTENT_FORM      1

struct pw_hash pw_exam_content_hash(struct pw_str title, uint32_t duration_minutes,
                                    uint32_t lead_time_minutes, uint32_t buffer_minutes)
{
    assert(title.len <= PW_TEXT_BYTES_MAX);
    uint8_t bytes[CONTENT_BYTES_MAX]; /* All that the buffer needs: a decider allocates nothing. */
    struct pw_buffer content = {.data = bytes, .room = sizeof bytes, .bytes_max = sizeof bytes};
    pw_write_array(&content, 5);
    pw_write_uint(&content, CONTENT_FORM);
    pw_write_text(&content, title);
    pw_write_uint(&content, duration_minutes);
    pw_write_uint(&content, lead_time_minutes);
    pw_write_uint(&content, buffer_minutes);
    assert(!content.full && content.data == bytes);
    return pw_sha256(bytes, content.bytes, NULL, 0);
}

/* Another teacher's exam does not exist for this one. */
static const struct pw_exam *own_exam(const struct pw_tenant *tenant, const struct pw_id *id,
                                      const struct pw_context *context)
{
    const struct pw_exam *exam = pw_tenant_exam(tenant, id);
    return exam != NULL && pw_id_equal(&exam->owner_id, &context->actor_id) ? exam : NULL;
}

enum pw_code pw_exam_draft_decide(const struct pw_tenant *tenant,
                                  const struct pw_exam_draft *command,
                                  const struct pw_context *context, struct pw_decision *out,
                                  struct pw_err *err)
{
    if (tenant == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_TENANT, "tenant");
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_EXAM_DRAFTED, &command->exam_id);
    event->exam_drafted = (struct pw_exam_drafted){
        .title = command->title,
        .duration_minutes = command->duration_minutes,
        .lead_time_minutes = command->lead_time_minutes,
        .buffer_minutes = command->buffer_minutes,
        .owner_id = context->actor_id,
    };
    return PW_OK;
}

enum pw_code pw_exam_revise_draft_decide(const struct pw_tenant *tenant,
                                         const struct pw_exam_revise_draft *command,
                                         const struct pw_context *context, struct pw_decision *out,
                                         struct pw_err *err)
{
    const struct pw_exam *exam = own_exam(tenant, &command->exam_id, context);
    if (exam == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_EXAM, "exam_id");
    }
    if (exam->is_withdrawn) {
        return pw_fail(err, PW_ERR_EXAM_WITHDRAWN, "exam_id");
    }
    struct pw_hash hash = pw_exam_content_hash(command->title, command->duration_minutes,
                                               command->lead_time_minutes, command->buffer_minutes);
    if (pw_hash_equal(&hash, &exam->draft_hash)) {
        return PW_OK;
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_EXAM_DRAFT_REVISED, &command->exam_id);
    event->exam_draft_revised = (struct pw_exam_draft_revised){
        .title = command->title,
        .duration_minutes = command->duration_minutes,
        .lead_time_minutes = command->lead_time_minutes,
        .buffer_minutes = command->buffer_minutes,
    };
    return PW_OK;
}

enum pw_code pw_exam_publish_decide(const struct pw_tenant *tenant,
                                    const struct pw_exam_publish *command,
                                    const struct pw_context *context, struct pw_decision *out,
                                    struct pw_err *err)
{
    const struct pw_exam *exam = own_exam(tenant, &command->exam_id, context);
    if (exam == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_EXAM, "exam_id");
    }
    if (exam->is_withdrawn) {
        return pw_fail(err, PW_ERR_EXAM_WITHDRAWN, "exam_id");
    }
    if (exam->published_number > 0 && pw_hash_equal(&exam->draft_hash, &exam->published_hash)) {
        return PW_OK;
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_EXAM_VERSION_PUBLISHED, &command->exam_id);
    event->exam_version_published = (struct pw_exam_version_published){
        .version_number = exam->published_number + 1, .content_hash = exam->draft_hash};
    return PW_OK;
}

/* Whether one comes before another: the order of their starts, then of their ids. */
static bool comes_before(const struct pw_slot *slot, const struct pw_id *id,
                         const struct pw_slot *other, const struct pw_id *other_id)
{
    return slot->starts_at_us != other->starts_at_us ? slot->starts_at_us < other->starts_at_us
                                                     : memcmp(id, other_id, sizeof *id) < 0;
}

/* The first slot of the exam that starts after a moment and in which somebody has something; nil: there is none. */
static struct pw_id booked_slot(const struct pw_tenant *tenant, const struct pw_id *exam_id,
                                int64_t after_us)
{
    uint64_t cursor = 0;
    const void *id;
    const void *value;
    struct pw_id first_id = {{0}};
    const struct pw_slot *first = NULL;
    while (pw_map_next(tenant->slots, &cursor, &id, &value)) {
        const struct pw_slot *slot = value;
        if (pw_id_equal(&slot->exam_id, exam_id) && slot->starts_at_us > after_us &&
            !pw_slot_is_off(slot) && slot->open_count > 0 &&
            (first == NULL || comes_before(slot, id, first, &first_id))) {
            first = slot;
            first_id = *(const struct pw_id *)id;
        }
    }
    return first_id;
}

enum pw_code pw_exam_withdraw_decide(const struct pw_tenant *tenant,
                                     const struct pw_exam_withdraw *command,
                                     const struct pw_context *context, struct pw_decision *out,
                                     struct pw_err *err)
{
    const struct pw_exam *exam = own_exam(tenant, &command->exam_id, context);
    if (exam == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_EXAM, "exam_id");
    }
    if (exam->is_withdrawn) {
        return PW_OK;
    }
    struct pw_id booked = booked_slot(tenant, &command->exam_id, context->decided_at_us);
    if (!command->cancel_slots && !pw_id_is_nil(&booked)) {
        char text[PW_ID_TEXT_BYTES + 1];
        pw_id_format(&booked, text);
        return pw_fail(err, PW_ERR_EXAM_IS_BOOKED, "slot %s", text);
    }
    pw_decision_add(out, PW_EVENT_EXAM_WITHDRAWN, &command->exam_id)->exam_withdrawn =
        (struct pw_exam_withdrawn){.reason = command->reason,
                                   .withdrawn_at = context->decided_at_us};
    return PW_OK;
}

/* What a later slot.open adds up must stay a moment that a record can hold. */
static const char *draft_misfit(struct pw_str title, uint32_t duration_minutes,
                                uint32_t lead_time_minutes, uint32_t buffer_minutes)
{
    if (title.len == 0 || title.len > PW_TEXT_BYTES_MAX) {
        return "the title is empty or too long";
    }
    if (duration_minutes == 0 || duration_minutes > PW_MINUTES_MAX ||
        lead_time_minutes > PW_MINUTES_MAX || buffer_minutes > PW_MINUTES_MAX) {
        return "the minutes are out of range";
    }
    return NULL;
}

static void set_draft(struct pw_exam *exam, struct pw_str title, uint32_t duration_minutes,
                      uint32_t lead_time_minutes, uint32_t buffer_minutes)
{
    memcpy(exam->draft_title, title.ptr, title.len);
    exam->draft_title_bytes = (uint32_t)title.len;
    exam->draft_duration_minutes = duration_minutes;
    exam->draft_lead_time_minutes = lead_time_minutes;
    exam->draft_buffer_minutes = buffer_minutes;
    exam->draft_hash =
        pw_exam_content_hash(title, duration_minutes, lead_time_minutes, buffer_minutes);
}

enum pw_code pw_exam_drafted_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                    struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_exam_drafted *drafted = &event->exam_drafted;
    if (pw_tenant_exam(tenant, &event->stream_id) != NULL) {
        return pw_misfit(err, event, "the exam exists already");
    }
    const char *why = draft_misfit(drafted->title, drafted->duration_minutes,
                                   drafted->lead_time_minutes, drafted->buffer_minutes);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_exam *exam = pw_map_put(tenant->exams, &event->stream_id, undo);
    exam->version = event->stream_version;
    exam->owner_id = drafted->owner_id;
    set_draft(exam, drafted->title, drafted->duration_minutes, drafted->lead_time_minutes,
              drafted->buffer_minutes);
    return PW_OK;
}

enum pw_code pw_exam_draft_revised_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                          struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_exam_draft_revised *revised = &event->exam_draft_revised;
    const struct pw_exam *before = pw_tenant_exam(tenant, &event->stream_id);
    if (before == NULL || before->is_withdrawn) {
        return pw_misfit(err, event, "there is no such exam that is not withdrawn");
    }
    const char *why = draft_misfit(revised->title, revised->duration_minutes,
                                   revised->lead_time_minutes, revised->buffer_minutes);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_exam *exam = pw_map_put(tenant->exams, &event->stream_id, undo);
    exam->version = event->stream_version;
    set_draft(exam, revised->title, revised->duration_minutes, revised->lead_time_minutes,
              revised->buffer_minutes);
    return PW_OK;
}

enum pw_code pw_exam_version_published_evolve(struct pw_tenant *tenant,
                                              const struct pw_event *event, struct pw_undo *undo,
                                              struct pw_err *err)
{
    const struct pw_exam_version_published *published = &event->exam_version_published;
    const struct pw_exam *before = pw_tenant_exam(tenant, &event->stream_id);
    if (before == NULL || before->is_withdrawn) {
        return pw_misfit(err, event, "there is no such exam that is not withdrawn");
    }
    if (published->version_number != (uint64_t)before->published_number + 1) {
        return pw_misfit(err, event, "it is not the exam's next version");
    }
    if (!pw_hash_equal(&published->content_hash, &before->draft_hash)) {
        return pw_misfit(err, event, "the hash is not that of the draft");
    }
    struct pw_exam *exam = pw_map_put(tenant->exams, &event->stream_id, undo);
    exam->version = event->stream_version;
    exam->published_number = published->version_number;
    exam->published_hash = published->content_hash;
    memcpy(exam->published_title, exam->draft_title, exam->draft_title_bytes);
    exam->published_title_bytes = exam->draft_title_bytes;
    exam->published_duration_minutes = exam->draft_duration_minutes;
    exam->published_lead_time_minutes = exam->draft_lead_time_minutes;
    exam->published_buffer_minutes = exam->draft_buffer_minutes;
    return PW_OK;
}

/* Its slots count as cancelled from here on; the record of each follows (due.c). */
enum pw_code pw_exam_withdrawn_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                      struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_exam_withdrawn *withdrawn = &event->exam_withdrawn;
    const struct pw_exam *before = pw_tenant_exam(tenant, &event->stream_id);
    if (before == NULL || before->is_withdrawn) {
        return pw_misfit(err, event, "there is no such exam that is not withdrawn");
    }
    struct pw_exam *exam = pw_map_put(tenant->exams, &event->stream_id, undo);
    exam->version = event->stream_version;
    exam->is_withdrawn = 1;
    uint64_t cursor = 0;
    const void *id;
    const void *value;
    while (pw_map_next(tenant->slots, &cursor, &id, &value)) {
        const struct pw_slot *is = value;
        if (pw_id_equal(&is->exam_id, &event->stream_id) && !pw_slot_is_off(is) &&
            is->starts_at_us > withdrawn->withdrawn_at) {
            struct pw_slot *slot = pw_map_put(tenant->slots, id, undo);
            slot->state = PW_SLOT_WITHDRAWN;
            slot->cancel_reason = withdrawn->reason;
            pw_due_list_slot(tenant, id, undo);
        }
    }
    return PW_OK;
}
