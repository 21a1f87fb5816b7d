/* eventstore/chain.c: the rule of acceptance, docs/ledger.md sections 4 and 6. */
#include "eventstore/chain.h"

#include <inttypes.h>
#include <stdio.h>

void pw_chain_init(struct pw_chain *chain, uint32_t partition)
{
    *chain = (struct pw_chain){.partition = partition, .head_offset = -1};
    pw_arena_init(&chain->arena, PW_RECORD_ARENA_BYTES);
}

void pw_chain_close(struct pw_chain *chain)
{
    pw_arena_close(&chain->arena);
}

static enum pw_verdict stop(struct pw_chain *chain, int64_t offset, const struct pw_err *why)
{
    pw_fail(&chain->stopped, why->code, "%s, at partition %" PRIu32 ", offset %" PRId64,
            why->detail, chain->partition, offset);
    return PW_CHAIN_STOPPED;
}

static enum pw_verdict stop_without_genesis(struct pw_chain *chain, const char *detail)
{
    struct pw_err why;

    pw_fail(&why, PW_ERR_LEDGER_DAMAGED, "no-genesis: %s", detail);
    return stop(chain, 0, &why);
}

static bool has_begun(const struct pw_chain *chain)
{
    return chain->head_offset >= 0;
}

static enum pw_code check_genesis(const struct pw_chain *chain, const struct pw_genesis *genesis,
                                  struct pw_err *err)
{
    if (genesis->partition != chain->partition) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED,
                       "foreign-ledger: a genesis of partition %" PRIu32, genesis->partition);
    }
    if (chain->partition_count != 0 && genesis->partition_count != chain->partition_count) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED,
                       "foreign-ledger: a ledger of %" PRIu32 " partitions, not %" PRIu32,
                       genesis->partition_count, chain->partition_count);
    }
    if (!pw_id_is_nil(&chain->ledger_id) && !pw_id_equal(&genesis->ledger_id, &chain->ledger_id)) {
        char is[PW_ID_TEXT_BYTES + 1];
        char expected[PW_ID_TEXT_BYTES + 1];
        pw_id_format(&genesis->ledger_id, is);
        pw_id_format(&chain->ledger_id, expected);
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "foreign-ledger: ledger %s, not %s", is,
                       expected);
    }
    if (chain->horizon_us != 0 && genesis->horizon_us != chain->horizon_us) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED,
                       "foreign-ledger: a horizon of %" PRId64 " us, not %" PRId64,
                       genesis->horizon_us, chain->horizon_us);
    }
    return PW_OK;
}

static enum pw_code check_place(const struct pw_chain *chain, const struct pw_record *record,
                                struct pw_err *err)
{
    bool is_genesis = record->kind == PW_RECORD_GENESIS;

    if (!has_begun(chain)) {
        return is_genesis ? check_genesis(chain, &record->genesis, err)
                          : pw_fail(err, PW_ERR_LEDGER_DAMAGED,
                                    "no-genesis: the first record is of another kind");
    }
    if (is_genesis) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "second-genesis: at height %" PRIu64,
                       chain->height + 1);
    }
    if (record->height != chain->height + 1) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "height: %" PRIu64 " follows %" PRIu64,
                       record->height, chain->height);
    }
    if (record->decided_at_us < chain->decided_at_us) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "time: %" PRId64 " us follows %" PRId64,
                       record->decided_at_us, chain->decided_at_us);
    }
    return PW_OK;
}

static enum pw_code check_boundary(struct pw_chain *chain, const struct pw_id *boundary_id,
                                   struct pw_err *err)
{
    if (pw_id_equal(boundary_id, &chain->routed)) {
        return PW_OK;
    }
    uint32_t partition = pw_partition_of(boundary_id, chain->partition_count);
    if (partition == chain->partition) {
        chain->routed = *boundary_id;
        return PW_OK;
    }
    char text[PW_ID_TEXT_BYTES + 1];
    pw_id_format(boundary_id, text);
    return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "unroutable: boundary %s is partition %" PRIu32 "'s",
                   text, partition);
}

static enum pw_code check_routes(struct pw_chain *chain, const struct pw_record *record,
                                 struct pw_err *err)
{
    const struct pw_id *checked = NULL; /* Answers of one record are mostly of one boundary. */
    enum pw_code code = PW_OK;

    if (record->kind == PW_RECORD_COMMIT && !pw_id_is_nil(&record->commit.boundary_id)) {
        checked = &record->commit.boundary_id;
        code = check_boundary(chain, checked, err);
    }
    for (uint32_t i = 0; i < record->answer_count && code == PW_OK; i++) {
        const struct pw_id *boundary_id = &record->answers[i].boundary_id;
        if (checked == NULL || !pw_id_equal(boundary_id, checked)) {
            checked = boundary_id;
            code = check_boundary(chain, checked, err);
        }
    }
    return code;
}

static enum pw_code read_accepted(struct pw_chain *chain, const void *value, size_t value_bytes,
                                  struct pw_record *ret_record, struct pw_err *err)
{
    pw_arena_reset(&chain->arena);
    enum pw_code code = pw_record_parse(value, value_bytes, &chain->arena, ret_record, err);
    if (code == PW_OK) {
        code = check_place(chain, ret_record, err);
    }
    if (code == PW_OK) {
        code = check_routes(chain, ret_record, err);
    }
    return code;
}

static void stand_on(struct pw_chain *chain, int64_t offset, const struct pw_record *record,
                     const struct pw_hash *hash)
{
    if (record->kind == PW_RECORD_GENESIS) {
        chain->ledger_id = record->genesis.ledger_id;
        chain->partition_count = record->genesis.partition_count;
        chain->horizon_us = record->genesis.horizon_us;
    }
    chain->head = *hash;
    chain->head_offset = offset;
    chain->next_offset = offset + 1;
    chain->height = record->height;
    chain->decided_at_us = record->decided_at_us;
}

enum pw_verdict pw_chain_read(struct pw_chain *chain, int64_t offset, const void *value,
                              size_t value_bytes, struct pw_record *ret_record)
{
    struct pw_hash prev;
    struct pw_record record;
    struct pw_err why;

    if (chain->stopped.code != PW_OK) {
        return PW_CHAIN_STOPPED;
    }
    assert(offset >= chain->next_offset);
    if (!has_begun(chain) && offset != 0) {
        return stop_without_genesis(chain, "there is no record at offset 0");
    }
    if (!pw_record_prev(value, value_bytes, &prev) || !pw_hash_equal(&prev, &chain->head)) {
        if (!has_begun(chain)) {
            return stop_without_genesis(chain, "the record at offset 0 is void");
        }
        chain->void_count++;
        chain->next_offset = offset + 1;
        return PW_CHAIN_VOID;
    }
    if (read_accepted(chain, value, value_bytes, &record, &why) != PW_OK) {
        return stop(chain, offset, &why);
    }
    *ret_record = record;
    return PW_CHAIN_ACCEPTED;
}

void pw_chain_stand(struct pw_chain *chain, int64_t offset, const struct pw_hash *hash,
                    const struct pw_record *record)
{
    stand_on(chain, offset, record, hash);
    chain->accepted_count++;
}

enum pw_verdict pw_chain_take(struct pw_chain *chain, int64_t offset, const void *value,
                              size_t value_bytes, struct pw_record *ret_record)
{
    enum pw_verdict verdict = pw_chain_read(chain, offset, value, value_bytes, ret_record);
    if (verdict == PW_CHAIN_ACCEPTED) {
        struct pw_hash hash = pw_record_hash(value, value_bytes);
        pw_chain_stand(chain, offset, &hash, ret_record);
    }
    return verdict;
}

enum pw_verdict pw_chain_end(struct pw_chain *chain)
{
    if (chain->stopped.code != PW_OK) {
        return PW_CHAIN_STOPPED;
    }
    return has_begun(chain) ? PW_CHAIN_ACCEPTED
                            : stop_without_genesis(chain, "the partition is empty");
}

enum pw_code pw_chain_resume(struct pw_chain *chain, int64_t offset, const struct pw_hash *head,
                             const void *value, size_t value_bytes, struct pw_err *err)
{
    struct pw_hash hash = {{0}};
    struct pw_record record;

    assert(!has_begun(chain) && chain->partition_count > 0 && !pw_id_is_nil(&chain->ledger_id));
    if (value != NULL && value_bytes >= PW_RECORD_HEAD_BYTES) {
        hash = pw_record_hash(value, value_bytes);
    }
    if (!pw_hash_equal(&hash, head)) {
        return pw_fail(err, PW_ERR_LEDGER_DIVERGED,
                       "diverged at partition %" PRIu32 ", offset %" PRId64, chain->partition,
                       offset);
    }
    pw_arena_reset(&chain->arena);
    enum pw_code code = pw_record_parse(value, value_bytes, &chain->arena, &record, err);
    if (code == PW_OK) {
        stand_on(chain, offset, &record, &hash);
    }
    return code;
}

struct pw_chain_point pw_chain_next(const struct pw_chain *chain)
{
    return (struct pw_chain_point){
        .prev = chain->head,
        .height = has_begun(chain) ? chain->height + 1 : 0,
        .decided_at_us = chain->decided_at_us,
    };
}

/* --- Positions --- */

void pw_position_format(const struct pw_position *position,
                        char ret_text[PW_POSITION_TEXT_BYTES_MAX])
{
    char digits[2 * sizeof position->head + 1];

    pw_hex_format(position->head, sizeof position->head, digits);
    snprintf(ret_text, PW_POSITION_TEXT_BYTES_MAX, "%" PRIu32 ":%" PRId64 ":%s",
             position->partition, position->offset, digits);
}

/* Takes a decimal number without leading zeros off the front of a text. */
static bool take_decimal(struct pw_str *text, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t i = 0;

    for (; i < text->len && text->ptr[i] >= '0' && text->ptr[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(text->ptr[i] - '0');
        if (number > (max - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    if (i == 0 || (i > 1 && text->ptr[0] == '0')) {
        return false;
    }
    *text = (struct pw_str){text->ptr + i, text->len - i};
    *ret_number = number;
    return true;
}

static bool take_colon(struct pw_str *text)
{
    if (text->len == 0 || text->ptr[0] != ':') {
        return false;
    }
    *text = (struct pw_str){text->ptr + 1, text->len - 1};
    return true;
}

bool pw_position_parse(struct pw_str text, struct pw_position *ret_position, bool *ret_has_head)
{
    struct pw_position position = {0};
    uint64_t partition;
    uint64_t offset;

    if (!take_decimal(&text, PW_PARTITIONS_MAX - 1, &partition) || !take_colon(&text) ||
        !take_decimal(&text, INT64_MAX, &offset)) {
        return false;
    }
    bool has_head = text.len > 0;
    if (has_head &&
        (!take_colon(&text) || !pw_hex_parse(text, position.head, sizeof position.head))) {
        return false;
    }
    position.partition = (uint32_t)partition;
    position.offset = (int64_t)offset;
    *ret_position = position;
    *ret_has_head = has_head;
    return true;
}
