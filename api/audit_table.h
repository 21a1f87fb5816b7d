/* api/audit_table.h: what auditors can ask of the ledger by HTTP: one table, pw_audits.
 *
 * Contract  Routes, roles, parameters and the API's document follow from it; api/audit_door.c answers. Paths start after
 *           /v1/tenants/{tenant}.
 * Threads   Constant. */
#ifndef PW_API_AUDIT_TABLE_H
#define PW_API_AUDIT_TABLE_H

#include "schemas/schema.h"

enum pw_audit_param_kind {
    PW_AUDIT_PARAM_NUMBER,
    PW_AUDIT_PARAM_ID,
    PW_AUDIT_PARAM_AT, /* A moment. */
    PW_AUDIT_PARAM_FLAG,
    PW_AUDIT_PARAM_POSITION
};

/* UPPER, "name", KIND, min, "what it is": of a NUMBER the least. Each means what the command line's flag does (docs/audit.md). */
#define PW_AUDIT_PARAMS(X)                                                                         \
    X(FROM, "from", NUMBER, 0, "Only from this offset on")                                         \
    X(FROM_HEIGHT, "from_height", NUMBER, 0, "Only from this height on")                           \
    X(TO, "to", NUMBER, 0, "Only up to this offset, inclusive")                                    \
    X(LIMIT, "limit", NUMBER, 1, "So many records at most; without, all")                          \
    X(SINCE, "since", AT, 0, "Only what was decided then or later")                                \
    X(UNTIL, "until", AT, 0, "Only what was decided then or earlier")                              \
    X(EXAM, "exam_id", ID, 0, "Only the exam's own, its slots', and their reservations'")          \
    X(STUDENT, "student_id", ID, 0, "Only what is about this person")                              \
    X(STREAM, "stream_id", ID, 0,                                                                  \
      "Only this stream's: an exam, a slot, a reservation, a person, a "                           \
      "session, the tenant")                                                                       \
    X(ANSWERS, "answers", FLAG, 0, "Decisions that changed nothing too: refusals, and yeses")      \
    X(REFUSED, "refused", FLAG, 0, "Refusals alone")                                               \
    X(PLACE, "at", POSITION, 0, "Up to and including that record, as `Pw-Position` names it")      \
    X(TIME, "time", AT, 0, "Up to what was decided by then, inclusive")

enum pw_audit_param {
#define PW_AUDIT_PARAM_MEMBER(UPPER, name, kind, min, doc) PW_AUDIT_##UPPER,
    PW_AUDIT_PARAMS(PW_AUDIT_PARAM_MEMBER)
#undef PW_AUDIT_PARAM_MEMBER
        PW_AUDIT_PARAM_COUNT
};

struct pw_audit_param_info {
    const char *name;
    enum pw_audit_param_kind kind;
    int64_t min;
    const char *doc;
};

extern const struct pw_audit_param_info pw_audit_params[PW_AUDIT_PARAM_COUNT];

enum pw_audit_number { PW_AUDIT_RECORDS, PW_AUDIT_EVENTS, PW_AUDIT_STATE, PW_AUDIT_COUNT };

struct pw_audit_info {
    const char *name; /* For counters and as the operation's id. */
    const char *path;
    const char *doc;
    const char *answer_doc;
    uint32_t roles;
    uint32_t params; /* Bits of 1 << enum pw_audit_param. */
    bool is_stream;  /* Of lines (NDJSON); else one JSON object. */
};

extern const struct pw_audit_info pw_audits[PW_AUDIT_COUNT];

#define PW_NDJSON "application/x-ndjson"

#endif
