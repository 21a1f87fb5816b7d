/* eventstore/ledger.h: the port to the log. Three adapters stand behind it, eventstore/kafka.h,
 * eventstore/file.h and eventstore/sim.h, and one conformance suite (eventstore/tests/conformance.c)
 * says what all must do.
 *
 * Contract  The log of a partition only grows. An append is asked for here and reported later by
 *           next(): DELIVERED with the offset that the log claims (which may be wrong, negative or
 *           unknown: -1), or FAILED, after which it may still land. Reports come in any order.
 *           Readers see every record, of strangers and of open or aborted transactions too, in
 *           offset order.
 * Owner     append copies the value. What next() gives lives until the next call of next().
 * Threads   One handle per thread; handles share nothing. `wake` may be called by the adapter from
 *           any thread, whenever next() may have something to give.
 * Units     Offsets count records of a partition from 0. broker_at_us: LogAppendTime in
 *           microseconds.
 * Errors    LEDGER_DOWN: try later. SETTING_WRONG: the detail names the setting, its value and
 *           what it must be. */
#ifndef PW_EVENTSTORE_LEDGER_H
#define PW_EVENTSTORE_LEDGER_H

#include "schemas/errors.h"

enum pw_ledger_event_kind {
    PW_LEDGER_NOTHING,   /* Nothing came within the time. */
    PW_LEDGER_DELIVERED, /* partition, tag, offset (-1: not known), broker_at_us (-1: not known). */
    PW_LEDGER_FAILED,    /* partition, tag, code: the append may or may not have landed.
                            COMMAND_TOO_LARGE: it never will. */
    PW_LEDGER_RECORD, /* partition, offset, value, value_bytes, broker_at_us: of the reader. value
                         is NULL for a tombstone. */
    PW_LEDGER_END,    /* partition, offset: the reader has given everything before this offset, the
                         high watermark. */
    PW_LEDGER_LOST,   /* partition, offset: the log has no such offset (shorter, or its start was
                         deleted). Reading stopped. code LEDGER_DAMAGED: what should be there is
                         damaged, as detail says. */
    PW_LEDGER_DOWN    /* All of the log is out of reach; told once until it is back. Reads go on by
                         themselves later. */
};

struct pw_ledger_event {
    enum pw_ledger_event_kind kind;
    uint32_t partition;
    int64_t offset;
    uint64_t tag;
    int64_t broker_at_us;
    const uint8_t *value;
    size_t value_bytes;
    enum pw_code code;
    const char *detail; /* Of FAILED, LOST and DOWN: for the log, NULL where there is none. */
};

struct pw_ledger {
    void *self;
    uint32_t partition_count;

    /* Checks what the ledger rests on: topic settings, partition count, replication, versions.
     * Blocks up to some seconds. */
    enum pw_code (*check)(void *self, struct pw_err *err);

    /* Appends a value; key_text is the boundary's UUID (36 bytes) or empty. LEDGER_DOWN, or
     * COMMAND_TOO_LARGE for one that no ledger takes, when it was not taken: nothing will be
     * reported. Values of up to PW_RECORD_BYTES_MAX are never too large. */
    enum pw_code (*append)(void *self, uint32_t partition, struct pw_str key_text,
                           const void *value, size_t value_bytes, uint64_t tag, struct pw_err *err);

    /* Sends what was appended since the last flush, as few requests as it takes. An append may wait
     * for this, or for the next next(). */
    void (*flush)(void *self);

    /* Reads the partition from this offset on, for ever, until read_stop or another read_from of
     * it. No event of an earlier read comes after either call. END is given each time the reader
     * has caught up: at once where there is nothing to read, and it tells a high watermark that was
     * asked for after read_from. */
    enum pw_code (*read_from)(void *self, uint32_t partition, int64_t offset, struct pw_err *err);
    void (*read_stop)(void *self, uint32_t partition);

    /* The caller knows that the log had a record at this offset. An end that contradicts it is doubted
     * as one that contradicts what this handle has read itself: after a fail-over of the log's own a
     * high watermark may lag for a moment. */
    void (*saw)(void *self, uint32_t partition, int64_t offset);

    /* Roughly how much there is to read of a partition, in a unit of the adapter's own, for who shares
     * partitions out; 0 where that is not known. May wait a second. */
    uint64_t (*size)(void *self, uint32_t partition);

    /* The next event, waiting up to timeout_ms for one (0: only what is there). */
    void (*next)(void *self, int timeout_ms, struct pw_ledger_event *ret_event);

    /* Gives up all appends that were not reported yet, without a report, and makes a new producer:
     * after a fatal error, and when a leader steps down. They may still land. */
    enum pw_code (*renew)(void *self, struct pw_err *err);

    void (*close)(void *self);
};

/* Called when next() may have something to give; must be quick, and safe from any thread. */
struct pw_ledger_wake {
    void *self;
    void (*wake)(void *self);
};

#endif
