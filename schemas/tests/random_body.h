/* schemas/tests/random_body.h: a struct of any table filled at random, for round trips.
 *
 * Contract  The same seed gives the same body. Values lie anywhere that a payload can carry, not
 *           only within the table's limits; every length and integer width comes up.
 * Owner     Texts point into static memory. */
#ifndef PW_SCHEMAS_TESTS_RANDOM_BODY_H
#define PW_SCHEMAS_TESTS_RANDOM_BODY_H

#include "schemas/codec.h"

/* xorshift64*: a generator that gives the same numbers everywhere. */
static inline uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(0x2545f4914f6cdd1d);
}

static inline void random_bytes(uint64_t *seed, uint8_t *ret_bytes, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ret_bytes[i] = (uint8_t)random_next(seed);
    }
}

static inline struct pw_str random_text(uint64_t *seed)
{
    static const char texts[2][PW_TEXT_BYTES_MAX + 1] = {
        "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefgh"
        "ijkl"
        "mnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123"
        "4567"
        "89abcdefghij",
        "\xc3\xa4\xc3\xb6\xc3\xbc\xe2\x82\xac\xf0\x9f\x8e\x93"}; /* Characters of 2 2 2 3 4. */
    static const uint8_t cuts[] = {0, 2, 4, 6, 9, 13};

    if (random_next(seed) % 4 == 0) {
        return (struct pw_str){texts[1], cuts[random_next(seed) % sizeof cuts]};
    }
    return (struct pw_str){texts[0], random_next(seed) % (PW_TEXT_BYTES_MAX + 1)};
}

static inline struct pw_list random_list(uint64_t *seed, const struct pw_record_info *record);

static inline void random_field(uint64_t *seed, const struct pw_field *field, void *body)
{
    uint8_t *value = (uint8_t *)body + field->offset;

    switch (field->kind) {
    case PW_FIELD_KIND_id:
        random_bytes(seed, value, sizeof(struct pw_id));
        value[0] |= 1; /* Never nil. */
        break;
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language: *(struct pw_str *)(void *)value = random_text(seed); break;
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_minutes:
        *(uint32_t *)(void *)value = (uint32_t)random_next(seed) >> random_next(seed) % 32;
        break;
    case PW_FIELD_KIND_at:
        *(int64_t *)(void *)value = (int64_t)(random_next(seed) >> (1 + random_next(seed) % 63));
        break;
    case PW_FIELD_KIND_hash:
    case PW_FIELD_KIND_key: random_bytes(seed, value, sizeof(struct pw_hash)); break;
    case PW_FIELD_KIND_roles:
        *(uint32_t *)(void *)value = (uint32_t)random_next(seed) % (UINT32_C(1) << PW_ROLE_COUNT);
        break;
    case PW_FIELD_KIND_flag: *(uint32_t *)(void *)value = (uint32_t)random_next(seed) % 2; break;
    case PW_FIELD_KIND_reason:
    case PW_FIELD_KIND_item_kind:
    case PW_FIELD_KIND_scoring:
        *(uint32_t *)(void *)value = (uint32_t)random_next(seed) % pw_names_of(field->kind).count;
        break;
    case PW_FIELD_KIND_personal:
    case PW_FIELD_KIND_email:
    case PW_FIELD_KIND_password:
    case PW_FIELD_KIND_passage:
    case PW_FIELD_KIND_secret: *(struct pw_str *)(void *)value = random_text(seed); break;
    case PW_FIELD_KIND_list:
        *(struct pw_list *)(void *)value = random_list(seed, field->record());
        break;
    case PW_FIELD_KIND_sealed:
        *(struct pw_str *)(void *)value =
            (struct pw_str){"\0\xff\x80 sealed", random_next(seed) % 10};
        break;
    }
}

/* Bytes of records of lists: as many as the largest record of the ledger has, in turn. */
static inline struct pw_list random_list(uint64_t *seed, const struct pw_record_info *record)
{
    static uint8_t room[4 << 20];
    static size_t used;
    _Alignas(max_align_t) uint8_t body[PW_RECORD_SIZE_MAX];
    struct pw_buffer buffer;
    uint32_t count = (uint32_t)(random_next(seed) % 20);
    pw_buffer_init(&buffer, sizeof room / 4);
    pw_write_array(&buffer, count);
    for (uint32_t i = 0; i < count; i++) {
        memset(body, 0, sizeof body);
        for (uint32_t j = 0; j < record->message.field_count; j++) {
            random_field(seed, &record->message.fields[j], body);
        }
        pw_payload_write(&buffer, &record->message, body);
    }
    used = used + buffer.bytes > sizeof room ? 0 : used;
    uint8_t *data = room + used;
    memcpy(data, buffer.data, buffer.bytes);
    struct pw_list list = {data, buffer.bytes, count};
    used += buffer.bytes;
    pw_buffer_close(&buffer);
    return list;
}

static inline void random_body(uint64_t *seed, const struct pw_message *message, void *ret_body)
{
    memset(ret_body, 0, message->size);
    for (uint32_t i = 0; i < message->field_count; i++) {
        random_field(seed, &message->fields[i], ret_body);
    }
}

static inline bool field_equal(const struct pw_field *field, const void *a, const void *b)
{
    const char *x = (const char *)a + field->offset, *y = (const char *)b + field->offset;

    switch (field->kind) {
    case PW_FIELD_KIND_id: return memcmp(x, y, sizeof(struct pw_id)) == 0;
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language:
    case PW_FIELD_KIND_personal:
    case PW_FIELD_KIND_email:
    case PW_FIELD_KIND_password:
    case PW_FIELD_KIND_secret:
    case PW_FIELD_KIND_passage:
    case PW_FIELD_KIND_sealed:
        return pw_str_equal(*(const struct pw_str *)(const void *)x,
                            *(const struct pw_str *)(const void *)y);
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_roles:
    case PW_FIELD_KIND_reason:
    case PW_FIELD_KIND_item_kind:
    case PW_FIELD_KIND_scoring:
    case PW_FIELD_KIND_flag:
    case PW_FIELD_KIND_minutes: return memcmp(x, y, sizeof(uint32_t)) == 0;
    case PW_FIELD_KIND_at: return memcmp(x, y, sizeof(int64_t)) == 0;
    case PW_FIELD_KIND_list: {
        const struct pw_list *first = (const void *)x, *second = (const void *)y;
        return first->count == second->count &&
               (first->count == 0 || (first->bytes == second->bytes &&
                                      memcmp(first->data, second->data, first->bytes) == 0));
    }
    case PW_FIELD_KIND_hash:
    case PW_FIELD_KIND_key: return memcmp(x, y, sizeof(struct pw_hash)) == 0;
    }
    return false;
}

static inline bool body_equal(const struct pw_message *message, const void *a, const void *b)
{
    for (uint32_t i = 0; i < message->field_count; i++) {
        if (!field_equal(&message->fields[i], a, b)) {
            return false;
        }
    }
    return true;
}

#endif
