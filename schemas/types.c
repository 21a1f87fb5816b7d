/* schemas/types.c: ids, moments, hex, UTF-8 and digests. */
/* OpenSSL deprecates the functions without an algorithm to fetch, yet they alone need no allocation
 * and no per-thread context, and are the fastest for records of this size. */
#define OPENSSL_API_COMPAT 10101
#include "schemas/types.h"

#include <openssl/sha.h>

/* The value of a hex digit, or -1. */
static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

void pw_hex_format(const void *data, size_t bytes, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = data;

    for (size_t i = 0; i < bytes; i++) {
        ret_text[2 * i] = digits[from[i] >> 4];
        ret_text[2 * i + 1] = digits[from[i] & 15];
    }
    ret_text[2 * bytes] = '\0';
}

bool pw_hex_parse(struct pw_str text, void *ret_data, size_t bytes)
{
    uint8_t *to = ret_data;

    if (text.len != 2 * bytes) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (digit_of(text.ptr[i]) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(digit_of(text.ptr[2 * i]) << 4 | digit_of(text.ptr[2 * i + 1]));
    }
    return true;
}

static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void pw_base64url_format(const void *data, size_t bytes, char *ret_text)
{
    const uint8_t *from = data;
    uint32_t bits = 0;
    int bit_count = 0;

    for (size_t i = 0; i < bytes; i++) {
        bits = bits << 8 | from[i];
        for (bit_count += 8; bit_count >= 6; bit_count -= 6) {
            *ret_text++ = base64url_digits[bits >> (bit_count - 6) & 63];
        }
    }
    if (bit_count > 0) {
        *ret_text++ = base64url_digits[bits << (6 - bit_count) & 63];
    }
    *ret_text = '\0';
}

static int base64url_value(char c)
{
    const char *at = c != '\0' ? strchr(base64url_digits, c) : NULL;
    return at != NULL ? (int)(at - base64url_digits) : -1;
}

bool pw_base64url_parse(struct pw_str text, void *ret_data, size_t bytes)
{
    uint8_t *to = ret_data;
    uint32_t bits = 0;
    int bit_count = 0;
    size_t rest_bits = text.len * 6 - bytes * 8;

    if (text.len != PW_BASE64URL_BYTES(bytes)) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        int value = base64url_value(text.ptr[i]);
        if (value < 0 || (i + 1 == text.len && value % (1 << rest_bits) != 0)) {
            return false;
        }
    }
    for (size_t i = 0; i < text.len; i++) {
        bits = bits << 6 | (uint32_t)base64url_value(text.ptr[i]);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            *to++ = (uint8_t)(bits >> bit_count);
        }
    }
    return true;
}

/* The groups of a UUID's text, in digits: 8-4-4-4-12. */
static bool hyphen_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

void pw_id_format(const struct pw_id *id, char ret_text[PW_ID_TEXT_BYTES + 1])
{
    char digits[33];
    const char *next = digits;

    pw_hex_format(id->bytes, sizeof id->bytes, digits);
    for (size_t i = 0; i < PW_ID_TEXT_BYTES; i++) {
        ret_text[i] = hyphen_at(i) ? '-' : *next++;
    }
    ret_text[PW_ID_TEXT_BYTES] = '\0';
}

bool pw_id_parse(struct pw_str text, struct pw_id *ret_id)
{
    char digits[32];
    size_t count = 0;
    struct pw_id id;

    if (text.len != PW_ID_TEXT_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!hyphen_at(i)) {
            digits[count++] = text.ptr[i];
        } else if (text.ptr[i] != '-') {
            return false;
        }
    }
    if (!pw_hex_parse((struct pw_str){digits, count}, id.bytes, sizeof id.bytes) ||
        pw_id_is_nil(&id)) {
        return false;
    }
    *ret_id = id;
    return true;
}

static void id_mark(struct pw_id *id, int version)
{
    id->bytes[6] = (uint8_t)(version << 4 | (id->bytes[6] & 0x0f));
    id->bytes[8] = (uint8_t)(0x80 | (id->bytes[8] & 0x3f));
}

struct pw_id pw_id_v7(int64_t now_us, const uint8_t random[16])
{
    struct pw_id id;
    uint64_t now_ms = (uint64_t)(now_us / PW_US_PER_MS);

    assert(now_us >= 0);
    memcpy(id.bytes, random, sizeof id.bytes);
    for (int i = 5; i >= 0; i--) {
        id.bytes[i] = (uint8_t)now_ms;
        now_ms >>= 8;
    }
    id_mark(&id, 7);
    return id;
}

bool pw_id_v7_time(const struct pw_id *id, int64_t *ret_at_us)
{
    int64_t at_ms = 0;

    if (id->bytes[6] >> 4 != 7 || id->bytes[8] >> 6 != 2) {
        return false;
    }
    for (int i = 0; i < 6; i++) {
        at_ms = at_ms << 8 | id->bytes[i];
    }
    *ret_at_us = at_ms * PW_US_PER_MS;
    return true;
}

struct pw_id pw_id_v5(const struct pw_id *name_space, const void *name, size_t name_bytes)
{
    uint8_t digest[SHA_DIGEST_LENGTH];
    struct pw_id id;
    SHA_CTX sha;

    SHA1_Init(&sha);
    SHA1_Update(&sha, name_space->bytes, sizeof name_space->bytes);
    SHA1_Update(&sha, name, name_bytes);
    SHA1_Final(digest, &sha);
    memcpy(id.bytes, digest, sizeof id.bytes);
    id_mark(&id, 5);
    return id;
}

static bool is_blank(char letter)
{
    return letter == ' ' || letter == '\t';
}

void pw_str_lower(struct pw_str text, char *ret_text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        ret_text[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
}

struct pw_str pw_str_trim(struct pw_str text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text = (struct pw_str){text.ptr + 1, text.len - 1};
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

struct pw_hash pw_sha256(const void *first, size_t first_bytes, const void *second,
                         size_t second_bytes)
{
    struct pw_hash hash;
    SHA256_CTX sha;

    SHA256_Init(&sha);
    SHA256_Update(&sha, first, first_bytes);
    SHA256_Update(&sha, second, second_bytes);
    SHA256_Final(hash.bytes, &sha);
    return hash;
}

/* Days from 1970-01-01 to a day of the proleptic Gregorian calendar. Years are counted from March,
 * so that a leap day is the last of its year, in eras of 400 years with 146,097 days each. */
static int64_t days_of(int year, int month, int day)
{
    int64_t march_year = month > 2 ? year : year - 1;
    int64_t era = march_year / 400;
    int64_t year_of_era = march_year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static bool leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && leap(year) ? 29 : days[month - 1];
}

/* Takes exactly `digits` decimal digits between min and max off the front of the text. */
static bool take_number(struct pw_str *text, size_t digits, int min, int max, int *ret_value)
{
    int value = 0;

    if (text->len < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        if (text->ptr[i] < '0' || text->ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (text->ptr[i] - '0');
    }
    text->ptr += digits;
    text->len -= digits;
    *ret_value = value;
    return value >= min && value <= max;
}

/* Takes one character out of `set` off the front of the text. */
static bool take_one_of(struct pw_str *text, const char *set)
{
    if (text->len == 0 || *text->ptr == '\0' || strchr(set, *text->ptr) == NULL) {
        return false;
    }
    text->ptr++;
    text->len--;
    return true;
}

/* Takes `.5` to `.500000`, or nothing where no fraction stands. */
static bool take_fraction(struct pw_str *text, int64_t *ret_us)
{
    int64_t unit_us = PW_US_PER_SECOND;
    int digit;

    *ret_us = 0;
    if (!take_one_of(text, ".")) {
        return true;
    }
    while (take_number(text, 1, 0, 9, &digit)) {
        unit_us /= 10;
        *ret_us += digit * unit_us;
        if (unit_us == 0) {
            return false; /* A seventh digit. */
        }
    }
    return unit_us < PW_US_PER_SECOND;
}

/* Takes `Z` or `+hh:mm`: how far that clock is ahead of UTC. */
static bool take_offset(struct pw_str *text, int64_t *ret_us)
{
    int hours, minutes;
    bool behind = text->len > 0 && *text->ptr == '-';

    *ret_us = 0;
    if (take_one_of(text, "Zz")) {
        return true;
    }
    if (!take_one_of(text, "+-") || !take_number(text, 2, 0, 23, &hours) ||
        !take_one_of(text, ":") || !take_number(text, 2, 0, 59, &minutes)) {
        return false;
    }
    *ret_us = (hours * 60 + minutes) * (behind ? -PW_US_PER_MINUTE : PW_US_PER_MINUTE);
    return true;
}

bool pw_at_parse(struct pw_str text, int64_t *ret_at_us)
{
    int year, month, day, hour, minute, second;
    int64_t fraction_us, ahead_us, at_us;

    if (!take_number(&text, 4, 1, 9999, &year) || !take_one_of(&text, "-") ||
        !take_number(&text, 2, 1, 12, &month) || !take_one_of(&text, "-") ||
        !take_number(&text, 2, 1, days_in(year, month), &day) || !take_one_of(&text, "Tt") ||
        !take_number(&text, 2, 0, 23, &hour) || !take_one_of(&text, ":") ||
        !take_number(&text, 2, 0, 59, &minute) || !take_one_of(&text, ":") ||
        !take_number(&text, 2, 0, 59, &second) || !take_fraction(&text, &fraction_us) ||
        !take_offset(&text, &ahead_us) || text.len != 0) {
        return false;
    }
    at_us = (days_of(year, month, day) * 24 + hour) * 60 * PW_US_PER_MINUTE +
            minute * PW_US_PER_MINUTE + second * PW_US_PER_SECOND + fraction_us - ahead_us;
    if (at_us < 0 || at_us > PW_AT_US_MAX) {
        return false;
    }
    *ret_at_us = at_us;
    return true;
}

/* Writes a number with leading zeros. */
static char *put_number(char *to, int64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return to + digits;
}

/* The inverse of days_of. */
static void date_of(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March. */

    *ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(era * 400 + year_of_era + (*ret_month <= 2 ? 1 : 0));
}

size_t pw_at_format(int64_t at_us, char ret_text[PW_AT_TEXT_BYTES_MAX])
{
    int year, month, day;
    char *to = ret_text;

    at_us = at_us < 0 ? 0 : at_us > PW_AT_US_MAX ? PW_AT_US_MAX : at_us;
    int64_t second_of_day = at_us / PW_US_PER_SECOND % 86400;
    int64_t fraction_us = at_us % PW_US_PER_SECOND;

    date_of(at_us / PW_US_PER_SECOND / 86400, &year, &month, &day);
    to = put_number(to, year, 4);
    *to++ = '-';
    to = put_number(to, month, 2);
    *to++ = '-';
    to = put_number(to, day, 2);
    *to++ = 'T';
    to = put_number(to, second_of_day / 3600, 2);
    *to++ = ':';
    to = put_number(to, second_of_day / 60 % 60, 2);
    *to++ = ':';
    to = put_number(to, second_of_day % 60, 2);
    if (fraction_us != 0) {
        *to++ = '.';
        to = put_number(to, fraction_us, 6);
    }
    *to++ = 'Z';
    *to = '\0';
    return (size_t)(to - ret_text);
}

/* The bytes of the well-formed character at the front (Unicode 15, table 3-7), or 0. */
static size_t character_bytes(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];

    if (lead < 0x80) {
        return lead != 0 ? 1 : 0;
    }
    size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    uint8_t second_min = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t second_max = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

    if (lead < 0xc2 || lead > 0xf4 || left < bytes || at[1] < second_min || at[1] > second_max) {
        return 0;
    }
    for (size_t i = 2; i < bytes; i++) {
        if (at[i] >> 6 != 2) {
            return 0;
        }
    }
    return bytes;
}

/* Whether eight bytes are all of ASCII and none is NUL: only a NUL borrows from a bit 7 that is clear. */
static bool is_ascii_word(const uint8_t *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return ((word | (word - ones)) & (ones << 7)) == 0;
}

bool pw_utf8_valid(struct pw_str text)
{
    const uint8_t *at = (const uint8_t *)text.ptr;
    const uint8_t *end = at + text.len;

    while (at < end) {
        if (end - at >= 8 && is_ascii_word(at)) {
            at += 8;
            continue;
        }
        size_t bytes = character_bytes(at, (size_t)(end - at));
        if (bytes == 0) {
            return false;
        }
        at += bytes;
    }
    return true;
}
