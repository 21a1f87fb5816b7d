/* api/reply.h: what the command line puts before each command, and what a node answered to it.
 *
 * Contract  Bytes are gathered by libcurl, then read once. Texts out of an answer hold no control characters: they are printed on
 *           terminals.
 * Owner     The caller; an answer may be used again. */
#ifndef PW_API_REPLY_H
#define PW_API_REPLY_H

#include "api/gather.h"
#include "schemas/types.h"

#define PW_REPLY_BYTES_MAX 16384

struct pw_reply {
    long status;               /* 0: nobody answered. */
    struct pw_gather gathered; /* Into text. */
    char text[PW_REPLY_BYTES_MAX + 1];

    /* By pw_reply_read; empty where the answer does not say. */
    char id[PW_ID_TEXT_BYTES + 1];
    char reset_token[128];
    char problem[64]; /* `email-taken` */
    char detail[512]; /* Its title, its detail, and all that is wrong with the request. */
};

struct curl_slist; /* libcurl's. */

/* JSON, the bearer's token and the Idempotency-Key. The caller frees the list. */
struct curl_slist *pw_command_headers(const char *bearer, const char *key);

/* Empties the answer; what libcurl is told to gather into stays valid as long as the answer. */
void pw_reply_begin(struct pw_reply *answer);
void pw_reply_read(struct pw_reply *answer, long status);

static inline bool pw_reply_is_yes(const struct pw_reply *answer)
{
    return answer->status == 200 || answer->status == 201;
}

#endif
