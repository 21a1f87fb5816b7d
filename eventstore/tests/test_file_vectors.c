/* eventstore/tests/test_file_vectors.c: every file of docs/vectors/file is read as its text says. */
#include "eventstore/tests/conformance.h"
#include "eventstore/tests/file_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VECTORS_MIN 20
#define PARTITION   9
#define LINE_BYTES  4096

struct vector {
    char name[256];
    FILE *text;
    char line[LINE_BYTES];
};

/* The next line that a reader of records can see; false at the end. */
static bool next_line(struct vector *vector)
{
    do {
        if (fgets(vector->line, sizeof vector->line, vector->text) == NULL) {
            return false;
        }
        vector->line[strcspn(vector->line, "\n")] = '\0';
    } while (vector->line[0] == '#' || strncmp(vector->line, "header", 6) == 0 ||
             strncmp(vector->line, "skip", 4) == 0 || strncmp(vector->line, "torn", 4) == 0);
    return true;
}

static void expect_line(struct vector *vector, const char *is)
{
    if (!next_line(vector) || strcmp(vector->line, is) != 0) {
        FAIL("%s: %s was read, not %s", vector->name, is, vector->line);
    }
}

static void expect_record(struct vector *vector, const struct pw_ledger_event *event)
{
    char is[LINE_BYTES];
    int bytes = snprintf(is, sizeof is, "record %lld %lld ", (long long)event->offset,
                         (long long)event->broker_at_us);

    CHECK(event->value_bytes < 1000);
    if (event->value == NULL) {
        strcpy(is + bytes, "none");
    } else if (event->value_bytes == 0) {
        strcpy(is + bytes, "empty");
    } else {
        pw_hex_format(event->value, event->value_bytes, is + bytes);
    }
    expect_line(vector, is);
}

/* `damaged PLACE` against a detail that says `.../0009.log, byte PLACE: ...`. */
static void expect_damage(struct vector *vector, const char *detail)
{
    char place[64];

    CHECK(next_line(vector));
    CHECK_EQ(strncmp(vector->line, "damaged ", 8), 0);
    snprintf(place, sizeof place, "/0009.log, byte %s: ", vector->line + 8);
    if (strstr(detail, place) == NULL) {
        FAIL("%s: %s is named, not %s", vector->name, detail, vector->line);
    }
}

/* Reads from the first offset that there is. */
static int64_t first_offset(const struct pw_ledger *ledger)
{
    struct pw_ledger_event event;
    int64_t from = 0;

    CHECK_EQ(ledger->read_from(ledger->self, PARTITION, from, NULL), PW_OK);
    ledger->next(ledger->self, 60000, &event);
    if (event.kind == PW_LEDGER_LOST && event.code == PW_ERR_LEDGER_DIVERGED) {
        CHECK_EQ(sscanf(strstr(event.detail, "begins at offset"), "begins at offset %ld", &from),
                 1);
    }
    return from;
}

static void read_all_of(struct vector *vector, const struct pw_ledger *ledger)
{
    struct pw_ledger_event event;
    char is[64];

    int64_t from = first_offset(ledger);
    CHECK_EQ(ledger->read_from(ledger->self, PARTITION, from, NULL), PW_OK);
    for (;;) {
        ledger->next(ledger->self, 60000, &event);
        switch (event.kind) {
        case PW_LEDGER_RECORD: expect_record(vector, &event); break;
        case PW_LEDGER_END:
            snprintf(is, sizeof is, "end %lld", (long long)event.offset);
            expect_line(vector, is);
            return;
        case PW_LEDGER_LOST: expect_damage(vector, event.detail); return;
        default: FAIL("%s: event of kind %d", vector->name, event.kind);
        }
    }
}

static void copy(const struct file_rig *rig, const char *from)
{
    char data[65536];
    file_path path;

    file_path_of(path, rig->dir, PARTITION);
    int in = open(from, O_RDONLY);
    int out = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    ssize_t bytes = read(in, data, sizeof data);
    CHECK(bytes >= 0 && write(out, data, (size_t)bytes) == bytes);
    close(in);
    close(out);
}

static void check_vector(const char *name)
{
    struct vector vector = {.text = NULL};
    struct file_rig rig;
    struct pw_ledger ledger;
    struct pw_err err = {0};
    char path[512];

    snprintf(vector.name, sizeof vector.name, "%.*s", (int)(strlen(name) - 4), name);
    snprintf(path, sizeof path, "%s/%s.txt", PW_FILE_VECTORS_DIR, vector.name);
    vector.text = fopen(path, "r");
    CHECK(vector.text != NULL);
    file_rig_open(&rig);
    snprintf(path, sizeof path, "%s/%s", PW_FILE_VECTORS_DIR, name);
    copy(&rig, path);
    const struct pw_file_config config = {.dir = rig.dir, .reads_only = true};
    if (pw_file_open(&config, (struct pw_ledger_wake){NULL, NULL}, &ledger, &err) == PW_OK) {
        read_all_of(&vector, &ledger);
        ledger.close(ledger.self);
    } else {
        CHECK_EQ(err.code, PW_ERR_LEDGER_DAMAGED);
        expect_damage(&vector, err.detail);
    }
    CHECK(!next_line(&vector));
    fclose(vector.text);
    file_rig_close(&rig);
}

int main(void)
{
    DIR *dir = opendir(PW_FILE_VECTORS_DIR);
    struct dirent *entry;
    int count = 0;

    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (len > 4 && strcmp(entry->d_name + len - 4, ".log") == 0) {
            check_vector(entry->d_name);
            count++;
        }
    }
    closedir(dir);
    CHECK(count >= VECTORS_MIN);
    printf("%d files are read as they should be\n", count);
    return 0;
}
