/* api/roster_plan.c: which request of a roster's import goes out next, and what its answer means. */
#include "api/roster_plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "commands/memory.h"

#define DETAIL_BYTES_MAX   320
#define SILENCE_PAUSE_US   (PW_US_PER_SECOND / 2)
#define RETRY_AFTER_US_MAX (30 * PW_US_PER_SECOND)

enum slot_state { FREE, UNDER_WAY, TO_SEND };

/* One row on its way: it keeps its slot, and its key, until it is answered for good. */
struct slot {
    enum slot_state state;
    uint32_t row;
    bool is_grant;
    struct pw_id key;
    struct pw_id user_id;
};

struct outcome {
    enum pw_plan_result result;
    char id[PW_ID_TEXT_BYTES + 1];
    char *detail; /* NULL: none. */
};

struct pw_plan {
    const struct pw_roster *roster;
    struct pw_plan_options options;
    struct slot slots[PW_PLAN_IN_FLIGHT_MAX];
    uint32_t under_way_count;
    uint32_t begun_count; /* Rows before this one have had a slot. */
    uint32_t told_count;
    uint32_t counts[PW_PLAN_RESULT_COUNT];
    int64_t paused_until_us;
    int64_t away_since_us; /* -1: the server answers. */
    bool is_stopped;
    bool is_unreachable;
    char *reason;
    struct outcome outcomes[];
};

const char *pw_plan_result_name(enum pw_plan_result result)
{
    static const char *const names[] = {
        [PW_PLAN_PLANNED] = "planned", [PW_PLAN_CREATED] = "created",
        [PW_PLAN_EXISTS] = "exists",   [PW_PLAN_REFUSED] = "refused",
        [PW_PLAN_UNKNOWN] = "unknown", [PW_PLAN_NOT_SENT] = "not-sent",
    };
    static_assert(PW_COUNT(names) == PW_PLAN_RESULT_COUNT, "each result has a name");
    return names[result];
}

struct pw_plan *pw_plan_new(const struct pw_roster *roster, const struct pw_plan_options *options)
{
    uint32_t rows = pw_roster_count(roster);
    struct pw_plan *plan = pw_memory_new(1, sizeof *plan + rows * sizeof plan->outcomes[0]);
    assert(pw_roster_fault_count(roster) == 0 && options->in_flight > 0 &&
           options->in_flight <= PW_PLAN_IN_FLIGHT_MAX);
    plan->roster = roster;
    plan->options = *options;
    plan->away_since_us = -1;
    plan->counts[PW_PLAN_PLANNED] = rows;
    return plan;
}

void pw_plan_free(struct pw_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    for (uint32_t i = 0; i < pw_roster_count(plan->roster); i++) {
        free(plan->outcomes[i].detail);
    }
    free(plan->reason);
    free(plan);
}

/* --- What goes out --- */

static void fill_request(const struct pw_plan *plan, uint32_t at, struct pw_plan_request *request)
{
    const struct slot *slot = &plan->slots[at];
    const struct pw_roster_row *row = pw_roster_row(plan->roster, slot->row);
    *request = (struct pw_plan_request){.slot = at,
                                        .key = slot->key,
                                        .is_grant = slot->is_grant,
                                        .user_id = slot->user_id,
                                        .body = slot->is_grant ? row->roles : row->body};
}

static bool begin_row(struct pw_plan *plan, struct slot *slot)
{
    if (slot->state != FREE || plan->begun_count == pw_roster_count(plan->roster)) {
        return false;
    }
    *slot =
        (struct slot){.row = plan->begun_count, .key = plan->options.make_key(plan->options.self)};
    plan->begun_count++;
    return true;
}

bool pw_plan_next(struct pw_plan *plan, int64_t now_us, struct pw_plan_request *ret_request)
{
    if (plan->is_stopped || now_us < plan->paused_until_us) {
        return false;
    }
    for (uint32_t i = 0; i < plan->options.in_flight; i++) {
        struct slot *slot = &plan->slots[i];
        if (slot->state == TO_SEND || begin_row(plan, slot)) {
            slot->state = UNDER_WAY;
            plan->under_way_count++;
            fill_request(plan, i, ret_request);
            return true;
        }
    }
    return false;
}

int64_t pw_plan_wait_us(const struct pw_plan *plan, int64_t now_us)
{
    return now_us < plan->paused_until_us ? plan->paused_until_us - now_us : 0;
}

/* --- What comes back --- */

static void settle(struct pw_plan *plan, uint32_t row, enum pw_plan_result result, const char *id,
                   const char *detail)
{
    struct outcome *outcome = &plan->outcomes[row];
    plan->counts[outcome->result]--;
    plan->counts[result]++;
    outcome->result = result;
    snprintf(outcome->id, sizeof outcome->id, "%s", id);
    outcome->detail = detail[0] != '\0' ? strndup(detail, DETAIL_BYTES_MAX) : NULL;
}

static void settle_slot(struct pw_plan *plan, struct slot *slot, enum pw_plan_result result,
                        const char *id, const char *detail)
{
    slot->state = FREE;
    settle(plan, slot->row, result, id, detail);
}

void pw_plan_stop(struct pw_plan *plan)
{
    plan->is_stopped = true;
    for (uint32_t i = 0; i < plan->options.in_flight; i++) {
        if (plan->slots[i].state == TO_SEND) {
            settle_slot(plan, &plan->slots[i], PW_PLAN_UNKNOWN, "", "");
        }
    }
    while (plan->begun_count < pw_roster_count(plan->roster)) {
        settle(plan, plan->begun_count++, PW_PLAN_NOT_SENT, "", "");
    }
}

static void stop_because(struct pw_plan *plan, const char *reason)
{
    if (plan->reason == NULL) {
        plan->reason = strndup(reason, DETAIL_BYTES_MAX);
    }
    pw_plan_stop(plan);
}

/* 502 and 504 are a proxy's own. */
static bool is_no_answer(long status)
{
    return status == 0 || status == 429 || (status >= 502 && status <= 504);
}

/* 503 says that nothing is known yet, and silence says less. The server is there while it says 429. */
static void repeat_later(struct pw_plan *plan, struct slot *slot,
                         const struct pw_plan_answer *answer, int64_t now_us)
{
    int64_t pause_us = answer->retry_after_us > 0 ? answer->retry_after_us : SILENCE_PAUSE_US;
    pause_us = pause_us > RETRY_AFTER_US_MAX ? RETRY_AFTER_US_MAX : pause_us;
    slot->state = TO_SEND;
    if (now_us + pause_us > plan->paused_until_us) {
        plan->paused_until_us = now_us + pause_us;
    }
    if (answer->status == 429) {
        plan->away_since_us = -1;
    } else if (plan->away_since_us < 0) {
        plan->away_since_us = now_us;
    } else if (now_us - plan->away_since_us >= PW_PLAN_PATIENCE_US) {
        plan->is_unreachable = true;
        stop_because(plan, answer->status == 0 ? "nobody answers" : answer->detail);
    }
    if (plan->is_stopped) {
        pw_plan_stop(plan); /* This one is not repeated either. */
    }
}

/* What is no fault of the row. */
static bool meets_all(const struct slot *slot, const struct pw_plan_answer *answer)
{
    return answer->status == 401 || answer->status == 403 ||
           (answer->status == 404 && !slot->is_grant) ||
           strcmp(answer->problem, "accounts-off") == 0;
}

/* `...: account 0189...`: who has the address. */
static bool take_account(const struct pw_plan_answer *answer, struct pw_id *ret_id)
{
    static const char before[] = ": account "; /* Behind the title. */
    const char *at = strstr(answer->detail, before);
    if (strcmp(answer->problem, "email-taken") != 0 || at == NULL) {
        return false;
    }
    struct pw_str text = {at + sizeof before - 1, strlen(at + sizeof before - 1)};
    text.len = text.len > PW_ID_TEXT_BYTES ? PW_ID_TEXT_BYTES : text.len;
    return pw_id_parse(text, ret_id);
}

static void on_taken(struct pw_plan *plan, struct slot *slot, const struct pw_id *user_id)
{
    if (plan->options.grants && !plan->is_stopped) {
        slot->state = TO_SEND;
        slot->is_grant = true;
        slot->user_id = *user_id;
        slot->key = plan->options.make_key(plan->options.self);
    } else {
        char id[PW_ID_TEXT_BYTES + 1];
        pw_id_format(user_id, id);
        settle_slot(plan, slot, PW_PLAN_EXISTS, id, "");
    }
}

static void on_refused(struct pw_plan *plan, struct slot *slot, const struct pw_plan_answer *answer)
{
    char id[PW_ID_TEXT_BYTES + 1] = "";
    if (slot->is_grant) {
        pw_id_format(&slot->user_id, id);
    }
    settle_slot(plan, slot, PW_PLAN_REFUSED, id, answer->detail);
    if (meets_all(slot, answer)) {
        stop_because(plan, answer->detail);
    }
}

void pw_plan_answered(struct pw_plan *plan, uint32_t at, const struct pw_plan_answer *answer,
                      int64_t now_us)
{
    struct slot *slot = &plan->slots[at];
    struct pw_id user_id;
    assert(at < plan->options.in_flight && slot->state == UNDER_WAY);
    plan->under_way_count--;
    if (is_no_answer(answer->status)) {
        repeat_later(plan, slot, answer, now_us);
        return;
    }
    plan->away_since_us = -1;
    if (answer->status == 200 || answer->status == 201) {
        settle_slot(plan, slot, slot->is_grant ? PW_PLAN_EXISTS : PW_PLAN_CREATED, answer->id,
                    slot->is_grant ? "has the roles of this row" : "");
    } else if (take_account(answer, &user_id)) {
        on_taken(plan, slot, &user_id);
    } else {
        on_refused(plan, slot, answer);
    }
}

/* --- What became of it --- */

bool pw_plan_is_over(const struct pw_plan *plan)
{
    return plan->under_way_count == 0 && plan->counts[PW_PLAN_PLANNED] == 0;
}

const char *pw_plan_reason(const struct pw_plan *plan)
{
    return plan->reason;
}

bool pw_plan_is_unreachable(const struct pw_plan *plan)
{
    return plan->is_unreachable;
}

bool pw_plan_report(struct pw_plan *plan, struct pw_plan_report *ret_report)
{
    if (plan->told_count == pw_roster_count(plan->roster)) {
        return false;
    }
    const struct outcome *outcome = &plan->outcomes[plan->told_count];
    if (outcome->result == PW_PLAN_PLANNED) {
        return false;
    }
    *ret_report = (struct pw_plan_report){.row = plan->told_count++,
                                          .result = outcome->result,
                                          .detail = outcome->detail != NULL ? outcome->detail : ""};
    memcpy(ret_report->id, outcome->id, sizeof outcome->id);
    return true;
}

uint32_t pw_plan_count(const struct pw_plan *plan, enum pw_plan_result result)
{
    return plan->counts[result];
}
