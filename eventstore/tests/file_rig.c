#include "eventstore/tests/file_rig.h"

#include "eventstore/tests/conformance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HORIZON_US  (24 * 60 * PW_US_PER_MINUTE)
#define PATIENCE_MS 60000

void file_rig_open(struct file_rig *rig)
{
    const char *base = getenv("TMPDIR");

    if (base == NULL) {
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    snprintf(rig->dir, sizeof rig->dir, "%.200s/pw-file-XXXXXX", base);
    CHECK(mkdtemp(rig->dir) != NULL);
}

void file_rig_close(struct file_rig *rig)
{
    DIR *dir = opendir(rig->dir);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        unlinkat(dirfd(dir), entry->d_name, 0); /* Also tried on . and .., in vain. */
    }
    if (dir != NULL) {
        closedir(dir);
    }
    rmdir(rig->dir);
}

void file_rig_create(const struct file_rig *rig, uint32_t partition_count,
                     const struct pw_id *ledger_id)
{
    const struct pw_file_config config = {.dir = rig->dir};
    const struct pw_ledger_plan plan = {
        .partition_count = partition_count, .horizon_us = HORIZON_US, .ledger_id = *ledger_id};
    struct pw_id created_id;
    struct pw_err err = {0};
    bool created = false;

    if (pw_file_create(&config, &plan, &created, &created_id, &err) != PW_OK) {
        FAIL("pw_file_create: %s", err.detail);
    }
    CHECK(created);
    CHECK(pw_id_equal(&created_id, ledger_id));
}

struct pw_ledger file_rig_handle(const struct file_rig *rig, bool reads_only,
                                 struct pw_ledger_wake wake)
{
    const struct pw_file_config config = {.dir = rig->dir, .reads_only = reads_only};
    struct pw_ledger ledger;
    struct pw_err err = {0};

    if (pw_file_open(&config, wake, &ledger, &err) != PW_OK) {
        FAIL("pw_file_open: %s", err.detail);
    }
    return ledger;
}

static int64_t await_report(const struct pw_ledger *ledger)
{
    struct pw_ledger_event event;

    ledger->next(ledger->self, PATIENCE_MS, &event);
    if (event.kind != PW_LEDGER_DELIVERED) {
        FAIL("event of kind %d (%s)", event.kind, event.detail != NULL ? event.detail : "");
    }
    return event.offset;
}

int64_t file_rig_put(const struct pw_ledger *ledger, uint32_t partition, const void *value,
                     size_t value_bytes)
{
    CHECK_EQ(ledger->append(ledger->self, partition, (struct pw_str){NULL, 0}, value, value_bytes,
                            1, NULL),
             PW_OK);
    return await_report(ledger);
}

void file_rig_skip(const struct pw_ledger *ledger, uint32_t partition, int64_t offset)
{
    CHECK_EQ(pw_file_skip_to(ledger, partition, offset, 1, NULL), PW_OK);
    CHECK_EQ(await_report(ledger), offset);
}

void file_rig_delete_before(const struct file_rig *rig, uint32_t partition, int64_t offset)
{
    struct file_cursor cursor;
    struct file_frame frame;
    struct stat status;
    const uint8_t *value;
    uint8_t head[FILE_FRAME_BYTES];
    uint64_t place = FILE_HEADER_BYTES;
    file_path path;
    char scratch[PATH_MAX];

    file_path_of(path, rig->dir, partition);
    snprintf(scratch, sizeof scratch, "%.250s/shorter", rig->dir);
    int fd = open(path, O_RDONLY);
    int to = open(scratch, O_RDWR | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && to >= 0 && fstat(fd, &status) == 0);
    CHECK_EQ(pread(fd, head, FILE_HEADER_BYTES, 0), FILE_HEADER_BYTES);
    CHECK_EQ(write(to, head, FILE_HEADER_BYTES), FILE_HEADER_BYTES);
    file_cursor_open(&cursor, fd);
    while (file_cursor_step(&cursor, (uint64_t)status.st_size, 0, &frame, &value) ==
           FILE_STEP_FRAME) {
        if (frame.offset < offset) {
            continue;
        }
        frame.synced = place;
        file_frame_write(head, place, &frame);
        CHECK_EQ(write(to, head, sizeof head), sizeof head);
        CHECK_EQ(write(to, value, frame.value_bytes), frame.value_bytes);
        place += FILE_FRAME_BYTES + frame.value_bytes;
    }
    file_cursor_close(&cursor);
    CHECK(close(to) == 0 && rename(scratch, path) == 0);
}

void file_rig_unlink(const struct file_rig *rig, uint32_t partition)
{
    file_path path;

    file_path_of(path, rig->dir, partition);
    CHECK_EQ(unlink(path), 0);
}

uint8_t *file_rig_load(const struct file_rig *rig, uint32_t partition, size_t *ret_bytes)
{
    struct stat status;
    file_path path;

    file_path_of(path, rig->dir, partition);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && fstat(fd, &status) == 0);
    uint8_t *data = malloc((size_t)status.st_size + 1);
    CHECK(data != NULL);
    CHECK_EQ(read(fd, data, (size_t)status.st_size), status.st_size);
    close(fd);
    *ret_bytes = (size_t)status.st_size;
    return data;
}

void file_rig_store(const struct file_rig *rig, uint32_t partition, const void *data, size_t bytes)
{
    file_path path;

    file_path_of(path, rig->dir, partition);
    int fd = open(path, O_WRONLY);
    CHECK(fd >= 0);
    CHECK_EQ(pwrite(fd, data, bytes, 0), bytes);
    CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
}

void file_rig_unmark(const struct file_rig *rig)
{
    file_path path;

    file_marker_path(path, rig->dir);
    CHECK(unlink(path) == 0 || errno == ENOENT);
}
