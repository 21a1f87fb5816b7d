/* api/address.h: who is at the other end of a connection, and whose word counts on that.
 *
 * Contract  An address is IPv6; IPv4 is written as it is mapped there (::ffff:0:0/96), so that the
 *           two spellings of one host are one. A network is CIDR: an address, and how many of its
 *           bits count; it holds addresses of its own family only. X-Forwarded-For counts as far as
 *           it was written by proxies that are trusted: the rightmost address that is none of
 *           theirs is the client's.
 * Owner     Plain values.
 * Threads   Any.
 * Errors    USAGE names the entry of a list that is no network. */
#ifndef PW_API_ADDRESS_H
#define PW_API_ADDRESS_H

#include "schemas/errors.h"

#define PW_NETWORKS_MAX 64

struct sockaddr;

struct pw_ip {
    uint8_t bytes[16];
};

struct pw_network {
    struct pw_ip ip;
    uint32_t bits; /* Of the sixteen bytes: 96 and more for IPv4. */
};

struct pw_networks {
    struct pw_network items[PW_NETWORKS_MAX];
    uint32_t count;
};

/* `192.0.2.1` or `2001:db8::1`. */
bool pw_ip_parse(struct pw_str text, struct pw_ip *ret_ip);

/* Of a socket; all zero for a family that is neither. */
struct pw_ip pw_ip_of(const struct sockaddr *address);

bool pw_ip_is_v4(const struct pw_ip *ip);

/* What one host has: the whole address, or of IPv6 the first 64 bits, which a host may fill as it
 * likes. */
struct pw_ip pw_ip_host(const struct pw_ip *ip);

/* `10.0.0.0/8,2001:db8::/32,192.0.2.1`, blanks allowed; empty: none. Bits behind the prefix must be
 * zero. */
enum pw_code pw_networks_parse(const char *text, struct pw_networks *ret_networks,
                               struct pw_err *err);

bool pw_networks_hold(const struct pw_networks *networks, const struct pw_ip *ip);

/* Whose request it is: `peer` is the socket's address, `forwarded_for` the header's value (ptr NULL
 * where there is none). Entries are read from the right, as long as who wrote them is trusted; an
 * entry that is no address ends that, and then it is the proxy that wrote it. */
struct pw_ip pw_ip_client(const struct pw_networks *trusted, const struct pw_ip *peer,
                          struct pw_str forwarded_for);

#endif
