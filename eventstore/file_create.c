/* eventstore/file_create.c: the directory and its files. */
#include "eventstore/file_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void file_path_of(file_path ret_path, const char *dir, uint32_t partition)
{
    snprintf(ret_path, sizeof(file_path), "%.4000s/%04u.log", dir, partition);
}

void file_marker_path(file_path ret_path, const char *dir)
{
    snprintf(ret_path, sizeof(file_path), "%.4000s/writer", dir);
}

enum pw_code file_damage(const char *dir, uint32_t partition, uint64_t place, const char *what,
                         struct pw_err *err)
{
    return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "%.100s/%04u.log, byte %llu: %s", dir, partition,
                   (unsigned long long)place, what);
}

enum pw_code file_partition_open(const char *dir, uint32_t partition, int flags, int *ret_fd,
                                 uint32_t *ret_count, struct pw_err *err)
{
    uint8_t header[FILE_HEADER_BYTES];
    struct pw_err why = {0};
    file_path path;
    file_path_of(path, dir, partition);
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) {
        int error = errno;
        bool missing = error == ENOENT;
        enum pw_code code = pw_fail(err, missing ? PW_ERR_SETTING_WRONG : PW_ERR_LEDGER_DOWN,
                                    "%.150s %s", path, missing ? "is missing" : strerror(error));
        errno = error;
        return code;
    }
    ssize_t got = pread(fd, header, sizeof header, 0);
    if (got != (ssize_t)sizeof header ||
        file_header_read(header, partition, ret_count, &why) != PW_OK) {
        close(fd);
        return file_damage(dir, partition, 0,
                           got < 0                        ? strerror(errno)
                           : got < (ssize_t)sizeof header ? "the header is not whole"
                                                          : why.detail,
                           err);
    }
    *ret_fd = fd;
    return PW_OK;
}

/* The partition that a name stands for, or -1. */
static int partition_of_name(const char *name)
{
    int partition = 0;
    if (strlen(name) != 8 || strcmp(name + 4, ".log") != 0) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return -1;
        }
        partition = 10 * partition + (name[i] - '0');
    }
    return partition;
}

static enum pw_code shape_add(const char *dir, uint32_t partition, uint32_t *count,
                              struct pw_err *err)
{
    uint32_t found = 0;
    int fd;
    enum pw_code code = file_partition_open(dir, partition, O_RDONLY, &fd, &found, err);
    if (code != PW_OK) {
        return code;
    }
    close(fd);
    if (partition >= found || (*count != 0 && *count != found)) {
        return file_damage(dir, partition, 16, "the partition count is not that of the others",
                           err);
    }
    *count = found;
    return PW_OK;
}

enum pw_code file_shape(const char *dir, uint32_t *ret_partition_count, struct pw_err *err)
{
    uint32_t count = 0;
    enum pw_code code = PW_OK;
    struct dirent *entry;
    DIR *open_dir = opendir(dir);
    if (open_dir == NULL && errno != ENOENT) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "%s: %s", dir, strerror(errno));
    }
    while (open_dir != NULL && code == PW_OK && (entry = readdir(open_dir)) != NULL) {
        int partition = partition_of_name(entry->d_name);
        if (partition >= 0) {
            code = shape_add(dir, (uint32_t)partition, &count, err);
        }
    }
    if (open_dir != NULL) {
        closedir(open_dir);
    }
    if (code == PW_OK && count == 0) {
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "there is no file ledger in %s; admin ledger create makes one", dir);
    }
    if (code == PW_OK) {
        *ret_partition_count = count;
    }
    return code;
}

/* --- Making --- */

/* A name is on the disk once its directory is synced. */
static bool sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return synced;
}

/* The file appears whole or not at all, and never in place of another one. */
static bool make_file(const char *dir, uint32_t partition, uint32_t count, bool *ret_made)
{
    uint8_t header[FILE_HEADER_BYTES];
    file_path path;
    char scratch[PATH_MAX];
    file_path_of(path, dir, partition);
    if (access(path, F_OK) == 0) {
        return true;
    }
    snprintf(scratch, sizeof scratch, "%.4000s/new-XXXXXX", dir);
    int fd = mkostemp(scratch, O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    file_header_write(header, partition, count);
    bool good = fchmod(fd, 0644) == 0 &&
                write(fd, header, sizeof header) == (ssize_t)sizeof header && fsync(fd) == 0;
    if (good && link(scratch, path) == 0) {
        *ret_made = true;
    } else if (good && errno != EEXIST) {
        good = false;
    }
    int error = errno;
    unlink(scratch);
    close(fd);
    errno = error;
    return good;
}

enum pw_code pw_file_make(const char *dir, uint32_t partition_count, uint32_t first, uint32_t last,
                          bool *ret_made, struct pw_err *err)
{
    uint32_t count = 0;
    bool made = false;
    char parent[PATH_MAX];
    assert(partition_count > 0 && partition_count <= PW_PARTITIONS_MAX);
    assert(first <= last && last < partition_count);
    struct pw_err why = {0};
    enum pw_code code = file_shape(dir, &count, &why);
    if (code != PW_OK && code != PW_ERR_SETTING_WRONG) { /* That one: there is none yet. */
        return pw_fail(err, code, "%s", why.detail);
    }
    if (count != 0 && count != partition_count) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s: partitions is %u, must be %u", dir, count,
                       partition_count);
    }
    snprintf(parent, sizeof parent, "%.4000s/..", dir);
    bool good = (mkdir(dir, 0755) == 0 && sync_dir(parent)) || errno == EEXIST;
    for (uint32_t p = first; good && p <= last; p++) {
        good = make_file(dir, p, partition_count, &made);
    }
    good = good && (!made || sync_dir(dir));
    if (!good) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s cannot be made: %s", dir, strerror(errno));
    }
    *ret_made = made;
    return PW_OK;
}

/* Whether all is there is seen by reading, so that a running node is no hindrance. */
static enum pw_code is_complete(const struct pw_file_config *config, bool *ret_complete,
                                struct pw_id *ret_ledger_id, struct pw_err *err)
{
    struct pw_file_config reads = {.dir = config->dir, .reads_only = true};
    struct pw_ledger ledger;
    struct pw_genesis genesis;
    enum pw_code code = pw_file_open(&reads, (struct pw_ledger_wake){NULL, NULL}, &ledger, err);
    if (code != PW_OK) {
        return code;
    }
    code = ledger.check(ledger.self, err);
    code = code != PW_OK ? code : pw_genesis_find(&ledger, &genesis, ret_complete, err);
    ledger.close(ledger.self);
    if (code == PW_OK) {
        *ret_ledger_id = genesis.ledger_id;
    }
    return code;
}

enum pw_code pw_file_create(const struct pw_file_config *config, const struct pw_ledger_plan *plan,
                            bool *ret_created, struct pw_id *ret_ledger_id, struct pw_err *err)
{
    struct pw_file_config writes = {.dir = config->dir, .io = config->io};
    struct pw_ledger ledger;
    bool complete = false;
    bool made = false;
    bool written = false;
    enum pw_code code =
        pw_file_make(config->dir, plan->partition_count, 0, plan->partition_count - 1, &made, err);
    code = code != PW_OK ? code : is_complete(config, &complete, ret_ledger_id, err);
    if (code == PW_OK && !complete) {
        code = pw_file_open(&writes, (struct pw_ledger_wake){NULL, NULL}, &ledger, err);
        if (code == PW_OK) {
            code = pw_genesis_ensure(&ledger, plan, &written, ret_ledger_id, err);
            ledger.close(ledger.self);
        }
    }
    if (code == PW_OK) {
        *ret_created = made || written;
    }
    return code;
}
