/* integration/sim/judge.c: what must hold, held against the log alone. The log is read once more: what counts is found by
 * comparing hashes, what was right by the model. Live states, snapshots and read models are compared with the replay. */
#include "integration/sim/sim.h"

#include <stdlib.h>

#include "commands/due.h"
#include "commands/snapshot.h"
#include "eventstore/snapshot_file.h"

#define STATE_BYTES (8 << 20)
#define LATE_US_MAX (5 * PW_US_PER_SECOND) /* Once nothing goes wrong any more. */
#define CLOCK_AHEAD_MAX_US                                                                         \
    (12 * PW_US_PER_SECOND) /* A second, and what a paused node cannot know. */

struct reading {
    struct world *world;
    uint32_t partition;
    struct model *model;
    struct store *expected; /* Rows. */
    struct pw_fold fold;    /* The replay. */
    struct pw_remembered *remembered;
    struct pw_hash head;
    int64_t head_offset;
    uint64_t height;
    int64_t decided_at_us;
    struct pw_arena arena;
    struct pw_buffer replayed; /* Serialised. */
    struct pw_buffer other;
    bool counts;
    int64_t offset;
    const uint8_t *value;
    size_t bytes;
};

/* --- Decisions --- */

/* A decision as a record has it: a commit, or an answer. */
struct decision {
    struct pw_id boundary_id;
    struct pw_id actor_id;
    struct pw_id command_id;
    struct pw_fingerprint fingerprint;
    struct pw_id stream_id;
    uint32_t stream_version;
    int64_t decided_at_us;
    enum pw_code code;
    bool changes;
};

/* The command that was decided; several may have shared its key. */
static struct op *op_of(struct world *world, const struct decision *decision)
{
    uint32_t number = op_number_of(&decision->command_id);
    for (uint32_t i = number; number < world->op_count && i < world->op_count; i++) {
        struct op *op = &world->ops[i];
        if (op->twin == number && pw_id_equal(&op->request.command_id, &decision->command_id) &&
            pw_id_equal(&op->request.actor_id, &decision->actor_id) &&
            pw_id_equal(&op->request.boundary_id, &decision->boundary_id) &&
            memcmp(&op->request.fingerprint, &decision->fingerprint,
                   sizeof decision->fingerprint) == 0) {
            return op;
        }
    }
    sim_fail(world, "nothing but what was asked is decided", "no client asked for command %u",
             number);
}

static void check_window(struct reading *reading, const struct decision *decision)
{
    int64_t made_at_us;
    pw_id_v7_time(&decision->command_id, &made_at_us);
    if (decision->decided_at_us >= made_at_us + reading->world->horizon_us ||
        made_at_us > decision->decided_at_us + PW_KEY_AHEAD_MAX_US) {
        sim_fail(reading->world, "an id is decided in its window only",
                 "partition %u, offset %lld: decided %lld us after its time", reading->partition,
                 (long long)reading->offset, (long long)(decision->decided_at_us - made_at_us));
    }
}

/* Gives what was asked. */
static const struct op *check_decision(struct reading *reading, const struct decision *decision)
{
    struct world *world = reading->world;
    struct op *op = op_of(world, decision);
    bool changes;
    if (model_waits(reading->model, &op->request, decision->decided_at_us)) {
        sim_fail(world, "what is due goes first", "partition %u, offset %lld: op %u, %s",
                 reading->partition, (long long)reading->offset, op->number,
                 pw_command_info(op->request.command.type)->name);
    }
    enum pw_code right =
        model_decide(reading->model, &op->request, decision->decided_at_us, &changes);
    check_window(reading, decision);
    if (right != decision->code || changes != decision->changes) {
        sim_fail(
            world, right == PW_OK ? "no wrong refusal" : "the rules of the domain",
            "partition %u, offset %lld: op %u, %s: %s%s, and %s%s is right", reading->partition,
            (long long)reading->offset, op->number, pw_command_info(op->request.command.type)->name,
            decision->code == PW_OK ? "yes" : pw_error_info(decision->code)->name,
            decision->changes ? " with events" : "",
            right == PW_OK ? "yes" : pw_error_info(right)->name, changes ? " with events" : "");
    }
    if (changes && model_apply(reading->model, &op->request, decision->decided_at_us,
                               &decision->stream_id) != decision->stream_version) {
        sim_fail(world, "streams have no gaps", "partition %u, offset %lld: version %u",
                 reading->partition, (long long)reading->offset, decision->stream_version);
    }
    if (world->ops[op->twin].key_count++ > 0) {
        sim_fail(world, "an id is decided once", "op %u, %s: again at partition %u, offset %lld",
                 op->number, pw_command_info(op->request.command.type)->name, reading->partition,
                 (long long)reading->offset);
    }
    op->decided_count++;
    op->decided_offset = reading->offset;
    op->decided_code = decision->code;
    op->decided_stream_id = decision->stream_id;
    op->decided_version = decision->stream_version;
    memcpy(op->decided_head, reading->head.bytes, sizeof op->decided_head);
    struct pw_id key =
        pw_remembered_key(&decision->boundary_id, &decision->actor_id, &decision->command_id);
    pw_remembered_add(reading->remembered, &key, reading->offset,
                      pw_remembered_expires_at(&decision->command_id, decision->decided_at_us,
                                               world->horizon_us));
    return op;
}

/* Of the system, and on nobody's account. */
static void check_deadline(struct reading *reading, const struct decision *decision,
                           const struct pw_record *record)
{
    struct pw_event event;
    if (record->event_count != 1 || pw_raw_event_read(&record->events[0], &event, NULL) != PW_OK ||
        !model_fall_due(reading->model, &decision->boundary_id, &event, decision->decided_at_us)) {
        sim_fail(reading->world, "what falls due was to be", "partition %u, offset %lld",
                 reading->partition, (long long)reading->offset);
    }
    struct pw_id key =
        pw_remembered_key(&decision->boundary_id, &decision->actor_id, &decision->command_id);
    pw_remembered_add(reading->remembered, &key, reading->offset,
                      pw_remembered_expires_at(&decision->command_id, decision->decided_at_us,
                                               reading->world->horizon_us));
    if (reading->counts) {
        sim_effect(reading->world,
                   event.type == PW_EVENT_RESERVATION_OFFERED ? EFFECT_OFFER : EFFECT_DEADLINE, 1);
    }
}

static void check_answer(struct reading *reading, const struct pw_answer *answer)
{
    struct decision decision = {
        .boundary_id = answer->boundary_id,
        .actor_id = answer->actor_id,
        .command_id = answer->command_id,
        .fingerprint = answer->fingerprint,
        .stream_id = answer->stream_id,
        .stream_version = answer->stream_version,
        .decided_at_us = answer->decided_at_us,
    };
    if (answer->problem_name.len > 0 && !pw_error_by_name(answer->problem_name, &decision.code)) {
        sim_fail(reading->world, "records are readable", "an unknown problem at offset %lld",
                 (long long)reading->offset);
    }
    check_decision(reading, &decision);
}

/* What followed from an accommodation. */
static void count_refit(const struct reading *reading, enum pw_event_type type)
{
    if (reading->counts) {
        sim_effect(reading->world, EFFECT_REFITTED, type == PW_EVENT_RESERVATION_SITTING_CHANGED);
        sim_effect(reading->world, EFFECT_MARKED,
                   type == PW_EVENT_RESERVATION_NEEDS_REPLACEMENT_MARKED);
    }
}

/* A commit's answer is about the stream of its first event, as it is afterwards. */
static uint32_t version_after(const struct pw_record *record)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < record->event_count; i++) {
        last = pw_id_equal(&record->events[i].stream_id, &record->events[0].stream_id) ? i : last;
    }
    return record->events[last].stream_version;
}

static void check_record(struct reading *reading, const struct pw_record *record, int64_t at_us)
{
    if (record->decided_at_us > at_us + CLOCK_AHEAD_MAX_US) {
        sim_fail(reading->world, "no decision is of the future",
                 "partition %u, offset %lld: decided %lld ms after it landed", reading->partition,
                 (long long)reading->offset, (long long)(record->decided_at_us - at_us) / 1000);
    }
    if (record->height != reading->height + (reading->offset > 0) ||
        record->decided_at_us < reading->decided_at_us) {
        sim_fail(reading->world, "heights and times go on", "partition %u, offset %lld",
                 reading->partition, (long long)reading->offset);
    }
    reading->height = record->height;
    reading->decided_at_us = record->decided_at_us;
    for (uint32_t i = 0; i < record->answer_count; i++) { /* Decided before the commit was. */
        check_answer(reading, &record->answers[i]);
    }
    if (record->kind == PW_RECORD_COMMIT) {
        const struct pw_commit *commit = &record->commit;
        struct decision decision = {
            .boundary_id = commit->boundary_id,
            .actor_id = commit->actor_id,
            .command_id = commit->command_id,
            .fingerprint = commit->fingerprint,
            .stream_id = record->events[0].stream_id,
            .stream_version = version_after(record),
            .decided_at_us = record->decided_at_us,
            .changes = true,
        };
        if (pw_id_equal(&commit->actor_id, &pw_system_id)) {
            check_deadline(reading, &decision, record);
            return;
        }
        const struct op *op = check_decision(reading, &decision);
        for (uint32_t i = 0; i < record->event_count; i++) {
            struct pw_event event;
            if (pw_raw_event_read(&record->events[i], &event, NULL) == PW_OK) {
                keys_saw(reading->world, &commit->boundary_id, &event, op);
                count_refit(reading, event.type);
            }
        }
    }
}

/* --- Replay --- */

static void expect_rows(void *self, const struct pw_record *record, uint32_t index,
                        const struct pw_event *event, const struct pw_tenant *after)
{
    struct reading *reading = self;
    (void)index;
    for (uint32_t p = 0; p < pw_projection_count; p++) {
        struct pw_rows rows = {0};
        struct pw_err err = {0};
        if (pw_projections[p]->rows(event, after, &rows, &err) != PW_OK) {
            sim_fail(reading->world, "read models can be folded", "%s: %s", pw_projections[p]->name,
                     err.detail);
        }
        for (uint32_t i = 0; i < rows.count; i++) {
            struct pw_batch_row row = {.tenant_id = record->commit.tenant_id,
                                       .row = rows.rows[i],
                                       .changed_at_us = record->decided_at_us,
                                       .record_offset = reading->offset};
            store_put(reading->expected, &row);
        }
    }
}

static void serialise(struct pw_buffer *buffer, const struct pw_fold *fold,
                      const struct pw_remembered *remembered)
{
    buffer->bytes = 0;
    pw_state_serialise(fold->state, buffer);
    if (remembered != NULL) {
        pw_remembered_serialise(remembered, fold->chain.decided_at_us, buffer);
    }
}

static bool same_bytes(const struct pw_buffer *a, const struct pw_buffer *b)
{
    return a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

/* A snapshot of that offset holds what the replay holds there, ids included. */
static void check_snapshot(struct reading *reading, const struct node *node)
{
    struct pw_snapshot_file file;
    struct pw_snapshot_leader leader;
    struct pw_fold fold;
    struct pw_err err = {0};
    if (pw_snapshot_file_read(node->snapshots_dir, reading->partition, reading->offset, &file,
                              &err) != PW_OK) {
        return; /* Torn. */
    }
    struct pw_remembered *remembered = pw_remembered_new();
    pw_fold_init(&fold, reading->partition);
    fold.chain.partition_count = reading->world->partition_count;
    fold.chain.ledger_id = reading->world->ledger_id;
    if (pw_snapshot_read(file.content, file.content_bytes, &fold, remembered, &leader, &err) !=
        PW_OK) {
        sim_fail(reading->world, "snapshots are readable", "%s: %s", node->name, err.detail);
    }
    serialise(&reading->replayed, &reading->fold, reading->remembered);
    serialise(&reading->other, &fold, remembered);
    if (!same_bytes(&reading->replayed, &reading->other) ||
        !pw_hash_equal(&fold.chain.head, &reading->head)) {
        sim_fail(reading->world, "snapshot = replay", "%s, partition %u, offset %lld", node->name,
                 reading->partition, (long long)reading->offset);
    }
    pw_fold_close(&fold);
    pw_remembered_free(remembered);
    pw_snapshot_file_close(&file);
}

static void check_snapshots(struct reading *reading)
{
    struct world *world = reading->world;
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        int64_t offset;
        if (node->snapshots_dir[0] != '\0' &&
            pw_snapshot_files(node->snapshots_dir, reading->partition, reading->offset, &offset,
                              1) == 1 &&
            offset == reading->offset) {
            check_snapshot(reading, node);
        }
    }
}

static void replay(struct reading *reading, bool counts)
{
    const struct pw_fold_observer observer = {.self = reading, .event = expect_rows};
    struct pw_record record;
    enum pw_verdict verdict = pw_fold_take(&reading->fold, reading->offset, reading->value,
                                           reading->bytes, &observer, &record);
    if (verdict != (counts ? PW_CHAIN_ACCEPTED : PW_CHAIN_VOID)) {
        sim_fail(reading->world, "what counts is what names the head",
                 "partition %u, offset %lld: the fold says otherwise. %s", reading->partition,
                 (long long)reading->offset, reading->fold.chain.stopped.detail);
    }
}

/* --- What the run provoked --- */

static void count_landing(struct reading *reading, bool accepted, int64_t at_us)
{
    struct world *world = reading->world;
    struct pw_hash hash = {{0}};
    struct pw_record record;
    if (reading->bytes >= PW_RECORD_HEAD_BYTES) {
        hash = pw_record_hash(reading->value, reading->bytes);
    }
    struct append *append = appends_find(world->appends, &hash);
    if (append == NULL) {
        return;
    }
    if (append->landed_offset >= 0) {
        sim_effect(world, EFFECT_REPEATED, 1);
        return;
    }
    append->landed_offset = reading->offset;
    sim_effect(world, EFFECT_LATE, append->given_up_us <= at_us);
    sim_effect(world, EFFECT_ACK_LOST, append->failed);
    if (append->reported && append->reported_offset != reading->offset) {
        sim_effect(world, append->reported_offset < 0 ? EFFECT_OFFSET_UNKNOWN : EFFECT_OFFSET_WRONG,
                   1);
    }
    pw_arena_reset(&reading->arena);
    if (!accepted && append->given_up_us > at_us &&
        pw_record_parse(reading->value, reading->bytes, &reading->arena, &record, NULL) == PW_OK) {
        sim_effect(world, EFFECT_OWN_VOID, record.kind != PW_RECORD_LEADER);
    }
}

static void count_appends(struct world *world)
{
    uint32_t count;
    struct append *appends = appends_all(world->appends, &count);
    for (uint32_t i = 0; i < count; i++) {
        sim_effect(world, EFFECT_LOST, appends[i].landed_offset < 0);
        for (uint32_t j = i; j-- > 0 && i - j < 8;) {
            if (appends[j].handle == appends[i].handle &&
                appends[j].partition == appends[i].partition) {
                sim_effect(world, EFFECT_REORDERED,
                           appends[i].landed_offset >= 0 &&
                               appends[j].landed_offset > appends[i].landed_offset);
                break;
            }
        }
    }
}

/* --- Reading --- */

static void take(struct reading *reading, int64_t at_us)
{
    struct pw_hash prev;
    struct pw_record record;
    struct pw_err err = {0};
    bool accepted = reading->value != NULL && reading->bytes >= PW_RECORD_HEAD_BYTES &&
                    memcmp(reading->value, "PWL", 3) == 0 &&
                    memcmp(reading->value + 4, reading->head.bytes, sizeof prev.bytes) == 0;
    if (reading->counts && reading->value != NULL) {
        count_landing(reading, accepted, at_us);
    }
    if (!accepted) {
        replay(reading, false);
        return;
    }
    pw_arena_reset(&reading->arena);
    if (pw_record_parse(reading->value, reading->bytes, &reading->arena, &record, &err) != PW_OK) {
        sim_fail(reading->world, "records are readable", "partition %u, offset %lld: %s",
                 reading->partition, (long long)reading->offset, err.detail);
    }
    reading->head = pw_record_hash(reading->value, reading->bytes);
    reading->head_offset = reading->offset;
    check_record(reading, &record, at_us);
    replay(reading, true);
    check_snapshots(reading);
}

static void read_partition(struct reading *reading)
{
    struct pw_ledger ledger;
    struct pw_ledger_event event = {0};
    pw_sim_open(reading->world->log, (struct pw_ledger_wake){NULL, NULL}, &ledger);
    ledger.read_from(ledger.self, reading->partition, 0, NULL);
    while (event.kind != PW_LEDGER_END) {
        ledger.next(ledger.self, 0, &event);
        if (event.kind == PW_LEDGER_RECORD) {
            reading->offset = event.offset;
            reading->value = event.value;
            reading->bytes = event.value_bytes;
            take(reading, event.broker_at_us);
        }
    }
    ledger.close(ledger.self);
}

/* --- Afterwards --- */

static void check_live(struct reading *reading)
{
    struct world *world = reading->world;
    serialise(&reading->replayed, &reading->fold, NULL);
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct pw_partition_status *status = &world->nodes[i].statuses[reading->partition];
        reading->other.bytes = 0;
        if (status->position.offset != reading->head_offset ||
            memcmp(status->position.head, reading->head.bytes, sizeof status->position.head) != 0) {
            sim_fail(world, "all stand on one head",
                     "node-%u, partition %u: at offset %lld, not %lld", i, reading->partition,
                     (long long)status->position.offset, (long long)reading->head_offset);
        }
        if (!pw_engine_serialise(world->nodes[i].engine, reading->partition, &reading->other) ||
            !same_bytes(&reading->replayed, &reading->other)) {
            sim_fail(world, "live = replay", "node-%u, partition %u, offset %lld", i,
                     reading->partition, (long long)reading->head_offset);
        }
    }
    /* A node's clock may be ahead, and its decisions then, too. */
    int64_t now_us =
        reading->decided_at_us > sim_now(world) ? reading->decided_at_us : sim_now(world);
    for (uint32_t i = 0; i < world->tenant_count; i++) {
        if (pw_partition_of(&world->tenants[i], world->partition_count) == reading->partition) {
            const char *what = model_differs(
                reading->model, pw_state_tenant(reading->fold.state, &world->tenants[i]),
                &world->tenants[i]);
            const char *broken = model_breaks(reading->model, &world->tenants[i], now_us);
            if (broken != NULL) {
                sim_fail(world, broken, "partition %u", reading->partition);
            }
            if (model_is_late(reading->model, &world->tenants[i], sim_now(world) - LATE_US_MAX)) {
                sim_fail(world, "deadlines fire", "partition %u", reading->partition);
            }
            if (what != NULL) {
                sim_fail(world, "the fold is what the rules make of it", "partition %u: %s differs",
                         reading->partition, what);
            }
        }
    }
}

static bool same_row(const struct pw_batch_row *a, const struct pw_batch_row *b)
{
    bool same = a != NULL && b != NULL && a->record_offset == b->record_offset &&
                a->changed_at_us == b->changed_at_us;
    for (uint32_t i = 0; same && i < a->row.table->column_count; i++) {
        same = pw_cell_equal(&a->row.cells[i], &b->row.cells[i]);
    }
    return same;
}

static void check_rows(struct world *world, struct store *expected)
{
    for (int side = 0; side < 2; side++) {
        struct store *from = side == 0 ? expected : world->store;
        struct store *to = side == 0 ? world->store : expected;
        for (uint32_t i = 0; i < store_row_count(from); i++) {
            const struct pw_batch_row *row = store_row(from, i);
            if (row != NULL && !same_row(row, store_find(to, row))) {
                sim_fail(world, "read models = recomputed",
                         "a row of %s, of the record at offset %lld, %s", row->row.table->name,
                         (long long)row->record_offset,
                         side == 1                     ? "should not be there"
                         : store_find(to, row) == NULL ? "is missing"
                                                       : "differs");
            }
        }
    }
}

static void check_ops(struct world *world, bool counts)
{
    for (uint32_t i = 0; i < world->op_count; i++) {
        const struct op *op = &world->ops[i];
        if (op->answered &&
            (op->decided_count != 1 || op->decided_code != op->answer.code ||
             op->decided_offset != op->position.offset ||
             op->decided_version != op->stream_version ||
             !pw_id_equal(&op->decided_stream_id, &op->stream_id) ||
             memcmp(op->decided_head, op->position.head, sizeof op->decided_head) != 0)) {
            sim_fail(
                world, "what is answered is on record",
                "op %u, %s: told %s at offset %lld; the log has %u decisions, the last at %lld",
                op->number, pw_command_info(op->request.command.type)->name,
                op->answer.code == PW_OK ? "yes" : pw_error_info(op->answer.code)->name,
                (long long)op->position.offset, op->decided_count, (long long)op->decided_offset);
        }
        if (counts) {
            world->tally->commands++;
            world->tally->accepted += op->answered && op->answer.code == PW_OK;
            world->tally->refused += op->answered && op->answer.code != PW_OK;
            world->tally->unknown += !op->answered;
        }
    }
}

void judge(struct world *world, bool counts)
{
    struct reading reading = {.world = world, .counts = counts};
    reading.model = model_new();
    reading.expected = store_new(world);
    pw_arena_init(&reading.arena, PW_RECORD_ARENA_BYTES);
    pw_buffer_init(&reading.replayed, STATE_BYTES);
    pw_buffer_init(&reading.other, STATE_BYTES);
    for (uint32_t i = 0; i < world->op_count; i++) {
        world->ops[i].decided_count = world->ops[i].key_count = 0;
    }
    keys_begin(world);
    for (uint32_t p = 0; p < world->partition_count; p++) {
        reading.partition = p;
        reading.head = (struct pw_hash){{0}};
        reading.height = 0;
        reading.decided_at_us = 0;
        reading.remembered = pw_remembered_new();
        pw_fold_init(&reading.fold, p);
        read_partition(&reading);
        check_live(&reading);
        pw_fold_close(&reading.fold);
        pw_remembered_free(reading.remembered);
    }
    check_ops(world, counts);
    check_rows(world, reading.expected);
    keys_judge(world, counts);
    if (counts) {
        count_appends(world);
    }
    pw_buffer_close(&reading.other);
    pw_buffer_close(&reading.replayed);
    pw_arena_close(&reading.arena);
    store_free(reading.expected);
    model_free(reading.model);
}
