/* commands/memory.h: memory for state.
 *
 * Contract  State that was confirmed cannot be left out for want of memory, and nothing that was
 *           acknowledged may be lost: when memory runs out the process ends, with one clear line.
 * Owner     The caller; given back by free().
 * Threads   Any.
 */
#ifndef PW_COMMANDS_MEMORY_H
#define PW_COMMANDS_MEMORY_H

#include <stddef.h>

/* Zeroed. */
void *pw_memory_new(size_t count, size_t bytes);

/* As realloc: what is new is not zeroed. */
void *pw_memory_grow(void *memory, size_t bytes);

/* Ends the process with that line on standard error. */
_Noreturn void pw_memory_exhausted(const char *what);

#endif
