/* api/query_sql.c: the statement of an ask, out of the table of queries. */
#include <stdio.h>

#include "api/query.h"

struct composer {
    struct pw_text text;
    struct pw_query_bind *binds;
    uint32_t count;
};

static void bind_id(struct composer *composer, const struct pw_id *id)
{
    assert(composer->count < PW_QUERY_BINDS_MAX);
    composer->binds[composer->count++] = (struct pw_query_bind){.kind = PW_BIND_ID, .id = *id};
}

static void bind_hash(struct composer *composer, const struct pw_hash *hash)
{
    assert(composer->count < PW_QUERY_BINDS_MAX);
    composer->binds[composer->count++] =
        (struct pw_query_bind){.kind = PW_BIND_HASH, .hash = *hash};
}

static void bind_integer(struct composer *composer, int64_t value)
{
    assert(composer->count < PW_QUERY_BINDS_MAX);
    composer->binds[composer->count++] =
        (struct pw_query_bind){.kind = PW_BIND_INTEGER, .integer = value};
}

/* Which scopes apply; none where one of them is everything. */
static uint32_t scopes_of(const struct pw_query_ask *ask)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < PW_QUERY_SCOPES_MAX; i++) {
        const struct pw_query_scope *scope = &ask->info->scopes[i];
        if ((scope->roles & ask->actor_roles) != 0) {
            if (scope->sql == NULL) {
                return 0;
            }
            bits |= UINT32_C(1) << i;
        }
    }
    assert(bits != 0); /* The route's roles are those of its scopes. */
    return bits;
}

/* The other read models that the scopes read, each once. */
static uint32_t others_of(const struct pw_query_ask *ask, uint32_t scopes,
                          const char *ret_others[PW_QUERY_SCOPES_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < PW_QUERY_SCOPES_MAX; i++) {
        const char *also = (scopes & (UINT32_C(1) << i)) != 0 ? ask->info->scopes[i].also : NULL;
        bool is_new = also != NULL;
        for (uint32_t j = 0; j < count; j++) {
            is_new = is_new && strcmp(ret_others[j], also) != 0;
        }
        if (is_new) {
            ret_others[count++] = also;
        }
    }
    return count;
}

/* What reads several read models is as current as the one that is furthest behind: its offset and head. */
static void add_current(struct composer *composer, uint32_t other_count)
{
    struct pw_text *text = &composer->text;
    if (other_count == 0) {
        pw_text_add_c(text, "SELECT p.record_offset, p.head");
        return;
    }
    for (int column = 0; column < 2; column++) {
        pw_text_add_c(text, column == 0 ? "SELECT " : ", CASE ");
        pw_text_add_c(text, "LEAST(p.record_offset");
        for (uint32_t i = 0; i < other_count; i++) {
            pw_text_addf(text, ", p%u.record_offset", i);
        }
        pw_text_add_c(text, ")");
    }
    for (uint32_t i = 0; i < other_count; i++) {
        pw_text_addf(text, " WHEN p%u.record_offset THEN p%u.head", i, i);
    }
    pw_text_add_c(text, " ELSE p.head END");
}

static void add_scopes(struct composer *composer, const struct pw_query_ask *ask, uint32_t scopes)
{
    const char *joint = " AND (";
    for (uint32_t i = 0; i < PW_QUERY_SCOPES_MAX; i++) {
        if ((scopes & (UINT32_C(1) << i)) != 0) {
            pw_text_addf(&composer->text, "%s%s", joint, ask->info->scopes[i].sql);
            bind_id(composer, &ask->actor_id);
            joint = " OR ";
        }
    }
    pw_text_add_c(&composer->text, scopes != 0 ? ")" : "");
}

/* Every set of roles that has this one, so that an index on the set finds the few who have a rare one. */
static void add_sets_with(struct composer *composer, const char *column, int64_t role)
{
    const char *joint = " IN (";
    pw_text_addf(&composer->text, " AND %s", column);
    for (uint32_t set = 1; set <= PW_EVERYONE; set++) {
        if ((set & ~PW_EVERYONE) == 0 && (set >> role & 1) != 0) {
            pw_text_addf(&composer->text, "%s%u", joint, set);
            joint = ",";
        }
    }
    pw_text_add_c(&composer->text, ")");
}

static void add_filter(struct composer *composer, const struct pw_query_ask *ask, uint32_t number)
{
    const struct pw_query_filter *filter = &ask->info->filters[number];
    if (filter->kind == PW_ANSWER_ROLES) {
        add_sets_with(composer, filter->sql, ask->filter_numbers[number]);
        return;
    }
    pw_text_addf(&composer->text, " AND %s", filter->sql);
    if (filter->kind == PW_ANSWER_ID) {
        bind_id(composer, &ask->filter_ids[number]);
    } else if (filter->kind == PW_ANSWER_SEALED) {
        bind_hash(composer, &ask->email_tag);
    } else {
        bind_integer(composer, ask->filter_numbers[number]);
    }
}

static void add_filters(struct composer *composer, const struct pw_query_ask *ask)
{
    for (uint32_t i = 0; i < PW_QUERY_FILTERS_MAX; i++) {
        if ((ask->filter_bits & (UINT32_C(1) << i)) != 0) {
            add_filter(composer, ask, i);
        }
    }
}

static bool is_falling(const struct pw_query_ask *ask)
{
    return ask->info->newest_first && !ask->as_events;
}

static void add_after(struct composer *composer, const struct pw_query_ask *ask)
{
    const struct pw_query_info *info = ask->info;
    if (!ask->has_after) {
        return;
    }
    const char *later = is_falling(ask) ? "<" : ">";
    if (ask->as_events) { /* Numbers, of which none is there twice. */
        pw_text_addf(&composer->text, " AND %s > ?", info->order_column);
        bind_integer(composer, ask->after.order_at_us);
        return;
    }
    if (info->order_column == NULL) {
        pw_text_addf(&composer->text, " AND %s %s ?", info->key_column, later);
        bind_id(composer, &ask->after.key);
        return;
    }
    if (info->key_column == NULL) {
        pw_text_addf(&composer->text, " AND %s > ?", info->order_column);
        bind_integer(composer, ask->after.order_at_us);
        return;
    }
    /* The first condition lets the index begin there; the second one makes it exact. */
    pw_text_addf(&composer->text, " AND %s %s= ? AND (%s %s ? OR %s %s ?)", info->order_column,
                 later, info->order_column, later, info->key_column, later);
    bind_integer(composer, ask->after.order_at_us);
    bind_integer(composer, ask->after.order_at_us);
    bind_id(composer, &ask->after.key);
}

/* The number of the column that the list is in order of, and of the key: 0. */
static uint32_t order_column_of(const struct pw_query_info *info)
{
    uint32_t i = 0;
    while (info->order_column != NULL && strcmp(info->columns[i].sql, info->order_column) != 0) {
        i++;
        assert(i < info->column_count);
    }
    return i;
}

/* The rows, as a table of their own with columns c0, c1, ...: so the index gives their order, and
 * reading ends at the limit. */
static void add_rows(struct composer *composer, const struct pw_query_ask *ask, uint32_t scopes)
{
    const struct pw_query_info *info = ask->info;
    for (uint32_t i = 0; i < info->column_count; i++) {
        pw_text_addf(&composer->text, "%s %s AS c%u", i == 0 ? "(SELECT" : ",",
                     info->columns[i].sql, i);
    }
    pw_text_addf(&composer->text,
                 " FROM %s t%s WHERE t.generation = " PW_GENERATION_OF("%s") " AND t.tenant_id = ?",
                 info->table != NULL ? info->table : info->projection,
                 info->joined != NULL ? info->joined : "", info->projection);
    bind_id(composer, &ask->tenant_id);
    if (info->fixed != NULL) {
        pw_text_addf(&composer->text, " AND %s", info->fixed);
    }
    if (!info->is_list) {
        pw_text_addf(&composer->text, " AND %s = ?", info->key_column);
        bind_id(composer, &ask->key);
    } else if (info->param_name != NULL) {
        pw_text_addf(&composer->text, " AND %s = ?", info->param_column);
        bind_id(composer, &ask->param);
    }
    add_scopes(composer, ask, scopes);
    add_filters(composer, ask);
    add_after(composer, ask);
    if (info->grouped_by != NULL) {
        pw_text_addf(&composer->text, " GROUP BY %s", info->grouped_by);
    }
    if (info->is_list) {
        const char *falling = is_falling(ask) ? " DESC" : "";
        pw_text_add_c(&composer->text, " ORDER BY ");
        if (info->order_column != NULL) {
            pw_text_addf(&composer->text, "%s%s%s", info->order_column, falling,
                         info->key_column != NULL ? ", " : "");
        }
        if (info->key_column != NULL) {
            pw_text_addf(&composer->text, "%s%s", info->key_column, falling);
        }
        pw_text_add_c(&composer->text, " LIMIT ?");
        bind_integer(composer, ask->limit + 1);
    }
    pw_text_add_c(&composer->text, ") r");
}

static void add_position(struct composer *composer, const struct pw_query_ask *ask,
                         const char *alias, const char *projection)
{
    pw_text_addf(&composer->text,
                 "%s.projection = '%s' AND %s.generation = " PW_GENERATION_OF(
                     "%s") " AND "
                           "%s.partition_number = ?",
                 alias, projection, alias, projection, alias);
    bind_integer(composer, ask->partition);
}

struct pw_str pw_query_compose(const struct pw_query_ask *ask, struct pw_arena *arena,
                               struct pw_query_bind *ret_binds, uint32_t *ret_bind_count)
{
    const struct pw_query_info *info = ask->info;
    struct composer composer = {.binds = ret_binds};
    uint32_t scopes = scopes_of(ask);
    const char *others[PW_QUERY_SCOPES_MAX];
    uint32_t other_count = others_of(ask, scopes, others);
    pw_text_init(&composer.text, arena, 2048);
    add_current(&composer, other_count);
    for (uint32_t i = 0; i < info->column_count; i++) {
        pw_text_addf(&composer.text, ", r.c%u", i);
    }
    /* One statement is one snapshot. Rows hang on their position by a left join, so that an empty
     * answer has its position too. */
    pw_text_add_c(&composer.text, " FROM pw_positions p");
    for (uint32_t i = 0; i < other_count; i++) {
        char alias[16];
        snprintf(alias, sizeof alias, "p%u", i);
        pw_text_addf(&composer.text, " JOIN pw_positions %s ON ", alias);
        add_position(&composer, ask, alias, others[i]);
    }
    pw_text_add_c(&composer.text, " LEFT JOIN ");
    add_rows(&composer, ask, scopes);
    pw_text_add_c(&composer.text, " ON TRUE WHERE ");
    add_position(&composer, ask, "p", info->projection);
    if (info->is_list) {
        const char *falling = is_falling(ask) ? " DESC" : "";
        pw_text_addf(&composer.text, " ORDER BY r.c%u%s, r.c0%s", order_column_of(info), falling,
                     falling);
    }
    *ret_bind_count = composer.count;
    const char *sql = pw_text_c(&composer.text);
    return sql != NULL ? pw_str_of(sql) : (struct pw_str){NULL, 0};
}

/* The number of the query, 8 bytes of the order, 16 of the key: 25 bytes as base64url. */
void pw_cursor_format(const struct pw_query_after *after, uint32_t query, char *ret_text)
{
    uint8_t bytes[25];
    bytes[0] = (uint8_t)query;
    for (int i = 0; i < 8; i++) {
        bytes[1 + i] = (uint8_t)((uint64_t)after->order_at_us >> (56 - 8 * i));
    }
    memcpy(bytes + 9, after->key.bytes, 16);
    static_assert(PW_BASE64URL_BYTES(sizeof bytes) == PW_CURSOR_TEXT_BYTES, "a cursor's length");
    pw_base64url_format(bytes, sizeof bytes, ret_text);
}

bool pw_cursor_parse(struct pw_str text, uint32_t query, struct pw_query_after *ret_after)
{
    uint8_t bytes[25];
    uint64_t order = 0;
    if (!pw_base64url_parse(text, bytes, sizeof bytes) || bytes[0] != query) {
        return false;
    }
    for (int i = 0; i < 8; i++) {
        order = order << 8 | bytes[1 + i];
    }
    if (order > (uint64_t)PW_AT_US_MAX) {
        return false;
    }
    ret_after->order_at_us = (int64_t)order;
    memcpy(ret_after->key.bytes, bytes + 9, 16);
    return true;
}
