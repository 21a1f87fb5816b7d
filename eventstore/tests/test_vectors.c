/* eventstore/tests/test_vectors.c: the chain agrees with every example log of docs/vectors. */
#include "eventstore/chain.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#define VECTORS_MIN 40

static json_t *member(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    cr_assert_not_null(value, "a vector lacks \"%s\"", name);
    return value;
}

static bool is_null(json_t *value)
{
    return value == NULL || json_is_null(value);
}

/* The bytes of one log entry; NULL for a tombstone. */
static uint8_t *value_of(json_t *entry, size_t *ret_bytes)
{
    json_t *parts = json_object_get(entry, "value_parts");
    json_t *whole = json_object_get(entry, "value_hex");
    uint8_t *value;
    size_t bytes = 0;

    if (parts == NULL) {
        if (is_null(whole)) {
            *ret_bytes = 0;
            return NULL;
        }
        *ret_bytes = json_string_length(whole) / 2;
        value = malloc(*ret_bytes + 1);
        cr_assert(pw_hex_parse(pw_str_of(json_string_value(whole)), value, *ret_bytes));
        return value;
    }
    size_t i;
    json_t *part;
    json_array_foreach(parts, i, part)
    {
        bytes += json_string_length(json_array_get(part, 0)) / 2 *
                 (size_t)json_integer_value(json_array_get(part, 1));
    }
    value = malloc(bytes + 1);
    *ret_bytes = bytes;
    bytes = 0;
    json_array_foreach(parts, i, part)
    {
        struct pw_str hex = pw_str_of(json_string_value(json_array_get(part, 0)));
        for (json_int_t n = json_integer_value(json_array_get(part, 1)); n > 0; n--) {
            cr_assert(pw_hex_parse(hex, value + bytes, hex.len / 2));
            bytes += hex.len / 2;
        }
    }
    return value;
}

static bool hash_is(json_t *expected, const struct pw_hash *hash)
{
    char text[2 * sizeof hash->bytes + 1];

    pw_hex_format(hash->bytes, sizeof hash->bytes, text);
    return json_is_string(expected) && strcmp(text, json_string_value(expected)) == 0;
}

/* A detail starts with its reason, and a colon. */
static bool reason_is(const char *detail, const char *reason)
{
    size_t length = strlen(reason);
    return strncmp(detail, reason, length) == 0 && detail[length] == ':';
}

static void check_verdict(const char *name, const struct pw_chain *chain, json_t *expected,
                          enum pw_verdict verdict, const uint8_t *value, size_t value_bytes)
{
    static const char *const words[] = {
        [PW_CHAIN_ACCEPTED] = "accepted", [PW_CHAIN_VOID] = "void", [PW_CHAIN_STOPPED] = "stop"};
    long long offset = json_integer_value(member(expected, "offset"));
    const char *word = json_string_value(member(expected, "verdict"));
    json_t *hash = json_object_get(expected, "hash");

    cr_expect_str_eq(words[verdict], word, "%s, offset %lld: %s, not %s (%s)", name, offset,
                     words[verdict], word, chain->stopped.detail);
    switch (verdict) {
    case PW_CHAIN_ACCEPTED:
        cr_expect(hash_is(hash, &chain->head), "%s, offset %lld: the hash", name, offset);
        cr_expect_eq(chain->height, (uint64_t)json_integer_value(member(expected, "height")),
                     "%s, offset %lld: the height", name, offset);
        break;
    case PW_CHAIN_VOID: cr_expect(is_null(hash)); break;
    case PW_CHAIN_STOPPED:
        if (!is_null(hash)) {
            struct pw_hash is = pw_record_hash(value, value_bytes);
            cr_expect(hash_is(hash, &is), "%s, offset %lld: the hash", name, offset);
        }
        const char *reason = json_string_value(member(expected, "reason"));
        cr_expect(reason_is(chain->stopped.detail, reason), "%s, offset %lld: \"%s\", not %s", name,
                  offset, chain->stopped.detail, reason);
        break;
    }
}

static void check_end(const char *name, const struct pw_chain *chain, json_t *end)
{
    json_t *head = member(end, "head");
    json_t *stopped = member(end, "stop");

    cr_expect_eq(chain->accepted_count, (uint64_t)json_integer_value(member(end, "accepted")),
                 "%s: accepted", name);
    cr_expect_eq(chain->void_count, (uint64_t)json_integer_value(member(end, "void")), "%s: void",
                 name);
    cr_expect_eq(chain->stopped.code != PW_OK, !is_null(stopped), "%s: %s", name,
                 chain->stopped.detail);
    if (!is_null(stopped)) {
        cr_expect(reason_is(chain->stopped.detail, json_string_value(member(stopped, "reason"))),
                  "%s: \"%s\"", name, chain->stopped.detail);
    }
    if (is_null(head)) {
        cr_expect_eq(chain->head_offset, -1, "%s: no head", name);
        return;
    }
    cr_expect_eq(chain->head_offset, json_integer_value(member(head, "offset")), "%s", name);
    cr_expect_eq(chain->height, (uint64_t)json_integer_value(member(head, "height")), "%s", name);
    cr_expect_eq(chain->decided_at_us, json_integer_value(member(head, "decided_at_us")), "%s",
                 name);
    cr_expect(hash_is(member(head, "hash"), &chain->head), "%s: the head", name);

    struct pw_position position = {.partition = chain->partition, .offset = chain->head_offset};
    char text[PW_POSITION_TEXT_BYTES_MAX];
    memcpy(position.head, chain->head.bytes, sizeof position.head);
    pw_position_format(&position, text);
    cr_expect_str_eq(text, json_string_value(member(end, "position")), "%s", name);
}

static void check_vector(const char *name, json_t *vector)
{
    json_t *log = member(vector, "log");
    json_t *verdicts = member(vector, "verdicts");
    json_t *ledger_id = json_object_get(vector, "ledger_id");
    struct pw_chain chain;
    size_t judged = 0;
    size_t i;
    json_t *entry;

    pw_chain_init(&chain, (uint32_t)json_integer_value(member(vector, "partition")));
    chain.partition_count = (uint32_t)json_integer_value(member(vector, "partition_count"));
    if (!is_null(ledger_id)) {
        cr_assert(pw_hex_parse(pw_str_of(json_string_value(ledger_id)), chain.ledger_id.bytes,
                               sizeof chain.ledger_id.bytes));
    }
    json_array_foreach(log, i, entry)
    {
        struct pw_record record;
        size_t value_bytes;
        uint8_t *value = value_of(entry, &value_bytes);
        int64_t offset = json_integer_value(member(entry, "offset"));
        bool was_stopped = chain.stopped.code != PW_OK;
        enum pw_verdict verdict = pw_chain_take(&chain, offset, value, value_bytes, &record);

        if (was_stopped || (offset > 0 && chain.head_offset < 0)) {
            cr_expect_eq(verdict, PW_CHAIN_STOPPED, "%s: nothing is judged after a stop", name);
        } else {
            cr_assert_lt(judged, json_array_size(verdicts), "%s: stops too late", name);
            check_verdict(name, &chain, json_array_get(verdicts, judged), verdict, value,
                          value_bytes);
            judged++;
        }
        free(value);
    }
    pw_chain_end(&chain);
    cr_expect_eq(judged, json_array_size(verdicts), "%s: judges every record", name);
    check_end(name, &chain, member(vector, "end"));
    pw_chain_close(&chain);
}

Test(vectors, every_log_gets_its_verdicts)
{
    struct dirent **files;
    int file_count = scandir(PW_VECTORS_DIR, &files, NULL, alphasort);
    int vector_count = 0;

    cr_assert_gt(file_count, 0, "no directory %s", PW_VECTORS_DIR);
    for (int i = 0; i < file_count; i++) {
        const char *suffix = strrchr(files[i]->d_name, '.');
        if (suffix != NULL && strcmp(suffix, ".json") == 0) {
            char path[1024];
            json_error_t error;
            snprintf(path, sizeof path, "%s/%s", PW_VECTORS_DIR, files[i]->d_name);
            json_t *vector = json_load_file(path, 0, &error);
            cr_assert_not_null(vector, "%s: %s", path, error.text);
            check_vector(files[i]->d_name, vector);
            json_decref(vector);
            vector_count++;
        }
        free(files[i]);
    }
    free(files);
    cr_assert_geq(vector_count, VECTORS_MIN, "only %d vectors", vector_count);
}
