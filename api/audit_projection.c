/* api/audit_projection.c: `audit verify-projection`: recomputes read models from the ledger, and
 * names the first row in which the tables differ. */
#include <jansson.h>
#include <stdio.h>

#include "api/audit_tables.h"
#include "api/verbs.h"

#define ATTEMPTS_MAX 3 /* A node of the cluster that dies takes the snapshot with it. */

struct verification {
    struct pw_audit audit;
    struct pw_audit_tables tables;
    const struct pw_projection *projections[PW_VERB_PROJECTIONS_MAX];
    uint32_t projection_count;
    int64_t generation; /* PW_GENERATION_SHOWN: the one that queries show, of each. */
    bool as_json;
};

/* --- The report --- */

/* Long ones by their hash: two that differ are told apart. */
static json_t *bytes_json(struct pw_str bytes)
{
    char text[2 * PW_SEALED_BYTES_MAX + 1];
    if (bytes.len <= PW_SEALED_BYTES_MAX) {
        pw_hex_format(bytes.ptr, bytes.len, text);
        return json_string(text);
    }
    struct pw_hash hash = pw_sha256(bytes.ptr, bytes.len, NULL, 0);
    pw_hex_format(hash.bytes, sizeof hash.bytes, text);
    return json_sprintf("%zu bytes of SHA-256 %s", bytes.len, text);
}

static json_t *cell_json(const struct pw_cell *cell)
{
    char text[65];
    if (cell->is_null) {
        return json_null();
    }
    switch (cell->kind) {
    case PW_COLUMN_ID: pw_id_format(&cell->id, text); return json_string(text);
    case PW_COLUMN_HASH: pw_hex_format(cell->hash.bytes, 32, text); return json_string(text);
    case PW_COLUMN_INTEGER: return json_integer(cell->integer);
    case PW_COLUMN_BYTES: return bytes_json(cell->text);
    case PW_COLUMN_TEXT: break;
    }
    return json_stringn_nocheck(cell->text.ptr != NULL ? cell->text.ptr : "", cell->text.len);
}

static json_t *difference_json(const struct pw_difference *difference)
{
    static const char *const kinds[] = {NULL, "missing", "surplus", "differs"};
    json_t *key = json_object();
    struct pw_cell tenant = pw_cell_id(difference->tenant_id);
    json_object_set_new(key, "tenant_id", cell_json(&tenant));
    for (uint32_t i = 0; i < difference->table->key_count; i++) {
        json_object_set_new(key, difference->table->columns[i].name,
                            cell_json(&difference->key[i]));
    }
    json_t *json = json_pack("{s:s, s:s, s:o}", "row", kinds[difference->kind], "table",
                             difference->table->name, "key", key);
    if (difference->kind == PW_DIFFERENCE_COLUMN) {
        json_object_set_new(json, "column", json_string(difference->column));
        json_object_set_new(json, "shown", cell_json(&difference->shown));
        json_object_set_new(json, "expected", cell_json(&difference->expected));
    }
    return json;
}

static bool is_good(const struct pw_audit_tables *tables)
{
    for (uint32_t i = 0; i < tables->model_count; i++) {
        if (tables->models[i].difference.kind != PW_DIFFERENCE_NONE) {
            return false;
        }
    }
    return true;
}

static json_t *positions_json(const struct pw_audit_tables *tables,
                              const struct pw_audited_model *model)
{
    json_t *positions = json_array();
    for (uint32_t p = 0; p < tables->partition_count; p++) {
        json_array_append_new(positions, json_integer(model->positions[p].record_offset));
    }
    return positions;
}

static void print_json(const struct pw_audit_tables *tables)
{
    json_t *models = json_array();
    for (uint32_t i = 0; i < tables->model_count; i++) {
        const struct pw_audited_model *model = &tables->models[i];
        bool same = model->difference.kind == PW_DIFFERENCE_NONE;
        json_array_append_new(
            models,
            json_pack("{s:s, s:I, s:I, s:o, s:o}", "name", model->projection->name, "generation",
                      (json_int_t)model->generation, "rows", (json_int_t)model->row_count,
                      "offsets", positions_json(tables, model), "difference",
                      same ? json_null() : difference_json(&model->difference)));
    }
    json_t *report = json_pack("{s:b, s:o}", "good", is_good(tables), "projections", models);
    json_dumpf(report, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(report);
}

/* A text as JSON writes it, so that no byte of a table can play with a terminal. */
static void print_cell(const char *before, const char *name, const struct pw_cell *cell)
{
    json_t *json = cell_json(cell);
    char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    bool bare = cell->kind != PW_COLUMN_TEXT && text != NULL && text[0] == '"';
    printf("%s%s%.*s", before, name, bare ? (int)strlen(text) - 2 : (int)strlen(text),
           bare ? text + 1 : text);
    free(text);
    json_decref(json);
}

static void print_difference(const struct pw_difference *difference)
{
    struct pw_cell tenant = pw_cell_id(difference->tenant_id);
    printf("  FOUND in %s, row ", difference->table->name);
    print_cell("", "tenant_id ", &tenant);
    for (uint32_t i = 0; i < difference->table->key_count; i++) {
        printf(", %s", difference->table->columns[i].name);
        print_cell(" ", "", &difference->key[i]);
    }
    switch (difference->kind) {
    case PW_DIFFERENCE_MISSING: puts(": the table lacks it"); return;
    case PW_DIFFERENCE_SURPLUS: puts(": the ledger knows no such row"); return;
    case PW_DIFFERENCE_NONE:
    case PW_DIFFERENCE_COLUMN: break;
    }
    printf(": %s", difference->column);
    print_cell(" is ", "", &difference->shown);
    print_cell(", the ledger says ", "", &difference->expected);
    putchar('\n');
}

static void print_text(const struct pw_audit_tables *tables)
{
    for (uint32_t i = 0; i < tables->model_count; i++) {
        const struct pw_audited_model *model = &tables->models[i];
        printf("%s, generation %u: %llu rows\n", model->projection->name, model->generation,
               (unsigned long long)model->row_count);
        if (model->difference.kind != PW_DIFFERENCE_NONE) {
            print_difference(&model->difference);
        }
    }
    puts(is_good(tables) ? "good" : "NOT GOOD");
}

/* --- The run --- */

static void on_event(void *self, const struct pw_record *record, uint32_t index,
                     const struct pw_event *event, const struct pw_tenant *after)
{
    struct verification *verification = self;
    struct pw_audit *audit = &verification->audit;
    struct pw_err err = {0};
    (void)index;
    uint32_t partition = pw_partition_of(&record->commit.boundary_id, audit->partition_count);
    struct pw_chain *chain = &audit->folds[partition].chain;
    enum pw_code code =
        pw_audit_tables_event(&verification->tables, chain, record, event, after, &err);
    if (code != PW_OK && chain->stopped.code == PW_OK) {
        pw_fail(&chain->stopped, code, "partition %u, offset %lld: %s", partition,
                (long long)chain->head_offset, err.detail);
    }
}

static void on_record(void *self, const struct pw_fold *fold, const struct pw_record *record)
{
    struct verification *verification = self;
    (void)record;
    pw_audit_tables_record(&verification->tables, &fold->chain);
}

static enum pw_code read_ledger(struct verification *verification, struct pw_err *err)
{
    struct pw_audit *audit = &verification->audit;
    struct pw_audit_reader reader = {.self = verification,
                                     .observer = {.self = verification, .event = on_event},
                                     .record = on_record};
    enum pw_code code = pw_audit_read(audit, 0, audit->partition_count - 1, &reader, err);
    for (uint32_t p = 0; code == PW_OK && p < audit->partition_count; p++) {
        const struct pw_err *stopped = &audit->folds[p].chain.stopped;
        code = stopped->code == PW_OK ? PW_OK : pw_fail(err, stopped->code, "%s", stopped->detail);
    }
    return code;
}

/* The snapshot first, then the ledger, which holds at least what the tables show. */
static enum pw_code attempt(struct verification *verification, const struct pw_config *config,
                            struct pw_err *err)
{
    enum pw_code code = pw_audit_open(&verification->audit, config, NULL, err);
    if (code != PW_OK) {
        return code;
    }
    code = pw_audit_tables_begin(&verification->tables, config, verification->projections,
                                 verification->projection_count, (uint32_t)verification->generation,
                                 verification->audit.partition_count, err);
    code = code != PW_OK ? code : read_ledger(verification, err);
    code = code != PW_OK ? code : pw_audit_tables_compare(&verification->tables, err);
    pw_audit_close(&verification->audit);
    return code;
}

static int verify(struct verification *verification, const struct pw_config *config)
{
    struct pw_err err = {0};
    enum pw_code code = attempt(verification, config, &err);
    for (int i = 1; i < ATTEMPTS_MAX && code == PW_ERR_READ_MODEL_DOWN; i++) {
        fprintf(stderr, "proctorwise: begins again: %s\n", err.detail);
        pw_audit_tables_end(&verification->tables);
        code = attempt(verification, config, &err);
    }
    int result = is_good(&verification->tables) ? PW_EXIT_GOOD : PW_EXIT_WRONG;
    if (code != PW_OK) {
        result = pw_verb_fail(code, err.detail);
    } else if (verification->as_json) {
        print_json(&verification->tables);
    } else {
        print_text(&verification->tables);
    }
    pw_audit_tables_end(&verification->tables);
    return result;
}

int pw_verb_audit_verify_projection(int argc, char **argv)
{
    struct pw_config config;
    struct verification verification = {.projection_count = 0};
    struct pw_verb_text generation = {0};
    const char *names[PW_VERB_PROJECTIONS_MAX];
    size_t name_count = 0;
    struct pw_flag flags[] = {
        {PW_FLAG_WORDS, NULL, names, &name_count, PW_COUNT(names)},
        PW_FLAG_TEXT("generation", generation),
        PW_FLAG_SWITCH("json", verification.as_json),
    };
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        bool good = pw_verb_number(&generation, UINT32_MAX, &verification.generation) &&
                    pw_verb_projections(names, name_count, verification.projections,
                                        &verification.projection_count);
        result = good ? verify(&verification, &config) : PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}
