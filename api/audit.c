/* api/audit.c: reading a whole ledger. */
#include "api/audit.h"

#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/audit_feed.h"
#include "api/node.h"
#include "commands/engine.h"
#include "commands/memory.h"

#define PROGRESS_EVERY 65536
#define COUNT_EVERY    1024 /* Records that a thread counts by itself before it tells the others. */

static uint32_t thread_count_for(uint32_t partition_count)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t count = cores < 1 ? 1 : (uint32_t)cores;
    count = count < PW_AUDIT_THREADS_MAX ? count : PW_AUDIT_THREADS_MAX;
    return count < partition_count ? count : partition_count;
}

/* What was fetched is freed by the megabyte, and taken again at once. By default malloc gives such
 * memory back to the kernel each time, which clears it anew. It holds for the process, which does
 * nothing but this audit; a node would keep for ever what one burst took. */
static void keep_freed_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 512 * 1024 * 1024);
    mallopt(M_TOP_PAD, 16 * 1024 * 1024);
}

enum pw_code pw_audit_open(struct pw_audit *audit, const struct pw_config *config, const char *dir,
                           struct pw_err *err)
{
    keep_freed_memory();
    *audit = (struct pw_audit){
        .config = config, .dir = dir, .shows_progress = isatty(STDERR_FILENO) != 0};
    enum pw_code code = pw_node_open_to_read(config, dir, &audit->ledgers[0], err);
    if (code != PW_OK) {
        return code;
    }
    uint32_t count = audit->ledgers[0].partition_count;
    pthread_mutex_init(&audit->lock, NULL);
    audit->partition_count = count;
    audit->thread_count = 1;
    audit->folds = pw_memory_new(count, sizeof *audit->folds);
    audit->unwanted = pw_memory_new(count, sizeof *audit->unwanted);
    for (uint32_t p = 0; p < count; p++) {
        pw_fold_init(&audit->folds[p], p);
        audit->folds[p].chain.partition_count = count;
    }
    return PW_OK;
}

void pw_audit_close(struct pw_audit *audit)
{
    if (audit->folds == NULL) {
        return;
    }
    for (uint32_t p = 0; p < audit->partition_count; p++) {
        pw_fold_close(&audit->folds[p]);
    }
    for (uint32_t i = 0; i < audit->thread_count; i++) {
        audit->ledgers[i].close(audit->ledgers[i].self);
    }
    pthread_mutex_destroy(&audit->lock);
    free(audit->folds);
    free(audit->unwanted);
}

/* One thread of a read, and its partitions. */
struct share {
    struct pw_audit *audit;
    const struct pw_audit_reader *reader;
    struct pw_ledger *ledger;
    struct pw_feed *feed;
    uint32_t partitions[PW_PARTITIONS_MAX];
    uint32_t partition_count;
    uint64_t size; /* Of them all. */
    uint64_t record_count;
    pthread_t thread;
    bool started;
    enum pw_code code;
    struct pw_err err;
};

static void show_progress(struct share *share)
{
    struct pw_audit *audit = share->audit;
    if (++share->record_count % COUNT_EVERY != 0) {
        return;
    }
    uint64_t count =
        atomic_fetch_add_explicit(&audit->record_count, COUNT_EVERY, memory_order_relaxed) +
        COUNT_EVERY;
    if (audit->shows_progress && count % PROGRESS_EVERY == 0) {
        fprintf(stderr, "\r%llu records", (unsigned long long)count);
    }
}

/* The first genesis says which ledger this is; a partition of another one stops. */
static void compare_ledgers(struct pw_audit *audit, struct pw_fold *fold)
{
    struct pw_chain *chain = &fold->chain;
    pthread_mutex_lock(&audit->lock);
    if (!audit->is_known) {
        audit->is_known = true;
        audit->known_by = chain->partition;
        audit->ledger_id = chain->ledger_id;
        audit->horizon_us = chain->horizon_us;
    } else if (!pw_id_equal(&audit->ledger_id, &chain->ledger_id) ||
               audit->horizon_us != chain->horizon_us) {
        pw_fail(&chain->stopped, PW_ERR_LEDGER_DAMAGED,
                "foreign-ledger: partition %u, offset 0: not the ledger of partition %u",
                chain->partition, audit->known_by);
    }
    pthread_mutex_unlock(&audit->lock);
}

static void take_record(struct share *share, const struct pw_feed_event *event)
{
    struct pw_fold *fold = &share->audit->folds[event->partition];
    const struct pw_audit_reader *reader = share->reader;
    struct pw_record record;
    if (reader->wants != NULL &&
        !reader->wants(reader->self, fold, event->offset, event->value, event->value_bytes)) {
        share->audit->unwanted[event->partition] = true;
        pw_feed_stop(share->feed, event->partition);
        return;
    }
    bool is_first = fold->chain.accepted_count == 0;
    enum pw_verdict verdict =
        pw_fold_take_hashed(fold, event->offset, event->value, event->value_bytes, event->hash,
                            &reader->observer, &record);
    show_progress(share);
    if (verdict == PW_CHAIN_ACCEPTED && is_first) {
        compare_ledgers(share->audit, fold);
    }
    if (fold->chain.stopped.code != PW_OK) {
        pw_feed_stop(share->feed, event->partition);
    } else if (verdict == PW_CHAIN_ACCEPTED && reader->record != NULL) {
        reader->record(reader->self, fold, &record);
    } else if (verdict == PW_CHAIN_VOID && reader->void_record != NULL) {
        reader->void_record(reader->self, fold, event->offset);
    }
}

/* The log lacks what it should have: its beginning, or, of a file, what is damaged. */
static void take_lost(struct pw_audit *audit, const struct pw_feed_event *event)
{
    struct pw_chain *chain = &audit->folds[event->partition].chain;
    bool is_damaged = event->code == PW_ERR_LEDGER_DAMAGED;
    if (chain->accepted_count > 0 || is_damaged) {
        pw_fail(&chain->stopped, PW_ERR_LEDGER_DAMAGED, "%s: partition %u, offset %lld: %s",
                is_damaged ? "damaged-file" : "lost", event->partition, (long long)event->offset,
                event->detail != NULL ? event->detail : "the log has no such offset");
    }
}

static void take_end(struct pw_audit *audit, uint32_t partition)
{
    struct pw_chain *chain = &audit->folds[partition].chain;
    if (chain->accepted_count == 0 && chain->stopped.code == PW_OK) {
        pw_fail(&chain->stopped, PW_ERR_LEDGER_DAMAGED,
                "no-genesis: partition %u has no accepted record at offset 0", partition);
    }
}

static enum pw_code share_read(struct share *share)
{
    struct pw_feed_event event;
    enum pw_code code = pw_feed_open(share->ledger, share->partitions, share->partition_count,
                                     &share->feed, &share->err);
    if (code != PW_OK) {
        return code;
    }
    while (pw_feed_take(share->feed, &event)) {
        if (share->audit->unwanted[event.partition]) {
            continue; /* It was read ahead. */
        }
        if (event.kind == PW_LEDGER_RECORD) {
            take_record(share, &event);
            continue;
        }
        if (event.kind == PW_LEDGER_LOST) {
            take_lost(share->audit, &event);
        }
        take_end(share->audit, event.partition);
    }
    return pw_feed_close(share->feed, &share->err);
}

static void *share_run(void *self)
{
    struct share *share = self;
    share->code = share_read(share);
    return NULL;
}

/* A process that gets no thread is told so, as for the one that reads (api/audit_feed.h): an audit that
 * goes on with fewer would take much longer, and nobody would know why. */
static void share_start(struct share *share)
{
    share->started = pthread_create(&share->thread, NULL, share_run, share) == 0;
    if (!share->started) {
        share->code = pw_fail(&share->err, PW_ERR_INTERNAL, "there is no thread for an audit");
    }
}

/* The first share is this thread's own. */
static void shares_run(struct share *shares, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        share_start(&shares[i]);
    }
    share_run(&shares[0]);
    for (uint32_t i = 1; i < count; i++) {
        if (shares[i].started) {
            pthread_join(shares[i].thread, NULL);
        }
    }
}

struct sized {
    uint32_t partition;
    uint64_t size;
};

static int by_size_falling(const void *a, const void *b)
{
    uint64_t x = ((const struct sized *)a)->size;
    uint64_t y = ((const struct sized *)b)->size;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Partitions differ in size: the largest first, each goes to whoever has least, so that all end at
 * about the same time. */
static void share_out(struct share *shares, uint32_t share_count, const struct pw_ledger *ledger,
                      uint32_t first, uint32_t last)
{
    struct sized *all = pw_memory_new(last - first + 1, sizeof *all);
    for (uint32_t p = first; p <= last; p++) {
        uint64_t size = share_count > 1 ? ledger->size(ledger->self, p) : 0;
        all[p - first] = (struct sized){p, size + 1};
    }
    qsort(all, last - first + 1, sizeof *all, by_size_falling);
    for (uint32_t i = 0; i <= last - first; i++) {
        struct share *least = &shares[0];
        for (uint32_t s = 1; s < share_count; s++) {
            least = shares[s].size < least->size ? &shares[s] : least;
        }
        least->partitions[least->partition_count++] = all[i].partition;
        least->size += all[i].size;
    }
    free(all);
}

/* Handles for so many threads; they are kept for further reads. */
static enum pw_code open_handles(struct pw_audit *audit, uint32_t count, struct pw_err *err)
{
    enum pw_code code = PW_OK;
    while (code == PW_OK && audit->thread_count < count) {
        struct pw_ledger *ledger = &audit->ledgers[audit->thread_count];
        code = pw_node_open_to_read(audit->config, audit->dir, ledger, err);
        audit->thread_count += code == PW_OK ? 1 : 0;
    }
    return code;
}

enum pw_code pw_audit_read(struct pw_audit *audit, uint32_t first, uint32_t last,
                           const struct pw_audit_reader *reader, struct pw_err *err)
{
    uint32_t count = thread_count_for(last - first + 1);
    enum pw_code code = open_handles(audit, count, err);
    if (code != PW_OK) {
        return code;
    }
    struct share *shares = pw_memory_new(count, sizeof *shares);
    share_out(shares, count, &audit->ledgers[0], first, last);
    for (uint32_t i = 0; i < count; i++) {
        struct share *share = &shares[i];
        share->audit = audit;
        share->reader = reader;
        share->ledger = &audit->ledgers[i];
    }
    shares_run(shares, count);
    for (uint32_t i = 0; i < count; i++) {
        if (shares[i].code != PW_OK && code == PW_OK) {
            code = pw_fail(err, shares[i].code, "%s", shares[i].err.detail);
        }
    }
    free(shares);
    if (audit->shows_progress) {
        fputs("\r                              \r", stderr);
    }
    return code;
}

/* --- Findings --- */

/* A decision whose place in the map is being fetched into the cache: it is looked up when the next one comes. */
struct decision {
    struct pw_id key;
    struct pw_id command_id;
    int64_t decided_at_us;
    int64_t horizon_us;
};

struct pw_audit_ids {
    struct pw_map *decided; /* key_of -> decided_at_us of the last decision */
    uint8_t seed[crypto_shorthash_siphashx24_KEYBYTES];
    struct decision waiting;
    bool has_waiting;
};

struct pw_audit_ids *pw_audit_ids_new(void)
{
    struct pw_audit_ids *ids = pw_memory_new(1, sizeof *ids);
    ids->decided = pw_map_new(sizeof(struct pw_id), sizeof(int64_t));
    randombytes_buf(ids->seed, sizeof ids->seed);
    return ids;
}

void pw_audit_ids_free(struct pw_audit_ids *ids)
{
    if (ids != NULL) {
        pw_map_free(ids->decided);
        free(ids);
    }
}

static void judge(struct pw_audit_ids *ids, const struct decision *decision,
                  struct pw_audit_findings *findings)
{
    int64_t *kept_us =
        pw_map_put(ids->decided, &decision->key, NULL); /* 0: new; nothing is of 1970. */
    int64_t t_us = 0;
    if (pw_id_v7_time(&decision->command_id, &t_us)) {
        findings->early_count += decision->decided_at_us < t_us - PW_KEY_AHEAD_MAX_US;
        findings->late_count += decision->decided_at_us - t_us >= decision->horizon_us;
        findings->repeat_count += *kept_us != 0;
    } else if (*kept_us != 0) {
        findings->repeat_count += decision->decided_at_us - *kept_us < decision->horizon_us;
    }
    *kept_us = decision->decided_at_us;
}

void pw_audit_ids_finish(struct pw_audit_ids *ids, struct pw_audit_findings *findings)
{
    if (ids->has_waiting) {
        judge(ids, &ids->waiting, findings);
        ids->has_waiting = false;
    }
}

/* Of a hash that is keyed at random: nobody can write a ledger in which two decisions share a key. */
static struct pw_id key_of(const struct pw_audit_ids *ids, const struct pw_id *boundary_id,
                           const struct pw_id *actor_id, const struct pw_id *command_id)
{
    struct pw_id parts[3] = {*boundary_id, *actor_id, *command_id};
    struct pw_id key;
    crypto_shorthash_siphashx24(key.bytes, parts[0].bytes, sizeof parts, ids->seed);
    return key;
}

static void take_decision(struct pw_audit_ids *ids, const struct pw_id *boundary_id,
                          const struct pw_id *actor_id, const struct pw_id *command_id,
                          int64_t decided_at_us, int64_t horizon_us,
                          struct pw_audit_findings *findings)
{
    struct pw_id key = key_of(ids, boundary_id, actor_id, command_id);
    pw_map_prefetch(ids->decided, &key);
    pw_audit_ids_finish(ids, findings);
    ids->waiting = (struct decision){key, *command_id, decided_at_us, horizon_us};
    ids->has_waiting = true;
}

void pw_audit_ids_take(struct pw_audit_ids *ids, const struct pw_record *record, int64_t horizon_us,
                       struct pw_audit_findings *findings)
{
    for (uint32_t i = 0; i < record->answer_count; i++) {
        const struct pw_answer *answer = &record->answers[i];
        take_decision(ids, &answer->boundary_id, &answer->actor_id, &answer->command_id,
                      answer->decided_at_us, horizon_us, findings);
    }
    if (record->kind == PW_RECORD_COMMIT) {
        const struct pw_commit *commit = &record->commit;
        take_decision(ids, &commit->boundary_id, &commit->actor_id, &commit->command_id,
                      record->decided_at_us, horizon_us, findings);
    }
}
