/* commands/item_key.h: whether the parts of an item fit one another.
 *
 * Contract  What a candidate of that kind of item does can be answered, and the key gives each answer what the way of scoring needs, so that
 *           the maximum can be reached. Pure.
 * Source    QTI 3's response processing templates match_correct and map_response: there is one right response, or each value that is mapped
 *           adds to a sum which is bounded below and above. */
#ifndef PW_COMMANDS_ITEM_KEY_H
#define PW_COMMANDS_ITEM_KEY_H

#include "schemas/schema.h"

struct pw_item_form {
    uint32_t kind;    /* enum pw_item_kind */
    uint32_t scoring; /* enum pw_scoring */
    uint32_t choice_count;
    uint32_t maximum_mark;
    uint32_t penalty_max; /* How far below zero the mark may fall. */
};

/* What does not fit, in words; NULL: all of it does. */
const char *pw_item_misfit(const struct pw_item_form *form, const struct pw_list *answers);

/* `-12.5`, `3`: an optional minus, digits, and at most one point between digits. */
bool pw_item_is_decimal(struct pw_str text);

#endif
