/* commands/tests/inbox.c: what students are told, and what they have read of it. */
#include "commands/inbox.h"
#include "commands/tests/seats.h"

#include <criterion/criterion.h>

#define MARK_READ(student, number, older)                                                          \
    {                                                                                              \
        .type = PW_COMMAND_INBOX_MARK_READ, .inbox_mark_read = { student, number, older }          \
    }

/* Ann is told of her seat, that it was given back, and of another one. */
#define THREE SLOT, ANNS, ANN_GOES, RESERVED(52, ANN, 40, 30, NOON)

static const struct row inbox_mark_read_rows[] = {
    {"one", GIVEN(THREE), MARK_READ(ANN, 2, 0), BY_ANN, PW_OK, THEN(READ(ANN, 1, 2, 0))},
    {"that and all before it", GIVEN(THREE), MARK_READ(ANN, 2, 1), BY_ANN, PW_OK,
     THEN(READ(ANN, 1, 2, 1))},
    {"one after the other", GIVEN(THREE, READ(ANN, 0, 2, 0)), MARK_READ(ANN, 3, 0), BY_ANN, PW_OK,
     THEN(READ(ANN, 2, 3, 0))},
    {"what was read stays read", GIVEN(THREE, READ(ANN, 0, 2, 0)), MARK_READ(ANN, 2, 0), BY_ANN,
     PW_OK, NOTHING},
    {"with all before it, too", GIVEN(THREE, READ(ANN, 0, 2, 1)), MARK_READ(ANN, 1, 0), BY_ANN,
     PW_OK, NOTHING},
    {"what was left out before it", GIVEN(THREE, READ(ANN, 0, 2, 0)), MARK_READ(ANN, 2, 1), BY_ANN,
     PW_OK, THEN(READ(ANN, 2, 2, 1))},
    {"there are no so many", GIVEN(THREE), MARK_READ(ANN, 4, 1), BY_ANN,
     PW_ERR_NO_SUCH_NOTIFICATION, NOTHING, "there are 3"},
    {"nobody else's", GIVEN(THREE), MARK_READ(BOB, 1, 0), BY_BOB, PW_ERR_NO_SUCH_NOTIFICATION,
     NOTHING, "there are 0"},
    {"If-Match speaks of the inbox", GIVEN(THREE, READ(ANN, 0, 2, 0)), MARK_READ(ANN, 3, 0), BY_ANN,
     PW_ERR_VERSION_MISMATCH, NOTHING, IF_MATCH(2)},
};
ROWS_OF(inbox_mark_read);

static struct pw_inbox inbox_after(const struct pw_event *given, uint32_t count,
                                   struct pw_id student)
{
    struct pw_state *state = pw_state_new();
    world_fold(state, given, count);
    const struct pw_inbox *found =
        pw_tenant_inbox(pw_state_tenant(state, &world_tenant_id), &student);
    struct pw_inbox inbox = found != NULL ? *found : (struct pw_inbox){0};
    pw_state_free(state);
    return inbox;
}
#define INBOX_AFTER(student, ...)                                                                  \
    inbox_after((const struct pw_event[]){__VA_ARGS__},                                            \
                PW_COUNT(((const struct pw_event[]){__VA_ARGS__})), (struct pw_id)student)

Test(inbox, every_event_that_concerns_a_student_is_told_once)
{
    struct pw_inbox anns = INBOX_AFTER(ANN, THREE);
    cr_expect_eq(anns.count, 3);
    cr_expect_eq(anns.unread, 7);
    struct pw_inbox bobs = INBOX_AFTER(BOB, BOB_CHOOSES);
    cr_expect_eq(bobs.count, 1, "of the offer, and not of what he did himself: join");
    cr_expect_eq(INBOX_AFTER(TOM, BOB_CHOOSES).count, 0);
}

Test(inbox, what_was_read_is_read_no_more_whatever_comes)
{
    struct pw_inbox inbox = INBOX_AFTER(ANN, THREE, READ(ANN, 0, 2, 0), CANCELLED(52, ANN, 40, 30));
    cr_expect_eq(inbox.count, 4);
    cr_expect_eq(inbox.unread, 11, "1, 3 and 4");
    cr_expect_eq(pw_inbox_unread_count(&inbox), 3);
    cr_expect_eq(inbox.version, 1);
}

/* Ann books a seat and gives it back, over and over. */
Test(inbox, only_the_newest_ones_can_be_unread)
{
    struct pw_state *state = pw_state_new();
    const struct pw_event given[] = {SLOT};
    world_fold(state, given, PW_COUNT(given));
    for (uint8_t i = 0; i < 40; i++) {
        const struct pw_event booked_and_back[] = {RESERVED((uint8_t)(50 + i), ANN, 40, 30, NOON),
                                                   CANCELLED((uint8_t)(50 + i), ANN, 40, 30)};
        world_fold(state, booked_and_back, 2);
    }
    const struct pw_tenant *tenant = pw_state_tenant(state, &world_tenant_id);
    struct pw_id ann = ANN;
    cr_expect_eq(pw_tenant_inbox(tenant, &ann)->count, 80);
    cr_expect_eq(pw_inbox_unread_count(pw_tenant_inbox(tenant, &ann)), PW_UNREAD_MAX);
    struct pw_decision out;
    struct pw_err err;
    struct pw_context by = BY_ANN;
    struct pw_command oldest = MARK_READ(ANN, 1, 1);
    cr_expect_eq(pw_decide(tenant, &oldest, -1, &by, &out, &err), PW_OK);
    cr_expect_eq(out.event_count, 0, "it counts as read already");
    pw_state_free(state);
}
