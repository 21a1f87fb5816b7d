/* integration/sim/faults.c: what goes wrong, and when. Which faults a run has is drawn first, so that some runs have
 * few: what two faults do together would otherwise hide behind a third. */
#include "integration/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "eventstore/snapshot_file.h"

#define END_LAG_MAX    30
#define END_LAG_US_MAX (4 * PW_US_PER_SECOND)

static uint64_t draw(struct world *world, uint64_t below)
{
    return sim_draw(&world->random_faults, below);
}

/* In 1/1000 of appends, store operations, messages; in 1/10000 of turns, 2.5 ms on average, for what befalls nodes. */
static const uint32_t rates_max[FAULT_COUNT] = {
    [FAULT_LOSE] = 30,         [FAULT_LOSE_ACK] = 30,     [FAULT_REPEAT] = 60,
    [FAULT_LATE] = 30,         [FAULT_REORDER] = 60,      [FAULT_OFFSET_UNKNOWN] = 60,
    [FAULT_OFFSET_WRONG] = 60, [FAULT_FATAL] = 10,        [FAULT_DELAY] = 1000,
    [FAULT_READ_LAG] = 1000,   [FAULT_END_LAG] = 20,      [FAULT_DOWN] = 8,
    [FAULT_JUNK] = 60,         [FAULT_CRASH] = 15,        [FAULT_STOP] = 10,
    [FAULT_PAUSE] = 15,        [FAULT_CUT] = 15,          [FAULT_CLOCK] = 10,
    [FAULT_SNAPSHOTS] = 1000,  [FAULT_TEAR] = 1000,       [FAULT_QUEUE] = 1000,
    [FAULT_NETWORK] = 60,      [FAULT_STORE_REDO] = 60,   [FAULT_STORE_AWAY] = 60,
    [FAULT_STORE_LOSE] = 20,   [FAULT_STORE_STALE] = 300, [FAULT_REPLACE] = 1000,
    [FAULT_KEY_WRITE] = 60,    [FAULT_KEY_DOWN] = 8,      [FAULT_REWRAP] = 10,
};

void faults_choose(struct world *world)
{
    uint32_t snapshots = world->rates[FAULT_SNAPSHOTS];
    for (uint32_t i = 0; i < FAULT_COUNT; i++) {
        uint32_t rate = 1 + (uint32_t)draw(world, rates_max[i]);
        bool has = draw(world, i == FAULT_REPLACE || i == FAULT_QUEUE ? 6 : 2) == 0;
        world->rates[i] = has && (world->plan.without & 1U << i) == 0 ? rate : 0;
    }
    world->rates[FAULT_SNAPSHOTS] = snapshots;
    const uint32_t *rates = world->rates;
    world->log_faults = (struct pw_sim_faults){
        .lose = rates[FAULT_LOSE],
        .lose_ack = rates[FAULT_LOSE_ACK],
        .repeat = rates[FAULT_REPEAT],
        .late = rates[FAULT_LATE],
        .reorder = rates[FAULT_REORDER],
        .offset_unknown = rates[FAULT_OFFSET_UNKNOWN],
        .offset_falsified = rates[FAULT_OFFSET_WRONG],
        .fatal = rates[FAULT_FATAL],
        .delay_us_max = rates[FAULT_DELAY] * 40,
        .late_us_max = 1 + (int64_t)draw(world, 3 * PW_US_PER_SECOND),
        .read_lag_us_max = rates[FAULT_READ_LAG] * 100,
    };
    pw_sim_set_faults(world->log, &world->log_faults);
    for (uint32_t i = 0; i < FAULT_COUNT; i++) {
        if (rates[i] > 0) {
            sim_trace(world, "fault: %s, %u", sim_fault_names[i], rates[i]);
        }
    }
}

static bool strikes(struct world *world, enum fault fault)
{
    return world->rates[fault] > 0 && draw(world, 10000) < world->rates[fault];
}

/* Leaders are worth more. */
static struct node *victim(struct world *world)
{
    struct node *leader = nodes_leader(world, (uint32_t)draw(world, world->partition_count));
    struct node *node = &world->nodes[draw(world, world->node_count)];
    node = leader != NULL && draw(world, 2) == 0 ? leader : node;
    return node->engine != NULL && node->paused_until_us <= sim_now(world) ? node : NULL;
}

/* --- Junk --- */

/* What others may have written there: noise, tombstones, old records again, bids out of nowhere. None names the head. */
static void put_junk(struct world *world, uint32_t partition)
{
    uint8_t bytes[120];
    uint8_t *value;
    size_t value_bytes;
    int64_t end = pw_sim_end(world->log, partition);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)draw(world, 256);
    }
    switch (draw(world, 5)) {
    case 0: pw_sim_put(world->log, partition, bytes, draw(world, sizeof bytes)); break;
    case 1: pw_sim_put(world->log, partition, NULL, 0); break;
    case 2: pw_sim_skip_offset(world->log, partition); return;
    case 3:
        memcpy(bytes, "PWL\1", 4);
        pw_sim_put(world->log, partition, bytes, 36 + draw(world, sizeof bytes - 36));
        break;
    default: /* Void, as its prev was the head once; unless it is the first that names it. */
        if (pw_sim_get(world->log, partition, (int64_t)draw(world, (uint64_t)end), &value,
                       &value_bytes)) {
            pw_sim_put(world->log, partition, value, value_bytes);
            free(value);
        }
        break;
    }
    sim_effect(world, EFFECT_JUNK, 1);
}

/* --- Nodes --- */

void faults_tear(struct world *world, struct node *node)
{
    int64_t offsets[8];
    char path[200];
    char name[PW_SNAPSHOT_NAME_BYTES];
    uint32_t partition = (uint32_t)draw(world, world->partition_count);
    if (world->rates[FAULT_TEAR] == 0 || node->snapshots_dir[0] == '\0' ||
        draw(world, 1000) >= world->rates[FAULT_TEAR] ||
        pw_snapshot_files(node->snapshots_dir, partition, INT64_MAX, offsets, PW_COUNT(offsets)) ==
            0) {
        return;
    }
    pw_snapshot_file_name(partition, offsets[0], name);
    snprintf(path, sizeof path, "%s/%s", node->snapshots_dir, name);
    FILE *file = fopen(path, "r+b");
    if (file == NULL) {
        return;
    }
    if (draw(world, 2) == 0) {
        if (ftruncate(fileno(file), (off_t)draw(world, 600)) != 0) {
            abort();
        }
    } else { /* A byte that has turned. */
        fseek(file, (long)draw(world, 400), SEEK_SET);
        int byte = fgetc(file);
        fseek(file, -1, SEEK_CUR);
        fputc((byte == EOF ? 0 : byte) ^ 0x10, file);
    }
    fclose(file);
    sim_trace(world, "%s: the snapshot %s is torn", node->name, name);
}

static void strike_nodes(struct world *world)
{
    struct node *node = victim(world);
    int64_t now_us = sim_now(world);
    if (node == NULL) {
        return;
    }
    if (strikes(world, FAULT_CRASH)) {
        sim_effect(world, EFFECT_CRASH, 1);
        node_crash(node);
        faults_tear(world, node);
        node->restart_us = now_us + (int64_t)draw(world, 4 * PW_US_PER_SECOND);
        return;
    }
    if (strikes(world, FAULT_STOP) && !node->stopping) {
        sim_effect(world, EFFECT_STOP, 1);
        node_stop(node);
        node->restart_us = now_us + PW_US_PER_SECOND;
    }
    if (strikes(world, FAULT_PAUSE)) {
        uint64_t us_max = draw(world, 2) == 0 ? 400 * PW_US_PER_MS : 8 * PW_US_PER_SECOND;
        node->paused_until_us = now_us + (int64_t)draw(world, us_max) / 1000 * 1000;
        sim_effect(world, EFFECT_ZOMBIE, 1);
        sim_trace(world, "%s sleeps until %lld ms", node->name,
                  (long long)((node->paused_until_us - START_US) / 1000));
    }
    if (strikes(world, FAULT_CUT)) {
        uint32_t other = (uint32_t)draw(world, world->node_count);
        node->cut_from[other] = other != node->number && !node->cut_from[other];
        sim_effect(world, EFFECT_CUT, node->cut_from[other]);
        sim_trace(world, "%s %s node-%u", node->name,
                  node->cut_from[other] ? "is cut off from" : "hears", other);
    }
    if (strikes(world, FAULT_CLOCK)) {
        int64_t max_us = (int64_t[]){1500 * PW_US_PER_MS, 20 * PW_US_PER_SECOND}[draw(world, 2)];
        node->skew_us =
            draw(world, 3) == 0 ? 0 : (int64_t)draw(world, 2 * (uint64_t)max_us) - max_us;
        sim_effect(world, EFFECT_CLOCK, 1);
        sim_trace(world, "%s: its clock is off by %lld ms", node->name,
                  (long long)(node->skew_us / 1000));
    }
}

static void restart(struct world *world, bool all)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (node->engine == NULL && (all || node->restart_us <= sim_now(world))) {
            node_start(node);
        }
    }
}

static void set_down(struct world *world, bool down)
{
    if (world->is_down != down) {
        world->is_down = down;
        pw_sim_set_down(world->log, down);
        sim_trace(world, "the log is %s", down ? "down" : "up");
    }
}

static void set_lag(struct world *world, uint32_t partition, int64_t count)
{
    pw_sim_set_lag(world->log, partition, count);
    sim_trace(world, "partition %u: its end is shown %lld records short", partition,
              (long long)count);
}

/* A broker that has just come to lead a partition may show less than the one before it did, until it has heard from its
 * followers. Readers doubt that for five seconds (docs/ledger.md, section 11); here it is always over before. */
static void begin_lag(struct world *world)
{
    uint32_t partition = (uint32_t)draw(world, world->partition_count);
    int64_t count = 1 + (int64_t)draw(world, END_LAG_MAX);
    int64_t most = pw_sim_end(world->log, partition) - 1; /* Its genesis was always shown. */
    world->lags_until_us[partition] = sim_now(world) + 1 + (int64_t)draw(world, END_LAG_US_MAX);
    set_lag(world, partition, count < most ? count : most);
}

static void end_lags(struct world *world, int64_t now_us)
{
    for (uint32_t p = 0; p < world->partition_count; p++) {
        if (world->lags_until_us[p] != 0 && now_us >= world->lags_until_us[p]) {
            world->lags_until_us[p] = 0;
            set_lag(world, p, 0);
        }
    }
}

void faults_turn(struct world *world)
{
    int64_t now_us = sim_now(world);
    strike_nodes(world);
    restart(world, false);
    if (strikes(world, FAULT_JUNK)) {
        put_junk(world, (uint32_t)draw(world, world->partition_count));
    }
    keys_strike(world);
    if (world->is_down && now_us >= world->down_until_us) {
        set_down(world, false);
    } else if (!world->is_down && strikes(world, FAULT_DOWN)) {
        world->down_until_us = now_us + (int64_t)draw(world, 4 * PW_US_PER_SECOND);
        sim_effect(world, EFFECT_DOWN, 1);
        set_down(world, true);
    }
    end_lags(world, now_us);
    if (strikes(world, FAULT_END_LAG)) {
        begin_lag(world);
    }
    if (now_us >= world->lull_until_us && draw(world, 1000) == 0) { /* Nobody asks for a while. */
        world->lull_until_us = now_us + (int64_t)draw(world, 12 * PW_US_PER_SECOND);
    }
}

void faults_end(struct world *world)
{
    static const struct pw_sim_faults none;
    sim_trace(world, "from here on nothing goes wrong");
    world->calm = true;
    world->lull_until_us = 0;
    pw_sim_set_faults(world->log, &none);
    set_down(world, false);
    end_lags(world, INT64_MAX);
    sim_effect(world, EFFECT_END_LAG, pw_sim_doubt_count(world->log));
    keys_land(world);
    uint32_t kept[] = {FAULT_SNAPSHOTS, FAULT_REPLACE};
    uint32_t rates[FAULT_COUNT] = {0};
    for (size_t i = 0; i < PW_COUNT(kept); i++) {
        rates[kept[i]] = world->rates[kept[i]];
    }
    bool queue = world->rates[FAULT_QUEUE] > 0;
    world->loses_at_rest = world->rates[FAULT_STORE_LOSE] > 0;
    memcpy(world->rates, rates, sizeof rates);
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        memset(node->cut_from, 0, sizeof node->cut_from);
        node->paused_until_us = 0;
        node->skew_us = 0;
        if (queue || node->stopping) {
            node_crash(node);
        }
    }
    restart(world, true);
}

/* --- A log that is not any more what it was --- */

static bool has_diverged(const char *text)
{
    return strstr(text, "diverged at partition") != NULL;
}

static bool all_have_seen_it(struct world *world, uint32_t partition)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        const struct pw_partition_status *status = &node->statuses[partition];
        if (status->phase != PW_PHASE_STOPPED || !has_diverged(status->problem.detail)) {
            return false;
        }
        for (uint32_t w = 0; w < PW_COUNT(node->workers); w++) {
            struct pw_worker_status worker = {.state = PW_WORKER_STOPPED};
            if (node->workers[w].worker != NULL) {
                pw_worker_status(node->workers[w].worker, &worker, NULL, 0);
                if (worker.state != PW_WORKER_STOPPED || !has_diverged(worker.reason)) {
                    return false;
                }
            }
        }
    }
    return true;
}

void faults_replace_log(struct world *world)
{
    uint32_t partition = (uint32_t)draw(world, world->partition_count);
    int64_t end = pw_sim_end(world->log, partition);
    int64_t at = nodes_leader(world, partition)->statuses[partition].position.offset;
    int64_t cut =
        at - (int64_t)draw(world, (uint64_t)at < 60 ? (uint64_t)at
                                                    : 60); /* The head is gone, whatever else. */
    bool grows = draw(world, 2) == 0;
    world->is_replaced = true;
    pw_sim_truncate(world->log, partition, cut);
    sim_trace(world, "partition %u: %lld of %lld records are left%s", partition, (long long)cut,
              (long long)end, grows ? ", and others come" : "");
    while (grows && pw_sim_end(world->log, partition) < end + 3) {
        put_junk(world, partition);
    }
    if (grows) {
        pw_sim_put(world->log, partition, "of another history", 18); /* Not only gaps. */
    }
    int64_t until_us = sim_now(world) + 30 * PW_US_PER_SECOND;
    while (!all_have_seen_it(world, partition)) {
        sim_turn(world, 10 * PW_US_PER_MS);
        if (sim_now(world) >= until_us) {
            sim_fail(world, "a replaced log is seen",
                     "partition %u: %lld of %lld records are left%s, and somebody goes on",
                     partition, (long long)cut, (long long)end, grows ? ", others came" : "");
        }
    }
    sim_effect(world, EFFECT_DIVERGED, 1);
}
