/* api/query_table.h: what can be asked of the read models: one table, pw_queries.
 *
 * Contract  Adding a query touches one entry of the table: routes, roles, SQL, JSON, filters,
 *           pages and the API's document follow from it. Paths start after /v1/tenants/{tenant}. A thing is named by the
 *           last `{...}` of its path; a list has pages in the order of (order column, key column),
 *           or of one of them alone. A list of sums has an item for each value of what it is grouped by,
 *           over those rows that the asking person may see and the filters leave. Every table of a read model has the columns generation and
 *           tenant_id; the one that the read model is named by is read as alias `t`.
 * Threads   Constant. */
#ifndef PW_API_QUERY_TABLE_H
#define PW_API_QUERY_TABLE_H

#include "schemas/schema.h"

/* The generation of a read model that queries show. */
#define PW_GENERATION_OF(projection)                                                               \
    "(SELECT g.generation FROM pw_projections g WHERE g.name = '" projection "')"

enum pw_answer_kind {
    PW_ANSWER_ID,
    PW_ANSWER_TEXT,
    PW_ANSWER_COUNT,
    PW_ANSWER_AT,
    PW_ANSWER_DAY, /* Of a moment: its UTC date. No filter. */
    PW_ANSWER_HASH,
    PW_ANSWER_WORD,  /* A number that `words` names. */
    PW_ANSWER_FLAG,  /* 0 or 1. */
    PW_ANSWER_ROLES, /* Bits. As a filter: the name of one, which the set must have. */
    PW_ANSWER_RECORDS, /* Of a list, as the ledger has it: an array of objects; in CSV the same in a cell. No filter. */
    PW_ANSWER_SEALED /* The person's id, their key's and the ciphertext, concatenated. As a filter: an address, by its tag. */
};

struct pw_query_column {
    const char *name; /* In JSON. */
    const char *doc;
    const char *sql;
    enum pw_answer_kind kind;
    bool may_be_null;
    const char *const *words; /* From 0; NULL at the end. A word that is empty stands for none. */
    const char *sealed_as;    /* The field's name, of what is sealed. */
    const struct pw_record_info *(*record)(void); /* Of records. */
};

struct pw_query_filter {
    const char *name; /* Of the query parameter. */
    const char *doc;
    const char *sql; /* A condition with one `?`; of roles the column alone. */
    enum pw_answer_kind kind;
    uint32_t roles; /* Who may use it; for others it is unknown. 0: everybody. */
    const char *const *words;
};

/* What somebody with one of these roles sees. With several roles: all that any of them sees. */
struct pw_query_scope {
    uint32_t roles;
    const char *sql; /* A condition with one `?`, the actor's id; NULL: everything of the tenant. */
    const char *also; /* Another read model that it reads; or NULL. */
};

#define PW_QUERY_FILTERS_MAX 8
#define PW_QUERY_SCOPES_MAX  4

struct pw_query_info {
    const char *name;
    const char *path;
    const char *path_doc; /* What the `{...}` of the path is; NULL where there is none. */
    const char *doc;
    uint32_t roles;
    uint32_t page_max; /* Rows of a page where each may be long; 0: PW_QUERY_LIMIT_MAX. */
    bool is_list;
    const char *projection;
    const char *table; /* The one that is read as `t`; NULL: it is called as the read model is. */
    const char *key_column;   /* An id; NULL, of a list: the order alone. */
    const char *order_column; /* An integer, such as microseconds; NULL: the key alone. */
    const char *grouped_by;   /* That of the two which a list of sums has; or NULL. */
    bool newest_first;        /* The list is in falling order. */
    bool
        is_flowing; /* It can be had as a stream of events, too: its order column numbers the actor's rows. */
    bool counts_others; /* It shows more than its stream's version tells: never a 304. */
    const char *joined; /* Other tables of the read model, by JOINs on `t`; or NULL. */
    const char *fixed;  /* A condition that always holds, or NULL. */
    bool of_actor;      /* The thing is the asking person's: its path names none. */
    const char *
        none_yet; /* The columns but the key, as JSON, of a thing that nothing has happened to; NULL: there is none. */
    const char *param_name; /* An id of the path that a list is narrowed by, or NULL. */
    const char *param_column;
    const struct pw_query_column *columns; /* The first is the key. */
    uint32_t column_count;
    struct pw_query_filter filters[PW_QUERY_FILTERS_MAX]; /* Until one has no name. */
    struct pw_query_scope scopes[PW_QUERY_SCOPES_MAX];
};

extern const struct pw_query_info pw_queries[];
extern const uint32_t pw_query_count;

/* What the API calls the states that the numbers of commands/state.h stand for. */
const char *pw_query_user_state(uint32_t state);
const char *pw_query_slot_state(uint32_t state);
const char *pw_query_reservation_state(uint32_t state);

/* Whether it needs keys: something in its columns or filters is sealed. */
bool pw_query_needs_keys(const struct pw_query_info *info);

#endif
