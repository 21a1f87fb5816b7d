/* api/query.c: query threads, and one ask from statement to JSON. */
#include "api/query.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "api/log.h"
#include "api/sealing.h"
#include "commands/memory.h"
#include "schemas/condition.h"

#define ATTEMPTS_MAX    4
#define ARENA_BYTES_MAX (4 * 1024 * 1024)
#define PAGE_BYTES      (512 * 1024) /* A page ends with the row that passes this: rows may be long. */
#define STATEMENTS_MAX  128 /* Prepared per thread: the table's shapes times the filters in use. */

struct statement {
    char *sql;
    struct pw_query *query;
};

struct worker {
    struct pw_query_pool *pool;
    struct pw_galera *galera;
    struct pw_arena arena; /* For the statement and the rows of one attempt. */
    struct statement statements[STATEMENTS_MAX];
    uint32_t statement_count;
    pthread_t thread;
    bool started;
};

struct pw_query_pool {
    struct pw_vault *vault;
    struct worker *workers;
    uint32_t worker_count;
    atomic_bool reaches;
    pthread_mutex_t lock; /* Guards what follows. */
    pthread_cond_t changed;
    struct pw_query_ask *first; /* To be asked now. */
    struct pw_query_ask *last;
    struct pw_query_ask *waiting; /* To be asked again. */
    uint32_t count;
    bool stopping;
};

static int64_t boot_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

/* --- One ask --- */

/* Statements are made once a thread and shape. When the table is full all are made anew: that is
 * rare, and costs a round trip each. */
static struct pw_query *statement_of(struct worker *worker, struct pw_str sql)
{
    for (uint32_t i = 0; i < worker->statement_count; i++) {
        if (strcmp(worker->statements[i].sql, sql.ptr) == 0) {
            return worker->statements[i].query;
        }
    }
    if (worker->statement_count == STATEMENTS_MAX) {
        for (uint32_t i = 0; i < STATEMENTS_MAX; i++) {
            pw_query_free(worker->statements[i].query);
            free(worker->statements[i].sql);
        }
        worker->statement_count = 0;
    }
    struct statement *statement = &worker->statements[worker->statement_count++];
    statement->sql = pw_memory_new(sql.len + 1, 1);
    memcpy(statement->sql, sql.ptr, sql.len);
    statement->query = pw_galera_prepare(worker->galera, sql.ptr);
    return statement->query;
}

static void bind(struct pw_query *query, const struct pw_query_bind *binds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        switch (binds[i].kind) {
        case PW_BIND_INTEGER: pw_query_bind_integer(query, i, binds[i].integer); break;
        case PW_BIND_ID: pw_query_bind_id(query, i, &binds[i].id); break;
        case PW_BIND_HASH:
            pw_query_bind_bytes(query, i, binds[i].hash.bytes, sizeof binds[i].hash.bytes);
            break;
        }
    }
}

/* A fault's detail stays in the log, under the trace id that the answer names. */
static enum pw_code fault(const struct pw_query_ask *ask, const char *detail)
{
    pw_log(PW_LOG_ERROR, "queries", ask->partition, ask->trace_id, "%s: %s", ask->info->name,
           detail);
    return PW_ERR_INTERNAL;
}

/* What the caller hears of keys that cannot be used. */
static enum pw_code code_of_keys(const struct pw_query_ask *ask, enum pw_code code,
                                 const struct pw_err *err)
{
    return code == PW_OK || code == PW_ERR_READ_MODEL_DOWN ? code
           : code == PW_ERR_LEDGER_DOWN                    ? PW_ERR_KEYS_DOWN
                                                           : fault(ask, err->detail);
}

static void add_none_yet(struct pw_text *text, const struct pw_query_ask *ask)
{
    char key[PW_ID_TEXT_BYTES + 1];
    pw_id_format(&ask->key, key);
    pw_text_addf(text, "{\"%s\":\"%s\",%s}", ask->info->columns[0].name, key, ask->info->none_yet);
}

/* Reads the rows that an opened query gives. */
static enum pw_code take_rows(struct worker *worker, struct pw_query_ask *ask,
                              struct pw_query *query)
{
    struct pw_text text;
    struct pw_query_opener opener = {.vault = worker->pool->vault};
    uint32_t count = 0;
    bool is_array = ask->info->is_list && !ask->as_csv && !ask->as_events;
    pw_text_init(&text, &worker->arena, 1024);
    pw_text_add_c(&text, is_array ? "[" : "");
    if (!pw_query_next(query)) {
        return PW_ERR_READ_MODEL_BEHIND; /* It was never read by a worker. */
    }
    struct pw_str head = pw_query_text(query, 1);
    ask->position.partition = ask->partition;
    ask->position.offset = pw_query_integer(query, 0);
    memcpy(ask->position.head, head.len >= 4 ? head.ptr : "\0\0\0", 4);
    if (ask->position.offset < 0) {
        return PW_ERR_READ_MODEL_BEHIND;
    }
    bool more = !pw_query_is_null(query, PW_QUERY_POSITION_COLUMNS);
    while (more && count < (ask->info->is_list ? ask->limit : 1) && text.len < PAGE_BYTES) {
        pw_text_add_c(&text, is_array && count > 0 ? "," : "");
        enum pw_code code = pw_query_write_row(&text, ask, query, &opener);
        if (code != PW_OK) {
            return code_of_keys(ask, code, &opener.err);
        }
        count++;
        more = pw_query_next(query);
    }
    ask->has_next = ask->info->is_list && more;
    pw_text_add_c(&text, is_array ? "]" : "");
    ask->body = pw_text_str(&text); /* Copied into the ask's arena once it is final. */
    if (text.full) {
        return fault(ask, "the answer is too large");
    }
    if (count == 0 && ask->info->none_yet != NULL) {
        add_none_yet(&text, ask);
        ask->body = pw_text_str(&text);
        return PW_OK;
    }
    return count == 0 && !ask->info->is_list ? PW_ERR_NOT_FOUND : PW_OK;
}

/* How the position that was read stands to the one that was asked for. */
static enum pw_code check_position(const struct pw_query_ask *ask)
{
    const struct pw_position *wanted = &ask->min_position.position;
    if (!ask->has_min_position || ask->position.offset > wanted->offset) {
        return PW_OK;
    }
    if (ask->position.offset < wanted->offset) {
        return PW_ERR_READ_MODEL_BEHIND;
    }
    bool same = memcmp(ask->position.head, wanted->head, sizeof wanted->head) == 0;
    return same || !ask->min_position.has_head ? PW_OK : PW_ERR_POSITION_DIVERGED;
}

static enum pw_code open_query(struct worker *worker, const struct pw_query_ask *ask,
                               struct pw_query *query)
{
    struct pw_err err = {0};
    enum pw_sql result = PW_SQL_MOVE;
    for (int attempt = 0; attempt < ATTEMPTS_MAX && result != PW_SQL_OK; attempt++) {
        result = pw_query_open(query, &err);
        if (result == PW_SQL_FAULT) {
            return fault(ask, err.detail);
        }
    }
    atomic_store_explicit(&worker->pool->reaches, result == PW_SQL_OK, memory_order_relaxed);
    return result == PW_SQL_OK ? PW_OK : PW_ERR_READ_MODEL_DOWN;
}

static enum pw_code run_statement(struct worker *worker, struct pw_query_ask *ask)
{
    struct pw_query_bind binds[PW_QUERY_BINDS_MAX];
    uint32_t bind_count = 0;
    pw_arena_reset(&worker->arena);
    struct pw_str sql = pw_query_compose(ask, &worker->arena, binds, &bind_count);
    if (sql.ptr == NULL) {
        return fault(ask, "the statement is too large");
    }
    struct pw_query *query = statement_of(worker, sql);
    bind(query, binds, bind_count);
    enum pw_code code = open_query(worker, ask, query);
    code = code != PW_OK ? code : take_rows(worker, ask, query);
    pw_query_close(query);
    if (code == PW_OK || code == PW_ERR_NOT_FOUND) {
        enum pw_code position_code = check_position(ask);
        code = position_code != PW_OK ? position_code : code;
    }
    return code;
}

/* Makes the tag of the address that is asked for. A tenant without an equality key has no addresses: *ret_has_key is false then, and
 * the tag one that nobody has. */
static enum pw_code make_tag(struct worker *worker, struct pw_query_ask *ask, bool *ret_has_key)
{
    struct pw_query *query = statement_of(
        worker,
        PW_STR("SELECT k.key_id FROM equality_keys k WHERE k.generation = " PW_GENERATION_OF(
            "users") " AND k.tenant_id = ?"));
    struct pw_err err = {0};
    pw_query_bind_id(query, 0, &ask->tenant_id);
    enum pw_code code = open_query(worker, ask, query);
    *ret_has_key = code == PW_OK && pw_query_next(query);
    ask->email_tag = (struct pw_hash){{0}};
    if (!*ret_has_key) {
        return code;
    }
    struct pw_id key_id = pw_query_id(query, 0);
    code = worker->pool->vault == NULL
               ? pw_fail(&err, PW_ERR_SETTING_WRONG, "keys.master_files is not set here")
               : pw_sealing_email_tag(worker->pool->vault, &ask->tenant_id, &key_id, ask->email,
                                      &ask->email_tag, &err);
    return code_of_keys(ask, code, &err);
}

static enum pw_code run_ask(struct worker *worker, struct pw_query_ask *ask)
{
    bool has_key = true;
    enum pw_code code = ask->email.len > 0 ? make_tag(worker, ask, &has_key) : PW_OK;
    code = code != PW_OK ? code : run_statement(worker, ask);
    if (code == PW_OK && !has_key) { /* It may have been chosen before the rows were read. */
        code = make_tag(worker, ask, &has_key);
        code = code != PW_OK || !has_key ? code : run_statement(worker, ask);
    }
    return code;
}

/* --- The pool --- */

static void push(struct pw_query_pool *pool, struct pw_query_ask *ask)
{
    ask->next = NULL;
    if (pool->last != NULL) {
        pool->last->next = ask;
    } else {
        pool->first = ask;
    }
    pool->last = ask;
}

/* Moves what is due from the waiting to those to be asked; gives when the next one is due. */
static int64_t promote_due(struct pw_query_pool *pool, int64_t now_us)
{
    int64_t next_us = INT64_MAX;
    struct pw_query_ask **link = &pool->waiting;
    while (*link != NULL) {
        struct pw_query_ask *ask = *link;
        if (ask->due_boot_us <= now_us || pool->stopping) {
            *link = ask->next;
            push(pool, ask);
        } else {
            next_us = ask->due_boot_us < next_us ? ask->due_boot_us : next_us;
            link = &ask->next;
        }
    }
    return next_us;
}

/* The next ask, or NULL at the end. */
static struct pw_query_ask *take(struct pw_query_pool *pool, bool *ret_stopping)
{
    pthread_mutex_lock(&pool->lock);
    int64_t next_us = promote_due(pool, boot_us());
    while (pool->first == NULL && !pool->stopping) {
        if (next_us == INT64_MAX) {
            pthread_cond_wait(&pool->changed, &pool->lock);
        } else {
            struct timespec until = pw_condition_deadline(next_us - boot_us());
            pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
        }
        next_us = promote_due(pool, boot_us());
    }
    struct pw_query_ask *ask = pool->first;
    if (ask != NULL) {
        pool->first = ask->next;
        pool->last = pool->first == NULL ? NULL : pool->last;
    }
    *ret_stopping = pool->stopping;
    pthread_mutex_unlock(&pool->lock);
    return ask;
}

static void ask_again(struct pw_query_pool *pool, struct pw_query_ask *ask)
{
    pthread_mutex_lock(&pool->lock);
    ask->due_boot_us = boot_us() + PW_QUERY_AGAIN_US;
    ask->next = pool->waiting;
    pool->waiting = ask;
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

static void answer(struct pw_query_pool *pool, struct pw_query_ask *ask, enum pw_code code)
{
    pthread_mutex_lock(&pool->lock);
    pool->count--;
    pthread_mutex_unlock(&pool->lock);
    ask->code = code;
    ask->done(ask);
}

static void *run(void *self)
{
    struct worker *worker = self;
    struct pw_query_ask *ask;
    bool stopping = false;
    while ((ask = take(worker->pool, &stopping)) != NULL) {
        enum pw_code code = stopping ? PW_ERR_STOPPING : run_ask(worker, ask);
        if (code == PW_ERR_READ_MODEL_BEHIND && boot_us() < ask->give_up_boot_us) {
            ask_again(worker->pool, ask);
            continue;
        }
        if (code == PW_OK) {
            ask->body = pw_arena_copy(ask->arena, ask->body);
            code = ask->body.ptr != NULL ? PW_OK : fault(ask, "the answer is too large");
        }
        answer(worker->pool, ask, code);
    }
    return NULL;
}

static enum pw_code worker_start(struct pw_query_pool *pool, struct worker *worker,
                                 const struct pw_galera_options *options, uint32_t number,
                                 struct pw_err *err)
{
    struct pw_galera_options own = *options;
    own.first_node += number;
    worker->pool = pool;
    pw_arena_init(&worker->arena, ARENA_BYTES_MAX);
    enum pw_code code = pw_galera_new(&own, &worker->galera, err);
    if (code == PW_OK && pthread_create(&worker->thread, NULL, run, worker) != 0) {
        code = pw_fail(err, PW_ERR_INTERNAL, "no more threads");
    }
    worker->started = code == PW_OK;
    return code;
}

enum pw_code pw_query_pool_new(const struct pw_galera_options *options, uint32_t threads,
                               struct pw_vault *vault, struct pw_query_pool **ret_pool,
                               struct pw_err *err)
{
    struct pw_query_pool *pool = pw_memory_new(1, sizeof *pool);
    pw_condition_init(&pool->changed);
    pthread_mutex_init(&pool->lock, NULL);
    pool->vault = vault;
    pool->workers = pw_memory_new(threads, sizeof *pool->workers);
    for (uint32_t i = 0; i < threads; i++) {
        pool->worker_count = i + 1;
        enum pw_code code = worker_start(pool, &pool->workers[i], options, i, err);
        if (code != PW_OK) {
            pw_query_pool_free(pool);
            return code;
        }
    }
    *ret_pool = pool;
    return PW_OK;
}

enum pw_code pw_query_submit(struct pw_query_pool *pool, struct pw_query_ask *ask)
{
    enum pw_code code = PW_OK;
    pthread_mutex_lock(&pool->lock);
    if (pool->stopping) {
        code = PW_ERR_STOPPING;
    } else if (pool->count == PW_QUERY_QUEUE_MAX) {
        code = PW_ERR_QUEUE_FULL;
    } else {
        pool->count++;
        push(pool, ask);
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
    return code;
}

void pw_query_pool_free(struct pw_query_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->worker_count; i++) {
        struct worker *worker = &pool->workers[i];
        if (worker->started) {
            pthread_join(worker->thread, NULL);
        }
        for (uint32_t j = 0; j < worker->statement_count; j++) {
            free(worker->statements[j].sql);
        }
        pw_galera_free(worker->galera);
        pw_arena_close(&worker->arena);
    }
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool->workers);
    free(pool);
}

bool pw_query_pool_reaches(const struct pw_query_pool *pool)
{
    return atomic_load_explicit(&pool->reaches, memory_order_relaxed);
}
