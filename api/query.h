/* api/query.h: queries, run by threads of their own with a connection each.
 *
 * Contract  An ask is answered exactly once, by `done`, on a query thread. Rows and position come
 *           from one statement, so that a node of the cluster that lags cannot answer as if it were
 *           current. An ask with a position that the read model has not reached is asked again
 *           every PW_QUERY_AGAIN_US until give_up_boot_us, and holds no thread meanwhile.
 * Owner     An ask and its arena belong to the pool until done is called. Texts of the answer lie
 *           in that arena.
 *           What is sealed in a row is opened by the vault, where the person was not erased. A value
 *           that does not open is null and a line of the log: one lost key hides nobody else.
 * Threads   pw_query_submit: any. A pool's threads start with it and end with pw_query_pool_free.
 * Errors    READ_MODEL_DOWN: no node of the cluster answers. READ_MODEL_BEHIND, POSITION_DIVERGED,
 *           NOT_FOUND. QUEUE_FULL, STOPPING. KEYS_DOWN: keys cannot be looked at now. INTERNAL: there
 *           are none on this node, a master key is in no file, or more than a few are lost. */
#ifndef PW_API_QUERY_H
#define PW_API_QUERY_H

#include "api/headers.h"
#include "api/query_table.h"
#include "api/text.h"
#include "projections/galera.h"

struct pw_vault;

#define PW_QUERY_QUEUE_MAX     4096 /* Asks that wait for a thread or a position. */
#define PW_QUERY_AGAIN_US      (10 * PW_US_PER_MS)
#define PW_QUERY_LIMIT_DEFAULT 50
#define PW_QUERY_LIMIT_MAX     500

/* Where a page begins: after this row. */
struct pw_query_after {
    int64_t order_at_us;
    struct pw_id key;
};

struct pw_query_ask {
    /* The question. */
    const struct pw_query_info *info;
    const char *trace_id; /* For the log: a fault's detail stands in no answer. Or NULL. */
    struct pw_arena *arena;
    struct pw_id tenant_id;
    struct pw_id actor_id;
    uint32_t actor_roles;
    uint32_t partition;   /* The tenant's. */
    struct pw_id key;     /* Of a thing. */
    struct pw_id param;   /* Of info->param_name. */
    uint32_t filter_bits; /* Which of info->filters are set. */
    struct pw_id filter_ids[PW_QUERY_FILTERS_MAX];
    int64_t filter_numbers[PW_QUERY_FILTERS_MAX];
    struct pw_str email; /* Of the filter whose kind is SEALED; empty: not given. */
    bool as_csv;         /* A list; the body is rows that end with CRLF, without a header. */
    bool
        as_events; /* A list; the body is server-sent events in rising order, after after.order_at_us. */
    uint32_t limit;
    bool has_after;
    struct pw_query_after after;
    bool has_min_position; /* min_position is about this partition. */
    struct pw_min_position min_position;
    int64_t give_up_boot_us;

    /* The answer. */
    enum pw_code code;
    struct pw_str body; /* The thing, or the items as a JSON array or as CSV. */
    uint32_t version;   /* Of a thing. */
    struct pw_position position;
    bool has_next;
    struct pw_query_after next_after;
    void (*done)(struct pw_query_ask *ask);
    void *self;

    /* The pool's own. */
    struct pw_hash email_tag;
    struct pw_query_ask *next;
    int64_t due_boot_us;
};

struct pw_query_pool;

/* options.first_node is where the first thread begins; the next ones follow on. The vault outlives
 * the pool; NULL: this node keeps no keys. */
enum pw_code pw_query_pool_new(const struct pw_galera_options *options, uint32_t threads,
                               struct pw_vault *vault, struct pw_query_pool **ret_pool,
                               struct pw_err *err);

/* PW_OK: it will be answered. Otherwise (QUEUE_FULL, STOPPING) it is still the caller's. */
enum pw_code pw_query_submit(struct pw_query_pool *pool, struct pw_query_ask *ask);

/* Answers what waits (STOPPING) and ends the threads. */
void pw_query_pool_free(struct pw_query_pool *pool);

/* True while the last query that was run reached the cluster. */
bool pw_query_pool_reaches(const struct pw_query_pool *pool);

/* --- For the pool's pages and their tests --- */

/* The statement of an ask, and what its `?`s are, in order. */
enum pw_bind_kind { PW_BIND_INTEGER, PW_BIND_ID, PW_BIND_HASH };
struct pw_query_bind {
    enum pw_bind_kind kind;
    int64_t integer;
    struct pw_id id;
    struct pw_hash hash;
};
#define PW_QUERY_BINDS_MAX 24
struct pw_str pw_query_compose(const struct pw_query_ask *ask, struct pw_arena *arena,
                               struct pw_query_bind *ret_binds, uint32_t *ret_bind_count);

/* Before a row's own columns: the position's offset and head. */
#define PW_QUERY_POSITION_COLUMNS 2

/* Opens what is sealed in the rows of one answer. */
struct pw_query_opener {
    struct pw_vault *vault; /* NULL: none. */
    uint32_t lost_count;
    struct pw_err err; /* Why a row could not be written. */
};

/* Adds the row that the query stands on, as a JSON object or as a line of CSV. */
enum pw_code pw_query_write_row(struct pw_text *text, struct pw_query_ask *ask,
                                const struct pw_query *query, struct pw_query_opener *opener);

/* Cursors as clients see them: opaque. */
#define PW_CURSOR_TEXT_BYTES 34
void pw_cursor_format(const struct pw_query_after *after, uint32_t query, char *ret_text);
bool pw_cursor_parse(struct pw_str text, uint32_t query, struct pw_query_after *ret_after);

#endif
