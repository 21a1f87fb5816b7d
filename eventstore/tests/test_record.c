/* eventstore/tests/test_record.c: what is written parses again to the same. docs/vectors holds what
 * must not parse. */
#include "eventstore/record.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define FILLED(byte)                                                                               \
    {                                                                                              \
        {                                                                                          \
            byte, byte, byte, byte, byte, byte, byte, byte, byte                                   \
        }                                                                                          \
    }

static const struct pw_id tenant_id = FILLED(1);
static const struct pw_id actor_id = FILLED(2);
static const struct pw_id command_id = FILLED(3);
static const struct pw_id stream_id = FILLED(4);
static const struct pw_id other_id = FILLED(5);
static const struct pw_chain_point somewhere = {
    .prev = {{9, 8, 7}}, .height = 70000, .decided_at_us = 1772442000000000};

static struct pw_buffer buffer;
static struct pw_arena arena;
static struct pw_record record;

static void start(void)
{
    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
    pw_arena_init(&arena, PW_RECORD_ARENA_BYTES);
}

static void finish(void)
{
    pw_buffer_close(&buffer);
    pw_arena_close(&arena);
}

static void parse(void)
{
    struct pw_err err = {0};
    struct pw_hash prev;

    pw_arena_reset(&arena);
    cr_assert_eq(pw_record_parse(buffer.data, buffer.bytes, &arena, &record, &err), PW_OK, "%s",
                 err.detail);
    cr_assert(pw_record_prev(buffer.data, buffer.bytes, &prev));
    cr_expect(record.kind == PW_RECORD_GENESIS || pw_hash_equal(&prev, &somewhere.prev));
    cr_expect(record.kind == PW_RECORD_GENESIS || record.height == somewhere.height);
    cr_expect(record.kind == PW_RECORD_GENESIS || record.decided_at_us == somewhere.decided_at_us);
}

static struct pw_answer answer_of(const char *problem_name, int64_t decided_at_us)
{
    return (struct pw_answer){
        .boundary_id = tenant_id,
        .actor_id = actor_id,
        .command_id = command_id,
        .fingerprint = {{1, 2, 3}},
        .command_name = PW_STR("reservation.reserve"),
        .decided_at_us = decided_at_us,
        .stream_id = stream_id,
        .stream_version = 17,
        .problem_name = problem_name != NULL ? pw_str_of(problem_name) : (struct pw_str){NULL, 0},
        .detail = problem_name != NULL ? PW_STR("30 of 30 held") : PW_STR(""),
    };
}

static void expect_answer(const struct pw_answer *is, const struct pw_answer *expected)
{
    cr_expect(pw_id_equal(&is->boundary_id, &expected->boundary_id));
    cr_expect(pw_id_equal(&is->actor_id, &expected->actor_id));
    cr_expect(pw_id_equal(&is->command_id, &expected->command_id));
    cr_expect_arr_eq(is->fingerprint.bytes, expected->fingerprint.bytes, PW_FINGERPRINT_BYTES);
    cr_expect(pw_str_equal(is->command_name, expected->command_name));
    cr_expect_eq(is->decided_at_us, expected->decided_at_us);
    cr_expect(pw_id_equal(&is->stream_id, &expected->stream_id));
    cr_expect_eq(is->stream_version, expected->stream_version);
    cr_expect(pw_str_equal(is->problem_name, expected->problem_name));
    cr_expect_eq(is->problem_name.ptr == NULL, expected->problem_name.ptr == NULL);
    cr_expect(pw_str_equal(is->detail, expected->detail));
}

static struct pw_commit commit_of(void)
{
    return (struct pw_commit){.tenant_id = tenant_id,
                              .boundary_id = tenant_id,
                              .command_id = command_id,
                              .fingerprint = {{7}},
                              .actor_id = actor_id,
                              .role = PW_ROLE_STUDENT,
                              .correlation_id = other_id};
}

static struct pw_event cancelled(uint32_t stream_version)
{
    struct pw_event event = {.type = PW_EVENT_RESERVATION_CANCELLED,
                             .stream_id = stream_id,
                             .stream_version = stream_version};
    event.reservation_cancelled.slot_id = other_id;
    event.reservation_cancelled.exam_id = tenant_id;
    event.reservation_cancelled.student_id = actor_id;
    return event;
}

TestSuite(record, .init = start, .fini = finish);

Test(record, a_genesis_is_read_as_written)
{
    struct pw_genesis genesis = {other_id, 3, 16, INT64_C(86400000000)};

    cr_assert_eq(pw_record_write_genesis(&buffer, &genesis), PW_OK);
    parse();
    cr_assert_eq(record.kind, PW_RECORD_GENESIS);
    cr_expect(pw_id_equal(&record.genesis.ledger_id, &other_id));
    cr_expect_eq(record.genesis.partition, 3);
    cr_expect_eq(record.genesis.partition_count, 16);
    cr_expect_eq(record.genesis.horizon_us, INT64_C(86400000000));
}

Test(record, a_leader_is_read_as_written)
{
    struct pw_leader leader = {PW_STR("node-1"), other_id};

    cr_assert_eq(pw_record_write_leader(&buffer, &somewhere, &leader), PW_OK);
    parse();
    cr_assert_eq(record.kind, PW_RECORD_LEADER);
    cr_expect(pw_str_equal(record.leader.node_id, leader.node_id));
    cr_expect(pw_id_equal(&record.leader.incarnation, &other_id));
}

Test(record, answers_are_read_as_written)
{
    struct pw_answer answers[] = {answer_of("slot-full", 5),
                                  answer_of(NULL, somewhere.decided_at_us)};
    answers[1].stream_id = (struct pw_id){{0}};
    answers[1].stream_version = 0;

    cr_assert_eq(pw_record_write_answers(&buffer, &somewhere, &tenant_id, answers, 2), PW_OK);
    parse();
    cr_assert_eq(record.kind, PW_RECORD_ANSWERS);
    cr_expect(pw_id_equal(&record.answers_tenant_id, &tenant_id));
    cr_assert_eq(record.answer_count, 2);
    expect_answer(&record.answers[0], &answers[0]);
    expect_answer(&record.answers[1], &answers[1]);
}

Test(record, a_commit_is_read_as_written)
{
    struct pw_commit commit = commit_of();
    struct pw_event events[] = {cancelled(2), cancelled(3)};
    struct pw_answer answers[] = {answer_of("already-booked", 1)};
    struct pw_event event;

    cr_assert_eq(pw_record_write_commit(&buffer, &somewhere, &commit, events, 2, answers, 1),
                 PW_OK);
    parse();
    cr_assert_eq(record.kind, PW_RECORD_COMMIT);
    cr_expect_eq(memcmp(&record.commit, &commit, sizeof commit), 0);
    cr_assert_eq(record.event_count, 2);
    cr_assert_eq(record.answer_count, 1);
    expect_answer(&record.answers[0], &answers[0]);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(pw_raw_event_read(&record.events[i], &event, NULL), PW_OK);
        cr_expect_eq(event.type, PW_EVENT_RESERVATION_CANCELLED);
        cr_expect(pw_id_equal(&event.stream_id, &stream_id));
        cr_expect_eq(event.stream_version, 2 + i);
        cr_expect(pw_id_equal(&event.reservation_cancelled.student_id, &actor_id));
    }
}

Test(record, a_role_of_a_newer_version_is_read_too)
{
    struct pw_commit commit = commit_of();
    struct pw_event event = cancelled(1);

    cr_assert_eq(pw_record_write_commit(&buffer, &somewhere, &commit, &event, 1, NULL, 0), PW_OK);
    uint8_t *role = memmem(buffer.data, buffer.bytes, "student", 7);
    cr_assert_not_null(role);
    memcpy(role, "dean.ii", 7);
    parse();
    cr_expect_eq(record.commit.role, PW_ROLE_COUNT);
}

Test(record, an_event_that_cannot_be_folded_says_why)
{
    struct pw_commit commit = commit_of();
    struct pw_event event = cancelled(1);
    struct pw_err err = {0};

    cr_assert_eq(pw_record_write_commit(&buffer, &somewhere, &commit, &event, 1, NULL, 0), PW_OK);
    parse();
    struct pw_raw_event raw[] = {record.events[0], record.events[0], record.events[0],
                                 record.events[0]};
    raw[0].event_type = PW_STR("reservation_moved");
    raw[1].event_version = 99;
    raw[2].payload.len--;
    raw[3].stream_type = PW_STR("slot");
    for (size_t i = 0; i < PW_COUNT(raw); i++) {
        err = (struct pw_err){0};
        cr_expect_eq(pw_raw_event_read(&raw[i], &event, &err), PW_ERR_LEDGER_DAMAGED);
        cr_expect_eq(strncmp(err.detail, "unknown-event: ", 15), 0, "%s", err.detail);
    }
}

Test(record, too_many_events_are_too_large)
{
    struct pw_commit commit = commit_of();
    struct pw_event *events = calloc(PW_RECORD_EVENTS_MAX + 1, sizeof *events);

    for (uint32_t i = 0; i <= PW_RECORD_EVENTS_MAX; i++) {
        events[i] = cancelled(i + 1);
    }
    cr_expect_eq(
        pw_record_write_commit(&buffer, &somewhere, &commit, events, PW_RECORD_EVENTS_MAX, NULL, 0),
        PW_OK);
    parse();
    cr_expect_eq(record.event_count, PW_RECORD_EVENTS_MAX);
    cr_expect_eq(pw_record_write_commit(&buffer, &somewhere, &commit, events,
                                        PW_RECORD_EVENTS_MAX + 1, NULL, 0),
                 PW_ERR_COMMAND_TOO_LARGE);
    free(events);
}

Test(record, too_many_bytes_are_too_large_and_an_answer_adds_no_more_than_it_says)
{
    static char long_detail[PW_DETAIL_BYTES_MAX];
    struct pw_answer *answers = calloc(PW_RECORD_ANSWERS_MAX, sizeof *answers);
    enum pw_code code = PW_OK;
    size_t bytes_before = 0;
    uint32_t count = 0;

    memset(long_detail, 'd', sizeof long_detail);
    while (code == PW_OK) {
        answers[count] = answer_of("slot-full", somewhere.decided_at_us);
        answers[count].stream_version = UINT32_MAX;
        answers[count].detail = (struct pw_str){long_detail, sizeof long_detail - count % 300};
        count++;
        code = pw_record_write_answers(&buffer, &somewhere, &tenant_id, answers, count);
        if (code == PW_OK) {
            cr_expect(bytes_before == 0 ||
                      buffer.bytes - bytes_before <= pw_answer_bytes_max(&answers[count - 1]));
            bytes_before = buffer.bytes;
        }
    }
    cr_expect_eq(code, PW_ERR_COMMAND_TOO_LARGE);
    cr_expect_gt(bytes_before, PW_RECORD_BYTES_MAX - 1024);
    cr_assert_eq(pw_record_write_answers(&buffer, &somewhere, &tenant_id, answers, count - 1),
                 PW_OK, "a buffer that was full can be written again");
    parse();
    cr_expect_eq(record.answer_count, count - 1);
    free(answers);
}

Test(record, the_kind_decides_before_anything_that_the_body_claims)
{
    static const struct {
        uint8_t body[8];
        size_t bytes;
        const char *reason;
    } rows[] = {
        {{0xdd, 0xff, 0xff, 0xff, 0xff, 0x04}, 6, "unknown-kind: 4"},
        {{0xdc, 0xff, 0xff, 0x7f}, 4, "unknown-kind: 127"},
        {{0xdc, 0x00, 0x0f, 0x04}, 4, "malformed: "},
        {{0xdd, 0x00, 0x00, 0xff, 0xff, 0x04}, 6, "malformed: "},
        {{0xdc, 0xff}, 2, "malformed: "},
        {{0xdd, 0xff, 0xff, 0xff}, 4, "malformed: "},
    };
    uint8_t value[PW_RECORD_HEAD_BYTES + 8] = {'P', 'W', 'L', PW_RECORD_FORMAT};

    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct pw_err err = {0};
        memcpy(value + PW_RECORD_HEAD_BYTES, rows[i].body, rows[i].bytes);
        cr_expect_eq(
            pw_record_parse(value, PW_RECORD_HEAD_BYTES + rows[i].bytes, &arena, &record, &err),
            PW_ERR_LEDGER_DAMAGED);
        cr_expect_eq(strncmp(err.detail, rows[i].reason, strlen(rows[i].reason)), 0, "%s, not %s",
                     err.detail, rows[i].reason);
    }
}

Test(record, murmur2_is_kafkas)
{
    static const struct {
        const char *text;
        uint32_t hash;
    } rows[] = {
        {"", UINT32_C(0x106e08d9)},
        {"a", UINT32_C(0xa2d0b27c)},
        {"ab", UINT32_C(0x12d8262a)},
        {"abc", UINT32_C(0x1c94221b)},
        {"abcd", UINT32_C(0xb11ab5f4)},
        {"21", (uint32_t)INT32_C(-973932308)},
        {"foobar", (uint32_t)INT32_C(-790332482)},
        {"6ba7b810-9dad-11d1-80b4-00c04fd430c8", UINT32_C(0xdb9cbdc9)},
    };

    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        cr_expect_eq(pw_murmur2(rows[i].text, strlen(rows[i].text)), rows[i].hash, "%s",
                     rows[i].text);
    }
}

Test(record, a_boundary_routes_by_its_lower_case_text)
{
    struct pw_id id;

    cr_assert(pw_id_parse(PW_STR("0123ABCD-4567-89AB-CDEF-0123456789AB"), &id));
    cr_expect_eq(pw_partition_of(&id, 16), 4);
    cr_expect_eq(pw_partition_of(&id, 7), 2);
    cr_expect_eq(pw_partition_of(&id, 1024), 836);
    cr_expect_eq(pw_partition_of(&id, 1), 0);
}
