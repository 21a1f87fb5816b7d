/* eventstore/file_cursor.c: walks the frames of one file through a buffer. */
#include "eventstore/file_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_BYTES (64 * 1024)

void file_cursor_open(struct file_cursor *cursor, int fd)
{
    *cursor = (struct file_cursor){.fd = fd, .room = BUFFER_BYTES, .first = -1};
    cursor->place = FILE_HEADER_BYTES;
    cursor->buffer = malloc(cursor->room);
    if (cursor->buffer == NULL) {
        abort(); /* Without memory the process ends; nothing acknowledged is lost by that. */
    }
}

void file_cursor_close(struct file_cursor *cursor)
{
    free(cursor->buffer);
    close(cursor->fd);
    *cursor = (struct file_cursor){.fd = -1};
}

void file_cursor_set(struct file_cursor *cursor, uint64_t place, int64_t next)
{
    cursor->place = place;
    cursor->next = next;
    cursor->bytes = 0; /* The file may have been cut and written again since. */
}

/* So many bytes of the file from that place on, in the buffer; NULL where they cannot be read (errno 0: the file ends before).
 * Nothing beyond the limit is kept: it may still change. */
static const uint8_t *fetch(struct file_cursor *cursor, uint64_t place, size_t bytes,
                            uint64_t limit)
{
    if (place >= cursor->begin && place + bytes <= cursor->begin + cursor->bytes) {
        return cursor->buffer + (place - cursor->begin);
    }
    if (bytes > cursor->room) {
        free(cursor->buffer);
        cursor->room = bytes;
        cursor->buffer = malloc(bytes);
        if (cursor->buffer == NULL) {
            abort();
        }
    }
    size_t wanted = limit - place < cursor->room ? (size_t)(limit - place) : cursor->room;
    cursor->begin = place;
    cursor->bytes = 0;
    while (cursor->bytes < bytes) {
        ssize_t got = pread(cursor->fd, cursor->buffer + cursor->bytes, wanted - cursor->bytes,
                            (off_t)(place + cursor->bytes));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            errno = got < 0 ? errno : 0;
            return NULL;
        }
        cursor->bytes += (size_t)got;
    }
    return cursor->buffer;
}

static enum file_step unread(void)
{
    return errno == 0 ? FILE_STEP_BAD : FILE_STEP_ERROR;
}

/* What was read there is read again the next time: the next writer cuts a torn tail and writes on. */
static enum file_step bad(struct file_cursor *cursor)
{
    cursor->bytes = 0;
    return FILE_STEP_BAD;
}

enum file_step file_cursor_step(struct file_cursor *cursor, uint64_t limit, int64_t wanted,
                                struct file_frame *ret_frame, const uint8_t **ret_value)
{
    uint64_t place = cursor->place;
    if (place >= limit) {
        return FILE_STEP_END;
    }
    if (limit - place < FILE_FRAME_BYTES) {
        return FILE_STEP_BAD;
    }
    const uint8_t *head = fetch(cursor, place, FILE_FRAME_BYTES, limit);
    if (head == NULL) {
        return unread();
    }
    if (!file_frame_read(head, place, ret_frame) || ret_frame->offset < cursor->next ||
        ret_frame->value_bytes > limit - place - FILE_FRAME_BYTES) {
        return bad(cursor);
    }
    if (ret_frame->offset >= wanted) {
        const uint8_t *whole =
            fetch(cursor, place, FILE_FRAME_BYTES + ret_frame->value_bytes, limit);
        if (whole == NULL) {
            return unread();
        }
        *ret_value = whole + FILE_FRAME_BYTES;
        if (file_crc(*ret_value, ret_frame->value_bytes) != ret_frame->value_crc) {
            return bad(cursor);
        }
    }
    if (cursor->first < 0) {
        cursor->first = ret_frame->offset;
    }
    cursor->place = place + FILE_FRAME_BYTES + ret_frame->value_bytes;
    cursor->next = ret_frame->offset + (ret_frame->kind == FILE_SKIP ? 0 : 1);
    return FILE_STEP_FRAME;
}
