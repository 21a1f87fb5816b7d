/* eventstore/tests/conformance_file.c: the suite on files, in a directory of its own for each case. Strangers write through a
 * handle of the same process: no other process could while ours do. */
#include "eventstore/tests/conformance.h"
#include "eventstore/tests/file_rig.h"

struct file_fixture {
    struct file_rig rig;
    struct pw_ledger stranger;
};

static void begin(void *self, uint32_t partition_count, const struct pw_id *ledger_id)
{
    struct file_fixture *fixture = self;

    file_rig_open(&fixture->rig);
    file_rig_create(&fixture->rig, partition_count, ledger_id);
    fixture->stranger = file_rig_handle(&fixture->rig, false, (struct pw_ledger_wake){NULL, NULL});
}

static void end(void *self)
{
    struct file_fixture *fixture = self;

    fixture->stranger.close(fixture->stranger.self);
    file_rig_close(&fixture->rig);
}

static void open_handle(void *self, struct pw_ledger_wake wake, struct pw_ledger *ret_ledger)
{
    struct file_fixture *fixture = self;

    *ret_ledger = file_rig_handle(&fixture->rig, false, wake);
}

static int64_t put(void *self, uint32_t partition, const void *value, size_t value_bytes)
{
    struct file_fixture *fixture = self;

    return file_rig_put(&fixture->stranger, partition, value, value_bytes);
}

static void put_in_transaction(void *self, uint32_t partition, const void *value,
                               size_t value_bytes, enum conformance_transaction outcome)
{
    struct file_fixture *fixture = self;
    int64_t offset = file_rig_put(&fixture->stranger, partition, value, value_bytes);

    if (outcome != TRANSACTION_OPEN) {
        file_rig_skip(&fixture->stranger, partition, offset + 2);
    }
}

static void delete_before(void *self, uint32_t partition, int64_t offset)
{
    struct file_fixture *fixture = self;

    file_rig_delete_before(&fixture->rig, partition, offset);
}

static void replace(void *self, uint32_t partition_count, const struct pw_id *ledger_id)
{
    struct file_fixture *fixture = self;

    for (uint32_t partition = 0; partition < partition_count; partition++) {
        file_rig_unlink(&fixture->rig, partition);
    }
    file_rig_create(&fixture->rig, partition_count, ledger_id);
}

int main(int argc, char **argv)
{
    struct file_fixture self = {.rig = {""}};
    const struct conformance_fixture fixture = {
        .name = "file",
        .self = &self,
        .begin = begin,
        .end = end,
        .open = open_handle,
        .put = put,
        .put_in_transaction = put_in_transaction,
        .delete_before = delete_before,
        .replace = replace,
    };

    return conformance_run(&fixture, argc, argv);
}
