/* projections/projection.h: a read model, as pure functions of the folded state.
 *
 * Contract  rows() says which rows an event changed, absolute, out of the state after it: same
 *           arguments, same rows; no row is read, and none is ever incremented. What state does not
 *           keep comes from the event, into a table whose rows each such event tells whole. A row
 *           belongs to one tenant, so to one partition. Rows are never deleted: what ended is a row that says so
 *           (calendar.live), because only a row that is there can refuse an older one. Every table
 *           has, before these columns, `generation` and `tenant_id`, and after them `changed_at_us`
 *           (decided_at_us of the record that made the row) and `record_offset` (of that record).
 * Owner     Texts and bytes in cells are views into state or event, good for the call.
 * Threads   Pure.
 * Errors    LEDGER_DAMAGED: the event names something that the state does not have. */
#ifndef PW_PROJECTIONS_PROJECTION_H
#define PW_PROJECTIONS_PROJECTION_H

#include "commands/state.h"

enum pw_column_kind {
    PW_COLUMN_ID,      /* BINARY(16) */
    PW_COLUMN_HASH,    /* BINARY(32) */
    PW_COLUMN_INTEGER, /* Moments too: microseconds. */
    PW_COLUMN_TEXT,
    PW_COLUMN_BYTES /* VARBINARY: ciphertext, or a list as it stands in its event. */
};

/* Whether a cell of this kind is a view, `text`. */
static inline bool pw_column_is_view(enum pw_column_kind kind)
{
    return kind == PW_COLUMN_TEXT || kind == PW_COLUMN_BYTES;
}

struct pw_column {
    const char *name;
    enum pw_column_kind kind;
};

#define PW_ROW_CELLS_MAX 20

struct pw_table {
    const char *name;
    const struct pw_column *columns;
    uint32_t column_count;
    uint32_t key_count; /* The first so many, after generation and tenant_id: the primary key. */
};

struct pw_cell {
    enum pw_column_kind kind;
    bool is_null;
    union {
        struct pw_id id;
        struct pw_hash hash;
        int64_t integer;
        struct pw_str text; /* Of bytes too. */
    };
};

struct pw_row {
    const struct pw_table *table;
    struct pw_cell cells[PW_ROW_CELLS_MAX]; /* In the order of the table's columns. */
};

/* What one event changes in one read model. */
#define PW_CHANGE_ROWS_MAX 4
struct pw_rows {
    struct pw_row rows[PW_CHANGE_ROWS_MAX];
    uint32_t count;
};

/* Adds a row and gives its cells to fill. */
struct pw_cell *pw_rows_add(struct pw_rows *rows, const struct pw_table *table);

static inline struct pw_cell pw_cell_id(struct pw_id id)
{
    return (struct pw_cell){.kind = PW_COLUMN_ID, .id = id};
}

static inline struct pw_cell pw_cell_hash(struct pw_hash hash)
{
    return (struct pw_cell){.kind = PW_COLUMN_HASH, .hash = hash};
}

static inline struct pw_cell pw_cell_integer(int64_t integer)
{
    return (struct pw_cell){.kind = PW_COLUMN_INTEGER, .integer = integer};
}

static inline struct pw_cell pw_cell_text(struct pw_str text)
{
    return (struct pw_cell){.kind = PW_COLUMN_TEXT, .text = text};
}

static inline struct pw_cell pw_cell_bytes(struct pw_str bytes)
{
    return (struct pw_cell){.kind = PW_COLUMN_BYTES, .text = bytes};
}

static inline struct pw_cell pw_cell_null(enum pw_column_kind kind)
{
    return (struct pw_cell){.kind = kind, .is_null = true};
}

/* Why it happened, where the event says so: staff's reason, or what is in the way of the time that is granted; else NULL. */
struct pw_cell pw_cell_reason(const struct pw_event *event);

/* True when both hold the same value, texts compared by content. */
bool pw_cell_equal(const struct pw_cell *a, const struct pw_cell *b);

struct pw_projection {
    const char *name; /* As in pw_positions and pw_projections. */
    const struct pw_table *const *tables;
    uint32_t table_count;
    enum pw_code (*rows)(const struct pw_event *event, const struct pw_tenant *after,
                         struct pw_rows *out, struct pw_err *err);
};

extern const struct pw_projection pw_exams_projection;
extern const struct pw_projection pw_slots_projection;
extern const struct pw_projection pw_reservations_projection;
extern const struct pw_projection pw_calendar_projection;
extern const struct pw_projection pw_users_projection;
extern const struct pw_projection pw_sessions_projection;
extern const struct pw_projection pw_accommodations_projection;

/* All of them: each wants one worker. */
extern const struct pw_projection *const pw_projections[];
extern const uint32_t pw_projection_count;

#endif
