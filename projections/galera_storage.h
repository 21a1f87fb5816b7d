/* projections/galera_storage.h: rows and positions in the Galera cluster.
 *
 * Contract  As projections/storage.h. Upserts are bound as arrays, up to a thousand rows in one
 *           message; positions are read with wsrep_sync_wait, so behind everything that the cluster
 *           had taken when they were asked for.
 * Owner     The storage owns the handle it makes; close frees it.
 * Threads   One. */
#ifndef PW_PROJECTIONS_GALERA_STORAGE_H
#define PW_PROJECTIONS_GALERA_STORAGE_H

#include "projections/galera.h"
#include "projections/storage.h"

/* Connects nowhere yet. */
enum pw_code pw_galera_storage_open(const struct pw_galera_options *options,
                                    struct pw_storage *ret_storage, struct pw_err *err);

/* The INSERT ... ON DUPLICATE KEY UPDATE of a table; for tests and for the bench's bare path. False
 * when it does not fit. */
bool pw_upsert_sql(const struct pw_table *table, char *ret_sql, size_t room);

#endif
