/* api/bell.h: wakes who listens to what a student is told.
 *
 * Contract  A listener that has joined is rung when the ledger confirms something that its student is told, and now and then when nothing
 *           is, so that it can see whether its client is still there. It is rung once for each pw_bell_wait that says so; what comes
 *           between is not lost: the next wait says no. News of the ledger may come before the read models have them: who joins first, and
 *           then looks at what has come as far as pw_bell_told, has missed nothing.
 * Owner     A listener is its owner's; it leaves before it goes.
 * Threads   Any; one lock guards it. `ring` is called under it: it must be quick, and must not call back. */
#ifndef PW_API_BELL_H
#define PW_API_BELL_H

#include "commands/state.h"
#include "eventstore/chain.h"

#define PW_BELL_TICK_US     PW_US_PER_SECOND
#define PW_BELL_QUIET_TICKS 15 /* So long nobody is left waiting without a word. */

struct pw_bell;

struct pw_bell_listener {
    struct pw_id tenant_id;
    struct pw_id student_id;
    void (*ring)(struct pw_bell_listener *listener);

    /* The bell's own. */
    struct pw_bell_listener *next;
    struct pw_bell_listener **link;
    uint32_t quiet_ticks;
    bool has_news;
    bool waits;
};

struct pw_bell *pw_bell_new(void); /* NULL: no more threads. */

/* Rings everybody; from then on nobody is to wait. */
void pw_bell_stop(struct pw_bell *bell);
void pw_bell_free(struct pw_bell *bell); /* NULL: nothing. */
bool pw_bell_has_stopped(struct pw_bell *bell);

void pw_bell_join(struct pw_bell *bell, struct pw_bell_listener *listener);
void pw_bell_leave(struct pw_bell *bell, struct pw_bell_listener *listener);

/* Whether there were news, which are told by that. */
bool pw_bell_news(struct pw_bell *bell, struct pw_bell_listener *listener);

/* True: it will be rung, once; with `soon` at the next tick, as if there were news. False: there were news, which are told by that, or the
 * bell has stopped. */
bool pw_bell_wait(struct pw_bell *bell, struct pw_bell_listener *listener, bool soon);

/* A confirmed event. pw_bell_event_types: of which types. */
struct pw_event_set pw_bell_event_types(void);
void pw_bell_event(struct pw_bell *bell, const struct pw_position *at,
                   const struct pw_id *tenant_id, const struct pw_event *event);

/* The offset of the last such event of a partition; -1: none since this process began. */
int64_t pw_bell_told(const struct pw_bell *bell, uint32_t partition);

/* For metrics. */
uint32_t pw_bell_listener_count(struct pw_bell *bell);

#endif
