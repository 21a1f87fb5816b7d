/* api/audit_feed.c: batches go round between the thread that fills them and the one that takes them. */
#include "api/audit_feed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "commands/memory.h"

#define BATCHES      4
#define BATCH_EVENTS 256
#define BATCH_BYTES  (128 * 1024) /* It grows for a record that is larger. */
#define SILENCE_MS   30000        /* A broker that says nothing for so long counts as lost. */

struct item {
    enum pw_ledger_event_kind kind;
    enum pw_code code;
    uint32_t partition;
    bool has_hash;
    int64_t offset;
    size_t at; /* In the batch's bytes: the value, or the text of a loss. */
    size_t bytes;
    struct pw_hash hash;
};

struct batch {
    struct item items[BATCH_EVENTS];
    uint32_t count;
    uint8_t *bytes;
    size_t bytes_used;
    size_t bytes_room;
};

struct pw_feed {
    struct pw_ledger *ledger;
    atomic_bool *unwanted; /* By partition: pw_feed_stop was called. */
    bool *on;              /* By partition: it is being read. */
    uint32_t left;         /* Partitions that are on. */
    pthread_t thread;
    enum pw_code code;
    struct pw_err err;

    pthread_mutex_t lock; /* Guards what follows. */
    pthread_cond_t moved;
    uint64_t filled; /* Batches, ever; number n lies at n % BATCHES. */
    uint64_t emptied;
    bool is_over; /* Nothing more is filled. */

    struct batch batches[BATCHES];
    uint64_t filling; /* The reading thread's: the number of its batch. */
    uint64_t taking;  /* The other's, and the place in it. */
    uint32_t taking_at;
    bool has_batch;
};

/* --- The thread that reads --- */

/* Hands the batch over, and waits for an empty one. */
static void hand_over(struct pw_feed *feed)
{
    if (feed->batches[feed->filling % BATCHES].count == 0) {
        return;
    }
    pthread_mutex_lock(&feed->lock);
    feed->filled = ++feed->filling;
    pthread_cond_signal(&feed->moved);
    while (feed->filled - feed->emptied == BATCHES) {
        pthread_cond_wait(&feed->moved, &feed->lock);
    }
    pthread_mutex_unlock(&feed->lock);
    struct batch *batch = &feed->batches[feed->filling % BATCHES];
    batch->count = 0;
    batch->bytes_used = 0;
}

static size_t keep_bytes(struct batch *batch, const void *bytes, size_t count)
{
    size_t at = batch->bytes_used;
    if (count > batch->bytes_room - at) {
        batch->bytes_room = at + count > 2 * batch->bytes_room ? at + count : 2 * batch->bytes_room;
        batch->bytes = pw_memory_grow(batch->bytes, batch->bytes_room);
    }
    if (count > 0) {
        memcpy(batch->bytes + at, bytes, count);
    }
    batch->bytes_used += count;
    return at;
}

static void keep(struct pw_feed *feed, const struct pw_ledger_event *event)
{
    struct batch *batch = &feed->batches[feed->filling % BATCHES];
    struct item *item = &batch->items[batch->count++];
    *item = (struct item){.kind = event->kind,
                          .code = event->code,
                          .partition = event->partition,
                          .offset = event->offset};
    if (event->kind == PW_LEDGER_RECORD) {
        item->bytes = event->value_bytes;
        item->at = keep_bytes(batch, event->value, event->value_bytes);
        item->has_hash = event->value != NULL && event->value_bytes >= PW_RECORD_HEAD_BYTES;
        if (item->has_hash) {
            item->hash = pw_record_hash(batch->bytes + item->at, item->bytes);
        }
    } else if (event->detail != NULL) {
        item->bytes = strlen(event->detail) + 1;
        item->at = keep_bytes(batch, event->detail, item->bytes);
    }
}

static bool has_room(const struct pw_feed *feed)
{
    const struct batch *batch = &feed->batches[feed->filling % BATCHES];
    return batch->count < BATCH_EVENTS && batch->bytes_used < BATCH_BYTES;
}

static void partition_off(struct pw_feed *feed, uint32_t partition)
{
    feed->ledger->read_stop(feed->ledger->self, partition);
    feed->on[partition] = false;
    feed->left--;
}

/* The next event. What was gathered is handed over before waiting for it. */
static void next(struct pw_feed *feed, struct pw_ledger_event *ret_event)
{
    feed->ledger->next(feed->ledger->self, 0, ret_event);
    if (ret_event->kind == PW_LEDGER_NOTHING) {
        hand_over(feed);
        feed->ledger->next(feed->ledger->self, SILENCE_MS, ret_event);
    }
}

static void read_all(struct pw_feed *feed)
{
    while (feed->left > 0) {
        struct pw_ledger_event event;
        next(feed, &event);
        if (event.kind == PW_LEDGER_NOTHING || event.kind == PW_LEDGER_DOWN) {
            feed->code = pw_fail(&feed->err, PW_ERR_LEDGER_DOWN, "%s",
                                 event.detail != NULL ? event.detail : "the brokers say nothing");
            return;
        }
        bool is_end = event.kind == PW_LEDGER_END || event.kind == PW_LEDGER_LOST;
        if ((event.kind != PW_LEDGER_RECORD && !is_end) || !feed->on[event.partition]) {
            continue;
        }
        keep(feed, &event);
        if (is_end ||
            atomic_load_explicit(&feed->unwanted[event.partition], memory_order_relaxed)) {
            partition_off(feed, event.partition);
        }
        if (!has_room(feed)) {
            hand_over(feed);
        }
    }
}

static void *feed_run(void *self)
{
    struct pw_feed *feed = self;
    read_all(feed);
    hand_over(feed);
    pthread_mutex_lock(&feed->lock);
    feed->is_over = true;
    pthread_cond_signal(&feed->moved);
    pthread_mutex_unlock(&feed->lock);
    return NULL;
}

/* --- The thread that takes --- */

static void feed_free(struct pw_feed *feed)
{
    for (uint32_t i = 0; i < BATCHES; i++) {
        free(feed->batches[i].bytes);
    }
    pthread_cond_destroy(&feed->moved);
    pthread_mutex_destroy(&feed->lock);
    free(feed->unwanted);
    free(feed->on);
    free(feed);
}

static enum pw_code feed_start(struct pw_feed *feed, const uint32_t *partitions,
                               uint32_t partition_count, struct pw_err *err)
{
    for (uint32_t i = 0; i < partition_count; i++) {
        enum pw_code code = feed->ledger->read_from(feed->ledger->self, partitions[i], 0, err);
        if (code != PW_OK) {
            return code;
        }
        feed->on[partitions[i]] = true;
        feed->left++;
    }
    return pthread_create(&feed->thread, NULL, feed_run, feed) == 0
               ? PW_OK
               : pw_fail(err, PW_ERR_INTERNAL, "there is no thread for a reader of the ledger");
}

enum pw_code pw_feed_open(struct pw_ledger *ledger, const uint32_t *partitions,
                          uint32_t partition_count, struct pw_feed **ret_feed, struct pw_err *err)
{
    struct pw_feed *feed = pw_memory_new(1, sizeof *feed);
    feed->ledger = ledger;
    feed->unwanted = pw_memory_new(ledger->partition_count, sizeof *feed->unwanted);
    feed->on = pw_memory_new(ledger->partition_count, sizeof *feed->on);
    pthread_mutex_init(&feed->lock, NULL);
    pthread_cond_init(&feed->moved, NULL);
    for (uint32_t i = 0; i < BATCHES; i++) {
        feed->batches[i].bytes_room = BATCH_BYTES;
        feed->batches[i].bytes = pw_memory_new(1, BATCH_BYTES);
    }
    enum pw_code code = feed_start(feed, partitions, partition_count, err);
    if (code != PW_OK) {
        feed_free(feed);
        return code;
    }
    *ret_feed = feed;
    return PW_OK;
}

/* Gives the batch back, and waits for the next one. False: there is none. */
static bool fetch_batch(struct pw_feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    if (feed->has_batch) {
        feed->emptied = ++feed->taking;
        pthread_cond_signal(&feed->moved);
    }
    while (feed->filled == feed->emptied && !feed->is_over) {
        pthread_cond_wait(&feed->moved, &feed->lock);
    }
    feed->has_batch = feed->filled > feed->emptied;
    pthread_mutex_unlock(&feed->lock);
    feed->taking_at = 0;
    return feed->has_batch;
}

bool pw_feed_take(struct pw_feed *feed, struct pw_feed_event *ret_event)
{
    struct batch *batch = &feed->batches[feed->taking % BATCHES];
    if (!feed->has_batch || feed->taking_at == batch->count) {
        if (!fetch_batch(feed)) {
            return false;
        }
        batch = &feed->batches[feed->taking % BATCHES];
    }
    const struct item *item = &batch->items[feed->taking_at++];
    bool is_record = item->kind == PW_LEDGER_RECORD;
    *ret_event = (struct pw_feed_event){
        .kind = item->kind,
        .partition = item->partition,
        .offset = item->offset,
        .value = is_record ? batch->bytes + item->at : NULL,
        .value_bytes = is_record ? item->bytes : 0,
        .hash = item->has_hash ? &item->hash : NULL,
        .code = item->code,
        .detail = !is_record && item->bytes > 0 ? (const char *)batch->bytes + item->at : NULL,
    };
    return true;
}

void pw_feed_stop(struct pw_feed *feed, uint32_t partition)
{
    atomic_store_explicit(&feed->unwanted[partition], true, memory_order_relaxed);
}

enum pw_code pw_feed_close(struct pw_feed *feed, struct pw_err *err)
{
    pthread_join(feed->thread, NULL);
    enum pw_code code = feed->code;
    if (code != PW_OK) {
        pw_fail(err, code, "%s", feed->err.detail);
    }
    feed_free(feed);
    return code;
}
