/* projections/migrate.h: brings the read models' tables to what this binary needs.
 *
 * Contract  A migration is a file migrations/NNN-name.sql, built into the binary; they run in the
 *           order of their names, and each that ran is kept with its hash in the table
 *           pw_migrations. Safe to repeat, with another migrator at once, and after a kill in the
 *           middle: every statement says IF NOT EXISTS or IGNORE, since Galera knows no lock that
 *           would hold others off (DDL runs in total order, everywhere, one by one). Statements end
 *           with `;` at the end of a line. A file that ran is never edited: append the next one.
 * Threads   Uses the handle, so one thread. Give one with a generous timeout_s.
 * Errors    READ_MODEL_DOWN: no node works. SETTING_WRONG: a file was edited after it ran.
 *           INTERNAL: a statement is wrong, or the account may not do it. */
#ifndef PW_PROJECTIONS_MIGRATE_H
#define PW_PROJECTIONS_MIGRATE_H

#include "projections/galera.h"

struct pw_migration {
    const char *name; /* `001-positions` */
    const char *sql;
    size_t sql_bytes;
};

extern const struct pw_migration pw_migrations[];
extern const uint32_t pw_migration_count;

/* Told of each migration that was run now; NULL members are not called. */
struct pw_migrate_progress {
    void *self;
    void (*applied)(void *self, const char *name);
};

enum pw_code pw_migrate(struct pw_galera *galera, const struct pw_migrate_progress *progress,
                        struct pw_err *err);

/* The same with another list: for tests of the way it goes. */
enum pw_code pw_migrate_list(struct pw_galera *galera, const struct pw_migration *migrations,
                             uint32_t migration_count, const struct pw_migrate_progress *progress,
                             struct pw_err *err);

#endif
