/* api/text.h: texts that grow in an arena.
 *
 * Contract  Append; past the arena's ceiling the text is `full` and stays as it was. pw_text_str
 *           views what was written so far.
 * Owner     The memory is the arena's. */
#ifndef PW_API_TEXT_H
#define PW_API_TEXT_H

#include "schemas/arena.h"

struct pw_text {
    struct pw_arena *arena;
    char *ptr;
    size_t len;
    size_t room;
    bool full;
};

void pw_text_init(struct pw_text *text, struct pw_arena *arena, size_t room);
void pw_text_add(struct pw_text *text, struct pw_str more);
void pw_text_add_c(struct pw_text *text, const char *more);
void pw_text_addf(struct pw_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes; `more` is UTF-8. */
void pw_text_add_json(struct pw_text *text, struct pw_str more);
void pw_text_add_json_id(struct pw_text *text, const struct pw_id *id);
void pw_text_add_json_at(struct pw_text *text, int64_t at_us);

/* The same for HTML: `<`, `>`, `&` and quotes are written as references. */
void pw_text_add_html(struct pw_text *text, struct pw_str more);

struct pw_str pw_text_str(const struct pw_text *text);

/* As a C string; NULL where it is full. */
const char *pw_text_c(struct pw_text *text);

/* One formatted C string in the arena; NULL past its ceiling. */
const char *pw_text_format(struct pw_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
