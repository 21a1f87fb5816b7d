/* api/headers.h: the grammar of the header fields that requests carry.
 *
 * Contract  Pure readers: text in, value out; false for what has not the form, and then the result
 *           is untouched.
 * Threads   Any. */
#ifndef PW_API_HEADERS_H
#define PW_API_HEADERS_H

#include "eventstore/chain.h"
#include "schemas/types.h"

/* Idempotency-Key: a UUIDv7, bare or in double quotes. */
bool pw_header_key(struct pw_str value, struct pw_id *ret_id);

/* If-Match on a command. `"17"` gives 17; `*` gives -1, for a command finds by itself whether its
 * target exists; a tag that is weak, or none of ours, gives PW_IF_MATCH_NEVER: strong comparison
 * never matches it. Lists are not taken. */
#define PW_IF_MATCH_NEVER (INT64_C(1) << 40)
bool pw_header_if_match(struct pw_str value, int64_t *ret_version);

/* If-None-Match: whether the list names this ETag (weak comparison), or is `*`. */
bool pw_header_none_match_hits(struct pw_str value, struct pw_str etag);

/* Accept: whether `application/json`, or another media type, may be sent, and how much it is wanted beside others: from 0, not at all, to
 * 1000. Absent (ptr NULL): any. */
bool pw_header_accepts(struct pw_str value, struct pw_str media_type);
int pw_header_quality(struct pw_str value, struct pw_str media_type);

/* Content-Type: application/json, with no charset but UTF-8. */
bool pw_header_is_json(struct pw_str value);

/* Content-Encoding: none, or `identity`. */
bool pw_header_is_identity(struct pw_str value);

/* Authorization: the token of the Bearer scheme. */
bool pw_header_bearer(struct pw_str value, struct pw_str *ret_token);

/* Prefer: the seconds of `wait=N`; false where it is not asked for. */
bool pw_header_prefer_wait(struct pw_str value, uint32_t *ret_seconds);

/* Pw-Min-Position: positions, comma-separated, at most PW_POSITIONS_MAX. */
#define PW_POSITIONS_MAX 64
struct pw_min_position {
    struct pw_position position;
    bool has_head;
};
bool pw_header_positions(struct pw_str value, struct pw_min_position *ret_positions,
                         uint32_t *ret_count);

#endif
