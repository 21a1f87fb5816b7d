/* commands/tests/engine_threads.c: two engines, each in its thread, and clients in theirs, on one simulated log: for ThreadSanitizer.
 * Both fork children that write snapshots, while all the other threads run on.
 *
 * The log's time is moved by the clients as they wait, so nothing here sleeps or depends on speed. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "commands/tests/engine_rig.h"

#define CLIENTS          4
#define ASKS_OF_A_CLIENT 50

struct client {
    struct rig *rig;
    struct ask asks[ASKS_OF_A_CLIENT];
    uint32_t yes;
    uint32_t no;
};

static atomic_bool stopping;

/* A job whose answer is handed over between threads. */
struct call {
    struct pw_job job;
    atomic_bool answered;
};

static void answered(struct pw_job *job)
{
    atomic_store_explicit(&((struct call *)job)->answered, true, memory_order_release);
}

static void *run_engine(void *self)
{
    struct pw_engine *engine = self;
    while (!atomic_load(&stopping)) {
        pw_engine_step(engine);
        sched_yield();
    }
    pw_engine_save_snapshots(engine); /* Waits for a child, which would end with this thread. */
    pw_engine_step(engine);
    return NULL;
}

/* Sends to one engine, then to the other, until somebody knows. */
static void insist(struct rig *rig, struct ask *ask, uint32_t node)
{
    struct call call;
    enum pw_error_kind kind = PW_KIND_UNAVAILABLE;
    for (uint32_t tries = 0; kind == PW_KIND_UNAVAILABLE; tries++) {
        CHECK(tries < 100000, "nobody answers");
        call.job = ask->job;
        call.job.err = (struct pw_err){0};
        call.job.done = answered;
        atomic_init(&call.answered, false);
        enum pw_code code = pw_engine_submit(rig->nodes[(node + tries) % 2].engine, &call.job);
        CHECK(code == PW_OK, "%d", code);
        pw_engine_kick(rig->nodes[(node + tries) % 2].engine);
        while (!atomic_load_explicit(&call.answered, memory_order_acquire)) {
            pw_sim_advance(rig->log, 100);
            sched_yield();
        }
        kind = pw_error_info(call.job.err.code)->kind;
    }
    ask->job = call.job;
}

static void *run_client(void *self)
{
    struct client *client = self;
    for (uint32_t i = 0; i < ASKS_OF_A_CLIENT; i++) {
        insist(client->rig, &client->asks[i], i);
        client->yes += client->asks[i].job.err.code == PW_OK;
        client->no += client->asks[i].job.err.code == PW_ERR_SLOT_FULL;
    }
    return NULL;
}

int main(void)
{
    static struct rig rig;
    static struct client clients[CLIENTS];
    pthread_t engines[2];
    pthread_t threads[CLIENTS];
    struct pw_id tenant;
    struct pw_id exam;
    struct pw_id slot;
    rig_open(&rig, 11, 2);
    for (uint32_t i = 0; i < 2; i++) {
        rig_keep_snapshots(&rig, i, 10);
        rig.nodes[i].with_children = true;
        rig_start(&rig, i);
        pthread_create(&engines[i], NULL, run_engine, rig.nodes[i].engine);
    }
    struct pw_id teacher = rig_id(&rig);
    struct ask ask = ask_tenant(&rig, &tenant);
    insist(&rig, &ask, 0);
    ask = ask_draft(&rig, tenant, teacher, &exam);
    insist(&rig, &ask, 0);
    ask = ask_publish(&rig, tenant, teacher, exam);
    insist(&rig, &ask, 0);
    ask = ask_open(&rig, tenant, teacher, exam, pw_sim_now_us(rig.log) + 24 * 60 * PW_US_PER_MINUTE,
                   60, &slot);
    insist(&rig, &ask, 0);
    for (uint32_t c = 0; c < CLIENTS; c++) {
        clients[c].rig = &rig;
        for (uint32_t i = 0; i < ASKS_OF_A_CLIENT; i++) {
            clients[c].asks[i] = ask_reserve(&rig, tenant, rig_id(&rig), slot);
        }
    }
    for (uint32_t c = 0; c < CLIENTS; c++) {
        pthread_create(&threads[c], NULL, run_client, &clients[c]);
    }
    uint32_t yes = 0;
    uint32_t no = 0;
    for (uint32_t c = 0; c < CLIENTS; c++) {
        pthread_join(threads[c], NULL);
        yes += clients[c].yes;
        no += clients[c].no;
    }
    atomic_store(&stopping, true);
    for (uint32_t i = 0; i < 2; i++) {
        struct pw_partition_status status;
        pthread_join(engines[i], NULL);
        pw_engine_status(rig.nodes[i].engine, pw_partition_of(&tenant, 2), &status);
        CHECK(status.snapshot_count > 0 && status.snapshot_failed_count == 0, "engine %u: %s", i,
              rig.nodes[i].warned);
    }
    CHECK(yes == 60 && no == CLIENTS * ASKS_OF_A_CLIENT - 60, "%u yes, %u no", yes, no);
    struct pw_fold fold;
    rig_fold(&rig, pw_partition_of(&tenant, 2), &fold);
    const struct pw_slot *folded = pw_tenant_slot(pw_state_tenant(fold.state, &tenant), &slot);
    CHECK(folded->taken_count == 60, "%u taken", folded->taken_count);
    pw_fold_close(&fold);
    rig_close(&rig);
    puts("1 passed, 0 failed");
    return 0;
}
