/* api/audit_marks.h: places of the ledger that scans of this node have passed, from which later ones go on.
 *
 * Contract  What a scan has judged from the genesis on is judged: a record that it passed is as good a beginning as the genesis, once
 *           the log still shows it (docs/ledger.md, section 11). So every accepted record is noted as scans pass it, and some are kept as
 *           marks: at most PW_AUDIT_MARKS_MAX a partition, evenly. Of each tenant the last mark before its first record is known.
 * Owner     Marks are copies.
 * Threads   Any; a lock guards it. */
#ifndef PW_API_AUDIT_MARKS_H
#define PW_API_AUDIT_MARKS_H

#include "eventstore/chain.h"

#define PW_AUDIT_MARKS_MAX 1024

struct pw_audit_mark {
    int64_t offset; /* -1: none, the genesis is to be read. */
    uint64_t height;
    int64_t decided_at_us;
    struct pw_hash head;
    struct pw_id ledger_id;
};

struct pw_audit_marks;

struct pw_audit_marks *pw_audit_marks_new(uint32_t partition_count);
void pw_audit_marks_free(struct pw_audit_marks *marks);

/* The accepted record that a chain stands on, which began at the genesis or at a mark. */
void pw_audit_marks_note(struct pw_audit_marks *marks, const struct pw_chain *chain,
                         const struct pw_record *record);

/* What is to be read: all that meets all of it. */
struct pw_audit_range {
    struct pw_id tenant_id; /* Only the tenant's; nil: everybody's. */
    int64_t from;           /* From this offset, height and moment on. */
    uint64_t from_height;
    int64_t since_us;
};

/* The last mark before anything in the range. */
struct pw_audit_mark pw_audit_marks_before(struct pw_audit_marks *marks, uint32_t partition,
                                           const struct pw_audit_range *range);

#endif
