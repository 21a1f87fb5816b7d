/* eventstore/record.h: the bytes of one ledger record, as docs/ledger.md specifies them.
 *
 * Contract  A record is 36 bytes of head (`PWL`, format, prev) and one msgpack array. Two levels
 *           of reading: pw_record_parse checks the grammar and knows nothing of event types;
 *           pw_event_read (schemas/codec.h) turns a raw event into a typed one. Writers build the
 *           same structs: what they write parses again to the same.
 * Owner     Everything that is parsed are views into the value. The arrays of events and answers
 *           lie in the pw_record itself or in its arena.
 * Errors    LEDGER_DAMAGED with a detail that starts with one of docs/ledger.md's reason words. */
#ifndef PW_EVENTSTORE_RECORD_H
#define PW_EVENTSTORE_RECORD_H

#include "schemas/arena.h"
#include "schemas/codec.h"

#define PW_RECORD_FORMAT      1
#define PW_RECORD_HEAD_BYTES  36
#define PW_RECORD_BYTES_MAX   (512 * 1024)
#define PW_RECORD_EVENTS_MAX  1000
#define PW_RECORD_ANSWERS_MAX 8192              /* Far above what 512 KiB hold. */
#define PW_RECORD_ARENA_BYTES (2 * 1024 * 1024) /* Enough for the arrays of any one record. */
#define PW_DETAIL_BYTES_MAX   512
#define PW_FINGERPRINT_BYTES  16
#define PW_PARTITIONS_MAX     1024

enum pw_record_kind { PW_RECORD_GENESIS, PW_RECORD_LEADER, PW_RECORD_ANSWERS, PW_RECORD_COMMIT };

struct pw_fingerprint {
    uint8_t bytes[PW_FINGERPRINT_BYTES];
};

struct pw_genesis {
    struct pw_id ledger_id;
    uint32_t partition;
    uint32_t partition_count;
    int64_t horizon_us;
};

struct pw_leader {
    struct pw_str node_id;
    struct pw_id incarnation;
};

/* One decision that changed nothing: a refusal, or a yes without events. */
struct pw_answer {
    struct pw_id boundary_id;
    struct pw_id actor_id;
    struct pw_id command_id;
    struct pw_fingerprint fingerprint;
    struct pw_str command_name;
    int64_t decided_at_us;
    struct pw_id stream_id; /* Nil when no stream is meant; then stream_version is 0. */
    uint32_t stream_version;
    struct pw_str problem_name; /* Empty (ptr NULL) for a yes. */
    struct pw_str detail;
};

/* An event before its payload is read. */
struct pw_raw_event {
    struct pw_str stream_type;
    struct pw_id stream_id;
    uint32_t stream_version;
    struct pw_str event_type;
    uint32_t event_version;
    struct pw_str payload; /* The msgpack array, untouched. */
};

struct pw_commit {
    struct pw_id
        tenant_id; /* Nil, like boundary_id, when the commit is about the partition itself. */
    struct pw_id boundary_id;
    struct pw_id command_id;
    struct pw_fingerprint fingerprint;
    struct pw_id actor_id;
    enum pw_role role; /* PW_ROLE_COUNT: read, but of a name that this version does not know. */
    struct pw_id correlation_id;
    struct pw_id causation_id; /* Nil (all zero, written as nil) where a client caused it. */
};

struct pw_record {
    enum pw_record_kind kind;
    uint64_t height;
    int64_t decided_at_us;
    union {
        struct pw_genesis genesis;
        struct pw_leader leader;
        struct pw_id answers_tenant_id;
        struct pw_commit commit;
    };
    struct pw_raw_event *events; /* Of a commit. */
    uint32_t event_count;
    struct pw_answer *answers; /* Of a commit or an answers record. */
    uint32_t answer_count;
};

/* The hash that names a record: SHA-256(bytes 0..35 || SHA-256(bytes from 36 on)). value_bytes
 * >= 36. */
struct pw_hash pw_record_hash(const void *value, size_t value_bytes);

/* True when the value has a head and `PWL`; *ret_prev is what it was decided on. */
bool pw_record_prev(const void *value, size_t value_bytes, struct pw_hash *ret_prev);

/* Reads a whole value of at least 36 bytes. The arena holds the arrays; its ceiling is at least
 * PW_RECORD_ARENA_BYTES, and it was reset. */
enum pw_code pw_record_parse(const void *value, size_t value_bytes, struct pw_arena *arena,
                             struct pw_record *ret_record, struct pw_err *err);

/* A raw event with its payload read, stream id and version included. LEDGER_DAMAGED
 * (`unknown-event`) for one that this version cannot fold: by its name, version or payload, or
 * because it is no event of its stream's type. */
enum pw_code pw_raw_event_read(const struct pw_raw_event *raw, struct pw_event *ret_event,
                               struct pw_err *err);

/* Writing: each empties the buffer and leaves one whole value in it, unless buffer->full.
 * pw_record_write_commit takes typed events (with stream versions set); answers may be none.
 * COMMAND_TOO_LARGE when the value would pass PW_RECORD_BYTES_MAX, PW_RECORD_EVENTS_MAX or the
 * buffer's own ceiling. */
struct pw_chain_point {
    struct pw_hash prev;
    uint64_t height;
    int64_t decided_at_us;
};
enum pw_code pw_record_write_genesis(struct pw_buffer *buffer, const struct pw_genesis *genesis);
enum pw_code pw_record_write_leader(struct pw_buffer *buffer, const struct pw_chain_point *at,
                                    const struct pw_leader *leader);
enum pw_code pw_record_write_answers(struct pw_buffer *buffer, const struct pw_chain_point *at,
                                     const struct pw_id *tenant_id, const struct pw_answer *answers,
                                     uint32_t answer_count);
enum pw_code pw_record_write_commit(struct pw_buffer *buffer, const struct pw_chain_point *at,
                                    const struct pw_commit *commit, const struct pw_event *events,
                                    uint32_t event_count, const struct pw_answer *answers,
                                    uint32_t answer_count);

/* The bytes that one more answer adds to a record, at most. */
size_t pw_answer_bytes_max(const struct pw_answer *answer);

/* murmur2 as Kafka's Java client has it (org.apache.kafka.common.utils.Utils.murmur2, seed
 * 0x9747b28c). */
uint32_t pw_murmur2(const void *data, size_t bytes);

/* The partition of a boundary: murmur2 of its 36 lower-case characters, & 0x7fffffff, mod
 * partition_count. */
uint32_t pw_partition_of(const struct pw_id *boundary_id, uint32_t partition_count);

#endif
