/* commands/tests/engine_kafka.c: engines on the real Kafka (PW_TEST_KAFKA), with reports falsified between adapter and engine, a
 * stranger's junk in the topic, and two engines that both believe they lead. */
#include <sched.h>
#include <time.h>

#include "commands/tests/engine_rig.h"
#include "eventstore/tests/kafka_rig.h"

#define ASKS      200
#define TRIES_MAX 100000

/* A ledger whose every third report is wrong: no offset, one that is too low, or one that is too high. */
struct liar {
    struct pw_ledger inner;
    uint64_t report_count;
    uint64_t lie_count;
    bool honest;
};

static enum pw_code liar_check(void *self, struct pw_err *err)
{
    struct liar *liar = self;
    return liar->inner.check(liar->inner.self, err);
}

static enum pw_code liar_append(void *self, uint32_t partition, struct pw_str key_text,
                                const void *value, size_t value_bytes, uint64_t tag,
                                struct pw_err *err)
{
    struct liar *liar = self;
    return liar->inner.append(liar->inner.self, partition, key_text, value, value_bytes, tag, err);
}

static void liar_flush(void *self)
{
    struct liar *liar = self;
    liar->inner.flush(liar->inner.self);
}

static enum pw_code liar_read_from(void *self, uint32_t partition, int64_t offset,
                                   struct pw_err *err)
{
    struct liar *liar = self;
    return liar->inner.read_from(liar->inner.self, partition, offset, err);
}

static void liar_read_stop(void *self, uint32_t partition)
{
    struct liar *liar = self;
    liar->inner.read_stop(liar->inner.self, partition);
}

static uint64_t liar_size(void *self, uint32_t partition)
{
    struct liar *liar = self;
    return liar->inner.size(liar->inner.self, partition);
}

static void liar_next(void *self, int timeout_ms, struct pw_ledger_event *ret_event)
{
    struct liar *liar = self;
    liar->inner.next(liar->inner.self, timeout_ms, ret_event);
    if (ret_event->kind == PW_LEDGER_DELIVERED && !liar->honest && ++liar->report_count % 3 == 0) {
        const int64_t lies[] = {-1, 0, ret_event->offset + 2};
        ret_event->offset = lies[liar->lie_count++ % PW_COUNT(lies)];
    }
}

static enum pw_code liar_renew(void *self, struct pw_err *err)
{
    struct liar *liar = self;
    return liar->inner.renew(liar->inner.self, err);
}

static void liar_close(void *self)
{
    struct liar *liar = self;
    liar->inner.close(liar->inner.self);
}

static void liar_saw(void *self, uint32_t partition, int64_t offset)
{
    struct liar *liar = self;
    liar->inner.saw(liar->inner.self, partition, offset);
}

static struct pw_ledger liar_on(struct liar *liar)
{
    return (struct pw_ledger){
        .self = liar,
        .partition_count = liar->inner.partition_count,
        .check = liar_check,
        .append = liar_append,
        .flush = liar_flush,
        .read_from = liar_read_from,
        .read_stop = liar_read_stop,
        .saw = liar_saw,
        .size = liar_size,
        .next = liar_next,
        .renew = liar_renew,
        .close = liar_close,
    };
}

/* --- Engines on a topic of their own --- */

struct house {
    struct kafka_rig kafka;
    struct rig rig; /* For its asks and ids; its log is only a calendar. */
    struct liar liars[2];
    struct pw_clock clock;
    struct pw_id tenant;
    struct pw_id slot;
};

static void wake_nobody(void *self)
{
    (void)self;
}

static enum pw_liveness nobody_lives(void *self, struct pw_str node_id,
                                     const struct pw_id *incarnation, uint32_t partition)
{
    (void)self;
    (void)node_id;
    (void)incarnation;
    (void)partition;
    return PW_PEER_DEAD;
}

static void start(struct house *house, uint32_t node, bool honest)
{
    static const char *const names[] = {"node-0", "node-1"};
    const uint32_t partition = 0;
    struct liar *liar = &house->liars[node];
    struct pw_ledger_wake wake = {NULL, wake_nobody};
    struct pw_err err = {0};
    *liar = (struct liar){.honest = honest};
    CHECK(pw_kafka_open(&house->kafka.config, wake, 10000, &liar->inner, &err) == PW_OK, "%s",
          err.detail);
    struct pw_engine_config config = {
        .ledger = liar_on(liar),
        .partitions = &partition,
        .partition_count = 1,
        .node_id = names[node],
        .incarnation = rig_id(&house->rig),
        .clock = house->clock,
        .peers = {.leads = nobody_lives},
        .wake = wake,
    };
    house->rig.nodes[node].engine = pw_engine_new(&config, &err);
    CHECK(house->rig.nodes[node].engine != NULL, "%s", err.detail);
}

static void house_open(struct house *house, uint64_t seed)
{
    struct pw_err err = {0};
    bool created;
    *house = (struct house){.clock = pw_clock_system()};
    int64_t now_us = house->clock.wall_us(NULL);
    house->rig.random = seed ^ (uint64_t)now_us;
    house->rig.log = pw_sim_log_new(1, seed, now_us);
    kafka_rig_open(&house->kafka);
    struct pw_ledger_plan plan = {1, 1, RIG_HORIZON_US, rig_id(&house->rig)};
    struct pw_id ledger_id;
    CHECK(pw_kafka_create(&house->kafka.config, &plan, &created, &ledger_id, &err) == PW_OK, "%s",
          err.detail);
}

static void house_close(struct house *house)
{
    rig_close(&house->rig);
    kafka_rig_close(&house->kafka);
}

/* To one node, then to the next, until somebody knows. */
static enum pw_code insist(struct house *house, struct ask *ask, uint32_t node_count)
{
    int64_t give_up_us = house->clock.boot_us(NULL) + 120 * PW_US_PER_SECOND;
    for (uint32_t tries = 0;; tries++) {
        rig_send(&house->rig, tries % node_count, ask);
        while (!ask->answered) {
            for (uint32_t i = 0; i < node_count; i++) {
                pw_engine_step(house->rig.nodes[i].engine);
            }
            sched_yield();
            CHECK(house->clock.boot_us(NULL) < give_up_us, "no answer in two minutes");
        }
        if (pw_error_info(ask->job.err.code)->kind != PW_KIND_UNAVAILABLE) {
            return ask->job.err.code;
        }
    }
}

static void furnish(struct house *house, uint32_t capacity, uint32_t node_count)
{
    struct rig *rig = &house->rig;
    struct pw_id teacher = rig_id(rig);
    struct pw_id exam;
    struct ask ask = ask_tenant(rig, &house->tenant);
    CHECK(insist(house, &ask, node_count) == PW_OK, "%s", ask.job.err.detail);
    ask = ask_draft(rig, house->tenant, teacher, &exam);
    CHECK(insist(house, &ask, node_count) == PW_OK, "%s", ask.job.err.detail);
    ask = ask_publish(rig, house->tenant, teacher, exam);
    CHECK(insist(house, &ask, node_count) == PW_OK, "%s", ask.job.err.detail);
    ask = ask_open(rig, house->tenant, teacher, exam,
                   house->clock.wall_us(NULL) + 3600 * PW_US_PER_SECOND, capacity, &house->slot);
    CHECK(insist(house, &ask, node_count) == PW_OK, "%s", ask.job.err.detail);
}

/* Reads the topic from the start; the number of commits that carry an id of the asks, each at most once. */
static uint32_t count_commits(struct house *house, const struct ask *asks, struct pw_fold *fold)
{
    struct pw_ledger ledger;
    struct pw_ledger_wake wake = {NULL, wake_nobody};
    struct pw_ledger_event event = {0};
    struct pw_err err = {0};
    uint32_t found[ASKS] = {0};
    uint32_t count = 0;
    CHECK(pw_kafka_open(&house->kafka.config, wake, 10000, &ledger, &err) == PW_OK, "%s",
          err.detail);
    CHECK(ledger.read_from(ledger.self, 0, 0, &err) == PW_OK, "%s", err.detail);
    pw_fold_init(fold, 0);
    while (event.kind != PW_LEDGER_END) {
        struct pw_record record;
        ledger.next(ledger.self, 100, &event);
        if (event.kind != PW_LEDGER_RECORD ||
            pw_fold_take(fold, event.offset, event.value, event.value_bytes, NULL, &record) !=
                PW_CHAIN_ACCEPTED ||
            record.kind != PW_RECORD_COMMIT) {
            continue;
        }
        for (uint32_t i = 0; i < ASKS; i++) {
            found[i] += pw_id_equal(&record.commit.command_id, &asks[i].job.command_id);
        }
    }
    ledger.close(ledger.self);
    CHECK(fold->chain.stopped.code == PW_OK, "%s", fold->chain.stopped.detail);
    for (uint32_t i = 0; i < ASKS; i++) {
        CHECK(found[i] == (asks[i].job.err.code == PW_OK), "ask %u: told %s, carried out %u times",
              i, pw_error_info(asks[i].job.err.code)->name, found[i]);
        count += found[i];
    }
    return count;
}

static void wrong_reports(void)
{
    static struct house house;
    static struct ask asks[ASKS];
    struct pw_partition_status status;
    struct pw_fold fold;
    house_open(&house, 1);
    start(&house, 0, false);
    furnish(&house, ASKS, 1);
    for (uint32_t i = 0; i < ASKS; i++) {
        if (i % 10 == 0) {
            kafka_rig_put(&house.kafka, 0, "junk", 4);
        }
        asks[i] = ask_reserve(&house.rig, house.tenant, rig_id(&house.rig), house.slot);
        CHECK(insist(&house, &asks[i], 1) == PW_OK, "%s", asks[i].job.err.detail);
    }
    CHECK(count_commits(&house, asks, &fold) == ASKS, "every booking counts");
    pw_engine_status(house.rig.nodes[0].engine, 0, &status);
    CHECK(house.liars[0].lie_count > ASKS / 4, "%llu lies",
          (unsigned long long)house.liars[0].lie_count);
    CHECK(status.void_count == ASKS / 10, "%llu void", (unsigned long long)status.void_count);
    CHECK(status.step_down_count == 0, "%llu step-downs",
          (unsigned long long)status.step_down_count);
    printf("%llu wrong reports, %llu void records, no step-down\n",
           (unsigned long long)house.liars[0].lie_count, (unsigned long long)status.void_count);
    pw_fold_close(&fold);
    house_close(&house);
}

static uint64_t step_downs_of(struct house *house)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < 2; i++) {
        struct pw_partition_status status;
        pw_engine_status(house->rig.nodes[i].engine, 0, &status);
        count += status.step_down_count;
    }
    return count;
}

static void two_leaders(void)
{
    static struct house house;
    static struct ask asks[ASKS];
    struct pw_fold fold;
    house_open(&house, 2);
    start(&house, 0, true);
    start(&house, 1, true);
    furnish(&house, ASKS / 2, 2);
    for (uint32_t i = 0; i < ASKS; i++) {
        asks[i] = ask_reserve(&house.rig, house.tenant, rig_id(&house.rig), house.slot);
        enum pw_code code = insist(&house, &asks[i], 2);
        CHECK(code == PW_OK || code == PW_ERR_SLOT_FULL, "%s", pw_error_info(code)->name);
    }
    /* Who lost the first race bids again a second later: asked on until then, if need be. */
    for (uint32_t tries = 0; tries < TRIES_MAX && step_downs_of(&house) == 0; tries++) {
        struct ask late = ask_reserve(&house.rig, house.tenant, rig_id(&house.rig), house.slot);
        CHECK(insist(&house, &late, 2) == PW_ERR_SLOT_FULL, "sold twice");
    }
    CHECK(count_commits(&house, asks, &fold) == ASKS / 2, "every seat is sold once");
    const struct pw_slot *slot =
        pw_tenant_slot(pw_state_tenant(fold.state, &house.tenant), &house.slot);
    CHECK(slot->taken_count == ASKS / 2, "%u taken", slot->taken_count);
    CHECK(step_downs_of(&house) > 0, "nothing was provoked");
    printf("two leaders: %llu step-downs, %llu void records\n",
           (unsigned long long)step_downs_of(&house), (unsigned long long)fold.chain.void_count);
    pw_fold_close(&fold);
    house_close(&house);
}

int main(void)
{
    static const struct check_case cases[] = {
        {"wrong reports are seen through", wrong_reports},
        {"two leaders sell every seat once", two_leaders},
    };
    return check_all(cases, PW_COUNT(cases));
}
