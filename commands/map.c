/* commands/map.c: a small index over entries that stay where they are.
 *
 * Two parts. `cells` is the open-addressing table: 8 bytes a cell, linear probing, at most three
 * quarters full, backward shift on removal (so nothing but live entries is ever probed). A cell
 * keeps 32 bits of the entry's hash, so that growth touches no entry. Entries (key, then value)
 * lie in pages, each as large as all before it: nothing is copied when the map grows, and
 * pointers stay good. Freed entries are chained through their own bytes. */
#include "commands/map.h"

#include "commands/memory.h"

#include <sodium.h>
#include <stdlib.h>

#define PAGE_0_ENTRIES    16
#define PAGES_MAX         29 /* 16 << 28 entries: all that 32 bits can number. */
#define CELLS_MIN         16
#define PREFETCH_DISTANCE 16
#define REGION_BYTES      (UINT64_C(1) << 20) /* A table of so many bytes is a region of its own. */

struct cell {
    uint32_t hash;
    uint32_t entry; /* Its number plus one; 0 for an empty cell. */
};

struct pw_map {
    struct cell *cells;
    uint64_t cell_count; /* A power of two, or 0. */
    uint64_t count;
    uint32_t key_bytes;
    uint32_t value_bytes;
    uint32_t value_offset;
    uint32_t entry_bytes;
    uint32_t entry_count; /* Ever used, the free ones among them. */
    uint32_t free_entry;  /* The head of the chain of freed entries, plus one. */
    uint8_t seed[crypto_shorthash_KEYBYTES];
    uint8_t
        recent_key[PW_MAP_KEY_BYTES_MAX]; /* Of the last prefetch: it is asked for again at once. */
    uint32_t recent_hash;
    bool has_recent;
    uint8_t *pages[PAGES_MAX];
};

struct pw_map *pw_map_new(uint32_t key_bytes, uint32_t value_bytes)
{
    assert(key_bytes >= 1 && key_bytes <= PW_MAP_KEY_BYTES_MAX);
    assert(value_bytes <= PW_MAP_VALUE_BYTES_MAX);
    if (sodium_init() < 0) { /* Repeats do nothing. */
        pw_memory_exhausted("no source of random numbers");
    }
    struct pw_map *map = pw_memory_new(1, sizeof *map);
    map->key_bytes = key_bytes;
    map->value_bytes = value_bytes;
    map->value_offset = (key_bytes + 7) & ~UINT32_C(7);
    map->entry_bytes = (map->value_offset + value_bytes + 7) & ~UINT32_C(7);
    randombytes_buf(map->seed, sizeof map->seed);
    return map;
}

static void *table_new(uint64_t bytes)
{
    return bytes >= REGION_BYTES ? pw_region_new(bytes) : pw_memory_new(1, bytes);
}

static void table_touch(void *table, uint64_t bytes)
{
    if (bytes >= REGION_BYTES) {
        pw_region_touch(table, bytes);
    }
}

static void table_free(void *table, uint64_t bytes)
{
    if (bytes >= REGION_BYTES && table != NULL) {
        pw_region_free(table, bytes);
    } else {
        free(table);
    }
}

static void table_share(void *table, uint64_t bytes, bool shared)
{
    if (bytes >= REGION_BYTES && table != NULL) {
        pw_region_share(table, bytes, shared);
    }
}

uint32_t pw_map_key_bytes(const struct pw_map *map)
{
    return map->key_bytes;
}

uint32_t pw_map_value_bytes(const struct pw_map *map)
{
    return map->value_bytes;
}

uint64_t pw_map_count(const struct pw_map *map)
{
    return map->count;
}

static uint32_t page_of(uint32_t number)
{
    uint32_t rest = number / PAGE_0_ENTRIES;
    return rest == 0 ? 0 : 32 - (uint32_t)__builtin_clz(rest);
}

static uint64_t page_entries(uint32_t page)
{
    return page == 0 ? PAGE_0_ENTRIES : (uint64_t)PAGE_0_ENTRIES << (page - 1);
}

static uint64_t page_bytes(const struct pw_map *map, uint32_t page)
{
    return page_entries(page) * map->entry_bytes;
}

static uint64_t cells_bytes(const struct pw_map *map)
{
    return map->cell_count * sizeof(struct cell);
}

void pw_map_free(struct pw_map *map)
{
    if (map == NULL) {
        return;
    }
    for (uint32_t page = 0; page < PAGES_MAX; page++) {
        table_free(map->pages[page], page_bytes(map, page));
    }
    table_free(map->cells, cells_bytes(map));
    free(map);
}

void pw_map_share(const struct pw_map *map, bool shared)
{
    for (uint32_t page = 0; page < PAGES_MAX; page++) {
        table_share(map->pages[page], page_bytes(map, page), shared);
    }
    table_share(map->cells, cells_bytes(map), shared);
}

uint64_t pw_map_memory_bytes(const struct pw_map *map)
{
    uint64_t bytes = sizeof *map + cells_bytes(map);
    for (uint32_t page = 0; page < PAGES_MAX; page++) {
        bytes += map->pages[page] == NULL ? 0 : page_bytes(map, page);
    }
    return bytes;
}

static uint8_t *entry_at(const struct pw_map *map, uint32_t number)
{
    uint32_t page = page_of(number);
    uint64_t first = page == 0 ? 0 : page_entries(page);
    return map->pages[page] + (number - first) * map->entry_bytes;
}

static uint32_t hash_of(const struct pw_map *map, const void *key)
{
    if (map->has_recent && memcmp(map->recent_key, key, map->key_bytes) == 0) {
        return map->recent_hash;
    }
    uint8_t hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, key, map->key_bytes, map->seed);
    uint32_t low;
    memcpy(&low, hash, sizeof low);
    return low;
}

/* The cell of the key, or the empty one where its probe ends. cell_count > 0. */
static struct cell *cell_find(const struct pw_map *map, const void *key, uint32_t hash)
{
    uint64_t mask = map->cell_count - 1;
    for (uint64_t i = hash & mask;; i = (i + 1) & mask) {
        struct cell *cell = &map->cells[i];
        if (cell->entry == 0 || (cell->hash == hash && memcmp(entry_at(map, cell->entry - 1), key,
                                                              map->key_bytes) == 0)) {
            return cell;
        }
    }
}

void pw_map_prefetch(struct pw_map *map, const void *key)
{
    if (map->count > 0) {
        map->recent_hash = hash_of(map, key);
        memcpy(map->recent_key, key, map->key_bytes);
        map->has_recent = true;
        __builtin_prefetch(&map->cells[map->recent_hash & (map->cell_count - 1)], 1);
    }
}

const void *pw_map_get(const struct pw_map *map, const void *key)
{
    if (map->count == 0) {
        return NULL;
    }
    const struct cell *cell = cell_find(map, key, hash_of(map, key));
    return cell->entry == 0 ? NULL : entry_at(map, cell->entry - 1) + map->value_offset;
}

static void cells_grow(struct pw_map *map, uint64_t cell_count)
{
    struct cell *cells = table_new(cell_count * sizeof *cells);
    table_touch(cells, cell_count * sizeof *cells);
    for (uint64_t i = 0; i < map->cell_count; i++) {
        if (map->cells[i].entry != 0) {
            uint64_t at = map->cells[i].hash & (cell_count - 1);
            while (cells[at].entry != 0) {
                at = (at + 1) & (cell_count - 1);
            }
            cells[at] = map->cells[i];
        }
    }
    table_free(map->cells, cells_bytes(map));
    map->cells = cells;
    map->cell_count = cell_count;
}

/* The number of an entry that is zeroed. */
static uint32_t entry_take(struct pw_map *map)
{
    if (map->free_entry != 0) {
        uint32_t number = map->free_entry - 1;
        uint8_t *entry = entry_at(map, number);
        memcpy(&map->free_entry, entry, sizeof map->free_entry);
        memset(entry, 0, map->entry_bytes);
        return number;
    }
    if (map->entry_count == UINT32_MAX) {
        pw_memory_exhausted("a map has 2^32 - 1 entries");
    }
    uint32_t number = map->entry_count++;
    uint32_t page = page_of(number);
    if (map->pages[page] == NULL) {
        map->pages[page] = table_new(page_bytes(map, page));
    }
    return number;
}

void *pw_map_append(struct pw_map *map, const void *key)
{
    assert(map->count == 0 && map->free_entry == 0);
    uint8_t *entry = entry_at(map, entry_take(map));
    memcpy(entry, key, map->key_bytes);
    return entry + map->value_offset;
}

/* Each cell lies anywhere in a table that no cache holds: so it is asked for some entries ahead. */
void pw_map_index(struct pw_map *map)
{
    uint32_t hashes[PREFETCH_DISTANCE];
    uint64_t cell_count = CELLS_MIN;
    while (map->entry_count > cell_count / 4 * 3) {
        cell_count *= 2;
    }
    assert(map->count == 0);
    cells_grow(map, cell_count);
    for (uint64_t i = 0; i < (uint64_t)map->entry_count + PREFETCH_DISTANCE; i++) {
        uint32_t *hash = &hashes[i % PREFETCH_DISTANCE];
        if (i >= PREFETCH_DISTANCE) {
            uint64_t at = *hash & (cell_count - 1);
            while (map->cells[at].entry != 0) {
                at = (at + 1) & (cell_count - 1);
            }
            map->cells[at] = (struct cell){*hash, (uint32_t)(i - PREFETCH_DISTANCE) + 1};
        }
        if (i < map->entry_count) {
            *hash = hash_of(map, entry_at(map, (uint32_t)i));
            __builtin_prefetch(&map->cells[*hash & (cell_count - 1)], 1);
        }
    }
    map->count = map->entry_count;
}

void *pw_map_put(struct pw_map *map, const void *key, struct pw_undo *undo)
{
    uint32_t hash = hash_of(map, key);
    struct cell *cell = map->cell_count > 0 ? cell_find(map, key, hash) : NULL;
    if (cell != NULL && cell->entry != 0) { /* Nothing moves: somebody may be walking. */
        uint8_t *value = entry_at(map, cell->entry - 1) + map->value_offset;
        pw_undo_save_image(undo, map, key, value);
        return value;
    }
    if (map->count >= map->cell_count / 4 * 3) {
        cells_grow(map, map->cell_count == 0 ? CELLS_MIN : map->cell_count * 2);
        cell = cell_find(map, key, hash);
    }
    pw_undo_save_image(undo, map, key, NULL);
    uint32_t number = entry_take(map);
    uint8_t *entry = entry_at(map, number);
    memcpy(entry, key, map->key_bytes);
    *cell = (struct cell){hash, number + 1};
    map->count++;
    return entry + map->value_offset;
}

/* Empties a cell, and moves those behind it that were pushed past it one place back. */
static void cell_remove(struct pw_map *map, uint64_t hole)
{
    uint32_t number = map->cells[hole].entry - 1;
    memcpy(entry_at(map, number), &map->free_entry, sizeof map->free_entry);
    map->free_entry = number + 1;
    map->count--;
    uint64_t mask = map->cell_count - 1;
    for (uint64_t i = (hole + 1) & mask; map->cells[i].entry != 0; i = (i + 1) & mask) {
        uint64_t pushed = (i - map->cells[i].hash) & mask;
        if (pushed >= ((i - hole) & mask)) {
            map->cells[hole] = map->cells[i];
            hole = i;
        }
    }
    map->cells[hole] = (struct cell){0, 0};
}

void pw_map_remove(struct pw_map *map, const void *key, struct pw_undo *undo)
{
    if (map->count == 0) {
        return;
    }
    struct cell *cell = cell_find(map, key, hash_of(map, key));
    if (cell->entry != 0) {
        pw_undo_save_image(undo, map, key, entry_at(map, cell->entry - 1) + map->value_offset);
        cell_remove(map, (uint64_t)(cell - map->cells));
    }
}

bool pw_map_next(const struct pw_map *map, uint64_t *cursor, const void **ret_key,
                 const void **ret_value)
{
    for (; *cursor < map->cell_count; (*cursor)++) {
        const struct cell *cell = &map->cells[*cursor];
        if (cell->entry != 0) {
            const uint8_t *entry = entry_at(map, cell->entry - 1);
            *ret_key = entry;
            *ret_value = entry + map->value_offset;
            (*cursor)++;
            return true;
        }
    }
    return false;
}

void pw_map_sweep(struct pw_map *map, bool (*keep)(void *self, const void *key, const void *value),
                  void *self)
{
    for (uint64_t i = 0; i < map->cell_count;) {
        uint32_t number = map->cells[i].entry;
        const uint8_t *entry = number == 0 ? NULL : entry_at(map, number - 1);
        if (entry != NULL && !keep(self, entry, entry + map->value_offset)) {
            cell_remove(map, i); /* Whoever moves into this cell is looked at next. */
        } else {
            i++;
        }
    }
}
