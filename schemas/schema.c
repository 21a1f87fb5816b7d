/* schemas/schema.c: the descriptors of every command and event, read from the tables. */
#include "schemas/schema.h"

/* Each descriptor is made inside a function of its own, where `this` can name the struct that
 * offsetof needs. */
#define PW_DESCRIBE(tag, kind, name, source, min, max, fallback, doc)                              \
    {#name, doc, PW_FIELD_KIND_##kind, source, offsetof(this, name), min, max, fallback, tag, NULL},
#define PW_PATH(tag, kind, name, doc) PW_DESCRIBE(tag, kind, name, PW_FROM_PATH, 0, 0, 0, doc)
#define PW_MADE(tag, kind, name, doc) PW_DESCRIBE(tag, kind, name, PW_MADE_BY_SHELL, 0, 0, 0, doc)
#define PW_DERIVED(tag, kind, name, doc)                                                           \
    PW_DESCRIBE(tag, kind, name, PW_DERIVED_FROM_ID, 0, 0, 0, doc)
#define PW_ACTOR(tag, kind, name, doc)  PW_DESCRIBE(tag, kind, name, PW_FROM_TOKEN, 0, 0, 0, doc)
#define PW_TENANT(tag, kind, name, doc) PW_DESCRIBE(tag, kind, name, PW_FROM_TENANT, 0, 0, 0, doc)
#define PW_PREPARED(tag, kind, name, doc)                                                          \
    PW_DESCRIBE(tag, kind, name, PW_PREPARED_BY_SHELL, 0, 0, 0, doc)
#define PW_FIELD(tag, kind, name, min, max, doc)                                                   \
    PW_DESCRIBE(tag, kind, name, PW_FROM_BODY, min, max, 0, doc)
#define PW_FIELD_OR(tag, kind, name, min, max, fallback, doc)                                      \
    PW_DESCRIBE(tag, kind, name, PW_FROM_BODY_OR, min, max, fallback, doc)

#define PW_DESCRIBE_LIST(tag, record, name, source, min, max, doc)                                 \
    {#name, doc, PW_FIELD_KIND_list,  source, offsetof(this, name), min, max,                      \
     0,     tag, pw_##record##_record},
#define PW_LIST(tag, record, name, min, max, doc)                                                  \
    PW_DESCRIBE_LIST(tag, record, name, PW_FROM_BODY, min, max, doc)
#define PW_LIST_OR(tag, record, name, max, doc)                                                    \
    PW_DESCRIBE_LIST(tag, record, name, PW_FROM_BODY_OR, 0, max, doc)

/* A command whose list is empty does not compile: there is no PW_ERR_ alone. */
#define PW_REFUSES_1(a)                                                        PW_ERR_##a,
#define PW_REFUSES_2(a, ...)                                                   PW_ERR_##a, PW_REFUSES_1(__VA_ARGS__)
#define PW_REFUSES_3(a, ...)                                                   PW_ERR_##a, PW_REFUSES_2(__VA_ARGS__)
#define PW_REFUSES_4(a, ...)                                                   PW_ERR_##a, PW_REFUSES_3(__VA_ARGS__)
#define PW_REFUSES_5(a, ...)                                                   PW_ERR_##a, PW_REFUSES_4(__VA_ARGS__)
#define PW_REFUSES_6(a, ...)                                                   PW_ERR_##a, PW_REFUSES_5(__VA_ARGS__)
#define PW_REFUSES_7(a, ...)                                                   PW_ERR_##a, PW_REFUSES_6(__VA_ARGS__)
#define PW_REFUSES_8(a, ...)                                                   PW_ERR_##a, PW_REFUSES_7(__VA_ARGS__)
#define PW_REFUSES_9(a, ...)                                                   PW_ERR_##a, PW_REFUSES_8(__VA_ARGS__)
#define PW_REFUSES_10(a, ...)                                                  PW_ERR_##a, PW_REFUSES_9(__VA_ARGS__)
#define PW_REFUSES_11(a, ...)                                                  PW_ERR_##a, PW_REFUSES_10(__VA_ARGS__)
#define PW_REFUSES_12(a, ...)                                                  PW_ERR_##a, PW_REFUSES_11(__VA_ARGS__)
#define PW_REFUSES_13(a, ...)                                                  PW_ERR_##a, PW_REFUSES_12(__VA_ARGS__)
#define PW_REFUSES_14(a, ...)                                                  PW_ERR_##a, PW_REFUSES_13(__VA_ARGS__)
#define PW_REFUSES_PICK(a, b, c, d, e, f, g, h, i, j, k, l, m, n, reader, ...) reader
#define PW_REFUSES(...)                                                                            \
    PW_REFUSES_PICK(__VA_ARGS__, PW_REFUSES_14, PW_REFUSES_13, PW_REFUSES_12, PW_REFUSES_11,       \
                    PW_REFUSES_10, PW_REFUSES_9, PW_REFUSES_8, PW_REFUSES_7, PW_REFUSES_6,         \
                    PW_REFUSES_5, PW_REFUSES_4, PW_REFUSES_3, PW_REFUSES_2, PW_REFUSES_1, unused)  \
    (__VA_ARGS__)

#define PW_RECORD(lower, doc_, fields_)                                                            \
    const struct pw_record_info *pw_##lower##_record(void)                                         \
    {                                                                                              \
        typedef struct pw_##lower this;                                                            \
        static const struct pw_field fields[] = {fields_};                                         \
        static const struct pw_record_info info = {                                                \
            #lower, doc_, {fields, PW_COUNT(fields), sizeof(this)}};                               \
        static_assert(PW_COUNT(fields) <= PW_FIELDS_MAX, "too many fields");                       \
        static_assert(sizeof(this) <= PW_RECORD_SIZE_MAX, "a record is small");                    \
        static_assert(sizeof(doc_) > 1, "a record says what it is");                               \
        return &info;                                                                              \
    }
#define PW_COMMAND(aggregate_, lower, UPPER, door_, roles_, path_, target, doc_, example_,         \
                   refusals_, fields_)                                                             \
    static const struct pw_command_info *describe_command_##aggregate_##_##lower(void)             \
    {                                                                                              \
        typedef struct pw_##aggregate_##_##lower this;                                             \
        static const struct pw_field fields[] = {fields_};                                         \
        static const enum pw_code refusals[] = {refusals_};                                        \
        static const struct pw_command_info info = {                                               \
            .name = #aggregate_ "." #lower,                                                        \
            .path = path_,                                                                         \
            .doc = doc_,                                                                           \
            .example = example_,                                                                   \
            .message = {fields, PW_COUNT(fields), sizeof(this)},                                   \
            .refusals = refusals,                                                                  \
            .refusal_count = PW_COUNT(refusals),                                                   \
            .roles = roles_,                                                                       \
            .target_offset = offsetof(this, target),                                               \
            .aggregate = PW_AGGREGATE_##aggregate_,                                                \
            .door = PW_DOOR_##door_,                                                               \
        };                                                                                         \
        static_assert(PW_COUNT(fields) <= PW_FIELDS_MAX, "too many fields");                       \
        static_assert(PW_COUNT(refusals) <= PW_REFUSALS_MAX, "too many refusals");                 \
        static_assert(sizeof(doc_) > 1, "a command says what it does");                            \
        static_assert(sizeof(example_) > 2, "a command has an example body, if only {}");          \
        return &info;                                                                              \
    }
#define PW_EVENT(aggregate_, lower, UPPER, version_, doc_, fields_)                                \
    static const struct pw_event_info *describe_event_##aggregate_##_##lower(void)                 \
    {                                                                                              \
        typedef struct pw_##aggregate_##_##lower this;                                             \
        static const struct pw_field fields[] = {fields_};                                         \
        static const struct pw_event_info info = {                                                 \
            .name = #aggregate_ "_" #lower,                                                        \
            .doc = doc_,                                                                           \
            .message = {fields, PW_COUNT(fields), sizeof(this)},                                   \
            .version = version_,                                                                   \
            .aggregate = PW_AGGREGATE_##aggregate_,                                                \
        };                                                                                         \
        static_assert(PW_COUNT(fields) <= PW_FIELDS_MAX, "too many fields");                       \
        static_assert(sizeof(doc_) > 1, "an event says what happened");                            \
        return &info;                                                                              \
    }
#include "schemas/all.def"

static const struct pw_command_info *(*const commands[])(void) = {
#define PW_COMMAND(aggregate, lower, UPPER, ...)                                                   \
    [PW_COMMAND_##UPPER] = describe_command_##aggregate##_##lower,
#include "schemas/all.def"
};

static const struct pw_event_info *(*const events[])(void) = {
#define PW_EVENT(aggregate, lower, UPPER, ...)                                                     \
    [PW_EVENT_##UPPER] = describe_event_##aggregate##_##lower,
#include "schemas/all.def"
};

const struct pw_command_info *pw_command_info(enum pw_command_type type)
{
    assert(type < PW_COMMAND_COUNT);
    return commands[type]();
}

bool pw_command_creates(const struct pw_command_info *info)
{
    for (uint32_t i = 0; i < info->message.field_count; i++) {
        const struct pw_field *field = &info->message.fields[i];
        if (field->offset == info->target_offset) {
            return field->source == PW_MADE_BY_SHELL || field->source == PW_DERIVED_FROM_ID;
        }
    }
    return false;
}

void *pw_command_body(struct pw_command *command)
{
    return (char *)command + offsetof(struct pw_command, tenant_create);
}

const struct pw_id *pw_command_target(const struct pw_command *command)
{
    const char *body = (const char *)command + offsetof(struct pw_command, tenant_create);
    return (const struct pw_id *)(body + pw_command_info(command->type)->target_offset);
}

const struct pw_event_info *pw_event_info(enum pw_event_type type)
{
    assert(type < PW_EVENT_COUNT);
    return events[type]();
}

bool pw_event_by_name(struct pw_str name, enum pw_event_type *ret_type)
{
    /* With their lengths, since a replay asks once an event. */
    static const struct pw_str names[] = {
#define PW_EVENT(aggregate, lower, UPPER, ...)                                                     \
    [PW_EVENT_##UPPER] = {#aggregate "_" #lower, sizeof(#aggregate "_" #lower) - 1},
#include "schemas/all.def"
    };

    for (int type = 0; type < PW_EVENT_COUNT; type++) {
        if (pw_str_equal(name, names[type])) {
            *ret_type = (enum pw_event_type)type;
            return true;
        }
    }
    return false;
}

void *pw_event_body(struct pw_event *event)
{
    return (char *)event + offsetof(struct pw_event, tenant_created);
}

const void *pw_event_said(const struct pw_event *event, const char *name, enum pw_field_kind kind)
{
    const struct pw_message *message = &pw_event_info(event->type)->message;
    const char *body = pw_event_body((struct pw_event *)(uintptr_t)event);
    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pw_field *field = &message->fields[i];
        if (field->kind == kind && strcmp(field->name, name) == 0) {
            return body + field->offset;
        }
    }
    return NULL;
}

static const char *const role_names[] = {
#define PW_ROLE_NAME(UPPER, text) [PW_ROLE_##UPPER] = text,
    PW_ROLES(PW_ROLE_NAME)
#undef PW_ROLE_NAME
};

const char *pw_role_name(enum pw_role role)
{
    assert(role < PW_ROLE_COUNT);
    return role_names[role];
}

bool pw_role_by_name(struct pw_str name, enum pw_role *ret_role)
{
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if (pw_str_equal(name, pw_str_of(role_names[role]))) {
            *ret_role = (enum pw_role)role;
            return true;
        }
    }
    return false;
}

static const struct pw_name reasons[] = {
#define PW_REASON(UPPER, name, doc) [PW_REASON_##UPPER] = {name, doc},
#include "schemas/reasons.def"
#undef PW_REASON
};

static const struct pw_name item_kinds[] = {
#define PW_ITEM_KIND(UPPER, name, doc) [PW_ITEM_KIND_##UPPER] = {name, doc},
#include "schemas/item_names.def"
};

static const struct pw_name scorings[] = {
#define PW_SCORING(UPPER, name, doc) [PW_SCORING_##UPPER] = {name, doc},
#include "schemas/item_names.def"
};

struct pw_names pw_names_of(enum pw_field_kind kind)
{
    switch ((int)kind) {
    case PW_FIELD_KIND_reason: return (struct pw_names){reasons, PW_COUNT(reasons)};
    case PW_FIELD_KIND_item_kind: return (struct pw_names){item_kinds, PW_COUNT(item_kinds)};
    case PW_FIELD_KIND_scoring: return (struct pw_names){scorings, PW_COUNT(scorings)};
    default: return (struct pw_names){NULL, 0};
    }
}

bool pw_name_find(enum pw_field_kind kind, struct pw_str name, uint32_t *ret_value)
{
    struct pw_names names = pw_names_of(kind);
    for (uint32_t value = 0; value < names.count; value++) {
        if (pw_str_equal(name, pw_str_of(names.names[value].name))) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

const char *pw_reason_name(enum pw_reason reason)
{
    assert(reason < PW_REASON_COUNT);
    return reasons[reason].name;
}

const char *pw_aggregate_name(enum pw_aggregate aggregate)
{
    static const char *const names[] = {
#define PW_AGGREGATE_NAME(lower) [PW_AGGREGATE_##lower] = #lower,
        PW_AGGREGATES(PW_AGGREGATE_NAME)
#undef PW_AGGREGATE_NAME
    };
    assert(aggregate < PW_AGGREGATE_COUNT);
    return names[aggregate];
}
