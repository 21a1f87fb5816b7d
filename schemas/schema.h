/* schemas/schema.h: the words of the domain, read from the tables (schemas/all.def).
 *
 * From each PW_COMMAND and PW_EVENT come a struct, an enum member and a descriptor. Encoding, JSON,
 * routes, dispatch, docs/EVENTS.md: all walk the descriptors or include the tables again; no word
 * of a table is written twice.
 *
 *   PW_COMMAND(aggregate, lower, UPPER, door, roles, "path", target, "doc", "example body",
 *              PW_REFUSES(codes of errors.def ...), fields)
 *   PW_EVENT(aggregate, lower, UPPER, version, "doc", fields)
 *
 *   PW_PATH(tag, kind, name, "doc")               a command's field out of {name} in its path
 *   PW_MADE(tag, kind, name, "doc")               a fresh id that the shell makes
 *   PW_DERIVED(tag, kind, name, "doc")            the id of the boundary that the command creates
 *   PW_ACTOR(tag, kind, name, "doc")              the id of the token's person
 *   PW_TENANT(tag, kind, name, "doc")             the id of the tenant whose the address is
 *   PW_PREPARED(tag, kind, name, "doc")           what the shell makes of the client's fields before the queue:
 *                                                 keys, tags and hashes (api/prepare.h)
 *   PW_FIELD(tag, kind, name, min, max, "doc")    a member of the body, or of an event
 *   PW_FIELD_OR(tag, kind, name, min, max, fallback, "doc")    one that the body may leave out
 *   PW_LIST(tag, record, name, min, max, "doc")   min to max records, each as PW_RECORD says
 *   PW_LIST_OR(tag, record, name, max, "doc")     at most so many; one that the body may leave out
 *
 *   PW_RECORD(record, "doc", fields)              what lists of this file hold: PW_FIELDs and PW_FIELD_ORs, but no list
 *
 *   kind      in C            in msgpack  in JSON
 *   id        struct pw_id    bin 16      UUID text, not nil
 *   text      struct pw_str   str         string, min to max bytes of UTF-8, no control character
 *   zone      struct pw_str   str         string, the shape of an IANA time zone name
 *   language  struct pw_str   str         string, the shape of a BCP 47 tag
 *   count     uint32_t        integer     whole number, min to max
 *   minutes   uint32_t        integer     whole number, min to max; the name ends in _minutes
 *   at        int64_t         integer     RFC 3339 text, min to max in microseconds
 *   hash      struct pw_hash  bin 32      64 hex digits
 *   key       struct pw_hash  bin 32      base64url without padding
 *   roles     uint32_t        array       names of roles, min to max of them, each once; bits of PW_ROLE
 *   flag      uint32_t        integer     true or false: 1 or 0
 *   reason    uint32_t        str         name of a reason (schemas/reasons.def); enum pw_reason
 *   item_kind uint32_t        str         name of a kind of item (schemas/item_names.def); enum pw_item_kind
 *   scoring   uint32_t        str         name of a way of scoring (there); enum pw_scoring
 *   personal  struct pw_str   (sealed)    as text; the shell seals it before the queue
 *   email     struct pw_str   (sealed)    the shape of an e-mail address; sealed likewise
 *   password  struct pw_str   (sealed)    as text; the shell hashes it, and seals the hash
 *   secret    struct pw_str   (none)      as text; the shell judges it and takes it out. Neither of the two is part of a fingerprint
 *   sealed    struct pw_str   bin         of events only: at most max bytes of ciphertext
 *   passage   struct pw_str   str         string, min to max bytes of UTF-8, of lines: no control character but line feed and tab
 *   list      struct pw_list  array       array of objects
 *
 * Contract  Field tags and names are for ever: append, retire, never reuse. A payload is the
 *           msgpack array of the fields in tag order.
 * Owner     Text fields are views: into the request's arena, or into the record that they were read
 *           from.
 * Threads   Everything here is constant. */
#ifndef PW_SCHEMAS_SCHEMA_H
#define PW_SCHEMAS_SCHEMA_H

#include "schemas/errors.h"
#include "schemas/types.h"

#define PW_CTYPE_id        struct pw_id
#define PW_CTYPE_text      struct pw_str
#define PW_CTYPE_zone      struct pw_str
#define PW_CTYPE_language  struct pw_str
#define PW_CTYPE_count     uint32_t
#define PW_CTYPE_minutes   uint32_t
#define PW_CTYPE_at        int64_t
#define PW_CTYPE_hash      struct pw_hash
#define PW_CTYPE_key       struct pw_hash
#define PW_CTYPE_roles     uint32_t
#define PW_CTYPE_flag      uint32_t
#define PW_CTYPE_reason    uint32_t
#define PW_CTYPE_personal  struct pw_str
#define PW_CTYPE_email     struct pw_str
#define PW_CTYPE_password  struct pw_str
#define PW_CTYPE_secret    struct pw_str
#define PW_CTYPE_sealed    struct pw_str
#define PW_CTYPE_passage   struct pw_str
#define PW_CTYPE_item_kind uint32_t
#define PW_CTYPE_scoring   uint32_t

/* Records as they stand in a payload: the msgpack array of their arrays, checked when it was read. A view, like a text. pw_list_next
 * (schemas/codec.h) walks them. All zero: there are none. */
struct pw_list {
    const uint8_t *data;
    size_t bytes;
    uint32_t count;
};

enum pw_field_kind {
    PW_FIELD_KIND_id,
    PW_FIELD_KIND_text,
    PW_FIELD_KIND_zone,
    PW_FIELD_KIND_language,
    PW_FIELD_KIND_count,
    PW_FIELD_KIND_minutes,
    PW_FIELD_KIND_at,
    PW_FIELD_KIND_hash,
    PW_FIELD_KIND_key,
    PW_FIELD_KIND_roles,
    PW_FIELD_KIND_flag,
    PW_FIELD_KIND_reason,
    PW_FIELD_KIND_personal,
    PW_FIELD_KIND_email,
    PW_FIELD_KIND_password,
    PW_FIELD_KIND_secret,
    PW_FIELD_KIND_sealed,
    PW_FIELD_KIND_passage,
    PW_FIELD_KIND_list,
    PW_FIELD_KIND_item_kind,
    PW_FIELD_KIND_scoring
};

/* Who gives a command's field its value. An event's fields are all PW_FROM_BODY. */
enum pw_field_source {
    PW_FROM_BODY,       /* The client, in the JSON body; must be there. */
    PW_FROM_BODY_OR,    /* The client, or `fallback`. */
    PW_FROM_PATH,       /* The client, in the route. */
    PW_MADE_BY_SHELL,   /* A fresh UUIDv7. */
    PW_DERIVED_FROM_ID, /* The UUIDv5 of the command id: the boundary that the command creates. */
    PW_FROM_TOKEN,      /* Who asks. */
    PW_FROM_TENANT,     /* The boundary. */
    PW_PREPARED_BY_SHELL
};

struct pw_field {
    const char *name;
    const char *doc;
    enum pw_field_kind kind;
    enum pw_field_source source;
    uint32_t offset; /* Inside the message's struct. */
    int64_t min;     /* Inclusive; bytes for texts, the value for numbers and moments. */
    int64_t max;
    int64_t fallback;
    uint8_t tag;                                  /* From 1, in order, without holes. */
    const struct pw_record_info *(*record)(void); /* Of a list: what it holds; else NULL. */
};

#define PW_FIELDS_MAX           16
#define PW_FIELD_NAME_BYTES_MAX 32
#define PW_TEXT_BYTES_MAX       200 /* Of any text field: what a table may ask for at most. */
#define PW_PASSAGE_BYTES_MAX    4000
#define PW_LIST_COUNT_MAX       200
#define PW_RECORD_SIZE_MAX      256 /* Of a record's struct. */

/* Of what is personal or secret; and of that, sealed: 41 bytes more (docs/keys.md, section 3). */
#define PW_PERSONAL_BYTES_MAX 254
#define PW_SEALED_BYTES_MAX   295

/* A struct of a table, described. */
struct pw_message {
    const struct pw_field *fields;
    uint32_t field_count;
    uint32_t size; /* sizeof the struct. */
};

/* What a list holds. */
struct pw_record_info {
    const char *name; /* `item_choice` */
    const char *doc;
    struct pw_message message; /* All of its fields are PW_FROM_BODY or PW_FROM_BODY_OR. */
};

/* Roles, as tokens and the ledger name them; a command's roles are a set of bits. */
#define PW_ROLES(X)                                                                                \
    X(STUDENT, "student")                                                                          \
    X(TEACHER, "teacher")                                                                          \
    X(GRADER, "grader")                                                                            \
    X(PROCTOR, "proctor")                                                                          \
    X(ADMIN, "admin")                                                                              \
    X(AUDITOR, "auditor")                                                                          \
    X(ANALYST, "analyst")                                                                          \
    X(SERVICE, "service")                                                                          \
    X(SYSTEM, "system")                                                                            \
    X(OPERATOR, "operator")

enum pw_role {
#define PW_ROLE_MEMBER(UPPER, text) PW_ROLE_##UPPER,
    PW_ROLES(PW_ROLE_MEMBER)
#undef PW_ROLE_MEMBER
        PW_ROLE_COUNT
};
#define PW_ROLE(UPPER) (UINT32_C(1) << PW_ROLE_##UPPER)

const char *pw_role_name(enum pw_role role);
bool pw_role_by_name(struct pw_str name, enum pw_role *ret_role);

/* Roles that a person can have. */
#define PW_EVERYONE                                                                                \
    (PW_ROLE(STUDENT) | PW_ROLE(TEACHER) | PW_ROLE(GRADER) | PW_ROLE(PROCTOR) | PW_ROLE(ADMIN) |   \
     PW_ROLE(AUDITOR) | PW_ROLE(ANALYST))

/* Why staff did something; names in JSON and in the ledger. */
enum pw_reason {
#define PW_REASON(UPPER, name, doc) PW_REASON_##UPPER,
#include "schemas/reasons.def"
#undef PW_REASON
    PW_REASON_COUNT
};

enum pw_item_kind {
#define PW_ITEM_KIND(UPPER, name, doc) PW_ITEM_KIND_##UPPER,
#include "schemas/item_names.def"
    PW_ITEM_KIND_COUNT
};

enum pw_scoring {
#define PW_SCORING(UPPER, name, doc) PW_SCORING_##UPPER,
#include "schemas/item_names.def"
    PW_SCORING_COUNT
};

/* The closed lists: the values of a field of such a kind, by number. */
struct pw_name {
    const char *name;
    const char *doc;
};
struct pw_names {
    const struct pw_name *names;
    uint32_t count; /* 0: the kind has no closed list. */
};
struct pw_names pw_names_of(enum pw_field_kind kind);
bool pw_name_find(enum pw_field_kind kind, struct pw_str name, uint32_t *ret_value);

const char *pw_reason_name(enum pw_reason reason);

/* Aggregates: the types of streams. */
#define PW_AGGREGATES(X)                                                                           \
    X(tenant) X(user) X(session) X(exam) X(slot) X(reservation) X(accommodation) X(inbox) X(item)

enum pw_aggregate {
#define PW_AGGREGATE_MEMBER(lower) PW_AGGREGATE_##lower,
    PW_AGGREGATES(PW_AGGREGATE_MEMBER)
#undef PW_AGGREGATE_MEMBER
        PW_AGGREGATE_COUNT
};
const char *pw_aggregate_name(enum pw_aggregate aggregate);

/* Where a command comes in: under /v1/tenants/{tenant} for tokens; there, for whom the body itself proves, without a token; or under
 * /internal for operators. One of tokens that an operator may send too stands under /internal/tenants/{tenant} as well. Those of the
 * system come in nowhere: the leader issues them, and their path only says what they are about. */
enum pw_door { PW_DOOR_PUBLIC, PW_DOOR_INTERNAL, PW_DOOR_CREDENTIAL, PW_DOOR_SYSTEM };

/* --- The structs: struct pw_reservation_reserve, struct pw_reservation_reserved, ... ---
 * `publish` has a path id only, yet no struct is empty: every command names at least one stream. */
#define PW_PATH(tag, kind, name, doc)                         PW_CTYPE_##kind name;
#define PW_MADE(tag, kind, name, doc)                         PW_CTYPE_##kind name;
#define PW_DERIVED(tag, kind, name, doc)                      PW_CTYPE_##kind name;
#define PW_ACTOR(tag, kind, name, doc)                        PW_CTYPE_##kind name;
#define PW_TENANT(tag, kind, name, doc)                       PW_CTYPE_##kind name;
#define PW_PREPARED(tag, kind, name, doc)                     PW_CTYPE_##kind name;
#define PW_FIELD(tag, kind, name, min, max, doc)              PW_CTYPE_##kind name;
#define PW_FIELD_OR(tag, kind, name, min, max, fallback, doc) PW_CTYPE_##kind name;
#define PW_LIST(tag, record, name, min, max, doc)             struct pw_list name;
#define PW_LIST_OR(tag, record, name, max, doc)               struct pw_list name;
#define PW_REFUSES(...)
#define PW_RECORD(lower, doc, fields)                                                              \
    struct pw_##lower {                                                                            \
        fields                                                                                     \
    };
#define PW_COMMAND(aggregate, lower, UPPER, door, roles, path, target, doc, example, refusals,     \
                   fields)                                                                         \
    struct pw_##aggregate##_##lower {                                                              \
        fields                                                                                     \
    };
#define PW_EVENT(aggregate, lower, UPPER, version, doc, fields)                                    \
    struct pw_##aggregate##_##lower {                                                              \
        fields                                                                                     \
    };
#include "schemas/all.def"

/* --- The records of lists --- */
#define PW_RECORD(lower, ...) const struct pw_record_info *pw_##lower##_record(void);
#include "schemas/all.def"

/* --- The commands --- */
enum pw_command_type {
#define PW_COMMAND(aggregate, lower, UPPER, ...) PW_COMMAND_##UPPER,
#include "schemas/all.def"
    PW_COMMAND_COUNT
};

struct pw_command {
    enum pw_command_type type;
    union {
#define PW_COMMAND(aggregate, lower, UPPER, ...)                                                   \
    struct pw_##aggregate##_##lower aggregate##_##lower;
#include "schemas/all.def"
    };
};

#define PW_REFUSALS_MAX 14

struct pw_command_info {
    const char *name; /* `reservation.reserve` */
    const char *path; /* After /v1/tenants/{tenant}, or after /internal; POST. */
    const char *doc;
    const char *example; /* A body. */
    struct pw_message message;
    const enum pw_code *refusals; /* What its decider may answer, besides PW_OK. */
    uint32_t refusal_count;
    uint32_t roles;
    uint32_t target_offset; /* Inside the struct: the id of the stream that it speaks of. */
    enum pw_aggregate aggregate;
    enum pw_door door;
};

const struct pw_command_info *pw_command_info(enum pw_command_type type);

/* True where the target is new: the answer is 201. */
bool pw_command_creates(const struct pw_command_info *info);

/* The payload struct inside a command, and the id of its target stream. */
void *pw_command_body(struct pw_command *command);
const struct pw_id *pw_command_target(const struct pw_command *command);

/* --- The events --- */
enum pw_event_type {
#define PW_EVENT(aggregate, lower, UPPER, ...) PW_EVENT_##UPPER,
#include "schemas/all.def"
    PW_EVENT_COUNT
};

struct pw_event {
    enum pw_event_type type;
    struct pw_id stream_id;
    uint32_t stream_version; /* 1 for the first event of a stream. */
    union {
#define PW_EVENT(aggregate, lower, UPPER, ...) struct pw_##aggregate##_##lower aggregate##_##lower;
#include "schemas/all.def"
    };
};

/* Types of events. All zero: none. */
struct pw_event_set {
    uint64_t words[(PW_EVENT_COUNT + 63) / 64];
};

static inline void pw_event_set_add(struct pw_event_set *set, enum pw_event_type type)
{
    set->words[type / 64] |= UINT64_C(1) << (type % 64);
}

static inline bool pw_event_set_has(const struct pw_event_set *set, enum pw_event_type type)
{
    return (set->words[type / 64] >> (type % 64) & 1) != 0;
}

static inline void pw_event_set_join(struct pw_event_set *set, struct pw_event_set other)
{
    for (size_t i = 0; i < PW_COUNT(set->words); i++) {
        set->words[i] |= other.words[i];
    }
}

/* Whether a type is in both. */
static inline bool pw_event_set_meets(const struct pw_event_set *a, const struct pw_event_set *b)
{
    bool meets = false;
    for (size_t i = 0; i < PW_COUNT(a->words); i++) {
        meets = meets || (a->words[i] & b->words[i]) != 0;
    }
    return meets;
}

struct pw_event_info {
    const char *name; /* `reservation_reserved` */
    const char *doc;
    struct pw_message message;
    uint32_t version; /* The one that is written; older ones are upcast when read. */
    enum pw_aggregate aggregate;
};

const struct pw_event_info *pw_event_info(enum pw_event_type type);
bool pw_event_by_name(struct pw_str name, enum pw_event_type *ret_type);
void *pw_event_body(struct pw_event *event);

/* What an event says in its field of that name and kind; NULL: it has none. */
const void *pw_event_said(const struct pw_event *event, const char *name, enum pw_field_kind kind);

#endif
