/* api/audit_tables.h: the read models' tables, read in one snapshot, against what the ledger says.
 *
 * Contract  pw_audit_tables_begin takes the snapshot and reads where each read model has come in it;
 *           rows that the ledger makes up to there go into pw_audit_tables_event; after the last
 *           one, pw_audit_tables_compare reads the tables, in the same snapshot, tenant by tenant.
 *           Workers may write all the while. The rows are those of one generation, or, with
 *           PW_GENERATION_SHOWN, of the one that queries show, of each read model.
 * Owner     The config and the projections are borrowed. What is told of a difference lives until
 *           the end.
 * Threads   pw_audit_tables_event: one per partition at a time; all else from one.
 * Errors    READ_MODEL_DOWN, also when the snapshot is lost midway: begin again. SETTING_WRONG: the
 *           tables are not there, or are those of another ledger. */
#ifndef PW_API_AUDIT_TABLES_H
#define PW_API_AUDIT_TABLES_H

#include "api/audit.h"
#include "projections/expected.h"
#include "projections/galera.h"
#include "projections/storage.h"

/* One read model. */
struct pw_audited_model {
    const struct pw_projection *projection;
    uint32_t generation;
    struct pw_stored_position *positions; /* One a partition; record_offset -1: nothing read. */
    bool *is_met; /* The record at the stored position was read, and has the stored hash. */
    struct pw_expected *expected;
    uint64_t row_count; /* Rows of its tables that were compared. */
    struct pw_difference difference;
};

struct pw_audit_tables {
    const struct pw_config *config;
    struct pw_galera *galera;
    struct pw_audited_model *models;
    uint32_t model_count;
    uint32_t partition_count;
    bool shows_progress;
};

enum pw_code pw_audit_tables_begin(struct pw_audit_tables *tables, const struct pw_config *config,
                                   const struct pw_projection *const *projections,
                                   uint32_t projection_count, uint32_t generation,
                                   uint32_t partition_count, struct pw_err *err);
void pw_audit_tables_end(struct pw_audit_tables *tables);

enum pw_code pw_audit_tables_event(struct pw_audit_tables *tables, const struct pw_chain *chain,
                                   const struct pw_record *record, const struct pw_event *event,
                                   const struct pw_tenant *after, struct pw_err *err);

/* After each accepted record. */
void pw_audit_tables_record(struct pw_audit_tables *tables, const struct pw_chain *chain);

/* Fills each model's difference: NONE where there is none. */
enum pw_code pw_audit_tables_compare(struct pw_audit_tables *tables, struct pw_err *err);

#endif
