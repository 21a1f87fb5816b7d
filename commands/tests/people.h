/* commands/tests/people.h: people with accounts, as the rows of users and sessions write them down. */
#ifndef PW_COMMANDS_TESTS_PEOPLE_H
#define PW_COMMANDS_TESTS_PEOPLE_H

#include "commands/tests/world.h"

#define EQUALITY_KEY ID(200)
#define KEY_OF(n)    ID(100 + (n)) /* A person's key. */
#define TAG(n)                                                                                     \
    {                                                                                              \
        {                                                                                          \
            n                                                                                      \
        }                                                                                          \
    }
#define DAYS(n)    (INT64_C(86400) * PW_US_PER_SECOND * (n))
#define SECONDS(n) (PW_US_PER_SECOND * (n))

/* Sealed passwords, and the SHA-256 of each, computed apart from this code. */
#define PASSWORD_ONE TEXT("sealed one")
#define PASSWORD_TWO TEXT("sealed two")
#define HASH_OF_ONE                                                                                \
    {                                                                                              \
        {                                                                                          \
            0xe2, 0x65, 0x50, 0x40, 0xba, 0x2d, 0x85, 0x40, 0x7a, 0x59, 0x57, 0x75, 0x32, 0x24,    \
                0x5b, 0x7b, 0xa5, 0x94, 0x29, 0x08, 0x6d, 0xc2, 0x83, 0xea, 0x9e, 0x19, 0x01,      \
                0xbc, 0xfa, 0xcf, 0xd6, 0xb3                                                       \
        }                                                                                          \
    }
#define HASH_OF_TWO                                                                                \
    {                                                                                              \
        {                                                                                          \
            0xdf, 0x6b, 0x80, 0x53, 0xcb, 0x59, 0x7b, 0x88, 0xf4, 0x51, 0xde, 0xca, 0x81, 0xcd,    \
                0x76, 0x52, 0xe1, 0x21, 0xb1, 0xcc, 0x58, 0x88, 0x23, 0xc4, 0x9c, 0x60, 0x51,      \
                0x95, 0xe2, 0x0a, 0x40, 0x98                                                       \
        }                                                                                          \
    }

#define EQUALITY_CHOSEN                                                                            \
    {                                                                                              \
        .type = PW_EVENT_TENANT_EQUALITY_KEY_CHOSEN, .stream_id = OUR_TENANT, .stream_version = 2, \
        .tenant_equality_key_chosen = {                                                            \
            EQUALITY_KEY                                                                           \
        }                                                                                          \
    }
#define REGISTERED(n, roles_, password_)                                                           \
    {                                                                                              \
        .type = PW_EVENT_USER_REGISTERED, .stream_id = ID(n), .stream_version = 1,                 \
        .user_registered = {                                                                       \
            KEY_OF(n),                                                                             \
            TEXT("sealed address"),                                                                \
            TAG(n),                                                                                \
            TEXT("sealed name"),                                                                   \
            roles_,                                                                                \
            password_                                                                              \
        }                                                                                          \
    }
#define EVENT(UPPER, n, version)                                                                   \
    .type = PW_EVENT_##UPPER, .stream_id = ID(n), .stream_version = (version)
#define SIGNED_IN(session, user, at_us)                                                            \
    {                                                                                              \
        EVENT(SESSION_OPENED, session, 1), .session_opened = {                                     \
            ID(user),                                                                              \
            TEXT("sealed label"),                                                                  \
            (at_us) + DAYS(7),                                                                     \
            (at_us) + DAYS(30)                                                                     \
        }                                                                                          \
    }
#define REFRESHED(session, version, user, at_us, expires_)                                         \
    {                                                                                              \
        EVENT(SESSION_REFRESHED, session, version), .session_refreshed = {                         \
            ID(user),                                                                              \
            at_us,                                                                                 \
            expires_                                                                               \
        }                                                                                          \
    }
#define ENDED(session, version, user, reason_)                                                     \
    {                                                                                              \
        EVENT(SESSION_REVOKED, session, version), .session_revoked = { ID(user), TEXT(reason_) }   \
    }

/* ADA (14) is the admin, ANN (10) a student with a password, both of a tenant that keeps accounts. */
#define ACCOUNTS     CREATED, EQUALITY_CHOSEN
#define ADA_IS_ADMIN REGISTERED(14, PW_ROLE(ADMIN), TEXT(""))
#define ANN_STUDIES  REGISTERED(10, PW_ROLE(STUDENT), PASSWORD_ONE)
#define PEOPLE       ACCOUNTS, ADA_IS_ADMIN, ANN_STUDIES
#define DEACTIVATED(n, version)                                                                    \
    {                                                                                              \
        EVENT(USER_DEACTIVATED, n, version), .user_deactivated = { TEXT("sealed reason") }         \
    }
#define RENAMED(n, version)                                                                        \
    {                                                                                              \
        EVENT(USER_PROFILE_UPDATED, n, version), .user_profile_updated = {                         \
            KEY_OF(n),                                                                             \
            TEXT("another address"),                                                               \
            TAG(7),                                                                                \
            TEXT("another name")                                                                   \
        }                                                                                          \
    }
#define PREFERS(n, version)                                                                        \
    {                                                                                              \
        EVENT(USER_PREFERENCES_SET, n, version), .user_preferences_set = {                         \
            TEXT("en-GB"),                                                                         \
            TEXT("Europe/London")                                                                  \
        }                                                                                          \
    }
#define ERASED(n, version)                                                                         \
    {                                                                                              \
        EVENT(USER_KEY_DESTROYED, n, version), .user_key_destroyed = { KEY_OF(n) }                 \
    }

#define BY_ADA AT(ADA, ADMIN, NINE)
#define BY_ANN AT(ANN, STUDENT, NINE)
#define BY_OPS AT(OPS, OPERATOR, NINE)

#endif
