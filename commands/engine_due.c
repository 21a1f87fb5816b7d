/* commands/engine_due.c: what time alone brings about is written by the leader: once it is due, and before whatever it bears on. */
#include <stdlib.h>

#include "commands/engine_internal.h"
#include "commands/memory.h"

static void forget(struct pw_job *job)
{
    free(job);
}

/* False when the log took no more. */
static bool issue(struct partition *partition, const struct pw_due *due)
{
    struct pw_job *job = pw_memory_new(1, sizeof *job);
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
    atomic_fetch_add(&partition->engine->queued_count, 1);
    return decide_job(partition, job, decide_at_us(partition));
}

bool due_before(struct partition *partition, const struct pw_job *job)
{
    const struct pw_tenant *tenant = pw_state_tenant(partition->fold.state, &job->boundary_id);
    struct pw_due due;
    while (pw_due_before(tenant, &job->command, &job->actor_id, decide_at_us(partition), &due)) {
        if (!decide_fits(partition, 2) || !issue(partition, &due)) {
            return false;
        }
    }
    return true;
}

void due_turn(struct partition *partition)
{
    struct pw_due due;
    for (uint32_t i = 0; i < partition->engine->config.due_max &&
                         !partition->engine->renew_wanted && decide_fits(partition, 1) &&
                         pw_due_next(partition->fold.state, decide_at_us(partition), &due);
         i++) {
        issue(partition, &due);
    }
}

int64_t due_boot_us(const struct partition *partition)
{
    int64_t due_at_us = pw_due_at(partition->fold.state);
    int64_t now_us = decide_at_us(partition);
    if (due_at_us == INT64_MAX) {
        return NEVER;
    }
    return partition->engine->boot_us + (due_at_us > now_us ? due_at_us - now_us : 0);
}
