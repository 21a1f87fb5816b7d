/* projections/calendar.c: what blocks a student's calendar.
 *
 * An entry that ended stays as a row with live = 0. Were it deleted, a writer that lost its epoch, or
 * a batch that a cluster forgot and another replays, could put it back: nothing would be there to
 * say that a later record ended it. */
#include "projections/projection.h"

static const struct pw_column columns[] = {
    {"student_id", PW_COLUMN_ID},
    {"starts_at_us", PW_COLUMN_INTEGER},
    {"reservation_id", PW_COLUMN_ID},
    {"slot_id", PW_COLUMN_ID},
    {"exam_id", PW_COLUMN_ID},
    {"ends_at_us", PW_COLUMN_INTEGER},
    {"free_again_at_us", PW_COLUMN_INTEGER},
    {"live", PW_COLUMN_INTEGER},
};
static const struct pw_table table = {"calendar", columns, PW_COUNT(columns), 3};
static const struct pw_table *const tables[] = {&table};

/* What was left for another slot, if anything. At the same time it is the other one's row. */
static void left_row(const struct pw_event *event, struct pw_rows *out)
{
    const struct pw_reservation_rescheduled *moved = pw_reservation_move(event);
    if (moved == NULL || moved->from_starts_at == moved->starts_at) {
        return;
    }
    struct pw_cell *cells = pw_rows_add(out, &table);
    cells[0] = pw_cell_id(moved->student_id);
    cells[1] = pw_cell_integer(moved->from_starts_at);
    cells[2] = pw_cell_id(event->stream_id);
    cells[3] = pw_cell_id(moved->from_slot_id);
    cells[4] = pw_cell_id(moved->exam_id);
    cells[5] = pw_cell_integer(moved->from_ends_at);
    cells[6] = pw_cell_integer(moved->from_free_again_at);
    cells[7] = pw_cell_integer(false);
}

static enum pw_code rows(const struct pw_event *event, const struct pw_tenant *after,
                         struct pw_rows *out, struct pw_err *err)
{
    if (pw_event_info(event->type)->aggregate != PW_AGGREGATE_reservation) {
        return PW_OK;
    }
    const struct pw_reservation *reservation = pw_tenant_reservation(after, &event->stream_id);
    if (reservation == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "there is no such reservation");
    }
    struct pw_cell *cells = pw_rows_add(out, &table);
    cells[0] = pw_cell_id(reservation->student_id);
    cells[1] = pw_cell_integer(reservation->starts_at_us);
    cells[2] = pw_cell_id(event->stream_id);
    cells[3] = pw_cell_id(reservation->slot_id);
    cells[4] = pw_cell_id(reservation->exam_id);
    cells[5] = pw_cell_integer(reservation->ends_at_us);
    cells[6] = pw_cell_integer(reservation->free_again_at_us);
    cells[7] = pw_cell_integer(pw_reservation_blocks_calendar(reservation->state));
    left_row(event, out);
    return PW_OK;
}

const struct pw_projection pw_calendar_projection = {"calendar", tables, PW_COUNT(tables), rows};
