/* eventstore/partition.c: which partition a boundary lies in, docs/ledger.md section 7. */
#include "eventstore/record.h"

#define MIX UINT32_C(0x5bd1e995)

uint32_t pw_murmur2(const void *data, size_t bytes)
{
    const uint8_t *at = data;
    uint32_t hash = UINT32_C(0x9747b28c) ^ (uint32_t)bytes;

    for (; bytes >= 4; bytes -= 4, at += 4) {
        uint32_t word =
            at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        word *= MIX;
        word ^= word >> 24;
        word *= MIX;
        hash *= MIX;
        hash ^= word;
    }
    switch (bytes) {
    case 3: hash ^= (uint32_t)at[2] << 16; __attribute__((fallthrough));
    case 2: hash ^= (uint32_t)at[1] << 8; __attribute__((fallthrough));
    case 1: hash ^= at[0]; hash *= MIX;
    }
    hash ^= hash >> 13;
    hash *= MIX;
    hash ^= hash >> 15;
    return hash;
}

uint32_t pw_partition_of(const struct pw_id *boundary_id, uint32_t partition_count)
{
    char text[PW_ID_TEXT_BYTES + 1];

    assert(partition_count > 0);
    pw_id_format(boundary_id, text);
    return (pw_murmur2(text, PW_ID_TEXT_BYTES) & 0x7fffffff) % partition_count;
}
