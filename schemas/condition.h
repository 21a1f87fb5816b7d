/* schemas/condition.h: conditions that are waited for by the monotonic clock: a wall clock that is set holds nobody up.
 *
 *   struct timespec until = pw_condition_deadline(us);
 *   while (!met && pthread_cond_timedwait(&condition, &mutex, &until) == 0) {
 *   }
 *
 * Units   Microseconds. */
#ifndef PW_SCHEMAS_CONDITION_H
#define PW_SCHEMAS_CONDITION_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

void pw_condition_init(pthread_cond_t *condition);

/* So long from now; us may be negative: it is over. */
struct timespec pw_condition_deadline(int64_t us);

#endif
