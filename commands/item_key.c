/* commands/item_key.c: whether the parts of an item fit one another. */
#include "commands/item_key.h"

#include "schemas/codec.h"

struct kind_rule {
    uint32_t choices_min;
    uint32_t choices_max;
    uint32_t right_max; /* Right answers of match-correct. */
    bool takes_one;     /* A candidate gives one answer: so what is mapped does not add up. */
    bool is_for_people; /* No key can score it. */
    bool is_typed;
};

#define CHOICES_MAX 20
#define RIGHT_MAX   40

static const struct kind_rule rules[PW_ITEM_KIND_COUNT] = {
    [PW_ITEM_KIND_SINGLE_CHOICE] = {4, CHOICES_MAX, 1, .takes_one = true},
    [PW_ITEM_KIND_MULTIPLE_CHOICE] = {2, CHOICES_MAX, CHOICES_MAX, .takes_one = false},
    [PW_ITEM_KIND_TRUE_FALSE] = {2, 2, 1, .takes_one = true},
    [PW_ITEM_KIND_SHORT_TEXT] = {0, 0, RIGHT_MAX, .takes_one = true, .is_typed = true},
    [PW_ITEM_KIND_NUMERIC] = {0, 0, RIGHT_MAX, .takes_one = true, .is_typed = true},
    [PW_ITEM_KIND_ESSAY] = {0, 0, 0, .is_for_people = true},
    [PW_ITEM_KIND_FILE] = {0, 0, 0, .is_for_people = true},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool pw_item_is_decimal(struct pw_str text)
{
    size_t i = text.len > 0 && text.ptr[0] == '-' ? 1 : 0;
    bool has_point = false;
    bool after_digit = false;
    for (; i < text.len; i++) {
        if (text.ptr[i] == '.' && after_digit && !has_point) {
            has_point = true;
            after_digit = false;
        } else if (is_digit(text.ptr[i])) {
            after_digit = true;
        } else {
            return false;
        }
    }
    return after_digit;
}

static const char *answer_misfit(const struct pw_item_form *form,
                                 const struct pw_item_answer *answer)
{
    const struct kind_rule *rule = &rules[form->kind];
    bool is_mapped = form->scoring == PW_SCORING_MAP_RESPONSE;
    if (rule->is_typed ? answer->choice != 0 || answer->response.len == 0
                       : answer->choice == 0 || answer->response.len > 0) {
        return rule->is_typed ? "an answer of the key has no response, or names a choice"
                              : "an answer of the key names no choice, or has a response";
    }
    if (answer->choice > form->choice_count) {
        return "an answer of the key names a choice that there is not";
    }
    if (form->kind == PW_ITEM_KIND_NUMERIC && !pw_item_is_decimal(answer->response)) {
        return "an answer of the key is no decimal number, such as -12.5";
    }
    if (is_mapped && (answer->mark == 0) == (answer->penalty == 0)) {
        return "an answer of the key has neither a mark nor a penalty, or both";
    }
    if (!is_mapped && (answer->mark > 0 || answer->penalty > 0)) {
        return "where the key says what is right, the maximum is its mark";
    }
    return NULL;
}

/* A decimal without what does not count: zeros before it and after its point, and the sign of zero. */
struct decimal {
    bool is_negative;
    struct pw_str whole;
    struct pw_str fraction;
};

static struct decimal decimal_of(struct pw_str text)
{
    size_t at = text.ptr[0] == '-' ? 1 : 0;
    const char *point = memchr(text.ptr, '.', text.len);
    size_t end = point == NULL ? text.len : (size_t)(point - text.ptr);
    struct decimal is = {.is_negative = at == 1};
    while (at < end && text.ptr[at] == '0') {
        at++;
    }
    is.whole = (struct pw_str){&text.ptr[at], end - at};
    if (point != NULL) {
        is.fraction = (struct pw_str){point + 1, text.len - end - 1};
    }
    while (is.fraction.len > 0 && is.fraction.ptr[is.fraction.len - 1] == '0') {
        is.fraction.len--;
    }
    is.is_negative = is.is_negative && is.whole.len + is.fraction.len > 0;
    return is;
}

static bool says_the_same(const struct pw_item_form *form, struct pw_str a, struct pw_str b)
{
    if (form->kind != PW_ITEM_KIND_NUMERIC) {
        return pw_str_equal(a, b);
    }
    struct decimal left = decimal_of(a);
    struct decimal right = decimal_of(b);
    return left.is_negative == right.is_negative && pw_str_equal(left.whole, right.whole) &&
           pw_str_equal(left.fraction, right.fraction);
}

/* Whether one before says the same: the list is short. */
static bool is_repeated(const struct pw_item_form *form, const struct pw_list *answers,
                        uint32_t index, const struct pw_item_answer *answer)
{
    struct pw_cursor cursor = pw_list_begin(answers);
    struct pw_item_answer other;
    for (uint32_t i = 0; i < index && pw_list_next(&cursor, pw_item_answer_record(), &other); i++) {
        if (other.choice == answer->choice &&
            says_the_same(form, other.response, answer->response)) {
            return true;
        }
    }
    return false;
}

static const char *key_misfit(const struct pw_item_form *form, const struct pw_list *answers)
{
    const struct kind_rule *rule = &rules[form->kind];
    struct pw_cursor cursor = pw_list_begin(answers);
    struct pw_item_answer answer;
    uint64_t sum = 0;
    uint32_t best = 0;
    for (uint32_t i = 0; pw_list_next(&cursor, pw_item_answer_record(), &answer); i++) {
        const char *why = answer_misfit(form, &answer);
        if (why != NULL) {
            return why;
        }
        if (is_repeated(form, answers, i, &answer)) {
            return "two answers of the key are the same";
        }
        sum += answer.mark;
        best = answer.mark > best ? answer.mark : best;
    }
    if (form->scoring == PW_SCORING_MATCH_CORRECT && answers->count > rule->right_max) {
        return "more answers are right than a candidate can give";
    }
    if (form->scoring == PW_SCORING_MAP_RESPONSE &&
        (rule->takes_one ? best : sum) < form->maximum_mark) {
        return "no answer reaches the maximum mark";
    }
    return NULL;
}

const char *pw_item_misfit(const struct pw_item_form *form, const struct pw_list *answers)
{
    assert(form->kind < PW_ITEM_KIND_COUNT && form->scoring < PW_SCORING_COUNT);
    const struct kind_rule *rule = &rules[form->kind];
    if (form->choice_count < rule->choices_min || form->choice_count > rule->choices_max) {
        return "there are too few or too many choices for an item of that kind";
    }
    if (form->penalty_max > 0 && form->scoring != PW_SCORING_MAP_RESPONSE) {
        return "only where answers are mapped can marks be taken away";
    }
    if (form->scoring == PW_SCORING_BY_PEOPLE) {
        return rule->choices_max > 0 || form->kind == PW_ITEM_KIND_NUMERIC
                   ? "items of that kind are scored by a key"
               : answers->count > 0 ? "where people score there is no key"
                                    : NULL;
    }
    if (rule->is_for_people) {
        return "items of that kind are scored by people";
    }
    return answers->count == 0 ? "there is no key" : key_misfit(form, answers);
}
