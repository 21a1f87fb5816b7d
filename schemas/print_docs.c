/* schemas/print_docs.c: prints docs/EVENTS.md, the catalogue of what can be asked and what can have
 * happened, from the tables. */
#include "schemas/schema.h"

#include <inttypes.h>
#include <stdio.h>

/* This page speaks of HTTP because its readers do; what is served is api/problem.c's to say. */
static const char *const statuses[PW_KIND_COUNT] = {
    [PW_KIND_INVALID] = "400 Bad Request",
    [PW_KIND_UNAUTHENTICATED] = "401 Unauthorized",
    [PW_KIND_FORBIDDEN] = "403 Forbidden",
    [PW_KIND_NOT_FOUND] = "404 Not Found",
    [PW_KIND_METHOD] = "405 Method Not Allowed",
    [PW_KIND_NOT_ACCEPTABLE] = "406 Not Acceptable",
    [PW_KIND_TOO_LARGE] = "413 Content Too Large",
    [PW_KIND_MEDIA_TYPE] = "415 Unsupported Media Type",
    [PW_KIND_REFUSED] = "409 Conflict",
    [PW_KIND_PRECONDITION] = "412 Precondition Failed",
    [PW_KIND_UNPROCESSABLE] = "422 Unprocessable Content",
    [PW_KIND_TOO_FAST] = "429 Too Many Requests",
    [PW_KIND_UNAVAILABLE] = "503 Service Unavailable",
    [PW_KIND_INTERNAL] = "500 Internal Server Error",
};

static const struct kind_row {
    const char *name;
    const char *msgpack;
    const char *json;
} kinds[] = {
    [PW_FIELD_KIND_id] = {"id", "bin of 16 bytes", "UUID text; never the nil UUID"},
    [PW_FIELD_KIND_text] = {"text", "str", "string without control characters"},
    [PW_FIELD_KIND_zone] = {"zone", "str", "name of an IANA time zone"},
    [PW_FIELD_KIND_language] = {"language", "str", "BCP 47 language tag"},
    [PW_FIELD_KIND_count] = {"count", "integer", "whole number"},
    [PW_FIELD_KIND_minutes] = {"minutes", "integer", "whole number"},
    [PW_FIELD_KIND_at] = {"at", "integer, microseconds since 1970-01-01T00:00:00Z",
                          "RFC 3339 time; any offset in, `Z` out"},
    [PW_FIELD_KIND_hash] = {"hash", "bin of 32 bytes", "64 hex digits"},
    [PW_FIELD_KIND_key] = {"key", "bin of 32 bytes", "43 characters of base64url, unpadded"},
    [PW_FIELD_KIND_roles] = {"roles", "array of str, in the order of the roles below",
                             "array of names of roles, each once"},
    [PW_FIELD_KIND_flag] = {"flag", "integer, 1 or 0", "`true` or `false`"},
    [PW_FIELD_KIND_reason] = {"reason", "str", "name of a reason, as above"},
    [PW_FIELD_KIND_personal] = {"personal", "sealed before anything is written down",
                                "string without control characters"},
    [PW_FIELD_KIND_email] = {"email", "sealed before anything is written down", "e-mail address"},
    [PW_FIELD_KIND_password] = {"password", "hashed by Argon2id, and the hash is sealed",
                                "string without control characters"},
    [PW_FIELD_KIND_secret] = {"secret", "never", "string without control characters"},
    [PW_FIELD_KIND_sealed] = {"sealed", "bin: ciphertext ([keys.md](keys.md), section 3)",
                              "never; queries show what was sealed"},
    [PW_FIELD_KIND_item_kind] = {"item_kind", "str", "name of a kind of item, as above"},
    [PW_FIELD_KIND_scoring] = {"scoring", "str", "name of a way of scoring, as above"},
    [PW_FIELD_KIND_passage] = {"passage", "str",
                               "string of lines: no control characters but line feed and tab"},
    [PW_FIELD_KIND_list] = {"list of R", "array of arrays: the fields of R",
                            "array of objects; R is one of the [records](#records)"},
};

static const char introduction[] =
    "# Commands, events and problems\n"
    "The words of ProctorWise: what can be asked of it, what can have happened, and how a request "
    "can\n"
    "end. This page is printed from the tables in [schemas/](../schemas/), which the program "
    "itself is\n"
    "built from: `cmake --build --preset dev --target docs` writes it again.\n"
    "\n"
    "Commands are sent as `POST` with a JSON object. One that makes something new answers 201, "
    "with "
    "its\n"
    "`Location` where a query shows it, any other 200; both with `{\"id\", \"version\", "
    "\"position\"}`. What a command "
    "*refuses*\n"
    "is decided: it is on record, and the same `Idempotency-Key` gets the same answer again. So "
    "are, for\n"
    "every command, 404 `no-such-tenant`, 409 `command-too-large` and, with `If-Match`, 412\n"
    "`version-mismatch`. Whatever else can end a request stands under [problems](#problems).\n";

/* A table's cell: a bar would end it. */
static void print_cell(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            putchar('\\');
        }
        putchar(*text);
    }
}

static void print_kinds(void)
{
    printf("\n## Kinds of fields\n"
           "| kind | in the ledger (msgpack) | in requests and answers (JSON) |\n|---|---|---|\n");
    for (size_t i = 0; i < PW_COUNT(kinds); i++) {
        printf("| %s | %s | %s |\n", kinds[i].name, kinds[i].msgpack, kinds[i].json);
    }
}

static const char *prefix_of(const struct pw_command_info *info)
{
    return info->door == PW_DOOR_INTERNAL ? "/internal" : "/v1/tenants/{tenant}";
}

static void print_roles_of(const struct pw_command_info *info)
{
    const char *between = "";

    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if ((info->roles >> role & 1) != 0) {
            printf("%s%s", between, pw_role_name((enum pw_role)role));
            between = ", ";
        }
    }
}

/* A command's name as a link to its heading, whose anchor has no dots. */
static void print_link(const char *name)
{
    printf("[%s](#", name);
    for (; *name != '\0'; name++) {
        if (*name != '.') {
            putchar(*name);
        }
    }
    putchar(')');
}

static void print_roles(void)
{
    printf("\n## Roles\n| role | commands |\n|---|---|\n");
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        const char *between = "";
        printf("| %s | ", pw_role_name((enum pw_role)role));
        for (int type = 0; type < PW_COMMAND_COUNT; type++) {
            const struct pw_command_info *info = pw_command_info((enum pw_command_type)type);
            if ((info->roles >> role & 1) != 0) {
                fputs(between, stdout);
                print_link(info->name);
                between = ", ";
            }
        }
        printf("%s |\n", *between != '\0' ? "" : "none");
    }
}

static void print_names(const char *heading, const char *what, enum pw_field_kind kind)
{
    struct pw_names names = pw_names_of(kind);
    printf("\n## %s\n| %s | what it means |\n|---|---|\n", heading, what);
    for (uint32_t i = 0; i < names.count; i++) {
        printf("| `%s` | %s |\n", names.names[i].name, names.names[i].doc);
    }
}

static void print_command_index(void)
{
    printf("\n## Commands\n| command | for | `POST` |\n|---|---|---|\n");
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        const struct pw_command_info *info = pw_command_info((enum pw_command_type)type);
        printf("| ");
        print_link(info->name);
        printf(" | ");
        print_roles_of(info);
        if (info->door == PW_DOOR_SYSTEM) {
            printf(" | |\n");
        } else {
            printf(" | `%s%s` |\n", prefix_of(info), info->path);
        }
    }
}

static bool is_text(const struct pw_field *field)
{
    return field->kind == PW_FIELD_KIND_personal || field->kind == PW_FIELD_KIND_password ||
           field->kind == PW_FIELD_KIND_text;
}

static void print_kind(const struct pw_field *field)
{
    if (field->kind == PW_FIELD_KIND_list) {
        printf("list of %s", field->record()->name);
    } else {
        fputs(kinds[field->kind].name, stdout);
    }
}

static void print_limits(const struct pw_field *field)
{
    char first[PW_AT_TEXT_BYTES_MAX], last[PW_AT_TEXT_BYTES_MAX];

    switch (field->kind) {
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language:
    case PW_FIELD_KIND_personal:
    case PW_FIELD_KIND_email:
    case PW_FIELD_KIND_password:
    case PW_FIELD_KIND_passage:
    case PW_FIELD_KIND_secret:
        printf("%" PRId64 " to %" PRId64 " bytes of UTF-8", field->min, field->max);
        break;
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_list:
    case PW_FIELD_KIND_minutes: printf("%" PRId64 " to %" PRId64, field->min, field->max); break;
    case PW_FIELD_KIND_at:
        pw_at_format(field->min, first);
        pw_at_format(field->max, last);
        printf("%s to %s", first, last);
        break;
    case PW_FIELD_KIND_id:
    case PW_FIELD_KIND_hash:
    case PW_FIELD_KIND_flag:
    case PW_FIELD_KIND_reason:
    case PW_FIELD_KIND_item_kind:
    case PW_FIELD_KIND_scoring:
    case PW_FIELD_KIND_key: break; /* The kind says it all. */
    case PW_FIELD_KIND_roles:
        printf("%" PRId64 " to %" PRId64 " roles", field->min, field->max);
        break;
    case PW_FIELD_KIND_sealed: printf("at most %" PRId64 " bytes", field->max); break;
    }
    if (field->source == PW_FROM_BODY_OR &&
        (is_text(field) || field->kind == PW_FIELD_KIND_at || field->kind == PW_FIELD_KIND_list)) {
        printf("; none if left out");
    } else if (field->source == PW_FROM_BODY_OR && field->kind == PW_FIELD_KIND_flag) {
        printf("`%s` if left out", field->fallback != 0 ? "true" : "false");
    } else if (field->source == PW_FROM_BODY_OR) {
        printf("; %" PRId64 " if left out", field->fallback);
    }
}

static bool from_client(const struct pw_field *field)
{
    return field->source == PW_FROM_PATH || field->source == PW_FROM_BODY ||
           field->source == PW_FROM_BODY_OR;
}

static void print_client_fields(const struct pw_message *message)
{
    bool begun = false;

    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pw_field *field = &message->fields[i];
        if (!from_client(field)) {
            continue;
        }
        if (!begun) {
            printf("\n| field | in | kind | limits | what |\n|---|---|---|---|---|\n");
            begun = true;
        }
        printf("| `%s` | %s | ", field->name, field->source == PW_FROM_PATH ? "path" : "body");
        print_kind(field);
        printf(" | ");
        print_limits(field);
        printf(" | ");
        print_cell(field->doc);
        printf(" |\n");
    }
}

/* Nobody sends it: the leader issues it, and nothing is answered. */
static void print_system_command(const struct pw_command_info *info)
{
    printf("\n### %s\n%s\n\nIssued by the leader of the partition; no address takes it.\n",
           info->name, info->doc);
}

static void print_command(const struct pw_command_info *info)
{
    if (info->door == PW_DOOR_SYSTEM) {
        print_system_command(info);
        return;
    }
    printf("\n### %s\n%s\n\n`POST %s%s`, for ", info->name, info->doc, prefix_of(info), info->path);
    print_roles_of(info);
    if (info->door == PW_DOOR_CREDENTIAL) {
        printf(", without a token: the body proves who asks");
    } else if (info->door == PW_DOOR_PUBLIC && (info->roles & PW_ROLE(OPERATOR)) != 0) {
        printf(" (at `/internal/tenants/{tenant}%s`)", info->path);
    }
    printf("%s.\n", pw_command_creates(info) ? "; answers 201" : "; answers 200");
    print_client_fields(&info->message);
    if (strcmp(info->example, "{}") == 0) {
        printf("\nThe body is empty, or `{}`.\n");
    } else {
        printf("\n```json\n%s\n```\n", info->example);
    }
    printf("Refuses: ");
    for (uint32_t i = 0; i < info->refusal_count; i++) {
        const struct pw_error_info *error = pw_error_info(info->refusals[i]);
        printf("%s%.3s `%s`", i > 0 ? ", " : "", statuses[error->kind], error->name);
    }
    printf(".\n");
}

static void print_record(const struct pw_record_info *info)
{
    printf("\n### %s\n%s\n\n| tag | field | kind | limits | what |\n|---|---|---|---|---|\n",
           info->name, info->doc);
    for (uint32_t i = 0; i < info->message.field_count; i++) {
        const struct pw_field *field = &info->message.fields[i];
        printf("| %u | `%s` | ", (unsigned)field->tag, field->name);
        print_kind(field);
        printf(" | ");
        print_limits(field);
        printf(" | ");
        print_cell(field->doc);
        printf(" |\n");
    }
}

static void print_records(void)
{
    printf("\n## Records\nWhat lists hold.\n");
#define PW_RECORD(lower, ...) print_record(pw_##lower##_record());
#include "schemas/all.def"
}

static void print_events(void)
{
    printf("\n## Events\nThe fields of an event stand in its payload in this order: field 1 is "
           "element "
           "0. An event is known by its name and version\ntogether; a tag is never used again.\n");
    for (int type = 0; type < PW_EVENT_COUNT; type++) {
        const struct pw_event_info *info = pw_event_info((enum pw_event_type)type);
        printf("\n### %s\nVersion %" PRIu32 ", stream type `%s`. %s\n\n"
               "| tag | field | kind | what |\n|---|---|---|---|\n",
               info->name, info->version, pw_aggregate_name(info->aggregate), info->doc);
        for (uint32_t i = 0; i < info->message.field_count; i++) {
            const struct pw_field *field = &info->message.fields[i];
            printf("| %u | `%s` | ", (unsigned)field->tag, field->name);
            print_kind(field);
            printf(" | ");
            print_cell(field->doc);
            printf(" |\n");
        }
    }
}

static void print_problems(void)
{
    printf(
        "\n## Problems\nEvery answer that is no success is `application/problem+json` with `type` "
        "= `/problems/<name>`.\n\n| name | status | title | what it means | what to do "
        "|\n|---|---|---|---|---|\n");
    for (int code = PW_OK + 1; code < PW_CODE_COUNT; code++) {
        const struct pw_error_info *info = pw_error_info((enum pw_code)code);
        printf("| `%s` | %s | ", info->name, statuses[info->kind]);
        print_cell(info->title);
        printf(" | ");
        print_cell(info->meaning);
        printf(" | ");
        print_cell(info->remedy);
        printf(" |\n");
    }
}

int main(void)
{
    fputs(introduction, stdout);
    print_roles();
    print_names("Reasons", "reason", PW_FIELD_KIND_reason);
    print_names("Kinds of items", "kind", PW_FIELD_KIND_item_kind);
    print_names("Ways of scoring", "scoring", PW_FIELD_KIND_scoring);
    print_kinds();
    print_command_index();
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        print_command(pw_command_info((enum pw_command_type)type));
    }
    print_records();
    print_events();
    print_problems();
    return fflush(stdout) == 0 && ferror(stdout) == 0 ? 0 : 1;
}
