/* api/problem.c: errors as HTTP answers them. */
#include "api/problem.h"

static const struct {
    uint16_t status;
    const char *phrase;
} status_of[PW_KIND_COUNT] = {
    [PW_KIND_NONE] = {200, "OK"},
    [PW_KIND_INVALID] = {400, "Bad Request"},
    [PW_KIND_UNAUTHENTICATED] = {401, "Unauthorized"},
    [PW_KIND_FORBIDDEN] = {403, "Forbidden"},
    [PW_KIND_NOT_FOUND] = {404, "Not Found"},
    [PW_KIND_METHOD] = {405, "Method Not Allowed"},
    [PW_KIND_NOT_ACCEPTABLE] = {406, "Not Acceptable"},
    [PW_KIND_REFUSED] = {409, "Conflict"},
    [PW_KIND_PRECONDITION] = {412, "Precondition Failed"},
    [PW_KIND_TOO_LARGE] = {413, "Content Too Large"},
    [PW_KIND_MEDIA_TYPE] = {415, "Unsupported Media Type"},
    [PW_KIND_UNPROCESSABLE] = {422, "Unprocessable Content"},
    [PW_KIND_TOO_FAST] = {429, "Too Many Requests"},
    [PW_KIND_INTERNAL] = {500, "Internal Server Error"},
    [PW_KIND_UNAVAILABLE] = {503, "Service Unavailable"},
};

uint32_t pw_problem_status(enum pw_code code)
{
    return status_of[pw_error_info(code)->kind].status;
}

const char *pw_problem_phrase(uint32_t status)
{
    for (size_t kind = 0; kind < PW_KIND_COUNT; kind++) {
        if (status_of[kind].status == status) {
            return status_of[kind].phrase;
        }
    }
    return "";
}

uint32_t pw_problem_retry_after(enum pw_code code)
{
    switch (pw_error_info(code)->kind) {
    case PW_KIND_TOO_FAST:
    case PW_KIND_UNAVAILABLE: return 1;
    default: return 0;
    }
}

static void add_errors(struct pw_text *text, const struct pw_violations *violations)
{
    pw_text_add_c(text, ",\"errors\":[");
    for (uint32_t i = 0; i < violations->count; i++) {
        pw_text_add_c(text, i == 0 ? "{\"pointer\":" : ",{\"pointer\":");
        pw_text_add_json(text, pw_str_of(violations->items[i].pointer));
        pw_text_add_c(text, ",\"detail\":");
        pw_text_add_json(text, pw_str_of(violations->items[i].detail));
        pw_text_add_c(text, "}");
    }
    pw_text_add_c(text, "]");
}

struct pw_str pw_problem_body(struct pw_arena *arena, enum pw_code code, const char *detail,
                              const char *trace_id, const struct pw_violations *violations)
{
    const struct pw_error_info *info = pw_error_info(code);
    struct pw_text text;
    pw_text_init(&text, arena, 512);
    pw_text_addf(&text, "{\"type\":\"/problems/%s\",\"title\":", info->name);
    pw_text_add_json(&text, pw_str_of(info->title));
    pw_text_addf(&text, ",\"status\":%u", pw_problem_status(code));
    bool is_fault = info->kind == PW_KIND_INTERNAL;
    if (violations != NULL && violations->more > 0) {
        pw_text_addf(&text, ",\"detail\":\"%u more are not listed\"", violations->more);
    } else if (detail != NULL && detail[0] != '\0' && !is_fault) {
        pw_text_add_c(&text, ",\"detail\":");
        pw_text_add_json(&text, pw_str_of(detail));
    }
    pw_text_addf(&text, ",\"instance\":\"%s\"", trace_id);
    if (violations != NULL && violations->count > 0) {
        add_errors(&text, violations);
    }
    pw_text_add_c(&text, "}");
    return pw_text_str(&text);
}

static void add_paragraph(struct pw_text *text, const char *heading, const char *words)
{
    pw_text_addf(text, "<h2>%s</h2>\n<p>", heading);
    pw_text_add_html(text, pw_str_of(words));
    pw_text_add_c(text, "</p>\n");
}

static void write_html(struct pw_text *text, const struct pw_error_info *info, uint32_t status)
{
    pw_text_add_c(text, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    pw_text_add_html(text, pw_str_of(info->title));
    pw_text_add_c(text, "</title>\n<h1>");
    pw_text_add_html(text, pw_str_of(info->title));
    pw_text_addf(text, "</h1>\n<p><code>%s</code>, HTTP status %u %s</p>\n", info->name, status,
                 pw_problem_phrase(status));
    add_paragraph(text, "What it means", info->meaning);
    add_paragraph(text, "What to do", info->remedy);
    pw_text_add_c(text, "</html>\n");
}

static void write_json(struct pw_text *text, const struct pw_error_info *info, uint32_t status)
{
    pw_text_addf(text, "{\"type\":\"/problems/%s\",\"title\":", info->name);
    pw_text_add_json(text, pw_str_of(info->title));
    pw_text_addf(text, ",\"status\":%u,\"meaning\":", status);
    pw_text_add_json(text, pw_str_of(info->meaning));
    pw_text_add_c(text, ",\"remedy\":");
    pw_text_add_json(text, pw_str_of(info->remedy));
    pw_text_add_c(text, "}");
}

bool pw_problem_page(struct pw_arena *arena, struct pw_str name, bool as_html,
                     struct pw_str *ret_page)
{
    enum pw_code code;
    if (!pw_error_by_name(name, &code)) {
        return false;
    }
    struct pw_text text;
    pw_text_init(&text, arena, 1024);
    (as_html ? write_html : write_json)(&text, pw_error_info(code), pw_problem_status(code));
    *ret_page = pw_text_str(&text);
    return !text.full;
}
