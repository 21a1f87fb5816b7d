/* api/http_parse.c: target and headers of a request. */
#include <strings.h>

#include "api/http_internal.h"

static void set_fault(struct pw_http_request *request, const char *detail)
{
    if (request->fault == PW_OK) {
        request->fault = PW_ERR_MALFORMED;
        request->fault_detail = detail;
    }
}

static int digit_of(char letter)
{
    return letter >= '0' && letter <= '9'   ? letter - '0'
           : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
           : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10
                                            : -1;
}

/* Undoes percent-encoding; `plus` says that + is a space. What is not UTF-8, or has a NUL, is a
 * fault. */
static struct pw_str decode(struct pw_http_request *request, struct pw_str raw, bool plus)
{
    bool plain = true;
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char letter = (unsigned char)raw.ptr[i];
        plain = plain && letter != '%' && letter < 0x80 && !(plus && letter == '+');
    }
    if (plain) {
        return raw;
    }
    char *text = pw_arena_take(&request->arena, raw.len);
    size_t len = 0;
    for (size_t i = 0; text != NULL && i < raw.len; i++) {
        if (raw.ptr[i] != '%') {
            text[len++] = plus && raw.ptr[i] == '+' ? ' ' : raw.ptr[i];
            continue;
        }
        int high = i + 2 < raw.len ? digit_of(raw.ptr[i + 1]) : -1;
        int low = i + 2 < raw.len ? digit_of(raw.ptr[i + 2]) : -1;
        if (high < 0 || low < 0) {
            set_fault(request, "the address has a % that no two hex digits follow");
            return raw;
        }
        text[len++] = (char)(16 * high + low);
        i += 2;
    }
    struct pw_str decoded = {text, len};
    if (text == NULL || !pw_utf8_valid(decoded)) {
        set_fault(request, "the address is not UTF-8");
        return raw;
    }
    return decoded;
}

static void parse_path(struct pw_http_request *request, struct pw_str path)
{
    size_t begin = 1;
    if (path.len == 0 || path.ptr[0] != '/') {
        set_fault(request, "the address is not a path");
        return;
    }
    for (size_t i = 1; i <= path.len; i++) {
        if (i < path.len && path.ptr[i] != '/') {
            continue;
        }
        if (request->segment_count == PW_HTTP_SEGMENTS_MAX) {
            request->segment_count = 0; /* No route is that long: nothing will match. */
            return;
        }
        struct pw_str raw = {path.ptr + begin, i - begin};
        request->segments[request->segment_count++] = decode(request, raw, false);
        begin = i + 1;
    }
}

static void parse_params(struct pw_http_request *request, struct pw_str query)
{
    size_t begin = 0;
    for (size_t i = 0; i <= query.len; i++) {
        if (i < query.len && query.ptr[i] != '&') {
            continue;
        }
        struct pw_str pair = {query.ptr + begin, i - begin};
        begin = i + 1;
        if (pair.len == 0) {
            continue;
        }
        if (request->param_count == PW_HTTP_PARAMS_MAX) {
            set_fault(request, "the address has too many query parameters");
            return;
        }
        const char *equals = memchr(pair.ptr, '=', pair.len);
        size_t name_len = equals != NULL ? (size_t)(equals - pair.ptr) : pair.len;
        struct pw_str name = {pair.ptr, name_len};
        struct pw_str value = {pair.ptr + name_len, 0};
        if (equals != NULL) {
            value = (struct pw_str){equals + 1, pair.len - name_len - 1};
        }
        struct pw_http_param *param = &request->params[request->param_count++];
        param->name = decode(request, name, true);
        param->value = decode(request, value, true);
    }
}

/* RFC 9112, 3.2.2: a server takes the absolute form, too, and needs of it the path and query. */
static struct pw_str origin_form(struct pw_str target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < PW_COUNT(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (target.len >= len && strncasecmp(target.ptr, schemes[i], len) == 0) {
            const char *slash = memchr(target.ptr + len, '/', target.len - len);
            return slash == NULL
                       ? PW_STR("/")
                       : (struct pw_str){slash, target.len - (size_t)(slash - target.ptr)};
        }
    }
    return target;
}

void http_parse_target(struct pw_http_request *request, const char *target)
{
    struct pw_str all = pw_arena_copy(&request->arena, pw_str_of(target));
    if (all.ptr == NULL) {
        set_fault(request, "the address is too long");
        return;
    }
    all = origin_form(all);
    const char *mark = memchr(all.ptr, '?', all.len);
    size_t path_len = mark != NULL ? (size_t)(mark - all.ptr) : all.len;
    parse_path(request, (struct pw_str){all.ptr, path_len});
    if (mark != NULL) {
        parse_params(request, (struct pw_str){mark + 1, all.len - path_len - 1});
    }
}

static const struct {
    const char *name;
    size_t name_len;
    bool is_list;
} known[PW_HEADER_COUNT] = {
#define PW_HTTP_HEADER_ENTRY(UPPER, name, list)                                                    \
    [PW_HEADER_##UPPER] = {name, sizeof(name) - 1, list},
    PW_HTTP_HEADERS(PW_HTTP_HEADER_ENTRY)
#undef PW_HTTP_HEADER_ENTRY
};

static void take_header(struct pw_http_request *request, enum pw_http_header header,
                        struct pw_str value)
{
    struct pw_str *kept = &request->headers[header];
    if (kept->ptr == NULL) {
        *kept = (struct pw_str){value.len > 0 ? value.ptr : "", value.len};
        return;
    }
    if (!known[header].is_list) {
        set_fault(request, "a header that may stand once is repeated");
        return;
    }
    char *joined = pw_arena_take(&request->arena, kept->len + value.len + 1);
    if (joined == NULL) {
        set_fault(request, "the headers are too large");
        return;
    }
    memcpy(joined, kept->ptr, kept->len);
    joined[kept->len] = ',';
    memcpy(joined + kept->len + 1, value.ptr, value.len);
    *kept = (struct pw_str){joined, kept->len + value.len + 1};
}

static enum MHD_Result see_header(void *self, enum MHD_ValueKind kind, const char *name,
                                  size_t name_len, const char *value, size_t value_len)
{
    struct pw_http_request *request = self;
    (void)kind;
    if (value_len > 0 && memchr(value, '\0', value_len) != NULL) {
        set_fault(request, "a header has a NUL");
        return MHD_YES;
    }
    for (enum pw_http_header header = 0; header < PW_HEADER_COUNT; header++) {
        if (known[header].name_len == name_len &&
            strncasecmp(known[header].name, name, name_len) == 0) {
            take_header(request, header, pw_str_trim((struct pw_str){value, value_len}));
        }
    }
    return MHD_YES;
}

/* W3C Trace Context: `00-<32 hex>-<16 hex>-<2 hex>`; what is not of that form starts a trace of our
 * own. */
static bool trace_of(struct pw_str traceparent, char ret_trace_id[33])
{
    uint8_t bytes[16];
    static const uint8_t none[16];
    if (traceparent.len < 55 || traceparent.ptr[2] != '-' || traceparent.ptr[35] != '-' ||
        traceparent.ptr[52] != '-' ||
        !pw_hex_parse((struct pw_str){traceparent.ptr + 3, 32}, bytes, sizeof bytes) ||
        memcmp(bytes, none, sizeof bytes) == 0) {
        return false;
    }
    pw_hex_format(bytes, sizeof bytes, ret_trace_id);
    return true;
}

void http_parse_headers(struct pw_http_request *request)
{
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, see_header, request);
    /* A proxy before us may have read another length than libmicrohttpd did: then what follows on
     * this connection is nobody's request (RFC 9112, 6.1). */
    if (request->headers[PW_HEADER_CONTENT_LENGTH].ptr != NULL &&
        request->headers[PW_HEADER_TRANSFER_ENCODING].ptr != NULL) {
        set_fault(request, "Content-Length and Transfer-Encoding contradict each other");
    }
    struct pw_str traceparent = request->headers[PW_HEADER_TRACEPARENT];
    if (traceparent.ptr == NULL || !trace_of(traceparent, request->trace_id)) {
        uint8_t bytes[16];
        pw_http_random(request, bytes, sizeof bytes);
        pw_hex_format(bytes, sizeof bytes, request->trace_id);
    }
}
