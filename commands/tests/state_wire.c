/* commands/tests/state_wire.c: the canonical serialisation, read back. */
#include "commands/tenant_state.h"
#include "commands/tests/items.h"
#include "commands/tests/people.h"

#include <criterion/criterion.h>

#define STATE_BYTES (1 << 20)

static const struct pw_event events[] = {
    CREATED,
    DRAFTED(30),
    PUBLISHED(30, 0, 1),
    OPENED(40, 30, NOON, 2),
    {.type = PW_EVENT_TENANT_ISSUER_TRUSTED,
     .stream_id = OUR_TENANT,
     .tenant_issuer_trusted = {TEXT("sso"), {{7}}}},
    REVISED(30, 0, "Algebra II", 91),
    CAPACITY(40, 0, 3),
    RESERVED(50, ANN, 40, 30, NOON),
    RESERVED(51, BOB, 40, 30, NOON),
    DRAFTED(31),
    PUBLISHED(31, 0, 1),
    OPENED(41, 31, NOON + MINUTES(600), 1),
    RESERVED(52, ANN, 41, 31, NOON + MINUTES(600)),
    CANCELLED(51, BOB, 40, 30),
    EQUALITY_CHOSEN,
    ADA_IS_ADMIN,
    ANN_STUDIES,
    SIGNED_IN(60, 10, NINE),
    SIGNED_IN(61, 10, NINE),
    SIGNED_IN(62, 10, NINE),
    ENDED(61, 0, 10, "revoked"),
    REGISTERED(11, PW_ROLE(STUDENT), PASSWORD_TWO),
    DEACTIVATED(11, 0),
    REGISTERED(12, PW_ROLE(TEACHER), PASSWORD_TWO),
    ERASED(12, 0),
    RULES_SET(0, 30),
    HELD(53, BOB, 40, 30, NOON, NINE + MINUTES(30)),
    OPENED(42, 30, NOON, 4),
    HELD(54, ANN, 42, 30, NOON, NINE + MINUTES(30)),
    HELD(55, BOB, 42, 30, NOON, NINE + MINUTES(20)),
    HELD(56, TOM, 42, 30, NOON, NINE + MINUTES(10)),
    HOLD_CONFIRMED(54, ANN, 42, 30),
    HOLD_EXPIRED(56, TOM, 42, 30),
    OPENED(43, 31, NOON, 1),
    RESERVED(57, TEA, 43, 31, NOON),
    JOINED(58, TOM, 43, 31),
    JOINED(59, BOB, 43, 31),
    JOINED(64, ADA, 43, 31),
    PRIORITISED(59, 0, BOB, 43, 31, 3),
    CANCELLED(57, TEA, 43, 31),
    OFFERED(59, 0, BOB, 43, 31, NINE + MINUTES(60)),
    OFFER_ACCEPTED(59, 0, BOB, 43, 31),
    CANCELLED(59, BOB, 43, 31),
    OFFERED(58, 0, TOM, 43, 31, NINE + MINUTES(70)),
    WAITLIST_CLOSED(43, 0, 31),
    OPENED(44, 30, NOON + MINUTES(2000), 4),
    RESERVED(65, BOB, 44, 30, NOON + MINUTES(2000)),
    RESERVED(66, TOM, 44, 30, NOON + MINUTES(2000)),
    SLOT_CLOSED(44, 0, 30),
    SLOT_CANCELLED(44, 0, 30, TECHNICAL_PLATFORM),
    CANCELLED_WITH_SLOT(65, 0, BOB, 44, 30, TECHNICAL_PLATFORM),
    ASSIGNED(40, 0, 30, TOM),
    ASSIGNED(40, 0, 30, BOB),
    ASSIGNED(42, 0, 30, TOM),
    RELEASED(40, 0, 30, BOB),
    CAME(50, 0, ANN, 40, 30),
    STAYED_AWAY(54, 0, ANN, 42, 30, EXAMINEE_ABSENT),
    OPENED(45, 31, NOON + MINUTES(300), 2),
    HARD_END(45, 0, 31, NOON + MINUTES(400)),
    RESERVED(67, TEA, 45, 31, NOON + MINUTES(300)),
    MORE_TIME(70, TEA, 150, 5, 10, NINE, NOON + MINUTES(900)),
    MARKED(67, 0, TEA, 45, 31, "hard-end"),
    MORE_TIME_REVISED(70, 0, TEA, 100, 5, 5, NINE, NOON + MINUTES(900)),
    SITTING_CHANGED(67, 0, TEA, 45, 31, NOON + MINUTES(300), 10),
    MARKED(67, 0, TEA, 45, 31, "calendar"),
    MORE_TIME(72, TEA, 125, 0, 0, NINE - 5, NINE),
    MORE_TIME(71, TEA, 125, 0, 0, NINE - 9, NINE - 5),
    MORE_TIME_REVOKED(72, 0, TEA),
    OPENED(46, 30, NOON + MINUTES(3000), 2),
    OPENED(47, 30, NOON + MINUTES(4000), 2),
    RESERVED(68, ADA, 46, 30, NOON + MINUTES(3000)),
    MOVED(68, 0, ADA, 47, 30, NOON + MINUTES(4000), 46, NOON + MINUTES(3000)),
    MOVED_BY_STAFF(68, 0, ADA, 46, 30, NOON + MINUTES(3000), 47, NOON + MINUTES(4000), OTHER),
    WITHDRAWN(31, 0, STAFF_MISTAKE, NINE),
    OPENED(48, 30, NOON + MINUTES(4000), 3),
    REMINDER_SET(48, 0, 30, NOON + MINUTES(2560)),
    RESERVED(80, BOB, 48, 30, NOON + MINUTES(4000)),
    HELD(81, TOM, 48, 30, NOON + MINUTES(4000), NINE + MINUTES(90)),
    SLOT_REMINDED(48, 0, 30, 1),
    HOLD_CONFIRMED(81, TOM, 48, 30),
    REMINDED(80, 0, BOB, 48, 30),
    READ(BOB, 0, 2, 1),
    READ(BOB, 0, 4, 0),
    IN_BANK(90),
    NEXT(90, 0, 2),
    CORRECTED(90, 0, 1, 2),
    IN_BANK(91),
    DRAFTED(39),
    BOUND(39, 0, SECOND_AND_91, 4),
    PUBLISHED(39, 0, 1),
    BOUND(39, 0, FIRST_OF_90, 2),
    OUT_OF_USE(91, 0, 1),
};

static void bytes_of(const struct pw_state *state, struct pw_buffer *ret_bytes)
{
    pw_buffer_init(ret_bytes, STATE_BYTES);
    pw_state_serialise(state, ret_bytes);
    cr_assert(!ret_bytes->full);
}

/* True where the bytes are a state; then they are its one serialisation. */
static bool is_state(const void *bytes, size_t count)
{
    struct pw_state *state = pw_state_new();
    struct pw_cursor cursor = pw_cursor_of(bytes, count);
    struct pw_buffer again;
    pw_state_read(state, &cursor);
    bool is = pw_cursor_done(&cursor);
    if (is) {
        bytes_of(state, &again);
        cr_assert(again.bytes == count && memcmp(again.data, bytes, count) == 0,
                  "other bytes come out");
        pw_buffer_close(&again);
    }
    pw_state_free(state);
    return is;
}

Test(state_wire, what_was_folded_comes_back_byte_for_byte)
{
    struct pw_state *state = pw_state_new();
    for (uint32_t i = 0; i <= PW_COUNT(events); i++) {
        struct pw_buffer bytes;
        bytes_of(state, &bytes);
        cr_expect(is_state(bytes.data, bytes.bytes), "after %u events", i);
        pw_buffer_close(&bytes);
        if (i < PW_COUNT(events)) {
            world_fold(state, &events[i], 1);
        }
    }
    pw_state_free(state);
}

/* What evolve makes of events is for ever, or snapshots are not to be gone on from: raise PW_STATE_FORMAT
 * together with the hash below. */
Test(state_wire, the_same_events_give_the_same_bytes_in_every_version)
{
    static const char *const by_format[] = {
        [1] =
            "9990ad8bf91a280849b101a87eee4297eb76a64f4749e424047d8103abdfb147", /* Without people. */
        [2] =
            "a2e8d357357c9c61190226a81181854cfaa512707c011d90bdbca0b478de8a0e", /* Without holds. */
        [3] =
            "966690b147e34f0d9ae33b79312128ea03365ff5866164e422d9f5d4274a3bd3", /* Slots without a state, no accommodations. */
        [4] =
            "6e7493b38fe90c14e1a80b0cd7c56ee1ebb6b99c1a106c877526cd54cb16699f", /* Without inboxes and reminders. */
        [5] =
            "9334cc633a0f03806dda63df4ef0403f148d08494769ce52f6c56d81af8640d0", /* Without items. */
        [6] = "e7d846daa1624515fe86d093a7ff298873e861ead47fd1df98bd27357968ff2a",
    };
    char text[65];
    struct pw_state *state = pw_state_new();
    struct pw_buffer bytes;
    world_fold(state, events, PW_COUNT(events));
    bytes_of(state, &bytes);
    struct pw_hash hash = pw_sha256(bytes.data, bytes.bytes, NULL, 0);
    pw_hex_format(hash.bytes, sizeof hash.bytes, text);
    cr_assert_eq(PW_COUNT(by_format), PW_STATE_FORMAT + 1);
    cr_expect_str_eq(text, by_format[PW_STATE_FORMAT]);
    pw_buffer_close(&bytes);
    pw_state_free(state);
}

/* It could not be put into the slot's order of what is due. */
Test(state_wire, a_seat_that_is_held_in_no_slot_is_refused)
{
    const struct pw_event given[] = {CREATED, DRAFTED(30), PUBLISHED(30, 0, 1),
                                     OPENED(40, 30, NOON, 2),
                                     HELD(50, ANN, 40, 30, NOON, NINE + 1)};
    struct pw_state *state = pw_state_new();
    struct pw_buffer bytes;
    world_fold(state, given, PW_COUNT(given));
    struct pw_tenant *tenant =
        (struct pw_tenant *)(uintptr_t)pw_state_tenant(state, &world_tenant_id);
    struct pw_reservation *anns = pw_map_put(tenant->reservations, &(struct pw_id)ID(50), NULL);
    anns->slot_id = (struct pw_id)ID(99);
    bytes_of(state, &bytes);
    cr_expect_not(is_state(bytes.data, bytes.bytes));
    pw_buffer_close(&bytes);
    pw_state_free(state);
}

Test(state_wire, damaged_bytes_are_refused_or_are_another_state)
{
    struct pw_state *state = pw_state_new();
    struct pw_buffer bytes;
    uint32_t refused = 0;
    world_fold(state, events, PW_COUNT(events));
    bytes_of(state, &bytes);
    for (size_t cut = 0; cut < bytes.bytes; cut++) {
        cr_expect(!is_state(bytes.data, cut), "cut after %zu bytes", cut);
    }
    for (size_t at = 0; at < bytes.bytes; at++) {
        for (uint32_t flip = 1; flip < 256; flip += 14) {
            bytes.data[at] ^= (uint8_t)flip;
            refused += !is_state(bytes.data, bytes.bytes);
            bytes.data[at] ^= (uint8_t)flip;
        }
    }
    cr_expect_gt(refused, bytes.bytes, "%u", refused);
    uint8_t longer = 0;
    pw_buffer_append(&bytes, &longer, 1);
    cr_expect(!is_state(bytes.data, bytes.bytes), "a byte too much");
    pw_buffer_close(&bytes);
    pw_state_free(state);
}

/* Each session stands in its person's chain, or nobody could walk it. */
/* Wherever an id stands, another one there makes it no state. */
static void expect_nowhere(struct pw_id id, uint32_t count)
{
    struct pw_state *state = pw_state_new();
    struct pw_buffer bytes;
    uint32_t found = 0;
    world_fold(state, events, PW_COUNT(events));
    bytes_of(state, &bytes);
    cr_expect(is_state(bytes.data, bytes.bytes));
    for (size_t at = 0; at + sizeof id <= bytes.bytes; at++) {
        if (memcmp(bytes.data + at, id.bytes, sizeof id.bytes) == 0) {
            bytes.data[at + 15] ^= 0x80;
            cr_expect(!is_state(bytes.data, bytes.bytes), "at %zu", at);
            bytes.data[at + 15] ^= 0x80;
            found++;
        }
    }
    cr_expect_eq(found, count);
    pw_buffer_close(&bytes);
    pw_state_free(state);
}

Test(state_wire, a_chain_that_leads_nowhere_is_no_state)
{
    expect_nowhere((struct pw_id)ID(62), 2); /* Of a session: its person's, and its own. */
}

/* A decision would look for it. */
Test(state_wire, an_item_without_its_versions_is_no_state)
{
    expect_nowhere((struct pw_id)ID(91), 2); /* Its own, and its version's. */
    expect_nowhere(pw_item_version_key(&(struct pw_id)ID(91), 1), 1);
}

/* Arrays that claim more than there is must not make room for it. */
Test(state_wire, a_claim_is_not_believed)
{
    static const uint8_t tenants[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
    uint8_t users[4096] = {0x91, 0x9b, 0xc4, 16, 1, [20] = 1, 0x90, 0xc4, 16};
    cr_expect(!is_state(tenants, sizeof tenants));
    users[40] = 0xdc;
    users[41] = 0x0f;
    users[42] = 0xff; /* 4,095 people in as many bytes. */
    cr_expect(!is_state(users, sizeof users));
}

Test(state_wire, tenants_can_be_walked)
{
    struct pw_state *state = pw_state_new();
    cr_expect_null(pw_state_tenant_at(state, 0));
    world_fold(state, events, 1);
    cr_expect(pw_id_equal(pw_tenant_id(pw_state_tenant_at(state, 0)), &world_tenant_id));
    cr_expect_null(pw_state_tenant_at(state, 1));
    pw_state_free(state);
}
