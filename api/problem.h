/* api/problem.h: errors as HTTP answers them: application/problem+json (RFC 9457).
 *
 * Contract  Only here does an error meet HTTP. The body is {"type", "title", "status", "detail"?,
 *           "instance", "errors"?}; `type` is `/problems/<name>`, a page that says what to do;
 *           `instance` is the trace id. A refusal goes out with its detail; what is wrong on our
 *           side keeps its detail for the log.
 * Owner     Texts live in the arena given. */
#ifndef PW_API_PROBLEM_H
#define PW_API_PROBLEM_H

#include "api/text.h"
#include "schemas/errors.h"
#include "schemas/json.h"

uint32_t pw_problem_status(enum pw_code code);

/* What HTTP calls that status: `Not Found`. */
const char *pw_problem_phrase(uint32_t status);

/* Seconds for Retry-After; 0: the header is left out. */
uint32_t pw_problem_retry_after(enum pw_code code);

/* detail and violations may be NULL. */
struct pw_str pw_problem_body(struct pw_arena *arena, enum pw_code code, const char *detail,
                              const char *trace_id, const struct pw_violations *violations);

/* The page of a problem: its title and status, what it means and what to do. False for a name that
 * there is not. HTML, or JSON: {"type", "title", "status", "meaning", "remedy"}. */
bool pw_problem_page(struct pw_arena *arena, struct pw_str name, bool as_html,
                     struct pw_str *ret_page);

#endif
