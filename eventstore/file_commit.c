/* eventstore/file_commit.c: the writer's thread. A round takes what gathered, gives offsets, writes a run of frames to each file
 * that gets some, syncs these, tells the readers, and reports. */
#include "eventstore/file_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUND_BYTES_MAX    (16 * 1024 * 1024) /* But at least one append. */
#define PENDING_BYTES_KEPT (1024 * 1024)      /* What a partition keeps for the next round. */

static void die(const char *dir, uint32_t partition, const char *what)
{
    fprintf(stderr,
            "proctorwise: %s/%04u.log: %s: %s. Nobody knows what of it is on the disk, so this "
            "process ends; nothing of it was "
            "acknowledged.\n",
            dir, partition, what, strerror(errno));
    fflush(stderr);
    _exit(PW_FILE_EXIT);
}

bool file_write_whole(const struct pw_file_io *io, int fd, const void *data, size_t bytes,
                      uint64_t place)
{
    const uint8_t *at = data;
    while (bytes > 0) {
        ssize_t done = io->pwrite(io->self, fd, at, bytes, (off_t)place);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            errno = done == 0 ? ENOSPC : errno;
            return false;
        }
        at += done;
        place += (uint64_t)done;
        bytes -= (size_t)done;
    }
    return true;
}

void file_sync(const struct pw_file_io *io, int fd, const char *dir, uint32_t partition)
{
    while (io->fdatasync(io->self, fd) != 0) {
        if (errno != EINTR) {
            die(dir, partition, "fdatasync");
        }
    }
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

/* --- Encoding --- */

static uint8_t *pending_room(struct file_partition *at, size_t bytes)
{
    if (at->pending_bytes + bytes > at->pending_room) {
        at->pending_room = 2 * (at->pending_bytes + bytes);
        at->pending = realloc(at->pending, at->pending_room);
        if (at->pending == NULL) {
            abort(); /* Without memory the process ends; nothing acknowledged is lost by that. */
        }
    }
    return at->pending + at->pending_bytes;
}

static void frame_add(struct file_partition *at, struct file_frame *frame, const uint8_t *value)
{
    uint8_t *to = pending_room(at, FILE_FRAME_BYTES + frame->value_bytes);
    frame->synced = at->end;
    frame->value_crc = file_crc(value, frame->value_bytes);
    file_frame_write(to, at->end + at->pending_bytes, frame);
    if (frame->value_bytes > 0) {
        memcpy(to + FILE_FRAME_BYTES, value, frame->value_bytes);
    }
    at->pending_bytes += FILE_FRAME_BYTES + frame->value_bytes;
    at->pending_next = frame->offset + (frame->kind == FILE_SKIP ? 0 : 1);
}

static void append_encode(struct file_partition *at, struct file_append *append, int64_t time_us)
{
    int64_t next = at->pending_bytes > 0 ? at->pending_next : at->next;
    if (!append->has_place) {
        append->offset = next;
        append->appended_at_us = time_us;
    } else if (append->offset < next) {
        append->error = EINVAL;
        return;
    }
    struct file_frame frame = {
        .kind = append->kind,
        .offset = append->offset,
        .appended_at_us = append->appended_at_us,
        .value_bytes = (uint32_t)append->value_bytes,
    };
    frame_add(at, &frame, append->value);
}

/* --- Writing --- */

static bool same_file(int fd, const char *path, struct stat *ret_status)
{
    struct stat named;
    return stat(path, &named) == 0 && fstat(fd, ret_status) == 0 &&
           named.st_dev == ret_status->st_dev && named.st_ino == ret_status->st_ino;
}

/* Who deletes the lock lets another writer in: nothing more is written. */
static bool lock_is_held(const struct file_writer *writer)
{
    struct stat status;
    file_path path;
    file_marker_path(path, writer->dir);
    return same_file(writer->lock_fd, path, &status);
}

/* The file as the last round left it; else what is there now is looked at anew. A file that was put in its place may be shorter,
 * but not this one: what it lacks had been acknowledged. 0, or an errno. */
static int partition_check(struct file_writer *writer, uint32_t partition)
{
    struct file_partition *at = &writer->partitions[partition];
    struct stat status;
    file_path path;
    file_path_of(path, writer->dir, partition);
    bool same = at->fd >= 0 && same_file(at->fd, path, &status);
    if (same && (uint64_t)status.st_size == at->end) {
        return 0;
    }
    struct pw_err why = {0};
    errno = 0;
    if (file_partition_recover(writer, partition, same ? at->end : 0, UINT64_MAX, &why) != PW_OK) {
        return errno != 0 ? errno : EIO;
    }
    return 0;
}

/* What came of a write that failed is taken back, so that it never mixes with what is written there next. */
static void partition_write(struct file_writer *writer, uint32_t partition)
{
    struct file_partition *at = &writer->partitions[partition];
    if (at->pending_bytes == 0 ||
        file_write_whole(writer->io, at->fd, at->pending, at->pending_bytes, at->end)) {
        return;
    }
    at->error = errno;
    at->pending_bytes = 0;
    if (ftruncate(at->fd, (off_t)at->end) != 0) {
        die(writer->dir, partition, "ftruncate");
    }
}

/* One sync after the other, but the disk works on all of them meanwhile. */
static void sync_all(struct file_writer *writer)
{
    for (uint32_t p = 0; p < writer->partition_count; p++) {
        struct file_partition *at = &writer->partitions[p];
        if (at->pending_bytes > 0) {
            sync_file_range(at->fd, (off_t)at->end, (off_t)at->pending_bytes,
                            SYNC_FILE_RANGE_WRITE); /* A hint: the sync is what counts. */
        }
    }
    for (uint32_t p = 0; p < writer->partition_count; p++) {
        struct file_partition *at = &writer->partitions[p];
        if (at->pending_bytes > 0) {
            file_sync(writer->io, at->fd, writer->dir, p);
            at->end += at->pending_bytes;
            at->next = at->pending_next;
            at->pending_bytes = 0;
            if (at->pending_room > PENDING_BYTES_KEPT) {
                free(at->pending);
                at->pending = NULL;
                at->pending_room = 0;
            }
            file_put64(writer->places + 8 * p, at->end);
        }
    }
}

static void publish(struct file_writer *writer)
{
    /* Where this fails, readers are a round late: the next one tells them. */
    ssize_t done = pwrite(writer->lock_fd, writer->places, 8 * (size_t)writer->partition_count,
                          FILE_MARKER_BYTES);
    (void)done;
}

/* --- Rounds --- */

/* Moves the next round's appends into writer->batch; false when the writer closes and none is left. */
static bool batch_await(struct file_writer *writer)
{
    size_t bytes = 0;
    pthread_mutex_lock(&writer->lock);
    while (writer->queue.first == NULL && !writer->closing) {
        pthread_cond_wait(&writer->come, &writer->lock);
    }
    while (writer->queue.first != NULL && bytes < ROUND_BYTES_MAX) {
        struct file_append *append = file_list_pop(&writer->queue);
        bytes += sizeof *append + append->value_bytes;
        file_list_push(&writer->batch, append);
    }
    writer->queue_bytes -= bytes;
    bool some = writer->batch.first != NULL;
    pthread_mutex_unlock(&writer->lock);
    return some;
}

static void batch_write(struct file_writer *writer)
{
    bool held = lock_is_held(writer);
    int64_t time_us = now_us();
    for (uint32_t p = 0; p < writer->partition_count; p++) {
        writer->partitions[p].error = held ? -1 : ENOLCK; /* -1: not looked at yet. */
    }
    for (struct file_append *append = writer->batch.first; append != NULL; append = append->next) {
        struct file_partition *at = &writer->partitions[append->partition];
        at->error = at->error < 0 ? partition_check(writer, append->partition) : at->error;
        if (at->error == 0) {
            append_encode(at, append, time_us);
            at->sealed = false;
        }
    }
    for (uint32_t p = 0; p < writer->partition_count; p++) {
        partition_write(writer, p);
    }
    sync_all(writer);
    publish(writer);
}

/* A handle's appends of a round come in a run or several; each run rings once. */
static void batch_report(struct file_writer *writer)
{
    struct file_append *append;
    struct pw_file *last = NULL;
    pthread_mutex_lock(&writer->lock);
    while ((append = file_list_pop(&writer->batch)) != NULL) {
        struct pw_file *file = append->file;
        int error = writer->partitions[append->partition].error;
        append->error = append->error != 0 ? append->error : error;
        if (last != NULL && last != file) {
            file_ring(last);
        }
        last = file;
        if (file == NULL) {
            free(append);
        } else {
            file_list_push(&file->reports, append);
        }
    }
    if (last != NULL) {
        file_ring(last);
    }
    pthread_mutex_unlock(&writer->lock);
}

/* At the end each file says that all before is synced, so that damage can be told from a torn tail. */
static void seal(struct file_writer *writer)
{
    if (!lock_is_held(writer)) {
        return;
    }
    for (uint32_t p = 0; p < writer->partition_count; p++) {
        struct file_partition *at = &writer->partitions[p];
        if (at->fd >= 0 && !at->sealed && partition_check(writer, p) == 0) {
            struct file_frame frame = {
                .kind = FILE_SKIP, .offset = at->next, .appended_at_us = now_us()};
            frame_add(at, &frame, NULL);
            partition_write(writer, p);
        }
    }
    sync_all(writer);
    publish(writer);
}

void *file_commit_run(void *self)
{
    struct file_writer *writer = self;
    while (batch_await(writer)) {
        batch_write(writer);
        batch_report(writer);
    }
    seal(writer);
    return NULL;
}
