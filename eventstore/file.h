/* eventstore/file.h: the ledger in files, docs/file-ledger.md: one machine, no server beside us.
 *
 * Contract  As eventstore/ledger.h. One process writes to a directory at a time; all its handles share one writer, whose thread
 *           writes and syncs what gathered meanwhile, and reports DELIVERED after that. Any number of handles in any process read,
 *           and see nothing that is not synced. A torn tail is cut when the next writer opens; a reader ends before it. Where a
 *           file is damaged, reading stops with LOST and a detail that names file and byte. DOWN: a file is away, or cannot be read.
 *           A sync that fails ends the process with one line on standard error.
 * Threads   As eventstore/ledger.h. A handle has a thread of its own where it has a `wake`, the writer has one a process.
 * Errors    SETTING_WRONG: there is no ledger, or not all of one. LEDGER_DAMAGED: names file and byte. LEDGER_DOWN: another process
 *           writes (the detail names it). */
#ifndef PW_EVENTSTORE_FILE_H
#define PW_EVENTSTORE_FILE_H

#include "eventstore/genesis.h"

#include <sys/types.h>

#define PW_FILE_EXIT 70 /* How the process ends when a sync fails. */

/* What a test can let fail. */
struct pw_file_io {
    void *self;
    ssize_t (*pwrite)(void *self, int fd, const void *data, size_t bytes, off_t place);
    int (*fdatasync)(void *self, int fd);
};

struct pw_file_config {
    const char *dir;
    bool
        may_lack; /* Writes also where files are missing (a copy of one partition); appends to those fail. */
    bool reads_only; /* append and renew give LEDGER_DOWN. */
    const struct pw_file_io *
        io; /* NULL: the system's. Of a process' handles on one directory, that of the first one. */
};

/* A handle for reading opens also where files are missing (an export of one partition): read_from says so. */
enum pw_code pw_file_open(const struct pw_file_config *config, struct pw_ledger_wake wake,
                          struct pw_ledger *ret_ledger, struct pw_err *err);

/* `admin ledger create`: directory, files, and a genesis in each. Safe to repeat, while another process writes, too. */
enum pw_code pw_file_create(const struct pw_file_config *config, const struct pw_ledger_plan *plan,
                            bool *ret_created, struct pw_id *ret_ledger_id, struct pw_err *err);

/* --- For copies of another log, with its offsets and times --- */

/* The directory, and an empty file for each partition from first to last, where there is none. */
enum pw_code pw_file_make(const char *dir, uint32_t partition_count, uint32_t first, uint32_t last,
                          bool *ret_made, struct pw_err *err);

/* As append, of a handle from pw_file_open, but the record gets this offset and time. value NULL: a tombstone. An offset below the
 * next one is reported FAILED. */
enum pw_code pw_file_append_at(const struct pw_ledger *ledger, uint32_t partition, int64_t offset,
                               int64_t broker_at_us, const void *value, size_t value_bytes,
                               uint64_t tag, struct pw_err *err);

/* No record: the log's next offset becomes this one. */
enum pw_code pw_file_skip_to(const struct pw_ledger *ledger, uint32_t partition, int64_t offset,
                             uint64_t tag, struct pw_err *err);

#endif
