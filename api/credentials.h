/* api/credentials.h: the tokens that are good once: refresh tokens of sessions, and those by which a password is set.
 *
 * Contract  Both are base64url without padding. A refresh token is 68 bytes: session, person (16 bytes each), version of the session
 *           (4, big-endian), and HMAC-SHA-256 under the ledger's secret over "proctorwise refresh 1", the tenant's id and these 36 bytes.
 *           A reset token is 48 bytes: the person, and HMAC-SHA-256 under the secret over "proctorwise reset 1", the ids of tenant and
 *           person, and the id of the command that made it. So whoever repeats a command is given the same tokens, and none is kept.
 *           The ledger holds the SHA-256 of a reset token's 48 bytes.
 * Threads   Any. */
#ifndef PW_API_CREDENTIALS_H
#define PW_API_CREDENTIALS_H

#include "schemas/types.h"

#define PW_REFRESH_TEXT_BYTES 91
#define PW_RESET_TEXT_BYTES   64

struct pw_refresh {
    struct pw_id session_id;
    struct pw_id user_id;
    uint32_t version;
};

void pw_refresh_format(struct pw_str secret, const struct pw_id *tenant_id,
                       const struct pw_refresh *refresh, char ret_text[PW_REFRESH_TEXT_BYTES + 1]);

/* False: nobody here has made it for this tenant. */
bool pw_refresh_parse(struct pw_str secret, const struct pw_id *tenant_id, struct pw_str text,
                      struct pw_refresh *ret_refresh);

void pw_reset_format(struct pw_str secret, const struct pw_id *tenant_id,
                     const struct pw_id *user_id, const struct pw_id *command_id,
                     char ret_text[PW_RESET_TEXT_BYTES + 1]);

/* Whom it is for, and what the ledger has of it. False: it has not the form. */
bool pw_reset_parse(struct pw_str text, struct pw_id *ret_user_id, struct pw_hash *ret_hash);

#endif
