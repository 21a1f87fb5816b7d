/* commands/tests/user.c: people: who is registered, what they may do, and how they are forgotten. */
#include "commands/tests/people.h"

#define REGISTER(n, tag, roles_, password_)                                                        \
    {                                                                                              \
        .type = PW_COMMAND_USER_REGISTER, .user_register = {                                       \
            ID(n),                                                                                 \
            TEXT("sealed address"),                                                                \
            TEXT("sealed name"),                                                                   \
            roles_,                                                                                \
            password_,                                                                             \
            TAG(tag),                                                                              \
            KEY_OF(n),                                                                             \
            EQUALITY_KEY                                                                           \
        }                                                                                          \
    }
#define REGISTER_KEYLESS(n)                                                                        \
    {                                                                                              \
        .type = PW_COMMAND_USER_REGISTER, .user_register = {                                       \
            .user_id = ID(n),                                                                      \
            .roles = PW_ROLE(STUDENT),                                                             \
            .email_tag = TAG(n),                                                                   \
            .equality_key_id = EQUALITY_KEY                                                        \
        }                                                                                          \
    }
#define UPDATE(n, tag)                                                                             \
    {                                                                                              \
        .type = PW_COMMAND_USER_UPDATE_PROFILE, .user_update_profile = {                           \
            ID(n),                                                                                 \
            TEXT("sealed anew"),                                                                   \
            TEXT("sealed name"),                                                                   \
            TAG(tag),                                                                              \
            EQUALITY_KEY                                                                           \
        }                                                                                          \
    }
#define UPDATED(n, version, tag)                                                                   \
    {                                                                                              \
        EVENT(USER_PROFILE_UPDATED, n, version), .user_profile_updated = {                         \
            KEY_OF(n),                                                                             \
            TEXT("sealed anew"),                                                                   \
            TAG(tag),                                                                              \
            TEXT("sealed name")                                                                    \
        }                                                                                          \
    }
#define GRANT(n, roles_)                                                                           \
    {                                                                                              \
        .type = PW_COMMAND_USER_GRANT_ROLES, .user_grant_roles = { ID(n), roles_ }                 \
    }
#define GRANTED(n, version, roles_)                                                                \
    {                                                                                              \
        EVENT(USER_ROLES_GRANTED, n, version), .user_roles_granted = { roles_ }                    \
    }
#define REVOKE(n, roles_)                                                                          \
    {                                                                                              \
        .type = PW_COMMAND_USER_REVOKE_ROLES, .user_revoke_roles = { ID(n), roles_ }               \
    }
#define REVOKED(n, version, roles_)                                                                \
    {                                                                                              \
        EVENT(USER_ROLES_REVOKED, n, version), .user_roles_revoked = { roles_ }                    \
    }
#define DEACTIVATE(n)                                                                              \
    {                                                                                              \
        .type = PW_COMMAND_USER_DEACTIVATE, .user_deactivate = { ID(n), TEXT("sealed reason") }    \
    }
#define REACTIVATE(n)                                                                              \
    {                                                                                              \
        .type = PW_COMMAND_USER_REACTIVATE, .user_reactivate = { ID(n), TEXT("sealed reason") }    \
    }
#define REACTIVATED(n, version)                                                                    \
    {                                                                                              \
        EVENT(USER_REACTIVATED, n, version), .user_reactivated = { TEXT("sealed reason") }         \
    }
#define CHANGE_PASSWORD(n, verified_, kept)                                                        \
    {                                                                                              \
        .type = PW_COMMAND_USER_CHANGE_PASSWORD, .user_change_password = {                         \
            ID(n),                                                                                 \
            TEXT(""),                                                                              \
            PASSWORD_TWO,                                                                          \
            verified_,                                                                             \
            kept                                                                                   \
        }                                                                                          \
    }
#define PASSWORD_SET(n, version, password_)                                                        \
    {                                                                                              \
        EVENT(USER_PASSWORD_SET, n, version), .user_password_set = { password_ }                   \
    }
#define ISSUE_TOKEN(n, tag)                                                                        \
    {                                                                                              \
        .type = PW_COMMAND_USER_ISSUE_RESET_TOKEN, .user_issue_reset_token = { ID(n), TAG(tag) }   \
    }
#define TOKEN_ISSUED(n, version, tag)                                                              \
    {                                                                                              \
        EVENT(USER_RESET_TOKEN_ISSUED, n, version), .user_reset_token_issued = {                   \
            TAG(tag),                                                                              \
            NINE + DAYS(3)                                                                         \
        }                                                                                          \
    }
#define RESET(n, tag)                                                                              \
    {                                                                                              \
        .type = PW_COMMAND_USER_RESET_PASSWORD, .user_reset_password = {                           \
            ID(n),                                                                                 \
            TEXT(""),                                                                              \
            PASSWORD_TWO,                                                                          \
            TAG(tag)                                                                               \
        }                                                                                          \
    }
#define PREFER(n)                                                                                  \
    {                                                                                              \
        .type = PW_COMMAND_USER_SET_PREFERENCES, .user_set_preferences = {                         \
            ID(n),                                                                                 \
            TEXT("en-GB"),                                                                         \
            TEXT("Europe/London")                                                                  \
        }                                                                                          \
    }
#define ERASE(n)                                                                                   \
    {                                                                                              \
        .type = PW_COMMAND_USER_ERASE, .user_erase = { ID(n) }                                     \
    }

static const struct row user_register_rows[] = {
    {"a person has an account", GIVEN(ACCOUNTS), REGISTER(10, 10, PW_ROLE(STUDENT), PASSWORD_ONE),
     BY_ADA, PW_OK, THEN(REGISTERED(10, PW_ROLE(STUDENT), PASSWORD_ONE))},
    {"the first admin comes from the operator", GIVEN(ACCOUNTS),
     REGISTER(14, 14, PW_ROLE(ADMIN), TEXT("")), BY_OPS, PW_OK, THEN(ADA_IS_ADMIN)},
    {"an address is one person's", GIVEN(PEOPLE), REGISTER(11, 10, PW_ROLE(STUDENT), TEXT("")),
     BY_ADA, PW_ERR_EMAIL_TAKEN, NOTHING, "70000000-0000-0000-0000-00000000000a"},
    {"one that was given up is free", GIVEN(PEOPLE, UPDATED(10, 0, 99)),
     REGISTER(11, 10, PW_ROLE(STUDENT), TEXT("")), BY_ADA, PW_OK,
     THEN({EVENT(USER_REGISTERED, 11, 1),
           .user_registered = {KEY_OF(11), TEXT("sealed address"), TAG(10), TEXT("sealed name"),
                               PW_ROLE(STUDENT), TEXT("")}})},
    {"one of a person who was forgotten, too", GIVEN(PEOPLE, ERASED(10, 0)),
     REGISTER(11, 10, PW_ROLE(STUDENT), TEXT("")), BY_ADA, PW_OK,
     THEN({EVENT(USER_REGISTERED, 11, 1),
           .user_registered = {KEY_OF(11), TEXT("sealed address"), TAG(10), TEXT("sealed name"),
                               PW_ROLE(STUDENT), TEXT("")}})},
    {"one of a deactivated person is not", GIVEN(PEOPLE, DEACTIVATED(10, 0)),
     REGISTER(11, 10, PW_ROLE(STUDENT), TEXT("")), BY_ADA, PW_ERR_EMAIL_TAKEN, NOTHING},
    {"without a key there are no accounts", GIVEN(CREATED),
     REGISTER(10, 10, PW_ROLE(STUDENT), TEXT("")), BY_ADA, PW_ERR_ACCOUNTS_OFF, NOTHING},
    {"nor is there one without a key of its own", GIVEN(ACCOUNTS), REGISTER_KEYLESS(10), BY_ADA,
     PW_ERR_EMAIL_TAKEN, NOTHING},
};
ROWS_OF(user_register);

static const struct row user_update_profile_rows[] = {
    {"another name, the same address", GIVEN(PEOPLE), UPDATE(10, 10), BY_ADA, PW_OK,
     THEN(UPDATED(10, 2, 10))},
    {"another address", GIVEN(PEOPLE), UPDATE(10, 99), BY_ADA, PW_OK, THEN(UPDATED(10, 2, 99))},
    {"not somebody else's address", GIVEN(PEOPLE), UPDATE(10, 14), BY_ADA, PW_ERR_EMAIL_TAKEN,
     NOTHING},
    {"nobody", GIVEN(PEOPLE), UPDATE(11, 11), BY_ADA, PW_ERR_NO_SUCH_USER, NOTHING},
    {"who was forgotten has no profile", GIVEN(PEOPLE, ERASED(10, 0)), UPDATE(10, 10), BY_ADA,
     PW_ERR_USER_ERASED, NOTHING},
    {"a tag under another key",
     GIVEN(PEOPLE),
     {.type = PW_COMMAND_USER_UPDATE_PROFILE,
      .user_update_profile = {ID(10), TEXT("a"), TEXT("n"), TAG(10), ID(201)}},
     BY_ADA,
     PW_ERR_ACCOUNTS_OFF,
     NOTHING},
    {"changed since it was read", GIVEN(PEOPLE, UPDATED(10, 0, 10)), UPDATE(10, 10), BY_ADA,
     PW_ERR_VERSION_MISMATCH, NOTHING, "version 2", IF_MATCH(1)},
};
ROWS_OF(user_update_profile);

static const struct row user_grant_roles_rows[] = {
    {"only what is new", GIVEN(PEOPLE), GRANT(10, PW_ROLE(STUDENT) | PW_ROLE(PROCTOR)), BY_ADA,
     PW_OK, THEN(GRANTED(10, 2, PW_ROLE(PROCTOR)))},
    {"what they have changes nothing", GIVEN(PEOPLE), GRANT(10, PW_ROLE(STUDENT)), BY_ADA, PW_OK,
     NOTHING},
    {"nobody", GIVEN(PEOPLE), GRANT(11, PW_ROLE(STUDENT)), BY_ADA, PW_ERR_NO_SUCH_USER, NOTHING},
    {"who was forgotten", GIVEN(PEOPLE, ERASED(10, 0)), GRANT(10, PW_ROLE(ADMIN)), BY_ADA,
     PW_ERR_USER_ERASED, NOTHING},
    {"who is shut out", GIVEN(PEOPLE, DEACTIVATED(10, 0)), GRANT(10, PW_ROLE(ADMIN)), BY_ADA,
     PW_ERR_USER_NOT_ACTIVE, NOTHING},
};
ROWS_OF(user_grant_roles);

static const struct row user_revoke_roles_rows[] = {
    {"only what they have", GIVEN(PEOPLE, GRANTED(10, 0, PW_ROLE(PROCTOR))),
     REVOKE(10, PW_ROLE(PROCTOR) | PW_ROLE(TEACHER)), BY_ADA, PW_OK,
     THEN(REVOKED(10, 3, PW_ROLE(PROCTOR)))},
    {"what they lack changes nothing", GIVEN(PEOPLE), REVOKE(10, PW_ROLE(TEACHER)), BY_ADA, PW_OK,
     NOTHING},
    {"not the last one", GIVEN(PEOPLE), REVOKE(10, PW_ROLE(STUDENT)), BY_ADA, PW_ERR_LAST_ROLE,
     NOTHING},
    {"not the last admin's", GIVEN(PEOPLE, GRANTED(14, 0, PW_ROLE(TEACHER))),
     REVOKE(14, PW_ROLE(ADMIN)), BY_ADA, PW_ERR_LAST_ADMIN, NOTHING},
    {"an admin who is shut out is none",
     GIVEN(PEOPLE, GRANTED(14, 0, PW_ROLE(TEACHER)), GRANTED(10, 0, PW_ROLE(ADMIN)),
           DEACTIVATED(10, 0)),
     REVOKE(14, PW_ROLE(ADMIN)), BY_ADA, PW_ERR_LAST_ADMIN, NOTHING},
    {"one of two admins'",
     GIVEN(PEOPLE, GRANTED(14, 0, PW_ROLE(TEACHER)), GRANTED(10, 0, PW_ROLE(ADMIN))),
     REVOKE(14, PW_ROLE(ADMIN)), BY_ADA, PW_OK, THEN(REVOKED(14, 3, PW_ROLE(ADMIN)))},
    {"of one who is shut out", GIVEN(PEOPLE, GRANTED(10, 0, PW_ROLE(ADMIN)), DEACTIVATED(10, 0)),
     REVOKE(10, PW_ROLE(ADMIN)), BY_ADA, PW_OK, THEN(REVOKED(10, 4, PW_ROLE(ADMIN)))},
    {"nobody", GIVEN(PEOPLE), REVOKE(11, PW_ROLE(STUDENT)), BY_ADA, PW_ERR_NO_SUCH_USER, NOTHING},
    {"who was forgotten", GIVEN(PEOPLE, ERASED(10, 0)), REVOKE(10, PW_ROLE(STUDENT)), BY_ADA,
     PW_ERR_USER_ERASED, NOTHING},
};
ROWS_OF(user_revoke_roles);

static const struct row user_deactivate_rows[] = {
    {"a person is shut out", GIVEN(PEOPLE), DEACTIVATE(10), BY_ADA, PW_OK,
     THEN(DEACTIVATED(10, 2))},
    {"all sessions end", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), SIGNED_IN(61, 10, NINE)),
     DEACTIVATE(10), BY_ADA, PW_OK,
     THEN(DEACTIVATED(10, 2), ENDED(61, 2, 10, "deactivated"), ENDED(60, 2, 10, "deactivated"))},
    {"twice is once", GIVEN(PEOPLE, DEACTIVATED(10, 0)), DEACTIVATE(10), BY_ADA, PW_OK, NOTHING},
    {"not the last admin", GIVEN(PEOPLE), DEACTIVATE(14), BY_ADA, PW_ERR_LAST_ADMIN, NOTHING},
    {"one of two admins", GIVEN(PEOPLE, GRANTED(10, 0, PW_ROLE(ADMIN))), DEACTIVATE(14), BY_ADA,
     PW_OK, THEN(DEACTIVATED(14, 2))},
    {"nobody", GIVEN(PEOPLE), DEACTIVATE(11), BY_ADA, PW_ERR_NO_SUCH_USER, NOTHING},
    {"who was forgotten", GIVEN(PEOPLE, ERASED(10, 0)), DEACTIVATE(10), BY_ADA, PW_ERR_USER_ERASED,
     NOTHING},
};
ROWS_OF(user_deactivate);

static const struct row user_reactivate_rows[] = {
    {"a person is let in again", GIVEN(PEOPLE, DEACTIVATED(10, 0)), REACTIVATE(10), BY_ADA, PW_OK,
     THEN(REACTIVATED(10, 3))},
    {"who is in stays in", GIVEN(PEOPLE), REACTIVATE(10), BY_ADA, PW_OK, NOTHING},
    {"nobody", GIVEN(PEOPLE), REACTIVATE(11), BY_ADA, PW_ERR_NO_SUCH_USER, NOTHING},
    {"who was forgotten", GIVEN(PEOPLE, ERASED(10, 0)), REACTIVATE(10), BY_ADA, PW_ERR_USER_ERASED,
     NOTHING},
};
ROWS_OF(user_reactivate);

static const struct row user_change_password_rows[] = {
    {"one's own", GIVEN(PEOPLE), CHANGE_PASSWORD(10, HASH_OF_ONE, ID(60)), BY_ANN, PW_OK,
     THEN(PASSWORD_SET(10, 2, PASSWORD_TWO))},
    {"all other sessions end",
     GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), SIGNED_IN(61, 10, NINE), SIGNED_IN(62, 10, NINE)),
     CHANGE_PASSWORD(10, HASH_OF_ONE, ID(61)), BY_ANN, PW_OK,
     THEN(PASSWORD_SET(10, 2, PASSWORD_TWO), ENDED(62, 2, 10, "password"),
          ENDED(60, 2, 10, "password"))},
    {"it has changed meanwhile", GIVEN(PEOPLE, PASSWORD_SET(10, 0, PASSWORD_TWO)),
     CHANGE_PASSWORD(10, HASH_OF_ONE, ID(60)), BY_ANN, PW_ERR_PASSWORD_WRONG, NOTHING},
    {"there is none", GIVEN(ACCOUNTS, REGISTERED(10, PW_ROLE(STUDENT), TEXT(""))),
     CHANGE_PASSWORD(10, HASH_OF_ONE, ID(60)), BY_ANN, PW_ERR_PASSWORD_WRONG, NOTHING},
    {"who is shut out", GIVEN(PEOPLE, DEACTIVATED(10, 0)), CHANGE_PASSWORD(10, HASH_OF_ONE, ID(60)),
     BY_ANN, PW_ERR_USER_NOT_ACTIVE, NOTHING},
    {"who comes from elsewhere has no account", GIVEN(ACCOUNTS),
     CHANGE_PASSWORD(10, HASH_OF_ONE, ID(60)), BY_ANN, PW_ERR_NO_SUCH_USER, NOTHING},
};
ROWS_OF(user_change_password);

static const struct row user_issue_reset_token_rows[] = {
    {"good for three days", GIVEN(PEOPLE), ISSUE_TOKEN(10, 7), BY_ADA, PW_OK,
     THEN(TOKEN_ISSUED(10, 2, 7))},
    {"a newer one", GIVEN(PEOPLE, TOKEN_ISSUED(10, 0, 7)), ISSUE_TOKEN(10, 8), BY_OPS, PW_OK,
     THEN(TOKEN_ISSUED(10, 3, 8))},
    {"nobody", GIVEN(PEOPLE), ISSUE_TOKEN(11, 7), BY_ADA, PW_ERR_NO_SUCH_USER, NOTHING},
    {"who was forgotten", GIVEN(PEOPLE, ERASED(10, 0)), ISSUE_TOKEN(10, 7), BY_ADA,
     PW_ERR_USER_ERASED, NOTHING},
    {"who is shut out", GIVEN(PEOPLE, DEACTIVATED(10, 0)), ISSUE_TOKEN(10, 7), BY_ADA,
     PW_ERR_USER_NOT_ACTIVE, NOTHING},
};
ROWS_OF(user_issue_reset_token);

static const struct row user_reset_password_rows[] = {
    {"by the token", GIVEN(PEOPLE, TOKEN_ISSUED(10, 0, 7)), RESET(10, 7), BY_ANN, PW_OK,
     THEN(PASSWORD_SET(10, 3, PASSWORD_TWO))},
    {"all sessions end", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE), TOKEN_ISSUED(10, 0, 7)),
     RESET(10, 7), BY_ANN, PW_OK,
     THEN(PASSWORD_SET(10, 3, PASSWORD_TWO), ENDED(60, 2, 10, "password"))},
    {"a first password",
     GIVEN(ACCOUNTS, REGISTERED(10, PW_ROLE(STUDENT), TEXT("")), TOKEN_ISSUED(10, 0, 7)),
     RESET(10, 7), BY_ANN, PW_OK, THEN(PASSWORD_SET(10, 3, PASSWORD_TWO))},
    {"another one", GIVEN(PEOPLE, TOKEN_ISSUED(10, 0, 7)), RESET(10, 8), BY_ANN,
     PW_ERR_RESET_TOKEN_INVALID, NOTHING},
    {"an earlier one", GIVEN(PEOPLE, TOKEN_ISSUED(10, 0, 7), TOKEN_ISSUED(10, 0, 8)), RESET(10, 7),
     BY_ANN, PW_ERR_RESET_TOKEN_INVALID, NOTHING},
    {"there is none", GIVEN(PEOPLE), RESET(10, 0), BY_ANN, PW_ERR_RESET_TOKEN_INVALID, NOTHING},
    {"once", GIVEN(PEOPLE, TOKEN_ISSUED(10, 0, 7), PASSWORD_SET(10, 0, PASSWORD_TWO)), RESET(10, 7),
     BY_ANN, PW_ERR_RESET_TOKEN_INVALID, NOTHING},
    {"for three days", GIVEN(PEOPLE, TOKEN_ISSUED(10, 0, 7)), RESET(10, 7),
     AT(ANN, STUDENT, NINE + DAYS(3) - 1), PW_OK, THEN(PASSWORD_SET(10, 3, PASSWORD_TWO))},
    {"and no longer", GIVEN(PEOPLE, TOKEN_ISSUED(10, 0, 7)), RESET(10, 7),
     AT(ANN, STUDENT, NINE + DAYS(3)), PW_ERR_RESET_TOKEN_INVALID, NOTHING},
    {"who was shut out meanwhile", GIVEN(PEOPLE, TOKEN_ISSUED(10, 0, 7), DEACTIVATED(10, 0)),
     RESET(10, 7), BY_ANN, PW_ERR_USER_NOT_ACTIVE, NOTHING},
    {"nobody", GIVEN(PEOPLE), RESET(11, 7), AT(BOB, STUDENT, NINE), PW_ERR_NO_SUCH_USER, NOTHING},
};
ROWS_OF(user_reset_password);

static const struct row user_set_preferences_rows[] = {
    {"one's own", GIVEN(PEOPLE), PREFER(10), BY_ANN, PW_OK,
     THEN({EVENT(USER_PREFERENCES_SET, 10, 2),
           .user_preferences_set = {TEXT("en-GB"), TEXT("Europe/London")}})},
    {"who comes from elsewhere has no account", GIVEN(ACCOUNTS), PREFER(10), BY_ANN,
     PW_ERR_NO_SUCH_USER, NOTHING},
    {"who is shut out", GIVEN(PEOPLE, DEACTIVATED(10, 0)), PREFER(10), BY_ANN,
     PW_ERR_USER_NOT_ACTIVE, NOTHING},
};
ROWS_OF(user_set_preferences);

static const struct row user_erase_rows[] = {
    {"a person is forgotten, signed in or not", GIVEN(PEOPLE, SIGNED_IN(60, 10, NINE)), ERASE(10),
     BY_ADA, PW_OK, THEN(ERASED(10, 2), ENDED(60, 2, 10, "erased"))},
    {"one who is shut out, too", GIVEN(PEOPLE, DEACTIVATED(10, 0)), ERASE(10), BY_ADA, PW_OK,
     THEN(ERASED(10, 3))},
    {"twice is once", GIVEN(PEOPLE, ERASED(10, 0)), ERASE(10), BY_ADA, PW_OK, NOTHING},
    {"not the last admin", GIVEN(PEOPLE), ERASE(14), BY_ADA, PW_ERR_LAST_ADMIN, NOTHING},
    {"nobody", GIVEN(PEOPLE), ERASE(11), BY_ADA, PW_ERR_NO_SUCH_USER, NOTHING},
};
ROWS_OF(user_erase);
