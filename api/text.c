/* api/text.c: texts that grow in an arena. */
#include "api/text.h"

#include <stdarg.h>
#include <stdio.h>

void pw_text_init(struct pw_text *text, struct pw_arena *arena, size_t room)
{
    *text = (struct pw_text){.arena = arena};
    text->ptr = pw_arena_take(arena, room);
    text->room = text->ptr != NULL ? room : 0;
    text->full = text->ptr == NULL;
}

static bool make_room(struct pw_text *text, size_t more)
{
    if (text->full) {
        return false;
    }
    if (more <= text->room - text->len) {
        return true;
    }
    size_t room = 2 * text->room + more;
    char *bigger = pw_arena_take(text->arena, room);
    if (bigger == NULL) {
        text->full = true;
        return false;
    }
    memcpy(bigger, text->ptr, text->len);
    text->ptr = bigger;
    text->room = room;
    return true;
}

void pw_text_add(struct pw_text *text, struct pw_str more)
{
    if (more.len > 0 && make_room(text, more.len)) {
        memcpy(text->ptr + text->len, more.ptr, more.len);
        text->len += more.len;
    }
}

void pw_text_add_c(struct pw_text *text, const char *more)
{
    pw_text_add(text, pw_str_of(more));
}

static void add_formatted(struct pw_text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int bytes = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (bytes >= 0 && make_room(text, (size_t)bytes + 1)) {
        vsnprintf(text->ptr + text->len, (size_t)bytes + 1, format, arguments);
        text->len += (size_t)bytes;
    }
}

void pw_text_addf(struct pw_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_formatted(text, format, arguments);
    va_end(arguments);
}

void pw_text_add_json(struct pw_text *text, struct pw_str more)
{
    pw_text_add(text, PW_STR("\""));
    size_t begin = 0;
    for (size_t i = 0; i < more.len; i++) {
        unsigned char letter = (unsigned char)more.ptr[i];
        if (letter != '"' && letter != '\\' && letter >= 0x20) {
            continue;
        }
        pw_text_add(text, (struct pw_str){more.ptr + begin, i - begin});
        if (letter == '"' || letter == '\\') {
            pw_text_addf(text, "\\%c", letter);
        } else {
            pw_text_addf(text, "\\u%04x", letter);
        }
        begin = i + 1;
    }
    pw_text_add(text, (struct pw_str){more.ptr + begin, more.len - begin});
    pw_text_add(text, PW_STR("\""));
}

void pw_text_add_json_id(struct pw_text *text, const struct pw_id *id)
{
    char quoted[PW_ID_TEXT_BYTES + 3];
    quoted[0] = '"';
    pw_id_format(id, quoted + 1);
    quoted[PW_ID_TEXT_BYTES + 1] = '"';
    pw_text_add(text, (struct pw_str){quoted, PW_ID_TEXT_BYTES + 2});
}

void pw_text_add_json_at(struct pw_text *text, int64_t at_us)
{
    char moment[PW_AT_TEXT_BYTES_MAX];
    size_t len = pw_at_format(at_us, moment);
    pw_text_add_json(text, (struct pw_str){moment, len});
}

void pw_text_add_html(struct pw_text *text, struct pw_str more)
{
    for (size_t i = 0; i < more.len; i++) {
        char letter = more.ptr[i];
        if (letter == '<' || letter == '>' || letter == '&' || letter == '"' || letter == '\'') {
            pw_text_addf(text, "&#%d;", letter);
        } else {
            pw_text_add(text, (struct pw_str){&letter, 1});
        }
    }
}

struct pw_str pw_text_str(const struct pw_text *text)
{
    return (struct pw_str){text->ptr, text->len};
}

const char *pw_text_c(struct pw_text *text)
{
    if (!make_room(text, 1)) {
        return NULL;
    }
    text->ptr[text->len] = '\0';
    return text->ptr;
}

const char *pw_text_format(struct pw_arena *arena, const char *format, ...)
{
    struct pw_text text;
    pw_text_init(&text, arena, 64);
    va_list arguments;
    va_start(arguments, format);
    add_formatted(&text, format, arguments);
    va_end(arguments);
    return pw_text_c(&text);
}
