/* commands/engine_queue.c: jobs wait in lanes, one a boundary, so that a busy boundary does not
 * starve its neighbours. */
#include <stdlib.h>

#include "commands/engine_internal.h"
#include "commands/memory.h"

void list_push(struct job_list *list, struct pw_job *job)
{
    job->next = NULL;
    if (list->last == NULL) {
        list->first = job;
    } else {
        list->last->next = job;
    }
    list->last = job;
}

void list_push_front(struct job_list *list, struct pw_job *job)
{
    job->next = list->first;
    list->first = job;
    if (list->last == NULL) {
        list->last = job;
    }
}

struct pw_job *list_pop(struct job_list *list)
{
    struct pw_job *job = list->first;
    if (job != NULL) {
        list->first = job->next;
        if (list->first == NULL) {
            list->last = NULL;
        }
        job->next = NULL;
    }
    return job;
}

static void turn_push(struct partition *partition, struct lane *lane)
{
    lane->next = NULL;
    if (partition->last_lane == NULL) {
        partition->first_lane = lane;
    } else {
        partition->last_lane->next = lane;
    }
    partition->last_lane = lane;
}

static struct lane *lane_of(struct partition *partition, const struct pw_id *boundary_id)
{
    struct lane *lane = NULL;
    const void *found = pw_map_get(partition->lanes, boundary_id);
    if (found != NULL) {
        memcpy(&lane, found, sizeof lane);
        return lane;
    }
    lane = partition->engine->free_lanes;
    if (lane != NULL) {
        partition->engine->free_lanes = lane->next;
    } else {
        lane = pw_memory_new(1, sizeof *lane);
    }
    *lane = (struct lane){.boundary_id = *boundary_id};
    memcpy(pw_map_put(partition->lanes, boundary_id, NULL), &lane, sizeof lane);
    turn_push(partition, lane);
    return lane;
}

void queue_push(struct partition *partition, struct pw_job *job)
{
    list_push(&lane_of(partition, &job->boundary_id)->jobs, job);
}

void queue_push_front(struct partition *partition, struct pw_job *job)
{
    list_push_front(&lane_of(partition, &job->boundary_id)->jobs, job);
}

struct lane *queue_next_lane(struct partition *partition)
{
    struct lane *lane = partition->first_lane;
    if (lane != NULL) {
        partition->first_lane = lane->next;
        if (partition->first_lane == NULL) {
            partition->last_lane = NULL;
        }
        lane->next = NULL;
    }
    return lane;
}

void queue_give_back(struct partition *partition, struct lane *lane)
{
    if (lane->jobs.first != NULL) {
        turn_push(partition, lane);
        return;
    }
    pw_map_remove(partition->lanes, &lane->boundary_id, NULL);
    lane->next = partition->engine->free_lanes;
    partition->engine->free_lanes = lane;
}

/* Why nobody decides for the partition: what a job is told that waited too long. */
static enum pw_code why_not(const struct partition *partition, const struct pw_job *job)
{
    if (partition->phase == PW_PHASE_STOPPED || partition->problem.code == PW_ERR_CLOCK_OFF) {
        return partition->problem.code;
    }
    if (job->was_in_flight) {
        return PW_ERR_OUTCOME_UNKNOWN;
    }
    return partition->engine->down ? PW_ERR_LEDGER_DOWN : PW_ERR_NO_LEADER;
}

void queue_expire(struct partition *partition, bool all)
{
    struct lane *last = partition->last_lane;
    struct lane *lane = NULL;
    bool elsewhere = partition->led_elsewhere && partition->phase != PW_PHASE_STOPPED;
    all = all || partition->phase == PW_PHASE_STOPPED || elsewhere;
    while (lane != last && (lane = queue_next_lane(partition)) != NULL) {
        struct pw_job *job = lane->jobs.first;
        while (job != NULL && (all || partition->engine->boot_us >= job->give_up_boot_us)) {
            list_pop(&lane->jobs);
            if (elsewhere) {
                memcpy(job->led_by, partition->leader_node_id, sizeof job->led_by);
            }
            job_turn_away(partition, job, elsewhere ? PW_ERR_NO_LEADER : why_not(partition, job),
                          "");
            job = lane->jobs.first;
        }
        queue_give_back(partition, lane);
    }
}

static void finish_one(struct partition *partition, struct pw_job *job)
{
    if (!job->is_due) { /* Those came through no queue. */
        atomic_fetch_sub(&partition->engine->queued_count, 1);
    }
    job->next = NULL;
    job->done(job);
}

void job_finish(struct partition *partition, struct pw_job *job)
{
    struct pw_job *waiter = job->waiters;
    job->waiters = NULL;
    while (waiter != NULL) {
        struct pw_job *next = waiter->next;
        if (memcmp(&waiter->fingerprint, &job->fingerprint, sizeof job->fingerprint) == 0) {
            waiter->err = job->err;
            waiter->stream_id = job->stream_id;
            waiter->stream_version = job->stream_version;
            waiter->position = job->position;
            waiter->replayed = true;
            finish_one(partition, waiter);
        } else {
            job_refuse_key(partition, waiter);
        }
        partition->counters.replayed_count++;
        waiter = next;
    }
    finish_one(partition, job);
}

void job_turn_away(struct partition *partition, struct pw_job *job, enum pw_code code,
                   const char *detail)
{
    assert(job->waiters == NULL);
    job->err = (struct pw_err){0};
    pw_fail(&job->err, code, "%s", detail);
    job->stream_id = (struct pw_id){0};
    job->stream_version = 0;
    job->replayed = job->replayed && job->led_by[0] != '\0';
    job->position = (struct pw_position){.partition = partition->number, .offset = -1};
    finish_one(partition, job);
}

void job_put_back(struct partition *partition, struct pw_job *job)
{
    if (job->is_due) {
        job_turn_away(partition, job, PW_ERR_NO_LEADER, "");
    } else {
        queue_push_front(partition, job);
    }
}

/* It says nothing about the request that the key belongs to. */
void job_refuse_key(struct partition *partition, struct pw_job *job)
{
    job_turn_away(partition, job, PW_ERR_KEY_REUSED,
                  "the key belongs to a request with other content");
}
