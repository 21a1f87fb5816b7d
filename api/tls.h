/* api/tls.h: whether a certificate and a key are what a listener can serve with.
 *
 * Contract  Both are PEM text, and read as libmicrohttpd will read them, by GnuTLS: the certificate first and then its
 *           chain, and the key of the first. Whether a client would trust it, today or at all, is not asked.
 * Errors    USAGE, with the setting that is wrong: what belongs to another certificate is the key. */
#ifndef PW_API_TLS_H
#define PW_API_TLS_H

#include "schemas/errors.h"

enum pw_code pw_tls_check(const char *certificate, const char *key, struct pw_err *err);

#endif
