/* schemas/errors.c: the table of errors, read. */
#include "schemas/errors.h"

#include <stdarg.h>
#include <stdio.h>

static const struct pw_error_info infos[PW_CODE_COUNT] = {
    [PW_OK] = {PW_KIND_NONE, PW_TO_NOBODY, "", "", "", ""},
#define PW_ERROR(code, kind, to, name, title, meaning, remedy)                                     \
    [PW_ERR_##code] = {PW_KIND_##kind, PW_TO_##to, name, title, meaning, remedy},
#include "schemas/errors.def"
#undef PW_ERROR
};

#define PW_ERROR(code, kind, to, name, title, meaning, remedy)                                     \
    static_assert(sizeof(name) > 1 && sizeof(title) > 1, #code " needs a name and a title");       \
    static_assert(sizeof(meaning) > 1 && sizeof(remedy) > 1, #code " needs a meaning, a remedy");
#include "schemas/errors.def"
#undef PW_ERROR

const struct pw_error_info *pw_error_info(enum pw_code code)
{
    assert(code < PW_CODE_COUNT);
    return &infos[code];
}

bool pw_error_by_name(struct pw_str name, enum pw_code *ret_code)
{
    for (int code = PW_OK + 1; code < PW_CODE_COUNT; code++) {
        if (pw_str_equal(name, pw_str_of(infos[code].name))) {
            *ret_code = (enum pw_code)code;
            return true;
        }
    }
    return false;
}

/* A detail can go on record, where only whole characters are text: one that was cut loses the rest
 * of its last character, and what is no UTF-8 at all is replaced. */
static void make_text(char *detail, size_t len, bool cut)
{
    for (size_t lost = 0; lost <= (cut ? 3 : 0); lost++) {
        if (pw_utf8_valid((struct pw_str){detail, len - lost})) {
            detail[len - lost] = '\0';
            return;
        }
    }
    for (char *at = detail; *at != '\0'; at++) {
        if ((unsigned char)*at >= 0x80) {
            *at = '?';
        }
    }
}

enum pw_code pw_fail(struct pw_err *err, enum pw_code code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->code = code;
        int wanted = vsnprintf(err->detail, sizeof err->detail, format, args);
        va_end(args);
        make_text(err->detail, strlen(err->detail), wanted >= (int)sizeof err->detail);
    }
    return code;
}
