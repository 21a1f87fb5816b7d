/* eventstore/tests/test_chain.c: what docs/vectors cannot show of the chain: its points, ends and
 * resumptions, and positions as text. */
#include "eventstore/chain.h"

#include <criterion/criterion.h>

static const struct pw_id ledger_id = {{0x10, 0x20}};
static const struct pw_id node = {{0x77}};

static struct pw_chain chain;
static struct pw_buffer buffer;
static struct pw_record record;

static void start(void)
{
    pw_chain_init(&chain, 3);
    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
}

static void finish(void)
{
    pw_chain_close(&chain);
    pw_buffer_close(&buffer);
}

static enum pw_verdict take(int64_t offset)
{
    return pw_chain_take(&chain, offset, buffer.data, buffer.bytes, &record);
}

static void write_genesis(int64_t horizon_us)
{
    struct pw_genesis genesis = {ledger_id, 3, 16, horizon_us};
    cr_assert_eq(pw_record_write_genesis(&buffer, &genesis), PW_OK);
}

static void write_leader(void)
{
    struct pw_chain_point at = pw_chain_next(&chain);
    struct pw_leader leader = {PW_STR("node-1"), node};
    cr_assert_eq(pw_record_write_leader(&buffer, &at, &leader), PW_OK);
}

TestSuite(chain, .init = start, .fini = finish);

Test(chain, begins_at_its_first_point)
{
    struct pw_chain_point at = pw_chain_next(&chain);
    struct pw_hash zero = {{0}};

    cr_expect_eq(at.height, 0);
    cr_expect_eq(at.decided_at_us, 0);
    cr_expect(pw_hash_equal(&at.prev, &zero));
}

Test(chain, tells_what_the_genesis_says_and_goes_on_from_the_head)
{
    write_genesis(1000);
    cr_assert_eq(take(0), PW_CHAIN_ACCEPTED);
    cr_expect_eq(chain.partition_count, 16);
    cr_expect_eq(chain.horizon_us, 1000);
    cr_expect(pw_id_equal(&chain.ledger_id, &ledger_id));

    write_leader();
    cr_assert_eq(take(7), PW_CHAIN_ACCEPTED);
    cr_expect_eq(take(8), PW_CHAIN_VOID, "a repeat");
    struct pw_hash hash = pw_record_hash(buffer.data, buffer.bytes);
    struct pw_chain_point at = pw_chain_next(&chain);
    cr_expect(pw_hash_equal(&at.prev, &hash));
    cr_expect_eq(at.height, 2);
    cr_expect_eq(chain.head_offset, 7);
    cr_expect_eq(chain.next_offset, 9);
    cr_expect_eq(chain.accepted_count, 2);
    cr_expect_eq(chain.void_count, 1);
    cr_expect_eq(pw_chain_end(&chain), PW_CHAIN_ACCEPTED);
}

Test(chain, an_empty_partition_has_no_genesis)
{
    cr_expect_eq(pw_chain_end(&chain), PW_CHAIN_STOPPED);
    cr_expect_eq(chain.stopped.code, PW_ERR_LEDGER_DAMAGED);
    cr_expect_str_eq(chain.stopped.detail,
                     "no-genesis: the partition is empty, at partition 3, offset 0");
}

Test(chain, stays_stopped_for_the_same_reason)
{
    write_genesis(1000);
    chain.horizon_us = 2000; /* As another partition has it. */
    cr_assert_eq(take(0), PW_CHAIN_STOPPED);
    struct pw_err first = chain.stopped;
    cr_expect_eq(strncmp(first.detail, "foreign-ledger: ", 16), 0, "%s", first.detail);

    chain.horizon_us = 1000;
    cr_expect_eq(take(0), PW_CHAIN_STOPPED);
    cr_expect_eq(pw_chain_end(&chain), PW_CHAIN_STOPPED);
    cr_expect_str_eq(chain.stopped.detail, first.detail);
    cr_expect_eq(chain.head_offset, -1);
}

Test(chain, resumes_on_the_record_that_was_kept_and_on_no_other)
{
    struct pw_chain kept;
    struct pw_err err = {0};

    write_genesis(1000);
    cr_assert_eq(take(0), PW_CHAIN_ACCEPTED);
    write_leader();
    cr_assert_eq(take(4), PW_CHAIN_ACCEPTED);
    pw_chain_init(&kept, 3);
    kept.partition_count = 16;
    kept.ledger_id = ledger_id;

    cr_expect_eq(pw_chain_resume(&kept, 4, &chain.head, NULL, 0, &err), PW_ERR_LEDGER_DIVERGED);
    cr_expect_str_eq(err.detail, "diverged at partition 3, offset 4");
    cr_expect_eq(pw_chain_resume(&kept, 4, &chain.head, buffer.data, buffer.bytes - 1, &err),
                 PW_ERR_LEDGER_DIVERGED);
    cr_assert_eq(pw_chain_resume(&kept, 4, &chain.head, buffer.data, buffer.bytes, &err), PW_OK);
    cr_expect_eq(kept.next_offset, 5);
    cr_expect_eq(kept.height, 1);
    write_leader();
    cr_expect_eq(pw_chain_take(&kept, 5, buffer.data, buffer.bytes, &record), PW_CHAIN_ACCEPTED);
    pw_chain_close(&kept);
}

Test(position, is_written_as_clients_see_it)
{
    struct pw_position position = {3, 10452, {0x9f, 0x3a, 0x01, 0xc2}};
    struct pw_position largest = {PW_PARTITIONS_MAX - 1, INT64_MAX, {0xff, 0xff, 0xff, 0xff}};
    char text[PW_POSITION_TEXT_BYTES_MAX];

    pw_position_format(&position, text);
    cr_expect_str_eq(text, "3:10452:9f3a01c2");
    pw_position_format(&largest, text);
    cr_expect_str_eq(text, "1023:9223372036854775807:ffffffff");
}

Test(position, is_read_with_or_without_its_digits)
{
    static const struct {
        const char *text;
        bool good;
        bool has_head;
        int64_t offset;
    } rows[] = {
        {"3:10452:9f3a01c2", true, true, 10452},
        {"3:10452", true, false, 10452},
        {"3:0", true, false, 0},
        {"3:9223372036854775807:00000000", true, true, INT64_MAX},
        {"3:9223372036854775808", false, false, 0},
        {"1024:1", false, false, 0},
        {"03:1", false, false, 0},
        {"3:01", false, false, 0},
        {"3:-1", false, false, 0},
        {"3", false, false, 0},
        {"3:", false, false, 0},
        {":3", false, false, 0},
        {"", false, false, 0},
        {"3:1:", false, false, 0},
        {"3:1:9f3a01c", false, false, 0},
        {"3:1:9f3a01c2a", false, false, 0},
        {"3:1:9f3a01cg", false, false, 0},
        {"3:1 ", false, false, 0},
    };

    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct pw_position position = {0};
        bool has_head = false;
        bool good = pw_position_parse(pw_str_of(rows[i].text), &position, &has_head);
        cr_expect_eq(good, rows[i].good, "%s", rows[i].text);
        cr_expect_eq(has_head, rows[i].has_head, "%s", rows[i].text);
        cr_expect_eq(position.offset, rows[i].offset, "%s", rows[i].text);
        cr_expect_eq(position.partition, good ? (rows[i].text[0] == '1' ? 1024u : 3u) : 0u);
    }
}
