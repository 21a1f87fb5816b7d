/* api/sealing.h: what a sealed field is bound to, so that none can be put in another's place; and how an address becomes a tag.
 *
 * Contract  The associated data of a sealed field (docs/keys.md, section 3) are the 16 bytes of the person's id, then the field's name:
 *           `user.email`, `user.name`, `user.password`, `user.reason`, `session.label`. The tag of an address is that of the context
 *           `user.email` and of the address with its ASCII capitals made small. */
#ifndef PW_API_SEALING_H
#define PW_API_SEALING_H

#include "api/vault.h"

#define PW_SEALING_BYTES_MAX 80

/* name: at most 64 bytes. Gives a view of the buffer. */
struct pw_str pw_sealing_associated(const struct pw_id *user_id, const char *name,
                                    char buffer[PW_SEALING_BYTES_MAX]);

/* email: at most PW_PERSONAL_BYTES_MAX. Errors are those of pw_vault_tag. */
enum pw_code pw_sealing_email_tag(struct pw_vault *vault, const struct pw_id *tenant_id,
                                  const struct pw_id *equality_key_id, struct pw_str email,
                                  struct pw_hash *ret_tag, struct pw_err *err);

#endif
