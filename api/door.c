/* api/door.c: a request, from its address to whoever answers it. */
#include "api/door.h"

#include <sodium.h>
#include <stdio.h>

#include "api/directory.h"
#include "api/headers.h"
#include "api/openapi.h"
#include "api/prepare.h"
#include "api/problem.h"

const struct pw_id pw_operator_id = {{0x70, 0x77, 0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}};
const struct pw_id pw_derived_namespace = {
    {0x70, 0x77, 0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, 2}};

static void answer_problem(struct pw_http_request *request, enum pw_code code, const char *detail,
                           const struct pw_violations *violations, uint32_t retry_after)
{
    if (retry_after > 0) {
        pw_http_header(request, "Retry-After", pw_text_format(&request->arena, "%u", retry_after));
    }
    pw_door_private(request);
    struct pw_str body =
        pw_problem_body(&request->arena, code, detail, request->trace_id, violations);
    pw_http_answer(request, pw_problem_status(code), "application/problem+json", body);
}

/* Of RFC 6750; the description is ours, and has no quotes. */
static void challenge(struct pw_http_request *request, const char *detail, bool had_token)
{
    const char *words = "Bearer realm=\"proctorwise\"";
    if (had_token) {
        words = pw_text_format(
            &request->arena,
            "Bearer realm=\"proctorwise\", error=\"invalid_token\", error_description=\"%s\"",
            detail);
    }
    pw_http_header(request, "WWW-Authenticate", words);
}

/* Who may not act is told no more than that, unless it is to be tried again. */
static bool is_for_all(enum pw_code code)
{
    enum pw_error_kind kind = pw_error_info(code)->kind;
    return kind == PW_KIND_UNAVAILABLE || kind == PW_KIND_INTERNAL;
}

void pw_door_problem(struct pw_http_request *request, enum pw_code code, const char *detail,
                     const struct pw_violations *violations)
{
    if (request->refusal != PW_OK && !is_for_all(code)) {
        code = request->refusal;
        detail = request->refusal_detail;
        violations = NULL;
        if (code == PW_ERR_UNAUTHENTICATED) {
            challenge(request, detail, true);
        }
    }
    answer_problem(request, code, detail, violations, pw_problem_retry_after(code));
}

void pw_door_violation(struct pw_violations *violations, const char *pointer, const char *detail)
{
    if (violations->count == PW_VIOLATIONS_MAX) {
        violations->more++;
        return;
    }
    violations->items[violations->count++] = (struct pw_violation){pointer, detail};
}

void pw_door_refuse_param(struct pw_http_request *request, struct pw_violations *violations,
                          struct pw_str name, const char *detail)
{
    struct pw_text pointer;
    size_t len = name.len < PW_POINTER_NAME_BYTES_MAX ? name.len : PW_POINTER_NAME_BYTES_MAX;
    while (len < name.len && len > 0 && ((unsigned char)name.ptr[len] & 0xc0) == 0x80) {
        len--; /* Not inside a character. */
    }
    pw_text_init(&pointer, &request->arena, len + 8);
    pw_text_add_c(&pointer, "/");
    for (size_t i = 0; i < len; i++) {
        char letter = name.ptr[i];
        pw_text_add(&pointer, letter == '~'   ? PW_STR("~0")
                              : letter == '/' ? PW_STR("~1")
                                              : (struct pw_str){&letter, 1});
    }
    pw_text_add_c(&pointer, len < name.len ? "..." : "");
    const char *text = pw_text_c(&pointer);
    pw_door_violation(violations, text != NULL ? text : "/", detail);
}

void pw_door_private(struct pw_http_request *request)
{
    pw_http_header(request, "Cache-Control", "private, no-store");
}

void pw_door_etag(struct pw_str content, char ret_etag[PW_ETAG_TEXT_BYTES])
{
    char hex[65];
    struct pw_hash hash = pw_sha256(content.ptr, content.len, NULL, 0);
    pw_hex_format(hash.bytes, sizeof hash.bytes, hex);
    snprintf(ret_etag, PW_ETAG_TEXT_BYTES, "\"%.32s\"", hex);
}

void pw_door_document(struct pw_http_request *request, struct pw_str content, const char *etag,
                      const char *cache_control)
{
    struct pw_str none_match = request->headers[PW_HEADER_IF_NONE_MATCH];
    if (!pw_header_accepts(request->headers[PW_HEADER_ACCEPT], PW_STR("application/json"))) {
        pw_door_problem(request, PW_ERR_NOT_ACCEPTABLE, NULL, NULL);
        return;
    }
    pw_http_header(request, "ETag", etag);
    pw_http_header(request, "Cache-Control", cache_control);
    if (none_match.ptr != NULL && pw_header_none_match_hits(none_match, pw_str_of(etag))) {
        pw_http_answer(request, 304, NULL, (struct pw_str){"", 0});
        return;
    }
    pw_http_answer(request, 200, "application/json", content);
}

const char *pw_door_key_text(struct pw_http_request *request, const struct pw_id *key)
{
    char text[PW_ID_TEXT_BYTES + 1];
    pw_id_format(key, text);
    return pw_text_format(&request->arena, "%s", text);
}

void pw_door_key(struct pw_http_request *request, const struct pw_id *key)
{
    pw_http_header(request, "Idempotency-Key", pw_door_key_text(request, key));
}

void pw_door_position(struct pw_http_request *request, const struct pw_position *position)
{
    char text[PW_POSITION_TEXT_BYTES_MAX];
    pw_position_format(position, text);
    pw_http_header(request, "Pw-Position", pw_text_format(&request->arena, "%s", text));
}

/* --- What no route matches --- */

static void answer_options(const struct pw_cors *cors, struct pw_http_request *request,
                           uint32_t methods)
{
    const char *allow = pw_route_allow(&request->arena, methods);
    pw_cors_preflight(cors, request, allow);
    pw_http_header(request, "Allow", allow);
    pw_http_answer(request, 204, NULL, (struct pw_str){"", 0});
}

/* Whether passwords, tokens or personal data come with it. */
static bool is_secret(const struct pw_route *route)
{
    return route->kind == PW_ROUTE_COMMAND &&
           pw_prepare_is_needed(pw_command_info((enum pw_command_type)route->number));
}

static void return_key(struct pw_http_request *request, const struct pw_route *route)
{
    struct pw_id key;
    if (route->kind == PW_ROUTE_COMMAND &&
        pw_header_key(request->headers[PW_HEADER_IDEMPOTENCY_KEY], &key)) {
        pw_door_key(request, &key);
    }
}

static const struct pw_route *find_route(const struct pw_routes *routes, const struct pw_cors *cors,
                                         struct pw_http_request *request)
{
    uint32_t methods = 0;
    const struct pw_route *route = NULL;
    if (request->fault == PW_ERR_MALFORMED) {
        pw_door_problem(request, request->fault, request->fault_detail, NULL);
        return NULL;
    }
    route = pw_route_match(routes, request, &methods);
    if (route != NULL) {
        request->route = (uint32_t)(route - routes->routes);
        request->is_secret = is_secret(route);
        return_key(request, route);
        return route;
    }
    if (methods == 0) {
        pw_door_problem(request, PW_ERR_NOT_FOUND, NULL, NULL);
    } else if (request->method == PW_HTTP_OPTIONS) {
        answer_options(cors, request, methods);
    } else {
        pw_http_header(request, "Allow", pw_route_allow(&request->arena, methods));
        pw_door_problem(request, PW_ERR_METHOD, NULL, NULL);
    }
    return NULL;
}

/* --- Who asks too much --- */

void pw_door_too_fast(struct pw_http_request *request, const struct pw_limits *limits,
                      enum pw_limit limit, uint32_t retry_seconds)
{
    struct pw_rate rate = pw_limits_rate(limits, limit);
    const char *detail =
        limit == PW_LIMIT_LOGIN
            ? pw_text_format(&request->arena,
                             "%u passwords a minute may be tried of one account, and %u at once",
                             rate.per_second, rate.burst)
            : pw_text_format(&request->arena,
                             "one %s may send %u requests a second, and %u at once",
                             pw_limit_name(limit), rate.per_second, rate.burst);
    answer_problem(request, PW_ERR_TOO_FAST, detail, NULL, retry_seconds);
}

bool pw_internal_admit(void *self, struct pw_http_request *request)
{
    (void)self;
    if (request->is_surplus) {
        pw_door_problem(request, PW_ERR_TOO_MANY_CONNECTIONS, NULL, NULL);
    }
    return !request->is_surplus;
}

/* By whom it is from. What another node sent on was counted there. */
static bool admit_actor(struct pw_service *service, struct pw_http_request *request,
                        const struct pw_actor *actor)
{
    uint32_t retry_seconds;
    if (request->forwarded || pw_limits_admit_actor(service->limits, actor, &retry_seconds)) {
        return true;
    }
    pw_door_too_fast(request, service->limits, PW_LIMIT_TOKEN, retry_seconds);
    return false;
}

/* --- Who is asking --- */

static const char session_is_over[] = "the session or the account has ended";

static void answer_unauthenticated(struct pw_http_request *request, const char *detail,
                                   bool had_token)
{
    challenge(request, detail, had_token);
    pw_door_problem(request, PW_ERR_UNAUTHENTICATED, detail, NULL);
}

bool pw_door_still_reads(struct pw_service *service, const struct pw_id *tenant_id)
{
    uint32_t partition = pw_partition_of(tenant_id, service->partition_count);
    atomic_bool *has_read = &service->has_read[partition];
    struct pw_partition_status status;
    if (atomic_load_explicit(has_read, memory_order_relaxed)) {
        return false;
    }
    pw_service_status(service, partition, &status);
    atomic_store_explicit(has_read, status.caught_up, memory_order_relaxed);
    return !status.caught_up;
}

/* Where the session is not known it is asked how far this node has read, and then once more: what came meanwhile is known. */
bool pw_door_may_act(struct pw_service *service, struct pw_actor *actor)
{
    int64_t now_us = pw_http_wall_us();
    struct pw_partition_status status;
    if (pw_directory_admits(service->directory, actor, INT64_MAX, now_us)) {
        return true;
    }
    pw_service_status(service, pw_partition_of(&actor->tenant_id, service->partition_count),
                      &status);
    return pw_directory_admits(service->directory, actor, status.position.offset, now_us);
}

bool pw_door_still_admits(struct pw_service *service, const struct pw_http_request *request,
                          const struct pw_route *route)
{
    struct pw_str token;
    struct pw_actor actor;
    struct pw_err err = {0};
    bool unknown_key = false;
    return pw_header_bearer(request->headers[PW_HEADER_AUTHORIZATION], &token) &&
           pw_tokens_verify(service->tokens, token, pw_http_wall_us(), &actor, &unknown_key,
                            &err) == PW_OK &&
           pw_door_may_act(service, &actor) && (actor.roles & route->roles) != 0;
}

/* Who may not act, or not any more, is asked no further: unless what they send may be a command that was
 * taken while they might, and whose answer was lost. Their own signing out is one. */
static bool may_repeat(const struct pw_http_request *request, const struct pw_route *route)
{
    return route->kind == PW_ROUTE_COMMAND &&
           request->headers[PW_HEADER_IDEMPOTENCY_KEY].ptr != NULL &&
           !pw_prepare_has_secrets((enum pw_command_type)route->number);
}

/* What the token says. */
static bool verify_token(struct pw_service *service, struct pw_http_request *request,
                         const struct pw_route *route, struct pw_actor *ret_actor)
{
    struct pw_str token;
    struct pw_id tenant_id;
    struct pw_err err = {0};
    bool unknown_key = false;
    bool is_id = pw_id_parse(pw_route_param(route, request, PW_STR("tenant")), &tenant_id);
    if (!pw_header_bearer(request->headers[PW_HEADER_AUTHORIZATION], &token)) {
        answer_unauthenticated(request, "no bearer token was sent", false);
        return false;
    }
    enum pw_code code =
        pw_tokens_verify(service->tokens, token, pw_http_wall_us(), ret_actor, &unknown_key, &err);
    if ((code == PW_OK || unknown_key) && is_id && pw_door_still_reads(service, &tenant_id)) {
        pw_door_problem(request, PW_ERR_NO_LEADER, "the node is still reading the ledger", NULL);
        return false;
    }
    if (code != PW_OK && unknown_key && is_id && route->kind == PW_ROUTE_COMMAND &&
        pw_command_pass_on(service, request, route, &tenant_id)) {
        return false;
    }
    if (code != PW_OK) {
        answer_unauthenticated(request, err.detail, true);
    }
    return code == PW_OK;
}

/* Whether there is more to do: for an actor, or to find out whether it is a repeat (request->refusal). */
static bool authenticate(struct pw_service *service, struct pw_http_request *request,
                         const struct pw_route *route, struct pw_actor *ret_actor)
{
    struct pw_id tenant_id;
    if (!verify_token(service, request, route, ret_actor)) {
        return false;
    }
    bool is_in = pw_door_may_act(service, ret_actor);
    bool is_theirs = pw_id_parse(pw_route_param(route, request, PW_STR("tenant")), &tenant_id) &&
                     pw_id_equal(&tenant_id, &ret_actor->tenant_id);
    if (!is_in && !(is_theirs && may_repeat(request, route))) {
        answer_unauthenticated(request, session_is_over, true);
        return false;
    }
    struct pw_actor counted = *ret_actor;
    if (!is_in && !pw_id_is_nil(&counted.session_id)) {
        counted.id =
            counted.session_id; /* Who was signed out uses up nothing of the person's own. */
    }
    if (!admit_actor(service, request, &counted)) {
        return false;
    }
    if (!is_theirs) {
        pw_door_problem(request, PW_ERR_NOT_FOUND, NULL, NULL);
        return false;
    }
    bool has_role = (ret_actor->roles & route->roles) != 0;
    if (is_in && !has_role && !may_repeat(request, route)) {
        pw_door_problem(request, PW_ERR_FORBIDDEN, NULL, NULL);
        return false;
    }
    if (!is_in || !has_role) {
        request->refusal = is_in ? PW_ERR_FORBIDDEN : PW_ERR_UNAUTHENTICATED;
        request->refusal_detail = is_in ? NULL : session_is_over;
    }
    return true;
}

/* Who shows a password or a token that is good once: only the tenant is known yet. */
static bool take_tenant(struct pw_http_request *request, const struct pw_route *route,
                        struct pw_actor *ret_actor)
{
    *ret_actor = (struct pw_actor){.roles = route->roles};
    if (!pw_id_parse(pw_route_param(route, request, PW_STR("tenant")), &ret_actor->tenant_id)) {
        pw_door_problem(request, PW_ERR_NOT_FOUND, NULL, NULL);
        return false;
    }
    return true;
}

static void answer_page(struct pw_http_request *request, const struct pw_route *route)
{
    struct pw_str name = pw_route_param(route, request, PW_STR("name"));
    struct pw_str accept = request->headers[PW_HEADER_ACCEPT];
    struct pw_str page;
    bool as_html = pw_header_accepts(accept, PW_STR("text/html"));
    if (!as_html && !pw_header_accepts(accept, PW_STR("application/json"))) {
        pw_door_problem(request, PW_ERR_NOT_ACCEPTABLE, NULL, NULL);
        return;
    }
    if (!pw_problem_page(&request->arena, name, as_html, &page)) {
        pw_door_problem(request, PW_ERR_NOT_FOUND, NULL, NULL);
        return;
    }
    pw_http_header(request, "Cache-Control", "public, max-age=3600");
    pw_http_header(request, "Vary", "Accept");
    pw_http_answer(request, 200, as_html ? "text/html; charset=utf-8" : "application/json", page);
}

/* Commands, queries and audits look at theirs themselves; nothing else takes any. */
static bool refuses_params(struct pw_http_request *request, const struct pw_route *route)
{
    struct pw_violations violations = {.count = 0};
    if (route->kind == PW_ROUTE_COMMAND || route->kind == PW_ROUTE_QUERY ||
        route->kind == PW_ROUTE_AUDIT || request->param_count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < request->param_count; i++) {
        pw_door_refuse_param(request, &violations, request->params[i].name,
                             "there is no such query parameter");
    }
    pw_door_problem(request, PW_ERR_INVALID, NULL, &violations);
    return true;
}

/* What has a route, to whom it is for. */
static void serve_public(struct pw_service *service, struct pw_http_request *request,
                         const struct pw_route *route)
{
    struct pw_actor actor;
    if (refuses_params(request, route)) {
        return;
    }
    if (route->kind == PW_ROUTE_PROBLEM) {
        answer_page(request, route);
        return;
    }
    if (route->kind == PW_ROUTE_OPENAPI) {
        pw_openapi_answer(service->openapi, request);
        return;
    }
    if (route->kind == PW_ROUTE_KEY_SET) {
        pw_issuer_answer(service->issuer, request);
        return;
    }
    if (atomic_load_explicit(&service->stopping, memory_order_relaxed)) {
        pw_door_problem(request, PW_ERR_STOPPING, NULL, NULL);
        return;
    }
    if (route->by_credential ? !take_tenant(request, route, &actor)
                             : !authenticate(service, request, route, &actor)) {
        return;
    }
    if (request->fault != PW_OK) {
        pw_door_problem(request, request->fault, request->fault_detail, NULL);
    } else if (route->kind == PW_ROUTE_COMMAND) {
        pw_command_door(service, request, route, &actor);
    } else if (route->kind == PW_ROUTE_AUDIT) {
        pw_audit_door(service, request, route, &actor);
    } else {
        pw_query_door(service, request, route, &actor);
    }
}

bool pw_public_admit(void *self, struct pw_http_request *request)
{
    struct pw_service *service = self;
    enum pw_limit limit;
    uint32_t retry_seconds;
    pw_cors_answer(service->cors, request);
    if (!pw_internal_admit(service, request)) {
        return false;
    }
    if (!pw_limits_admit(service->limits, request, &limit, &retry_seconds)) {
        pw_door_too_fast(request, service->limits, limit, retry_seconds);
        return false;
    }
    return true;
}

void pw_public_door(void *self, struct pw_http_request *request)
{
    struct pw_service *service = self;
    const struct pw_route *route = find_route(&service->public_routes, service->cors, request);
    if (route != NULL) {
        serve_public(service, request, route);
    }
}

/* --- The admin listener --- */

/* Both sides are hashed first, so that the comparison tells nothing, not even a length. */
static bool is_cluster_key(const struct pw_service *service, struct pw_str key)
{
    if (service->cluster_key.len == 0) {
        return false;
    }
    struct pw_hash sent = pw_sha256(key.ptr, key.len, NULL, 0);
    struct pw_hash wanted = pw_sha256(service->cluster_key.ptr, service->cluster_key.len, NULL, 0);
    return sodium_memcmp(sent.bytes, wanted.bytes, sizeof sent.bytes) == 0;
}

static bool has_cluster_key(const struct pw_service *service, const struct pw_http_request *request)
{
    struct pw_str token;
    return pw_header_bearer(request->headers[PW_HEADER_AUTHORIZATION], &token) &&
           is_cluster_key(service, token);
}

/* What another node sends on comes here under its public address, with the client's own token. */
static void serve_forwarded(struct pw_service *service, struct pw_http_request *request)
{
    const struct pw_route *route = find_route(&service->public_routes, NULL, request);
    request->route = PW_ROUTE_FORWARDED_NUMBER;
    if (route != NULL) {
        serve_public(service, request, route);
    }
}

static bool is_public_address(const struct pw_http_request *request)
{
    return request->segment_count > 0 && pw_str_equal(request->segments[0], PW_STR("v1"));
}

void pw_internal_door(void *self, struct pw_http_request *request)
{
    struct pw_service *service = self;
    struct pw_actor the_operator = {.roles = PW_ROLE(OPERATOR)};
    request->forwarded = request->headers[PW_HEADER_CLUSTER_KEY].ptr != NULL;
    if (request->forwarded && !is_cluster_key(service, request->headers[PW_HEADER_CLUSTER_KEY])) {
        answer_unauthenticated(request, "the cluster key is needed", false);
        return;
    }
    if (request->forwarded && is_public_address(request)) {
        serve_forwarded(service, request);
        return;
    }
    const struct pw_route *route = find_route(&service->internal_routes, NULL, request);
    if (route == NULL) {
        return;
    }
    if (route->prefix[0] != '\0' && !has_cluster_key(service, request)) {
        answer_unauthenticated(request, "the cluster key is needed",
                               request->headers[PW_HEADER_AUTHORIZATION].ptr != NULL);
        return;
    }
    if (request->fault != PW_OK) {
        pw_door_problem(request, request->fault, request->fault_detail, NULL);
        return;
    }
    if (refuses_params(request, route)) {
        return;
    }
    switch (route->kind) {
    case PW_ROUTE_COMMAND:
        if (atomic_load_explicit(&service->stopping, memory_order_relaxed)) {
            pw_door_problem(request, PW_ERR_STOPPING, NULL, NULL);
            break;
        }
        if (pw_command_info((enum pw_command_type)route->number)->door == PW_DOOR_PUBLIC &&
            !take_tenant(request, route, &the_operator)) {
            break;
        }
        the_operator.id = pw_operator_id;
        pw_command_door(service, request, route, &the_operator);
        break;
    case PW_ROUTE_METRICS: pw_metrics_answer(service, request); break;
    case PW_ROUTE_HEALTHZ: pw_healthz_answer(service, request); break;
    case PW_ROUTE_LEADS: pw_leads_answer(service, request); break;
    default: pw_readyz_answer(service, request); break;
    }
}
