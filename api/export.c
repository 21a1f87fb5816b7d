/* api/export.c: `audit export`: a ledger as a file ledger (docs/file-ledger.md), every record at its own offset. */
#include <stdio.h>
#include <unistd.h>

#include "api/copy.h"
#include "api/node.h"
#include "api/verbs.h"
#include "eventstore/file.h"

struct exporting {
    struct pw_ledger source;
    struct pw_ledger target;
    struct pw_genesis known; /* Of the partitions so far. */
    struct pw_copy_flight flight;
};

/* A tag says how many bytes its report frees. */
static enum pw_code copy_record(void *self, const struct pw_copy_record *record, struct pw_err *err)
{
    struct exporting *exporting = self;
    const struct pw_ledger_event *event = record->event;
    enum pw_code code =
        pw_file_append_at(&exporting->target, event->partition, event->offset, event->broker_at_us,
                          event->value, event->value_bytes, event->value_bytes, err);
    return code != PW_OK ? code : pw_copy_sent(&exporting->flight, event->value_bytes, err);
}

static enum pw_code copy_end(struct exporting *exporting, uint32_t partition, int64_t target_end,
                             int64_t source_end, struct pw_err *err)
{
    enum pw_code code = pw_copy_settle(&exporting->flight, err);
    if (code == PW_OK && source_end > target_end) {
        code = pw_file_skip_to(&exporting->target, partition, source_end, 0, err);
        code = code != PW_OK ? code : pw_copy_sent(&exporting->flight, 0, err);
        code = code != PW_OK ? code : pw_copy_settle(&exporting->flight, err);
        exporting->flight.done_count -= code == PW_OK; /* It is no record. */
    }
    return code;
}

/* What the copy has is read first: its head must be in the source, and there the copy goes on. */
static enum pw_code copy_partition(struct exporting *exporting, struct pw_chain *chain,
                                   struct pw_err *err)
{
    struct pw_copy_reader checks = {.self = exporting};
    struct pw_copy_reader copies = {.self = exporting, .record = copy_record};
    struct pw_err why = {0};
    int64_t target_end = 0;
    int64_t source_end = 0;
    uint64_t done_before = exporting->flight.done_count;
    enum pw_code code = pw_copy_read(&exporting->target, chain, &checks, &target_end, &why);
    if (code != PW_OK) {
        return pw_fail(err, code, "the copy: %s", why.detail);
    }
    uint64_t there = chain->accepted_count + chain->void_count;
    code = pw_copy_read(&exporting->source, chain, &copies, &source_end, err);
    /* What came before an error is good, and stays. */
    enum pw_code settled =
        copy_end(exporting, chain->partition,
                 target_end > chain->next_offset ? target_end : chain->next_offset,
                 code == PW_OK ? source_end : 0, code == PW_OK ? err : NULL);
    code = code != PW_OK ? code : settled;
    if (code == PW_OK && chain->accepted_count == 0) {
        code = pw_fail(err, PW_ERR_LEDGER_DAMAGED, "no-genesis: partition %u is empty",
                       chain->partition);
    }
    if (code == PW_OK) {
        exporting->known.ledger_id = chain->ledger_id;
        exporting->known.horizon_us = chain->horizon_us;
        printf("partition %u: %llu exported, %llu were there, height %llu\n", chain->partition,
               (unsigned long long)(exporting->flight.done_count - done_before),
               (unsigned long long)there, (unsigned long long)chain->height);
    }
    return code;
}

static enum pw_code copy_all(struct exporting *exporting, uint32_t first, uint32_t last,
                             struct pw_err *err)
{
    struct pw_chain chains[PW_PARTITIONS_MAX];
    enum pw_code code = PW_OK;
    uint32_t begun = first;
    for (uint32_t p = first; code == PW_OK && p <= last; p++) {
        pw_copy_chain_init(&chains[p], p, exporting->source.partition_count, &exporting->known);
        begun = p + 1;
        code = copy_partition(exporting, &chains[p], err);
    }
    for (uint32_t p = first; p < begun; p++) {
        if (code == PW_OK) {
            pw_copy_print_head(&chains[p]);
        }
        pw_chain_close(&chains[p]);
    }
    return code;
}

static int export_to(struct exporting *exporting, const char *dir,
                     const struct pw_verb_text *partition)
{
    struct pw_file_config config = {.dir = dir, .may_lack = true};
    struct pw_err err = {0};
    uint32_t count = exporting->source.partition_count;
    int64_t only = -1;
    bool made;
    if (!pw_verb_number(partition, count - 1, &only)) {
        return PW_EXIT_USAGE;
    }
    uint32_t first = only >= 0 ? (uint32_t)only : 0;
    uint32_t last = only >= 0 ? (uint32_t)only : count - 1;
    enum pw_code code = pw_file_make(dir, count, first, last, &made, &err);
    code = code != PW_OK ? code
                         : pw_file_open(&config, (struct pw_ledger_wake){NULL, NULL},
                                        &exporting->target, &err);
    if (code == PW_OK) {
        exporting->flight = (struct pw_copy_flight){.ledger = &exporting->target,
                                                    .what = "exported",
                                                    .shows_progress = isatty(STDERR_FILENO) != 0};
        code = copy_all(exporting, first, last, &err);
        exporting->target.close(exporting->target.self);
    }
    return code == PW_OK ? PW_EXIT_GOOD : pw_verb_fail(code, err.detail);
}

int pw_verb_audit_export(int argc, char **argv)
{
    struct pw_config config;
    struct exporting exporting = {.flight = {.done_count = 0}};
    struct pw_verb_text to = {0};
    struct pw_verb_text in = {0};
    struct pw_verb_text partition = {0};
    struct pw_flag flags[] = {PW_FLAG_TEXT("to", to), PW_FLAG_TEXT("in", in),
                              PW_FLAG_TEXT("partition", partition)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = PW_EXIT_USAGE;
        struct pw_err err = {0};
        if (pw_verb_needs(&to, "to")) {
            enum pw_code code = pw_node_open_to_read(&config, in.text, &exporting.source, &err);
            if (code == PW_OK) {
                result = export_to(&exporting, to.text, &partition);
                exporting.source.close(exporting.source.self);
            } else {
                result = pw_verb_fail(code, err.detail);
            }
        }
    }
    pw_config_close(&config);
    return result;
}
