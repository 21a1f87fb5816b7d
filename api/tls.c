/* api/tls.c: whether a certificate and a key are what a listener can serve with. */
#include "api/tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#include "api/config.h"

static gnutls_datum_t datum_of(const char *text)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned int)strlen(text)};
}

/* GnuTLS' code, as that of the next one. */
static int read_certificates(const gnutls_datum_t *certificate)
{
    gnutls_x509_crt_t *list = NULL;
    unsigned int count = 0;
    int result = gnutls_x509_crt_list_import2(&list, &count, certificate, GNUTLS_X509_FMT_PEM, 0);
    for (unsigned int i = 0; result >= 0 && i < count; i++) {
        gnutls_x509_crt_deinit(list[i]);
    }
    if (result >= 0) {
        gnutls_free(list);
    }
    return result;
}

static int read_pair(const gnutls_datum_t *certificate, const gnutls_datum_t *key)
{
    gnutls_certificate_credentials_t credentials = NULL;
    int result = gnutls_certificate_allocate_credentials(&credentials);
    if (result >= 0) {
        result =
            gnutls_certificate_set_x509_key_mem(credentials, certificate, key, GNUTLS_X509_FMT_PEM);
        gnutls_certificate_free_credentials(credentials);
    }
    return result;
}

enum pw_code pw_tls_check(const char *certificate, const char *key, struct pw_err *err)
{
    gnutls_datum_t certificate_datum = datum_of(certificate);
    gnutls_datum_t key_datum = datum_of(key);
    enum pw_config_key wrong = PW_CONFIG_TLS_CERT_FILE;
    int result = read_certificates(&certificate_datum);
    if (result >= 0) {
        wrong = PW_CONFIG_TLS_KEY_FILE;
        result = read_pair(&certificate_datum, &key_datum);
    }
    return result >= 0 ? PW_OK
                       : pw_fail(err, PW_ERR_USAGE, "%s: %s", pw_config_name(wrong),
                                 gnutls_strerror(result));
}
