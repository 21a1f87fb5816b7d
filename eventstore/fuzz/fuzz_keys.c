/* eventstore/fuzz/fuzz_keys.c: any bytes as key and value of a record of the keys topic, and as an encrypted payload.
 *
 * A byte says how many of the next belong to the key. What is called good is a record of 144 bytes that names that key, and opens under no
 * master key of ours, for ours has never wrapped anything. */
#include "eventstore/keys.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

static struct pw_masters *masters_once(void)
{
    static struct pw_masters *masters;
    if (masters == NULL) {
        char path[64];
        const char *paths[] = {path};
        int fd = memfd_create("master", 0);
        check(sodium_init() >= 0 && fd >= 0 && fchmod(fd, 0600) == 0);
        for (int i = 0; i < 8; i++) {
            check(write(fd, "a1b2c3d4", 8) == 8);
        }
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        check(pw_masters_load(paths, 1, &masters, NULL) == PW_OK);
        close(fd);
    }
    return masters;
}

static void check_good(struct pw_str log_key, const uint8_t *value, size_t value_bytes,
                       const struct pw_key_record *record)
{
    char text[PW_ID_TEXT_BYTES + 1];
    uint8_t data_key[PW_KEY_BYTES];
    pw_id_format(&record->key_id, text);
    check(value_bytes == PW_KEY_RECORD_BYTES && pw_str_equal(log_key, pw_str_of(text)));
    check(record->purpose == PW_KEY_PERSONAL || record->purpose == PW_KEY_EQUALITY);
    check(pw_key_unwrap(masters_once(), value, data_key, NULL) != PW_OK);
}

static void check_payload(const uint8_t *data, size_t bytes)
{
    static const uint8_t data_key[PW_KEY_BYTES] = {1};
    static const struct pw_id key_id = {{2}};
    size_t plain_bytes = 0;
    uint8_t *plain = malloc(bytes + 1);
    check(plain != NULL);
    check(pw_payload_open(data_key, &key_id, PW_STR("x"),
                          (struct pw_str){(const char *)data, bytes}, plain, &plain_bytes,
                          NULL) != PW_OK);
    free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    check_payload(data, bytes);
    if (bytes == 0 || data[0] > bytes - 1) {
        return 0;
    }
    struct pw_str log_key = {(const char *)data + 1, data[0]};
    const uint8_t *value = data + 1 + log_key.len;
    size_t value_bytes = bytes - 1 - log_key.len;
    struct pw_key_record record;
    enum pw_key_verdict verdict = pw_key_record_read(log_key, value, value_bytes, &record);
    check(verdict != PW_KEY_DESTROYED);
    if (verdict == PW_KEY_GOOD) {
        check_good(log_key, value, value_bytes, &record);
    }
    enum pw_key_verdict tombstone = pw_key_record_read(log_key, NULL, 0, &record);
    check(tombstone == PW_KEY_DESTROYED || verdict == PW_KEY_FOREIGN);
    return 0;
}
