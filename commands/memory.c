/* commands/memory.c: memory for state, or the end of the process. */
#include "commands/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

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

void *pw_region_new(size_t bytes)
{
    void *region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED) {
        pw_memory_exhausted("out of memory");
    }
    /* A fork copies an entry of the page tables for each page: of huge ones there are few. */
    (void)madvise(region, bytes, MADV_HUGEPAGE);
    pw_region_share(region, bytes, false);
    return region;
}

/* At once is cheaper than page by page; and a page that is read before it is written would be mapped
 * twice, the second time with word to every core. Where the kernel does not know it (before 5.14), so
 * be it. */
void pw_region_touch(void *region, size_t bytes)
{
    (void)madvise(region, bytes, MADV_POPULATE_WRITE);
}

void pw_region_free(void *region, size_t bytes)
{
    munmap(region, bytes);
}

/* Advice only: where it is not taken, a fork costs more. */
void pw_region_share(void *region, size_t bytes, bool shared)
{
    (void)madvise(region, bytes, shared ? MADV_DOFORK : MADV_DONTFORK);
}
