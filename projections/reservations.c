/* projections/reservations.c: every reservation, live or not; and what their students are told of them. */
#include "projections/inbox.h"

static const struct pw_column columns[] = {
    {"reservation_id", PW_COLUMN_ID},
    {"slot_id", PW_COLUMN_ID},
    {"exam_id", PW_COLUMN_ID},
    {"student_id", PW_COLUMN_ID},
    {"state", PW_COLUMN_INTEGER},
    {"starts_at_us", PW_COLUMN_INTEGER},
    {"ends_at_us", PW_COLUMN_INTEGER},
    {"free_again_at_us", PW_COLUMN_INTEGER},
    {"expires_at_us", PW_COLUMN_INTEGER},
    {"needs_replacement", PW_COLUMN_INTEGER},
    {"version", PW_COLUMN_INTEGER},
};
static const struct pw_table table = {"reservations", columns, PW_COUNT(columns), 1};
static const struct pw_table *const tables[] = {&table, &pw_notifications_table, &pw_inboxes_table};

static enum pw_code rows(const struct pw_event *event, const struct pw_tenant *after,
                         struct pw_rows *out, struct pw_err *err)
{
    if (pw_event_info(event->type)->aggregate != PW_AGGREGATE_reservation) {
        return pw_inbox_rows(event, after, out, err);
    }
    const struct pw_reservation *reservation = pw_tenant_reservation(after, &event->stream_id);
    if (reservation == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "there is no such reservation");
    }
    struct pw_cell *cells = pw_rows_add(out, &table);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_id(reservation->slot_id);
    cells[2] = pw_cell_id(reservation->exam_id);
    cells[3] = pw_cell_id(reservation->student_id);
    cells[4] = pw_cell_integer(reservation->state);
    cells[5] = pw_cell_integer(reservation->starts_at_us);
    cells[6] = pw_cell_integer(reservation->ends_at_us);
    cells[7] = pw_cell_integer(reservation->free_again_at_us);
    cells[8] = reservation->expires_at_us > 0 ? pw_cell_integer(reservation->expires_at_us)
                                              : pw_cell_null(PW_COLUMN_INTEGER);
    cells[9] = pw_cell_integer(reservation->needs_replacement);
    cells[10] = pw_cell_integer(reservation->version);
    return pw_inbox_rows(event, after, out, err);
}

const struct pw_projection pw_reservations_projection = {"reservations", tables, PW_COUNT(tables),
                                                         rows};
