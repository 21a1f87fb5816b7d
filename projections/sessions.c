/* projections/sessions.c: who is, or was, signed in where. Evolve forgets a session that has ended, so what changes is one table, and
 * what was said once, when it was opened, another: each event writes whole rows of its own. */
#include "projections/projection.h"

static const struct pw_column columns[] = {
    {"session_id", PW_COLUMN_ID},         {"user_id", PW_COLUMN_ID},
    {"live", PW_COLUMN_INTEGER},          {"refreshed_at_us", PW_COLUMN_INTEGER},
    {"expires_at_us", PW_COLUMN_INTEGER}, {"end_reason", PW_COLUMN_TEXT},
    {"version", PW_COLUMN_INTEGER},
};
static const struct pw_table sessions = {"sessions", columns, PW_COUNT(columns), 1};

/* changed_at_us of these rows is when the session was opened: they never change. */
static const struct pw_column opening_columns[] = {
    {"session_id", PW_COLUMN_ID}, {"user_id", PW_COLUMN_ID},         {"key_id", PW_COLUMN_ID},
    {"label", PW_COLUMN_BYTES},   {"ends_at_us", PW_COLUMN_INTEGER},
};
static const struct pw_table openings = {"session_openings", opening_columns,
                                         PW_COUNT(opening_columns), 1};

static const struct pw_table *const tables[] = {&sessions, &openings};

/* A session that lives, first seen or refreshed. */
static struct pw_cell *add_session(const struct pw_event *event, const struct pw_id *user_id,
                                   struct pw_rows *out)
{
    struct pw_cell *cells = pw_rows_add(out, &sessions);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_id(*user_id);
    cells[2] = pw_cell_integer(1);
    cells[3] = pw_cell_null(PW_COLUMN_INTEGER);
    cells[4] = pw_cell_null(PW_COLUMN_INTEGER);
    cells[5] = pw_cell_null(PW_COLUMN_TEXT);
    cells[6] = pw_cell_integer(event->stream_version);
    return cells;
}

static enum pw_code opened(const struct pw_event *event, const struct pw_tenant *after,
                           struct pw_rows *out, struct pw_err *err)
{
    const struct pw_session_opened *opened = &event->session_opened;
    const struct pw_user *user = pw_tenant_user(after, &opened->user_id);
    if (user == NULL) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "there is no such person");
    }
    add_session(event, &opened->user_id, out)[4] = pw_cell_integer(opened->expires_at);
    struct pw_cell *cells = pw_rows_add(out, &openings);
    cells[0] = pw_cell_id(event->stream_id);
    cells[1] = pw_cell_id(opened->user_id);
    cells[2] = pw_cell_id(user->key_id); /* A person has one key, for ever. */
    cells[3] = pw_cell_bytes(opened->label);
    cells[4] = pw_cell_integer(opened->ends_at);
    return PW_OK;
}

static void refreshed(const struct pw_event *event, struct pw_rows *out)
{
    struct pw_cell *cells = add_session(event, &event->session_refreshed.user_id, out);
    cells[3] = pw_cell_integer(event->session_refreshed.refreshed_at);
    cells[4] = pw_cell_integer(event->session_refreshed.expires_at);
}

static void revoked(const struct pw_event *event, struct pw_rows *out)
{
    struct pw_cell *cells = add_session(event, &event->session_revoked.user_id, out);
    cells[2] = pw_cell_integer(0);
    cells[5] = pw_cell_text(event->session_revoked.reason);
}

static enum pw_code rows(const struct pw_event *event, const struct pw_tenant *after,
                         struct pw_rows *out, struct pw_err *err)
{
    switch (event->type) {
    case PW_EVENT_SESSION_OPENED: return opened(event, after, out, err);
    case PW_EVENT_SESSION_REFRESHED: refreshed(event, out); break;
    case PW_EVENT_SESSION_REVOKED: revoked(event, out); break;
    default: break;
    }
    return PW_OK;
}

const struct pw_projection pw_sessions_projection = {"sessions", tables, PW_COUNT(tables), rows};
