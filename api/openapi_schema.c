/* api/openapi_schema.c: what requests and answers look like, as JSON Schema. */
#include <stdio.h>

#include "api/openapi_internal.h"
#include "api/problem.h"
#include "api/query_table.h"

#define NO_CONTROL_CHARACTER "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
#define LINES                "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"

json_t *openapi_ref(const char *group, const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/%s/%s", group, name));
}

static bool in_body(const struct pw_field *field)
{
    return field->source == PW_FROM_BODY || field->source == PW_FROM_BODY_OR;
}

/* --- A command's body --- */

/* JSON Schema counts characters, the table bytes: a character has four at most. */
static json_t *text_schema(const struct pw_field *field)
{
    bool is_ascii = field->kind == PW_FIELD_KIND_zone || field->kind == PW_FIELD_KIND_language;
    bool has_lines = field->kind == PW_FIELD_KIND_passage;
    return json_pack(
        "{s:s, s:I, s:I, s:s, s:o}", "type", "string", "minLength",
        (json_int_t)(is_ascii ? field->min : (field->min + 3) / 4), "maxLength",
        (json_int_t)field->max, "pattern", has_lines ? LINES : NO_CONTROL_CHARACTER, "description",
        json_sprintf("%s. %d to %d bytes of UTF-8, without control characters%s.", field->doc,
                     (int)field->min, (int)field->max, has_lines ? " but line feed and tab" : ""));
}

static json_t *at_schema(const struct pw_field *field)
{
    char first[PW_AT_TEXT_BYTES_MAX];
    char last[PW_AT_TEXT_BYTES_MAX];
    pw_at_format(field->min, first);
    pw_at_format(field->max, last);
    return json_pack(
        "{s:s, s:s, s:o}", "type", "string", "format", "date-time", "description",
        json_sprintf("%s. RFC 3339 with any offset, from %s to %s.", field->doc, first, last));
}

static json_t *number_schema(const struct pw_field *field)
{
    return json_pack("{s:s, s:I, s:I, s:o}", "type", "integer", "minimum", (json_int_t)field->min,
                     "maximum", (json_int_t)field->max, "description",
                     json_sprintf("%s. Without fraction or exponent.", field->doc));
}

static json_t *coded_schema(const struct pw_field *field, const char *keyword, const char *value)
{
    return json_pack("{s:s, s:s, s:o}", "type", "string", keyword, value, "description",
                     json_sprintf("%s.", field->doc));
}

json_t *openapi_roles(void)
{
    json_t *names = json_array();
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if ((PW_EVERYONE >> role & 1) != 0) {
            json_array_append_new(names, json_string(pw_role_name((enum pw_role)role)));
        }
    }
    return names;
}

static json_t *roles_schema(const struct pw_field *field)
{
    return json_pack("{s:s, s:{s:s, s:o}, s:I, s:b, s:o}", "type", "array", "items", "type",
                     "string", "enum", openapi_roles(), "minItems", (json_int_t)field->min,
                     "uniqueItems", 1, "description", json_sprintf("%s.", field->doc));
}

static json_t *named_schema(const struct pw_field *field)
{
    struct pw_names names = pw_names_of(field->kind);
    json_t *all = json_array();
    for (uint32_t i = 0; i < names.count; i++) {
        json_array_append_new(all, json_string(names.names[i].name));
    }
    return json_pack("{s:s, s:o, s:o}", "type", "string", "enum", all, "description",
                     json_sprintf("%s.", field->doc));
}

/* A client's generator and a page's form know by the format how to show it. */
static json_t *formatted_schema(const struct pw_field *field, const char *format)
{
    json_t *schema = text_schema(field);
    json_object_set_new(schema, "format", json_string(format));
    return schema;
}

static json_t *object_schema(const struct pw_message *message);

static json_t *records_schema(const struct pw_field *field)
{
    const struct pw_record_info *record = field->record();
    json_t *items = object_schema(&record->message);
    json_object_set_new(items, "description", json_string(record->doc));
    return json_pack("{s:s, s:o, s:I, s:I, s:o}", "type", "array", "items", items, "minItems",
                     (json_int_t)field->min, "maxItems", (json_int_t)field->max, "description",
                     json_sprintf("%s.", field->doc));
}

static json_t *field_schema(const struct pw_field *field)
{
    json_t *schema = NULL;
    switch (field->kind) {
    case PW_FIELD_KIND_id: schema = coded_schema(field, "format", "uuid"); break;
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language:
    case PW_FIELD_KIND_passage:
    case PW_FIELD_KIND_personal: schema = text_schema(field); break;
    case PW_FIELD_KIND_list: schema = records_schema(field); break;
    case PW_FIELD_KIND_email: schema = formatted_schema(field, "email"); break;
    case PW_FIELD_KIND_password:
    case PW_FIELD_KIND_secret: schema = formatted_schema(field, "password"); break;
    case PW_FIELD_KIND_roles: schema = roles_schema(field); break;
    case PW_FIELD_KIND_flag:
        schema = json_pack("{s:s, s:o}", "type", "boolean", "description",
                           json_sprintf("%s.", field->doc));
        break;
    case PW_FIELD_KIND_reason:
    case PW_FIELD_KIND_item_kind:
    case PW_FIELD_KIND_scoring: schema = named_schema(field); break;
    case PW_FIELD_KIND_sealed: assert(!"a command has nothing sealed"); break;
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_minutes: schema = number_schema(field); break;
    case PW_FIELD_KIND_at: schema = at_schema(field); break;
    case PW_FIELD_KIND_hash: schema = coded_schema(field, "pattern", "^[0-9a-fA-F]{64}$"); break;
    case PW_FIELD_KIND_key: schema = coded_schema(field, "pattern", "^[A-Za-z0-9_-]{43}$"); break;
    }
    /* Of a text or a moment that is left out there is none. */
    bool is_number = field->kind == PW_FIELD_KIND_count || field->kind == PW_FIELD_KIND_minutes;
    if (field->source == PW_FROM_BODY_OR && field->kind == PW_FIELD_KIND_flag) {
        json_object_set_new(schema, "default", json_boolean(field->fallback != 0));
    } else if (field->source == PW_FROM_BODY_OR && is_number) {
        json_object_set_new(schema, "default", json_integer(field->fallback));
    } else if (field->source == PW_FROM_BODY_OR && field->kind == PW_FIELD_KIND_list) {
        json_object_set_new(schema, "default", json_array());
    }
    return schema;
}

static json_t *object_schema(const struct pw_message *message)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pw_field *field = &message->fields[i];
        if (in_body(field)) {
            json_object_set_new(properties, field->name, field_schema(field));
        }
        if (field->source == PW_FROM_BODY) {
            json_array_append_new(required, json_string(field->name));
        }
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", 0);
}

/* --- What a query shows --- */

static json_t *words_of(const char *const *words, bool may_be_null)
{
    json_t *all = json_array();
    for (size_t i = 0; words[i] != NULL; i++) {
        if (words[i][0] != '\0') {
            json_array_append_new(all, json_string(words[i]));
        }
    }
    if (may_be_null) {
        json_array_append_new(all, json_null());
    }
    return all;
}

/* A record as it is shown: all of it, and perhaps more one day. What may be sent may be less than what has been. */
static json_t *record_schema(const struct pw_record_info *record)
{
    json_t *schema = object_schema(&record->message);
    json_t *required = json_array();
    for (uint32_t i = 0; i < record->message.field_count; i++) {
        const char *name = record->message.fields[i].name;
        json_t *field = json_object_get(json_object_get(schema, "properties"), name);
        json_array_append_new(required, json_string(name));
        json_object_del(field, "default");
        json_object_del(field, "minLength");
        json_object_del(field, "maxLength");
        json_object_del(field, "maximum");
    }
    json_object_set_new(schema, "required", required);
    json_object_del(schema, "additionalProperties");
    json_object_set_new(schema, "description", json_string(record->doc));
    return schema;
}

static json_t *column_schema(const struct pw_query_column *column)
{
    const char *type = column->kind == PW_ANSWER_COUNT  ? "integer"
                       : column->kind == PW_ANSWER_FLAG ? "boolean"
                       : column->kind == PW_ANSWER_ROLES || column->kind == PW_ANSWER_RECORDS
                           ? "array"
                           : "string";
    json_t *schema = json_object();
    json_object_set_new(schema, "type",
                        column->may_be_null ? json_pack("[s, s]", type, "null")
                                            : json_string(type));
    switch (column->kind) {
    case PW_ANSWER_ID: json_object_set_new(schema, "format", json_string("uuid")); break;
    case PW_ANSWER_TEXT:
    case PW_ANSWER_FLAG:
    case PW_ANSWER_SEALED: break;
    case PW_ANSWER_ROLES:
        json_object_set_new(schema, "items",
                            json_pack("{s:s, s:o}", "type", "string", "enum", openapi_roles()));
        break;
    case PW_ANSWER_RECORDS:
        json_object_set_new(schema, "items", record_schema(column->record()));
        break;
    case PW_ANSWER_COUNT: json_object_set_new(schema, "minimum", json_integer(0)); break;
    case PW_ANSWER_AT: json_object_set_new(schema, "format", json_string("date-time")); break;
    case PW_ANSWER_DAY: json_object_set_new(schema, "format", json_string("date")); break;
    case PW_ANSWER_HASH:
        json_object_set_new(schema, "pattern", json_string("^[0-9a-f]{64}$"));
        break;
    case PW_ANSWER_WORD:
        json_object_set_new(schema, "enum", words_of(column->words, column->may_be_null));
        break;
    }
    json_object_set_new(schema, "description", json_sprintf("%s.", column->doc));
    return schema;
}

static json_t *thing_schema(const struct pw_query_info *info)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (uint32_t i = 0; i < info->column_count; i++) {
        json_object_set_new(properties, info->columns[i].name, column_schema(&info->columns[i]));
        json_array_append_new(required, json_string(info->columns[i].name));
    }
    return json_pack("{s:s, s:o, s:o}", "type", "object", "properties", properties, "required",
                     required);
}

static json_t *list_schema(const struct pw_query_info *info)
{
    json_t *thing = openapi_thing(info);
    json_t *schema = json_pack(
        "{s:s, s:{s:{s:s, s:o}, s:{s:[s, s], s:s}}, s:[s, s]}", "type", "object", "properties",
        "items", "type", "array", "items", openapi_ref("schemas", json_string_value(thing)), "next",
        "type", "string", "null", "description",
        "What `after` takes to give the next page; null at the end.", "required", "items", "next");
    json_decref(thing);
    return schema;
}

json_t *openapi_thing(const struct pw_query_info *info)
{
    const struct pw_query_info *first = NULL;
    for (uint32_t i = 0; i < pw_query_count; i++) {
        const struct pw_query_info *other = &pw_queries[i];
        if (other->columns == info->columns && !other->is_list) {
            return json_string(other->name);
        }
        first = first == NULL && other->columns == info->columns ? other : first;
    }
    assert(first != NULL);
    return json_sprintf("%s_item", first->name);
}

json_t *openapi_id(const struct pw_route *route)
{
    char id[96];
    snprintf(id, sizeof id, "%s", route->name);
    for (char *at = id; *at != '\0'; at++) {
        *at = *at == '.' ? '_' : *at;
    }
    return json_string(id);
}

/* --- What is no table's --- */

const char *openapi_answer(const struct pw_command_info *info)
{
    if (info == pw_command_info(PW_COMMAND_SESSION_OPEN) ||
        info == pw_command_info(PW_COMMAND_SESSION_REFRESH)) {
        return "session_answer";
    }
    return info == pw_command_info(PW_COMMAND_USER_ISSUE_RESET_TOKEN) ? "reset_token_answer"
                                                                      : "command_answer";
}

static json_t *answer_schema(void);

static void add_member(json_t *schema, const char *name, json_t *member)
{
    json_object_set_new(json_object_get(schema, "properties"), name, member);
    json_array_append_new(json_object_get(schema, "required"), json_string(name));
}

static json_t *described(const char *type, const char *description)
{
    return json_pack("{s:s, s:s}", "type", type, "description", description);
}

/* What pw_prepare_answer adds. */
static json_t *session_answer_schema(void)
{
    json_t *schema = answer_schema();
    add_member(schema, "token_type", json_pack("{s:s, s:[s]}", "type", "string", "enum", "Bearer"));
    add_member(schema, "expires_in",
               described("integer", "So many seconds the access token is good."));
    add_member(schema, "access_token", described("string", "What `Authorization: Bearer` takes."));
    add_member(schema, "refresh_token", described("string", "What gives the next tokens, once."));
    return schema;
}

static json_t *reset_token_answer_schema(void)
{
    json_t *schema = answer_schema();
    add_member(schema, "reset_token",
               described("string", "With it the person sets a password, once."));
    return schema;
}

static json_t *answer_schema(void)
{
    return json_pack("{s:s, s:{s:{s:s, s:s, s:s}, s:{s:s, s:i, s:s}, s:{s:s, s:s}}, s:[s, s, s]}",
                     "type", "object", "properties", "id", "type", "string", "format", "uuid",
                     "description", "What was made or changed.", "version", "type", "integer",
                     "minimum", 1, "description", "Its version now: `If-Match` takes it.",
                     "position", "type", "string", "description",
                     "Where this stands in the ledger: `Pw-Min-Position` takes it.", "required",
                     "id", "version", "position");
}

static json_t *problem_schema(void)
{
    return json_pack(
        "{s:s, s:s, s:{s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:i, s:i}, s:{s:s, s:s}, s:{s:s, s:s},"
        " s:{s:s, s:s, s:o}}, s:[s, s, s, s]}",
        "type", "object", "description", "Why a request did not end well (RFC 9457).", "properties",
        "type", "type", "string", "description",
        "`/problems/<name>`: a page that says what it means and what to do.", "title", "type",
        "string", "description", "One phrase for a person.", "status", "type", "integer", "minimum",
        400, "maximum", 599, "detail", "type", "string", "description", "What it was this time.",
        "instance", "type", "string", "description", "The trace id of the request.", "errors",
        "type", "array", "description", "Everything that is not valid.", "items",
        json_pack("{s:s, s:{s:{s:s, s:s}, s:{s:s, s:s}}, s:[s, s]}", "type", "object", "properties",
                  "pointer", "type", "string", "description",
                  "JSON pointer into the body, or a parameter's name after a `/`.", "detail",
                  "type", "string", "description", "What is wrong there.", "required", "pointer",
                  "detail"),
        "required", "type", "title", "status", "instance");
}

static json_t *page_schema(void)
{
    return json_pack("{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}}, s:[s, s, s, s, s]}",
                     "type", "object", "properties", "type", "type", "string", "title", "type",
                     "string", "status", "type", "integer", "meaning", "type", "string", "remedy",
                     "type", "string", "required", "type", "title", "status", "meaning", "remedy");
}

/* Members of a key, each a text that is always there. */
static json_t *key_set_schema(void)
{
    static const char *const members[] = {"kty", "crv", "alg", "use", "kid", "x"};
    json_t *properties = json_object();
    json_t *required = json_array();
    for (size_t i = 0; i < PW_COUNT(members); i++) {
        json_object_set_new(properties, members[i], json_pack("{s:s}", "type", "string"));
        json_array_append_new(required, json_string(members[i]));
    }
    return json_pack("{s:s, s:{s:{s:s, s:{s:s, s:o, s:o}}}, s:[s]}", "type", "object", "properties",
                     "keys", "type", "array", "items", "type", "object", "properties", properties,
                     "required", required, "required", "keys");
}

static json_t *schemas(const struct pw_routes *routes)
{
    json_t *all = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "problem", problem_schema(),
                            "problem_page", page_schema(), "command_answer", answer_schema(),
                            "session_answer", session_answer_schema(), "reset_token_answer",
                            reset_token_answer_schema(), "key_set", key_set_schema());
    for (uint32_t i = 1; i < routes->count; i++) {
        const struct pw_route *route = &routes->routes[i];
        json_t *id = openapi_id(route);
        if (route->kind == PW_ROUTE_COMMAND) {
            const struct pw_command_info *info =
                pw_command_info((enum pw_command_type)route->number);
            json_object_set_new(all, json_string_value(id), object_schema(&info->message));
        } else if (route->kind == PW_ROUTE_QUERY) {
            const struct pw_query_info *info = &pw_queries[route->number];
            json_t *thing = openapi_thing(info);
            json_object_set_new(all, json_string_value(thing), thing_schema(info));
            if (info->is_list) {
                json_object_set_new(all, json_string_value(id), list_schema(info));
            }
            json_decref(thing);
        }
        json_decref(id);
    }
    return all;
}

static const struct {
    const char *name;
    bool is_always_there;
    const char *doc;
} headers[] = {
    {"ETag", true, "The version, in double quotes; of a list, a weak tag of its content."},
    {"ETag-of-list", false, "A weak tag of the list's content; as CSV it has none."},
    {"Location", true, "The address of what is new."},
    {"Pw-Position", false, "Where this stands in the ledger: `partition:offset:hash`."},
    {"Idempotency-Key", false, "The key that was sent, or the one that was made for it."},
    {"Idempotency-Replayed", false, "`true` where this is the first answer again."},
    {"Link", false, "The next page, `rel=\"next\"`; absent at the end."},
    {"Retry-After", true, "Seconds to wait before the request is repeated."},
    {"Accept-Encoding", false, "`identity`, where the body's coding is what is not taken."},
    {"WWW-Authenticate", true, "The scheme, and what is wrong with the token."},
};

static json_t *answer_headers(void)
{
    json_t *all = json_object();
    for (size_t i = 0; i < PW_COUNT(headers); i++) {
        json_object_set_new(all, headers[i].name,
                            json_pack("{s:s, s:b, s:{s:s}}", "description", headers[i].doc,
                                      "required", (int)headers[i].is_always_there, "schema", "type",
                                      "string"));
    }
    return all;
}

/* Every problem as it is answered. */
static json_t *problem_examples(void)
{
    json_t *all = json_object();
    for (int code = PW_OK + 1; code < PW_CODE_COUNT; code++) {
        const struct pw_error_info *info = pw_error_info((enum pw_code)code);
        if (info->to != PW_TO_NOBODY) {
            json_object_set_new(
                all, info->name,
                json_pack("{s:s, s:o, s:{s:o, s:s, s:i, s:s}}", "summary", info->title,
                          "description", json_sprintf("%s %s", info->meaning, info->remedy),
                          "value", "type", json_sprintf("/problems/%s", info->name), "title",
                          info->title, "status", (int)pw_problem_status((enum pw_code)code),
                          "instance", "0af7651916cd43dd8448eb211c80319c"));
        }
    }
    return all;
}

json_t *openapi_components(const struct pw_routes *routes)
{
    bool internal = routes->routes[1].kind == PW_ROUTE_FORWARDED;
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:{s:{s:s, s:s, s:s}}}", "schemas", schemas(routes), "parameters",
        openapi_shared_parameters(), "headers", answer_headers(), "examples", problem_examples(),
        "securitySchemes", "bearer", "type", "http", "scheme", "bearer", "description",
        internal
            ? "The cluster key (`cluster.key_file`)."
            : "A JWT, signed with Ed25519 by an issuer that the tenant trusts. Its `roles` say "
              "what it is good for; one of those that an operation names is enough.");
}
