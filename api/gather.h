/* api/gather.h: an answer that libcurl receives, gathered whole.
 *
 * Contract  To be given as CURLOPT_WRITEFUNCTION, with a struct pw_gather as CURLOPT_WRITEDATA. More than there is room for ends the
 *           transfer with CURLE_WRITE_ERROR.
 * Owner     The caller, of the text too; bytes is set to 0 before each transfer. */
#ifndef PW_API_GATHER_H
#define PW_API_GATHER_H

#include <string.h>

struct pw_gather {
    char *text;
    size_t room;
    size_t bytes;
};

static inline size_t pw_gather_on_data(char *data, size_t size, size_t count, void *self)
{
    struct pw_gather *gather = self;
    size_t bytes = size * count;
    if (bytes > gather->room - gather->bytes) {
        return 0;
    }
    memcpy(gather->text + gather->bytes, data, bytes);
    gather->bytes += bytes;
    return bytes;
}

#endif
