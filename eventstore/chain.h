/* eventstore/chain.h: the rule of acceptance for one partition, one record at a time.
 *
 * Contract  Feed every record that the log holds, in offset order from offset 0 (or from a point
 *           that was kept). A value is accepted when it has at least 36 bytes, starts with `PWL`,
 *           and names the head; nothing else is looked at. All else is void. An accepted value
 *           that cannot be taken further stops the chain: every later call gives the same error.
 * Owner     The record of PW_CHAIN_ACCEPTED lives in the chain's arena until the next take.
 * Threads   One owner. */
#ifndef PW_EVENTSTORE_CHAIN_H
#define PW_EVENTSTORE_CHAIN_H

#include "eventstore/record.h"

enum pw_verdict { PW_CHAIN_ACCEPTED, PW_CHAIN_VOID, PW_CHAIN_STOPPED };

struct pw_chain {
    uint32_t partition;
    uint32_t partition_count; /* As the reader expects it, or 0: taken from the genesis. */
    struct pw_id ledger_id;   /* As the reader expects it, or nil: taken from the genesis. */
    int64_t horizon_us;       /* As another partition has it, or 0: taken from the genesis. */
    int64_t next_offset;      /* The next unread one. */
    int64_t head_offset;      /* Of the last accepted record, -1 before the first. */
    struct pw_hash head;      /* 32 zero bytes before the first. */
    uint64_t height;          /* Of the last accepted record. */
    int64_t decided_at_us;    /* Of the last accepted record. */
    uint64_t accepted_count;
    uint64_t void_count;
    struct pw_id routed; /* The last boundary that was found to be this partition's, or nil. */
    struct pw_arena arena;
    struct pw_err stopped; /* code PW_OK while the chain goes on. */
};

void pw_chain_init(struct pw_chain *chain, uint32_t partition);
void pw_chain_close(struct pw_chain *chain);

/* Takes the record at `offset` (>= next_offset; offsets may have gaps, but the first must be 0). On
 * PW_CHAIN_ACCEPTED *ret_record is filled and the chain stands on it. */
enum pw_verdict pw_chain_take(struct pw_chain *chain, int64_t offset, const void *value,
                              size_t value_bytes, struct pw_record *ret_record);

/* The same in two steps, for who has something to do while the hash is computed, or has it already:
 * on PW_CHAIN_ACCEPTED, pw_chain_stand with the same record and pw_record_hash of its value must follow. */
enum pw_verdict pw_chain_read(struct pw_chain *chain, int64_t offset, const void *value,
                              size_t value_bytes, struct pw_record *ret_record);
void pw_chain_stand(struct pw_chain *chain, int64_t offset, const struct pw_hash *hash,
                    const struct pw_record *record);

/* The log ends here. PW_CHAIN_STOPPED (`no-genesis`) where it held no record at all. */
enum pw_verdict pw_chain_end(struct pw_chain *chain);

/* Goes on from a record that was accepted before: `value` is what the log holds now at the kept
 * offset, NULL where there is nothing. LEDGER_DIVERGED, and nothing changed, unless it still hashes
 * to the kept head. A fresh chain only; partition_count and ledger_id are set. */
enum pw_code pw_chain_resume(struct pw_chain *chain, int64_t offset, const struct pw_hash *head,
                             const void *value, size_t value_bytes, struct pw_err *err);

/* Where the next record goes: prev = head, height + 1, decided_at_us as last. */
struct pw_chain_point pw_chain_next(const struct pw_chain *chain);

/* A position as clients see it: `3:10452:9f3a01c2`. */
#define PW_POSITION_TEXT_BYTES_MAX 48
struct pw_position {
    uint32_t partition;
    int64_t offset;
    uint8_t head[4];
};
void pw_position_format(const struct pw_position *position,
                        char ret_text[PW_POSITION_TEXT_BYTES_MAX]);

/* Reads one position; the hex digits are optional (*ret_has_head). */
bool pw_position_parse(struct pw_str text, struct pw_position *ret_position, bool *ret_has_head);

#endif
