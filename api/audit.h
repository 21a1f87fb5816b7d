/* api/audit.h: reading a whole ledger, for the audit verbs: the ledger only, never Galera.
 *
 * Contract  Partitions are read from offset 0 to the high watermark and folded. `record` is told of
 *           every accepted record, after the fold took it; `event` of its events, as
 *           pw_fold_observer has it. A reader may want no more of a partition: nothing is told of
 *           it from there on, and its fold stays as it is.
 * Threads   Partitions are shared out among a few threads, each with another one that reads and
 *           hashes for it: what is told of one partition comes from one thread, in order; what is
 *           told of several may come at the same time. */
#ifndef PW_API_AUDIT_H
#define PW_API_AUDIT_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/config.h"
#include "commands/fold.h"

struct pw_audit_reader {
    void *self;
    struct pw_fold_observer observer;
    /* Whether this record, which the fold has not seen yet, and what comes after it are wanted. NULL: all are. */
    bool (*wants)(void *self, const struct pw_fold *fold, int64_t offset, const void *value,
                  size_t value_bytes);
    /* NULL: not told. */
    void (*record)(void *self, const struct pw_fold *fold, const struct pw_record *record);
    void (*void_record)(void *self, const struct pw_fold *fold, int64_t offset);
};

#define PW_AUDIT_THREADS_MAX 4

struct pw_audit {
    const struct pw_config *config;
    const char *dir;
    struct pw_ledger ledgers[PW_AUDIT_THREADS_MAX]; /* A handle a thread. */
    uint32_t thread_count;
    uint32_t partition_count;
    struct pw_fold *folds;      /* One a partition. */
    bool *unwanted;             /* By partition: its reader wanted no more. */
    atomic_ullong record_count; /* Read so far, for progress. */
    bool shows_progress;

    pthread_mutex_t lock; /* Guards what follows: which ledger this is, by the first genesis. */
    bool is_known;
    uint32_t known_by;
    struct pw_id ledger_id;
    int64_t horizon_us;
};

/* The ledger of the settings, or, where dir is not NULL, the file ledger there: an export, a backup. LEDGER_DOWN where it cannot
 * be reached. */
enum pw_code pw_audit_open(struct pw_audit *audit, const struct pw_config *config, const char *dir,
                           struct pw_err *err);
void pw_audit_close(struct pw_audit *audit);

/* Reads the partitions from first to last, all at once. A partition that stops (its fold says why)
 * does not end the others. LEDGER_DOWN when the ledger is lost meanwhile. */
enum pw_code pw_audit_read(struct pw_audit *audit, uint32_t first, uint32_t last,
                           const struct pw_audit_reader *reader, struct pw_err *err);

/* --- Findings about command ids (docs/ledger.md, section 8) --- */
struct pw_audit_findings {
    uint64_t early_count;
    uint64_t late_count;
    uint64_t repeat_count;
};

struct pw_audit_ids;
struct pw_audit_ids *pw_audit_ids_new(void);
void pw_audit_ids_free(struct pw_audit_ids *ids);

/* Takes the decisions of an accepted record, in order; adds what it finds. */
void pw_audit_ids_take(struct pw_audit_ids *ids, const struct pw_record *record, int64_t horizon_us,
                       struct pw_audit_findings *findings);
void pw_audit_ids_finish(struct pw_audit_ids *ids,
                         struct pw_audit_findings *findings); /* After the last. */

#endif
