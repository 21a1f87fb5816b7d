/* api/tests/csv.c: what is CSV, what is not, and what is written. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/csv.h"

/* All rows as one text: fields between `|`, rows on lines; of a faulty row its line and `!`. */
static void shown(const char *text, size_t bytes, char *ret_shown, size_t room)
{
    char *copy = malloc(bytes + 1);
    struct pw_csv csv;
    struct pw_csv_row row;
    FILE *out = fmemopen(ret_shown, room, "w");
    memcpy(copy, text, bytes);
    pw_csv_init(&csv, copy, bytes);
    while (pw_csv_next(&csv, &row)) {
        fprintf(out, "%u:", row.line);
        for (uint32_t i = 0; i < row.count; i++) {
            fprintf(out, "%s%.*s", i > 0 ? "|" : "", (int)row.fields[i].len, row.fields[i].ptr);
        }
        fprintf(out, "%s\n", row.fault != NULL ? "!" : "");
    }
    fclose(out);
    free(copy);
}

#define ROW(name, text, rows)                                                                      \
    {                                                                                              \
        name, text, sizeof(text) - 1, rows                                                         \
    }

static const struct {
    const char *name;
    const char *text;
    size_t bytes;
    const char *rows;
} cases[] = {
    ROW("nothing", "", ""),
    ROW("a BOM and nothing", "\xef\xbb\xbf", ""),
    ROW("plain rows", "a,b\nc,d\n", "1:a|b\n2:c|d\n"),
    ROW("CRLF, and no end of the last line", "a,b\r\nc,d", "1:a|b\n2:c|d\n"),
    ROW("a BOM",
        "\xef\xbb\xbf"
        "a,b\n",
        "1:a|b\n"),
    ROW("a BOM is one at the start only",
        "a\n\xef\xbb\xbf"
        "b\n",
        "1:a\n2:\xef\xbb\xbf"
        "b\n"),
    ROW("empty fields", ",\n,,\n", "1:|\n2:||\n"),
    ROW("a comma at the end of the text", "a,", "1:a|\n"),
    ROW("empty lines", "\n\na\r\n\r\n\nb\n\n", "3:a\n6:b\n"),
    ROW("a row of one empty field in quotes", "\"\"\n", "1:\n"),
    ROW("quotes", "\"a,b\",\"say \"\"no\"\"\"\n", "1:a,b|say \"no\"\n"),
    ROW("a line end in quotes", "\"a\r\nb\",c\nd\n", "1:a\r\nb|c\n3:d\n"),
    ROW("spaces belong to the field", " a , b\n", "1: a | b\n"),
    ROW("a tab is text", "a\tb\n", "1:a\tb\n"),
    ROW("UTF-8", "\xc3\x9crs\xc3\xbcla\n", "1:\xc3\x9crs\xc3\xbcla\n"),
    ROW("a quote inside a field", "a\"b\nc\n", "1:!\n2:c\n"),
    ROW("something behind a closing quote", "\"a\"b,c\nd\n", "1:!\n2:d\n"),
    ROW("a quote that is never closed", "a\n\"b\nc\n", "1:a\n2:!\n"),
    ROW("a CR alone", "a\rb\nc\n", "1:!\n2:c\n"),
    ROW("a CR at the end", "a\r", "1:!\n"),
    ROW("a NUL", "a\0b\nc\n", "1:!\n2:c\n"),
    ROW("an escape", "a\x1b[2J\nc\n", "1:!\n2:c\n"),
    ROW("an escape in quotes", "\"a\x1b[2J\"\nc\n", "1:!\n2:c\n"),
    ROW("what is not UTF-8", "a\xff\nc\n", "1:!\n2:c\n"),
    ROW("sixteen fields", ",,,,,,,,,,,,,,,\n", "1:|||||||||||||||\n"),
    ROW("seventeen fields", ",,,,,,,,,,,,,,,,\nc\n", "1:!\n2:c\n"),
};

Test(csv, reads)
{
    for (size_t i = 0; i < PW_COUNT(cases); i++) {
        char got[512] = "";
        shown(cases[i].text, cases[i].bytes, got, sizeof got);
        cr_expect_str_eq(got, cases[i].rows, "%s: %s", cases[i].name, got);
    }
}

Test(csv, writes)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"ann@uni-graz.example", "ann@uni-graz.example"},
        {"a, b", "\"a, b\""},
        {"say \"no\"", "\"say \"\"no\"\"\""},
        {"a\nb", "\"a\nb\""},
        {"=1+1@x.example", "'=1+1@x.example"},
        {"@SUM(1,2)", "\"'@SUM(1,2)\""},
        {"+1", "'+1"},
        {"-1", "'-1"},
        {"\t=1", "'\t=1"},
        {"\r=1", "\"'\r=1\""},
        {"\n=1", "\"'\n=1\""},
        {"a=b", "a=b"},
    };
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct pw_arena arena;
        struct pw_text got;
        pw_arena_init(&arena, 1024);
        pw_text_init(&got, &arena, 1);
        pw_csv_add(&got, pw_str_of(rows[i][0]));
        cr_expect_str_eq(pw_text_c(&got), rows[i][1]);
        pw_arena_close(&arena);
    }
}
