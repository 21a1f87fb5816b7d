/* schemas/arena.h: memory that is taken piece by piece and given back at once.
 *
 * Contract  pw_arena_take gives zeroed, 16-byte aligned memory, or NULL past the ceiling, which
 *           counts what was taken, rounded up to 16 bytes each. Pointers live until the reset.
 * Owner     The arena owns its blocks; pw_arena_close frees them.
 * Threads   One owner: one arena serves one request. */
#ifndef PW_SCHEMAS_ARENA_H
#define PW_SCHEMAS_ARENA_H

#include "schemas/types.h"

struct pw_arena_block;

struct pw_arena {
    struct pw_arena_block *blocks; /* Newest first. */
    size_t taken_bytes;
    size_t bytes_max;
};

void pw_arena_init(struct pw_arena *arena, size_t bytes_max);
void *pw_arena_take(struct pw_arena *arena, size_t bytes);
/* {NULL, 0} past the ceiling; an empty text is not NULL. */
struct pw_str pw_arena_copy(struct pw_arena *arena, struct pw_str text);
void pw_arena_reset(struct pw_arena *arena);  /* Keeps its largest block for the next use. */
void pw_arena_forget(struct pw_arena *arena); /* The same, and what was in it is overwritten. */
void pw_arena_close(struct pw_arena *arena);

#endif
