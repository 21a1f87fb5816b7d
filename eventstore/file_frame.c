/* eventstore/file_frame.c: the bytes of docs/file-ledger.md. */
#include "eventstore/file_parts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

static const uint8_t header_magic[8] = "PWLFILE\n";
static const uint8_t frame_magic[4] = {'P', 'W', 'F', 'R'};
static const uint8_t marker_magic[8] = {'P', 'W', 'L', 'W', 'R', 'I', 'T', 'E'};
static const uint8_t zeros[24];

uint32_t file_crc(const void *data, size_t bytes)
{
    return (uint32_t)crc32_z(0, data, bytes);
}

static void put32(uint8_t *at, uint32_t number)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(number >> (24 - 8 * i));
    }
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void file_put64(uint8_t *at, uint64_t number)
{
    put32(at, (uint32_t)(number >> 32));
    put32(at + 4, (uint32_t)number);
}

uint64_t file_get64(const uint8_t *at)
{
    return (uint64_t)get32(at) << 32 | get32(at + 4);
}

void file_header_write(uint8_t ret_header[FILE_HEADER_BYTES], uint32_t partition, uint32_t count)
{
    memset(ret_header, 0, FILE_HEADER_BYTES);
    memcpy(ret_header, header_magic, sizeof header_magic);
    put32(ret_header + 8, FILE_FORMAT);
    put32(ret_header + 12, partition);
    put32(ret_header + 16, count);
    put32(ret_header + 28, file_crc(ret_header, 28));
}

enum pw_code file_header_read(const uint8_t header[FILE_HEADER_BYTES], uint32_t partition,
                              uint32_t *ret_count, struct pw_err *err)
{
    uint32_t count = get32(header + 16);
    bool intact = memcmp(header, header_magic, sizeof header_magic) == 0 &&
                  get32(header + 28) == file_crc(header, 28);
    if (intact && get32(header + 8) != FILE_FORMAT) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "format %u is newer than this program's",
                       get32(header + 8));
    }
    if (!intact || memcmp(header + 20, zeros, 8) != 0 || count == 0 || count > PW_PARTITIONS_MAX) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "the header is damaged");
    }
    if (get32(header + 12) != partition) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "the header is that of partition %u",
                       get32(header + 12));
    }
    *ret_count = count;
    return PW_OK;
}

static uint32_t head_crc(const uint8_t *head, uint64_t place)
{
    uint8_t where[8];
    file_put64(where, place);
    return (uint32_t)crc32_z(crc32_z(0, where, sizeof where), head, 40);
}

void file_frame_write(uint8_t ret_head[FILE_FRAME_BYTES], uint64_t place,
                      const struct file_frame *frame)
{
    memset(ret_head, 0, FILE_FRAME_BYTES);
    memcpy(ret_head, frame_magic, sizeof frame_magic);
    ret_head[4] = (uint8_t)frame->kind;
    file_put64(ret_head + 8, (uint64_t)frame->offset);
    file_put64(ret_head + 16, (uint64_t)frame->appended_at_us);
    file_put64(ret_head + 24, frame->synced);
    put32(ret_head + 32, frame->value_bytes);
    put32(ret_head + 36, frame->value_crc);
    put32(ret_head + 40, head_crc(ret_head, place));
}

bool file_frame_read(const uint8_t head[FILE_FRAME_BYTES], uint64_t place,
                     struct file_frame *ret_frame)
{
    struct file_frame frame = {
        .kind = (enum file_kind)head[4],
        .offset = (int64_t)file_get64(head + 8),
        .appended_at_us = (int64_t)file_get64(head + 16),
        .synced = file_get64(head + 24),
        .value_bytes = get32(head + 32),
        .value_crc = get32(head + 36),
    };
    bool good = memcmp(head, frame_magic, sizeof frame_magic) == 0 &&
                get32(head + 40) == head_crc(head, place) && head[4] >= FILE_RECORD &&
                head[4] <= FILE_SKIP && memcmp(head + 5, zeros, 3) == 0 && frame.offset >= 0 &&
                frame.offset < INT64_MAX && frame.synced >= FILE_HEADER_BYTES &&
                frame.synced <= place && frame.value_bytes <= FILE_VALUE_BYTES_MAX &&
                (frame.kind == FILE_RECORD || frame.value_bytes == 0);
    if (good) {
        *ret_frame = frame;
    }
    return good;
}

/* --- The judgement --- */

static bool value_is_good(int fd, uint64_t place, const struct file_frame *frame)
{
    uint8_t *value = malloc(frame->value_bytes + 1);
    if (value == NULL) {
        abort(); /* Without memory the process ends; nothing acknowledged is lost by that. */
    }
    bool good = pread(fd, value, frame->value_bytes, (off_t)place) == (ssize_t)frame->value_bytes &&
                file_crc(value, frame->value_bytes) == frame->value_crc;
    free(value);
    return good;
}

/* A good frame anywhere in these bytes of the file whose `synced` is above that place? */
static bool shows_synced(int fd, const uint8_t *data, size_t bytes, uint64_t begin,
                         uint64_t file_bytes, uint64_t place)
{
    const uint8_t *end = data + bytes;
    const uint8_t *at = data;
    struct file_frame frame;
    while ((at = memmem(at, (size_t)(end - at), frame_magic, sizeof frame_magic)) != NULL &&
           end - at >= FILE_FRAME_BYTES) {
        uint64_t stands_at = begin + (uint64_t)(at - data);
        if (stands_at > place && file_frame_read(at, stands_at, &frame) && frame.synced > place &&
            stands_at + FILE_FRAME_BYTES + frame.value_bytes <= file_bytes &&
            value_is_good(fd, stands_at + FILE_FRAME_BYTES, &frame)) {
            return true;
        }
        at++;
    }
    return false;
}

bool file_is_damaged(int fd, uint64_t place, uint64_t file_bytes, uint64_t synced)
{
    enum { PIECE = 1024 * 1024 };
    if (synced > place) {
        return true;
    }
    uint8_t *piece = malloc(PIECE);
    if (piece == NULL) {
        abort();
    }
    bool damaged = false;
    ssize_t got;
    for (uint64_t begin = place; !damaged && begin < file_bytes;
         begin += PIECE - FILE_FRAME_BYTES) { /* A head on the border lies whole in the next. */
        got = pread(fd, piece, PIECE, (off_t)begin);
        /* What cannot be read is no torn tail: nobody may cut there. */
        damaged = got < 0 || shows_synced(fd, piece, (size_t)got, begin, file_bytes, place);
    }
    free(piece);
    return damaged;
}

/* --- The marker --- */

void file_marker_write(uint8_t ret_marker[FILE_MARKER_BYTES], const struct file_marker *marker)
{
    memset(ret_marker, 0, FILE_MARKER_BYTES);
    memcpy(ret_marker, marker_magic, sizeof marker_magic);
    put32(ret_marker + 8, 1);
    put32(ret_marker + 12, marker->partition_count);
    file_put64(ret_marker + 16, (uint64_t)marker->pid);
    memcpy(ret_marker + 24, marker->boot_id, sizeof marker->boot_id);
}

bool file_marker_read(const uint8_t bytes[FILE_MARKER_BYTES], struct file_marker *ret_marker)
{
    if (memcmp(bytes, marker_magic, sizeof marker_magic) != 0 || get32(bytes + 8) != 1) {
        return false;
    }
    ret_marker->partition_count = get32(bytes + 12);
    ret_marker->pid = (int64_t)file_get64(bytes + 16);
    memcpy(ret_marker->boot_id, bytes + 24, sizeof ret_marker->boot_id);
    return true;
}

void file_boot_id(uint8_t ret_boot_id[16])
{
    char text[PW_ID_TEXT_BYTES];
    struct pw_id id = {{0}};
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text) == (ssize_t)sizeof text) {
        pw_id_parse((struct pw_str){text, sizeof text}, &id);
    }
    if (fd >= 0) {
        close(fd);
    }
    memcpy(ret_boot_id, id.bytes, sizeof id.bytes);
}
