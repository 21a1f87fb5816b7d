/* api/credentials.c: the tokens that are good once. */
#include "api/credentials.h"

#include <endian.h>
#include <sodium.h>

#define REFRESH_BYTES 68
#define RESET_BYTES   48
#define MAC_BYTES     32

static_assert(crypto_auth_hmacsha256_BYTES == MAC_BYTES, "a mac");

static void mac_of(struct pw_str secret, const char *what, const struct pw_id *tenant_id,
                   const uint8_t *bytes, size_t count, uint8_t ret_mac[MAC_BYTES])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret.ptr, secret.len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)what, strlen(what));
    crypto_auth_hmacsha256_update(&state, tenant_id->bytes, sizeof tenant_id->bytes);
    crypto_auth_hmacsha256_update(&state, bytes, count);
    crypto_auth_hmacsha256_final(&state, ret_mac);
    sodium_memzero(&state, sizeof state);
}

/* --- Refresh tokens --- */

static void refresh_mac(struct pw_str secret, const struct pw_id *tenant_id,
                        const uint8_t token[REFRESH_BYTES], uint8_t ret_mac[MAC_BYTES])
{
    mac_of(secret, "proctorwise refresh 1", tenant_id, token, REFRESH_BYTES - MAC_BYTES, ret_mac);
}

void pw_refresh_format(struct pw_str secret, const struct pw_id *tenant_id,
                       const struct pw_refresh *refresh, char ret_text[PW_REFRESH_TEXT_BYTES + 1])
{
    uint8_t token[REFRESH_BYTES];
    uint32_t version = htobe32(refresh->version);
    memcpy(token, refresh->session_id.bytes, 16);
    memcpy(token + 16, refresh->user_id.bytes, 16);
    memcpy(token + 32, &version, 4);
    refresh_mac(secret, tenant_id, token, token + 36);
    pw_base64url_format(token, sizeof token, ret_text);
}

bool pw_refresh_parse(struct pw_str secret, const struct pw_id *tenant_id, struct pw_str text,
                      struct pw_refresh *ret_refresh)
{
    uint8_t token[REFRESH_BYTES];
    uint8_t mac[MAC_BYTES];
    uint32_t version;
    if (!pw_base64url_parse(text, token, sizeof token)) {
        return false;
    }
    refresh_mac(secret, tenant_id, token, mac);
    if (sodium_memcmp(mac, token + 36, sizeof mac) != 0) {
        return false;
    }
    memcpy(ret_refresh->session_id.bytes, token, 16);
    memcpy(ret_refresh->user_id.bytes, token + 16, 16);
    memcpy(&version, token + 32, 4);
    ret_refresh->version = be32toh(version);
    return true;
}

/* --- Reset tokens --- */

void pw_reset_format(struct pw_str secret, const struct pw_id *tenant_id,
                     const struct pw_id *user_id, const struct pw_id *command_id,
                     char ret_text[PW_RESET_TEXT_BYTES + 1])
{
    uint8_t spoken[32];
    uint8_t token[RESET_BYTES];
    memcpy(spoken, user_id->bytes, 16);
    memcpy(spoken + 16, command_id->bytes, 16);
    memcpy(token, user_id->bytes, 16);
    mac_of(secret, "proctorwise reset 1", tenant_id, spoken, sizeof spoken, token + 16);
    pw_base64url_format(token, sizeof token, ret_text);
}

bool pw_reset_parse(struct pw_str text, struct pw_id *ret_user_id, struct pw_hash *ret_hash)
{
    uint8_t token[RESET_BYTES];
    if (!pw_base64url_parse(text, token, sizeof token)) {
        return false;
    }
    memcpy(ret_user_id->bytes, token, 16);
    *ret_hash = pw_sha256(token, sizeof token, NULL, 0);
    return true;
}
