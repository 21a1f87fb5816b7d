/* schemas/types.h: the small value types that every room speaks in.
 *
 * Contract  Plain values, compared and copied freely. A pw_str is a view: it owns nothing and has
 *           no NUL at its end. What cannot be parsed gives false and leaves the result untouched.
 * Units     *_at_us: microseconds since the Unix epoch. *_minutes: whole minutes. *_bytes: a size.
 * Threads   Everything here is pure. */
#ifndef PW_SCHEMAS_TYPES_H
#define PW_SCHEMAS_TYPES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PW_COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define PW_US_PER_MS     INT64_C(1000)
#define PW_US_PER_SECOND INT64_C(1000000)
#define PW_US_PER_MINUTE (60 * PW_US_PER_SECOND)
/* The last moment that RFC 3339 can write: 9999-12-31T23:59:59.999999Z. */
#define PW_AT_US_MAX INT64_C(253402300799999999)
/* 9999-01-01T00:00:00Z: the last start that a client may ask for, so that what is added to it (a
 * duration, a buffer) is a moment that can be written, too. */
#define PW_STARTS_AT_US_MAX INT64_C(253370764800000000)

/* What a tenant that never set its rules has. */
#define PW_HOLD_MINUTES  10
#define PW_OFFER_MINUTES 1440

/* A UUID (RFC 9562) as its 16 raw bytes. */
struct pw_id {
    uint8_t bytes[16];
};

/* A SHA-256 digest, or any other 32 bytes such as an Ed25519 public key. */
struct pw_hash {
    uint8_t bytes[32];
};

/* A view of text or bytes. */
struct pw_str {
    const char *ptr;
    size_t len;
};

#define PW_ID_TEXT_BYTES 36 /* Without a NUL. */
#define PW_STR(literal)  ((struct pw_str){(literal), sizeof(literal) - 1})

static inline bool pw_id_equal(const struct pw_id *a, const struct pw_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool pw_id_is_nil(const struct pw_id *id)
{
    static const struct pw_id nil;
    return pw_id_equal(id, &nil);
}

static inline bool pw_hash_equal(const struct pw_hash *a, const struct pw_hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline struct pw_str pw_str_of(const char *text)
{
    return (struct pw_str){text, strlen(text)};
}

static inline bool pw_str_equal(struct pw_str a, struct pw_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Without the spaces and tabs at both ends: what HTTP calls optional white space. */
struct pw_str pw_str_trim(struct pw_str text);

/* Writes the text with its ASCII capitals made small; room for text.len bytes. Two addresses are one where these are. */
void pw_str_lower(struct pw_str text, char *ret_text);

/* Writes the lower-case text of an id: 36 bytes and a NUL. */
void pw_id_format(const struct pw_id *id, char ret_text[PW_ID_TEXT_BYTES + 1]);

/* Reads the 36 bytes of a UUID's text, of either case and any version; but not the nil UUID, which
 * means everywhere in the house that there is none. */
bool pw_id_parse(struct pw_str text, struct pw_id *ret_id);

/* A new UUIDv7 (RFC 9562, 5.7) of that moment, in whole milliseconds; its 74 random bits are the
 * last ten bytes of `random`. */
struct pw_id pw_id_v7(int64_t now_us, const uint8_t random[16]);

/* True for a UUIDv7; *ret_at_us is the moment (whole milliseconds) that it carries. */
bool pw_id_v7_time(const struct pw_id *id, int64_t *ret_at_us);

/* The UUIDv5 (RFC 9562, 5.5) of a name in a namespace. */
struct pw_id pw_id_v5(const struct pw_id *name_space, const void *name, size_t name_bytes);

/* RFC 3339. Parse takes any offset and up to six digits of a second; leap seconds (:60) and moments
 * outside 0 to PW_AT_US_MAX are refused. Format writes UTC with `Z`, six digits of a second where
 * it is not whole, and a NUL; it gives the bytes before that. A moment outside those bounds (an end
 * computed from a late start) is written as the nearest bound. */
#define PW_AT_TEXT_BYTES_MAX 28
bool pw_at_parse(struct pw_str text, int64_t *ret_at_us);
size_t pw_at_format(int64_t at_us, char ret_text[PW_AT_TEXT_BYTES_MAX]);

/* Lower-case hex; `ret_text` has room for 2 * bytes + 1. Parse takes exactly 2 * bytes digits of
 * either case. */
void pw_hex_format(const void *data, size_t bytes, char *ret_text);
bool pw_hex_parse(struct pw_str text, void *ret_data, size_t bytes);

/* Base64url without padding (RFC 4648, 5); `ret_text` has room for PW_BASE64URL_BYTES(bytes) + 1.
 * Parse takes exactly the text that format writes: unused bits must be zero. */
#define PW_BASE64URL_BYTES(bytes) (((bytes)*8 + 5) / 6)
void pw_base64url_format(const void *data, size_t bytes, char *ret_text);
bool pw_base64url_parse(struct pw_str text, void *ret_data, size_t bytes);

/* True for well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong) without a NUL. */
bool pw_utf8_valid(struct pw_str text);

/* SHA-256 (FIPS 180-4) of two runs of bytes after one another. */
struct pw_hash pw_sha256(const void *first, size_t first_bytes, const void *second,
                         size_t second_bytes);

#endif
