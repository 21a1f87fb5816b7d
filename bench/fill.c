/* bench_fill: writes bookings into a ledger as fast as Kafka takes them, each one decided by the deciders
 * on the record before it, as a leader would: `audit verify` finds nothing wrong with it. No node may run
 * meanwhile.
 *
 *     bench_fill BROKERS TOPIC COMMITS [TENANTS]
 *
 * Goes on from what the ledger holds: the tenants are made by the first call (1 unless told otherwise),
 * and the following calls must name as many. Each student has a seat in each of five exams. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "commands/decide.h"
#include "commands/fold.h"
#include "eventstore/kafka.h"

#define TENANTS_MAX   64
#define EXAMS         5
#define SLOT_SEATS    60000
#define IN_FLIGHT_MAX 8192
#define WAIT_MS       30000
#define DAY_US        (24 * 60 * PW_US_PER_MINUTE)

struct partition {
    struct pw_fold fold;
    struct pw_chain_point tip;
    int64_t landed_offset; /* Of the next record that is reported. */
    bool at_end;
};

struct tenant {
    struct pw_id id;
    struct pw_id teacher_id;
    uint32_t partition;
    uint64_t reserved_count;
};

static struct pw_ledger ledger;
static struct partition *partitions;
static struct tenant tenants[TENANTS_MAX];
static uint32_t tenant_count = 1;
static struct pw_buffer value;
static struct pw_arena arena;
static uint64_t in_flight;
static uint64_t written;

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_fill: %s\n", what);
        exit(1);
    }
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

static struct pw_id id_of(const struct tenant *tenant, const char *kind, uint64_t number)
{
    char name[64];
    int bytes = snprintf(name, sizeof name, "%s %" PRIu64, kind, number);
    return pw_id_v5(&tenant->id, name, (size_t)bytes);
}

/* --- What the ledger holds --- */

static void count_seat(void *self, const struct pw_record *record, uint32_t index,
                       const struct pw_event *event, const struct pw_tenant *after)
{
    (void)self;
    (void)index;
    (void)after;
    for (uint32_t i = 0; event->type == PW_EVENT_RESERVATION_RESERVED && i < tenant_count; i++) {
        tenants[i].reserved_count += pw_id_equal(&tenants[i].id, &record->commit.boundary_id);
    }
}

static void read_all(void)
{
    const struct pw_fold_observer observer = {.event = count_seat};
    uint32_t left = ledger.partition_count;
    for (uint32_t p = 0; p < ledger.partition_count; p++) {
        pw_fold_init(&partitions[p].fold, p);
        must(ledger.read_from(ledger.self, p, 0, NULL) == PW_OK, "cannot read");
    }
    while (left > 0) {
        struct pw_ledger_event event;
        struct pw_record record;
        ledger.next(ledger.self, WAIT_MS, &event);
        must(event.kind == PW_LEDGER_RECORD || event.kind == PW_LEDGER_END, "cannot read on");
        struct partition *partition = &partitions[event.partition];
        if (event.kind == PW_LEDGER_RECORD) {
            must(pw_fold_take(&partition->fold, event.offset, event.value, event.value_bytes,
                              &observer, &record) != PW_CHAIN_STOPPED,
                 partition->fold.chain.stopped.detail);
        } else if (!partition->at_end) {
            partition->at_end = true;
            partition->tip = pw_chain_next(&partition->fold.chain);
            partition->landed_offset = event.offset;
            ledger.read_stop(ledger.self, event.partition);
            left--;
        }
    }
}

/* --- Commits --- */

static void take_reports(bool all)
{
    while (in_flight > (all ? 0 : IN_FLIGHT_MAX)) {
        struct pw_ledger_event event;
        ledger.next(ledger.self, WAIT_MS, &event);
        must(event.kind == PW_LEDGER_DELIVERED &&
                 event.offset == partitions[event.partition].landed_offset++,
             "a record did not land where it should: does a node run?");
        in_flight--;
    }
}

/* The state follows the bytes, as everywhere. */
static void evolve(struct partition *partition)
{
    struct pw_record record;
    struct pw_err err = {0};
    pw_arena_reset(&arena);
    must(pw_record_parse(value.data, value.bytes, &arena, &record, &err) == PW_OK, err.detail);
    for (uint32_t i = 0; i < record.event_count; i++) {
        struct pw_event event;
        must(pw_raw_event_read(&record.events[i], &event, &err) == PW_OK &&
                 pw_state_evolve(partition->fold.state, &record.commit.boundary_id, &event, NULL,
                                 &err) == PW_OK,
             err.detail);
    }
}

static void commit(const struct tenant *tenant, const struct pw_command *command,
                   struct pw_id actor_id, enum pw_role role)
{
    static struct pw_decision decision;
    struct partition *partition = &partitions[tenant->partition];
    struct pw_chain_point at = partition->tip;
    struct pw_err err = {0};
    char key[PW_ID_TEXT_BYTES + 1];
    uint64_t random[2] = {written, written * UINT64_C(0x9e3779b97f4a7c15)};
    int64_t clock_us = now_us();
    at.decided_at_us = clock_us > at.decided_at_us ? clock_us : at.decided_at_us + 1;
    struct pw_context context = {at.decided_at_us, actor_id, role};
    must(pw_decide(pw_state_tenant(partition->fold.state, &tenant->id), command, -1, &context,
                   &decision, &err) == PW_OK,
         err.detail);
    struct pw_commit head = {.tenant_id = tenant->id,
                             .boundary_id = tenant->id,
                             .command_id = pw_id_v7(at.decided_at_us, (const uint8_t *)random),
                             .actor_id = actor_id,
                             .role = role};
    head.correlation_id = head.command_id;
    must(pw_record_write_commit(&value, &at, &head, decision.events, decision.event_count, NULL,
                                0) == PW_OK,
         "too large");
    evolve(partition);
    pw_id_format(&tenant->id, key);
    must(ledger.append(ledger.self, tenant->partition, (struct pw_str){key, PW_ID_TEXT_BYTES},
                       value.data, value.bytes, written, &err) == PW_OK,
         err.detail);
    partition->tip = (struct pw_chain_point){pw_record_hash(value.data, value.bytes), at.height + 1,
                                             at.decided_at_us};
    written++;
    in_flight++;
    take_reports(false);
}

static void by_teacher(const struct tenant *tenant, const struct pw_command *command)
{
    commit(tenant, command, tenant->teacher_id, PW_ROLE_TEACHER);
}

static void furnish(struct tenant *tenant)
{
    struct pw_command command = {.type = PW_COMMAND_TENANT_CREATE};
    command.tenant_create = (struct pw_tenant_create){tenant->id, PW_STR("Graz"),
                                                      PW_STR("Europe/Vienna"), PW_STR("de")};
    commit(tenant, &command, tenant->teacher_id, PW_ROLE_OPERATOR);
    for (uint32_t i = 0; i < EXAMS; i++) {
        struct pw_id exam_id = id_of(tenant, "exam", i);
        command.type = PW_COMMAND_EXAM_DRAFT;
        command.exam_draft = (struct pw_exam_draft){exam_id, PW_STR("Linear Algebra"), 60, 60, 15};
        by_teacher(tenant, &command);
        command.type = PW_COMMAND_EXAM_PUBLISH;
        command.exam_publish = (struct pw_exam_publish){exam_id};
        by_teacher(tenant, &command);
    }
}

static struct pw_id slot_of(const struct tenant *tenant, uint64_t student, uint32_t exam)
{
    return id_of(tenant, "slot", student / SLOT_SEATS * EXAMS + exam);
}

static void open_slot(const struct tenant *tenant, uint64_t student, uint32_t exam)
{
    int64_t first_us = now_us() / DAY_US * DAY_US + 60 * DAY_US;
    struct pw_command command = {.type = PW_COMMAND_SLOT_OPEN};
    command.slot_open =
        (struct pw_slot_open){slot_of(tenant, student, exam), id_of(tenant, "exam", exam),
                              first_us + exam * DAY_US, SLOT_SEATS, 0};
    by_teacher(tenant, &command);
}

static void reserve(struct tenant *tenant)
{
    uint64_t student = tenant->reserved_count / EXAMS;
    uint32_t exam = (uint32_t)(tenant->reserved_count % EXAMS);
    struct pw_command command = {.type = PW_COMMAND_RESERVATION_RESERVE};
    if (student % SLOT_SEATS == 0) {
        open_slot(tenant, student, exam);
    }
    command.reservation_reserve = (struct pw_reservation_reserve){
        slot_of(tenant, student, exam), id_of(tenant, "reservation", tenant->reserved_count)};
    commit(tenant, &command, id_of(tenant, "student", student), PW_ROLE_STUDENT);
    tenant->reserved_count++;
}

int main(int argc, char **argv)
{
    must(argc == 4 || argc == 5, "bench_fill BROKERS TOPIC COMMITS [TENANTS]");
    struct pw_kafka_setting settings[] = {{"bootstrap.servers", argv[1]}};
    struct pw_kafka_config config = {.topic = argv[2], .settings = settings, .setting_count = 1};
    struct pw_err err = {0};
    uint64_t wanted = strtoull(argv[3], NULL, 10);
    tenant_count = argc == 5 ? (uint32_t)strtoul(argv[4], NULL, 10) : 1;
    must(tenant_count >= 1 && tenant_count <= TENANTS_MAX, "1 to 64 tenants");
    must(pw_kafka_open(&config, (struct pw_ledger_wake){0}, WAIT_MS, &ledger, &err) == PW_OK,
         err.detail);
    partitions = calloc(ledger.partition_count, sizeof *partitions);
    must(partitions != NULL, "out of memory");
    pw_buffer_init(&value, PW_RECORD_BYTES_MAX);
    pw_arena_init(&arena, PW_RECORD_ARENA_BYTES);
    for (uint32_t i = 0; i < tenant_count; i++) {
        static const struct pw_id name_space = {{0xbe, 0x2c, [15] = 1}};
        struct tenant *tenant = &tenants[i];
        tenant->id = pw_id_v5(&name_space, &i, sizeof i);
        tenant->teacher_id = id_of(tenant, "teacher", 0);
        tenant->partition = pw_partition_of(&tenant->id, ledger.partition_count);
    }
    read_all();
    int64_t began_us = now_us();
    for (uint32_t i = 0; i < tenant_count; i++) {
        const struct pw_fold *fold = &partitions[tenants[i].partition].fold;
        if (pw_state_tenant(fold->state, &tenants[i].id) == NULL) {
            furnish(&tenants[i]);
        }
    }
    for (uint32_t i = 0; written < wanted; i = (i + 1) % tenant_count) {
        reserve(&tenants[i]);
    }
    take_reports(true);
    double seconds = (double)(now_us() - began_us) / 1e6;
    printf("%" PRIu64 " commits in %.1f s, %.0f/s\n", written, seconds, (double)written / seconds);
    ledger.close(ledger.self);
    return 0;
}
