/* commands/map.h: state in memory: one open-addressing table of fixed-size keys and values.
 *
 * Contract  An entry stays where it is until it is removed: a pointer to its value outlives puts,
 *           removals of other entries and growth. The hash is keyed with a seed that each map
 *           draws at random, so that no client can choose ids that collide; order of iteration
 *           means nothing.
 * Owner     The map owns its memory, which grows by doubling and is not given back before
 *           pw_map_free. When it runs out the process ends with a clear line (commands/memory.h).
 * Units     At most 2^32 - 1 entries; beside key and value (each rounded up to 8 bytes) an entry
 *           costs 11 to 21 bytes.
 * Threads   One owner.
 */
#ifndef PW_COMMANDS_MAP_H
#define PW_COMMANDS_MAP_H

#include "commands/undo.h"

#define PW_MAP_KEY_BYTES_MAX   64
#define PW_MAP_VALUE_BYTES_MAX (64 * 1024)

struct pw_map;

/* key_bytes from 1, value_bytes from 0 (a set). Values are aligned to 8 bytes. */
struct pw_map *pw_map_new(uint32_t key_bytes, uint32_t value_bytes);
void pw_map_free(struct pw_map *map);

uint32_t pw_map_key_bytes(const struct pw_map *map);
uint32_t pw_map_value_bytes(const struct pw_map *map);
uint64_t pw_map_count(const struct pw_map *map);

/* Filling an empty map at once: each key is appended once, in any order, its value zeroed, to be written
 * into; pw_map_index then makes them all findable, several times as fast as putting them one by one.
 * Nothing else is done to the map in between. */
void *pw_map_append(struct pw_map *map, const void *key);
void pw_map_index(struct pw_map *map);

/* Whether children that are forked from now on have the map's large tables (commands/memory.h). At
 * first they have not, and must not read the map. */
void pw_map_share(const struct pw_map *map, bool shared);

/* What the map holds in memory now, for metrics. */
uint64_t pw_map_memory_bytes(const struct pw_map *map);

const void *pw_map_get(const struct pw_map *map, const void *key); /* The value, or NULL. */

/* Asks the processor for the place of a key that is looked up in a moment. */
void pw_map_prefetch(struct pw_map *map, const void *key);

/* The value to write into, made zeroed where there is none; its pre-image is saved first. */
void *pw_map_put(struct pw_map *map, const void *key, struct pw_undo *undo);

/* Nothing where there is no such key. */
void pw_map_remove(struct pw_map *map, const void *key, struct pw_undo *undo);

/* Walks all entries: start with *cursor = 0; false at the end. Meanwhile nothing is added or removed; what is there may be put. */
bool pw_map_next(const struct pw_map *map, uint64_t *cursor, const void **ret_key,
                 const void **ret_value);

/* Removes every entry for which `keep` is false. Not under undo: for entries that have no meaning
 * any more, and that no live mark's pre-images speak of. `keep` may be asked about an entry
 * twice. */
void pw_map_sweep(struct pw_map *map, bool (*keep)(void *self, const void *key, const void *value),
                  void *self);

#endif
