/* The Kafka adapter while the broker that leads its partition dies, hangs and comes back. Needs
 * PW_TEST_KAFKA=host:port,... of a cluster of one node or three that may be killed, and
 * PW_TEST_KAFKA_CONTROL, the --dir of integration/cluster/kafka. Nothing else may use that cluster
 * meanwhile. */
#include "eventstore/key_adapters.h"
#include "eventstore/tests/kafka_rig.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WAIT_MS      60000
#define APPENDS_MAX  100000
#define RENEW_MS_MAX 5000

static const struct pw_ledger_wake no_wake = {NULL, NULL};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void broker(int node, const char *verb)
{
    const char *dir = getenv("PW_TEST_KAFKA_CONTROL");
    cr_assert_not_null(dir, "PW_TEST_KAFKA_CONTROL is not set");
    char command[1024];
    snprintf(command, sizeof command, "%s/integration/cluster/kafka %s %d --dir %s", PW_ROOT_DIR,
             verb, node, dir);
    cr_assert_eq(system(command), 0, "%s", command);
}

/* A writer and a reader on one partition, and what became of every append. */
struct scene {
    struct kafka_rig rig;
    struct pw_ledger ledger;
    uint64_t append_count;
    uint64_t delivered_count;
    uint64_t failed_count;
    uint64_t down_count;
    uint64_t renew_count; /* That recovery took. */
    int64_t read_offset;  /* The next that the reader is to give. */
    uint64_t first_alive; /* Appends with an older tag were given up by renew. */
    uint8_t reported[APPENDS_MAX];
    int64_t offset_of[APPENDS_MAX];
    uint8_t seen[APPENDS_MAX]; /* How often the reader gave it. */
};

static struct scene *scene_open(void)
{
    struct scene *scene = calloc(1, sizeof *scene);
    kafka_rig_open(&scene->rig);
    kafka_rig_make_topic(&scene->rig, 1, NULL, NULL);
    struct pw_err err = {0};
    cr_assert_eq(pw_kafka_open(&scene->rig.config, no_wake, WAIT_MS, &scene->ledger, &err), PW_OK,
                 "%s", err.detail);
    cr_assert_eq(scene->ledger.read_from(scene->ledger.self, 0, 0, NULL), PW_OK);
    return scene;
}

static void scene_close(struct scene *scene)
{
    printf("provoked: %lu appends, %lu delivered, %lu failed, %lu times down, %lu renewed\n",
           (unsigned long)scene->append_count, (unsigned long)scene->delivered_count,
           (unsigned long)scene->failed_count, (unsigned long)scene->down_count,
           (unsigned long)scene->renew_count);
    scene->ledger.close(scene->ledger.self);
    kafka_rig_close(&scene->rig);
    free(scene);
}

static bool scene_append(struct scene *scene)
{
    uint64_t tag = scene->append_count;
    cr_assert_lt(tag, APPENDS_MAX);
    if (scene->ledger.append(scene->ledger.self, 0, PW_STR(""), &tag, sizeof tag, tag, NULL) !=
        PW_OK) {
        return false;
    }
    scene->append_count++;
    return true;
}

/* Takes one event; false when none came in time. */
static bool scene_step(struct scene *scene, int timeout_ms)
{
    struct pw_ledger_event event;
    scene->ledger.next(scene->ledger.self, timeout_ms, &event);
    uint64_t tag;
    switch (event.kind) {
    case PW_LEDGER_NOTHING: return false;
    case PW_LEDGER_DELIVERED:
    case PW_LEDGER_FAILED:
        cr_assert_lt(event.tag, scene->append_count);
        cr_assert_geq(event.tag, scene->first_alive, "a report of before renew");
        cr_assert_eq(scene->reported[event.tag]++, 0, "reported twice");
        scene->delivered_count += event.kind == PW_LEDGER_DELIVERED;
        scene->failed_count += event.kind == PW_LEDGER_FAILED;
        scene->offset_of[event.tag] = event.kind == PW_LEDGER_DELIVERED ? event.offset : -1;
        return true;
    case PW_LEDGER_RECORD:
        cr_assert_eq(event.offset, scene->read_offset, "the reader has a gap");
        scene->read_offset++;
        memcpy(&tag, event.value, sizeof tag);
        scene->seen[tag]++;
        if (scene->offset_of[tag] > 0) {
            cr_assert_eq(scene->offset_of[tag], event.offset);
        }
        return true;
    case PW_LEDGER_END: cr_assert_eq(event.offset, scene->read_offset); return true;
    case PW_LEDGER_LOST: cr_assert(false, "lost: %s", event.detail); return true;
    case PW_LEDGER_DOWN: scene->down_count++; return true;
    }
    return true;
}

static uint64_t scene_open_count(const struct scene *scene)
{
    uint64_t count = 0;
    for (uint64_t i = scene->first_alive; i < scene->append_count; i++) {
        count += scene->reported[i] == 0;
    }
    return count;
}

/* Goes on until every append alive is reported. */
static void scene_settle(struct scene *scene)
{
    int64_t deadline_ms = now_ms() + WAIT_MS;
    while (scene_open_count(scene) > 0) {
        cr_assert_lt(now_ms(), deadline_ms, "%lu appends have no report",
                     (unsigned long)scene_open_count(scene));
        scene_step(scene, 100);
    }
}

/* Goes on until the fault was felt: of one broker DOWN is told, of three another takes over. */
static void scene_await_fault(struct scene *scene, uint64_t down_count)
{
    int64_t deadline_ms = now_ms() + WAIT_MS;
    if (scene->rig.replica_count > 1) {
        scene_append(scene);
        scene_settle(scene);
        return;
    }
    while (scene->down_count < down_count) {
        cr_assert_lt(now_ms(), deadline_ms, "DOWN was not told");
        scene_step(scene, 100);
    }
}

/* Renews until a record is delivered again and the reader has it. */
static void scene_recover(struct scene *scene)
{
    int64_t deadline_ms = now_ms() + WAIT_MS;
    for (;;) {
        cr_assert_lt(now_ms(), deadline_ms, "it does not recover");
        uint64_t before = scene->delivered_count;
        if (scene_append(scene)) {
            scene_settle(scene);
            if (scene->delivered_count > before) {
                break;
            }
        }
        scene->first_alive = scene->append_count;
        scene->renew_count++;
        cr_assert_eq(scene->ledger.renew(scene->ledger.self, NULL), PW_OK);
    }
    while (scene->seen[scene->append_count - 1] == 0) {
        cr_assert_lt(now_ms(), deadline_ms, "the reader does not come back");
        scene_step(scene, 100);
    }
}

static void scene_check(const struct scene *scene)
{
    for (uint64_t i = 0; i < scene->append_count; i++) {
        cr_expect(scene->offset_of[i] <= 0 || scene->seen[i] > 0, "append %lu is lost",
                  (unsigned long)i);
    }
}

Test(kafka_faults, comes_back_with_a_broker_that_was_killed, .timeout = 200)
{
    struct scene *scene = scene_open();
    for (int i = 0; i < 1000; i++) {
        cr_assert(scene_append(scene));
    }
    scene_settle(scene);
    cr_expect_eq(scene->delivered_count, 1000);
    for (int i = 0; i < 1000; i++) { /* These are in flight when it dies. */
        cr_assert(scene_append(scene));
    }
    int node = kafka_rig_leader(&scene->rig, 0);
    broker(node, "kill");
    scene_await_fault(scene, 1);
    broker(node, "restart");
    scene_settle(scene);
    scene_recover(scene);
    /* Once, however often a connection is refused; or twice, where a broker that starts takes one and drops it. */
    bool is_alone = scene->rig.replica_count == 1;
    cr_expect(scene->down_count >= (is_alone ? 1 : 0) && scene->down_count <= (is_alone ? 2 : 0),
              "told %d times", (int)scene->down_count);
    scene_check(scene);
    node = kafka_rig_leader(&scene->rig, 0);
    broker(node, "kill");
    scene_await_fault(scene, 2);
    broker(node, "restart");
    scene_recover(scene);
    scene_check(scene);
    scene_close(scene);
}

Test(kafka_faults, comes_back_with_a_broker_that_hung, .timeout = 200)
{
    struct scene *scene = scene_open();
    for (int i = 0; i < 1000; i++) {
        cr_assert(scene_append(scene));
    }
    scene_step(scene, WAIT_MS);
    int node = kafka_rig_leader(&scene->rig, 0);
    broker(node, "pause");
    for (int i = 0; i < 1000; i++) {
        scene_append(scene);
        scene_step(scene, 0);
    }
    scene_await_fault(scene, 1); /* The socket's time-out is past, that of the messages is not. */
    broker(node, "resume");
    scene_settle(scene); /* Each is reported once, be it that the producer ended with an error. */
    scene_recover(scene);
    scene_check(scene);
    scene_close(scene);
}

Test(kafka_faults, gives_up_what_a_dead_broker_never_took, .timeout = 200)
{
    struct scene *scene = scene_open();
    cr_assert(scene_append(scene));
    scene_settle(scene);
    int node = kafka_rig_leader(&scene->rig, 0);
    broker(node, "kill");
    for (int i = 0; i < 1000; i++) {
        scene_append(scene);
    }
    uint64_t count = scene_open_count(scene);
    scene_settle(scene); /* The message's time-out reports them, or another broker takes them. */
    cr_expect_eq(scene->failed_count, scene->rig.replica_count == 1 ? count : 0);
    broker(node, "restart");
    scene_recover(scene);
    scene_check(scene);
    scene_close(scene);
}

Test(kafka_faults, renews_at_once_while_the_broker_hangs, .timeout = 200)
{
    struct scene *scene = scene_open();
    int node = kafka_rig_leader(&scene->rig, 0);
    broker(node, "pause");
    for (int i = 0; i < 1000; i++) {
        cr_assert(scene_append(scene));
    }
    scene->first_alive = scene->append_count;
    int64_t begin_ms = now_ms();
    cr_expect_eq(scene->ledger.renew(scene->ledger.self, NULL), PW_OK);
    cr_assert(scene_append(scene));
    scene->first_alive = scene->append_count;
    cr_expect_eq(scene->ledger.renew(scene->ledger.self, NULL), PW_OK);
    int64_t took_ms = now_ms() - begin_ms;
    broker(node, "resume");
    cr_expect_lt(took_ms, RENEW_MS_MAX, "%lld ms", (long long)took_ms);
    scene_recover(scene);
    scene_check(scene);
    scene_close(scene);
}

#define HANG_SECONDS                                                                               \
    12 /* Past the time-out of a message, so that it is reported FAILED; below the patience of a put. */

static void *resume_later(void *node)
{
    const struct timespec hang = {.tv_sec = HANG_SECONDS};
    nanosleep(&hang, NULL);
    broker(*(int *)node, "resume");
    return NULL;
}

/* An engine's thread reads between its other work: a broker that hangs while there is more to read
 * must not hold it up. */
Test(kafka_faults, a_reader_does_not_wait_for_a_broker_that_hangs, .timeout = 200)
{
    enum { RECORDS = 40000, AT_ONCE = 1000 };
    struct kafka_rig rig;
    struct pw_ledger_event event;
    pthread_t thread;
    kafka_rig_open(&rig);
    kafka_rig_make_topic(&rig, 1, NULL, NULL);
    struct pw_ledger writer = kafka_rig_ledger(&rig.config);
    for (uint32_t i = 0; i < RECORDS; i++) {
        cr_assert_eq(writer.append(writer.self, 0, PW_STR(""), "x", 1, i, NULL), PW_OK);
        if (i % AT_ONCE == AT_ONCE - 1) { /* Many batches: a fetch brings few of them. */
            for (uint32_t j = 0; j < AT_ONCE; j++) {
                cr_assert_eq(kafka_rig_next(&writer).kind, PW_LEDGER_DELIVERED);
            }
        }
    }
    writer.close(writer.self);
    struct pw_kafka_setting settings[] = {rig.settings[0], {"fetch.message.max.bytes", "20000"}};
    rig.config.settings = settings;
    rig.config.setting_count = PW_COUNT(settings);
    struct pw_ledger reader = kafka_rig_ledger(&rig.config);
    cr_assert_eq(reader.read_from(reader.self, 0, 0, NULL), PW_OK);
    cr_assert_eq(kafka_rig_next(&reader).kind, PW_LEDGER_RECORD);
    int node = kafka_rig_leader(&rig, 0);
    broker(node, "pause");
    pthread_create(&thread, NULL, resume_later, &node);
    int64_t longest_ms = 0;
    int64_t next_offset = 1;
    while (next_offset < RECORDS) {
        int64_t began_ms = now_ms();
        reader.next(reader.self, 0, &event);
        int64_t took_ms = now_ms() - began_ms;
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
        if (event.kind == PW_LEDGER_RECORD) {
            cr_assert_eq(event.offset, next_offset);
            next_offset++;
        }
    }
    pthread_join(thread, NULL);
    cr_expect_lt(longest_ms, RENEW_MS_MAX, "%lld ms", (long long)longest_ms);
    reader.close(reader.self);
    kafka_rig_close(&rig);
}

/* --- Keys --- */

static enum pw_code put_key(struct pw_key_log *log, uint8_t number, struct pw_err *err)
{
    struct pw_id key_id = {{number}};
    uint8_t value[PW_KEY_RECORD_BYTES] = {number};
    return log->put(log->self, &key_id, value, false, err);
}

static enum pw_code see_key(void *self, const struct pw_key_entry *entry, struct pw_err *err)
{
    (void)err;
    *(unsigned *)self |= 1U << entry->value[0];
    return PW_OK;
}

static unsigned keys_seen(struct pw_key_log *log, enum pw_code *ret_code)
{
    unsigned seen = 0;
    struct pw_key_sink sink = {.self = &seen, .entry = see_key};
    *ret_code = log->read(log->self, &sink, NULL);
    return seen;
}

Test(kafka_faults, a_key_is_confirmed_or_told_to_be_unknown, .timeout = 300)
{
    struct kafka_rig rig;
    struct pw_key_log log;
    struct pw_err err = {0};
    enum pw_code code;
    pthread_t resumer;
    bool created = false;
    kafka_rig_open(&rig);
    cr_assert_eq(pw_key_kafka_create(&rig.config, rig.replica_count, &created, &err), PW_OK, "%s",
                 err.detail);
    cr_assert_eq(pw_key_kafka_open(&rig.config, WAIT_MS, &log, &err), PW_OK, "%s", err.detail);
    cr_assert_eq(put_key(&log, 1, &err), PW_OK, "%s", err.detail);

    int node = kafka_rig_leader(&rig, 0);
    broker(node, "pause");
    cr_assert_eq(pthread_create(&resumer, NULL, resume_later, &node), 0);
    cr_expect_eq(put_key(&log, 2, &err), PW_OK, "%s", err.detail); /* Written again by itself. */
    pthread_join(resumer, NULL);
    cr_expect_eq(keys_seen(&log, &code), 1U << 1 | 1U << 2);
    cr_expect_eq(code, PW_OK);

    node = kafka_rig_leader(&rig, 0);
    broker(node, "kill");
    cr_expect_eq(put_key(&log, 3, &err), rig.replica_count == 1 ? PW_ERR_LEDGER_DOWN : PW_OK);
    keys_seen(&log, &code);
    cr_expect_eq(code, rig.replica_count == 1 ? PW_ERR_LEDGER_DOWN : PW_OK);
    broker(node, "restart");
    cr_expect_eq(put_key(&log, 4, &err), PW_OK, "%s", err.detail);
    cr_expect_eq(keys_seen(&log, &code) | 1U << 3, 1U << 1 | 1U << 2 | 1U << 3 | 1U << 4);
    cr_expect_eq(code, PW_OK);
    log.close(log.self);
    kafka_rig_close(&rig);
}
