/* schemas/arena.c: blocks that double in size; the newest, which is the largest, is kept. */
#include "schemas/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES_MIN 4096

struct pw_arena_block {
    struct pw_arena_block *older;
    size_t used_bytes;
    size_t room_bytes;
    alignas(16) uint8_t memory[];
};

void pw_arena_init(struct pw_arena *arena, size_t bytes_max)
{
    *arena = (struct pw_arena){.bytes_max = bytes_max};
}

static struct pw_arena_block *add_block(struct pw_arena *arena, size_t bytes)
{
    size_t room = arena->blocks != NULL ? 2 * arena->blocks->room_bytes : BLOCK_BYTES_MIN;
    struct pw_arena_block *block;

    room = room < bytes ? bytes : room;
    block = aligned_alloc(16, (sizeof *block + room + 15) & ~(size_t)15);
    if (block == NULL) {
        return NULL;
    }
    block->older = arena->blocks;
    block->used_bytes = 0;
    block->room_bytes = room;
    arena->blocks = block;
    return block;
}

void *pw_arena_take(struct pw_arena *arena, size_t bytes)
{
    struct pw_arena_block *block = arena->blocks;

    if (bytes > arena->bytes_max) {
        return NULL; /* Before the rounding, which could overflow. */
    }
    bytes = bytes == 0 ? 16 : (bytes + 15) & ~(size_t)15;
    if (bytes > arena->bytes_max - arena->taken_bytes) {
        return NULL;
    }
    if (block == NULL || bytes > block->room_bytes - block->used_bytes) {
        block = add_block(arena, bytes);
        if (block == NULL) {
            return NULL;
        }
    }
    void *taken = block->memory + block->used_bytes;
    block->used_bytes += bytes;
    arena->taken_bytes += bytes;
    return memset(taken, 0, bytes);
}

struct pw_str pw_arena_copy(struct pw_arena *arena, struct pw_str text)
{
    char *copy = pw_arena_take(arena, text.len);

    if (copy == NULL) {
        return (struct pw_str){NULL, 0};
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return (struct pw_str){copy, text.len};
}

static void free_blocks(struct pw_arena_block *block)
{
    while (block != NULL) {
        struct pw_arena_block *older = block->older;
        free(block);
        block = older;
    }
}

void pw_arena_reset(struct pw_arena *arena)
{
    if (arena->blocks != NULL) {
        free_blocks(arena->blocks->older);
        arena->blocks->older = NULL;
        arena->blocks->used_bytes = 0;
    }
    arena->taken_bytes = 0;
}

void pw_arena_forget(struct pw_arena *arena)
{
    for (struct pw_arena_block *block = arena->blocks; block != NULL; block = block->older) {
        explicit_bzero(block->memory, block->used_bytes);
    }
    pw_arena_reset(arena);
}

void pw_arena_close(struct pw_arena *arena)
{
    free_blocks(arena->blocks);
    *arena = (struct pw_arena){.bytes_max = arena->bytes_max};
}
