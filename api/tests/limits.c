/* api/tests/limits.c: buckets, the limits made of them, and origins: on a clock turned by
 * hand. */
#include <criterion/criterion.h>

#include "api/buckets.h"
#include "api/cors.h"
#include "api/limits.h"

#define SECOND PW_US_PER_SECOND

/* --- Buckets --- */

Test(buckets, give_a_burst_then_the_rate)
{
    int64_t bucket = 0;
    int64_t now_us = 5000 * SECOND;
    for (int i = 0; i < 20; i++) {
        cr_expect_eq(pw_bucket_take(&bucket, 10, 20, now_us), 0, "%d", i);
    }
    cr_expect_eq(pw_bucket_take(&bucket, 10, 20, now_us), SECOND / 10);
    cr_expect_eq(pw_bucket_take(&bucket, 10, 20, now_us), SECOND / 10, "asking costs nothing");
    cr_expect_eq(pw_bucket_take(&bucket, 10, 20, now_us + SECOND / 10 - 1), 1);
    cr_expect_eq(pw_bucket_take(&bucket, 10, 20, now_us + SECOND / 10), 0);
    cr_expect_eq(pw_bucket_take(&bucket, 10, 20, now_us + SECOND / 10), SECOND / 10);
    now_us += 1000 * SECOND; /* However long the pause, no more than a burst. */
    for (int i = 0; i < 20; i++) {
        cr_expect_eq(pw_bucket_take(&bucket, 10, 20, now_us), 0, "%d", i);
    }
    cr_expect_neq(pw_bucket_take(&bucket, 10, 20, now_us), 0);
}

Test(buckets, keep_their_rate_over_a_long_time)
{
    static const struct {
        uint32_t per_second;
        uint32_t burst;
    } rates[] = {{1, 1}, {3, 7}, {100, 1000}, {30000, 10}, {1000000, 1000000}};
    for (size_t i = 0; i < PW_COUNT(rates); i++) {
        int64_t bucket = 0;
        uint64_t given = 0;
        uint64_t seconds = rates[i].per_second > 1000 ? 1 : 100;
        int64_t step_us = rates[i].per_second > 1000 ? 1 : 1000; /* Asked more often than given. */
        for (int64_t now_us = 0; now_us < (int64_t)seconds * SECOND; now_us += step_us) {
            given += pw_bucket_take(&bucket, rates[i].per_second, rates[i].burst, now_us) == 0;
        }
        uint64_t due = rates[i].burst + seconds * rates[i].per_second;
        uint64_t asked = seconds * SECOND / (uint64_t)step_us;
        due = due < asked ? due : asked;
        cr_expect(given + 1 >= due - due / 1000 && given <= due + due / 1000 + 1,
                  "%u: %llu of %llu", rates[i].per_second, (unsigned long long)given,
                  (unsigned long long)due);
    }
}

Test(buckets, are_each_their_own)
{
    struct pw_buckets *buckets = pw_buckets_new(1, 1);
    cr_expect_eq(pw_buckets_take(buckets, "ann", 3, 0), 0);
    cr_expect_eq(pw_buckets_take(buckets, "ann", 3, 0), SECOND);
    cr_expect_eq(pw_buckets_take(buckets, "bob", 3, 0), 0);
    cr_expect_eq(pw_buckets_take(buckets, "ann", 3, SECOND), 0);
    cr_expect_eq(pw_buckets_take(buckets, "bob", 3, SECOND / 2), SECOND / 2);
    pw_buckets_free(buckets);
    pw_buckets_free(NULL);
}

/* Three times as many as there are places: nobody who is new is turned away, and who drained their
 * bucket deepest is not forgotten for all those who come once. */
Test(buckets, a_flood_of_keys_turns_nobody_away_and_frees_nobody)
{
    struct pw_buckets *buckets = pw_buckets_new(1, 100);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(pw_buckets_take(buckets, "greedy", 6, 0), 0);
    }
    for (uint32_t i = 0; i < 3 * PW_BUCKETS_MAX; i++) {
        cr_assert_eq(pw_buckets_take(buckets, &i, sizeof i, 0), 0, "%u", i);
    }
    cr_expect_eq(pw_buckets_take(buckets, "greedy", 6, 0), SECOND);
    pw_buckets_free(buckets);
}

/* --- The three limits together --- */

static struct pw_ip ip_of(const char *text)
{
    struct pw_ip ip = {{0}};
    cr_assert(pw_ip_parse(pw_str_of(text), &ip), "%s", text);
    return ip;
}

static int64_t hand_us(void *self)
{
    return *(int64_t *)self;
}

struct asker {
    struct pw_http_request request;
    struct pw_ip peer;
    int64_t bucket;
};

static void asker_open(struct asker *asker, const char *peer, const char *forwarded_for)
{
    *asker = (struct asker){.peer = ip_of(peer)};
    asker->request.peer = &asker->peer;
    asker->request.connection_bucket = &asker->bucket;
    if (forwarded_for != NULL) {
        asker->request.headers[PW_HEADER_FORWARDED_FOR] = pw_str_of(forwarded_for);
    }
}

static bool admitted(struct pw_limits *limits, struct asker *asker, enum pw_limit wanted,
                     uint32_t wanted_seconds)
{
    enum pw_limit limit = PW_LIMIT_COUNT;
    uint32_t seconds = 0;
    bool good = pw_limits_admit(limits, &asker->request, &limit, &seconds);
    if (!good) {
        cr_expect_eq(limit, wanted);
        cr_expect_eq(seconds, wanted_seconds, "%u", seconds);
    }
    return good;
}

Test(limits, of_connection_and_address)
{
    int64_t now_us = 0;
    struct pw_networks trusted;
    cr_assert_eq(pw_networks_parse("10.0.0.1", &trusted, NULL), PW_OK);
    struct pw_limits_options options = {
        .rates = {[PW_LIMIT_CONNECTION] = {1, 2}, [PW_LIMIT_ADDRESS] = {1, 3}},
        .trusted = &trusted,
        .clock = {.self = &now_us, .boot_us = hand_us},
    };
    struct pw_limits *limits = pw_limits_new(&options);
    struct asker first;
    struct asker second;
    struct asker behind_proxy;
    asker_open(&first, "192.0.2.1", "203.0.113.7");
    asker_open(&second, "192.0.2.1", NULL);
    asker_open(&behind_proxy, "10.0.0.1", "192.0.2.1");
    cr_expect(admitted(limits, &first, 0, 0));
    cr_expect(admitted(limits, &first, 0, 0));
    cr_expect(!admitted(limits, &first, PW_LIMIT_CONNECTION, 1));
    cr_expect(admitted(limits, &second, 0, 0), "a connection of its own");
    cr_expect(!admitted(limits, &second, PW_LIMIT_ADDRESS, 1), "but not an address");
    cr_expect(!admitted(limits, &behind_proxy, PW_LIMIT_ADDRESS, 1), "nor through a proxy");
    now_us = SECOND;
    cr_expect(admitted(limits, &behind_proxy, 0, 0));
    cr_expect_eq(pw_limits_count(limits, PW_LIMIT_CONNECTION), 1);
    cr_expect_eq(pw_limits_count(limits, PW_LIMIT_ADDRESS), 2);
    pw_limits_free(limits);
}

Test(limits, of_a_subject_and_none)
{
    int64_t now_us = 0;
    uint32_t seconds = 0;
    struct pw_limits_options options = {
        .rates = {[PW_LIMIT_TOKEN] = {1, 1}},
        .clock = {.self = &now_us, .boot_us = hand_us},
    };
    struct pw_limits *limits = pw_limits_new(&options);
    struct pw_actor ann = {.id = {{1}}, .tenant_id = {{2}}};
    struct pw_actor ann_elsewhere = {.id = {{1}}, .tenant_id = {{3}}};
    struct asker asker;
    asker_open(&asker, "192.0.2.1", NULL);
    for (int i = 0; i < 100; i++) {
        cr_expect(admitted(limits, &asker, 0, 0), "neither connection nor address is limited");
    }
    cr_expect(pw_limits_admit_actor(limits, &ann, &seconds));
    cr_expect(!pw_limits_admit_actor(limits, &ann, &seconds));
    cr_expect_eq(seconds, 1);
    cr_expect(pw_limits_admit_actor(limits, &ann_elsewhere, &seconds), "another tenant's");
    cr_expect_eq(pw_limits_count(limits, PW_LIMIT_TOKEN), 1);
    pw_limits_free(limits);
    cr_expect(pw_limits_admit_actor(NULL, &ann, &seconds));
    cr_expect(admitted(NULL, &asker, 0, 0));
    pw_limits_free(NULL);
}

/* --- Origins --- */

Test(cors, reads_origins)
{
    static const char *const good[] = {"", "*", "https://booking.example",
                                       "https://a.example, http://localhost:3000",
                                       "https://[2001:db8::1]:8443"};
    static const char *const wrong[] = {"booking.example",
                                        "https://",
                                        "https://a.example/",
                                        "https://A.example",
                                        "https://a.example:443",
                                        "http://a.example:80",
                                        "ftp://a.example",
                                        "https://a.example https://b",
                                        "null",
                                        ",https://a.example",
                                        "https://u@a.example",
                                        "https://:80"};
    struct pw_cors cors;
    struct pw_err err = {0};
    for (size_t i = 0; i < PW_COUNT(good); i++) {
        cr_expect_eq(pw_cors_parse(good[i], &cors, &err), PW_OK, "%s: %s", good[i], err.detail);
    }
    for (size_t i = 0; i < PW_COUNT(wrong); i++) {
        cr_expect_eq(pw_cors_parse(wrong[i], &cors, &err), PW_ERR_USAGE, "%s", wrong[i]);
    }
}

Test(limits, passwords_are_counted_by_the_account_and_the_minute)
{
    static const struct pw_id ours = {{1}};
    static const struct pw_id other = {{2}};
    int64_t now_us = 60 * PW_US_PER_SECOND;
    struct pw_limits_options options = {
        .rates = {[PW_LIMIT_LOGIN] = {.per_second = 10, .burst = 3}},
        .clock = {.self = &now_us, .boot_us = hand_us}};
    struct pw_limits *limits = pw_limits_new(&options);
    uint32_t retry_seconds = 0;
    for (int i = 0; i < 3; i++) {
        cr_expect(pw_limits_admit_login(limits, &ours, PW_STR("ann@uni"), &retry_seconds));
    }
    cr_expect_not(pw_limits_admit_login(limits, &ours, PW_STR("Ann@Uni"), &retry_seconds));
    cr_expect_eq(retry_seconds, 6, "%u", retry_seconds);
    cr_expect(pw_limits_admit_login(limits, &ours, PW_STR("bob@uni"), &retry_seconds));
    cr_expect(pw_limits_admit_login(limits, &other, PW_STR("ann@uni"), &retry_seconds));
    now_us += 6 * PW_US_PER_SECOND;
    cr_expect(pw_limits_admit_login(limits, &ours, PW_STR("ann@uni"), &retry_seconds));
    cr_expect_not(pw_limits_admit_login(limits, &ours, PW_STR("ann@uni"), &retry_seconds));
    cr_expect_eq(pw_limits_count(limits, PW_LIMIT_LOGIN), 2);
    cr_expect(pw_limits_admit_login(NULL, &ours, PW_STR("ann@uni"), &retry_seconds));
    pw_limits_free(limits);
}
