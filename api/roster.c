/* api/roster.c: a list of people in CSV, checked row by row. */
#include "api/roster.h"

#include <jansson.h>
#include <stdlib.h>

#include "api/csv.h"
#include "api/text.h"
#include "commands/map.h"
#include "commands/memory.h"
#include "schemas/json.h"

#define KEPT_BYTES_MAX (256 * 1024 * 1024)
#define ROW_BYTES_MAX  (256 * 1024)

enum column { EMAIL, NAME, ROLES, COLUMN_COUNT };

static const char *const column_names[COLUMN_COUNT] = {"email", "name", "roles"};

struct pw_roster {
    struct pw_arena kept; /* The texts of all rows. */
    struct pw_arena row;  /* What one row needs while it is checked. */
    struct pw_map *lines; /* SHA-256 of an address in lower case -> uint32_t, its line */
    uint32_t columns[COLUMN_COUNT];
    uint32_t count;
    uint32_t fault_count;
    struct pw_roster_row rows[PW_ROSTER_ROWS_MAX];
};

static struct pw_roster *roster_new(void)
{
    struct pw_roster *roster = pw_memory_new(1, sizeof *roster);
    pw_arena_init(&roster->kept, KEPT_BYTES_MAX);
    pw_arena_init(&roster->row, ROW_BYTES_MAX);
    roster->lines = pw_map_new(sizeof(struct pw_hash), sizeof(uint32_t));
    return roster;
}

void pw_roster_free(struct pw_roster *roster)
{
    if (roster != NULL) {
        pw_arena_close(&roster->kept);
        pw_arena_close(&roster->row);
        pw_map_free(roster->lines);
        free(roster);
    }
}

/* --- The first row --- */

static bool find_column(const struct pw_csv_row *header, const char *name, uint32_t *ret_at)
{
    for (uint32_t i = 0; i < header->count; i++) {
        if (pw_str_equal(header->fields[i], pw_str_of(name))) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

static enum pw_code read_header(struct pw_roster *roster, struct pw_csv *csv, struct pw_err *err)
{
    struct pw_csv_row header;
    if (!pw_csv_next(csv, &header)) {
        return pw_fail(err, PW_ERR_USAGE, "the file is empty");
    }
    if (header.fault != NULL) {
        return pw_fail(err, PW_ERR_USAGE, "line %u %s", header.line, header.fault);
    }
    for (int column = 0; column < COLUMN_COUNT; column++) {
        if (!find_column(&header, column_names[column], &roster->columns[column])) {
            return pw_fail(err, PW_ERR_USAGE,
                           "the first row must be email,name,roles, in any order; `%s` is not "
                           "there",
                           column_names[column]);
        }
    }
    return header.count == COLUMN_COUNT
               ? PW_OK
               : pw_fail(err, PW_ERR_USAGE,
                         "the first row must be email,name,roles, in any order, and nothing else: "
                         "passwords least of all");
}

/* --- A row --- */

static bool separates(char c)
{
    return c == ' ' || c == ';' || c == '\t';
}

static json_t *roles_of(struct pw_str text)
{
    json_t *roles = json_array();
    size_t at = 0;
    while (at < text.len) {
        size_t start = at;
        while (at < text.len && !separates(text.ptr[at])) {
            at++;
        }
        if (at > start) {
            json_array_append_new(roles, json_stringn(text.ptr + start, at - start));
        }
        at++;
    }
    return roles;
}

/* NULL where there is no room for it. */
static const char *keep_json(struct pw_roster *roster, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    const char *kept = text != NULL ? pw_text_format(&roster->kept, "%s", text) : NULL;
    free(text);
    return kept;
}

/* One that is no address of anybody's may be as long as the file. */
static const char *keep_email(struct pw_roster *roster, struct pw_str email)
{
    const char *kept = NULL;
    if (email.len <= PW_PERSONAL_BYTES_MAX) {
        kept = pw_text_format(&roster->kept, "%.*s", (int)email.len, email.ptr);
    }
    return kept != NULL ? kept : "";
}

/* `name must not be empty; roles must hold ...`: all that the door would find. */
static const char *fault_of(struct pw_roster *roster, const char *body)
{
    struct pw_command command = {.type = PW_COMMAND_USER_REGISTER};
    struct pw_violations violations;
    struct pw_err err = {0};
    struct pw_text text;
    pw_arena_reset(&roster->row);
    enum pw_code code =
        pw_command_read_json(pw_str_of(body), &roster->row, &command, &violations, &err);
    if (code == PW_OK) {
        return NULL;
    }
    pw_text_init(&text, &roster->kept, 64);
    for (uint32_t i = 0; i < violations.count; i++) {
        pw_text_addf(&text, "%s%s %s", i > 0 ? "; " : "", violations.items[i].pointer + 1,
                     violations.items[i].detail);
    }
    if (violations.count == 0) {
        pw_text_add_c(&text, "is too long");
    }
    return pw_text_c(&text);
}

/* Addresses that differ in the case of ASCII letters are one: docs/accounts.md. */
static const char *note_address(struct pw_roster *roster, uint32_t line, const char *email)
{
    char lower[PW_PERSONAL_BYTES_MAX];
    size_t len = strlen(email);
    pw_str_lower((struct pw_str){email, len}, lower);
    struct pw_hash hash = pw_sha256(lower, len, NULL, 0);
    uint32_t *first = pw_map_put(roster->lines, &hash, NULL);
    if (*first != 0) {
        return pw_text_format(&roster->kept, "email is that of line %u", *first);
    }
    *first = line;
    return NULL;
}

static void check_row(struct pw_roster *roster, const struct pw_csv_row *csv_row,
                      struct pw_roster_row *row)
{
    struct pw_str email = csv_row->fields[roster->columns[EMAIL]];
    struct pw_str name = csv_row->fields[roster->columns[NAME]];
    json_t *roles = roles_of(csv_row->fields[roster->columns[ROLES]]);
    json_t *body = json_pack("{s:s%, s:s%, s:O}", "email", email.ptr, email.len, "name", name.ptr,
                             name.len, "roles", roles);
    json_t *grant = json_pack("{s:O}", "roles", roles);
    const char *register_body = keep_json(roster, body);
    row->email = keep_email(roster, email);
    row->fault = register_body != NULL ? fault_of(roster, register_body) : "is too long";
    if (row->fault == NULL) {
        row->fault = note_address(roster, row->line, row->email);
    }
    if (row->fault == NULL) {
        row->body = register_body;
        row->roles = keep_json(roster, grant);
    }
    json_decref(grant);
    json_decref(body);
    json_decref(roles);
}

static void add_row(struct pw_roster *roster, const struct pw_csv_row *csv_row)
{
    struct pw_roster_row *row = &roster->rows[roster->count++];
    *row = (struct pw_roster_row){.line = csv_row->line, .email = "", .fault = csv_row->fault};
    if (csv_row->fault == NULL && csv_row->count != COLUMN_COUNT) {
        row->fault = pw_text_format(&roster->kept, "has %u fields in place of %d", csv_row->count,
                                    COLUMN_COUNT);
    }
    if (row->fault == NULL) {
        check_row(roster, csv_row, row);
    }
    roster->fault_count += row->fault != NULL ? 1 : 0;
}

/* --- All of it --- */

static enum pw_code read_rows(struct pw_roster *roster, struct pw_csv *csv, struct pw_err *err)
{
    struct pw_csv_row row;
    while (pw_csv_next(csv, &row)) {
        if (roster->count == PW_ROSTER_ROWS_MAX) {
            return pw_fail(err, PW_ERR_USAGE, "more than %d people: cut the file in parts",
                           PW_ROSTER_ROWS_MAX);
        }
        add_row(roster, &row);
    }
    return roster->count > 0 ? PW_OK
                             : pw_fail(err, PW_ERR_USAGE, "nobody stands below the first row");
}

enum pw_code pw_roster_read(char *text, size_t bytes, struct pw_roster **ret_roster,
                            struct pw_err *err)
{
    struct pw_roster *roster = roster_new();
    struct pw_csv csv;
    pw_csv_init(&csv, text, bytes);
    enum pw_code code = read_header(roster, &csv, err);
    code = code != PW_OK ? code : read_rows(roster, &csv, err);
    if (code != PW_OK) {
        pw_roster_free(roster);
        return code;
    }
    *ret_roster = roster;
    return PW_OK;
}

uint32_t pw_roster_count(const struct pw_roster *roster)
{
    return roster->count;
}

const struct pw_roster_row *pw_roster_row(const struct pw_roster *roster, uint32_t row)
{
    assert(row < roster->count);
    return &roster->rows[row];
}

uint32_t pw_roster_fault_count(const struct pw_roster *roster)
{
    return roster->fault_count;
}
