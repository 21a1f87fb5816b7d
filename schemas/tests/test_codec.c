/* schemas/tests/test_codec.c: every struct of the tables, there and back as a payload. */
#include "schemas/codec.h"
#include "schemas/tests/random_body.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define ROUNDS 2000

/* A body that comes back equal, is refused when cut anywhere, and when a byte follows it. */
static void round_trip(const char *name, const struct pw_message *message, uint64_t seed)
{
    struct pw_buffer buffer;
    void *body = calloc(1, message->size), *again = calloc(1, message->size);

    pw_buffer_init(&buffer, 1 << 16);
    random_body(&seed, message, body);
    pw_payload_write(&buffer, message, body);
    struct pw_str payload = {(const char *)buffer.data, buffer.bytes};
    cr_assert(pw_payload_read(payload, message, again), "%s", name);
    cr_assert(body_equal(message, body, again), "%s", name);
    struct pw_cursor cursor = pw_cursor_of(buffer.data, buffer.bytes);
    cr_assert_eq(pw_read_any(&cursor, 3).len, buffer.bytes, "%s", name);

    payload.len = random_next(&seed) % buffer.bytes;
    cr_assert_not(pw_payload_read(payload, message, again), "%s, cut", name);
    pw_write_nil(&buffer);
    payload = (struct pw_str){(const char *)buffer.data, buffer.bytes};
    cr_assert_not(pw_payload_read(payload, message, again), "%s, and more", name);
    pw_buffer_close(&buffer);
    free(body);
    free(again);
}

Test(codec, every_command_and_event_round_trips)
{
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        for (int type = 0; type < PW_COMMAND_COUNT; type++) {
            const struct pw_command_info *info = pw_command_info((enum pw_command_type)type);
            round_trip(info->name, &info->message, seed);
        }
        for (int type = 0; type < PW_EVENT_COUNT; type++) {
            const struct pw_event_info *info = pw_event_info((enum pw_event_type)type);
            round_trip(info->name, &info->message, seed);
        }
    }
}

Test(codec, the_bytes_of_an_event_are_these)
{
    struct pw_tenant_created created = {PW_STR("Graz"), PW_STR("Europe/Vienna"), PW_STR("de")};
    struct pw_buffer buffer;
    pw_buffer_init(&buffer, 1000);
    pw_payload_write(&buffer, &pw_event_info(PW_EVENT_TENANT_CREATED)->message, &created);
    struct pw_str expected = PW_STR("\x93\xa4Graz\xad"
                                    "Europe/Vienna\xa2"
                                    "de");
    cr_expect(pw_str_equal((struct pw_str){(const char *)buffer.data, buffer.bytes}, expected));
    pw_buffer_close(&buffer);
}

static const struct event_row {
    const char *name;
    struct pw_str event;
    uint32_t version;
    struct pw_str payload;
    const char *detail; /* NULL: it is read. */
} event_rows[] = {
    {"as written", PW_STR("slot_capacity_changed"), 1, PW_STR("\x91\x1e"), NULL},
    {"beyond today's limits", PW_STR("slot_capacity_changed"), 1,
     PW_STR("\x91\xce\xff\xff\xff\xff"), NULL},
    {"an unknown name", PW_STR("slot_painted"), 1, PW_STR("\x91\x1e"),
     "unknown-event: no event is called slot_painted"},
    {"a name that only begins alike", PW_STR("slot_capacity_change"), 1, PW_STR("\x91\x1e"),
     "unknown-event: no event is called slot_capacity_change"},
    {"version 0", PW_STR("slot_capacity_changed"), 0, PW_STR("\x91\x1e"),
     "unknown-event: slot_capacity_changed has version 0; this program knows 1"},
    {"a newer version", PW_STR("slot_capacity_changed"), 2, PW_STR("\x91\x1e"),
     "unknown-event: slot_capacity_changed has version 2; this program knows 1"},
    {"too few fields", PW_STR("slot_capacity_changed"), 1, PW_STR("\x90"),
     "unknown-event: the payload of slot_capacity_changed does not fit its table"},
    {"too many fields", PW_STR("slot_capacity_changed"), 1, PW_STR("\x92\x1e\x1e"),
     "unknown-event: the payload of slot_capacity_changed does not fit its table"},
    {"another type", PW_STR("slot_capacity_changed"), 1, PW_STR("\x91\xa1x"),
     "unknown-event: the payload of slot_capacity_changed does not fit its table"},
    {"nil for a field", PW_STR("slot_capacity_changed"), 1, PW_STR("\x91\xc0"),
     "unknown-event: the payload of slot_capacity_changed does not fit its table"},
    {"33 bits", PW_STR("slot_capacity_changed"), 1, PW_STR("\x91\xcf\0\0\0\1\0\0\0\0"),
     "unknown-event: the payload of slot_capacity_changed does not fit its table"},
    {"no array", PW_STR("slot_capacity_changed"), 1, PW_STR("\x1e"),
     "unknown-event: the payload of slot_capacity_changed does not fit its table"},
    {"a byte too many", PW_STR("slot_capacity_changed"), 1, PW_STR("\x91\x1e\xc0"),
     "unknown-event: the payload of slot_capacity_changed does not fit its table"},
};

Test(codec, events_are_read_by_name_and_version)
{
    for (size_t i = 0; i < PW_COUNT(event_rows); i++) {
        const struct event_row *row = &event_rows[i];
        struct pw_event event = {.type = PW_EVENT_COUNT};
        struct pw_err err = {PW_OK, ""};
        enum pw_code code = pw_event_read(row->event, row->version, row->payload, &event, &err);
        if (row->detail == NULL) {
            cr_expect_eq(code, PW_OK, "%s", row->name);
            cr_expect_eq(event.type, PW_EVENT_SLOT_CAPACITY_CHANGED);
            cr_expect_geq(event.slot_capacity_changed.capacity, 30);
        } else {
            cr_expect_eq(code, PW_ERR_LEDGER_DAMAGED, "%s", row->name);
            cr_expect_str_eq(err.detail, row->detail, "%s", row->name);
        }
    }
}

/* The bytes are for ever: names in the table's order, and a bin. */
Test(codec, roles_and_what_is_sealed_have_these_bytes)
{
    struct pw_user_registered registered = {.key_id = {{1}},
                                            .email = PW_STR("\x00\xff"),
                                            .email_tag = {{2}},
                                            .name = PW_STR("n"),
                                            .roles = PW_ROLE(ADMIN) | PW_ROLE(STUDENT),
                                            .password = PW_STR("")};
    struct pw_buffer buffer;
    pw_buffer_init(&buffer, 1000);
    pw_payload_write(&buffer, &pw_event_info(PW_EVENT_USER_REGISTERED)->message, &registered);
    cr_assert_eq(buffer.bytes, 1 + 18 + 4 + 34 + 3 + 1 + 8 + 6 + 2);
    cr_expect(memcmp(buffer.data + 19, "\xc4\x02\x00\xff\xc4\x20\x02", 7) == 0);
    cr_expect(memcmp(buffer.data + 57,
                     "\xc4\x01n\x92\xa7student\xa5"
                     "admin\xc4\x00",
                     20) == 0);
    pw_buffer_close(&buffer);
}

Test(codec, roles_out_of_order_twice_or_unknown_are_no_payload)
{
    static const struct pw_str payloads[] = {PW_STR("\x91\x92\xa5"
                                                    "admin\xa7student"),
                                             PW_STR("\x91\x92\xa7student\xa7student"),
                                             PW_STR("\x91\x91\xa7painter"),
                                             PW_STR("\x91\xa7student")};
    struct pw_user_roles_granted granted;
    const struct pw_message *message = &pw_event_info(PW_EVENT_USER_ROLES_GRANTED)->message;
    cr_expect(pw_payload_read(PW_STR("\x91\x91\xa7student"), message, &granted));
    cr_expect_eq(granted.roles, PW_ROLE(STUDENT));
    for (size_t i = 0; i < PW_COUNT(payloads); i++) {
        cr_expect_not(pw_payload_read(payloads[i], message, &granted), "%zu", i);
    }
}

Test(codec, a_fingerprint_has_no_password)
{
    struct pw_command command = {.type = PW_COMMAND_SESSION_OPEN};
    struct pw_buffer buffer;
    pw_buffer_init(&buffer, 1000);
    command.session_open.email = PW_STR("ann@uni-graz.example");
    command.session_open.password = PW_STR("correct horse battery");
    command.session_open.label = PW_STR("Firefox");
    pw_command_write_client_fields(&buffer, &command);
    cr_expect(
        pw_str_equal((struct pw_str){(const char *)buffer.data, buffer.bytes}, PW_STR("\x91\xa7"
                                                                                      "Firefox")));
    pw_buffer_close(&buffer);
}

Test(codec, a_fingerprint_covers_what_the_client_gave_and_nothing_else)
{
    struct pw_command command = {.type = PW_COMMAND_RESERVATION_RESERVE};
    struct pw_buffer one, two;
    pw_buffer_init(&one, 1000);
    pw_buffer_init(&two, 1000);
    command.reservation_reserve.slot_id.bytes[0] = 1;
    command.reservation_reserve.reservation_id.bytes[0] = 2;
    pw_command_write_client_fields(&one, &command);
    cr_expect_eq(one.bytes, 1 + 2 + 16, "One element, the slot's id.");
    command.reservation_reserve.reservation_id.bytes[0] = 3; /* Made by the shell. */
    pw_command_write_client_fields(&two, &command);
    cr_expect(one.bytes == two.bytes && memcmp(one.data, two.data, one.bytes) == 0);
    pw_buffer_clear(&two);
    command.reservation_reserve.slot_id.bytes[0] = 4;
    pw_command_write_client_fields(&two, &command);
    cr_expect(memcmp(one.data, two.data, one.bytes) != 0);
    pw_buffer_close(&one);
    pw_buffer_close(&two);
}
