/* api/query_row.c: the columns of a row as JSON or CSV; what is sealed is opened on the way. */
#include <stdio.h>
#include <stdlib.h>

#include "api/audit_json.h"
#include "api/csv.h"
#include "api/log.h"
#include "api/query.h"
#include "api/sealing.h"
#include "schemas/codec.h"

/* Where more values than this do not open, it is the keys that are gone, not a person's key. Each was looked for, which takes its
 * time. */
#define LOST_MAX 16

#define DATE_BYTES 10 /* `2027-01-15`, with which a moment begins. */

/* A value of a row, before it is written in one form or another. */
enum value_kind { VALUE_NULL, VALUE_BARE, VALUE_TEXT, VALUE_ROLES, VALUE_RECORDS };
struct value {
    enum value_kind kind;
    struct pw_str text; /* Of a row, of a constant, or in `room`. */
    int64_t roles;
    const struct pw_record_info *record;
    struct pw_list records;
    char room[PW_SEALED_BYTES_MAX];
};
static_assert(PW_SEALED_BYTES_MAX > 65, "a hash has room");

/* A value that does not open is null, so that one lost key hides nobody else. */
static enum pw_code lost(const struct pw_query_ask *ask, const struct pw_query_column *column,
                         const struct pw_id *user_id, struct pw_query_opener *opener,
                         const struct pw_err *err)
{
    char user[PW_ID_TEXT_BYTES + 1];
    pw_id_format(user_id, user);
    pw_log(PW_LOG_ERROR, "queries", ask->partition, ask->trace_id,
           "%s of %s does not open: lost, unless they were erased just now: %s", column->sealed_as,
           user, err->detail);
    return ++opener->lost_count > LOST_MAX ? PW_ERR_INTERNAL : PW_OK;
}

/* bytes: what the table says of sealed columns (api/query_table.h). */
static enum pw_code read_sealed(const struct pw_query_ask *ask,
                                const struct pw_query_column *column, struct pw_str bytes,
                                struct pw_query_opener *opener, struct value *ret_value)
{
    struct pw_id user_id;
    struct pw_id key_id;
    char associated[PW_SEALING_BYTES_MAX];
    size_t plain_bytes = 0;
    struct pw_err err = {0};
    ret_value->kind = VALUE_NULL;
    if (bytes.len <= sizeof user_id + sizeof key_id) {
        return PW_OK;
    }
    memcpy(&user_id, bytes.ptr, sizeof user_id);
    memcpy(&key_id, bytes.ptr + sizeof user_id, sizeof key_id);
    struct pw_str sealed = {bytes.ptr + sizeof user_id + sizeof key_id,
                            bytes.len - sizeof user_id - sizeof key_id};
    if (opener->vault == NULL) {
        return pw_fail(&opener->err, PW_ERR_SETTING_WRONG, "keys.master_files is not set here");
    }
    enum pw_code code =
        sealed.len > sizeof ret_value->room
            ? pw_fail(&err, PW_ERR_LEDGER_DAMAGED, "it is too long")
            : pw_vault_unseal(opener->vault, &ask->tenant_id, &key_id,
                              pw_sealing_associated(&user_id, column->sealed_as, associated),
                              sealed, (uint8_t *)ret_value->room, &plain_bytes, &err);
    if (code == PW_OK) {
        ret_value->kind = VALUE_TEXT;
        ret_value->text = (struct pw_str){ret_value->room, plain_bytes};
    } else if (code == PW_ERR_NOT_FOUND || code == PW_ERR_LEDGER_DAMAGED) {
        code = lost(ask, column, &user_id, opener, &err);
    }
    opener->err = code == PW_OK ? opener->err : err;
    return code;
}

/* A node of a later version may have written a word that this one does not know. */
static struct pw_str word_of(const struct pw_query_column *column, int64_t number)
{
    int64_t i = 0;
    while (i < number && column->words[i] != NULL) {
        i++;
    }
    return i == number && column->words[i] != NULL ? pw_str_of(column->words[i])
                                                   : PW_STR("unknown");
}

static enum pw_code read_value(const struct pw_query_ask *ask, const struct pw_query_column *column,
                               const struct pw_query *query, uint32_t at,
                               struct pw_query_opener *opener, struct value *ret_value)
{
    struct pw_id id;
    struct pw_str bytes;
    ret_value->kind = VALUE_TEXT;
    ret_value->text.ptr = ret_value->room;
    if (pw_query_is_null(query, at)) {
        ret_value->kind = VALUE_NULL;
        return PW_OK;
    }
    switch (column->kind) {
    case PW_ANSWER_ID:
        id = pw_query_id(query, at);
        pw_id_format(&id, ret_value->room);
        ret_value->text.len = PW_ID_TEXT_BYTES;
        break;
    case PW_ANSWER_TEXT: ret_value->text = pw_query_text(query, at); break;
    case PW_ANSWER_COUNT:
        ret_value->kind = VALUE_BARE;
        ret_value->text.len = (size_t)snprintf(ret_value->room, sizeof ret_value->room, "%lld",
                                               (long long)pw_query_integer(query, at));
        break;
    case PW_ANSWER_FLAG:
        ret_value->kind = VALUE_BARE;
        ret_value->text = pw_query_integer(query, at) != 0 ? PW_STR("true") : PW_STR("false");
        break;
    case PW_ANSWER_AT:
        ret_value->text.len = pw_at_format(pw_query_integer(query, at), ret_value->room);
        break;
    case PW_ANSWER_DAY:
        pw_at_format(pw_query_integer(query, at), ret_value->room);
        ret_value->text.len = DATE_BYTES;
        break;
    case PW_ANSWER_HASH:
        bytes = pw_query_text(query, at);
        pw_hex_format(bytes.ptr, bytes.len == 32 ? 32 : 0, ret_value->room);
        ret_value->text.len = strlen(ret_value->room);
        break;
    case PW_ANSWER_WORD: ret_value->text = word_of(column, pw_query_integer(query, at)); break;
    case PW_ANSWER_ROLES:
        ret_value->kind = VALUE_ROLES;
        ret_value->roles = pw_query_integer(query, at);
        break;
    case PW_ANSWER_RECORDS:
        ret_value->kind = VALUE_RECORDS;
        ret_value->record = column->record();
        if (!pw_list_read(pw_query_text(query, at), ret_value->record, &ret_value->records)) {
            return pw_fail(&opener->err, PW_ERR_INTERNAL, "%s is no list of %s", column->name,
                           ret_value->record->name);
        }
        break;
    case PW_ANSWER_SEALED:
        return read_sealed(ask, column, pw_query_text(query, at), opener, ret_value);
    }
    return PW_OK;
}

/* --- Two forms --- */

static void add_roles_json(struct pw_text *text, int64_t roles)
{
    const char *joint = "[";
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if ((roles >> role & 1) != 0) {
            pw_text_addf(text, "%s\"%s\"", joint, pw_role_name((enum pw_role)role));
            joint = ",";
        }
    }
    pw_text_add_c(text, joint[0] == '[' ? "[]" : "]");
}

/* To be freed. */
static char *records_json(const struct value *value)
{
    json_t *json = pw_audit_json_list(value->record, &value->records);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

static void add_json(struct pw_text *text, const struct value *value)
{
    char *records;
    switch (value->kind) {
    case VALUE_NULL: pw_text_add_c(text, "null"); break;
    case VALUE_BARE: pw_text_add(text, value->text); break;
    case VALUE_TEXT: pw_text_add_json(text, value->text); break;
    case VALUE_ROLES: add_roles_json(text, value->roles); break;
    case VALUE_RECORDS:
        records = records_json(value);
        pw_text_add_c(text, records);
        free(records);
        break;
    }
}

/* As a roster has them (api/roster.h). */
static void add_roles_csv(struct pw_text *text, int64_t roles)
{
    const char *joint = "";
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if ((roles >> role & 1) != 0) {
            pw_text_addf(text, "%s%s", joint, pw_role_name((enum pw_role)role));
            joint = " ";
        }
    }
}

static void add_csv(struct pw_text *text, const struct value *value)
{
    char *records;
    switch (value->kind) {
    case VALUE_NULL: break;
    case VALUE_BARE: pw_text_add(text, value->text); break;
    case VALUE_TEXT: pw_csv_add(text, value->text); break;
    case VALUE_ROLES: add_roles_csv(text, value->roles); break;
    case VALUE_RECORDS:
        records = records_json(value);
        pw_csv_add(text, pw_str_of(records));
        free(records);
        break;
    }
}

/* What is asked of a row besides its values. */
static void note(struct pw_query_ask *ask, const struct pw_query_column *column,
                 const struct pw_query *query, uint32_t at)
{
    if (strcmp(column->name, "version") == 0) {
        ask->version = (uint32_t)pw_query_integer(query, at);
    }
    if (ask->info->order_column != NULL && strcmp(column->sql, ask->info->order_column) == 0) {
        ask->next_after.order_at_us = pw_query_integer(query, at);
    }
}

/* JSON has no line break, so that the event's data is one line. */
static void add_event_id(struct pw_text *text, const struct pw_query_ask *ask,
                         const struct pw_query *query)
{
    for (uint32_t i = 0; i < ask->info->column_count; i++) {
        if (strcmp(ask->info->columns[i].sql, ask->info->order_column) == 0) {
            int64_t number = pw_query_integer(query, PW_QUERY_POSITION_COLUMNS + i);
            pw_text_addf(text, "id: %lld\ndata: ", (long long)number);
        }
    }
}

enum pw_code pw_query_write_row(struct pw_text *text, struct pw_query_ask *ask,
                                const struct pw_query *query, struct pw_query_opener *opener)
{
    const struct pw_query_info *info = ask->info;
    enum pw_code code = PW_OK;
    if (ask->as_events) {
        add_event_id(text, ask, query);
    }
    for (uint32_t i = 0; code == PW_OK && i < info->column_count; i++) {
        const struct pw_query_column *column = &info->columns[i];
        uint32_t at = PW_QUERY_POSITION_COLUMNS + i;
        struct value value;
        code = read_value(ask, column, query, at, opener, &value);
        if (code == PW_OK && ask->as_csv) {
            pw_text_add_c(text, i == 0 ? "" : ",");
            add_csv(text, &value);
        } else if (code == PW_OK) {
            pw_text_addf(text, "%s\"%s\":", i == 0 ? "{" : ",", column->name);
            add_json(text, &value);
        }
        note(ask, column, query, at);
    }
    ask->next_after.key = pw_query_id(query, PW_QUERY_POSITION_COLUMNS);
    pw_text_add_c(text, ask->as_csv ? "\r\n" : ask->as_events ? "}\n\n" : "}");
    return code;
}
