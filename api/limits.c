/* api/limits.c: four kinds of buckets before the doors. */
#include "api/limits.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "api/buckets.h"
#include "commands/memory.h"

static const char *const names[PW_LIMIT_COUNT] = {
    [PW_LIMIT_CONNECTION] = "connection",
    [PW_LIMIT_ADDRESS] = "address",
    [PW_LIMIT_TOKEN] = "token",
    [PW_LIMIT_LOGIN] = "login",
};

struct pw_limits {
    struct pw_limits_options options;
    struct pw_buckets *addresses; /* NULL: not limited. */
    struct pw_buckets *actors;
    struct pw_buckets *logins;
    atomic_uint_fast64_t counts[PW_LIMIT_COUNT];
};

static struct pw_buckets *buckets_of(struct pw_rate rate)
{
    return rate.per_second > 0 ? pw_buckets_new(rate.per_second, rate.burst) : NULL;
}

struct pw_limits *pw_limits_new(const struct pw_limits_options *options)
{
    struct pw_limits *limits = pw_memory_new(1, sizeof *limits);
    limits->options = *options;
    limits->addresses = buckets_of(options->rates[PW_LIMIT_ADDRESS]);
    limits->actors = buckets_of(options->rates[PW_LIMIT_TOKEN]);
    limits->logins = buckets_of(options->rates[PW_LIMIT_LOGIN]);
    return limits;
}

void pw_limits_free(struct pw_limits *limits)
{
    if (limits != NULL) {
        pw_buckets_free(limits->addresses);
        pw_buckets_free(limits->actors);
        pw_buckets_free(limits->logins);
        free(limits);
    }
}

/* True where there is nothing to wait for. */
static bool judge(struct pw_limits *limits, enum pw_limit limit, int64_t wait_us,
                  uint32_t *ret_retry_seconds)
{
    if (wait_us == 0) {
        return true;
    }
    atomic_fetch_add_explicit(&limits->counts[limit], 1, memory_order_relaxed);
    *ret_retry_seconds = (uint32_t)((wait_us + PW_US_PER_SECOND - 1) / PW_US_PER_SECOND);
    return false;
}

static int64_t now_us(const struct pw_limits *limits)
{
    return limits->options.clock.boot_us(limits->options.clock.self);
}

static int64_t take_of_address(struct pw_limits *limits, const struct pw_http_request *request)
{
    struct pw_ip client = pw_ip_client(limits->options.trusted, request->peer,
                                       request->headers[PW_HEADER_FORWARDED_FOR]);
    struct pw_ip host = pw_ip_host(&client);
    return pw_buckets_take(limits->addresses, &host, sizeof host, now_us(limits));
}

bool pw_limits_admit(struct pw_limits *limits, const struct pw_http_request *request,
                     enum pw_limit *ret_limit, uint32_t *ret_retry_seconds)
{
    if (limits == NULL) {
        return true;
    }
    struct pw_rate rate = limits->options.rates[PW_LIMIT_CONNECTION];
    if (rate.per_second > 0) {
        int64_t wait_us =
            pw_bucket_take(request->connection_bucket, rate.per_second, rate.burst, now_us(limits));
        *ret_limit = PW_LIMIT_CONNECTION;
        if (!judge(limits, PW_LIMIT_CONNECTION, wait_us, ret_retry_seconds)) {
            return false;
        }
    }
    *ret_limit = PW_LIMIT_ADDRESS;
    return limits->addresses == NULL ||
           judge(limits, PW_LIMIT_ADDRESS, take_of_address(limits, request), ret_retry_seconds);
}

bool pw_limits_admit_actor(struct pw_limits *limits, const struct pw_actor *actor,
                           uint32_t *ret_retry_seconds)
{
    if (limits == NULL || limits->actors == NULL) {
        return true;
    }
    struct {
        struct pw_id tenant_id;
        struct pw_id actor_id;
    } subject = {actor->tenant_id, actor->id};
    int64_t wait_us = pw_buckets_take(limits->actors, &subject, sizeof subject, now_us(limits));
    return judge(limits, PW_LIMIT_TOKEN, wait_us, ret_retry_seconds);
}

/* Passwords are counted by the minute: what is a second to these buckets is a minute. */
#define LOGIN_SLOWER 60

bool pw_limits_admit_login(struct pw_limits *limits, const struct pw_id *tenant_id,
                           struct pw_str name, uint32_t *ret_retry_seconds)
{
    struct {
        struct pw_id tenant_id;
        char name[PW_PERSONAL_BYTES_MAX];
    } account = {.tenant_id = *tenant_id};
    if (limits == NULL || limits->logins == NULL) {
        return true;
    }
    assert(name.len <= sizeof account.name);
    pw_str_lower(name, account.name);
    int64_t wait_us =
        pw_buckets_take(limits->logins, &account, sizeof account, now_us(limits) / LOGIN_SLOWER) *
        LOGIN_SLOWER;
    return judge(limits, PW_LIMIT_LOGIN, wait_us, ret_retry_seconds);
}

const char *pw_limit_name(enum pw_limit limit)
{
    return names[limit];
}

struct pw_rate pw_limits_rate(const struct pw_limits *limits, enum pw_limit limit)
{
    return limits->options.rates[limit];
}

uint64_t pw_limits_count(const struct pw_limits *limits, enum pw_limit limit)
{
    return limits == NULL ? 0 : atomic_load_explicit(&limits->counts[limit], memory_order_relaxed);
}
