/* eventstore/tests/test_sim.c: the faults of the simulated log, each as its header tells it. A plain
 * program, so that ThreadSanitizer can run it. */
#include "eventstore/chain.h"
#include "eventstore/sim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "FAILED %s\n  %s:%d: %s\n", test_name, __FILE__, __LINE__,             \
                    #condition);                                                                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define NOW_US     INT64_C(1772442000000000)
#define ALWAYS     1000
#define HORIZON_US (24 * 60 * PW_US_PER_MINUTE)

static const char *test_name = "";
static const struct pw_id ledger_id = {{0x51}};

struct rig {
    struct pw_sim_log *log;
    struct pw_ledger ledger;
};

static struct rig rig_new(uint64_t seed, struct pw_sim_faults faults)
{
    struct rig rig = {.log = pw_sim_log_new(2, seed, NOW_US)};

    pw_sim_set_faults(rig.log, &faults);
    CHECK(pw_sim_open(rig.log, (struct pw_ledger_wake){NULL, NULL}, &rig.ledger) == PW_OK);
    return rig;
}

static void rig_free(struct rig *rig)
{
    rig->ledger.close(rig->ledger.self);
    pw_sim_log_free(rig->log);
}

static enum pw_code append(struct pw_ledger *ledger, uint8_t number)
{
    return ledger->append(ledger->self, 0, (struct pw_str){NULL, 0}, &number, 1, number, NULL);
}

static struct pw_ledger_event next(struct pw_ledger *ledger)
{
    struct pw_ledger_event event;

    ledger->next(ledger->self, 0, &event);
    return event;
}

/* What lies in partition 0, one digit a record; `-` is a gap or deleted. */
static const char *content(struct pw_sim_log *log)
{
    static char text[256];
    int64_t end = pw_sim_end(log, 0);

    for (int64_t offset = 0; offset < end; offset++) {
        uint8_t *value = NULL;
        size_t bytes = 0;
        bool found = pw_sim_get(log, 0, offset, &value, &bytes);
        text[offset] = found && bytes == 1 ? (char)('0' + value[0]) : '-';
        free(value);
    }
    text[end] = '\0';
    return text;
}

static bool is_failed(struct pw_ledger_event event, uint64_t tag)
{
    return event.kind == PW_LEDGER_FAILED && event.tag == tag && event.offset == -1 &&
           event.code == PW_ERR_LEDGER_DOWN;
}

static bool is_delivered(struct pw_ledger_event event, uint64_t tag, int64_t offset)
{
    return event.kind == PW_LEDGER_DELIVERED && event.tag == tag && event.offset == offset;
}

static bool is_nothing(struct pw_ledger_event event)
{
    return event.kind == PW_LEDGER_NOTHING;
}

static void test_lose(void)
{
    struct rig rig = rig_new(1, (struct pw_sim_faults){.lose = ALWAYS});

    CHECK(append(&rig.ledger, 1) == PW_OK);
    CHECK(is_failed(next(&rig.ledger), 1));
    pw_sim_advance(rig.log, PW_US_PER_MINUTE);
    CHECK(strcmp(content(rig.log), "") == 0);
    rig_free(&rig);
}

static void test_lose_ack(void)
{
    struct rig rig = rig_new(1, (struct pw_sim_faults){.lose_ack = ALWAYS});

    CHECK(append(&rig.ledger, 1) == PW_OK);
    CHECK(is_failed(next(&rig.ledger), 1));
    CHECK(strcmp(content(rig.log), "1") == 0);
    rig_free(&rig);
}

static void test_repeat(void)
{
    struct rig rig = rig_new(1, (struct pw_sim_faults){.repeat = ALWAYS});

    CHECK(append(&rig.ledger, 1) == PW_OK);
    CHECK(append(&rig.ledger, 2) == PW_OK);
    CHECK(strcmp(content(rig.log), "1122") == 0);
    CHECK(is_delivered(next(&rig.ledger), 1, 0));
    CHECK(is_delivered(next(&rig.ledger), 2, 2));
    CHECK(is_nothing(next(&rig.ledger)));
    rig_free(&rig);
}

static void test_late(void)
{
    struct rig rig = rig_new(1, (struct pw_sim_faults){.late = ALWAYS, .late_us_max = 1000});

    CHECK(append(&rig.ledger, 1) == PW_OK);
    CHECK(is_failed(next(&rig.ledger), 1));
    CHECK(strcmp(content(rig.log), "") == 0);
    pw_sim_set_faults(rig.log, &(struct pw_sim_faults){0});
    CHECK(append(&rig.ledger, 2) == PW_OK);
    CHECK(is_delivered(next(&rig.ledger), 2, 0));
    pw_sim_advance(rig.log, 1000);
    CHECK(strcmp(content(rig.log), "21") == 0);
    CHECK(is_nothing(next(&rig.ledger)));
    rig_free(&rig);
}

static void test_reorder(void)
{
    struct rig rig = rig_new(1, (struct pw_sim_faults){.reorder = ALWAYS});

    CHECK(append(&rig.ledger, 1) == PW_OK);
    CHECK(strcmp(content(rig.log), "") == 0);
    pw_sim_set_faults(rig.log, &(struct pw_sim_faults){0});
    CHECK(append(&rig.ledger, 2) == PW_OK);
    CHECK(strcmp(content(rig.log), "21") == 0);
    CHECK(is_delivered(next(&rig.ledger), 2, 0));
    CHECK(is_delivered(next(&rig.ledger), 1, 1));

    pw_sim_set_faults(rig.log, &(struct pw_sim_faults){.reorder = ALWAYS});
    CHECK(append(&rig.ledger, 3) == PW_OK); /* It has no successor. */
    pw_sim_advance(rig.log, 1);
    CHECK(strcmp(content(rig.log), "213") == 0);
    rig_free(&rig);
}

static void test_offsets(void)
{
    struct rig rig = rig_new(1, (struct pw_sim_faults){.offset_unknown = ALWAYS});
    bool seen[4] = {false};

    CHECK(append(&rig.ledger, 1) == PW_OK);
    CHECK(is_delivered(next(&rig.ledger), 1, -1));
    pw_sim_set_faults(rig.log, &(struct pw_sim_faults){.offset_falsified = ALWAYS});
    for (int64_t offset = 1; offset < 200; offset++) {
        CHECK(append(&rig.ledger, 1) == PW_OK);
        int64_t claimed = next(&rig.ledger).offset;
        CHECK(claimed == 0 || (claimed > offset && claimed <= offset + 3));
        seen[claimed == 0 ? 0 : claimed - offset] = true;
    }
    for (int i = 0; i < 4; i++) {
        CHECK(seen[i]);
    }
    rig_free(&rig);
}

static void test_fatal(void)
{
    struct rig rig = rig_new(1, (struct pw_sim_faults){.delay_us_max = 1000});
    bool failed[4] = {false};

    for (uint8_t i = 1; i <= 2; i++) {
        CHECK(append(&rig.ledger, i) == PW_OK);
    }
    pw_sim_set_faults(rig.log, &(struct pw_sim_faults){.fatal = ALWAYS});
    CHECK(append(&rig.ledger, 3) == PW_OK);
    for (int i = 0; i < 3; i++) {
        struct pw_ledger_event event = next(&rig.ledger);
        CHECK(event.tag <= 3 && is_failed(event, event.tag) && !failed[event.tag]);
        failed[event.tag] = true;
    }
    pw_sim_set_faults(rig.log, &(struct pw_sim_faults){0});
    CHECK(append(&rig.ledger, 4) == PW_ERR_LEDGER_DOWN);
    CHECK(rig.ledger.renew(rig.ledger.self, NULL) == PW_OK);
    pw_sim_advance(rig.log, PW_US_PER_SECOND);
    CHECK(is_nothing(next(&rig.ledger)));
    int64_t end = pw_sim_end(rig.log, 0);
    CHECK(append(&rig.ledger, 5) == PW_OK);
    CHECK(is_delivered(next(&rig.ledger), 5, end));
    rig_free(&rig);
}

/* What was given up lands all the same, unless the network loses it. */
static void test_renew_and_close_do_not_undo(void)
{
    struct rig rig = rig_new(1, (struct pw_sim_faults){.delay_us_max = 1000});
    struct pw_ledger other;

    CHECK(pw_sim_open(rig.log, (struct pw_ledger_wake){NULL, NULL}, &other) == PW_OK);
    CHECK(append(&rig.ledger, 1) == PW_OK);
    CHECK(append(&other, 2) == PW_OK);
    CHECK(rig.ledger.renew(rig.ledger.self, NULL) == PW_OK);
    other.close(other.self);
    CHECK(strcmp(content(rig.log), "") == 0);
    pw_sim_advance(rig.log, 1000);
    CHECK(strlen(content(rig.log)) == 2);
    CHECK(is_nothing(next(&rig.ledger)));
    CHECK(append(&rig.ledger, 3) == PW_OK); /* In flight to the end: freed with the log. */
    rig_free(&rig);
}

static void test_delay_keeps_the_order(void)
{
    enum { COUNT = 9 };
    struct rig rig = rig_new(7, (struct pw_sim_faults){.delay_us_max = 1000});
    bool reported[COUNT + 1] = {false};

    for (uint8_t i = 1; i <= COUNT; i++) {
        CHECK(append(&rig.ledger, i) == PW_OK);
    }
    CHECK(pw_sim_now_us(rig.log) == NOW_US);
    pw_sim_advance(rig.log, 2000);
    CHECK(pw_sim_now_us(rig.log) == NOW_US + 2000);
    CHECK(strcmp(content(rig.log), "123456789") == 0);
    for (int i = 0; i < COUNT; i++) {
        struct pw_ledger_event event = next(&rig.ledger);
        CHECK(event.kind == PW_LEDGER_DELIVERED && !reported[event.tag]);
        CHECK(event.offset == (int64_t)event.tag - 1);
        CHECK(event.broker_at_us > NOW_US - 1 && event.broker_at_us <= NOW_US + 1000);
        reported[event.tag] = true;
    }
    rig_free(&rig);
}

static void test_slow_reader(void)
{
    struct rig rig = rig_new(12, (struct pw_sim_faults){.read_lag_us_max = 1000});
    struct pw_ledger_event event;
    bool was_behind = false;

    append(&rig.ledger, 1);
    for (uint8_t number = 2; number < 10; number++) {
        CHECK(rig.ledger.read_from(rig.ledger.self, 0, number - 2, NULL) == PW_OK);
        while ((event = next(&rig.ledger)).kind != PW_LEDGER_RECORD) {
            CHECK(event.kind == PW_LEDGER_DELIVERED);
        }
        CHECK(event.offset == number - 2); /* What lay there when the read began is there. */
        append(&rig.ledger, number);
        do {
            event = next(&rig.ledger);
        } while (event.kind == PW_LEDGER_DELIVERED);
        was_behind = was_behind || event.kind == PW_LEDGER_END;
        pw_sim_advance(rig.log, 1000);
        while (event.kind != PW_LEDGER_RECORD) {
            event = next(&rig.ledger);
            CHECK(event.kind != PW_LEDGER_NOTHING);
        }
        CHECK(event.offset == number - 1);
    }
    CHECK(was_behind);
    rig_free(&rig);
}

static void test_lagging_end(void)
{
    struct rig rig = rig_new(13, (struct pw_sim_faults){0});
    struct pw_ledger other;
    struct pw_ledger_event event;

    CHECK(pw_sim_open(rig.log, (struct pw_ledger_wake){NULL, NULL}, &other) == PW_OK);
    for (uint8_t i = 1; i <= 3; i++) {
        CHECK(append(&rig.ledger, i) == PW_OK);
        CHECK(is_delivered(next(&rig.ledger), i, i - 1));
    }
    pw_sim_set_lag(rig.log, 0, 2);
    CHECK(rig.ledger.read_from(rig.ledger.self, 0, 1, NULL) == PW_OK);
    CHECK(is_nothing(next(&rig.ledger))); /* Who was told that more has landed doubts this end. */
    CHECK(is_nothing(next(&rig.ledger)));
    CHECK(other.read_from(other.self, 0, 1, NULL) == PW_OK);
    event = next(&other); /* Who knows of nothing more takes it for the end. */
    CHECK(event.kind == PW_LEDGER_END && event.offset == 1);
    CHECK(pw_sim_doubt_count(rig.log) == 1);
    other.saw(other.self, 0, 2);
    CHECK(other.read_from(other.self, 0, 1, NULL) == PW_OK);
    CHECK(is_nothing(next(&other)));
    CHECK(pw_sim_doubt_count(rig.log) == 2);
    pw_sim_set_lag(rig.log, 0, 0);
    CHECK(next(&rig.ledger).kind == PW_LEDGER_RECORD);
    CHECK(next(&other).kind == PW_LEDGER_RECORD);
    other.close(other.self);
    rig_free(&rig);
}

static void test_down(void)
{
    struct rig rig = rig_new(1, (struct pw_sim_faults){.delay_us_max = 1000});

    CHECK(append(&rig.ledger, 1) == PW_OK);
    pw_sim_set_down(rig.log, true);
    CHECK(next(&rig.ledger).kind == PW_LEDGER_DOWN);
    pw_sim_advance(rig.log, 2000);
    CHECK(is_failed(next(&rig.ledger), 1));
    pw_sim_set_down(rig.log, false);
    pw_sim_advance(rig.log, 2000);
    CHECK(strcmp(content(rig.log), "") == 0);
    CHECK(append(&rig.ledger, 2) == PW_OK);
    pw_sim_advance(rig.log, 2000);
    CHECK(is_delivered(next(&rig.ledger), 2, 0));
    pw_sim_set_down(rig.log, true);
    CHECK(next(&rig.ledger).kind == PW_LEDGER_DOWN); /* Told again, since it was up between. */
    rig_free(&rig);
}

static void test_deleted_and_cut_off(void)
{
    struct rig rig = rig_new(1, (struct pw_sim_faults){0});

    for (uint8_t i = 1; i <= 6; i++) {
        CHECK(append(&rig.ledger, i) == PW_OK);
        next(&rig.ledger);
    }
    pw_sim_skip_offset(rig.log, 0);
    pw_sim_delete_before(rig.log, 0, 2);
    CHECK(strcmp(content(rig.log), "--3456-") == 0);
    CHECK(rig.ledger.read_from(rig.ledger.self, 0, 5, NULL) == PW_OK);
    CHECK(next(&rig.ledger).kind == PW_LEDGER_RECORD);
    pw_sim_truncate(rig.log, 0, 4);
    CHECK(strcmp(content(rig.log), "--34") == 0);
    struct pw_ledger_event event = next(&rig.ledger);
    CHECK(event.kind == PW_LEDGER_LOST && event.offset == 6);
    CHECK(is_nothing(next(&rig.ledger)));
    rig_free(&rig);
}

/* --- Whole runs with every fault at once --- */

static const struct pw_sim_faults all_faults = {.lose = 40,
                                                .lose_ack = 40,
                                                .repeat = 40,
                                                .late = 40,
                                                .reorder = 40,
                                                .offset_unknown = 40,
                                                .offset_falsified = 40,
                                                .fatal = 10,
                                                .delay_us_max = 3000,
                                                .late_us_max = 50000};

struct writer {
    struct pw_ledger ledger;
    struct pw_chain chain;
    struct pw_chain_point tip; /* The chain with what it has in flight. */
    struct pw_id incarnation;
    uint64_t tag;
};

static void writer_open(struct writer *writer, struct pw_sim_log *log, uint8_t number)
{
    *writer = (struct writer){.incarnation = {{number}}};
    CHECK(pw_sim_open(log, (struct pw_ledger_wake){NULL, NULL}, &writer->ledger) == PW_OK);
    CHECK(writer->ledger.read_from(writer->ledger.self, 0, 0, NULL) == PW_OK);
    pw_chain_init(&writer->chain, 0);
}

static void writer_close(struct writer *writer)
{
    writer->ledger.close(writer->ledger.self);
    pw_chain_close(&writer->chain);
}

static void writer_append(struct writer *writer, struct pw_buffer *buffer)
{
    struct pw_leader leader = {PW_STR("node"), writer->incarnation};

    if (writer->chain.head_offset < 0) {
        return;
    }
    CHECK(pw_record_write_leader(buffer, &writer->tip, &leader) == PW_OK);
    if (writer->ledger.append(writer->ledger.self, 0, (struct pw_str){NULL, 0}, buffer->data,
                              buffer->bytes, writer->tag++, NULL) != PW_OK) {
        CHECK(writer->ledger.renew(writer->ledger.self, NULL) == PW_OK);
        writer->tip = pw_chain_next(&writer->chain);
        return;
    }
    writer->tip.prev = pw_record_hash(buffer->data, buffer->bytes);
    writer->tip.height++;
}

/* Takes one event; a failure, or a foreign record on its head, makes it begin from there again. */
static bool writer_take(struct writer *writer, uint64_t *transcript)
{
    struct pw_ledger_event event = next(&writer->ledger);
    struct pw_record record;

    *transcript = *transcript * 31 + (uint64_t)event.kind * 7 + (uint64_t)event.offset + event.tag;
    if (event.kind == PW_LEDGER_RECORD) {
        enum pw_verdict verdict =
            pw_chain_take(&writer->chain, event.offset, event.value, event.value_bytes, &record);
        CHECK(verdict != PW_CHAIN_STOPPED);
        if (verdict == PW_CHAIN_VOID || record.kind == PW_RECORD_GENESIS ||
            !pw_id_equal(&record.leader.incarnation, &writer->incarnation)) {
            writer->tip = pw_chain_next(&writer->chain);
        }
    } else if (event.kind == PW_LEDGER_FAILED) {
        writer->tip = pw_chain_next(&writer->chain);
    }
    return event.kind != PW_LEDGER_NOTHING;
}

/* What a whole run came to: what was seen, and the head of the one history. */
struct outcome {
    uint64_t transcript;
    struct pw_hash head;
    uint64_t accepted;
    uint64_t voided;
};

static struct outcome run(uint64_t seed)
{
    enum { WRITERS = 3, STEPS = 400 };
    struct pw_sim_log *log = pw_sim_log_new(1, seed, NOW_US);
    struct writer writers[WRITERS];
    struct pw_buffer buffer;
    struct outcome outcome = {0};

    CHECK(pw_sim_create(log, &ledger_id, HORIZON_US) == PW_OK);
    pw_sim_set_faults(log, &all_faults);
    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
    for (uint8_t i = 0; i < WRITERS; i++) {
        writer_open(&writers[i], log, i + 1);
    }
    for (int step = 0; step < STEPS; step++) {
        struct writer *writer = &writers[step * 7 % WRITERS];
        writer_append(writer, &buffer);
        writer_append(writer, &buffer);
        pw_sim_advance(log, 700);
        for (int i = 0; i < 20 && writer_take(writer, &outcome.transcript); i++) {
        }
    }
    pw_sim_advance(log, PW_US_PER_SECOND);
    for (int i = 0; i < WRITERS; i++) {
        while (writer_take(&writers[i], &outcome.transcript)) {
        }
        CHECK(pw_hash_equal(&writers[i].chain.head, &writers[0].chain.head));
    }
    outcome.head = writers[0].chain.head;
    outcome.accepted = writers[0].chain.accepted_count;
    outcome.voided = writers[0].chain.void_count;
    for (int i = 0; i < WRITERS; i++) {
        writer_close(&writers[i]);
    }
    pw_buffer_close(&buffer);
    pw_sim_log_free(log);
    return outcome;
}

static void test_one_seed_one_run(void)
{
    struct outcome first = run(42);
    struct outcome again = run(42);
    struct outcome other = run(43);

    CHECK(first.transcript == again.transcript && pw_hash_equal(&first.head, &again.head));
    CHECK(first.transcript != other.transcript && !pw_hash_equal(&first.head, &other.head));
}

static void test_one_history_under_all_faults(void)
{
    uint64_t accepted = 0;
    uint64_t voided = 0;

    for (uint64_t seed = 0; seed < 60; seed++) {
        struct outcome outcome = run(seed);
        accepted += outcome.accepted;
        voided += outcome.voided;
        CHECK(outcome.accepted > 1 && outcome.voided > 0);
    }
    printf("    %llu accepted, %llu void\n", (unsigned long long)accepted,
           (unsigned long long)voided);
}

/* --- Threads --- */

struct crowd {
    struct pw_sim_log *log;
    atomic_uint wakes;
    atomic_bool over;
};

static void count_wake(void *self)
{
    atomic_fetch_add(&((struct crowd *)self)->wakes, 1);
}

static void *work(void *self)
{
    struct crowd *crowd = self;
    struct pw_ledger ledger;

    for (int round = 0; round < 20; round++) {
        CHECK(pw_sim_open(crowd->log, (struct pw_ledger_wake){crowd, count_wake}, &ledger) ==
              PW_OK);
        CHECK(ledger.read_from(ledger.self, 0, 0, NULL) == PW_OK);
        for (uint8_t i = 0; i < 40; i++) {
            struct pw_ledger_event event;
            if (append(&ledger, i) != PW_OK) {
                CHECK(ledger.renew(ledger.self, NULL) == PW_OK);
            }
            ledger.next(ledger.self, i % 2, &event);
            ledger.next(ledger.self, 0, &event);
        }
        ledger.close(ledger.self);
    }
    return NULL;
}

static void *turn_time(void *self)
{
    struct crowd *crowd = self;

    while (!atomic_load(&crowd->over)) {
        pw_sim_advance(crowd->log, 100);
        pw_sim_put(crowd->log, 0, "x", 1);
    }
    return NULL;
}

static void test_threads(void)
{
    enum { THREADS = 3 };
    struct crowd crowd = {.log = pw_sim_log_new(2, 5, NOW_US)};
    pthread_t threads[THREADS];
    pthread_t clock;

    pw_sim_set_faults(crowd.log, &all_faults);
    CHECK(pthread_create(&clock, NULL, turn_time, &crowd) == 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, work, &crowd) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&crowd.over, true);
    pthread_join(clock, NULL);
    CHECK(atomic_load(&crowd.wakes) > 0);
    pw_sim_log_free(crowd.log);
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"an append is lost", test_lose},
    {"an acknowledgement is lost", test_lose_ack},
    {"an append lands twice", test_repeat},
    {"an append lands late", test_late},
    {"an append lands after its successor", test_reorder},
    {"offsets are unknown or wrong", test_offsets},
    {"a fatal error ends a producer", test_fatal},
    {"what was given up may land", test_renew_and_close_do_not_undo},
    {"delays keep the order of one handle", test_delay_keeps_the_order},
    {"a slow reader sees what lands later", test_slow_reader},
    {"an end that lags is doubted by who knows better", test_lagging_end},
    {"the log is down for a while", test_down},
    {"the log's start is deleted, its end cut off", test_deleted_and_cut_off},
    {"one seed gives one run", test_one_seed_one_run},
    {"there is one history under all faults", test_one_history_under_all_faults},
    {"threads share a log", test_threads},
};

int main(void)
{
    for (size_t i = 0; i < PW_COUNT(tests); i++) {
        test_name = tests[i].name;
        printf("sim: %s\n", test_name);
        tests[i].run();
    }
    printf("sim: %zu tests passed\n", PW_COUNT(tests));
    return 0;
}
