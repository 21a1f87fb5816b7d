/* api/audit_feed.h: one thread reads a ledger and hashes what it reads, another one folds it.
 *
 * Contract  pw_feed_take gives the events of one ledger handle in the order in which next() gave them, records with their hash. It ends
 *           with false once each partition was read to its end or stopped, or the ledger was lost: pw_feed_close says which.
 * Owner     The feed owns the bytes that an event lends; they live until the next take. The ledger is the caller's: nobody else calls it
 *           between open and close.
 * Threads   One takes; the feed has a thread of its own that reads. It is at most four batches ahead. */
#ifndef PW_API_AUDIT_FEED_H
#define PW_API_AUDIT_FEED_H

#include "eventstore/ledger.h"
#include "eventstore/record.h"

struct pw_feed;

struct pw_feed_event {
    enum pw_ledger_event_kind kind; /* RECORD, END or LOST. */
    uint32_t partition;
    int64_t offset;
    const void *value; /* Of a RECORD. */
    size_t value_bytes;
    const struct pw_hash *hash; /* pw_record_hash of it; NULL where it is too short to have one. */
    enum pw_code code;          /* Of LOST. */
    const char *detail;
};

/* Starts to read the partitions from offset 0. LEDGER_DOWN where they cannot be read; INTERNAL without a thread. */
enum pw_code pw_feed_open(struct pw_ledger *ledger, const uint32_t *partitions,
                          uint32_t partition_count, struct pw_feed **ret_feed, struct pw_err *err);

/* False: there is nothing more. */
bool pw_feed_take(struct pw_feed *feed, struct pw_feed_event *ret_event);

/* Nothing more is wanted of a partition. Some of its records may still come. */
void pw_feed_stop(struct pw_feed *feed, uint32_t partition);

/* Once take has said that there is nothing more. LEDGER_DOWN where the ledger was lost before all was read. */
enum pw_code pw_feed_close(struct pw_feed *feed, struct pw_err *err);

#endif
