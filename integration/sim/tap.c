/* integration/sim/tap.c: between an engine and its ledger: every append and report passes here, so that the judge can
 * tell from the log what became of them. It changes nothing. */
#include "integration/sim/sim.h"

#include <stdlib.h>

struct appends {
    struct append *list;
    uint32_t count;
    uint32_t room;
    uint32_t *index; /* Number + 1 by hash; 0: free. A power of two, at most half full. */
    uint32_t index_room;
    uint64_t handle_count;
};

struct tap {
    struct node *node;
    struct pw_ledger inner;
    uint64_t handle;
    uint32_t first; /* No append before this one is the handle's. */
};

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

struct appends *appends_new(void)
{
    return must(calloc(1, sizeof(struct appends)));
}

void appends_free(struct appends *appends)
{
    free(appends->list);
    free(appends->index);
    free(appends);
}

static uint32_t *place(struct appends *appends, const struct pw_hash *hash)
{
    uint32_t at;
    memcpy(&at, hash->bytes, sizeof at);
    at &= appends->index_room - 1;
    while (appends->index[at] != 0 &&
           !pw_hash_equal(&appends->list[appends->index[at] - 1].hash, hash)) {
        at = (at + 1) & (appends->index_room - 1);
    }
    return &appends->index[at];
}

struct append *appends_find(struct appends *appends, const struct pw_hash *hash)
{
    uint32_t number = appends->index_room == 0 ? 0 : *place(appends, hash);
    return number == 0 ? NULL : &appends->list[number - 1];
}

struct append *appends_all(struct appends *appends, uint32_t *ret_count)
{
    *ret_count = appends->count;
    return appends->list;
}

static void grow(struct appends *appends)
{
    appends->room = appends->room == 0 ? 1024 : 2 * appends->room;
    appends->list = must(realloc(appends->list, appends->room * sizeof *appends->list));
    appends->index_room = 2 * appends->room;
    free(appends->index);
    appends->index = must(calloc(appends->index_room, sizeof *appends->index));
    for (uint32_t i = 0; i < appends->count; i++) {
        *place(appends, &appends->list[i].hash) = i + 1;
    }
}

static enum pw_code tap_check(void *self, struct pw_err *err)
{
    struct tap *tap = self;
    return tap->inner.check(tap->inner.self, err);
}

static enum pw_code tap_append(void *self, uint32_t partition, struct pw_str key_text,
                               const void *value, size_t value_bytes, uint64_t tag,
                               struct pw_err *err)
{
    struct tap *tap = self;
    struct world *world = tap->node->world;
    struct appends *appends = world->appends;
    if (appends->count == appends->room) {
        grow(appends);
    }
    struct append append = {
        .hash = pw_record_hash(value, value_bytes),
        .partition = partition,
        .node = tap->node->number,
        .handle = tap->handle,
        .tag = tag,
        .sent_us = sim_now(world),
        .given_up_us = INT64_MAX,
        .landed_offset = -1,
    };
    uint32_t *at = place(appends, &append.hash);
    if (*at == 0) { /* The same bytes twice: a bid on the same head. The first stands for both. */
        appends->list[appends->count++] = append;
        *at = appends->count;
    }
    return tap->inner.append(tap->inner.self, partition, key_text, value, value_bytes, tag, err);
}

static void tap_flush(void *self)
{
    struct tap *tap = self;
    tap->inner.flush(tap->inner.self);
}

static enum pw_code tap_read_from(void *self, uint32_t partition, int64_t offset,
                                  struct pw_err *err)
{
    struct tap *tap = self;
    return tap->inner.read_from(tap->inner.self, partition, offset, err);
}

static void tap_read_stop(void *self, uint32_t partition)
{
    struct tap *tap = self;
    tap->inner.read_stop(tap->inner.self, partition);
}

static void note_report(struct tap *tap, const struct pw_ledger_event *event)
{
    struct appends *appends = tap->node->world->appends;
    for (uint32_t i = appends->count; i-- > tap->first;) {
        struct append *append = &appends->list[i];
        if (append->handle == tap->handle && append->partition == event->partition &&
            append->tag == event->tag) {
            append->reported = event->kind == PW_LEDGER_DELIVERED;
            append->failed = event->kind == PW_LEDGER_FAILED;
            append->reported_offset = event->offset;
            return;
        }
    }
}

static void tap_next(void *self, int timeout_ms, struct pw_ledger_event *ret_event)
{
    struct tap *tap = self;
    tap->inner.next(tap->inner.self, timeout_ms, ret_event);
    if (ret_event->kind == PW_LEDGER_DELIVERED || ret_event->kind == PW_LEDGER_FAILED) {
        note_report(tap, ret_event);
    }
}

static enum pw_code tap_renew(void *self, struct pw_err *err)
{
    struct tap *tap = self;
    return tap->inner.renew(tap->inner.self, err);
}

void tap_give_up(struct node *node, uint32_t partition)
{
    struct tap *tap = node->tap;
    struct appends *appends = node->world->appends;
    for (uint32_t i = tap->first; i < appends->count; i++) {
        struct append *append = &appends->list[i];
        if (append->handle == tap->handle && append->partition == partition && !append->reported &&
            append->given_up_us == INT64_MAX) {
            append->given_up_us = sim_now(node->world);
        }
    }
}

static void tap_close(void *self)
{
    struct tap *tap = self;
    tap->inner.close(tap->inner.self);
    free(tap);
}

static void tap_saw(void *self, uint32_t partition, int64_t offset)
{
    struct tap *tap = self;
    tap->inner.saw(tap->inner.self, partition, offset);
}

struct pw_ledger tap_open(struct node *node, const struct pw_ledger *inner)
{
    struct tap *tap = must(calloc(1, sizeof *tap));
    tap->node = node;
    tap->inner = *inner;
    tap->handle = ++node->world->appends->handle_count;
    tap->first = node->world->appends->count;
    node->tap = tap;
    return (struct pw_ledger){
        .self = tap,
        .partition_count = inner->partition_count,
        .check = tap_check,
        .append = tap_append,
        .flush = tap_flush,
        .read_from = tap_read_from,
        .read_stop = tap_read_stop,
        .saw = tap_saw,
        .next = tap_next,
        .renew = tap_renew,
        .close = tap_close,
    };
}
