/* eventstore/secret_file.h: files that hold a secret key.
 *
 * Contract  A file is read only where it belongs to root or to who runs this program, and nobody else
 *           could read or write it; its group may read it where root owns it, which is how a systemd
 *           credential looks.
 * Owner     The caller's memory, locked where it is to be: nothing is kept or copied.
 * Errors    SETTING_WRONG, with the path and what is wrong. */
#ifndef PW_EVENTSTORE_SECRET_FILE_H
#define PW_EVENTSTORE_SECRET_FILE_H

#include "schemas/errors.h"

/* Reads up to `room` bytes: a file that fills it may be longer. */
enum pw_code pw_secret_file_read(const char *path, void *ret_data, size_t room, size_t *ret_bytes,
                                 struct pw_err *err);

#endif
