/* api/csv.h: CSV (RFC 4180), read strictly, and written so that no spreadsheet takes a field for a formula.
 *
 * Contract  A text is rows of fields between commas; rows end with LF or CRLF, the last one also with the text. A field in double
 *           quotes may hold commas, line ends, and quotes written twice. A BOM before the first row is passed over, and so are
 *           empty lines. All else is a fault of its row, which is named while reading goes on behind that line: a quote where none
 *           may be, a CR alone, a control character other than the tab, what is not UTF-8, more than PW_CSV_FIELDS_MAX fields. A
 *           quote that is never closed swallows the rest of the text.
 * Owner     The text is the caller's, and rewritten: fields are views of it.
 * Threads   None. */
#ifndef PW_API_CSV_H
#define PW_API_CSV_H

#include "api/text.h"

#define PW_CSV_FIELDS_MAX 16

struct pw_csv {
    char *at;
    char *end;
    uint32_t line; /* Of the byte at `at`, counted from 1. */
};

struct pw_csv_row {
    uint32_t line; /* Where it begins. */
    uint32_t count;
    struct pw_str fields[PW_CSV_FIELDS_MAX];
    const char *fault; /* Not NULL: what is wrong; then there are no fields. */
};

void pw_csv_init(struct pw_csv *csv, char *text, size_t bytes);

/* False at the end. */
bool pw_csv_next(struct pw_csv *csv, struct pw_csv_row *ret_row);

/* Adds one field, in quotes where it needs them. One that a spreadsheet would calculate gets an apostrophe in front. */
void pw_csv_add(struct pw_text *text, struct pw_str field);

#endif
