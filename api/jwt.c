/* api/jwt.c: one token, read, verified, signed. */
#include "api/jwt.h"

#include <jansson.h>
#include <math.h>
#include <sodium.h>

const uint8_t pw_reserved_id[PW_RESERVED_ID_BYTES] = {0x70, 0x77, 0, 0, 0, 0, 0x80, 0};

#define JSON_BYTES_MAX 6144 /* What 8 KiB of base64url can hold. */

/* The part up to the next dot; false where there is none. */
static bool cut(struct pw_str *rest, struct pw_str *ret_part)
{
    const char *dot = rest->len > 0 ? memchr(rest->ptr, '.', rest->len) : NULL;
    if (dot == NULL) {
        return false;
    }
    *ret_part = (struct pw_str){rest->ptr, (size_t)(dot - rest->ptr)};
    *rest = (struct pw_str){dot + 1, rest->len - ret_part->len - 1};
    return true;
}

/* libsodium's decoder takes some bytes above 127 for letters. */
static bool is_ascii(struct pw_str part)
{
    for (size_t i = 0; i < part.len; i++) {
        if ((part.ptr[i] & 0x80) != 0) {
            return false;
        }
    }
    return true;
}

static bool decode(struct pw_str part, void *ret_data, size_t room, size_t *ret_bytes)
{
    const char *end = NULL;
    return part.len > 0 && is_ascii(part) &&
           sodium_base642bin(ret_data, room, part.ptr, part.len, NULL, ret_bytes, &end,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
           end == part.ptr + part.len;
}

static json_t *decode_json(struct pw_str part)
{
    char text[JSON_BYTES_MAX];
    size_t bytes = 0;
    if (!decode(part, text, sizeof text, &bytes)) {
        return NULL;
    }
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static bool text_claim(const json_t *claims, const char *name, struct pw_str *ret_text)
{
    const json_t *value = json_object_get(claims, name);
    if (!json_is_string(value)) {
        return false;
    }
    *ret_text = (struct pw_str){json_string_value(value), json_string_length(value)};
    return true;
}

static bool id_claim(const json_t *claims, const char *name, struct pw_id *ret_id)
{
    struct pw_str text;
    return text_claim(claims, name, &text) && pw_id_parse(text, ret_id) && !pw_id_is_nil(ret_id);
}

/* A NumericDate (seconds, perhaps with a fraction); *ret_at_us is untouched where there is none. */
static bool moment_claim(const json_t *claims, const char *name, int64_t *ret_at_us)
{
    const json_t *value = json_object_get(claims, name);
    if (value == NULL) {
        return true;
    }
    if (!json_is_number(value)) {
        return false;
    }
    double seconds = json_number_value(value);
    if (!isfinite(seconds) || seconds < 0 || seconds > 253402300799.0) {
        return false;
    }
    *ret_at_us = json_is_integer(value) ? json_integer_value(value) * PW_US_PER_SECOND
                                        : (int64_t)(seconds * 1e6);
    return true;
}

static int64_t offset_claim(const json_t *claims)
{
    const json_t *value = json_object_get(claims, "offset");
    return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value)
                                                                    : -1;
}

static bool roles_claim(const json_t *claims, uint32_t *ret_roles)
{
    const json_t *names = json_object_get(claims, "roles");
    uint32_t roles = 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *name = json_array_get(names, i);
        struct pw_str text = {json_string_value(name), json_string_length(name)};
        enum pw_role role;
        if (!json_is_string(name) || !pw_role_by_name(text, &role) || role == PW_ROLE_SYSTEM ||
            role == PW_ROLE_OPERATOR) {
            return false;
        }
        roles |= UINT32_C(1) << role;
    }
    *ret_roles = roles;
    return roles != 0;
}

/* RFC 7519, 4.1.3: who does not find itself in `aud` must refuse the token. */
static bool audience_fits(const json_t *claims, struct pw_str audience)
{
    const json_t *value = json_object_get(claims, "aud");
    if (value == NULL) {
        return true;
    }
    if (json_is_string(value)) {
        struct pw_str text = {json_string_value(value), json_string_length(value)};
        return audience.len > 0 && pw_str_equal(text, audience);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        struct pw_str text = {json_string_value(item), json_string_length(item)};
        if (json_is_string(item) && audience.len > 0 && pw_str_equal(text, audience)) {
            return true;
        }
    }
    return false;
}

static enum pw_code read_header(struct pw_str part, struct pw_err *err)
{
    json_t *header = decode_json(part);
    struct pw_str algorithm;
    enum pw_code code = PW_OK;
    if (header == NULL) {
        code = pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token is malformed");
    } else if (!text_claim(header, "alg", &algorithm) ||
               !pw_str_equal(algorithm, PW_STR("EdDSA"))) {
        code = pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token's alg is not EdDSA");
    } else if (json_object_get(header, "crit") != NULL) {
        code = pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token asks for an extension");
    }
    json_decref(header);
    return code;
}

static enum pw_code read_claims(const json_t *claims, struct pw_str audience,
                                struct pw_token *token, struct pw_err *err)
{
    struct pw_str issuer;
    token->expires_at_us = -1;
    token->not_before_at_us = INT64_MIN;
    if (!text_claim(claims, "iss", &issuer) || issuer.len == 0 ||
        issuer.len > sizeof token->issuer) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token's iss is missing or not valid");
    }
    if (!id_claim(claims, "sub", &token->actor.id) ||
        !id_claim(claims, "tenant", &token->actor.tenant_id)) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token's sub or tenant is not a UUID");
    }
    if (memcmp(token->actor.id.bytes, pw_reserved_id, PW_RESERVED_ID_BYTES) == 0) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token's sub is a reserved UUID");
    }
    token->actor.session_id = (struct pw_id){{0}};
    token->actor.issued_at_us = INT64_MIN;
    id_claim(claims, "sid", &token->actor.session_id);
    token->actor.session_offset = offset_claim(claims);
    if (!roles_claim(claims, &token->actor.roles)) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token's roles are missing or not valid");
    }
    if (!moment_claim(claims, "exp", &token->expires_at_us) || token->expires_at_us < 0 ||
        !moment_claim(claims, "nbf", &token->not_before_at_us) ||
        !moment_claim(claims, "iat", &token->actor.issued_at_us)) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token's exp, nbf or iat is not valid");
    }
    if (!audience_fits(claims, audience)) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token is for another audience");
    }
    memcpy(token->issuer, issuer.ptr, issuer.len);
    token->issuer_bytes = issuer.len;
    return PW_OK;
}

enum pw_code pw_token_read(struct pw_str text, struct pw_str audience, struct pw_token *ret_token,
                           struct pw_err *err)
{
    struct pw_str rest = text;
    struct pw_str header;
    struct pw_str payload;
    size_t bytes = 0;
    if (text.len > PW_TOKEN_BYTES_MAX) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token has more than %d bytes",
                       PW_TOKEN_BYTES_MAX);
    }
    if (!cut(&rest, &header) || !cut(&rest, &payload)) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token is malformed");
    }
    enum pw_code code = read_header(header, err);
    if (code != PW_OK) {
        return code;
    }
    if (!decode(rest, ret_token->signature, sizeof ret_token->signature, &bytes) ||
        bytes != sizeof ret_token->signature) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token's signature is malformed");
    }
    json_t *claims = decode_json(payload);
    if (claims == NULL) {
        return pw_fail(err, PW_ERR_UNAUTHENTICATED, "the token is malformed");
    }
    code = read_claims(claims, audience, ret_token, err);
    json_decref(claims);
    ret_token->signed_part = (struct pw_str){text.ptr, header.len + 1 + payload.len};
    return code;
}

bool pw_token_signed_by(const struct pw_token *token, const struct pw_hash *public_key)
{
    return crypto_sign_verify_detached(token->signature,
                                       (const unsigned char *)token->signed_part.ptr,
                                       token->signed_part.len, public_key->bytes) == 0;
}

static json_t *header_of(const struct pw_token_plan *plan)
{
    json_t *header = json_pack("{s:s, s:s}", "alg", "EdDSA", "typ", "JWT");
    if (plan->key_id.len > 0) {
        json_object_set_new(header, "kid", json_stringn(plan->key_id.ptr, plan->key_id.len));
    }
    return header;
}

static json_t *claims_of(const struct pw_actor *actor, const struct pw_token_plan *plan)
{
    char id[PW_ID_TEXT_BYTES + 1];
    json_t *claims = json_pack("{s:s%, s:I, s:I}", "iss", plan->issuer.ptr, plan->issuer.len, "iat",
                               (json_int_t)(plan->issued_at_us / PW_US_PER_SECOND), "exp",
                               (json_int_t)(plan->expires_at_us / PW_US_PER_SECOND));
    pw_id_format(&actor->id, id);
    json_object_set_new(claims, "sub", json_string(id));
    pw_id_format(&actor->tenant_id, id);
    json_object_set_new(claims, "tenant", json_string(id));
    if (!pw_id_is_nil(&actor->session_id)) {
        pw_id_format(&actor->session_id, id);
        json_object_set_new(claims, "sid", json_string(id));
        json_object_set_new(claims, "offset", json_integer(actor->session_offset));
    }
    json_t *roles = json_array();
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if ((actor->roles & (UINT32_C(1) << role)) != 0) {
            json_array_append_new(roles, json_string(pw_role_name((enum pw_role)role)));
        }
    }
    json_object_set_new(claims, "roles", roles);
    return claims;
}

/* One part of a token; gives its length, 0 where it has no room. Takes the JSON. */
static size_t encode_json(json_t *json, char *ret_text, size_t room)
{
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    char text[JSON_BYTES_MAX];
    size_t bytes = json_dumpb(json, text, sizeof text, JSON_COMPACT);
    json_decref(json);
    if (bytes == 0 || bytes > sizeof text || sodium_base64_ENCODED_LEN(bytes, variant) > room) {
        return 0;
    }
    sodium_bin2base64(ret_text, room, (unsigned char *)text, bytes, variant);
    return sodium_base64_ENCODED_LEN(bytes, variant) - 1;
}

size_t pw_token_sign(const struct pw_actor *actor, const struct pw_token_plan *plan,
                     const uint8_t secret_key[64], char *ret_text, size_t room)
{
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    unsigned char signature[64];
    const size_t signature_room = sodium_base64_ENCODED_LEN(sizeof signature, variant);
    size_t header_len = encode_json(header_of(plan), ret_text, room);
    if (header_len == 0) {
        return 0;
    }
    ret_text[header_len] = '.';
    size_t payload_at = header_len + 1;
    size_t payload_len =
        encode_json(claims_of(actor, plan), ret_text + payload_at, room - payload_at);
    size_t signed_len = payload_at + payload_len;
    if (payload_len == 0 || room - signed_len < 1 + signature_room) {
        return 0;
    }
    crypto_sign_detached(signature, NULL, (unsigned char *)ret_text, signed_len, secret_key);
    ret_text[signed_len] = '.';
    sodium_bin2base64(ret_text + signed_len + 1, signature_room, signature, sizeof signature,
                      variant);
    return signed_len + signature_room; /* A dot more, a NUL less. */
}
