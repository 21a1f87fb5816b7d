/* api/audit_json.c: values of the ledger in JSON. */
#include "api/audit_json.h"

#include "schemas/codec.h"

json_t *pw_audit_json_id(const struct pw_id *id)
{
    char text[PW_ID_TEXT_BYTES + 1];
    if (pw_id_is_nil(id)) {
        return json_null();
    }
    pw_id_format(id, text);
    return json_string(text);
}

json_t *pw_audit_json_at(int64_t at_us)
{
    char text[PW_AT_TEXT_BYTES_MAX];
    return json_stringn(text, pw_at_format(at_us, text));
}

json_t *pw_audit_json_hash(const struct pw_hash *hash)
{
    char text[2 * sizeof hash->bytes + 1];
    pw_hex_format(hash->bytes, sizeof hash->bytes, text);
    return json_string(text);
}

json_t *pw_audit_json_key(const struct pw_hash *public_key)
{
    char text[PW_BASE64URL_BYTES(sizeof public_key->bytes) + 1];
    pw_base64url_format(public_key->bytes, sizeof public_key->bytes, text);
    return json_string(text);
}

json_t *pw_audit_json_roles(uint32_t roles)
{
    json_t *names = json_array();
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if ((roles >> role & 1) != 0) {
            json_array_append_new(names, json_string(pw_role_name((enum pw_role)role)));
        }
    }
    return names;
}

json_t *pw_audit_json_text(struct pw_str text)
{
    return json_stringn_nocheck(text.ptr != NULL ? text.ptr : "", text.len);
}

static json_t *sealed_json(struct pw_str sealed)
{
    char text[PW_BASE64URL_BYTES(PW_SEALED_BYTES_MAX) + 1];
    pw_base64url_format((const uint8_t *)sealed.ptr, sealed.len, text);
    return json_string(text);
}

json_t *pw_audit_json_list(const struct pw_record_info *record, const struct pw_list *list)
{
    _Alignas(max_align_t) char body[PW_RECORD_SIZE_MAX];
    struct pw_cursor cursor = pw_list_begin(list);
    json_t *records = json_array();
    while (pw_list_next(&cursor, record, body)) {
        json_t *object = json_object();
        for (uint32_t i = 0; i < record->message.field_count; i++) {
            json_object_set_new(object, record->message.fields[i].name,
                                pw_audit_json_field(&record->message.fields[i], body));
        }
        json_array_append_new(records, object);
    }
    return records;
}

json_t *pw_audit_json_field(const struct pw_field *field, const char *body)
{
    const void *value = body + field->offset;
    switch (field->kind) {
    case PW_FIELD_KIND_id: return pw_audit_json_id(value);
    case PW_FIELD_KIND_text:
    case PW_FIELD_KIND_zone:
    case PW_FIELD_KIND_language:
    case PW_FIELD_KIND_passage: return pw_audit_json_text(*(const struct pw_str *)value);
    case PW_FIELD_KIND_count:
    case PW_FIELD_KIND_minutes: return json_integer(*(const uint32_t *)value);
    case PW_FIELD_KIND_at: return pw_audit_json_at(*(const int64_t *)value);
    case PW_FIELD_KIND_hash: return pw_audit_json_hash(value);
    case PW_FIELD_KIND_key: return pw_audit_json_key(value);
    case PW_FIELD_KIND_roles: return pw_audit_json_roles(*(const uint32_t *)value);
    case PW_FIELD_KIND_flag: return json_boolean(*(const uint32_t *)value != 0);
    case PW_FIELD_KIND_reason:
    case PW_FIELD_KIND_item_kind:
    case PW_FIELD_KIND_scoring:
        return json_string(pw_names_of(field->kind).names[*(const uint32_t *)value].name);
    case PW_FIELD_KIND_list: return pw_audit_json_list(field->record(), value);
    case PW_FIELD_KIND_sealed: return sealed_json(*(const struct pw_str *)value);
    case PW_FIELD_KIND_personal: /* No event has these. */
    case PW_FIELD_KIND_email:
    case PW_FIELD_KIND_password:
    case PW_FIELD_KIND_secret: break;
    }
    return json_null();
}
