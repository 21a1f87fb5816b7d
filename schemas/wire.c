/* schemas/wire.c: writing by msgpack-c, reading by a cursor that takes shortest forms only. */
#include "schemas/wire.h"

#include <msgpack/pack.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFFER_BYTES_MIN 512

void pw_buffer_init(struct pw_buffer *buffer, size_t bytes_max)
{
    *buffer = (struct pw_buffer){.bytes_max = bytes_max};
}

void pw_buffer_close(struct pw_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct pw_buffer){.bytes_max = buffer->bytes_max};
}

static void buffer_grow(struct pw_buffer *buffer, size_t needed)
{
    size_t room = buffer->room > 0 ? 2 * buffer->room : BUFFER_BYTES_MIN;

    room = room < needed ? needed : room;
    room = room > buffer->bytes_max ? buffer->bytes_max : room;
    buffer->data = realloc(buffer->data, room);
    if (buffer->data == NULL) {
        /* `full` would turn a poor machine into a refusal that stays on record. */
        fprintf(stderr, "out of memory: a buffer of %zu bytes\n", room);
        abort();
    }
    buffer->room = room;
}

void pw_buffer_flush(struct pw_buffer *buffer)
{
    buffer->drain(buffer->drain_self, buffer->data, buffer->bytes);
    buffer->bytes = 0;
}

void pw_buffer_append(struct pw_buffer *buffer, const void *data, size_t bytes)
{
    if (buffer->drain != NULL && bytes > buffer->bytes_max - buffer->bytes) {
        pw_buffer_flush(buffer);
        if (bytes > buffer->bytes_max) {
            buffer->drain(buffer->drain_self, data, bytes);
            return;
        }
    }
    if (buffer->full || bytes > buffer->bytes_max - buffer->bytes) {
        buffer->full = true;
        return;
    }
    if (bytes > buffer->room - buffer->bytes) {
        buffer_grow(buffer, buffer->bytes + bytes);
    }
    if (bytes > 0) {
        memcpy(buffer->data + buffer->bytes, data, bytes);
        buffer->bytes += bytes;
    }
}

/* msgpack-c's write callback; a full buffer is the buffer's own matter. */
static int packed(void *buffer, const char *data, size_t bytes)
{
    pw_buffer_append(buffer, data, bytes);
    return 0;
}

static inline msgpack_packer packer_of(struct pw_buffer *buffer)
{
    return (msgpack_packer){.data = buffer, .callback = packed};
}

void pw_write_nil(struct pw_buffer *buffer)
{
    msgpack_packer packer = packer_of(buffer);
    msgpack_pack_nil(&packer);
}

void pw_write_array(struct pw_buffer *buffer, uint32_t count)
{
    msgpack_packer packer = packer_of(buffer);
    msgpack_pack_array(&packer, count);
}

void pw_write_uint(struct pw_buffer *buffer, uint64_t value)
{
    msgpack_packer packer = packer_of(buffer);

    assert(value <= INT64_MAX);
    msgpack_pack_uint64(&packer, value);
}

void pw_write_text(struct pw_buffer *buffer, struct pw_str text)
{
    msgpack_packer packer = packer_of(buffer);
    msgpack_pack_str_with_body(&packer, text.ptr, text.len);
}

void pw_write_bin(struct pw_buffer *buffer, const void *data, size_t bytes)
{
    msgpack_packer packer = packer_of(buffer);
    msgpack_pack_bin_with_body(&packer, data, bytes);
}

void pw_write_id(struct pw_buffer *buffer, const struct pw_id *id)
{
    pw_write_bin(buffer, id->bytes, sizeof id->bytes);
}

static size_t left(const struct pw_cursor *cursor)
{
    return cursor->bad ? 0 : (size_t)(cursor->end - cursor->at);
}

/* Takes `bytes` bytes; NULL and a bad cursor where fewer are left. */
static const uint8_t *take(struct pw_cursor *cursor, size_t bytes)
{
    const uint8_t *at = cursor->at;

    if (cursor->bad || bytes > (size_t)(cursor->end - at)) {
        cursor->bad = true;
        return NULL;
    }
    cursor->at += bytes;
    return at;
}

/* Takes a big-endian number of 1, 2, 4 or 8 bytes that would not have fitted a shorter form. */
static uint64_t take_number(struct pw_cursor *cursor, size_t bytes, uint64_t min)
{
    const uint8_t *at = take(cursor, bytes);
    uint64_t value = 0;

    if (at == NULL) {
        return 0;
    }
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | at[i];
    }
    if (value < min) {
        cursor->bad = true;
        return 0;
    }
    return value;
}

static uint8_t take_lead(struct pw_cursor *cursor)
{
    const uint8_t *at = take(cursor, 1);
    return at != NULL ? *at : 0xc1; /* Which msgpack never uses. */
}

/* Lengths after these lead bytes; a lead byte of another type spoils the cursor. */
static uint64_t array_count(struct pw_cursor *cursor, uint8_t lead)
{
    if (lead >> 4 == 0x9) {
        return lead & 0x0f;
    }
    switch (lead) {
    case 0xdc: return take_number(cursor, 2, 16);
    case 0xdd: return take_number(cursor, 4, 65536);
    default: cursor->bad = true; return 0;
    }
}

static uint64_t text_bytes(struct pw_cursor *cursor, uint8_t lead)
{
    if (lead >> 5 == 0x5) {
        return lead & 0x1f;
    }
    switch (lead) {
    case 0xd9: return take_number(cursor, 1, 32);
    case 0xda: return take_number(cursor, 2, 256);
    case 0xdb: return take_number(cursor, 4, 65536);
    default: cursor->bad = true; return 0;
    }
}

static uint64_t bin_bytes(struct pw_cursor *cursor, uint8_t lead)
{
    switch (lead) {
    case 0xc4: return take_number(cursor, 1, 0);
    case 0xc5: return take_number(cursor, 2, 256);
    case 0xc6: return take_number(cursor, 4, 65536);
    default: cursor->bad = true; return 0;
    }
}

static uint64_t uint_value(struct pw_cursor *cursor, uint8_t lead)
{
    if (lead < 0x80) {
        return lead;
    }
    switch (lead) {
    case 0xcc: return take_number(cursor, 1, 128);
    case 0xcd: return take_number(cursor, 2, 256);
    case 0xce: return take_number(cursor, 4, 65536);
    case 0xcf: return take_number(cursor, 8, UINT64_C(1) << 32);
    default: cursor->bad = true; return 0;
    }
}

uint32_t pw_read_array(struct pw_cursor *cursor)
{
    uint64_t count = array_count(cursor, take_lead(cursor));

    /* An element has at least one byte, so a caller may reserve memory for what is announced. */
    if (count > left(cursor)) {
        cursor->bad = true;
    }
    return cursor->bad ? 0 : (uint32_t)count;
}

uint64_t pw_read_uint(struct pw_cursor *cursor, uint64_t max)
{
    uint64_t value = uint_value(cursor, take_lead(cursor));

    if (value > max || value > INT64_MAX) {
        cursor->bad = true;
    }
    return cursor->bad ? 0 : value;
}

struct pw_str pw_read_text(struct pw_cursor *cursor, size_t bytes_min, size_t bytes_max)
{
    uint64_t bytes = text_bytes(cursor, take_lead(cursor));

    if (bytes < bytes_min || bytes > bytes_max) {
        cursor->bad = true;
    }
    struct pw_str text = {(const char *)take(cursor, bytes), bytes};
    if (!cursor->bad && !pw_utf8_valid(text)) {
        cursor->bad = true;
    }
    return cursor->bad ? (struct pw_str){NULL, 0} : text;
}

const void *pw_read_bin(struct pw_cursor *cursor, size_t bytes)
{
    if (bin_bytes(cursor, take_lead(cursor)) != bytes) {
        cursor->bad = true;
    }
    return take(cursor, bytes);
}

struct pw_str pw_read_bytes(struct pw_cursor *cursor, size_t bytes_max)
{
    uint64_t bytes = bin_bytes(cursor, take_lead(cursor));

    if (bytes > bytes_max) {
        cursor->bad = true;
    }
    struct pw_str found = {(const char *)take(cursor, bytes), bytes};
    return cursor->bad ? (struct pw_str){NULL, 0} : found;
}

struct pw_id pw_read_id(struct pw_cursor *cursor)
{
    struct pw_id id = {{0}};
    const void *bytes = pw_read_bin(cursor, sizeof id.bytes);

    if (bytes != NULL) {
        memcpy(id.bytes, bytes, sizeof id.bytes);
        cursor->bad = pw_id_is_nil(&id);
    }
    return id;
}

bool pw_read_nil(struct pw_cursor *cursor)
{
    if (left(cursor) == 0 || *cursor->at != 0xc0) {
        return false;
    }
    cursor->at++;
    return true;
}

/* Passes over a negative integer that is not a fixint. It must need its width: `least` is the
 * lowest value that a narrower form can write. */
static void pass_negative(struct pw_cursor *cursor, size_t bytes, int64_t least)
{
    uint64_t raw = take_number(cursor, bytes, 0);
    unsigned shift = (unsigned)(64 - 8 * bytes);

    if ((int64_t)(raw << shift) >> shift >= least) {
        cursor->bad = true;
    }
}

static void pass_any(struct pw_cursor *cursor, int depth_max)
{
    uint8_t lead = take_lead(cursor);

    if (lead >= 0xe0 || lead == 0xc0 || lead == 0xc2 || lead == 0xc3) {
        return; /* -32..-1, nil, false, true. */
    }
    if (lead < 0x80 || (lead >= 0xcc && lead <= 0xcf)) {
        if (uint_value(cursor, lead) > INT64_MAX) {
            cursor->bad = true;
        }
        return;
    }
    if (lead >> 4 == 0x9 || lead == 0xdc || lead == 0xdd) {
        uint64_t count = array_count(cursor, lead);
        cursor->bad = cursor->bad || depth_max < 1 || count > left(cursor);
        for (uint64_t i = 0; i < count && !cursor->bad; i++) {
            pass_any(cursor, depth_max - 1);
        }
        return;
    }
    switch (lead) {
    case 0xc4:
    case 0xc5:
    case 0xc6: take(cursor, bin_bytes(cursor, lead)); return;
    case 0xd0: pass_negative(cursor, 1, -32); return;
    case 0xd1: pass_negative(cursor, 2, INT8_MIN); return;
    case 0xd2: pass_negative(cursor, 4, INT16_MIN); return;
    case 0xd3: pass_negative(cursor, 8, INT32_MIN); return;
    }
    cursor->at -= cursor->bad ? 0 : 1; /* A text, or nothing of the grammar. */
    pw_read_text(cursor, 0, SIZE_MAX);
}

struct pw_str pw_read_any(struct pw_cursor *cursor, int depth_max)
{
    const uint8_t *start = cursor->at;

    pass_any(cursor, depth_max);
    if (cursor->bad) {
        return (struct pw_str){NULL, 0};
    }
    return (struct pw_str){(const char *)start, (size_t)(cursor->at - start)};
}
