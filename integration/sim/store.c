/* integration/sim/store.c: rows and positions in maps, in a cluster that fails as Galera may: a transaction loses against
 * another, the answer to a COMMIT is lost, acknowledged transactions are lost (the newest ones, whole), and a
 * read tells of a moment ago. Connections may break when something is lost, or stay as if nothing were. */
#include "integration/sim/sim.h"

#include <stdlib.h>

#define UNDO_MAX 64 /* Transactions that can still be lost, or shown as if they had not been. */

struct kept_row {
    struct pw_batch_row row;
    bool present;
};

struct kept_position {
    const char *projection;
    uint32_t partition;
    struct pw_stored_position position;
};

/* What a transaction replaced. */
struct undo {
    struct kept_row *rows;
    uint32_t *row_numbers;
    uint32_t row_count;
    struct kept_position *positions;
    uint32_t position_count;
};

struct store {
    struct world *world;
    struct kept_row *rows;
    uint32_t row_count;
    uint32_t row_room;
    uint32_t *index; /* Number + 1 by hash of the key; 0: free. */
    uint32_t index_room;
    struct kept_position positions[WORKERS_MAX * PARTITIONS_MAX];
    uint32_t position_count;
    struct undo undo[UNDO_MAX]; /* A ring. */
    uint64_t undo_first;
    uint64_t undo_next;
    struct pw_arena texts;
    struct session *sessions;
};

struct session {
    struct store *store;
    struct session *next;
    bool broken;
    bool in_transaction;
    bool missed;
    bool lost; /* What this transaction stood on. */
    uint64_t connections;
    bool connected;
    struct pw_batch_row *rows;
    uint32_t row_count;
    uint32_t row_room;
    struct kept_position moves[2 * PARTITIONS_MAX];
    uint32_t move_count;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* --- Rows by key --- */

static uint64_t hash_of(const struct pw_batch_row *row)
{
    uint64_t hash = row->row.table->key_count;
    for (uint32_t i = 0; i < row->row.table->key_count; i++) {
        const struct pw_cell *cell = &row->row.cells[i];
        for (uint32_t j = 0; cell->kind == PW_COLUMN_ID && j < sizeof cell->id.bytes; j++) {
            hash = (hash ^ cell->id.bytes[j]) * UINT64_C(0x100000001b3); /* FNV-1a. */
        }
        if (cell->kind == PW_COLUMN_INTEGER) {
            hash = (hash ^ (uint64_t)cell->integer) * UINT64_C(0x100000001b3);
        }
    }
    return hash ^ hash >> 29;
}

static void copy_texts(struct store *store, struct pw_batch_row *row)
{
    for (uint32_t i = 0; i < row->row.table->column_count; i++) {
        struct pw_cell *cell = &row->row.cells[i];
        if (pw_column_is_view(cell->kind) && !cell->is_null && cell->text.len > 0) {
            cell->text = pw_arena_copy(&store->texts, cell->text);
            if (cell->text.ptr == NULL) {
                abort();
            }
        }
    }
}

static uint32_t *place(struct store *store, const struct pw_batch_row *row)
{
    uint32_t at = (uint32_t)hash_of(row) & (store->index_room - 1);
    while (store->index[at] != 0 &&
           !pw_batch_row_same_key(&store->rows[store->index[at] - 1].row, row)) {
        at = (at + 1) & (store->index_room - 1);
    }
    return &store->index[at];
}

static uint32_t row_number(struct store *store, const struct pw_batch_row *row)
{
    if (store->row_count == store->row_room) {
        store->row_room = store->row_room == 0 ? 256 : 2 * store->row_room;
        store->rows = must(realloc(store->rows, store->row_room * sizeof *store->rows));
        store->index_room = 2 * store->row_room;
        free(store->index);
        store->index = must(calloc(store->index_room, sizeof *store->index));
        for (uint32_t i = 0; i < store->row_count; i++) {
            *place(store, &store->rows[i].row) = i + 1;
        }
    }
    uint32_t *at = place(store, row);
    if (*at == 0) {
        store->rows[store->row_count++] = (struct kept_row){*row, false};
        *at = store->row_count;
    }
    return *at - 1;
}

static struct kept_position *find_position(struct store *store, const char *projection,
                                           uint32_t partition)
{
    for (uint32_t i = 0; i < store->position_count; i++) {
        struct kept_position *at = &store->positions[i];
        if (at->partition == partition && strcmp(at->projection, projection) == 0) {
            return at;
        }
    }
    return NULL;
}

/* --- Transactions --- */

static void undo_forget(struct undo *undo)
{
    free(undo->rows);
    free(undo->row_numbers);
    free(undo->positions);
    *undo = (struct undo){0};
}

static void apply(struct session *session)
{
    struct store *store = session->store;
    if (store->undo_next - store->undo_first == UNDO_MAX) {
        undo_forget(&store->undo[store->undo_first++ % UNDO_MAX]);
    }
    struct undo *undo = &store->undo[store->undo_next++ % UNDO_MAX];
    undo->rows = must(calloc(session->row_count + 1, sizeof *undo->rows));
    undo->row_numbers = must(calloc(session->row_count + 1, sizeof *undo->row_numbers));
    undo->positions = must(calloc(session->move_count + 1, sizeof *undo->positions));
    for (uint32_t i = 0; i < session->move_count; i++) {
        struct kept_position *move = &session->moves[i];
        struct kept_position *at = find_position(store, move->projection, move->partition);
        if (at == NULL) {
            assert(store->position_count < PW_COUNT(store->positions));
            at = &store->positions[store->position_count++];
            *at = *move;
            at->position = (struct pw_stored_position){.record_offset = -1};
        }
        undo->positions[undo->position_count++] = *at;
        at->position = move->position;
    }
    for (uint32_t i = 0; i < session->row_count; i++) {
        uint32_t number = row_number(store, &session->rows[i]);
        struct kept_row *at = &store->rows[number];
        if (!at->present || at->row.record_offset <= session->rows[i].record_offset) {
            undo->row_numbers[undo->row_count] = number;
            undo->rows[undo->row_count++] = *at;
            *at = (struct kept_row){session->rows[i], true};
        }
    }
}

/* The newest transactions are gone, as if they had never been. */
static void lose(struct store *store, uint64_t count, bool in_silence)
{
    uint64_t lost = 0;
    for (; lost < count && store->undo_next > store->undo_first; lost++) {
        struct undo *undo = &store->undo[--store->undo_next % UNDO_MAX];
        while (undo->row_count > 0) {
            undo->row_count--;
            store->rows[undo->row_numbers[undo->row_count]] = undo->rows[undo->row_count];
        }
        while (undo->position_count > 0) {
            const struct kept_position *was = &undo->positions[--undo->position_count];
            find_position(store, was->projection, was->partition)->position = was->position;
        }
        undo_forget(undo);
    }
    sim_effect(store->world, EFFECT_COMMIT_LOST, lost);
    if (lost > 0) {
        sim_trace(store->world, "read models: the newest %llu transactions are lost",
                  (unsigned long long)lost);
    }
    for (struct session *at = store->sessions; at != NULL && !in_silence; at = at->next) {
        at->lost = at->in_transaction;
        at->broken =
            at->broken || at->in_transaction || sim_draw(&store->world->random_net, 2) == 0;
    }
}

/* --- Faults --- */

static bool happens(struct store *store, enum fault fault)
{
    return sim_chance(&store->world->random_net, store->world->rates[fault]);
}

static enum pw_stored away(struct session *session, struct pw_err *err)
{
    session->connected = false;
    session->broken = session->in_transaction;
    pw_fail(err, PW_ERR_READ_MODEL_DOWN, "the simulated cluster does not answer");
    return PW_STORED_AWAY;
}

static enum pw_stored operation(struct session *session, struct pw_err *err)
{
    struct store *store = session->store;
    if (happens(store, FAULT_STORE_LOSE)) {
        lose(store, 1 + sim_draw(&store->world->random_net, 6), false);
    }
    if (session->broken || happens(store, FAULT_STORE_AWAY)) {
        return away(session, err);
    }
    session->connections += !session->connected;
    session->connected = true;
    if (session->in_transaction && happens(store, FAULT_STORE_REDO)) {
        sim_effect(store->world, EFFECT_REDO, 1);
        pw_fail(err, PW_ERR_READ_MODEL_DOWN, "another transaction was first");
        return PW_STORED_REDO;
    }
    return PW_STORED;
}

/* --- The port --- */

struct pw_stored_position store_position(struct store *store, const char *projection,
                                         uint32_t partition)
{
    const struct kept_position *at = find_position(store, projection, partition);
    return at == NULL ? (struct pw_stored_position){.record_offset = -1} : at->position;
}

/* As it was some transactions ago. */
static void make_stale(struct store *store, const char *projection, uint32_t partition_count,
                       struct pw_stored_position *positions)
{
    uint64_t back = sim_draw(&store->world->random_net, 8);
    bool differs = false;
    for (uint64_t i = store->undo_next; back > 0 && i > store->undo_first; back--) {
        const struct undo *undo = &store->undo[--i % UNDO_MAX];
        for (uint32_t j = undo->position_count; j-- > 0;) {
            const struct kept_position *was = &undo->positions[j];
            if (strcmp(was->projection, projection) == 0 && was->partition < partition_count) {
                positions[was->partition] = was->position;
                differs = true;
            }
        }
    }
    sim_effect(store->world, EFFECT_STALE, differs);
}

static enum pw_stored read_positions(void *self, const char *projection, uint32_t generation_,
                                     uint32_t partition_count, uint32_t *ret_generation,
                                     struct pw_stored_position *ret_positions, struct pw_err *err)
{
    struct session *session = self;
    enum pw_stored stored = operation(session, err);
    *ret_generation = generation_;
    if (stored != PW_STORED) {
        session->broken = false; /* The next one connects anew. */
        return stored;
    }
    for (uint32_t i = 0; i < partition_count; i++) {
        ret_positions[i] = store_position(session->store, projection, i);
    }
    if (happens(session->store, FAULT_STORE_STALE)) {
        make_stale(session->store, projection, partition_count, ret_positions);
    }
    return PW_STORED;
}

static enum pw_stored begin(void *self, struct pw_err *err)
{
    struct session *session = self;
    assert(!session->in_transaction);
    enum pw_stored stored = operation(session, err);
    session->broken = false;
    session->in_transaction = stored == PW_STORED;
    return stored;
}

static enum pw_stored upsert(void *self, uint32_t generation_, const struct pw_table *table,
                             const struct pw_batch_row *const *rows, uint32_t row_count,
                             struct pw_err *err)
{
    struct session *session = self;
    enum pw_stored stored = operation(session, err);
    (void)generation_;
    (void)table;
    for (uint32_t i = 0; stored == PW_STORED && i < row_count; i++) {
        if (session->row_count == session->row_room) {
            session->row_room = session->row_room == 0 ? 64 : 2 * session->row_room;
            session->rows = must(realloc(session->rows, session->row_room * sizeof *session->rows));
        }
        session->rows[session->row_count] = *rows[i];
        copy_texts(session->store, &session->rows[session->row_count++]);
    }
    return stored;
}

/* The position as this transaction sees it. */
static struct pw_stored_position seen(struct session *session, const char *projection,
                                      uint32_t partition)
{
    for (uint32_t i = session->move_count; i-- > 0;) {
        if (session->moves[i].partition == partition) {
            return session->moves[i].position;
        }
    }
    return store_position(session->store, projection, partition);
}

static void move_add(struct session *session, const char *projection, uint32_t partition,
                     const struct pw_stored_position *to)
{
    assert(session->move_count < PW_COUNT(session->moves));
    session->moves[session->move_count++] = (struct kept_position){projection, partition, *to};
}

static enum pw_stored create_position(void *self, const char *projection, uint32_t generation_,
                                      uint32_t partition, const struct pw_id *ledger_id,
                                      uint32_t partition_count, struct pw_err *err)
{
    struct session *session = self;
    enum pw_stored stored = operation(session, err);
    (void)generation_;
    if (stored == PW_STORED && seen(session, projection, partition).partition_count == 0) {
        struct pw_stored_position to = {
            .ledger_id = *ledger_id, .partition_count = partition_count, .record_offset = -1};
        move_add(session, projection, partition, &to);
    }
    return stored;
}

static enum pw_stored move_position(void *self, const char *projection, uint32_t generation_,
                                    uint32_t partition, const struct pw_stored_position *from,
                                    const struct pw_stored_position *to, bool *ret_hit,
                                    struct pw_err *err)
{
    struct session *session = self;
    struct pw_stored_position at = seen(session, projection, partition);
    enum pw_stored stored = operation(session, err);
    (void)generation_;
    *ret_hit = stored == PW_STORED && at.partition_count > 0 &&
               at.record_offset == from->record_offset && at.writer_epoch == from->writer_epoch;
    if (*ret_hit) {
        at.record_offset = to->record_offset;
        at.head = to->head;
        at.writer_epoch = to->writer_epoch;
        move_add(session, projection, partition, &at);
    } else if (stored == PW_STORED) {
        session->missed = true;
    }
    return stored;
}

static void forget(struct session *session)
{
    session->in_transaction = false;
    session->broken = false;
    session->missed = false;
    session->lost = false;
    session->row_count = 0;
    session->move_count = 0;
}

static enum pw_stored commit(void *self, struct pw_err *err)
{
    struct session *session = self;
    struct store *store = session->store;
    if (session->missed) {
        sim_fail(store->world, "no COMMIT without its position", "a transaction that missed one");
    }
    enum pw_stored stored = operation(session, err);
    if (stored == PW_STORED) {
        apply(session);
        forget(session);
    } else if (stored == PW_STORED_AWAY && !session->lost &&
               sim_draw(&store->world->random_net, 2) == 0) {
        apply(session); /* It took place; only its answer was lost. */
        sim_effect(store->world, EFFECT_COMMIT_UNKNOWN, 1);
    }
    return stored;
}

static void rollback(void *self)
{
    forget(self);
}

static uint64_t connections(void *self)
{
    return ((struct session *)self)->connections;
}

static const char *node(void *self)
{
    (void)self;
    return "sim";
}

static void close_session(void *self)
{
    struct session *session = self;
    struct session **link = &session->store->sessions;
    while (*link != session) {
        link = &(*link)->next;
    }
    *link = session->next;
    free(session->rows);
    free(session);
}

struct pw_storage store_session(struct store *store)
{
    struct session *session = must(calloc(1, sizeof *session));
    session->store = store;
    session->next = store->sessions;
    store->sessions = session;
    return (struct pw_storage){.self = session, /* Without what rebuilds alone ask for. */
                               .read_positions = read_positions,
                               .begin = begin,
                               .upsert = upsert,
                               .create_position = create_position,
                               .move_position = move_position,
                               .commit = commit,
                               .rollback = rollback,
                               .connections = connections,
                               .node = node,
                               .close = close_session};
}

struct store *store_new(struct world *world)
{
    struct store *store = must(calloc(1, sizeof *store));
    store->world = world;
    pw_arena_init(&store->texts, 64U << 20);
    return store;
}

void store_free(struct store *store)
{
    while (store->undo_first < store->undo_next) {
        undo_forget(&store->undo[store->undo_first++ % UNDO_MAX]);
    }
    pw_arena_close(&store->texts);
    free(store->rows);
    free(store->index);
    free(store);
}

void store_lose(struct store *store)
{
    lose(store, 1 + sim_draw(&store->world->random_net, 20), true);
}

/* --- For the judge --- */

void store_put(struct store *store, const struct pw_batch_row *row)
{
    struct pw_batch_row copy = *row;
    copy_texts(store, &copy);
    uint32_t number = row_number(store, &copy); /* It may move the rows. */
    store->rows[number] = (struct kept_row){copy, true};
}

uint32_t store_row_count(const struct store *store)
{
    return store->row_count;
}

const struct pw_batch_row *store_row(const struct store *store, uint32_t number)
{
    return store->rows[number].present ? &store->rows[number].row : NULL;
}

const struct pw_batch_row *store_find(struct store *store, const struct pw_batch_row *like)
{
    uint32_t number = store->index_room == 0 ? 0 : *place(store, like);
    return number == 0 ? NULL : store_row(store, number - 1);
}
