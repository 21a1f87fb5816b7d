/* api/tests/bell.c: who listens is rung for what concerns them, once, and misses nothing. */
#include "api/bell.h"

#include <criterion/criterion.h>
#include <stdatomic.h>

#define ID(n)                                                                                      \
    {                                                                                              \
        {                                                                                          \
            [0] = 0x70, [15] = (n)                                                                 \
        }                                                                                          \
    }

struct ear {
    struct pw_bell_listener listener; /* First. */
    atomic_uint rung;
};

static void on_ring(struct pw_bell_listener *listener)
{
    atomic_fetch_add(&((struct ear *)(void *)listener)->rung, 1);
}

static struct ear ear_of(uint8_t tenant, uint8_t student)
{
    return (struct ear){
        .listener = {.tenant_id = ID(tenant), .student_id = ID(student), .ring = on_ring}};
}

static void book(struct pw_bell *bell, uint8_t tenant, uint8_t student)
{
    const struct pw_position at = {.partition = tenant, .offset = 7 + student};
    const struct pw_id tenant_id = ID(tenant);
    const struct pw_event event = {.type = PW_EVENT_RESERVATION_RESERVED,
                                   .stream_id = ID(9),
                                   .reservation_reserved = {.student_id = ID(student)}};
    pw_bell_event(bell, &at, &tenant_id, &event);
}

Test(bell, rings_who_it_concerns)
{
    struct pw_bell *bell = pw_bell_new();
    struct ear ann = ear_of(1, 10), bob = ear_of(1, 11), anns_name = ear_of(2, 10);
    struct ear *const all[] = {&ann, &bob, &anns_name};
    for (size_t i = 0; i < PW_COUNT(all); i++) {
        pw_bell_join(bell, &all[i]->listener);
        cr_expect(pw_bell_wait(bell, &all[i]->listener, false));
    }
    cr_expect_eq(pw_bell_listener_count(bell), 3);
    book(bell, 1, 10);
    book(bell, 1, 10);
    cr_expect_eq(ann.rung, 1, "once for a wait");
    cr_expect_eq(bob.rung + anns_name.rung, 0);
    cr_expect(pw_bell_news(bell, &ann.listener));
    cr_expect_not(pw_bell_news(bell, &ann.listener), "they are told");
    cr_expect_not(pw_bell_news(bell, &bob.listener));
    for (size_t i = 0; i < PW_COUNT(all); i++) {
        pw_bell_leave(bell, &all[i]->listener);
    }
    cr_expect_eq(pw_bell_listener_count(bell), 0);
    pw_bell_free(bell);
}

Test(bell, what_comes_between_waits_is_not_missed)
{
    struct pw_bell *bell = pw_bell_new();
    struct ear ann = ear_of(1, 10);
    pw_bell_join(bell, &ann.listener);
    book(bell, 1, 10);
    cr_expect_eq(ann.rung, 0, "she did not wait");
    cr_expect_not(pw_bell_wait(bell, &ann.listener, false), "there are news already");
    cr_expect(pw_bell_wait(bell, &ann.listener, false), "which were told");
    book(bell, 1, 10);
    cr_expect_eq(ann.rung, 1);
    pw_bell_leave(bell, &ann.listener);
    book(bell, 1, 10);
    cr_expect_eq(ann.rung, 1, "she has left");
    pw_bell_free(bell);
}

Test(bell, how_far_was_told_is_known_whoever_listened)
{
    struct pw_bell *bell = pw_bell_new();
    book(bell, 1, 10);
    cr_expect_eq(pw_bell_told(bell, 1), 17);
    cr_expect_eq(pw_bell_told(bell, 2), -1);
    pw_bell_free(bell);
}

Test(bell, what_nobody_is_told_rings_for_nobody)
{
    struct pw_bell *bell = pw_bell_new();
    struct ear ann = ear_of(1, 10);
    const struct pw_position at = {.partition = 1, .offset = 7};
    const struct pw_id tenant_id = ID(1);
    const struct pw_event event = {.type = PW_EVENT_RESERVATION_WAITLIST_JOINED,
                                   .stream_id = ID(9),
                                   .reservation_waitlist_joined = {.student_id = ID(10)}};
    pw_bell_join(bell, &ann.listener);
    pw_bell_event(bell, &at, &tenant_id, &event);
    cr_expect_not(pw_bell_news(bell, &ann.listener));
    pw_bell_leave(bell, &ann.listener);
    cr_expect_eq(pw_bell_told(bell, 1), -1);
    struct pw_event_set types = pw_bell_event_types();
    cr_expect_not(pw_event_set_has(&types, PW_EVENT_RESERVATION_WAITLIST_JOINED));
    cr_expect(pw_event_set_has(&types, PW_EVENT_RESERVATION_RESERVED));
    pw_bell_free(bell);
}

Test(bell, its_end_rings_everybody_and_lets_nobody_wait)
{
    struct pw_bell *bell = pw_bell_new();
    struct ear ann = ear_of(1, 10);
    pw_bell_join(bell, &ann.listener);
    cr_expect(pw_bell_wait(bell, &ann.listener, false));
    pw_bell_stop(bell);
    cr_expect_eq(ann.rung, 1);
    cr_expect_not(pw_bell_wait(bell, &ann.listener, false));
    cr_expect(pw_bell_has_stopped(bell));
    pw_bell_leave(bell, &ann.listener);
    pw_bell_free(bell);
}

/* The thread's own time is not turned by hand here: it rings within the second that one tick takes, whenever that is. */
Test(bell, soon_is_at_the_next_tick)
{
    struct pw_bell *bell = pw_bell_new();
    struct ear ann = ear_of(1, 10);
    pw_bell_join(bell, &ann.listener);
    cr_expect(pw_bell_wait(bell, &ann.listener, true));
    while (atomic_load(&ann.rung) == 0) {
    }
    cr_expect(pw_bell_news(bell, &ann.listener), "it counts as news");
    pw_bell_leave(bell, &ann.listener);
    pw_bell_free(bell);
}
