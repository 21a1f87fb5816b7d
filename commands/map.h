/* commands/map.h: state in memory: one flat open-addressing table of fixed-size keys and values.
 *
 * Contract  Entries move when the table grows: a pointer lives until the next put or remove of the
 * same map. The hash is keyed with a seed that the process draws at random, so that no client can
 * choose colliding ids; order of iteration means nothing. Owner     The map owns its memory. When
 * memory runs out the process ends with a clear line: nothing acknowledged can be lost. Threads One
 * owner. */
#ifndef PW_COMMANDS_MAP_H
#define PW_COMMANDS_MAP_H

#include "commands/undo.h"

struct pw_map;

/* key_bytes 1..64, value_bytes 0..64 KiB. */
struct pw_map *pw_map_new(uint32_t key_bytes, uint32_t value_bytes);
void pw_map_free(struct pw_map *map);

uint64_t pw_map_count(const struct pw_map *map);
const void *pw_map_get(const struct pw_map *map, const void *key); /* The value, or NULL. */

/* The value to write into, made zeroed where there is none; its pre-image is saved first. */
void *pw_map_put(struct pw_map *map, const void *key, struct pw_undo *undo);
void pw_map_remove(struct pw_map *map, const void *key, struct pw_undo *undo);

/* Walks all entries: start with *cursor = 0; false at the end. No put or remove meanwhile. */
bool pw_map_next(const struct pw_map *map, uint64_t *cursor, const void **ret_key,
                 const void **ret_value);

/* Removes every entry for which `keep` is false. Not under undo: for entries that have no meaning
 * any more. */
void pw_map_sweep(struct pw_map *map, bool (*keep)(void *self, const void *key, const void *value),
                  void *self);

#endif
