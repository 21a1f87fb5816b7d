/* commands/tests/engine_chaos.c: several engines on a log with every fault, from one seed a run. In odd runs two that take each
 * other for dead; in even ones three or four that know each other, crash, stop, and do not always hear each other.
 *
 * Usage  engine_chaos [first seed] [runs]
 * After each run the log alone is folded, and every answer that a client got is held against it: accepted exactly once, or refused and
 * never accepted; no id decided twice; no seat sold twice; the leader's state equal to the replay byte for byte. In every other run the
 * engines keep snapshots, some of them torn, and go on from these when they start again. */
#include "commands/tests/engine_rig.h"

#include <unistd.h>

#define ASKS_MAX   160
#define STUDENTS   12
#define SLOTS      4
#define PARTITIONS 2

struct chaos {
    struct rig rig;
    struct pw_id tenant;
    struct pw_id teacher;
    struct pw_id exams[SLOTS];
    struct pw_id slots[SLOTS];
    struct pw_id students[STUDENTS];
    struct ask asks[ASKS_MAX];
    bool settled[ASKS_MAX]; /* The client has a yes or a no. */
    uint32_t ask_count;
    uint32_t node_count;
    uint64_t void_count;
    uint64_t step_downs;
    uint64_t hand_overs;
    uint64_t undone;
    uint64_t replays;
    uint64_t refused;
    uint64_t accepted;
    uint64_t restored;
    uint64_t torn;
};

static bool is_answer(enum pw_code code)
{
    enum pw_error_kind kind = pw_error_info(code)->kind;
    return kind != PW_KIND_UNAVAILABLE && kind != PW_KIND_INTERNAL;
}

/* Sends until there is an answer, to whoever runs. */
static void insist(struct chaos *chaos, struct ask *ask)
{
    for (uint32_t tries = 0; tries < 400; tries++) {
        uint32_t node = (uint32_t)rig_random(&chaos->rig, chaos->node_count);
        if (chaos->rig.nodes[node].engine != NULL && is_answer(rig_ask(&chaos->rig, node, ask))) {
            return;
        }
        rig_run(&chaos->rig, 50);
    }
    CHECK(false, "nobody answers: %s %s", pw_error_info(ask->job.err.code)->name,
          ask->job.err.detail);
}

static void furnish(struct chaos *chaos)
{
    struct rig *rig = &chaos->rig;
    chaos->teacher = rig_id(rig);
    struct ask tenant = ask_tenant(rig, &chaos->tenant);
    insist(chaos, &tenant);
    for (int i = 0; i < SLOTS; i++) {
        struct ask draft = ask_draft(rig, chaos->tenant, chaos->teacher, &chaos->exams[i]);
        insist(chaos, &draft);
        chaos->exams[i] = draft.job.stream_id; /* A retry may have found an earlier try's. */
        struct ask publish = ask_publish(rig, chaos->tenant, chaos->teacher, chaos->exams[i]);
        insist(chaos, &publish);
        struct ask open = ask_open(rig, chaos->tenant, chaos->teacher, chaos->exams[i],
                                   pw_sim_now_us(rig->log) + (48 + i) * 60 * PW_US_PER_MINUTE, 3,
                                   &chaos->slots[i]);
        insist(chaos, &open);
        chaos->slots[i] = open.job.stream_id;
    }
    for (int i = 0; i < STUDENTS; i++) {
        chaos->students[i] = rig_id(rig);
    }
}

static void choose_faults(struct chaos *chaos)
{
    struct rig *rig = &chaos->rig;
    struct pw_sim_faults faults = {
        .lose = (uint32_t)rig_random(rig, 20),
        .lose_ack = (uint32_t)rig_random(rig, 20),
        .repeat = (uint32_t)rig_random(rig, 60),
        .late = (uint32_t)rig_random(rig, 20),
        .reorder = (uint32_t)rig_random(rig, 40),
        .offset_unknown = (uint32_t)rig_random(rig, 60),
        .offset_falsified = (uint32_t)rig_random(rig, 60),
        .fatal = (uint32_t)rig_random(rig, 10),
        .delay_us_max = (int64_t)rig_random(rig, 20000),
        .late_us_max = (int64_t)rig_random(rig, 3000000),
    };
    pw_sim_set_faults(rig->log, &faults);
}

static struct ask next_ask(struct chaos *chaos)
{
    struct rig *rig = &chaos->rig;
    struct pw_id student = chaos->students[rig_random(rig, STUDENTS)];
    uint64_t dice = rig_random(rig, 10);
    if (dice < 3 && chaos->ask_count > 0) {
        uint64_t i = rig_random(rig, chaos->ask_count);
        const struct pw_job *earlier = &chaos->asks[i].job;
        if (earlier->command.type == PW_COMMAND_RESERVATION_RESERVE) {
            return ask_cancel(rig, chaos->tenant, earlier->actor_id,
                              earlier->command.reservation_reserve.reservation_id);
        }
    }
    if (dice == 9) {
        return ask_capacity(rig, chaos->tenant, chaos->teacher,
                            chaos->slots[rig_random(rig, SLOTS)], 1 + (uint32_t)rig_random(rig, 5));
    }
    return ask_reserve(rig, chaos->tenant, student, chaos->slots[rig_random(rig, SLOTS)]);
}

static void count(struct chaos *chaos, uint32_t node)
{
    struct pw_partition_status status;
    pw_engine_status(chaos->rig.nodes[node].engine, pw_partition_of(&chaos->tenant, PARTITIONS),
                     &status);
    chaos->step_downs += status.step_down_count;
    chaos->hand_overs += status.hand_over_count;
    chaos->undone += status.undone_count;
    chaos->restored += status.restored_offset >= 0;
}

/* A node ends, in good order or not, and comes again; or it no longer hears another one, or does again. */
static void strike(struct chaos *chaos)
{
    struct rig *rig = &chaos->rig;
    uint32_t node = (uint32_t)rig_random(rig, chaos->node_count);
    uint32_t other = (uint32_t)rig_random(rig, chaos->node_count);
    uint32_t leader = rig_leader(rig, pw_partition_of(&chaos->tenant, PARTITIONS));
    uint64_t dice = rig_random(rig, 3);
    node = leader != RIG_NODES_MAX && rig_random(rig, 2) == 0 ? leader : node;
    if (chaos->node_count > 2 && dice == 0) {
        rig->nodes[node].cut_from[other] = node != other && !rig->nodes[node].cut_from[other];
        return;
    }
    if (chaos->node_count > 2 && dice == 1) {
        rig_stop(rig, node);
        for (uint32_t ms = 0; ms < 200 && !pw_engine_idle(rig->nodes[node].engine); ms++) {
            rig_run(rig, 1);
        }
    }
    count(chaos, node);
    rig_crash(rig, node);
    char path[RIG_PATH_BYTES]; /* What it wrote last may have been torn by its end. */
    uint32_t partition = pw_partition_of(&chaos->tenant, PARTITIONS);
    if (rig_random(rig, 3) == 0 && rig_snapshot(rig, node, partition, 0, path)) {
        CHECK(truncate(path, (off_t)rig_random(rig, 400)) == 0, "cannot tear %s", path);
        chaos->torn++;
    }
    rig_start(rig, node);
}

static void storm(struct chaos *chaos)
{
    struct rig *rig = &chaos->rig;
    for (uint32_t turn = 0; turn < 600; turn++) {
        if (chaos->ask_count < ASKS_MAX && rig_random(rig, 3) != 0) {
            chaos->asks[chaos->ask_count] = next_ask(chaos);
            chaos->asks[chaos->ask_count].answered = true; /* Ready to be sent. */
            pw_fail(&chaos->asks[chaos->ask_count].job.err, PW_ERR_NO_LEADER, "not sent yet");
            chaos->ask_count++;
        }
        for (uint32_t i = 0; i < chaos->ask_count; i++) {
            struct ask *ask = &chaos->asks[i];
            chaos->settled[i] =
                chaos->settled[i] || (ask->answered && is_answer(ask->job.err.code));
            if (ask->answered && !chaos->settled[i] && rig_random(rig, 4) == 0) {
                rig_send(rig, (uint32_t)rig_random(rig, chaos->node_count), ask);
            }
        }
        if (rig_random(rig, chaos->node_count == 2 ? 100 : 50) == 0) {
            strike(chaos);
        }
        rig_run(rig, 1 + (uint32_t)rig_random(rig, 20));
    }
}

static void calm(struct chaos *chaos)
{
    struct pw_sim_faults none = {0};
    pw_sim_set_faults(chaos->rig.log, &none);
    rig_run(&chaos->rig, 5000);
    chaos->rig.peer = PW_PEER_ALIVE; /* From here on nobody deposes whoever leads last. */
    for (uint32_t i = 0; i < chaos->node_count; i++) {
        memset(chaos->rig.nodes[i].cut_from, 0, sizeof chaos->rig.nodes[i].cut_from);
    }
    rig_run(&chaos->rig, 100);
    for (uint32_t p = 0; chaos->node_count > 2 && p < PARTITIONS; p++) {
        uint32_t ms = 0;
        while (rig_leader(&chaos->rig, p) == RIG_NODES_MAX) {
            CHECK(ms++ < 60000, "nobody alone leads partition %u", p);
            rig_run(&chaos->rig, 1);
        }
    }
}

/* Counts the decisions of one id in the log, and checks what the client was told against them. */
struct verdicts {
    uint32_t accepted;
    uint32_t refused;
};

static struct verdicts verdicts_of(const struct chaos *chaos, const struct pw_job *job)
{
    struct verdicts found = {0};
    struct pw_chain chain;
    uint32_t partition = pw_partition_of(&chaos->tenant, PARTITIONS);
    pw_chain_init(&chain, partition);
    for (int64_t offset = 0; offset < pw_sim_end(chaos->rig.log, partition); offset++) {
        uint8_t *value;
        size_t bytes;
        struct pw_record record;
        if (!pw_sim_get(chaos->rig.log, partition, offset, &value, &bytes)) {
            continue;
        }
        if (pw_chain_take(&chain, offset, value, bytes, &record) == PW_CHAIN_ACCEPTED) {
            found.accepted += record.kind == PW_RECORD_COMMIT &&
                              pw_id_equal(&record.commit.command_id, &job->command_id) &&
                              pw_id_equal(&record.commit.actor_id, &job->actor_id);
            for (uint32_t i = 0; i < record.answer_count; i++) {
                const struct pw_answer *answer = &record.answers[i];
                bool same = pw_id_equal(&answer->command_id, &job->command_id) &&
                            pw_id_equal(&answer->actor_id, &job->actor_id);
                found.accepted += same && answer->problem_name.len == 0;
                found.refused += same && answer->problem_name.len > 0;
            }
        }
        free(value);
    }
    pw_chain_close(&chain);
    return found;
}

static void judge(struct chaos *chaos)
{
    for (uint32_t i = 0; i < chaos->ask_count; i++) {
        const struct pw_job *job = &chaos->asks[i].job;
        struct verdicts found = verdicts_of(chaos, job);
        CHECK(found.accepted + found.refused <= 1, "ask %u: decided %u times yes and %u times no",
              i, found.accepted, found.refused);
        if (!chaos->settled[i]) {
            continue;
        }
        CHECK(found.accepted == (job->err.code == PW_OK), "ask %u: told %s, accepted %u times", i,
              pw_error_info(job->err.code)->name, found.accepted);
        CHECK(found.refused == (job->err.code != PW_OK), "ask %u: told %s, refused %u times", i,
              pw_error_info(job->err.code)->name, found.refused);
        chaos->accepted += job->err.code == PW_OK;
        chaos->refused += job->err.code != PW_OK;
        chaos->replays += job->replayed;
    }
}

/* Rule 1, counted by hand, and the equality of live state and replay. */
static void judge_state(struct chaos *chaos)
{
    uint32_t partition = pw_partition_of(&chaos->tenant, PARTITIONS);
    struct pw_fold fold;
    rig_fold(&chaos->rig, partition, &fold);
    chaos->void_count = fold.chain.void_count;
    const struct pw_tenant *tenant = pw_state_tenant(fold.state, &chaos->tenant);
    for (int i = 0; i < SLOTS; i++) {
        const struct pw_slot *slot = pw_tenant_slot(tenant, &chaos->slots[i]);
        CHECK(slot->taken_count <= slot->capacity, "%u of %u taken", slot->taken_count,
              slot->capacity);
    }
    struct pw_buffer replayed;
    struct pw_buffer live;
    pw_buffer_init(&replayed, 1 << 22);
    pw_buffer_init(&live, 1 << 22);
    pw_state_serialise(fold.state, &replayed);
    uint32_t compared = 0;
    for (uint32_t i = 0; i < chaos->node_count; i++) {
        struct pw_partition_status status;
        pw_engine_status(chaos->rig.nodes[i].engine, partition, &status);
        if (status.position.offset != fold.chain.head_offset) {
            continue; /* It was deposed while idle, and will see so when it writes next. */
        }
        live.bytes = 0;
        compared++;
        CHECK(pw_engine_serialise(chaos->rig.nodes[i].engine, partition, &live),
              "in flight after calm");
        CHECK(live.bytes == replayed.bytes && memcmp(live.data, replayed.data, live.bytes) == 0,
              "node %u: live state and replay differ", i);
    }
    CHECK(compared > 0, "nobody stands on the head");
    pw_buffer_close(&live);
    pw_buffer_close(&replayed);
    pw_fold_close(&fold);
}

static void run(uint64_t seed, struct chaos *total)
{
    static struct chaos chaos;
    memset(&chaos, 0, sizeof chaos);
    rig_open(&chaos.rig, seed, PARTITIONS);
    chaos.node_count = seed % 2 == 1 ? 2 : seed % 4 == 0 ? 3 : 4;
    if (chaos.node_count > 2) {
        rig_introduce(&chaos.rig, chaos.node_count);
    }
    for (uint32_t i = 0; i < chaos.node_count; i++) {
        if (seed % 3 != 0) {
            rig_keep_snapshots(&chaos.rig, i, 20);
        }
        rig_start(&chaos.rig, i);
    }
    furnish(&chaos);
    choose_faults(&chaos);
    storm(&chaos);
    calm(&chaos);
    for (uint32_t i = 0; i < chaos.node_count; i++) {
        count(&chaos, i);
    }
    for (uint32_t i = 0; i < chaos.ask_count; i++) {
        chaos.settled[i] =
            chaos.settled[i] || (chaos.asks[i].answered && is_answer(chaos.asks[i].job.err.code));
    }
    judge_state(&chaos);
    judge(&chaos);
    total->accepted += chaos.accepted;
    total->refused += chaos.refused;
    total->replays += chaos.replays;
    total->void_count += chaos.void_count;
    total->step_downs += chaos.step_downs;
    total->hand_overs += chaos.hand_overs;
    total->undone += chaos.undone;
    total->restored += chaos.restored;
    total->torn += chaos.torn;
    rig_close(&chaos.rig);
}

int main(int argc, char **argv)
{
    static struct chaos total;
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t runs = argc > 2 ? strtoull(argv[2], NULL, 10) : 40;
    for (uint64_t seed = first; seed < first + runs; seed++) {
        if (runs == 1) {
            fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        }
        run(seed, &total);
    }
    printf("%llu runs: %llu accepted, %llu refused, %llu replayed; provoked %llu void records, "
           "%llu step-downs, %llu of them hand-overs, %llu records undone; %llu starts from a "
           "snapshot, %llu torn\n",
           (unsigned long long)runs, (unsigned long long)total.accepted,
           (unsigned long long)total.refused, (unsigned long long)total.replays,
           (unsigned long long)total.void_count, (unsigned long long)total.step_downs,
           (unsigned long long)total.hand_overs, (unsigned long long)total.undone,
           (unsigned long long)total.restored, (unsigned long long)total.torn);
    CHECK(total.void_count > 0 && total.step_downs > 0 && total.undone > 0 &&
              (runs == 1 || total.hand_overs > 0),
          "nothing was provoked");
    CHECK(runs < 20 || (total.restored > 0 && total.torn > 0), "no snapshot was gone on from");
    return 0;
}
