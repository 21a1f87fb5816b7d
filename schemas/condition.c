/* schemas/condition.c: conditions that are waited for by the monotonic clock. */
#include "schemas/condition.h"

#define US_PER_SECOND INT64_C(1000000)
#define NS_PER_SECOND INT64_C(1000000000)

void pw_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct timespec pw_condition_deadline(int64_t us)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    us = us < 0 ? 0 : us;
    int64_t ns = until.tv_nsec + us % US_PER_SECOND * 1000;
    until.tv_sec += us / US_PER_SECOND + ns / NS_PER_SECOND;
    until.tv_nsec = ns % NS_PER_SECOND;
    return until;
}
