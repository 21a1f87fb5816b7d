/* api/fuzz/fuzz_token.c: any bytes as a token: read, never verified as good, never a crash. */
#include <sodium.h>
#include <stdlib.h>

#include "api/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct pw_tokens *tokens;
    struct pw_actor actor;
    struct pw_token token;
    struct pw_err err = {0};
    struct pw_str text = {(const char *)data, bytes};
    if (tokens == NULL) {
        struct pw_trust *trust = pw_trust_new();
        struct pw_hash key;
        uint8_t secret_key[64];
        struct pw_id tenant_id;
        pw_id_parse(PW_STR("01890a5d-ac96-774b-bcce-b302099a8058"), &tenant_id);
        crypto_sign_keypair(key.bytes, secret_key); /* Nobody else has the secret half. */
        pw_trust_add(trust, &tenant_id, PW_STR("i"), &key);
        tokens = pw_tokens_new(trust, NULL, "us");
    }
    if (pw_token_read(text, PW_STR("us"), &token, &err) == PW_OK && token.actor.roles == 0) {
        abort();
    }
    if (pw_tokens_verify(tokens, text, 0, &actor, NULL, &err) == PW_OK) {
        abort();
    }
    return 0;
}
