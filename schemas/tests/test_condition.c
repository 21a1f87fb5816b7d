/* schemas/tests/test_condition.c: moments of the monotonic clock. */
#include <criterion/criterion.h>
#include <errno.h>

#include "schemas/condition.h"

static int64_t ns_of(struct timespec at)
{
    return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

Test(condition, a_deadline_lies_so_far_ahead)
{
    static const int64_t waits_us[] = {0, 1, 999999, 1000000, 86400000001};
    for (size_t i = 0; i < sizeof waits_us / sizeof waits_us[0]; i++) {
        struct timespec before;
        struct timespec after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        struct timespec until = pw_condition_deadline(waits_us[i]);
        clock_gettime(CLOCK_MONOTONIC, &after);
        cr_expect(until.tv_nsec >= 0 && until.tv_nsec < 1000000000);
        cr_expect_geq(ns_of(until), ns_of(before) + waits_us[i] * 1000);
        cr_expect_leq(ns_of(until), ns_of(after) + waits_us[i] * 1000);
    }
}

Test(condition, what_is_over_is_not_waited_for)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition;
    pw_condition_init(&condition);
    struct timespec until = pw_condition_deadline(-86400000000);
    pthread_mutex_lock(&mutex);
    cr_expect_eq(pthread_cond_timedwait(&condition, &mutex, &until), ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&condition);
}
