/* api/tests/directory.c: who is believed, and for how long. */
#include <criterion/criterion.h>

#include "api/directory.h"

#define SECOND PW_US_PER_SECOND
#define BEGAN  (1000 * SECOND)

static const struct pw_id tenant_id = {{1}};
static const struct pw_id user_id = {{2}};
static const struct pw_id session_id = {{3}};

static bool admits(struct pw_directory *directory, int64_t issued_at_us, int64_t now_us)
{
    struct pw_actor actor = {.issued_at_us = issued_at_us,
                             .id = user_id,
                             .tenant_id = tenant_id,
                             .session_id = session_id,
                             .roles = PW_ROLE(STUDENT)};
    return pw_directory_admits(directory, &actor, now_us);
}

static void tell(struct pw_directory *directory, enum pw_event_type type)
{
    struct pw_event event = {.type = type, .stream_id = session_id};
    pw_directory_event(directory, &tenant_id, &event, 0);
}

Test(directory, a_session_that_another_node_has_just_opened_is_believed)
{
    struct pw_directory *directory = pw_directory_new(BEGAN);
    int64_t issued_at_us = BEGAN + 100 * SECOND;
    cr_expect(admits(directory, issued_at_us, issued_at_us + SECOND));
    cr_expect(admits(directory, issued_at_us, issued_at_us - SECOND), "clocks differ a little");
    cr_expect_not(admits(directory, issued_at_us, issued_at_us + PW_SESSION_NEWS_US));
    cr_expect_not(admits(directory, issued_at_us, issued_at_us - PW_SESSION_NEWS_US),
                  "but not for as long as they differ");
    cr_expect_not(admits(directory, INT64_MIN, issued_at_us), "it does not say when");
    tell(directory, PW_EVENT_SESSION_OPENED);
    cr_expect(admits(directory, issued_at_us, issued_at_us + 600 * SECOND));
    tell(directory, PW_EVENT_SESSION_REVOKED);
    cr_expect_not(admits(directory, issued_at_us, issued_at_us + SECOND));
    pw_directory_free(directory);
}

/* A snapshot says nothing of a session that was opened and ended before it. */
Test(directory, what_was_before_the_node_is_no_news)
{
    struct pw_directory *directory = pw_directory_new(BEGAN);
    struct pw_state *state = pw_state_new();
    pw_directory_restored(directory, state);
    cr_expect_not(admits(directory, BEGAN - SECOND, BEGAN + SECOND));
    cr_expect(admits(directory, BEGAN, BEGAN + SECOND));
    cr_expect(admits(directory, BEGAN - SECOND + 1, BEGAN + SECOND), "in whole seconds it may be");
    pw_state_free(state);
    pw_directory_free(directory);
}
