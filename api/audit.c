/* api/audit.c: reading a whole ledger. */
#include "api/audit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/node.h"
#include "commands/engine.h"
#include "commands/memory.h"

#define PROGRESS_EVERY 65536
#define SILENCE_MS     30000 /* A broker that says nothing for so long counts as lost. */

enum pw_code pw_audit_open(struct pw_audit *audit, const struct pw_config *config, const char *dir,
                           struct pw_err *err)
{
    *audit = (struct pw_audit){.shows_progress = isatty(STDERR_FILENO) != 0};
    enum pw_code code = pw_node_open_to_read(config, dir, &audit->ledger, err);
    if (code != PW_OK) {
        return code;
    }
    uint32_t count = audit->ledger.partition_count;
    audit->folds = pw_memory_new(count, sizeof *audit->folds);
    audit->is_read = pw_memory_new(count, sizeof *audit->is_read);
    for (uint32_t p = 0; p < count; p++) {
        pw_fold_init(&audit->folds[p], p);
        audit->folds[p].chain.partition_count = count;
    }
    return PW_OK;
}

void pw_audit_close(struct pw_audit *audit)
{
    for (uint32_t p = 0; audit->folds != NULL && p < audit->ledger.partition_count; p++) {
        pw_fold_close(&audit->folds[p]);
    }
    if (audit->folds != NULL) {
        audit->ledger.close(audit->ledger.self);
    }
    free(audit->folds);
    free(audit->is_read);
}

static void show_progress(struct pw_audit *audit, bool at_end)
{
    if (!audit->shows_progress) {
        return;
    }
    if (at_end) {
        fputs("\r                              \r", stderr);
    } else if (audit->record_count % PROGRESS_EVERY == 0) {
        fprintf(stderr, "\r%llu records", (unsigned long long)audit->record_count);
    }
}

/* The first genesis says which ledger this is; a partition of another one stops. */
static void compare_ledgers(struct pw_audit *audit, struct pw_fold *fold)
{
    for (uint32_t p = 0; p < audit->ledger.partition_count; p++) {
        const struct pw_chain *other = &audit->folds[p].chain;
        if (other->accepted_count == 0 || p == fold->chain.partition) {
            continue;
        }
        if (!pw_id_equal(&other->ledger_id, &fold->chain.ledger_id) ||
            other->horizon_us != fold->chain.horizon_us) {
            pw_fail(&fold->chain.stopped, PW_ERR_LEDGER_DAMAGED,
                    "foreign-ledger: partition %u, offset 0: not the ledger of partition %u",
                    fold->chain.partition, p);
        }
        return;
    }
}

static void stop_partition(struct pw_audit *audit, uint32_t partition)
{
    audit->is_read[partition] = true;
    audit->ledger.read_stop(audit->ledger.self, partition);
}

static void take_record(struct pw_audit *audit, const struct pw_ledger_event *event,
                        const struct pw_audit_reader *reader)
{
    struct pw_fold *fold = &audit->folds[event->partition];
    struct pw_record record;
    bool is_first = fold->chain.accepted_count == 0;
    enum pw_verdict verdict = pw_fold_take(fold, event->offset, event->value, event->value_bytes,
                                           &reader->observer, &record);
    audit->record_count++;
    show_progress(audit, false);
    if (verdict == PW_CHAIN_ACCEPTED && is_first) {
        compare_ledgers(audit, fold);
    }
    if (fold->chain.stopped.code != PW_OK) {
        stop_partition(audit, event->partition);
    } else if (verdict == PW_CHAIN_ACCEPTED && reader->record != NULL) {
        reader->record(reader->self, fold, &record);
    } else if (verdict == PW_CHAIN_VOID && reader->void_record != NULL) {
        reader->void_record(reader->self, fold, event->offset);
    }
}

/* The log lacks what it should have: its beginning, or, of a file, what is damaged. */
static void take_lost(struct pw_audit *audit, const struct pw_ledger_event *event)
{
    struct pw_chain *chain = &audit->folds[event->partition].chain;
    bool is_damaged = event->code == PW_ERR_LEDGER_DAMAGED;
    if (chain->accepted_count > 0 || is_damaged) {
        pw_fail(&chain->stopped, PW_ERR_LEDGER_DAMAGED, "%s: partition %u, offset %lld: %s",
                is_damaged ? "damaged-file" : "lost", event->partition, (long long)event->offset,
                event->detail != NULL ? event->detail : "the log has no such offset");
    }
}

static void take_end(struct pw_audit *audit, uint32_t partition)
{
    struct pw_chain *chain = &audit->folds[partition].chain;
    if (chain->accepted_count == 0 && chain->stopped.code == PW_OK) {
        pw_fail(&chain->stopped, PW_ERR_LEDGER_DAMAGED,
                "no-genesis: partition %u has no accepted record at offset 0", partition);
    }
    stop_partition(audit, partition);
}

enum pw_code pw_audit_read(struct pw_audit *audit, uint32_t first, uint32_t last,
                           const struct pw_audit_reader *reader, struct pw_err *err)
{
    uint32_t left = last - first + 1;
    for (uint32_t p = first; p <= last; p++) {
        enum pw_code code = audit->ledger.read_from(audit->ledger.self, p, 0, err);
        if (code != PW_OK) {
            return code;
        }
    }
    while (left > 0) {
        struct pw_ledger_event event;
        audit->ledger.next(audit->ledger.self, SILENCE_MS, &event);
        if (event.kind == PW_LEDGER_NOTHING || event.kind == PW_LEDGER_DOWN) {
            show_progress(audit, true);
            return pw_fail(err, PW_ERR_LEDGER_DOWN, "%s",
                           event.detail != NULL ? event.detail : "the brokers say nothing");
        }
        bool is_ours = event.partition >= first && event.partition <= last;
        if (!is_ours || audit->is_read[event.partition]) {
            continue;
        }
        if (event.kind == PW_LEDGER_RECORD) {
            take_record(audit, &event, reader);
        } else if (event.kind == PW_LEDGER_LOST) {
            take_lost(audit, &event);
            take_end(audit, event.partition);
        } else if (event.kind == PW_LEDGER_END) {
            take_end(audit, event.partition);
        }
        left -= audit->is_read[event.partition] ? 1 : 0;
    }
    show_progress(audit, true);
    return PW_OK;
}

/* --- Findings --- */

/* A triple is kept as 16 bytes of its hash: half the memory, and no two of them will ever meet. */
struct id_key {
    uint8_t bytes[16];
};

struct pw_audit_ids {
    struct pw_map *decided; /* struct id_key -> decided_at_us of the last decision */
};

struct pw_audit_ids *pw_audit_ids_new(void)
{
    struct pw_audit_ids *ids = pw_memory_new(1, sizeof *ids);
    ids->decided = pw_map_new(sizeof(struct id_key), sizeof(int64_t));
    return ids;
}

void pw_audit_ids_free(struct pw_audit_ids *ids)
{
    if (ids != NULL) {
        pw_map_free(ids->decided);
        free(ids);
    }
}

static void take_decision(struct pw_audit_ids *ids, const struct pw_id *boundary_id,
                          const struct pw_id *actor_id, const struct pw_id *command_id,
                          int64_t decided_at_us, int64_t horizon_us,
                          struct pw_audit_findings *findings)
{
    uint8_t triple[48];
    struct id_key key;
    int64_t t_us = 0;
    memcpy(triple, boundary_id->bytes, 16);
    memcpy(triple + 16, actor_id->bytes, 16);
    memcpy(triple + 32, command_id->bytes, 16);
    crypto_generichash(key.bytes, sizeof key.bytes, triple, sizeof triple, NULL, 0);
    const int64_t *before_us = pw_map_get(ids->decided, &key);
    if (pw_id_v7_time(command_id, &t_us)) {
        findings->early_count += decided_at_us < t_us - PW_KEY_AHEAD_MAX_US;
        findings->late_count += decided_at_us - t_us >= horizon_us;
        findings->repeat_count += before_us != NULL;
    } else if (before_us != NULL) {
        findings->repeat_count += decided_at_us - *before_us < horizon_us;
    }
    int64_t *kept_us = pw_map_put(ids->decided, &key, NULL);
    *kept_us = decided_at_us;
}

void pw_audit_ids_take(struct pw_audit_ids *ids, const struct pw_record *record, int64_t horizon_us,
                       struct pw_audit_findings *findings)
{
    for (uint32_t i = 0; i < record->answer_count; i++) {
        const struct pw_answer *answer = &record->answers[i];
        take_decision(ids, &answer->boundary_id, &answer->actor_id, &answer->command_id,
                      answer->decided_at_us, horizon_us, findings);
    }
    if (record->kind == PW_RECORD_COMMIT) {
        const struct pw_commit *commit = &record->commit;
        take_decision(ids, &commit->boundary_id, &commit->actor_id, &commit->command_id,
                      record->decided_at_us, horizon_us, findings);
    }
}
