/* api/route.c: which address means what. */
#include "api/route.h"

#include <stdio.h>

#include "api/audit_table.h"
#include "api/prepare.h"
#include "api/query_table.h"
#include "api/text.h"

#define PUBLIC_PREFIX   "/v1/tenants/{tenant}"
#define INTERNAL_PREFIX "/internal"
#define OPERATOR_PREFIX "/internal/tenants/{tenant}" /* Where an operator does what admins do. */

static bool is_param(struct pw_str segment)
{
    return segment.len > 2 && segment.ptr[0] == '{';
}

static void add_segments(struct pw_route *route, const char *path)
{
    while (*path == '/') {
        path++;
        size_t len = strcspn(path, "/");
        assert(route->segment_count < PW_HTTP_SEGMENTS_MAX);
        route->segments[route->segment_count++] = (struct pw_str){path, len};
        path += len;
    }
}

static struct pw_route *add(struct pw_routes *routes, enum pw_route_kind kind, const char *name,
                            const char *prefix, const char *path, const char *doc)
{
    assert(routes->count < PW_HTTP_ROUTES_MAX);
    struct pw_route *route = &routes->routes[routes->count++];
    *route =
        (struct pw_route){.kind = kind, .name = name, .prefix = prefix, .path = path, .doc = doc};
    route->methods = PW_HTTP_GET | PW_HTTP_HEAD;
    add_segments(route, prefix);
    add_segments(route, path);
    return route;
}

/* Where a listener takes the command; NULL: it does not. */
static const char *prefix_of(const struct pw_command_info *info, enum pw_door listener)
{
    if (info->door == PW_DOOR_SYSTEM) {
        return NULL;
    }
    if (listener == PW_DOOR_PUBLIC) {
        return info->door != PW_DOOR_INTERNAL ? PUBLIC_PREFIX : NULL;
    }
    if (info->door == PW_DOOR_INTERNAL) {
        return INTERNAL_PREFIX;
    }
    return (info->roles & PW_ROLE(OPERATOR)) != 0 ? OPERATOR_PREFIX : NULL;
}

static void add_commands(struct pw_routes *routes, enum pw_door listener)
{
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        const struct pw_command_info *info = pw_command_info((enum pw_command_type)type);
        const char *prefix = prefix_of(info, listener);
        if (prefix == NULL) {
            continue;
        }
        struct pw_route *route =
            add(routes, PW_ROUTE_COMMAND, info->name, prefix, info->path, info->doc);
        route->number = (uint32_t)type;
        route->methods = PW_HTTP_POST;
        route->by_credential = info->door == PW_DOOR_CREDENTIAL;
        route->is_prepared = pw_prepare_is_needed(info);
        route->roles = listener == PW_DOOR_PUBLIC ? info->roles & ~PW_ROLE(OPERATOR)
                                                  : info->roles & PW_ROLE(OPERATOR);
    }
}

/* Whether the route shows one thing of that kind: its last id is called after the kind. */
static bool shows(const struct pw_route *route, enum pw_aggregate aggregate)
{
    char name[64];
    snprintf(name, sizeof name, "{%s_id}", pw_aggregate_name(aggregate));
    return route->kind == PW_ROUTE_QUERY &&
           pw_str_equal(route->segments[route->segment_count - 1], pw_str_of(name));
}

static void find_location(const struct pw_routes *routes, struct pw_route *command)
{
    const struct pw_command_info *info = pw_command_info((enum pw_command_type)command->number);
    for (uint32_t i = 0; i < routes->count && pw_command_creates(info); i++) {
        if (shows(&routes->routes[i], info->aggregate)) {
            command->shown_by = &routes->routes[i];
        }
    }
}

void pw_routes_build(struct pw_routes *routes, enum pw_door door)
{
    *routes = (struct pw_routes){0};
    add(routes, PW_ROUTE_PROBLEM, "none", "", "", "")->segment_count = UINT32_MAX;
    if (door == PW_DOOR_INTERNAL) {
        add(routes, PW_ROUTE_FORWARDED, "forwarded", "", "", "")->segment_count = UINT32_MAX;
    }
    add_commands(routes, door);
    if (door == PW_DOOR_INTERNAL) {
        add(routes, PW_ROUTE_METRICS, "metrics", "", "/metrics", "Counters.");
        add(routes, PW_ROUTE_HEALTHZ, "healthz", "", "/healthz", "The node lives.");
        add(routes, PW_ROUTE_READYZ, "readyz", "", "/readyz", "The node is ready, or why not.");
        add(routes, PW_ROUTE_LEADS, "leads", INTERNAL_PREFIX, "/leads", "What the node leads.");
        return;
    }
    for (uint32_t i = 0; i < pw_query_count; i++) {
        const struct pw_query_info *info = &pw_queries[i];
        struct pw_route *route =
            add(routes, PW_ROUTE_QUERY, info->name, PUBLIC_PREFIX, info->path, info->doc);
        route->number = i;
        route->roles = info->roles;
    }
    for (uint32_t i = 0; i < PW_AUDIT_COUNT; i++) {
        const struct pw_audit_info *info = &pw_audits[i];
        struct pw_route *route =
            add(routes, PW_ROUTE_AUDIT, info->name, PUBLIC_PREFIX, info->path, info->doc);
        route->number = i;
        route->roles = info->roles;
    }
    for (uint32_t i = 0; i < routes->count; i++) {
        if (routes->routes[i].kind == PW_ROUTE_COMMAND) {
            find_location(routes, &routes->routes[i]);
        }
    }
    add(routes, PW_ROUTE_OPENAPI, "openapi", "", "/v1/openapi.json",
        "This description of the API, as OpenAPI 3.1.");
    add(routes, PW_ROUTE_KEY_SET, "jwks", "", "/v1/jwks.json",
        "The keys that tokens of our own are signed with, as a JSON Web Key Set (RFC 7517, RFC "
        "8037). A key stands here before its first token does.");
    add(routes, PW_ROUTE_PROBLEM, "problems", "", "/problems/{name}",
        "What a problem means, and what to do: a page for people, or JSON by `Accept`.");
}

static bool matches(const struct pw_route *route, const struct pw_http_request *request)
{
    if (route->segment_count != request->segment_count) {
        return false;
    }
    for (uint32_t i = 0; i < route->segment_count; i++) {
        struct pw_str sent = request->segments[i];
        bool fits =
            is_param(route->segments[i]) ? sent.len > 0 : pw_str_equal(route->segments[i], sent);
        if (!fits) {
            return false;
        }
    }
    return true;
}

const struct pw_route *pw_route_match(const struct pw_routes *routes,
                                      const struct pw_http_request *request, uint32_t *ret_methods)
{
    uint32_t methods = 0;
    for (uint32_t i = 0; i < routes->count; i++) {
        const struct pw_route *route = &routes->routes[i];
        if (matches(route, request)) {
            if ((route->methods & request->method) != 0) {
                return route;
            }
            methods |= route->methods;
        }
    }
    *ret_methods = methods;
    return NULL;
}

struct pw_str pw_route_param(const struct pw_route *route, const struct pw_http_request *request,
                             struct pw_str name)
{
    for (uint32_t i = 0; i < route->segment_count; i++) {
        struct pw_str segment = route->segments[i];
        if (is_param(segment) &&
            pw_str_equal((struct pw_str){segment.ptr + 1, segment.len - 2}, name)) {
            return request->segments[i];
        }
    }
    return (struct pw_str){NULL, 0};
}

static bool names_something(const struct pw_route *route)
{
    return strchr(route->prefix, '{') != NULL || strchr(route->path, '{') != NULL;
}

static bool is_refusal_of(const struct pw_command_info *info, enum pw_code code)
{
    for (uint32_t i = 0; i < info->refusal_count; i++) {
        if (info->refusals[i] == code) {
            return true;
        }
    }
    return false;
}

bool pw_route_answers(const struct pw_route *route, enum pw_code code)
{
    enum pw_error_to to = pw_error_info(code)->to;
    if (code == PW_ERR_NOT_FOUND && !names_something(route)) {
        return false;
    }
    if (code == PW_ERR_FORBIDDEN && route->roles == PW_ROLE(OPERATOR)) {
        return false; /* Whoever has the cluster key is the operator. */
    }
    if (route->by_credential && (code == PW_ERR_FORBIDDEN || code == PW_ERR_UNAUTHENTICATED)) {
        return false;
    }
    if (code == PW_ERR_KEYS_DOWN && route->kind == PW_ROUTE_QUERY &&
        !pw_query_needs_keys(&pw_queries[route->number])) {
        return false;
    }
    if (code == PW_ERR_POSITION_DIVERGED && route->kind == PW_ROUTE_AUDIT &&
        pw_audits[route->number].is_stream) {
        return false;
    }
    if (route->kind == PW_ROUTE_AUDIT) {
        return (to & PW_TO_AUDITS) != 0;
    }
    if (route->kind == PW_ROUTE_COMMAND) {
        const struct pw_command_info *info = pw_command_info((enum pw_command_type)route->number);
        return (to & PW_TO_COMMANDS) != 0 || is_refusal_of(info, code) ||
               ((to & PW_TO_PREPARED) != 0 && route->is_prepared);
    }
    return (to & (route->kind == PW_ROUTE_QUERY ? PW_TO_QUERIES : PW_TO_PAGES)) != 0;
}

const char *pw_route_allow(struct pw_arena *arena, uint32_t methods)
{
    return pw_text_format(arena, "%s%sOPTIONS", (methods & PW_HTTP_GET) != 0 ? "GET, HEAD, " : "",
                          (methods & PW_HTTP_POST) != 0 ? "POST, " : "");
}
