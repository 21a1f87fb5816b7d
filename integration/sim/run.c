/* integration/sim/run.c: one run, from an empty ledger to the verdict. */
#include "integration/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "integration/sim/verdict.h"

#define LINGER_US  (20 * PW_US_PER_SECOND) /* After the last command was sent, faults go on. */
#define IDLE_US    (65 * PW_US_PER_SECOND) /* Longer than the shortest hold. */
#define IDLE_EVERY 12000                   /* Turns. */
#define SETTLE_MAX (180 * PW_US_PER_SECOND)

const char *const sim_fault_names[FAULT_COUNT] = {
#define SIM_FAULT(name, text) [FAULT_##name] = (text),
#include "integration/sim/words.def"
};

const char *const sim_effect_names[EFFECT_COUNT] = {
#define SIM_EFFECT(name, text) [EFFECT_##name] = (text),
#include "integration/sim/words.def"
};

struct verdict *sim_verdict;

uint64_t sim_draw(uint64_t *random, uint64_t below)
{
    uint64_t x = *random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64. */
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return below == 0 ? x : x % below;
}

bool sim_chance(uint64_t *random, uint32_t per_mille)
{
    return per_mille > 0 && sim_draw(random, 1000) < per_mille;
}

int64_t sim_now(const struct world *world)
{
    return world->now_us;
}

struct pw_id sim_id(struct world *world, uint64_t *random)
{
    uint64_t bytes[2] = {sim_draw(random, 0), sim_draw(random, 0)};
    return pw_id_v7(sim_now(world), (const uint8_t *)bytes);
}

void sim_effect(struct world *world, enum effect effect, uint64_t count)
{
    world->tally->effects[effect] += count;
}

void sim_trace(const struct world *world, const char *format, ...)
{
    if (world->plan.trace) {
        va_list args;
        int64_t ms = (sim_now(world) - START_US) / PW_US_PER_MS;
        printf("%4lld.%03lld  ", (long long)(ms / 1000), (long long)(ms % 1000));
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        putchar('\n');
    }
}

void sim_fail(const struct world *world, const char *rule, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    snprintf(sim_verdict->rule, sizeof sim_verdict->rule, "%s", rule);
    vsnprintf(sim_verdict->text, sizeof sim_verdict->text, format, args);
    va_end(args);
    sim_trace(world, "BROKEN %s: %s", rule, sim_verdict->text);
    fflush(stdout);
    _exit(1);
}

void sim_turn(struct world *world, int64_t us)
{
    pw_sim_advance(world->log, us);
    world->now_us += us;
    nodes_turn(world);
}

static void world_open(struct world *world, const struct plan *plan, struct tally *tally)
{
    static const int64_t horizons_us[] = {24 * 60 * PW_US_PER_MINUTE, 24 * 60 * PW_US_PER_MINUTE,
                                          10 * PW_US_PER_MINUTE, 2 * PW_US_PER_MINUTE};
    uint64_t random = plan->seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
    *world = (struct world){.plan = *plan, .tally = tally, .now_us = START_US};
    world->keys = keys_new(world); /* First: from here on libsodium draws from the seed. */
    world->random_commands = sim_draw(&random, 0);
    world->random_faults = sim_draw(&random, 0);
    world->random_turn = sim_draw(&random, 0);
    world->random_net = sim_draw(&random, 0);
    world->random_keys = sim_draw(&random, 0);
    world->node_count = 2 + (uint32_t)sim_draw(&random, 3);
    world->partition_count = 1 + (uint32_t)sim_draw(&random, 3);
    world->tenant_count = 1 + (uint32_t)sim_draw(&random, TENANTS_MAX);
    world->student_count = 6 + (uint32_t)sim_draw(&random, 20);
    world->client_count = 4 + (uint32_t)sim_draw(&random, CLIENTS_MAX - 3);
    world->think_us_max =
        (int64_t)(10 + sim_draw(&random, 390)) * PW_US_PER_MS * world->client_count / 8;
    world->horizon_us = horizons_us[sim_draw(&random, PW_COUNT(horizons_us))];
    world->log = pw_sim_log_new(world->partition_count, sim_draw(&random, 0), START_US);
    world->ledger_id = sim_id(world, &random);
    pw_sim_create(world->log, &world->ledger_id, world->horizon_us);
    world->ops = calloc(OPS_MAX, sizeof *world->ops);
    world->appends = appends_new();
    world->store = store_new(world);
    if (world->ops == NULL) {
        abort();
    }
}

static void world_close(struct world *world)
{
    clients_close(world);
    nodes_close(world);
    store_free(world->store);
    keys_free(world->keys);
    appends_free(world->appends);
    free(world->ops);
    pw_sim_log_free(world->log);
}

/* Nobody asks for anything, so that what is held runs out. */
static void idle(struct world *world)
{
    int64_t until_us = sim_now(world) + IDLE_US;
    while (sim_now(world) < until_us) {
        faults_turn(world);
        sim_turn(world, (int64_t)(1 + sim_draw(&world->random_turn, 100)) * PW_US_PER_MS);
    }
}

/* With everything that may go wrong, until the commands are through or take too long. */
static void storm(struct world *world)
{
    int64_t until_us = INT64_MAX;
    while (!clients_done(world) && sim_now(world) < until_us) {
        bool lull = sim_now(world) < world->lull_until_us;
        uint64_t ms =
            lull ? 2 + sim_draw(&world->random_turn, 12) : 1 + sim_draw(&world->random_turn, 4);
        if (sim_draw(&world->random_turn, IDLE_EVERY) == 0) {
            idle(world);
        }
        faults_turn(world);
        clients_turn(world);
        sim_turn(world, (int64_t)ms * PW_US_PER_MS);
        if (until_us == INT64_MAX && world->op_count >= world->plan.commands) {
            until_us = sim_now(world) + (int64_t)sim_draw(&world->random_turn, LINGER_US);
        }
    }
}

/* Nothing goes wrong any more: everybody gets an answer, everything comes together. */
static void calm(struct world *world)
{
    int64_t until_us = sim_now(world) + SETTLE_MAX;
    while (!clients_done(world)) {
        clients_turn(world);
        sim_turn(world, 5 * PW_US_PER_MS);
        if (sim_now(world) >= until_us) {
            sim_fail(world, "answered in the end", "a command has no answer after %lld s of calm",
                     (long long)(SETTLE_MAX / PW_US_PER_SECOND));
        }
    }
    nodes_settle(world);
}

void sim_run(const struct plan *plan, struct tally *tally)
{
    struct world *world = malloc(sizeof *world);
    if (world == NULL) {
        abort();
    }
    world_open(world, plan, tally);
    nodes_open(world);
    clients_furnish(world);
    faults_choose(world);
    storm(world);
    faults_end(world);
    calm(world);
    if (world->loses_at_rest) {
        store_lose(world->store);
        nodes_settle(world);
    }
    judge(world, false);
    keys_land(world);
    for (uint32_t i = 0; i < world->node_count; i++) {
        node_crash(&world->nodes[i]);
        node_start(&world->nodes[i]);
    }
    clients_ask_again(world);
    calm(world);
    judge(world, true);
    if (world->rates[FAULT_REPLACE] > 0) {
        faults_replace_log(world);
    }
    tally->simulated_us += (uint64_t)(sim_now(world) - START_US);
    world_close(world);
    free(world);
}
