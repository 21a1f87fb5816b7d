/* commands/tests/items.h: one item of the bank, its next version and its corrected key, as rows of tests write them down. */
#ifndef PW_COMMANDS_TESTS_ITEMS_H
#define PW_COMMANDS_TESTS_ITEMS_H

#include "commands/tests/world.h"

/* Lists as they stand in records. */
#define LIST(count_, literal)                                                                      \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1, count_                                    \
    }
#define CHOICES_OF_CITIES LIST(4, "\x94\x91\xa4Graz\x91\xa6Leoben\x91\xa4Linz\x91\xa4Wels")
#define CHOICES_OF_THREE  LIST(3, "\x93\x91\xa4Graz\x91\xa6Leoben\x91\xa4Linz")
#define RIGHT(n)          LIST(1, "\x91\x94" n "\xa0\x00\x00")

/* As integration/reader makes them of the same words: SHA-256 of "Capitals" and of "Capitals II", and of the key that says 2. */
#define HASH_OF_CAPITALS                                                                           \
    {                                                                                              \
        {                                                                                          \
            0xa0, 0xef, 0x0f, 0x7b, 0xa7, 0x8e, 0x5f, 0x35, 0x06, 0x8e, 0xac, 0x07, 0x7b, 0xd3,    \
                0xa2, 0x37, 0xb2, 0xca, 0xe8, 0x78, 0x8d, 0x58, 0xfb, 0x6a, 0x72, 0x82, 0xaf,      \
                0x41, 0x65, 0xc0, 0x6e, 0x3f                                                       \
        }                                                                                          \
    }
#define HASH_OF_CAPITALS_II                                                                        \
    {                                                                                              \
        {                                                                                          \
            0x2c, 0x42, 0xaa, 0x57, 0x55, 0x02, 0x0e, 0xb5, 0xc8, 0x0c, 0xd2, 0x07, 0x9b, 0xbf,    \
                0x86, 0x70, 0x00, 0xfb, 0xd0, 0xf1, 0xb5, 0xf2, 0x02, 0x38, 0xc4, 0x48, 0x78,      \
                0x27, 0x7d, 0x53, 0x28, 0xd2                                                       \
        }                                                                                          \
    }
#define HASH_OF_SECOND                                                                             \
    {                                                                                              \
        {                                                                                          \
            0x1e, 0x15, 0x79, 0x2d, 0x00, 0x29, 0xe7, 0x69, 0xad, 0x47, 0xe7, 0x5c, 0xca, 0x6a,    \
                0xa0, 0x49, 0x6e, 0x50, 0x2a, 0x8f, 0x69, 0xb2, 0x32, 0xe1, 0x79, 0x9f, 0xba,      \
                0xdf, 0x5a, 0x7b, 0x62, 0x17                                                       \
        }                                                                                          \
    }

#define WHOLE(title_, choices_, right)                                                             \
    .title = TEXT(title_), .kind = PW_ITEM_KIND_SINGLE_CHOICE,                                     \
    .prompt = TEXT("Capital of Styria?"), .choices = CHOICES_OF_##choices_,                        \
    .scoring = PW_SCORING_MATCH_CORRECT, .answers = RIGHT(right), .maximum_mark = 2

#define IN_BANK(item)                                                                              \
    {                                                                                              \
        .type = PW_EVENT_ITEM_DRAFTED, .stream_id = ID(item), .stream_version = 1,                 \
        .item_drafted = {                                                                          \
            WHOLE("Capitals", CITIES, "\x01"),                                                     \
            .owner_id = TEA,                                                                       \
            .content_hash = HASH_OF_CAPITALS                                                       \
        }                                                                                          \
    }
#define NEXT(item, version, number)                                                                \
    {                                                                                              \
        .type = PW_EVENT_ITEM_REVISED, .stream_id = ID(item), .stream_version = version,           \
        .item_revised = {                                                                          \
            WHOLE("Capitals II", CITIES, "\x01"),                                                  \
            .version_number = number,                                                              \
            .content_hash = HASH_OF_CAPITALS_II                                                    \
        }                                                                                          \
    }
#define OUT_OF_USE(item, version, number)                                                          \
    {                                                                                              \
        .type = PW_EVENT_ITEM_RETIRED, .stream_id = ID(item), .stream_version = version,           \
        .item_retired = {                                                                          \
            number                                                                                 \
        }                                                                                          \
    }
#define CORRECTED(item, version, number, key)                                                      \
    {                                                                                              \
        .type = PW_EVENT_ITEM_KEY_CORRECTED, .stream_id = ID(item), .stream_version = version,     \
        .item_key_corrected = {                                                                    \
            number,                                                                                \
            key,                                                                                   \
            RIGHT("\x02"),                                                                         \
            HASH_OF_SECOND,                                                                        \
            PW_REASON_STAFF_MISTAKE                                                                \
        }                                                                                          \
    }

/* What exams ask of them. */
#define ITEM_BYTES(item, number) "\x92\xc4\x10\x70\0\0\0\0\0\0\0\0\0\0\0\0\0\0" item number
#define ASKED(count_, bytes)                                                                       \
    {                                                                                              \
        (const uint8_t *)(bytes), sizeof(bytes) - 1, count_                                        \
    }
#define FIRST_OF_90   ASKED(1, "\x91" ITEM_BYTES("\x5a", "\x01"))
#define SECOND_AND_91 ASKED(2, "\x92" ITEM_BYTES("\x5a", "\x02") ITEM_BYTES("\x5b", "\x01"))
#define TWICE_90      ASKED(2, "\x92" ITEM_BYTES("\x5a", "\x02") ITEM_BYTES("\x5a", "\x01"))
#define NOTHING_ASKED ASKED(0, "")
#define HASH_OF_FIRST_OF_90                                                                        \
    {                                                                                              \
        {                                                                                          \
            0xc3, 0xb9, 0xe6, 0x39, 0xa5, 0x9e, 0xcb, 0x2a, 0xc4, 0xe3, 0x73, 0x75, 0xb5, 0x30,    \
                0x76, 0x18, 0xef, 0xe5, 0xb4, 0x5c, 0x84, 0xee, 0x12, 0xbf, 0x10, 0xa0, 0x2f,      \
                0x3a, 0xf3, 0x31, 0x3c, 0xa4                                                       \
        }                                                                                          \
    }
#define HASH_OF_SECOND_AND_91                                                                      \
    {                                                                                              \
        {                                                                                          \
            0x4a, 0xbd, 0x20, 0x03, 0x51, 0x32, 0xc4, 0xa8, 0x7d, 0xc2, 0x86, 0xb3, 0xe5, 0x97,    \
                0xd8, 0x84, 0xc3, 0x13, 0xf5, 0x07, 0x53, 0x3f, 0xf3, 0x33, 0x49, 0x65, 0x02,      \
                0xd0, 0x78, 0x1b, 0xcb, 0x34                                                       \
        }                                                                                          \
    }
#define HASH_OF_NOTHING_ASKED                                                                      \
    {                                                                                              \
        {                                                                                          \
            0x9e, 0x07, 0x6c, 0xea, 0xf2, 0x46, 0xb6, 0x00, 0x3d, 0x9c, 0x26, 0x80, 0xa2, 0xb4,    \
                0xcf, 0x0b, 0xff, 0xd0, 0x69, 0x80, 0x59, 0x02, 0xb0, 0xb5, 0xed, 0xee, 0xbf,      \
                0x49, 0x03, 0x9f, 0xe4, 0xbd                                                       \
        }                                                                                          \
    }

#define HASH_OF_TWICE_90                                                                           \
    {                                                                                              \
        {                                                                                          \
            0x3d, 0x53, 0xc2, 0xec, 0x95, 0x17, 0xe7, 0x09, 0xc7, 0x83, 0xff, 0xe5, 0x3d, 0x6f,    \
                0x59, 0x72, 0xb9, 0xb0, 0xd4, 0xfb, 0x24, 0x1f, 0x1e, 0x61, 0xa8, 0xfc, 0x51,      \
                0xaf, 0x22, 0x4f, 0xdc, 0xe4                                                       \
        }                                                                                          \
    }

/* items: FIRST_OF_90, SECOND_AND_91 or NOTHING_ASKED. */
#define BOUND(exam, version, items_, marks)                                                        \
    {                                                                                              \
        .type = PW_EVENT_EXAM_ITEMS_BOUND, .stream_id = ID(exam), .stream_version = version,       \
        .exam_items_bound = {                                                                      \
            items_,                                                                                \
            HASH_OF_##items_,                                                                      \
            marks                                                                                  \
        }                                                                                          \
    }

#endif
