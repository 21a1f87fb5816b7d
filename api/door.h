/* api/door.h: a request, from its address to whoever answers it.
 *
 * Contract  pw_public_door and pw_internal_door are the handlers of the two listeners, and the
 *           functions beside them say who is let through to them (api/http.h). Every
 *           request gets one answer; a problem is application/problem+json. Order of checks:
 *           whether there are too many connections, the rate of connection and address, address,
 *           method, token (401), the rate of its subject (429), the token's tenant (404), role
 *           (403), and only then anything that is looked up. Whoever may not act, or not any more, and
 *           comes with an Idempotency-Key, gets the answer of what was decided while they might;
 *           of all else the 401 or 403. Of a command whose token only another node can judge,
 *           everything else is judged first. The internal door asks /internal/ for the cluster key.
 * Threads   On the loop's thread of the request. */
#ifndef PW_API_DOOR_H
#define PW_API_DOOR_H

#include "api/service.h"
#include "schemas/json.h"

bool pw_public_admit(void *service, struct pw_http_request *request);
void pw_public_door(void *service, struct pw_http_request *request);
bool pw_internal_admit(void *service, struct pw_http_request *request);
void pw_internal_door(void *service, struct pw_http_request *request);

/* For the doors' own pages: answers with a problem; detail and violations may be NULL. */
void pw_door_problem(struct pw_http_request *request, enum pw_code code, const char *detail,
                     const struct pw_violations *violations);

/* Adds one violation to a list whose texts live in the arena. */
void pw_door_violation(struct pw_violations *violations, const char *pointer, const char *detail);

/* Refuses a query parameter: its pointer is its name, cut to 64 bytes, as RFC 6901 escapes it. */
void pw_door_refuse_param(struct pw_http_request *request, struct pw_violations *violations,
                          struct pw_str name, const char *detail);

/* 429, by a limit that was hit. */
void pw_door_too_fast(struct pw_http_request *request, const struct pw_limits *limits,
                      enum pw_limit limit, uint32_t retry_seconds);

/* While the tenant's partition is still being read at start, an issuer that is not trusted may be so in a moment, and one that is, or a
 * person who may act, may be so no more. Once it was read to its end that is remembered. */
bool pw_door_still_reads(struct pw_service *service, const struct pw_id *tenant_id);

/* Whether the bearer of a verified token may still act, and with which roles: *actor's are made those. */
bool pw_door_may_act(struct pw_service *service, struct pw_actor *actor);

/* Headers of every answer with personal data. */
void pw_door_private(struct pw_http_request *request);

/* A document that everybody may read, by its content: answers 304 to who has it, and 406. */
#define PW_ETAG_TEXT_BYTES 36
void pw_door_etag(struct pw_str content, char ret_etag[PW_ETAG_TEXT_BYTES]);
void pw_door_document(struct pw_http_request *request, struct pw_str content, const char *etag,
                      const char *cache_control);

/* Idempotency-Key. What the client sent stands in every answer to a command, whether anybody came to look
 * at it or not; one that is made for a command, from then on. */
void pw_door_key(struct pw_http_request *request, const struct pw_id *key);
const char *pw_door_key_text(struct pw_http_request *request, const struct pw_id *key);

/* Pw-Position. */
void pw_door_position(struct pw_http_request *request, const struct pw_position *position);

/* api/command_door.c: a command, as the actor. public_door: the boundary is the actor's tenant. */
void pw_command_door(struct pw_service *service, struct pw_http_request *request,
                     const struct pw_route *route, const struct pw_actor *actor);

/* Sends a command to the node that leads the tenant, which may trust a key that this node has not read
 * of yet. Who asks is for that node to say; all else is judged here, and what is not good is answered.
 * False where this node leads, or nobody is known to: nothing was answered. */
bool pw_command_pass_on(struct pw_service *service, struct pw_http_request *request,
                        const struct pw_route *route, const struct pw_id *tenant_id);

/* Whether who sent a request that was let through some time ago would be let through now. */
bool pw_door_still_admits(struct pw_service *service, const struct pw_http_request *request,
                          const struct pw_route *route);

/* api/query_stream.c: a list as a stream of events, while its client listens. */
bool pw_query_stream_is_wanted(const struct pw_query_info *info,
                               const struct pw_http_request *request);
void pw_query_stream(struct pw_service *service, struct pw_http_request *request,
                     const struct pw_route *route, const struct pw_actor *actor);

/* api/query_door.c */
void pw_query_door(struct pw_service *service, struct pw_http_request *request,
                   const struct pw_route *route, const struct pw_actor *actor);

/* api/audit_door.c */
void pw_audit_door(struct pw_service *service, struct pw_http_request *request,
                   const struct pw_route *route, const struct pw_actor *actor);

/* api/status_door.c: /metrics, /healthz, /readyz, /internal/leads. */
void pw_metrics_answer(struct pw_service *service, struct pw_http_request *request);
void pw_healthz_answer(struct pw_service *service, struct pw_http_request *request);
void pw_readyz_answer(struct pw_service *service, struct pw_http_request *request);
void pw_leads_answer(struct pw_service *service, struct pw_http_request *request);

/* The operator: 70770000-0000-8000-8000-000000000001. No token can name it: pw_reserved_id. */
extern const struct pw_id pw_operator_id;

/* The namespace of ids that are derived from command ids (UUIDv5 over the command id's 16 bytes):
 * 70770000-0000-8000-8000-000000000002. A repeat of `tenant.create` finds the same tenant by it. */
extern const struct pw_id pw_derived_namespace;

#endif
