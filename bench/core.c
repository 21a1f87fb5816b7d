/* bench_core: what a booking costs the decider, and what it leaves in memory, against the number of
 * reservations that the tenant has already: decide, evolve with pre-images, forget them, remember
 * the command's id. No I/O.
 *
 * Prints one JSON object a size. The reservations are those of students with five live ones each,
 * in slots of 10,000 seats. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "commands/decide.h"
#include "commands/remembered.h"
#include "commands/undo.h"

#define SEATS        10000
#define EACH         5 /* Live reservations of a student. */
#define SAMPLE       200
#define SLOTS_MAX    256
#define DECIDED_AT   INT64_C(1800000000000000)
#define HORIZON_US   (24 * 60 * PW_US_PER_MINUTE)
#define EXAM_MINUTES 60

static struct pw_state *state;
static struct pw_undo *undo;
static struct pw_remembered *remembered;
static struct pw_id slots[SLOTS_MAX];
static uint64_t id_count;

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_core: %s\n", what);
        exit(1);
    }
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Ids as they come: a UUIDv7 whose random part is a number mixed (SplitMix64). */
static struct pw_id fresh_id(void)
{
    uint64_t mixed = ++id_count * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    uint8_t random[16] = {0};
    memcpy(random + 8, &mixed, 8);
    return pw_id_v7(DECIDED_AT, random);
}

static const struct pw_id tenant_id = {{1}};
static const struct pw_id teacher_id = {{2}};

static void run(const struct pw_command *command, const struct pw_context *context)
{
    struct pw_decision decision; /* It needs no preparation. */
    struct pw_err err = {0};
    enum pw_code code =
        pw_decide(pw_state_tenant(state, &tenant_id), command, -1, context, &decision, &err);
    must(code == PW_OK && decision.event_count > 0, err.detail);
    for (uint32_t i = 0; i < decision.event_count; i++) {
        must(pw_state_evolve(state, &tenant_id, &decision.events[i], undo, &err) == PW_OK,
             err.detail);
    }
}

/* A slot for an exam of its own, an hour after the one before. */
static struct pw_id open_slot(uint32_t number)
{
    const struct pw_context teacher = {DECIDED_AT, teacher_id, PW_ROLE_TEACHER};
    struct pw_id exam_id = fresh_id();
    struct pw_id slot_id = fresh_id();
    struct pw_command draft = {.type = PW_COMMAND_EXAM_DRAFT};
    draft.exam_draft = (struct pw_exam_draft){
        .exam_id = exam_id, .title = PW_STR("Algebra"), .duration_minutes = EXAM_MINUTES};
    run(&draft, &teacher);
    struct pw_command publish = {.type = PW_COMMAND_EXAM_PUBLISH,
                                 .exam_publish = {.exam_id = exam_id}};
    run(&publish, &teacher);
    struct pw_command open = {.type = PW_COMMAND_SLOT_OPEN};
    open.slot_open = (struct pw_slot_open){
        .slot_id = slot_id,
        .exam_id = exam_id,
        .starts_at = DECIDED_AT + (int64_t)(number + 24) * 60 * PW_US_PER_MINUTE,
        .capacity = SEATS,
    };
    run(&open, &teacher);
    return slot_id;
}

static void open_tenant(void)
{
    const struct pw_context operator= {DECIDED_AT, {{3}}, PW_ROLE_OPERATOR};
    struct pw_command create = {.type = PW_COMMAND_TENANT_CREATE};
    create.tenant_create = (struct pw_tenant_create){
        .tenant_id = tenant_id,
        .name = PW_STR("Graz"),
        .time_zone = PW_STR("Europe/Vienna"),
        .language = PW_STR("de"),
    };
    state = pw_state_new();
    undo = pw_undo_new();
    remembered = pw_remembered_new();
    run(&create, &operator);
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        slots[i] = open_slot(i);
    }
}

/* The n-th booking: five by each student, in slots that follow one another. */
static void book(uint64_t number)
{
    static struct pw_id student;
    uint64_t student_number = number / EACH;
    if (number % EACH == 0) {
        student = fresh_id();
    }
    uint64_t first_slot = student_number / SEATS * EACH;
    struct pw_command reserve = {.type = PW_COMMAND_RESERVATION_RESERVE};
    reserve.reservation_reserve = (struct pw_reservation_reserve){
        .slot_id = slots[first_slot + number % EACH],
        .reservation_id = fresh_id(),
    };
    struct pw_context context = {DECIDED_AT, student, PW_ROLE_STUDENT};
    struct pw_id command_id = fresh_id();
    struct pw_id key = pw_remembered_key(&tenant_id, &student, &command_id);
    run(&reserve, &context);
    pw_undo_forget(undo, pw_undo_mark(undo));
    pw_remembered_add(remembered, &key, (int64_t)number, DECIDED_AT + HORIZON_US);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static const uint64_t sizes[] = {1000, 10000, 100000, 1000000};
    static double costs_us[SAMPLE];
    uint64_t booked = 0;
    open_tenant();
    uint64_t state_empty = pw_state_memory_bytes(state);
    for (size_t i = 0; i < PW_COUNT(sizes); i++) {
        while (booked < sizes[i]) {
            book(booked++);
        }
        uint64_t state_bytes = pw_state_memory_bytes(state) - state_empty;
        uint64_t remembered_bytes = pw_remembered_memory_bytes(remembered);
        uint64_t count = booked;
        for (int sample = 0; sample < SAMPLE; sample++) {
            int64_t begun_ns = now_ns();
            for (int turn = 0; turn < EACH; turn++) {
                book(booked++);
            }
            costs_us[sample] = (double)(now_ns() - begun_ns) / 1e3 / EACH;
        }
        qsort(costs_us, SAMPLE, sizeof(double), by_size);
        printf("{\"reservations\": %llu, \"students\": %llu, \"booking_us\": %.2f, "
               "\"bytes_a_reservation\": %.1f, \"bytes_a_command\": %.1f, "
               "\"state_megabytes\": %.1f}\n",
               (unsigned long long)count, (unsigned long long)(count / EACH), costs_us[SAMPLE / 2],
               (double)state_bytes / (double)count, (double)remembered_bytes / (double)count,
               (double)(state_bytes + remembered_bytes) / 1e6);
    }
    pw_remembered_free(remembered);
    pw_undo_free(undo);
    pw_state_free(state);
    return 0;
}
