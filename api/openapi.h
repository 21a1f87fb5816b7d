/* api/openapi.h: the API described as OpenAPI 3.1, made from the tables.
 *
 * Contract  Every route of the public listener stands in the document, with its parameters, body,
 *           answers and every problem that it can be answered with (pw_route_answers). Nothing of
 *           it is written by hand but what the tables say of a word, and what HTTP calls things.
 *           The document of the admin listener describes its commands.
 * Owner     The text is the caller's to free; a pw_openapi is made once and outlives its listener.
 * Threads   Constant once it is made. */
#ifndef PW_API_OPENAPI_H
#define PW_API_OPENAPI_H

#include "api/http.h"
#include "schemas/schema.h"

/* The document: JSON, indented for people or not. */
char *pw_openapi_text(enum pw_door door, bool indented);

struct pw_openapi;

/* The document of the public listener, as it is served. */
struct pw_openapi *pw_openapi_new(void);
void pw_openapi_free(struct pw_openapi *openapi);

/* GET /v1/openapi.json */
void pw_openapi_answer(const struct pw_openapi *openapi, struct pw_http_request *request);

#endif
