/* projections/tests/expected.c: what the ledger says must stand in a table, against what stands
 * there. A table of two reservations; each row of the test spoils it in one way. */
#include "projections/expected.h"
#include "commands/tests/items.h"
#include "commands/tests/people.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define TEN (NINE + MINUTES(60))
#define TWO_BOOKED                                                                                 \
    PEOPLE, DRAFTED(30), PUBLISHED(30, 0, 1), OPENED(40, 30, TEN, 2),                              \
        RESERVED(50, ANN, 40, 30, TEN), RESERVED(51, BOB, 40, 30, TEN), CANCELLED(50, ANN, 40, 30)

/* Ann is also renamed, signs in twice, and is forgotten. */
#define ANN_GOES                                                                                   \
    RENAMED(10, 2), PREFERS(10, 3), SIGNED_IN(60, 10, NINE), SIGNED_IN(61, 10, NINE),              \
        REFRESHED(60, 2, 10, NINE + 5, NINE + DAYS(8)), ERASED(10, 4), ENDED(61, 2, 10, "erased"), \
        ENDED(60, 3, 10, "erased")

static const struct pw_event events[] = {TWO_BOOKED,
                                         MORE_TIME(70, ANN, 125, 0, 0, NINE, TEN),
                                         ANN_GOES,
                                         IN_BANK(90),
                                         NEXT(90, 0, 2),
                                         CORRECTED(90, 0, 1, 2),
                                         BOUND(30, 0, FIRST_OF_90, 2),
                                         ASSIGNED(40, 2, 30, TOM)};
enum { EVENTS = PW_COUNT(events), PARTITIONS = 3, ROWS_MAX = 4 };

/* The record of event i lies at offset 10 + i of partition 1. */
static struct pw_record record_of(uint32_t i)
{
    return (struct pw_record){
        .kind = PW_RECORD_COMMIT, .decided_at_us = NINE + i, .commit = {.tenant_id = OUR_TENANT}};
}

static struct pw_expected *expected_of(const struct pw_projection *projection)
{
    struct pw_expected *expected = pw_expected_new(projection, PARTITIONS);
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct pw_state *state = pw_state_new();
        struct pw_err err = {0};
        struct pw_record record = record_of(i);
        world_fold(state, events, i + 1);
        cr_assert_eq(pw_expected_take(expected, 1, 10 + i, &record, &events[i],
                                      pw_state_tenant(state, &world_tenant_id), &err),
                     PW_OK, "%s", err.detail);
        pw_state_free(state);
    }
    pw_expected_seal(expected);
    return expected;
}

struct rows_shown {
    struct pw_batch_row rows[ROWS_MAX];
    uint32_t count;
};

static bool same_key(const struct pw_row *a, const struct pw_row *b)
{
    bool same = true;
    for (uint32_t i = 0; same && i < a->table->key_count; i++) {
        same = pw_cell_equal(&a->cells[i], &b->cells[i]);
    }
    return same;
}

/* Keeps the row, in place of an earlier one of its key. */
static void show(struct rows_shown *shown, uint32_t event, const struct pw_row *row)
{
    uint32_t at = 0;
    while (at < shown->count && !same_key(&shown->rows[at].row, row)) {
        at++;
    }
    shown->count = at == shown->count ? at + 1 : shown->count;
    cr_assert_leq(shown->count, ROWS_MAX);
    shown->rows[at] = (struct pw_batch_row){.tenant_id = OUR_TENANT,
                                            .row = *row,
                                            .changed_at_us = NINE + event,
                                            .record_offset = 10 + event};
}

/* By the first id, then, of steps, by their number. */
static int compare_rows(const void *a, const void *b)
{
    const struct pw_cell *first = ((const struct pw_batch_row *)a)->row.cells;
    const struct pw_cell *second = ((const struct pw_batch_row *)b)->row.cells;
    int order = memcmp(&first->id, &second->id, sizeof first->id);
    return order != 0 || first[1].kind != PW_COLUMN_INTEGER
               ? order
               : (first[1].integer > second[1].integer) - (first[1].integer < second[1].integer);
}

/* A table as a worker would have written it, in the order of its keys. */
static struct rows_shown table_of(const struct pw_projection *projection, uint32_t table,
                                  struct pw_state *state)
{
    struct rows_shown shown = {.count = 0};
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct pw_rows rows = {0};
        world_fold(state, &events[i], 1);
        cr_assert_eq(
            projection->rows(&events[i], pw_state_tenant(state, &world_tenant_id), &rows, NULL),
            PW_OK);
        for (uint32_t j = 0; j < rows.count; j++) {
            if (rows.rows[j].table == projection->tables[table]) {
                show(&shown, i, &rows.rows[j]);
            }
        }
    }
    qsort(shown.rows, shown.count, sizeof shown.rows[0], compare_rows);
    return shown;
}

static bool check(const struct pw_projection *projection, uint32_t table,
                  const struct rows_shown *shown, struct pw_difference *difference)
{
    struct pw_expected *expected = expected_of(projection);
    bool same = true;
    for (uint32_t i = 0; same && i < shown->count; i++) {
        same = pw_expected_check(expected, table, &shown->rows[i], difference);
    }
    same = same && pw_expected_finish(expected, table, difference);
    pw_expected_free(expected);
    return same;
}

static void check_equal(const struct pw_projection *projection, uint32_t table)
{
    struct pw_state *state = pw_state_new();
    struct rows_shown shown = table_of(projection, table, state);
    struct pw_difference difference = {0};
    cr_expect_gt(shown.count, 0, "%s", projection->tables[table]->name);
    cr_expect(check(projection, table, &shown, &difference), "%s: %s",
              projection->tables[table]->name, difference.column);
    pw_state_free(state);
}

Test(expected, a_table_that_was_written_from_the_ledger_is_equal)
{
    for (uint32_t i = 0; i < pw_projection_count; i++) {
        for (uint32_t table = 0; table < pw_projections[i]->table_count; table++) {
            check_equal(pw_projections[i], table);
        }
    }
}

/* Ciphertext is compared like any other value. */
Test(expected, a_name_that_differs_is_named)
{
    struct pw_state *state = pw_state_new();
    struct rows_shown shown = table_of(&pw_users_projection, 1, state);
    struct pw_difference difference = {0};
    cr_assert_eq(shown.count, 2);
    shown.rows[1].row.cells[4] = pw_cell_bytes(PW_STR("sealed game"));
    cr_expect_not(check(&pw_users_projection, 1, &shown, &difference));
    cr_expect_eq(difference.key[0].id.bytes[15], 14);
    cr_expect_str_eq(difference.column, "name");
    pw_state_free(state);
}

/* What spoils the table of reservations 50 and 51. */
static void a_row_is_gone(struct rows_shown *shown)
{
    shown->rows[0] = shown->rows[--shown->count];
}
static void the_last_row_is_gone(struct rows_shown *shown)
{
    shown->count--;
}
static void a_row_nobody_wrote(struct rows_shown *shown)
{
    shown->rows[shown->count] = shown->rows[shown->count - 1];
    shown->rows[shown->count++].row.cells[0] = pw_cell_id((struct pw_id)ID(52));
}
static void a_row_of_a_stranger(struct rows_shown *shown)
{
    shown->rows[1].tenant_id = (struct pw_id)OTHER_TENANT;
}
static void a_state_is_old(struct rows_shown *shown)
{
    shown->rows[0].row.cells[4] = pw_cell_integer(1);
}
static void a_student_is_another(struct rows_shown *shown)
{
    shown->rows[1].row.cells[3] = pw_cell_id((struct pw_id)ID(99));
}
static void a_value_is_null(struct rows_shown *shown)
{
    shown->rows[1].row.cells[10] = pw_cell_null(PW_COLUMN_INTEGER);
}
static void a_moment_is_wrong(struct rows_shown *shown)
{
    shown->rows[1].changed_at_us++;
}
static void a_record_is_another(struct rows_shown *shown)
{
    shown->rows[1].record_offset--;
}

static const struct spoilt_row {
    void (*spoil)(struct rows_shown *shown);
    enum pw_difference_kind kind;
    uint8_t reservation; /* The last byte of its id. */
    const char *column;
} spoilt[] = {
    {a_row_is_gone, PW_DIFFERENCE_MISSING, 50, NULL},
    {the_last_row_is_gone, PW_DIFFERENCE_MISSING, 51, NULL},
    {a_row_nobody_wrote, PW_DIFFERENCE_SURPLUS, 52, NULL},
    {a_row_of_a_stranger, PW_DIFFERENCE_MISSING, 51, NULL},
    {a_state_is_old, PW_DIFFERENCE_COLUMN, 50, "state"},
    {a_student_is_another, PW_DIFFERENCE_COLUMN, 51, "student_id"},
    {a_value_is_null, PW_DIFFERENCE_COLUMN, 51, "version"},
    {a_moment_is_wrong, PW_DIFFERENCE_COLUMN, 51, "changed_at_us"},
    {a_record_is_another, PW_DIFFERENCE_COLUMN, 51, "record_offset"},
};

Test(expected, the_first_row_that_differs_is_named)
{
    for (size_t i = 0; i < PW_COUNT(spoilt); i++) {
        struct pw_state *state = pw_state_new();
        struct rows_shown shown = table_of(&pw_reservations_projection, 0, state);
        struct pw_difference difference = {0};
        spoilt[i].spoil(&shown);
        cr_expect_not(check(&pw_reservations_projection, 0, &shown, &difference), "case %zu", i);
        cr_expect_eq(difference.kind, spoilt[i].kind, "case %zu", i);
        cr_expect_eq(difference.key[0].id.bytes[15], spoilt[i].reservation, "case %zu", i);
        if (spoilt[i].column != NULL) {
            cr_expect_str_eq(difference.column, spoilt[i].column);
        }
        pw_state_free(state);
    }
}
