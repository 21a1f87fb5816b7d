/* commands/decide.c: from the tables to the deciders, and what is common to all decisions. */
#include "commands/decide.h"

struct pw_event *pw_decision_add(struct pw_decision *decision, enum pw_event_type type,
                                 const struct pw_id *stream_id)
{
    assert(decision->event_count < PW_DECISION_EVENTS_MAX);
    struct pw_event *event = &decision->events[decision->event_count++];
    *event = (struct pw_event){.type = type, .stream_id = *stream_id};
    return event;
}

static enum pw_code dispatch(const struct pw_tenant *tenant, const struct pw_command *command,
                             const struct pw_context *context, struct pw_decision *out,
                             struct pw_err *err)
{
    switch (command->type) {
#define PW_COMMAND(aggregate, lower, UPPER, ...)                                                   \
    case PW_COMMAND_##UPPER:                                                                       \
        return pw_##aggregate##_##lower##_decide(tenant, &command->aggregate##_##lower, context,   \
                                                 out, err);
#include "schemas/all.def"
    case PW_COMMAND_COUNT: break;
    }
    assert(!"a command type of the tables");
    return pw_fail(err, PW_ERR_INTERNAL, "command type %d", (int)command->type);
}

/* The version of the stream that the route's last id names: its field is called <aggregate>_id. */
static uint32_t matched_version(const struct pw_tenant *tenant, const struct pw_command *command)
{
    const struct pw_command_info *info = pw_command_info(command->type);
    const struct pw_field *last = NULL;
    for (uint32_t i = 0; i < info->message.field_count; i++) {
        if (info->message.fields[i].source == PW_FROM_PATH) {
            last = &info->message.fields[i];
        }
    }
    const struct pw_id *target = pw_command_target(command);
    if (last == NULL) {
        return pw_stream_version(tenant, info->aggregate, target);
    }
    const struct pw_id *id =
        (const struct pw_id *)((const char *)target - info->target_offset + last->offset);
    for (int aggregate = 0; aggregate < PW_AGGREGATE_COUNT; aggregate++) {
        struct pw_str name = pw_str_of(pw_aggregate_name((enum pw_aggregate)aggregate));
        if (strncmp(last->name, name.ptr, name.len) == 0 &&
            strcmp(last->name + name.len, "_id") == 0) {
            return pw_stream_version(tenant, (enum pw_aggregate)aggregate, id);
        }
    }
    assert(strcmp(last->name, "student_id") == 0); /* Some have no account, so it is no stream. */
    return pw_stream_version(tenant, info->aggregate, target);
}

static void set_versions(const struct pw_tenant *tenant, struct pw_decision *out)
{
    for (uint32_t i = 0; i < out->event_count; i++) {
        struct pw_event *event = &out->events[i];
        enum pw_aggregate aggregate = pw_event_info(event->type)->aggregate;
        uint32_t version = pw_stream_version(tenant, aggregate, &event->stream_id);
        for (uint32_t j = 0; j < i; j++) {
            const struct pw_event *earlier = &out->events[j];
            if (pw_event_info(earlier->type)->aggregate == aggregate &&
                pw_id_equal(&earlier->stream_id, &event->stream_id)) {
                version = earlier->stream_version;
            }
        }
        event->stream_version = version + 1;
    }
}

uint32_t pw_decision_version(const struct pw_decision *decision)
{
    const struct pw_event *first = &decision->events[0];
    enum pw_aggregate aggregate = pw_event_info(first->type)->aggregate;
    uint32_t version = first->stream_version;
    for (uint32_t i = 1; i < decision->event_count; i++) {
        const struct pw_event *event = &decision->events[i];
        if (pw_event_info(event->type)->aggregate == aggregate &&
            pw_id_equal(&event->stream_id, &first->stream_id)) {
            version = event->stream_version;
        }
    }
    return version;
}

enum pw_code pw_decide(const struct pw_tenant *tenant, const struct pw_command *command,
                       int64_t if_match, const struct pw_context *context, struct pw_decision *out,
                       struct pw_err *err)
{
    out->event_count = 0;
    if (tenant == NULL && command->type != PW_COMMAND_TENANT_CREATE) {
        return pw_fail(err, PW_ERR_NO_SUCH_TENANT, "tenant");
    }
    enum pw_code code = dispatch(tenant, command, context, out, err);
    if (code != PW_OK && pw_error_info(code)->kind == PW_KIND_NOT_FOUND) {
        out->event_count = 0;
        return code;
    }
    uint32_t version = if_match < 0 ? 0 : matched_version(tenant, command);
    if (if_match >= 0 && version != if_match) {
        code = pw_fail(err, PW_ERR_VERSION_MISMATCH, "it is at version %u", version);
    }
    if (code != PW_OK) {
        out->event_count = 0;
        return code;
    }
    set_versions(tenant, out);
    /* Made ids are random, so this is a broken shell; without the check the ledger would be
     * damaged. */
    if (out->event_count > 0 && out->events[0].stream_version != 1 &&
        pw_command_creates(pw_command_info(command->type))) {
        out->event_count = 0;
        return pw_fail(err, PW_ERR_INTERNAL, "the new id is in use");
    }
    return PW_OK;
}
