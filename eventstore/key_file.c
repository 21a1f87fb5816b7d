/* eventstore/key_file.c: a directory with a file for each key; docs/keys.md, section 4. */
#include "eventstore/key_adapters.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SUFFIX     ".key"
#define NAME_BYTES (PW_ID_TEXT_BYTES + sizeof SUFFIX)
#define ASIDE                                                                                      \
    "new" /* Being written, under the lock; whatever a crash left of one is written over. */

/* A file as a look at the directory found it. What replaces a file has another inode, or, where that number is used again, holds
 * the same key wrapped anew. */
struct found {
    char name[NAME_BYTES];
    ino_t inode;
};

struct names {
    struct found *items; /* In the order of their names. */
    size_t count;
};

struct key_file {
    char *dir;
    int dir_fd;
    struct names given; /* What following has given. */
    struct timespec
        given_at; /* The directory's time then; 0 where it may yet change without a trace. */
};

static enum pw_code down(const struct key_file *file, const char *what, struct pw_err *err)
{
    return pw_fail(err, PW_ERR_LEDGER_DOWN, "%.150s: %s: %s", file->dir, what, strerror(errno));
}

static void name_of(const struct pw_id *key_id, char ret_name[NAME_BYTES])
{
    pw_id_format(key_id, ret_name);
    memcpy(ret_name + PW_ID_TEXT_BYTES, SUFFIX, sizeof SUFFIX);
}

static enum pw_code lock(const struct key_file *file, struct pw_err *err)
{
    while (flock(file->dir_fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            return down(file, "flock", err);
        }
    }
    return PW_OK;
}

static void unlock(const struct key_file *file)
{
    flock(file->dir_fd, LOCK_UN);
}

static bool write_whole(int fd, const uint8_t *data, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t written = pwrite(fd, data + done, bytes - done, (off_t)done);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        done += written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* The file appears whole or not at all. */
static bool replace(const struct key_file *file, const char *name, const uint8_t *value)
{
    int fd =
        openat(file->dir_fd, ASIDE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return false;
    }
    bool good = write_whole(fd, value, PW_KEY_RECORD_BYTES) && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    return good && renameat(file->dir_fd, ASIDE, file->dir_fd, name) == 0 &&
           fsync(file->dir_fd) == 0;
}

static enum pw_code file_put(void *self, const struct pw_id *key_id,
                             const uint8_t value[PW_KEY_RECORD_BYTES], bool again,
                             struct pw_err *err)
{
    const struct key_file *file = self;
    char name[NAME_BYTES];
    name_of(key_id, name);
    enum pw_code code = lock(file, err);
    if (code != PW_OK) {
        return code;
    }
    if (again && faccessat(file->dir_fd, name, F_OK, 0) != 0) {
        code = errno == ENOENT ? pw_fail(err, PW_ERR_NOT_FOUND, "%s is not there any more", name)
                               : down(file, name, err);
    } else if (!replace(file, name, value)) {
        code = down(file, name, err);
    }
    unlock(file);
    return code;
}

static enum pw_code file_put_many(void *self, const struct pw_key_put *puts, size_t count,
                                  struct pw_err *err)
{
    enum pw_code code = PW_OK;
    for (size_t i = 0; code == PW_OK && i < count; i++) {
        code = file_put(self, &puts[i].key_id, puts[i].value, false, err);
    }
    return code;
}

/* Overwritten before it is unlinked: on most disks these are the bytes that were there. */
static bool erase(const struct key_file *file, const char *name)
{
    static const uint8_t zeros[PW_KEY_RECORD_BYTES];
    int fd = openat(file->dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT && fsync(file->dir_fd) == 0;
    }
    bool good = write_whole(fd, zeros, sizeof zeros) && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    return good && unlinkat(file->dir_fd, name, 0) == 0 && fsync(file->dir_fd) == 0;
}

static enum pw_code file_destroy(void *self, const struct pw_id *key_id, struct pw_err *err)
{
    const struct key_file *file = self;
    char name[NAME_BYTES];
    name_of(key_id, name);
    enum pw_code code = lock(file, err);
    if (code != PW_OK) {
        return code;
    }
    code = erase(file, name) ? PW_OK : down(file, name, err);
    unlock(file);
    return code;
}

/* --- Reading --- */

static bool is_key_name(const char *name)
{
    size_t len = strlen(name);
    return len == NAME_BYTES - 1 && strcmp(name + PW_ID_TEXT_BYTES, SUFFIX) == 0;
}

/* Gives one file. A byte more than a record shows that a file is too long. */
static enum pw_code give(const struct key_file *file, const char *name, struct pw_key_entry *entry,
                         const struct pw_key_sink *sink, struct pw_err *err)
{
    uint8_t value[PW_KEY_RECORD_BYTES + 1];
    int fd = openat(file->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return down(file, name, err);
    }
    ssize_t got = pread(fd, value, sizeof value, 0);
    enum pw_code code = got < 0 ? down(file, name, err) : PW_OK;
    close(fd);
    if (code != PW_OK) {
        return code;
    }
    entry->value = value;
    entry->value_bytes = (size_t)got;
    return sink->entry(sink->self, entry, err);
}

static void names_add(struct names *names, size_t *room, const struct dirent *entry)
{
    if (names->count == *room) {
        *room = *room == 0 ? 64 : 2 * *room;
        names->items = realloc(names->items, *room * sizeof *names->items);
        if (names->items == NULL) {
            abort(); /* Without memory the process ends. */
        }
    }
    struct found *found = &names->items[names->count++];
    memcpy(found->name, entry->d_name, NAME_BYTES);
    found->inode = entry->d_ino;
}

static int by_name(const void *a, const void *b)
{
    return memcmp(((const struct found *)a)->name, ((const struct found *)b)->name, NAME_BYTES);
}

static enum pw_code list_names(const struct key_file *file, struct names *names, struct pw_err *err)
{
    size_t room = 0;
    int fd = openat(file->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        enum pw_code failed = down(file, "open", err);
        if (fd >= 0) {
            close(fd);
        }
        return failed;
    }
    struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (is_key_name(entry->d_name)) {
            names_add(names, &room, entry);
        }
    }
    enum pw_code code = errno == 0 ? PW_OK : down(file, "readdir", err);
    closedir(dir);
    if (names->count > 0) {
        qsort(names->items, names->count, sizeof *names->items, by_name);
    }
    return code;
}

/* Gives what is new, or another file than before; and a tombstone for what is gone. */
static enum pw_code give_changes(const struct key_file *file, const struct names *names,
                                 const struct pw_key_sink *sink, struct pw_err *err)
{
    const struct names *given = &file->given;
    struct pw_key_entry entry = {.count = names->count + given->count};
    enum pw_code code = PW_OK;
    size_t old = 0;
    size_t new = 0;
    while (code == PW_OK && (old < given->count || new < names->count)) {
        int order = old == given->count   ? 1
                    : new == names->count ? -1
                                          : by_name(&given->items[old], &names->items[new]);
        bool is_same = order == 0 && given->items[old].inode == names->items[new].inode;
        entry.value = NULL;
        entry.log_key = (struct pw_str){order < 0 ? given->items[old].name : names->items[new].name,
                                        PW_ID_TEXT_BYTES};
        if (order < 0) {
            code = sink->entry(sink->self, &entry, err);
        } else if (!is_same) {
            code = give(file, names->items[new].name, &entry, sink, err);
        }
        entry.number += !is_same;
        old += order <= 0;
        new += order >= 0;
    }
    return code;
}

static bool is_unchanged(const struct key_file *file, const struct stat *status)
{
    return file->given_at.tv_sec != 0 && file->given_at.tv_sec == status->st_mtim.tv_sec &&
           file->given_at.tv_nsec == status->st_mtim.tv_nsec;
}

/* The directory's time tells a change only if it happened in another tick of the clock than the one before; so a time is relied
 * upon once it has passed. */
static struct timespec time_of(const struct stat *status)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec > status->st_mtim.tv_sec + 1 ? status->st_mtim : (struct timespec){0};
}

static enum pw_code follow_locked(struct key_file *file, const struct pw_key_sink *sink,
                                  struct pw_err *err)
{
    struct names names = {.count = 0};
    struct stat status;
    if (fstat(file->dir_fd, &status) != 0) {
        return down(file, "stat", err);
    }
    if (is_unchanged(file, &status)) {
        return PW_OK;
    }
    enum pw_code code = list_names(file, &names, err);
    code = code != PW_OK ? code : give_changes(file, &names, sink, err);
    if (code != PW_OK) {
        free(names.items); /* What was given of it is given again. */
        return code;
    }
    free(file->given.items);
    file->given = names;
    file->given_at = time_of(&status);
    return PW_OK;
}

/* Under the lock: a readdir beside a rename may miss the file, or show a record that is half overwritten. */
static enum pw_code file_follow(void *self, const struct pw_key_sink *sink, struct pw_err *err)
{
    struct key_file *file = self;
    enum pw_code code = lock(file, err);
    if (code == PW_OK) {
        code = follow_locked(file, sink, err);
        unlock(file);
    }
    return code;
}

static enum pw_code file_read(void *self, const struct pw_key_sink *sink, struct pw_err *err)
{
    struct key_file *file = self;
    file->given.count = 0;
    file->given_at = (struct timespec){0};
    return file_follow(self, sink, err);
}

/* --- check, open, close, create --- */

static enum pw_code file_check(void *self, struct pw_err *err)
{
    const struct key_file *file = self;
    struct stat status;
    struct stat named;
    if (fstat(file->dir_fd, &status) != 0) {
        return down(file, "stat", err);
    }
    if (stat(file->dir, &named) != 0 || named.st_ino != status.st_ino ||
        named.st_dev != status.st_dev) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "%s is not the directory any more that was opened",
                       file->dir);
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s has mode %04o, must be 0700", file->dir,
                       (unsigned)(status.st_mode & 07777));
    }
    return PW_OK;
}

static void file_interrupt(void *self)
{
    (void)self; /* Nothing here waits for a server. */
}

static void file_close(void *self)
{
    struct key_file *file = self;
    if (file->dir_fd >= 0) {
        close(file->dir_fd);
    }
    free(file->given.items);
    free(file->dir);
    free(file);
}

enum pw_code pw_key_file_open(const char *dir, struct pw_key_log *ret_log, struct pw_err *err)
{
    struct key_file *file = calloc(1, sizeof *file);
    if (file == NULL || (file->dir = strdup(dir)) == NULL) {
        abort(); /* Without memory the process ends. */
    }
    file->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum pw_code code = PW_OK;
    if (file->dir_fd < 0) {
        bool missing = errno == ENOENT;
        code = pw_fail(err, missing ? PW_ERR_SETTING_WRONG : PW_ERR_LEDGER_DOWN, "%.150s%s%s", dir,
                       missing ? " does not exist: run `proctorwise admin ledger create`" : ": ",
                       missing ? "" : strerror(errno));
    }
    code = code != PW_OK ? code : file_check(file, err);
    if (code != PW_OK) {
        file_close(file);
        return code;
    }
    *ret_log = (struct pw_key_log){
        .self = file,
        .check = file_check,
        .put = file_put,
        .put_many = file_put_many,
        .destroy = file_destroy,
        .read = file_read,
        .follow = file_follow,
        .interrupt = file_interrupt,
        .close = file_close,
    };
    return PW_OK;
}

enum pw_code pw_key_file_create(const char *dir, bool *ret_created, struct pw_err *err)
{
    char parent[4200];
    struct pw_key_log log;
    bool made = mkdir(dir, 0700) == 0;
    if (!made && errno != EEXIST) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%.150s cannot be made: %s", dir,
                       strerror(errno));
    }
    snprintf(parent, sizeof parent, "%.4000s/..", dir);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (!synced) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "%.150s: %s", parent, strerror(errno));
    }
    enum pw_code code = pw_key_file_open(dir, &log, err);
    if (code == PW_OK) {
        log.close(log.self);
        *ret_created = made;
    }
    return code;
}
