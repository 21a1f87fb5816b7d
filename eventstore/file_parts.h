/* eventstore/file_parts.h: what the files of the file adapter share with one another, and with nobody else.
 *
 * file_frame.c    bytes: header, frame, marker, and the judgement on a place where no good frame stands
 * file_cursor.c   walks the frames of one file
 * file_writer.c   the one writer of a process: lock, recovery, appends
 * file_commit.c   its thread: write, sync, report
 * file_reader.c   what a handle reads
 * file.c          the handle: next(), wake, open, close
 * file_create.c   directory and files */
#ifndef PW_EVENTSTORE_FILE_PARTS_H
#define PW_EVENTSTORE_FILE_PARTS_H

#include "eventstore/file.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#define FILE_FORMAT          1
#define FILE_HEADER_BYTES    32
#define FILE_FRAME_BYTES     44
#define FILE_MARKER_BYTES    64 /* Of `writer`, before its places. */
#define FILE_VALUE_BYTES_MAX (64 * 1024 * 1024)
#define FILE_APPEND_MAX      (2 * 1024 * 1024) /* As the topic's max.message.bytes. */

/* --- file_frame.c --- */

enum file_kind { FILE_RECORD = 1, FILE_TOMBSTONE, FILE_SKIP };

struct file_frame {
    enum file_kind kind;
    int64_t offset;
    int64_t appended_at_us;
    uint64_t synced;
    uint32_t value_bytes;
    uint32_t value_crc;
};

void file_header_write(uint8_t ret_header[FILE_HEADER_BYTES], uint32_t partition, uint32_t count);
/* LEDGER_DAMAGED, with the reason. */
enum pw_code file_header_read(const uint8_t header[FILE_HEADER_BYTES], uint32_t partition,
                              uint32_t *ret_count, struct pw_err *err);

void file_frame_write(uint8_t ret_head[FILE_FRAME_BYTES], uint64_t place,
                      const struct file_frame *frame);
/* False unless the head is good at this place; offset and value are not looked at. */
bool file_frame_read(const uint8_t head[FILE_FRAME_BYTES], uint64_t place,
                     struct file_frame *ret_frame);
uint32_t file_crc(const void *data, size_t bytes);

/* No good frame stands at `place`: was it on the disk once? `synced`: what is known besides, or 0. */
bool file_is_damaged(int fd, uint64_t place, uint64_t file_bytes, uint64_t synced);

/* The marker, `writer`: what it says, and how it is written. */
struct file_marker {
    uint32_t partition_count;
    int64_t pid;
    uint8_t boot_id[16];
};
void file_marker_write(uint8_t ret_marker[FILE_MARKER_BYTES], const struct file_marker *marker);
bool file_marker_read(const uint8_t bytes[FILE_MARKER_BYTES], struct file_marker *ret_marker);
void file_boot_id(uint8_t ret_boot_id[16]);

uint64_t file_get64(const uint8_t *at);
void file_put64(uint8_t *at, uint64_t number);

/* --- file_cursor.c --- */

struct file_cursor {
    int fd;
    uint8_t *buffer;
    size_t room;
    size_t bytes;   /* In the buffer, */
    uint64_t begin; /* which begins at this place of the file. */
    uint64_t place; /* Of the next frame. */
    int64_t next;   /* The lowest offset that it may have. */
    int64_t first;  /* Offset of the file's first frame, -1: not seen yet. */
};

enum file_step {
    FILE_STEP_FRAME,
    FILE_STEP_END,  /* At the limit. */
    FILE_STEP_BAD,  /* No good frame stands here. */
    FILE_STEP_ERROR /* errno says why. */
};

void file_cursor_open(struct file_cursor *cursor, int fd); /* Takes the descriptor over. */
void file_cursor_close(struct file_cursor *cursor);
void file_cursor_set(struct file_cursor *cursor, uint64_t place, int64_t next);
/* Takes one frame, none that ends beyond `limit`. Values of frames below `wanted` are passed over unread. *ret_value lives until
 * the next step. */
enum file_step file_cursor_step(struct file_cursor *cursor, uint64_t limit, int64_t wanted,
                                struct file_frame *ret_frame, const uint8_t **ret_value);

/* --- file_create.c --- */

typedef char file_path[PATH_MAX];
void file_path_of(file_path ret_path, const char *dir, uint32_t partition);
void file_marker_path(file_path ret_path, const char *dir);
/* Opens a partition's file and checks its header. errno ENOENT beside SETTING_WRONG: there is none. */
enum pw_code file_partition_open(const char *dir, uint32_t partition, int flags, int *ret_fd,
                                 uint32_t *ret_count, struct pw_err *err);
/* The partition count that the directory's files agree on. */
enum pw_code file_shape(const char *dir, uint32_t *ret_partition_count, struct pw_err *err);
/* LEDGER_DAMAGED. */
enum pw_code file_damage(const char *dir, uint32_t partition, uint64_t place, const char *what,
                         struct pw_err *err);

/* --- file_writer.c, file_commit.c --- */

struct pw_file;

/* One append, from the call until its report was taken. */
struct file_append {
    struct file_append *next;
    struct pw_file *file; /* Who wants the report; NULL: nobody any more. */
    uint32_t partition;
    enum file_kind kind;
    bool has_place; /* offset and appended_at_us are given. */
    int64_t offset;
    int64_t appended_at_us;
    uint64_t tag;
    int error; /* errno; 0: delivered. */
    size_t value_bytes;
    uint8_t value[];
};

struct file_list {
    struct file_append *first;
    struct file_append *last;
};
void file_list_push(struct file_list *list, struct file_append *append);
struct file_append *file_list_pop(struct file_list *list);

/* What the writer knows of a partition's file: its thread's own, once that runs. */
struct file_partition {
    int fd;
    uint64_t end;
    int64_t next;
    bool sealed; /* Nothing was written since the last seal. */
    int error;   /* Of this round's writing. */
    uint8_t *pending;
    size_t pending_bytes;
    size_t pending_room;
    int64_t pending_next;
};

struct file_writer {
    struct file_writer *next; /* Of the process' list. */
    uint32_t handle_count;
    char *dir;
    dev_t device;
    ino_t inode;
    const struct pw_file_io *io;
    int lock_fd;
    bool may_lack;
    uint32_t partition_count;
    struct file_partition *partitions;
    uint8_t *places; /* As they stand in the marker. */
    pthread_t thread;

    pthread_mutex_t lock; /* Guards what follows, and the reports of every handle. */
    pthread_cond_t come;
    struct file_list queue;
    struct file_list batch; /* What the thread has in hands. */
    size_t queue_bytes;
    bool closing;
};

enum pw_code file_writer_acquire(const struct pw_file_config *config, uint32_t partition_count,
                                 struct file_writer **ret_writer, struct pw_err *err);
void file_writer_release(struct file_writer *writer);
enum pw_code file_writer_append(struct file_writer *writer, struct file_append *append,
                                struct pw_err *err);
/* Nobody waits for this handle's appends any more; they may still land. */
void file_writer_forget(struct file_writer *writer, const struct pw_file *file);
/* Brings what is known of a partition into line with its file: cuts a torn tail, syncs. `marked`: what the marker says is synced.
 * `rewrites_from`: what lies beyond is written once more, since it may be in memory only. */
enum pw_code file_partition_recover(struct file_writer *writer, uint32_t partition, uint64_t marked,
                                    uint64_t rewrites_from, struct pw_err *err);
void *file_commit_run(void *writer);
bool file_write_whole(const struct pw_file_io *io, int fd, const void *data, size_t bytes,
                      uint64_t place);
/* Or ends the process. */
void file_sync(const struct pw_file_io *io, int fd, const char *dir, uint32_t partition);

/* --- file_reader.c --- */

struct file_mark {
    int64_t offset; /* No frame before this place has such an offset, or a higher one. */
    uint64_t place;
};

struct file_reading {
    bool on;
    bool is_open;
    bool told_end;
    bool fresh; /* read_from was called: look at the file before anything else. */
    bool is_away;
    bool limit_is_synced; /* A writer said so; else it is the file's length. */
    int64_t looked_at_ms;
    int64_t wanted;
    uint64_t limit; /* Nothing is read beyond. */
    dev_t device;
    ino_t inode;
    struct file_cursor cursor;
    struct file_mark *marks; /* Every FILE_MARK_EVERY bytes, in order. */
    size_t mark_count;
    size_t mark_room;
};

struct pw_file {
    char *dir;
    uint32_t partition_count;
    struct pw_ledger_wake wake;
    struct file_writer *writer; /* NULL: reads only. */
    struct file_list reports;   /* Under the writer's lock. */
    struct file_list taken;     /* Of those, what next() gives one by one. */

    int bell_fd;    /* Rings for next() with a time-out. */
    int inotify_fd; /* -1: not to be had; then it is looked more often. */
    int watch;      /* On the marker, or -1. */
    pthread_t watcher;
    bool has_watcher;
    int stop_fd;
    atomic_uint reading_count;

    struct file_reading *readings;
    uint32_t turn;
    uint32_t turn_left;
    bool reports_first;
    int64_t now_ms;
    uint8_t boot_id[16];
    const uint8_t *marker; /* Mapped, or NULL. */
    size_t marker_bytes;
    dev_t marker_device;
    ino_t marker_inode;
    uint32_t away_count; /* Of the readings. */
    char detail[240];
};

/* So often the files themselves are looked at: whether they were replaced, or grew unnoticed. */
#define FILE_LOOK_MS 100

void file_ring(struct pw_file *file);
void file_reader_close(struct pw_file *file);
bool file_reader_take(struct pw_file *file, struct pw_ledger_event *ret_event);
enum pw_code file_read_from(void *self, uint32_t partition, int64_t offset, struct pw_err *err);
void file_read_stop(void *self, uint32_t partition);
void file_marker_look(struct pw_file *file);

#endif
