/* eventstore/snapshot_file.h: files that are there whole or not at all, two for each partition.
 *
 * Contract  A file holds what was known of a partition after the record at one offset; its name says
 *           both (docs/snapshots.md). It is written aside, synced, renamed, and the directory is
 *           synced: a crash at any moment leaves the files that were there before, or these and the
 *           new one. A SHA-256 at its end tells a torn or spoilt file all the same. When one is
 *           whole, the newest below it stays, and all others of the partition go: what is above it
 *           is not of this log any more.
 * Owner     A writer's buffer is the module's; what is read lives until pw_snapshot_file_close.
 * Threads   No shared state. Nothing here takes a lock that another thread could hold: a child that
 *           was forked out of a process with threads may write.
 * Errors    INTERNAL, with a detail that says what is wrong with the file or the disk: nobody stops
 *           for that. */
#ifndef PW_EVENTSTORE_SNAPSHOT_FILE_H
#define PW_EVENTSTORE_SNAPSHOT_FILE_H

#include <openssl/sha.h>

#include "schemas/errors.h"
#include "schemas/wire.h"

#define PW_SNAPSHOT_FORMAT     1
#define PW_SNAPSHOT_PATH_BYTES 4200

struct pw_snapshot_writer {
    struct pw_buffer buffer; /* What is written here stands in the file, after magic and format. */
    const char *dir;
    uint32_t partition;
    int64_t offset;
    int fd;
    int failed; /* The first errno; 0 while all goes well. */
    SHA256_CTX sha;
};

/* Borrows dir until the end. After PW_OK exactly one of end and abandon follows. */
enum pw_code pw_snapshot_file_begin(struct pw_snapshot_writer *writer, const char *dir,
                                    uint32_t partition, int64_t offset, struct pw_err *err);
enum pw_code pw_snapshot_file_end(struct pw_snapshot_writer *writer, struct pw_err *err);
void pw_snapshot_file_abandon(struct pw_snapshot_writer *writer);

/* The offsets of the partition's files up to offset_max, newest first; gives how many, at most
 * `room`. */
uint32_t pw_snapshot_files(const char *dir, uint32_t partition, int64_t offset_max,
                           int64_t *ret_offsets, uint32_t room);

/* `0003-00000000000000010452.snapshot`, of at most 64 bytes with its NUL. */
#define PW_SNAPSHOT_NAME_BYTES 64
void pw_snapshot_file_name(uint32_t partition, int64_t offset,
                           char ret_name[PW_SNAPSHOT_NAME_BYTES]);

struct pw_snapshot_file {
    const uint8_t *content; /* Between format and SHA-256. */
    size_t content_bytes;
    void *mapped;
    size_t mapped_bytes;
};

/* Checks magic, format and SHA-256. */
enum pw_code pw_snapshot_file_read(const char *dir, uint32_t partition, int64_t offset,
                                   struct pw_snapshot_file *ret_file, struct pw_err *err);
void pw_snapshot_file_close(struct pw_snapshot_file *file);

#endif
