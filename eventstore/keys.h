/* eventstore/keys.h: data keys wrapped by master keys, and what is encrypted under them: docs/keys.md, byte for byte.
 *
 * Contract  Pure but for pw_masters_load: random nonces come in by hand, and the same arguments give the same bytes. Nothing opens under
 *           another key, id, tenant, purpose or associated data than it was sealed with.
 * Owner     Arguments are borrowed. Master keys lie in memory that is locked and zeroed at its end; data keys lie where the caller
 *           has them: in memory of the same kind (sodium_malloc), please.
 * Threads   Everything may be called from any thread; masters are read-only once loaded. sodium_init comes first.
 * Errors    SETTING_WRONG: a master file is not as it must be, or none has the master id that the detail names. LEDGER_DAMAGED: it does
 *           not open. No detail holds a key or what was encrypted. */
#ifndef PW_EVENTSTORE_KEYS_H
#define PW_EVENTSTORE_KEYS_H

#include "schemas/errors.h"

#define PW_KEY_BYTES             32
#define PW_KEY_CHECK_BYTES       16
#define PW_KEY_NONCE_BYTES       24
#define PW_KEY_RECORD_BYTES      144
#define PW_MASTERS_MAX           16
#define PW_PAYLOAD_BYTES_MAX     65536
#define PW_PAYLOAD_EXTRA_BYTES   41 /* So much longer is a sealed payload. */
#define PW_KEY_ASSOCIATED_MAX    512
#define PW_KEY_CONTEXT_BYTES_MAX 64

/* --- Master keys --- */

struct pw_masters;

/* From files, the current one first. Refuses a file that others could read or write, that is not 64 hex digits, or that holds the
 * key of another one. */
enum pw_code pw_masters_load(const char *const *paths, size_t count,
                             struct pw_masters **ret_masters, struct pw_err *err);
void pw_masters_free(struct pw_masters *masters);

size_t pw_masters_count(const struct pw_masters *masters);
/* The id of a master key; 0 is the current one. */
const struct pw_id *pw_masters_id(const struct pw_masters *masters, size_t number);
bool pw_masters_have(const struct pw_masters *masters, const struct pw_id *master_id);

/* --- The record of a data key --- */

enum pw_key_purpose { PW_KEY_PERSONAL = 1, PW_KEY_EQUALITY = 2 };

struct pw_key_record {
    enum pw_key_purpose purpose;
    struct pw_id key_id;
    struct pw_id tenant_id;
    struct pw_id master_id;
    uint8_t check[PW_KEY_CHECK_BYTES];
};

/* What a record is by its own bytes. */
enum pw_key_verdict {
    PW_KEY_FOREIGN,
    PW_KEY_DESTROYED, /* A tombstone; only key_id is filled. */
    PW_KEY_NEWER,
    PW_KEY_DAMAGED, /* Only key_id is filled. */
    PW_KEY_GOOD
};
enum pw_key_verdict pw_key_record_read(struct pw_str log_key, const uint8_t *value,
                                       size_t value_bytes, struct pw_key_record *ret_record);

/* Wraps a data key under the current master key. Of `record`, purpose, key_id and tenant_id are read. */
void pw_key_wrap(const struct pw_masters *masters, const struct pw_key_record *record,
                 const uint8_t data_key[PW_KEY_BYTES], const uint8_t nonce[PW_KEY_NONCE_BYTES],
                 uint8_t ret_value[PW_KEY_RECORD_BYTES]);

/* Opens a value that pw_key_record_read called good. */
enum pw_code pw_key_unwrap(const struct pw_masters *masters,
                           const uint8_t value[PW_KEY_RECORD_BYTES],
                           uint8_t ret_data_key[PW_KEY_BYTES], struct pw_err *err);

/* --- Under a data key --- */

/* Encrypts at most PW_PAYLOAD_BYTES_MAX bytes, bound to `associated` (at most PW_KEY_ASSOCIATED_MAX bytes), into plain.len +
 * PW_PAYLOAD_EXTRA_BYTES bytes at ret_sealed, which does not overlap plain. */
void pw_payload_seal(const uint8_t data_key[PW_KEY_BYTES], const struct pw_id *key_id,
                     const uint8_t nonce[PW_KEY_NONCE_BYTES], struct pw_str associated,
                     struct pw_str plain, uint8_t *ret_sealed);

/* The reverse; ret_plain has room for sealed.len - PW_PAYLOAD_EXTRA_BYTES bytes, and *ret_plain_bytes is told. */
enum pw_code pw_payload_open(const uint8_t data_key[PW_KEY_BYTES], const struct pw_id *key_id,
                             struct pw_str associated, struct pw_str sealed, uint8_t *ret_plain,
                             size_t *ret_plain_bytes, struct pw_err *err);

/* The tag by which equal values are known; context: 1 to PW_KEY_CONTEXT_BYTES_MAX bytes. */
struct pw_hash pw_equality_tag(const uint8_t data_key[PW_KEY_BYTES], struct pw_str context,
                               struct pw_str value);
/* In constant time. */
bool pw_equality_same(const struct pw_hash *a, const struct pw_hash *b);

#endif
