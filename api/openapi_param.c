/* api/openapi_param.c: what a request carries besides its body, as OpenAPI has it. */
#include "api/audit_table.h"
#include "api/openapi_internal.h"
#include "api/query.h"
#include "api/query_table.h"

#define UUID_V7                                                                                    \
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
#define POSITION "[0-9]{1,10}:[0-9]{1,19}(:[0-9a-f]{8})?"

static const char *const header_names[] = {
#define PW_HTTP_HEADER_NAME(UPPER, name, list) [PW_HEADER_##UPPER] = name,
    PW_HTTP_HEADERS(PW_HTTP_HEADER_NAME)
#undef PW_HTTP_HEADER_NAME
};

/* Which requests each header is for. OpenAPI says of some in other words than as parameters. There
 * are no examples: whoever sends keys, versions and positions that are not their own is refused. */
static const struct {
    enum pw_error_to of; /* NOBODY: no parameter. */
    const char *doc;
    const char *pattern; /* Or NULL: any text. */
} header_rows[PW_HEADER_COUNT] = {
    [PW_HEADER_ACCEPT] = {PW_TO_NOBODY, "Said by the media types of the answers.", NULL},
    [PW_HEADER_AUTHORIZATION] = {PW_TO_NOBODY, "Said by the security scheme.", NULL},
    [PW_HEADER_CLUSTER_KEY] = {PW_TO_NOBODY, "From node to node only.", NULL},
    [PW_HEADER_CONTENT_ENCODING] = {PW_TO_NOBODY, "None is taken.", NULL},
    [PW_HEADER_CONTENT_LENGTH] = {PW_TO_NOBODY, "HTTP's own.", NULL},
    [PW_HEADER_CONTENT_TYPE] = {PW_TO_NOBODY, "Said by the media type of the body.", NULL},
    [PW_HEADER_IDEMPOTENCY_KEY] =
        {PW_TO_COMMANDS,
         "A fresh UUIDv7, bare or in double quotes, by which a repeat is known: the same key gets "
         "the first answer again, and nothing is carried out twice. Without one, one is made.",
         "^(" UUID_V7 "|\"" UUID_V7 "\")$"},
    [PW_HEADER_IF_MATCH] =
        {PW_TO_COMMANDS,
         "The ETag that the thing must still have, such as `\"17\"`, or `*`. It speaks of what the "
         "last id of the path names.",
         "^(\\*|(W/)?\"[^\"\\u0000-\\u0020\\u007f]*\")$"},
    [PW_HEADER_IF_NONE_MATCH] =
        {PW_TO_QUERIES,
         "ETags that are known, such as `\"17\"`: where one still holds the answer is 304.", NULL},
    [PW_HEADER_MIN_POSITION] =
        {PW_TO_QUERIES,
         "Positions that the answer must include, as `Pw-Position` had them (`3:10452:9f3a01c2`), "
         "comma-separated; the hash may be left out.",
         "^" POSITION "(, ?" POSITION ")*$"},
    [PW_HEADER_PREFER] =
        {PW_TO_QUERIES,
         "`wait=N`: how many seconds to wait for `Pw-Min-Position`, 10 at most; without, 2.", NULL},
    [PW_HEADER_TRACEPARENT] = {PW_TO_TENANTS,
                               "W3C trace context; its trace id is the `instance` of a problem.",
                               NULL},
    [PW_HEADER_LAST_EVENT_ID] = {PW_TO_NOBODY, "Of streams of events: they say it themselves.",
                                 NULL},
    [PW_HEADER_ORIGIN] = {PW_TO_NOBODY, "A browser's own.", NULL},
    [PW_HEADER_REQUEST_METHOD] = {PW_TO_NOBODY, "A browser's own.", NULL},
    [PW_HEADER_FORWARDED_FOR] = {PW_TO_NOBODY, "From trusted proxies only.", NULL},
    [PW_HEADER_TRANSFER_ENCODING] = {PW_TO_NOBODY, "HTTP's own.", NULL},
};

static json_t *header_parameter(size_t header)
{
    json_t *schema =
        json_pack("{s:s, s:s*}", "type", "string", "pattern", header_rows[header].pattern);
    return json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", header_names[header], "in", "header",
                     "required", 0, "description", header_rows[header].doc, "schema", schema);
}

json_t *openapi_shared_parameters(void)
{
    json_t *all = json_pack(
        "{s:{s:s, s:s, s:b, s:s, s:{s:s, s:s}}, s:{s:s, s:s, s:b, s:s, s:{s:s, s:i, s:i, s:i}},"
        " s:{s:s, s:s, s:b, s:s, s:{s:s, s:s}}}",
        "tenant", "name", "tenant", "in", "path", "required", 1, "description",
        "The tenant that the token is of.", "schema", "type", "string", "format", "uuid", "limit",
        "name", "limit", "in", "query", "required", 0, "description", "Items of a page.", "schema",
        "type", "integer", "minimum", 1, "maximum", PW_QUERY_LIMIT_MAX, "default",
        PW_QUERY_LIMIT_DEFAULT, "after", "name", "after", "in", "query", "required", 0,
        "description", "Where the page begins: `next` of the page before.", "schema", "type",
        "string", "pattern", "^[A-Za-z0-9_-]{34}$");
    for (size_t i = 0; i < PW_HEADER_COUNT; i++) {
        if (header_rows[i].of != PW_TO_NOBODY) {
            json_object_set_new(all, header_names[i], header_parameter(i));
        }
    }
    return all;
}

static void add_shared(json_t *all, const char *name)
{
    json_array_append_new(all, openapi_ref("parameters", name));
}

static void add_headers(json_t *all, const struct pw_route *route)
{
    bool is_command = route->kind == PW_ROUTE_COMMAND;
    for (size_t i = 0; i < PW_HEADER_COUNT; i++) {
        bool is_for = (header_rows[i].of & (is_command ? PW_TO_COMMANDS : PW_TO_QUERIES)) != 0;
        bool is_idle =
            i == PW_HEADER_IF_NONE_MATCH && !is_command && pw_queries[route->number].counts_others;
        if (is_for && !is_idle) {
            add_shared(all, header_names[i]);
        }
    }
}

static void add_id(json_t *all, const char *name, const char *doc)
{
    json_array_append_new(all,
                          json_pack("{s:s, s:s, s:b, s:o, s:{s:s, s:s}}", "name", name, "in",
                                    "path", "required", 1, "description", json_sprintf("%s.", doc),
                                    "schema", "type", "string", "format", "uuid"));
}

static json_t *filter_schema(const struct pw_query_filter *filter)
{
    if (filter->kind == PW_ANSWER_WORD) {
        json_t *words = json_array();
        for (size_t i = 0; filter->words[i] != NULL; i++) {
            if (filter->words[i][0] != '\0') {
                json_array_append_new(words, json_string(filter->words[i]));
            }
        }
        return json_pack("{s:s, s:o}", "type", "string", "enum", words);
    }
    if (filter->kind == PW_ANSWER_ROLES) {
        return json_pack("{s:s, s:o}", "type", "string", "enum", openapi_roles());
    }
    if (filter->kind == PW_ANSWER_SEALED) {
        return json_pack("{s:s, s:i, s:i}", "type", "string", "minLength", 1, "maxLength",
                         PW_PERSONAL_BYTES_MAX);
    }
    return json_pack("{s:s, s:s}", "type", "string", "format",
                     filter->kind == PW_ANSWER_AT ? "date-time" : "uuid");
}

/* A filter that is some roles' only does not exist for others. */
static json_t *filter_doc(const struct pw_query_filter *filter)
{
    json_t *doc = json_sprintf("%s.", filter->doc);
    const char *before = " For ";
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if ((filter->roles >> role & 1) != 0) {
            json_t *longer = json_sprintf("%s%s%s", json_string_value(doc), before,
                                          pw_role_name((enum pw_role)role));
            json_decref(doc);
            doc = longer;
            before = ", ";
        }
    }
    if (filter->roles != 0) {
        json_t *whole = json_sprintf("%s only.", json_string_value(doc));
        json_decref(doc);
        doc = whole;
    }
    return doc;
}

static void add_filters(json_t *all, const struct pw_query_info *info)
{
    for (uint32_t i = 0; i < PW_QUERY_FILTERS_MAX && info->filters[i].name != NULL; i++) {
        const struct pw_query_filter *filter = &info->filters[i];
        json_array_append_new(all, json_pack("{s:s, s:s, s:b, s:o, s:o}", "name", filter->name,
                                             "in", "query", "required", 0, "description",
                                             filter_doc(filter), "schema", filter_schema(filter)));
    }
    add_shared(all, "limit");
    add_shared(all, "after");
}

static void add_of_command(json_t *all, const struct pw_command_info *info)
{
    for (uint32_t i = 0; i < info->message.field_count; i++) {
        const struct pw_field *field = &info->message.fields[i];
        if (field->source == PW_FROM_PATH) {
            add_id(all, field->name, field->doc);
        }
    }
}

static void add_of_query(json_t *all, const struct pw_route *route)
{
    const struct pw_query_info *info = &pw_queries[route->number];
    for (uint32_t i = 3; i < route->segment_count; i++) {
        struct pw_str segment = route->segments[i];
        if (segment.ptr[0] == '{') {
            char name[64];
            assert(segment.len - 2 < sizeof name);
            memcpy(name, segment.ptr + 1, segment.len - 2);
            name[segment.len - 2] = '\0';
            add_id(all, name, info->path_doc);
        }
    }
    if (info->is_list) {
        add_filters(all, info);
    }
}

static json_t *audit_schema(const struct pw_audit_param_info *param)
{
    switch (param->kind) {
    case PW_AUDIT_PARAM_NUMBER:
        return json_pack("{s:s, s:s, s:I, s:I}", "type", "integer", "format", "int64", "minimum",
                         (json_int_t)param->min, "maximum", (json_int_t)INT64_MAX);
    case PW_AUDIT_PARAM_ID: return json_pack("{s:s, s:s}", "type", "string", "format", "uuid");
    case PW_AUDIT_PARAM_AT: return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
    case PW_AUDIT_PARAM_FLAG: return json_pack("{s:s, s:b}", "type", "boolean", "default", 0);
    case PW_AUDIT_PARAM_POSITION:
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^" POSITION "$");
    }
    return NULL;
}

static void add_of_audit(json_t *all, const struct pw_audit_info *info)
{
    for (int i = 0; i < PW_AUDIT_PARAM_COUNT; i++) {
        const struct pw_audit_param_info *param = &pw_audit_params[i];
        if ((info->params >> i & 1) != 0) {
            json_array_append_new(all, json_pack("{s:s, s:s, s:b, s:o, s:o}", "name", param->name,
                                                 "in", "query", "required", 0, "description",
                                                 json_sprintf("%s.", param->doc), "schema",
                                                 audit_schema(param)));
        }
    }
    add_shared(all, header_names[PW_HEADER_TRACEPARENT]);
}

/* The names that a problem's page can be asked for. */
static void add_problem_names(json_t *all)
{
    json_t *names = json_array();
    for (int code = PW_OK + 1; code < PW_CODE_COUNT; code++) {
        json_array_append_new(names, json_string(pw_error_info((enum pw_code)code)->name));
    }
    json_array_append_new(all, json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:o}}", "name", "name", "in",
                                         "path", "required", 1, "description",
                                         "The last part of a problem's `type`.", "schema", "type",
                                         "string", "enum", names));
}

json_t *openapi_parameters(const struct pw_route *route)
{
    json_t *all = json_array();
    if (route->prefix[0] != '\0' && strstr(route->prefix, "{tenant}") != NULL) {
        add_shared(all, "tenant");
    }
    if (route->kind == PW_ROUTE_COMMAND) {
        add_of_command(all, pw_command_info((enum pw_command_type)route->number));
        add_headers(all, route);
    } else if (route->kind == PW_ROUTE_QUERY) {
        add_of_query(all, route);
        add_headers(all, route);
    } else if (route->kind == PW_ROUTE_AUDIT) {
        add_of_audit(all, &pw_audits[route->number]);
    } else if (route->kind == PW_ROUTE_OPENAPI || route->kind == PW_ROUTE_KEY_SET) {
        add_shared(all, header_names[PW_HEADER_IF_NONE_MATCH]);
    } else {
        add_problem_names(all);
    }
    return all;
}
