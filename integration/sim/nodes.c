/* integration/sim/nodes.c: processes: an engine, some workers, and what they hear of each other. */
#include "integration/sim/sim.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ASK_EVERY_US  (200 * PW_US_PER_MS) /* As api/peers.c. */
#define TIMEOUT_US    (500 * PW_US_PER_MS)
#define TIMED_OUT_MAX 3
#define MISSING_MAX   2
#define SETTLE_MAX_US (180 * PW_US_PER_SECOND)
#define STATE_BYTES   (4 << 20)

static int64_t wall_us(void *self)
{
    struct node *node = self;
    return sim_now(node->world) + node->skew_us;
}

static int64_t boot_us(void *self)
{
    struct node *node = self;
    return sim_now(node->world) - START_US + PW_US_PER_SECOND;
}

static void wake(void *self)
{
    ((struct node *)self)->woken = true;
}

/* --- What they hear of each other: as api/peers.c --- */

static void hear(struct node *node, struct node *other, struct view *view)
{
    int64_t now_us = sim_now(node->world);
    if (other->engine == NULL) { /* The connection is refused. */
        view->liveness = PW_PEER_DEAD;
        view->next_us = now_us + ASK_EVERY_US;
        return;
    }
    if (node->cut_from[other->number] || other->paused_until_us > now_us) {
        if (++view->timed_out_count >= TIMED_OUT_MAX) {
            view->liveness = PW_PEER_DEAD;
        }
        view->next_us = now_us + TIMEOUT_US;
        return;
    }
    view->liveness = PW_PEER_ALIVE;
    view->incarnation = other->incarnation;
    view->stands_by = !other->stopping;
    view->timed_out_count = 0;
    view->next_us = now_us + ASK_EVERY_US;
    for (uint32_t p = 0; p < node->world->partition_count; p++) {
        const struct pw_partition_status *status = &other->statuses[p];
        view->stands_by = view->stands_by && status->caught_up;
        view->leads[p] = status->leads;
        view->missed_count[p] = status->leads ? 0 : view->missed_count[p] + 1;
    }
}

static struct view *view_of(struct node *node, struct pw_str node_id)
{
    for (uint32_t i = 0; i < node->world->node_count; i++) {
        if (i != node->number && pw_str_equal(node_id, pw_str_of(node->world->nodes[i].name))) {
            return &node->views[i];
        }
    }
    return NULL;
}

static enum pw_liveness leads(void *self, struct pw_str node_id, const struct pw_id *incarnation,
                              uint32_t partition)
{
    const struct view *view = view_of(self, node_id);
    if (view == NULL) {
        return PW_PEER_DEAD;
    }
    if (view->liveness != PW_PEER_ALIVE) {
        return view->liveness;
    }
    if (!pw_id_equal(incarnation, &view->incarnation)) {
        return PW_PEER_DEAD;
    }
    if (view->leads[partition]) {
        return PW_PEER_ALIVE;
    }
    return view->missed_count[partition] > MISSING_MAX ? PW_PEER_DEAD : PW_PEER_UNKNOWN;
}

static bool stands_by(void *self, struct pw_str node_id, struct pw_id *ret_incarnation)
{
    const struct view *view = view_of(self, node_id);
    if (view == NULL || view->liveness != PW_PEER_ALIVE || !view->stands_by) {
        return false;
    }
    *ret_incarnation = view->incarnation;
    return true;
}

/* --- What they say --- */

static void engine_line(void *self, const char *level, uint32_t partition, const char *text)
{
    struct node *node = self;
    sim_trace(node->world, "%s/%u %s%s", node->name, partition,
              strcmp(level, "info") == 0 ? "" : "! ", text);
    if (strstr(text, "the clock disagrees") != NULL) {
        sim_effect(node->world, EFFECT_CLOCK_OFF, 1);
    }
    if (strstr(text, "ignores the snapshot") != NULL) {
        sim_effect(node->world, EFFECT_TORN, 1);
    }
}

static void worker_line(void *self, bool is_error, const char *projection, const char *message)
{
    struct sim_worker *worker = self;
    sim_trace(worker->node->world, "%s %s %s%s", worker->node->name, projection,
              is_error ? "! " : "", message);
    if (strstr(message, "ignores the snapshot") != NULL) {
        sim_effect(worker->node->world, EFFECT_TORN, 1);
    }
}

/* --- Coming and going --- */

static enum pw_code open_for_worker(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    struct sim_worker *worker = self;
    (void)err;
    return pw_sim_open(worker->node->world->log, (struct pw_ledger_wake){NULL, NULL}, ret_ledger);
}

static void worker_start(struct sim_worker *worker)
{
    struct node *node = worker->node;
    struct pw_worker_options options = {
        .projection = worker->projection,
        .generation = 1,
        .open_ledger = open_for_worker,
        .open_ledger_self = worker,
        .storage = store_session(node->world->store),
        .snapshots_dir = node->world->rates[FAULT_SNAPSHOTS] > 0 ? node->snapshots_dir : NULL,
        .log = {worker, worker_line},
        .monotonic_us = boot_us,
        .monotonic_self = node,
        .batch_rows_max = 1 + (uint32_t)sim_draw(&node->world->random_turn, 60),
    };
    worker->worker = pw_worker_new(&options);
    worker->next_us = sim_now(node->world);
}

static void worker_end(struct sim_worker *worker)
{
    struct pw_worker_status status;
    pw_worker_status(worker->worker, &status, NULL, 0);
    sim_effect(worker->node->world, EFFECT_REFOLD, status.counters.refolds);
    sim_effect(worker->node->world, EFFECT_EPOCH_LOST, status.counters.epochs_lost);
    sim_effect(worker->node->world, EFFECT_RESTORED, status.counters.restores);
    pw_worker_free(worker->worker);
    worker->worker = NULL;
}

static void publish(struct node *node)
{
    for (uint32_t p = 0; p < node->world->partition_count; p++) {
        uint64_t before = node->statuses[p].step_down_count;
        pw_engine_status(node->engine, p, &node->statuses[p]);
        if (node->statuses[p].step_down_count > before) {
            tap_give_up(node, p);
        }
    }
}

void node_start(struct node *node)
{
    struct world *world = node->world;
    uint32_t partitions[PARTITIONS_MAX] = {0, 1, 2, 3};
    struct pw_ledger ledger;
    struct pw_err err = {0};
    bool queue = world->rates[FAULT_QUEUE] > 0;
    pw_sim_open(world->log, (struct pw_ledger_wake){node, wake}, &ledger);
    ledger = tap_open(node, &ledger);
    node->incarnation = sim_id(world, &world->random_turn);
    node->stopping = false;
    node->woken = true;
    node->paused_until_us = 0;
    struct pw_engine_config config = {
        .ledger = ledger,
        .partitions = partitions,
        .partition_count = world->partition_count,
        .node_id = node->name,
        .incarnation = node->incarnation,
        .clock = {node, wall_us, boot_us},
        .nodes = &world->ranks,
        .peers = {node, leads, stands_by},
        .queue_max = queue ? 1 + (uint32_t)sim_draw(&world->random_turn, 6) : 0,
        .due_max = 1, /* So that many are overdue at once. */
        .snapshots = {.dir = world->rates[FAULT_SNAPSHOTS] > 0 ? node->snapshots_dir : NULL,
                      .every = 5 + sim_draw(&world->random_turn, 60),
                      .without_children = true},
        .wake = {node, wake},
        .log = engine_line,
        .log_self = node,
    };
    keys_start(node, &config.observer);
    sim_trace(world, "%s starts", node->name);
    node->engine = pw_engine_new(&config, &err);
    memset(node->statuses, 0, sizeof node->statuses);
    publish(node);
    for (uint32_t i = 0; i < PW_COUNT(node->workers); i++) {
        if (node->workers[i].projection != NULL) {
            worker_start(&node->workers[i]);
        }
    }
}

static void count_engine(struct node *node)
{
    for (uint32_t p = 0; p < node->world->partition_count; p++) {
        const struct pw_partition_status *status = &node->statuses[p];
        sim_effect(node->world, EFFECT_STEP_DOWN, status->step_down_count);
        sim_effect(node->world, EFFECT_HAND_OVER, status->hand_over_count);
        sim_effect(node->world, EFFECT_UNDONE, status->undone_count);
        sim_effect(node->world, EFFECT_RESTORED, status->restored_offset >= 0);
    }
}

void node_crash(struct node *node)
{
    struct pw_engine *engine = node->engine;
    if (engine == NULL) {
        return;
    }
    sim_trace(node->world, "%s ends", node->name);
    publish(node);
    count_engine(node);
    node->engine = NULL; /* Whatever it still answers is lost. */
    pw_engine_free(engine);
    keys_end(node);
    for (uint32_t i = 0; i < PW_COUNT(node->workers); i++) {
        if (node->workers[i].worker != NULL) {
            worker_end(&node->workers[i]);
        }
    }
}

void node_stop(struct node *node)
{
    sim_trace(node->world, "%s is to stop", node->name);
    node->stopping = true;
    pw_engine_stop(node->engine);
}

/* What a stopping process does at its end. */
static void leave(struct node *node)
{
    pw_engine_save_snapshots(node->engine);
    for (uint32_t i = 0; i < PW_COUNT(node->workers); i++) {
        if (node->workers[i].worker != NULL) {
            pw_worker_drain(node->workers[i].worker);
        }
    }
    node_crash(node);
}

static void remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL) {
        closedir(dir);
        rmdir(path);
    }
}

static void make_dir(struct node *node)
{
    /* Memory, where there is any to be had as a file: what a disk does to a snapshot is faults.c's business. */
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(node->snapshots_dir, sizeof node->snapshots_dir, "%s/pw-sim-XXXXXX", root);
    if (mkdtemp(node->snapshots_dir) == NULL) {
        perror("integration/sim: no directory for snapshots");
        abort();
    }
}

void nodes_open(struct world *world)
{
    world->rates[FAULT_SNAPSHOTS] = (world->plan.without & 1U << FAULT_SNAPSHOTS) == 0 &&
                                    sim_draw(&world->random_faults, 4) != 0;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        node->world = world;
        node->number = i;
        snprintf(node->name, sizeof node->name, "node-%u", i);
        pw_ranks_add(&world->ranks, pw_str_of(node->name));
        assert(pw_projection_count <= WORKERS_MAX);
        for (uint32_t p = 0; p < pw_projection_count; p++) { /* Two processes for each. */
            bool runs = (p + i) % world->node_count < 2;
            node->workers[p] =
                (struct sim_worker){.node = node, .projection = runs ? pw_projections[p] : NULL};
        }
        if (world->rates[FAULT_SNAPSHOTS] > 0) {
            make_dir(node);
        }
        node_start(node);
    }
}

void nodes_close(struct world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        node_crash(&world->nodes[i]);
        if (world->nodes[i].snapshots_dir[0] != '\0') {
            remove_dir(world->nodes[i].snapshots_dir);
        }
    }
}

/* --- The turn --- */

static void turn_workers(struct node *node, int64_t now_us)
{
    struct world *world = node->world;
    for (uint32_t i = 0; i < PW_COUNT(node->workers); i++) {
        struct sim_worker *worker = &node->workers[i];
        if (worker->worker != NULL && worker->next_us <= now_us) {
            pw_worker_step(worker->worker, 0);
            uint64_t ms = sim_draw(&world->random_turn, 50) == 0 && !world->calm ? 1500 : 25;
            worker->next_us =
                now_us + (int64_t)(1 + sim_draw(&world->random_turn, ms)) * PW_US_PER_MS;
        }
    }
}

static void turn(struct node *node)
{
    int64_t now_us = sim_now(node->world);
    if (node->paused_until_us > now_us) {
        return;
    }
    for (uint32_t i = 0; i < node->world->node_count; i++) {
        if (i != node->number && node->views[i].next_us <= now_us) {
            hear(node, &node->world->nodes[i], &node->views[i]);
        }
    }
    if (node->woken || node->due_us <= now_us) {
        node->woken = false;
        node->due_us = now_us + pw_engine_step(node->engine);
        publish(node);
    }
    turn_workers(node, now_us);
    keys_turn(node);
    if (node->stopping && pw_engine_idle(node->engine)) {
        leave(node);
    }
}

static void look_for_two_leaders(struct world *world)
{
    uint64_t seen = 0;
    for (uint32_t p = 0; p < world->partition_count; p++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < world->node_count; i++) {
            const struct node *node = &world->nodes[i];
            count += node->engine != NULL && node->statuses[p].leads;
        }
        seen |= (uint64_t)(count > 1) << p;
    }
    uint64_t begun = seen & ~world->leader_moments;
    if (begun != 0) {
        sim_effect(world, EFFECT_TWO_LEADERS, (uint64_t)__builtin_popcountll(begun));
        sim_trace(world, "two nodes lead one partition");
    }
    world->leader_moments = seen;
}

void nodes_turn(struct world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (world->nodes[i].engine != NULL) {
            turn(&world->nodes[i]);
        }
    }
    look_for_two_leaders(world);
    if (world->calm && sim_chance(&world->random_keys, 20)) {
        keys_clean(world);
    }
}

struct node *nodes_leader(struct world *world, uint32_t partition)
{
    struct node *leader = NULL;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (node->engine != NULL && node->statuses[partition].leads) {
            if (leader != NULL) {
                return NULL;
            }
            leader = node;
        }
    }
    return leader;
}

/* --- Coming together --- */

static bool worker_is_there(const struct sim_worker *worker, const struct pw_position *at)
{
    struct pw_worker_status status;
    struct pw_worker_partition partitions[PARTITIONS_MAX];
    if (worker->projection == NULL) {
        return true;
    }
    pw_worker_status(worker->worker, &status, partitions, PARTITIONS_MAX);
    if (status.state == PW_WORKER_STOPPED) {
        sim_fail(worker->node->world, "no worker stops", "%s %s: %s", worker->node->name,
                 worker->projection->name, status.reason);
    }
    struct pw_stored_position stored =
        store_position(worker->node->world->store, worker->projection->name, at->partition);
    return stored.record_offset == at->offset;
}

/* NULL: it has everything, and one node leads. */
static const char *what_is_missing(struct world *world, uint32_t partition)
{
    const struct node *leader = nodes_leader(world, partition);
    if (leader == NULL) {
        return "no node leads alone";
    }
    const struct pw_partition_status *lead = &leader->statuses[partition];
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct pw_partition_status *status = &world->nodes[i].statuses[partition];
        if (status->phase == PW_PHASE_STOPPED) {
            sim_fail(world, "no engine stops", "node-%u: %s", i, status->problem.detail);
        }
        if (status->in_flight_count > 0) { /* A bid, too. */
            return "a record stays in flight";
        }
        if (status->position.offset != lead->position.offset) {
            return "a node does not come to the head";
        }
        if (!keys_are_settled(&world->nodes[i])) {
            return "a destroyed key is not gone";
        }
        for (uint32_t w = 0; w < PW_COUNT(world->nodes[i].workers); w++) {
            if (!worker_is_there(&world->nodes[i].workers[w], &lead->position)) {
                return "a read model does not come to the head";
            }
        }
    }
    return NULL;
}

void nodes_settle(struct world *world)
{
    int64_t until_us = sim_now(world) + SETTLE_MAX_US;
    for (uint32_t p = 0; p < world->partition_count;) {
        const char *missing = what_is_missing(world, p);
        if (missing == NULL) {
            p++;
            continue;
        }
        if (sim_now(world) >= until_us) {
            sim_fail(world, "all comes together", "partition %u, after %lld s of calm: %s", p,
                     (long long)(SETTLE_MAX_US / PW_US_PER_SECOND), missing);
        }
        sim_turn(world, 10 * PW_US_PER_MS);
        p = 0;
    }
}
