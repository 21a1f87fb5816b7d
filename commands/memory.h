/* commands/memory.h: memory for state.
 *
 * Contract  State that was confirmed cannot be left out for want of memory, and nothing that was
 *           acknowledged may be lost: when memory runs out the process ends, with one clear line.
 *           A region is memory of whole pages that forked children do not have, unless it is
 *           shared for a while: a fork then takes no longer for all the state that the child has
 *           no use for.
 * Owner     The caller; given back by free(), a region by pw_region_free.
 * Threads   Any.
 */
#ifndef PW_COMMANDS_MEMORY_H
#define PW_COMMANDS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed. */
void *pw_memory_new(size_t count, size_t bytes);

/* As realloc: what is new is not zeroed. */
void *pw_memory_grow(void *memory, size_t bytes);

/* Zeroed. */
void *pw_region_new(size_t bytes);
void pw_region_touch(void *region, size_t bytes); /* All of it is written to soon. */
void pw_region_free(void *region, size_t bytes);
void pw_region_share(void *region, size_t bytes,
                     bool shared); /* With children forked from now on. */

/* Ends the process with that line on standard error. */
_Noreturn void pw_memory_exhausted(const char *what);

#endif
