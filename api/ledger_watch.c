/* api/ledger_watch.c: whether what the ledger rests on is set as it must be. */
#include "api/ledger_watch.h"

#include <stdlib.h>

#include "api/node.h"
#include "commands/memory.h"
#include "schemas/condition.h"

#define EVERY_MS 10000
#define AGAIN_MS 100 /* Before the first verdict. */

struct pw_ledger_watch {
    const struct pw_config *config;
    struct pw_ledger ledger; /* The thread's own. */
    bool is_open;
    pthread_t thread;
    pthread_mutex_t lock; /* Guards what follows. */
    pthread_cond_t changed;
    bool stopping;
    bool known;
    struct pw_err verdict;
};

static void look(struct pw_ledger_watch *watch)
{
    struct pw_err err = {0};
    if (!watch->is_open) {
        watch->is_open = pw_node_open_ledger(watch->config, true, (struct pw_ledger_wake){0},
                                             &watch->ledger, &err) == PW_OK;
    }
    if (watch->is_open) {
        err.code = watch->ledger.check(watch->ledger.self, &err);
    }
    pthread_mutex_lock(&watch->lock);
    if (err.code == PW_OK || err.code == PW_ERR_SETTING_WRONG) {
        watch->verdict = err;
        watch->known = true;
    } else if (!watch->known) {
        watch->verdict = err;
    }
    pthread_mutex_unlock(&watch->lock);
}

/* Waits for the next turn; false at the end. */
static bool pause_until_next(struct pw_ledger_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    int64_t wait_ms = watch->known ? EVERY_MS : AGAIN_MS;
    struct timespec until = pw_condition_deadline(wait_ms * PW_US_PER_MS);
    if (!watch->stopping) {
        pthread_cond_timedwait(&watch->changed, &watch->lock, &until);
    }
    bool goes_on = !watch->stopping;
    pthread_mutex_unlock(&watch->lock);
    return goes_on;
}

static void *run(void *self)
{
    struct pw_ledger_watch *watch = self;
    do {
        look(watch);
    } while (pause_until_next(watch));
    if (watch->is_open) {
        watch->ledger.close(watch->ledger.self);
    }
    return NULL;
}

struct pw_ledger_watch *pw_ledger_watch_new(const struct pw_config *config)
{
    struct pw_ledger_watch *watch = pw_memory_new(1, sizeof *watch);
    watch->config = config;
    pw_fail(&watch->verdict, PW_ERR_LEDGER_DOWN, "the ledger's settings are not known yet");
    pw_condition_init(&watch->changed);
    pthread_mutex_init(&watch->lock, NULL);
    if (pthread_create(&watch->thread, NULL, run, watch) != 0) {
        pthread_cond_destroy(&watch->changed);
        pthread_mutex_destroy(&watch->lock);
        free(watch);
        return NULL;
    }
    return watch;
}

void pw_ledger_watch_free(struct pw_ledger_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    pthread_mutex_lock(&watch->lock);
    watch->stopping = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

static enum pw_code check(void *self, struct pw_err *err)
{
    struct pw_ledger_watch *watch = self;
    pthread_mutex_lock(&watch->lock);
    *err = watch->verdict;
    pthread_mutex_unlock(&watch->lock);
    return err->code;
}

struct pw_ledger_checks pw_ledger_watch_checks(struct pw_ledger_watch *watch)
{
    return (struct pw_ledger_checks){.self = watch, .check = check};
}
