/* api/headers.c: the grammar of the header fields that requests carry. */
#include "api/headers.h"

#include <strings.h>

static bool same_word(struct pw_str a, const char *b)
{
    return a.len == strlen(b) && strncasecmp(a.ptr, b, a.len) == 0;
}

/* The next element up to `mark` outside of quotes; false at the end. */
static bool next_part(struct pw_str *rest, char mark, struct pw_str *ret_part)
{
    if (rest->ptr == NULL) {
        return false;
    }
    bool quoted = false;
    size_t i = 0;
    while (i < rest->len && (quoted || rest->ptr[i] != mark)) {
        if (rest->ptr[i] == '"') {
            quoted = !quoted;
        } else if (rest->ptr[i] == '\\' && quoted && i + 1 < rest->len) {
            i++;
        }
        i++;
    }
    *ret_part = pw_str_trim((struct pw_str){rest->ptr, i});
    *rest = i < rest->len ? (struct pw_str){rest->ptr + i + 1, rest->len - i - 1}
                          : (struct pw_str){NULL, 0};
    return true;
}

static bool unquote(struct pw_str *text)
{
    if (text->len < 2 || text->ptr[0] != '"' || text->ptr[text->len - 1] != '"') {
        return false;
    }
    *text = (struct pw_str){text->ptr + 1, text->len - 2};
    return true;
}

bool pw_header_key(struct pw_str value, struct pw_id *ret_id)
{
    struct pw_id id;
    int64_t at_us;
    unquote(&value);
    if (!pw_id_parse(value, &id) || !pw_id_v7_time(&id, &at_us)) {
        return false;
    }
    *ret_id = id;
    return true;
}

/* A version as we write it: decimal, no leading zero, 32 bits. */
static bool parse_version(struct pw_str text, int64_t *ret_version)
{
    int64_t version = 0;
    if (text.len == 0 || text.len > 10 || (text.ptr[0] == '0' && text.len > 1)) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        version = 10 * version + (text.ptr[i] - '0');
    }
    if (version > UINT32_MAX) {
        return false;
    }
    *ret_version = version;
    return true;
}

static bool is_opaque(struct pw_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char letter = (unsigned char)text.ptr[i];
        if (letter == '"' || letter <= 0x20 || letter == 0x7f) {
            return false;
        }
    }
    return true;
}

bool pw_header_if_match(struct pw_str value, int64_t *ret_version)
{
    struct pw_str tag = pw_str_trim(value);
    if (pw_str_equal(tag, PW_STR("*"))) {
        *ret_version = -1;
        return true;
    }
    bool weak = tag.len > 2 && tag.ptr[0] == 'W' && tag.ptr[1] == '/';
    if (weak) {
        tag = (struct pw_str){tag.ptr + 2, tag.len - 2};
    }
    int64_t version = PW_IF_MATCH_NEVER;
    if (!unquote(&tag) || !is_opaque(tag)) {
        return false;
    }
    if (!weak) {
        parse_version(tag, &version);
    }
    *ret_version = version;
    return true;
}

static struct pw_str without_weakness(struct pw_str tag)
{
    if (tag.len > 2 && tag.ptr[0] == 'W' && tag.ptr[1] == '/') {
        return (struct pw_str){tag.ptr + 2, tag.len - 2};
    }
    return tag;
}

bool pw_header_none_match_hits(struct pw_str value, struct pw_str etag)
{
    struct pw_str part;
    while (next_part(&value, ',', &part)) {
        if (pw_str_equal(part, PW_STR("*")) ||
            pw_str_equal(without_weakness(part), without_weakness(etag))) {
            return true;
        }
    }
    return false;
}

#define QUALITY_MAX 1000

/* The quality of a media range in thousandths; the most where it says nothing. */
static int quality_of(struct pw_str parameters)
{
    struct pw_str part;
    while (next_part(&parameters, ';', &part)) {
        if (part.len >= 3 && (part.ptr[0] == 'q' || part.ptr[0] == 'Q') && part.ptr[1] == '=') {
            int quality = part.ptr[2] == '1' ? QUALITY_MAX : 0;
            int scale = 100;
            for (size_t i = 4; i < part.len && part.ptr[2] != '1' && scale > 0; i++) {
                quality +=
                    (part.ptr[i] >= '0' && part.ptr[i] <= '9' ? part.ptr[i] - '0' : 0) * scale;
                scale /= 10;
            }
            return quality;
        }
    }
    return QUALITY_MAX;
}

/* How closely a range names a type: 3 the type itself, 2 its main type, 1 any, 0 not at all. */
static int closeness(struct pw_str range, struct pw_str media_type)
{
    const char *slash = memchr(media_type.ptr, '/', media_type.len);
    size_t main_len = (size_t)(slash - media_type.ptr) + 1;
    if (same_word(range, "*/*")) {
        return 1;
    }
    if (range.len == media_type.len && strncasecmp(range.ptr, media_type.ptr, range.len) == 0) {
        return 3;
    }
    bool any_of_main = range.len == main_len + 1 && range.ptr[main_len] == '*' &&
                       strncasecmp(range.ptr, media_type.ptr, main_len) == 0;
    return any_of_main ? 2 : 0;
}

int pw_header_quality(struct pw_str value, struct pw_str media_type)
{
    struct pw_str part;
    int closest = 0;
    int quality = 0;
    if (value.ptr == NULL || pw_str_trim(value).len == 0) {
        return QUALITY_MAX;
    }
    while (next_part(&value, ',', &part)) {
        struct pw_str range = {NULL, 0};
        struct pw_str rest = part;
        next_part(&rest, ';', &range);
        int close = closeness(range, media_type);
        if (close > closest || (close == closest && close > 0 && quality_of(rest) > quality)) {
            closest = close;
            quality = quality_of(rest);
        }
    }
    return closest > 0 ? quality : 0;
}

bool pw_header_accepts(struct pw_str value, struct pw_str media_type)
{
    return pw_header_quality(value, media_type) > 0;
}

bool pw_header_is_json(struct pw_str value)
{
    struct pw_str part;
    if (!next_part(&value, ';', &part) || !same_word(part, "application/json")) {
        return false;
    }
    while (next_part(&value, ';', &part)) {
        if (part.len > 8 && strncasecmp(part.ptr, "charset=", 8) == 0) {
            struct pw_str charset = {part.ptr + 8, part.len - 8};
            unquote(&charset);
            if (!same_word(charset, "utf-8")) {
                return false;
            }
        }
    }
    return true;
}

bool pw_header_is_identity(struct pw_str value)
{
    return value.ptr == NULL || pw_str_trim(value).len == 0 ||
           same_word(pw_str_trim(value), "identity");
}

bool pw_header_bearer(struct pw_str value, struct pw_str *ret_token)
{
    if (value.len < 8 || strncasecmp(value.ptr, "Bearer ", 7) != 0) {
        return false;
    }
    struct pw_str token = pw_str_trim((struct pw_str){value.ptr + 7, value.len - 7});
    if (token.len == 0) {
        return false;
    }
    *ret_token = token;
    return true;
}

bool pw_header_prefer_wait(struct pw_str value, uint32_t *ret_seconds)
{
    struct pw_str part;
    while (next_part(&value, ',', &part)) {
        struct pw_str name = {NULL, 0};
        struct pw_str rest = part;
        next_part(&rest, '=', &name);
        struct pw_str number = pw_str_trim(rest);
        int64_t seconds = 0;
        if (same_word(name, "wait") && rest.ptr != NULL) {
            unquote(&number);
            if (!parse_version(number, &seconds)) {
                return false;
            }
            *ret_seconds = (uint32_t)seconds;
            return true;
        }
    }
    return false;
}

bool pw_header_positions(struct pw_str value, struct pw_min_position *ret_positions,
                         uint32_t *ret_count)
{
    struct pw_str part;
    uint32_t count = 0;
    while (next_part(&value, ',', &part)) {
        if (count == PW_POSITIONS_MAX || !pw_position_parse(part, &ret_positions[count].position,
                                                            &ret_positions[count].has_head)) {
            return false;
        }
        count++;
    }
    *ret_count = count;
    return count > 0;
}
