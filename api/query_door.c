/* api/query_door.c: a query, from HTTP to a query thread and back. */
#include <stdio.h>
#include <time.h>

#include "api/csv.h"
#include "api/door.h"
#include "api/headers.h"
#include "api/log.h"

#define WAIT_SECONDS     2
#define WAIT_SECONDS_MAX 10

struct exchange {
    struct pw_query_ask ask; /* First: done gets the ask, and finds the request by it. */
    struct pw_service *service;
    struct pw_http_request *request;
    const struct pw_route *route;
    struct pw_violations violations;

    /* For an answer as CSV. */
    bool is_whole;      /* Nobody asked for a page: it has all that there is. */
    bool has_begun;     /* The names of the columns were given, */
    bool rows_are_told; /* and the rows of the page that was read last. */
};

static void refuse(struct exchange *exchange, struct pw_str name, const char *detail)
{
    pw_door_refuse_param(exchange->request, &exchange->violations, name, detail);
}

/* --- Query parameters --- */

static bool parse_word(const char *const *words, struct pw_str value, int64_t *ret_number)
{
    for (int64_t i = 0; words[i] != NULL; i++) {
        if (value.len > 0 && pw_str_equal(value, pw_str_of(words[i]))) {
            *ret_number = i;
            return true;
        }
    }
    return false;
}

/* A role that people can have. */
static bool parse_role(struct pw_str value, int64_t *ret_number)
{
    enum pw_role role = PW_ROLE_COUNT;
    bool good = pw_role_by_name(value, &role) && (PW_EVERYONE >> role & 1) != 0;
    *ret_number = good ? role : 0;
    return good;
}

static bool take_email(struct pw_query_ask *ask, struct pw_str value)
{
    ask->email = value;
    return value.len > 0 && value.len <= PW_PERSONAL_BYTES_MAX;
}

static void take_filter(struct exchange *exchange, uint32_t number, struct pw_str value)
{
    struct pw_query_ask *ask = &exchange->ask;
    const struct pw_query_filter *filter = &ask->info->filters[number];
    struct pw_str name = pw_str_of(filter->name);
    bool good;
    const char *detail;
    switch (filter->kind) {
    case PW_ANSWER_ID:
        good = pw_id_parse(value, &ask->filter_ids[number]);
        detail = "must be a UUID";
        break;
    case PW_ANSWER_AT:
        good = pw_at_parse(value, &ask->filter_numbers[number]);
        detail = "must be a moment as RFC 3339 has it; write + as %2B";
        break;
    case PW_ANSWER_ROLES:
        good = parse_role(value, &ask->filter_numbers[number]);
        detail = "is no role that a person can have";
        break;
    case PW_ANSWER_SEALED:
        good = take_email(ask, value);
        detail = "must be 1 to 254 bytes; write + as %2B";
        break;
    default:
        good = parse_word(filter->words, value, &ask->filter_numbers[number]);
        detail = "is none of the words that there are";
        break;
    }
    if (!good) {
        refuse(exchange, name, detail);
    } else if ((ask->filter_bits & (UINT32_C(1) << number)) != 0) {
        refuse(exchange, name, "is given twice");
    }
    ask->filter_bits |= UINT32_C(1) << number;
}

static bool take_limit(struct pw_str value, uint32_t *ret_limit)
{
    uint32_t limit = 0;
    for (size_t i = 0; i < value.len && i < 4; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9') {
            return false;
        }
        limit = 10 * limit + (uint32_t)(value.ptr[i] - '0');
    }
    *ret_limit = limit;
    return value.len > 0 && value.len < 4 && limit >= 1 && limit <= PW_QUERY_LIMIT_MAX;
}

static void take_page(struct exchange *exchange, const struct pw_http_param *param)
{
    struct pw_query_ask *ask = &exchange->ask;
    if (pw_str_equal(param->name, PW_STR("limit"))) {
        if (!take_limit(param->value, &ask->limit)) {
            refuse(exchange, param->name, "must be a whole number from 1 to 500");
        }
    } else if (!pw_cursor_parse(param->value, exchange->route->number, &ask->after)) {
        refuse(exchange, param->name, "is not what `next` of this list gave");
    } else {
        ask->has_after = true;
    }
    exchange->is_whole = false;
}

static bool is_repeated(const struct pw_http_request *request, uint32_t number)
{
    for (uint32_t i = 0; i < number; i++) {
        if (pw_str_equal(request->params[i].name, request->params[number].name)) {
            return true;
        }
    }
    return false;
}

static void take_param(struct exchange *exchange, uint32_t number)
{
    const struct pw_http_param *param = &exchange->request->params[number];
    struct pw_query_ask *ask = &exchange->ask;
    for (uint32_t i = 0; i < PW_QUERY_FILTERS_MAX && ask->info->filters[i].name != NULL; i++) {
        const struct pw_query_filter *filter = &ask->info->filters[i];
        bool may = filter->roles == 0 || (filter->roles & ask->actor_roles) != 0;
        if (may && pw_str_equal(param->name, pw_str_of(filter->name))) {
            take_filter(exchange, i, param->value);
            return;
        }
    }
    bool is_page = ask->info->is_list && (pw_str_equal(param->name, PW_STR("limit")) ||
                                          pw_str_equal(param->name, PW_STR("after")));
    if (!is_page) {
        refuse(exchange, param->name, "there is no such query parameter");
    } else if (is_repeated(exchange->request, number)) {
        refuse(exchange, param->name, "is given twice");
    } else {
        take_page(exchange, param);
    }
}

/* --- Headers and path --- */

/* JSON, and of lists CSV where it is wanted more: over HTTP/1.0 a part could be taken for the whole. */
static bool take_form(struct exchange *exchange)
{
    struct pw_str accept = exchange->request->headers[PW_HEADER_ACCEPT];
    int json = pw_header_quality(accept, PW_STR("application/json"));
    bool may_be_csv = exchange->ask.info->is_list && !exchange->request->is_1_0;
    int csv = may_be_csv ? pw_header_quality(accept, PW_STR("text/csv")) : 0;
    exchange->ask.as_csv = csv > json;
    exchange->is_whole = exchange->ask.as_csv;
    return json > 0 || csv > 0;
}

static int64_t boot_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

/* Of several positions for one partition the furthest counts. */
static bool take_positions(struct pw_service *service, struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    struct pw_query_ask *ask = &exchange->ask;
    struct pw_min_position positions[PW_POSITIONS_MAX];
    uint32_t count = 0;
    uint32_t wait_seconds = WAIT_SECONDS;
    struct pw_str value = request->headers[PW_HEADER_MIN_POSITION];
    if (value.ptr != NULL && !pw_header_positions(value, positions, &count)) {
        pw_door_problem(request, PW_ERR_MALFORMED,
                        "Pw-Min-Position must be positions as Pw-Position has them", NULL);
        return false;
    }
    pw_header_prefer_wait(request->headers[PW_HEADER_PREFER], &wait_seconds);
    wait_seconds = wait_seconds > WAIT_SECONDS_MAX ? WAIT_SECONDS_MAX : wait_seconds;
    ask->give_up_boot_us = boot_us() + wait_seconds * PW_US_PER_SECOND;
    for (uint32_t i = 0; i < count; i++) {
        const struct pw_position *position = &positions[i].position;
        if (position->partition >= service->partition_count) {
            pw_door_problem(request, PW_ERR_MALFORMED,
                            "Pw-Min-Position names a partition that there is not", NULL);
            return false;
        }
        if (position->partition == ask->partition &&
            (!ask->has_min_position || position->offset > ask->min_position.position.offset)) {
            ask->has_min_position = true;
            ask->min_position = positions[i];
        }
    }
    return true;
}

/* The thing is named by the last `{...}` of the path, or is the asking person's; a list may be narrowed
 * by one. */
static bool take_path(struct exchange *exchange)
{
    const struct pw_query_info *info = exchange->ask.info;
    struct pw_http_request *request = exchange->request;
    bool good = true;
    if (info->of_actor) {
        exchange->ask.key = exchange->ask.actor_id;
    } else if (!info->is_list) {
        good = pw_id_parse(request->segments[request->segment_count - 1], &exchange->ask.key);
    } else if (info->param_name != NULL) {
        struct pw_str param = pw_route_param(exchange->route, request, pw_str_of(info->param_name));
        good = pw_id_parse(param, &exchange->ask.param);
    }
    if (!good) {
        pw_door_problem(request, PW_ERR_NOT_FOUND, NULL, NULL);
    }
    return good;
}

static bool read_request(struct pw_service *service, struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    if (!take_form(exchange)) {
        pw_door_problem(request, PW_ERR_NOT_ACCEPTABLE, NULL, NULL);
        return false;
    }
    if (!take_path(exchange)) {
        return false;
    }
    for (uint32_t i = 0; i < request->param_count; i++) {
        take_param(exchange, i);
    }
    if (exchange->violations.count > 0) {
        pw_door_problem(request, PW_ERR_INVALID, NULL, &exchange->violations);
        return false;
    }
    if (exchange->is_whole) {
        exchange->ask.limit = PW_QUERY_LIMIT_MAX;
    }
    uint32_t page_max = exchange->ask.info->page_max;
    if (page_max != 0 && exchange->ask.limit > page_max) {
        exchange->ask.limit = page_max;
    }
    return take_positions(service, exchange);
}

/* --- Answers --- */

/* What is neither letter, digit nor -._~ is percent-encoded. */
static void add_encoded(struct pw_text *text, struct pw_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char letter = (unsigned char)value.ptr[i];
        bool plain = (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                     (letter >= 'A' && letter <= 'Z') || letter == '-' || letter == '.' ||
                     letter == '_' || letter == '~';
        pw_text_addf(text, plain ? "%c" : "%%%02X", letter);
    }
}

/* The address of the next page: this one's, with another `after`. */
static const char *next_link(struct exchange *exchange, const char *cursor)
{
    struct pw_http_request *request = exchange->request;
    struct pw_text text;
    pw_text_init(&text, &request->arena, 256);
    pw_text_add_c(&text, "<");
    for (uint32_t i = 0; i < request->segment_count; i++) {
        pw_text_add_c(&text, "/");
        add_encoded(&text, request->segments[i]);
    }
    pw_text_add_c(&text, "?");
    for (uint32_t i = 0; i < request->param_count; i++) {
        if (!pw_str_equal(request->params[i].name, PW_STR("after"))) {
            add_encoded(&text, request->params[i].name);
            pw_text_add_c(&text, "=");
            add_encoded(&text, request->params[i].value);
            pw_text_add_c(&text, "&");
        }
    }
    pw_text_addf(&text, "after=%s>; rel=\"next\"", cursor);
    return pw_text_c(&text);
}

/* ptr is NULL: it has no room. */
static struct pw_str list_body(struct exchange *exchange)
{
    struct pw_query_ask *ask = &exchange->ask;
    struct pw_text text;
    char cursor[PW_CURSOR_TEXT_BYTES + 1];
    pw_text_init(&text, &exchange->request->arena, ask->body.len + PW_CURSOR_TEXT_BYTES + 96);
    pw_text_add_c(&text, "{\"items\":");
    pw_text_add(&text, ask->body);
    pw_text_add_c(&text, ",\"next\":");
    if (ask->has_next) {
        pw_cursor_format(&ask->next_after, exchange->route->number, cursor);
        pw_text_addf(&text, "\"%s\"}", cursor);
        pw_http_header(exchange->request, "Link", next_link(exchange, cursor));
    } else {
        pw_text_add_c(&text, "null}");
    }
    return text.full ? (struct pw_str){NULL, 0} : pw_text_str(&text);
}

/* --- CSV: page after page, each read when the one before it is sent --- */

static enum pw_http_piece give_header(struct exchange *exchange)
{
    const struct pw_query_info *info = exchange->ask.info;
    struct pw_text text;
    pw_text_init(&text, &exchange->request->piece_arena, 512);
    for (uint32_t i = 0; i < info->column_count; i++) {
        pw_text_addf(&text, "%s%s", i == 0 ? "" : ",", info->columns[i].name);
    }
    pw_text_add_c(&text, "\r\n");
    exchange->has_begun = true;
    exchange->request->answer_body = pw_text_str(&text);
    return text.full ? PW_PIECE_BROKEN : PW_PIECE_NEXT;
}

/* No page is older than the one before it, whichever node of the cluster answers. */
static enum pw_http_piece ask_for_next(struct pw_service *service, struct exchange *exchange)
{
    struct pw_query_ask *ask = &exchange->ask;
    ask->has_after = true;
    ask->after = ask->next_after;
    ask->has_min_position = true;
    ask->min_position = (struct pw_min_position){.position = ask->position, .has_head = true};
    ask->give_up_boot_us = boot_us() + WAIT_SECONDS_MAX * PW_US_PER_SECOND;
    ask->arena = &exchange->request->piece_arena;
    exchange->rows_are_told = false;
    return pw_query_submit(service->queries, ask) == PW_OK ? PW_PIECE_LATER : PW_PIECE_BROKEN;
}

static enum pw_http_piece more_csv(struct pw_http_request *request)
{
    struct exchange *exchange = request->state;
    struct pw_query_ask *ask = &exchange->ask;
    if (!exchange->has_begun) {
        return give_header(exchange);
    }
    if (ask->code != PW_OK) {
        pw_log(PW_LOG_WARNING, "queries", ask->partition, request->trace_id,
               "%s: the rest cannot be read: %s", ask->info->name, pw_error_info(ask->code)->name);
        return PW_PIECE_BROKEN;
    }
    if (!exchange->rows_are_told && ask->body.len > 0) {
        exchange->rows_are_told = true;
        request->answer_body = ask->body;
        return PW_PIECE_NEXT;
    }
    return exchange->is_whole && ask->has_next ? ask_for_next(exchange->service, exchange)
                                               : PW_PIECE_END;
}

static void answer_csv(struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    struct pw_query_ask *ask = &exchange->ask;
    char cursor[PW_CURSOR_TEXT_BYTES + 1];
    if (ask->has_next && !exchange->is_whole) {
        pw_cursor_format(&ask->next_after, exchange->route->number, cursor);
        pw_http_header(request, "Link", next_link(exchange, cursor));
    }
    pw_http_header(
        request, "Content-Disposition",
        pw_text_format(&request->arena, "attachment; filename=\"%s.csv\"", ask->info->name));
    pw_door_private(request);
    pw_http_stream(request, 200, "text/csv; charset=utf-8; header=present", more_csv);
}

/* --- JSON --- */

static void answer_found(struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    struct pw_query_ask *ask = &exchange->ask;
    struct pw_str body = ask->body;
    const char *etag = NULL;
    if (ask->info->is_list) {
        char hex[33];
        body = list_body(exchange);
        if (body.ptr == NULL) {
            pw_door_problem(request, PW_ERR_INTERNAL, "the answer is too large", NULL);
            return;
        }
        struct pw_hash hash = pw_sha256(body.ptr, body.len, NULL, 0);
        pw_hex_format(hash.bytes, 16, hex);
        etag = pw_text_format(&request->arena, "W/\"%s\"", hex);
    } else {
        etag = pw_text_format(&request->arena, "\"%u\"", ask->version);
    }
    pw_http_header(request, "ETag", etag);
    pw_door_private(request);
    struct pw_str none_match = request->headers[PW_HEADER_IF_NONE_MATCH];
    /* A slot's free seats change with its reservations, its ETag only with its own stream. */
    if (none_match.ptr != NULL && !ask->info->counts_others && etag != NULL &&
        pw_header_none_match_hits(none_match, pw_str_of(etag))) {
        pw_http_answer(request, 304, NULL, (struct pw_str){"", 0});
        return;
    }
    pw_http_answer(request, 200, "application/json", body);
}

static void finish(struct pw_http_request *request)
{
    struct exchange *exchange = request->state;
    struct pw_query_ask *ask = &exchange->ask;
    bool was_read = ask->code == PW_OK || ask->code == PW_ERR_NOT_FOUND ||
                    ask->code == PW_ERR_READ_MODEL_BEHIND || ask->code == PW_ERR_POSITION_DIVERGED;
    if (was_read && ask->position.offset >= 0) {
        pw_door_position(request, &ask->position);
    }
    if (ask->code == PW_OK && ask->as_csv) {
        answer_csv(exchange);
    } else if (ask->code == PW_OK) {
        answer_found(exchange);
    } else {
        pw_door_problem(request, ask->code, NULL, NULL);
    }
}

static void on_done(struct pw_query_ask *ask)
{
    pw_http_complete(((struct exchange *)ask)->request);
}

void pw_query_door(struct pw_service *service, struct pw_http_request *request,
                   const struct pw_route *route, const struct pw_actor *actor)
{
    if (service->queries != NULL &&
        pw_query_stream_is_wanted(&pw_queries[route->number], request)) {
        pw_query_stream(service, request, route, actor);
        return;
    }
    struct exchange *exchange = pw_arena_take(&request->arena, sizeof *exchange);
    if (exchange == NULL || service->queries == NULL) {
        enum pw_code code = exchange == NULL ? PW_ERR_QUEUE_FULL : PW_ERR_PART_NOT_RUN;
        pw_door_problem(request, code, NULL, NULL);
        return;
    }
    exchange->service = service;
    exchange->request = request;
    exchange->route = route;
    struct pw_query_ask *ask = &exchange->ask;
    *ask = (struct pw_query_ask){
        .info = &pw_queries[route->number],
        .trace_id = request->trace_id,
        .arena = &request->arena,
        .tenant_id = actor->tenant_id,
        .actor_id = actor->id,
        .actor_roles = actor->roles,
        .partition = pw_partition_of(&actor->tenant_id, service->partition_count),
        .limit = PW_QUERY_LIMIT_DEFAULT,
        .position = {.offset = -1},
        .done = on_done,
    };
    if (!read_request(service, exchange)) {
        return;
    }
    request->state = exchange;
    pw_http_wait(request, finish);
    enum pw_code code = pw_query_submit(service->queries, ask);
    if (code != PW_OK) {
        ask->code = code;
        pw_http_complete(request);
    }
}
