/* projections/migrate.c: runs the migrations that did not run yet. */
#include "projections/migrate.h"

#include <stdlib.h>
#include <time.h>

#define ATTEMPTS_MAX 40 /* With the handle's pauses, well over half a minute. */

static const char MIGRATIONS_TABLE[] =
    "CREATE TABLE IF NOT EXISTS pw_migrations ("
    "name VARCHAR(100) NOT NULL, content_hash BINARY(32) NOT NULL, PRIMARY KEY (name)"
    ") ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

static void pause_for(int64_t pause_us)
{
    const struct timespec pause = {pause_us / PW_US_PER_SECOND, pause_us % PW_US_PER_SECOND * 1000};
    nanosleep(&pause, NULL);
}

/* True where it is worth another try, after the pause that the handle asks for. */
static bool try_again(struct pw_galera *galera, enum pw_sql sql, uint32_t *attempts)
{
    if ((sql != PW_SQL_REDO && sql != PW_SQL_MOVE) || ++*attempts == ATTEMPTS_MAX) {
        return false;
    }
    pause_for(pw_galera_pause_us(galera));
    return true;
}

static enum pw_code run(struct pw_galera *galera, const char *sql, struct pw_err *err)
{
    uint32_t attempts = 0;
    enum pw_sql got;
    do {
        got = pw_galera_run(galera, sql, err);
    } while (try_again(galera, got, &attempts));
    return got == PW_SQL_OK ? PW_OK
                            : (got == PW_SQL_MOVE ? PW_ERR_READ_MODEL_DOWN : PW_ERR_INTERNAL);
}

static enum pw_code run_query(struct pw_galera *galera, struct pw_query *query,
                              enum pw_sql (*use)(struct pw_query *, struct pw_err *),
                              struct pw_err *err)
{
    uint32_t attempts = 0;
    enum pw_sql got;
    do {
        got = use(query, err);
    } while (try_again(galera, got, &attempts));
    return got == PW_SQL_OK ? PW_OK
                            : (got == PW_SQL_MOVE ? PW_ERR_READ_MODEL_DOWN : PW_ERR_INTERNAL);
}

static enum pw_sql use_run(struct pw_query *query, struct pw_err *err)
{
    return pw_query_run(query, NULL, err);
}

/* Runs the statements of one file, one by one. */
static enum pw_code run_file(struct pw_galera *galera, const struct pw_migration *migration,
                             struct pw_err *err)
{
    char *sql = strndup(migration->sql, migration->sql_bytes);
    if (sql == NULL) {
        abort();
    }
    enum pw_code code = PW_OK;
    char *at = sql;
    for (char *end = strstr(at, ";\n"); code == PW_OK && end != NULL; end = strstr(at, ";\n")) {
        *end = '\0';
        code = run(galera, at, err);
        at = end + 2;
    }
    free(sql);
    return code;
}

struct ledger_of_migrations {
    struct pw_galera *galera;
    struct pw_query *known;
    struct pw_query *remember;
};

static enum pw_code apply(struct ledger_of_migrations *ran, const struct pw_migration *migration,
                          const struct pw_migrate_progress *progress, struct pw_err *err)
{
    struct pw_str name = pw_str_of(migration->name);
    struct pw_hash hash = pw_sha256(migration->sql, migration->sql_bytes, NULL, 0);
    pw_query_bind_text(ran->known, 0, name);
    enum pw_code code = run_query(ran->galera, ran->known, pw_query_open, err);
    if (code != PW_OK) {
        return code;
    }
    if (pw_query_next(ran->known)) {
        struct pw_str kept = pw_query_text(ran->known, 0);
        return kept.len == sizeof hash.bytes && memcmp(kept.ptr, hash.bytes, kept.len) == 0
                   ? PW_OK
                   : pw_fail(err, PW_ERR_SETTING_WRONG,
                             "the migration %s ran here with another text than this binary has",
                             migration->name);
    }
    code = run_file(ran->galera, migration, err);
    if (code != PW_OK) {
        return code;
    }
    pw_query_bind_text(ran->remember, 0, name);
    pw_query_bind_bytes(ran->remember, 1, hash.bytes, sizeof hash.bytes);
    code = run_query(ran->galera, ran->remember, use_run, err);
    if (code == PW_OK && progress != NULL && progress->applied != NULL) {
        progress->applied(progress->self, migration->name);
    }
    return code;
}

enum pw_code pw_migrate_list(struct pw_galera *galera, const struct pw_migration *migrations,
                             uint32_t migration_count, const struct pw_migrate_progress *progress,
                             struct pw_err *err)
{
    enum pw_code code = run(galera, MIGRATIONS_TABLE, err);
    struct ledger_of_migrations ran = {
        galera, pw_galera_prepare(galera, "SELECT content_hash FROM pw_migrations WHERE name = ?"),
        pw_galera_prepare(galera,
                          "INSERT IGNORE INTO pw_migrations (name, content_hash) VALUES (?, ?)")};
    for (uint32_t i = 0; code == PW_OK && i < migration_count; i++) {
        code = apply(&ran, &migrations[i], progress, err);
    }
    pw_query_free(ran.known);
    pw_query_free(ran.remember);
    return code;
}

enum pw_code pw_migrate(struct pw_galera *galera, const struct pw_migrate_progress *progress,
                        struct pw_err *err)
{
    return pw_migrate_list(galera, pw_migrations, pw_migration_count, progress, err);
}
