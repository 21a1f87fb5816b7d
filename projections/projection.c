/* projections/projection.c: what all read models share. */
#include "projections/projection.h"

const struct pw_projection *const pw_projections[] = {
    &pw_exams_projection,          &pw_slots_projection, &pw_reservations_projection,
    &pw_calendar_projection,       &pw_users_projection, &pw_sessions_projection,
    &pw_accommodations_projection,
};
const uint32_t pw_projection_count = PW_COUNT(pw_projections);

struct pw_cell *pw_rows_add(struct pw_rows *rows, const struct pw_table *table)
{
    assert(rows->count < PW_CHANGE_ROWS_MAX && table->column_count <= PW_ROW_CELLS_MAX);
    struct pw_row *row = &rows->rows[rows->count++];
    *row = (struct pw_row){.table = table};
    return row->cells;
}

struct pw_cell pw_cell_reason(const struct pw_event *event)
{
    const uint32_t *reason = pw_event_said(event, "reason", PW_FIELD_KIND_reason);
    const struct pw_str *why = pw_event_said(event, "why", PW_FIELD_KIND_text);
    return reason != NULL ? pw_cell_text(pw_str_of(pw_reason_name((enum pw_reason) * reason)))
           : why != NULL  ? pw_cell_text(*why)
                          : pw_cell_null(PW_COLUMN_TEXT);
}

bool pw_cell_equal(const struct pw_cell *a, const struct pw_cell *b)
{
    if (a->kind != b->kind || a->is_null != b->is_null) {
        return false;
    }
    if (a->is_null) {
        return true;
    }
    switch (a->kind) {
    case PW_COLUMN_ID: return pw_id_equal(&a->id, &b->id);
    case PW_COLUMN_HASH: return pw_hash_equal(&a->hash, &b->hash);
    case PW_COLUMN_INTEGER: return a->integer == b->integer;
    case PW_COLUMN_TEXT:
    case PW_COLUMN_BYTES: return pw_str_equal(a->text, b->text);
    }
    return false;
}
