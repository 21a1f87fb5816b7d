/* commands/fuzz/fuzz_snapshot.c: any bytes as the body of a snapshot: state, remembered ids and all.
 *
 * A body has one spelling: what can be read is written again as the same bytes. */
#include "commands/snapshot.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Passes over the place and the leader: the eleven fields but the last two. */
static struct pw_cursor past_place(const uint8_t *data, size_t bytes)
{
    struct pw_cursor cursor = pw_cursor_of(data, bytes);
    pw_read_array(&cursor);
    for (int i = 0; i < 9; i++) {
        pw_read_any(&cursor, 2);
    }
    return cursor;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct pw_hash schema = pw_snapshot_schema();
    struct pw_buffer content;
    struct pw_fold fold;
    struct pw_remembered *memory = pw_remembered_new();
    struct pw_snapshot_leader leader;
    pw_buffer_init(&content, sizeof schema + bytes);
    pw_buffer_append(&content, schema.bytes, sizeof schema);
    pw_buffer_append(&content, data, bytes);
    pw_fold_init(&fold, 3);
    fold.chain.partition_count = 16;
    fold.chain.ledger_id = (struct pw_id){{[0] = 0x70, [15] = 90}};
    if (pw_snapshot_read(content.data, content.bytes, &fold, memory, &leader, NULL) == PW_OK) {
        struct pw_cursor rest = past_place(data, bytes);
        struct pw_buffer again;
        pw_buffer_init(&again, bytes);
        pw_state_serialise(fold.state, &again);
        pw_remembered_serialise(memory, fold.chain.decided_at_us, &again);
        check(!again.full && again.bytes == (size_t)(rest.end - rest.at) &&
              memcmp(again.data, rest.at, again.bytes) == 0);
        pw_buffer_close(&again);
    }
    pw_buffer_close(&content);
    pw_fold_close(&fold);
    pw_remembered_free(memory);
    return 0;
}
