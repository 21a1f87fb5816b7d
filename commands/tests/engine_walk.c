/* commands/tests/engine_walk.c: an engine on an honest simulated log: one story a test. */
#include "commands/tests/engine_rig.h"

#define HOUR_US (60 * PW_US_PER_MINUTE)

struct world {
    struct rig rig;
    struct rig_office office;
};

/* Node 0 decides. */
static void world_open(struct world *world, uint32_t capacity)
{
    rig_open(&world->rig, 7, 4);
    rig_start(&world->rig, 0);
    rig_furnish(&world->rig, 0, capacity, &world->office);
}

static uint32_t partition_of(const struct world *world)
{
    return pw_partition_of(&world->office.tenant, 4);
}

static void status_of(struct world *world, uint32_t node, struct pw_partition_status *ret_status)
{
    pw_engine_status(world->rig.nodes[node].engine, partition_of(world), ret_status);
}

static void one_seat(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    struct ask bob = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    CHECK(rig_ask(rig, 0, &ann) == PW_OK, "%s", ann.job.err.detail);
    CHECK(ann.job.stream_version == 1 && ann.job.position.offset > 0 && !ann.job.replayed,
          "answer");
    CHECK(pw_id_equal(&ann.job.stream_id, &ann.job.command.reservation_reserve.reservation_id),
          "stream");
    CHECK(rig_ask(rig, 0, &bob) == PW_ERR_SLOT_FULL, "%d", bob.job.err.code);
    CHECK(bob.job.position.offset > ann.job.position.offset, "a refusal is on record");
    CHECK(rig->nodes[0].observed_count == 1, "the tenant was observed");
    rig_close(rig);
}

static void repeats(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    struct ask again = ann;
    struct ask other = ann;
    other.job.fingerprint.bytes[0] ^= 1;
    CHECK(rig_ask(rig, 0, &ann) == PW_OK, "first");
    again.job.command.reservation_reserve.reservation_id =
        rig_id(rig); /* The shell made a new one. */
    CHECK(rig_ask(rig, 0, &again) == PW_OK && again.job.replayed, "repeat");
    CHECK(pw_id_equal(&again.job.stream_id, &ann.job.stream_id), "the first answer's stream");
    CHECK(memcmp(&again.job.position, &ann.job.position, sizeof ann.job.position) == 0, "position");
    CHECK(rig_ask(rig, 0, &other) == PW_ERR_KEY_REUSED, "other content");
    CHECK(other.job.position.offset == -1 && !other.job.replayed, "nothing of the first one");

    struct ask bob = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    struct ask bob_again = bob;
    CHECK(rig_ask(rig, 0, &bob) == PW_ERR_SLOT_FULL, "full");
    struct ask cancel = ask_cancel(rig, world.office.tenant, ann.job.actor_id, ann.job.stream_id);
    CHECK(rig_ask(rig, 0, &cancel) == PW_OK, "%s", cancel.job.err.detail);
    CHECK(rig_ask(rig, 0, &bob_again) == PW_ERR_SLOT_FULL && bob_again.job.replayed,
          "a refused id stays refused, though a seat is free now");
    CHECK(strcmp(bob_again.job.err.detail, bob.job.err.detail) == 0, "same detail");

    /* Sent side by side, while none is confirmed. */
    struct pw_sim_faults slow = {.delay_us_max = 20000};
    pw_sim_set_faults(rig->log, &slow);
    struct ask cid = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    struct ask cid_again = cid;
    struct ask cid_other = cid;
    cid_other.job.fingerprint.bytes[3] ^= 1;
    rig_send(rig, 0, &cid);
    rig_send(rig, 0, &cid_again);
    rig_send(rig, 0, &cid_other);
    rig_run(rig, 100);
    CHECK(cid.answered && cid.job.err.code == PW_OK, "first");
    CHECK(cid_again.answered && cid_again.job.err.code == PW_OK && cid_again.job.replayed,
          "waited for");
    CHECK(cid_other.answered && cid_other.job.err.code == PW_ERR_KEY_REUSED, "other content");
    CHECK(cid_other.job.position.offset == -1 && !cid_other.job.replayed, "nothing of the first");
    rig_close(rig);
}

static void windows(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    uint8_t random[16] = {9};
    struct ask old = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    struct ask future = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    old.job.command_id =
        pw_id_v7(pw_sim_now_us(rig->log) - RIG_HORIZON_US - PW_US_PER_SECOND, random);
    future.job.command_id =
        pw_id_v7(pw_sim_now_us(rig->log) + PW_KEY_AHEAD_MAX_US + 10 * PW_US_PER_SECOND, random);
    CHECK(rig_ask(rig, 0, &old) == PW_ERR_COMMAND_ID_TOO_OLD && old.job.position.offset == -1,
          "old");
    CHECK(rig_ask(rig, 0, &future) == PW_ERR_COMMAND_ID_FROM_FUTURE, "future");
    rig_close(rig);
}

static void restarts(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    struct ask bob = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    CHECK(rig_ask(rig, 0, &ann) == PW_OK, "booked");
    CHECK(rig_ask(rig, 0, &bob) == PW_ERR_SLOT_FULL, "full");
    struct pw_position first = ann.job.position;
    rig_crash(rig, 0);
    rig_start(rig, 0);
    CHECK(rig_ask(rig, 0, &ann) == PW_OK && ann.job.replayed, "remembered over a restart");
    CHECK(memcmp(&ann.job.position, &first, sizeof first) == 0, "at the same place");
    CHECK(rig_ask(rig, 0, &bob) == PW_ERR_SLOT_FULL && bob.job.replayed, "refusals too");

    struct pw_buffer live;
    struct pw_buffer replayed;
    struct pw_fold fold;
    pw_buffer_init(&live, 1 << 20);
    pw_buffer_init(&replayed, 1 << 20);
    CHECK(pw_engine_serialise(rig->nodes[0].engine, partition_of(&world), &live),
          "nothing in flight");
    rig_fold(rig, partition_of(&world), &fold);
    pw_state_serialise(fold.state, &replayed);
    CHECK(live.bytes == replayed.bytes && memcmp(live.data, replayed.data, live.bytes) == 0,
          "replay equals live");
    pw_fold_close(&fold);
    pw_buffer_close(&live);
    pw_buffer_close(&replayed);
    rig_close(rig);
}

static void second_node_waits(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    struct pw_partition_status status;
    rig->peer = PW_PEER_ALIVE;
    rig_start(rig, 1);
    rig_run(rig, 100);
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    CHECK(rig_ask(rig, 1, &ann) == PW_ERR_NO_LEADER, "%d", ann.job.err.code);
    status_of(&world, 1, &status);
    CHECK(status.phase == PW_PHASE_FOLLOWING && strcmp(status.leader_node_id, "node-0") == 0,
          "follows");
    CHECK(rig_ask(rig, 0, &ann) == PW_OK, "the leader decides");
    rig_crash(rig, 0);
    rig->peer = PW_PEER_DEAD;
    rig_run(rig, 40000);
    CHECK(rig_ask(rig, 1, &ann) == PW_OK && ann.job.replayed, "takes over once the leader is gone");
    rig_close(rig);
}

static void one_that_never_leads(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    struct pw_partition_status status;
    rig->peer = PW_PEER_DEAD;
    rig->nodes[1].never_leads = true;
    rig_crash(rig, 0);
    rig_start(rig, 1);
    rig_run(rig, 40000);
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    CHECK(rig_ask(rig, 1, &ann) == PW_ERR_NO_LEADER, "%d", ann.job.err.code);
    status_of(&world, 1, &status);
    CHECK(status.phase == PW_PHASE_FOLLOWING && status.caught_up && status.bid_count == 0,
          "it follows");
    rig_close(rig);
}

/* Whatever a stranger writes, and whatever offset a report claims, the log itself is asked. */
static void foreign_junk(void)
{
    struct world world;
    world_open(&world, 1000);
    struct rig *rig = &world.rig;
    struct pw_partition_status status;
    struct pw_sim_faults faults = {
        .offset_unknown = 100, .offset_falsified = 200, .delay_us_max = 3000};
    pw_sim_set_faults(rig->log, &faults);
    for (int i = 0; i < 300; i++) {
        struct ask ask = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
        if (i % 10 == 0) {
            pw_sim_put(rig->log, partition_of(&world), "junk", 4);
        }
        if (i % 35 == 0) {
            pw_sim_skip_offset(rig->log, partition_of(&world));
        }
        enum pw_code code = rig_ask(rig, 0, &ask);
        CHECK(code == PW_OK, "%d: %s %s", i, pw_error_info(code)->name, ask.job.err.detail);
    }
    status_of(&world, 0, &status);
    CHECK(status.void_count >= 30, "%llu void", (unsigned long long)status.void_count);
    CHECK(status.step_down_count == 0, "%llu step-downs",
          (unsigned long long)status.step_down_count);
    rig_close(rig);
}

static void clock_off(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    rig->nodes[0].skew_us = 3 * PW_US_PER_SECOND;
    CHECK(rig_ask(rig, 0, &ann) == PW_ERR_CLOCK_OFF, "%d", ann.job.err.code);
    rig->nodes[0].skew_us = -3 * PW_US_PER_SECOND;
    CHECK(rig_ask(rig, 0, &ann) == PW_ERR_CLOCK_OFF, "%d", ann.job.err.code);
    rig->nodes[0].skew_us = 0;
    rig_run(rig, 10000);
    CHECK(rig_ask(rig, 0, &ann) == PW_OK, "%s", ann.job.err.detail);
    rig_close(rig);
}

static void log_down(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    pw_sim_set_down(rig->log, true);
    rig_run(rig, 10);
    enum pw_code code = rig_ask(rig, 0, &ann);
    CHECK(pw_error_info(code)->kind == PW_KIND_UNAVAILABLE, "%s", pw_error_info(code)->name);
    pw_sim_set_down(rig->log, false);
    rig_run(rig, 10000);
    CHECK(rig_ask(rig, 0, &ann) == PW_OK, "%s", ann.job.err.detail);
    rig_close(rig);
}

/* A log that hangs tells nothing: neither that it is down, nor what became of an append. */
static void log_hangs(void)
{
    struct world world;
    world_open(&world, 2);
    struct rig *rig = &world.rig;
    struct pw_partition_status status;
    struct pw_sim_faults hangs = {.delay_us_max = 600 * PW_US_PER_SECOND};
    struct pw_sim_faults works = {.lose = 0};
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    struct ask bob = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    pw_sim_set_faults(rig->log, &hangs);
    rig_send(rig, 0, &ann);
    rig_run(rig, 3000);
    CHECK(!ann.answered, "a broker that fails over in three seconds still confirms it");
    rig_send(rig, 0, &bob);
    rig_run(rig, 2000);
    CHECK(ann.answered, "it hangs for more than five seconds");
    CHECK(ann.job.err.code == PW_ERR_OUTCOME_UNKNOWN, "%s", pw_error_info(ann.job.err.code)->name);
    rig_run(rig, 3000);
    CHECK(bob.answered, "it hangs for more than five seconds");
    pw_sim_set_faults(rig->log, &works);
    rig_run(rig, 20000);
    status_of(&world, 0, &status);
    CHECK(status.leads, "it leads again");
    CHECK(rig_ask(rig, 0, &ann) == PW_OK && rig_ask(rig, 0, &bob) == PW_OK, "the same keys");
    rig_run(rig, 600000); /* All that hung lands, and counts for nothing. */
    struct ask eve = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    CHECK(rig_ask(rig, 0, &eve) == PW_ERR_SLOT_FULL, "%s", pw_error_info(eve.job.err.code)->name);
    rig_close(rig);
}

static void log_down_at_a_repeat(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    CHECK(rig_ask(rig, 0, &ann) == PW_OK, "%s", ann.job.err.detail);
    struct pw_position first = ann.job.position;
    rig_send(rig, 0, &ann);
    rig_run(rig, 1);
    CHECK(!ann.answered, "its record is still to be read");
    pw_sim_set_down(rig->log, true);
    rig_run(rig, 5000);
    CHECK(ann.answered, "it hangs");
    CHECK(ann.job.err.code == PW_ERR_LEDGER_DOWN, "%s", pw_error_info(ann.job.err.code)->name);
    pw_sim_set_down(rig->log, false);
    rig_run(rig, 10000);
    CHECK(rig_ask(rig, 0, &ann) == PW_OK, "%s", ann.job.err.detail);
    CHECK(ann.job.replayed && ann.job.position.offset == first.offset, "the first answer");
    rig_close(rig);
}

/* A repeat is looked up in the log at once, whether or not anything else wakes the engine. */
static void repeat_is_prompt(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    CHECK(rig_ask(rig, 0, &ann) == PW_OK, "%s", ann.job.err.detail);
    rig_run(rig, 20);
    rig_send(rig, 0, &ann);
    pw_engine_step(rig->nodes[0].engine); /* Woken by the repeat. */
    pw_engine_step(rig->nodes[0].engine); /* Woken by what the log gives, if it was asked. */
    CHECK(ann.answered && ann.job.replayed, "the log was not asked");
    rig_close(rig);
}

/* Whatever happens to the leader meanwhile, a repeat is told that it is one. */
static void repeat_over_a_step_down(void)
{
    struct world world;
    world_open(&world, 1000);
    struct rig *rig = &world.rig;
    struct pw_partition_status status;
    struct pw_sim_faults honest = {0};
    struct pw_sim_faults fatal = {.fatal = 1000};
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    CHECK(rig_ask(rig, 0, &ann) == PW_OK, "%s", ann.job.err.detail);
    for (uint32_t i = 0; i < 20; i++) {
        struct ask bob = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
        pw_sim_set_faults(rig->log, &fatal);
        rig_send(rig, 0, &ann);
        rig_send(rig, 0, &bob);
        pw_engine_step(rig->nodes[0].engine);
        pw_sim_set_faults(rig->log, &honest);
        rig_run(rig, 20000);
        CHECK(ann.answered && bob.answered, "no answer");
        CHECK(ann.job.err.code != PW_OK || ann.job.replayed, "try %u is told as new", i);
    }
    status_of(&world, 0, &status);
    CHECK(status.step_down_count > 0, "nothing was provoked");
    rig_close(rig);
}

/* An outage may last: the engine sleeps through it. */
static void sleeps_while_the_log_is_down(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    rig_run(rig, 3000);
    pw_sim_set_down(rig->log, true);
    uint32_t turns = 0;
    for (int64_t slept_us = 0; slept_us < 10 * PW_US_PER_SECOND; turns++) {
        int64_t wait_us = pw_engine_step(rig->nodes[0].engine);
        CHECK(turns < 1000, "it does not sleep");
        pw_sim_advance(rig->log, wait_us);
        slept_us += wait_us;
    }
    rig_close(rig);
}

/* The report named no offset, and before the log could be asked it went away. */
static void doubt_of_a_log_that_goes_down(void)
{
    struct world world;
    world_open(&world, 1);
    struct rig *rig = &world.rig;
    struct pw_sim_faults unknown = {.offset_unknown = 1000};
    pw_sim_set_faults(rig->log, &unknown);
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    rig_send(rig, 0, &ann);
    pw_engine_step(rig->nodes[0].engine);
    pw_sim_advance(rig->log, 1000); /* The report is on its way. */
    pw_sim_set_down(rig->log, true);
    rig_run(rig, 20000);
    CHECK(ann.answered, "no answer while the log is down");
    CHECK(ann.job.err.code == PW_ERR_OUTCOME_UNKNOWN, "%s", pw_error_info(ann.job.err.code)->name);
    pw_sim_set_down(rig->log, false);
    rig_run(rig, 10000);
    CHECK(rig_ask(rig, 0, &ann) == PW_OK, "%s", ann.job.err.detail);
    rig_close(rig);
}

static void log_replaced(void)
{
    struct world world;
    struct pw_partition_status status;
    world_open(&world, 5);
    struct rig *rig = &world.rig;
    pw_sim_truncate(rig->log, partition_of(&world), 2);
    struct ask ann = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    enum pw_code code = rig_ask(rig, 0, &ann);
    CHECK(code == PW_ERR_LEDGER_DIVERGED, "%s", pw_error_info(code)->name);
    status_of(&world, 0, &status);
    CHECK(status.phase == PW_PHASE_STOPPED, "only a person starts it again");
    CHECK(strncmp(status.problem.detail, "diverged at partition ", 22) == 0, "%s",
          status.problem.detail);
    rig_close(rig);
}

/* The log lost its end and has grown past it again, with other records: the idle leader, who follows
 * the tail, meets them as void. It must not take a place after them for the next one. */
static void log_replaced_behind_an_idle_leader(void)
{
    struct world world;
    struct pw_partition_status status;
    world_open(&world, 5);
    struct rig *rig = &world.rig;
    uint32_t partition = partition_of(&world);
    rig_run(rig, 5000);
    pw_sim_put(rig->log, partition, "a stranger's", 12); /* It was read, and is nothing new. */
    rig_run(rig, 5000);
    int64_t end = pw_sim_end(rig->log, partition);
    pw_sim_truncate(rig->log, partition, end - 3);
    for (uint32_t i = 0; i < 5; i++) {
        pw_sim_put(rig->log, partition, "of another history", 18);
    }
    rig_run(rig, 10);
    status_of(&world, 0, &status);
    CHECK(status.phase == PW_PHASE_STOPPED, "before it decides: only a person starts it again");
    rig_close(rig);
}

static void no_genesis(void)
{
    struct rig rig = {.random = 5, .peer = PW_PEER_DEAD, .quiet = true};
    struct pw_partition_status status;
    rig.log = pw_sim_log_new(1, 1, RIG_START_US);
    rig_start(&rig, 0);
    rig_run(&rig, 50);
    pw_engine_status(rig.nodes[0].engine, 0, &status);
    CHECK(status.phase == PW_PHASE_STOPPED && status.problem.code == PW_ERR_LEDGER_DAMAGED, "%s",
          status.problem.detail);
    rig_close(&rig);
}

static void stop_drains(void)
{
    struct world world;
    world_open(&world, 1000);
    struct rig *rig = &world.rig;
    static struct ask asks[200];
    struct pw_sim_faults slow = {.delay_us_max = 30000};
    pw_sim_set_faults(rig->log, &slow);
    for (size_t i = 0; i < PW_COUNT(asks); i++) {
        asks[i] = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
        rig_send(rig, 0, &asks[i]);
    }
    rig_run(rig, 2);
    pw_engine_stop(rig->nodes[0].engine);
    struct ask late = ask_reserve(rig, world.office.tenant, rig_id(rig), world.office.slot);
    CHECK(rig_ask(rig, 0, &late) == PW_ERR_STOPPING, "takes no more");
    for (int ms = 0; !pw_engine_idle(rig->nodes[0].engine); ms++) {
        CHECK(ms < 20000, "drains");
        rig_run(rig, 1);
    }
    for (size_t i = 0; i < PW_COUNT(asks); i++) {
        CHECK(asks[i].answered && asks[i].job.err.code == PW_OK, "%zu: %s", i,
              asks[i].job.err.detail);
    }
    rig_close(rig);
}

static void if_match(void)
{
    struct world world;
    world_open(&world, 5);
    struct rig *rig = &world.rig;
    struct ask wrong =
        ask_capacity(rig, world.office.tenant, world.office.teacher, world.office.slot, 9);
    wrong.job.if_match = 7;
    CHECK(rig_ask(rig, 0, &wrong) == PW_ERR_VERSION_MISMATCH, "%d", wrong.job.err.code);
    CHECK(wrong.job.position.offset >= 0, "on record");
    struct ask right =
        ask_capacity(rig, world.office.tenant, world.office.teacher, world.office.slot, 9);
    right.job.if_match = 2; /* Opened, and to be reminded of. */
    CHECK(rig_ask(rig, 0, &right) == PW_OK && right.job.stream_version == 3, "%d",
          right.job.err.code);
    struct ask same =
        ask_capacity(rig, world.office.tenant, world.office.teacher, world.office.slot, 9);
    CHECK(rig_ask(rig, 0, &same) == PW_OK && same.job.stream_version == 3,
          "a yes that changes nothing");
    CHECK(same.job.position.offset > right.job.position.offset, "is on record");
    rig_close(rig);
}

int main(void)
{
    static const struct check_case cases[] = {
        {"one seat is sold once", one_seat},
        {"a repeated id gets its first answer", repeats},
        {"an id outside its window is turned away", windows},
        {"a new process remembers every decision", restarts},
        {"a second node waits while the leader lives", second_node_waits},
        {"a node without commands follows, and never leads", one_that_never_leads},
        {"junk and wrong reports change nothing", foreign_junk},
        {"nobody decides on a clock that is off", clock_off},
        {"a log that is down heals", log_down},
        {"a log that hangs holds nobody up for long", log_hangs},
        {"a repeat does not wait for a log that is down", log_down_at_a_repeat},
        {"a repeat is looked up at once", repeat_is_prompt},
        {"a repeat is told as one over a step-down", repeat_over_a_step_down},
        {"the engine sleeps while the log is down", sleeps_while_the_log_is_down},
        {"a doubt is answered when the log goes down", doubt_of_a_log_that_goes_down},
        {"a log that was replaced is seen", log_replaced},
        {"a log replaced behind an idle leader stops it", log_replaced_behind_an_idle_leader},
        {"a log without genesis is refused", no_genesis},
        {"a stop drains", stop_drains},
        {"If-Match and empty decisions are on record", if_match},
    };
    return check_all(cases, PW_COUNT(cases));
}
