/* projections/inbox.h: what students are told, as tables of the read model of reservations: they are made of the same events. */
#ifndef PW_PROJECTIONS_INBOX_H
#define PW_PROJECTIONS_INBOX_H

#include "projections/projection.h"

extern const struct pw_table
    pw_notifications_table;                    /* One row for each, told whole by its event. */
extern const struct pw_table pw_inboxes_table; /* How many a student has, and which are unread. */

/* Adds what an event changes in them; of other events nothing. */
enum pw_code pw_inbox_rows(const struct pw_event *event, const struct pw_tenant *after,
                           struct pw_rows *out, struct pw_err *err);

#endif
