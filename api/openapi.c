/* api/openapi.c: the API described as OpenAPI 3.1: operations and their answers. */
#include "api/openapi.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/audit_table.h"
#include "api/door.h"
#include "api/headers.h"
#include "api/openapi_internal.h"
#include "api/problem.h"
#include "commands/memory.h"

/* --- Problems --- */

/* The problems of one status: what all have in common, and the types that there are. A reader that
 * knows no more than the reference still reads it rightly. */
static json_t *problem_answer(const struct pw_route *route, uint32_t status)
{
    json_t *types = json_array();
    json_t *examples = json_object();
    for (int code = PW_OK + 1; code < PW_CODE_COUNT; code++) {
        const struct pw_error_info *info = pw_error_info((enum pw_code)code);
        if (pw_problem_status((enum pw_code)code) == status &&
            pw_route_answers(route, (enum pw_code)code)) {
            json_array_append_new(types, json_sprintf("/problems/%s", info->name));
            json_object_set_new(examples, info->name, openapi_ref("examples", info->name));
        }
    }
    json_t *schema = openapi_ref("schemas", "problem");
    json_object_set_new(schema, "properties", json_pack("{s:{s:o}}", "type", "enum", types));
    return json_pack("{s:s, s:{s:{s:o, s:o}}}", "description", pw_problem_phrase(status), "content",
                     "application/problem+json", "schema", schema, "examples", examples);
}

static void add_header_as(json_t *answer, const char *name, const char *component)
{
    json_t *headers = json_object_get(answer, "headers");
    if (headers == NULL) {
        headers = json_object();
        json_object_set_new(answer, "headers", headers);
    }
    json_object_set_new(headers, name, openapi_ref("headers", component));
}

static void add_header(json_t *answer, const char *name)
{
    add_header_as(answer, name, name);
}

/* Whether it is said by whoever is behind the door, who knows a position. */
static bool is_from_behind_the_door(enum pw_error_kind kind)
{
    switch (kind) {
    case PW_KIND_NOT_FOUND:
    case PW_KIND_REFUSED:
    case PW_KIND_PRECONDITION:
    case PW_KIND_UNPROCESSABLE:
    case PW_KIND_UNAVAILABLE:
    case PW_KIND_INTERNAL: return true;
    default: return false;
    }
}

static void add_problem_headers(json_t *answer, const struct pw_route *route, enum pw_code code)
{
    bool is_behind = is_from_behind_the_door(pw_error_info(code)->kind);
    if (pw_problem_retry_after(code) > 0) {
        add_header(answer, "Retry-After");
    }
    if (pw_error_info(code)->kind == PW_KIND_UNAUTHENTICATED) {
        add_header(answer, "WWW-Authenticate");
    }
    if (pw_error_info(code)->kind == PW_KIND_MEDIA_TYPE) {
        add_header(answer, "Accept-Encoding");
    }
    if (is_behind && (route->kind == PW_ROUTE_COMMAND || route->kind == PW_ROUTE_QUERY)) {
        add_header(answer, "Pw-Position");
    }
    if (route->kind == PW_ROUTE_COMMAND) {
        add_header(answer, "Idempotency-Key");
    }
    if (is_behind && route->kind == PW_ROUTE_COMMAND) {
        add_header(answer, "Idempotency-Replayed");
    }
}

/* The first problem of that status which the route can be answered with; PW_OK: there is none. */
static enum pw_code first_of(const struct pw_route *route, uint32_t status)
{
    for (int code = PW_OK + 1; code < PW_CODE_COUNT; code++) {
        if (pw_problem_status((enum pw_code)code) == status &&
            pw_route_answers(route, (enum pw_code)code)) {
            return (enum pw_code)code;
        }
    }
    return PW_OK;
}

static void add_problems(json_t *answers, const struct pw_route *route)
{
    for (uint32_t status = 400; status < 600; status++) {
        enum pw_code code = first_of(route, status);
        char name[12];
        if (code != PW_OK) {
            json_t *answer = problem_answer(route, status);
            add_problem_headers(answer, route, code);
            snprintf(name, sizeof name, "%u", status);
            json_object_set_new(answers, name, answer);
        }
    }
}

/* --- Answers that say yes --- */

static json_t *good_answer(const char *description, const char *media_type, json_t *schema)
{
    return json_pack("{s:s, s:{s:{s:o}}}", "description", description, "content", media_type,
                     "schema", schema);
}

static void add_command_answer(json_t *answers, const struct pw_route *route)
{
    const struct pw_command_info *info = pw_command_info((enum pw_command_type)route->number);
    bool creates = pw_command_creates(info);
    json_t *answer = good_answer(creates ? "It is on record, and this is new." : "It is on record.",
                                 "application/json", openapi_ref("schemas", openapi_answer(info)));
    add_header(answer, "ETag");
    if (route->shown_by != NULL) {
        add_header(answer, "Location");
    }
    add_header(answer, "Pw-Position");
    add_header(answer, "Idempotency-Key");
    add_header(answer, "Idempotency-Replayed");
    json_object_set_new(answers, creates ? "201" : "200", answer);
}

static void add_not_modified(json_t *answers)
{
    json_t *answer = json_pack("{s:s}", "description", "What `If-None-Match` names still holds.");
    add_header(answer, "ETag");
    json_object_set_new(answers, "304", answer);
}

static const char csv_doc[] =
    "RFC 4180, a first row of names, the columns of the JSON's items: empty for null, roles "
    "between "
    "spaces, and an apostrophe before what a spreadsheet would calculate. Where neither `limit` "
    "nor "
    "`after` is given it is the whole list, sent as it is read, page after page, each page no "
    "older "
    "than the one before; an answer that ends without its last chunk is not whole. It has no ETag.";

static const char events_doc[] =
    "Server-sent events, while the client listens: each item once, as `data`, in rising order, its "
    "number as `id`. It begins after the number that `Last-Event-ID` or the query parameter "
    "`since` "
    "names, else after the newest that there is; whatever node is asked goes on from there. A "
    "comment "
    "comes every 15 seconds. It ends when the token is good no more: connect again with another "
    "one.";

static void add_query_answer(json_t *answers, const struct pw_route *route)
{
    const struct pw_query_info *info = &pw_queries[route->number];
    json_t *name = info->is_list ? openapi_id(route) : openapi_thing(info);
    json_t *answer =
        good_answer(info->is_list ? "A page of the list." : "The thing as it stands.",
                    "application/json", openapi_ref("schemas", json_string_value(name)));
    add_header_as(answer, "ETag", info->is_list ? "ETag-of-list" : "ETag");
    add_header(answer, "Pw-Position");
    if (info->is_list) {
        add_header(answer, "Link");
        json_object_set_new(
            json_object_get(answer, "content"), "text/csv",
            json_pack("{s:{s:s, s:s}}", "schema", "type", "string", "description", csv_doc));
    }
    if (info->is_flowing) {
        json_object_set_new(
            json_object_get(answer, "content"), "text/event-stream",
            json_pack("{s:{s:s, s:s}}", "schema", "type", "string", "description", events_doc));
    }
    json_object_set_new(answers, "200", answer);
    if (!info->counts_others) {
        add_not_modified(answers);
    }
    json_decref(name);
}

/* What a line, or a state, has in it is docs/audit.md's to say: it is as much as all events together. */
static void add_audit_answer(json_t *answers, const struct pw_route *route)
{
    const struct pw_audit_info *info = &pw_audits[route->number];
    json_t *schema = json_pack("{s:s, s:s}", "type", info->is_stream ? "string" : "object",
                               "description", info->answer_doc);
    json_t *answer = good_answer(info->is_stream ? "Lines, as they are found." : "How it stood.",
                                 info->is_stream ? PW_NDJSON : "application/json", schema);
    add_header(answer, "Pw-Position");
    json_object_set_new(answers, "200", answer);
}

static void add_page_answer(json_t *answers, const struct pw_route *route)
{
    json_t *answer = NULL;
    if (route->kind == PW_ROUTE_OPENAPI || route->kind == PW_ROUTE_KEY_SET) {
        json_t *schema = route->kind == PW_ROUTE_KEY_SET ? openapi_ref("schemas", "key_set")
                                                         : json_pack("{s:s}", "type", "object");
        answer = good_answer("The document.", "application/json", schema);
        add_header(answer, "ETag");
        json_object_set_new(answers, "200", answer);
        add_not_modified(answers);
        return;
    }
    answer = good_answer("The page.", "application/json", openapi_ref("schemas", "problem_page"));
    json_object_set_new(json_object_get(answer, "content"), "text/html",
                        json_pack("{s:{s:s}}", "schema", "type", "string"));
    json_object_set_new(answers, "200", answer);
}

static json_t *answers_of(const struct pw_route *route)
{
    json_t *answers = json_object();
    if (route->kind == PW_ROUTE_COMMAND) {
        add_command_answer(answers, route);
    } else if (route->kind == PW_ROUTE_QUERY) {
        add_query_answer(answers, route);
    } else if (route->kind == PW_ROUTE_AUDIT) {
        add_audit_answer(answers, route);
    } else {
        add_page_answer(answers, route);
    }
    add_problems(answers, route);
    return answers;
}

/* --- Operations --- */

/* One of the roles is enough: each is a way in of its own. */
static json_t *security_of(const struct pw_route *route)
{
    json_t *ways = json_array();
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if ((route->roles >> role & 1) != 0 && !route->by_credential) {
            json_array_append_new(ways,
                                  json_pack("{s:[s]}", "bearer", pw_role_name((enum pw_role)role)));
        }
    }
    return ways;
}

/* A summary is the first sentence. */
static json_t *summary_of(const char *doc)
{
    const char *end = strstr(doc, ". ");
    size_t len = end != NULL ? (size_t)(end - doc) : strlen(doc);
    while (len > 0 && doc[len - 1] == '.') {
        len--;
    }
    return json_stringn(doc, len);
}

/* The collection that the address is of: its first word that is neither prefix nor id. */
static json_t *tag_of(const struct pw_route *route)
{
    const char *path = route->path + (route->path[0] == '/');
    return json_stringn(path, strcspn(path, "/"));
}

static json_t *body_of(const struct pw_route *route)
{
    const struct pw_command_info *info = pw_command_info((enum pw_command_type)route->number);
    bool is_needed = false;
    for (uint32_t i = 0; i < info->message.field_count; i++) {
        is_needed = is_needed || info->message.fields[i].source == PW_FROM_BODY;
    }
    json_t *id = openapi_id(route);
    json_t *body =
        json_pack("{s:b, s:{s:{s:o, s:o}}}", "required", (int)is_needed, "content",
                  "application/json", "schema", openapi_ref("schemas", json_string_value(id)),
                  "example", json_loads(info->example, 0, NULL));
    json_decref(id);
    return body;
}

static bool is_for_tenants(const struct pw_route *route)
{
    return route->kind == PW_ROUTE_COMMAND || route->kind == PW_ROUTE_QUERY ||
           route->kind == PW_ROUTE_AUDIT;
}

static json_t *operation_of(const struct pw_route *route)
{
    json_t *operation = json_pack("{s:o, s:o, s:s, s:o}", "operationId", openapi_id(route),
                                  "summary", summary_of(route->doc), "description", route->doc,
                                  "parameters", openapi_parameters(route));
    if (is_for_tenants(route)) {
        json_object_set_new(operation, "tags", json_pack("[o]", tag_of(route)));
    }
    if (route->kind == PW_ROUTE_COMMAND) {
        json_object_set_new(operation, "requestBody", body_of(route));
    }
    json_object_set_new(operation, "security", security_of(route));
    json_object_set_new(operation, "responses", answers_of(route));
    return operation;
}

/* --- The document --- */

static bool is_described(const struct pw_route *route, enum pw_door door)
{
    return route->segment_count != UINT32_MAX && (is_for_tenants(route) || door == PW_DOOR_PUBLIC);
}

static json_t *paths_of(const struct pw_routes *routes, enum pw_door door)
{
    json_t *paths = json_object();
    for (uint32_t i = 0; i < routes->count; i++) {
        const struct pw_route *route = &routes->routes[i];
        char path[256];
        if (!is_described(route, door)) {
            continue;
        }
        snprintf(path, sizeof path, "%s%s", route->prefix, route->path);
        json_t *item = json_object_get(paths, path);
        if (item == NULL) {
            item = json_object();
            json_object_set_new(paths, path, item);
        }
        json_object_set_new(item, (route->methods & PW_HTTP_POST) != 0 ? "post" : "get",
                            operation_of(route));
    }
    return paths;
}

static const char public_text[] =
    "Students book seats in exam slots; every decision, yes or no, is on record. A command is a "
    "POST, and is answered when it is on record: 201 where it made something, with a `Location` "
    "if a query shows it, else 200. A query is a GET, answered from read models that follow the "
    "record; HEAD is "
    "answered as well, and OPTIONS by `Allow`. Any other method is answered 405. Every answer "
    "that is no success is a problem, whose `type` is the address of a page that says what to do. "
    "Answers may gain members.";
static const char internal_text[] =
    "What operators ask of a node, on its admin listener, with the cluster key.";

static json_t *document(enum pw_door door)
{
    static const char *const titles[] = {
        [PW_DOOR_PUBLIC] = "ProctorWise", [PW_DOOR_INTERNAL] = "ProctorWise, for operators"};
    struct pw_routes *routes = pw_memory_new(1, sizeof *routes);
    pw_routes_build(routes, door);
    json_t *document =
        json_pack("{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:s}], s:o, s:o}", "openapi", "3.1.0",
                  "info", "title", titles[door], "version", PW_VERSION, "description",
                  door == PW_DOOR_PUBLIC ? public_text : internal_text, "license", "name",
                  "Apache-2.0", "identifier", "Apache-2.0", "servers", "url", "/", "paths",
                  paths_of(routes, door), "components", openapi_components(routes));
    free(routes);
    assert(document != NULL);
    return document;
}

char *pw_openapi_text(enum pw_door door, bool indented)
{
    json_t *json = document(door);
    char *text = json_dumps(json, indented ? JSON_INDENT(2) : JSON_COMPACT);
    json_decref(json);
    assert(text != NULL);
    return text;
}

struct pw_openapi {
    char *text;
    size_t bytes;
    char etag[PW_ETAG_TEXT_BYTES];
};

struct pw_openapi *pw_openapi_new(void)
{
    struct pw_openapi *openapi = pw_memory_new(1, sizeof *openapi);
    openapi->text = pw_openapi_text(PW_DOOR_PUBLIC, false);
    openapi->bytes = strlen(openapi->text);
    pw_door_etag((struct pw_str){openapi->text, openapi->bytes}, openapi->etag);
    return openapi;
}

void pw_openapi_free(struct pw_openapi *openapi)
{
    if (openapi != NULL) {
        free(openapi->text);
        free(openapi);
    }
}

void pw_openapi_answer(const struct pw_openapi *openapi, struct pw_http_request *request)
{
    pw_door_document(request, (struct pw_str){openapi->text, openapi->bytes}, openapi->etag,
                     "public, max-age=3600");
}
