/* api/workers.c: a thread per read model. */
#include "api/workers.h"

#include <stdlib.h>

#include "api/log.h"
#include "api/node.h"
#include "commands/memory.h"
#include "projections/galera_storage.h"

static enum pw_code open_ledger(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    return pw_node_open_ledger(self, true, (struct pw_ledger_wake){0}, ret_ledger, err);
}

static void on_line(void *self, bool is_error, const char *projection, const char *message)
{
    (void)self;
    pw_log(is_error ? PW_LOG_ERROR : PW_LOG_INFO, "projections", PW_LOG_NO_PARTITION, NULL,
           "%s: %s", projection, message);
}

static enum pw_code start_one(struct pw_node_workers *workers, const struct pw_config *config,
                              uint32_t number, struct pw_err *err)
{
    struct pw_storage storage;
    struct pw_galera_options galera = pw_node_galera(config);
    galera.first_node = number;
    enum pw_code code = pw_galera_storage_open(&galera, &storage, err);
    if (code != PW_OK) {
        return code;
    }
    struct pw_worker_options options = {
        .projection = pw_projections[number],
        .open_ledger = open_ledger,
        .open_ledger_self = (void *)(uintptr_t)config,
        .storage = storage,
        .snapshots_dir = pw_node_snapshots_dir(config),
        .log = {.line = on_line},
    };
    struct pw_worker *worker = pw_worker_new(&options);
    workers->workers[workers->count] = worker;
    workers->names[workers->count++] = pw_projections[number]->name;
    return pw_worker_start(worker) ? PW_OK : pw_fail(err, PW_ERR_INTERNAL, "no more threads");
}

struct pw_node_workers *pw_node_workers_start(const struct pw_config *config, struct pw_err *err)
{
    struct pw_node_workers *workers = pw_memory_new(1, sizeof *workers);
    uint32_t count = pw_config_runs(config, "projections") ? pw_projection_count : 0;
    for (uint32_t i = 0; i < count && i < PW_WORKERS_MAX; i++) {
        if (start_one(workers, config, i, err) != PW_OK) {
            pw_node_workers_stop(workers);
            return NULL;
        }
    }
    return workers;
}

void pw_node_workers_stop(struct pw_node_workers *workers)
{
    if (workers == NULL) {
        return;
    }
    for (uint32_t i = 0; i < workers->count; i++) {
        pw_worker_stop(workers->workers[i]);
        pw_worker_free(workers->workers[i]);
    }
    free(workers);
}
