/* api/roster_plan.h: which request of a roster's import goes out next, and what its answer means. Without a network: api/roster_send.c
 * has that.
 *
 * Contract  A row is registered under one Idempotency-Key, which is kept until it is answered for good: 429, 503 and silence are no
 *           answer, so the same request is repeated, not before the server's Retry-After, 30 s at most, for which all others wait as well. A row
 *           whose address has an account already is `exists`, with that account's id; where asked for, it is then granted the row's
 *           roles. So an import can be repeated, whatever became of the one before.
 *           What every further row would meet too ends the plan: a token or tenant that is not good, a server that is away
 *           for PW_PLAN_PATIENCE_US. So does pw_plan_stop. What is under way is then still waited for, nothing more is begun.
 * Units     now_us: any clock that does not go back.
 * Threads   One. */
#ifndef PW_API_ROSTER_PLAN_H
#define PW_API_ROSTER_PLAN_H

#include "api/roster.h"

#define PW_PLAN_IN_FLIGHT_MAX 256
#define PW_PLAN_PATIENCE_US   (30 * PW_US_PER_SECOND)

struct pw_plan;

/* Registered or not; what is not PLANNED any more is told by pw_plan_report. */
enum pw_plan_result {
    PW_PLAN_PLANNED,
    PW_PLAN_CREATED,
    PW_PLAN_EXISTS,
    PW_PLAN_REFUSED,
    PW_PLAN_UNKNOWN, /* It was sent, and nobody knows what became of it. */
    PW_PLAN_NOT_SENT,
    PW_PLAN_RESULT_COUNT
};
const char *pw_plan_result_name(enum pw_plan_result result); /* `not-sent` */

struct pw_plan_options {
    uint32_t in_flight; /* Requests at once, PW_PLAN_IN_FLIGHT_MAX at most. */
    bool grants;        /* Roles to who has an account already. */
    struct pw_id (*make_key)(void *self);
    void *self;
};

/* The roster has no faults, and outlives the plan. */
struct pw_plan *pw_plan_new(const struct pw_roster *roster, const struct pw_plan_options *options);
void pw_plan_free(struct pw_plan *plan);

struct pw_plan_request {
    uint32_t slot; /* Below in_flight, nobody else's until it is answered. */
    struct pw_id key;
    bool is_grant;
    struct pw_id user_id; /* Of a grant. */
    const char *body;
};

/* False: nothing is to be sent now. */
bool pw_plan_next(struct pw_plan *plan, int64_t now_us, struct pw_plan_request *ret_request);

struct pw_plan_answer {
    long status; /* 0: silence. */
    int64_t retry_after_us;
    const char *problem; /* `email-taken`, or empty. */
    const char *detail;  /* What a person should read. */
    const char *id;      /* Of a yes. */
};
void pw_plan_answered(struct pw_plan *plan, uint32_t slot, const struct pw_plan_answer *answer,
                      int64_t now_us);

/* How long until something may be sent, where nothing is under way; 0: at once. */
int64_t pw_plan_wait_us(const struct pw_plan *plan, int64_t now_us);

/* Nothing more is begun. */
void pw_plan_stop(struct pw_plan *plan);

/* Nothing is under way, and nothing will be. */
bool pw_plan_is_over(const struct pw_plan *plan);

/* Why it ended before its time, or NULL: what all rows would have met. */
const char *pw_plan_reason(const struct pw_plan *plan);
bool pw_plan_is_unreachable(const struct pw_plan *plan); /* That was it. */

struct pw_plan_report {
    uint32_t row;
    enum pw_plan_result result;
    char id[PW_ID_TEXT_BYTES + 1]; /* Or empty. */
    const char *detail;            /* Or empty; lives until the next call of any kind. */
};

/* Each row once, in the roster's order. False: the next one is still planned. */
bool pw_plan_report(struct pw_plan *plan, struct pw_plan_report *ret_report);

uint32_t pw_plan_count(const struct pw_plan *plan, enum pw_plan_result result);

#endif
