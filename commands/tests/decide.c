/* commands/tests/decide.c: every row of every command, and what holds for all of them. */
#include "commands/tests/world.h"

#include <criterion/criterion.h>

static const struct rows *const rows_of[] = {
#define PW_COMMAND(aggregate, lower, UPPER, ...)                                                   \
    [PW_COMMAND_##UPPER] = &rows_of_##aggregate##_##lower,
#include "schemas/all.def"
};

/* The table's own codes, and those that pw_decide adds for every command. */
static bool may_answer(enum pw_command_type type, const struct row *row)
{
    return world_may_answer(type, row->code) || row->code == PW_ERR_VERSION_MISMATCH ||
           (row->code == PW_ERR_NO_SUCH_TENANT && row->given_count == 0);
}

static void check_row(enum pw_command_type type, const struct row *row)
{
    struct pw_state *state = pw_state_new();
    world_fold(state, row->given, row->given_count);
    const struct pw_tenant *tenant = pw_state_tenant(state, &world_tenant_id);
    struct pw_err err = {.code = PW_OK, .detail = "untouched"};
    struct pw_decision got;
    memset(&got, 0xa5, sizeof got); /* It needs no preparation. */
    enum pw_code code = pw_decide(tenant, &row->when, row->if_match - 1, &row->by, &got, &err);

    cr_expect_eq(row->when.type, type, "%s: another command's row", row->name);
    cr_expect_eq(code, row->code, "%s: got %s (%s)", row->name, pw_error_info(code)->name,
                 err.detail);
    cr_expect(may_answer(type, row), "%s: the table does not list that answer", row->name);
    if (code == PW_OK) {
        cr_expect_str_eq(err.detail, "untouched", "%s", row->name);
    } else {
        cr_expect(err.code == code && err.detail[0] != '\0', "%s", row->name);
    }
    cr_expect(row->detail == NULL || strstr(err.detail, row->detail) != NULL, "%s: says %s",
              row->name, err.detail);
    cr_assert_eq(got.event_count, row->then_count, "%s: %u events", row->name, got.event_count);
    for (uint32_t i = 0; i < got.event_count; i++) {
        cr_expect(world_same(&got.events[i], &row->then[i]), "%s: event %u", row->name, i);
        cr_expect_eq(pw_state_evolve(state, &world_tenant_id, &got.events[i], NULL, &err), PW_OK,
                     "%s: %s", row->name, err.detail);
    }
    pw_state_free(state);
}

Test(decide, as_every_row_says)
{
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        for (uint32_t i = 0; i < rows_of[type]->count; i++) {
            check_row((enum pw_command_type)type, &rows_of[type]->rows[i]);
        }
    }
}

Test(decide, every_refusal_of_the_tables_has_a_row)
{
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        const struct pw_command_info *info = pw_command_info((enum pw_command_type)type);
        bool yes = false;
        for (uint32_t i = 0; i < info->refusal_count; i++) {
            bool covered = false;
            for (uint32_t j = 0; j < rows_of[type]->count; j++) {
                covered |= rows_of[type]->rows[j].code == info->refusals[i];
                yes |=
                    rows_of[type]->rows[j].code == PW_OK && rows_of[type]->rows[j].then_count > 0;
            }
            cr_expect(covered, "%s: no row is refused as %s", info->name,
                      pw_error_info(info->refusals[i])->name);
        }
        cr_expect(yes, "%s: no row has events", info->name);
    }
}

/* Every command, its ids nil: there is nothing that it could find. */
Test(decide, a_tenant_that_does_not_exist_has_nothing)
{
    const struct pw_context by = AT(ADA, ADMIN, NINE);
    for (int type = 0; type < PW_COMMAND_COUNT; type++) {
        struct pw_command command = {.type = (enum pw_command_type)type};
        struct pw_decision got;
        struct pw_err err = {0};
        enum pw_code code = pw_decide(NULL, &command, -1, &by, &got, &err);
        enum pw_code expected = type == PW_COMMAND_TENANT_CREATE ? PW_OK : PW_ERR_NO_SUCH_TENANT;
        cr_expect_eq(code, expected, "%s", pw_command_info((enum pw_command_type)type)->name);
        cr_expect_eq(pw_decide(NULL, &command, -1, &by, &got, NULL), expected, "no pw_err");
    }
}

/* The first event of a slot with a hard end is not its last. */
Test(decide, a_yes_is_about_the_version_after_all_of_it)
{
    const struct pw_event given[] = {CREATED, DRAFTED(30), PUBLISHED(30, 0, 1)};
    struct pw_state *state = pw_state_new();
    world_fold(state, given, PW_COUNT(given));
    struct pw_command command = {.type = PW_COMMAND_SLOT_OPEN,
                                 .slot_open = {ID(40), ID(30), NOON, 2, NOON + MINUTES(90)}};
    const struct pw_context by = AT(TEA, TEACHER, NINE);
    const struct pw_tenant *tenant = pw_state_tenant(state, &world_tenant_id);
    struct pw_decision got;
    cr_assert_eq(pw_decide(tenant, &command, -1, &by, &got, NULL), PW_OK);
    cr_expect(got.event_count == 2 && pw_decision_version(&got) == 2);
    command.slot_open.hard_end_at = 0;
    cr_assert_eq(pw_decide(tenant, &command, -1, &by, &got, NULL), PW_OK);
    cr_expect(got.event_count == 1 && pw_decision_version(&got) == 1);
    pw_state_free(state);
}

Test(decide, a_made_id_that_is_in_use_is_a_fault_not_damage)
{
    const struct pw_event given[] = {CREATED, DRAFTED(30)};
    struct pw_state *state = pw_state_new();
    world_fold(state, given, PW_COUNT(given));
    const struct pw_command command = {.type = PW_COMMAND_EXAM_DRAFT,
                                       .exam_draft = {ID(30), TEXT("Algebra"), 90, 60, 15}};
    const struct pw_context by = AT(TEA, TEACHER, NINE);
    struct pw_decision got;
    enum pw_code code =
        pw_decide(pw_state_tenant(state, &world_tenant_id), &command, -1, &by, &got, NULL);
    cr_expect(code == PW_ERR_INTERNAL && got.event_count == 0);
    pw_state_free(state);
}
