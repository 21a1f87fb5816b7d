/* api/auditor.c: scans of the ledger in turns. */
#include "api/auditor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "commands/memory.h"

#define THREADS 2

struct place {
    bool is_taken;
    bool folds;
    struct pw_id tenant_id;
};

struct pw_auditor {
    struct pw_auditor_options options;
    struct pw_pool *pool;
    struct pw_audit_marks *marks;
    pthread_mutex_t lock; /* Guards the places. */
    struct place *places;
    atomic_uint_fast64_t entered;
    atomic_uint_fast64_t refused;
    atomic_uint_fast64_t records;
};

enum pw_code pw_auditor_new(const struct pw_auditor_options *options,
                            struct pw_auditor **ret_auditor, struct pw_err *err)
{
    struct pw_auditor *auditor = pw_memory_new(1, sizeof *auditor);
    struct pw_pool_options pool = {
        .threads = THREADS,
        .queue_max = options->places, /* One job each, so that none ever finds it full. */
        .niceness = PW_POOL_NICENESS,
        .clock = options->clock,
    };
    auditor->options = *options;
    auditor->marks = pw_audit_marks_new(options->partition_count);
    auditor->places = pw_memory_new(options->places, sizeof *auditor->places);
    pthread_mutex_init(&auditor->lock, NULL);
    enum pw_code code = pw_pool_new(&pool, &auditor->pool, err);
    if (code != PW_OK) {
        pw_auditor_free(auditor);
        return code;
    }
    *ret_auditor = auditor;
    return PW_OK;
}

/* --- Places --- */

static uint32_t places_of_a_tenant(const struct pw_auditor *auditor)
{
    uint32_t half = auditor->options.places / 2;
    return half > 0 ? half : 1;
}

/* The place that is free for it, or how many there are: none is. */
static uint32_t find_place(const struct pw_auditor *auditor, const struct pw_id *tenant_id,
                           bool folds)
{
    uint32_t count = auditor->options.places;
    uint32_t found = count;
    uint32_t own_count = 0;
    bool is_folding = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct place *place = &auditor->places[i];
        found = !place->is_taken && found == count ? i : found;
        own_count += place->is_taken && pw_id_equal(&place->tenant_id, tenant_id);
        is_folding = is_folding || place->folds;
    }
    bool is_refused = own_count >= places_of_a_tenant(auditor) || (folds && is_folding);
    return is_refused ? count : found;
}

enum pw_code pw_auditor_enter(struct pw_auditor *auditor, const struct pw_id *tenant_id,
                              struct pw_audit_turns *turns)
{
    bool folds = !pw_id_is_nil(&turns->plan.folds);
    pthread_mutex_lock(&auditor->lock);
    turns->place = find_place(auditor, tenant_id, folds);
    bool is_refused = turns->place == auditor->options.places;
    if (!is_refused) {
        auditor->places[turns->place] =
            (struct place){.is_taken = true, .folds = folds, .tenant_id = *tenant_id};
    }
    pthread_mutex_unlock(&auditor->lock);
    atomic_fetch_add(is_refused ? &auditor->refused : &auditor->entered, 1);
    turns->auditor = auditor;
    return is_refused ? PW_ERR_QUEUE_FULL : PW_OK;
}

static void give_back(struct pw_auditor *auditor, uint32_t place)
{
    pthread_mutex_lock(&auditor->lock);
    auditor->places[place] = (struct place){.is_taken = false};
    pthread_mutex_unlock(&auditor->lock);
}

/* What it folded is gone: another one may fold. */
static void give_back_fold(struct pw_auditor *auditor, uint32_t place)
{
    pthread_mutex_lock(&auditor->lock);
    auditor->places[place].folds = false;
    pthread_mutex_unlock(&auditor->lock);
}

/* --- Turns --- */

static void run_turn(struct pw_pool_job *job)
{
    struct pw_audit_turns *turns = (struct pw_audit_turns *)job;
    const struct pw_clock *clock = &turns->auditor->options.clock;
    if (!turns->was_begun) {
        turns->was_begun = true;
        pw_audit_scan_init(&turns->scan, &turns->plan);
    }
    pw_audit_scan_step(&turns->scan, clock->boot_us(clock->self) + PW_AUDITOR_TURN_US);
    if (turns->scan.is_over) {
        give_back_fold(turns->auditor, turns->place);
    }
}

static void turn_done(struct pw_pool_job *job)
{
    struct pw_audit_turns *turns = (struct pw_audit_turns *)job;
    turns->done(turns);
}

enum pw_code pw_auditor_turn(struct pw_audit_turns *turns)
{
    const struct pw_auditor *auditor = turns->auditor;
    turns->plan.self = auditor->options.self;
    turns->plan.open = auditor->options.open;
    turns->plan.clock = auditor->options.clock;
    turns->plan.marks = auditor->marks;
    turns->job = (struct pw_pool_job){.run = run_turn, .done = turn_done};
    return pw_pool_submit(auditor->pool, &turns->job);
}

static void run_nothing(struct pw_pool_job *job)
{
    (void)job;
}

static void leave(struct pw_pool_job *job)
{
    struct pw_audit_turns *turns = (struct pw_audit_turns *)job;
    struct pw_auditor *auditor = turns->auditor;
    uint32_t place = turns->place; /* Who has left may be gone. */
    if (turns->was_begun) {
        atomic_fetch_add(&auditor->records, turns->scan.record_count);
        pw_audit_scan_close(&turns->scan);
    }
    turns->left(turns);
    give_back(auditor, place);
}

/* To close a ledger, or to free what was folded, may take a while, so it is not done here, unless there is no pool any more. A scan that
 * came to its end has neither. */
void pw_auditor_leave(struct pw_audit_turns *turns)
{
    turns->job = (struct pw_pool_job){.run = run_nothing, .done = leave};
    bool must_close = turns->was_begun && turns->scan.is_open;
    if (!must_close || pw_pool_submit(turns->auditor->pool, &turns->job) != PW_OK) {
        leave(&turns->job);
    }
}

void pw_auditor_stop(struct pw_auditor *auditor)
{
    if (auditor != NULL && auditor->pool != NULL) {
        pw_pool_stop(auditor->pool);
    }
}

void pw_auditor_free(struct pw_auditor *auditor)
{
    if (auditor != NULL) {
        pw_pool_free(auditor->pool);
        pw_audit_marks_free(auditor->marks);
        pthread_mutex_destroy(&auditor->lock);
        free(auditor->places);
        free(auditor);
    }
}

struct pw_audit_marks *pw_auditor_marks(struct pw_auditor *auditor)
{
    return auditor->marks;
}

static uint32_t count_open(struct pw_auditor *auditor)
{
    uint32_t count = 0;
    pthread_mutex_lock(&auditor->lock);
    for (uint32_t i = 0; i < auditor->options.places; i++) {
        count += auditor->places[i].is_taken;
    }
    pthread_mutex_unlock(&auditor->lock);
    return count;
}

void pw_auditor_count(struct pw_auditor *auditor, struct pw_auditor_counts *ret_counts)
{
    *ret_counts = (struct pw_auditor_counts){0};
    if (auditor != NULL) {
        ret_counts->open = count_open(auditor);
        ret_counts->entered = atomic_load(&auditor->entered);
        ret_counts->refused = atomic_load(&auditor->refused);
        ret_counts->records = atomic_load(&auditor->records);
    }
}
