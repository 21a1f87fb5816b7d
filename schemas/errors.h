/* schemas/errors.h: an error is a code, a lasting phrase, and one detail.
 *
 * Contract  A function that can fail returns enum pw_code; PW_OK is 0. Where it takes a struct
 *           pw_err, that says more: filled on failure, untouched on success, NULL where the caller
 *           does not care.
 * Owner     The detail is copied into the caller's struct, cut at its size but inside no character.
 *           It names no person. */
#ifndef PW_SCHEMAS_ERRORS_H
#define PW_SCHEMAS_ERRORS_H

#include "schemas/types.h"

enum pw_error_kind {
    PW_KIND_NONE,
    PW_KIND_INVALID,
    PW_KIND_UNAUTHENTICATED,
    PW_KIND_FORBIDDEN,
    PW_KIND_NOT_FOUND,
    PW_KIND_METHOD,
    PW_KIND_NOT_ACCEPTABLE,
    PW_KIND_TOO_LARGE,
    PW_KIND_MEDIA_TYPE,
    PW_KIND_REFUSED,
    PW_KIND_PRECONDITION,
    PW_KIND_UNPROCESSABLE,
    PW_KIND_TOO_FAST,
    PW_KIND_UNAVAILABLE,
    PW_KIND_INTERNAL,
    PW_KIND_COUNT
};

/* Which requests can be answered so: bits. */
enum pw_error_to {
    PW_TO_NOBODY = 0,   /* The command line, and logs. */
    PW_TO_COMMANDS = 1, /* Every command. */
    PW_TO_NAMED = 2,    /* Every command whose PW_REFUSES names it. */
    PW_TO_QUERIES = 4,
    PW_TO_PAGES = 8,     /* What is served to everybody: documents, problems' pages. */
    PW_TO_OTHERS = 16,   /* What has no route, or is turned away before. */
    PW_TO_PREPARED = 32, /* Commands with passwords, tokens or personal data. */
    PW_TO_AUDITS = 64,
    PW_TO_READERS = PW_TO_QUERIES | PW_TO_AUDITS,
    PW_TO_LEDGER = PW_TO_COMMANDS | PW_TO_AUDITS, /* Whoever needs the log itself. */
    PW_TO_TENANTS = PW_TO_COMMANDS | PW_TO_READERS,
    PW_TO_ROUTES = PW_TO_TENANTS | PW_TO_PAGES, /* Whatever has a route. */
    PW_TO_ALL = PW_TO_ROUTES | PW_TO_OTHERS
};

enum pw_code {
    PW_OK,
#define PW_ERROR(code, ...) PW_ERR_##code,
#include "schemas/errors.def"
#undef PW_ERROR
    PW_CODE_COUNT
};

struct pw_error_info {
    enum pw_error_kind kind;
    enum pw_error_to to;
    const char *name;    /* `slot-full`: the last part of a problem's type. */
    const char *title;   /* One phrase for a person. */
    const char *meaning; /* What has happened, for who sees it the first time. */
    const char *remedy;  /* What to do next. */
};

/* The table's entry of a code; PW_OK has empty texts. */
const struct pw_error_info *pw_error_info(enum pw_code code);

/* The code of a name as answers in the ledger carry it; false for a name that this version does not
 * know. */
bool pw_error_by_name(struct pw_str name, enum pw_code *ret_code);

struct pw_err {
    enum pw_code code;
    char detail[240];
};

/* Fills err (where not NULL) and returns code, so that a refusal is one line. */
enum pw_code pw_fail(struct pw_err *err, enum pw_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
