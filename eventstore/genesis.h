/* eventstore/genesis.h: what `admin ledger create` writes, whatever adapter the log lies behind.
 *
 * Contract  A genesis at offset 0 of every partition that has none. Safe to repeat, after a kill at any moment too: partitions
 *           without one get the ledger id and the horizon of those that have one.
 * Errors    LEDGER_DAMAGED: something else stands at an offset 0. LEDGER_DIVERGED: partitions of two ledgers. LEDGER_DOWN. */
#ifndef PW_EVENTSTORE_GENESIS_H
#define PW_EVENTSTORE_GENESIS_H

#include "eventstore/ledger.h"
#include "eventstore/record.h"

struct pw_ledger_plan {
    uint32_t partition_count;
    uint32_t replication_factor; /* Of Kafka. */
    int64_t horizon_us;
    struct pw_id ledger_id; /* For a new ledger. */
};

/* The handle is used alone meanwhile. *ret_created is false when every genesis was there. */
enum pw_code pw_genesis_ensure(const struct pw_ledger *ledger, const struct pw_ledger_plan *plan,
                               bool *ret_created, struct pw_id *ret_ledger_id, struct pw_err *err);

/* Only looks: the genesis of one of the partitions (of all zeros where none has one), and whether every partition has its own. */
enum pw_code pw_genesis_find(const struct pw_ledger *ledger, struct pw_genesis *ret_genesis,
                             bool *ret_complete, struct pw_err *err);

#endif
