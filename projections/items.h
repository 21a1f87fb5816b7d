/* projections/items.h: the bank's tables. They stand in the read model of exams: one worker keeps what exams are and what they ask.
 *
 * Contract  As projection.h has it, of events of items. */
#ifndef PW_PROJECTIONS_ITEMS_H
#define PW_PROJECTIONS_ITEMS_H

#include "projections/projection.h"

extern const struct pw_table pw_items_table;         /* Each item, */
extern const struct pw_table pw_item_versions_table; /* what its versions ask, */
extern const struct pw_table pw_item_keys_table;     /* and the keys that they have had. */

enum pw_code pw_item_rows(const struct pw_event *event, const struct pw_tenant *after,
                          struct pw_rows *out, struct pw_err *err);

#endif
