/* eventstore/key_log.h: the port to where wrapped keys lie (docs/keys.md). Three adapters stand behind it, in
 * eventstore/key_adapters.h, and one conformance suite (eventstore/tests/conformance_keys.c) says what all must do.
 *
 * Contract  What was written is durable when the call returns PW_OK. Where it returns LEDGER_DOWN, the write may still land. A read
 *           gives everything that stands, in the order in which it was written where that has a meaning.
 * Owner     Arguments are borrowed; what a read gives lives until the sink returns.
 * Threads   One handle per thread, but for interrupt; handles share nothing, and any number may be open in any process.
 * Errors    LEDGER_DOWN: try later. SETTING_WRONG: names the setting, its value and what it must be; or there is no store.
 *           LEDGER_DAMAGED: its beginning is gone, or records that were not read yet are. */
#ifndef PW_EVENTSTORE_KEY_LOG_H
#define PW_EVENTSTORE_KEY_LOG_H

#include "eventstore/keys.h"

#define PW_KEY_PUTS_MAX 1024

/* A new record. */
struct pw_key_put {
    struct pw_id key_id;
    uint8_t value[PW_KEY_RECORD_BYTES];
};

struct pw_key_entry {
    struct pw_str log_key;
    const uint8_t *value; /* NULL: a tombstone. */
    size_t value_bytes;
    uint64_t number; /* So many were given before it in this read. */
    uint64_t count;  /* And so many there are, roughly; at least number + 1. */
};

/* What comes back other than PW_OK ends the read, and is what it returns. */
struct pw_key_sink {
    void *self;
    enum pw_code (*entry)(void *self, const struct pw_key_entry *entry, struct pw_err *err);
};

struct pw_key_log {
    void *self;

    /* Checks what the store rests on. Blocks up to some seconds. */
    enum pw_code (*check)(void *self, struct pw_err *err);

    /* Writes a record. `again`: a re-wrap, which an adapter that can tell refuses with NOT_FOUND where the key does not stand any
     * more. */
    enum pw_code (*put)(void *self, const struct pw_id *key_id,
                        const uint8_t value[PW_KEY_RECORD_BYTES], bool again, struct pw_err *err);

    /* Writes records of new keys, at most PW_KEY_PUTS_MAX, all on their way at once where an adapter can. LEDGER_DOWN: any of them may
     * have landed. */
    enum pw_code (*put_many)(void *self, const struct pw_key_put *puts, size_t count,
                             struct pw_err *err);

    /* Writes a tombstone, or takes the record away; of a key that is not there, too. */
    enum pw_code (*destroy)(void *self, const struct pw_id *key_id, struct pw_err *err);

    /* Reads from the start to the end as it is at this call, or a later one. */
    enum pw_code (*read)(void *self, const struct pw_key_sink *sink, struct pw_err *err);

    /* Reads on: behind what this handle's last read or follow gave (from the start, where there was none), to the end as above. A key
     * that is not there any more is given as a tombstone, be there one in the log or not. What was given before may come again, and
     * after a failure it does or reading goes on behind it. */
    enum pw_code (*follow)(void *self, const struct pw_key_sink *sink, struct pw_err *err);

    /* From any thread, and for good: what waits for a server in this handle, now or later, ends soon, with LEDGER_DOWN. */
    void (*interrupt)(void *self);

    void (*close)(void *self);
};

#endif
