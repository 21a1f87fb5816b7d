/* api/audit_scan.c: one partition of the ledger, read in steps. */
#include "api/audit_scan.h"

#include <inttypes.h>

#define SILENCE_US (30 * PW_US_PER_SECOND) /* A log that says nothing for so long is down. */

void pw_audit_scan_init(struct pw_audit_scan *scan, const struct pw_audit_scan_plan *plan)
{
    *scan = (struct pw_audit_scan){.plan = plan};
    pw_fold_init(&scan->fold, plan->partition);
    scan->fold.only = plan->folds;
    scan->is_resuming = plan->start.offset >= 0;
    assert(!scan->is_resuming || pw_id_is_nil(&plan->folds));
}

static void close_ledger(struct pw_audit_scan *scan)
{
    if (scan->is_open) {
        scan->ledger.close(scan->ledger.self);
        scan->is_open = false;
    }
}

static void finish(struct pw_audit_scan *scan)
{
    const struct pw_audit_scan_plan *plan = scan->plan;
    close_ledger(scan);
    if (scan->code == PW_OK && plan->over != NULL) {
        plan->over(plan->reader, &scan->fold);
    }
    pw_state_free(scan->fold.state);
    scan->fold.state = NULL;
}

void pw_audit_scan_close(struct pw_audit_scan *scan)
{
    close_ledger(scan);
    pw_fold_close(&scan->fold);
}

static int64_t boot_us(const struct pw_audit_scan *scan)
{
    return scan->plan->clock.boot_us(scan->plan->clock.self);
}

static enum pw_code open_ledger(struct pw_audit_scan *scan)
{
    const struct pw_audit_scan_plan *plan = scan->plan;
    struct pw_chain *chain = &scan->fold.chain;
    enum pw_code code = plan->open(plan->self, &scan->ledger, &scan->err);
    if (code != PW_OK) {
        return code;
    }
    scan->is_open = true;
    chain->partition_count = scan->ledger.partition_count;
    chain->ledger_id = plan->start.ledger_id; /* Nil without a mark. */
    scan->ledger.saw(scan->ledger.self, plan->partition, plan->end.offset);
    return scan->ledger.read_from(scan->ledger.self, plan->partition,
                                  scan->is_resuming ? plan->start.offset : 0, &scan->err);
}

static enum pw_audit_go diverged(struct pw_audit_scan *scan, int64_t offset)
{
    scan->code = pw_fail(&scan->err, PW_ERR_LEDGER_DIVERGED,
                         "diverged at partition %" PRIu32 ", offset %" PRId64,
                         scan->plan->partition, offset);
    return PW_AUDIT_ENOUGH;
}

/* Whether the chain stands where the node stood. */
static enum pw_audit_go compare_end(struct pw_audit_scan *scan)
{
    const struct pw_chain *chain = &scan->fold.chain;
    const struct pw_position *end = &scan->plan->end;
    if (chain->head_offset != end->offset ||
        memcmp(chain->head.bytes, end->head, sizeof end->head) != 0) {
        return diverged(scan, end->offset);
    }
    scan->is_at_end = true;
    return PW_AUDIT_ENOUGH;
}

static enum pw_audit_go resume(struct pw_audit_scan *scan, const struct pw_ledger_event *event)
{
    const struct pw_audit_mark *start = &scan->plan->start;
    bool is_there = event->offset == start->offset;
    scan->is_resuming = false;
    scan->code = pw_chain_resume(&scan->fold.chain, start->offset, &start->head,
                                 is_there ? event->value : NULL, is_there ? event->value_bytes : 0,
                                 &scan->err);
    if (scan->code != PW_OK) {
        return PW_AUDIT_ENOUGH;
    }
    return start->offset >= scan->plan->end.offset ? compare_end(scan) : PW_AUDIT_ON;
}

static enum pw_verdict judge(struct pw_audit_scan *scan, const struct pw_ledger_event *event,
                             struct pw_record *ret_record)
{
    struct pw_fold *fold = &scan->fold;
    return pw_id_is_nil(&fold->only)
               ? pw_chain_take(&fold->chain, event->offset, event->value, event->value_bytes,
                               ret_record)
               : pw_fold_take(fold, event->offset, event->value, event->value_bytes,
                              &scan->plan->observer, ret_record);
}

static enum pw_audit_go take_record(struct pw_audit_scan *scan, const struct pw_ledger_event *event)
{
    const struct pw_audit_scan_plan *plan = scan->plan;
    const struct pw_chain *chain = &scan->fold.chain;
    struct pw_record record;
    enum pw_audit_go go = PW_AUDIT_ON;
    scan->record_count++;
    if (scan->is_resuming) {
        return resume(scan, event);
    }
    if (event->offset > plan->end.offset) {
        return compare_end(scan);
    }
    if (plan->wants != NULL &&
        !plan->wants(plan->reader, chain, event->offset, event->value, event->value_bytes)) {
        return PW_AUDIT_ENOUGH;
    }
    enum pw_verdict verdict = judge(scan, event, &record);
    if (verdict == PW_CHAIN_STOPPED) {
        scan->code = pw_fail(&scan->err, chain->stopped.code, "%s", chain->stopped.detail);
        return PW_AUDIT_ENOUGH;
    }
    if (verdict == PW_CHAIN_ACCEPTED) {
        pw_audit_marks_note(plan->marks, chain, &record);
        go = plan->record(plan->reader, chain, &record, event->value, event->value_bytes);
    }
    return event->offset == plan->end.offset ? compare_end(scan) : go;
}

static enum pw_audit_go take_lost(struct pw_audit_scan *scan, const struct pw_ledger_event *event)
{
    if (event->code != PW_ERR_LEDGER_DAMAGED) {
        return diverged(scan, event->offset);
    }
    scan->code = pw_fail(&scan->err, PW_ERR_LEDGER_DAMAGED,
                         "damaged-file: partition %" PRIu32 ", offset %" PRId64 ": %s",
                         event->partition, event->offset,
                         event->detail != NULL ? event->detail : "the log has no such offset");
    return PW_AUDIT_ENOUGH;
}

static enum pw_audit_go down(struct pw_audit_scan *scan, const char *detail)
{
    scan->code = pw_fail(&scan->err, PW_ERR_LEDGER_DOWN, "%s",
                         detail != NULL ? detail : "the brokers say nothing");
    return PW_AUDIT_ENOUGH;
}

/* What comes next, if anything does by then. */
static enum pw_audit_go take_next(struct pw_audit_scan *scan, int64_t now_us, int64_t until_us)
{
    struct pw_ledger_event event;
    scan->ledger.next(scan->ledger.self, (int)((until_us - now_us) / PW_US_PER_MS) + 1, &event);
    scan->silent_us =
        event.kind == PW_LEDGER_NOTHING ? scan->silent_us + boot_us(scan) - now_us : 0;
    if (scan->silent_us > SILENCE_US) {
        return down(scan, NULL);
    }
    switch (event.kind) {
    case PW_LEDGER_RECORD: return take_record(scan, &event);
    case PW_LEDGER_LOST: return take_lost(scan, &event);
    case PW_LEDGER_DOWN: return down(scan, event.detail);
    default: return PW_AUDIT_ON; /* An end before ours is one that lags. */
    }
}

void pw_audit_scan_step(struct pw_audit_scan *scan, int64_t until_boot_us)
{
    int64_t now_us = boot_us(scan);
    enum pw_audit_go go = PW_AUDIT_ON;
    if (!scan->is_open) {
        scan->code = open_ledger(scan);
        scan->is_over = scan->code != PW_OK;
    }
    while (!scan->is_over && go == PW_AUDIT_ON && now_us < until_boot_us) {
        go = take_next(scan, now_us, until_boot_us);
        scan->is_over = go == PW_AUDIT_ENOUGH;
        now_us = boot_us(scan);
    }
    if (scan->is_over) {
        finish(scan);
    }
}
