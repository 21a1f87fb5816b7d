/* schemas/json.c: jansson parses, the tables judge. */
#include "schemas/json.h"
#include "schemas/codec.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

struct reader {
    struct pw_arena *arena;
    struct pw_violations *violations;
    char within[PW_FIELD_NAME_BYTES_MAX +
                16]; /* `/choices/3` while one of a list is read; else empty. */
    bool arena_used_up;
    bool integers_are_reals; /* One has more than 64 bits, so that all were parsed as reals. */
};

/* The next violation to fill, or NULL where they are only counted. */
static struct pw_violation *next_violation(struct reader *reader)
{
    struct pw_violations *violations = reader->violations;

    if (violations->count == PW_VIOLATIONS_MAX) {
        violations->more++;
        return NULL;
    }
    return &violations->items[violations->count++];
}

static const char *keep(struct reader *reader, const char *text)
{
    struct pw_str copy = pw_arena_copy(reader->arena, (struct pw_str){text, strlen(text) + 1});

    reader->arena_used_up = reader->arena_used_up || copy.ptr == NULL;
    return copy.ptr != NULL ? copy.ptr : "";
}

__attribute__((format(printf, 3, 4))) static void
violate(struct reader *reader, const struct pw_field *field, const char *format, ...)
{
    struct pw_violation *violation = next_violation(reader);
    char text[160];
    va_list args;

    if (violation == NULL) {
        return;
    }
    snprintf(text, sizeof text, "%s/%s", reader->within, field->name);
    violation->pointer = keep(reader, text);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    violation->detail = keep(reader, text);
}

/* A name as a JSON pointer (RFC 6901): `~` and `/` are escaped; a long name is cut. */
static void violate_unknown(struct reader *reader, const char *name)
{
    struct pw_violation *violation = next_violation(reader);
    char pointer[sizeof reader->within + 1 + 2 * PW_POINTER_NAME_BYTES_MAX + sizeof "..."];
    size_t bytes = strlen(name), keep_bytes = bytes;
    size_t len = (size_t)snprintf(pointer, sizeof pointer, "%s/", reader->within);

    if (violation == NULL) {
        return;
    }
    if (bytes > PW_POINTER_NAME_BYTES_MAX) {
        keep_bytes = PW_POINTER_NAME_BYTES_MAX;
        while (((unsigned char)name[keep_bytes] & 0xc0) == 0x80) {
            keep_bytes--; /* Not inside a character. */
        }
    }
    for (size_t i = 0; i < keep_bytes; i++) {
        if (name[i] == '~' || name[i] == '/') {
            pointer[len++] = '~';
            pointer[len++] = name[i] == '~' ? '0' : '1';
        } else {
            pointer[len++] = name[i];
        }
    }
    strcpy(pointer + len, keep_bytes < bytes ? "..." : "");
    violation->pointer = keep(reader, pointer);
    violation->detail = reader->within[0] == '\0' ? "is not a field of this command"
                                                  : "is not a field of this record";
}

/* True for C0, DEL and C1: what a terminal or a mail header would obey. Passages have lines. */
static bool has_control(struct pw_str text, bool has_lines)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (has_lines && (c == '\n' || c == '\t')) {
            continue;
        }
        bool c1 = c == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0;
        if (c < 0x20 || c == 0x7f || c1) {
            return true;
        }
    }
    return false;
}

/* One `@`, something before it, and after it labels of a host's name between dots: what can be delivered is seen by sending. */
static bool email_shaped(struct pw_str text)
{
    const char *at = memchr(text.ptr, '@', text.len);

    if (at == NULL || at == text.ptr || at + 1 == text.ptr + text.len) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_space = c == ' ' || c == ',' || c == ';' || c == '<' || c == '>' || c == '"';
        if (is_space || (c == '@' && text.ptr + i != at)) {
            return false;
        }
    }
    const char *end = text.ptr + text.len;
    return at[1] != '.' && end[-1] != '.' && memmem(at, (size_t)(end - at), "..", 2) == NULL;
}

static bool letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* `Europe/Vienna`, `Etc/GMT+1`: parts between slashes that begin with a letter. */
static bool zone_shaped(struct pw_str text)
{
    bool begins = true;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (begins ? !letter(c) : !letter(c) && !digit(c) && strchr("_+-/", c) == NULL) {
            return false;
        }
        begins = c == '/';
    }
    return !begins;
}

/* `de`, `pt-BR`, `zh-Hant-TW`: a language of 2 to 8 letters, then subtags of 1 to 8 letters or
 * digits. */
static bool language_shaped(struct pw_str text)
{
    size_t part_bytes = 0;
    bool first = true;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '-' && part_bytes >= (first ? 2 : 1)) {
            part_bytes = 0;
            first = false;
        } else if ((letter(c) || (digit(c) && !first)) && part_bytes < 8) {
            part_bytes++;
        } else {
            return false;
        }
    }
    return part_bytes >= (first ? 2 : 1);
}

static void read_text(struct reader *reader, const struct pw_field *field, struct pw_str text,
                      struct pw_str *ret_text)
{
    uint32_t before = reader->violations->count + reader->violations->more;

    if (text.len == 0 && field->min == 1) {
        violate(reader, field, "must not be empty");
    } else if ((int64_t)text.len < field->min) {
        violate(reader, field, "must have at least %" PRId64 " bytes of UTF-8", field->min);
    }
    if ((int64_t)text.len > field->max) {
        violate(reader, field, "must have at most %" PRId64 " bytes of UTF-8", field->max);
    }
    bool is_passage = field->kind == PW_FIELD_KIND_passage;
    if (has_control(text, is_passage)) {
        violate(reader, field,
                is_passage ? "must not contain control characters but line feed and tab"
                           : "must not contain control characters");
    } else if (field->kind == PW_FIELD_KIND_zone && text.len > 0 && !zone_shaped(text)) {
        violate(reader, field, "must be the name of an IANA time zone, such as Europe/Vienna");
    } else if (field->kind == PW_FIELD_KIND_language && text.len > 0 && !language_shaped(text)) {
        violate(reader, field, "must be a BCP 47 language tag, such as de or pt-BR");
    } else if (field->kind == PW_FIELD_KIND_email && text.len > 0 && !email_shaped(text)) {
        violate(reader, field, "must be an e-mail address, such as ann@uni-graz.example");
    }
    if (reader->violations->count + reader->violations->more == before) {
        *ret_text = pw_arena_copy(reader->arena, text);
        reader->arena_used_up = reader->arena_used_up || ret_text->ptr == NULL;
    }
}

static void read_at(struct reader *reader, const struct pw_field *field, struct pw_str text,
                    int64_t *ret_at_us)
{
    char bound[PW_AT_TEXT_BYTES_MAX];

    if (!pw_at_parse(text, ret_at_us)) {
        violate(reader, field,
                "must be an RFC 3339 time from 1970 on with an offset, such as "
                "2027-02-01T09:00:00+01:00");
    } else if (*ret_at_us < field->min) {
        pw_at_format(field->min, bound);
        violate(reader, field, "must not be before %s", bound);
    } else if (*ret_at_us > field->max) {
        pw_at_format(field->max, bound);
        violate(reader, field, "must not be after %s", bound);
    }
}

static void read_name(struct reader *reader, const struct pw_field *field, struct pw_str text,
                      uint32_t *ret_value)
{
    if (!pw_name_find(field->kind, text, ret_value)) {
        violate(reader, field, "must be one of the names, such as %s",
                pw_names_of(field->kind).names[0].name);
    }
}

static void read_string(struct reader *reader, const struct pw_field *field, const json_t *value,
                        void *ret_value)
{
    struct pw_str text = {json_string_value(value), json_string_length(value)};

    if (text.ptr == NULL) {
        violate(reader, field, "must be a string");
        return;
    }
    switch (field->kind) {
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language:
    case PW_FIELD_KIND_personal:
    case PW_FIELD_KIND_email:
    case PW_FIELD_KIND_password:
    case PW_FIELD_KIND_passage:
    case PW_FIELD_KIND_secret: read_text(reader, field, text, ret_value); break;
    case PW_FIELD_KIND_at: read_at(reader, field, text, ret_value); break;
    case PW_FIELD_KIND_id:
        if (!pw_id_parse(text, ret_value)) {
            violate(reader, field, "must be a UUID, and not the nil UUID");
        }
        break;
    case PW_FIELD_KIND_hash:
        if (!pw_hex_parse(text, ret_value, sizeof(struct pw_hash))) {
            violate(reader, field, "must be 64 hex digits");
        }
        break;
    case PW_FIELD_KIND_key:
        if (!pw_base64url_parse(text, ret_value, sizeof(struct pw_hash))) {
            violate(reader, field, "must be 32 bytes as 43 characters of base64url, unpadded");
        }
        break;
    case PW_FIELD_KIND_reason:
    case PW_FIELD_KIND_item_kind:
    case PW_FIELD_KIND_scoring: read_name(reader, field, text, ret_value); break;
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_minutes:       /* Numbers: read_number. */
    case PW_FIELD_KIND_flag:          /* read_flag */
    case PW_FIELD_KIND_roles:         /* read_roles */
    case PW_FIELD_KIND_list:          /* read_list */
    case PW_FIELD_KIND_sealed: break; /* Of events only. */
    }
}

/* The value of a number that was written as an integer; one beyond 64 bits becomes their bound. */
static bool integer_of(const struct reader *reader, const json_t *value, int64_t *ret_integer)
{
    double real = json_real_value(value);

    if (json_is_integer(value)) {
        *ret_integer = json_integer_value(value);
        return true;
    }
    if (!reader->integers_are_reals) {
        return false;
    }
    if (real >= 0x1p63 || real <= -0x1p63) {
        *ret_integer = real > 0 ? INT64_MAX : INT64_MIN;
        return true;
    }
    *ret_integer = (int64_t)real;
    return (double)*ret_integer == real;
}

static void read_number(struct reader *reader, const struct pw_field *field, const json_t *value,
                        uint32_t *ret_value)
{
    int64_t integer;

    if (!json_is_number(value)) {
        violate(reader, field, "must be a number");
    } else if (!integer_of(reader, value, &integer)) {
        violate(reader, field, "must be a whole number, without fraction and exponent");
    } else if (integer < field->min) {
        violate(reader, field, "must be at least %" PRId64, field->min);
    } else if (integer > field->max) {
        violate(reader, field, "must be at most %" PRId64, field->max);
    } else {
        *ret_value = (uint32_t)integer;
    }
}

static void read_flag(struct reader *reader, const struct pw_field *field, const json_t *value,
                      uint32_t *ret_flag)
{
    if (json_is_boolean(value)) {
        *ret_flag = json_is_true(value);
    } else {
        violate(reader, field, "must be true or false");
    }
}

static void read_roles(struct reader *reader, const struct pw_field *field, const json_t *value,
                       uint32_t *ret_roles)
{
    size_t count = json_array_size(value); /* 0 of what is no array. */
    uint32_t roles = 0;

    if (!json_is_array(value)) {
        violate(reader, field, "must be an array of roles");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(value, i);
        struct pw_str text = {json_string_value(name), json_string_length(name)};
        enum pw_role role;
        if (text.ptr == NULL || !pw_role_by_name(text, &role) || (PW_EVERYONE >> role & 1) == 0) {
            violate(reader, field,
                    "must hold only student, teacher, grader, proctor, admin, auditor, analyst");
            return;
        }
        if ((roles >> role & 1) != 0) {
            violate(reader, field, "must hold each role once");
            return;
        }
        roles |= UINT32_C(1) << role;
    }
    if ((int64_t)count < field->min) {
        violate(reader, field, "must hold at least one role");
    } else {
        *ret_roles = roles;
    }
}

static void read_fields(struct reader *reader, const struct pw_message *message, json_t *object,
                        void *body);

/* One of a list, written behind those before it where it is good. */
static void read_record(struct reader *reader, const struct pw_field *field, size_t index,
                        json_t *value, struct pw_buffer *records)
{
    _Alignas(max_align_t) uint8_t record[PW_RECORD_SIZE_MAX] = {0};
    const struct pw_message *message = &field->record()->message;
    uint32_t before = reader->violations->count + reader->violations->more;
    snprintf(reader->within, sizeof reader->within, "/%s/%zu", field->name, index);
    if (json_is_object(value)) {
        read_fields(reader, message, value, record);
    } else {
        struct pw_violation *violation = next_violation(reader);
        if (violation != NULL) {
            violation->pointer = keep(reader, reader->within);
            violation->detail = "must be an object";
        }
    }
    reader->within[0] = '\0';
    if (reader->violations->count + reader->violations->more == before && !reader->arena_used_up) {
        pw_payload_write(records, message, record);
    }
}

/* The records of a list, as they will stand in the payload. */
static void read_list(struct reader *reader, const struct pw_field *field, json_t *value,
                      struct pw_list *ret_list)
{
    size_t count = json_array_size(value); /* 0 of what is no array. */
    struct pw_buffer records;
    if (!json_is_array(value)) {
        violate(reader, field, "must be an array");
        return;
    }
    if ((int64_t)count < field->min || (int64_t)count > field->max) {
        violate(reader, field, "must hold %" PRId64 " to %" PRId64 " records", field->min,
                field->max);
        return;
    }
    pw_buffer_init(
        &records,
        PW_JSON_BYTES_MAX); /* Never longer than the JSON that it comes from, but for names. */
    pw_write_array(&records, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        read_record(reader, field, i, json_array_get(value, i), &records);
    }
    struct pw_str kept =
        pw_arena_copy(reader->arena, (struct pw_str){(const char *)records.data, records.bytes});
    reader->arena_used_up = reader->arena_used_up || kept.ptr == NULL || records.full;
    *ret_list = (struct pw_list){(const uint8_t *)kept.ptr, kept.len, (uint32_t)count};
    pw_buffer_close(&records);
}

static bool is_number(const struct pw_field *field)
{
    return field->kind == PW_FIELD_KIND_count || field->kind == PW_FIELD_KIND_minutes;
}

static void fall_back(const struct pw_field *field, void *ret_value)
{
    if (field->kind == PW_FIELD_KIND_at) {
        *(int64_t *)ret_value = field->fallback;
    } else if (field->kind == PW_FIELD_KIND_personal || field->kind == PW_FIELD_KIND_password ||
               field->kind == PW_FIELD_KIND_text) {
        *(struct pw_str *)ret_value = PW_STR("");
    } else if (field->kind == PW_FIELD_KIND_list) {
        *(struct pw_list *)ret_value = (struct pw_list){0};
    } else {
        /* A table gives fallbacks to nothing else. */
        assert(is_number(field) || field->kind == PW_FIELD_KIND_flag);
        *(uint32_t *)ret_value = (uint32_t)field->fallback;
    }
}

static bool in_body(const struct pw_field *field)
{
    return field->source == PW_FROM_BODY || field->source == PW_FROM_BODY_OR;
}

static void read_unknown(struct reader *reader, const struct pw_message *message, json_t *object)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        bool known = false;
        for (uint32_t i = 0; i < message->field_count && !known; i++) {
            const struct pw_field *field = &message->fields[i];
            known = in_body(field) && strcmp(field->name, name) == 0;
        }
        if (!known) {
            violate_unknown(reader, name);
        }
    }
}

static void read_fields(struct reader *reader, const struct pw_message *message, json_t *object,
                        void *body)
{
    size_t found = 0;

    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pw_field *field = &message->fields[i];
        void *ret_value = (char *)body + field->offset;
        json_t *value = in_body(field) ? json_object_get(object, field->name) : NULL;

        found += value != NULL ? 1 : 0;
        if (value != NULL && is_number(field)) {
            read_number(reader, field, value, ret_value);
        } else if (value != NULL && field->kind == PW_FIELD_KIND_flag) {
            read_flag(reader, field, value, ret_value);
        } else if (value != NULL && field->kind == PW_FIELD_KIND_roles) {
            read_roles(reader, field, value, ret_value);
        } else if (value != NULL && field->kind == PW_FIELD_KIND_list) {
            read_list(reader, field, value, ret_value);
        } else if (value != NULL) {
            read_string(reader, field, value, ret_value);
        } else if (field->source == PW_FROM_BODY_OR) {
            fall_back(field, ret_value);
        } else if (field->source == PW_FROM_BODY) {
            violate(reader, field, "is missing");
        }
    }
    if (found < json_object_size(object)) {
        read_unknown(reader, message, object);
    }
}

/* Arrays and objects are counted before they are parsed: jansson's own bound is 2,048 deep. Strings
 * are told apart just as the parser does it, up to the first error, where that stops as well. */
static bool too_deep(struct pw_str body, struct pw_err *err)
{
    int depth = 0, line = 1, column = 0;
    bool in_string = false;

    for (size_t i = 0; i < body.len; i++) {
        char c = body.ptr[i];
        column += ((unsigned char)c & 0xc0) != 0x80 ? 1 : 0;
        if (c == '\n') {
            line++;
            column = 0;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (c == '\\' && in_string) {
            i++; /* Whatever it escapes ends no string; in `\uXXXX` the digits do not either. */
            column++;
        } else if ((c == '[' || c == '{') && !in_string && ++depth > PW_JSON_DEPTH_MAX) {
            pw_fail(err, PW_ERR_MALFORMED, "line %d column %d: nested deeper than %d", line, column,
                    PW_JSON_DEPTH_MAX);
            return true;
        } else if ((c == ']' || c == '}') && !in_string) {
            depth--;
        }
    }
    return false;
}

/* Phrases of our own: jansson's repeat what the client sent. */
static enum pw_code fail_to_parse(const json_error_t *error, struct pw_err *err)
{
    const char *phrase = "this is not JSON";

    switch (json_error_code(error)) {
    case json_error_out_of_memory:
        return pw_fail(err, PW_ERR_INTERNAL, "out of memory while parsing JSON");
    case json_error_invalid_utf8: phrase = "this is not UTF-8"; break;
    case json_error_premature_end_of_input: phrase = "the body ends too early"; break;
    case json_error_end_of_input_expected: phrase = "more follows after the object"; break;
    case json_error_null_byte_in_key: phrase = "a name contains U+0000"; break;
    case json_error_duplicate_key: phrase = "a name occurs twice"; break;
    case json_error_numeric_overflow: phrase = "a number is too large"; break;
    default: break;
    }
    return pw_fail(err, PW_ERR_MALFORMED, "line %d column %d: %s", error->line, error->column,
                   phrase);
}

/* Parses the body; NULL with *ret_code and err where it is not one JSON object. */
static json_t *parse(struct reader *reader, struct pw_str body, enum pw_code *ret_code,
                     struct pw_err *err)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_error_t error;
    json_t *root = json_loadb(body.ptr, body.len, flags, &error);

    if (root == NULL && json_error_code(&error) == json_error_numeric_overflow) {
        /* Still JSON: once more, so that the number's field can be named. */
        json_error_t again;
        root = json_loadb(body.ptr, body.len, flags | JSON_DECODE_INT_AS_REAL, &again);
        reader->integers_are_reals = true;
    }
    if (root == NULL) {
        *ret_code = fail_to_parse(&error, err);
        return NULL;
    }
    if (!json_is_object(root)) {
        json_decref(root);
        *ret_code = pw_fail(err, PW_ERR_MALFORMED, "line 1 column 1: this is not a JSON object");
        return NULL;
    }
    return root;
}

enum pw_code pw_command_read_json(struct pw_str body, struct pw_arena *arena,
                                  struct pw_command *command, struct pw_violations *ret_violations,
                                  struct pw_err *err)
{
    const struct pw_message *message = &pw_command_info(command->type)->message;
    struct reader reader = {.arena = arena, .violations = ret_violations};
    enum pw_code code = PW_OK;

    ret_violations->count = 0;
    ret_violations->more = 0;
    if (body.len > PW_JSON_BYTES_MAX) {
        return pw_fail(err, PW_ERR_TOO_LARGE, "the body may have at most %d bytes",
                       PW_JSON_BYTES_MAX);
    }
    if (too_deep(body, err)) {
        return PW_ERR_MALFORMED;
    }
    json_t *root = parse(&reader, body.len > 0 ? body : PW_STR("{}"), &code, err);
    if (root == NULL) {
        return code;
    }
    read_fields(&reader, message, root, pw_command_body(command));
    json_decref(root);
    if (reader.arena_used_up) {
        ret_violations->count = 0; /* Some of them lack their texts. */
        ret_violations->more = 0;
        return pw_fail(err, PW_ERR_TOO_LARGE,
                       "the values need more memory than one request may use");
    }
    if (ret_violations->count > 0) {
        return pw_fail(err, PW_ERR_INVALID, "%u of the body's fields are not valid",
                       ret_violations->count + ret_violations->more);
    }
    /* No table has a field for a number of that size, so one of them was named. */
    assert(!reader.integers_are_reals);
    return PW_OK;
}
