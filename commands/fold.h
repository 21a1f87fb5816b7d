/* commands/fold.h: one partition of the ledger, read record by record: the chain decides what
 * counts, evolve what it means.
 *
 * Contract  Feed every record in offset order, as for pw_chain_take. Engine, projections and audit
 *           read through this one fold, so they cannot disagree. An accepted record that the state
 *           cannot take stops the fold like a damaged one stops the chain.
 * Owner     The fold owns chain and state. Events and texts given to the observer live for its
 *           call.
 * Threads   One owner. */
#ifndef PW_COMMANDS_FOLD_H
#define PW_COMMANDS_FOLD_H

#include "commands/state.h"
#include "eventstore/chain.h"

struct pw_fold {
    struct pw_chain chain;
    struct pw_state *state;
    struct pw_id
        only; /* The boundary whose events are folded; the chain is judged whole. Nil: all. */
};

/* `accepted` is told of each record that the chain has accepted, before the state takes it: what it has
 * to do is done while memory fetches what the state needs. `event` is told, for each event of an
 * accepted commit, after the state took it: the boundary's state as it is now. NULL members are not
 * called. */
struct pw_fold_observer {
    void *self;
    void (*accepted)(void *self, const struct pw_chain *chain, const struct pw_record *record);
    void (*event)(void *self, const struct pw_record *record, uint32_t index,
                  const struct pw_event *event, const struct pw_tenant *after);
};

void pw_fold_init(struct pw_fold *fold, uint32_t partition);
void pw_fold_close(struct pw_fold *fold);

/* Takes one record. On PW_CHAIN_ACCEPTED *ret_record is filled, until the next take. On
 * PW_CHAIN_STOPPED fold->chain.stopped says why. */
enum pw_verdict pw_fold_take(struct pw_fold *fold, int64_t offset, const void *value,
                             size_t value_bytes, const struct pw_fold_observer *observer,
                             struct pw_record *ret_record);

/* The same, for who has computed pw_record_hash of the value already; NULL: it is computed here. */
enum pw_verdict pw_fold_take_hashed(struct pw_fold *fold, int64_t offset, const void *value,
                                    size_t value_bytes, const struct pw_hash *hash,
                                    const struct pw_fold_observer *observer,
                                    struct pw_record *ret_record);

#endif
