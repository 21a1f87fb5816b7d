/* api/tests/address.c: addresses, networks, and whose request it is that came through proxies. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>

#include "api/address.h"

/* --- Addresses and networks --- */

static struct pw_ip ip_of(const char *text)
{
    struct pw_ip ip = {{0}};
    cr_assert(pw_ip_parse(pw_str_of(text), &ip), "%s", text);
    return ip;
}

static bool same(const struct pw_ip *a, const struct pw_ip *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

Test(address, reads_what_is_one)
{
    static const char *const wrong[] = {"",
                                        "1",
                                        "1.2.3",
                                        "1.2.3.4.5",
                                        "1.2.3.256",
                                        "01.2.3.4 ",
                                        ":",
                                        "::g",
                                        "1.2.3.4:80",
                                        "[::1]",
                                        "unknown",
                                        "1:2:3:4:5:6:7",
                                        "fe80::1%eth0",
                                        "localhost",
                                        "1.2.3.4/8"};
    struct pw_ip ip;
    for (size_t i = 0; i < PW_COUNT(wrong); i++) {
        cr_expect(!pw_ip_parse(pw_str_of(wrong[i]), &ip), "%s", wrong[i]);
    }
    cr_expect(!pw_ip_parse((struct pw_str){"1.2.3.4\0", 8}, &ip));
    struct pw_ip four = ip_of("192.0.2.1");
    struct pw_ip mapped = ip_of("::ffff:192.0.2.1");
    cr_expect(same(&four, &mapped), "one host, two spellings");
    cr_expect(pw_ip_is_v4(&four));
}

Test(address, of_a_socket)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct pw_ip wanted = ip_of("192.0.2.1");
    struct pw_ip got = pw_ip_of((const struct sockaddr *)&four);
    cr_expect(same(&got, &wanted));
    inet_pton(AF_INET6, "2001:db8::7", &six.sin6_addr);
    wanted = ip_of("2001:db8::7");
    got = pw_ip_of((const struct sockaddr *)&six);
    cr_expect(same(&got, &wanted));
    wanted = ip_of("::");
    got = pw_ip_of(&other);
    cr_expect(same(&got, &wanted));
}

Test(address, a_host_has_a_whole_64)
{
    struct pw_ip one = ip_of("2001:db8:1:2::3");
    struct pw_ip other = ip_of("2001:db8:1:2:ffff::9");
    struct pw_ip beside = ip_of("2001:db8:1:3::3");
    struct pw_ip four = ip_of("192.0.2.1");
    struct pw_ip hosts[] = {pw_ip_host(&one), pw_ip_host(&other), pw_ip_host(&beside),
                            pw_ip_host(&four)};
    cr_expect(same(&hosts[0], &hosts[1]));
    cr_expect(!same(&hosts[0], &hosts[2]));
    cr_expect(same(&hosts[3], &four));
}

Test(address, networks_hold)
{
    static const struct {
        const char *networks;
        const char *ip;
        bool held;
    } rows[] = {
        {"", "10.0.0.1", false},
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.4/30 , 2001:db8::/32", "2001:db8:ffff::1", true},
        {"192.0.2.4/30,2001:db8::/32", "2001:db9::1", false},
        {"2001:db8:8000::/33", "2001:db8:7fff::1", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", false},
        {"::ffff:10.0.0.0/104", "10.9.9.9", true},
        {"::1", "::1", true},
        {"::1", "127.0.0.1", false},
    };
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct pw_networks networks;
        struct pw_err err = {0};
        struct pw_ip ip = ip_of(rows[i].ip);
        cr_assert_eq(pw_networks_parse(rows[i].networks, &networks, &err), PW_OK, "%s", err.detail);
        cr_expect_eq(pw_networks_hold(&networks, &ip), rows[i].held, "%s in %s", rows[i].ip,
                     rows[i].networks);
    }
}

Test(address, networks_that_are_none)
{
    static const char *const wrong[] = {
        "10.0.0.0/33",    "10.0.0.0/", "10.0.0.1/8",  "10.0.0.0/8,",   ",10.0.0.0/8",   "::/129",
        "2001:db8::1/32", "10/8",      "10.0.0.0/-1", "10.0.0.0/0008", "proxy.example", "/8"};
    for (size_t i = 0; i < PW_COUNT(wrong); i++) {
        struct pw_networks networks;
        struct pw_err err = {0};
        bool is_wrong =
            strcmp(wrong[i], "10.0.0.0/8,") != 0; /* A comma at the end ends an entry. */
        cr_expect_eq(pw_networks_parse(wrong[i], &networks, &err) != PW_OK, is_wrong, "%s",
                     wrong[i]);
    }
    char many[PW_NETWORKS_MAX * 8 + 16] = "10.0.0.0";
    for (int i = 0; i < PW_NETWORKS_MAX; i++) {
        strcat(many, ",::1");
    }
    struct pw_networks networks;
    struct pw_err err = {0};
    cr_expect_eq(pw_networks_parse(many, &networks, &err), PW_ERR_USAGE);
}

/* --- X-Forwarded-For: proxies are 10/8 and 2001:db8::/32 --- */

Test(address, the_rightmost_that_is_not_trusted_counts)
{
    static const struct {
        const char *name;
        const char *peer;
        const char *header; /* NULL: none. */
        const char *client;
    } rows[] = {
        {"nobody is between", "192.0.2.1", NULL, "192.0.2.1"},
        {"a stranger's word counts nothing", "192.0.2.1", "203.0.113.1", "192.0.2.1"},
        {"a proxy's does", "10.0.0.1", "203.0.113.1", "203.0.113.1"},
        {"a proxy that says nothing", "10.0.0.1", NULL, "10.0.0.1"},
        {"a proxy that says nothing at all", "10.0.0.1", "", "10.0.0.1"},
        {"what the client made up stands further left", "10.0.0.1", "1.1.1.1, 203.0.113.1",
         "203.0.113.1"},
        {"two proxies", "10.0.0.1", "1.1.1.1,203.0.113.1,10.0.0.2", "203.0.113.1"},
        {"proxies alone: who began it", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
        {"of either family", "2001:db8::1", "2001:db9::5, 10.0.0.2", "2001:db9::5"},
        {"with a port", "10.0.0.1", "203.0.113.1:4711", "203.0.113.1"},
        {"with a port, in brackets", "10.0.0.1", "[2001:db9::5]:4711", "2001:db9::5"},
        {"in brackets alone", "10.0.0.1", "[2001:db9::5]", "2001:db9::5"},
        {"blanks and tabs", "10.0.0.1", " \t203.0.113.1\t , 10.0.0.9 ", "203.0.113.1"},
        {"no address: who says so", "10.0.0.1", "203.0.113.1, unknown", "10.0.0.1"},
        {"no address further left", "10.0.0.1", "_hidden, 10.0.0.2", "10.0.0.2"},
        {"an empty entry", "10.0.0.1", "203.0.113.1,,10.0.0.2", "10.0.0.2"},
        {"a comma at the end", "10.0.0.1", "203.0.113.1,", "10.0.0.1"},
        {"a comma alone", "10.0.0.1", ",", "10.0.0.1"},
        {"a bracket that stays open", "10.0.0.1", "[2001:db9::5", "10.0.0.1"},
    };
    struct pw_networks trusted;
    cr_assert_eq(pw_networks_parse("10.0.0.0/8,2001:db8::/32", &trusted, NULL), PW_OK);
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct pw_ip peer = ip_of(rows[i].peer);
        struct pw_ip wanted = ip_of(rows[i].client);
        struct pw_str header = {NULL, 0};
        if (rows[i].header != NULL) {
            header = pw_str_of(rows[i].header);
        }
        struct pw_ip got = pw_ip_client(&trusted, &peer, header);
        cr_expect(same(&got, &wanted), "%s", rows[i].name);
    }
}
