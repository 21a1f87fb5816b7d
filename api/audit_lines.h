/* api/audit_lines.h: what an auditor is told, one JSON object a line: by the command line and by HTTP in the same words.
 *
 * Contract  An event, and an answer, as docs/audit.md has them. A record of a partition that tenants share: where it stands, what it was
 *           decided on, its hash, and its body, where nothing in it is about anybody else; else the body's SHA-256 alone, by which the
 *           hash can be computed all the same (docs/ledger.md, section 2).
 * Owner     A new object, the caller's. Lines are appended to the caller's buffer.
 * Threads   Any. */
#ifndef PW_API_AUDIT_LINES_H
#define PW_API_AUDIT_LINES_H

#include <jansson.h>

#include "eventstore/chain.h"

/* Where a line's record stands. */
struct pw_audit_place {
    uint32_t partition;
    int64_t offset;
};

json_t *pw_audit_line_event(const struct pw_audit_place *place, const struct pw_record *record,
                            uint32_t index, const struct pw_event *event);
json_t *pw_audit_line_answer(const struct pw_audit_place *place, const struct pw_record *record,
                             const struct pw_answer *answer);

/* The fields of an event. */
json_t *pw_audit_payload(const struct pw_event *event);

/* `3:10452:9f3a01c2`, of the record that a chain stands on. */
struct pw_position pw_audit_position(const struct pw_chain *chain);
json_t *pw_audit_position_json(const struct pw_position *position);

/* Whether a record says nothing but of that tenant: a genesis, a commit of theirs with whatever rides along, answers to them. What a
 * leader record says is the operator's, and its time another tenant's. */
bool pw_audit_is_of(const struct pw_record *record, const struct pw_id *tenant_id);

/* Appends an object, which it takes, and a line's end. */
void pw_audit_add_line(struct pw_buffer *buffer, json_t *line);

/* Appends the line of the accepted record that the chain stands on. */
void pw_audit_add_record(struct pw_buffer *buffer, const struct pw_chain *chain,
                         const struct pw_record *record, const void *value, size_t value_bytes,
                         const struct pw_id *tenant_id);

#endif
