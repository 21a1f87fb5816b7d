/* api/log.c: JSON lines. */
#include "api/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static enum pw_log_level lowest = PW_LOG_INFO;

bool pw_log_level_by_name(const char *name, enum pw_log_level *ret_level)
{
    for (size_t i = 0; i < PW_COUNT(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (enum pw_log_level)i;
            return true;
        }
    }
    return false;
}

bool pw_log_init(const char *level)
{
    return pw_log_level_by_name(level, &lowest);
}

/* Appends text as the inside of a JSON string; what is no ASCII text is shown as `?`, for a log
 * line must always parse. */
static size_t put_escaped(char *line, size_t at, size_t room, const char *text)
{
    for (; *text != '\0' && at + 3 < room; text++) {
        unsigned char letter = (unsigned char)*text;
        if (letter == '"' || letter == '\\') {
            line[at++] = '\\';
            line[at++] = (char)letter;
        } else {
            line[at++] = letter >= 0x20 && letter < 0x7f ? (char)letter : '?';
        }
    }
    return at;
}

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

void pw_log(enum pw_log_level level, const char *part, uint32_t partition, const char *trace_id,
            const char *format, ...)
{
    if (level < lowest) {
        return;
    }
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    char moment[PW_AT_TEXT_BYTES_MAX + 1] = "";
    pw_at_format(wall_us(), moment);
    char line[2400];
    size_t at = (size_t)snprintf(line, sizeof line, "{\"ts\":\"%s\",\"level\":\"%s\",\"msg\":\"",
                                 moment, level_names[level]);
    at = put_escaped(line, at, sizeof line - 200, message);
    line[at++] = '"';
    at += (size_t)snprintf(line + at, sizeof line - at, ",\"part\":\"%s\"", part);
    if (partition != PW_LOG_NO_PARTITION) {
        at += (size_t)snprintf(line + at, sizeof line - at, ",\"partition\":%u", partition);
    }
    if (trace_id != NULL) {
        at += (size_t)snprintf(line + at, sizeof line - at, ",\"trace_id\":\"%s\"", trace_id);
    }
    line[at++] = '}';
    line[at++] = '\n';
    if (write(STDERR_FILENO, line, at) < 0) {
        return; /* Nobody is left to tell. */
    }
}
