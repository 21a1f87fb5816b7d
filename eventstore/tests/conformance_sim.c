/* eventstore/tests/conformance_sim.c: the suite on the simulated log, without faults. */
#include "eventstore/sim.h"
#include "eventstore/tests/conformance.h"

#define HORIZON_US (24 * 60 * PW_US_PER_MINUTE)

struct sim_fixture {
    struct pw_sim_log *log;
};

static void begin(void *self, uint32_t partition_count, const struct pw_id *ledger_id)
{
    struct sim_fixture *fixture = self;

    fixture->log = pw_sim_log_new(partition_count, 1, INT64_C(1772442000000000));
    CHECK_EQ(pw_sim_create(fixture->log, ledger_id, HORIZON_US), PW_OK);
}

static void end(void *self)
{
    struct sim_fixture *fixture = self;

    pw_sim_log_free(fixture->log);
}

static void open_handle(void *self, struct pw_ledger_wake wake, struct pw_ledger *ret_ledger)
{
    struct sim_fixture *fixture = self;

    CHECK_EQ(pw_sim_open(fixture->log, wake, ret_ledger), PW_OK);
}

static int64_t put(void *self, uint32_t partition, const void *value, size_t value_bytes)
{
    struct sim_fixture *fixture = self;

    return pw_sim_put(fixture->log, partition, value, value_bytes);
}

static void put_in_transaction(void *self, uint32_t partition, const void *value,
                               size_t value_bytes, enum conformance_transaction outcome)
{
    struct sim_fixture *fixture = self;

    pw_sim_put(fixture->log, partition, value, value_bytes);
    if (outcome != TRANSACTION_OPEN) {
        pw_sim_skip_offset(fixture->log, partition);
    }
}

static void delete_before(void *self, uint32_t partition, int64_t offset)
{
    struct sim_fixture *fixture = self;

    pw_sim_delete_before(fixture->log, partition, offset);
}

static void replace(void *self, uint32_t partition_count, const struct pw_id *ledger_id)
{
    struct sim_fixture *fixture = self;

    for (uint32_t partition = 0; partition < partition_count; partition++) {
        pw_sim_truncate(fixture->log, partition, 0);
    }
    CHECK_EQ(pw_sim_create(fixture->log, ledger_id, HORIZON_US), PW_OK);
}

static void set_down(void *self, bool down)
{
    struct sim_fixture *fixture = self;

    pw_sim_set_down(fixture->log, down);
}

int main(int argc, char **argv)
{
    struct sim_fixture self = {NULL};
    const struct conformance_fixture fixture = {
        .name = "sim",
        .self = &self,
        .begin = begin,
        .end = end,
        .open = open_handle,
        .put = put,
        .put_in_transaction = put_in_transaction,
        .delete_before = delete_before,
        .replace = replace,
        .set_down = set_down,
    };

    return conformance_run(&fixture, argc, argv);
}
