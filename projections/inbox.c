/* projections/inbox.c: what students are told. */
#include "projections/inbox.h"

#include "commands/inbox.h"

static const struct pw_column notification_columns[] = {
    {"student_id", PW_COLUMN_ID},
    {"number", PW_COLUMN_INTEGER},
    {"kind", PW_COLUMN_INTEGER},
    {"reservation_id", PW_COLUMN_ID},
    {"slot_id", PW_COLUMN_ID},
    {"exam_id", PW_COLUMN_ID},
    {"starts_at_us", PW_COLUMN_INTEGER},
    {"ends_at_us", PW_COLUMN_INTEGER},
    {"expires_at_us", PW_COLUMN_INTEGER},
    {"reason", PW_COLUMN_TEXT},
};
const struct pw_table pw_notifications_table = {"notifications", notification_columns,
                                                PW_COUNT(notification_columns), 2};

static const struct pw_column inbox_columns[] = {
    {"student_id", PW_COLUMN_ID},   {"notification_count", PW_COLUMN_INTEGER},
    {"unread", PW_COLUMN_INTEGER},  {"unread_count", PW_COLUMN_INTEGER},
    {"version", PW_COLUMN_INTEGER},
};
const struct pw_table pw_inboxes_table = {"inboxes", inbox_columns, PW_COUNT(inbox_columns), 1};

static void notification_row(const struct pw_event *event, const struct pw_reservation *reservation,
                             uint32_t number, struct pw_rows *out)
{
    struct pw_cell *cells = pw_rows_add(out, &pw_notifications_table);
    cells[0] = pw_cell_id(reservation->student_id);
    cells[1] = pw_cell_integer(number);
    cells[2] = pw_cell_integer(pw_notification_of(event->type));
    cells[3] = pw_cell_id(event->stream_id);
    cells[4] = pw_cell_id(reservation->slot_id);
    cells[5] = pw_cell_id(reservation->exam_id);
    cells[6] = pw_cell_integer(reservation->starts_at_us);
    cells[7] = pw_cell_integer(reservation->ends_at_us);
    cells[8] = event->type == PW_EVENT_RESERVATION_OFFERED
                   ? pw_cell_integer(reservation->expires_at_us)
                   : pw_cell_null(PW_COLUMN_INTEGER);
    cells[9] = pw_cell_reason(event);
}

static void inbox_row(const struct pw_id *student_id, const struct pw_inbox *inbox,
                      struct pw_rows *out)
{
    struct pw_cell *cells = pw_rows_add(out, &pw_inboxes_table);
    cells[0] = pw_cell_id(*student_id);
    cells[1] = pw_cell_integer(inbox->count);
    cells[2] = pw_cell_integer((int64_t)inbox->unread);
    cells[3] = pw_cell_integer(pw_inbox_unread_count(inbox));
    cells[4] = pw_cell_integer(inbox->version);
}

enum pw_code pw_inbox_rows(const struct pw_event *event, const struct pw_tenant *after,
                           struct pw_rows *out, struct pw_err *err)
{
    bool tells = pw_notification_of(event->type) != PW_NOTIFICATION_NONE;
    if (!tells && event->type != PW_EVENT_INBOX_READ) {
        return PW_OK;
    }
    const struct pw_reservation *reservation =
        tells ? pw_tenant_reservation(after, &event->stream_id) : NULL;
    const struct pw_id *student_id =
        reservation != NULL ? &reservation->student_id : &event->stream_id;
    const struct pw_inbox *inbox = pw_tenant_inbox(after, student_id);
    if (inbox == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "there is no such inbox");
    }
    if (reservation != NULL) {
        notification_row(event, reservation, inbox->count, out);
    }
    inbox_row(student_id, inbox, out);
    return PW_OK;
}
