/* commands/tests/engine_due.c: deadlines on a simulated log, with a clock turned by hand. */
#include "commands/due.h"
#include "commands/tests/engine_rig.h"

#define HOLD_US (PW_HOLD_MINUTES * PW_US_PER_MINUTE)
#define DAY_US  (24 * 60 * PW_US_PER_MINUTE)

struct world {
    struct rig rig;
    struct rig_office office;
};

/* Node 0 decides. */
static void world_open(struct world *world, uint32_t capacity)
{
    rig_open(&world->rig, 7, 1);
    rig_keep_snapshots(&world->rig, 0, 8);
    rig_start(&world->rig, 0);
    rig_furnish(&world->rig, 0, capacity, &world->office);
}

static struct pw_id hold(struct world *world, struct pw_id slot)
{
    struct ask ask = ask_hold(&world->rig, world->office.tenant, rig_id(&world->rig), slot);
    CHECK(rig_ask(&world->rig, 0, &ask) == PW_OK, "hold: %s", ask.job.err.detail);
    return ask.job.stream_id;
}

static const struct pw_reservation *reservation(const struct pw_fold *fold,
                                                const struct world *world, struct pw_id id)
{
    return pw_tenant_reservation(pw_state_tenant(fold->state, &world->office.tenant), &id);
}

/* Who decided what is on record, deadlines alone: their number, and when the last was decided. */
struct deadlines {
    uint32_t count;
    int64_t last_at_us;
};

static void note(void *self, const struct pw_record *record, uint32_t index,
                 const struct pw_event *event, const struct pw_tenant *after)
{
    struct deadlines *deadlines = self;
    (void)index;
    (void)after;
    if (event->type == PW_EVENT_RESERVATION_HOLD_EXPIRED) {
        CHECK(record->commit.role == PW_ROLE_SYSTEM &&
                  pw_id_equal(&record->commit.actor_id, &pw_system_id),
              "the system's");
        deadlines->count++;
        deadlines->last_at_us = record->decided_at_us;
    }
}

static struct deadlines deadlines_of(struct rig *rig, struct pw_fold *ret_fold)
{
    struct deadlines deadlines = {0};
    struct pw_fold_observer observer = {.self = &deadlines, .event = note};
    rig_fold_observed(rig, 0, &observer, ret_fold);
    return deadlines;
}

static void fires_while_nobody_asks(void)
{
    struct world world;
    struct pw_fold fold;
    world_open(&world, 1);
    struct pw_id held = hold(&world, world.office.slot);
    int64_t held_at_us = pw_sim_now_us(world.rig.log);
    pw_sim_advance(world.rig.log, HOLD_US - 100 * PW_US_PER_MS);
    rig_run(&world.rig, 50);
    CHECK(deadlines_of(&world.rig, &fold).count == 0, "not before its time");
    pw_fold_close(&fold);
    int64_t wait_us = pw_engine_step(world.rig.nodes[0].engine);
    CHECK(wait_us > 0 && wait_us <= 60 * PW_US_PER_MS, "it sleeps until then: %lld us",
          (long long)wait_us);
    rig_run(&world.rig, 200);
    struct deadlines deadlines = deadlines_of(&world.rig, &fold);
    CHECK(deadlines.count == 1, "%u", deadlines.count);
    CHECK(deadlines.last_at_us <= held_at_us + HOLD_US + 20 * PW_US_PER_MS, "at its time");
    CHECK(reservation(&fold, &world, held)->state == PW_RESERVATION_RUN_OUT, "it is over");
    pw_fold_close(&fold);
    rig_close(&world.rig);
}

static void goes_before_what_it_bears_on(void)
{
    enum { OTHERS = 300 };
    struct world world;
    struct pw_fold fold;
    world_open(&world, OTHERS);
    struct pw_id one_seat = rig_open_slot(&world.rig, 0, &world.office, 1);
    for (int i = 0; i < OTHERS; i++) {
        hold(&world, world.office.slot);
    }
    hold(&world, one_seat); /* The last that is due. */
    pw_sim_advance(world.rig.log, HOLD_US);
    struct ask bob = ask_reserve(&world.rig, world.office.tenant, rig_id(&world.rig), one_seat);
    rig_send(&world.rig, 0, &bob);
    pw_engine_step(world.rig.nodes[0].engine);
    CHECK(rig_answer(&world.rig, &bob) == PW_OK, "%s", bob.job.err.detail);
    rig_run(&world.rig, 200);
    struct deadlines deadlines = deadlines_of(&world.rig, &fold);
    CHECK(deadlines.count == OTHERS + 1, "%u", deadlines.count);
    CHECK(deadlines.last_at_us >
              reservation(&fold, &world, bob.job.stream_id)->starts_at_us - 2 * DAY_US,
          "time passed");
    CHECK(bob.job.decided_at_us < deadlines.last_at_us, "the others did not hold him up");
    pw_fold_close(&fold);
    rig_close(&world.rig);
}

/* Where nobody asks, a turn is its own; where somebody does, a quarter of that. */
static void leaves_room_for_who_asks(void)
{
    enum { HOLDS = 3 * PW_DUE_MAX };
    struct world world;
    world_open(&world, HOLDS);
    struct pw_id elsewhere = rig_open_slot(&world.rig, 0, &world.office, 1);
    for (int i = 0; i < HOLDS; i++) {
        hold(&world, world.office.slot);
    }
    pw_sim_advance(world.rig.log, HOLD_US);
    int64_t end = pw_sim_end(world.rig.log, 0);
    struct ask bob = ask_reserve(&world.rig, world.office.tenant, rig_id(&world.rig), elsewhere);
    rig_send(&world.rig, 0, &bob);
    CHECK(rig_answer(&world.rig, &bob) == PW_OK, "%s", bob.job.err.detail);
    int64_t before = bob.job.position.offset - end;
    CHECK(before == PW_DUE_MAX / PW_DUE_SHARE, "%lld before his", (long long)before);
    struct ask ann = ask_reserve(&world.rig, world.office.tenant, rig_id(&world.rig), elsewhere);
    while (pw_sim_end(world.rig.log, 0) <= bob.job.position.offset + 1) {
        pw_engine_step(world.rig.nodes[0].engine);
    }
    rig_send(&world.rig, 0, &ann); /* While a turn of that alone is under way. */
    CHECK(rig_answer(&world.rig, &ann) == PW_ERR_SLOT_FULL, "%s", ann.job.err.detail);
    before = ann.job.position.offset - bob.job.position.offset - 1;
    CHECK(before == PW_DUE_MAX + PW_DUE_MAX / PW_DUE_SHARE, "%lld before hers", (long long)before);
    rig_close(&world.rig);
}

/* However long the turns of those who ask are: otherwise a crowd would never end. */
static void has_its_share_of_long_turns(void)
{
    enum { HOLDS = 400, ASKS = 1000 };
    static struct ask asks[2 * ASKS];
    struct world world;
    world_open(&world, HOLDS);
    struct pw_id elsewhere = rig_open_slot(&world.rig, 0, &world.office, 60000);
    for (int i = 0; i < HOLDS; i++) {
        hold(&world, world.office.slot);
    }
    pw_sim_advance(world.rig.log, HOLD_US);
    for (uint32_t i = 0; i < PW_COUNT(asks); i++) {
        asks[i] = ask_reserve(&world.rig, world.office.tenant, rig_id(&world.rig), elsewhere);
        rig_send(&world.rig, 0, &asks[i]);
        if (i == ASKS - 1) {
            pw_engine_step(world.rig.nodes[0].engine);
        }
    }
    for (uint32_t i = 0; i < PW_COUNT(asks); i++) {
        CHECK(rig_answer(&world.rig, &asks[i]) == PW_OK, "%s", asks[i].job.err.detail);
    }
    int64_t between = asks[ASKS].job.position.offset - asks[ASKS - 1].job.position.offset - 1;
    CHECK(between == ASKS / PW_DUE_SHARE, "%lld of a turn of %d", (long long)between, ASKS);
    rig_close(&world.rig);
}

/* What is due takes a microsecond a record: an id whose window ends meanwhile is turned away. */
static void is_decided_in_its_window(void)
{
    enum { OTHERS = 300 };
    struct world world;
    world_open(&world, OTHERS);
    for (int i = 0; i < OTHERS; i++) {
        hold(&world, world.office.slot);
    }
    struct ask late =
        ask_reserve(&world.rig, world.office.tenant, rig_id(&world.rig), world.office.slot);
    int64_t made_at_us;
    CHECK(pw_id_v7_time(&late.job.command_id, &made_at_us), "an id with a window");
    pw_sim_advance(world.rig.log, made_at_us + RIG_HORIZON_US - 100 - pw_sim_now_us(world.rig.log));
    rig_send(&world.rig, 0, &late);
    CHECK(rig_answer(&world.rig, &late) == PW_ERR_COMMAND_ID_TOO_OLD, "%d", late.job.err.code);
    rig_close(&world.rig);
}

/* As the calendar does not know it yet: her own hold elsewhere ran out. */
static void clears_the_calendar(void)
{
    enum { OTHERS = 100 };
    struct world world;
    world_open(&world, OTHERS);
    struct pw_id elsewhere = rig_open_slot(&world.rig, 0, &world.office, 1);
    for (int i = 0; i < OTHERS; i++) {
        hold(&world, world.office.slot);
    }
    struct pw_id ann = rig_id(&world.rig);
    struct ask first = ask_hold(&world.rig, world.office.tenant, ann, elsewhere);
    CHECK(rig_ask(&world.rig, 0, &first) == PW_OK, "%s", first.job.err.detail);
    pw_sim_advance(world.rig.log, HOLD_US);
    struct ask second = ask_reserve(&world.rig, world.office.tenant, ann, world.office.slot);
    rig_send(&world.rig, 0, &second);
    CHECK(rig_answer(&world.rig, &second) == PW_OK, "%s", second.job.err.detail);
    rig_close(&world.rig);
}

static void confirmed_in_time(void)
{
    struct world world;
    struct pw_fold fold;
    world_open(&world, 1);
    struct pw_id ann = rig_id(&world.rig);
    struct ask held = ask_hold(&world.rig, world.office.tenant, ann, world.office.slot);
    CHECK(rig_ask(&world.rig, 0, &held) == PW_OK, "%s", held.job.err.detail);
    pw_sim_advance(world.rig.log, HOLD_US - 50 * PW_US_PER_MS);
    struct ask confirmed = ask_confirm(&world.rig, world.office.tenant, ann, held.job.stream_id);
    CHECK(rig_ask(&world.rig, 0, &confirmed) == PW_OK, "%s", confirmed.job.err.detail);
    pw_sim_advance(world.rig.log, DAY_US);
    rig_run(&world.rig, 100);
    CHECK(deadlines_of(&world.rig, &fold).count == 0, "nothing was due");
    CHECK(reservation(&fold, &world, held.job.stream_id)->state == PW_RESERVATION_CONFIRMED,
          "hers");
    pw_fold_close(&fold);
    rig_close(&world.rig);
}

static void too_late_by_nothing(void)
{
    struct world world;
    world_open(&world, 1);
    struct pw_id ann = rig_id(&world.rig);
    struct ask held = ask_hold(&world.rig, world.office.tenant, ann, world.office.slot);
    CHECK(rig_ask(&world.rig, 0, &held) == PW_OK, "%s", held.job.err.detail);
    pw_sim_advance(world.rig.log, HOLD_US);
    struct ask confirmed = ask_confirm(&world.rig, world.office.tenant, ann, held.job.stream_id);
    CHECK(rig_ask(&world.rig, 0, &confirmed) == PW_ERR_RESERVATION_NOT_LIVE, "%d",
          confirmed.job.err.code);
    rig_close(&world.rig);
}

/* Each exactly once, whoever writes them: the leader dies with some in flight, and comes back from a snapshot. */
static void over_a_crash(void)
{
    enum { HOLDS = 500 };
    struct world world;
    struct pw_fold fold;
    world_open(&world, HOLDS);
    for (int i = 0; i < HOLDS; i++) {
        hold(&world, world.office.slot);
    }
    pw_sim_advance(world.rig.log, HOLD_US);
    for (int times = 0; times < 4; times++) {
        pw_engine_step(world.rig.nodes[0].engine);
        rig_run(&world.rig, (uint32_t)times);
        rig_crash(&world.rig, 0);
        rig_start(&world.rig, 0);
        rig_run(&world.rig, 3000);
    }
    rig_run(&world.rig, 5000);
    CHECK(deadlines_of(&world.rig, &fold).count == HOLDS, "each once");
    const struct pw_slot *slot =
        pw_tenant_slot(pw_state_tenant(fold.state, &world.office.tenant), &world.office.slot);
    CHECK(slot->taken_count == 0, "all are free");
    CHECK(pw_due_at(fold.state) == slot->reminds_at_us, "nothing but a reminder is left");
    pw_fold_close(&fold);
    rig_close(&world.rig);
}

int main(void)
{
    static const struct check_case cases[] = {
        {"a deadline fires while nobody asks", fires_while_nobody_asks},
        {"what is due goes before what it bears on, and before nothing else",
         goes_before_what_it_bears_on},
        {"what is due leaves room for who asks", leaves_room_for_who_asks},
        {"what is due has its share of long turns", has_its_share_of_long_turns},
        {"an id is decided in its window, whatever is due before", is_decided_in_its_window},
        {"a hold that ran out elsewhere is in nobody's way", clears_the_calendar},
        {"what was confirmed in time stays", confirmed_in_time},
        {"at the very moment it is too late", too_late_by_nothing},
        {"deadlines over crashes are written once each", over_a_crash},
    };
    return check_all(cases, PW_COUNT(cases));
}
