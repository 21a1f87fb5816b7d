/* api/limits.h: how fast somebody may ask: a connection, an address, a token's subject; and try passwords of an account.
 *
 * Contract  Each of the four is a rate and a burst (api/buckets.h); a rate of 0 switches it off. A
 *           connection's bucket lies in the connection, and costs nothing to find; an address's is
 *           looked up once the head is there, before a body is read, a subject's (tenant and actor, whatever
 *           the token) once the token was found good: so nobody is slowed down by what others claim
 *           to be. Each node counts for itself; what another node sent on was counted there.
 * Owner     The clock and the list of proxies are borrowed.
 * Threads   Any. */
#ifndef PW_API_LIMITS_H
#define PW_API_LIMITS_H

#include "api/http.h"
#include "api/jwt.h"
#include "commands/engine.h"

enum pw_limit {
    PW_LIMIT_CONNECTION,
    PW_LIMIT_ADDRESS,
    PW_LIMIT_TOKEN,
    PW_LIMIT_LOGIN,
    PW_LIMIT_COUNT
};

struct pw_rate {
    uint32_t per_second; /* Of PW_LIMIT_LOGIN: per minute. 0: no limit. */
    uint32_t burst;
};

struct pw_limits_options {
    struct pw_rate rates[PW_LIMIT_COUNT];
    const struct pw_networks
        *trusted; /* Whose X-Forwarded-For counts; where addresses are limited. */
    struct pw_clock clock;
};

struct pw_limits;

struct pw_limits *pw_limits_new(const struct pw_limits_options *options);
void pw_limits_free(struct pw_limits *limits);

/* Whether the request may go on, by its connection and address. False: *ret_limit is the one that
 * was hit, and *ret_retry_seconds (1 or more) the time until it may. `limits` may be NULL: then
 * everything may. */
bool pw_limits_admit(struct pw_limits *limits, const struct pw_http_request *request,
                     enum pw_limit *ret_limit, uint32_t *ret_retry_seconds);

/* The same, by the token's subject. */
bool pw_limits_admit_actor(struct pw_limits *limits, const struct pw_actor *actor,
                           uint32_t *ret_retry_seconds);

/* The same for passwords that are tried: of one account, by what names it (an e-mail address, whose case means nothing, or an id). */
bool pw_limits_admit_login(struct pw_limits *limits, const struct pw_id *tenant_id,
                           struct pw_str name, uint32_t *ret_retry_seconds);

const char *pw_limit_name(enum pw_limit limit); /* `connection`, `address`, `token`, `login` */
struct pw_rate pw_limits_rate(const struct pw_limits *limits, enum pw_limit limit);

/* How many requests were turned away; 0 for NULL. */
uint64_t pw_limits_count(const struct pw_limits *limits, enum pw_limit limit);

#endif
