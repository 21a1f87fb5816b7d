/* eventstore/tests/test_keys.c: every example of docs/vectors/keys, and what a master file must be. */
#include "eventstore/keys.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define HEX_2 "2222222222222222222222222222222222222222222222222222222222222222"

static char dir[64];

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    snprintf(dir, sizeof dir, "/tmp/pw-keys-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(keys, .init = setup, .fini = teardown);

/* --- Master files --- */

/* A file of the test's directory; the text's address is its own for up to eight files. */
static const char *master_file(const char *text, mode_t mode)
{
    static char paths[PW_MASTERS_MAX + 2][96];
    static unsigned number;
    char *path = paths[number % PW_COUNT(paths)];
    snprintf(path, sizeof paths[0], "%s/%u", dir, number++);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

static enum pw_code load_one(const char *text, mode_t mode, struct pw_err *err)
{
    const char *path = master_file(text, mode);
    struct pw_masters *masters = NULL;
    enum pw_code code = pw_masters_load(&path, 1, &masters, err);
    pw_masters_free(masters);
    return code;
}

Test(keys, a_master_file_is_64_hex_digits_and_at_most_one_line_end)
{
    static const char *const good[] = {HEX_1, HEX_1 "\n", HEX_1 "\r\n"};
    static const char *const bad[] = {"",          "\n",       HEX_1 "\n\n", HEX_1 "1",
                                      HEX_1 "11",  HEX_1 "\r", " " HEX_1,    HEX_1 HEX_2,
                                      HEX_1 " \n", "x" HEX_1,  "zz" HEX_1,   "11\n" HEX_1};
    struct pw_err err = {0};
    for (size_t i = 0; i < PW_COUNT(good); i++) {
        cr_expect_eq(load_one(good[i], 0600, &err), PW_OK, "%zu: %s", i, err.detail);
    }
    for (size_t i = 0; i < PW_COUNT(bad); i++) {
        cr_expect_eq(load_one(bad[i], 0600, &err), PW_ERR_SETTING_WRONG, "%zu", i);
        cr_expect_not_null(strstr(err.detail, "64 hex digits"), "%s", err.detail);
        cr_expect_null(strstr(err.detail, "1111"), "the detail shows the key: %s", err.detail);
    }
}

Test(keys, a_master_file_that_others_could_read_or_write_is_refused)
{
    static const mode_t refused[] = {0604, 0602, 0601, 0620, 0660, 0644, 0666};
    struct pw_err err = {0};
    cr_expect_eq(load_one(HEX_1, 0400, &err), PW_OK, "%s", err.detail);
    for (size_t i = 0; i < PW_COUNT(refused); i++) {
        cr_expect_eq(load_one(HEX_1, refused[i], &err), PW_ERR_SETTING_WRONG, "%o", refused[i]);
        cr_expect_not_null(strstr(err.detail, "must be 0600"), "%s", err.detail);
    }
    /* Root's file may be shown to a group, as systemd's credentials seem to be; another's may not. */
    cr_expect_eq(load_one(HEX_1, 0440, NULL), geteuid() == 0 ? PW_OK : PW_ERR_SETTING_WRONG);
}

Test(keys, a_master_file_must_be_a_file_that_is_there)
{
    const char *paths[] = {dir, "/nowhere/at/all"};
    struct pw_masters *masters = NULL;
    struct pw_err err = {0};
    for (size_t i = 0; i < PW_COUNT(paths); i++) {
        cr_expect_eq(pw_masters_load(&paths[i], 1, &masters, &err), PW_ERR_SETTING_WRONG);
        cr_expect_not_null(strstr(err.detail, paths[i]), "%s", err.detail);
    }
    cr_expect_null(masters);
}

Test(keys, the_first_master_is_current_and_none_comes_twice)
{
    const char *paths[PW_MASTERS_MAX + 1];
    struct pw_masters *masters = NULL;
    struct pw_err err = {0};
    for (size_t i = 0; i < PW_COUNT(paths); i++) {
        char hex[65];
        snprintf(hex, sizeof hex, "%064zx", i);
        paths[i] = master_file(hex, 0600);
    }
    cr_expect_eq(pw_masters_load(paths, 0, &masters, &err), PW_ERR_SETTING_WRONG);
    cr_expect_eq(pw_masters_load(paths, PW_COUNT(paths), &masters, &err), PW_ERR_SETTING_WRONG);
    cr_assert_eq(pw_masters_load(paths, PW_MASTERS_MAX, &masters, &err), PW_OK, "%s", err.detail);
    cr_expect_eq(pw_masters_count(masters), PW_MASTERS_MAX);
    struct pw_id first = *pw_masters_id(masters, 0);
    cr_expect(pw_masters_have(masters, &first));
    pw_masters_free(masters);
    masters = NULL;
    cr_assert_eq(pw_masters_load(paths + 1, 2, &masters, &err), PW_OK, "%s", err.detail);
    cr_expect_not(pw_masters_have(masters, &first));
    pw_masters_free(masters);
    masters = NULL;
    const char *twice[] = {paths[0], paths[1], paths[0]};
    cr_expect_eq(pw_masters_load(twice, 3, &masters, &err), PW_ERR_SETTING_WRONG);
    cr_expect_not_null(strstr(err.detail, "the same key"), "%s", err.detail);
}

/* --- Vectors --- */

static json_t *load(const char *name)
{
    char path[512];
    json_error_t error;
    snprintf(path, sizeof path, PW_KEY_VECTORS_DIR "/%s", name);
    json_t *vectors = json_load_file(path, 0, &error);
    cr_assert_not_null(vectors, "%s, line %d: %s", name, error.line, error.text);
    return vectors;
}

static struct pw_str text_of(json_t *vector, const char *member)
{
    json_t *text = json_object_get(vector, member);
    cr_assert(json_is_string(text), "a vector lacks \"%s\"", member);
    return (struct pw_str){json_string_value(text), json_string_length(text)};
}

static size_t bytes_of(json_t *vector, const char *member, void *into, size_t room)
{
    struct pw_str hex = text_of(vector, member);
    cr_assert(hex.len / 2 <= room && pw_hex_parse(hex, into, hex.len / 2), "%s", member);
    return hex.len / 2;
}

static bool is(json_t *vector, const char *member, const void *data, size_t bytes)
{
    uint8_t wanted[4096];
    return bytes_of(vector, member, wanted, sizeof wanted) == bytes &&
           memcmp(wanted, data, bytes) == 0;
}

static struct pw_masters *masters_of(json_t *vector)
{
    const char *paths[PW_MASTERS_MAX];
    struct pw_masters *masters = NULL;
    json_t *hexes = json_object_get(vector, "masters");
    struct pw_err err = {0};
    for (size_t i = 0; i < json_array_size(hexes); i++) {
        paths[i] = master_file(json_string_value(json_array_get(hexes, i)), 0600);
    }
    cr_assert_eq(pw_masters_load(paths, json_array_size(hexes), &masters, &err), PW_OK, "%s",
                 err.detail);
    return masters;
}

/* What opens is made again, byte for byte, where its master is the current one. */
static void check_opened(json_t *vector, const struct pw_masters *masters, const char *about,
                         const struct pw_key_record *record, const uint8_t *data_key,
                         const uint8_t *value)
{
    uint8_t again[PW_KEY_RECORD_BYTES];
    cr_expect_eq(record->purpose, json_integer_value(json_object_get(vector, "purpose")), "%s",
                 about);
    cr_expect(is(vector, "key_id", &record->key_id, sizeof record->key_id), "%s", about);
    cr_expect(is(vector, "tenant_id", &record->tenant_id, sizeof record->tenant_id), "%s", about);
    cr_expect(is(vector, "master_id", &record->master_id, sizeof record->master_id), "%s", about);
    cr_expect(is(vector, "check", record->check, sizeof record->check), "%s", about);
    cr_expect(is(vector, "data_key", data_key, PW_KEY_BYTES), "%s", about);
    if (pw_id_equal(&record->master_id, pw_masters_id(masters, 0))) {
        pw_key_wrap(masters, record, data_key, value + 72, again);
        cr_expect_arr_eq(again, value, sizeof again, "%s: it is wrapped otherwise", about);
    }
}

static void check_record(json_t *vector)
{
    static const char *const words[] = {[PW_KEY_FOREIGN] = "foreign",
                                        [PW_KEY_DESTROYED] = "destroyed",
                                        [PW_KEY_NEWER] = "newer",
                                        [PW_KEY_DAMAGED] = "damaged",
                                        [PW_KEY_GOOD] = "good"};
    const char *about = text_of(vector, "about").ptr;
    struct pw_masters *masters = masters_of(vector);
    uint8_t value[512];
    uint8_t data_key[PW_KEY_BYTES];
    struct pw_key_record record = {0};
    struct pw_err err = {0};
    bool has_value = !json_is_null(json_object_get(vector, "value_hex"));
    size_t bytes = has_value ? bytes_of(vector, "value_hex", value, sizeof value) : 0;
    enum pw_key_verdict verdict =
        pw_key_record_read(text_of(vector, "log_key"), has_value ? value : NULL, bytes, &record);
    cr_expect_str_eq(words[verdict], text_of(vector, "verdict").ptr, "%s", about);
    if (verdict == PW_KEY_GOOD) {
        enum pw_code code = pw_key_unwrap(masters, value, data_key, &err);
        const char *opens = code == PW_OK                  ? "yes"
                            : code == PW_ERR_SETTING_WRONG ? "unknown-master"
                                                           : "damaged";
        cr_expect_str_eq(opens, text_of(vector, "opens").ptr, "%s", about);
        if (code == PW_OK) {
            check_opened(vector, masters, about, &record, data_key, value);
        }
    }
    pw_masters_free(masters);
}

Test(keys, records_are_what_the_vectors_say)
{
    json_t *vectors = load("records.json");
    cr_assert_geq(json_array_size(vectors), 35);
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        check_record(json_array_get(vectors, i));
    }
    json_decref(vectors);
}

static void check_payload(json_t *vector)
{
    const char *about = text_of(vector, "about").ptr;
    bool opens = json_is_true(json_object_get(vector, "opens"));
    uint8_t data_key[PW_KEY_BYTES];
    uint8_t nonce[PW_KEY_NONCE_BYTES];
    struct pw_id key_id;
    uint8_t associated[PW_KEY_ASSOCIATED_MAX];
    uint8_t plain[1024];
    uint8_t sealed[1100];
    uint8_t got[1100];
    size_t got_bytes = 0;
    bytes_of(vector, "data_key", data_key, sizeof data_key);
    bytes_of(vector, "nonce", nonce, sizeof nonce);
    bytes_of(vector, "key_id", &key_id, sizeof key_id);
    struct pw_str bound = {(char *)associated,
                           bytes_of(vector, "associated", associated, sizeof associated)};
    struct pw_str text = {(char *)plain, bytes_of(vector, "plain", plain, sizeof plain)};
    struct pw_str box = {(char *)sealed, bytes_of(vector, "sealed", sealed, sizeof sealed)};
    enum pw_code code = pw_payload_open(data_key, &key_id, bound, box, got, &got_bytes, NULL);
    cr_expect_eq(code, opens ? PW_OK : PW_ERR_LEDGER_DAMAGED, "%s", about);
    if (opens) {
        cr_expect(got_bytes == text.len && memcmp(got, plain, text.len) == 0, "%s", about);
        pw_payload_seal(data_key, &key_id, nonce, bound, text, got);
        cr_expect(is(vector, "sealed", got, text.len + PW_PAYLOAD_EXTRA_BYTES), "%s", about);
    }
}

Test(keys, payloads_are_what_the_vectors_say)
{
    json_t *vectors = load("payloads.json");
    cr_assert_geq(json_array_size(vectors), 12);
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        check_payload(json_array_get(vectors, i));
    }
    json_decref(vectors);
}

Test(keys, a_payload_of_the_largest_size_comes_back)
{
    static const uint8_t data_key[PW_KEY_BYTES] = {7};
    static const uint8_t nonce[PW_KEY_NONCE_BYTES] = {8};
    static const struct pw_id key_id = {{9}};
    size_t room = PW_PAYLOAD_BYTES_MAX + PW_PAYLOAD_EXTRA_BYTES + 1;
    uint8_t *plain = calloc(1, PW_PAYLOAD_BYTES_MAX);
    uint8_t *sealed = calloc(1, room);
    uint8_t *got = malloc(room);
    size_t got_bytes = 0;
    pw_payload_seal(data_key, &key_id, nonce, PW_STR("a"),
                    (struct pw_str){(char *)plain, PW_PAYLOAD_BYTES_MAX}, sealed);
    struct pw_str box = {(char *)sealed, room - 1};
    cr_expect_eq(pw_payload_open(data_key, &key_id, PW_STR("a"), box, got, &got_bytes, NULL),
                 PW_OK);
    cr_expect_eq(got_bytes, PW_PAYLOAD_BYTES_MAX);
    box.len = room;
    cr_expect_eq(pw_payload_open(data_key, &key_id, PW_STR("a"), box, got, &got_bytes, NULL),
                 PW_ERR_LEDGER_DAMAGED);
    free(plain);
    free(sealed);
    free(got);
}

Test(keys, tags_are_what_the_vectors_say)
{
    json_t *vectors = load("tags.json");
    struct pw_hash before = {{0}};
    cr_assert_geq(json_array_size(vectors), 6);
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        json_t *vector = json_array_get(vectors, i);
        uint8_t data_key[PW_KEY_BYTES];
        uint8_t value[256];
        bytes_of(vector, "data_key", data_key, sizeof data_key);
        struct pw_str text = {(char *)value, bytes_of(vector, "value", value, sizeof value)};
        struct pw_hash tag = pw_equality_tag(data_key, text_of(vector, "context"), text);
        cr_expect(is(vector, "tag", tag.bytes, sizeof tag.bytes), "%zu", i);
        cr_expect(pw_equality_same(&tag, &tag));
        cr_expect_not(pw_equality_same(&tag, &before));
        before = tag;
    }
    json_decref(vectors);
}
