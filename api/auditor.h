/* api/auditor.h: scans of the ledger that are asked for by HTTP, in turns.
 *
 * Contract  There are places for so many scans; who finds none is told so at once. One tenant has half of them at most, so that it keeps
 *           nobody else out, and one scan at a time folds, since it holds the tenant in memory: until its last turn. A scan goes on by turns
 *           of PW_AUDITOR_TURN_US at most, and what its plan's `over` takes, in threads that yield to all others, so that a long one holds
 *           up neither commands, queries nor short ones. Between turns it holds no thread, only its place, its ledger handle and its fold.
 * Owner     A scan lies where its owner has it, and belongs to the auditor while a turn is under way, and from pw_auditor_leave on until
 *           `left` is called.
 * Threads   Any; `done` is called on a thread of the auditor's, `left` there or within pw_auditor_leave.
 * Errors    QUEUE_FULL: no place is free for it. STOPPING. */
#ifndef PW_API_AUDITOR_H
#define PW_API_AUDITOR_H

#include "api/audit_scan.h"
#include "api/pool.h"

#define PW_AUDITOR_TURN_US PW_US_PER_SECOND

struct pw_auditor;

struct pw_auditor_options {
    void *self;
    enum pw_code (*open)(void *self, struct pw_ledger *ret_ledger, struct pw_err *err);
    uint32_t places;
    uint32_t partition_count;
    struct pw_clock clock;
};

struct pw_audit_turns {
    struct pw_pool_job job; /* First: the pool gives the job, and the rest is found by it. */
    struct pw_auditor *auditor;
    struct pw_audit_scan scan;
    struct pw_audit_scan_plan plan;
    bool was_begun;
    uint32_t place;                             /* The auditor's own. */
    void (*done)(struct pw_audit_turns *turns); /* job.code: whether the turn took place. */
    void (*left)(struct pw_audit_turns *turns);
};

enum pw_code pw_auditor_new(const struct pw_auditor_options *options,
                            struct pw_auditor **ret_auditor, struct pw_err *err);

/* Takes a place, as one of the tenant's. turns->plan.folds is set by now. */
enum pw_code pw_auditor_enter(struct pw_auditor *auditor, const struct pw_id *tenant_id,
                              struct pw_audit_turns *turns);

/* The first turn initialises the scan by turns->plan, of which opener, clock and marks are the auditor's own. */
enum pw_code pw_auditor_turn(struct pw_audit_turns *turns);

/* Closes the scan, and gives the place back. No turn is under way. */
void pw_auditor_leave(struct pw_audit_turns *turns);

/* Answers what waits, and ends the threads. May be repeated. */
void pw_auditor_stop(struct pw_auditor *auditor);
void pw_auditor_free(struct pw_auditor *auditor); /* Stops it first. */

struct pw_audit_marks *pw_auditor_marks(struct pw_auditor *auditor);

struct pw_auditor_counts {
    uint32_t open;
    uint64_t entered;
    uint64_t refused;
    uint64_t records; /* Read by those that have left. */
};
void pw_auditor_count(struct pw_auditor *auditor,
                      struct pw_auditor_counts *ret_counts); /* Zeros for NULL. */

#endif
