/* schemas/json.h: a command from the JSON that a client sent, with all that is wrong named at once.
 *
 * Contract  The body is one JSON object (RFC 8259), UTF-8, without duplicate keys, nested at most
 *           PW_JSON_DEPTH_MAX, and has exactly the table's PW_FROM_BODY fields; PW_FROM_BODY_OR may
 *           be missing, and an empty body counts as {}. Path, made and derived fields are the
 *           caller's and left as they are. Numbers must be whole: 30.0 and 3e1 are refused.
 * Owner     Texts of the command are copied into the arena, and so are the violations' texts.
 * Threads   Any; an arena has one owner.
 * Errors    TOO_LARGE: longer than PW_JSON_BYTES_MAX, or the arena is used up. MALFORMED: not JSON
 *           as above; the detail names line and column. INVALID: JSON, but not this command; every
 *           violation is listed by JSON pointer (RFC 6901), up to PW_VIOLATIONS_MAX, and `more`
 *           counts the others. No text repeats a value of the client's. After an error the command
 *           is not to be used. */
#ifndef PW_SCHEMAS_JSON_H
#define PW_SCHEMAS_JSON_H

#include "schemas/arena.h"
#include "schemas/schema.h"

#define PW_JSON_BYTES_MAX         (256 * 1024) /* The longest item in escapes (`\u00e4`) needs half. */
#define PW_JSON_DEPTH_MAX         16
#define PW_VIOLATIONS_MAX         32
#define PW_POINTER_NAME_BYTES_MAX 64 /* An unknown field's longer name is cut, and ends in `...`. */

struct pw_violation {
    const char *pointer; /* `/capacity`; a NUL ends it. */
    const char *detail;  /* `must be at least 1`; a NUL ends it. */
};

struct pw_violations {
    struct pw_violation items[PW_VIOLATIONS_MAX];
    uint32_t count;
    uint32_t more;
};

/* command->type says which command is expected. *ret_violations is empty unless the answer is
 * INVALID. */
enum pw_code pw_command_read_json(struct pw_str body, struct pw_arena *arena,
                                  struct pw_command *command, struct pw_violations *ret_violations,
                                  struct pw_err *err);

#endif
