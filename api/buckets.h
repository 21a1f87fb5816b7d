/* api/buckets.h: token buckets for very many, in memory that does not grow.
 *
 * Contract  Each key has a bucket of `burst` tokens that fills at `per_second`; a request takes
 *           one, or learns how long to wait for it. A bucket that is full is not kept, for nothing
 *           tells it from one that was never used. The table has PW_BUCKETS_MAX places; where a set
 *           of it has no place left, the bucket with the most tokens goes: whoever drains theirs is
 *           remembered longest, and who was forgotten has a full one, so that nobody is turned away
 *           for what others do. Places are found by a keyed hash, so that no client can choose keys
 *           that share a set.
 * Units     now_us: microseconds of any clock that does not go back.
 * Threads   Any; a lock per stripe of sets. */
#ifndef PW_API_BUCKETS_H
#define PW_API_BUCKETS_H

#include "schemas/types.h"

#define PW_BUCKETS_MAX (128 * 1024)

struct pw_buckets;

/* per_second and burst: 1 to 1,000,000. */
struct pw_buckets *pw_buckets_new(uint32_t per_second, uint32_t burst);
void pw_buckets_free(struct pw_buckets *buckets);

/* Takes a token of this key's bucket, and gives 0; or takes none, and gives the microseconds until
 * there is one. */
int64_t pw_buckets_take(struct pw_buckets *buckets, const void *key, size_t key_bytes,
                        int64_t now_us);

/* One bucket by itself: *full_at_ns, when it will be full, is all its state; 0 at first. */
int64_t pw_bucket_take(int64_t *full_at_ns, uint32_t per_second, uint32_t burst, int64_t now_us);

#endif
