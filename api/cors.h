/* api/cors.h: which web pages' scripts may use the API from a browser (the Fetch standard's CORS).
 *
 * Contract  The origins are listed; no cookie is ever read, so that a page can do no more than
 *           whoever gives it a token. An answer to a listed origin names it, and the headers that
 *           scripts may read; a preflight is answered before any token is asked for, as browsers
 *           send none with it.
 * Owner     pw_cors keeps views of the text that was parsed, which outlives it.
 * Threads   Read-only once parsed.
 * Errors    USAGE names the entry that is no origin. */
#ifndef PW_API_CORS_H
#define PW_API_CORS_H

#include "api/http.h"

#define PW_ORIGINS_MAX 32

struct pw_cors {
    struct pw_str origins[PW_ORIGINS_MAX];
    uint32_t count; /* 0: no page may. */
    bool any;       /* `*` */
};

/* `https://booking.example,https://lms.example:8443`, blanks allowed, or `*`; empty: none. As
 * browsers write them: in small letters, without a path or a default port. */
enum pw_code pw_cors_parse(const char *text, struct pw_cors *ret_cors, struct pw_err *err);

/* Adds to the answer what its origin is due. */
void pw_cors_answer(const struct pw_cors *cors, struct pw_http_request *request);

/* Whether it is a preflight of a listed origin; then adds what the page may send, given that
 * address's methods (`GET, HEAD, POST, OPTIONS`). */
bool pw_cors_preflight(const struct pw_cors *cors, struct pw_http_request *request,
                       const char *methods);

#endif
