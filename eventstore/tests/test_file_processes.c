/* eventstore/tests/test_file_processes.c: writers that are killed, disks that fail, and processes side by side. */
#include "eventstore/tests/conformance.h"
#include "eventstore/tests/file_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static const struct pw_id ledger_id = {{0x01, 0x92, 0xf2}};
static const struct pw_ledger_wake no_wake = {NULL, NULL};

static struct pw_ledger_event next_of(const struct pw_ledger *ledger)
{
    struct pw_ledger_event event;

    ledger->next(ledger->self, PATIENCE_MS, &event);
    return event;
}

/* --- A disk that fails --- */

struct disk {
    struct pw_file_io io;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    int writes_until_full; /* -1: never. */
    int syncs_until_bad;
    bool holds_syncs;
};

static ssize_t disk_pwrite(void *self, int fd, const void *data, size_t bytes, off_t place)
{
    struct disk *disk = self;

    if (disk->writes_until_full == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (disk->writes_until_full > 0 && --disk->writes_until_full == 0) {
        bytes = (bytes + 1) / 2; /* Half of it still finds room. */
    }
    return pwrite(fd, data, bytes, place);
}

static int disk_fdatasync(void *self, int fd)
{
    struct disk *disk = self;

    pthread_mutex_lock(&disk->lock);
    while (disk->holds_syncs) {
        pthread_cond_wait(&disk->freed, &disk->lock);
    }
    bool bad = disk->syncs_until_bad >= 0 && disk->syncs_until_bad-- == 0;
    pthread_mutex_unlock(&disk->lock);
    if (bad) {
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

static void disk_init(struct disk *disk)
{
    *disk = (struct disk){
        .io = {disk, disk_pwrite, disk_fdatasync}, .writes_until_full = -1, .syncs_until_bad = -1};
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->freed, NULL);
}

static struct pw_ledger handle_on(const struct file_rig *rig, struct disk *disk)
{
    const struct pw_file_config config = {.dir = rig->dir, .io = &disk->io};
    struct pw_ledger ledger;
    struct pw_err err = {0};

    if (pw_file_open(&config, no_wake, &ledger, &err) != PW_OK) {
        FAIL("pw_file_open: %s", err.detail);
    }
    return ledger;
}

static void append_text(const struct pw_ledger *ledger, const char *text)
{
    CHECK_EQ(ledger->append(ledger->self, 0, (struct pw_str){NULL, 0}, text, strlen(text), 1, NULL),
             PW_OK);
}

static void a_write_that_fails_leaves_nothing(void)
{
    struct file_rig rig;
    struct disk disk;
    size_t before;
    size_t after;

    file_rig_open(&rig);
    file_rig_create(&rig, 1, &ledger_id);
    disk_init(&disk);
    struct pw_ledger ledger = handle_on(&rig, &disk);
    CHECK_EQ(file_rig_put(&ledger, 0, "one", 3), 1);
    for (int writes = 0; writes < 2; writes++) {
        free(file_rig_load(&rig, 0, &before));
        disk.writes_until_full = writes;
        append_text(&ledger, "what finds no room");
        struct pw_ledger_event event = next_of(&ledger);
        CHECK_EQ(event.kind, PW_LEDGER_FAILED);
        CHECK_EQ(event.code, PW_ERR_LEDGER_DOWN);
        CHECK(strstr(event.detail, "0000.log") != NULL);
        free(file_rig_load(&rig, 0, &after));
        CHECK_EQ(after, before);
        disk.writes_until_full = -1;
        CHECK_EQ(file_rig_put(&ledger, 0, "two", 3), 2 + writes);
    }
    ledger.close(ledger.self);
    file_rig_close(&rig);
}

/* What the child says on its standard error, and how it ends. */
static int ended(pid_t child, int err_fd, char *ret_text, size_t room)
{
    int status = 0;
    size_t bytes = 0;
    ssize_t got;

    while ((got = read(err_fd, ret_text + bytes, room - 1 - bytes)) > 0) {
        bytes += (size_t)got;
    }
    ret_text[bytes] = '\0';
    close(err_fd);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void a_sync_that_fails_ends_the_process(void)
{
    struct file_rig rig;
    char said[1024];

    file_rig_open(&rig);
    file_rig_create(&rig, 1, &ledger_id);
    for (int syncs = 1; syncs < 5; syncs++) { /* The first is that of the recovery. */
        int err_pipe[2];
        int ack_pipe[2];
        CHECK(pipe(err_pipe) == 0 && pipe(ack_pipe) == 0);
        pid_t child = fork();
        if (child == 0) {
            struct disk disk;
            dup2(err_pipe[1], STDERR_FILENO);
            close(err_pipe[1]);
            disk_init(&disk);
            disk.syncs_until_bad = syncs;
            struct pw_ledger ledger = handle_on(&rig, &disk);
            for (;;) {
                int64_t offset = file_rig_put(&ledger, 0, "x", 1);
                CHECK_EQ(write(ack_pipe[1], &offset, sizeof offset), sizeof offset);
            }
        }
        close(err_pipe[1]);
        close(ack_pipe[1]);
        int status = ended(child, err_pipe[0], said, sizeof said);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), PW_FILE_EXIT);
        CHECK(strstr(said, "0000.log: fdatasync: Input/output error") != NULL);
        int64_t offset = 0;
        int acks = 0;
        while (read(ack_pipe[0], &offset, sizeof offset) == (ssize_t)sizeof offset) {
            acks++;
        }
        close(ack_pipe[0]);
        CHECK_EQ(acks, syncs - 1);
        struct pw_ledger ledger = file_rig_handle(&rig, false, no_wake);
        CHECK(acks == 0 || file_rig_put(&ledger, 0, "y", 1) > offset);
        ledger.close(ledger.self);
    }
    file_rig_close(&rig);
}

static void a_reader_sees_what_is_synced(void)
{
    struct file_rig rig;
    struct disk disk;
    struct pw_ledger_event event;
    size_t before;
    size_t after;

    file_rig_open(&rig);
    file_rig_create(&rig, 1, &ledger_id);
    disk_init(&disk);
    struct pw_ledger writer = handle_on(&rig, &disk);
    struct pw_ledger reader = file_rig_handle(&rig, true, no_wake);
    CHECK_EQ(reader.read_from(reader.self, 0, 1, NULL), PW_OK);
    CHECK_EQ(next_of(&reader).kind, PW_LEDGER_END);
    free(file_rig_load(&rig, 0, &before));
    disk.holds_syncs = true;
    append_text(&writer, "written");
    do { /* Until it stands in the file. */
        free(file_rig_load(&rig, 0, &after));
    } while (after == before);
    reader.next(reader.self, 0, &event);
    CHECK_EQ(event.kind, PW_LEDGER_NOTHING);
    CHECK_EQ(reader.read_from(reader.self, 0, 1, NULL), PW_OK);
    CHECK_EQ(next_of(&reader).kind, PW_LEDGER_END);
    writer.next(writer.self, 0, &event);
    CHECK_EQ(event.kind, PW_LEDGER_NOTHING);
    pthread_mutex_lock(&disk.lock);
    disk.holds_syncs = false;
    pthread_cond_signal(&disk.freed);
    pthread_mutex_unlock(&disk.lock);
    CHECK_EQ(next_of(&writer).kind, PW_LEDGER_DELIVERED);
    CHECK_EQ(next_of(&reader).kind, PW_LEDGER_RECORD);
    reader.close(reader.self);
    writer.close(writer.self);
    file_rig_close(&rig);
}

/* --- Processes --- */

struct acknowledged {
    uint32_t partition;
    int64_t offset;
    uint64_t number;
};

/* Appends numbers to both partitions, 32 in flight, and tells the parent of each that is acknowledged. */
static void write_for_ever(const struct file_rig *rig, int fd, uint64_t number)
{
    struct pw_ledger ledger = file_rig_handle(rig, false, no_wake);
    char value[300];
    int in_flight = 0;

    for (;; number++) {
        memset(value, (int)(number % 251), sizeof value);
        memcpy(value, &number, sizeof number);
        CHECK_EQ(ledger.append(ledger.self, number % 2, (struct pw_str){NULL, 0}, value,
                               20 + number % 280, number, NULL),
                 PW_OK);
        for (in_flight++; in_flight >= 32; in_flight--) {
            struct pw_ledger_event event = next_of(&ledger);
            CHECK_EQ(event.kind, PW_LEDGER_DELIVERED);
            struct acknowledged told = {event.partition, event.offset, event.tag};
            CHECK_EQ(write(fd, &told, sizeof told), sizeof told);
        }
    }
}

/* All that was acknowledged lies where it was said to. */
static void check_acknowledged(const struct file_rig *rig, const struct acknowledged *all,
                               size_t count)
{
    struct pw_ledger ledger = file_rig_handle(rig, true, no_wake);

    for (uint32_t partition = 0; partition < 2; partition++) {
        size_t i = 0;
        CHECK_EQ(ledger.read_from(ledger.self, partition, 1, NULL), PW_OK);
        for (;;) {
            struct pw_ledger_event event = next_of(&ledger);
            if (event.kind == PW_LEDGER_END) {
                break;
            }
            CHECK_EQ(event.kind, PW_LEDGER_RECORD);
            while (i < count && (all[i].partition != partition || all[i].offset < event.offset)) {
                CHECK(all[i].partition != partition); /* One was passed over. */
                i++;
            }
            if (i < count && all[i].offset == event.offset) {
                CHECK(memcmp(event.value, &all[i].number, 8) == 0);
                CHECK_EQ(event.value_bytes, 20 + all[i].number % 280);
                i++;
            }
        }
        while (i < count) {
            CHECK(all[i++].partition != partition);
        }
        ledger.read_stop(ledger.self, partition);
    }
    ledger.close(ledger.self);
}

static void killed_in_the_middle(void)
{
    enum { ROUNDS = 25, ACKS_MAX = 100000 };
    struct file_rig rig;
    struct acknowledged *all = calloc(ACKS_MAX, sizeof *all);
    size_t count = 0;

    CHECK(all != NULL);
    file_rig_open(&rig);
    file_rig_create(&rig, 2, &ledger_id);
    for (int round = 0; round < ROUNDS; round++) {
        int pipes[2];
        CHECK_EQ(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0) {
            close(pipes[0]);
            write_for_ever(&rig, pipes[1], (uint64_t)round << 32);
        }
        close(pipes[1]);
        size_t until = count + 20 + (size_t)round * 13;
        while (read(pipes[0], &all[count], sizeof *all) == (ssize_t)sizeof *all) {
            if (++count == until) {
                kill(child, SIGKILL);
            }
            CHECK(count < ACKS_MAX);
        }
        close(pipes[0]);
        CHECK_EQ(waitpid(child, NULL, 0), child);
        check_acknowledged(&rig, all, count); /* Before the next writer, */
        struct pw_ledger ledger = file_rig_handle(&rig, false, no_wake);
        ledger.close(ledger.self);
        check_acknowledged(&rig, all, count); /* and after it. */
    }
    printf("    %zu acknowledged in %d lives\n", count, ROUNDS);
    free(all);
    file_rig_close(&rig);
}

static void one_writer_and_its_readers(void)
{
    struct file_rig rig;
    int ready[2];
    char byte;
    struct pw_ledger ledger;
    struct pw_err err = {0};
    char pid_text[32];
    const struct pw_file_config config = {.dir = rig.dir};

    file_rig_open(&rig);
    file_rig_create(&rig, 1, &ledger_id);
    struct pw_ledger reader = file_rig_handle(&rig, true, no_wake);
    CHECK_EQ(reader.append(reader.self, 0, (struct pw_str){NULL, 0}, "x", 1, 1, &err),
             PW_ERR_LEDGER_DOWN);
    CHECK_EQ(reader.renew(reader.self, &err), PW_ERR_LEDGER_DOWN);
    CHECK_EQ(reader.read_from(reader.self, 0, 1, NULL), PW_OK);
    CHECK_EQ(next_of(&reader).kind, PW_LEDGER_END);
    CHECK_EQ(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct pw_ledger writer = file_rig_handle(&rig, false, no_wake);
        CHECK_EQ(write(ready[1], "x", 1), 1);
        for (int64_t i = 1;; i++) {
            CHECK_EQ(file_rig_put(&writer, 0, "of the other process", 20), i);
        }
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    CHECK_EQ(pw_file_open(&config, no_wake, &ledger, &err), PW_ERR_LEDGER_DOWN);
    snprintf(pid_text, sizeof pid_text, "(%d)", child);
    if (strstr(err.detail, pid_text) == NULL) {
        FAIL("%s does not name process %s", err.detail, pid_text);
    }
    for (int64_t next = 1; next < 200;) {
        struct pw_ledger_event event = next_of(&reader);
        CHECK(event.kind == PW_LEDGER_RECORD || event.kind == PW_LEDGER_END);
        CHECK_EQ(event.offset, next);
        next += event.kind == PW_LEDGER_RECORD;
    }
    kill(child, SIGKILL);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    close(ready[0]);
    close(ready[1]);
    CHECK_EQ(pw_file_open(&config, no_wake, &ledger, &err), PW_OK);
    ledger.close(ledger.self);
    reader.close(reader.self);
    file_rig_close(&rig);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        /* Those that fork come first: a thread of ours would not come along. */
        {"killed in the middle", killed_in_the_middle},
        {"one writer and its readers", one_writer_and_its_readers},
        {"a sync that fails ends the process", a_sync_that_fails_ends_the_process},
        {"a write that fails leaves nothing", a_write_that_fails_leaves_nothing},
        {"a reader sees what is synced", a_reader_sees_what_is_synced},
    };

    for (size_t i = 0; i < PW_COUNT(cases); i++) {
        printf("%s\n", cases[i].name);
        fflush(stdout);
        cases[i].run();
    }
    return 0;
}
