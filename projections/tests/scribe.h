/* projections/tests/scribe.h: writes a ledger as an engine would, without one: each record on the
 * head, decided by the deciders, with answers, leaders and void records between.
 *
 * Contract  Out of one seed, always the same ledger. The scribe keeps its own fold, so that tests can
 *           compare what workers made of the ledger with what evolve makes of it. Failures end the
 *           test program.
 * Threads   One owner; the log it writes to may be read by others meanwhile. */
#ifndef PW_PROJECTIONS_TESTS_SCRIBE_H
#define PW_PROJECTIONS_TESTS_SCRIBE_H

#include "commands/fold.h"
#include "eventstore/sim.h"
#include "projections/batch.h"

#define SCRIBE_PARTITIONS 3
#define SCRIBE_TENANTS    4
#define SCRIBE_IDS_MAX    4096

struct scribe_ids {
    struct pw_id ids[SCRIBE_IDS_MAX];
    uint32_t count;
};

/* Every event about people, in order: their rows are more than state tells. Texts of these events are views of constants. */
struct scribe_people {
    struct pw_event events[SCRIBE_IDS_MAX];
    uint32_t count;
};

struct scribe {
    struct pw_sim_log *log; /* NULL: `put` takes the records. */
    void (*put)(void *self, uint32_t partition, const void *value, size_t value_bytes);
    void *put_self;
    uint64_t random;
    struct pw_id ledger_id;
    int64_t now_us;
    int64_t next_offset[SCRIBE_PARTITIONS];
    struct pw_fold folds[SCRIBE_PARTITIONS];
    struct pw_buffer buffer;
    struct pw_id tenants[SCRIBE_TENANTS];
    struct scribe_ids exams[SCRIBE_TENANTS];
    struct scribe_ids slots[SCRIBE_TENANTS];
    struct scribe_ids reservations[SCRIBE_TENANTS];
    struct scribe_ids users[SCRIBE_TENANTS];
    struct scribe_ids sessions[SCRIBE_TENANTS];
    struct scribe_ids accommodations[SCRIBE_TENANTS];
    struct scribe_ids items[SCRIBE_TENANTS];
    uint8_t list[32]; /* Of the command that is drawn. */
    struct scribe_people people[SCRIBE_TENANTS];
    struct pw_batch *told; /* Rows that only the state at their event tells. */
    uint64_t commit_count;
};

void must(bool condition, const char *what);
#define MUST(condition) must((condition), #condition)

/* Creates the ledger in an empty log of SCRIBE_PARTITIONS. */
struct scribe *scribe_new(struct pw_sim_log *log, uint64_t seed);
void scribe_free(struct scribe *scribe);

/* Writes this many records: mostly commands on random tenants. */
void scribe_write(struct scribe *scribe, uint32_t record_count);

/* One record of a kind. */
void scribe_command(struct scribe *scribe);
void scribe_leader(struct scribe *scribe, uint32_t partition);
void scribe_junk(struct scribe *scribe, uint32_t partition);

/* Appends a value as it is, folding it too. */
void scribe_put(struct scribe *scribe, uint32_t partition, const void *value, size_t value_bytes);

/* Calls `row` with each row that a read model must have by now. */
void scribe_expect(const struct scribe *scribe, const struct pw_projection *projection,
                   void (*row)(void *self, const struct pw_id *tenant_id, const struct pw_row *row),
                   void *self);

#endif
