/* api/tests/audit_marks.c: how late a scan may begin, by what earlier ones have passed. */
#include "api/audit_marks.h"

#include <criterion/criterion.h>

static const struct pw_id ann_s = {{1}};
static const struct pw_id bob_s = {{2}};

#define STEP      INT64_C(3) /* From one accepted record's offset to the next. */
#define AT_US(i)  ((int64_t)(i)*10)
#define BOB_FROM  1000 /* The height of Bob's first record; all before are Ann's. */
#define ALL_COUNT 5000

static struct pw_audit_marks *marks;

/* A scan passes the record of that height. */
static void pass(uint64_t height)
{
    struct pw_chain chain = {
        .partition = 1,
        .head_offset = (int64_t)height * STEP,
        .height = height,
        .decided_at_us = AT_US(height),
        .head = {.bytes = {(uint8_t)height, (uint8_t)(height >> 8)}},
    };
    struct pw_record record = {.kind = PW_RECORD_COMMIT, .height = height};
    record.commit.tenant_id = height < BOB_FROM ? ann_s : bob_s;
    if (height == 0) {
        record = (struct pw_record){.kind = PW_RECORD_GENESIS};
    }
    pw_audit_marks_note(marks, &chain, &record);
}

static void pass_all(uint64_t from, uint64_t before)
{
    for (uint64_t height = from; height < before; height++) {
        pass(height);
    }
}

static void open_marks(void)
{
    marks = pw_audit_marks_new(2);
}

static void close_marks(void)
{
    pw_audit_marks_free(marks);
}

static struct pw_audit_mark before(struct pw_audit_range range)
{
    range.since_us = range.since_us == 0 ? INT64_MIN : range.since_us;
    return pw_audit_marks_before(marks, 1, &range);
}

TestSuite(audit_marks, .init = open_marks, .fini = close_marks);

Test(audit_marks, where_nobody_was_the_genesis_is_the_beginning)
{
    cr_expect_eq(before((struct pw_audit_range){.from = 1000}).offset, -1);
    pass_all(0, 10);
    cr_expect_eq(before((struct pw_audit_range){.from = 1000}).offset, -1);
}

Test(audit_marks, a_scan_begins_just_before_what_is_wanted)
{
    static const struct {
        const char *name;
        struct pw_audit_range range;
        int64_t height; /* Nothing from here on may be skipped. */
    } rows[] = {
        {"an offset", {.from = 2000 * STEP}, 2000},
        {"an offset that is no record's", {.from = 2000 * STEP - 1}, 2000},
        {"a height", {.from_height = 3000}, 3000},
        {"a moment", {.since_us = AT_US(4000)}, 4000},
        {"the later of two", {.from_height = 3000, .from = 30}, 3000},
        {"a tenant's beginning", {.tenant_id = {{2}}}, BOB_FROM},
        {"what is later than that", {.tenant_id = {{2}}, .from_height = 3000}, 3000},
        {"that is later than the rest", {.tenant_id = {{2}}, .from_height = 30}, BOB_FROM},
    };
    pass_all(0, ALL_COUNT);
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct pw_audit_mark mark = before(rows[i].range);
        cr_expect((int64_t)mark.height < rows[i].height, "%s: %llu", rows[i].name,
                  (unsigned long long)mark.height);
        cr_expect((int64_t)mark.height >= rows[i].height - 64, "%s: %llu", rows[i].name,
                  (unsigned long long)mark.height);
        cr_expect_eq(mark.offset, (int64_t)mark.height * STEP);
        cr_expect_eq(mark.head.bytes[0], (uint8_t)mark.height);
    }
    cr_expect_eq(before((struct pw_audit_range){.from = 0}).offset, -1, "all of it");
    cr_expect_eq(before((struct pw_audit_range){.tenant_id = ann_s}).offset, -1);
    cr_expect_eq(pw_audit_marks_before(marks, 0, &(struct pw_audit_range){.from = 9}).offset, -1);
}

Test(audit_marks, what_one_scan_has_passed_another_adds_nothing_to)
{
    pass_all(0, 2000);
    struct pw_audit_mark mark = before((struct pw_audit_range){.from_height = INT64_MAX});
    pass_all(0, 1500);
    cr_expect_eq(before((struct pw_audit_range){.from_height = INT64_MAX}).height, mark.height);
    pass_all(3000, 4000); /* Nobody saw what lies between. */
    cr_expect_eq(before((struct pw_audit_range){.from_height = INT64_MAX}).height, mark.height);
    pass_all(1980, 4000);
    cr_expect_geq(before((struct pw_audit_range){.from_height = INT64_MAX}).height, 3936);
}

Test(audit_marks, a_long_log_has_no_more_marks_than_a_short_one)
{
    uint64_t count = 64 * PW_AUDIT_MARKS_MAX * 3;
    pass_all(0, count);
    for (uint64_t height = 1000; height < count; height += 777) {
        uint64_t found = before((struct pw_audit_range){.from_height = height}).height;
        cr_expect(found < height && found + 4 * 64 >= height, "%llu", (unsigned long long)height);
    }
}
