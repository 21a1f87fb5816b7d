/* api/audit_question.h: how a stream, or a whole tenant, stood at a position of the ledger or at a moment.
 *
 * Contract  The tenant's partition is folded from its beginning for as long as pw_audit_question_wants says so; it is told each of the
 *           fold's events. Then pw_audit_question_answer says what the fold stands on, or why it cannot be said.
 *           is_for_tenant: the answer is for somebody of the tenant, who is to learn nothing of others in the partition, not even when they
 *           decided something. `decided_at` is then that of the tenant's own last record, and where a moment was asked for, `position`
 *           too. Such a question is told each accepted record.
 * Owner     The caller's struct; the answer is a new object, the caller's.
 * Threads   One owner.
 * Errors    POSITION_DIVERGED: at that position stands no accepted record, or another one. NO_SUCH_TENANT, NOT_FOUND: the tenant, or the
 *           stream, had no event yet. What stopped the fold. */
#ifndef PW_API_AUDIT_QUESTION_H
#define PW_API_AUDIT_QUESTION_H

#include <jansson.h>

#include "api/headers.h"
#include "commands/fold.h"

/* What changed a stream last. */
struct pw_audit_change {
    const struct pw_event_info *event; /* NULL: nothing yet. */
    uint32_t version;
    int64_t at_us;
    struct pw_position position;
};

struct pw_audit_question {
    struct pw_id tenant_id;
    struct pw_id stream_id; /* Nil: the tenant as a whole. */
    bool has_at;
    struct pw_min_position at;
    int64_t until_us; /* INT64_MAX: no time was given. */
    bool is_for_tenant;

    /* The module's own. */
    struct pw_audit_change last;
    struct pw_position own_position; /* The tenant's last record. */
    int64_t own_at_us;
    bool goes_on; /* There is more of the log than was wanted. */
};

/* Whether this record, which the chain has not taken yet, and what comes after it are wanted. */
bool pw_audit_question_wants(struct pw_audit_question *question, const struct pw_chain *chain,
                             int64_t offset, const void *value, size_t value_bytes);

/* The record that the chain stands on. */
void pw_audit_question_record(struct pw_audit_question *question, const struct pw_chain *chain,
                              const struct pw_record *record);

/* An event of the record that the chain stands on. */
void pw_audit_question_event(struct pw_audit_question *question, const struct pw_chain *chain,
                             const struct pw_record *record, const struct pw_event *event);

enum pw_code pw_audit_question_answer(const struct pw_audit_question *question,
                                      const struct pw_fold *fold, json_t **ret_json,
                                      struct pw_err *err);

#endif
