/* api/tests/openapi.c: the API's document says all that the tables say, and nothing else. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/openapi.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/route.h"

static struct pw_routes routes;

static json_t *document_of(enum pw_door door)
{
    char *text = pw_openapi_text(door, false);
    json_error_t error;
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    cr_assert(document != NULL, "%s at %d", error.text, error.position);
    free(text);
    pw_routes_build(&routes, door);
    return document;
}

/* The value at a path of names; NULL where one is missing. */
static json_t *at(json_t *from, const char *const *names)
{
    for (; *names != NULL && from != NULL; names++) {
        from = json_object_get(from, *names);
    }
    return from;
}
#define AT(from, ...) at(from, (const char *const[]){__VA_ARGS__, NULL})

/* What a reference stands for; whatever is none stands for itself. */
static json_t *follow(json_t *document, json_t *value)
{
    const char *ref = json_string_value(json_object_get(value, "$ref"));
    char group[32];
    char name[96];
    if (ref == NULL) {
        return value;
    }
    cr_assert_eq(sscanf(ref, "#/components/%31[^/]/%95s", group, name), 2, "%s", ref);
    json_t *found = AT(document, "components", group, name);
    cr_assert(found != NULL, "%s leads nowhere", ref);
    return found;
}

static bool has_text(json_t *list, const char *text)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        if (json_is_string(item) && strcmp(json_string_value(item), text) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *operation_of(json_t *document, const struct pw_route *route)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", route->prefix, route->path);
    json_t *operation =
        AT(document, "paths", path, route->methods == PW_HTTP_POST ? "post" : "get");
    cr_assert(operation != NULL, "%s is missing", path);
    return operation;
}

static json_t *parameter_of(json_t *document, json_t *operation, const char *name, const char *in)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(operation, "parameters"), i, item)
    {
        json_t *parameter = follow(document, item);
        if (strcmp(json_string_value(json_object_get(parameter, "name")), name) == 0 &&
            strcmp(json_string_value(json_object_get(parameter, "in")), in) == 0) {
            return parameter;
        }
    }
    return NULL;
}

static json_t *body_schema_of(json_t *document, json_t *operation)
{
    return follow(document, AT(operation, "requestBody", "content", "application/json", "schema"));
}

/* --- Routes --- */

static bool is_described(const struct pw_route *route, enum pw_door door)
{
    return route->segment_count != UINT32_MAX &&
           (door == PW_DOOR_PUBLIC || route->kind == PW_ROUTE_COMMAND);
}

static void check_words(const struct pw_route *route, json_t *operation)
{
    const char *summary = json_string_value(json_object_get(operation, "summary"));
    cr_assert(summary != NULL && summary[0] != '\0', "%s", route->name);
    cr_expect(strncmp(route->doc, summary, strlen(summary)) == 0, "%s", route->name);
    cr_expect_str_eq(json_string_value(json_object_get(operation, "description")), route->doc);
}

static void check_roles(const struct pw_route *route, json_t *operation)
{
    json_t *ways = json_object_get(operation, "security");
    uint32_t roles = 0;
    size_t i;
    json_t *way;
    json_array_foreach(ways, i, way)
    {
        enum pw_role role;
        json_t *names = json_object_get(way, "bearer");
        cr_assert_eq(json_array_size(names), 1);
        cr_assert(pw_role_by_name(pw_str_of(json_string_value(json_array_get(names, 0))), &role));
        roles |= UINT32_C(1) << role;
    }
    cr_expect_eq(roles, route->by_credential ? 0 : route->roles, "%s", route->name);
}

Test(openapi, every_route_is_there_and_nothing_else)
{
    for (int door = PW_DOOR_PUBLIC; door <= PW_DOOR_INTERNAL; door++) {
        json_t *document = document_of((enum pw_door)door);
        json_t *seen = json_object();
        size_t operations = 0, wanted = 0;
        const char *path;
        json_t *item;
        for (uint32_t i = 0; i < routes.count; i++) {
            const struct pw_route *route = &routes.routes[i];
            if (is_described(route, (enum pw_door)door)) {
                json_t *operation = operation_of(document, route);
                const char *id = json_string_value(json_object_get(operation, "operationId"));
                cr_expect(json_object_get(seen, id) == NULL, "%s twice", id);
                json_object_set_new(seen, id, json_true());
                check_words(route, operation);
                check_roles(route, operation);
                wanted++;
            }
        }
        json_object_foreach(json_object_get(document, "paths"), path, item)
        {
            operations += json_object_size(item);
        }
        cr_expect_eq(operations, wanted);
        json_decref(seen);
        json_decref(document);
    }
}

Test(openapi, its_texts_are_the_same_each_time)
{
    char *first = pw_openapi_text(PW_DOOR_PUBLIC, false);
    char *second = pw_openapi_text(PW_DOOR_PUBLIC, false);
    cr_expect_str_eq(first, second);
    free(first);
    free(second);
}

/* --- Commands --- */

static void check_number(const struct pw_field *field, json_t *schema)
{
    cr_expect_str_eq(json_string_value(json_object_get(schema, "type")), "integer");
    cr_expect_eq(json_integer_value(json_object_get(schema, "minimum")), field->min);
    cr_expect_eq(json_integer_value(json_object_get(schema, "maximum")), field->max);
}

static void check_field(const struct pw_field *field, json_t *schema);

static void check_list(const struct pw_field *field, json_t *schema)
{
    const struct pw_message *record = &field->record()->message;
    cr_expect_eq(json_integer_value(json_object_get(schema, "minItems")), field->min);
    cr_expect_eq(json_integer_value(json_object_get(schema, "maxItems")), field->max);
    cr_expect_eq(json_object_size(AT(schema, "items", "properties")), record->field_count);
    for (uint32_t i = 0; i < record->field_count; i++) {
        check_field(&record->fields[i], AT(schema, "items", "properties", record->fields[i].name));
    }
}

static void check_field(const struct pw_field *field, json_t *schema)
{
    const char *doc = json_string_value(json_object_get(schema, "description"));
    cr_assert(doc != NULL, "%s", field->name);
    cr_expect(strncmp(doc, field->doc, strlen(field->doc)) == 0, "%s: %s", field->name, doc);
    switch (field->kind) {
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_minutes: check_number(field, schema); break;
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language:
    case PW_FIELD_KIND_personal:
    case PW_FIELD_KIND_email:
    case PW_FIELD_KIND_password:
    case PW_FIELD_KIND_passage:
    case PW_FIELD_KIND_secret:
        cr_expect_eq(json_integer_value(json_object_get(schema, "maxLength")), field->max);
        cr_expect(json_integer_value(json_object_get(schema, "minLength")) <= field->min);
        break;
    case PW_FIELD_KIND_list: check_list(field, schema); break;
    case PW_FIELD_KIND_at:
        cr_expect_str_eq(json_string_value(json_object_get(schema, "format")), "date-time");
        break;
    case PW_FIELD_KIND_id:
        cr_expect_str_eq(json_string_value(json_object_get(schema, "format")), "uuid");
        break;
    case PW_FIELD_KIND_roles:
        cr_expect_str_eq(json_string_value(json_object_get(schema, "type")), "array");
        cr_expect(json_is_array(AT(schema, "items", "enum")));
        break;
    case PW_FIELD_KIND_flag:
        cr_expect_str_eq(json_string_value(json_object_get(schema, "type")), "boolean");
        break;
    case PW_FIELD_KIND_reason:
    case PW_FIELD_KIND_item_kind:
    case PW_FIELD_KIND_scoring:
        cr_expect_eq(json_array_size(json_object_get(schema, "enum")),
                     pw_names_of(field->kind).count);
        break;
    case PW_FIELD_KIND_sealed: cr_expect(false, "%s is nobody's to send", field->name); break;
    case PW_FIELD_KIND_hash:
    case PW_FIELD_KIND_key: cr_expect(json_object_get(schema, "pattern") != NULL); break;
    }
}

static void check_body(json_t *document, const struct pw_command_info *info, json_t *operation)
{
    json_t *schema = body_schema_of(document, operation);
    json_t *properties = json_object_get(schema, "properties");
    json_t *required = json_object_get(schema, "required");
    json_t *example = AT(operation, "requestBody", "content", "application/json", "example");
    json_t *wanted = json_loads(info->example, 0, NULL);
    size_t count = 0, required_count = 0;
    for (uint32_t i = 0; i < info->message.field_count; i++) {
        const struct pw_field *field = &info->message.fields[i];
        json_t *property = json_object_get(properties, field->name);
        if (field->source == PW_FROM_PATH) {
            cr_expect(parameter_of(document, operation, field->name, "path") != NULL, "%s %s",
                      info->name, field->name);
        }
        if (field->source != PW_FROM_BODY && field->source != PW_FROM_BODY_OR) {
            cr_expect(property == NULL, "%s is no client's", field->name);
            continue;
        }
        cr_assert(property != NULL, "%s lacks %s", info->name, field->name);
        check_field(field, property);
        count++;
        bool must = field->source == PW_FROM_BODY;
        required_count += must;
        cr_expect_eq(has_text(required, field->name), must, "%s %s", info->name, field->name);
        json_t *fallback = json_object_get(property, "default");
        bool is_number = field->kind == PW_FIELD_KIND_count ||
                         field->kind == PW_FIELD_KIND_minutes || field->kind == PW_FIELD_KIND_flag;
        bool is_list = field->kind == PW_FIELD_KIND_list;
        cr_expect_eq(fallback == NULL, must || !(is_number || is_list), "%s", field->name);
        cr_expect(fallback == NULL || json_integer_value(fallback) == field->fallback ||
                  json_is_boolean(fallback) || json_is_array(fallback));
    }
    cr_expect_eq(json_object_size(properties), count);
    cr_expect_eq(json_array_size(required), required_count);
    cr_expect(json_is_false(json_object_get(schema, "additionalProperties")), "%s", info->name);
    cr_expect_eq(json_is_true(AT(operation, "requestBody", "required")), required_count > 0);
    cr_expect(json_equal(example, wanted), "%s has its example", info->name);
    json_decref(wanted);
}

/* Whether the document has a GET for one thing of the kind that the command makes. */
static bool is_shown(json_t *document, const struct pw_command_info *info)
{
    const char *path;
    json_t *item;
    char shown[80];
    snprintf(shown, sizeof shown, "/{%s_id}", pw_aggregate_name(info->aggregate));
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        if (strcmp(strrchr(path, '/'), shown) == 0 && json_object_get(item, "get") != NULL) {
            return true;
        }
    }
    return false;
}

static void check_headers_of_yes(json_t *document, json_t *answer, bool has_location)
{
    json_t *headers = json_object_get(answer, "headers");
    static const char *const always[] = {"ETag", "Pw-Position", "Idempotency-Key"};
    for (size_t i = 0; i < PW_COUNT(always); i++) {
        cr_expect(follow(document, json_object_get(headers, always[i])) != NULL, "%s", always[i]);
    }
    cr_expect_eq(json_object_get(headers, "Location") != NULL, has_location);
}

Test(openapi, commands_have_their_fields_and_answers)
{
    for (int door = PW_DOOR_PUBLIC; door <= PW_DOOR_INTERNAL; door++) {
        json_t *document = document_of((enum pw_door)door);
        for (uint32_t i = 0; i < routes.count; i++) {
            const struct pw_route *route = &routes.routes[i];
            if (route->kind != PW_ROUTE_COMMAND) {
                continue;
            }
            const struct pw_command_info *info =
                pw_command_info((enum pw_command_type)route->number);
            json_t *operation = operation_of(document, route);
            bool creates = pw_command_creates(info);
            check_body(document, info, operation);
            check_headers_of_yes(document, AT(operation, "responses", creates ? "201" : "200"),
                                 creates && is_shown(document, info));
            cr_expect(AT(operation, "responses", creates ? "200" : "201") == NULL);
            cr_expect(parameter_of(document, operation, "Idempotency-Key", "header") != NULL);
            cr_expect(parameter_of(document, operation, "If-Match", "header") != NULL);
        }
        json_decref(document);
    }
}

/* --- Queries --- */

static json_t *shown_by(json_t *document, const struct pw_query_info *info, json_t *operation)
{
    json_t *schema = follow(
        document, AT(operation, "responses", "200", "content", "application/json", "schema"));
    return info->is_list ? follow(document, AT(schema, "properties", "items", "items")) : schema;
}

/* All of a record is shown, and more may be one day. */
static void check_record(const struct pw_record_info *record, json_t *schema)
{
    json_t *required = json_object_get(schema, "required");
    cr_expect_null(json_object_get(schema, "additionalProperties"));
    cr_expect_eq(json_array_size(required), record->message.field_count, "%s", record->name);
    for (uint32_t i = 0; i < record->message.field_count; i++) {
        const char *name = record->message.fields[i].name;
        cr_expect(has_text(required, name), "%s.%s", record->name, name);
        cr_expect_null(AT(schema, "properties", name, "default"));
    }
}

static void check_columns(json_t *document, const struct pw_query_info *info, json_t *operation)
{
    json_t *schema = shown_by(document, info, operation);
    json_t *properties = json_object_get(schema, "properties");
    cr_expect_eq(json_object_size(properties), info->column_count, "%s", info->name);
    for (uint32_t i = 0; i < info->column_count; i++) {
        const struct pw_query_column *column = &info->columns[i];
        json_t *property = json_object_get(properties, column->name);
        cr_assert(property != NULL, "%s lacks %s", info->name, column->name);
        cr_assert(column->doc != NULL && column->doc[0] != '\0', "%s", column->name);
        json_t *type = json_object_get(property, "type");
        cr_expect_eq(json_is_array(type), column->may_be_null, "%s", column->name);
        cr_expect(has_text(json_object_get(schema, "required"), column->name));
        cr_expect_eq(json_object_get(property, "enum") != NULL, column->kind == PW_ANSWER_WORD);
        if (column->kind == PW_ANSWER_RECORDS) {
            check_record(column->record(), json_object_get(property, "items"));
        }
    }
}

static void check_filters(json_t *document, const struct pw_query_info *info, json_t *operation)
{
    for (uint32_t i = 0; i < PW_QUERY_FILTERS_MAX && info->filters[i].name != NULL; i++) {
        json_t *parameter = parameter_of(document, operation, info->filters[i].name, "query");
        const char *doc = json_string_value(json_object_get(parameter, "description"));
        cr_assert(doc != NULL, "%s %s", info->name, info->filters[i].name);
        for (int role = 0; role < PW_ROLE_COUNT; role++) {
            cr_expect((info->filters[i].roles >> role & 1) == 0 ||
                          strstr(doc, pw_role_name((enum pw_role)role)) != NULL,
                      "%s", doc);
        }
    }
    cr_expect_eq(parameter_of(document, operation, "limit", "query") != NULL, info->is_list);
    cr_expect_eq(parameter_of(document, operation, "after", "query") != NULL, info->is_list);
}

/* A list has its tag as JSON only, and a document knows no headers of one form. */
static void check_tag(json_t *document, const struct pw_query_info *info, json_t *operation)
{
    json_t *answer = AT(operation, "responses", "200");
    json_t *tag = follow(document, AT(answer, "headers", "ETag"));
    cr_expect_eq(json_is_true(json_object_get(tag, "required")),
                 AT(answer, "content", "text/csv") == NULL, "%s", info->name);
}

Test(openapi, queries_have_their_filters_and_columns)
{
    json_t *document = document_of(PW_DOOR_PUBLIC);
    for (uint32_t i = 0; i < routes.count; i++) {
        const struct pw_route *route = &routes.routes[i];
        if (route->kind != PW_ROUTE_QUERY) {
            continue;
        }
        const struct pw_query_info *info = &pw_queries[route->number];
        json_t *operation = operation_of(document, route);
        check_columns(document, info, operation);
        check_filters(document, info, operation);
        cr_expect_eq(strchr(info->path, '{') != NULL, info->path_doc != NULL, "%s", info->name);
        cr_expect(parameter_of(document, operation, "Pw-Min-Position", "header") != NULL);
        cr_expect(parameter_of(document, operation, "Prefer", "header") != NULL);
        bool tells = !info->counts_others;
        cr_expect_eq(pw_route_answers(route, PW_ERR_KEYS_DOWN),
                     strcmp(info->projection, "users") == 0 ||
                         strcmp(info->projection, "sessions") == 0,
                     "%s", info->name);
        cr_expect_eq(parameter_of(document, operation, "If-None-Match", "header") != NULL, tells);
        cr_expect_eq(AT(operation, "responses", "304") != NULL, tells);
        check_tag(document, info, operation);
    }
    json_decref(document);
}

/* Every `{name}` of an address is a parameter, and no other one is. */
Test(openapi, addresses_have_their_parameters)
{
    json_t *document = document_of(PW_DOOR_PUBLIC);
    for (uint32_t i = 0; i < routes.count; i++) {
        const struct pw_route *route = &routes.routes[i];
        size_t wanted = 0, found = 0, p;
        json_t *parameter;
        if (!is_described(route, PW_DOOR_PUBLIC)) {
            continue;
        }
        json_t *operation = operation_of(document, route);
        for (uint32_t s = 0; s < route->segment_count; s++) {
            char name[64];
            struct pw_str segment = route->segments[s];
            if (segment.ptr[0] == '{') {
                snprintf(name, sizeof name, "%.*s", (int)segment.len - 2, segment.ptr + 1);
                cr_expect(parameter_of(document, operation, name, "path") != NULL, "%s {%s}",
                          route->name, name);
                wanted++;
            }
        }
        json_array_foreach(json_object_get(operation, "parameters"), p, parameter)
        {
            const char *in = json_string_value(json_object_get(follow(document, parameter), "in"));
            found += strcmp(in, "path") == 0;
        }
        cr_expect_eq(found, wanted, "%s", route->name);
    }
    json_decref(document);
}

/* Whatever header the doors look at, the document says which requests it is for, or says it in
 * OpenAPI's own way. */
Test(openapi, headers_that_are_looked_at_are_described)
{
    static const char *const elsewhere[] = {"Accept",
                                            "Authorization",
                                            "Pw-Cluster-Key",
                                            "Content-Encoding",
                                            "Content-Length",
                                            "Content-Type",
                                            "Transfer-Encoding",
                                            "Origin",
                                            "X-Forwarded-For",
                                            "Last-Event-ID",
                                            "Access-Control-Request-Method"};
    static const char *const names[] = {
#define NAME(UPPER, name, list) name,
        PW_HTTP_HEADERS(NAME)
#undef NAME
    };
    json_t *document = document_of(PW_DOOR_PUBLIC);
    for (size_t i = 0; i < PW_COUNT(names); i++) {
        bool said = false;
        for (size_t j = 0; j < PW_COUNT(elsewhere); j++) {
            said = said || strcmp(names[i], elsewhere[j]) == 0;
        }
        json_t *parameter = AT(document, "components", "parameters", names[i]);
        cr_expect_eq(parameter == NULL, said, "%s", names[i]);
        cr_expect(said || json_is_string(json_object_get(parameter, "description")), "%s",
                  names[i]);
    }
    json_decref(document);
}

/* --- Problems --- */

static void check_problem(json_t *operation, const struct pw_route *route, enum pw_code code)
{
    char status[12];
    char type[96];
    snprintf(status, sizeof status, "%u", pw_problem_status(code));
    snprintf(type, sizeof type, "/problems/%s", pw_error_info(code)->name);
    json_t *content = AT(operation, "responses", status, "content", "application/problem+json");
    json_t *types = AT(content, "schema", "properties", "type", "enum");
    bool can = pw_route_answers(route, code);
    cr_expect_eq(has_text(types, type), can, "%s and %s", route->name, type);
    cr_expect_eq(AT(content, "examples", pw_error_info(code)->name) != NULL, can);
    cr_expect(!can || code != PW_ERR_MEDIA_TYPE ||
              AT(operation, "responses", status, "headers", "Accept-Encoding") != NULL);
    cr_expect(!can || route->kind != PW_ROUTE_COMMAND ||
                  AT(operation, "responses", status, "headers", "Idempotency-Key") != NULL,
              "%s: %s has the command's key", route->name, status);
}

Test(openapi, each_route_has_every_problem_that_it_can_answer)
{
    for (int door = PW_DOOR_PUBLIC; door <= PW_DOOR_INTERNAL; door++) {
        json_t *document = document_of((enum pw_door)door);
        for (uint32_t i = 0; i < routes.count; i++) {
            const struct pw_route *route = &routes.routes[i];
            for (int code = PW_OK + 1; code < PW_CODE_COUNT; code++) {
                if (is_described(route, (enum pw_door)door)) {
                    check_problem(operation_of(document, route), route, (enum pw_code)code);
                }
            }
        }
        json_decref(document);
    }
}

Test(openapi, every_refusal_is_a_problem_of_its_command)
{
    for (int door = PW_DOOR_PUBLIC; door <= PW_DOOR_INTERNAL; door++) {
        pw_routes_build(&routes, (enum pw_door)door);
        for (uint32_t i = 0; i < routes.count; i++) {
            const struct pw_route *route = &routes.routes[i];
            if (route->kind != PW_ROUTE_COMMAND) {
                continue;
            }
            const struct pw_command_info *info =
                pw_command_info((enum pw_command_type)route->number);
            for (uint32_t r = 0; r < info->refusal_count; r++) {
                cr_expect(pw_route_answers(route, info->refusals[r]), "%s: %s", info->name,
                          pw_error_info(info->refusals[r])->name);
            }
        }
    }
}

Test(openapi, every_problem_is_an_example_and_somebody_s)
{
    json_t *document = document_of(PW_DOOR_PUBLIC);
    for (int code = PW_OK + 1; code < PW_CODE_COUNT; code++) {
        const struct pw_error_info *info = pw_error_info((enum pw_code)code);
        bool named = false;
        cr_expect_eq(AT(document, "components", "examples", info->name) != NULL,
                     info->to != PW_TO_NOBODY, "%s", info->name);
        for (int type = 0; type < PW_COMMAND_COUNT; type++) {
            const struct pw_command_info *command = pw_command_info((enum pw_command_type)type);
            for (uint32_t r = 0; r < command->refusal_count; r++) {
                named = named || command->refusals[r] == (enum pw_code)code;
            }
        }
        cr_expect((info->to & PW_TO_NAMED) == 0 || named, "%s: no command names it", info->name);
        cr_expect(pw_problem_phrase(pw_problem_status((enum pw_code)code))[0] != '\0');
    }
    json_decref(document);
}
