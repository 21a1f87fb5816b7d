/* commands/tests/world.c: folding given events, and comparing what came out. */
#include "commands/tests/world.h"

#include <criterion/criterion.h>

const struct pw_id world_tenant_id = OUR_TENANT;

void world_fold(struct pw_state *state, const struct pw_event *events, uint32_t event_count)
{
    for (uint32_t i = 0; i < event_count; i++) {
        struct pw_event event = events[i];
        const struct pw_tenant *tenant = pw_state_tenant(state, &world_tenant_id);
        enum pw_aggregate aggregate = pw_event_info(event.type)->aggregate;
        event.stream_version = pw_stream_version(tenant, aggregate, &event.stream_id) + 1;
        if (event.type == PW_EVENT_EXAM_VERSION_PUBLISHED) {
            event.exam_version_published.content_hash =
                pw_tenant_exam(tenant, &event.stream_id)->draft.hash;
        }
        struct pw_err err = {0};
        cr_assert_eq(pw_state_evolve(state, &world_tenant_id, &event, NULL, &err), PW_OK, "%s",
                     err.detail);
    }
}

static bool same_list(const struct pw_list *a, const struct pw_list *b)
{
    return a->count == b->count && a->bytes == b->bytes &&
           (a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
}

static bool same_field(const struct pw_field *field, const void *a, const void *b)
{
    switch (field->kind) {
    case PW_FIELD_KIND_id: return memcmp(a, b, sizeof(struct pw_id)) == 0;
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language:
    case PW_FIELD_KIND_personal:
    case PW_FIELD_KIND_email:
    case PW_FIELD_KIND_password:
    case PW_FIELD_KIND_secret:
    case PW_FIELD_KIND_sealed:
    case PW_FIELD_KIND_passage:
        return pw_str_equal(*(const struct pw_str *)a, *(const struct pw_str *)b);
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_roles:
    case PW_FIELD_KIND_reason:
    case PW_FIELD_KIND_item_kind:
    case PW_FIELD_KIND_scoring:
    case PW_FIELD_KIND_flag:
    case PW_FIELD_KIND_minutes: return *(const uint32_t *)a == *(const uint32_t *)b;
    case PW_FIELD_KIND_at: return *(const int64_t *)a == *(const int64_t *)b;
    case PW_FIELD_KIND_list: return same_list(a, b);
    case PW_FIELD_KIND_hash:
    case PW_FIELD_KIND_key: return memcmp(a, b, sizeof(struct pw_hash)) == 0;
    }
    return false;
}

bool world_same(const struct pw_event *a, const struct pw_event *b)
{
    if (a->type != b->type || a->stream_version != b->stream_version ||
        !pw_id_equal(&a->stream_id, &b->stream_id)) {
        return false;
    }
    const struct pw_message *message = &pw_event_info(a->type)->message;
    const char *first = pw_event_body((struct pw_event *)a);
    const char *second = pw_event_body((struct pw_event *)b);
    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pw_field *field = &message->fields[i];
        if (!same_field(field, first + field->offset, second + field->offset)) {
            return false;
        }
    }
    return true;
}

bool world_may_answer(enum pw_command_type type, enum pw_code code)
{
    const struct pw_command_info *info = pw_command_info(type);
    bool listed = code == PW_OK;
    for (uint32_t i = 0; i < info->refusal_count; i++) {
        listed |= info->refusals[i] == code;
    }
    return listed;
}
