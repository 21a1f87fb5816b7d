/* eventstore/tests/test_file.c: files that are torn, damaged, replaced or missing, and what is made of them. */
#include "eventstore/tests/conformance.h"
#include "eventstore/tests/file_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static const struct pw_id ledger_id = {{0x01, 0x92, 0xf1}};
static const struct pw_ledger_wake no_wake = {NULL, NULL};
static const char *const texts[] = {"first of them", "", "the third, which is a bit longer"};

static struct pw_ledger_event next_of(const struct pw_ledger *ledger)
{
    struct pw_ledger_event event;

    ledger->next(ledger->self, PATIENCE_MS, &event);
    return event;
}

static struct pw_ledger_event now_of(const struct pw_ledger *ledger)
{
    struct pw_ledger_event event;

    ledger->next(ledger->self, 0, &event);
    return event;
}

static void read_from(const struct pw_ledger *ledger, uint32_t partition, int64_t offset)
{
    CHECK_EQ(ledger->read_from(ledger->self, partition, offset, NULL), PW_OK);
}

static void expect(const struct pw_ledger *ledger, enum pw_ledger_event_kind kind, int64_t offset)
{
    struct pw_ledger_event event = next_of(ledger);

    if (event.kind != kind || event.offset != offset) {
        FAIL("kind %d, offset %lld came, not %d, %lld (%s)", event.kind, (long long)event.offset,
             kind, (long long)offset, event.detail != NULL ? event.detail : "");
    }
}

/* A ledger of one partition with the genesis and `texts`, closed; gives its file, and where each record ends. A seal comes after
 * the genesis, and one at the end. */
#define RECORD_COUNT (1 + PW_COUNT(texts))
static uint8_t *small_log(const struct file_rig *rig, size_t *ret_bytes, size_t *ret_ends)
{
    file_rig_create(rig, 1, &ledger_id);
    struct pw_ledger ledger = file_rig_handle(rig, false, no_wake);
    for (size_t i = 0; i < PW_COUNT(texts); i++) {
        file_rig_put(&ledger, 0, texts[i], strlen(texts[i]));
    }
    ledger.close(ledger.self);
    uint8_t *data = file_rig_load(rig, 0, ret_bytes);
    size_t place = FILE_HEADER_BYTES;
    size_t count = 0;
    while (place < *ret_bytes) {
        struct file_frame frame;
        CHECK(file_frame_read(data + place, place, &frame));
        place += FILE_FRAME_BYTES + frame.value_bytes;
        if (frame.kind != FILE_SKIP) {
            CHECK(count < RECORD_COUNT);
            ret_ends[count++] = place;
        }
    }
    CHECK_EQ(count, RECORD_COUNT);
    CHECK_EQ(*ret_bytes, ret_ends[count - 1] + FILE_FRAME_BYTES);
    return data;
}

/* Reads all; every record must be what was written. Gives how many, and the last event. */
static int64_t read_small(const struct pw_ledger *ledger, struct pw_ledger_event *ret_last)
{
    int64_t count = 0;

    read_from(ledger, 0, 0);
    for (;;) {
        *ret_last = next_of(ledger);
        if (ret_last->kind != PW_LEDGER_RECORD) {
            return count;
        }
        CHECK_EQ(ret_last->offset, count);
        if (count > 0 && count <= (int64_t)PW_COUNT(texts)) {
            const char *text = texts[count - 1];
            CHECK(ret_last->value_bytes == strlen(text) &&
                  memcmp(ret_last->value, text, strlen(text)) == 0);
        }
        count++;
    }
}

/* How many records end at or before that byte. */
static int64_t whole_records(const size_t *ends, size_t bytes)
{
    int64_t count = 0;

    while (count < (int64_t)RECORD_COUNT && ends[count] <= bytes) {
        count++;
    }
    return count;
}

static void torn_at_every_byte(void)
{
    struct file_rig rig;
    size_t ends[RECORD_COUNT];
    size_t bytes;
    struct pw_ledger_event last;

    file_rig_open(&rig);
    uint8_t *data = small_log(&rig, &bytes, ends);
    struct pw_ledger reader = file_rig_handle(&rig, true, no_wake);
    for (size_t cut = FILE_HEADER_BYTES; cut < bytes; cut++) {
        int64_t whole = whole_records(ends, cut);
        file_rig_store(&rig, 0, data, cut);
        file_rig_unmark(&rig);
        CHECK_EQ(read_small(&reader, &last), whole);
        CHECK_EQ(last.kind, PW_LEDGER_END);
        CHECK_EQ(last.offset, whole);
        /* The next writer cuts, and goes on; a reader follows (in its time, where no marker was). */
        struct pw_ledger writer = file_rig_handle(&rig, false, no_wake);
        CHECK_EQ(file_rig_put(&writer, 0, "later", 5), whole);
        if (cut % 32 == 0) {
            expect(&reader, PW_LEDGER_RECORD, whole);
            expect(&reader, PW_LEDGER_END, whole + 1);
        }
        writer.close(writer.self);
    }
    reader.close(reader.self);
    free(data);
    file_rig_close(&rig);
}

/* A whole head that a writer says was synced is not torn, whatever is missing behind it. */
static void cut_off_where_it_was_synced(void)
{
    struct file_rig rig;
    size_t ends[RECORD_COUNT];
    size_t bytes;
    struct pw_err err = {0};
    struct pw_ledger ledger;
    const struct pw_file_config config = {.dir = rig.dir};

    file_rig_open(&rig);
    uint8_t *data = small_log(&rig, &bytes, ends);
    for (size_t cut = FILE_HEADER_BYTES; cut < bytes; cut++) {
        file_rig_store(&rig, 0, data, cut);
        CHECK_EQ(pw_file_open(&config, no_wake, &ledger, &err), PW_ERR_LEDGER_DAMAGED);
        CHECK(strstr(err.detail, "0000.log, byte ") != NULL);
        size_t now_bytes;
        free(file_rig_load(&rig, 0, &now_bytes));
        CHECK_EQ(now_bytes, cut); /* It is a person who decides. */
    }
    free(data);
    file_rig_close(&rig);
}

static void flipped(const struct file_rig *rig, const struct pw_ledger *reader, const size_t *ends,
                    size_t at, bool marked)
{
    struct pw_ledger_event last;
    struct pw_ledger ledger;
    struct pw_err err = {0};
    const struct pw_file_config reads = {.dir = rig->dir, .reads_only = true};
    const struct pw_file_config writes = {.dir = rig->dir};

    if (at < FILE_HEADER_BYTES) {
        CHECK_EQ(pw_file_open(&reads, no_wake, &ledger, &err), PW_ERR_LEDGER_DAMAGED);
        return;
    }
    bool in_seal = at >= ends[RECORD_COUNT - 1];
    int64_t count = read_small(reader, &last);
    if (in_seal && !marked) {
        CHECK_EQ(last.kind, PW_LEDGER_END);
        CHECK_EQ(count, RECORD_COUNT);
        return;
    }
    CHECK_EQ(last.kind, PW_LEDGER_LOST);
    CHECK_EQ(last.code, PW_ERR_LEDGER_DAMAGED);
    CHECK_EQ(count, whole_records(ends, at)); /* All before it, and nothing after. */
    CHECK_EQ(pw_file_open(&writes, no_wake, &ledger, &err), PW_ERR_LEDGER_DAMAGED);
    CHECK(strstr(err.detail, "0000.log, byte ") != NULL);
    CHECK_EQ(strcmp(err.detail, last.detail), 0);
}

static void flipped_at_every_byte(void)
{
    struct file_rig rig;
    size_t ends[RECORD_COUNT];
    size_t bytes;

    file_rig_open(&rig);
    uint8_t *data = small_log(&rig, &bytes, ends);
    struct pw_ledger reader = file_rig_handle(&rig, true, no_wake);
    for (int marked = 1; marked >= 0; marked--) {
        for (size_t at = 0; at < bytes; at++) {
            uint8_t mask = marked ? (uint8_t)(1 << at % 8) : 0xff;
            data[at] ^= mask;
            file_rig_store(&rig, 0, data, bytes);
            flipped(&rig, &reader, ends, at, marked);
            data[at] ^= mask;
        }
        file_rig_unmark(&rig);
    }
    /* The whole file again: good. */
    file_rig_store(&rig, 0, data, bytes);
    struct pw_ledger ledger = file_rig_handle(&rig, false, no_wake);
    CHECK_EQ(file_rig_put(&ledger, 0, "x", 1), RECORD_COUNT);
    ledger.close(ledger.self);
    reader.close(reader.self);
    free(data);
    file_rig_close(&rig);
}

/* What our writer writes is byte for byte what docs/vectors/file has. */
static void the_bytes_are_those_of_the_page(void)
{
    struct file_rig rig;
    bool made;
    size_t bytes;
    size_t wanted_bytes;
    uint8_t wanted[4096];
    struct file_frame frame;

    int fd = open(PW_FILE_VECTORS_DIR "/003-without-a-seal.log", O_RDONLY);
    CHECK(fd >= 0);
    wanted_bytes = (size_t)read(fd, wanted, sizeof wanted);
    close(fd);
    file_rig_open(&rig);
    CHECK_EQ(pw_file_make(rig.dir, 16, 0, 15, &made, NULL), PW_OK);
    struct pw_ledger ledger = file_rig_handle(&rig, false, no_wake);
    for (size_t place = FILE_HEADER_BYTES; place < wanted_bytes;
         place += FILE_FRAME_BYTES + frame.value_bytes) {
        CHECK(file_frame_read(wanted + place, place, &frame));
        CHECK_EQ(pw_file_append_at(&ledger, 9, frame.offset, frame.appended_at_us,
                                   wanted + place + FILE_FRAME_BYTES, frame.value_bytes, 1, NULL),
                 PW_OK);
        expect(&ledger, PW_LEDGER_DELIVERED, frame.offset);
    }
    uint8_t *data = file_rig_load(&rig, 9, &bytes);
    CHECK_EQ(bytes, wanted_bytes);
    CHECK(memcmp(data, wanted, bytes) == 0);
    free(data);
    ledger.close(ledger.self);
    data = file_rig_load(&rig, 9, &bytes); /* And closed, it is sealed. */
    CHECK_EQ(bytes, wanted_bytes + FILE_FRAME_BYTES);
    CHECK(file_frame_read(data + wanted_bytes, wanted_bytes, &frame));
    CHECK(frame.kind == FILE_SKIP && frame.offset == 3 && frame.synced == wanted_bytes);
    free(data);
    file_rig_close(&rig);
}

static void truncated_and_replaced_under_a_reader(void)
{
    struct file_rig rig;
    size_t ends[RECORD_COUNT];
    size_t bytes;
    struct pw_ledger_event last;
    file_path path;
    char away[PATH_MAX];

    file_rig_open(&rig);
    uint8_t *data = small_log(&rig, &bytes, ends);
    struct pw_ledger reader = file_rig_handle(&rig, true, no_wake);
    file_path_of(path, rig.dir, 0);
    snprintf(away, sizeof away, "%.250s/away", rig.dir);

    CHECK_EQ(read_small(&reader, &last), RECORD_COUNT);
    file_rig_store(&rig, 0, data, ends[1]);
    expect(&reader, PW_LEDGER_LOST, RECORD_COUNT);
    CHECK_EQ(now_of(&reader).kind, PW_LEDGER_NOTHING); /* And reading has stopped. */

    file_rig_store(&rig, 0, data, bytes);
    CHECK_EQ(read_small(&reader, &last), RECORD_COUNT);
    file_rig_delete_before(&rig, 0, 2); /* Another file, with the same end. */
    CHECK_EQ(now_of(&reader).kind, PW_LEDGER_NOTHING);
    read_from(&reader, 0, 1);
    expect(&reader, PW_LEDGER_LOST, 1);
    read_from(&reader, 0, 2);
    expect(&reader, PW_LEDGER_RECORD, 2);
    expect(&reader, PW_LEDGER_RECORD, 3);
    expect(&reader, PW_LEDGER_END, 4);

    CHECK_EQ(rename(path, away), 0);
    last = next_of(&reader);
    CHECK_EQ(last.kind, PW_LEDGER_DOWN);
    CHECK(strstr(last.detail, "0000.log") != NULL);
    reader.next(reader.self, 300, &last);
    CHECK_EQ(last.kind, PW_LEDGER_NOTHING); /* Told once. */
    CHECK_EQ(rename(away, path), 0);
    struct pw_ledger writer;
    file_rig_unmark(&rig);
    writer = file_rig_handle(&rig, false, no_wake);
    CHECK_EQ(file_rig_put(&writer, 0, "x", 1), 4);
    expect(&reader, PW_LEDGER_RECORD, 4); /* By itself. */
    expect(&reader, PW_LEDGER_END, 5);
    writer.close(writer.self);
    reader.close(reader.self);
    free(data);
    file_rig_close(&rig);
}

static void cut_or_robbed_under_a_writer(void)
{
    struct file_rig rig;
    size_t ends[RECORD_COUNT];
    size_t bytes;

    file_rig_open(&rig);
    uint8_t *data = small_log(&rig, &bytes, ends);
    struct pw_ledger writer = file_rig_handle(&rig, false, no_wake);
    file_rig_store(&rig, 0, data,
                   ends[1]); /* What it acknowledged is gone: it adds nothing to that. */
    CHECK_EQ(writer.append(writer.self, 0, (struct pw_str){NULL, 0}, "x", 1, 7, NULL), PW_OK);
    expect(&writer, PW_LEDGER_FAILED, -1);
    file_rig_store(&rig, 0, data, bytes);
    CHECK_EQ(file_rig_put(&writer, 0, "x", 1), RECORD_COUNT);

    file_rig_unmark(&rig); /* With it goes the lock, and another writer may come. */
    CHECK_EQ(writer.append(writer.self, 0, (struct pw_str){NULL, 0}, "x", 1, 8, NULL), PW_OK);
    expect(&writer, PW_LEDGER_FAILED, -1);
    writer.close(writer.self);
    writer = file_rig_handle(&rig, false, no_wake);
    CHECK_EQ(file_rig_put(&writer, 0, "x", 1), RECORD_COUNT + 1);
    writer.close(writer.self);
    free(data);
    file_rig_close(&rig);
}

static void set_marker(const struct file_rig *rig, uint8_t boot_first_byte, uint64_t place)
{
    uint8_t marker[FILE_MARKER_BYTES + 8];
    file_path path;
    struct file_marker says = {.partition_count = 1};

    file_boot_id(says.boot_id);
    says.boot_id[0] ^= boot_first_byte;
    file_marker_write(marker, &says);
    file_put64(marker + FILE_MARKER_BYTES, place);
    file_marker_path(path, rig->dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    CHECK_EQ(pwrite(fd, marker, sizeof marker, 0), sizeof marker);
    close(fd);
}

/* A reader takes a file to end where a writer of this boot says that it is synced. */
static void not_beyond_what_is_synced(void)
{
    struct file_rig rig;
    size_t ends[RECORD_COUNT];
    size_t bytes;
    struct pw_ledger_event last;

    file_rig_open(&rig);
    free(small_log(&rig, &bytes, ends));
    struct pw_ledger reader = file_rig_handle(&rig, true, no_wake);
    set_marker(&rig, 0, ends[1]);
    CHECK_EQ(read_small(&reader, &last), 2);
    CHECK_EQ(last.kind, PW_LEDGER_END);
    set_marker(&rig, 0, ends[2]); /* As the writer does it: in place. */
    expect(&reader, PW_LEDGER_RECORD, 2);
    expect(&reader, PW_LEDGER_END, 3);
    set_marker(&rig, 1, ends[1]); /* Of another boot: what is in the file was read from the disk. */
    CHECK_EQ(read_small(&reader, &last), RECORD_COUNT);
    reader.close(reader.self);
    /* After the same boot the next writer takes the rest over, and syncs it. */
    set_marker(&rig, 0, ends[1]);
    struct pw_ledger writer = file_rig_handle(&rig, false, no_wake);
    CHECK_EQ(file_rig_put(&writer, 0, "x", 1), RECORD_COUNT);
    writer.close(writer.self);
    file_rig_close(&rig);
}

static void created_again_and_in_part(void)
{
    static const struct pw_id other_id = {{0x77}};
    struct file_rig rig;
    struct pw_id id;
    bool created = true;
    struct pw_err err = {0};
    const struct pw_file_config config = {.dir = rig.dir};
    struct pw_ledger_plan plan = {
        .partition_count = 3, .horizon_us = PW_US_PER_MINUTE, .ledger_id = other_id};

    file_rig_open(&rig);
    file_rig_create(&rig, 3, &ledger_id);
    CHECK_EQ(pw_file_create(&config, &plan, &created, &id, &err), PW_OK);
    CHECK(!created && pw_id_equal(&id, &ledger_id));
    file_rig_unlink(&rig, 1); /* As after a kill in the middle. */
    file_rig_unmark(&rig);
    struct pw_ledger ledger;
    CHECK_EQ(pw_file_open(&config, no_wake, &ledger, &err), PW_ERR_SETTING_WRONG);
    CHECK(strstr(err.detail, "0001.log") != NULL);
    ledger = file_rig_handle(&rig, true, no_wake);
    CHECK_EQ(ledger.read_from(ledger.self, 1, 0, &err), PW_ERR_SETTING_WRONG);
    CHECK(strstr(err.detail, "0001.log") != NULL);
    CHECK_EQ(ledger.check(ledger.self, &err), PW_ERR_SETTING_WRONG);
    ledger.close(ledger.self);
    CHECK_EQ(pw_file_create(&config, &plan, &created, &id, &err), PW_OK);
    CHECK(created && pw_id_equal(&id, &ledger_id));
    plan.partition_count = 4;
    CHECK_EQ(pw_file_create(&config, &plan, &created, &id, &err), PW_ERR_SETTING_WRONG);
    file_rig_close(&rig);
    CHECK_EQ(pw_file_open(&config, no_wake, &ledger, &err), PW_ERR_SETTING_WRONG);
}

static void places_of_a_copy(void)
{
    struct file_rig rig;
    bool made;

    file_rig_open(&rig);
    CHECK_EQ(pw_file_make(rig.dir, 4, 0, 3, &made, NULL), PW_OK);
    struct pw_ledger ledger = file_rig_handle(&rig, false, no_wake);
    read_from(&ledger, 2, 0);
    expect(&ledger, PW_LEDGER_END, 0);
    ledger.read_stop(ledger.self, 2);
    CHECK_EQ(pw_file_append_at(&ledger, 2, 0, 5, "a", 1, 1, NULL), PW_OK);
    expect(&ledger, PW_LEDGER_DELIVERED, 0);
    CHECK_EQ(pw_file_append_at(&ledger, 2, 7, -1, NULL, 0, 2, NULL), PW_OK);
    expect(&ledger, PW_LEDGER_DELIVERED, 7);
    CHECK_EQ(pw_file_append_at(&ledger, 2, 7, 5, "a", 1, 3, NULL), PW_OK);
    expect(&ledger, PW_LEDGER_FAILED, -1);
    file_rig_skip(&ledger, 2, 20);
    CHECK_EQ(file_rig_put(&ledger, 2, "b", 1), 20);
    read_from(&ledger, 2, 1);
    struct pw_ledger_event event = next_of(&ledger);
    CHECK(event.kind == PW_LEDGER_RECORD && event.offset == 7 && event.value == NULL);
    CHECK_EQ(event.broker_at_us, -1);
    expect(&ledger, PW_LEDGER_RECORD, 20);
    expect(&ledger, PW_LEDGER_END, 21);
    ledger.close(ledger.self);
    file_rig_close(&rig);
}

/* Long enough for marks: reading begins right at any offset. */
static void read_from_anywhere(void)
{
    enum { COUNT = 3000, VALUE_BYTES = 500 };
    struct file_rig rig;
    uint8_t value[VALUE_BYTES] = {0};

    file_rig_open(&rig);
    file_rig_create(&rig, 1, &ledger_id);
    struct pw_ledger ledger = file_rig_handle(&rig, false, no_wake);
    for (int i = 1; i <= COUNT; i++) {
        memcpy(value, &i, sizeof i);
        CHECK_EQ(pw_file_append_at(&ledger, 0, 2 * i, 1, value, sizeof value, 1, NULL), PW_OK);
    }
    for (int i = 1; i <= COUNT; i++) {
        expect(&ledger, PW_LEDGER_DELIVERED, 2 * i);
    }
    struct pw_ledger reader = file_rig_handle(&rig, true, no_wake);
    for (int i = COUNT; i > 0; i -= 7) {
        read_from(&reader, 0, 2 * i - i % 2); /* In every second case, in a gap. */
        struct pw_ledger_event event = next_of(&reader);
        CHECK_EQ(event.offset, 2 * i);
        CHECK(memcmp(event.value, &i, sizeof i) == 0);
    }
    reader.close(reader.self);
    ledger.close(ledger.self);
    file_rig_close(&rig);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        {"the bytes are those of the page", the_bytes_are_those_of_the_page},
        {"torn at every byte", torn_at_every_byte},
        {"cut off where it was synced", cut_off_where_it_was_synced},
        {"flipped at every byte", flipped_at_every_byte},
        {"truncated and replaced under a reader", truncated_and_replaced_under_a_reader},
        {"cut, or robbed of its lock, under a writer", cut_or_robbed_under_a_writer},
        {"not beyond what is synced", not_beyond_what_is_synced},
        {"created again, and in part", created_again_and_in_part},
        {"places of a copy", places_of_a_copy},
        {"read from anywhere", read_from_anywhere},
    };

    for (size_t i = 0; i < PW_COUNT(cases); i++) {
        printf("%s\n", cases[i].name);
        fflush(stdout);
        cases[i].run();
    }
    return 0;
}
