/* api/tests/read_index.c: who has read as far as the log went when somebody asked. */
#include "api/read_index.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <unistd.h>

#include "eventstore/sim.h"

struct place {
    struct pw_sim_log *log;
    struct pw_read_index *index;
    _Atomic int64_t read[2]; /* How far the node has read, by partition. */
    _Atomic int64_t now_us;
    atomic_bool is_away; /* The log cannot be opened. */
};

static struct place place;

struct question {
    struct pw_read_index_job job;
    atomic_bool is_answered;
};

static void on_wake(void *self)
{
    (void)self;
}

static enum pw_code open_log(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    (void)self;
    if (atomic_load(&place.is_away)) {
        return pw_fail(err, PW_ERR_LEDGER_DOWN, "away");
    }
    return pw_sim_open(place.log, (struct pw_ledger_wake){.wake = on_wake}, ret_ledger);
}

static int64_t next_offset(void *self, uint32_t partition)
{
    (void)self;
    return atomic_load(&place.read[partition]);
}

static int64_t now_us(void *self)
{
    (void)self;
    return atomic_load(&place.now_us);
}

static void open_index(void)
{
    static const struct pw_id ledger_id = {{7}};
    struct pw_err err = {0};
    place.log = pw_sim_log_new(2, 1, 0);
    cr_assert_eq(pw_sim_create(place.log, &ledger_id, 60 * PW_US_PER_MINUTE), PW_OK);
    struct pw_read_index_options options = {.open = open_log,
                                            .next_offset = next_offset,
                                            .partition_count = 2,
                                            .clock = {.boot_us = now_us}};
    cr_assert_eq(pw_read_index_new(&options, &place.index, &err), PW_OK, "%s", err.detail);
}

static void close_index(void)
{
    pw_read_index_free(place.index);
    pw_sim_log_free(place.log);
}

static void write_record(uint32_t partition)
{
    pw_sim_put(place.log, partition, "a record", 8);
}

static void on_answer(struct pw_read_index_job *job)
{
    atomic_store(&((struct question *)job->owner)->is_answered, true);
}

static void ask(struct question *question, uint32_t partition)
{
    *question =
        (struct question){.job = {.partition = partition, .owner = question, .done = on_answer}};
    pw_read_index_ask(place.index, &question->job);
}

static bool is_current(struct question *question)
{
    while (!atomic_load(&question->is_answered)) {
        usleep(100);
    }
    return question->job.is_current;
}

/* The same, while time goes by. */
static bool is_current_in_time(struct question *question)
{
    while (!atomic_load(&question->is_answered)) {
        atomic_fetch_add(&place.now_us, PW_READ_INDEX_END_US);
        usleep(100);
    }
    return question->job.is_current;
}

/* Each partition begins with one record. */
Test(read_index, who_has_read_to_the_end_is_current, .init = open_index, .fini = close_index)
{
    struct question question;
    atomic_store(&place.read[0], 1);
    ask(&question, 0);
    cr_expect(is_current(&question));
    write_record(0);
    atomic_store(&place.read[0], 2);
    ask(&question, 0);
    cr_expect(is_current(&question));
}

Test(read_index, who_has_not_is_waited_for, .init = open_index, .fini = close_index)
{
    struct question behind;
    struct question there;
    write_record(0);
    atomic_store(&place.read[0], 1);
    atomic_store(&place.read[1], 1);
    ask(&behind, 0);
    ask(&there, 1);
    cr_expect(is_current(&there), "nobody waits for another partition");
    cr_expect_not(atomic_load(&behind.is_answered));
    atomic_store(&place.read[0], 2);
    cr_expect(is_current(&behind));
}

Test(read_index, patience_ends, .init = open_index, .fini = close_index)
{
    struct question question;
    write_record(0);
    atomic_store(&place.read[0], 1);
    ask(&question, 0);
    cr_expect_not(is_current_in_time(&question));
    atomic_store(&place.read[0], 2);
    ask(&question, 0);
    cr_expect(is_current(&question), "it can be asked again");
}

/* The log's end as it was told to an earlier one says nothing about what was written since. */
Test(read_index, each_is_asked_after_it_came, .init = open_index, .fini = close_index)
{
    struct question questions[100];
    for (int i = 0; i < 100; i++) {
        write_record(0);
        ask(&questions[i], 0);
    }
    atomic_store(&place.read[0], 101);
    for (int i = 0; i < 100; i++) {
        cr_expect(is_current(&questions[i]), "%d", i);
        cr_expect_geq(questions[i].job.end, i + 2, "%d", i);
    }
}

Test(read_index, a_log_that_is_away_tells_nobody, .init = open_index, .fini = close_index)
{
    struct question question;
    pw_read_index_free(place.index);
    pw_sim_log_free(place.log);
    atomic_store(&place.is_away, true);
    open_index();
    ask(&question, 0);
    cr_expect_not(is_current_in_time(&question));
    ask(&question, 1);
    pw_read_index_stop(place.index);
    cr_expect_not(is_current(&question), "who stops answers");
    ask(&question, 1);
    cr_expect_not(is_current(&question));
}
