/* schemas/wire.h: msgpack as the ledger writes it: every value in its shortest form, and nothing
 * else readable.
 *
 * Contract  Writing goes through msgpack-c, which writes shortest forms. Reading is a strict cursor
 *           of our own: a library reads leniently (longer forms, invalid UTF-8), and two readers
 *           that are lenient in different ways would read two histories. After the first value that
 *           is not as expected the cursor is `bad`, stays so, and gives zeros.
 * Owner     A pw_buffer owns its memory and grows up to its ceiling; past that it is `full` and
 *           stays so until it is cleared. One with a drain is never full: what it holds is handed
 *           over there, and by pw_buffer_flush at the end. What is read are views.
 * Threads   A buffer and a cursor have one owner each.
 * Errors    Out of memory ends the process: a `full` buffer is the writer's fault, never the
 *           machine's. */
#ifndef PW_SCHEMAS_WIRE_H
#define PW_SCHEMAS_WIRE_H

#include "schemas/types.h"

struct pw_buffer {
    uint8_t *data;
    size_t bytes;
    size_t room;
    size_t bytes_max;
    bool full;
    void (*drain)(void *self, const void *data, size_t bytes); /* Or NULL. */
    void *drain_self;
};

/* An empty buffer that may grow to bytes_max. Memory is taken as needed; pw_buffer_close gives it
 * back. */
void pw_buffer_init(struct pw_buffer *buffer, size_t bytes_max);
void pw_buffer_close(struct pw_buffer *buffer);
void pw_buffer_append(struct pw_buffer *buffer, const void *data, size_t bytes);
void pw_buffer_flush(struct pw_buffer *buffer); /* Into the drain. */

/* Empty again, with its memory kept for the next use. */
static inline void pw_buffer_clear(struct pw_buffer *buffer)
{
    buffer->bytes = 0;
    buffer->full = false;
}

void pw_write_nil(struct pw_buffer *buffer);
void pw_write_array(struct pw_buffer *buffer, uint32_t count);
void pw_write_uint(struct pw_buffer *buffer, uint64_t value);     /* At most INT64_MAX. */
void pw_write_text(struct pw_buffer *buffer, struct pw_str text); /* Valid UTF-8 without a NUL. */
void pw_write_bin(struct pw_buffer *buffer, const void *data, size_t bytes);
void pw_write_id(struct pw_buffer *buffer, const struct pw_id *id);

struct pw_cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

static inline struct pw_cursor pw_cursor_of(const void *data, size_t bytes)
{
    const uint8_t *at = bytes > 0 ? data : (const void *)"";
    return (struct pw_cursor){at, at + bytes, false};
}

/* How many elements follow: never more than bytes are left, so that memory may be reserved. */
uint32_t pw_read_array(struct pw_cursor *cursor);
uint64_t pw_read_uint(struct pw_cursor *cursor, uint64_t max); /* And never above INT64_MAX. */
struct pw_str pw_read_text(struct pw_cursor *cursor, size_t bytes_min, size_t bytes_max);
const void *pw_read_bin(struct pw_cursor *cursor, size_t bytes); /* Exactly so many. */
struct pw_str pw_read_bytes(struct pw_cursor *cursor,
                            size_t bytes_max);     /* A bin of at most so many. */
struct pw_id pw_read_id(struct pw_cursor *cursor); /* Never the nil UUID. */
bool pw_read_nil(struct pw_cursor *cursor);        /* Takes a nil if the next value is one. */

/* Passes over one value of the ledger's grammar (docs/ledger.md) with arrays nested at most
 * depth_max deep (0: no array); gives the bytes that it spans. */
struct pw_str pw_read_any(struct pw_cursor *cursor, int depth_max);

/* True when everything was read and all of it was as expected. */
static inline bool pw_cursor_done(const struct pw_cursor *cursor)
{
    return !cursor->bad && cursor->at == cursor->end;
}

#endif
