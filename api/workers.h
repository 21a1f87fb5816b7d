/* api/workers.h: the workers of a node, for its status pages. They are started and stopped by
 * api/node.h. */
#ifndef PW_API_WORKERS_H
#define PW_API_WORKERS_H

#include "projections/worker.h"

#define PW_WORKERS_MAX 16

struct pw_node_workers {
    struct pw_worker *workers[PW_WORKERS_MAX];
    const char *names[PW_WORKERS_MAX];
    uint32_t count;
};

#endif
