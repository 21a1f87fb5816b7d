#include "eventstore/keys.h"

#include <sodium.h>

#include "eventstore/secret_file.h"

#define FORMAT        1
#define FORM          1 /* Of a payload. */
#define HEX_BYTES     (2 * PW_KEY_BYTES)
#define AT_KEY_ID     8
#define AT_TENANT_ID  24
#define AT_MASTER_ID  40
#define AT_CHECK      56
#define AT_NONCE      72
#define AT_SEALED     96
#define ASSOCIATED    AT_NONCE /* All before it is bound to the key. */
#define TAG_BYTES     crypto_aead_xchacha20poly1305_ietf_ABYTES
#define PREFIX_BYTES  20 /* Of a payload's associated data: `PWP`, the form, the key id. */
#define PAYLOAD_NONCE 1

static_assert(AT_SEALED + PW_KEY_BYTES + TAG_BYTES == PW_KEY_RECORD_BYTES, "as docs/keys.md");
static_assert(PW_KEY_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "XChaCha20");
static_assert(PW_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "XChaCha20");
static_assert(PAYLOAD_NONCE + PW_KEY_NONCE_BYTES + TAG_BYTES == PW_PAYLOAD_EXTRA_BYTES,
              "a payload");

static const uint8_t magic[] = {'P', 'W', 'K'};

struct master {
    struct pw_id id;
    uint8_t wrap_key[PW_KEY_BYTES];
};

struct pw_masters { /* In locked memory. */
    size_t count;
    struct master items[PW_MASTERS_MAX];
};

static void hmac(const uint8_t key[PW_KEY_BYTES], struct pw_str first, struct pw_str second,
                 struct pw_str third, uint8_t ret_digest[crypto_auth_hmacsha256_BYTES])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, PW_KEY_BYTES);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)first.ptr, first.len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)second.ptr, second.len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)third.ptr, third.len);
    crypto_auth_hmacsha256_final(&state, ret_digest);
    sodium_memzero(&state, sizeof state);
}

static struct pw_str bytes_of(const void *data, size_t bytes)
{
    return (struct pw_str){data, bytes};
}

static const struct pw_str nothing = {"", 0};

/* --- Master keys --- */

static void master_fill(struct master *master, const uint8_t key[PW_KEY_BYTES])
{
    uint8_t digest[crypto_auth_hmacsha256_BYTES];
    hmac(key, PW_STR("proctorwise master id 1"), nothing, nothing, digest);
    memcpy(master->id.bytes, digest, sizeof master->id.bytes);
    hmac(key, PW_STR("proctorwise master wrap 1"), nothing, nothing, master->wrap_key);
    sodium_memzero(digest, sizeof digest);
}

/* Text and key: secrets, so the caller gives locked memory for both. */
struct scratch {
    char text[HEX_BYTES + 3];
    uint8_t key[PW_KEY_BYTES];
};

static enum pw_code key_read(const char *path, struct scratch *scratch, struct pw_err *err)
{
    size_t bytes = 0;
    enum pw_code code = pw_secret_file_read(path, scratch->text, sizeof scratch->text, &bytes, err);
    if (code != PW_OK) {
        return code;
    }
    size_t len = bytes;
    len -= len > 0 && scratch->text[len - 1] == '\n';
    len -= len > 0 && len < bytes && scratch->text[len - 1] == '\r';
    size_t key_bytes = 0;
    if (len != HEX_BYTES || sodium_hex2bin(scratch->key, sizeof scratch->key, scratch->text, len,
                                           NULL, &key_bytes, NULL) != 0) {
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "%s must hold %d hex digits and no more, as `openssl rand -hex %d` prints",
                       path, HEX_BYTES, PW_KEY_BYTES);
    }
    return PW_OK;
}

static enum pw_code master_add(struct pw_masters *masters, const char *path,
                               struct scratch *scratch, struct pw_err *err)
{
    enum pw_code code = key_read(path, scratch, err);
    if (code != PW_OK) {
        return code;
    }
    struct master *master = &masters->items[masters->count];
    master_fill(master, scratch->key);
    if (pw_masters_have(masters, &master->id)) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s holds the same key as a file before it",
                       path);
    }
    masters->count++;
    return PW_OK;
}

enum pw_code pw_masters_load(const char *const *paths, size_t count,
                             struct pw_masters **ret_masters, struct pw_err *err)
{
    if (count == 0 || count > PW_MASTERS_MAX) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%zu master files, must be 1 to %d", count,
                       PW_MASTERS_MAX);
    }
    struct pw_masters *masters = sodium_malloc(sizeof *masters);
    struct scratch *scratch = sodium_malloc(sizeof *scratch);
    if (masters == NULL || scratch == NULL || sodium_mlock(masters, sizeof *masters) != 0 ||
        sodium_mlock(scratch, sizeof *scratch) != 0) {
        sodium_free(masters);
        sodium_free(scratch);
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "no memory can be locked for master keys: raise RLIMIT_MEMLOCK");
    }
    masters->count = 0;
    enum pw_code code = PW_OK;
    for (size_t i = 0; code == PW_OK && i < count; i++) {
        code = master_add(masters, paths[i], scratch, err);
    }
    sodium_free(scratch);
    if (code != PW_OK) {
        sodium_free(masters);
        return code;
    }
    sodium_mprotect_readonly(masters);
    *ret_masters = masters;
    return PW_OK;
}

void pw_masters_free(struct pw_masters *masters)
{
    sodium_free(masters);
}

size_t pw_masters_count(const struct pw_masters *masters)
{
    return masters->count;
}

const struct pw_id *pw_masters_id(const struct pw_masters *masters, size_t number)
{
    assert(number < masters->count);
    return &masters->items[number].id;
}

static const struct master *master_of(const struct pw_masters *masters, const struct pw_id *id)
{
    for (size_t i = 0; i < masters->count; i++) {
        if (pw_id_equal(&masters->items[i].id, id)) {
            return &masters->items[i];
        }
    }
    return NULL;
}

bool pw_masters_have(const struct pw_masters *masters, const struct pw_id *master_id)
{
    return master_of(masters, master_id) != NULL;
}

/* --- The record --- */

/* Only the one spelling: to Kafka, another one is another key. */
static bool key_id_parse(struct pw_str text, struct pw_id *ret_id)
{
    char spelling[PW_ID_TEXT_BYTES + 1];
    struct pw_id id;
    if (text.ptr == NULL || !pw_id_parse(text, &id)) {
        return false;
    }
    pw_id_format(&id, spelling);
    if (memcmp(spelling, text.ptr, PW_ID_TEXT_BYTES) != 0) {
        return false;
    }
    *ret_id = id;
    return true;
}

static void take(void *into, const uint8_t *value, size_t at, size_t bytes)
{
    memcpy(into, value + at, bytes);
}

enum pw_key_verdict pw_key_record_read(struct pw_str log_key, const uint8_t *value,
                                       size_t value_bytes, struct pw_key_record *ret_record)
{
    static const uint8_t zeros[3];
    struct pw_key_record record = {.purpose = PW_KEY_PERSONAL};
    struct pw_id named;
    if (!key_id_parse(log_key, &named)) {
        return PW_KEY_FOREIGN;
    }
    ret_record->key_id = named;
    if (value == NULL) {
        return PW_KEY_DESTROYED;
    }
    if (value_bytes < 4 || memcmp(value, magic, sizeof magic) != 0) {
        return PW_KEY_FOREIGN;
    }
    if (value[3] != FORMAT) {
        return PW_KEY_NEWER;
    }
    if (value_bytes != PW_KEY_RECORD_BYTES || value[4] < PW_KEY_PERSONAL ||
        value[4] > PW_KEY_EQUALITY || memcmp(value + 5, zeros, sizeof zeros) != 0) {
        return PW_KEY_DAMAGED;
    }
    record.purpose = value[4];
    take(&record.key_id, value, AT_KEY_ID, sizeof record.key_id);
    take(&record.tenant_id, value, AT_TENANT_ID, sizeof record.tenant_id);
    take(&record.master_id, value, AT_MASTER_ID, sizeof record.master_id);
    take(record.check, value, AT_CHECK, sizeof record.check);
    if (!pw_id_equal(&record.key_id, &named) || pw_id_is_nil(&record.tenant_id) ||
        pw_id_is_nil(&record.master_id)) {
        return PW_KEY_DAMAGED;
    }
    *ret_record = record;
    return PW_KEY_GOOD;
}

static void check_of(const uint8_t data_key[PW_KEY_BYTES], const uint8_t *key_id,
                     uint8_t ret_check[PW_KEY_CHECK_BYTES])
{
    uint8_t digest[crypto_auth_hmacsha256_BYTES];
    hmac(data_key, PW_STR("proctorwise key check 1"), bytes_of(key_id, sizeof(struct pw_id)),
         nothing, digest);
    memcpy(ret_check, digest, PW_KEY_CHECK_BYTES);
}

void pw_key_wrap(const struct pw_masters *masters, const struct pw_key_record *record,
                 const uint8_t data_key[PW_KEY_BYTES], const uint8_t nonce[PW_KEY_NONCE_BYTES],
                 uint8_t ret_value[PW_KEY_RECORD_BYTES])
{
    const struct master *current = &masters->items[0];
    assert(record->purpose == PW_KEY_PERSONAL || record->purpose == PW_KEY_EQUALITY);
    assert(!pw_id_is_nil(&record->key_id) && !pw_id_is_nil(&record->tenant_id));
    memset(ret_value, 0, AT_KEY_ID);
    memcpy(ret_value, magic, sizeof magic);
    ret_value[3] = FORMAT;
    ret_value[4] = (uint8_t)record->purpose;
    memcpy(ret_value + AT_KEY_ID, record->key_id.bytes, sizeof record->key_id);
    memcpy(ret_value + AT_TENANT_ID, record->tenant_id.bytes, sizeof record->tenant_id);
    memcpy(ret_value + AT_MASTER_ID, current->id.bytes, sizeof current->id);
    check_of(data_key, record->key_id.bytes, ret_value + AT_CHECK);
    memcpy(ret_value + AT_NONCE, nonce, PW_KEY_NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(ret_value + AT_SEALED, NULL, data_key, PW_KEY_BYTES,
                                               ret_value, ASSOCIATED, NULL, nonce,
                                               current->wrap_key);
}

enum pw_code pw_key_unwrap(const struct pw_masters *masters,
                           const uint8_t value[PW_KEY_RECORD_BYTES],
                           uint8_t ret_data_key[PW_KEY_BYTES], struct pw_err *err)
{
    struct pw_id key_id;
    struct pw_id master_id;
    uint8_t check[PW_KEY_CHECK_BYTES];
    char key_text[PW_ID_TEXT_BYTES + 1];
    char master_text[PW_ID_TEXT_BYTES + 1];
    take(&key_id, value, AT_KEY_ID, sizeof key_id);
    take(&master_id, value, AT_MASTER_ID, sizeof master_id);
    pw_id_format(&key_id, key_text);
    const struct master *master = master_of(masters, &master_id);
    if (master == NULL) {
        pw_id_format(&master_id, master_text);
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "key %s is wrapped by master key %s, which no file of keys.master_files "
                       "holds",
                       key_text, master_text);
    }
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(ret_data_key, NULL, NULL, value + AT_SEALED,
                                                   PW_KEY_BYTES + TAG_BYTES, value, ASSOCIATED,
                                                   value + AT_NONCE, master->wrap_key) != 0) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "key %s does not open", key_text);
    }
    check_of(ret_data_key, value + AT_KEY_ID, check);
    if (sodium_memcmp(check, value + AT_CHECK, sizeof check) != 0) {
        sodium_memzero(ret_data_key, PW_KEY_BYTES);
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "key %s is not the one that its check names",
                       key_text);
    }
    return PW_OK;
}

/* --- Under a data key --- */

static size_t payload_associated(const struct pw_id *key_id, struct pw_str associated,
                                 uint8_t into[PREFIX_BYTES + PW_KEY_ASSOCIATED_MAX])
{
    static const uint8_t start[] = {'P', 'W', 'P', FORM};
    assert(associated.len <= PW_KEY_ASSOCIATED_MAX);
    memcpy(into, start, sizeof start);
    memcpy(into + sizeof start, key_id->bytes, sizeof key_id->bytes);
    if (associated.len > 0) {
        memcpy(into + PREFIX_BYTES, associated.ptr, associated.len);
    }
    return PREFIX_BYTES + associated.len;
}

void pw_payload_seal(const uint8_t data_key[PW_KEY_BYTES], const struct pw_id *key_id,
                     const uint8_t nonce[PW_KEY_NONCE_BYTES], struct pw_str associated,
                     struct pw_str plain, uint8_t *ret_sealed)
{
    uint8_t bound[PREFIX_BYTES + PW_KEY_ASSOCIATED_MAX];
    size_t bound_bytes = payload_associated(key_id, associated, bound);
    assert(plain.len <= PW_PAYLOAD_BYTES_MAX);
    ret_sealed[0] = FORM;
    memcpy(ret_sealed + PAYLOAD_NONCE, nonce, PW_KEY_NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(ret_sealed + PAYLOAD_NONCE + PW_KEY_NONCE_BYTES,
                                               NULL, (const uint8_t *)plain.ptr, plain.len, bound,
                                               bound_bytes, NULL, nonce, data_key);
}

enum pw_code pw_payload_open(const uint8_t data_key[PW_KEY_BYTES], const struct pw_id *key_id,
                             struct pw_str associated, struct pw_str sealed, uint8_t *ret_plain,
                             size_t *ret_plain_bytes, struct pw_err *err)
{
    uint8_t bound[PREFIX_BYTES + PW_KEY_ASSOCIATED_MAX];
    size_t bound_bytes = payload_associated(key_id, associated, bound);
    const uint8_t *value = (const uint8_t *)sealed.ptr;
    unsigned long long plain_bytes = 0;
    size_t before = PAYLOAD_NONCE + PW_KEY_NONCE_BYTES;
    if (sealed.len < PW_PAYLOAD_EXTRA_BYTES ||
        sealed.len > PW_PAYLOAD_BYTES_MAX + PW_PAYLOAD_EXTRA_BYTES || value[0] != FORM) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "%zu bytes that are no encrypted payload",
                       sealed.len);
    }
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(ret_plain, &plain_bytes, NULL, value + before,
                                                   sealed.len - before, bound, bound_bytes,
                                                   value + PAYLOAD_NONCE, data_key) != 0) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "an encrypted payload does not open");
    }
    *ret_plain_bytes = (size_t)plain_bytes;
    return PW_OK;
}

struct pw_hash pw_equality_tag(const uint8_t data_key[PW_KEY_BYTES], struct pw_str context,
                               struct pw_str value)
{
    struct pw_hash tag;
    uint8_t len = (uint8_t)context.len;
    assert(context.len >= 1 && context.len <= PW_KEY_CONTEXT_BYTES_MAX);
    hmac(data_key, bytes_of(&len, 1), context, value, tag.bytes);
    return tag;
}

bool pw_equality_same(const struct pw_hash *a, const struct pw_hash *b)
{
    return sodium_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
