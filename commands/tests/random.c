/* commands/tests/random.c: long random sequences of commands about accounts, with random undo, against a naive model.
 *
 * The model (random_people.c) keeps the list of events that count, and derives all it says from walking that list. After each undo, and
 * at the end, the state's bytes must be those from before, and those of a replay. office.c does the same for seats. */
#include "commands/tests/random.h"

#include <criterion/criterion.h>

#define TENANTS      2
#define STATE_BYTES  (4 << 20)
#define STEPS        6000
#define PEOPLE_SHARE 90 /* Of 100 commands, so many are about accounts. */

uint32_t random_draw(struct run *run, uint32_t below)
{
    run->random ^= run->random >> 12;
    run->random ^= run->random << 25;
    run->random ^= run->random >> 27;
    return (uint32_t)((run->random * UINT64_C(2685821657736338717)) >> 33) % below;
}

struct pw_id random_id_of(enum kind kind, uint32_t number)
{
    struct pw_id id = {{[0] = (uint8_t)kind}};
    id.bytes[14] = (uint8_t)(number >> 8);
    id.bytes[15] = (uint8_t)number;
    return id;
}

static struct pw_hash bytes_of(const struct pw_state *state)
{
    struct pw_buffer buffer;
    pw_buffer_init(&buffer, STATE_BYTES);
    pw_state_serialise(state, &buffer);
    cr_assert(!buffer.full);
    struct pw_hash hash = pw_sha256(buffer.data, buffer.bytes, NULL, 0);
    pw_buffer_close(&buffer);
    return hash;
}

/* --- Random commands --- */

static struct pw_str title_of(uint32_t number)
{
    static const char *const titles[] = {"Algebra", "Analysis", "Kr\xc3\xa4uterkunde"};
    return pw_str_of(titles[number % PW_COUNT(titles)]);
}

/* What people have to do with: their tenant, and whom it trusts. */
static struct pw_command draw_command(struct run *run, uint32_t tenant, struct pw_context *by)
{
    struct pw_command command = {.type = PW_COMMAND_TENANT_CREATE};
    struct pw_id tenant_id = random_id_of(KIND_TENANT, tenant);
    struct pw_hash key = {{(uint8_t)random_draw(run, 20)}};
    uint32_t what = random_draw(run, 100);
    *by = (struct pw_context){.decided_at_us = run->now_us,
                              .actor_id = random_id_of(KIND_PERSON, 0),
                              .role = PW_ROLE_OPERATOR};
    if (what < 50) {
        command.tenant_create =
            (struct pw_tenant_create){tenant_id, title_of(0), title_of(1), title_of(2)};
    } else if (what < 95) {
        command.type = PW_COMMAND_TENANT_TRUST_ISSUER;
        command.tenant_trust_issuer =
            (struct pw_tenant_trust_issuer){tenant_id, title_of(random_draw(run, 3)), key};
    } else {
        command.type = PW_COMMAND_TENANT_DISTRUST_ISSUER;
        command.tenant_distrust_issuer =
            (struct pw_tenant_distrust_issuer){tenant_id, title_of(random_draw(run, 3)), key};
    }
    return command;
}

static void step_command(struct run *run)
{
    uint32_t tenant_number = random_draw(run, TENANTS);
    struct pw_id tenant_id = random_id_of(KIND_TENANT, tenant_number);
    struct pw_context by;
    const struct pw_tenant *tenant = pw_state_tenant(run->state, &tenant_id);
    bool is_people = tenant != NULL && random_draw(run, 100) < PEOPLE_SHARE;
    struct pw_command command =
        is_people ? people_draw(run, tenant_number, &by) : draw_command(run, tenant_number, &by);
    struct pw_decision got;
    struct pw_err err = {0};
    enum pw_code code = pw_decide(tenant, &command, -1, &by, &got, &err);

    run->answers[code]++;
    cr_assert(world_may_answer(command.type, code) || code == PW_ERR_NO_SUCH_TENANT, "%s: %s",
              pw_command_info(command.type)->name, pw_error_info(code)->name);
    if (is_people) {
        uint32_t event_count = 0;
        cr_assert_eq(code, people_foretell(run, tenant_number, &command, &by, &event_count),
                     "%s: %s", pw_command_info(command.type)->name, pw_error_info(code)->name);
        cr_assert(code != PW_OK || got.event_count == event_count, "%s: %u events, and not %u",
                  pw_command_info(command.type)->name, got.event_count, event_count);
    }
    cr_assert(code == PW_OK || got.event_count == 0);
    for (uint32_t i = 0; i < got.event_count; i++) {
        cr_assert_eq(pw_state_evolve(run->state, &tenant_id, &got.events[i], run->undo, &err),
                     PW_OK, "%s", err.detail);
        cr_assert_lt(run->event_count, RANDOM_EVENTS_MAX);
        run->kept[run->event_count++] = (struct kept){tenant_number, got.events[i]};
    }
    if (got.event_count > 0) {
        people_check_rules(run, tenant_number);
    }
}

/* --- Marks, and the comparison of bytes --- */

static void check_replay(const struct run *run)
{
    struct pw_state *again = pw_state_new();
    for (uint32_t i = 0; i < run->event_count; i++) {
        struct pw_id tenant_id = random_id_of(KIND_TENANT, run->kept[i].tenant);
        cr_assert_eq(pw_state_evolve(again, &tenant_id, &run->kept[i].event, NULL, NULL), PW_OK);
    }
    struct pw_hash replayed = bytes_of(again);
    struct pw_hash live = bytes_of(run->state);
    cr_assert(pw_hash_equal(&replayed, &live), "a replay gives other bytes");
    pw_state_free(again);
}

/* A snapshot of the state at some event, and the events after it, give what all events give. */
static void check_snapshot(struct run *run)
{
    struct pw_state *first = pw_state_new();
    struct pw_state *second = pw_state_new();
    struct pw_buffer buffer;
    uint32_t at = random_draw(run, run->event_count + 1);
    pw_buffer_init(&buffer, STATE_BYTES);
    for (uint32_t i = 0; i < run->event_count; i++) {
        struct pw_id tenant_id = random_id_of(KIND_TENANT, run->kept[i].tenant);
        if (i == at) {
            pw_state_serialise(first, &buffer);
            struct pw_cursor cursor = pw_cursor_of(buffer.data, buffer.bytes);
            pw_state_read(second, &cursor);
            cr_assert(pw_cursor_done(&cursor), "after %u events", at);
        }
        struct pw_state *state = i < at ? first : second;
        cr_assert_eq(pw_state_evolve(state, &tenant_id, &run->kept[i].event, NULL, NULL), PW_OK);
    }
    struct pw_hash gone_on = bytes_of(at < run->event_count ? second : first);
    struct pw_hash live = bytes_of(run->state);
    cr_assert(pw_hash_equal(&gone_on, &live), "a snapshot after %u events gives other bytes", at);
    pw_buffer_close(&buffer);
    pw_state_free(first);
    pw_state_free(second);
}

static void step_mark(struct run *run)
{
    if (run->mark_count < RANDOM_MARKS_MAX) {
        run->marks[run->mark_count++] =
            (struct mark){pw_undo_mark(run->undo), run->event_count, bytes_of(run->state)};
    }
}

static void step_undo(struct run *run)
{
    if (run->mark_count == 0) {
        return;
    }
    uint32_t i = random_draw(run, run->mark_count);
    run->undone_count += run->event_count - run->marks[i].event_count;
    pw_undo_to(run->undo, run->marks[i].undo);
    run->event_count = run->marks[i].event_count;
    run->mark_count = i + 1;
    struct pw_hash bytes = bytes_of(run->state);
    cr_assert(pw_hash_equal(&bytes, &run->marks[i].bytes), "undo gives other bytes");
    check_replay(run);
    check_snapshot(run);
}

static void step_forget(struct run *run)
{
    if (run->mark_count > 0) {
        uint32_t i = random_draw(run, run->mark_count);
        pw_undo_forget(run->undo, run->marks[i].undo);
        run->mark_count -= i;
        memmove(run->marks, run->marks + i, run->mark_count * sizeof run->marks[0]);
    }
}

static void run_through(struct run *run, uint64_t seed)
{
    memset(run, 0, offsetof(struct run, kept));
    run->event_count = run->mark_count = 0;
    run->random = seed * UINT64_C(0x9e3779b97f4a7c15);
    run->now_us = NINE;
    run->state = pw_state_new();
    run->undo = pw_undo_new();
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t what = random_draw(run, 1000);
        if (what < 15) {
            step_mark(run);
        } else if (what < 22) {
            step_undo(run);
        } else if (what < 32) {
            step_forget(run);
        } else {
            people_pass_time(run);
            step_command(run);
        }
    }
    check_replay(run);
    pw_undo_free(run->undo);
    pw_state_free(run->state);
}

/* The sequences reach these answers, so none was foretold in vain. */
static void check_reached(const struct run *run, const enum pw_code *codes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_expect_gt(run->answers[codes[i]], 0, "never answered: %s",
                     pw_error_info(codes[i])->name);
    }
    cr_expect_gt(run->undone_count, 100, "the runs undid %u events", run->undone_count);
}

Test(random, people_over_weeks_and_undo_and_replay_give_the_same_bytes)
{
    static struct run run;
    static const enum pw_code reached[] = {
        PW_OK,
        PW_ERR_TENANT_EXISTS,
        PW_ERR_TOO_MANY_ISSUERS,
        PW_ERR_ACCOUNTS_OFF,
        PW_ERR_NO_SUCH_USER,
        PW_ERR_USER_ERASED,
        PW_ERR_USER_NOT_ACTIVE,
        PW_ERR_EMAIL_TAKEN,
        PW_ERR_LAST_ROLE,
        PW_ERR_LAST_ADMIN,
        PW_ERR_PASSWORD_WRONG,
        PW_ERR_RESET_TOKEN_INVALID,
        PW_ERR_NO_SUCH_SESSION,
        PW_ERR_SESSION_ENDED,
        PW_ERR_SESSION_TOKEN_REUSED,
    };
    for (uint64_t seed = 1; seed <= 4; seed++) {
        run_through(&run, seed);
    }
    check_reached(&run, reached, PW_COUNT(reached));
}
