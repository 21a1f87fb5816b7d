/* api/engines.c: threads that step engines, each asleep on an eventfd until there is something to
 * do. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "api/http.h"
#include "api/log.h"
#include "api/node.h"
#include "commands/memory.h"

#define SLEEP_US_MAX PW_US_PER_SECOND
#define GATHER_NS    500000

struct engine_thread {
    struct pw_engine_threads *all;
    struct pw_engine *engine;
    int wake_fd;
    atomic_bool woken;
    atomic_bool draining;
    _Atomic int64_t until_boot_us;
    pthread_t thread;
    bool started;
};

struct pw_engine_threads {
    struct pw_engine_threads_options options;
    struct engine_thread *threads;
    struct pw_engine **engines;
    uint32_t count;
    uint32_t partition_count;
    const char *node_id;
};

static int64_t boot_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

/* From any thread. A wake between two turns costs one write, however many there are. */
static void wake(void *self)
{
    struct engine_thread *thread = self;
    uint64_t one = 1;
    if (!atomic_exchange(&thread->woken, true) && write(thread->wake_fd, &one, sizeof one) < 0 &&
        errno != EAGAIN) {
        abort();
    }
}

static void sleep_until_woken(struct engine_thread *thread, int64_t wait_us)
{
    wait_us = wait_us > SLEEP_US_MAX ? SLEEP_US_MAX : wait_us;
    struct pollfd fd = {.fd = thread->wake_fd, .events = POLLIN};
    struct timespec wait = {wait_us / PW_US_PER_SECOND, wait_us % PW_US_PER_SECOND * 1000};
    uint64_t count;
    bool rang = wait_us > 0 && ppoll(&fd, 1, &wait, NULL) > 0;
    if ((rang || atomic_load(&thread->woken)) && read(thread->wake_fd, &count, sizeof count) < 0 &&
        errno != EAGAIN) {
        abort();
    }
    /* The descriptor is emptied before the flag falls: the other way round, a wake in between would
     * leave the flag up beside an empty descriptor, and the wakes after it would write nothing.
     * What woke before the flag falls is seen by the turn that follows; an exchange, not a store,
     * so that this thread sees it. */
    atomic_exchange(&thread->woken, false);
}

/* Where more has come while a turn was under way, it comes fast, and gathers for a moment: what is decided together costs the log's client, the broker
 * and the loops a round less each. Who asks alone is answered at once, on a node that follows nobody who is busy. */
static void gather(const struct engine_thread *thread)
{
    if (atomic_load(&thread->woken) && !atomic_load(&thread->draining)) {
        nanosleep(&(struct timespec){.tv_nsec = GATHER_NS}, NULL);
    }
}

static void *run(void *self)
{
    struct engine_thread *thread = self;
    for (;;) {
        int64_t wait_us = pw_engine_step(thread->engine);
        pw_http_ring();
        if (atomic_load(&thread->draining) &&
            (pw_engine_idle(thread->engine) || boot_us() >= atomic_load(&thread->until_boot_us))) {
            pw_engine_save_snapshots(thread->engine);
            return NULL;
        }
        if (wait_us > 0) {
            gather(thread);
        }
        sleep_until_woken(thread, wait_us);
    }
}

static void on_log(void *self, const char *level, uint32_t partition, const char *text)
{
    enum pw_log_level log_level = PW_LOG_INFO;
    (void)self;
    pw_log_level_by_name(level, &log_level);
    pw_log(log_level, "commands", partition, NULL, "%s", text);
}

/* Kafka may still be starting, as we are: ask again until it answers or we are to stop. */
static enum pw_code open_patiently(struct engine_thread *thread, struct pw_ledger *ret_ledger,
                                   struct pw_err *err)
{
    const struct pw_engine_threads_options *options = &thread->all->options;
    struct pw_ledger_wake waker = {.self = thread, .wake = wake};
    for (;;) {
        struct pw_err why = {0};
        enum pw_code code = pw_node_open_ledger(options->config, false, waker, ret_ledger, &why);
        if (code == PW_OK) {
            return PW_OK;
        }
        if (code != PW_ERR_LEDGER_DOWN || *options->stop) {
            return pw_fail(err, code, "%s", why.detail);
        }
        pw_log(PW_LOG_WARNING, "node", PW_LOG_NO_PARTITION, NULL, "waiting for the ledger: %s",
               why.detail);
        struct timespec second = {.tv_sec = 1};
        nanosleep(&second, NULL);
        if (*options->stop) {
            return pw_fail(err, PW_ERR_LEDGER_DOWN, "stopped before the ledger answered");
        }
    }
}

static enum pw_code engine_start(struct engine_thread *thread, uint32_t number, struct pw_err *err)
{
    struct pw_engine_threads *all = thread->all;
    struct pw_ledger ledger;
    enum pw_code code = open_patiently(thread, &ledger, err);
    if (code != PW_OK) {
        return code;
    }
    uint32_t partitions[PW_PARTITIONS_MAX];
    uint32_t count = 0;
    all->partition_count = ledger.partition_count;
    for (uint32_t p = number; p < ledger.partition_count && count < PW_PARTITIONS_MAX;
         p += all->count) {
        partitions[count++] = p;
    }
    struct pw_engine_config config = {
        .ledger = ledger,
        .partitions = partitions,
        .partition_count = count,
        .node_id = all->options.node_id,
        .incarnation = all->options.incarnation,
        .clock = pw_clock_system(),
        .nodes = all->options.nodes,
        .peers = all->options.peers,
        .checks = all->options.checks,
        .observer = pw_news_observer(all->options.news),
        .snapshots = {.dir = pw_node_snapshots_dir(all->options.config),
                      .every = pw_config_count(all->options.config, PW_CONFIG_SNAPSHOTS_EVERY)},
        .never_leads = all->options.never_leads,
        .wake = {.self = thread, .wake = wake},
        .log = on_log,
    };
    thread->engine = pw_engine_new(&config, err);
    if (thread->engine == NULL) {
        return err->code;
    }
    all->engines[number] = thread->engine;
    if (pthread_create(&thread->thread, NULL, run, thread) != 0) {
        return pw_fail(err, PW_ERR_INTERNAL, "no more threads");
    }
    thread->started = true;
    return PW_OK;
}

enum pw_code pw_engine_threads_start(const struct pw_engine_threads_options *options,
                                     struct pw_engine_threads **ret_threads, struct pw_err *err)
{
    struct pw_engine_threads *all = pw_memory_new(1, sizeof *all);
    all->options = *options;
    all->count = pw_config_count(options->config, PW_CONFIG_COMMANDS_THREADS);
    all->threads = pw_memory_new(all->count, sizeof *all->threads);
    all->engines = pw_memory_new(all->count, sizeof(struct pw_engine *));
    for (uint32_t i = 0; i < all->count; i++) {
        struct engine_thread *thread = &all->threads[i];
        thread->all = all;
        thread->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        enum pw_code code = engine_start(thread, i, err);
        if (code != PW_OK) {
            pw_engine_threads_drain(all, boot_us());
            pw_engine_threads_free(all);
            return code;
        }
        if (all->count > all->partition_count) {
            all->count = all->partition_count; /* A thread without a partition has nothing to do. */
        }
    }
    *ret_threads = all;
    return PW_OK;
}

struct pw_engine **pw_engine_threads_engines(struct pw_engine_threads *threads, uint32_t *ret_count)
{
    *ret_count = threads->count;
    return threads->engines;
}

uint32_t pw_engine_threads_partition_count(const struct pw_engine_threads *threads)
{
    return threads->partition_count;
}

void pw_engine_threads_drain(struct pw_engine_threads *all, int64_t until_boot_us)
{
    for (uint32_t i = 0; i < all->count; i++) {
        struct engine_thread *thread = &all->threads[i];
        if (thread->started) {
            pw_engine_stop(thread->engine);
            atomic_store(&thread->until_boot_us, until_boot_us);
            atomic_store(&thread->draining, true);
            wake(thread);
        }
    }
    for (uint32_t i = 0; i < all->count; i++) {
        if (all->threads[i].started) {
            pthread_join(all->threads[i].thread, NULL);
            all->threads[i].started = false;
        }
    }
}

void pw_engine_threads_free(struct pw_engine_threads *all)
{
    if (all == NULL) {
        return;
    }
    for (uint32_t i = 0; i < all->count; i++) {
        pw_engine_free(all->threads[i].engine);
        close(all->threads[i].wake_fd);
    }
    free(all->threads);
    free(all->engines);
    free(all);
}
