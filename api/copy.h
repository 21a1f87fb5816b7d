/* api/copy.h: what `audit export` and `admin import` share: a partition read through its chain, appends in flight, and progress.
 *
 * Contract  Records are judged by the chain alone (docs/ledger.md, section 4 to 7): a copy needs no event by name.
 * Threads   One.
 * Errors    LEDGER_DAMAGED: the chain stopped, or the log lacks what it should have. LEDGER_DIVERGED: the head that a read goes on
 *           from is not there. LEDGER_DOWN. */
#ifndef PW_API_COPY_H
#define PW_API_COPY_H

#include "eventstore/chain.h"
#include "eventstore/ledger.h"

struct pw_copy_record {
    const struct pw_ledger_event *event;
    const struct pw_record *record; /* NULL: void. */
    const struct pw_chain *chain;   /* Which stands on the record. */
};

struct pw_copy_reader {
    void *self;
    /* Told of each record, void ones too; what is not PW_OK ends the read. NULL: not told. */
    enum pw_code (*record)(void *self, const struct pw_copy_record *record, struct pw_err *err);
};

/* Reads chain->partition up to the log's end. A chain that has begun goes on: its head is compared first, and only records from
 * chain->next_offset on are told. *ret_end: the log's next offset. */
enum pw_code pw_copy_read(const struct pw_ledger *ledger, struct pw_chain *chain,
                          const struct pw_copy_reader *reader, int64_t *ret_end,
                          struct pw_err *err);

/* What was learnt of the ledger in another partition, to be held against. */
void pw_copy_chain_init(struct pw_chain *chain, uint32_t partition, uint32_t partition_count,
                        const struct pw_genesis *known);

/* Appends that wait for their reports, and the count of what was appended so far, shown on a terminal. */
struct pw_copy_flight {
    const struct pw_ledger *ledger;
    const char *what; /* `exported` */
    uint32_t waiting_count;
    size_t waiting_bytes;
    uint64_t done_count;
    bool shows_progress;
};
/* One append of so many bytes was taken; waits while too many are under way. */
enum pw_code pw_copy_sent(struct pw_copy_flight *flight, size_t bytes, struct pw_err *err);
/* Waits for all. */
enum pw_code pw_copy_settle(struct pw_copy_flight *flight, struct pw_err *err);

/* The line that `audit verify --expect` reads. */
void pw_copy_print_head(const struct pw_chain *chain);

#endif
