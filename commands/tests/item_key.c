/* commands/tests/item_key.c: which parts of an item fit one another. */
#include "commands/item_key.h"

#include <criterion/criterion.h>

#define LIST(count_, literal)                                                                      \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1, count_                                    \
    }

static const struct {
    const char *name;
    struct pw_item_form form;
    struct pw_list answers;
    const char *why; /* A part of it; NULL: all fits. */
} rows[] = {
    {"one of four is right",
     {PW_ITEM_KIND_SINGLE_CHOICE, PW_SCORING_MATCH_CORRECT, 4, 2, 0},
     LIST(1, "\x91\x94\x01\xa0\x00\x00"),
     NULL},
    {"one of three is too few",
     {PW_ITEM_KIND_SINGLE_CHOICE, PW_SCORING_MATCH_CORRECT, 3, 2, 0},
     LIST(1, "\x91\x94\x01\xa0\x00\x00"),
     "choices"},
    {"two are right, one can be given",
     {PW_ITEM_KIND_SINGLE_CHOICE, PW_SCORING_MATCH_CORRECT, 4, 2, 0},
     LIST(2, "\x92\x94\x01\xa0\x00\x00\x94\x02\xa0\x00\x00"),
     "more answers are right"},
    {"two of three are right",
     {PW_ITEM_KIND_MULTIPLE_CHOICE, PW_SCORING_MATCH_CORRECT, 3, 2, 0},
     LIST(2, "\x92\x94\x01\xa0\x00\x00\x94\x03\xa0\x00\x00"),
     NULL},
    {"one of them twice",
     {PW_ITEM_KIND_MULTIPLE_CHOICE, PW_SCORING_MATCH_CORRECT, 3, 2, 0},
     LIST(2, "\x92\x94\x01\xa0\x00\x00\x94\x01\xa0\x00\x00"),
     "the same"},
    {"a choice that there is not",
     {PW_ITEM_KIND_MULTIPLE_CHOICE, PW_SCORING_MATCH_CORRECT, 3, 2, 0},
     LIST(1, "\x91\x94\x04\xa0\x00\x00"),
     "there is not"},
    {"no choice",
     {PW_ITEM_KIND_MULTIPLE_CHOICE, PW_SCORING_MATCH_CORRECT, 3, 2, 0},
     LIST(1, "\x91\x94\x00\xa0\x00\x00"),
     "names no choice"},
    {"a choice, and something typed",
     {PW_ITEM_KIND_MULTIPLE_CHOICE, PW_SCORING_MATCH_CORRECT, 3, 2, 0},
     LIST(1, "\x91\x94\x01\xa1\x78\x00\x00"),
     "names no choice"},
    {"what is right has no mark of its own",
     {PW_ITEM_KIND_MULTIPLE_CHOICE, PW_SCORING_MATCH_CORRECT, 3, 2, 0},
     LIST(1, "\x91\x94\x01\xa0\x02\x00"),
     "the maximum is its mark"},
    {"mapped marks add up",
     {PW_ITEM_KIND_MULTIPLE_CHOICE, PW_SCORING_MAP_RESPONSE, 3, 3, 1},
     LIST(3, "\x93\x94\x01\xa0\x02\x00\x94\x02\xa0\x01\x00\x94\x03\xa0\x00\x01"),
     NULL},
    {"not to the maximum",
     {PW_ITEM_KIND_MULTIPLE_CHOICE, PW_SCORING_MAP_RESPONSE, 3, 4, 1},
     LIST(3, "\x93\x94\x01\xa0\x02\x00\x94\x02\xa0\x01\x00\x94\x03\xa0\x00\x01"),
     "reaches the maximum"},
    {"where one is chosen they do not add up",
     {PW_ITEM_KIND_SINGLE_CHOICE, PW_SCORING_MAP_RESPONSE, 4, 3, 0},
     LIST(2, "\x92\x94\x01\xa0\x02\x00\x94\x02\xa0\x01\x00"),
     "reaches the maximum"},
    {"neither a mark nor a penalty",
     {PW_ITEM_KIND_SINGLE_CHOICE, PW_SCORING_MAP_RESPONSE, 4, 2, 0},
     LIST(2, "\x92\x94\x01\xa0\x02\x00\x94\x02\xa0\x00\x00"),
     "neither"},
    {"both",
     {PW_ITEM_KIND_SINGLE_CHOICE, PW_SCORING_MAP_RESPONSE, 4, 2, 0},
     LIST(1, "\x91\x94\x01\xa0\x02\x01"),
     "or both"},
    {"yes or no",
     {PW_ITEM_KIND_TRUE_FALSE, PW_SCORING_MATCH_CORRECT, 2, 1, 0},
     LIST(1, "\x91\x94\x02\xa0\x00\x00"),
     NULL},
    {"or perhaps",
     {PW_ITEM_KIND_TRUE_FALSE, PW_SCORING_MATCH_CORRECT, 3, 1, 0},
     LIST(1, "\x91\x94\x02\xa0\x00\x00"),
     "choices"},
    {"two spellings",
     {PW_ITEM_KIND_SHORT_TEXT, PW_SCORING_MATCH_CORRECT, 0, 1, 0},
     LIST(2, "\x92\x94\x00\xa4\x47\x72\x61\x7a\x00\x00\x94\x00\xa4\x67\x72\x61\x7a\x00\x00"),
     NULL},
    {"nothing typed",
     {PW_ITEM_KIND_SHORT_TEXT, PW_SCORING_MATCH_CORRECT, 0, 1, 0},
     LIST(1, "\x91\x94\x00\xa0\x00\x00"),
     "no response"},
    {"half a mark for half a word",
     {PW_ITEM_KIND_SHORT_TEXT, PW_SCORING_MAP_RESPONSE, 0, 2, 0},
     LIST(2, "\x92\x94\x00\xa4\x47\x72\x61\x7a\x02\x00\x94\x00\xa3\x47\x72\x61\x01\x00"),
     NULL},
    {"a line that people read",
     {PW_ITEM_KIND_SHORT_TEXT, PW_SCORING_BY_PEOPLE, 0, 5, 0},
     {NULL, 0, 0},
     NULL},
    {"people need no key",
     {PW_ITEM_KIND_SHORT_TEXT, PW_SCORING_BY_PEOPLE, 0, 5, 0},
     LIST(1, "\x91\x94\x00\xa4\x47\x72\x61\x7a\x00\x00"),
     "no key"},
    {"a number",
     {PW_ITEM_KIND_NUMERIC, PW_SCORING_MATCH_CORRECT, 0, 1, 0},
     LIST(1, "\x91\x94\x00\xa5\x2d\x31\x32\x2e\x35\x00\x00"),
     NULL},
    {"one number twice, though not in the same digits",
     {PW_ITEM_KIND_NUMERIC, PW_SCORING_MATCH_CORRECT, 0, 1, 0},
     LIST(2, "\x92\x94\x00\xa2-1\x00\x00\x94\x00\xa5-01.0\x00\x00"),
     "the same"},
    {"zero has no sign",
     {PW_ITEM_KIND_NUMERIC, PW_SCORING_MATCH_CORRECT, 0, 1, 0},
     LIST(2, "\x92\x94\x00\xa4-0.0\x00\x00\x94\x00\xa2"
             "00\x00\x00"),
     "the same"},
    {"two numbers that look alike",
     {PW_ITEM_KIND_NUMERIC, PW_SCORING_MATCH_CORRECT, 0, 1, 0},
     LIST(3, "\x93\x94\x00\xa2"
             "10\x00\x00\x94\x00\xa1"
             "1\x00\x00\x94\x00\xa2-1\x00\x00"),
     NULL},
    {"no number",
     {PW_ITEM_KIND_NUMERIC, PW_SCORING_MATCH_CORRECT, 0, 1, 0},
     LIST(1, "\x91\x94\x00\xa4\x31\x32\x2c\x35\x00\x00"),
     "no decimal number"},
    {"numbers are for a key",
     {PW_ITEM_KIND_NUMERIC, PW_SCORING_BY_PEOPLE, 0, 1, 0},
     {NULL, 0, 0},
     "scored by a key"},
    {"there is no key",
     {PW_ITEM_KIND_NUMERIC, PW_SCORING_MATCH_CORRECT, 0, 1, 0},
     {NULL, 0, 0},
     "there is no key"},
    {"an essay", {PW_ITEM_KIND_ESSAY, PW_SCORING_BY_PEOPLE, 0, 20, 0}, {NULL, 0, 0}, NULL},
    {"no key scores it",
     {PW_ITEM_KIND_ESSAY, PW_SCORING_MATCH_CORRECT, 0, 20, 0},
     LIST(1, "\x91\x94\x00\xa1\x78\x00\x00"),
     "scored by people"},
    {"nor choices", {PW_ITEM_KIND_ESSAY, PW_SCORING_BY_PEOPLE, 2, 20, 0}, {NULL, 0, 0}, "choices"},
    {"a file", {PW_ITEM_KIND_FILE, PW_SCORING_BY_PEOPLE, 0, 20, 0}, {NULL, 0, 0}, NULL},
    {"choices are for a key",
     {PW_ITEM_KIND_SINGLE_CHOICE, PW_SCORING_BY_PEOPLE, 4, 20, 0},
     {NULL, 0, 0},
     "scored by a key"},
    {"only what is mapped takes away",
     {PW_ITEM_KIND_SINGLE_CHOICE, PW_SCORING_MATCH_CORRECT, 4, 2, 1},
     LIST(1, "\x91\x94\x01\xa0\x00\x00"),
     "taken away"},
};

Test(item_key, what_fits_and_what_does_not)
{
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        const char *why = pw_item_misfit(&rows[i].form, &rows[i].answers);
        cr_expect_eq(why == NULL, rows[i].why == NULL, "%s: %s", rows[i].name,
                     why != NULL ? why : "it fits");
        cr_expect(why == NULL || rows[i].why == NULL || strstr(why, rows[i].why) != NULL, "%s: %s",
                  rows[i].name, why);
    }
}

Test(item_key, decimal_numbers)
{
    static const char *const good[] = {"0", "3", "-3", "12.5", "-0.001", "007"};
    static const char *const bad[] = {"",    "-",  ".",   "1.", ".5",  "1.2.3",
                                      "1,5", "+1", "1e3", " 1", "--1", "1-"};
    for (size_t i = 0; i < PW_COUNT(good); i++) {
        cr_expect(pw_item_is_decimal(pw_str_of(good[i])), "%s", good[i]);
    }
    for (size_t i = 0; i < PW_COUNT(bad); i++) {
        cr_expect_not(pw_item_is_decimal(pw_str_of(bad[i])), "%s", bad[i]);
    }
}
