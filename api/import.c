/* api/import.c: `admin import`: the accepted records of a file ledger into a new ledger, with the same hashes and heights. Void
 * records stay behind, so offsets may change. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/copy.h"
#include "api/node.h"
#include "api/verbs.h"
#include "commands/memory.h"

struct importing {
    const struct pw_config *config;
    struct pw_ledger source;
    struct pw_ledger target;
    struct pw_genesis genesis;
    struct pw_chain *sources; /* One a partition, read to its end. */
    struct pw_chain *targets;
    struct pw_copy_flight flight;
};

static uint32_t partition_count(const struct importing *importing)
{
    return importing->genesis.partition_count;
}

static void chains_init(const struct importing *importing, struct pw_chain *chains)
{
    for (uint32_t p = 0; p < partition_count(importing); p++) {
        pw_copy_chain_init(&chains[p], p, partition_count(importing), &importing->genesis);
    }
}

static void chains_free(const struct importing *importing, struct pw_chain *chains)
{
    for (uint32_t p = 0; chains != NULL && p < partition_count(importing); p++) {
        pw_chain_close(&chains[p]);
    }
    free(chains);
}

/* --- What is there --- */

static enum pw_code read_chains(struct importing *importing, const struct pw_ledger *ledger,
                                struct pw_chain *chains, const struct pw_copy_reader *reader,
                                struct pw_err *err)
{
    enum pw_code code = PW_OK;
    int64_t end;
    chains_init(importing, chains);
    for (uint32_t p = 0; code == PW_OK && p < partition_count(importing); p++) {
        code = pw_copy_read(ledger, &chains[p], reader, &end, err);
    }
    return code;
}

static enum pw_code not_new(uint32_t partition, struct pw_err *err)
{
    return pw_fail(err, PW_ERR_LEDGER_DIVERGED,
                   "partition %u of the ledger that it should go to has other records already",
                   partition);
}

/* A ledger that holds anything else than a beginning of this one is left alone: an import that was interrupted goes on. */
static enum pw_code compare_record(void *self, const struct pw_copy_record *record,
                                   struct pw_err *err)
{
    struct importing *importing = self;
    const struct pw_chain *source = record->chain;
    const struct pw_chain *target = &importing->targets[source->partition];
    bool stands_there =
        record->record != NULL && target->accepted_count > 0 && source->height == target->height;
    if (stands_there && !pw_hash_equal(&source->head, &target->head)) {
        return not_new(source->partition, err);
    }
    return PW_OK;
}

static enum pw_code compare(struct importing *importing, struct pw_err *err)
{
    struct pw_copy_reader nothing = {.self = importing};
    struct pw_copy_reader compares = {.self = importing, .record = compare_record};
    importing->targets = pw_memory_new(partition_count(importing), sizeof *importing->targets);
    importing->sources = pw_memory_new(partition_count(importing), sizeof *importing->sources);
    enum pw_code code =
        read_chains(importing, &importing->target, importing->targets, &nothing, err);
    code = code != PW_OK
               ? code
               : read_chains(importing, &importing->source, importing->sources, &compares, err);
    for (uint32_t p = 0; code == PW_OK && p < partition_count(importing); p++) {
        if (importing->sources[p].accepted_count == 0) {
            code = pw_fail(err, PW_ERR_LEDGER_DAMAGED, "no-genesis: partition %u is empty", p);
        } else if (importing->targets[p].accepted_count > importing->sources[p].accepted_count) {
            code = not_new(p, err);
        }
    }
    return code;
}

/* Before anything is made: whatever is there is this ledger, or nothing. */
static enum pw_code look_at_target(struct importing *importing, struct pw_err *err)
{
    struct pw_ledger ledger;
    struct pw_genesis genesis;
    struct pw_err why = {0};
    bool complete;
    enum pw_code code = pw_node_open_to_read(importing->config, NULL, &ledger, &why);
    if (code == PW_ERR_SETTING_WRONG) {
        return PW_OK; /* There is none; should anything else be wrong, creating it says so. */
    }
    code = code != PW_OK ? pw_fail(err, code, "%s", why.detail)
                         : pw_genesis_find(&ledger, &genesis, &complete, err);
    if (why.code == PW_OK) {
        ledger.close(ledger.self);
    }
    if (code == PW_OK && !pw_id_is_nil(&genesis.ledger_id) &&
        (!pw_id_equal(&genesis.ledger_id, &importing->genesis.ledger_id) ||
         genesis.horizon_us != importing->genesis.horizon_us)) {
        code = pw_fail(err, PW_ERR_LEDGER_DIVERGED,
                       "the ledger that it should go to is another one already");
    }
    return code;
}

static enum pw_code create_target(struct importing *importing, struct pw_err *err)
{
    const struct pw_ledger_plan plan = {
        .partition_count = partition_count(importing),
        .replication_factor =
            pw_config_count(importing->config, PW_CONFIG_LEDGER_REPLICATION_FACTOR),
        .horizon_us = importing->genesis.horizon_us,
        .ledger_id = importing->genesis.ledger_id,
    };
    bool created;
    struct pw_id ledger_id;
    return pw_node_create_ledger(importing->config, &plan, &created, &ledger_id, err);
}

/* --- Writing --- */

/* A tag says how many bytes its report frees. */
static enum pw_code import_record(void *self, const struct pw_copy_record *record,
                                  struct pw_err *err)
{
    struct importing *importing = self;
    const struct pw_ledger_event *event = record->event;
    char key[PW_ID_TEXT_BYTES + 1] = "";
    if (record->record == NULL ||
        record->chain->height <= importing->targets[event->partition].height) {
        return PW_OK; /* The genesis, at least, stands there. */
    }
    if (record->record->kind == PW_RECORD_COMMIT) {
        const struct pw_id *boundary_id = &record->record->commit.boundary_id;
        if (!pw_id_is_nil(boundary_id)) {
            pw_id_format(boundary_id, key);
        }
    }
    const struct pw_ledger *target = &importing->target;
    enum pw_code code = target->append(target->self, event->partition, pw_str_of(key), event->value,
                                       event->value_bytes, event->value_bytes, err);
    return code != PW_OK ? code : pw_copy_sent(&importing->flight, event->value_bytes, err);
}

static enum pw_code write_all(struct importing *importing, struct pw_err *err)
{
    struct pw_copy_reader writes = {.self = importing, .record = import_record};
    struct pw_err why = {0};
    importing->flight = (struct pw_copy_flight){.ledger = &importing->target,
                                                .what = "imported",
                                                .shows_progress = isatty(STDERR_FILENO) != 0};
    chains_free(importing, importing->sources);
    importing->sources = pw_memory_new(partition_count(importing), sizeof *importing->sources);
    enum pw_code code =
        read_chains(importing, &importing->source, importing->sources, &writes, err);
    enum pw_code settled = pw_copy_settle(&importing->flight, &why);
    return code == PW_OK && settled != PW_OK ? pw_fail(err, settled, "%s", why.detail) : code;
}

/* Reads it all back: the heads must be those of the source. */
static enum pw_code prove(struct importing *importing, struct pw_err *err)
{
    struct pw_copy_reader nothing = {.self = importing};
    chains_free(importing, importing->targets);
    importing->targets = pw_memory_new(partition_count(importing), sizeof *importing->targets);
    enum pw_code code =
        read_chains(importing, &importing->target, importing->targets, &nothing, err);
    for (uint32_t p = 0; code == PW_OK && p < partition_count(importing); p++) {
        const struct pw_chain *source = &importing->sources[p];
        const struct pw_chain *target = &importing->targets[p];
        if (source->height != target->height || !pw_hash_equal(&source->head, &target->head)) {
            code =
                pw_fail(err, PW_ERR_LEDGER_DIVERGED,
                        "partition %u: another writer came between; the copy is not the source", p);
        }
    }
    return code;
}

/* --- The verb --- */

static bool is_agreed(const struct importing *importing, const char *dir)
{
    char id[PW_ID_TEXT_BYTES + 1];
    char answer[16] = "";
    bool is_file = strcmp(pw_config_text(importing->config, PW_CONFIG_LEDGER_KIND), "file") == 0;
    if (isatty(STDIN_FILENO) == 0) {
        fputs("proctorwise: --yes is needed where nobody can be asked\n", stderr);
        return false;
    }
    pw_id_format(&importing->genesis.ledger_id, id);
    fprintf(
        stderr, "Write ledger %s of %s into %s %s? yes or no: ", id, dir,
        is_file ? "the directory" : "the Kafka topic",
        pw_config_text(importing->config, is_file ? PW_CONFIG_LEDGER_DIR : PW_CONFIG_LEDGER_TOPIC));
    return fgets(answer, sizeof answer, stdin) != NULL && strcmp(answer, "yes\n") == 0;
}

static enum pw_code import_all(struct importing *importing, struct pw_err *err)
{
    struct pw_ledger_wake no_wake = {NULL, NULL};
    enum pw_code code = create_target(importing, err);
    code = code != PW_OK
               ? code
               : pw_node_open_ledger(importing->config, false, no_wake, &importing->target, err);
    if (code != PW_OK) {
        return code;
    }
    code = compare(importing, err);
    code = code != PW_OK ? code : write_all(importing, err);
    code = code != PW_OK ? code : prove(importing, err);
    for (uint32_t p = 0; code == PW_OK && p < partition_count(importing); p++) {
        pw_copy_print_head(&importing->targets[p]);
    }
    importing->target.close(importing->target.self);
    if (code == PW_OK) {
        fprintf(stderr, "%llu records imported\n",
                (unsigned long long)importing->flight.done_count);
    }
    return code;
}

static int import_from(struct importing *importing, const char *dir, bool yes)
{
    struct pw_err err = {0};
    bool complete = false;
    enum pw_code code = pw_node_open_to_read(importing->config, dir, &importing->source, &err);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    code = pw_genesis_find(&importing->source, &importing->genesis, &complete, &err);
    if (code == PW_OK && !complete) {
        code = pw_fail(&err, PW_ERR_LEDGER_DAMAGED, "%s: not every partition has its genesis", dir);
    }
    code = code != PW_OK ? code : look_at_target(importing, &err);
    int result = PW_EXIT_USAGE;
    if (code != PW_OK) {
        result = pw_verb_fail(code, err.detail);
    } else if (yes || is_agreed(importing, dir)) {
        code = import_all(importing, &err);
        result = code == PW_OK ? PW_EXIT_GOOD : pw_verb_fail(code, err.detail);
    }
    chains_free(importing, importing->sources);
    chains_free(importing, importing->targets);
    importing->source.close(importing->source.self);
    return result;
}

int pw_verb_admin_import(int argc, char **argv)
{
    struct pw_config config;
    struct importing importing = {.config = &config};
    struct pw_verb_text from = {0};
    bool yes = false;
    struct pw_flag flags[] = {PW_FLAG_TEXT("from", from), PW_FLAG_SWITCH("yes", yes)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result =
            pw_verb_needs(&from, "from") ? import_from(&importing, from.text, yes) : PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}
