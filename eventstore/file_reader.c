/* eventstore/file_reader.c: what a handle reads. A file ends for us where the writer says that it is synced; where no writer of this
 * boot says so, at its length. */
#include "eventstore/file_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK_EVERY (256 * 1024)

/* --- The marker --- */

static void marker_unmap(struct pw_file *file)
{
    if (file->marker != NULL) {
        munmap((void *)(uintptr_t)file->marker, file->marker_bytes);
        file->marker = NULL;
    }
    if (file->watch >= 0) {
        inotify_rm_watch(file->inotify_fd, file->watch);
        file->watch = -1;
    }
}

/* Maps `writer` as it is now. The watch hangs before anything is read, so that no change is missed. */
void file_marker_look(struct pw_file *file)
{
    file_path path;
    struct stat status;
    size_t bytes = FILE_MARKER_BYTES + 8 * (size_t)file->partition_count;
    file_marker_path(path, file->dir);
    bool there = stat(path, &status) == 0 && (uint64_t)status.st_size >= bytes;
    if (there && file->marker != NULL && file->marker_device == status.st_dev &&
        file->marker_inode == status.st_ino) {
        return;
    }
    marker_unmap(file);
    int fd = there ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return;
    }
    if (file->inotify_fd >= 0) {
        file->watch = inotify_add_watch(file->inotify_fd, path, IN_MODIFY);
    }
    void *mapped = fstat(fd, &status) == 0 && (uint64_t)status.st_size >= bytes
                       ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0)
                       : MAP_FAILED;
    if (mapped != MAP_FAILED) {
        file->marker = mapped;
        file->marker_bytes = bytes;
        file->marker_device = status.st_dev;
        file->marker_inode = status.st_ino;
    }
    close(fd);
}

/* How much of a file is synced, where a writer of this boot says so. */
static bool marker_says(const struct pw_file *file, uint32_t partition, uint64_t *ret_place)
{
    struct file_marker marker;
    if (file->marker == NULL || !file_marker_read(file->marker, &marker) ||
        marker.partition_count != file->partition_count ||
        memcmp(marker.boot_id, file->boot_id, sizeof file->boot_id) != 0) {
        return false;
    }
    /* Eight aligned bytes, which change at once. */
    const uint64_t *place =
        (const uint64_t *)(const void *)(file->marker + FILE_MARKER_BYTES + 8 * (size_t)partition);
    uint64_t raw = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    *ret_place = file_get64((const uint8_t *)&raw);
    return true;
}

/* --- Events --- */

/* Told once, however many files are away, until all are back. */
static bool tell_down(struct pw_file *file, struct file_reading *reading,
                      struct pw_ledger_event *ret_event)
{
    bool told = file->away_count > 0;
    file->away_count += reading->is_away ? 0 : 1;
    reading->is_away = true;
    *ret_event = (struct pw_ledger_event){
        .kind = PW_LEDGER_DOWN,
        .offset = -1,
        .broker_at_us = -1,
        .code = PW_ERR_LEDGER_DOWN,
        .detail = file->detail,
    };
    return !told;
}

static void back(struct pw_file *file, struct file_reading *reading)
{
    file->away_count -= reading->is_away ? 1 : 0;
    reading->is_away = false;
}

static void reading_off(struct pw_file *file, struct file_reading *reading)
{
    if (reading->on) {
        reading->on = false;
        back(file, reading);
        atomic_fetch_sub(&file->reading_count, 1);
    }
}

static bool tell_lost(struct pw_file *file, uint32_t partition, enum pw_code code,
                      struct pw_ledger_event *ret_event)
{
    reading_off(file, &file->readings[partition]);
    *ret_event = (struct pw_ledger_event){
        .kind = PW_LEDGER_LOST,
        .partition = partition,
        .offset = file->readings[partition].wanted,
        .broker_at_us = -1,
        .code = code,
        .detail = file->detail,
    };
    return true;
}

static bool tell_end(struct file_reading *reading, uint32_t partition,
                     struct pw_ledger_event *ret_event)
{
    reading->told_end = true;
    *ret_event = (struct pw_ledger_event){
        .kind = PW_LEDGER_END,
        .partition = partition,
        .offset = reading->cursor.next,
        .broker_at_us = -1,
    };
    return true;
}

static bool tell_record(struct file_reading *reading, uint32_t partition,
                        const struct file_frame *frame, const uint8_t *value,
                        struct pw_ledger_event *ret_event)
{
    reading->wanted = frame->offset + 1;
    *ret_event = (struct pw_ledger_event){
        .kind = PW_LEDGER_RECORD,
        .partition = partition,
        .offset = frame->offset,
        .broker_at_us = frame->appended_at_us,
        .value = frame->kind == FILE_RECORD ? value : NULL,
        .value_bytes = frame->value_bytes,
    };
    return true;
}

/* --- Where to begin --- */

static void mark_add(struct file_reading *reading)
{
    uint64_t last = reading->mark_count == 0 ? FILE_HEADER_BYTES
                                             : reading->marks[reading->mark_count - 1].place;
    if (reading->cursor.place < last + MARK_EVERY) {
        return;
    }
    if (reading->mark_count == reading->mark_room) {
        reading->mark_room = reading->mark_room == 0 ? 64 : 2 * reading->mark_room;
        reading->marks = realloc(reading->marks, reading->mark_room * sizeof *reading->marks);
        if (reading->marks == NULL) {
            abort(); /* Without memory the process ends; nothing acknowledged is lost by that. */
        }
    }
    reading->marks[reading->mark_count++] =
        (struct file_mark){reading->cursor.next, reading->cursor.place};
}

/* To the last known place before which no frame with a wanted offset stands. */
static void seek(struct file_reading *reading)
{
    size_t low = 0;
    size_t high = reading->mark_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reading->marks[middle].offset <= reading->wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    struct file_mark from = {0, FILE_HEADER_BYTES};
    if (low > 0) {
        from = reading->marks[low - 1];
    }
    file_cursor_set(&reading->cursor, from.place, from.offset);
}

static void reading_close(struct file_reading *reading)
{
    if (reading->is_open) {
        file_cursor_close(&reading->cursor);
        reading->is_open = false;
    }
    reading->mark_count = 0;
}

static enum pw_code reading_open(struct pw_file *file, uint32_t partition, struct pw_err *err)
{
    struct file_reading *reading = &file->readings[partition];
    struct stat status = {0};
    uint32_t count = 0;
    int fd;
    reading_close(reading);
    enum pw_code code = file_partition_open(file->dir, partition, O_RDONLY, &fd, &count, err);
    if (code == PW_OK) {
        fstat(fd, &status); /* Of an open descriptor: it cannot fail. */
        reading->device = status.st_dev;
        reading->inode = status.st_ino;
        reading->is_open = true;
        file_cursor_open(&reading->cursor, fd);
        seek(reading);
    }
    return code;
}

/* --- How far --- */

enum look { LOOK_GOOD, LOOK_AWAY, LOOK_DAMAGED };

/* Looks how far the file goes now. Its length is asked for before the marker: what is appended between the two is then not taken
 * for the state of a directory that nobody writes to. */
static enum look limit_look(struct pw_file *file, uint32_t partition)
{
    struct file_reading *reading = &file->readings[partition];
    struct stat status;
    struct pw_err why = {0};
    file_path path;
    uint64_t synced = 0;
    file_path_of(path, file->dir, partition);
    if (stat(path, &status) != 0) {
        snprintf(file->detail, sizeof file->detail, "%.200s: %s", path, strerror(errno));
        return LOOK_AWAY;
    }
    if (!reading->is_open || reading->device != status.st_dev || reading->inode != status.st_ino) {
        enum pw_code code = reading_open(file, partition, &why);
        if (code != PW_OK) {
            snprintf(file->detail, sizeof file->detail, "%s", why.detail);
            return code == PW_ERR_LEDGER_DAMAGED ? LOOK_DAMAGED : LOOK_AWAY;
        }
        fstat(reading->cursor.fd, &status);
    }
    file_marker_look(file);
    reading->limit = (uint64_t)status.st_size;
    reading->limit_is_synced = marker_says(file, partition, &synced);
    if (reading->limit_is_synced && synced < reading->limit) {
        reading->limit = synced;
    }
    if (reading->limit < reading->cursor.place) {
        reading->mark_count = 0; /* It was cut off: what we knew of it may be gone. */
        file_cursor_set(&reading->cursor, FILE_HEADER_BYTES, 0);
    }
    reading->fresh = false;
    reading->looked_at_ms = file->now_ms;
    return LOOK_GOOD;
}

/* The same for a file that was looked at lately: only the marker is asked. */
static void limit_glance(struct pw_file *file, uint32_t partition)
{
    struct file_reading *reading = &file->readings[partition];
    struct stat status;
    uint64_t synced = 0;
    if (reading->limit_is_synced && marker_says(file, partition, &synced) &&
        synced > reading->limit && fstat(reading->cursor.fd, &status) == 0) {
        uint64_t bytes = (uint64_t)status.st_size;
        reading->limit = synced < bytes ? synced : bytes;
    }
}

/* --- Reading --- */

/* At the end of what is there. */
static bool at_end(struct pw_file *file, uint32_t partition, struct pw_ledger_event *ret_event)
{
    struct file_reading *reading = &file->readings[partition];
    if (reading->wanted > reading->cursor.next) {
        snprintf(file->detail, sizeof file->detail, "%.150s/%04u.log ends at offset %lld",
                 file->dir, partition, (long long)reading->cursor.next);
        return tell_lost(file, partition, PW_ERR_LEDGER_DIVERGED, ret_event);
    }
    return !reading->told_end && tell_end(reading, partition, ret_event);
}

/* No good frame stands where one is due: either the log ends here, or the file is damaged. */
static bool at_bad(struct pw_file *file, uint32_t partition, struct pw_ledger_event *ret_event)
{
    struct file_reading *reading = &file->readings[partition];
    struct pw_err why = {0};
    uint64_t synced = reading->limit_is_synced ? reading->limit : 0;
    if (!file_is_damaged(reading->cursor.fd, reading->cursor.place, reading->limit, synced)) {
        reading->limit = reading->cursor.place;
        return at_end(file, partition, ret_event);
    }
    file_damage(file->dir, partition, reading->cursor.place, "no good frame stands there", &why);
    snprintf(file->detail, sizeof file->detail, "%s", why.detail);
    return tell_lost(file, partition, PW_ERR_LEDGER_DAMAGED, ret_event);
}

/* A writer has opened the directory since we looked, cut what was torn, and writes: our limit says nothing any more. */
static bool limit_is_old(const struct pw_file *file, uint32_t partition)
{
    uint64_t synced;
    return !file->readings[partition].limit_is_synced && marker_says(file, partition, &synced);
}

/* Past a frame; true where it is an event. */
static bool take_frame(struct pw_file *file, uint32_t partition, const struct file_frame *frame,
                       const uint8_t *value, struct pw_ledger_event *ret_event)
{
    struct file_reading *reading = &file->readings[partition];
    back(file, reading);
    mark_add(reading);
    reading->told_end = false;
    if (reading->cursor.first > reading->wanted) {
        snprintf(file->detail, sizeof file->detail, "%.150s/%04u.log begins at offset %lld",
                 file->dir, partition, (long long)reading->cursor.first);
        return tell_lost(file, partition, PW_ERR_LEDGER_DIVERGED, ret_event);
    }
    return frame->kind != FILE_SKIP && frame->offset >= reading->wanted &&
           tell_record(reading, partition, frame, value, ret_event);
}

static bool frames_take(struct pw_file *file, uint32_t partition, struct pw_ledger_event *ret_event)
{
    struct file_reading *reading = &file->readings[partition];
    const uint8_t *value = NULL;
    struct file_frame frame;
    bool looked_again = false;
    for (;;) {
        enum file_step step =
            file_cursor_step(&reading->cursor, reading->limit, reading->wanted, &frame, &value);
        if ((step == FILE_STEP_BAD && !looked_again) || limit_is_old(file, partition)) {
            looked_again = true;
            seek(reading);
            if (limit_look(file, partition) != LOOK_GOOD) {
                return tell_down(file, reading, ret_event);
            }
            continue;
        }
        switch (step) {
        case FILE_STEP_END: back(file, reading); return at_end(file, partition, ret_event);
        case FILE_STEP_BAD: back(file, reading); return at_bad(file, partition, ret_event);
        case FILE_STEP_ERROR:
            snprintf(file->detail, sizeof file->detail, "%.150s/%04u.log: %s", file->dir, partition,
                     strerror(errno));
            return tell_down(file, reading, ret_event);
        case FILE_STEP_FRAME: break;
        }
        if (take_frame(file, partition, &frame, value, ret_event)) {
            return true;
        }
        if (!reading->on) {
            return false;
        }
    }
}

/* One event of this partition, if there is one. */
static bool reading_take(struct pw_file *file, uint32_t partition,
                         struct pw_ledger_event *ret_event)
{
    struct file_reading *reading = &file->readings[partition];
    bool is_due = file->now_ms - reading->looked_at_ms >= FILE_LOOK_MS;
    if (reading->is_away && !is_due) {
        return false;
    }
    if (reading->fresh || !reading->is_open || is_due) {
        switch (limit_look(file, partition)) {
        case LOOK_GOOD: break;
        case LOOK_AWAY:
            reading->looked_at_ms = file->now_ms;
            return tell_down(file, reading, ret_event);
        case LOOK_DAMAGED: return tell_lost(file, partition, PW_ERR_LEDGER_DAMAGED, ret_event);
        }
    } else if (reading->cursor.place >= reading->limit) {
        limit_glance(file, partition);
    }
    return frames_take(file, partition, ret_event);
}

/* A partition goes on for a while, since its buffer is warm; then others get their turn. */
bool file_reader_take(struct pw_file *file, struct pw_ledger_event *ret_event)
{
    enum { RECORDS_A_TURN = 256 };
    if (file->turn_left == 0) {
        file->turn = (file->turn + 1) % file->partition_count;
        file->turn_left = RECORDS_A_TURN;
    }
    for (uint32_t i = 0; i < file->partition_count; i++) {
        if (file->readings[file->turn].on && reading_take(file, file->turn, ret_event)) {
            file->turn_left--;
            return true;
        }
        file->turn = (file->turn + 1) % file->partition_count;
        file->turn_left = RECORDS_A_TURN;
    }
    return false;
}

enum pw_code file_read_from(void *self, uint32_t partition, int64_t offset, struct pw_err *err)
{
    struct pw_file *file = self;
    assert(partition < file->partition_count && offset >= 0);
    struct file_reading *reading = &file->readings[partition];
    reading_off(file, reading);
    reading->wanted = offset;
    reading->fresh = true;
    reading->told_end = false;
    if (reading->is_open) {
        seek(reading);
    } else {
        enum pw_code code = reading_open(file, partition, err);
        if (code != PW_OK) {
            return code;
        }
    }
    reading->on = true;
    atomic_fetch_add(&file->reading_count, 1);
    file_ring(file); /* What is there comes without anything else to ring for it. */
    return PW_OK;
}

void file_read_stop(void *self, uint32_t partition)
{
    struct pw_file *file = self;
    assert(partition < file->partition_count);
    reading_off(file, &file->readings[partition]);
}

void file_reader_close(struct pw_file *file)
{
    for (uint32_t p = 0; file->readings != NULL && p < file->partition_count; p++) {
        reading_close(&file->readings[p]);
        free(file->readings[p].marks);
    }
    marker_unmap(file);
}
