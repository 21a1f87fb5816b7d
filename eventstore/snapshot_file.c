/* eventstore/snapshot_file.c: written aside, synced, renamed; read back only when whole. */
#define OPENSSL_SUPPRESS_DEPRECATED /* The SHA-256 that takes no lock, for a forked child. */
#include "eventstore/snapshot_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES  4 /* "PWS" and the format. */
#define SHA_BYTES   sizeof(struct pw_hash)
#define CHUNK_BYTES (256 * 1024)
#define NAME_FORMAT "%04" PRIu32 "-%020" PRId64 ".snapshot"
#define ASIDE_START                                                                                \
    ".%04" PRIu32 "-" /* A file that is being written, and whatever a crash left of one. */

static const uint8_t head[HEAD_BYTES] = {'P', 'W', 'S', PW_SNAPSHOT_FORMAT};

static enum pw_code fail(struct pw_err *err, const char *what, int number)
{
    return pw_fail(err, PW_ERR_INTERNAL, "%s: %s", what, strerror(number));
}

void pw_snapshot_file_name(uint32_t partition, int64_t offset,
                           char ret_name[PW_SNAPSHOT_NAME_BYTES])
{
    snprintf(ret_name, PW_SNAPSHOT_NAME_BYTES, NAME_FORMAT, partition, offset);
}

static void path_of(const char *dir, uint32_t partition, int64_t offset,
                    char ret_path[PW_SNAPSHOT_PATH_BYTES])
{
    char name[PW_SNAPSHOT_NAME_BYTES];
    pw_snapshot_file_name(partition, offset, name);
    snprintf(ret_path, PW_SNAPSHOT_PATH_BYTES, "%s/%s", dir, name);
}

static void path_aside(const struct pw_snapshot_writer *writer,
                       char ret_path[PW_SNAPSHOT_PATH_BYTES])
{
    snprintf(ret_path, PW_SNAPSHOT_PATH_BYTES, "%s/" ASIDE_START "%ld", writer->dir,
             writer->partition, (long)getpid());
}

/* --- Writing --- */

static void write_whole(struct pw_snapshot_writer *writer, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    while (bytes > 0 && writer->failed == 0) {
        ssize_t written = write(writer->fd, at, bytes);
        if (written < 0 && errno != EINTR) {
            writer->failed = errno;
        }
        if (written > 0) {
            at += written;
            bytes -= (size_t)written;
        }
    }
}

static void drain(void *self, const void *data, size_t bytes)
{
    struct pw_snapshot_writer *writer = self;
    SHA256_Update(&writer->sha, data, bytes);
    write_whole(writer, data, bytes);
}

enum pw_code pw_snapshot_file_begin(struct pw_snapshot_writer *writer, const char *dir,
                                    uint32_t partition, int64_t offset, struct pw_err *err)
{
    char path[PW_SNAPSHOT_PATH_BYTES];
    *writer = (struct pw_snapshot_writer){.dir = dir, .partition = partition, .offset = offset};
    path_aside(writer, path);
    writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (writer->fd < 0) {
        return fail(err, path, errno);
    }
    pw_buffer_init(&writer->buffer, CHUNK_BYTES);
    writer->buffer.drain = drain;
    writer->buffer.drain_self = writer;
    SHA256_Init(&writer->sha);
    pw_buffer_append(&writer->buffer, head, sizeof head);
    return PW_OK;
}

void pw_snapshot_file_abandon(struct pw_snapshot_writer *writer)
{
    char path[PW_SNAPSHOT_PATH_BYTES];
    path_aside(writer, path);
    unlink(path);
    close(writer->fd);
    pw_buffer_close(&writer->buffer);
}

static int sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    return failed;
}

/* The offset that a name tells; -1 where it is no file of this partition. */
static int64_t offset_of(const char *name, uint32_t partition)
{
    char same[PW_SNAPSHOT_NAME_BYTES];
    const char *dash = strchr(name, '-');
    int64_t offset = dash == NULL ? -1 : strtoll(dash + 1, NULL, 10);
    if (offset < 0) {
        return -1;
    }
    pw_snapshot_file_name(partition, offset, same);
    return strcmp(name, same) == 0 ? offset : -1;
}

/* Best effort: what stays is in nobody's way. */
static void drop_others(const struct pw_snapshot_writer *writer)
{
    int64_t kept[2] = {writer->offset, -1};
    char aside[16];
    snprintf(aside, sizeof aside, ASIDE_START, writer->partition);
    pw_snapshot_files(writer->dir, writer->partition, writer->offset - 1, &kept[1], 1);
    DIR *dir = opendir(writer->dir);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        int64_t offset = offset_of(entry->d_name, writer->partition);
        bool is_old = offset >= 0 && offset != kept[0] && offset != kept[1];
        if (is_old || strncmp(entry->d_name, aside, strlen(aside)) == 0) {
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

enum pw_code pw_snapshot_file_end(struct pw_snapshot_writer *writer, struct pw_err *err)
{
    char aside[PW_SNAPSHOT_PATH_BYTES];
    char path[PW_SNAPSHOT_PATH_BYTES];
    struct pw_hash sha;
    pw_buffer_flush(&writer->buffer);
    SHA256_Final(sha.bytes, &writer->sha);
    write_whole(writer, sha.bytes, sizeof sha.bytes);
    path_aside(writer, aside);
    path_of(writer->dir, writer->partition, writer->offset, path);
    if (writer->failed == 0 && (fsync(writer->fd) != 0 || rename(aside, path) != 0)) {
        writer->failed = errno;
    }
    if (writer->failed != 0) {
        int failed = writer->failed;
        pw_snapshot_file_abandon(writer);
        return fail(err, aside, failed);
    }
    close(writer->fd);
    pw_buffer_close(&writer->buffer);
    int failed = sync_dir(writer->dir);
    if (failed != 0) {
        return fail(err, writer->dir, failed);
    }
    drop_others(writer);
    return PW_OK;
}

/* --- Reading --- */

uint32_t pw_snapshot_files(const char *dir, uint32_t partition, int64_t offset_max,
                           int64_t *ret_offsets, uint32_t room)
{
    uint32_t count = 0;
    DIR *open_dir = opendir(dir);
    for (struct dirent *entry; open_dir != NULL && (entry = readdir(open_dir)) != NULL;) {
        int64_t offset = offset_of(entry->d_name, partition);
        if (offset < 0 || offset > offset_max) {
            continue;
        }
        uint32_t at = count; /* Sorted in, the lowest falling out where there is no room. */
        while (at > 0 && ret_offsets[at - 1] < offset) {
            if (at < room) {
                ret_offsets[at] = ret_offsets[at - 1];
            }
            at--;
        }
        if (at < room) {
            ret_offsets[at] = offset;
            count += count < room;
        }
    }
    if (open_dir != NULL) {
        closedir(open_dir);
    }
    return count;
}

/* Reads all but the last 32 bytes once, by read(): a bad sector is an error here, where in mapped
 * memory it would be the end of the process. */
static enum pw_code hash_file(int fd, size_t bytes, struct pw_hash *ret_hash, struct pw_err *err)
{
    uint8_t *chunk = malloc(CHUNK_BYTES);
    SHA256_CTX sha;
    SHA256_Init(&sha);
    while (chunk != NULL && bytes > 0) {
        ssize_t got = read(fd, chunk, bytes < CHUNK_BYTES ? bytes : CHUNK_BYTES);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            free(chunk);
            return got == 0 ? pw_fail(err, PW_ERR_INTERNAL, "it is torn")
                            : fail(err, "it cannot be read", errno);
        }
        if (got > 0) {
            SHA256_Update(&sha, chunk, (size_t)got);
            bytes -= (size_t)got;
        }
    }
    SHA256_Final(ret_hash->bytes, &sha);
    free(chunk);
    return chunk == NULL ? pw_fail(err, PW_ERR_INTERNAL, "out of memory") : PW_OK;
}

static enum pw_code check(int fd, size_t bytes, struct pw_err *err)
{
    uint8_t start[HEAD_BYTES];
    struct pw_hash told;
    struct pw_hash hash;
    if (pread(fd, start, sizeof start, 0) != sizeof start ||
        pread(fd, told.bytes, SHA_BYTES, (off_t)(bytes - SHA_BYTES)) != SHA_BYTES) {
        return fail(err, "it cannot be read", errno);
    }
    if (memcmp(start, head, HEAD_BYTES - 1) != 0) {
        return pw_fail(err, PW_ERR_INTERNAL, "it is no snapshot");
    }
    if (start[HEAD_BYTES - 1] != PW_SNAPSHOT_FORMAT) {
        return pw_fail(err, PW_ERR_INTERNAL, "it is of format %u, this program reads format %d",
                       start[HEAD_BYTES - 1], PW_SNAPSHOT_FORMAT);
    }
    enum pw_code code = hash_file(fd, bytes - SHA_BYTES, &hash, err);
    if (code == PW_OK && !pw_hash_equal(&told, &hash)) {
        return pw_fail(err, PW_ERR_INTERNAL, "it is torn: its bytes do not have its SHA-256");
    }
    return code;
}

static enum pw_code map_file(int fd, struct pw_snapshot_file *ret_file, struct pw_err *err)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0) {
        return fail(err, "it cannot be read", errno);
    }
    size_t bytes = (size_t)stat.st_size;
    if (bytes < HEAD_BYTES + SHA_BYTES) {
        return pw_fail(err, PW_ERR_INTERNAL, "it is torn: %zu bytes", bytes);
    }
    enum pw_code code = check(fd, bytes, err);
    if (code != PW_OK) {
        return code;
    }
    void *mapped = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED) {
        return fail(err, "it cannot be read", errno);
    }
    *ret_file = (struct pw_snapshot_file){.content = (const uint8_t *)mapped + HEAD_BYTES,
                                          .content_bytes = bytes - HEAD_BYTES - SHA_BYTES,
                                          .mapped = mapped,
                                          .mapped_bytes = bytes};
    return PW_OK;
}

enum pw_code pw_snapshot_file_read(const char *dir, uint32_t partition, int64_t offset,
                                   struct pw_snapshot_file *ret_file, struct pw_err *err)
{
    char path[PW_SNAPSHOT_PATH_BYTES];
    path_of(dir, partition, offset, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(err, "it cannot be read", errno);
    }
    enum pw_code code = map_file(fd, ret_file, err);
    close(fd);
    return code;
}

void pw_snapshot_file_close(struct pw_snapshot_file *file)
{
    munmap(file->mapped, file->mapped_bytes);
}
