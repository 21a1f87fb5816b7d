/* eventstore/tests/conformance.h: what any adapter behind eventstore/ledger.h must do, in one suite.
 *
 * Contract  A fixture gives the suite fresh logs, handles on them, and the powers of strangers and
 * operators over them. What a fixture function does is done when it returns. A fixture that cannot
 * do its work ends the program by FAIL; so does the first failed check.
 *
 * Threads   Plain programs without a test library, so that ThreadSanitizer can run them. */
#ifndef PW_EVENTSTORE_TESTS_CONFORMANCE_H
#define PW_EVENTSTORE_TESTS_CONFORMANCE_H

#include "eventstore/ledger.h"
#include "eventstore/record.h"
#include "eventstore/tests/cases.h"

enum conformance_transaction { TRANSACTION_COMMITTED, TRANSACTION_ABORTED, TRANSACTION_OPEN };

struct conformance_fixture {
    const char *name;
    void *self;

    /* A fresh ledger with a genesis in each partition. The suite closes its handles, then ends. */
    void (*begin)(void *self, uint32_t partition_count, const struct pw_id *ledger_id);
    void (*end)(void *self);
    void (*open)(void *self, struct pw_ledger_wake wake, struct pw_ledger *ret_ledger);

    /* A stranger's record, value NULL for a tombstone; gives its offset. */
    int64_t (*put)(void *self, uint32_t partition, const void *value, size_t value_bytes);
    void (*put_in_transaction)(void *self, uint32_t partition, const void *value,
                               size_t value_bytes, enum conformance_transaction outcome);

    /* The operator deletes the log's start, or all of it, and creates the ledger anew. */
    void (*delete_before)(void *self, uint32_t partition, int64_t offset);
    void (*replace)(void *self, uint32_t partition_count, const struct pw_id *ledger_id);

    /* These may be NULL where an adapter cannot show them. */
    void (*set_down)(void *self, bool down);
    uint32_t (*partition_of)(void *self, struct pw_str key_text, uint32_t partition_count);
    struct pw_str (*key_at)(void *self, uint32_t partition, int64_t offset); /* Until the next. */
};

/* Runs all cases, or those that the arguments name; the exit status. */
int conformance_run(const struct conformance_fixture *fixture, int argc, char **argv);

/* --- What the cases share (conformance_kit.c) --- */

/* A handle that counts its wakes. */
struct conformance_handle {
    struct pw_ledger ledger;
    struct conformance_bell *bell;
};
void handle_open(const struct conformance_fixture *fixture, struct conformance_handle *ret_handle);
void handle_close(struct conformance_handle *handle);

/* Waits until the handle was woken since the last call. */
void handle_wait_for_wake(struct conformance_handle *handle);

/* The next event that is something, DOWN passed over; the program fails when none comes at all. */
struct pw_ledger_event next_event(struct conformance_handle *handle);

/* The next event, which must be of this kind and partition. */
struct pw_ledger_event expect_event(struct conformance_handle *handle,
                                    enum pw_ledger_event_kind kind, uint32_t partition);

/* Appends, and waits for the report while nothing is being read; gives the offset. */
int64_t append_and_wait(struct conformance_handle *handle, uint32_t partition, const char *text);
void append(struct conformance_handle *handle, uint32_t partition, const void *value, size_t bytes,
            uint64_t tag);

/* Reads a partition from an offset until an END at `end` or beyond, then stops. */
#define CONFORMANCE_RECORDS_MAX 4096
struct conformance_records {
    struct conformance_record {
        int64_t offset;
        uint8_t *value; /* A copy; NULL for a tombstone. */
        size_t bytes;
    } items[CONFORMANCE_RECORDS_MAX];
    uint32_t count;
    int64_t end;
};
struct conformance_records *read_all(struct conformance_handle *handle, uint32_t partition,
                                     int64_t from, int64_t end);
void records_free(struct conformance_records *records);
bool record_is(const struct conformance_record *record, const char *text);

/* conformance_writers.c */
void case_two_writers(const struct conformance_fixture *fixture);

#endif
