/* commands/snapshot.c: a fold into a file, and back. */
#include "commands/snapshot.h"

#include <inttypes.h>
#include <stdio.h>

#include "eventstore/snapshot_file.h"

#define BODY_FIELDS    11
#define CANDIDATES_MAX 8
#define SCHEMA_BYTES   (64 * 1024)

static void write_fields(struct pw_buffer *buffer, const struct pw_message *message)
{
    pw_write_array(buffer, message->field_count);
    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pw_field *field = &message->fields[i];
        pw_write_uint(buffer, field->tag);
        pw_write_text(buffer, pw_str_of(field->name));
        pw_write_uint(buffer, field->kind);
        if (field->record != NULL) {
            write_fields(buffer, &field->record()->message);
        }
    }
}

struct pw_hash pw_snapshot_schema(void)
{
    struct pw_buffer buffer;
    pw_buffer_init(&buffer, SCHEMA_BYTES);
    pw_write_uint(&buffer, PW_STATE_FORMAT);
    for (enum pw_event_type type = 0; type < PW_EVENT_COUNT; type++) {
        const struct pw_event_info *info = pw_event_info(type);
        pw_write_text(&buffer, pw_str_of(info->name));
        pw_write_uint(&buffer, info->version);
        write_fields(&buffer, &info->message);
    }
    assert(!buffer.full);
    struct pw_hash hash = pw_sha256(buffer.data, buffer.bytes, NULL, 0);
    pw_buffer_close(&buffer);
    return hash;
}

/* --- Writing --- */

static void write_leader(struct pw_buffer *buffer, const struct pw_snapshot_leader *leader)
{
    if (!leader->known) {
        pw_write_nil(buffer);
        return;
    }
    pw_write_array(buffer, 2);
    pw_write_text(buffer, pw_str_of(leader->node_id));
    pw_write_id(buffer, &leader->incarnation);
}

static void write_body(struct pw_buffer *buffer, const struct pw_fold *fold,
                       const struct pw_remembered *remembered,
                       const struct pw_snapshot_leader *leader)
{
    const struct pw_chain *chain = &fold->chain;
    pw_write_array(buffer, BODY_FIELDS);
    pw_write_id(buffer, &chain->ledger_id);
    pw_write_uint(buffer, chain->partition);
    pw_write_uint(buffer, chain->partition_count);
    pw_write_uint(buffer, (uint64_t)chain->horizon_us);
    pw_write_uint(buffer, chain->height);
    pw_write_uint(buffer, (uint64_t)chain->head_offset);
    pw_write_bin(buffer, chain->head.bytes, sizeof chain->head.bytes);
    pw_write_uint(buffer, (uint64_t)chain->decided_at_us);
    write_leader(buffer, leader);
    pw_state_serialise(fold->state, buffer);
    pw_remembered_serialise(remembered, chain->decided_at_us, buffer);
}

enum pw_code pw_snapshot_write(const char *dir, const struct pw_fold *fold,
                               const struct pw_remembered *remembered,
                               const struct pw_snapshot_leader *leader, struct pw_err *err)
{
    const struct pw_chain *chain = &fold->chain;
    struct pw_snapshot_writer writer;
    struct pw_hash schema = pw_snapshot_schema();
    assert(chain->head_offset >= 0);
    enum pw_code code =
        pw_snapshot_file_begin(&writer, dir, chain->partition, chain->head_offset, err);
    if (code != PW_OK) {
        return code;
    }
    pw_buffer_append(&writer.buffer, schema.bytes, sizeof schema.bytes);
    write_body(&writer.buffer, fold, remembered, leader);
    return pw_snapshot_file_end(&writer, err);
}

/* --- Reading --- */

static void read_leader(struct pw_cursor *cursor, struct pw_snapshot_leader *ret_leader)
{
    *ret_leader = (struct pw_snapshot_leader){0};
    if (pw_read_nil(cursor)) {
        return;
    }
    cursor->bad = pw_read_array(cursor) != 2;
    struct pw_str node_id = pw_read_text(cursor, 1, sizeof ret_leader->node_id - 1);
    ret_leader->incarnation = pw_read_id(cursor);
    if (!cursor->bad) {
        memcpy(ret_leader->node_id, node_id.ptr, node_id.len);
        ret_leader->known = true;
    }
}

static enum pw_code read_place(struct pw_cursor *cursor, struct pw_chain *chain, struct pw_err *err)
{
    struct pw_chain found = {0};
    found.ledger_id = pw_read_id(cursor);
    found.partition = (uint32_t)pw_read_uint(cursor, UINT32_MAX);
    found.partition_count = (uint32_t)pw_read_uint(cursor, UINT32_MAX);
    found.horizon_us = (int64_t)pw_read_uint(cursor, INT64_MAX);
    found.height = pw_read_uint(cursor, INT64_MAX);
    found.head_offset = (int64_t)pw_read_uint(cursor, INT64_MAX - 1);
    const void *head = pw_read_bin(cursor, sizeof found.head.bytes);
    found.decided_at_us = (int64_t)pw_read_uint(cursor, INT64_MAX);
    if (cursor->bad) {
        return pw_fail(err, PW_ERR_INTERNAL, "it does not decode");
    }
    if (!pw_id_equal(&found.ledger_id, &chain->ledger_id)) {
        char id[PW_ID_TEXT_BYTES + 1];
        pw_id_format(&found.ledger_id, id);
        return pw_fail(err, PW_ERR_INTERNAL, "it is of another ledger, %s", id);
    }
    if (found.partition != chain->partition || found.partition_count != chain->partition_count) {
        return pw_fail(err, PW_ERR_INTERNAL, "it is of partition %" PRIu32 " of %" PRIu32,
                       found.partition, found.partition_count);
    }
    if (chain->horizon_us != 0 && found.horizon_us != chain->horizon_us) {
        return pw_fail(err, PW_ERR_INTERNAL, "it is of another ledger: a horizon of %" PRId64 " us",
                       found.horizon_us);
    }
    chain->horizon_us = found.horizon_us;
    chain->height = found.height;
    chain->head_offset = found.head_offset;
    chain->next_offset = found.head_offset + 1;
    memcpy(chain->head.bytes, head, sizeof chain->head.bytes);
    chain->decided_at_us = found.decided_at_us;
    return PW_OK;
}

enum pw_code pw_snapshot_read(const void *content, size_t content_bytes, struct pw_fold *fold,
                              struct pw_remembered *remembered, struct pw_snapshot_leader *leader,
                              struct pw_err *err)
{
    struct pw_chain *chain = &fold->chain;
    struct pw_hash schema = pw_snapshot_schema();
    struct pw_snapshot_leader read;
    if (content_bytes < sizeof schema.bytes ||
        memcmp(content, schema.bytes, sizeof schema.bytes) != 0) {
        return pw_fail(err, PW_ERR_INTERNAL, "it was folded by other tables than this program's");
    }
    struct pw_cursor cursor = pw_cursor_of((const uint8_t *)content + sizeof schema.bytes,
                                           content_bytes - sizeof schema.bytes);
    cursor.bad = pw_read_array(&cursor) != BODY_FIELDS;
    enum pw_code code = read_place(&cursor, chain, err);
    if (code != PW_OK) {
        return code;
    }
    read_leader(&cursor, &read);
    pw_state_read(fold->state, &cursor);
    if (remembered != NULL) {
        pw_remembered_read(remembered, chain->decided_at_us, chain->head_offset, &cursor);
    }
    if (cursor.bad || (remembered != NULL && !pw_cursor_done(&cursor))) {
        return pw_fail(err, PW_ERR_INTERNAL, "it does not decode");
    }
    *leader = read;
    return PW_OK;
}

/* --- The newest good one --- */

static enum pw_code read_file(const char *dir, int64_t offset, struct pw_fold *fold,
                              struct pw_remembered *remembered, struct pw_snapshot_leader *leader,
                              struct pw_err *err)
{
    struct pw_snapshot_file file;
    enum pw_code code = pw_snapshot_file_read(dir, fold->chain.partition, offset, &file, err);
    if (code != PW_OK) {
        return code;
    }
    code = pw_snapshot_read(file.content, file.content_bytes, fold, remembered, leader, err);
    pw_snapshot_file_close(&file);
    if (code == PW_OK && fold->chain.head_offset != offset) {
        return pw_fail(err, PW_ERR_INTERNAL, "its name does not tell its offset, %" PRId64,
                       fold->chain.head_offset);
    }
    return code;
}

static bool restore_one(const struct pw_snapshot_source *source, int64_t offset,
                        struct pw_fold *fold, struct pw_remembered **remembered,
                        struct pw_snapshot_leader *leader)
{
    struct pw_fold fresh;
    struct pw_remembered *memory = remembered == NULL ? NULL : pw_remembered_new();
    struct pw_snapshot_leader found;
    struct pw_err err = {0};
    pw_fold_init(&fresh, fold->chain.partition);
    fresh.chain.partition_count = fold->chain.partition_count;
    fresh.chain.ledger_id = fold->chain.ledger_id;
    fresh.chain.horizon_us = fold->chain.horizon_us;
    if (read_file(source->dir, offset, &fresh, memory, &found, &err) != PW_OK) {
        char name[PW_SNAPSHOT_NAME_BYTES];
        char text[400];
        pw_snapshot_file_name(fold->chain.partition, offset, name);
        snprintf(text, sizeof text, "ignores the snapshot %s: %s", name, err.detail);
        source->warn(source->warn_self, text);
        pw_fold_close(&fresh);
        pw_remembered_free(memory);
        return false;
    }
    pw_fold_close(fold);
    *fold = fresh;
    if (remembered != NULL) {
        pw_remembered_free(*remembered);
        *remembered = memory;
    }
    if (leader != NULL) {
        *leader = found;
    }
    return true;
}

bool pw_snapshot_restore(const struct pw_snapshot_source *source, struct pw_fold *fold,
                         struct pw_remembered **remembered, struct pw_snapshot_leader *leader)
{
    int64_t offsets[CANDIDATES_MAX];
    uint32_t count = pw_snapshot_files(source->dir, fold->chain.partition, source->offset_max,
                                       offsets, CANDIDATES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (restore_one(source, offsets[i], fold, remembered, leader)) {
            return true;
        }
    }
    return false;
}
