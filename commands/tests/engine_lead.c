/* commands/tests/engine_lead.c: who leads: several engines that know each other, on an honest
 * simulated log; one rule a test. */
#include "commands/tests/engine_rig.h"

#define HOUR_US    (60 * PW_US_PER_MINUTE)
#define PARTITIONS 16
#define SHARE_MAX  7 /* ceil(16 / 3) + 1 */

/* Three nodes of which the first `running` run, a tenant, and a slot in it with many seats. */
struct world {
    struct rig rig;
    struct pw_id tenant;
    struct pw_id slot;
    uint32_t partition;
};

/* As a client: asks whoever leads until there is an answer. */
static void insist(struct world *world, struct ask *ask, uint32_t node)
{
    for (uint32_t tries = 0;; tries++) {
        enum pw_code code = rig_ask(&world->rig, node, ask);
        if (pw_error_info(code)->kind != PW_KIND_UNAVAILABLE) {
            CHECK(code == PW_OK, "%s %s", pw_error_info(code)->name, ask->job.err.detail);
            return;
        }
        CHECK(tries < 1000, "nobody answers: %s", pw_error_info(code)->name);
        rig_run(&world->rig, 10);
        uint32_t leader = rig_leader(&world->rig, world->partition);
        node = leader < RIG_NODES_MAX ? leader : node;
    }
}

static void furnish(struct world *world)
{
    struct rig *rig = &world->rig;
    struct pw_id teacher = rig_id(rig);
    struct pw_id exam;
    struct ask tenant = ask_tenant(rig, &world->tenant);
    world->partition = pw_partition_of(&world->tenant, PARTITIONS);
    insist(world, &tenant, 0);
    struct ask draft = ask_draft(rig, world->tenant, teacher, &exam);
    insist(world, &draft, 0);
    struct ask publish = ask_publish(rig, world->tenant, teacher, exam);
    insist(world, &publish, 0);
    struct ask open = ask_open(rig, world->tenant, teacher, exam,
                               pw_sim_now_us(rig->log) + 48 * HOUR_US, 1000000, &world->slot);
    insist(world, &open, 0);
}

static void world_open(struct world *world, uint32_t introduced, uint32_t running)
{
    *world = (struct world){0};
    rig_open(&world->rig, 7, PARTITIONS);
    rig_introduce(&world->rig, introduced);
    for (uint32_t i = 0; i < running; i++) {
        rig_start(&world->rig, i);
    }
    rig_run(&world->rig, 3000);
    furnish(world);
}

static struct ask a_booking(struct world *world)
{
    return ask_reserve(&world->rig, world->tenant, rig_id(&world->rig), world->slot);
}

static struct pw_partition_status status_of(struct world *world, uint32_t node)
{
    struct pw_partition_status status;
    pw_engine_status(world->rig.nodes[node].engine, world->partition, &status);
    return status;
}

/* The node of that rank for the world's partition. */
static uint32_t node_of_rank(const struct world *world, uint32_t rank)
{
    uint8_t order[PW_NODES_MAX];
    pw_ranks_order(&world->rig.ranks, world->partition, order);
    return order[rank];
}

/* Runs until that node alone leads the world's partition; how many milliseconds that took. */
static uint32_t await_leader(struct world *world, uint32_t node, uint32_t at_most_ms)
{
    uint32_t ms = 0;
    while (rig_leader(&world->rig, world->partition) != node) {
        CHECK(ms < at_most_ms, "node %u does not lead within %u ms, but node %u", node, at_most_ms,
              rig_leader(&world->rig, world->partition));
        rig_run(&world->rig, 1);
        ms++;
    }
    return ms;
}

/* Bookings one after another, in such numbers that the leader is never without one in flight; each
 * is asked again of whoever leads until it is decided. */
struct stream {
    struct ask asks[8];
    uint32_t decided_count;
    uint32_t turned_away_count;
};

static void stream_open(struct world *world, struct stream *stream)
{
    struct pw_sim_faults slow = {.delay_us_max = 8000};
    pw_sim_set_faults(world->rig.log, &slow);
    *stream = (struct stream){0};
    for (size_t i = 0; i < PW_COUNT(stream->asks); i++) {
        stream->asks[i] = a_booking(world);
        stream->asks[i].answered = true;
        pw_fail(&stream->asks[i].job.err, PW_ERR_NO_LEADER, "not sent yet");
    }
}

static void stream_run(struct world *world, struct stream *stream, uint32_t milliseconds)
{
    for (uint32_t ms = 0; ms < milliseconds; ms++) {
        for (size_t i = 0; i < PW_COUNT(stream->asks); i++) {
            struct ask *ask = &stream->asks[i];
            uint32_t leader = rig_leader(&world->rig, world->partition);
            if (!ask->answered || leader == RIG_NODES_MAX) {
                continue;
            }
            if (ask->job.err.code == PW_OK) {
                stream->decided_count++;
                *ask = a_booking(world);
            } else {
                CHECK(pw_error_info(ask->job.err.code)->kind == PW_KIND_UNAVAILABLE, "%s",
                      pw_error_info(ask->job.err.code)->name);
                stream->turned_away_count++;
            }
            rig_send(&world->rig, leader, ask);
        }
        rig_run(&world->rig, 1);
    }
}

static void stream_close(struct world *world, struct stream *stream)
{
    struct pw_sim_faults none = {0};
    pw_sim_set_faults(world->rig.log, &none);
    for (size_t i = 0; i < PW_COUNT(stream->asks); i++) {
        for (uint32_t ms = 0; !stream->asks[i].answered; ms++) {
            CHECK(ms < 60000, "an ask was never answered");
            rig_run(&world->rig, 1);
        }
    }
}

/* --- Ranks --- */

static void ranks_are_an_order(void)
{
    struct pw_ranks ranks = {.count = 0};
    struct pw_ranks other = {.count = 0};
    uint32_t first_count[4] = {0};
    static const char *const names[] = {"delta", "alpha", "charlie", "bravo"};
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(pw_ranks_add(&ranks, pw_str_of(names[i])), "%s", names[i]);
        CHECK(pw_ranks_add(&other, pw_str_of(names[3 - i])), "%s", names[i]);
    }
    CHECK(!pw_ranks_add(&ranks, PW_STR("alpha")) && !pw_ranks_add(&ranks, PW_STR("")), "twice");
    CHECK(strcmp(ranks.node_ids[0], "alpha") == 0 && strcmp(ranks.node_ids[3], "delta") == 0,
          "sorted");
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        uint8_t order[PW_NODES_MAX];
        uint8_t same[PW_NODES_MAX];
        uint32_t seen = 0;
        pw_ranks_order(&ranks, p, order);
        pw_ranks_order(&other, p, same);
        CHECK(memcmp(order, same, 4) == 0, "the order of the list matters");
        CHECK(order[0] == p % 4, "rank 0 of %u is %u", p, order[0]);
        for (uint32_t rank = 0; rank < 4; rank++) {
            seen |= 1u << order[rank];
        }
        CHECK(seen == 15, "somebody has no rank");
        first_count[order[1]]++;
    }
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(first_count[i] > 0 && first_count[i] < 8, "rank 1 does not spread");
    }
}

/* --- Shares --- */

static void check_shares(struct world *world, uint32_t node_count, uint32_t at_most)
{
    uint32_t shares[RIG_NODES_MAX + 1] = {0};
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        uint32_t leader = rig_leader(&world->rig, p);
        CHECK(leader < node_count, "partition %u has no leader, or several", p);
        shares[leader]++;
    }
    for (uint32_t i = 0; i < node_count; i++) {
        CHECK(shares[i] > 0 && shares[i] <= at_most, "node %u leads %u", i, shares[i]);
    }
}

static void three_share(void)
{
    static struct world world;
    world_open(&world, 3, 3);
    check_shares(&world, 3, SHARE_MAX);
    CHECK(rig_leader(&world.rig, world.partition) == world.partition % 3, "rank 0 leads");
    rig_close(&world.rig);
}

static void a_fourth_joins(void)
{
    static struct world world;
    world_open(&world, 4, 3);
    check_shares(&world, 3, SHARE_MAX);
    rig_start(&world.rig, 3);
    rig_run(&world.rig, 5000);
    check_shares(&world, 4, 4);
    rig_close(&world.rig);
}

/* --- A leader that is gone --- */

static void a_dead_leader_is_followed(void)
{
    static struct world world;
    world_open(&world, 3, 3);
    uint32_t leader = node_of_rank(&world, 0);
    struct ask ann = a_booking(&world);
    insist(&world, &ann, leader);
    rig_crash(&world.rig, leader);
    uint32_t ms = await_leader(&world, node_of_rank(&world, 1), 100);
    struct ask again = ann;
    CHECK(rig_ask(&world.rig, node_of_rank(&world, 1), &again) == PW_OK && again.job.replayed, "%s",
          again.job.err.detail);
    CHECK(again.job.position.offset == ann.job.position.offset, "another answer");
    CHECK(ms < 100, "%u ms", ms);
    rig_close(&world.rig);
}

/* Rank 1 stands by, but its clock forbids it to lead. */
static void the_next_rank_waits_its_turn(void)
{
    static struct world world;
    world_open(&world, 3, 3);
    uint32_t leader = node_of_rank(&world, 0);
    struct ask ann = a_booking(&world);
    insist(&world, &ann, leader);
    world.rig.nodes[node_of_rank(&world, 1)].skew_us = -10 * PW_US_PER_SECOND;
    rig_crash(&world.rig, leader);
    uint32_t ms = await_leader(&world, node_of_rank(&world, 2), 300);
    CHECK(ms >= 150, "it did not wait: %u ms", ms);
    rig_close(&world.rig);
}

/* A job at a follower names the leader; when that is gone the job waits for the next one. */
static void a_follower_names_the_leader(void)
{
    static struct world world;
    world_open(&world, 3, 3);
    uint32_t leader = node_of_rank(&world, 0);
    uint32_t next = node_of_rank(&world, 1);
    struct ask ann = a_booking(&world);
    CHECK(rig_ask(&world.rig, next, &ann) == PW_ERR_NO_LEADER, "%d", ann.job.err.code);
    CHECK(strcmp(ann.job.led_by, world.rig.nodes[leader].name) == 0, "'%s'", ann.job.led_by);
    struct pw_partition_status status = status_of(&world, next);
    CHECK(!status.leads && strcmp(status.leader_node_id, world.rig.nodes[leader].name) == 0,
          "the status says '%s'", status.leader_node_id);
    rig_crash(&world.rig, leader);
    CHECK(rig_ask(&world.rig, next, &ann) == PW_OK, "%s", ann.job.err.detail);
    CHECK(ann.job.led_by[0] == '\0', "'%s'", ann.job.led_by);
    rig_close(&world.rig);
}

/* --- A leader that lives --- */

static void an_idle_leader_sees_a_bid(void)
{
    static struct world world;
    world_open(&world, 3, 3);
    uint32_t first = node_of_rank(&world, 0);
    rig_crash(&world.rig, first);
    uint32_t second = node_of_rank(&world, 1);
    await_leader(&world, second, 200);
    rig_run(&world.rig, 5000); /* Nothing is written any more. */
    uint64_t step_downs = status_of(&world, second).step_down_count;
    rig_start(&world.rig, first);
    await_leader(&world, first, 300);
    CHECK(!status_of(&world, second).leads, "the old leader has not seen it");
    CHECK(status_of(&world, second).step_down_count == step_downs + 1, "it did not step down");
    rig_close(&world.rig);
}

static void a_busy_leader_hands_over(void)
{
    static struct world world;
    static struct stream stream;
    world_open(&world, 3, 3);
    uint32_t first = node_of_rank(&world, 0);
    uint32_t second = node_of_rank(&world, 1);
    rig_crash(&world.rig, first);
    await_leader(&world, second, 200);
    stream_open(&world, &stream);
    stream_run(&world, &stream, 12000);
    uint64_t undone = status_of(&world, second).undone_count;
    rig_start(&world.rig, first);
    for (uint32_t ms = 0; rig_leader(&world.rig, world.partition) != first; ms++) {
        CHECK(ms < 5000, "no hand-over");
        stream_run(&world, &stream, 1);
    }
    struct pw_partition_status status = status_of(&world, second);
    CHECK(status.hand_over_count == 1, "%llu hand-overs",
          (unsigned long long)status.hand_over_count);
    CHECK(status.undone_count == undone, "its flight did not land");
    stream_run(&world, &stream, 1000);
    stream_close(&world, &stream);
    CHECK(stream.decided_count > 1000, "%u decided", stream.decided_count);
    CHECK(rig_leader(&world.rig, world.partition) == first, "it was not for long");
    rig_close(&world.rig);
}

/* Puts a `leader` record of a node that nobody knows into the log; void, as its prev is no head. */
static void put_bid(struct world *world, uint64_t height)
{
    struct pw_buffer value;
    struct pw_chain_point at = {.prev = {{7}}, .height = height, .decided_at_us = 1};
    struct pw_leader leader = {PW_STR("stranger"), {{1, 2, 3}}};
    pw_buffer_init(&value, 1024);
    CHECK(pw_record_write_leader(&value, &at, &leader) == PW_OK, "leader record");
    pw_sim_put(world->rig.log, world->partition, value.data, value.bytes);
    pw_buffer_close(&value);
}

static void some_bids_depose_nobody(void)
{
    static struct world world;
    world_open(&world, 1, 1);
    struct ask ann = a_booking(&world);
    insist(&world, &ann, 0);
    put_bid(&world, status_of(&world, 0).height); /* But the leader is young. */
    rig_run(&world.rig, 3000);
    CHECK(status_of(&world, 0).leads && status_of(&world, 0).hand_over_count == 0, "too young");
    rig_run(&world.rig, 12000);
    put_bid(&world, 1); /* Its own leader record has that height. */
    rig_run(&world.rig, 3000);
    CHECK(status_of(&world, 0).leads && status_of(&world, 0).hand_over_count == 0, "an old packet");
    CHECK(status_of(&world, 0).void_count >= 2, "it has not seen them");
    put_bid(&world, status_of(&world, 0).height);
    rig_run(&world.rig, 3000);
    CHECK(status_of(&world, 0).hand_over_count == 1, "a bid of now is heard");
    /* The stranger is no node: so the place is free again. */
    struct ask bob = a_booking(&world);
    insist(&world, &bob, 0);
    rig_close(&world.rig);
}

/* Under load its bid may win the race at once, or be void until the leader is no longer young. */
static void rank_0_gets_its_place_back(void)
{
    static struct world world;
    static struct stream stream;
    world_open(&world, 3, 3);
    uint32_t first = node_of_rank(&world, 0);
    uint32_t second = node_of_rank(&world, 1);
    stream_open(&world, &stream);
    stream_run(&world, &stream, 100);
    rig_crash(&world.rig, first);
    stream_run(&world, &stream, 500);
    CHECK(rig_leader(&world.rig, world.partition) == second, "the next rank leads");
    rig_start(&world.rig, first);
    stream_run(&world, &stream, 20000);
    CHECK(rig_leader(&world.rig, world.partition) == first, "rank 0 never got its place");
    CHECK(status_of(&world, first).bid_count <= 6, "%llu bids: it does not back off",
          (unsigned long long)status_of(&world, first).bid_count);
    stream_close(&world, &stream);
    rig_close(&world.rig);
}

/* Puts a hand-over on the head, as its leader would. */
static void put_hand_over(struct world *world, uint32_t node)
{
    struct pw_buffer value;
    struct pw_fold fold;
    const struct rig_node *heir = &world->rig.nodes[node];
    struct pw_leader leader = {pw_str_of(heir->name), heir->incarnation};
    rig_fold(&world->rig, world->partition, &fold);
    struct pw_chain_point at = pw_chain_next(&fold.chain);
    pw_buffer_init(&value, 1024);
    CHECK(pw_record_write_leader(&value, &at, &leader) == PW_OK, "leader record");
    pw_sim_put(world->rig.log, world->partition, value.data, value.bytes);
    pw_buffer_close(&value);
    pw_fold_close(&fold);
}

static void who_is_named_bids_at_once(void)
{
    static struct world world;
    world_open(&world, 3, 3);
    uint32_t first = node_of_rank(&world, 0);
    uint32_t second = node_of_rank(&world, 1);
    rig_run(&world.rig, 3000);
    uint64_t height = status_of(&world, first).height;
    put_hand_over(&world, second);
    await_leader(&world, second, 20);
    CHECK(status_of(&world, second).height == height + 2, "it leads without a bid of its own");
    put_hand_over(&world, first); /* Which lost its place a moment ago, and would wait. */
    rig_run(&world.rig, 20);
    CHECK(status_of(&world, first).leads, "it waits");
    rig_run(&world.rig, 2000); /* The second has no work: by then it has seen that. */
    CHECK(rig_leader(&world.rig, world.partition) == first, "%u leads",
          rig_leader(&world.rig, world.partition));
    rig_close(&world.rig);
}

/* Whose clock is off cannot decide: another leads instead, and it does not ask for its place. */
static void a_wrong_clock_gives_its_place_away(void)
{
    static struct world world;
    static struct stream stream;
    world_open(&world, 3, 3);
    uint32_t first = node_of_rank(&world, 0);
    stream_open(&world, &stream);
    stream_run(&world, &stream, 500);
    world.rig.nodes[first].skew_us = 3 * PW_US_PER_SECOND;
    stream_run(&world, &stream, 2000);
    uint32_t next = rig_leader(&world.rig, world.partition);
    CHECK(next != first && next != RIG_NODES_MAX, "node %u leads", next);
    uint64_t step_downs = status_of(&world, next).step_down_count;
    stream_run(&world, &stream, 30000);
    CHECK(status_of(&world, next).step_down_count == step_downs, "it was not left in peace");
    world.rig.nodes[first].skew_us = 0;
    stream_run(&world, &stream, 20000);
    CHECK(rig_leader(&world.rig, world.partition) == first, "node %u leads",
          rig_leader(&world.rig, world.partition));
    stream_close(&world, &stream);
    rig_close(&world.rig);
}

/* --- Stopping --- */

static void a_stop_hands_over(void)
{
    static struct world world;
    static struct stream stream;
    world_open(&world, 3, 3);
    uint32_t first = node_of_rank(&world, 0);
    uint32_t second = node_of_rank(&world, 1);
    stream_open(&world, &stream);
    stream_run(&world, &stream, 500);
    rig_stop(&world.rig, first);
    for (uint32_t ms = 0; !pw_engine_idle(world.rig.nodes[first].engine); ms++) {
        CHECK(ms < 1000, "it does not end");
        stream_run(&world, &stream, 1);
    }
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct pw_partition_status status;
        pw_engine_status(world.rig.nodes[first].engine, p, &status);
        CHECK(!status.leads && status.undone_count == 0, "partition %u", p);
    }
    rig_crash(&world.rig, first);
    stream_run(&world, &stream, 50);
    CHECK(rig_leader(&world.rig, world.partition) == second, "the next rank does not lead");
    stream_run(&world, &stream, 500);
    stream_close(&world, &stream);
    rig_close(&world.rig);
}

static void a_stop_passes_over_who_does_not_stand_by(void)
{
    static struct world world;
    world_open(&world, 3, 3);
    uint32_t first = node_of_rank(&world, 0);
    rig_stop(&world.rig, node_of_rank(&world, 1));
    rig_run(&world.rig, 100);
    rig_stop(&world.rig, first);
    rig_run(&world.rig, 100);
    CHECK(rig_leader(&world.rig, world.partition) == node_of_rank(&world, 2), "%u leads",
          rig_leader(&world.rig, world.partition));
    rig_stop(&world.rig, node_of_rank(&world, 2));
    rig_run(&world.rig, 100);
    CHECK(pw_engine_idle(world.rig.nodes[node_of_rank(&world, 2)].engine),
          "the last one waits for an heir");
    rig_close(&world.rig);
}

/* --- Nodes that do not hear each other --- */

static void one_way_cuts_do_not_flap(void)
{
    static struct world world;
    static struct stream stream;
    world_open(&world, 3, 3);
    uint32_t first = node_of_rank(&world, 0);
    uint32_t deaf = node_of_rank(&world, 1);
    world.rig.nodes[deaf].cut_from[first] = true;
    uint64_t changes = 0;
    uint32_t leader = rig_leader(&world.rig, world.partition);
    stream_open(&world, &stream);
    for (uint32_t ms = 0; ms < 240000; ms += 20) {
        stream_run(&world, &stream, 20);
        uint32_t now = rig_leader(&world.rig, world.partition);
        changes += now != RIG_NODES_MAX && now != leader;
        leader = now != RIG_NODES_MAX ? now : leader;
    }
    stream_close(&world, &stream);
    CHECK(changes <= 16, "%llu changes in four minutes", (unsigned long long)changes);
    CHECK(stream.decided_count > 20000, "%u decided", stream.decided_count);
    fprintf(stderr, "    %llu changes of the leader in four minutes, %u decided\n",
            (unsigned long long)changes, stream.decided_count);
    rig_close(&world.rig);
}

int main(void)
{
    static const struct check_case cases[] = {
        {"ranks are one order for all", ranks_are_an_order},
        {"three nodes share the partitions", three_share},
        {"a fourth node takes its share", a_fourth_joins},
        {"a dead leader is followed by the next rank", a_dead_leader_is_followed},
        {"a rank waits for those before it", the_next_rank_waits_its_turn},
        {"a follower names the leader", a_follower_names_the_leader},
        {"an idle leader sees a bid", an_idle_leader_sees_a_bid},
        {"a busy leader hands over", a_busy_leader_hands_over},
        {"some bids depose nobody", some_bids_depose_nobody},
        {"rank 0 gets its place back", rank_0_gets_its_place_back},
        {"who is named bids at once", who_is_named_bids_at_once},
        {"a wrong clock gives its place away", a_wrong_clock_gives_its_place_away},
        {"a stop hands over", a_stop_hands_over},
        {"a stop passes over who does not stand by", a_stop_passes_over_who_does_not_stand_by},
        {"one-way cuts do not flap", one_way_cuts_do_not_flap},
    };
    return check_all(cases, PW_COUNT(cases));
}
