/* projections/slots.c: a slot with its seats and what became of them, and who proctors it. Reservations change the counts, so they make
 * rows here too. */
#include "projections/projection.h"

static const struct pw_column columns[] = {
    {"slot_id", PW_COLUMN_ID},
    {"exam_id", PW_COLUMN_ID},
    {"exam_version", PW_COLUMN_INTEGER},
    {"starts_at_us", PW_COLUMN_INTEGER},
    {"ends_at_us", PW_COLUMN_INTEGER},
    {"hard_end_at_us", PW_COLUMN_INTEGER},
    {"lead_time_minutes", PW_COLUMN_INTEGER},
    {"buffer_minutes", PW_COLUMN_INTEGER},
    {"capacity", PW_COLUMN_INTEGER},
    {"taken_count", PW_COLUMN_INTEGER},
    {"version", PW_COLUMN_INTEGER},
    {"state", PW_COLUMN_INTEGER},
    {"waiting_count", PW_COLUMN_INTEGER},
    {"left_count", PW_COLUMN_INTEGER},
    {"held_count", PW_COLUMN_INTEGER},
    {"offered_count", PW_COLUMN_INTEGER},
    {"attended_count", PW_COLUMN_INTEGER},
    {"no_show_count", PW_COLUMN_INTEGER},
};
static const struct pw_table table = {"slots", columns, PW_COUNT(columns), 1};
static const struct pw_column proctor_columns[] = {
    {"slot_id", PW_COLUMN_ID},
    {"proctor_id", PW_COLUMN_ID},
    {"live", PW_COLUMN_INTEGER}, /* One who was released stays, as a row that says so. */
};
static const struct pw_table proctors = {"slot_proctors", proctor_columns,
                                         PW_COUNT(proctor_columns), 2};
static const struct pw_table *const tables[] = {&table, &proctors};

static enum pw_code slot_row(const struct pw_tenant *after, const struct pw_id *id,
                             struct pw_rows *out, struct pw_err *err)
{
    const struct pw_slot *slot = pw_tenant_slot(after, id);
    if (slot == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "there is no such slot");
    }
    struct pw_cell *cells = pw_rows_add(out, &table);
    cells[0] = pw_cell_id(*id);
    cells[1] = pw_cell_id(slot->exam_id);
    cells[2] = pw_cell_integer(slot->exam_version);
    cells[3] = pw_cell_integer(slot->starts_at_us);
    cells[4] = pw_cell_integer(slot->ends_at_us);
    cells[5] = slot->hard_end_at_us > 0 ? pw_cell_integer(slot->hard_end_at_us)
                                        : pw_cell_null(PW_COLUMN_INTEGER);
    cells[6] = pw_cell_integer(slot->lead_time_minutes);
    cells[7] = pw_cell_integer(slot->buffer_minutes);
    cells[8] = pw_cell_integer(slot->capacity);
    cells[9] = pw_cell_integer(slot->taken_count);
    cells[10] = pw_cell_integer(slot->version);
    bool is_off = slot->state == PW_SLOT_WITHDRAWN; /* Its own record is to come. */
    cells[11] = pw_cell_integer(is_off ? PW_SLOT_CANCELLED : slot->state);
    cells[12] = pw_cell_integer(slot->waiting_count);
    cells[13] = pw_cell_integer(pw_slot_left_count(slot));
    cells[14] = pw_cell_integer(slot->held_count);
    cells[15] = pw_cell_integer(slot->offered_count);
    cells[16] = pw_cell_integer(slot->attended_count);
    cells[17] = pw_cell_integer(slot->no_show_count);
    return PW_OK;
}

static void proctor_row(const struct pw_id *slot_id, const struct pw_id *proctor_id, bool live,
                        struct pw_rows *out)
{
    struct pw_cell *cells = pw_rows_add(out, &proctors);
    cells[0] = pw_cell_id(*slot_id);
    cells[1] = pw_cell_id(*proctor_id);
    cells[2] = pw_cell_integer(live);
}

static enum pw_code slot_rows(const struct pw_event *event, const struct pw_tenant *after,
                              struct pw_rows *out, struct pw_err *err)
{
    if (event->type == PW_EVENT_SLOT_PROCTOR_ASSIGNED) {
        proctor_row(&event->stream_id, &event->slot_proctor_assigned.proctor_id, true, out);
    } else if (event->type == PW_EVENT_SLOT_PROCTOR_RELEASED) {
        proctor_row(&event->stream_id, &event->slot_proctor_released.proctor_id, false, out);
    }
    return slot_row(after, &event->stream_id, out, err);
}

/* One that was moved changes the seats of two slots. */
static enum pw_code reservation_rows(const struct pw_event *event, const struct pw_tenant *after,
                                     struct pw_rows *out, struct pw_err *err)
{
    const struct pw_reservation *reservation = pw_tenant_reservation(after, &event->stream_id);
    if (reservation == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "there is no such reservation");
    }
    const struct pw_reservation_rescheduled *moved = pw_reservation_move(event);
    enum pw_code code = slot_row(after, &reservation->slot_id, out, err);
    return code != PW_OK || moved == NULL ? code : slot_row(after, &moved->from_slot_id, out, err);
}

static enum pw_code rows(const struct pw_event *event, const struct pw_tenant *after,
                         struct pw_rows *out, struct pw_err *err)
{
    switch (pw_event_info(event->type)->aggregate) {
    case PW_AGGREGATE_slot: return slot_rows(event, after, out, err);
    case PW_AGGREGATE_reservation: return reservation_rows(event, after, out, err);
    case PW_AGGREGATE_tenant:
    case PW_AGGREGATE_user:
    case PW_AGGREGATE_session:
    case PW_AGGREGATE_accommodation:
    case PW_AGGREGATE_inbox:
    case PW_AGGREGATE_item:
    case PW_AGGREGATE_exam: /* A slot stands by the version that it was opened with. */
    case PW_AGGREGATE_COUNT: break;
    }
    return PW_OK;
}

const struct pw_projection pw_slots_projection = {"slots", tables, PW_COUNT(tables), rows};
