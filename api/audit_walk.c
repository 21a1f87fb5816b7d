/* api/audit_walk.c: every partition from offset 0 to its high watermark. */
#include <stdlib.h>
#include <unistd.h>

#include "api/audit.h"
#include "commands/memory.h"
#include "commands/remembered.h"

#define SILENCE_MAX_MS 20000 /* Without any record, end or sign of life: Kafka is out of reach. */
#define STEP_MS        200

void pw_walk_init(struct pw_walk *walk, uint32_t partition_count)
{
    walk->partition_count = partition_count;
    walk->partitions = pw_memory_new(partition_count, sizeof *walk->partitions);
    for (uint32_t i = 0; i < partition_count; i++) {
        struct pw_walk_partition *partition = &walk->partitions[i];
        pw_fold_init(&partition->fold, i);
        partition->fold.chain.partition_count = partition_count;
        partition->decided = pw_map_new(sizeof(struct pw_id), sizeof(int64_t));
        partition->end_offset = -1;
    }
}

void pw_walk_close(struct pw_walk *walk)
{
    for (uint32_t i = 0; i < walk->partition_count; i++) {
        pw_fold_close(&walk->partitions[i].fold);
        pw_map_free(walk->partitions[i].decided);
    }
    free(walk->partitions);
}

static void find(struct pw_findings *findings, uint64_t *count, const char *word,
                 const struct pw_id *command_id, int64_t offset)
{
    if (findings->first[0] == '\0') {
        char text[PW_ID_TEXT_BYTES + 1];
        pw_id_format(command_id, text);
        snprintf(findings->first, sizeof findings->first, "%s: command id %s at offset %lld", word,
                 text, (long long)offset);
    }
    (*count)++;
}

/* One decision, in the order of the log. Sums are compared as differences, so that none
 * overflows. */
static void check_decision(struct pw_walk_partition *partition, const struct pw_id *boundary_id,
                           const struct pw_id *actor_id, const struct pw_id *command_id,
                           int64_t decided_at_us, int64_t offset)
{
    struct pw_findings *findings = &partition->findings;
    int64_t horizon_us = partition->fold.chain.horizon_us;
    struct pw_id key = pw_remembered_key(boundary_id, actor_id, command_id);
    const void *before = pw_map_get(partition->decided, &key);
    int64_t made_at_us;
    int64_t before_at_us = 0;
    if (before != NULL) {
        memcpy(&before_at_us, before, sizeof before_at_us);
    }
    if (pw_id_v7_time(command_id, &made_at_us)) {
        if (made_at_us - decided_at_us > 5 * PW_US_PER_MINUTE) {
            find(findings, &findings->early_count, "early", command_id, offset);
        }
        if (decided_at_us - made_at_us >= horizon_us) {
            find(findings, &findings->late_count, "late", command_id, offset);
        }
        if (before != NULL) {
            find(findings, &findings->repeat_count, "repeat", command_id, offset);
        }
    } else if (before != NULL && decided_at_us - before_at_us < horizon_us) {
        find(findings, &findings->repeat_count, "repeat", command_id, offset);
    }
    memcpy(pw_map_put(partition->decided, &key, NULL), &decided_at_us, sizeof decided_at_us);
}

static void check_ids(struct pw_walk_partition *partition, const struct pw_record *record,
                      int64_t offset)
{
    for (uint32_t i = 0; i < record->answer_count; i++) {
        const struct pw_answer *answer = &record->answers[i];
        check_decision(partition, &answer->boundary_id, &answer->actor_id, &answer->command_id,
                       answer->decided_at_us, offset);
    }
    if (record->kind == PW_RECORD_COMMIT) {
        const struct pw_commit *commit = &record->commit;
        check_decision(partition, &commit->boundary_id, &commit->actor_id, &commit->command_id,
                       record->decided_at_us, offset);
    }
}

void pw_walk_take(struct pw_walk *walk, uint32_t number, int64_t offset, const void *value,
                  size_t value_bytes)
{
    struct pw_walk_partition *partition = &walk->partitions[number];
    struct pw_record record;
    partition->record_count++;
    switch (pw_fold_take(&partition->fold, offset, value, value_bytes, NULL, &record)) {
    case PW_CHAIN_ACCEPTED:
        if (walk->checks_ids) {
            check_ids(partition, &record, offset);
        }
        if (walk->record != NULL) {
            walk->record(walk->self, number, offset, &partition->fold.chain.head, &record);
        }
        break;
    case PW_CHAIN_VOID: break;
    case PW_CHAIN_STOPPED:
        partition->stopped = partition->fold.chain.stopped;
        partition->done = true;
        break;
    }
}

static void show_progress(const struct pw_walk *walk, bool last)
{
    uint64_t records = 0;
    uint32_t done = 0;
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    for (uint32_t i = 0; i < walk->partition_count; i++) {
        records += walk->partitions[i].record_count;
        done += walk->partitions[i].done;
    }
    fprintf(stderr, "\r%s: %llu records, %u of %u partitions done%s", walk->doing,
            (unsigned long long)records, done, walk->partition_count, last ? "\n" : "");
}

static void wake_nobody(void *self)
{
    (void)self;
}

static void take_event(struct pw_walk *walk, struct pw_ledger *ledger,
                       const struct pw_ledger_event *event)
{
    struct pw_walk_partition *partition = &walk->partitions[event->partition];
    if (event->kind == PW_LEDGER_RECORD) {
        pw_walk_take(walk, event->partition, event->offset, event->value, event->value_bytes);
    } else if (event->kind == PW_LEDGER_END) {
        partition->end_offset = event->offset;
        partition->done = true;
        if (partition->fold.chain.head_offset < 0 && partition->stopped.code == PW_OK) {
            pw_fail(&partition->stopped, PW_ERR_LEDGER_DAMAGED, "no-genesis: partition %u is empty",
                    event->partition);
        }
    } else if (event->kind == PW_LEDGER_LOST) {
        pw_fail(&partition->stopped, PW_ERR_LEDGER_DAMAGED,
                "no-genesis: partition %u does not begin at offset 0", event->partition);
        partition->done = true;
    }
    if (partition->done) {
        ledger->read_stop(ledger->self, event->partition);
    }
}

static bool all_done(const struct pw_walk *walk)
{
    for (uint32_t i = 0; i < walk->partition_count; i++) {
        if (!walk->partitions[i].done) {
            return false;
        }
    }
    return true;
}

static enum pw_code read_all(struct pw_walk *walk, struct pw_ledger *ledger, struct pw_err *err)
{
    int silent_ms = 0;
    uint32_t since_shown = 0;
    for (uint32_t i = 0; i < walk->partition_count; i++) {
        walk->partitions[i].done = walk->only >= 0 && walk->only != (int64_t)i;
        if (!walk->partitions[i].done) {
            enum pw_code code = ledger->read_from(ledger->self, i, 0, err);
            if (code != PW_OK) {
                return code;
            }
        }
    }
    while (!all_done(walk)) {
        struct pw_ledger_event event = {0};
        ledger->next(ledger->self, STEP_MS, &event);
        bool lives = event.kind == PW_LEDGER_RECORD || event.kind == PW_LEDGER_END ||
                     event.kind == PW_LEDGER_LOST;
        silent_ms = lives ? 0 : silent_ms + (event.kind == PW_LEDGER_NOTHING ? STEP_MS : 0);
        if (silent_ms >= SILENCE_MAX_MS) {
            return pw_fail(err, PW_ERR_LEDGER_DOWN, "no answer from Kafka in %d seconds",
                           SILENCE_MAX_MS / 1000);
        }
        if (lives) {
            take_event(walk, ledger, &event);
        }
        if (++since_shown >= 20000 || !lives) {
            since_shown = 0;
            show_progress(walk, false);
        }
    }
    show_progress(walk, true);
    return PW_OK;
}

enum pw_code pw_walk_run(struct pw_walk *walk, const struct pw_config *config, struct pw_err *err)
{
    struct pw_ledger ledger;
    struct pw_ledger_wake wake = {NULL, wake_nobody};
    struct pw_kafka_config kafka = {
        .topic = pw_config_text(config, PW_CONFIG_LEDGER_TOPIC),
        .settings = config->kafka,
        .setting_count = config->kafka_count,
        .reads_only = true,
    };
    enum pw_code code = pw_kafka_open(&kafka, wake, 10000, &ledger, err);
    if (code != PW_OK) {
        return code;
    }
    if (ledger.partition_count == 0) {
        code = ledger.check(ledger.self, err);
        if (code != PW_OK) {
            ledger.close(ledger.self);
            return code;
        }
    }
    if (walk->tenant_id != NULL && walk->only < 0) {
        walk->only = pw_partition_of(walk->tenant_id, ledger.partition_count);
    }
    if (walk->only >= (int64_t)ledger.partition_count) {
        code = pw_fail(err, PW_ERR_USAGE, "the ledger has %u partitions", ledger.partition_count);
    } else {
        pw_walk_init(walk, ledger.partition_count);
        code = read_all(walk, &ledger, err);
    }
    ledger.close(ledger.self);
    return code;
}
