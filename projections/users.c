/* projections/users.c: people. What evolve keeps of a person is one table; what only the events have (sealed, or a wish) stands in
 * tables of its own, each written whole by every event that speaks of it. */
#include "projections/projection.h"

static const struct pw_column columns[] = {
    {"user_id", PW_COLUMN_ID},      {"state", PW_COLUMN_INTEGER},
    {"roles", PW_COLUMN_INTEGER},   {"has_password", PW_COLUMN_INTEGER},
    {"version", PW_COLUMN_INTEGER},
};
static const struct pw_table users = {"users", columns, PW_COUNT(columns), 1};

static const struct pw_column profile_columns[] = {
    {"user_id", PW_COLUMN_ID},     {"key_id", PW_COLUMN_ID},  {"email", PW_COLUMN_BYTES},
    {"email_tag", PW_COLUMN_HASH}, {"name", PW_COLUMN_BYTES},
};
static const struct pw_table profiles = {"user_profiles", profile_columns,
                                         PW_COUNT(profile_columns), 1};

static const struct pw_column preference_columns[] = {
    {"user_id", PW_COLUMN_ID}, {"language", PW_COLUMN_TEXT}, {"time_zone", PW_COLUMN_TEXT}};
static const struct pw_table preferences = {"user_preferences", preference_columns,
                                            PW_COUNT(preference_columns), 1};

static const struct pw_column equality_columns[] = {{"key_id", PW_COLUMN_ID}};
static const struct pw_table equality_keys = {"equality_keys", equality_columns,
                                              PW_COUNT(equality_columns), 1};

static const struct pw_table *const tables[] = {&users, &profiles, &preferences, &equality_keys};

/* A row of which nothing is left but whose it was. */
static void add_blank(const struct pw_table *table, const struct pw_id *user_id,
                      struct pw_rows *out)
{
    struct pw_cell *cells = pw_rows_add(out, table);
    cells[0] = pw_cell_id(*user_id);
    for (uint32_t i = 1; i < table->column_count; i++) {
        cells[i] = pw_cell_null(table->columns[i].kind);
    }
}

static void add_profile(const struct pw_id *user_id, const struct pw_id *key_id,
                        struct pw_str email, const struct pw_hash *email_tag, struct pw_str name,
                        struct pw_rows *out)
{
    struct pw_cell *cells = pw_rows_add(out, &profiles);
    cells[0] = pw_cell_id(*user_id);
    cells[1] = pw_cell_id(*key_id);
    cells[2] = pw_cell_bytes(email);
    cells[3] = pw_cell_hash(*email_tag);
    cells[4] = pw_cell_bytes(name);
}

/* What the event alone tells. */
static void add_personal(const struct pw_event *event, struct pw_rows *out)
{
    const struct pw_user_registered *registered = &event->user_registered;
    const struct pw_user_profile_updated *updated = &event->user_profile_updated;
    const struct pw_user_preferences_set *wish = &event->user_preferences_set;
    struct pw_cell *cells;
    switch (event->type) {
    case PW_EVENT_USER_REGISTERED:
        add_profile(&event->stream_id, &registered->key_id, registered->email,
                    &registered->email_tag, registered->name, out);
        break;
    case PW_EVENT_USER_PROFILE_UPDATED:
        add_profile(&event->stream_id, &updated->key_id, updated->email, &updated->email_tag,
                    updated->name, out);
        break;
    case PW_EVENT_USER_PREFERENCES_SET:
        cells = pw_rows_add(out, &preferences);
        cells[0] = pw_cell_id(event->stream_id);
        cells[1] = pw_cell_text(wish->language);
        cells[2] = pw_cell_text(wish->time_zone);
        break;
    case PW_EVENT_USER_KEY_DESTROYED:
        add_blank(&profiles, &event->stream_id, out);
        add_blank(&preferences, &event->stream_id, out);
        break;
    default: break;
    }
}

static enum pw_code user_rows(const struct pw_event *event, const struct pw_tenant *after,
                              struct pw_rows *out, struct pw_err *err)
{
    const struct pw_user *user = pw_tenant_user(after, &event->stream_id);
    if (user == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "there is no such person");
    }
    struct pw_cell *cells = pw_rows_add(out, &users);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_integer(user->state);
    cells[2] = pw_cell_integer(user->roles);
    cells[3] = pw_cell_integer(pw_tenant_password(after, &event->stream_id).len > 0);
    cells[4] = pw_cell_integer(user->version);
    add_personal(event, out);
    return PW_OK;
}

static enum pw_code rows(const struct pw_event *event, const struct pw_tenant *after,
                         struct pw_rows *out, struct pw_err *err)
{
    if (event->type == PW_EVENT_TENANT_EQUALITY_KEY_CHOSEN) {
        pw_rows_add(out, &equality_keys)[0] = pw_cell_id(event->tenant_equality_key_chosen.key_id);
        return PW_OK;
    }
    return pw_event_info(event->type)->aggregate == PW_AGGREGATE_user
               ? user_rows(event, after, out, err)
               : PW_OK;
}

const struct pw_projection pw_users_projection = {"users", tables, PW_COUNT(tables), rows};
