/* commands/undo.c: the log of pre-images.
 *
 * The log is one run of bytes, data[start, end). An entry is its images (key and value, or
 * memory), each padded to 8 bytes, and then a trailer, so that it can be read from the newest
 * backwards. A mark counts all bytes ever saved and not undone: mark m stands at data[start + (m
 * - forgotten)]. */
#include "commands/undo.h"

#include "commands/map.h"
#include "commands/memory.h"

#include <stdlib.h>

#define ROOM_BYTES_MIN  4096
#define ROOM_BYTES_KEPT (256 * 1024) /* An empty log keeps no more than this. */

enum image { IMAGE_MEMORY, IMAGE_ENTRY, IMAGE_NO_ENTRY };

struct trailer {
    void *target;   /* The memory, or the map. */
    uint64_t bytes; /* Of the memory; the map knows those of its entries. */
    uint64_t image;
};

struct pw_undo {
    uint8_t *data;
    size_t start;
    size_t end;
    size_t room;
    uint64_t forgotten;
};

static size_t padded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

struct pw_undo *pw_undo_new(void)
{
    return pw_memory_new(1, sizeof(struct pw_undo));
}

void pw_undo_free(struct pw_undo *undo)
{
    if (undo != NULL) {
        free(undo->data);
        free(undo);
    }
}

uint64_t pw_undo_mark(const struct pw_undo *undo)
{
    return undo->forgotten + (undo->end - undo->start);
}

static void rest_if_empty(struct pw_undo *undo)
{
    if (undo->start != undo->end) {
        return;
    }
    undo->start = undo->end = 0;
    if (undo->room > ROOM_BYTES_KEPT) {
        free(undo->data);
        undo->data = NULL;
        undo->room = 0;
    }
}

/* Room for so many bytes at the end. Bytes move down only once half of the room was forgotten, so
 * that each byte saved is moved a bounded number of times. */
static uint8_t *append(struct pw_undo *undo, size_t bytes)
{
    if (undo->room - undo->end < bytes) {
        size_t used = undo->end - undo->start;
        if (undo->start > 0) {
            memmove(undo->data, undo->data + undo->start, used);
            undo->start = 0;
            undo->end = used;
        }
        size_t room = undo->room == 0 ? ROOM_BYTES_MIN : undo->room;
        while (room / 2 < used + bytes) {
            room *= 2;
        }
        if (room != undo->room) {
            undo->data = pw_memory_grow(undo->data, room);
            undo->room = room;
        }
    }
    uint8_t *at = undo->data + undo->end;
    undo->end += bytes;
    return at;
}

static void append_trailer(uint8_t *at, void *target, uint64_t bytes, enum image image)
{
    struct trailer trailer = {target, bytes, image};
    memcpy(at, &trailer, sizeof trailer);
}

void pw_undo_save(struct pw_undo *undo, void *memory, size_t bytes)
{
    if (undo == NULL) {
        return;
    }
    uint8_t *at = append(undo, padded(bytes) + sizeof(struct trailer));
    memcpy(at, memory, bytes);
    append_trailer(at + padded(bytes), memory, bytes, IMAGE_MEMORY);
}

void pw_undo_save_image(struct pw_undo *undo, struct pw_map *map, const void *key,
                        const void *value)
{
    if (undo == NULL) {
        return;
    }
    size_t key_bytes = pw_map_key_bytes(map);
    size_t value_bytes = value == NULL ? 0 : pw_map_value_bytes(map);
    uint8_t *at = append(undo, padded(key_bytes) + padded(value_bytes) + sizeof(struct trailer));
    memcpy(at, key, key_bytes);
    at += padded(key_bytes);
    if (value != NULL) {
        memcpy(at, value, value_bytes);
        at += padded(value_bytes);
    }
    append_trailer(at, map, 0, value == NULL ? IMAGE_NO_ENTRY : IMAGE_ENTRY);
}

void pw_undo_save_entry(struct pw_undo *undo, struct pw_map *map, const void *key)
{
    if (undo != NULL) {
        pw_undo_save_image(undo, map, key, pw_map_get(map, key));
    }
}

/* Puts the newest image back and takes it off the log. */
static void undo_newest(struct pw_undo *undo)
{
    struct trailer trailer;
    undo->end -= sizeof trailer;
    memcpy(&trailer, undo->data + undo->end, sizeof trailer);
    if (trailer.image == IMAGE_MEMORY) {
        undo->end -= padded(trailer.bytes);
        memcpy(trailer.target, undo->data + undo->end, trailer.bytes);
        return;
    }
    struct pw_map *map = trailer.target;
    size_t key_bytes = padded(pw_map_key_bytes(map));
    if (trailer.image == IMAGE_NO_ENTRY) {
        undo->end -= key_bytes;
        pw_map_remove(map, undo->data + undo->end, NULL);
        return;
    }
    uint32_t value_bytes = pw_map_value_bytes(map);
    undo->end -= key_bytes + padded(value_bytes);
    const uint8_t *key = undo->data + undo->end;
    memcpy(pw_map_put(map, key, NULL), key + key_bytes, value_bytes);
}

void pw_undo_to(struct pw_undo *undo, uint64_t mark)
{
    assert(mark >= undo->forgotten && mark <= pw_undo_mark(undo));
    size_t end = undo->start + (size_t)(mark - undo->forgotten);
    while (undo->end > end) {
        undo_newest(undo);
    }
    assert(undo->end == end); /* A mark stands between two images. */
    rest_if_empty(undo);
}

void pw_undo_forget(struct pw_undo *undo, uint64_t mark)
{
    assert(mark >= undo->forgotten && mark <= pw_undo_mark(undo));
    undo->start += (size_t)(mark - undo->forgotten);
    undo->forgotten = mark;
    rest_if_empty(undo);
}
