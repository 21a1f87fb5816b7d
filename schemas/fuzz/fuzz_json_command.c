/* schemas/fuzz/fuzz_json_command.c: any bytes as the body of any command.
 *
 * The first byte picks the command ('0' is the first of the tables). What is taken must come back
 * equal as a payload; what is not must say why in texts that can go into an answer. */
#include "schemas/codec.h"
#include "schemas/json.h"
#include "schemas/tests/random_body.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define ARENA_BYTES_MAX (1 << 20)

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_round_trip(const struct pw_message *message, const void *body)
{
    struct pw_buffer buffer;
    void *again = calloc(1, message->size);

    pw_buffer_init(&buffer, ARENA_BYTES_MAX);
    pw_payload_write(&buffer, message, body);
    struct pw_str payload = {(const char *)buffer.data, buffer.bytes};
    check(pw_payload_read(payload, message, again) && body_equal(message, body, again));
    pw_buffer_close(&buffer);
    free(again);
}

static void check_violations(const struct pw_violations *violations)
{
    check(violations->count > 0);
    check(violations->more == 0 || violations->count == PW_VIOLATIONS_MAX);
    for (uint32_t i = 0; i < violations->count; i++) {
        check(violations->items[i].pointer[0] == '/' && violations->items[i].detail[0] != '\0');
        check(pw_utf8_valid(pw_str_of(violations->items[i].pointer)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct pw_violations violations = {.count = 0};
    struct pw_command command;
    struct pw_arena arena;
    struct pw_err err = {PW_OK, ""};

    if (bytes == 0) {
        return 0;
    }
    memset(&command, 0x11, sizeof command); /* Ids that the caller would fill are never nil. */
    command.type = (enum pw_command_type)((uint8_t)(data[0] - '0') % PW_COMMAND_COUNT);
    pw_arena_init(&arena, ARENA_BYTES_MAX);
    struct pw_str body = {(const char *)data + 1, bytes - 1};
    switch (pw_command_read_json(body, &arena, &command, &violations, &err)) {
    case PW_OK:
        check_round_trip(&pw_command_info(command.type)->message, pw_command_body(&command));
        break;
    case PW_ERR_INVALID: check_violations(&violations); break;
    case PW_ERR_MALFORMED: check(strncmp(err.detail, "line ", 5) == 0); break;
    case PW_ERR_TOO_LARGE: check(body.len > PW_JSON_BYTES_MAX); break;
    default: abort();
    }
    pw_arena_close(&arena);
    return 0;
}
