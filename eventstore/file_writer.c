/* eventstore/file_writer.c: the one writer of a process to a directory, shared by its handles: the lock, what is done when it
 * opens, and the queue that its thread (file_commit.c) empties. */
#include "eventstore/file_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE_BYTES_MAX ((size_t)256 * 1024 * 1024)

static ssize_t system_pwrite(void *self, int fd, const void *data, size_t bytes, off_t place)
{
    (void)self;
    return pwrite(fd, data, bytes, place);
}

static int system_fdatasync(void *self, int fd)
{
    (void)self;
    return fdatasync(fd);
}

static const struct pw_file_io system_io = {NULL, system_pwrite, system_fdatasync};

/* The writers of this process. */
static struct file_writer *writers;
static pthread_mutex_t writers_lock = PTHREAD_MUTEX_INITIALIZER;

static void *not_null(void *memory)
{
    if (memory == NULL) {
        abort(); /* Without memory the process ends; nothing acknowledged is lost by that. */
    }
    return memory;
}

/* --- The queue --- */

void file_list_push(struct file_list *list, struct file_append *append)
{
    append->next = NULL;
    if (list->last == NULL) {
        list->first = append;
    } else {
        list->last->next = append;
    }
    list->last = append;
}

struct file_append *file_list_pop(struct file_list *list)
{
    struct file_append *append = list->first;
    if (append != NULL) {
        list->first = append->next;
        list->last = list->first == NULL ? NULL : list->last;
    }
    return append;
}

enum pw_code file_writer_append(struct file_writer *writer, struct file_append *append,
                                struct pw_err *err)
{
    size_t bytes = sizeof *append + append->value_bytes;
    pthread_mutex_lock(&writer->lock);
    bool full = writer->queue_bytes + bytes > QUEUE_BYTES_MAX;
    if (!full) {
        file_list_push(&writer->queue, append);
        writer->queue_bytes += bytes;
        pthread_cond_signal(&writer->come);
    }
    pthread_mutex_unlock(&writer->lock);
    return full ? pw_fail(err, PW_ERR_LEDGER_DOWN, "too much waits to be written") : PW_OK;
}

static void forget(struct file_list *list, const struct pw_file *file)
{
    for (struct file_append *append = list->first; append != NULL; append = append->next) {
        append->file = append->file == file ? NULL : append->file;
    }
}

void file_writer_forget(struct file_writer *writer, const struct pw_file *file)
{
    pthread_mutex_lock(&writer->lock);
    forget(&writer->queue, file);
    forget(&writer->batch, file);
    pthread_mutex_unlock(&writer->lock);
}

/* --- Recovery --- */

/* Walks to the end of what is good. */
static enum pw_code walk(struct file_writer *writer, uint32_t partition, uint64_t file_bytes,
                         uint64_t marked, struct file_cursor *cursor, bool *ret_torn,
                         struct pw_err *err)
{
    const uint8_t *value;
    struct file_frame frame;
    enum file_step step;
    do {
        step = file_cursor_step(cursor, file_bytes, 0, &frame, &value);
        if (step == FILE_STEP_FRAME) {
            writer->partitions[partition].sealed =
                frame.kind == FILE_SKIP && frame.synced + FILE_FRAME_BYTES == cursor->place;
        }
    } while (step == FILE_STEP_FRAME);
    if (step == FILE_STEP_ERROR) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "%s: partition %u, byte %llu: %s", writer->dir,
                       partition, (unsigned long long)cursor->place, strerror(errno));
    }
    if (step == FILE_STEP_BAD && file_is_damaged(cursor->fd, cursor->place, file_bytes, marked)) {
        return file_damage(writer->dir, partition, cursor->place, "no good frame stands there",
                           err);
    }
    if (cursor->place < marked) {
        return file_damage(writer->dir, partition, cursor->place,
                           "the file ends there, but more of it was synced; to go on with an "
                           "earlier state, delete the file `writer`",
                           err);
    }
    *ret_torn = step == FILE_STEP_BAD;
    return PW_OK;
}

/* A page whose way to the disk failed may be in memory, marked clean: no sync would write it again. */
static bool rewrite(const struct file_writer *writer, int fd, uint64_t from, uint64_t end)
{
    uint8_t piece[65536];
    while (from < end) {
        size_t bytes = end - from < sizeof piece ? (size_t)(end - from) : sizeof piece;
        ssize_t got = pread(fd, piece, bytes, (off_t)from);
        if (got <= 0 || !file_write_whole(writer->io, fd, piece, (size_t)got, from)) {
            return false;
        }
        from += (uint64_t)got;
    }
    return true;
}

enum pw_code file_partition_recover(struct file_writer *writer, uint32_t partition, uint64_t marked,
                                    uint64_t rewrites_from, struct pw_err *err)
{
    struct file_partition *at = &writer->partitions[partition];
    struct file_cursor cursor;
    struct stat status;
    uint32_t count = 0;
    bool torn = false;
    int fd;
    if (at->fd >= 0) {
        close(at->fd);
        at->fd = -1;
    }
    enum pw_code code = file_partition_open(writer->dir, partition, O_RDWR, &fd, &count, err);
    if (code != PW_OK) {
        return code;
    }
    file_cursor_open(&cursor, fd);
    at->sealed = true; /* Of an empty file there is nothing to say. */
    if (fstat(fd, &status) != 0) {
        code = pw_fail(err, PW_ERR_LEDGER_DOWN, "%s: %s", writer->dir, strerror(errno));
    } else {
        code = walk(writer, partition, (uint64_t)status.st_size, marked, &cursor, &torn, err);
    }
    if (code == PW_OK && ((torn && ftruncate(fd, (off_t)cursor.place) != 0) ||
                          !rewrite(writer, fd, rewrites_from, cursor.place))) {
        code = pw_fail(err, PW_ERR_LEDGER_DOWN, "%s: partition %u cannot be written: %s",
                       writer->dir, partition, strerror(errno));
    }
    if (code == PW_OK) {
        file_sync(writer->io, fd, writer->dir, partition);
        at->end = cursor.place;
        at->next = cursor.next;
        at->fd = dup(fd); /* The cursor closes its own. */
        if (at->fd < 0) {
            code = pw_fail(err, PW_ERR_LEDGER_DOWN, "%s: %s", writer->dir, strerror(errno));
        } else {
            fcntl(at->fd, F_SETFD, FD_CLOEXEC);
        }
    }
    file_cursor_close(&cursor);
    return code;
}

static enum pw_code recover_all(struct file_writer *writer, struct pw_err *err)
{
    uint8_t head[FILE_MARKER_BYTES];
    struct file_marker marker = {.partition_count = 0};
    uint8_t boot_id[16];
    size_t bytes = 8 * (size_t)writer->partition_count;
    file_boot_id(boot_id);
    bool marked = pread(writer->lock_fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
                  file_marker_read(head, &marker) &&
                  marker.partition_count == writer->partition_count &&
                  pread(writer->lock_fd, writer->places, bytes, sizeof head) == (ssize_t)bytes;
    bool same_boot = marked && memcmp(boot_id, marker.boot_id, sizeof boot_id) == 0;
    for (uint32_t p = 0; p < writer->partition_count; p++) {
        uint64_t place = marked ? file_get64(writer->places + 8 * p) : 0;
        file_path path;
        file_path_of(path, writer->dir, p);
        if (writer->may_lack && place == 0 && access(path, F_OK) != 0) {
            continue;
        }
        enum pw_code code =
            file_partition_recover(writer, p, place, same_boot ? place : UINT64_MAX, err);
        if (code != PW_OK) {
            return code;
        }
        file_put64(writer->places + 8 * p, writer->partitions[p].end);
    }
    marker = (struct file_marker){.partition_count = writer->partition_count, .pid = getpid()};
    memcpy(marker.boot_id, boot_id, sizeof boot_id);
    file_marker_write(head, &marker);
    /* The places first: a reader believes them from the moment that the head names this boot. */
    if (!file_write_whole(&system_io, writer->lock_fd, writer->places, bytes, sizeof head) ||
        !file_write_whole(&system_io, writer->lock_fd, head, sizeof head, 0)) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "%s/writer: %s", writer->dir, strerror(errno));
    }
    return PW_OK;
}

/* --- The lock --- */

static enum pw_code locked_out(const struct file_writer *writer, int fd, struct pw_err *err)
{
    uint8_t head[FILE_MARKER_BYTES];
    struct file_marker marker;
    if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head ||
        !file_marker_read(head, &marker)) {
        marker.pid = 0;
    }
    return pw_fail(err, PW_ERR_LEDGER_DOWN,
                   "%s: another process (%lld) writes to it, and one may at a time", writer->dir,
                   (long long)marker.pid);
}

static enum pw_code lock(struct file_writer *writer, struct pw_err *err)
{
    file_path path;
    struct stat open_one;
    struct stat named_one;
    file_marker_path(path, writer->dir);
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) {
            return pw_fail(err, PW_ERR_LEDGER_DOWN, "%s: %s", path, strerror(errno));
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            enum pw_code code = locked_out(writer, fd, err);
            close(fd);
            return code;
        }
        /* It may have been deleted, and made again by another, between the two calls. */
        if (fstat(fd, &open_one) == 0 && stat(path, &named_one) == 0 &&
            open_one.st_dev == named_one.st_dev && open_one.st_ino == named_one.st_ino) {
            writer->lock_fd = fd;
            return PW_OK;
        }
        close(fd);
    }
}

/* --- Shared by the handles of the process --- */

static void writer_free(struct file_writer *writer)
{
    for (uint32_t p = 0; p < writer->partition_count; p++) {
        if (writer->partitions[p].fd >= 0) {
            close(writer->partitions[p].fd);
        }
        free(writer->partitions[p].pending);
    }
    if (writer->lock_fd >= 0) {
        close(writer->lock_fd); /* The lock goes with it. */
    }
    pthread_mutex_destroy(&writer->lock);
    pthread_cond_destroy(&writer->come);
    free(writer->partitions);
    free(writer->places);
    free(writer->dir);
    free(writer);
}

static struct file_writer *writer_new(const struct pw_file_config *config, uint32_t count,
                                      const struct stat *status)
{
    struct file_writer *writer = not_null(calloc(1, sizeof *writer));
    writer->dir = not_null(strdup(config->dir));
    writer->device = status->st_dev;
    writer->inode = status->st_ino;
    writer->io = config->io != NULL ? config->io : &system_io;
    writer->lock_fd = -1;
    writer->may_lack = config->may_lack;
    writer->partition_count = count;
    writer->partitions = not_null(calloc(count, sizeof *writer->partitions));
    writer->places = not_null(calloc(count, 8));
    for (uint32_t p = 0; p < count; p++) {
        writer->partitions[p].fd = -1;
    }
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->come, NULL);
    return writer;
}

static enum pw_code writer_start(struct file_writer *writer, struct pw_err *err)
{
    enum pw_code code = lock(writer, err);
    code = code != PW_OK ? code : recover_all(writer, err);
    if (code == PW_OK && pthread_create(&writer->thread, NULL, file_commit_run, writer) != 0) {
        code = pw_fail(err, PW_ERR_LEDGER_DOWN, "no more threads");
    }
    return code;
}

enum pw_code file_writer_acquire(const struct pw_file_config *config, uint32_t partition_count,
                                 struct file_writer **ret_writer, struct pw_err *err)
{
    struct stat status;
    enum pw_code code = PW_OK;
    if (stat(config->dir, &status) != 0) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "%s: %s", config->dir, strerror(errno));
    }
    pthread_mutex_lock(&writers_lock);
    struct file_writer *writer = writers;
    while (writer != NULL && (writer->device != status.st_dev || writer->inode != status.st_ino)) {
        writer = writer->next;
    }
    if (writer == NULL) {
        writer = writer_new(config, partition_count, &status);
        code = writer_start(writer, err);
        if (code == PW_OK) {
            writer->next = writers;
            writers = writer;
        } else {
            writer_free(writer);
        }
    }
    if (code == PW_OK) {
        writer->handle_count++;
        *ret_writer = writer;
    }
    pthread_mutex_unlock(&writers_lock);
    return code;
}

void file_writer_release(struct file_writer *writer)
{
    pthread_mutex_lock(&writers_lock);
    if (--writer->handle_count == 0) {
        struct file_writer **link = &writers;
        while (*link != writer) {
            link = &(*link)->next;
        }
        *link = writer->next;
        pthread_mutex_lock(&writer->lock);
        writer->closing = true;
        pthread_cond_signal(&writer->come);
        pthread_mutex_unlock(&writer->lock);
        pthread_join(writer->thread, NULL); /* It writes what is queued, and seals. */
        writer_free(writer);
    }
    pthread_mutex_unlock(&writers_lock);
}
