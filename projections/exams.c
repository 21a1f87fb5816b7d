/* projections/exams.c: an exam as it stands, draft and last published version; what it asks; and the bank that it asks from. */
#include "projections/items.h"
#include "schemas/codec.h"

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
    {"draft_items_hash", PW_COLUMN_HASH},
    {"published_items_hash", PW_COLUMN_HASH},
};
static const struct pw_table table = {"exams", columns, PW_COUNT(columns), 1};

static const struct pw_column asked_columns[] = {
    {"exam_id", PW_COLUMN_ID},           {"items_hash", PW_COLUMN_HASH},
    {"items", PW_COLUMN_BYTES},          {"item_count", PW_COLUMN_INTEGER},
    {"maximum_mark", PW_COLUMN_INTEGER},
};
static const struct pw_table asked = {"exam_items", asked_columns, PW_COUNT(asked_columns), 2};

static const struct pw_column version_columns[] = {
    {"exam_id", PW_COLUMN_ID},
    {"version_number", PW_COLUMN_INTEGER},
    {"title", PW_COLUMN_TEXT},
    {"duration_minutes", PW_COLUMN_INTEGER},
    {"lead_time_minutes", PW_COLUMN_INTEGER},
    {"buffer_minutes", PW_COLUMN_INTEGER},
    {"items_hash", PW_COLUMN_HASH},
    {"content_hash", PW_COLUMN_HASH},
};
static const struct pw_table versions = {"exam_versions", version_columns,
                                         PW_COUNT(version_columns), 2};
static const struct pw_table *const tables[] = {
    &table, &versions, &asked, &pw_items_table, &pw_item_versions_table, &pw_item_keys_table};

static void content_cells(const struct pw_exam_content *content, struct pw_cell *cells)
{
    cells[0] = pw_cell_text((struct pw_str){content->title, content->title_bytes});
    cells[1] = pw_cell_integer(content->duration_minutes);
    cells[2] = pw_cell_integer(content->lead_time_minutes);
    cells[3] = pw_cell_integer(content->buffer_minutes);
}

/* The published version's cells, NULL where there is none. */
static void published_cells(const struct pw_exam *exam, struct pw_cell *cells)
{
    if (exam->published_number == 0) {
        for (uint32_t i = 0; i < 5; i++) {
            cells[i] = pw_cell_null(columns[7 + i].kind);
        }
        return;
    }
    content_cells(&exam->published, cells);
    cells[4] = pw_cell_hash(exam->published.hash);
}

static struct pw_cell items_cell(const struct pw_exam_content *content)
{
    return content->item_count == 0 ? pw_cell_null(PW_COLUMN_HASH)
                                    : pw_cell_hash(content->items_hash);
}

static void asked_row(const struct pw_event *event, struct pw_rows *out)
{
    const struct pw_exam_items_bound *is = &event->exam_items_bound;
    struct pw_cell *cells = pw_rows_add(out, &asked);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_hash(is->items_hash);
    cells[2] = pw_cell_bytes(pw_list_bytes(&is->items));
    cells[3] = pw_cell_integer(is->items.count);
    cells[4] = pw_cell_integer(is->maximum_mark);
}

static void version_row(const struct pw_event *event, const struct pw_exam *exam,
                        struct pw_rows *out)
{
    struct pw_cell *cells = pw_rows_add(out, &versions);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_integer(exam->published_number);
    content_cells(&exam->published, &cells[2]);
    cells[6] = items_cell(&exam->published);
    cells[7] = pw_cell_hash(exam->published.hash);
}

static enum pw_code rows(const struct pw_event *event, const struct pw_tenant *after,
                         struct pw_rows *out, struct pw_err *err)
{
    enum pw_aggregate aggregate = pw_event_info(event->type)->aggregate;
    if (aggregate != PW_AGGREGATE_exam) {
        return aggregate == PW_AGGREGATE_item ? pw_item_rows(event, after, out, err) : PW_OK;
    }
    const struct pw_exam *exam = pw_tenant_exam(after, &event->stream_id);
    if (exam == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "there is no such exam");
    }
    struct pw_cell *cells = pw_rows_add(out, &table);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_id(exam->owner_id);
    content_cells(&exam->draft, &cells[2]);
    cells[6] = pw_cell_integer(exam->published_number);
    published_cells(exam, &cells[7]);
    cells[12] = pw_cell_integer(exam->version);
    cells[13] = pw_cell_integer(exam->is_withdrawn);
    cells[14] = items_cell(&exam->draft);
    cells[15] = items_cell(&exam->published);
    if (event->type == PW_EVENT_EXAM_ITEMS_BOUND) {
        asked_row(event, out);
    } else if (event->type == PW_EVENT_EXAM_VERSION_PUBLISHED) {
        version_row(event, exam, out);
    }
    return PW_OK;
}

const struct pw_projection pw_exams_projection = {"exams", tables, PW_COUNT(tables), rows};
