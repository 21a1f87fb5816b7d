/* eventstore/record.c: the grammar of docs/ledger.md, sections 2, 3, 5 and 7. */
#include "eventstore/record.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_ARRAYS_MAX   8 /* How deep arrays nest, the body itself included. */
#define PAYLOAD_LEVEL     4 /* Below body, events and event. */
#define NAME_BYTES_MAX    64
#define NODE_ID_BYTES_MAX 64
#define HORIZON_US_MAX    INT64_C(31622400000000)
#define ANSWER_BYTES_MIN                                                                           \
    80 /* All ids, one letter of a name, and the rest as short as it can be. \
                              */

static const char magic[3] = {'P', 'W', 'L'};
static const uint32_t elements_of[] = {
    [PW_RECORD_GENESIS] = 7,
    [PW_RECORD_LEADER] = 5,
    [PW_RECORD_ANSWERS] = 5,
    [PW_RECORD_COMMIT] = 13,
};

struct pw_hash pw_record_hash(const void *value, size_t value_bytes)
{
    const uint8_t *bytes = value;

    assert(value_bytes >= PW_RECORD_HEAD_BYTES);
    struct pw_hash body =
        pw_sha256(bytes + PW_RECORD_HEAD_BYTES, value_bytes - PW_RECORD_HEAD_BYTES, "", 0);
    return pw_sha256(bytes, PW_RECORD_HEAD_BYTES, body.bytes, sizeof body.bytes);
}

bool pw_record_prev(const void *value, size_t value_bytes, struct pw_hash *ret_prev)
{
    if (value == NULL || value_bytes < PW_RECORD_HEAD_BYTES ||
        memcmp(value, magic, sizeof magic) != 0) {
        return false;
    }
    memcpy(ret_prev->bytes, (const uint8_t *)value + 4, sizeof ret_prev->bytes);
    return true;
}

/* --- Reading --- */

static bool name_has(uint8_t letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_' ||
           letter == '.' || letter == '-';
}

static struct pw_str read_name(struct pw_cursor *cursor)
{
    struct pw_str name = pw_read_text(cursor, 1, NAME_BYTES_MAX);

    for (size_t i = 0; i < name.len; i++) {
        cursor->bad = cursor->bad || !name_has((uint8_t)name.ptr[i]);
    }
    return name;
}

/* An id that must be there: all zeros would mean that it is not. */
static struct pw_id read_id(struct pw_cursor *cursor)
{
    struct pw_id id = pw_read_id(cursor);

    cursor->bad = cursor->bad || pw_id_is_nil(&id);
    return id;
}

static struct pw_id read_id_or_nil(struct pw_cursor *cursor)
{
    return pw_read_nil(cursor) ? (struct pw_id){{0}} : read_id(cursor);
}

static struct pw_fingerprint read_fingerprint(struct pw_cursor *cursor)
{
    struct pw_fingerprint fingerprint = {{0}};
    const void *bytes = pw_read_bin(cursor, sizeof fingerprint.bytes);

    if (bytes != NULL) {
        memcpy(fingerprint.bytes, bytes, sizeof fingerprint.bytes);
    }
    return fingerprint;
}

static void read_elements(struct pw_cursor *cursor, uint32_t count)
{
    cursor->bad = pw_read_array(cursor) != count || cursor->bad;
}

static void read_version(struct pw_cursor *cursor, uint32_t *ret_version)
{
    *ret_version = (uint32_t)pw_read_uint(cursor, UINT32_MAX);
    cursor->bad = cursor->bad || *ret_version == 0;
}

/* The counts that a record claims are bounded by its bytes before memory is taken for them. */
static void *take_array(struct pw_arena *arena, size_t bytes)
{
    void *array = pw_arena_take(arena, bytes);

    if (array == NULL) {
        fprintf(stderr, "out of memory: %zu bytes for the arrays of one record\n", bytes);
        abort();
    }
    return array;
}

static void read_genesis(struct pw_cursor *cursor, struct pw_record *record)
{
    struct pw_genesis *genesis = &record->genesis;

    genesis->ledger_id = read_id(cursor);
    genesis->partition = (uint32_t)pw_read_uint(cursor, PW_PARTITIONS_MAX - 1);
    genesis->partition_count = (uint32_t)pw_read_uint(cursor, PW_PARTITIONS_MAX);
    genesis->horizon_us = (int64_t)pw_read_uint(cursor, HORIZON_US_MAX);
    cursor->bad = cursor->bad || record->height != 0 || record->decided_at_us != 0 ||
                  genesis->partition >= genesis->partition_count || genesis->horizon_us == 0;
}

static void read_leader(struct pw_cursor *cursor, struct pw_record *record)
{
    record->leader.node_id = pw_read_text(cursor, 1, NODE_ID_BYTES_MAX);
    record->leader.incarnation = read_id(cursor);
}

static void read_answer(struct pw_cursor *cursor, int64_t record_decided_at_us,
                        struct pw_answer *answer)
{
    read_elements(cursor, 10);
    answer->boundary_id = read_id(cursor);
    answer->actor_id = read_id(cursor);
    answer->command_id = read_id(cursor);
    answer->fingerprint = read_fingerprint(cursor);
    answer->command_name = read_name(cursor);
    answer->decided_at_us = (int64_t)pw_read_uint(cursor, (uint64_t)record_decided_at_us);
    answer->stream_id = read_id_or_nil(cursor);
    answer->stream_version = (uint32_t)pw_read_uint(cursor, UINT32_MAX);
    if (!pw_read_nil(cursor)) {
        answer->problem_name = read_name(cursor);
    }
    answer->detail = pw_read_text(cursor, 0, PW_DETAIL_BYTES_MAX);
    cursor->bad = cursor->bad || (answer->stream_version != 0 && pw_id_is_nil(&answer->stream_id));
}

static void read_answers(struct pw_cursor *cursor, struct pw_arena *arena, struct pw_record *record)
{
    uint32_t count = pw_read_array(cursor);

    if (cursor->bad || count > (size_t)(cursor->end - cursor->at) / ANSWER_BYTES_MIN) {
        cursor->bad = true;
        return;
    }
    record->answer_count = count;
    record->answers = count > 0 ? take_array(arena, count * sizeof *record->answers) : NULL;
    for (uint32_t i = 0; i < count && !cursor->bad; i++) {
        read_answer(cursor, record->decided_at_us, &record->answers[i]);
    }
}

static void read_answers_record(struct pw_cursor *cursor, struct pw_arena *arena,
                                struct pw_record *record)
{
    record->answers_tenant_id = read_id(cursor);
    read_answers(cursor, arena, record);
    cursor->bad = cursor->bad || record->answer_count == 0 ||
                  record->answers[record->answer_count - 1].decided_at_us != record->decided_at_us;
}

static void read_payload(struct pw_cursor *cursor, struct pw_str *ret_payload)
{
    struct pw_cursor peek = *cursor;

    pw_read_array(&peek);
    cursor->bad = peek.bad;
    *ret_payload = pw_read_any(cursor, BODY_ARRAYS_MAX - PAYLOAD_LEVEL + 1);
}

static void read_event(struct pw_cursor *cursor, struct pw_raw_event *event)
{
    read_elements(cursor, 6);
    event->stream_type = read_name(cursor);
    event->stream_id = read_id(cursor);
    read_version(cursor, &event->stream_version);
    event->event_type = read_name(cursor);
    read_version(cursor, &event->event_version);
    read_payload(cursor, &event->payload);
}

static void read_events(struct pw_cursor *cursor, struct pw_arena *arena, struct pw_record *record)
{
    uint32_t count = pw_read_array(cursor);

    if (cursor->bad || count == 0 || count > PW_RECORD_EVENTS_MAX) {
        cursor->bad = true;
        return;
    }
    record->event_count = count;
    record->events = take_array(arena, count * sizeof *record->events);
    for (uint32_t i = 0; i < count && !cursor->bad; i++) {
        read_event(cursor, &record->events[i]);
    }
}

static void read_commit(struct pw_cursor *cursor, struct pw_arena *arena, struct pw_record *record)
{
    struct pw_commit *commit = &record->commit;

    commit->tenant_id = read_id_or_nil(cursor);
    commit->boundary_id = read_id_or_nil(cursor);
    commit->command_id = read_id(cursor);
    commit->fingerprint = read_fingerprint(cursor);
    commit->actor_id = read_id(cursor);
    if (!pw_role_by_name(read_name(cursor), &commit->role)) {
        commit->role = PW_ROLE_COUNT;
    }
    commit->correlation_id = read_id(cursor);
    commit->causation_id = read_id_or_nil(cursor);
    read_events(cursor, arena, record);
    read_answers(cursor, arena, record);
    bool of_partition = pw_id_is_nil(&commit->tenant_id);
    cursor->bad = cursor->bad || of_partition != pw_id_is_nil(&commit->boundary_id) ||
                  (of_partition && record->answer_count > 0);
}

/* The head of the body's own array. Unlike pw_read_array it takes any claim: the rest of a body of
 * an unknown kind is not looked at, not even how long it is. */
static uint32_t read_body_head(struct pw_cursor *cursor)
{
    size_t left = (size_t)(cursor->end - cursor->at);
    const uint8_t *at = cursor->at;
    uint32_t count = 0;
    size_t bytes = 1;

    if (left >= 1 && at[0] >> 4 == 0x9) {
        count = at[0] & 0x0f;
    } else if (left >= 3 && at[0] == 0xdc) {
        count = (uint32_t)at[1] << 8 | at[2];
        count = count >= 16 ? count : 0;
        bytes = 3;
    } else if (left >= 5 && at[0] == 0xdd) {
        count = (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
        count = count >= 65536 ? count : 0;
        bytes = 5;
    }
    if (count == 0) {
        cursor->bad = true;
        return 0;
    }
    cursor->at += bytes;
    return count;
}

static void read_body(struct pw_cursor *cursor, struct pw_arena *arena, struct pw_record *record)
{
    record->height = pw_read_uint(cursor, INT64_MAX);
    record->decided_at_us = (int64_t)pw_read_uint(cursor, INT64_MAX);
    switch (record->kind) {
    case PW_RECORD_GENESIS: read_genesis(cursor, record); break;
    case PW_RECORD_LEADER: read_leader(cursor, record); break;
    case PW_RECORD_ANSWERS: read_answers_record(cursor, arena, record); break;
    case PW_RECORD_COMMIT: read_commit(cursor, arena, record); break;
    }
}

static enum pw_code malformed(const struct pw_cursor *cursor, const void *value, struct pw_err *err)
{
    return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "malformed: near byte %zu of the value",
                   (size_t)(cursor->at - (const uint8_t *)value));
}

enum pw_code pw_record_parse(const void *value, size_t value_bytes, struct pw_arena *arena,
                             struct pw_record *ret_record, struct pw_err *err)
{
    const uint8_t *bytes = value;

    assert(value_bytes >= PW_RECORD_HEAD_BYTES);
    if (bytes[3] != PW_RECORD_FORMAT) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "newer-format: format %u; this program knows %u",
                       bytes[3], PW_RECORD_FORMAT);
    }
    if (value_bytes > PW_RECORD_BYTES_MAX) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "malformed: %zu bytes, at most %d may be",
                       value_bytes, PW_RECORD_BYTES_MAX);
    }
    struct pw_cursor cursor =
        pw_cursor_of(bytes + PW_RECORD_HEAD_BYTES, value_bytes - PW_RECORD_HEAD_BYTES);
    uint32_t element_count = read_body_head(&cursor);
    uint64_t kind = pw_read_uint(&cursor, INT64_MAX);
    if (cursor.bad) {
        return malformed(&cursor, value, err);
    }
    if (kind > PW_RECORD_COMMIT) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "unknown-kind: %llu", (unsigned long long)kind);
    }
    struct pw_record record = {.kind = (enum pw_record_kind)kind};
    cursor.bad = element_count != elements_of[kind];
    read_body(&cursor, arena, &record);
    if (!pw_cursor_done(&cursor)) {
        return malformed(&cursor, value, err);
    }
    *ret_record = record;
    return PW_OK;
}

enum pw_code pw_raw_event_read(const struct pw_raw_event *raw, struct pw_event *ret_event,
                               struct pw_err *err)
{
    struct pw_event event = {.stream_id = raw->stream_id, .stream_version = raw->stream_version};
    enum pw_code code =
        pw_event_read(raw->event_type, raw->event_version, raw->payload, &event, err);

    if (code != PW_OK) {
        return code;
    }
    enum pw_aggregate aggregate = pw_event_info(event.type)->aggregate;
    if (!pw_str_equal(raw->stream_type, pw_str_of(pw_aggregate_name(aggregate)))) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "unknown-event: %s in a stream of type %.*s",
                       pw_event_info(event.type)->name, (int)raw->stream_type.len,
                       raw->stream_type.ptr);
    }
    *ret_event = event;
    return PW_OK;
}

/* --- Writing --- */

static void write_head(struct pw_buffer *buffer, enum pw_record_kind kind,
                       const struct pw_chain_point *at)
{
    static const uint8_t format = PW_RECORD_FORMAT;

    buffer->bytes = 0;
    buffer->full = false;
    pw_buffer_append(buffer, magic, sizeof magic);
    pw_buffer_append(buffer, &format, sizeof format);
    pw_buffer_append(buffer, at->prev.bytes, sizeof at->prev.bytes);
    pw_write_array(buffer, elements_of[kind]);
    pw_write_uint(buffer, kind);
    pw_write_uint(buffer, at->height);
    pw_write_uint(buffer, (uint64_t)at->decided_at_us);
}

static void write_id_or_nil(struct pw_buffer *buffer, const struct pw_id *id)
{
    if (pw_id_is_nil(id)) {
        pw_write_nil(buffer);
    } else {
        pw_write_id(buffer, id);
    }
}

static void write_answers(struct pw_buffer *buffer, const struct pw_answer *answers,
                          uint32_t answer_count)
{
    pw_write_array(buffer, answer_count);
    for (uint32_t i = 0; i < answer_count; i++) {
        const struct pw_answer *answer = &answers[i];

        pw_write_array(buffer, 10);
        pw_write_id(buffer, &answer->boundary_id);
        pw_write_id(buffer, &answer->actor_id);
        pw_write_id(buffer, &answer->command_id);
        pw_write_bin(buffer, answer->fingerprint.bytes, sizeof answer->fingerprint.bytes);
        pw_write_text(buffer, answer->command_name);
        pw_write_uint(buffer, (uint64_t)answer->decided_at_us);
        write_id_or_nil(buffer, &answer->stream_id);
        pw_write_uint(buffer, answer->stream_version);
        if (answer->problem_name.len == 0) {
            pw_write_nil(buffer);
        } else {
            pw_write_text(buffer, answer->problem_name);
        }
        pw_write_text(buffer, answer->detail);
    }
}

static void write_events(struct pw_buffer *buffer, const struct pw_event *events,
                         uint32_t event_count)
{
    pw_write_array(buffer, event_count);
    for (uint32_t i = 0; i < event_count; i++) {
        const struct pw_event *event = &events[i];
        const struct pw_event_info *info = pw_event_info(event->type);

        pw_write_array(buffer, 6);
        pw_write_text(buffer, pw_str_of(pw_aggregate_name(info->aggregate)));
        pw_write_id(buffer, &event->stream_id);
        pw_write_uint(buffer, event->stream_version);
        pw_write_text(buffer, pw_str_of(info->name));
        pw_write_uint(buffer, info->version);
        pw_payload_write(buffer, &info->message, pw_event_body((struct pw_event *)event));
    }
}

static enum pw_code written(const struct pw_buffer *buffer)
{
    return buffer->full || buffer->bytes > PW_RECORD_BYTES_MAX ? PW_ERR_COMMAND_TOO_LARGE : PW_OK;
}

enum pw_code pw_record_write_genesis(struct pw_buffer *buffer, const struct pw_genesis *genesis)
{
    static const struct pw_chain_point first;

    write_head(buffer, PW_RECORD_GENESIS, &first);
    pw_write_id(buffer, &genesis->ledger_id);
    pw_write_uint(buffer, genesis->partition);
    pw_write_uint(buffer, genesis->partition_count);
    pw_write_uint(buffer, (uint64_t)genesis->horizon_us);
    return written(buffer);
}

enum pw_code pw_record_write_leader(struct pw_buffer *buffer, const struct pw_chain_point *at,
                                    const struct pw_leader *leader)
{
    write_head(buffer, PW_RECORD_LEADER, at);
    pw_write_text(buffer, leader->node_id);
    pw_write_id(buffer, &leader->incarnation);
    return written(buffer);
}

enum pw_code pw_record_write_answers(struct pw_buffer *buffer, const struct pw_chain_point *at,
                                     const struct pw_id *tenant_id, const struct pw_answer *answers,
                                     uint32_t answer_count)
{
    assert(answer_count > 0);
    write_head(buffer, PW_RECORD_ANSWERS, at);
    pw_write_id(buffer, tenant_id);
    write_answers(buffer, answers, answer_count);
    return written(buffer);
}

enum pw_code pw_record_write_commit(struct pw_buffer *buffer, const struct pw_chain_point *at,
                                    const struct pw_commit *commit, const struct pw_event *events,
                                    uint32_t event_count, const struct pw_answer *answers,
                                    uint32_t answer_count)
{
    assert(event_count > 0 && commit->role < PW_ROLE_COUNT);
    if (event_count > PW_RECORD_EVENTS_MAX) {
        return PW_ERR_COMMAND_TOO_LARGE;
    }
    write_head(buffer, PW_RECORD_COMMIT, at);
    write_id_or_nil(buffer, &commit->tenant_id);
    write_id_or_nil(buffer, &commit->boundary_id);
    pw_write_id(buffer, &commit->command_id);
    pw_write_bin(buffer, commit->fingerprint.bytes, sizeof commit->fingerprint.bytes);
    pw_write_id(buffer, &commit->actor_id);
    pw_write_text(buffer, pw_str_of(pw_role_name(commit->role)));
    pw_write_id(buffer, &commit->correlation_id);
    write_id_or_nil(buffer, &commit->causation_id);
    write_events(buffer, events, event_count);
    write_answers(buffer, answers, answer_count);
    return written(buffer);
}

size_t pw_answer_bytes_max(const struct pw_answer *answer)
{
    enum {
        IDS = 4 * 18,
        FINGERPRINT = 18,
        TIME_AND_VERSION = 9 + 5,
        TEXT_HEADS = 3 * 3,
        ARRAY_HEADS = 1 + 2 /* Its own, and the list's, which may grow. */
    };
    return IDS + FINGERPRINT + TIME_AND_VERSION + TEXT_HEADS + ARRAY_HEADS +
           answer->command_name.len + answer->problem_name.len + answer->detail.len;
}
