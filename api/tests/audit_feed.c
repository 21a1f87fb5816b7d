/* api/tests/audit_feed.c: what is read in one thread comes out in another, whole, in order, and hashed. A plain program, so that
 * ThreadSanitizer can run it. */
#include "api/audit_feed.h"

#include <stdio.h>
#include <string.h>

#include "commands/tests/check.h"

#define HOLDS(condition) CHECK(condition, "in %s", __func__)

#define PARTITIONS 3
#define RECORDS    3000 /* Of each partition: more than a feed is ahead. */
#define BYTES_MAX  200000
#define RARE       97 /* One record in so many is a large one. */

/* A ledger that exists while it is read: record n of partition p is p + n bytes of the number n, some far larger. */
struct script {
    struct pw_ledger ledger;
    int64_t next_offset[PARTITIONS];
    bool on[PARTITIONS];
    int64_t falls_silent_at; /* Of partition 0; -1: never. */
    bool loses_1;            /* Partition 1 is lost where it would end. */
    uint32_t turn;
    uint8_t value[BYTES_MAX];
};

static size_t bytes_of(uint32_t partition, int64_t offset)
{
    return offset % RARE == RARE - 1 ? BYTES_MAX : (size_t)(partition + offset % 300);
}

static enum pw_code read_from(void *self, uint32_t partition, int64_t offset, struct pw_err *err)
{
    struct script *script = self;
    (void)err;
    HOLDS(offset == 0);
    script->on[partition] = true;
    return PW_OK;
}

static void read_stop(void *self, uint32_t partition)
{
    struct script *script = self;
    script->on[partition] = false;
}

static void next(void *self, int timeout_ms, struct pw_ledger_event *ret_event)
{
    struct script *script = self;
    *ret_event = (struct pw_ledger_event){.kind = PW_LEDGER_NOTHING};
    if (timeout_ms == 0 && ++script->turn % 50 == 0) {
        return; /* As if the rest were not there yet. */
    }
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        uint32_t partition = ++script->turn % PARTITIONS;
        int64_t offset = script->next_offset[partition];
        if (!script->on[partition]) {
            continue;
        }
        if (partition == 0 && offset == script->falls_silent_at) {
            *ret_event =
                (struct pw_ledger_event){.kind = PW_LEDGER_DOWN, .detail = "the line is cut"};
            return;
        }
        ret_event->partition = partition;
        ret_event->offset = offset;
        if (offset == RECORDS) {
            bool is_lost = partition == 1 && script->loses_1;
            ret_event->kind = is_lost ? PW_LEDGER_LOST : PW_LEDGER_END;
            ret_event->code = is_lost ? PW_ERR_LEDGER_DAMAGED : PW_OK;
            ret_event->detail = is_lost ? "torn" : NULL;
            return;
        }
        script->next_offset[partition]++;
        memset(script->value, (int)(offset % 251), bytes_of(partition, offset));
        ret_event->kind = PW_LEDGER_RECORD;
        ret_event->value = script->value;
        ret_event->value_bytes = bytes_of(partition, offset);
        return;
    }
}

static void script_begin(struct script *script)
{
    *script = (struct script){.falls_silent_at = -1};
    script->ledger = (struct pw_ledger){.self = script,
                                        .partition_count = PARTITIONS,
                                        .read_from = read_from,
                                        .read_stop = read_stop,
                                        .next = next};
}

static void check_record(const struct pw_feed_event *event, int64_t offset)
{
    const uint8_t *value = event->value;
    HOLDS(event->offset == offset);
    HOLDS(event->value_bytes == bytes_of(event->partition, offset));
    for (size_t i = 0; i < event->value_bytes; i++) {
        HOLDS(value[i] == offset % 251);
    }
    HOLDS((event->hash != NULL) == (event->value_bytes >= PW_RECORD_HEAD_BYTES));
    if (event->hash != NULL) {
        struct pw_hash hash = pw_record_hash(event->value, event->value_bytes);
        HOLDS(pw_hash_equal(&hash, event->hash));
    }
}

static struct pw_feed *feed_of(struct script *script)
{
    static const uint32_t all[PARTITIONS] = {0, 1, 2};
    struct pw_feed *feed;
    struct pw_err err;
    HOLDS(pw_feed_open(&script->ledger, all, PARTITIONS, &feed, &err) == PW_OK);
    return feed;
}

static void gives_all_in_order(void)
{
    static struct script script;
    struct pw_feed_event event;
    struct pw_err err;
    int64_t seen[PARTITIONS] = {0};
    uint32_t ends = 0;
    script_begin(&script);
    script.loses_1 = true;
    struct pw_feed *feed = feed_of(&script);
    while (pw_feed_take(feed, &event)) {
        if (event.kind == PW_LEDGER_RECORD) {
            check_record(&event, seen[event.partition]++);
            continue;
        }
        ends++;
        HOLDS(event.offset == RECORDS && seen[event.partition] == RECORDS);
        HOLDS(event.kind == (event.partition == 1 ? PW_LEDGER_LOST : PW_LEDGER_END));
        HOLDS(event.kind != PW_LEDGER_LOST ||
              (event.code == PW_ERR_LEDGER_DAMAGED && strcmp(event.detail, "torn") == 0));
    }
    HOLDS(ends == PARTITIONS);
    HOLDS(!pw_feed_take(feed, &event));
    HOLDS(pw_feed_close(feed, &err) == PW_OK);
    HOLDS(!script.on[0] && !script.on[1] && !script.on[2]);
}

static void says_that_the_ledger_was_lost_after_what_came(void)
{
    static struct script script;
    struct pw_feed_event event;
    struct pw_err err;
    int64_t seen = 0;
    script_begin(&script);
    script.falls_silent_at = 1234;
    struct pw_feed *feed = feed_of(&script);
    while (pw_feed_take(feed, &event)) {
        seen += event.partition == 0;
    }
    HOLDS(seen == 1234);
    HOLDS(pw_feed_close(feed, &err) == PW_ERR_LEDGER_DOWN);
    HOLDS(strcmp(err.detail, "the line is cut") == 0);
}

static void leaves_a_partition_that_nobody_wants(void)
{
    static struct script script;
    struct pw_feed_event event;
    struct pw_err err;
    int64_t seen[PARTITIONS] = {0};
    script_begin(&script);
    struct pw_feed *feed = feed_of(&script);
    while (pw_feed_take(feed, &event)) {
        seen[event.partition] += event.kind == PW_LEDGER_RECORD;
        if (event.partition == 2 && event.offset == 10) {
            pw_feed_stop(feed, 2);
        }
    }
    HOLDS(pw_feed_close(feed, &err) == PW_OK);
    HOLDS(seen[0] == RECORDS && seen[1] == RECORDS);
    HOLDS(seen[2] > 10 && seen[2] < RECORDS);
}

int main(void)
{
    gives_all_in_order();
    says_that_the_ledger_was_lost_after_what_came();
    leaves_a_partition_that_nobody_wants();
    return 0;
}
