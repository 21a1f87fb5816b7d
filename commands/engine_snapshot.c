/* commands/engine_snapshot.c: going on from a snapshot, and writing them.
 *
 * One is written by a child process: a fork has the state as it was at that moment, while the
 * engine goes on. The engine forks when nothing of the partition is in flight, so that the state is
 * the confirmed one, and it decides nothing for the moment that it takes to get there. Whoever
 * follows does the same: its thread may lead other partitions, and has to take over within a second.
 *
 * A child of a process with threads has this thread alone. It uses malloc, which fork leaves usable,
 * and no lock that another thread could hold; it closes what it has inherited, so that no client or
 * broker takes it for the node, and ends with its parent. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands/engine_internal.h"
#include "commands/snapshot.h"

#define CHILD_NICENESS    10
#define CHILD_SHARE       10               /* Children write for one part in so many of the time, */
#define CHILD_REST_US_MAX PW_US_PER_MINUTE /* and never rest for longer. */
#define ERRORS_FD         3

/* --- Going on from one --- */

static void warn(void *self, const char *text)
{
    engine_log(self, "warning", "%s", text);
}

bool snapshot_restore(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    const struct pw_engine_observer *observer = &engine->config.observer;
    struct pw_snapshot_source source = {engine->config.snapshots.dir, INT64_MAX, warn, partition};
    struct pw_snapshot_leader leader;
    if (source.dir == NULL || partition->restore_tried) {
        return false;
    }
    partition->restore_tried = true;
    read_stop(partition); /* Or the log's client would fetch what nobody is going to read. */
    int64_t since_us = engine->config.clock.boot_us(engine->config.clock.self);
    if (!pw_snapshot_restore(&source, &partition->fold, &partition->remembered, &leader)) {
        return true;
    }
    const struct pw_chain *chain = &partition->fold.chain;
    partition->tip = pw_chain_next(chain);
    partition->last_decided_at_us = chain->decided_at_us;
    memcpy(partition->leader_node_id, leader.node_id, sizeof partition->leader_node_id);
    partition->leader_incarnation = leader.incarnation;
    partition->leader_known = leader.known;
    partition->snapshot_height = chain->height;
    partition->counters.restored_offset = chain->head_offset;
    partition->counters.snapshot_offset = chain->head_offset;
    engine->ledger.saw(engine->ledger.self, partition->number, chain->head_offset);
    if (observer->restored != NULL) {
        observer->restored(observer->self, partition->fold.state);
    }
    int64_t now_us = engine->config.clock.boot_us(engine->config.clock.self);
    engine_log(partition, "info", "goes on from the snapshot at offset %lld, read in %lld ms",
               (long long)chain->head_offset, (long long)((now_us - since_us) / PW_US_PER_MS));
    return true;
}

/* --- Writing --- */

static enum pw_code write_one(const struct partition *partition, struct pw_err *err)
{
    struct pw_snapshot_leader leader = {.incarnation = partition->leader_incarnation,
                                        .known = partition->leader_known};
    memcpy(leader.node_id, partition->leader_node_id, sizeof leader.node_id);
    return pw_snapshot_write(partition->engine->config.snapshots.dir, &partition->fold,
                             partition->remembered, &leader, err);
}

static void written(struct partition *partition, uint64_t height, int64_t offset, int64_t since_us)
{
    const struct pw_clock *clock = &partition->engine->config.clock;
    partition->snapshot_height = height;
    partition->counters.snapshot_offset = offset;
    partition->counters.snapshot_count++;
    partition->dirty = true;
    engine_log(partition, "info", "snapshot at offset %lld, written in %lld ms", (long long)offset,
               (long long)((clock->boot_us(clock->self) - since_us) / PW_US_PER_MS));
}

static void failed(struct partition *partition, const char *why)
{
    partition->counters.snapshot_failed_count++;
    partition->next_snapshot_boot_us = partition->engine->boot_us + SNAPSHOT_RETRY_US;
    partition->dirty = true;
    engine_log(partition, "warning", "no snapshot was written: %s", why);
}

static void write_in_place(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    const struct pw_chain *chain = &partition->fold.chain;
    struct pw_err err = {0};
    int64_t since_us = engine->config.clock.boot_us(engine->config.clock.self);
    if (write_one(partition, &err) == PW_OK) {
        written(partition, chain->height, chain->head_offset, since_us);
    } else {
        failed(partition, err.detail);
    }
}

/* --- In a child --- */

static void share(const struct partition *partition, bool shared)
{
    pw_state_share(partition->fold.state, shared);
    pw_remembered_share(partition->remembered, shared);
}

static _Noreturn void run_child(const struct partition *partition, pid_t parent, int errors)
{
    struct pw_err err = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(errors, ERRORS_FD) < 0 ||
        close_range(ERRORS_FD + 1, ~0U, 0) != 0) {
        _exit(2);
    }
    setpriority(PRIO_PROCESS, 0, CHILD_NICENESS);
    if (write_one(partition, &err) == PW_OK) {
        _exit(0);
    }
    ssize_t told = write(ERRORS_FD, err.detail, strlen(err.detail));
    _exit(told < 0 ? 2 : 1);
}

static void fork_child(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    const struct pw_chain *chain = &partition->fold.chain;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        failed(partition, strerror(errno));
        return;
    }
    pid_t parent = getpid();
    share(partition, true);
    pid_t pid = fork();
    if (pid == 0) {
        run_child(partition, parent, ends[1]);
    }
    int number = errno;
    close(ends[1]);
    if (pid < 0) {
        share(partition, false);
        close(ends[0]);
        failed(partition, strerror(number));
        return;
    }
    engine->child = (struct snapshot_child){
        pid, ends[0], partition, chain->height, chain->head_offset, engine->boot_us};
}

/* The child is no more. */
static void child_over(struct pw_engine *engine)
{
    const struct snapshot_child *child = &engine->child;
    int64_t rest_us = (CHILD_SHARE - 1) * (engine->boot_us - child->since_boot_us);
    engine->child_rests_until_boot_us =
        engine->boot_us + (rest_us < CHILD_REST_US_MAX ? rest_us : CHILD_REST_US_MAX);
    close(child->errors);
    share(child->partition,
          false); /* Not right after the fork, which would only prolong the pause. */
    engine->child = (struct snapshot_child){0};
}

static bool ended_well(pid_t pid, const struct snapshot_child *child, int status)
{
    return pid == child->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void snapshot_reap(struct pw_engine *engine)
{
    struct snapshot_child child = engine->child;
    int status = 0;
    pid_t pid = child.pid == 0 ? 0 : waitpid(child.pid, &status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR)) {
        return;
    }
    char why[sizeof((struct pw_err *)0)->detail] = "its process was ended";
    ssize_t bytes = read(child.errors, why, sizeof why - 1);
    if (bytes > 0) {
        why[bytes] = '\0';
    }
    child_over(engine);
    if (ended_well(pid, &child, status)) {
        written(child.partition, child.height, child.offset, child.since_boot_us);
    } else {
        failed(child.partition, why);
    }
}

void snapshot_close(struct pw_engine *engine)
{
    struct snapshot_child child = engine->child;
    int status = 0;
    pid_t pid;
    if (child.pid == 0) {
        return;
    }
    kill(child.pid, SIGKILL);
    do {
        pid = waitpid(child.pid, &status, 0);
    } while (pid < 0 && errno == EINTR);
    child_over(engine);
    if (ended_well(pid, &child, status)) {
        written(child.partition, child.height, child.offset, child.since_boot_us);
    }
}

/* --- When --- */

static bool is_settled(const struct partition *partition)
{
    return flight_count(partition) == 0 && partition->answer_count == 0;
}

static uint64_t records_since(const struct partition *partition)
{
    return partition->fold.chain.height - partition->snapshot_height;
}

static bool wants_one(const struct partition *partition)
{
    const struct pw_engine *engine = partition->engine;
    bool may = partition->phase == PW_PHASE_FOLLOWING || partition->phase == PW_PHASE_LEADING;
    return may && partition->caught_up &&
           records_since(partition) >= engine->config.snapshots.every &&
           engine->boot_us >= partition->next_snapshot_boot_us;
}

/* Who has the most to fold since its last one comes first: where all want one all the time, each has its turn. */
static bool is_due(const struct partition *partition)
{
    const struct pw_engine *engine = partition->engine;
    if (engine->config.snapshots.dir == NULL || engine->child.pid != 0 ||
        engine->boot_us < engine->child_rests_until_boot_us || !wants_one(partition)) {
        return false;
    }
    for (uint32_t i = 0; i < engine->partition_count; i++) {
        const struct partition *other = &engine->partitions[i];
        if (records_since(other) > records_since(partition) && wants_one(other)) {
            return false;
        }
    }
    return true;
}

bool snapshot_turn(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    const struct pw_clock *clock = &engine->config.clock;
    if (!is_due(partition)) {
        partition->hush_boot_us = 0;
        return false;
    }
    if (partition->hush_boot_us == 0 && (is_settled(partition) || decide_has_room(partition))) {
        partition->hush_boot_us = clock->boot_us(clock->self);
    }
    if (!is_settled(partition)) {
        return true;
    }
    if (engine->config.snapshots.without_children) {
        write_in_place(partition);
    } else {
        fork_child(partition);
    }
    int64_t pause_us = clock->boot_us(clock->self) - partition->hush_boot_us;
    partition->hush_boot_us = 0;
    if (pause_us > partition->counters.snapshot_pause_us_max) {
        partition->counters.snapshot_pause_us_max = pause_us;
    }
    partition->dirty = true;
    engine_log(partition, "info", "takes a snapshot at offset %lld: a pause of %.1f ms",
               (long long)partition->fold.chain.head_offset, (double)pause_us / 1000);
    return false;
}

int64_t snapshot_due_boot_us(const struct pw_engine *engine)
{
    return engine->child.pid == 0 ? NEVER : engine->boot_us + REAP_EVERY_US;
}

void pw_engine_save_snapshots(struct pw_engine *engine)
{
    snapshot_close(
        engine); /* What it writes is written here, and nobody waits for one that yields to everybody. */
    for (uint32_t i = 0; i < engine->partition_count && engine->config.snapshots.dir != NULL; i++) {
        struct partition *partition = &engine->partitions[i];
        if (is_settled(partition) && partition->phase != PW_PHASE_STOPPED &&
            partition->fold.chain.height > partition->snapshot_height) {
            write_in_place(partition);
        }
    }
}
