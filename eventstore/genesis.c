/* eventstore/genesis.c: the same on every adapter. The genesis of partition 0 is written first, and whoever stands first in that
 * partition's log has named the ledger: of two who create at once, the later one reads that name
 * there and goes on under it. A second genesis of the same ledger is void, as anything is that does
 * not name the head. */
#include "eventstore/genesis.h"

#include <stdlib.h>
#include <time.h>

#define ANSWER_TIMEOUT_MS 30000
#define STEP_MS           100

/* What stands at offset 0 of a partition. */
struct genesis_seen {
    bool told; /* The log was asked, and `there` says what it answered. */
    bool there;
    struct pw_genesis genesis;
};

struct creation {
    const struct pw_ledger_plan *plan;
    const struct pw_ledger *ledger;
    struct genesis_seen *seen; /* One a partition. */
    struct pw_arena arena;
    bool created;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum pw_code genesis_fail(uint32_t partition, const char *what, struct pw_err *err)
{
    return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "partition %u offset 0: %s; this is no ledger",
                   partition, what);
}

/* Reads what the first event of a partition, read from 0, says of its genesis. */
static enum pw_code genesis_take(struct creation *creation, const struct pw_ledger_event *event,
                                 struct pw_err *err)
{
    struct genesis_seen *seen = &creation->seen[event->partition];
    seen->told = true;
    if (event->kind == PW_LEDGER_END && event->offset == 0) {
        return PW_OK;
    }
    if (event->kind != PW_LEDGER_RECORD || event->offset != 0) {
        return genesis_fail(event->partition, "the log does not start there", err);
    }
    struct pw_hash prev;
    static const struct pw_hash none;
    struct pw_record record;
    if (event->value == NULL || !pw_record_prev(event->value, event->value_bytes, &prev) ||
        !pw_hash_equal(&prev, &none)) {
        return genesis_fail(event->partition, "no genesis stands there", err);
    }
    struct pw_err why = {0};
    pw_arena_reset(&creation->arena);
    if (pw_record_parse(event->value, event->value_bytes, &creation->arena, &record, &why) !=
        PW_OK) {
        return genesis_fail(event->partition, why.detail, err);
    }
    if (record.kind != PW_RECORD_GENESIS || record.genesis.partition != event->partition ||
        record.genesis.partition_count != creation->ledger->partition_count) {
        return genesis_fail(event->partition, "no genesis of this partition stands there", err);
    }
    seen->there = true;
    seen->genesis = record.genesis;
    return PW_OK;
}

/* Asks offset 0 of each partition that has no genesis yet, as far as is known. */
static enum pw_code genesis_scan(struct creation *creation, struct pw_err *err)
{
    const struct pw_ledger *ledger = creation->ledger;
    uint32_t open_count = 0;
    enum pw_code code = PW_OK;
    for (uint32_t i = 0; code == PW_OK && i < ledger->partition_count; i++) {
        creation->seen[i].told = creation->seen[i].there;
        if (!creation->seen[i].there) {
            open_count++;
            code = ledger->read_from(ledger->self, i, 0, err);
        }
    }
    int64_t deadline_ms = now_ms() + ANSWER_TIMEOUT_MS;
    while (code == PW_OK && open_count > 0) {
        struct pw_ledger_event event;
        ledger->next(ledger->self, STEP_MS, &event);
        bool answers = event.kind == PW_LEDGER_RECORD || event.kind == PW_LEDGER_END ||
                       event.kind == PW_LEDGER_LOST;
        if (answers && !creation->seen[event.partition].told) {
            code = genesis_take(creation, &event, err);
            ledger->read_stop(ledger->self, event.partition);
            open_count--;
        } else if (now_ms() >= deadline_ms) {
            code = pw_fail(err, PW_ERR_LEDGER_DOWN, "%u partitions cannot be read", open_count);
        }
    }
    return code;
}

/* All that are there must be of one ledger; *ret_first is the partition of one, or the count. */
static enum pw_code genesis_agree(const struct creation *creation, uint32_t *ret_first,
                                  struct pw_err *err)
{
    uint32_t count = creation->ledger->partition_count;
    uint32_t first = count;
    for (uint32_t i = 0; i < count; i++) {
        if (!creation->seen[i].there) {
            continue;
        }
        if (first == count) {
            first = i;
        }
        const struct pw_genesis *a = &creation->seen[first].genesis;
        const struct pw_genesis *b = &creation->seen[i].genesis;
        if (!pw_id_equal(&a->ledger_id, &b->ledger_id) || a->horizon_us != b->horizon_us) {
            char one[PW_ID_TEXT_BYTES + 1];
            char other[PW_ID_TEXT_BYTES + 1];
            pw_id_format(&a->ledger_id, one);
            pw_id_format(&b->ledger_id, other);
            return pw_fail(err, PW_ERR_LEDGER_DIVERGED,
                           "partition %u is of ledger %s (horizon %lld us), partition %u of %s "
                           "(horizon %lld us)",
                           first, one, (long long)a->horizon_us, i, other,
                           (long long)b->horizon_us);
        }
    }
    *ret_first = first;
    return PW_OK;
}

/* Appends the genesis of one partition; that it stands at offset 0 is for the next scan to see. */
static enum pw_code genesis_append(struct creation *creation, uint32_t partition,
                                   const struct pw_id *ledger_id, int64_t horizon_us,
                                   struct pw_err *err)
{
    const struct pw_ledger *ledger = creation->ledger;
    struct pw_genesis genesis = {
        .ledger_id = *ledger_id,
        .partition = partition,
        .partition_count = ledger->partition_count,
        .horizon_us = horizon_us,
    };
    struct pw_buffer buffer;
    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
    enum pw_code code = pw_record_write_genesis(&buffer, &genesis);
    if (code == PW_OK) {
        code = ledger->append(ledger->self, partition, (struct pw_str){0}, buffer.data,
                              buffer.bytes, partition, err);
    }
    pw_buffer_close(&buffer);
    return code;
}

/* Waits for the reports of so many appends. */
static enum pw_code reports_await(struct creation *creation, uint32_t count, struct pw_err *err)
{
    const struct pw_ledger *ledger = creation->ledger;
    int64_t deadline_ms = now_ms() + ANSWER_TIMEOUT_MS;
    while (count > 0) {
        struct pw_ledger_event event;
        ledger->next(ledger->self, STEP_MS, &event);
        if (event.kind == PW_LEDGER_FAILED) {
            return pw_fail(err, event.code, "the genesis of partition %u: %s", event.partition,
                           event.detail);
        }
        if (event.kind == PW_LEDGER_DELIVERED) {
            count--;
        } else if (now_ms() >= deadline_ms) {
            return pw_fail(err, PW_ERR_LEDGER_DOWN, "%u records were not confirmed in time", count);
        }
    }
    return PW_OK;
}

/* Writes the genesis of partition 0 if it is the first of all, else of every partition without. */
static enum pw_code genesis_write(struct creation *creation, uint32_t first, struct pw_err *err)
{
    uint32_t count = creation->ledger->partition_count;
    const struct pw_id *ledger_id = &creation->plan->ledger_id;
    int64_t horizon_us = creation->plan->horizon_us;
    uint32_t end = 1;
    if (first < count) {
        ledger_id = &creation->seen[first].genesis.ledger_id;
        horizon_us = creation->seen[first].genesis.horizon_us;
        end = count;
    }
    uint32_t appended_count = 0;
    enum pw_code code = PW_OK;
    for (uint32_t i = 0; code == PW_OK && i < end; i++) {
        if (!creation->seen[i].there) {
            code = genesis_append(creation, i, ledger_id, horizon_us, err);
            appended_count += code == PW_OK;
        }
    }
    creation->created = true;
    return code == PW_OK ? reports_await(creation, appended_count, err) : code;
}

static bool genesis_complete(const struct creation *creation)
{
    for (uint32_t i = 0; i < creation->ledger->partition_count; i++) {
        if (!creation->seen[i].there) {
            return false;
        }
    }
    return true;
}

/* Scan and write until all is there: twice for a new ledger, partition 0 and then the rest. */
static enum pw_code genesis_ensure(struct creation *creation, struct pw_id *ret_ledger_id,
                                   struct pw_err *err)
{
    enum { ROUNDS_MAX = 3 };
    for (int round = 0;; round++) {
        uint32_t first = 0;
        enum pw_code code = genesis_scan(creation, err);
        if (code == PW_OK) {
            code = genesis_agree(creation, &first, err);
        }
        if (code != PW_OK) {
            return code;
        }
        if (genesis_complete(creation)) {
            *ret_ledger_id = creation->seen[first].genesis.ledger_id;
            return PW_OK;
        }
        if (round == ROUNDS_MAX) {
            return pw_fail(err, PW_ERR_LEDGER_DOWN, "what was written cannot be read back");
        }
        code = genesis_write(creation, first, err);
        if (code != PW_OK) {
            return code;
        }
    }
}

static void creation_open(struct creation *creation, const struct pw_ledger *ledger,
                          const struct pw_ledger_plan *plan)
{
    *creation = (struct creation){.plan = plan, .ledger = ledger};
    creation->seen = calloc(ledger->partition_count, sizeof *creation->seen);
    if (creation->seen == NULL) {
        abort(); /* As everywhere: without memory the process ends. */
    }
    pw_arena_init(&creation->arena, PW_RECORD_BYTES_MAX);
}

static void creation_close(struct creation *creation)
{
    pw_arena_close(&creation->arena);
    free(creation->seen);
}

enum pw_code pw_genesis_ensure(const struct pw_ledger *ledger, const struct pw_ledger_plan *plan,
                               bool *ret_created, struct pw_id *ret_ledger_id, struct pw_err *err)
{
    struct creation creation;
    creation_open(&creation, ledger, plan);
    enum pw_code code = genesis_ensure(&creation, ret_ledger_id, err);
    if (code == PW_OK) {
        *ret_created = creation.created;
    }
    creation_close(&creation);
    return code;
}

enum pw_code pw_genesis_find(const struct pw_ledger *ledger, struct pw_genesis *ret_genesis,
                             bool *ret_complete, struct pw_err *err)
{
    struct creation creation;
    uint32_t first = 0;
    creation_open(&creation, ledger, NULL);
    enum pw_code code = genesis_scan(&creation, err);
    code = code != PW_OK ? code : genesis_agree(&creation, &first, err);
    if (code == PW_OK) {
        *ret_complete = genesis_complete(&creation);
        *ret_genesis =
            first < ledger->partition_count ? creation.seen[first].genesis : (struct pw_genesis){0};
    }
    creation_close(&creation);
    return code;
}
