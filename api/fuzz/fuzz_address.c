/* api/fuzz/fuzz_address.c: any bytes as X-Forwarded-For, as a list of networks and as a list of
 * origins: never a crash; and whose request it is, is either a proxy's own or an address that the
 * header names. */
#include <stdlib.h>

#include "api/cors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* What a stranger sends decides nothing, and what is believed does not hang on what stands left of
 * it. */
static void client(const uint8_t *data, size_t bytes)
{
    static const char prefix[] = "203.0.113.99, ";
    struct pw_networks trusted;
    struct pw_ip proxy;
    struct pw_ip stranger;
    if (pw_networks_parse("10.0.0.0/8,2001:db8::/32", &trusted, NULL) != PW_OK ||
        !pw_ip_parse(PW_STR("10.0.0.1"), &proxy) || !pw_ip_parse(PW_STR("192.0.2.1"), &stranger)) {
        abort();
    }
    struct pw_str header = {(const char *)data, bytes};
    struct pw_ip got = pw_ip_client(&trusted, &stranger, header);
    if (memcmp(&got, &stranger, sizeof got) != 0) {
        abort();
    }
    got = pw_ip_client(&trusted, &proxy, header);
    if (!pw_networks_hold(&trusted, &got)) {
        char *longer = malloc(sizeof prefix - 1 + bytes);
        memcpy(longer, prefix, sizeof prefix - 1);
        memcpy(longer + sizeof prefix - 1, data, bytes);
        struct pw_ip again =
            pw_ip_client(&trusted, &proxy, (struct pw_str){longer, sizeof prefix - 1 + bytes});
        free(longer);
        if (memcmp(&got, &again, sizeof got) != 0) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    struct pw_networks networks;
    struct pw_cors cors;
    struct pw_err err = {0};
    client(data, bytes);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    if (pw_networks_parse(text, &networks, &err) == PW_OK) {
        for (uint32_t i = 0; i < networks.count; i++) {
            if (!pw_networks_hold(&networks, &networks.items[i].ip)) {
                abort(); /* A network holds its own first address. */
            }
        }
    }
    pw_cors_parse(text, &cors, &err);
    free(text);
    return 0;
}
