/* api/audit_scan.h: one partition of the ledger, read in steps, up to a record that this node has confirmed.
 *
 * Contract  The scan has a ledger handle of its own, opened by its first step and closed by its last. A step takes records until its time is over, until its
 *           reader wants to pause, or until the scan is over: `end` was met, or the reader had enough. The chain is judged from the
 *           genesis on, or from a mark that an earlier scan has judged. What was folded goes with the last step, after the reader was
 *           told that it is over; the chain stays.
 * Owner     The plan, and what it borrows, outlive the scan. Between init and close it holds memory, and the handle.
 * Threads   One at a time: a step may run in another thread than the one before.
 * Errors    LEDGER_DOWN: try later. LEDGER_DIVERGED: the log has not what was read of it before. LEDGER_DAMAGED: what it has cannot be
 *           taken further. */
#ifndef PW_API_AUDIT_SCAN_H
#define PW_API_AUDIT_SCAN_H

#include "api/audit_marks.h"
#include "commands/engine.h"
#include "commands/fold.h"

enum pw_audit_go { PW_AUDIT_ON, PW_AUDIT_PAUSE, PW_AUDIT_ENOUGH };

struct pw_audit_scan_plan {
    void *self; /* The opener's. */
    enum pw_code (*open)(void *self, struct pw_ledger *ret_ledger, struct pw_err *err);
    struct pw_clock clock;
    struct pw_audit_marks *marks;

    uint32_t partition;
    struct pw_audit_mark start;
    struct pw_position end;
    struct pw_id
        folds; /* The boundary that is folded, from the genesis on; nil: the chain alone is judged. */

    void *reader;
    /* Whether this record, which the chain has not taken yet, and what comes after it are wanted. NULL: all are. */
    bool (*wants)(void *reader, const struct pw_chain *chain, int64_t offset, const void *value,
                  size_t value_bytes);
    /* An accepted record, which the chain stands on. */
    enum pw_audit_go (*record)(void *reader, const struct pw_chain *chain,
                               const struct pw_record *record, const void *value,
                               size_t value_bytes);
    struct pw_fold_observer observer; /* Of what is folded. */
    /* It is over, and nothing went wrong: the last moment to ask the fold. Takes what time it takes. NULL: not told. */
    void (*over)(void *reader, const struct pw_fold *fold);
};

struct pw_audit_scan {
    const struct pw_audit_scan_plan *plan;
    struct pw_ledger ledger;
    bool is_open;
    bool is_resuming; /* The record of the mark is still to come. */
    struct pw_fold fold;
    uint64_t record_count; /* Read. */
    bool is_over;
    bool is_at_end;
    enum pw_code code; /* PW_OK while it goes on. */
    struct pw_err err;
    int64_t silent_us; /* So long steps have waited for the log to say anything. */
};

void pw_audit_scan_init(struct pw_audit_scan *scan, const struct pw_audit_scan_plan *plan);
void pw_audit_scan_close(struct pw_audit_scan *scan);

void pw_audit_scan_step(struct pw_audit_scan *scan, int64_t until_boot_us);

#endif
