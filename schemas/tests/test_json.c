/* schemas/tests/test_json.c: bodies that clients send, and all that is said about each. */
#include "schemas/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define ISSUER "\"issuer\": \"https://sso.example\""
#define KEY    "\"public_key\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define EXAM   "\"exam_id\": \"01890a5d-ac96-774b-bcce-b302099a8057\""
#define STARTS "\"starts_at\": \"2027-02-01T09:00:00+01:00\""
#define TENANT "{\"name\": \"Graz\", \"time_zone\": \"Europe/Vienna\", \"language\": \"de\"}"
#define X50    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define NAMED(text)                                                                                \
    "{\"name\": \"" text "\", \"time_zone\": \"Europe/Vienna\", \"language\": \"de\"}"
#define ZONED(text) "{\"name\": \"Graz\", \"time_zone\": \"" text "\", \"language\": \"de\"}"
#define SPOKEN(text)                                                                               \
    "{\"name\": \"Graz\", \"time_zone\": \"Europe/Vienna\", \"language\": \"" text "\"}"
#define STARTING(text) "{" EXAM ", \"starts_at\": \"" text "\", \"capacity\": 30}"
#define SEATS(number)  "{\"capacity\": " number "}"

/* One body, and what is wrong with it: `pointer detail` lines, in their order. */
static const struct json_row {
    const char *name;
    enum pw_command_type type;
    struct pw_str body;
    const char *violations;
} rows[] = {
    {"as documented", PW_COMMAND_TENANT_CREATE, PW_STR(TENANT), ""},
    {"white space and another order", PW_COMMAND_TENANT_TRUST_ISSUER,
     PW_STR(" {\n" KEY ",\t" ISSUER "\r\n} "), ""},
    {"trust taken back", PW_COMMAND_TENANT_DISTRUST_ISSUER, PW_STR("{" KEY ", " ISSUER "}"), ""},
    {"nothing to say", PW_COMMAND_RESERVATION_RESERVE, PW_STR("{}"), ""},
    {"no body at all", PW_COMMAND_RESERVATION_CANCEL, PW_STR(""), ""},
    {"nor here", PW_COMMAND_EXAM_PUBLISH, PW_STR(""), ""},
    {"no body where one is needed", PW_COMMAND_SLOT_OPEN, PW_STR(""),
     "/exam_id is missing\n/starts_at is missing\n/capacity is missing\n"},
    {"what may be left out", PW_COMMAND_EXAM_DRAFT,
     PW_STR("{\"title\": \"A\", \"duration_minutes\": 1}"), ""},
    {"likewise when revised", PW_COMMAND_EXAM_REVISE_DRAFT,
     PW_STR("{\"title\": \"A\", \"duration_minutes\": 1440, \"buffer_minutes\": 1440}"), ""},
    {"null is not left out", PW_COMMAND_EXAM_DRAFT,
     PW_STR("{\"title\": \"A\", \"duration_minutes\": 1, \"buffer_minutes\": null}"),
     "/buffer_minutes must be a number\n"},
    {"everything at once", PW_COMMAND_EXAM_DRAFT,
     PW_STR("{\"title\": \"\", \"duration_minutes\": 0, \"lead_time_minutes\": 86401, "
            "\"buffer_minutes\": 1.5, \"exam_id\": \"x\", \"a/b~c\": 1, \"\": {}}"),
     "/title must not be empty\n"
     "/duration_minutes must be at least 1\n"
     "/lead_time_minutes must be at most 86400\n"
     "/buffer_minutes must be a whole number, without fraction and exponent\n"
     "/exam_id is not a field of this command\n"
     "/a~1b~0c is not a field of this command\n"
     "/ is not a field of this command\n"},
    {"every wrong type", PW_COMMAND_SLOT_OPEN,
     PW_STR("{\"exam_id\": 7, \"starts_at\": {}, \"capacity\": \"30\"}"),
     "/exam_id must be a string\n/starts_at must be a string\n/capacity must be a number\n"},
    {"and others", PW_COMMAND_SLOT_OPEN,
     PW_STR("{\"exam_id\": [], \"starts_at\": true, \"capacity\": [30]}"),
     "/exam_id must be a string\n/starts_at must be a string\n/capacity must be a number\n"},
    {"a student cannot be named", PW_COMMAND_RESERVATION_RESERVE,
     PW_STR("{\"student_id\": \"01890a5d-ac96-774b-bcce-b302099a8057\"}"),
     "/student_id is not a field of this command\n"},
    {"nor the slot of the path", PW_COMMAND_RESERVATION_RESERVE,
     PW_STR("{\"slot_id\": \"01890a5d-ac96-774b-bcce-b302099a8057\"}"),
     "/slot_id is not a field of this command\n"},
    {"names are case-sensitive", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR("{\"Capacity\": 30}"),
     "/capacity is missing\n/Capacity is not a field of this command\n"},
    {"an escaped name is the same name", PW_COMMAND_SLOT_CHANGE_CAPACITY,
     PW_STR("{\"\\u0063apacity\": 30}"), ""},
    {"a long name is cut", PW_COMMAND_RESERVATION_RESERVE, PW_STR("{\"" X50 X50 "\": 1}"),
     "/" X50 "xxxxxxxxxxxxxx... is not a field of this command\n"},
    {"between two characters", PW_COMMAND_RESERVATION_RESERVE,
     PW_STR("{\"" X50 "xxxxxxxxxxxxx\xc3\xa4\xc3\xa4\": 1}"),
     "/" X50 "xxxxxxxxxxxxx... is not a field of this command\n"},

    {"least seats", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("1")), ""},
    {"most seats", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("65535")), ""},
    {"no seat", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("0")),
     "/capacity must be at least 1\n"},
    {"minus nothing", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("-0")),
     "/capacity must be at least 1\n"},
    {"fewer", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("-1")),
     "/capacity must be at least 1\n"},
    {"one more", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("65536")),
     "/capacity must be at most 65535\n"},
    {"33 bits", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("4294967326")),
     "/capacity must be at most 65535\n"},
    {"64 bits", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("9223372036854775807")),
     "/capacity must be at most 65535\n"},
    {"more bits", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("9223372036854775808")),
     "/capacity must be at most 65535\n"},
    {"many more bits", PW_COMMAND_SLOT_CHANGE_CAPACITY,
     PW_STR(SEATS("100000000000000000000000000000000000000000000000000000000000000000000000000")),
     "/capacity must be at most 65535\n"},
    {"as many below", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("-99999999999999999999")),
     "/capacity must be at least 1\n"},
    {"a huge number beside a fraction", PW_COMMAND_EXAM_DRAFT,
     PW_STR("{\"title\": \"A\", \"duration_minutes\": 99999999999999999999, "
            "\"lead_time_minutes\": 7, \"buffer_minutes\": 1.5}"),
     "/duration_minutes must be at most 1440\n"
     "/buffer_minutes must be a whole number, without fraction and exponent\n"},
    {"a huge number where none belongs", PW_COMMAND_RESERVATION_RESERVE,
     PW_STR("{\"a\": [[99999999999999999999]]}"), "/a is not a field of this command\n"},
    {"whole, but a fraction", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("30.0")),
     "/capacity must be a whole number, without fraction and exponent\n"},
    {"whole, but an exponent", PW_COMMAND_SLOT_CHANGE_CAPACITY, PW_STR(SEATS("3e1")),
     "/capacity must be a whole number, without fraction and exponent\n"},

    {"longest name", PW_COMMAND_TENANT_CREATE, PW_STR(NAMED(X50 X50 X50 X50)), ""},
    {"a byte more", PW_COMMAND_TENANT_CREATE, PW_STR(NAMED(X50 X50 X50 X50 "x")),
     "/name must have at most 200 bytes of UTF-8\n"},
    {"bytes count, not characters", PW_COMMAND_TENANT_CREATE,
     PW_STR(NAMED(X50 X50 X50 X50 "xxxxxxxxx\xc3\xa4")),
     "/name must have at most 200 bytes of UTF-8\n"},
    {"escapes count as what they mean", PW_COMMAND_TENANT_CREATE,
     PW_STR(NAMED(X50 X50 X50 "\\u00e4\\ud83c\\udf93")), ""},
    {"NUL", PW_COMMAND_TENANT_CREATE, PW_STR(NAMED("a\\u0000b")),
     "/name must not contain control characters\n"},
    {"a line feed", PW_COMMAND_TENANT_CREATE, PW_STR(NAMED("a\\nb")),
     "/name must not contain control characters\n"},
    {"DEL", PW_COMMAND_TENANT_CREATE,
     PW_STR(NAMED("a\x7f"
                  "b")),
     "/name must not contain control characters\n"},
    {"C1", PW_COMMAND_TENANT_CREATE, PW_STR(NAMED("a\\u0085b")),
     "/name must not contain control characters\n"},
    {"just after C1", PW_COMMAND_TENANT_CREATE, PW_STR(NAMED("a\\u00a0b")), ""},
    {"too long, and with a bell", PW_COMMAND_TENANT_CREATE,
     PW_STR(NAMED(X50 X50 X50 X50 "\\u0007")),
     "/name must have at most 200 bytes of UTF-8\n/name must not contain control characters\n"},

    {"a zone with digits", PW_COMMAND_TENANT_CREATE, PW_STR(ZONED("Etc/GMT+12")), ""},
    {"a zone in three parts", PW_COMMAND_TENANT_CREATE,
     PW_STR(ZONED("America/Argentina/Buenos_Aires")), ""},
    {"a zone in one part", PW_COMMAND_TENANT_CREATE, PW_STR(ZONED("UTC")), ""},
    {"a zone that climbs", PW_COMMAND_TENANT_CREATE, PW_STR(ZONED("Europe/../passwd")),
     "/time_zone must be the name of an IANA time zone, such as Europe/Vienna\n"},
    {"a zone from the root", PW_COMMAND_TENANT_CREATE, PW_STR(ZONED("/Vienna")),
     "/time_zone must be the name of an IANA time zone, such as Europe/Vienna\n"},
    {"half a zone", PW_COMMAND_TENANT_CREATE, PW_STR(ZONED("Europe/")),
     "/time_zone must be the name of an IANA time zone, such as Europe/Vienna\n"},
    {"an offset is no zone", PW_COMMAND_TENANT_CREATE, PW_STR(ZONED("+01:00")),
     "/time_zone must be the name of an IANA time zone, such as Europe/Vienna\n"},
    {"a zone with a blank", PW_COMMAND_TENANT_CREATE, PW_STR(ZONED("Europe/Vi enna")),
     "/time_zone must be the name of an IANA time zone, such as Europe/Vienna\n"},
    {"no zone", PW_COMMAND_TENANT_CREATE, PW_STR(ZONED("")), "/time_zone must not be empty\n"},
    {"languages", PW_COMMAND_TENANT_CREATE, PW_STR(SPOKEN("zh-Hant-TW")), ""},
    {"a registered language", PW_COMMAND_TENANT_CREATE, PW_STR(SPOKEN("sl-rozaj-biske-1994")), ""},
    {"one letter", PW_COMMAND_TENANT_CREATE, PW_STR(SPOKEN("d")),
     "/language must have at least 2 bytes of UTF-8\n"
     "/language must be a BCP 47 language tag, such as de or pt-BR\n"},
    {"an underscore", PW_COMMAND_TENANT_CREATE, PW_STR(SPOKEN("de_AT")),
     "/language must be a BCP 47 language tag, such as de or pt-BR\n"},
    {"a hyphen at the end", PW_COMMAND_TENANT_CREATE, PW_STR(SPOKEN("de-")),
     "/language must be a BCP 47 language tag, such as de or pt-BR\n"},
    {"two hyphens", PW_COMMAND_TENANT_CREATE, PW_STR(SPOKEN("de--AT")),
     "/language must be a BCP 47 language tag, such as de or pt-BR\n"},
    {"nine letters", PW_COMMAND_TENANT_CREATE, PW_STR(SPOKEN("abcdefghi")),
     "/language must be a BCP 47 language tag, such as de or pt-BR\n"},
    {"digits first", PW_COMMAND_TENANT_CREATE, PW_STR(SPOKEN("12-de")),
     "/language must be a BCP 47 language tag, such as de or pt-BR\n"},

    {"an id in capitals", PW_COMMAND_SLOT_OPEN,
     PW_STR("{\"exam_id\": \"01890A5D-AC96-774B-BCCE-B302099A8057\", " STARTS ", \"capacity\": 1}"),
     ""},
    {"an id in braces", PW_COMMAND_SLOT_OPEN,
     PW_STR("{\"exam_id\": \"{01890a5d-ac96-774b-bcce-b302099a805}\", " STARTS
            ", \"capacity\": 1}"),
     "/exam_id must be a UUID, and not the nil UUID\n"},
    {"the nil id", PW_COMMAND_SLOT_OPEN,
     PW_STR("{\"exam_id\": \"00000000-0000-0000-0000-000000000000\", " STARTS ", \"capacity\": 1}"),
     "/exam_id must be a UUID, and not the nil UUID\n"},
    {"a day that is not", PW_COMMAND_SLOT_OPEN, PW_STR(STARTING("2027-02-29T09:00:00Z")),
     "/starts_at must be an RFC 3339 time from 1970 on with an offset, such as "
     "2027-02-01T09:00:00+01:00\n"},
    {"a local time", PW_COMMAND_SLOT_OPEN, PW_STR(STARTING("2027-02-01T09:00:00")),
     "/starts_at must be an RFC 3339 time from 1970 on with an offset, such as "
     "2027-02-01T09:00:00+01:00\n"},
    {"the end of time", PW_COMMAND_SLOT_OPEN, PW_STR(STARTING("9999-12-31T23:59:59.999999Z")),
     "/starts_at must not be after 9999-01-01T00:00:00Z\n"},
    {"the last start", PW_COMMAND_SLOT_OPEN, PW_STR(STARTING("9999-01-01T00:00:00Z")), ""},

    {"a key with padding", PW_COMMAND_TENANT_TRUST_ISSUER,
     PW_STR("{" ISSUER ", \"public_key\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"}"),
     "/public_key must be 32 bytes as 43 characters of base64url, unpadded\n"},
    {"a key in base64", PW_COMMAND_TENANT_TRUST_ISSUER,
     PW_STR("{" ISSUER ", \"public_key\": \"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"),
     "/public_key must be 32 bytes as 43 characters of base64url, unpadded\n"},
    {"a key with stray bits", PW_COMMAND_TENANT_TRUST_ISSUER,
     PW_STR("{" ISSUER ", \"public_key\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp\"}"),
     "/public_key must be 32 bytes as 43 characters of base64url, unpadded\n"},
    {"a key with a NUL", PW_COMMAND_TENANT_TRUST_ISSUER,
     PW_STR("{" ISSUER ", \"public_key\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR\\u0000\"}"),
     "/public_key must be 32 bytes as 43 characters of base64url, unpadded\n"},

    {"a person", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"ann@uni-graz.example\", \"name\": \"Ann\", \"roles\": [\"student\"]}"),
     ""},
    {"in several roles", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"a@b\", \"name\": \"Ann\", \"roles\": [\"admin\", \"student\"]}"), ""},
    {"no role", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"a@b\", \"name\": \"Ann\", \"roles\": []}"),
     "/roles must hold at least one role\n"},
    {"a role twice", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"a@b\", \"name\": \"Ann\", \"roles\": [\"student\", \"student\"]}"),
     "/roles must hold each role once\n"},
    {"not by name", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"a@b\", \"name\": \"Ann\", \"roles\": [7]}"),
     "/roles must hold only student, teacher, grader, proctor, admin, auditor, analyst\n"},
    {"nobody is the system", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"a@b\", \"name\": \"Ann\", \"roles\": [\"system\"]}"),
     "/roles must hold only student, teacher, grader, proctor, admin, auditor, analyst\n"},
    {"an unknown one", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"a@b\", \"name\": \"Ann\", \"roles\": [\"painter\"]}"),
     "/roles must hold only student, teacher, grader, proctor, admin, auditor, analyst\n"},
    {"no array", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"a@b\", \"name\": \"Ann\", \"roles\": \"student\"}"),
     "/roles must be an array of roles\n"},
    {"an address: no at", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"annb.example\", \"name\": \"Ann\", \"roles\": [\"student\"]}"),
     "/email must be an e-mail address, such as ann@uni-graz.example\n"},
    {"an address: two", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"a@b@c\", \"name\": \"Ann\", \"roles\": [\"student\"]}"),
     "/email must be an e-mail address, such as ann@uni-graz.example\n"},
    {"an address: nothing before", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"@b.example\", \"name\": \"Ann\", \"roles\": [\"student\"]}"),
     "/email must be an e-mail address, such as ann@uni-graz.example\n"},
    {"an address: nothing after", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"ann@\", \"name\": \"Ann\", \"roles\": [\"student\"]}"),
     "/email must be an e-mail address, such as ann@uni-graz.example\n"},
    {"an address: a space", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"an n@b\", \"name\": \"Ann\", \"roles\": [\"student\"]}"),
     "/email must be an e-mail address, such as ann@uni-graz.example\n"},
    {"an address: an empty label", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"a@b..c\", \"name\": \"Ann\", \"roles\": [\"student\"]}"),
     "/email must be an e-mail address, such as ann@uni-graz.example\n"},
    {"an address: a dot at the end", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"a@b.\", \"name\": \"Ann\", \"roles\": [\"student\"]}"),
     "/email must be an e-mail address, such as ann@uni-graz.example\n"},
    {"an address: a name beside it", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"Ann <a@b>\", \"name\": \"Ann\", \"roles\": [\"student\"]}"),
     "/email must be an e-mail address, such as ann@uni-graz.example\n"},
    {"a short password", PW_COMMAND_USER_REGISTER,
     PW_STR("{\"email\": \"a@b\", \"name\": \"A\", \"roles\": [\"student\"], \"password\": "
            "\"seven77\"}"),
     "/password must have at least 8 bytes of UTF-8\n"},
    {"prepared by us", PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY,
     PW_STR("{\"key_id\": \"01890a5d-ac96-774b-bcce-b302099a8057\"}"),
     "/key_id is not a field of this command\n"},
    {"whose password is the token's to say", PW_COMMAND_USER_CHANGE_PASSWORD,
     PW_STR("{\"user_id\": \"01890a5d-ac96-774b-bcce-b302099a8057\", \"password\": \"x\", "
            "\"new_password\": \"12345678\"}"),
     "/user_id is not a field of this command\n"},
    {"another profile", PW_COMMAND_USER_UPDATE_PROFILE,
     PW_STR("{\"email\": \"a@b\", \"name\": \"\"}"), "/name must not be empty\n"},
    {"roles to grant", PW_COMMAND_USER_GRANT_ROLES, PW_STR("{\"roles\": [\"proctor\"]}"), ""},
    {"roles to take", PW_COMMAND_USER_REVOKE_ROLES, PW_STR("{}"), "/roles is missing\n"},
    {"without a reason", PW_COMMAND_USER_DEACTIVATE, PW_STR(""), ""},
    {"with one", PW_COMMAND_USER_REACTIVATE, PW_STR("{\"reason\": \"Back\"}"), ""},
    {"a token for somebody", PW_COMMAND_USER_ISSUE_RESET_TOKEN, PW_STR("{}"), ""},
    {"a password by a token", PW_COMMAND_USER_RESET_PASSWORD,
     PW_STR("{\"reset_token\": \"t\", \"new_password\": \"1234567\"}"),
     "/new_password must have at least 8 bytes of UTF-8\n"},
    {"preferences", PW_COMMAND_USER_SET_PREFERENCES,
     PW_STR("{\"language\": \"d\", \"time_zone\": \"Vienna!\"}"),
     "/language must have at least 2 bytes of UTF-8\n"
     "/language must be a BCP 47 language tag, such as de or pt-BR\n"
     "/time_zone must be the name of an IANA time zone, such as Europe/Vienna\n"},
    {"nothing to forget with", PW_COMMAND_USER_ERASE, PW_STR("{}"), ""},
    {"signing in", PW_COMMAND_SESSION_OPEN, PW_STR("{\"email\": \"a@b\", \"password\": \"p\"}"),
     ""},
    {"a refresh token", PW_COMMAND_SESSION_REFRESH, PW_STR("{\"refresh_token\": 7}"),
     "/refresh_token must be a string\n"},
    {"signing out", PW_COMMAND_SESSION_REVOKE, PW_STR(""), ""},
    {"rules", PW_COMMAND_TENANT_SET_RULES, PW_STR("{\"hold_minutes\": 0}"),
     "/hold_minutes must be at least 1\n"},
    {"whose rules is the address's to say", PW_COMMAND_TENANT_SET_RULES,
     PW_STR("{\"tenant_id\": \"01890a5d-ac96-774b-bcce-b302099a8057\"}"),
     "/tenant_id is not a field of this command\n"},
    {"rules as they were at first", PW_COMMAND_TENANT_SET_RULES, PW_STR("{}"), ""},
    {"a list to join", PW_COMMAND_RESERVATION_JOIN_WAITLIST, PW_STR("{}"), ""},
    {"a list to leave", PW_COMMAND_RESERVATION_LEAVE_WAITLIST, PW_STR(""), ""},
    {"a list to close", PW_COMMAND_SLOT_CLOSE_WAITLIST, PW_STR("{}"), ""},
    {"a priority", PW_COMMAND_RESERVATION_PRIORITISE, PW_STR("{\"priority\": 1001}"),
     "/priority must be at most 1000\n"},
    {"an offer", PW_COMMAND_RESERVATION_OFFER, PW_STR(""), ""},
    {"an offer to accept", PW_COMMAND_RESERVATION_ACCEPT_OFFER, PW_STR("{}"), ""},
    {"an offer to decline", PW_COMMAND_RESERVATION_DECLINE_OFFER, PW_STR("{}"), ""},
    {"an offer that ran out", PW_COMMAND_RESERVATION_EXPIRE_OFFER, PW_STR(""), ""},
    {"a seat to take, and why", PW_COMMAND_RESERVATION_CANCEL_BY_STAFF, PW_STR("{}"),
     "/reason is missing\n"},
    {"for no reason of the list", PW_COMMAND_RESERVATION_CANCEL_BY_STAFF,
     PW_STR("{\"reason\": \"environment\"}"),
     "/reason must be one of the names, such as environment.emergency\n"},
    {"for a number", PW_COMMAND_RESERVATION_CANCEL_BY_STAFF, PW_STR("{\"reason\": 3}"),
     "/reason must be a string\n"},
    {"for one of them", PW_COMMAND_RESERVATION_CANCEL_BY_STAFF,
     PW_STR("{\"reason\": \"examinee.not-admissible\"}"), ""},
    {"a seat that goes with its slot", PW_COMMAND_RESERVATION_CANCEL_WITH_SLOT, PW_STR("{}"), ""},
    {"somebody to proctor", PW_COMMAND_SLOT_ASSIGN_PROCTOR, PW_STR("{}"),
     "/proctor_id is missing\n"},
    {"somebody to proctor no more", PW_COMMAND_SLOT_RELEASE_PROCTOR,
     PW_STR("{\"proctor_id\": \"me\"}"), "/proctor_id must be a UUID, and not the nil UUID\n"},
    {"who came", PW_COMMAND_RESERVATION_MARK_ATTENDED, PW_STR("{}"), ""},
    {"who did not, and why", PW_COMMAND_RESERVATION_MARK_NO_SHOW, PW_STR(""),
     "/reason is missing\n"},
    {"an exam to withdraw", PW_COMMAND_EXAM_WITHDRAW,
     PW_STR("{\"reason\": \"other\", \"cancel_slots\": 1}"),
     "/cancel_slots must be true or false\n"},
    {"why", PW_COMMAND_EXAM_WITHDRAW, PW_STR("{\"cancel_slots\": true}"), "/reason is missing\n"},
    {"with its slots", PW_COMMAND_EXAM_WITHDRAW,
     PW_STR("{\"reason\": \"other\", \"cancel_slots\": true}"), ""},
    {"without them", PW_COMMAND_EXAM_WITHDRAW, PW_STR("{\"reason\": \"other\"}"), ""},
    {"a slot that goes with its exam", PW_COMMAND_SLOT_CANCEL_WITH_EXAM, PW_STR("{}"), ""},
    {"a slot whose students are reminded", PW_COMMAND_SLOT_REMIND, PW_STR("{}"), ""},
    {"a student who is reminded", PW_COMMAND_RESERVATION_REMIND, PW_STR("{}"), ""},
    {"what was read", PW_COMMAND_INBOX_MARK_READ, PW_STR("{\"number\": 1}"), ""},
    {"with all before it", PW_COMMAND_INBOX_MARK_READ,
     PW_STR("{\"number\": 1, \"and_older\": true}"), ""},
    {"a number that there cannot be", PW_COMMAND_INBOX_MARK_READ, PW_STR("{\"number\": 0}"),
     "/number must be at least 1\n"},
    {"a slot to close", PW_COMMAND_SLOT_CLOSE, PW_STR(""), ""},
    {"a slot to cancel", PW_COMMAND_SLOT_CANCEL, PW_STR("{}"), "/reason is missing\n"},
    {"an item, and what there is of one", PW_COMMAND_ITEM_DRAFT, PW_STR("{}"),
     "/title is missing\n/kind is missing\n/prompt is missing\n/scoring is missing\n/maximum_mark "
     "is missing\n"},
    {"an essay", PW_COMMAND_ITEM_DRAFT,
     PW_STR("{\"title\": \"E\", \"kind\": \"essay\", \"prompt\": \"Two lines:\\n\\tthese\", "
            "\"scoring\": "
            "\"by-people\", \"maximum_mark\": 20}"),
     ""},
    {"lists of what is not in them", PW_COMMAND_ITEM_DRAFT,
     PW_STR("{\"title\": \"C\", \"kind\": \"choice\", \"prompt\": \"\\u0007\", \"scoring\": 1, "
            "\"maximum_mark\": 1, "
            "\"choices\": {}, \"answers\": [1, {\"choice\": 21, \"a/b\": 1}, {\"mark\": \"x\"}]}"),
     "/kind must be one of the names, such as single-choice\n/prompt must not contain control "
     "characters but line "
     "feed and tab\n/choices must be an array\n/scoring must be a string\n/answers/0 must be an "
     "object\n/answers/1/choice must be at most 20\n/answers/1/a~1b is not a field of this "
     "record\n/answers/2/mark must be a number\n"},
    {"a whole version", PW_COMMAND_ITEM_REVISE,
     PW_STR("{\"title\": \"C\", \"kind\": \"true-false\", \"prompt\": \"P\", \"scoring\": "
            "\"match-correct\", "
            "\"maximum_mark\": 1, \"choices\": [{\"label\": \"Yes\"}, {\"label\": \"\"}], "
            "\"answers\": [{\"choice\": "
            "1}]}"),
     "/choices/1/label must not be empty\n"},
    {"an item to retire", PW_COMMAND_ITEM_RETIRE, PW_STR("{}"), ""},
    {"a key to mend", PW_COMMAND_ITEM_CORRECT_KEY,
     PW_STR("{\"version_number\": 1, \"answers\": []}"),
     "/answers must hold 1 to 40 records\n/reason is missing\n"},
    {"what an exam asks", PW_COMMAND_EXAM_BIND_ITEMS,
     PW_STR("{\"items\": [{\"item_id\": \"01890a5d-ac96-774b-bcce-b302099a8057\", "
            "\"version_number\": 1}]}"),
     ""},
    {"nothing", PW_COMMAND_EXAM_BIND_ITEMS, PW_STR("{\"items\": []}"), ""},
    {"what is no item", PW_COMMAND_EXAM_BIND_ITEMS,
     PW_STR("{\"items\": [{\"item_id\": \"x\", \"version_number\": 0}, {}]}"),
     "/items/0/item_id must be a UUID, and not the nil UUID\n/items/0/version_number must be at "
     "least "
     "1\n/items/1/item_id is missing\n/items/1/version_number is missing\n"},
    {"rules of their own", PW_COMMAND_EXAM_SET_RULES, PW_STR("{\"lead_time_minutes\": 60}"), ""},
    {"the usual rules", PW_COMMAND_EXAM_SET_RULES, PW_STR(""), ""},
    {"time to grant, and how much", PW_COMMAND_ACCOMMODATION_GRANT,
     PW_STR("{\"fixed_minutes\": 1441}"),
     "/factor_percent is missing\n/fixed_minutes must be at most 1440\n/valid_from is "
     "missing\n/valid_until is missing\n"},
    {"less than everybody's", PW_COMMAND_ACCOMMODATION_GRANT,
     PW_STR("{\"factor_percent\": 99, \"valid_from\": \"2026-10-01T00:00:00Z\", \"valid_until\": "
            "\"2027-10-01T00:00:00Z\"}"),
     "/factor_percent must be at least 100\n"},
    {"another content", PW_COMMAND_ACCOMMODATION_REVISE,
     PW_STR("{\"factor_percent\": 401, \"rest_break_minutes\": 30, \"valid_from\": "
            "\"2026-10-01T00:00:00Z\"}"),
     "/factor_percent must be at most 400\n/valid_until is missing\n"},
    {"time to take back", PW_COMMAND_ACCOMMODATION_REVOKE, PW_STR("{}"), ""},
    {"a slot with a hard end", PW_COMMAND_SLOT_OPEN,
     PW_STR("{\"exam_id\": \"01890a5d-ac96-774b-bcce-b302099a8057\", \"starts_at\": "
            "\"2027-02-01T09:00:00+01:00\", \"capacity\": 30, \"hard_end_at\": 12}"),
     "/hard_end_at must be a string\n"},
    {"a seat to move, and where to", PW_COMMAND_RESERVATION_RESCHEDULE, PW_STR("{}"),
     "/slot_id is missing\n"},
    {"where to and why, by staff", PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF, PW_STR("{}"),
     "/slot_id is missing\n/reason is missing\n"},
    {"a seat to hold", PW_COMMAND_RESERVATION_HOLD, PW_STR("{}"), ""},
    {"a hold to confirm", PW_COMMAND_RESERVATION_CONFIRM_HOLD, PW_STR(""), ""},
    {"a hold that ran out", PW_COMMAND_RESERVATION_EXPIRE_HOLD, PW_STR("{}"), ""},
};

static char *lines_of(const struct pw_violations *violations)
{
    char *lines = calloc(1, 1 << 16), *to = lines;
    for (uint32_t i = 0; i < violations->count; i++) {
        to += sprintf(to, "%s %s\n", violations->items[i].pointer, violations->items[i].detail);
    }
    return lines;
}

Test(json, names_all_that_is_wrong_and_nothing_else)
{
    bool tried[PW_COMMAND_COUNT] = {false};
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        const struct json_row *row = &rows[i];
        struct pw_command command = {.type = row->type};
        struct pw_violations violations;
        struct pw_arena arena;
        struct pw_err err = {PW_OK, ""};
        pw_arena_init(&arena, 1 << 16);
        enum pw_code code = pw_command_read_json(row->body, &arena, &command, &violations, &err);
        char *lines = lines_of(&violations);
        cr_expect_eq(code, *row->violations == '\0' ? PW_OK : PW_ERR_INVALID, "%s: %s", row->name,
                     err.detail);
        cr_expect_str_eq(lines, row->violations, "%s", row->name);
        cr_expect_eq(violations.more, 0);
        tried[row->type] = true;
        free(lines);
        pw_arena_close(&arena);
    }
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        cr_expect(tried[type], "%s has no row", pw_command_info((enum pw_command_type)type)->name);
    }
}

static const struct malformed_row {
    const char *name;
    struct pw_str body;
    const char *detail;
} malformed_rows[] = {
    {"blanks only", PW_STR("  "), "line 1 column 2: the body ends too early"},
    {"cut off", PW_STR("{\"capacity\": 3"), "line 1 column 14: the body ends too early"},
    {"an array", PW_STR("[]"), "line 1 column 1: this is not a JSON object"},
    {"a number", PW_STR("7"), "line 1 column 1: this is not JSON"},
    {"two objects", PW_STR("{} {}"), "line 1 column 4: more follows after the object"},
    {"a NUL after the object", PW_STR("{}\0"), "line 1 column 3: more follows after the object"},
    {"a byte order mark", PW_STR("\xef\xbb\xbf{}"), "line 1 column 1: this is not JSON"},
    {"single quotes", PW_STR("{'capacity': 30}"), "line 1 column 2: this is not JSON"},
    {"a comma too many", PW_STR("{\"capacity\": 30,}"), "line 1 column 17: this is not JSON"},
    {"a comment", PW_STR("{/* seats */ \"capacity\": 30}"), "line 1 column 2: this is not JSON"},
    {"a leading zero", PW_STR("{\"capacity\": 030}"), "line 1 column 14: this is not JSON"},
    {"not a number", PW_STR("{\"capacity\": NaN}"), "line 1 column 16: this is not JSON"},
    {"twice, on line 2", PW_STR("{\"capacity\": 30,\n\"capacity\": 31}"),
     "line 2 column 10: a name occurs twice"},
    {"twice, escaped", PW_STR("{\"capacity\": 30, \"\\u0063apacity\": 31}"),
     "line 1 column 32: a name occurs twice"},
    {"twice, further in", PW_STR("{\"a\": {\"b\": 1, \"b\": 2}}"),
     "line 1 column 18: a name occurs twice"},
    {"a NUL in a name", PW_STR("{\"a\\u0000b\": 30}"), "line 1 column 11: a name contains U+0000"},
    {"a real beyond all reals", PW_STR("{\"capacity\": 1e400}"),
     "line 1 column 18: a number is too large"},
    {"Latin-1", PW_STR("{\"title\": \"Universit\xe4t\"}"), "line 1 column 20: this is not UTF-8"},
    {"overlong", PW_STR("{\"title\": \"\xc0\x80\"}"), "line 1 column 11: this is not UTF-8"},
    {"a raw surrogate", PW_STR("{\"title\": \"\xed\xa0\x80\"}"),
     "line 1 column 11: this is not UTF-8"},
    {"half a pair", PW_STR("{\"title\": \"\\ud83c\"}"), "line 1 column 18: this is not JSON"},
    {"a raw line feed", PW_STR("{\"title\": \"a\nb\"}"), "line 1 column 12: this is not JSON"},
    {"17 deep", PW_STR("{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"),
     "line 1 column 21: nested deeper than 16"},
    {"17 deep, unclosed", PW_STR("{\"\xc3\xa4\\\"]\":\n[[[[[[[[[[[[[[[["),
     "line 2 column 16: nested deeper than 16"},
};

Test(json, says_where_a_body_is_malformed)
{
    for (size_t i = 0; i < PW_COUNT(malformed_rows); i++) {
        const struct malformed_row *row = &malformed_rows[i];
        struct pw_command command = {.type = PW_COMMAND_SLOT_CHANGE_CAPACITY};
        struct pw_violations violations;
        struct pw_arena arena;
        struct pw_err err = {PW_OK, ""};
        pw_arena_init(&arena, 1 << 16);
        cr_expect_eq(pw_command_read_json(row->body, &arena, &command, &violations, &err),
                     PW_ERR_MALFORMED, "%s", row->name);
        cr_expect_str_eq(err.detail, row->detail, "%s: %s", row->name, err.detail);
        cr_expect_eq(violations.count + violations.more, 0, "%s", row->name);
        pw_arena_close(&arena);
    }
}

static enum pw_code read_into(struct pw_command *command, struct pw_arena *arena,
                              struct pw_str body, struct pw_violations *violations)
{
    return pw_command_read_json(body, arena, command, violations, NULL);
}

Test(json, fills_the_struct_and_leaves_alone_what_is_not_the_clients)
{
    struct pw_command command = {.type = PW_COMMAND_SLOT_OPEN};
    struct pw_violations violations;
    struct pw_arena arena;
    char body[] = "{" EXAM ", " STARTS ", \"capacity\": 30}";
    command.slot_open.slot_id.bytes[3] = 7;
    pw_arena_init(&arena, 1 << 16);
    cr_assert_eq(read_into(&command, &arena, pw_str_of(body), &violations), PW_OK);
    cr_expect_eq(command.slot_open.slot_id.bytes[3], 7);
    cr_expect_eq(command.slot_open.exam_id.bytes[1], 0x89);
    cr_expect_eq(command.slot_open.starts_at, INT64_C(1801468800000000));
    cr_expect_eq(command.slot_open.capacity, 30);

    command = (struct pw_command){.type = PW_COMMAND_EXAM_DRAFT};
    char draft[] = "{\"title\": \"\\u00c4 \\ud83c\\udf93\", \"duration_minutes\": 90}";
    cr_assert_eq(read_into(&command, &arena, pw_str_of(draft), &violations), PW_OK);
    memset(draft, 'x', sizeof draft);
    cr_expect(pw_str_equal(command.exam_draft.title, PW_STR("\xc3\x84 \xf0\x9f\x8e\x93")));
    cr_expect_eq(command.exam_draft.duration_minutes, 90);
    cr_expect_eq(command.exam_draft.lead_time_minutes, 1440, "The fallback.");
    cr_expect_eq(command.exam_draft.buffer_minutes, 0);
    pw_arena_close(&arena);
}

Test(json, counts_what_it_does_not_list)
{
    struct pw_command command = {.type = PW_COMMAND_RESERVATION_RESERVE};
    struct pw_violations violations;
    struct pw_arena arena;
    char body[2000] = "{\"f0\": 0";
    for (int i = 1; i < 100; i++) {
        sprintf(body + strlen(body), ", \"f%d\": 0", i);
    }
    strcat(body, "}");
    pw_arena_init(&arena, 1 << 16);
    cr_expect_eq(read_into(&command, &arena, pw_str_of(body), &violations), PW_ERR_INVALID);
    cr_expect_eq(violations.count, PW_VIOLATIONS_MAX);
    cr_expect_eq(violations.more, 100 - PW_VIOLATIONS_MAX);
    pw_arena_close(&arena);
}

Test(json, a_body_may_have_256_kib)
{
    char *body = malloc(PW_JSON_BYTES_MAX + 1);
    struct pw_command command = {.type = PW_COMMAND_RESERVATION_RESERVE};
    struct pw_violations violations;
    struct pw_arena arena;
    memset(body, ' ', PW_JSON_BYTES_MAX + 1);
    memcpy(body, "{}", 2);
    pw_arena_init(&arena, 1 << 16);
    struct pw_str most = {body, PW_JSON_BYTES_MAX}, more = {body, PW_JSON_BYTES_MAX + 1};
    cr_expect_eq(read_into(&command, &arena, most, &violations), PW_OK);
    cr_expect_eq(read_into(&command, &arena, more, &violations), PW_ERR_TOO_LARGE);
    pw_arena_close(&arena);
    free(body);
}

Test(json, an_arena_that_is_too_small_is_an_error_and_no_crash)
{
    for (size_t bytes_max = 0; bytes_max <= 64; bytes_max += 16) {
        struct pw_command command = {.type = PW_COMMAND_TENANT_CREATE};
        struct pw_violations violations;
        struct pw_arena arena;
        pw_arena_init(&arena, bytes_max);
        cr_expect_eq(read_into(&command, &arena, PW_STR(TENANT), &violations),
                     bytes_max < 48 ? PW_ERR_TOO_LARGE : PW_OK, "%zu", bytes_max);
        cr_expect_eq(read_into(&command, &arena, PW_STR("{}"), &violations), PW_ERR_TOO_LARGE);
        cr_expect_eq(violations.count, 0);
        pw_arena_close(&arena);
    }
}
