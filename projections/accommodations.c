/* projections/accommodations.c: who has how much more time, and when; revoked ones too. */
#include "projections/projection.h"

static const struct pw_column columns[] = {
    {"accommodation_id", PW_COLUMN_ID},   {"student_id", PW_COLUMN_ID},
    {"state", PW_COLUMN_INTEGER},         {"factor_percent", PW_COLUMN_INTEGER},
    {"fixed_minutes", PW_COLUMN_INTEGER}, {"rest_break_minutes", PW_COLUMN_INTEGER},
    {"valid_from_us", PW_COLUMN_INTEGER}, {"valid_until_us", PW_COLUMN_INTEGER},
    {"version", PW_COLUMN_INTEGER},
};
static const struct pw_table table = {"accommodations", columns, PW_COUNT(columns), 1};
static const struct pw_table *const tables[] = {&table};

/* The numbers of `state` are for ever. */
enum { IS_GRANTED = 1, IS_REVOKED };

static enum pw_code rows(const struct pw_event *event, const struct pw_tenant *after,
                         struct pw_rows *out, struct pw_err *err)
{
    if (pw_event_info(event->type)->aggregate != PW_AGGREGATE_accommodation) {
        return PW_OK;
    }
    const struct pw_accommodation *accommodation =
        pw_tenant_accommodation(after, &event->stream_id);
    if (accommodation == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "there is no such accommodation");
    }
    struct pw_cell *cells = pw_rows_add(out, &table);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_id(accommodation->student_id);
    cells[2] = pw_cell_integer(accommodation->is_revoked ? IS_REVOKED : IS_GRANTED);
    cells[3] = pw_cell_integer(accommodation->factor_percent);
    cells[4] = pw_cell_integer(accommodation->fixed_minutes);
    cells[5] = pw_cell_integer(accommodation->rest_break_minutes);
    cells[6] = pw_cell_integer(accommodation->valid_from_us);
    cells[7] = pw_cell_integer(accommodation->valid_until_us);
    cells[8] = pw_cell_integer(accommodation->version);
    return PW_OK;
}

const struct pw_projection pw_accommodations_projection = {"accommodations", tables,
                                                           PW_COUNT(tables), rows};
