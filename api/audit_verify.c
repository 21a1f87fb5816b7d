/* api/audit_verify.c: `audit verify`: proves the chain, folds the state, prints the heads. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/audit.h"
#include "api/verbs.h"
#include "commands/memory.h"

#define EXPECTED_MAX       65536
#define EXPECTED_BYTES_MAX (16 * 1024 * 1024)

/* A kept head: docs/ledger.md, section 10. */
struct kept_head {
    struct pw_id ledger_id;
    uint32_t partition;
    int64_t offset;
    uint64_t height;
    struct pw_hash hash;
    bool found;
};

struct verification {
    struct pw_audit audit;
    struct pw_audit_ids **ids;          /* One a partition. */
    struct pw_audit_findings *findings; /* The same. */
    struct kept_head *expected;
    size_t expected_count;
    uint32_t first; /* Partitions that are read, */
    uint32_t last;  /* this one included. */
};

static void on_accepted(void *self, const struct pw_chain *chain, const struct pw_record *record)
{
    struct verification *verification = self;
    uint32_t p = chain->partition;
    pw_audit_ids_take(verification->ids[p], record, chain->horizon_us, &verification->findings[p]);
    for (size_t i = 0; i < verification->expected_count; i++) {
        struct kept_head *head = &verification->expected[i];
        if (head->partition == p && head->offset == chain->head_offset &&
            head->height == chain->height && pw_hash_equal(&head->hash, &chain->head) &&
            pw_id_equal(&head->ledger_id, &chain->ledger_id)) {
            head->found = true;
        }
    }
}

/* --- Heads kept elsewhere: lines `head <ledger id> <partition> <offset> <height> <hash>` --- */

static bool parse_head(const char *line, struct kept_head *ret_head)
{
    char id[64];
    char hash[80];
    long long offset = -1;
    unsigned long long height = 0;
    if (sscanf(line, "head %63s %u %lld %llu %79s", id, &ret_head->partition, &offset, &height,
               hash) != 5) {
        return false;
    }
    ret_head->offset = offset;
    ret_head->height = height;
    ret_head->found = false;
    return pw_id_parse(pw_str_of(id), &ret_head->ledger_id) && strlen(hash) == 64 &&
           pw_hex_parse(pw_str_of(hash), ret_head->hash.bytes, sizeof ret_head->hash.bytes);
}

static bool parse_json_head(const json_t *item, const char *ledger_id, struct kept_head *ret_head)
{
    char line[256];
    snprintf(line, sizeof line, "head %s %lld %lld %lld %s", ledger_id,
             (long long)json_integer_value(json_object_get(item, "partition")),
             (long long)json_integer_value(json_object_get(item, "head_offset")),
             (long long)json_integer_value(json_object_get(item, "height")),
             json_string_value(json_object_get(item, "head")));
    return parse_head(line, ret_head);
}

static bool take_json(struct verification *verification, const char *text, size_t bytes)
{
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    const char *ledger_id = json_string_value(json_object_get(json, "ledger_id"));
    const json_t *partitions = json_object_get(json, "partitions");
    bool good = ledger_id != NULL && json_array_size(partitions) > 0 &&
                json_array_size(partitions) <= EXPECTED_MAX;
    for (size_t i = 0; good && i < json_array_size(partitions); i++) {
        const json_t *item = json_array_get(partitions, i);
        good = json_is_string(json_object_get(item, "head")) &&
               parse_json_head(item, ledger_id,
                               &verification->expected[verification->expected_count++]);
    }
    json_decref(json);
    return good;
}

static bool take_lines(struct verification *verification, char *text)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "head ", 5) != 0) {
            continue;
        }
        if (verification->expected_count == EXPECTED_MAX ||
            !parse_head(line, &verification->expected[verification->expected_count++])) {
            return false;
        }
    }
    return verification->expected_count > 0;
}

static enum pw_code load_expected(struct verification *verification, const char *path,
                                  struct pw_err *err)
{
    char *text = NULL;
    size_t bytes = 0;
    if (path == NULL) {
        return PW_OK;
    }
    if (pw_file_read(path, EXPECTED_BYTES_MAX, &text, &bytes, err) != PW_OK) {
        return PW_ERR_USAGE;
    }
    verification->expected = pw_memory_new(EXPECTED_MAX, sizeof *verification->expected);
    bool good =
        text[0] == '{' ? take_json(verification, text, bytes) : take_lines(verification, text);
    pw_secret_free(text, bytes);
    return good ? PW_OK
                : pw_fail(err, PW_ERR_USAGE, "%s holds no heads as audit verify prints them", path);
}

/* --- The report --- */

static uint64_t finding_count(const struct pw_audit_findings *findings)
{
    return findings->early_count + findings->late_count + findings->repeat_count;
}

/* Heads of partitions that are not read are neither there nor missing. */
static bool is_missing(const struct verification *verification, const struct kept_head *head)
{
    bool is_read = head->partition >= verification->first && head->partition <= verification->last;
    bool is_there = head->partition < verification->audit.partition_count;
    return !head->found && (is_read || !is_there);
}

static bool is_good(const struct verification *verification)
{
    for (uint32_t p = verification->first; p <= verification->last; p++) {
        if (verification->audit.folds[p].chain.stopped.code != PW_OK ||
            finding_count(&verification->findings[p]) > 0) {
            return false;
        }
    }
    for (size_t i = 0; i < verification->expected_count; i++) {
        if (is_missing(verification, &verification->expected[i])) {
            return false;
        }
    }
    return true;
}

static void print_partition(const struct verification *verification, uint32_t p)
{
    const struct pw_chain *chain = &verification->audit.folds[p].chain;
    const struct pw_audit_findings *findings = &verification->findings[p];
    printf("partition %u: %llu accepted, %llu void, height %llu\n", p,
           (unsigned long long)chain->accepted_count, (unsigned long long)chain->void_count,
           (unsigned long long)chain->height);
    if (chain->stopped.code != PW_OK) {
        printf("  STOPPED %s\n", chain->stopped.detail);
    }
    if (finding_count(findings) > 0) {
        printf("  FOUND decisions that are early: %llu, late: %llu, repeated: %llu\n",
               (unsigned long long)findings->early_count, (unsigned long long)findings->late_count,
               (unsigned long long)findings->repeat_count);
    }
}

static void print_text(const struct verification *verification)
{
    char id[PW_ID_TEXT_BYTES + 1];
    char hash[65];
    for (uint32_t p = verification->first; p <= verification->last; p++) {
        print_partition(verification, p);
    }
    for (uint32_t p = verification->first; p <= verification->last; p++) {
        const struct pw_chain *chain = &verification->audit.folds[p].chain;
        if (chain->accepted_count > 0) {
            pw_id_format(&chain->ledger_id, id);
            pw_hex_format(chain->head.bytes, 32, hash);
            printf("head %s %u %lld %llu %s\n", id, p, (long long)chain->head_offset,
                   (unsigned long long)chain->height, hash);
        }
    }
    for (size_t i = 0; i < verification->expected_count; i++) {
        const struct kept_head *head = &verification->expected[i];
        if (is_missing(verification, head)) {
            printf("MISSING partition %u, offset %lld: the ledger does not contain the kept head\n",
                   head->partition, (long long)head->offset);
        }
    }
    puts(is_good(verification) ? "good" : "NOT GOOD");
}

static json_t *partition_json(const struct verification *verification, uint32_t p)
{
    const struct pw_chain *chain = &verification->audit.folds[p].chain;
    const struct pw_audit_findings *findings = &verification->findings[p];
    char hash[65];
    pw_hex_format(chain->head.bytes, 32, hash);
    json_t *item = json_pack(
        "{s:i, s:I, s:I, s:I, s:I, s:s, s:{s:I, s:I, s:I}}", "partition", (int)p, "accepted",
        (json_int_t)chain->accepted_count, "void", (json_int_t)chain->void_count, "height",
        (json_int_t)chain->height, "head_offset", (json_int_t)chain->head_offset, "head", hash,
        "findings", "early", (json_int_t)findings->early_count, "late",
        (json_int_t)findings->late_count, "repeat", (json_int_t)findings->repeat_count);
    if (chain->stopped.code != PW_OK) {
        json_object_set_new(item, "stopped", json_string(chain->stopped.detail));
    }
    return item;
}

static void print_json(const struct verification *verification)
{
    json_t *partitions = json_array();
    json_t *missing = json_array();
    json_t *ledger_id = json_null();
    for (uint32_t p = verification->first; p <= verification->last; p++) {
        const struct pw_chain *chain = &verification->audit.folds[p].chain;
        json_array_append_new(partitions, partition_json(verification, p));
        if (json_is_null(ledger_id) && chain->accepted_count > 0) {
            char id[PW_ID_TEXT_BYTES + 1];
            pw_id_format(&chain->ledger_id, id);
            ledger_id = json_string(id);
        }
    }
    for (size_t i = 0; i < verification->expected_count; i++) {
        const struct kept_head *head = &verification->expected[i];
        if (is_missing(verification, head)) {
            json_array_append_new(missing,
                                  json_pack("{s:i, s:I}", "partition", (int)head->partition,
                                            "offset", (json_int_t)head->offset));
        }
    }
    json_t *report = json_pack("{s:b, s:o, s:o, s:o}", "good", is_good(verification), "ledger_id",
                               ledger_id, "partitions", partitions, "missing", missing);
    json_dumpf(report, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(report);
}

static int read_and_report(struct verification *verification, bool as_json)
{
    struct pw_err err = {0};
    uint32_t count = verification->audit.partition_count;
    verification->ids = pw_memory_new(count, sizeof *verification->ids);
    verification->findings = pw_memory_new(count, sizeof *verification->findings);
    for (uint32_t p = 0; p < count; p++) {
        verification->ids[p] = pw_audit_ids_new();
    }
    struct pw_audit_reader reader = {.observer = {.self = verification, .accepted = on_accepted}};
    enum pw_code code =
        pw_audit_read(&verification->audit, verification->first, verification->last, &reader, &err);
    for (uint32_t p = 0; p < count; p++) {
        pw_audit_ids_finish(verification->ids[p], &verification->findings[p]);
    }
    int result = is_good(verification) ? PW_EXIT_GOOD : PW_EXIT_WRONG;
    if (code != PW_OK) {
        result = pw_verb_fail(code, err.detail);
    } else if (as_json) {
        print_json(verification);
    } else {
        print_text(verification);
    }
    for (uint32_t p = 0; p < count; p++) {
        pw_audit_ids_free(verification->ids[p]);
    }
    free(verification->ids);
    free(verification->findings);
    return result;
}

static int verify(const struct pw_config *config, struct verification *verification,
                  const char *dir, const struct pw_verb_text *partition, bool as_json)
{
    struct pw_err err = {0};
    int64_t only = -1;
    enum pw_code code = pw_audit_open(&verification->audit, config, dir, &err);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    uint32_t count = verification->audit.partition_count;
    if (!pw_verb_number(partition, count - 1, &only)) {
        return PW_EXIT_USAGE;
    }
    verification->first = only >= 0 ? (uint32_t)only : 0;
    verification->last = only >= 0 ? (uint32_t)only : count - 1;
    return read_and_report(verification, as_json);
}

int pw_verb_audit_verify(int argc, char **argv)
{
    struct pw_config config;
    struct verification verification = {.expected_count = 0};
    struct pw_verb_text expect = {0};
    struct pw_verb_text in = {0};
    struct pw_verb_text partition = {0};
    struct pw_err err = {0};
    bool as_json = false;
    struct pw_flag flags[] = {
        PW_FLAG_TEXT("expect", expect),
        PW_FLAG_TEXT("in", in),
        PW_FLAG_TEXT("partition", partition),
        PW_FLAG_SWITCH("json", as_json),
    };
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        enum pw_code code = load_expected(&verification, expect.text, &err);
        result = code == PW_OK ? verify(&config, &verification, in.text, &partition, as_json)
                               : pw_verb_fail(code, err.detail);
        if (code == PW_OK) {
            pw_audit_close(&verification.audit);
        }
    }
    free(verification.expected);
    pw_config_close(&config);
    return result;
}
