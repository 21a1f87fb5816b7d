/* api/tests/auditor.c: scans in turns, several at a time, some given up in the middle. A plain program, so that ThreadSanitizer can run
 * it. */
#include "api/auditor.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/tests/check.h"
#include "eventstore/sim.h"

#define HOLDS(condition) CHECK(condition, "in %s", __func__)

#define RECORDS 500 /* After the genesis. */
#define PLACES  4
#define A_TURN  7 /* Records of a turn. */

static struct pw_sim_log *sim;
static struct pw_position end;

static void on_wake(void *self)
{
    (void)self;
}

static enum pw_code open_log(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    (void)self;
    (void)err;
    return pw_sim_open(sim, (struct pw_ledger_wake){.wake = on_wake}, ret_ledger);
}

static void fill(void)
{
    struct pw_id ledger_id = {{5}};
    struct pw_buffer buffer;
    struct pw_chain_point point = {0};
    struct pw_leader leader = {.node_id = PW_STR("one"), .incarnation = {{1}}};
    uint8_t *genesis = NULL;
    size_t bytes = 0;
    sim = pw_sim_log_new(1, 1, 0);
    HOLDS(pw_sim_create(sim, &ledger_id, PW_US_PER_MINUTE) == PW_OK);
    HOLDS(pw_sim_get(sim, 0, 0, &genesis, &bytes));
    point.prev = pw_record_hash(genesis, bytes);
    free(genesis);
    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
    while (point.height++ < RECORDS) {
        HOLDS(pw_record_write_leader(&buffer, &point, &leader) == PW_OK);
        end.offset = pw_sim_put(sim, 0, buffer.data, buffer.bytes);
        point.prev = pw_record_hash(buffer.data, buffer.bytes);
    }
    memcpy(end.head, point.prev.bytes, sizeof end.head);
    pw_buffer_close(&buffer);
}

static const struct pw_id tenants[] = {{{1}}, {{2}}, {{3}}};

/* One who has audits made, a turn after the other. */
struct asker {
    struct pw_audit_turns turns; /* First. */
    uint32_t in_turn;            /* Records of this turn, */
    uint32_t taken;              /* and of all. */
    atomic_bool is_done;
    atomic_bool has_left;
    pthread_t left_in; /* That thread. */
    uint32_t over_count;
    pthread_t over_in;
};

static enum pw_audit_go on_record(void *self, const struct pw_chain *chain,
                                  const struct pw_record *record, const void *value,
                                  size_t value_bytes)
{
    struct asker *asker = self;
    (void)chain;
    (void)record;
    (void)value;
    (void)value_bytes;
    asker->taken++;
    return ++asker->in_turn % A_TURN == 0 ? PW_AUDIT_PAUSE : PW_AUDIT_ON;
}

static void on_over(void *self, const struct pw_fold *fold)
{
    struct asker *asker = self;
    HOLDS(fold->state != NULL && fold == &asker->turns.scan.fold);
    asker->over_count++;
    asker->over_in = pthread_self();
}

static void on_done(struct pw_audit_turns *turns)
{
    atomic_store(&((struct asker *)turns)->is_done, true);
}

static void on_left(struct pw_audit_turns *turns)
{
    struct asker *asker = (struct asker *)turns;
    asker->left_in = pthread_self();
    atomic_store(&asker->has_left, true);
}

static void wait_for(atomic_bool *flag)
{
    while (!atomic_load(flag)) {
        sched_yield();
    }
}

static struct pw_auditor *open_auditor(void)
{
    struct pw_auditor *auditor = NULL;
    struct pw_auditor_options options = {
        .open = open_log, .places = PLACES, .partition_count = 1, .clock = pw_clock_system()};
    HOLDS(pw_auditor_new(&options, &auditor, NULL) == PW_OK);
    return auditor;
}

static enum pw_code enter_as(struct pw_auditor *auditor, const struct pw_id *tenant_id, bool folds,
                             struct asker *asker)
{
    *asker = (struct asker){
        .turns = {
            .done = on_done,
            .left = on_left,
            .plan = {.start = {.offset = -1}, .end = end, .record = on_record, .over = on_over}}};
    asker->turns.plan.reader = asker;
    asker->turns.plan.folds = folds ? *tenant_id : asker->turns.plan.folds;
    return pw_auditor_enter(auditor, tenant_id, &asker->turns);
}

/* Two are one tenant's, the next two another's. */
static enum pw_code enter(struct pw_auditor *auditor, size_t number, struct asker *asker)
{
    return enter_as(auditor, &tenants[number / 2], false, asker);
}

static void turn(struct asker *asker)
{
    atomic_store(&asker->is_done, false);
    HOLDS(pw_auditor_turn(&asker->turns) == PW_OK);
}

/* --- What holds --- */

static void scans_go_on_side_by_side(void)
{
    struct asker askers[PLACES];
    struct asker one_more;
    struct pw_auditor *auditor = open_auditor();
    struct pw_auditor_counts counts;
    bool is_over = false;
    for (size_t i = 0; i < PLACES; i++) {
        HOLDS(enter(auditor, i, &askers[i]) == PW_OK);
    }
    HOLDS(enter(auditor, PLACES, &one_more) == PW_ERR_QUEUE_FULL);
    while (!is_over) {
        for (size_t i = 0; i < PLACES; i++) {
            turn(&askers[i]);
        }
        is_over = true;
        for (size_t i = 0; i < PLACES; i++) {
            wait_for(&askers[i].is_done);
            HOLDS(askers[i].turns.scan.code == PW_OK);
            is_over = is_over && askers[i].turns.scan.is_over;
        }
    }
    for (size_t i = 0; i < PLACES; i++) {
        HOLDS(askers[i].taken == RECORDS + 1 && askers[i].turns.scan.is_at_end);
        HOLDS(askers[i].over_count == 1);
        pw_auditor_leave(&askers[i].turns);
        HOLDS(atomic_load(&askers[i].has_left)); /* There was nothing to close any more. */
    }
    pw_auditor_count(auditor, &counts);
    HOLDS(counts.open == 0 && counts.entered == PLACES && counts.refused == 1);
    HOLDS(counts.records == PLACES * (RECORDS + 1));
    HOLDS(enter(auditor, PLACES, &one_more) == PW_OK);
    pw_auditor_leave(&one_more.turns);
    pw_auditor_free(auditor);
}

static void a_tenant_takes_half_of_the_places(void)
{
    struct asker askers[PLACES / 2];
    struct asker one_more;
    struct asker neighbour;
    struct pw_auditor *auditor = open_auditor();
    for (size_t i = 0; i < PLACES / 2; i++) {
        HOLDS(enter_as(auditor, &tenants[0], false, &askers[i]) == PW_OK);
    }
    HOLDS(enter_as(auditor, &tenants[0], false, &one_more) == PW_ERR_QUEUE_FULL);
    HOLDS(enter_as(auditor, &tenants[1], false, &neighbour) == PW_OK);
    pw_auditor_leave(&askers[0].turns);
    HOLDS(enter_as(auditor, &tenants[0], false, &askers[0]) == PW_OK);
    for (size_t i = 0; i < PLACES / 2; i++) {
        pw_auditor_leave(&askers[i].turns);
    }
    pw_auditor_leave(&neighbour.turns);
    pw_auditor_free(auditor);
}

static void one_place_is_for_any_tenant(void)
{
    struct asker asker;
    struct asker one_more;
    struct pw_auditor *auditor = NULL;
    struct pw_auditor_options options = {
        .open = open_log, .places = 1, .partition_count = 1, .clock = pw_clock_system()};
    HOLDS(pw_auditor_new(&options, &auditor, NULL) == PW_OK);
    HOLDS(enter_as(auditor, &tenants[0], true, &asker) == PW_OK);
    HOLDS(enter_as(auditor, &tenants[1], false, &one_more) == PW_ERR_QUEUE_FULL);
    pw_auditor_leave(&asker.turns);
    pw_auditor_free(auditor);
}

/* Nobody waits for the answer to be sent: with its last turn the fold is gone. */
static void one_folds_at_a_time(void)
{
    struct asker first;
    struct asker second;
    struct asker reader;
    struct pw_auditor *auditor = open_auditor();
    HOLDS(enter_as(auditor, &tenants[0], true, &first) == PW_OK);
    while (!first.turns.scan.is_over) {
        HOLDS(first.over_count == 0);
        HOLDS(enter_as(auditor, &tenants[1], true, &second) == PW_ERR_QUEUE_FULL);
        turn(&first);
        wait_for(&first.is_done);
    }
    HOLDS(first.turns.scan.code == PW_OK && first.taken == RECORDS + 1);
    HOLDS(first.over_count == 1 && !pthread_equal(first.over_in, pthread_self()));
    HOLDS(first.turns.scan.fold.state == NULL);
    HOLDS(enter_as(auditor, &tenants[1], true, &second) == PW_OK);
    HOLDS(enter_as(auditor, &tenants[1], false, &reader) == PW_OK);
    pw_auditor_leave(&first.turns);
    pw_auditor_leave(&second.turns); /* In the middle, too, its fold is given back. */
    HOLDS(enter_as(auditor, &tenants[0], true, &first) == PW_OK);
    pw_auditor_leave(&first.turns);
    pw_auditor_leave(&reader.turns);
    pw_auditor_free(auditor);
}

static void who_leaves_in_the_middle_is_closed_elsewhere(void)
{
    struct asker askers[PLACES];
    struct pw_auditor *auditor = open_auditor();
    struct pw_auditor_counts counts;
    for (size_t i = 0; i < PLACES; i++) {
        HOLDS(enter(auditor, i, &askers[i]) == PW_OK);
        turn(&askers[i]);
    }
    for (size_t i = 0; i < PLACES; i++) {
        wait_for(&askers[i].is_done);
        HOLDS(askers[i].taken == A_TURN && !askers[i].turns.scan.is_over);
        pw_auditor_leave(&askers[i].turns);
    }
    for (size_t i = 0; i < PLACES; i++) {
        wait_for(&askers[i].has_left);
        HOLDS(!pthread_equal(askers[i].left_in, pthread_self()));
    }
    do {
        pw_auditor_count(auditor, &counts);
    } while (counts.open > 0);
    pw_auditor_free(auditor);
}

static void a_stop_answers_every_turn(void)
{
    struct asker askers[PLACES];
    struct pw_auditor *auditor = open_auditor();
    for (size_t i = 0; i < PLACES; i++) {
        HOLDS(enter(auditor, i, &askers[i]) == PW_OK);
        turn(&askers[i]);
    }
    pw_auditor_stop(auditor);
    for (size_t i = 0; i < PLACES; i++) {
        HOLDS(atomic_load(&askers[i].is_done));
        HOLDS(pw_auditor_turn(&askers[i].turns) == PW_ERR_STOPPING);
        pw_auditor_leave(&askers[i].turns);
        HOLDS(atomic_load(&askers[i].has_left));
    }
    pw_auditor_free(auditor);
}

int main(void)
{
    fill();
    scans_go_on_side_by_side();
    a_tenant_takes_half_of_the_places();
    one_place_is_for_any_tenant();
    one_folds_at_a_time();
    who_leaves_in_the_middle_is_closed_elsewhere();
    a_stop_answers_every_turn();
    pw_sim_log_free(sim);
    return 0;
}
