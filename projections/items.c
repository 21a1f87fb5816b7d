/* projections/items.c: the bank of items: each item, what its versions ask, and the keys that they have had. */
#include "projections/items.h"
#include "schemas/codec.h"

static const struct pw_column item_columns[] = {
    {"item_id", PW_COLUMN_ID},
    {"owner_id", PW_COLUMN_ID},
    {"newest_number", PW_COLUMN_INTEGER},
    {"retired", PW_COLUMN_INTEGER},
    {"version", PW_COLUMN_INTEGER},
};
const struct pw_table pw_items_table = {"items", item_columns, PW_COUNT(item_columns), 1};

static const struct pw_column version_columns[] = {
    {"item_id", PW_COLUMN_ID},          {"version_number", PW_COLUMN_INTEGER},
    {"title", PW_COLUMN_TEXT},          {"kind", PW_COLUMN_INTEGER},
    {"prompt", PW_COLUMN_TEXT},         {"choices", PW_COLUMN_BYTES},
    {"scoring", PW_COLUMN_INTEGER},     {"maximum_mark", PW_COLUMN_INTEGER},
    {"penalty_max", PW_COLUMN_INTEGER}, {"content_hash", PW_COLUMN_HASH},
};
const struct pw_table pw_item_versions_table = {"item_versions", version_columns,
                                                PW_COUNT(version_columns), 2};

static const struct pw_column key_columns[] = {
    {"item_id", PW_COLUMN_ID},         {"version_number", PW_COLUMN_INTEGER},
    {"key_number", PW_COLUMN_INTEGER}, {"answers", PW_COLUMN_BYTES},
    {"reason", PW_COLUMN_TEXT},
};
const struct pw_table pw_item_keys_table = {"item_keys", key_columns, PW_COUNT(key_columns), 3};

static void add_key(struct pw_rows *out, const struct pw_event *event, uint32_t version_number,
                    uint32_t key_number, const struct pw_list *answers)
{
    struct pw_cell *cells = pw_rows_add(out, &pw_item_keys_table);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_integer(version_number);
    cells[2] = pw_cell_integer(key_number);
    cells[3] = pw_cell_bytes(pw_list_bytes(answers));
    cells[4] = pw_cell_reason(event);
}

/* A version's texts stand in its event alone, and are told whole. */
static void add_version(struct pw_rows *out, const struct pw_event *event,
                        const struct pw_item_version *version, struct pw_str title,
                        struct pw_str prompt, const struct pw_list *choices)
{
    struct pw_cell *cells = pw_rows_add(out, &pw_item_versions_table);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_integer(version->number);
    cells[2] = pw_cell_text(title);
    cells[3] = pw_cell_integer(version->kind);
    cells[4] = pw_cell_text(prompt);
    cells[5] = pw_cell_bytes(pw_list_bytes(choices));
    cells[6] = pw_cell_integer(version->scoring);
    cells[7] = pw_cell_integer(version->maximum_mark);
    cells[8] = pw_cell_integer(version->penalty_max);
    cells[9] = pw_cell_hash(version->content_hash);
}

enum pw_code pw_item_rows(const struct pw_event *event, const struct pw_tenant *after,
                          struct pw_rows *out, struct pw_err *err)
{
    const struct pw_item *item = pw_tenant_item(after, &event->stream_id);
    if (item == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "there is no such item");
    }
    if (event->type == PW_EVENT_ITEM_DRAFTED) {
        const struct pw_item_drafted *drafted = &event->item_drafted;
        add_version(out, event, pw_tenant_item_version(after, &event->stream_id, 1), drafted->title,
                    drafted->prompt, &drafted->choices);
        add_key(out, event, 1, 1, &drafted->answers);
    } else if (event->type == PW_EVENT_ITEM_REVISED) {
        const struct pw_item_revised *revised = &event->item_revised;
        add_version(out, event,
                    pw_tenant_item_version(after, &event->stream_id, revised->version_number),
                    revised->title, revised->prompt, &revised->choices);
        add_key(out, event, revised->version_number, 1, &revised->answers);
    } else if (event->type == PW_EVENT_ITEM_KEY_CORRECTED) {
        const struct pw_item_key_corrected *corrected = &event->item_key_corrected;
        add_key(out, event, corrected->version_number, corrected->key_number, &corrected->answers);
    }
    struct pw_cell *cells = pw_rows_add(out, &pw_items_table);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_id(item->owner_id);
    cells[2] = pw_cell_integer(item->newest_number);
    cells[3] = pw_cell_integer(item->is_retired);
    cells[4] = pw_cell_integer(item->version);
    return PW_OK;
}
