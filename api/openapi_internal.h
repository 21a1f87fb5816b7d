/* api/openapi_internal.h: what the makers of the API's document share.
 *
 * Contract  Each function gives a new JSON value; json_object_set_new and json_pack's `o` take it. */
#ifndef PW_API_OPENAPI_INTERNAL_H
#define PW_API_OPENAPI_INTERNAL_H

#include <jansson.h>

#include "api/route.h"

struct pw_query_info;

/* --- api/openapi_schema.c --- */

/* {"$ref": "#/components/<group>/<name>"} */
json_t *openapi_ref(const char *group, const char *name);

/* All that can be referred to, for the routes of one listener. */
json_t *openapi_components(const struct pw_routes *routes);

/* `exam_draft` for `exam.draft`: the operation's id, and the name of a command's body. */
json_t *openapi_id(const struct pw_route *route);

/* The name of what a query shows: `exam` for a list of exams too, `calendar_item` where nothing
 * shows one alone. */
json_t *openapi_thing(const struct pw_query_info *info);

/* The name of what a command is answered with. */
const char *openapi_answer(const struct pw_command_info *info);

/* The names of the roles that people can have. */
json_t *openapi_roles(void);

/* --- api/openapi_param.c --- */

/* What a request may carry besides its body: path, query, headers. */
json_t *openapi_parameters(const struct pw_route *route);

/* Those that many routes share, as components. */
json_t *openapi_shared_parameters(void);

#endif
