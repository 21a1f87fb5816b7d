/* commands/tests/engine_snapshot.c: an engine that goes on from snapshots, and writes them: one story a test. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands/tests/engine_rig.h"

#define PARTITIONS 2
#define FILE_BYTES (1 << 20)

struct world {
    struct rig rig;
    struct pw_id tenant;
    struct pw_id slot;
    uint32_t partition;
    struct ask first; /* The first reservation. */
    struct ask full;  /* And one that was refused. */
};

static void reserve(struct world *world, uint32_t count)
{
    struct rig *rig = &world->rig;
    for (uint32_t i = 0; i < count; i++) {
        struct ask ask = ask_reserve(rig, world->tenant, rig_id(rig), world->slot);
        CHECK(rig_ask(rig, 0, &ask) == PW_OK, "%s", ask.job.err.detail);
    }
}

/* A tenant with a slot, one reservation and one refusal: node 0 leads, and keeps snapshots. */
static void world_open(struct world *world, uint64_t every)
{
    struct rig *rig = &world->rig;
    struct pw_id teacher;
    struct pw_id exam;
    rig_open(rig, 5, PARTITIONS);
    rig_keep_snapshots(rig, 0, every);
    rig_start(rig, 0);
    teacher = rig_id(rig);
    struct ask tenant = ask_tenant(rig, &world->tenant);
    CHECK(rig_ask(rig, 0, &tenant) == PW_OK, "tenant");
    struct ask draft = ask_draft(rig, world->tenant, teacher, &exam);
    CHECK(rig_ask(rig, 0, &draft) == PW_OK, "draft");
    struct ask publish = ask_publish(rig, world->tenant, teacher, exam);
    CHECK(rig_ask(rig, 0, &publish) == PW_OK, "publish");
    struct ask open =
        ask_open(rig, world->tenant, teacher, exam,
                 pw_sim_now_us(rig->log) + 48 * 60 * PW_US_PER_MINUTE, 1, &world->slot);
    CHECK(rig_ask(rig, 0, &open) == PW_OK, "open");
    world->first = ask_reserve(rig, world->tenant, rig_id(rig), world->slot);
    world->full = ask_reserve(rig, world->tenant, rig_id(rig), world->slot);
    CHECK(rig_ask(rig, 0, &world->first) == PW_OK, "first");
    CHECK(rig_ask(rig, 0, &world->full) == PW_ERR_SLOT_FULL, "full");
    struct ask capacity = ask_capacity(rig, world->tenant, teacher, world->slot, 60000);
    CHECK(rig_ask(rig, 0, &capacity) == PW_OK, "capacity");
    world->partition = pw_partition_of(&world->tenant, PARTITIONS);
}

static struct pw_partition_status status_of(struct world *world, uint32_t node)
{
    struct pw_partition_status status;
    pw_engine_status(world->rig.nodes[node].engine, world->partition, &status);
    return status;
}

static void restart(struct world *world)
{
    rig_crash(&world->rig, 0);
    rig_start(&world->rig, 0);
    rig_run(&world->rig, 20);
}

static size_t read_newest(struct world *world, uint32_t node, uint8_t *ret_bytes)
{
    char path[RIG_PATH_BYTES];
    CHECK(rig_snapshot(&world->rig, node, world->partition, 0, path), "node %u wrote none", node);
    FILE *file = fopen(path, "rb");
    size_t count = fread(ret_bytes, 1, FILE_BYTES, file);
    fclose(file);
    return count;
}

static void goes_on_from_one(void)
{
    struct world world;
    world_open(&world, 20);
    struct rig *rig = &world.rig;
    reserve(&world, 50);
    struct pw_partition_status before = status_of(&world, 0);
    CHECK(before.snapshot_count == 2 && before.restored_offset == -1, "%llu written",
          (unsigned long long)before.snapshot_count);
    restart(&world);
    struct pw_partition_status after = status_of(&world, 0);
    CHECK(after.restored_offset == before.snapshot_offset, "from %lld, not %lld",
          (long long)after.restored_offset, (long long)before.snapshot_offset);
    CHECK(after.phase == PW_PHASE_LEADING && after.height == before.height + 1, "height %llu",
          (unsigned long long)after.height);
    CHECK(rig->nodes[0].restored_tenants == 1 && rig->nodes[0].observed_count == 1,
          "the tenant was observed once, and restored once");
    reserve(&world, 5);
    rig_close(rig);
}

static void remembers_over_one(void)
{
    struct world world;
    world_open(&world, 20);
    struct rig *rig = &world.rig;
    reserve(&world, 50);
    struct pw_position first = world.first.job.position;
    restart(&world);
    CHECK(status_of(&world, 0).restored_offset > world.full.job.position.offset, "no snapshot");
    CHECK(rig_ask(rig, 0, &world.first) == PW_OK && world.first.job.replayed, "the first answer");
    CHECK(memcmp(&world.first.job.position, &first, sizeof first) == 0, "from its place");
    CHECK(rig_ask(rig, 0, &world.full) == PW_ERR_SLOT_FULL && world.full.job.replayed,
          "a refused id stays refused");
    struct ask other = world.first;
    other.job.fingerprint.bytes[0] ^= 1;
    CHECK(rig_ask(rig, 0, &other) == PW_ERR_KEY_REUSED, "other content");

    struct ask old = ask_reserve(rig, world.tenant, rig_id(rig), world.slot);
    struct ask future = old;
    uint8_t random[16] = {9};
    int64_t now_us = pw_sim_now_us(rig->log);
    old.job.command_id = pw_id_v7(now_us - RIG_HORIZON_US - PW_US_PER_SECOND, random);
    future.job.command_id = pw_id_v7(now_us + PW_KEY_AHEAD_MAX_US + 10 * PW_US_PER_SECOND, random);
    CHECK(rig_ask(rig, 0, &old) == PW_ERR_COMMAND_ID_TOO_OLD, "old");
    CHECK(rig_ask(rig, 0, &future) == PW_ERR_COMMAND_ID_FROM_FUTURE, "future");
    rig_close(rig);
}

/* The leader, one who read everything, and one who went on from a snapshot write the same bytes. */
static void all_ways_give_the_same_bytes(void)
{
    static uint8_t files[3][FILE_BYTES];
    size_t bytes[3];
    struct world world;
    world_open(&world, 1000000);
    struct rig *rig = &world.rig;
    reserve(&world, 30);
    rig->peer = PW_PEER_ALIVE;
    rig_keep_snapshots(rig, 2, 1000000);
    rig_start(rig, 2);
    rig_run(rig, 50);
    pw_engine_save_snapshots(rig->nodes[2].engine);
    rig_crash(rig, 2);
    reserve(&world, 30);
    rig_keep_snapshots(rig, 1, 1000000);
    rig_start(rig, 1);
    rig_start(rig, 2);
    rig_run(rig, 50);
    CHECK(status_of(&world, 1).restored_offset == -1, "node 1 reads everything");
    CHECK(status_of(&world, 2).restored_offset > 0, "node 2 does not");
    for (uint32_t i = 0; i < 3; i++) {
        pw_engine_save_snapshots(rig->nodes[i].engine);
        CHECK(status_of(&world, i).position.offset == status_of(&world, 0).position.offset,
              "node %u is elsewhere", i);
        bytes[i] = read_newest(&world, i, files[i]);
    }
    CHECK(bytes[0] > 2000 && bytes[0] == bytes[1] && bytes[0] == bytes[2], "%zu, %zu, %zu bytes",
          bytes[0], bytes[1], bytes[2]);
    CHECK(memcmp(files[0], files[1], bytes[0]) == 0, "live and replay differ");
    CHECK(memcmp(files[0], files[2], bytes[0]) == 0, "live and snapshot + tail differ");
    rig_close(rig);
}

static void a_stop_leaves_no_tail(void)
{
    struct world world;
    world_open(&world, 1000000);
    struct rig *rig = &world.rig;
    reserve(&world, 30);
    pw_engine_stop(rig->nodes[0].engine);
    rig_run(rig, 50);
    CHECK(pw_engine_idle(rig->nodes[0].engine), "drained");
    pw_engine_save_snapshots(rig->nodes[0].engine);
    pw_engine_save_snapshots(rig->nodes[0].engine);
    rig_run(rig, 1);
    struct pw_partition_status before = status_of(&world, 0);
    CHECK(before.snapshot_count == 1, "nothing has moved since the first");
    CHECK(before.snapshot_offset == before.position.offset, "the last record is in it");
    restart(&world);
    CHECK(status_of(&world, 0).restored_offset == before.position.offset, "gone on from there");
    rig_close(rig);
}

static void torn_ones_are_passed_over(void)
{
    struct world world;
    world_open(&world, 20);
    struct rig *rig = &world.rig;
    char path[RIG_PATH_BYTES];
    reserve(&world, 70);
    CHECK(rig_snapshot(rig, 0, world.partition, 0, path) && truncate(path, 100) == 0, "torn");
    restart(&world);
    int64_t second = status_of(&world, 0).restored_offset;
    CHECK(second > 0, "the one before serves");
    CHECK(strstr(rig->nodes[0].warned, "it is torn") != NULL, "%s", rig->nodes[0].warned);
    CHECK(rig_snapshot(rig, 0, world.partition, 1, path) && truncate(path, 100) == 0, "torn");
    CHECK(rig_snapshot(rig, 0, world.partition, 0, path) && truncate(path, 0) == 0, "torn");
    restart(&world);
    CHECK(status_of(&world, 0).restored_offset == -1, "read from the start");
    CHECK(rig_ask(rig, 0, &world.first) == PW_OK && world.first.job.replayed, "all the same");
    rig_close(rig);
}

/* Another ledger in the same place: its node must not believe what was kept of the first. */
static void foreign_ones_are_passed_over(void)
{
    struct world world;
    struct world other;
    world_open(&world, 20);
    reserve(&world, 30);
    rig_crash(&world.rig, 0);
    rig_open(&other.rig, 6, PARTITIONS);
    memcpy(other.rig.nodes[0].snapshots_dir, world.rig.nodes[0].snapshots_dir,
           sizeof other.rig.nodes[0].snapshots_dir);
    rig_keep_snapshots(&other.rig, 0, 20);
    rig_start(&other.rig, 0);
    rig_run(&other.rig, 20);
    other.partition = world.partition;
    CHECK(status_of(&other, 0).restored_offset == -1 &&
              status_of(&other, 0).phase == PW_PHASE_LEADING,
          "started from the start");
    CHECK(strstr(other.rig.nodes[0].warned, "of another ledger") != NULL, "%s",
          other.rig.nodes[0].warned);
    rig_close(&other.rig);
    rig_close(&world.rig);
}

static void expect_diverged(struct world *world, int64_t offset)
{
    char expected[80];
    rig_start(&world->rig, 0);
    rig_run(&world->rig, 50);
    struct pw_partition_status status = status_of(world, 0);
    snprintf(expected, sizeof expected, "diverged at partition %u, offset %lld", world->partition,
             (long long)offset);
    CHECK(status.phase == PW_PHASE_STOPPED && status.problem.code == PW_ERR_LEDGER_DIVERGED,
          "it goes on");
    CHECK(strcmp(status.problem.detail, expected) == 0, "%s, not %s", status.problem.detail,
          expected);
    rig_crash(&world->rig, 0);
}

static void a_log_that_lost_what_was_seen_has_diverged(void)
{
    struct world world;
    world_open(&world, 20);
    struct rig *rig = &world.rig;
    reserve(&world, 30);
    int64_t offset = status_of(&world, 0).snapshot_offset;
    rig_crash(rig, 0);
    pw_sim_truncate(rig->log, world.partition, offset + 1);
    rig_start(rig, 0);
    rig_run(rig, 50);
    CHECK(status_of(&world, 0).phase == PW_PHASE_LEADING, "all that was seen is there");
    rig_crash(rig, 0);
    pw_sim_truncate(rig->log, world.partition, offset);
    expect_diverged(&world, offset); /* Shorter by one record. */
    pw_sim_put(rig->log, world.partition, "something else", 14);
    expect_diverged(&world, offset); /* Another record in its place. */
    pw_sim_truncate(rig->log, world.partition, 3);
    expect_diverged(&world, offset); /* Much shorter. */
    rig_close(rig);
}

/* Kafka's high watermark lags for a moment after a fail-over: an end at the snapshot's record is no other history. */
static void an_end_that_lags_behind_one_is_waited_for(void)
{
    struct world world;
    world_open(&world, 20);
    struct rig *rig = &world.rig;
    reserve(&world, 50);
    int64_t end = pw_sim_end(rig->log, world.partition);
    pw_sim_set_lag(rig->log, world.partition, end - status_of(&world, 0).snapshot_offset);
    restart(&world);
    CHECK(status_of(&world, 0).phase != PW_PHASE_STOPPED, "it waits");
    CHECK(status_of(&world, 0).phase != PW_PHASE_LEADING, "for what it has not read");
    pw_sim_set_lag(rig->log, world.partition, 0);
    rig_run(rig, 20);
    CHECK(status_of(&world, 0).phase == PW_PHASE_LEADING, "and goes on");
    reserve(&world, 5);
    rig_close(rig);
}

/* Deciding waits for what is in flight to land, and for nothing else. */
static void taken_under_load(void)
{
    struct world world;
    world_open(&world, 50);
    struct rig *rig = &world.rig;
    static struct ask asks[600];
    struct pw_sim_faults slow = {.delay_us_max = 20000};
    pw_sim_set_faults(rig->log, &slow);
    for (uint32_t i = 0; i < PW_COUNT(asks); i++) {
        asks[i] = ask_reserve(rig, world.tenant, rig_id(rig), world.slot);
        rig_send(rig, 0, &asks[i]);
        rig_run(rig, i % 3);
    }
    rig_run(rig, 1000);
    for (uint32_t i = 0; i < PW_COUNT(asks); i++) {
        CHECK(asks[i].answered && asks[i].job.err.code == PW_OK, "%u: %s", i,
              asks[i].job.err.detail);
    }
    struct pw_partition_status status = status_of(&world, 0);
    CHECK(status.snapshot_count >= 4, "%llu", (unsigned long long)status.snapshot_count);
    CHECK(status.snapshot_pause_us_max < 40 * PW_US_PER_MS, "%lld us",
          (long long)status.snapshot_pause_us_max);
    restart(&world);
    CHECK(status_of(&world, 0).restored_offset == status.snapshot_offset, "not gone on from");
    for (uint32_t i = 0; i < PW_COUNT(asks); i += 37) {
        CHECK(rig_ask(rig, 0, &asks[i]) == PW_OK && asks[i].job.replayed, "%u", i);
    }
    rig_close(rig);
}

static void begin_with_children(struct rig *rig, uint64_t every)
{
    rig_crash(rig, 0);
    rig->nodes[0].with_children = true;
    rig_keep_snapshots(rig, 0, every);
    rig_start(rig, 0);
}

/* Node 0 has begun, and is to write one by a child as soon as it has caught up. */
static void world_open_with_children(struct world *world)
{
    world_open(world, 1000000);
    reserve(world, 20);
    begin_with_children(&world->rig, 8);
}

/* The process that writes one; 0: there is none. */
static pid_t child_of_mine(void)
{
    char path[64];
    int pid = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    CHECK(file != NULL, "%s: %s", path, strerror(errno));
    bool found = fscanf(file, "%d", &pid) == 1;
    fclose(file);
    return found ? pid : 0;
}

static void await_snapshots(struct world *world, uint64_t count)
{
    for (uint32_t i = 0; status_of(world, 0).snapshot_count < count; i++) {
        CHECK(i < 100000000, "it never ends");
        pw_engine_step(world->rig.nodes[0].engine);
    }
}

static void a_child_writes(void)
{
    static uint8_t files[2][FILE_BYTES];
    struct world world;
    struct rig *rig = &world.rig;
    world_open_with_children(&world);
    rig_run(rig, 50);
    reserve(&world, 3); /* While the child may still be writing. */
    rig->peer = PW_PEER_ALIVE;
    rig_keep_snapshots(rig, 1, 8);
    rig_start(rig, 1);
    rig_run(rig, 50);
    await_snapshots(&world, 1);
    for (uint32_t i = 0; i < 2; i++) {
        pw_engine_save_snapshots(rig->nodes[i].engine);
        rig_run(rig, 1);
    }
    struct pw_partition_status status = status_of(&world, 0);
    CHECK(status.snapshot_count == 2 && status.snapshot_failed_count == 0, "%llu: %s",
          (unsigned long long)status.snapshot_count, rig->nodes[0].warned);
    size_t bytes = read_newest(&world, 0, files[0]);
    CHECK(bytes == read_newest(&world, 1, files[1]) && memcmp(files[0], files[1], bytes) == 0,
          "a child's and an own one differ");
    restart(&world);
    CHECK(status_of(&world, 0).restored_offset == status.snapshot_offset, "gone on from");
    rig_close(rig);
}

/* However fast records come: a large state would have a child write without a pause. */
static void children_write_a_tenth_of_the_time(void)
{
    struct world world;
    struct rig *rig = &world.rig;
    world_open_with_children(&world);
    while (status_of(&world, 0).phase != PW_PHASE_LEADING) { /* It forks before. */
        rig_run(rig, 1);
    }
    pw_sim_advance(rig->log, PW_US_PER_SECOND); /* While the child writes. */
    await_snapshots(&world, 1);
    reserve(&world, 30);
    errno = 0;
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "there is another at once");
    CHECK(status_of(&world, 0).snapshot_count == 1, "one was written");
    pw_sim_advance(rig->log, 8 * PW_US_PER_SECOND);
    rig_run(rig, 1);
    errno = 0;
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "it still rests");
    pw_sim_advance(rig->log, 2 * PW_US_PER_SECOND);
    rig_run(rig, 1);
    pw_sim_advance(rig->log,
                   PW_US_PER_MINUTE); /* A machine that is busy: it hardly gets its turn. */
    await_snapshots(&world, 2);
    reserve(&world, 30);
    pw_sim_advance(rig->log, PW_US_PER_MINUTE);
    await_snapshots(&world, 3);
    rig_close(rig);
}

static void who_has_the_most_to_fold_comes_first(void)
{
    struct world world;
    struct rig_office offices[PARTITIONS];
    struct rig *rig = &world.rig;
    rig_open(rig, 5, PARTITIONS);
    rig_start(rig, 0);
    for (uint32_t found = 0; found != (1 << PARTITIONS) - 1;) {
        struct rig_office office;
        rig_furnish(rig, 0, 60000, &office);
        uint32_t partition = pw_partition_of(&office.tenant, PARTITIONS);
        offices[partition] = office;
        found |= 1U << partition;
    }
    begin_with_children(rig, 4);
    world.partition = 0;
    while (status_of(&world, 0).phase != PW_PHASE_LEADING) {
        rig_run(rig, 1);
    }
    pw_sim_advance(rig->log, PW_US_PER_SECOND); /* While the first child writes. */
    await_snapshots(&world, 1);
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        world.tenant = offices[i].tenant;
        world.slot = offices[i].slot;
        reserve(&world, 100 * (i + 1));
    }
    pw_sim_advance(rig->log, 10 * PW_US_PER_SECOND);
    world.partition = PARTITIONS - 1;
    await_snapshots(&world, 1);
    world.partition = 0;
    CHECK(status_of(&world, 0).snapshot_count == 1, "it has to wait");
    rig_close(rig);
}

static volatile pid_t stopped;

static void let_it_go(int number)
{
    (void)number;
    kill(stopped, SIGCONT);
}

static void a_stop_waits_for_no_child(void)
{
    struct world world;
    struct rig *rig = &world.rig;
    world_open_with_children(&world);
    pid_t child;
    while ((child = child_of_mine()) == 0) {
        CHECK(status_of(&world, 0).snapshot_count == 0, "it was too fast");
        rig_run(rig, 1);
    }
    stopped = child; /* It never ends by itself: who waits for it hears the alarm. */
    kill(stopped, SIGSTOP);
    signal(SIGALRM, let_it_go);
    alarm(20);
    pw_engine_save_snapshots(rig->nodes[0].engine);
    CHECK(alarm(0) > 0, "it was waited for");
    errno = 0;
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "somebody is left");
    rig_run(rig, 1);
    struct pw_partition_status status = status_of(&world, 0);
    CHECK(status.snapshot_failed_count == 0 && status.snapshot_offset == status.position.offset,
          "what it would have written is written");
    rig_close(rig);
}

/* A state whose tables are regions, which a child has only while they are shared. */
static void a_child_has_large_tables(void)
{
    enum { SEATS = 17000 };
    static struct ask asks[SEATS];
    struct world world;
    world_open(&world, 1000000);
    struct rig *rig = &world.rig;
    for (uint32_t i = 0; i < SEATS; i++) {
        asks[i] = ask_reserve(rig, world.tenant, rig_id(rig), world.slot);
        rig_send(rig, 0, &asks[i]);
    }
    rig_run(rig, 50);
    CHECK(asks[SEATS - 1].answered && asks[SEATS - 1].job.err.code == PW_OK, "booked");
    begin_with_children(rig, 1000);
    rig_run(rig, 50);
    pw_engine_save_snapshots(rig->nodes[0].engine);
    rig_run(rig, 1);
    struct pw_partition_status status = status_of(&world, 0);
    CHECK(status.snapshot_failed_count == 0 && status.snapshot_count > 0, "%s",
          rig->nodes[0].warned);
    restart(&world);
    CHECK(rig_ask(rig, 0, &asks[SEATS / 2]) == PW_OK && asks[SEATS / 2].job.replayed, "remembered");
    rig_close(rig);
}

static void a_child_does_not_outlive_its_engine(void)
{
    struct world world;
    struct rig *rig = &world.rig;
    world_open_with_children(&world);
    for (uint32_t i = 0; i < 50 && status_of(&world, 0).phase != PW_PHASE_LEADING; i++) {
        rig_run(rig, 1);
    }
    rig_crash(rig, 0);
    errno = 0;
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "somebody is left");
    rig_close(rig);
}

static void a_disk_that_fails_stops_nobody(void)
{
    for (int with_children = 0; with_children < 2; with_children++) {
        struct world world;
        world_open(&world, 10);
        struct rig *rig = &world.rig;
        rig_crash(rig, 0);
        char dir[sizeof rig->nodes[0].snapshots_dir];
        memcpy(dir, rig->nodes[0].snapshots_dir, sizeof dir);
        snprintf(rig->nodes[0].snapshots_dir, sizeof dir, "/nonexistent");
        rig->nodes[0].with_children = with_children == 1;
        rig_start(rig, 0);
        reserve(&world, 60);
        for (uint32_t i = 0; status_of(&world, 0).snapshot_failed_count == 0; i++) {
            CHECK(i < 100000000, "nothing was tried");
            pw_engine_step(rig->nodes[0].engine);
        }
        reserve(&world, 60);
        struct pw_partition_status status = status_of(&world, 0);
        CHECK(status.snapshot_count == 0 && status.snapshot_failed_count == 1,
              "%llu: tried again within the minute",
              (unsigned long long)status.snapshot_failed_count);
        CHECK(strstr(rig->nodes[0].warned, "/nonexistent/") != NULL, "%s", rig->nodes[0].warned);
        rig_crash(rig, 0);
        memcpy(rig->nodes[0].snapshots_dir, dir, sizeof dir);
        rig_close(rig);
    }
}

int main(void)
{
    static const struct check_case cases[] = {
        {"a start goes on from a snapshot", goes_on_from_one},
        {"ids are remembered over a snapshot", remembers_over_one},
        {"live, replay, snapshot + tail: the same bytes", all_ways_give_the_same_bytes},
        {"a stop leaves no tail", a_stop_leaves_no_tail},
        {"torn ones are passed over", torn_ones_are_passed_over},
        {"foreign ones are passed over", foreign_ones_are_passed_over},
        {"a log that lost what was seen has diverged", a_log_that_lost_what_was_seen_has_diverged},
        {"an end that lags behind one is waited for", an_end_that_lags_behind_one_is_waited_for},
        {"one is taken under load", taken_under_load},
        {"a child writes", a_child_writes},
        {"children write a tenth of the time", children_write_a_tenth_of_the_time},
        {"who has the most to fold since its last one comes first",
         who_has_the_most_to_fold_comes_first},
        {"a stop waits for no child", a_stop_waits_for_no_child},
        {"a child has large tables", a_child_has_large_tables},
        {"a child does not outlive its engine", a_child_does_not_outlive_its_engine},
        {"a disk that fails stops nobody", a_disk_that_fails_stops_nobody},
    };
    return check_all(cases, PW_COUNT(cases));
}
