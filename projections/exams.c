/* projections/exams.c: an exam as it stands, draft and last published version. */
#include "projections/projection.h"

static const struct pw_column columns[] = {
    {"exam_id", PW_COLUMN_ID},
    {"owner_id", PW_COLUMN_ID},
    {"draft_title", PW_COLUMN_TEXT},
    {"draft_duration_minutes", PW_COLUMN_INTEGER},
    {"draft_lead_time_minutes", PW_COLUMN_INTEGER},
    {"draft_buffer_minutes", PW_COLUMN_INTEGER},
    {"published_number", PW_COLUMN_INTEGER},
    {"published_title", PW_COLUMN_TEXT},
    {"published_duration_minutes", PW_COLUMN_INTEGER},
    {"published_lead_time_minutes", PW_COLUMN_INTEGER},
    {"published_buffer_minutes", PW_COLUMN_INTEGER},
    {"published_hash", PW_COLUMN_HASH},
    {"version", PW_COLUMN_INTEGER},
    {"withdrawn", PW_COLUMN_INTEGER},
};
static const struct pw_table table = {"exams", columns, PW_COUNT(columns), 1};
static const struct pw_table *const tables[] = {&table};

/* The published version's cells, NULL where there is none. */
static void published_cells(const struct pw_exam *exam, struct pw_cell *cells)
{
    if (exam->published_number == 0) {
        for (uint32_t i = 0; i < 5; i++) {
            cells[i] = pw_cell_null(columns[7 + i].kind);
        }
        return;
    }
    cells[0] = pw_cell_text((struct pw_str){exam->published_title, exam->published_title_bytes});
    cells[1] = pw_cell_integer(exam->published_duration_minutes);
    cells[2] = pw_cell_integer(exam->published_lead_time_minutes);
    cells[3] = pw_cell_integer(exam->published_buffer_minutes);
    cells[4] = pw_cell_hash(exam->published_hash);
}

static enum pw_code rows(const struct pw_event *event, const struct pw_tenant *after,
                         struct pw_rows *out, struct pw_err *err)
{
    if (pw_event_info(event->type)->aggregate != PW_AGGREGATE_exam) {
        return PW_OK;
    }
    const struct pw_exam *exam = pw_tenant_exam(after, &event->stream_id);
    if (exam == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "there is no such exam");
    }
    struct pw_cell *cells = pw_rows_add(out, &table);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_id(exam->owner_id);
    cells[2] = pw_cell_text((struct pw_str){exam->draft_title, exam->draft_title_bytes});
    cells[3] = pw_cell_integer(exam->draft_duration_minutes);
    cells[4] = pw_cell_integer(exam->draft_lead_time_minutes);
    cells[5] = pw_cell_integer(exam->draft_buffer_minutes);
    cells[6] = pw_cell_integer(exam->published_number);
    published_cells(exam, &cells[7]);
    cells[12] = pw_cell_integer(exam->version);
    cells[13] = pw_cell_integer(exam->is_withdrawn);
    return PW_OK;
}

const struct pw_projection pw_exams_projection = {"exams", tables, PW_COUNT(tables), rows};
