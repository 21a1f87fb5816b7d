/* api/fuzz/fuzz_csv.c: any bytes as CSV, and as a roster: never a crash; every field is UTF-8 without control characters, and rows
 * that are written are read back as they were. */
#include <stdlib.h>

#include "api/csv.h"
#include "api/roster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_field(struct pw_str field)
{
    for (size_t i = 0; i < field.len; i++) {
        char c = field.ptr[i];
        if ((c >= 0 && c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f) {
            abort();
        }
    }
    if (!pw_utf8_valid(field)) {
        abort();
    }
}

/* A formula gains an apostrophe, which is no formula. */
static void check_written(struct pw_str field)
{
    struct pw_arena arena;
    struct pw_text text;
    struct pw_csv csv;
    struct pw_csv_row row;
    pw_arena_init(&arena, 64 + 8 * field.len);
    pw_text_init(&text, &arena, 2 + 2 * field.len + 3);
    pw_text_add_c(&text, "x,");
    pw_csv_add(&text, field);
    pw_csv_init(&csv, text.ptr, text.len);
    if (!pw_csv_next(&csv, &row) || row.fault != NULL || row.count != 2) {
        abort();
    }
    size_t more = row.fields[1].len - field.len;
    if (more > 1 || memcmp(row.fields[1].ptr + more, field.ptr, field.len) != 0 ||
        pw_csv_next(&csv, &row)) {
        abort();
    }
    pw_arena_close(&arena);
}

static void check_csv(char *text, size_t bytes)
{
    struct pw_csv csv;
    struct pw_csv_row row;
    uint32_t line = 0;
    pw_csv_init(&csv, text, bytes);
    while (pw_csv_next(&csv, &row)) {
        if (row.line <= line) {
            abort();
        }
        line = row.line;
        for (uint32_t i = 0; i < row.count; i++) {
            check_field(row.fields[i]);
            check_written(row.fields[i]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    struct pw_roster *roster = NULL;
    struct pw_err err = {0};
    memcpy(text, data, bytes);
    check_csv(text, bytes);
    memcpy(text, data, bytes);
    if (pw_roster_read(text, bytes, &roster, &err) == PW_OK && pw_roster_count(roster) == 0) {
        abort();
    }
    pw_roster_free(roster);
    free(text);
    return 0;
}
