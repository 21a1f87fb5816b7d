/* api/sealing.c: what a sealed field is bound to, and the tag of an address. */
#include "api/sealing.h"

#include <sodium.h>

#include "schemas/schema.h"

struct pw_str pw_sealing_associated(const struct pw_id *user_id, const char *name,
                                    char buffer[PW_SEALING_BYTES_MAX])
{
    size_t len = strlen(name);
    assert(len <= PW_SEALING_BYTES_MAX - sizeof user_id->bytes);
    memcpy(buffer, user_id->bytes, sizeof user_id->bytes);
    memcpy(buffer + sizeof user_id->bytes, name, len);
    return (struct pw_str){buffer, sizeof user_id->bytes + len};
}

enum pw_code pw_sealing_email_tag(struct pw_vault *vault, const struct pw_id *tenant_id,
                                  const struct pw_id *equality_key_id, struct pw_str email,
                                  struct pw_hash *ret_tag, struct pw_err *err)
{
    char lower[PW_PERSONAL_BYTES_MAX];
    assert(email.len <= sizeof lower);
    pw_str_lower(email, lower);
    enum pw_code code = pw_vault_tag(vault, tenant_id, equality_key_id, PW_STR("user.email"),
                                     (struct pw_str){lower, email.len}, ret_tag, err);
    sodium_memzero(lower, sizeof lower);
    return code;
}
