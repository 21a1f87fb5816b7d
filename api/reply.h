/* api/reply.h: what a node answered to a command, as the command line reads it.
 *
 * Contract  Bytes are gathered by libcurl's CURLOPT_WRITEFUNCTION, then read once. Texts out of an answer hold no control
 *           characters: they are printed on terminals.
 * Owner     The caller; an answer may be used again. */
#ifndef PW_API_REPLY_H
#define PW_API_REPLY_H

#include "schemas/types.h"

#define PW_REPLY_BYTES_MAX 16384

struct pw_reply {
    long status; /* 0: nobody answered. */
    size_t bytes;
    char text[PW_REPLY_BYTES_MAX + 1];

    /* By pw_reply_read; empty where the answer does not say. */
    char id[PW_ID_TEXT_BYTES + 1];
    char reset_token[128];
    char problem[64]; /* `email-taken` */
    char detail[512]; /* Its title, its detail, and all that is wrong with the request. */
};

void pw_reply_begin(struct pw_reply *answer);
size_t pw_reply_on_data(char *data, size_t size, size_t count, void *answer);
void pw_reply_read(struct pw_reply *answer, long status);

static inline bool pw_reply_is_yes(const struct pw_reply *answer)
{
    return answer->status == 200 || answer->status == 201;
}

#endif
