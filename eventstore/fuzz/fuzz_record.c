/* eventstore/fuzz/fuzz_record.c: any bytes as the body of a record, after a good head.
 *
 * A record has one spelling: what can be read, and whose words this version knows, is written again
 * as the same bytes. The chain takes it or stops at it, and says why. */
#include "eventstore/chain.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct pw_hash head = {{1, 2, 3}};

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* False where the commit speaks words that only a newer version could write. */
static bool write_commit(struct pw_buffer *buffer, const struct pw_chain_point *at,
                         const struct pw_record *record)
{
    struct pw_event *events = calloc(record->event_count, sizeof *events);
    bool known = record->commit.role < PW_ROLE_COUNT;

    check(events != NULL);
    for (uint32_t i = 0; i < record->event_count && known; i++) {
        known = pw_raw_event_read(&record->events[i], &events[i], NULL) == PW_OK;
    }
    if (known) {
        check(pw_record_write_commit(buffer, at, &record->commit, events, record->event_count,
                                     record->answers, record->answer_count) == PW_OK);
    }
    free(events);
    return known;
}

static bool write_again(struct pw_buffer *buffer, const struct pw_record *record)
{
    struct pw_chain_point at = {head, record->height, record->decided_at_us};
    enum pw_code code = PW_OK;

    switch (record->kind) {
    case PW_RECORD_GENESIS: code = pw_record_write_genesis(buffer, &record->genesis); break;
    case PW_RECORD_LEADER: code = pw_record_write_leader(buffer, &at, &record->leader); break;
    case PW_RECORD_ANSWERS:
        code = pw_record_write_answers(buffer, &at, &record->answers_tenant_id, record->answers,
                                       record->answer_count);
        break;
    case PW_RECORD_COMMIT: return write_commit(buffer, &at, record);
    }
    check(code == PW_OK);
    return true;
}

static void check_spelling(const uint8_t *value, size_t value_bytes, const struct pw_record *record)
{
    struct pw_buffer buffer;

    pw_buffer_init(&buffer, PW_RECORD_BYTES_MAX);
    if (write_again(&buffer, record)) {
        check(buffer.bytes == value_bytes);
        check(memcmp(buffer.data + PW_RECORD_HEAD_BYTES, value + PW_RECORD_HEAD_BYTES,
                     value_bytes - PW_RECORD_HEAD_BYTES) == 0);
    }
    pw_buffer_close(&buffer);
}

static void check_chain(const uint8_t *value, size_t value_bytes, bool parses)
{
    struct pw_chain chain;
    struct pw_record record;

    pw_chain_init(&chain, 0);
    chain.partition_count = 1;
    chain.head = head;
    chain.head_offset = 0;
    chain.next_offset = 1;
    enum pw_verdict verdict = pw_chain_take(&chain, 1, value, value_bytes, &record);
    check(verdict != PW_CHAIN_VOID);
    check(parses || verdict == PW_CHAIN_STOPPED);
    check((verdict == PW_CHAIN_STOPPED) == (chain.stopped.detail[0] != '\0'));
    check(pw_chain_take(&chain, 2, value, value_bytes, &record) ==
          (verdict == PW_CHAIN_STOPPED ? PW_CHAIN_STOPPED : PW_CHAIN_VOID));
    pw_chain_close(&chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t *value = malloc(PW_RECORD_HEAD_BYTES + bytes);
    struct pw_record record;
    struct pw_arena arena;

    check(value != NULL);
    memcpy(value, "PWL\1", 4);
    memcpy(value + 4, head.bytes, sizeof head.bytes);
    if (bytes > 0) {
        memcpy(value + PW_RECORD_HEAD_BYTES, data, bytes);
    }
    pw_arena_init(&arena, PW_RECORD_ARENA_BYTES);
    bool parses =
        pw_record_parse(value, PW_RECORD_HEAD_BYTES + bytes, &arena, &record, NULL) == PW_OK;
    if (parses) {
        check_spelling(value, PW_RECORD_HEAD_BYTES + bytes, &record);
    }
    check_chain(value, PW_RECORD_HEAD_BYTES + bytes, parses);
    pw_arena_close(&arena);
    free(value);
    return 0;
}
