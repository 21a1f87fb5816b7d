/* api/jwks.c: key sets of others, fetched and read. */
#include "api/jwks.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/config.h"
#include "api/gather.h"

#define TIMEOUT_SECONDS 10L

/* --- Reading --- */

static bool is(const json_t *key, const char *name, const char *value)
{
    const char *text = json_string_value(json_object_get(key, name));
    return text != NULL && strcmp(text, value) == 0;
}

static bool is_absent_or(const json_t *key, const char *name, const char *value)
{
    return json_object_get(key, name) == NULL || is(key, name, value);
}

static const char *read_key(const json_t *key, struct pw_hash *ret_public_key)
{
    const char *x = json_string_value(json_object_get(key, "x"));
    if (!is(key, "kty", "OKP") || !is(key, "crv", "Ed25519")) {
        return "it is no Ed25519 key";
    }
    if (!is_absent_or(key, "use", "sig")) {
        return "it is not for signatures";
    }
    if (!is_absent_or(key, "alg", "EdDSA") && !is(key, "alg", "Ed25519")) {
        return "its alg is not EdDSA";
    }
    if (json_object_get(key, "d") != NULL) {
        return "its secret half stands beside it: whoever read that can sign";
    }
    if (x == NULL ||
        !pw_base64url_parse(pw_str_of(x), ret_public_key->bytes, sizeof ret_public_key->bytes)) {
        return "its x is not 32 bytes of base64url";
    }
    return NULL;
}

/* A `kid` is whatever its issuer likes, and goes to a terminal. */
static void name_key(const json_t *key, size_t number, char ret_name[48])
{
    const char *id = json_string_value(json_object_get(key, "kid"));
    if (id == NULL || id[0] == '\0') {
        snprintf(ret_name, 48, "number %zu", number + 1);
        return;
    }
    snprintf(ret_name, 48, "%.47s", id);
    for (char *at = ret_name; *at != '\0'; at++) {
        *at = *at > ' ' && *at <= '~' ? *at : '?';
    }
}

enum pw_code pw_jwks_read(struct pw_str json, struct pw_jwks *ret_set, struct pw_err *err)
{
    json_t *set = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *keys = json_object_get(set, "keys");
    size_t count = json_array_size(keys);
    if (!json_is_array(keys) || count > PW_JWKS_KEYS_MAX) {
        json_decref(set);
        return pw_fail(err, PW_ERR_MALFORMED, "it is no JSON Web Key Set of %d keys at most",
                       PW_JWKS_KEYS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *key = json_array_get(keys, i);
        name_key(key, i, ret_set->keys[i].name);
        ret_set->keys[i].why_skipped = read_key(key, &ret_set->keys[i].public_key);
    }
    ret_set->count = count;
    json_decref(set);
    return PW_OK;
}

/* --- Fetching --- */

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

bool pw_jwks_may_ask(const char *url, bool insecure_http)
{
    char *scheme = NULL;
    char *host = NULL;
    CURLU *parts = curl_url();
    bool may = curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
               curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
               curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
               (strcmp(scheme, "https") == 0 ||
                (insecure_http && strcmp(scheme, "http") == 0 && is_loopback(host)));
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parts);
    return may;
}

static enum pw_code fetch(const char *url, bool insecure_http, struct pw_gather *content,
                          struct pw_err *err)
{
    long status = 0;
    if (!pw_jwks_may_ask(url, insecure_http)) {
        return pw_fail(err, PW_ERR_USAGE,
                       "%s must be https, or with --insecure-http a loopback address", url);
    }
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, insecure_http ? "https,http" : "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, insecure_http ? "*" : NULL);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, pw_gather_on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, content);
    CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (result == CURLE_WRITE_ERROR) {
        return pw_fail(err, PW_ERR_MALFORMED, "%s gives more than %d bytes", url,
                       PW_JWKS_BYTES_MAX);
    }
    if (result != CURLE_OK || status != 200) {
        return pw_fail(err, PW_ERR_NOT_FOUND, "%s: %s, status %ld", url, curl_easy_strerror(result),
                       status);
    }
    return PW_OK;
}

static bool is_address(const char *source)
{
    return strncmp(source, "http://", 7) == 0 || strncmp(source, "https://", 8) == 0;
}

static enum pw_code read_file(const char *path, struct pw_jwks *ret_set, struct pw_err *err)
{
    char *text = NULL;
    size_t bytes = 0;
    struct pw_err why = {0};
    if (pw_file_read(path, PW_JWKS_BYTES_MAX, &text, &bytes, &why) != PW_OK) {
        return pw_fail(err, PW_ERR_NOT_FOUND, "%s", why.detail);
    }
    enum pw_code code = pw_jwks_read((struct pw_str){text, bytes}, ret_set, err);
    free(text);
    return code;
}

enum pw_code pw_jwks_get(const char *source, bool insecure_http, struct pw_jwks *ret_set,
                         struct pw_err *err)
{
    static char text[PW_JWKS_BYTES_MAX];
    struct pw_gather content = {.text = text, .room = sizeof text};
    if (!is_address(source)) {
        return read_file(source, ret_set, err);
    }
    enum pw_code code = fetch(source, insecure_http, &content, err);
    return code != PW_OK ? code
                         : pw_jwks_read((struct pw_str){content.text, content.bytes}, ret_set, err);
}
