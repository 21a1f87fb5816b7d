/* api/node.h: all parts of one running node, built, watched and taken down in order.
 *
 * Contract  pw_node_start opens the keys (where keys.master_files is set) and the ledger (waiting for
 *           Kafka as long as *stop is not set), starts engines, workers, query threads, peers and
 *           listeners. pw_node_stop drains: no new
 *           connections, jobs decided and answered, at most PW_DRAIN_SECONDS; then everything ends.
 *           Nothing on this node's disk is needed to come back.
 * Owner     The config is borrowed and outlives the node.
 * Threads   start and stop from one thread.
 * Errors    SETTING_WRONG, USAGE: name the setting. LEDGER_DOWN: *stop was set before Kafka
 *           answered. */
#ifndef PW_API_NODE_H
#define PW_API_NODE_H

#include <signal.h>

#include "api/config.h"
#include "api/news.h"
#include "api/service.h"
#include "eventstore/genesis.h"
#include "eventstore/key_log.h"

#define PW_DRAIN_SECONDS 20

struct pw_node;

enum pw_code pw_node_start(const struct pw_config *config, const volatile sig_atomic_t *stop,
                           struct pw_node **ret_node, struct pw_err *err);
void pw_node_stop(struct pw_node *node);

const struct pw_service *pw_node_service(const struct pw_node *node);

/* `serve --check`: settings, files, the settings of the ledger and of its keys, and, where a part needs them, whether the read models
 * answer. */
enum pw_code pw_node_check(const struct pw_config *config, struct pw_err *err);

/* What opens the cluster by the settings. */
struct pw_galera_options pw_node_galera(const struct pw_config *config);

/* --- api/ledgers.c: a ledger by the settings, on whichever adapter they name --- */
enum pw_code pw_node_open_ledger(const struct pw_config *config, bool reads_only,
                                 struct pw_ledger_wake wake, struct pw_ledger *ret_ledger,
                                 struct pw_err *err);
/* The same for reading; where dir is not NULL, the file ledger there. */
enum pw_code pw_node_open_to_read(const struct pw_config *config, const char *dir,
                                  struct pw_ledger *ret_ledger, struct pw_err *err);
enum pw_code pw_node_create_ledger(const struct pw_config *config,
                                   const struct pw_ledger_plan *plan, bool *ret_created,
                                   struct pw_id *ret_ledger_id, struct pw_err *err);
/* The keys that belong to the ledger: `<ledger.topic>.keys`, or the directory `<ledger.dir>.keys`. */
bool pw_node_has_keys(const struct pw_config *config); /* keys.master_files is set. */
enum pw_code pw_node_load_masters(const struct pw_config *config, struct pw_masters **ret_masters,
                                  struct pw_err *err);
enum pw_code pw_node_open_keys(const struct pw_config *config, bool reads_only,
                               struct pw_key_log *ret_log, struct pw_err *err);
enum pw_code pw_node_create_keys(const struct pw_config *config, bool *ret_created,
                                 struct pw_err *err);
const char *pw_node_snapshots_dir(const struct pw_config *config); /* NULL: none are kept. */

/* --- api/engines.c: threads that step engines --- */
struct pw_engine_threads;

struct pw_engine_threads_options {
    const struct pw_config *config;
    const char *node_id;
    struct pw_id incarnation;
    const struct pw_ranks *nodes; /* NULL: this node is alone. */
    struct pw_peers peers;
    struct pw_ledger_checks checks;
    const struct pw_news *news; /* Who is told of what is confirmed. */
    bool never_leads;
    const volatile sig_atomic_t *stop;
};

enum pw_code pw_engine_threads_start(const struct pw_engine_threads_options *options,
                                     struct pw_engine_threads **ret_threads, struct pw_err *err);
struct pw_engine **pw_engine_threads_engines(struct pw_engine_threads *threads,
                                             uint32_t *ret_count);
uint32_t pw_engine_threads_partition_count(const struct pw_engine_threads *threads);

/* Ends the threads once the engines are idle, or at that moment of boot time. What is left is
 * answered by pw_engine_threads_free. */
void pw_engine_threads_drain(struct pw_engine_threads *threads, int64_t until_boot_us);
void pw_engine_threads_free(struct pw_engine_threads *threads);

/* --- api/workers.c: a thread per read model --- */
struct pw_node_workers *pw_node_workers_start(const struct pw_config *config, struct pw_err *err);
void pw_node_workers_stop(struct pw_node_workers *workers);

#endif
