/* eventstore/file.c: a handle: what is told by next(), and what wakes who waits for it. */
#include "eventstore/file_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define BLIND_MS 5 /* Where inotify is not to be had, it is looked so often. */

static void *not_null(void *memory)
{
    if (memory == NULL) {
        abort(); /* Without memory the process ends; nothing acknowledged is lost by that. */
    }
    return memory;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- Waking --- */

void file_ring(struct pw_file *file)
{
    const uint64_t one = 1;
    ssize_t written = write(file->bell_fd, &one, sizeof one);
    (void)written; /* A full counter rings as well. */
    if (file->wake.wake != NULL) {
        file->wake.wake(file->wake.self);
    }
}

static void drain(int fd)
{
    char events[4096];
    while (fd >= 0 && read(fd, events, sizeof events) > 0) {
        /* That something changed is all that counts. */
    }
}

/* Who has a `wake` does not sit in next(): a thread watches the writer's marker for them. */
static void *watch(void *self)
{
    struct pw_file *file = self;
    struct pollfd fds[] = {{.fd = file->stop_fd, .events = POLLIN},
                           {.fd = file->inotify_fd, .events = POLLIN}};
    int wait_ms = file->inotify_fd >= 0 ? FILE_LOOK_MS : BLIND_MS;
    for (;;) {
        poll(fds, 2, wait_ms);
        if (fds[0].revents != 0) {
            return NULL;
        }
        drain(file->inotify_fd);
        if (atomic_load(&file->reading_count) > 0) {
            file_ring(file);
        }
    }
}

/* --- next() --- */

static bool report_take(struct pw_file *file, struct pw_ledger_event *ret_event)
{
    if (file->writer == NULL) {
        return false;
    }
    if (file->taken.first == NULL) {
        pthread_mutex_lock(&file->writer->lock);
        file->taken = file->reports;
        file->reports = (struct file_list){NULL, NULL};
        pthread_mutex_unlock(&file->writer->lock);
    }
    struct file_append *append = file_list_pop(&file->taken);
    if (append == NULL) {
        return false;
    }
    *ret_event = (struct pw_ledger_event){
        .kind = append->error == 0 ? PW_LEDGER_DELIVERED : PW_LEDGER_FAILED,
        .partition = append->partition,
        .offset = append->error == 0 ? append->offset : -1,
        .tag = append->tag,
        .broker_at_us = append->error == 0 ? append->appended_at_us : -1,
    };
    if (append->error != 0) {
        snprintf(file->detail, sizeof file->detail, "%.150s/%04u.log cannot be written: %s",
                 file->dir, append->partition, strerror(append->error));
        ret_event->code = PW_ERR_LEDGER_DOWN;
        ret_event->detail = file->detail;
    }
    free(append);
    return true;
}

/* Each side's turn comes after the other's, so that neither starves. */
static bool take(struct pw_file *file, struct pw_ledger_event *ret_event)
{
    file->now_ms = now_ms();
    file->reports_first = !file->reports_first;
    if (file->reports_first) {
        return report_take(file, ret_event) || file_reader_take(file, ret_event);
    }
    return file_reader_take(file, ret_event) || report_take(file, ret_event);
}

static void wait_for_bell(struct pw_file *file, int64_t left_ms)
{
    struct pollfd fds[] = {{.fd = file->bell_fd, .events = POLLIN},
                           {.fd = file->has_watcher ? -1 : file->inotify_fd, .events = POLLIN}};
    int64_t most_ms = file->inotify_fd >= 0 ? FILE_LOOK_MS : BLIND_MS;
    poll(fds, 2, (int)(left_ms < most_ms ? left_ms : most_ms));
    uint64_t rings;
    ssize_t got = read(file->bell_fd, &rings, sizeof rings);
    (void)got; /* Nothing hangs on the count. */
    if (!file->has_watcher) {
        drain(file->inotify_fd);
    }
}

static void file_next(void *self, int timeout_ms, struct pw_ledger_event *ret_event)
{
    struct pw_file *file = self;
    if (take(file, ret_event)) {
        return;
    }
    int64_t until_ms = file->now_ms + timeout_ms;
    while (timeout_ms > 0 && file->now_ms < until_ms) {
        wait_for_bell(file, until_ms - file->now_ms);
        if (take(file, ret_event)) {
            return;
        }
    }
    *ret_event =
        (struct pw_ledger_event){.kind = PW_LEDGER_NOTHING, .offset = -1, .broker_at_us = -1};
}

/* --- Appending --- */

static enum pw_code append_kind(struct pw_file *file, const struct file_append *wanted,
                                const void *value, struct pw_err *err)
{
    if (file->writer == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "this handle only reads");
    }
    assert(wanted->partition < file->partition_count);
    struct file_append *append = not_null(malloc(sizeof *append + wanted->value_bytes));
    *append = *wanted;
    append->file = file;
    if (wanted->value_bytes > 0) {
        memcpy(append->value, value, wanted->value_bytes);
    }
    enum pw_code code = file_writer_append(file->writer, append, err);
    if (code != PW_OK) {
        free(append);
    }
    return code;
}

static enum pw_code file_append(void *self, uint32_t partition, struct pw_str key_text,
                                const void *value, size_t value_bytes, uint64_t tag,
                                struct pw_err *err)
{
    struct file_append wanted = {
        .partition = partition,
        .kind = value == NULL ? FILE_TOMBSTONE : FILE_RECORD,
        .tag = tag,
        .value_bytes = value_bytes,
    };
    (void)key_text; /* A convenience of Kafka's tools; no rule reads it. */
    if (value_bytes > FILE_APPEND_MAX) {
        return pw_fail(err, PW_ERR_COMMAND_TOO_LARGE, "%zu bytes, and %d are taken", value_bytes,
                       FILE_APPEND_MAX);
    }
    return append_kind(self, &wanted, value, err);
}

static void file_flush(void *self)
{
    (void)self; /* The writer's thread is at work already; what comes while it syncs gathers. */
}

enum pw_code pw_file_append_at(const struct pw_ledger *ledger, uint32_t partition, int64_t offset,
                               int64_t broker_at_us, const void *value, size_t value_bytes,
                               uint64_t tag, struct pw_err *err)
{
    struct file_append wanted = {
        .partition = partition,
        .kind = value == NULL ? FILE_TOMBSTONE : FILE_RECORD,
        .has_place = true,
        .offset = offset,
        .appended_at_us = broker_at_us,
        .tag = tag,
        .value_bytes = value_bytes,
    };
    if (value_bytes > FILE_VALUE_BYTES_MAX) {
        return pw_fail(err, PW_ERR_COMMAND_TOO_LARGE, "%zu bytes, and %d are taken", value_bytes,
                       FILE_VALUE_BYTES_MAX);
    }
    return append_kind(ledger->self, &wanted, value, err);
}

enum pw_code pw_file_skip_to(const struct pw_ledger *ledger, uint32_t partition, int64_t offset,
                             uint64_t tag, struct pw_err *err)
{
    struct file_append wanted = {
        .partition = partition,
        .kind = FILE_SKIP,
        .has_place = true,
        .offset = offset,
        .appended_at_us = -1,
        .tag = tag,
    };
    return append_kind(ledger->self, &wanted, NULL, err);
}

static void list_free(struct file_list *list)
{
    struct file_append *append;
    while ((append = file_list_pop(list)) != NULL) {
        free(append);
    }
}

/* Nothing that was appended until now is heard of again. */
static void give_up(struct pw_file *file)
{
    file_writer_forget(file->writer, file);
    pthread_mutex_lock(&file->writer->lock);
    list_free(&file->reports);
    pthread_mutex_unlock(&file->writer->lock);
    list_free(&file->taken);
}

static enum pw_code file_renew(void *self, struct pw_err *err)
{
    struct pw_file *file = self;
    if (file->writer == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "this handle only reads");
    }
    give_up(file);
    return PW_OK;
}

/* --- check, open, close --- */

/* A lock on a file server's file, and a sync to it, are not what they are here. */
static bool is_on_network(const char *dir)
{
    static const uint32_t types[] = {0x6969 /* NFS */,      0xff534d42 /* CIFS */,
                                     0xfe534d42 /* SMB2 */, 0x01021997 /* 9p */,
                                     0x00c36400 /* Ceph */, 0x5346414f /* AFS */};
    struct statfs status;
    if (statfs(dir, &status) != 0) {
        return false;
    }
    for (size_t i = 0; i < PW_COUNT(types); i++) {
        if ((uint32_t)status.f_type == types[i]) {
            return true;
        }
    }
    return false;
}

static void file_saw(void *self, uint32_t partition, int64_t offset)
{
    (void)self; /* There is one copy: its end is the end. */
    (void)partition;
    (void)offset;
}

static uint64_t file_size(void *self, uint32_t partition)
{
    struct pw_file *file = self;
    file_path path;
    struct stat status;
    file_path_of(path, file->dir, partition);
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static enum pw_code file_check(void *self, struct pw_err *err)
{
    struct pw_file *file = self;
    if (access(file->dir, R_OK | X_OK) != 0) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "%s: %s", file->dir, strerror(errno));
    }
    if (is_on_network(file->dir)) {
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "ledger.dir: %s is on a network file system, and must be on a disk of this "
                       "machine",
                       file->dir);
    }
    for (uint32_t p = 0; p < file->partition_count; p++) {
        uint32_t count = 0;
        int fd;
        enum pw_code code = file_partition_open(file->dir, p, O_RDONLY, &fd, &count, err);
        if (code != PW_OK) {
            return code;
        }
        close(fd);
        if (count != file->partition_count) {
            return pw_fail(err, PW_ERR_SETTING_WRONG,
                           "%s: partitions is %u, must be %u as in other files", file->dir, count,
                           file->partition_count);
        }
    }
    return PW_OK;
}

static void file_close(void *self)
{
    struct pw_file *file = self;
    if (file == NULL) {
        return;
    }
    if (file->has_watcher) {
        const uint64_t one = 1;
        ssize_t written = write(file->stop_fd, &one, sizeof one);
        (void)written; /* An empty counter takes it. */
        pthread_join(file->watcher, NULL);
    }
    if (file->writer != NULL) {
        give_up(file);
        file_writer_release(file->writer);
    }
    file_reader_close(file);
    int fds[] = {file->bell_fd, file->stop_fd, file->inotify_fd};
    for (size_t i = 0; i < PW_COUNT(fds); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    free(file->readings);
    free(file->dir);
    free(file);
}

static enum pw_code open_parts(struct pw_file *file, const struct pw_file_config *config,
                               struct pw_err *err)
{
    enum pw_code code = file_shape(config->dir, &file->partition_count, err);
    if (code != PW_OK) {
        return code;
    }
    file->readings = not_null(calloc(file->partition_count, sizeof *file->readings));
    if (file->bell_fd < 0 || file->stop_fd < 0) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "eventfd: %s", strerror(errno));
    }
    if (!config->reads_only) {
        code = file_writer_acquire(config, file->partition_count, &file->writer, err);
    }
    if (code == PW_OK) {
        file->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        file_marker_look(file);
    }
    if (code == PW_OK && file->wake.wake != NULL) {
        file->has_watcher = pthread_create(&file->watcher, NULL, watch, file) == 0;
        code = file->has_watcher ? PW_OK : pw_fail(err, PW_ERR_LEDGER_DOWN, "no more threads");
    }
    return code;
}

enum pw_code pw_file_open(const struct pw_file_config *config, struct pw_ledger_wake wake,
                          struct pw_ledger *ret_ledger, struct pw_err *err)
{
    struct pw_file *file = not_null(calloc(1, sizeof *file));
    file->dir = not_null(strdup(config->dir));
    file->wake = wake;
    file->watch = -1;
    file->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    file->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    file->inotify_fd = -1;
    file_boot_id(file->boot_id);
    enum pw_code code = open_parts(file, config, err);
    if (code != PW_OK) {
        file_close(file);
        return code;
    }
    *ret_ledger = (struct pw_ledger){
        .self = file,
        .partition_count = file->partition_count,
        .check = file_check,
        .append = file_append,
        .flush = file_flush,
        .read_from = file_read_from,
        .read_stop = file_read_stop,
        .saw = file_saw,
        .size = file_size,
        .next = file_next,
        .renew = file_renew,
        .close = file_close,
    };
    return PW_OK;
}
