/* api/audit_table.c: what auditors can ask of the ledger by HTTP. */
#include "api/audit_table.h"

#define BIT(param) (UINT32_C(1) << PW_AUDIT_##param)

const struct pw_audit_param_info pw_audit_params[PW_AUDIT_PARAM_COUNT] = {
#define PW_AUDIT_PARAM_ROW(UPPER, name, kind, min, doc)                                            \
    [PW_AUDIT_##UPPER] = {name, PW_AUDIT_PARAM_##kind, min, doc},
    PW_AUDIT_PARAMS(PW_AUDIT_PARAM_ROW)
#undef PW_AUDIT_PARAM_ROW
};

#define LINES_DOC                                                                                  \
    " A line `{\"progress\": ...}` tells that a long search goes on, each second. The last line "  \
    "is "                                                                                          \
    "`{\"end\": ...}`; an answer without it is not whole, and where the reason is known a line "   \
    "`{\"problem\": ...}` says it."

const struct pw_audit_info pw_audits[PW_AUDIT_COUNT] = {
    [PW_AUDIT_RECORDS] =
        {
            .name = "audit_records",
            .path = "/audit/records",
            .doc = "The records of the partition that the tenant lies in, so that the chain can be "
                   "verified from outside. A record that says something of others has the SHA-256 "
                   "of its body in the body's place, which is all that its hash needs.",
            .answer_doc =
                "One JSON object a line. First `{\"begin\": ...}`: ledger, partition, number of "
                "partitions, tenant. Then each accepted record: `offset`, `height`, `prev`, "
                "`hash`, "
                "and `body` (base64url) or `body_sha256`. `end` has the record that it ends on, "
                "and `next`: the offset to go on `from`, or null." LINES_DOC,
            .roles = PW_ROLE(AUDITOR),
            .params = BIT(FROM) | BIT(FROM_HEIGHT) | BIT(LIMIT),
            .is_stream = true,
        },
    [PW_AUDIT_EVENTS] =
        {
            .name = "audit_events",
            .path = "/audit/events",
            .doc = "What happened, by whom, in the order of the ledger. All parameters that are "
                   "given must hold: of a stream, of a whole exam, about a person, in a time; with "
                   "what was refused, and why.",
            .answer_doc = "One JSON object a line, as `proctorwise audit replay --json` prints "
                          "them. What is personal is sealed. `end` has the position up to which "
                          "this is all." LINES_DOC,
            .roles = PW_ROLE(AUDITOR),
            .params = BIT(FROM) | BIT(TO) | BIT(SINCE) | BIT(UNTIL) | BIT(EXAM) | BIT(STUDENT) |
                      BIT(STREAM) | BIT(ANSWERS) | BIT(REFUSED),
            .is_stream = true,
        },
    [PW_AUDIT_STATE] =
        {
            .name = "audit_state",
            .path = "/audit/state",
            .doc = "How a stream stood, at a position of the ledger, at a moment, or at its end. "
                   "Without `stream_id`: the tenant as a whole, and the hash of its state.",
            .answer_doc = "As `proctorwise audit as-of --json` prints it, but `decided_at` is that "
                          "of the tenant's own last record, and of a `time` the `position` too.",
            .roles = PW_ROLE(AUDITOR),
            .params = BIT(STREAM) | BIT(PLACE) | BIT(TIME),
        },
};
