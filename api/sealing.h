/* api/sealing.h: what a sealed field is bound to, so that none can be put in another's place.
 *
 * Contract  The associated data of a sealed field (docs/keys.md, section 3) are the 16 bytes of the person's id, then the field's name:
 *           `user.email`, `user.name`, `user.password`, `user.reason`, `session.label`. */
#ifndef PW_API_SEALING_H
#define PW_API_SEALING_H

#include "schemas/types.h"

#define PW_SEALING_BYTES_MAX 80

/* name: at most 64 bytes. Gives a view of the buffer. */
struct pw_str pw_sealing_associated(const struct pw_id *user_id, const char *name,
                                    char buffer[PW_SEALING_BYTES_MAX]);

#endif
