/* eventstore/key_file.c: a directory with a file for each key; docs/keys.md, section 4. */
#include "eventstore/key_adapters.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX     ".key"
#define NAME_BYTES (PW_ID_TEXT_BYTES + sizeof SUFFIX)
#define ASIDE                                                                                      \
    "new" /* Being written, under the lock; whatever a crash left of one is written over. */

struct key_file {
    char *dir;
    int dir_fd;
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

/* Gives one file; one that is gone meanwhile was destroyed. A byte more than a record shows that a file is too long. */
static enum pw_code give(const struct key_file *file, const char *name, uint64_t number,
                         uint64_t count, const struct pw_key_sink *sink, struct pw_err *err)
{
    uint8_t value[PW_KEY_RECORD_BYTES + 1];
    int fd = openat(file->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? PW_OK : down(file, name, err);
    }
    ssize_t got = pread(fd, value, sizeof value, 0);
    enum pw_code code = got < 0 ? down(file, name, err) : PW_OK;
    close(fd);
    if (code != PW_OK) {
        return code;
    }
    struct pw_key_entry entry = {
        .log_key = {name, PW_ID_TEXT_BYTES},
        .value = value,
        .value_bytes = (size_t)got,
        .number = number,
        .count = count,
    };
    return sink->entry(sink->self, &entry, err);
}

static uint64_t count_names(DIR *dir)
{
    uint64_t count = 0;
    struct dirent *found;
    while ((found = readdir(dir)) != NULL) {
        count += is_key_name(found->d_name);
    }
    rewinddir(dir);
    return count;
}

static enum pw_code read_names(const struct key_file *file, DIR *dir,
                               const struct pw_key_sink *sink, struct pw_err *err)
{
    uint64_t count = count_names(dir);
    uint64_t number = 0;
    enum pw_code code = PW_OK;
    while (code == PW_OK) {
        errno = 0;
        struct dirent *found = readdir(dir);
        if (found == NULL) {
            return errno == 0 ? PW_OK : down(file, "readdir", err);
        }
        if (is_key_name(found->d_name)) {
            count = count > number ? count : number + 1;
            code = give(file, found->d_name, number, count, sink, err);
            number++;
        }
    }
    return code;
}

/* Under the lock: a readdir beside a rename may miss the file, or show a record that is half overwritten. */
static enum pw_code file_read(void *self, const struct pw_key_sink *sink, struct pw_err *err)
{
    const struct key_file *file = self;
    int fd = openat(file->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        enum pw_code failed = down(file, "open", err);
        if (fd >= 0) {
            close(fd);
        }
        return failed;
    }
    enum pw_code code = lock(file, err);
    if (code == PW_OK) {
        code = read_names(file, dir, sink, err);
        unlock(file);
    }
    closedir(dir);
    return code;
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

static void file_close(void *self)
{
    struct key_file *file = self;
    if (file->dir_fd >= 0) {
        close(file->dir_fd);
    }
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
        .destroy = file_destroy,
        .read = file_read,
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
