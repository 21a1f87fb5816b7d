/* api/tests/directory.c: who is believed, and for how long. */
#include <criterion/criterion.h>

#include "api/directory.h"

#define SECOND PW_US_PER_SECOND
#define NOW    (1000 * SECOND)

static const struct pw_id tenant_id = {{1}};
static const struct pw_id user_id = {{2}};
static const struct pw_id session_id = {{3}};

/* A token that the record at session_offset gave, shown to a node that has read up to read_offset. */
static bool admits(struct pw_directory *directory, int64_t session_offset, int64_t read_offset,
                   int64_t issued_at_us)
{
    struct pw_actor actor = {.issued_at_us = issued_at_us,
                             .id = user_id,
                             .tenant_id = tenant_id,
                             .session_id = session_id,
                             .session_offset = session_offset,
                             .roles = PW_ROLE(STUDENT)};
    return pw_directory_admits(directory, &actor, read_offset, NOW);
}

static void tell(struct pw_directory *directory, enum pw_event_type type)
{
    struct pw_event event = {.type = type, .stream_id = session_id};
    pw_directory_event(directory, &tenant_id, &event);
}

Test(directory, a_session_that_another_node_has_just_opened_is_believed)
{
    struct pw_directory *directory = pw_directory_new();
    cr_expect(admits(directory, 20, 19, NOW - SECOND));
    cr_expect(admits(directory, 20, 19, NOW + SECOND), "clocks differ a little");
    cr_expect_not(admits(directory, 20, 19, NOW - PW_SESSION_NEWS_US));
    cr_expect_not(admits(directory, 20, 19, NOW + PW_SESSION_NEWS_US),
                  "but not for as long as they differ");
    cr_expect_not(admits(directory, 20, 19, INT64_MIN), "it does not say when");
    tell(directory, PW_EVENT_SESSION_OPENED);
    cr_expect(admits(directory, 20, 20, NOW - 600 * SECOND));
    tell(directory, PW_EVENT_SESSION_REVOKED);
    cr_expect_not(admits(directory, 20, 21, NOW - SECOND));
    pw_directory_free(directory);
}

/* Also where a snapshot took the place of what was read: it says nothing of a session that was opened and ended before it. */
Test(directory, a_session_unknown_to_who_has_read_of_it_is_over)
{
    struct pw_directory *directory = pw_directory_new();
    cr_expect_not(admits(directory, 20, 20, NOW));
    cr_expect_not(admits(directory, -1, 20, NOW), "it does not say where");
    pw_directory_free(directory);
}
