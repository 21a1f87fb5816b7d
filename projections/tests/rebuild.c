/* projections/tests/rebuild.c: a read model is made anew while a node writes it: what queries could see
 * never goes back, nothing is missing afterwards, and whatever dies on the way, the next one ends it. */
#include "projections/rebuild.h"
#include "projections/tests/worker_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define STEPS_MAX 4000
#define VERSION   "1.0"
#define TICK_US   (3 * PW_US_PER_MS) /* A worker reads more often than it writes. */

static const struct pw_projection *const model = &pw_reservations_projection;
static struct rig *rig;
static int64_t seen[SCRIBE_PARTITIONS]; /* What a query has been answered from. */

static void open_rig(void)
{
    rig = rig_new(3);
    for (uint32_t i = 0; i < SCRIBE_PARTITIONS; i++) {
        seen[i] = -1;
    }
}

static void close_rig(void)
{
    rig_free(rig);
}

TestSuite(rebuild, .init = open_rig, .fini = close_rig);

/* Somebody asks: they are shown the rows of one generation at its positions. */
static void query(void)
{
    uint32_t shown = double_store_generations(rig->store, model->name).shown;
    for (uint32_t i = 0; i < SCRIBE_PARTITIONS; i++) {
        int64_t offset = double_store_position(rig->store, model->name, shown, i).record_offset;
        cr_assert_geq(offset, seen[i], "generation %u of partition %u goes back from %lld to %lld",
                      shown, i, (long long)seen[i], (long long)offset);
        seen[i] = offset;
    }
}

static struct pw_rebuild_options options_of(const char *version)
{
    return (struct pw_rebuild_options){.projection = model,
                                       .version = version,
                                       .open_ledger = rig_open_ledger,
                                       .open_ledger_self = rig,
                                       .rows = double_store_session(rig->store),
                                       .generations = double_store_session(rig->store),
                                       .log = {rig, rig_say},
                                       .monotonic_us = rig_now_us,
                                       .monotonic_self = rig,
                                       .batch_rows_max = 2};
}

static struct pw_rebuild *rebuild_new(void)
{
    struct pw_rebuild_options options = options_of(VERSION);
    return pw_rebuild_new(&options);
}

static struct pw_rebuild_status status_of(struct pw_rebuild *rebuild)
{
    struct pw_rebuild_status status;
    pw_rebuild_status(rebuild, &status, NULL, 0);
    return status;
}

static bool is_over(struct pw_rebuild *rebuild)
{
    enum pw_rebuild_state state = status_of(rebuild).state;
    return state == PW_REBUILD_DONE || state == PW_REBUILD_FAILED;
}

/* Time passes; the rebuild and the node's worker do their part, and somebody asks. NULL is nobody. */
static void tick(struct pw_rebuild *rebuild, struct pw_worker *worker)
{
    rig->now_us += TICK_US;
    if (rebuild != NULL) {
        pw_rebuild_step(rebuild, 0);
        query();
    }
    if (worker != NULL) {
        pw_worker_step(worker, 0);
        query();
    }
}

/* With a command now and then. */
static void run(struct pw_rebuild *rebuild, struct pw_worker *worker)
{
    for (uint32_t i = 0; i < STEPS_MAX && !is_over(rebuild); i++) {
        scribe_write(rig->scribe, i % 3 == 0);
        tick(rebuild, worker);
    }
    cr_assert(is_over(rebuild), "it never came to an end:\n%s", rig->said);
}

static void expect_good(uint32_t generation, const char *when)
{
    struct pw_generations now = double_store_generations(rig->store, model->name);
    cr_expect_eq(now.shown, generation, "%s: %u is shown", when, now.shown);
    cr_expect_eq(now.building, 0, "%s: %u is being built", when, now.building);
    cr_expect_eq(double_store_differences(rig->store, generation, rig->scribe, model), 0,
                 "%s: rows differ\n%s", when, rig->said);
    for (uint32_t older = 1; older < generation; older++) {
        cr_expect_eq(double_store_row_count(rig->store, older, model->tables[0]), 0,
                     "%s: rows of generation %u are left", when, older);
        cr_expect_eq(double_store_position(rig->store, model->name, older, 0).writer_epoch, 0,
                     "%s: positions of generation %u are left", when, older);
    }
}

/* The node's worker writes what is written from now on. */
static void expect_followed(struct pw_worker *worker, uint32_t generation, const char *when)
{
    scribe_write(rig->scribe, 20);
    for (uint32_t i = 0;
         i < STEPS_MAX && !double_store_is_current(rig->store, generation, rig->scribe, model);
         i++) {
        tick(NULL, worker);
    }
    cr_expect_eq(rig_status(worker).generation, generation, "%s", when);
    cr_expect(rig_status(worker).writes, "%s", when);
    expect_good(generation, when);
}

static struct pw_worker *worker_that_wrote(uint32_t record_count)
{
    scribe_write(rig->scribe, record_count);
    struct pw_worker *worker = rig_worker_of(rig, model, 20);
    rig_run_until_done(rig, worker, model);
    return worker;
}

Test(rebuild, rows_are_made_anew_while_the_node_writes)
{
    struct pw_worker *worker = worker_that_wrote(300);
    struct pw_rebuild *rebuild = rebuild_new();
    run(rebuild, worker);
    struct pw_rebuild_status status = status_of(rebuild);
    cr_assert_eq(status.state, PW_REBUILD_DONE, "%s", status.err.detail);
    cr_expect_eq(status.generation, 2);
    cr_expect(!status.is_continued);
    cr_expect_gt(status.rows_deleted, 8, "in several transactions");
    pw_rebuild_free(rebuild);
    expect_followed(worker, 2, "while the node writes");
    cr_expect_eq(rig_status(worker).counters.refolds, 0, "the node folds nothing again:\n%s",
                 rig->said);
    pw_worker_free(worker);
}

Test(rebuild, no_node_need_run)
{
    struct pw_worker *worker = worker_that_wrote(60);
    cr_expect(pw_worker_drain(worker));
    pw_worker_free(worker);
    struct pw_rebuild *rebuild = rebuild_new();
    run(rebuild, NULL);
    pw_rebuild_free(rebuild);
    expect_good(2, "alone");
}

Test(rebuild, rows_that_nobody_ever_wrote_are_made_too)
{
    scribe_write(rig->scribe, 60);
    struct pw_rebuild *rebuild = rebuild_new();
    run(rebuild, NULL);
    pw_rebuild_free(rebuild);
    expect_good(2, "in an empty store");
    rebuild = rebuild_new();
    run(rebuild, NULL);
    pw_rebuild_free(rebuild);
    expect_good(3, "once more");
}

/* A node that stood still through all of it meets that its generation is gone. */
Test(rebuild, a_node_that_slept_goes_on_in_the_new_generation)
{
    struct pw_worker *worker = worker_that_wrote(60);
    scribe_write(rig->scribe, 5);
    rig->now_us += RIG_TICK_US;
    pw_worker_step(worker, 0);
    struct pw_rebuild *rebuild = rebuild_new();
    run(rebuild, NULL);
    pw_rebuild_free(rebuild);
    expect_followed(worker, 2, "after its sleep");
    pw_worker_free(worker);
}

/* Nor does one that was about to take the epoch of a generation without any writer. */
Test(rebuild, a_node_that_begins_late_writes_the_new_generation)
{
    scribe_write(rig->scribe, 60);
    struct pw_worker *worker = rig_worker_of(rig, model, 20);
    for (uint32_t i = 0; i < 3 && !rig_status(worker).writes; i++) {
        tick(NULL, worker); /* Has read that generation 1 is shown. */
    }
    struct pw_rebuild *rebuild = rebuild_new();
    run(rebuild, NULL);
    pw_rebuild_free(rebuild);
    expect_followed(worker, 2, "late");
    pw_worker_free(worker);
}

/* Whoever takes the epoch of the shown rows meanwhile may have moved them: they are not left behind. */
Test(rebuild, shown_rows_that_another_writer_took_are_not_left)
{
    struct pw_worker *worker = worker_that_wrote(60);
    struct pw_rebuild *rebuild = rebuild_new();
    for (uint32_t i = 0; i < STEPS_MAX && status_of(rebuild).state != PW_REBUILD_CLOSING; i++) {
        tick(rebuild, NULL);
    }
    struct pw_stored_position position = double_store_position(rig->store, model->name, 1, 1);
    position.writer_epoch++;
    double_store_set_position(rig->store, model->name, 1, 1, &position);
    tick(rebuild, NULL);
    cr_expect_eq(status_of(rebuild).state, PW_REBUILD_FILLING);
    cr_expect_eq(double_store_generations(rig->store, model->name).shown, 1);
    run(rebuild, worker);
    pw_rebuild_free(rebuild);
    expect_followed(worker, 2, "after another writer");
    pw_worker_free(worker);
}

/* --- What dies, and what fails --- */

/* Until the first rows of generation 2 are there. */
static void begin(struct pw_rebuild *rebuild, struct pw_worker *worker)
{
    for (uint32_t i = 0;
         i < STEPS_MAX && double_store_row_count(rig->store, 2, model->tables[0]) == 0; i++) {
        tick(rebuild, worker);
    }
    cr_assert(!is_over(rebuild));
}

/* As after a kill: nothing is given back. */
static void kill_rebuild(struct pw_rebuild *rebuild)
{
    double_store_set_down(rig->store, true);
    pw_rebuild_free(rebuild);
    double_store_set_down(rig->store, false);
}

Test(rebuild, killed_anywhere_the_next_one_ends_it)
{
    bool was_over = false;
    uint32_t continued = 0;
    uint32_t finished = 0;
    for (uint32_t steps = 1; !was_over; steps += 1 + steps / 20) {
        char when[64];
        snprintf(when, sizeof when, "killed after %u steps", steps);
        close_rig();
        open_rig();
        struct pw_worker *worker = worker_that_wrote(60);
        struct pw_rebuild *rebuild = rebuild_new();
        for (uint32_t i = 0; i < steps && !is_over(rebuild); i++) {
            scribe_write(rig->scribe, i % 3 == 0);
            tick(rebuild, worker);
        }
        was_over = is_over(rebuild);
        kill_rebuild(rebuild);
        bool was_shown = double_store_generations(rig->store, model->name).shown == 2;
        rebuild = rebuild_new();
        run(rebuild, worker);
        struct pw_rebuild_status status = status_of(rebuild);
        cr_assert_eq(status.state, PW_REBUILD_DONE, "%s: %s", when, status.err.detail);
        cr_expect_eq(status.is_continued, !was_shown, "%s", when);
        continued += status.is_continued;
        finished += was_shown;
        pw_rebuild_free(rebuild);
        expect_followed(worker, was_shown ? 3 : 2, when);
        pw_worker_free(worker);
    }
    cr_expect_gt(continued, 4);
    cr_expect_gt(finished, 10);
}

Test(rebuild, whatever_fails_once_the_rows_are_right)
{
    for (int fault = 0; fault < DOUBLE_AWAY_LOST; fault++) {
        bool failed = true;
        for (uint64_t nth = 1; failed; nth += 1 + nth / 20) {
            char when[64];
            snprintf(when, sizeof when, "operation %llu fails like %d", (unsigned long long)nth,
                     fault);
            close_rig();
            open_rig();
            struct pw_worker *worker = worker_that_wrote(60);
            struct pw_rebuild *rebuild = rebuild_new();
            double_store_fail(rig->store, nth, fault);
            run(rebuild, worker);
            failed = double_store_failed(rig->store);
            struct pw_rebuild_status status = status_of(rebuild);
            if (status.state == PW_REBUILD_FAILED) { /* It had not begun. */
                cr_expect_eq(status.err.code, PW_ERR_READ_MODEL_DOWN, "%s: %s", when,
                             status.err.detail);
                cr_expect_leq(nth, 5, "%s: %s", when, status.err.detail);
                pw_rebuild_free(rebuild);
                rebuild = rebuild_new();
                run(rebuild, worker);
            }
            pw_rebuild_free(rebuild);
            expect_followed(worker, 2, when);
            pw_worker_free(worker);
        }
    }
}

Test(rebuild, a_cluster_that_is_away_is_waited_for)
{
    struct pw_worker *worker = worker_that_wrote(60);
    struct pw_rebuild *rebuild = rebuild_new();
    tick(rebuild, worker);
    tick(rebuild, worker);
    double_store_set_down(rig->store, true);
    for (uint32_t i = 0; i < 200; i++) {
        rig->now_us += RIG_TICK_US;
        pw_rebuild_step(rebuild, 0);
        pw_worker_step(worker, 0);
    }
    cr_expect(!is_over(rebuild));
    double_store_set_down(rig->store, false);
    run(rebuild, worker);
    pw_rebuild_free(rebuild);
    expect_followed(worker, 2, "after a pause");
    pw_worker_free(worker);
}

Test(rebuild, rows_that_the_tables_refuse_end_it)
{
    struct pw_worker *worker = worker_that_wrote(60);
    double_store_refuse_rows(rig->store);
    struct pw_rebuild *rebuild = rebuild_new();
    for (uint32_t i = 0; i < STEPS_MAX && !is_over(rebuild); i++) {
        tick(rebuild, NULL);
    }
    struct pw_rebuild_status status = status_of(rebuild);
    cr_expect_eq(status.state, PW_REBUILD_FAILED);
    cr_expect(strstr(status.err.detail, "reservations: the double takes no rows") != NULL, "%s",
              status.err.detail);
    cr_expect_eq(double_store_generations(rig->store, model->name).shown, 1);
    pw_rebuild_free(rebuild);
    pw_worker_free(worker);
}

/* --- Several --- */

Test(rebuild, two_at_once_make_one_generation)
{
    struct pw_worker *worker = worker_that_wrote(200);
    struct pw_rebuild *first = rebuild_new();
    tick(first, worker);
    struct pw_rebuild *second = rebuild_new();
    for (uint32_t i = 0; i < STEPS_MAX && !(is_over(first) && is_over(second)); i++) {
        scribe_write(rig->scribe, i % 3 == 0);
        tick(first, NULL);
        tick(second, worker);
    }
    cr_expect_eq(status_of(first).state, PW_REBUILD_DONE, "%s", status_of(first).err.detail);
    cr_expect_eq(status_of(second).state, PW_REBUILD_DONE, "%s", status_of(second).err.detail);
    cr_expect(status_of(second).is_continued);
    pw_rebuild_free(first);
    pw_rebuild_free(second);
    expect_followed(worker, 2, "two at once");
    pw_worker_free(worker);
}

Test(rebuild, one_that_begins_anew_ends_the_other)
{
    struct pw_worker *worker = worker_that_wrote(200);
    struct pw_rebuild *first = rebuild_new();
    begin(first, worker);
    struct pw_rebuild_options options = options_of(VERSION);
    options.anew = true;
    struct pw_rebuild *second = pw_rebuild_new(&options);
    for (uint32_t i = 0; i < STEPS_MAX && !(is_over(first) && is_over(second)); i++) {
        tick(first, NULL);
        tick(second, worker);
    }
    cr_expect_eq(status_of(first).state, PW_REBUILD_FAILED);
    cr_expect(strstr(status_of(first).err.detail, "begun anew") != NULL, "%s",
              status_of(first).err.detail);
    cr_expect_eq(status_of(second).state, PW_REBUILD_DONE, "%s", status_of(second).err.detail);
    cr_expect(!status_of(second).is_continued);
    pw_rebuild_free(first);
    pw_rebuild_free(second);
    struct pw_rebuild_options cleans = options_of(VERSION);
    cleans.only_cleans = true;
    struct pw_rebuild *cleaner = pw_rebuild_new(&cleans);
    run(cleaner, worker);
    pw_rebuild_free(cleaner);
    expect_followed(worker, 3, "anew");
    pw_worker_free(worker);
}

/* Another version may make other rows: what it began is no beginning. */
Test(rebuild, what_another_version_began_is_begun_anew)
{
    struct pw_worker *worker = worker_that_wrote(60);
    struct pw_rebuild_options options = options_of("0.9");
    struct pw_rebuild *rebuild = pw_rebuild_new(&options);
    begin(rebuild, worker);
    kill_rebuild(rebuild);
    rebuild = rebuild_new();
    run(rebuild, worker);
    cr_expect_eq(status_of(rebuild).generation, 3);
    cr_expect(!status_of(rebuild).is_continued);
    cr_expect(strstr(rig->said, "generation 2, begun by version 0.9, is given up") != NULL, "%s",
              rig->said);
    pw_rebuild_free(rebuild);
    expect_followed(worker, 3, "after another version");
    pw_worker_free(worker);
}

Test(rebuild, cleaning_alone_leaves_what_is_being_built)
{
    struct pw_worker *worker = worker_that_wrote(60);
    struct pw_rebuild *rebuild = rebuild_new();
    begin(rebuild, worker);
    kill_rebuild(rebuild);
    uint32_t begun = double_store_row_count(rig->store, 2, model->tables[0]);
    struct pw_rebuild_options options = options_of(VERSION);
    options.only_cleans = true;
    rebuild = pw_rebuild_new(&options);
    run(rebuild, worker);
    cr_expect_eq(status_of(rebuild).rows_deleted, 0);
    pw_rebuild_free(rebuild);
    cr_expect_gt(begun, 0);
    cr_expect_eq(double_store_row_count(rig->store, 2, model->tables[0]), begun);
    cr_expect_eq(double_store_generations(rig->store, model->name).building, 2);
    pw_worker_free(worker);
}
