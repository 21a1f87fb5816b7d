/* commands/tests/due.c: what is due, and when, beside a plain walk over everything that is held. */
#include "commands/due.h"
#include "commands/tests/world.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define TWO_SLOTS                                                                                  \
    CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), DRAFTED(31), PUBLISHED(31, 0, 1),                   \
        OPENED(40, 30, NOON, 9), OPENED(41, 31, NOON, 9)

static struct pw_state *state_of(const struct pw_event *given, uint32_t count)
{
    struct pw_state *state = pw_state_new();
    world_fold(state, given, count);
    return state;
}

static bool expires(const struct pw_due *due, uint8_t reservation)
{
    const struct pw_id *id = &due->command.reservation_expire_hold.reservation_id;
    return due->command.type == PW_COMMAND_RESERVATION_EXPIRE_HOLD &&
           pw_id_equal(id, &(struct pw_id)ID(reservation)) &&
           pw_id_equal(&due->tenant_id, &world_tenant_id);
}

Test(due, nothing_is_due_where_nothing_is_held)
{
    const struct pw_event given[] = {TWO_SLOTS, RESERVED(50, ANN, 40, 30, NOON),
                                     HELD(51, BOB, 40, 30, NOON, NINE),
                                     HOLD_CONFIRMED(51, BOB, 40, 30)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_due due;
    cr_expect_eq(pw_due_at(state), INT64_MAX);
    cr_expect_not(pw_due_next(state, INT64_MAX, &due));
    pw_state_free(state);
}

Test(due, the_oldest_first_whichever_slot_it_is_in)
{
    const struct pw_event given[] = {TWO_SLOTS, HELD(50, ANN, 40, 30, NOON, NINE + 30),
                                     HELD(51, BOB, 41, 31, NOON, NINE + 20),
                                     HELD(52, TOM, 40, 30, NOON, NINE + 10)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_due due;
    struct pw_due again;
    cr_expect_eq(pw_due_at(state), NINE + 10);
    cr_expect_not(pw_due_next(state, NINE + 9, &due));
    cr_expect(pw_due_next(state, NINE + 10, &due) && expires(&due, 52));
    cr_expect(pw_due_next(state, NINE + 99, &again) && expires(&again, 52));
    cr_expect(pw_id_equal(&due.command_id, &again.command_id), "its id follows from it");
    int64_t made_at_us;
    cr_expect_not(pw_id_v7_time(&due.command_id, &made_at_us), "it has no window");
    world_fold(state, (const struct pw_event[]){HOLD_EXPIRED(52, TOM, 40, 30)}, 1);
    cr_expect(pw_due_next(state, NINE + 20, &due) && expires(&due, 51));
    cr_expect_not(pw_id_equal(&due.command_id, &again.command_id));
    cr_expect_eq(pw_due_at(state), NINE + 20);
    pw_state_free(state);
}

static bool before(const struct pw_state *state, struct pw_command command, struct pw_id actor,
                   int64_t now_us, struct pw_due *ret_due)
{
    return pw_due_before(pw_state_tenant(state, &world_tenant_id), &command, &actor, now_us,
                         ret_due);
}

#define COMMAND(UPPER, lower, ...)                                                                 \
    (struct pw_command)                                                                            \
    {                                                                                              \
        .type = PW_COMMAND_##UPPER, .lower = { __VA_ARGS__ }                                       \
    }

Test(due, what_bears_on_a_decision_goes_before_it)
{
    const struct pw_event given[] = {TWO_SLOTS, HELD(50, ANN, 40, 30, NOON, NINE)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    const struct pw_command of_slot_40[] = {
        COMMAND(RESERVATION_RESERVE, reservation_reserve, ID(40), ID(60)),
        COMMAND(RESERVATION_HOLD, reservation_hold, ID(40), ID(60)),
        COMMAND(RESERVATION_CONFIRM_HOLD, reservation_confirm_hold, ID(50)),
        COMMAND(RESERVATION_CANCEL, reservation_cancel, ID(50)),
        COMMAND(RESERVATION_RESCHEDULE, reservation_reschedule, ID(50), ID(41)),
        COMMAND(RESERVATION_RESCHEDULE, reservation_reschedule, ID(60), ID(40)),
        COMMAND(RESERVATION_RESCHEDULE_BY_STAFF, reservation_reschedule_by_staff, ID(50), ID(41),
                0),
        COMMAND(SLOT_CHANGE_CAPACITY, slot_change_capacity, ID(40), 1),
    };
    struct pw_due due;
    for (size_t i = 0; i < PW_COUNT(of_slot_40); i++) {
        cr_expect(before(state, of_slot_40[i], (struct pw_id)BOB, NINE, &due) && expires(&due, 50),
                  "command %zu", i);
        cr_expect_not(before(state, of_slot_40[i], (struct pw_id)BOB, NINE - 1, &due));
    }
    const struct pw_command elsewhere = of_slot_40[0];
    cr_expect_not(before(state, COMMAND(RESERVATION_RESERVE, reservation_reserve, ID(41), ID(60)),
                         (struct pw_id)BOB, NINE, &due),
                  "another slot, another's calendar");
    cr_expect(before(state, COMMAND(RESERVATION_RESERVE, reservation_reserve, ID(41), ID(60)),
                     (struct pw_id)ANN, NINE, &due) &&
                  expires(&due, 50),
              "her own calendar");
    cr_expect(before(state, COMMAND(RESERVATION_RESCHEDULE, reservation_reschedule, ID(60), ID(41)),
                     (struct pw_id)ANN, NINE, &due) &&
                  expires(&due, 50),
              "whatever she moves");
    world_fold(state,
               (const struct pw_event[]){MORE_TIME(70, ANN, 100, 0, 0, 0, NINE),
                                         MORE_TIME(71, BOB, 100, 0, 0, 0, NINE)},
               2);
    const struct pw_command of_ann[] = {
        COMMAND(ACCOMMODATION_GRANT, accommodation_grant, ANN, ID(72), 150, 0, 0, NINE, NOON),
        COMMAND(ACCOMMODATION_REVISE, accommodation_revise, ID(70), 150, 0, 0, 0, NINE),
        COMMAND(ACCOMMODATION_REVOKE, accommodation_revoke, ID(70)),
    };
    for (size_t i = 0; i < PW_COUNT(of_ann); i++) {
        cr_expect(before(state, of_ann[i], (struct pw_id)ADA, NINE, &due) && expires(&due, 50),
                  "more time for her, %zu", i);
        cr_expect_not(before(state, of_ann[i], (struct pw_id)ADA, NINE - 1, &due));
    }
    cr_expect_not(before(state, COMMAND(ACCOMMODATION_REVOKE, accommodation_revoke, ID(71)),
                         (struct pw_id)ANN, NINE, &due),
                  "another's");
    cr_expect_not(before(state, COMMAND(ACCOMMODATION_REVOKE, accommodation_revoke, ID(79)),
                         (struct pw_id)ANN, NINE, &due),
                  "nobody's");
    cr_expect_not(
        before(state, COMMAND(EXAM_PUBLISH, exam_publish, ID(30)), (struct pw_id)TEA, NINE, &due));
    cr_expect_not(pw_due_before(NULL, &elsewhere, &(struct pw_id)ANN, NINE, &due));
    pw_state_free(state);
}

Test(due, staff_moves_a_student_by_what_has_fallen_due_on_them)
{
    const struct pw_event given[] = {TWO_SLOTS,
                                     OPENED(42, 30, NOON, 9),
                                     OPENED(43, 31, NOON, 9),
                                     RESERVED(50, ANN, 40, 30, NOON),
                                     HELD(51, BOB, 42, 30, NOON, NINE),
                                     HELD(52, ANN, 43, 31, NOON + MINUTES(600), NINE + 5),
                                     HELD(53, ADA, 41, 31, NOON, NINE)};
    const struct pw_command moves = COMMAND(RESERVATION_RESCHEDULE_BY_STAFF,
                                            reservation_reschedule_by_staff, ID(50), ID(42), 0);
    const struct pw_command nobody = COMMAND(RESERVATION_RESCHEDULE_BY_STAFF,
                                             reservation_reschedule_by_staff, ID(60), ID(42), 0);
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_id ada = ADA;
    struct pw_due due;
    cr_expect(before(state, moves, ada, NINE, &due) && expires(&due, 51), "where they go");
    world_fold(state, (const struct pw_event[]){HOLD_EXPIRED(51, BOB, 42, 30)}, 1);
    cr_expect_not(before(state, moves, ada, NINE, &due), "whose time it is not");
    cr_expect(before(state, moves, ada, NINE + 5, &due) && expires(&due, 52), "their calendar");
    cr_expect_not(before(state, nobody, ada, NINE + 5, &due));
    pw_state_free(state);
}

/* What is left is offered to who waits for it. */
Test(due, a_seat_that_was_left_for_another_is_offered)
{
    const struct pw_event given[] = {CREATED,
                                     DRAFTED(30),
                                     PUBLISHED(30, 0, 1),
                                     OPENED(40, 30, NOON, 1),
                                     OPENED(41, 30, NOON, 1),
                                     RESERVED(50, ANN, 40, 30, NOON),
                                     JOINED(51, BOB, 40, 30)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_due due;
    cr_expect_not(pw_due_next(state, NINE, &due));
    world_fold(state, (const struct pw_event[]){MOVED(50, 0, ANN, 41, 30, NOON, 40, NOON)}, 1);
    cr_expect(pw_due_next(state, NINE, &due) && due.command.type == PW_COMMAND_RESERVATION_OFFER &&
              pw_id_equal(pw_command_target(&due.command), &(struct pw_id)ID(51)));
    pw_state_free(state);
}

static bool is(const struct pw_due *due, enum pw_command_type type, uint8_t target)
{
    return due->command.type == type &&
           pw_id_equal(pw_command_target(&due->command), &(struct pw_id)ID(target));
}

Test(due, a_freed_seat_is_offered_until_the_lead_time_begins)
{
    const struct pw_event given[] = {CREATED,
                                     DRAFTED(30),
                                     PUBLISHED(30, 0, 1),
                                     OPENED(40, 30, NOON, 1),
                                     RESERVED(50, ANN, 40, 30, NOON),
                                     JOINED(51, BOB, 40, 30),
                                     JOINED(52, TOM, 40, 30),
                                     PRIORITISED(52, 0, TOM, 40, 30, 1)};
    const int64_t lead_us = NOON - MINUTES(60);
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_due due;
    cr_expect_eq(pw_due_at(state), lead_us, "no seat is free");
    cr_expect_not(pw_due_next(state, lead_us - 1, &due));
    cr_expect(pw_due_next(state, lead_us, &due) && is(&due, PW_COMMAND_SLOT_CLOSE_WAITLIST, 40));
    world_fold(state, (const struct pw_event[]){CANCELLED(50, ANN, 40, 30)}, 1);
    cr_expect(pw_due_next(state, NINE, &due) && is(&due, PW_COMMAND_RESERVATION_OFFER, 52));
    cr_expect(pw_due_next(state, lead_us, &due) && is(&due, PW_COMMAND_SLOT_CLOSE_WAITLIST, 40));
    world_fold(state, (const struct pw_event[]){OFFERED(52, 0, TOM, 40, 30, NINE + 5)}, 1);
    cr_expect_eq(pw_due_at(state), NINE + 5);
    cr_expect(pw_due_next(state, NINE + 5, &due) &&
              is(&due, PW_COMMAND_RESERVATION_EXPIRE_OFFER, 52));
    world_fold(state, (const struct pw_event[]){OFFER_EXPIRED(52, 0, TOM, 40, 30)}, 1);
    cr_expect(pw_due_next(state, NINE + 5, &due) && is(&due, PW_COMMAND_RESERVATION_OFFER, 51));
    world_fold(state, (const struct pw_event[]){WAITLIST_CLOSED(40, 0, 30)}, 1);
    cr_expect_not(pw_due_next(state, INT64_MAX, &due), "nobody is offered anything any more");
    cr_expect_eq(pw_due_at(state), INT64_MAX);
    pw_state_free(state);
}

static uint8_t ends(const struct pw_due *due)
{
    cr_expect_eq(due->command.type, PW_COMMAND_RESERVATION_CANCEL_WITH_SLOT);
    return due->command.reservation_cancel_with_slot.reservation_id.bytes[15];
}

Test(due, what_is_in_a_cancelled_slot_ends_one_by_one)
{
    const struct pw_event given[] = {TWO_SLOTS,
                                     OPENED(42, 30, NOON, 9),
                                     RESERVED(50, ANN, 40, 30, NOON),
                                     RESERVED(51, BOB, 40, 30, NOON),
                                     RESERVED(52, TOM, 42, 30, NOON),
                                     HELD(53, TEA, 40, 30, NOON, NINE + 30),
                                     RESERVED(54, ADA, 40, 30, NOON),
                                     CANCELLED(54, ADA, 40, 30),
                                     MOVED(51, 2, BOB, 42, 30, NOON, 40, NOON), /* Goes, */
                                     MOVED(52, 2, TOM, 40, 30, NOON, 42, NOON), /* and comes. */
                                     SLOT_CANCELLED(40, 0, 30, OTHER)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    const struct pw_slot *slot =
        pw_tenant_slot(pw_state_tenant(state, &world_tenant_id), &(struct pw_id)ID(40));
    struct pw_due due;
    cr_expect_eq(pw_slot_left_count(slot), 3);
    cr_expect(pw_due_at(state) <= NINE, "at once");
    cr_assert(pw_due_next(state, NINE + 99, &due));
    cr_expect_eq(ends(&due), 0x35, "not that its hold has run out");
    world_fold(state, (const struct pw_event[]){CANCELLED_WITH_SLOT(53, 2, TEA, 40, 30, OTHER)}, 1);
    cr_assert(pw_due_next(state, NINE, &due));
    cr_expect_eq(ends(&due), 0x32);
    world_fold(state, (const struct pw_event[]){CANCELLED_WITH_SLOT(50, 2, ANN, 40, 30, OTHER)}, 1);
    cr_assert(pw_due_next(state, NINE, &due));
    cr_expect_eq(ends(&due), 0x34, "who came from elsewhere");
    world_fold(state, (const struct pw_event[]){CANCELLED_WITH_SLOT(52, 3, TOM, 40, 30, OTHER)}, 1);
    cr_expect_eq(pw_slot_left_count(slot), 0);
    cr_expect_eq(pw_due_at(state), INT64_MAX);
    pw_state_free(state);
}

Test(due, slots_of_a_withdrawn_exam_are_cancelled_then_what_is_in_them)
{
    const struct pw_event given[] = {TWO_SLOTS, RESERVED(50, ANN, 40, 30, NOON),
                                     WITHDRAWN(30, 3, OTHER, NINE)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_due due;
    struct pw_id ann = ANN;
    struct pw_command elsewhere = COMMAND(RESERVATION_RESERVE, reservation_reserve, ID(41), ID(60));
    cr_expect(before(state, elsewhere, ann, NINE, &due) && ends(&due) == 0x32, "her own first");
    cr_assert(pw_due_next(state, NINE, &due));
    cr_expect(is(&due, PW_COMMAND_SLOT_CANCEL_WITH_EXAM, 40));
    world_fold(state, (const struct pw_event[]){SLOT_CANCELLED(40, 2, 30, OTHER)}, 1);
    cr_expect(pw_due_next(state, NINE, &due) && ends(&due) == 0x32);
    world_fold(state, (const struct pw_event[]){CANCELLED_WITH_SLOT(50, 2, ANN, 40, 30, OTHER)}, 1);
    cr_expect_eq(pw_due_at(state), INT64_MAX);
    pw_state_free(state);
}

Test(due, a_slot_that_ends_has_had_its_deadlines)
{
    const struct pw_event given[] = {TWO_SLOTS, HELD(50, ANN, 40, 30, NOON, NINE)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_due due;
    struct pw_id tea = TEA;
    cr_expect(before(state, COMMAND(SLOT_CLOSE, slot_close, ID(40)), tea, NINE, &due) &&
              expires(&due, 50));
    cr_expect(before(state, COMMAND(SLOT_CANCEL, slot_cancel, ID(40), 0), tea, NINE, &due) &&
              expires(&due, 50));
    cr_expect_not(before(state, COMMAND(SLOT_CLOSE, slot_close, ID(41)), tea, NINE, &due));
    pw_state_free(state);
}

Test(due, a_hold_that_has_run_out_keeps_no_exam)
{
    const struct pw_event given[] = {TWO_SLOTS, HELD(50, ANN, 40, 30, NOON, NINE)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_due due;
    struct pw_id tea = TEA;
    cr_expect(before(state, COMMAND(EXAM_WITHDRAW, exam_withdraw, ID(30), 0, 0), tea, NINE, &due) &&
              expires(&due, 50));
    cr_expect_not(
        before(state, COMMAND(EXAM_WITHDRAW, exam_withdraw, ID(31), 0, 0), tea, NINE, &due));
    pw_state_free(state);
}

Test(due, nobody_waits_until_a_whole_slot_has_ended)
{
    const struct pw_event given[] = {TWO_SLOTS, RESERVED(50, ANN, 40, 30, NOON),
                                     RESERVED(51, BOB, 40, 30, NOON),
                                     SLOT_CANCELLED(40, 0, 30, OTHER)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_due due;
    struct pw_id tom = TOM;
    struct pw_id bob = BOB;
    struct pw_id ann = ANN;
    struct pw_command elsewhere = COMMAND(RESERVATION_RESERVE, reservation_reserve, ID(41), ID(60));
    cr_expect_not(before(state, elsewhere, tom, NINE, &due), "others have nothing to do with it");
    cr_expect(before(state, elsewhere, bob, NINE, &due));
    cr_expect_eq(ends(&due), 0x33, "their own alone");
    cr_expect(
        before(state, COMMAND(RESERVATION_CANCEL, reservation_cancel, ID(50)), ann, NINE, &due));
    cr_expect_eq(ends(&due), 0x32);
    cr_expect_not(before(state, COMMAND(RESERVATION_RESERVE, reservation_reserve, ID(40), ID(60)),
                         tom, NINE, &due));
    pw_state_free(state);
}

/* --- Against a plain walk --- */

enum { ROUNDS = 3000, HOLDS = 60 };

struct hold {
    bool is_held;
    int64_t expires_at_us;
    uint32_t version;
};

static int64_t earliest(const struct hold *holds)
{
    int64_t found = INT64_MAX;
    for (int i = 0; i < HOLDS; i++) {
        if (holds[i].is_held && holds[i].expires_at_us < found) {
            found = holds[i].expires_at_us;
        }
    }
    return found;
}

/* Number i is student i's hold in slot 40 or 41: they come and go at random, and are undone now and then. */
static void change(struct pw_state *state, struct hold *holds, int i, struct pw_undo *undo)
{
    struct hold *hold = &holds[i];
    bool first_slot = i % 2 == 0;
    struct pw_id student = ID((uint8_t)(100 + i));
    struct pw_event event = {.stream_id = ID((uint8_t)(100 + i))};
    struct pw_id slot_id = ID(first_slot ? 40 : 41);
    struct pw_id exam_id = ID(first_slot ? 30 : 31);
    struct pw_err err = {0};
    if (!hold->is_held && hold->version == 0) {
        hold->expires_at_us = NINE + rand() % 7;
        event.type = PW_EVENT_RESERVATION_HELD;
        event.reservation_held = (struct pw_reservation_held){
            slot_id, exam_id, student, NOON, NOON + 1, NOON + 2, hold->expires_at_us};
    } else if (hold->is_held) {
        event.type = PW_EVENT_RESERVATION_HOLD_EXPIRED;
        event.reservation_hold_expired =
            (struct pw_reservation_hold_expired){slot_id, exam_id, student};
    } else {
        return;
    }
    event.stream_version = ++hold->version;
    cr_assert_eq(pw_state_evolve(state, &world_tenant_id, &event, undo, &err), PW_OK, "%s",
                 err.detail);
    hold->is_held = !hold->is_held;
}

Test(due, is_what_a_walk_over_all_finds)
{
    const struct pw_event given[] = {CREATED,
                                     DRAFTED(30),
                                     PUBLISHED(30, 0, 1),
                                     DRAFTED(31),
                                     PUBLISHED(31, 0, 1),
                                     OPENED(40, 30, NOON, 99),
                                     OPENED(41, 31, NOON, 99)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_undo *undo = pw_undo_new();
    struct hold holds[HOLDS] = {{0}};
    srand(6);
    for (int round = 0; round < ROUNDS; round++) {
        struct hold kept[HOLDS];
        uint64_t mark = pw_undo_mark(undo);
        memcpy(kept, holds, sizeof holds);
        for (int i = rand() % 5; i > 0; i--) {
            change(state, holds, rand() % HOLDS, undo);
        }
        if (rand() % 10 != 0) {
            pw_undo_to(undo, mark);
            memcpy(holds, kept, sizeof holds);
        } else {
            pw_undo_forget(undo, pw_undo_mark(undo));
        }
        struct pw_due due;
        int64_t at_us = earliest(holds);
        cr_assert_eq(pw_due_at(state), at_us, "round %d", round);
        cr_assert_eq(pw_due_next(state, INT64_MAX, &due), at_us != INT64_MAX);
        if (at_us != INT64_MAX) {
            uint8_t number = due.command.reservation_expire_hold.reservation_id.bytes[15];
            cr_assert_eq(holds[number - 100].expires_at_us, at_us);
            cr_assert(holds[number - 100].is_held);
        }
    }
    pw_undo_free(undo);
    pw_state_free(state);
}

Test(due, a_state_that_was_read_is_due_like_the_one_that_was_written)
{
    const struct pw_event given[] = {
        TWO_SLOTS, HELD(50, ANN, 40, 30, NOON, NINE + 30), HELD(51, BOB, 41, 31, NOON, NINE + 20),
        HELD(52, TOM, 40, 30, NOON, NINE + 10), HOLD_EXPIRED(52, TOM, 40, 30)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_state *read = pw_state_new();
    struct pw_buffer bytes;
    struct pw_due due;
    pw_buffer_init(&bytes, 1 << 16);
    pw_state_serialise(state, &bytes);
    struct pw_cursor cursor = pw_cursor_of(bytes.data, bytes.bytes);
    pw_state_read(read, &cursor);
    cr_assert(pw_cursor_done(&cursor));
    cr_expect_eq(pw_due_at(read), NINE + 20);
    cr_expect(pw_due_next(read, NINE + 20, &due) && expires(&due, 51));
    pw_buffer_close(&bytes);
    pw_state_free(read);
    pw_state_free(state);
}

/* --- Reminders --- */

#define TEN            (NINE + MINUTES(60)) /* When the students of slot 40 are reminded. */
#define TO_BE_REMINDED TWO_SLOTS, REMINDER_SET(40, 0, 30, TEN)

static bool reminds(const struct pw_due *due, uint8_t reservation)
{
    const struct pw_id *id = &due->command.reservation_remind.reservation_id;
    return due->command.type == PW_COMMAND_RESERVATION_REMIND &&
           pw_id_equal(id, &(struct pw_id)ID(reservation));
}

Test(due, a_slots_reminder_comes_at_its_time_and_before_who_books)
{
    const struct pw_event given[] = {TO_BE_REMINDED};
    const struct pw_command books =
        COMMAND(RESERVATION_RESERVE, reservation_reserve, ID(40), ID(60));
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_due due;
    cr_expect_eq(pw_due_at(state), TEN);
    cr_expect_not(pw_due_next(state, TEN - 1, &due));
    cr_expect_not(before(state, books, (struct pw_id)ANN, TEN - 1, &due));
    cr_expect(pw_due_next(state, TEN, &due) && due.command.type == PW_COMMAND_SLOT_REMIND);
    cr_expect(before(state, books, (struct pw_id)ANN, TEN, &due) &&
              due.command.type == PW_COMMAND_SLOT_REMIND);
    world_fold(state, (const struct pw_event[]){SLOT_REMINDED(40, 0, 30, 1)}, 1);
    cr_expect_eq(pw_due_at(state), INT64_MAX, "nobody has a seat");
    pw_state_free(state);
}

Test(due, a_cancelled_slot_reminds_nobody)
{
    const struct pw_event given[] = {TO_BE_REMINDED, SLOT_CANCELLED(40, 0, 30, OTHER)};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    cr_expect_eq(pw_due_at(state), INT64_MAX);
    pw_state_free(state);
}

/* Tells one after the other, until nobody is left; gives who was told, by bits from 50 on. */
static uint64_t tell_all(struct pw_state *state)
{
    const struct pw_tenant *tenant = pw_state_tenant(state, &world_tenant_id);
    uint64_t told = 0;
    struct pw_due due;
    while (pw_due_next(state, TEN, &due)) {
        const struct pw_id *id = &due.command.reservation_remind.reservation_id;
        const struct pw_reservation *who = pw_tenant_reservation(tenant, id);
        cr_assert(reminds(&due, id->bytes[15]) && (told >> (id->bytes[15] - 50) & 1) == 0, "%u",
                  id->bytes[15]);
        told |= UINT64_C(1) << (id->bytes[15] - 50);
        struct pw_event event = {
            .type = PW_EVENT_RESERVATION_REMINDED,
            .stream_id = *id,
            .stream_version = who->version + 1,
            .reservation_reminded = {who->slot_id, who->exam_id, who->student_id}};
        world_fold(state, &event, 1);
    }
    return told;
}

static struct pw_state *read_back(struct pw_state *state)
{
    struct pw_state *read = pw_state_new();
    struct pw_buffer bytes;
    pw_buffer_init(&bytes, 1 << 16);
    pw_state_serialise(state, &bytes);
    struct pw_cursor cursor = pw_cursor_of(bytes.data, bytes.bytes);
    pw_state_read(read, &cursor);
    cr_assert(pw_cursor_done(&cursor));
    pw_buffer_close(&bytes);
    return read;
}

/* 50 has a seat, 51 holds one, 52 gives its seat back, 53 was moved here and 54 moves away, 55 was moved here and gives its seat back. */
#define MANY_THINGS                                                                                \
    CREATED, DRAFTED(30), PUBLISHED(30, 0, 1), OPENED(40, 30, NOON, 9), OPENED(41, 30, LATER, 9),  \
        REMINDER_SET(40, 0, 30, TEN), RESERVED(50, ANN, 40, 30, NOON),                             \
        HELD(51, BOB, 40, 30, NOON, NOON), RESERVED(52, TOM, 40, 30, NOON),                        \
        RESERVED(53, TEA, 41, 30, LATER), MOVED(53, 0, TEA, 40, 30, NOON, 41, LATER),              \
        RESERVED(54, ADA, 40, 30, NOON), RESERVED(55, OPS, 41, 30, LATER),                         \
        MOVED(55, 0, OPS, 40, 30, NOON, 41, LATER), SLOT_REMINDED(40, 0, 30, 1)
#define LATER (NOON + MINUTES(600))

Test(due, everybody_who_has_a_seat_is_told_once)
{
    const struct pw_event given[] = {MANY_THINGS};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_state *read = read_back(state);
    cr_expect_eq(tell_all(read), 61, "in a state that was read, too");
    cr_expect_eq(tell_all(state), 61, "all but the one that is held");
    pw_state_free(read);
    pw_state_free(state);
}

Test(due, who_has_no_seat_there_any_more_or_was_late_is_not_told)
{
    const struct pw_event given[] = {MANY_THINGS};
    const struct pw_event since[] = {
        CANCELLED(52, TOM, 40, 30),      MOVED(54, 0, ADA, 41, 30, LATER, 40, NOON),
        CANCELLED(55, OPS, 40, 30),      HOLD_CONFIRMED(51, BOB, 40, 30),
        RESERVED(56, TOM, 40, 30, NOON),
    };
    for (size_t first = 0; first <= PW_COUNT(since);
         first++) { /* Some are told before, where they are first. */
        struct pw_state *state = state_of(given, PW_COUNT(given));
        world_fold(state, since, (uint32_t)first);
        struct pw_state *read = read_back(state);
        world_fold(state, since + first, (uint32_t)(PW_COUNT(since) - first));
        world_fold(read, since + first, (uint32_t)(PW_COUNT(since) - first));
        cr_expect_eq(tell_all(read), 9, "50 and 53, after %zu", first);
        cr_expect_eq(tell_all(state), 9, "50 and 53, after %zu", first);
        pw_state_free(read);
        pw_state_free(state);
    }
}

/* The log was away for a day: who was not told before the start is not told any more. */
Test(due, nobody_is_told_of_an_exam_that_has_begun)
{
    const struct pw_event given[] = {MANY_THINGS};
    struct pw_state *state = state_of(given, PW_COUNT(given));
    struct pw_state *read;
    struct pw_due due;
    cr_expect(pw_due_next(state, NOON - 1, &due) &&
              due.command.type == PW_COMMAND_RESERVATION_REMIND);
    world_fold(state, (const struct pw_event[]){HOLD_EXPIRED(51, BOB, 40, 30)}, 1);
    cr_expect(pw_due_next(state, NOON, &due) && due.command.type == PW_COMMAND_SLOT_REMIND);
    world_fold(state, (const struct pw_event[]){SLOT_REMINDED(40, 0, 30, 0)}, 1);
    read = read_back(state);
    cr_expect_eq(pw_due_at(state), INT64_MAX);
    cr_expect_eq(pw_due_at(read), INT64_MAX);
    pw_state_free(read);
    pw_state_free(state);
}
