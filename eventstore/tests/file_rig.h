/* eventstore/tests/file_rig.h: what tests of the file adapter share: directories of their own, and the bytes of their files.
 *
 * Contract  Each directory is new, below $TMPDIR (else where a sync costs nothing), and removed with all that is in it. Errors end the test. */
#ifndef PW_EVENTSTORE_TESTS_FILE_RIG_H
#define PW_EVENTSTORE_TESTS_FILE_RIG_H

#include "eventstore/file_parts.h"

struct file_rig {
    char dir[256];
};

void file_rig_open(struct file_rig *rig);
void file_rig_close(struct file_rig *rig);

/* A ledger of so many partitions in it. */
void file_rig_create(const struct file_rig *rig, uint32_t partition_count,
                     const struct pw_id *ledger_id);
struct pw_ledger file_rig_handle(const struct file_rig *rig, bool reads_only,
                                 struct pw_ledger_wake wake);

/* Appends (value NULL: a tombstone) and waits; gives the offset. */
int64_t file_rig_put(const struct pw_ledger *ledger, uint32_t partition, const void *value,
                     size_t value_bytes);
void file_rig_skip(const struct pw_ledger *ledger, uint32_t partition, int64_t offset);

/* Writes the partition's file anew without the records before that offset, and puts it in its place. */
void file_rig_delete_before(const struct file_rig *rig, uint32_t partition, int64_t offset);
void file_rig_unlink(const struct file_rig *rig, uint32_t partition);

/* A partition's whole file; the caller frees it. */
uint8_t *file_rig_load(const struct file_rig *rig, uint32_t partition, size_t *ret_bytes);
/* Puts these bytes into the same file, in place. */
void file_rig_store(const struct file_rig *rig, uint32_t partition, const void *data, size_t bytes);
void file_rig_unmark(const struct file_rig *rig); /* Deletes `writer`. */

#endif
