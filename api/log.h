/* api/log.h: one JSON object a line on standard error.
 *
 * Contract  {"ts", "level", "msg", "part"?, "partition"?, "trace_id"?}. Never bodies, tokens, names
 *           or addresses of people: the callers' messages are ours. A line is written by one call,
 *           so that lines of threads do not mix.
 * Threads   Any, after pw_log_init. */
#ifndef PW_API_LOG_H
#define PW_API_LOG_H

#include "schemas/types.h"

enum pw_log_level { PW_LOG_DEBUG, PW_LOG_INFO, PW_LOG_WARNING, PW_LOG_ERROR };

#define PW_LOG_NO_PARTITION UINT32_MAX

/* Lines below this level are left out. False for an unknown word. */
bool pw_log_init(const char *level);
bool pw_log_level_by_name(const char *name, enum pw_log_level *ret_level);

/* part: `http`, `commands`, `projections`, `queries`, `audits`, `keys`, `peers`, `node`. trace_id: 32 hex digits, or
 * NULL. */
void pw_log(enum pw_log_level level, const char *part, uint32_t partition, const char *trace_id,
            const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
