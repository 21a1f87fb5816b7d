/* schemas/tests/test_tables.c: what must hold for every table, today's and tomorrow's. */
#include "schemas/json.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct pw_command_info *command_info(int type)
{
    return pw_command_info((enum pw_command_type)type);
}

static const struct pw_event_info *event_info(int type)
{
    return pw_event_info((enum pw_event_type)type);
}

static bool is_text(const struct pw_field *field)
{
    return field->kind == PW_FIELD_KIND_text || field->kind == PW_FIELD_KIND_zone ||
           field->kind == PW_FIELD_KIND_language;
}

static bool is_personal(const struct pw_field *field)
{
    return field->kind == PW_FIELD_KIND_personal || field->kind == PW_FIELD_KIND_email ||
           field->kind == PW_FIELD_KIND_password || field->kind == PW_FIELD_KIND_secret;
}

static bool is_number(const struct pw_field *field)
{
    return field->kind == PW_FIELD_KIND_count || field->kind == PW_FIELD_KIND_minutes;
}

static void check_message(const char *of, const struct pw_message *message);

static void check_record(const struct pw_record_info *record)
{
    check_message(record->name, &record->message);
    cr_expect(strlen(record->doc) > 0, "%s", record->name);
    for (uint32_t i = 0; i < record->message.field_count; i++) {
        const struct pw_field *field = &record->message.fields[i];
        cr_expect(field->source == PW_FROM_BODY || field->source == PW_FROM_BODY_OR);
        cr_expect(field->kind != PW_FIELD_KIND_list, "%s: nothing deeper", record->name);
        cr_expect_not(is_personal(field), "%s.%s", record->name, field->name);
    }
}

static void check_limits(const char *of, const struct pw_field *field)
{
    cr_expect_leq(field->min, field->max, "%s.%s", of, field->name);
    cr_expect_geq(field->min, 0, "%s.%s", of, field->name);
    cr_expect(strlen(field->name) <= PW_FIELD_NAME_BYTES_MAX, "%s.%s", of, field->name);
    if (is_text(field)) {
        cr_expect(field->max > 0 && field->max <= PW_TEXT_BYTES_MAX, "%s.%s", of, field->name);
    }
    if (is_personal(field)) {
        cr_expect(field->max > 0 && field->max <= PW_PERSONAL_BYTES_MAX, "%s.%s", of, field->name);
    }
    if (field->kind == PW_FIELD_KIND_sealed) {
        cr_expect(field->max > 0 && field->max <= PW_SEALED_BYTES_MAX, "%s.%s", of, field->name);
    }
    if (field->kind == PW_FIELD_KIND_roles) {
        cr_expect(field->min == 1 && field->max == __builtin_popcount(PW_EVERYONE), "%s.%s", of,
                  field->name);
    }
    if (is_number(field)) {
        cr_expect(field->max > 0 && field->max <= UINT32_MAX, "%s.%s", of, field->name);
    }
    if (field->kind == PW_FIELD_KIND_passage) {
        cr_expect(field->max > 0 && field->max <= PW_PASSAGE_BYTES_MAX, "%s.%s", of, field->name);
    }
    if (field->kind == PW_FIELD_KIND_list) {
        cr_expect(field->max > 0 && field->max <= PW_LIST_COUNT_MAX, "%s.%s", of, field->name);
        check_record(field->record());
    }
    if (field->kind == PW_FIELD_KIND_flag) {
        cr_expect(field->min == 0 && field->max == 1, "%s.%s", of, field->name);
    }
    if (field->kind == PW_FIELD_KIND_at) {
        cr_expect(field->max > 0 && field->max <= PW_AT_US_MAX, "%s.%s", of, field->name);
    }
    if (field->source == PW_FROM_BODY_OR) {
        bool may_be_empty = field->kind == PW_FIELD_KIND_personal ||
                            field->kind == PW_FIELD_KIND_password ||
                            (field->kind == PW_FIELD_KIND_text && field->min == 0) ||
                            field->kind == PW_FIELD_KIND_list ||
                            field->kind == PW_FIELD_KIND_at; /* 0: there is none. */
        bool is_flag = field->kind == PW_FIELD_KIND_flag;
        cr_expect(is_number(field) || may_be_empty || is_flag, "%s.%s", of, field->name);
        cr_expect(may_be_empty ? field->fallback == 0
                               : field->fallback >= field->min && field->fallback <= field->max);
    }
}

static void check_message(const char *of, const struct pw_message *message)
{
    cr_expect(message->field_count > 0 && message->field_count <= PW_FIELDS_MAX, "%s", of);
    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pw_field *field = &message->fields[i];
        cr_expect_eq(field->tag, i + 1, "%s.%s: tags go up from 1 without a hole", of, field->name);
        cr_expect_gt(strlen(field->doc), 0, "%s.%s has a doc", of, field->name);
        cr_expect_eq(strspn(field->name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
                     strlen(field->name), "%s.%s", of, field->name);
        for (uint32_t j = 0; j < i; j++) {
            cr_expect_str_neq(field->name, message->fields[j].name, "%s", of);
        }
        if (field->source == PW_PREPARED_BY_SHELL) {
            cr_expect_not(is_text(field) || is_personal(field), "%s.%s", of, field->name);
        } else if (field->source != PW_FROM_BODY && field->source != PW_FROM_BODY_OR) {
            cr_expect_eq(field->kind, PW_FIELD_KIND_id, "%s.%s is an id", of, field->name);
        } else if (field->kind == PW_FIELD_KIND_minutes) {
            const char *end = field->name + strlen(field->name) - strlen("_minutes");
            cr_expect(end > field->name && strcmp(end, "_minutes") == 0, "%s.%s", of, field->name);
            check_limits(of, field);
        } else if (field->kind != PW_FIELD_KIND_id) {
            check_limits(of, field);
        }
    }
}

Test(tables, every_field_has_a_tag_a_doc_and_limits_that_make_sense)
{
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        check_message(command_info(type)->name, &command_info(type)->message);
    }
    for (int type = 0; type < PW_EVENT_COUNT; type++) {
        check_message(event_info(type)->name, &event_info(type)->message);
        for (uint32_t i = 0; i < event_info(type)->message.field_count; i++) {
            const struct pw_field *field = &event_info(type)->message.fields[i];
            cr_expect_eq(field->source, PW_FROM_BODY, "An event has facts only: %s",
                         event_info(type)->name);
            cr_expect_not(is_personal(field), "%s.%s is to be sealed", event_info(type)->name,
                          field->name);
        }
    }
}

Test(tables, names_and_routes_are_unique)
{
    for (int a = 0; a < PW_COMMAND_COUNT; a++) {
        for (int b = 0; b < a; b++) {
            cr_expect_str_neq(command_info(a)->name, command_info(b)->name);
            cr_expect(command_info(a)->door != command_info(b)->door ||
                          strcmp(command_info(a)->path, command_info(b)->path) != 0,
                      "%s and %s", command_info(a)->name, command_info(b)->name);
        }
    }
    for (int a = 0; a < PW_EVENT_COUNT; a++) {
        enum pw_event_type found = PW_EVENT_COUNT;
        cr_expect(pw_event_by_name(pw_str_of(event_info(a)->name), &found));
        cr_expect_eq((int)found, a);
    }
    cr_expect_not(pw_event_by_name(PW_STR("nothing_happened"), &(enum pw_event_type){0}));
}

Test(tables, names_are_those_of_the_aggregate)
{
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        const char *aggregate = pw_aggregate_name(command_info(type)->aggregate);
        size_t bytes = strlen(aggregate);
        cr_expect(strncmp(command_info(type)->name, aggregate, bytes) == 0 &&
                      command_info(type)->name[bytes] == '.',
                  "%s", command_info(type)->name);
    }
    for (int type = 0; type < PW_EVENT_COUNT; type++) {
        const char *aggregate = pw_aggregate_name(event_info(type)->aggregate);
        size_t bytes = strlen(aggregate);
        cr_expect(strncmp(event_info(type)->name, aggregate, bytes) == 0 &&
                      event_info(type)->name[bytes] == '_',
                  "%s", event_info(type)->name);
        cr_expect_leq(strlen(event_info(type)->name), 64, "The ledger's names end there.");
        cr_expect_geq(event_info(type)->version, 1);
    }
}

/* Takes the next {placeholder} of a path; false when there is none. */
static bool next_placeholder(const char **path, char ret_name[65])
{
    const char *open = strchr(*path, '{'), *close;

    if (open == NULL) {
        return false;
    }
    close = strchr(open, '}');
    cr_assert(close != NULL && close - open - 1 < 65);
    memcpy(ret_name, open + 1, (size_t)(close - open - 1));
    ret_name[close - open - 1] = '\0';
    *path = close;
    return true;
}

Test(tables, a_path_has_exactly_its_path_fields_in_their_order)
{
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        const struct pw_command_info *info = command_info(type);
        const char *rest = info->path;
        char name[65];
        cr_expect_eq(info->path[0], '/');
        for (uint32_t i = 0; i < info->message.field_count; i++) {
            if (info->message.fields[i].source == PW_FROM_PATH) {
                cr_assert(next_placeholder(&rest, name), "%s lacks {%s}", info->path,
                          info->message.fields[i].name);
                cr_expect_str_eq(name, info->message.fields[i].name, "%s", info->path);
            }
        }
        cr_expect_not(next_placeholder(&rest, name), "%s has {%s}", info->path, name);
    }
}

Test(tables, a_target_is_an_id_and_says_whether_the_thing_is_new)
{
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        const struct pw_command_info *info = command_info(type);
        struct pw_command command = {.type = (enum pw_command_type)type};
        bool found = false, made = false, by_sender = false;
        for (uint32_t i = 0; i < info->message.field_count; i++) {
            const struct pw_field *field = &info->message.fields[i];
            if (field->offset == info->target_offset) {
                found = field->kind == PW_FIELD_KIND_id;
                made = field->source == PW_MADE_BY_SHELL || field->source == PW_DERIVED_FROM_ID;
                by_sender = field->source == PW_FROM_TOKEN || field->source == PW_FROM_TENANT ||
                            field->source == PW_PREPARED_BY_SHELL;
                struct pw_id *id =
                    (struct pw_id *)((char *)pw_command_body(&command) + field->offset);
                cr_expect_eq(pw_command_target(&command), id);
            }
        }
        cr_expect(found, "%s", info->name);
        cr_expect_eq(pw_command_creates(info), made, "%s", info->name);
        /* A collection gets something new; a thing gets a verb. */
        const char *last = strrchr(info->path, '/') + 1;
        cr_expect_neq(*last, '{', "%s", info->path);
        if (!made && !by_sender) {
            cr_expect_eq(last[-2], '}', "%s ends in /{thing}/verb", info->path);
        }
    }
}

Test(tables, refusals_are_decisions_and_listed_once)
{
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        const struct pw_command_info *info = command_info(type);
        cr_expect_gt(info->refusal_count, 0, "%s", info->name);
        cr_expect_leq(info->refusal_count, PW_REFUSALS_MAX, "%s", info->name);
        for (uint32_t i = 0; i < info->refusal_count; i++) {
            enum pw_error_kind kind = pw_error_info(info->refusals[i])->kind;
            cr_expect(kind == PW_KIND_REFUSED || kind == PW_KIND_NOT_FOUND, "%s", info->name);
            for (uint32_t j = 0; j < i; j++) {
                cr_expect_neq(info->refusals[i], info->refusals[j], "%s", info->name);
            }
        }
    }
}

Test(tables, roles_fit_the_door)
{
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        const struct pw_command_info *info = command_info(type);
        cr_expect_neq(info->roles, 0, "%s", info->name);
        cr_expect_eq(info->door == PW_DOOR_INTERNAL, info->roles == PW_ROLE(OPERATOR), "%s",
                     info->name);
        cr_expect(info->roles == PW_EVERYONE ||
                      (info->roles & (PW_ROLE(AUDITOR) | PW_ROLE(ANALYST))) == 0,
                  "%s: they only look, but for what everyone does for themselves.", info->name);
        cr_expect_eq(info->door == PW_DOOR_SYSTEM, info->roles == PW_ROLE(SYSTEM), "%s",
                     info->name);
        cr_expect(info->door != PW_DOOR_CREDENTIAL || info->roles == PW_EVERYONE, "%s", info->name);
    }
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        enum pw_role found = PW_ROLE_COUNT;
        cr_expect(pw_role_by_name(pw_str_of(pw_role_name((enum pw_role)role)), &found));
        cr_expect_eq((int)found, role);
    }
    cr_expect_not(pw_role_by_name(PW_STR("Student"), &(enum pw_role){0}));
}

Test(tables, every_example_is_a_body_that_we_take)
{
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        struct pw_command command = {.type = (enum pw_command_type)type};
        struct pw_violations violations;
        struct pw_arena arena;
        struct pw_err err = {PW_OK, ""};
        pw_arena_init(&arena, 1 << 16);
        cr_expect_eq(pw_command_read_json(pw_str_of(command_info(type)->example), &arena, &command,
                                          &violations, &err),
                     PW_OK, "%s: %s", command_info(type)->name, err.detail);
        pw_arena_close(&arena);
    }
}

Test(tables, a_set_of_event_types_has_what_was_added)
{
    for (int a = 0; a < PW_EVENT_COUNT; a++) {
        struct pw_event_set set = {{0}};
        pw_event_set_add(&set, (enum pw_event_type)a);
        for (int b = 0; b < PW_EVENT_COUNT; b++) {
            struct pw_event_set other = {{0}};
            struct pw_event_set both = set;
            pw_event_set_add(&other, (enum pw_event_type)b);
            pw_event_set_join(&both, other);
            cr_expect_eq(pw_event_set_has(&set, (enum pw_event_type)b), a == b);
            cr_expect_eq(pw_event_set_meets(&set, &other), a == b);
            cr_expect(pw_event_set_meets(&set, &both));
            cr_expect(pw_event_set_has(&both, (enum pw_event_type)b));
        }
    }
}
