/* api/ledger_watch.h: whether what the ledger rests on is set as it must be, looked at by a thread
 * of its own.
 *
 * Contract  The thread asks Kafka every ten seconds, which may take seconds; an engine that is
 *           about to lead asks here, and waits for nobody. A verdict stands until the next one:
 *           while Kafka cannot be asked nothing that we know of has changed.
 * Threads   pw_ledger_watch_checks' function: any. */
#ifndef PW_API_LEDGER_WATCH_H
#define PW_API_LEDGER_WATCH_H

#include "api/config.h"
#include "commands/engine.h"

struct pw_ledger_watch;

/* NULL where no thread can be made. The config outlives it. */
struct pw_ledger_watch *pw_ledger_watch_new(const struct pw_config *config);
void pw_ledger_watch_free(struct pw_ledger_watch *watch);

/* What an engine asks: OK, SETTING_WRONG, or LEDGER_DOWN before the first verdict. */
struct pw_ledger_checks pw_ledger_watch_checks(struct pw_ledger_watch *watch);

#endif
