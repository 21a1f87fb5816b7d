/* api/csv.c: CSV, read strictly and written safely. */
#include "api/csv.h"

void pw_csv_init(struct pw_csv *csv, char *text, size_t bytes)
{
    bool has_bom = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    *csv = (struct pw_csv){.at = text + (has_bom ? 3 : 0), .end = text + bytes, .line = 1};
}

/* --- Reading: what is left of the text begins at csv->at --- */

static bool stands_at(const struct pw_csv *csv, char c)
{
    return csv->at < csv->end && *csv->at == c;
}

static bool takes_line_end(struct pw_csv *csv)
{
    size_t bytes = stands_at(csv, '\n') ? 1 : 0;
    if (stands_at(csv, '\r') && csv->at + 1 < csv->end && csv->at[1] == '\n') {
        bytes = 2;
    }
    csv->at += bytes;
    csv->line += bytes > 0 ? 1 : 0;
    return bytes > 0;
}

static bool is_control(char c)
{
    return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f;
}

/* Up to a comma or a line end, which stays. */
static const char *read_plain(struct pw_csv *csv, struct pw_str *ret_field)
{
    const char *start = csv->at;
    while (csv->at < csv->end && *csv->at != ',' && *csv->at != '\n' && *csv->at != '\r') {
        if (*csv->at == '"') {
            return "a double quote stands inside a field that does not begin with one";
        }
        if (is_control(*csv->at)) {
            return "holds a control character";
        }
        csv->at++;
    }
    *ret_field = (struct pw_str){start, (size_t)(csv->at - start)};
    return NULL;
}

/* Up to behind the closing quote. What it means is never longer than how it was written, so it is written over that. */
static const char *read_quoted(struct pw_csv *csv, struct pw_str *ret_field)
{
    char *start = ++csv->at;
    char *to = start;
    while (csv->at < csv->end) {
        if (*csv->at == '"') {
            csv->at++;
            if (!stands_at(csv, '"')) {
                *ret_field = (struct pw_str){start, (size_t)(to - start)};
                return NULL;
            }
        } else if (*csv->at == '\n') {
            csv->line++;
        } else if (is_control(*csv->at) && *csv->at != '\r') {
            return "holds a control character";
        }
        *to++ = *csv->at++;
    }
    return "a double quote is opened and never closed";
}

static const char *read_field(struct pw_csv *csv, struct pw_csv_row *row)
{
    struct pw_str field = {NULL, 0};
    if (row->count == PW_CSV_FIELDS_MAX) {
        return "has too many fields";
    }
    const char *fault = stands_at(csv, '"') ? read_quoted(csv, &field) : read_plain(csv, &field);
    if (fault == NULL && !pw_utf8_valid(field)) {
        fault = "is not UTF-8";
    }
    row->fields[row->count++] = field;
    return fault;
}

static const char *read_row(struct pw_csv *csv, struct pw_csv_row *row)
{
    for (;;) {
        const char *fault = read_field(csv, row);
        if (fault != NULL) {
            return fault;
        }
        if (stands_at(csv, ',')) {
            csv->at++;
        } else if (csv->at == csv->end || takes_line_end(csv)) {
            return NULL;
        } else {
            return stands_at(csv, '\r') ? "has a carriage return without a line feed"
                                        : "has something between a closing quote and the comma";
        }
    }
}

static void skip_line(struct pw_csv *csv)
{
    char *line_end = memchr(csv->at, '\n', (size_t)(csv->end - csv->at));
    csv->at = line_end != NULL ? line_end + 1 : csv->end;
    csv->line++;
}

bool pw_csv_next(struct pw_csv *csv, struct pw_csv_row *ret_row)
{
    while (takes_line_end(csv)) {
    }
    if (csv->at == csv->end) {
        return false;
    }
    *ret_row = (struct pw_csv_row){.line = csv->line};
    ret_row->fault = read_row(csv, ret_row);
    if (ret_row->fault != NULL) {
        ret_row->count = 0;
        skip_line(csv);
    }
    return true;
}

/* --- Writing --- */

static bool is_formula(struct pw_str field)
{
    return field.len > 0 && memchr("=+-@\t\r\n", field.ptr[0], 7) != NULL;
}

static bool needs_quotes(struct pw_str field)
{
    for (size_t i = 0; i < field.len; i++) {
        if (memchr(",\"\r\n", field.ptr[i], 4) != NULL) {
            return true;
        }
    }
    return false;
}

void pw_csv_add(struct pw_text *text, struct pw_str field)
{
    const char *quote = needs_quotes(field) ? "\"" : "";
    pw_text_add_c(text, quote);
    pw_text_add_c(text, is_formula(field) ? "'" : "");
    const char *stop;
    while ((stop = field.len > 0 ? memchr(field.ptr, '"', field.len) : NULL) != NULL) {
        size_t bytes = (size_t)(stop - field.ptr) + 1;
        pw_text_add(text, (struct pw_str){field.ptr, bytes});
        pw_text_add_c(text, "\"");
        field = (struct pw_str){field.ptr + bytes, field.len - bytes};
    }
    pw_text_add(text, field);
    pw_text_add_c(text, quote);
}
