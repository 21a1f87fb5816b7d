/* commands/tests/tenant.c: when a tenant may be made, and whom it may trust. */
#include "commands/tests/world.h"

#define KEY(n)                                                                                     \
    {                                                                                              \
        {                                                                                          \
            [0] = (n), [31] = 7                                                                    \
        }                                                                                          \
    }
#define TRUSTED(version, name, key)                                                                \
    {                                                                                              \
        .type = PW_EVENT_TENANT_ISSUER_TRUSTED, .stream_id = OUR_TENANT,                           \
        .stream_version = version, .tenant_issuer_trusted = {                                      \
            TEXT(name),                                                                            \
            KEY(key)                                                                               \
        }                                                                                          \
    }
#define DISTRUSTED(version, name, key)                                                             \
    {                                                                                              \
        .type = PW_EVENT_TENANT_ISSUER_DISTRUSTED, .stream_id = OUR_TENANT,                        \
        .stream_version = version, .tenant_issuer_distrusted = {                                   \
            TEXT(name),                                                                            \
            KEY(key)                                                                               \
        }                                                                                          \
    }
#define FOUR_KEYS(name)                                                                            \
    TRUSTED(0, name, 1), TRUSTED(0, name, 2), TRUSTED(0, name, 3), TRUSTED(0, name, 4)

#define CREATE                                                                                     \
    {                                                                                              \
        .type = PW_COMMAND_TENANT_CREATE, .tenant_create = {                                       \
            OUR_TENANT,                                                                            \
            TEXT("Graz"),                                                                          \
            TEXT("Europe/Vienna"),                                                                 \
            TEXT("de")                                                                             \
        }                                                                                          \
    }
#define TRUST(name, key)                                                                           \
    {                                                                                              \
        .type = PW_COMMAND_TENANT_TRUST_ISSUER, .tenant_trust_issuer = {                           \
            OUR_TENANT,                                                                            \
            TEXT(name),                                                                            \
            KEY(key)                                                                               \
        }                                                                                          \
    }
#define DISTRUST(name, key)                                                                        \
    {                                                                                              \
        .type = PW_COMMAND_TENANT_DISTRUST_ISSUER, .tenant_distrust_issuer = {                     \
            OUR_TENANT,                                                                            \
            TEXT(name),                                                                            \
            KEY(key)                                                                               \
        }                                                                                          \
    }
#define BY_OPS AT(OPS, OPERATOR, NINE)

static const struct row tenant_create_rows[] = {
    {"a tenant is made", NEW, CREATE, BY_OPS, PW_OK, THEN(CREATED)},
    {"only once", GIVEN(CREATED), CREATE, BY_OPS, PW_ERR_TENANT_EXISTS, NOTHING},
    {"nothing has a version before it is there", NEW, CREATE, BY_OPS, PW_ERR_VERSION_MISMATCH,
     NOTHING, "version 0", IF_MATCH(1)},
};
ROWS_OF(tenant_create);

static const struct row tenant_trust_issuer_rows[] = {
    {"an issuer's key is trusted", GIVEN(CREATED), TRUST("sso", 1), BY_OPS, PW_OK,
     THEN(TRUSTED(2, "sso", 1))},
    {"a second key beside it", GIVEN(CREATED, TRUSTED(0, "sso", 1)), TRUST("sso", 2), BY_OPS, PW_OK,
     THEN(TRUSTED(3, "sso", 2))},
    {"one key of two issuers", GIVEN(CREATED, TRUSTED(0, "sso", 1)), TRUST("ss", 1), BY_OPS, PW_OK,
     THEN(TRUSTED(3, "ss", 1))},
    {"the same again changes nothing", GIVEN(CREATED, TRUSTED(0, "sso", 1)), TRUST("sso", 1),
     BY_OPS, PW_OK, NOTHING},
    {"a tenant that does not exist trusts nobody", NEW, TRUST("sso", 1), BY_OPS,
     PW_ERR_NO_SUCH_TENANT, NOTHING},
    {"the sixteenth key",
     GIVEN(CREATED, FOUR_KEYS("a"), FOUR_KEYS("b"), FOUR_KEYS("c"), TRUSTED(0, "d", 1),
           TRUSTED(0, "d", 2), TRUSTED(0, "d", 3)),
     TRUST("e", 1), BY_OPS, PW_OK, THEN(TRUSTED(17, "e", 1))},
    {"no seventeenth",
     GIVEN(CREATED, FOUR_KEYS("a"), FOUR_KEYS("b"), FOUR_KEYS("c"), FOUR_KEYS("d")), TRUST("e", 1),
     BY_OPS, PW_ERR_TOO_MANY_ISSUERS, NOTHING, "16 of 16"},
    {"one of the sixteen again is fine",
     GIVEN(CREATED, FOUR_KEYS("a"), FOUR_KEYS("b"), FOUR_KEYS("c"), FOUR_KEYS("d")), TRUST("d", 4),
     BY_OPS, PW_OK, NOTHING},
    {"who was distrusted may be trusted again",
     GIVEN(CREATED, TRUSTED(0, "sso", 1), DISTRUSTED(0, "sso", 1)), TRUST("sso", 1), BY_OPS, PW_OK,
     THEN(TRUSTED(4, "sso", 1))},
    {"whose place another one can take",
     GIVEN(CREATED, FOUR_KEYS("a"), FOUR_KEYS("b"), FOUR_KEYS("c"), FOUR_KEYS("d"),
           DISTRUSTED(0, "a", 1)),
     TRUST("e", 1), BY_OPS, PW_OK, THEN(TRUSTED(19, "e", 1))},
    {"the version that was read", GIVEN(CREATED), TRUST("sso", 1), BY_OPS, PW_OK,
     THEN(TRUSTED(2, "sso", 1)), IF_MATCH(1)},
    {"an older one than it has", GIVEN(CREATED, TRUSTED(0, "sso", 1)), TRUST("sso", 2), BY_OPS,
     PW_ERR_VERSION_MISMATCH, NOTHING, "version 2", IF_MATCH(1)},
};
ROWS_OF(tenant_trust_issuer);

static const struct row tenant_distrust_issuer_rows[] = {
    {"trust is taken back", GIVEN(CREATED, TRUSTED(0, "sso", 1)), DISTRUST("sso", 1), BY_OPS, PW_OK,
     THEN(DISTRUSTED(3, "sso", 1))},
    {"in that key only", GIVEN(CREATED, TRUSTED(0, "sso", 1), TRUSTED(0, "sso", 2)),
     DISTRUST("sso", 2), BY_OPS, PW_OK, THEN(DISTRUSTED(4, "sso", 2))},
    {"in that issuer only", GIVEN(CREATED, TRUSTED(0, "sso", 1)), DISTRUST("ss", 1), BY_OPS, PW_OK,
     NOTHING},
    {"who was never trusted", GIVEN(CREATED), DISTRUST("sso", 1), BY_OPS, PW_OK, NOTHING},
    {"the same again changes nothing",
     GIVEN(CREATED, TRUSTED(0, "sso", 1), DISTRUSTED(0, "sso", 1)), DISTRUST("sso", 1), BY_OPS,
     PW_OK, NOTHING},
    {"the others stay, the first as the last",
     GIVEN(CREATED, TRUSTED(0, "a", 1), TRUSTED(0, "a", 2), TRUSTED(0, "a", 3),
           DISTRUSTED(0, "a", 1)),
     DISTRUST("a", 3), BY_OPS, PW_OK, THEN(DISTRUSTED(6, "a", 3))},
    {"a tenant that does not exist", NEW, DISTRUST("sso", 1), BY_OPS, PW_ERR_NO_SUCH_TENANT,
     NOTHING},
    {"an older version than it has", GIVEN(CREATED, TRUSTED(0, "sso", 1)), DISTRUST("sso", 1),
     BY_OPS, PW_ERR_VERSION_MISMATCH, NOTHING, "version 2", IF_MATCH(1)},
};
ROWS_OF(tenant_distrust_issuer);

#define CHOOSE(tenant)                                                                             \
    {                                                                                              \
        .type = PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY, .tenant_choose_equality_key = {             \
            tenant,                                                                                \
            ID(201)                                                                                \
        }                                                                                          \
    }
#define CHOSEN(version)                                                                            \
    {                                                                                              \
        .type = PW_EVENT_TENANT_EQUALITY_KEY_CHOSEN, .stream_id = OUR_TENANT,                      \
        .stream_version = (version), .tenant_equality_key_chosen = {                               \
            ID(201)                                                                                \
        }                                                                                          \
    }

static const struct row tenant_choose_equality_key_rows[] = {
    {"the tenant keeps accounts", GIVEN(CREATED), CHOOSE(OUR_TENANT), BY_OPS, PW_OK,
     THEN(CHOSEN(2))},
    {"one key for ever", GIVEN(CREATED, CHOSEN(0)), CHOOSE(OUR_TENANT), BY_OPS, PW_OK, NOTHING},
    {"no other tenant", GIVEN(CREATED), CHOOSE(OTHER_TENANT), BY_OPS, PW_ERR_NO_SUCH_TENANT,
     NOTHING},
};
ROWS_OF(tenant_choose_equality_key);

#define SET_RULES(minutes)                                                                         \
    {                                                                                              \
        .type = PW_COMMAND_TENANT_SET_RULES, .tenant_set_rules = {                                 \
            OUR_TENANT,                                                                            \
            minutes,                                                                               \
            PW_OFFER_MINUTES                                                                       \
        }                                                                                          \
    }
#define BY_ADA AT(ADA, ADMIN, NINE)

static const struct row tenant_set_rules_rows[] = {
    {"another time", GIVEN(CREATED), SET_RULES(30), BY_ADA, PW_OK, THEN(RULES_SET(2, 30))},
    {"the default is there already", GIVEN(CREATED), SET_RULES(10), BY_ADA, PW_OK, NOTHING},
    {"the same again", GIVEN(CREATED, RULES_SET(2, 30)), SET_RULES(30), BY_ADA, PW_OK, NOTHING},
    {"back to the default", GIVEN(CREATED, RULES_SET(2, 30)), SET_RULES(10), BY_ADA, PW_OK,
     THEN(RULES_SET(3, 10))},
    {"of another tenant",
     GIVEN(CREATED),
     {.type = PW_COMMAND_TENANT_SET_RULES, .tenant_set_rules = {OTHER_TENANT, 30, 60}},
     BY_ADA,
     PW_ERR_NO_SUCH_TENANT,
     NOTHING},
};
ROWS_OF(tenant_set_rules);
