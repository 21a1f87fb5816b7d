/* commands/tests/item.c: the bank of items. */
#include "commands/tests/items.h"

#define DRAFT(item, choices_)                                                                      \
    {                                                                                              \
        .type = PW_COMMAND_ITEM_DRAFT, .item_draft = {                                             \
            .item_id = ID(item),                                                                   \
            WHOLE("Capitals", choices_, "\x01")                                                    \
        }                                                                                          \
    }
#define REVISE(item, title_, choices_)                                                             \
    {                                                                                              \
        .type = PW_COMMAND_ITEM_REVISE, .item_revise = {                                           \
            .item_id = ID(item),                                                                   \
            WHOLE(title_, choices_, "\x01")                                                        \
        }                                                                                          \
    }
#define REVISE_TO_SECOND(item)                                                                     \
    {                                                                                              \
        .type = PW_COMMAND_ITEM_REVISE, .item_revise = {                                           \
            .item_id = ID(item),                                                                   \
            WHOLE("Capitals", CITIES, "\x02")                                                      \
        }                                                                                          \
    }
#define RETIRE(item)                                                                               \
    {                                                                                              \
        .type = PW_COMMAND_ITEM_RETIRE, .item_retire = { ID(item) }                                \
    }
#define CORRECT(item, number, right)                                                               \
    {                                                                                              \
        .type = PW_COMMAND_ITEM_CORRECT_KEY, .item_correct_key = {                                 \
            ID(item),                                                                              \
            number,                                                                                \
            RIGHT(right),                                                                          \
            PW_REASON_STAFF_MISTAKE                                                                \
        }                                                                                          \
    }
#define BY_TEA AT(TEA, TEACHER, NINE)
#define BY_TOM AT(TOM, TEACHER, NINE)

static const struct row item_draft_rows[] = {
    {"an item is its teacher's", GIVEN(CREATED), DRAFT(40, CITIES), BY_TEA, PW_OK,
     THEN(IN_BANK(40))},
    {"two may be the same", GIVEN(CREATED, IN_BANK(40)), DRAFT(41, CITIES), BY_TEA, PW_OK,
     THEN(IN_BANK(41))},
    {"three choices are too few", GIVEN(CREATED), DRAFT(40, THREE), BY_TEA, PW_ERR_ITEM_INCOHERENT,
     NOTHING, "choices"},
    {"nowhere without a tenant", NEW, DRAFT(40, CITIES), BY_TEA, PW_ERR_NO_SUCH_TENANT, NOTHING},
};
ROWS_OF(item_draft);

static const struct row item_revise_rows[] = {
    {"the next version", GIVEN(CREATED, IN_BANK(40)), REVISE(40, "Capitals II", CITIES), BY_TEA,
     PW_OK, THEN(NEXT(40, 2, 2))},
    {"the same content changes nothing", GIVEN(CREATED, IN_BANK(40)),
     REVISE(40, "Capitals", CITIES), BY_TEA, PW_OK, NOTHING},
    {"the content of old with a key that was corrected is another one",
     GIVEN(CREATED, IN_BANK(40), NEXT(40, 0, 2), CORRECTED(40, 0, 2, 2)),
     REVISE(40, "Capitals II", CITIES), BY_TEA, PW_OK, THEN(NEXT(40, 4, 3))},
    {"the content as it is shown, with the key that was corrected, changes nothing",
     GIVEN(CREATED, IN_BANK(40), CORRECTED(40, 0, 1, 2)), REVISE_TO_SECOND(40), BY_TEA, PW_OK,
     NOTHING},
    {"it has to fit", GIVEN(CREATED, IN_BANK(40)), REVISE(40, "Capitals", THREE), BY_TEA,
     PW_ERR_ITEM_INCOHERENT, NOTHING},
    {"not once it is retired", GIVEN(CREATED, IN_BANK(40), OUT_OF_USE(40, 0, 1)),
     REVISE(40, "Capitals II", CITIES), BY_TEA, PW_ERR_ITEM_RETIRED, NOTHING},
    {"there is no such item", GIVEN(CREATED), REVISE(40, "Capitals II", CITIES), BY_TEA,
     PW_ERR_NO_SUCH_ITEM, NOTHING, "item_id"},
    {"another teacher's does not exist", GIVEN(CREATED, IN_BANK(40)),
     REVISE(40, "Capitals II", CITIES), BY_TOM, PW_ERR_NO_SUCH_ITEM, NOTHING},
    {"not even its version", GIVEN(CREATED, IN_BANK(40)), REVISE(40, "Capitals II", CITIES), BY_TOM,
     PW_ERR_NO_SUCH_ITEM, NOTHING, IF_MATCH(9)},
    {"changed since it was read", GIVEN(CREATED, IN_BANK(40), NEXT(40, 0, 2)),
     REVISE(40, "Capitals", CITIES), BY_TEA, PW_ERR_VERSION_MISMATCH, NOTHING, IF_MATCH(1)},
};
ROWS_OF(item_revise);

static const struct row item_retire_rows[] = {
    {"out of use", GIVEN(CREATED, IN_BANK(40), NEXT(40, 0, 2)), RETIRE(40), BY_TEA, PW_OK,
     THEN(OUT_OF_USE(40, 3, 2))},
    {"once", GIVEN(CREATED, IN_BANK(40), OUT_OF_USE(40, 0, 1)), RETIRE(40), BY_TEA, PW_OK, NOTHING},
    {"there is no such item", GIVEN(CREATED), RETIRE(40), BY_TEA, PW_ERR_NO_SUCH_ITEM, NOTHING},
    {"another teacher's does not exist", GIVEN(CREATED, IN_BANK(40)), RETIRE(40), BY_TOM,
     PW_ERR_NO_SUCH_ITEM, NOTHING},
};
ROWS_OF(item_retire);

static const struct row item_correct_key_rows[] = {
    {"the key of the newest version", GIVEN(CREATED, IN_BANK(40)), CORRECT(40, 1, "\x02"), BY_TEA,
     PW_OK, THEN(CORRECTED(40, 2, 1, 2))},
    {"of an earlier one", GIVEN(CREATED, IN_BANK(40), NEXT(40, 0, 2)), CORRECT(40, 1, "\x02"),
     BY_TEA, PW_OK, THEN(CORRECTED(40, 3, 1, 2))},
    {"of one that is retired: exams have it", GIVEN(CREATED, IN_BANK(40), OUT_OF_USE(40, 0, 1)),
     CORRECT(40, 1, "\x02"), BY_TEA, PW_OK, THEN(CORRECTED(40, 3, 1, 2))},
    {"the same key changes nothing", GIVEN(CREATED, IN_BANK(40)), CORRECT(40, 1, "\x01"), BY_TEA,
     PW_OK, NOTHING},
    {"nor does it a second time", GIVEN(CREATED, IN_BANK(40), CORRECTED(40, 0, 1, 2)),
     CORRECT(40, 1, "\x02"), BY_TEA, PW_OK, NOTHING},
    {"a choice that there is not", GIVEN(CREATED, IN_BANK(40)), CORRECT(40, 1, "\x05"), BY_TEA,
     PW_ERR_ITEM_INCOHERENT, NOTHING, "there is not"},
    {"there is no such version", GIVEN(CREATED, IN_BANK(40)), CORRECT(40, 2, "\x02"), BY_TEA,
     PW_ERR_NO_SUCH_ITEM_VERSION, NOTHING, "the newest is 1"},
    {"there is no such item", GIVEN(CREATED), CORRECT(40, 1, "\x02"), BY_TEA, PW_ERR_NO_SUCH_ITEM,
     NOTHING},
    {"another teacher's does not exist", GIVEN(CREATED, IN_BANK(40)), CORRECT(40, 1, "\x02"),
     BY_TOM, PW_ERR_NO_SUCH_ITEM, NOTHING},
};
ROWS_OF(item_correct_key);
