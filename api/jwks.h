/* api/jwks.h: key sets of others (JSON Web Key Sets, RFC 7517), from a file or an address.
 *
 * Contract  What can be trusted is an Ed25519 key (kty OKP, crv Ed25519) that is for signatures and
 *           has no secret half; every other key is there with the reason why not. A set has at most
 *           PW_JWKS_KEYS_MAX keys and PW_JWKS_BYTES_MAX bytes. An address is https, or http on a
 *           loopback address where that was asked for; it is not followed elsewhere, and has ten
 *           seconds.
 * Errors    USAGE: it is no such address. NOT_FOUND: the file or address gives nothing. MALFORMED: it
 *           gives no key set. */
#ifndef PW_API_JWKS_H
#define PW_API_JWKS_H

#include "schemas/errors.h"

#define PW_JWKS_BYTES_MAX 65536
#define PW_JWKS_KEYS_MAX  64

struct pw_jwk {
    char name[48];           /* Its `kid`, cut; else its number. Printable. */
    const char *why_skipped; /* NULL: public_key can be trusted. */
    struct pw_hash public_key;
};

struct pw_jwks {
    size_t count;
    struct pw_jwk keys[PW_JWKS_KEYS_MAX];
};

enum pw_code pw_jwks_read(struct pw_str json, struct pw_jwks *ret_set, struct pw_err *err);

/* The same, of a file, or of an address where the text begins with http:// or https://. */
enum pw_code pw_jwks_get(const char *source, bool insecure_http, struct pw_jwks *ret_set,
                         struct pw_err *err);

/* For the tests: whether an address may be asked. */
bool pw_jwks_may_ask(const char *url, bool insecure_http);

#endif
