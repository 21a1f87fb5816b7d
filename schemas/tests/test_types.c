/* schemas/tests/test_types.c: ids, moments, hex, UTF-8 and digests against published vectors. */
#include "schemas/arena.h"
#include "schemas/errors.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define TEXT_EQUAL(got, expected) cr_expect_str_eq((got), (expected))

static struct pw_id id_of(const char *text)
{
    struct pw_id id;
    cr_assert(pw_id_parse(pw_str_of(text), &id), "%s", text);
    return id;
}

static void expect_id(const struct pw_id *id, const char *text)
{
    char got[PW_ID_TEXT_BYTES + 1];
    pw_id_format(id, got);
    TEXT_EQUAL(got, text);
}

Test(id, only_ascii_letters_become_small)
{
    char lower[12];
    pw_str_lower(PW_STR("A@[\xc3\x84Zz`{"), lower);
    cr_expect_eq(memcmp(lower, "a@[\xc3\x84zz`{", 9), 0);
}

Test(id, reads_both_cases_and_writes_lower_case)
{
    struct pw_id id = id_of("01890A5D-AC96-774b-bcce-B302099A8057");
    expect_id(&id, "01890a5d-ac96-774b-bcce-b302099a8057");
}

Test(id, refuses_every_other_shape_and_leaves_the_result_alone)
{
    static const char *const bad[] = {
        "",
        "01890a5d-ac96-774b-bcce-b302099a805",
        "01890a5d-ac96-774b-bcce-b302099a80570",
        "01890a5dac96-774b-bcce-b302099a80570",
        "01890a5d-ac96-774b-bcce+b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a805g",
        "{1890a5d-ac96-774b-bcce-b302099a805}",
        " 1890a5d-ac96-774b-bcce-b302099a8057",
        "-1890a5d-ac96-774b-bcce-b302099a8057",
        "00000000-0000-0000-0000-000000000000", /* No id at all. */
    };
    struct pw_id before = id_of("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    struct pw_id id = before;
    for (size_t i = 0; i < PW_COUNT(bad); i++) {
        cr_expect_not(pw_id_parse(pw_str_of(bad[i]), &id), "%s", bad[i]);
        cr_expect(pw_id_equal(&id, &before));
    }
}

Test(id, v5_is_that_of_rfc_9562_appendix_a4)
{
    struct pw_id dns = id_of("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    struct pw_id id = pw_id_v5(&dns, "www.example.com", 15);
    expect_id(&id, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

Test(id, v7_is_that_of_rfc_9562_appendix_a6)
{
    /* The appendix's random bits; those under version and variant are set to what must be lost. */
    static const uint8_t random[16] = {1,    2,    3,    4,    5,    6,    0xfc, 0xc3,
                                       0xd8, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
    struct pw_id id = pw_id_v7(INT64_C(1645557742000) * PW_US_PER_MS + 999, random);
    int64_t at_us = 0;
    expect_id(&id, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    cr_expect(pw_id_v7_time(&id, &at_us));
    cr_expect_eq(at_us, INT64_C(1645557742000) * PW_US_PER_MS);
}

Test(id, only_a_v7_has_a_time)
{
    static const char *const others[] = {
        "017f22e2-79b0-4cc3-98c4-dc0c0c07398f", "017f22e2-79b0-8cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-18c4-dc0c0c07398f", "017f22e2-79b0-7cc3-d8c4-dc0c0c07398f",
        "00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff"};
    for (size_t i = 0; i < PW_COUNT(others); i++) {
        struct pw_id id = id_of(others[i]);
        int64_t at_us = 77;
        cr_expect_not(pw_id_v7_time(&id, &at_us), "%s", others[i]);
        cr_expect_eq(at_us, 77);
    }
}

/* Formatted as given, or under `utc` where that is another text. */
static const struct moment_row {
    const char *text;
    int64_t at_us;
    const char *utc;
} moments[] = {
    {"1970-01-01T00:00:00Z", 0, NULL},
    {"1970-01-01T00:00:00.000001Z", 1, NULL},
    {"2000-02-29T12:00:00Z", INT64_C(951825600000000), NULL},
    {"2027-02-01T09:00:00+01:00", INT64_C(1801468800000000), "2027-02-01T08:00:00Z"},
    {"2024-02-29T23:59:59Z", INT64_C(1709251199000000), NULL},
    {"2024-12-31T23:30:00-01:00", INT64_C(1735691400000000), "2025-01-01T00:30:00Z"},
    {"1990-12-31T15:59:59-08:00", INT64_C(662687999000000), "1990-12-31T23:59:59Z"},
    {"1937-01-01T12:00:27.87+00:20", -1, NULL},
    {"1985-04-12T23:20:50.52Z", INT64_C(482196050520000), "1985-04-12T23:20:50.520000Z"},
    {"1970-01-01T05:29:59.5+05:29", INT64_C(59500000), "1970-01-01T00:00:59.500000Z"},
    {"2027-02-01t08:00:00z", INT64_C(1801468800000000), "2027-02-01T08:00:00Z"},
    {"2027-02-01T08:00:00-00:00", INT64_C(1801468800000000), "2027-02-01T08:00:00Z"},
    {"1969-12-31T23:59:59-00:01", INT64_C(59000000), "1970-01-01T00:00:59Z"},
    {"9999-12-31T23:59:59.999999Z", PW_AT_US_MAX, NULL},
    {"2100-03-01T00:00:00Z", INT64_C(4107542400000000), NULL},
    {"2400-02-29T00:00:00Z", INT64_C(13574563200000000), NULL},
};

Test(moment, reads_and_writes_rfc_3339)
{
    for (size_t i = 0; i < PW_COUNT(moments); i++) {
        const struct moment_row *row = &moments[i];
        char text[PW_AT_TEXT_BYTES_MAX];
        int64_t at_us = -1;
        cr_expect_eq(pw_at_parse(pw_str_of(row->text), &at_us), row->at_us >= 0, "%s", row->text);
        cr_expect_eq(at_us, row->at_us, "%s is %lld", row->text, (long long)at_us);
        if (row->at_us >= 0) {
            const char *utc = row->utc != NULL ? row->utc : row->text;
            cr_expect_eq(pw_at_format(row->at_us, text), strlen(utc));
            TEXT_EQUAL(text, utc);
        }
    }
}

Test(moment, refuses_all_else)
{
    static const char *const bad[] = {
        "",
        "2027-02-01",
        "2027-02-01T08:00:00",  /* No offset. */
        "2027-02-01 08:00:00Z", /* The RFC's grammar has a T. */
        "2027-02-01T08:00Z",    /* No seconds. */
        "2027-2-01T08:00:00Z",
        "+2027-02-01T08:00:00Z",
        "12027-02-01T08:00:00Z",
        "0000-02-01T08:00:00Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2027-00-01T08:00:00Z",
        "2027-13-01T08:00:00Z",
        "2027-01-00T08:00:00Z",
        "2027-04-31T08:00:00Z",
        "2027-02-29T08:00:00Z",
        "2100-02-29T08:00:00Z",
        "2027-02-01T24:00:00Z",
        "2027-02-01T08:60:00Z",
        "2016-12-31T23:59:60Z", /* A leap second has no number of its own. */
        "2027-02-01T08:00:00.Z",
        "2027-02-01T08:00:00.1234567Z",
        "2027-02-01T08:00:00,5Z",
        "2027-02-01T08:00:00+24:00",
        "2027-02-01T08:00:00+01:60",
        "2027-02-01T08:00:00+0100",
        "2027-02-01T08:00:00+01",
        "2027-02-01T08:00:00Z ",
        " 2027-02-01T08:00:00Z",
        "2027-02-01T08:00:00ZZ",
        "2027-02-01T08:00:00 01:00",
    };
    for (size_t i = 0; i < PW_COUNT(bad); i++) {
        int64_t at_us = 77;
        cr_expect_not(pw_at_parse(pw_str_of(bad[i]), &at_us), "%s", bad[i]);
        cr_expect_eq(at_us, 77);
    }
    cr_expect_not(pw_at_parse((struct pw_str){"2027-02-01T08:00:00\0", 20}, &(int64_t){0}));
}

Test(moment, every_day_of_430_years_comes_back)
{
    for (int64_t day = 0; day < 157000; day++) {
        char text[PW_AT_TEXT_BYTES_MAX];
        int64_t at_us = day * 86400 * PW_US_PER_SECOND + day, again_us = -1;
        size_t bytes = pw_at_format(at_us, text);
        cr_assert(pw_at_parse((struct pw_str){text, bytes}, &again_us), "%s", text);
        cr_assert_eq(at_us, again_us, "%s", text);
    }
}

Test(moment, what_rfc_3339_cannot_write_becomes_the_nearest_that_it_can)
{
    char text[PW_AT_TEXT_BYTES_MAX];
    pw_at_format(INT64_MAX, text);
    TEXT_EQUAL(text, "9999-12-31T23:59:59.999999Z");
    pw_at_format(INT64_MIN, text);
    TEXT_EQUAL(text, "1970-01-01T00:00:00Z");
}

Test(hex, goes_there_and_back)
{
    static const uint8_t bytes[] = {0x00, 0x0f, 0xa5, 0xff};
    uint8_t again[4] = {1, 1, 1, 1};
    char text[9];
    pw_hex_format(bytes, 4, text);
    TEXT_EQUAL(text, "000fa5ff");
    cr_expect_not(pw_hex_parse(PW_STR("000fa5f"), again, 4));
    cr_expect_not(pw_hex_parse(PW_STR("000fa5fff"), again, 4));
    cr_expect_not(pw_hex_parse(PW_STR("000fa5f "), again, 4));
    cr_expect_eq(again[0], 1, "A refusal writes nothing.");
    cr_expect(pw_hex_parse(PW_STR("000FA5ff"), again, 4));
    cr_expect_arr_eq(again, bytes, 4);
}

Test(base64url, has_the_vectors_of_rfc_4648_without_padding)
{
    static const char *const rows[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    for (size_t bytes = 0; bytes < PW_COUNT(rows); bytes++) {
        char text[16], again[8] = "";
        pw_base64url_format("foobar", bytes, text);
        TEXT_EQUAL(text, rows[bytes]);
        cr_expect(pw_base64url_parse(pw_str_of(text), again, bytes));
        cr_expect_arr_eq(again, "foobar", bytes);
    }
}

Test(base64url, has_one_spelling_only)
{
    static const char *const bad[] = {"-_8=", "+/8", "-_", "-_88", "-_9", "-_ ", "-\xc3\xa4"};
    uint8_t got[2] = {7, 7};
    for (size_t i = 0; i < PW_COUNT(bad); i++) {
        cr_expect_not(pw_base64url_parse(pw_str_of(bad[i]), got, 2), "%s", bad[i]);
        cr_expect_eq(got[0], 7, "A refusal writes nothing.");
    }
    cr_expect_not(pw_base64url_parse((struct pw_str){"-\0"
                                                     "8",
                                                     3},
                                     got, 2));
    cr_expect(pw_base64url_parse(PW_STR("-_8"), got, 2));
    cr_expect(got[0] == 0xfb && got[1] == 0xff);
}

Test(str, is_trimmed_at_both_ends)
{
    static const struct {
        struct pw_str text;
        struct pw_str trimmed;
    } rows[] = {
        {PW_STR(""), PW_STR("")},           {PW_STR(" \t "), PW_STR("")},
        {PW_STR("a"), PW_STR("a")},         {PW_STR(" a\t b \t"), PW_STR("a\t b")},
        {PW_STR("\na\r"), PW_STR("\na\r")},
    };
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        cr_expect(pw_str_equal(pw_str_trim(rows[i].text), rows[i].trimmed), "row %zu", i);
    }
}

static const struct utf8_row {
    const char *name;
    struct pw_str text;
    bool valid;
} utf8_rows[] = {
    {"nothing", PW_STR(""), true},
    {"ASCII", PW_STR("\x01 ~\x7f"), true},
    {"NUL", PW_STR("a\0b"), false},
    {"two bytes, first and last", PW_STR("\xc2\x80\xdf\xbf"), true},
    {"three bytes, first and last", PW_STR("\xe0\xa0\x80\xef\xbf\xbf"), true},
    {"around the surrogates", PW_STR("\xed\x9f\xbf\xee\x80\x80"), true},
    {"four bytes, first and last", PW_STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), true},
    {"overlong NUL", PW_STR("\xc0\x80"), false},
    {"overlong slash", PW_STR("\xc1\xaf"), false},
    {"overlong in three", PW_STR("\xe0\x9f\xbf"), false},
    {"overlong in four", PW_STR("\xf0\x8f\xbf\xbf"), false},
    {"first surrogate", PW_STR("\xed\xa0\x80"), false},
    {"last surrogate", PW_STR("\xed\xbf\xbf"), false},
    {"above the last character", PW_STR("\xf4\x90\x80\x80"), false},
    {"lead byte f5", PW_STR("\xf5\x80\x80\x80"), false},
    {"lead byte ff", PW_STR("\xff"), false},
    {"lone continuation", PW_STR("\x80"), false},
    {"cut after one of two", PW_STR("a\xc3"), false},
    {"cut after two of three", PW_STR("\xe2\x82"), false},
    {"cut after three of four", PW_STR("\xf0\x9f\x98"), false},
    {"second byte no continuation", PW_STR("\xe2\x28\xa1"), false},
    {"third byte no continuation", PW_STR("\xe2\x82\x28"), false},
    {"fourth byte no continuation", PW_STR("\xf0\x9f\x98\x28"), false},
};

Test(utf8, knows_good_from_bad)
{
    for (size_t i = 0; i < PW_COUNT(utf8_rows); i++) {
        cr_expect_eq(pw_utf8_valid(utf8_rows[i].text), utf8_rows[i].valid, "%s", utf8_rows[i].name);
    }
}

/* ASCII is looked at in words: wherever a byte lies, alone it spoils the whole. */
Test(utf8, one_bad_byte_is_found_wherever_it_lies)
{
    static const char bad[] = {'\0', '\x80', '\xff'};
    char text[19];
    for (size_t i = 0; i < sizeof text; i++) {
        memset(text, '\x01', sizeof text);
        cr_expect(pw_utf8_valid((struct pw_str){text, sizeof text}));
        for (size_t k = 0; k < sizeof bad; k++) {
            text[i] = bad[k];
            cr_expect_not(pw_utf8_valid((struct pw_str){text, sizeof text}), "byte %zu", i);
        }
    }
}

Test(sha256, is_that_of_fips_180_4_however_it_is_cut)
{
    static const char message[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    for (size_t cut = 0; cut < sizeof message; cut++) {
        struct pw_hash hash = pw_sha256(message, cut, message + cut, sizeof message - 1 - cut);
        char text[65];
        pw_hex_format(hash.bytes, 32, text);
        TEXT_EQUAL(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }
}

Test(error, is_found_by_its_name_and_no_name_is_used_twice)
{
    for (int i = PW_OK + 1; i < PW_CODE_COUNT; i++) {
        enum pw_code code = PW_OK;
        const char *name = pw_error_info((enum pw_code)i)->name;
        cr_expect(pw_error_by_name(pw_str_of(name), &code));
        cr_expect_eq((int)code, i, "%s", name);
        cr_expect_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name), "%s", name);
    }
    cr_expect_not(pw_error_by_name(PW_STR("slot-ful"), &(enum pw_code){0}));
    cr_expect_not(pw_error_by_name(PW_STR(""), &(enum pw_code){0}));
}

Test(error, detail_is_cut_between_characters)
{
    struct pw_err err;
    char text[400] = "";
    for (int shift = 0; shift < 3; shift++) {
        memset(text, 'x', (size_t)shift);
        for (size_t i = (size_t)shift; i + 3 < sizeof text; i += 3) {
            memcpy(text + i, "\xe2\x82\xac", 4);
        }
        cr_expect_eq(pw_fail(&err, PW_ERR_SLOT_FULL, "%s", text), PW_ERR_SLOT_FULL);
        cr_expect(pw_utf8_valid(pw_str_of(err.detail)));
        cr_expect_geq(strlen(err.detail), sizeof err.detail - 4);
    }
    pw_fail(&err, PW_ERR_INTERNAL,
            "a\xff"
            "b");
    TEXT_EQUAL(err.detail, "a?b");
    cr_expect_eq(pw_fail(NULL, PW_ERR_SLOT_FULL, "nobody listens"), PW_ERR_SLOT_FULL);
}

Test(arena, gives_zeroed_aligned_memory_up_to_its_ceiling)
{
    struct pw_arena arena;
    pw_arena_init(&arena, 100000);
    for (int round = 0; round < 3; round++) {
        size_t taken = 0;
        for (size_t bytes = 0; pw_arena_take(&arena, 0) != NULL; bytes = (bytes * 7 + 13) % 5000) {
            uint8_t *memory = pw_arena_take(&arena, bytes);
            if (memory == NULL) {
                break;
            }
            cr_assert_eq((uintptr_t)memory % 16, 0);
            for (size_t i = 0; i < bytes; i++) {
                cr_assert_eq(memory[i], 0);
            }
            memset(memory, 0xee, bytes);
            taken += bytes;
        }
        cr_expect_leq(taken, 100000);
        cr_expect_geq(taken, 90000);
        cr_expect_null(pw_arena_take(&arena, SIZE_MAX));
        pw_arena_reset(&arena);
    }
    pw_arena_close(&arena);
}

Test(arena, forgets_what_was_in_it)
{
    static const char secret[] = "staple of my own";
    struct pw_arena arena;
    pw_arena_init(&arena, 100000);
    pw_arena_take(&arena, 4000);
    const char *kept = pw_arena_copy(&arena, PW_STR(secret)).ptr; /* In the block that stays. */
    cr_assert(kept != NULL && memcmp(kept, secret, sizeof secret - 1) == 0);
    pw_arena_forget(&arena);
    for (size_t i = 0; i < sizeof secret - 1; i++) {
        cr_expect_eq(kept[i], 0);
    }
    cr_expect_eq(arena.taken_bytes, 0);
    pw_arena_close(&arena);
}

Test(arena, copies_text_and_tells_an_empty_text_from_no_memory)
{
    struct pw_arena arena;
    pw_arena_init(&arena, 32);
    cr_expect(pw_str_equal(pw_arena_copy(&arena, PW_STR("seat")), PW_STR("seat")));
    cr_expect_not_null(pw_arena_copy(&arena, (struct pw_str){NULL, 0}).ptr);
    cr_expect_null(pw_arena_copy(&arena, PW_STR("one too many")).ptr);
    pw_arena_close(&arena);
}
