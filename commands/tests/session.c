/* commands/tests/session.c: who is signed in, for how long, and what a stolen token does. */
#include "commands/tests/people.h"

#define OPEN(session, user, verified_)                                                             \
    {                                                                                              \
        .type = PW_COMMAND_SESSION_OPEN, .session_open = {                                         \
            ID(session),                                                                           \
            TEXT(""),                                                                              \
            TEXT(""),                                                                              \
            TEXT("sealed label"),                                                                  \
            ID(user),                                                                              \
            verified_                                                                              \
        }                                                                                          \
    }
#define REFRESH(session, version)                                                                  \
    {                                                                                              \
        .type = PW_COMMAND_SESSION_REFRESH, .session_refresh = { ID(session), TEXT(""), version }  \
    }
#define REVOKE(session)                                                                            \
    {                                                                                              \
        .type = PW_COMMAND_SESSION_REVOKE, .session_revoke = { ID(session) }                       \
    }
#define ANN_AT(at_us) AT(ANN, STUDENT, at_us)

#define SEVEN_SESSIONS                                                                             \
    SIGNED_IN(61, 10, NINE), SIGNED_IN(62, 10, NINE), SIGNED_IN(63, 10, NINE),                     \
        SIGNED_IN(64, 10, NINE), SIGNED_IN(65, 10, NINE), SIGNED_IN(66, 10, NINE),                 \
        SIGNED_IN(67, 10, NINE)

static const struct row session_open_rows[] = {
    {"the password is right", GIVEN(PEOPLE), OPEN(60, 10, HASH_OF_ONE), BY_ANN, PW_OK,
     THEN(SIGNED_IN(60, 10, NINE))},
    {"it has changed since it was looked at", GIVEN(PEOPLE), OPEN(60, 10, HASH_OF_TWO), BY_ANN,
     PW_ERR_PASSWORD_WRONG, NOTHING},
    {"nobody", GIVEN(PEOPLE), OPEN(60, 11, HASH_OF_ONE), BY_ANN, PW_ERR_NO_SUCH_USER, NOTHING},
    {"who is shut out", GIVEN(PEOPLE, DEACTIVATED(10, 0)), OPEN(60, 10, HASH_OF_ONE), BY_ANN,
     PW_ERR_USER_NOT_ACTIVE, NOTHING},
    {"eight at a time", GIVEN(PEOPLE, SEVEN_SESSIONS), OPEN(60, 10, HASH_OF_ONE), BY_ANN, PW_OK,
     THEN(SIGNED_IN(60, 10, NINE))},
    {"a ninth ends the oldest", GIVEN(PEOPLE, SIGNED_IN(68, 10, NINE), SEVEN_SESSIONS),
     OPEN(60, 10, HASH_OF_ONE), BY_ANN, PW_OK,
     THEN(SIGNED_IN(60, 10, NINE), ENDED(68, 2, 10, "replaced"))},
    {"first it ends what has expired",
     GIVEN(PEOPLE, SIGNED_IN(68, 10, NINE), SIGNED_IN(69, 10, NINE - DAYS(7)),
           SIGNED_IN(61, 10, NINE), SIGNED_IN(62, 10, NINE), SIGNED_IN(63, 10, NINE),
           SIGNED_IN(64, 10, NINE), SIGNED_IN(65, 10, NINE), SIGNED_IN(66, 10, NINE)),
     OPEN(60, 10, HASH_OF_ONE), BY_ANN, PW_OK,
     THEN(SIGNED_IN(60, 10, NINE), ENDED(69, 2, 10, "expired"))},
};
ROWS_OF(session_open);

static const struct row session_refresh_rows[] = {
    {"for another week", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE)), REFRESH(60, 1),
     ANN_AT(NINE + DAYS(2)), PW_OK, THEN(REFRESHED(60, 2, 10, NINE + DAYS(2), NINE + DAYS(9)))},
    {"never beyond a month",
     GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), REFRESHED(60, 0, 10, NINE, NINE + DAYS(29))),
     REFRESH(60, 2), ANN_AT(NINE + DAYS(28)), PW_OK,
     THEN(REFRESHED(60, 3, 10, NINE + DAYS(28), NINE + DAYS(30)))},
    {"until the week is over", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE)), REFRESH(60, 1),
     ANN_AT(NINE + DAYS(7) - 1), PW_OK,
     THEN(REFRESHED(60, 2, 10, NINE + DAYS(7) - 1, NINE + DAYS(14) - 1))},
    {"and not after", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE)), REFRESH(60, 1),
     ANN_AT(NINE + DAYS(7)), PW_ERR_SESSION_ENDED, NOTHING},
    {"a used token is a stolen one",
     GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), REFRESHED(60, 0, 10, NINE, NINE + DAYS(7))),
     REFRESH(60, 1), ANN_AT(NINE + SECONDS(10)), PW_ERR_SESSION_TOKEN_REUSED, NOTHING},
    {"but for a repeat a moment later",
     GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), REFRESHED(60, 0, 10, NINE, NINE + DAYS(7))),
     REFRESH(60, 1), ANN_AT(NINE + SECONDS(10) - 1), PW_OK, NOTHING},
    {"and only of the one before",
     GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), REFRESHED(60, 0, 10, NINE, NINE + DAYS(7)),
           REFRESHED(60, 0, 10, NINE, NINE + DAYS(7))),
     REFRESH(60, 1), ANN_AT(NINE), PW_ERR_SESSION_TOKEN_REUSED, NOTHING},
    {"a token of a version that never was", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE)), REFRESH(60, 2),
     BY_ANN, PW_ERR_SESSION_ENDED, NOTHING},
    {"there is no such session", GIVEN(PEOPLE), REFRESH(60, 1), BY_ANN, PW_ERR_SESSION_ENDED,
     NOTHING},
    {"it was ended", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), ENDED(60, 0, 10, "revoked")),
     REFRESH(60, 1), BY_ANN, PW_ERR_SESSION_ENDED, NOTHING},
    {"its person is shut out", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), DEACTIVATED(10, 0)),
     REFRESH(60, 1), BY_ANN, PW_ERR_SESSION_ENDED, NOTHING},
};
ROWS_OF(session_refresh);

static const struct row session_revoke_rows[] = {
    {"one's own", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE)), REVOKE(60), BY_ANN, PW_OK,
     THEN(ENDED(60, 2, 10, "revoked"))},
    {"one of several",
     GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), SIGNED_IN(61, 10, NINE), SIGNED_IN(62, 10, NINE)),
     REVOKE(61), BY_ANN, PW_OK, THEN(ENDED(61, 2, 10, "revoked"))},
    {"an admin ends anybody's", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE)), REVOKE(60), BY_ADA, PW_OK,
     THEN(ENDED(60, 2, 10, "revoked"))},
    {"what a stolen token ends", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE)), REVOKE(60),
     AT(ANN, SYSTEM, NINE), PW_OK, THEN(ENDED(60, 2, 10, "reused"))},
    {"another person's does not exist", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE)), REVOKE(60),
     AT(BOB, STUDENT, NINE), PW_ERR_NO_SUCH_SESSION, NOTHING},
    {"it is over", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), ENDED(60, 0, 10, "revoked")), REVOKE(60),
     BY_ANN, PW_ERR_NO_SUCH_SESSION, NOTHING},
};
ROWS_OF(session_revoke);
