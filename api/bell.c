/* api/bell.c: wakes who listens to what a student is told. */
#include "api/bell.h"

#include <pthread.h>
#include <stdatomic.h>

#include "commands/inbox.h"
#include "commands/memory.h"
#include "schemas/condition.h"

#include <stdlib.h>

#define CHAINS 4096

struct pw_bell {
    atomic_uint count; /* Read without the lock, so that nobody's events cost little. */
    _Atomic int64_t told[PW_PARTITIONS_MAX];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool stopping;
    struct pw_bell_listener *chains[CHAINS];
};

static struct pw_bell_listener **chain_of(struct pw_bell *bell, const struct pw_id *student_id)
{
    uint16_t some;
    memcpy(&some, &student_id->bytes[14], sizeof some); /* The last bytes of an id are random. */
    return &bell->chains[some % CHAINS];
}

static void ring(struct pw_bell_listener *listener)
{
    listener->waits = false;
    listener->quiet_ticks = 0;
    listener->ring(listener);
}

static void tick(struct pw_bell *bell)
{
    for (uint32_t i = 0; i < CHAINS; i++) {
        for (struct pw_bell_listener *at = bell->chains[i]; at != NULL; at = at->next) {
            bool is_time =
                bell->stopping || at->has_news || ++at->quiet_ticks >= PW_BELL_QUIET_TICKS;
            if (at->waits && is_time) {
                ring(at);
            }
        }
    }
}

static void *run(void *self)
{
    struct pw_bell *bell = self;
    pthread_mutex_lock(&bell->lock);
    do {
        if (!bell->stopping) {
            struct timespec until = pw_condition_deadline(PW_BELL_TICK_US);
            pthread_cond_timedwait(&bell->changed, &bell->lock, &until);
        }
        tick(bell); /* Once more at the end. */
    } while (!bell->stopping);
    pthread_mutex_unlock(&bell->lock);
    return NULL;
}

struct pw_bell *pw_bell_new(void)
{
    struct pw_bell *bell = pw_memory_new(1, sizeof *bell);
    for (uint32_t i = 0; i < PW_PARTITIONS_MAX; i++) {
        atomic_init(&bell->told[i], -1);
    }
    pw_condition_init(&bell->changed);
    pthread_mutex_init(&bell->lock, NULL);
    if (pthread_create(&bell->thread, NULL, run, bell) != 0) {
        free(bell);
        return NULL;
    }
    return bell;
}

void pw_bell_stop(struct pw_bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    bool is_first = !bell->stopping;
    bell->stopping = true;
    pthread_cond_signal(&bell->changed);
    pthread_mutex_unlock(&bell->lock);
    if (is_first) {
        pthread_join(bell->thread, NULL);
    }
}

void pw_bell_free(struct pw_bell *bell)
{
    if (bell != NULL) {
        pw_bell_stop(bell);
        pthread_cond_destroy(&bell->changed);
        pthread_mutex_destroy(&bell->lock);
        free(bell);
    }
}

bool pw_bell_has_stopped(struct pw_bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    bool stopping = bell->stopping;
    pthread_mutex_unlock(&bell->lock);
    return stopping;
}

void pw_bell_join(struct pw_bell *bell, struct pw_bell_listener *listener)
{
    pthread_mutex_lock(&bell->lock);
    struct pw_bell_listener **chain = chain_of(bell, &listener->student_id);
    listener->has_news = listener->waits = false;
    listener->quiet_ticks = 0;
    listener->next = *chain;
    listener->link = chain;
    if (*chain != NULL) {
        (*chain)->link = &listener->next;
    }
    *chain = listener;
    atomic_fetch_add(&bell->count, 1);
    pthread_mutex_unlock(&bell->lock);
}

void pw_bell_leave(struct pw_bell *bell, struct pw_bell_listener *listener)
{
    pthread_mutex_lock(&bell->lock);
    *listener->link = listener->next;
    if (listener->next != NULL) {
        listener->next->link = listener->link;
    }
    atomic_fetch_sub(&bell->count, 1);
    pthread_mutex_unlock(&bell->lock);
}

bool pw_bell_news(struct pw_bell *bell, struct pw_bell_listener *listener)
{
    pthread_mutex_lock(&bell->lock);
    bool has_news = listener->has_news;
    listener->has_news = false;
    pthread_mutex_unlock(&bell->lock);
    return has_news;
}

bool pw_bell_wait(struct pw_bell *bell, struct pw_bell_listener *listener, bool soon)
{
    pthread_mutex_lock(&bell->lock);
    listener->waits = !bell->stopping && !listener->has_news;
    listener->has_news = listener->waits && soon;
    bool waits = listener->waits;
    pthread_mutex_unlock(&bell->lock);
    return waits;
}

struct pw_event_set pw_bell_event_types(void)
{
    struct pw_event_set types = {{0}};
    for (int type = 0; type < PW_EVENT_COUNT; type++) {
        if (pw_notification_of((enum pw_event_type)type) != PW_NOTIFICATION_NONE) {
            pw_event_set_add(&types, (enum pw_event_type)type);
        }
    }
    return types;
}

int64_t pw_bell_told(const struct pw_bell *bell, uint32_t partition)
{
    return atomic_load(&bell->told[partition]);
}

/* Who joins after the count was read sees the offset, which was written before. */
void pw_bell_event(struct pw_bell *bell, const struct pw_position *at,
                   const struct pw_id *tenant_id, const struct pw_event *event)
{
    if (pw_notification_of(event->type) == PW_NOTIFICATION_NONE) {
        return;
    }
    atomic_store(&bell->told[at->partition], at->offset);
    if (atomic_load(&bell->count) == 0) {
        return;
    }
    const struct pw_id *student_id = pw_event_said(event, "student_id", PW_FIELD_KIND_id);
    assert(student_id != NULL);
    pthread_mutex_lock(&bell->lock);
    for (struct pw_bell_listener *who = *chain_of(bell, student_id); who != NULL; who = who->next) {
        if (pw_id_equal(&who->student_id, student_id) && pw_id_equal(&who->tenant_id, tenant_id)) {
            who->has_news = true;
            if (who->waits) {
                ring(who);
            }
        }
    }
    pthread_mutex_unlock(&bell->lock);
}

uint32_t pw_bell_listener_count(struct pw_bell *bell)
{
    return atomic_load(&bell->count);
}
