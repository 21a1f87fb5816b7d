/* api/sealing.c: what a sealed field is bound to. */
#include "api/sealing.h"

struct pw_str pw_sealing_associated(const struct pw_id *user_id, const char *name,
                                    char buffer[PW_SEALING_BYTES_MAX])
{
    size_t len = strlen(name);
    assert(len <= PW_SEALING_BYTES_MAX - sizeof user_id->bytes);
    memcpy(buffer, user_id->bytes, sizeof user_id->bytes);
    memcpy(buffer + sizeof user_id->bytes, name, len);
    return (struct pw_str){buffer, sizeof user_id->bytes + len};
}
