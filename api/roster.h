/* api/roster.h: a list of people, as an exam office keeps it: CSV whose first row names the columns `email`, `name` and `roles`.
 *
 * Contract  Columns come in any order, each once, and no others; roles are separated by spaces or `;`. A row is checked as the door
 *           will check it (schemas/json.h), and no two rows have one address. Every row that is not good says what is wrong with it.
 *           No fault repeats what the row says.
 * Owner     The roster keeps nothing of the text. What is given lives until pw_roster_free.
 * Errors    USAGE: it is no such list at all: the detail says why. */
#ifndef PW_API_ROSTER_H
#define PW_API_ROSTER_H

#include "schemas/errors.h"

#define PW_ROSTER_ROWS_MAX  10000
#define PW_ROSTER_BYTES_MAX (16 * 1024 * 1024)

struct pw_roster;

struct pw_roster_row {
    uint32_t line;     /* Of the file, where the row begins. */
    const char *email; /* Empty where it could not be read. */
    const char *body;  /* JSON of user.register; NULL of a row with a fault. */
    const char *roles; /* JSON of user.grant_roles; likewise. */
    const char *fault; /* NULL: the row is good. */
};

/* The text is rewritten. */
enum pw_code pw_roster_read(char *text, size_t bytes, struct pw_roster **ret_roster,
                            struct pw_err *err);
void pw_roster_free(struct pw_roster *roster);

uint32_t pw_roster_count(const struct pw_roster *roster); /* 1 at least. */
const struct pw_roster_row *pw_roster_row(const struct pw_roster *roster, uint32_t row);
uint32_t pw_roster_fault_count(const struct pw_roster *roster);

#endif
