/* api/tests/audit_scan.c: a scan reads what it was asked for, goes on where it paused, and believes nothing that the chain does not say. */
#include "api/audit_scan.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "eventstore/sim.h"

#define RECORDS 300 /* Leader records, after the genesis. */

static struct pw_sim_log *sim;
static struct pw_audit_marks *marks;
static struct pw_audit_mark at[RECORDS + 1]; /* By height. */
static struct pw_audit_scan_plan plan;
static struct pw_audit_scan scan;
static uint64_t taken_count;
static uint64_t first_height;
static enum pw_audit_go go;

static void on_wake(void *self)
{
    (void)self;
}

static enum pw_code open_log(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    (void)self;
    (void)err;
    return pw_sim_open(sim, (struct pw_ledger_wake){.wake = on_wake}, ret_ledger);
}

static enum pw_audit_go on_record(void *self, const struct pw_chain *chain,
                                  const struct pw_record *record, const void *value,
                                  size_t value_bytes)
{
    (void)self;
    (void)value;
    (void)value_bytes;
    cr_expect_eq(chain->height, record->height);
    first_height = taken_count++ == 0 ? record->height : first_height;
    return go;
}

static void keep(const struct pw_chain *chain)
{
    at[chain->height] = (struct pw_audit_mark){.offset = chain->head_offset,
                                               .height = chain->height,
                                               .head = chain->head,
                                               .ledger_id = chain->ledger_id};
}

/* Every tenth record is followed by junk. */
static void fill(void)
{
    struct pw_chain chain;
    struct pw_buffer buffer;
    struct pw_record record;
    uint8_t *genesis = NULL;
    size_t bytes = 0;
    pw_chain_init(&chain, 0);
    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
    cr_assert(pw_sim_get(sim, 0, 0, &genesis, &bytes));
    cr_assert_eq(pw_chain_take(&chain, 0, genesis, bytes, &record), PW_CHAIN_ACCEPTED);
    keep(&chain);
    for (int i = 0; i < RECORDS; i++) {
        struct pw_chain_point point = pw_chain_next(&chain);
        struct pw_leader leader = {.node_id = PW_STR("one"), .incarnation = {{1}}};
        cr_assert_eq(pw_record_write_leader(&buffer, &point, &leader), PW_OK);
        int64_t offset = pw_sim_put(sim, 0, buffer.data, buffer.bytes);
        cr_assert_eq(pw_chain_take(&chain, offset, buffer.data, buffer.bytes, &record),
                     PW_CHAIN_ACCEPTED);
        keep(&chain);
        if (i % 10 == 0) {
            pw_sim_put(sim, 0, "junk", 4);
        }
    }
    pw_buffer_close(&buffer);
    pw_chain_close(&chain);
    free(genesis);
}

static struct pw_position position_of(const struct pw_audit_mark *mark)
{
    struct pw_position position = {.offset = mark->offset};
    memcpy(position.head, mark->head.bytes, sizeof position.head);
    return position;
}

static void open_scan(void)
{
    struct pw_id ledger_id = {{5}};
    sim = pw_sim_log_new(1, 1, 0);
    cr_assert_eq(pw_sim_create(sim, &ledger_id, PW_US_PER_MINUTE), PW_OK);
    fill();
    marks = pw_audit_marks_new(1);
    go = PW_AUDIT_ON;
    plan = (struct pw_audit_scan_plan){
        .open = open_log,
        .clock = pw_clock_system(),
        .marks = marks,
        .start = {.offset = -1},
        .end = position_of(&at[RECORDS]),
        .record = on_record,
    };
}

static void close_scan(void)
{
    pw_audit_marks_free(marks);
    pw_sim_log_free(sim);
}

/* Steps until it is over; gives how it ended. */
static enum pw_code run(uint32_t *ret_steps)
{
    uint32_t steps = 0;
    taken_count = 0;
    pw_audit_scan_init(&scan, &plan);
    while (!scan.is_over) {
        pw_audit_scan_step(&scan, plan.clock.boot_us(NULL) + PW_US_PER_SECOND);
        steps++;
    }
    enum pw_code code = scan.code;
    if (ret_steps != NULL) {
        *ret_steps = steps;
    }
    pw_audit_scan_close(&scan);
    return code;
}

TestSuite(audit_scan, .init = open_scan, .fini = close_scan);

Test(audit_scan, reads_up_to_its_end)
{
    cr_expect_eq(run(NULL), PW_OK);
    cr_expect_eq(taken_count, RECORDS + 1);
    plan.end = position_of(&at[100]);
    cr_expect_eq(run(NULL), PW_OK);
    cr_expect_eq(taken_count, 101);
    cr_expect(scan.is_at_end);
}

Test(audit_scan, goes_on_where_it_paused)
{
    uint32_t steps = 0;
    go = PW_AUDIT_PAUSE;
    cr_expect_eq(run(&steps), PW_OK);
    cr_expect_eq(taken_count, RECORDS + 1);
    cr_expect_eq(steps, RECORDS + 1);
}

Test(audit_scan, ends_when_its_reader_has_enough)
{
    go = PW_AUDIT_ENOUGH;
    cr_expect_eq(run(NULL), PW_OK);
    cr_expect_eq(taken_count, 1);
    cr_expect_not(scan.is_at_end);
}

Test(audit_scan, begins_at_a_mark)
{
    for (uint64_t height = 1; height <= RECORDS; height += 37) {
        plan.start = at[height];
        cr_expect_eq(run(NULL), PW_OK);
        cr_expect_eq(taken_count, RECORDS - height);
        cr_expect(taken_count == 0 || first_height == height + 1);
        cr_expect(scan.is_at_end);
    }
    plan.start = at[RECORDS];
    cr_expect_eq(run(NULL), PW_OK);
    cr_expect(scan.is_at_end);
}

Test(audit_scan, leaves_marks)
{
    struct pw_audit_range range = {.from_height = RECORDS, .since_us = INT64_MIN};
    cr_expect_eq(run(NULL), PW_OK);
    plan.start = pw_audit_marks_before(marks, 0, &range);
    cr_expect_geq(plan.start.height, RECORDS - 64);
    cr_expect_eq(run(NULL), PW_OK);
    cr_expect_eq(taken_count, RECORDS - plan.start.height);
}

/* Where a record is said to have stood there is none; the next one is the same once more, and one that was decided on it follows. */
static void plan_from_a_copy_after_a_gap(void)
{
    uint8_t *value = NULL;
    size_t bytes = 0;
    struct pw_buffer buffer;
    struct pw_chain_point point = {.prev = at[RECORDS].head, .height = RECORDS + 1};
    struct pw_leader leader = {.node_id = PW_STR("two"), .incarnation = {{2}}};
    cr_assert(pw_sim_get(sim, 0, at[RECORDS].offset, &value, &bytes));
    plan.start = at[RECORDS];
    plan.start.offset = pw_sim_end(sim, 0);
    pw_sim_skip_offset(sim, 0);
    pw_sim_put(sim, 0, value, bytes);
    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
    cr_assert_eq(pw_record_write_leader(&buffer, &point, &leader), PW_OK);
    struct pw_audit_mark next = {.offset = pw_sim_put(sim, 0, buffer.data, buffer.bytes),
                                 .head = pw_record_hash(buffer.data, buffer.bytes)};
    plan.end = position_of(&next);
    pw_buffer_close(&buffer);
    free(value);
}

Test(audit_scan, another_history_is_seen)
{
    plan.end.head[0] ^= 1; /* There stands another record, */
    cr_expect_eq(run(NULL), PW_ERR_LEDGER_DIVERGED);
    plan.end = position_of(&at[RECORDS]);
    plan.end.offset = at[1].offset + 1; /* or one that is void, */
    cr_expect_eq(run(NULL), PW_ERR_LEDGER_DIVERGED);
    plan.end = position_of(&at[RECORDS]);
    plan.start = at[100];
    plan.start.head.bytes[31] ^= 1; /* or it does not begin where it did. */
    cr_expect_eq(run(NULL), PW_ERR_LEDGER_DIVERGED);
    plan.start = at[100];
    plan.start.offset++;
    cr_expect_eq(run(NULL), PW_ERR_LEDGER_DIVERGED);
    plan_from_a_copy_after_a_gap();
    cr_expect_eq(run(NULL), PW_ERR_LEDGER_DIVERGED);
    plan.start = (struct pw_audit_mark){.offset = -1};
    pw_sim_delete_before(sim, 0, 5);
    cr_expect_eq(run(NULL), PW_ERR_LEDGER_DIVERGED);
}

Test(audit_scan, a_log_that_is_down_is_told)
{
    pw_sim_set_down(sim, true);
    cr_expect_eq(run(NULL), PW_ERR_LEDGER_DOWN);
}

Test(audit_scan, a_damaged_record_ends_it)
{
    struct pw_chain chain = {.head = at[RECORDS].head};
    uint8_t value[PW_RECORD_HEAD_BYTES + 1] = "PWL\1";
    memcpy(value + 4, chain.head.bytes, sizeof chain.head.bytes);
    value[PW_RECORD_HEAD_BYTES] = 0xc1;
    plan.end.offset = pw_sim_put(sim, 0, value, sizeof value);
    cr_expect_eq(run(NULL), PW_ERR_LEDGER_DAMAGED);
    cr_expect_eq(taken_count, RECORDS + 1);
}
