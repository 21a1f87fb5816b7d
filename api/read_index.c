/* api/read_index.c: whether this node has read all that anybody was told before a request came. */
#include "api/read_index.h"

#include <stdlib.h>

#include "commands/memory.h"
#include "schemas/condition.h"

#define EVENTS_MAX 256  /* At a time: who waits is looked at in between. */
#define STEP_MS    1    /* While anybody waits. */
#define AGAIN_MS   100  /* Where there is no handle. */
#define IDLE_MS    1000 /* While nobody does: what the handle has to say is thrown away. */

struct pw_read_index {
    struct pw_read_index_options options;
    struct pw_ledger ledger; /* The thread's own, as all down to the lock. */
    bool is_open;
    bool *reading; /* By partition. */
    struct pw_read_index_job *jobs;
    pthread_t thread;
    pthread_mutex_t lock; /* Guards what follows. */
    pthread_cond_t changed;
    struct pw_read_index_job *incoming;
    bool stopping;
    bool has_stopped;
};

static void reading_stop(struct pw_read_index *index, uint32_t partition)
{
    if (index->reading[partition]) {
        index->reading[partition] = false;
        index->ledger.read_stop(index->ledger.self, partition);
    }
}

/* From one before what is there to be read: a log that has nothing new to give says so later. */
static bool reading_start(struct pw_read_index *index, uint32_t partition)
{
    struct pw_ledger *ledger = &index->ledger;
    struct pw_err err = {0};
    int64_t from = index->options.next_offset(index->options.self, partition) - 1;
    if (from >= 0) {
        ledger->saw(ledger->self, partition, from);
    }
    index->reading[partition] =
        ledger->read_from(ledger->self, partition, from >= 0 ? from : 0, &err) == PW_OK;
    return index->reading[partition];
}

/* Jobs that came while their partition was being asked wait for the next question: that one was asked before they came. */
static void ask(struct pw_read_index *index)
{
    for (struct pw_read_index_job *job = index->jobs; job != NULL; job = job->next) {
        uint32_t partition = job->partition;
        if (job->is_asked || index->reading[partition] || !reading_start(index, partition)) {
            continue;
        }
        for (struct pw_read_index_job *other = job; other != NULL; other = other->next) {
            other->is_asked = other->is_asked || other->partition == partition;
        }
    }
}

static int64_t boot_us(const struct pw_read_index *index)
{
    return index->options.clock.boot_us(index->options.clock.self);
}

static void take_end(struct pw_read_index *index, const struct pw_ledger_event *event)
{
    int64_t now_us = boot_us(index);
    for (struct pw_read_index_job *job = index->jobs; job != NULL; job = job->next) {
        if (job->is_asked && job->partition == event->partition && job->end < 0) {
            job->end = event->offset;
            job->until_boot_us = now_us + PW_READ_INDEX_READ_US;
        }
    }
    reading_stop(index, event->partition);
}

static void listen(struct pw_read_index *index, int timeout_ms)
{
    struct pw_ledger_event event = {.kind = PW_LEDGER_DOWN};
    for (int i = 0; i < EVENTS_MAX && event.kind != PW_LEDGER_NOTHING; i++) {
        index->ledger.next(index->ledger.self, i == 0 ? timeout_ms : 0, &event);
        if (event.kind == PW_LEDGER_END && index->reading[event.partition]) {
            take_end(index, &event);
        } else if (event.kind == PW_LEDGER_LOST) {
            reading_stop(index, event.partition);
        }
    }
}

/* Whether anybody still wants to know what is being read. */
static bool is_wanted(const struct pw_read_index *index, uint32_t partition)
{
    for (const struct pw_read_index_job *job = index->jobs; job != NULL; job = job->next) {
        if (job->partition == partition && job->is_asked && job->end < 0) {
            return true;
        }
    }
    return false;
}

static void answer(struct pw_read_index *index)
{
    int64_t now_us = boot_us(index);
    struct pw_read_index_job **at = &index->jobs;
    while (*at != NULL) {
        struct pw_read_index_job *job = *at;
        job->is_current = job->end >= 0 && index->options.next_offset(index->options.self,
                                                                      job->partition) >= job->end;
        if (!job->is_current && now_us < job->until_boot_us) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        uint32_t partition = job->partition;
        job->done(job); /* It is gone. */
        if (index->reading[partition] && !is_wanted(index, partition)) {
            reading_stop(index, partition);
        }
    }
}

/* Nobody waits, or there is no handle to ask by. */
static void pause(struct pw_read_index *index)
{
    int64_t wait_ms = index->jobs != NULL ? AGAIN_MS : IDLE_MS;
    struct timespec until = pw_condition_deadline(wait_ms * PW_US_PER_MS);
    pthread_cond_timedwait(&index->changed, &index->lock, &until);
}

/* Takes over what came. False at the end. */
static bool take_incoming(struct pw_read_index *index)
{
    pthread_mutex_lock(&index->lock);
    if (!index->stopping && index->incoming == NULL && (index->jobs == NULL || !index->is_open)) {
        pause(index);
    }
    struct pw_read_index_job *incoming = index->incoming;
    index->incoming = NULL;
    bool goes_on = !index->stopping;
    pthread_mutex_unlock(&index->lock);
    while (incoming != NULL) {
        struct pw_read_index_job *job = incoming;
        incoming = job->next;
        job->next = index->jobs;
        index->jobs = job;
    }
    return goes_on;
}

static void *run(void *self)
{
    struct pw_read_index *index = self;
    struct pw_err err = {0};
    do {
        if (index->is_open) {
            ask(index);
            listen(index, index->jobs != NULL ? STEP_MS : 0);
        }
        answer(index); /* Before there is a handle, too: to open one may take seconds. */
        index->is_open = index->is_open ||
                         index->options.open(index->options.self, &index->ledger, &err) == PW_OK;
    } while (take_incoming(index));
    while (index->jobs != NULL) {
        struct pw_read_index_job *job = index->jobs;
        index->jobs = job->next;
        job->is_current = false;
        job->done(job);
    }
    if (index->is_open) {
        index->ledger.close(index->ledger.self);
    }
    return NULL;
}

enum pw_code pw_read_index_new(const struct pw_read_index_options *options,
                               struct pw_read_index **ret_index, struct pw_err *err)
{
    struct pw_read_index *index = pw_memory_new(1, sizeof *index);
    index->options = *options;
    index->reading = pw_memory_new(options->partition_count, sizeof *index->reading);
    pw_condition_init(&index->changed);
    pthread_mutex_init(&index->lock, NULL);
    if (pthread_create(&index->thread, NULL, run, index) != 0) {
        index->has_stopped = true;
        pw_read_index_free(index);
        return pw_fail(err, PW_ERR_INTERNAL, "no more threads");
    }
    *ret_index = index;
    return PW_OK;
}

void pw_read_index_ask(struct pw_read_index *index, struct pw_read_index_job *job)
{
    job->is_current = false;
    job->is_asked = false;
    job->end = -1;
    job->until_boot_us = boot_us(index) + PW_READ_INDEX_END_US;
    pthread_mutex_lock(&index->lock);
    bool is_taken = !index->stopping;
    if (is_taken) {
        job->next = index->incoming;
        index->incoming = job;
        pthread_cond_signal(&index->changed);
    }
    pthread_mutex_unlock(&index->lock);
    if (!is_taken) {
        job->done(job);
    }
}

void pw_read_index_stop(struct pw_read_index *index)
{
    if (index == NULL || index->has_stopped) {
        return;
    }
    pthread_mutex_lock(&index->lock);
    index->stopping = true;
    pthread_cond_signal(&index->changed);
    pthread_mutex_unlock(&index->lock);
    pthread_join(index->thread, NULL);
    index->has_stopped = true;
}

void pw_read_index_free(struct pw_read_index *index)
{
    if (index != NULL) {
        pw_read_index_stop(index);
        pthread_cond_destroy(&index->changed);
        pthread_mutex_destroy(&index->lock);
        free(index->reading);
        free(index);
    }
}
