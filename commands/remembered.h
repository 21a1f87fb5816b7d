/* commands/remembered.h: which command ids a partition has decided, and where the decision lies.
 *
 * Contract  An id is a (boundary, actor, command id), kept as the first 16 bytes of its SHA-256.
 *           It is remembered until the ledger's own time (decided_at_us of accepted records, never
 *           a clock) passes its expiry: the time in a UUIDv7 plus the horizon, or the decision's
 *           time plus the horizon for any other id. 24 bytes an id, in steps of a minute.
 * Owner     The memory owns its table. */
#ifndef PW_COMMANDS_REMEMBERED_H
#define PW_COMMANDS_REMEMBERED_H

#include "schemas/wire.h"

struct pw_remembered;

struct pw_remembered *pw_remembered_new(void);
void pw_remembered_free(struct pw_remembered *memory);

struct pw_id pw_remembered_key(const struct pw_id *boundary_id, const struct pw_id *actor_id,
                               const struct pw_id *command_id);

/* When an id that was decided at that time is forgotten. */
int64_t pw_remembered_expires_at(const struct pw_id *command_id, int64_t decided_at_us,
                                 int64_t horizon_us);

void pw_remembered_add(struct pw_remembered *memory, const struct pw_id *key, int64_t offset,
                       int64_t expires_at_us);

/* The offset of the record that holds the decision; -1 when the id is not remembered at that time
 * of the ledger. */
int64_t pw_remembered_find(const struct pw_remembered *memory, const struct pw_id *key,
                           int64_t now_us);

/* Drops what is expired at that time of the ledger; does the work at most once in an hour of the
 * ledger's time. */
void pw_remembered_expire(struct pw_remembered *memory, int64_t now_us);

/* One canonical form: [[key, offset, minute of expiry], ...], sorted by key, of those ids that are
 * remembered at that time of the ledger. Read into a new memory; the cursor is bad where it is given
 * anything else, or an offset above offset_max. */
void pw_remembered_serialise(const struct pw_remembered *memory, int64_t now_us,
                             struct pw_buffer *buffer);
void pw_remembered_read(struct pw_remembered *memory, int64_t now_us, int64_t offset_max,
                        struct pw_cursor *cursor);

/* Whether children that are forked from now on have the memory (commands/map.h). */
void pw_remembered_share(const struct pw_remembered *memory, bool shared);

uint64_t pw_remembered_count(const struct pw_remembered *memory);

/* What it holds in memory now, for metrics. */
uint64_t pw_remembered_memory_bytes(const struct pw_remembered *memory);

#endif
