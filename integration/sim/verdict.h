/* integration/sim/verdict.h: what a process that runs seeds tells the one that waits for it. Lies in
 * memory that both share, so that it outlives a run that ends by an assert or a signal. */
#ifndef PW_INTEGRATION_SIM_VERDICT_H
#define PW_INTEGRATION_SIM_VERDICT_H

#include <stdint.h>

struct verdict {
    uint64_t seed; /* Under way. */
    char rule[64]; /* Empty: none was found broken. */
    char text[400];
};

extern struct verdict *sim_verdict;

#endif
