/* api/route.h: which address means what.
 *
 * Contract  The routes are built from the tables of commands (schemas/), queries
 *           (api/query_table.h) and audits (api/audit_table.h), plus the few that belong to neither; no route is written twice.
 *           Two listeners have two sets: PUBLIC, and INTERNAL for the admin listener.
 * Owner     pw_routes_build fills the caller's struct, which lives as long as the listener.
 * Threads   Read-only after building. */
#ifndef PW_API_ROUTE_H
#define PW_API_ROUTE_H

#include "api/http.h"
#include "schemas/schema.h"

#define PW_ROUTE_PARAMS_MAX       4
#define PW_ROUTE_FORWARDED_NUMBER 1 /* Among those of the admin listener. */

enum pw_route_kind {
    PW_ROUTE_COMMAND, /* number: enum pw_command_type */
    PW_ROUTE_QUERY,   /* number: index in pw_queries */
    PW_ROUTE_AUDIT,   /* number: enum pw_audit_number */
    PW_ROUTE_PROBLEM,
    PW_ROUTE_OPENAPI,
    PW_ROUTE_KEY_SET,
    PW_ROUTE_FORWARDED, /* What another node sent, whatever its address: for the counters. */
    PW_ROUTE_METRICS,
    PW_ROUTE_HEALTHZ,
    PW_ROUTE_READYZ,
    PW_ROUTE_LEADS
};

struct pw_route {
    enum pw_route_kind kind;
    uint32_t number;
    uint32_t methods;   /* Bits of enum pw_http_method. */
    uint32_t roles;     /* Of tokens; 0 where no token is asked for. */
    bool is_prepared;   /* A command that goes through api/prepare.h. */
    bool by_credential; /* No token is asked for: the body proves who asks. */
    /* Of a command that makes something: the GET of this listener that shows it, by its id at the path's end; or NULL. */
    const struct pw_route *shown_by;
    const char *name; /* For counters: `reservation.reserve`, `slots`. */
    const char *doc;
    const char *prefix;
    const char *path; /* With `{name}` for what differs; the address is prefix and path. */
    struct pw_str segments[PW_HTTP_SEGMENTS_MAX]; /* `{name}` stands for one segment. */
    uint32_t segment_count;
};

struct pw_routes {
    struct pw_route routes[PW_HTTP_ROUTES_MAX]; /* The first stands for what no route matches. */
    uint32_t count;
};

void pw_routes_build(struct pw_routes *routes, enum pw_door door);

/* The route of the request's address and method; else NULL, and then *ret_methods tells which
 * methods that address takes (0: there is no such address). */
const struct pw_route *pw_route_match(const struct pw_routes *routes,
                                      const struct pw_http_request *request, uint32_t *ret_methods);

/* What stands in the address for `{name}`; ptr NULL where the route has no such name. */
struct pw_str pw_route_param(const struct pw_route *route, const struct pw_http_request *request,
                             struct pw_str name);

/* Whether a request of the route can end with this error. */
bool pw_route_answers(const struct pw_route *route, enum pw_code code);

/* `GET, HEAD, OPTIONS` */
const char *pw_route_allow(struct pw_arena *arena, uint32_t methods);

#endif
