/* api/issuer.c: our own keys: read, published, and signed with. */
#include "api/issuer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/door.h"
#include "commands/memory.h"
#include "eventstore/secret_file.h"

#define PEM_BYTES_MAX 4096
#define NAME_BYTES    (PW_TEXT_BYTES_MAX + 1)
/* A key comes into use, or goes, days after it was published; this only spares questions. */
#define CACHE_CONTROL "public, max-age=300"

struct signing_key {
    uint8_t secret_key[64];
    struct pw_hash public_key;
    char id[PW_THUMBPRINT_BYTES + 1];
};

struct pw_token_issuer {
    char name[NAME_BYTES];
    int64_t access_us;
    struct signing_key *keys; /* In locked memory; NULL: none. */
    size_t count;
    struct pw_arena arena; /* Of the text that is published. */
    struct pw_str key_set;
    char etag[PW_ETAG_TEXT_BYTES];
};

void pw_issuer_thumbprint(const struct pw_hash *public_key, char ret_text[PW_THUMBPRINT_BYTES + 1])
{
    char x[PW_BASE64URL_BYTES(32) + 1];
    char json[96];
    pw_base64url_format(public_key->bytes, sizeof public_key->bytes, x);
    int bytes =
        snprintf(json, sizeof json, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}", x);
    struct pw_hash hash = pw_sha256(json, (size_t)bytes, NULL, 0);
    pw_base64url_format(hash.bytes, sizeof hash.bytes, ret_text);
}
static_assert(PW_BASE64URL_BYTES(32) == PW_THUMBPRINT_BYTES, "a SHA-256 digest");

/* --- Files --- */

/* OpenSSL would ask whoever sits at the terminal. */
static int no_passphrase(char *text, int room, int is_to_write, void *self)
{
    (void)text;
    (void)room;
    (void)is_to_write;
    (void)self;
    return -1;
}

static bool parse_pem(const char *text, size_t bytes, uint8_t ret_seed[32])
{
    size_t seed_bytes = 32;
    BIO *bio = BIO_new_mem_buf(text, (int)bytes);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    bool good = key != NULL && EVP_PKEY_id(key) == EVP_PKEY_ED25519 &&
                EVP_PKEY_get_raw_private_key(key, ret_seed, &seed_bytes) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return good && seed_bytes == 32;
}

/* Text and seed: secrets, so they lie in locked memory. */
struct scratch {
    char text[PEM_BYTES_MAX];
    uint8_t seed[32];
};

static enum pw_code add_key(struct pw_token_issuer *issuer, const char *path,
                            struct scratch *scratch, struct pw_err *err)
{
    size_t bytes = 0;
    struct signing_key *key = &issuer->keys[issuer->count];
    enum pw_code code = pw_secret_file_read(path, scratch->text, sizeof scratch->text, &bytes, err);
    if (code != PW_OK) {
        return code;
    }
    if (!parse_pem(scratch->text, bytes, scratch->seed)) {
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "%s must hold an Ed25519 key as `openssl genpkey -algorithm ed25519` "
                       "writes it",
                       path);
    }
    crypto_sign_seed_keypair(key->public_key.bytes, key->secret_key, scratch->seed);
    pw_issuer_thumbprint(&key->public_key, key->id);
    for (size_t i = 0; i < issuer->count; i++) {
        if (pw_hash_equal(&issuer->keys[i].public_key, &key->public_key)) {
            return pw_fail(err, PW_ERR_SETTING_WRONG, "%s holds the same key as a file before it",
                           path);
        }
    }
    issuer->count++;
    return PW_OK;
}

static enum pw_code add_keys(struct pw_token_issuer *issuer,
                             const struct pw_issuer_options *options, struct pw_err *err)
{
    struct scratch *scratch = sodium_malloc(sizeof *scratch);
    issuer->keys = sodium_allocarray(PW_ISSUER_KEYS_MAX, sizeof *issuer->keys);
    enum pw_code code = PW_OK;
    if (scratch == NULL || issuer->keys == NULL || sodium_mlock(scratch, sizeof *scratch) != 0 ||
        sodium_mlock(issuer->keys, PW_ISSUER_KEYS_MAX * sizeof *issuer->keys) != 0) {
        code = pw_fail(err, PW_ERR_SETTING_WRONG,
                       "no memory can be locked for keys: raise RLIMIT_MEMLOCK");
    }
    for (size_t i = 0; code == PW_OK && i < options->key_file_count; i++) {
        code = add_key(issuer, options->key_files[i], scratch, err);
    }
    sodium_free(scratch);
    if (code == PW_OK) {
        sodium_mprotect_readonly(issuer->keys);
    }
    return code;
}

/* --- What is published --- */

static void write_key_set(struct pw_token_issuer *issuer)
{
    struct pw_text text;
    pw_arena_init(&issuer->arena, 65536);
    pw_text_init(&text, &issuer->arena, 1024);
    pw_text_add_c(&text, "{\"keys\":[");
    for (size_t i = 0; i < issuer->count; i++) {
        char x[PW_BASE64URL_BYTES(32) + 1];
        pw_base64url_format(issuer->keys[i].public_key.bytes, 32, x);
        pw_text_addf(&text,
                     "%s{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"EdDSA\",\"use\":\"sig\","
                     "\"kid\":\"%s\",\"x\":\"%s\"}",
                     i > 0 ? "," : "", issuer->keys[i].id, x);
    }
    pw_text_add_c(&text, "]}");
    issuer->key_set = pw_text_str(&text);
    pw_door_etag(issuer->key_set, issuer->etag);
}

enum pw_code pw_issuer_load(const struct pw_issuer_options *options,
                            struct pw_token_issuer **ret_issuer, struct pw_err *err)
{
    if (options->key_file_count > PW_ISSUER_KEYS_MAX) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%zu files, must be %d at most",
                       options->key_file_count, PW_ISSUER_KEYS_MAX);
    }
    assert(strlen(options->name) < NAME_BYTES);
    struct pw_token_issuer *issuer = pw_memory_new(1, sizeof *issuer);
    snprintf(issuer->name, sizeof issuer->name, "%s", options->name);
    issuer->access_us = options->access_minutes * PW_US_PER_MINUTE;
    enum pw_code code = options->key_file_count > 0 ? add_keys(issuer, options, err) : PW_OK;
    if (code != PW_OK) {
        pw_issuer_free(issuer);
        return code;
    }
    write_key_set(issuer);
    *ret_issuer = issuer;
    return PW_OK;
}

void pw_issuer_free(struct pw_token_issuer *issuer)
{
    if (issuer != NULL) {
        sodium_free(issuer->keys);
        pw_arena_close(&issuer->arena);
        free(issuer);
    }
}

struct pw_str pw_issuer_key_set(const struct pw_token_issuer *issuer)
{
    return issuer->key_set;
}

void pw_issuer_answer(const struct pw_token_issuer *issuer, struct pw_http_request *request)
{
    pw_door_document(request, issuer->key_set, issuer->etag, CACHE_CONTROL);
}

/* --- Tokens --- */

bool pw_issuer_can_sign(const struct pw_token_issuer *issuer)
{
    return issuer->count > 0;
}

bool pw_issuer_sign(const struct pw_token_issuer *issuer, const struct pw_actor *actor,
                    int64_t now_us, char ret_text[PW_SIGNED_TEXT_BYTES_MAX],
                    int64_t *ret_expires_at_us)
{
    if (issuer->count == 0) {
        return false;
    }
    const struct signing_key *key = &issuer->keys[0];
    struct pw_token_plan plan = {
        .issuer = pw_str_of(issuer->name),
        .key_id = pw_str_of(key->id),
        .issued_at_us = now_us,
        .expires_at_us = now_us + issuer->access_us,
    };
    size_t len =
        pw_token_sign(actor, &plan, key->secret_key, ret_text, PW_SIGNED_TEXT_BYTES_MAX - 1);
    ret_text[len] = '\0';
    *ret_expires_at_us = plan.expires_at_us;
    return len > 0;
}

bool pw_issuer_is(const struct pw_token_issuer *issuer, struct pw_str name)
{
    return issuer != NULL && pw_str_equal(pw_str_of(issuer->name), name);
}

bool pw_issuer_signed(const struct pw_token_issuer *issuer, const struct pw_token *token)
{
    for (size_t i = 0; i < issuer->count; i++) {
        if (pw_token_signed_by(token, &issuer->keys[i].public_key)) {
            return true;
        }
    }
    return false;
}
