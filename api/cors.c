/* api/cors.c: origins, and the headers that browsers look for. */
#include "api/cors.h"

#include "api/text.h"

#define EXPOSED                                                                                    \
    "Pw-Position, ETag, Location, Retry-After, Idempotency-Key, Idempotency-Replayed, Link"
#define TAKEN                                                                                      \
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "       \
    "Pw-Min-Position, Prefer, traceparent"
#define PREFLIGHT_SECONDS "600"

static bool begins(struct pw_str text, struct pw_str with)
{
    return text.len > with.len && memcmp(text.ptr, with.ptr, with.len) == 0;
}

/* scheme://host or scheme://host:port, as a browser writes it: others would never match. */
static bool is_origin(struct pw_str text)
{
    static const struct {
        struct pw_str scheme;
        struct pw_str port; /* The default, which browsers leave out. */
    } schemes[] = {
        {{"https://", 8}, {":443", 4}},
        {{"http://", 7}, {":80", 3}},
    };
    for (size_t i = 0; i < PW_COUNT(schemes); i++) {
        if (begins(text, schemes[i].scheme)) {
            struct pw_str host = {text.ptr + schemes[i].scheme.len,
                                  text.len - schemes[i].scheme.len};
            struct pw_str port = schemes[i].port;
            bool has_default_port = host.len > port.len &&
                                    memcmp(host.ptr + host.len - port.len, port.ptr, port.len) == 0;
            size_t good = 0;
            while (good < host.len &&
                   ((host.ptr[good] >= 'a' && host.ptr[good] <= 'z') ||
                    (host.ptr[good] != '\0' && strchr("0123456789-._:[]", host.ptr[good])))) {
                good++;
            }
            return good == host.len && host.ptr[0] != ':' && !has_default_port;
        }
    }
    return false;
}

enum pw_code pw_cors_parse(const char *text, struct pw_cors *ret_cors, struct pw_err *err)
{
    struct pw_cors cors = {.count = 0};
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        struct pw_str entry = pw_str_trim((struct pw_str){text, len});
        if (cors.count == PW_ORIGINS_MAX) {
            return pw_fail(err, PW_ERR_USAGE, "more than %d origins", PW_ORIGINS_MAX);
        }
        bool is_any = pw_str_equal(entry, PW_STR("*"));
        if (!is_any && !is_origin(entry)) {
            return pw_fail(err, PW_ERR_USAGE,
                           "%.*s is no origin, must be as https://booking.example",
                           entry.len < 80 ? (int)entry.len : 80, entry.ptr);
        }
        cors.any = cors.any || is_any;
        cors.origins[cors.count++] = entry;
        text += len + (text[len] == ',');
    }
    *ret_cors = cors;
    return PW_OK;
}

static bool is_listed(const struct pw_cors *cors, struct pw_str origin)
{
    for (uint32_t i = 0; i < cors->count; i++) {
        if (pw_str_equal(cors->origins[i], origin)) {
            return true;
        }
    }
    return cors->any;
}

void pw_cors_answer(const struct pw_cors *cors, struct pw_http_request *request)
{
    struct pw_str origin = request->headers[PW_HEADER_ORIGIN];
    if (cors == NULL || cors->count == 0) {
        return;
    }
    if (!cors->any) { /* A cache must not give one origin's answer to another. */
        pw_http_header(request, "Vary", "Origin");
    }
    if (origin.ptr == NULL || !is_listed(cors, origin)) {
        return;
    }
    pw_http_header(
        request, "Access-Control-Allow-Origin",
        cors->any ? "*" : pw_text_format(&request->arena, "%.*s", (int)origin.len, origin.ptr));
    pw_http_header(request, "Access-Control-Expose-Headers", EXPOSED);
}

bool pw_cors_preflight(const struct pw_cors *cors, struct pw_http_request *request,
                       const char *methods)
{
    struct pw_str origin = request->headers[PW_HEADER_ORIGIN];
    if (cors == NULL || cors->count == 0 || origin.ptr == NULL ||
        request->headers[PW_HEADER_REQUEST_METHOD].ptr == NULL || !is_listed(cors, origin)) {
        return false;
    }
    pw_http_header(request, "Access-Control-Allow-Methods", methods);
    pw_http_header(request, "Access-Control-Allow-Headers", TAKEN);
    pw_http_header(request, "Access-Control-Max-Age", PREFLIGHT_SECONDS);
    return true;
}
