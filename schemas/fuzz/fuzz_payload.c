/* schemas/fuzz/fuzz_payload.c: any bytes as the payload of any event.
 *
 * The first byte picks the event ('0' is the first of the tables). A payload has one spelling: what
 * can be read is written again as the same bytes, and lies within the ledger's grammar. */
#include "schemas/codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct pw_event event = {.type = PW_EVENT_TENANT_CREATED};

    if (bytes == 0) {
        return 0;
    }
    const struct pw_event_info *info =
        pw_event_info((enum pw_event_type)((uint8_t)(data[0] - '0') % PW_EVENT_COUNT));
    struct pw_str payload = {(const char *)data + 1, bytes - 1};
    struct pw_cursor cursor = pw_cursor_of(payload.ptr, payload.len);
    bool in_grammar = pw_read_any(&cursor, 5).ptr != NULL && pw_cursor_done(&cursor);
    if (pw_event_read(pw_str_of(info->name), info->version, payload, &event, NULL) == PW_OK) {
        struct pw_buffer buffer;
        pw_buffer_init(&buffer, bytes + 1);
        pw_payload_write(&buffer, &info->message, pw_event_body(&event));
        check(in_grammar);
        check(pw_str_equal(payload, (struct pw_str){(const char *)buffer.data, buffer.bytes}));
        pw_buffer_close(&buffer);
    }
    return 0;
}
