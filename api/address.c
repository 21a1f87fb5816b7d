/* api/address.c: addresses, networks, and X-Forwarded-For. */
#include "api/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define V4_BITS        96
#define IP_BITS        128
#define HOST_BYTES     8
#define TEXT_BYTES_MAX 63

static const uint8_t v4_prefix[V4_BITS / 8] = {[10] = 0xff, [11] = 0xff};

bool pw_ip_is_v4(const struct pw_ip *ip)
{
    return memcmp(ip->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

static struct pw_ip mapped(const void *v4)
{
    struct pw_ip ip;
    memcpy(ip.bytes, v4_prefix, sizeof v4_prefix);
    memcpy(ip.bytes + sizeof v4_prefix, v4, 4);
    return ip;
}

bool pw_ip_parse(struct pw_str text, struct pw_ip *ret_ip)
{
    char copy[TEXT_BYTES_MAX + 1];
    struct in_addr v4;
    struct in6_addr v6;
    if (text.len == 0 || text.len > TEXT_BYTES_MAX || memchr(text.ptr, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        *ret_ip = mapped(&v4);
        return true;
    }
    if (inet_pton(AF_INET6, copy, &v6) == 1) {
        memcpy(ret_ip->bytes, &v6, sizeof ret_ip->bytes);
        return true;
    }
    return false;
}

struct pw_ip pw_ip_of(const struct sockaddr *address)
{
    struct pw_ip ip = {{0}};
    if (address->sa_family == AF_INET) {
        return mapped(&((const struct sockaddr_in *)(const void *)address)->sin_addr);
    }
    if (address->sa_family == AF_INET6) {
        memcpy(ip.bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
               sizeof ip.bytes);
    }
    return ip;
}

struct pw_ip pw_ip_host(const struct pw_ip *ip)
{
    struct pw_ip host = *ip;
    if (!pw_ip_is_v4(ip)) {
        memset(host.bytes + HOST_BYTES, 0, sizeof host.bytes - HOST_BYTES);
    }
    return host;
}

/* The number after the slash, of at most `max`. */
static bool parse_bits(struct pw_str text, uint32_t max, uint32_t *ret_bits)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        bits = 10 * bits + (uint32_t)(text.ptr[i] - '0');
    }
    *ret_bits = bits;
    return text.len > 0 && text.len <= 3 && bits <= max;
}

static bool begins_alike(const struct pw_ip *a, const struct pw_ip *b, uint32_t bits)
{
    uint32_t whole = bits / 8;
    uint32_t rest = bits % 8;
    return memcmp(a->bytes, b->bytes, whole) == 0 &&
           (rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0);
}

static bool parse_network(struct pw_str text, struct pw_network *ret_network)
{
    const char *slash = text.len > 0 ? memchr(text.ptr, '/', text.len) : NULL;
    size_t ip_len = slash != NULL ? (size_t)(slash - text.ptr) : text.len;
    struct pw_network network = {.bits = IP_BITS};
    if (!pw_ip_parse((struct pw_str){text.ptr, ip_len}, &network.ip)) {
        return false;
    }
    if (slash != NULL) {
        bool is_dotted = memchr(text.ptr, ':', ip_len) == NULL;
        struct pw_str bits = {slash + 1, text.len - ip_len - 1};
        if (!parse_bits(bits, is_dotted ? IP_BITS - V4_BITS : IP_BITS, &network.bits)) {
            return false;
        }
        network.bits += is_dotted ? V4_BITS : 0;
    }
    for (uint32_t bit = network.bits; bit < IP_BITS; bit++) {
        if ((network.ip.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) {
            return false;
        }
    }
    *ret_network = network;
    return true;
}

enum pw_code pw_networks_parse(const char *text, struct pw_networks *ret_networks,
                               struct pw_err *err)
{
    struct pw_networks networks = {.count = 0};
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        struct pw_str entry = pw_str_trim((struct pw_str){text, len});
        if (networks.count == PW_NETWORKS_MAX) {
            return pw_fail(err, PW_ERR_USAGE, "more than %d networks", PW_NETWORKS_MAX);
        }
        if (!parse_network(entry, &networks.items[networks.count++])) {
            return pw_fail(err, PW_ERR_USAGE,
                           "%.*s is no network, must be as 10.0.0.0/8 or 2001:db8::/32",
                           entry.len < 80 ? (int)entry.len : 80, entry.ptr);
        }
        text += len + (text[len] == ',');
    }
    *ret_networks = networks;
    return PW_OK;
}

bool pw_networks_hold(const struct pw_networks *networks, const struct pw_ip *ip)
{
    bool is_v4 = pw_ip_is_v4(ip);
    for (uint32_t i = 0; i < networks->count; i++) {
        const struct pw_network *network = &networks->items[i];
        bool same_family = is_v4 == (network->bits >= V4_BITS && pw_ip_is_v4(&network->ip));
        if (same_family && begins_alike(&network->ip, ip, network->bits)) {
            return true;
        }
    }
    return false;
}

/* An entry of X-Forwarded-For: an address, perhaps with a port: IPv6 is then in brackets. */
static bool parse_hop(struct pw_str text, struct pw_ip *ret_ip)
{
    if (pw_ip_parse(text, ret_ip)) {
        return true;
    }
    const char *end = NULL;
    if (text.len > 0 && text.ptr[0] == '[') {
        end = memchr(text.ptr, ']', text.len);
        text = (struct pw_str){text.ptr + 1, text.len - 1};
    } else if (text.len > 0) {
        end = memchr(text.ptr, ':', text.len);
    }
    return end != NULL && pw_ip_parse((struct pw_str){text.ptr, (size_t)(end - text.ptr)}, ret_ip);
}

struct pw_ip pw_ip_client(const struct pw_networks *trusted, const struct pw_ip *peer,
                          struct pw_str forwarded_for)
{
    struct pw_ip client = *peer;
    size_t end = forwarded_for.ptr != NULL ? forwarded_for.len : 0;
    while (end > 0 && pw_networks_hold(trusted, &client)) {
        size_t begin = end;
        while (begin > 0 && forwarded_for.ptr[begin - 1] != ',') {
            begin--;
        }
        struct pw_str hop = pw_str_trim((struct pw_str){forwarded_for.ptr + begin, end - begin});
        if (!parse_hop(hop, &client)) {
            break;
        }
        end = begin > 0 ? begin - 1 : 0;
    }
    return client;
}
