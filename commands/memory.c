/* commands/memory.c: memory for state, or the end of the process. */
#include "commands/memory.h"

#include <stdio.h>
#include <stdlib.h>

void pw_memory_exhausted(const char *what)
{
    fprintf(stderr, "proctorwise: %s: the state does not fit; ending, the ledger has all\n", what);
    abort();
}

void *pw_memory_new(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    if (memory == NULL) {
        pw_memory_exhausted("out of memory");
    }
    return memory;
}

void *pw_memory_grow(void *memory, size_t bytes)
{
    void *grown = realloc(memory, bytes);
    if (grown == NULL) {
        pw_memory_exhausted("out of memory");
    }
    return grown;
}
