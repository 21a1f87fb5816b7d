/* projections/tests/storage_double.c: a store of rows in memory, with its last states kept. */
#include "projections/tests/storage_double.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define STATES_MAX      4
#define POSITIONS_MAX   64
#define MOVES_MAX       16
#define GENERATIONS_MAX 8
#define TEXT_BYTES      (64U << 20)

struct kept_row {
    uint32_t generation;
    struct pw_batch_row row;
};

struct kept_position {
    char projection[32];
    uint32_t generation;
    uint32_t partition;
    struct pw_stored_position position;
};

struct kept_generations {
    char projection[32];
    struct pw_generations generations;
};

struct state {
    struct kept_row *rows;
    uint32_t row_count;
    uint32_t row_room;
    struct kept_position positions[POSITIONS_MAX];
    uint32_t position_count;
    struct kept_generations generations[GENERATIONS_MAX];
    uint32_t generations_count;
};

struct double_store {
    pthread_mutex_t lock;
    struct state states[STATES_MAX]; /* [0] is now, the others what was before. */
    struct pw_arena texts;
    uint64_t fail_in; /* Operations left until the fault; 0: none. */
    enum double_fault fault;
    bool failed;
    bool down;
    bool refuse_rows;
};

struct move {
    struct kept_position key;
    struct pw_stored_position from;
    struct pw_stored_position to;
    bool is_creation;
};

struct session {
    struct double_store *store;
    bool broken; /* Until the rollback. */
    bool in_transaction;
    bool missed; /* A position was not where it was thought: this transaction must not commit. */
    struct kept_row *rows; /* Not committed yet. */
    uint32_t row_count;
    uint32_t row_room;
    struct move moves[MOVES_MAX];
    uint32_t move_count;
    struct kept_generations from; /* Generations to be moved; projection "": none. */
    struct pw_generations to;
    uint64_t connections;
    bool connected;
};

struct double_store *double_store_new(void)
{
    struct double_store *store = calloc(1, sizeof *store);
    MUST(store != NULL);
    pthread_mutex_init(&store->lock, NULL);
    pw_arena_init(&store->texts, TEXT_BYTES);
    return store;
}

void double_store_free(struct double_store *store)
{
    for (uint32_t i = 0; i < STATES_MAX; i++) {
        free(store->states[i].rows);
    }
    pw_arena_close(&store->texts);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

/* --- States --- */

static void add_row(struct kept_row **rows, uint32_t *count, uint32_t *room,
                    const struct kept_row *row)
{
    if (*count == *room) {
        *room = *room == 0 ? 64 : *room * 2;
        *rows = realloc(*rows, *room * sizeof **rows);
        MUST(*rows != NULL);
    }
    (*rows)[(*count)++] = *row;
}

static void copy_state(struct state *to, const struct state *from)
{
    to->row_count = 0;
    for (uint32_t i = 0; i < from->row_count; i++) {
        add_row(&to->rows, &to->row_count, &to->row_room, &from->rows[i]);
    }
    memcpy(to->positions, from->positions, sizeof from->positions);
    to->position_count = from->position_count;
    memcpy(to->generations, from->generations, sizeof from->generations);
    to->generations_count = from->generations_count;
}

static void remember_state(struct double_store *store)
{
    struct state oldest = store->states[STATES_MAX - 1];
    memmove(&store->states[1], &store->states[0], (STATES_MAX - 1) * sizeof store->states[0]);
    store->states[0] = oldest;
    copy_state(&store->states[0], &store->states[1]);
}

static struct kept_row *find_row(struct state *state, const struct kept_row *like)
{
    for (uint32_t i = 0; i < state->row_count; i++) {
        const struct kept_row *at = &state->rows[i];
        if (at->generation == like->generation && pw_batch_row_same_key(&at->row, &like->row)) {
            return &state->rows[i];
        }
    }
    return NULL;
}

static struct kept_position *find_position(struct state *state, const struct kept_position *like)
{
    for (uint32_t i = 0; i < state->position_count; i++) {
        struct kept_position *at = &state->positions[i];
        if (strcmp(at->projection, like->projection) == 0 && at->generation == like->generation &&
            at->partition == like->partition) {
            return at;
        }
    }
    return NULL;
}

/* Each projection begins with generation 1. */
static struct pw_generations *generations_of(struct state *state, const char *projection)
{
    for (uint32_t i = 0; i < state->generations_count; i++) {
        if (strcmp(state->generations[i].projection, projection) == 0) {
            return &state->generations[i].generations;
        }
    }
    MUST(state->generations_count < GENERATIONS_MAX);
    struct kept_generations *made = &state->generations[state->generations_count++];
    *made = (struct kept_generations){.generations = {.shown = 1}};
    snprintf(made->projection, sizeof made->projection, "%s", projection);
    return &made->generations;
}

/* --- Faults --- */

/* What this operation meets; PW_STORED where nothing. `store` is locked. */
static enum pw_stored met(struct session *session, struct pw_err *err)
{
    struct double_store *store = session->store;
    bool now = store->fail_in > 0 && --store->fail_in == 0;
    if (session->broken || store->down) {
        session->connected = false;
        session->broken = session->in_transaction;
        pw_fail(err, PW_ERR_READ_MODEL_DOWN, "the double is down");
        return PW_STORED_AWAY;
    }
    if (!session->connected) {
        session->connected = true;
        session->connections++;
    }
    if (!now) {
        return PW_STORED;
    }
    store->failed = true;
    pw_fail(err, PW_ERR_READ_MODEL_DOWN, "the double failed as it was told to");
    if (store->fault == DOUBLE_REDO) {
        return PW_STORED_REDO;
    }
    session->connected = false;
    session->broken = session->in_transaction;
    if (store->fault == DOUBLE_AWAY_LOST) {
        copy_state(&store->states[0], &store->states[2]);
    }
    return PW_STORED_AWAY;
}

static enum pw_stored operation(struct session *session, struct pw_err *err)
{
    pthread_mutex_lock(&session->store->lock);
    enum pw_stored stored = met(session, err);
    pthread_mutex_unlock(&session->store->lock);
    return stored;
}

/* --- The port --- */

static enum pw_stored read_positions(void *self, const char *projection, uint32_t generation_,
                                     uint32_t partition_count, uint32_t *ret_generation,
                                     struct pw_stored_position *ret_positions, struct pw_err *err)
{
    struct session *session = self;
    pthread_mutex_lock(&session->store->lock);
    enum pw_stored stored = met(session, err);
    if (generation_ == PW_GENERATION_SHOWN) {
        generation_ = generations_of(&session->store->states[0], projection)->shown;
    }
    *ret_generation = generation_;
    for (uint32_t i = 0; stored == PW_STORED && i < partition_count; i++) {
        struct kept_position like = {.generation = generation_, .partition = i};
        snprintf(like.projection, sizeof like.projection, "%s", projection);
        const struct kept_position *found = find_position(&session->store->states[0], &like);
        ret_positions[i] =
            found == NULL ? (struct pw_stored_position){.record_offset = -1} : found->position;
    }
    pthread_mutex_unlock(&session->store->lock);
    return stored;
}

static enum pw_stored begin(void *self, struct pw_err *err)
{
    struct session *session = self;
    MUST(!session->in_transaction);
    enum pw_stored stored = operation(session, err);
    session->in_transaction = stored == PW_STORED;
    session->broken = false;
    return stored;
}

static enum pw_stored upsert(void *self, uint32_t generation_, const struct pw_table *table,
                             const struct pw_batch_row *const *rows, uint32_t row_count,
                             struct pw_err *err)
{
    struct session *session = self;
    MUST(session->in_transaction && row_count > 0);
    pthread_mutex_lock(&session->store->lock);
    enum pw_stored stored = met(session, err);
    if (stored == PW_STORED && session->store->refuse_rows) {
        pw_fail(err, PW_ERR_INTERNAL, "the double takes no rows");
        stored = PW_STORED_FAULT;
    }
    for (uint32_t i = 0; stored == PW_STORED && i < row_count; i++) {
        struct kept_row row = {generation_, *rows[i]};
        MUST(row.row.row.table == table);
        for (uint32_t j = 0; j < table->column_count; j++) {
            struct pw_cell *cell = &row.row.row.cells[j];
            if (pw_column_is_view(cell->kind) && !cell->is_null && cell->text.len > 0) {
                cell->text = pw_arena_copy(&session->store->texts, cell->text);
                MUST(cell->text.ptr != NULL);
            }
        }
        add_row(&session->rows, &session->row_count, &session->row_room, &row);
    }
    pthread_mutex_unlock(&session->store->lock);
    return stored;
}

static struct move *move_add(struct session *session, const char *projection, uint32_t generation_,
                             uint32_t partition)
{
    MUST(session->in_transaction && session->move_count < MOVES_MAX);
    struct move *move = &session->moves[session->move_count++];
    *move = (struct move){.key = {.generation = generation_, .partition = partition}};
    snprintf(move->key.projection, sizeof move->key.projection, "%s", projection);
    return move;
}

static enum pw_stored create_position(void *self, const char *projection, uint32_t generation_,
                                      uint32_t partition, const struct pw_id *ledger_id,
                                      uint32_t partition_count, struct pw_err *err)
{
    struct session *session = self;
    enum pw_stored stored = operation(session, err);
    if (stored == PW_STORED) {
        MUST(!pw_id_is_nil(ledger_id));
        struct move *move = move_add(session, projection, generation_, partition);
        move->is_creation = true;
        move->to = (struct pw_stored_position){
            .ledger_id = *ledger_id, .partition_count = partition_count, .record_offset = -1};
    }
    return stored;
}

/* The position as this transaction sees it; NULL: there is none. */
static const struct pw_stored_position *seen(struct session *session, const struct move *move)
{
    const struct pw_stored_position *at = NULL;
    struct kept_position *kept = find_position(&session->store->states[0], &move->key);
    if (kept != NULL) {
        at = &kept->position;
    }
    for (const struct move *own = session->moves; own < move; own++) {
        if (own->key.partition == move->key.partition && (!own->is_creation || at == NULL)) {
            at = &own->to;
        }
    }
    return at;
}

static bool hits(const struct pw_stored_position *at, const struct pw_stored_position *from)
{
    return at != NULL && at->record_offset == from->record_offset &&
           at->writer_epoch == from->writer_epoch;
}

static enum pw_stored move_position(void *self, const char *projection, uint32_t generation_,
                                    uint32_t partition, const struct pw_stored_position *from,
                                    const struct pw_stored_position *to, bool *ret_hit,
                                    struct pw_err *err)
{
    struct session *session = self;
    *ret_hit = false;
    pthread_mutex_lock(&session->store->lock);
    enum pw_stored stored = met(session, err);
    if (stored == PW_STORED) {
        struct move *move = move_add(session, projection, generation_, partition);
        const struct pw_stored_position *at = seen(session, move);
        move->from = *from;
        *ret_hit = hits(at, from);
        if (*ret_hit) {
            move->to = *at;
            move->to.record_offset = to->record_offset;
            move->to.head = to->head;
            move->to.writer_epoch = to->writer_epoch;
        } else {
            session->move_count--;
            session->missed = true;
        }
    }
    pthread_mutex_unlock(&session->store->lock);
    return stored;
}

static enum pw_stored read_generations(void *self, const char *projection,
                                       struct pw_generations *ret_generations, struct pw_err *err)
{
    struct session *session = self;
    pthread_mutex_lock(&session->store->lock);
    enum pw_stored stored = met(session, err);
    if (stored == PW_STORED) {
        *ret_generations = *generations_of(&session->store->states[0], projection);
    }
    pthread_mutex_unlock(&session->store->lock);
    return stored;
}

/* Nothing to certify counts as certified. */
static bool generations_hit(struct session *session)
{
    const struct kept_generations *from = &session->from;
    if (from->projection[0] == '\0') {
        return true;
    }
    const struct pw_generations *at = generations_of(&session->store->states[0], from->projection);
    return at->shown == from->generations.shown && at->building == from->generations.building;
}

static enum pw_stored move_generations(void *self, const char *projection,
                                       const struct pw_generations *from,
                                       const struct pw_generations *to, bool *ret_hit,
                                       struct pw_err *err)
{
    struct session *session = self;
    *ret_hit = false;
    pthread_mutex_lock(&session->store->lock);
    enum pw_stored stored = met(session, err);
    if (stored == PW_STORED) {
        MUST(session->in_transaction && session->from.projection[0] == '\0');
        session->from.generations = *from;
        session->to = *to;
        snprintf(session->from.projection, sizeof session->from.projection, "%s", projection);
        *ret_hit = generations_hit(session);
        session->missed = session->missed || !*ret_hit;
    }
    pthread_mutex_unlock(&session->store->lock);
    return stored;
}

static bool is_old(struct state *state, const char *projection, uint32_t generation_)
{
    const struct pw_generations *now = generations_of(state, projection);
    return generation_ != now->shown && generation_ != now->building;
}

static enum pw_stored delete_rows(void *self, const char *projection, const struct pw_table *table,
                                  uint32_t row_count_max, uint32_t *ret_row_count,
                                  struct pw_err *err)
{
    struct session *session = self;
    struct state *state = &session->store->states[0];
    uint32_t left = 0;
    *ret_row_count = 0;
    MUST(!session->in_transaction);
    pthread_mutex_lock(&session->store->lock);
    enum pw_stored stored = met(session, err);
    for (uint32_t i = 0; stored == PW_STORED && i < state->row_count; i++) {
        if (*ret_row_count < row_count_max && state->rows[i].row.row.table == table &&
            is_old(state, projection, state->rows[i].generation)) {
            ++*ret_row_count;
        } else {
            state->rows[left++] = state->rows[i];
        }
    }
    state->row_count = stored == PW_STORED ? left : state->row_count;
    pthread_mutex_unlock(&session->store->lock);
    return stored;
}

static enum pw_stored delete_positions(void *self, const char *projection, struct pw_err *err)
{
    struct session *session = self;
    struct state *state = &session->store->states[0];
    uint32_t left = 0;
    MUST(!session->in_transaction);
    pthread_mutex_lock(&session->store->lock);
    enum pw_stored stored = met(session, err);
    for (uint32_t i = 0; stored == PW_STORED && i < state->position_count; i++) {
        if (strcmp(state->positions[i].projection, projection) != 0 ||
            !is_old(state, projection, state->positions[i].generation)) {
            state->positions[left++] = state->positions[i];
        }
    }
    state->position_count = stored == PW_STORED ? left : state->position_count;
    pthread_mutex_unlock(&session->store->lock);
    return stored;
}

static void forget(struct session *session)
{
    session->from.projection[0] = '\0';
    session->in_transaction = false;
    session->broken = false;
    session->missed = false;
    session->row_count = 0;
    session->move_count = 0;
}

/* False where another transaction has moved a position since: the first one wins. */
static bool certify(struct session *session)
{
    if (!generations_hit(session)) {
        return false;
    }
    for (uint32_t i = 0; i < session->move_count; i++) {
        const struct move *move = &session->moves[i];
        if (!move->is_creation && !hits(seen(session, move), &move->from)) {
            return false;
        }
    }
    return true;
}

static void apply(struct session *session)
{
    struct double_store *store = session->store;
    remember_state(store);
    struct state *state = &store->states[0];
    if (session->from.projection[0] != '\0') {
        *generations_of(state, session->from.projection) = session->to;
    }
    for (uint32_t i = 0; i < session->move_count; i++) {
        const struct move *move = &session->moves[i];
        struct kept_position *at = find_position(state, &move->key);
        if (at == NULL) {
            MUST(state->position_count < POSITIONS_MAX);
            at = &state->positions[state->position_count++];
            *at = move->key;
            at->position = move->to;
        } else if (!move->is_creation) {
            at->position = move->to;
        }
    }
    for (uint32_t i = 0; i < session->row_count; i++) {
        struct kept_row *at = find_row(state, &session->rows[i]);
        if (at == NULL) {
            add_row(&state->rows, &state->row_count, &state->row_room, &session->rows[i]);
        } else if (at->row.record_offset <= session->rows[i].row.record_offset) {
            *at = session->rows[i];
        }
    }
}

static enum pw_stored commit(void *self, struct pw_err *err)
{
    struct session *session = self;
    struct double_store *store = session->store;
    MUST(session->in_transaction && !session->missed);
    pthread_mutex_lock(&store->lock);
    bool will_fail_done =
        store->fail_in == 1 && store->fault == DOUBLE_AWAY_DONE && !session->broken && !store->down;
    enum pw_stored stored = met(session, err);
    if (stored == PW_STORED && !certify(session)) {
        stored = PW_STORED_REDO;
    }
    if (stored == PW_STORED || (will_fail_done && certify(session))) {
        apply(session);
    }
    if (stored == PW_STORED) {
        forget(session);
    }
    pthread_mutex_unlock(&store->lock);
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
    return "double";
}

static void close_session(void *self)
{
    struct session *session = self;
    free(session->rows);
    free(session);
}

struct pw_storage double_store_session(struct double_store *store)
{
    struct session *session = calloc(1, sizeof *session);
    MUST(session != NULL);
    session->store = store;
    return (struct pw_storage){.self = session,
                               .read_positions = read_positions,
                               .begin = begin,
                               .upsert = upsert,
                               .create_position = create_position,
                               .move_position = move_position,
                               .read_generations = read_generations,
                               .move_generations = move_generations,
                               .delete_rows = delete_rows,
                               .delete_positions = delete_positions,
                               .commit = commit,
                               .rollback = rollback,
                               .connections = connections,
                               .node = node,
                               .close = close_session};
}

/* --- What tests do to it and ask of it --- */

struct pw_generations double_store_generations(struct double_store *store, const char *projection)
{
    pthread_mutex_lock(&store->lock);
    struct pw_generations generations = *generations_of(&store->states[0], projection);
    pthread_mutex_unlock(&store->lock);
    return generations;
}

void double_store_fail(struct double_store *store, uint64_t nth, enum double_fault fault)
{
    pthread_mutex_lock(&store->lock);
    store->fail_in = nth;
    store->fault = fault;
    store->failed = false;
    pthread_mutex_unlock(&store->lock);
}

bool double_store_failed(struct double_store *store)
{
    pthread_mutex_lock(&store->lock);
    bool failed = store->failed;
    pthread_mutex_unlock(&store->lock);
    return failed;
}

void double_store_set_down(struct double_store *store, bool down)
{
    pthread_mutex_lock(&store->lock);
    store->down = down;
    pthread_mutex_unlock(&store->lock);
}

void double_store_lose(struct double_store *store)
{
    pthread_mutex_lock(&store->lock);
    copy_state(&store->states[0], &store->states[2]);
    pthread_mutex_unlock(&store->lock);
}

void double_store_refuse_rows(struct double_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->refuse_rows = true;
    pthread_mutex_unlock(&store->lock);
}

uint32_t double_store_row_count(struct double_store *store, uint32_t generation_,
                                const struct pw_table *table)
{
    uint32_t count = 0;
    pthread_mutex_lock(&store->lock);
    for (uint32_t i = 0; i < store->states[0].row_count; i++) {
        const struct kept_row *at = &store->states[0].rows[i];
        count += at->generation == generation_ && at->row.row.table == table;
    }
    pthread_mutex_unlock(&store->lock);
    return count;
}

struct comparison {
    struct double_store *store;
    uint32_t generation;
    uint32_t expected;
    uint32_t differences;
};

static void compare_row(void *self, const struct pw_id *tenant_id, const struct pw_row *row)
{
    struct comparison *comparison = self;
    struct kept_row like = {comparison->generation, {.tenant_id = *tenant_id, .row = *row}};
    pthread_mutex_lock(&comparison->store->lock);
    const struct kept_row *found = find_row(&comparison->store->states[0], &like);
    bool same = found != NULL;
    for (uint32_t i = 0; same && i < row->table->column_count; i++) {
        same = pw_cell_equal(&found->row.row.cells[i], &row->cells[i]);
    }
    pthread_mutex_unlock(&comparison->store->lock);
    comparison->expected++;
    comparison->differences += !same;
}

uint32_t double_store_differences(struct double_store *store, uint32_t generation_,
                                  const struct scribe *scribe,
                                  const struct pw_projection *projection)
{
    struct comparison comparison = {store, generation_, 0, 0};
    scribe_expect(scribe, projection, compare_row, &comparison);
    uint32_t count = 0;
    for (uint32_t i = 0; i < projection->table_count; i++) {
        count += double_store_row_count(store, generation_, projection->tables[i]);
    }
    return comparison.differences + (count > comparison.expected ? count - comparison.expected : 0);
}

bool double_store_is_current(struct double_store *store, uint32_t generation_,
                             const struct scribe *scribe, const struct pw_projection *projection)
{
    bool current = true;
    for (uint32_t i = 0; i < SCRIBE_PARTITIONS; i++) {
        struct pw_stored_position position =
            double_store_position(store, projection->name, generation_, i);
        current = current && position.record_offset == scribe->folds[i].chain.head_offset;
    }
    return current;
}

struct pw_stored_position double_store_position(struct double_store *store, const char *projection,
                                                uint32_t generation_, uint32_t partition)
{
    struct kept_position like = {.generation = generation_, .partition = partition};
    snprintf(like.projection, sizeof like.projection, "%s", projection);
    pthread_mutex_lock(&store->lock);
    const struct kept_position *found = find_position(&store->states[0], &like);
    struct pw_stored_position position = {.record_offset = -1};
    if (found != NULL) {
        position = found->position;
    }
    pthread_mutex_unlock(&store->lock);
    return position;
}

void double_store_set_position(struct double_store *store, const char *projection,
                               uint32_t generation_, uint32_t partition,
                               const struct pw_stored_position *position)
{
    struct kept_position like = {
        .generation = generation_, .partition = partition, .position = *position};
    snprintf(like.projection, sizeof like.projection, "%s", projection);
    pthread_mutex_lock(&store->lock);
    struct state *state = &store->states[0];
    struct kept_position *found = find_position(state, &like);
    if (found == NULL) {
        MUST(state->position_count < POSITIONS_MAX);
        found = &state->positions[state->position_count++];
    }
    *found = like;
    pthread_mutex_unlock(&store->lock);
}
