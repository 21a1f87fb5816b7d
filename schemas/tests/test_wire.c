/* schemas/tests/test_wire.c: shortest forms go there and back, and nothing else is readable. */
#include "schemas/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define WIRE_BYTES_MAX (1 << 20)

static struct pw_cursor reading(const struct pw_buffer *buffer)
{
    return pw_cursor_of(buffer->data, buffer->bytes);
}

static const uint64_t uints[] = {
    0,     1,          127,         128,        255,        256,           65535,
    65536, 4294967295, 4294967296U, 1ULL << 40, 1ULL << 62, INT64_MAX - 1, INT64_MAX,
};
static const uint8_t uint_bytes[] = {1, 1, 1, 2, 2, 3, 3, 5, 5, 9, 9, 9, 9, 9};

Test(wire, unsigned_integers_round_trip_in_their_shortest_form)
{
    for (size_t i = 0; i < PW_COUNT(uints); i++) {
        struct pw_buffer buffer;
        pw_buffer_init(&buffer, WIRE_BYTES_MAX);
        pw_write_uint(&buffer, uints[i]);
        cr_expect_eq(buffer.bytes, uint_bytes[i], "%llu", (unsigned long long)uints[i]);
        struct pw_cursor cursor = reading(&buffer);
        cr_expect_eq(pw_read_uint(&cursor, uints[i]), uints[i]);
        cr_expect(pw_cursor_done(&cursor));
        if (uints[i] > 0) {
            cursor = reading(&buffer);
            cr_expect_eq(pw_read_uint(&cursor, uints[i] - 1), 0, "Above its bound.");
            cr_expect(cursor.bad);
        }
        cursor = reading(&buffer);
        cr_expect_eq(pw_read_any(&cursor, 0).len, buffer.bytes);
        pw_buffer_close(&buffer);
    }
}

static const size_t lengths[] = {0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000};

Test(wire, texts_bins_and_arrays_round_trip_at_every_boundary)
{
    char *bytes = malloc(70000);
    memset(bytes, 'x', 70000);
    for (size_t i = 0; i < PW_COUNT(lengths); i++) {
        size_t len = lengths[i];
        struct pw_buffer buffer;
        pw_buffer_init(&buffer, WIRE_BYTES_MAX);
        pw_write_text(&buffer, (struct pw_str){bytes, len});
        pw_write_bin(&buffer, bytes, len);
        pw_write_array(&buffer, (uint32_t)len);
        for (size_t element = 0; element < len; element++) {
            pw_write_nil(&buffer);
        }
        struct pw_cursor cursor = reading(&buffer);
        cr_expect(pw_str_equal(pw_read_text(&cursor, len, len), (struct pw_str){bytes, len}));
        cr_expect(memcmp(pw_read_bin(&cursor, len), bytes, len) == 0);
        struct pw_cursor before_array = cursor;
        cr_expect_eq(pw_read_array(&cursor), len);
        for (size_t element = 0; element < len; element++) {
            cr_assert(pw_read_nil(&cursor));
        }
        cr_expect_not(pw_read_nil(&cursor));
        cr_expect(pw_cursor_done(&cursor), "%zu", len);
        cr_expect_eq(pw_read_any(&before_array, 1).ptr + len +
                         (len < 16      ? 1
                          : len < 65536 ? 3
                                        : 5),
                     (const char *)cursor.end);
        pw_buffer_close(&buffer);
    }
    free(bytes);
}

static const struct bad_row {
    const char *name;
    struct pw_str bytes;
} longer_forms[] = {
    {"7 bits in 8", PW_STR("\xcc\x7f")},
    {"8 bits in 16", PW_STR("\xcd\x00\xff")},
    {"16 bits in 32", PW_STR("\xce\x00\x00\xff\xff")},
    {"32 bits in 64", PW_STR("\xcf\x00\x00\x00\x00\xff\xff\xff\xff")},
    {"positive as int 8", PW_STR("\xd0\x01")},
    {"positive as int 16", PW_STR("\xd1\x01\x00")},
    {"positive as int 32", PW_STR("\xd2\x00\x01\x00\x00")},
    {"positive as int 64", PW_STR("\xd3\x00\x00\x00\x01\x00\x00\x00\x00")},
    {"-32 as int 8", PW_STR("\xd0\xe0")},
    {"-128 as int 16", PW_STR("\xd1\xff\x80")},
    {"-32768 as int 32", PW_STR("\xd2\xff\xff\x80\x00")},
    {"-2^31 as int 64", PW_STR("\xd3\xff\xff\xff\xff\x80\x00\x00\x00")},
    {"2^63", PW_STR("\xcf\x80\x00\x00\x00\x00\x00\x00\x00")},
    {"short text as str 8", PW_STR("\xd9\x01x")},
    {"short text as str 16", PW_STR("\xda\x00\x01x")},
    {"short text as str 32", PW_STR("\xdb\x00\x00\x00\x01x")},
    {"short bin as bin 16", PW_STR("\xc5\x00\x01x")},
    {"short bin as bin 32", PW_STR("\xc6\x00\x00\x00\x01x")},
    {"short array as array 16", PW_STR("\xdc\x00\x01\xc0")},
    {"short array as array 32", PW_STR("\xdd\x00\x00\x00\x01\xc0")},
    {"float 32", PW_STR("\xca\x00\x00\x00\x00")},
    {"float 64", PW_STR("\xcb\x00\x00\x00\x00\x00\x00\x00\x00")},
    {"fixmap", PW_STR("\x80")},
    {"map 16", PW_STR("\xde\x00\x00")},
    {"map 32", PW_STR("\xdf\x00\x00\x00\x00")},
    {"fixext 1", PW_STR("\xd4\x01x")},
    {"fixext 16", PW_STR("\xd8\x01xxxxxxxxxxxxxxxx")},
    {"ext 8", PW_STR("\xc7\x01\x01x")},
    {"ext 16", PW_STR("\xc8\x00\x01\x01x")},
    {"ext 32", PW_STR("\xc9\x00\x00\x00\x01\x01x")},
    {"c1", PW_STR("\xc1")},
    {"nothing", PW_STR("")},
    {"text cut off", PW_STR("\xa3xy")},
    {"text's length cut off", PW_STR("\xda\x01")},
    {"bin cut off", PW_STR("\xc4\x02x")},
    {"integer cut off", PW_STR("\xce\x00\x01\x00")},
    {"array cut off", PW_STR("\x93\xc0\xc0")},
    {"array of 2^32-1 in six bytes", PW_STR("\xdd\xff\xff\xff\xff\xc0")},
    {"array of 2^32-1 in no bytes", PW_STR("\xdd\xff\xff\xff\xff")},
    {"text not UTF-8", PW_STR("\xa2\xc3\x28")},
    {"text with a NUL", PW_STR("\xa3x\x00y")},
    {"bad inside an array", PW_STR("\x92\xc0\xc1")},
};

Test(wire, longer_forms_and_foreign_types_are_not_readable)
{
    for (size_t i = 0; i < PW_COUNT(longer_forms); i++) {
        const struct bad_row *row = &longer_forms[i];
        struct pw_cursor any = pw_cursor_of(row->bytes.ptr, row->bytes.len);
        struct pw_cursor number = any, text = any, bin = any, array = any;
        cr_expect_null(pw_read_any(&any, 8).ptr, "%s", row->name);
        cr_expect(any.bad, "%s", row->name);
        cr_expect_eq(pw_read_uint(&number, UINT64_MAX), 0);
        cr_expect_null(pw_read_text(&text, 0, SIZE_MAX).ptr);
        cr_expect_null(pw_read_bin(&bin, 1));
        cr_expect(number.bad && text.bad && bin.bad, "%s", row->name);
        if (row->bytes.len == 0 || row->bytes.ptr[0] != '\x92') {
            cr_expect_eq(pw_read_array(&array), 0);
            cr_expect(array.bad, "%s", row->name);
        }
    }
}

static const struct bad_row negatives[] = {
    {"-1", PW_STR("\xff")},
    {"-32", PW_STR("\xe0")},
    {"-33", PW_STR("\xd0\xdf")},
    {"-128", PW_STR("\xd0\x80")},
    {"-129", PW_STR("\xd1\xff\x7f")},
    {"-32768", PW_STR("\xd1\x80\x00")},
    {"-32769", PW_STR("\xd2\xff\xff\x7f\xff")},
    {"-2^31", PW_STR("\xd2\x80\x00\x00\x00")},
    {"-2^31-1", PW_STR("\xd3\xff\xff\xff\xff\x7f\xff\xff\xff")},
    {"-2^63", PW_STR("\xd3\x80\x00\x00\x00\x00\x00\x00\x00")},
    {"false", PW_STR("\xc2")},
    {"true", PW_STR("\xc3")},
    {"nil", PW_STR("\xc0")},
};

Test(wire, what_the_grammar_has_beyond_our_tables_is_passed_over)
{
    for (size_t i = 0; i < PW_COUNT(negatives); i++) {
        struct pw_cursor cursor = pw_cursor_of(negatives[i].bytes.ptr, negatives[i].bytes.len);
        struct pw_cursor number = cursor;
        cr_expect_eq(pw_read_any(&cursor, 0).len, negatives[i].bytes.len, "%s", negatives[i].name);
        cr_expect(pw_cursor_done(&cursor));
        pw_read_uint(&number, UINT64_MAX);
        cr_expect(number.bad, "%s is no uint", negatives[i].name);
    }
}

Test(wire, arrays_nest_as_deep_as_allowed)
{
    static const uint8_t nested[] = {0x91, 0x91, 0x91, 0x90};
    for (int depth_max = 0; depth_max <= 5; depth_max++) {
        struct pw_cursor cursor = pw_cursor_of(nested, sizeof nested);
        cr_expect_eq(pw_read_any(&cursor, depth_max).len, depth_max >= 4 ? 4 : 0, "%d", depth_max);
        cr_expect_eq(cursor.bad, depth_max < 4);
    }
}

Test(wire, every_prefix_of_a_value_is_bad)
{
    struct pw_buffer buffer;
    pw_buffer_init(&buffer, WIRE_BYTES_MAX);
    pw_write_array(&buffer, 3);
    pw_write_uint(&buffer, 70000);
    pw_write_text(&buffer, PW_STR("Universit\xc3\xa4t"));
    pw_write_id(&buffer, &(struct pw_id){{7}});
    for (size_t bytes = 0; bytes <= buffer.bytes; bytes++) {
        struct pw_cursor cursor = pw_cursor_of(buffer.data, bytes);
        cr_expect_eq(pw_read_any(&cursor, 8).ptr != NULL, bytes == buffer.bytes);
    }
    pw_buffer_close(&buffer);
}

Test(wire, a_bad_cursor_stays_bad_and_gives_zeros)
{
    struct pw_cursor cursor = pw_cursor_of("\xc1\x07\xc0", 3);
    pw_read_uint(&cursor, 10);
    cr_expect_eq(pw_read_uint(&cursor, 10), 0);
    cr_expect_eq(pw_read_array(&cursor), 0);
    cr_expect_null(pw_read_text(&cursor, 0, 10).ptr);
    cr_expect_null(pw_read_bin(&cursor, 0));
    struct pw_id id = pw_read_id(&cursor);
    cr_expect(pw_id_is_nil(&id));
    cr_expect_not(pw_read_nil(&cursor));
    cr_expect_null(pw_read_any(&cursor, 8).ptr);
    cr_expect_not(pw_cursor_done(&cursor));
}

Test(wire, an_id_is_never_nil)
{
    struct pw_cursor cursor = pw_cursor_of("\xc4\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18);
    pw_read_id(&cursor);
    cr_expect(cursor.bad);
}

Test(wire, bytes_left_over_are_not_done)
{
    struct pw_cursor cursor = pw_cursor_of("\x07\xc0", 2);
    cr_expect_eq(pw_read_uint(&cursor, 10), 7);
    cr_expect_not(cursor.bad);
    cr_expect_not(pw_cursor_done(&cursor));
}

Test(wire, texts_keep_their_bounds)
{
    for (size_t len = 0; len < 6; len++) {
        struct pw_buffer buffer;
        pw_buffer_init(&buffer, 100);
        pw_write_text(&buffer, (struct pw_str){"abcdef", len});
        struct pw_cursor cursor = reading(&buffer);
        pw_read_text(&cursor, 2, 4);
        cr_expect_eq(cursor.bad, len < 2 || len > 4, "%zu", len);
        pw_buffer_close(&buffer);
    }
}

Test(wire, a_full_buffer_stays_full_until_it_is_cleared)
{
    struct pw_buffer buffer;
    pw_buffer_init(&buffer, 1000);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 1000; i++) {
            pw_write_uint(&buffer, 7);
        }
        cr_expect_not(buffer.full);
        cr_expect_eq(buffer.bytes, 1000);
        pw_write_nil(&buffer);
        cr_expect(buffer.full);
        cr_expect_eq(buffer.bytes, 1000);
        pw_buffer_clear(&buffer);
        pw_write_text(&buffer, PW_STR("0123456789"));
        cr_expect_not(buffer.full);
        cr_expect_eq(buffer.bytes, 11);
        pw_buffer_clear(&buffer);
    }
    pw_buffer_close(&buffer);
}

struct drained {
    uint8_t bytes[4096];
    size_t count;
    uint32_t calls;
};

static void take_drained(void *self, const void *data, size_t bytes)
{
    struct drained *drained = self;
    memcpy(drained->bytes + drained->count, data, bytes);
    drained->count += bytes;
    drained->calls++;
}

Test(wire, a_buffer_with_a_drain_is_never_full)
{
    static struct drained drained;
    struct pw_buffer plain;
    struct pw_buffer buffer;
    uint8_t large[100] = {1, 2, 3};
    pw_buffer_init(&plain, sizeof drained.bytes);
    pw_buffer_init(&buffer, 64);
    buffer.drain = take_drained;
    buffer.drain_self = &drained;
    for (uint32_t i = 0; i < 100; i++) {
        pw_write_uint(&plain, i * 1000);
        pw_write_uint(&buffer, i * 1000);
    }
    pw_write_bin(&plain, large, sizeof large);
    pw_write_bin(&buffer, large, sizeof large);
    pw_buffer_flush(&buffer);
    cr_expect(!buffer.full && buffer.bytes == 0);
    cr_expect_gt(drained.calls, 3);
    cr_expect(drained.count == plain.bytes && memcmp(drained.bytes, plain.data, plain.bytes) == 0);
    pw_buffer_close(&plain);
    pw_buffer_close(&buffer);
}
