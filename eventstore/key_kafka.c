/* eventstore/key_kafka.c: wrapped keys in a compacted topic, over the ledger's own way to Kafka (kafka_parts.h): its settings of the
 * clients, its care with time-outs and offsets. What is new is the topic's settings, and that the Kafka key counts. */
#include "eventstore/kafka_parts.h"
#include "eventstore/key_adapters.h"

#include <stdlib.h>

#define PARTITION        0
#define TURN_MS          1000
#define PATIENCE_MS      30000 /* Of a write: two times what the client itself waits, and some. */
#define READ_PATIENCE_MS 10000 /* So long nothing may come. */
#define CREATE_MS        30000

static const struct kafka_rule key_rules[] = {
    {"cleanup.policy", "compact", KAFKA_EXACTLY},
    {"segment.ms", "3600000", KAFKA_AT_MOST},
    {"max.compaction.lag.ms", "3600000", KAFKA_AT_MOST},
    {"min.compaction.lag.ms", "0", KAFKA_EXACTLY},
    {"message.timestamp.type", "LogAppendTime", KAFKA_EXACTLY},
    {"unclean.leader.election.enable", "false", KAFKA_EXACTLY},
};
static const struct kafka_rules rules = {key_rules, PW_COUNT(key_rules)};

struct key_kafka {
    struct pw_ledger ledger;
    uint64_t last_tag;
    int64_t next_offset; /* Where following goes on. */
    atomic_bool interrupted;
};

static struct pw_kafka *kafka_of(const struct key_kafka *keys)
{
    return keys->ledger.self;
}

/* False once the time is over, or nobody wants to wait any more. */
static bool waits(const struct key_kafka *keys, int64_t until_ms)
{
    return kafka_now_ms() < until_ms && !atomic_load(&keys->interrupted);
}

static enum pw_code one_partition(const struct key_kafka *keys, struct pw_err *err)
{
    if (keys->ledger.partition_count != 1) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "topic %s: partitions is %u, must be 1",
                       kafka_of(keys)->topic, keys->ledger.partition_count);
    }
    return PW_OK;
}

static enum pw_code key_check(void *self, struct pw_err *err)
{
    struct key_kafka *keys = self;
    enum pw_code code = one_partition(keys, err);
    return code != PW_OK ? code : keys->ledger.check(keys->ledger.self, err);
}

/* --- Writing --- */

/* Records of one call that are not confirmed yet. Their tags are those from first_tag on. */
struct writing {
    const struct pw_key_put *puts; /* NULL: the one tombstone of key_id. */
    const struct pw_id *key_id;
    size_t count;
    size_t left;
    uint64_t first_tag;
    bool is_done[PW_KEY_PUTS_MAX];
};

/* Sends what is not confirmed. */
static enum pw_code send_all(struct key_kafka *keys, struct writing *writing, struct pw_err *why)
{
    char text[PW_ID_TEXT_BYTES + 1];
    enum pw_code code = PW_OK;
    writing->first_tag = keys->last_tag + 1;
    keys->last_tag += writing->count;
    for (size_t i = 0; code == PW_OK && i < writing->count; i++) {
        if (writing->is_done[i]) {
            continue;
        }
        const struct pw_key_put *put = writing->puts == NULL ? NULL : &writing->puts[i];
        pw_id_format(put == NULL ? writing->key_id : &put->key_id, text);
        code = keys->ledger.append(
            keys->ledger.self, PARTITION, pw_str_of(text), put == NULL ? NULL : put->value,
            put == NULL ? 0 : sizeof put->value, writing->first_tag + i, why);
    }
    return code;
}

/* Waits for the reports of what was sent. FAILED is no word about whether it landed. */
static bool confirmed(struct key_kafka *keys, struct writing *writing, int64_t until_ms,
                      struct pw_err *why)
{
    struct pw_ledger_event event;
    while (writing->left > 0 && waits(keys, until_ms)) {
        keys->ledger.next(keys->ledger.self, TURN_MS, &event);
        if (event.kind == PW_LEDGER_DOWN) {
            pw_fail(why, PW_ERR_LEDGER_DOWN, "%s", event.detail != NULL ? event.detail : "down");
        }
        if (event.tag < writing->first_tag || event.tag - writing->first_tag >= writing->count) {
            continue; /* Of a reading that was stopped, or an append that was given up. */
        }
        if (event.kind == PW_LEDGER_FAILED) {
            pw_fail(why, PW_ERR_LEDGER_DOWN, "%s", event.detail != NULL ? event.detail : "failed");
            return false;
        }
        if (event.kind == PW_LEDGER_DELIVERED) {
            writing->is_done[event.tag - writing->first_tag] = true;
            writing->left--;
        }
    }
    return writing->left == 0;
}

/* The same record twice is the same key, so what may have landed is simply written again. */
static enum pw_code write_all(struct key_kafka *keys, struct writing *writing, struct pw_err *err)
{
    struct pw_err why = {0};
    int64_t until_ms = kafka_now_ms() + PATIENCE_MS;
    enum pw_code code = PW_OK;
    if (kafka_of(keys)->reads_only) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "this handle only reads");
    }
    writing->left = writing->count;
    do {
        code = send_all(keys, writing, &why);
        if (code == PW_OK && confirmed(keys, writing, until_ms, &why)) {
            return PW_OK;
        }
        code = keys->ledger.renew(keys->ledger.self, &why);
    } while (code == PW_OK && waits(keys, until_ms));
    return pw_fail(err, PW_ERR_LEDGER_DOWN, "topic %s: a key was not confirmed: %s",
                   kafka_of(keys)->topic, why.detail);
}

static enum pw_code key_put_many(void *self, const struct pw_key_put *puts, size_t count,
                                 struct pw_err *err)
{
    struct writing writing = {.puts = puts, .count = count};
    assert(count >= 1 && count <= PW_KEY_PUTS_MAX);
    return write_all(self, &writing, err);
}

static enum pw_code key_put(void *self, const struct pw_id *key_id,
                            const uint8_t value[PW_KEY_RECORD_BYTES], bool again,
                            struct pw_err *err)
{
    struct pw_key_put put = {.key_id = *key_id};
    (void)again; /* Kafka cannot append "only if": docs/keys.md says why that is well. */
    memcpy(put.value, value, sizeof put.value);
    return key_put_many(self, &put, 1, err);
}

static enum pw_code key_destroy(void *self, const struct pw_id *key_id, struct pw_err *err)
{
    struct writing writing = {.key_id = key_id, .count = 1};
    return write_all(self, &writing, err);
}

/* --- Reading --- */

static enum pw_code give(struct key_kafka *keys, const struct pw_ledger_event *event,
                         uint64_t number, uint64_t count, const struct pw_key_sink *sink,
                         struct pw_err *err)
{
    struct pw_key_entry entry = {
        .log_key = kafka_of(keys)->given_key,
        .value = event->value,
        .value_bytes = event->value_bytes,
        .number = number,
        .count = count > number ? count : number + 1,
    };
    return sink->entry(sink->self, &entry, err);
}

static enum pw_code read_to_end(struct key_kafka *keys, const struct pw_key_sink *sink,
                                struct pw_err *err)
{
    uint64_t count = keys->next_offset == 0 ? keys->ledger.size(keys->ledger.self, PARTITION) : 0;
    uint64_t number = 0;
    struct pw_ledger_event event;
    struct pw_err why = {0};
    int64_t until_ms = kafka_now_ms() + READ_PATIENCE_MS;
    enum pw_code code = PW_OK;
    while (code == PW_OK && waits(keys, until_ms)) {
        keys->ledger.next(keys->ledger.self, TURN_MS, &event);
        switch (event.kind) {
        case PW_LEDGER_RECORD:
            code = give(keys, &event, number++, count, sink, err);
            keys->next_offset = code == PW_OK ? event.offset + 1 : keys->next_offset;
            until_ms = kafka_now_ms() + READ_PATIENCE_MS;
            break;
        case PW_LEDGER_END: return PW_OK;
        case PW_LEDGER_LOST:
            return pw_fail(err, PW_ERR_LEDGER_DAMAGED,
                           keys->next_offset == 0
                               ? "topic %s: the start was deleted, and keys with it"
                               : "topic %s: what was not read yet is gone, or the topic is another",
                           kafka_of(keys)->topic);
        case PW_LEDGER_DOWN:
            pw_fail(&why, PW_ERR_LEDGER_DOWN, "%s", event.detail != NULL ? event.detail : "down");
            break;
        case PW_LEDGER_NOTHING:
        case PW_LEDGER_DELIVERED: /* Of an append that was given up. */
        case PW_LEDGER_FAILED: break;
        }
    }
    return code != PW_OK ? code
                         : pw_fail(err, PW_ERR_LEDGER_DOWN, "topic %s: nothing comes: %s",
                                   kafka_of(keys)->topic, why.detail);
}

static enum pw_code key_follow(void *self, const struct pw_key_sink *sink, struct pw_err *err)
{
    struct key_kafka *keys = self;
    enum pw_code code =
        keys->ledger.read_from(keys->ledger.self, PARTITION, keys->next_offset, err);
    if (code == PW_OK) {
        code = read_to_end(keys, sink, err);
        keys->ledger.read_stop(keys->ledger.self, PARTITION);
    }
    return code;
}

static enum pw_code key_read(void *self, const struct pw_key_sink *sink, struct pw_err *err)
{
    ((struct key_kafka *)self)->next_offset = 0;
    return key_follow(self, sink, err);
}

/* --- Opening and making --- */

static void key_interrupt(void *self)
{
    struct key_kafka *keys = self;
    atomic_store(&keys->interrupted, true);
}

static void key_close(void *self)
{
    struct key_kafka *keys = self;
    keys->ledger.close(keys->ledger.self);
    free(keys);
}

enum pw_code pw_key_kafka_open(const struct pw_kafka_config *config, int timeout_ms,
                               struct pw_key_log *ret_log, struct pw_err *err)
{
    struct key_kafka *keys = kafka_memory(calloc(1, sizeof *keys));
    struct pw_ledger_wake no_wake = {NULL, NULL};
    enum pw_code code = pw_kafka_open(config, no_wake, timeout_ms, &keys->ledger, err);
    if (code != PW_OK) {
        free(keys);
        return code;
    }
    kafka_of(keys)->rules = &rules;
    code = one_partition(keys, err);
    if (code != PW_OK) {
        key_close(keys);
        return code;
    }
    *ret_log = (struct pw_key_log){
        .self = keys,
        .check = key_check,
        .put = key_put,
        .put_many = key_put_many,
        .destroy = key_destroy,
        .read = key_read,
        .follow = key_follow,
        .interrupt = key_interrupt,
        .close = key_close,
    };
    return PW_OK;
}

enum pw_code pw_key_kafka_create(const struct pw_kafka_config *config, uint32_t replication_factor,
                                 bool *ret_created, struct pw_err *err)
{
    const struct pw_ledger_plan plan = {
        .partition_count = 1,
        .replication_factor = replication_factor,
    };
    struct pw_key_log log;
    bool made = false;
    enum pw_code code = kafka_topic_ensure(config, &plan, &rules, &made, err);
    code = code != PW_OK ? code : pw_key_kafka_open(config, CREATE_MS, &log, err);
    if (code != PW_OK) {
        return code;
    }
    code = log.check(log.self, err);
    log.close(log.self);
    if (code == PW_OK) {
        *ret_created = made;
    }
    return code;
}
