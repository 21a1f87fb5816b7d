/* schemas/codec.c: descriptors walked over a struct's memory, in both directions. */
#include "schemas/codec.h"

/* Names of roles in the table's order. */
static void write_roles(struct pw_buffer *buffer, uint32_t roles)
{
    pw_write_array(buffer, (uint32_t)__builtin_popcount(roles));
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if ((roles >> role & 1) != 0) {
            pw_write_text(buffer, pw_str_of(pw_role_name((enum pw_role)role)));
        }
    }
}

static uint32_t read_roles(struct pw_cursor *cursor)
{
    uint32_t count = pw_read_array(cursor), roles = 0;

    for (uint32_t i = 0; i < count && !cursor->bad; i++) {
        enum pw_role role;
        struct pw_str name = pw_read_text(cursor, 1, PW_TEXT_BYTES_MAX);
        if (!pw_role_by_name(name, &role) || roles >> role != 0) {
            cursor->bad = true; /* Unknown, or not in the table's order. */
            return 0;
        }
        roles |= UINT32_C(1) << role;
    }
    return roles;
}

static uint32_t read_name(struct pw_cursor *cursor, enum pw_field_kind kind)
{
    uint32_t value = 0;
    if (!pw_name_find(kind, pw_read_text(cursor, 1, PW_TEXT_BYTES_MAX), &value)) {
        cursor->bad = true;
    }
    return value;
}

static void write_name(struct pw_buffer *buffer, enum pw_field_kind kind, uint32_t value)
{
    struct pw_names names = pw_names_of(kind);
    assert(value < names.count);
    pw_write_text(buffer, pw_str_of(names.names[value].name));
}

static void write_list(struct pw_buffer *buffer, const struct pw_list *list)
{
    struct pw_str bytes = pw_list_bytes(list);
    pw_buffer_append(buffer, bytes.ptr, bytes.len);
}

static void write_field(struct pw_buffer *buffer, const struct pw_field *field, const void *body)
{
    const void *value = (const char *)body + field->offset;

    switch (field->kind) {
    case PW_FIELD_KIND_id: pw_write_id(buffer, value); break;
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language:
    case PW_FIELD_KIND_personal:
    case PW_FIELD_KIND_email:
    case PW_FIELD_KIND_password:
    case PW_FIELD_KIND_secret:
    case PW_FIELD_KIND_passage: pw_write_text(buffer, *(const struct pw_str *)value); break;
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_flag:
    case PW_FIELD_KIND_minutes: pw_write_uint(buffer, *(const uint32_t *)value); break;
    case PW_FIELD_KIND_at: pw_write_uint(buffer, (uint64_t) * (const int64_t *)value); break;
    case PW_FIELD_KIND_hash:
    case PW_FIELD_KIND_key: pw_write_bin(buffer, value, sizeof(struct pw_hash)); break;
    case PW_FIELD_KIND_roles: write_roles(buffer, *(const uint32_t *)value); break;
    case PW_FIELD_KIND_reason:
    case PW_FIELD_KIND_item_kind:
    case PW_FIELD_KIND_scoring: write_name(buffer, field->kind, *(const uint32_t *)value); break;
    case PW_FIELD_KIND_sealed: {
        const struct pw_str *sealed = value;
        pw_write_bin(buffer, sealed->ptr, sealed->len);
        break;
    }
    case PW_FIELD_KIND_list: write_list(buffer, value); break;
    }
}

static void read_field(struct pw_cursor *cursor, const struct pw_field *field, void *body);

static void read_fields(struct pw_cursor *cursor, const struct pw_message *message, void *ret_body)
{
    if (pw_read_array(cursor) != message->field_count) {
        cursor->bad = true;
    }
    for (uint32_t i = 0; i < message->field_count && !cursor->bad; i++) {
        read_field(cursor, &message->fields[i], ret_body);
    }
}

/* Each record is read once here, so that whoever walks the list later meets none that is bad. */
static void read_list(struct pw_cursor *cursor, const struct pw_record_info *record,
                      struct pw_list *ret_list)
{
    _Alignas(max_align_t) uint8_t scratch[PW_RECORD_SIZE_MAX];
    const uint8_t *begin = cursor->at;
    uint32_t count = pw_read_array(cursor);
    cursor->bad = cursor->bad || count > PW_LIST_COUNT_MAX;
    for (uint32_t i = 0; i < count && !cursor->bad; i++) {
        read_fields(cursor, &record->message, scratch);
    }
    *ret_list = (struct pw_list){begin, (size_t)(cursor->at - begin), count};
}

static void read_field(struct pw_cursor *cursor, const struct pw_field *field, void *body)
{
    void *value = (char *)body + field->offset;
    const void *bytes;

    switch (field->kind) {
    case PW_FIELD_KIND_id: *(struct pw_id *)value = pw_read_id(cursor); break;
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language:
        *(struct pw_str *)value = pw_read_text(cursor, 0, PW_TEXT_BYTES_MAX);
        break;
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_minutes:
        *(uint32_t *)value = (uint32_t)pw_read_uint(cursor, UINT32_MAX);
        break;
    case PW_FIELD_KIND_at: *(int64_t *)value = (int64_t)pw_read_uint(cursor, INT64_MAX); break;
    case PW_FIELD_KIND_hash:
    case PW_FIELD_KIND_key:
        bytes = pw_read_bin(cursor, sizeof(struct pw_hash));
        if (bytes != NULL) {
            memcpy(value, bytes, sizeof(struct pw_hash));
        }
        break;
    case PW_FIELD_KIND_flag: *(uint32_t *)value = (uint32_t)pw_read_uint(cursor, 1); break;
    case PW_FIELD_KIND_roles: *(uint32_t *)value = read_roles(cursor); break;
    case PW_FIELD_KIND_reason:
    case PW_FIELD_KIND_item_kind:
    case PW_FIELD_KIND_scoring: *(uint32_t *)value = read_name(cursor, field->kind); break;
    case PW_FIELD_KIND_sealed:
        *(struct pw_str *)value = pw_read_bytes(cursor, PW_SEALED_BYTES_MAX);
        break;
    case PW_FIELD_KIND_personal: /* Before they are sealed; no event has these. */
    case PW_FIELD_KIND_email:
    case PW_FIELD_KIND_password:
    case PW_FIELD_KIND_secret:
        *(struct pw_str *)value = pw_read_text(cursor, 0, PW_PERSONAL_BYTES_MAX);
        break;
    case PW_FIELD_KIND_passage:
        *(struct pw_str *)value = pw_read_text(cursor, 0, PW_PASSAGE_BYTES_MAX);
        break;
    case PW_FIELD_KIND_list: read_list(cursor, field->record(), value); break;
    }
}

void pw_payload_write(struct pw_buffer *buffer, const struct pw_message *message, const void *body)
{
    pw_write_array(buffer, message->field_count);
    for (uint32_t i = 0; i < message->field_count; i++) {
        write_field(buffer, &message->fields[i], body);
    }
}

bool pw_payload_read(struct pw_str payload, const struct pw_message *message, void *ret_body)
{
    struct pw_cursor cursor = pw_cursor_of(payload.ptr, payload.len);

    read_fields(&cursor, message, ret_body);
    return pw_cursor_done(&cursor);
}

bool pw_list_read(struct pw_str bytes, const struct pw_record_info *record,
                  struct pw_list *ret_list)
{
    struct pw_cursor cursor = pw_cursor_of(bytes.ptr, bytes.len);
    read_list(&cursor, record, ret_list);
    return pw_cursor_done(&cursor);
}

struct pw_str pw_list_bytes(const struct pw_list *list)
{
    return list->count == 0 ? PW_STR("\x90")
                            : (struct pw_str){(const char *)list->data, list->bytes};
}

struct pw_hash pw_list_hash(const struct pw_list *list)
{
    struct pw_str bytes = pw_list_bytes(list);
    return pw_sha256(bytes.ptr, bytes.len, NULL, 0);
}

struct pw_cursor pw_list_begin(const struct pw_list *list)
{
    struct pw_str bytes = pw_list_bytes(list);
    struct pw_cursor cursor = pw_cursor_of(bytes.ptr, bytes.len);
    (void)pw_read_array(&cursor);
    return cursor;
}

bool pw_list_next(struct pw_cursor *cursor, const struct pw_record_info *record, void *ret_record)
{
    if (cursor->bad || cursor->at == cursor->end) {
        return false;
    }
    read_fields(cursor, &record->message, ret_record);
    return !cursor->bad;
}

enum pw_code pw_event_read(struct pw_str name, uint32_t version, struct pw_str payload,
                           struct pw_event *ret_event, struct pw_err *err)
{
    int name_bytes = name.len > 64 ? 64 : (int)name.len;
    enum pw_event_type type;

    if (!pw_event_by_name(name, &type)) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "unknown-event: no event is called %.*s",
                       name_bytes, name.ptr);
    }
    const struct pw_event_info *info = pw_event_info(type);
    if (version != info->version) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED,
                       "unknown-event: %s has version %u; this program knows %u", info->name,
                       version, info->version);
    }
    ret_event->type = type;
    if (!pw_payload_read(payload, &info->message, pw_event_body(ret_event))) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED,
                       "unknown-event: the payload of %s does not fit its table", info->name);
    }
    return PW_OK;
}

/* What could be guessed and tried is left out: a hash of it would be there for ever. */
static bool is_fingerprinted(const struct pw_field *field)
{
    return (field->source == PW_FROM_BODY || field->source == PW_FROM_BODY_OR ||
            field->source == PW_FROM_PATH) &&
           field->kind != PW_FIELD_KIND_password && field->kind != PW_FIELD_KIND_secret;
}

void pw_command_write_client_fields(struct pw_buffer *buffer, const struct pw_command *command)
{
    const struct pw_message *message = &pw_command_info(command->type)->message;
    const void *body = pw_command_body((struct pw_command *)command);
    uint32_t count = 0;

    for (uint32_t i = 0; i < message->field_count; i++) {
        count += is_fingerprinted(&message->fields[i]) ? 1 : 0;
    }
    pw_write_array(buffer, count);
    for (uint32_t i = 0; i < message->field_count; i++) {
        if (is_fingerprinted(&message->fields[i])) {
            write_field(buffer, &message->fields[i], body);
        }
    }
}
