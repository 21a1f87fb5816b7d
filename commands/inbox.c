/* commands/inbox.c: what students are told, and what they have read of it. */
#include "commands/inbox.h"

#include "commands/tenant_state.h"

#define ALL_UNREAD ((UINT64_C(1) << PW_UNREAD_MAX) - 1)

enum pw_notification pw_notification_of(enum pw_event_type type)
{
    switch ((int)type) {
    case PW_EVENT_RESERVATION_RESERVED:
    case PW_EVENT_RESERVATION_HOLD_CONFIRMED:
    case PW_EVENT_RESERVATION_OFFER_ACCEPTED: return PW_NOTIFICATION_BOOKED;
    case PW_EVENT_RESERVATION_CANCELLED: return PW_NOTIFICATION_CANCELLED;
    case PW_EVENT_RESERVATION_CANCELLED_BY_STAFF: return PW_NOTIFICATION_CANCELLED_BY_STAFF;
    case PW_EVENT_RESERVATION_CANCELLED_WITH_SLOT: return PW_NOTIFICATION_CANCELLED_WITH_SLOT;
    case PW_EVENT_RESERVATION_HOLD_EXPIRED: return PW_NOTIFICATION_HOLD_EXPIRED;
    case PW_EVENT_RESERVATION_OFFERED: return PW_NOTIFICATION_OFFERED;
    case PW_EVENT_RESERVATION_OFFER_EXPIRED: return PW_NOTIFICATION_OFFER_EXPIRED;
    case PW_EVENT_RESERVATION_RESCHEDULED:
    case PW_EVENT_RESERVATION_RESCHEDULED_BY_STAFF: return PW_NOTIFICATION_MOVED;
    case PW_EVENT_RESERVATION_SITTING_CHANGED: return PW_NOTIFICATION_TIMES_CHANGED;
    case PW_EVENT_RESERVATION_NEEDS_REPLACEMENT_MARKED: return PW_NOTIFICATION_NEEDS_REPLACEMENT;
    case PW_EVENT_RESERVATION_REPLACEMENT_CLEARED: return PW_NOTIFICATION_FITS_AGAIN;
    case PW_EVENT_RESERVATION_REMINDED: return PW_NOTIFICATION_EXAM_NEAR;
    case PW_EVENT_RESERVATION_MARKED_NO_SHOW: return PW_NOTIFICATION_NO_SHOW;
    default: return PW_NOTIFICATION_NONE;
    }
}

const struct pw_inbox *pw_tenant_inbox(const struct pw_tenant *tenant,
                                       const struct pw_id *student_id)
{
    return pw_map_get(tenant->inboxes, student_id);
}

uint32_t pw_inbox_unread_count(const struct pw_inbox *inbox)
{
    return (uint32_t)__builtin_popcountll(inbox->unread);
}

void pw_inbox_take(struct pw_tenant *tenant, const struct pw_event *event, struct pw_undo *undo)
{
    if (pw_notification_of(event->type) == PW_NOTIFICATION_NONE) {
        return;
    }
    struct pw_id student_id = pw_tenant_reservation(tenant, &event->stream_id)->student_id;
    struct pw_inbox *inbox = pw_map_put(tenant->inboxes, &student_id, undo);
    inbox->count++;
    inbox->unread = (inbox->unread << 1 | 1) & ALL_UNREAD;
}

/* Which are unread once the student has read one, or that and all before it; of a number that there is. */
static uint64_t unread_after(const struct pw_inbox *inbox, uint32_t number, bool and_older)
{
    uint32_t place = inbox->count - number;
    if (place >= PW_UNREAD_MAX) {
        return inbox->unread;
    }
    uint64_t read = and_older ? UINT64_MAX << place : UINT64_C(1) << place;
    return inbox->unread & ~read;
}

enum pw_code pw_inbox_mark_read_decide(const struct pw_tenant *tenant,
                                       const struct pw_inbox_mark_read *command,
                                       const struct pw_context *context, struct pw_decision *out,
                                       struct pw_err *err)
{
    const struct pw_inbox *inbox = pw_tenant_inbox(tenant, &command->student_id);
    (void)context; /* It is the asking student's own: no field names another one. */
    if (inbox == NULL || command->number > inbox->count) {
        return pw_fail(err, PW_ERR_NO_SUCH_NOTIFICATION, "there are %u",
                       inbox != NULL ? inbox->count : 0);
    }
    if (unread_after(inbox, command->number, command->and_older != 0) != inbox->unread) {
        pw_decision_add(out, PW_EVENT_INBOX_READ, &command->student_id)->inbox_read =
            (struct pw_inbox_read){.number = command->number, .and_older = command->and_older};
    }
    return PW_OK;
}

enum pw_code pw_inbox_read_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                  struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_inbox_read *read = &event->inbox_read;
    const struct pw_inbox *before = pw_tenant_inbox(tenant, &event->stream_id);
    if (before == NULL || read->number == 0 || read->number > before->count) {
        return pw_misfit(err, event, "there is no such notification");
    }
    uint64_t unread = unread_after(before, read->number, read->and_older != 0);
    if (unread == before->unread) {
        return pw_misfit(err, event, "it was read already");
    }
    struct pw_inbox *inbox = pw_map_put(tenant->inboxes, &event->stream_id, undo);
    inbox->version = event->stream_version;
    inbox->unread = unread;
    return PW_OK;
}
