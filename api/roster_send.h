/* api/roster_send.h: a plan's requests over HTTP, many at once.
 *
 * Contract  pw_roster_send returns when the plan is over. Answers are told to the plan only; `told` is called after each turn, ten
 *           times a second at least, and reports what it likes.
 * Owner     Everything is borrowed.
 * Threads   One. */
#ifndef PW_API_ROSTER_SEND_H
#define PW_API_ROSTER_SEND_H

#include <signal.h>

#include "api/roster_plan.h"

struct pw_roster_target {
    const char *users_url; /* `http://127.0.0.1:9090/internal/tenants/<id>/users` */
    const char *bearer;    /* A token, or the cluster key. */
    bool is_internal;      /* No proxy is asked. */
    uint32_t in_flight;    /* The plan's. */
};

struct pw_roster_watch {
    volatile sig_atomic_t *stop; /* Not 0: begin nothing more. */
    void (*told)(void *self);
    void *self;
};

/* INTERNAL: libcurl does not work. */
enum pw_code pw_roster_send(struct pw_plan *plan, const struct pw_roster_target *target,
                            const struct pw_roster_watch *watch, struct pw_err *err);

#endif
