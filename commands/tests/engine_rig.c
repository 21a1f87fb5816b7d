/* commands/tests/engine_rig.c */
#include "commands/tests/engine_rig.h"

#include <dirent.h>
#include <unistd.h>

#include "eventstore/snapshot_file.h"

uint64_t rig_random(struct rig *rig, uint64_t below)
{
    rig->random ^= rig->random << 13; /* xorshift64, Marsaglia 2003. */
    rig->random ^= rig->random >> 7;
    rig->random ^= rig->random << 17;
    return below == 0 ? rig->random : rig->random % below;
}

struct pw_id rig_id(struct rig *rig)
{
    uint64_t random[2] = {rig_random(rig, 0), rig_random(rig, 0)};
    return pw_id_v7(pw_sim_now_us(rig->log), (const uint8_t *)random);
}

void rig_open(struct rig *rig, uint64_t seed, uint32_t partition_count)
{
    *rig = (struct rig){
        .random = seed * 2654435761u + 88172645463325252u, .peer = PW_PEER_DEAD, .quiet = true};
    rig->log = pw_sim_log_new(partition_count, seed, RIG_START_US);
    struct pw_id ledger_id = rig_id(rig);
    CHECK(pw_sim_create(rig->log, &ledger_id, RIG_HORIZON_US) == PW_OK, "no ledger");
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

void rig_close(struct rig *rig)
{
    for (uint32_t i = 0; i < RIG_NODES_MAX; i++) {
        rig_crash(rig, i);
        if (rig->nodes[i].snapshots_dir[0] != '\0') {
            remove_dir(rig->nodes[i].snapshots_dir);
        }
    }
    pw_sim_log_free(rig->log);
}

static int64_t wall_us(void *self)
{
    struct rig_node *node = self;
    return pw_sim_now_us(node->rig->log) + node->skew_us;
}

static int64_t boot_us(void *self)
{
    struct rig_node *node = self;
    return pw_sim_now_us(node->rig->log) - RIG_START_US + 1000;
}

static struct rig_node *other_of(struct rig_node *node, struct pw_str node_id)
{
    for (uint32_t i = 0; i < node->rig->ranks.count; i++) {
        struct rig_node *other = &node->rig->nodes[i];
        if (other->engine != NULL && !node->cut_from[i] &&
            pw_str_equal(node_id, pw_str_of(other->name))) {
            return other;
        }
    }
    return NULL;
}

/* As api/peers.c, with answers that are always fresh. */
static enum pw_liveness leads(void *self, struct pw_str node_id, const struct pw_id *incarnation,
                              uint32_t partition)
{
    struct rig_node *node = self;
    const struct rig_node *other = other_of(node, node_id);
    struct pw_partition_status status;
    if (node->rig->ranks.count == 0) {
        return node->rig->peer;
    }
    if (other == NULL || !pw_id_equal(&other->incarnation, incarnation)) {
        return PW_PEER_DEAD;
    }
    pw_engine_status(other->engine, partition, &status);
    if (status.leads) {
        node->missed_at_us[partition] = 0;
        return PW_PEER_ALIVE;
    }
    if (node->missed_at_us[partition] == 0 ||
        !pw_id_equal(&node->missed_of[partition], incarnation)) {
        node->missed_of[partition] = *incarnation;
        node->missed_at_us[partition] = pw_sim_now_us(node->rig->log);
    }
    return pw_sim_now_us(node->rig->log) - node->missed_at_us[partition] < RIG_MISSES_US
               ? PW_PEER_UNKNOWN
               : PW_PEER_DEAD;
}

static bool stands_by(void *self, struct pw_str node_id, struct pw_id *ret_incarnation)
{
    const struct rig_node *other = other_of(self, node_id);
    struct pw_partition_status status;
    if (other == NULL || other->stopping) {
        return false;
    }
    pw_engine_status(other->engine, 0, &status);
    *ret_incarnation = other->incarnation;
    return status.caught_up;
}

static void observe(void *self, const struct pw_position *at, const struct pw_id *boundary_id,
                    const struct pw_event *event)
{
    (void)at;
    (void)boundary_id;
    (void)event;
    ((struct rig_node *)self)->observed_count++;
}

static void restored(void *self, const struct pw_state *state)
{
    struct rig_node *node = self;
    for (uint32_t i = 0; pw_state_tenant_at(state, i) != NULL; i++) {
        node->restored_tenants++;
    }
}

static void log_line(void *self, const char *level, uint32_t partition, const char *text)
{
    struct rig_node *node = self;
    if (strcmp(level, "warning") == 0) {
        snprintf(node->warned, sizeof node->warned, "%s", text);
    }
    if (!node->rig->quiet) {
        fprintf(stderr, "%8lld %s %s/%u: %s\n", (long long)(boot_us(node) / 1000), level,
                node->name, partition, text);
    }
}

static void wake_nobody(void *self)
{
    (void)self;
}

void rig_introduce(struct rig *rig, uint32_t node_count)
{
    for (uint32_t i = 0; i < node_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "node-%u", i);
        CHECK(pw_ranks_add(&rig->ranks, pw_str_of(name)), "%s", name);
    }
}

uint32_t rig_leader(struct rig *rig, uint32_t partition)
{
    uint32_t leader = RIG_NODES_MAX;
    for (uint32_t i = 0; i < RIG_NODES_MAX; i++) {
        struct pw_partition_status status = {.leads = false};
        if (rig->nodes[i].engine != NULL) {
            pw_engine_status(rig->nodes[i].engine, partition, &status);
        }
        if (status.leads && leader != RIG_NODES_MAX) {
            return RIG_NODES_MAX;
        }
        leader = status.leads ? i : leader;
    }
    return leader;
}

void rig_start(struct rig *rig, uint32_t i)
{
    struct rig_node *node = &rig->nodes[i];
    uint32_t partitions[PW_PARTITIONS_MAX];
    struct pw_ledger ledger;
    struct pw_err err = {0};
    struct pw_ledger_wake wake = {NULL, wake_nobody};
    CHECK(node->engine == NULL, "node %u runs already", i);
    CHECK(pw_sim_open(rig->log, wake, &ledger) == PW_OK, "no handle");
    for (uint32_t p = 0; p < ledger.partition_count; p++) {
        partitions[p] = p;
    }
    node->rig = rig;
    node->incarnation = rig_id(rig);
    node->stopping = false;
    memset(node->missed_at_us, 0, sizeof node->missed_at_us);
    snprintf(node->name, sizeof node->name, "node-%u", i);
    struct pw_engine_config config = {
        .ledger = ledger,
        .partitions = partitions,
        .partition_count = ledger.partition_count,
        .node_id = node->name,
        .incarnation = node->incarnation,
        .clock = {node, wall_us, boot_us},
        .nodes = rig->ranks.count > 0 ? &rig->ranks : NULL,
        .peers = {node, leads, stands_by},
        .observer = {node, {{UINT64_C(1) << PW_EVENT_TENANT_CREATED}}, observe, restored},
        .snapshots = {.dir = node->snapshots_dir[0] == '\0' ? NULL : node->snapshots_dir,
                      .every = node->snapshots_every,
                      .without_children = !node->with_children},
        .never_leads = node->never_leads,
        .wake = wake,
        .log = log_line,
        .log_self = node,
    };
    node->engine = pw_engine_new(&config, &err);
    CHECK(node->engine != NULL, "%s", err.detail);
}

void rig_crash(struct rig *rig, uint32_t node)
{
    struct pw_engine *engine = rig->nodes[node].engine;
    rig->nodes[node].engine = NULL; /* While it ends nobody asks it any more. */
    pw_engine_free(engine);
}

void rig_stop(struct rig *rig, uint32_t node)
{
    rig->nodes[node].stopping = true;
    pw_engine_stop(rig->nodes[node].engine);
}

void rig_keep_snapshots(struct rig *rig, uint32_t i, uint64_t every)
{
    struct rig_node *node = &rig->nodes[i];
    node->snapshots_every = every;
    if (node->snapshots_dir[0] == '\0') {
        snprintf(node->snapshots_dir, sizeof node->snapshots_dir, "/tmp/pw-snapshots-XXXXXX");
        CHECK(mkdtemp(node->snapshots_dir) != NULL, "no directory");
    }
}

bool rig_snapshot(struct rig *rig, uint32_t node, uint32_t partition, uint32_t i,
                  char ret_path[RIG_PATH_BYTES])
{
    int64_t offsets[8];
    char name[PW_SNAPSHOT_NAME_BYTES];
    const char *dir = rig->nodes[node].snapshots_dir;
    if (i >= pw_snapshot_files(dir, partition, INT64_MAX, offsets, PW_COUNT(offsets))) {
        return false;
    }
    pw_snapshot_file_name(partition, offsets[i], name);
    snprintf(ret_path, RIG_PATH_BYTES, "%s/%s", dir, name);
    return true;
}

void rig_run(struct rig *rig, uint32_t milliseconds)
{
    for (uint32_t ms = 0; ms < milliseconds; ms++) {
        for (uint32_t i = 0; i < RIG_NODES_MAX; i++) {
            if (rig->nodes[i].engine != NULL) {
                pw_engine_step(rig->nodes[i].engine);
            }
        }
        pw_sim_advance(rig->log, 1000);
    }
}

static void done(struct pw_job *job)
{
    struct ask *ask = (struct ask *)job; /* The job is its first member. */
    ask->answered = true;
}

void rig_send(struct rig *rig, uint32_t node, struct ask *ask)
{
    ask->answered = false;
    ask->tries++;
    ask->job.err = (struct pw_err){0};
    ask->job.done = done;
    enum pw_code code = pw_engine_submit(rig->nodes[node].engine, &ask->job);
    if (code != PW_OK) {
        pw_fail(&ask->job.err, code, "not taken");
        ask->answered = true;
    }
}

enum pw_code rig_answer(struct rig *rig, struct ask *ask)
{
    for (uint32_t ms = 0; !ask->answered; ms++) {
        CHECK(ms < 60000, "no answer in a minute");
        rig_run(rig, 1);
    }
    return ask->job.err.code;
}

enum pw_code rig_ask(struct rig *rig, uint32_t node, struct ask *ask)
{
    rig_send(rig, node, ask);
    return rig_answer(rig, ask);
}

static struct ask ask_of(struct rig *rig, enum pw_command_type type, struct pw_id boundary,
                         struct pw_id actor, enum pw_role role)
{
    struct ask ask = {.rig = rig};
    ask.job.command.type = type;
    ask.job.boundary_id = boundary;
    ask.job.command_id = rig_id(rig);
    ask.job.actor_id = actor;
    ask.job.correlation_id = ask.job.command_id;
    ask.job.role = role;
    ask.job.if_match = -1;
    return ask;
}

static void seal(struct ask *ask)
{
    static const uint8_t secret[32] = {1, 2, 3};
    ask->job.fingerprint = pw_fingerprint_of(secret, sizeof secret, &ask->job);
}

struct ask ask_tenant(struct rig *rig, struct pw_id *ret_tenant)
{
    *ret_tenant = rig_id(rig);
    struct ask ask =
        ask_of(rig, PW_COMMAND_TENANT_CREATE, *ret_tenant, rig_id(rig), PW_ROLE_OPERATOR);
    ask.job.command.tenant_create = (struct pw_tenant_create){
        *ret_tenant, PW_STR("Test"), PW_STR("Europe/Vienna"), PW_STR("de")};
    seal(&ask);
    return ask;
}

struct ask ask_draft(struct rig *rig, struct pw_id tenant, struct pw_id teacher,
                     struct pw_id *ret_exam)
{
    *ret_exam = rig_id(rig);
    struct ask ask = ask_of(rig, PW_COMMAND_EXAM_DRAFT, tenant, teacher, PW_ROLE_TEACHER);
    ask.job.command.exam_draft = (struct pw_exam_draft){*ret_exam, PW_STR("Algebra"), 90, 60, 15};
    seal(&ask);
    return ask;
}

struct ask ask_publish(struct rig *rig, struct pw_id tenant, struct pw_id teacher,
                       struct pw_id exam)
{
    struct ask ask = ask_of(rig, PW_COMMAND_EXAM_PUBLISH, tenant, teacher, PW_ROLE_TEACHER);
    ask.job.command.exam_publish = (struct pw_exam_publish){exam};
    seal(&ask);
    return ask;
}

struct ask ask_open(struct rig *rig, struct pw_id tenant, struct pw_id teacher, struct pw_id exam,
                    int64_t starts_at_us, uint32_t capacity, struct pw_id *ret_slot)
{
    *ret_slot = rig_id(rig);
    struct ask ask = ask_of(rig, PW_COMMAND_SLOT_OPEN, tenant, teacher, PW_ROLE_TEACHER);
    ask.job.command.slot_open = (struct pw_slot_open){*ret_slot, exam, starts_at_us, capacity, 0};
    seal(&ask);
    return ask;
}

struct ask ask_capacity(struct rig *rig, struct pw_id tenant, struct pw_id teacher,
                        struct pw_id slot, uint32_t capacity)
{
    struct ask ask = ask_of(rig, PW_COMMAND_SLOT_CHANGE_CAPACITY, tenant, teacher, PW_ROLE_TEACHER);
    ask.job.command.slot_change_capacity = (struct pw_slot_change_capacity){slot, capacity};
    seal(&ask);
    return ask;
}

struct ask ask_reserve(struct rig *rig, struct pw_id tenant, struct pw_id student,
                       struct pw_id slot)
{
    struct ask ask = ask_of(rig, PW_COMMAND_RESERVATION_RESERVE, tenant, student, PW_ROLE_STUDENT);
    ask.job.command.reservation_reserve = (struct pw_reservation_reserve){slot, rig_id(rig)};
    seal(&ask);
    return ask;
}

struct ask ask_hold(struct rig *rig, struct pw_id tenant, struct pw_id student, struct pw_id slot)
{
    struct ask ask = ask_of(rig, PW_COMMAND_RESERVATION_HOLD, tenant, student, PW_ROLE_STUDENT);
    ask.job.command.reservation_hold = (struct pw_reservation_hold){slot, rig_id(rig)};
    seal(&ask);
    return ask;
}

struct ask ask_confirm(struct rig *rig, struct pw_id tenant, struct pw_id student,
                       struct pw_id reservation)
{
    struct ask ask =
        ask_of(rig, PW_COMMAND_RESERVATION_CONFIRM_HOLD, tenant, student, PW_ROLE_STUDENT);
    ask.job.command.reservation_confirm_hold = (struct pw_reservation_confirm_hold){reservation};
    seal(&ask);
    return ask;
}

struct ask ask_cancel(struct rig *rig, struct pw_id tenant, struct pw_id student,
                      struct pw_id reservation)
{
    struct ask ask = ask_of(rig, PW_COMMAND_RESERVATION_CANCEL, tenant, student, PW_ROLE_STUDENT);
    ask.job.command.reservation_cancel = (struct pw_reservation_cancel){reservation};
    seal(&ask);
    return ask;
}

struct pw_id rig_open_slot(struct rig *rig, uint32_t node, const struct rig_office *office,
                           uint32_t capacity)
{
    struct pw_id slot;
    struct ask open =
        ask_open(rig, office->tenant, office->teacher, office->exam,
                 pw_sim_now_us(rig->log) + 48 * 60 * PW_US_PER_MINUTE, capacity, &slot);
    CHECK(rig_ask(rig, node, &open) == PW_OK, "open: %s", open.job.err.detail);
    return slot;
}

void rig_furnish(struct rig *rig, uint32_t node, uint32_t capacity, struct rig_office *ret_office)
{
    ret_office->teacher = rig_id(rig);
    struct ask tenant = ask_tenant(rig, &ret_office->tenant);
    CHECK(rig_ask(rig, node, &tenant) == PW_OK, "tenant: %s", tenant.job.err.detail);
    struct ask draft = ask_draft(rig, ret_office->tenant, ret_office->teacher, &ret_office->exam);
    CHECK(rig_ask(rig, node, &draft) == PW_OK, "draft: %s", draft.job.err.detail);
    struct ask publish =
        ask_publish(rig, ret_office->tenant, ret_office->teacher, ret_office->exam);
    CHECK(rig_ask(rig, node, &publish) == PW_OK, "publish: %s", publish.job.err.detail);
    ret_office->slot = rig_open_slot(rig, node, ret_office, capacity);
}

void rig_fold(struct rig *rig, uint32_t partition, struct pw_fold *ret_fold)
{
    rig_fold_observed(rig, partition, NULL, ret_fold);
}

void rig_fold_observed(struct rig *rig, uint32_t partition, const struct pw_fold_observer *observer,
                       struct pw_fold *ret_fold)
{
    pw_fold_init(ret_fold, partition);
    for (int64_t offset = 0; offset < pw_sim_end(rig->log, partition); offset++) {
        uint8_t *value;
        size_t bytes;
        struct pw_record record;
        if (pw_sim_get(rig->log, partition, offset, &value, &bytes)) {
            enum pw_verdict verdict =
                pw_fold_take(ret_fold, offset, value, bytes, observer, &record);
            CHECK(verdict != PW_CHAIN_STOPPED, "%s", ret_fold->chain.stopped.detail);
            free(value);
        }
    }
}
