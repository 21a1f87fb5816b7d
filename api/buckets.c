/* api/buckets.c: the generic cell rate algorithm, in a set-associative table.
 *
 * A bucket is one number: the moment at which it will be full. Taking a token moves that by the
 * time that one token takes to come; it must not move further ahead than a whole burst takes. */
#include "api/buckets.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "commands/memory.h"

#define WAYS          8
#define SETS          (PW_BUCKETS_MAX / WAYS)
#define STRIPES       64
#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_US     1000

struct bucket {
    uint8_t name[crypto_shorthash_siphashx24_BYTES]; /* The key's hash: 128 bits, keyed. */
    int64_t full_at_ns;                              /* Of the past: the place is free. */
};

struct pw_buckets {
    uint32_t per_second;
    uint32_t burst;
    uint8_t hash_key[crypto_shorthash_siphashx24_KEYBYTES];
    pthread_mutex_t locks[STRIPES];
    struct bucket (*sets)[WAYS];
};

int64_t pw_bucket_take(int64_t *full_at_ns, uint32_t per_second, uint32_t burst, int64_t now_us)
{
    int64_t now_ns = now_us * NS_PER_US;
    int64_t token_ns = NS_PER_SECOND / per_second;
    int64_t full_at = (*full_at_ns > now_ns ? *full_at_ns : now_ns) + token_ns;
    int64_t wait_ns = full_at - now_ns - token_ns * burst;
    if (wait_ns > 0) {
        return (wait_ns + NS_PER_US - 1) / NS_PER_US;
    }
    *full_at_ns = full_at;
    return 0;
}

struct pw_buckets *pw_buckets_new(uint32_t per_second, uint32_t burst)
{
    struct pw_buckets *buckets = pw_memory_new(1, sizeof *buckets);
    assert(per_second > 0 && burst > 0);
    buckets->per_second = per_second;
    buckets->burst = burst;
    buckets->sets = pw_memory_new(SETS, sizeof *buckets->sets);
    randombytes_buf(buckets->hash_key, sizeof buckets->hash_key);
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&buckets->locks[i], NULL);
    }
    return buckets;
}

void pw_buckets_free(struct pw_buckets *buckets)
{
    if (buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&buckets->locks[i]);
    }
    free(buckets->sets);
    free(buckets);
}

/* The key's place, or else that of the bucket which is full first. */
static struct bucket *place_of(struct bucket *set, const struct bucket *wanted)
{
    struct bucket *first = &set[0];
    for (size_t way = 0; way < WAYS; way++) {
        if (memcmp(set[way].name, wanted->name, sizeof wanted->name) == 0) {
            return &set[way];
        }
        first = set[way].full_at_ns < first->full_at_ns ? &set[way] : first;
    }
    *first = *wanted;
    return first;
}

int64_t pw_buckets_take(struct pw_buckets *buckets, const void *key, size_t key_bytes,
                        int64_t now_us)
{
    struct bucket wanted = {.full_at_ns = 0};
    size_t set;
    crypto_shorthash_siphashx24(wanted.name, key, key_bytes, buckets->hash_key);
    memcpy(&set, wanted.name, sizeof set);
    set %= SETS;
    pthread_mutex_t *lock = &buckets->locks[set % STRIPES];
    pthread_mutex_lock(lock);
    struct bucket *bucket = place_of(buckets->sets[set], &wanted);
    int64_t wait_us =
        pw_bucket_take(&bucket->full_at_ns, buckets->per_second, buckets->burst, now_us);
    pthread_mutex_unlock(lock);
    return wait_us;
}
