/* schemas/codec.h: the structs of the tables to and from msgpack payloads.
 *
 * Contract  A payload is the array of a message's fields in tag order. Reading checks kinds,
 *           lengths and UTF-8, but not the tables' `min` and `max`: limits may be tightened for new
 *           commands without making old events unreadable.
 * Owner     Text fields of what is read are views into the payload.
 * Errors    pw_event_read: LEDGER_DAMAGED, with a detail that begins with docs/ledger.md's
 *           reason. */
#ifndef PW_SCHEMAS_CODEC_H
#define PW_SCHEMAS_CODEC_H

#include "schemas/schema.h"
#include "schemas/wire.h"

void pw_payload_write(struct pw_buffer *buffer, const struct pw_message *message, const void *body);

/* False when the bytes are not one payload of this message, all of them; the body is then
 * spoilt. */
bool pw_payload_read(struct pw_str payload, const struct pw_message *message, void *ret_body);

/* The event of a name and version; upcasts older versions. Fails for an unknown name or version, or
 * a payload that does not decode. Fills type and body of *ret_event; stream id and version are the
 * caller's. */
enum pw_code pw_event_read(struct pw_str name, uint32_t version, struct pw_str payload,
                           struct pw_event *ret_event, struct pw_err *err);

/* The list that the bytes are; false: they are none, or another record's. */
bool pw_list_read(struct pw_str bytes, const struct pw_record_info *record,
                  struct pw_list *ret_list);

/* The list as it stands in a record, and SHA-256 of that; one without records is an empty array. */
struct pw_str pw_list_bytes(const struct pw_list *list);
struct pw_hash pw_list_hash(const struct pw_list *list);

/* Walks a list: what pw_list_begin gives is moved on by pw_list_next, which fills *ret_record (of the record's size) until there is no more. */
struct pw_cursor pw_list_begin(const struct pw_list *list);
bool pw_list_next(struct pw_cursor *cursor, const struct pw_record_info *record, void *ret_record);

/* Writes the client's decoded fields (PW_FROM_BODY, PW_FROM_BODY_OR, PW_FROM_PATH) in table order, passwords and secrets
 * left out: what a fingerprint covers. */
void pw_command_write_client_fields(struct pw_buffer *buffer, const struct pw_command *command);

#endif
