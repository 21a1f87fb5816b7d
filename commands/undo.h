/* commands/undo.h: pre-images, so that speculative state can be put back to what is confirmed.
 *
 * Contract  Whoever changes state under an undo log first saves the bytes that it is about to
 *           change, or that an entry was not there. A mark is a place in that log.
 *           pw_undo_to(mark) puts back everything newer than the mark, newest first;
 *           pw_undo_forget(mark) drops everything older: it is confirmed. Going back past a mark,
 *           or dropping past it, ends that mark: using it again is a bug. A
 *           NULL log saves nothing (folding what is confirmed already).
 * Owner     The log owns its memory, which it gives back when it is empty.
 * Threads   One owner, that of the state.
 */
#ifndef PW_COMMANDS_UNDO_H
#define PW_COMMANDS_UNDO_H

#include "schemas/types.h"

struct pw_map;
struct pw_undo;

struct pw_undo *pw_undo_new(void);
void pw_undo_free(struct pw_undo *undo);

/* Everything saved from now on is newer than the mark. Without going back, marks only grow. */
uint64_t pw_undo_mark(const struct pw_undo *undo);
void pw_undo_to(struct pw_undo *undo, uint64_t mark);
void pw_undo_forget(struct pw_undo *undo, uint64_t mark);

/* Saves memory at a fixed place (a struct's counters, say), which must outlive the mark. Entries
 * of maps may move when they are put back: they have functions of their own. */
void pw_undo_save(struct pw_undo *undo, void *memory, size_t bytes);

/* Saves a map's entry as it is now, or its absence. pw_map_put and pw_map_remove do so
 * themselves. */
void pw_undo_save_entry(struct pw_undo *undo, struct pw_map *map, const void *key);

/* The same for the map itself, which has looked it up already: value is NULL where there is none.
 */
void pw_undo_save_image(struct pw_undo *undo, struct pw_map *map, const void *key,
                        const void *value);

#endif
