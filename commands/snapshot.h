/* commands/snapshot.h: what a snapshot of a partition holds (docs/snapshots.md), and the way back
 * from it.
 *
 * Contract  A snapshot is of confirmed state, with what a reader needs to go on: the chain's place,
 *           the command ids that are remembered, who leads. It only saves time. One that is torn, of
 *           another ledger or partition, of a newer format or of other tables is told in a warning
 *           and left alone. One that is good says what the log held: the caller reads the record at
 *           its offset again, and a log that has another there, or none, has diverged.
 * Owner     The caller's fold and memory. Nothing of a snapshot is kept.
 * Threads   One owner of the fold. pw_snapshot_write may run in a child that was forked while other
 *           threads ran, once fold and memory are shared with it.
 * Errors    INTERNAL, with a detail. Nobody stops for that. */
#ifndef PW_COMMANDS_SNAPSHOT_H
#define PW_COMMANDS_SNAPSHOT_H

#include "commands/fold.h"
#include "commands/remembered.h"

/* Who leads by the last accepted `leader` record. */
struct pw_snapshot_leader {
    char node_id[65];
    struct pw_id incarnation;
    bool known;
};

/* Writes one of the fold as it stands; it stands on a record. */
enum pw_code pw_snapshot_write(const char *dir, const struct pw_fold *fold,
                               const struct pw_remembered *remembered,
                               const struct pw_snapshot_leader *leader, struct pw_err *err);

struct pw_snapshot_source {
    const char *dir;
    int64_t offset_max; /* Only snapshots up to there. */
    void (*warn)(void *self, const char *text);
    void *warn_self;
};

/* Puts the fold where the newest good snapshot stood: true, and the fold (and where they are wanted, a
 * memory in place of *remembered, and the leader) is as if every record up to chain.head_offset had
 * been read. False: nothing has changed. The fold's chain says whose snapshots are good: partition,
 * partition_count, ledger_id, and horizon_us unless that is 0. */
bool pw_snapshot_restore(const struct pw_snapshot_source *source, struct pw_fold *fold,
                         struct pw_remembered **remembered, struct pw_snapshot_leader *leader);

/* Reads the content of a file into a fresh fold and a new memory (may be NULL: its ids are passed
 * over unread). On failure both are only to be closed. */
enum pw_code pw_snapshot_read(const void *content, size_t content_bytes, struct pw_fold *fold,
                              struct pw_remembered *remembered, struct pw_snapshot_leader *leader,
                              struct pw_err *err);

/* SHA-256 over what a state is folded by: its format, every event, every field. */
struct pw_hash pw_snapshot_schema(void);

#endif
