/* commands/tests/random.c: long random command sequences with random undo, against naive models.
 *
 * The models keep the list of events that count, and derive all they say from walking that list:
 * they share no idea with the state. Here each answer on a seat is foretold, and rules 1 and 4 of
 * the domain are checked after each event; random_people.c does so for accounts. After each undo,
 * and at the end, the state's bytes must be those from before, and those of a replay.
 */
#include "commands/tests/random.h"

#include <criterion/criterion.h>

#define TENANTS      2
#define EXAMS        6
#define SLOTS        14
#define STUDENTS     7
#define TEACHERS     2
#define STATE_BYTES  (4 << 20)
#define STEPS        6000
#define MINUTES_STEP 15 /* Starts and times fall on this grid, so that boundaries are met often. */

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

/* --- The model: what the kept events say --- */

static const struct pw_event *find(const struct run *run, uint32_t tenant, enum pw_event_type type,
                                   const struct pw_id *id)
{
    for (uint32_t i = 0; i < run->event_count; i++) {
        const struct kept *kept = &run->kept[i];
        if (kept->tenant == tenant && kept->event.type == type &&
            pw_id_equal(&kept->event.stream_id, id)) {
            return &kept->event;
        }
    }
    return NULL;
}

static uint32_t capacity_of(const struct run *run, uint32_t tenant, const struct pw_event *opened)
{
    uint32_t capacity = opened->slot_opened.capacity;
    for (uint32_t i = 0; i < run->event_count; i++) {
        const struct kept *kept = &run->kept[i];
        if (kept->tenant == tenant && kept->event.type == PW_EVENT_SLOT_CAPACITY_CHANGED &&
            pw_id_equal(&kept->event.stream_id, &opened->stream_id)) {
            capacity = kept->event.slot_capacity_changed.capacity;
        }
    }
    return capacity;
}

/* The next live reservation of the tenant from *at on, as the event that made it. */
static const struct pw_event *next_live(const struct run *run, uint32_t tenant, uint32_t *at)
{
    while (*at < run->event_count) {
        const struct kept *kept = &run->kept[(*at)++];
        if (kept->tenant == tenant && kept->event.type == PW_EVENT_RESERVATION_RESERVED &&
            find(run, tenant, PW_EVENT_RESERVATION_CANCELLED, &kept->event.stream_id) == NULL) {
            return &kept->event;
        }
    }
    return NULL;
}

static uint32_t taken_of(const struct run *run, uint32_t tenant, const struct pw_id *slot_id)
{
    uint32_t taken = 0;
    const struct pw_event *live;
    for (uint32_t at = 0; (live = next_live(run, tenant, &at)) != NULL;) {
        taken += pw_id_equal(&live->reservation_reserved.slot_id, slot_id);
    }
    return taken;
}

static bool overlap(int64_t a_from, int64_t a_to, int64_t b_from, int64_t b_to)
{
    int64_t from = a_from > b_from ? a_from : b_from;
    int64_t to = a_to < b_to ? a_to : b_to;
    return from < to;
}

static enum pw_code foretell_reserve(const struct run *run, uint32_t tenant,
                                     const struct pw_id *slot_id, const struct pw_id *student_id)
{
    const struct pw_event *opened = find(run, tenant, PW_EVENT_SLOT_OPENED, slot_id);
    if (opened == NULL) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    const struct pw_slot_opened *slot = &opened->slot_opened;
    if (run->now_us >= slot->starts_at) {
        return PW_ERR_SLOT_STARTED;
    }
    bool same_slot = false;
    bool same_exam = false;
    bool clash = false;
    const struct pw_event *live;
    for (uint32_t at = 0; (live = next_live(run, tenant, &at)) != NULL;) {
        const struct pw_reservation_reserved *seat = &live->reservation_reserved;
        if (pw_id_equal(&seat->student_id, student_id)) {
            same_slot |= pw_id_equal(&seat->slot_id, slot_id);
            same_exam |= pw_id_equal(&seat->exam_id, &slot->exam_id);
            clash |= overlap(slot->starts_at, slot->ends_at + MINUTES(slot->buffer_minutes),
                             seat->starts_at, seat->free_again_at);
        }
    }
    bool full = taken_of(run, tenant, slot_id) == capacity_of(run, tenant, opened);
    return same_slot   ? PW_ERR_ALREADY_BOOKED
           : same_exam ? PW_ERR_EXAM_ALREADY_BOOKED
           : full      ? PW_ERR_SLOT_FULL
           : clash     ? PW_ERR_CALENDAR_CONFLICT
                       : PW_OK;
}

static enum pw_code foretell_cancel(const struct run *run, uint32_t tenant, const struct pw_id *id,
                                    const struct pw_id *student_id)
{
    const struct pw_event *made = find(run, tenant, PW_EVENT_RESERVATION_RESERVED, id);
    if (made == NULL || !pw_id_equal(&made->reservation_reserved.student_id, student_id)) {
        return PW_ERR_NO_SUCH_RESERVATION;
    }
    if (find(run, tenant, PW_EVENT_RESERVATION_CANCELLED, id) != NULL) {
        return PW_ERR_RESERVATION_NOT_LIVE;
    }
    const struct pw_slot_opened *slot =
        &find(run, tenant, PW_EVENT_SLOT_OPENED, &made->reservation_reserved.slot_id)->slot_opened;
    int64_t last_us = slot->starts_at - MINUTES(slot->lead_time_minutes);
    return run->now_us <= last_us ? PW_OK : PW_ERR_CANCEL_TOO_LATE;
}

/* Rule 1: no slot has more live seats than its capacity. Rule 4: of two live seats of one student
 * the times do not overlap, buffers included, and the exams differ. */
static void check_rules(const struct run *run, uint32_t tenant)
{
    for (uint32_t number = 0; number < SLOTS; number++) {
        struct pw_id slot_id = random_id_of(KIND_SLOT, number);
        const struct pw_event *opened = find(run, tenant, PW_EVENT_SLOT_OPENED, &slot_id);
        if (opened != NULL) {
            cr_assert_leq(taken_of(run, tenant, &slot_id), capacity_of(run, tenant, opened),
                          "rule 1");
        }
    }
    const struct pw_event *a;
    const struct pw_event *b;
    for (uint32_t i = 0; (a = next_live(run, tenant, &i)) != NULL;) {
        const struct pw_reservation_reserved *one = &a->reservation_reserved;
        for (uint32_t j = i; (b = next_live(run, tenant, &j)) != NULL;) {
            const struct pw_reservation_reserved *two = &b->reservation_reserved;
            if (pw_id_equal(&one->student_id, &two->student_id)) {
                cr_assert(!pw_id_equal(&one->exam_id, &two->exam_id), "rule 4, exams");
                cr_assert(!overlap(one->starts_at, one->free_again_at, two->starts_at,
                                   two->free_again_at),
                          "rule 4, times");
            }
        }
    }
}

/* --- Random commands --- */

static struct pw_str title_of(uint32_t number)
{
    static const char *const titles[] = {"Algebra", "Analysis", "Kr\xc3\xa4uterkunde"};
    return pw_str_of(titles[number % PW_COUNT(titles)]);
}

static uint32_t count_of(const struct run *run, uint32_t tenant, enum pw_event_type type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < run->event_count; i++) {
        count += run->kept[i].tenant == tenant && run->kept[i].event.type == type;
    }
    return count;
}

static struct pw_command draw_command(struct run *run, uint32_t tenant, struct pw_context *by)
{
    struct pw_command command = {0};
    struct pw_id exam_id = random_id_of(KIND_EXAM, random_draw(run, EXAMS));
    struct pw_id slot_id = random_id_of(KIND_SLOT, random_draw(run, SLOTS));
    uint32_t drafted = count_of(run, tenant, PW_EVENT_EXAM_DRAFTED);
    uint32_t opened = count_of(run, tenant, PW_EVENT_SLOT_OPENED);
    uint32_t reserved = count_of(run, tenant, PW_EVENT_RESERVATION_RESERVED);
    uint32_t minutes = MINUTES_STEP * (1 + random_draw(run, 4));
    uint32_t buffer = MINUTES_STEP * random_draw(run, 2);
    uint32_t lead = MINUTES_STEP * random_draw(run, 3);
    *by = (struct pw_context){.decided_at_us = run->now_us,
                              .actor_id = random_id_of(KIND_PERSON, random_draw(run, TEACHERS)),
                              .role = random_draw(run, 4) == 0 ? PW_ROLE_ADMIN : PW_ROLE_TEACHER};
    struct pw_context student = {.decided_at_us = run->now_us,
                                 .actor_id =
                                     random_id_of(KIND_PERSON, 100 + random_draw(run, STUDENTS)),
                                 .role = PW_ROLE_STUDENT};
    uint32_t what = random_draw(run, 100);
    if (what < 2) {
        command.type = PW_COMMAND_TENANT_CREATE;
        command.tenant_create = (struct pw_tenant_create){random_id_of(KIND_TENANT, tenant),
                                                          title_of(0), title_of(1), title_of(2)};
    } else if (what < 4 && random_draw(run, 12) > 0) {
        command.type = PW_COMMAND_TENANT_TRUST_ISSUER;
        command.tenant_trust_issuer =
            (struct pw_tenant_trust_issuer){random_id_of(KIND_TENANT, tenant),
                                            title_of(random_draw(run, 3)),
                                            {{(uint8_t)random_draw(run, 20)}}};
    } else if (what < 4) {
        command.type = PW_COMMAND_TENANT_DISTRUST_ISSUER;
        command.tenant_distrust_issuer =
            (struct pw_tenant_distrust_issuer){random_id_of(KIND_TENANT, tenant),
                                               title_of(random_draw(run, 3)),
                                               {{(uint8_t)random_draw(run, 20)}}};
    } else if (what < 7 && drafted < EXAMS) {
        command.type = PW_COMMAND_EXAM_DRAFT;
        command.exam_draft = (struct pw_exam_draft){random_id_of(KIND_EXAM, drafted),
                                                    title_of(drafted), minutes, lead, buffer};
    } else if (what < 10) {
        command.type = PW_COMMAND_EXAM_REVISE_DRAFT;
        command.exam_revise_draft = (struct pw_exam_revise_draft){
            exam_id, title_of(random_draw(run, 3)), minutes, lead, buffer};
    } else if (what < 15) {
        command.type = PW_COMMAND_EXAM_PUBLISH;
        command.exam_publish = (struct pw_exam_publish){exam_id};
    } else if (what < 20 && opened < SLOTS) {
        command.type = PW_COMMAND_SLOT_OPEN;
        command.slot_open = (struct pw_slot_open){
            random_id_of(KIND_SLOT, opened), exam_id,
            run->now_us + MINUTES(MINUTES_STEP) * ((int64_t)random_draw(run, 40) - 1),
            1 + random_draw(run, 3), 0};
    } else if (what < 25) {
        command.type = PW_COMMAND_SLOT_CHANGE_CAPACITY;
        command.slot_change_capacity =
            (struct pw_slot_change_capacity){slot_id, 1 + random_draw(run, 4)};
    } else if (what < 70) {
        command.type = PW_COMMAND_RESERVATION_RESERVE;
        command.reservation_reserve =
            (struct pw_reservation_reserve){slot_id, random_id_of(KIND_RESERVATION, reserved)};
        *by = student;
    } else {
        command.type = PW_COMMAND_RESERVATION_CANCEL;
        command.reservation_cancel = (struct pw_reservation_cancel){
            random_id_of(KIND_RESERVATION, random_draw(run, reserved + 1))};
        *by = student;
        const struct pw_event *made = find(run, tenant, PW_EVENT_RESERVATION_RESERVED,
                                           &command.reservation_cancel.reservation_id);
        if (made != NULL && random_draw(run, 8) != 0) {
            by->actor_id = made->reservation_reserved.student_id;
        }
    }
    return command;
}

static void step_command(struct run *run)
{
    uint32_t tenant_number = random_draw(run, TENANTS);
    struct pw_id tenant_id = random_id_of(KIND_TENANT, tenant_number);
    struct pw_context by;
    const struct pw_tenant *tenant = pw_state_tenant(run->state, &tenant_id);
    bool is_people = tenant != NULL && random_draw(run, 100) < run->people_share;
    struct pw_command command =
        is_people ? people_draw(run, tenant_number, &by) : draw_command(run, tenant_number, &by);
    struct pw_decision got;
    struct pw_err err = {0};
    enum pw_code code = pw_decide(tenant, &command, -1, &by, &got, &err);

    run->answers[code]++;
    cr_assert(world_may_answer(command.type, code) || code == PW_ERR_NO_SUCH_TENANT, "%s: %s",
              pw_command_info(command.type)->name, pw_error_info(code)->name);
    if (tenant != NULL && command.type == PW_COMMAND_RESERVATION_RESERVE) {
        cr_assert_eq(code, foretell_reserve(run, tenant_number,
                                            &command.reservation_reserve.slot_id, &by.actor_id));
    }
    if (tenant != NULL && command.type == PW_COMMAND_RESERVATION_CANCEL) {
        cr_assert_eq(code,
                     foretell_cancel(run, tenant_number, &command.reservation_cancel.reservation_id,
                                     &by.actor_id));
    }
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
    if (got.event_count > 0 && is_people) {
        people_check_rules(run, tenant_number);
    } else if (got.event_count > 0) {
        check_rules(run, tenant_number);
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

static void run_through(struct run *run, uint64_t seed, uint32_t people_share)
{
    memset(run, 0, offsetof(struct run, kept));
    run->event_count = run->mark_count = 0;
    run->people_share = people_share;
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
            if (run->people_share > 50) {
                people_pass_time(run);
            } else {
                run->now_us += random_draw(run, 200) == 0 ? MINUTES(MINUTES_STEP) : 0;
            }
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

Test(random, rules_hold_and_undo_and_replay_give_the_same_bytes)
{
    static struct run run;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        run_through(&run, seed, 20);
    }
    static const enum pw_code reached[] = {PW_OK,
                                           PW_ERR_SLOT_STARTED,
                                           PW_ERR_ALREADY_BOOKED,
                                           PW_ERR_EXAM_ALREADY_BOOKED,
                                           PW_ERR_SLOT_FULL,
                                           PW_ERR_CALENDAR_CONFLICT,
                                           PW_ERR_NO_SUCH_RESERVATION,
                                           PW_ERR_RESERVATION_NOT_LIVE,
                                           PW_ERR_CANCEL_TOO_LATE,
                                           PW_ERR_CAPACITY_BELOW_TAKEN,
                                           PW_ERR_EXAM_NOT_PUBLISHED,
                                           PW_ERR_SLOT_IN_PAST,
                                           PW_ERR_TENANT_EXISTS,
                                           PW_ERR_TOO_MANY_ISSUERS};
    check_reached(&run, reached, PW_COUNT(reached));
}

Test(random, the_same_of_people_over_weeks)
{
    static struct run run;
    static const enum pw_code reached[] = {
        PW_OK,
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
        run_through(&run, seed, 90);
    }
    check_reached(&run, reached, PW_COUNT(reached));
}
