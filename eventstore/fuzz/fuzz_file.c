/* eventstore/fuzz/fuzz_file.c: any bytes as the frames of a file, before and after their checksums were made to fit.
 *
 * What is good before the first bad place is the same after the next writer has cut a torn tail there, and then the file is good. */
#include "eventstore/file_parts.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void put32(uint8_t *at, uint32_t number)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(number >> (24 - 8 * i));
    }
}

/* Random bytes never have good checksums: what looks like a frame gets them. */
static void mend(uint8_t *file, size_t bytes)
{
    for (size_t at = FILE_HEADER_BYTES; at + FILE_FRAME_BYTES <= bytes; at++) {
        if (memcmp(file + at, "PWFR", 4) != 0) {
            continue;
        }
        size_t left = bytes - at - FILE_FRAME_BYTES;
        size_t value_bytes = (size_t)file[at + 34] << 8 | file[at + 35];
        uint8_t covered[48];
        if (value_bytes <= left) {
            put32(file + at + 36, file_crc(file + at + FILE_FRAME_BYTES, value_bytes));
        }
        file_put64(covered, at);
        memcpy(covered + 8, file + at, 40);
        put32(file + at + 40, file_crc(covered, sizeof covered));
    }
}

/* Walks to the first place where no good frame stands; gives how many stood before it. */
static size_t walk(int fd, uint64_t file_bytes, uint64_t *ret_place, enum file_step *ret_step)
{
    struct file_cursor cursor;
    struct file_frame frame;
    const uint8_t *value;
    size_t count = 0;
    int64_t next = 0;

    file_cursor_open(&cursor, dup(fd));
    while ((*ret_step = file_cursor_step(&cursor, file_bytes, 0, &frame, &value)) ==
           FILE_STEP_FRAME) {
        check(frame.offset >= next && cursor.next >= frame.offset);
        check(file_crc(value, frame.value_bytes) == frame.value_crc);
        check(cursor.place <= file_bytes);
        next = cursor.next;
        count++;
    }
    check(*ret_step != FILE_STEP_ERROR);
    check((*ret_step == FILE_STEP_END) == (cursor.place == file_bytes));
    *ret_place = cursor.place;
    file_cursor_close(&cursor);
    return count;
}

static void read_file(const uint8_t *file, size_t bytes)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    uint64_t place;
    uint64_t place_again;
    enum file_step step;

    check(fd >= 0 && write(fd, file, bytes) == (ssize_t)bytes);
    size_t count = walk(fd, bytes, &place, &step);
    if (step == FILE_STEP_BAD && !file_is_damaged(fd, place, bytes, 0)) {
        check(ftruncate(fd, (off_t)place) == 0);
        check(walk(fd, place, &place_again, &step) == count);
        check(step == FILE_STEP_END && place_again == place);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t *file = malloc(FILE_HEADER_BYTES + bytes);

    check(file != NULL);
    file_header_write(file, 0, 1);
    if (bytes > 0) {
        memcpy(file + FILE_HEADER_BYTES, data, bytes);
    }
    read_file(file, FILE_HEADER_BYTES + bytes);
    mend(file, FILE_HEADER_BYTES + bytes);
    read_file(file, FILE_HEADER_BYTES + bytes);
    free(file);
    return 0;
}
