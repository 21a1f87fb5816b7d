/* eventstore/tests/test_snapshot_file.c: files that are whole or not there, whatever happened while they were written. */
#include "eventstore/snapshot_file.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static void open_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/pw-snapshot-file-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static uint32_t name_count(void)
{
    uint32_t count = 0;
    DIR *listed = opendir(dir);
    for (struct dirent *entry; (entry = readdir(listed)) != NULL;) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(listed);
    return count;
}

static void close_dir(void)
{
    DIR *listed = opendir(dir);
    for (struct dirent *entry; (entry = readdir(listed)) != NULL;) {
        unlinkat(dirfd(listed), entry->d_name, 0);
    }
    closedir(listed);
    rmdir(dir);
}

TestSuite(snapshot_file, .init = open_dir, .fini = close_dir);

/* `count` bytes that tell their place. */
static enum pw_code put(uint32_t partition, int64_t offset, size_t count)
{
    struct pw_snapshot_writer writer;
    struct pw_err err;
    enum pw_code code = pw_snapshot_file_begin(&writer, dir, partition, offset, &err);
    for (size_t i = 0; code == PW_OK && i < count; i++) {
        uint8_t byte = (uint8_t)(i * 31 + (size_t)offset);
        pw_buffer_append(&writer.buffer, &byte, 1);
    }
    return code == PW_OK ? pw_snapshot_file_end(&writer, &err) : code;
}

static bool holds(uint32_t partition, int64_t offset, size_t count)
{
    struct pw_snapshot_file file;
    struct pw_err err = {0};
    if (pw_snapshot_file_read(dir, partition, offset, &file, &err) != PW_OK) {
        return false;
    }
    bool same = file.content_bytes == count;
    for (size_t i = 0; same && i < count; i++) {
        same = file.content[i] == (uint8_t)(i * 31 + (size_t)offset);
    }
    pw_snapshot_file_close(&file);
    return same;
}

static uint32_t files(uint32_t partition, int64_t offset_max, int64_t ret_offsets[4])
{
    return pw_snapshot_files(dir, partition, offset_max, ret_offsets, 4);
}

Test(snapshot_file, what_is_written_can_be_read)
{
    static const size_t counts[] = {0, 1, 1000, 256 * 1024 - 4, 256 * 1024 - 3, 3000000};
    for (size_t i = 0; i < PW_COUNT(counts); i++) {
        cr_assert_eq(put(7, (int64_t)i, counts[i]), PW_OK);
        cr_expect(holds(7, (int64_t)i, counts[i]), "%zu bytes", counts[i]);
    }
}

Test(snapshot_file, a_piece_larger_than_the_buffer_passes_whole)
{
    struct pw_snapshot_writer writer;
    struct pw_snapshot_file file;
    struct pw_err err;
    static uint8_t piece[700000];
    memset(piece, 5, sizeof piece);
    cr_assert_eq(pw_snapshot_file_begin(&writer, dir, 7, 9, &err), PW_OK);
    pw_buffer_append(&writer.buffer, piece, sizeof piece);
    cr_assert_eq(pw_snapshot_file_end(&writer, &err), PW_OK);
    cr_assert_eq(pw_snapshot_file_read(dir, 7, 9, &file, &err), PW_OK);
    cr_expect(file.content_bytes == sizeof piece && memcmp(file.content, piece, sizeof piece) == 0);
    pw_snapshot_file_close(&file);
}

Test(snapshot_file, two_of_a_partition_are_kept)
{
    int64_t offsets[4];
    for (int64_t offset = 100; offset <= 500; offset += 100) {
        cr_assert_eq(put(7, offset, 10), PW_OK);
    }
    cr_assert_eq(put(8, 50, 10), PW_OK);
    cr_assert_eq(files(7, INT64_MAX, offsets), 2);
    cr_expect(offsets[0] == 500 && offsets[1] == 400);
    cr_expect_eq(files(7, 499, offsets), 1);
    cr_expect_eq(files(7, 399, offsets), 0);
    cr_expect_eq(files(8, INT64_MAX, offsets), 1, "another partition's is its own");
    cr_expect_eq(name_count(), 3);
}

/* Those above were of a ledger that is not there any more. */
Test(snapshot_file, what_lies_above_goes)
{
    int64_t offsets[4];
    cr_assert_eq(put(7, 8000, 10), PW_OK);
    cr_assert_eq(put(7, 9000, 10), PW_OK);
    cr_assert_eq(put(7, 100, 10), PW_OK);
    cr_assert_eq(put(7, 200, 10), PW_OK);
    cr_assert_eq(files(7, INT64_MAX, offsets), 2);
    cr_expect(offsets[0] == 200 && offsets[1] == 100);
}

Test(snapshot_file, the_newest_are_listed_first_however_many_there_are)
{
    int64_t offsets[4];
    for (int64_t i = 0; i < 9; i++) {
        char path[PW_SNAPSHOT_PATH_BYTES];
        char name[PW_SNAPSHOT_NAME_BYTES];
        pw_snapshot_file_name(7, i * 5 % 9, name);
        snprintf(path, sizeof path, "%s/%s", dir, name);
        close(open(path, O_WRONLY | O_CREAT, 0600));
    }
    cr_assert_eq(files(7, INT64_MAX, offsets), 4);
    cr_expect(offsets[0] == 8 && offsets[1] == 7 && offsets[2] == 6 && offsets[3] == 5);
    cr_assert_eq(files(7, 2, offsets), 3);
    cr_expect(offsets[0] == 2 && offsets[2] == 0);
}

Test(snapshot_file, names_of_others_are_no_files)
{
    static const char *const names[] = {"0007-5.snapshot",
                                        "0007-00000000000000000005",
                                        "7-00000000000000000005.snapshot",
                                        ".0007-123",
                                        "notes-5",
                                        "0007--0000000000000000005.snapshot"};
    int64_t offsets[4];
    for (size_t i = 0; i < PW_COUNT(names); i++) {
        char path[PW_SNAPSHOT_PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        close(open(path, O_WRONLY | O_CREAT, 0600));
    }
    cr_expect_eq(files(7, INT64_MAX, offsets), 0);
    cr_expect_eq(pw_snapshot_files("/nonexistent", 7, INT64_MAX, offsets, 4), 0);
}

/* The limit on a file's size ends the writer with a signal in the middle of a write, after every number of bytes. */
static void write_until(rlim_t bytes)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {bytes, bytes};
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGXFSZ, SIG_DFL);
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(put(7, 200, 100) == PW_OK ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
}

Test(snapshot_file, a_crash_in_any_write_leaves_the_one_before)
{
    int64_t offsets[4];
    const size_t whole = 4 + 100 + 32;
    cr_assert_eq(put(7, 100, 50), PW_OK);
    for (size_t bytes = 0; bytes < whole; bytes++) {
        write_until(bytes);
        cr_assert_eq(files(7, INT64_MAX, offsets), 1, "after %zu bytes", bytes);
        cr_assert(holds(7, 100, 50));
    }
    cr_expect_gt(name_count(), 1, "pieces of files that were begun lie about");
    write_until(whole);
    cr_expect(holds(7, 200, 100));
    cr_expect_eq(name_count(), 2, "and are swept away by the next that is whole");
}

/* Between sync and rename the whole file lies aside: it is not believed, since nobody vouched for it. */
Test(snapshot_file, a_crash_before_the_rename_leaves_the_one_before)
{
    struct pw_snapshot_writer writer;
    struct pw_err err;
    int64_t offsets[4];
    cr_assert_eq(put(7, 100, 50), PW_OK);
    cr_assert_eq(pw_snapshot_file_begin(&writer, dir, 7, 200, &err), PW_OK);
    pw_buffer_append(&writer.buffer, "whole", 5);
    pw_buffer_flush(&writer.buffer); /* And here the process ends. */
    close(writer.fd);
    pw_buffer_close(&writer.buffer);
    cr_expect_eq(files(7, INT64_MAX, offsets), 1);
    cr_expect(holds(7, 100, 50));
}

/* A rename that reached the disk without its bytes, after power was lost: the name is there, the SHA-256 is not. */
Test(snapshot_file, a_name_without_its_bytes_is_torn)
{
    static const uint8_t zeros[500];
    char path[PW_SNAPSHOT_PATH_BYTES];
    char name[PW_SNAPSHOT_NAME_BYTES];
    struct pw_snapshot_file file;
    struct pw_err err = {0};
    pw_snapshot_file_name(7, 200, name);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (size_t bytes = 0; bytes <= sizeof zeros; bytes += 100) {
        FILE *torn = fopen(path, "wb");
        cr_assert_eq(fwrite(zeros, 1, bytes, torn), bytes);
        fclose(torn);
        cr_expect_eq(pw_snapshot_file_read(dir, 7, 200, &file, &err), PW_ERR_INTERNAL);
    }
}

Test(snapshot_file, one_that_is_given_up_leaves_nothing)
{
    struct pw_snapshot_writer writer;
    struct pw_err err;
    cr_assert_eq(pw_snapshot_file_begin(&writer, dir, 7, 200, &err), PW_OK);
    pw_snapshot_file_abandon(&writer);
    cr_expect_eq(name_count(), 0);
}

Test(snapshot_file, a_full_disk_is_told_and_leaves_nothing)
{
    struct pw_snapshot_writer writer;
    struct pw_err err = {0};
    cr_assert_eq(pw_snapshot_file_begin(&writer, dir, 7, 200, &err), PW_OK);
    int full = open("/dev/full", O_WRONLY);
    dup2(full, writer.fd);
    close(full);
    pw_buffer_append(&writer.buffer, "bytes", 5);
    cr_expect_eq(pw_snapshot_file_end(&writer, &err), PW_ERR_INTERNAL);
    cr_expect(strstr(err.detail, "No space left") != NULL, "%s", err.detail);
    cr_expect_eq(name_count(), 0);
}
