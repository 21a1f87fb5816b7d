/* projections/rebuild.c: makes a read model's rows anew, and has queries show them. */
#include "projections/rebuild.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "commands/memory.h"

#define ROWS_MAX 1000                 /* Deleted in one transaction. */
#define CLOSE_US (250 * PW_US_PER_MS) /* One that is so little behind can close. */
#define FENCE_US                                                                                   \
    (600 * PW_US_PER_MS) /* The shown rows stand still no longer: their writer waits a second. */
#define REST_US         (5 * PW_US_PER_SECOND) /* After a close that took too long. */
#define LOOK_US         PW_US_PER_SECOND /* Between looks whether the generation is still ours. */
#define PAUSE_US        (250 * PW_US_PER_MS)   /* Of a cluster that is out of reach. */
#define SETTLE_US       (2 * PW_US_PER_SECOND) /* Idle workers look once a second. */
#define OPENING_US      (30 * PW_US_PER_SECOND)
#define STEP_MS_CLOSING 5

struct pw_rebuild {
    struct pw_rebuild_options options;
    enum pw_rebuild_state state;
    struct pw_err err;
    struct pw_worker *worker; /* NULL until the generation is chosen. */
    uint32_t generation;
    bool is_continued;
    uint64_t rows_deleted;
    uint32_t table; /* CLEANING: which one. */

    uint32_t partition_count; /* 0 until the worker has opened the ledger. */
    struct pw_worker_partition *partitions;
    struct pw_stored_position *shown;  /* The shown generation's positions, as last read or left. */
    struct pw_stored_position *filled; /* The new one's. */
    uint32_t shown_generation;
    int64_t shown_at_us; /* When they were read; 0: to be read. */

    int64_t began_us;
    int64_t next_look_us;
    int64_t rests_until_us;
    int64_t paused_until_us;
    int64_t switched_at_us;
    bool waits;
};

static int64_t now_us(const struct pw_rebuild *rebuild)
{
    if (rebuild->options.monotonic_us != NULL) {
        return rebuild->options.monotonic_us(rebuild->options.monotonic_self);
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

static const char *name_of(const struct pw_rebuild *rebuild)
{
    return rebuild->options.projection->name;
}

__attribute__((format(printf, 3, 4))) static void say(struct pw_rebuild *rebuild, bool is_error,
                                                      const char *format, ...)
{
    char message[320];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (rebuild->options.log.line != NULL) {
        rebuild->options.log.line(rebuild->options.log.self, is_error, name_of(rebuild), message);
    }
}

static void fail(struct pw_rebuild *rebuild, enum pw_code code, const char *detail)
{
    pw_fail(&rebuild->err, code, "%s: %s", name_of(rebuild), detail);
    rebuild->state = PW_REBUILD_FAILED;
}

/* What a failed use of the storage means: try again, after a pause where the cluster is away. */
static void storage_failed(struct pw_rebuild *rebuild, enum pw_stored stored,
                           const struct pw_err *err)
{
    if (stored == PW_STORED_FAULT) {
        fail(rebuild, err->code, err->detail);
    } else if (stored == PW_STORED_AWAY) {
        rebuild->paused_until_us = now_us(rebuild) + PAUSE_US;
        if (!rebuild->waits) {
            say(rebuild, true, "waits: %s", err->detail);
        }
        rebuild->waits = true;
    }
}

static void storage_works(struct pw_rebuild *rebuild)
{
    rebuild->waits = false;
}

struct pw_rebuild *pw_rebuild_new(const struct pw_rebuild_options *options)
{
    struct pw_rebuild *rebuild = pw_memory_new(1, sizeof *rebuild);
    rebuild->options = *options;
    rebuild->began_us = now_us(rebuild);
    return rebuild;
}

/* --- Choosing a generation --- */

static void start_worker(struct pw_rebuild *rebuild)
{
    const struct pw_rebuild_options *options = &rebuild->options;
    const struct pw_worker_options of_worker = {.projection = options->projection,
                                                .generation = rebuild->generation,
                                                .open_ledger = options->open_ledger,
                                                .open_ledger_self = options->open_ledger_self,
                                                .storage = options->rows,
                                                .snapshots_dir = options->snapshots_dir,
                                                .log = options->log,
                                                .monotonic_us = options->monotonic_us,
                                                .monotonic_self = options->monotonic_self,
                                                .batch_rows_max = options->batch_rows_max};
    rebuild->worker = pw_worker_new(&of_worker);
    rebuild->state = PW_REBUILD_FILLING;
    rebuild->began_us = now_us(rebuild);
}

/* Commits what was moved, or nothing of it. */
static enum pw_stored finish(struct pw_rebuild *rebuild, enum pw_stored stored, bool hit,
                             struct pw_err *err)
{
    struct pw_storage *storage = &rebuild->options.generations;
    if (stored == PW_STORED && hit) {
        stored = storage->commit(storage->self, err);
    }
    if (stored != PW_STORED || !hit) {
        storage->rollback(storage->self);
    }
    return stored;
}

static enum pw_stored move_generations(struct pw_rebuild *rebuild,
                                       const struct pw_generations *from,
                                       const struct pw_generations *to, bool *ret_hit,
                                       struct pw_err *err)
{
    struct pw_storage *storage = &rebuild->options.generations;
    enum pw_stored stored = storage->begin(storage->self, err);
    if (stored == PW_STORED) {
        stored = storage->move_generations(storage->self, name_of(rebuild), from, to, ret_hit, err);
    }
    return finish(rebuild, stored, *ret_hit, err);
}

/* Never a number that was used before: a writer of then may still be there. */
static uint32_t next_generation(const struct pw_generations *now)
{
    return (now->building > now->shown ? now->building : now->shown) + 1;
}

static enum pw_stored begin_anew(struct pw_rebuild *rebuild, const struct pw_generations *now,
                                 struct pw_err *err)
{
    struct pw_generations to = {.shown = now->shown, .building = next_generation(now)};
    bool hit = false;
    snprintf(to.built_by, sizeof to.built_by, "%s", rebuild->options.version);
    enum pw_stored stored = move_generations(rebuild, now, &to, &hit, err);
    if (stored != PW_STORED || !hit) {
        return stored; /* Another one was first: the next step looks again. */
    }
    if (now->building != 0) {
        say(rebuild, false, "generation %" PRIu32 ", begun by version %s, is given up",
            now->building, now->built_by);
    }
    rebuild->generation = to.building;
    say(rebuild, false, "begins generation %" PRIu32 "; queries show %" PRIu32 " meanwhile",
        to.building, to.shown);
    start_worker(rebuild);
    return PW_STORED;
}

static void choose(struct pw_rebuild *rebuild)
{
    struct pw_storage *storage = &rebuild->options.generations;
    struct pw_generations now;
    struct pw_err err = {0};
    enum pw_stored stored = storage->read_generations(storage->self, name_of(rebuild), &now, &err);
    if (stored == PW_STORED && rebuild->options.only_cleans) {
        rebuild->state = PW_REBUILD_CLEANING;
    } else if (stored == PW_STORED && now.building != 0 && !rebuild->options.anew &&
               strcmp(now.built_by, rebuild->options.version) == 0) {
        rebuild->generation = now.building;
        rebuild->is_continued = true;
        say(rebuild, false,
            "goes on with generation %" PRIu32 "; queries show %" PRIu32 " meanwhile", now.building,
            now.shown);
        start_worker(rebuild);
    } else if (stored == PW_STORED) {
        stored = begin_anew(rebuild, &now, &err);
    }
    if (stored == PW_STORED_AWAY) { /* Nothing is begun: who asked for it may as well ask again. */
        fail(rebuild, PW_ERR_READ_MODEL_DOWN, err.detail);
    } else {
        storage_failed(rebuild, stored, &err);
    }
}

/* --- Filling it --- */

static void read_worker(struct pw_rebuild *rebuild, struct pw_worker_status *ret_status)
{
    pw_worker_status(rebuild->worker, ret_status, NULL, 0);
    if (rebuild->partition_count == 0 && ret_status->partition_count != 0) {
        uint32_t count = ret_status->partition_count;
        rebuild->partitions = pw_memory_new(count, sizeof *rebuild->partitions);
        rebuild->shown = pw_memory_new(count, sizeof *rebuild->shown);
        rebuild->filled = pw_memory_new(count, sizeof *rebuild->filled);
        rebuild->partition_count = count;
        for (uint32_t i = 0; i < count; i++) {
            rebuild->shown[i].record_offset = -1;
        }
    }
    pw_worker_status(rebuild->worker, ret_status, rebuild->partitions, rebuild->partition_count);
    if (ret_status->state == PW_WORKER_STOPPED) {
        fail(rebuild, PW_ERR_INTERNAL, ret_status->reason);
    } else if (ret_status->state == PW_WORKER_OPENING &&
               now_us(rebuild) - rebuild->began_us > OPENING_US) {
        fail(rebuild, PW_ERR_LEDGER_DOWN, ret_status->reason);
    }
}

static void show_it(struct pw_rebuild *rebuild)
{
    rebuild->state = PW_REBUILD_CLEANING;
    rebuild->switched_at_us = now_us(rebuild);
    say(rebuild, false, "queries show generation %" PRIu32 " now", rebuild->generation);
}

/* Whether this generation is still what is being built: another rebuild may have finished it, or
 * begun a later one. */
static void look(struct pw_rebuild *rebuild)
{
    struct pw_storage *storage = &rebuild->options.generations;
    struct pw_generations now;
    struct pw_err err = {0};
    enum pw_stored stored = storage->read_generations(storage->self, name_of(rebuild), &now, &err);
    rebuild->next_look_us = now_us(rebuild) + LOOK_US;
    if (stored != PW_STORED) {
        rebuild->next_look_us = 0;
        storage_failed(rebuild, stored, &err);
        return;
    }
    storage_works(rebuild);
    if (now.shown == rebuild->generation) {
        show_it(rebuild);
    } else if (now.building != rebuild->generation) {
        fail(rebuild, PW_ERR_INTERNAL, "another rebuild has begun anew, and goes on alone");
    }
}

/* The positions of both generations, the new one's last. */
static bool read_positions(struct pw_rebuild *rebuild)
{
    struct pw_storage *storage = &rebuild->options.generations;
    struct pw_err err = {0};
    uint32_t ours;
    enum pw_stored stored = storage->read_positions(
        storage->self, name_of(rebuild), PW_GENERATION_SHOWN, rebuild->partition_count,
        &rebuild->shown_generation, rebuild->shown, &err);
    if (stored == PW_STORED) {
        stored = storage->read_positions(storage->self, name_of(rebuild), rebuild->generation,
                                         rebuild->partition_count, &ours, rebuild->filled, &err);
    }
    if (stored != PW_STORED) {
        storage_failed(rebuild, stored, &err);
        return false;
    }
    storage_works(rebuild);
    return true;
}

/* True when the new rows have come as far as those that are shown had. */
static bool has_reached(const struct pw_rebuild *rebuild)
{
    for (uint32_t i = 0; i < rebuild->partition_count; i++) {
        if (rebuild->partitions[i].stored_offset < rebuild->shown[i].record_offset) {
            return false;
        }
    }
    return true;
}

/* --- Closing --- */

/* Moves the epoch in every position of the shown generation, which must stand as they were read. */
static enum pw_stored move_shown(struct pw_rebuild *rebuild, int64_t epoch, bool *ret_hit,
                                 struct pw_err *err)
{
    struct pw_storage *storage = &rebuild->options.generations;
    enum pw_stored stored = PW_STORED;
    *ret_hit = true;
    for (uint32_t i = 0; stored == PW_STORED && *ret_hit && i < rebuild->partition_count; i++) {
        const struct pw_stored_position *from = &rebuild->shown[i];
        struct pw_stored_position to = *from;
        to.writer_epoch = epoch;
        if (from->writer_epoch == 0) {
            stored = storage->create_position(
                storage->self, name_of(rebuild), rebuild->shown_generation, i,
                &rebuild->filled[i].ledger_id, rebuild->partition_count, err);
        }
        if (stored == PW_STORED) {
            stored = storage->move_position(storage->self, name_of(rebuild),
                                            rebuild->shown_generation, i, from, &to, ret_hit, err);
        }
    }
    return stored;
}

static int64_t next_epoch(const struct pw_rebuild *rebuild)
{
    int64_t epoch = 0;
    for (uint32_t i = 0; i < rebuild->partition_count; i++) {
        int64_t at = rebuild->shown[i].writer_epoch;
        at = at < 0 ? -at : at;
        epoch = at > epoch ? at : epoch;
    }
    return epoch + 1;
}

/* True where every partition of the new generation has its position: there are none before its worker
 * has written for the first time. */
static bool has_positions(const struct pw_rebuild *rebuild)
{
    for (uint32_t i = 0; i < rebuild->partition_count; i++) {
        if (rebuild->filled[i].writer_epoch == 0) {
            return false;
        }
    }
    return true;
}

/* Takes the shown generation's epoch: from then on its rows stand still. */
static void fence(struct pw_rebuild *rebuild)
{
    struct pw_storage *storage = &rebuild->options.generations;
    struct pw_err err = {0};
    bool hit = false;
    if (!read_positions(rebuild) || !has_positions(rebuild) ||
        rebuild->shown_generation >= rebuild->generation) {
        rebuild->shown_at_us = 0;
        return;
    }
    rebuild->shown_at_us = now_us(rebuild);
    int64_t epoch = next_epoch(rebuild);
    enum pw_stored stored = storage->begin(storage->self, &err);
    if (stored == PW_STORED) {
        stored = move_shown(rebuild, epoch, &hit, &err);
    }
    stored = finish(rebuild, stored, hit, &err);
    if (stored != PW_STORED || !hit) { /* Its writer was first; or the answer was lost, */
        storage_failed(rebuild, stored, &err);
        return; /* and the next step takes it again, or from itself. */
    }
    for (uint32_t i = 0; i < rebuild->partition_count; i++) {
        rebuild->shown[i].writer_epoch = epoch;
    }
    rebuild->state = PW_REBUILD_CLOSING;
}

/* Queries show the new generation, whose rows reach as far as the shown ones, which still stand where
 * they were stopped: all that is checked by what this transaction writes. */
static enum pw_stored switch_generations(struct pw_rebuild *rebuild, bool *ret_hit,
                                         struct pw_err *err)
{
    struct pw_storage *storage = &rebuild->options.generations;
    const struct pw_generations from = {rebuild->shown_generation, rebuild->generation, ""};
    struct pw_generations to = {.shown = rebuild->generation};
    snprintf(to.built_by, sizeof to.built_by, "%s", rebuild->options.version);
    enum pw_stored stored = storage->begin(storage->self, err);
    if (stored == PW_STORED) {
        stored = move_shown(rebuild, -rebuild->shown[0].writer_epoch, ret_hit, err);
    }
    if (stored == PW_STORED && *ret_hit) {
        stored =
            storage->move_generations(storage->self, name_of(rebuild), &from, &to, ret_hit, err);
    }
    return finish(rebuild, stored, *ret_hit, err);
}

static void resume_filling(struct pw_rebuild *rebuild)
{
    rebuild->state = PW_REBUILD_FILLING;
    rebuild->shown_at_us = 0;
    rebuild->next_look_us = 0;
}

/* Gives the epoch back to the shown generation's writer. */
static void unfence(struct pw_rebuild *rebuild)
{
    struct pw_storage *storage = &rebuild->options.generations;
    struct pw_err err = {0};
    bool hit = false;
    enum pw_stored stored = storage->begin(storage->self, &err);
    if (stored == PW_STORED) {
        stored = move_shown(rebuild, -rebuild->shown[0].writer_epoch, &hit, &err);
    }
    (void)finish(rebuild, stored, hit, &err);
    rebuild->rests_until_us = now_us(rebuild) + REST_US;
    resume_filling(rebuild);
}

static void close_gap(struct pw_rebuild *rebuild)
{
    struct pw_err err = {0};
    bool hit = false;
    if (!has_reached(rebuild)) {
        if (now_us(rebuild) - rebuild->shown_at_us > FENCE_US) {
            unfence(rebuild);
        }
        return;
    }
    enum pw_stored stored = switch_generations(rebuild, &hit, &err);
    if (stored == PW_STORED && hit) {
        show_it(rebuild);
        return;
    }
    storage_failed(rebuild, stored, &err);
    if (rebuild->state != PW_REBUILD_FAILED && stored != PW_STORED_REDO) {
        resume_filling(rebuild); /* Its first look tells what became of a COMMIT. */
    }
}

/* Follows the rows that are shown until it is so close behind them that they may stand still for it. */
static void fill(struct pw_rebuild *rebuild, const struct pw_worker_status *worker)
{
    if (now_us(rebuild) >= rebuild->next_look_us) {
        look(rebuild);
        rebuild->shown_at_us = 0;
    }
    if (rebuild->state != PW_REBUILD_FILLING || rebuild->next_look_us == 0 ||
        rebuild->partition_count == 0) {
        return;
    }
    if (rebuild->shown_at_us == 0) {
        rebuild->shown_at_us = read_positions(rebuild) ? now_us(rebuild) : 0;
    } else if (worker->state == PW_WORKER_LIVE && has_reached(rebuild) &&
               now_us(rebuild) >= rebuild->rests_until_us) {
        if (now_us(rebuild) - rebuild->shown_at_us <= CLOSE_US) {
            fence(rebuild);
        } else {
            rebuild->shown_at_us = 0;
        }
    }
}

/* --- Cleaning --- */

static void clean(struct pw_rebuild *rebuild)
{
    struct pw_storage *storage = &rebuild->options.generations;
    const struct pw_projection *projection = rebuild->options.projection;
    uint32_t max =
        rebuild->options.batch_rows_max == 0 ? ROWS_MAX : rebuild->options.batch_rows_max;
    struct pw_err err = {0};
    uint32_t count = 0;
    enum pw_stored stored;
    if (rebuild->table < projection->table_count) {
        stored = storage->delete_rows(storage->self, projection->name,
                                      projection->tables[rebuild->table], max, &count, &err);
        if (stored == PW_STORED) {
            rebuild->rows_deleted += count;
            rebuild->table += count < max;
        }
    } else {
        stored = storage->delete_positions(storage->self, projection->name, &err);
        if (stored == PW_STORED) {
            rebuild->state = PW_REBUILD_SETTLING;
        }
    }
    if (stored == PW_STORED) {
        storage_works(rebuild);
    } else {
        storage_failed(rebuild, stored, &err);
    }
}

static void settle(struct pw_rebuild *rebuild)
{
    if (rebuild->worker == NULL || now_us(rebuild) - rebuild->switched_at_us >= SETTLE_US) {
        rebuild->state = PW_REBUILD_DONE;
    }
}

/* --- Stepping --- */

static void go_on(struct pw_rebuild *rebuild, const struct pw_worker_status *worker)
{
    switch (rebuild->state) {
    case PW_REBUILD_CHOOSING: choose(rebuild); break;
    case PW_REBUILD_FILLING: fill(rebuild, worker); break;
    case PW_REBUILD_CLOSING: close_gap(rebuild); break;
    case PW_REBUILD_CLEANING: clean(rebuild); break;
    case PW_REBUILD_SETTLING: settle(rebuild); break;
    case PW_REBUILD_DONE:
    case PW_REBUILD_FAILED: break;
    }
}

static int step_ms(const struct pw_rebuild *rebuild, int timeout_ms)
{
    int most = rebuild->state == PW_REBUILD_CLEANING ? 0 : STEP_MS_CLOSING;
    bool hurries = rebuild->state == PW_REBUILD_CLEANING || rebuild->state == PW_REBUILD_CLOSING;
    return hurries && most < timeout_ms ? most : timeout_ms;
}

void pw_rebuild_step(struct pw_rebuild *rebuild, int timeout_ms)
{
    struct pw_worker_status worker = {.state = PW_WORKER_OPENING};
    if (rebuild->worker != NULL) {
        pw_worker_step(rebuild->worker, step_ms(rebuild, timeout_ms));
        read_worker(rebuild, &worker);
    }
    if (now_us(rebuild) >= rebuild->paused_until_us) {
        go_on(rebuild, &worker);
    }
}

void pw_rebuild_free(struct pw_rebuild *rebuild)
{
    if (rebuild == NULL) {
        return;
    }
    if (rebuild->state == PW_REBUILD_CLOSING) {
        unfence(rebuild);
    }
    if (rebuild->worker != NULL) {
        (void)pw_worker_drain(rebuild->worker);
        pw_worker_free(rebuild->worker);
    } else {
        rebuild->options.rows.close(rebuild->options.rows.self);
    }
    rebuild->options.generations.close(rebuild->options.generations.self);
    free(rebuild->partitions);
    free(rebuild->shown);
    free(rebuild->filled);
    free(rebuild);
}

void pw_rebuild_status(const struct pw_rebuild *rebuild, struct pw_rebuild_status *ret_status,
                       struct pw_rebuild_partition *ret_partitions, uint32_t partition_room)
{
    *ret_status = (struct pw_rebuild_status){.state = rebuild->state,
                                             .err = rebuild->err,
                                             .generation = rebuild->generation,
                                             .is_continued = rebuild->is_continued,
                                             .rows_deleted = rebuild->rows_deleted,
                                             .partition_count = rebuild->partition_count};
    uint32_t count =
        partition_room < rebuild->partition_count ? partition_room : rebuild->partition_count;
    for (uint32_t i = 0; ret_partitions != NULL && i < count; i++) {
        ret_partitions[i] =
            (struct pw_rebuild_partition){.stored_offset = rebuild->partitions[i].stored_offset,
                                          .shown_offset = rebuild->shown[i].record_offset,
                                          .read_offset = rebuild->partitions[i].read_offset};
    }
}
