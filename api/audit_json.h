/* api/audit_json.h: values of the ledger as the audit verbs write them in JSON: as the API does, but for what the API opens and an
 * audit leaves sealed. A nil id is null. */
#ifndef PW_API_AUDIT_JSON_H
#define PW_API_AUDIT_JSON_H

#include <jansson.h>

#include "schemas/schema.h"

json_t *pw_audit_json_id(const struct pw_id *id);
json_t *pw_audit_json_at(int64_t at_us);
json_t *pw_audit_json_hash(const struct pw_hash *hash);
json_t *pw_audit_json_key(const struct pw_hash *public_key);
json_t *pw_audit_json_roles(uint32_t roles);
json_t *pw_audit_json_text(struct pw_str text);

/* Records of a list, as objects. */
json_t *pw_audit_json_list(const struct pw_record_info *record, const struct pw_list *list);

/* A field of an event, as the tables' kinds are written; `body` is the event's. */
json_t *pw_audit_json_field(const struct pw_field *field, const char *body);

#endif
