/* commands/engine_due.c: what time alone brings about is written by the leader: once it is due, and before whatever it bears on. */
#include <stdlib.h>

#include "commands/engine_internal.h"
#include "commands/memory.h"

#define DUE_BEFORE_MAX 1024 /* For one job, before others have a turn. */

static void forget(struct pw_job *job)
{
    free(job);
}

/* False where no record was written: the log took no more, or the state is not what it should be. */
static bool issue(struct partition *partition, const struct pw_due *due)
{
    struct pw_job *job = pw_memory_new(1, sizeof *job);
    uint64_t seq = partition->next_seq;
    *job = (struct pw_job){.command = due->command,
                           .boundary_id = due->tenant_id,
                           .command_id = due->command_id,
                           .actor_id = pw_system_id,
                           .correlation_id = due->command_id,
                           .role = PW_ROLE_SYSTEM,
                           .if_match = -1,
                           .done = forget,
                           .is_due = true};
    job->memory_key = pw_remembered_key(&job->boundary_id, &job->actor_id, &job->command_id);
    decide_job(partition, job, decide_at_us(partition));
    if (seq == partition->next_seq && !partition->engine->renew_wanted) {
        engine_log(partition, "error", "%s is due and cannot be decided",
                   pw_command_info(due->command.type)->name);
        partition->due_retry_boot_us = partition->engine->boot_us + RETRY_MAX_US;
    }
    return seq != partition->next_seq;
}

bool due_before(struct partition *partition, const struct pw_job *job)
{
    const struct pw_tenant *tenant = pw_state_tenant(partition->fold.state, &job->boundary_id);
    struct pw_due due;
    uint32_t count = 0;
    while (pw_due_before(tenant, &job->command, &job->actor_id, decide_at_us(partition), &due)) {
        if (count++ == DUE_BEFORE_MAX || !decide_fits(partition, 2)) {
            return false;
        }
        if (!issue(partition, &due)) {
            return !partition->engine->renew_wanted; /* What cannot be decided holds nobody up. */
        }
    }
    return true;
}

static bool is_asked(const struct pw_engine *engine)
{
    for (uint32_t i = 0; i < engine->partition_count; i++) {
        if (engine->partitions[i].first_lane != NULL) {
            return true;
        }
    }
    return false;
}

/* Who asks waits for the answer; nobody does for what follows by itself. So a crowd of that leaves room, and has its share of a turn that is long. */
static uint32_t turn_max(const struct partition *partition)
{
    uint32_t due_max = partition->engine->config.due_max;
    bool leaves_room = due_max >= PW_DUE_SHARE && is_asked(partition->engine);
    uint32_t most = leaves_room ? due_max / PW_DUE_SHARE : due_max;
    uint32_t share = partition->turn_jobs / PW_DUE_SHARE;
    return share > most ? share : most;
}

void due_turn(struct partition *partition)
{
    struct pw_due due;
    uint32_t count = 0;
    uint32_t count_max = turn_max(partition);
    while (due_boot_us(partition) <= partition->engine->boot_us && count++ < count_max &&
           !partition->engine->renew_wanted && decide_fits(partition, 1) &&
           pw_due_next(partition->fold.state, decide_at_us(partition), &due)) {
        issue(partition, &due);
    }
}

/* Who is about to stop leaves it to who comes next. */
int64_t due_boot_us(const struct partition *partition)
{
    int64_t due_at_us = pw_due_at(partition->fold.state);
    int64_t now_us = decide_at_us(partition);
    if (due_at_us == INT64_MAX || partition->engine->bids_no_more) {
        return NEVER;
    }
    int64_t wait_us = due_at_us > now_us ? due_at_us - now_us : 0;
    int64_t due_boot_us = partition->engine->boot_us + wait_us;
    return due_boot_us > partition->due_retry_boot_us ? due_boot_us : partition->due_retry_boot_us;
}
